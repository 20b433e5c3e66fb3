/* test_scaled.c - an adapter at another strength: the identity at 0, the same bits at 1, the inverse at -1 where a generator has one, orthogonal throughout. */
#include <sys/resource.h>

#include "adapter/adapter.h"
#include "util/adapters.h"

static orthsr_error error;

enum { ROWS = 5, IN = 24, OUT = 18 };

/* "first" (IN to OUT) and "second" (OUT to IN), in blocks of 6 where one block stands at all places, else in 3 blocks; parameters of this size. */
static orthsr_adapter *make(orthsr_parametrization parametrization, orthsr_side side, bool share, double size) {
    orthsr_adapter_options *options = small_options(parametrization, side, 3, share, 1);
    orthsr_adapter *adapter;
    if (share) ck_ok(orthsr_adapter_options_set_block_size(options, 6, &error));
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    orthsr_adapter_options_free(options);
    ck_ok(orthsr_adapter_add_target(adapter, "first", IN, OUT, &error));
    ck_ok(orthsr_adapter_add_target(adapter, "second", OUT, IN, &error));
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, size, 7);
    for (size_t t = 0; t < 2 && parametrization == ORTHSR_MANIFOLD; t++)
        onto_manifold(parameters + adapter->targets[t].parameter_offset, adapter->targets[t].distinct, adapter->targets[t].block);
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    free(parameters);
    return adapter;
}

static orthsr_adapter *scaled(const orthsr_adapter *adapter, float s) {
    orthsr_adapter *out;
    ck_ok(orthsr_adapter_scaled(&out, adapter, s, &error));
    return out;
}

/* Rows rotated by a target of an adapter. */
static float *rotated(const orthsr_adapter *adapter, size_t target, const float *x) {
    float *y = floats(ROWS * IN, 0, 1);
    ck_ok(orthsr_adapter_rotate(adapter, target, y, x, ROWS, &error));
    return y;
}

static bool exact_group(orthsr_parametrization p) { return p == ORTHSR_CAYLEY || p == ORTHSR_EXPM || p == ORTHSR_MANIFOLD; }

START_TEST(strengths) {
    orthsr_parametrization parametrization = (orthsr_parametrization)(_i % PARAMETRIZATIONS);
    orthsr_side side = _i / PARAMETRIZATIONS % 2 ? ORTHSR_SIDE_OUTPUT : ORTHSR_SIDE_INPUT;
    orthsr_adapter *adapter = make(parametrization, side, _i / PARAMETRIZATIONS / 2, 0.3), *none = scaled(adapter, 0), *same = scaled(adapter, 1),
                   *back = scaled(adapter, -1), *half = scaled(adapter, 0.5f);
    size_t n = adapter->parameter_count;
    ck_assert_int_eq(orthsr_adapter_parametrization(half), parametrization);
    ck_assert_int_eq(orthsr_adapter_side(half), side);
    ck_assert_uint_eq(orthsr_adapter_parameter_count(half), n);
    ck_assert_mem_eq(same->factors.parameters, adapter->factors.parameters, n * sizeof(float));
    ck_assert_mem_eq(same->factors.rotations, adapter->factors.rotations, adapter->rotation_count * sizeof(float));
    for (size_t t = 0; t < 2; t++) {
        ck_assert_str_eq(orthsr_adapter_target_name(half, t), orthsr_adapter_target_name(adapter, t));
        ck_assert_uint_eq(orthsr_adapter_block_size(half, t), orthsr_adapter_block_size(adapter, t));
        float *x = floats(ROWS * IN, 1, 8), *y = rotated(adapter, t, x), *still = rotated(none, t, x), *again = rotated(back, t, y);
        size_t values = ROWS * adapter->targets[t].width;
        ck_assert_mem_eq(still, x, values * sizeof *x);
        ck_assert_double_eq(orthsr_adapter_distance(none, t), 0);
        if (exact_group(parametrization)) ck_assert_double_le(max_relative(again, x, values), 2e-6); /* observed: 3.0e-7 */
        double distance = orthsr_adapter_distance(adapter, t), less = orthsr_adapter_distance(half, t);
        ck_assert_msg(less > 0.2 * distance && less < 0.8 * distance, "half the way of %g: %g", distance, less);
        free(x), free(y), free(still), free(again);
    }
    static const float at[] = {-3, -1, 0.01f, 0.5f, 1.7f, 40};
    for (size_t i = 0; i < sizeof at / sizeof *at && parametrization != ORTHSR_FREE; i++) {
        orthsr_adapter *other = scaled(adapter, at[i]);
        double defect;
        ck_ok(orthsr_adapter_defect(other, &defect, &error));
        ck_assert_msg(defect <= 5e-6, "at %g: %g", (double)at[i], defect); /* observed: 9.1e-7 */
        orthsr_adapter_free(other);
    }
    orthsr_adapter_free(adapter);
    orthsr_adapter_free(none);
    orthsr_adapter_free(same);
    orthsr_adapter_free(back);
    orthsr_adapter_free(half);
}
END_TEST

