/* test_hostile.c - files that lie: everything that is read, cut at its bytes and with bytes changed, then one lie after another by name. What opens may
 * open; what does not is refused with a message that names the file, in UTF-8 without controls. Images and vocabularies have tests of their own. */
#include "util/check.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <utf8proc.h>
#include <zlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "io/safetensors.h"

static orthsr_error error;

/* The path of a file in a directory of the scratch directory, which is made. */
static const char *path_in(const char *directory, const char *name) {
    char joined[200];
    ck_ok(orthsr__make_directory(scratch_file(directory), &error));
    snprintf(joined, sizeof joined, "%s/%s", directory, name);
    return scratch_file(joined);
}

static void put(const char *path, const void *bytes, size_t size) { ck_ok(orthsr__write_file(path, bytes, size, &error)); }

/* The bytes of a file, and a zero after them, in fresh memory. */
static char *contents(const char *path, size_t *size) {
    orthsr__mapping file;
    ck_ok(orthsr__map(&file, path, &error));
    char *bytes = orthsr__strndup((const char *)file.data, file.size);
    ck_assert_ptr_nonnull(bytes);
    *size = file.size;
    orthsr__unmap(&file);
    return bytes;
}

static void copy(const char *from, const char *to) {
    size_t size;
    char *bytes = contents(from, &size);
    put(to, bytes, size);
    free(bytes);
}

/* A failure that says nothing, does not name the file, or says what a terminal would obey, fails the test. */
static void ck_message(orthsr_status status, const char *name, const char *what) {
    if (status == ORTHSR_OK) return;
    ck_assert_msg(strstr(error.message, name) != NULL, "%s: '%s' does not name '%s'", what, error.message, name);
    bool plain = true; /* not an assertion for every character: each costs a system call */
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)error.message;
    for (utf8proc_ssize_t n; *at && plain; at += n) {
        utf8proc_int32_t character;
        n = utf8proc_iterate(at, -1, &character);
        plain = n > 0 && character >= 0x20 && !(character >= 0x7f && character < 0xa0);
    }
    ck_assert_msg(plain, "%s: no plain text: '%s'", what, error.message);
}

/* ---- what is read, and by which call ------------------------------------------------------------------------------------ */

static orthsr_model *base; /* what PEFT's adapters are for */
static void open_base(void) { ck_ok(orthsr_model_open(&base, "tests/data/clip/hf", &error)); }
static void close_base(void) { orthsr_model_free(base); }

static orthsr_status open_tensors(const char *path) {
    orthsr__safetensors file;
    orthsr_status status = orthsr__safetensors_open(&file, path, &error);
    orthsr__safetensors_close(&file);
    return status;
}

static orthsr_status open_model(const char *path) {
    orthsr_model *model;
    orthsr_status status = orthsr_model_open(&model, path, &error);
    ck_assert(!model == (status != ORTHSR_OK));
    orthsr_model_free(model);
    return status;
}

static orthsr_status open_prompt(const char *path) {
    orthsr_prompt *prompt;
    orthsr_status status = orthsr_prompt_load(&prompt, NULL, path, &error);
    ck_assert(!prompt == (status != ORTHSR_OK));
    orthsr_prompt_free(prompt);
    return status;
}

static orthsr_status open_adapter(const char *path) {
    orthsr_adapter *adapter;
    orthsr_status status = orthsr_adapter_load(&adapter, path, &error);
    ck_assert(!adapter == (status != ORTHSR_OK));
    orthsr_adapter_free(adapter);
    return status;
}

static orthsr_status open_on(const orthsr_model *model, const char *path) {
    orthsr_adapter *adapter;
    orthsr_status status = orthsr_model_adapter_load(model, &adapter, path, &error);
    ck_assert(!adapter == (status != ORTHSR_OK));
    orthsr_adapter_free(adapter);
    return status;
}

static orthsr_status open_for_base(const char *path) { return open_on(base, path); }
static orthsr_status open_without_model(const char *path) { return open_on(NULL, path); }

static orthsr_status open_array(const char *path) {
    float *data;
    size_t shape[ORTHSR_ARRAY_MAX_RANK], rank;
    orthsr_status status = orthsr_array_read(&data, shape, &rank, path, &error);
    ck_assert(!data == (status != ORTHSR_OK));
    orthsr_free(data);
    return status;
}

static orthsr_status open_dataset(const char *path) {
    orthsr_dataset *dataset;
    orthsr_status status = orthsr_dataset_open(&dataset, path, "train", &error);
    ck_assert(!dataset == (status != ORTHSR_OK));
    orthsr_dataset_free(dataset);
    return status;
}

/* ---- valid files, each kind in a directory of its own ------------------------------------------------------------------- */

static void make_huggingface(const char *directory) {
    copy("tests/data/clip/hf/config.json", path_in(directory, "config.json"));
    copy("tests/data/clip/hf/model.safetensors", path_in(directory, "model.safetensors"));
    static const char pixels[] = "{\"image_mean\": [0.5, 0.5, 0.5], \"image_std\": [0.5, 0.5, 0.5], \"resample\": 3, \"size\": {\"shortest_edge\": 16}}";
    put(path_in(directory, "preprocessor_config.json"), pixels, sizeof pixels - 1);
}

static void make_open_clip(const char *directory) {
    copy("tests/data/clip/openclip/open_clip_config.json", path_in(directory, "open_clip_config.json"));
    copy("tests/data/clip/openclip/open_clip_model.safetensors", path_in(directory, "open_clip_model.safetensors"));
}

