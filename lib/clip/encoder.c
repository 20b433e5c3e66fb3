/* encoder.c - patches and tokens in, features out. */
#include "clip/encoder.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"

size_t orthsr__image_grid(const orthsr_model *model) { return model->config.image_size / model->config.patch_size; }
static size_t image_tokens(const orthsr_model *model) { return 1 + orthsr__image_grid(model) * orthsr__image_grid(model); }

size_t orthsr__image_rows(const orthsr_model *model, size_t n) { return n * image_tokens(model); }

size_t orthsr__image_tile(const orthsr_model *model, size_t tile_rows) {
    size_t length = image_tokens(model);
    return length >= tile_rows ? 1 : tile_rows / length;
}

size_t orthsr__even_tile(size_t n, size_t most) {
    size_t tiles = (n + most - 1) / most;
    return tiles ? (n + tiles - 1) / tiles : most;
}

orthsr_status orthsr__encoder_new(orthsr__encoder *encoder, const orthsr_model *model, const orthsr_adapter *adapter, bool gradients, orthsr__pool *pool,
                                  size_t tile_rows, orthsr_error *error) {
    *encoder = (orthsr__encoder){.model = model, .gradients = gradients, .pool = pool, .tile_rows = tile_rows};
    return orthsr__encoder_adapt(encoder, &adapter, adapter != NULL, error);
}

orthsr_status orthsr__encoder_adapt(orthsr__encoder *encoder, const orthsr_adapter *const *adapters, size_t n, orthsr_error *error) {
    orthsr__stack stack;
    orthsr_status status = orthsr__stack_new(&stack, encoder->model, adapters, n, error);
    if (status) {
        orthsr__stack_free(&stack);
        return status;
    }
    orthsr__stack_free(&encoder->stack);
    encoder->stack = stack;
    return ORTHSR_OK;
}

void orthsr__encoder_free(orthsr__encoder *encoder) {
    orthsr__pass_free(&encoder->image);
    orthsr__pass_free(&encoder->text);
    orthsr__stack_free(&encoder->stack);
    free(encoder->patches);
    *encoder = (orthsr__encoder){0};
}

static bool adapted(const orthsr__encoder *encoder, const orthsr__tower *tower) {
    for (size_t a = 0; a < encoder->stack.count; a++)
        for (size_t i = 0; i < tower->config.layers * ORTHSR__MAPS; i++)
            if (encoder->stack.binding[a][tower->first_map + i]) return true;
    return false;
}

bool orthsr__encoder_has(const orthsr__encoder *encoder, const orthsr__tower *tower, const orthsr__target *target) {
    for (size_t i = 0; i < tower->config.layers * ORTHSR__MAPS && encoder->stack.count; i++)
        if (encoder->stack.binding[0][tower->first_map + i] == target) return true;
    return false;
}

bool orthsr__image_adapted(const orthsr__encoder *encoder) { return adapted(encoder, &encoder->model->image); }
bool orthsr__text_adapted(const orthsr__encoder *encoder) { return adapted(encoder, &encoder->model->text); }

/* length: of the longest sequence. */
static orthsr_status need_pass(orthsr__encoder *encoder, orthsr__pass *pass, const orthsr__tower *tower, size_t length, size_t rows, orthsr__load load,
                               bool to_input, orthsr_error *error) {
    if (length > orthsr__attention_longest())
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "sequences of %zu tokens: attention is for at most %zu", length, orthsr__attention_longest());
    orthsr__gradients gradients = !encoder->gradients ? ORTHSR__NO_GRADIENTS : to_input ? ORTHSR__INPUT_GRADIENTS : ORTHSR__ADAPTER_GRADIENTS;
    if (!pass->memory) ORTHSR__TRY(orthsr__pass_new(pass, tower, &encoder->stack, rows, load, gradients, error));
    pass->pool = encoder->pool; /* a session may have been given another, and other adapters */
    pass->stack = encoder->stack;
    return pass->stack.count > 1 ? orthsr__pass_need_turned(pass, error) : ORTHSR_OK;
}

static orthsr_status need_image_pass(orthsr__encoder *encoder, orthsr_error *error) {
    const orthsr_model *model = encoder->model;
    size_t length = image_tokens(model);
    return need_pass(encoder, &encoder->image, &model->image, length, orthsr__image_tile(model, encoder->tile_rows) * length, encoder->image_load, false,
                     error);
}

