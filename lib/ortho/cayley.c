/* cayley.c - R = (I - S)(I + S)^-1 as 2M - I, M = (I + S)^-1: one inversion forward, two products backward. */
#include "ortho/cayley.h"

#include "base/fail.h"
#include "base/linalg.h"
#include "ortho/inverse.h"
#include "ortho/skew.h"

orthsr_status orthsr__cayley_forward(real *r, real *m, const real *v, size_t b, orthsr_error *error) {
    if (!orthsr__all_finite(v, orthsr__skew_size(b))) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "a skew parameter is not finite");
    orthsr__skew_forward(m, v, b);
    int info = orthsr__skew_is_zero(v, b) ? 0 : orthsr__invert_one_plus(m, b, r); /* m: M - I */
    /* I + S is never singular, but parameters near the largest float overflow in the elimination, and LAPACKE declines to go on then. */
    if (info > 0 || !orthsr__all_finite(m, b * b))
        return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "skew parameters too large: I + S cannot be inverted in floating point");
    if (info < 0) return orthsr__fail_memory(error, "the inverse of I + S");
    for (size_t i = 0; i < b * b; i++) r[i] = 2 * m[i];
    for (size_t i = 0; i < b; i++) {
        r[i * b + i] += 1;
        m[i * b + i] += 1;
    }
    return ORTHSR_OK;
}

void orthsr__cayley_adjoint(real *grad_v, const real *grad_r, const real *m, size_t b, real *work) {
    real *product = work, *grad_s = work + b * b; /* (b, b) each */
    orthsr__gemm(true, false, b, b, b, 1, m, b, grad_r, b, 0, product, b);
    orthsr__gemm(false, true, b, b, b, -2, product, b, m, b, 0, grad_s, b);
    orthsr__skew_adjoint(grad_v, grad_s, b);
}
