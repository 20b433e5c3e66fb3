/* polar.c - the nearest matrix with orthonormal columns. Newton-Schulz needs products only, and X^T X near I to converge. */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/linalg.h"
#include "base/memory.h"
#include "ortho/retraction.h"
#include "ortho/tall.h"

double orthsr__residual(real *e, const real *x, size_t n, size_t p) {
    size_t elements, room;
    if (!orthsr__mul(&elements, n, p) || !orthsr__mul(&room, p, p) || !orthsr__add(&room, room, elements)) return -1;
    double *exact = orthsr__aligned(room, sizeof *exact); /* (n, p), (p, p) */
    if (!exact) return -1;
    double *gram = exact + elements, squares = 0;
    for (size_t i = 0; i < elements; i++) exact[i] = (double)x[i];
    orthsr__dgemm(true, false, p, p, n, -1, exact, p, exact, p, 0, gram, p);
    for (size_t i = 0; i < p * p; i++) {
        gram[i] += i % (p + 1) == 0;
        squares += gram[i] * gram[i];
        e[i] = (real)gram[i];
    }
    free(exact);
    return sqrt(squares);
}

void orthsr__newton_schulz(real *y, const real *x, const real *e, size_t n, size_t p) {
    memcpy(y, x, n * p * sizeof *y);
    orthsr__gemm(false, false, n, p, p, (real)0.5, x, p, e, p, 1, y, p);
}

/* A step squares the residual, |E'| <= 3/4 |E|^2 + 1/4 |E|^3: one from below sqrt(epsilon) ends in rounding. 0.7 leaves five or six of them. x holds the
 * result, y (n, p) and e (p, p) are room. < 0 out of memory, > 0 the SVD failed. */
static int polar(real *x, real *y, real *e, size_t n, size_t p) {
    double before = orthsr__residual(e, x, n, p);
    if (before < 0) return -1;
    if (!(before < 0.7)) {
        int info = orthsr__polar_svd(x, n, p);
        if (info != 0) return info;
        before = orthsr__residual(e, x, n, p);
        if (before < 0) return -1;
    }
    for (;;) {
        orthsr__newton_schulz(y, x, e, n, p);
        memcpy(x, y, n * p * sizeof *x);
        if (!(before > sqrt((double)REAL_EPSILON))) return 0; /* also what is not finite */
        double after = orthsr__residual(e, x, n, p);
        if (after < 0) return -1;
        if (!(after < before)) return 0; /* the rounding of very large p is above that bound */
        before = after;
    }
}

orthsr_status orthsr__retract_polar(real *x, size_t n, size_t p, orthsr_error *error) {
    if (!orthsr__all_finite(x, n * p)) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the matrix to retract holds a value that is not finite");
    size_t elements;
    real *result = orthsr__tall(&elements, n, p, 2, 1); /* (2, n, p), (p, p) */
    if (!result) return orthsr__fail_memory(error, "a polar decomposition");
    memcpy(result, x, elements * sizeof *x);
    int info = polar(result, result + elements, result + 2 * elements, n, p);
    orthsr_status status = ORTHSR_OK;
    if (info < 0) status = orthsr__fail_memory(error, "a singular value decomposition");
    else if (info > 0 || !orthsr__all_finite(result, elements))
        status = orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the matrix to retract holds values too large for a polar decomposition");
    else memcpy(x, result, elements * sizeof *x);
    free(result);
    return status;
}
