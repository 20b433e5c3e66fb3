/* test_oom.c - every allocation fails once, and once with all that follow: the call says so, leaks nothing, and when it is made again all is as if nothing
 * had happened.
 *
 * A scenario is a sequence of calls that notes down what they give. It is run without a failure, for the reference, and then with allocation 1, 2, 3, ... of
 * it refused. A call that fails must fail with ORTHSR_ERROR_MEMORY; it is made again, and in the end the notes must equal the reference byte for byte. A call
 * that does without the refused memory may succeed: those are counted as "done without". `make check-oom` tries every allocation; without ORTHSR_TEST_FULL
 * all of the first, and some of the others.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

#include <stdio.h>

int main(void) {
    puts("allocation failure: not with a sanitizer, which has an allocator of its own");
    return 0;
}

#else

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <zlib.h>

#include "base/file.h"
#include "base/half.h"
#include "util/adapters.h"
#include "util/allocations.h"
#include "util/ranks.h"
#include "util/tiny.h"

static _Thread_local orthsr_error error; /* of the test, or of each rank's thread */

/* Across the processes that Check makes. */
static struct totals {
    long points, without, at;
    const char *name;
} * totals;

/* ---- what a scenario is made of ------------------------------------------------------------------------------------------- */

typedef struct notes {
    uint8_t bytes[1 << 20];
    size_t size;
} notes;

static notes now, reference;
static long problems;

static void note(const void *bytes, size_t n) {
    if (allocations_apart) return;
    ck_assert_uint_le(n, sizeof now.bytes - now.size);
    memcpy(now.bytes + now.size, bytes, n);
    now.size += n;
}

static void note_text(const char *text) { note(text, strlen(text) + 1); }
static void note_floats(const float *values, size_t n) { note(values, n * sizeof *values); }
static void note_size(size_t n) { note(&n, sizeof n); }

static void note_file(const char *path) {
    orthsr__mapping file;
    ck_ok(orthsr__map(&file, path, &error));
    note(file.data, file.size);
    orthsr__unmap(&file);
}

/* A larger file by FNV-1a. */
static void note_hash(const char *path) {
    orthsr__mapping file;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    ck_ok(orthsr__map(&file, path, &error));
    for (size_t i = 0; i < file.size; i++) hash = (hash ^ file.data[i]) * UINT64_C(0x100000001b3);
    orthsr__unmap(&file);
    note(&hash, sizeof hash);
}

static void problem(const char *call, const char *what, const char *detail) {
    if (problems++ < 20)
        fprintf(stderr, "oom: %s: allocation %ld%s: %s: %s%s\n", totals->name, totals->at, atomic_load(&allocations.onwards) ? " and all after it" : "", call,
                what, detail);
}

static _Atomic long failures, failures_apart;
static _Atomic long *own_failures(void) { return allocations_apart ? &failures_apart : &failures; }

/* Whether a failed call failed as it must; from here on allocations succeed. */
static void check_failure(orthsr_status status, const char *call) {
    atomic_fetch_add(own_failures(), 1);
    if (status != ORTHSR_ERROR_MEMORY) problem(call, orthsr_status_string(status), error.message);
    else if (!strstr(error.message, "memory") && !strstr(error.message, "threads")) problem(call, "the message does not say so: ", error.message);
    if (!allocations_apart) atomic_store(&allocations.fail_at, 0);
}

