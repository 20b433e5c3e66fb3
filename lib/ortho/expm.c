/* expm.c - the matrix exponential of a skew matrix in working precision, and the adjoint by the derivative of every operation of it.
 *
 * The adjoint of exp at S is its Frechet derivative at S^T, the upper right block of exp [[S^T, G], [0, S^T]]. Only that block is formed: beside every matrix
 * of the computation goes its derivative (Al-Mohy and Higham 2009).
 */
#include "ortho/expm.h"

#include <stdlib.h>

#include "base/fail.h"
#include "base/linalg.h"
#include "base/memory.h"
#include "ortho/retraction.h"
#include "ortho/skew.h"

#define SCALAR real
#define GEMM orthsr__gemm
#define INVERT orthsr__invert
#ifdef ORTHSR_DOUBLE
#define THETA 0.95
#else
#define THETA 3.9
#endif
#include "ortho/expm_kernel.h"

orthsr_status orthsr__expm_forward(real *a, real *d, const real *v, size_t b, orthsr_error *error) {
    if (!orthsr__all_finite(v, orthsr__skew_size(b))) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "a skew parameter is not finite");
    if (orthsr__skew_is_zero(v, b)) {
        for (size_t i = 0; i < b * b; i++) {
            a[i] = i % (b + 1) == 0;
            d[i] = a[i] / (real)PADE[0];
        }
        return ORTHSR_OK;
    }
    size_t room;
    if (!orthsr__mul(&room, b, b) || !orthsr__mul(&room, room, EXPM_ROOM + 1)) return orthsr__fail_memory(error, "a matrix exponential");
    real *s = orthsr__aligned(room, sizeof *s); /* (1 + EXPM_ROOM, b, b) */
    if (!s) return orthsr__fail_memory(error, "a matrix exponential");
    orthsr__skew_forward(s, v, b);
    int info = exponential(a, d, s, b, s + b * b);
    /* The inverse leaves a defect of some dozens of roundings and every squaring doubles it: a Newton-Schulz step takes it back. */
    if (info == 0 && orthsr__residual(s, a, b, b) < 0) info = -1;
    if (info == 0) {
        real *before = s + b * b;
        memcpy(before, a, b * b * sizeof *a);
        orthsr__newton_schulz(a, before, s, b, b);
    }
    free(s);
    if (info < 0) return orthsr__fail_memory(error, "a matrix exponential");
    if (info > 0 || !orthsr__all_finite(a, b * b)) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "skew parameters too large for a matrix exponential");
    return ORTHSR_OK;
}

size_t orthsr__expm_work(size_t b) { return EXPM_DERIVATIVE_ROOM * b * b; }

/* c = x y + y' x' for a product's derivative: d(XY) = dX Y + X dY. */
static void product_rule(real *c, const real *dx, const real *y, const real *x, const real *dy, size_t b) {
    multiply(c, dx, y, b, 0);
    multiply(c, x, dy, b, 1);
}

void orthsr__expm_adjoint(real *grad_v, const real *grad_a, const real *v, const real *d, size_t b, real *work) {
    size_t n = b * b;
    real *a = work, *e = a + n, *inner = e + n, *odd = inner + n, *even = odd + n, *d_odd = even + n, *d_even = d_odd + n;
    real *const powers[3] = {d_even + n, d_even + 2 * n, d_even + 3 * n}, *const derived[3] = {d_even + 4 * n, d_even + 5 * n, d_even + 6 * n};
    orthsr__skew_forward(a, v, b);
    int s = halvings(a, b);
    for (size_t i = 0; i < n; i++) {
        a[i] = -(real)ldexp((double)a[i], -s); /* S^T / 2^s */
        e[i] = (real)ldexp((double)grad_a[i], -s);
    }
    multiply(powers[0], a, a, b, 0);
    product_rule(derived[0], e, a, a, e, b);
    multiply(powers[1], powers[0], powers[0], b, 0);
    product_rule(derived[1], derived[0], powers[0], powers[0], derived[0], b);
    multiply(powers[2], powers[1], powers[0], b, 0);
    product_rule(derived[2], derived[1], powers[0], powers[1], derived[0], b);
    combine(inner, powers, 1, b, true);
    multiply(odd, a, inner, b, 0);
    multiply(d_odd, e, inner, b, 0);
    combine(inner, derived, 1, b, false);
    multiply(d_odd, a, inner, b, 1);
    combine(even, powers, 0, b, true);
    combine(d_even, derived, 0, b, false);
    /* The denominator at S^T is the transpose of that at S: D^T inverts it. R = D^T (V + U), L = D^T (LU + LV + (LU - LV) R). */
    real *r = powers[0], *l = derived[0], *next = inner;
    for (size_t i = 0; i < n; i++) even[i] += odd[i];
    orthsr__gemm(true, false, b, b, b, 1, d, b, even, b, 0, r, b);
    for (size_t i = 0; i < n; i++) {
        even[i] = d_odd[i] + d_even[i];
        odd[i] = d_odd[i] - d_even[i];
    }
    multiply(even, odd, r, b, 1);
    orthsr__gemm(true, false, b, b, b, 1, d, b, even, b, 0, l, b);
    for (; s > 0; s--) {
        product_rule(next, l, r, r, l, b);
        real *former = l;
        l = next;
        next = former;
        memcpy(even, r, n * sizeof *r);
        multiply(r, even, even, b, 0);
    }
    orthsr__skew_adjoint(grad_v, l, b);
}
