/* test_layouts.c - one CLIP in every layout and dtype: features, adapter and merge are what its peers compute (tests/oracle/make_layouts.py), whatever the
 * tensors are called, in however many files they lie, and whatever else lies with them. The weights are made here, by the numbers of that script. */
#include <sys/stat.h>

#include "base/file.h"
#include "base/half.h"
#include "clip/model.h"
#include "util/fixture.h"

enum { IMAGES = 3, TEXTS = 5, EMBED = 24, MAX_WEIGHTS = 128 };

/* Relative to the largest feature; observed at most 8.1e-7 (the bar of the project is 2e-5). */
#define BOUND 5e-6

/* Merged weights are rounded to their dtype. Features after it, observed: 7.3e-7, 4.9e-4, 6e-3, 4.9e-4; roundings: 2.3e-8, 2.4e-4, 1.3e-3, 2.4e-4. */
static const double merged_bounds[] = {5e-6, 2e-3, 1.5e-2, 2e-3}, roundings[] = {6e-8, 5e-4, 4e-3, 5e-4};

static orthsr_error error;

/* ---- the weights, in open_clip's names -------------------------------------------------------------------------------------- */

typedef struct weight {
    char name[128];
    size_t rank, shape[4], elements;
    float *values; /* (elements), or NULL: 0, 1, 2, ... as I64 */
    bool low;      /* float16 in a checkpoint of mixed precision */
} weight;

typedef struct weights {
    weight *of; /* (MAX_WEIGHTS) */
    size_t count;
} weights;

static weight *append(weights *w, const char *name, size_t rank, const size_t *shape) {
    ck_assert_uint_lt(w->count, MAX_WEIGHTS);
    weight *new = &w->of[w->count++];
    *new = (weight){.rank = rank, .elements = 1};
    snprintf(new->name, sizeof new->name, "%s", name);
    for (size_t i = 0; i < rank; i++) new->elements *= new->shape[i] = shape[i];
    new->low = strstr(name, "conv1") || strstr(name, "attn.") || strstr(name, "mlp.") || strstr(name, "proj");
    return new;
}

/* center and scale are such that their float32 sum is rounded once, here as in the script. */
static void add(weights *w, unsigned long *state, const char *stem, const char *name, double center, double scale, size_t rows, size_t columns) {
    char full[128];
    snprintf(full, sizeof full, "%s%s", stem, name);
    weight *new = append(w, full, columns ? 2 : 1, (const size_t[]){rows, columns});
    new->values = malloc(new->elements * sizeof *new->values);
    for (size_t i = 0; i < new->elements; i++) new->values[i] = (float)(center + scale * noise(state));
}

static void add_norm(weights *w, unsigned long *state, const char *stem, const char *name, size_t d) {
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    add(w, state, stem, full, 1, 0.25, d, 0);
    snprintf(full, sizeof full, "%s.bias", name);
    add(w, state, stem, full, 0, 0.5, d, 0);
}

static void add_layers(weights *w, unsigned long *state, const char *tower, int layers, size_t d, size_t mlp) {
    for (int i = 0; i < layers; i++) {
        char stem[64];
        snprintf(stem, sizeof stem, "%stransformer.resblocks.%d.", tower, i);
        add_norm(w, state, stem, "ln_1", d);
        add(w, state, stem, "attn.in_proj_weight", 0, 0.25, 3 * d, d);
        add(w, state, stem, "attn.in_proj_bias", 0, 0.5, 3 * d, 0);
        add(w, state, stem, "attn.out_proj.weight", 0, 0.25, d, d);
        add(w, state, stem, "attn.out_proj.bias", 0, 0.5, d, 0);
        add_norm(w, state, stem, "ln_2", d);
        add(w, state, stem, "mlp.c_fc.weight", 0, 0.25, mlp, d);
        add(w, state, stem, "mlp.c_fc.bias", 0, 0.5, mlp, 0);
        add(w, state, stem, "mlp.c_proj.weight", 0, 0.25, d, mlp);
        add(w, state, stem, "mlp.c_proj.bias", 0, 0.5, d, 0);
    }
}

