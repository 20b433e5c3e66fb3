/* grad_ortho.c - float64: every adjoint of the orthogonal layer and of the adapter against central differences. */
#include "util/check.h"

#include "adapter/adapter.h"
#include "ortho/butterfly.h"
#include "ortho/cayley.h"
#include "ortho/expm.h"
#include "ortho/householder.h"
#include "ortho/qr.h"
#include "ortho/retraction.h"
#include "ortho/skew.h"
#include "util/adapters.h"

static orthsr_error error;
static const double STEP = 1e-5; /* truncation of order STEP^2, rounding of order 1e-16 / STEP */

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* numeric (n): central differences of loss at x. */
static void differences(double *numeric, double *x, size_t n, double (*loss)(void *context), void *context) {
    for (size_t i = 0; i < n; i++) {
        double at = x[i];
        x[i] = at + STEP;
        double above = loss(context);
        x[i] = at - STEP;
        double below = loss(context);
        x[i] = at;
        numeric[i] = (above - below) / (2 * STEP);
    }
}

/* ---- one block: loss = <G, S(v)> and <G, R(v)> --------------------------------------------------------------------- */

static const size_t SIZES[] = {1, 2, 3, 5, 8, 17, 40};

typedef struct block {
    size_t b;
    double *v, *G, *R, *M;
} block;

static double skew_loss(void *context) {
    block *k = context;
    orthsr__skew_forward(k->R, k->v, k->b);
    return dot(k->G, k->R, k->b * k->b);
}

static double cayley_loss(void *context) {
    block *k = context;
    ck_ok(orthsr__cayley_forward(k->R, k->v, k->b, k->M, &error));
    return dot(k->G, k->R, k->b * k->b);
}

static void check_block(size_t b, double scale, bool cayley) {
    size_t n = orthsr__skew_size(b);
    block k = {b, doubles(n, scale, b), doubles(b * b, 1, 2), doubles(b * b, 0, 1), doubles(b * b, 0, 1)};
    double *numeric = doubles(n, 0, 1), *ours = doubles(n, 0, 1), *work = doubles(2 * b * b, 0, 1);
    differences(numeric, k.v, n, cayley ? cayley_loss : skew_loss, &k);
    for (size_t i = 0; i < n; i++) ours[i] = 1; /* adjoints add */
    if (cayley) {
        cayley_loss(&k);
        orthsr__cayley_adjoint(ours, k.G, k.R, b, work);
    } else {
        orthsr__skew_adjoint(ours, k.G, b);
    }
    for (size_t i = 0; i < n; i++) ours[i] -= 1;
    ck_assert_double_le(max_relative_double(ours, numeric, n), 1e-6); /* observed: 3e-10 */
    free(k.v);
    free(k.G);
    free(k.R);
    free(k.M);
    free(numeric);
    free(ours);
    free(work);
}

START_TEST(skew_adjoint) { check_block(SIZES[_i], 1, false); }
END_TEST

START_TEST(cayley_adjoint) {
    check_block(SIZES[_i], 0, true);
    check_block(SIZES[_i], 0.1, true);
    check_block(SIZES[_i], 2, true);
}
END_TEST

/* ---- one block of the other parametrisations: loss = <G, A(p)> --------------------------------------------------------- */

typedef struct form {
    size_t b, s, m, k;
    double *p, *G, *A, *kept;
} form;

static double expm_loss(void *context) {
    form *f = context;
    ck_ok(orthsr__expm_forward(f->A, f->kept, f->p, f->b, &error));
    return dot(f->G, f->A, f->b * f->b);
}

static double householder_loss(void *context) {
    form *f = context;
    ck_ok(orthsr__householder_forward(f->A, f->kept, f->p, f->b, f->k, &error));
    return dot(f->G, f->A, f->b * f->b);
}

static double butterfly_loss(void *context) {
    form *f = context;
    ck_ok(orthsr__butterfly_forward(f->A, f->kept, f->p, f->b, f->s, f->m, &error));
    return dot(f->G, f->A, f->b * f->b);
}

