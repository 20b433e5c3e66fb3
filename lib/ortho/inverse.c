/* inverse.c - inversion by 2 x 2 blocks: six products and two inversions of half the size, 2 n^3 operations in all, down to Gauss-Jordan. No pivots are sought.
 *
 * I + S has the positive definite symmetric part I. So have its leading blocks and their Schur complements, whatever S is: all of them have an inverse, with a
 * norm of 1 at most. Every matrix here stands for I + itself: what is near I loses nothing beside a diagonal of ones.
 */
#include "ortho/inverse.h"

#include <string.h>

#include "base/linalg.h"
#include "ortho/eliminate.h"

enum { BASE = 32 }; /* a multiple of ORTHSR__LINE */

/* Gauss-Jordan on A (n, n), n <= BASE, rows ld apart. Here rows are rounded up to whole lines, with zeros that stay zeros. */
ORTHSR__SIMD static void gauss_jordan(real *a, size_t ld, size_t n) {
    real t[BASE * BASE], column[BASE];
    size_t length = orthsr__whole_lines(n);
    for (size_t i = 0; i < n; i++) {
        memcpy(t + i * BASE, a + i * ld, n * sizeof *a);
        for (size_t j = n; j < length; j++) t[i * BASE + j] = 0;
    }
    for (size_t k = 0; k < n; k++) {
        real *pivot = t + k * BASE, above = pivot[k], scale = 1 / (1 + above);
        for (size_t i = 0; i < n; i++) { /* of its own: a row read in lines right after one of its values was written would wait for it */
            column[i] = t[i * BASE + k];
            t[i * BASE + k] = 0;
        }
        pivot[k] = 1;
        for (size_t j = 0; j < length; j++) pivot[j] *= scale;
        for (size_t i = 0; i < n; i++)
            if (i != k) orthsr__eliminate(t + i * BASE, pivot, column[i], length);
        pivot[k] = -above * scale; /* 1 / (1 + above) - 1 */
    }
    for (size_t i = 0; i < n; i++) memcpy(a + i * ld, t + i * BASE, n * sizeof *a);
}

/* to (rows, columns) <- sign times from. */
static void copy(real *to, size_t to_ld, const real *from, size_t from_ld, size_t rows, size_t columns, real sign) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) to[i * to_ld + j] = sign * from[i * from_ld + j];
}

/* [I + P, B; C, I + D], rows ld apart. With I + P inverted, X = (I + P) B, Y = C (I + P) and I + Q the inverse of I + D - C X, the inverse is
 * [I + P + X (I + Q) Y, -X (I + Q); -(I + Q) Y, I + Q]. room holds X, then Y; behind X the room of the second inversion: n^2 / 3 in all. */
static void invert(real *a, size_t ld, size_t n, real *room) {
    if (n <= BASE) {
        gauss_jordan(a, ld, n);
        return;
    }
    size_t m = orthsr__whole_lines(n / 2), k = n - m;
    real *p = a, *b = a + m, *c = a + m * ld, *d = c + m; /* (m, m), (m, k), (k, m), (k, k) */
    invert(p, ld, m, room);
    copy(room, k, b, ld, m, k, 1);
    orthsr__gemm(false, false, m, k, m, 1, p, ld, b, ld, 1, room, k);
    orthsr__gemm(false, false, k, k, m, -1, c, ld, room, k, 1, d, ld);
    invert(d, ld, k, room + m * k);
    copy(b, ld, room, k, m, k, -1);
    orthsr__gemm(false, false, m, k, k, -1, room, k, d, ld, 1, b, ld);
    copy(room, m, c, ld, k, m, 1);
    orthsr__gemm(false, false, k, m, m, 1, c, ld, p, ld, 1, room, m);
    copy(c, ld, room, m, k, m, -1);
    orthsr__gemm(false, false, k, m, k, -1, d, ld, room, m, 1, c, ld);
    orthsr__gemm(false, false, m, m, k, -1, b, ld, room, m, 1, p, ld);
}

/* By LAPACK. */
static int invert_pivoted(real *s, size_t n) {
    for (size_t i = 0; i < n; i++) s[i * n + i] += 1;
    int info = orthsr__invert(s, n);
    for (size_t i = 0; i < n; i++) s[i * n + i] -= 1;
    return info;
}

int orthsr__invert_one_plus(real *s, size_t n, real *room) {
    double longest = 0;
    for (size_t i = 0; i < n; i++) {
        real squares = 0;
#pragma omp simd reduction(+ : squares)
        for (size_t j = 0; j < n; j++) squares += s[i * n + j] * s[i * n + j];
        if (!((double)squares <= longest)) longest = (double)squares;
    }
    if (!(longest <= ORTHSR__LONGEST_ROW * ORTHSR__LONGEST_ROW)) return invert_pivoted(s, n);
    invert(s, n, n, room);
    return 0;
}
