/* test_adapter.c - the public adapter: targets, rotating against merging, options, and its file. */
#include "util/check.h"

#include <jansson.h>
#include <sys/stat.h>

#include "util/fixture.h"
#include "util/tensors.h"

static orthsr_error error;

/* Every block of the parameters, I + what is there, <- the orthogonal matrix nearest to it: parameters that ORTHSR_MANIFOLD can have. */
static void orthogonalise(const orthsr_adapter *adapter, float *parameters) {
    for (size_t t = 0; t < orthsr_adapter_target_count(adapter); t++) {
        size_t b = orthsr_adapter_block_size(adapter, t), blocks = orthsr_adapter_in_features(adapter, t) / b;
        for (size_t k = 0; k < blocks; k++, parameters += b * b) {
            for (size_t i = 0; i < b; i++) parameters[i * b + i] += 1;
            ck_ok(orthsr_retract_polar(parameters, b, b, &error));
        }
    }
}

/* Two targets: "first" (12 to 5) and "second, wider" (24 to 7), parameters of this scale. */
static orthsr_adapter *make(size_t blocks, orthsr_parametrization parametrization, double scale) {
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_blocks(options, blocks, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, parametrization, &error));
    ck_ok(orthsr_adapter_options_set_reflections(options, 4, &error));
    ck_ok(orthsr_adapter_options_set_butterfly(options, 2, 2, &error));
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    orthsr_adapter_options_free(options);
    ck_ok(orthsr_adapter_add_target(adapter, "first", 12, 5, &error));
    ck_ok(orthsr_adapter_add_target(adapter, "second, wider", 24, 7, &error));
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, scale, 11);
    if (parametrization == ORTHSR_MANIFOLD) orthogonalise(adapter, parameters);
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    free(parameters);
    return adapter;
}

static const struct {
    size_t blocks;
    orthsr_parametrization parametrization;
} KINDS[] = {{1, ORTHSR_CAYLEY},    {3, ORTHSR_CAYLEY},   {6, ORTHSR_CAYLEY},  {1, ORTHSR_FREE},        {3, ORTHSR_FREE},
             {12, ORTHSR_FREE},     {1, ORTHSR_EXPM},     {3, ORTHSR_EXPM},    {1, ORTHSR_HOUSEHOLDER}, {3, ORTHSR_HOUSEHOLDER},
             {3, ORTHSR_BUTTERFLY}, {1, ORTHSR_MANIFOLD}, {6, ORTHSR_MANIFOLD}};
enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0] };

/* ---- the map ------------------------------------------------------------------------------------------------------- */

/* y (rows, out) = x (rows, in) W^T in float64, W with leading dimension ld. */
static float *linear(const float *x, const float *W, size_t rows, size_t in, size_t out, size_t ld) {
    float *y = malloc(rows * out * sizeof *y);
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < out; o++) {
            double sum = 0;
            for (size_t i = 0; i < in; i++) sum += (double)x[r * in + i] * W[o * ld + i];
            y[r * out + o] = (float)sum;
        }
    return y;
}

START_TEST(rotating_is_merging) {
    enum { ROWS = 4, LD = 26 };
    orthsr_adapter *adapter = make(KINDS[_i].blocks, KINDS[_i].parametrization, 0.3);
    for (size_t t = 0; t < 2; t++) {
        size_t in = orthsr_adapter_in_features(adapter, t), out = orthsr_adapter_out_features(adapter, t);
        float *W = floats(out * LD, 1, 21), *kept = floats(out * LD, 1, 21), *x = floats(ROWS * in, 1, 22), *xA = floats(ROWS * in, 0, 1);
        ck_ok(orthsr_adapter_rotate(adapter, t, xA, x, ROWS, &error));
        float *rotated = linear(xA, W, ROWS, in, out, LD);
        ck_ok(orthsr_adapter_merge(adapter, t, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, LD, &error));
        float *merged = linear(x, W, ROWS, in, out, LD);
        ck_assert_double_le(max_relative(merged, rotated, ROWS * out), 2e-6); /* observed: 1.7e-7 */
        for (size_t o = 0; o < out; o++)                                      /* what lies beyond in_features is not ours */
            for (size_t i = in; i < LD; i++) ck_assert_float_eq(W[o * LD + i], kept[o * LD + i]);
        ck_ok(orthsr_adapter_unmerge(adapter, t, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, LD, &error));
        ck_assert_double_le(max_relative(W, kept, out * LD), 1e-6); /* observed: 1.2e-7 */
        free(W);
        free(kept);
        free(x);
        free(xA);
        free(rotated);
        free(merged);
    }
    orthsr_adapter_free(adapter);
}
END_TEST

/* One target "map" (8 to 12) in blocks of 4, on this side, with a scale of its outputs or none. */
static orthsr_adapter *make_sided(orthsr_side side, bool scaled, orthsr_parametrization parametrization) {
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_side(options, side, &error));
    ck_ok(orthsr_adapter_options_set_block_size(options, 4, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, parametrization, &error));
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    orthsr_adapter_options_free(options);
    ck_ok(orthsr_adapter_add_target(adapter, "map", 8, 12, &error));
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, 0.3, 31), *scale = floats(12, 0.5, 32);
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    for (size_t i = 0; i < 12; i++) scale[i] += 1;
    if (scaled) ck_ok(orthsr_adapter_set_scale(adapter, 0, scale, &error));
    free(scale);
    free(parameters);
    return adapter;
}

/* y = s ((x A) W^T), or s ((x W^T) A): what the merged weight gives; and unmerging gives the weight back. */
START_TEST(sides_and_scales) {
    enum { ROWS = 4, IN = 8, OUT = 12 };
    orthsr_side side = _i % 2 ? ORTHSR_SIDE_OUTPUT : ORTHSR_SIDE_INPUT;
    bool scaled = _i / 2 % 2;
    orthsr_adapter *adapter = make_sided(side, scaled, _i / 4 ? ORTHSR_FREE : ORTHSR_CAYLEY), *loaded;
    ck_assert_int_eq(orthsr_adapter_side(adapter), side);
    ck_assert_int_eq(orthsr_adapter_has_scale(adapter, 0), scaled);
    ck_assert_uint_eq(orthsr_adapter_parameter_count(adapter), (side == ORTHSR_SIDE_OUTPUT ? 3u : 2u) * (_i / 4 ? 16u : 6u));
    float *W = floats(OUT * IN, 1, 21), *kept = floats(OUT * IN, 1, 21), *x = floats(ROWS * IN, 1, 22), turned[ROWS * OUT], *y, *scale = floats(OUT, 0.5, 32);
    if (side == ORTHSR_SIDE_OUTPUT) {
        float *product = linear(x, W, ROWS, IN, OUT, IN);
        y = malloc(ROWS * OUT * sizeof *y);
        ck_ok(orthsr_adapter_rotate(adapter, 0, y, product, ROWS, &error));
        free(product);
    } else {
        ck_ok(orthsr_adapter_rotate(adapter, 0, turned, x, ROWS, &error));
        y = linear(turned, W, ROWS, IN, OUT, IN);
    }
    for (size_t i = 0; i < ROWS * OUT && scaled; i++) y[i] *= 1 + scale[i % OUT];
    /* the file keeps side and scale: what is merged is what was loaded */
    const char *path = scratch_file("sided.safetensors");
    ck_ok(orthsr_adapter_save(adapter, path, NULL, &error));
    ck_ok(orthsr_adapter_load(&loaded, path, &error));
    ck_assert_int_eq(orthsr_adapter_side(loaded), side);
    ck_assert_int_eq(orthsr_adapter_has_scale(loaded, 0), scaled);
    ck_ok(orthsr_adapter_merge(loaded, 0, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, IN, &error));
    float *merged = linear(x, W, ROWS, IN, OUT, IN);
    ck_assert_double_le(max_relative(merged, y, ROWS * OUT), 2e-6); /* observed: 1.9e-7 */
    ck_ok(orthsr_adapter_unmerge(loaded, 0, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, IN, &error));
    ck_assert_double_le(max_relative(W, kept, OUT * IN), 1e-6); /* observed: 2.3e-7 */
    orthsr_adapter_free(loaded);
    orthsr_adapter_free(adapter);
    free(W);
    free(kept);
    free(x);
    free(y);
    free(merged);
    free(scale);
}
END_TEST

