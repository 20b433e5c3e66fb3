/* test_clip.c - checkpoints of each family against their own code's features (tests/oracle/make_clip.py), sessions, merging, and what must be refused. */
#include <sys/stat.h>

#include "base/file.h"
#include "base/half.h"
#include "clip/encoder.h"
#include "util/fixture.h"

/* Relative to the largest feature; observed at most 1.1e-6 (the bar of the project is 2e-5). */
#define BOUND 5e-6

static orthsr_error error;

static const struct {
    const char *model, *directory, *family, *activation;
} families[] = {
    {"tests/data/clip/hf", "tests/data/clip/hf", "huggingface", "quick_gelu"},
    {"tests/data/clip/openclip", "tests/data/clip/openclip", "open_clip", "gelu"},
    {"tests/data/clip/openai/ViT-tiny.safetensors", "tests/data/clip/openai", "openai", "quick_gelu"},
};

static void open_expected(fixture *f, const char *directory) {
    char path[128];
    snprintf(path, sizeof path, "%s/expected.safetensors", directory);
    fixture_open(f, path);
}

/* image (5, embed), text (7, embed) features of the fixture's inputs. */
static void encode(const orthsr_model *model, const orthsr_adapter *adapter, fixture *f, float *image, float *text) {
    orthsr_session *session;
    ck_ok(orthsr_session_new(&session, model, adapter, &error));
    ck_ok(orthsr_session_encode_pixels(session, image, fixture_floats(f, "pixels", NULL), 5, &error));
    ck_ok(orthsr_session_encode_tokens(session, text, fixture_raw(f, "tokens", 4, NULL), 7, &error));
    orthsr_session_free(session);
}

START_TEST(features_equal_the_familys_own_code) {
    orthsr_model *model;
    fixture f;
    float image[5 * 32], text[7 * 32], logits[5 * 7];
    ck_ok(orthsr_model_open(&model, families[_i].model, &error));
    ck_assert_str_eq(orthsr_model_family(model), families[_i].family);
    ck_assert_str_eq(orthsr_model_activation(model), families[_i].activation);
    size_t embed = orthsr_model_embed_dim(model);
    open_expected(&f, families[_i].directory);
    encode(model, NULL, &f, image, text);
    ck_assert_double_le(max_relative(image, fixture_floats(&f, "image_features", NULL), 5 * embed), BOUND);
    ck_assert_double_le(max_relative(text, fixture_floats(&f, "text_features", NULL), 7 * embed), BOUND);
    orthsr_features_normalize(image, 5, embed);
    orthsr_features_normalize(text, 7, embed);
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 7; j++) {
            double sum = 0;
            for (size_t e = 0; e < embed; e++) sum += (double)image[i * embed + e] * (double)text[j * embed + e];
            logits[i * 7 + j] = orthsr_model_logit_scale(model) * (float)sum;
        }
    ck_assert_double_le(max_relative(logits, fixture_floats(&f, "logits", NULL), 35), BOUND);
    fixture_close(&f);
    orthsr_model_free(model);
}
END_TEST

/* An adapter far from the identity on every map. */
static orthsr_adapter *turned_adapter(const orthsr_model *model, const char *maps, orthsr_parametrization parametrization) {
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_maps(options, maps, &error));
    ck_ok(orthsr_adapter_options_set_blocks(options, 2, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, parametrization, &error));
    ck_ok(orthsr_model_adapter(model, &adapter, options, &error));
    orthsr_adapter_options_free(options);
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = malloc(n * sizeof *parameters);
    unsigned long state = 8;
    for (size_t i = 0; i < n; i++) parameters[i] = 0.1f * (float)noise(&state);
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    free(parameters);
    return adapter;
}

