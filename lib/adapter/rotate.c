/* rotate.c - y = x A and its adjoint, one product per block: a block's columns of x are a matrix of leading dimension width. Where one block stands at every
 * place, the gradients of all places are added in that one. Many small blocks are shared out whole among the threads, few large ones in parts. */
#include "adapter/adapter.h"
#include "base/gemm.h"

typedef struct rotation {
    const orthsr__target *target;
    const real *a;                /* (distinct, b, b) */
    real *y, *grad_x, *gradients; /* (rows, width) twice, (distinct, b, b) */
    const real *x, *grad_y;       /* (rows, width) */
    const real *with;             /* (rows, width): what x is multiplied with for the gradients */
    size_t rows;
    orthsr__pool *pool; /* for the products of a block; NULL: by the worker that has the block */
} rotation;

static void run(orthsr__pool *pool, rotation *r, bool apart, void (*block)(void *context, size_t k)) {
    size_t blocks = r->target->blocks;
    if (apart && blocks >= 4 * orthsr__pool_threads(pool)) {
        orthsr__pool_run(pool, blocks, block, r);
        return;
    }
    r->pool = pool;
    for (size_t k = 0; k < blocks; k++) block(r, k);
}

static void forward(void *context, size_t k) {
    const rotation *r = context;
    size_t b = r->target->block, width = r->target->width, own = k % r->target->distinct * b * b;
    const orthsr__product p = {false, false, r->rows, b, b, 1, r->x + k * b, width, r->a + own, b, NULL, 0, NULL, r->y + k * b, width};
    orthsr__multiply(r->pool, &p);
}

static void adjoint(void *context, size_t k) {
    const rotation *r = context;
    size_t b = r->target->block, width = r->target->width, own = k % r->target->distinct * b * b;
    const orthsr__product p = {false, true, r->rows, b, b, 1, r->grad_y + k * b, width, r->a + own, b, NULL, 0, NULL, r->grad_x + k * b, width};
    orthsr__multiply(r->pool, &p);
}

static void gradient(void *context, size_t k) {
    const rotation *r = context;
    size_t b = r->target->block, width = r->target->width;
    real *to = r->gradients + k % r->target->distinct * b * b;
    const orthsr__product p = {true, false, b, b, r->rows, 1, r->x + k * b, width, r->with + k * b, width, to, b, NULL, to, b};
    orthsr__multiply(r->pool, &p);
}

typedef struct sum {
    real *y;
    const real *a, *b;
} sum;

ORTHSR__SIMD static void add(void *context, size_t first, size_t count) {
    const sum *s = context;
    for (size_t i = first; i < first + count; i++) s->y[i] = s->a[i] + s->b[i];
}

void orthsr__sum(orthsr__pool *pool, real *y, const real *a, const real *b, size_t n) {
    sum s = {y, a, b};
    orthsr__pool_split(pool, n, ORTHSR__WORTH_SHARING / 16, add, &s);
}

void orthsr__rotate(orthsr__pool *pool, const orthsr_adapter *adapter, const orthsr__target *target, real *y, const real *x, size_t rows) {
    rotation r = {.target = target, .a = adapter->factors.rotations + target->rotation_offset, .y = y, .x = x, .rows = rows};
    run(pool, &r, true, forward);
}

void orthsr__rotate_adjoint(orthsr__pool *pool, const orthsr_adapter *adapter, const orthsr__target *target, real *grad_x, real *grad_rotations, real *room,
                            const real *grad_y, const real *x, size_t rows) {
    rotation r = {.target = target,
                  .a = adapter->factors.rotations + target->rotation_offset,
                  .grad_x = grad_x,
                  .gradients = grad_rotations,
                  .grad_y = grad_y,
                  .x = x,
                  .with = grad_y,
                  .rows = rows};
    run(pool, &r, true, adjoint);
    if (!grad_rotations) return;
    if (adapter->by->turned) { /* x^T grad_y (I + A^T) */
        orthsr__sum(pool, room, grad_y, grad_x, rows * target->width);
        r.with = room;
    }
    run(pool, &r, orthsr__places(target) == 1, gradient);
}
