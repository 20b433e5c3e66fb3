/* test_config.c - what a checkpoint's config may say in more than one way, what it may not say, and what is inferred where there is none. */
#include <jansson.h>

#include "base/file.h"
#include "clip/model.h"
#include "util/tensors.h"

static orthsr_error error;

#define OPEN_CLIP "tests/data/clip/openclip/"
#define OPENAI "tests/data/clip/openai/ViT-tiny.safetensors"

/* A fresh directory with this model in it, by a link. */
static const char *directory_with(const char *model, const char *name) {
    static char directory[256];
    char here[400], target[600], path[400];
    snprintf(directory, sizeof directory, "%s/model-XXXXXX", scratch_directory());
    ck_assert(mkdtemp(directory) && getcwd(here, sizeof here));
    snprintf(target, sizeof target, "%s/%s", here, model);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    ck_assert_int_eq(symlink(target, path), 0);
    return directory;
}

/* The open_clip fixture with a member of its config (below model_cfg: "vision_cfg/patch_size") set to this JSON. */
static const char *open_clip_with(const char *key, const char *value) {
    const char *directory = directory_with(OPEN_CLIP "open_clip_model.safetensors", "open_clip_model.safetensors");
    json_t *root = json_load_file(OPEN_CLIP "open_clip_config.json", 0, NULL), *at = json_object_get(root, "model_cfg");
    char first[64], path[400];
    const char *slash = strchr(key, '/');
    snprintf(first, sizeof first, "%.*s", slash ? (int)(slash - key) : 0, key);
    if (slash) at = json_object_get(at, first);
    ck_assert_int_eq(json_object_set_new(at, slash ? slash + 1 : key, json_loads(value, JSON_DECODE_ANY, NULL)), 0);
    snprintf(path, sizeof path, "%s/open_clip_config.json", directory);
    ck_assert_int_eq(json_dump_file(root, path, 0), 0);
    json_decref(root);
    return directory;
}

static const struct {
    const char *key, *value;
    orthsr_status status;
    const char *text; /* in the message, or the activation's name */
} CONFIGS[] = {
    {"vision_cfg/image_size", "[24, 24]", ORTHSR_OK, "gelu"},
    {"vision_cfg/image_size", "[24, 32]", ORTHSR_ERROR_UNSUPPORTED, "24 x 32 is not supported, only squares"},
    {"vision_cfg/image_size", "[24]", ORTHSR_ERROR_FORMAT, "'image_size' must be a number of pixels, or two"},
    {"vision_cfg/image_size", "[24, \"24\"]", ORTHSR_ERROR_FORMAT, "must be a number of pixels, or two"},
    {"vision_cfg/patch_size", "[8, 8]", ORTHSR_OK, "gelu"},
    {"vision_cfg/act_kwargs", "{\"approximate\": \"none\"}", ORTHSR_OK, "gelu"},
    {"vision_cfg/act_kwargs", "{\"approximate\": \"erf\"}", ORTHSR_ERROR_UNSUPPORTED, "approximate 'erf' is not supported"},
    {"vision_cfg/act_kwargs", "{\"approximate\": 1}", ORTHSR_ERROR_FORMAT, "approximate"},
    {"vision_cfg/act_kwargs", "{\"inplace\": true}", ORTHSR_ERROR_UNSUPPORTED, "inplace"},
    {"vision_cfg", "[1]", ORTHSR_ERROR_FORMAT, "object 'vision_cfg' is missing"},
    {"vision_cfg/timm_model_name", "\"vit\"", ORTHSR_ERROR_UNSUPPORTED, "timm_model_name"},
    {"text_cfg/pool_type", "\"last\"", ORTHSR_ERROR_UNSUPPORTED, "pool_type"},
    {"quick_gelu", "true", ORTHSR_OK, "quick_gelu"},
};

START_TEST(open_clip_configs) {
    const char *directory = open_clip_with(CONFIGS[_i].key, CONFIGS[_i].value);
    orthsr_model *model = (orthsr_model *)&error;
    if (CONFIGS[_i].status) {
        ck_fails(orthsr_model_open(&model, directory, &error), CONFIGS[_i].status, CONFIGS[_i].text);
        ck_assert_msg(strstr(error.message, directory) != NULL, "%s", error.message);
        ck_assert_ptr_null(model);
        return;
    }
    ck_ok(orthsr_model_open(&model, directory, &error));
    ck_assert_str_eq(orthsr_model_activation(model), CONFIGS[_i].text);
    ck_assert_uint_eq(orthsr_model_image_size(model), 24);
    ck_assert_uint_eq(orthsr_model_patch_size(model), 8);
    orthsr_model_free(model);
}
END_TEST

