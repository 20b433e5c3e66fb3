/* tangent.h - tangent vectors of the Stiefel manifold at X (n, p), X^T X = I: U with X^T U skew (docs/manifold.md). */
#ifndef ORTHSR_ORTHO_TANGENT_H
#define ORTHSR_ORTHO_TANGENT_H

#include <orthsr/ortho.h>

#include "base/real.h"

/* U (n, p) = G - X sym(X^T G), the tangent nearest to G; also how a tangent is carried to a new X. work: (p, p). u may be g, neither x. */
void orthsr__tangent_project(real *u, const real *g, const real *x, size_t n, size_t p, real *work);

/* U (n, p) = the gradient by this metric of a function whose partial derivatives are G: Euclidean as above, canonical G - X G^T X. work: (p, p). */
void orthsr__riemannian_gradient(real *u, const real *g, const real *x, size_t n, size_t p, orthsr_geometry geometry, real *work);

/* <U, U> at X: tr U^T U, or canonical tr U^T (I - X X^T / 2) U. work: (p, p). */
double orthsr__squared_length(const real *u, const real *x, size_t n, size_t p, orthsr_geometry geometry, real *work);

#endif
