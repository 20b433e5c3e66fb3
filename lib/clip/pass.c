/* pass.c - the layers of a tower: x1 = x0 + out(attention(norm1 x0)), x2 = x1 + fc2(f(fc1(norm2 x1))), adapters on any of the maps. */
#include "clip/pass.h"

#include <stdlib.h>
#include <string.h>

#include "adapter/merged.h"
#include "base/fail.h"
#include "base/gemm.h"
#include "base/memory.h"

/* Of the only adapter there is with gradients, on a map, layer * ORTHSR__MAPS + which; NULL: none. */
static const orthsr__target *target_of(const orthsr__pass *pass, size_t map) {
    return pass->stack.count ? pass->stack.binding[0][pass->tower->first_map + map] : NULL;
}

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

/* pass->kept is not touched while only counting. */
static void lay_out(orthsr__pass *pass, carver *c, orthsr__gradients gradients) {
    const orthsr__tower_config *config = &pass->tower->config;
    size_t d = config->width, mlp = config->mlp, wide = mlp > d ? mlp : d, rows = pass->rows;
    for (size_t i = 0; i <= config->layers - pass->first_kept; i++) {
        orthsr__kept counted = {0}, *kept = c->base ? &pass->kept[i] : &counted;
        real **arrays[] = {&kept->x0, &kept->x1, &kept->q, &kept->k, &kept->v, &kept->o},
             **statistics[] = {&kept->mean0, &kept->rstd0, &kept->mean1, &kept->rstd1};
        for (size_t j = 0; j < sizeof arrays / sizeof *arrays; j++) *arrays[j] = carve(c, rows * d);
        for (size_t j = 0; j < sizeof statistics / sizeof *statistics; j++) *statistics[j] = carve(c, rows);
        kept->hidden = carve(c, rows * mlp);
    }
    real **common[] = {&pass->out, &pass->normed, &pass->read, &pass->pooled, &pass->pooled_normed};
    for (size_t j = 0; j < sizeof common / sizeof *common; j++) *common[j] = carve(c, rows * d);
    pass->rotated = carve(c, rows * wide);
    pass->hidden = carve(c, rows * wide);
    pass->pooled_mean = carve(c, rows);
    pass->pooled_rstd = carve(c, rows);
    if (gradients == ORTHSR__NO_GRADIENTS) return;
    real **arrays[] = {&pass->grad, &pass->grad_normed, &pass->grad_o, &pass->grad_q, &pass->grad_k, &pass->grad_v};
    for (size_t j = 0; j < sizeof arrays / sizeof *arrays; j++) *arrays[j] = carve(c, rows * d);
    pass->grad_hidden = carve(c, rows * mlp);
    pass->grad_rotated = carve(c, rows * wide);
}

bool orthsr__pass_merges(const orthsr__tower *tower, const orthsr__target *target, size_t map, orthsr__load load) {
    size_t which = map % ORTHSR__MAPS;
    bool all = map / ORTHSR__MAPS + 1 < tower->config.layers || which == ORTHSR__K || which == ORTHSR__V;
    return orthsr__merging_pays(target, all ? load.rows : load.read);
}

/* Which targets are merged, and where. */
static void lay_out_merged(orthsr__pass *pass, carver *c, orthsr__load load) {
    size_t layers = pass->tower->config.layers, largest = 0;
    for (size_t i = 0; i < layers * ORTHSR__MAPS; i++) {
        const orthsr__target *target = target_of(pass, i);
        if (!target || !orthsr__pass_merges(pass->tower, target, i, load)) continue;
        real *weight = carve(c, target->out * target->in), *grad = carve(c, target->out * target->in);
        if (c->base) pass->merged[i] = (orthsr__merged){weight, grad};
        if (target->out * target->in > largest) largest = target->out * target->in;
    }
    pass->merging = carve(c, largest);
}

