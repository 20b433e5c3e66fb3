/* test_dataset.c - datasets from folders, IDX files and memory, and the few shots drawn from them. Images are not decoded here. */
#include "util/check.h"

#include <stdint.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/file.h"
#include "base/memory.h"

static orthsr_error error;

/* ---- making directories --------------------------------------------------------------------------------------------- */

static void make_directory(const char *name) { ck_ok(orthsr__make_directory(scratch_file(name), &error)); }
static void make_file(const char *name) { ck_ok(orthsr__write_file(scratch_file(name), "x", 1, &error)); }
static void make_text(const char *name, const char *text) { ck_ok(orthsr__write_file(scratch_file(name), text, strlen(text), &error)); }

/* n images of 2 x 3 whose pixels count up; never compressed, for the content decides and not the name. */
static void make_images(const char *name, unsigned n) {
    uint8_t bytes[16 + 6 * 64] = {0, 0, 8, 3, 0, 0, 0, (uint8_t)n, 0, 0, 0, 2, 0, 0, 0, 3};
    for (unsigned i = 0; i < 6 * n; i++) bytes[16 + i] = (uint8_t)i;
    ck_ok(orthsr__write_file(scratch_file(name), bytes, 16 + 6 * n, &error));
}

/* n labels, compressed when the name ends in .gz. */
static void make_labels(const char *name, const uint8_t *labels, unsigned n) {
    uint8_t bytes[8 + 64] = {0, 0, 8, 1, 0, 0, 0, (uint8_t)n};
    memcpy(bytes + 8, labels, n);
    if (!strstr(name, ".gz")) {
        ck_ok(orthsr__write_file(scratch_file(name), bytes, 8 + n, &error));
        return;
    }
    gzFile file = gzopen(scratch_file(name), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, bytes, 8 + n), (int)(8 + n));
    ck_assert_int_eq(gzclose(file), Z_OK);
}

static void ck_refused(const char *directory, const char *split, orthsr_status status, const char *text) {
    orthsr_dataset *dataset = (orthsr_dataset *)&error;
    ck_fails(orthsr_dataset_open(&dataset, scratch_file(directory), split, &error), status, text);
    ck_assert_ptr_null(dataset);
}

/* ---- folders -------------------------------------------------------------------------------------------------------- */

