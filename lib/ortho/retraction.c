/* retraction.c - the Q of a matrix by reflections; which retraction is meant; and the orthogonality defect. */
#include "ortho/retraction.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/linalg.h"
#include "base/memory.h"
#include "ortho/cholesky.h"
#include "ortho/qr.h"
#include "ortho/tall.h"
#include "ortho/tangent.h"

orthsr_status orthsr__retract_qr(real *x, size_t n, size_t p, orthsr_error *error) {
    size_t elements;
    real *q = orthsr__tall(&elements, n, p, 1, 1); /* (n, p), (p, p) */
    if (!q) return orthsr__fail_memory(error, "a QR factorisation");
    memcpy(q, x, elements * sizeof *q);
    orthsr_status status = orthsr__qr_forward(q, q + elements, n, p, error);
    if (!status) memcpy(x, q, elements * sizeof *x);
    free(q);
    return status;
}

orthsr_status orthsr__retract(real *x, real *v, const real *u, size_t n, size_t p, orthsr_retraction retraction, orthsr_error *error) {
    if (retraction == ORTHSR_RETRACTION_CAYLEY) return orthsr__retract_cayley(x, v, u, n, p, error);
    size_t elements;
    real *y = orthsr__tall(&elements, n, p, 1, 1); /* (n, p), (p, p) */
    if (!y) return orthsr__fail_memory(error, "a retraction");
    for (size_t i = 0; i < elements; i++) y[i] = x[i] + u[i];
    orthsr_status status = retraction == ORTHSR_RETRACTION_QR            ? orthsr__retract_qr(y, n, p, error)
                           : retraction == ORTHSR_RETRACTION_CHOLESKY_QR ? orthsr__retract_cholesky_qr(y, n, p, error)
                                                                         : orthsr__retract_polar(y, n, p, error);
    if (!status) {
        memcpy(x, y, elements * sizeof *x);
        if (v) orthsr__tangent_project(v, v, x, n, p, y + elements);
    }
    free(y);
    return status;
}

static double largest(double a, double b) { return b > a || isnan(b) ? b : a; } /* a NaN stays: nothing is larger */

/* In float64; exact (n, p), gram (p, p). */
static double defect_double(const real *x, size_t n, size_t p, double *exact, double *gram) {
    double worst = 0;
    for (size_t i = 0; i < n * p; i++) exact[i] = (double)x[i];
    orthsr__dgemm(true, false, p, p, n, 1, exact, p, exact, p, 0, gram, p);
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < p; j++) worst = largest(worst, fabs(gram[i * p + j] - (i == j)));
    return worst;
}

/* Of square X (n, n) near I: with D = X - I it is D + D^T + D^T D, where products in float32 lose next to nothing, for they are small. False, nothing done,
 * where D is too large for that. d, gram: (n, n). */
static bool defect_near_one(double *worst, const real *x, size_t n, real *d, real *gram) {
    const double small = 0.02; /* squared length of a column of D: the products' rounding is below 1e-8 then */
    for (size_t i = 0; i < n * n; i++) d[i] = x[i] - (i % (n + 1) == 0);
    orthsr__gram(gram, d, n, n);
    for (size_t i = 0; i < n; i++)
        if (!((double)gram[i * n + i] <= small)) return false;
    *worst = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++) *worst = largest(*worst, fabs((double)d[i * n + j] + (double)d[j * n + i] + (double)gram[i * n + j]));
    return true;
}

size_t orthsr__defect_work(size_t n, size_t p) { return (n + p) * p * (sizeof(double) / sizeof(real)); }

double orthsr__defect(const real *x, size_t n, size_t p, real *work) {
    double worst;
    void *room = work;
    if (n == p && defect_near_one(&worst, x, n, work, work + n * n)) return worst;
    return defect_double(x, n, p, room, (double *)room + n * p);
}