/* Everything but memory. */
static orthsr__pass plan(const orthsr__tower *tower, const orthsr__stack *stack, size_t rows, orthsr__gradients gradients) {
    size_t layers = tower->config.layers;
    orthsr__pass pass = {.tower = tower, .stack = *stack, .first_adapted = layers, .rows = rows};
    for (size_t i = layers * ORTHSR__MAPS; i-- > 0;)
        if (target_of(&pass, i)) pass.first_adapted = i / ORTHSR__MAPS;
    pass.to_input = gradients == ORTHSR__INPUT_GRADIENTS;
    pass.first_kept = gradients == ORTHSR__NO_GRADIENTS ? layers : pass.to_input ? 0 : pass.first_adapted;
    return pass;
}

/* Reals; base NULL: only counted. */
static size_t lay_out_all(orthsr__pass *pass, real *base, orthsr__load load, orthsr__gradients gradients) {
    carver c = {.base = base};
    lay_out(pass, &c, gradients);
    if (gradients != ORTHSR__NO_GRADIENTS) lay_out_merged(pass, &c, load);
    return c.used;
}

size_t orthsr__pass_bytes(const orthsr__tower *tower, const orthsr__stack *stack, size_t rows, orthsr__load load, orthsr__gradients gradients) {
    orthsr__pass pass = plan(tower, stack, rows, gradients);
    return lay_out_all(&pass, NULL, load, gradients) * sizeof(real);
}

orthsr_status orthsr__pass_new(orthsr__pass *pass, const orthsr__tower *tower, const orthsr__stack *stack, size_t rows, orthsr__load load,
                               orthsr__gradients gradients, orthsr_error *error) {
    size_t layers = tower->config.layers;
    *pass = plan(tower, stack, rows, gradients);
    pass->kept = orthsr__calloc(layers - pass->first_kept + 1, sizeof *pass->kept);
    pass->at = orthsr__calloc(rows, sizeof *pass->at);
    pass->merged = orthsr__calloc(layers * ORTHSR__MAPS, sizeof *pass->merged);
    pass->memory = orthsr__aligned(lay_out_all(pass, NULL, load, gradients), sizeof(real));
    if (!pass->memory || !pass->at || !pass->merged || !pass->kept) {
        orthsr__pass_free(pass);
        return orthsr__fail_memory(error, "activations");
    }
    lay_out_all(pass, pass->memory, load, gradients);
    return ORTHSR_OK;
}

void orthsr__pass_free(orthsr__pass *pass) {
    free(pass->memory);
    free(pass->turned);
    free(pass->kept);
    free(pass->at);
    free(pass->merged);
    *pass = (orthsr__pass){0};
}

orthsr_status orthsr__pass_need_turned(orthsr__pass *pass, orthsr_error *error) {
    size_t d = pass->tower->config.width, mlp = pass->tower->config.mlp;
    if (!pass->turned) pass->turned = orthsr__aligned(pass->rows * (mlp > d ? mlp : d), sizeof(real));
    return pass->turned ? ORTHSR_OK : orthsr__fail_memory(error, "activations");
}

static orthsr__kept *kept_of(const orthsr__pass *pass, size_t layer) {
    size_t layers = pass->tower->config.layers;
    return &pass->kept[layer < pass->first_kept ? layers - pass->first_kept : layer - pass->first_kept];
}

real *orthsr__pass_input(orthsr__pass *pass, size_t layer) { return kept_of(pass, layer)->x0; }

/* ---- rows that are read --------------------------------------------------------------------------------------------------------- */

/* Whether this layer is computed for the rows that are read alone; and how many rows that is, of x1 and what follows. */
static bool is_read(const orthsr__pass *pass, size_t layer) { return layer + 1 == pass->tower->config.layers && !pass->whole; }

static size_t rows_after(const orthsr__pass *pass, size_t layer) { return is_read(pass, layer) ? pass->sequences.count : orthsr__rows(&pass->sequences); }