START_TEST(folders_are_sorted_and_filtered) {
    static const char *const directories[] = {"f", "f/train", "f/train/b b", "f/train/Zebra", "f/train/.git", "f/train/a", "f/train/a/nested.png"};
    static const char *const files[] = {"f/train/README.png", "f/train/b b/2.PNG",    "f/train/b b/10.jpg", "f/train/b b/notes.txt", "f/train/b b/.hidden.png",
                                        "f/train/b b/png",    "f/train/Zebra/z.JpEg", "f/train/.git/x.png", "f/train/a/y.png",       "f/train/a/y.png.tmp"};
    static const char *const expected[] = {"Zebra/z.JpEg", "a/link.png", "a/y.png", "b b/10.jpg", "b b/2.PNG"};
    static const size_t labels[] = {0, 1, 1, 2, 2};
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) make_directory(directories[i]);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) make_file(files[i]);
    ck_assert_int_eq(symlink("../Zebra/z.JpEg", scratch_file("f/train/a/link.png")), 0);
    ck_assert_int_eq(symlink("nowhere", scratch_file("f/train/dangling")), 0);
    ck_assert_int_eq(symlink("itself", scratch_file("f/train/itself")), 0);
    ck_assert_int_eq(symlink("..", scratch_file("f/train/a/circle")), 0);     /* folders in class folders are not walked into, */
    ck_assert_int_eq(symlink("..", scratch_file("f/train/a/circle.png")), 0); /* whatever they are called */

    orthsr_dataset *dataset, *direct;
    ck_ok(orthsr_dataset_open(&dataset, scratch_file("f"), "train", &error));
    ck_ok(orthsr_dataset_open(&direct, scratch_file("f/train/"), NULL, &error));
    ck_assert_uint_eq(orthsr_dataset_count(dataset), 5);
    ck_assert_uint_eq(orthsr_dataset_class_count(dataset), 3);
    ck_assert_str_eq(orthsr_dataset_class_name(dataset, 0), "Zebra");
    ck_assert_str_eq(orthsr_dataset_class_name(dataset, 1), "a");
    ck_assert_str_eq(orthsr_dataset_class_name(dataset, 2), "b b");
    for (size_t i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "f/train/%s", expected[i]);
        ck_assert_str_eq(orthsr_dataset_item_name(dataset, i), scratch_file(name));
        ck_assert_str_eq(orthsr_dataset_item_name(direct, i), scratch_file(name));
        ck_assert_uint_eq(orthsr_dataset_label(dataset, i), labels[i]);
    }
    ck_assert_uint_eq(orthsr_dataset_class_size(dataset, 0), 1);
    ck_assert_uint_eq(orthsr_dataset_class_size(dataset, 2), 2);
    ck_assert_uint_eq(orthsr_dataset_class_size(dataset, 3), 0);
    ck_assert_uint_eq(orthsr_dataset_label(dataset, 5), (size_t)-1);
    ck_assert_ptr_null(orthsr_dataset_class_name(dataset, 3));
    ck_assert_ptr_null(orthsr_dataset_item_name(dataset, 5));
    orthsr_dataset_free(direct);
    orthsr_dataset_free(dataset);
    orthsr_dataset_free(NULL);
    ck_assert_int_eq(orthsr_dataset_has_split(scratch_file("f"), "train"), 1);
    ck_assert_int_eq(orthsr_dataset_has_split(scratch_file("f"), "test"), 0);
    ck_assert_int_eq(orthsr_dataset_has_split(scratch_file("f"), NULL), 0);
    ck_assert_int_eq(orthsr_dataset_has_split(NULL, "train"), 0);
    ck_assert_int_eq(orthsr_dataset_has_split(scratch_file("nothing"), "train"), 0);
}
END_TEST

START_TEST(bad_folders_are_refused) {
    make_directory("g");
    make_file("g/file");
    ck_refused("g", NULL, ORTHSR_ERROR_FORMAT, "<class>/<image>");
    ck_refused("g", "train", ORTHSR_ERROR_IO, "no split 'train': neither a folder of that name nor train-images-idx3-ubyte");
    ck_refused("g", "val", ORTHSR_ERROR_IO, "no split 'val'");
    ck_refused("absent", "train", ORTHSR_ERROR_IO, "there is no directory");
    ck_refused("g/file", NULL, ORTHSR_ERROR_IO, "there is no directory");
    make_directory("g/test");
    make_directory("g/test/full");
    make_directory("g/test/hollow");
    make_file("g/test/full/1.png");
    make_file("g/test/hollow/1.txt");
    ck_refused("g", "test", ORTHSR_ERROR_FORMAT, "g/test/hollow");
    make_file("g/test/hollow/1.png");
    ck_assert_int_eq(symlink("gone", scratch_file("g/test/hollow/2.png")), 0);
    ck_refused("g", "test", ORTHSR_ERROR_IO, "hollow/2.png");
    ck_assert_int_eq(unlink(scratch_file("g/test/hollow/2.png")), 0);
    ck_assert_int_eq(symlink("3.png", scratch_file("g/test/hollow/3.png")), 0);
    ck_refused("g", "test", ORTHSR_ERROR_IO, "hollow/3.png");
    make_directory("g/train");
    make_directory("g/train/sea lion");
    make_directory("g/train/sea_lion");
    make_file("g/train/sea lion/1.png");
    make_file("g/train/sea_lion/1.png");
    ck_refused("g", "train", ORTHSR_ERROR_FORMAT, "the classes 'sea lion' and 'sea_lion' have one name");
    ck_refused("g", "validation", ORTHSR_ERROR_ARGUMENT, "split");
    ck_refused("g", "../g", ORTHSR_ERROR_ARGUMENT, "split");
    ck_fails(orthsr_dataset_open(NULL, "g", NULL, &error), ORTHSR_ERROR_ARGUMENT, "out");
    orthsr_dataset *dataset;
    ck_fails(orthsr_dataset_open(&dataset, NULL, NULL, &error), ORTHSR_ERROR_ARGUMENT, "directory");
}
END_TEST

