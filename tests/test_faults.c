/* test_faults.c - every call on a file fails once, in every way such a call can fail: what was there before stays, byte for byte, nothing half written is left,
 * and the message names a file and the system's reason.
 *
 * A scenario fills a directory with earlier files, then calls the library, or runs the tool, with calls counted by tests/faults/shim.c: those on files below
 * that directory. What a call could meet is noted in a run without a fault; each is then a point. After a point the directory holds what it held before (the
 * call failed), or what the run without a fault made of it (it succeeded). ORTHSR_TEST_FULL: every point; else some, about ten seconds' worth.
 *
 * To add a scenario: a function like save_adapter() that writes below `work` what depends on `adapter`, and a line in SCENARIOS.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <zlib.h>

#include "base/file.h"
#include "faults/shim.h"
#include "util/tiny.h"

static orthsr_error error;

/* ---- what lies in a directory ----------------------------------------------------------------------------------------------- */

enum { MOST_FILES = 64 };

typedef struct content {
    char name[128];
    char *bytes; /* NULL: a directory */
    size_t size;
} content;

typedef struct snapshot {
    content file[MOST_FILES];
    size_t count;
} snapshot;

static void forget(snapshot *s) {
    for (size_t i = 0; i < s->count; i++) free(s->file[i].bytes);
    s->count = 0;
}

static void add_files(snapshot *s, const char *root, const char *below) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, below);
    DIR *stream = opendir(path);
    if (!stream) return;
    for (const struct dirent *entry; (entry = readdir(stream));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        ck_assert_uint_lt(s->count, MOST_FILES);
        size_t i = s->count++;
        snprintf(s->file[i].name, sizeof s->file[i].name, "%s%s%s", below, *below ? "/" : "", entry->d_name);
        snprintf(path, sizeof path, "%s/%s", root, s->file[i].name);
        struct stat info;
        ck_assert_int_eq(lstat(path, &info), 0);
        s->file[i].bytes = NULL;
        if (S_ISDIR(info.st_mode)) {
            add_files(s, root, s->file[i].name);
            continue;
        }
        s->file[i].size = (size_t)info.st_size;
        s->file[i].bytes = malloc(s->file[i].size + 1);
        int fd = open(path, O_RDONLY);
        ck_assert(fd >= 0 && read(fd, s->file[i].bytes, s->file[i].size) == info.st_size);
        close(fd);
    }
    closedir(stream);
}

static snapshot look(const char *root) {
    snapshot s = {0};
    add_files(&s, root, "");
    return s;
}

static void empty(const char *root) {
    snapshot s = look(root);
    char path[512];
    for (size_t i = s.count; i-- > 0;) {
        snprintf(path, sizeof path, "%s/%s", root, s.file[i].name);
        ck_assert_int_eq(remove(path), 0);
    }
    rmdir(root);
    forget(&s);
}

static void restore(const char *root, const snapshot *s) {
    char path[512];
    empty(root);
    ck_assert_int_eq(mkdir(root, 0777), 0);
    for (size_t i = 0; i < s->count; i++) {
        snprintf(path, sizeof path, "%s/%s", root, s->file[i].name);
        if (!s->file[i].bytes) {
            ck_assert_int_eq(mkdir(path, 0777), 0);
            continue;
        }
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
        ck_assert(fd >= 0 && write(fd, s->file[i].bytes, s->file[i].size) == (ssize_t)s->file[i].size);
        close(fd);
    }
}

/* A run's own account of itself, with times in it, from its first step on, and the pictures for it; the tests of the tool look into these. */
static bool is_account(const content *file) {
    return strstr(file->name, "result.json") || strstr(file->name, "log.jsonl") || strstr(file->name, "run/checkpoint") || strstr(file->name, "report.html") ||
           strstr(file->name, "shots/");
}
static bool is_temporary(const content *file) { return strstr(file->name, ".tmp-") != NULL; }

static bool has(const snapshot *s, const content *file) {
    for (size_t i = 0; i < s->count; i++) {
        const content *own = &s->file[i];
        if (strcmp(own->name, file->name) != 0) continue;
        if (!own->bytes || !file->bytes) return false;
        return own->size == file->size && memcmp(own->bytes, file->bytes, own->size) == 0;
    }
    return false;
}

