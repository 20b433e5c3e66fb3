/* test_embed.c - `orthsr embed --data`: the rows of `--images`, in files; stopped and gone on with; other rows refused; images that cannot be read; and a
 * manifest under the commands that take a data set. */
#include <sys/stat.h>

#include "util/tool.h"

#define MODEL "examples/data/mini"
static orthsr_error error;

static const char *const PICTURES[] = {"bag", "sandal", "sneaker", "trouser"};
enum { N = 4, COPIES = 3, ALL = N * COPIES };

/* ALL pictures and list.tsv, in the scratch directory; broken: item whose file is a text (ALL: none). */
static void make_list(size_t broken) {
    FILE *list = fopen(scratch_file("list.tsv"), "w");
    ck_assert_ptr_nonnull(list);
    for (size_t i = 0; i < ALL; i++) {
        char command[512];
        snprintf(command, sizeof command, "cp 'examples/data/clothes/%s.png' '%s/%zu.png'", PICTURES[i % N], scratch_directory(), i);
        ck_assert_int_eq(system(command), 0);
        fprintf(list, "%zu.png\t%s\n", i, PICTURES[i % N]);
    }
    ck_assert_int_eq(fclose(list), 0);
    if (broken == ALL) return;
    char name[32];
    snprintf(name, sizeof name, "%zu.png", broken);
    FILE *text = fopen(scratch_file(name), "w");
    fputs("no picture", text);
    fclose(text);
}

/* All rows of files of `rows`, one below another. */
static float *read_rows(const char *directory, size_t rows, size_t *dim) {
    float *all = NULL;
    for (size_t first = 0; first < ALL; first += rows) {
        char name[64];
        float *part;
        size_t shape[ORTHSR_ARRAY_MAX_RANK], rank;
        snprintf(name, sizeof name, "%s/%08zu.npy", directory, first);
        ck_ok(orthsr_array_read(&part, shape, &rank, scratch_file(name), &error));
        ck_assert_uint_eq(rank, 2);
        ck_assert_uint_eq(shape[0], ALL - first < rows ? ALL - first : rows);
        *dim = shape[1];
        if (!all) all = malloc(ALL * *dim * sizeof *all);
        memcpy(all + first * *dim, part, shape[0] * *dim * sizeof *all);
        orthsr_free(part);
    }
    return all;
}

START_TEST(rows_of_images) {
    float *expected;
    size_t shape[ORTHSR_ARRAY_MAX_RANK], rank, dim;
    make_list(ALL);
    ck_assert_int_eq(run("embed --model " MODEL " --images @/0.png @/1.png @/2.png @/3.png --out @/images.npy").code, 0);
    ck_ok(orthsr_array_read(&expected, shape, &rank, scratch_file("images.npy"), &error));
    for (int readers = 0; readers < 3; readers++) {
        size_t rows = (size_t[]){5, 4, ALL}[readers];
        char directory[32];
        snprintf(directory, sizeof directory, "out%d", readers);
        outcome o = run("embed --model " MODEL " --data @/list.tsv --rows %zu --readers %d --out @/%s", rows, readers, directory);
        ck_assert_msg(o.code == 0, "%s", o.err);
        float *found = read_rows(directory, rows, &dim);
        ck_assert_uint_eq(dim, shape[1]);
        for (size_t i = 0; i < ALL; i++) ck_assert(memcmp(found + i * dim, expected + i % N * dim, dim * sizeof *found) == 0);
        free(found);
    }
    orthsr_free(expected);
}
END_TEST

START_TEST(goes_on) {
    make_list(ALL);
    ck_assert_int_eq(run("embed --model " MODEL " --data @/list.tsv --rows 5 --out @/out").code, 0);
    ck_assert_int_eq(run("embed --model " MODEL " --data @/list.tsv --rows 5 --out @/again").code, 0);
    ck_assert_int_eq(remove(scratch_file("again/00000005.npy")), 0); /* as if it had been stopped before */
    outcome o = run("embed --model " MODEL " --data @/list.tsv --rows 5 --out @/again --json && cmp @/out/00000005.npy @/again/00000005.npy");
    ck_assert_msg(o.code == 0 && strstr(o.out, "\"rows_before\": 7"), "%s%s", o.out, o.err);
    expect_failure(run("embed --model " MODEL " --data @/list.tsv --rows 6 --out @/again"), 1, "rows is 5 there and 6 here; give another --out");
    expect_failure(run("embed --model " MODEL " --data @/list.tsv --rows 5 --raw --out @/again"), 1, "normalized is true there and false here");
    expect_failure(run("embed --model " MODEL " --image-size 56 --data @/list.tsv --rows 5 --out @/again"), 1, "image_size is 28 there and 56 here");
    expect_failure(run("embed --model " MODEL " --data @/list.tsv --rows 0 --out @/none"), 1, "--rows is at least 1");
    ck_assert(access(scratch_file("none"), F_OK) != 0);
    FILE *state = fopen(scratch_file("again/stream.json"), "w");
    fputs("{", state);
    fclose(state);
    expect_failure(run("embed --model " MODEL " --data @/list.tsv --rows 5 --out @/again"), 1, "is not what embed writes");
    /* A signal between two files or in one: what is complete stays, and nothing else. */
    o = run("embed --model " MODEL " --data @/list.tsv --rows 1 --out @/cut & sleep 0.05; kill -INT $!; wait $!; ls @/cut | grep -c tmp");
    ck_assert_msg(strtol(o.out, NULL, 10) == 0, "%s", o.out);
    ck_assert_int_eq(run("embed --model " MODEL " --data @/list.tsv --rows 1 --out @/cut").code, 0);
}
END_TEST

