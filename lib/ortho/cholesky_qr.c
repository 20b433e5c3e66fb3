/* cholesky_qr.c - the Q of a matrix from the Cholesky factor of X^T X: products of blocks, in as many rounds as the result needs (docs/manifold.md). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/linalg.h"
#include "base/memory.h"
#include "ortho/cholesky.h"
#include "ortho/retraction.h"

/* ---- how far from orthonormal? ------------------------------------------------------------------------------------------- */

enum { PROBES = 4 };

/* |G - I|_F of the symmetric matrix with the upper triangle of G (p, p). */
ORTHSR__SIMD static double distance_from_one(const real *g, size_t p) {
    double squares = 0;
    for (size_t i = 0; i < p; i++) {
        double one = (double)g[i * p + i] - 1, beside = 0;
#pragma omp simd reduction(+ : beside)
        for (size_t j = i + 1; j < p; j++) beside += (double)g[i * p + j] * (double)g[i * p + j];
        squares += one * one + 2 * beside;
    }
    return sqrt(squares);
}

/* probes (PROBES, p): R^-1 z for z of random signs, scaled to the length of z, sqrt(p). */
ORTHSR__SIMD static void draw_probes(double *probes, const real *r, size_t p) {
    double *u = probes, *v = u + p, *w = v + p, *x = w + p, squares[PROBES] = {0};
    uint64_t state = 1;
    for (size_t i = p; i-- > 0;) {
        const real *row = r + i * p;
        double sums[PROBES], a = 0, b = 0, c = 0, d = 0;
#pragma omp simd reduction(+ : a, b, c, d)
        for (size_t j = i + 1; j < p; j++) {
            double value = (double)row[j];
            a += value * u[j];
            b += value * v[j];
            c += value * w[j];
            d += value * x[j];
        }
        sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
        for (size_t k = 0; k < PROBES; k++) {
            state = state * 6364136223846793005U + 1442695040888963407U;
            double solved = ((state >> 63 ? 1 : -1) - sums[k]) / (double)row[i];
            probes[k * p + i] = solved;
            squares[k] += solved * solved;
        }
    }
    for (size_t k = 0; k < PROBES; k++)
        for (size_t i = 0; i < p; i++) probes[k * p + i] *= sqrt((double)p / squares[k]);
}

/* images (PROBES, p) += Q^T Q v for the probes v, Q (n, p). */
ORTHSR__SIMD static void apply_gram(double *restrict images, const double *restrict probes, const real *restrict q, size_t n, size_t p) {
    const double *u = probes, *v = u + p, *w = v + p, *x = w + p;
    double *uu = images, *vv = uu + p, *ww = vv + p, *xx = ww + p;
    for (size_t i = 0; i < n; i++, q += p) {
        double a = 0, b = 0, c = 0, d = 0;
#pragma omp simd reduction(+ : a, b, c, d)
        for (size_t j = 0; j < p; j++) {
            double value = (double)q[j];
            a += value * u[j];
            b += value * v[j];
            c += value * w[j];
            d += value * x[j];
        }
#pragma omp simd
        for (size_t j = 0; j < p; j++) {
            double value = (double)q[j];
            uu[j] += a * value;
            vv[j] += b * value;
            ww[j] += c * value;
            xx[j] += d * value;
        }
    }
}

/* About |Q^T Q - I|_F, for Q = X R^-1. |D z|^2 of random signs z has the mean |D|_F^2, and R^-1 z leans to the directions that R^-1 lengthens, where rounding
 * has left the most: the largest over the probes is rather too much than too little. In float64: there is no other rounding than that of Q. room: 2 PROBES p
 * numbers. */
static double estimate_defect(const real *q, const real *r, size_t n, size_t p, double *room) {
    double *probes = room, *images = room + PROBES * p, most = 0;
    draw_probes(probes, r, p);
    memset(images, 0, PROBES * p * sizeof *images);
    apply_gram(images, probes, q, n, p);
    for (size_t k = 0; k < PROBES; k++) {
        double squares = 0;
        for (size_t i = k * p; i < (k + 1) * p; i++) squares += pow(images[i] - probes[i], 2);
        if (!(squares <= most)) most = squares;
    }
    return sqrt(most);
}

/* ---- rounds -------------------------------------------------------------------------------------------------------------- */

/* R = I + the upper triangle of E, half of its diagonal, gives R^T R = I + E up to E^2. g (p, p): I + E becomes R. */
static void first_order(real *g, size_t p) {
    for (size_t i = 0; i < p; i++) g[i * p + i] = 1 + (g[i * p + i] - 1) / 2;
}

/* A round takes q to q R^-1, R^T R = q^T q = I + E, and leaves cond(q)^2 roundings. It was the last one when q was so near to orthonormal that R could be had
 * to first order, when |E|_F < 1/2, for then cond(q)^2 < 3, and when it is found to have left little. (|U|_2 = 0.5 at p = 768 means |E|_F = 2: that bound alone
 * would be too timid by far.) False where the rounds lead nowhere. gram (p, p), inverses (p, TILE), room (n, TILE), probes: as above. */
static bool orthonormalize(real *q, size_t n, size_t p, real *gram, real *inverses, real *room, double *probes) {
    const double near = 2 * sqrt((double)REAL_EPSILON), little = 70 * (double)REAL_EPSILON; /* float32: 7e-4, the square of which is 5e-7; 8.3e-6 */
    for (int round = 0; round < 3; round++) {
        orthsr__gram(gram, q, n, p);
        double distance = distance_from_one(gram, p);
        bool last = distance <= near;
        if (last) {
            first_order(gram, p);
            orthsr__tile_inverses(inverses, gram, p);
        } else if ((round > 0 && !(distance < 0.5)) || !orthsr__cholesky_blocks(gram, inverses, p, room)) {
            return false;
        }
        orthsr__divide_blocks(q, n, p, gram, inverses, room);
        if (last || distance < 0.5 || estimate_defect(q, gram, n, p, probes) <= little) return orthsr__all_finite(q, n * p);
    }
    return false;
}

/* R has a positive diagonal: the matrix is that of orthsr__retract_qr. */
orthsr_status orthsr__retract_cholesky_qr(real *x, size_t n, size_t p, orthsr_error *error) {
    if (!orthsr__all_finite(x, n * p)) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the matrix to retract holds a value that is not finite");
    size_t elements, squared, tiles, count;
    if (!orthsr__mul(&elements, n, p) || !orthsr__mul(&squared, p, p) || !orthsr__add(&tiles, n, p) || !orthsr__mul(&tiles, tiles, ORTHSR__TILE) ||
        !orthsr__add(&count, elements, squared) || !orthsr__add(&count, count, tiles))
        return orthsr__fail_memory(error, "a QR factorisation");
    real *q = orthsr__aligned(count, sizeof *q); /* (n, p), gram (p, p), inverses (p, TILE), room (n, TILE) */
    double *probes = orthsr__aligned(2 * PROBES * p, sizeof *probes);
    bool done = false;
    if (q && probes) {
        real *gram = q + elements, *inverses = gram + squared, *room = inverses + p * ORTHSR__TILE;
        memcpy(q, x, elements * sizeof *q);
        done = orthonormalize(q, n, p, gram, inverses, room, probes);
        if (done) memcpy(x, q, elements * sizeof *x);
    }
    bool short_of_memory = !q || !probes;
    free(q);
    free(probes);
    if (short_of_memory) return orthsr__fail_memory(error, "a QR factorisation");
    return done ? ORTHSR_OK : orthsr__retract_qr(x, n, p, error);
}
