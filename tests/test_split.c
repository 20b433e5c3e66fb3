/* test_split.c - datasets from the lists that few-shot papers use: CoOp's split files, FGVC Aircraft, ImageNet and its variants. */
#include "util/check.h"

#include <stdint.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"

static orthsr_error error;

/* ---- making directories --------------------------------------------------------------------------------------------- */

static void make_text(const char *name, const char *text) { ck_ok(orthsr__write_file(scratch_file(name), text, strlen(text), &error)); }

/* An image file, and the directories it lies in. It is empty: nothing is decoded unless a test says so. */
static void make_image(const char *name) {
    char path[200];
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(path, sizeof path, "%.*s", (int)(slash - name), name);
        ck_ok(orthsr__make_directory(scratch_file(path), &error));
    }
    ck_ok(orthsr__write_file(scratch_file(name), "x", 1, &error));
}

static void ck_refused(const char *directory, const char *split, orthsr_status status, const char *text) {
    orthsr_dataset *dataset = (orthsr_dataset *)&error;
    ck_fails(orthsr_dataset_open(&dataset, scratch_file(directory), split, &error), status, text);
    ck_assert_ptr_null(dataset);
}

static orthsr_dataset *open_part(const char *directory, const char *split) {
    orthsr_dataset *dataset;
    ck_ok(orthsr_dataset_open(&dataset, scratch_file(directory), split, &error));
    return dataset;
}

static void ck_layout(const char *directory, const char *expected) {
    const char *layout;
    ck_ok(orthsr_dataset_layout(&layout, scratch_file(directory), &error));
    ck_assert_str_eq(layout, expected);
}

/* The item's path below the scratch directory. */
static const char *item_path(const orthsr_dataset *dataset, size_t item) { return orthsr_dataset_item_name(dataset, item) + strlen(scratch_directory()) + 1; }

/* ---- CoOp's split files --------------------------------------------------------------------------------------------- */

#define SYNTHETIC "tests/data/split/split_zhou_Synthetic.json"

static void ck_drawn(FILE *fixture, const orthsr_dataset *drawn, const orthsr_dataset *source) {
    size_t n;
    ck_assert_int_eq(fscanf(fixture, "%zu", &n), 1);
    ck_assert_uint_eq(orthsr_dataset_count(drawn), n);
    for (size_t i = 0, expected; i < n; i++) {
        ck_assert_int_eq(fscanf(fixture, "%zu", &expected), 1);
        ck_assert_str_eq(orthsr_dataset_item_name(drawn, i), orthsr_dataset_item_name(source, expected));
        ck_assert_uint_eq(orthsr_dataset_label(drawn, i), orthsr_dataset_label(source, expected));
    }
}

START_TEST(draws_from_a_split_file_are_coops) {
    FILE *fixture = fopen("tests/data/split/draws.txt", "r");
    ck_assert_ptr_nonnull(fixture);
    orthsr_dataset *train, *val, *shots, *few;
    ck_ok(orthsr_dataset_list(&train, SYNTHETIC, "train", &error));
    ck_ok(orthsr_dataset_list(&val, SYNTHETIC, "val", &error));
    ck_assert_uint_eq(orthsr_dataset_count(train), 250);
    ck_assert_uint_eq(orthsr_dataset_count(val), 72);
    size_t draws = 0, k;
    for (unsigned long seed; fscanf(fixture, " %lu %zu", &seed, &k) == 2; draws++) {
        ck_ok(orthsr_dataset_draw(&shots, NULL, train, k, seed, &error));
        ck_ok(orthsr_dataset_draw_validation(&few, train, val, k, seed, &error));
        ck_drawn(fixture, shots, train);
        ck_drawn(fixture, few, val);
        orthsr_dataset_free(few);
        orthsr_dataset_free(shots);
    }
    ck_assert_uint_eq(draws, 15);
    ck_ok(orthsr_dataset_draw_validation(&few, train, val, 0, 1, &error)); /* everything, in order */
    ck_assert_uint_eq(orthsr_dataset_count(few), 72);
    ck_assert_str_eq(orthsr_dataset_item_name(few, 71), orthsr_dataset_item_name(val, 71));
    orthsr_dataset_free(few);
    ck_fails(orthsr_dataset_draw_validation(&few, train, NULL, 1, 1, &error), ORTHSR_ERROR_ARGUMENT, "validation");
    ck_assert_ptr_null(few);
    orthsr_dataset_free(train);
    orthsr_dataset_free(val);
    fclose(fixture);
}
END_TEST

