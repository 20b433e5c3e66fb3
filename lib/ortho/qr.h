/* qr.h - X = QR with diag R >= 0, and its adjoint (docs/qr.md). */
#ifndef ORTHSR_ORTHO_QR_H
#define ORTHSR_ORTHO_QR_H

#include <orthsr/status.h>

#include "base/real.h"

/* q (n, p), n >= p, holds X and becomes Q; r (p, p) upper triangular, zeros below. NUMERIC when X is not finite or too large, MEMORY; q is spoilt then. */
orthsr_status orthsr__qr_forward(real *q, real *r, size_t n, size_t p, orthsr_error *error);

/* NUMERIC when the columns of X (n, p) are dependent up to rounding, as its r (p, p) tells: Q and R have no derivative there. The column is named. */
orthsr_status orthsr__qr_full_rank(const real *r, size_t n, size_t p, orthsr_error *error);

/* Adds to grad_x (n, p) what grad_q (n, p) and the upper triangle of grad_r (p, p) mean for X; either may be NULL, for zeros. r of full rank.
 * work: orthsr__qr_work(n, p), which callers have found not to overflow. */
void orthsr__qr_adjoint(real *grad_x, const real *grad_q, const real *grad_r, const real *q, const real *r, size_t n, size_t p, real *work);
size_t orthsr__qr_work(size_t n, size_t p);

#endif
