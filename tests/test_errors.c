/* test_errors.c - every error code that a public header promises, provoked once: PROVOKE(function, CODE, arguments but the last).
 *
 * tests/abi/coverage.sh compares the pairs with the headers' "Errors: ..." and names what is missing or too many. MEMORY is left to the tests that make
 * allocations fail.
 */
#include <limits.h>
#include <stdint.h>
#include <sys/stat.h>
#include <zlib.h>

#include "adapter/adapter.h"
#include "util/tiny.h"

#define PROVOKE(function, code, ...)                                                                                                                           \
    do {                                                                                                                                                       \
        ck_fails(function(__VA_ARGS__, &error), ORTHSR_ERROR_##code, "");                                                                                      \
        ck_assert_msg(error.message[0] != '\0', #function " fails without a message");                                                                         \
    } while (0)

#define MODEL "tests/data/clip/hf"
#define OTHER_MODEL "tests/data/clip/openclip" /* of other widths, and without a vocabulary */

static orthsr_error error;

/* ---- what is good, and shared ------------------------------------------------------------------------------------------------------------- */

static orthsr_model *model, *other; /* MODEL and OTHER_MODEL */
static orthsr_adapter *adapter;     /* of model, A = I */
static orthsr_adapter *foreign;     /* of other */
static orthsr_session *session;     /* on model */
static orthsr_dataset *dataset;     /* the fixture's images */
static fixture file;
static const char *const templates[] = {"a photo of a {}."};
static const float nan_value = NAN;

static void open_all(void) {
    tiny_open(&file, &model, &dataset, NULL);
    ck_ok(orthsr_model_open(&other, OTHER_MODEL, &error));
    ck_ok(orthsr_model_adapter(model, &adapter, NULL, &error));
    ck_ok(orthsr_model_adapter(other, &foreign, NULL, &error));
    ck_ok(orthsr_session_new(&session, model, NULL, &error));
    ck_ok(orthsr_session_set_threads(session, 1, &error));
}

static void close_all(void) {
    orthsr_session_free(session);
    orthsr_adapter_free(foreign);
    orthsr_adapter_free(adapter);
    orthsr_model_free(other);
    tiny_close(&file, model, dataset);
}

/* ---- what is not ---------------------------------------------------------------------------------------------------------------------------- */

static void put(const char *path, const void *bytes, size_t size) {
    FILE *stream = fopen(path, "wb");
    ck_assert_msg(stream != NULL, "cannot write %s", path);
    ck_assert_uint_eq(fwrite(bytes, 1, size, stream), size);
    ck_assert_int_eq(fclose(stream), 0);
}
static void put_text(const char *path, const char *text) { put(path, text, strlen(text)); }

/* The file in fresh memory, with a zero behind it. */
static char *contents(const char *path, size_t *size) {
    struct stat about;
    ck_assert_int_eq(stat(path, &about), 0);
    *size = (size_t)about.st_size;
    char *bytes = malloc(*size + 1);
    FILE *stream = fopen(path, "rb");
    ck_assert(bytes && stream);
    ck_assert_uint_eq(fread(bytes, 1, *size, stream), *size);
    fclose(stream);
    bytes[*size] = '\0';
    return bytes;
}

/* The file with the first `from` in it replaced by `to`, as long. */
static void patch(const char *path, const char *from, const char *to) {
    size_t size, n = strlen(from), at = 0;
    char *bytes = contents(path, &size);
    while (at + n <= size && memcmp(bytes + at, from, n) != 0) at++;
    ck_assert_msg(at + n <= size && strlen(to) == n, "%s has no '%s'", path, from);
    memcpy(bytes + at, to, n);
    put(path, bytes, size);
    free(bytes);
}

/* The last float of a safetensors file becomes a NaN. */
static void poison(const char *path) {
    size_t size;
    char *bytes = contents(path, &size);
    memcpy(bytes + size - sizeof nan_value, &nan_value, sizeof nan_value);
    put(path, bytes, size);
    free(bytes);
}

/* Tests share the scratch directory, so it may be there. */
static void make_folder(const char *path) { ck_assert_msg(mkdir(path, 0777) == 0 || access(path, W_OK) == 0, "cannot make %s", path); }

/* A directory in which no file can be made, whoever asks: its parent is a file. */
static const char *nowhere(void) {
    put_text(scratch_file("file"), "");
    return scratch_file("file/folder");
}

/* A copy of MODEL, with its vocabulary or without; in it files may be changed. */
static const char *copy_model(const char *name, bool vocabulary) {
    static const char *const files[] = {"config.json", "model.safetensors", "vocab.json", "merges.txt"};
    const char *directory = scratch_file(name);
    char path[512];
    make_folder(directory);
    for (size_t i = 0; i < (vocabulary ? 4 : 2); i++) {
        size_t size;
        snprintf(path, sizeof path, MODEL "/%s", files[i]);
        char *bytes = contents(path, &size);
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        put(path, bytes, size);
        free(bytes);
    }
    return directory;
}
static const char *in(const char *directory, const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

/* MODEL with a preprocessor_config.json. */
static orthsr_model *model_with_preprocessing(const char *name, const char *json) {
    orthsr_model *made;
    const char *directory = copy_model(name, true);
    put_text(in(directory, "preprocessor_config.json"), json);
    ck_ok(orthsr_model_open(&made, directory, &error));
    return made;
}
static orthsr_model *model_that_crops_elsewhere(void) { return model_with_preprocessing("crops", "{\"crop_size\": 20}"); }

/* On fc1 and fc2 of all layers, A = I + P: far outside float32 after one layer. */
static orthsr_adapter *huge_adapter(float entry) {
    orthsr_adapter_options *options;
    orthsr_adapter *huge;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, ORTHSR_FREE, &error));
    ck_ok(orthsr_model_adapter(model, &huge, options, &error));
    size_t n = orthsr_adapter_parameter_count(huge);
    float *parameters = floats(n, (double)entry, 1);
    ck_ok(orthsr_adapter_set_parameters(huge, parameters, n, &error));
    free(parameters);
    orthsr_adapter_options_free(options);
    return huge;
}

/* Two classes of one image each, whose reading fails: without a file (IO), cut short (FORMAT), a text (UNSUPPORTED). */
static orthsr_dataset *broken(orthsr_status status) {
    static const char *const classes[] = {"cat", "dog"};
    char folder[256], path[512];
    snprintf(folder, sizeof folder, "%s/broken%d", scratch_directory(), -(int)status);
    make_folder(folder);
    size_t size;
    char *png = contents("tests/data/images/rgb8.png", &size);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, classes[i]);
        make_folder(path);
        snprintf(path, sizeof path, "%s/%s/1.png", folder, classes[i]);
        if (status == ORTHSR_ERROR_FORMAT) put(path, png, size / 2);
        else put_text(path, "no image");
    }
    free(png);
    orthsr_dataset *made;
    ck_ok(orthsr_dataset_open(&made, folder, NULL, &error));
    for (size_t i = 0; i < 2 && status == ORTHSR_ERROR_IO; i++) ck_assert_int_eq(remove(orthsr_dataset_item_name(made, i)), 0);
    return made;
}

/* ---- status, arrays, images ----------------------------------------------------------------------------------------------------------------- */

