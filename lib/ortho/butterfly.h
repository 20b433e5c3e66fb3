/* butterfly.h - A as a product of m sparse orthogonal factors (BOFT, arXiv 2311.06243), and its adjoint (docs/parametrizations.md).
 *
 * Factor i is P_i B_i P_i^T, B_i block-diagonal of Cayley blocks of size s, P_i PEFT's permutation: within groups of s 2^i rows, units of s/2 rows, those in
 * even places first. Factor 0 has no permutation. A = F_(m-1) ... F_0. s is even and s 2^(m-1) divides b.
 */
#ifndef ORTHSR_ORTHO_BUTTERFLY_H
#define ORTHSR_ORTHO_BUTTERFLY_H

#include <orthsr/status.h>

#include "base/real.h"

/* Skew parameters of one b x b matrix: m factors of b/s blocks of s(s-1)/2. */
size_t orthsr__butterfly_size(size_t b, size_t s, size_t m);

/* The row of the matrix that place `row` of factor i's B stands for. */
size_t orthsr__butterfly_row(size_t row, size_t s, size_t i);

/* A (b, b) from v (m, b/s, s(s-1)/2). factors (m, b/s, s, s): the small rotations, kept for the adjoint. */
orthsr_status orthsr__butterfly_forward(real *a, real *factors, const real *v, size_t b, size_t s, size_t m, orthsr_error *error);

/* grad_v += adjoint. a, factors: as forward left them. work: orthsr__butterfly_work(b, s) reals. */
size_t orthsr__butterfly_work(size_t b, size_t s);
void orthsr__butterfly_adjoint(real *grad_v, const real *grad_a, const real *a, const real *factors, size_t b, size_t s, size_t m, real *work);

#endif
