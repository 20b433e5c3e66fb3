/* context_file.c - a learned prompt as one safetensors file (docs/formats.md, "Prompt file, version 1"). */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "clip/context.h"

#define FORMAT "orthsr-prompt"
#define FILE_NAME "prompt.safetensors"
#define CLASS "class:"
#define TENSOR "context"
enum { VERSION = 1, MAX_CLASSES = 4096 }; /* names are compared one with another, so a file may not hold any number of them */

static const char *const POSITIONS[] = {"end", "middle", "front"}; /* by orthsr_class_position */
static const char *const KEYS[] = {"format", "format_version", "position", "fingerprint"};

/* ---- writing ------------------------------------------------------------------------------------------------------------------- */

static json_t *describe(const orthsr_prompt *prompt) {
    json_t *metadata =
        json_pack("{s:s, s:s, s:s, s:s}", "format", FORMAT, "format_version", "1", "position", POSITIONS[prompt->position], "fingerprint", prompt->fingerprint);
    for (size_t c = 0; c < prompt->classes && metadata; c++) {
        char *key = orthsr__format(CLASS "%zu", c);
        if (!key || json_object_set_new(metadata, key, json_string(prompt->names[c])) != 0) {
            json_decref(metadata);
            metadata = NULL;
        }
        free(key);
    }
    return metadata;
}

static orthsr_status write_file(const orthsr_prompt *prompt, const char *path, orthsr_error *error) {
    size_t shape[3] = {prompt->classes, prompt->words, prompt->width};
    bool specific = prompt->classes > 0;
    orthsr__tensor_spec spec = {
        .name = TENSOR, .dtype_name = "F32", .rank = specific ? 3 : 2, .shape = specific ? shape : shape + 1, .bytes = prompt->count * sizeof(float)};
    float *values = orthsr__aligned(prompt->count, sizeof *values);
    json_t *metadata = describe(prompt);
    orthsr__writer writer;
    orthsr_status status = values && metadata ? orthsr__writer_open(&writer, path, error) : orthsr__fail_memory(error, "a prompt file");
    if (!status) {
        orthsr__real_to_float(values, prompt->context, prompt->count);
        status = orthsr__safetensors_write_header(&writer, &spec, 1, metadata, error);
        if (!status) status = orthsr__writer_write(&writer, values, spec.bytes, error);
        if (status) orthsr__writer_discard(&writer);
        else status = orthsr__writer_commit(&writer, error);
    }
    free(values);
    json_decref(metadata);
    return status;
}

orthsr_status orthsr_prompt_save(const orthsr_prompt *prompt, const char *path, orthsr_error *error) {
    ORTHSR__REQUIRE(prompt && path, error, "prompt or path is NULL");
    if (prompt->classes > MAX_CLASSES)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%s: the prompt has %zu classes; a file holds at most %d", __func__, prompt->classes, MAX_CLASSES);
    char *file;
    ORTHSR__TRY(orthsr__file_to_write(&file, path, FILE_NAME, error));
    orthsr_status status = write_file(prompt, file, error);
    free(file);
    return status;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------------- */

static orthsr_status read_head(orthsr_class_position *position, const orthsr__safetensors *file, orthsr_error *error) {
    const char *format = orthsr__safetensors_metadata(file, "format"), *version = orthsr__safetensors_metadata(file, "format_version"),
               *where = orthsr__safetensors_metadata(file, "position");
    if (!format || strcmp(format, FORMAT) != 0)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is not a prompt: its metadata lacks \"format\": \"" FORMAT "\"", file->path);
    size_t digits = version ? strspn(version, "0123456789") : 0;
    if (digits == 0 || version[digits] || version[0] == '0')
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': metadata format_version is missing or not a number above 0", file->path);
    if (strcmp(version, "1") != 0)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s' has format_version %.20s, this library reads %d: a newer release of it is needed",
                            file->path, version, VERSION);
    if (!orthsr__safetensors_metadata(file, "fingerprint"))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': metadata fingerprint is missing", file->path);
    for (size_t p = 0; p < sizeof POSITIONS / sizeof POSITIONS[0]; p++) {
        *position = (orthsr_class_position)p;
        if (where && strcmp(where, POSITIONS[p]) == 0) return ORTHSR_OK;
    }
    return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': metadata position must be \"end\", \"middle\" or \"front\"", file->path);
}