static void make_weights(weights *w) {
    unsigned long state = 21;
    add(w, &state, "", "visual.class_embedding", 0, 0.5, 128, 0);
    add(w, &state, "", "visual.conv1.weight", 0, 0.25, 128, 3 * 4 * 4);
    w->of[1].rank = 4;
    memcpy(w->of[1].shape, (const size_t[]){128, 3, 4, 4}, sizeof w->of[1].shape);
    add(w, &state, "", "visual.positional_embedding", 0, 0.5, 10, 128);
    add_norm(w, &state, "visual.", "ln_pre", 128);
    add_layers(w, &state, "visual.", 1, 128, 96);
    add_norm(w, &state, "visual.", "ln_post", 128);
    add(w, &state, "", "visual.proj", 0, 0.25, 128, EMBED);
    add(w, &state, "", "token_embedding.weight", 0, 0.5, 50, 64);
    add(w, &state, "", "positional_embedding", 0, 0.5, 9, 64);
    add_layers(w, &state, "", 2, 64, 160);
    add_norm(w, &state, "", "ln_final", 64);
    add(w, &state, "", "text_projection", 0, 0.25, 64, EMBED);
    weight *scale = append(w, "logit_scale", 0, NULL);
    scale->values = malloc(sizeof *scale->values);
    scale->values[0] = 2.5F;
}

static void free_weights(weights *w) {
    for (size_t i = 0; i < w->count; i++) free(w->of[i].values);
    free(w->of);
}

/* ---- the same in Hugging Face's --------------------------------------------------------------------------------------------- */

static const char *const hf_parts[][2] = {
    {"class_embedding", "embeddings.class_embedding"},
    {"conv1", "embeddings.patch_embedding"},
    {"positional_embedding", "embeddings.position_embedding.weight"},
    {"token_embedding", "embeddings.token_embedding"},
    {"ln_pre", "pre_layrnorm"},
    {"ln_post", "post_layernorm"},
    {"ln_final", "final_layer_norm"},
    {"transformer.resblocks", "encoder.layers"},
    {"ln_1", "layer_norm1"},
    {"ln_2", "layer_norm2"},
    {"attn.", "self_attn."},
    {"c_fc", "fc1"},
    {"c_proj", "fc2"},
};

static void hf_name(char out[128], const char *open) {
    bool visual = strncmp(open, "visual.", 7) == 0;
    char name[128], next[128];
    snprintf(name, sizeof name, "%s%s", visual ? "vision_model." : "text_model.", open + (visual ? 7 : 0));
    for (size_t i = 0; i < sizeof hf_parts / sizeof *hf_parts; i++) {
        char *at = strstr(name, hf_parts[i][0]);
        if (!at) continue;
        *at = '\0';
        snprintf(next, sizeof next, "%s%s%s", name, hf_parts[i][1], at + strlen(hf_parts[i][0]));
        memcpy(name, next, sizeof name);
    }
    memcpy(out, name, sizeof name);
}

/* q, k and v apart. */
static void split(weights *to, const weight *fused) {
    char name[128];
    hf_name(name, fused->name);
    char *end = strstr(name, "in_proj_");
    *end = '\0';
    for (size_t i = 0; i < 3; i++) {
        char part[sizeof name + 16];
        snprintf(part, sizeof part, "%s%c_proj.%s", name, "qkv"[i], fused -> rank == 2 ? "weight" : "bias");
        weight *third = append(to, part, fused->rank, (const size_t[]){fused->shape[0] / 3, fused->shape[1]});
        third->values = malloc(third->elements * sizeof *third->values);
        memcpy(third->values, fused->values + i * third->elements, third->elements * sizeof *third->values);
    }
}

