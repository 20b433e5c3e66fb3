/* test_preprocess.c - the network's input by a model's own preprocess file, against transformers and open_clip (tests/oracle/make_preprocess.py). */
#include "util/check.h"

#include <zlib.h>

enum { LINE = 2048 };

static void write_text(const char *path, const char *text) {
    remove(path);
    FILE *file = fopen(path, "w");
    ck_assert_msg(file && fputs(text, file) >= 0 && fclose(file) == 0, "cannot write %s", path);
}

/* A fresh directory with the family's model from tests/data/clip, and the preprocess file of this name with this JSON ("-": none). */
static const char *model_with(const char *family, const char *name, const char *json) {
    static char directory[256], path[512], text[2 * LINE];
    snprintf(directory, sizeof directory, "%s/%s-XXXXXX", scratch_directory(), family);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    static const char *const files[] = {"config.json", "model.safetensors", "open_clip_config.json", "open_clip_model.safetensors",
                                        "ViT-tiny.safetensors"}; /* the last has a name of its own */
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char source[512], here[400];
        ck_assert_ptr_nonnull(getcwd(here, sizeof here));
        snprintf(source, sizeof source, "%s/tests/data/clip/%s/%s", here, family, files[i]);
        snprintf(path, sizeof path, "%s/%s", directory, i == 4 ? files[1] : files[i]);
        if (access(source, R_OK) == 0) ck_assert_int_eq(symlink(source, path), 0);
    }
    if (strcmp(name, "-") == 0) return directory;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (strcmp(family, "openclip") == 0) { /* the sizes from the fixture's own file, then this preprocess_cfg */
        FILE *file = fopen(path, "r");
        ck_assert_ptr_nonnull(file);
        size_t size = fread(text, 1, LINE, file);
        fclose(file);
        text[size] = '\0';
        char *end = strstr(text, "\"preprocess_cfg\"");
        ck_assert_ptr_nonnull(end);
        snprintf(end, LINE, "\"preprocess_cfg\": %s}", json);
        json = text;
    }
    write_text(path, json);
    return directory;
}

START_TEST(input_is_that_of_the_peers) {
    orthsr_error error;
    FILE *lines = fopen("tests/data/preprocess/cases.txt", "r");
    gzFile expected = gzopen("tests/data/preprocess/pixels.gz", "rb");
    ck_assert(lines && expected);
    char line[LINE], *names[16];
    ck_assert_ptr_nonnull(fgets(line, sizeof line, lines));
    size_t images = 0, cases = 0, values = 0, unequal = 0;
    orthsr_image *image[16];
    strtok(line, " \n");
    while ((names[images] = strtok(NULL, " \n"))) {
        char path[256];
        snprintf(path, sizeof path, "tests/data/images/%s", names[images]);
        ck_ok(orthsr_image_open(&image[images++], path, 0, &error));
    }
    for (; fgets(line, sizeof line, lines); cases++) {
        char family[16], name[64];
        int json;
        ck_assert_int_eq(sscanf(line, "%15s %63s %n", family, name, &json), 2);
        orthsr_model *model;
        ck_ok(orthsr_model_open(&model, model_with(family, name, line + json), &error));
        size_t size = orthsr_model_image_size(model), n = 3 * size * size;
        float *got = malloc(n * sizeof *got), *want = malloc(n * sizeof *want);
        for (size_t i = 0; i < images; i++) {
            ck_assert_int_eq(gzread(expected, want, (unsigned)(n * sizeof *want)), (int)(n * sizeof *want));
            ck_ok(orthsr_model_preprocess(model, got, image[i], &error));
            size_t before = unequal;
            for (size_t k = 0; k < n; k++) unequal += got[k] != want[k];
            ck_assert_msg(unequal == before, "%s on the image %zu: %zu of %zu values differ", line, i, unequal - before, n);
            values += n;
        }
        free(got);
        free(want);
        orthsr_model_free(model);
    }
    ck_assert_int_eq(gzread(expected, line, 1), 0);
    for (size_t i = 0; i < images; i++) orthsr_image_free(image[i]);
    gzclose(expected);
    fclose(lines);
    ck_assert_uint_eq(cases, 23);
    printf("preprocess: %zu files, %zu images, %zu values, all equal\n", cases, images, values);
}
END_TEST

/* ---- what is refused ---- */