START_TEST(adapter_features_equal_merged_features) {
    orthsr_model *model, *merged;
    fixture f;
    float image[2][5 * 32], text[2][7 * 32], plain[5 * 32], unused[7 * 32];
    double deviation;
    char directory[300], path[300];
    ck_ok(orthsr_model_open(&model, families[_i].model, &error));
    orthsr_adapter *adapter = turned_adapter(model, "q,k,v,out,fc1,fc2", ORTHSR_CAYLEY);
    open_expected(&f, families[_i].directory);
    encode(model, NULL, &f, plain, unused);
    encode(model, adapter, &f, image[0], text[0]);
    snprintf(path, sizeof path, "merged%d", _i);
    snprintf(directory, sizeof directory, "%s", scratch_file(path));
    ck_ok(orthsr_model_merge(model, adapter, directory, &deviation, &error));
    snprintf(path, sizeof path, "%s%s", directory, _i == 2 ? "/ViT-tiny.safetensors" : "");
    ck_ok(orthsr_model_open(&merged, path, &error));
    encode(merged, NULL, &f, image[1], text[1]);
    size_t embed = orthsr_model_embed_dim(model);
    ck_assert_double_gt(max_relative(image[0], plain, 5 * embed), 0.05); /* the adapter does something */
    /* float32 (hf): observed 6e-7; float16 (open_clip) and bfloat16 (openai) weights are rounded to 11 and 8 bits: 6e-4 and 5e-3 */
    const double bounds[] = {1e-5, 4e-3, 4e-2}, roundings[] = {1e-7, 2e-3, 2e-2};
    ck_assert_double_le(max_relative(image[1], image[0], 5 * embed), bounds[_i]);
    ck_assert_double_le(max_relative(text[1], text[0], 7 * embed), bounds[_i]);
    ck_assert_double_le(deviation, roundings[_i]);
    ck_assert(deviation > 0);
    ck_assert_uint_eq(orthsr_model_tensor_count(merged), orthsr_model_tensor_count(model));
    ck_assert_str_ne(orthsr_model_fingerprint(merged), orthsr_model_fingerprint(model));
    fixture_close(&f);
    orthsr_model_free(merged);
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
}
END_TEST

/* Every tensor that is no adapted map, and the metadata, come through byte for byte. */
START_TEST(merge_touches_only_adapted_maps) {
    orthsr_model *model;
    char path[300];
    ck_ok(orthsr_model_open(&model, families[1].model, &error));
    orthsr_adapter *adapter = turned_adapter(model, "k,fc2", ORTHSR_FREE);
    ck_ok(orthsr_model_merge(model, adapter, scratch_file("partly"), NULL, &error));
    orthsr__safetensors before, after;
    ck_ok(orthsr__safetensors_open(&before, "tests/data/clip/openclip/open_clip_model.safetensors", &error));
    snprintf(path, sizeof path, "%s/open_clip_model.safetensors", scratch_file("partly"));
    ck_ok(orthsr__safetensors_open(&after, path, &error));
    ck_assert_str_eq(orthsr__safetensors_metadata(&after, "format"), "pt");
    ck_assert_uint_eq(before.count, after.count);
    for (size_t i = 0; i < before.count; i++) {
        const orthsr__tensor *a = before.by_name[i], *b = after.by_name[i];
        ck_assert_str_eq(a->name, b->name);
        size_t unit = a->bytes & -a->bytes; /* the largest power of two that divides it */
        ck_assert_uint_eq((size_t)(b->data - after.mapping.data) % (unit < 64 ? unit : 64), 0);
        ck_assert_str_eq(a->dtype_name, b->dtype_name);
        ck_assert_uint_eq(a->bytes, b->bytes);
        bool same = memcmp(a->data, b->data, a->bytes) == 0, adapted = strstr(a->name, "in_proj_weight") || strstr(a->name, "c_proj.weight");
        ck_assert_msg(same != adapted, "%s", a->name);
        if (!strstr(a->name, "in_proj_weight")) continue;
        size_t third = a->bytes / 3; /* k is the middle third; q and v stay */
        ck_assert(memcmp(a->data, b->data, third) == 0 && memcmp(a->data + 2 * third, b->data + 2 * third, third) == 0);
    }
    orthsr__safetensors_close(&before);
    orthsr__safetensors_close(&after);
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
}
END_TEST

/* Merged and taken out again: the weights as they were, to the rounding of their dtype (observed: float32 9e-8, float16 8e-4, bfloat16 6e-3 of the largest). */
START_TEST(unmerge_restores) {
    orthsr_model *model, *merged, *restored;
    char path[2][300], name[32];
    const char *file = _i == 2 ? "/ViT-tiny.safetensors" : "";
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "there-and-back%d-%d", _i, i);
        snprintf(path[i], sizeof path[i], "%s", scratch_file(name));
    }
    ck_ok(orthsr_model_open(&model, families[_i].model, &error));
    orthsr_adapter *adapter = turned_adapter(model, "q,k,v,out,fc1,fc2", ORTHSR_CAYLEY);
    ck_ok(orthsr_model_merge(model, adapter, path[0], NULL, &error));
    strcat(path[0], file);
    ck_ok(orthsr_model_open(&merged, path[0], &error));
    ck_ok(orthsr_model_unmerge(merged, adapter, path[1], NULL, &error));
    strcat(path[1], file);
    ck_ok(orthsr_model_open(&restored, path[1], &error));
    const double bounds[] = {5e-7, 4e-3, 2e-2};
    for (size_t i = 0; i < orthsr_model_map_count(model); i++) {
        const orthsr__linear *a = orthsr__model_map(restored, i), *b = orthsr__model_map(model, i), *c = orthsr__model_map(merged, i);
        ck_assert_double_le(max_relative(a->weight, b->weight, a->in * a->out), bounds[_i]);
        ck_assert_double_gt(max_relative(c->weight, b->weight, a->in * a->out), 0.05);
    }
    orthsr_model_free(restored);
    orthsr_model_free(merged);
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
}
END_TEST

