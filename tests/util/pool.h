/* pool.h - a pool for tests of what needs one; it lives until the program ends. */
#ifndef TESTS_UTIL_POOL_H
#define TESTS_UTIL_POOL_H

#include "base/pool.h"
#include "util/check.h"

static inline orthsr__pool *workers(size_t threads) {
    static orthsr__pool *pool;
    if (pool && orthsr__pool_threads(pool) == threads) return pool;
    orthsr__pool_free(pool);
    ck_assert_int_eq(orthsr__pool_new(&pool, threads, NULL), ORTHSR_OK);
    return pool;
}

#endif