/* Room for rows of a tile, or the longest text, or all that there is. */
static size_t text_room(const orthsr__encoder *encoder) {
    size_t context = encoder->model->config.context_length, rows = encoder->tile_rows > context ? encoder->tile_rows : context, all = encoder->text_load.rows;
    return all > 0 && all < rows ? all : rows;
}

static orthsr_status need_text_pass(orthsr__encoder *encoder, orthsr_error *error) {
    return need_pass(encoder, &encoder->text, &encoder->model->text, encoder->model->config.context_length, text_room(encoder), encoder->text_load,
                     encoder->context_gradients, error);
}

bool orthsr__encoder_merges(const orthsr__encoder *encoder, const orthsr__target *target) {
    const orthsr_model *model = encoder->model;
    for (size_t i = 0; i < model->map_count; i++) {
        const orthsr__tower *tower = i < model->text.first_map ? &model->image : &model->text;
        if (encoder->stack.count && encoder->stack.binding[0][i] == target)
            return orthsr__pass_merges(tower, target, i - tower->first_map, tower == &model->image ? encoder->image_load : encoder->text_load);
    }
    return false;
}

size_t orthsr__training_bytes(const orthsr__encoder *encoder) {
    const orthsr_model *model = encoder->model;
    const orthsr__stack *stack = &encoder->stack, none = {0};
    size_t rows = orthsr__image_rows(model, orthsr__image_tile(model, encoder->tile_rows)), text_rows = text_room(encoder), bytes = 0;
    if (orthsr__image_adapted(encoder)) bytes += orthsr__pass_bytes(&model->image, stack, rows, encoder->image_load, ORTHSR__ADAPTER_GRADIENTS);
    bytes += orthsr__pass_bytes(&model->text, stack, text_rows, encoder->text_load,
                                encoder->context_gradients ? ORTHSR__INPUT_GRADIENTS : ORTHSR__ADAPTER_GRADIENTS);
    bytes += orthsr__pass_bytes(&model->image, &none, rows, (orthsr__load){0}, ORTHSR__NO_GRADIENTS);
    return bytes + orthsr__pass_bytes(&model->text, &none, text_rows, (orthsr__load){0}, ORTHSR__NO_GRADIENTS);
}

/* What is encoded for training must be finite: names the map where it is not any more. Sessions check features themselves, and name the row. */
static orthsr_status check(const orthsr__encoder *encoder, const orthsr__pass *pass, const real *features, orthsr_error *error) {
    const orthsr_model *model = encoder->model;
    if (!encoder->gradients || orthsr__all_finite(features, pass->sequences.count * model->config.embed_dim)) return ORTHSR_OK;
    size_t map = orthsr__pass_not_finite(pass);
    if (map < pass->tower->config.layers * ORTHSR__MAPS)
        return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "'%s' gives values that are not finite", model->map_names[pass->tower->first_map + map]);
    return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the %s features are not finite", pass == &encoder->image ? "image" : "text");
}

/* ---- images ------------------------------------------------------------------------------------------------------------------ */

/* patches (grid grid, 3 p p) of one image (3, size, size): the convolution's stride is its kernel, so it is a linear map of patches. */
static void cut_patches(real *patches, const float *pixels, size_t size, size_t p) {
    size_t grid = size / p;
    for (size_t gy = 0; gy < grid; gy++)
        for (size_t gx = 0; gx < grid; gx++)
            for (size_t c = 0; c < 3; c++)
                for (size_t y = 0; y < p; y++) {
                    orthsr__real_from_float(patches, pixels + (c * size + gy * p + y) * size + gx * p, p);
                    patches += p;
                }
}

/* The first layer's input of pixels (n, 3, size, size). */
static orthsr_status embed_images(orthsr__encoder *encoder, const float *pixels, size_t n, orthsr_error *error) {
    const orthsr_model *model = encoder->model;
    const orthsr__config *config = &model->config;
    size_t size = config->image_size, t = image_tokens(model), d = config->image.width;
    orthsr__pass *pass = &encoder->image;
    if (!encoder->patches) encoder->patches = orthsr__aligned((t - 1) * model->patch.in, sizeof(real));
    if (!encoder->patches) return orthsr__fail_memory(error, "patches");
    real *x = model->pre_norm.gamma ? pass->normed : orthsr__pass_input(pass, 0); /* (n, t, d) */
    for (size_t i = 0; i < n; i++) {
        real *xi = x + i * t * d;
        cut_patches(encoder->patches, pixels + i * 3 * size * size, size, config->patch_size);
        for (size_t j = 0; j < d; j++) xi[j] = model->class_embedding[j] + model->image_position[j];
        orthsr__linear_forward(encoder->pool, xi + d, encoder->patches, model->patch.weight, NULL, model->image_position + d, t - 1, model->patch.in, d);
    }
    if (model->pre_norm.gamma) /* the statistics are not needed again: nothing below the layers is trained */
        orthsr__layernorm_forward(encoder->pool, orthsr__pass_input(pass, 0), pass->pooled_mean, pass->pooled_rstd, x, model->pre_norm.gamma,
                                  model->pre_norm.beta, n * t, d, (real)config->image.eps);
    return ORTHSR_OK;
}

