/* test_optimizer.c - SGD and AdamW against torch.optim, Riemannian SGD and Adam against geoopt (tests/oracle/make_optimizer.py), and steps that must not
 * happen. */
#include "util/check.h"

#include "io/safetensors.h"

static orthsr_error error;

static float *fixture(const char *name, size_t *elements) {
    orthsr__safetensors file;
    ck_ok(orthsr__safetensors_open(&file, "tests/data/optimizer.safetensors", &error));
    const orthsr__tensor *tensor = orthsr__safetensors_find(&file, name);
    ck_assert_msg(tensor != NULL, "no %s", name);
    float *values = malloc(tensor->elements * sizeof *values);
    ck_ok(orthsr__tensor_to_real(values, tensor, file.path, &error));
    *elements = tensor->elements;
    orthsr__safetensors_close(&file);
    return values;
}

static const char *const NAMES[] = {"sgd", "momentum", "adamw", "adamw_low"};

static orthsr_optimizer *make(size_t which, size_t size) {
    orthsr_optimizer *optimizer;
    switch (which) {
    case 0: ck_ok(orthsr_optimizer_sgd(&optimizer, size, 0, 0, &error)); break;
    case 1: ck_ok(orthsr_optimizer_sgd(&optimizer, size, 0.9f, 5e-4f, &error)); break;
    case 2: ck_ok(orthsr_optimizer_adamw(&optimizer, size, 0.9f, 0.999f, 1e-8f, 0.01f, &error)); break;
    default: ck_ok(orthsr_optimizer_adamw(&optimizer, size, 0.25f, 0.5f, 1e-3f, 0.1f, &error)); break;
    }
    return optimizer;
}

START_TEST(steps_are_torchs) {
    size_t size, steps, all;
    float *p = fixture("start", &size), *gradients = fixture("gradients", &all), *rates = fixture("rates", &steps), *after = fixture(NAMES[_i], &all);
    orthsr_optimizer *optimizer = make((size_t)_i, size);
    for (size_t t = 0; t < steps; t++) {
        ck_assert_uint_eq(orthsr_optimizer_steps(optimizer), t);
        ck_ok(orthsr_optimizer_step(optimizer, p, gradients + t * size, size, rates[t], &error));
        ck_assert_double_le(max_relative(p, after + t * size, size), 1e-6); /* observed: 8e-8 */
    }
    ck_assert_uint_eq(orthsr_optimizer_steps(optimizer), steps);
    orthsr_optimizer_free(optimizer);
    free(p);
    free(gradients);
    free(rates);
    free(after);
}
END_TEST

/* What fails leaves parameters and state: the run goes on as if it had not been tried. */
START_TEST(failed_step_changes_nothing) {
    enum { N = 9 };
    orthsr_optimizer *tried = make((size_t)_i, N), *plain = make((size_t)_i, N);
    float p[N], q[N], g[N], bad[N];
    unsigned long seed = 4;
    for (size_t i = 0; i < N; i++) p[i] = q[i] = (float)noise(&seed);
    for (size_t t = 0; t < 4; t++) {
        for (size_t i = 0; i < N; i++) bad[i] = g[i] = (float)noise(&seed);
        bad[8] = NAN;
        ck_fails(orthsr_optimizer_step(tried, p, bad, N, 0.1f, &error), ORTHSR_ERROR_NUMERIC, "gradient is not finite");
        bad[8] = -INFINITY;
        ck_fails(orthsr_optimizer_step(tried, p, bad, N, 0.1f, &error), ORTHSR_ERROR_NUMERIC, "gradient is not finite");
        bad[8] = 3e38f;
        ck_fails(orthsr_optimizer_step(tried, p, bad, N, 1e38f, &error), ORTHSR_ERROR_NUMERIC, "smaller learning rate");
        ck_fails(orthsr_optimizer_step(tried, p, g, N - 1, 0.1f, &error), ORTHSR_ERROR_ARGUMENT, "9 parameters, not 8");
        ck_fails(orthsr_optimizer_step(tried, p, g, N, -1, &error), ORTHSR_ERROR_ARGUMENT, "learning rate");
        ck_fails(orthsr_optimizer_step(tried, p, g, N, NAN, &error), ORTHSR_ERROR_ARGUMENT, "learning rate");
        ck_assert_uint_eq(orthsr_optimizer_steps(tried), t);
        ck_ok(orthsr_optimizer_step(tried, p, g, N, 0.1f, &error));
        ck_ok(orthsr_optimizer_step(plain, q, g, N, 0.1f, &error));
        ck_assert_mem_eq(p, q, sizeof p);
    }
    orthsr_optimizer_free(tried);
    orthsr_optimizer_free(plain);
}
END_TEST

