/* test_peft.c - PEFT's OFT adapters read (features of tests/oracle/make_peft.py), written (golden files that PEFT has loaded), and refused. */
#include <jansson.h>

#include "base/file.h"
#include "clip/peft.h"
#include "util/fixture.h"
#include "util/tensors.h"

/* Relative to the largest feature; observed at most 4.3e-7. */
#define BOUND 1e-5

#define MODEL "tests/data/clip/hf"
#define OPEN_CLIP "tests/data/clip/openclip"
#define DATA "tests/data/peft/"
#define CONFIG "/" ORTHSR__PEFT_CONFIG
#define WEIGHTS "/" ORTHSR__PEFT_WEIGHTS

static orthsr_error error;

/* ---- helpers ---------------------------------------------------------------------------------------------------------------- */

/* What the adapter makes of the inputs in the model's directory, against expected.safetensors in directory. */
static void check_features(const char *directory, const orthsr_model *model, const char *model_directory, const orthsr_adapter *adapter) {
    fixture inputs, expected;
    size_t pixels, tokens, image, text, embed = orthsr_model_embed_dim(model);
    char path[300];
    snprintf(path, sizeof path, "%s/expected.safetensors", model_directory);
    fixture_open(&inputs, path);
    snprintf(path, sizeof path, "%s/expected.safetensors", directory);
    fixture_open(&expected, path);
    const float *x = fixture_floats(&inputs, "pixels", &pixels), *want_image = fixture_floats(&expected, "image_features", &image),
                *want_text = fixture_floats(&expected, "text_features", &text), *plain_image = fixture_floats(&inputs, "image_features", NULL),
                *plain_text = fixture_floats(&inputs, "text_features", NULL);
    const int32_t *ids = fixture_raw(&inputs, "tokens", 4, &tokens);
    float *got_image = malloc(image * sizeof(float)), *got_text = malloc(text * sizeof(float));
    orthsr_session *session;
    ck_ok(orthsr_session_new(&session, model, adapter, &error));
    ck_ok(orthsr_session_encode_pixels(session, got_image, x, image / embed, &error));
    ck_ok(orthsr_session_encode_tokens(session, got_text, ids, text / embed, &error));
    double of_image = max_relative(got_image, want_image, image), of_text = max_relative(got_text, want_text, text);
    ck_assert_msg(of_image <= BOUND, "%s: image features differ by %.3g", directory, of_image);
    ck_assert_msg(of_text <= BOUND, "%s: text features differ by %.3g", directory, of_text);
    ck_assert_double_gt(max_relative(got_image, plain_image, image) + max_relative(got_text, plain_text, text), 1e-2); /* the adapter does something */
    orthsr_session_free(session);
    free(got_image);
    free(got_text);
    fixture_close(&inputs);
    fixture_close(&expected);
}

static orthsr_model *open_model(const char *directory) {
    orthsr_model *model;
    ck_ok(orthsr_model_open(&model, directory, &error));
    return model;
}

static orthsr_adapter *load_case(const orthsr_model *model, const char *name) {
    orthsr_adapter *adapter;
    char path[300];
    snprintf(path, sizeof path, DATA "%s", name);
    ck_ok(orthsr_model_adapter_load(model, &adapter, path, &error));
    return adapter;
}

static void copy_file(const char *from_directory, const char *to_directory, const char *name, size_t size) {
    char path[2][300];
    orthsr__mapping mapping;
    snprintf(path[0], sizeof path[0], "%s%s", from_directory, name);
    snprintf(path[1], sizeof path[1], "%s%s", to_directory, name);
    ck_ok(orthsr__map(&mapping, path[0], &error));
    ck_ok(orthsr__write_file(path[1], mapping.data, size < mapping.size ? size : mapping.size, &error));
    orthsr__unmap(&mapping);
}

/* A copy of a case in a directory of its own. */
static const char *copy_case(const char *name) {
    static char directory[300];
    char from[300];
    snprintf(directory, sizeof directory, "%s", scratch_file("case"));
    snprintf(from, sizeof from, DATA "%s", name);
    ck_ok(orthsr__make_directory(directory, &error));
    copy_file(from, directory, CONFIG, SIZE_MAX);
    copy_file(from, directory, WEIGHTS, SIZE_MAX);
    return directory;
}

/* The case's config with one key set to a JSON value, or without it (NULL). */
static void change_config(const char *directory, const char *key, const char *value) {
    char path[300];
    snprintf(path, sizeof path, "%s" CONFIG, directory);
    json_t *config = json_load_file(path, 0, NULL);
    ck_assert_ptr_nonnull(config);
    if (value) ck_assert_int_eq(json_object_set_new(config, key, json_loads(value, JSON_DECODE_ANY, NULL)), 0);
    else json_object_del(config, key);
    ck_assert_int_eq(json_dump_file(config, path, JSON_INDENT(2)), 0);
    json_decref(config);
}

/* The case's weights with its first tensor put in another way, and another tensor added. */
typedef struct change {
    const char *name;      /* NULL: as it is */
    const char *dtype;     /* of the changed tensor: "F32" when NULL */
    size_t rank, shape[3]; /* rank 0: as it is */
    float value;           /* its first element becomes this one, unless 0 */
    const char *added;     /* name of a tensor of one element, or NULL */
} change;

