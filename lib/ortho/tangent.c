/* tangent.c - projections and lengths of tangent vectors. */
#include "ortho/tangent.h"

#include <string.h>

#include "base/linalg.h"

/* u = g - x work. */
static void subtract(real *u, const real *g, const real *x, const real *work, size_t n, size_t p) {
    if (u != g) memcpy(u, g, n * p * sizeof *u);
    orthsr__gemm(false, false, n, p, p, -1, x, p, work, p, 1, u, p);
}

void orthsr__tangent_project(real *u, const real *g, const real *x, size_t n, size_t p, real *work) {
    orthsr__gemm(true, false, p, p, n, 1, x, p, g, p, 0, work, p);
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < i; j++) work[i * p + j] = work[j * p + i] = (work[i * p + j] + work[j * p + i]) / 2;
    subtract(u, g, x, work, n, p);
}

void orthsr__riemannian_gradient(real *u, const real *g, const real *x, size_t n, size_t p, orthsr_geometry geometry, real *work) {
    if (geometry == ORTHSR_GEOMETRY_EUCLIDEAN) {
        orthsr__tangent_project(u, g, x, n, p, work);
        return;
    }
    orthsr__gemm(true, false, p, p, n, 1, g, p, x, p, 0, work, p);
    subtract(u, g, x, work, n, p);
}

static double squares(const real *u, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)u[i] * (double)u[i];
    return sum;
}

double orthsr__squared_length(const real *u, const real *x, size_t n, size_t p, orthsr_geometry geometry, real *work) {
    double length = squares(u, n * p);
    if (geometry == ORTHSR_GEOMETRY_EUCLIDEAN) return length;
    orthsr__gemm(true, false, p, p, n, 1, x, p, u, p, 0, work, p);
    return length - squares(work, p * p) / 2;
}