static void make_openai(const char *directory) { copy("tests/data/clip/openai/ViT-tiny.safetensors", path_in(directory, "model.safetensors")); }

/* All tensors in one shard, and a small one beside it. */
static void make_shards(const char *directory) {
    static const char small[] = "\x42\0\0\0\0\0\0\0{\"position_ids\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}  \1\2";
    copy("tests/data/clip/hf/config.json", path_in(directory, "config.json"));
    copy("tests/data/clip/hf/model.safetensors", path_in(directory, "a.safetensors"));
    put(path_in(directory, "b.safetensors"), small, sizeof small - 1);
    static const char index[] =
        "{\"metadata\": {\"total_size\": 172198}, \"weight_map\": {\"logit_scale\": \"a.safetensors\", \"position_ids\": \"b.safetensors\"}}";
    put(path_in(directory, "model.safetensors.index.json"), index, sizeof index - 1);
}

static void make_peft(const char *directory, const char *name) {
    char from[128];
    snprintf(from, sizeof from, "tests/data/peft/%s/adapter_config.json", name);
    copy(from, path_in(directory, "adapter_config.json"));
    snprintf(from, sizeof from, "tests/data/peft/%s/adapter_model.safetensors", name);
    copy(from, path_in(directory, "adapter_model.safetensors"));
}

static void make_peft_exact(const char *directory) { make_peft(directory, "renamed"); }
static void make_peft_series(const char *directory) { make_peft(directory, "coft-neumann-share"); }
static void make_peft_old(const char *directory) { make_peft(directory, "version-0.15"); }

static void make_adapter_of(const char *directory, orthsr_parametrization parametrization, int share) {
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    float parameters[64] = {0.25f, -0.5f};
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, parametrization, &error));
    ck_ok(orthsr_adapter_options_set_blocks(options, 2, &error));
    ck_ok(orthsr_adapter_options_set_block_share(options, share, &error));
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    ck_ok(orthsr_adapter_add_target(adapter, "image.0.fc1", 4, 8, &error));
    ck_ok(orthsr_adapter_add_target(adapter, "text.0.q", 8, 8, &error));
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, orthsr_adapter_parameter_count(adapter), &error));
    ck_ok(orthsr_adapter_save(adapter, path_in(directory, "adapter.safetensors"), "orthsr1:0011223344556677", &error));
    orthsr_adapter_free(adapter);
    orthsr_adapter_options_free(options);
}

static void make_cayley(const char *directory) { make_adapter_of(directory, ORTHSR_CAYLEY, 0); }
static void make_shared(const char *directory) { make_adapter_of(directory, ORTHSR_CAYLEY, 1); }
static void make_free(const char *directory) { make_adapter_of(directory, ORTHSR_FREE, 0); }

static void make_array(const char *directory) {
    ck_ok(orthsr_array_write(path_in(directory, "array.npy"), (const float[]){1, 2, 3, 4, 5, 6}, (const size_t[]){2, 3}, 2, &error));
}

static void make_prompt(const char *directory) { copy("tests/data/prompts/v1.safetensors", path_in(directory, "prompt.safetensors")); }

static void make_idx(const char *directory) {
    static const char images[] = "\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x03"
                                 "abcdefghijkl",
                      labels[] = "\0\0\x08\x01\0\0\0\x02\0\1";
    put(path_in(directory, "train-images-idx3-ubyte"), images, sizeof images - 1);
    gzFile file = gzopen(path_in(directory, "train-labels-idx1-ubyte.gz"), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, labels, sizeof labels - 1), sizeof labels - 1);
    ck_assert_int_eq(gzclose(file), Z_OK);
    put(path_in(directory, "classes.txt"), "coat\nsneaker\n", 13);
}

static const struct subject {
    const char *name; /* of the directory */
    void (*make)(const char *directory);
    const char *file; /* that is damaged */
    orthsr_status (*open)(const char *path);
    bool alone;    /* open takes the file, not the directory */
    bool complete; /* no part of the file is a file of its kind */
    size_t header; /* of a large file, the bytes that are looked at closely: others are one in 997. 0: all, at every byte */
    size_t stride; /* of the bytes that are changed */
} SUBJECTS[] = {
    {"tensors", make_peft_exact, "adapter_model.safetensors", open_tensors, true, true, 0, 1},
    {"hf", make_huggingface, "model.safetensors", open_model, false, true, 8488, 37},
    {"hf", make_huggingface, "config.json", open_model, false, false, 0, 7},
    {"hf", make_huggingface, "preprocessor_config.json", open_model, false, false, 0, 2},
    {"openclip", make_open_clip, "open_clip_model.safetensors", open_model, false, true, 4728, 23},
    {"openclip", make_open_clip, "open_clip_config.json", open_model, false, false, 0, 1},
    {"openai", make_openai, "model.safetensors", open_model, false, true, 4952, 41},
    {"shards", make_shards, "b.safetensors", open_model, false, true, 0, 1},
    {"shards", make_shards, "model.safetensors.index.json", open_model, false, false, 0, 1},
    {"cayley", make_cayley, "adapter.safetensors", open_adapter, false, true, 0, 1},
    {"shared", make_shared, "adapter.safetensors", open_adapter, false, true, 0, 1},
    {"free", make_free, "adapter.safetensors", open_adapter, true, true, 0, 1},
    {"prompt", make_prompt, "prompt.safetensors", open_prompt, false, true, 0, 1},
    {"peft", make_peft_exact, "adapter_model.safetensors", open_for_base, false, true, 1000, 3},
    {"peft", make_peft_exact, "adapter_config.json", open_for_base, false, false, 0, 2},
    {"series", make_peft_series, "adapter_model.safetensors", open_for_base, false, true, 1000, 3},
    {"series", make_peft_series, "adapter_config.json", open_for_base, false, false, 0, 1},
    {"old", make_peft_old, "adapter_model.safetensors", open_for_base, false, true, 2000, 7},
    {"alone", make_peft_old, "adapter_model.safetensors", open_without_model, false, true, 2000, 7},
    {"array", make_array, "array.npy", open_array, true, true, 0, 1},
    {"idx", make_idx, "train-images-idx3-ubyte", open_dataset, false, true, 0, 1},
    {"idx", make_idx, "train-labels-idx1-ubyte.gz", open_dataset, false, true, 0, 1},
    {"idx", make_idx, "classes.txt", open_dataset, false, false, 0, 1},
};
enum { N_SUBJECTS = sizeof SUBJECTS / sizeof *SUBJECTS };

