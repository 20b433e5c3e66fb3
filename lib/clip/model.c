/* model.c - opening a checkpoint, and what there is to know about it. */
#include "clip/model.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/fail.h"
#include "base/memory.h"
#include "base/pool.h"
#include "clip/preprocess.h"
#include "clip/vocabulary.h"
#include "io/json.h"

static const char *const map_suffix[ORTHSR__MAPS] = {"q", "k", "v", "out", "fc1", "fc2"};

/* ---- opening ------------------------------------------------------------------------------------------------------------- */

/* Opens one shard and appends it. name: relative to the model's directory. */
static orthsr_status open_file(orthsr_model *model, const char *path, orthsr_error *error) {
    orthsr__safetensors *grown = realloc(model->files, (model->file_count + 1) * sizeof *grown);
    if (!grown) return orthsr__fail_memory(error, "a list of files");
    model->files = grown;
    grown[model->file_count] = (orthsr__safetensors){0};
    orthsr__safetensors *file = &grown[model->file_count];
    ORTHSR__TRY(model->options.is_read ? orthsr__safetensors_open(file, path, error) : orthsr__safetensors_map(file, path, error));
    if (model->options.is_read) model->owned_bytes += file->mapping.size;
    model->file_count++;
    return ORTHSR_OK;
}

static orthsr_status open_in_directory(orthsr_model *model, const char *name, orthsr_error *error) {
    char *path = orthsr__join(model->directory, name);
    if (!path) return orthsr__fail_memory(error, "a file name");
    orthsr_status status = open_file(model, path, error);
    free(path);
    return status;
}

/* The shards an index names, each once. Names with a slash would leave the directory and are refused. */
static orthsr_status open_shards(orthsr_model *model, const char *index_path, orthsr_error *error) {
    json_t *root;
    ORTHSR__TRY(orthsr__json_load(&root, index_path, (size_t)4 << 20, error));
    json_t *map = json_object_get(root, "weight_map"), *value, *seen = json_object();
    const char *tensor;
    orthsr_status status = seen ? ORTHSR_OK : orthsr__fail_memory(error, "an index");
    if (!status && !json_is_object(map)) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: object 'weight_map' is missing", index_path);
    if (!status && json_object_size(map) == 0) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: 'weight_map' names no tensor", index_path);
    if (!status) json_object_foreach(map, tensor, value) {
            const char *name = json_string_value(value);
            if (!name || strchr(name, '/') || name[0] == '.' || name[0] == '\0')
                status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: the file of tensor '%s' is not a plain file name", index_path, tensor);
            else if (json_object_get(seen, name)) continue;
            else if (json_object_set_new(seen, name, json_true())) status = orthsr__fail_memory(error, "an index");
            else status = open_in_directory(model, name, error);
            if (status) break;
        }
    /* a promise of the index that no shard keeps is a truncated download */
    if (!status) json_object_foreach(map, tensor, value) {
            if (orthsr__model_find(model, tensor, NULL)) continue;
            status = orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "%s: tensor '%s' is not in '%s'", index_path, tensor, json_string_value(value));
            break;
        }
    json_decref(seen);
    json_decref(root);
    return status;
}

/* The directory's only .safetensors that is no adapter, in fresh memory, else NULL; *pickles: PyTorch's own files are there. */
static orthsr_status only_weights(char **out, bool *pickles, const char *directory, orthsr_error *error) {
    static const char *const extensions[] = {".bin", ".pt", ".pth"};
    *out = NULL;
    *pickles = false;
    DIR *stream = opendir(directory);
    if (!stream) return orthsr__fail_errno(error, "open the directory", directory);
    orthsr_status status = ORTHSR_OK;
    size_t count = 0;
    for (const char *name; !status && !(status = orthsr__next_name(&name, stream, directory, error)) && name;) {
        for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) *pickles = *pickles || orthsr__ends_with(name, extensions[i]);
        if (name[0] == '.' || !orthsr__ends_with(name, ".safetensors") || strncmp(name, "adapter", 7) == 0) continue;
        free(*out);
        *out = NULL;
        if (++count == 1 && !(*out = orthsr__strdup(name))) status = orthsr__fail_memory(error, "a file name");
    }
    closedir(stream);
    return status;
}

