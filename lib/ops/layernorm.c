/* layernorm.c - layer normalisation over rows; gamma and beta are frozen. */
#include "ops/ops.h"

ORTHSR__SIMD void orthsr__layernorm_forward(real *y, real *mean, real *rstd, const real *x, const real *gamma, const real *beta, size_t rows, size_t d,
                                            real eps) {
    for (size_t r = 0; r < rows; r++) {
        const real *xr = x + r * d;
        real *yr = y + r * d, sum = 0, square = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t i = 0; i < d; i++) sum += xr[i];
        real m = sum / (real)d;
#pragma omp simd reduction(+ : square)
        for (size_t i = 0; i < d; i++) square += (xr[i] - m) * (xr[i] - m);
        real s = 1 / (real)sqrt((double)(square / (real)d + eps));
        for (size_t i = 0; i < d; i++) yr[i] = (xr[i] - m) * s * gamma[i] + beta[i];
        mean[r] = m;
        rstd[r] = s;
    }
}

ORTHSR__SIMD void orthsr__layernorm_again(real *y, const real *x, const real *mean, const real *rstd, const real *gamma, const real *beta, size_t rows,
                                          size_t d) {
    for (size_t r = 0; r < rows; r++) {
        const real *xr = x + r * d;
        real *yr = y + r * d, m = mean[r], s = rstd[r];
        for (size_t i = 0; i < d; i++) yr[i] = (xr[i] - m) * s * gamma[i] + beta[i];
    }
}

/* With h = (x - mean) rstd and g = grad_y gamma: grad_x = rstd (g - mean(g) - h mean(g h)). */
ORTHSR__SIMD void orthsr__layernorm_backward(real *grad_x, const real *grad_y, const real *x, const real *mean, const real *rstd, const real *gamma,
                                             size_t rows, size_t d) {
    for (size_t r = 0; r < rows; r++) {
        const real *xr = x + r * d, *gr = grad_y + r * d;
        real *out = grad_x + r * d, m = mean[r], s = rstd[r], sum = 0, dot = 0;
#pragma omp simd reduction(+ : sum, dot)
        for (size_t i = 0; i < d; i++) {
            real g = gr[i] * gamma[i];
            sum += g;
            dot += g * (xr[i] - m) * s;
        }
        sum /= (real)d;
        dot /= (real)d;
        for (size_t i = 0; i < d; i++) out[i] += s * (gr[i] * gamma[i] - sum - (xr[i] - m) * s * dot);
    }
}
