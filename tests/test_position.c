/* test_position.c - images of another size than the checkpoint's: position embeddings against torch, whole models against transformers and open_clip
 * (tests/oracle/make_positions.py). */
#include "clip/position.h"
#include "util/fixture.h"

static orthsr_error error;

/* Relative to the largest value; observed at most 3.1e-7 for a grid alone and 9e-7 for features: torch sums in float32, position.c in float64. */
#define BOUND 2e-6

START_TEST(grids_are_resampled_as_torch_does) {
    static const size_t from[] = {1, 2, 4, 7}, to[] = {1, 2, 3, 5, 7, 12};
    enum { WIDTH = 3 };
    fixture f;
    char name[64];
    real out[(1 + 12 * 12) * WIDTH];
    fixture_open(&f, "tests/data/positions.safetensors");
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 6; j++)
            for (int antialias = 0; antialias < 2; antialias++) {
                if (antialias && from[i] == to[j]) continue;
                size_t n;
                snprintf(name, sizeof name, "grid%zu", from[i]);
                const real *in = fixture_reals(&f, name, NULL);
                ck_ok(orthsr__position_resize_grid(out, in, from[i], to[j], WIDTH,
                                                   antialias ? ORTHSR_INTERPOLATION_BICUBIC_ANTIALIAS : ORTHSR_INTERPOLATION_BICUBIC, &error));
                snprintf(name, sizeof name, "%s.%zu.%zu", antialias ? "antialias" : "bicubic", from[i], to[j]);
                const float *expected = fixture_floats(&f, name, &n);
                ck_assert_uint_eq(n, (1 + to[j] * to[j]) * WIDTH);
                double off = max_relative(out, expected, n);
                ck_assert_msg(off <= BOUND, "%s: off by %.3g", name, off);
            }
    fixture_close(&f);
}
END_TEST

START_TEST(lines_are_resampled_as_torch_does) {
    static const size_t to[] = {1, 4, 8, 9, 10, 25};
    fixture f;
    char name[64];
    real out[25 * 3];
    fixture_open(&f, "tests/data/positions.safetensors");
    for (size_t j = 0; j < 6; j++) {
        ck_ok(orthsr__position_resize_line(out, fixture_reals(&f, "line", NULL), 9, to[j], 3, &error));
        snprintf(name, sizeof name, "linear.%zu", to[j]);
        ck_assert_double_le(max_relative(out, fixture_floats(&f, name, NULL), to[j] * 3), BOUND);
    }
    fixture_close(&f);
}
END_TEST

START_TEST(grids_of_rows) {
    ck_assert_uint_eq(orthsr__position_grid(1 + 14 * 14), 14);
    ck_assert_uint_eq(orthsr__position_grid(2), 1);
    ck_assert_uint_eq(orthsr__position_grid(196), 0);
    ck_assert_uint_eq(orthsr__position_grid(0), 0);
    ck_assert_uint_eq(orthsr__position_grid(1), 0);
}
END_TEST

static orthsr_model *open_at(const char *path, size_t size, orthsr_interpolation how) {
    orthsr_model_options *options;
    orthsr_model *model;
    ck_ok(orthsr_model_options_new(&options, &error));
    ck_ok(orthsr_model_options_set_image_size(options, size, &error));
    ck_ok(orthsr_model_options_set_interpolation(options, how, &error));
    ck_ok(orthsr_model_open_with(&model, path, options, &error));
    orthsr_model_options_free(options);
    return model;
}

/* Off by how much the features of two images of this size are from the fixture's. */
static double features_off(fixture *f, const char *model_path, const char *expected, size_t size, orthsr_interpolation how) {
    char name[32];
    float features[2 * 32];
    orthsr_session *session;
    orthsr_model *model = open_at(model_path, size, how);
    size_t n;
    ck_assert_uint_eq(orthsr_model_image_size(model), size);
    ck_ok(orthsr_session_new(&session, model, NULL, &error));
    snprintf(name, sizeof name, "pixels%zu", size);
    ck_ok(orthsr_session_encode_pixels(session, features, fixture_floats(f, name, NULL), 2, &error));
    snprintf(name, sizeof name, "%s%zu", expected, size);
    const float *wanted = fixture_floats(f, name, &n);
    ck_assert_uint_eq(n, 2 * orthsr_model_embed_dim(model));
    double off = max_relative(features, wanted, n);
    orthsr_session_free(session);
    orthsr_model_free(model);
    return off;
}

