/* test_ortho.c - the orthogonal group on plain buffers: orthogonality, retraction, errors, and agreement with PyTorch and PEFT. */
#include "util/check.h"

#include "io/safetensors.h"

static orthsr_error error;

/* ---- Cayley -------------------------------------------------------------------------------------------------------- */

static const size_t SIZES[] = {1, 2, 8, 64, 384, 768};

/* norm: the Frobenius norm of v; 5 turns far beyond anything training reaches. */
static void check_orthogonal(size_t b, double norm) {
    size_t n = orthsr_skew_size(b);
    float *v = floats(n, 1, b), *R = floats(b * b, 0, 1);
    double sum = 0, defect;
    for (size_t i = 0; i < n; i++) sum += (double)v[i] * v[i];
    for (size_t i = 0; i < n; i++) v[i] = (float)(v[i] * norm / sqrt(sum));
    ck_ok(orthsr_cayley(R, v, b, &error));
    ck_ok(orthsr_orthogonality_defect(&defect, R, b, b, &error));
    ck_assert_msg(defect <= 1e-5, "b = %zu, norm %g: defect %.3g", b, norm, defect); /* observed: 1.2e-6 */
    free(v);
    free(R);
}

START_TEST(cayley_is_orthogonal) {
    const double norms[] = {0.1, 1, 5};
    size_t b = SIZES[_i];
    if (b > 64 && short_run()) return;
    for (size_t k = 0; k < 3; k++) check_orthogonal(b, norms[k]);
}
END_TEST

START_TEST(cayley_of_zero_is_identity) {
    float v[28] = {0}, R[64];
    ck_ok(orthsr_cayley(R, v, 8, &error));
    for (size_t i = 0; i < 64; i++) ck_assert_float_eq(R[i], i % 9 == 0);
}
END_TEST

START_TEST(cayley_of_one_by_one) {
    float none = 0, R = 0;
    ck_ok(orthsr_cayley(&R, &none, 1, &error));
    ck_assert_float_eq(R, 1);
}
END_TEST

/* b = 2: tan(angle / 2) = v, and row vectors turn by R = [[c, -s], [s, c]]. */
START_TEST(cayley_of_two_by_two) {
    float v = 0.5f, R[4];
    ck_ok(orthsr_cayley(R, &v, 2, &error));
    const double expected[4] = {0.6, -0.8, 0.8, 0.6};
    for (size_t i = 0; i < 4; i++) ck_close(R[i], expected[i], 1e-7);
}
END_TEST

/* By Gaussian elimination with pivoting. */
static double determinant(const float *a, size_t b) {
    double m[64], product = 1;
    for (size_t i = 0; i < b * b; i++) m[i] = a[i];
    for (size_t k = 0; k < b; k++) {
        size_t pivot = k;
        for (size_t i = k + 1; i < b; i++)
            if (fabs(m[i * b + k]) > fabs(m[pivot * b + k])) pivot = i;
        for (size_t j = 0; j < b && pivot != k; j++) {
            double swapped = m[k * b + j];
            m[k * b + j] = m[pivot * b + j];
            m[pivot * b + j] = swapped;
        }
        product *= pivot == k ? m[k * b + k] : -m[k * b + k];
        for (size_t i = k + 1; i < b; i++)
            for (size_t j = b; j-- > k;) m[i * b + j] -= m[i * b + k] / m[k * b + k] * m[k * b + j];
    }
    return product;
}

START_TEST(cayley_has_determinant_one) {
    for (size_t b = 2; b <= 8; b++) {
        float *v = floats(orthsr_skew_size(b), 2, b), R[64];
        ck_ok(orthsr_cayley(R, v, b, &error));
        ck_close(determinant(R, b), 1, 1e-5);
        free(v);
    }
}
END_TEST

