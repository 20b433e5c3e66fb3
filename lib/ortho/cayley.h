/* cayley.h - the Cayley transform of one block and its adjoint (docs/cayley.md). */
#ifndef ORTHSR_ORTHO_CAYLEY_H
#define ORTHSR_ORTHO_CAYLEY_H

#include <orthsr/status.h>

#include "base/real.h"

/* R (b, b) = (I - S)(I + S)^-1, S from v (b(b-1)/2). I + S has singular values >= 1: the solve is well conditioned for every v. R is spoilt unless OK. work:
 * (b, b). */
orthsr_status orthsr__cayley_forward(real *r, const real *v, size_t b, real *work, orthsr_error *error);

/* grad_v += adjoint: grad_S = -2 M^T grad_R M^T with M = (I + S)^-1 = (R + I) / 2, then skew. work: (2, b, b). */
void orthsr__cayley_adjoint(real *grad_v, const real *grad_r, const real *r, size_t b, real *work);

/* The same from turned (b, b) = grad_R (I + R^T), which is often as easy to form, in half of the operations. work: (b, b). */
void orthsr__cayley_adjoint_turned(real *grad_v, const real *turned, const real *r, size_t b, real *work);

#endif
