/* householder.c - products of reflections, one rank-1 update each; backward they are taken off again, since a reflection is its own inverse. */
#include "ortho/householder.h"

#include <string.h>

#include "base/fail.h"
#include "base/linalg.h"

double orthsr__householder_base(size_t pair, size_t i, size_t b) {
    const double pi = 3.14159265358979323846;
    return sqrt(2 / (double)b) * cos(pi / (double)b * ((double)i + 0.5) * ((double)pair + 0.5));
}

static double squared_norm(const real *u, size_t b) {
    double sum = 0;
    for (size_t i = 0; i < b; i++) sum += (double)u[i] * (double)u[i];
    return sum;
}

/* m <- m (I - 2 u u^T / norm2); image (b) <- m u of the m before. */
static void reflect(real *m, real *image, const real *u, size_t b, double norm2) {
    orthsr__gemm(false, false, b, 1, b, 1, m, b, u, 1, 0, image, 1);
    orthsr__gemm(false, false, b, b, 1, (real)(-2 / norm2), image, 1, u, b, 1, m, b);
}

/* u (k, b): the normals, w + p. */
static orthsr_status normals(real *u, const real *p, size_t b, size_t k, orthsr_error *error) {
    if (!orthsr__all_finite(p, k * b)) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "a parameter is not finite");
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < b; j++) u[i * b + j] = (real)orthsr__householder_base(i / 2, j, b) + p[i * b + j];
        double norm2 = squared_norm(u + i * b, b);
        if (!(norm2 > 1e-20 && norm2 < 1e20)) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the normal of reflection %zu is of length %g", i, sqrt(norm2));
    }
    return ORTHSR_OK;
}

orthsr_status orthsr__householder_forward(real *a, real *u, const real *p, size_t b, size_t k, orthsr_error *error) {
    ORTHSR__TRY(normals(u, p, b, k, error));
    memset(a, 0, b * b * sizeof *a);
    for (size_t i = 0; i < b; i++) a[i * b + i] = 1;
    for (size_t i = 0; i < k; i++) {
        const real *v = u + i * b;
        if (i % 2 == 0 && memcmp(v, v + b, b * sizeof *v) == 0) i++; /* equal neighbours cancel: A = I exactly at the start */
        else reflect(a, u + k * b, v, b, squared_norm(v, b));
    }
    return ORTHSR_OK;
}

size_t orthsr__householder_work(size_t b) { return 2 * b * b + 4 * b; }

/* With B the product before H and Q = B H: dL/du = -2/|u|^2 (B^T G u + G^T B u) + 4/|u|^4 <B u, G u> u, and G H is the gradient of B. */
void orthsr__householder_adjoint(real *grad_p, const real *grad_a, const real *a, const real *u, size_t b, size_t k, real *work) {
    real *product = work, *g = product + b * b, *bu = g + b * b, *gu = bu + b, *sum = gu + b; /* (b, b) twice, (b) thrice */
    memcpy(product, a, b * b * sizeof *a);
    memcpy(g, grad_a, b * b * sizeof *g);
    for (size_t i = k; i-- > 0;) {
        const real *v = u + i * b;
        double norm2 = squared_norm(v, b), both = 0;
        reflect(product, bu, v, b, norm2); /* back to B */
        orthsr__gemm(false, false, b, 1, b, 1, product, b, v, 1, 0, bu, 1);
        orthsr__gemm(false, false, b, 1, b, 1, g, b, v, 1, 0, gu, 1);
        orthsr__gemm(true, false, b, 1, b, 1, product, b, gu, 1, 0, sum, 1);
        orthsr__gemm(true, false, b, 1, b, 1, g, b, bu, 1, 1, sum, 1);
        for (size_t j = 0; j < b; j++) both += (double)bu[j] * (double)gu[j];
        for (size_t j = 0; j < b; j++) grad_p[i * b + j] += (real)(-2 / norm2 * (double)sum[j] + 4 * both / (norm2 * norm2) * (double)v[j]);
        reflect(g, gu, v, b, norm2);
    }
}
