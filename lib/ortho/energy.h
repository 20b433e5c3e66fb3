/* energy.h - the hyperspherical energy of the rows of a matrix. */
#ifndef ORTHSR_ORTHO_ENERGY_H
#define ORTHSR_ORTHO_ENERGY_H

#include <orthsr/status.h>

#include "base/real.h"

/* The mean over pairs of rows of w (n, d), n >= 2, of 1 / |unit row - unit row|. NUMERIC: a value is not finite, a row is zero, two point the same way; named.
 */
orthsr_status orthsr__hyperspherical_energy(double *energy, const real *w, size_t n, size_t d, orthsr_error *error);

#endif
