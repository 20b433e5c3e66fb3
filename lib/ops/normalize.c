/* normalize.c - rows to unit Euclidean length. */
#include "ops/ops.h"

void orthsr__normalize_forward(real *y, real *norm, const real *x, size_t rows, size_t d) {
    for (size_t r = 0; r < rows; r++) {
        double square = 0;
        for (size_t i = 0; i < d; i++) square += (double)x[r * d + i] * (double)x[r * d + i];
        norm[r] = (real)sqrt(square);
        real scale = norm[r] > 0 ? 1 / norm[r] : 0;
        for (size_t i = 0; i < d; i++) y[r * d + i] = x[r * d + i] * scale;
    }
}

void orthsr__normalize_backward(real *grad_x, const real *grad_y, const real *y, const real *norm, size_t rows, size_t d) {
    for (size_t r = 0; r < rows; r++) {
        double dot = 0;
        for (size_t i = 0; i < d; i++) dot += (double)grad_y[r * d + i] * (double)y[r * d + i];
        real scale = norm[r] > 0 ? 1 / norm[r] : 0;
        for (size_t i = 0; i < d; i++) grad_x[r * d + i] = (grad_y[r * d + i] - (real)dot * y[r * d + i]) * scale;
    }
}
