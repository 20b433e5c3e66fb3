/* expm.h - A = exp(S) of one block, S skew, and its adjoint (docs/parametrizations.md). */
#ifndef ORTHSR_ORTHO_EXPM_H
#define ORTHSR_ORTHO_EXPM_H

#include <orthsr/status.h>

#include "base/real.h"

/* A (b, b) = exp(S), S from v (b(b-1)/2). d (b, b): the inverse of the approximant's denominator, for the adjoint. NUMERIC when v is not finite or too large.
 */
orthsr_status orthsr__expm_forward(real *a, real *d, const real *v, size_t b, orthsr_error *error);

/* grad_v += adjoint: dL/dS is the derivative of exp at S^T in direction grad_a, then skew. d: as forward left it. work: orthsr__expm_work(b) reals. */
size_t orthsr__expm_work(size_t b);
void orthsr__expm_adjoint(real *grad_v, const real *grad_a, const real *v, const real *d, size_t b, real *work);

#endif