START_TEST(argument_errors) {
    orthsr_optimizer *o = NULL;
    float p = 0;
    ck_fails(orthsr_optimizer_sgd(NULL, 1, 0, 0, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    o = (orthsr_optimizer *)&error;
    ck_fails(orthsr_optimizer_sgd(&o, 0, 0, 0, &error), ORTHSR_ERROR_ARGUMENT, "size");
    ck_assert_ptr_null(o);
    ck_fails(orthsr_optimizer_sgd(&o, 1, 1, 0, &error), ORTHSR_ERROR_ARGUMENT, "momentum");
    ck_fails(orthsr_optimizer_sgd(&o, 1, NAN, 0, &error), ORTHSR_ERROR_ARGUMENT, "momentum");
    ck_fails(orthsr_optimizer_sgd(&o, 1, 0, -1, &error), ORTHSR_ERROR_ARGUMENT, "weight_decay");
    ck_fails(orthsr_optimizer_sgd(&o, SIZE_MAX / 2, 0, 0, &error), ORTHSR_ERROR_MEMORY, "optimizer");
    ck_fails(orthsr_optimizer_adamw(&o, 1, -0.1f, 0.9f, 1e-8f, 0, &error), ORTHSR_ERROR_ARGUMENT, "beta");
    ck_fails(orthsr_optimizer_adamw(&o, 1, 0.9f, 1, 1e-8f, 0, &error), ORTHSR_ERROR_ARGUMENT, "beta");
    ck_fails(orthsr_optimizer_adamw(&o, 1, 0.9f, 0.9f, 0, 0, &error), ORTHSR_ERROR_ARGUMENT, "eps");
    ck_fails(orthsr_optimizer_adamw(&o, 1, 0.9f, 0.9f, 1, INFINITY, &error), ORTHSR_ERROR_ARGUMENT, "weight_decay");
    ck_assert_ptr_null(o);
    ck_fails(orthsr_optimizer_step(NULL, &p, &p, 1, 0, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_assert_uint_eq(orthsr_optimizer_steps(NULL), 0);
    orthsr_optimizer_free(NULL);
}
END_TEST

/* ---- on Stiefel manifolds: f(X) = |A X - C|^2 / 2 ------------------------------------------------------------------------ */

enum { RETRACTIONS = 4 };
static const char *const RETRACTION_NAMES[RETRACTIONS] = {"qr", "qr", "cayley", "polar"};

static orthsr_optimizer *make_manifold(bool adam, orthsr_retraction retraction, size_t n, size_t p, float momentum) {
    orthsr_geometry geometry = retraction == ORTHSR_RETRACTION_CAYLEY ? ORTHSR_GEOMETRY_CANONICAL : ORTHSR_GEOMETRY_EUCLIDEAN; /* as geoopt pairs them */
    orthsr_stiefel block = {n, p};
    orthsr_optimizer *optimizer;
    if (adam) ck_ok(orthsr_optimizer_radam(&optimizer, &block, 1, 0.9f, 0.999f, 1e-8f, retraction, geometry, &error));
    else ck_ok(orthsr_optimizer_rsgd(&optimizer, &block, 1, momentum, retraction, geometry, &error));
    return optimizer;
}

/* G (n, p) = A^T (A X - C); returns f. */
static double procrustes(float *G, const float *A, const float *C, const float *X, size_t n, size_t p) {
    double loss = 0, *r = calloc(n * p, sizeof *r);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < p; j++) {
            r[i * p + j] = -C[i * p + j];
            for (size_t k = 0; k < n; k++) r[i * p + j] += (double)A[i * n + k] * X[k * p + j];
            loss += r[i * p + j] * r[i * p + j] / 2;
        }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < p; j++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++) sum += (double)A[k * n + i] * r[k * p + j];
            G[i * p + j] = (float)sum;
        }
    free(r);
    return loss;
}

START_TEST(steps_are_geoopts) {
    static const size_t shapes[][2] = {{6, 6}, {9, 4}};
    size_t n = shapes[_i % 2][0], p = shapes[_i % 2][1], size, at = 0;
    bool adam = _i / 2 % 2;
    orthsr_retraction retraction = (orthsr_retraction)(_i / 4);
    char name[64];
#define VALUES(format, ...) (snprintf(name, sizeof name, format, __VA_ARGS__), fixture(name, &size))
    float *A = VALUES("stiefel.%zu.A", n), *C = VALUES("stiefel.%zu.C", n), *X = VALUES("stiefel.%zu.X", n), *G = malloc(n * p * sizeof *G);
    float *after = VALUES("stiefel.%zu.%s.%s", n, adam ? "radam" : "rsgd", RETRACTION_NAMES[retraction]);
    ck_assert_uint_eq(size, 3 * n * p);
    orthsr_optimizer *optimizer = make_manifold(adam, retraction, n, p, 0.9f);
    for (int step = 1; step <= 30; step++) {
        procrustes(G, A, C, X, n, p);
        ck_ok(orthsr_optimizer_step(optimizer, X, G, n * p, adam ? 0.1f : 0.01f, &error));
        if (step != 1 && step != 10 && step != 30) continue;
        ck_assert_double_le(max_relative(X, after + at, n * p), 2e-5); /* observed: 7e-7 */
        at += n * p;
    }
    orthsr_optimizer_free(optimizer);
    free(A);
    free(C);
    free(X);
    free(G);
    free(after);
}
END_TEST

enum { D = 32, STEPS = 100 };

/* The loss after STEPS steps from I at the best of these rates. which: RSGD, RAdam, or X <- polar(X - rate G). */
static double best_loss(int which, orthsr_retraction retraction, const float *A, const float *C) {
    static const float rates[] = {1e-3f, 3e-3f, 1e-2f, 3e-2f, 0.1f, 0.3f, 1, 3};
    double best = INFINITY;
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        float X[D * D] = {0}, G[D * D];
        for (size_t i = 0; i < D; i++) X[i * D + i] = 1;
        orthsr_optimizer *optimizer = which < 2 ? make_manifold(which == 1, retraction, D, D, 0.9f) : NULL;
        for (int step = 0; step < STEPS; step++) {
            procrustes(G, A, C, X, D, D);
            if (optimizer) {
                ck_ok(orthsr_optimizer_step(optimizer, X, G, D * D, rates[r], &error));
            } else {
                for (size_t i = 0; i < D * D; i++) X[i] -= rates[r] * G[i];
                ck_ok(orthsr_retract_polar(X, D, D, &error));
            }
        }
        double loss = procrustes(G, A, C, X, D, D);
        if (loss < best) best = loss;
        orthsr_optimizer_free(optimizer);
    }
    return best;
}

