/* test_ops.c - every op, forward and backward, against PyTorch (tests/oracle/make_ops.py). */
#include "ops/ops.h"
#include "util/fixture.h"
#include "util/pool.h"

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
    orthsr__linear_forward(NULL, y, get("linear", "x"), get("linear", "w"), get("linear", "b"), get("linear", "r"), 5, 7, 9);
    same(y, "linear", "y", 45);
    orthsr__linear_backward(NULL, gx, get("linear", "gy"), get("linear", "w"), 5, 7, 9, false);
    same(gx, "linear", "gx", 35);
    orthsr__linear_backward(NULL, gx, get("linear", "gy"), get("linear", "w"), 5, 7, 9, true);
    for (size_t i = 0; i < 35; i++) gx[i] /= 2;
    same(gx, "linear", "gx", 35);
}
END_TEST

START_TEST(linear_without_bias_or_residual) {
    real y[5 * 9], expected[5 * 9], *b = get("linear", "b"), *r = get("linear", "r");
    orthsr__linear_forward(NULL, y, get("linear", "x"), get("linear", "w"), NULL, NULL, 5, 7, 9);
    for (size_t i = 0; i < 45; i++) expected[i] = get("linear", "y")[i] - b[i % 9] - r[i];
    ck_assert_double_le(max_relative_real(y, expected, 45), BOUND);
    memcpy(y, r, sizeof y); /* the residual in place */
    orthsr__linear_forward(NULL, y, get("linear", "x"), get("linear", "w"), NULL, y, 5, 7, 9);
    for (size_t i = 0; i < 45; i++) expected[i] += r[i];
    ck_assert_double_le(max_relative_real(y, expected, 45), BOUND);
}
END_TEST

START_TEST(layernorm) {
    real y[4 * 33], again[4 * 33], gx[4 * 33] = {0}, mean[4], rstd[4], *x = get("layernorm", "x"), *w = get("layernorm", "w"), *b = get("layernorm", "b");
    orthsr__layernorm_forward(NULL, y, mean, rstd, x, w, b, 4, 33, (real)1e-5);
    same(y, "layernorm", "y", 132);
    orthsr__layernorm_again(NULL, again, x, mean, rstd, w, b, 4, 33);
    ck_assert_double_le(max_relative_real(again, y, 132), 1e-6);
    orthsr__layernorm_backward(NULL, gx, get("layernorm", "gy"), x, mean, rstd, w, 4, 33);
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
    orthsr__activation_forward(NULL, y, get(name, "x"), 300, activations[_i].kind);
    same(y, name, "y", 300);
    orthsr__activation_backward(NULL, gx, get(name, "gy"), get(name, "x"), 300, activations[_i].kind);
    same(gx, name, "gx", 300);
}
END_TEST

START_TEST(activation_extremes) {
    real x[4] = {-1000, 1000, 0, -50}, y[4], g[4], one[4] = {1, 1, 1, 1};
    orthsr__activation_forward(NULL, y, x, 4, activations[_i].kind);
    ck_assert(fabs((double)y[0]) < 1e-30 && y[1] == 1000 && y[2] == 0 && fabs((double)y[3]) < 1e-5);
    orthsr__activation_backward(NULL, g, one, x, 4, activations[_i].kind);
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
    const orthsr__sequences sequences = {.count = 2, .length = 6, .causal = attentions[_i].causal};
    real o[144], gq[144], gk[144], gv[144], *q = get(name, "q"), *k = get(name, "k"), *v = get(name, "v");
    orthsr__attention_forward(workers(1), o, q, k, v, &sequences, NULL, 12, 3);
    same(o, name, "y", 144);
    orthsr__attention_backward(workers(1), gq, gk, gv, get(name, "gy"), o, q, k, v, &sequences, NULL, 12, 3);
    same(gq, name, "gq", 144);
    same(gk, name, "gk", 144);
    same(gv, name, "gv", 144);
}
END_TEST

/* Three sequences that begin alike, laid out apart and with the beginning shared; one query of each; several threads; many tiles of queries. */
START_TEST(attention_layouts) {
    enum { SHARED = 40, OWN = 700, COUNT = 3, D = 8, HEADS = 2, LENGTH = SHARED + OWN, APART = COUNT * LENGTH, TOGETHER = SHARED + COUNT * OWN };
    const size_t at[] = {0, 698, 17}, whole_at[] = {SHARED, SHARED + 698, SHARED + 17};
    real *apart[4], *together[4], *o[3];
    for (unsigned i = 0; i < 4; i++) { /* q, k, v, the gradient of o */
        together[i] = floats(TOGETHER * D, 2, i + 1);
        apart[i] = malloc(APART * D * sizeof(real));
        for (size_t s = 0; s < COUNT; s++) {
            memcpy(apart[i] + s * LENGTH * D, together[i], SHARED * D * sizeof(real));
            memcpy(apart[i] + (s * LENGTH + SHARED) * D, together[i] + (SHARED + s * OWN) * D, OWN * D * sizeof(real));
        }
    }
    for (unsigned i = 0; i < 3; i++) o[i] = malloc(APART * D * sizeof(real));
    for (int causal = 0; causal < 2; causal++) {
        const orthsr__sequences one = {.count = COUNT, .length = LENGTH, .causal = causal}, other = {SHARED, COUNT, OWN, causal};
        orthsr__attention_forward(workers(1), o[0], apart[0], apart[1], apart[2], &one, NULL, D, HEADS);
        orthsr__attention_forward(workers(3), o[1], together[0], together[1], together[2], &other, NULL, D, HEADS);
        for (size_t s = 0; s < COUNT; s++)
            ck_assert_double_le(max_relative_real(o[1] + (SHARED + s * OWN) * D, o[0] + (s * LENGTH + SHARED) * D, OWN * D), BOUND);
        if (causal) ck_assert_double_le(max_relative_real(o[1], o[0], SHARED * D), BOUND);
        real query[COUNT * D];
        for (size_t s = 0; s < COUNT; s++) memcpy(query + s * D, apart[0] + (s * LENGTH + whole_at[s]) * D, D * sizeof(real));
        orthsr__attention_forward(workers(2), o[2], query, apart[1], apart[2], &one, whole_at, D, HEADS);
        for (size_t s = 0; s < COUNT; s++) ck_assert_double_le(max_relative_real(o[2] + s * D, o[0] + (s * LENGTH + whole_at[s]) * D, D), BOUND);
        orthsr__attention_forward(workers(2), o[2], query, together[1], together[2], &other, at, D, HEADS);
        for (size_t s = 0; s < COUNT; s++) ck_assert_double_le(max_relative_real(o[2] + s * D, o[0] + (s * LENGTH + whole_at[s]) * D, D), BOUND);
    }
    for (unsigned i = 0; i < 4; i++) {
        free(apart[i]);
        free(together[i]);
    }
    for (unsigned i = 0; i < 3; i++) free(o[i]);
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
    tcase_add_test(tc, attention_layouts);
    tcase_add_test(tc, normalize);
    tcase_add_test(tc, losses);
    return tc;
}
TEST_MAIN("ops", all)