orthsr_status orthsr__encode_image_tile(orthsr__encoder *encoder, real *features, const float *pixels, size_t n, orthsr_error *error) {
    const orthsr_model *model = encoder->model;
    orthsr__pass *pass = &encoder->image;
    ORTHSR__TRY(need_image_pass(encoder, error));
    if (pixels) ORTHSR__TRY(embed_images(encoder, pixels, n, error));
    for (size_t i = 0; i < n; i++) pass->at[i] = 0;
    pass->sequences = (orthsr__sequences){.count = n, .length = image_tokens(model)};
    pass->whole = encoder->maps;
    orthsr__pass_forward(pass, pixels ? 0 : pass->first_adapted);
    orthsr__pool_forward(pass, features, &model->post_norm, &model->image_projection);
    return check(encoder, pass, features, error);
}

void orthsr__image_tile_backward(orthsr__encoder *encoder, const real *grad_features, real *grad_rotations) {
    orthsr__pool_backward(&encoder->image, grad_features, &encoder->model->post_norm, &encoder->model->image_projection);
    orthsr__pass_backward(&encoder->image, grad_rotations);
}

orthsr_status orthsr__encoder_follow(orthsr__encoder *tuned, orthsr__encoder *frozen, orthsr_error *error) {
    ORTHSR__TRY(need_image_pass(tuned, error));
    ORTHSR__TRY(need_image_pass(frozen, error));
    if (tuned->image.first_adapted == tuned->model->config.image.layers) return ORTHSR_OK;
    frozen->image.copy_layer = tuned->image.first_adapted;
    frozen->image.copy = orthsr__pass_input(&tuned->image, tuned->image.first_adapted);
    return ORTHSR_OK;
}

/* ---- texts --------------------------------------------------------------------------------------------------------------------- */

size_t orthsr__pool_position(const orthsr_model *model, const int32_t *tokens) {
    size_t position = 0;
    for (size_t i = 0; i < model->config.context_length; i++) {
        if (model->config.pool_id >= 0 && tokens[i] == model->config.pool_id) return i;
        if (model->config.pool_id < 0 && tokens[i] > tokens[position]) position = i;
    }
    return position;
}

/* Rows of texts one after another, where the first `shared` tokens of all are the same, and they are laid out so. */
static orthsr__sequences lay_out(const orthsr__encoder *encoder, const int32_t *tokens, size_t n) {
    const orthsr_model *model = encoder->model;
    size_t context = model->config.context_length, shared = context, longest = 0;
    for (size_t i = 0; i < n; i++) {
        const int32_t *text = tokens + i * context;
        size_t position = orthsr__pool_position(model, text), same = 0;
        while (same < shared && same < position && text[same] == tokens[same]) same++;
        shared = same;
        longest = position > longest ? position : longest;
    }
    if (!encoder->gradients || n == 1) shared = 0; /* then a text's bits do not depend on the others */
    return (orthsr__sequences){.shared = shared, .count = n, .length = longest + 1 - shared};
}

size_t orthsr__text_tile(const orthsr__encoder *encoder, const int32_t *tokens, size_t n) {
    size_t most = encoder->tile_rows, context = encoder->model->config.context_length, longest = 1, count = 0;
    for (; count < n; count++) {
        size_t length = orthsr__pool_position(encoder->model, tokens + count * context) + 1;
        longest = length > longest ? length : longest;
        if (count > 0 && (count + 1) * longest > most) break;
    }
    return count;
}

/* (d): of the vocabulary, or of the learned context. */
static const real *embedding_of(const orthsr__encoder *encoder, int32_t id) {
    size_t d = encoder->model->config.text.width;
    return id >= 0 ? encoder->model->token_embedding + (size_t)id * d : encoder->context + (size_t)(-1 - id) * d;
}

