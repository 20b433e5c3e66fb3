/* skew.h - skew-symmetric matrices and their vectors. */
#ifndef ORTHSR_ORTHO_SKEW_H
#define ORTHSR_ORTHO_SKEW_H

#include "base/real.h"

static inline size_t orthsr__skew_size(size_t b) { return b * (b - 1) / 2; }

/* Where the value of entry (i, j), i < j, lies. */
static inline size_t orthsr__skew_at(size_t b, size_t i, size_t j) { return i * (2 * b - i - 1) / 2 + j - i - 1; }

/* All values are 0: S = 0, where adapters start and where no transform need be computed. */
static inline int orthsr__skew_is_zero(const real *v, size_t b) {
    size_t n = orthsr__skew_size(b), i = 0;
    while (i < n && v[i] == 0) i++;
    return i == n;
}

/* S (b, b) from v (b(b-1)/2): S[i][j] = v, S[j][i] = -v for i < j, v row by row over the upper triangle. */
void orthsr__skew_forward(real *s, const real *v, size_t b);

/* grad_v += the adjoint applied to grad_s (b, b): grad_s[i][j] - grad_s[j][i]. */
void orthsr__skew_adjoint(real *grad_v, const real *grad_s, size_t b);

#endif
