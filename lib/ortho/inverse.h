/* inverse.h - (I + S)^-1 by products of blocks (docs/cayley.md). */
#ifndef ORTHSR_ORTHO_INVERSE_H
#define ORTHSR_ORTHO_INVERSE_H

#include "base/real.h"

/* S (n, n), skew up to rounding, <- (I + S)^-1 - I. room: (n, n), which may be the caller's result to come. Without pivoting while no row of S is longer than
 * ORTHSR__LONGEST_ROW, by LU with pivoting beyond. 0; > 0 not invertible in floating point; < 0 out of memory. S is spoilt unless 0. */
#define ORTHSR__LONGEST_ROW 4
int orthsr__invert_one_plus(real *s, size_t n, real *room);

#endif
