/* peft_write.c - an adapter of ours as a directory that PEFT loads. */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/memory.h"
#include "clip/peft.h"
#include "io/json.h"

/* As PEFT writes it: sorted keys, two spaces, no newline at the end. 0.18.0 is the first release that reads it as it is meant; eps and
 * num_cayley_neumann_terms are its defaults, of no effect here. */
#define CONFIG                                                                                                                                                 \
    "{\n"                                                                                                                                                      \
    "  \"auto_mapping\": %s,\n"                                                                                                                                \
    "  \"base_model_name_or_path\": null,\n"                                                                                                                   \
    "  \"bias\": \"none\",\n"                                                                                                                                  \
    "  \"block_share\": %s,\n"                                                                                                                                 \
    "  \"coft\": false,\n"                                                                                                                                     \
    "  \"eps\": 6e-05,\n"                                                                                                                                      \
    "  \"exclude_modules\": null,\n"                                                                                                                           \
    "  \"fan_in_fan_out\": false,\n"                                                                                                                           \
    "  \"inference_mode\": true,\n"                                                                                                                            \
    "  \"init_weights\": true,\n"                                                                                                                              \
    "  \"layers_pattern\": null,\n"                                                                                                                            \
    "  \"layers_to_transform\": null,\n"                                                                                                                       \
    "  \"module_dropout\": 0.0,\n"                                                                                                                             \
    "  \"modules_to_save\": null,\n"                                                                                                                           \
    "  \"num_cayley_neumann_terms\": 5,\n"                                                                                                                     \
    "  \"oft_block_size\": %zu,\n"                                                                                                                             \
    "  \"peft_type\": \"OFT\",\n"                                                                                                                              \
    "  \"peft_version\": \"0.18.0\",\n"                                                                                                                        \
    "  \"r\": %zu,\n"                                                                                                                                          \
    "  \"revision\": null,\n"                                                                                                                                  \
    "  \"target_modules\": %s,\n"                                                                                                                              \
    "  \"task_type\": null,\n"                                                                                                                                 \
    "  \"use_cayley_neumann\": false\n"                                                                                                                        \
    "}"

/* For AutoPeftModel, which knows transformers alone. */
#define CLIP_MODEL                                                                                                                                             \
    "{\n"                                                                                                                                                      \
    "    \"base_model_class\": \"CLIPModel\",\n"                                                                                                               \
    "    \"parent_library\": \"transformers.models.clip.modeling_clip\"\n"                                                                                     \
    "  }"

typedef struct export {
    const orthsr_adapter *adapter;
    const char *directory;
    bool transformers;    /* the model is a CLIPModel */
    size_t r, block_size; /* one of them is 0 */
    const char **module;  /* (target_count): the module of each target */
}
export;

/* ---- what is written ------------------------------------------------------------------------------------------------------- */

/* PEFT has one number of blocks, or one size, for all maps. Blocks as wide as each map's narrow side may come out so, too. */
static orthsr_status divide(size_t *r, size_t *block_size, const orthsr_adapter *adapter, orthsr_error *error) {
    *r = adapter->blocks;
    *block_size = adapter->block_size;
    if (*block_size != ORTHSR_BLOCK_NARROW) return ORTHSR_OK;
    const orthsr__target *first = &adapter->targets[0], *number = NULL, *size = NULL; /* the first that differs */
    for (size_t i = adapter->target_count - 1; i > 0; i--) {
        if (first[i].blocks != first->blocks) number = &first[i];
        if (first[i].block != first->block) size = &first[i];
    }
    *r = number ? 0 : first->blocks;
    *block_size = number ? first->block : 0;
    if (!number || !size) return ORTHSR_OK;
    return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED,
                        "PEFT has one number or one size of blocks for all maps: target '%s' has %zu of size %zu, '%s' %zu of %zu; merge the adapter"
                        " (orthsr_model_merge), or adapt one kind of maps of one tower",
                        first->name, first->blocks, first->block, number->name, number->blocks, number->block);
}

/* Outside Hugging Face's layout attention is one torch.nn.MultiheadAttention. Its q, k and v are no modules, and out_proj is one that it never
 * calls: PEFT would load a factor there and compute without it. */
static orthsr_status name_module(const char **out, const orthsr__modules *modules, const orthsr__target *target, orthsr_error *error) {
    const orthsr__module *module = modules->items;
    while (strcmp(module->map, target->name) != 0) module++; /* it is bound: there is one */
    *out = module->name;
    if (module->is_called) return ORTHSR_OK;
    return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED,
                        "target '%s' cannot be exported: PEFT has no OFT inside the fused attention of %s models; merge the adapter"
                        " (orthsr_model_merge), or adapt fc1 and fc2 only",
                        target->name, modules->kind_of_model);
}

/* A regular expression that matches these modules and no others. A list would not do: PEFT takes its entries for the ends of names, and
 * "transformer.resblocks.0.mlp.c_fc" is also how "visual.transformer.resblocks.0.mlp.c_fc" ends. NULL when memory is short. */
static char *modules_pattern(const export *to) {
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    if (!stream) return NULL;
    for (size_t i = 0; i < to->adapter->target_count; i++) {
        if (i > 0) fputc('|', stream);
        for (const char *at = to->module[i]; *at; at++) {
            if (ispunct((unsigned char)*at) && *at != '_') fputc('\\', stream);
            fputc(*at, stream);
        }
    }
    bool failed = ferror(stream);
    if (fclose(stream) == 0 && !failed) return text;
    free(text);
    return NULL;
}

