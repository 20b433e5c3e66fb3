/* test_image.c - decoding, resizing and cropping against PIL (tests/oracle/make_images.py), and what bad files do. */
#include "util/check.h"

#include <zlib.h>

/* An assertion for loops: Check writes a record for every ck_assert it passes. */
#define must(condition, ...)                                                                                                                                   \
    do {                                                                                                                                                       \
        if (!(condition)) ck_abort_msg(__VA_ARGS__);                                                                                                           \
    } while (0)

static const char *const folder = "tests/data/images";

static const char *fixture(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static unsigned char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static const char *written(const char *name, const void *bytes, size_t size) {
    const char *path = scratch_file(name);
    remove(path); /* some file systems wait for the disk when a file is emptied and written again */
    FILE *file = fopen(path, "wb");
    must(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0, "cannot write %s", path);
    return path;
}

/* ---- PIL ---- */

typedef struct expectation {
    char file[400], operation[16];
    unsigned a, b, width, height;
} expectation;

/* One line of make_images.py; false at the end. */
static int next_expectation(FILE *lines, expectation *e) {
    return fscanf(lines, "%399s %15s %u %u %u %u", e->file, e->operation, &e->a, &e->b, &e->width, &e->height) == 6;
}

static orthsr_image *made(const expectation *e, const char *path) {
    orthsr_error error;
    orthsr_image *image, *result = NULL;
    ck_ok(orthsr_image_open(&image, path, 0, &error));
    if (strcmp(e->operation, "open") == 0) return image;
    if (strcmp(e->operation, "resize") == 0) ck_ok(orthsr_image_resize(&result, image, e->a, e->b, &error));
    if (strcmp(e->operation, "crop") == 0) ck_ok(orthsr_image_resize_crop(&result, image, e->a, &error));
    orthsr_image_free(image);
    return result;
}

/* Values that differ, and the largest difference. */
typedef struct difference {
    size_t values, unequal, beyond_one;
    int largest;
} difference;

static void compare(difference *d, const orthsr_image *image, const unsigned char *expected) {
    size_t n = orthsr_image_width(image) * orthsr_image_height(image) * 3;
    for (size_t i = 0; i < n; i++) {
        int gap = abs(orthsr_image_rgb(image)[i] - expected[i]);
        d->unequal += gap > 0;
        d->beyond_one += gap > 1;
        if (gap > d->largest) d->largest = gap;
    }
    d->values += n;
}

START_TEST(pixels_are_those_of_pil) {
    FILE *lines = fopen(fixture("cases.txt"), "r");
    gzFile pixels = gzopen(fixture("pixels.gz"), "rb");
    ck_assert(lines && pixels);
    difference png = {0}, jpeg = {0};
    size_t cases = 0;
    for (expectation e; next_expectation(lines, &e); cases++) {
        orthsr_image *image = made(&e, fixture(e.file));
        ck_assert_uint_eq(orthsr_image_width(image), e.width);
        ck_assert_uint_eq(orthsr_image_height(image), e.height);
        unsigned bytes = e.width * e.height * 3;
        unsigned char *expected = malloc(bytes);
        ck_assert_int_eq(gzread(pixels, expected, bytes), (int)bytes);
        int is_png = strstr(e.file, ".png") != NULL;
        difference *d = is_png ? &png : &jpeg;
        size_t before = d->unequal;
        compare(d, image, expected);
        if (is_png)
            ck_assert_msg(d->unequal == before, "%s %s %u %u: %zu of %u values differ from PIL's", e.file, e.operation, e.a, e.b, d->unequal - before, bytes);
        free(expected);
        orthsr_image_free(image);
    }
    char more;
    ck_assert_int_eq(gzread(pixels, &more, 1), 0);
    gzclose(pixels);
    fclose(lines);
    ck_assert_uint_gt(cases, 150);
    ck_assert_msg((double)jpeg.beyond_one <= 0.001 * (double)jpeg.values, "JPEG: %zu of %zu values are off by more than 1", jpeg.beyond_one, jpeg.values);
    printf("images: %zu cases; PNG %zu values, all equal; JPEG %zu values, %zu unequal, %zu beyond 1, largest difference %d\n", cases, png.values, jpeg.values,
           jpeg.unequal, jpeg.beyond_one, jpeg.largest);
}
END_TEST

/* ---- images in memory ---- */

START_TEST(gray_is_replicated) {
    orthsr_error error;
    orthsr_image *image;
    const uint8_t gray[] = {1, 2, 3, 4, 5, 6};
    ck_ok(orthsr_image_new(&image, gray, 2, 3, 1, &error));
    for (size_t i = 0; i < 18; i++) must(orthsr_image_rgb(image)[i] == gray[i / 3], "value %zu is %d", i, orthsr_image_rgb(image)[i]);
    orthsr_image *same;
    ck_ok(orthsr_image_resize(&same, image, 3, 2, &error));
    ck_assert_mem_eq(orthsr_image_rgb(same), orthsr_image_rgb(image), 18);
    orthsr_image_free(same);
    orthsr_image_free(image);
    orthsr_image_free(NULL);
}
END_TEST

START_TEST(a_flat_image_stays_flat) {
    orthsr_error error;
    uint8_t *flat = malloc(50 * 70);
    for (int value = 0; value <= 255; value += 51) {
        memset(flat, value, 50 * 70);
        orthsr_image *image, *small;
        ck_ok(orthsr_image_new(&image, flat, 50, 70, 1, &error));
        ck_ok(orthsr_image_resize_crop(&small, image, 32, &error));
        for (size_t i = 0; i < 32 * 32 * 3; i++) must(orthsr_image_rgb(small)[i] == value, "%d became %d", value, orthsr_image_rgb(small)[i]);
        orthsr_image_free(small);
        orthsr_image_free(image);
    }
    free(flat);
}
END_TEST

START_TEST(a_long_image_costs_only_its_crop) {
    orthsr_error error;
    uint8_t *line = calloc(1000000, 1);
    orthsr_image *image, *crop;
    ck_ok(orthsr_image_new(&image, line, 1, 1000000, 1, &error));
    ck_ok(orthsr_image_resize_crop(&crop, image, 224, &error)); /* the resized image would have 224 x 224,000,000 pixels */
    ck_assert_uint_eq(orthsr_image_width(crop), 224);
    ck_assert_uint_eq(orthsr_image_height(crop), 224);
    orthsr_image_free(crop);
    orthsr_image_free(image);
    free(line);
}
END_TEST

START_TEST(arguments_are_checked) {
    orthsr_error error;
    orthsr_image *image, *none;
    const uint8_t pixel[3] = {1, 2, 3};
    ck_fails(orthsr_image_open(NULL, "x", 0, &error), ORTHSR_ERROR_ARGUMENT, "out");
    ck_fails(orthsr_image_open(&none, NULL, 0, &error), ORTHSR_ERROR_ARGUMENT, "path");
    ck_fails(orthsr_image_new(&none, NULL, 1, 1, 3, &error), ORTHSR_ERROR_ARGUMENT, "pixels");
    ck_fails(orthsr_image_new(&none, pixel, 0, 1, 3, &error), ORTHSR_ERROR_ARGUMENT, "height");
    ck_fails(orthsr_image_new(&none, pixel, 1, 0, 3, &error), ORTHSR_ERROR_ARGUMENT, "width");
    ck_fails(orthsr_image_new(&none, pixel, 1, 1, 4, &error), ORTHSR_ERROR_ARGUMENT, "channels");
    ck_ok(orthsr_image_new(&image, pixel, 1, 1, 3, &error));
    ck_fails(orthsr_image_resize(&none, image, 0, 1, &error), ORTHSR_ERROR_ARGUMENT, "width");
    ck_fails(orthsr_image_resize(&none, image, 1, (size_t)1 << 40, &error), ORTHSR_ERROR_ARGUMENT, "2^31");
    ck_fails(orthsr_image_resize(&none, NULL, 1, 1, &error), ORTHSR_ERROR_ARGUMENT, "image");
    ck_fails(orthsr_image_resize_crop(&none, image, 0, &error), ORTHSR_ERROR_ARGUMENT, "size");
    ck_fails(orthsr_image_resize(&none, image, 2147483647, 2147483647, &error), ORTHSR_ERROR_MEMORY, "memory");
    ck_assert_ptr_null(none);
    orthsr_image_free(image);
}
END_TEST

/* ---- bad files ---- */

START_TEST(other_files_are_refused_by_name) {
    orthsr_error error;
    orthsr_image *image;
    ck_fails(orthsr_image_open(&image, "no/such.png", 0, &error), ORTHSR_ERROR_IO, "no/such.png");
    ck_fails(orthsr_image_open(&image, folder, 0, &error), ORTHSR_ERROR_IO, "regular file");
    ck_fails(orthsr_image_open(&image, written("empty.png", "", 0), 0, &error), ORTHSR_ERROR_FORMAT, "empty.png");
    ck_fails(orthsr_image_open(&image, written("a.gif", "GIF89a....", 10), 0, &error), ORTHSR_ERROR_UNSUPPORTED, "a.gif");
    ck_fails(orthsr_image_open(&image, fixture("rgb8.png"), 619, &error), ORTHSR_ERROR_UNSUPPORTED, "31 x 20");
    ck_fails(orthsr_image_open(&image, fixture("ycc420.jpg"), 944, &error), ORTHSR_ERROR_UNSUPPORTED, "35 x 27");
    ck_ok(orthsr_image_open(&image, fixture("rgb8.png"), 620, &error));
    orthsr_image_free(image);
    ck_assert_int_eq(orthsr_image_open(&image, "no/such.png", 0, NULL), ORTHSR_ERROR_IO);
}
END_TEST

static const char *const small_files[] = {"rgb8.png",   "gray16-interlaced.png", "palette4.png", "rgba16.png",
                                          "ycc420.jpg", "progressive-420.jpg",   "cmyk.jpg",     "restart.jpg"};

START_TEST(every_truncation_is_an_error) {
    orthsr_error error;
    orthsr_image *image;
    size_t size;
    unsigned char *bytes = read_file(fixture(small_files[_i]), &size);
    for (size_t n = 0; n < size; n++) {
        const char *path = written("cut", bytes, n);
        orthsr_status status = orthsr_image_open(&image, path, 0, &error);
        must(status == ORTHSR_ERROR_FORMAT || (n < 8 && status == ORTHSR_ERROR_UNSUPPORTED), "%s cut to %zu of %zu bytes: %s", small_files[_i], n, size,
             orthsr_status_string(status));
        must(strstr(error.message, path) != NULL && image == NULL, "'%s' does not name the file", error.message);
    }
    free(bytes);
}
END_TEST

START_TEST(damaged_bytes_do_no_harm) {
    orthsr_error error;
    orthsr_image *image;
    size_t size, opened = 0;
    unsigned char *bytes = read_file(fixture(small_files[_i]), &size);
    const unsigned char damage[] = {0xff, 0x01, 0x80};
    for (size_t n = 0; n < size; n += getenv("ORTHSR_TEST_SHORT") ? 5 : 1)
        for (size_t k = 0; k < sizeof damage; k++) {
            bytes[n] ^= damage[k];
            if (orthsr_image_open(&image, written("damaged", bytes, size), 1000000, &error) == ORTHSR_OK) opened++;
            else must(image == NULL, "an image although '%s'", error.message);
            orthsr_image_free(image);
            bytes[n] ^= damage[k];
        }
    ck_assert_uint_lt(opened, 3 * size);
    free(bytes);
}
END_TEST

static void big_endian(unsigned char *at, unsigned long value, int bytes) {
    for (int i = bytes - 1; i >= 0; i--, value >>= 8) at[i] = (unsigned char)value;
}

/* rgb8.png with another size in its header (the checksum made right), and ycc420.jpg the same. */
static const char *png_of_size(unsigned long width, unsigned long height) {
    size_t size;
    unsigned char *bytes = read_file(fixture("rgb8.png"), &size);
    big_endian(bytes + 16, width, 4);
    big_endian(bytes + 20, height, 4);
    big_endian(bytes + 29, crc32(0, bytes + 12, 17), 4);
    const char *path = written("sized.png", bytes, size);
    free(bytes);
    return path;
}

static const char *jpeg_of_size(unsigned long width, unsigned long height) {
    size_t size, at = 2;
    unsigned char *bytes = read_file(fixture("ycc420.jpg"), &size);
    while (bytes[at + 1] != 0xc0) at += 2 + (size_t)bytes[at + 2] * 256 + bytes[at + 3];
    big_endian(bytes + at + 5, height, 2);
    big_endian(bytes + at + 7, width, 2);
    const char *path = written("sized.jpg", bytes, size);
    free(bytes);
    return path;
}

START_TEST(claimed_sizes_are_not_believed) {
    orthsr_error error;
    orthsr_image *image;
    ck_fails(orthsr_image_open(&image, png_of_size(0, 20), 0, &error), ORTHSR_ERROR_FORMAT, "sized.png");
    ck_fails(orthsr_image_open(&image, png_of_size(31, 0), 0, &error), ORTHSR_ERROR_FORMAT, "sized.png");
    ck_fails(orthsr_image_open(&image, png_of_size(100000, 100000), 0, &error), ORTHSR_ERROR_UNSUPPORTED, "100000 x 100000");
    ck_fails(orthsr_image_open(&image, png_of_size(0x7fffffff, 0x7fffffff), 0, &error), ORTHSR_ERROR_UNSUPPORTED, "limit");
    ck_fails(orthsr_image_open(&image, png_of_size(0x7fffffff, 0x7fffffff), SIZE_MAX, &error), ORTHSR_ERROR_MEMORY, "sized.png");
    ck_fails(orthsr_image_open(&image, png_of_size(0xffffffff, 1), 0, &error), ORTHSR_ERROR_FORMAT, "sized.png");
    ck_fails(orthsr_image_open(&image, png_of_size(5000, 5000), 0, &error), ORTHSR_ERROR_FORMAT, "sized.png");
    ck_fails(orthsr_image_open(&image, jpeg_of_size(0, 27), 0, &error), ORTHSR_ERROR_FORMAT, "sized.jpg");
    ck_fails(orthsr_image_open(&image, jpeg_of_size(35, 0), 0, &error), ORTHSR_ERROR_FORMAT, "sized.jpg");
    ck_fails(orthsr_image_open(&image, jpeg_of_size(65000, 65000), 0, &error), ORTHSR_ERROR_UNSUPPORTED, "65000 x 65000");
    ck_ok(orthsr_image_open(&image, jpeg_of_size(300, 300), 0, &error)); /* as in PIL: the scan ends at its end marker, what it lacks is gray */
    orthsr_image_free(image);
}
END_TEST

static TCase *pil(void) {
    TCase *tests = tcase_create("pil");
    tcase_add_test(tests, pixels_are_those_of_pil);
    return tests;
}

static TCase *memory(void) {
    TCase *tests = tcase_create("memory");
    tcase_add_test(tests, gray_is_replicated);
    tcase_add_test(tests, a_flat_image_stays_flat);
    tcase_add_test(tests, a_long_image_costs_only_its_crop);
    tcase_add_test(tests, arguments_are_checked);
    return tests;
}

static TCase *bad(void) {
    TCase *tests = tcase_create("bad files");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, other_files_are_refused_by_name);
    tcase_add_loop_test(tests, every_truncation_is_an_error, 0, sizeof small_files / sizeof small_files[0]);
    tcase_add_loop_test(tests, damaged_bytes_do_no_harm, 0, sizeof small_files / sizeof small_files[0]);
    tcase_add_test(tests, claimed_sizes_are_not_believed);
    return tests;
}

TEST_MAIN("image", pil, memory, bad)
