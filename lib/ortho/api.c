/* api.c - the public float32 face of the kernels. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <orthsr/ortho.h>

#include "base/fail.h"
#include "base/memory.h"
#include "ortho/cayley.h"
#include "ortho/energy.h"
#include "ortho/qr.h"
#include "ortho/retraction.h"
#include "ortho/skew.h"
#include "ortho/tall.h"
#include "ortho/tangent.h"

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
    real *r = square(2, b); /* (b, b), and room as large: R stays as it is when there is no result */
    if (!r) return orthsr__fail_memory(error, "a Cayley transform");
    orthsr_status status = orthsr__cayley_forward(r, skew, b, r + b * b, error);
    if (!status) memcpy(R, r, b * b * sizeof *R);
    free(r);
    return status;
}

orthsr_status orthsr_cayley_adjoint(float *grad_skew, const float *grad_R, const float *skew, size_t b, orthsr_error *error) {
    ORTHSR__REQUIRE(grad_skew && grad_R && skew, error, "grad_skew, grad_R or skew is NULL");
    ORTHSR__REQUIRE(b > 0 && b <= INT_MAX, error, "b is 0 or above 2^31 - 1");
    real *room = square(3, b);
    if (!room) return orthsr__fail_memory(error, "a Cayley transform");
    real *r = room, *work = room + b * b; /* (b, b), (2, b, b) */
    orthsr_status status = orthsr__cayley_forward(r, skew, b, work, error);
    if (!status) orthsr__cayley_adjoint(grad_skew, grad_R, r, b, work);
    free(room);
    return status;
}

#define REQUIRE_TALL(n, p, error)                                                                                                                              \
    ORTHSR__REQUIRE((p) > 0 && (n) >= (p), error, "X (n, p) needs n >= p > 0");                                                                                \
    ORTHSR__REQUIRE((n) <= INT_MAX, error, "n is above 2^31 - 1")

orthsr_status orthsr_retract_qr(float *X, size_t n, size_t p, orthsr_error *error) {
    ORTHSR__REQUIRE(X, error, "X is NULL");
    REQUIRE_TALL(n, p, error);
    return orthsr__retract_qr(X, n, p, error);
}

orthsr_status orthsr_qr(float *Q, float *R, const float *X, size_t n, size_t p, orthsr_error *error) {
    ORTHSR__REQUIRE(Q && R && X, error, "Q, R or X is NULL");
    REQUIRE_TALL(n, p, error);
    size_t elements;
    real *q = orthsr__tall(&elements, n, p, 1, 1); /* (n, p), (p, p) */
    if (!q) return orthsr__fail_memory(error, "a QR factorisation");
    real *r = q + elements;
    memcpy(q, X, elements * sizeof *q);
    orthsr_status status = orthsr__qr_forward(q, r, n, p, error);
    if (!status) status = orthsr__qr_full_rank(r, n, p, error);
    if (!status) {
        memcpy(Q, q, elements * sizeof *Q);
        memcpy(R, r, p * p * sizeof *R);
    }
    free(q);
    return status;
}

orthsr_status orthsr_qr_adjoint(float *grad_X, const float *grad_Q, const float *grad_R, const float *Q, const float *R, size_t n, size_t p,
                                orthsr_error *error) {
    ORTHSR__REQUIRE(grad_X && Q && R, error, "grad_X, Q or R is NULL");
    REQUIRE_TALL(n, p, error);
    ORTHSR__TRY(orthsr__qr_full_rank(R, n, p, error));
    size_t elements;
    real *work = orthsr__tall(&elements, n, p, 1, 2); /* orthsr__qr_work */
    if (!work) return orthsr__fail_memory(error, "a QR factorisation");
    orthsr__qr_adjoint(grad_X, grad_Q, grad_R, Q, R, n, p, work);
    free(work);
    return ORTHSR_OK;
}

orthsr_status orthsr_retract_cholesky_qr(float *X, size_t n, size_t p, orthsr_error *error) {
    ORTHSR__REQUIRE(X, error, "X is NULL");
    REQUIRE_TALL(n, p, error);
    return orthsr__retract_cholesky_qr(X, n, p, error);
}

orthsr_status orthsr_retract_polar(float *X, size_t n, size_t p, orthsr_error *error) {
    ORTHSR__REQUIRE(X, error, "X is NULL");
    REQUIRE_TALL(n, p, error);
    return orthsr__retract_polar(X, n, p, error);
}

orthsr_status orthsr_retract(float *X, const float *U, size_t n, size_t p, orthsr_retraction retraction, orthsr_error *error) {
    ORTHSR__REQUIRE(X && U, error, "X or U is NULL");
    REQUIRE_TALL(n, p, error);
    ORTHSR__REQUIRE((unsigned)retraction <= ORTHSR_RETRACTION_POLAR, error, "unknown retraction");
    return orthsr__retract(X, NULL, U, n, p, retraction, error);
}

orthsr_status orthsr_tangent_project(float *U, const float *G, const float *X, size_t n, size_t p, orthsr_error *error) {
    return orthsr_riemannian_gradient(U, G, X, n, p, ORTHSR_GEOMETRY_EUCLIDEAN, error);
}

orthsr_status orthsr_riemannian_gradient(float *U, const float *G, const float *X, size_t n, size_t p, orthsr_geometry geometry, orthsr_error *error) {
    ORTHSR__REQUIRE(U && G && X, error, "U, G or X is NULL");
    REQUIRE_TALL(n, p, error);
    ORTHSR__REQUIRE((unsigned)geometry <= ORTHSR_GEOMETRY_CANONICAL, error, "unknown geometry");
    real *work = square(1, p);
    if (!work) return orthsr__fail_memory(error, "a tangent");
    orthsr__riemannian_gradient(U, G, X, n, p, geometry, work);
    free(work);
    return ORTHSR_OK;
}

orthsr_status orthsr_hyperspherical_energy(double *energy, const float *W, size_t n, size_t d, orthsr_error *error) {
    ORTHSR__REQUIRE(energy && W, error, "energy or W is NULL");
    ORTHSR__REQUIRE(n > 1, error, "an energy needs two rows at least");
    ORTHSR__REQUIRE(d > 0 && n <= INT_MAX && d <= INT_MAX, error, "an extent of W is 0 or above 2^31 - 1");
    return orthsr__hyperspherical_energy(energy, W, n, d, error);
}

orthsr_status orthsr_orthogonality_defect(double *defect, const float *X, size_t n, size_t p, orthsr_error *error) {
    ORTHSR__REQUIRE(defect && X, error, "defect or X is NULL");
    ORTHSR__REQUIRE(n > 0 && p > 0 && n <= INT_MAX && p <= INT_MAX, error, "an extent of X is 0 or above 2^31 - 1");
    size_t count;
    real *work = orthsr__mul(&count, n + p, p) && orthsr__mul(&count, count, 2) ? orthsr__aligned(orthsr__defect_work(n, p), sizeof *work) : NULL;
    if (!work) return orthsr__fail_memory(error, "an orthogonality defect");
    *defect = orthsr__defect(X, n, p, work);
    free(work);
    return ORTHSR_OK;
}
