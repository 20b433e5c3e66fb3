/* pass.c - the layers of a tower: x1 = x0 + out(attention(norm1 x0)), x2 = x1 + fc2(f(fc1(norm2 x1))), adapters on any of the maps. */
#include "clip/pass.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"

/* ---- memory ------------------------------------------------------------------------------------------------------------- */

/* Hands out consecutive pieces of one allocation; with base NULL it only counts. Pieces start at multiples of 64 bytes. */
typedef struct carver {
    real *base;
    size_t used; /* reals */
} carver;

static real *carve(carver *c, size_t n) {
    real *piece = c->base ? c->base + c->used : NULL;
    c->used += (n + 15) & ~(size_t)15;
    return piece;
}

static void lay_out(orthsr__pass *pass, carver *c, orthsr__gradients gradients) {
    const orthsr__tower_config *config = &pass->tower->config;
    size_t d = config->width, mlp = config->mlp, wide = mlp > d ? mlp : d, rows = pass->rows;
    for (size_t i = 0; i <= config->layers - pass->first_kept; i++) {
        orthsr__kept *kept = &pass->kept[i];
        real **arrays[] = {&kept->x0, &kept->x1, &kept->q, &kept->k, &kept->v, &kept->o},
             **statistics[] = {&kept->mean0, &kept->rstd0, &kept->mean1, &kept->rstd1};
        for (size_t j = 0; j < sizeof arrays / sizeof *arrays; j++) *arrays[j] = carve(c, rows * d);
        for (size_t j = 0; j < sizeof statistics / sizeof *statistics; j++) *statistics[j] = carve(c, rows);
        kept->hidden = carve(c, rows * mlp);
    }
    pass->out = carve(c, rows * d);
    pass->normed = carve(c, rows * d);
    pass->rotated = carve(c, rows * wide);
    pass->hidden = carve(c, rows * wide);
    pass->scores = carve(c, 2 * pass->length * pass->length);
    pass->pooled = carve(c, rows * d);
    pass->pooled_normed = carve(c, rows * d);
    pass->pooled_mean = carve(c, rows);
    pass->pooled_rstd = carve(c, rows);
    if (gradients == ORTHSR__NO_GRADIENTS) return;
    real **arrays[] = {&pass->grad, &pass->grad_normed, &pass->grad_o, &pass->grad_q, &pass->grad_k, &pass->grad_v};
    for (size_t j = 0; j < sizeof arrays / sizeof *arrays; j++) *arrays[j] = carve(c, rows * d);
    pass->grad_hidden = carve(c, rows * mlp);
    pass->grad_rotated = carve(c, rows * wide);
}

orthsr_status orthsr__pass_new(orthsr__pass *pass, const orthsr__tower *tower, const orthsr_adapter *adapter, const orthsr__target **binding, size_t rows,
                               size_t length, orthsr__gradients gradients, orthsr_error *error) {
    size_t layers = tower->config.layers;
    *pass = (orthsr__pass){.tower = tower, .adapter = adapter, .target = binding + tower->first_map, .first_adapted = layers, .rows = rows, .length = length};
    for (size_t i = layers * ORTHSR__MAPS; i-- > 0;)
        if (pass->target[i]) pass->first_adapted = i / ORTHSR__MAPS;
    pass->to_input = gradients == ORTHSR__INPUT_GRADIENTS;
    pass->first_kept = gradients == ORTHSR__NO_GRADIENTS ? layers : pass->to_input ? 0 : pass->first_adapted;
    pass->kept = orthsr__calloc(layers - pass->first_kept + 1, sizeof *pass->kept);
    pass->pool_row = orthsr__calloc(rows, sizeof *pass->pool_row);
    carver c = {0};
    if (pass->kept) lay_out(pass, &c, gradients);
    pass->memory = pass->kept ? orthsr__aligned(c.used, sizeof(real)) : NULL;
    if (!pass->memory || !pass->pool_row) {
        orthsr__pass_free(pass);
        return orthsr__fail_memory(error, "activations");
    }
    c = (carver){.base = pass->memory};
    lay_out(pass, &c, gradients);
    return ORTHSR_OK;
}