/* Every file of a is one of b or c; directories and accounts do not count. */
static bool within(const snapshot *a, const snapshot *b, const snapshot *c) {
    for (size_t i = 0; i < a->count; i++)
        if (a->file[i].bytes && !is_account(&a->file[i]) && !has(b, &a->file[i]) && !has(c, &a->file[i])) return false;
    return true;
}

static bool equal(const snapshot *a, const snapshot *b) { return within(a, b, b) && within(b, a, a); }

/* Every file of a is still there, as in b or in c. */
static bool survives(const snapshot *a, const snapshot *b, const snapshot *c, const snapshot *now) {
    for (size_t i = 0; i < a->count; i++) {
        bool found = !a->file[i].bytes || is_account(&a->file[i]);
        for (size_t k = 0; k < now->count && !found; k++)
            found = strcmp(now->file[k].name, a->file[i].name) == 0 && (has(b, &now->file[k]) || has(c, &now->file[k]));
        if (!found) return false;
    }
    return true;
}

/* ---- scenarios ----------------------------------------------------------------------------------------------------------------- */

static orthsr_model *tiny;
static orthsr_adapter *adapter;
static int turned; /* the adapter: 1 as of an earlier run, 2 as of the one that is tried */
static char work[300];

/* What is happening: for the tool, which counts calls itself. */
static struct {
    fault kind;
    long at;
    shim_report report;
} point;

static const char *in_work(const char *name) {
    static char path[4][400];
    static unsigned turn;
    snprintf(path[turn % 4], sizeof path[0], "%s/%s", work, name);
    return path[turn++ % 4];
}

static orthsr_status save_adapter(void) { return orthsr_adapter_save(adapter, in_work("adapter"), NULL, &error); }
static orthsr_status save_file(void) { return orthsr_adapter_save(adapter, in_work("a.safetensors"), NULL, &error); }
static orthsr_status export_peft(void) { return orthsr_model_adapter_export_peft(tiny, adapter, in_work("peft"), &error); }
static orthsr_status merge(void) { return orthsr_model_merge(tiny, adapter, in_work("merged"), NULL, &error); }
static orthsr_status unmerge(void) { return orthsr_model_unmerge(tiny, adapter, in_work("unmerged"), NULL, &error); }
static orthsr_status save_scaled(void) {
    orthsr_adapter *half;
    orthsr_status status = orthsr_adapter_scaled(&half, adapter, 0.5f, &error);
    if (!status) status = orthsr_adapter_save(half, in_work("half.safetensors"), NULL, &error);
    orthsr_adapter_free(half);
    return status;
}

static orthsr_status save_prompt(void) {
    orthsr_prompt *prompt;
    orthsr_status status = orthsr_prompt_new(&prompt, tiny, NULL, &error);
    if (status) return status;
    float *context = floats(orthsr_prompt_parameter_count(prompt), turned, 3);
    status = orthsr_prompt_set_parameters(prompt, context, orthsr_prompt_parameter_count(prompt), &error);
    if (!status) status = orthsr_prompt_save(prompt, in_work("prompt"), &error);
    free(context);
    orthsr_prompt_free(prompt);
    return status;
}

static orthsr_status export_gguf(void) { return orthsr_model_export_gguf(tiny, adapter, ORTHSR_GGUF_F32, in_work("m.gguf"), NULL, &error); }
static orthsr_status export_half_gguf(void) { return orthsr_model_export_gguf(tiny, adapter, ORTHSR_GGUF_F16, in_work("m.gguf"), NULL, &error); }

static orthsr_dataset *items;
static fixture tiny_fixture;

