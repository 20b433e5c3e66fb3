/* skew.h - skew-symmetric matrices and their vectors. */
#ifndef ORTHSR_ORTHO_SKEW_H
#define ORTHSR_ORTHO_SKEW_H

#include "base/real.h"

static inline size_t orthsr__skew_size(size_t b) { return b * (b - 1) / 2; }

/* S (b, b) from v (b(b-1)/2): S[i][j] = v, S[j][i] = -v for i < j, v row by row over the upper triangle. */
void orthsr__skew_forward(real *s, const real *v, size_t b);

/* grad_v += the adjoint applied to grad_s (b, b): grad_s[i][j] - grad_s[j][i]. */
void orthsr__skew_adjoint(real *grad_v, const real *grad_s, size_t b);

#endif
