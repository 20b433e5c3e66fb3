/* grad_manifold.c - float64: the order of every retraction, measured against the exponential map, and the geometry of tangents. */
#include "util/check.h"

#include "base/linalg.h"
#include "ortho/retraction.h"
#include "ortho/tangent.h"

static orthsr_error error;

static double norm(const double *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
    return sqrt(sum);
}

static double inner(const double *x, const double *y, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

/* e (q, q) = exp(a) by 30 terms of its series: for norms below 1. */
static void series(double *e, const double *a, size_t q) {
    double *term = doubles(q * q, 0, 1), *next = doubles(q * q, 0, 1);
    for (size_t i = 0; i < q * q; i++) e[i] = term[i] = i % (q + 1) == 0;
    for (int k = 1; k <= 30; k++) {
        orthsr__gemm(false, false, q, q, q, 1.0 / k, term, q, a, q, 0, next, q);
        memcpy(term, next, q * q * sizeof *term);
        for (size_t i = 0; i < q * q; i++) e[i] += term[i];
    }
    free(term);
    free(next);
}

/* y = Exp_X(t U) for the Euclidean metric (Edelman, Arias, Smith 1998): [X U] exp(t [A, -S; I, A]) [exp(-tA); 0], A = X^T U, S = U^T U. */
static void euclidean_exponential(double *y, const double *x, const double *u, double t, size_t n, size_t p) {
    size_t q = 2 * p;
    double *a = doubles(p * p, 0, 1), *s = doubles(p * p, 0, 1), *w = doubles(q * q, 0, 1), *e = doubles(q * q, 0, 1), *back = doubles(p * p, 0, 1),
           *xu = doubles(n * q, 0, 1), *left = doubles(n * q, 0, 1);
    orthsr__gemm(true, false, p, p, n, t, x, p, u, p, 0, a, p);
    orthsr__gemm(true, false, p, p, n, t * t, u, p, u, p, 0, s, p);
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < p; j++) {
            w[i * q + j] = w[(p + i) * q + p + j] = a[i * p + j];
            w[i * q + p + j] = -s[i * p + j];
            w[(p + i) * q + j] = i == j;
            a[i * p + j] = -a[i * p + j];
        }
    series(e, w, q);
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < p; j++) a[i * p + j] = -w[i * q + j];
    series(back, a, p);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < p; j++) {
            xu[i * q + j] = x[i * p + j];
            xu[i * q + p + j] = t * u[i * p + j];
        }
    orthsr__gemm(false, false, n, q, q, 1, xu, q, e, q, 0, left, q);
    orthsr__gemm(false, false, n, p, p, 1, left, q, back, p, 0, y, p);
    free(a);
    free(s);
    free(w);
    free(e);
    free(back);
    free(xu);
    free(left);
}

/* y = Exp_X(t U) for the canonical metric: exp(tW) X with W = P U X^T - X U^T P, P = I - X X^T / 2. */
static void canonical_exponential(double *y, const double *x, const double *u, double t, size_t n, size_t p) {
    double *a = doubles(p * p, 0, 1), *pu = doubles(n * p, 0, 1), *w = doubles(n * n, 0, 1), *e = doubles(n * n, 0, 1);
    memcpy(pu, u, n * p * sizeof *u);
    orthsr__gemm(true, false, p, p, n, 1, x, p, u, p, 0, a, p);
    orthsr__gemm(false, false, n, p, p, -0.5, x, p, a, p, 1, pu, p);
    orthsr__gemm(false, true, n, n, p, t, pu, p, x, p, 0, w, n);
    orthsr__gemm(false, true, n, n, p, -t, x, p, pu, p, 1, w, n);
    series(e, w, n);
    orthsr__gemm(false, false, n, p, n, 1, e, n, x, p, 0, y, p);
    free(a);
    free(pu);
    free(w);
    free(e);
}

/* A point and a tangent of length 1 at it. */
static void point(double **x, double **u, size_t n, size_t p) {
    double *work = doubles(p * p, 0, 1);
    *x = doubles(n * p, 1, 3);
    *u = doubles(n * p, 1, 4);
    ck_ok(orthsr__retract_qr(*x, n, p, &error));
    orthsr__tangent_project(*u, *u, *x, n, p, work);
    double length = norm(*u, n * p);
    for (size_t i = 0; i < n * p; i++) (*u)[i] /= length;
    free(work);
}

static double distance(const double *x, const double *u, double t, size_t n, size_t p, orthsr_retraction retraction) {
    double *y = doubles(n * p, 0, 1), *exact = doubles(n * p, 0, 1), *step = doubles(n * p, 0, 1);
    memcpy(y, x, n * p * sizeof *y);
    for (size_t i = 0; i < n * p; i++) step[i] = t * u[i];
    ck_ok(orthsr__retract(y, NULL, step, n, p, retraction, &error));
    if (retraction == ORTHSR_RETRACTION_CAYLEY) canonical_exponential(exact, x, u, t, n, p);
    else euclidean_exponential(exact, x, u, t, n, p);
    for (size_t i = 0; i < n * p; i++) y[i] -= exact[i];
    double d = norm(y, n * p);
    free(y);
    free(exact);
    free(step);
    return d;
}

