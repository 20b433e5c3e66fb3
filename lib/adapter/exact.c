/* exact.c - A of a block in float64, or its inverse, from the parameters: what merging rounds from. Orthogonal blocks are inverted by their transpose. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/parametrization.h"
#include "base/linalg.h"
#include "base/memory.h"
#include "ortho/butterfly.h"
#include "ortho/householder.h"
#include "ortho/skew.h"

#define SCALAR double
#define GEMM orthsr__dgemm
#define INVERT orthsr__dinvert
#define THETA 0.95
#include "ortho/expm_kernel.h"

static void transpose(double *f, size_t b) {
    for (size_t i = 0; i < b; i++)
        for (size_t j = 0; j < i; j++) {
            double lower = f[i * b + j];
            f[i * b + j] = f[j * b + i];
            f[j * b + i] = lower;
        }
}

/* s (b, b) from p, or its negative, with this on the diagonal. */
static void skew(double *s, const real *p, size_t b, bool negative, double diagonal) {
    for (size_t i = 0; i < b; i++) {
        s[i * b + i] = diagonal;
        for (size_t j = i + 1; j < b; j++, p++) {
            s[i * b + j] = negative ? -(double)*p : (double)*p;
            s[j * b + i] = -s[i * b + j];
        }
    }
}

/* Cayley(-v) is the transpose of Cayley(v), that is its inverse. */
static int cayley(double *f, const real *p, size_t b, bool inverse) {
    skew(f, p, b, inverse, 1);
    int info = orthsr__dinvert(f, b);
    for (size_t i = 0; i < b * b; i++) f[i] *= 2;
    for (size_t i = 0; i < b; i++) f[i * b + i] -= 1;
    return info;
}

int orthsr__exact_cayley(double *f, const real *p, const orthsr__form *form, bool inverse) { return cayley(f, p, form->b, inverse); }

int orthsr__exact_free(double *f, const real *p, const orthsr__form *form, bool inverse) {
    size_t b = form->b;
    for (size_t i = 0; i < b * b; i++) f[i] = (double)p[i] + (i % (b + 1) == 0);
    return inverse ? orthsr__dinvert(f, b) : 0;
}

int orthsr__exact_expm(double *f, const real *p, const orthsr__form *form, bool inverse) {
    size_t b = form->b, n = b * b;
    double *s = orthsr__aligned((EXPM_ROOM + 2) * n, sizeof *s); /* S, the denominator, (EXPM_ROOM, b, b) */
    if (!s) return -1;
    skew(s, p, b, inverse, 0);
    int info = exponential(f, s + n, s, b, s + 2 * n);
    free(s);
    return info;
}

int orthsr__exact_householder(double *f, const real *p, const orthsr__form *form, bool inverse) {
    size_t b = form->b;
    double *u = orthsr__aligned(2 * b, sizeof *u); /* a normal, and its image */
    if (!u) return -1;
    double *image = u + b;
    for (size_t i = 0; i < b * b; i++) f[i] = i % (b + 1) == 0;
    for (size_t i = 0; i < form->reflections; i++) {
        double norm2 = 0;
        for (size_t j = 0; j < b; j++) {
            u[j] = (double)((real)orthsr__householder_base(i / 2, j, b) + p[i * b + j]); /* the normal that was trained */
            norm2 += u[j] * u[j];
        }
        orthsr__dgemm(false, false, b, 1, b, 1, f, b, u, 1, 0, image, 1);
        orthsr__dgemm(false, false, b, b, 1, -2 / norm2, image, 1, u, b, 1, f, b);
    }
    if (inverse) transpose(f, b);
    free(u);
    return 0;
}

int orthsr__exact_butterfly(double *f, const real *p, const orthsr__form *form, bool inverse) {
    size_t b = form->b, s = form->small, n = s * b;
    double *rows = orthsr__aligned(2 * n + s * s, sizeof *rows); /* (s, b) twice, (s, s) */
    if (!rows) return -1;
    double *turned = rows + n, *r = turned + n;
    int info = 0;
    for (size_t i = 0; i < b * b; i++) f[i] = i % (b + 1) == 0;
    for (size_t i = 0; i < form->factors; i++)
        for (size_t k = 0; k < b / s && info == 0; k++, p += orthsr__skew_size(s)) {
            info = cayley(r, p, s, false);
            for (size_t t = 0; t < s; t++) memcpy(rows + t * b, f + orthsr__butterfly_row(k * s + t, s, i) * b, b * sizeof *f);
            orthsr__dgemm(false, false, s, b, s, 1, r, s, rows, b, 0, turned, b);
            for (size_t t = 0; t < s; t++) memcpy(f + orthsr__butterfly_row(k * s + t, s, i) * b, turned + t * b, b * sizeof *f);
        }
    if (inverse) transpose(f, b);
    free(rows);
    return info;
}

/* The orthogonal matrix nearest to the float32 one: two Newton-Schulz steps take a residual of 1e-3 to 1e-12, one of rounding to nothing. */
int orthsr__exact_manifold(double *f, const real *p, const orthsr__form *form, bool inverse) {
    size_t b = form->b, n = b * b;
    double *e = orthsr__aligned(2 * n, sizeof *e); /* (b, b) twice */
    if (!e) return -1;
    double *before = e + n;
    for (size_t i = 0; i < n; i++) f[i] = (double)p[i];
    for (int step = 0; step < 2; step++) {
        memcpy(before, f, n * sizeof *f);
        for (size_t i = 0; i < n; i++) e[i] = i % (b + 1) == 0;
        orthsr__dgemm(true, false, b, b, b, -1, before, b, before, b, 1, e, b);
        orthsr__dgemm(false, false, b, b, b, 0.5, before, b, e, b, 1, f, b);
    }
    if (inverse) transpose(f, b);
    free(e);
    return 0;
}

/* Cayley's S of A is 2 (I + A)^-1 - I, whose symmetric part is 0; the block at s is (I - sS)(I + sS)^-1 = 2 (I + sS)^-1 - I. The entries of (I + A)^-1 grow as
 * 1 / (pi - t) with the largest angle t, and an A that mirrors has t = pi. */
int orthsr__manifold_scaled(real *to, const real *p, const orthsr__form *form, double s) {
    const double most = 1e4;
    size_t b = form->b, n = b * b;
    if (s == 1) {
        memcpy(to, p, n * sizeof *to);
        return 0;
    }
    double *m = orthsr__aligned(2 * n, sizeof *m); /* (b, b) twice: (I + A)^-1, I + sS */
    if (!m) return -1;
    double *g = m + n;
    int info = orthsr__exact_manifold(m, p, form, false);
    for (size_t i = 0; i < b; i++) m[i * b + i] += 1;
    if (info == 0) info = orthsr__dinvert(m, b);
    for (size_t i = 0; i < n && info == 0; i++)
        if (!(fabs(m[i]) <= most)) info = 1;
    for (size_t i = 0; i < b; i++)
        for (size_t j = 0; j < b; j++) g[i * b + j] = i == j ? 1 : s * (m[i * b + j] - m[j * b + i]);
    if (info == 0) info = orthsr__dinvert(g, b);
    for (size_t i = 0; i < n && info == 0; i++) to[i] = (real)(2 * g[i] - (i % (b + 1) == 0));
    free(m);
    return info;
}