START_TEST(split_files_are_read) {
    orthsr_dataset *train, *test;
    ck_ok(orthsr_dataset_list(&train, "tests/data/split", "train", &error)); /* the directory, too */
    ck_ok(orthsr_dataset_list(&test, SYNTHETIC, "test", &error));
    ck_assert_uint_eq(orthsr_dataset_class_count(train), 7);
    ck_assert_str_eq(orthsr_dataset_class_name(train, 0), "sea lion");
    ck_assert_str_eq(orthsr_dataset_class_name(train, 2), "caf\xc3\xa9");
    ck_assert_str_eq(orthsr_dataset_class_name(train, 5), "annual crop land");
    ck_assert_uint_eq(orthsr_dataset_label(train, 1), 4);
    ck_assert_str_eq(orthsr_dataset_item_name(train, 1), "tests/data/split/train/1.jpg");
    ck_assert_uint_eq(orthsr_dataset_class_size(train, 4), 86);
    ck_assert_uint_eq(orthsr_dataset_class_size(test, 6), 3);
    ck_assert_int_eq(orthsr_dataset_has_split(SYNTHETIC, "val"), 1);
    ck_assert_int_eq(orthsr_dataset_has_split("tests/data/split", "test"), 1);
    ck_assert_int_eq(orthsr_dataset_has_split("tests/data/split", "rest"), 0);
    orthsr_dataset_free(train);
    orthsr_dataset_free(test);
    orthsr_dataset *dataset;
    ck_fails(orthsr_dataset_open(&dataset, SYNTHETIC, "train", &error), ORTHSR_ERROR_IO,
             "250 of the 250 images that '" SYNTHETIC "' lists are not there, first");
    ck_fails(orthsr_dataset_open(&dataset, SYNTHETIC, NULL, &error), ORTHSR_ERROR_ARGUMENT, "name train, val or test");
}
END_TEST

/* Names of a split file, and where its images then lie. */
static const char *const FOLDERS[][2] = {{"Caltech101", "101_ObjectCategories/"},
                                         {"OxfordPets", "images/"},
                                         {"StanfordCars", ""},
                                         {"OxfordFlowers", "jpg/"},
                                         {"Food101", "images/"},
                                         {"SUN397", "SUN397/"},
                                         {"DescribableTextures", "images/"},
                                         {"EuroSAT", "2750/"},
                                         {"UCF101", "UCF-101-midframes/"},
                                         {"OxfordPets", ""},
                                         {"MyOwn", "images/"},
                                         {"MyOwn", ""}};

START_TEST(image_folders_are_found) {
    char name[128], expected[128];
    snprintf(name, sizeof name, "d%d/%ssub/1.jpg", _i, FOLDERS[_i][1]);
    make_image(name);
    snprintf(name, sizeof name, "d%d/split_zhou_%s.json", _i, FOLDERS[_i][0]);
    make_text(name, "{\"test\": [[\"sub/1.jpg\", 1, \"b\"]], \"train\": [[\"sub/1.jpg\", 0, \"a\"]]}");
    snprintf(expected, sizeof expected, "d%d/%ssub/1.jpg", _i, FOLDERS[_i][1]);
    *strchr(name, '/') = '\0';
    orthsr_dataset *dataset = open_part(name, "test");
    ck_layout(name, "split file");
    ck_assert_str_eq(item_path(dataset, 0), expected);
    ck_assert_uint_eq(orthsr_dataset_class_count(dataset), 2); /* of all parts */
    ck_assert_uint_eq(orthsr_dataset_class_size(dataset, 0), 0);
    ck_assert_int_eq(orthsr_dataset_has_split(scratch_file(name), "val"), 0);
    ck_refused(name, "val", ORTHSR_ERROR_IO, "lists no image under \"val\"");
    orthsr_dataset_free(dataset);
}
END_TEST