START_TEST(files_of_numbers) {
    float *data, one = 1;
    size_t shape[ORTHSR_ARRAY_MAX_RANK] = {1}, rank;
    const char *path = scratch_file("a.npy");
    PROVOKE(orthsr_array_read, ARGUMENT, &data, shape, &rank, NULL);
    PROVOKE(orthsr_array_read, IO, &data, shape, &rank, scratch_file("absent.npy"));
    put_text(path, "no array");
    PROVOKE(orthsr_array_read, FORMAT, &data, shape, &rank, path);
    ck_ok(orthsr_array_write(path, &one, shape, 1, &error));
    patch(path, "<f4", ">f4");
    PROVOKE(orthsr_array_read, UNSUPPORTED, &data, shape, &rank, path);
    ck_assert_ptr_null(data);
    PROVOKE(orthsr_array_write, ARGUMENT, path, &one, shape, ORTHSR_ARRAY_MAX_RANK + 1);
    PROVOKE(orthsr_array_write, IO, nowhere(), &one, shape, 1);
}
END_TEST

START_TEST(images) {
    orthsr_image *image, *made;
    const uint8_t pixels[3] = {1, 2, 3};
    orthsr_dataset *text = broken(ORTHSR_ERROR_UNSUPPORTED), *cut = broken(ORTHSR_ERROR_FORMAT), *gone = broken(ORTHSR_ERROR_IO);
    PROVOKE(orthsr_image_open, ARGUMENT, &image, NULL, 0);
    PROVOKE(orthsr_image_open, IO, &image, orthsr_dataset_item_name(gone, 0), 0);
    PROVOKE(orthsr_image_open, FORMAT, &image, orthsr_dataset_item_name(cut, 0), 0);
    PROVOKE(orthsr_image_open, UNSUPPORTED, &image, orthsr_dataset_item_name(text, 0), 0);
    ck_assert_ptr_null(image);
    PROVOKE(orthsr_image_new, ARGUMENT, &image, pixels, 1, 1, 2);
    ck_ok(orthsr_image_new(&image, pixels, 1, 1, 3, &error));
    PROVOKE(orthsr_image_resize, ARGUMENT, &made, image, 0, 1);
    PROVOKE(orthsr_image_resize_crop, ARGUMENT, &made, image, 0);
    float input[3 * TINY_SIZE * TINY_SIZE];
    orthsr_image *line; /* so long that nothing is left of its height when the longer edge is brought to the model's size */
    uint8_t *row = calloc(400, 1);
    ck_assert_ptr_nonnull(row);
    ck_ok(orthsr_image_new(&line, row, 1, 400, 1, &error));
    free(row);
    orthsr_model *nearest = model_with_preprocessing("nearest", "{\"resample\": 0}"), *crops = model_that_crops_elsewhere();
    PROVOKE(orthsr_model_preprocess, ARGUMENT, model, NULL, image);
    PROVOKE(orthsr_model_preprocess, UNSUPPORTED, nearest, input, image);
    PROVOKE(orthsr_model_preprocess, MISMATCH, crops, input, image);
    PROVOKE(orthsr_model_view, ARGUMENT, model, &made, NULL);
    PROVOKE(orthsr_model_view, UNSUPPORTED, nearest, &made, line);
    PROVOKE(orthsr_model_view, MISMATCH, crops, &made, image);
    orthsr_region region;
    size_t found;
    PROVOKE(orthsr_cutout_regions, ARGUMENT, &region, &found, 1, input, TINY_SIZE, 1.5f);
    orthsr_model_free(nearest);
    orthsr_model_free(crops);
    orthsr_image_free(line);
    orthsr_image_free(image);
    orthsr_dataset_free(text);
    orthsr_dataset_free(cut);
    orthsr_dataset_free(gone);
}
END_TEST

/* ---- matrices and optimizers --------------------------------------------------------------------------------------------------------------------- */

START_TEST(matrices) {
    float a[4] = {1, 0, 0, 1}, b[4] = {0}, c[4] = {0}, bad[4] = {NAN, 0, 0, 1}, zero[4] = {0};
    double number;
    PROVOKE(orthsr_cayley, ARGUMENT, a, b, 0);
    PROVOKE(orthsr_cayley, NUMERIC, a, bad, 2);
    PROVOKE(orthsr_cayley_adjoint, ARGUMENT, c, a, NULL, 2);
    PROVOKE(orthsr_cayley_adjoint, NUMERIC, c, a, bad, 2);
    PROVOKE(orthsr_qr, ARGUMENT, b, c, a, 1, 2);
    PROVOKE(orthsr_qr, NUMERIC, b, c, zero, 2, 2);
    PROVOKE(orthsr_qr_adjoint, ARGUMENT, NULL, a, a, a, a, 2, 2);
    PROVOKE(orthsr_qr_adjoint, NUMERIC, c, a, a, a, zero, 2, 2);
    PROVOKE(orthsr_retract_qr, ARGUMENT, a, 1, 2);
    PROVOKE(orthsr_retract_qr, NUMERIC, bad, 2, 2);
    PROVOKE(orthsr_retract_cholesky_qr, ARGUMENT, a, 1, 2);
    PROVOKE(orthsr_retract_cholesky_qr, NUMERIC, bad, 2, 2);
    PROVOKE(orthsr_retract_polar, ARGUMENT, a, 1, 2);
    PROVOKE(orthsr_retract_polar, NUMERIC, bad, 2, 2);
    PROVOKE(orthsr_retract, ARGUMENT, a, b, 2, 2, (orthsr_retraction)9);
    PROVOKE(orthsr_retract, NUMERIC, a, bad, 2, 2, ORTHSR_RETRACTION_CAYLEY);
    PROVOKE(orthsr_tangent_project, ARGUMENT, b, b, a, 0, 0);
    PROVOKE(orthsr_riemannian_gradient, ARGUMENT, b, b, a, 2, 2, (orthsr_geometry)9);
    PROVOKE(orthsr_orthogonality_defect, ARGUMENT, &number, a, 2, 0);
    PROVOKE(orthsr_hyperspherical_energy, ARGUMENT, &number, a, 1, 2);
    PROVOKE(orthsr_hyperspherical_energy, NUMERIC, &number, zero, 2, 2);
}
END_TEST

START_TEST(optimizers) {
    orthsr_optimizer *optimizer;
    const orthsr_stiefel square = {2, 2}, wide = {1, 2};
    float p[4] = {0}, g[4] = {NAN};
    PROVOKE(orthsr_optimizer_sgd, ARGUMENT, &optimizer, 4, 1.0f, 0.0f);
    PROVOKE(orthsr_optimizer_adamw, ARGUMENT, &optimizer, 4, 0.9f, 1.0f, 1e-8f, 0.0f);
    PROVOKE(orthsr_optimizer_rsgd, ARGUMENT, &optimizer, &wide, 1, 0.0f, ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_EUCLIDEAN);
    PROVOKE(orthsr_optimizer_radam, ARGUMENT, &optimizer, &square, 1, 0.9f, 0.999f, 0.0f, ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_EUCLIDEAN);
    ck_assert_ptr_null(optimizer);
    ck_ok(orthsr_optimizer_sgd(&optimizer, 4, 0, 0, &error));
    PROVOKE(orthsr_optimizer_step, ARGUMENT, optimizer, p, g, 3, 0.1f);
    PROVOKE(orthsr_optimizer_step, NUMERIC, optimizer, p, g, 4, 0.1f);
    orthsr_optimizer_free(optimizer);
}
END_TEST

/* ---- adapters ------------------------------------------------------------------------------------------------------------------------------------- */