void orthsr__pass_free(orthsr__pass *pass) {
    free(pass->memory);
    free(pass->kept);
    free(pass->pool_row);
    *pass = (orthsr__pass){0};
}

static orthsr__kept *kept_of(const orthsr__pass *pass, size_t layer) {
    size_t layers = pass->tower->config.layers;
    return &pass->kept[layer < pass->first_kept ? layers - pass->first_kept : layer - pass->first_kept];
}

real *orthsr__pass_input(orthsr__pass *pass) { return kept_of(pass, 0)->x0; }

/* ---- one map ---------------------------------------------------------------------------------------------------------------- */

ORTHSR__SIMD static void scale_columns(real *y, const real *x, const real *scale, size_t rows, size_t n) {
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i++) y[r * n + i] = x[r * n + i] * scale[i];
}

ORTHSR__SIMD static void add_bias(real *y, const real *x, const real *bias, const real *residual, size_t rows, size_t n) {
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i++) y[r * n + i] = x[r * n + i] + bias[i] + (residual ? residual[r * n + i] : 0);
}

/* (rows, out): an array that nobody reads while this map is computed, forward or backward. */
static real *spare(const orthsr__pass *pass, size_t which) { return which == ORTHSR__FC2 ? pass->normed : pass->hidden; }

/* y (rows, out) = scale ((x A) W^T) + bias + residual, or on the output side scale ((x W^T) A) + bias + residual. */
static void map_forward(orthsr__pass *pass, size_t layer, size_t which, real *y, const real *x, const real *residual, size_t rows) {
    const orthsr__linear *map = &pass->tower->layer[layer].map[which];
    const orthsr__target *target = pass->target[layer * ORTHSR__MAPS + which];
    bool output = target && pass->adapter->side == ORTHSR_SIDE_OUTPUT;
    if (target && !output) {
        orthsr__rotate(pass->adapter, target, pass->rotated, x, rows);
        x = pass->rotated;
    }
    if (!output && !(target && target->scale)) {
        orthsr__linear_forward(y, x, map->weight, map->bias, residual, rows, map->in, map->out);
        return;
    }
    real *product = spare(pass, which); /* (rows, out), and what becomes of it */
    orthsr__linear_forward(product, x, map->weight, NULL, NULL, rows, map->in, map->out);
    if (output) {
        orthsr__rotate(pass->adapter, target, pass->rotated, product, rows);
        product = pass->rotated;
    }
    if (target->scale) scale_columns(product, product, target->scale, rows, map->out);
    add_bias(y, product, map->bias, residual, rows, map->out);
}

/* grad_x (rows, in) = (or +=) the gradient through map_forward; adds that of the target's rotation. */
static void map_backward(orthsr__pass *pass, size_t layer, size_t which, real *grad_x, const real *grad_y, const real *x, size_t rows, bool accumulate,
                         real *grad_rotations) {
    const orthsr__linear *map = &pass->tower->layer[layer].map[which];
    const orthsr__target *target = pass->target[layer * ORTHSR__MAPS + which];
    if (!target) {
        orthsr__linear_backward(grad_x, grad_y, map->weight, rows, map->in, map->out, accumulate);
        return;
    }
    bool output = pass->adapter->side == ORTHSR_SIDE_OUTPUT;
    real *own = grad_rotations + target->rotation_offset, *free_rows = spare(pass, which); /* (blocks, b, b), (rows, out) */
    if (target->scale) {
        real *scaled = output ? pass->grad_rotated : free_rows; /* (rows, out) */
        scale_columns(scaled, grad_y, target->scale, rows, map->out);
        grad_y = scaled;
    }
    if (output) {
        orthsr__linear_forward(free_rows, x, map->weight, NULL, NULL, rows, map->in, map->out); /* what A was given, formed again */
        orthsr__rotate_adjoint(pass->adapter, target, pass->rotated, own, grad_y, free_rows, rows);
        orthsr__linear_backward(grad_x, pass->rotated, map->weight, rows, map->in, map->out, accumulate);
        return;
    }
    orthsr__linear_backward(pass->grad_rotated, grad_y, map->weight, rows, map->in, map->out, false);
    real *straight = accumulate ? pass->rotated : grad_x;
    orthsr__rotate_adjoint(pass->adapter, target, straight, own, pass->grad_rotated, x, rows);
    if (accumulate)
        for (size_t i = 0; i < rows * map->in; i++) grad_x[i] += straight[i];
}

