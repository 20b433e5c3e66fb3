/* grad_ops.c - the backward pass of every op against central differences of its forward pass, in float64. Observed at most 4e-10. */
#include "ops/ops.h"
#include "util/differences.h"
#include "util/pool.h"

#define BOUND 1e-6

enum { ROWS = 3, D = 8, OUT = 5, T = 4, BATCH = 2, HEADS = 2, N = BATCH * T * D };

/* Shared by the value functions: a cotangent, so that the scalar is g . f(x), and whatever f needs. */
typedef struct context {
    real g[N], w[N], b[N], q[N], k[N], v[N];
    size_t labels[ROWS];
    int kind;
    int which; /* of attention: which input x stands for */
} context;

static context make(unsigned long seed) {
    context c = {.labels = {1, 0, 4}};
    fill(c.g, N, seed);
    fill(c.w, N, seed + 1);
    fill(c.b, N, seed + 2);
    fill(c.q, N, seed + 3);
    fill(c.k, N, seed + 4);
    fill(c.v, N, seed + 5);
    return c;
}

static double linear_value(const real *x, void *context_) {
    context *c = context_;
    real y[ROWS * OUT];
    orthsr__linear_forward(NULL, y, x, c->w, c->b, NULL, ROWS, D, OUT);
    return dot(c->g, y, ROWS * OUT);
}
START_TEST(linear) {
    context c = make(1);
    real x[ROWS * D], gx[ROWS * D];
    fill(x, ROWS * D, 9);
    orthsr__linear_backward(NULL, gx, c.g, c.w, ROWS, D, OUT, false);
    ck_assert_double_le(gradient_error(x, gx, ROWS * D, 1, linear_value, &c), BOUND);
}
END_TEST

static double layernorm_value(const real *x, void *context_) {
    context *c = context_;
    real y[ROWS * D], mean[ROWS], rstd[ROWS];
    orthsr__layernorm_forward(NULL, y, mean, rstd, x, c->w, c->b, ROWS, D, 1e-5);
    return dot(c->g, y, ROWS * D);
}
START_TEST(layernorm) {
    context c = make(2);
    real x[ROWS * D], gx[ROWS * D] = {0}, y[ROWS * D], mean[ROWS], rstd[ROWS];
    fill(x, ROWS * D, 9);
    orthsr__layernorm_forward(NULL, y, mean, rstd, x, c.w, c.b, ROWS, D, 1e-5);
    orthsr__layernorm_backward(NULL, gx, c.g, x, mean, rstd, c.w, ROWS, D);
    ck_assert_double_le(gradient_error(x, gx, ROWS * D, 1, layernorm_value, &c), BOUND);
}
END_TEST

static double activation_value(const real *x, void *context_) {
    context *c = context_;
    real y[N];
    orthsr__activation_forward(NULL, y, x, N, (orthsr__activation)c->kind);
    return dot(c->g, y, N);
}
START_TEST(activation) {
    context c = make(3);
    c.kind = _i;
    real x[N], gx[N];
    fill(x, N, 9);
    for (size_t i = 0; i < N; i++) x[i] *= 4;
    orthsr__activation_backward(NULL, gx, c.g, x, N, (orthsr__activation)_i);
    ck_assert_double_le(gradient_error(x, gx, N, 1, activation_value, &c), BOUND);
}
END_TEST

/* BATCH T rows in several layouts; `one`: one query of each sequence, at these places. */
static const size_t PLACES[BATCH * T] = {2, 0, 1, 0, 0, 0, 0, 0};
static const struct layout {
    orthsr__sequences sequences;
    bool one;
} LAYOUTS[] = {{{0, 2, 4, false}, false}, {{0, 2, 4, true}, false}, {{2, 3, 2, true}, false}, {{2, 2, 3, false}, false},
               {{0, 2, 4, false}, true},  {{0, 2, 4, true}, true},  {{2, 2, 3, true}, true},  {{5, 3, 1, true}, false}};