START_TEST(unreadable) {
    size_t dim;
    make_list(6);
    outcome o = run("embed --model " MODEL " --data @/list.tsv --rows 5 --out @/holes --json && cat @/holes/unreadable.txt");
    ck_assert_msg(o.code == 0 && strstr(o.out, "\"unreadable\": 1") && strstr(o.out, "6\t") && strstr(o.out, "/6.png"), "%s%s", o.out, o.err);
    float *rows = read_rows("holes", 5, &dim);
    for (size_t i = 0; i < ALL; i++) {
        double norm = 0;
        for (size_t k = 0; k < dim; k++) norm += (double)rows[i * dim + k] * (double)rows[i * dim + k];
        ck_close(norm, i == 6 ? 0 : 1, 1e-5);
    }
    free(rows);
    expect_failure(run("embed --model " MODEL " --data @/list.tsv --strict --out @/strict"), 1, "6.png");
}
END_TEST

/* Files of rows that are made again bring the list up to date, and repeat nothing in it. */
START_TEST(list_of_unreadable) {
    static const struct {
        size_t again, broken; /* the file that is made again, and the item that is broken meanwhile; ALL: it is whole again */
        const char *lines;
    } steps[] = {{0, 6, "6\n"}, {4, 6, "6\n"}, {0, 1, "1\n6\n"}, {8, 9, "1\n6\n9\n"}, {4, ALL, "1\n9\n"}, {8, 9, "1\n9\n"}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        make_list(steps[i].broken);
        char name[64];
        snprintf(name, sizeof name, "list/%08zu.npy", steps[i].again);
        remove(scratch_file(name));
        outcome o = run("embed --model " MODEL " --data @/list.tsv --rows 4 --out @/list && cut -f 1 @/list/unreadable.txt");
        ck_assert_msg(o.code == 0 && strstr(o.out, steps[i].lines) == o.out + strlen(o.out) - strlen(steps[i].lines), "%zu: %s%s", i, o.out, o.err);
    }
}
END_TEST

/* The commands that take a data set take a manifest. */
START_TEST(manifests) {
    make_list(ALL);
    outcome o = run("zeroshot --model " MODEL " --data @/list.tsv --predictions @/p.csv && cat @/p.csv");
    ck_assert_msg(o.code == 0 && strstr(o.out, "/11.png,trouser,"), "%s%s", o.out, o.err);
    o = run("data check @/list.tsv");
    ck_assert_msg(o.code == 0 && strstr(o.out, "manifest") && !strstr(o.out, "passed over"), "%s%s", o.out, o.err); /* other files are none of its business */
    o = run("train --model " MODEL " --data @/list.tsv --shots all --epochs 1 --cutout off --readers 2 --shards 2 --out @/all");
    ck_assert_msg(o.code == 0, "%s", o.err);
    o = run("train --model " MODEL " --data @/list.tsv --shots 2 --epochs 1 --cutout off --out @/few --json");
    ck_assert_msg(o.code == 0 && strstr(o.out, "\"tuned\": {"), "%s%s", o.out, o.err);
    make_list(2);
    o = run("train --model " MODEL " --data @/list.tsv --shots all --epochs 1 --cutout off --out @/around --json");
    ck_assert_msg(o.code == 0 && strstr(o.err, "the next one took its place") && strstr(o.out, "\"replaced_images\": 1"), "%s%s", o.out, o.err);
    o = run("train --model " MODEL " --data @/list.tsv --shots all --epochs 1 --cutout off --strict --out @/strict");
    ck_assert_msg(o.code == 1 && strstr(o.err, "2.png"), "%s", o.err);
}
END_TEST

static TCase *embedding(void) {
    TCase *tc = tcase_create("embed");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, rows_of_images);
    tcase_add_test(tc, goes_on);
    tcase_add_test(tc, unreadable);
    tcase_add_test(tc, list_of_unreadable);
    tcase_add_test(tc, manifests);
    return tc;
}
TEST_MAIN("embed", embedding)