/* ---- layers ------------------------------------------------------------------------------------------------------------------- */

static void layer_forward(orthsr__pass *pass, size_t i, real *x2, size_t batch, size_t t) {
    const orthsr__tower_config *config = &pass->tower->config;
    const orthsr__layer *layer = &pass->tower->layer[i];
    orthsr__kept *kept = kept_of(pass, i);
    size_t d = config->width, rows = batch * t;
    real eps = (real)config->eps;
    orthsr__layernorm_forward(pass->normed, kept->mean0, kept->rstd0, kept->x0, layer->norm1.gamma, layer->norm1.beta, rows, d, eps);
    map_forward(pass, i, ORTHSR__Q, kept->q, pass->normed, NULL, rows);
    map_forward(pass, i, ORTHSR__K, kept->k, pass->normed, NULL, rows);
    map_forward(pass, i, ORTHSR__V, kept->v, pass->normed, NULL, rows);
    orthsr__attention_forward(kept->o, kept->q, kept->k, kept->v, batch, t, d, config->heads, pass->tower->causal, pass->scores);
    map_forward(pass, i, ORTHSR__OUT, kept->x1, kept->o, kept->x0, rows);
    orthsr__layernorm_forward(pass->normed, kept->mean1, kept->rstd1, kept->x1, layer->norm2.gamma, layer->norm2.beta, rows, d, eps);
    map_forward(pass, i, ORTHSR__FC1, kept->hidden, pass->normed, NULL, rows);
    orthsr__activation_forward(pass->hidden, kept->hidden, rows * config->mlp, config->activation);
    map_forward(pass, i, ORTHSR__FC2, x2, pass->hidden, kept->x1, rows);
}

void orthsr__pass_forward(orthsr__pass *pass, size_t batch, size_t t) {
    size_t layers = pass->tower->config.layers;
    for (size_t i = 0; i < layers; i++) layer_forward(pass, i, i + 1 < layers ? kept_of(pass, i + 1)->x0 : pass->out, batch, t);
}

size_t orthsr__pass_not_finite(const orthsr__pass *pass, size_t rows) {
    size_t layers = pass->tower->config.layers, d = pass->tower->config.width, mlp = pass->tower->config.mlp;
    for (size_t layer = pass->first_kept; layer < layers; layer++) {
        const orthsr__kept *kept = kept_of(pass, layer);
        const real *after = layer + 1 < layers ? kept_of(pass, layer + 1)->x0 : pass->out;
        const real *const values[ORTHSR__MAPS] = {kept->q, kept->k, kept->v, kept->x1, kept->hidden, after};
        for (size_t which = 0; which < ORTHSR__MAPS; which++)
            if (!orthsr__all_finite(values[which], rows * (which == ORTHSR__FC1 ? mlp : d))) return layer * ORTHSR__MAPS + which;
    }
    return layers * ORTHSR__MAPS;
}

/* True when a map of this layer before fc1 has a target: else, in the lowest adapted layer, the attention's backward pass is for nothing. */
static bool attention_adapted(const orthsr__pass *pass, size_t layer) {
    for (size_t which = ORTHSR__Q; which <= ORTHSR__OUT; which++)
        if (pass->target[layer * ORTHSR__MAPS + which]) return true;
    return false;
}