START_TEST(adapter_options) {
    orthsr_adapter_options *options;
    orthsr_adapter *made;
    PROVOKE(orthsr_adapter_options_new, ARGUMENT, NULL);
    ck_ok(orthsr_adapter_options_new(&options, &error));
    PROVOKE(orthsr_adapter_options_set_parametrization, ARGUMENT, options, (orthsr_parametrization)9);
    PROVOKE(orthsr_adapter_options_set_reflections, ARGUMENT, options, 3);
    PROVOKE(orthsr_adapter_options_set_butterfly, ARGUMENT, options, 3, 2);
    PROVOKE(orthsr_adapter_options_set_coft, ARGUMENT, options, -1.0f);
    PROVOKE(orthsr_adapter_options_set_side, ARGUMENT, options, (orthsr_side)9);
    PROVOKE(orthsr_adapter_options_set_blocks, ARGUMENT, options, 0);
    PROVOKE(orthsr_adapter_options_set_block_size, ARGUMENT, options, 0);
    PROVOKE(orthsr_adapter_options_set_block_share, ARGUMENT, NULL, 1);
    PROVOKE(orthsr_adapter_options_set_maps, ARGUMENT, options, "fc3");
    PROVOKE(orthsr_adapter_options_set_towers, ARGUMENT, options, "sound");
    PROVOKE(orthsr_adapter_options_set_layers, ARGUMENT, options, "5-2");
    ck_ok(orthsr_adapter_options_set_layers(options, "99", &error));
    PROVOKE(orthsr_model_adapter, ARGUMENT, model, &made, options);
    ck_ok(orthsr_adapter_options_set_coft(options, 1, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, ORTHSR_MANIFOLD, &error));
    PROVOKE(orthsr_adapter_new, ARGUMENT, &made, options);
    orthsr_adapter_options_free(options);
}
END_TEST

START_TEST(adapters) {
    orthsr_adapter *huge = huge_adapter(1e30f), *singular, *scaled;
    orthsr_adapter_options *options;
    size_t n = orthsr_adapter_parameter_count(adapter), in_features = orthsr_adapter_in_features(adapter, 0), out = orthsr_adapter_out_features(adapter, 0);
    float *parameters = floats(n, 0, 1), *x = floats(in_features, 1, 2), *y = floats(in_features, 1, 3), *W = floats(out * in_features, 1e30, 4);
    PROVOKE(orthsr_adapter_add_target, ARGUMENT, adapter, "odd", 7, 7);
    PROVOKE(orthsr_adapter_get_parameters, ARGUMENT, adapter, parameters, n + 1);
    PROVOKE(orthsr_adapter_set_parameters, ARGUMENT, adapter, parameters, n + 1);
    parameters[n - 1] = NAN;
    PROVOKE(orthsr_adapter_set_parameters, NUMERIC, adapter, parameters, n);
    PROVOKE(orthsr_adapter_set_scale, ARGUMENT, adapter, SIZE_MAX, NULL);
    W[0] = NAN;
    PROVOKE(orthsr_adapter_set_scale, NUMERIC, adapter, 0, W);
    W[0] = 1e30f;
    PROVOKE(orthsr_adapter_rotate, ARGUMENT, adapter, SIZE_MAX, y, x, 1);
    PROVOKE(orthsr_adapter_rotate_adjoint, ARGUMENT, adapter, 0, NULL, parameters, NULL, x, 1);
    y[0] = INFINITY;
    PROVOKE(orthsr_adapter_rotate_adjoint, NUMERIC, adapter, 0, NULL, parameters, y, x, 1);
    PROVOKE(orthsr_adapter_merge, ARGUMENT, adapter, 0, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, in_features - 1);
    PROVOKE(orthsr_adapter_merge, NUMERIC, huge, 0, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, in_features);
    PROVOKE(orthsr_adapter_unmerge, ARGUMENT, adapter, 0, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_COLUMN_MAJOR, out - 1);
    PROVOKE(orthsr_adapter_scaled, ARGUMENT, &scaled, adapter, nan_value);
    PROVOKE(orthsr_adapter_scaled, NUMERIC, &scaled, huge, 1e30f);
    ck_assert_ptr_null(scaled);
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, ORTHSR_FREE, &error));
    ck_ok(orthsr_adapter_options_set_block_size(options, 1, &error));
    ck_ok(orthsr_adapter_new(&singular, options, &error));
    ck_ok(orthsr_adapter_add_target(singular, "one", 1, 1, &error));
    ck_ok(orthsr_adapter_set_parameters(singular, (const float[]){-1}, 1, &error)); /* A = 1 + -1 */
    PROVOKE(orthsr_adapter_unmerge, NUMERIC, singular, 0, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, 1);
    PROVOKE(orthsr_adapter_defect, ARGUMENT, adapter, NULL);
    double *angles = calloc(in_features, sizeof *angles);
    PROVOKE(orthsr_adapter_angles, ARGUMENT, singular, 0, angles);
    ck_ok(orthsr_model_adapter(model, &scaled, NULL, &error));
    scaled->factors.parameters[0] = NAN; /* past every check, since LAPACK fails on nothing less */
    PROVOKE(orthsr_adapter_angles, NUMERIC, scaled, 0, angles);
    ck_assert_double_eq(angles[0], 0);
    free(angles);
    orthsr_adapter_free(scaled);
    orthsr_adapter_options_free(options);
    orthsr_adapter_free(singular);
    orthsr_adapter_free(huge);
    free(parameters);
    free(x);
    free(y);
    free(W);
}
END_TEST

START_TEST(adapter_files) {
    orthsr_adapter *made;
    const char *path = scratch_file("some-adapter"), *file_path = scratch_file("some-adapter/adapter.safetensors"), *text = scratch_file("text.safetensors");
    put_text(text, "no tensors");
    PROVOKE(orthsr_adapter_save, ARGUMENT, adapter, path, "\xff");
    PROVOKE(orthsr_adapter_save, IO, adapter, nowhere(), NULL);
    PROVOKE(orthsr_adapter_load, ARGUMENT, &made, NULL);
    PROVOKE(orthsr_adapter_load, IO, &made, scratch_file("absent"));
    PROVOKE(orthsr_adapter_load, FORMAT, &made, text);
    PROVOKE(orthsr_model_adapter_load, ARGUMENT, model, &made, NULL);
    PROVOKE(orthsr_model_adapter_load, IO, model, &made, scratch_file("absent"));
    PROVOKE(orthsr_model_adapter_load, FORMAT, model, &made, text);
    ck_ok(orthsr_adapter_save(adapter, path, NULL, &error));
    PROVOKE(orthsr_model_adapter_load, MISMATCH, other, &made, path);
    poison(file_path);
    PROVOKE(orthsr_adapter_load, NUMERIC, &made, path);
    PROVOKE(orthsr_model_adapter_load, NUMERIC, model, &made, path);
    patch(file_path, "\"format_version\":\"1\"", "\"format_version\":\"9\"");
    PROVOKE(orthsr_adapter_load, UNSUPPORTED, &made, path);
    PROVOKE(orthsr_model_adapter_load, UNSUPPORTED, model, &made, path);
    ck_assert_ptr_null(made);
    orthsr_adapter *free_one = huge_adapter(0);
    PROVOKE(orthsr_model_adapter_export_peft, ARGUMENT, model, adapter, NULL);
    PROVOKE(orthsr_model_adapter_export_peft, IO, model, adapter, nowhere());
    PROVOKE(orthsr_model_adapter_export_peft, UNSUPPORTED, model, free_one, scratch_file("peft"));
    PROVOKE(orthsr_model_adapter_export_peft, MISMATCH, model, foreign, scratch_file("peft"));
    orthsr_adapter_free(free_one);
}
END_TEST

