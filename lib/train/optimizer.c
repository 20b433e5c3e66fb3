/* optimizer.c - SGD with momentum and AdamW as torch.optim computes them on one tensor; the life of every optimizer.
 *
 * A step is formed beside the state it comes from and taken over whole, or not at all when a value in it is not finite.
 */
#include "train/optimizer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>

#include "base/fail.h"
#include "base/memory.h"

static orthsr_status make(orthsr_optimizer **out, orthsr_optimizer settings, orthsr_error *error) {
    orthsr_optimizer *optimizer = orthsr__calloc(1, sizeof *optimizer);
    size_t room;
    if (!optimizer || !orthsr__mul(&room, settings.slots, settings.size)) {
        free(optimizer);
        return orthsr__fail_memory(error, "an optimizer");
    }
    *optimizer = settings;
    optimizer->state = orthsr__calloc(room, sizeof *optimizer->state);
    optimizer->next = orthsr__aligned(room, sizeof *optimizer->next);
    optimizer->moved = orthsr__aligned(settings.size, sizeof *optimizer->moved);
    if (!optimizer->state || !optimizer->next || !optimizer->moved) {
        orthsr_optimizer_free(optimizer);
        return orthsr__fail_memory(error, "an optimizer's state");
    }
    *out = optimizer;
    return ORTHSR_OK;
}

orthsr_status orthsr_optimizer_sgd(orthsr_optimizer **out, size_t size, float momentum, float weight_decay, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(size > 0, error, "size is 0");
    ORTHSR__REQUIRE(momentum >= 0 && momentum < 1, error, "momentum is outside [0, 1)");
    ORTHSR__REQUIRE(orthsr__at_least_zero(weight_decay), error, "weight_decay is negative or not finite");
    return make(
        out,
        (orthsr_optimizer){.rule = ORTHSR__RULE_SGD, .momentum = (double)momentum, .weight_decay = (double)weight_decay, .size = size, .slots = momentum != 0},
        error);
}

orthsr_status orthsr_optimizer_adamw(orthsr_optimizer **out, size_t size, float beta1, float beta2, float eps, float weight_decay, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(size > 0, error, "size is 0");
    ORTHSR__REQUIRE(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1, error, "a beta is outside [0, 1)");
    ORTHSR__REQUIRE(eps > 0 && isfinite(eps), error, "eps is not above 0");
    ORTHSR__REQUIRE(orthsr__at_least_zero(weight_decay), error, "weight_decay is negative or not finite");
    orthsr_optimizer settings = {.rule = ORTHSR__RULE_ADAMW,
                                 .beta1 = (double)beta1,
                                 .beta2 = (double)beta2,
                                 .eps = (double)eps,
                                 .weight_decay = (double)weight_decay,
                                 .size = size,
                                 .slots = 2};
    return make(out, settings, error);
}

/* What both optimizers on the manifold have beside `settings`. */
static orthsr_status make_manifold(orthsr_optimizer **out, orthsr_optimizer settings, const orthsr_stiefel *blocks, size_t count, orthsr_error *error) {
    ORTHSR__REQUIRE(blocks && count > 0, error, "blocks is NULL or count is 0");
    ORTHSR__REQUIRE((unsigned)settings.retraction <= ORTHSR_RETRACTION_POLAR && (unsigned)settings.geometry <= ORTHSR_GEOMETRY_CANONICAL, error,
                    "unknown retraction or geometry");
    size_t widest = 0;
    for (size_t k = 0; k < count; k++) {
        size_t one, room;
        ORTHSR__REQUIRE(blocks[k].p > 0 && blocks[k].n >= blocks[k].p && blocks[k].n <= INT_MAX, error, "a matrix (n, p) needs 2^31 > n >= p > 0");
        if (!orthsr__mul(&one, blocks[k].n, blocks[k].p) || !orthsr__mul(&room, one, 4) || !orthsr__add(&settings.size, settings.size, one))
            return orthsr__fail_memory(error, "an optimizer");
        if (room > widest) widest = room;
    }
    orthsr_optimizer *optimizer;
    ORTHSR__TRY(make(&optimizer, settings, error));
    optimizer->blocks = orthsr__calloc(count, sizeof *optimizer->blocks);
    optimizer->second = orthsr__calloc(count, sizeof *optimizer->second);
    optimizer->next_second = orthsr__calloc(count, sizeof *optimizer->next_second);
    optimizer->work = orthsr__aligned(widest, sizeof *optimizer->work);
    if (!optimizer->blocks || !optimizer->second || !optimizer->next_second || !optimizer->work) {
        orthsr_optimizer_free(optimizer);
        return orthsr__fail_memory(error, "an optimizer's state");
    }
    memcpy(optimizer->blocks, blocks, count * sizeof *blocks);
    optimizer->block_count = count;
    *out = optimizer;
    return ORTHSR_OK;
}