/* ---- IDX ------------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *split, *images, *labels;
} NAMES[] = {{"train", "train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"},
             {"test", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"},
             {"train", "train-images.idx3-ubyte", "train-labels.idx1-ubyte"},
             {"test", "t10k-images-idx3-ubyte.gz", "t10k-labels.idx1-ubyte.gz"}};

START_TEST(idx_files_are_found_and_read) {
    static const uint8_t labels[] = {2, 0, 2, 1};
    char directory[32], path[128];
    snprintf(directory, sizeof directory, "idx%d", _i);
    make_directory(directory);
    snprintf(path, sizeof path, "%s/%s", directory, NAMES[_i].images);
    make_images(path, 4);
    ck_assert_int_eq(orthsr_dataset_has_split(scratch_file(directory), NAMES[_i].split), 0);
    ck_refused(directory, NAMES[_i].split, ORTHSR_ERROR_IO, "labels");
    snprintf(path, sizeof path, "%s/%s", directory, NAMES[_i].labels);
    make_labels(path, labels, 4);
    ck_assert_int_eq(orthsr_dataset_has_split(scratch_file(directory), NAMES[_i].split), 1);
    ck_assert_int_eq(orthsr_dataset_has_split(scratch_file(directory), "val"), 0);
    ck_refused(directory, NAMES[_i].split, ORTHSR_ERROR_IO, "classes.txt', one name per line");
    snprintf(path, sizeof path, "%s/classes.txt", directory);
    make_text(path, "\xef\xbb\xbfT-shirt \r\nankle boot\t\r\n  bag\n\n \r\n");

    orthsr_dataset *dataset;
    ck_ok(orthsr_dataset_open(&dataset, scratch_file(directory), NAMES[_i].split, &error));
    ck_assert_uint_eq(orthsr_dataset_count(dataset), 4);
    ck_assert_uint_eq(orthsr_dataset_class_count(dataset), 3);
    ck_assert_str_eq(orthsr_dataset_class_name(dataset, 0), "T-shirt");
    ck_assert_str_eq(orthsr_dataset_class_name(dataset, 1), "ankle boot");
    ck_assert_str_eq(orthsr_dataset_class_name(dataset, 2), "  bag");
    for (size_t i = 0; i < 4; i++) ck_assert_uint_eq(orthsr_dataset_label(dataset, i), labels[i]);
    ck_assert_uint_eq(orthsr_dataset_class_size(dataset, 2), 2);
    ck_assert_str_eq(orthsr_dataset_item_name(dataset, 3), "index 3");
    orthsr_dataset_free(dataset);
}
END_TEST

START_TEST(bad_idx_directories_are_refused) {
    static const uint8_t labels[] = {0, 1, 2, 5};
    make_directory("bad");
    make_labels("bad/train-labels-idx1-ubyte", labels, 4);
    make_text("bad/classes.txt", "a\nb\nc\nd\n");
    ck_refused("bad", "train", ORTHSR_ERROR_IO, "no images-idx3-ubyte file beside it");
    make_images("bad/train-images-idx3-ubyte", 4);
    ck_refused("bad", "train", ORTHSR_ERROR_FORMAT, "item 3 has label 5, but there are 4 classes");
    make_text("bad/classes.txt", "a\nb\nc\nd\ne\na\n");
    ck_refused("bad", "train", ORTHSR_ERROR_FORMAT, "two classes are called 'a'");
    make_text("bad/classes.txt", "a\n\nc\nd\ne\nf");
    ck_refused("bad", "train", ORTHSR_ERROR_FORMAT, "class 1 is missing or empty");
    make_text("bad/classes.txt", "\n\n");
    ck_refused("bad", "train", ORTHSR_ERROR_FORMAT, "names no class");
    make_text("bad/classes.txt", "");
    ck_refused("bad", "train", ORTHSR_ERROR_FORMAT, "names no class");
    ck_ok(orthsr__write_file(scratch_file("bad/classes.txt"), "a\0b\n", 4, &error));
    ck_refused("bad", "train", ORTHSR_ERROR_FORMAT, "zero byte");
    make_text("bad/classes.txt", "a\nb\nc\nd\ne\nf");
    make_images("bad/train-images-idx3-ubyte", 3);
    ck_refused("bad", "train", ORTHSR_ERROR_MISMATCH, "has 3 images");
    make_labels("bad/train-images-idx3-ubyte", labels, 4);
    ck_refused("bad", "train", ORTHSR_ERROR_FORMAT, "rank 1; images have rank 3");
    make_images("bad/train-images-idx3-ubyte", 0);
    make_labels("bad/train-labels-idx1-ubyte", labels, 0);
    ck_refused("bad", "train", ORTHSR_ERROR_FORMAT, "holds no image");
    make_images("bad/train-labels-idx1-ubyte", 4);
    ck_refused("bad", "train", ORTHSR_ERROR_FORMAT, "rank 3; labels have rank 1");
    make_text("bad/train-labels-idx1-ubyte", "no IDX at all");
    ck_refused("bad", "train", ORTHSR_ERROR_FORMAT, "not an IDX file");
}
END_TEST

/* ---- memory and selections ------------------------------------------------------------------------------------------ */