/* A call of the library: it succeeds, or fails for want of memory and succeeds when it is made again. */
#define TRY(call)                                                                                                                                              \
    do {                                                                                                                                                       \
        error.message[0] = '\0';                                                                                                                               \
        allocations_arm();                                                                                                                                     \
        orthsr_status try_status_ = (call);                                                                                                                    \
        allocations_disarm();                                                                                                                                  \
        if (try_status_) {                                                                                                                                     \
            check_failure(try_status_, #call);                                                                                                                 \
            ck_ok(call);                                                                                                                                       \
        }                                                                                                                                                      \
    } while (0)

/* The same of one that makes an object, which is NULL after a failure. */
#define NEW(object, call)                                                                                                                                      \
    do {                                                                                                                                                       \
        object = (void *)&error;                                                                                                                               \
        error.message[0] = '\0';                                                                                                                               \
        allocations_arm();                                                                                                                                     \
        orthsr_status try_status_ = (call);                                                                                                                    \
        allocations_disarm();                                                                                                                                  \
        if (try_status_) {                                                                                                                                     \
            check_failure(try_status_, #call);                                                                                                                 \
            if (object) problem(#call, "the object is not NULL", "");                                                                                          \
            ck_ok(call);                                                                                                                                       \
        }                                                                                                                                                      \
    } while (0)

/* ---- models and text ------------------------------------------------------------------------------------------------------ */

static orthsr_model *tiny; /* TINY_MODEL */
static orthsr_dataset *items;
static fixture tiny_fixture;

/* Features of one image and one text, outside the count: what was opened is whole. */
static void note_features(const orthsr_model *model, const orthsr_adapter *adapter) {
    orthsr_session *session;
    size_t side = orthsr_model_image_size(model), embed = orthsr_model_embed_dim(model), context = orthsr_model_context_length(model);
    float *pixels = floats(3 * side * side, 1, 5), *features = floats(2 * embed, 0, 1);
    int32_t *tokens = calloc(context, sizeof *tokens);
    for (size_t i = 0; i < context; i++) tokens[i] = (int32_t)((i + 3) % orthsr_model_vocab_size(model));
    ck_ok(orthsr_session_new(&session, model, adapter, &error));
    ck_ok(orthsr_session_set_threads(session, 1, &error));
    ck_ok(orthsr_session_encode_pixels(session, features, pixels, 1, &error));
    ck_ok(orthsr_session_encode_tokens(session, features + embed, tokens, 1, &error));
    note_floats(features, 2 * embed);
    orthsr_session_free(session);
    free(tokens);
    free(features);
    free(pixels);
}

static void open_model_with(const char *path, const orthsr_model_options *options) {
    orthsr_model *model;
    NEW(model, orthsr_model_open_with(&model, path, options, &error));
    note_text(orthsr_model_fingerprint(model));
    note_text(orthsr_model_preprocessing(model));
    note_size(orthsr_model_copied_bytes(model));
    note_features(model, NULL);
    const orthsr_tokenizer *tokenizer = orthsr_model_tokenizer(model);
    if (tokenizer) note_size(orthsr_tokenizer_vocab_size(tokenizer));
    orthsr_model_free(model);
}

static void open_model(const char *path) { open_model_with(path, NULL); }

/* Its weights are read, and not mapped. */
static void open_unmapped(const char *path) {
    orthsr_model_options *options;
    NEW(options, orthsr_model_options_new(&options, &error));
    TRY(orthsr_model_options_set_map(options, 0, &error));
    open_model_with(path, options);
    orthsr_model_options_free(options);
}

static void open_larger(const char *path) {
    orthsr_model_options *options;
    NEW(options, orthsr_model_options_new(&options, &error));
    TRY(orthsr_model_options_set_image_size(options, 32, &error));
    open_model_with(path, options);
    orthsr_model_options_free(options);
}

static void open_scratch(const char *name) { open_model(scratch_file(name)); }

static void tokenize(const char *path) {
    static const char *const texts[] = {"a photo of a cat.", "&lt;b&amp;#233;ta&gt; it's  CAF\xc3\x89 \xff 1234", "<|endoftext|> caf\xc3\xa9", ""};
    orthsr_tokenizer *tokenizer;
    NEW(tokenizer, orthsr_tokenizer_open(&tokenizer, path, &error));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int32_t ids[32];
        size_t used;
        TRY(orthsr_tokenizer_encode(tokenizer, texts[i], strlen(texts[i]), orthsr_tokenizer_pad_id(tokenizer), ids, 32, &used, &error));
        note(ids, sizeof ids);
    }
    orthsr_tokenizer_free(tokenizer);
}

static void encode(const char *threads) {
    size_t side = orthsr_model_image_size(tiny), embed = orthsr_model_embed_dim(tiny), grid = side / orthsr_model_patch_size(tiny);
    float *pixels = floats(2 * 3 * side * side, 1, 2), *features = floats(3 * embed, 0, 1), *map = floats(grid * grid, 0, 1);
    static const char *const names[] = {"cat", "t_shirt"}, *const templates[] = {"a photo of a {}.", "one {}"};
    orthsr_adapter *adapter;
    orthsr_session *session;
    orthsr_prompt *prompt;
    NEW(adapter, orthsr_model_adapter(tiny, &adapter, NULL, &error));
    NEW(session, orthsr_session_new(&session, tiny, adapter, &error));
    TRY(orthsr_session_set_threads(session, (size_t)atoi(threads), &error));
    const orthsr_adapter *both[] = {adapter, adapter};
    TRY(orthsr_session_set_adapters(session, both, 2, &error));
    TRY(orthsr_session_encode_pixels(session, features, pixels, 2, &error));
    note_floats(features, 2 * embed);
    TRY(orthsr_session_encode_texts(session, features, names, 2, &error));
    note_floats(features, 2 * embed);
    TRY(orthsr_session_encode_classes(session, features, names, 2, templates, 2, &error));
    note_floats(features, 2 * embed);
    TRY(orthsr_session_similarity(session, map, pixels, features, &error));
    note_floats(map, grid * grid);
    TRY(orthsr_session_attention(session, map, pixels, &error));
    note_floats(map, grid * grid);
    orthsr_region regions[2];
    size_t found;
    TRY(orthsr_cutout_regions(regions, &found, 2, map, grid, 0.4f, &error));
    note(regions, found * sizeof *regions);
    NEW(prompt, orthsr_prompt_new(&prompt, tiny, NULL, &error));
    TRY(orthsr_session_set_prompt(session, prompt, &error));
    TRY(orthsr_session_encode_classes(session, features, names, 2, NULL, 0, &error));
    note_floats(features, 2 * embed);
    orthsr_session_free(session);
    orthsr_prompt_free(prompt);
    orthsr_adapter_free(adapter);
    free(map);
    free(features);
    free(pixels);
}

/* An adapter of one of the model's maps; turned. */
static orthsr_adapter *one_of_stack(orthsr_parametrization parametrization, orthsr_side side) {
    orthsr_adapter *adapter;
    orthsr_adapter_options *options = small_options(parametrization, side, 4, false, 1);
    ck_ok(orthsr_adapter_options_set_layers(options, "image:0", &error));
    ck_ok(orthsr_model_adapter(tiny, &adapter, options, &error));
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, 0.1, 7);
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    free(parameters);
    orthsr_adapter_options_free(options);
    return adapter;
}

/* Stacks of 0 to 3 adapters on a session, exchanged while another session on the model has its own. */
static void stacks(const char *threads) {
    size_t side = orthsr_model_image_size(tiny), embed = orthsr_model_embed_dim(tiny);
    float *pixels = floats(2 * 3 * side * side, 1, 2), *features = floats(2 * embed, 0, 1);
    orthsr_adapter *a = one_of_stack(ORTHSR_CAYLEY, ORTHSR_SIDE_INPUT), *b = one_of_stack(ORTHSR_EXPM, ORTHSR_SIDE_OUTPUT),
                   *c = one_of_stack(ORTHSR_FREE, ORTHSR_SIDE_INPUT);
    const orthsr_adapter *stack[] = {a, b, c, a};
    orthsr_session *session, *other;
    NEW(session, orthsr_session_new(&session, tiny, NULL, &error));
    NEW(other, orthsr_session_new(&other, tiny, c, &error));
    TRY(orthsr_session_set_threads(session, (size_t)atoi(threads), &error));
    TRY(orthsr_session_set_threads(other, 1, &error));
    for (size_t n = 0; n <= 4; n++) {
        TRY(orthsr_session_set_adapters(session, n ? stack : NULL, n, &error));
        TRY(orthsr_session_encode_pixels(session, features, pixels, 2, &error));
        note_floats(features, 2 * embed);
        TRY(orthsr_session_encode_pixels(other, features, pixels, 1, &error));
        note_floats(features, embed);
    }
    orthsr_session_free(other);
    orthsr_session_free(session);
    orthsr_adapter_free(c);
    orthsr_adapter_free(b);
    orthsr_adapter_free(a);
    free(features);
    free(pixels);
}

static void prompts(const char *position) {
    orthsr_prompt_options *options;
    orthsr_prompt *prompt, *loaded;
    NEW(options, orthsr_prompt_options_new(&options, &error));
    TRY(orthsr_prompt_options_set_init(options, "a_photo of a", &error));
    TRY(orthsr_prompt_options_set_words(options, 4, &error));
    TRY(orthsr_prompt_options_set_classes(options, tiny_names, TINY_CLASSES, &error));
    TRY(orthsr_prompt_options_set_position(options, (orthsr_class_position)atoi(position), &error));
    NEW(prompt, orthsr_prompt_new(&prompt, tiny, options, &error));
    TRY(orthsr_prompt_save(prompt, scratch_file("prompt"), &error));
    note_file(scratch_file("prompt/prompt.safetensors"));
    NEW(loaded, orthsr_prompt_load(&loaded, tiny, scratch_file("prompt"), &error));
    note_text(orthsr_prompt_class_name(loaded, TINY_CLASSES - 1));
    orthsr_prompt_free(loaded);
    orthsr_prompt_free(prompt);
    orthsr_prompt_options_free(options);
}

/* ---- adapters ------------------------------------------------------------------------------------------------------------- */

static orthsr_adapter *make_adapter(orthsr_parametrization parametrization, orthsr_side side, bool share) {
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    NEW(options, orthsr_adapter_options_new(&options, &error));
    TRY(orthsr_adapter_options_set_parametrization(options, parametrization, &error));
    TRY(orthsr_adapter_options_set_side(options, side, &error));
    TRY(orthsr_adapter_options_set_block_share(options, share, &error));
    TRY(orthsr_adapter_options_set_reflections(options, 4, &error));
    TRY(orthsr_adapter_options_set_butterfly(options, 2, 1, &error));
    TRY(orthsr_adapter_options_set_blocks(options, 3, &error));
    TRY(orthsr_adapter_options_set_layers(options, "image:0,text:all", &error));
    NEW(adapter, orthsr_adapter_new(&adapter, options, &error));
    TRY(orthsr_adapter_add_target(adapter, "first", 12, 18, &error));
    TRY(orthsr_adapter_add_target(adapter, "second", 24, 6, &error));
    orthsr_adapter_options_free(options);
    return adapter;
}

static void turn(orthsr_adapter *adapter) {
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, 0.3, 7);
    for (size_t t = 0, at = 0; t < 2 && orthsr_adapter_parametrization(adapter) == ORTHSR_MANIFOLD; t++) {
        size_t b = orthsr_adapter_block_size(adapter, t), blocks = orthsr_adapter_block_share(adapter) ? 1 : 3;
        onto_manifold(parameters + at, blocks, b);
        at += blocks * b * b;
    }
    TRY(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    TRY(orthsr_adapter_get_parameters(adapter, parameters, n, &error));
    note_floats(parameters, n);
    free(parameters);
}

static void adapters(const char *which) {
    int kind = which[0] - '0';
    const char *path = scratch_file("a.safetensors");
    orthsr_adapter *adapter = make_adapter((orthsr_parametrization)kind, which[1] == 'o' ? ORTHSR_SIDE_OUTPUT : ORTHSR_SIDE_INPUT, which[2] == 's'), *loaded;
    turn(adapter);
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *x = floats(24 * 3, 1, 2), *y = floats(24 * 3, 0, 1), *grad = floats(n, 0, 1), *W = floats(24 * 24, 1, 4), *scale = floats(18, 1, 9);
    double defect;
    TRY(orthsr_adapter_set_scale(adapter, 0, scale, &error));
    for (size_t t = 0; t < 2; t++) {
        TRY(orthsr_adapter_rotate(adapter, t, y, x, 3, &error));
        note_floats(y, 24 * 3);
        memset(grad, 0, n * sizeof *grad);
        TRY(orthsr_adapter_rotate_adjoint(adapter, t, y, grad, x, x, 3, &error));
        note_floats(grad, n);
        orthsr_order order = t ? ORTHSR_ORDER_COLUMN_MAJOR : ORTHSR_ORDER_ROW_MAJOR;
        TRY(orthsr_adapter_merge(adapter, t, W, t ? ORTHSR_DTYPE_BF16 : ORTHSR_DTYPE_F32, order, 24, &error));
        note_floats(W, 24 * 24);
        TRY(orthsr_adapter_unmerge(adapter, t, W, t ? ORTHSR_DTYPE_BF16 : ORTHSR_DTYPE_F32, order, 24, &error));
        note_floats(W, 24 * 24);
        if (kind == ORTHSR_FREE) continue; /* it has no angles */
        double angles[24];
        TRY(orthsr_adapter_angles(adapter, t, angles, &error));
        note(angles, 12 * sizeof *angles);
    }
    TRY(orthsr_adapter_defect(adapter, &defect, &error));
    note(&defect, sizeof defect);
    TRY(orthsr_adapter_save(adapter, path, "orthsr1:0123456789abcdef", &error));
    note_file(path);
    NEW(loaded, orthsr_adapter_load(&loaded, path, &error));
    turn(loaded);
    note_text(orthsr_adapter_fingerprint(loaded));
    orthsr_adapter_free(loaded);
    NEW(loaded, orthsr_adapter_scaled(&loaded, adapter, 0.5f, &error));
    TRY(orthsr_adapter_get_parameters(loaded, grad, n, &error));
    note_floats(grad, n);
    orthsr_adapter_free(loaded);
    orthsr_adapter_free(adapter);
    free(scale);
    free(W);
    free(grad);
    free(y);
    free(x);
}

/* A caller's weight of every dtype, in either order, in a matrix that is wider than it. */
static void merge_buffers(const char *which) {
    static const size_t sizes[] = {[ORTHSR_DTYPE_F32] = 4, [ORTHSR_DTYPE_F16] = 2, [ORTHSR_DTYPE_BF16] = 2, [ORTHSR_DTYPE_F64] = 8};
    enum { LD = 26, ENTRIES = LD * LD };
    orthsr_adapter *adapter = make_adapter((orthsr_parametrization)(which[0] - '0'), which[1] == 'o' ? ORTHSR_SIDE_OUTPUT : ORTHSR_SIDE_INPUT, which[2] == 's');
    turn(adapter);
    float scale[18];
    for (int i = 0; i < 18; i++) scale[i] = 1 + 0.01f * (float)i;
    TRY(orthsr_adapter_set_scale(adapter, 0, scale, &error));
    for (int c = 0; c < 2 * (ORTHSR_DTYPE_F64 + 1) * 2; c++) {
        size_t target = (size_t)c & 1;
        orthsr_order order = c & 2 ? ORTHSR_ORDER_COLUMN_MAJOR : ORTHSR_ORDER_ROW_MAJOR;
        orthsr_dtype dtype = (orthsr_dtype)(c / 4);
        uint8_t W[ENTRIES * 8];
        unsigned long state = 4;
        for (size_t i = 0; i < ENTRIES; i++) {
            double value = noise(&state);
            float single = (float)value;
            uint16_t half = dtype == ORTHSR_DTYPE_F16 ? orthsr__to_f16(value) : orthsr__to_bf16(value);
            memcpy(W + i * sizes[dtype],
                   dtype == ORTHSR_DTYPE_F64   ? (void *)&value
                   : dtype == ORTHSR_DTYPE_F32 ? (void *)&single
                                               : (void *)&half,
                   sizes[dtype]);
        }
        TRY(orthsr_adapter_merge(adapter, target, W, dtype, order, LD, &error));
        note(W, ENTRIES * sizes[dtype]);
        TRY(orthsr_adapter_unmerge(adapter, target, W, dtype, order, LD, &error));
        note(W, ENTRIES * sizes[dtype]);
    }
    orthsr_adapter_free(adapter);
}

/* Adapters at other strengths, in a chain, and the angles of each. */
static void strengths(const char *which) {
    static const float at[] = {0, 0.5f, 1, -1, 2};
    orthsr_adapter *adapter = make_adapter((orthsr_parametrization)(which[0] - '0'), which[1] == 'o' ? ORTHSR_SIDE_OUTPUT : ORTHSR_SIDE_INPUT, which[2] == 's'),
                   *next;
    turn(adapter);
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, 0, 1), scale[18];
    for (int i = 0; i < 18; i++) scale[i] = 1 + 0.01f * (float)i;
    TRY(orthsr_adapter_set_scale(adapter, 0, scale, &error));
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        NEW(next, orthsr_adapter_scaled(&next, adapter, at[i], &error));
        TRY(orthsr_adapter_get_parameters(next, parameters, n, &error));
        note_floats(parameters, n);
        for (size_t t = 0; t < 2 && orthsr_adapter_parametrization(next) != ORTHSR_FREE; t++) {
            double angles[24] = {0};
            TRY(orthsr_adapter_angles(next, t, angles, &error));
            note(angles, sizeof angles);
            angles[0] = orthsr_adapter_distance(next, t);
            note(angles, sizeof *angles);
        }
        orthsr_adapter_free(next);
    }
    orthsr_adapter_free(adapter);
    free(parameters);
}