static const struct {
    const char *text, *message;
    orthsr_status status;
} BAD[] = {
    {"", "is empty", ORTHSR_ERROR_FORMAT},
    {"[]", "not an object", ORTHSR_ERROR_FORMAT},
    {"{}", "is it a split file?", ORTHSR_ERROR_FORMAT},
    {"{\"train\": []}", "is it a split file?", ORTHSR_ERROR_FORMAT},
    {"{\"train\": {}}", "\"train\" must be a list", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [7]}", "train[0] must be", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 0]]}", "train[0] must be", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 0, \"a\", 1]]}", "train[0] must be", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", \"0\", \"a\"]]}", "train[0] must be", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 0.0, \"a\"]]}", "train[0] must be", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 0, \"a\"], [\"a.png\", -1, \"a\"]]}", "train[1] must be", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 0, null]]}", "train[0] must be", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 0, \"a\"]], \"val\": [[\"a.png\", 0, \"b\"]]}", "label 0 is called 'a' in train[0] and 'b' in val[0]", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 0, \"a\"], [\"a.png\", 1, \"a\"]]}", "two classes are called 'a'", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 0, \"a_b\"], [\"a.png\", 1, \"a b\"]]}", "two classes are called 'a b'", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 0, \"\"]]}", "the name of class 0 is missing or empty", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 2, \"c\"], [\"a.png\", 0, \"a\"], [\"a.png\", 0, \"a\"]]}", "no image has label 1, though labels go up to 2",
     ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 1, \"a\"]]}", "train[0] has label 1", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 9223372036854775807, \"a\"]]}", "has label 9223372036854775807", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"../a.png\", 0, \"a\"]]}", "names '../a.png'; a path must be relative", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"b/../../a.png\", 0, \"a\"]]}", "must not leave it", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"b/..\", 0, \"a\"]]}", "must not leave it", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"..\", 0, \"a\"]]}", "must not leave it", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"/etc/passwd\", 0, \"a\"]]}", "must not leave it", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"\", 0, \"a\"]]}", "must not leave it", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 0, \"a\"]], \"test\": [[\"../a.png\", 0, \"a\"]]}", "test[0] names", ORTHSR_ERROR_FORMAT}, /* whichever part is opened */
    {"{\"train\": [[\"a\\u0000.png\", 0, \"a\"]]}", "column", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 0, \"\xe9\"]]}", "unable to decode byte 0xe9", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 0, \"a\"]], \"train\": []}", "duplicate", ORTHSR_ERROR_FORMAT},
    {"{\"train\": [[\"a.png\", 0, \"a\"], [\"c.png\", 0, \"a\"], [\"..a/d.png\", 0, \"a\"]]}", "2 of the 3 images that", ORTHSR_ERROR_IO},
    {"{\"train\": [[\"a.png\", 0, \"a\"], [\"c.png\", 0, \"a\"]]}", "bad/images/c.png", ORTHSR_ERROR_IO},
};

START_TEST(bad_split_files_are_refused) {
    make_image("bad/images/a.png");
    make_text("bad/split_zhou_Bad.json", BAD[_i].text);
    ck_refused("bad", "train", BAD[_i].status, BAD[_i].message);
    ck_assert_ptr_nonnull(strstr(error.message, "split_zhou_Bad.json"));
}
END_TEST