static void change_weights(const char *directory, const change *how) {
    char path[300];
    snprintf(path, sizeof path, "%s" WEIGHTS, directory);
    orthsr__safetensors file;
    ck_ok(orthsr__safetensors_open(&file, path, &error));
    orthsr__tensor_spec *specs = calloc(file.count + 1, sizeof *specs);
    uint8_t *first = calloc(1, 1 << 16);
    size_t count = file.count;
    for (size_t i = 0; i < count; i++) {
        const orthsr__tensor *tensor = &file.tensors[i];
        specs[i] =
            (orthsr__tensor_spec){.name = tensor->name, .dtype_name = tensor->dtype_name, .rank = tensor->rank, .shape = tensor->shape, .bytes = tensor->bytes};
    }
    memcpy(first, file.tensors[0].data, file.tensors[0].bytes);
    if (how->value != 0) memcpy(first, &how->value, sizeof how->value);
    if (how->name) specs[0].name = how->name;
    if (how->dtype) specs[0].dtype_name = how->dtype;
    if (how->rank) {
        specs[0].rank = how->rank;
        specs[0].shape = how->shape;
        specs[0].bytes = sizeof(float);
        for (size_t i = 0; i < how->rank; i++) specs[0].bytes *= how->shape[i];
    }
    const size_t one = 1;
    if (how->added) specs[count++] = (orthsr__tensor_spec){.name = how->added, .dtype_name = "F32", .rank = 1, .shape = &one, .bytes = sizeof(float)};
    orthsr__writer writer;
    ck_ok(orthsr__writer_open(&writer, path, &error));
    ck_ok(orthsr__safetensors_write_header(&writer, specs, count, file.metadata, &error));
    ck_ok(orthsr__writer_write(&writer, first, specs[0].bytes, &error));
    for (size_t i = 1; i < file.count; i++) ck_ok(orthsr__writer_write(&writer, file.tensors[i].data, file.tensors[i].bytes, &error));
    if (how->added) ck_ok(orthsr__writer_write(&writer, &how->value, sizeof how->value, &error));
    ck_ok(orthsr__writer_commit(&writer, &error));
    orthsr__safetensors_close(&file);
    free(specs);
    free(first);
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *first_target;
    size_t targets, block; /* size of the first target's */
    orthsr_parametrization parametrization;
    int share;
} adapters[] = {
    {"exact", "image.0.fc1", 8, 8, ORTHSR_CAYLEY, 0},
    {"blocks-of-8", "image.0.q", 20, 8, ORTHSR_CAYLEY, 0},
    {"neumann-5", "image.0.fc1", 8, 8, ORTHSR_FREE, 0},
    {"neumann-3", "image.0.fc1", 8, 8, ORTHSR_FREE, 0},
    {"share", "image.0.fc1", 8, 8, ORTHSR_CAYLEY, 1},
    {"coft", "image.0.fc1", 8, 8, ORTHSR_CAYLEY, 0},
    {"coft-neumann-share", "image.0.out", 4, 16, ORTHSR_FREE, 1},
    {"regex", "image.0.q", 4, 8, ORTHSR_CAYLEY, 0},
    {"layers", "image.1.fc1", 4, 8, ORTHSR_CAYLEY, 0},
    {"adjusted-size", "image.0.fc1", 8, 8, ORTHSR_CAYLEY, 0}, /* 8 of 32, 6 of 24: 4 blocks in all maps, of 64 and 48 two together */
    {"adjusted-r", "image.0.q", 8, 32, ORTHSR_FREE, 0},       /* 2 blocks of 32, 3 of 24: put together to one */
    {"renamed", "image.0.fc1", 4, 16, ORTHSR_CAYLEY, 0},
    {"version-0.17", "image.0.fc1", 8, 8, ORTHSR_FREE, 0},
    {"version-0.15", "image.0.v", 8, 8, ORTHSR_CAYLEY, 0},
    {"version-0.15-coft", "image.0.v", 8, 16, ORTHSR_CAYLEY, 1},
    {"version-0.15-scaled", "image.0.v", 8, 8, ORTHSR_CAYLEY, 0},
    {"version-0.13", "image.0.k", 8, 8, ORTHSR_CAYLEY, 0},
    {"version-0.13-coft", "image.0.k", 8, 16, ORTHSR_CAYLEY, 0},
};
enum { ADAPTERS = sizeof adapters / sizeof *adapters };

START_TEST(features_equal_pefts) {
    orthsr_model *model = open_model(MODEL);
    orthsr_adapter *adapter = load_case(model, adapters[_i].name);
    char directory[300];
    snprintf(directory, sizeof directory, DATA "%s", adapters[_i].name);
    ck_assert_int_eq(orthsr_adapter_parametrization(adapter), adapters[_i].parametrization);
    ck_assert_uint_eq(orthsr_adapter_target_count(adapter), adapters[_i].targets);
    ck_assert_str_eq(orthsr_adapter_target_name(adapter, 0), adapters[_i].first_target);
    ck_assert_uint_eq(orthsr_adapter_block_size(adapter, 0), adapters[_i].block);
    ck_assert_int_eq(orthsr_adapter_block_share(adapter), adapters[_i].share);
    check_features(directory, model, MODEL, adapter);
    double defect;
    ck_ok(orthsr_adapter_defect(adapter, &defect, &error));
    if (adapters[_i].parametrization == ORTHSR_CAYLEY) ck_assert_double_le(defect, 2e-6); /* observed 9e-7 */
    else ck_assert_double_gt(defect, 1e-3);                                               /* observed 4e-3 and more */
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
}
END_TEST

/* Of a shared block as of all of them. */
START_TEST(exact_parameters_are_the_files_own) {
    const char *name = _i ? "share" : "exact";
    orthsr_model *model = open_model(MODEL);
    orthsr_adapter *adapter = load_case(model, name);
    fixture f;
    size_t n, all = orthsr_adapter_parameter_count(adapter);
    char path[300];
    float *parameters = malloc(all * sizeof *parameters);
    ck_ok(orthsr_adapter_get_parameters(adapter, parameters, all, &error));
    snprintf(path, sizeof path, DATA "%s" WEIGHTS, name);
    fixture_open(&f, path);
    const float *own = fixture_floats(&f, "base_model.model.vision_model.encoder.layers.0.mlp.fc1.oft_R.weight", &n);
    ck_assert(memcmp(parameters, own, n * sizeof *own) == 0);
    own = fixture_floats(&f, "base_model.model.text_model.encoder.layers.1.mlp.fc2.oft_R.weight", &n);
    ck_assert(memcmp(parameters + all - n, own, n * sizeof *own) == 0);
    fixture_close(&f);
    free(parameters);
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
}
END_TEST

