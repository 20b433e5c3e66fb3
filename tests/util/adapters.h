/* adapters.h - small adapters of every parametrisation. */
#ifndef TESTS_UTIL_ADAPTERS_H
#define TESTS_UTIL_ADAPTERS_H

#include <stdbool.h>

#include "util/check.h"

enum { PARAMETRIZATIONS = ORTHSR_MANIFOLD + 1 };

/* 4 reflections, or a butterfly of so many factors with small blocks of 2. */
static inline orthsr_adapter_options *small_options(orthsr_parametrization parametrization, orthsr_side side, size_t blocks, bool share, size_t factors) {
    orthsr_error error;
    orthsr_adapter_options *options;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, parametrization, &error));
    ck_ok(orthsr_adapter_options_set_side(options, side, &error));
    ck_ok(orthsr_adapter_options_set_blocks(options, blocks, &error));
    ck_ok(orthsr_adapter_options_set_block_share(options, share, &error));
    ck_ok(orthsr_adapter_options_set_reflections(options, 4, &error));
    ck_ok(orthsr_adapter_options_set_butterfly(options, 2, factors, &error));
    return options;
}

/* n blocks (b, b) of values become orthogonal ones near I + them, as ORTHSR_MANIFOLD has them. */
static inline void onto_manifold(float *blocks, size_t n, size_t b) {
    orthsr_error error;
    for (size_t k = 0; k < n; k++, blocks += b * b) {
        for (size_t i = 0; i < b; i++) blocks[i * b + i] += 1;
        ck_ok(orthsr_retract_polar(blocks, b, b, &error));
    }
}

#endif
