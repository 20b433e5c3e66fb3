/* test_image.c - decoding, resizing and cropping against PIL (tests/oracle/make_images.py), and what bad files do. */
#include "util/check.h"

#include <sys/stat.h>
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
    for (size_t n = 0; n < size; n += short_run() ? 5 : 1)
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

/* ---- files made to be slow or large ---- */

static size_t chunk(unsigned char *at, const char *name, const void *data, size_t size) {
    big_endian(at, size, 4);
    memcpy(at + 4, name, 4);
    if (size > 0) memcpy(at + 8, data, size);
    big_endian(at + 8 + size, crc32(0, at + 4, (uInt)size + 4), 4);
    return size + 12;
}

/* A gray PNG of zeros: `rows` lines of data for the header's height, and before them `texts` zTXt chunks that unpack to `unpacked` bytes each. */
static const char *zeros_png(unsigned long width, unsigned long height, size_t rows, size_t texts, size_t unpacked) {
    uLong raw = (width + 1) * rows, length = compressBound(raw), text_length = compressBound(unpacked) + 3;
    unsigned char *zeros = calloc(raw > unpacked ? raw : unpacked, 1), *data = malloc(length), *text = malloc(text_length), header[13] = {0};
    must(compress(data, &length, zeros, raw) == Z_OK, "zlib");
    memcpy(text, "x\0", 3);
    text_length -= 3;
    must(compress(text + 3, &text_length, zeros, unpacked) == Z_OK, "zlib");
    big_endian(header, width, 4);
    big_endian(header + 4, height, 4);
    header[8] = 8;
    unsigned char *file = malloc(100 + length + texts * (text_length + 15)), *at = file + 8;
    memcpy(file, "\x89PNG\r\n\x1a\n", 8);
    at += chunk(at, "IHDR", header, 13);
    for (size_t i = 0; i < texts; i++) at += chunk(at, "zTXt", text, text_length + 3);
    at += chunk(at, "IDAT", data, length);
    at += chunk(at, "IEND", NULL, 0);
    const char *path = written("zeros.png", file, (size_t)(at - file));
    free(zeros);
    free(data);
    free(text);
    free(file);
    return path;
}

START_TEST(only_the_pixels_are_unpacked) {
    orthsr_error error;
    orthsr_image *image;
    ck_ok(orthsr_image_open(&image, zeros_png(100000, 1, 1, 0, 0), 0, &error));
    ck_assert_uint_eq(orthsr_image_width(image), 100000);
    orthsr_image_free(image);
    ck_ok(orthsr_image_open(&image, zeros_png(1, 100000, 100000, 0, 0), 0, &error));
    orthsr_image_free(image);
    ck_ok(orthsr_image_open(&image, zeros_png(9, 8, 4000000, 0, 0), 0, &error)); /* 40 MB for 80 bytes */
    orthsr_image_free(image);
    ck_ok(orthsr_image_open(&image, zeros_png(9, 8, 8, 2000, 1 << 20), 0, &error)); /* 2 GB of texts: seconds if they were unpacked */
    orthsr_image_free(image);
    ck_fails(orthsr_image_open(&image, zeros_png(9, 8, 7, 0, 0), 0, &error), ORTHSR_ERROR_FORMAT, "zeros.png");
}
END_TEST

/* A text after each `part` bytes of a PNG's data, which comes `times` times. */
static const char *parted_png(size_t part, int times) {
    unsigned char zeros[8 * 10] = {0}, data[256], header[13] = {0, 0, 0, 9, 0, 0, 0, 8, 8}, file[1 << 14], *at = file + 8;
    uLong length = sizeof data;
    must(compress(data, &length, zeros, sizeof zeros) == Z_OK, "zlib");
    memcpy(file, "\x89PNG\r\n\x1a\n", 8);
    at += chunk(at, "IHDR", header, 13);
    for (int i = 0; i < times; i++)
        for (size_t done = 0, n; done < length; done += n) {
            n = length - done < part ? length - done : part;
            at += chunk(at, "IDAT", data + done, n);
            at += chunk(at, "tEXt", "a\0b", 3);
        }
    at += chunk(at, "IEND", NULL, 0);
    return written("parted.png", file, (size_t)(at - file));
}