/* Row of sequence i that is read. */
static size_t read_row(const orthsr__pass *pass, size_t i) { return pass->sequences.shared + i * pass->sequences.length + pass->at[i]; }

/* to (count, d) from all (rows, d); and what is added to all. */
static void gather(const orthsr__pass *pass, real *to, const real *all) {
    size_t d = pass->tower->config.width;
    for (size_t i = 0; i < pass->sequences.count; i++) memcpy(to + i * d, all + read_row(pass, i) * d, d * sizeof *to);
}

static void scatter_add(const orthsr__pass *pass, real *all, const real *from) {
    size_t d = pass->tower->config.width;
    for (size_t i = 0; i < pass->sequences.count; i++)
        for (size_t c = 0; c < d; c++) all[read_row(pass, i) * d + c] += from[i * d + c];
}

/* ---- one map ---------------------------------------------------------------------------------------------------------------- */

typedef struct columns {
    real *y;                                 /* (rows, n) */
    const real *x, *scale, *bias, *residual; /* (rows, n), (n), (n), (rows, n); NULL: ones, zeros, zeros */
    size_t n;
} columns;

/* y = x scale + bias + residual */
ORTHSR__SIMD static void finish_rows(void *context, size_t first, size_t rows) {
    const columns *of = context;
    size_t n = of->n;
    for (size_t r = first; r < first + rows; r++)
        for (size_t i = 0; i < n; i++) {
            real y = of->x[r * n + i];
            if (of->scale) y *= of->scale[i];
            if (of->bias) y += of->bias[i];
            if (of->residual) y += of->residual[r * n + i];
            of->y[r * n + i] = y;
        }
}

static void finish(const orthsr__pass *pass, columns of, size_t rows) {
    orthsr__pool_split(pass->pool, rows, ORTHSR__WORTH_SHARING / 16 / of.n + 1, finish_rows, &of);
}

/* (rows, out): an array that nobody reads while this map is computed, forward or backward. */
static real *spare(const orthsr__pass *pass, size_t which) { return which == ORTHSR__FC2 ? pass->normed : pass->hidden; }

/* What a target's matrix is merged into, or NULL. */
static const orthsr__merged *merged_of(const orthsr__pass *pass, size_t layer, size_t which) {
    const orthsr__merged *merged = &pass->merged[layer * ORTHSR__MAPS + which];
    return merged->weight ? merged : NULL;
}

void orthsr__pass_begin(orthsr__pass *pass) {
    for (size_t i = 0; i < pass->tower->config.layers * ORTHSR__MAPS; i++) {
        const orthsr__merged *merged = &pass->merged[i];
        const orthsr__target *target = target_of(pass, i);
        if (!merged->weight) continue;
        orthsr__merge_weight(pass->pool, pass->stack.adapter[0], target, merged->weight, pass->tower->layer[i / ORTHSR__MAPS].map[i % ORTHSR__MAPS].weight);
        memset(merged->grad, 0, target->out * target->in * sizeof *merged->grad);
    }
}

void orthsr__pass_end(orthsr__pass *pass, real *grad_rotations) {
    for (size_t i = 0; i < pass->tower->config.layers * ORTHSR__MAPS; i++) {
        const orthsr__merged *merged = &pass->merged[i];
        const orthsr__target *target = target_of(pass, i);
        if (!merged->weight) continue;
        orthsr__merge_adjoint(pass->pool, pass->stack.adapter[0], target, grad_rotations + target->rotation_offset, merged->grad,
                              pass->tower->layer[i / ORTHSR__MAPS].map[i % ORTHSR__MAPS].weight, merged->weight, pass->merging);
        memset(merged->grad, 0, target->out * target->in * sizeof *merged->grad); /* the next shard's begins at 0 */
    }
}

