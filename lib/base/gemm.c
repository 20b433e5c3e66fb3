/* gemm.c - matrix products by blocks that stay in the caches.
 *
 * Rows are taken some hundred at a time and k is cut at ORTHSR__GEMM_K: A is packed once, and for every block of columns B is packed and multiplied by all of
 * the packed A. Both fit into a small L2 cache; the few rows of A that a tile needs stay in L1. (Goto and van de Geijn, Anatomy of high-performance matrix
 * multiplication, 2008.)
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
    K_ROOM = K + 16,      /* a multiple of K would put all rows into the same lines of the cache */
    BLOCK_ROWS = 55 * 14, /* of A packed at once: the rows of a tile of images, so that B is packed once for them */
    BLOCK_COLUMNS = 256   /* of B packed at once; a multiple of every kernel's tile */
};

typedef orthsr__product job;

enum { LINE = 16 }; /* floats of a line of the cache */

/* Eight rows of eight, f apart as stored, to rows ld_to apart. */
__attribute__((always_inline, target("avx2"))) static inline void transpose_tile(float *to, size_t ld_to, const float *from, size_t ld_from) {
    __m256 x[8], y[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) x[i] = _mm256_loadu_ps(from + (size_t)i * ld_from);
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        x[i] = _mm256_shuffle_ps(y[i], y[i + 2], 0x44);
        x[i + 1] = _mm256_shuffle_ps(y[i], y[i + 2], 0xee);
        x[i + 2] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0x44);
        x[i + 3] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(to + (size_t)i * ld_to, _mm256_permute2f128_ps(x[i], x[i + 4], 0x20));
        _mm256_storeu_ps(to + (size_t)(i + 4) * ld_to, _mm256_permute2f128_ps(x[i], x[i + 4], 0x31));
    }
}

/* to (rows, columns), rows ld_to apart, of from (columns, rows), rows ld_from apart: to[r][c] = from[c][r]. Eight rows of `from` at a time are read from end to
 * end, and the next eight are asked for. */
__attribute__((noinline, target("avx2"))) static void transpose(float *restrict to, size_t ld_to, const float *restrict from, size_t ld_from, size_t rows,
                                                                size_t columns) {
    size_t whole_rows = rows / 8 * 8, whole_columns = columns / 8 * 8;
    for (size_t c = 0; c < whole_columns; c += 8)
        for (size_t r = 0; r < whole_rows; r += 8) {
            const float *f = from + c * ld_from + r;
            if (r % LINE == 0 && c + 16 <= columns)
                for (size_t i = 8; i < 16; i++) __builtin_prefetch(f + i * ld_from);
            transpose_tile(to + r * ld_to + c, ld_to, f, ld_from);
        }
    for (size_t r = 0; r < rows; r++)
        for (size_t c = r < whole_rows ? whole_columns : 0; c < columns; c++) to[r * ld_to + c] = from[c * ld_from + r];
}

/* to (rows, columns), rows ld_to apart, of from, rows ld_from apart. */
__attribute__((noinline, target("avx2"))) static void copy(float *restrict to, size_t ld_to, const float *restrict from, size_t ld_from, size_t rows,
                                                           size_t columns) {
    for (size_t r = 0; r < rows; r++, to += ld_to, from += ld_from) {
        size_t i = 0;
        for (; i + LINE <= columns; i += LINE) {
            __builtin_prefetch(from + 2 * ld_from + i);
            _mm256_storeu_ps(to + i, _mm256_loadu_ps(from + i));
            _mm256_storeu_ps(to + i + 8, _mm256_loadu_ps(from + i + 8));
        }
        for (; i < columns; i++) to[i] = from[i];
    }
}

/* Rows first .. first + rows - 1 and columns p .. p + k - 1 of op(A). */
static void pack_a(float *to, const job *j, size_t first, size_t rows, size_t p, size_t k) {
    if (j->ta) {
        transpose(to, K_ROOM, j->a + p * j->lda + first, j->lda, rows, k);
        return;
    }
    copy(to, K_ROOM, j->a + first * j->lda + p, j->lda, rows, k);
}

/* k rows of n columns, rows ld apart, to panels of `wide` columns one after another. Rows are read from end to end. */
__attribute__((noinline, target("avx2"))) static void copy_panels(float *restrict to, const float *restrict from, size_t ld, size_t k, size_t n, size_t wide) {
    size_t whole = n / wide * wide;
    for (size_t r = 0; r < k; r++, from += ld, to += wide) {
        for (size_t i = 0; i < whole; i += LINE) __builtin_prefetch(from + 2 * ld + i);
        for (size_t i = 0; i < whole; i += wide)
            for (size_t c = 0; c < wide; c += 8) _mm256_storeu_ps(to + i * k + c, _mm256_loadu_ps(from + i + c));
        for (size_t i = whole; i < n; i++) to[whole * k + i - whole] = from[i];
    }
}