static const uint8_t PIXELS[6 * 4 * 5 * 3];
static const int32_t LABELS[] = {3, 0, 1, 3, 2, 1};
static const char *const CLASSES[] = {"zero", "one", "two", "three"};

START_TEST(selections_are_relabelled) {
    orthsr_dataset *dataset, *base, *new, *inner;
    ck_ok(orthsr_dataset_new(&dataset, PIXELS, 6, 4, 5, 3, LABELS, CLASSES, 4, &error));
    ck_ok(orthsr_dataset_select(&base, dataset, 0, 2, &error));
    ck_ok(orthsr_dataset_select(&new, dataset, 2, 2, &error));
    ck_ok(orthsr_dataset_select(&inner, new, 1, 1, &error));
    ck_assert_uint_eq(orthsr_dataset_count(base), 3);
    ck_assert_str_eq(orthsr_dataset_item_name(base, 1), "index 2");
    ck_assert_uint_eq(orthsr_dataset_label(base, 1), 1);
    ck_assert_uint_eq(orthsr_dataset_class_count(new), 2);
    ck_assert_uint_eq(orthsr_dataset_count(new), 3);
    ck_assert_str_eq(orthsr_dataset_class_name(new, 0), "two");
    ck_assert_str_eq(orthsr_dataset_class_name(new, 1), "three");
    ck_assert_ptr_null(orthsr_dataset_class_name(new, 2));
    ck_assert_uint_eq(orthsr_dataset_label(new, 0), 1);
    ck_assert_uint_eq(orthsr_dataset_label(new, 2), 0);
    ck_assert_str_eq(orthsr_dataset_item_name(new, 2), "index 4");
    ck_assert_uint_eq(orthsr_dataset_class_size(new, 1), 2);
    ck_assert_uint_eq(orthsr_dataset_count(inner), 2);
    ck_assert_str_eq(orthsr_dataset_class_name(inner, 0), "three");
    ck_assert_uint_eq(orthsr_dataset_label(inner, 1), 0);
    orthsr_dataset_free(inner);
    ck_fails(orthsr_dataset_select(&inner, dataset, 0, 0, &error), ORTHSR_ERROR_ARGUMENT, "0 classes");
    ck_assert_ptr_null(inner);
    ck_fails(orthsr_dataset_select(&inner, dataset, 4, 1, &error), ORTHSR_ERROR_ARGUMENT, "there are 4");
    ck_fails(orthsr_dataset_select(&inner, dataset, 2, 3, &error), ORTHSR_ERROR_ARGUMENT, "there are 4");
    ck_fails(orthsr_dataset_select(&inner, dataset, 2, SIZE_MAX, &error), ORTHSR_ERROR_ARGUMENT, "there are 4");
    ck_fails(orthsr_dataset_select(&inner, NULL, 0, 1, &error), ORTHSR_ERROR_ARGUMENT, "dataset");
    ck_fails(orthsr_dataset_select(NULL, dataset, 0, 1, &error), ORTHSR_ERROR_ARGUMENT, "out");
    orthsr_dataset_free(new);
    orthsr_dataset_free(base);
    orthsr_dataset_free(dataset);
}
END_TEST