/* Makes the subject's files; the path of the one that is damaged, and in opened what open takes. */
static char *make(const struct subject *subject, char opened[256]) {
    subject->make(subject->name);
    char *path = orthsr__strdup(path_in(subject->name, subject->file));
    ck_assert_ptr_nonnull(path);
    snprintf(opened, 256, "%s", subject->alone ? path : scratch_file(subject->name));
    ck_ok(subject->open(opened));
    return path;
}

/* ---- every cut, many changes -------------------------------------------------------------------------------------------- */

START_TEST(every_cut_is_survived) {
    const struct subject *subject = &SUBJECTS[_i];
    char opened[256], what[64];
    char *path = make(subject, opened);
    struct stat info;
    ck_assert_int_eq(stat(path, &info), 0);
    size_t dense = short_run() ? 61 : subject->header ? 5 : 1; /* of the positions */
    for (size_t size = (size_t)info.st_size - 1;; size -= subject->header && size > subject->header + 997 ? 997 : size > dense ? dense : 1) {
        snprintf(what, sizeof what, "%s cut to %zu", subject->file, size);
        ck_assert_int_eq(truncate(path, (off_t)size), 0);
        orthsr_status status = subject->open(opened);
        ck_message(status, subject->complete ? path : opened, what);
        ck_assert_msg(status || !subject->complete, "%s: opened", what);
        if (size == 0) break;
    }
    free(path);
}
END_TEST

START_TEST(every_changed_byte_is_survived) {
    static const uint8_t values[] = {0, 0xff, '{', '9', '"'};
    const struct subject *subject = &SUBJECTS[_i];
    char opened[256], what[64];
    char *path = make(subject, opened);
    size_t size, stride = subject->stride * (short_run() ? 61 : 1);
    char *bytes = contents(path, &size);
    if (subject->header) size = subject->header;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    for (size_t i = 0; i < size; i += i < 8 ? 1 : stride) {
        for (size_t v = 0; v < sizeof values; v++) {
            snprintf(what, sizeof what, "%s with byte %zu as 0x%02x", subject->file, i, values[v]);
            ck_assert_int_eq(pwrite(fd, &values[v], 1, (off_t)i), 1);
            ck_message(subject->open(opened), opened, what);
        }
        ck_assert_int_eq(pwrite(fd, bytes + i, 1, (off_t)i), 1);
    }
    ck_assert_int_eq(close(fd), 0);
    ck_ok(subject->open(opened)); /* as it was */
    free(bytes);
    free(path);
}
END_TEST

/* ---- JSON ----------------------------------------------------------------------------------------------------------------- */

/* Must fail, naming the file. */
static void ck_refused(const struct subject *subject, const char *opened, const char *path, const char *text) {
    orthsr_status status = subject->open(opened);
    ck_assert_msg(status != ORTHSR_OK, "'%s' opened where '%s' was expected", path, text);
    ck_message(status, path, text);
    ck_assert_msg(strstr(error.message, text) != NULL, "'%s' does not say '%s'", error.message, text);
}

#define LFS "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"

static const struct {
    const char *content, *text;
} JSON_LIES[] = {
    {"", "is empty"},
    {"   \n", "line 2, column 0"},
    {"[]", "not an object"},
    {"null", "not an object"},
    {"7", "not an object"},
    {"{} {}", "end of file expected"},
    {"{\"a\": 1,}", "line 1"},
    {"{\"a\": 1, \"a\": 2}", "duplicate"},
    {"{\"a\": 1, \"\\u0061\": 2}", "duplicate"},
    {"{\"a\": {\"b\": 1,\n \"b\": 1}}", "line 2, column 4: duplicate"},
    {"{\"a\": [[{\"b\": 1, \"b\": 1}]]}", "duplicate"},
    {"{\"a\": 1e400}", "real number overflow"},
    {"{\"a\": -1e400}", "real number overflow"},
    {"{\"a\": 9223372036854775808}", "too big integer"},
    {"{\"a\": -9223372036854775809}", "too big negative integer"},
    {"{\"a\": NaN}", "invalid token"},
    {"{\"a\": Infinity}", "invalid token"},
    {"{\"a\": 01}", "invalid token"},
    {"{\"a\": -}", "invalid token"},
    {"{\"a\": 0x10}", "expected"},
    {"{\"a\": \"\\u0000\"}", "\\u0000 is not allowed"},
    {"{\"\\u0000\": 1}", "\\u0000"},
    {"{\"a\": \"\\ud800\"}", "invalid Unicode"},
    {"{\"a\": \"\\udc00\"}", "invalid Unicode"},
    {"{\"a\": \"\\ud800\\ud800\"}", "invalid Unicode"},
    {"{\"a\": \"\xff\"}", "unable to decode byte 0xff"},
    {"{\"a\": \"\xed\xa0\x80\"}", "unable to decode byte 0xed"},
    {"{\"a\": \"\xc0\x80\"}", "unable to decode byte 0xc0"},
    {"{\"a\": \"\x1b[2J\"}", "control character 0x1b"},
    {"\x1b]0;title\x07{}", "invalid token near '\\x1b'"},
    {"\xff\xfe{\"a\": 1}", "unable to decode byte 0xff"},
    {"\xef\xbb\xbf{}", "line 1"},
    {LFS, "is a Git LFS pointer"},
};
enum { N_JSON_LIES = sizeof JSON_LIES / sizeof *JSON_LIES };