START_TEST(merge_refuses_and_cleans_up) {
    orthsr_model *model, *other;
    ck_ok(orthsr_model_open(&model, families[0].model, &error));
    ck_ok(orthsr_model_open(&other, families[1].model, &error));
    orthsr_adapter *adapter = turned_adapter(model, "fc1", ORTHSR_CAYLEY), *foreign = turned_adapter(other, "fc1", ORTHSR_CAYLEY);
    const char *directory = scratch_file("refused");
    ck_fails(orthsr_model_merge(model, adapter, families[0].directory, NULL, &error), ORTHSR_ERROR_ARGUMENT, "own directory");
    ck_fails(orthsr_model_merge(model, foreign, directory, NULL, &error), ORTHSR_ERROR_MISMATCH, "image.0.fc1");
    ck_fails(orthsr_model_merge(model, adapter, "/no/such/place", NULL, &error), ORTHSR_ERROR_IO, "/no/such/place");
    ck_assert(!orthsr__is_directory(directory));
    /* A of float16 weights that overflow: nothing stays behind */
    orthsr_adapter *huge = turned_adapter(other, "fc1", ORTHSR_FREE);
    size_t n = orthsr_adapter_parameter_count(huge);
    float *parameters = malloc(n * sizeof *parameters);
    for (size_t i = 0; i < n; i++) parameters[i] = 1e6f;
    ck_ok(orthsr_adapter_set_parameters(huge, parameters, n, &error));
    ck_fails(orthsr_model_merge(other, huge, directory, NULL, &error), ORTHSR_ERROR_NUMERIC, "c_fc.weight");
    ck_assert(!orthsr__is_directory(directory));
    free(parameters);
    orthsr_adapter_free(huge);
    orthsr_adapter_free(foreign);
    orthsr_adapter_free(adapter);
    orthsr_model_free(other);
    orthsr_model_free(model);
}
END_TEST

/* The same input gives the same feature wherever it stands in however large a call. */
START_TEST(tiles_do_not_show) {
    orthsr_model *model;
    orthsr_session *session;
    fixture f;
    ck_ok(orthsr_model_open(&model, families[0].model, &error));
    ck_ok(orthsr_session_new(&session, model, NULL, &error));
    open_expected(&f, families[0].directory);
    const float *pixels = fixture_floats(&f, "pixels", NULL), *expected = fixture_floats(&f, "image_features", NULL);
    size_t image = 3 * 16 * 16, embed = 16, n = orthsr__image_tile(model, ORTHSR__TILE_ROWS) * 2 + 3;
    float *many = malloc(n * image * sizeof *many), *features = malloc(n * embed * sizeof *features);
    for (size_t i = 0; i < n; i++) memcpy(many + i * image, pixels + i % 5 * image, image * sizeof *many);
    ck_ok(orthsr_session_encode_pixels(session, features, many, n, &error));
    for (size_t i = 0; i < n; i++) ck_assert_double_le(max_relative(features + i * embed, expected + i % 5 * embed, embed), 2 * BOUND);
    many[(n - 1) * image + 7] = NAN;
    ck_fails(orthsr_session_encode_pixels(session, features, many, n, &error), ORTHSR_ERROR_NUMERIC, "not finite");
    int32_t tokens[20] = {521, 3, 523};
    ck_fails(orthsr_session_encode_tokens(session, features, tokens, 1, &error), ORTHSR_ERROR_ARGUMENT, "position 2: token 523");
    free(many);
    free(features);
    fixture_close(&f);
    orthsr_session_free(session);
    orthsr_model_free(model);
}
END_TEST

