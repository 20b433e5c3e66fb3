/* ortho.h - the orthogonal group on plain buffers: for those who bring their own network.
 *
 * Matrices are row-major float32. The conventions are those of PEFT's exact OFT, so parameters can be exchanged:
 *   S[i][j] = +v, S[j][i] = -v for i < j, v walking the upper triangle row by row, b(b-1)/2 values;
 *   R = (I - S)(I + S)^-1   (the Cayley transform; orthogonal, det +1, v = 0 gives I);
 *   a row vector is rotated from the right, y = x R, and a weight W (out, in) is merged as W R^T.
 * Computation is in float32 with an exact solve (LAPACKE); no series is truncated. All functions are thread-safe.
 */
#ifndef ORTHSR_ORTHO_H
#define ORTHSR_ORTHO_H

#include <stddef.h>

#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

/* Number of free parameters of one b x b block: b(b-1)/2. Since 0.1. */
ORTHSR_API size_t orthsr_skew_size(size_t b);

/* R (b, b) = Cayley(skew (b(b-1)/2)). Source: OFT, arXiv 2306.07280, with PEFT's signs.
 * Errors: ARGUMENT (NULL, b = 0), MEMORY, NUMERIC (a parameter is not finite). On failure R is untouched. Since 0.1. */
ORTHSR_API orthsr_status orthsr_cayley(float *R, const float *skew, size_t b, orthsr_error *error);

/* Adjoint of orthsr_cayley: given grad_R (b, b) = dL/dR at skew, ADDS dL/dskew to grad_skew (b(b-1)/2).
 * With M = (I + S)^-1: dL/dS = -2 M^T grad_R M^T, folded onto the upper triangle (docs/cayley.md).
 * Errors: as orthsr_cayley. On failure grad_skew is untouched. Since 0.1. */
ORTHSR_API orthsr_status orthsr_cayley_adjoint(float *grad_skew, const float *grad_R, const float *skew, size_t b, orthsr_error *error);

/* X = QR, X (n, p), n >= p, of full rank: Q (n, p) with orthonormal columns, R (p, p) upper triangular with zeros below and diag R > 0, which makes both
 * unique. Householder reflections by LAPACKE. Q may be X. Errors: ARGUMENT (NULL, n < p, p = 0), MEMORY, NUMERIC (X not finite or too large; a column that
 * is zero or, up to rounding, a combination of those before it: named). On failure Q and R are untouched. Since 0.1. */
ORTHSR_API orthsr_status orthsr_qr(float *Q, float *R, const float *X, size_t n, size_t p, orthsr_error *error);

/* Adjoint of orthsr_qr: given grad_Q (n, p) = dL/dQ and grad_R (p, p) = dL/dR at the Q and R it gave, ADDS dL/dX to grad_X (n, p). Either may be NULL, for
 * zeros; of grad_R the upper triangle is read. (grad_Q + Q H) R^-T, H symmetric with the upper triangle of grad_R R^T - Q^T grad_Q (docs/qr.md).
 * Errors: ARGUMENT (NULL, n < p, p = 0), MEMORY, NUMERIC (diag R tells of a column that depends on others). On failure grad_X is untouched. Since 0.1. */
ORTHSR_API orthsr_status orthsr_qr_adjoint(float *grad_X, const float *grad_Q, const float *grad_R, const float *Q, const float *R, size_t n, size_t p,
                                           orthsr_error *error);

/* QR retraction onto the Stiefel manifold: X (n, p), n >= p, is replaced by the Q of X = QR with every column signed
 * so that diag R > 0 (0 counts as positive). That makes it the unique, continuous choice. Householder QR by LAPACKE.
 * Errors: ARGUMENT (NULL, n < p, p = 0), MEMORY, NUMERIC (X not finite). On failure X is untouched. Since 0.1. */
ORTHSR_API orthsr_status orthsr_retract_qr(float *X, size_t n, size_t p, orthsr_error *error);

/* The same Q by one or two rounds of Cholesky on X^T X, that is by matrix products; where X is too near to rank-deficient for that, by Householder QR.
 * Errors: as orthsr_retract_qr. On failure X is untouched. Since 0.1. */
