/* retraction.c - the Q of a matrix by reflections; which retraction is meant; and the orthogonality defect. */
#include "ortho/retraction.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/linalg.h"
#include "base/memory.h"
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

orthsr_status orthsr__orthogonality_defect(double *defect, const real *x, size_t n, size_t p, orthsr_error *error) {
    size_t elements, squared;
    if (!orthsr__mul(&elements, n, p) || !orthsr__mul(&squared, p, p)) return orthsr__fail_memory(error, "an orthogonality defect");
    double *exact = orthsr__aligned(elements, sizeof *exact), *gram = orthsr__aligned(squared, sizeof *gram); /* (n, p), (p, p) */
    orthsr_status status = ORTHSR_OK;
    if (!exact || !gram) {
        status = orthsr__fail_memory(error, "an orthogonality defect");
    } else {
        for (size_t i = 0; i < elements; i++) exact[i] = (double)x[i];
        orthsr__dgemm(true, false, p, p, n, 1, exact, p, exact, p, 0, gram, p);
        double worst = 0;
        for (size_t i = 0; i < p; i++)
            for (size_t j = 0; j < p; j++) {
                double difference = fabs(gram[i * p + j] - (i == j));
                if (difference > worst || isnan(difference)) worst = difference; /* a NaN stays: nothing is larger */
            }
        *defect = worst;
    }
    free(exact);
    free(gram);
    return status;
}