/* (width, embed) as (embed, width). */
static void transpose(weights *to, const weight *from, const char *name) {
    size_t rows = from->shape[0], columns = from->shape[1];
    weight *turned = append(to, name, 2, (const size_t[]){columns, rows});
    turned->values = malloc(turned->elements * sizeof *turned->values);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++) turned->values[c * rows + r] = from->values[r * columns + c];
}

static void to_huggingface(weights *to, const weights *from) {
    for (size_t i = 0; i < from->count; i++) {
        const weight *w = &from->of[i];
        char name[128];
        if (strstr(w->name, "in_proj_")) split(to, w);
        else if (strcmp(w->name, "visual.proj") == 0) transpose(to, w, "visual_projection.weight");
        else if (strcmp(w->name, "text_projection") == 0) transpose(to, w, "text_projection.weight");
        else {
            hf_name(name, w->name);
            weight *copy = append(to, strcmp(w->name, "logit_scale") == 0 ? w->name : name, w->rank, w->shape);
            copy->low = w->low;
            copy->values = malloc(w->elements * sizeof *copy->values);
            memcpy(copy->values, w->values, w->elements * sizeof *copy->values);
        }
    }
}

/* ---- layouts ------------------------------------------------------------------------------------------------------------------ */

#define HF_CONFIG                                                                                                                                              \
    "{\"model_type\": \"clip\", \"projection_dim\": 24, \"vision_config\": {\"hidden_size\": 128, \"num_attention_heads\": 2, \"intermediate_size\": 96, "     \
    "\"num_hidden_layers\": 1, \"image_size\": 12, \"patch_size\": 4}, \"text_config\": {\"hidden_size\": 64, \"num_attention_heads\": 1, "                    \
    "\"intermediate_size\": 160, \"num_hidden_layers\": 2, \"vocab_size\": 50, \"max_position_embeddings\": 9, \"eos_token_id\": %d}}"
#define OPEN_CONFIG                                                                                                                                            \
    "{\"model_cfg\": {\"embed_dim\": 24, \"quick_gelu\": true, \"vision_cfg\": {\"image_size\": 12, \"patch_size\": 4, \"width\": 128, \"layers\": 1, "        \
    "\"mlp_ratio\": 0.75}, \"text_cfg\": {\"context_length\": 9, \"vocab_size\": 50, \"width\": 64, \"heads\": 1, \"layers\": 2, \"mlp_ratio\": 2.5}}}"

typedef struct layout {
    const char *family, *file, *config_file;
    const char *prefix, *text_prefix; /* before all names, and before the text tower's */
    size_t shards;                    /* 0: one file called `file` */
    int end_id;                       /* eos_token_id of a Hugging Face config */
    const char *extra[3];             /* I64 tensors that no computation needs */
    size_t extra_length[3];           /* 0: a scalar; n: (1, n) */
} layout;

static const layout layouts[] = {
    {.family = "huggingface", .file = "model.safetensors", .config_file = "config.json", .prefix = "", .end_id = 49},
    {.family = "huggingface", .file = "model.safetensors", .config_file = "config.json", .prefix = "", .end_id = 2},
    {.family = "huggingface", .file = "", .config_file = "config.json", .prefix = "", .shards = 3, .end_id = 49},
    {.family = "huggingface", .file = "", .config_file = "config.json", .prefix = "module.clip.", .shards = 2, .end_id = 49},
    {.family = "huggingface",
     .file = "model.safetensors",
     .config_file = "config.json",
     .prefix = "clip.",
     .end_id = 49,
     .extra = {"vision_model.embeddings.position_ids", "text_model.embeddings.position_ids"},
     .extra_length = {10, 9}},
    {.family = "open_clip", .file = "open_clip_model.safetensors", .config_file = "open_clip_config.json", .prefix = "", .text_prefix = ""},
    {.family = "open_clip", .file = "open_clip_model.safetensors", .config_file = "open_clip_config.json", .prefix = "module.", .text_prefix = ""},
    {.family = "open_clip", .file = "open_clip_model.safetensors", .config_file = "open_clip_config.json", .prefix = "", .text_prefix = "text."},
    {.family = "open_clip", .file = "open_clip_model.safetensors", .config_file = "open_clip_config.json", .prefix = "model.", .text_prefix = "text."},
    {.family = "openai", .file = "ViT.safetensors", .prefix = "", .text_prefix = ""},
    {.family = "openai", .file = "ViT.safetensors", .prefix = "", .text_prefix = "", .extra = {"input_resolution", "context_length", "vocab_size"}},
};
enum { LAYOUTS = sizeof layouts / sizeof *layouts, DTYPES = 4 };
static const char *const dtypes[DTYPES] = {"F32", "F16", "BF16", "mixed"};