/* A run's state into the file or out of it. */
static orthsr_status with_trainer_of(const orthsr_dataset *images, orthsr_status (*act)(orthsr_trainer *, const char *), const char *name, uint64_t seed) {
    orthsr_trainer *trainer;
    orthsr_trainer_options *options;
    orthsr_status status = orthsr_trainer_options_new(&options, &error);
    if (!status) status = orthsr_trainer_options_set_threads(options, 1, &error);
    if (!status) status = orthsr_trainer_options_set_readers(options, 0, &error); /* one after the other, so that the i-th is always the same */
    if (!status) status = orthsr_trainer_options_set_seed(options, seed, &error);
    if (!status) status = orthsr_trainer_new(&trainer, tiny, adapter, images, options, &error);
    if (!status) {
        status = act(trainer, in_work(name));
        orthsr_trainer_free(trainer);
    }
    orthsr_trainer_options_free(options);
    return status;
}

static orthsr_status with_trainer(orthsr_status (*act)(orthsr_trainer *, const char *), const char *name, uint64_t seed) {
    return with_trainer_of(items, act, name, seed);
}

static orthsr_status save(orthsr_trainer *trainer, const char *path) { return orthsr_trainer_save(trainer, path, "a line of the caller's", &error); }
static orthsr_status load(orthsr_trainer *trainer, const char *path) {
    char *text;
    orthsr_status status = orthsr_trainer_load(trainer, path, &text, &error);
    if (!status) orthsr_free(text);
    return status;
}

/* Written over the one before, which is kept. */
static orthsr_status save_checkpoint(void) { return with_trainer(save, "checkpoint", (uint64_t)turned); }

static orthsr_status write_array(void) {
    const float value[2] = {(float)turned, 1};
    const size_t shape[] = {2};
    return orthsr_array_write(in_work("a.npy"), value, shape, 1, &error);
}

/* ---- what only reads ---- */

static void copy(const char *from, const char *name) {
    orthsr__mapping file;
    ck_ok(orthsr__map(&file, from, &error));
    ck_ok(orthsr__write_file(in_work(name), file.data, file.size, &error));
    orthsr__unmap(&file);
}

static void an_adapter(void) { ck_ok(save_adapter()); }
static void a_model(void) {
    copy(TINY_MODEL "/config.json", "config.json");
    copy(TINY_MODEL "/model.safetensors", "model.safetensors");
    copy(TINY_MODEL "/vocab.json", "vocab.json");
    copy(TINY_MODEL "/merges.txt", "merges.txt");
}
static void a_prompt(void) { ck_ok(save_prompt()); }
static void an_array(void) { ck_ok(write_array()); }
static void a_peft_adapter(void) { ck_ok(export_peft()); }
/* Of turns 0 and 1, the later one with another seed. */
static void two_checkpoints(void) {
    int now = turned;
    for (turned = 0; turned <= now; turned++) ck_ok(save_checkpoint());
    turned = now;
}
static void a_vocabulary(void) { copy("tests/data/tokens/simple/bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt.gz"); }

static void idx_files(void) {
    static const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6}, labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 1, 0};
    ck_ok(orthsr__write_file(in_work("train-images-idx3-ubyte"), images, sizeof images, &error));
    gzFile file = gzopen(in_work("train-labels-idx1-ubyte.gz"), "wb");
    ck_assert(file && gzwrite(file, labels, sizeof labels) == sizeof labels && gzclose(file) == Z_OK);
    ck_ok(orthsr__write_file(in_work("classes.txt"), "cat\ndog\n", 8, &error));
}

static void folders(void) {
    static const char *const names[] = {"train", "train/a", "train/b"};
    for (size_t i = 0; i < 3; i++) ck_ok(orthsr__make_directory(in_work(names[i]), &error));
    copy("tests/data/images/rgb8.png", "train/a/1.png");
    copy("tests/data/images/rgb.jpg", "train/b/1.jpg");
}

static void aircraft(void) {
    ck_ok(orthsr__make_directory(in_work("images"), &error));
    copy("tests/data/images/rgb.jpg", "images/0001.jpg");
    copy("tests/data/images/ycc420.jpg", "images/0002.jpg");
    ck_ok(orthsr__write_file(in_work("variants.txt"), "707-320\nA380\n", 13, &error));
    ck_ok(orthsr__write_file(in_work("images_variant_train.txt"), "0001 A380\n0002 707-320\n", 23, &error));
}