/* pass->grad: from the gradient at x2 to that at x0, in place. */
static void layer_backward(orthsr__pass *pass, size_t i, size_t batch, size_t t, real *grad_rotations) {
    const orthsr__tower_config *config = &pass->tower->config;
    const orthsr__layer *layer = &pass->tower->layer[i];
    const orthsr__kept *kept = kept_of(pass, i);
    size_t d = config->width, rows = batch * t;
    bool lowest = !pass->to_input && i == pass->first_adapted;

    orthsr__activation_forward(pass->hidden, kept->hidden, rows * config->mlp, config->activation);
    map_backward(pass, i, ORTHSR__FC2, pass->grad_hidden, pass->grad, pass->hidden, rows, false, grad_rotations);
    orthsr__activation_backward(pass->grad_hidden, pass->grad_hidden, kept->hidden, rows * config->mlp, config->activation);
    orthsr__layernorm_again(pass->normed, kept->x1, kept->mean1, kept->rstd1, layer->norm2.gamma, layer->norm2.beta, rows, d);
    map_backward(pass, i, ORTHSR__FC1, pass->grad_normed, pass->grad_hidden, pass->normed, rows, false, grad_rotations);
    if (lowest && !attention_adapted(pass, i)) return;
    orthsr__layernorm_backward(pass->grad, pass->grad_normed, kept->x1, kept->mean1, kept->rstd1, layer->norm2.gamma, rows, d);

    map_backward(pass, i, ORTHSR__OUT, pass->grad_o, pass->grad, kept->o, rows, false, grad_rotations);
    orthsr__attention_backward(pass->grad_q, pass->grad_k, pass->grad_v, pass->grad_o, kept->o, kept->q, kept->k, kept->v, batch, t, d, config->heads,
                               pass->tower->causal, pass->scores);
    orthsr__layernorm_again(pass->normed, kept->x0, kept->mean0, kept->rstd0, layer->norm1.gamma, layer->norm1.beta, rows, d);
    map_backward(pass, i, ORTHSR__Q, pass->grad_normed, pass->grad_q, pass->normed, rows, false, grad_rotations);
    map_backward(pass, i, ORTHSR__K, pass->grad_normed, pass->grad_k, pass->normed, rows, true, grad_rotations);
    map_backward(pass, i, ORTHSR__V, pass->grad_normed, pass->grad_v, pass->normed, rows, true, grad_rotations);
    if (lowest) return;
    orthsr__layernorm_backward(pass->grad, pass->grad_normed, kept->x0, kept->mean0, kept->rstd0, layer->norm1.gamma, rows, d);
}

void orthsr__pass_backward(orthsr__pass *pass, size_t batch, size_t t, real *grad_rotations) {
    for (size_t i = pass->tower->config.layers; i-- > pass->first_kept;) layer_backward(pass, i, batch, t, grad_rotations);
}

/* ---- the towers' common end ------------------------------------------------------------------------------------------------------ */

void orthsr__pool_forward(orthsr__pass *pass, real *features, const orthsr__norm *norm, const orthsr__linear *projection, size_t n) {
    const orthsr__tower_config *config = &pass->tower->config;
    size_t d = config->width;
    for (size_t i = 0; i < n; i++) memcpy(pass->pooled + i * d, pass->out + pass->pool_row[i] * d, d * sizeof(real));
    orthsr__layernorm_forward(pass->pooled_normed, pass->pooled_mean, pass->pooled_rstd, pass->pooled, norm->gamma, norm->beta, n, d, (real)config->eps);
    orthsr__linear_forward(features, pass->pooled_normed, projection->weight, NULL, NULL, n, d, projection->out);
}

void orthsr__pool_backward(orthsr__pass *pass, const real *grad_features, const orthsr__norm *norm, const orthsr__linear *projection, size_t n,
                           size_t rows_used) {
    size_t d = pass->tower->config.width;
    real *grad_pooled = pass->grad_normed; /* free until the layers run */
    memset(grad_pooled, 0, n * d * sizeof(real));
    orthsr__linear_backward(pass->pooled_normed, grad_features, projection->weight, n, d, projection->out, false);
    orthsr__layernorm_backward(grad_pooled, pass->pooled_normed, pass->pooled, pass->pooled_mean, pass->pooled_rstd, norm->gamma, n, d);
    memset(pass->grad, 0, rows_used * d * sizeof(real));
    for (size_t i = 0; i < n; i++) memcpy(pass->grad + pass->pool_row[i] * d, grad_pooled + i * d, d * sizeof(real));
}