/* x (rows, in) times the A of every adapter that has one on this map's input, the last one's first: what comes out of W' = (W A^T) B^T for A below B. */
static const real *rotate_input(orthsr__pass *pass, size_t map, const real *x, size_t rows) {
    for (size_t i = pass->stack.count; i-- > 0;) {
        const orthsr__target *target = pass->stack.binding[i][map];
        if (!target || pass->stack.adapter[i]->side == ORTHSR_SIDE_OUTPUT) continue;
        real *to = x == pass->rotated ? pass->turned : pass->rotated;
        orthsr__rotate(pass->pool, pass->stack.adapter[i], target, to, x, rows);
        x = to;
    }
    return x;
}

/* The product (rows, out) through every adapter's A on this map's output, and its scales, the first one's first. What is left in *scale is still to be applied.
 * other (rows, out): room beside the product. */
static real *rotate_output(orthsr__pass *pass, size_t map, bool merged, real *product, real *other, size_t rows, size_t out, const real **scale) {
    *scale = NULL;
    for (size_t i = 0; i < pass->stack.count; i++) {
        const orthsr__target *target = pass->stack.binding[i][map];
        bool turns = target && !merged && pass->stack.adapter[i]->side == ORTHSR_SIDE_OUTPUT;
        if (*scale && (turns || (target && target->scale))) {
            finish(pass, (columns){product, product, *scale, NULL, NULL, out}, rows);
            *scale = NULL;
        }
        if (turns) {
            orthsr__rotate(pass->pool, pass->stack.adapter[i], target, other, product, rows);
            real *before = product;
            product = other;
            other = before;
        }
        if (target && target->scale) *scale = target->scale;
    }
    return product;
}

/* Whether anything is done to what W gives before the bias. */
static bool changes_output(const orthsr__pass *pass, size_t map, bool merged) {
    for (size_t i = 0; i < pass->stack.count; i++) {
        const orthsr__target *target = pass->stack.binding[i][map];
        if (target && (target->scale || (!merged && pass->stack.adapter[i]->side == ORTHSR_SIDE_OUTPUT))) return true;
    }
    return false;
}

/* y (rows, out) = scale ((x A) W^T) + bias + residual, or on the output side scale ((x W^T) A) + bias + residual. */
static void map_forward(orthsr__pass *pass, size_t layer, size_t which, real *y, const real *x, const real *residual, size_t rows) {
    const orthsr__linear *map = &pass->tower->layer[layer].map[which];
    const orthsr__merged *merged = merged_of(pass, layer, which);
    const real *weight = merged ? merged->weight : map->weight;
    size_t at = pass->tower->first_map + layer * ORTHSR__MAPS + which;
    if (!merged) x = rotate_input(pass, at, x, rows);
    if (!changes_output(pass, at, merged)) {
        orthsr__linear_forward(pass->pool, y, x, weight, map->bias, residual, rows, map->in, map->out);
        return;
    }
    real *product = spare(pass, which); /* (rows, out), and what becomes of it */
    const real *scale;                  /* (out) */
    orthsr__linear_forward(pass->pool, product, x, weight, NULL, NULL, rows, map->in, map->out);
    product = rotate_output(pass, at, merged, product, pass->rotated, rows, map->out, &scale);
    finish(pass, (columns){y, product, scale, map->bias, residual, map->out}, rows);
}

