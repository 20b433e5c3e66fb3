/* retraction.c - the QR retraction with its signs fixed, and the orthogonality defect. */
#include "ortho/retraction.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/linalg.h"
#include "base/memory.h"

/* Householder reflections leave the signs of diag R to chance; Q sign(diag R) has them all positive, so that an orthogonal X is a fixed
 * point and Q depends continuously on X. */
orthsr_status orthsr__retract_qr(real *x, size_t n, size_t p, orthsr_error *error) {
    size_t elements;
    if (!orthsr__mul(&elements, n, p)) return orthsr__fail_memory(error, "a QR factorisation");
    if (!orthsr__all_finite(x, elements)) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the matrix to retract holds a value that is not finite");
    real *q = orthsr__aligned(elements, sizeof *q), *diagonal = orthsr__aligned(p, sizeof *diagonal); /* (n, p), (p) */
    orthsr_status status = ORTHSR_OK;
    int info = -1;
    if (q && diagonal) {
        memcpy(q, x, elements * sizeof *q);
        info = orthsr__qr(q, diagonal, n, p);
        if (!orthsr__all_finite(q, elements)) /* overflow, at which LAPACKE may have stopped */
            status = orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the matrix to retract holds values too large for a QR factorisation");
    }
    if (!status && info != 0) status = orthsr__fail_memory(error, "a QR factorisation");
    if (!status) {
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < p; j++) x[i * p + j] = diagonal[j] < 0 ? -q[i * p + j] : q[i * p + j];
    }
    free(q);
    free(diagonal);
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