/* Orthogonal Procrustes, C = A Q: singular values of A from 1 to 1/10, Q of determinant 1 and far from I. Each method has its best rate of eight. */
START_TEST(beats_projected_descent) {
    float A[D * D], C[D * D], Q[D * D], v[D * (D - 1) / 2];
    if (short_run()) return;
    unsigned long seed = 7;
    for (size_t i = 0; i < D * (D - 1) / 2; i++) v[i] = (float)(0.3 * noise(&seed));
    ck_ok(orthsr_cayley(Q, v, D, &error));
    for (size_t i = 0; i < D * D; i++) A[i] = (float)noise(&seed);
    ck_ok(orthsr_retract_qr(A, D, D, &error));
    for (size_t i = 0; i < D * D; i++) A[i] *= (float)pow(10, -(double)(i % D) / (D - 1));
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j < D; j++) {
            double sum = 0;
            for (size_t k = 0; k < D; k++) sum += (double)A[i * D + k] * Q[k * D + j];
            C[i * D + j] = (float)sum;
        }
    double projected = best_loss(2, ORTHSR_RETRACTION_QR, A, C), ours = best_loss(_i / RETRACTIONS, (orthsr_retraction)(_i % RETRACTIONS), A, C);
    ck_assert_msg(ours < projected / 2, "%s, retraction %d: %.3g, projected SGD: %.3g", _i / RETRACTIONS ? "RAdam" : "RSGD", _i % RETRACTIONS, ours, projected);
}
END_TEST

/* Long runs with gradients that never vanish: nothing accumulates. tests/bench/drift.c does this at 768. */
START_TEST(drift_is_repaired) {
    enum { N = 64 };
    int run = short_run() ? 3 : 300;
    float *X = calloc(N * N, sizeof *X), *G = malloc(N * N * sizeof *G);
    unsigned long seed = 3;
    for (size_t i = 0; i < N; i++) X[i * N + i] = 1;
    orthsr_optimizer *optimizer = make_manifold(_i / RETRACTIONS, (orthsr_retraction)(_i % RETRACTIONS), N, N, 0.9f);
    for (int step = 0; step < run; step++) {
        for (size_t i = 0; i < N * N; i++) G[i] = (float)noise(&seed);
        ck_ok(orthsr_optimizer_step(optimizer, X, G, N * N, 0.05f, &error));
    }
    double squares = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = -(double)(i == j);
            for (size_t k = 0; k < N; k++) sum += (double)X[k * N + i] * X[k * N + j];
            squares += sum * sum;
        }
    ck_assert_double_le(sqrt(squares), 5e-6); /* Frobenius norm; observed: 2.6e-6 */
    orthsr_optimizer_free(optimizer);
    free(X);
    free(G);
}
END_TEST