static orthsr_status load_adapter(void) {
    orthsr_adapter *loaded;
    orthsr_status status = orthsr_adapter_load(&loaded, in_work("adapter"), &error);
    orthsr_adapter_free(loaded);
    return status;
}

static orthsr_status open_model(void) {
    orthsr_model *model;
    orthsr_status status = orthsr_model_open(&model, work, &error);
    orthsr_model_free(model);
    return status;
}

/* Its weights too are read, and not mapped. */
static orthsr_status read_model(void) {
    orthsr_model *model;
    orthsr_model_options *options;
    orthsr_status status = orthsr_model_options_new(&options, &error);
    if (!status) status = orthsr_model_options_set_map(options, 0, &error);
    if (!status) {
        status = orthsr_model_open_with(&model, work, options, &error);
        orthsr_model_free(model);
    }
    orthsr_model_options_free(options);
    return status;
}

static orthsr_status load_prompt(void) {
    orthsr_prompt *prompt;
    orthsr_status status = orthsr_prompt_load(&prompt, tiny, in_work("prompt"), &error);
    orthsr_prompt_free(prompt);
    return status;
}

static orthsr_status load_peft(void) {
    orthsr_adapter *loaded;
    orthsr_status status = orthsr_model_adapter_load(tiny, &loaded, in_work("peft"), &error);
    orthsr_adapter_free(loaded);
    return status;
}

static orthsr_status load_checkpoint(void) { return with_trainer(load, "checkpoint", 1); }
static orthsr_status load_previous(void) { return with_trainer(load, "checkpoint.previous", 0); }

static orthsr_status read_array(void) {
    float *values;
    size_t shape[ORTHSR_ARRAY_MAX_RANK], rank;
    orthsr_status status = orthsr_array_read(&values, shape, &rank, in_work("a.npy"), &error);
    orthsr_free(values);
    return status;
}

static orthsr_status open_tokenizer(void) {
    orthsr_tokenizer *tokenizer;
    orthsr_status status = orthsr_tokenizer_open(&tokenizer, work, &error);
    orthsr_tokenizer_free(tokenizer);
    return status;
}

static orthsr_status open_dataset(void) {
    orthsr_dataset *dataset;
    orthsr_status status = orthsr_dataset_open(&dataset, work, "train", &error);
    for (size_t i = 0; !status && i < orthsr_dataset_count(dataset); i++) status = orthsr_dataset_check_item(dataset, i, 1, &error);
    orthsr_dataset_free(dataset);
    return status;
}

/* A list whose images lie in a directory beside it, one of them within a larger file. */
static void a_manifest(void) {
    folders();
    static const char lines[] = "train/a/1.png\tcat\ntrain/b/1.jpg\tdog\ntrain/a/1.png\tcat\t0\t1843\n";
    ck_ok(orthsr__write_file(in_work("list.tsv"), lines, sizeof lines - 1, &error));
}

/* Its lines and images, one by one and by a reader. */
static orthsr_status read_manifest(void) {
    orthsr_dataset *dataset;
    orthsr_reader *reader = NULL;
    float *pixels = floats(3 * 3 * orthsr_model_image_size(tiny) * orthsr_model_image_size(tiny), 0, 1);
    orthsr_status status = orthsr_dataset_open(&dataset, in_work("list.tsv"), NULL, &error);
    for (size_t i = 0; !status && i < orthsr_dataset_count(dataset); i++) {
        char *name;
        status = orthsr_dataset_copy_item_name(dataset, i, &name, &error);
        if (!status) orthsr_free(name);
        if (!status) status = orthsr_dataset_check_item(dataset, i, 1, &error);
    }
    size_t found[3], n;
    if (!status) status = orthsr_reader_new(&reader, dataset, tiny, 0, 3, &error);
    if (!status) status = orthsr_reader_set_threads(reader, 0, &error);
    if (!status) status = orthsr_reader_next(reader, pixels, found, 3, &n, &error);
    orthsr_reader_free(reader);
    orthsr_dataset_free(dataset);
    free(pixels);
    return status;
}

