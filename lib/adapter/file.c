/* file.c - an adapter as one safetensors file (docs/formats.md, "Adapter file"). */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/adapter.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/safetensors.h"

#define FORMAT "orthsr-adapter"
#define FILE_NAME "adapter.safetensors"
#define TARGET "target:"
enum { VERSION = 2, FIRST = 1 };

static const char *const SIDES[] = {"input", "output"};
#define SCALE ".scale"
#define SHARE "block_share"
#define SHARED "true"
#define NARROW "narrow" /* in the place of a block size */

static const char *const KEYS[] = {"format",      "format_version", "parametrization", "blocks",    "block_size",
                                   "fingerprint", "side",           "reflections",     "butterfly", SHARE};
enum { KEY_COUNT = sizeof KEYS / sizeof KEYS[0] };

/* Cayley and free are of version 1, and files of them are still written as such: earlier releases read them. later: something that came later. */
static int version_of(orthsr_parametrization parametrization, bool later) { return parametrization <= ORTHSR_FREE && !later ? FIRST : VERSION; }

/* The shape of a target's tensor; returns its rank. */
static size_t shape_of(size_t shape[4], const orthsr_adapter *adapter, const orthsr__target *target) {
    shape[0] = target->distinct;
    return 1 + adapter->by->shape(shape + 1, &target->form);
}

static char *tensor_name(const orthsr_adapter *adapter, const char *target) { return orthsr__format("%s%s", target, adapter->by->suffix); }

/* ---- writing ------------------------------------------------------------------------------------------------------- */

/* The number of blocks or their size, as asked for. */
static char *division_text(const orthsr_adapter *adapter) {
    if (adapter->block_size == ORTHSR_BLOCK_NARROW) return orthsr__strdup(NARROW);
    return orthsr__format("%zu", adapter->blocks ? adapter->blocks : adapter->block_size);
}

/* Takes value over; a NULL of an earlier failed allocation fails here. */
static bool set(json_t *object, const char *key, char *value) {
    bool done = key && value && json_object_set_new(object, key, json_string(value)) == 0;
    free(value);
    return done;
}

static bool describe(json_t *metadata, const orthsr_adapter *adapter, const char *fingerprint) {
    bool later = adapter->share || adapter->block_size == ORTHSR_BLOCK_NARROW;
    bool done = set(metadata, "format", orthsr__strdup(FORMAT)) &&
                set(metadata, "format_version", orthsr__format("%d", version_of(adapter->parametrization, later))) &&
                set(metadata, "parametrization", orthsr__strdup(adapter->by->name)) &&
                set(metadata, adapter->blocks ? "blocks" : "block_size", division_text(adapter)) && set(metadata, "fingerprint", orthsr__strdup(fingerprint));
    if (adapter->share) done = done && set(metadata, SHARE, orthsr__strdup(SHARED));
    if (adapter->side != ORTHSR_SIDE_INPUT) done = done && set(metadata, "side", orthsr__strdup(SIDES[adapter->side]));
    if (adapter->parametrization == ORTHSR_HOUSEHOLDER) done = done && set(metadata, "reflections", orthsr__format("%zu", adapter->form.reflections));
    if (adapter->parametrization == ORTHSR_BUTTERFLY)
        done = done && set(metadata, "butterfly", orthsr__format("%zu,%zu", adapter->form.small, adapter->form.factors));
    for (size_t i = 0; i < adapter->target_count && done; i++) {
        const orthsr__target *target = &adapter->targets[i];
        char *key = orthsr__format(TARGET "%zu", i);
        done = set(metadata, key, orthsr__format("%zu,%zu,%s", target->in, target->out, target->name));
        free(key);
    }
    return done;
}

orthsr_status orthsr__adapter_write_parameters(orthsr__writer *writer, const orthsr_adapter *adapter, orthsr_error *error) {
    float *values = orthsr__aligned(adapter->parameter_count, sizeof *values);
    if (!values) return orthsr__fail_memory(error, "an adapter's parameters");
    orthsr__real_to_float(values, adapter->factors.parameters, adapter->parameter_count);
    orthsr_status status = orthsr__writer_write(writer, values, adapter->parameter_count * sizeof *values, error);
    free(values);
    return status;
}

