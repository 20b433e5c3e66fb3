/* test_gemm.c - products against float64, and the promise that an element's bits depend on nothing but its row, its column and k. */
#include "base/gemm.h"
#include "util/check.h"

typedef struct operands {
    float *a, *b, *d, *bias, *c;
} operands;

static operands make(orthsr__product *p, unsigned long seed) {
    p->lda = (p->ta ? p->m : p->k) + 3;
    p->ldb = (p->tb ? p->k : p->n) + 2;
    p->ldc = p->n + 1;
    p->ldd = p->n + 4;
    operands o = {floats((p->ta ? p->k : p->m) * p->lda, 1, seed), floats((p->tb ? p->n : p->k) * p->ldb, 1, seed + 1), floats(p->m * p->ldd, 1, seed + 2),
                  floats(p->n, 1, seed + 3), floats(p->m * p->ldc, 1, seed + 4)};
    p->a = o.a;
    p->b = o.b;
    p->c = o.c;
    return o;
}

static void release(operands *o) {
    free(o->a);
    free(o->b);
    free(o->d);
    free(o->bias);
    free(o->c);
}

/* Largest error against float64, in units of what k roundings of the terms may add up to. */
static double error_of(const orthsr__product *p) {
    double worst = 0;
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) {
            double sum = 0, size = 0, start = (p->d ? (double)p->d[i * p->ldd + j] : 0) + (p->bias ? (double)p->bias[j] : 0);
            for (size_t k = 0; k < p->k; k++) {
                double term = (double)p->a[p->ta ? k * p->lda + i : i * p->lda + k] * (double)p->b[p->tb ? j * p->ldb + k : k * p->ldb + j];
                sum += term;
                size += fabs(term);
            }
            double exact = start + (double)p->alpha * sum, off = fabs((double)p->c[i * p->ldc + j] - exact);
            double unit = 6e-8 * (fabs(start) + fabs((double)p->alpha) * size * sqrt((double)p->k) + 1e-30);
            worst = fmax(worst, off / unit);
        }
    return worst;
}

static const size_t SHAPES[][3] = {{1, 1, 1},      {14, 32, 256},  {15, 33, 257}, {28, 64, 512},   {5, 16, 7}, {13, 17, 600},
                                   {197, 64, 197}, {197, 197, 64}, {3, 530, 31},  {61, 1100, 300}, {6, 15, 1}, {400, 40, 20}};
enum { SHAPE_COUNT = sizeof SHAPES / sizeof *SHAPES };

/* Observed at most 1.4. */
START_TEST(products_against_float64) {
    for (int kernel = ORTHSR__GEMM_AVX512; kernel <= ORTHSR__GEMM_CBLAS; kernel++)
        for (size_t s = 0; s < SHAPE_COUNT; s++)
            for (int way = 0; way < 16; way++) {
                orthsr__product p = {.ta = way & 1, .tb = way >> 1 & 1, .m = SHAPES[s][0], .n = SHAPES[s][1], .k = SHAPES[s][2], .alpha = way & 4 ? 0.3f : 1};
                operands o = make(&p, 1 + s);
                if (way & 8) {
                    p.d = o.d;
                    p.bias = o.bias;
                }
                if (orthsr__multiply_by((orthsr__gemm_kernel)kernel, &p)) ck_assert_double_lt(error_of(&p), 4);
                release(&o);
            }
}
END_TEST

static bool same(const float *x, const float *y, size_t rows, size_t columns, size_t ldx, size_t ldy) {
    for (size_t i = 0; i < rows; i++)
        if (memcmp(x + i * ldx, y + i * ldy, columns * sizeof *x)) return false;
    return true;
}

