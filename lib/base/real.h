/* real.h - the number type of the numerical core.
 *
 * Every kernel is written once. The library compiles it with real = float; the tests compile the same sources a second
 * time with real = double (-DORTHSR_DOUBLE), so that gradients are checked by central differences in float64.
 */
#ifndef ORTHSR_BASE_REAL_H
#define ORTHSR_BASE_REAL_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef ORTHSR_DOUBLE
typedef double real;
#define REAL_EPSILON 2.220446049250313e-16
#else
typedef float real;
#define REAL_EPSILON 1.1920929e-07f
#endif

/* Hot loops over whole arrays are compiled for several instruction sets; the dynamic loader picks one. */
#if defined(__x86_64__) && defined(__ELF__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ORTHSR__SIMD __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define ORTHSR__SIMD
#endif

/* Small functions called in such loops: GCC inlines across instruction sets only when told to. */
#if defined(__GNUC__)
#define ORTHSR__INLINE static inline __attribute__((always_inline))
#else
#define ORTHSR__INLINE static inline
#endif

/* For arguments. Comparisons are written so that NaN fails them. */
static inline bool orthsr__at_least_zero(float value) { return value >= 0 && isfinite(value); }

static inline void orthsr__real_from_float(real *to, const float *from, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = (real)from[i];
}

static inline void orthsr__real_to_float(float *to, const real *from, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = (float)from[i];
}

/* True when all n values are finite: x - x is 0 exactly for those, NaN for the others. */
static inline int orthsr__all_finite(const real *x, size_t n) {
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++) sum += x[i] - x[i];
    return sum == 0;
}

#endif
