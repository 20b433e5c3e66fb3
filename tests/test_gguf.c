/* test_gguf.c - GGUF files of models, read back by a reader of our own: keys, names, shapes, values after merging, and what must be refused. */
#include <jansson.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/half.h"
#include "util/fixture.h"
#include "util/gguf.h"
#include "util/tensors.h"

#define HF "tests/data/clip/hf"
#define MINI "examples/data/mini"

static orthsr_error error;

/* An adapter far from the identity on every map. */
static orthsr_adapter *turned_adapter(const orthsr_model *model, orthsr_parametrization parametrization, double size) {
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_maps(options, "q,k,v,out,fc1,fc2", &error));
    ck_ok(orthsr_adapter_options_set_blocks(options, 2, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, parametrization, &error));
    ck_ok(orthsr_model_adapter(model, &adapter, options, &error));
    orthsr_adapter_options_free(options);
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, size, 8);
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    free(parameters);
    return adapter;
}

/* ---- what the file must hold, from the checkpoint's own tensors -------------------------------------------------------------- */

/* Values of a GGUF tensor are those of a checkpoint's: its rows from first on, or its transpose. */
typedef struct source {
    const char *name; /* of the checkpoint's tensor */
    size_t first;
    bool transposed;
} source;

static void compare(const gguf_file *g, fixture *f, const char *name, source from, bool half) {
    const gguf_tensor *t = gguf_find_tensor(g, name);
    const orthsr__tensor *original = fixture_tensor(f, from.name);
    const float *values = fixture_floats(f, from.name, NULL);
    ck_assert_uint_eq(t->rank, original->rank);
    size_t row = original->elements / original->shape[0]; /* the first extent of a part of a fused tensor is its own */
    for (size_t r = 0; r + 1 < t->rank; r++) ck_assert_uint_eq(t->extents[r], original->shape[from.transposed ? r : t->rank - 1 - r]);
    ck_assert_uint_le(from.first * row + t->elements, original->elements);
    ck_assert_uint_eq(t->type, half && t->rank > 1);
    for (size_t i = 0; i < t->elements; i++) {
        size_t columns = (size_t)t->extents[0], at = from.transposed ? i % columns * original->shape[1] + i / columns : from.first * row + i;
        float stored = t->type ? orthsr__from_f16((uint16_t)gguf_number(t->data + 2 * i, 2)) : gguf_float_at(t->data + 4 * i);
        float expected = t->type ? orthsr__from_f16(orthsr__to_f16((double)values[at])) : values[at];
        ck_assert_msg(stored == expected, "%s[%zu] is %.9g, not %.9g", name, i, (double)stored, (double)expected);
    }
}