/* Every step reads its images. */
static orthsr_status two_steps(orthsr_trainer *trainer, const char *unused) {
    (void)unused;
    orthsr_status status = orthsr_trainer_step(trainer, &error);
    return status ? status : orthsr_trainer_step(trainer, &error);
}

static orthsr_status train_from_files(void) {
    orthsr_dataset *dataset;
    orthsr_status status = orthsr_dataset_open(&dataset, in_work("list.tsv"), NULL, &error);
    if (!status) status = with_trainer_of(dataset, two_steps, "", 1);
    orthsr_dataset_free(dataset);
    return status;
}

/* A view of a view of it, and one image's pixels. */
static orthsr_status read_view(void) {
    orthsr_dataset *dataset, *part = NULL, *one = NULL;
    const size_t last = 1;
    float *pixels = floats(3 * orthsr_model_image_size(tiny) * orthsr_model_image_size(tiny), 0, 1);
    orthsr_status status = orthsr_dataset_open(&dataset, work, "train", &error);
    if (!status) status = orthsr_dataset_subset(&part, dataset, &last, 1, &error);
    if (!status) status = orthsr_dataset_select(&one, part, orthsr_dataset_label(part, 0), 1, &error);
    if (!status) status = orthsr_dataset_pixels(one, 0, tiny, pixels, &error);
    orthsr_dataset_free(one);
    orthsr_dataset_free(part);
    orthsr_dataset_free(dataset);
    free(pixels);
    return status;
}

/* ---- the tool, with the shim as LD_PRELOAD ---- */

/* Arguments as the shell reads them. */
__attribute__((format(printf, 1, 2))) static orthsr_status tool(const char *format, ...) {
    char arguments[1600], command[2400], report[300];
    const char *program = getenv("ORTHSR"), *shim = getenv("ORTHSR_SHIM");
    va_list list;
    va_start(list, format);
    vsnprintf(arguments, sizeof arguments, format, list);
    va_end(list);
    snprintf(report, sizeof report, "%s-report", work);
    snprintf(command, sizeof command, "ORTHSR_FAULT='%d %ld %s %s' LD_PRELOAD=%s %s %s >/dev/null 2>%s-stderr", point.kind, point.at, report, work,
             shim ? shim : "build/tests/faults.so", program ? program : "build/bin/orthsr", arguments, work);
    int status = system(command);
    snprintf(command, sizeof command, "%s-stderr", work);
    FILE *file = fopen(command, "r");
    ck_assert_ptr_nonnull(file);
    error.message[fread(error.message, 1, sizeof error.message - 1, file)] = '\0';
    fclose(file);
    file = fopen(report, "r");
    ck_assert(file && fread(&point.report, sizeof point.report, 1, file) == 1);
    fclose(file);
    remove(report);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) < 126, "the tool ended with status %d: %s", status, error.message);
    return WEXITSTATUS(status) ? ORTHSR_ERROR_IO : ORTHSR_OK;
}

static orthsr_status train_into(const char *name, const char *more) {
    return tool("train --model " TINY_MODEL " --data %s-images --shots 1 --epochs 2 --threads 1 %s --out %s", work, more, in_work(name));
}

static orthsr_status train_run(void) { return train_into("run", turned > 1 ? "--checkpoint-every 1 --lr 2" : "--checkpoint-every 1 --lr 1"); }

/* A run that was stopped before its first step: what it had come to afterwards is taken away. */
static void a_stopped_run(void) {
    ck_ok(train_into("run", "--checkpoint-every 0"));
    ck_assert_int_eq(rename(in_work("run/checkpoint.previous"), in_work("run/checkpoint")), 0);
    ck_assert(remove(in_work("run/adapter/adapter.safetensors")) == 0 && remove(in_work("run/result.json")) == 0);
}
static orthsr_status resume_run(void) { return train_into("run", "--checkpoint-every 0 --resume"); }

static void two_runs(void) {
    ck_ok(train_into("first", "--lr 1"));
    ck_ok(train_into("second", "--lr 2"));
}
static orthsr_status compare_runs(void) { return tool("report %s %s --out %s", in_work("first"), in_work("second"), in_work("compared.html")); }

