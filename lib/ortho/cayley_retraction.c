/* cayley_retraction.c - along the Cayley curve of a tangent: X and what is carried with it turn by one orthogonal matrix.
 *
 * W = P U X^T - X U^T P with P = I - X X^T / 2 is the skew matrix with W X = U. Cayley(W) = (I - W/2)^-1 (I + W/2) = 2 (I - W/2)^-1 - I. W has rank
 * 2p at most: for tall X the inverse is that of a (2p, 2p) matrix, by Sherman, Morrison and Woodbury.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/linalg.h"
#include "base/memory.h"
#include "ortho/inverse.h"
#include "ortho/retraction.h"

/* left = [P U, X] and right = [X, -P U], both (n, 2p): W = left right^T. work: (p, p). */
static void factors(real *left, real *right, const real *x, const real *u, size_t n, size_t p, real *work) {
    orthsr__gemm(true, false, p, p, n, 1, x, p, u, p, 0, work, p);
    for (size_t i = 0; i < n; i++) {
        memcpy(left + i * 2 * p, u + i * p, p * sizeof *u);
        memcpy(left + i * 2 * p + p, x + i * p, p * sizeof *x);
    }
    orthsr__gemm(false, false, n, p, p, (real)-0.5, x, p, work, p, 1, left, 2 * p);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < p; j++) {
            right[i * 2 * p + j] = x[i * p + j];
            right[i * 2 * p + p + j] = -left[i * 2 * p + j];
        }
}

/* x <- x + left core (right^T x), core = (I - right^T left / 2)^-1 (2p, 2p). inner, outer: (2p, p). */
static void turn_tall(real *x, const real *left, const real *core, const real *right, size_t n, size_t p, real *inner, real *outer) {
    size_t q = 2 * p;
    orthsr__gemm(true, false, q, p, n, 1, right, q, x, p, 0, inner, p);
    orthsr__gemm(false, false, q, p, q, 1, core, q, inner, p, 0, outer, p);
    orthsr__gemm(false, false, n, p, q, 1, left, q, outer, p, 1, x, p);
}

/* x <- x + 2 core x, core = (I - W/2)^-1 - I (n, n). copy: (n, p). */
static void turn_square(real *x, const real *core, size_t n, size_t p, real *copy) {
    memcpy(copy, x, n * p * sizeof *x);
    orthsr__gemm(false, false, n, p, n, 2, core, n, copy, p, 1, x, p);
}

/* core <- (I + core)^-1 for tall x, else (I + core)^-1 - I, where core = -W/2 is skew. room: that of the square case, (order, order). As orthsr__invert. */
static int invert_core(real *core, size_t order, bool tall, real *room) {
    if (!orthsr__all_finite(core, order * order)) return 1;
    if (!tall) return orthsr__invert_one_plus(core, order, room);
    for (size_t i = 0; i < order; i++) core[i * order + i] += 1;
    return orthsr__invert(core, order);
}

orthsr_status orthsr__retract_cayley(real *x, real *v, const real *u, size_t n, size_t p, orthsr_error *error) {
    bool tall = 2 * p < n;
    size_t order = tall ? 2 * p : n, elements, squared, room;
    if (!orthsr__mul(&elements, n, p) || !orthsr__mul(&squared, order, order) || !orthsr__mul(&room, elements, 8) || !orthsr__add(&room, room, squared))
        return orthsr__fail_memory(error, "a Cayley retraction");
    real *left = orthsr__aligned(room, sizeof *left); /* (n, 2p), right (n, 2p), y (n, p), w (n, p), spare (2, n, p), core (order, order) */
    if (!left) return orthsr__fail_memory(error, "a Cayley retraction");
    real *right = left + 2 * elements, *y = right + 2 * elements, *w = y + elements, *spare = w + elements, *core = spare + 2 * elements;
    factors(left, right, x, u, n, p, spare);
    if (tall) orthsr__gemm(true, false, order, order, n, (real)-0.5, right, order, left, order, 0, core, order);
    else orthsr__gemm(false, true, n, n, 2 * p, (real)-0.5, left, 2 * p, right, 2 * p, 0, core, n);
    orthsr_status status = ORTHSR_OK;
    int info = invert_core(core, order, tall, spare); /* (2, n, p) hold (n, n): 2p >= n */
    memcpy(y, x, elements * sizeof *x);
    if (v) memcpy(w, v, elements * sizeof *v);
    for (int i = 0; i < (v ? 2 : 1) && info == 0; i++) {
        real *turned = i ? w : y;
        if (tall) turn_tall(turned, left, core, right, n, p, spare, spare + elements);
        else turn_square(turned, core, n, p, spare);
    }
    if (info < 0) status = orthsr__fail_memory(error, "a Cayley retraction");
    else if (info > 0 || !orthsr__all_finite(y, elements) || (v && !orthsr__all_finite(w, elements)))
        status = orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the matrix to retract or its tangent is not finite, or too large for a Cayley retraction");
    if (!status) memcpy(x, y, elements * sizeof *x);
    if (!status && v) memcpy(v, w, elements * sizeof *v);
    free(left);
    return status;
}
