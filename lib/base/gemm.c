/* gemm.c - matrix products by blocks that stay in the caches.
 *
 * For blocks of columns that fill half of a small L2 cache, and k cut at ORTHSR__GEMM_K: B is packed once, then for every few rows A is packed (it stays in L1)
 * and multiplied by all of the packed B. (Goto and van de Geijn, Anatomy of high-performance matrix multiplication, 2008.)
 */
#include "base/gemm.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#if !defined(ORTHSR_DOUBLE) && defined(__x86_64__) && defined(__GNUC__)
#define OWN_KERNELS 1
#include <immintrin.h>
#endif

static void by_cblas(const orthsr__product *p) {
    real beta = p->d || p->bias ? 1 : 0;
    for (size_t r = 0; r < p->m && beta > 0; r++) {
        real *c = p->c + r * p->ldc;
        if (p->d && p->d != p->c) memcpy(c, p->d + r * p->ldd, p->n * sizeof *c);
        if (p->bias && p->d)
            for (size_t i = 0; i < p->n; i++) c[i] += p->bias[i];
        else if (p->bias) memcpy(c, p->bias, p->n * sizeof *c);
    }
    enum CBLAS_TRANSPOSE ta = p->ta ? CblasTrans : CblasNoTrans, tb = p->tb ? CblasTrans : CblasNoTrans;
#ifdef ORTHSR_DOUBLE
    cblas_dgemm
#else
    cblas_sgemm
#endif
        (CblasRowMajor, ta, tb, (int)p->m, (int)p->n, (int)p->k, p->alpha, p->a, (int)p->lda, p->b, (int)p->ldb, beta, p->c, (int)p->ldc);
}

#ifdef OWN_KERNELS

enum {
    K = ORTHSR__GEMM_K,
    K_ROOM = K + 16,                    /* a multiple of K would put all rows into the same lines of the cache */
    COLUMNS = ORTHSR__SCRATCH / (4 * K) /* of B packed at once */
};

typedef orthsr__product job;

/* to (rows, columns), ld K_ROOM or any, of from (columns, rows): to[r][c] = from[c][r]. */
__attribute__((always_inline)) static inline void transpose(float *to, size_t ld_to, const float *from, size_t ld_from, size_t rows, size_t columns) {
    size_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        size_t c = 0;
        for (; c + 4 <= columns; c += 4) {
            const float *f = from + c * ld_from + r;
            float *t = to + r * ld_to + c;
            __m128 x0 = _mm_loadu_ps(f), x1 = _mm_loadu_ps(f + ld_from), x2 = _mm_loadu_ps(f + 2 * ld_from), x3 = _mm_loadu_ps(f + 3 * ld_from);
            _MM_TRANSPOSE4_PS(x0, x1, x2, x3);
            _mm_storeu_ps(t, x0);
            _mm_storeu_ps(t + ld_to, x1);
            _mm_storeu_ps(t + 2 * ld_to, x2);
            _mm_storeu_ps(t + 3 * ld_to, x3);
        }
        for (; c < columns; c++)
            for (size_t i = r; i < r + 4; i++) to[i * ld_to + c] = from[c * ld_from + i];
    }
    for (; r < rows; r++)
        for (size_t c = 0; c < columns; c++) to[r * ld_to + c] = from[c * ld_from + r];
}

/* Rows first .. first + rows - 1 and columns p .. p + k - 1 of op(A). */
static void pack_a(float *to, const job *j, size_t first, size_t rows, size_t p, size_t k) {
    if (j->ta) {
        transpose(to, K_ROOM, j->a + p * j->lda + first, j->lda, rows, k);
        return;
    }
    for (size_t r = 0; r < rows; r++) memcpy(to + r * K_ROOM, j->a + (first + r) * j->lda + p, k * sizeof *to);
}