START_TEST(models_at_other_sizes) {
    static const struct {
        const char *path, *name;
        orthsr_interpolation own, other;
    } families[] = {{"tests/data/clip/hf", "hf", ORTHSR_INTERPOLATION_BICUBIC, ORTHSR_INTERPOLATION_BICUBIC_ANTIALIAS},
                    {"tests/data/clip/openclip", "openclip", ORTHSR_INTERPOLATION_BICUBIC_ANTIALIAS, ORTHSR_INTERPOLATION_BICUBIC}};
    fixture f;
    fixture_open(&f, "tests/data/positions.safetensors");
    for (size_t i = 0; i < 2; i++)
        for (size_t size = 8; size <= 40; size += 32) {
            ck_assert_double_le(features_off(&f, families[i].path, families[i].name, size, ORTHSR_INTERPOLATION_FAMILY), BOUND);
            ck_assert_double_le(features_off(&f, families[i].path, families[i].name, size, families[i].own), BOUND);
            ck_assert_double_gt(features_off(&f, families[i].path, families[i].name, size, families[i].other), 3e-4); /* observed at least 9e-4 */
        }
    fixture_close(&f);
}
END_TEST

/* What is merged is the checkpoint, not its enlarged copy; what is preprocessed has the new size. */
START_TEST(only_the_computation_changes) {
    orthsr_model *model = open_at("tests/data/clip/openclip", 48, ORTHSR_INTERPOLATION_FAMILY), *merged;
    orthsr_adapter *adapter;
    orthsr_image *image;
    const uint8_t white[3] = {255, 255, 255};
    float pixels[3 * 48 * 48];
    ck_ok(orthsr_image_new(&image, white, 1, 1, 3, &error));
    memset(pixels, 0, sizeof pixels);
    ck_ok(orthsr_model_preprocess(model, pixels, image, &error));
    for (size_t i = 0; i < sizeof pixels / sizeof *pixels; i++) ck_assert_float_gt(pixels[i], 1);
    orthsr_image_free(image);
    ck_ok(orthsr_model_adapter(model, &adapter, NULL, &error));
    ck_ok(orthsr_model_merge(model, adapter, scratch_file("enlarged"), NULL, &error));
    ck_ok(orthsr_model_open(&merged, scratch_file("enlarged"), &error));
    ck_assert_uint_eq(orthsr_model_image_size(merged), 24);
    ck_assert_str_eq(orthsr_model_fingerprint(merged), orthsr_model_fingerprint(model));
    orthsr_model_free(merged);
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
}
END_TEST

START_TEST(what_cannot_be) {
    orthsr_model_options *options;
    orthsr_model *model;
    ck_fails(orthsr_model_options_new(NULL, &error), ORTHSR_ERROR_ARGUMENT, "out");
    ck_ok(orthsr_model_options_new(&options, &error));
    ck_fails(orthsr_model_options_set_image_size(NULL, 1, &error), ORTHSR_ERROR_ARGUMENT, "options");
    ck_fails(orthsr_model_options_set_image_size(options, ((size_t)1 << 24) + 1, &error), ORTHSR_ERROR_ARGUMENT, "2^24");
    ck_fails(orthsr_model_options_set_interpolation(NULL, ORTHSR_INTERPOLATION_BICUBIC, &error), ORTHSR_ERROR_ARGUMENT, "options");
    ck_fails(orthsr_model_options_set_interpolation(options, (orthsr_interpolation)3, &error), ORTHSR_ERROR_ARGUMENT, "interpolation");
    ck_ok(orthsr_model_options_set_image_size(options, 3, &error)); /* less than a patch of 4 */
    ck_fails(orthsr_model_open_with(&model, "tests/data/clip/hf", options, &error), ORTHSR_ERROR_ARGUMENT, "less than one patch");
    ck_assert_ptr_null(model);
    orthsr_model_options_free(options);
    orthsr_model_options_free(NULL);
}
END_TEST

static TCase *all(void) {
    TCase *tests = tcase_create("positions");
    tcase_add_test(tests, grids_are_resampled_as_torch_does);
    tcase_add_test(tests, lines_are_resampled_as_torch_does);
    tcase_add_test(tests, grids_of_rows);
    tcase_add_test(tests, models_at_other_sizes);
    tcase_add_test(tests, only_the_computation_changes);
    tcase_add_test(tests, what_cannot_be);
    return tests;
}

TEST_MAIN("positions", all)