/* The series of few terms, by hand: with b = 2, S = [0 v; -v 0], S^2 = -v^2 I. */
START_TEST(series_of_few_terms) {
    static const struct {
        const char *terms, *version;
        double diagonal[4], off[4]; /* of R: coefficients of 1, v, v^2, v^3 */
    } series[] = {
        {"0", "\"0.18.0\"", {1}, {0}},
        {"1", "\"0.18.0\"", {1}, {0}},
        {"2", "\"0.18.0\"", {1}, {0, 2}},
        {"2", NULL, {1}, {0, 2}},
        {"3", "\"0.18.0\"", {1, 0, -2}, {0, 2, 0, -1}},
        {"4", "\"0.21.2\"", {1, 0, -2}, {0, 2, 0, -1}},
        {"3", "\"0.17.1\"", {1, 0, -2}, {0, 2}},
        {"4", NULL, {1, 0, -2}, {0, 2, 0, -2}},
    };
    orthsr_model *model = open_model(MODEL);
    for (size_t i = 0; i < sizeof series / sizeof *series; i++) {
        const char *directory = copy_case("renamed");
        const char *name = "vision_model.encoder.layers.0.mlp.fc1.oft_R.weight";
        char path[300];
        snprintf(path, sizeof path, "%s" WEIGHTS, directory);
        float v[16];
        for (size_t k = 0; k < 16; k++) v[k] = 0.05f * (float)(k + 1);
        orthsr__tensor_spec spec = {.name = name, .dtype_name = "F32", .rank = 2, .shape = (size_t[]){16, 1}, .bytes = sizeof v};
        write_tensors(path, &spec, 1, NULL, v);
        change_config(directory, "r", "16");
        change_config(directory, "use_cayley_neumann", "true");
        change_config(directory, "num_cayley_neumann_terms", series[i].terms);
        change_config(directory, "peft_version", series[i].version);
        orthsr_adapter *adapter;
        ck_ok(orthsr_model_adapter_load(model, &adapter, directory, &error));
        ck_assert_uint_eq(orthsr_adapter_parameter_count(adapter), 64);
        float p[64];
        ck_ok(orthsr_adapter_get_parameters(adapter, p, 64, &error));
        for (size_t k = 0; k < 16; k++) {
            double diagonal = -1, off = 0, power = 1; /* parameters are R - I */
            for (size_t e = 0; e < 4; e++, power *= (double)v[k]) {
                diagonal += series[i].diagonal[e] * power;
                off += series[i].off[e] * power;
            }
            ck_close(p[4 * k], diagonal, 1e-7);
            ck_close(p[4 * k + 1], off, 1e-7);
            ck_close(p[4 * k + 2], -off, 1e-7);
            ck_close(p[4 * k + 3], diagonal, 1e-7);
        }
        orthsr_adapter_free(adapter);
    }
    orthsr_model_free(model);
}
END_TEST

/* ---- refusing --------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *of, *key, *value; /* NULL: the key is missing */
    orthsr_status status;         /* OK: it is harmless */
    const char *text;
} configs[] = {
    {"exact", "peft_type", "\"LORA\"", ORTHSR_ERROR_UNSUPPORTED, "\"peft_type\" is \"LORA\""},
    {"exact", "peft_type", "\"BOFT\"", ORTHSR_ERROR_UNSUPPORTED, "BOFT"},
    {"exact", "peft_type", NULL, ORTHSR_ERROR_FORMAT, "peft_type"},
    {"exact", "peft_type", "7", ORTHSR_ERROR_FORMAT, "peft_type"},
    {"exact", "bias", "\"oft_only\"", ORTHSR_ERROR_UNSUPPORTED, "\"bias\" is \"oft_only\""},
    {"exact", "bias", "true", ORTHSR_ERROR_FORMAT, "bias"},
    {"exact", "fan_in_fan_out", "true", ORTHSR_ERROR_UNSUPPORTED, "fan_in_fan_out"},
    {"exact", "modules_to_save", "[\"visual_projection\"]", ORTHSR_ERROR_UNSUPPORTED, "modules_to_save"},
    {"exact", "modules_to_save", "[]", ORTHSR_OK, NULL},
    {"exact", "use_dora", "true", ORTHSR_ERROR_UNSUPPORTED, "use_dora"},
    {"exact", "use_dora", "false", ORTHSR_OK, NULL},
    {"exact", "rank_pattern", "{\"fc1\": 8}", ORTHSR_ERROR_UNSUPPORTED, "rank_pattern"},
    {"exact", "rank_pattern", "{}", ORTHSR_OK, NULL},
    {"exact", "target_modules", "\"all-linear\"", ORTHSR_OK, NULL},
    {"exact", "r", "8", ORTHSR_ERROR_MISMATCH, "\"r\": 8 on 32 inputs means 8 blocks of size 4, so (8, 6)"},
    {"exact", "r", "1000000000000000000", ORTHSR_ERROR_MISMATCH, "blocks of size 1"},
    {"exact", "r", "\"4\"", ORTHSR_ERROR_FORMAT, "\"r\" must be"},
    {"exact", "r", "4.0", ORTHSR_ERROR_FORMAT, "\"r\" must be"},
    {"exact", "r", "-4", ORTHSR_ERROR_FORMAT, "\"r\" must be"},
    {"exact", "r", "0", ORTHSR_ERROR_FORMAT, "exactly one of them"},
    {"exact", "oft_block_size", "8", ORTHSR_ERROR_FORMAT, "exactly one of them"},
    {"exact", "oft_block_size", "[8]", ORTHSR_ERROR_FORMAT, "oft_block_size"},
    {"exact", "oft_block_size", NULL, ORTHSR_ERROR_FORMAT, "tensors of PEFT 0.14 or later, but \"oft_block_size\" is missing"},
    {"version-0.13", "r", "0", ORTHSR_ERROR_FORMAT, "nor an \"r\" above 0"},
    {"version-0.13", "r", "3", ORTHSR_ERROR_UNSUPPORTED, "3 blocks do not divide the 32 outputs"},
    {"version-0.13", "oft_block_size", "0", ORTHSR_ERROR_FORMAT, "its oft_s is missing"},
    {"exact", "block_share", "true", ORTHSR_ERROR_MISMATCH, "stored once"},
    {"exact", "block_share", "1", ORTHSR_ERROR_FORMAT, "block_share"},
    {"share", "block_share", "false", ORTHSR_ERROR_MISMATCH, "wrong shape"},
    {"coft", "coft", "\"yes\"", ORTHSR_ERROR_FORMAT, "coft"},
    {"coft", "eps", "-1", ORTHSR_ERROR_FORMAT, "\"eps\" is -1"},
    {"coft", "eps", "\"1\"", ORTHSR_ERROR_FORMAT, "eps"},
    {"coft", "eps", "0", ORTHSR_OK, NULL},
    {"neumann-5", "use_cayley_neumann", "0", ORTHSR_ERROR_FORMAT, "use_cayley_neumann"},
    {"neumann-5", "use_cayley_neumann", NULL, ORTHSR_OK, NULL},
    {"neumann-5", "num_cayley_neumann_terms", "-1", ORTHSR_ERROR_FORMAT, "num_cayley_neumann_terms"},
    {"neumann-5", "num_cayley_neumann_terms", "1000000000", ORTHSR_ERROR_UNSUPPORTED, "num_cayley_neumann_terms"},
    {"neumann-5", "peft_version", "\"0.18.0.dev0@1a2b3c\"", ORTHSR_ERROR_UNSUPPORTED, "in the course of that development"},
    {"neumann-5", "peft_version", "\"0.18.0rc1\"", ORTHSR_ERROR_UNSUPPORTED, "peft_version"},
    {"neumann-5", "peft_version", "\"0.18.1.dev0@1a2b3c\"", ORTHSR_OK, NULL},
    {"neumann-5", "peft_version", "\"newest\"", ORTHSR_ERROR_FORMAT, "peft_version"},
    {"neumann-5", "peft_version", "\"\"", ORTHSR_ERROR_FORMAT, "peft_version"},
    {"neumann-5", "peft_version", "0.18", ORTHSR_ERROR_FORMAT, "peft_version"},
};
enum { CONFIGS = sizeof configs / sizeof *configs };

