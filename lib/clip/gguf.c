/* gguf.c - a CLIP, with an adapter merged into it or as it is, as the two-tower GGUF file of clip.cpp (github.com/monatis/clip.cpp).
 *
 * Names are clip.cpp's: in it, and in files of the same age for llama.cpp, an MLP's first map is called ffn_down and its second ffn_up. Tensors keep the shapes
 * that transformers gives them. docs/formats.md lists keys and tensors.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/half.h"
#include "base/memory.h"
#include "clip/model.h"
#include "clip/symbols.h"
#include "io/gguf.h"

enum { MAX_RANK = 4, PER_LAYER = 16, BESIDE_LAYERS = 13 };
enum { CHUNK = 1 << 14 }; /* values converted at a time */
static const size_t NO_MAP = SIZE_MAX;

typedef struct entry {
    char name[64];
    const real *values;
    size_t shape[MAX_RANK], rank, elements;
    size_t map; /* index in the model's list of maps, or NO_MAP */
} entry;

typedef struct export {
    const orthsr_model *model;
    const orthsr__target **binding; /* (map_count) */
    orthsr_gguf_type type;
    entry *entries; /* (count) */
    size_t count;
    double deviation;
    orthsr__gguf header;
    orthsr__writer writer;
    uint8_t chunk[CHUNK * sizeof(float)];
}
export;

/* ---- which tensors there are ------------------------------------------------------------------------------------------------ */

static entry *add(export *x, const char *name, const real *values, size_t rank, const size_t *shape) {
    entry *e = &x->entries[x->count++];
    *e = (entry){.values = values, .rank = rank, .elements = 1, .map = NO_MAP};
    snprintf(e->name, sizeof e->name, "%s", name);
    for (size_t i = 0; i < rank; i++) {
        e->shape[i] = shape[i];
        e->elements *= shape[i];
    }
    return e;
}

static void add_vector(export *x, const char *name, const real *values, size_t n) { add(x, name, values, 1, &n); }

static entry *add_matrix(export *x, const char *name, const real *values, size_t rows, size_t columns) {
    return add(x, name, values, 2, (const size_t[]){rows, columns});
}

static void add_norm(export *x, const char *prefix, const char *name, const orthsr__norm *norm, size_t width) {
    char full[64];
    snprintf(full, sizeof full, "%s%s.weight", prefix, name);
    add_vector(x, full, norm->gamma, width);
    snprintf(full, sizeof full, "%s%s.bias", prefix, name);
    add_vector(x, full, norm->beta, width);
}

static void add_layers(export *x, const orthsr__tower *tower, const char *letter) {
    static const char *const names[ORTHSR__MAPS] = {"attn_q", "attn_k", "attn_v", "attn_out", "ffn_down", "ffn_up"};
    for (size_t l = 0; l < tower->config.layers; l++) {
        const orthsr__layer *layer = &tower->layer[l];
        char prefix[40], full[64];
        snprintf(prefix, sizeof prefix, "%s.blk.%zu.", letter, l);
        add_norm(x, prefix, "ln1", &layer->norm1, tower->config.width);
        add_norm(x, prefix, "ln2", &layer->norm2, tower->config.width);
        for (size_t m = 0; m < ORTHSR__MAPS; m++) {
            const orthsr__linear *map = &layer->map[m];
            snprintf(full, sizeof full, "%s%s.weight", prefix, names[m]);
            add_matrix(x, full, map->weight, map->out, map->in)->map = tower->first_map + l * ORTHSR__MAPS + m;
            snprintf(full, sizeof full, "%s%s.bias", prefix, names[m]);
            add_vector(x, full, map->bias, map->out);
        }
    }
}

static orthsr_status add_tensors(export *x, orthsr_error *error) {
    const orthsr_model *model = x->model;
    const orthsr__config *config = &model->config;
    size_t d = config->image.width, w = config->text.width, p = config->patch_size, grid = config->image_size / p;
    x->entries = orthsr__calloc(PER_LAYER * (config->image.layers + config->text.layers) + BESIDE_LAYERS, sizeof *x->entries);
    if (!x->entries) return orthsr__fail_memory(error, "a list of tensors");
    add_vector(x, "v.class_embd", model->class_embedding, d);
    add(x, "v.patch_embd.weight", model->patch.weight, 4, (const size_t[]){d, 3, p, p});
    add_matrix(x, "v.position_embd.weight", model->image_position, 1 + grid * grid, d);
    add_norm(x, "v.", "pre_ln", &model->pre_norm, d);
    add_layers(x, &model->image, "v");
    add_norm(x, "v.", "post_ln", &model->post_norm, d);
    add_matrix(x, "visual_projection.weight", model->image_projection.weight, config->embed_dim, d);
    add_matrix(x, "t.token_embd.weight", model->token_embedding, config->vocab_size, w);
    add_matrix(x, "t.position_embd.weight", model->text_position, config->context_length, w);
    add_layers(x, &model->text, "t");
    add_norm(x, "t.", "post_ln", &model->final_norm, w);
    add_matrix(x, "text_projection.weight", model->text_projection.weight, config->embed_dim, w);
    return ORTHSR_OK;
}

