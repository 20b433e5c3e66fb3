/* weights.c - every tensor of a CLIP by its name in each family, checked and brought to one layout.
 *
 * float32 tensors are used where they are mapped; float16 and bfloat16 are widened once. Projections, which open_clip and OpenAI
 * store (width, embed), are transposed to (embed, width).
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "clip/model.h"
#include "clip/position.h"

/* ---- finding ----------------------------------------------------------------------------------------------------------- */

const orthsr__tensor *orthsr__model_find(const orthsr_model *model, const char *name, size_t *index) {
    for (size_t f = 0, base = 0; f < model->file_count; base += model->files[f++].count) {
        const orthsr__tensor *tensor = orthsr__safetensors_find(&model->files[f], name);
        if (!tensor) continue;
        if (index) *index = base + (size_t)(tensor - model->files[f].tensors);
        return tensor;
    }
    return NULL;
}

const orthsr__tensor *orthsr__model_find_suffix(const orthsr_model *model, const char *suffix) {
    for (size_t f = 0; f < model->file_count; f++)
        for (size_t i = 0; i < model->files[f].count; i++)
            if (orthsr__ends_with(model->files[f].tensors[i].name, suffix)) return &model->files[f].tensors[i];
    return NULL;
}

const orthsr__safetensors *orthsr__model_file_of(const orthsr_model *model, const orthsr__tensor *tensor) {
    size_t f = 0;
    while (tensor < model->files[f].tensors || tensor >= model->files[f].tensors + model->files[f].count) f++;
    return &model->files[f];
}

/* ---- taking one tensor --------------------------------------------------------------------------------------------------- */

/* Tensors that are missing, misshapen or too many do not stop the loading: all of them are named together at its end. */
typedef struct loader {
    orthsr_model *model;
    orthsr_error *error;
    char image_prefix[128], text_prefix[128]; /* what precedes "visual." and "token_embedding." (or "vision_model.", "text_model.") */
    char faults[640];                         /* the first ones, "; " between them */
    size_t fault_count, faults_told;
} loader;

__attribute__((format(printf, 2, 3))) static void add_fault(loader *load, const char *format, ...) {
    load->fault_count++;
    if (load->faults_told + 1 < load->fault_count) return; /* full */
    size_t used = strlen(load->faults), room = sizeof load->faults - used, separator = used && room > 2 ? 2 : 0;
    char *end = load->faults + used;
    memcpy(end, "; ", separator);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(end + separator, room - separator, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < room - separator) load->faults_told++;
    else *end = '\0';
}

static void add_misshapen(loader *load, const orthsr__tensor *tensor, const size_t *shape, size_t rank) {
    char have[128], want[128];
    orthsr__shape_text(have, sizeof have, tensor->shape, tensor->rank);
    orthsr__shape_text(want, sizeof want, shape, rank);
    add_fault(load, "tensor '%.256s' has shape %s where the architecture needs %s", tensor->name, have, want);
}

/* The tensor of this name, marked as expected; NULL and a fault when there is none. */
static const orthsr__tensor *find(loader *load, const char *name) {
    size_t index;
    const orthsr__tensor *tensor = orthsr__model_find(load->model, name, &index);
    if (tensor) load->model->expected[index] = true;
    else add_fault(load, "tensor '%.256s' is missing", name);
    return tensor;
}

/* The tensor of this name and shape; NULL and a fault when there is none. */
static const orthsr__tensor *find_shaped(loader *load, const char *name, const size_t *shape, size_t rank) {
    const orthsr__tensor *tensor = find(load, name);
    bool same = tensor && tensor->rank == rank;
    for (size_t i = 0; i < rank && same; i++) same = tensor->shape[i] == shape[i];
    if (tensor && !same) add_misshapen(load, tensor, shape, rank);
    return same ? tensor : NULL;
}

