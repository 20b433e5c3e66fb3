/* test_manifold.c - the Stiefel manifold on plain buffers: every retraction and projection against its properties and against geoopt. */
#include "util/check.h"
#include "util/fixture.h"

static orthsr_error error;

static double defect_of(const float *X, size_t n, size_t p) {
    double defect;
    ck_ok(orthsr_orthogonality_defect(&defect, X, n, p, &error));
    return defect;
}

/* A point X (n, p) and a tangent U at it with entries of about scale. */
static void point(float **X, float **U, size_t n, size_t p, double scale) {
    float *G = floats(n * p, scale, 17);
    *X = floats(n * p, 1, 5);
    *U = malloc(n * p * sizeof **U);
    ck_ok(orthsr_retract_qr(*X, n, p, &error));
    ck_ok(orthsr_tangent_project(*U, G, *X, n, p, &error));
    free(G);
}

static const size_t SHAPES[][2] = {{1, 1}, {2, 2}, {7, 7}, {64, 64}, {5, 1}, {40, 3}, {100, 64}, {768, 768}, {1024, 1024}, {768, 256}};
enum { SHAPE_COUNT = sizeof SHAPES / sizeof SHAPES[0], RETRACTIONS = 4 };

/* ---- retractions ----------------------------------------------------------------------------------------------------- */

START_TEST(stays_on_the_manifold) {
    size_t n = SHAPES[_i / RETRACTIONS][0], p = SHAPES[_i / RETRACTIONS][1];
    orthsr_retraction retraction = (orthsr_retraction)(_i % RETRACTIONS);
    if (n > 100 && short_run()) return;
    float *X, *U;
    point(&X, &U, n, p, 1 / sqrt((double)n));
    float *kept = malloc(n * p * sizeof *kept), *zero = floats(n * p, 0, 1);
    memcpy(kept, X, n * p * sizeof *kept);
    ck_ok(orthsr_retract(X, U, n, p, retraction, &error));
    double defect = defect_of(X, n, p);
    ck_assert_msg(defect <= 1e-5, "retraction %d, (%zu, %zu): defect %.3g", retraction, n, p, defect); /* observed: 7e-7 */
    if (n > 1) ck_assert_double_gt(max_relative(X, kept, n * p), 1e-3);
    memcpy(X, kept, n * p * sizeof *X);
    ck_ok(orthsr_retract(X, zero, n, p, retraction, &error)); /* R_X(0) = X */
    ck_assert_double_le(max_relative(X, kept, n * p), 1e-5);  /* observed: 2e-6 */
    free(X);
    free(U);
    free(kept);
    free(zero);
}
END_TEST

/* Both QR retractions are one map, and polar is the nearest point: no other has a smaller distance. */
START_TEST(from_anywhere) {
    enum { N = 60, P = 20 };
    float *X = floats(N * P, 1, 3), *householder = floats(N * P, 1, 3), *cholesky = floats(N * P, 1, 3), *polar = floats(N * P, 1, 3);
    ck_ok(orthsr_retract_qr(householder, N, P, &error));
    ck_ok(orthsr_retract_cholesky_qr(cholesky, N, P, &error));
    ck_ok(orthsr_retract_polar(polar, N, P, &error));
    ck_assert_double_le(max_relative(cholesky, householder, N * P), 1e-5); /* observed: 3.5e-7 */
    ck_assert_double_le(defect_of(cholesky, N, P), 1e-5);                  /* observed: 3.5e-7 */
    ck_assert_double_le(defect_of(polar, N, P), 1e-5);                     /* observed: 3e-7 */
    double to_polar = 0, to_qr = 0;
    for (size_t i = 0; i < N * P; i++) {
        to_polar += pow(polar[i] - X[i], 2);
        to_qr += pow(householder[i] - X[i], 2);
    }
    ck_assert_double_lt(to_polar, to_qr);
    float *again = malloc(N * P * sizeof *again);
    memcpy(again, polar, N * P * sizeof *again);
    ck_ok(orthsr_retract_polar(again, N, P, &error));
    ck_assert_double_le(max_relative(again, polar, N * P), 1e-6); /* observed: 1e-7 */
    free(X);
    free(householder);
    free(cholesky);
    free(polar);
    free(again);
}
END_TEST

