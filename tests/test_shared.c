/* test_shared.c - one block for all places of a target: against an adapter whose blocks are equal, in files, and under COFT. */
#include <jansson.h>

#include "adapter/adapter.h"
#include "util/adapters.h"
#include "util/tensors.h"

static orthsr_error error;

enum { BLOCKS = 3, ROWS = 4, LD = 26 };

/* Two targets, "first" (12 to 18) and "second" (24 to 6), in 3 blocks, at A = I. */
static orthsr_adapter *make(orthsr_parametrization parametrization, orthsr_side side, bool share, float coft) {
    orthsr_adapter_options *options = small_options(parametrization, side, BLOCKS, share, 1);
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_set_coft(options, coft, &error));
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    orthsr_adapter_options_free(options);
    ck_ok(orthsr_adapter_add_target(adapter, "first", 12, 18, &error));
    ck_ok(orthsr_adapter_add_target(adapter, "second", 24, 6, &error));
    return adapter;
}

/* Its parameters of some size; of the manifold orthogonal. */
static float *turn(orthsr_adapter *shared) {
    size_t n = shared->parameter_count;
    float *parameters = floats(n, 0.3, 7);
    for (size_t t = 0; t < 2 && shared->parametrization == ORTHSR_MANIFOLD; t++)
        onto_manifold(parameters + shared->targets[t].parameter_offset, 1, shared->targets[t].block);
    ck_ok(orthsr_adapter_set_parameters(shared, parameters, n, &error));
    return parameters;
}

/* The other adapter's blocks become the shared ones. */
static void repeat(orthsr_adapter *equal, const orthsr_adapter *shared, const float *parameters) {
    float *all = floats(equal->parameter_count, 0, 1);
    for (size_t t = 0; t < 2; t++) {
        size_t per_block = shared->targets[t].parameter_count;
        for (size_t k = 0; k < BLOCKS; k++)
            memcpy(all + equal->targets[t].parameter_offset + k * per_block, parameters + shared->targets[t].parameter_offset, per_block * sizeof *all);
    }
    ck_ok(orthsr_adapter_set_parameters(equal, all, equal->parameter_count, &error));
    free(all);
}

/* What rotates, merges and measures cannot tell the two apart; the shared gradient is the sum of the blocks'. */
START_TEST(as_equal_blocks) {
    orthsr_side side = _i / PARAMETRIZATIONS ? ORTHSR_SIDE_OUTPUT : ORTHSR_SIDE_INPUT;
    orthsr_adapter *shared = make((orthsr_parametrization)(_i % PARAMETRIZATIONS), side, true, 0),
                   *equal = make((orthsr_parametrization)(_i % PARAMETRIZATIONS), side, false, 0);
    ck_assert(orthsr_adapter_block_share(shared) == 1 && orthsr_adapter_block_share(equal) == 0 && orthsr_adapter_block_share(NULL) == 0);
    ck_assert_uint_eq(equal->parameter_count, BLOCKS * shared->parameter_count);
    ck_assert_uint_eq(equal->rotation_count, BLOCKS * shared->rotation_count);
    float *parameters = turn(shared);
    repeat(equal, shared, parameters);
    double defects[2];
    ck_ok(orthsr_adapter_defect(shared, &defects[0], &error));
    ck_ok(orthsr_adapter_defect(equal, &defects[1], &error));
    ck_assert_double_eq(defects[0], defects[1]);
    float *few = floats(shared->parameter_count, 0, 1), *all = floats(equal->parameter_count, 0, 1);
    for (size_t t = 0; t < 2; t++) {
        size_t f = shared->targets[t].width, out = shared->targets[t].out, per_block = shared->targets[t].parameter_count;
        float *x = floats(ROWS * f, 1, 2), *g = floats(ROWS * f, 1, 3), *y[2], *grad_x[2], *W[2];
        for (size_t i = 0; i < 2; i++) {
            orthsr_adapter *adapter = i ? equal : shared;
            y[i] = floats(ROWS * f, 0, 1);
            grad_x[i] = floats(ROWS * f, 0, 1);
            W[i] = floats(out * LD, 1, 4);
            ck_ok(orthsr_adapter_rotate(adapter, t, y[i], x, ROWS, &error));
            ck_ok(orthsr_adapter_rotate_adjoint(adapter, t, grad_x[i], i ? all : few, g, x, ROWS, &error));
            ck_ok(orthsr_adapter_merge(adapter, t, W[i], ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, LD, &error));
        }
        ck_assert_mem_eq(y[0], y[1], ROWS * f * sizeof *x);
        ck_assert_mem_eq(grad_x[0], grad_x[1], ROWS * f * sizeof *x);
        ck_assert_mem_eq(W[0], W[1], out * LD * sizeof *x);
        float *kept = floats(out * LD, 1, 4);
        ck_assert_double_gt(max_relative(W[0], kept, out * LD), 1e-2);
        ck_ok(orthsr_adapter_unmerge(shared, t, W[0], ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, LD, &error));
        ck_assert_double_le(max_relative(W[0], kept, out * LD), 1e-6); /* observed: 6e-8 */
        free(kept);
        ck_close(orthsr_adapter_distance(shared, t), orthsr_adapter_distance(equal, t), 1e-12);
        float *sums = floats(per_block, 0, 1);
        for (size_t k = 0; k < BLOCKS * per_block; k++) sums[k % per_block] += all[equal->targets[t].parameter_offset + k];
        ck_assert_double_le(max_relative(few + shared->targets[t].parameter_offset, sums, per_block), 3e-6); /* observed: 7e-7 */
        for (size_t i = 0; i < 2; i++) {
            free(y[i]);
            free(grad_x[i]);
            free(W[i]);
        }
        free(sums);
        free(x);
        free(g);
    }
    free(few);
    free(all);
    free(parameters);
    orthsr_adapter_free(shared);
    orthsr_adapter_free(equal);
}
END_TEST

