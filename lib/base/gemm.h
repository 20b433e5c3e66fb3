/* gemm.h - matrix products: C = alpha op(A) op(B) + D + bias.
 *
 * In float32 on x86 with AVX2 or AVX-512 by kernels of our own, elsewhere by CBLAS. Ours have what a BLAS does not promise: an element of C is one chain of
 * fused multiply-adds over k, cut only at multiples of ORTHSR__GEMM_K, so its bits depend neither on the instruction set, nor on the number of threads, nor
 * on how many other rows and columns are computed beside it; and any number of threads may multiply at once.
 */
#ifndef ORTHSR_BASE_GEMM_H
#define ORTHSR_BASE_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"
#include "base/real.h"

enum { ORTHSR__GEMM_K = 256 };

/* Row-major; a leading dimension (ld) is the distance of rows as stored. */
typedef struct orthsr__product {
    bool ta, tb;    /* transposed as stored */
    size_t m, n, k; /* op(A) (m, k), op(B) (k, n), C (m, n) */
    real alpha;
    const real *a;
    size_t lda;
    const real *b;
    size_t ldb;
    const real *d; /* (m, n), may be c; NULL: zeros */
    size_t ldd;
    const real *bias; /* (n), added to every row; NULL: zeros */
    real *c;          /* overlaps neither A nor B */
    size_t ldc;
} orthsr__product;

/* By the pool's threads; pool NULL: by the caller alone. */
void orthsr__multiply(orthsr__pool *pool, const orthsr__product *product);

/* C (m, n) = alpha op(A) op(B) + beta C by the caller alone. */
void orthsr__gemm(bool ta, bool tb, size_t m, size_t n, size_t k, real alpha, const real *a, size_t lda, const real *b, size_t ldb, real beta, real *c,
                  size_t ldc);

/* By the caller alone, with a kernel of the tests' choice, the best first; false, nothing done, where this processor or build does not have it. */
typedef enum orthsr__gemm_kernel { ORTHSR__GEMM_AVX512, ORTHSR__GEMM_AVX2, ORTHSR__GEMM_CBLAS } orthsr__gemm_kernel;
bool orthsr__multiply_by(orthsr__gemm_kernel kernel, const orthsr__product *product);

#endif
