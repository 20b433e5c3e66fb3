/* linalg.c - the seam to CBLAS and LAPACKE. */
#include "base/linalg.h"

#include <cblas.h>
#include <lapacke.h>
#include <stdlib.h>

#include "base/memory.h"

#ifdef ORTHSR_DOUBLE
#define XGEQRF LAPACKE_dgeqrf_work
#define XORGQR LAPACKE_dorgqr_work
#define XTRSM cblas_dtrsm
#define XGESDD LAPACKE_dgesdd_work
#else
#define XGEQRF LAPACKE_sgeqrf_work
#define XORGQR LAPACKE_sorgqr_work
#define XTRSM cblas_strsm
#define XGESDD LAPACKE_sgesdd_work
#endif

void orthsr__dgemm(bool ta, bool tb, size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda, const double *b, size_t ldb, double beta,
                   double *c, size_t ldc) {
    cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c,
                (int)ldc);
}

/* Workspace is ours throughout: LAPACKE's own functions print when there is none for theirs. */
enum { MEMORY = -1 };

/* A row-major matrix is its transpose to Fortran, and inversion commutes with transposition. */
#define DEFINE_INVERT(name, type, getrf, getri)                                                                                                                \
    int name(type *a, size_t n) {                                                                                                                              \
        lapack_int order = (lapack_int)n, *pivots = orthsr__calloc(n, sizeof *pivots);                                                                         \
        type best = 1, *work = NULL;                                                                                                                           \
        if (pivots && getri(LAPACK_COL_MAJOR, order, a, order, pivots, &best, -1) == 0) work = orthsr__aligned((size_t)best, sizeof *work);                    \
        lapack_int info = work ? getrf(LAPACK_COL_MAJOR, order, order, a, order, pivots) : MEMORY;                                                             \
        if (info == 0) info = getri(LAPACK_COL_MAJOR, order, a, order, pivots, work, (lapack_int)best);                                                        \
        free(work);                                                                                                                                            \
        free(pivots);                                                                                                                                          \
        return info;                                                                                                                                           \
    }
#ifndef ORTHSR_DOUBLE
DEFINE_INVERT(orthsr__invert, float, LAPACKE_sgetrf_work, LAPACKE_sgetri_work)
#else
int orthsr__invert(double *a, size_t n) { return orthsr__dinvert(a, n); }
#endif
DEFINE_INVERT(orthsr__dinvert, double, LAPACKE_dgetrf_work, LAPACKE_dgetri_work)

/* to (columns, rows) = from (rows, columns)^T. */
static void transpose(real *to, const real *from, size_t rows, size_t columns) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) to[j * rows + i] = from[i * columns + j];
}

int orthsr__qr(real *x, real *r, size_t n, size_t p) {
    lapack_int rows = (lapack_int)n, columns = (lapack_int)p;
    real best[2] = {1, 1};
    if (XGEQRF(LAPACK_COL_MAJOR, rows, columns, x, rows, r, &best[0], -1) || XORGQR(LAPACK_COL_MAJOR, rows, columns, columns, x, rows, r, &best[1], -1))
        return MEMORY;
    size_t room = (size_t)(best[0] > best[1] ? best[0] : best[1]);
    real *turned = orthsr__aligned((n + 1) * p + room, sizeof *turned); /* (p, n), (p), (room) */
    if (!turned) return MEMORY;
    real *tau = turned + n * p, *work = tau + p;
    transpose(turned, x, n, p);
    lapack_int info = XGEQRF(LAPACK_COL_MAJOR, rows, columns, turned, rows, tau, work, (lapack_int)room);
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < p; j++) r[i * p + j] = j < i ? 0 : turned[j * n + i];
    if (info == 0) info = XORGQR(LAPACK_COL_MAJOR, rows, columns, columns, turned, rows, tau, work, (lapack_int)room);
    transpose(x, turned, p, n);
    free(turned);
    return info;
}

void orthsr__divide_upper(bool transposed, real *x, const real *r, size_t n, size_t p) {
    XTRSM(CblasRowMajor, CblasRight, CblasUpper, transposed ? CblasTrans : CblasNoTrans, CblasNonUnit, (int)n, (int)p, 1, r, (int)p, x, (int)p);
}

int orthsr__symmetric_eigenvalues(double *values, double *a, size_t n) {
    lapack_int order = (lapack_int)n, integer, room = 2 * order + 1; /* what values without vectors take */
    double *work = orthsr__aligned((size_t)room, sizeof *work);
    lapack_int info = work ? LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, 'N', 'U', order, a, order, values, work, room, &integer, 1) : -1;
    free(work);
    return info;
}

/* To Fortran x is X^T = W S V^T of shape (p, n): v^T comes out as V (n, p), w as W^T (p, p), row-major, and X = V S W^T. */
int orthsr__polar_svd(real *x, size_t n, size_t p) {
    lapack_int rows = (lapack_int)p, columns = (lapack_int)n;
    real best = 1;
    if (XGESDD(LAPACK_COL_MAJOR, 'S', rows, columns, x, rows, x, x, rows, x, rows, &best, -1, NULL)) return MEMORY;
    real *v = orthsr__aligned(n * p, sizeof *v), *w = orthsr__aligned(p * p, sizeof *w), *s = orthsr__aligned(p + (size_t)best, sizeof *s); /* and room */
    lapack_int *integers = orthsr__calloc(8 * p, sizeof *integers), info = MEMORY;
    if (v && w && s && integers) {
        info = XGESDD(LAPACK_COL_MAJOR, 'S', rows, columns, x, rows, s, w, rows, v, rows, s + p, (lapack_int)best, integers);
        if (info < 0) info = 1; /* a value was not finite */
    }
    if (info == 0) orthsr__gemm(false, false, n, p, p, 1, v, p, w, p, 0, x, p);
    free(v);
    free(w);
    free(s);
    free(integers);
    return info;
}
