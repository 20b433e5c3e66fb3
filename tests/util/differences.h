/* differences.h - gradients against central differences, in float64. */
#ifndef TESTS_UTIL_DIFFERENCES_H
#define TESTS_UTIL_DIFFERENCES_H

#include "base/real.h"
#include "util/check.h"

#ifndef ORTHSR_DOUBLE
#error "gradient checks are for the float64 build"
#endif

/* value(x, context): the scalar. x (n) is moved entry by entry, every stride-th, and put back. grad (n) is the claim. The result is the largest difference
 * relative to the largest entry of the gradient. With step 1e-5 the truncation is of order 1e-10 and the rounding of order 1e-11. */
typedef double (*scalar_function)(const real *x, void *context);

static inline double gradient_error(real *x, const real *grad, size_t n, size_t stride, scalar_function value, void *context) {
    const double h = 1e-5;
    double worst = 0, scale = 0;
    for (size_t i = 0; i < n; i++)
        if (fabs(grad[i]) > scale) scale = fabs(grad[i]);
    for (size_t i = 0; i < n; i += stride) {
        double x0 = x[i];
        x[i] = x0 + h;
        double up = value(x, context);
        x[i] = x0 - h;
        double down = value(x, context);
        x[i] = x0;
        double difference = fabs((up - down) / (2 * h) - grad[i]);
        if (!(difference <= worst) && !isnan(worst)) worst = difference;
    }
    ck_assert_msg(scale > 0, "the gradient is zero everywhere");
    return worst / scale;
}

static inline double dot(const real *a, const real *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static inline void fill(real *x, size_t n, unsigned long seed) {
    for (size_t i = 0; i < n; i++) x[i] = noise(&seed);
}

#endif