static bool is_json(const struct subject *subject) { return strstr(subject->file, ".json") != NULL; }

START_TEST(no_json_is_believed) {
    enum { DEPTH = 100000, LARGE = 17 << 20 };
    const struct subject *subject = &SUBJECTS[_i];
    if (!is_json(subject)) return;
    char opened[256];
    char *path = make(subject, opened), *large = malloc(LARGE);
    for (size_t i = 0; i < N_JSON_LIES; i++) {
        put(path, JSON_LIES[i].content, strlen(JSON_LIES[i].content));
        ck_refused(subject, opened, path, JSON_LIES[i].text);
    }
    put(path, "{\"a\0\": 1}", 9);
    ck_refused(subject, opened, path, "line 1, column 3: a zero byte");
    put(path, "{\n\"a\": 5\0}", 10);
    ck_refused(subject, opened, path, "line 2, column 6: a zero byte");
    memcpy(large, "{\"a\":", 5);
    memset(large + 5, '[', DEPTH);
    put(path, large, 5 + DEPTH);
    ck_refused(subject, opened, path, "maximum parsing depth");
    memset(large, ' ', LARGE);
    put(path, large, LARGE);
    ck_refused(subject, opened, path, "such a file has at most");
    free(large);
    free(path);
}
END_TEST

/* One member of a valid file replaced by what it cannot be. */
static const struct {
    const char *subject, *file, *from, *to, *text;
} MEMBER_LIES[] = {
    {"openclip", "open_clip_config.json", "\"width\": 32", "\"width\": -1", "\"width\" must be a non-negative integer"},
    {"openclip", "open_clip_config.json", "\"width\": 32", "\"width\": 32.0", "\"width\" must be a non-negative integer"},
    {"openclip", "open_clip_config.json", "\"width\": 32", "\"width\": true", "\"width\" must be a non-negative integer"},
    {"openclip", "open_clip_config.json", "\"width\": 32", "\"width\": \"32\"", "\"width\" must be a non-negative integer"},
    {"openclip", "open_clip_config.json", "\"width\": 32", "\"width\": 1, \"width\": 32", "duplicate"},
    {"openclip", "open_clip_config.json", "\"width\": 32", "\"width\": 0", "a size of the architecture is 0"},
    {"openclip", "open_clip_config.json", "\"width\": 32", "\"width\": 9223372036854775807", "a size of the architecture is 9223372036854775807"},
    {"openclip", "open_clip_config.json", "\"width\": 32", "\"width\": 16777217", "a size of the architecture is 16777217"},
    {"openclip", "open_clip_config.json", "\"layers\": 2", "\"layers\": 4294967296", "a size of the architecture is 4294967296"},
    {"openclip", "open_clip_config.json", "\"layers\": 2", "\"layers\": [3, 4, 6, 3]", "ResNet"},
    {"openclip", "open_clip_config.json", "\"image_size\": 24", "\"image_size\": 7", "less than patch_size 8"},
    {"openclip", "open_clip_config.json", "\"patch_size\": 8", "\"patch_size\": 0", "a size of the architecture is 0"},
    {"openclip", "open_clip_config.json", "\"head_width\": 8", "\"head_width\": 0", "head_width is 0"},
    {"openclip", "open_clip_config.json", "\"head_width\": 8", "\"head_width\": 9", "not a multiple of its heads"},
    {"openclip", "open_clip_config.json", "\"heads\": 2", "\"heads\": 3", "not a multiple of its heads"},
    {"openclip", "open_clip_config.json", "\"mlp_ratio\": 3.0", "\"mlp_ratio\": -3", "out of range"},
    {"openclip", "open_clip_config.json", "\"mlp_ratio\": 3.0", "\"mlp_ratio\": 1e308", "out of range"},
    {"openclip", "open_clip_config.json", "\"mlp_ratio\": 3.0", "\"mlp_ratio\": [3]", "must be a number"},
    {"openclip", "open_clip_config.json", "\"context_length\": 12", "\"context_length\": 1", "too short"},
    {"openclip", "open_clip_config.json", "\"vision_cfg\": {", "\"vision_cfg\": 7, \"other\": {", "'vision_cfg' is missing"},
    {"openclip", "open_clip_config.json", "\"patch_size\": 8", "\"patch_size\": 8, \"pool_type\": \"\\u001b[2J\"",
     "'pool_type': \"\\u001B[2J\" is not supported"},
    {"openclip", "open_clip_config.json", "      0.2,", "      0,", "std positive"},
    {"openclip", "open_clip_config.json", "      0.2,", "", "a number or three"},
    {"openclip", "open_clip_config.json", "      0.2,", "null,", "a number or three"},
    {"hf", "config.json", "\"hidden_size\": 24", "\"hidden_size\": 0", "a size of the architecture is 0"},
    {"hf", "config.json", "\"hidden_size\": 24", "\"hidden_size\": 2.4e1", "\"hidden_size\" must be a non-negative integer"},
    {"openclip", "open_clip_config.json", "\"eps\": 0.001", "\"eps\": -0.001", "eps is negative"},
    {"openclip", "open_clip_config.json", "\"heads\": 2", "\"heads\": 2, \"norm_kwargs\": 7", "'norm_kwargs' must be an object"},
    {"hf", "config.json", "\"text_config\": {", "\"text_config\": \"\", \"other\": {", "'text_config' must be an object"},
    {"hf", "config.json", "\"vision_config\": {", "\"vision_config\": [], \"other\": {", "'vision_config' must be an object"},
    {"hf", "config.json", "\"num_channels\": 3", "\"num_channels\": 4", "num_channels 4"},
    {"hf", "config.json", "\"hidden_act\": \"quick_gelu\"", "\"hidden_act\": \"\\u202eulg\"", "'\\xe2\\x80\\xaeulg' is not supported"},
    {"hf", "config.json", "\"model_type\": \"clip\"", "\"model_type\": \"siglip\"", "'siglip' is not supported"},
    {"hf", "preprocessor_config.json", "\"resample\": 3", "\"resample\": 3, \"resample\": 3", "duplicate"},
    {"hf", "preprocessor_config.json", "[0.5, 0.5, 0.5]", "[0.5, 0.5, 0.5", "']' expected"},
    {"peft", "adapter_config.json", "\"r\": ", "\"r\": -", "\"r\" must be a non-negative integer"},
    {"peft", "adapter_config.json", "\"r\": ", "\"r\": 1.", "\"r\" must be a non-negative integer"},
    {"peft", "adapter_config.json", "\"r\": ", "\"r\": 9999999999999999999", "too big integer"},
    {"peft", "adapter_config.json", "\"oft_block_size\": ", "\"oft_block_size\": 1", "exactly one of them"},
    {"peft", "adapter_config.json", "\"eps\": ", "\"eps\": -", "must not be negative"},
    {"peft", "adapter_config.json", "\"peft_type\": \"OFT\"", "\"peft_type\": \"\\u0007\"", "is \"\\x07\""},
    {"peft", "adapter_config.json", "\"bias\": \"none\"", "\"bias\": null, \"\\u009b31m\": 1", "\"\\xc2\\x9b31m\" is set"},
};