/* n reals that the model owns, in *out. */
static orthsr_status allocate(orthsr_model *model, real **out, size_t n, orthsr_error *error) {
    *out = orthsr__aligned(n, sizeof **out);
    if (!*out || !orthsr__reserve((void **)&model->owned, &model->owned_capacity, model->owned_count + 1, sizeof *model->owned)) {
        free(*out);
        return orthsr__fail_memory(error, "weights");
    }
    model->owned[model->owned_count++] = *out;
    model->owned_bytes += n * sizeof **out;
    return ORTHSR_OK;
}

/* The tensor's values as reals: in the mapping when that is what lies there, else a converted copy the model owns. NULL for no tensor. */
static orthsr_status values_of(loader *load, const real **out, const orthsr__tensor *tensor) {
    *out = NULL;
    if (!tensor) return ORTHSR_OK;
    const char *path = orthsr__model_file_of(load->model, tensor)->path;
    if (sizeof(real) == sizeof(float) && tensor->dtype == ORTHSR__F32 && (uintptr_t)tensor->data % sizeof(float) == 0) {
        *out = (const real *)(const void *)tensor->data;
    } else {
        real *copy;
        ORTHSR__TRY(allocate(load->model, &copy, tensor->elements, load->error));
        ORTHSR__TRY(orthsr__tensor_to_real(copy, tensor, path, load->error));
        *out = copy;
    }
    orthsr_model *model = load->model;
    if (!orthsr__reserve((void **)&model->unchecked, &model->unchecked_capacity, model->unchecked_count + 1, sizeof *model->unchecked))
        return orthsr__fail_memory(load->error, "a model");
    model->unchecked[model->unchecked_count++] = (orthsr__unchecked){tensor, *out};
    return ORTHSR_OK;
}

bool orthsr__weights_are_finite(const orthsr_model *model, size_t i) {
    return orthsr__all_finite(model->unchecked[i].values, model->unchecked[i].tensor->elements);
}

orthsr_status orthsr__weights_not_finite(const orthsr_model *model, size_t i, orthsr_error *error) {
    const orthsr__unchecked *of = &model->unchecked[i];
    size_t element = 0;
    while (isfinite(of->values[element])) element++;
    return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "%s: tensor '%s' holds a value that is not finite (element %zu)",
                        orthsr__model_file_of(model, of->tensor)->path, of->tensor->name, element);
}

static orthsr_status take(loader *load, const real **out, const char *name, const size_t *shape, size_t rank) {
    return values_of(load, out, find_shaped(load, name, shape, rank));
}

static orthsr_status take_vector(loader *load, const real **out, const char *prefix, const char *name, size_t n) {
    char full[256];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    return take(load, out, full, (const size_t[]){n}, 1);
}

static orthsr_status take_matrix(loader *load, const real **out, const char *prefix, const char *name, size_t rows, size_t columns) {
    char full[256];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    return take(load, out, full, (const size_t[]){rows, columns}, 2);
}

static orthsr_status take_norm(loader *load, orthsr__norm *out, const char *prefix, const char *name, size_t width) {
    char full[256];
    snprintf(full, sizeof full, "%s%s.weight", prefix, name);
    ORTHSR__TRY(take(load, &out->gamma, full, (const size_t[]){width}, 1));
    snprintf(full, sizeof full, "%s%s.bias", prefix, name);
    return take(load, &out->beta, full, (const size_t[]){width}, 1);
}

/* "<prefix><name><separator>weight" (out, in) and its bias (out). */
static orthsr_status take_linear(loader *load, orthsr__linear *out, const char *prefix, const char *name, const char *separator, size_t rows, size_t in) {
    char full[256];
    snprintf(full, sizeof full, "%s%s%sweight", prefix, name, separator);
    *out = (orthsr__linear){.in = in, .out = rows, .source = find_shaped(load, full, (const size_t[]){rows, in}, 2)};
    ORTHSR__TRY(values_of(load, &out->weight, out->source));
    snprintf(full, sizeof full, "%s%s%sbias", prefix, name, separator);
    return take(load, &out->bias, full, (const size_t[]){rows}, 1);
}