/* Rows p .. p + k - 1 and n columns from first of op(B), `wide` columns after `wide`, zeros beyond the last. */
static void pack_b(float *to, const job *j, size_t p, size_t k, size_t first, size_t n, size_t wide) {
    size_t last = n / wide * wide; /* where a panel that is not full begins */
    if (!j->tb) copy_panels(to, j->b + p * j->ldb + first, j->ldb, k, n, wide);
    for (size_t i = 0; i < n && j->tb; i += wide) transpose(to + i * k, wide, j->b + (first + i) * j->ldb + p, j->ldb, k, n - i < wide ? n - i : wide);
    for (size_t r = 0; r < k && last < n; r++) memset(to + last * k + r * wide + (n - last), 0, (last + wide - n) * sizeof *to);
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

static size_t least(size_t a, size_t b) { return a < b ? a : b; }
static size_t round_up(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/* Floats of room that a product needs: for packed A, and packed B. */
static size_t room_for_a(const struct kernel *kernel, const job *j) { return round_up(least(j->m, BLOCK_ROWS), kernel->rows) * K_ROOM; }
static size_t room_for_b(const struct kernel *kernel, const job *j) { return round_up(least(j->n, BLOCK_COLUMNS), kernel->wide) * least(j->k, K); }

static void by_kernel(const struct kernel *kernel, const job *j, float *room) {
    float *a = room, *b = room + room_for_a(kernel, j);
    size_t block_rows = BLOCK_ROWS / kernel->rows * kernel->rows;
    for (size_t top = 0; top < j->m; top += block_rows)
        for (size_t p = 0; p < j->k; p += K) {
            size_t rows = least(j->m - top, block_rows), k = least(j->k - p, K);
            job shape = *j;
            if (p > 0) shape.ldd = j->ldc;
            pack_a(a, j, top, rows, p, k);
            for (size_t first = 0; first < j->n; first += BLOCK_COLUMNS) {
                size_t n = least(j->n - first, BLOCK_COLUMNS);
                const float *bias = p == 0 && j->bias ? j->bias + first : NULL;
                pack_b(b, j, p, k, first, n, kernel->wide);
                for (size_t r = 0; r < rows; r += kernel->rows) {
                    float *c = j->c + (top + r) * j->ldc + first;
                    const float *d = p > 0 ? c : j->d ? j->d + (top + r) * j->ldd + first : NULL;
                    kernel->panel(&shape, c, d, bias, a + r * K_ROOM, b, k, (int)least(rows - r, kernel->rows), n);
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
    enum { SMALL = 1 << 14 };
    const struct kernel *k = &KERNELS[kernel];
    float small[SMALL] __attribute__((aligned(64))), *room = orthsr__scratch(), *own = NULL;
    if (!room && room_for_a(k, p) + room_for_b(k, p) <= SMALL) room = small;
    if (!room) room = own = orthsr__aligned(ORTHSR__SCRATCH, 1);
    if (!room) return false;
    by_kernel(k, p, room);
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

/* Least rows or columns of a part, where there are as many: packing costs little then; parts for a thread; what parts are made of: whole tiles of every kernel.
 */
enum { SIDE = 384, PARTS = 3, UNIT_ROWS = 42, UNIT_COLUMNS = 32 };

typedef struct cut {
    const orthsr__product *product;
    size_t down, across; /* parts */
} cut;

/* Where part i of `parts` begins, of n cut between units. */
static size_t begin(size_t n, size_t unit, size_t parts, size_t i) {
    size_t units = (n + unit - 1) / unit, at = units * i / parts * unit;
    return at < n ? at : n;
}

static void multiply_part(void *context, size_t i) {
    const cut *of = context;
    orthsr__product p = *of->product;
    size_t y = i / of->across, x = i % of->across;
    size_t r = begin(p.m, UNIT_ROWS, of->down, y), c = begin(p.n, UNIT_COLUMNS, of->across, x);
    p.m = begin(p.m, UNIT_ROWS, of->down, y + 1) - r;
    p.n = begin(p.n, UNIT_COLUMNS, of->across, x + 1) - c;
    p.a += p.ta ? r : r * p.lda;
    p.b += p.tb ? c * p.ldb : c;
    p.c += r * p.ldc + c;
    if (p.d) p.d += r * p.ldd + c;
    if (p.bias) p.bias += c;
    multiply(&p);
}

static size_t pieces(size_t n, size_t least_of_one, size_t most) {
    size_t count = n / least_of_one;
    return count < 1 ? 1 : count > most ? most : count;
}

void orthsr__multiply(orthsr__pool *pool, const orthsr__product *p) {
    size_t threads = orthsr__pool_threads(pool), wanted = PARTS * threads;
    cut of = {p, 1, 1};
    bool worth = 2 * (double)p->m * (double)p->n * (double)p->k > 8 * (double)ORTHSR__WORTH_SHARING; /* products go fast */
    if (threads > 1 && worth) { /* rows first: B is packed for each part anew, A for each is read again */
        of.down = pieces(p->m, SIDE, wanted);
        of.across = pieces(p->n, SIDE, (wanted + of.down - 1) / of.down);
        if (of.down > threads) of.down -= of.down % threads; /* no thread has one more than others */
        if (of.down * of.across < threads) of.across = pieces(p->n, 2 * UNIT_COLUMNS, threads);
    }
    orthsr__pool_run(pool, of.down * of.across, multiply_part, &of);
}

void orthsr__gemm(bool ta, bool tb, size_t m, size_t n, size_t k, real alpha, const real *a, size_t lda, const real *b, size_t ldb, real beta, real *c,
                  size_t ldc) {
    const orthsr__product p = {ta, tb, m, n, k, alpha, a, lda, b, ldb, beta != 0 ? c : NULL, ldc, NULL, c, ldc};
    for (size_t r = 0; r < m && beta != 0 && beta != 1; r++)
        for (size_t i = 0; i < n; i++) c[r * ldc + i] *= beta;
    multiply(&p);
}