/* The scales that there are, after all parameters. */
static orthsr_status write_scales(orthsr__writer *writer, const orthsr_adapter *adapter, orthsr_error *error) {
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < adapter->target_count && !status; i++) {
        const orthsr__target *target = &adapter->targets[i];
        if (!target->scale) continue;
        float *values = orthsr__aligned(target->out, sizeof *values);
        if (!values) return orthsr__fail_memory(error, "an adapter's scales");
        orthsr__real_to_float(values, target->scale, target->out);
        status = orthsr__writer_write(writer, values, target->out * sizeof *values, error);
        free(values);
    }
    return status;
}

/* specs (2 target_count) with names in fresh memory and shapes (target_count), and how many: false when memory is short. */
static bool specify(orthsr__tensor_spec *specs, size_t (*shapes)[4], size_t *count, const orthsr_adapter *adapter) {
    bool ready = true;
    *count = 0;
    for (size_t i = 0; i < adapter->target_count && ready; i++) {
        const orthsr__target *target = &adapter->targets[i];
        orthsr__tensor_spec *spec = &specs[(*count)++];
        *spec = (orthsr__tensor_spec){.name = tensor_name(adapter, target->name),
                                      .dtype_name = "F32",
                                      .rank = shape_of(shapes[i], adapter, target),
                                      .shape = shapes[i],
                                      .bytes = target->parameter_count * sizeof(float)};
        ready = spec->name != NULL;
    }
    for (size_t i = 0; i < adapter->target_count && ready; i++) {
        const orthsr__target *target = &adapter->targets[i];
        if (!target->scale) continue;
        orthsr__tensor_spec *spec = &specs[(*count)++];
        *spec = (orthsr__tensor_spec){
            .name = orthsr__format("%s" SCALE, target->name), .dtype_name = "F32", .rank = 1, .shape = &target->out, .bytes = target->out * sizeof(float)};
        ready = spec->name != NULL;
    }
    return ready;
}

static orthsr_status write_file(const orthsr_adapter *adapter, const char *path, const char *fingerprint, orthsr_error *error) {
    size_t count = 0;
    orthsr__tensor_spec *specs = orthsr__calloc(2 * adapter->target_count, sizeof *specs);
    size_t(*shapes)[4] = orthsr__calloc(adapter->target_count, sizeof *shapes);
    json_t *metadata = json_object();
    bool ready = specs && shapes && metadata && describe(metadata, adapter, fingerprint) && specify(specs, shapes, &count, adapter);
    orthsr__writer writer;
    orthsr_status status = ready ? orthsr__writer_open(&writer, path, error) : orthsr__fail_memory(error, "an adapter file's header");
    if (!status) {
        status = orthsr__safetensors_write_header(&writer, specs, count, metadata, error);
        if (!status) status = orthsr__adapter_write_parameters(&writer, adapter, error);
        if (!status) status = write_scales(&writer, adapter, error);
        if (status) orthsr__writer_discard(&writer);
        else status = orthsr__writer_commit(&writer, error);
    }
    for (size_t i = 0; i < count; i++) free((char *)specs[i].name);
    free(specs);
    free(shapes);
    json_decref(metadata);
    return status;
}

orthsr_status orthsr_adapter_save(const orthsr_adapter *adapter, const char *path, const char *fingerprint, orthsr_error *error) {
    ORTHSR__REQUIRE(adapter && path, error, "adapter or path is NULL");
    ORTHSR__REQUIRE(!fingerprint || orthsr__is_utf8(fingerprint), error, "fingerprint is not UTF-8");
    if (adapter->target_count > ORTHSR__MAX_TARGETS)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%s: the adapter has %zu targets; a file holds at most %d", __func__, adapter->target_count,
                            ORTHSR__MAX_TARGETS);
    char *file;
    ORTHSR__TRY(orthsr__file_to_write(&file, path, FILE_NAME, error));
    orthsr_status status = write_file(adapter, file, fingerprint ? fingerprint : adapter->fingerprint, error);
    free(file);
    return status;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* A decimal number without sign or leading zeros at *at, which moves behind it. */
static bool parse_size(size_t *out, const char **at) {
    const char *p = *at;
    size_t value = 0;
    if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9')) return false;
    for (; *p >= '0' && *p <= '9'; p++)
        if (!orthsr__mul(&value, value, 10) || !orthsr__add(&value, value, (size_t)(*p - '0'))) return false;
    *out = value;
    *at = p;
    return true;
}

/* The whole text is a number above 0. */
static bool is_count(size_t *out, const char *text) { return text && parse_size(out, &text) && *text == '\0' && *out > 0; }