/* Rows p .. p + k - 1 and n columns from first of op(B), `wide` columns after `wide`. */
static void pack_b(float *to, const job *j, size_t p, size_t k, size_t first, size_t n, size_t wide) {
    for (size_t i = 0; i < n; i += wide, to += k * wide) {
        size_t columns = n - i < wide ? n - i : wide;
        if (j->tb) {
            transpose(to, wide, j->b + (first + i) * j->ldb + p, j->ldb, k, columns);
            for (size_t r = 0; r < k && columns < wide; r++) memset(to + r * wide + columns, 0, (wide - columns) * sizeof *to);
            continue;
        }
        const float *from = j->b + p * j->ldb + first + i;
        for (size_t r = 0; r < k; r++) {
            memcpy(to + r * wide, from + r * j->ldb, columns * sizeof *to);
            if (columns < wide) memset(to + r * wide + columns, 0, (wide - columns) * sizeof *to);
        }
    }
}

#define NAME(x) x##_avx512
#define TARGET "avx512f"
#define VECTOR __m512
#define LANES 16
#define LOAD _mm512_loadu_ps
#define STORE _mm512_storeu_ps
#define SPLAT _mm512_set1_ps
#define ADD _mm512_add_ps
#define MUL _mm512_mul_ps
#define FMA _mm512_fmadd_ps
#define ROWS 14
#include "base/gemm_kernel.h"

#define NAME(x) x##_avx2
#define TARGET "avx2,fma"
#define VECTOR __m256
#define LANES 8
#define LOAD _mm256_loadu_ps
#define STORE _mm256_storeu_ps
#define SPLAT _mm256_set1_ps
#define ADD _mm256_add_ps
#define MUL _mm256_mul_ps
#define FMA _mm256_fmadd_ps
#define ROWS 6
#include "base/gemm_kernel.h"

static const struct kernel {
    size_t rows, wide; /* of a tile of C */
    void (*panel)(const job *j, float *c, const float *d, const float *bias, const float *a, const float *b, size_t k, int rows, size_t n);
} KERNELS[] = {[ORTHSR__GEMM_AVX512] = {14, 32, panel_avx512}, [ORTHSR__GEMM_AVX2] = {6, 16, panel_avx2}};

enum { MOST_ROWS = 14, SMALL = 1 << 14 }; /* SMALL: floats of packed B that the stack has room for */

/* scratch: ORTHSR__SCRATCH bytes. */
static void by_kernel(const struct kernel *kernel, const job *j, float *scratch) {
    float a[MOST_ROWS * K_ROOM] __attribute__((aligned(64)));
    size_t blocks = (j->n + COLUMNS - 1) / COLUMNS, block = (j->n + blocks - 1) / blocks, most;
    block = (block + kernel->wide - 1) / kernel->wide * kernel->wide; /* at most COLUMNS, a multiple of every kernel's */
    for (size_t first = 0; first < j->n; first += block) {
        size_t n = j->n - first < block ? j->n - first : block;
        for (size_t p = 0; p < j->k; p += most) {
            most = j->k - p < K ? j->k - p : K;
            pack_b(scratch, j, p, most, first, n, kernel->wide);
            const float *bias = p == 0 && j->bias ? j->bias + first : NULL;
            for (size_t r = 0; r < j->m; r += kernel->rows) {
                size_t rows = j->m - r < kernel->rows ? j->m - r : kernel->rows;
                float *c = j->c + r * j->ldc + first;
                const float *d = p > 0 ? c : j->d ? j->d + r * j->ldd + first : NULL;
                pack_a(a, j, r, rows, p, most);
                job shape = *j;
                if (p > 0) shape.ldd = j->ldc;
                kernel->panel(&shape, c, d, bias, a, scratch, most, (int)rows, n);
            }
        }
    }
}