static void peft(const char *directory) {
    orthsr_adapter *adapter;
    NEW(adapter, orthsr_model_adapter_load(tiny, &adapter, directory, &error));
    note_features(tiny, adapter);
    if (orthsr_adapter_parametrization(adapter) == ORTHSR_CAYLEY && orthsr_adapter_side(adapter) == ORTHSR_SIDE_INPUT &&
        !orthsr_adapter_has_scale(adapter, 0)) {
        TRY(orthsr_model_adapter_export_peft(tiny, adapter, scratch_file("peft"), &error));
        note_file(scratch_file("peft/adapter_config.json"));
        note_file(scratch_file("peft/adapter_model.safetensors"));
    }
    orthsr_adapter_free(adapter);
}

static void peft_alone(const char *directory) {
    orthsr_adapter *adapter;
    NEW(adapter, orthsr_model_adapter_load(NULL, &adapter, directory, &error));
    note_features(tiny, adapter);
    TRY(orthsr_model_adapter_export_peft(NULL, adapter, scratch_file("peft"), &error));
    note_file(scratch_file("peft/adapter_config.json"));
    orthsr_adapter_free(adapter);
}

static void merge(const char *model_path) {
    orthsr_model *model;
    orthsr_adapter *adapter;
    double deviation;
    ck_ok(orthsr_model_open(&model, model_path, &error));
    ck_ok(orthsr_model_adapter(model, &adapter, NULL, &error));
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, 0.1, 7);
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    TRY(orthsr_model_merge(model, adapter, scratch_file("merged"), &deviation, &error));
    note(&deviation, sizeof deviation);
    note_file(scratch_file(strstr(model_path, "hf") ? "merged/model.safetensors" : "merged/open_clip_model.safetensors"));
    if (orthsr_model_tokenizer(model)) { /* which a GGUF file carries */
        TRY(orthsr_model_export_gguf(model, adapter, ORTHSR_GGUF_F16, scratch_file("m.gguf"), &deviation, &error));
        note_file(scratch_file("m.gguf"));
    }
    TRY(orthsr_model_unmerge(model, adapter, scratch_file("unmerged"), &deviation, &error));
    note(&deviation, sizeof deviation);
    free(parameters);
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
}