static const struct {
    const char *family, *name, *json;
    orthsr_status status;
    const char *message;
} refused[] = {
    {"hf", "preprocessor_config.json", "{}", ORTHSR_ERROR_MISMATCH, "'crop_size' (not given) is 224 x 224, but the model's image_size is 16"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": {\"height\": 16, \"width\": 18}}", ORTHSR_ERROR_MISMATCH, "16 x 18, but the model's image_size is 16"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": {\"shortest_edge\": 16}}", ORTHSR_ERROR_UNSUPPORTED, "'crop_size': {\"shortest_edge\":16}"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": null}", ORTHSR_ERROR_UNSUPPORTED, "'crop_size': null"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"size\": {\"longest_edge\": 16}}", ORTHSR_ERROR_UNSUPPORTED, "'size': {\"longest_edge\":16}"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"size\": {\"max_height\": 16, \"max_width\": 16}}", ORTHSR_ERROR_UNSUPPORTED, "'size'"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"size\": {\"height\": 16, \"width\": 16, \"x\": 1}}", ORTHSR_ERROR_UNSUPPORTED, "'size'"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"size\": 16.0}", ORTHSR_ERROR_UNSUPPORTED, "'size': 16.0"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"size\": 0}", ORTHSR_ERROR_UNSUPPORTED, "'size': 0"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"size\": -3}", ORTHSR_ERROR_UNSUPPORTED, "'size': -3"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"size\": 99999999999}", ORTHSR_ERROR_UNSUPPORTED, "'size': 99999999999"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"size\": null}", ORTHSR_ERROR_UNSUPPORTED, "'size': null"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"size\": []}", ORTHSR_ERROR_UNSUPPORTED, "'size': []"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"resample\": 0}", ORTHSR_ERROR_UNSUPPORTED, "'resample': 0"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"resample\": null}", ORTHSR_ERROR_UNSUPPORTED, "'resample': null"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"do_resize\": \"no\"}", ORTHSR_ERROR_FORMAT, "do_resize"},
    {"hf", "preprocessor_config.json", "{\"do_center_crop\": false, \"size\": 16}", ORTHSR_ERROR_UNSUPPORTED, "'do_center_crop'"},
    {"hf", "preprocessor_config.json", "{\"do_center_crop\": false, \"do_resize\": false}", ORTHSR_ERROR_UNSUPPORTED, "'do_center_crop'"},
    {"hf", "preprocessor_config.json", "{\"do_center_crop\": false, \"size\": [16, 17]}", ORTHSR_ERROR_MISMATCH, "'size' is 16 x 17"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"do_pad\": true, \"pad_size\": 20}", ORTHSR_ERROR_MISMATCH, "'pad_size' is 20 x 20"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"rescale_factor\": null}", ORTHSR_ERROR_FORMAT, "'rescale_factor'"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"image_mean\": null}", ORTHSR_ERROR_FORMAT, "'image_mean'"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"image_mean\": [0, 1]}", ORTHSR_ERROR_FORMAT, "'image_mean'"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"image_std\": [1, 0, 1]}", ORTHSR_ERROR_FORMAT, "std positive"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"image_mean\": 1e300}", ORTHSR_ERROR_FORMAT, "finite"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"use_square_size\": true}", ORTHSR_ERROR_UNSUPPORTED, "'use_square_size'"},
    {"hf", "preprocessor_config.json", "{\"crop_size\": 16, \"image_processor_type\": \"ViTImageProcessor\"}", ORTHSR_ERROR_UNSUPPORTED, "ViTImageProcessor"},
    {"hf", "preprocessor_config.json", "[]", ORTHSR_ERROR_FORMAT, "not an object"},
    {"hf", "processor_config.json", "{\"image_processor\": {\"crop_size\": 99}}", ORTHSR_ERROR_MISMATCH, "processor_config.json: 'crop_size' is 99 x 99"},
    {"hf", "processor_config.json", "{\"image_processor\": 3}", ORTHSR_ERROR_FORMAT, "'image_processor' must be an object"},
    {"openclip", "open_clip_config.json", "3", ORTHSR_ERROR_FORMAT, "'preprocess_cfg'"},
    {"openclip", "open_clip_config.json", "{\"mode\": \"L\"}", ORTHSR_ERROR_UNSUPPORTED, "'mode': \"L\""},
    {"openclip", "open_clip_config.json", "{\"interpolation\": \"nearest\"}", ORTHSR_ERROR_UNSUPPORTED, "'interpolation': \"nearest\""},
    {"openclip", "open_clip_config.json", "{\"resize_mode\": \"crop\"}", ORTHSR_ERROR_UNSUPPORTED, "'resize_mode': \"crop\""},
    {"openclip", "open_clip_config.json", "{\"resize_mode\": \"longest\", \"fill_color\": 256}", ORTHSR_ERROR_UNSUPPORTED, "'fill_color': 256"},
    {"openclip", "open_clip_config.json", "{\"mean\": [0.5]}", ORTHSR_ERROR_FORMAT, "'mean'"},
    {"openclip", "open_clip_config.json", "{\"std\": \"1\"}", ORTHSR_ERROR_FORMAT, "'std'"},
    {"openclip", "open_clip_config.json", "{\"std\": -1}", ORTHSR_ERROR_FORMAT, "std positive"},
};

