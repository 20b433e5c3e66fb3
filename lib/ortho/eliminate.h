/* eliminate.h - the inner loop of small dense factorisations. */
#ifndef ORTHSR_ORTHO_ELIMINATE_H
#define ORTHSR_ORTHO_ELIMINATE_H

#include "base/real.h"

enum { ORTHSR__LINE = 16 }; /* values that loops take together: no remainders */

static inline size_t orthsr__whole_lines(size_t n) { return (n + ORTHSR__LINE - 1) / ORTHSR__LINE * ORTHSR__LINE; }

/* row -= factor * pivot, both (length): whole lines. */
ORTHSR__INLINE void orthsr__eliminate(real *restrict row, const real *restrict pivot, real factor, size_t length) {
    for (size_t l = 0; l < length; l += ORTHSR__LINE)
        for (size_t j = l; j < l + ORTHSR__LINE; j++) row[j] -= factor * pivot[j];
}

#endif