static double attention_value(const real *x, void *context_) {
    context *c = context_;
    const struct layout *l = &LAYOUTS[c->kind];
    real o[N];
    const real *q = c->which == 0 ? x : c->q, *k = c->which == 1 ? x : c->k, *v = c->which == 2 ? x : c->v;
    orthsr__attention_forward(workers(1), o, q, k, v, &l->sequences, l->one ? PLACES : NULL, D, HEADS);
    return dot(c->g, o, (l->one ? l->sequences.count : BATCH * T) * D);
}
START_TEST(attention) {
    context c = make(4);
    const struct layout *l = &LAYOUTS[_i];
    c.kind = _i;
    real o[N], gradient[3][N], *inputs[3] = {c.q, c.k, c.v};
    ck_assert_uint_eq(orthsr__rows(&l->sequences), BATCH * T);
    for (size_t i = 0; i < N; i++) gradient[0][i] = gradient[1][i] = gradient[2][i] = 99; /* all is written, nothing added to what was there */
    orthsr__attention_forward(workers(1), o, c.q, c.k, c.v, &l->sequences, l->one ? PLACES : NULL, D, HEADS);
    orthsr__attention_backward(workers(1), gradient[0], gradient[1], gradient[2], c.g, o, c.q, c.k, c.v, &l->sequences, l->one ? PLACES : NULL, D, HEADS);
    for (c.which = 0; c.which < 3; c.which++) {
        size_t n = c.which == 0 && l->one ? l->sequences.count * D : N;
        ck_assert_double_le(gradient_error(inputs[c.which], gradient[c.which], n, 1, attention_value, &c), BOUND);
    }
}
END_TEST

static double normalize_value(const real *x, void *context_) {
    context *c = context_;
    real y[ROWS * D], norm[ROWS];
    orthsr__normalize_forward(y, norm, x, ROWS, D);
    return dot(c->g, y, ROWS * D);
}
START_TEST(normalize) {
    context c = make(5);
    real x[ROWS * D], gx[ROWS * D], y[ROWS * D], norm[ROWS];
    fill(x, ROWS * D, 9);
    orthsr__normalize_forward(y, norm, x, ROWS, D);
    orthsr__normalize_backward(gx, c.g, y, norm, ROWS, D);
    ck_assert_double_le(gradient_error(x, gx, ROWS * D, 1, normalize_value, &c), BOUND);
}
END_TEST

static double loss_of(context *c, real *g, const real *x) {
    real log_p[ROWS * OUT], log_q[ROWS * OUT];
    orthsr__log_softmax(log_p, x, ROWS, OUT);
    orthsr__log_softmax(log_q, c->q, ROWS, OUT);
    if (c->kind == 0) return orthsr__cross_entropy(g, log_p, c->labels, ROWS, OUT, 1);
    return (c->kind == 1 ? orthsr__kl_forward : orthsr__kl_reverse)(g, log_p, log_q, ROWS, OUT, 1);
}
static double loss_value(const real *x, void *context_) {
    real unused[ROWS * OUT] = {0};
    return loss_of(context_, unused, x);
}
START_TEST(loss) {
    context c = make(6);
    c.kind = _i;
    real x[ROWS * OUT], g[ROWS * OUT] = {0};
    fill(x, ROWS * OUT, 77);
    loss_of(&c, g, x);
    ck_assert_double_le(gradient_error(x, g, ROWS * OUT, 1, loss_value, &c), BOUND);
}
END_TEST

static TCase *all(void) {
    TCase *tc = tcase_create("gradients of ops");
    tcase_add_test(tc, linear);
    tcase_add_test(tc, layernorm);
    tcase_add_loop_test(tc, activation, 0, 3);
    tcase_add_loop_test(tc, attention, 0, sizeof LAYOUTS / sizeof *LAYOUTS);
    tcase_add_test(tc, normalize);
    tcase_add_loop_test(tc, loss, 0, 3);
    return tc;
}
TEST_MAIN("gradients of ops", all)
