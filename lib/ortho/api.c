/* api.c - the public float32 face of the kernels. */
#include <limits.h>
#include <stdlib.h>

#include <orthsr/ortho.h>

#include "base/fail.h"
#include "base/memory.h"
#include "ortho/cayley.h"
#include "ortho/retraction.h"
#include "ortho/skew.h"

size_t orthsr_skew_size(size_t b) { return b ? orthsr__skew_size(b) : 0; }

/* Room for `matrices` matrices (b, b); NULL when that is too much. */
static real *square(size_t matrices, size_t b) {
    size_t elements;
    if (!orthsr__mul(&elements, b, b) || !orthsr__mul(&elements, elements, matrices)) return NULL;
    return orthsr__aligned(elements, sizeof(real));
}

orthsr_status orthsr_cayley(float *R, const float *skew, size_t b, orthsr_error *error) {
    ORTHSR__REQUIRE(R && skew, error, "R or skew is NULL");
    ORTHSR__REQUIRE(b > 0 && b <= INT_MAX, error, "b is 0 or above 2^31 - 1");
    real *m = square(1, b);
    if (!m) return orthsr__fail_memory(error, "a Cayley transform");
    orthsr_status status = orthsr__cayley_forward(R, m, skew, b, error);
    free(m);
    return status;
}

orthsr_status orthsr_cayley_adjoint(float *grad_skew, const float *grad_R, const float *skew, size_t b, orthsr_error *error) {
    ORTHSR__REQUIRE(grad_skew && grad_R && skew, error, "grad_skew, grad_R or skew is NULL");
    ORTHSR__REQUIRE(b > 0 && b <= INT_MAX, error, "b is 0 or above 2^31 - 1");
    real *room = square(3, b);
    if (!room) return orthsr__fail_memory(error, "a Cayley transform");
    real *m = room, *work = room + b * b; /* (b, b); (2, b, b), of which the forward pass takes the first for R */
    orthsr_status status = orthsr__cayley_forward(work, m, skew, b, error);
    if (!status) orthsr__cayley_adjoint(grad_skew, grad_R, m, b, work);
    free(room);
    return status;
}

orthsr_status orthsr_retract_qr(float *X, size_t n, size_t p, orthsr_error *error) {
    ORTHSR__REQUIRE(X, error, "X is NULL");
    ORTHSR__REQUIRE(p > 0 && n >= p, error, "X (n, p) needs n >= p > 0");
    ORTHSR__REQUIRE(n <= INT_MAX, error, "n is above 2^31 - 1");
    return orthsr__retract_qr(X, n, p, error);
}

orthsr_status orthsr_orthogonality_defect(double *defect, const float *X, size_t n, size_t p, orthsr_error *error) {
    ORTHSR__REQUIRE(defect && X, error, "defect or X is NULL");
    ORTHSR__REQUIRE(n > 0 && p > 0 && n <= INT_MAX && p <= INT_MAX, error, "an extent of X is 0 or above 2^31 - 1");
    return orthsr__orthogonality_defect(defect, X, n, p, error);
}
