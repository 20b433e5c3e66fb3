/* cholesky.c - every function halves its triangle, until a tile is left: no product computes with the zeros below a diagonal, but for half a tile's. */
#include "ortho/cholesky.h"

#include <string.h>

#include "base/linalg.h"
#include "ortho/eliminate.h"

/* TERMS: a product's terms are summed in float32 one after the other, and what rounding takes grows with their number; longer sums are sums of sums. */
enum { TILE = ORTHSR__TILE, TERMS = 64 };

/* Where p > TILE columns are cut: between tiles. */
static size_t half(size_t p) { return (p + TILE - 1) / TILE / 2 * TILE; }

/* ---- one tile ---------------------------------------------------------------------------------------------------------- */

/* The upper triangle of r (n, n), n <= TILE, rows ld apart, as rows of whole lines, zeros elsewhere. */
ORTHSR__INLINE void load(real *t, const real *r, size_t ld, size_t n) {
    memset(t, 0, n * TILE * sizeof *t);
    for (size_t i = 0; i < n; i++) memcpy(t + i * TILE + i, r + i * ld + i, (n - i) * sizeof *t);
}

/* The diagonal is kept in float64: of values near 1, dozens of small squares are taken off. */
ORTHSR__SIMD static bool factor_tile(real *r, size_t ld, size_t n) {
    real t[TILE * TILE];
    double diagonal[TILE];
    size_t length = orthsr__whole_lines(n);
    load(t, r, ld, n);
    for (size_t k = 0; k < n; k++) diagonal[k] = (double)r[k * ld + k];
    for (size_t k = 0; k < n; k++) {
        real *row = t + k * TILE;
        if (!(diagonal[k] > 0)) return false;
        real scale = (real)(1 / sqrt(diagonal[k]));
        for (size_t j = 0; j < length; j++) row[j] *= scale;
        row[k] = (real)sqrt(diagonal[k]);
        for (size_t i = k + 1; i < n; i++) { /* left of the diagonal, and on it, a line holds what nobody reads */
            size_t first = i / ORTHSR__LINE * ORTHSR__LINE;
            diagonal[i] -= (double)row[i] * (double)row[i];
            orthsr__eliminate(t + i * TILE + first, row + first, row[i], length - first);
        }
    }
    for (size_t i = 0; i < n; i++) memcpy(r + i * ld + i, t + i * TILE + i, (n - i) * sizeof *r);
    return true;
}

/* inverse (n, TILE), zeros below the diagonal: from the last row up, R V = I gives r_ii V_i = e_i - sum of r_ij V_j over j > i. */
ORTHSR__SIMD static void invert_tile(real *inverse, const real *r, size_t ld, size_t n) {
    size_t length = orthsr__whole_lines(n);
    memset(inverse, 0, n * TILE * sizeof *inverse);
    for (size_t i = n; i-- > 0;) {
        real *row = inverse + i * TILE, scale = 1 / r[i * ld + i];
        for (size_t j = i + 1; j < n; j++) {
            size_t first = j / ORTHSR__LINE * ORTHSR__LINE;
            orthsr__eliminate(row + first, inverse + j * TILE + first, r[i * ld + j], length - first);
        }
        for (size_t j = 0; j < length; j++) row[j] *= scale;
        row[i] = scale;
    }
}

static void copy(real *to, size_t to_ld, const real *from, size_t from_ld, size_t rows, size_t columns) {
    for (size_t i = 0; i < rows; i++) memcpy(to + i * to_ld, from + i * from_ld, columns * sizeof *to);
}

/* ---- triangles --------------------------------------------------------------------------------------------------------- */

/* g (p, q) <- alpha X^T Y + beta g, X (n, p), Y (n, q), in sums of at most TERMS products. */
static void transposed_product(real *g, size_t g_ld, const real *x, const real *y, size_t ld, size_t n, size_t p, size_t q, real alpha, real beta) {
    for (size_t i = 0; i < n; i += TERMS, beta = 1)
        orthsr__gemm(true, false, p, q, n - i < TERMS ? n - i : TERMS, alpha, x + i * ld, ld, y + i * ld, ld, beta, g, g_ld);
}

