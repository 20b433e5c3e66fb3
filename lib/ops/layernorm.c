/* layernorm.c - layer normalisation over rows; gamma and beta are frozen. */
#include "ops/ops.h"

ORTHSR__SIMD static void forward(real *y, real *mean, real *rstd, const real *x, const real *gamma, const real *beta, size_t rows, size_t d, real eps) {
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

ORTHSR__SIMD static void again(real *y, const real *x, const real *mean, const real *rstd, const real *gamma, const real *beta, size_t rows, size_t d) {
    for (size_t r = 0; r < rows; r++) {
        const real *xr = x + r * d;
        real *yr = y + r * d, m = mean[r], s = rstd[r];
        for (size_t i = 0; i < d; i++) yr[i] = (xr[i] - m) * s * gamma[i] + beta[i];
    }
}

/* With h = (x - mean) rstd and g = grad_y gamma: grad_x = rstd (g - mean(g) - h mean(g h)). */
ORTHSR__SIMD static void backward(real *grad_x, const real *grad_y, const real *x, const real *mean, const real *rstd, const real *gamma, size_t rows,
                                  size_t d) {
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

/* ---- by the threads of a pool ------------------------------------------------------------------------------------------------------------ */

typedef struct call {
    real *y, *new_mean, *new_rstd; /* what is written; y is grad_x in the backward pass */
    const real *grad_y, *x, *mean, *rstd, *gamma, *beta;
    size_t d;
    real eps;
} call;

static size_t least_rows(size_t d) { return ORTHSR__WORTH_SHARING / 16 / d + 1; }

static void forward_rows(void *context, size_t first, size_t rows) {
    const call *c = context;
    forward(c->y + first * c->d, c->new_mean + first, c->new_rstd + first, c->x + first * c->d, c->gamma, c->beta, rows, c->d, c->eps);
}

static void again_rows(void *context, size_t first, size_t rows) {
    const call *c = context;
    again(c->y + first * c->d, c->x + first * c->d, c->mean + first, c->rstd + first, c->gamma, c->beta, rows, c->d);
}

static void backward_rows(void *context, size_t first, size_t rows) {
    const call *c = context;
    backward(c->y + first * c->d, c->grad_y + first * c->d, c->x + first * c->d, c->mean + first, c->rstd + first, c->gamma, rows, c->d);
}

void orthsr__layernorm_forward(orthsr__pool *pool, real *y, real *mean, real *rstd, const real *x, const real *gamma, const real *beta, size_t rows, size_t d,
                               real eps) {
    call c = {.y = y, .new_mean = mean, .new_rstd = rstd, .x = x, .gamma = gamma, .beta = beta, .d = d, .eps = eps};
    orthsr__pool_split(pool, rows, least_rows(d), forward_rows, &c);
}

void orthsr__layernorm_again(orthsr__pool *pool, real *y, const real *x, const real *mean, const real *rstd, const real *gamma, const real *beta, size_t rows,
                             size_t d) {
    call c = {.y = y, .x = x, .mean = mean, .rstd = rstd, .gamma = gamma, .beta = beta, .d = d};
    orthsr__pool_split(pool, rows, least_rows(d), again_rows, &c);
}

void orthsr__layernorm_backward(orthsr__pool *pool, real *grad_x, const real *grad_y, const real *x, const real *mean, const real *rstd, const real *gamma,
                                size_t rows, size_t d) {
    call c = {.y = grad_x, .grad_y = grad_y, .x = x, .mean = mean, .rstd = rstd, .gamma = gamma, .d = d};
    orthsr__pool_split(pool, rows, least_rows(d), backward_rows, &c);
}