/* Central differences of loss and the adjoint, which adds; A orthogonal, and the identity for p = 0. */
static void check_form(form f, size_t n, size_t kept, double scale, double (*loss)(void *), size_t work_size) {
    size_t squared = f.b * f.b;
    f.p = doubles(n, scale, f.b);
    f.G = doubles(squared, 1, 2);
    f.A = doubles(squared, 0, 1);
    f.kept = doubles(kept, 0, 1);
    double *numeric = doubles(n, 0, 1), *ours = doubles(n, 0, 1), *work = doubles(work_size, 0, 1);
    differences(numeric, f.p, n, loss, &f);
    loss(&f);
    for (size_t i = 0; i < n; i++) ours[i] = 1;
    if (loss == expm_loss) orthsr__expm_adjoint(ours, f.G, f.p, f.kept, f.b, work);
    else if (loss == householder_loss) orthsr__householder_adjoint(ours, f.G, f.A, f.kept, f.b, f.k, work);
    else orthsr__butterfly_adjoint(ours, f.G, f.A, f.kept, f.b, f.s, f.m, work);
    for (size_t i = 0; i < n; i++) ours[i] -= 1;
    ck_assert_double_le(max_relative_double(ours, numeric, n), 1e-6); /* observed: 2e-9 */
    double *room = doubles(orthsr__defect_work(f.b, f.b), 0, 1);
    ck_assert_double_le(orthsr__defect(f.A, f.b, f.b, room), 1e-13); /* observed: 1e-14 */
    for (size_t i = 0; i < n; i++) f.p[i] = 0;
    loss(&f);
    for (size_t i = 0; i < squared; i++) ck_assert_double_eq(f.A[i], i % (f.b + 1) == 0);
    free(f.p);
    free(f.G);
    free(f.A);
    free(f.kept);
    free(room);
    free(numeric);
    free(ours);
    free(work);
}

START_TEST(expm_adjoint) {
    const double scales[] = {0.01, 0.5, 5}; /* the last is scaled and squared some six times */
    form f = {.b = SIZES[_i]};
    for (size_t i = 0; i < 3; i++) check_form(f, orthsr__skew_size(f.b), f.b * f.b, scales[i], expm_loss, orthsr__expm_work(f.b));
}
END_TEST

START_TEST(householder_adjoint) {
    static const size_t sizes[][2] = {{2, 2}, {2, 4}, {5, 2}, {8, 8}, {17, 6}};
    const double scales[] = {0.01, 1};
    form f = {.b = sizes[_i][0], .k = sizes[_i][1]};
    for (size_t i = 0; i < 2; i++) check_form(f, f.k * f.b, (f.k + 1) * f.b, scales[i], householder_loss, orthsr__householder_work(f.b));
}
END_TEST

START_TEST(butterfly_adjoint) {
    static const size_t sizes[][3] = {{2, 2, 1}, {8, 2, 3}, {12, 4, 1}, {16, 4, 3}, {24, 6, 2}};
    const double scales[] = {0.01, 1};
    form f = {.b = sizes[_i][0], .s = sizes[_i][1], .m = sizes[_i][2]};
    for (size_t i = 0; i < 2; i++)
        check_form(f, orthsr__butterfly_size(f.b, f.s, f.m), f.m * f.b * f.s, scales[i], butterfly_loss, orthsr__butterfly_work(f.b, f.s));
}
END_TEST

/* ---- QR: loss = <GQ, Q(X)> + <GR, R(X)> ------------------------------------------------------------------------------- */

typedef struct factors {
    size_t n, p;
    double *X, *GQ, *GR, *Q, *R; /* GQ or GR may be NULL */
} factors;