START_TEST(what_a_config_may_say) {
    orthsr_model *model = open_model(MODEL);
    const char *directory = copy_case(configs[_i].of);
    change_config(directory, configs[_i].key, configs[_i].value);
    orthsr_adapter *adapter = NULL;
    if (configs[_i].status == ORTHSR_OK) {
        ck_ok(orthsr_model_adapter_load(model, &adapter, directory, &error));
    } else {
        ck_fails(orthsr_model_adapter_load(model, &adapter, directory, &error), configs[_i].status, configs[_i].text);
        ck_assert_ptr_nonnull(strstr(error.message, directory));
        ck_assert_ptr_null(adapter);
    }
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
}
END_TEST

#define FC1 "base_model.model.text_model.encoder.layers.0.mlp.fc1."
static const struct {
    const char *of;
    change how;
    orthsr_status status;
    const char *text;
} weights[] = {
    {"exact", {.rank = 2, .shape = {4, 16}}, ORTHSR_ERROR_MISMATCH, "fc1.oft_R.weight' has a wrong shape"}, /* 16 is no b(b-1)/2 */
    {"exact", {.rank = 2, .shape = {3, 15}}, ORTHSR_ERROR_MISMATCH, "so (4, 15)"},
    {"exact", {.rank = 1, .shape = {60}}, ORTHSR_ERROR_MISMATCH, "wrong shape"},
    {"exact", {.rank = 3, .shape = {4, 15, 1}}, ORTHSR_ERROR_MISMATCH, "wrong shape"},
    {"exact", {.rank = 2, .shape = {0, 15}}, ORTHSR_ERROR_MISMATCH, "wrong shape"},
    {"exact", {.dtype = "I32"}, ORTHSR_ERROR_UNSUPPORTED, "fc1.oft_R.weight' has dtype I32"},
    {"exact", {.value = NAN}, ORTHSR_ERROR_NUMERIC, "fc1.oft_R.weight' holds a value that is not finite"},
    {"exact", {.value = -INFINITY}, ORTHSR_ERROR_NUMERIC, "not finite"},
    {"neumann-5", {.value = 1e30f}, ORTHSR_ERROR_NUMERIC, "its series is not finite"},
    {"exact", {.name = FC1 "oft_R.default.weight"}, ORTHSR_OK, NULL},
    {"exact", {.name = "text_model.encoder.layers.0.mlp.fc1.oft_R.weight"}, ORTHSR_OK, NULL},
    {"exact", {.name = "base_model.model.text_model.encoder.layers.0.mlp.fc3.oft_R.weight"}, ORTHSR_ERROR_MISMATCH, "mlp.fc3', which this huggingface model"},
    {"exact", {.name = "base_model.model.text_model.encoder.layers.2.mlp.fc1.oft_R.weight"}, ORTHSR_ERROR_MISMATCH, "layers.2.mlp.fc1"},
    {"exact", {.name = "base_model.model.visual_projection.oft_R.weight"}, ORTHSR_ERROR_MISMATCH, "visual_projection"},
    {"exact", {.name = "base_model.model.text_model.embeddings.token_embedding.oft_embedding_R.weight"}, ORTHSR_ERROR_UNSUPPORTED, "oft_embedding_R"},
    {"exact", {.name = FC1 "oft_R.a.b.weight"}, ORTHSR_ERROR_UNSUPPORTED, "oft_R.a.b.weight' is no OFT parameter"},
    {"exact", {.name = FC1 "oft_R..weight"}, ORTHSR_ERROR_UNSUPPORTED, "no OFT parameter"},
    {"exact", {.name = ""}, ORTHSR_ERROR_UNSUPPORTED, "no OFT parameter"},
    {"exact", {.added = FC1 "base_layer.bias"}, ORTHSR_ERROR_UNSUPPORTED, "base_layer.bias' is no OFT parameter"},
    {"exact", {.added = FC1 "lora_A.weight"}, ORTHSR_ERROR_UNSUPPORTED, "lora_A.weight"},
    {"exact", {.added = FC1 "oft_R.second.weight"}, ORTHSR_OK, NULL}, /* another adapter's, beside the folder's own */
    {"exact", {.added = "text_model.encoder.layers.0.mlp.fc1.oft_R.weight"}, ORTHSR_ERROR_FORMAT, "for the same module"},
    {"exact", {.added = FC1 "oft_s"}, ORTHSR_ERROR_FORMAT, "oft_r is missing"},
    {"version-0.15", {.added = "base_model.model.text_model.encoder.layers.0.mlp.fc2.oft_R.weight"}, ORTHSR_ERROR_FORMAT, "both oft_R"},
    {"version-0.15", {.added = "base_model.model.text_model.encoder.layers.0.mlp.fc2.oft_r"}, ORTHSR_ERROR_FORMAT, "oft_s is missing"},
    {"version-0.15", {.rank = 3, .shape = {4, 6, 5}}, ORTHSR_ERROR_MISMATCH, "so (4, 6, the same)"},
    {"renamed", {.name = FC1 "oft_R.dogs.weight"}, ORTHSR_ERROR_FORMAT, "adapters of two names, 'dogs' and 'cats'"},
    {"version-0.15", {.name = FC1 "oft_r.default"}, ORTHSR_ERROR_FORMAT, "oft_r is missing"},
};
enum { CHANGES = sizeof weights / sizeof *weights };