/* The values of class:0, class:1, ... up to the first that is absent, borrowed, in names (MAX_CLASSES). */
static orthsr_status read_names(const char **names, size_t *n, const orthsr__safetensors *file, orthsr_error *error) {
    for (*n = 0;; ++*n) {
        char key[32];
        snprintf(key, sizeof key, CLASS "%zu", *n);
        const char *name = orthsr__safetensors_metadata(file, key);
        if (!name) return ORTHSR_OK;
        if (*n == MAX_CLASSES) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' has more than %d classes", file->path, MAX_CLASSES);
        for (size_t i = 0; i < *n; i++)
            if (strcmp(names[i], name) == 0) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': class '%.256s' is there twice", file->path, name);
        names[*n] = name;
    }
}

static bool is_known_key(const char *key, size_t classes) {
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++)
        if (strcmp(key, KEYS[i]) == 0) return true;
    char *end;
    size_t tail = sizeof CLASS - 1;
    if (strncmp(key, CLASS, tail) != 0 || key[tail] < '0' || key[tail] > '9' || (key[tail] == '0' && key[tail + 1])) return false;
    return strtoull(key + tail, &end, 10) < classes && *end == '\0';
}

/* What this version does not know could change the meaning of what it does know. */
static orthsr_status refuse_unknown(const orthsr__safetensors *file, size_t classes, orthsr_error *error) {
    for (void *at = json_object_iter(file->metadata); at; at = json_object_iter_next(file->metadata, at))
        if (!is_known_key(json_object_iter_key(at), classes))
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': metadata key '%.256s' is unknown", file->path, json_object_iter_key(at));
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, TENSOR) != 0)
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': tensor '%.256s' is unknown", file->path, file->tensors[i].name);
    return ORTHSR_OK;
}

static orthsr_status read_context(orthsr_prompt **out, const orthsr__safetensors *file, const char *const *names, size_t classes, orthsr_error *error) {
    const orthsr__tensor *tensor = orthsr__safetensors_find(file, TENSOR);
    if (!tensor) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': tensor '" TENSOR "' is missing", file->path);
    const size_t *shape = tensor->shape + (classes > 0);
    if (tensor->dtype != ORTHSR__F32 || tensor->rank != (classes > 0 ? 3 : 2) || tensor->elements == 0 || (classes > 0 && tensor->shape[0] != classes))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': tensor '" TENSOR "' must be F32 of shape (%swords, width)", file->path,
                            classes > 0 ? "classes, " : "");
    orthsr_prompt *prompt;
    ORTHSR__TRY(orthsr__prompt_allocate(&prompt, shape[0], shape[1], names, classes, orthsr__safetensors_metadata(file, "fingerprint"), error));
    orthsr_status status = orthsr__tensor_to_real(prompt->context, tensor, file->path, error);
    if (!status && !orthsr__all_finite(prompt->context, prompt->count))
        status = orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "'%s': tensor '" TENSOR "' holds a value that is not finite", file->path);
    if (status) orthsr_prompt_free(prompt);
    else *out = prompt;
    return status;
}

static orthsr_status read_file(orthsr_prompt **out, const orthsr__safetensors *file, orthsr_error *error) {
    orthsr_class_position position = ORTHSR_CLASS_END;
    size_t classes = 0;
    ORTHSR__TRY(read_head(&position, file, error));
    const char **names = orthsr__calloc(MAX_CLASSES, sizeof *names);
    orthsr_status status = names ? read_names(names, &classes, file, error) : orthsr__fail_memory(error, "class names");
    if (!status) status = refuse_unknown(file, classes, error);
    if (!status) status = read_context(out, file, names, classes, error);
    if (!status) (*out)->position = position;
    free(names);
    return status;
}

orthsr_status orthsr_prompt_load(orthsr_prompt **out, const orthsr_model *model, const char *path, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(path, error, "path is NULL");
    char *name = orthsr__file_at(path, FILE_NAME);
    if (!name) return orthsr__fail_memory(error, "a file name");
    orthsr__safetensors file;
    orthsr_prompt *prompt = NULL;
    orthsr_status status = orthsr__safetensors_open(&file, name, error);
    if (!status) {
        status = read_file(&prompt, &file, error);
        orthsr__safetensors_close(&file);
    }
    orthsr_error why;
    if (!status && model && (status = orthsr__prompt_fits(prompt, model, &why))) orthsr__fail(error, status, "'%s': %s", name, why.message);
    free(name);
    if (status) orthsr_prompt_free(prompt);
    else *out = prompt;
    return status;
}