START_TEST(classes_and_templates) {
    orthsr_model *model;
    orthsr_session *session;
    ck_ok(orthsr_model_open(&model, families[0].model, &error));
    ck_ok(orthsr_session_new(&session, model, NULL, &error));
    const char *names[] = {"cat", "sea_lion"}, *templates[] = {"a photo of a {}.", "{} up close"}, *texts[] = {"a photo of a sea lion.", "sea lion up close"};
    float classes[2 * 16], raw[2 * 16], mean[16];
    ck_ok(orthsr_session_encode_classes(session, classes, names, 2, templates, 2, &error));
    ck_ok(orthsr_session_encode_texts(session, raw, texts, 2, &error));
    orthsr_features_normalize(raw, 2, 16);
    for (size_t e = 0; e < 16; e++) mean[e] = (raw[e] + raw[16 + e]) / 2;
    orthsr_features_normalize(mean, 1, 16);
    ck_assert_double_le(max_relative(classes + 16, mean, 16), 1e-6);
    const char *bad[] = {"no slot"}, *twice[] = {"{} and {}"};
    ck_fails(orthsr_session_encode_classes(session, classes, names, 2, bad, 1, &error), ORTHSR_ERROR_ARGUMENT, "no slot");
    ck_fails(orthsr_session_encode_classes(session, classes, names, 2, twice, 1, &error), ORTHSR_ERROR_ARGUMENT, "exactly one");
    orthsr_session_free(session);
    orthsr_model_free(model);
    ck_ok(orthsr_model_open(&model, families[1].model, &error));
    ck_ok(orthsr_session_new(&session, model, NULL, &error));
    ck_assert_ptr_null(orthsr_model_tokenizer(model));
    ck_fails(orthsr_session_encode_texts(session, raw, texts, 1, &error), ORTHSR_ERROR_UNSUPPORTED, "no vocabulary");
    orthsr_session_free(session);
    orthsr_model_free(model);
}
END_TEST

static void encode_text(int32_t *ids, const orthsr_tokenizer *tokenizer, const char *text) {
    ck_ok(orthsr_tokenizer_encode(tokenizer, text, strlen(text), orthsr_tokenizer_pad_id(tokenizer), ids, 24, NULL, &error));
}

/* open_clip unescapes HTML whatever files lie beside its checkpoint, and pads with 0; transformers does not, and pads with its pad_token. */
START_TEST(texts_are_read_as_the_family_reads_them) {
    orthsr_model *mini, *hf;
    orthsr_tokenizer *alone;
    int32_t a[24], b[24], c[24];
    ck_ok(orthsr_model_open(&mini, "examples/data/mini", &error));
    ck_ok(orthsr_tokenizer_open(&alone, "examples/data/mini", &error)); /* vocab.json and merges.txt, without a model: transformers' rules */
    ck_ok(orthsr_model_open(&hf, families[0].model, &error));
    encode_text(a, orthsr_model_tokenizer(mini), "a &amp; b");
    encode_text(b, orthsr_model_tokenizer(mini), "a & b");
    encode_text(c, alone, "a &amp; b");
    ck_assert_mem_eq(a, b, sizeof a);
    ck_assert_mem_ne(a, c, sizeof a);
    ck_assert_int_eq(orthsr_tokenizer_pad_id(orthsr_model_tokenizer(mini)), 0);
    ck_assert_int_eq(a[23], 0);
    ck_assert_int_eq(orthsr_tokenizer_pad_id(alone), orthsr_tokenizer_end_id(alone));
    ck_assert_int_eq(orthsr_tokenizer_pad_id(orthsr_model_tokenizer(hf)), orthsr_tokenizer_end_id(orthsr_model_tokenizer(hf)));
    orthsr_model_free(hf);
    orthsr_tokenizer_free(alone);
    orthsr_model_free(mini);
}
END_TEST

/* ---- what must be refused ---------------------------------------------------------------------------------------------------- */

/* A copy of the tiny open_clip model with one edit: a tensor left out, renamed, reshaped or with one value replaced; or a config text. */
typedef struct edit {
    const char *tensor, *rename; /* rename NULL: the tensor is left out */
    bool reshape, poison;
    const char *dtype;
    const char *config; /* replaces open_clip_config.json */
} edit;