/* grad_x (rows, in) = (or +=) the gradient through map_forward; NULL: not wanted. Adds that of the target's rotation. */
static void map_backward(orthsr__pass *pass, size_t layer, size_t which, real *grad_x, const real *grad_y, const real *x, size_t rows, bool accumulate,
                         real *grad_rotations) {
    const orthsr__linear *map = &pass->tower->layer[layer].map[which];
    const orthsr__target *target = target_of(pass, layer * ORTHSR__MAPS + which);
    if (!target) {
        if (grad_x) orthsr__linear_backward(pass->pool, grad_x, grad_y, map->weight, rows, map->in, map->out, accumulate);
        return;
    }
    const orthsr_adapter *adapter = pass->stack.adapter[0];
    const orthsr__merged *merged = merged_of(pass, layer, which);
    bool output = !merged && adapter->side == ORTHSR_SIDE_OUTPUT;
    real *own = grad_rotations + target->rotation_offset, *free_rows = spare(pass, which); /* (blocks, b, b), (rows, out) */
    if (target->scale) {
        real *scaled = output ? pass->grad_rotated : free_rows; /* (rows, out) */
        finish(pass, (columns){scaled, grad_y, target->scale, NULL, NULL, map->out}, rows);
        grad_y = scaled;
    }
    if (merged) {
        const orthsr__product p = {true, false, map->out, map->in, rows, 1, grad_y, map->out, x, map->in, merged->grad, map->in, NULL, merged->grad, map->in};
        orthsr__multiply(pass->pool, &p);
        if (grad_x) orthsr__linear_backward(pass->pool, grad_x, grad_y, merged->weight, rows, map->in, map->out, accumulate);
        return;
    }
    if (output) {
        orthsr__linear_forward(pass->pool, free_rows, x, map->weight, NULL, NULL, rows, map->in, map->out); /* what A was given, formed again */
        orthsr__rotate_adjoint(pass->pool, adapter, target, pass->rotated, own, pass->grad_rotated, grad_y, free_rows, rows);
        if (grad_x) orthsr__linear_backward(pass->pool, grad_x, pass->rotated, map->weight, rows, map->in, map->out, accumulate);
        return;
    }
    orthsr__linear_backward(pass->pool, pass->grad_rotated, grad_y, map->weight, rows, map->in, map->out, false);
    real *straight = accumulate || !grad_x ? pass->rotated : grad_x;
    orthsr__rotate_adjoint(pass->pool, adapter, target, straight, own, pass->grad_rotated, pass->grad_rotated, x, rows);
    if (accumulate && grad_x) finish(pass, (columns){grad_x, straight, NULL, NULL, grad_x, map->in}, rows);
}

/* ---- layers ------------------------------------------------------------------------------------------------------------------- */

static void layer_forward(orthsr__pass *pass, size_t i, real *x2) {
    const orthsr__tower_config *config = &pass->tower->config;
    const orthsr__layer *layer = &pass->tower->layer[i];
    orthsr__kept *kept = kept_of(pass, i);
    size_t d = config->width, rows = orthsr__rows(&pass->sequences), after = rows_after(pass, i);
    bool read = is_read(pass, i);
    const real *asking = pass->normed, *x0 = kept->x0; /* (after, d) */
    real eps = (real)config->eps;
    orthsr__layernorm_forward(pass->pool, pass->normed, kept->mean0, kept->rstd0, kept->x0, layer->norm1.gamma, layer->norm1.beta, rows, d, eps);
    if (read) {
        gather(pass, pass->read, pass->normed);
        gather(pass, pass->pooled, kept->x0);
        asking = pass->read;
        x0 = pass->pooled;
    }
    map_forward(pass, i, ORTHSR__Q, kept->q, asking, NULL, after);
    map_forward(pass, i, ORTHSR__K, kept->k, pass->normed, NULL, rows);
    map_forward(pass, i, ORTHSR__V, kept->v, pass->normed, NULL, rows);
    orthsr__attention_forward(pass->pool, kept->o, kept->q, kept->k, kept->v, &pass->sequences, read ? pass->at : NULL, d, config->heads);
    map_forward(pass, i, ORTHSR__OUT, kept->x1, kept->o, x0, after);
    orthsr__layernorm_forward(pass->pool, pass->normed, kept->mean1, kept->rstd1, kept->x1, layer->norm2.gamma, layer->norm2.beta, after, d, eps);
    map_forward(pass, i, ORTHSR__FC1, kept->hidden, pass->normed, NULL, after);
    orthsr__activation_forward(pass->pool, pass->hidden, kept->hidden, after * config->mlp, config->activation);
    map_forward(pass, i, ORTHSR__FC2, x2, pass->hidden, kept->x1, after);
}