/* What s means: of one plane, in which a Cayley block turns by t with tan(t/2) = s, an exponential by the angle itself. */
START_TEST(angles) {
    orthsr_parametrization parametrization = _i ? ORTHSR_EXPM : ORTHSR_CAYLEY;
    orthsr_adapter_options *options = small_options(parametrization, ORTHSR_SIDE_INPUT, 1, false, 1);
    orthsr_adapter *adapter, *third;
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    orthsr_adapter_options_free(options);
    ck_ok(orthsr_adapter_add_target(adapter, "plane", 2, 2, &error));
    const float value = 0.8f, x[2] = {1, 0};
    float y[2];
    ck_ok(orthsr_adapter_set_parameters(adapter, &value, 1, &error));
    ck_ok(orthsr_adapter_scaled(&third, adapter, 1 / 3.0f, &error));
    ck_ok(orthsr_adapter_rotate(third, 0, y, x, 1, &error));
    double turn = _i ? 0.8 / 3 : 2 * atan(0.8 / 3);
    ck_close(y[0], cos(turn), 1e-7);
    ck_close(fabs((double)y[1]), sin(turn), 1e-7);
    orthsr_adapter_free(third);
    orthsr_adapter_free(adapter);
}
END_TEST

/* A on the manifold is scaled as the Cayley block that it is equal to; a free one by its distance from I. */
START_TEST(manifold_as_cayley_and_free) {
    orthsr_adapter *cayley = make(ORTHSR_CAYLEY, ORTHSR_SIDE_INPUT, false, 0.4), *manifold = make(ORTHSR_MANIFOLD, ORTHSR_SIDE_INPUT, false, 0),
                   *free_one = make(ORTHSR_FREE, ORTHSR_SIDE_INPUT, false, 0.4);
    ck_ok(orthsr_adapter_set_parameters(manifold, cayley->factors.rotations, manifold->parameter_count, &error));
    static const float at[] = {-2, -1, 0.3f, 1.5f};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        orthsr_adapter *a = scaled(cayley, at[i]), *b = scaled(manifold, at[i]), *c = scaled(free_one, at[i]);
        ck_assert_double_le(max_relative(b->factors.rotations, a->factors.rotations, a->rotation_count), 2e-6); /* observed: 2.3e-7 */
        for (size_t j = 0; j < c->parameter_count; j++) ck_assert_float_eq(c->factors.parameters[j], at[i] * free_one->factors.parameters[j]);
        orthsr_adapter_free(a);
        orthsr_adapter_free(b);
        orthsr_adapter_free(c);
    }
    orthsr_adapter_free(cayley);
    orthsr_adapter_free(manifold);
    orthsr_adapter_free(free_one);
}
END_TEST