static const struct subject *subject_of(const char *name, const char *file) {
    size_t i = 0;
    while (i < N_SUBJECTS && (strcmp(SUBJECTS[i].name, name) != 0 || strcmp(SUBJECTS[i].file, file) != 0)) i++;
    ck_assert_uint_lt(i, N_SUBJECTS);
    return &SUBJECTS[i];
}

START_TEST(no_member_is_believed) {
    const struct subject *subject = subject_of(MEMBER_LIES[_i].subject, MEMBER_LIES[_i].file);
    char opened[256];
    size_t size;
    char *path = make(subject, opened), *text = contents(path, &size), *at = strstr(text, MEMBER_LIES[_i].from);
    ck_assert_msg(at != NULL, "'%s' is not in '%s'", MEMBER_LIES[_i].from, path);
    char *lie = orthsr__format("%.*s%s%s", (int)(at - text), text, MEMBER_LIES[_i].to, at + strlen(MEMBER_LIES[_i].from));
    put(path, lie, strlen(lie));
    ck_refused(subject, opened, path, MEMBER_LIES[_i].text);
    free(lie);
    free(text);
    free(path);
}
END_TEST

/* ---- tensors ---------------------------------------------------------------------------------------------------------------- */

static void put_tensors(const char *path, const char *header, size_t length, size_t zeros) {
    char *bytes = calloc(8 + length + zeros, 1);
    ck_assert_ptr_nonnull(bytes);
    for (int i = 0; i < 8; i++) bytes[i] = (char)((uint64_t)length >> 8 * i & 0xff);
    memcpy(bytes + 8, header, length);
    put(path, bytes, 8 + length + zeros);
    free(bytes);
}