/* Each tower has its own. */
START_TEST(gelu_by_tanh) {
    orthsr_model *model;
    ck_ok(orthsr_model_open(&model, open_clip_with("vision_cfg/act_kwargs", "{\"approximate\": \"tanh\"}"), &error));
    ck_assert_str_eq(orthsr_model_activation(model), "gelu_tanh");
    ck_assert_int_eq(model->config.text.activation, ORTHSR__GELU);
    orthsr_model_free(model);
    ck_ok(orthsr_model_open(&model, open_clip_with("text_cfg/act_kwargs", "{\"approximate\": \"tanh\"}"), &error));
    ck_assert_str_eq(orthsr_model_activation(model), "gelu");
    ck_assert_int_eq(model->config.text.activation, ORTHSR__GELU_TANH);
    orthsr_model_free(model);
}
END_TEST

/* ---- without a config ------------------------------------------------------------------------------------------------------ */

/* Tensors of zeros, float32. */
static const char *zeros(const char *name, const orthsr__tensor_spec *specs, size_t n) {
    static const float none[1 << 12];
    const char *path = scratch_file(name);
    write_tensors(path, specs, n, NULL, none);
    return path;
}

static orthsr__tensor_spec tensor(const char *name, size_t rank, const size_t *shape) {
    size_t elements = 1;
    for (size_t i = 0; i < rank; i++) elements *= shape[i];
    return (orthsr__tensor_spec){.name = name, .dtype_name = "F32", .rank = rank, .shape = shape, .bytes = 4 * elements};
}

static void ck_refused(const char *path, const char *text) {
    orthsr_model *model = (orthsr_model *)&error;
    ck_fails(orthsr_model_open(&model, path, &error), strstr(text, "ResNet") ? ORTHSR_ERROR_UNSUPPORTED : ORTHSR_ERROR_MISMATCH, text);
    ck_assert_ptr_null(model);
}

START_TEST(nothing_to_infer_from) {
    static const size_t four[] = {4, 3, 2, 2}, two[] = {4, 4}, seven[] = {7, 4};
    const orthsr__tensor_spec resnet = tensor("visual.layer1.0.conv1.weight", 4, four);
    ck_refused(zeros("resnet.safetensors", &resnet, 1), "a ResNet image tower is not supported");
    const orthsr__tensor_spec flat[] = {tensor("visual.conv1.weight", 2, two)};
    ck_refused(zeros("flat.safetensors", flat, 1), "tensor 'visual.conv1.weight' has rank 2 instead of 4");
    ck_refused(zeros("conv.safetensors", (orthsr__tensor_spec[]){tensor("visual.conv1.weight", 4, four)}, 1), "no tensor 'visual.positional_embedding'");
    const orthsr__tensor_spec rows[] = {
        tensor("visual.conv1.weight", 4, four),
        tensor("visual.positional_embedding", 2, seven),
        tensor("token_embedding.weight", 2, two),
        tensor("positional_embedding", 2, two),
        tensor("text_projection", 2, two),
        tensor("visual.transformer.resblocks.0.mlp.c_fc.weight", 2, two),
        tensor("transformer.resblocks.0.mlp.c_fc.weight", 2, two),
    };
    ck_refused(zeros("rows.safetensors", rows, sizeof rows / sizeof *rows), "has 7 rows, which are no class token and a square of patches");
}
END_TEST

/* Another program's config.json beside OpenAI's weights. */
START_TEST(openai_with_a_config) {
    const char *directory = directory_with(OPENAI, "model.safetensors");
    char path[400];
    orthsr_model *model;
    snprintf(path, sizeof path, "%s/config.json", directory);
    ck_ok(orthsr__write_file(path, "{\"model_type\": \"siglip\"}", 24, &error));
    ck_fails(orthsr_model_open(&model, directory, &error), ORTHSR_ERROR_UNSUPPORTED, "model_type 'siglip' is not supported");
    ck_ok(orthsr__write_file(path, "{\"model_type\": \"clip\"}", 22, &error));
    ck_ok(orthsr_model_open(&model, directory, &error));
    ck_assert_str_eq(orthsr_model_family(model), "openai");
    orthsr_model_free(model);
}
END_TEST

START_TEST(image_sizes_have_bounds) {
    orthsr_model_options *options;
    orthsr_model *model;
    ck_ok(orthsr_model_options_new(&options, &error));
    ck_ok(orthsr_model_options_set_image_size(options, 7, &error));
    ck_fails(orthsr_model_open_with(&model, OPEN_CLIP, options, &error), ORTHSR_ERROR_ARGUMENT, "less than one patch");
    ck_ok(orthsr_model_options_set_image_size(options, 1 << 24, &error));
    ck_fails(orthsr_model_open_with(&model, OPEN_CLIP, options, &error), ORTHSR_ERROR_ARGUMENT, "patches of this model");
    orthsr_model_options_free(options);
}
END_TEST

static TCase *config_case(void) {
    TCase *tcase = tcase_create("configs");
    tcase_add_loop_test(tcase, open_clip_configs, 0, sizeof CONFIGS / sizeof *CONFIGS);
    tcase_add_test(tcase, gelu_by_tanh);
    tcase_add_test(tcase, nothing_to_infer_from);
    tcase_add_test(tcase, openai_with_a_config);
    tcase_add_test(tcase, image_sizes_have_bounds);
    return tcase;
}

TEST_MAIN("config", config_case)
