/* cayley.c - R = (I - S)(I + S)^-1 as 2M - I, M = (I + S)^-1: one inversion forward; backward two products with R, which has M in it. */
#include "ortho/cayley.h"

#include <string.h>

#include "base/fail.h"
#include "base/gemm.h"
#include "ortho/inverse.h"
#include "ortho/skew.h"

orthsr_status orthsr__cayley_forward(real *r, const real *v, size_t b, real *work, orthsr_error *error) {
    if (!orthsr__all_finite(v, orthsr__skew_size(b))) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "a skew parameter is not finite");
    orthsr__skew_forward(r, v, b);
    int info = orthsr__skew_is_zero(v, b) ? 0 : orthsr__invert_one_plus(r, b, work); /* r: M - I */
    /* I + S is never singular, but parameters near the largest float overflow in the elimination, and LAPACKE declines to go on then. */
    if (info > 0 || !orthsr__all_finite(r, b * b))
        return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "skew parameters too large: I + S cannot be inverted in floating point");
    if (info < 0) return orthsr__fail_memory(error, "the inverse of I + S");
    for (size_t i = 0; i < b * b; i++) r[i] *= 2;
    for (size_t i = 0; i < b; i++) r[i * b + i] += 1;
    return ORTHSR_OK;
}

void orthsr__cayley_adjoint(real *grad_v, const real *grad_r, const real *r, size_t b, real *work) {
    real *product = work, *grad_s = work + b * b; /* (b, b) each: (R + I)^T grad_R; half of it times (R + I)^T, negative */
    memcpy(product, grad_r, b * b * sizeof *product);
    orthsr__gemm(true, false, b, b, b, 1, r, b, grad_r, b, 1, product, b);
    for (size_t i = 0; i < b * b; i++) grad_s[i] = (real)-0.5 * product[i];
    orthsr__gemm(false, true, b, b, b, (real)-0.5, product, b, r, b, 1, grad_s, b);
    orthsr__skew_adjoint(grad_v, grad_s, b);
}

enum { STRIP = 128 };

void orthsr__cayley_adjoint_turned(real *grad_v, const real *turned, const real *r, size_t b, real *work) {
    real *k = work, *product = work + b * b; /* (b, b) each: turned - turned^T; K (R + I) */
    for (size_t i = 0; i < b; i++)
        for (size_t j = 0; j < b; j++) k[i * b + j] = turned[i * b + j] - turned[j * b + i];
    memcpy(product, k, b * b * sizeof *product);
    orthsr__gemm(false, false, b, b, b, 1, k, b, r, b, 1, product, b);
    real *strip = k; /* (rows, columns): of (R + I)^T K (R + I) = 4 M^T K M, what is right of the diagonal */
    for (size_t i = 0; i < b; i += STRIP) {
        size_t rows = b - i < STRIP ? b - i : STRIP, columns = b - i;
        for (size_t x = 0; x < rows; x++) memcpy(strip + x * columns, product + (i + x) * b + i, columns * sizeof *strip);
        orthsr__gemm(true, false, rows, columns, b, 1, r + i, b, product + i, b, 1, strip, columns);
        for (size_t x = 0; x < rows; x++)
            for (size_t y = x + 1; y < columns; y++) grad_v[orthsr__skew_at(b, i + x, i + y)] -= (real)0.5 * strip[x * columns + y];
    }
}