#define F32(name, shape, begin, end) "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"
static const struct {
    const char *header;
    size_t zeros;
    const char *text;
} TENSOR_LIES[] = {
    {"{" F32("a", "[2]", "0", "8") "," F32("b", "[2]", "4", "12") "}", 12, "'b' begins at byte 4 of the data, inside one that ends at 8"},
    {"{" F32("b", "[2]", "8", "16") "," F32("a", "[2]", "0", "8") "," F32("c", "[1]", "20", "24") "}", 24, "'c' begins at byte 20 of the data, after a gap"},
    {"{" F32("a", "[2]", "0", "8") "}", 9, "1 bytes follow"},
    {"{" F32("a", "[1073741824,1073741824,1073741824]", "0", "8") "}", 8, "too large"},
    {"{" F32("a", "[4611686018427387904]", "0", "0") "}", 0, "do not hold"},
    {"{" F32("a", "[2]", "9223372036854775800", "9223372036854775807") "}", 8, "data_offsets"},
    {"{" F32("a", "[2]", "0", "9223372036854775808") "}", 8, "too big integer"},
    {"{" F32("a", "[1e0]", "0", "4") "}", 4, "extent 0"},
    {"{" F32("a", "[1]", "0", "4") "," F32("a", "[1]", "4", "8") "}", 8, "duplicate"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "duplicate"},
    {"{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, "duplicate"},
    {"{\"__metadata__\":{\"a\":{\"b\":\"\"}}}", 0, "must be an object of strings"},
    {"{\"a\":{\"dtype\":\"\\u001b[2J\",\"shape\":[1],\"data_offsets\":[0,99]}}", 99, "99 bytes do not hold 1 elements of \\x1b[2J"},
    {"{\"\\u001b[2J\":{}}", 0, "tensor '\\x1b[2J' needs"},
    {"{\"\xff\":{}}", 0, "byte 0xff"},
};
enum { N_TENSOR_LIES = sizeof TENSOR_LIES / sizeof *TENSOR_LIES };

static bool is_tensors(const struct subject *subject) { return strstr(subject->file, ".safetensors") && !is_json(subject); }

START_TEST(no_header_is_believed) {
    static const uint64_t lengths[] = {((uint64_t)16 << 20) + 1, (uint64_t)3 << 30, INT64_MAX, (uint64_t)1 << 63, UINT64_MAX - 7, UINT64_MAX};
    const struct subject *subject = &SUBJECTS[_i];
    if (!is_tensors(subject)) return;
    char opened[256], bytes[64] = {0};
    char *path = make(subject, opened);
    for (size_t i = 0; i < N_TENSOR_LIES; i++) {
        put_tensors(path, TENSOR_LIES[i].header, strlen(TENSOR_LIES[i].header), TENSOR_LIES[i].zeros);
        ck_refused(subject, opened, path, TENSOR_LIES[i].text);
    }
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int b = 0; b < 8; b++) bytes[b] = (char)(lengths[i] >> 8 * b & 0xff);
        put(path, bytes, sizeof bytes);
        ck_refused(subject, opened, path, "claim a header of");
    }
    put(path, LFS, strlen(LFS));
    ck_refused(subject, opened, path, "is a Git LFS pointer");
    free(path);
}
END_TEST

/* A megabyte of name: the file opens, and what refuses the tensor still says why. */
START_TEST(long_names_are_survived) {
    enum { LENGTH = 1 << 20 };
    char *name = malloc(LENGTH + 1);
    memset(name, 'n', LENGTH);
    name[LENGTH] = '\0';
    char *header = orthsr__format("{\"%s\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", name);
    char opened[256];
    char *path = make(subject_of("tensors", "adapter_model.safetensors"), opened);
    put_tensors(path, header, strlen(header), 2);
    ck_ok(open_tensors(path));
    ck_fails(open_model(path), ORTHSR_ERROR_MISMATCH, path);
    free(path);
    const struct subject *peft = subject_of("peft", "adapter_model.safetensors");
    path = make(peft, opened);
    put_tensors(path, header, strlen(header), 2);
    ck_refused(peft, opened, path, "is no OFT parameter");
    free(path);
    /* the same name in two shards */
    const struct subject *shards = subject_of("shards", "model.safetensors.index.json");
    path = make(shards, opened);
    put_tensors(path_in("shards", "b.safetensors"), header, strlen(header), 2);
    put_tensors(path_in("shards", "c.safetensors"), header, strlen(header), 2);
    static const char index[] = "{\"weight_map\": {\"logit_scale\": \"a.safetensors\", \"x\": \"b.safetensors\", \"y\": \"c.safetensors\"}}";
    put(path, index, sizeof index - 1);
    ck_refused(shards, opened, path, "tensor 'x' is not in 'b.safetensors'");
    free(path);
    free(header);
    header = orthsr__format("{\"weight_map\": {\"logit_scale\": \"a.safetensors\", \"%s\": \"b.safetensors\"}}", name);
    path = make(shards, opened);
    put(path, header, strlen(header));
    ck_refused(shards, opened, path, "is not in 'b.safetensors'");
    free(path);
    free(header);
    free(name);
}
END_TEST

START_TEST(many_empty_tensors_are_survived) {
    enum { COUNT = 100000 };
    size_t count = short_run() ? COUNT / 20 : COUNT;
    char *header = malloc(COUNT * 80), *at = header;
    for (size_t i = 0; i < count; i++) at += sprintf(at, "%s\"%zu\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", i ? "," : "{", i);
    at += sprintf(at, "}");
    char opened[256];
    const struct subject *peft = subject_of("peft", "adapter_model.safetensors");
    char *path = make(peft, opened);
    put_tensors(path, header, (size_t)(at - header), 0);
    orthsr__safetensors file;
    ck_ok(orthsr__safetensors_open(&file, path, &error));
    ck_assert_uint_eq(file.count, count);
    ck_assert_ptr_nonnull(orthsr__safetensors_find(&file, "4711"));
    orthsr__safetensors_close(&file);
    ck_refused(peft, opened, path, "is no OFT parameter");
    ck_fails(open_model(path), ORTHSR_ERROR_MISMATCH, path);
    ck_fails(open_adapter(path), ORTHSR_ERROR_FORMAT, path);
    free(path);
    free(header);
}
END_TEST