static double qr_loss(void *context) {
    factors *f = context;
    memcpy(f->Q, f->X, f->n * f->p * sizeof *f->Q);
    ck_ok(orthsr__qr_forward(f->Q, f->R, f->n, f->p, &error));
    return (f->GQ ? dot(f->GQ, f->Q, f->n * f->p) : 0) + (f->GR ? dot(f->GR, f->R, f->p * f->p) : 0);
}

START_TEST(qr_adjoint) {
    static const size_t shapes[][2] = {{1, 1}, {2, 2}, {5, 5}, {17, 17}, {12, 1}, {9, 4}, {40, 17}};
    size_t n = shapes[_i / 3][0], p = shapes[_i / 3][1], which = (size_t)_i % 3; /* both factors, Q alone, R alone */
    double *GQ = doubles(n * p, 1, 2), *GR = doubles(p * p, 1, 3);
    factors f = {n, p, doubles(n * p, 1, n), which == 2 ? NULL : GQ, which == 1 ? NULL : GR, doubles(n * p, 0, 1), doubles(p * p, 0, 1)};
    double *numeric = doubles(n * p, 0, 1), *ours = doubles(n * p, 0, 1), *work = doubles(orthsr__qr_work(n, p), NAN, 1);
    differences(numeric, f.X, n * p, qr_loss, &f);
    qr_loss(&f);
    ck_ok(orthsr__qr_full_rank(f.R, n, p, &error));
    for (size_t i = 0; i < n * p; i++) ours[i] = 1; /* adjoints add */
    orthsr__qr_adjoint(ours, f.GQ, f.GR, f.Q, f.R, n, p, work);
    for (size_t i = 0; i < n * p; i++) ours[i] -= 1;
    ck_assert_double_le(max_relative_double(ours, numeric, n * p), 1e-6); /* observed: 2e-9 */
    free(GQ);
    free(GR);
    free(f.X);
    free(f.Q);
    free(f.R);
    free(numeric);
    free(ours);
    free(work);
}
END_TEST

/* ---- the adapter: loss = sum over targets of <G, x A> -------------------------------------------------------------- */

enum { ROWS = 3, IN0 = 12, IN1 = 24, COUNT = 2 };
static const size_t IN[COUNT] = {IN0, IN1}, BLOCKS[] = {1, 2, 3, 6};

typedef struct chain {
    orthsr_adapter *adapter;
    double *parameters, *x[COUNT], *G[COUNT], *y;
} chain;

static double chain_loss(void *context) {
    chain *c = context;
    double sum = 0;
    ck_ok(orthsr__adapter_update(c->adapter, c->parameters, &error));
    for (size_t t = 0; t < COUNT; t++) {
        orthsr__rotate(NULL, c->adapter, &c->adapter->targets[t], c->y, c->x[t], ROWS);
        sum += dot(c->G[t], c->y, ROWS * IN[t]);
    }
    return sum;
}

/* Blocks (b, b) of a matrix that ORTHSR_MANIFOLD can have, n values; differences leave it by less than it allows. */
static void orthogonalise(double *parameters, size_t n, size_t b) {
    double *v = doubles(orthsr__skew_size(b), 0, 1), *M = doubles(b * b, 0, 1);
    for (size_t k = 0; k < n / (b * b); k++) {
        for (size_t i = 0; i < orthsr__skew_size(b); i++) v[i] = parameters[k * b * b + i];
        ck_ok(orthsr__cayley_forward(parameters + k * b * b, v, b, M, &error));
    }
    free(v);
    free(M);
}