START_TEST(other_split_files_are_refused) {
    make_image("two/images/a.png");
    make_text("two/split_zhou_A.json", "{\"train\": [[\"a.png\", 0, \"a\"]]}");
    make_text("two/split_zhou_B.json", "{\"train\": [[\"a.png\", 0, \"b\"]]}");
    ck_refused("two", "train", ORTHSR_ERROR_FORMAT, "several split files");
    ck_assert_int_eq(orthsr_dataset_has_split(scratch_file("two"), "train"), 0);
    orthsr_dataset *dataset = open_part("two/split_zhou_B.json", "train"); /* either by itself */
    ck_assert_str_eq(orthsr_dataset_class_name(dataset, 0), "b");
    orthsr_dataset_free(dataset);
    size_t size = (16 << 20) + 1;
    char *large = calloc(size, 1);
    memset(large, ' ', size);
    ck_ok(orthsr__write_file(scratch_file("two/large.json"), large, size, &error));
    free(large);
    ck_refused("two/large.json", "train", ORTHSR_ERROR_FORMAT, "at most 16777216");
    ck_refused("two/images/a.png", "train", ORTHSR_ERROR_IO, "of files only split files");
    ck_refused("two/none.json", "train", ORTHSR_ERROR_IO, "there is no directory");
    ck_fails(orthsr_dataset_layout(NULL, "two", &error), ORTHSR_ERROR_ARGUMENT, "out");
}
END_TEST

/* Cut at every byte, and with every byte changed: what opens has only images of the folder, what does not is refused with the file's name. */
START_TEST(damaged_split_files) {
    static const char good[] = "{\"train\":[[\"a.png\",0,\"a\"],[\"b.png\",1,\"sea_lion\"]],\"val\":[],\"test\":[[\"a.png\",1,\"sea_lion\"]]}";
    static const char changes[] = {'\0', '"', '[', ',', '.', '/', '0', '9', '\x80', '}'};
    char text[sizeof good];
    make_image("damaged/images/a.png");
    make_image("damaged/images/b.png");
    for (size_t cut = 0; cut <= sizeof good - 1; cut++)
        for (size_t change = 0; change <= sizeof changes; change++) {
            size_t size = change ? sizeof good - 1 : cut; /* first cut here, then whole with this byte changed */
            memcpy(text, good, sizeof good);
            if (change) text[cut] = changes[change - 1];
            ck_ok(orthsr__write_file(scratch_file("damaged/split_zhou_D.json"), text, size, &error));
            orthsr_dataset *dataset;
            error.message[0] = '\0';
            orthsr_status status = orthsr_dataset_open(&dataset, scratch_file("damaged"), "train", &error);
            ck_assert(status || size == sizeof good - 1);
            ck_assert(!status == (dataset != NULL));
            if (status) ck_assert_msg(strstr(error.message, "split_zhou_D.json") != NULL, "%zu, %zu: %s", cut, change, error.message);
            for (size_t i = 0; dataset && i < orthsr_dataset_count(dataset); i++)
                ck_assert_int_eq(strncmp(item_path(dataset, i), "damaged/images/", strlen("damaged/images/")), 0);
            orthsr_dataset_free(dataset);
        }
}
END_TEST

/* ---- FGVC Aircraft -------------------------------------------------------------------------------------------------- */