/* Targets are compared one with another: more than a model can have are refused before that takes long, and are not saved either. */
START_TEST(too_many_targets_are_refused) {
    enum { COUNT = 4097 };
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    char name[32], *metadata = malloc(COUNT * 40), *tensors = malloc(COUNT * 80), *m = metadata, *t = tensors;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_blocks(options, 1, &error));
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    const char *path = path_in("many", "adapter.safetensors");
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "%zu", i);
        if (i == COUNT - 1) {
            ck_ok(orthsr_adapter_save(adapter, path, NULL, &error));
            ck_ok(open_adapter(path));
        }
        ck_ok(orthsr_adapter_add_target(adapter, name, 2, 1, &error));
        m += sprintf(m, ",\"target:%zu\":\"2,1,%zu\"", i, i);
        t += sprintf(t, ",\"%zu.skew\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[%zu,%zu]}", i, 4 * i, 4 * i + 4);
    }
    ck_fails(orthsr_adapter_save(adapter, path, NULL, &error), ORTHSR_ERROR_ARGUMENT, "4097 targets; a file holds at most 4096");
    ck_ok(open_adapter(path)); /* the earlier one is still there */
    char *header = orthsr__format("{\"__metadata__\":{\"format\":\"orthsr-adapter\",\"format_version\":\"1\",\"parametrization\":\"cayley\",\"blocks\":\"1\","
                                  "\"fingerprint\":\"\"%s}%s}",
                                  metadata, tensors);
    put_tensors(path, header, strlen(header), 4 * COUNT);
    ck_fails(open_adapter(path), ORTHSR_ERROR_FORMAT, "has more than 4096 targets");
    ck_message(ORTHSR_ERROR_FORMAT, path, "targets");
    free(header);
    free(metadata);
    free(tensors);
    orthsr_adapter_free(adapter);
    orthsr_adapter_options_free(options);
}
END_TEST

/* So are a PEFT adapter's modules, where no model says how many there are. */
START_TEST(too_many_modules_are_refused) {
    enum { COUNT = 4097 };
    char *header = malloc(COUNT * 128), *at = header, opened[256];
    const struct subject *alone = subject_of("alone", "adapter_model.safetensors");
    char *path = make(alone, opened);
    make_peft_exact("alone");
    for (size_t i = 0; i < COUNT; i++)
        at += sprintf(at, "%s\"vision_model.encoder.layers.%zu.self_attn.q_proj.oft_R.weight\":{\"dtype\":\"F32\",\"shape\":[4,1],\"data_offsets\":[%zu,%zu]}",
                      i ? "," : "{", i, 16 * i, 16 * i + 16);
    at += sprintf(at, "}");
    put_tensors(path, header, (size_t)(at - header), 16 * COUNT);
    ck_refused(alone, opened, path, "adapts more than 4096 modules");
    free(path);
    free(header);
}
END_TEST

/* The address space in use, in bytes. */
static size_t address_space(void) {
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(statm);
    ck_assert_int_eq(fscanf(statm, "%lu", &pages), 1);
    fclose(statm);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Opens path with this much more address space than is in use. */
static orthsr_status open_within(size_t bytes, const char *path) {
    struct rlimit before, limit;
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &before), 0);
    limit = before;
    limit.rlim_cur = address_space() + bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    orthsr_status status = open_tensors(path);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
    return status;
}

/* The longest header, of what takes the most memory when it is parsed: empty objects. Observed: between 80 and 81 times its length. With a fraction of that memory
 * the failure is one of memory, and no crash. */
START_TEST(the_largest_header_takes_bounded_memory) {
    enum { LENGTH = 16 << 20 };
    if (short_run()) return; /* valgrind's own memory would count */
    char *header = malloc(LENGTH);
    memset(header, ' ', LENGTH);
    memcpy(header, "{\"a\":[", 6);
    for (size_t at = 6; at + 5 < LENGTH; at += 3) memcpy(header + at, at + 8 < LENGTH ? "{}," : "{}]", 3);
    header[LENGTH - 1] = '}';
    const char *path = path_in("large", "header.safetensors");
    put_tensors(path, header, LENGTH, 0);
    free(header);
    ck_assert_int_eq(open_within(LENGTH / 2, path), ORTHSR_ERROR_MEMORY); /* not even the file itself */
    ck_message(ORTHSR_ERROR_MEMORY, path, "no room for the file");
    ck_assert_int_eq(open_within((size_t)8 * LENGTH, path), ORTHSR_ERROR_MEMORY);
    ck_assert_int_eq(open_within((size_t)82 * LENGTH, path), ORTHSR_ERROR_FORMAT);
    ck_message(ORTHSR_ERROR_FORMAT, path, "a large header");
    ck_assert_msg(strstr(error.message, "tensor 'a' needs a dtype") != NULL, "%s", error.message);
}
END_TEST

/* ---- shards ----------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *shard, *text;
} SHARD_LIES[] = {
    {"\"model.safetensors.index.json\"", "model.safetensors.index.json"}, /* itself */
    {"\"../hf/model.safetensors\"", "is not a plain file name"},
    {"\"/etc/passwd\"", "is not a plain file name"},
    {"\"x/a.safetensors\"", "is not a plain file name"},
    {"\"..\"", "is not a plain file name"},
    {"\".\"", "is not a plain file name"},
    {"\".hidden.safetensors\"", "is not a plain file name"},
    {"\"\"", "is not a plain file name"},
    {"7", "is not a plain file name"},
    {"null", "is not a plain file name"},
    {"[\"a.safetensors\"]", "is not a plain file name"},
    {"\"missing.safetensors\"", "missing.safetensors"},
    {"\"\\u001b[2J.safetensors\"", "\\x1b[2J.safetensors"},
    {"\"folder\"", "folder' is not a regular file"},
    {"\"loop\"", "loop"},
    {"\"empty\"", "it has 0 bytes"},
    {"\"config.json\"", "claim a header of"},
    {"\"b.safetensors\"", "tensor 'logit_scale' is not in 'b.safetensors'"},
};