/* A projection without bias: (embed, width) as Hugging Face stores it, or (width, embed) transposed here. */
static orthsr_status take_projection(loader *load, orthsr__linear *out, const char *prefix, const char *name, size_t embed, size_t width, bool transposed) {
    *out = (orthsr__linear){.in = width, .out = embed};
    if (!transposed) return take_matrix(load, &out->weight, prefix, name, embed, width);
    const real *stored;
    ORTHSR__TRY(take_matrix(load, &stored, prefix, name, width, embed));
    if (!stored) return ORTHSR_OK;
    real *copy;
    ORTHSR__TRY(allocate(load->model, &copy, embed * width, load->error));
    for (size_t e = 0; e < embed; e++)
        for (size_t w = 0; w < width; w++) copy[e * width + w] = stored[w * embed + e];
    out->weight = copy;
    return ORTHSR_OK;
}

/* ---- towers ---------------------------------------------------------------------------------------------------------------- */

/* q, k and v are the three thirds of open_clip's and OpenAI's fused in_proj. */
static orthsr_status load_open_layer(loader *load, orthsr__layer *layer, const char *prefix, size_t d, size_t mlp) {
    ORTHSR__TRY(take_norm(load, &layer->norm1, prefix, "ln_1", d));
    ORTHSR__TRY(take_norm(load, &layer->norm2, prefix, "ln_2", d));
    orthsr__linear fused;
    ORTHSR__TRY(take_linear(load, &fused, prefix, "attn.in_proj", "_", 3 * d, d));
    for (size_t i = 0; i < 3; i++) {
        layer->map[ORTHSR__Q + i] = (orthsr__linear){.in = d, .out = d, .source = fused.source, .source_row = i * d};
        if (!fused.weight || !fused.bias) continue;
        layer->map[ORTHSR__Q + i].weight = fused.weight + i * d * d;
        layer->map[ORTHSR__Q + i].bias = fused.bias + i * d;
    }
    ORTHSR__TRY(take_linear(load, &layer->map[ORTHSR__OUT], prefix, "attn.out_proj", ".", d, d));
    ORTHSR__TRY(take_linear(load, &layer->map[ORTHSR__FC1], prefix, "mlp.c_fc", ".", mlp, d));
    return take_linear(load, &layer->map[ORTHSR__FC2], prefix, "mlp.c_proj", ".", d, mlp);
}

static orthsr_status load_hf_layer(loader *load, orthsr__layer *layer, const char *prefix, size_t d, size_t mlp) {
    ORTHSR__TRY(take_norm(load, &layer->norm1, prefix, "layer_norm1", d));
    ORTHSR__TRY(take_norm(load, &layer->norm2, prefix, "layer_norm2", d));
    ORTHSR__TRY(take_linear(load, &layer->map[ORTHSR__Q], prefix, "self_attn.q_proj", ".", d, d));
    ORTHSR__TRY(take_linear(load, &layer->map[ORTHSR__K], prefix, "self_attn.k_proj", ".", d, d));
    ORTHSR__TRY(take_linear(load, &layer->map[ORTHSR__V], prefix, "self_attn.v_proj", ".", d, d));
    ORTHSR__TRY(take_linear(load, &layer->map[ORTHSR__OUT], prefix, "self_attn.out_proj", ".", d, d));
    ORTHSR__TRY(take_linear(load, &layer->map[ORTHSR__FC1], prefix, "mlp.fc1", ".", mlp, d));
    return take_linear(load, &layer->map[ORTHSR__FC2], prefix, "mlp.fc2", ".", d, mlp);
}