static orthsr_status merge_files(void) { return tool("merge --model %s --adapter %s --out %s", work, in_work("adapter"), in_work("merged")); }
static orthsr_status convert_files(void) { return tool("convert --to gguf --model %s --adapter %s --out %s", work, in_work("adapter"), in_work("m.gguf")); }
static void a_model_and_an_adapter(void) {
    a_model();
    an_adapter();
}

/* Of images beside the directory that is looked at. turned: other ones. */
static orthsr_status measure(void) {
    return tool("evaluate --model " TINY_MODEL " --threads 1 --protocol all --data %s-images/%s --out %s --csv %s", work, turned > 1 ? "train" : "more",
                in_work("measured"), in_work("table.csv"));
}
static orthsr_status predict(void) {
    return tool("zeroshot --model " TINY_MODEL " --threads 1 --data %s-images/%s --predictions %s", work, turned > 1 ? "train" : "more",
                in_work("predictions.csv"));
}
static orthsr_status explain(void) {
    return tool("explain --model " TINY_MODEL " --threads 1 --data %s-images/train --image %s-images/train/%s --out %s", work, work,
                turned > 1 ? "a/1.png" : "b/1.jpg", in_work("seen.png"));
}

static orthsr_status embed_file(void) {
    return tool("embed --model " TINY_MODEL " --threads 1 --images %s-images/train/%s --out %s", work, turned > 1 ? "a/1.png" : "b/1.jpg", in_work("e.npy"));
}

/* A file for each of three images, of which two cannot be read. */
static orthsr_status embed_rows(void) {
    return tool("embed --model " TINY_MODEL " --threads 1 --readers 0 --rows 1 --data %s-images/list.tsv --out %s", work, in_work("rows"));
}
static void no_rows(void) {}
static void two_rows(void) {
    ck_ok(embed_rows());
    ck_assert_int_eq(remove(in_work("rows/00000000.npy")), 0);
}

static const struct scenario {
    const char *name;
    orthsr_status (*act)(void);
    void (*files)(void); /* what lies there; NULL: nothing, and then what it wrote with another adapter */
    enum { WRITES, READS, TOOL_WRITES } kind;
} SCENARIOS[] = {
    {"adapter into a directory", save_adapter, NULL, WRITES},
    {"adapter into a file", save_file, NULL, WRITES},
    {"scaled adapter", save_scaled, NULL, WRITES},
    {"prompt", save_prompt, NULL, WRITES},
    {"npy", write_array, NULL, WRITES},
    {"PEFT", export_peft, NULL, WRITES},
    {"merge", merge, NULL, WRITES},
    {"unmerge", unmerge, NULL, WRITES},
    {"GGUF", export_gguf, NULL, WRITES},
    {"GGUF, float16", export_half_gguf, NULL, WRITES},
    {"checkpoint", save_checkpoint, NULL, WRITES},
    {"checkpoint over two", save_checkpoint, two_checkpoints, WRITES},
    {"checkpoint, read", load_checkpoint, two_checkpoints, READS},
    {"checkpoint before, read", load_previous, two_checkpoints, READS},
    {"adapter, read", load_adapter, an_adapter, READS},
    {"PEFT, read", load_peft, a_peft_adapter, READS},
    {"prompt, read", load_prompt, a_prompt, READS},
    {"npy, read", read_array, an_array, READS},
    {"model, mapped", open_model, a_model, READS},
    {"model, read", read_model, a_model, READS},
    {"vocabulary, read", open_tokenizer, a_vocabulary, READS},
    {"IDX, read", open_dataset, idx_files, READS},
    {"folders, read", open_dataset, folders, READS},
    {"view of folders, read", read_view, folders, READS},
    {"view of aircraft, read", read_view, aircraft, READS},
    {"manifest, read", read_manifest, a_manifest, READS},
    {"manifest, trained from", train_from_files, a_manifest, READS},
    {"orthsr train", train_run, NULL, TOOL_WRITES},
    {"orthsr train --resume", resume_run, a_stopped_run, TOOL_WRITES},
    {"orthsr embed", embed_file, NULL, TOOL_WRITES},
    {"orthsr embed --data", embed_rows, no_rows, TOOL_WRITES},
    {"orthsr embed --data, gone on with", embed_rows, two_rows, TOOL_WRITES},
    {"orthsr evaluate", measure, NULL, TOOL_WRITES},
    {"orthsr zeroshot", predict, NULL, TOOL_WRITES},
    {"orthsr explain", explain, NULL, TOOL_WRITES},
    {"orthsr merge", merge_files, a_model_and_an_adapter, TOOL_WRITES},
    {"orthsr convert", convert_files, a_model_and_an_adapter, TOOL_WRITES},
    {"orthsr report", compare_runs, two_runs, TOOL_WRITES},
};
enum { SCENARIO_COUNT = sizeof SCENARIOS / sizeof *SCENARIOS };