static const char *edited_model(const edit *e) {
    static char directory[300];
    static int count;
    char name[64], path[400];
    snprintf(name, sizeof name, "edited%d-%d", (int)getpid(), count++);
    snprintf(directory, sizeof directory, "%s", scratch_file(name));
    ck_assert_int_eq(mkdir(directory, 0777), 0);
    orthsr__safetensors from;
    ck_ok(orthsr__safetensors_open(&from, "tests/data/clip/openclip/open_clip_model.safetensors", &error));
    orthsr__tensor_spec specs[128];
    const uint8_t *data[128];
    size_t n = 0;
    for (size_t i = 0; i < from.count; i++) {
        const orthsr__tensor *t = &from.tensors[i];
        bool edits = e->tensor && strcmp(t->name, e->tensor) == 0;
        if (edits && !e->rename && !e->reshape && !e->poison && !e->dtype) continue;
        static size_t flat[1];
        flat[0] = t->elements;
        specs[n] = (orthsr__tensor_spec){.name = edits && e->rename ? e->rename : t->name,
                                         .dtype_name = edits && e->dtype ? e->dtype : t->dtype_name,
                                         .rank = edits && e->reshape ? 1 : t->rank,
                                         .shape = edits && e->reshape ? flat : t->shape,
                                         .bytes = t->bytes};
        static uint8_t poisoned[1 << 16];
        data[n] = t->data;
        if (edits && e->poison) {
            ck_assert_uint_le(t->bytes, sizeof poisoned);
            memcpy(poisoned, t->data, t->bytes);
            memset(poisoned + 8, 0xff, 8); /* NaN in any float dtype */
            data[n] = poisoned;
        }
        n++;
    }
    orthsr__writer writer;
    snprintf(path, sizeof path, "%s/open_clip_model.safetensors", directory);
    ck_ok(orthsr__writer_open(&writer, path, &error));
    ck_ok(orthsr__safetensors_write_header(&writer, specs, n, NULL, &error));
    for (size_t i = 0; i < n; i++) ck_ok(orthsr__writer_write(&writer, data[i], specs[i].bytes, &error));
    ck_ok(orthsr__writer_commit(&writer, &error));
    orthsr__safetensors_close(&from);
    orthsr__mapping config;
    ck_ok(orthsr__map(&config, "tests/data/clip/openclip/open_clip_config.json", &error));
    snprintf(path, sizeof path, "%s/open_clip_config.json", directory);
    ck_ok(e->config ? orthsr__write_file(path, e->config, strlen(e->config), &error) : orthsr__write_file(path, config.data, config.size, &error));
    orthsr__unmap(&config);
    return directory;
}

static void refuse(edit e, orthsr_status status, const char *message) {
    orthsr_model *model = (orthsr_model *)&e;
    ck_fails(orthsr_model_open(&model, edited_model(&e), &error), status, message);
    ck_assert_ptr_null(model);
}

START_TEST(bad_tensors) {
    const char *fc = "visual.transformer.resblocks.1.mlp.c_fc.weight";
    refuse((edit){.tensor = fc}, ORTHSR_ERROR_MISMATCH, "c_fc.weight' is missing");
    refuse((edit){.tensor = fc, .reshape = true}, ORTHSR_ERROR_MISMATCH, "has shape (3072) where the architecture needs (96, 32)");
    refuse((edit){.tensor = fc, .poison = true}, ORTHSR_ERROR_NUMERIC, "c_fc.weight' holds a value that is not finite");
    refuse((edit){.tensor = fc, .dtype = "I16"}, ORTHSR_ERROR_UNSUPPORTED, "I16");
    refuse((edit){.tensor = fc, .rename = "visual.transformer.resblocks.2.mlp.c_fc.weight"}, ORTHSR_ERROR_MISMATCH, "missing");
    refuse((edit){.tensor = "visual.class_embedding"}, ORTHSR_ERROR_MISMATCH, "visual.class_embedding");
    refuse((edit){.tensor = "logit_scale"}, ORTHSR_ERROR_MISMATCH, "logit_scale");
    refuse((edit){.tensor = "logit_scale", .rename = "logit_scales"}, ORTHSR_ERROR_MISMATCH, "logit_scale");
    /* all that is wrong is told at once */
    refuse((edit){.tensor = "visual.ln_post.bias", .rename = "visual.ln_pre.bias"}, ORTHSR_ERROR_MISMATCH,
           "tensor 'visual.ln_post.bias' is missing; tensor 'visual.ln_pre.bias' is no part of the architecture");
}
END_TEST

#define CONFIG(vision, text, rest)                                                                                                                             \
    "{\"model_cfg\": {\"embed_dim\": 20, \"vision_cfg\": {\"image_size\": 24, \"width\": 32, \"head_width\": 8, \"patch_size\": 8, \"mlp_ratio\": 3.0, "       \
    "\"no_ln_pre\": true, \"layers\": " vision "}, \"text_cfg\": {\"context_length\": 12, \"vocab_size\": 90, \"width\": 16, \"heads\": 2, \"layers\": 1" text \
    "}" rest "}}"