/* Both types, with an adapter and without one. */
static void export_gguf(const char *model_path) {
    orthsr_model *model;
    orthsr_adapter *adapter = NULL;
    double deviation;
    ck_ok(orthsr_model_open(&model, model_path, &error));
    for (int i = 0; i < 4; i++) {
        if (i == 2) ck_ok(orthsr_model_adapter(model, &adapter, NULL, &error));
        TRY(orthsr_model_export_gguf(model, adapter, i & 1 ? ORTHSR_GGUF_F16 : ORTHSR_GGUF_F32, scratch_file("m.gguf"), &deviation, &error));
        note(&deviation, sizeof deviation);
        note_hash(scratch_file("m.gguf"));
    }
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
}

/* ---- orthogonal matrices and optimizers ------------------------------------------------------------------------------------ */

static void matrices(const char *arg) {
    (void)arg;
    enum { N = 12, P = 5 };
    float *x = floats(N * P, 1, 3), *u = floats(N * P, 0.1, 4), *q = floats(N * P, 0, 1), *r = floats(P * P, 0, 1), *skew = floats(N * (N - 1) / 2, 1, 5),
          *square = floats(N * N, 0, 1), *grad = floats(N * N, 1, 6);
    double value;
    TRY(orthsr_cayley(square, skew, N, &error));
    note_floats(square, N * N);
    TRY(orthsr_cayley_adjoint(skew, grad, skew, N, &error));
    note_floats(skew, N * (N - 1) / 2);
    TRY(orthsr_qr(q, r, x, N, P, &error));
    note_floats(q, N * P);
    note_floats(r, P * P);
    TRY(orthsr_qr_adjoint(x, u, r, q, r, N, P, &error));
    note_floats(x, N * P);
    TRY(orthsr_retract_qr(x, N, P, &error));
    TRY(orthsr_retract_cholesky_qr(x, N, P, &error));
    note_floats(x, N * P);
    float *far = floats(N * P, 1, 8); /* Newton-Schulz does not do */
    TRY(orthsr_retract_polar(far, N, P, &error));
    note_floats(far, N * P);
    free(far);
    for (int i = ORTHSR_RETRACTION_QR; i <= ORTHSR_RETRACTION_POLAR; i++) {
        TRY(orthsr_tangent_project(u, u, x, N, P, &error));
        orthsr_geometry geometry = i & 1 ? ORTHSR_GEOMETRY_CANONICAL : ORTHSR_GEOMETRY_EUCLIDEAN;
        TRY(orthsr_riemannian_gradient(u, u, x, N, P, geometry, &error));
        TRY(orthsr_retract(x, u, N, P, (orthsr_retraction)i, &error));
        note_floats(x, N * P);
    }
    TRY(orthsr_orthogonality_defect(&value, x, N, P, &error));
    note(&value, sizeof value);
    TRY(orthsr_hyperspherical_energy(&value, x, N, P, &error));
    note(&value, sizeof value);
    free(grad);
    free(square);
    free(skew);
    free(r);
    free(q);
    free(u);
    free(x);
}

static void optimizer_runs(orthsr_optimizer *optimizer, float *x, size_t n) {
    float *gradient = floats(n, 0.1, 9);
    for (int i = 0; i < 3; i++) TRY(orthsr_optimizer_step(optimizer, x, gradient, n, 0.01f, &error));
    note_floats(x, n);
    note_size(orthsr_optimizer_steps(optimizer));
    orthsr_optimizer_free(optimizer);
    free(gradient);
}

static void optimizers(const char *arg) {
    (void)arg;
    static const orthsr_stiefel blocks[] = {{6, 6}, {9, 4}};
    enum { SIZE = 36 + 36 };
    orthsr_optimizer *optimizer;
    float *x = floats(SIZE, 1, 3);
    NEW(optimizer, orthsr_optimizer_sgd(&optimizer, SIZE, 0.9f, 0, &error));
    optimizer_runs(optimizer, x, SIZE);
    NEW(optimizer, orthsr_optimizer_adamw(&optimizer, SIZE, 0.9f, 0.999f, 1e-8f, 0.01f, &error));
    optimizer_runs(optimizer, x, SIZE);
    for (int i = ORTHSR_RETRACTION_QR; i <= ORTHSR_RETRACTION_POLAR; i++) {
        ck_ok(orthsr_retract_qr(x, 6, 6, &error));
        ck_ok(orthsr_retract_qr(x + 36, 9, 4, &error));
        NEW(optimizer, orthsr_optimizer_rsgd(&optimizer, blocks, 2, 0.9f, (orthsr_retraction)i, ORTHSR_GEOMETRY_CANONICAL, &error));
        optimizer_runs(optimizer, x, SIZE);
        NEW(optimizer, orthsr_optimizer_radam(&optimizer, blocks, 2, 0.9f, 0.999f, 1e-8f, (orthsr_retraction)i, ORTHSR_GEOMETRY_EUCLIDEAN, &error));
        optimizer_runs(optimizer, x, SIZE);
    }
    free(x);
}

/* ---- training and evaluating ---------------------------------------------------------------------------------------------- */