/* The weights in a directory: the first of the names people's checkpoints have, or the only .safetensors there. */
static orthsr_status open_files(orthsr_model *model, orthsr_error *error) {
    static const char index_name[] = "model.safetensors.index.json";
    static const char *const names[] = {"open_clip_model.safetensors", "model.safetensors", index_name};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = orthsr__join(model->directory, names[i]);
        if (!path) return orthsr__fail_memory(error, "a file name");
        bool there = orthsr__is_there(path);
        orthsr_status status = !there ? ORTHSR_OK : names[i] == index_name ? open_shards(model, path, error) : open_file(model, path, error);
        free(path);
        if (there) return status;
    }
    bool pickles;
    char *name;
    ORTHSR__TRY(only_weights(&name, &pickles, model->directory, error));
    orthsr_status status = name ? open_in_directory(model, name, error)
                                : orthsr__fail(error, ORTHSR_ERROR_IO,
                                               "no weights in '%s': name the directory that holds open_clip_model.safetensors, model.safetensors,"
                                               " model.safetensors.index.json or a single .safetensors%s",
                                               model->directory, pickles ? "; PyTorch's pickled files are not read: save them as safetensors" : "");
    free(name);
    return status;
}

static orthsr_status refuse_duplicates(const orthsr_model *model, orthsr_error *error) {
    for (size_t f = 1; f < model->file_count; f++)
        for (size_t i = 0; i < model->files[f].count; i++)
            for (size_t g = 0; g < f; g++)
                if (orthsr__safetensors_find(&model->files[g], model->files[f].tensors[i].name))
                    return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "tensor '%s' is in '%s' and in '%s'", model->files[f].tensors[i].name, model->files[g].path,
                                        model->files[f].path);
    return ORTHSR_OK;
}

static orthsr_status name_maps(orthsr_model *model, orthsr_error *error) {
    size_t image = model->image.config.layers * ORTHSR__MAPS;
    model->text.first_map = image;
    model->map_count = image + model->text.config.layers * ORTHSR__MAPS;
    model->map_names = orthsr__calloc(model->map_count, sizeof *model->map_names);
    if (!model->map_names) return orthsr__fail_memory(error, "names");
    for (size_t i = 0; i < model->map_count; i++) {
        bool text = i >= image;
        size_t local = text ? i - image : i;
        model->map_names[i] = orthsr__format("%s.%zu.%s", text ? "text" : "image", local / ORTHSR__MAPS, map_suffix[local % ORTHSR__MAPS]);
        if (!model->map_names[i]) return orthsr__fail_memory(error, "names");
    }
    return ORTHSR_OK;
}

/* Over name, dtype, shape and the first and last 4 KiB of every tensor, by name: tells models apart without reading them whole. */
static void fingerprint(orthsr_model *model) {
    enum { SAMPLE = 4096 };
    uLong low = crc32(0, NULL, 0), high = adler32(0, NULL, 0);
    for (size_t f = 0; f < model->file_count; f++)
        for (size_t i = 0; i < model->files[f].count; i++) {
            const orthsr__tensor *tensor = model->files[f].by_name[i];
            char head[512];
            int n = snprintf(head, sizeof head, "%s %s", tensor->name, tensor->dtype_name);
            for (size_t r = 0; r < tensor->rank && n < (int)sizeof head - 24; r++) n += snprintf(head + n, sizeof head - (size_t)n, " %zu", tensor->shape[r]);
            if (n >= (int)sizeof head) n = sizeof head - 1;
            size_t sample = tensor->bytes < SAMPLE ? tensor->bytes : SAMPLE;
            const uint8_t *parts[3] = {(const uint8_t *)head, tensor->data, tensor->data ? tensor->data + tensor->bytes - sample : NULL};
            const size_t sizes[3] = {(size_t)n, sample, sample};
            for (size_t p = 0; p < 3; p++) {
                if (!parts[p]) continue;
                low = crc32(low, parts[p], (uInt)sizes[p]);
                high = adler32(high, parts[p], (uInt)sizes[p]);
            }
        }
    snprintf(model->fingerprint, sizeof model->fingerprint, "orthsr1:%08lx%08lx", high & 0xffffffff, low & 0xffffffff);
}

