/* retraction.h - back onto the Stiefel manifold, and how far off it a matrix is. */
#ifndef ORTHSR_ORTHO_RETRACTION_H
#define ORTHSR_ORTHO_RETRACTION_H

#include <orthsr/status.h>

#include "base/real.h"

/* X (n, p) <- Q sign(diag R) of X = QR. NUMERIC when X is not finite, X untouched then. */
orthsr_status orthsr__retract_qr(real *x, size_t n, size_t p, orthsr_error *error);

/* max |X^T X - I| of X (n, p), in float64. */
orthsr_status orthsr__orthogonality_defect(double *defect, const real *x, size_t n, size_t p, orthsr_error *error);

#endif