/* Opens the model and preprocesses an image: what is well-formed and cannot be done is an error of the second only. */
static orthsr_status preprocess_with(const char *directory, orthsr_error *error) {
    static const uint8_t gray[2 * 2] = {10, 20, 30, 40};
    orthsr_model *model;
    orthsr_image *image;
    orthsr_status status = orthsr_model_open(&model, directory, error);
    if (status) {
        ck_assert_ptr_null(model);
        ck_assert_msg(status != ORTHSR_ERROR_UNSUPPORTED && status != ORTHSR_ERROR_MISMATCH, "the model does not open: %s", error->message);
        return status;
    }
    size_t size = orthsr_model_image_size(model);
    float *pixels = malloc(3 * size * size * sizeof *pixels);
    if (orthsr_image_new(&image, gray, 2, 2, 1, error)) ck_abort_msg("%s", error->message);
    status = orthsr_model_preprocess(model, pixels, image, error);
    orthsr_image_free(image);
    free(pixels);
    orthsr_model_free(model);
    return status;
}

START_TEST(what_would_change_pixels_is_refused_by_name) {
    orthsr_error error;
    ck_fails(preprocess_with(model_with(refused[_i].family, refused[_i].name, refused[_i].json), &error), refused[_i].status, refused[_i].message);
    ck_assert_msg(strstr(error.message, refused[_i].name) != NULL, "'%s' does not name the file", error.message);
}
END_TEST

START_TEST(processor_config_comes_first) {
    orthsr_error error;
    orthsr_model *model;
    char directory[256], path[512];
    snprintf(directory, sizeof directory, "%s", model_with("hf", "processor_config.json", "{\"image_processor\": {\"size\": 16, \"crop_size\": 16}}"));
    snprintf(path, sizeof path, "%s/preprocessor_config.json", directory);
    write_text(path, "{\"crop_size\": 99}");
    ck_ok(orthsr_model_open(&model, directory, &error));
    orthsr_model_free(model);
    snprintf(path, sizeof path, "%s/processor_config.json", directory);
    write_text(path, "{\"processor_class\": \"CLIPProcessor\"}");
    ck_fails(preprocess_with(directory, &error), ORTHSR_ERROR_MISMATCH, "99 x 99");
}
END_TEST

START_TEST(an_image_of_which_nothing_is_left_is_an_error) {
    orthsr_error error;
    orthsr_model *model;
    orthsr_image *image;
    uint8_t line[500] = {0};
    float *pixels = malloc(3 * 24 * 24 * sizeof *pixels);
    ck_ok(orthsr_model_open(&model, model_with("openclip", "open_clip_config.json", "{\"resize_mode\": \"longest\"}"), &error));
    ck_ok(orthsr_image_new(&image, line, 1, 500, 1, &error));
    ck_fails(orthsr_model_preprocess(model, pixels, image, &error), ORTHSR_ERROR_UNSUPPORTED, "500 x 1");
    orthsr_image_free(image);
    orthsr_model_free(model);
    free(pixels);
}
END_TEST

/* Nor are all images unreadable where the model takes none: who goes around such images hears of the model. */
START_TEST(a_refused_model_is_no_unreadable_image) {
    static const char *const name = "cat";
    static const int32_t labels[2];
    static const uint8_t black[2];
    orthsr_error error;
    orthsr_model *model;
    orthsr_dataset *images;
    orthsr_reader *reader;
    float pixels[3 * 24 * 24];
    size_t item, n;
    ck_ok(orthsr_model_open(&model, model_with("hf", "preprocessor_config.json", "{\"crop_size\": null}"), &error));
    ck_assert_uint_le(orthsr_model_image_size(model), 24);
    ck_ok(orthsr_dataset_new(&images, black, 2, 1, 1, 1, labels, &name, 1, &error));
    ck_ok(orthsr_reader_new(&reader, images, model, 0, 2, &error));
    ck_ok(orthsr_reader_set_skip(reader, 1, &error));
    ck_fails(orthsr_reader_next(reader, pixels, &item, 1, &n, &error), ORTHSR_ERROR_UNSUPPORTED, "'crop_size': null");
    ck_assert_uint_eq(orthsr_reader_skipped(reader), 0);
    orthsr_reader_free(reader);
    orthsr_dataset_free(images);
    orthsr_model_free(model);
}
END_TEST

static TCase *peers(void) {
    TCase *tests = tcase_create("peers");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, input_is_that_of_the_peers);
    return tests;
}

static TCase *refusals(void) {
    TCase *tests = tcase_create("refusals");
    tcase_add_loop_test(tests, what_would_change_pixels_is_refused_by_name, 0, sizeof refused / sizeof *refused);
    tcase_add_test(tests, processor_config_comes_first);
    tcase_add_test(tests, an_image_of_which_nothing_is_left_is_an_error);
    tcase_add_test(tests, a_refused_model_is_no_unreadable_image);
    return tests;
}

TEST_MAIN("preprocess", peers, refusals)