static double frobenius_defect(const float *x, size_t n, size_t p) {
    double squares = 0;
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = -(double)(i == j);
            for (size_t k = 0; k < n; k++) sum += (double)x[k * p + i] * (double)x[k * p + j];
            squares += (i == j ? 1 : 2) * sum * sum;
        }
    return sqrt(squares);
}

/* Every way through Cholesky-QR - R to first order, one round with and without a look at the result, two rounds - comes to Householder's Q. `step`: about the
 * spectral norm of the tangent step from a point; 0: no point at all, but columns of random lengths and directions, of a condition number of dozens. */
START_TEST(cholesky_is_householder) {
    static const size_t shapes[][2] = {{1, 1}, {3, 2}, {63, 63}, {64, 64}, {65, 65}, {130, 129}, {300, 70}, {512, 512}, {768, 768}, {1024, 1024}};
    static const double steps[] = {0.5, 0.1, 0.003, 0};
    size_t n = shapes[_i / 4][0], p = shapes[_i / 4][1];
    double step = steps[_i % 4];
    if (n > 100 && short_run()) return;
    float *X, *U;
    point(&X, &U, n, p, sqrt(3) * step / sqrt(2 * (double)n));
    for (size_t i = 0; i < n * p; i++) X[i] += U[i];
    if (step == 0) {
        float *Y = floats(n * p, 0.8 / sqrt((double)n), 23);
        for (size_t i = 0; i < n * p; i++) X[i] = (X[i] + Y[i]) * (float)(1 + i % p % 10);
        free(Y);
    }
    memcpy(U, X, n * p * sizeof *U);
    ck_ok(orthsr_retract_qr(U, n, p, &error));
    ck_ok(orthsr_retract_cholesky_qr(X, n, p, &error));
    double defect = frobenius_defect(X, n, p), difference = 0;
    for (size_t i = 0; i < n * p; i++) difference = fmax(difference, fabs((double)X[i] - (double)U[i]));
    ck_assert_msg(defect <= 1e-5, "(%zu, %zu), step %g: defect %.3g", n, p, step, defect);                   /* observed: 6.8e-6 */
    ck_assert_msg(difference <= 2e-6, "(%zu, %zu), step %g: %.3g from Householder", n, p, step, difference); /* observed: 2.5e-7 */
    free(X);
    free(U);
}
END_TEST

/* X^T X not positive definite in float32, or X scaled by 1e-9: Cholesky gives up and Householder takes over; polar goes by the SVD. */
START_TEST(far_from_full_rank) {
    enum { N = 30, P = 10 };
    for (int kind = 0; kind < 3; kind++) {
        float *X = floats(N * P, kind == 2 ? 1e-15 : 1, 3), *Y;
        for (size_t i = 0; i < N && kind < 2; i++) X[i * P + 4] = X[i * P + 3] * (1 + (kind ? 1e-5f * (float)i : 0));
        Y = malloc(N * P * sizeof *Y);
        memcpy(Y, X, N * P * sizeof *Y);
        ck_ok(orthsr_retract_cholesky_qr(Y, N, P, &error));
        ck_assert_double_le(defect_of(Y, N, P), 1e-5); /* observed: 5e-7 */
        ck_ok(orthsr_retract_polar(X, N, P, &error));
        ck_assert_double_le(defect_of(X, N, P), 1e-5); /* observed: 3.5e-7 */
        free(X);
        free(Y);
    }
}
END_TEST