START_TEST(no_index_is_believed) {
    const struct subject *subject = subject_of("shards", "model.safetensors.index.json");
    char opened[256];
    char *path = make(subject, opened);
    ck_ok(orthsr__make_directory(path_in("shards", "folder"), &error));
    const char *loop = path_in("shards", "loop");
    ck_assert(symlink("loop", loop) == 0 || access(loop, F_OK) != 0); /* it may be there already */
    put(path_in("shards", "empty"), "", 0);
    char *index = orthsr__format("{\"weight_map\": {\"logit_scale\": %s}}", SHARD_LIES[_i].shard);
    put(path, index, strlen(index));
    ck_message(open_model(opened), opened, SHARD_LIES[_i].shard);
    ck_assert_msg(strstr(error.message, SHARD_LIES[_i].text) != NULL, "'%s' does not say '%s'", error.message, SHARD_LIES[_i].text);
    put(path, "{\"weight_map\": []}", 18);
    ck_refused(subject, opened, path, "'weight_map' is missing");
    put(path, "{}", 2);
    ck_refused(subject, opened, path, "'weight_map' is missing");
    put(path, "{\"weight_map\": {}}", 18);
    ck_refused(subject, opened, path, "'weight_map' names no tensor");
    free(index);
    free(path);
}
END_TEST

/* ---- class names ------------------------------------------------------------------------------------------------------------ */

START_TEST(no_class_list_is_believed) {
    enum { LONG = 1 << 20 };
    const struct subject *subject = subject_of("idx", "classes.txt");
    char opened[256];
    char *path = make(subject, opened), *text = malloc(LONG);
    put(path, "", 0);
    ck_refused(subject, opened, path, "names no class");
    put(path, "\n \r\n\t\n", 6);
    ck_refused(subject, opened, path, "names no class");
    put(path, "coat\0\nshoe\n", 11);
    ck_refused(subject, opened, path, "it has a zero byte");
    put(path, "coat\n\nshoe\n", 11);
    ck_refused(subject, opened, path, "the name of class 1 is missing or empty");
    put(path, "coat\ncoat \r\n", 12);
    ck_refused(subject, opened, path, "two classes are called 'coat'");
    put(path, "coat\n", 5);
    ck_refused(subject, opened, path, "item 1 has label 1, but there are 1 classes");
    put(path, "\x1b[2J\n\x1b[2J\n", 10);
    ck_refused(subject, opened, path, "two classes are called '\\x1b[2J'");
    memset(text, 'a', LONG);
    text[LONG / 2 - 1] = text[LONG - 1] = '\n';
    put(path, text, LONG);
    ck_refused(subject, opened, path, "two classes are called");
    memset(text, '\n', LONG);
    text[LONG - 1] = 'a';
    put(path, text, LONG);
    ck_refused(subject, opened, path, "the name of class 0 is missing or empty");
    ck_assert_int_eq(truncate(path, (16 << 20) + 1), 0);
    ck_refused(subject, opened, path, "has 16777217 bytes; such a file has at most 16777216");
    put(path, LFS, strlen(LFS));
    ck_ok(subject->open(opened)); /* three names like any others */
    free(text);
    free(path);
}
END_TEST

/* ---- what is no file ---------------------------------------------------------------------------------------------------------- */

/* A directory, a link that leads to itself, and a file that may not be read, in the place of each file that cannot be done without. */
START_TEST(what_is_no_file_is_refused) {
    const struct subject *subject = &SUBJECTS[_i];
    bool optional = strcmp(subject->file, "preprocessor_config.json") == 0;
    char opened[256];
    char *path = make(subject, opened);
    ck_assert_int_eq(chmod(path, 0), 0);
    if (geteuid() != 0) {
        ck_assert_int_eq(subject->open(opened), ORTHSR_ERROR_IO);
        ck_message(ORTHSR_ERROR_IO, path, "no permission");
    }
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(symlink(strrchr(path, '/') + 1, path), 0);
    ck_assert_int_lt(subject->open(opened), 0);
    ck_message(ORTHSR_ERROR_IO, opened, "a link to itself");
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    ck_assert_int_lt(subject->open(opened), 0);
    ck_message(ORTHSR_ERROR_IO, opened, "a directory");
    ck_assert_int_eq(rmdir(path), 0);
    orthsr_status status = subject->open(opened);
    ck_assert(!status == optional);
    ck_message(status, opened, "nothing");
    free(path);
}
END_TEST

static TCase *damage_case(void) {
    TCase *tcase = tcase_create("damage");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, open_base, close_base);
    tcase_add_loop_test(tcase, every_cut_is_survived, 0, N_SUBJECTS);
    tcase_add_loop_test(tcase, every_changed_byte_is_survived, 0, N_SUBJECTS);
    return tcase;
}

static TCase *lies_case(void) {
    TCase *tcase = tcase_create("lies");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, open_base, close_base);
    tcase_add_loop_test(tcase, no_json_is_believed, 0, N_SUBJECTS);
    tcase_add_loop_test(tcase, no_member_is_believed, 0, sizeof MEMBER_LIES / sizeof *MEMBER_LIES);
    tcase_add_loop_test(tcase, no_header_is_believed, 0, N_SUBJECTS);
    tcase_add_test(tcase, long_names_are_survived);
    tcase_add_test(tcase, many_empty_tensors_are_survived);
    tcase_add_test(tcase, too_many_targets_are_refused);
    tcase_add_test(tcase, too_many_modules_are_refused);
    tcase_add_test(tcase, the_largest_header_takes_bounded_memory);
    tcase_add_loop_test(tcase, no_index_is_believed, 0, sizeof SHARD_LIES / sizeof *SHARD_LIES);
    tcase_add_test(tcase, no_class_list_is_believed);
    tcase_add_loop_test(tcase, what_is_no_file_is_refused, 0, N_SUBJECTS);
    return tcase;
}

TEST_MAIN("hostile", damage_case, lies_case)