/* Several blocks are several optimizers, and a failed step leaves all of them as they were. */
START_TEST(blocks_are_independent) {
    const orthsr_stiefel shapes[2] = {{5, 5}, {7, 2}};
    float X[39], G[39], Y[39], bad[39];
    unsigned long seed = 11;
    orthsr_optimizer *both, *one, *other;
    for (size_t i = 0; i < 39; i++) X[i] = (float)noise(&seed);
    ck_ok(orthsr_retract_qr(X, 5, 5, &error));
    ck_ok(orthsr_retract_qr(X + 25, 7, 2, &error));
    memcpy(Y, X, sizeof X);
    ck_ok(orthsr_optimizer_radam(&both, shapes, 2, 0.9f, 0.99f, 1e-8f, ORTHSR_RETRACTION_POLAR, ORTHSR_GEOMETRY_EUCLIDEAN, &error));
    ck_ok(orthsr_optimizer_radam(&one, shapes, 1, 0.9f, 0.99f, 1e-8f, ORTHSR_RETRACTION_POLAR, ORTHSR_GEOMETRY_EUCLIDEAN, &error));
    ck_ok(orthsr_optimizer_radam(&other, shapes + 1, 1, 0.9f, 0.99f, 1e-8f, ORTHSR_RETRACTION_POLAR, ORTHSR_GEOMETRY_EUCLIDEAN, &error));
    for (int step = 0; step < 5; step++) {
        for (size_t i = 0; i < 39; i++) bad[i] = G[i] = (float)noise(&seed);
        bad[38] = NAN;
        ck_fails(orthsr_optimizer_step(both, X, bad, 39, 0.1f, &error), ORTHSR_ERROR_NUMERIC, "not finite");
        ck_ok(orthsr_optimizer_step(both, X, G, 39, 0.1f, &error));
        ck_ok(orthsr_optimizer_step(one, Y, G, 25, 0.1f, &error));
        ck_ok(orthsr_optimizer_step(other, Y + 25, G + 25, 14, 0.1f, &error));
        ck_assert_mem_eq(X, Y, sizeof X);
    }
    orthsr_optimizer_free(both);
    orthsr_optimizer_free(one);
    orthsr_optimizer_free(other);
    ck_fails(orthsr_optimizer_rsgd(&both, shapes, 0, 0, ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_EUCLIDEAN, &error), ORTHSR_ERROR_ARGUMENT, "count is 0");
    ck_assert_ptr_null(both);
    ck_fails(orthsr_optimizer_rsgd(&both, NULL, 1, 0, ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_EUCLIDEAN, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_optimizer_rsgd(&both, shapes, 1, 1, ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_EUCLIDEAN, &error), ORTHSR_ERROR_ARGUMENT, "momentum");
    ck_fails(orthsr_optimizer_rsgd(&both, shapes, 1, 0, (orthsr_retraction)9, ORTHSR_GEOMETRY_EUCLIDEAN, &error), ORTHSR_ERROR_ARGUMENT, "unknown");
    ck_fails(orthsr_optimizer_radam(&both, shapes, 1, 1, 0, 1, ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_EUCLIDEAN, &error), ORTHSR_ERROR_ARGUMENT, "beta");
    ck_fails(orthsr_optimizer_radam(&both, shapes, 1, 0, 0, 0, ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_EUCLIDEAN, &error), ORTHSR_ERROR_ARGUMENT, "eps");
    const orthsr_stiefel wide = {2, 3};
    ck_fails(orthsr_optimizer_rsgd(&both, &wide, 1, 0, ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_EUCLIDEAN, &error), ORTHSR_ERROR_ARGUMENT, "n >= p");
}
END_TEST

static TCase *manifold_case(void) {
    TCase *tcase = tcase_create("manifold");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, steps_are_geoopts, 0, 4 * RETRACTIONS);
    tcase_add_loop_test(tcase, beats_projected_descent, 0, 2 * RETRACTIONS);
    tcase_add_loop_test(tcase, drift_is_repaired, 0, 2 * RETRACTIONS);
    tcase_add_test(tcase, blocks_are_independent);
    return tcase;
}

static TCase *optimizer_case(void) {
    TCase *tcase = tcase_create("optimizer");
    tcase_add_loop_test(tcase, steps_are_torchs, 0, 4);
    tcase_add_loop_test(tcase, failed_step_changes_nothing, 0, 4);
    tcase_add_test(tcase, argument_errors);
    return tcase;
}

TEST_MAIN("optimizer", optimizer_case, manifold_case)
