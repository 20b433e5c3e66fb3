/* linear.c - y = x W^T + bias + residual with a frozen W. */
#include <string.h>

#include "base/linalg.h"
#include "ops/ops.h"

/* What the product is added to: bias and residual, in y. False when there is neither. */
ORTHSR__SIMD static bool start(real *y, const real *bias, const real *residual, size_t rows, size_t out) {
    if (bias && residual)
        for (size_t r = 0; r < rows; r++)
            for (size_t i = 0; i < out; i++) y[r * out + i] = residual[r * out + i] + bias[i];
    else if (bias)
        for (size_t r = 0; r < rows; r++) memcpy(y + r * out, bias, out * sizeof *y);
    else if (residual && residual != y) memcpy(y, residual, rows * out * sizeof *y);
    return bias || residual;
}

void orthsr__linear_forward(real *y, const real *x, const real *w, const real *bias, const real *residual, size_t rows, size_t in, size_t out) {
    bool started = start(y, bias, residual, rows, out);
    orthsr__gemm(false, true, rows, out, in, 1, x, in, w, in, started ? 1 : 0, y, out);
}

void orthsr__linear_backward(real *grad_x, const real *grad_y, const real *w, size_t rows, size_t in, size_t out, bool accumulate) {
    orthsr__gemm(false, false, rows, in, out, 1, grad_y, out, w, in, accumulate ? 1 : 0, grad_x, in);
}