/* |A - I|^2 is the sum of 2 - 2 cos t over A's angles: of a plane rotation by t, in each of 4 blocks, 4 (2 (2 - 2 cos t)). */
START_TEST(distances) {
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_new(&adapter, NULL, &error)); /* 4 blocks */
    ck_ok(orthsr_adapter_add_target(adapter, "map", 8, 3, &error));
    const float tangents[4] = {0.25f, 0.25f, 0.25f, 0.25f}; /* of t/2 */
    ck_assert(orthsr_adapter_distance(adapter, 0) == 0 && orthsr_adapter_distance(adapter, 1) == 0 && orthsr_adapter_distance(NULL, 0) == 0);
    ck_ok(orthsr_adapter_set_parameters(adapter, tangents, 4, &error));
    ck_close(orthsr_adapter_distance(adapter, 0), sqrt(4 * 2 * (2 - 2 * cos(2 * atan(0.25)))), 1e-6); /* observed: 3e-8 */
    orthsr_adapter_free(adapter);
}
END_TEST

/* Plane rotations, whose angles are known to the last digit at both ends: 2 atan(v) of a Cayley block of two, v of a matrix exponential's. */
START_TEST(angles_of_planes) {
    static const float values[] = {0, 1e-7F, 1e-4F, 0.3F, 1, 20, 1e4F, -0.3F};
    for (int kind = 0; kind < 2; kind++) {
        orthsr_adapter_options *options;
        orthsr_adapter *adapter;
        double angles[16];
        ck_ok(orthsr_adapter_options_new(&options, &error));
        ck_ok(orthsr_adapter_options_set_block_size(options, 2, &error));
        ck_ok(orthsr_adapter_options_set_parametrization(options, kind ? ORTHSR_EXPM : ORTHSR_CAYLEY, &error));
        ck_ok(orthsr_adapter_new(&adapter, options, &error));
        orthsr_adapter_options_free(options);
        for (size_t i = 0; i < 8; i++) {
            double expected = kind ? fabs(remainder((double)values[i], 2 * acos(-1))) : 2 * atan(fabs((double)values[i]));
            char name[2] = {(char)('a' + i), 0};
            ck_ok(orthsr_adapter_add_target(adapter, name, 2, 3, &error));
            float *parameters = calloc(i + 1, sizeof *parameters);
            parameters[i] = values[i];
            ck_ok(orthsr_adapter_set_parameters(adapter, parameters, i + 1, &error));
            ck_ok(orthsr_adapter_angles(adapter, i, angles, &error));
            ck_close(angles[0], expected, 1e-11); /* observed: 9e-13, the remainder of 1e4 */
            ck_close(angles[1], expected, 1e-11);
            free(parameters);
        }
        orthsr_adapter_free(adapter);
    }
}
END_TEST

/* Of any orthogonal A the angles give |A - I|; they are sorted, and shared blocks count at each of their places. */
START_TEST(angles_give_the_distance) {
    orthsr_adapter *adapter = make(KINDS[_i].blocks, KINDS[_i].parametrization, 0.8);
    double angles[24], before;
    for (size_t t = 0; t < 2; t++) {
        size_t width = orthsr_adapter_in_features(adapter, t);
        if (KINDS[_i].parametrization == ORTHSR_FREE) {
            angles[0] = 7;
            ck_fails(orthsr_adapter_angles(adapter, t, angles, &error), ORTHSR_ERROR_ARGUMENT, "not orthogonal");
            ck_assert_double_eq(angles[0], 7);
            continue;
        }
        double sum = 0;
        ck_ok(orthsr_adapter_angles(adapter, t, angles, &error));
        before = 0;
        for (size_t i = 0; i < width; before = angles[i++]) {
            ck_assert_msg(angles[i] >= before && angles[i] <= acos(-1) + 1e-12, "angle %zu of %zu: %.9g", i, width, angles[i]);
            sum += 2 - 2 * cos(angles[i]);
        }
        ck_close(orthsr_adapter_distance(adapter, t), sqrt(sum), 1e-6); /* observed: 1.9e-7, of the distance, which is of the float32 A */
    }
    orthsr_adapter_free(adapter);
}
END_TEST