/* Saved once, read as what it was. */
START_TEST(round_trip) {
    orthsr_adapter *shared = make((orthsr_parametrization)_i, ORTHSR_SIDE_INPUT, true, 0), *loaded;
    const char *path = scratch_file("shared.safetensors");
    size_t n = shared->parameter_count;
    float *parameters = turn(shared), *again = floats(n, 0, 1);
    ck_ok(orthsr_adapter_save(shared, path, NULL, &error));
    ck_ok(orthsr_adapter_load(&loaded, path, &error));
    ck_assert_int_eq(orthsr_adapter_block_share(loaded), 1);
    ck_assert_uint_eq(loaded->parameter_count, n);
    ck_ok(orthsr_adapter_get_parameters(loaded, again, n, &error));
    ck_assert_mem_eq(again, parameters, n * sizeof *again);
    ck_assert_mem_eq(loaded->factors.rotations, shared->factors.rotations, shared->rotation_count * sizeof *again);
    orthsr__safetensors file;
    ck_ok(orthsr__safetensors_open(&file, path, &error));
    ck_assert_str_eq(orthsr__safetensors_metadata(&file, "format_version"), "2");
    ck_assert_str_eq(orthsr__safetensors_metadata(&file, "block_share"), "true");
    for (size_t i = 0; i < file.count; i++) ck_assert_uint_eq(file.tensors[i].shape[0], 1);
    orthsr__safetensors_close(&file);
    free(parameters);
    free(again);
    orthsr_adapter_free(shared);
    orthsr_adapter_free(loaded);
}
END_TEST

/* An angle for a thousand million places: what it takes does not grow with them. */
START_TEST(small_file_of_many_places) {
    const size_t shape[2] = {1, 1};
    const char *path = scratch_file("many.safetensors");
    const float tangent = 0.25f; /* of half the angle */
    orthsr_adapter *adapter;
    double defect;
    json_t *metadata = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "format", "orthsr-adapter", "format_version", "2", "parametrization", "cayley",
                                 "block_size", "2", "block_share", "true", "fingerprint", "", "target:0", "2147483646,3,a");
    const orthsr__tensor_spec spec = {.name = "a.skew", .dtype_name = "F32", .rank = 2, .shape = shape, .bytes = sizeof tangent};
    write_tensors(path, &spec, 1, metadata, &tangent);
    json_decref(metadata);
    ck_ok(orthsr_adapter_load(&adapter, path, &error));
    ck_assert_uint_eq(orthsr_adapter_parameter_count(adapter), 1);
    ck_assert_uint_eq(adapter->rotation_count, 4);
    ck_ok(orthsr_adapter_defect(adapter, &defect, &error));
    double chord = 2 * sin(atan(0.25)); /* |1 - exp(it)| */
    ck_close(orthsr_adapter_distance(adapter, 0) / (sqrt(2147483646.0) * chord), 1, 1e-6);
    orthsr_adapter_free(adapter);
}
END_TEST

/* The bound is eps over the root of the blocks that are stored, as in PEFT: of a shared one all of it. */
START_TEST(coft) {
    const float eps = 0.01f;
    for (size_t share = 0; share < 2; share++) {
        orthsr_adapter *adapter = make(ORTHSR_CAYLEY, ORTHSR_SIDE_INPUT, share, eps);
        size_t n = adapter->parameter_count;
        float *parameters = floats(n, 0.5, 3);
        ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
        ck_ok(orthsr_adapter_get_parameters(adapter, parameters, n, &error));
        const orthsr__target *target = &adapter->targets[1];
        size_t per_block = target->parameter_count / target->distinct;
        double squares = 0;
        for (size_t i = 0; i < per_block; i++) squares += 2 * pow((double)parameters[target->parameter_offset + i], 2);
        ck_close(sqrt(squares), (double)eps / (share ? 1 : sqrt(BLOCKS)), 1e-8);
        free(parameters);
        orthsr_adapter_free(adapter);
    }
}
END_TEST

START_TEST(failed_set_changes_nothing) {
    orthsr_adapter *shared = make((orthsr_parametrization)_i, ORTHSR_SIDE_INPUT, true, 0);
    size_t n = shared->parameter_count;
    float *parameters = turn(shared), *after = floats(n, 0, 1), bad = parameters[n - 1];
    parameters[n - 1] = NAN;
    ck_fails(orthsr_adapter_set_parameters(shared, parameters, n, &error), ORTHSR_ERROR_NUMERIC, "'second'");
    ck_fails(orthsr_adapter_set_parameters(shared, parameters, BLOCKS * n, &error), ORTHSR_ERROR_ARGUMENT, "parameters given");
    parameters[n - 1] = bad;
    ck_ok(orthsr_adapter_get_parameters(shared, after, n, &error));
    ck_assert_mem_eq(after, parameters, n * sizeof *after);
    free(parameters);
    free(after);
    orthsr_adapter_free(shared);
    ck_fails(orthsr_adapter_options_set_block_share(NULL, 1, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
}
END_TEST

static TCase *sharing(void) {
    TCase *tcase = tcase_create("shared blocks");
    tcase_add_loop_test(tcase, as_equal_blocks, 0, 2 * PARAMETRIZATIONS);
    tcase_add_loop_test(tcase, round_trip, 0, PARAMETRIZATIONS);
    tcase_add_test(tcase, small_file_of_many_places);
    tcase_add_test(tcase, coft);
    tcase_add_loop_test(tcase, failed_set_changes_nothing, 0, PARAMETRIZATIONS);
    return tcase;
}

TEST_MAIN("shared blocks", sharing)