/* layers: "<prefix><stem><index>." */
static orthsr_status load_layers(loader *load, orthsr__tower *tower, const char *prefix, const char *stem, bool huggingface) {
    const orthsr__tower_config *config = &tower->config;
    size_t tensors = orthsr_model_tensor_count(load->model); /* a layer has several of them, and a config may claim any number of layers */
    if (config->layers > tensors) {
        add_fault(load, "the config says %zu layers, and there are %zu tensors in all", config->layers, tensors);
        return ORTHSR_OK;
    }
    tower->layer = orthsr__calloc(config->layers, sizeof *tower->layer);
    if (!tower->layer) return orthsr__fail_memory(load->error, "a tower");
    char name[256];
    for (size_t i = 0; i < config->layers; i++) {
        snprintf(name, sizeof name, "%s%s%zu.", prefix, stem, i);
        ORTHSR__TRY((huggingface ? load_hf_layer : load_open_layer)(load, &tower->layer[i], name, config->width, config->mlp));
    }
    return ORTHSR_OK;
}

/* ---- positions --------------------------------------------------------------------------------------------------------------- */

/* The image tower's (1 + grid grid, width) from "<name>"; another square grid is resampled where the user or the family asks for that. */
static orthsr_status take_image_positions(loader *load, const char *name, size_t grid, size_t width) {
    orthsr_model *model = load->model;
    bool huggingface = model->config.family == ORTHSR__HUGGINGFACE, wanted = model->options.image_size || model->config.family == ORTHSR__OPEN_CLIP;
    const orthsr__tensor *tensor = orthsr__model_find(model, name, NULL);
    size_t stored = tensor && tensor->rank == 2 && tensor->shape[1] == width ? orthsr__position_grid(tensor->shape[0]) : 0;
    if (!wanted || stored == 0 || stored == grid) return take(load, &model->image_position, name, (const size_t[]){1 + grid * grid, width}, 2);
    const real *values;
    orthsr_interpolation how = model->options.interpolation;
    if (how == ORTHSR_INTERPOLATION_FAMILY) how = huggingface ? ORTHSR_INTERPOLATION_BICUBIC : ORTHSR_INTERPOLATION_BICUBIC_ANTIALIAS;
    ORTHSR__TRY(values_of(load, &values, find(load, name)));
    real *copy;
    ORTHSR__TRY(allocate(model, &copy, (1 + grid * grid) * width, load->error));
    model->image_position = copy;
    return orthsr__position_resize_grid(copy, values, stored, grid, width, how, load->error);
}

/* The text tower's (context, width) from "<name>"; open_clip fits another number of positions to its config. */
static orthsr_status take_text_positions(loader *load, const char *name, size_t context, size_t width) {
    orthsr_model *model = load->model;
    const orthsr__tensor *tensor = orthsr__model_find(model, name, NULL);
    size_t stored = tensor && tensor->rank == 2 && tensor->shape[1] == width ? tensor->shape[0] : 0;
    if (model->config.family != ORTHSR__OPEN_CLIP || stored == 0 || stored == context)
        return take(load, &model->text_position, name, (const size_t[]){context, width}, 2);
    const real *values;
    ORTHSR__TRY(values_of(load, &values, find(load, name)));
    real *copy;
    ORTHSR__TRY(allocate(model, &copy, context * width, load->error));
    model->text_position = copy;
    return orthsr__position_resize_line(copy, values, stored, context, width, load->error);
}

/* ---- both layouts -------------------------------------------------------------------------------------------------------------- */