/* The config in fresh memory; NULL when that is short. */
static char *config_text(const export *to) {
    char *pattern = modules_pattern(to), *quoted = NULL, *text = NULL;
    json_t *value = pattern ? json_string(pattern) : NULL;
    if (value) quoted = orthsr__json_text(value, JSON_ENCODE_ANY);
    const char *mapping = to->transformers ? CLIP_MODEL : "null";
    if (quoted) text = orthsr__format(CONFIG, mapping, to->adapter->share ? "true" : "false", to->block_size, to->r, quoted);
    json_decref(value);
    free(quoted);
    free(pattern);
    return text;
}

static orthsr_status write_config(orthsr__writer *writer, const export *to, orthsr_error *error) {
    char *text = config_text(to);
    if (!text) return orthsr__fail_memory(error, "a PEFT config");
    orthsr_status status = orthsr__writer_write(writer, text, strlen(text), error);
    free(text);
    return status;
}

/* PEFT's vectors are ours, row by row and sign by sign: targets in order, (distinct blocks, b(b-1)/2) each. */
static orthsr_status write_weights(orthsr__writer *writer, const export *to, orthsr_error *error) {
    size_t count = to->adapter->target_count;
    orthsr__tensor_spec *specs = orthsr__calloc(count, sizeof *specs);
    size_t(*shapes)[2] = orthsr__calloc(count, sizeof *shapes);
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    bool ready = specs && shapes && metadata;
    for (size_t i = 0; i < count && ready; i++) {
        const orthsr__target *target = &to->adapter->targets[i];
        shapes[i][0] = target->distinct;
        shapes[i][1] = target->parameter_count / target->distinct;
        specs[i] = (orthsr__tensor_spec){.name = orthsr__format("base_model.model.%s.oft_R.weight", to->module[i]),
                                         .dtype_name = "F32",
                                         .rank = 2,
                                         .shape = shapes[i],
                                         .bytes = target->parameter_count * sizeof(float)};
        ready = specs[i].name != NULL;
    }
    orthsr_status status = ready ? orthsr__safetensors_write_header(writer, specs, count, metadata, error) : orthsr__fail_memory(error, "a file header");
    if (!status) status = orthsr__adapter_write_parameters(writer, to->adapter, error);
    for (size_t i = 0; i < count && specs; i++) free((char *)specs[i].name);
    free(specs);
    free(shapes);
    json_decref(metadata);
    return status;
}

/* ---- where it is written ----------------------------------------------------------------------------------------------------- */

/* The config last, because it is what makes the directory an adapter. */
static orthsr_status write_pair(const export *to, const char *config_path, const char *weights_path, orthsr_error *error) {
    orthsr__writers files = {0};
    orthsr_status status = orthsr__writers_open(&files, weights_path, error);
    if (!status) status = orthsr__writers_open(&files, config_path, error);
    if (!status) status = write_weights(&files.list[0], to, error);
    if (!status) status = write_config(&files.list[1], to, error);
    if (!status) return orthsr__writers_commit(&files, error);
    orthsr__writers_discard(&files);
    return status;
}

static orthsr_status write_directory(const export *to, orthsr_error *error) {
    char *config = orthsr__join(to->directory, ORTHSR__PEFT_CONFIG), *weights = orthsr__join(to->directory, ORTHSR__PEFT_WEIGHTS);
    bool made = !orthsr__is_directory(to->directory);
    orthsr_status status = config && weights ? orthsr__make_directory(to->directory, error) : orthsr__fail_memory(error, "a file name");
    if (!status) {
        status = write_pair(to, config, weights, error);
        if (status && made) rmdir(to->directory);
    }
    free(config);
    free(weights);
    return status;
}

orthsr_status orthsr_model_adapter_export_peft(const orthsr_model *model, const orthsr_adapter *adapter, const char *directory, orthsr_error *error) {
    ORTHSR__REQUIRE(adapter && directory, error, "adapter or directory is NULL");
    ORTHSR__REQUIRE(adapter->target_count > 0, error, "the adapter has no targets");
    if (adapter->parametrization != ORTHSR_CAYLEY)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED,
                            "the adapter is of parametrization '%s', and PEFT's OFT is Cayley's: export ORTHSR_CAYLEY, or merge it (orthsr_model_merge)",
                            adapter->by->name);
    if (adapter->side != ORTHSR_SIDE_INPUT)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED,
                            "the adapter rotates outputs, and PEFT's OFT since 0.14 inputs: merge it (orthsr_model_merge) instead");
    for (size_t i = 0; i < adapter->target_count; i++)
        if (adapter->targets[i].scale)
            return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED,
                                "target '%s' scales its outputs, which PEFT's OFT since 0.16 does not: merge the adapter (orthsr_model_merge) instead",
                                adapter->targets[i].name);
    size_t r, block_size;
    ORTHSR__TRY(divide(&r, &block_size, adapter, error));
    const orthsr__target **binding = NULL;
    if (model) ORTHSR__TRY(orthsr__bind(&binding, model, adapter, error));
    free(binding);
    orthsr__modules modules;
    ORTHSR__TRY(model ? orthsr__modules_of_model(&modules, model, error) : orthsr__modules_of_adapter(&modules, adapter, error));
    export to = {.adapter = adapter,
                 .directory = directory,
                 .transformers = !model || model->config.family == ORTHSR__HUGGINGFACE,
                 .r = r,
                 .block_size = block_size,
                 .module = orthsr__calloc(adapter->target_count, sizeof *to.module)};
    orthsr_status status = to.module ? ORTHSR_OK : orthsr__fail_memory(error, "a list of modules");
    for (size_t i = 0; i < adapter->target_count && !status; i++) status = name_module(&to.module[i], &modules, &adapter->targets[i], error);
    if (!status) status = write_directory(&to, error);
    free(to.module);
    orthsr__modules_free(&modules);
    return status;
}