/* ---- every call -------------------------------------------------------------------------------------------------------------- */

static const char *const FAULT_NAMES[FAULTS] = {"full disk",   "disk full from here on", "I/O error", "read-only from here on", "too many files", "no answer",
                                                "interrupted", "no second names",        "short",     "directory gone"};
static const int ERRORS[FAULTS] = {ENOSPC, ENOSPC, EIO, EROFS, EMFILE, EACCES, EINTR, EPERM, 0, ENOENT};

static struct totals { long points, failed; } * totals;

static long problems;

static void turn(int to) {
    turned = to;
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, 0.1 * to, 7);
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    free(parameters);
}

static orthsr_status run(const struct scenario *s, fault kind, long at) {
    point.kind = kind;
    point.at = at;
    error.message[0] = '\0';
    if (s->kind == TOOL_WRITES) return s->act();
    shim_arm(kind, at, work);
    orthsr_status status = s->act();
    point.report = *shim_disarm();
    return status;
}

static void problem(const struct scenario *s, bool earlier, const char *what) {
    if (problems++ < 20)
        fprintf(stderr, "faults: %s%s: call %ld, %s: %s%s%s\n", s->name, earlier ? " over an earlier one" : "", point.at, FAULT_NAMES[point.kind], what,
                error.message[0] ? ": " : "", error.message);
}