START_TEST(what_weights_may_be) {
    orthsr_model *model = open_model(MODEL);
    const char *directory = copy_case(weights[_i].of);
    change_weights(directory, &weights[_i].how);
    orthsr_adapter *adapter = NULL;
    if (weights[_i].status == ORTHSR_OK) {
        ck_ok(orthsr_model_adapter_load(model, &adapter, directory, &error));
    } else {
        ck_fails(orthsr_model_adapter_load(model, &adapter, directory, &error), weights[_i].status, weights[_i].text);
        ck_assert_ptr_nonnull(strstr(error.message, directory));
        ck_assert_ptr_null(adapter);
    }
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
}
END_TEST

/* What PEFT before 0.16 trained beside rotations, and before 0.14 on the other side: read, kept by our own file, and refused by an export, because PEFT has
 * neither now. */
START_TEST(scales_and_output_sides) {
    orthsr_model *model = open_model(MODEL);
    orthsr_adapter *scaled, *turned;
    ck_ok(orthsr_model_adapter_load(model, &scaled, DATA "version-0.15-scaled", &error));
    for (size_t i = 0; i < orthsr_adapter_target_count(scaled); i++) ck_assert_int_eq(orthsr_adapter_has_scale(scaled, i), 1);
    ck_fails(orthsr_model_adapter_export_peft(model, scaled, scratch_file("scaled"), &error), ORTHSR_ERROR_UNSUPPORTED, "scales its outputs");
    orthsr_adapter_free(scaled);
    ck_ok(orthsr_model_adapter_load(model, &scaled, DATA "version-0.15", &error)); /* ones are no scale */
    ck_assert_int_eq(orthsr_adapter_has_scale(scaled, 0), 0);
    ck_ok(orthsr_model_adapter_load(model, &turned, DATA "version-0.13", &error));
    ck_assert_int_eq(orthsr_adapter_side(turned), ORTHSR_SIDE_OUTPUT);
    ck_fails(orthsr_model_adapter_export_peft(model, turned, scratch_file("turned"), &error), ORTHSR_ERROR_UNSUPPORTED, "rotates outputs");
    orthsr_adapter_free(turned);
    orthsr_adapter_free(scaled);
    orthsr_model_free(model);
}
END_TEST

START_TEST(blocks_of_one_have_no_parameters) {
    orthsr_model *model = open_model(MODEL);
    const char *directory = copy_case("renamed");
    char path[300];
    snprintf(path, sizeof path, "%s" WEIGHTS, directory);
    orthsr__tensor_spec spec = {
        .name = "vision_model.encoder.layers.0.mlp.fc1.oft_R.weight", .dtype_name = "F32", .rank = 2, .shape = (size_t[]){32, 0}, .bytes = 0};
    write_tensors(path, &spec, 1, NULL, "");
    change_config(directory, "r", "99");
    orthsr_adapter *adapter;
    for (size_t i = 0; i < 2; i++) { /* such a map is as it was: no target */
        ck_ok(orthsr_model_adapter_load(model, &adapter, directory, &error));
        ck_assert_uint_eq(orthsr_adapter_target_count(adapter), 0);
        orthsr_adapter_free(adapter);
        change_config(directory, "use_cayley_neumann", "true");
    }
    orthsr_model_free(model);
}
END_TEST

