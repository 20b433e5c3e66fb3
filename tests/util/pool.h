/* pool.h - a pool for tests of what needs one; it is freed when the program ends, or is asked for with another number of threads. */
#ifndef TESTS_UTIL_POOL_H
#define TESTS_UTIL_POOL_H

#include "base/pool.h"
#include "util/check.h"

static orthsr__pool *test_pool;

static void free_test_pool(void) {
    orthsr__pool_free(test_pool);
    test_pool = NULL;
}

static inline orthsr__pool *workers(size_t threads) {
    static int registered;
    if (!registered) registered = atexit(free_test_pool) == 0;
    if (test_pool && orthsr__pool_threads(test_pool) == threads) return test_pool;
    free_test_pool();
    ck_assert_int_eq(orthsr__pool_new(&test_pool, threads, NULL), ORTHSR_OK);
    return test_pool;
}

#endif