static int open_files(void) {
    int n = 0;
    for (int fd = 0; fd < 64; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* One point; before and after: what the directory holds without the call, and after one that succeeds. */
static void try_point(const struct scenario *s, const snapshot *before, const snapshot *after, bool earlier) {
    char gone[400];
    snprintf(gone, sizeof gone, "%s.gone", work);
    restore(work, before);
    int files = open_files();
    orthsr_status status = run(s, point.kind, point.at);
    if (open_files() != files) problem(s, earlier, "a file is left open");
    if (point.report.hits == 0 && s->kind != TOOL_WRITES)
        problem(s, earlier, "the call did not come"); /* the tool writes times, of one more digit or one less */
    bool vanished = point.kind == FAULT_VANISH && point.report.hits > 0, kept = point.report.kept > 0;
    snapshot now = look(vanished ? gone : work);
    if (status) {
        const char *name = strstr(error.message, work);
        totals->failed++;
        if (status != ORTHSR_ERROR_IO) problem(s, earlier, orthsr_status_string(status));
        else if (!name) problem(s, earlier, "the message names no file");
        else if (!vanished && point.kind != FAULT_ASK && !strstr(error.message, strerror(ERRORS[point.kind])) &&
                 !(s->kind == TOOL_WRITES && strstr(error.message, strerror(EIO)))) /* a stream that failed halfway does not know why */
            problem(s, earlier, "the message gives no reason");
        if (point.kind == FAULT_SHORT || point.kind == FAULT_LINKS) problem(s, earlier, "it can be done without");
        bool each = vanished || kept || s->kind == TOOL_WRITES; /* of several files some may be new; else all are as before */
        if (each ? !survives(before, before, after, &now) : !equal(&now, before)) problem(s, earlier, "the directory is not as before");
        for (size_t i = 0; i < now.count && !vanished && !kept; i++)
            if (is_temporary(&now.file[i])) problem(s, earlier, "a temporary file is left");
    } else if (vanished ? !survives(before, before, after, &now) : kept ? !within(after, &now, &now) : !equal(&now, after)) {
        problem(s, earlier, "it says success, and the files are not there");
    }
    forget(&now);
    if (vanished) empty(gone);
    totals->points++;
}

static void try_all(const struct scenario *s, bool earlier) {
    snapshot before, after;
    empty(work);
    ck_assert_int_eq(mkdir(work, 0777), 0);
    turn(1);
    point.kind = FAULTS;
    point.at = 0;
    if (s->files) s->files();
    else if (earlier) ck_ok(s->act());
    turn(2);
    before = look(work);
    ck_ok(run(s, FAULTS, 0));
    after = look(work);
    ck_assert_int_eq(equal(&before, &after), s->kind == READS);
    static shim_report calls;
    calls = point.report;
    long possible = 0, n = 0, most = getenv("ORTHSR_TEST_FULL") ? 1L << 30 : s->kind == TOOL_WRITES ? 12 : short_run() ? 6 : 150;
    for (long at = 1; at <= calls.calls; at++) possible += __builtin_popcount(calls.could[at - 1]);
    for (long at = 1; at <= calls.calls; at++)
        for (int kind = 0; kind < FAULTS; kind++) {
            if (!(calls.could[at - 1] >> kind & 1)) continue;
            if (possible > most && n * most / possible == (n + 1) * most / possible) { /* evenly chosen */
                n++;
                continue;
            }
            n++;
            point.kind = (fault)kind;
            point.at = at;
            try_point(s, &before, &after, earlier);
        }
    if (getenv("ORTHSR_TEST_FULL") || problems) fprintf(stderr, "faults: %s: %ld calls, %ld points possible\n", s->name, calls.calls, possible);
    forget(&before);
    forget(&after);
    empty(work);
}

START_TEST(every_call_fails_once) {
    const struct scenario *s = &SCENARIOS[_i];
    const char *only = getenv("ORTHSR_TEST_ONLY"); /* scenarios with this in their name */
    if (only && !strstr(s->name, only)) return;
    if (s->kind == TOOL_WRITES && short_run()) return; /* valgrind does not follow it */
    try_all(s, false);
    if (!s->files) try_all(s, true);
    ck_assert_int_eq(problems, 0);
}
END_TEST

static void open_base(void) {
    char name[400];
    totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(totals != MAP_FAILED);
    tiny_open(&tiny_fixture, &tiny, &items, NULL);
    ck_ok(orthsr_model_adapter(tiny, &adapter, NULL, &error));
    snprintf(work, sizeof work, "%s/work-images", scratch_directory());
    ck_assert_int_eq(mkdir(work, 0777), 0);
    folders(); /* what the tool trains on lies beside the directory that is looked at */
    static const char *const more[] = {"more", "more/a", "more/b", "more/c"};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) ck_ok(orthsr__make_directory(in_work(more[i]), &error));
    copy("tests/data/images/rgb8.png", "more/a/2.png");
    copy("tests/data/images/rgb8.png", "more/b/2.png");
    copy("tests/data/images/rgb8.png", "more/c/2.png");
    ck_ok(orthsr__write_file(in_work("list.tsv"), "list.tsv\tcat\ntrain/a/1.png\tcat\nlist.tsv\tdog\n", 44, &error));
    snprintf(name, sizeof name, "%s/work", scratch_directory());
    snprintf(work, sizeof work, "%s", name);
}

static void close_base(void) {
    printf("faults: %ld points, %ld of them failures with a message\n", totals->points, totals->failed);
    fflush(stdout);
    orthsr_adapter_free(adapter);
    tiny_close(&tiny_fixture, tiny, items);
    munmap(totals, sizeof *totals);
}

static TCase *fault_case(void) {
    TCase *tcase = tcase_create("files");
    tcase_set_timeout(tcase, 0);
    tcase_add_unchecked_fixture(tcase, open_base, close_base);
    tcase_add_loop_test(tcase, every_call_fails_once, 0, SCENARIO_COUNT);
    return tcase;
}

TEST_MAIN("faults of files", fault_case)
