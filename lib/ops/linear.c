/* linear.c - y = x W^T + bias + residual with a frozen W. */
#include "base/gemm.h"
#include "ops/ops.h"

void orthsr__linear_forward(orthsr__pool *pool, real *y, const real *x, const real *w, const real *bias, const real *residual, size_t rows, size_t in,
                            size_t out) {
    const orthsr__product p = {false, true, rows, out, in, 1, x, in, w, in, residual, out, bias, y, out};
    orthsr__multiply(pool, &p);
}

void orthsr__linear_backward(orthsr__pool *pool, real *grad_x, const real *grad_y, const real *w, size_t rows, size_t in, size_t out, bool accumulate) {
    const orthsr__product p = {false, false, rows, in, out, 1, grad_y, out, w, in, accumulate ? grad_x : NULL, in, NULL, grad_x, in};
    orthsr__multiply(pool, &p);
}