/* Matrices, and the patches' convolution, are stored as asked; vectors in float32. */
static orthsr__gguf_type type_of(const export *x, const entry *e) { return x->type == ORTHSR_GGUF_F16 && e->rank > 1 ? ORTHSR__GGUF_F16 : ORTHSR__GGUF_F32; }

/* ---- keys -------------------------------------------------------------------------------------------------------------------- */

static void add_tower_keys(orthsr__gguf *header, const char *tower, const orthsr__tower_config *config, size_t embed_dim) {
    const struct {
        const char *name;
        size_t value;
    } sizes[] = {{"embedding_length", config->width},
                 {"feed_forward_length", config->mlp},
                 {"projection_dim", embed_dim},
                 {"attention.head_count", config->heads},
                 {"block_count", config->layers}};
    char key[64];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(key, sizeof key, "clip.%s.%s", tower, sizes[i].name);
        orthsr__gguf_add_u32(header, key, (uint32_t)sizes[i].value);
    }
    snprintf(key, sizeof key, "clip.%s.attention.layer_norm_epsilon", tower);
    orthsr__gguf_add_f32(header, key, (float)config->eps);
}

/* What (byte * scale - mean) / std is to a program that divides bytes by 255: its mean and std. */
static void add_preprocessing(orthsr__gguf *header, const orthsr__preprocess *preprocess) {
    float mean[3], std[3];
    for (int c = 0; c < 3; c++) {
        mean[c] = (float)(preprocess->mean[c] / (255 * preprocess->scale));
        std[c] = (float)(preprocess->std[c] / (255 * preprocess->scale));
    }
    orthsr__gguf_add_f32s(header, "clip.vision.image_mean", mean, 3);
    orthsr__gguf_add_f32s(header, "clip.vision.image_std", std, 3);
}

static orthsr_status add_vocabulary(export *x, orthsr_error *error) {
    const orthsr_tokenizer *tokenizer = x->model->tokenizer;
    size_t n = x->model->config.vocab_size;
    char **symbols; /* (n) */
    ORTHSR__TRY(orthsr__tokenizer_symbols(&symbols, tokenizer, n, error));
    orthsr__gguf_add_texts(&x->header, "tokenizer.ggml.tokens", (const char *const *)symbols, n);
    orthsr__gguf_add_u32(&x->header, "tokenizer.ggml.bos_token_id", (uint32_t)orthsr_tokenizer_start_id(tokenizer));
    orthsr__gguf_add_u32(&x->header, "tokenizer.ggml.eos_token_id", (uint32_t)orthsr_tokenizer_end_id(tokenizer));
    orthsr__free_texts(symbols, n);
    return ORTHSR_OK;
}

static orthsr_status add_keys(export *x, bool adapted, orthsr_error *error) {
    const orthsr__config *config = &x->model->config;
    orthsr__gguf *header = &x->header;
    char name[96];
    snprintf(name, sizeof name, "CLIP %s%s", x->model->fingerprint, adapted ? ", adapted" : "");
    orthsr__gguf_add_text(header, "general.architecture", "clip");
    orthsr__gguf_add_bool(header, "clip.has_text_encoder", true);
    orthsr__gguf_add_bool(header, "clip.has_vision_encoder", true);
    orthsr__gguf_add_u32(header, "general.file_type", x->type == ORTHSR_GGUF_F16 ? 1 : 0);
    orthsr__gguf_add_text(header, "general.name", name);
    orthsr__gguf_add_text(header, "general.description", "two-tower CLIP model");
    orthsr__gguf_add_u32(header, "clip.text.context_length", (uint32_t)config->context_length);
    add_tower_keys(header, "text", &config->text, config->embed_dim);
    ORTHSR__TRY(add_vocabulary(x, error));
    orthsr__gguf_add_u32(header, "clip.vision.image_size", (uint32_t)config->image_size);
    orthsr__gguf_add_u32(header, "clip.vision.patch_size", (uint32_t)config->patch_size);
    add_tower_keys(header, "vision", &config->image, config->embed_dim);
    add_preprocessing(header, &config->preprocess);
    orthsr__gguf_add_bool(header, "clip.use_gelu", config->image.activation != ORTHSR__QUICK_GELU);
    orthsr__gguf_add_f32(header, "clip.logit_scale", (float)x->model->logit_scale);
    return ORTHSR_OK;
}

/* ---- values ------------------------------------------------------------------------------------------------------------------ */