START_TEST(bad_configs) {
    refuse((edit){.config = CONFIG("[3,4,6,3]", "", "")}, ORTHSR_ERROR_UNSUPPORTED, "ResNet");
    refuse((edit){.config = CONFIG("1", "", "")}, ORTHSR_ERROR_MISMATCH, "resblocks.1.ln_1.bias' is no part of the architecture");
    refuse((edit){.config = CONFIG("3", "", "")}, ORTHSR_ERROR_MISMATCH, "resblocks.2");
    refuse((edit){.config = CONFIG("2, \"timm_model_name\": \"vit\"", "", "")}, ORTHSR_ERROR_UNSUPPORTED, "timm_model_name");
    refuse((edit){.config = CONFIG("2, \"attentional_pool\": true", "", "")}, ORTHSR_ERROR_UNSUPPORTED, "attentional_pool");
    refuse((edit){.config = CONFIG("2", ", \"hf_model_name\": \"roberta\"", "")}, ORTHSR_ERROR_UNSUPPORTED, "roberta");
    refuse((edit){.config = CONFIG("2", "", ", \"init_logit_bias\": -10")}, ORTHSR_ERROR_UNSUPPORTED, "init_logit_bias");
    refuse((edit){.config = CONFIG("2, \"new_option\": true", "", "")}, ORTHSR_ERROR_UNSUPPORTED, "'new_option': true");
    refuse((edit){.config = CONFIG("2", ", \"norm_kwargs\": {\"eps\": 1e-6, \"bias\": 3}", "")}, ORTHSR_ERROR_UNSUPPORTED, "'bias': 3");
    refuse((edit){.config = CONFIG("2", ", \"pool_type\": \"last\"", "")}, ORTHSR_ERROR_UNSUPPORTED, "'pool_type': \"last\"");
    refuse((edit){.config = CONFIG("2, \"act_kwargs\": {\"approximate\": \"fast\"}", "", "")}, ORTHSR_ERROR_UNSUPPORTED, "approximate 'fast'");
    refuse((edit){.config = CONFIG("-2", "", "")}, ORTHSR_ERROR_FORMAT, "layers");
    refuse((edit){.config = CONFIG("1e9", "", "")}, ORTHSR_ERROR_FORMAT, "layers");
    refuse((edit){.config = CONFIG("0", "", "")}, ORTHSR_ERROR_FORMAT, "size");
    refuse((edit){.config = "{\"model_cfg\": 3}"}, ORTHSR_ERROR_FORMAT, "model_cfg");
    refuse((edit){.config = "[]"}, ORTHSR_ERROR_FORMAT, "open_clip_config.json");
    refuse((edit){.config = "{\"model_cfg\": {"}, ORTHSR_ERROR_FORMAT, "open_clip_config.json");
}
END_TEST

START_TEST(bad_paths) {
    orthsr_model *model;
    ck_fails(orthsr_model_open(&model, "tests/data/none", &error), ORTHSR_ERROR_IO, "tests/data/none");
    ck_fails(orthsr_model_open(&model, "tests/data", &error), ORTHSR_ERROR_IO, "no weights in 'tests/data'");
    ck_fails(orthsr_model_open(&model, "README.md", &error), ORTHSR_ERROR_FORMAT, "README.md");
    ck_fails(orthsr_model_open(&model, NULL, &error), ORTHSR_ERROR_ARGUMENT, "path");
    ck_fails(orthsr_model_open(NULL, "x", &error), ORTHSR_ERROR_ARGUMENT, "out");
    ck_fails(orthsr_model_open(&model, "tests/data/ops.safetensors", &error), ORTHSR_ERROR_MISMATCH, "no tensor");
    orthsr_model_free(NULL);
    orthsr_session_free(NULL);
}
END_TEST

