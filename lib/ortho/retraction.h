/* retraction.h - back onto the Stiefel manifold, X (n, p) with X^T X = I, and how far off it a matrix is (docs/manifold.md).
 *
 * X is untouched when a function fails: NUMERIC when it is not finite or too large, MEMORY.
 */
#ifndef ORTHSR_ORTHO_RETRACTION_H
#define ORTHSR_ORTHO_RETRACTION_H

#include <orthsr/ortho.h>

#include "base/real.h"

/* X (n, p) <- Q sign(diag R) of X = QR by Householder reflections. */
orthsr_status orthsr__retract_qr(real *x, size_t n, size_t p, orthsr_error *error);

/* The same matrix by one or two rounds of Cholesky on X^T X; by Householder reflections when X is too close to rank-deficient for that. */
orthsr_status orthsr__retract_cholesky_qr(real *x, size_t n, size_t p, orthsr_error *error);

/* X (n, p) <- X (X^T X)^-1/2, the nearest matrix with orthonormal columns: Newton-Schulz near the manifold, the SVD elsewhere. */
orthsr_status orthsr__retract_polar(real *x, size_t n, size_t p, orthsr_error *error);

/* X and, when v is not NULL, the tangent v (n, p) turned by (I - W/2)^-1 (I + W/2), W the skew matrix with W X = U. u (n, p) is a tangent at X. */
orthsr_status orthsr__retract_cayley(real *x, real *v, const real *u, size_t n, size_t p, orthsr_error *error);

/* X <- R_X(U), and the tangent v (NULL: none) carried along: by the same turn with Cayley, else projected onto the new tangent space. */
orthsr_status orthsr__retract(real *x, real *v, const real *u, size_t n, size_t p, orthsr_retraction retraction, orthsr_error *error);

/* e (p, p) = I - X^T X; returns its Frobenius norm, or -1 when memory is short. In float64: beside a diagonal near 1 the squares of many small entries, which
 * are what X near I is made of, would be lost in float32 sums. */
double orthsr__residual(real *e, const real *x, size_t n, size_t p);

/* One Newton-Schulz step beside X: y (n, p) = X + X e / 2, e = I - X^T X. */
void orthsr__newton_schulz(real *y, const real *x, const real *e, size_t n, size_t p);

/* max |X^T X - I| of X (n, p), to within 1e-8. work: orthsr__defect_work reals. */
size_t orthsr__defect_work(size_t n, size_t p);
double orthsr__defect(const real *x, size_t n, size_t p, real *work);

#endif