static orthsr_status load_open(loader *load) {
    orthsr_model *model = load->model;
    const orthsr__config *config = &model->config;
    size_t d = config->image.width, p = config->patch_size, grid = config->image_size / p;
    char visual[160];
    snprintf(visual, sizeof visual, "%svisual.", load->image_prefix);
    char name[256];
    snprintf(name, sizeof name, "%sconv1.weight", visual);
    model->patch = (orthsr__linear){.in = 3 * p * p, .out = d};
    ORTHSR__TRY(take(load, &model->patch.weight, name, (const size_t[]){d, 3, p, p}, 4));
    ORTHSR__TRY(take_vector(load, &model->class_embedding, visual, "class_embedding", d));
    snprintf(name, sizeof name, "%spositional_embedding", visual);
    ORTHSR__TRY(take_image_positions(load, name, grid, d));
    if (config->pre_norm) ORTHSR__TRY(take_norm(load, &model->pre_norm, visual, "ln_pre", d));
    ORTHSR__TRY(take_norm(load, &model->post_norm, visual, "ln_post", d));
    ORTHSR__TRY(take_projection(load, &model->image_projection, visual, "proj", config->embed_dim, d, true));
    ORTHSR__TRY(load_layers(load, &model->image, visual, "transformer.resblocks.", false));

    size_t w = config->text.width;
    const char *text = load->text_prefix;
    ORTHSR__TRY(take_matrix(load, &model->token_embedding, text, "token_embedding.weight", config->vocab_size, w));
    snprintf(name, sizeof name, "%spositional_embedding", text);
    ORTHSR__TRY(take_text_positions(load, name, config->context_length, w));
    ORTHSR__TRY(take_norm(load, &model->final_norm, text, "ln_final", w));
    ORTHSR__TRY(take_projection(load, &model->text_projection, text, "text_projection", config->embed_dim, w, true));
    return load_layers(load, &model->text, text, "transformer.resblocks.", false);
}

static orthsr_status load_huggingface(loader *load) {
    orthsr_model *model = load->model;
    const orthsr__config *config = &model->config;
    size_t d = config->image.width, p = config->patch_size, grid = config->image_size / p, w = config->text.width;
    char vision[160], text[160], name[256];
    snprintf(vision, sizeof vision, "%svision_model.", load->image_prefix);
    snprintf(text, sizeof text, "%stext_model.", load->text_prefix);
    snprintf(name, sizeof name, "%sembeddings.patch_embedding.weight", vision);
    model->patch = (orthsr__linear){.in = 3 * p * p, .out = d};
    ORTHSR__TRY(take(load, &model->patch.weight, name, (const size_t[]){d, 3, p, p}, 4));
    ORTHSR__TRY(take_vector(load, &model->class_embedding, vision, "embeddings.class_embedding", d));
    snprintf(name, sizeof name, "%sembeddings.position_embedding.weight", vision);
    ORTHSR__TRY(take_image_positions(load, name, grid, d));
    ORTHSR__TRY(take_norm(load, &model->pre_norm, vision, "pre_layrnorm", d)); /* spelt so in the files */
    ORTHSR__TRY(take_norm(load, &model->post_norm, vision, "post_layernorm", d));
    ORTHSR__TRY(take_projection(load, &model->image_projection, load->image_prefix, "visual_projection.weight", config->embed_dim, d, false));
    ORTHSR__TRY(load_layers(load, &model->image, vision, "encoder.layers.", true));

    ORTHSR__TRY(take_matrix(load, &model->token_embedding, text, "embeddings.token_embedding.weight", config->vocab_size, w));
    snprintf(name, sizeof name, "%sembeddings.position_embedding.weight", text);
    ORTHSR__TRY(take_text_positions(load, name, config->context_length, w));
    ORTHSR__TRY(take_norm(load, &model->final_norm, text, "final_layer_norm", w));
    ORTHSR__TRY(take_projection(load, &model->text_projection, load->text_prefix, "text_projection.weight", config->embed_dim, w, false));
    return load_layers(load, &model->text, text, "encoder.layers.", true);
}

/* What precedes suffix in the one tensor name that ends with it. */
static orthsr_status find_prefix(loader *load, char out[128], const char *suffix) {
    const orthsr__tensor *tensor = orthsr__model_find_suffix(load->model, suffix);
    if (!tensor)
        return orthsr__fail(load->error, ORTHSR_ERROR_MISMATCH, "%s: no tensor '%s': not a CLIP checkpoint, or an incomplete one", load->model->files[0].path,
                            suffix);
    size_t length = strlen(tensor->name) - strlen(suffix);
    if (length >= 100)
        return orthsr__fail(load->error, ORTHSR_ERROR_UNSUPPORTED, "%s: tensor names begin with more than 100 characters", load->model->files[0].path);
    memcpy(out, tensor->name, length);
    out[length] = '\0';
    return ORTHSR_OK;
}