START_TEST(truncated_files) {
    orthsr_model *model = open_model(MODEL);
    orthsr_adapter *adapter;
    const char *directory = copy_case("renamed");
    orthsr__mapping mapping;
    char path[300];
    snprintf(path, sizeof path, DATA "renamed" CONFIG);
    ck_ok(orthsr__map(&mapping, path, &error));
    size_t config = mapping.size;
    orthsr__unmap(&mapping);
    snprintf(path, sizeof path, DATA "renamed" WEIGHTS);
    ck_ok(orthsr__map(&mapping, path, &error));
    size_t tensors = mapping.size;
    orthsr__unmap(&mapping);
    for (size_t i = 0; i < config; i += 3) {
        copy_file(DATA "renamed", directory, CONFIG, i);
        ck_fails(orthsr_model_adapter_load(model, &adapter, directory, &error), ORTHSR_ERROR_FORMAT, ORTHSR__PEFT_CONFIG);
    }
    copy_file(DATA "renamed", directory, CONFIG, SIZE_MAX);
    for (size_t i = 0; i < tensors; i += 13) {
        copy_file(DATA "renamed", directory, WEIGHTS, i);
        ck_fails(orthsr_model_adapter_load(model, &adapter, directory, &error), ORTHSR_ERROR_FORMAT, ORTHSR__PEFT_WEIGHTS);
    }
    snprintf(path, sizeof path, "%s" WEIGHTS, directory);
    unlink(path);
    ck_fails(orthsr_model_adapter_load(model, &adapter, directory, &error), ORTHSR_ERROR_IO, "adapter_model.bin");
    orthsr_model_free(model);
}
END_TEST

/* The file alone tells the sizes where the MLP's two maps name each other, where the map is square, or where it holds a scale of the outputs. */
START_TEST(without_a_model_the_sizes_are_inferred) {
    static const char *const cases[] = {"exact", "neumann-5", "share", "version-0.15", "coft", "neumann-3", "version-0.13", "version-0.15-scaled"};
    orthsr_model *model = open_model(MODEL);
    orthsr_adapter *with, *without;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[128];
        snprintf(path, sizeof path, DATA "%s", cases[i]);
        ck_ok(orthsr_model_adapter_load(model, &with, path, &error));
        ck_ok(orthsr_model_adapter_load(NULL, &without, path, &error));
        size_t n = orthsr_adapter_parameter_count(with);
        ck_assert_uint_eq(orthsr_adapter_parameter_count(without), n);
        ck_assert_uint_eq(orthsr_adapter_target_count(without), orthsr_adapter_target_count(with));
        for (size_t t = 0; t < orthsr_adapter_target_count(with); t++) {
            ck_assert_str_eq(orthsr_adapter_target_name(without, t), orthsr_adapter_target_name(with, t));
            ck_assert_uint_eq(orthsr_adapter_in_features(without, t), orthsr_adapter_in_features(with, t));
            ck_assert_uint_eq(orthsr_adapter_out_features(without, t), orthsr_adapter_out_features(with, t));
        }
        float *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b);
        ck_ok(orthsr_adapter_get_parameters(with, a, n, &error));
        ck_ok(orthsr_adapter_get_parameters(without, b, n, &error));
        ck_assert_mem_eq(a, b, n * sizeof *a);
        free(a);
        free(b);
        orthsr_adapter_free(with);
        orthsr_adapter_free(without);
    }
    without = (orthsr_adapter *)model;
    ck_fails(orthsr_model_adapter_load(NULL, &without, DATA "blocks-of-8", &error), ORTHSR_ERROR_UNSUPPORTED, "how many outputs module");
    const char *directory = copy_case("share"); /* one block stored, and its size: that leaves the number of blocks open */
    change_config(directory, "r", "0");
    change_config(directory, "oft_block_size", "8");
    ck_fails(orthsr_model_adapter_load(NULL, &without, directory, &error), ORTHSR_ERROR_UNSUPPORTED, "how many inputs module");
    ck_assert_ptr_null(without);

    /* places are a number in a small file: what they take must not grow with it */
    ck_ok(orthsr_model_adapter_load(NULL, &with, DATA "share", &error));
    change_config(directory, "r", "2097153"); /* of 8: more than 2^24, which no architecture has */
    change_config(directory, "oft_block_size", "0");
    ck_fails(orthsr_model_adapter_load(NULL, &without, directory, &error), ORTHSR_ERROR_UNSUPPORTED, "how many inputs module");
    change_config(directory, "r", "524288");
    ck_ok(orthsr_model_adapter_load(NULL, &without, directory, &error));
    ck_assert_uint_eq(orthsr_adapter_in_features(without, 0), (size_t)524288 * 8);
    ck_assert_uint_eq(orthsr_adapter_parameter_count(without), orthsr_adapter_parameter_count(with));
    orthsr_adapter_free(with);
    orthsr_adapter_free(without);
    orthsr_model_free(model);
}
END_TEST

/* Without a model the modules are transformers' own: the same files as with a Hugging Face model. */
START_TEST(without_a_model_transformers_names_are_written) {
    orthsr_model *model = open_model(MODEL);
    orthsr_adapter *adapter;
    char path[2][300];
    ck_ok(orthsr_model_adapter_load(model, &adapter, DATA "exact", &error));
    const char *with = scratch_file("with-model"), *without = scratch_file("without-model");
    ck_ok(orthsr_model_adapter_export_peft(model, adapter, with, &error));
    ck_ok(orthsr_model_adapter_export_peft(NULL, adapter, without, &error));
    static const char *const files[] = {CONFIG, WEIGHTS};
    for (size_t i = 0; i < 2; i++) {
        orthsr__mapping a, b;
        snprintf(path[0], sizeof path[0], "%s%s", with, files[i]);
        snprintf(path[1], sizeof path[1], "%s%s", without, files[i]);
        ck_ok(orthsr__map(&a, path[0], &error));
        ck_ok(orthsr__map(&b, path[1], &error));
        ck_assert_uint_eq(a.size, b.size);
        ck_assert_mem_eq(a.data, b.data, a.size);
        orthsr__unmap(&a);
        orthsr__unmap(&b);
    }
    orthsr_adapter_free(adapter);
    ck_ok(orthsr_adapter_new(&adapter, NULL, &error));
    ck_ok(orthsr_adapter_add_target(adapter, "image.0.fc3", 8, 8, &error));
    ck_fails(orthsr_model_adapter_export_peft(NULL, adapter, without, &error), ORTHSR_ERROR_MISMATCH, "image.0.fc3");
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
}
END_TEST