START_TEST(maps_and_tensors_are_listed) {
    orthsr_model *model;
    const char *name, *dtype;
    const size_t *shape;
    size_t in, out, rank, found = 0, numbers = 0;
    uint64_t bytes;
    int expected;
    ck_ok(orthsr_model_open(&model, families[1].model, &error));
    ck_assert_uint_eq(orthsr_model_map_count(model), 18);
    ck_ok(orthsr_model_map(model, 10, &name, &in, &out, &error));
    ck_assert_str_eq(name, "image.1.fc1");
    ck_assert(in == 32 && out == 96);
    ck_ok(orthsr_model_map(model, 17, &name, &in, &out, &error));
    ck_assert_str_eq(name, "text.0.fc2");
    ck_assert(in == 64 && out == 16);
    ck_fails(orthsr_model_map(model, 18, NULL, NULL, NULL, &error), ORTHSR_ERROR_ARGUMENT, "index");
    fixture checkpoint;
    float W[32 * 96];
    fixture_open(&checkpoint, "tests/data/clip/openclip/open_clip_model.safetensors");
    ck_ok(orthsr_model_weight(model, 10, W, &error));
    ck_assert_mem_eq(W, fixture_floats(&checkpoint, "visual.transformer.resblocks.1.mlp.c_fc.weight", NULL), sizeof W);
    ck_ok(orthsr_model_weight(model, 7, W, &error)); /* k: the second of the three in one tensor */
    ck_assert_mem_eq(W, fixture_floats(&checkpoint, "visual.transformer.resblocks.1.attn.in_proj_weight", NULL) + 32 * 32, 32 * 32 * sizeof *W);
    fixture_close(&checkpoint);
    ck_fails(orthsr_model_weight(model, 18, W, &error), ORTHSR_ERROR_ARGUMENT, "index");
    ck_fails(orthsr_model_weight(model, 0, NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_model_weight(NULL, 0, W, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    for (size_t i = 0; i < orthsr_model_tensor_count(model); i++) {
        ck_ok(orthsr_model_tensor(model, i, &name, &dtype, &shape, &rank, &bytes, &expected, &error));
        ck_assert_int_eq(expected, 1);
        size_t elements = 1;
        for (size_t r = 0; r < rank; r++) elements *= shape[r];
        numbers += elements;
        if (strcmp(name, "visual.conv1.weight") != 0) continue;
        found++;
        ck_assert(rank == 4 && shape[0] == 32 && shape[3] == 8 && bytes == 2 * 32 * 3 * 64 && strcmp(dtype, "F16") == 0);
    }
    ck_assert_uint_eq(found, 1);
    ck_assert_uint_eq(orthsr_model_parameter_count(model), numbers); /* no tensor of integers is among them */
    ck_assert(orthsr_model_layers(model, "image") == 2 && orthsr_model_layers(model, "text") == 1 && orthsr_model_layers(model, "audio") == 0);
    ck_assert_int_eq(orthsr_model_end_id(model), -1);
    ck_assert_str_eq(orthsr_model_preprocessing(model), "shorter side to 24 (bicubic), centre 24 x 24, times 0.00392157, mean 0.5 0.4 0.3, std 0.2 0.25 0.3");
    /* its 16-bit tensors, widened to twice their size, and the transposed projections */
    ck_assert_uint_gt(orthsr_model_copied_bytes(model), 100000);
    ck_assert(orthsr_model_heads(model, "image") == 4 && orthsr_model_width(model, "text") == 16 && orthsr_model_mlp_width(model, "image") == 96);
    ck_assert(orthsr_model_context_length(model) == 12 && orthsr_model_vocab_size(model) == 90 && orthsr_model_image_size(model) == 24 &&
              orthsr_model_patch_size(model) == 8);
    orthsr_model_free(model);
}
END_TEST

START_TEST(adapters_of_options) {
    orthsr_model *model;
    orthsr_adapter *adapter;
    orthsr_adapter_options *options;
    ck_ok(orthsr_model_open(&model, families[0].model, &error));
    ck_ok(orthsr_model_adapter(model, &adapter, NULL, &error));
    ck_assert_uint_eq(orthsr_adapter_target_count(adapter), 8); /* fc1 and fc2 of 2 + 2 layers */
    ck_assert_str_eq(orthsr_adapter_target_name(adapter, 7), "text.1.fc2");
    ck_assert_uint_eq(orthsr_adapter_block_size(adapter, 7), 12);
    orthsr_adapter_free(adapter);
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_towers(options, "text", &error));
    ck_ok(orthsr_adapter_options_set_maps(options, "q,out", &error));
    ck_ok(orthsr_model_adapter(model, &adapter, options, &error));
    ck_assert_uint_eq(orthsr_adapter_target_count(adapter), 4);
    orthsr_adapter_free(adapter);
    ck_ok(orthsr_adapter_options_set_block_size(options, 7, &error));
    ck_fails(orthsr_model_adapter(model, &adapter, options, &error), ORTHSR_ERROR_ARGUMENT, "text.0.q");
    ck_assert_ptr_null(adapter);
    orthsr_adapter_options_free(options);
    orthsr_model_free(model);
}
END_TEST

/* Of a model with two layers in the image tower and one in the text tower. */
START_TEST(layers_of_options) {
    static const struct {
        const char *towers, *layers, *targets; /* of fc1; NULL: refused, with the text */
        const char *text;
    } lists[] = {
        {"image,text", NULL, "image.0.fc1 image.1.fc1 text.0.fc1 ", NULL},
        {"image,text", "all", "image.0.fc1 image.1.fc1 text.0.fc1 ", NULL},
        {"image,text", "0-", "image.0.fc1 image.1.fc1 text.0.fc1 ", NULL},
        {"image,text", "0", "image.0.fc1 text.0.fc1 ", NULL},
        {"image,text", "0,0-0", "image.0.fc1 text.0.fc1 ", NULL},
        {"image,text", "image:1", "image.1.fc1 text.0.fc1 ", NULL},
        {"image,text", "image:1-,text:all", "image.1.fc1 text.0.fc1 ", NULL},
        {"image,text", "0,image:1", "image.0.fc1 image.1.fc1 text.0.fc1 ", NULL},
        {"image,text", "text:0,image:0", "image.0.fc1 text.0.fc1 ", NULL},
        {"image,text", "image:0,1,text:0", "image.0.fc1 image.1.fc1 text.0.fc1 ", NULL},
        {"image", "1", "image.1.fc1 ", NULL},
        {"image", "image:0", "image.0.fc1 ", NULL},
        {"text", "0", "text.0.fc1 ", NULL},
        {"image,text", "1", NULL, "no layer 1 in the text tower, which has 1"},
        {"image,text", "1-", NULL, "no layer 1 in the text tower, which has 1"},
        {"image,text", "0-1", NULL, "no layer 1 in the text tower, which has 1"},
        {"image,text", "image:1-2", NULL, "no layer 2 in the image tower, which has 2"},
        {"image", "999999", NULL, "no layer 999999 in the image tower"},
        {"image", "text:0", NULL, "layers names some of the text tower, and towers leaves that one out"},
    };
    orthsr_model *model;
    orthsr_adapter_options *options;
    ck_ok(orthsr_model_open(&model, families[1].model, &error));
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_maps(options, "fc1", &error));
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        orthsr_adapter *adapter;
        char targets[128] = "";
        ck_ok(orthsr_adapter_options_set_towers(options, lists[i].towers, &error));
        ck_ok(orthsr_adapter_options_set_layers(options, lists[i].layers, &error));
        if (!lists[i].targets) {
            ck_fails(orthsr_model_adapter(model, &adapter, options, &error), ORTHSR_ERROR_ARGUMENT, lists[i].text);
            ck_assert_ptr_null(adapter);
            continue;
        }
        ck_ok(orthsr_model_adapter(model, &adapter, options, &error));
        for (size_t t = 0; t < orthsr_adapter_target_count(adapter); t++) strcat(strcat(targets, orthsr_adapter_target_name(adapter, t)), " ");
        ck_assert_str_eq(targets, lists[i].targets);
        orthsr_adapter_free(adapter);
    }
    orthsr_adapter_options_free(options);
    orthsr_model_free(model);
}
END_TEST

static TCase *parity(void) {
    TCase *tc = tcase_create("parity");
    tcase_add_loop_test(tc, features_equal_the_familys_own_code, 0, 3);
    tcase_add_loop_test(tc, adapter_features_equal_merged_features, 0, 3);
    tcase_add_test(tc, merge_touches_only_adapted_maps);
    tcase_add_loop_test(tc, unmerge_restores, 0, 3);
    tcase_add_test(tc, merge_refuses_and_cleans_up);
    tcase_add_test(tc, tiles_do_not_show);
    tcase_add_test(tc, classes_and_templates);
    tcase_add_test(tc, texts_are_read_as_the_family_reads_them);
    tcase_add_test(tc, maps_and_tensors_are_listed);
    tcase_add_test(tc, adapters_of_options);
    tcase_add_test(tc, layers_of_options);
    return tc;
}

static TCase *refusals(void) {
    TCase *tc = tcase_create("refusals");
    tcase_add_test(tc, bad_tensors);
    tcase_add_test(tc, bad_configs);
    tcase_add_test(tc, bad_paths);
    return tc;
}
TEST_MAIN("clip", parity, refusals)