orthsr_status orthsr_optimizer_rsgd(orthsr_optimizer **out, const orthsr_stiefel *blocks, size_t count, float momentum, orthsr_retraction retraction,
                                    orthsr_geometry geometry, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(momentum >= 0 && momentum < 1, error, "momentum is outside [0, 1)");
    orthsr_optimizer settings = {
        .rule = ORTHSR__RULE_RSGD, .momentum = (double)momentum, .slots = momentum != 0, .retraction = retraction, .geometry = geometry};
    return make_manifold(out, settings, blocks, count, error);
}

orthsr_status orthsr_optimizer_radam(orthsr_optimizer **out, const orthsr_stiefel *blocks, size_t count, float beta1, float beta2, float eps,
                                     orthsr_retraction retraction, orthsr_geometry geometry, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1, error, "a beta is outside [0, 1)");
    ORTHSR__REQUIRE(eps > 0 && isfinite(eps), error, "eps is not above 0");
    orthsr_optimizer settings = {.rule = ORTHSR__RULE_RADAM,
                                 .beta1 = (double)beta1,
                                 .beta2 = (double)beta2,
                                 .eps = (double)eps,
                                 .slots = 1,
                                 .retraction = retraction,
                                 .geometry = geometry};
    return make_manifold(out, settings, blocks, count, error);
}

void orthsr_optimizer_free(orthsr_optimizer *optimizer) {
    if (!optimizer) return;
    free(optimizer->state);
    free(optimizer->next);
    free(optimizer->moved);
    free(optimizer->blocks);
    free(optimizer->second);
    free(optimizer->next_second);
    free(optimizer->work);
    free(optimizer);
}

size_t orthsr_optimizer_steps(const orthsr_optimizer *optimizer) { return optimizer ? optimizer->steps : 0; }

/* moved = p - lr (g + decay p). */
ORTHSR__SIMD static void sgd(real *restrict moved, const real *restrict p, const real *restrict g, size_t n, real lr, real decay) {
    for (size_t i = 0; i < n; i++) moved[i] = p[i] - lr * (g[i] + decay * p[i]);
}

/* next = momentum buffer + (g + decay p); moved = p - lr next. The first step's buffer is 0: next is then the gradient exactly. */
ORTHSR__SIMD static void sgd_momentum(real *restrict moved, real *restrict next, const real *restrict p, const real *restrict g, const real *restrict buffer,
                                      size_t n, real lr, real decay, real momentum) {
    for (size_t i = 0; i < n; i++) {
        next[i] = momentum * buffer[i] + (g[i] + decay * p[i]);
        moved[i] = p[i] - lr * next[i];
    }
}

typedef struct adamw_scalars {
    real keep;             /* 1 - lr weight_decay: what decay leaves of p */
    real weight1;          /* 1 - beta1 */
    real beta2, weight2;   /* weight2: 1 - beta2 */
    real correction2, eps; /* correction2: sqrt(1 - beta2^t) */
    real step;             /* lr / (1 - beta1^t) */
} adamw_scalars;