/* The parametrisation of this name, if a file of this version can have it. */
static bool find_parametrization(orthsr_parametrization *kind, const char *name, size_t version) {
    const orthsr__parametrization *by;
    for (int i = 0; name && (by = orthsr__parametrization_of((orthsr_parametrization)i)); i++)
        if (strcmp(name, by->name) == 0 && (size_t)version_of((orthsr_parametrization)i, false) <= version) {
            *kind = (orthsr_parametrization)i;
            return true;
        }
    return false;
}

/* What blocks of reflections and butterflies are made of; other parametrisations may not have these keys. */
static orthsr_status read_form(orthsr_adapter_options *options, const orthsr__safetensors *file, orthsr_error *error) {
    const char *reflections = orthsr__safetensors_metadata(file, "reflections"), *butterfly = orthsr__safetensors_metadata(file, "butterfly"), *at = butterfly;
    bool householder = options->parametrization == ORTHSR_HOUSEHOLDER, butterflies = options->parametrization == ORTHSR_BUTTERFLY;
    if (householder != !!reflections || (householder && !is_count(&options->reflections, reflections)))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': metadata reflections must be a number above 0 with parametrization householder, and only there",
                            file->path);
    if (butterflies != !!butterfly || (butterflies && !(parse_size(&options->small, &at) && *at++ == ',' && parse_size(&options->factors, &at) && *at == '\0')))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': metadata butterfly must read \"block,factors\" with parametrization butterfly, and only there",
                            file->path);
    return ORTHSR_OK;
}

static orthsr_status read_options(orthsr_adapter_options *options, const orthsr__safetensors *file, orthsr_error *error) {
    const char *format = orthsr__safetensors_metadata(file, "format"), *version = orthsr__safetensors_metadata(file, "format_version"),
               *parametrization = orthsr__safetensors_metadata(file, "parametrization"), *blocks = orthsr__safetensors_metadata(file, "blocks"),
               *block_size = orthsr__safetensors_metadata(file, "block_size"), *side = orthsr__safetensors_metadata(file, "side"),
               *share = orthsr__safetensors_metadata(file, SHARE);
    size_t number;
    if (!format || strcmp(format, FORMAT) != 0)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is not an adapter: its metadata lacks \"format\": \"" FORMAT "\"", file->path);
    if (!is_count(&number, version))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': metadata format_version is missing or not a number above 0", file->path);
    if (number > VERSION)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s' has format_version %zu, this library reads %d: a newer release of it is needed", file->path,
                            number, VERSION);
    orthsr_parametrization kind;
    if (!find_parametrization(&kind, parametrization, number))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': metadata parametrization must be \"cayley\" or \"free\"%s", file->path,
                            number > FIRST ? ", \"expm\", \"householder\", \"butterfly\" or \"manifold\"" : "");
    if (share && (number == FIRST || strcmp(share, SHARED) != 0))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': metadata " SHARE " must be \"" SHARED "\", in a file of format_version 2", file->path);
    bool later = number > FIRST, narrow = later && block_size && strcmp(block_size, NARROW) == 0;
    if (!blocks == !block_size || (!narrow && (!is_count(&number, blocks ? blocks : block_size) || number == ORTHSR_BLOCK_NARROW)))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': metadata must hold either blocks or block_size, a number above 0%s", file->path,
                            later ? ", or block_size \"" NARROW "\"" : "");
    bool output = side && strcmp(side, SIDES[ORTHSR_SIDE_OUTPUT]) == 0;
    if (side && !output && strcmp(side, SIDES[ORTHSR_SIDE_INPUT]) != 0)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': metadata side must be \"input\" or \"output\"", file->path);
    if (!orthsr__safetensors_metadata(file, "fingerprint"))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': metadata fingerprint is missing", file->path);
    *options = (orthsr_adapter_options){.parametrization = kind,
                                        .side = output ? ORTHSR_SIDE_OUTPUT : ORTHSR_SIDE_INPUT,
                                        .blocks = blocks ? number : 0,
                                        .block_size = narrow   ? ORTHSR_BLOCK_NARROW
                                                      : blocks ? 0
                                                               : number,
                                        .share = share != NULL};
    return read_form(options, file, error);
}