/* Two steps on images, a checkpoint, and a third, by one rank. which: the parametrisation, or 'p' for a prompt alone and 'b' for both; then an optimizer; then
 * 'c' for CutOut and augmentation. */
static void train_by(const char *which, const orthsr_dataset *images, orthsr_collective *ranks) {
    orthsr_trainer_options *options;
    orthsr_trainer *trainer;
    orthsr_adapter *adapter = NULL;
    orthsr_prompt *prompt = NULL;
    bool prompted = which[0] == 'p' || which[0] == 'b';
    if (which[0] != 'p') {
        orthsr_adapter_options *form = small_options(prompted ? ORTHSR_CAYLEY : (orthsr_parametrization)(which[0] - '0'), ORTHSR_SIDE_INPUT, 4, false, 1);
        ck_ok(orthsr_model_adapter(tiny, &adapter, form, &error));
        orthsr_adapter_options_free(form);
    }
    if (prompted) ck_ok(orthsr_prompt_new(&prompt, tiny, NULL, &error));
    NEW(options, orthsr_trainer_options_new(&options, &error));
    if (which[0] == 'p') TRY(orthsr_trainer_options_set_method(options, ORTHSR_METHOD_COOP, &error));
    TRY(orthsr_trainer_options_set_optimizer(options, (orthsr_optimizer_kind)(which[1] - '0'), &error));
    TRY(orthsr_trainer_options_set_threads(options, 1, &error));
    TRY(orthsr_trainer_options_set_readers(options, 0, &error)); /* one after the other, so that the i-th is always the same */
    static const char *const templates[] = {"a photo of a {}.", "a {}"};
    TRY(orthsr_trainer_options_set_templates(options, templates, 2, &error));
    TRY(orthsr_trainer_options_set_frozen_templates(options, templates, 1, &error));
    if (which[2] == 'c') {
        TRY(orthsr_trainer_options_set_cutout(options, ORTHSR_CUTOUT_ATTENTIVE, &error));
        TRY(orthsr_trainer_options_set_cutout_fill(options, ORTHSR_CUTOUT_NOISE, &error));
        TRY(orthsr_trainer_options_set_augmentation(options, ORTHSR_AUGMENT_STANDARD, &error));
    }
    TRY(orthsr_trainer_options_set_shards(options, orthsr_collective_ranks(ranks), &error));
    TRY(orthsr_trainer_options_set_collective(options, ranks, &error));
    atomic_store(own_failures(), 0);
    NEW(trainer, orthsr_trainer_new_with_prompt(&trainer, tiny, adapter, prompt, images, options, &error));
    for (int step = 0; step < 2; step++) {
        TRY(orthsr_trainer_step(trainer, &error));
        for (int m = 0; m <= ORTHSR_METRIC_KL_CUT; m++) {
            double metric = orthsr_trainer_metric(trainer, (orthsr_metric)m);
            note(&metric, sizeof metric);
        }
    }
    char *text;
    long together = atomic_load(own_failures());
    if (!allocations_apart) TRY(orthsr_trainer_save(trainer, scratch_file("checkpoint"), "mine", &error)); /* of which the other need not know */
    atomic_store(own_failures(), together);
    if (ranks) ck_ok(orthsr_collective_barrier(ranks, &error));
    TRY(orthsr_trainer_load(trainer, scratch_file("checkpoint"), &text, &error));
    note_text(text);
    orthsr_free(text);
    TRY(orthsr_trainer_step(trainer, &error));
    orthsr_trainer_free(trainer);
    float *parameters = floats((adapter ? orthsr_adapter_parameter_count(adapter) : 0) + (prompt ? orthsr_prompt_parameter_count(prompt) : 0), 0, 1);
    if (adapter) {
        ck_ok(orthsr_adapter_get_parameters(adapter, parameters, orthsr_adapter_parameter_count(adapter), &error));
        note_floats(parameters, orthsr_adapter_parameter_count(adapter));
    }
    if (prompt) {
        ck_ok(orthsr_prompt_get_parameters(prompt, parameters, orthsr_prompt_parameter_count(prompt), &error));
        note_floats(parameters, orthsr_prompt_parameter_count(prompt));
    }
    free(parameters);
    orthsr_trainer_options_free(options);
    orthsr_prompt_free(prompt);
    orthsr_adapter_free(adapter);
}

static void train(const char *which) { train_by(which, items, NULL); }

/* Images that are read from their files in every step, by the calling thread. */
static void train_from_files(const char *which) {
    orthsr_dataset *manifest;
    NEW(manifest, orthsr_dataset_open(&manifest, scratch_file("list.tsv"), NULL, &error));
    train_by(which, manifest, NULL);
    orthsr_dataset_free(manifest);
}

/* What brings bytes from rank to rank allocates for itself. */
static orthsr_status meet_apart(void *payload, const void *const *send, const size_t *send_sizes, void *const *receive, const size_t *receive_sizes,
                                orthsr_error *why) {
    bool before = allocations_apart;
    allocations_apart = true;
    orthsr_status status = meet(payload, send, send_sizes, receive, receive_sizes, why);
    allocations_apart = before;
    return status;
}

/* By two ranks, of which one is short of memory (which's last digit): both fail at once, and both go on. One that waited for ever for the other would be ended
 * by the alarm. */
static void train_as_rank(rank *me) {
    allocations_apart = me->index != (size_t)(((const char *)me->context)[3] - '0');
    ck_ok(orthsr_collective_barrier(me->collective, &error)); /* nothing fails before both are there */
    train_by(me->context, items, me->collective);
}

static void train_by_ranks(const char *which) {
    meeting m = {.exchange = meet_apart};
    void *contexts[] = {(void *)(uintptr_t)which, (void *)(uintptr_t)which};
    alarm(60);
    meet_all(&m, 2, train_as_rank, contexts);
    alarm(0);
    if (atomic_load(&failures) != atomic_load(&failures_apart)) problem("training by ranks", "one fails and the other goes on", "");
}

static int count_steps(const orthsr_trainer *trainer, void *payload) {
    (void)trainer;
    return ++*(int *)payload < 0;
}