/* Scales of outputs go with it; the fingerprint stays; COFT's bound does not hold what was asked for; the file of it is like any other. */
START_TEST(what_goes_with_it) {
    orthsr_adapter_options *options = small_options(ORTHSR_CAYLEY, ORTHSR_SIDE_INPUT, 3, false, 1);
    orthsr_adapter *adapter, *twice, *loaded;
    ck_ok(orthsr_adapter_options_set_coft(options, 0.1f, &error));
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    orthsr_adapter_options_free(options);
    ck_ok(orthsr_adapter_add_target(adapter, "first", IN, OUT, &error));
    size_t n = adapter->parameter_count;
    float *parameters = floats(n, 1, 9), *scale = floats(OUT, 0.5, 10);
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    ck_ok(orthsr_adapter_set_scale(adapter, 0, scale, &error));
    ck_ok(orthsr__adapter_set_fingerprint(adapter, "orthsr1:0123456789abcdef", &error));
    ck_ok(orthsr_adapter_scaled(&twice, adapter, 2, &error));
    ck_assert_str_eq(orthsr_adapter_fingerprint(twice), "orthsr1:0123456789abcdef");
    for (size_t i = 0; i < n; i++) ck_assert_float_eq(twice->factors.parameters[i], 2 * adapter->factors.parameters[i]);
    for (size_t i = 0; i < OUT; i++) ck_close(twice->targets[0].scale[i], 2 * (double)scale[i] - 1, 1e-7);
    orthsr_adapter *none = scaled(adapter, 0), *same = scaled(adapter, 1);
    for (size_t i = 0; i < OUT; i++) ck_assert_float_eq(none->targets[0].scale[i], 1);
    ck_assert_mem_eq(same->targets[0].scale, scale, OUT * sizeof *scale);
    const char *path = scratch_file("scaled.safetensors");
    ck_ok(orthsr_adapter_save(twice, path, NULL, &error));
    ck_ok(orthsr_adapter_load(&loaded, path, &error));
    ck_assert_mem_eq(loaded->factors.rotations, twice->factors.rotations, twice->rotation_count * sizeof(float));
    orthsr_adapter_free(adapter); /* nothing of it is borrowed */
    ck_ok(orthsr_adapter_save(twice, path, NULL, &error));
    orthsr_adapter_free(none);
    orthsr_adapter_free(same);
    orthsr_adapter_free(twice);
    orthsr_adapter_free(loaded);
    free(parameters);
    free(scale);
}
END_TEST

/* ---- what cannot be -------------------------------------------------------------------------------------------------------------- */

#define ck_refuses(adapter, s, status, text)                                                                                                                   \
    do {                                                                                                                                                       \
        orthsr_adapter *out_ = (orthsr_adapter *)-1;                                                                                                           \
        ck_fails(orthsr_adapter_scaled(&out_, adapter, s, &error), status, text);                                                                              \
        ck_assert_ptr_null(out_);                                                                                                                              \
    } while (0)

START_TEST(arguments) {
    orthsr_adapter *adapter = make(ORTHSR_CAYLEY, ORTHSR_SIDE_INPUT, false, 0.3), *empty, *out;
    ck_fails(orthsr_adapter_scaled(NULL, adapter, 1, &error), ORTHSR_ERROR_ARGUMENT, "out is NULL");
    ck_refuses(NULL, 1, ORTHSR_ERROR_ARGUMENT, "adapter is NULL");
    ck_refuses(adapter, NAN, ORTHSR_ERROR_ARGUMENT, "s is not finite");
    ck_refuses(adapter, -INFINITY, ORTHSR_ERROR_ARGUMENT, "s is not finite");
    ck_ok(orthsr_adapter_new(&empty, NULL, &error));
    ck_ok(orthsr_adapter_scaled(&out, empty, 0.5f, &error));
    ck_assert_uint_eq(orthsr_adapter_target_count(out), 0);
    orthsr_adapter_free(out);
    orthsr_adapter_free(empty);
    orthsr_adapter_free(adapter);
}
END_TEST

START_TEST(too_large) {
    for (int p = 0; p < PARAMETRIZATIONS; p++) {
        orthsr_adapter *adapter = make((orthsr_parametrization)p, ORTHSR_SIDE_INPUT, false, p == ORTHSR_MANIFOLD ? 0.3 : 2), *out;
        if (p == ORTHSR_MANIFOLD) ck_ok(orthsr_adapter_scaled(&out, adapter, 3e38f, &error)); /* in float64; it turns almost half round */
        else ck_refuses(adapter, 3e38f, ORTHSR_ERROR_NUMERIC, "target 'first'");
        if (p == ORTHSR_MANIFOLD) orthsr_adapter_free(out);
        orthsr_adapter_free(adapter);
    }
    orthsr_adapter *adapter = make(ORTHSR_CAYLEY, ORTHSR_SIDE_INPUT, false, 0);
    float scale[IN] = {0};
    scale[3] = 3;
    ck_ok(orthsr_adapter_set_scale(adapter, 1, scale, &error));
    ck_refuses(adapter, 3e38f, ORTHSR_ERROR_NUMERIC, "target 'second': a scaled scale is not finite");
    orthsr_adapter_free(adapter);
}
END_TEST