/* The token behind a row of the pass, and its position; the shared ones are the first text's. */
static const int32_t *token_of_row(const orthsr__sequences *s, const int32_t *tokens, size_t context, size_t row, size_t *position) {
    size_t own = row - s->shared;
    *position = row < s->shared ? row : s->shared + own % s->length;
    return tokens + (row < s->shared ? 0 : own / s->length) * context + *position;
}

orthsr_status orthsr__encode_text_tile(orthsr__encoder *encoder, real *features, const int32_t *tokens, size_t n, orthsr_error *error) {
    const orthsr_model *model = encoder->model;
    size_t context = model->config.context_length, d = model->config.text.width;
    orthsr__pass *pass = &encoder->text;
    ORTHSR__TRY(need_text_pass(encoder, error));
    pass->sequences = lay_out(encoder, tokens, n);
    for (size_t i = 0; i < n; i++) pass->at[i] = orthsr__pool_position(model, tokens + i * context) - pass->sequences.shared;
    real *x = orthsr__pass_input(pass, 0); /* (rows, d) */
    for (size_t r = 0, j; r < orthsr__rows(&pass->sequences); r++) {
        const real *token = embedding_of(encoder, *token_of_row(&pass->sequences, tokens, context, r, &j)), *position = model->text_position + j * d;
        for (size_t c = 0; c < d; c++) x[r * d + c] = token[c] + position[c];
    }
    orthsr__pass_forward(pass, 0);
    orthsr__pool_forward(pass, features, &model->final_norm, &model->text_projection);
    return check(encoder, pass, features, error);
}

size_t orthsr__text_rows(const orthsr__encoder *encoder, const int32_t *tokens, size_t n) {
    size_t context = encoder->model->config.context_length, rows = 0;
    for (size_t i = 0, tile; i < n; i += tile) {
        tile = orthsr__text_tile(encoder, tokens + i * context, n - i);
        const orthsr__sequences sequences = lay_out(encoder, tokens + i * context, tile);
        rows += orthsr__rows(&sequences);
    }
    return rows;
}

orthsr_status orthsr__encode_texts(orthsr__encoder *encoder, real *features, const int32_t *tokens, size_t n, orthsr_error *error) {
    const orthsr__config *config = &encoder->model->config;
    for (size_t i = 0, tile; i < n; i += tile) {
        tile = orthsr__text_tile(encoder, tokens + i * config->context_length, n - i);
        ORTHSR__TRY(orthsr__encode_text_tile(encoder, features + i * config->embed_dim, tokens + i * config->context_length, tile, error));
    }
    return ORTHSR_OK;
}

void orthsr__text_tile_backward(orthsr__encoder *encoder, const real *grad_features, real *grad_rotations) {
    orthsr__pool_backward(&encoder->text, grad_features, &encoder->model->final_norm, &encoder->model->text_projection);
    orthsr__pass_backward(&encoder->text, grad_rotations);
}

void orthsr__text_tile_context_gradient(const orthsr__encoder *encoder, const int32_t *tokens, real *grad_context) {
    const orthsr__sequences *sequences = &encoder->text.sequences;
    size_t context = encoder->model->config.context_length, d = encoder->model->config.text.width;
    for (size_t r = 0, j; r < orthsr__rows(sequences); r++) {
        int32_t id = *token_of_row(sequences, tokens, context, r, &j);
        if (id >= 0) continue;
        const real *row = encoder->text.grad + r * d;
        real *grad = grad_context + (size_t)(-1 - id) * d;
        for (size_t c = 0; c < d; c++) grad[c] += row[c];
    }
}

/* ---- steps ----------------------------------------------------------------------------------------------------------------------------- */

orthsr_status orthsr__image_step_begin(orthsr__encoder *encoder, orthsr_error *error) {
    ORTHSR__TRY(need_image_pass(encoder, error));
    orthsr__pass_begin(&encoder->image);
    return ORTHSR_OK;
}

orthsr_status orthsr__text_step_begin(orthsr__encoder *encoder, orthsr_error *error) {
    ORTHSR__TRY(need_text_pass(encoder, error));
    orthsr__pass_begin(&encoder->text);
    return ORTHSR_OK;
}

void orthsr__image_step_end(orthsr__encoder *encoder, real *grad_rotations) { orthsr__pass_end(&encoder->image, grad_rotations); }
void orthsr__text_step_end(orthsr__encoder *encoder, real *grad_rotations) { orthsr__pass_end(&encoder->text, grad_rotations); }