/* A whole run by threads and with a bound on its memory: saved over an earlier checkpoint, and gone on with from either in a trainer that is new. */
static void checkpoints(const char *threads) {
    orthsr_trainer_options *options;
    orthsr_trainer *trainer, *second;
    orthsr_adapter *adapter;
    const char *newest = scratch_file("run.checkpoint"), *older = scratch_file("run.checkpoint.previous");
    ck_ok(orthsr_model_adapter(tiny, &adapter, NULL, &error));
    NEW(options, orthsr_trainer_options_new(&options, &error));
    TRY(orthsr_trainer_options_set_threads(options, (size_t)atoi(threads), &error));
    TRY(orthsr_trainer_options_set_readers(options, 0, &error)); /* as in train */
    TRY(orthsr_trainer_options_set_epochs(options, 1, &error));
    TRY(orthsr_trainer_options_set_batch_size(options, 4, &error));
    TRY(orthsr_trainer_options_set_memory_budget(options, (size_t)64 << 20, &error));
    NEW(trainer, orthsr_trainer_new(&trainer, tiny, adapter, items, options, &error));
    TRY(orthsr_trainer_save(trainer, newest, NULL, &error));
    TRY(orthsr_trainer_step(trainer, &error));
    TRY(orthsr_trainer_save(trainer, newest, "one step", &error));
    orthsr_trainer_free(trainer);
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, 0, 1);
    for (int i = 0; i < 2; i++) {
        int steps = 0;
        char *text;
        NEW(second, orthsr_trainer_new(&second, tiny, adapter, items, options, &error));
        TRY(orthsr_trainer_load(second, i ? newest : older, i ? &text : NULL, &error));
        note_size(orthsr_trainer_step_count(second));
        if (i) note_text(text), orthsr_free(text);
        TRY(orthsr_trainer_run(second, count_steps, &steps, &error));
        note_size(orthsr_trainer_step_count(second));
        ck_ok(orthsr_adapter_get_parameters(adapter, parameters, n, &error));
        note_floats(parameters, n);
        orthsr_trainer_free(second);
    }
    ck_assert_int_eq(remove(newest), 0);
    ck_assert_int_eq(remove(older), 0);
    free(parameters);
    orthsr_trainer_options_free(options);
    orthsr_adapter_free(adapter);
}

static void evaluate(const char *arg) {
    (void)arg;
    static const char *const templates[] = {"a photo of a {}."};
    orthsr_session *session;
    orthsr_evaluation *evaluation;
    NEW(session, orthsr_session_new(&session, tiny, NULL, &error));
    TRY(orthsr_session_set_threads(session, 1, &error));
    NEW(evaluation, orthsr_evaluate(&evaluation, session, items, templates, 1, NULL, NULL, &error));
    for (size_t i = 0; i < TINY_ITEMS; i++) note_size(orthsr_evaluation_prediction(evaluation, i));
    orthsr_evaluation_free(evaluation);
    orthsr_session_free(session);
}

/* ---- data ----------------------------------------------------------------------------------------------------------------- */

static void make_text(const char *name, const char *text) { ck_ok(orthsr__write_file(scratch_file(name), text, strlen(text), &error)); }

static void copy(const char *from, const char *to) {
    orthsr__mapping file;
    ck_ok(orthsr__map(&file, from, &error));
    ck_ok(orthsr__write_file(scratch_file(to), file.data, file.size, &error));
    orthsr__unmap(&file);
}

static void make_image(const char *name) {
    char path[200];
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(path, sizeof path, "%.*s", (int)(slash - name), name);
        ck_ok(orthsr__make_directory(scratch_file(path), &error));
    }
    copy("tests/data/images/rgb8.png", name);
}

static void make_gzip(const char *name, const void *bytes, unsigned size) {
    gzFile file = gzopen(scratch_file(name), "wb");
    ck_assert(file && gzwrite(file, bytes, size) == (int)size && gzclose(file) == Z_OK);
}

static void make_data_sets(void) {
    make_image("folders/train/a b/1.png");
    make_image("folders/train/a b/2.png");
    make_image("folders/train/c/3.png");
    make_image("folders/c/3.png");
    const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6}, labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 1, 0};
    make_image("idx/x.png");
    make_gzip("idx/train-images-idx3-ubyte.gz", images, sizeof images);
    make_gzip("idx/train-labels-idx1-ubyte.gz", labels, sizeof labels);
    make_text("idx/classes.txt", "cat\ndog\n");
    make_image("aircraft/images/0001.jpg");
    make_image("aircraft/images/0002.jpg");
    make_text("aircraft/variants.txt", "707-320\nA380\n");
    make_text("aircraft/images_variant_train.txt", "0001 A380\n0002 707-320\n");
    make_image("imagenet/images/train/n01440764/1.png");
    make_image("imagenet/images/val/n01440764/2.png");
    make_image("imagenet/images/train/n01443537/1.png");
    make_text("imagenet/classnames.txt", "n01440764 tench\nn01443537 goldfish\n");
    make_image("variant/imagenet-a/n01440764/1.png");
    make_text("variant/classnames.txt", "n01440764 tench\n");
    make_image("sharded/unused/x.png");
    copy(TINY_MODEL "/config.json", "sharded/config.json");
    copy(TINY_MODEL "/model.safetensors", "sharded/all.safetensors");
    make_image("renamed/unused/x.png");
    copy(TINY_MODEL "/config.json", "renamed/config.json");
    copy(TINY_MODEL "/model.safetensors", "renamed/weights.safetensors");
    make_text("list.tsv", "folders/train/c/3.png\tcat\nfolders/train/a b/1.png\tdog\nfolders/train/a b/2.png\tcat\t0\t1843\n");
    make_text("sharded/model.safetensors.index.json", "{\"weight_map\": {\"logit_scale\": \"all.safetensors\"}}");
}

static void note_dataset(const orthsr_dataset *dataset) {
    for (size_t i = 0; i < orthsr_dataset_count(dataset); i++) {
        note_text(orthsr_dataset_item_name(dataset, i));
        note_size(orthsr_dataset_label(dataset, i));
    }
    for (size_t c = 0; c < orthsr_dataset_class_count(dataset); c++) note_text(orthsr_dataset_class_name(dataset, c));
}

/* which: path below the scratch directory, a colon, and the split if any. */
static void data(const char *which) {
    char path[300];
    const char *split = strchr(which, ':') + 1, *layout;
    bool scratch = strncmp(which, "tests/", 6) != 0;
    snprintf(path, sizeof path, "%s%s%.*s", scratch ? scratch_directory() : "", scratch ? "/" : "", (int)(split - which) - 1, which);
    orthsr_dataset *dataset, *drawn, *rest, *one;
    if (!*split) split = NULL;
    TRY(orthsr_dataset_layout(&layout, path, &error));
    note_text(layout);
    NEW(dataset, (scratch ? orthsr_dataset_open : orthsr_dataset_list)(&dataset, path, split, &error));
    note_dataset(dataset);
    NEW(drawn, orthsr_dataset_draw(&drawn, &rest, dataset, 1, 3, &error));
    note_dataset(drawn);
    note_dataset(rest);
    NEW(one, orthsr_dataset_select(&one, dataset, 0, 1, &error));
    note_dataset(one);
    orthsr_dataset_free(one);
    NEW(one, orthsr_dataset_draw_validation(&one, dataset, dataset, 2, 1, &error));
    note_dataset(one);
    if (scratch) {
        size_t n = 3 * orthsr_model_image_size(tiny) * orthsr_model_image_size(tiny);
        float *pixels = floats(n, 0, 1);
        TRY(orthsr_dataset_check_item(dataset, 0, true, &error));
        TRY(orthsr_dataset_pixels(dataset, 0, tiny, pixels, &error));
        note_floats(pixels, n);
        free(pixels);
    }
    orthsr_dataset_free(one);
    orthsr_dataset_free(rest);
    orthsr_dataset_free(drawn);
    orthsr_dataset_free(dataset);
}