/* Blocks of the manifold that Cayley's transform does not reach, and one that it just reaches. */
START_TEST(half_turns) {
    orthsr_adapter *adapter = make(ORTHSR_MANIFOLD, ORTHSR_SIDE_INPUT, true, 0), *out; /* one block of 6 */
    float A[2 * 36] = {0};
    for (size_t i = 0; i < 6; i++) A[i * 7] = A[36 + i * 7] = 1;
    A[36 + 35] = -1; /* a mirror */
    ck_ok(orthsr_adapter_set_parameters(adapter, A, 72, &error));
    ck_refuses(adapter, 0.5f, ORTHSR_ERROR_NUMERIC, "target 'second', block 0: it mirrors");
    A[36 + 28] = -1; /* a half turn in a plane */
    ck_ok(orthsr_adapter_set_parameters(adapter, A, 72, &error));
    ck_refuses(adapter, 0.5f, ORTHSR_ERROR_NUMERIC, "half round");
    ck_ok(orthsr_adapter_scaled(&out, adapter, 1, &error)); /* nothing is asked of it */
    orthsr_adapter_free(out);
    const double near = 3.14; /* half a turn is 3.14159 */
    A[36 + 28] = A[36 + 35] = (float)cos(near);
    A[36 + 29] = (float)sin(near);
    A[36 + 34] = -A[36 + 29];
    ck_ok(orthsr_adapter_set_parameters(adapter, A, 72, &error));
    ck_ok(orthsr_adapter_scaled(&out, adapter, 0.001f, &error));
    ck_close(out->factors.rotations[36 + 28], cos(2 * atan(0.001 * tan(near / 2))), 1e-4);
    orthsr_adapter_free(out);
    orthsr_adapter_free(adapter);
}
END_TEST

/* p = -2 w at s = 1/2 leaves the normal w - w. */
START_TEST(no_normal) {
    orthsr_adapter *adapter = make(ORTHSR_HOUSEHOLDER, ORTHSR_SIDE_INPUT, false, 0);
    const double pi = 3.14159265358979323846;
    size_t n = adapter->parameter_count, b = adapter->targets[0].block;
    float *parameters = floats(n, 0, 1);
    for (size_t j = 0; j < b; j++) parameters[j] = -2 * (float)(sqrt(2 / (double)b) * cos(pi / (double)b * ((double)j + 0.5) * 0.5));
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    ck_refuses(adapter, 0.5f, ORTHSR_ERROR_NUMERIC, "the normal of reflection 0");
    free(parameters);
    orthsr_adapter_free(adapter);
}
END_TEST

/* Without the memory for another one. */
START_TEST(memory_is_short) {
    if (short_run()) return; /* valgrind's own memory would count */
    orthsr_adapter_options *options = small_options(ORTHSR_FREE, ORTHSR_SIDE_INPUT, 1, false, 1);
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    orthsr_adapter_options_free(options);
    ck_ok(orthsr_adapter_add_target(adapter, "wide", 2048, 8, &error)); /* 16 MiB of parameters */
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(statm);
    ck_assert_int_eq(fscanf(statm, "%lu", &pages), 1);
    fclose(statm);
    struct rlimit before, small;
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &before), 0);
    small = before;
    small.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)4 << 20);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &small), 0);
    orthsr_adapter *out = adapter;
    orthsr_status status = orthsr_adapter_scaled(&out, adapter, 0.5f, &error);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
    ck_assert_int_eq(status, ORTHSR_ERROR_MEMORY);
    ck_assert_ptr_null(out);
    orthsr_adapter_free(adapter);
}
END_TEST

static TCase *meaning(void) {
    TCase *tcase = tcase_create("meaning");
    tcase_add_loop_test(tcase, strengths, 0, PARAMETRIZATIONS * 4);
    tcase_add_loop_test(tcase, angles, 0, 2);
    tcase_add_test(tcase, manifold_as_cayley_and_free);
    tcase_add_test(tcase, what_goes_with_it);
    return tcase;
}

static TCase *errors(void) {
    TCase *tcase = tcase_create("errors");
    tcase_add_test(tcase, arguments);
    tcase_add_test(tcase, too_large);
    tcase_add_test(tcase, half_turns);
    tcase_add_test(tcase, no_normal);
    tcase_add_test(tcase, memory_is_short);
    return tcase;
}

TEST_MAIN("scaled adapters", meaning, errors)