/* exact (elements): the entry's values in float64, or NULL for those that the model has. The largest rounding enters the deviation. */
static orthsr_status write_values(export *x, const entry *e, const double *exact, orthsr_error *error) {
    bool half = type_of(x, e) == ORTHSR__GGUF_F16;
    orthsr_status status = ORTHSR_OK;
    for (size_t first = 0; first < e->elements && !status; first += CHUNK) {
        size_t n = e->elements - first < CHUNK ? e->elements - first : CHUNK, size = half ? sizeof(uint16_t) : sizeof(float);
        for (size_t i = 0; i < n; i++) {
            double value = exact ? exact[first + i] : (double)e->values[first + i];
            uint16_t rounded = half ? orthsr__to_f16(value) : 0;
            float stored = half ? orthsr__from_f16(rounded) : (float)value;
            if (!isfinite(stored))
                return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "element %zu of '%s' overflows %s", first + i, e->name, half ? "float16" : "float32");
            if (fabs((double)stored - value) > x->deviation) x->deviation = fabs((double)stored - value);
            memcpy(x->chunk + i * size, half ? (const void *)&rounded : (const void *)&stored, size);
        }
        status = orthsr__writer_write(&x->writer, x->chunk, n * size, error);
    }
    return status ? status : orthsr__gguf_pad(&x->writer, error);
}

static orthsr_status write_entry(export *x, const entry *e, const orthsr_adapter *adapter, orthsr_error *error) {
    const orthsr__target *target = e->map == NO_MAP ? NULL : x->binding[e->map];
    if (!target) return write_values(x, e, NULL, error);
    double *weight = orthsr__aligned(e->elements, sizeof *weight); /* (out, in): so that it is rounded once, when it is written */
    orthsr_status status = weight ? ORTHSR_OK : orthsr__fail_memory(error, "a merged weight");
    for (size_t i = 0; i < e->elements && !status; i++) weight[i] = (double)e->values[i];
    if (!status) status = orthsr__merge_buffer(adapter, target, weight, ORTHSR_DTYPE_F64, ORTHSR_ORDER_ROW_MAJOR, target->in, false, NULL, error);
    if (!status) status = write_values(x, e, weight, error);
    free(weight);
    return status;
}

/* ---- the file ---------------------------------------------------------------------------------------------------------------- */

/* What clip.cpp has no way to be told. */
static orthsr_status refuse(const orthsr_model *model, orthsr_error *error) {
    const orthsr__config *config = &model->config;
    const char *why = NULL;
    if (!model->tokenizer) why = "the file carries the vocabulary, and the model has none: put vocab.json and merges.txt beside its weights";
    else if (!model->pre_norm.gamma) why = "clip.cpp's image tower has a layer norm before its first layer, this model's has none";
    else if ((config->image.activation == ORTHSR__QUICK_GELU) != (config->text.activation == ORTHSR__QUICK_GELU))
        why = "clip.cpp has one activation, this model's towers have two";
    else if (config->preprocess.refused) why = config->preprocess.why.message;
    return why ? orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "no GGUF file of '%s': %s", model->directory, why) : ORTHSR_OK;
}

/* A file that the model is mapped from would live on in this process alone. */
static orthsr_status check_path(const orthsr_model *model, const char *path, orthsr_error *error) {
    if (orthsr__is_directory(path)) return orthsr__fail(error, ORTHSR_ERROR_IO, "'%s' is a directory; name a file, such as '%s/model.gguf'", path, path);
    for (size_t f = 0; f < model->file_count; f++)
        if (orthsr__same_place(model->files[f].path, path))
            return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "'%s' is the model's own file; choose another name", path);
    return ORTHSR_OK;
}

static orthsr_status write_file(export *x, const char *path, const orthsr_adapter *adapter, orthsr_error *error) {
    for (size_t i = 0; i < x->count; i++)
        orthsr__gguf_add_tensor(&x->header, x->entries[i].name, type_of(x, &x->entries[i]), x->entries[i].shape, x->entries[i].rank);
    ORTHSR__TRY(orthsr__writer_open(&x->writer, path, error));
    orthsr_status status = orthsr__gguf_write_header(&x->header, &x->writer, error);
    for (size_t i = 0; i < x->count && !status; i++) status = write_entry(x, &x->entries[i], adapter, error);
    if (!status) return orthsr__writer_commit(&x->writer, error);
    orthsr__writer_discard(&x->writer);
    return status;
}

orthsr_status orthsr_model_export_gguf(const orthsr_model *model, const orthsr_adapter *adapter, orthsr_gguf_type type, const char *path, double *deviation,
                                       orthsr_error *error) {
    ORTHSR__REQUIRE(model && path, error, "model or path is NULL");
    ORTHSR__REQUIRE(type == ORTHSR_GGUF_F32 || type == ORTHSR_GGUF_F16, error, "there is no such type");
    ORTHSR__TRY(refuse(model, error));
    ORTHSR__TRY(check_path(model, path, error));
    export *x = orthsr__calloc(1, sizeof *x);
    if (!x) return orthsr__fail_memory(error, "a GGUF file");
    x->model = model;
    x->type = type;
    orthsr_status status = orthsr__bind(&x->binding, model, adapter, error);
    if (!status) status = add_tensors(x, error);
    if (!status) status = add_keys(x, adapter != NULL, error);
    if (!status) status = write_file(x, path, adapter, error);
    if (!status && deviation) *deviation = x->deviation;
    orthsr__gguf_free(&x->header);
    free(x->entries);
    free(x->binding);
    free(x);
    return status;
}
