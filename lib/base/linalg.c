/* linalg.c - the seam to CBLAS and LAPACKE. */
#include "base/linalg.h"

#include <cblas.h>
#include <lapacke.h>
#include <stdlib.h>

#include "base/memory.h"

#ifdef ORTHSR_DOUBLE
#define XGETRF LAPACKE_dgetrf
#define XGETRI LAPACKE_dgetri
#define XGEQRF LAPACKE_dgeqrf
#define XORGQR LAPACKE_dorgqr
#define XTRSM cblas_dtrsm
#define XGESDD LAPACKE_dgesdd
#else
#define XGETRF LAPACKE_sgetrf
#define XGETRI LAPACKE_sgetri
#define XGEQRF LAPACKE_sgeqrf
#define XORGQR LAPACKE_sorgqr
#define XTRSM cblas_strsm
#define XGESDD LAPACKE_sgesdd
#endif

void orthsr__dgemm(bool ta, bool tb, size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda, const double *b, size_t ldb, double beta,
                   double *c, size_t ldc) {
    cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c,
                (int)ldc);
}

/* A row-major matrix is its transpose to Fortran, and inversion commutes with transposition: the column-major entry
 * avoids LAPACKE's transposed copies. */
int orthsr__invert(real *a, size_t n) {
    lapack_int *pivots = orthsr__calloc(n, sizeof *pivots);
    if (!pivots) return -1;
    lapack_int info = XGETRF(LAPACK_COL_MAJOR, (lapack_int)n, (lapack_int)n, a, (lapack_int)n, pivots);
    if (info == 0) info = XGETRI(LAPACK_COL_MAJOR, (lapack_int)n, a, (lapack_int)n, pivots);
    free(pivots);
    return info;
}

int orthsr__dinvert(double *a, size_t n) {
    lapack_int *pivots = orthsr__calloc(n, sizeof *pivots);
    if (!pivots) return -1;
    lapack_int info = LAPACKE_dgetrf(LAPACK_COL_MAJOR, (lapack_int)n, (lapack_int)n, a, (lapack_int)n, pivots);
    if (info == 0) info = LAPACKE_dgetri(LAPACK_COL_MAJOR, (lapack_int)n, a, (lapack_int)n, pivots);
    free(pivots);
    return info;
}

int orthsr__qr(real *x, real *r, size_t n, size_t p) {
    real *tau = orthsr__aligned(p, sizeof *tau);
    if (!tau) return -1;
    lapack_int info = XGEQRF(LAPACK_ROW_MAJOR, (lapack_int)n, (lapack_int)p, x, (lapack_int)p, tau);
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < p; j++) r[i * p + j] = j < i ? 0 : x[i * p + j];
    if (info == 0) info = XORGQR(LAPACK_ROW_MAJOR, (lapack_int)n, (lapack_int)p, (lapack_int)p, x, (lapack_int)p, tau);
    free(tau);
    return info;
}

void orthsr__divide_upper(bool transposed, real *x, const real *r, size_t n, size_t p) {
    XTRSM(CblasRowMajor, CblasRight, CblasUpper, transposed ? CblasTrans : CblasNoTrans, CblasNonUnit, (int)n, (int)p, 1, r, (int)p, x, (int)p);
}

/* To Fortran x is X^T = W S V^T of shape (p, n): v^T comes out as V (n, p), w as W^T (p, p), row-major, and X = V S W^T. */
int orthsr__polar_svd(real *x, size_t n, size_t p) {
    real *v = orthsr__aligned(n * p, sizeof *v), *w = orthsr__aligned(p * p, sizeof *w), *s = orthsr__aligned(p, sizeof *s);
    lapack_int info = -1;
    if (v && w && s) info = XGESDD(LAPACK_COL_MAJOR, 'S', (lapack_int)p, (lapack_int)n, x, (lapack_int)p, s, w, (lapack_int)p, v, (lapack_int)p);
    if (info == 0) orthsr__gemm(false, false, n, p, p, 1, v, p, w, p, 0, x, p);
    free(v);
    free(w);
    free(s);
    return info;
}
