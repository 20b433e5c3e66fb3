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

/* QR retraction onto the Stiefel manifold: X (n, p), n >= p, is replaced by the Q of X = QR with every column signed
 * so that diag R > 0 (0 counts as positive). That makes it the unique, continuous choice. Householder QR by LAPACKE.
 * Errors: ARGUMENT (NULL, n < p, p = 0), MEMORY, NUMERIC (X not finite). On failure X is untouched. Since 0.1. */
ORTHSR_API orthsr_status orthsr_retract_qr(float *X, size_t n, size_t p, orthsr_error *error);

/* defect = max |X^T X - I| over all entries of X (n, p), accumulated in float64.
 * Errors: ARGUMENT, MEMORY. A non-finite X gives a NaN or infinite defect, not an error. Since 0.1. */
ORTHSR_API orthsr_status orthsr_orthogonality_defect(double *defect, const float *X, size_t n, size_t p, orthsr_error *error);

ORTHSR_END_DECLS

#endif