START_TEST(subsets_keep_the_classes) {
    static const size_t items[] = {5, 0, 3, 0}, outside[] = {1, 6};
    orthsr_dataset *dataset, *part, *none;
    ck_ok(orthsr_dataset_new(&dataset, PIXELS, 6, 4, 5, 3, LABELS, CLASSES, 4, &error));
    ck_ok(orthsr_dataset_subset(&part, dataset, items, 4, &error));
    ck_assert_uint_eq(orthsr_dataset_count(part), 4);
    ck_assert_uint_eq(orthsr_dataset_class_count(part), 4);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_str_eq(orthsr_dataset_item_name(part, i), orthsr_dataset_item_name(dataset, items[i]));
        ck_assert_uint_eq(orthsr_dataset_label(part, i), orthsr_dataset_label(dataset, items[i]));
    }
    ck_assert_uint_eq(orthsr_dataset_class_size(part, 3), 3);
    ck_assert_uint_eq(orthsr_dataset_class_size(part, 2), 0);
    ck_assert_str_eq(orthsr_dataset_class_name(part, 2), "two");
    ck_ok(orthsr_dataset_subset(&none, part, NULL, 0, &error));
    ck_assert_uint_eq(orthsr_dataset_count(none), 0);
    orthsr_dataset_free(none);
    ck_fails(orthsr_dataset_subset(&none, dataset, outside, 2, &error), ORTHSR_ERROR_ARGUMENT, "item 6 was asked for; there are 6");
    ck_assert_ptr_null(none);
    ck_fails(orthsr_dataset_subset(&none, dataset, NULL, 1, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_dataset_subset(&none, NULL, items, 1, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_dataset_subset(NULL, dataset, items, 1, &error), ORTHSR_ERROR_ARGUMENT, "out");
    orthsr_dataset_free(part);
    orthsr_dataset_free(dataset);
}
END_TEST

START_TEST(bad_arrays_are_refused) {
    static const int32_t high[] = {0, 4}, low[] = {0, 1, -1};
    static const char *const twice[] = {"a", "b", "a"}, *const empty[] = {"a", ""}, *const missing[] = {"a", NULL};
    orthsr_dataset *dataset;
    ck_fails(orthsr_dataset_new(&dataset, PIXELS, 2, 4, 5, 3, high, CLASSES, 4, &error), ORTHSR_ERROR_ARGUMENT, "item 1 has label 4");
    ck_assert_ptr_null(dataset);
    ck_fails(orthsr_dataset_new(&dataset, PIXELS, 3, 4, 5, 3, low, CLASSES, 4, &error), ORTHSR_ERROR_ARGUMENT, "item 2 has label -1");
    ck_fails(orthsr_dataset_new(&dataset, PIXELS, 1, 4, 5, 3, high, twice, 3, &error), ORTHSR_ERROR_ARGUMENT, "two classes are called 'a'");
    ck_fails(orthsr_dataset_new(&dataset, PIXELS, 1, 4, 5, 3, high, empty, 2, &error), ORTHSR_ERROR_ARGUMENT, "class 1 is missing or empty");
    ck_fails(orthsr_dataset_new(&dataset, PIXELS, 1, 4, 5, 3, high, missing, 2, &error), ORTHSR_ERROR_ARGUMENT, "class 1 is missing or empty");
    ck_fails(orthsr_dataset_new(&dataset, PIXELS, 1, 4, 5, 2, high, CLASSES, 4, &error), ORTHSR_ERROR_ARGUMENT, "channels");
    ck_fails(orthsr_dataset_new(&dataset, PIXELS, 0, 4, 5, 3, high, CLASSES, 4, &error), ORTHSR_ERROR_ARGUMENT, "positive");
    ck_fails(orthsr_dataset_new(&dataset, PIXELS, 1, 0, 5, 3, high, CLASSES, 4, &error), ORTHSR_ERROR_ARGUMENT, "positive");
    ck_fails(orthsr_dataset_new(&dataset, PIXELS, 1, 4, 5, 3, high, CLASSES, 0, &error), ORTHSR_ERROR_ARGUMENT, "positive");
    ck_fails(orthsr_dataset_new(&dataset, PIXELS, 1, SIZE_MAX / 2, 5, 3, high, CLASSES, 4, &error), ORTHSR_ERROR_ARGUMENT, "too large");
    ck_fails(orthsr_dataset_new(&dataset, NULL, 1, 4, 5, 3, high, CLASSES, 4, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_dataset_new(&dataset, PIXELS, 1, 4, 5, 3, NULL, CLASSES, 4, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_dataset_new(&dataset, PIXELS, 1, 4, 5, 3, high, NULL, 4, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_dataset_new(NULL, PIXELS, 1, 4, 5, 3, high, CLASSES, 4, &error), ORTHSR_ERROR_ARGUMENT, "out");
}
END_TEST

/* ---- draws ---------------------------------------------------------------------------------------------------------- */

enum { MOST = 512 };

/* tests/data/sampling.txt: the labels, then draws of Python's random module. */
static orthsr_dataset *synthetic(FILE *fixture, size_t *count) {
    static uint8_t pixels[MOST];
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    int32_t labels[MOST];
    ck_assert_int_eq(fscanf(fixture, "labels %zu", count), 1);
    ck_assert_uint_le(*count, MOST);
    for (size_t i = 0; i < *count; i++) ck_assert_int_eq(fscanf(fixture, "%d", &labels[i]), 1);
    orthsr_dataset *dataset;
    ck_ok(orthsr_dataset_new(&dataset, pixels, *count, 1, 1, 1, labels, names, 5, &error));
    return dataset;
}

/* Which item of the dataset an item of a view is. */
static size_t origin(const orthsr_dataset *view, size_t item) {
    size_t index;
    ck_assert_int_eq(sscanf(orthsr_dataset_item_name(view, item), "index %zu", &index), 1);
    return index;
}

START_TEST(draws_are_dassls) {
    FILE *fixture = fopen("tests/data/sampling.txt", "r");
    ck_assert_ptr_nonnull(fixture);
    size_t count, shots, n, draws = 0;
    orthsr_dataset *dataset = synthetic(fixture, &count);
    for (unsigned long seed; fscanf(fixture, " draw %lu %zu %zu", &seed, &shots, &n) == 3; draws++) {
        orthsr_dataset *drawn, *rest;
        bool taken[MOST] = {false};
        ck_ok(orthsr_dataset_draw(&drawn, &rest, dataset, shots, seed, &error));
        ck_assert_uint_eq(orthsr_dataset_count(drawn), n);
        for (size_t i = 0, expected; i < n; i++) {
            ck_assert_int_eq(fscanf(fixture, "%zu", &expected), 1);
            ck_assert_msg(origin(drawn, i) == expected, "seed %lu, %zu shots: item %zu is %zu, not %zu", seed, shots, i, origin(drawn, i), expected);
            ck_assert_uint_eq(orthsr_dataset_label(drawn, i), orthsr_dataset_label(dataset, expected));
            taken[expected] = true;
        }
        size_t left = 0;
        for (size_t i = 0; i < count; i++) {
            if (taken[i]) continue;
            ck_assert_uint_eq(origin(rest, left), i);
            ck_assert_uint_eq(orthsr_dataset_label(rest, left++), orthsr_dataset_label(dataset, i));
        }
        ck_assert_uint_eq(orthsr_dataset_count(rest), left);
        for (size_t i = 0; i < 5; i++) {
            size_t size = orthsr_dataset_class_size(dataset, i), expected = size < shots ? size : shots;
            ck_assert_uint_eq(orthsr_dataset_class_size(drawn, i), expected);
            ck_assert_uint_eq(orthsr_dataset_class_size(rest, i), size - expected);
        }
        orthsr_dataset_free(rest);
        orthsr_dataset_free(drawn);
    }
    ck_assert_uint_eq(draws, 15);
    orthsr_dataset_free(dataset);
    fclose(fixture);
}
END_TEST

START_TEST(other_draws) {
    FILE *fixture = fopen("tests/data/sampling.txt", "r");
    ck_assert_ptr_nonnull(fixture);
    size_t count;
    orthsr_dataset *dataset = synthetic(fixture, &count), *drawn, *rest, *again, *half;
    fclose(fixture);
    ck_ok(orthsr_dataset_draw(&drawn, &rest, dataset, 0, 1, &error)); /* everything, in order */
    ck_assert_uint_eq(orthsr_dataset_count(drawn), count);
    ck_assert_uint_eq(orthsr_dataset_count(rest), 0);
    for (size_t i = 0; i < count; i++) ck_assert_uint_eq(origin(drawn, i), i);
    ck_ok(orthsr_dataset_draw(&again, NULL, rest, 4, 1, &error)); /* from nothing, nothing */
    ck_assert_uint_eq(orthsr_dataset_count(again), 0);
    orthsr_dataset_free(again);
    orthsr_dataset_free(rest);
    orthsr_dataset_free(drawn);

    ck_ok(orthsr_dataset_draw(&drawn, &rest, dataset, SIZE_MAX, 1, &error)); /* more than there are: everything, class by class */
    ck_assert_uint_eq(orthsr_dataset_count(drawn), count);
    ck_assert_uint_eq(orthsr_dataset_count(rest), 0);
    for (size_t i = 1; i < orthsr_dataset_class_size(dataset, orthsr_dataset_label(dataset, 0)); i++) {
        ck_assert_uint_eq(orthsr_dataset_label(drawn, i), orthsr_dataset_label(dataset, 0));
        ck_assert_uint_gt(origin(drawn, i), origin(drawn, i - 1));
    }
    orthsr_dataset_free(rest);
    orthsr_dataset_free(drawn);

    ck_ok(orthsr_dataset_select(&half, dataset, 3, 2, &error)); /* a draw from a view gives items of the view */
    ck_ok(orthsr_dataset_draw(&drawn, NULL, half, 5, 7, &error));
    ck_assert_uint_eq(orthsr_dataset_count(drawn), 10);
    ck_assert_str_eq(orthsr_dataset_class_name(drawn, 0), "d");
    for (size_t i = 0; i < 10; i++) ck_assert_uint_eq(orthsr_dataset_label(drawn, i) + 3, orthsr_dataset_label(dataset, origin(drawn, i)));
    orthsr_dataset_free(drawn);
    orthsr_dataset_free(half);
    ck_fails(orthsr_dataset_draw(NULL, NULL, dataset, 1, 1, &error), ORTHSR_ERROR_ARGUMENT, "out");
    ck_fails(orthsr_dataset_draw(&drawn, &rest, NULL, 1, 1, &error), ORTHSR_ERROR_ARGUMENT, "dataset");
    ck_assert(!drawn && !rest);
    orthsr_dataset_free(dataset);
}
END_TEST

static TCase *directory_case(void) {
    TCase *tcase = tcase_create("directories");
    tcase_add_test(tcase, folders_are_sorted_and_filtered);
    tcase_add_test(tcase, bad_folders_are_refused);
    tcase_add_loop_test(tcase, idx_files_are_found_and_read, 0, sizeof NAMES / sizeof *NAMES);
    tcase_add_test(tcase, bad_idx_directories_are_refused);
    return tcase;
}

static TCase *memory_case(void) {
    TCase *tcase = tcase_create("memory");
    tcase_add_test(tcase, selections_are_relabelled);
    tcase_add_test(tcase, subsets_keep_the_classes);
    tcase_add_test(tcase, bad_arrays_are_refused);
    return tcase;
}

static TCase *draw_case(void) {
    TCase *tcase = tcase_create("draws");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, draws_are_dassls);
    tcase_add_test(tcase, other_draws);
    return tcase;
}

TEST_MAIN("dataset", directory_case, memory_case, draw_case)