static orthsr_status wrong_shape(const orthsr_adapter *adapter, const orthsr__target *target, const orthsr__tensor *tensor, const orthsr__safetensors *file,
                                 orthsr_error *error) {
    size_t shape[4], rank = shape_of(shape, adapter, target);
    char text[128];
    orthsr__shape_text(text, sizeof text, shape, rank);
    return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': tensor '%.256s' has a wrong shape: %zu %s blocks of size %zu%s have %s", file->path, tensor->name,
                        target->blocks, adapter->by->name, target->block, adapter->share ? ", stored once," : "", text);
}

/* Reflections and butterflies say in few numbers what A is: a file of them may still not ask for any amount of memory. */
static orthsr_status check_room(const orthsr_adapter *adapter, const orthsr__target *target, const orthsr__safetensors *file, orthsr_error *error) {
    const size_t most = (size_t)1 << 28;
    size_t parameters = adapter->parameter_count + target->parameter_count,
           entries = adapter->rotation_count + target->distinct * target->block * target->block;
    if (entries <= most || entries / 8 <= parameters) return ORTHSR_OK;
    return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': up to '%.256s', %zu parameters stand for blocks of %zu entries, more than the %zu that are read",
                        file->path, target->name, parameters, entries, most);
}

/* Adds the target that the metadata value describes: "in,out,name". The tensor is checked first, so that what is allocated is in
 * proportion to the file. */
static orthsr_status read_target(orthsr_adapter *adapter, const orthsr__safetensors *file, const char *key, const char *value, orthsr_error *error) {
    orthsr__target target = {0};
    const char *at = value;
    if (!parse_size(&target.in, &at) || *at++ != ',' || !parse_size(&target.out, &at) || *at++ != ',')
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': metadata %s must read \"in,out,name\"", file->path, key);
    target.name = (char *)at;
    orthsr_error why;
    orthsr_status status = orthsr__target_layout(adapter, &target, &why);
    if (!status) {
        char *name = tensor_name(adapter, target.name);
        if (!name) return orthsr__fail_memory(error, "a tensor's name");
        const orthsr__tensor *tensor = orthsr__safetensors_find(file, name);
        free(name);
        size_t shape[4], rank = shape_of(shape, adapter, &target);
        if (!tensor) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': tensor '%.256s%s' is missing", file->path, target.name, adapter->by->suffix);
        if (tensor->dtype != ORTHSR__F32)
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': tensor '%.256s' has dtype %.32s, it must be F32", file->path, tensor->name,
                                tensor->dtype_name);
        if (tensor->rank != rank || memcmp(tensor->shape, shape, rank * sizeof *shape) != 0) return wrong_shape(adapter, &target, tensor, file, error);
        ORTHSR__TRY(check_room(adapter, &target, file, error));
        status = orthsr_adapter_add_target(adapter, target.name, target.in, target.out, &why);
    }
    if (status) /* what would be the caller's fault elsewhere is the file's here */
        return orthsr__fail(error, status == ORTHSR_ERROR_ARGUMENT ? ORTHSR_ERROR_FORMAT : status, "'%s': metadata %s: %s", file->path, key, why.message);
    return ORTHSR_OK;
}

static orthsr_status read_targets(orthsr_adapter *adapter, const orthsr__safetensors *file, orthsr_error *error) {
    for (;;) {
        char *key = orthsr__format(TARGET "%zu", adapter->target_count);
        if (!key) return orthsr__fail_memory(error, "a metadata key");
        const char *value = orthsr__safetensors_metadata(file, key);
        orthsr_status status = ORTHSR_OK;
        if (value && adapter->target_count == ORTHSR__MAX_TARGETS)
            status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' has more than %d targets", file->path, ORTHSR__MAX_TARGETS);
        else if (value) status = read_target(adapter, file, key, value, error);
        free(key);
        if (status || !value) return status;
    }
}

static bool is_known_key(const orthsr_adapter *adapter, const char *key) {
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strcmp(key, KEYS[i]) == 0) return true;
    size_t index, length = strlen(TARGET);
    if (strncmp(key, TARGET, length) != 0) return false;
    const char *at = key + length;
    return parse_size(&index, &at) && *at == '\0' && index < adapter->target_count;
}

static bool is_known_tensor(const orthsr_adapter *adapter, const char *tensor) {
    const char *suffix = adapter->by->suffix;
    size_t length = strlen(tensor), tail = strlen(suffix);
    if (length > strlen(SCALE) && strcmp(tensor + length - strlen(SCALE), SCALE) == 0) suffix = SCALE, tail = strlen(SCALE);
    for (size_t i = 0; i < adapter->target_count && length > tail; i++)
        if (strlen(adapter->targets[i].name) == length - tail && memcmp(adapter->targets[i].name, tensor, length - tail) == 0)
            return strcmp(tensor + length - tail, suffix) == 0;
    return false;
}

