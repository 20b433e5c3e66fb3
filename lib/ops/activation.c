/* activation.c - QuickGELU x sigmoid(1.702 x) (OpenAI's CLIP), GELU x Phi(x), and GELU's tanh form. */
#include "ops/ops.h"
#include "ops/scalar.h"

#define INV_SQRT2 ((real)0.70710678118654752440)
#define INV_SQRT_2PI ((real)0.39894228040143267794)
#define SQRT_2_OVER_PI ((real)0.79788456080286535588)
#define QUICK ((real)1.702)
#define CUBIC ((real)0.044715)

ORTHSR__INLINE real tanh_of(real u) { return 1 - 2 / (1 + orthsr__exp(2 * u)); }

ORTHSR__SIMD static void quick_gelu_forward(real *y, const real *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = x[i] * orthsr__sigmoid(QUICK * x[i]);
}

ORTHSR__SIMD static void quick_gelu_backward(real *grad_x, const real *grad_y, const real *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        real s = orthsr__sigmoid(QUICK * x[i]);
        grad_x[i] = grad_y[i] * s * (1 + QUICK * x[i] * (1 - s));
    }
}

ORTHSR__SIMD static void gelu_forward(real *y, const real *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = (real)0.5 * x[i] * (1 + orthsr__erf(x[i] * INV_SQRT2));
}

ORTHSR__SIMD static void gelu_backward(real *grad_x, const real *grad_y, const real *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        real phi = (real)0.5 * (1 + orthsr__erf(x[i] * INV_SQRT2)), density = INV_SQRT_2PI * orthsr__exp((real)-0.5 * x[i] * x[i]);
        grad_x[i] = grad_y[i] * (phi + x[i] * density);
    }
}

ORTHSR__SIMD static void gelu_tanh_forward(real *y, const real *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = (real)0.5 * x[i] * (1 + tanh_of(SQRT_2_OVER_PI * (x[i] + CUBIC * x[i] * x[i] * x[i])));
}

ORTHSR__SIMD static void gelu_tanh_backward(real *grad_x, const real *grad_y, const real *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        real t = tanh_of(SQRT_2_OVER_PI * (x[i] + CUBIC * x[i] * x[i] * x[i])), slope = SQRT_2_OVER_PI * (1 + 3 * CUBIC * x[i] * x[i]);
        grad_x[i] = grad_y[i] * (real)0.5 * (1 + t + x[i] * (1 - t * t) * slope);
    }
}

/* ---- by the threads of a pool ------------------------------------------------------------------------------------------------------------ */

typedef struct call {
    real *y; /* of the backward pass, grad_x */
    const real *grad_y, *x;
    orthsr__activation kind;
} call;

enum { LEAST = ORTHSR__WORTH_SHARING / 16 }; /* values for a task: some operations each */

static void forward(void *context, size_t first, size_t n) {
    const call *c = context;
    switch (c->kind) {
    case ORTHSR__QUICK_GELU: quick_gelu_forward(c->y + first, c->x + first, n); break;
    case ORTHSR__GELU: gelu_forward(c->y + first, c->x + first, n); break;
    case ORTHSR__GELU_TANH: gelu_tanh_forward(c->y + first, c->x + first, n); break;
    }
}

static void backward(void *context, size_t first, size_t n) {
    const call *c = context;
    switch (c->kind) {
    case ORTHSR__QUICK_GELU: quick_gelu_backward(c->y + first, c->grad_y + first, c->x + first, n); break;
    case ORTHSR__GELU: gelu_backward(c->y + first, c->grad_y + first, c->x + first, n); break;
    case ORTHSR__GELU_TANH: gelu_tanh_backward(c->y + first, c->grad_y + first, c->x + first, n); break;
    }
}

void orthsr__activation_forward(orthsr__pool *pool, real *y, const real *x, size_t n, orthsr__activation kind) {
    call c = {y, NULL, x, kind};
    orthsr__pool_split(pool, n, LEAST, forward, &c);
}

void orthsr__activation_backward(orthsr__pool *pool, real *grad_x, const real *grad_y, const real *x, size_t n, orthsr__activation kind) {
    call c = {grad_x, grad_y, x, kind};
    orthsr__pool_split(pool, n, LEAST, backward, &c);
}