uint32_t orthsr__model_checksum(const orthsr_model *model) {
    uLong sum = crc32(0, NULL, 0);
    for (size_t f = 0; f < model->file_count; f++)
        for (size_t i = 0; i < model->files[f].count; i++) {
            const orthsr__tensor *tensor = model->files[f].by_name[i];
            if (tensor->data) sum = crc32_z(sum, tensor->data, tensor->bytes);
        }
    return (uint32_t)sum;
}

/* The vocabulary beside the weights; a model without one still embeds images and tokens. */
static orthsr_status open_tokenizer(orthsr_model *model, orthsr_error *error) {
    bool present;
    ORTHSR__TRY(orthsr__vocabulary_present(&present, model->directory, error));
    if (!present) return ORTHSR_OK;
    ORTHSR__TRY(orthsr_tokenizer_open(&model->tokenizer, model->directory, error));
    if (orthsr_tokenizer_vocab_size(model->tokenizer) > model->config.vocab_size)
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "the vocabulary in '%s' has %zu entries, the token embedding only %zu", model->directory,
                            orthsr_tokenizer_vocab_size(model->tokenizer), model->config.vocab_size);
    /* a checkpoint may have transformers' files beside it; open_clip and OpenAI's code read their own vocabulary by their own rules all the same */
    if (model->config.family != ORTHSR__HUGGINGFACE) orthsr__tokenizer_follow_open_clip(model->tokenizer);
    else if (model->tokenizer->rules.literal_is_word) model->tokenizer->pad = model->tokenizer->end; /* OpenAI's vocabulary file says no pad_token */
    return ORTHSR_OK;
}

/* ---- what takes long: a look at every weight, and the vocabulary; side by side ------------------------------------------------------------------ */

typedef struct opening {
    orthsr_model *model;
    _Atomic size_t not_finite; /* the first tensor that is not */
    orthsr_status tokenizer;
    orthsr_error why;
} opening;

static void open_part(void *context, size_t i) {
    opening *o = context;
    if (i == 0) o->tokenizer = open_tokenizer(o->model, &o->why);
    else if (!orthsr__weights_are_finite(o->model, i - 1))
        for (size_t before = atomic_load(&o->not_finite); i - 1 < before && !atomic_compare_exchange_weak(&o->not_finite, &before, i - 1);) {}
}

/* Threads for a model that is worth it, while it is opened; with none to be had it takes longer. */
static orthsr__pool *opening_threads(const orthsr_model *model) {
    enum { WORTH = 1 << 22, MOST = 8 };
    size_t elements = 0, processors = orthsr__processors();
    orthsr__pool *pool = NULL;
    for (size_t i = 0; i < model->unchecked_count; i++) elements += model->unchecked[i].tensor->elements;
    if (elements < WORTH || processors == 1) return NULL;
    return orthsr__pool_new(&pool, processors < MOST ? processors : MOST, NULL) == ORTHSR_OK ? pool : NULL;
}

static orthsr_status open_parts(orthsr_model *model, orthsr_error *error) {
    opening o = {.model = model, .not_finite = SIZE_MAX};
    orthsr__pool *pool = opening_threads(model);
    orthsr__pool_run(pool, 1 + model->unchecked_count, open_part, &o);
    orthsr__pool_free(pool);
    size_t not_finite = atomic_load(&o.not_finite);
    if (not_finite != SIZE_MAX) return orthsr__weights_not_finite(model, not_finite, error);
    return o.tokenizer ? orthsr__fail(error, o.tokenizer, "%s", o.why.message) : ORTHSR_OK;
}

orthsr_status orthsr_model_open(orthsr_model **out, const char *path, orthsr_error *error) { return orthsr_model_open_with(out, path, NULL, error); }

