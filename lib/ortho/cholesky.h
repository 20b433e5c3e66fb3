/* cholesky.h - X^T X = R^T R and X R^-1 by products of blocks (docs/manifold.md). */
#ifndef ORTHSR_ORTHO_CHOLESKY_H
#define ORTHSR_ORTHO_CHOLESKY_H

#include "base/real.h"

/* Triangles are cut into square tiles on the diagonal and products beside them. */
enum { ORTHSR__TILE = 64 };

/* The upper triangle of gram (p, p) <- that of X^T X, X (n, p). Below the diagonal, tiles on it are filled, others untouched. */
void orthsr__gram(real *gram, const real *x, size_t n, size_t p);

/* r (p, p): the upper triangle of a symmetric matrix <- R of R^T R, diag R > 0. False when it is not positive definite; r is spoilt then. inverses (p,
 * ORTHSR__TILE): the tile that starts in column j from row j on <- the inverse of that of R. room: (ORTHSR__TILE, p). */
bool orthsr__cholesky_blocks(real *r, real *inverses, size_t p, real *room);

/* inverses alone, of an upper triangular r. */
void orthsr__tile_inverses(real *inverses, const real *r, size_t p);

/* X (n, p) <- X R^-1. room: (n, ORTHSR__TILE). */
void orthsr__divide_blocks(real *x, size_t n, size_t p, const real *r, const real *inverses, real *room);

#endif