/* Hugging Face's names; a checkpoint's path. */
static void compare_hf(const gguf_file *g, const char *checkpoint, bool half) {
    static const char *const beside[][2] = {
        {"v.class_embd", "vision_model.embeddings.class_embedding"},
        {"v.patch_embd.weight", "vision_model.embeddings.patch_embedding.weight"},
        {"v.position_embd.weight", "vision_model.embeddings.position_embedding.weight"},
        {"v.pre_ln.weight", "vision_model.pre_layrnorm.weight"},
        {"v.pre_ln.bias", "vision_model.pre_layrnorm.bias"},
        {"v.post_ln.weight", "vision_model.post_layernorm.weight"},
        {"v.post_ln.bias", "vision_model.post_layernorm.bias"},
        {"visual_projection.weight", "visual_projection.weight"},
        {"t.token_embd.weight", "text_model.embeddings.token_embedding.weight"},
        {"t.position_embd.weight", "text_model.embeddings.position_embedding.weight"},
        {"t.post_ln.weight", "text_model.final_layer_norm.weight"},
        {"t.post_ln.bias", "text_model.final_layer_norm.bias"},
        {"text_projection.weight", "text_projection.weight"},
    };
    static const char *const layer[][2] = {{"ln1", "layer_norm1"},         {"ln2", "layer_norm2"},         {"attn_q", "self_attn.q_proj"},
                                           {"attn_k", "self_attn.k_proj"}, {"attn_v", "self_attn.v_proj"}, {"attn_out", "self_attn.out_proj"},
                                           {"ffn_down", "mlp.fc1"},        {"ffn_up", "mlp.fc2"}};
    fixture f;
    fixture_open(&f, checkpoint);
    size_t compared = sizeof beside / sizeof *beside;
    for (size_t i = 0; i < compared; i++) compare(g, &f, beside[i][0], (source){.name = beside[i][1]}, half);
    for (size_t tower = 0; tower < 2; tower++)
        for (size_t l = 0; l < 2; l++)
            for (size_t i = 0; i < 16; i++) {
                char ours[80], theirs[160];
                const char *part = i % 2 ? "bias" : "weight";
                snprintf(ours, sizeof ours, "%s.blk.%zu.%s.%s", tower ? "t" : "v", l, layer[i / 2][0], part);
                snprintf(theirs, sizeof theirs, "%s_model.encoder.layers.%zu.%s.%s", tower ? "text" : "vision", l, layer[i / 2][1], part);
                compare(g, &f, ours, (source){.name = theirs}, half);
                compared++;
            }
    ck_assert_uint_eq(g->tensor_count, compared);
    fixture_close(&f);
}

/* ---- tests -------------------------------------------------------------------------------------------------------------------- */

START_TEST(a_model_as_it_is) {
    bool half = _i == 1;
    orthsr_model *model;
    gguf_file *g = malloc(sizeof *g);
    double deviation = -1;
    ck_ok(orthsr_model_open(&model, HF, &error));
    ck_ok(orthsr_model_export_gguf(model, NULL, half ? ORTHSR_GGUF_F16 : ORTHSR_GGUF_F32, scratch_file("plain.gguf"), &deviation, &error));
    gguf_read(g, scratch_file("plain.gguf"));
    compare_hf(g, HF "/model.safetensors", half);
    if (half) ck_assert(deviation > 0 && deviation < 2e-3); /* observed: 4.9e-4 */
    else ck_assert_double_eq(deviation, 0);
    gguf_close(g);
    free(g);
    orthsr_model_free(model);
}
END_TEST

static void expect_text(const gguf_file *g, const char *key, const char *text) {
    const gguf_value *v = gguf_find(g, key, GGUF_TEXT);
    ck_assert_uint_eq(v->count, strlen(text));
    ck_assert_mem_eq(v->at, text, strlen(text));
}

/* Symbols in the order of their ids, as vocab.json has them. */
static void expect_tokens(const gguf_file *g, const char *path, size_t rows) {
    json_t *vocabulary = json_load_file(path, 0, NULL), *id;
    const char *symbol;
    ck_assert_ptr_nonnull(vocabulary);
    const gguf_value *tokens = gguf_find(g, "tokenizer.ggml.tokens", GGUF_ARRAY);
    ck_assert_uint_eq(tokens->element, GGUF_TEXT);
    ck_assert_uint_eq(tokens->count, rows);
    const uint8_t **at = malloc(rows * sizeof *at), *next = tokens->at;
    for (size_t i = 0; i < rows; i++, next += 8 + gguf_number(next, 8)) at[i] = next;
    json_object_foreach(vocabulary, symbol, id) {
        const uint8_t *token = at[json_integer_value(id)];
        ck_assert_msg(gguf_number(token, 8) == strlen(symbol) && memcmp(token + 8, symbol, strlen(symbol)) == 0, "token %d is not \"%s\"",
                      (int)json_integer_value(id), symbol);
    }
    ck_assert_uint_eq(gguf_u32(g, "tokenizer.ggml.bos_token_id"), (unsigned)json_integer_value(json_object_get(vocabulary, "<|startoftext|>")));
    ck_assert_uint_eq(gguf_u32(g, "tokenizer.ggml.eos_token_id"), (unsigned)json_integer_value(json_object_get(vocabulary, "<|endoftext|>")));
    free(at);
    json_decref(vocabulary);
}