/* Does the best kernel there is agree with the others of ours, with a product cut anywhere, and with any number of threads? CBLAS promises none of it. */
START_TEST(bits_stay) {
    for (size_t s = 0; s < SHAPE_COUNT; s++)
        for (int way = 0; way < 8; way++) {
            orthsr__product p = {.ta = way & 1, .tb = way >> 1 & 1, .m = SHAPES[s][0], .n = SHAPES[s][1], .k = SHAPES[s][2], .alpha = way & 4 ? 0.3f : 1};
            operands o = make(&p, 1 + s);
            p.d = o.d;
            p.bias = o.bias;
            float *first = malloc(p.m * p.n * sizeof *first);
            if (!orthsr__multiply_by(ORTHSR__GEMM_AVX512, &p) && !orthsr__multiply_by(ORTHSR__GEMM_AVX2, &p)) return;
            for (size_t i = 0; i < p.m; i++) memcpy(first + i * p.n, p.c + i * p.ldc, p.n * sizeof *first);
            if (orthsr__multiply_by(ORTHSR__GEMM_AVX2, &p)) ck_assert(same(first, p.c, p.m, p.n, p.n, p.ldc));
            for (size_t threads = 1; threads <= 4; threads++) {
                orthsr__pool *pool;
                ck_assert_int_eq(orthsr__pool_new(&pool, threads, NULL), ORTHSR_OK);
                memset(o.c, 0, p.m * p.ldc * sizeof *o.c);
                orthsr__multiply(pool, &p);
                ck_assert(same(first, p.c, p.m, p.n, p.n, p.ldc));
                ck_assert_double_eq(orthsr__pool_work(pool), 2.0 * (double)(p.m * p.n * p.k));
                orthsr__pool_free(pool);
            }
            orthsr__product q = p; /* the last row, and the last column */
            q.m = q.n = 1;
            q.a += (p.m - 1) * (p.ta ? 1 : p.lda);
            q.b += (p.n - 1) * (p.tb ? p.ldb : 1);
            q.d += (p.m - 1) * p.ldd + p.n - 1;
            q.bias += p.n - 1;
            float one;
            q.c = &one;
            orthsr__multiply(NULL, &q);
            ck_assert(memcmp(&one, &first[p.m * p.n - 1], sizeof one) == 0);
            free(first);
            release(&o);
        }
}
END_TEST

/* c is d. */
START_TEST(in_place) {
    orthsr__product p = {.m = 30, .n = 70, .k = 700, .alpha = 1};
    operands o = make(&p, 3), twin = make(&p, 3);
    p.c = o.c;
    p.d = twin.c;
    p.ldd = p.ldc;
    orthsr__multiply(NULL, &p);
    orthsr__product q = p;
    q.c = twin.c;
    orthsr__multiply(NULL, &q);
    ck_assert(same(o.c, twin.c, p.m, p.n, p.ldc, p.ldc));
    release(&o);
    release(&twin);
}
END_TEST

/* ---- the pool ----------------------------------------------------------------------------------------------------------------------- */

enum { TASKS = 1000 };

static void mark(void *context, size_t i) { ((int *)context)[i]++; }

static void mark_part(void *context, size_t first, size_t count) {
    for (size_t i = 0; i < count; i++) ((int *)context)[first + i]++;
}

static void nested(void *context, size_t i) { orthsr__pool_run(((orthsr__pool **)context)[0], 10, mark, (int *)((void **)context)[1] + 10 * i); }

START_TEST(pool_runs_every_task_once) {
    for (size_t threads = 0; threads <= 5; threads++) {
        orthsr__pool *pool;
        ck_assert_int_eq(orthsr__pool_new(&pool, threads, NULL), ORTHSR_OK);
        ck_assert_uint_eq(orthsr__pool_threads(pool), threads ? threads : orthsr__processors());
        int done[TASKS] = {0};
        for (int round = 0; round < 50; round++) {
            orthsr__pool_run(pool, TASKS, mark, done);
            orthsr__pool_split(pool, TASKS, 7, mark_part, done);
            orthsr__pool_run(pool, 0, mark, NULL);
            void *context[] = {pool, done};
            orthsr__pool_run(pool, TASKS / 10, nested, context);
        }
        for (size_t i = 0; i < TASKS; i++) ck_assert_int_eq(done[i], 150);
        ck_assert_ptr_null(orthsr__scratch());
        orthsr__pool_free(pool);
    }
}
END_TEST

static TCase *product_case(void) {
    TCase *tcase = tcase_create("products");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, products_against_float64);
    tcase_add_test(tcase, bits_stay);
    tcase_add_test(tcase, in_place);
    tcase_add_test(tcase, pool_runs_every_task_once);
    return tcase;
}

TEST_MAIN("gemm", product_case)