static bool has(orthsr__gemm_kernel kernel) {
    if (kernel == ORTHSR__GEMM_AVX512) return __builtin_cpu_supports("avx512f");
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool by_own(orthsr__gemm_kernel kernel, const orthsr__product *p) {
    if (!has(kernel)) return false;
    float small[SMALL] __attribute__((aligned(64))), *room = orthsr__scratch(), *own = NULL;
    size_t k = p->k < K ? p->k : K, n = (p->n + COLUMNS - 1) / COLUMNS; /* as by_kernel cuts them */
    if (!room && k * ((p->n + n - 1) / n + KERNELS[kernel].wide) <= SMALL) room = small;
    if (!room) room = own = orthsr__aligned(ORTHSR__SCRATCH, 1);
    if (!room) return false;
    by_kernel(&KERNELS[kernel], p, room);
    free(own);
    return true;
}

#else

static bool by_own(orthsr__gemm_kernel kernel, const orthsr__product *p) {
    (void)kernel;
    (void)p;
    return false;
}

#endif

bool orthsr__multiply_by(orthsr__gemm_kernel kernel, const orthsr__product *p) {
    if (kernel != ORTHSR__GEMM_CBLAS) return by_own(kernel, p);
    by_cblas(p);
    return true;
}

/* By the caller alone. k = 0 is left to CBLAS: nothing would be written. */
static void multiply(const orthsr__product *p) {
    if (p->m == 0 || p->n == 0) return;
    orthsr__count_work(2 * (double)p->m * (double)p->n * (double)p->k);
    if (p->k > 0 && (by_own(ORTHSR__GEMM_AVX512, p) || by_own(ORTHSR__GEMM_AVX2, p))) return;
    by_cblas(p);
}

/* ---- shared out ----------------------------------------------------------------------------------------------------------------------- */

enum { SIDE = 384, PARTS = 3 }; /* least rows or columns of a part, where there are as many: packing costs less than a hundredth; parts for a thread */

typedef struct cut {
    const orthsr__product *product;
    size_t rows, columns, across; /* of a part; parts side by side */
} cut;

static void multiply_part(void *context, size_t i) {
    const cut *of = context;
    orthsr__product p = *of->product;
    size_t r = i / of->across * of->rows, c = i % of->across * of->columns;
    p.m = p.m - r < of->rows ? p.m - r : of->rows;
    p.n = p.n - c < of->columns ? p.n - c : of->columns;
    p.a += p.ta ? r : r * p.lda;
    p.b += p.tb ? c * p.ldb : c;
    p.c += r * p.ldc + c;
    if (p.d) p.d += r * p.ldd + c;
    if (p.bias) p.bias += c;
    multiply(&p);
}

static size_t pieces(size_t n, size_t least, size_t most) {
    size_t count = n / least;
    return count < 1 ? 1 : count > most ? most : count;
}

static size_t part_of(size_t n, size_t parts, size_t multiple) { return ((n + parts - 1) / parts + multiple - 1) / multiple * multiple; }

void orthsr__multiply(orthsr__pool *pool, const orthsr__product *p) {
    size_t threads = orthsr__pool_threads(pool), wanted = PARTS * threads;
    size_t down = 1, across = 1;
    bool worth = 2 * (double)p->m * (double)p->n * (double)p->k > 8 * (double)ORTHSR__WORTH_SHARING; /* products go fast */
    if (threads > 1 && worth) { /* rows first: B is packed for each part anew, A for each is read again */
        down = pieces(p->m, SIDE, wanted);
        across = pieces(p->n, SIDE, (wanted + down - 1) / down);
        if (down * across < threads) across = pieces(p->n, 64, threads);
    }
    cut of = {.product = p, .rows = part_of(p->m, down, 14 * 6), .columns = part_of(p->n, across, 32)};
    if (down == 1) of.rows = p->m;
    if (p->m == 0 || p->n == 0) return;
    of.across = (p->n + of.columns - 1) / of.columns;
    orthsr__pool_run(pool, (p->m + of.rows - 1) / of.rows * of.across, multiply_part, &of);
}

void orthsr__gemm(bool ta, bool tb, size_t m, size_t n, size_t k, real alpha, const real *a, size_t lda, const real *b, size_t ldb, real beta, real *c,
                  size_t ldc) {
    const orthsr__product p = {ta, tb, m, n, k, alpha, a, lda, b, ldb, beta != 0 ? c : NULL, ldc, NULL, c, ldc};
    for (size_t r = 0; r < m && beta != 0 && beta != 1; r++)
        for (size_t i = 0; i < n; i++) c[r * ldc + i] *= beta;
    multiply(&p);
}