/* ---- models --------------------------------------------------------------------------------------------------------------------------------------- */

START_TEST(models) {
    orthsr_model *made;
    orthsr_model_options *options;
    ck_ok(orthsr_model_options_new(&options, &error));
    PROVOKE(orthsr_model_options_new, ARGUMENT, NULL);
    PROVOKE(orthsr_model_options_set_image_size, ARGUMENT, options, ((size_t)1 << 24) + 1);
    PROVOKE(orthsr_model_options_set_map, ARGUMENT, NULL, 0);
    PROVOKE(orthsr_model_options_set_interpolation, ARGUMENT, options, (orthsr_interpolation)9);
    const char *directory = copy_model("faulty", true);
    PROVOKE(orthsr_model_open, ARGUMENT, &made, NULL);
    PROVOKE(orthsr_model_open, IO, &made, scratch_file("absent"));
    ck_ok(orthsr_model_options_set_image_size(options, 1, &error)); /* a patch has 4 */
    PROVOKE(orthsr_model_open_with, ARGUMENT, &made, directory, options);
    ck_ok(orthsr_model_options_set_image_size(options, 0, &error));
    PROVOKE(orthsr_model_open_with, IO, &made, scratch_file("absent"), options);
    patch(in(directory, "config.json"), "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
    PROVOKE(orthsr_model_open, MISMATCH, &made, directory);
    PROVOKE(orthsr_model_open_with, MISMATCH, &made, directory, options);
    patch(in(directory, "config.json"), "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 2");
    patch(in(directory, "config.json"), "\"quick_gelu\"", "\"hard_swish\"");
    PROVOKE(orthsr_model_open, UNSUPPORTED, &made, directory);
    PROVOKE(orthsr_model_open_with, UNSUPPORTED, &made, directory, options);
    patch(in(directory, "config.json"), "\"hard_swish\"", "\"quick_gelu\"");
    poison(in(directory, "model.safetensors"));
    PROVOKE(orthsr_model_open, NUMERIC, &made, directory);
    PROVOKE(orthsr_model_open_with, NUMERIC, &made, directory, options);
    put_text(in(directory, "config.json"), "{");
    PROVOKE(orthsr_model_open, FORMAT, &made, directory);
    PROVOKE(orthsr_model_open_with, FORMAT, &made, directory, options);
    ck_assert_ptr_null(made);
    PROVOKE(orthsr_model_tensor, ARGUMENT, model, SIZE_MAX, NULL, NULL, NULL, NULL, NULL, NULL);
    PROVOKE(orthsr_model_map, ARGUMENT, model, SIZE_MAX, NULL, NULL, NULL);
    PROVOKE(orthsr_model_weight, ARGUMENT, model, 0, NULL);
    orthsr_model_options_free(options);
}
END_TEST

START_TEST(merging) {
    orthsr_adapter *huge = huge_adapter(1e30f), *singular = huge_adapter(0);
    size_t n = orthsr_adapter_parameter_count(singular), b = orthsr_adapter_block_size(singular, 0);
    float *parameters = floats(n, 0, 1);
    for (size_t i = 0; i < b; i++) parameters[i * b + i] = -1; /* the first block: A = I - I */
    ck_ok(orthsr_adapter_set_parameters(singular, parameters, n, &error));
    float *scale = floats(orthsr_adapter_out_features(huge, 0), 1e30, 2);
    ck_ok(orthsr_adapter_set_scale(huge, 0, scale, &error));
    free(scale);
    PROVOKE(orthsr_model_merge, ARGUMENT, model, adapter, MODEL, NULL);
    PROVOKE(orthsr_model_merge, IO, model, adapter, nowhere(), NULL);
    PROVOKE(orthsr_model_merge, MISMATCH, model, foreign, scratch_file("merged"), NULL);
    PROVOKE(orthsr_model_merge, NUMERIC, model, huge, scratch_file("merged"), NULL);
    PROVOKE(orthsr_model_unmerge, ARGUMENT, model, adapter, MODEL, NULL);
    PROVOKE(orthsr_model_unmerge, IO, model, adapter, nowhere(), NULL);
    PROVOKE(orthsr_model_unmerge, MISMATCH, model, foreign, scratch_file("merged"), NULL);
    PROVOKE(orthsr_model_unmerge, NUMERIC, model, singular, scratch_file("merged"), NULL);
    ck_assert_int_ne(access(scratch_file("merged"), F_OK), 0);
    PROVOKE(orthsr_model_export_gguf, ARGUMENT, model, adapter, (orthsr_gguf_type)9, scratch_file("gguf"), NULL);
    PROVOKE(orthsr_model_export_gguf, IO, model, adapter, ORTHSR_GGUF_F32, nowhere(), NULL);
    PROVOKE(orthsr_model_export_gguf, MISMATCH, model, foreign, ORTHSR_GGUF_F32, scratch_file("gguf"), NULL);
    PROVOKE(orthsr_model_export_gguf, NUMERIC, model, huge, ORTHSR_GGUF_F16, scratch_file("gguf"), NULL);
    PROVOKE(orthsr_model_export_gguf, UNSUPPORTED, other, NULL, ORTHSR_GGUF_F32, scratch_file("gguf"), NULL);
    ck_assert_int_ne(access(scratch_file("gguf"), F_OK), 0);
    free(parameters);
    orthsr_adapter_free(singular);
    orthsr_adapter_free(huge);
}
END_TEST

/* ---- texts and prompts -------------------------------------------------------------------------------------------------------------------------------- */

START_TEST(tokenizers) {
    orthsr_tokenizer *tokenizer;
    int32_t id;
    const char *empty = scratch_file("vocabulary");
    make_folder(empty);
    PROVOKE(orthsr_tokenizer_open, ARGUMENT, &tokenizer, NULL);
    PROVOKE(orthsr_tokenizer_open, IO, &tokenizer, empty);
    put_text(in(empty, "tokenizer.json"), "{");
    PROVOKE(orthsr_tokenizer_open, FORMAT, &tokenizer, empty);
    put_text(in(empty, "tokenizer.json"), "{\"model\": {\"type\": \"WordPiece\"}}");
    PROVOKE(orthsr_tokenizer_open, UNSUPPORTED, &tokenizer, empty);
    ck_assert_ptr_null(tokenizer);
    PROVOKE(orthsr_tokenizer_encode, ARGUMENT, orthsr_model_tokenizer(model), "cat", 3, 0, &id, 1, NULL);
}
END_TEST

START_TEST(prompts) {
    orthsr_prompt_options *options;
    orthsr_prompt *prompt, *made;
    const char *const *list, *const twice[] = {"cat", "cat"};
    size_t count;
    PROVOKE(orthsr_template_preset, ARGUMENT, "no_such_set", &list, &count);
    PROVOKE(orthsr_prompt_options_new, ARGUMENT, NULL);
    ck_ok(orthsr_prompt_options_new(&options, &error));
    PROVOKE(orthsr_prompt_options_set_init, ARGUMENT, options, NULL);
    PROVOKE(orthsr_prompt_options_set_words, ARGUMENT, options, 0);
    PROVOKE(orthsr_prompt_options_set_seed, ARGUMENT, NULL, 1);
    PROVOKE(orthsr_prompt_options_set_position, ARGUMENT, options, (orthsr_class_position)9);
    PROVOKE(orthsr_prompt_options_set_classes, ARGUMENT, options, twice, 2);
    ck_ok(orthsr_prompt_options_set_words(options, 1000, &error));
    PROVOKE(orthsr_prompt_new, ARGUMENT, &made, model, options);
    PROVOKE(orthsr_prompt_new, UNSUPPORTED, &made, other, NULL);
    ck_ok(orthsr_prompt_options_set_words(options, 2, &error));
    ck_ok(orthsr_prompt_new(&prompt, model, options, &error));
    size_t n = orthsr_prompt_parameter_count(prompt);
    float *parameters = floats(n, 1, 1);
    PROVOKE(orthsr_prompt_get_parameters, ARGUMENT, prompt, parameters, n + 1);
    PROVOKE(orthsr_prompt_set_parameters, ARGUMENT, prompt, parameters, n + 1);
    parameters[0] = NAN;
    PROVOKE(orthsr_prompt_set_parameters, NUMERIC, prompt, parameters, n);
    free(parameters);
    const char *path = scratch_file("prompt.safetensors"), *text = scratch_file("no-prompt.safetensors");
    put_text(text, "no tensors");
    PROVOKE(orthsr_prompt_save, ARGUMENT, prompt, NULL);
    PROVOKE(orthsr_prompt_save, IO, prompt, nowhere());
    PROVOKE(orthsr_prompt_load, ARGUMENT, &made, NULL, NULL);
    PROVOKE(orthsr_prompt_load, IO, &made, NULL, scratch_file("absent"));
    PROVOKE(orthsr_prompt_load, FORMAT, &made, NULL, text);
    ck_ok(orthsr_prompt_save(prompt, path, &error));
    PROVOKE(orthsr_prompt_load, MISMATCH, &made, other, path);
    poison(path);
    PROVOKE(orthsr_prompt_load, NUMERIC, &made, NULL, path);
    patch(path, "\"format_version\":\"1\"", "\"format_version\":\"9\"");
    PROVOKE(orthsr_prompt_load, UNSUPPORTED, &made, NULL, path);
    ck_assert_ptr_null(made);
    orthsr_session *elsewhere;
    ck_ok(orthsr_session_new(&elsewhere, other, NULL, &error));
    PROVOKE(orthsr_session_set_prompt, ARGUMENT, NULL, prompt);
    PROVOKE(orthsr_session_set_prompt, MISMATCH, elsewhere, prompt);
    orthsr_session_free(elsewhere);
    orthsr_prompt_free(prompt);
    orthsr_prompt_options_free(options);
}
END_TEST

/* ---- sessions -------------------------------------------------------------------------------------------------------------------------------------------- */

START_TEST(sessions) {
    orthsr_session *made, *beyond;
    orthsr_adapter *huge = huge_adapter(1e30f);
    size_t dim = orthsr_model_embed_dim(model), context = orthsr_model_context_length(model), image = 3 * TINY_SIZE * TINY_SIZE;
    float *features = floats(TINY_CLASSES * dim, 1, 1), *pixels = floats(image, 1, 2), *map = floats(TINY_SIZE * TINY_SIZE, 1, 3);
    int32_t *ids = calloc(context, sizeof *ids);
    const char *const texts[] = {"cat", NULL};
    ck_assert_ptr_nonnull(ids);
    PROVOKE(orthsr_session_new, ARGUMENT, &made, NULL, NULL);
    PROVOKE(orthsr_session_new, MISMATCH, &made, model, foreign);
    ck_assert_ptr_null(made);
    PROVOKE(orthsr_session_set_threads, ARGUMENT, session, 4097);
    PROVOKE(orthsr_session_set_adapters, ARGUMENT, session, NULL, 1);
    PROVOKE(orthsr_session_set_adapters, MISMATCH, session, (const orthsr_adapter *const[]){adapter, foreign}, 2);
    ck_ok(orthsr_session_new(&beyond, model, huge, &error));
    ck_ok(orthsr_session_set_threads(beyond, 1, &error));
    ck_ok(orthsr_session_new(&made, other, NULL, &error));
    PROVOKE(orthsr_session_encode_tokens, NUMERIC, beyond, features, ids, 1);
    PROVOKE(orthsr_session_encode_texts, ARGUMENT, session, features, texts, 2);
    PROVOKE(orthsr_session_encode_texts, NUMERIC, beyond, features, texts, 1);
    PROVOKE(orthsr_session_encode_texts, UNSUPPORTED, made, features, texts, 1);
    PROVOKE(orthsr_session_encode_classes, ARGUMENT, session, features, tiny_names, TINY_CLASSES, texts, 1);
    PROVOKE(orthsr_session_encode_classes, NUMERIC, beyond, features, tiny_names, TINY_CLASSES, templates, 1);
    PROVOKE(orthsr_session_encode_classes, UNSUPPORTED, made, features, tiny_names, TINY_CLASSES, templates, 1);
    ids[context - 1] = INT32_MAX;
    PROVOKE(orthsr_session_encode_tokens, ARGUMENT, session, features, ids, 1);
    PROVOKE(orthsr_session_encode_pixels, ARGUMENT, session, features, NULL, 1);
    PROVOKE(orthsr_session_similarity, ARGUMENT, session, map, NULL, features);
    PROVOKE(orthsr_session_attention, ARGUMENT, session, map, NULL);
    pixels[image - 1] = NAN;
    PROVOKE(orthsr_session_encode_pixels, NUMERIC, session, features, pixels, 1);
    PROVOKE(orthsr_session_similarity, NUMERIC, session, map, pixels, features);
    PROVOKE(orthsr_session_attention, NUMERIC, session, map, pixels);
    ck_assert(orthsr_session_work(session) >= 0);
    orthsr_session_free(made);
    orthsr_session_free(beyond);
    orthsr_adapter_free(huge);
    free(features);
    free(pixels);
    free(map);
    free(ids);
}
END_TEST

/* ---- data -------------------------------------------------------------------------------------------------------------------------------------------------
 */

START_TEST(data) {
    orthsr_dataset *made, *list;
    const char *layout, *folder = scratch_file("folder"), *lists = scratch_file("lists"), *digits = scratch_file("digits");
    const uint8_t pixel = 0;
    const int32_t label = 3;
    make_folder(folder);
    make_folder(lists);
    make_folder(digits);
    put_text(in(lists, "split_zhou_One.json"), "{}");
    put_text(in(lists, "split_zhou_Two.json"), "{}");
    put(in(digits, "train-images-idx3-ubyte"), "\0\0\x8\3\0\0\0\2\0\0\0\1\0\0\0\1ab", 18); /* two images, one label */
    put(in(digits, "train-labels-idx1-ubyte"), "\0\0\x8\1\0\0\0\1\0", 9);
    put_text(in(digits, "classes.txt"), "cat\n");
    PROVOKE(orthsr_dataset_layout, ARGUMENT, &layout, NULL);
    PROVOKE(orthsr_dataset_layout, IO, &layout, scratch_file("absent"));
    PROVOKE(orthsr_dataset_layout, FORMAT, &layout, lists);
    PROVOKE(orthsr_dataset_open, ARGUMENT, &made, folder, "dev");
    PROVOKE(orthsr_dataset_open, IO, &made, scratch_file("absent"), NULL);
    PROVOKE(orthsr_dataset_open, FORMAT, &made, folder, NULL);
    PROVOKE(orthsr_dataset_open, MISMATCH, &made, digits, "train");
    PROVOKE(orthsr_dataset_list, ARGUMENT, &made, folder, "dev");
    PROVOKE(orthsr_dataset_list, IO, &made, scratch_file("absent"), NULL);
    PROVOKE(orthsr_dataset_list, FORMAT, &made, folder, NULL);
    PROVOKE(orthsr_dataset_list, MISMATCH, &made, digits, "train");
    PROVOKE(orthsr_dataset_new, ARGUMENT, &made, &pixel, 1, 1, 1, 1, &label, tiny_names, TINY_CLASSES);
    PROVOKE(orthsr_dataset_set_max_pixels, ARGUMENT, NULL, 1);
    PROVOKE(orthsr_dataset_draw, ARGUMENT, &made, NULL, NULL, 1, 1);
    PROVOKE(orthsr_dataset_draw_validation, ARGUMENT, &made, dataset, NULL, 1, 1);
    PROVOKE(orthsr_dataset_select, ARGUMENT, &made, dataset, 1, TINY_CLASSES);
    PROVOKE(orthsr_dataset_subset, ARGUMENT, &made, dataset, (const size_t[]){SIZE_MAX}, 1);
    char *name;
    const size_t first = 0;
    put_text(scratch_file("list.tsv"), "a.png\tcat\n");
    ck_ok(orthsr_dataset_open(&list, scratch_file("list.tsv"), NULL, &error));
    PROVOKE(orthsr_dataset_copy_item_name, ARGUMENT, list, 1, &name);
    put_text(scratch_file("list.tsv"), "a.png\tdog\n"); /* another file than was opened */
    PROVOKE(orthsr_dataset_copy_item_name, FORMAT, list, 0, &name);
    PROVOKE(orthsr_dataset_draw, FORMAT, &made, NULL, list, 1, 1);
    PROVOKE(orthsr_dataset_draw_validation, FORMAT, &made, dataset, list, 1, 1);
    PROVOKE(orthsr_dataset_select, FORMAT, &made, list, 0, 1);
    PROVOKE(orthsr_dataset_subset, FORMAT, &made, list, &first, 1);
    put_text(scratch_file("list.tsv"), "");
    PROVOKE(orthsr_dataset_copy_item_name, IO, list, 0, &name);
    PROVOKE(orthsr_dataset_draw, IO, &made, NULL, list, 1, 1);
    PROVOKE(orthsr_dataset_draw_validation, IO, &made, dataset, list, 1, 1);
    PROVOKE(orthsr_dataset_select, IO, &made, list, 0, 1);
    PROVOKE(orthsr_dataset_subset, IO, &made, list, &first, 1);
    orthsr_dataset_free(list);
    ck_assert_ptr_null(made);
    float input[3 * TINY_SIZE * TINY_SIZE];
    orthsr_dataset *text = broken(ORTHSR_ERROR_UNSUPPORTED), *cut = broken(ORTHSR_ERROR_FORMAT), *gone = broken(ORTHSR_ERROR_IO);
    orthsr_model *crops = model_that_crops_elsewhere();
    PROVOKE(orthsr_dataset_pixels, ARGUMENT, dataset, SIZE_MAX, model, input);
    PROVOKE(orthsr_dataset_pixels, IO, gone, 0, model, input);
    PROVOKE(orthsr_dataset_pixels, FORMAT, cut, 0, model, input);
    PROVOKE(orthsr_dataset_pixels, UNSUPPORTED, text, 0, model, input);
    PROVOKE(orthsr_dataset_pixels, MISMATCH, dataset, 0, crops, input);
    PROVOKE(orthsr_dataset_check_item, ARGUMENT, dataset, SIZE_MAX, 0);
    PROVOKE(orthsr_dataset_check_item, IO, gone, 0, 0);
    PROVOKE(orthsr_dataset_check_item, FORMAT, cut, 0, 1);
    PROVOKE(orthsr_dataset_check_item, UNSUPPORTED, text, 0, 0);
    orthsr_model_free(crops);
    orthsr_dataset_free(text);
    orthsr_dataset_free(cut);
    orthsr_dataset_free(gone);
}
END_TEST

/* ---- evaluation and training ------------------------------------------------------------------------------------------------------------------------------
 */

static int stop_evaluation(size_t done, size_t total, void *payload) {
    (void)payload;
    return done <= total;
}

START_TEST(readers) {
    orthsr_dataset *text = broken(ORTHSR_ERROR_UNSUPPORTED), *cut = broken(ORTHSR_ERROR_FORMAT), *gone = broken(ORTHSR_ERROR_IO);
    orthsr_model *crops = model_that_crops_elsewhere();
    size_t n, side = orthsr_model_image_size(model);
    float *pixels = malloc(2 * 3 * side * side * sizeof *pixels);
    orthsr_reader *reader = NULL;
    PROVOKE(orthsr_reader_new, ARGUMENT, &reader, text, model, 1, 2);
    ck_ok(orthsr_reader_new(&reader, text, model, 0, 2, &error));
    PROVOKE(orthsr_reader_set_threads, ARGUMENT, reader, 65);
    PROVOKE(orthsr_reader_next, ARGUMENT, reader, pixels, NULL, 0, &n);
    PROVOKE(orthsr_reader_next, UNSUPPORTED, reader, pixels, NULL, 2, &n);
    PROVOKE(orthsr_reader_set_skip, ARGUMENT, reader, 1);
    orthsr_reader_free(reader);
    ck_ok(orthsr_reader_new(&reader, cut, model, 0, 2, &error));
    PROVOKE(orthsr_reader_next, FORMAT, reader, pixels, NULL, 2, &n);
    orthsr_reader_free(reader);
    ck_ok(orthsr_reader_new(&reader, gone, model, 0, 2, &error));
    PROVOKE(orthsr_reader_next, IO, reader, pixels, NULL, 2, &n);
    orthsr_reader_free(reader);
    ck_ok(orthsr_reader_new(&reader, dataset, crops, 0, 2, &error));
    PROVOKE(orthsr_reader_next, MISMATCH, reader, pixels, NULL, 2, &n);
    orthsr_reader_free(reader);
    free(pixels);
    orthsr_model_free(crops);
    orthsr_dataset_free(text);
    orthsr_dataset_free(cut);
    orthsr_dataset_free(gone);
}
END_TEST

START_TEST(evaluations) {
    orthsr_evaluation *made;
    orthsr_adapter *huge = huge_adapter(1e30f);
    orthsr_model *crops = model_that_crops_elsewhere();
    orthsr_session *beyond, *cropping;
    orthsr_dataset *text = broken(ORTHSR_ERROR_UNSUPPORTED), *cut = broken(ORTHSR_ERROR_FORMAT), *gone = broken(ORTHSR_ERROR_IO);
    ck_ok(orthsr_session_new(&beyond, model, huge, &error));
    ck_ok(orthsr_session_new(&cropping, crops, NULL, &error));
    ck_ok(orthsr_session_set_threads(beyond, 1, &error));
    ck_ok(orthsr_session_set_threads(cropping, 1, &error));
    PROVOKE(orthsr_evaluate, ARGUMENT, &made, session, dataset, templates, 0, NULL, NULL);
    PROVOKE(orthsr_evaluate, IO, &made, session, gone, templates, 1, NULL, NULL);
    PROVOKE(orthsr_evaluate, FORMAT, &made, session, cut, templates, 1, NULL, NULL);
    PROVOKE(orthsr_evaluate, UNSUPPORTED, &made, session, text, templates, 1, NULL, NULL);
    PROVOKE(orthsr_evaluate, MISMATCH, &made, cropping, dataset, templates, 1, NULL, NULL);
    PROVOKE(orthsr_evaluate, NUMERIC, &made, beyond, dataset, templates, 1, NULL, NULL);
    PROVOKE(orthsr_evaluate, CANCELLED, &made, session, dataset, templates, 1, stop_evaluation, NULL);
    ck_assert_ptr_null(made);
    orthsr_session_free(beyond);
    orthsr_session_free(cropping);
    orthsr_model_free(crops);
    orthsr_adapter_free(huge);
    orthsr_dataset_free(text);
    orthsr_dataset_free(cut);
    orthsr_dataset_free(gone);
}
END_TEST

START_TEST(trainer_options) {
    orthsr_trainer_options *options;
    const char *const no_place[] = {"a photo"};
    PROVOKE(orthsr_trainer_options_new, ARGUMENT, NULL);
    ck_ok(orthsr_trainer_options_new(&options, &error));
    PROVOKE(orthsr_trainer_options_set_method, ARGUMENT, options, (orthsr_method)9);
    PROVOKE(orthsr_trainer_options_set_optimizer, ARGUMENT, options, (orthsr_optimizer_kind)9);
    PROVOKE(orthsr_trainer_options_set_retraction, ARGUMENT, options, (orthsr_retraction)9);
    PROVOKE(orthsr_trainer_options_set_learning_rate, ARGUMENT, options, -1.0f);
    PROVOKE(orthsr_trainer_options_set_context_learning_rate, ARGUMENT, options, nan_value);
    PROVOKE(orthsr_trainer_options_set_momentum, ARGUMENT, options, 1.0f);
    PROVOKE(orthsr_trainer_options_set_weight_decay, ARGUMENT, options, -1.0f);
    PROVOKE(orthsr_trainer_options_set_schedule, ARGUMENT, options, (orthsr_schedule)9);
    PROVOKE(orthsr_trainer_options_set_warmup_epochs, ARGUMENT, NULL, 1);
    PROVOKE(orthsr_trainer_options_set_epochs, ARGUMENT, options, 0);
    PROVOKE(orthsr_trainer_options_set_batch_size, ARGUMENT, NULL, 1);
    PROVOKE(orthsr_trainer_options_set_kl_weight, ARGUMENT, options, -1.0f);
    PROVOKE(orthsr_trainer_options_set_ce_cut_weight, ARGUMENT, options, -1.0f);
    PROVOKE(orthsr_trainer_options_set_kl_cut_weight, ARGUMENT, options, -1.0f);
    PROVOKE(orthsr_trainer_options_set_kl_temperature, ARGUMENT, options, 0.0f);
    PROVOKE(orthsr_trainer_options_set_kl_reduction, ARGUMENT, options, (orthsr_kl_reduction)9);
    PROVOKE(orthsr_trainer_options_set_kl_schedule, ARGUMENT, options, (orthsr_schedule)9);
    PROVOKE(orthsr_trainer_options_set_kl_confidence, ARGUMENT, NULL, 1);
    PROVOKE(orthsr_trainer_options_set_kl_direction, ARGUMENT, options, (orthsr_kl_direction)9);
    PROVOKE(orthsr_trainer_options_set_augmentation, ARGUMENT, options, (orthsr_augmentation)9);
    PROVOKE(orthsr_trainer_options_set_cutout, ARGUMENT, options, (orthsr_cutout)9);
    PROVOKE(orthsr_trainer_options_set_cutout_source, ARGUMENT, options, (orthsr_cutout_source)9);
    PROVOKE(orthsr_trainer_options_set_cutout_fill, ARGUMENT, options, (orthsr_cutout_fill)9);
    PROVOKE(orthsr_trainer_options_set_cutout_size, ARGUMENT, options, 1.5f);
    PROVOKE(orthsr_trainer_options_set_cutout_holes, ARGUMENT, options, 65);
    PROVOKE(orthsr_trainer_options_set_cutout_probability, ARGUMENT, options, 1.5f);
    PROVOKE(orthsr_trainer_options_set_seed, ARGUMENT, NULL, 1);
    PROVOKE(orthsr_trainer_options_set_threads, ARGUMENT, options, 4097);
    PROVOKE(orthsr_trainer_options_set_memory_budget, ARGUMENT, NULL, 1);
    PROVOKE(orthsr_trainer_options_set_collective, ARGUMENT, NULL, NULL);
    PROVOKE(orthsr_trainer_options_set_shards, ARGUMENT, options, 0);
    PROVOKE(orthsr_trainer_options_set_readers, ARGUMENT, options, 65);
    PROVOKE(orthsr_trainer_options_set_skip_unreadable, ARGUMENT, NULL, 1);
    PROVOKE(orthsr_trainer_options_set_templates, ARGUMENT, options, no_place, 1);
    PROVOKE(orthsr_trainer_options_set_frozen_templates, ARGUMENT, options, no_place, 1);
    orthsr_trainer_options_free(options);
}
END_TEST

static orthsr_status lose(void *payload, const void *const *send, const size_t *send_sizes, void *const *receive, const size_t *receive_sizes,
                          orthsr_error *why) {
    (void)payload, (void)send, (void)send_sizes, (void)receive, (void)receive_sizes;
    snprintf(why->message, sizeof why->message, "the line is dead");
    return ORTHSR_ERROR_FORMAT; /* a code of the caller's choice: of what comes after it is IO */
}

START_TEST(collectives) {
    orthsr_collective *lost;
    float value = 0;
    double number = 0;
    PROVOKE(orthsr_collective_new, ARGUMENT, &lost, 1, 1, lose, NULL);
    ck_ok(orthsr_collective_new(&lost, 1, 2, lose, NULL, &error));
    ck_fails(orthsr_collective_barrier(lost, &error), ORTHSR_ERROR_FORMAT, "the line is dead");
    PROVOKE(orthsr_collective_sum, ARGUMENT, lost, NULL, 1);
    PROVOKE(orthsr_collective_sum, IO, lost, &value, 1);
    PROVOKE(orthsr_collective_sum_double, ARGUMENT, lost, NULL, 1);
    PROVOKE(orthsr_collective_sum_double, IO, lost, &number, 1);
    PROVOKE(orthsr_collective_broadcast, ARGUMENT, lost, &value, 1, 2);
    PROVOKE(orthsr_collective_broadcast, IO, lost, &value, 1, 1);
    PROVOKE(orthsr_collective_barrier, ARGUMENT, NULL);
    PROVOKE(orthsr_collective_barrier, IO, lost);
    PROVOKE(orthsr_collective_agree, ARGUMENT, NULL, ORTHSR_OK);
    PROVOKE(orthsr_collective_agree, IO, lost, ORTHSR_OK);
    orthsr_collective_free(lost);
}
END_TEST

/* A trainer whose first step reads the images, since they are augmented. */
static orthsr_trainer *reading_trainer(const orthsr_model *of, orthsr_adapter *trained, const orthsr_dataset *items) {
    orthsr_trainer_options *options;
    orthsr_trainer *trainer;
    ck_ok(orthsr_trainer_options_new(&options, &error));
    ck_ok(orthsr_trainer_options_set_augmentation(options, ORTHSR_AUGMENT_STANDARD, &error));
    ck_ok(orthsr_trainer_options_set_threads(options, 1, &error));
    ck_ok(orthsr_trainer_new(&trainer, of, trained, items, options, &error));
    orthsr_trainer_options_free(options);
    return trainer;
}

/* A trainer that is done: one step, at a rate of next to nothing. */
static orthsr_trainer *finished_trainer(void) {
    orthsr_trainer_options *options;
    orthsr_trainer *trainer;
    ck_ok(orthsr_trainer_options_new(&options, &error));
    ck_ok(orthsr_trainer_options_set_batch_size(options, 0, &error));
    ck_ok(orthsr_trainer_options_set_epochs(options, 1, &error));
    ck_ok(orthsr_trainer_options_set_learning_rate(options, 1e-30f, &error));
    ck_ok(orthsr_trainer_options_set_threads(options, 1, &error));
    ck_ok(orthsr_trainer_new(&trainer, model, adapter, dataset, options, &error));
    ck_ok(orthsr_trainer_run(trainer, NULL, NULL, &error));
    orthsr_trainer_options_free(options);
    return trainer;
}

static int stop_training(const orthsr_trainer *trainer, void *payload) {
    (void)payload;
    return orthsr_trainer_step_count(trainer) == 1;
}

START_TEST(trainers) {
    orthsr_adapter *huge = huge_adapter(1e30f);
    orthsr_model *crops = model_that_crops_elsewhere(), *overflowing;
    orthsr_trainer *made;
    orthsr_dataset *text = broken(ORTHSR_ERROR_UNSUPPORTED), *cut = broken(ORTHSR_ERROR_FORMAT), *gone = broken(ORTHSR_ERROR_IO);
    ck_ok(orthsr_model_merge(model, huge, scratch_file("overflowing"), NULL, &error));
    ck_ok(orthsr_model_open(&overflowing, scratch_file("overflowing"), &error));

    PROVOKE(orthsr_trainer_new, ARGUMENT, &made, model, NULL, dataset, NULL);
    PROVOKE(orthsr_trainer_new, IO, &made, model, adapter, gone, NULL);
    PROVOKE(orthsr_trainer_new, FORMAT, &made, model, adapter, cut, NULL);
    PROVOKE(orthsr_trainer_new, UNSUPPORTED, &made, model, adapter, text, NULL);
    PROVOKE(orthsr_trainer_new, MISMATCH, &made, model, foreign, dataset, NULL);
    PROVOKE(orthsr_trainer_new, NUMERIC, &made, overflowing, adapter, dataset, NULL);
    PROVOKE(orthsr_trainer_new_with_prompt, ARGUMENT, &made, model, NULL, NULL, dataset, NULL);
    PROVOKE(orthsr_trainer_new_with_prompt, IO, &made, model, adapter, NULL, gone, NULL);
    PROVOKE(orthsr_trainer_new_with_prompt, FORMAT, &made, model, adapter, NULL, cut, NULL);
    PROVOKE(orthsr_trainer_new_with_prompt, UNSUPPORTED, &made, model, adapter, NULL, text, NULL);
    PROVOKE(orthsr_trainer_new_with_prompt, MISMATCH, &made, model, foreign, NULL, dataset, NULL);
    PROVOKE(orthsr_trainer_new_with_prompt, NUMERIC, &made, overflowing, adapter, NULL, dataset, NULL);
    ck_assert_ptr_null(made);

    /* what a step and a run fail with, and how often: a failed step may be tried again */
    orthsr_trainer *done = finished_trainer(), *missing = reading_trainer(model, adapter, gone), *short_ones = reading_trainer(model, adapter, cut),
                   *texts = reading_trainer(model, adapter, text), *cropped = reading_trainer(crops, adapter, dataset),
                   *beyond = reading_trainer(model, huge, dataset), *good = reading_trainer(model, adapter, dataset);
    PROVOKE(orthsr_trainer_step, ARGUMENT, done);
    PROVOKE(orthsr_trainer_step, IO, missing);
    PROVOKE(orthsr_trainer_step, FORMAT, short_ones);
    PROVOKE(orthsr_trainer_step, UNSUPPORTED, texts);
    PROVOKE(orthsr_trainer_step, MISMATCH, cropped);
    PROVOKE(orthsr_trainer_step, NUMERIC, beyond);
    PROVOKE(orthsr_trainer_run, ARGUMENT, NULL, NULL, NULL);
    PROVOKE(orthsr_trainer_run, IO, missing, NULL, NULL);
    PROVOKE(orthsr_trainer_run, FORMAT, short_ones, NULL, NULL);
    PROVOKE(orthsr_trainer_run, UNSUPPORTED, texts, NULL, NULL);
    PROVOKE(orthsr_trainer_run, MISMATCH, cropped, NULL, NULL);
    PROVOKE(orthsr_trainer_run, NUMERIC, beyond, NULL, NULL);
    PROVOKE(orthsr_trainer_run, CANCELLED, good, stop_training, NULL);
    ck_assert_uint_eq(orthsr_trainer_step_count(beyond), 0);
    ck_assert_uint_eq(orthsr_trainer_step_count(good), 1);

    orthsr_trainer *const all[] = {done, missing, short_ones, texts, cropped, beyond, good};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) orthsr_trainer_free(all[i]);
    orthsr_model_free(overflowing);
    orthsr_model_free(crops);
    orthsr_adapter_free(huge);
    orthsr_dataset_free(text);
    orthsr_dataset_free(cut);
    orthsr_dataset_free(gone);
}
END_TEST