START_TEST(keys) {
    orthsr_model *model;
    gguf_file *g = malloc(sizeof *g);
    ck_ok(orthsr_model_open(&model, HF, &error));
    ck_ok(orthsr_model_export_gguf(model, NULL, ORTHSR_GGUF_F32, scratch_file("keys.gguf"), NULL, &error));
    gguf_read(g, scratch_file("keys.gguf"));
    static const struct {
        const char *key;
        uint32_t value;
    } numbers[] = {
        {"general.file_type", 0},
        {"clip.text.context_length", 20},
        {"clip.text.embedding_length", 24},
        {"clip.text.feed_forward_length", 48},
        {"clip.text.projection_dim", 16},
        {"clip.text.attention.head_count", 3},
        {"clip.text.block_count", 2},
        {"clip.vision.image_size", 16},
        {"clip.vision.patch_size", 4},
        {"clip.vision.embedding_length", 32},
        {"clip.vision.feed_forward_length", 64},
        {"clip.vision.projection_dim", 16},
        {"clip.vision.attention.head_count", 4},
        {"clip.vision.block_count", 2},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ck_assert_msg(gguf_u32(g, numbers[i].key) == numbers[i].value, "%s is %u", numbers[i].key, gguf_u32(g, numbers[i].key));
    expect_text(g, "general.architecture", "clip");
    expect_text(g, "general.description", "two-tower CLIP model");
    ck_assert(gguf_bool(g, "clip.has_text_encoder") && gguf_bool(g, "clip.has_vision_encoder") && !gguf_bool(g, "clip.use_gelu"));
    ck_assert_float_eq(gguf_f32(g, "clip.text.attention.layer_norm_epsilon"), 1e-5F);
    ck_assert_float_eq(gguf_f32(g, "clip.vision.attention.layer_norm_epsilon"), 1e-5F);
    ck_assert_float_eq(gguf_f32(g, "clip.logit_scale"), orthsr_model_logit_scale(model));
    expect_tokens(g, HF "/vocab.json", orthsr_model_vocab_size(model));
    static const float clip[2][3] = {{0.48145466F, 0.4578275F, 0.40821073F}, {0.26862954F, 0.26130258F, 0.27577711F}};
    for (size_t i = 0; i < 2; i++) {
        const gguf_value *v = gguf_find(g, i ? "clip.vision.image_std" : "clip.vision.image_mean", GGUF_ARRAY);
        ck_assert(v->element == GGUF_F32 && v->count == 3);
        for (size_t c = 0; c < 3; c++) ck_assert_float_eq(gguf_float_at(v->at + 4 * c), clip[i][c]);
    }
    gguf_close(g);
    free(g);
    orthsr_model_free(model);
}
END_TEST

/* The same numbers as a merged checkpoint: float32 bit for bit; its float16 would be rounded twice, so there the values are those of float32, once rounded. */
START_TEST(merged) {
    bool half = _i == 1;
    orthsr_model *model;
    gguf_file *g = malloc(sizeof *g);
    double deviation;
    ck_ok(orthsr_model_open(&model, HF, &error));
    orthsr_adapter *adapter = turned_adapter(model, ORTHSR_CAYLEY, 0.1);
    ck_ok(orthsr_model_merge(model, adapter, scratch_file("merged"), NULL, &error));
    ck_ok(orthsr_model_export_gguf(model, adapter, ORTHSR_GGUF_F32, scratch_file("merged.gguf"), &deviation, &error));
    ck_assert(deviation > 0 && deviation <= 1e-7); /* observed: 3e-8 */
    gguf_read(g, scratch_file("merged.gguf"));
    compare_hf(g, scratch_file("merged/model.safetensors"), false);
    const gguf_tensor *t = gguf_find_tensor(g, "v.blk.1.ffn_down.weight");
    fixture f;
    fixture_open(&f, HF "/model.safetensors");
    const float *before = fixture_floats(&f, "vision_model.encoder.layers.1.mlp.fc1.weight", NULL);
    double change = 0;
    for (size_t i = 0; i < t->elements; i++) change = fmax(change, fabs((double)(gguf_float_at(t->data + 4 * i) - before[i])));
    ck_assert_double_gt(change, 0.01); /* the adapter does something */
    if (half) {
        gguf_file *h = malloc(sizeof *h);
        ck_ok(orthsr_model_export_gguf(model, adapter, ORTHSR_GGUF_F16, scratch_file("half.gguf"), NULL, &error));
        gguf_read(h, scratch_file("half.gguf"));
        const gguf_tensor *u = gguf_find_tensor(h, t->name);
        for (size_t i = 0; i < t->elements; i++) {
            double exact = (double)gguf_float_at(t->data + 4 * i), stored = (double)orthsr__from_f16((uint16_t)gguf_number(u->data + 2 * i, 2));
            ck_assert_double_le(fabs(stored - exact), fabs(exact) * 0x1.01p-11 + 0x1p-25);
        }
        gguf_close(h);
        free(h);
    }
    fixture_close(&f);
    gguf_close(g);
    free(g);
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
}
END_TEST

/* Fused q, k, v and transposed projections of open_clip; its float16 weights come through as they are, and gelu is told. */
START_TEST(open_clip_layout) {
    orthsr_model *model;
    fixture f;
    gguf_file *g = malloc(sizeof *g);
    double deviation;
    ck_ok(orthsr_model_open(&model, MINI, &error));
    ck_ok(orthsr_model_export_gguf(model, NULL, ORTHSR_GGUF_F32, scratch_file("mini.gguf"), &deviation, &error));
    ck_assert_double_eq(deviation, 0);
    gguf_read(g, scratch_file("mini.gguf"));
    fixture_open(&f, MINI "/open_clip_model.safetensors");
    ck_assert_uint_eq(g->tensor_count, 13 + 16 * 7);
    compare(g, &f, "visual_projection.weight", (source){.name = "visual.proj", .transposed = true}, false);
    compare(g, &f, "text_projection.weight", (source){.name = "text_projection", .transposed = true}, false);
    static const char *const maps[] = {"attn_q", "attn_k", "attn_v"};
    for (size_t i = 0; i < 3; i++) {
        char weight[80], bias[80];
        snprintf(weight, sizeof weight, "v.blk.3.%s.weight", maps[i]);
        snprintf(bias, sizeof bias, "v.blk.3.%s.bias", maps[i]);
        compare(g, &f, weight, (source){.name = "visual.transformer.resblocks.3.attn.in_proj_weight", .first = 128 * i}, false);
        compare(g, &f, bias, (source){.name = "visual.transformer.resblocks.3.attn.in_proj_bias", .first = 128 * i}, false);
        ck_assert(gguf_find_tensor(g, weight)->extents[0] == 128 && gguf_find_tensor(g, weight)->extents[1] == 128);
    }
    compare(g, &f, "v.blk.0.ffn_down.weight", (source){.name = "visual.transformer.resblocks.0.mlp.c_fc.weight"}, false);
    compare(g, &f, "t.blk.2.ffn_up.weight", (source){.name = "transformer.resblocks.2.mlp.c_proj.weight"}, false);
    compare(g, &f, "v.patch_embd.weight", (source){.name = "visual.conv1.weight"}, false);
    expect_tokens(g, MINI "/vocab.json", 814);
    fixture_close(&f);
    gguf_close(g);
    free(g);
    orthsr_model_free(model);
}
END_TEST

/* A model opened for larger images is written as it computes. */
START_TEST(another_image_size) {
    orthsr_model_options *options;
    orthsr_model *model;
    gguf_file *g = malloc(sizeof *g);
    ck_ok(orthsr_model_options_new(&options, &error));
    ck_ok(orthsr_model_options_set_image_size(options, 36, &error));
    ck_ok(orthsr_model_open_with(&model, MINI, options, &error));
    orthsr_model_options_free(options);
    ck_ok(orthsr_model_export_gguf(model, NULL, ORTHSR_GGUF_F16, scratch_file("large.gguf"), NULL, &error));
    gguf_read(g, scratch_file("large.gguf"));
    ck_assert_uint_eq(gguf_u32(g, "clip.vision.image_size"), 36);
    ck_assert_uint_eq(gguf_find_tensor(g, "v.position_embd.weight")->extents[1], 1 + 9 * 9);
    gguf_close(g);
    free(g);
    orthsr_model_free(model);
}
END_TEST

/* A copy of the tiny model's directory whose config.json has text in place of the first `was`. */
static const char *edited_model(const char *name, const char *was, const char *text) {
    const char *directory = scratch_file(name);
    char command[1024];
    snprintf(command, sizeof command, "mkdir '%s' && cp " HF "/* '%s' && sed -i '0,/%s/s//%s/' '%s/config.json'", directory, directory, was, text, directory);
    ck_assert_int_eq(system(command), 0);
    return directory;
}

START_TEST(refused) {
    orthsr_model *model, *other;
    ck_ok(orthsr_model_open(&model, HF, &error));
    ck_ok(orthsr_model_open(&other, MINI, &error));
    const char *path = scratch_file("refused.gguf");
    ck_fails(orthsr_model_export_gguf(NULL, NULL, ORTHSR_GGUF_F16, path, NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_model_export_gguf(model, NULL, ORTHSR_GGUF_F16, NULL, NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_model_export_gguf(model, NULL, (orthsr_gguf_type)2, path, NULL, &error), ORTHSR_ERROR_ARGUMENT, "type");
    ck_fails(orthsr_model_export_gguf(model, NULL, ORTHSR_GGUF_F16, HF "/../hf/model.safetensors", NULL, &error), ORTHSR_ERROR_ARGUMENT, "own file");
    ck_fails(orthsr_model_export_gguf(model, NULL, ORTHSR_GGUF_F16, "/no/such/place.gguf", NULL, &error), ORTHSR_ERROR_IO, "/no/such/place.gguf");
    ck_fails(orthsr_model_export_gguf(model, NULL, ORTHSR_GGUF_F16, scratch_directory(), NULL, &error), ORTHSR_ERROR_IO, "is a directory");
    orthsr_adapter *foreign = turned_adapter(other, ORTHSR_CAYLEY, 0.1), *huge = turned_adapter(model, ORTHSR_FREE, 1e6);
    ck_fails(orthsr_model_export_gguf(model, foreign, ORTHSR_GGUF_F16, path, NULL, &error), ORTHSR_ERROR_MISMATCH, "image.0.q");
    ck_fails(orthsr_model_export_gguf(model, huge, ORTHSR_GGUF_F16, path, NULL, &error), ORTHSR_ERROR_NUMERIC, "v.blk.0.attn_q.weight");
    ck_assert(!orthsr__is_there(path));
    /* a failure leaves the file that was there, and nothing beside it */
    ck_ok(orthsr__write_file(path, "before", 6, &error));
    ck_fails(orthsr_model_export_gguf(model, huge, ORTHSR_GGUF_F16, path, NULL, &error), ORTHSR_ERROR_NUMERIC, "overflows float16");
    orthsr__mapping kept;
    ck_ok(orthsr__map(&kept, path, &error));
    ck_assert(kept.size == 6 && memcmp(kept.data, "before", 6) == 0);
    orthsr__unmap(&kept);
    char command[300];
    snprintf(command, sizeof command, "! ls '%s' | grep tmp", scratch_directory());
    ck_assert_int_eq(system(command), 0);
    orthsr_adapter_free(foreign);
    orthsr_adapter_free(huge);
    orthsr_model_free(other);
    orthsr_model_free(model);
}
END_TEST

/* Rewrites mini's weights in directory without the tensors of this beginning. */
static void drop_tensors(const char *directory, const char *beginning) {
    orthsr__safetensors file;
    char path[300];
    snprintf(path, sizeof path, "%s/open_clip_model.safetensors", directory);
    ck_ok(orthsr__safetensors_open(&file, path, &error));
    orthsr__tensor_spec *specs = malloc(file.count * sizeof *specs);
    uint8_t *values = malloc(file.mapping.size);
    size_t n = 0, size = 0;
    for (size_t i = 0; i < file.count; i++) {
        const orthsr__tensor *t = &file.tensors[i];
        if (strncmp(t->name, beginning, strlen(beginning)) == 0) continue;
        specs[n++] = (orthsr__tensor_spec){.name = t->name, .dtype_name = t->dtype_name, .rank = t->rank, .shape = t->shape, .bytes = t->bytes};
        memcpy(values + size, t->data, t->bytes);
        size += t->bytes;
    }
    ck_assert_uint_lt(n, file.count);
    write_tensors(path, specs, n, NULL, values);
    free(values);
    free(specs);
    orthsr__safetensors_close(&file);
}

START_TEST(unsupported) {
    orthsr_model *model;
    const char *path = scratch_file("unsupported.gguf");
    ck_ok(orthsr_model_open(&model, "tests/data/clip/openai/ViT-tiny.safetensors", &error));
    ck_fails(orthsr_model_export_gguf(model, NULL, ORTHSR_GGUF_F16, path, NULL, &error), ORTHSR_ERROR_UNSUPPORTED, "vocab.json");
    orthsr_model_free(model);
    ck_ok(orthsr_model_open(&model, edited_model("two-activations", "quick_gelu", "gelu"), &error));
    ck_fails(orthsr_model_export_gguf(model, NULL, ORTHSR_GGUF_F16, path, NULL, &error), ORTHSR_ERROR_UNSUPPORTED, "activation");
    orthsr_model_free(model);
    /* open_clip's model without a norm before its first layer, whose vocabulary of 90 is too small for one of bytes: tensors of mini, but for two */
    char command[1024];
    const char *directory = scratch_file("no-pre-norm");
    snprintf(command, sizeof command, "cp -r " MINI " '%s' && sed -i 's/\"patch_size\"/\"no_ln_pre\": true, \"patch_size\"/' '%s/open_clip_config.json'",
             directory, directory);
    ck_assert_int_eq(system(command), 0);
    drop_tensors(directory, "visual.ln_pre.");
    ck_ok(orthsr_model_open(&model, directory, &error));
    ck_fails(orthsr_model_export_gguf(model, NULL, ORTHSR_GGUF_F16, path, NULL, &error), ORTHSR_ERROR_UNSUPPORTED, "layer norm before its first layer");
    orthsr_model_free(model);
    const char *odd = edited_model("odd-preprocessing", "nothing", "nothing");
    snprintf(command, sizeof command, "%s/preprocessor_config.json", odd);
    ck_ok(orthsr__write_file(command, "{\"do_resize\": true, \"resample\": 77}", 35, &error));
    ck_ok(orthsr_model_open(&model, odd, &error));
    ck_fails(orthsr_model_export_gguf(model, NULL, ORTHSR_GGUF_F16, path, NULL, &error), ORTHSR_ERROR_UNSUPPORTED, "resample");
    orthsr_model_free(model);
    ck_assert(!orthsr__is_there(path));
}
END_TEST

static TCase *tcase_gguf(void) {
    TCase *tc = tcase_create("gguf");
    tcase_add_loop_test(tc, a_model_as_it_is, 0, 2);
    tcase_add_test(tc, keys);
    tcase_add_loop_test(tc, merged, 0, 2);
    tcase_add_test(tc, open_clip_layout);
    tcase_add_test(tc, another_image_size);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, unsupported);
    return tc;
}

TEST_MAIN("gguf", tcase_gguf)