/* The weights as this layout has them. */
static weights laid_out(const layout *l) {
    weights open = {.of = calloc(MAX_WEIGHTS, sizeof *open.of)}, out = {.of = calloc(MAX_WEIGHTS, sizeof *out.of)};
    make_weights(&open);
    if (strcmp(l->family, "huggingface") == 0) {
        to_huggingface(&out, &open);
        free_weights(&open);
    } else {
        free(out.of);
        out = open;
    }
    for (size_t i = 0; i < 3 && l->extra[i]; i++) append(&out, l->extra[i], l->extra_length[i] ? 2 : 0, (const size_t[]){1, l->extra_length[i]});
    for (size_t i = 0; i < out.count; i++) {
        char name[128];
        bool text = l->text_prefix && strncmp(out.of[i].name, "visual.", 7) != 0 && strcmp(out.of[i].name, "logit_scale") != 0 && out.of[i].values;
        int length = snprintf(name, sizeof name, "%s%s%s", l->prefix, text ? l->text_prefix : "", out.of[i].name);
        ck_assert_int_lt(length, (int)sizeof name);
        memcpy(out.of[i].name, name, sizeof name);
    }
    return out;
}

/* ---- files ---------------------------------------------------------------------------------------------------------------------- */

static const char *dtype_of(const weight *w, const char *dtype) {
    if (!w->values) return "I64";
    if (strcmp(dtype, "mixed") != 0) return dtype;
    return w->low ? "F16" : "F32";
}

static size_t stored_size(const char *dtype) { return strcmp(dtype, "I64") == 0 ? 8 : strcmp(dtype, "F32") == 0 ? 4 : 2; }

static void write_values(orthsr__writer *writer, const weight *w, const char *dtype) {
    void *stored = malloc(w->elements * stored_size(dtype));
    for (size_t i = 0; i < w->elements; i++) {
        if (!w->values) ((int64_t *)stored)[i] = (int64_t)i;
        else if (strcmp(dtype, "F32") == 0) ((float *)stored)[i] = w->values[i];
        else ((uint16_t *)stored)[i] = strcmp(dtype, "F16") == 0 ? orthsr__to_f16((double)w->values[i]) : orthsr__to_bf16((double)w->values[i]);
    }
    ck_ok(orthsr__writer_write(writer, stored, w->elements * stored_size(dtype), &error));
    free(stored);
}

/* Every shards-th tensor, from the first on. */
static void write_weights(const char *path, const weights *w, const char *dtype, size_t first, size_t shards) {
    orthsr__tensor_spec specs[MAX_WEIGHTS];
    size_t n = 0;
    for (size_t i = first; i < w->count; i += shards) {
        const weight *at = &w->of[i];
        const char *name = dtype_of(at, dtype);
        specs[n++] =
            (orthsr__tensor_spec){.name = at->name, .dtype_name = name, .rank = at->rank, .shape = at->shape, .bytes = at->elements * stored_size(name)};
    }
    orthsr__writer writer;
    ck_ok(orthsr__writer_open(&writer, path, &error));
    ck_ok(orthsr__safetensors_write_header(&writer, specs, n, NULL, &error));
    for (size_t i = first; i < w->count; i += shards) write_values(&writer, &w->of[i], dtype_of(&w->of[i], dtype));
    ck_ok(orthsr__writer_commit(&writer, &error));
}

