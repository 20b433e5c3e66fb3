/* test_manifest.c - datasets that stay in their file: lines good and bad, items one by one, draws and selections, images in archives; images read ahead;
 * training from a manifest, and around images that cannot be read. */
#include <sys/stat.h>

#include "base/permutation.h"
#include "data/feed.h"
#include "data/manifest.h"
#include "util/runs.h"

static void put(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static void put_text(const char *path, const char *text) { put(path, text, strlen(text)); }

static orthsr_dataset *open_text(const char *text) {
    orthsr_dataset *dataset;
    put_text(scratch_file("list.tsv"), text);
    ck_ok(orthsr_dataset_open(&dataset, scratch_file("list.tsv"), NULL, &error));
    return dataset;
}

static void expect_item(const orthsr_dataset *dataset, size_t item, const char *name, const char *class_name) {
    char *found;
    ck_ok(orthsr_dataset_copy_item_name(dataset, item, &found, &error));
    ck_assert_msg(strlen(found) >= strlen(name) && strcmp(found + strlen(found) - strlen(name), name) == 0, "'%s', not '%s'", found, name);
    ck_assert_str_eq(orthsr_dataset_class_name(dataset, orthsr_dataset_label(dataset, item)), class_name);
    orthsr_free(found);
}

/* ---- lines ------------------------------------------------------------------------------------------------------------------------------------ */

START_TEST(lines) {
    orthsr_dataset *d = open_text("b/1.png\tzebra\na file \xc3\xa4.png\tant\r\nx.tar\tzebra\t512\t77\nlast.png\tant");
    const char *layout;
    ck_ok(orthsr_dataset_layout(&layout, scratch_file("list.tsv"), &error));
    ck_assert_str_eq(layout, "manifest");
    ck_assert_uint_eq(orthsr_dataset_count(d), 4);
    ck_assert_uint_eq(orthsr_dataset_class_count(d), 2);
    ck_assert_uint_eq(orthsr_dataset_class_size(d, 0), 2);
    expect_item(d, 0, "/b/1.png", "zebra");
    expect_item(d, 1, "/a file \xc3\xa4.png", "ant");
    expect_item(d, 2, "/x.tar:512+77", "zebra");
    expect_item(d, 3, "/last.png", "ant");
    ck_assert_ptr_null(orthsr_dataset_item_name(d, 0)); /* none is kept */
    ck_assert_uint_eq(orthsr_dataset_label(d, 4), (size_t)-1);
    orthsr_dataset_free(d);
}
END_TEST

static const struct {
    const char *text, *message;
} BAD[] = {
    {"", "has no line"},
    {"a.png\n", "line 1 must be PATH, a tab, CLASS"},
    {"a.png\tcat\nb.png\t\n", "line 2 must be"},
    {"\tcat\n", "line 1 must be"},
    {"a.png\tcat\n\nb.png\tcat\n", "line 2 must be"},
    {"a.png\tcat\t5\n", "line 1 must be"},
    {"a.png\tcat\t5\t6\t7\n", "line 1 must be"},
    {"a.png\tcat\t5\t0\n", "a size above 0"},
    {"a.png\tcat\t-5\t6\n", "an offset and a size"},
    {"a.png\tcat\t99999999999999999999\t6\n", "an offset and a size"},
    {"a.png\tcat\t5 \t6\n", "an offset and a size"},
    {"/etc/a.png\tcat\n", "must not leave it"},
    {"b/../../a.png\tcat\n", "must not leave it"},
    {"a.png\tsea_lion\nb.png\tsea lion\n", "have one name"},
};

START_TEST(bad_lines) {
    orthsr_dataset *dataset;
    put_text(scratch_file("list.tsv"), BAD[_i].text);
    ck_fails(orthsr_dataset_open(&dataset, scratch_file("list.tsv"), NULL, &error), ORTHSR_ERROR_FORMAT, BAD[_i].message);
    ck_assert_ptr_null(dataset);
}
END_TEST

START_TEST(odd_files) {
    orthsr_dataset *dataset;
    char *line = malloc(70000);
    memset(line, 'a', 70000);
    put(scratch_file("list.tsv"), line, 70000);
    ck_fails(orthsr_dataset_open(&dataset, scratch_file("list.tsv"), NULL, &error), ORTHSR_ERROR_FORMAT, "line 1 has more than 65536 bytes");
    free(line);
    put(scratch_file("list.tsv"), "a\tb\nc\0\td\n", 9);
    ck_fails(orthsr_dataset_open(&dataset, scratch_file("list.tsv"), NULL, &error), ORTHSR_ERROR_FORMAT, "line 2 holds a zero byte");
    ck_fails(orthsr_dataset_open(&dataset, scratch_file("list.tsv"), "train", &error), ORTHSR_ERROR_IO, "has no parts");
    ck_assert_int_eq(orthsr_dataset_has_split(scratch_file("list.tsv"), "train"), 0);
}
END_TEST

START_TEST(parts) {
    orthsr_dataset *dataset;
    char folder[256], path[300];
    snprintf(folder, sizeof folder, "%s", scratch_file("parts"));
    ck_assert_int_eq(mkdir(folder, 0777), 0);
    snprintf(path, sizeof path, "%s/train.tsv", folder);
    put_text(path, "a.png\tcat\n");
    ck_assert(orthsr_dataset_has_split(folder, "train") && !orthsr_dataset_has_split(folder, "test"));
    ck_ok(orthsr_dataset_open(&dataset, folder, "train", &error));
    expect_item(dataset, 0, "/parts/a.png", "cat");
    orthsr_dataset_free(dataset);
    ck_fails(orthsr_dataset_open(&dataset, folder, "test", &error), ORTHSR_ERROR_IO, "test.tsv");
    ck_fails(orthsr_dataset_open(&dataset, folder, NULL, &error), ORTHSR_ERROR_ARGUMENT, "name train, val or test");
}
END_TEST

/* More lines than one stretch of the index, of very different lengths, and over several reads: every item is that of its line. */
START_TEST(long_file) {
    enum { LINES = 20000 };
    size_t used = 0, room = (size_t)LINES * 160;
    char *text = malloc(room), name[256], class_name[32];
    for (int i = 0; i < LINES; i++) {
        int pad = i * 7919 % 97;
        used += (size_t)snprintf(text + used, room - used, "%0*d/%d.jpg\tclass %d\n", pad + 1, 0, i, i % 113);
    }
    put(scratch_file("list.tsv"), text, used);
    free(text);
    orthsr_dataset *d, *drawn, *rest, *some, *two;
    ck_ok(orthsr_dataset_open(&d, scratch_file("list.tsv"), NULL, &error));
    ck_assert_uint_eq(orthsr_dataset_count(d), LINES);
    ck_assert_uint_eq(orthsr_dataset_class_count(d), 113);
    for (int i = 0; i < LINES; i += i % 64 < 62 ? 61 : 1) {
        snprintf(name, sizeof name, "0/%d.jpg", i);
        snprintf(class_name, sizeof class_name, "class %d", i % 113);
        expect_item(d, (size_t)i, name, class_name);
    }
    ck_ok(orthsr_dataset_draw(&drawn, &rest, d, 2, 1, &error));
    ck_assert_uint_eq(orthsr_dataset_count(drawn), 226);
    ck_assert_uint_eq(orthsr_dataset_count(rest), LINES - 226);
    ck_assert_ptr_nonnull(orthsr_dataset_item_name(drawn, 225)); /* in memory */
    ck_ok(orthsr_dataset_select(&some, d, 3, 2, &error));
    ck_assert_str_eq(orthsr_dataset_class_name(some, 0), orthsr_dataset_class_name(d, 3));
    ck_assert_uint_eq(orthsr_dataset_count(some), orthsr_dataset_class_size(d, 3) + orthsr_dataset_class_size(d, 4));
    const size_t wanted[] = {19999, 0};
    ck_ok(orthsr_dataset_subset(&two, d, wanted, 2, &error));
    expect_item(two, 0, "/19999.jpg", "class 111");
    orthsr_dataset_free(two);
    orthsr_dataset_free(some);
    orthsr_dataset_free(drawn);
    orthsr_dataset_free(rest);
    ck_ok(orthsr_dataset_draw(&drawn, &rest, d, 0, 1, &error)); /* everything stays in the file */
    ck_assert_uint_eq(orthsr_dataset_count(drawn), LINES);
    ck_assert_uint_eq(orthsr_dataset_count(rest), 0);
    ck_assert_ptr_null(orthsr_dataset_item_name(drawn, 0));
    expect_item(drawn, 19999, "/19999.jpg", "class 111");
    orthsr_dataset_free(drawn);
    orthsr_dataset_free(rest);
    ck_ok(orthsr_dataset_draw_validation(&drawn, d, d, 0, 1, &error));
    ck_assert_ptr_null(orthsr_dataset_item_name(drawn, 0));
    orthsr_dataset_free(drawn);
    orthsr_dataset_free(d);
}
END_TEST

/* A one-to-one order for any length, and not the same for two keys. */
START_TEST(permutations) {
    for (size_t n = 1; n < 600; n += n < 70 ? 1 : 53) {
        bool *met = calloc(n, 1);
        size_t same = 0, stays = 0;
        for (size_t i = 0; i < n; i++) {
            size_t to = orthsr__permute(i, n, 7);
            ck_assert_msg(to < n && !met[to], "%zu of %zu goes to %zu", i, n, to);
            met[to] = true;
            same += to == orthsr__permute(i, n, 8);
            stays += to == i;
        }
        if (n > 60) ck_assert_msg(same < 10 && stays < 10, "of %zu, %zu go to the same place by two keys, %zu stay", n, same, stays);
        free(met);
    }
    ck_assert_uint_lt(orthsr__permute(SIZE_MAX / 2, SIZE_MAX, 1), SIZE_MAX);
}
END_TEST

/* ---- images ------------------------------------------------------------------------------------------------------------------------------------ */

static const char *const PICTURES[] = {"palette2.png", "gray8.png", "rgb8.png", "checkers.png"};
enum { PICTURES_COUNT = 4 };

static char *contents(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    char *bytes = malloc(1 << 20);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

/* The pictures in a folder, by files and in an archive behind 512 bytes each, as tar has them; broken: is a text instead. */
static void make_pictures(const char *folder, bool archive, int broken) {
    char path[512], list[2048] = "", all[1 << 16] = {0};
    size_t used = 0, end = 0;
    mkdir(folder, 0777);
    for (int i = 0; i < PICTURES_COUNT; i++) {
        size_t size;
        snprintf(path, sizeof path, "tests/data/images/%s", PICTURES[i]);
        char *bytes = contents(path, &size);
        if (i == broken) memcpy(bytes, "no picture", 10);
        end += 512;
        ck_assert_uint_lt(end + size, sizeof all);
        memcpy(all + end, bytes, size);
        if (archive) used += (size_t)snprintf(list + used, sizeof list - used, "all.tar\t%s\t%zu\t%zu\n", i % 2 ? "dog" : "cat", end, size);
        else used += (size_t)snprintf(list + used, sizeof list - used, "%d.png\t%s\n", i, i % 2 ? "dog" : "cat");
        snprintf(path, sizeof path, "%s/%d.png", folder, i);
        put(path, bytes, size);
        free(bytes);
        end += (size + 511) / 512 * 512;
    }
    snprintf(path, sizeof path, "%s/all.tar", folder);
    put(path, all, end);
    snprintf(path, sizeof path, "%s/list.tsv", folder);
    put_text(path, list);
}

static orthsr_dataset *open_pictures(const char *name, bool archive, int broken) {
    char folder[256], path[300];
    orthsr_dataset *dataset;
    snprintf(folder, sizeof folder, "%s", scratch_file(name));
    make_pictures(folder, archive, broken);
    snprintf(path, sizeof path, "%s/list.tsv", folder);
    ck_ok(orthsr_dataset_open(&dataset, path, NULL, &error));
    return dataset;
}

typedef struct viewer {
    orthsr_model *model;
    size_t image;
    float *pixels, *expected; /* (PICTURES_COUNT, image) */
} viewer;

static viewer viewer_new(void) {
    viewer v;
    ck_ok(orthsr_model_open(&v.model, TINY_MODEL, &error));
    size_t side = orthsr_model_image_size(v.model);
    v.image = 3 * side * side;
    v.pixels = malloc(PICTURES_COUNT * v.image * sizeof(float));
    v.expected = malloc(PICTURES_COUNT * v.image * sizeof(float));
    for (int i = 0; i < PICTURES_COUNT; i++) {
        char path[128];
        orthsr_image *image;
        snprintf(path, sizeof path, "tests/data/images/%s", PICTURES[i]);
        ck_ok(orthsr_image_open(&image, path, 0, &error));
        ck_ok(orthsr_model_preprocess(v.model, v.expected + (size_t)i * v.image, image, &error));
        orthsr_image_free(image);
    }
    return v;
}

static void viewer_free(viewer *v) {
    orthsr_model_free(v->model);
    free(v->pixels);
    free(v->expected);
}

/* Files and parts of an archive, with no thread, one and several: the pictures in order, whatever is taken at once. */
START_TEST(reads_ahead) {
    viewer v = viewer_new();
    size_t items[PICTURES_COUNT], n;
    for (int archive = 0; archive < 2; archive++) {
        orthsr_dataset *d = open_pictures(archive ? "archive" : "files", archive, -1);
        for (size_t threads = 0; threads < 4; threads++)
            for (size_t most = 1; most <= PICTURES_COUNT; most++) {
                orthsr_reader *reader;
                ck_ok(orthsr_reader_new(&reader, d, v.model, 0, PICTURES_COUNT, &error));
                ck_ok(orthsr_reader_set_threads(reader, threads, &error));
                for (size_t done = 0; done < PICTURES_COUNT; done += n) {
                    ck_ok(orthsr_reader_next(reader, v.pixels, items, most, &n, &error));
                    ck_assert_uint_eq(n, most < PICTURES_COUNT - done ? most : PICTURES_COUNT - done);
                    ck_assert_uint_eq(items[n - 1], done + n - 1);
                    ck_assert(memcmp(v.pixels, v.expected + done * v.image, n * v.image * sizeof(float)) == 0);
                }
                ck_ok(orthsr_reader_next(reader, v.pixels, NULL, most, &n, &error));
                ck_assert_uint_eq(n, 0);
                orthsr_reader_free(reader);
            }
        for (size_t i = 0; i < PICTURES_COUNT; i++) ck_ok(orthsr_dataset_check_item(d, i, 1, &error));
        orthsr_dataset_free(d);
    }
    viewer_free(&v);
}
END_TEST

START_TEST(range_and_skip) {
    viewer v = viewer_new();
    orthsr_dataset *d = open_pictures("broken", _i, 1);
    orthsr_reader *reader;
    size_t items[PICTURES_COUNT], n;
    ck_ok(orthsr_reader_new(&reader, d, v.model, 1, 3, &error));
    ck_fails(orthsr_reader_next(reader, v.pixels, items, 3, &n, &error), ORTHSR_ERROR_UNSUPPORTED, _i ? "all.tar" : "1.png");
    ck_assert_uint_eq(n, 0);
    ck_ok(orthsr_reader_next(reader, v.pixels, items, 3, &n, &error)); /* goes on behind it */
    ck_assert(n == 2 && items[0] == 2 && items[1] == 3);
    ck_fails(orthsr_reader_set_threads(reader, 2, &error), ORTHSR_ERROR_ARGUMENT, "taken already");
    orthsr_reader_free(reader);
    ck_ok(orthsr_reader_new(&reader, d, v.model, 0, 4, &error));
    ck_ok(orthsr_reader_set_skip(reader, 1, &error));
    ck_assert_uint_eq(orthsr_reader_skipped(reader), 0);
    ck_ok(orthsr_reader_next(reader, v.pixels, items, 4, &n, &error));
    ck_assert(n == 3 && items[0] == 0 && items[1] == 2 && items[2] == 3);
    ck_assert(memcmp(v.pixels + v.image, v.expected + 2 * v.image, v.image * sizeof(float)) == 0);
    ck_assert_uint_eq(orthsr_reader_skipped(reader), 1);
    orthsr_reader_free(reader);
    ck_ok(orthsr_reader_new(&reader, d, v.model, 4, 0, &error)); /* none */
    ck_ok(orthsr_reader_next(reader, v.pixels, items, 4, &n, &error));
    ck_assert_uint_eq(n, 0);
    orthsr_reader_free(reader);
    ck_ok(orthsr_reader_new(&reader, d, v.model, 0, 4, &error)); /* freed before it is read to the end */
    ck_ok(orthsr_reader_next(reader, v.pixels, items, 1, &n, &error));
    orthsr_reader_free(reader);
    orthsr_dataset_free(d);
    viewer_free(&v);
}
END_TEST

/* A part that does not lie within its file. */
START_TEST(parts_outside) {
    viewer v = viewer_new();
    orthsr_dataset *d = open_text("list.tsv\tcat\t10\t9000\nlist.tsv\tcat\t9000\t1\nlist.tsv\tdog\t0\t8\nlist.tsv\tdog\t1\t18446744073709551615\n");
    ck_fails(orthsr_dataset_pixels(d, 0, v.model, v.pixels, &error), ORTHSR_ERROR_FORMAT, "an image of 9000 bytes was expected at byte 10");
    ck_fails(orthsr_dataset_pixels(d, 1, v.model, v.pixels, &error), ORTHSR_ERROR_FORMAT, "was expected at byte 9000");
    ck_fails(orthsr_dataset_pixels(d, 2, v.model, v.pixels, &error), ORTHSR_ERROR_UNSUPPORTED, "neither JPEG nor PNG");
    ck_fails(orthsr_dataset_pixels(d, 3, v.model, v.pixels, &error), ORTHSR_ERROR_FORMAT, "was expected at byte 1");
    orthsr_dataset_free(d);
    viewer_free(&v);
}
END_TEST

/* ---- a feed: sought in, and asked in another order ---------------------------------------------------------------------------------------------- */

static bool backwards(void *context, size_t k, size_t *item, size_t *epoch) {
    (void)context;
    *item = PICTURES_COUNT - 1 - k % PICTURES_COUNT;
    *epoch = k / PICTURES_COUNT;
    return k < 100 * PICTURES_COUNT;
}

START_TEST(feeds) {
    viewer v = viewer_new();
    orthsr_dataset *d = open_pictures("fed", true, -1);
    for (size_t readers = 0; readers < 4; readers++) {
        const orthsr__supply supply = {.dataset = d, .model = v.model, .request = backwards};
        orthsr__feed *feed;
        size_t item, label;
        ck_ok(orthsr__feed_new(&feed, &supply, readers, 3, &error));
        static const size_t begins[] = {0, 0, 7, 3, 399};
        for (size_t b = 0; b < 5; b++) {
            orthsr__feed_begin(feed, begins[b]);
            for (size_t k = begins[b]; k < begins[b] + 9 && k < 400; k++) {
                ck_ok(orthsr__feed_take(feed, v.pixels, &item, &label, NULL, &error));
                ck_assert_uint_eq(item, PICTURES_COUNT - 1 - k % PICTURES_COUNT);
                ck_assert_uint_eq(label, item % 2);
                ck_assert(memcmp(v.pixels, v.expected + item * v.image, v.image * sizeof(float)) == 0);
            }
        }
        ck_fails(orthsr__feed_take(feed, v.pixels, &item, &label, NULL, &error), ORTHSR_ERROR_ARGUMENT, "no more images");
        orthsr__feed_free(feed);
    }
    orthsr_dataset_free(d);
    viewer_free(&v);
}
END_TEST

/* ---- training ------------------------------------------------------------------------------------------------------------------------------------ */

/* A run of KINDS[index] on these images; skip: around those that cannot be read. */
static run run_on(size_t index, orthsr_dataset *dataset, size_t readers, bool skip) {
    run r = run_prepare(&KINDS[index], 1);
    orthsr_dataset_free(r.dataset);
    r.dataset = dataset;
    ck_ok(orthsr_trainer_options_set_readers(r.options, readers, &error));
    ck_ok(orthsr_trainer_options_set_skip_unreadable(r.options, skip, &error));
    ck_ok(orthsr_trainer_options_set_batch_size(r.options, 3, &error));
    ck_ok(orthsr_trainer_options_set_epochs(r.options, 4, &error));
    return r;
}

/* What the frozen model says is kept for items in memory, and asked for every step of a manifest; batches have another order. With one batch of all of them
 * both are the same run but for rounding: observed 3e-7. */
START_TEST(trains_from_a_manifest) {
    static const size_t kinds[] = {18, 1, 20};
    for (size_t i = 0; i < 3; i++) {
        orthsr_dataset *d = open_pictures("trained", _i, -1), *copy;
        ck_ok(orthsr_dataset_subset(&copy, d, (const size_t[]){0, 1, 2, 3}, 4, &error));
        run in_file = run_on(kinds[i], d, 1, false), in_memory = run_on(kinds[i], copy, 0, false);
        ck_ok(orthsr_trainer_options_set_batch_size(in_file.options, 0, &error));
        ck_ok(orthsr_trainer_options_set_batch_size(in_memory.options, 0, &error));
        run_start(&in_file);
        run_start(&in_memory);
        steps(&in_file, 4);
        steps(&in_memory, 4);
        expect_same(&in_file, &in_memory, KINDS[kinds[i]].name);
        orthsr_trainer_free(in_memory.trainer); /* the copy's classes are the manifest's */
        in_memory.trainer = NULL;
        run_free(&in_memory);
        run_free(&in_file);
    }
}
END_TEST

/* Any number of readers, and a run that is gone on with: the same bits. Every item once in an epoch. */
START_TEST(readers_do_not_matter) {
    run one = run_on(21, open_pictures("read", true, -1), 0, false);
    run_start(&one);
    steps(&one, 3);
    ck_ok(orthsr_trainer_save(one.trainer, scratch_file("half"), NULL, &error));
    steps(&one, 5);
    for (size_t readers = 1; readers < 4; readers++) {
        run many = run_on(21, open_pictures("read", true, -1), readers, false), later = run_on(21, open_pictures("read", true, -1), readers, false);
        run_start(&many);
        steps(&many, 8);
        expect_same(&one, &many, "readers");
        run_start(&later);
        ck_ok(orthsr_trainer_load(later.trainer, scratch_file("half"), NULL, &error));
        steps(&later, 5);
        expect_same(&one, &later, "gone on with");
        run_free(&many);
        run_free(&later);
    }
    run_free(&one);
    put_text(scratch_file("read/list.tsv"), "0.png\tcat\n1.png\tdog\n2.png\tcat\n3.png\tdog\n");
    orthsr_dataset *other;
    ck_ok(orthsr_dataset_open(&other, scratch_file("read/list.tsv"), NULL, &error));
    run r = run_on(21, other, 1, false);
    run_start(&r);
    ck_fails(orthsr_trainer_load(r.trainer, scratch_file("half"), NULL, &error), ORTHSR_ERROR_MISMATCH, "manifest is 4 lines, content ");
    run_free(&r);
}
END_TEST

/* With an image that cannot be read the next one stands in its place, in memory as in a manifest, and is counted; or it is the error that it is. */
START_TEST(around_the_unreadable) {
    static const size_t kinds[] = {0, 14, 18, 20}; /* kept features, a prompt alone, holes that stay, new images in every epoch */
    for (size_t i = 0; i < 4; i++)
        for (int in_memory = 0; in_memory < 2; in_memory++) {
            orthsr_dataset *d = open_pictures("holes", false, 1), *copy = NULL;
            if (in_memory) ck_ok(orthsr_dataset_subset(&copy, d, (const size_t[]){0, 1, 2, 3}, 4, &error));
            run r = run_on(kinds[i], in_memory ? copy : d, 1, true);
            run_start(&r);
            steps(&r, 8);
            ck_assert_uint_ge(orthsr_trainer_unreadable(r.trainer), 1);
            run_free(&r);
            r = run_on(kinds[i], open_pictures("whole", false, -1), 1, true);
            run_start(&r);
            steps(&r, 8);
            ck_assert_uint_eq(orthsr_trainer_unreadable(r.trainer), 0);
            run_free(&r);
            if (in_memory) orthsr_dataset_free(d);
        }
    run r = run_on(20, open_pictures("holes", false, 1), 1, false);
    run_start(&r);
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < 2 && !status; i++) status = orthsr_trainer_step(r.trainer, &error);
    ck_assert_int_eq(status, ORTHSR_ERROR_UNSUPPORTED);
    ck_assert_msg(strstr(error.message, "1.png") != NULL, "%s", error.message);
    ck_fails(orthsr_trainer_step(r.trainer, &error), ORTHSR_ERROR_UNSUPPORTED, "1.png"); /* the same step again */
    run_free(&r);
    put_text(scratch_file("none.tsv"), "a.png\tcat\nb.png\tdog\n");
    orthsr_dataset *none;
    ck_ok(orthsr_dataset_open(&none, scratch_file("none.tsv"), NULL, &error));
    r = run_on(20, none, 1, true);
    run_start(&r);
    ck_fails(orthsr_trainer_step(r.trainer, &error), ORTHSR_ERROR_IO, "none of the 2 images can be read");
    run_free(&r);
}
END_TEST

static TCase *files(void) {
    TCase *tc = tcase_create("files");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, lines);
    tcase_add_loop_test(tc, bad_lines, 0, sizeof BAD / sizeof BAD[0]);
    tcase_add_test(tc, odd_files);
    tcase_add_test(tc, parts);
    tcase_add_test(tc, long_file);
    tcase_add_test(tc, permutations);
    return tc;
}

static TCase *pictures(void) {
    TCase *tc = tcase_create("images");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, reads_ahead);
    tcase_add_loop_test(tc, range_and_skip, 0, 2);
    tcase_add_test(tc, parts_outside);
    tcase_add_test(tc, feeds);
    return tc;
}

static TCase *training(void) {
    TCase *tc = tcase_create("training");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, trains_from_a_manifest, 0, 2);
    tcase_add_test(tc, readers_do_not_matter);
    tcase_add_test(tc, around_the_unreadable);
    return tc;
}
TEST_MAIN("manifest", files, pictures, training)