/* libpng's progressive reader says for each piece anew that the data begin: every one of them was given an image of its own once. */
START_TEST(parted_data_take_one_image) {
    orthsr_error error;
    orthsr_image *image;
    ck_ok(orthsr_image_open(&image, parted_png(256, 1), 0, &error));
    orthsr_image_free(image);
    ck_ok(orthsr_image_open(&image, parted_png(256, 50), 0, &error)); /* after the last row anything may come */
    orthsr_image_free(image);
    ck_fails(orthsr_image_open(&image, parted_png(4, 1), 0, &error), ORTHSR_ERROR_FORMAT, "Not enough compressed data");
}
END_TEST

START_TEST(damaged_chunks_are_errors) {
    orthsr_error error;
    orthsr_image *image;
    size_t size;
    unsigned char *bytes = read_file(fixture("rgb8.png"), &size);
    const size_t checksums[] = {29, size - 13, size - 1}; /* of IHDR, IDAT, IEND */
    for (size_t i = 0; i < 3; i++) {
        bytes[checksums[i]] ^= 1;
        ck_fails(orthsr_image_open(&image, written("crc.png", bytes, size), 0, &error), ORTHSR_ERROR_FORMAT, "CRC");
        bytes[checksums[i]] ^= 1;
    }
    free(bytes);
}
END_TEST

START_TEST(scans_are_counted) {
    orthsr_error error;
    orthsr_image *image;
    size_t size, last = 0;
    unsigned char *bytes = read_file(fixture("gray-progressive.jpg"), &size);
    for (size_t i = 0; i + 1 < size; i++)
        if (bytes[i] == 0xff && bytes[i + 1] == 0xda) last = i;
    size_t scan = size - 2 - last; /* the last scan, again and again */
    for (size_t times = 150; times <= 5000; times += 4850) {
        unsigned char *file = malloc(size + times * scan);
        memcpy(file, bytes, size - 2);
        for (size_t i = 0; i < times; i++) memcpy(file + size - 2 + i * scan, bytes + last, scan);
        memcpy(file + size - 2 + times * scan, "\xff\xd9", 2);
        const char *path = written("scans.jpg", file, size + times * scan);
        if (times == 150) ck_ok(orthsr_image_open(&image, path, 0, &error));
        else ck_fails(orthsr_image_open(&image, path, 0, &error), ORTHSR_ERROR_FORMAT, "more than 200 scans");
        orthsr_image_free(image);
        free(file);
    }
    free(bytes);
}
END_TEST

START_TEST(names_do_not_matter_but_kinds_of_files_do) {
    orthsr_error error;
    orthsr_image *image;
    char here[400], target[800];
    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    snprintf(target, sizeof target, "%s/%s", here, fixture("rgb8.png"));
    const char *link = scratch_file("a.jpg"), *fifo = scratch_file("fifo.png"), *dangling = scratch_file("dangling.png");
    ck_assert_int_eq(symlink(target, link), 0);
    ck_ok(orthsr_image_open(&image, link, 0, &error));
    orthsr_image_free(image);
    ck_assert_int_eq(symlink("nowhere", dangling), 0);
    ck_fails(orthsr_image_open(&image, dangling, 0, &error), ORTHSR_ERROR_IO, "dangling.png");
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    ck_fails(orthsr_image_open(&image, fifo, 0, &error), ORTHSR_ERROR_IO, "fifo.png");
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
    tcase_add_test(tests, only_the_pixels_are_unpacked);
    tcase_add_test(tests, parted_data_take_one_image);
    tcase_add_test(tests, damaged_chunks_are_errors);
    tcase_add_test(tests, scans_are_counted);
    tcase_add_test(tests, names_do_not_matter_but_kinds_of_files_do);
    return tests;
}

TEST_MAIN("image", pil, memory, bad)