static void write_text(const char *directory, const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    ck_ok(orthsr__write_file(path, text, strlen(text), &error));
}

static void write_index(const char *directory, const weights *w, size_t shards) {
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    fprintf(stream, "{\"metadata\": {}, \"weight_map\": {");
    for (size_t i = 0; i < w->count; i++)
        fprintf(stream, "%s\"%s\": \"model-%05zu-of-%05zu.safetensors\"", i ? ", " : "", w->of[i].name, i % shards + 1, shards);
    fprintf(stream, "}}");
    ck_assert_int_eq(fclose(stream), 0);
    write_text(directory, "model.safetensors.index.json", text);
    free(text);
}

/* Writes the model into a fresh directory. */
static void write_model(const char *directory, const layout *l, const char *dtype) {
    char path[512], config[1024];
    weights w = laid_out(l);
    ck_assert_int_eq(mkdir(directory, 0777), 0);
    for (size_t s = 0; s < l->shards; s++) {
        snprintf(path, sizeof path, "%s/model-%05zu-of-%05zu.safetensors", directory, s + 1, l->shards);
        write_weights(path, &w, dtype, s, l->shards);
    }
    if (l->shards) {
        write_index(directory, &w, l->shards);
    } else {
        snprintf(path, sizeof path, "%s/%s", directory, l->file);
        write_weights(path, &w, dtype, 0, 1);
    }
    snprintf(config, sizeof config, HF_CONFIG, l->end_id);
    if (l->config_file) write_text(directory, l->config_file, strcmp(l->family, "huggingface") == 0 ? config : OPEN_CONFIG);
    free_weights(&w);
}

/* What is given to orthsr_model_open. */
static orthsr_model *open_model(const char *directory, const layout *l) {
    char path[512];
    orthsr_model *model;
    snprintf(path, sizeof path, "%s%s%s", directory, l->config_file ? "" : "/", l->config_file ? "" : l->file);
    ck_ok(orthsr_model_open(&model, path, &error));
    return model;
}

/* ---- the test --------------------------------------------------------------------------------------------------------------------- */

/* Two blocks on every map, by the numbers of the script. */
static orthsr_adapter *turned_adapter(const orthsr_model *model) {
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_maps(options, "q,k,v,out,fc1,fc2", &error));
    ck_ok(orthsr_adapter_options_set_blocks(options, 2, &error));
    ck_ok(orthsr_model_adapter(model, &adapter, options, &error));
    orthsr_adapter_options_free(options);
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = malloc(n * sizeof *parameters);
    unsigned long state = 22;
    for (size_t i = 0; i < n; i++) parameters[i] = (float)(0.1 * noise(&state));
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    free(parameters);
    return adapter;
}

/* Both towers' features against <dtype>.<which>image and <dtype>.<which>text. */
static void check_features(const orthsr_model *model, const orthsr_adapter *adapter, fixture *f, const char *dtype, const char *which, double bound) {
    orthsr_session *session;
    float image[IMAGES * EMBED], text[TEXTS * EMBED];
    char name[64];
    ck_ok(orthsr_session_new(&session, model, adapter, &error));
    ck_ok(orthsr_session_encode_pixels(session, image, fixture_floats(f, "pixels", NULL), IMAGES, &error));
    ck_ok(orthsr_session_encode_tokens(session, text, fixture_raw(f, "tokens", sizeof(int32_t), NULL), TEXTS, &error));
    orthsr_session_free(session);
    snprintf(name, sizeof name, "%s.%simage", dtype, which);
    ck_assert_double_le(max_relative(image, fixture_floats(f, name, NULL), IMAGES * EMBED), bound);
    snprintf(name, sizeof name, "%s.%stext", dtype, which);
    ck_assert_double_le(max_relative(text, fixture_floats(f, name, NULL), TEXTS * EMBED), bound);
}