START_TEST(aircraft_lists_are_read) {
    make_image("air/images/0034309.jpg");
    make_image("air/images/1.jpg");
    make_text("air/variants.txt", "707-320\nBoeing 717\nF-16A/B\n");
    make_text("air/images_variant_train.txt", "0034309 F-16A/B\n1 Boeing 717\r\n");
    ck_layout("air", "fgvc-aircraft");
    orthsr_dataset *dataset = open_part("air", "train");
    ck_assert_uint_eq(orthsr_dataset_class_count(dataset), 3);
    ck_assert_str_eq(orthsr_dataset_class_name(dataset, 2), "F-16A/B");
    ck_assert_uint_eq(orthsr_dataset_label(dataset, 0), 2);
    ck_assert_uint_eq(orthsr_dataset_label(dataset, 1), 1);
    ck_assert_str_eq(item_path(dataset, 0), "air/images/0034309.jpg");
    orthsr_dataset_free(dataset);
    ck_assert_int_eq(orthsr_dataset_has_split(scratch_file("air"), "train"), 1);
    ck_assert_int_eq(orthsr_dataset_has_split(scratch_file("air"), "test"), 0);
    ck_refused("air", "test", ORTHSR_ERROR_IO, "images_variant_test.txt");
    ck_refused("air", NULL, ORTHSR_ERROR_ARGUMENT, "name train, val or test");
    static const struct {
        const char *variants, *images, *message;
        orthsr_status status;
    } bad[] = {
        {"707-320\n", "1 717\n", "'717' is no class of variants.txt", ORTHSR_ERROR_FORMAT},
        {"707-320\n", "1\n", "line 1", ORTHSR_ERROR_FORMAT},
        {"707-320\n", "1 707-320\n\n1 707-320\n", "line 2", ORTHSR_ERROR_FORMAT},
        {"707-320\n", "../1 707-320\n", "is not an image's number", ORTHSR_ERROR_FORMAT},
        {"707-320\n", ".. 707-320\n", "is not an image's number", ORTHSR_ERROR_FORMAT},
        {"707-320\n", "", "lists no image", ORTHSR_ERROR_FORMAT},
        {"707-320\n", "1 707-320\n2 707-320\n", "1 of the 2 images", ORTHSR_ERROR_IO},
        {"a\na\n", "1 a\n", "two classes are called 'a'", ORTHSR_ERROR_FORMAT},
        {"\n", "1 a\n", "names no class", ORTHSR_ERROR_FORMAT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        make_text("air/variants.txt", bad[i].variants);
        make_text("air/images_variant_val.txt", bad[i].images);
        ck_refused("air", "val", bad[i].status, bad[i].message);
    }
    ck_ok(orthsr__write_file(scratch_file("air/variants.txt"), "a\0b\n", 4, &error));
    ck_refused("air", "val", ORTHSR_ERROR_FORMAT, "zero byte");
}
END_TEST

/* ---- ImageNet ------------------------------------------------------------------------------------------------------- */

#define CLASS_LIST "n01440764 tench\nn01443537 goldfish\nn04355933 sunglasses\nn04356056 sunglasses\n"

START_TEST(imagenet_is_read) {
    make_image("imagenet/images/train/n04356056/n04356056_2.JPEG");
    make_image("imagenet/images/train/n01443537/b.JPEG");
    make_image("imagenet/images/train/n01443537/a.JPEG");
    make_image("imagenet/images/train/n01440764/c.JPEG");
    make_image("imagenet/images/train/n04355933/d.JPEG");
    make_image("imagenet/images/val/n01440764/v.JPEG");
    make_text("imagenet/classnames.txt", CLASS_LIST);
    ck_layout("imagenet", "imagenet");
    orthsr_dataset *train = open_part("imagenet", "train"), *test = open_part("imagenet", "test"), *val = open_part("imagenet", "val");
    ck_assert_uint_eq(orthsr_dataset_class_count(train), 4);
    ck_assert_uint_eq(orthsr_dataset_count(train), 5);
    ck_assert_str_eq(orthsr_dataset_class_name(train, 3), "sunglasses"); /* as is class 2 */
    ck_assert_str_eq(item_path(train, 1), "imagenet/images/train/n01443537/a.JPEG");
    ck_assert_uint_eq(orthsr_dataset_label(train, 2), 1);
    ck_assert_uint_eq(orthsr_dataset_label(train, 4), 3);
    ck_assert_str_eq(item_path(test, 0), "imagenet/images/val/n01440764/v.JPEG");
    ck_assert_str_eq(item_path(val, 0), item_path(test, 0));
    orthsr_dataset_free(val);
    orthsr_dataset_free(test);
    orthsr_dataset_free(train);
    ck_refused("imagenet", NULL, ORTHSR_ERROR_ARGUMENT, "name train or test");

    make_image("imagenet/images/val/n99999999/v.JPEG");
    ck_refused("imagenet", "test", ORTHSR_ERROR_FORMAT, "n99999999' is no class of");
    make_image("imagenet/images/train/0/v.JPEG");
    ck_refused("imagenet", "train", ORTHSR_ERROR_FORMAT, "'0' and 'n01440764' in");
    make_text("imagenet/classnames.txt", CLASS_LIST "n01440764 tench\n");
    ck_refused("imagenet", "train", ORTHSR_ERROR_FORMAT, "n01440764 is on two lines");
    make_text("imagenet/classnames.txt", CLASS_LIST "pencil\n");
    ck_refused("imagenet", "train", ORTHSR_ERROR_FORMAT, "line 5: 'pencil' is not a WordNet id");
}
END_TEST

START_TEST(variants_of_imagenet_are_read) {
    make_image("v/imagenetv2/imagenetv2-matched-frequency-format-val/3/a.jpeg");
    make_image("v/imagenetv2/imagenetv2-matched-frequency-format-val/1/b.jpeg");
    make_image("v/imagenet-adversarial/imagenet-a/n01443537/a.jpg");
    make_image("v/imagenet-sketch/images/n01440764/a.JPEG");
    make_image("v/imagenet-rendition/imagenet-r/n04355933/a.jpg");
    make_image("v/plain/images/x/a.jpg");
    make_text("v/imagenet-adversarial/imagenet-a/README.txt", "about");
    ck_layout("v/imagenet-adversarial", "class folders"); /* nothing says what its folders are called */
    make_image("v/imagenet/classnames.txt");
    ck_layout("v/imagenet-adversarial", "class folders");
    make_text("v/imagenet/classnames.txt", CLASS_LIST);
    static const char *const names[] = {"v/imagenetv2", "v/imagenet-adversarial", "v/imagenet-sketch", "v/imagenet-rendition"}, *const classes[] = {
                                                                                                                                    "goldfish", "goldfish",
                                                                                                                                    "tench", "sunglasses"};
    for (size_t i = 0; i < 4; i++) {
        ck_layout(names[i], "imagenet variant");
        ck_assert_int_eq(orthsr_dataset_has_split(scratch_file(names[i]), "test"), 1);
        ck_assert_int_eq(orthsr_dataset_has_split(scratch_file(names[i]), "train"), 0);
        orthsr_dataset *test = open_part(names[i], "test"), *all = open_part(names[i], NULL);
        ck_assert_uint_eq(orthsr_dataset_class_count(test), i ? 1 : 2);
        ck_assert_uint_eq(orthsr_dataset_count(all), orthsr_dataset_count(test));
        ck_assert_str_eq(orthsr_dataset_class_name(test, 0), classes[i]);
        orthsr_dataset_free(all);
        orthsr_dataset_free(test);
        ck_refused(names[i], "train", ORTHSR_ERROR_IO, "has no split 'train'");
    }
    ck_layout("v/plain", "class folders");
    make_image("v/imagenetv2/imagenetv2-matched-frequency-format-val/4/c.jpeg");
    ck_refused("v/imagenetv2", "test", ORTHSR_ERROR_FORMAT, "/4' is no class of");
}
END_TEST

/* Lists cut at every byte, and with every byte changed: no failure without the file's name, no item outside its folder. */
START_TEST(damaged_lists) {
    static const struct {
        const char *directory, *file, *text, *inside;
    } lists[] = {{"cuta", "variants.txt", "707-320\nBoeing 717\n", "cuta/images/"},
                 {"cuta", "images_variant_train.txt", "1 707-320\n2 Boeing 717\n", "cuta/images/"},
                 {"cuti", "classnames.txt", "n01440764 tench\nn01443537 goldfish\n", "cuti/images/train/"}};
    static const char changes[] = {'\0', '\n', ' ', '/', '.', '0', '\x80'};
    make_image("cuta/images/1.jpg");
    make_image("cuta/images/2.jpg");
    make_image("cuti/images/train/n01440764/a.jpg");
    make_image("cuti/images/train/n01443537/a.jpg");
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++)
        for (size_t cut = 0; cut < strlen(lists[l].text); cut++)
            for (size_t change = 0; change <= sizeof changes; change++) {
                char text[64], path[64];
                for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) { /* the others whole */
                    snprintf(path, sizeof path, "%s/%s", lists[k].directory, lists[k].file);
                    if (strcmp(lists[k].directory, lists[l].directory) == 0) make_text(path, lists[k].text);
                }
                size_t size = change ? strlen(lists[l].text) : cut;
                snprintf(text, sizeof text, "%s", lists[l].text);
                if (change) text[cut] = changes[change - 1];
                snprintf(path, sizeof path, "%s/%s", lists[l].directory, lists[l].file);
                ck_ok(orthsr__write_file(scratch_file(path), text, size, &error));
                orthsr_dataset *dataset;
                error.message[0] = '\0';
                orthsr_status status = orthsr_dataset_open(&dataset, scratch_file(lists[l].directory), "train", &error);
                ck_assert(!status == (dataset != NULL));
                ck_assert_msg(!status || strstr(error.message, lists[l].directory) != NULL, "%s, %zu, %zu: %s", path, cut, change, error.message);
                for (size_t i = 0; dataset && i < orthsr_dataset_count(dataset); i++) {
                    const char *item = item_path(dataset, i);
                    ck_assert(strncmp(item, "cut", 3) == 0 && !strstr(item, ".."));
                    if (l < 2) ck_assert_int_eq(strncmp(item, lists[l].inside, strlen(lists[l].inside)), 0);
                }
                orthsr_dataset_free(dataset);
            }
}
END_TEST