void orthsr__pass_forward(orthsr__pass *pass, size_t first) {
    size_t layers = pass->tower->config.layers, rows = orthsr__rows(&pass->sequences);
    pass->sequences.causal = pass->tower->causal;
    for (size_t i = first; i < layers; i++) {
        if (pass->copy && i == pass->copy_layer) memcpy(pass->copy, kept_of(pass, i)->x0, rows * pass->tower->config.width * sizeof(real));
        layer_forward(pass, i, i + 1 < layers ? kept_of(pass, i + 1)->x0 : pass->out);
    }
}

size_t orthsr__pass_not_finite(const orthsr__pass *pass) {
    size_t layers = pass->tower->config.layers, d = pass->tower->config.width, mlp = pass->tower->config.mlp, all = orthsr__rows(&pass->sequences);
    for (size_t layer = pass->first_kept; layer < layers; layer++) {
        const orthsr__kept *kept = kept_of(pass, layer);
        size_t after = rows_after(pass, layer);
        const struct {
            const real *values;
            size_t rows, columns;
        } of[ORTHSR__MAPS] = {{kept->q, after, d},  {kept->k, all, d},          {kept->v, all, d},
                              {kept->x1, after, d}, {kept->hidden, after, mlp}, {layer + 1 < layers ? kept_of(pass, layer + 1)->x0 : pass->out, after, d}};
        for (size_t which = 0; which < ORTHSR__MAPS; which++)
            if (!orthsr__all_finite(of[which].values, of[which].rows * of[which].columns)) return layer * ORTHSR__MAPS + which;
    }
    return layers * ORTHSR__MAPS;
}

/* Whether anything that is trained lies below the layer's map `which`, so that a gradient must go there. */
static bool goes_on(const orthsr__pass *pass, size_t layer, size_t which) {
    if (pass->to_input || layer > pass->first_adapted) return true;
    if (which <= ORTHSR__V) return false; /* they stand side by side */
    for (size_t i = ORTHSR__Q; i < which; i++)
        if (target_of(pass, layer * ORTHSR__MAPS + i)) return true;
    return false;
}

/* The gradient at the rows that are read becomes that at all rows of the last layer's input, as far as it goes past the layer: the rest is 0. */
static void spread(orthsr__pass *pass) {
    size_t d = pass->tower->config.width;
    memcpy(pass->pooled, pass->grad, pass->sequences.count * d * sizeof(real));
    memset(pass->grad, 0, orthsr__rows(&pass->sequences) * d * sizeof(real));
    scatter_add(pass, pass->grad, pass->pooled);
}

