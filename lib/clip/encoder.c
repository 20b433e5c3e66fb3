/* encoder.c - patches and tokens in, features out. */
#include "clip/encoder.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"

/* Rows of activations in a tile: enough for GEMM to run at full speed, few enough to stay within some hundred MB on ViT-B/16. */
enum { TILE_ROWS = 2048 };

size_t orthsr__image_grid(const orthsr_model *model) { return model->config.image_size / model->config.patch_size; }
static size_t image_tokens(const orthsr_model *model) { return 1 + orthsr__image_grid(model) * orthsr__image_grid(model); }

static size_t tile(size_t length) { return length >= TILE_ROWS ? 1 : TILE_ROWS / length; }
size_t orthsr__image_tile(const orthsr_model *model) { return tile(image_tokens(model)); }
size_t orthsr__text_tile(const orthsr_model *model) { return tile(model->config.context_length); }

orthsr_status orthsr__encoder_new(orthsr__encoder *encoder, const orthsr_model *model, const orthsr_adapter *adapter, bool gradients, orthsr_error *error) {
    *encoder = (orthsr__encoder){.model = model, .adapter = adapter, .gradients = gradients};
    return orthsr__bind(&encoder->binding, model, adapter, error);
}

void orthsr__encoder_free(orthsr__encoder *encoder) {
    orthsr__pass_free(&encoder->image);
    orthsr__pass_free(&encoder->text);
    free(encoder->binding);
    free(encoder->patches);
    *encoder = (orthsr__encoder){0};
}

static bool adapted(const orthsr__encoder *encoder, const orthsr__tower *tower) {
    for (size_t i = 0; i < tower->config.layers * ORTHSR__MAPS; i++)
        if (encoder->binding[tower->first_map + i]) return true;
    return false;
}

bool orthsr__image_adapted(const orthsr__encoder *encoder) { return adapted(encoder, &encoder->model->image); }
bool orthsr__text_adapted(const orthsr__encoder *encoder) { return adapted(encoder, &encoder->model->text); }

static orthsr_status need_pass(orthsr__encoder *encoder, orthsr__pass *pass, const orthsr__tower *tower, size_t length, bool to_input, orthsr_error *error) {
    if (pass->memory) return ORTHSR_OK;
    orthsr__gradients gradients = !encoder->gradients ? ORTHSR__NO_GRADIENTS : to_input ? ORTHSR__INPUT_GRADIENTS : ORTHSR__ADAPTER_GRADIENTS;
    return orthsr__pass_new(pass, tower, encoder->adapter, encoder->binding, tile(length) * length, length, gradients, error);
}