ORTHSR_API orthsr_status orthsr_retract_cholesky_qr(float *X, size_t n, size_t p, orthsr_error *error);

/* X (n, p) <- X (X^T X)^-1/2, the nearest matrix with orthonormal columns in the Frobenius norm: by Newton-Schulz when X is near it, else by the SVD.
 * Errors: as orthsr_retract_qr. On failure X is untouched. Since 0.1. */
ORTHSR_API orthsr_status orthsr_retract_polar(float *X, size_t n, size_t p, orthsr_error *error);

/* How one moves from X along a tangent U and stays on the manifold. Since 0.1. */
typedef enum orthsr_retraction {
    ORTHSR_RETRACTION_QR = 0,          /* qf(X + U), as orthsr_retract_qr: of first order */
    ORTHSR_RETRACTION_CHOLESKY_QR = 1, /* the same matrix by matrix products */
    ORTHSR_RETRACTION_CAYLEY = 2,      /* (I - W/2)^-1 (I + W/2) X, W skew with W X = U: of second order for the canonical metric */
    ORTHSR_RETRACTION_POLAR = 3        /* X + U as orthsr_retract_polar: of second order for the Euclidean metric */
} orthsr_retraction;

/* Which inner product the tangent space carries; they agree up to a factor of 2 for square X. Since 0.1. */
typedef enum orthsr_geometry {
    ORTHSR_GEOMETRY_EUCLIDEAN = 0, /* tr U^T V; gradient G - X sym(X^T G) */
    ORTHSR_GEOMETRY_CANONICAL = 1  /* tr U^T (I - X X^T / 2) V; gradient G - X G^T X */
} orthsr_geometry;

/* X (n, p), n >= p, with orthonormal columns, <- R_X(U), U (n, p) a tangent at X (docs/manifold.md derives the orders). X and U may not overlap.
 * Errors: ARGUMENT (NULL, n < p, p = 0, unknown retraction), MEMORY, NUMERIC (a value not finite). On failure X is untouched. Since 0.1. */
ORTHSR_API orthsr_status orthsr_retract(float *X, const float *U, size_t n, size_t p, orthsr_retraction retraction, orthsr_error *error);

/* U (n, p) = G - X sym(X^T G): the tangent at X nearest to G (n, p). With X the new point and G an old tangent this is vector transport by projection.
 * U may be G. Errors: ARGUMENT, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_tangent_project(float *U, const float *G, const float *X, size_t n, size_t p, orthsr_error *error);

/* U (n, p) = the Riemannian gradient at X of a function with partial derivatives G (n, p). U may be G.
 * Errors: ARGUMENT (also an unknown geometry), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_riemannian_gradient(float *U, const float *G, const float *X, size_t n, size_t p, orthsr_geometry geometry,
                                                    orthsr_error *error);

/* defect = max |X^T X - I| over all entries of X (n, p), accumulated in float64.
 * Errors: ARGUMENT, MEMORY. A non-finite X gives a NaN or infinite defect, not an error. Since 0.1. */
ORTHSR_API orthsr_status orthsr_orthogonality_defect(double *defect, const float *X, size_t n, size_t p, orthsr_error *error);

/* energy = the mean over all pairs of rows of W (n, d), n >= 2, of 1 / |w_i / |w_i| - w_j / |w_j||: the hyperspherical energy of n neurons (OFT, arXiv
 * 2306.07280, which takes the sum over ordered pairs, n (n - 1) times the mean), in float64. It is 1/2 at least, and 1/sqrt 2 where all rows are orthogonal;
 * an adapter on the input side keeps it (docs/theory.md). Takes room for n (d + 64) doubles.
 * Errors: ARGUMENT (NULL, n < 2, an extent of 0 or above 2^31 - 1), MEMORY, NUMERIC, naming the rows: a value is not finite, a row is zero and has no
 * direction, or two point the same way (nearer than 1.2e-7, which is rounding), where the energy is infinite. On failure energy is untouched. Since 0.1. */
ORTHSR_API orthsr_status orthsr_hyperspherical_energy(double *energy, const float *W, size_t n, size_t d, orthsr_error *error);

ORTHSR_END_DECLS

#endif