/* pass->grad: from the gradient at x2 to that at x0, in place. */
static void layer_backward(orthsr__pass *pass, size_t i, real *grad_rotations) {
    const orthsr__tower_config *config = &pass->tower->config;
    const orthsr__layer *layer = &pass->tower->layer[i];
    const orthsr__kept *kept = kept_of(pass, i);
    size_t d = config->width, rows = orthsr__rows(&pass->sequences), after = rows_after(pass, i);
    bool read = is_read(pass, i), on = goes_on(pass, i, ORTHSR__Q);

    orthsr__activation_forward(pass->pool, pass->hidden, kept->hidden, after * config->mlp, config->activation);
    map_backward(pass, i, ORTHSR__FC2, goes_on(pass, i, ORTHSR__FC2) ? pass->grad_hidden : NULL, pass->grad, pass->hidden, after, false, grad_rotations);
    if (!goes_on(pass, i, ORTHSR__FC2)) return;
    orthsr__activation_backward(pass->pool, pass->grad_hidden, pass->grad_hidden, kept->hidden, after * config->mlp, config->activation);
    orthsr__layernorm_again(pass->pool, pass->normed, kept->x1, kept->mean1, kept->rstd1, layer->norm2.gamma, layer->norm2.beta, after, d);
    map_backward(pass, i, ORTHSR__FC1, goes_on(pass, i, ORTHSR__FC1) ? pass->grad_normed : NULL, pass->grad_hidden, pass->normed, after, false, grad_rotations);
    if (!goes_on(pass, i, ORTHSR__FC1)) return;
    orthsr__layernorm_backward(pass->pool, pass->grad, pass->grad_normed, kept->x1, kept->mean1, kept->rstd1, layer->norm2.gamma, after, d);

    map_backward(pass, i, ORTHSR__OUT, goes_on(pass, i, ORTHSR__OUT) ? pass->grad_o : NULL, pass->grad, kept->o, after, false, grad_rotations);
    if (!goes_on(pass, i, ORTHSR__OUT)) return;
    orthsr__attention_backward(pass->pool, pass->grad_q, pass->grad_k, pass->grad_v, pass->grad_o, kept->o, kept->q, kept->k, kept->v, &pass->sequences,
                               read ? pass->at : NULL, d, config->heads);
    orthsr__layernorm_again(pass->pool, pass->normed, kept->x0, kept->mean0, kept->rstd0, layer->norm1.gamma, layer->norm1.beta, rows, d);
    map_backward(pass, i, ORTHSR__K, on ? pass->grad_normed : NULL, pass->grad_k, pass->normed, rows, false, grad_rotations);
    map_backward(pass, i, ORTHSR__V, on ? pass->grad_normed : NULL, pass->grad_v, pass->normed, rows, true, grad_rotations);
    if (read) {
        gather(pass, pass->read, pass->normed);
        map_backward(pass, i, ORTHSR__Q, on ? pass->pooled : NULL, pass->grad_q, pass->read, after, false, grad_rotations);
        if (on) scatter_add(pass, pass->grad_normed, pass->pooled);
        if (on) spread(pass);
    } else {
        map_backward(pass, i, ORTHSR__Q, on ? pass->grad_normed : NULL, pass->grad_q, pass->normed, rows, true, grad_rotations);
    }
    if (on) orthsr__layernorm_backward(pass->pool, pass->grad, pass->grad_normed, kept->x0, kept->mean0, kept->rstd0, layer->norm1.gamma, rows, d);
}

void orthsr__pass_backward(orthsr__pass *pass, real *grad_rotations) {
    for (size_t i = pass->tower->config.layers; i-- > pass->first_kept;) layer_backward(pass, i, grad_rotations);
}

/* ---- the towers' common end ------------------------------------------------------------------------------------------------------ */

void orthsr__pool_forward(orthsr__pass *pass, real *features, const orthsr__norm *norm, const orthsr__linear *projection) {
    const orthsr__tower_config *config = &pass->tower->config;
    size_t d = config->width, n = pass->sequences.count;
    const real *last = pass->out; /* (n, d) */
    if (pass->whole) {
        gather(pass, pass->pooled, pass->out);
        last = pass->pooled;
    }
    orthsr__layernorm_forward(pass->pool, pass->pooled_normed, pass->pooled_mean, pass->pooled_rstd, last, norm->gamma, norm->beta, n, d, (real)config->eps);
    orthsr__linear_forward(pass->pool, features, pass->pooled_normed, projection->weight, NULL, NULL, n, d, projection->out);
}

void orthsr__pool_backward(orthsr__pass *pass, const real *grad_features, const orthsr__norm *norm, const orthsr__linear *projection) {
    size_t d = pass->tower->config.width, n = pass->sequences.count;
    orthsr__linear_backward(pass->pool, pass->pooled_normed, grad_features, projection->weight, n, d, projection->out, false);
    memset(pass->grad, 0, n * d * sizeof(real));
    orthsr__layernorm_backward(pass->pool, pass->grad, pass->pooled_normed, pass->out, pass->pooled_mean, pass->pooled_rstd, norm->gamma, n, d);
}