/* Views of views, in memory and of files. */
static void views(const char *name) {
    static const size_t chosen[] = {1, 0, 1};
    orthsr_dataset *dataset, *part, *inner, *drawn, *rest;
    NEW(dataset, orthsr_dataset_open(&dataset, scratch_file(name), "train", &error));
    TRY(orthsr_dataset_set_max_pixels(dataset, 1 << 20, &error));
    NEW(part, orthsr_dataset_subset(&part, dataset, chosen, 3, &error));
    note_dataset(part);
    NEW(inner, orthsr_dataset_select(&inner, part, orthsr_dataset_label(part, 0), 1, &error));
    note_dataset(inner);
    NEW(drawn, orthsr_dataset_draw(&drawn, &rest, inner, 1, 4, &error));
    note_dataset(drawn);
    note_dataset(rest);
    size_t n = 3 * orthsr_model_image_size(tiny) * orthsr_model_image_size(tiny);
    float *pixels = floats(n, 0, 1);
    TRY(orthsr_dataset_pixels(drawn, 0, tiny, pixels, &error));
    note_floats(pixels, n);
    free(pixels);
    orthsr_dataset_free(rest);
    orthsr_dataset_free(drawn);
    NEW(rest, orthsr_dataset_subset(&rest, inner, NULL, 0, &error));
    note_dataset(rest);
    orthsr_dataset_free(rest);
    orthsr_dataset_free(inner);
    orthsr_dataset_free(part);
    orthsr_dataset_free(dataset);
}

/* Items that stay in their file, one by one and read ahead, and a rank's end of a connection. */
static void streams(const char *threads) {
    orthsr_dataset *manifest, *part;
    orthsr_reader *reader;
    orthsr_collective *collective;
    char *name;
    size_t side = orthsr_model_image_size(tiny), item, n;
    float *pixels = floats(3 * side * side, 0, 1);
    NEW(manifest, orthsr_dataset_open(&manifest, scratch_file("list.tsv"), NULL, &error));
    for (size_t i = 0; i < orthsr_dataset_count(manifest); i++) {
        NEW(name, orthsr_dataset_copy_item_name(manifest, i, &name, &error));
        note_text(name);
        orthsr_free(name);
        TRY(orthsr_dataset_check_item(manifest, i, 1, &error));
    }
    NEW(part, orthsr_dataset_draw(&part, NULL, manifest, 1, 1, &error));
    note_dataset(part);
    orthsr_dataset_free(part);
    NEW(part, orthsr_dataset_draw(&part, NULL, manifest, 0, 1, &error));
    note_size(orthsr_dataset_count(part));
    orthsr_dataset_free(part);
    NEW(part, orthsr_dataset_select(&part, manifest, 0, 1, &error));
    note_dataset(part);
    orthsr_dataset_free(part);
    NEW(reader, orthsr_reader_new(&reader, manifest, tiny, 0, orthsr_dataset_count(manifest), &error));
    TRY(orthsr_reader_set_threads(reader, (size_t)atoi(threads), &error));
    for (size_t i = 0; i < orthsr_dataset_count(manifest); i++) {
        TRY(orthsr_reader_next(reader, pixels, &item, 1, &n, &error));
        note_size(n);
        note_size(item);
        note_floats(pixels, 3 * side * side);
    }
    orthsr_reader_free(reader);
    orthsr_dataset_free(manifest);
    NEW(collective, orthsr_collective_new(&collective, 0, 1, NULL, NULL, &error));
    orthsr_collective_free(collective);
    free(pixels);
}

static void memory(const char *arg) {
    (void)arg;
    const uint8_t pixels[2 * 4] = {1, 2, 3, 4, 5, 6, 7, 8};
    const int32_t labels[] = {1, 0};
    orthsr_dataset *dataset;
    NEW(dataset, orthsr_dataset_new(&dataset, pixels, 2, 2, 2, 1, labels, tiny_names, 2, &error));
    note_dataset(dataset);
    orthsr_dataset_free(dataset);
}

static void note_image(orthsr_image *image) {
    note_size(orthsr_image_width(image));
    note(orthsr_image_rgb(image), 3 * orthsr_image_width(image) * orthsr_image_height(image));
    orthsr_image_free(image);
}

static void decode(const char *name) {
    char path[200];
    snprintf(path, sizeof path, "tests/data/images/%s", name);
    orthsr_image *image, *other;
    NEW(image, orthsr_image_open(&image, path, 0, &error));
    size_t n = 3 * orthsr_model_image_size(tiny) * orthsr_model_image_size(tiny);
    float *pixels = floats(n, 0, 1);
    NEW(other, orthsr_image_resize(&other, image, 9, 11, &error));
    note_image(other);
    NEW(other, orthsr_image_resize_crop(&other, image, 10, &error));
    note_image(other);
    NEW(other, orthsr_model_view(tiny, &other, image, &error));
    note_image(other);
    TRY(orthsr_model_preprocess(tiny, pixels, image, &error));
    note_floats(pixels, n);
    free(pixels);
    NEW(other, orthsr_image_new(&other, orthsr_image_rgb(image), orthsr_image_height(image), orthsr_image_width(image), 3, &error));
    note_image(other);
    note_image(image);
}

static void arrays(const char *arg) {
    (void)arg;
    float values[6] = {1, 2, 3, 4, 5, 6}, *read;
    size_t shape[ORTHSR_ARRAY_MAX_RANK] = {2, 3}, dimensions;
    TRY(orthsr_array_write(scratch_file("a.npy"), values, shape, 2, &error));
    NEW(read, orthsr_array_read(&read, shape, &dimensions, scratch_file("a.npy"), &error));
    note_floats(read, 6);
    orthsr_free(read);
}

/* ---- every allocation ------------------------------------------------------------------------------------------------------ */