START_TEST(checkpoints) {
    orthsr_adapter *of_another_kind = huge_adapter(0);
    orthsr_trainer *here = reading_trainer(model, adapter, dataset), *elsewhere = reading_trainer(model, of_another_kind, dataset);
    const char *path = scratch_file("checkpoint");
    size_t size;
    ck_ok(orthsr_trainer_save(here, path, NULL, &error));
    PROVOKE(orthsr_trainer_save, ARGUMENT, here, NULL, NULL);
    PROVOKE(orthsr_trainer_save, IO, here, nowhere(), NULL);
    PROVOKE(orthsr_trainer_load, ARGUMENT, NULL, path, NULL);
    PROVOKE(orthsr_trainer_load, IO, here, scratch_file("absent"), NULL);
    PROVOKE(orthsr_trainer_load, MISMATCH, elsewhere, path, NULL);
    char *bytes = contents(path, &size);
    put(path, bytes, size - 1);
    PROVOKE(orthsr_trainer_load, FORMAT, here, path, NULL);
    bytes[8]++; /* the format's version; what follows is the checksum of the first 16 bytes */
    for (uint32_t i = 0, crc = (uint32_t)crc32(0, (const Bytef *)bytes, 16); i < 4; i++) bytes[16 + i] = (char)(crc >> 8 * i & 255);
    put(path, bytes, size);
    PROVOKE(orthsr_trainer_load, UNSUPPORTED, here, path, NULL);
    free(bytes);
    orthsr_trainer_free(here);
    orthsr_trainer_free(elsewhere);
    orthsr_adapter_free(of_another_kind);
}
END_TEST

static TCase *pairs_case(void) {
    TCase *tcase = tcase_create("every function, every code");
    tcase_add_checked_fixture(tcase, open_all, close_all);
    tcase_add_test(tcase, files_of_numbers);
    tcase_add_test(tcase, images);
    tcase_add_test(tcase, matrices);
    tcase_add_test(tcase, optimizers);
    tcase_add_test(tcase, adapter_options);
    tcase_add_test(tcase, adapters);
    tcase_add_test(tcase, adapter_files);
    tcase_add_test(tcase, models);
    tcase_add_test(tcase, merging);
    tcase_add_test(tcase, tokenizers);
    tcase_add_test(tcase, prompts);
    tcase_add_test(tcase, sessions);
    tcase_add_test(tcase, data);
    tcase_add_test(tcase, readers);
    tcase_add_test(tcase, evaluations);
    tcase_add_test(tcase, trainer_options);
    tcase_add_test(tcase, collectives);
    tcase_add_test(tcase, trainers);
    tcase_add_test(tcase, checkpoints);
    return tcase;
}

TEST_MAIN("errors", pairs_case)
