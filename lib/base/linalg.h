/* linalg.h - the few calls this library makes to CBLAS and LAPACKE; nothing else includes their headers.
 *
 * Row-major throughout. Any CBLAS and LAPACKE will do; a Fortran-integer of 32 bits is assumed, so extents are below 2^31.
 */
#ifndef ORTHSR_BASE_LINALG_H
#define ORTHSR_BASE_LINALG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/gemm.h"
#include "base/real.h"

/* C (m, n) = alpha op(A) op(B) + beta C, op(A) (m, k), op(B) (k, n); ta, tb: transposed as stored. In `real`: base/gemm.h. */
void orthsr__dgemm(bool ta, bool tb, size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda, const double *b, size_t ldb, double beta,
                   double *c, size_t ldc);

/* A (n, n) <- A^-1 by LU with partial pivoting. 0; > 0 singular; < 0 out of memory. */
int orthsr__invert(real *a, size_t n);
int orthsr__dinvert(double *a, size_t n);

/* X (n, p), n >= p: X <- Q of X = QR, r (p, p) <- R, zeros below its diagonal, which has any signs. 0, or < 0 out of memory. */
int orthsr__qr(real *x, real *r, size_t n, size_t p);

/* X (n, p) <- X R^-1, R (p, p) upper triangular; transposed: X R^-T. */
void orthsr__divide_upper(bool transposed, real *x, const real *r, size_t n, size_t p);

/* values (n), ascending, of symmetric A (n, n), which is spoilt. 0; > 0 no convergence; < 0 out of memory. */
int orthsr__symmetric_eigenvalues(double *values, double *a, size_t n);

/* X (n, p), n >= p: X <- V W^T of X = V S W^T, its orthogonal polar factor. 0; > 0 no convergence; < 0 out of memory. X is spoilt unless 0. */
int orthsr__polar_svd(real *x, size_t n, size_t p);

#endif