static const struct scenario {
    void (*run)(const char *arg);
    const char *what, *arg;
} SCENARIOS[] = {
    {open_model, "open", TINY_MODEL},
    {open_model, "open", "tests/data/clip/openclip"},
    {open_model, "open", "tests/data/clip/openai/ViT-tiny.safetensors"},
    {open_model, "open", "examples/data/mini"},
    {open_scratch, "open", "sharded"},
    {open_scratch, "open", "renamed"},
    {open_unmapped, "open, read", TINY_MODEL},
    {open_unmapped, "open, read", "tests/data/clip/openclip"},
    {open_larger, "open larger", TINY_MODEL},
    {open_larger, "open larger", "tests/data/clip/openclip"},
    {tokenize, "tokenizer", "tests/data/tokens/hf"},
    {tokenize, "tokenizer", "tests/data/tokens/hf-json"},
    {tokenize, "tokenizer", "tests/data/tokens/old"},
    {tokenize, "tokenizer", "tests/data/tokens/simple"},
    {encode, "session, threads", "1"},
    {encode, "session, threads", "3"},
    {stacks, "stacks of adapters", "1"},
    {stacks, "stacks of adapters", "3"},
    {prompts, "prompt", "0"},
    {prompts, "prompt", "1"},
    {adapters, "adapter", "0i"},
    {adapters, "adapter", "0os"},
    {adapters, "adapter", "1i"},
    {adapters, "adapter", "2i"},
    {adapters, "adapter", "3o"},
    {adapters, "adapter", "4i"},
    {adapters, "adapter", "5is"},
    {merge_buffers, "merge a weight", "0i"},
    {merge_buffers, "merge a weight", "0os"},
    {merge_buffers, "merge a weight", "1os"},
    {merge_buffers, "merge a weight", "2i"},
    {merge_buffers, "merge a weight", "3i"},
    {merge_buffers, "merge a weight", "4o"},
    {merge_buffers, "merge a weight", "5i"},
    {merge_buffers, "merge a weight", "5os"},
    {strengths, "scaled, angles", "0i"},
    {strengths, "scaled, angles", "1os"},
    {strengths, "scaled, angles", "2i"},
    {strengths, "scaled, angles", "3is"},
    {strengths, "scaled, angles", "4o"},
    {strengths, "scaled, angles", "5i"},
    {strengths, "scaled, angles", "5os"},
    {peft, "PEFT", "tests/data/peft/exact"},
    {peft, "PEFT", "tests/data/peft/regex"},
    {peft, "PEFT", "tests/data/peft/neumann-5"},
    {peft, "PEFT", "tests/data/peft/version-0.15-scaled"},
    {peft, "PEFT", "tests/data/peft/version-0.13"},
    {peft_alone, "PEFT without a model", "tests/data/peft/exported-hf"},
    {merge, "merge", TINY_MODEL},
    {merge, "merge", "tests/data/clip/openclip"},
    {export_gguf, "GGUF", TINY_MODEL},
    {matrices, "matrices", ""},
    {optimizers, "optimizers", ""},
    {train, "train", "01-"},
    {train, "train", "00c"},
    {train, "train", "11-"},
    {train, "train", "21-"},
    {train, "train", "31-"},
    {train, "train", "41-"},
    {train, "train", "52-"},
    {train, "train", "53-"},
    {train, "train", "p0-"},
    {train, "train", "b1c"},
    {train_from_files, "train from files", "01-"},
    {train_from_files, "train from files", "b1c"},
    {train_by_ranks, "train by ranks", "01-0"},
    {train_by_ranks, "train by ranks", "53-0"},
    {train_by_ranks, "train by ranks", "b1c0"},
    {train_by_ranks, "train by ranks", "b1c1"},
    {checkpoints, "checkpoints", "1"},
    {checkpoints, "checkpoints", "3"},
    {evaluate, "evaluate", ""},
    {data, "data", "folders:train"},
    {data, "data", "folders/train:"},
    {data, "data", "idx:train"},
    {data, "data", "aircraft:train"},
    {data, "data", "imagenet:train"},
    {data, "data", "variant:test"},
    {data, "data", "tests/data/split/split_zhou_Synthetic.json:train"},
    {views, "views", "folders"},
    {views, "views", "idx"},
    {views, "views", "aircraft"},
    {streams, "manifest, reader", "0"},
    {streams, "manifest, reader", "2"},
    {memory, "data in memory", ""},
    {decode, "image", "rgb8.png"},
    {decode, "image", "palette8-interlaced.png"},
    {decode, "image", "gray16.png"},
    {decode, "image", "ycc420.jpg"},
    {decode, "image", "progressive.jpg"},
    {decode, "image", "cmyk.jpg"},
    {arrays, "npy", ""},
};
enum { SCENARIO_COUNT = sizeof SCENARIOS / sizeof *SCENARIOS };

static int open_files(void) {
    int n = 0;
    for (int fd = 0; fd < 64; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* One run with allocation `at` refused (0: none); how many it made before that, or in all. */
static long run(const struct scenario *s, long at, bool onwards) {
    now.size = 0;
    totals->at = at;
    atomic_store(&allocations.count, 0);
    atomic_store(&allocations.refused, 0);
    atomic_store(&allocations.fail_at, at);
    atomic_store(&allocations.onwards, onwards);
    long live = atomic_load(&allocations.live);
    int files = open_files();
    s->run(s->arg);
    long leaked = atomic_load(&allocations.live) - live;
    char text[64];
    snprintf(text, sizeof text, "%ld", leaked);
    if (at && leaked) problem(s->what, "blocks leaked: ", text);
    if (at && open_files() != files) problem(s->what, "a file is left open", "");
    return atomic_load(&allocations.count);
}

/* The library never prints: what LAPACKE says of failures would be seen here. */
static int hide_output(FILE **kept) {
    fflush(stdout);
    *kept = tmpfile();
    int output = dup(STDOUT_FILENO);
    ck_assert(*kept && output >= 0 && dup2(fileno(*kept), STDOUT_FILENO) >= 0);
    return output;
}

static void show_output(int output, FILE *kept) {
    struct stat info;
    fflush(stdout);
    ck_assert(fstat(fileno(kept), &info) == 0 && dup2(output, STDOUT_FILENO) >= 0);
    close(output);
    fclose(kept);
    if (info.st_size > 0) problem("", "the library printed", "");
}

static double seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

START_TEST(every_allocation_fails_once) {
    if (short_run()) return; /* valgrind has an allocator of its own */
    const struct scenario *s = &SCENARIOS[_i];
    const char *only = getenv("ORTHSR_TEST_ONLY"); /* scenarios with this in their name */
    bool full = getenv("ORTHSR_TEST_FULL") != NULL;
    if (only && !strstr(s->what, only)) return;
    FILE *kept;
    totals->name = s->what;
    int output = hide_output(&kept);
    double start = seconds();
    run(s, 0, false); /* what libraries keep for good they have now */
    long count = run(s, 0, false), points = 0, without = 0;
    double one = (seconds() - start) / 2;
    reference = now;
    /* In a short run: about half a second for each scenario. */
    long first = 40, stride = full ? 1 : (long)fmax(1, (double)(count - first) * one * 1.5 / 0.4);
    for (int onwards = 0; onwards < 2; onwards++)
        for (long at = 1; at <= count; at += at < first ? 1 : stride) {
            run(s, at, onwards);
            points++;
            if (atomic_load(&allocations.fail_at) != 0) without++; /* no call failed */
            if (now.size != reference.size || memcmp(now.bytes, reference.bytes, now.size) != 0) problem(s->what, "the results differ", "");
        }
    show_output(output, kept);
    totals->points += points;
    totals->without += without;
    if (full || problems || getenv("ORTHSR_TEST_VERBOSE"))
        fprintf(stderr, "oom: %s %s: %ld allocations, %ld points, %ld done without, %.1f s, %ld problems\n", s->what, s->arg, count, points, without,
                seconds() - start, problems);
    ck_assert_int_eq(problems, 0);
}
END_TEST

static void open_base(void) {
    totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(totals != MAP_FAILED);
    totals->name = "";
    tiny_open(&tiny_fixture, &tiny, &items, NULL);
    make_data_sets();
}

static void close_base(void) {
    printf("oom: %ld failures of allocations, %ld done without; last: %s, allocation %ld\n", totals->points, totals->without, totals->name, totals->at);
    fflush(stdout);
    tiny_close(&tiny_fixture, tiny, items);
    munmap(totals, sizeof *totals);
}

static TCase *oom_case(void) {
    TCase *tcase = tcase_create("allocations");
    tcase_set_timeout(tcase, 0);
    tcase_add_unchecked_fixture(tcase, open_base, close_base);
    tcase_add_loop_test(tcase, every_allocation_fails_once, 0, SCENARIO_COUNT);
    return tcase;
}

TEST_MAIN("allocation failure", oom_case)

#endif