/* Tensors that checkpoints carry and no computation needs. */
static void expect_harmless(orthsr_model *model) {
    static const char *const harmless[] = {"position_ids", "attn_mask", "input_resolution", "context_length", "vocab_size"};
    for (size_t f = 0, base = 0; f < model->file_count; base += model->files[f++].count)
        for (size_t i = 0; i < model->files[f].count; i++)
            for (size_t h = 0; h < sizeof harmless / sizeof *harmless; h++)
                if (orthsr__ends_with(model->files[f].tensors[i].name, harmless[h])) model->expected[base + i] = true;
}

/* A tensor in a tower that no part of the architecture uses would be computed with by whoever wrote it: config and weights disagree. */
static void refuse_extra(loader *load, bool huggingface) {
    static const char *const open_text[] = {"transformer.", "token_embedding.", "positional_embedding", "ln_final.", "text_projection", NULL},
                             *const hf_text[] = {"text_model.", "text_projection.", NULL}, *const open_image[] = {"visual.", NULL},
                             *const hf_image[] = {"vision_model.", "visual_projection.", NULL};
    const struct {
        const char *prefix, *const *stems;
    } towers[] = {{load->image_prefix, huggingface ? hf_image : open_image}, {load->text_prefix, huggingface ? hf_text : open_text}};
    const orthsr_model *model = load->model;
    for (size_t f = 0, base = 0; f < model->file_count; base += model->files[f++].count)
        for (size_t i = 0; i < model->files[f].count; i++) {
            const char *name = model->files[f].tensors[i].name;
            bool extra = false;
            for (size_t t = 0; t < 2 && !model->expected[base + i]; t++) {
                size_t length = strlen(towers[t].prefix);
                if (strncmp(name, towers[t].prefix, length) != 0) continue;
                for (const char *const *stem = towers[t].stems; *stem; stem++) extra = extra || strncmp(name + length, *stem, strlen(*stem)) == 0;
            }
            if (extra) add_fault(load, "tensor '%.256s' is no part of the architecture", name);
        }
}

static orthsr_status load_logit_scale(loader *load) {
    orthsr_model *model = load->model;
    char name[256];
    const real *scale;
    snprintf(name, sizeof name, "%slogit_scale", load->image_prefix);
    const orthsr__tensor *tensor = find(load, name);
    if (tensor && tensor->elements != 1) add_misshapen(load, tensor, NULL, 0);
    if (!tensor || tensor->elements != 1) return ORTHSR_OK;
    ORTHSR__TRY(values_of(load, &scale, tensor));
    model->logit_scale = (real)exp((double)*scale);
    if (isfinite(*scale) && !isfinite(model->logit_scale))
        return orthsr__fail(load->error, ORTHSR_ERROR_NUMERIC, "%s: '%s' = %g is too large", model->files[0].path, name, (double)*scale);
    return ORTHSR_OK;
}

orthsr_status orthsr__weights_load(orthsr_model *model, orthsr_error *error) {
    loader load = {.model = model, .error = error};
    bool huggingface = model->config.family == ORTHSR__HUGGINGFACE;
    ORTHSR__TRY(find_prefix(&load, load.image_prefix, huggingface ? "vision_model.embeddings.class_embedding" : "visual.class_embedding"));
    ORTHSR__TRY(find_prefix(&load, load.text_prefix, huggingface ? "text_model.embeddings.token_embedding.weight" : "token_embedding.weight"));
    ORTHSR__TRY((huggingface ? load_huggingface : load_open)(&load));
    ORTHSR__TRY(load_logit_scale(&load));
    expect_harmless(model);
    refuse_extra(&load, huggingface);
    if (load.fault_count == 0) return ORTHSR_OK;
    char more[48] = "";
    if (load.fault_count > load.faults_told) snprintf(more, sizeof more, "; and %zu more", load.fault_count - load.faults_told);
    return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "%s: %s%s", model->file_count == 1 ? model->files[0].path : model->directory, load.faults, more);
}