/* What this version does not know could change the meaning of what it does know. */
static orthsr_status refuse_unknown(const orthsr_adapter *adapter, const orthsr__safetensors *file, orthsr_error *error) {
    for (void *at = json_object_iter(file->metadata); at; at = json_object_iter_next(file->metadata, at))
        if (!is_known_key(adapter, json_object_iter_key(at)))
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': metadata key '%.256s' is unknown", file->path, json_object_iter_key(at));
    if (file->count == adapter->target_count) return ORTHSR_OK; /* every target has its own, and there are no scales */
    for (size_t i = 0; i < file->count; i++)
        if (!is_known_tensor(adapter, file->tensors[i].name))
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': tensor '%.256s' belongs to no target", file->path, file->tensors[i].name);
    return ORTHSR_OK;
}

static orthsr_status read_parameters(orthsr_adapter *adapter, const orthsr__safetensors *file, orthsr_error *error) {
    real *parameters = orthsr__aligned(adapter->parameter_count, sizeof *parameters);
    if (!parameters) return orthsr__fail_memory(error, "an adapter's parameters");
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < adapter->target_count && !status; i++) {
        char *name = tensor_name(adapter, adapter->targets[i].name);
        const orthsr__tensor *tensor = name ? orthsr__safetensors_find(file, name) : NULL;
        free(name);
        status = tensor ? orthsr__tensor_to_real(parameters + adapter->targets[i].parameter_offset, tensor, file->path, error)
                        : orthsr__fail_memory(error, "a tensor's name");
    }
    orthsr_error why;
    if (!status && (status = orthsr__adapter_update(adapter, parameters, &why))) orthsr__fail(error, status, "'%s': %s", file->path, why.message);
    free(parameters);
    return status;
}

static orthsr_status read_scales(orthsr_adapter *adapter, const orthsr__safetensors *file, orthsr_error *error) {
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < adapter->target_count && !status; i++) {
        const orthsr__target *target = &adapter->targets[i];
        char *name = orthsr__format("%s" SCALE, target->name);
        if (!name) return orthsr__fail_memory(error, "a tensor's name");
        const orthsr__tensor *tensor = orthsr__safetensors_find(file, name);
        free(name);
        if (!tensor) continue;
        if (tensor->dtype != ORTHSR__F32 || tensor->rank != 1 || tensor->shape[0] != target->out)
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': tensor '%.256s' must be F32 of shape (%zu)", file->path, tensor->name, target->out);
        float *values = orthsr__aligned(target->out, sizeof *values);
        if (!values) return orthsr__fail_memory(error, "an adapter's scales");
        memcpy(values, tensor->data, tensor->bytes);
        orthsr_error why;
        if ((status = orthsr_adapter_set_scale(adapter, i, values, &why))) orthsr__fail(error, status, "'%s': %s", file->path, why.message);
        free(values);
    }
    return status;
}

static orthsr_status read_file(orthsr_adapter **out, const orthsr__safetensors *file, orthsr_error *error) {
    orthsr_adapter_options options;
    ORTHSR__TRY(read_options(&options, file, error));
    orthsr_adapter *adapter;
    ORTHSR__TRY(orthsr_adapter_new(&adapter, &options, error));
    orthsr_status status = read_targets(adapter, file, error);
    if (!status) status = refuse_unknown(adapter, file, error);
    if (!status) status = read_parameters(adapter, file, error);
    if (!status) status = read_scales(adapter, file, error);
    if (!status) status = orthsr__adapter_set_fingerprint(adapter, orthsr__safetensors_metadata(file, "fingerprint"), error);
    if (status) orthsr_adapter_free(adapter);
    else *out = adapter;
    return status;
}

orthsr_status orthsr_adapter_load(orthsr_adapter **out, const char *path, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(path, error, "path is NULL");
    char *name = orthsr__file_at(path, FILE_NAME);
    if (!name) return orthsr__fail_memory(error, "a file name");
    orthsr__safetensors file;
    orthsr_status status = orthsr__safetensors_open(&file, name, error);
    free(name);
    ORTHSR__TRY(status);
    status = read_file(out, &file, error);
    orthsr__safetensors_close(&file);
    return status;
}
