/* test_parametrizations.c - exponential, reflections and butterfly: orthogonal at every width, and equal to PyTorch's and PEFT's. */
#include "util/check.h"

#include "ortho/butterfly.h"
#include "ortho/expm.h"
#include "ortho/householder.h"
#include "ortho/skew.h"
#include "util/fixture.h"

static orthsr_error error;

static void check_orthogonal(const float *A, size_t b) {
    double defect;
    ck_ok(orthsr_orthogonality_defect(&defect, A, b, b, &error));
    ck_assert_double_le(defect, 1e-5); /* observed: 2e-6 */
}

static const size_t WIDTHS[] = {2, 8, 64, 768};

/* Norms of S from next to nothing to where exp winds round some times. */
START_TEST(orthogonal_at_every_width) {
    size_t b = WIDTHS[_i], s = b < 8 ? 2 : 8, m = b < 8 ? 1 : 3, k = b < 8 ? 2 : 8;
    if (b > 64 && short_run()) return;
    float *A = floats(b * b, 0, 1), *kept = floats((b + k + 1) * b * m, 0, 1);
    for (double scale = 1e-5; scale < 2; scale *= 10) {
        float *v = floats(b * b * m, scale, b);
        ck_ok(orthsr__expm_forward(A, kept, v, b, &error));
        check_orthogonal(A, b);
        ck_ok(orthsr__householder_forward(A, kept, v, b, k, &error));
        check_orthogonal(A, b);
        if (b % (s << (m - 1)) == 0) {
            ck_ok(orthsr__butterfly_forward(A, kept, v, b, s, m, &error));
            check_orthogonal(A, b);
        }
        free(v);
    }
    free(A);
    free(kept);
}
END_TEST

START_TEST(expm_against_torch) {
    static const size_t sizes[] = {5, 16, 24};
    static const double bounds[] = {1e-6, 5e-6, 1e-5}; /* S of norm 0.2, 4 and 50: observed 6e-8, 4e-7, 1.7e-6; gradients 1.5e-7, 1.2e-7, 7e-7 */
    size_t b = sizes[_i], n;
    char name[32];
    fixture f;
    fixture_open(&f, "tests/data/ortho.safetensors");
#define VALUES(what) (snprintf(name, sizeof name, "expm.%zu.%s", b, what), fixture_floats(&f, name, &n))
    const float *G = VALUES("G"), *A = VALUES("A"), *grad = VALUES("grad"), *v = VALUES("v");
    ck_assert_uint_eq(n, orthsr_skew_size(b));
    float *ours = floats(b * b, 0, 1), *kept = floats(b * b, 0, 1), *ours_grad = floats(n, 0, 1), *work = floats(orthsr__expm_work(b), 0, 1);
    ck_ok(orthsr__expm_forward(ours, kept, v, b, &error));
    ck_assert_double_le(max_relative(ours, A, b * b), bounds[_i]);
    orthsr__expm_adjoint(ours_grad, G, v, kept, b, work);
    ck_assert_double_le(max_relative(ours_grad, grad, n), bounds[_i]);
    free(ours);
    free(kept);
    free(ours_grad);
    free(work);
    fixture_close(&f);
}
END_TEST

START_TEST(products_against_peft) {
    size_t n;
    fixture f;
    fixture_open(&f, "tests/data/ortho.safetensors");
    float A[24 * 24], kept[2 * 24 * 24];
    ck_ok(orthsr__householder_forward(A, kept, fixture_floats(&f, "householder.p", NULL), 12, 6, &error));
    ck_assert_double_le(max_relative(A, fixture_floats(&f, "householder.A", &n), 144), 2e-6); /* observed: 1.3e-7 */
    ck_assert_uint_eq(n, 144);
    ck_ok(orthsr__butterfly_forward(A, kept, fixture_floats(&f, "butterfly.v", NULL), 24, 4, 2, &error));
    ck_assert_double_le(max_relative(A, fixture_floats(&f, "butterfly.A", &n), 576), 2e-6); /* observed: 2.1e-7 */
    ck_assert_uint_eq(n, 576);
    fixture_close(&f);
}
END_TEST

START_TEST(what_cannot_be) {
    float v[24] = {0}, A[16], kept[40];
    v[1] = NAN;
    ck_fails(orthsr__expm_forward(A, kept, v, 4, &error), ORTHSR_ERROR_NUMERIC, "not finite");
    ck_fails(orthsr__householder_forward(A, kept, v, 4, 2, &error), ORTHSR_ERROR_NUMERIC, "not finite");
    ck_fails(orthsr__butterfly_forward(A, kept, v, 4, 4, 1, &error), ORTHSR_ERROR_NUMERIC, "not finite");
    v[1] = 3e38f;
    ck_fails(orthsr__expm_forward(A, kept, v, 4, &error), ORTHSR_ERROR_NUMERIC, "too large");
    ck_fails(orthsr__householder_forward(A, kept, v, 4, 2, &error), ORTHSR_ERROR_NUMERIC, "length");
    for (size_t i = 0; i < 4; i++) v[i] = -(float)orthsr__householder_base(0, i, 4); /* a normal of length 0 */
    ck_fails(orthsr__householder_forward(A, kept, v, 4, 2, &error), ORTHSR_ERROR_NUMERIC, "reflection 0");
}
END_TEST

static TCase *parametrization_case(void) {
    TCase *tcase = tcase_create("parametrizations");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, orthogonal_at_every_width, 0, 4);
    tcase_add_loop_test(tcase, expm_against_torch, 0, 3);
    tcase_add_test(tcase, products_against_peft);
    tcase_add_test(tcase, what_cannot_be);
    return tcase;
}

TEST_MAIN("parametrizations", parametrization_case)