/* ---- items ---------------------------------------------------------------------------------------------------------- */

/* 8-bit gray, 3 x 2, one row of data missing: its header is good. */
static const char CUT_PNG[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\3\0\0\0\2\x08\0\0\0\0\xb8\x1f\x39\xc6";

START_TEST(items_are_checked) {
    static const struct {
        const char *name, *bytes;
        size_t size;
        const char *header, *decoded; /* what is said of each; NULL: nothing */
    } files[] = {
        {"empty.png", "", 0, "is empty", "is empty"},
        {"text.png", "no image", 8, "neither JPEG nor PNG", "neither JPEG nor PNG"},
        {"lfs.jpg", "version https://git-lfs.github.com/spec/v1\n", 43, "Git LFS pointer", "neither JPEG nor PNG"},
        {"short.png", CUT_PNG, 32, "header is damaged or cut off", "truncated"},
        {"cut.png", CUT_PNG, sizeof CUT_PNG - 1, NULL, "cut.png"},
        {"short.jpg", "\xff\xd8\xff\xe0\0\4\0\0", 8, "header is damaged or cut off", "truncated"},
        {"scan.jpg", "\xff\xd8\xff\xda\0\4\0\0\0\0\0\0", 12, "header is damaged", "JPEG"},
        {"frame.jpg", "\xff\xd8\xff\xff\xc0\0\x0b\x08\0\2\0\3\1\1\x11\0", 16, NULL, "frame.jpg"},
        {"nothing.jpg", "\xff\xd8\xff\xc0\0\x0b\x08\0\0\0\3\1\1\x11\0", 15, "nothing in it", "nothing.jpg"},
    };
    enum { FILES = sizeof files / sizeof *files };
    make_image("items/c/empty.png");
    for (size_t i = 0; i < FILES; i++) {
        char name[64];
        snprintf(name, sizeof name, "items/c/%s", files[i].name);
        ck_ok(orthsr__write_file(scratch_file(name), files[i].bytes, files[i].size, &error));
    }
    orthsr_dataset *dataset = open_part("items", NULL);
    for (size_t i = 0; i < FILES; i++) {
        size_t item = 0;
        while (!strstr(orthsr_dataset_item_name(dataset, item), files[i].name)) item++;
        if (files[i].header) ck_assert_int_ne(orthsr_dataset_check_item(dataset, item, 0, &error), ORTHSR_OK);
        else ck_ok(orthsr_dataset_check_item(dataset, item, 0, &error));
        if (files[i].header) ck_assert_msg(strstr(error.message, files[i].header) != NULL, "%s: %s", files[i].name, error.message);
        ck_assert_int_ne(orthsr_dataset_check_item(dataset, item, 1, &error), ORTHSR_OK);
        ck_assert_msg(strstr(error.message, files[i].decoded) != NULL, "%s: %s", files[i].name, error.message);
    }
    ck_fails(orthsr_dataset_check_item(dataset, FILES, 0, &error), ORTHSR_ERROR_ARGUMENT, "item 9");
    orthsr_dataset_free(dataset);
}
END_TEST

/* Real files of every kind: the header says what decoding finds, to the pixel. */
START_TEST(headers_agree_with_decoding) {
    char command[512];
    make_image("real/c/x");
    snprintf(command, sizeof command, "cp tests/data/images/*.png tests/data/images/*.jpg %s", scratch_file("real/c"));
    ck_assert_int_eq(system(command), 0);
    orthsr_dataset *dataset = open_part("real", NULL);
    size_t readable = 0;
    for (size_t i = 0; i < orthsr_dataset_count(dataset); i++) {
        orthsr_image *image;
        if (orthsr_image_open(&image, orthsr_dataset_item_name(dataset, i), 0, &error)) continue;
        size_t pixels = orthsr_image_width(image) * orthsr_image_height(image);
        orthsr_image_free(image);
        readable++;
        ck_ok(orthsr_dataset_set_max_pixels(dataset, pixels, &error));
        ck_ok(orthsr_dataset_check_item(dataset, i, 0, &error));
        ck_ok(orthsr_dataset_check_item(dataset, i, 1, &error));
        if (pixels == 1) continue;
        ck_ok(orthsr_dataset_set_max_pixels(dataset, pixels - 1, &error));
        ck_fails(orthsr_dataset_check_item(dataset, i, 0, &error), ORTHSR_ERROR_UNSUPPORTED, "more than the limit");
    }
    ck_assert_uint_gt(readable, 10);
    orthsr_dataset_free(dataset);
}
END_TEST

static TCase *split_case(void) {
    TCase *tcase = tcase_create("split files");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, draws_from_a_split_file_are_coops);
    tcase_add_test(tcase, split_files_are_read);
    tcase_add_loop_test(tcase, image_folders_are_found, 0, sizeof FOLDERS / sizeof *FOLDERS);
    tcase_add_loop_test(tcase, bad_split_files_are_refused, 0, sizeof BAD / sizeof *BAD);
    tcase_add_test(tcase, other_split_files_are_refused);
    tcase_add_test(tcase, damaged_split_files);
    return tcase;
}

static TCase *lists_case(void) {
    TCase *tcase = tcase_create("lists");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, damaged_lists);
    tcase_add_test(tcase, aircraft_lists_are_read);
    tcase_add_test(tcase, imagenet_is_read);
    tcase_add_test(tcase, variants_of_imagenet_are_read);
    return tcase;
}

static TCase *items_case(void) {
    TCase *tcase = tcase_create("items");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, items_are_checked);
    tcase_add_test(tcase, headers_agree_with_decoding);
    return tcase;
}

TEST_MAIN("split", split_case, lists_case, items_case)