static bool is_map(const orthsr_model *model, const orthsr__tensor *tensor) {
    for (size_t i = 0; i < orthsr_model_map_count(model); i++)
        if (orthsr__model_map(model, i)->source == tensor) return true;
    return false;
}

/* The same files, and in them the same tensors; other bytes in the weights of maps and nowhere else. */
static void check_same_but_maps(const orthsr_model *model, const orthsr_model *merged) {
    ck_assert_uint_eq(model->file_count, merged->file_count);
    for (size_t f = 0; f < model->file_count; f++) {
        const orthsr__safetensors *a = &model->files[f], *b = &merged->files[f];
        ck_assert_str_eq(strrchr(a->path, '/'), strrchr(b->path, '/'));
        ck_assert_uint_eq(a->count, b->count);
        for (size_t i = 0; i < a->count; i++) {
            const orthsr__tensor *x = &a->tensors[i], *y = orthsr__safetensors_find(b, x->name);
            ck_assert_msg(y != NULL, "%s", x->name);
            ck_assert_str_eq(x->dtype_name, y->dtype_name);
            ck_assert(x->rank == y->rank && x->bytes == y->bytes && memcmp(x->shape, y->shape, x->rank * sizeof *x->shape) == 0);
            ck_assert_msg((memcmp(x->data, y->data, x->bytes) != 0) == is_map(model, x), "%s", x->name);
        }
    }
}

START_TEST(every_layout_and_dtype) {
    const layout *l = &layouts[_i / DTYPES];
    int kind = _i % DTYPES;
    if (short_run() && kind != _i / DTYPES % DTYPES) return; /* under valgrind every layout and every dtype, but not all pairs */
    char name[64], directory[300], other[300];
    fixture f;
    fixture_open(&f, "tests/data/layouts/expected.safetensors");
    snprintf(name, sizeof name, "layout%d", _i);
    snprintf(directory, sizeof directory, "%s", scratch_file(name));
    snprintf(other, sizeof other, "%s-merged", directory);
    write_model(directory, l, dtypes[kind]);

    orthsr_model *model = open_model(directory, l);
    ck_assert_str_eq(orthsr_model_family(model), l->family);
    for (size_t i = 0; i < orthsr_model_tensor_count(model); i++) {
        const char *tensor;
        int expected;
        ck_ok(orthsr_model_tensor(model, i, &tensor, NULL, NULL, NULL, NULL, &expected, &error));
        ck_assert_msg(expected, "%s", tensor);
    }
    ck_assert_double_eq((double)orthsr_model_logit_scale(model), (double)(float)exp(2.5));
    check_features(model, NULL, &f, dtypes[kind], "", BOUND);

    orthsr_adapter *adapter = turned_adapter(model);
    check_features(model, adapter, &f, dtypes[kind], "adapted_", BOUND);
    double deviation;
    ck_ok(orthsr_model_merge(model, adapter, other, &deviation, &error));
    orthsr_model *merged = open_model(other, l);
    check_same_but_maps(model, merged);
    check_features(merged, NULL, &f, dtypes[kind], "adapted_", merged_bounds[kind]);
    ck_assert_double_le(deviation, roundings[kind]);

    orthsr_model_free(merged);
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
    fixture_close(&f);
    char command[700];
    snprintf(command, sizeof command, "rm -rf '%s' '%s'", directory, other);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

static TCase *matrix(void) {
    TCase *tc = tcase_create("every layout and dtype");
    tcase_add_loop_test(tc, every_layout_and_dtype, 0, LAYOUTS * DTYPES);
    return tc;
}
TEST_MAIN("layouts", matrix)