static void check_chain(size_t blocks, orthsr_parametrization parametrization, bool share) {
    orthsr_adapter_options *options = small_options(parametrization, ORTHSR_SIDE_INPUT, blocks, share, 1);
    chain c;
    ck_ok(orthsr_adapter_new(&c.adapter, options, &error));
    ck_ok(orthsr_adapter_add_target(c.adapter, "first", IN0, 5, &error));
    ck_ok(orthsr_adapter_add_target(c.adapter, "second", IN1, 7, &error));
    size_t n = c.adapter->parameter_count;
    c.parameters = doubles(n, 0.5, 3);
    for (size_t t = 0; t < COUNT && parametrization == ORTHSR_MANIFOLD; t++)
        orthogonalise(c.parameters + c.adapter->targets[t].parameter_offset, c.adapter->targets[t].parameter_count, c.adapter->targets[t].block);
    c.y = doubles(ROWS * IN1, 0, 1);
    for (size_t t = 0; t < COUNT; t++) {
        c.x[t] = doubles(ROWS * IN[t], 1, 5 + t);
        c.G[t] = doubles(ROWS * IN[t], 1, 8 + t);
    }

    double *numeric = doubles(n, 0, 1), *ours = doubles(n, 0, 1), *grad_rotations = doubles(c.adapter->rotation_count, 0, 1),
           *work = doubles(orthsr__block_work(c.adapter), 0, 1);
    differences(numeric, c.parameters, n, chain_loss, &c);
    chain_loss(&c); /* the adapter at the point itself */
    for (size_t t = 0; t < COUNT; t++) {
        const orthsr__target *target = &c.adapter->targets[t];
        double *grad_x = doubles(ROWS * IN[t], 1, 1), *numeric_x = doubles(ROWS * IN[t], 0, 1),
               *room = doubles(ROWS * IN[t], 1, 2); /* grad_x is written, not added to */
        orthsr__rotate_adjoint(NULL, c.adapter, target, grad_x, grad_rotations + target->rotation_offset, room, c.G[t], c.x[t], ROWS);
        differences(numeric_x, c.x[t], ROWS * IN[t], chain_loss, &c);
        ck_assert_double_le(max_relative_double(grad_x, numeric_x, ROWS * IN[t]), 1e-6); /* observed: 1.3e-10 */
        free(grad_x);
        free(numeric_x);
        free(room);
    }
    orthsr__block_gradients(NULL, c.adapter, 0, c.adapter->target_count, ours, grad_rotations, work);
    ck_assert_double_le(max_relative_double(ours, numeric, n), 1e-6); /* observed: 1.2e-10 */

    orthsr_adapter_options_free(options);
    orthsr_adapter_free(c.adapter);
    free(c.parameters);
    free(c.y);
    for (size_t t = 0; t < COUNT; t++) {
        free(c.x[t]);
        free(c.G[t]);
    }
    free(numeric);
    free(ours);
    free(grad_rotations);
    free(work);
}

enum { BLOCK_COUNT = sizeof BLOCKS / sizeof BLOCKS[0] };

START_TEST(adapters) { check_chain(BLOCKS[_i % BLOCK_COUNT], (orthsr_parametrization)(_i / BLOCK_COUNT), false); }
END_TEST

START_TEST(adapters_of_shared_blocks) { check_chain(BLOCKS[_i % BLOCK_COUNT], (orthsr_parametrization)(_i / BLOCK_COUNT), true); }
END_TEST

static TCase *gradient_case(void) {
    TCase *tcase = tcase_create("gradients");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, skew_adjoint, 0, sizeof SIZES / sizeof SIZES[0]);
    tcase_add_loop_test(tcase, cayley_adjoint, 0, sizeof SIZES / sizeof SIZES[0]);
    tcase_add_loop_test(tcase, expm_adjoint, 0, sizeof SIZES / sizeof SIZES[0]);
    tcase_add_loop_test(tcase, householder_adjoint, 0, 5);
    tcase_add_loop_test(tcase, butterfly_adjoint, 0, 5);
    tcase_add_loop_test(tcase, qr_adjoint, 0, 7 * 3);
    tcase_add_loop_test(tcase, adapters, 0, PARAMETRIZATIONS * BLOCK_COUNT);
    tcase_add_loop_test(tcase, adapters_of_shared_blocks, 0, PARAMETRIZATIONS * BLOCK_COUNT);
    return tcase;
}

TEST_MAIN("grad_ortho", gradient_case)