START_TEST(our_own_format_is_checked_against_the_model) {
    orthsr_model *model = open_model(MODEL), *other = open_model(OPEN_CLIP);
    orthsr_adapter *adapter, *loaded = NULL;
    const char *path = scratch_file("own");
    ck_ok(orthsr_model_adapter(model, &adapter, NULL, &error));
    ck_ok(orthsr_adapter_save(adapter, path, orthsr_model_fingerprint(model), &error));
    ck_ok(orthsr_model_adapter_load(model, &loaded, path, &error));
    ck_assert_uint_eq(orthsr_adapter_target_count(loaded), orthsr_adapter_target_count(adapter));
    ck_assert_str_eq(orthsr_adapter_fingerprint(loaded), orthsr_model_fingerprint(model));
    orthsr_adapter_free(loaded);
    ck_fails(orthsr_model_adapter_load(other, &loaded, path, &error), ORTHSR_ERROR_MISMATCH, "image.0.fc1");
    ck_assert_ptr_null(loaded);
    ck_fails(orthsr_model_adapter_load(model, &loaded, "/nowhere", &error), ORTHSR_ERROR_IO, "/nowhere");
    ck_fails(orthsr_model_adapter_load(other, &loaded, DATA "exact", &error), ORTHSR_ERROR_MISMATCH, "this open_clip model");
    ck_ok(orthsr_model_adapter_load(NULL, &loaded, path, &error)); /* no model: nothing to check against */
    orthsr_adapter_free(loaded);
    ck_fails(orthsr_model_adapter_load(model, NULL, path, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_model_adapter_load(model, &loaded, NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
    orthsr_model_free(other);
}
END_TEST

/* ---- writing ---------------------------------------------------------------------------------------------------------------- */

/* Far from the identity, and the same on every machine: no arithmetic but that of the generator. */
static orthsr_adapter *turned_adapter(const orthsr_model *model, const char *towers, const char *maps, size_t block_size, bool share,
                                      orthsr_parametrization parametrization) {
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_towers(options, towers, &error));
    ck_ok(orthsr_adapter_options_set_maps(options, maps, &error));
    if (block_size) ck_ok(orthsr_adapter_options_set_block_size(options, block_size, &error));
    ck_ok(orthsr_adapter_options_set_block_share(options, share, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, parametrization, &error));
    ck_ok(orthsr_model_adapter(model, &adapter, options, &error));
    orthsr_adapter_options_free(options);
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = malloc(n * sizeof *parameters);
    unsigned long state = 5;
    for (size_t i = 0; i < n; i++) parameters[i] = 0.25f * (float)noise(&state);
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    free(parameters);
    return adapter;
}

static const struct {
    const char *golden, *model, *towers, *maps;
    size_t block_size;
    bool share;
} exports[] = {
    {"exported-hf", MODEL, "image,text", "q,k,v,out,fc1,fc2", 8, false},
    {"exported-hf-share", MODEL, "image,text", "q,k,v,out,fc1,fc2", 8, true},
    {"exported-openclip", OPEN_CLIP, "image,text", "fc1,fc2", 0, false},
    {"exported-openclip-text", OPEN_CLIP, "text", "fc1,fc2", 0, false}, /* modules whose names are the ends of others */
};

/* The files that PEFT has loaded (make_peft.py --check), byte for byte; what they mean there; and what they mean when read again. */
START_TEST(export_equals_what_peft_loads) {
    orthsr_model *model = open_model(exports[_i].model);
    orthsr_adapter *adapter = turned_adapter(model, exports[_i].towers, exports[_i].maps, exports[_i].block_size, exports[_i].share, ORTHSR_CAYLEY), *again;
    char directory[300], golden[300];
    const char *renew = getenv("ORTHSR_EXPORT"), *files[] = {CONFIG, WEIGHTS};
    snprintf(golden, sizeof golden, DATA "%s", exports[_i].golden);
    snprintf(directory, sizeof directory, "%s/%s", renew ? renew : scratch_directory(), exports[_i].golden);
    ck_ok(orthsr_model_adapter_export_peft(model, adapter, directory, &error));
    ck_ok(orthsr_model_adapter_export_peft(model, adapter, directory, &error)); /* over the old one */
    for (size_t i = 0; i < 2; i++) {
        orthsr__mapping mine, theirs;
        char path[400];
        snprintf(path, sizeof path, "%s%s", directory, files[i]);
        ck_ok(orthsr__map(&mine, path, &error));
        snprintf(path, sizeof path, "%s%s", golden, files[i]);
        ck_ok(orthsr__map(&theirs, path, &error));
        ck_assert_uint_eq(mine.size, theirs.size);
        ck_assert_msg(memcmp(mine.data, theirs.data, mine.size) == 0, "%s has changed", path);
        orthsr__unmap(&mine);
        orthsr__unmap(&theirs);
    }
    check_features(golden, model, exports[_i].model, adapter);
    ck_ok(orthsr_model_adapter_load(model, &again, directory, &error));
    size_t n = orthsr_adapter_parameter_count(adapter);
    ck_assert_uint_eq(orthsr_adapter_parameter_count(again), n);
    ck_assert_int_eq(orthsr_adapter_block_share(again), exports[_i].share);
    float *before = malloc(n * sizeof *before), *after = malloc(n * sizeof *after);
    ck_ok(orthsr_adapter_get_parameters(adapter, before, n, &error));
    ck_ok(orthsr_adapter_get_parameters(again, after, n, &error));
    ck_assert(memcmp(before, after, n * sizeof *before) == 0);
    free(before);
    free(after);
    orthsr_adapter_free(adapter);
    orthsr_adapter_free(again);
    orthsr_model_free(model);
}
END_TEST

/* Blocks as wide as each map's narrow side: PEFT has their one number or their one size, or neither. Image maps are of 32 and 64 features, text maps of 24
 * and 48. */
START_TEST(narrow_blocks_are_exported_where_peft_can) {
    static const struct {
        const char *towers, *maps, *config; /* config: what it says; NULL: refused */
    } cases[] = {{"image,text", "q,out,fc1", "\"r\": 1"},
                 {"image", "v,fc2", "\"oft_block_size\": 32"},
                 {"image,text", "fc2", "\"r\": 2"},
                 {"image,text", "q,fc2", NULL}};
    orthsr_model *model = open_model(MODEL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        orthsr_adapter *adapter = turned_adapter(model, cases[i].towers, cases[i].maps, ORTHSR_BLOCK_NARROW, false, ORTHSR_CAYLEY), *again;
        const char *directory = scratch_file(cases[i].config ? "narrow" : "not-narrow");
        if (cases[i].config) {
            ck_ok(orthsr_model_adapter_export_peft(model, adapter, directory, &error));
            ck_ok(orthsr_model_adapter_load(model, &again, directory, &error));
            size_t n = orthsr_adapter_parameter_count(adapter);
            ck_assert_uint_eq(orthsr_adapter_parameter_count(again), n);
            float *before = malloc(n * sizeof *before), *after = malloc(n * sizeof *after);
            ck_ok(orthsr_adapter_get_parameters(adapter, before, n, &error));
            ck_ok(orthsr_adapter_get_parameters(again, after, n, &error));
            ck_assert_mem_eq(before, after, n * sizeof *before);
            free(before);
            free(after);
            orthsr_adapter_free(again);
            orthsr__mapping config;
            char path[300];
            snprintf(path, sizeof path, "%s" CONFIG, directory);
            ck_ok(orthsr__map(&config, path, &error));
            ck_assert_msg(memmem(config.data, config.size, cases[i].config, strlen(cases[i].config)) != NULL, "%s", cases[i].config);
            orthsr__unmap(&config);
        } else {
            ck_fails(orthsr_model_adapter_export_peft(model, adapter, directory, &error), ORTHSR_ERROR_UNSUPPORTED, "one number or one size of blocks");
            ck_assert(!orthsr__is_directory(directory));
        }
        orthsr_adapter_free(adapter);
    }
    orthsr_model_free(model);
}
END_TEST

START_TEST(what_cannot_be_exported) {
    orthsr_model *model = open_model(OPEN_CLIP), *huggingface = open_model(MODEL);
    const char *directory = scratch_file("refused");
    static const char *const inside[] = {"q", "k", "v", "out"};
    for (size_t i = 0; i < 4; i++) {
        orthsr_adapter *adapter = turned_adapter(model, "image", inside[i], 0, false, ORTHSR_CAYLEY);
        ck_fails(orthsr_model_adapter_export_peft(model, adapter, directory, &error), ORTHSR_ERROR_UNSUPPORTED, "target 'image.0.");
        ck_assert_ptr_nonnull(strstr(error.message, "fused attention of open_clip models"));
        orthsr_adapter_free(adapter);
    }
    orthsr_adapter *adapter = turned_adapter(huggingface, "image", "fc1", 0, false, ORTHSR_FREE);
    ck_fails(orthsr_model_adapter_export_peft(huggingface, adapter, directory, &error), ORTHSR_ERROR_UNSUPPORTED, "'free'");
    orthsr_adapter_free(adapter);
    adapter = turned_adapter(huggingface, "image", "fc1", 0, false, ORTHSR_CAYLEY);
    ck_fails(orthsr_model_adapter_export_peft(model, adapter, directory, &error), ORTHSR_ERROR_MISMATCH, "image.0.fc1");
    ck_fails(orthsr_model_adapter_export_peft(huggingface, adapter, "/nowhere/at/all", &error), ORTHSR_ERROR_IO, "/nowhere/at/all");
    ck_fails(orthsr_model_adapter_export_peft(huggingface, adapter, NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_assert(!orthsr__is_directory(directory)); /* nothing was begun */

    /* a config that cannot be replaced: the weights that were new are taken away again */
    char path[300];
    snprintf(path, sizeof path, "%s" CONFIG, directory);
    ck_ok(orthsr__make_directory(directory, &error));
    ck_ok(orthsr__make_directory(path, &error));
    ck_fails(orthsr_model_adapter_export_peft(huggingface, adapter, directory, &error), ORTHSR_ERROR_IO, ORTHSR__PEFT_CONFIG);
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(rmdir(directory), 0); /* empty */
    orthsr_adapter_free(adapter);
    ck_ok(orthsr_adapter_new(&adapter, NULL, &error));
    ck_fails(orthsr_model_adapter_export_peft(huggingface, adapter, directory, &error), ORTHSR_ERROR_ARGUMENT, "no targets");
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
    orthsr_model_free(huggingface);
}
END_TEST

/* ---- the program ------------------------------------------------------------------------------------------------------------ */

static TCase *reading(void) {
    TCase *tc = tcase_create("reading");
    tcase_add_loop_test(tc, features_equal_pefts, 0, ADAPTERS);
    tcase_add_loop_test(tc, exact_parameters_are_the_files_own, 0, 2);
    tcase_add_test(tc, series_of_few_terms);
    tcase_add_test(tc, our_own_format_is_checked_against_the_model);
    tcase_add_test(tc, without_a_model_the_sizes_are_inferred);
    tcase_add_test(tc, without_a_model_transformers_names_are_written);
    return tc;
}

static TCase *refusing(void) {
    TCase *tc = tcase_create("refusing");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, what_a_config_may_say, 0, CONFIGS);
    tcase_add_loop_test(tc, what_weights_may_be, 0, CHANGES);
    tcase_add_test(tc, scales_and_output_sides);
    tcase_add_test(tc, blocks_of_one_have_no_parameters);
    tcase_add_test(tc, truncated_files);
    return tc;
}

static TCase *writing(void) {
    TCase *tc = tcase_create("writing");
    tcase_add_loop_test(tc, export_equals_what_peft_loads, 0, sizeof exports / sizeof *exports);
    tcase_add_test(tc, narrow_blocks_are_exported_where_peft_can);
    tcase_add_test(tc, what_cannot_be_exported);
    return tc;
}

TEST_MAIN("peft", reading, refusing, writing)