START_TEST(angles_of_shared_blocks) {
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    double angles[8];
    const float tangent = 0.25F;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_block_share(options, 1, &error));
    ck_ok(orthsr_adapter_options_set_block_size(options, 2, &error));
    ck_ok(orthsr_adapter_options_set_side(options, ORTHSR_SIDE_OUTPUT, &error));
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    orthsr_adapter_options_free(options);
    ck_ok(orthsr_adapter_add_target(adapter, "map", 3, 8, &error));
    ck_ok(orthsr_adapter_set_parameters(adapter, &tangent, 1, &error));
    ck_ok(orthsr_adapter_angles(adapter, 0, angles, &error));
    for (size_t i = 0; i < 8; i++) ck_close(angles[i], 2 * atan(0.25), 1e-12); /* observed: 2e-16 */
    ck_fails(orthsr_adapter_angles(adapter, 1, angles, &error), ORTHSR_ERROR_ARGUMENT, "no target");
    ck_fails(orthsr_adapter_angles(adapter, 0, NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_adapter_angles(NULL, 0, angles, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    orthsr_adapter_free(adapter);
}
END_TEST

START_TEST(scales_that_cannot_be) {
    orthsr_adapter *adapter = make_sided(ORTHSR_SIDE_INPUT, true, ORTHSR_CAYLEY);
    float scale[12], W[12 * 8] = {0};
    for (size_t i = 0; i < 12; i++) scale[i] = (float)i;
    ck_ok(orthsr_adapter_set_scale(adapter, 0, scale, &error));
    ck_fails(orthsr_adapter_unmerge(adapter, 0, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, 8, &error), ORTHSR_ERROR_NUMERIC, "target 'map': output 0 is scaled by 0");
    scale[7] = NAN;
    ck_fails(orthsr_adapter_set_scale(adapter, 0, scale, &error), ORTHSR_ERROR_NUMERIC, "the scale of output 7 is not finite");
    ck_assert_int_eq(orthsr_adapter_has_scale(adapter, 0), 1);
    ck_fails(orthsr_adapter_set_scale(adapter, 1, scale, &error), ORTHSR_ERROR_ARGUMENT, "no target");
    ck_fails(orthsr_adapter_set_scale(NULL, 0, scale, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_ok(orthsr_adapter_set_scale(adapter, 0, NULL, &error));
    ck_assert_int_eq(orthsr_adapter_has_scale(adapter, 0) + orthsr_adapter_has_scale(adapter, 1) + orthsr_adapter_has_scale(NULL, 0), 0);
    ck_assert_int_eq(orthsr_adapter_side(NULL), ORTHSR_SIDE_INPUT);
    orthsr_adapter_free(adapter);
    orthsr_adapter_options *options;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_fails(orthsr_adapter_options_set_side(options, (orthsr_side)2, &error), ORTHSR_ERROR_ARGUMENT, "side");
    ck_fails(orthsr_adapter_options_set_side(NULL, ORTHSR_SIDE_INPUT, &error), ORTHSR_ERROR_ARGUMENT, "options");
    ck_ok(orthsr_adapter_options_set_side(options, ORTHSR_SIDE_OUTPUT, &error));
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    ck_fails(orthsr_adapter_add_target(adapter, "m", 8, 9, &error), ORTHSR_ERROR_ARGUMENT, "9 output features do not divide into 4 blocks");
    orthsr_adapter_free(adapter);
    orthsr_adapter_options_free(options);
}
END_TEST

/* Block k's parameters turn columns k b to (k + 1) b of x, by orthsr_cayley's R from the right, and no others. */
START_TEST(blocks_are_in_order) {
    orthsr_adapter *adapter = make(3, ORTHSR_CAYLEY, 0);
    size_t n = orthsr_adapter_parameter_count(adapter), b = orthsr_adapter_block_size(adapter, 1), skew = orthsr_skew_size(b);
    float *parameters = floats(n, 0, 1), *v = floats(skew, 0.5, 2), R[64], y[24];
    ck_assert_uint_eq(b, 8);
    memcpy(parameters + 3 * orthsr_skew_size(4) + skew, v, skew * sizeof *v); /* the second target's second block */
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    ck_ok(orthsr_cayley(R, v, b, &error));
    for (size_t j = 0; j < 24; j++) { /* unit vectors give the rows of A */
        float x[24] = {0};
        x[j] = 1;
        ck_ok(orthsr_adapter_rotate(adapter, 1, y, x, 1, &error));
        for (size_t i = 0; i < 24; i++) ck_close(y[i], i / b == 1 && j / b == 1 ? R[(j - b) * b + i - b] : i == j, 1e-7);
    }
    free(parameters);
    free(v);
    orthsr_adapter_free(adapter);
}
END_TEST

/* The adjoint is checked by differences in grad_ortho; here: that it adds at the target's place, and only there. */
START_TEST(adjoint_adds_in_place) {
    orthsr_adapter *adapter = make(3, KINDS[_i].parametrization, 0.3);
    size_t n = orthsr_adapter_parameter_count(adapter), first = orthsr_adapter_parametrization(adapter) == ORTHSR_CAYLEY ? 18 : 48;
    float *once = floats(n, 0, 1), *twice = floats(n, 0, 1), *x = floats(48, 1, 5), *g = floats(48, 1, 6), grad_x[48];
    ck_ok(orthsr_adapter_rotate_adjoint(adapter, 1, grad_x, once, g, x, 2, &error));
    ck_ok(orthsr_adapter_rotate_adjoint(adapter, 1, NULL, twice, g, x, 2, &error));
    ck_ok(orthsr_adapter_rotate_adjoint(adapter, 1, NULL, twice, g, x, 2, &error));
    for (size_t i = 0; i < n; i++) {
        if (i < first) ck_assert_float_eq(once[i], 0);
        ck_assert_float_eq(twice[i], 2 * once[i]);
    }
    ck_assert(once[first] != 0 && once[n - 1] != 0);
    float again[48];
    ck_ok(orthsr_adapter_rotate_adjoint(adapter, 1, again, NULL, g, x, 2, &error));
    ck_assert_mem_eq(again, grad_x, sizeof again);
    g[0] = NAN;
    ck_fails(orthsr_adapter_rotate_adjoint(adapter, 1, grad_x, once, g, x, 2, &error), ORTHSR_ERROR_NUMERIC, "'second, wider'");
    for (size_t i = 0; i < n; i++) ck_assert_float_eq(2 * once[i], twice[i]);
    ck_assert_mem_eq(again, grad_x, sizeof again);
    free(once);
    free(twice);
    free(x);
    free(g);
    orthsr_adapter_free(adapter);
}
END_TEST

START_TEST(defect) {
    double value;
    orthsr_adapter *adapter = make(3, ORTHSR_CAYLEY, 1);
    ck_ok(orthsr_adapter_defect(adapter, &value, &error));
    ck_assert_double_le(value, 1e-6);
    orthsr_adapter_free(adapter);
    adapter = make(3, ORTHSR_FREE, 0.1);
    ck_ok(orthsr_adapter_defect(adapter, &value, &error));
    ck_assert_double_gt(value, 0.1);
    orthsr_adapter_free(adapter);
}
END_TEST

/* P = -I makes A = 0: it merges, and cannot be taken out again. */
START_TEST(singular_factor) {
    orthsr_adapter *adapter = make(12, ORTHSR_FREE, 0);
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, 0, 1), W[60] = {3};
    parameters[5] = -1;
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    ck_fails(orthsr_adapter_unmerge(adapter, 0, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, 12, &error), ORTHSR_ERROR_NUMERIC, "block 5: the factor is singular");
    ck_assert_float_eq(W[0], 3);
    W[1] = INFINITY;
    ck_fails(orthsr_adapter_merge(adapter, 0, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, 12, &error), ORTHSR_ERROR_NUMERIC, "row 0, column 1");
    ck_assert_float_eq(W[0], 3);
    free(parameters);
    orthsr_adapter_free(adapter);
}
END_TEST

static TCase *map_case(void) {
    TCase *tcase = tcase_create("map");
    tcase_add_loop_test(tcase, rotating_is_merging, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, sides_and_scales, 0, 8);
    tcase_add_test(tcase, scales_that_cannot_be);
    tcase_add_test(tcase, distances);
    tcase_add_test(tcase, angles_of_planes);
    tcase_add_loop_test(tcase, angles_give_the_distance, 0, KIND_COUNT);
    tcase_add_test(tcase, angles_of_shared_blocks);
    tcase_add_test(tcase, blocks_are_in_order);
    tcase_add_loop_test(tcase, adjoint_adds_in_place, 2, 4);
    tcase_add_test(tcase, defect);
    tcase_add_test(tcase, singular_factor);
    return tcase;
}

/* ---- options, targets, parameters ---------------------------------------------------------------------------------- */

START_TEST(options_errors) {
    orthsr_adapter_options *o;
    ck_fails(orthsr_adapter_options_new(NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_ok(orthsr_adapter_options_new(&o, &error));
    ck_fails(orthsr_adapter_options_set_blocks(o, 0, &error), ORTHSR_ERROR_ARGUMENT, "blocks is 0");
    ck_fails(orthsr_adapter_options_set_block_size(o, 0, &error), ORTHSR_ERROR_ARGUMENT, "block_size is 0");
    ck_fails(orthsr_adapter_options_set_block_size(NULL, 1, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_adapter_options_set_parametrization(o, (orthsr_parametrization)6, &error), ORTHSR_ERROR_ARGUMENT, "ORTHSR_MANIFOLD");
    ck_fails(orthsr_adapter_options_set_reflections(o, 3, &error), ORTHSR_ERROR_ARGUMENT, "even");
    ck_fails(orthsr_adapter_options_set_butterfly(o, 5, 1, &error), ORTHSR_ERROR_ARGUMENT, "even");
    ck_fails(orthsr_adapter_options_set_butterfly(o, 4, 0, &error), ORTHSR_ERROR_ARGUMENT, "factors");
    ck_fails(orthsr_adapter_options_set_coft(o, NAN, &error), ORTHSR_ERROR_ARGUMENT, "eps");
    ck_fails(orthsr_adapter_options_set_maps(o, "q,fc3", &error), ORTHSR_ERROR_ARGUMENT, "'fc3'");
    ck_fails(orthsr_adapter_options_set_maps(o, "", &error), ORTHSR_ERROR_ARGUMENT, "there is no ''");
    ck_fails(orthsr_adapter_options_set_maps(o, "q,", &error), ORTHSR_ERROR_ARGUMENT, "there is no ''");
    ck_fails(orthsr_adapter_options_set_maps(o, "fc", &error), ORTHSR_ERROR_ARGUMENT, "'fc'");
    ck_fails(orthsr_adapter_options_set_maps(o, NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_adapter_options_set_towers(o, "image,audio", &error), ORTHSR_ERROR_ARGUMENT, "'audio'");
    ck_ok(orthsr_adapter_options_set_maps(o, "fc2,q,k,v,out,fc1", &error));
    ck_ok(orthsr_adapter_options_set_towers(o, "text", &error));
    orthsr_adapter_options_free(o);
    orthsr_adapter_options_free(NULL);
}
END_TEST

START_TEST(lists_of_layers) {
    static const char *const good[] = {"0", "0-5,11", "3-3", "6-", "all", "0-5,all", "image:6-11,text:all", "text:0,2,image:1", "0,image:7", "999999", NULL};
    static const char *const bad[][2] = {
        {"", "'' is none of"},
        {"1,", "'' is none of"},
        {",1", "'' is none of"},
        {"3-1", "'3-1' goes down"},
        {"a", "'a' is none of a layer (3), some of them (0-5, 6-) and all"},
        {"-1", "'-1' is none of"},
        {"-", "'-' is none of"},
        {"1-2-3", "'1-2-3' is none of"},
        {"1--3", "'1--3' is none of"},
        {"0 -5", "'0 -5' is none of"},
        {"+1", "'+1' is none of"},
        {"1000000", "'1000000' is none of"},
        {"0-99999999999999999999999", "is none of"},
        {"All", "'All' is none of"},
        {"all-", "'all-' is none of"},
        {"image:", "'' is none of"},
        {"sound:3", "'sound' is no tower; they are image and text"},
        {":3", "'' is no tower"},
        {"image:text:3", "'text:3' is none of"},
        {"0-3,text", "layers \"0-3,text\": 'text' is none of"},
    };
    orthsr_adapter_options *o;
    ck_ok(orthsr_adapter_options_new(&o, &error));
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) ck_ok(orthsr_adapter_options_set_layers(o, good[i], &error));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) ck_fails(orthsr_adapter_options_set_layers(o, bad[i][0], &error), ORTHSR_ERROR_ARGUMENT, bad[i][1]);
    ck_fails(orthsr_adapter_options_set_layers(NULL, "0", &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    orthsr_adapter_options_free(o);
}
END_TEST

/* A starts at I exactly, whatever it is made of; the parameters of ORTHSR_MANIFOLD then are I, those of the others 0. */
START_TEST(starts_at_the_identity) {
    orthsr_parametrization kind = (orthsr_parametrization)_i;
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, kind, &error));
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    ck_ok(orthsr_adapter_add_target(adapter, "map", 96, 3, &error)); /* 4 blocks of 24: 8 reflections, butterflies of 2 factors of blocks of 4 */
    static const size_t counts[] = {4 * 276, 4 * 576, 4 * 276, 4 * 8 * 24, 4 * 2 * 6 * 6, 4 * 576};
    size_t n = orthsr_adapter_parameter_count(adapter);
    ck_assert_uint_eq(n, counts[_i]);
    ck_assert_double_eq(orthsr_adapter_distance(adapter, 0), 0);
    float *parameters = floats(n, 1, 1);
    ck_ok(orthsr_adapter_get_parameters(adapter, parameters, n, &error));
    for (size_t i = 0; i < n; i++) ck_assert_float_eq(parameters[i], kind == ORTHSR_MANIFOLD && i % 576 % 25 == 0);
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    ck_assert_double_eq(orthsr_adapter_distance(adapter, 0), 0);
    orthsr_adapter_options_free(options);
    orthsr_adapter_free(adapter);
    free(parameters);
}
END_TEST

START_TEST(forms_that_cannot_be) {
    static const struct {
        orthsr_parametrization kind;
        size_t width;
        const char *text;
    } forms[] = {
        {ORTHSR_EXPM, 4, "size 1"},
        {ORTHSR_HOUSEHOLDER, 12, "more reflections than twice the block size"},
        {ORTHSR_BUTTERFLY, 8, "at most that of a block (blocks are of size 2)"},
        {ORTHSR_BUTTERFLY, 48, "no multiple of the butterfly's small block times 2^(factors - 1) (blocks are of size 12)"},
    };
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        ck_ok(orthsr_adapter_options_set_parametrization(options, forms[i].kind, &error));
        ck_ok(orthsr_adapter_new(&adapter, options, &error));
        ck_fails(orthsr_adapter_add_target(adapter, "map", forms[i].width, 3, &error), ORTHSR_ERROR_ARGUMENT, forms[i].text);
        ck_assert_uint_eq(orthsr_adapter_target_count(adapter), 0);
        orthsr_adapter_free(adapter);
    }
    ck_ok(orthsr_adapter_options_set_coft(options, 0.1f, &error));
    ck_fails(orthsr_adapter_new(&adapter, options, &error), ORTHSR_ERROR_ARGUMENT, "butterfly has none");
    orthsr_adapter_options_free(options);
}
END_TEST

/* COFT: |S| of every block at most eps / sqrt(blocks), in the direction it had; what lies within stays bit for bit. */
START_TEST(coft) {
    static const orthsr_parametrization kinds[] = {ORTHSR_CAYLEY, ORTHSR_EXPM, ORTHSR_FREE};
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, kinds[_i], &error));
    ck_ok(orthsr_adapter_options_set_coft(options, 0.4f, &error));
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    ck_ok(orthsr_adapter_add_target(adapter, "map", 16, 3, &error)); /* 4 blocks of 4, bound 0.2 */
    size_t n = orthsr_adapter_parameter_count(adapter), block = n / 4;
    float *given = floats(n, 1, 3), *got = floats(n, 0, 1);
    for (size_t i = 0; i < block; i++) given[i] *= 0.01f;
    ck_ok(orthsr_adapter_set_parameters(adapter, given, n, &error));
    ck_ok(orthsr_adapter_get_parameters(adapter, got, n, &error));
    ck_assert_mem_eq(given, got, block * sizeof *got);
    for (size_t k = 1; k < 4; k++) {
        double squares = 0;
        for (size_t i = 0; i < block; i++) squares += pow(got[k * block + i], 2) * (_i < 2 ? 2 : 1);
        ck_close(sqrt(squares), 0.2, 1e-7); /* observed: 6e-9 */
        ck_close(got[k * block + 1] / given[k * block + 1], got[k * block] / given[k * block], 1e-7);
    }
    orthsr_adapter_options_free(options);
    orthsr_adapter_free(adapter);
    free(given);
    free(got);
}
END_TEST

START_TEST(targets) {
    orthsr_adapter *a;
    ck_fails(orthsr_adapter_new(NULL, NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_ok(orthsr_adapter_new(&a, NULL, &error)); /* 4 Cayley blocks */
    ck_assert_uint_eq(orthsr_adapter_target_count(a), 0);
    ck_fails(orthsr_adapter_add_target(a, NULL, 8, 8, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_adapter_add_target(a, "", 8, 8, &error), ORTHSR_ERROR_ARGUMENT, "empty");
    ck_fails(orthsr_adapter_add_target(a, "\xff", 8, 8, &error), ORTHSR_ERROR_ARGUMENT, "UTF-8");
    ck_fails(orthsr_adapter_add_target(a, "x", 0, 8, &error), ORTHSR_ERROR_ARGUMENT, "'x'");
    ck_fails(orthsr_adapter_add_target(a, "x", 8, 0, &error), ORTHSR_ERROR_ARGUMENT, "'x'");
    ck_fails(orthsr_adapter_add_target(a, "x", (size_t)1 << 33, 8, &error), ORTHSR_ERROR_ARGUMENT, "2^31");
    ck_fails(orthsr_adapter_add_target(a, "x", 10, 8, &error), ORTHSR_ERROR_ARGUMENT, "10 input features do not divide into 4 blocks");
    ck_fails(orthsr_adapter_add_target(a, "x", 4, 8, &error), ORTHSR_ERROR_ARGUMENT, "size 1");
    ck_fails(orthsr_adapter_add_target(a, "x", (size_t)1 << 30, 8, &error), ORTHSR_ERROR_MEMORY, "target");
    ck_assert_uint_eq(orthsr_adapter_target_count(a), 0);
    ck_assert_uint_eq(orthsr_adapter_parameter_count(a), 0);

    ck_ok(orthsr_adapter_add_target(a, "x", 8, 3, &error));
    ck_fails(orthsr_adapter_add_target(a, "x", 8, 3, &error), ORTHSR_ERROR_ARGUMENT, "exists already");
    float values[4] = {0.1f, 0.2f, 0.3f, 0.4f}, got[28], x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, before[8], after[8], y[16], wide[16];
    ck_ok(orthsr_adapter_set_parameters(a, values, 4, &error));
    ck_ok(orthsr_adapter_rotate(a, 0, before, x, 1, &error));
    ck_ok(orthsr_adapter_add_target(a, "\xc3\xa9t\xc3\xa9", 16, 2, &error)); /* A = I, and x keeps its values */
    ck_ok(orthsr_adapter_rotate(a, 0, after, x, 1, &error));
    ck_assert_mem_eq(before, after, sizeof after);
    for (size_t i = 0; i < 16; i++) wide[i] = (float)i;
    ck_ok(orthsr_adapter_rotate(a, 1, y, wide, 1, &error));
    ck_assert_mem_eq(y, wide, sizeof y);
    ck_ok(orthsr_adapter_get_parameters(a, got, 28, &error));
    for (size_t i = 0; i < 28; i++) ck_assert_float_eq(got[i], i < 4 ? values[i] : 0);

    ck_assert_uint_eq(orthsr_adapter_target_count(a), 2);
    ck_assert_str_eq(orthsr_adapter_target_name(a, 0), "x");
    ck_assert_uint_eq(orthsr_adapter_in_features(a, 1), 16);
    ck_assert_uint_eq(orthsr_adapter_out_features(a, 1), 2);
    ck_assert_uint_eq(orthsr_adapter_block_size(a, 1), 4);
    ck_assert_ptr_null(orthsr_adapter_target_name(a, 2));
    ck_assert_uint_eq(orthsr_adapter_in_features(a, 2) + orthsr_adapter_out_features(a, 2) + orthsr_adapter_block_size(a, 2), 0);
    ck_assert_str_eq(orthsr_adapter_fingerprint(a), "");
    orthsr_adapter_free(a);
    orthsr_adapter_free(NULL);

    orthsr_adapter_options *o;
    ck_ok(orthsr_adapter_options_new(&o, &error));
    ck_ok(orthsr_adapter_options_set_block_size(o, 6, &error));
    ck_ok(orthsr_adapter_new(&a, o, &error));
    ck_fails(orthsr_adapter_add_target(a, "x", 8, 8, &error), ORTHSR_ERROR_ARGUMENT, "blocks of size 6");
    ck_ok(orthsr_adapter_add_target(a, "x", 18, 8, &error));
    ck_assert_uint_eq(orthsr_adapter_parameter_count(a), 3 * 15);
    orthsr_adapter_options_free(o);
    orthsr_adapter_free(a);
}
END_TEST

/* As wide as the narrower side of each map, on either side; a wide side that it does not divide is refused. */
START_TEST(narrow_blocks) {
    static const size_t maps[][2] = {{8, 8}, {6, 24}, {24, 6}};
    for (int side = 0; side < 2; side++) {
        orthsr_adapter_options *o;
        orthsr_adapter *a, *loaded;
        ck_ok(orthsr_adapter_options_new(&o, &error));
        ck_ok(orthsr_adapter_options_set_blocks(o, 4, &error));
        ck_ok(orthsr_adapter_options_set_block_size(o, ORTHSR_BLOCK_NARROW, &error)); /* replaces it */
        ck_ok(orthsr_adapter_options_set_side(o, side ? ORTHSR_SIDE_OUTPUT : ORTHSR_SIDE_INPUT, &error));
        ck_ok(orthsr_adapter_new(&a, o, &error));
        orthsr_adapter_options_free(o);
        for (size_t i = 0; i < 3; i++) ck_ok(orthsr_adapter_add_target(a, i == 0 ? "square" : i == 1 ? "up" : "down", maps[i][0], maps[i][1], &error));
        for (size_t i = 0; i < 3; i++) ck_assert_uint_eq(orthsr_adapter_block_size(a, i), i == 0 ? 8 : 6);
        ck_assert_uint_eq(orthsr_adapter_parameter_count(a), 28 + 15 + 4 * 15); /* 24 = 4 times 6, on one of the sides */
        ck_fails(orthsr_adapter_add_target(a, "odd", side ? 8 : 20, side ? 20 : 8, &error), ORTHSR_ERROR_ARGUMENT, "do not divide into blocks of size 8");
        float *parameters = floats(103, 0.3, 12), got[103];
        ck_ok(orthsr_adapter_set_parameters(a, parameters, 103, &error));
        ck_ok(orthsr_adapter_save(a, scratch_file("narrow.safetensors"), NULL, &error));
        ck_ok(orthsr_adapter_load(&loaded, scratch_file("narrow.safetensors"), &error));
        ck_ok(orthsr_adapter_get_parameters(loaded, got, 103, &error));
        ck_assert_mem_eq(got, parameters, sizeof got);
        ck_ok(orthsr_adapter_add_target(loaded, "more", 10, 10, &error)); /* the rule is kept, not the sizes it gave */
        ck_assert_uint_eq(orthsr_adapter_block_size(loaded, 3), 10);
        free(parameters);
        orthsr_adapter_free(loaded);
        orthsr_adapter_free(a);
    }
}
END_TEST

START_TEST(failed_set_changes_nothing) {
    orthsr_adapter *adapter = make(KINDS[_i].blocks, KINDS[_i].parametrization, 0.3);
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *before = floats(n, 0, 1), *bad = floats(n, 0.7, 9), *after = floats(n, 0, 1), *x = floats(24, 1, 4), y[24], z[24];
    ck_ok(orthsr_adapter_get_parameters(adapter, before, n, &error));
    ck_ok(orthsr_adapter_rotate(adapter, 1, y, x, 1, &error));
    if (KINDS[_i].parametrization == ORTHSR_MANIFOLD) orthogonalise(adapter, bad);
    bad[n - 1] = NAN;
    ck_fails(orthsr_adapter_set_parameters(adapter, bad, n, &error), ORTHSR_ERROR_NUMERIC, "'second, wider'");
    ck_fails(orthsr_adapter_set_parameters(adapter, bad, n - 1, &error), ORTHSR_ERROR_ARGUMENT, "parameters given");
    ck_fails(orthsr_adapter_set_parameters(adapter, NULL, n, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_adapter_get_parameters(adapter, after, n + 1, &error), ORTHSR_ERROR_ARGUMENT, "room for");
    ck_ok(orthsr_adapter_get_parameters(adapter, after, n, &error));
    ck_assert_mem_eq(after, before, n * sizeof *after);
    ck_ok(orthsr_adapter_rotate(adapter, 1, z, x, 1, &error));
    ck_assert_mem_eq(y, z, sizeof y);
    free(before);
    free(bad);
    free(after);
    free(x);
    orthsr_adapter_free(adapter);
}
END_TEST

START_TEST(argument_errors) {
    orthsr_adapter *a = make(3, ORTHSR_CAYLEY, 0.3);
    float x[24] = {0}, W[60] = {0};
    double value;
    ck_fails(orthsr_adapter_rotate(a, 0, x, NULL, 1, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_adapter_rotate(a, 2, x, x, 1, &error), ORTHSR_ERROR_ARGUMENT, "no target");
    ck_fails(orthsr_adapter_rotate_adjoint(a, 2, x, NULL, x, x, 1, &error), ORTHSR_ERROR_ARGUMENT, "no target");
    ck_fails(orthsr_adapter_rotate_adjoint(a, 0, x, NULL, NULL, x, 1, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_adapter_merge(a, 0, NULL, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, 12, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_adapter_merge(a, 2, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, 12, &error), ORTHSR_ERROR_ARGUMENT, "no target");
    ck_fails(orthsr_adapter_merge(a, 0, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, 11, &error), ORTHSR_ERROR_ARGUMENT, "leading dimension");
    ck_fails(orthsr_adapter_unmerge(a, 0, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, 11, &error), ORTHSR_ERROR_ARGUMENT, "leading dimension");
    ck_fails(orthsr_adapter_defect(NULL, &value, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_adapter_save(a, NULL, NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_adapter_save(a, "/tmp/x", "\xff", &error), ORTHSR_ERROR_ARGUMENT, "UTF-8");
    orthsr_adapter_free(a);
}
END_TEST

static TCase *handling_case(void) {
    TCase *tcase = tcase_create("handling");
    tcase_add_test(tcase, options_errors);
    tcase_add_test(tcase, lists_of_layers);
    tcase_add_test(tcase, targets);
    tcase_add_loop_test(tcase, starts_at_the_identity, 0, 6);
    tcase_add_test(tcase, forms_that_cannot_be);
    tcase_add_loop_test(tcase, coft, 0, 3);
    tcase_add_test(tcase, narrow_blocks);
    tcase_add_loop_test(tcase, failed_set_changes_nothing, 0, KIND_COUNT);
    tcase_add_test(tcase, argument_errors);
    return tcase;
}

/* ---- the file ------------------------------------------------------------------------------------------------------ */

static void check_equal(const orthsr_adapter *a, const orthsr_adapter *b) {
    size_t n = orthsr_adapter_parameter_count(a);
    ck_assert_int_eq(orthsr_adapter_parametrization(a), orthsr_adapter_parametrization(b));
    ck_assert_uint_eq(orthsr_adapter_parameter_count(b), n);
    ck_assert_uint_eq(orthsr_adapter_target_count(a), orthsr_adapter_target_count(b));
    for (size_t t = 0; t < orthsr_adapter_target_count(a); t++) {
        ck_assert_str_eq(orthsr_adapter_target_name(a, t), orthsr_adapter_target_name(b, t));
        ck_assert_uint_eq(orthsr_adapter_in_features(a, t), orthsr_adapter_in_features(b, t));
        ck_assert_uint_eq(orthsr_adapter_out_features(a, t), orthsr_adapter_out_features(b, t));
        ck_assert_uint_eq(orthsr_adapter_block_size(a, t), orthsr_adapter_block_size(b, t));
    }
    float *p = floats(n, 0, 1), *q = floats(n, 0, 1), *x = floats(24, 1, 8), y[24], z[24];
    ck_ok(orthsr_adapter_get_parameters(a, p, n, &error));
    ck_ok(orthsr_adapter_get_parameters(b, q, n, &error));
    ck_assert_mem_eq(p, q, n * sizeof *p);
    ck_ok(orthsr_adapter_rotate(a, 1, y, x, 1, &error));
    ck_ok(orthsr_adapter_rotate(b, 1, z, x, 1, &error));
    ck_assert_mem_eq(y, z, sizeof y);
    free(p);
    free(q);
    free(x);
}

START_TEST(round_trip) {
    orthsr_adapter *saved = make(KINDS[_i].blocks, KINDS[_i].parametrization, 0.3), *loaded, *again;
    const char *file = scratch_file("round.safetensors"), *directory = scratch_file("round");
    ck_ok(orthsr_adapter_save(saved, file, "orthsr1:0123456789abcdef", &error));
    ck_ok(orthsr_adapter_load(&loaded, file, &error));
    check_equal(saved, loaded);
    ck_assert_str_eq(orthsr_adapter_fingerprint(loaded), "orthsr1:0123456789abcdef");
    ck_ok(orthsr_adapter_save(loaded, directory, NULL, &error)); /* keeps the fingerprint */
    ck_ok(orthsr_adapter_load(&again, directory, &error));
    check_equal(saved, again);
    ck_assert_str_eq(orthsr_adapter_fingerprint(again), "orthsr1:0123456789abcdef");
    ck_ok(orthsr_adapter_add_target(again, "third", 48, 2, &error)); /* the division is kept, too */
    ck_assert_uint_eq(orthsr_adapter_block_size(again, 2), 48 / KINDS[_i].blocks);
    ck_ok(orthsr_adapter_save(saved, directory, NULL, &error)); /* over an older one */
    orthsr_adapter_free(saved);
    orthsr_adapter_free(loaded);
    orthsr_adapter_free(again);
}
END_TEST

/* No target at all is an adapter, too; and names order files no differently than they were added. */
START_TEST(round_trip_of_odd_adapters) {
    orthsr_adapter *a, *b;
    orthsr_adapter_options *options;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_block_size(options, 2, &error));
    ck_ok(orthsr_adapter_new(&a, options, &error));
    ck_ok(orthsr_adapter_save(a, scratch_file("none.safetensors"), NULL, &error));
    ck_ok(orthsr_adapter_load(&b, scratch_file("none.safetensors"), &error));
    ck_assert_uint_eq(orthsr_adapter_target_count(b), 0);
    orthsr_adapter_free(b);
    static const char *const names[] = {"zz", "\"quoted\\", "a.skew", "a", "\xc3\xa9,1", "t5", "t6", "t7", "t8", "t9", "t10", "t11"};
    for (size_t i = 0; i < 12; i++) ck_ok(orthsr_adapter_add_target(a, names[i], 2 * (i + 1), 1, &error));
    size_t n = orthsr_adapter_parameter_count(a);
    float *p = floats(n, 1, 3), *q = floats(n, 0, 1);
    ck_ok(orthsr_adapter_set_parameters(a, p, n, &error));
    ck_ok(orthsr_adapter_save(a, scratch_file("odd.safetensors"), NULL, &error));
    ck_ok(orthsr_adapter_load(&b, scratch_file("odd.safetensors"), &error));
    for (size_t i = 0; i < 12; i++) ck_assert_str_eq(orthsr_adapter_target_name(b, i), names[i]);
    ck_ok(orthsr_adapter_get_parameters(b, q, n, &error));
    ck_assert_mem_eq(p, q, n * sizeof *p);
    free(p);
    free(q);
    orthsr_adapter_options_free(options);
    orthsr_adapter_free(a);
    orthsr_adapter_free(b);
}
END_TEST

/* One departure from a valid file: two targets, "a" (4 to 3) and "b" (6 to 2), two Cayley blocks each. */
typedef struct malformed {
    const char *version;        /* NULL: 1 */
    const char *size;           /* NULL: two blocks; else this block_size */
    const char *key, *value;    /* metadata set to value, or removed when that is NULL; key NULL: none */
    const char *tensor, *dtype; /* what "a.skew" is called, and its dtype */
    size_t rank, shape[3];      /* its shape */
    bool extra;                 /* a third tensor, "c.skew" */
    float first;                /* its first value */
    orthsr_status status;
    const char *text;
} malformed;

#define FINE .tensor = "a.skew", .dtype = "F32", .rank = 2, .shape = {2, 1}
static const malformed MALFORMED[] = {
    {FINE, .key = "format", .value = "pt", .status = ORTHSR_ERROR_FORMAT, .text = "not an adapter"},
    {FINE, .key = "format", .status = ORTHSR_ERROR_FORMAT, .text = "not an adapter"},
    {FINE, .key = "format_version", .status = ORTHSR_ERROR_FORMAT, .text = "format_version"},
    {FINE, .key = "format_version", .value = "1.0", .status = ORTHSR_ERROR_FORMAT, .text = "format_version"},
    {FINE, .key = "format_version", .value = "0", .status = ORTHSR_ERROR_FORMAT, .text = "format_version"},
    {FINE, .key = "format_version", .value = "3", .status = ORTHSR_ERROR_UNSUPPORTED, .text = "format_version 3"},
    {FINE, .key = "reflections", .value = "8", .status = ORTHSR_ERROR_FORMAT, .text = "reflections must"},
    {FINE, .key = "butterfly", .value = "4,2", .status = ORTHSR_ERROR_FORMAT, .text = "butterfly must"},
    {FINE, .key = "parametrization", .value = "expm", .status = ORTHSR_ERROR_FORMAT, .text = "parametrization"},
    {FINE, .key = "parametrization", .status = ORTHSR_ERROR_FORMAT, .text = "parametrization"},
    {FINE, .key = "parametrization", .value = "free", .status = ORTHSR_ERROR_FORMAT, .text = "'a.free' is missing"},
    {FINE, .key = "blocks", .status = ORTHSR_ERROR_FORMAT, .text = "either blocks or block_size"},
    {FINE, .key = "blocks", .value = "0", .status = ORTHSR_ERROR_FORMAT, .text = "either blocks or block_size"},
    {FINE, .key = "blocks", .value = "02", .status = ORTHSR_ERROR_FORMAT, .text = "either blocks or block_size"},
    {FINE, .key = "blocks", .value = "99999999999999999999999", .status = ORTHSR_ERROR_FORMAT, .text = "either blocks or block_size"},
    {FINE, .key = "blocks", .value = "4", .status = ORTHSR_ERROR_FORMAT, .text = "target:0: target 'a': Cayley blocks of size 1"},
    {FINE, .key = "blocks", .value = "1", .status = ORTHSR_ERROR_FORMAT, .text = "'a.skew' has a wrong shape: 1 cayley blocks of size 4 have (1, 6)"},
    {FINE, .key = "block_size", .value = "2", .status = ORTHSR_ERROR_FORMAT, .text = "either blocks or block_size"},
    {FINE, .key = "block_size", .value = "narrow", .status = ORTHSR_ERROR_FORMAT, .text = "either blocks or block_size"},
    {FINE, .version = "2", .key = "block_size", .value = "narrow", .status = ORTHSR_ERROR_FORMAT, .text = "either blocks or block_size"},
    {FINE, .version = "2", .key = "blocks", .value = "narrow", .status = ORTHSR_ERROR_FORMAT, .text = "either blocks or block_size"},
    {FINE, .key = "blocks", .value = "18446744073709551615", .status = ORTHSR_ERROR_FORMAT, .text = "either blocks or block_size"},
    {FINE, .size = "narrow", .status = ORTHSR_ERROR_FORMAT, .text = "block_size, a number above 0"},
    {FINE, .size = "18446744073709551615", .status = ORTHSR_ERROR_FORMAT, .text = "block_size, a number above 0"},
    {FINE, .version = "2", .size = "wide", .status = ORTHSR_ERROR_FORMAT, .text = "or block_size \"narrow\""},
    {FINE, .version = "2", .size = "narrow", .status = ORTHSR_ERROR_FORMAT,
     .text = "target:0: target 'a': 4 input features do not divide into blocks of size 3"},
    {FINE, .version = "2", .size = "narrow", .key = "target:0", .value = "3,4,a", .status = ORTHSR_ERROR_FORMAT,
     .text = "1 cayley blocks of size 3 have (1, 3)"},
    {FINE, .key = "fingerprint", .status = ORTHSR_ERROR_FORMAT, .text = "fingerprint"},
    {FINE, .key = "side", .value = "left", .status = ORTHSR_ERROR_FORMAT, .text = "side must be"},
    {FINE, .key = "side", .value = "output", .status = ORTHSR_ERROR_FORMAT, .text = "output features do not divide"},
    {FINE, .key = "block_share", .value = "true", .status = ORTHSR_ERROR_FORMAT, .text = "block_share must be \"true\", in a file of format_version 2"},
    {FINE, .version = "2", .key = "block_share", .value = "false", .status = ORTHSR_ERROR_FORMAT, .text = "block_share must be"},
    {FINE, .version = "2", .key = "block_share", .value = "", .status = ORTHSR_ERROR_FORMAT, .text = "block_share must be"},
    {FINE, .version = "2", .key = "block_share", .value = "true", .status = ORTHSR_ERROR_FORMAT, .text = "2 cayley blocks of size 2, stored once, have (1, 1)"},
    {FINE, .key = "author", .value = "x", .status = ORTHSR_ERROR_FORMAT, .text = "key 'author' is unknown"},
    {FINE, .key = "target:3", .value = "4,3,c", .status = ORTHSR_ERROR_FORMAT, .text = "key 'target:3' is unknown"},
    {FINE, .key = "target:00", .value = "4,3,a", .status = ORTHSR_ERROR_FORMAT, .text = "key 'target:00' is unknown"},
    {FINE, .key = "target:1", .status = ORTHSR_ERROR_FORMAT, .text = "'b.skew' belongs to no target"},
    {FINE, .key = "target:0", .value = "4", .status = ORTHSR_ERROR_FORMAT, .text = "target:0 must read"},
    {FINE, .key = "target:0", .value = "4,-3,a", .status = ORTHSR_ERROR_FORMAT, .text = "target:0 must read"},
    {FINE, .key = "target:0", .value = "4,0,a", .status = ORTHSR_ERROR_FORMAT, .text = "target:0: target 'a': features"},
    {FINE, .key = "target:0", .value = "5,3,a", .status = ORTHSR_ERROR_FORMAT, .text = "5 input features do not divide"},
    {FINE, .key = "target:0", .value = "2000000000,3,a", .status = ORTHSR_ERROR_FORMAT, .text = "a wrong shape"},
    {FINE, .key = "target:1", .value = "4,3,a", .status = ORTHSR_ERROR_FORMAT, .text = "'a' exists already"},
    {FINE, .key = "target:0", .value = "4,3,", .status = ORTHSR_ERROR_FORMAT, .text = "'.skew' is missing"},
    {.tensor = "A.skew", .dtype = "F32", .rank = 2, .shape = {2, 1}, .status = ORTHSR_ERROR_FORMAT, .text = "'a.skew' is missing"},
    {.tensor = "a.skew", .dtype = "I32", .rank = 2, .shape = {2, 1}, .status = ORTHSR_ERROR_FORMAT, .text = "dtype I32"},
    {.tensor = "a.skew", .dtype = "F32", .rank = 2, .shape = {1, 2}, .status = ORTHSR_ERROR_FORMAT, .text = "have (2, 1)"},
    {.tensor = "a.skew", .dtype = "F32", .rank = 3, .shape = {2, 1, 1}, .status = ORTHSR_ERROR_FORMAT, .text = "have (2, 1)"},
    {.tensor = "a.skew", .dtype = "F32", .rank = 1, .shape = {2}, .status = ORTHSR_ERROR_FORMAT, .text = "have (2, 1)"},
    {FINE, .extra = true, .status = ORTHSR_ERROR_FORMAT, .text = "'c.skew' belongs to no target"},
    {FINE, .first = NAN, .status = ORTHSR_ERROR_NUMERIC, .text = "target 'a': a skew parameter is not finite"},
};

static void write_malformed(const char *path, const malformed *m) {
    json_t *metadata =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "format", "orthsr-adapter", "format_version", m->version ? m->version : "1", "parametrization",
                  "cayley", m->size ? "block_size" : "blocks", m->size ? m->size : "2", "fingerprint", "", "target:0", "4,3,a", "target:1", "6,2,b");
    if (m->key && m->value) json_object_set_new(metadata, m->key, json_string(m->value));
    else if (m->key) json_object_del(metadata, m->key);
    const size_t b_shape[2] = {2, 3}, c_shape[1] = {1};
    const orthsr__tensor_spec specs[3] = {{m->tensor, m->dtype, m->rank, m->shape, 8}, {"b.skew", "F32", 2, b_shape, 24}, {"c.skew", "F32", 1, c_shape, 4}};
    const float values[9] = {m->first};
    write_tensors(path, specs, m->extra ? 3 : 2, metadata, values);
    json_decref(metadata);
}

START_TEST(malformed_files_are_refused) {
    const char *path = scratch_file("malformed.safetensors");
    orthsr_adapter *adapter = (orthsr_adapter *)&error; /* must be NULL after the failure */
    write_malformed(path, &MALFORMED[_i]);
    ck_fails(orthsr_adapter_load(&adapter, path, &error), MALFORMED[_i].status, MALFORMED[_i].text);
    ck_assert_ptr_nonnull(strstr(error.message, "malformed.safetensors"));
    ck_assert_ptr_null(adapter);
}
END_TEST

START_TEST(what_they_depart_from_loads) {
    const malformed none = {FINE};
    orthsr_adapter *adapter;
    write_malformed(scratch_file("good.safetensors"), &none);
    ck_ok(orthsr_adapter_load(&adapter, scratch_file("good.safetensors"), &error));
    ck_assert_uint_eq(orthsr_adapter_parameter_count(adapter), 8);
    orthsr_adapter_free(adapter);
}
END_TEST

/* Files of released versions, written by tests/oracle/make_adapter.py from docs/formats.md, keep their meaning: parameters to the bit, y = x A to
 * float32 (observed 1.2e-7 of the largest). */
static const char *const GOLDEN[] = {"v1-cayley", "v1-free", "v2-expm", "v2-householder", "v2-butterfly", "v2-manifold", "v2-shared"};

START_TEST(golden_files) {
    char path[128], name[32];
    fixture f;
    orthsr_adapter *adapter;
    snprintf(path, sizeof path, "tests/data/adapter/%s.safetensors", GOLDEN[_i]);
    ck_ok(orthsr_adapter_load(&adapter, path, &error));
    snprintf(path, sizeof path, "tests/data/adapter/%s-expected.safetensors", GOLDEN[_i]);
    fixture_open(&f, path);
    ck_assert_str_eq(orthsr_adapter_fingerprint(adapter), "orthsr1:0123456789abcdef");
    ck_assert_str_eq(orthsr_adapter_target_name(adapter, 1), "text.1.out, with a comma");
    size_t n = orthsr_adapter_parameter_count(adapter), at = 0;
    float *parameters = malloc(n * sizeof *parameters);
    ck_ok(orthsr_adapter_get_parameters(adapter, parameters, n, &error));
    for (size_t i = 0; i < orthsr_adapter_target_count(adapter); i++) {
        size_t count;
        float y[3 * 36];
        snprintf(name, sizeof name, "parameters%zu", i);
        const float *stored = fixture_floats(&f, name, &count);
        ck_assert_mem_eq(parameters + at, stored, count * sizeof *stored);
        at += count;
        snprintf(name, sizeof name, "x%zu", i);
        ck_ok(orthsr_adapter_rotate(adapter, i, y, fixture_floats(&f, name, NULL), 3, &error));
        snprintf(name, sizeof name, "y%zu", i);
        ck_assert_double_le(max_relative(y, fixture_floats(&f, name, NULL), 3 * orthsr_adapter_in_features(adapter, i)), 1e-6);
    }
    ck_assert_uint_eq(at, n);
    free(parameters);
    fixture_close(&f);
    orthsr_adapter_free(adapter);
}
END_TEST

/* A tiny file that asks for matrices of (2^20)^2 entries. */
START_TEST(small_files_of_large_blocks) {
    static float values[2 << 20];
    const size_t shape[3] = {1, 2, 1 << 20};
    const char *path = scratch_file("large.safetensors");
    orthsr_adapter *adapter;
    json_t *metadata = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "format", "orthsr-adapter", "format_version", "2", "parametrization", "householder",
                                 "blocks", "1", "reflections", "2", "fingerprint", "", "target:0", "1048576,1,a");
    const orthsr__tensor_spec spec = {.name = "a.normals", .dtype_name = "F32", .rank = 3, .shape = shape, .bytes = sizeof values};
    write_tensors(path, &spec, 1, metadata, values);
    ck_fails(orthsr_adapter_load(&adapter, path, &error), ORTHSR_ERROR_FORMAT, "2097152 parameters stand for blocks of 1099511627776 entries");
    json_decref(metadata);
}
END_TEST

START_TEST(file_system_errors) {
    orthsr_adapter *adapter = make(3, ORTHSR_CAYLEY, 0.3), *loaded = NULL;
    const char *file = scratch_file("plain"), *directory = scratch_file("empty");
    ck_fails(orthsr_adapter_load(&loaded, scratch_file("absent"), &error), ORTHSR_ERROR_IO, "absent");
    ck_assert_int_eq(mkdir(directory, 0777), 0);
    ck_fails(orthsr_adapter_load(&loaded, directory, &error), ORTHSR_ERROR_IO, "empty/adapter.safetensors");
    ck_fails(orthsr_adapter_save(adapter, scratch_file("no/such/place"), NULL, &error), ORTHSR_ERROR_IO, "no/such/place");
    ck_fails(orthsr_adapter_save(adapter, scratch_file("no/such.safetensors"), NULL, &error), ORTHSR_ERROR_IO, "no/such.safetensors");
    FILE *plain = fopen(file, "w");
    fputs("text", plain);
    fclose(plain);
    ck_fails(orthsr_adapter_save(adapter, file, NULL, &error), ORTHSR_ERROR_IO, "plain");
    ck_fails(orthsr_adapter_load(&loaded, file, &error), ORTHSR_ERROR_FORMAT, "plain");
    ck_fails(orthsr_adapter_load(NULL, file, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_assert_ptr_null(loaded);
    orthsr_adapter_free(adapter);
}
END_TEST

static TCase *file_case(void) {
    TCase *tcase = tcase_create("file");
    tcase_add_loop_test(tcase, round_trip, 0, KIND_COUNT);
    tcase_add_test(tcase, round_trip_of_odd_adapters);
    tcase_add_loop_test(tcase, malformed_files_are_refused, 0, sizeof MALFORMED / sizeof MALFORMED[0]);
    tcase_add_test(tcase, what_they_depart_from_loads);
    tcase_add_loop_test(tcase, golden_files, 0, sizeof GOLDEN / sizeof GOLDEN[0]);
    tcase_add_test(tcase, small_files_of_large_blocks);
    tcase_add_test(tcase, file_system_errors);
    return tcase;
}

TEST_MAIN("adapter", map_case, handling_case, file_case)