/* m and v: the moments before, next_m and next_v after. torch.lerp goes from the nearer end, hence the two forms of next_m. */
ORTHSR__SIMD static void adamw(real *restrict moved, real *restrict next_m, real *restrict next_v, const real *restrict p, const real *restrict g,
                               const real *restrict m, const real *restrict v, size_t n, adamw_scalars s) {
    bool near = s.weight1 < (real)0.5;
    real rest = 1 - s.weight1;
    for (size_t i = 0; i < n; i++) {
        next_m[i] = near ? m[i] + s.weight1 * (g[i] - m[i]) : g[i] - (g[i] - m[i]) * rest;
        next_v[i] = s.beta2 * v[i] + s.weight2 * g[i] * g[i];
        moved[i] = s.keep * p[i] - s.step * next_m[i] / (sqrt(next_v[i]) / s.correction2 + s.eps);
    }
}

/* State and parameters after one more step, into next and moved. */
static void propose(const orthsr_optimizer *o, const real *p, const real *g, double lr) {
    size_t n = o->size;
    if (o->rule == ORTHSR__RULE_ADAMW) {
        double t = (double)(o->steps + 1);
        adamw_scalars s = {.keep = (real)(1 - lr * o->weight_decay),
                           .weight1 = (real)(1 - o->beta1),
                           .beta2 = (real)o->beta2,
                           .weight2 = (real)(1 - o->beta2),
                           .correction2 = (real)sqrt(1 - pow(o->beta2, t)),
                           .eps = (real)o->eps,
                           .step = (real)(lr / (1 - pow(o->beta1, t)))};
        adamw(o->moved, o->next, o->next + n, p, g, o->state, o->state + n, n, s);
    } else if (o->slots) {
        sgd_momentum(o->moved, o->next, p, g, o->state, n, (real)lr, (real)o->weight_decay, (real)o->momentum);
    } else {
        sgd(o->moved, p, g, n, (real)lr, (real)o->weight_decay);
    }
}

/* The state before a step stays where the next will be formed. */
static void swap(orthsr_optimizer *optimizer) {
    real *state = optimizer->state;
    double *second = optimizer->second;
    optimizer->state = optimizer->next;
    optimizer->second = optimizer->next_second;
    optimizer->next = state;
    optimizer->next_second = second;
}

void orthsr__optimizer_undo(orthsr_optimizer *optimizer) {
    swap(optimizer);
    optimizer->steps--;
}

void orthsr__optimizer_adopt(orthsr_optimizer *optimizer, size_t steps) {
    swap(optimizer);
    optimizer->steps = steps;
}

orthsr_status orthsr__optimizer_step(orthsr_optimizer *optimizer, real *parameters, const real *gradient, size_t size, double lr, orthsr_error *error) {
    if (size != optimizer->size) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "the optimizer is for %zu parameters, not %zu", optimizer->size, size);
    if (!(lr >= 0 && isfinite(lr))) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "a learning rate of %g is negative or not finite", lr);
    if (!orthsr__all_finite(gradient, size))
        return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "optimizer step %zu: the gradient is not finite", optimizer->steps + 1);
    if (optimizer->block_count > 0) ORTHSR__TRY(orthsr__manifold_propose(optimizer, parameters, gradient, lr, error));
    else propose(optimizer, parameters, gradient, lr);
    if (!orthsr__all_finite(optimizer->moved, size) || !orthsr__all_finite(optimizer->next, optimizer->slots * size))
        return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "optimizer step %zu leads to values that are not finite; a smaller learning rate may help",
                            optimizer->steps + 1);
    memcpy(parameters, optimizer->moved, size * sizeof *parameters);
    swap(optimizer);
    optimizer->steps++;
    return ORTHSR_OK;
}
