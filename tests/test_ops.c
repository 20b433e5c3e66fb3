/* test_ops.c - every op, forward and backward, against PyTorch (tests/oracle/make_ops.py). */
#include "ops/ops.h"
#include "util/fixture.h"

/* Largest error relative to the largest value; observed at most 4.1e-7 in float32. */
#define BOUND 2e-6

static fixture f;
static void setup(void) { fixture_open(&f, "tests/data/ops.safetensors"); }
static void teardown(void) { fixture_close(&f); }

static real *get(const char *name, const char *suffix) {
    char full[64];
    snprintf(full, sizeof full, "%s.%s", name, suffix);
    return fixture_reals(&f, full, NULL);
}

static void same(const real *have, const char *name, const char *suffix, size_t n) {
    double error = max_relative_real(have, get(name, suffix), n);
    ck_assert_msg(error <= BOUND, "%s.%s: %.3g > %.3g", name, suffix, error, BOUND);
}

START_TEST(linear) {
    real y[5 * 9], gx[5 * 7];
    orthsr__linear_forward(y, get("linear", "x"), get("linear", "w"), get("linear", "b"), get("linear", "r"), 5, 7, 9);
    same(y, "linear", "y", 45);
    orthsr__linear_backward(gx, get("linear", "gy"), get("linear", "w"), 5, 7, 9, false);
    same(gx, "linear", "gx", 35);
    orthsr__linear_backward(gx, get("linear", "gy"), get("linear", "w"), 5, 7, 9, true);
    for (size_t i = 0; i < 35; i++) gx[i] /= 2;
    same(gx, "linear", "gx", 35);
}
END_TEST

START_TEST(linear_without_bias_or_residual) {
    real y[5 * 9], expected[5 * 9], *b = get("linear", "b"), *r = get("linear", "r");
    orthsr__linear_forward(y, get("linear", "x"), get("linear", "w"), NULL, NULL, 5, 7, 9);
    for (size_t i = 0; i < 45; i++) expected[i] = get("linear", "y")[i] - b[i % 9] - r[i];
    ck_assert_double_le(max_relative_real(y, expected, 45), BOUND);
    memcpy(y, r, sizeof y); /* the residual in place */
    orthsr__linear_forward(y, get("linear", "x"), get("linear", "w"), NULL, y, 5, 7, 9);
    for (size_t i = 0; i < 45; i++) expected[i] += r[i];
    ck_assert_double_le(max_relative_real(y, expected, 45), BOUND);
}
END_TEST

START_TEST(layernorm) {
    real y[4 * 33], again[4 * 33], gx[4 * 33] = {0}, mean[4], rstd[4], *x = get("layernorm", "x"), *w = get("layernorm", "w"), *b = get("layernorm", "b");
    orthsr__layernorm_forward(y, mean, rstd, x, w, b, 4, 33, (real)1e-5);
    same(y, "layernorm", "y", 132);
    orthsr__layernorm_again(again, x, mean, rstd, w, b, 4, 33);
    ck_assert_double_le(max_relative_real(again, y, 132), 1e-6);
    orthsr__layernorm_backward(gx, get("layernorm", "gy"), x, mean, rstd, w, 4, 33);
    same(gx, "layernorm", "gx", 132);
}
END_TEST

static const struct {
    const char *name;
    orthsr__activation kind;
} activations[] = {{"quick_gelu", ORTHSR__QUICK_GELU}, {"gelu", ORTHSR__GELU}, {"gelu_tanh", ORTHSR__GELU_TANH}};

START_TEST(activation) {
    real y[300], gx[300];
    const char *name = activations[_i].name;
    orthsr__activation_forward(y, get(name, "x"), 300, activations[_i].kind);
    same(y, name, "y", 300);
    orthsr__activation_backward(gx, get(name, "gy"), get(name, "x"), 300, activations[_i].kind);
    same(gx, name, "gx", 300);
}
END_TEST

START_TEST(activation_extremes) {
    real x[4] = {-1000, 1000, 0, -50}, y[4], g[4], one[4] = {1, 1, 1, 1};
    orthsr__activation_forward(y, x, 4, activations[_i].kind);
    ck_assert(fabs((double)y[0]) < 1e-30 && y[1] == 1000 && y[2] == 0 && fabs((double)y[3]) < 1e-5);
    orthsr__activation_backward(g, one, x, 4, activations[_i].kind);
    ck_close(g[0], 0, 1e-6);
    ck_close(g[1], 1, 1e-6);
    ck_close(g[2], 0.5, 1e-6);
}
END_TEST

static const struct {
    const char *name;
    bool causal;
} attentions[] = {{"attention", false}, {"attention_causal", true}};

START_TEST(attention) {
    const char *name = attentions[_i].name;
    real o[144], gq[144], gk[144], gv[144], work[2 * 36], *q = get(name, "q"), *k = get(name, "k"), *v = get(name, "v");
    orthsr__attention_forward(o, q, k, v, 2, 6, 12, 3, attentions[_i].causal, work);
    same(o, name, "y", 144);
    orthsr__attention_backward(gq, gk, gv, get(name, "gy"), o, q, k, v, 2, 6, 12, 3, attentions[_i].causal, work);
    same(gq, name, "gq", 144);
    same(gk, name, "gk", 144);
    same(gv, name, "gv", 144);
}
END_TEST

START_TEST(normalize) {
    real y[66], norm[6], gx[66];
    orthsr__normalize_forward(y, norm, get("normalize", "x"), 6, 11);
    same(y, "normalize", "y", 66);
    orthsr__normalize_backward(gx, get("normalize", "gy"), y, norm, 6, 11);
    same(gx, "normalize", "gx", 66);
    real zero[11] = {0};
    orthsr__normalize_forward(y, norm, zero, 1, 11);
    ck_assert(norm[0] == 0 && y[0] == 0);
}
END_TEST

START_TEST(losses) {
    real log_p[30], g[30];
    const int32_t *labels32 = fixture_raw(&f, "loss.labels", 4, NULL);
    size_t labels[6];
    for (size_t i = 0; i < 6; i++) labels[i] = (size_t)labels32[i];
    real *q = get("loss", "q");
    orthsr__log_softmax(log_p, get("loss", "x"), 6, 5);
    same(log_p, "log_softmax", "y", 30);
    memset(g, 0, sizeof g);
    ck_close(orthsr__cross_entropy(g, log_p, labels, 6, 5, 1), get("cross_entropy", "y")[0], 1e-5);
    same(g, "cross_entropy", "gx", 30);
    memset(g, 0, sizeof g);
    ck_close(orthsr__kl_forward(g, log_p, q, 6, 5, 1), get("kl_forward", "y")[0], 1e-5);
    same(g, "kl_forward", "gx", 30);
    memset(g, 0, sizeof g);
    ck_close(orthsr__kl_reverse(g, log_p, q, 6, 5, 2), get("kl_reverse", "y")[0], 1e-5); /* the weight is on the gradient only */
    for (size_t i = 0; i < 30; i++) g[i] /= 2;
    same(g, "kl_reverse", "gx", 30);
}
END_TEST

static TCase *all(void) {
    TCase *tc = tcase_create("ops");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, linear);
    tcase_add_test(tc, linear_without_bias_or_residual);
    tcase_add_test(tc, layernorm);
    tcase_add_loop_test(tc, activation, 0, 3);
    tcase_add_loop_test(tc, activation_extremes, 0, 3);
    tcase_add_loop_test(tc, attention, 0, 2);
    tcase_add_test(tc, normalize);
    tcase_add_test(tc, losses);
    return tc;
}
TEST_MAIN("ops", all)