/* What is encoded for training must be finite: names the map where it is not any more. Sessions check features themselves, and name the row. */
static orthsr_status check(const orthsr__encoder *encoder, const orthsr__pass *pass, const real *features, size_t n, size_t rows, orthsr_error *error) {
    const orthsr_model *model = encoder->model;
    if (!encoder->gradients || orthsr__all_finite(features, n * model->config.embed_dim)) return ORTHSR_OK;
    size_t map = orthsr__pass_not_finite(pass, rows);
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

orthsr_status orthsr__encode_image_tile(orthsr__encoder *encoder, real *features, const float *pixels, size_t n, orthsr_error *error) {
    const orthsr_model *model = encoder->model;
    const orthsr__config *config = &model->config;
    size_t size = config->image_size, t = image_tokens(model), d = config->image.width;
    orthsr__pass *pass = &encoder->image;
    ORTHSR__TRY(need_pass(encoder, pass, &model->image, t, false, error));
    if (!encoder->patches) encoder->patches = orthsr__aligned((t - 1) * model->patch.in, sizeof(real));
    if (!encoder->patches) return orthsr__fail_memory(error, "patches");

    real *x = model->pre_norm.gamma ? pass->out : orthsr__pass_input(pass); /* (n, t, d) */
    for (size_t i = 0; i < n; i++) {
        real *xi = x + i * t * d;
        cut_patches(encoder->patches, pixels + i * 3 * size * size, size, config->patch_size);
        for (size_t j = 0; j < d; j++) xi[j] = model->class_embedding[j] + model->image_position[j];
        orthsr__linear_forward(xi + d, encoder->patches, model->patch.weight, NULL, model->image_position + d, t - 1, model->patch.in, d);
        pass->pool_row[i] = i * t;
    }
    if (model->pre_norm.gamma) /* the statistics are not needed again: nothing below the layers is trained */
        orthsr__layernorm_forward(orthsr__pass_input(pass), pass->pooled_mean, pass->pooled_rstd, x, model->pre_norm.gamma, model->pre_norm.beta, n * t, d,
                                  (real)config->image.eps);
    orthsr__pass_forward(pass, n, t);
    orthsr__pool_forward(pass, features, &model->post_norm, &model->image_projection, n);
    return check(encoder, pass, features, n, n * t, error);
}

void orthsr__image_tile_backward(orthsr__encoder *encoder, const real *grad_features, size_t n, real *grad_rotations) {
    size_t t = image_tokens(encoder->model);
    orthsr__pool_backward(&encoder->image, grad_features, &encoder->model->post_norm, &encoder->model->image_projection, n, n * t);
    orthsr__pass_backward(&encoder->image, n, t, grad_rotations);
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

orthsr_status orthsr__encode_text_tile(orthsr__encoder *encoder, real *features, const int32_t *tokens, size_t n, orthsr_error *error) {
    const orthsr_model *model = encoder->model;
    size_t context = model->config.context_length, d = model->config.text.width, t = 0;
    orthsr__pass *pass = &encoder->text;
    ORTHSR__TRY(need_pass(encoder, pass, &model->text, context, encoder->context_gradients, error));
    for (size_t i = 0; i < n; i++) {
        pass->pool_row[i] = orthsr__pool_position(model, tokens + i * context);
        if (pass->pool_row[i] + 1 > t) t = pass->pool_row[i] + 1;
    }
    real *x = orthsr__pass_input(pass); /* (n, t, d) */
    for (size_t i = 0; i < n; i++) {
        pass->pool_row[i] += i * t;
        for (size_t j = 0; j < t; j++) {
            int32_t id = tokens[i * context + j];
            const real *token = id >= 0 ? model->token_embedding + (size_t)id * d : encoder->context + (size_t)(-1 - id) * d;
            const real *position = model->text_position + j * d;
            real *row = x + (i * t + j) * d;
            for (size_t c = 0; c < d; c++) row[c] = token[c] + position[c];
        }
    }
    encoder->text_length = t;
    orthsr__pass_forward(pass, n, t);
    orthsr__pool_forward(pass, features, &model->final_norm, &model->text_projection, n);
    return check(encoder, pass, features, n, n * t, error);
}

orthsr_status orthsr__encode_texts(orthsr__encoder *encoder, real *features, const int32_t *tokens, size_t n, orthsr_error *error) {
    const orthsr__config *config = &encoder->model->config;
    size_t tile = orthsr__text_tile(encoder->model);
    for (size_t i = 0; i < n; i += tile)
        ORTHSR__TRY(
            orthsr__encode_text_tile(encoder, features + i * config->embed_dim, tokens + i * config->context_length, n - i < tile ? n - i : tile, error));
    return ORTHSR_OK;
}

void orthsr__text_tile_backward(orthsr__encoder *encoder, const real *grad_features, size_t n, real *grad_rotations) {
    size_t t = encoder->text_length;
    orthsr__pool_backward(&encoder->text, grad_features, &encoder->model->final_norm, &encoder->model->text_projection, n, n * t);
    orthsr__pass_backward(&encoder->text, n, t, grad_rotations);
}

void orthsr__text_tile_context_gradient(const orthsr__encoder *encoder, const int32_t *tokens, size_t n, real *grad_context) {
    size_t context = encoder->model->config.context_length, d = encoder->model->config.text.width, t = encoder->text_length;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < t; j++) {
            int32_t id = tokens[i * context + j];
            if (id >= 0) continue;
            const real *row = encoder->text.grad + (i * t + j) * d;
            real *grad = grad_context + (size_t)(-1 - id) * d;
            for (size_t c = 0; c < d; c++) grad[c] += row[c];
        }
}