START_TEST(retraction_errors) {
    float X[6] = {1, 0, 0, 1, 0, 0}, U[6] = {0, NAN, 0, 0, 0, 0};
    for (int r = 0; r < RETRACTIONS; r++) ck_fails(orthsr_retract(X, U, 3, 2, (orthsr_retraction)r, &error), ORTHSR_ERROR_NUMERIC, "not finite");
    ck_fails(orthsr_retract(NULL, U, 3, 2, ORTHSR_RETRACTION_QR, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_retract(X, NULL, 3, 2, ORTHSR_RETRACTION_QR, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_retract(X, U, 2, 3, ORTHSR_RETRACTION_QR, &error), ORTHSR_ERROR_ARGUMENT, "n >= p");
    ck_fails(orthsr_retract(X, U, 3, 2, (orthsr_retraction)4, &error), ORTHSR_ERROR_ARGUMENT, "unknown");
    ck_fails(orthsr_retract_cholesky_qr(NULL, 3, 2, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_retract_polar(U, 3, 2, &error), ORTHSR_ERROR_NUMERIC, "not finite");
    ck_fails(orthsr_retract_cholesky_qr(U, 3, 2, &error), ORTHSR_ERROR_NUMERIC, "not finite");
    ck_fails(orthsr_retract_polar(X, 3, 0, &error), ORTHSR_ERROR_ARGUMENT, "n >= p");
    ck_fails(orthsr_tangent_project(NULL, U, X, 3, 2, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_riemannian_gradient(U, U, X, 3, 2, (orthsr_geometry)2, &error), ORTHSR_ERROR_ARGUMENT, "unknown");
    ck_assert(X[0] == 1 && X[3] == 1 && X[1] == 0);
    float large[4] = {3e38f, 3e38f, 3e38f, -3e38f};
    ck_fails(orthsr_retract_cholesky_qr(large, 2, 2, &error), ORTHSR_ERROR_NUMERIC, "too large");
    ck_assert_float_eq(large[0], 3e38f);
}
END_TEST

static TCase *retraction_case(void) {
    TCase *tcase = tcase_create("retractions");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, stays_on_the_manifold, 0, SHAPE_COUNT * RETRACTIONS);
    tcase_add_test(tcase, from_anywhere);
    tcase_add_loop_test(tcase, cholesky_is_householder, 0, 10 * 4);
    tcase_add_test(tcase, far_from_full_rank);
    tcase_add_test(tcase, retraction_errors);
    return tcase;
}

/* ---- geoopt: tests/oracle/make_ortho.py -------------------------------------------------------------------------------- */

START_TEST(against_geoopt) {
    static const size_t shapes[][2] = {{6, 6}, {11, 3}};
    static const char *const names[RETRACTIONS] = {"qr", "qr", "cayley", "polar"};
    size_t n = shapes[_i][0], p = shapes[_i][1], size;
    char name[64];
    fixture f;
    fixture_open(&f, "tests/data/ortho.safetensors");
#define VALUES(what) (snprintf(name, sizeof name, "stiefel.%zu.%s", n, what), fixture_floats(&f, name, &size))
    const float *X = VALUES("X"), *G = VALUES("G");
    ck_assert_uint_eq(size, n * p);
    float *ours = malloc(size * sizeof *ours);
    ck_ok(orthsr_tangent_project(ours, G, X, n, p, &error));
    ck_assert_double_le(max_relative(ours, VALUES("projected"), size), 1e-6); /* observed: 1e-7 */
    ck_ok(orthsr_riemannian_gradient(ours, G, X, n, p, ORTHSR_GEOMETRY_CANONICAL, &error));
    ck_assert_double_le(max_relative(ours, VALUES("canonical"), size), 1e-6); /* observed: 1e-7 */
    for (int r = 0; r < RETRACTIONS; r++) {
        memcpy(ours, X, size * sizeof *ours);
        ck_ok(orthsr_retract(ours, VALUES(r == ORTHSR_RETRACTION_CAYLEY ? "U_cayley" : "U"), n, p, (orthsr_retraction)r, &error));
        ck_assert_double_le(max_relative(ours, VALUES(names[r]), size), 2e-6); /* observed: 3.5e-7 */
    }
    free(ours);
    fixture_close(&f);
}
END_TEST

static TCase *oracle_case(void) {
    TCase *tcase = tcase_create("geoopt");
    tcase_add_loop_test(tcase, against_geoopt, 0, 2);
    return tcase;
}

TEST_MAIN("manifold", retraction_case, oracle_case)