/* The upper triangle of g (p, p) <- alpha X^T X + beta g, X (n, p); rows of g and of X g_ld and x_ld apart. */
static void gram(real *g, size_t g_ld, const real *x, size_t x_ld, size_t n, size_t p, real alpha, real beta) {
    if (p <= TILE) {
        transposed_product(g, g_ld, x, x, x_ld, n, p, p, alpha, beta);
        return;
    }
    size_t m = half(p);
    gram(g, g_ld, x, x_ld, n, m, alpha, beta);
    transposed_product(g + m, g_ld, x, x + m, x_ld, n, m, p - m, alpha, beta);
    gram(g + m * g_ld + m, g_ld, x + m, x_ld, n, p - m, alpha, beta);
}

/* b (p, columns) <- R^-T b, R (p, p); rows of both ld apart. */
static void divide_left(real *b, size_t columns, const real *r, const real *inverses, size_t ld, size_t p, real *room) {
    if (p <= TILE) {
        orthsr__gemm(true, false, p, columns, p, 1, inverses, TILE, b, ld, 0, room, columns);
        copy(b, ld, room, columns, p, columns);
        return;
    }
    size_t m = half(p);
    divide_left(b, columns, r, inverses, ld, m, room);
    orthsr__gemm(true, false, p - m, columns, m, -1, r + m, ld, b, ld, 1, b + m * ld, ld);
    divide_left(b + m * ld, columns, r + m * ld + m, inverses + m * TILE, ld, p - m, room);
}

/* [A B; . C] = R^T R with R = [P Q; . S]: A = P^T P, Q = P^-T B, C - Q^T Q = S^T S. */
static bool factor(real *r, real *inverses, size_t ld, size_t p, real *room) {
    if (p <= TILE) {
        if (!factor_tile(r, ld, p)) return false;
        invert_tile(inverses, r, ld, p);
        return true;
    }
    size_t m = half(p);
    real *q = r + m, *s = q + m * ld;
    if (!factor(r, inverses, ld, m, room)) return false;
    divide_left(q, p - m, r, inverses, ld, m, room);
    gram(s, ld, q, ld, m, p - m, -1, 1);
    return factor(s, inverses + m * TILE, ld, p - m, room);
}

/* [X Y] = [U V] [P Q; . S]: U = X P^-1, V = (Y - U Q) S^-1. */
static void divide(real *x, size_t x_ld, size_t n, size_t p, const real *r, const real *inverses, size_t ld, real *room) {
    if (p <= TILE) {
        orthsr__gemm(false, false, n, p, p, 1, x, x_ld, inverses, TILE, 0, room, p);
        copy(x, x_ld, room, p, n, p);
        return;
    }
    size_t m = half(p);
    divide(x, x_ld, n, m, r, inverses, ld, room);
    orthsr__gemm(false, false, n, p - m, m, -1, x, x_ld, r + m, ld, 1, x + m, x_ld);
    divide(x + m, x_ld, n, p - m, r + m * ld + m, inverses + m * TILE, ld, room);
}

void orthsr__gram(real *g, const real *x, size_t n, size_t p) { gram(g, p, x, p, n, p, 1, 0); }

bool orthsr__cholesky_blocks(real *r, real *inverses, size_t p, real *room) { return factor(r, inverses, p, p, room); }

void orthsr__tile_inverses(real *inverses, const real *r, size_t p) {
    for (size_t j = 0; j < p; j += TILE) invert_tile(inverses + j * TILE, r + j * p + j, p, p - j < TILE ? p - j : TILE);
}

void orthsr__divide_blocks(real *x, size_t n, size_t p, const real *r, const real *inverses, real *room) { divide(x, p, n, p, r, inverses, p, room); }
