/* cayley.c - R = (I - S)(I + S)^-1 as 2M - I, M = (I + S)^-1: one inversion forward; backward one or two products with R, which has M in it. */
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
    real *turned = work + b * b; /* (b, b) */
    memcpy(turned, grad_r, b * b * sizeof *turned);
    orthsr__gemm(false, true, b, b, b, 1, grad_r, b, r, b, 1, turned, b);
    orthsr__cayley_adjoint_turned(grad_v, turned, r, b, work);
}

void orthsr__cayley_adjoint_turned(real *grad_v, const real *turned, const real *r, size_t b, real *work) {
    real *grad_s = work; /* (b, b): -2 M^T grad_R M^T = -(R + I)^T turned / 2 */
    for (size_t i = 0; i < b * b; i++) grad_s[i] = (real)-0.5 * turned[i];
    orthsr__gemm(true, false, b, b, b, (real)-0.5, r, b, turned, b, 1, grad_s, b);
    orthsr__skew_adjoint(grad_v, grad_s, b);
}
