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

/* Under valgrind positions are sampled. */
static bool is_short(void) { return getenv("ORTHSR_TEST_SHORT") != NULL; }

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
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)error.message;
    for (utf8proc_ssize_t n; *at; at += n) {
        utf8proc_int32_t character;
        n = utf8proc_iterate(at, -1, &character);
        ck_assert_msg(n > 0 && character >= 0x20 && !(character >= 0x7f && character < 0xa0), "%s: no plain text: '%s'", what, error.message);
    }
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

static orthsr_status open_adapter(const char *path) {
    orthsr_adapter *adapter;
    orthsr_status status = orthsr_adapter_load(&adapter, path, &error);
    ck_assert(!adapter == (status != ORTHSR_OK));
    orthsr_adapter_free(adapter);
    return status;
}

static orthsr_status open_for_base(const char *path) {
    orthsr_adapter *adapter;
    orthsr_status status = orthsr_model_adapter_load(base, &adapter, path, &error);
    ck_assert(!adapter == (status != ORTHSR_OK));
    orthsr_adapter_free(adapter);
    return status;
}

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

static void make_adapter_of(const char *directory, orthsr_parametrization parametrization) {
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    float parameters[64] = {0.25f, -0.5f};
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, parametrization, &error));
    ck_ok(orthsr_adapter_options_set_blocks(options, 2, &error));
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    ck_ok(orthsr_adapter_add_target(adapter, "image.0.fc1", 4, 8, &error));
    ck_ok(orthsr_adapter_add_target(adapter, "text.0.q", 8, 8, &error));
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, orthsr_adapter_parameter_count(adapter), &error));
    ck_ok(orthsr_adapter_save(adapter, path_in(directory, "adapter.safetensors"), "orthsr1:0011223344556677", &error));
    orthsr_adapter_free(adapter);
    orthsr_adapter_options_free(options);
}

static void make_cayley(const char *directory) { make_adapter_of(directory, ORTHSR_CAYLEY); }
static void make_free(const char *directory) { make_adapter_of(directory, ORTHSR_FREE); }

static void make_array(const char *directory) {
    ck_ok(orthsr_array_write(path_in(directory, "array.npy"), (const float[]){1, 2, 3, 4, 5, 6}, (const size_t[]){2, 3}, 2, &error));
}

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
    {"hf", make_huggingface, "config.json", open_model, false, false, 0, 5},
    {"hf", make_huggingface, "preprocessor_config.json", open_model, false, false, 0, 2},
    {"openclip", make_open_clip, "open_clip_model.safetensors", open_model, false, true, 4728, 23},
    {"openclip", make_open_clip, "open_clip_config.json", open_model, false, false, 0, 1},
    {"openai", make_openai, "model.safetensors", open_model, false, true, 4952, 41},
    {"shards", make_shards, "b.safetensors", open_model, false, true, 0, 1},
    {"shards", make_shards, "model.safetensors.index.json", open_model, false, false, 0, 1},
    {"cayley", make_cayley, "adapter.safetensors", open_adapter, false, true, 0, 1},
    {"free", make_free, "adapter.safetensors", open_adapter, true, true, 0, 1},
    {"peft", make_peft_exact, "adapter_model.safetensors", open_for_base, false, true, 0, 1},
    {"peft", make_peft_exact, "adapter_config.json", open_for_base, false, false, 0, 1},
    {"series", make_peft_series, "adapter_model.safetensors", open_for_base, false, true, 0, 3},
    {"series", make_peft_series, "adapter_config.json", open_for_base, false, false, 0, 1},
    {"old", make_peft_old, "adapter_model.safetensors", open_for_base, false, true, 2000, 7},
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
    size_t dense = is_short() ? 61 : subject->header ? 5 : 1;
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
    size_t size, stride = subject->stride * (is_short() ? 61 : 1);
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

static TCase *damage_case(void) {
    TCase *tcase = tcase_create("damage");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, open_base, close_base);
    tcase_add_loop_test(tcase, every_cut_is_survived, 0, N_SUBJECTS);
    tcase_add_loop_test(tcase, every_changed_byte_is_survived, 0, N_SUBJECTS);
    return tcase;
}

TEST_MAIN("hostile", damage_case)