START_TEST(cayley_errors) {
    float v[3] = {0.1f, NAN, 0}, R[9] = {7}, G[9] = {0}, grad[3] = {5};
    ck_fails(orthsr_cayley(NULL, v, 3, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_cayley(R, NULL, 3, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_cayley(R, v, 0, &error), ORTHSR_ERROR_ARGUMENT, "b is 0");
    ck_fails(orthsr_cayley(R, v, (size_t)1 << 31, &error), ORTHSR_ERROR_ARGUMENT, "2^31");
    ck_fails(orthsr_cayley(R, v, 3, &error), ORTHSR_ERROR_NUMERIC, "not finite");
    ck_fails(orthsr_cayley_adjoint(NULL, G, v, 3, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_cayley_adjoint(grad, G, v, 0, &error), ORTHSR_ERROR_ARGUMENT, "b is 0");
    ck_fails(orthsr_cayley_adjoint(grad, G, v, 3, &error), ORTHSR_ERROR_NUMERIC, "not finite");
    v[1] = INFINITY;
    ck_fails(orthsr_cayley(R, v, 3, &error), ORTHSR_ERROR_NUMERIC, "not finite");
    ck_assert_float_eq(R[0], 7);
    ck_assert_float_eq(grad[0], 5);
    ck_assert_int_eq(orthsr_cayley(R, v, 3, NULL), ORTHSR_ERROR_NUMERIC);
}
END_TEST

/* Finite parameters that elimination in float32 overflows on must not come out as a matrix. */
START_TEST(cayley_overflow) {
    enum { B = 12 };
    float v[B * (B - 1) / 2], R[B * B] = {7};
    for (size_t i = 0; i < B * (B - 1) / 2; i++) v[i] = i % 3 ? 3e38f : -3e38f;
    ck_fails(orthsr_cayley(R, v, B, &error), ORTHSR_ERROR_NUMERIC, "too large");
    ck_assert_float_eq(R[0], 7);
}
END_TEST

static TCase *cayley_case(void) {
    TCase *tcase = tcase_create("cayley");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, cayley_is_orthogonal, 0, sizeof SIZES / sizeof SIZES[0]);
    tcase_add_test(tcase, cayley_of_zero_is_identity);
    tcase_add_test(tcase, cayley_of_one_by_one);
    tcase_add_test(tcase, cayley_of_two_by_two);
    tcase_add_test(tcase, cayley_has_determinant_one);
    tcase_add_test(tcase, cayley_errors);
    tcase_add_test(tcase, cayley_overflow);
    return tcase;
}

/* ---- retraction and defect ----------------------------------------------------------------------------------------- */

static const size_t SHAPES[][2] = {{1, 1}, {2, 2}, {7, 7}, {64, 64}, {5, 1}, {40, 3}, {100, 64}};

START_TEST(retraction_is_signed_qr) {
    size_t n = SHAPES[_i][0], p = SHAPES[_i][1];
    float *X = floats(n * p, 1, 3), *Q = floats(n * p, 1, 3);
    double defect;
    ck_ok(orthsr_retract_qr(Q, n, p, &error));
    ck_ok(orthsr_orthogonality_defect(&defect, Q, n, p, &error));
    ck_assert_msg(defect <= 1e-5, "(%zu, %zu): defect %.3g", n, p, defect);
    double *R = calloc(p * p, sizeof *R); /* Q^T X: upper triangular, diagonal > 0 */
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < p; j++)
            for (size_t k = 0; k < n; k++) R[i * p + j] += (double)Q[k * p + i] * X[k * p + j];
    for (size_t i = 0; i < p; i++) {
        ck_assert_double_gt(R[i * p + i], 0);
        for (size_t j = 0; j < i; j++) ck_close(R[i * p + j], 0, 1e-5);
    }
    float *again = malloc(n * p * sizeof *again);
    memcpy(again, Q, n * p * sizeof *again);
    ck_ok(orthsr_retract_qr(again, n, p, &error));
    ck_assert_double_le(max_relative(again, Q, n * p), 1e-5);
    free(X);
    free(Q);
    free(R);
    free(again);
}
END_TEST

/* A zero column has diag R = 0, which counts as positive; the identity with a flipped column stays as it is. */
START_TEST(retraction_of_special_matrices) {
    float zero[6] = {0}, flipped[4] = {1, 0, 0, -1};
    double defect;
    ck_ok(orthsr_retract_qr(zero, 3, 2, &error));
    ck_ok(orthsr_orthogonality_defect(&defect, zero, 3, 2, &error));
    ck_assert_double_le(defect, 1e-6);
    ck_ok(orthsr_retract_qr(flipped, 2, 2, &error));
    const float expected[4] = {1, 0, 0, -1};
    for (size_t i = 0; i < 4; i++) ck_assert_float_eq(flipped[i], expected[i]);
}
END_TEST

START_TEST(defect_values) {
    float X[6] = {1, 0, 0, 2, 0, 0};
    double defect;
    ck_ok(orthsr_orthogonality_defect(&defect, X, 3, 2, &error));
    ck_assert_double_eq(defect, 3);
    X[0] = NAN;
    ck_ok(orthsr_orthogonality_defect(&defect, X, 3, 2, &error));
    ck_assert(isnan(defect));
}
END_TEST

START_TEST(retraction_errors) {
    float X[6] = {1, 2, 3, 4, 5, INFINITY};
    double defect;
    ck_fails(orthsr_retract_qr(NULL, 3, 2, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_retract_qr(X, 2, 3, &error), ORTHSR_ERROR_ARGUMENT, "n >= p");
    ck_fails(orthsr_retract_qr(X, 2, 0, &error), ORTHSR_ERROR_ARGUMENT, "n >= p");
    ck_fails(orthsr_retract_qr(X, 3, 2, &error), ORTHSR_ERROR_NUMERIC, "not finite");
    ck_assert_float_eq(X[0], 1);
    float large[4] = {3e38f, 3e38f, 3e38f, -3e38f};
    ck_fails(orthsr_retract_qr(large, 2, 2, &error), ORTHSR_ERROR_NUMERIC, "too large");
    ck_assert_float_eq(large[0], 3e38f);
    ck_fails(orthsr_orthogonality_defect(NULL, X, 3, 2, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_orthogonality_defect(&defect, X, 0, 2, &error), ORTHSR_ERROR_ARGUMENT, "extent");
}
END_TEST

/* Columns that depend on others are named at every size; the same columns a little apart are taken. */
START_TEST(rank_of_qr) {
    static const size_t shapes[][2] = {{2, 2}, {9, 4}, {64, 64}, {1000, 50}};
    size_t n = shapes[_i][0], p = shapes[_i][1], last = p - 1;
    float *X = floats(n * p, 1, n), *Q = floats(n * p, 0, 1), *R = floats(p * p, 0, 1);
    char column[32];
    snprintf(column, sizeof column, "column %zu", last);
    ck_ok(orthsr_qr(Q, R, X, n, p, &error));
    for (int kind = 0; kind < 3; kind++) { /* zero; a multiple of the first column; the sum of all others, in rounded floats */
        memset(Q, 0, n * p * sizeof *Q);
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j < last; j++) sum += X[i * p + j];
            X[i * p + last] = kind == 0 ? 0 : kind == 1 ? 3 * X[i * p] : (float)sum;
        }
        ck_fails(orthsr_qr(Q, R, X, n, p, &error), ORTHSR_ERROR_NUMERIC, column);
        ck_assert(Q[0] == 0);
        unsigned long seed = 5;
        for (size_t i = 0; i < n; i++) X[i * p + last] += (float)(1e-2 * noise(&seed));
        ck_ok(orthsr_qr(Q, R, X, n, p, &error));
        ck_assert_float_gt(R[p * p - 1], 0);
    }
    free(X);
    free(Q);
    free(R);
}
END_TEST

START_TEST(qr_errors) {
    float X[6] = {1, 2, 3, 4, 5, 7}, Q[6] = {0}, R[4] = {1, 1, 0, 0}, grad[6] = {0};
    ck_fails(orthsr_qr(NULL, R, X, 3, 2, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_qr(Q, R, X, 1, 2, &error), ORTHSR_ERROR_ARGUMENT, "n >= p");
    ck_fails(orthsr_qr_adjoint(grad, Q, NULL, NULL, R, 3, 2, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_qr_adjoint(grad, Q, NULL, Q, R, 3, 0, &error), ORTHSR_ERROR_ARGUMENT, "n >= p");
    ck_fails(orthsr_qr_adjoint(grad, Q, NULL, Q, R, 3, 2, &error), ORTHSR_ERROR_NUMERIC, "column 1");
    ck_assert(grad[0] == 0);
    R[3] = 1;
    ck_ok(orthsr_qr_adjoint(grad, NULL, NULL, Q, R, 3, 2, &error)); /* no gradient is a gradient of 0 */
    for (size_t i = 0; i < 6; i++) ck_assert(grad[i] == 0);
    X[5] = NAN;
    ck_fails(orthsr_qr(Q, R, X, 3, 2, &error), ORTHSR_ERROR_NUMERIC, "not finite");
    float large[4] = {3e38f, 3e38f, 3e38f, -3e38f};
    ck_fails(orthsr_qr(Q, R, large, 2, 2, &error), ORTHSR_ERROR_NUMERIC, "too large");
    ck_assert(Q[0] == 0 && R[3] == 1);
}
END_TEST

/* Vertices of an equilateral triangle are sqrt 3 apart, rows of I sqrt 2, opposite ones 2; lengths are nothing to it. */
START_TEST(energy_values) {
    const float triangle[6] = {1, 0, -0.5f, 0.8660254f, -50, -86.60254f}, opposite[2] = {1e-30f, -1e30f};
    float identity[81] = {0};
    double energy;
    for (size_t i = 0; i < 9; i++) identity[i * 10] = 1;
    ck_ok(orthsr_hyperspherical_energy(&energy, triangle, 3, 2, &error));
    ck_close(energy, 1 / sqrt(3), 1e-7); /* observed: 2e-9 */
    ck_ok(orthsr_hyperspherical_energy(&energy, identity, 9, 9, &error));
    ck_close(energy, 1 / sqrt(2), 1e-15);
    ck_ok(orthsr_hyperspherical_energy(&energy, opposite, 2, 1, &error));
    ck_assert_double_eq(energy, 0.5);
}
END_TEST

/* Rows without a direction, or with the same one up to rounding, are named; nothing infinite or NaN comes out. */
START_TEST(energy_errors) {
    enum { N = 130, D = 3 };
    float *W = floats(N * D, 1, 3);
    double energy = -1;
    ck_fails(orthsr_hyperspherical_energy(NULL, W, N, D, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_hyperspherical_energy(&energy, NULL, N, D, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_hyperspherical_energy(&energy, W, 1, D, &error), ORTHSR_ERROR_ARGUMENT, "two rows");
    ck_fails(orthsr_hyperspherical_energy(&energy, W, N, 0, &error), ORTHSR_ERROR_ARGUMENT, "extent");
    for (size_t k = 0; k < D; k++) W[100 * D + k] = 3.3f * W[2 * D + k];
    ck_fails(orthsr_hyperspherical_energy(&energy, W, N, D, &error), ORTHSR_ERROR_NUMERIC, "rows 2 and 100 ");
    for (size_t k = 0; k < D; k++) W[100 * D + k] = -3.3f * W[2 * D + k];
    ck_ok(orthsr_hyperspherical_energy(&energy, W, N, D, &error));
    energy = -1;
    for (size_t k = 0; k < D; k++) W[128 * D + k] = W[127 * D + k]; /* across the border of two strips */
    ck_fails(orthsr_hyperspherical_energy(&energy, W, N, D, &error), ORTHSR_ERROR_NUMERIC, "rows 127 and 128 ");
    for (size_t k = 0; k < D; k++) W[7 * D + k] = 0;
    ck_fails(orthsr_hyperspherical_energy(&energy, W, N, D, &error), ORTHSR_ERROR_NUMERIC, "row 7 is zero");
    W[6 * D + 1] = INFINITY;
    ck_fails(orthsr_hyperspherical_energy(&energy, W, N, D, &error), ORTHSR_ERROR_NUMERIC, "row 6 holds");
    ck_assert_double_eq(energy, -1);
    free(W);
}
END_TEST

static TCase *retraction_case(void) {
    TCase *tcase = tcase_create("retraction");
    tcase_add_loop_test(tcase, retraction_is_signed_qr, 0, sizeof SHAPES / sizeof SHAPES[0]);
    tcase_add_test(tcase, retraction_of_special_matrices);
    tcase_add_test(tcase, defect_values);
    tcase_add_loop_test(tcase, rank_of_qr, 0, 4);
    tcase_add_test(tcase, qr_errors);
    tcase_add_test(tcase, energy_values);
    tcase_add_test(tcase, energy_errors);
    tcase_add_test(tcase, retraction_errors);
    return tcase;
}

/* ---- PyTorch and PEFT: tests/oracle/make_ortho.py ------------------------------------------------------------------ */

/* The tensor's values as float, rounded where they are stored in float64. */
static float *fixture(const orthsr__safetensors *file, const char *format, size_t number, size_t *elements) {
    char name[64];
    snprintf(name, sizeof name, format, number);
    const orthsr__tensor *tensor = orthsr__safetensors_find(file, name);
    ck_assert_msg(tensor != NULL, "no %s in %s", name, file->path);
    float *values = malloc(tensor->elements * sizeof *values);
    ck_ok(orthsr__tensor_to_real(values, tensor, file->path, &error));
    *elements = tensor->elements;
    return values;
}

START_TEST(cayley_against_torch) {
    static const size_t sizes[] = {2, 5, 16, 24};
    size_t b = sizes[_i], n, squared;
    orthsr__safetensors file;
    ck_ok(orthsr__safetensors_open(&file, "tests/data/ortho.safetensors", &error));
    float *v = fixture(&file, "cayley.%zu.v", b, &n), *G = fixture(&file, "cayley.%zu.G", b, &squared), *R = fixture(&file, "cayley.%zu.R", b, &squared),
          *peft = fixture(&file, "cayley.%zu.peft", b, &squared), *grad = fixture(&file, "cayley.%zu.grad", b, &n);
    float *ours = calloc(squared, sizeof *ours), *ours_grad = malloc(n * sizeof *ours_grad);
    ck_ok(orthsr_cayley(ours, v, b, &error));
    ck_assert_double_le(max_relative(ours, R, squared), 2e-6); /* observed: 4e-7 */
    ck_assert_double_le(max_relative(ours, peft, squared), 2e-6);
    for (size_t i = 0; i < n; i++) ours_grad[i] = 1; /* the adjoint adds */
    ck_ok(orthsr_cayley_adjoint(ours_grad, G, v, b, &error));
    for (size_t i = 0; i < n; i++) grad[i] += 1;
    ck_assert_double_le(max_relative(ours_grad, grad, n), 5e-6); /* observed: 3e-7 */
    free(v);
    free(G);
    free(R);
    free(peft);
    free(grad);
    free(ours);
    free(ours_grad);
    orthsr__safetensors_close(&file);
}
END_TEST

/* PEFT's forward of a whole layer: rows turn from the right, blocks in order. */
START_TEST(adapter_against_peft) {
    size_t n, elements;
    orthsr__safetensors file;
    ck_ok(orthsr__safetensors_open(&file, "tests/data/ortho.safetensors", &error));
    float *v = fixture(&file, "layer.v", 0, &n), *x = fixture(&file, "layer.x", 0, &elements), *y = fixture(&file, "layer.y", 0, &elements);
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_block_size(options, 5, &error));
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    ck_ok(orthsr_adapter_add_target(adapter, "layer", 15, 2, &error));
    ck_ok(orthsr_adapter_set_parameters(adapter, v, n, &error));
    float *ours = malloc(elements * sizeof *ours);
    ck_ok(orthsr_adapter_rotate(adapter, 0, ours, x, elements / 15, &error));
    ck_assert_double_le(max_relative(ours, y, elements), 1e-6); /* observed: 2e-7 */
    orthsr_adapter_options_free(options);
    orthsr_adapter_free(adapter);
    free(v);
    free(x);
    free(y);
    free(ours);
    orthsr__safetensors_close(&file);
}
END_TEST

START_TEST(retraction_against_torch) {
    static const size_t shapes[][2] = {{6, 6}, {9, 4}, {12, 1}};
    size_t n = shapes[_i][0], p = shapes[_i][1], elements;
    orthsr__safetensors file;
    ck_ok(orthsr__safetensors_open(&file, "tests/data/ortho.safetensors", &error));
    float *X = fixture(&file, "qr.%zu.X", n, &elements), *Q = fixture(&file, "qr.%zu.Q", n, &elements);
    ck_assert_uint_eq(elements, n * p);
    ck_ok(orthsr_retract_qr(X, n, p, &error));
    ck_assert_double_le(max_relative(X, Q, elements), 5e-6); /* observed: 4e-7 */
    free(X);
    free(Q);
    orthsr__safetensors_close(&file);
}
END_TEST

/* Both factors and the gradient through them; either gradient alone, the two add up. */
START_TEST(qr_against_torch) {
    static const size_t shapes[][2] = {{6, 6}, {9, 4}, {12, 1}};
    size_t n = shapes[_i][0], p = shapes[_i][1], elements, squared;
    orthsr__safetensors file;
    ck_ok(orthsr__safetensors_open(&file, "tests/data/ortho.safetensors", &error));
    float *X = fixture(&file, "qr_adjoint.%zu.X", n, &elements), *GQ = fixture(&file, "qr_adjoint.%zu.GQ", n, &elements),
          *GR = fixture(&file, "qr_adjoint.%zu.GR", n, &squared), *Q = fixture(&file, "qr_adjoint.%zu.Q", n, &elements),
          *R = fixture(&file, "qr_adjoint.%zu.R", n, &squared), *grad = fixture(&file, "qr_adjoint.%zu.grad", n, &elements);
    ck_assert_uint_eq(elements, n * p);
    float *ours = calloc(elements, sizeof *ours), *ours_R = malloc(squared * sizeof *ours_R), *halves = calloc(elements, sizeof *halves);
    ck_ok(orthsr_qr(ours, ours_R, X, n, p, &error));
    ck_assert_double_le(max_relative(ours, Q, elements), 2e-6);  /* observed: 1.6e-7 */
    ck_assert_double_le(max_relative(ours_R, R, squared), 2e-6); /* observed: 7e-8 */
    ck_ok(orthsr_qr(X, ours_R, X, n, p, &error));                /* Q may be X */
    ck_assert_int_eq(memcmp(X, ours, elements * sizeof *X), 0);
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < i; j++) {
            ck_assert(ours_R[i * p + j] == 0);
            GR[i * p + j] = NAN; /* not read */
        }
    for (size_t i = 0; i < elements; i++) ours[i] = 1; /* the adjoint adds */
    ck_ok(orthsr_qr_adjoint(ours, GQ, GR, X, ours_R, n, p, &error));
    ck_ok(orthsr_qr_adjoint(halves, GQ, NULL, X, ours_R, n, p, &error));
    ck_ok(orthsr_qr_adjoint(halves, NULL, GR, X, ours_R, n, p, &error));
    ck_assert_double_le(max_relative(halves, grad, elements), 5e-6); /* observed: 1.8e-7 */
    for (size_t i = 0; i < elements; i++) grad[i] += 1;
    ck_assert_double_le(max_relative(ours, grad, elements), 5e-6); /* observed: 1.6e-7 */
    free(X);
    free(GQ);
    free(GR);
    free(Q);
    free(R);
    free(grad);
    free(ours);
    free(ours_R);
    free(halves);
    orthsr__safetensors_close(&file);
}
END_TEST

/* OFT's definition, in float64, from two neurons to more than a strip of them, with one pair 1e-4 apart and lengths from 1e-3 to 1e3. */
START_TEST(energy_against_its_definition) {
    static const size_t shapes[][2] = {{2, 1}, {7, 5}, {70, 9}};
    size_t n = shapes[_i][0], d = shapes[_i][1], elements;
    orthsr__safetensors file;
    ck_ok(orthsr__safetensors_open(&file, "tests/data/ortho.safetensors", &error));
    float *W = fixture(&file, "energy.%zu.W", n, &elements);
    ck_assert_uint_eq(elements, n * d);
    double energy, mean;
    const orthsr__tensor *tensor;
    char name[32];
    snprintf(name, sizeof name, "energy.%zu.mean", n);
    ck_assert_ptr_nonnull(tensor = orthsr__safetensors_find(&file, name));
    memcpy(&mean, tensor->data, sizeof mean);
    ck_ok(orthsr_hyperspherical_energy(&energy, W, n, d, &error));
    ck_close(energy / mean, 1, 1e-12); /* observed: 5e-16 */
    if (n == 7) {                      /* OFT's own code counts every neuron's negative, too */
        float *both = malloc(2 * elements * sizeof *both);
        for (size_t i = 0; i < elements; i++) both[elements + i] = -(both[i] = W[i]);
        ck_assert_ptr_nonnull(tensor = orthsr__safetensors_find(&file, "energy.7.half_space"));
        memcpy(&mean, tensor->data, sizeof mean);
        ck_ok(orthsr_hyperspherical_energy(&energy, both, 2 * n, d, &error));
        ck_close(energy / mean, 1, 1e-12); /* observed: 1e-15 */
        free(both);
    }
    free(W);
    orthsr__safetensors_close(&file);
}
END_TEST

static TCase *oracle_case(void) {
    TCase *tcase = tcase_create("oracle");
    tcase_add_loop_test(tcase, cayley_against_torch, 0, 4);
    tcase_add_test(tcase, adapter_against_peft);
    tcase_add_loop_test(tcase, retraction_against_torch, 0, 3);
    tcase_add_loop_test(tcase, qr_against_torch, 0, 3);
    tcase_add_loop_test(tcase, energy_against_its_definition, 0, 3);
    return tcase;
}

TEST_MAIN("ortho", cayley_case, retraction_case, oracle_case)