orthsr_status orthsr_model_open_with(orthsr_model **out, const char *path, const orthsr_model_options *options, orthsr_error *error) {
    ORTHSR__REQUIRE(out != NULL, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(path != NULL, error, "path is NULL");
    orthsr_model *model = orthsr__calloc(1, sizeof *model);
    if (!model) return orthsr__fail_memory(error, "a model");
    if (options) model->options = *options;
    orthsr_status status = ORTHSR_OK;
    if (orthsr__is_directory(path)) {
        model->directory = orthsr__strdup(path);
        status = model->directory ? open_files(model, error) : orthsr__fail_memory(error, "a file name");
    } else {
        const char *slash = strrchr(path, '/');
        model->directory = slash ? orthsr__strndup(path, slash == path ? 1 : (size_t)(slash - path)) : orthsr__strdup(".");
        status = model->directory ? open_file(model, path, error) : orthsr__fail_memory(error, "a file name");
    }
    size_t tensors = 0;
    for (size_t f = 0; f < model->file_count; f++) tensors += model->files[f].count;
    model->expected = orthsr__calloc(tensors, sizeof *model->expected);
    if (!status && !model->expected) status = orthsr__fail_memory(error, "a model");
    if (!status) status = refuse_duplicates(model, error);
    if (!status) status = orthsr__config_read(model, error);
    if (!status) {
        model->image = (orthsr__tower){.config = model->config.image};
        model->text = (orthsr__tower){.config = model->config.text, .causal = true};
        status = orthsr__weights_load(model, error);
    }
    if (!status) status = name_maps(model, error);
    if (!status) status = open_parts(model, error);
    if (status) {
        orthsr_model_free(model);
        return status;
    }
    free(model->unchecked);
    model->unchecked = NULL;
    orthsr__preprocess_describe(model->preprocessing, sizeof model->preprocessing, &model->config);
    fingerprint(model);
    *out = model;
    return ORTHSR_OK;
}

void orthsr_model_free(orthsr_model *model) {
    if (!model) return;
    for (size_t i = 0; i < model->owned_count; i++) free(model->owned[i]);
    free(model->owned);
    orthsr__free_texts(model->map_names, model->map_count);
    free(model->expected);
    free(model->image.layer);
    free(model->text.layer);
    for (size_t f = 0; f < model->file_count; f++) orthsr__safetensors_close(&model->files[f]);
    free(model->files);
    orthsr_tokenizer_free(model->tokenizer);
    free(model->unchecked);
    free(model->directory);
    free(model);
}

/* ---- facts ------------------------------------------------------------------------------------------------------------------ */

const char *orthsr_model_family(const orthsr_model *model) {
    static const char *const names[] = {"open_clip", "huggingface", "openai"};
    return names[model->config.family];
}

const char *orthsr_model_activation(const orthsr_model *model) {
    static const char *const names[] = {"quick_gelu", "gelu", "gelu_tanh"};
    return names[model->config.image.activation];
}

const char *orthsr_model_fingerprint(const orthsr_model *model) { return model->fingerprint; }
size_t orthsr_model_embed_dim(const orthsr_model *model) { return model->config.embed_dim; }
size_t orthsr_model_image_size(const orthsr_model *model) { return model->config.image_size; }
size_t orthsr_model_patch_size(const orthsr_model *model) { return model->config.patch_size; }
size_t orthsr_model_context_length(const orthsr_model *model) { return model->config.context_length; }
size_t orthsr_model_vocab_size(const orthsr_model *model) { return model->config.vocab_size; }
float orthsr_model_logit_scale(const orthsr_model *model) { return (float)model->logit_scale; }
const orthsr_tokenizer *orthsr_model_tokenizer(const orthsr_model *model) { return model->tokenizer; }

size_t orthsr_model_copied_bytes(const orthsr_model *model) { return model->owned_bytes; }
const char *orthsr_model_preprocessing(const orthsr_model *model) { return model->preprocessing; }
int32_t orthsr_model_end_id(const orthsr_model *model) { return (int32_t)model->config.pool_id; }

static const orthsr__tower_config *tower_named(const orthsr_model *model, const char *tower) {
    if (tower && strcmp(tower, "image") == 0) return &model->config.image;
    if (tower && strcmp(tower, "text") == 0) return &model->config.text;
    return NULL;
}

size_t orthsr_model_layers(const orthsr_model *model, const char *tower) { return tower_named(model, tower) ? tower_named(model, tower)->layers : 0; }
size_t orthsr_model_width(const orthsr_model *model, const char *tower) { return tower_named(model, tower) ? tower_named(model, tower)->width : 0; }
size_t orthsr_model_heads(const orthsr_model *model, const char *tower) { return tower_named(model, tower) ? tower_named(model, tower)->heads : 0; }
size_t orthsr_model_mlp_width(const orthsr_model *model, const char *tower) { return tower_named(model, tower) ? tower_named(model, tower)->mlp : 0; }

size_t orthsr_model_tensor_count(const orthsr_model *model) {
    size_t count = 0;
    for (size_t f = 0; f < model->file_count; f++) count += model->files[f].count;
    return count;
}

size_t orthsr_model_parameter_count(const orthsr_model *model) {
    size_t count = 0;
    for (size_t f = 0; f < model->file_count; f++)
        for (size_t i = 0; i < model->files[f].count; i++) {
            const orthsr__tensor *tensor = &model->files[f].tensors[i];
            bool is_float = tensor->dtype == ORTHSR__F32 || tensor->dtype == ORTHSR__F16 || tensor->dtype == ORTHSR__BF16 || tensor->dtype == ORTHSR__F64;
            count += is_float ? tensor->elements : 0;
        }
    return count;
}

orthsr_status orthsr_model_tensor(const orthsr_model *model, size_t i, const char **name, const char **dtype, const size_t **shape, size_t *rank,
                                  uint64_t *bytes, int *expected, orthsr_error *error) {
    ORTHSR__REQUIRE(model != NULL, error, "model is NULL");
    ORTHSR__REQUIRE(i < orthsr_model_tensor_count(model), error, "no tensor with this index");
    size_t f = 0, at = i;
    while (at >= model->files[f].count) at -= model->files[f++].count;
    const orthsr__tensor *tensor = &model->files[f].tensors[at];
    if (name) *name = tensor->name;
    if (dtype) *dtype = tensor->dtype_name;
    if (shape) *shape = tensor->shape;
    if (rank) *rank = tensor->rank;
    if (bytes) *bytes = tensor->bytes;
    if (expected) *expected = model->expected[i];
    return ORTHSR_OK;
}

/* ---- maps and adapters --------------------------------------------------------------------------------------------------------- */

const orthsr__linear *orthsr__model_map(const orthsr_model *model, size_t map) {
    const orthsr__tower *tower = map >= model->text.first_map ? &model->text : &model->image;
    size_t local = map - tower->first_map;
    return &tower->layer[local / ORTHSR__MAPS].map[local % ORTHSR__MAPS];
}

size_t orthsr_model_map_count(const orthsr_model *model) { return model->map_count; }

orthsr_status orthsr_model_map(const orthsr_model *model, size_t i, const char **name, size_t *in_features, size_t *out_features, orthsr_error *error) {
    ORTHSR__REQUIRE(model != NULL, error, "model is NULL");
    ORTHSR__REQUIRE(i < model->map_count, error, "no map with this index");
    const orthsr__linear *map = orthsr__model_map(model, i);
    if (name) *name = model->map_names[i];
    if (in_features) *in_features = map->in;
    if (out_features) *out_features = map->out;
    return ORTHSR_OK;
}

orthsr_status orthsr_model_weight(const orthsr_model *model, size_t map, float *W, orthsr_error *error) {
    ORTHSR__REQUIRE(model && W, error, "model or W is NULL");
    ORTHSR__REQUIRE(map < model->map_count, error, "no map with this index");
    const orthsr__linear *linear = orthsr__model_map(model, map);
    for (size_t i = 0; i < linear->out * linear->in; i++) W[i] = (float)linear->weight[i];
    return ORTHSR_OK;
}

static bool is_wanted(const orthsr_model *model, size_t map, const orthsr_adapter_options *options) {
    size_t tower = map >= model->text.first_map ? ORTHSR__TEXT_TOWER : ORTHSR__IMAGE_TOWER;
    size_t local = map - (tower == ORTHSR__TEXT_TOWER ? model->text.first_map : model->image.first_map);
    return options->towers[tower] && options->maps[local % ORTHSR__MAPS] && orthsr__layers_hold(options, tower, local / ORTHSR__MAPS);
}

orthsr_status orthsr_model_adapter(const orthsr_model *model, orthsr_adapter **out, const orthsr_adapter_options *options, orthsr_error *error) {
    ORTHSR__REQUIRE(out != NULL, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(model != NULL, error, "model is NULL");
    orthsr_adapter_options *defaults = NULL;
    if (!options) {
        ORTHSR__TRY(orthsr_adapter_options_new(&defaults, error));
        options = defaults;
    }
    orthsr_adapter *adapter = NULL;
    orthsr_status status = orthsr__layers_check(options, ORTHSR__IMAGE_TOWER, model->image.config.layers, error);
    if (!status) status = orthsr__layers_check(options, ORTHSR__TEXT_TOWER, model->text.config.layers, error);
    if (!status) status = orthsr_adapter_new(&adapter, options, error);
    for (size_t i = 0; !status && i < model->map_count; i++) {
        const orthsr__linear *map = orthsr__model_map(model, i);
        if (is_wanted(model, i, options)) status = orthsr_adapter_add_target(adapter, model->map_names[i], map->in, map->out, error);
    }
    orthsr_adapter_options_free(defaults);
    if (status) {
        orthsr_adapter_free(adapter);
        return status;
    }
    *out = adapter;
    return ORTHSR_OK;
}

orthsr_status orthsr__bind(const orthsr__target ***out, const orthsr_model *model, const orthsr_adapter *adapter, orthsr_error *error) {
    size_t maps = model->map_count, next = 0; /* targets mostly stand in the order of the maps: each is looked for from the last one's on */
    *out = orthsr__calloc(maps, sizeof **out);
    if (!*out) return orthsr__fail_memory(error, "a binding");
    for (size_t t = 0; adapter && t < adapter->target_count; t++) {
        const orthsr__target *target = &adapter->targets[t];
        size_t tried = 0;
        for (; tried < maps && strcmp(model->map_names[next], target->name) != 0; tried++) next = (next + 1) % maps;
        const orthsr__linear *map = tried < maps ? orthsr__model_map(model, next) : NULL;
        if (map && map->in == target->in && map->out == target->out) {
            (*out)[next] = target;
            continue;
        }
        free(*out);
        *out = NULL;
        if (!map)
            return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "the adapter's target '%s' is no map of this model: take the one that it was trained on",
                                target->name);
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH,
                            "the adapter's target '%s' is %zu -> %zu, the model's map %zu -> %zu: take the model that it was trained on", target->name,
                            target->in, target->out, map->in, map->out);
    }
    return ORTHSR_OK;
}

orthsr_status orthsr__stack_new(orthsr__stack *stack, const orthsr_model *model, const orthsr_adapter *const *adapters, size_t n, orthsr_error *error) {
    *stack = (orthsr__stack){orthsr__calloc(n, sizeof *stack->adapter), orthsr__calloc(n, sizeof *stack->binding), 0};
    if (!stack->adapter || !stack->binding) return orthsr__fail_memory(error, "a stack of adapters");
    for (; stack->count < n; stack->count++) {
        stack->adapter[stack->count] = adapters[stack->count];
        ORTHSR__TRY(orthsr__bind(&stack->binding[stack->count], model, adapters[stack->count], error));
    }
    return ORTHSR_OK;
}

void orthsr__stack_free(orthsr__stack *stack) {
    for (size_t i = 0; i < stack->count; i++) free(stack->binding[i]);
    free(stack->binding);
    free(stack->adapter);
    *stack = (orthsr__stack){0};
}
