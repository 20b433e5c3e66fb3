/* householder.h - A as a product of reflections (HRA, arXiv 2405.17484), and its adjoint (docs/parametrizations.md).
 *
 * k reflections, k even and at most 2b. Reflection i has the normal u_i = w_(i/2) + p_i, w orthonormal and fixed: with p = 0 the two of a pair are equal and
 * cancel, so A = I, and every product of k reflections can be reached.
 */
#ifndef ORTHSR_ORTHO_HOUSEHOLDER_H
#define ORTHSR_ORTHO_HOUSEHOLDER_H

#include <orthsr/status.h>

#include "base/real.h"

/* Entry i of w of this pair: a row of the discrete cosine transform IV, which is orthonormal and symmetric. */
double orthsr__householder_base(size_t pair, size_t i, size_t b);

/* A (b, b) = H_0 H_1 ... H_(k-1), H_i = I - 2 u_i u_i^T / |u_i|^2, from p (k, b). u (k + 1, b): the normals, kept for the
 * adjoint, and a row of room. NUMERIC when a normal is zero or not finite. */
orthsr_status orthsr__householder_forward(real *a, real *u, const real *p, size_t b, size_t k, orthsr_error *error);

/* grad_p (k, b) += adjoint. a, u: as forward left them. work: orthsr__householder_work(b) reals. */
size_t orthsr__householder_work(size_t b);
void orthsr__householder_adjoint(real *grad_p, const real *grad_a, const real *a, const real *u, size_t b, size_t k, real *work);

#endif