static const size_t SHAPES[][2] = {{6, 6}, {9, 4}, {12, 3}, {7, 1}};
static const struct {
    orthsr_retraction retraction;
    double order; /* the distance from the exponential is O(t^order) */
} ORDERS[] = {{ORTHSR_RETRACTION_QR, 2}, {ORTHSR_RETRACTION_CHOLESKY_QR, 2}, {ORTHSR_RETRACTION_CAYLEY, 3}, {ORTHSR_RETRACTION_POLAR, 3}};

START_TEST(retraction_order) {
    size_t n = SHAPES[_i / 4][0], p = SHAPES[_i / 4][1];
    orthsr_retraction retraction = ORDERS[_i % 4].retraction;
    double *x, *u, order = p == 1 ? 3 : ORDERS[_i % 4].order; /* on the sphere QR is normalisation, which is polar */
    point(&x, &u, n, p);
    double slope = log10(distance(x, u, 1e-2, n, p, retraction) / distance(x, u, 1e-3, n, p, retraction));
    ck_close(slope, order, 0.02); /* observed: within 3e-3 */
    free(x);
    free(u);
}
END_TEST

/* Idempotent; orthogonal: G - proj G is normal to every tangent; the image is tangent; both gradients represent the differential in their metric. */
START_TEST(tangent_geometry) {
    size_t n = SHAPES[_i][0], p = SHAPES[_i][1], size = n * p;
    double *x, *u, *g = doubles(size, 1, 8), *projected = doubles(size, 0, 1), *again = doubles(size, 0, 1), *work = doubles(p * p, 0, 1), *sum;
    point(&x, &u, n, p);
    orthsr__tangent_project(projected, g, x, n, p, work);
    orthsr__tangent_project(again, projected, x, n, p, work);
    ck_assert_double_le(max_relative_double(again, projected, size), 1e-14); /* observed: 4e-16 */
    ck_close(inner(g, u, size) - inner(projected, u, size), 0, 1e-14);
    orthsr__gemm(true, false, p, p, n, 1, x, p, projected, p, 0, work, p);
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j <= i; j++) ck_close(work[i * p + j], -work[j * p + i], 1e-14);
    for (int geometry = 0; geometry < 2; geometry++) { /* <grad, U> = <G, U>, by polarisation of the squared length */
        orthsr__riemannian_gradient(projected, g, x, n, p, (orthsr_geometry)geometry, work);
        sum = again;
        for (size_t i = 0; i < size; i++) sum[i] = projected[i] + u[i];
        double both = orthsr__squared_length(sum, x, n, p, (orthsr_geometry)geometry, work) -
                      orthsr__squared_length(projected, x, n, p, (orthsr_geometry)geometry, work) -
                      orthsr__squared_length(u, x, n, p, (orthsr_geometry)geometry, work);
        ck_close(both / 2, inner(g, u, size), 1e-13); /* observed: 1.4e-15 */
    }
    free(x);
    free(u);
    free(g);
    free(projected);
    free(again);
    free(work);
}
END_TEST

/* Cayley carries a tangent to a tangent of the same length; the others to the nearest tangent. */
START_TEST(transport) {
    size_t n = SHAPES[_i][0], p = SHAPES[_i][1], size = n * p;
    for (int r = 0; r < 4; r++) {
        double *x, *u, *v = doubles(size, 1, 9), *again = doubles(size, 0, 1), *work = doubles(p * p, 0, 1);
        point(&x, &u, n, p);
        orthsr__tangent_project(v, v, x, n, p, work);
        double before = orthsr__squared_length(v, x, n, p, ORTHSR_GEOMETRY_CANONICAL, work);
        ck_ok(orthsr__retract(x, v, u, n, p, (orthsr_retraction)r, &error));
        orthsr__tangent_project(again, v, x, n, p, work);
        ck_assert_double_le(max_relative_double(v, again, size), 1e-13); /* observed: 7e-16 */
        double after = orthsr__squared_length(v, x, n, p, ORTHSR_GEOMETRY_CANONICAL, work);
        if (r == ORTHSR_RETRACTION_CAYLEY) ck_close(after, before, 1e-13);
        free(x);
        free(u);
        free(v);
        free(again);
        free(work);
    }
}
END_TEST

static TCase *manifold_case(void) {
    TCase *tcase = tcase_create("manifold");
    tcase_add_loop_test(tcase, retraction_order, 0, 16);
    tcase_add_loop_test(tcase, tangent_geometry, 0, 4);
    tcase_add_loop_test(tcase, transport, 0, 4);
    return tcase;
}

TEST_MAIN("grad_manifold", manifold_case)
