/* test_base.c - the layer below everything: checked sizes, files that survive a failure, half floats, Python's random numbers. */
#include "util/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <utf8proc.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/half.h"
#include "base/memory.h"
#include "base/random.h"

static orthsr_error error;

/* ---- errors and memory ---------------------------------------------------------------------------------------------- */

START_TEST(messages_are_written_and_cut) {
    ck_assert_int_eq(orthsr__fail(&error, ORTHSR_ERROR_FORMAT, "%s %d", "line", 3), ORTHSR_ERROR_FORMAT);
    ck_assert_str_eq(error.message, "line 3");
    ck_assert_int_eq(orthsr__fail(NULL, ORTHSR_ERROR_IO, "nobody listens"), ORTHSR_ERROR_IO);
    orthsr__fail(&error, ORTHSR_ERROR_IO, "%2000d", 7);
    ck_assert_uint_eq(strlen(error.message), sizeof error.message - 1);
    ck_fails(orthsr__fail_memory(&error, "a test"), ORTHSR_ERROR_MEMORY, "a test");
    for (int status = ORTHSR_ERROR_CANCELLED; status <= ORTHSR_OK; status++) ck_assert_str_ne(orthsr_status_string((orthsr_status)status), "unknown status");
    ck_assert_str_eq(orthsr_status_string((orthsr_status)-9), "unknown status");
}
END_TEST

/* What is quoted may be anything; a message is UTF-8 without controls, and keeps its beginning and its end. */
static const struct {
    const char *quoted, *shown;
} QUOTED[] = {
    {"caf\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x90\x88", "caf\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x90\x88"},
    {"\x1b[2J\r\n\t\x7f", "\\x1b[2J\\x0d\\x0a\\x09\\x7f"},
    {"\xc2\x9b"
     "2J",
     "\\xc2\\x9b2J"}, /* a terminal's escape as one character, U+009B */
    {"\xc2\xa0", "\xc2\xa0"},
    {"a\xe2\x80\xae"
     "b\xe2\x81\xa6\xe2\x80\xa8",
     "a\\xe2\\x80\\xaeb\\xe2\\x81\\xa6\\xe2\\x80\\xa8"},
    {"caf\xe9", "caf\\xe9"},
    {"\xc3", "\\xc3"},
    {"\xc0\xaf \xed\xa0\x80 \xf5", "\\xc0\\xaf \\xed\\xa0\\x80 \\xf5"}, /* too long a form, a surrogate, beyond Unicode */
};

START_TEST(messages_are_clean) {
    char expected[sizeof error.message];
    snprintf(expected, sizeof expected, "'%s' is bad", QUOTED[_i].shown);
    orthsr__fail(&error, ORTHSR_ERROR_FORMAT, "'%s' is bad", QUOTED[_i].quoted);
    ck_assert_str_eq(error.message, expected);
}
END_TEST

/* UTF-8 without control characters. */
static bool is_clean(const char *message) {
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)message;
    utf8proc_int32_t character;
    for (utf8proc_ssize_t step; *at; at += step) {
        step = utf8proc_iterate(at, -1, &character);
        if (step <= 0 || character < 0x20 || (character >= 0x7f && character < 0xa0)) return false;
    }
    return true;
}

START_TEST(long_messages_keep_both_ends) {
    enum { LENGTH = 100000 };
    static const char *const units[] = {"n", "\xc3\xa9", "\xe6\xbc\xa2", "\xf0\x9f\x90\x88", "\x80", "\x1b", "\xc2\x9b"};
    char *name = malloc(4 * LENGTH + 1);
    ck_assert_ptr_nonnull(name);
    for (size_t u = 0; u < sizeof units / sizeof *units; u++)
        for (size_t n = 200; n <= LENGTH; n = n < 1100 ? n + 3 : n * 10) {
            size_t length = strlen(units[u]);
            for (size_t i = 0; i < n; i++) memcpy(name + i * length, units[u], length);
            name[n * length] = '\0';
            orthsr__fail(&error, ORTHSR_ERROR_FORMAT, "'file': tensor '%s' has 7 dimensions", name);
            length = strlen(error.message);
            ck_assert_uint_lt(length, sizeof error.message);
            ck_assert_msg(strncmp(error.message, "'file': tensor '", 16) == 0, "%s", error.message);
            ck_assert_str_eq(error.message + length - 18, "' has 7 dimensions");
            ck_assert_msg(is_clean(error.message), "%zu of unit %zu: '%s'", n, u, error.message);
        }
    free(name);
}
END_TEST

START_TEST(a_message_can_quote_itself) {
    orthsr__fail(&error, ORTHSR_ERROR_FORMAT, "inner");
    orthsr__fail(&error, ORTHSR_ERROR_FORMAT, "outer: %s", error.message);
    ck_assert_str_eq(error.message, "outer: inner");
}
END_TEST

START_TEST(the_version_is_the_headers) {
    ck_assert_str_eq(orthsr_version_string(), ORTHSR_VERSION_STRING);
    ck_assert_int_eq(orthsr_version_number(), ORTHSR_VERSION_MAJOR * 10000 + ORTHSR_VERSION_MINOR * 100 + ORTHSR_VERSION_PATCH);
}
END_TEST

START_TEST(sizes_are_checked) {
    size_t value = 5;
    ck_assert(!orthsr__mul(&value, SIZE_MAX, 2));
    ck_assert(!orthsr__add(&value, SIZE_MAX, 1));
    ck_assert(orthsr__mul(&value, SIZE_MAX / 2, 2));
    ck_assert_uint_eq(value, SIZE_MAX - 1);
    volatile size_t huge = SIZE_MAX / 4; /* volatile: the compiler may not see it coming */
    ck_assert_ptr_null(orthsr__calloc(huge, 8));
    ck_assert_ptr_null(orthsr__aligned(huge, 8));
    ck_assert_ptr_null(orthsr__aligned(SIZE_MAX - (huge & 1) - 5, 1));
    float *array = orthsr__aligned(3, sizeof *array);
    ck_assert_ptr_nonnull(array);
    ck_assert_uint_eq((uintptr_t)array % 64, 0);
    free(array);
    void *nothing = orthsr__calloc(0, 8);
    ck_assert_ptr_nonnull(nothing);
    free(nothing);
}
END_TEST

START_TEST(reserve_grows_and_keeps) {
    int *items = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < 1000; i++) {
        ck_assert(orthsr__reserve((void **)&items, &capacity, i + 1, sizeof *items));
        ck_assert_uint_gt(capacity, i);
        items[i] = (int)i;
    }
    for (int i = 0; i < 1000; i++) ck_assert_int_eq(items[i], i);
    int *before = items;
    size_t had = capacity;
    ck_assert(!orthsr__reserve((void **)&items, &capacity, SIZE_MAX, sizeof *items));
    ck_assert(!orthsr__reserve((void **)&items, &capacity, SIZE_MAX / 3, sizeof *items));
    ck_assert(items == before && capacity == had);
    free(items);
}
END_TEST

START_TEST(strings_are_copied) {
    char *part = orthsr__strndup("abcdef", 3), *path = orthsr__join("/a/b//", "c"), *root = orthsr__join("/", "c");
    ck_assert_str_eq(part, "abc");
    ck_assert_str_eq(path, "/a/b/c");
    ck_assert_str_eq(root, "//c"); /* the same file as /c */
    free(part);
    free(path);
    free(root);
}
END_TEST

/* ---- files ---------------------------------------------------------------------------------------------------------- */

static void ck_content(const char *path, const char *expected) {
    orthsr__mapping mapping;
    ck_ok(orthsr__map(&mapping, path, &error));
    ck_assert_uint_eq(mapping.size, strlen(expected));
    if (mapping.size) ck_assert_mem_eq(mapping.data, expected, mapping.size);
    else ck_assert_ptr_null(mapping.data);
    orthsr__unmap(&mapping);
    ck_assert_ptr_null(mapping.data);
}

/* A fresh directory with one file, whose name is given back; nothing else may be in it after a failure. */
static const char *lonely_file(const char *directory) {
    ck_ok(orthsr__make_directory(scratch_file(directory), &error));
    char name[64];
    snprintf(name, sizeof name, "%s/file", directory);
    const char *path = scratch_file(name);
    ck_ok(orthsr__write_file(path, "old", 3, &error));
    return path;
}

static size_t entries_of(const char *directory) {
    size_t n = 0;
    DIR *stream = opendir(scratch_file(directory));
    ck_assert_ptr_nonnull(stream);
    for (struct dirent *entry; (entry = readdir(stream));) n += entry->d_name[0] != '.';
    closedir(stream);
    return n;
}

START_TEST(written_files_are_read_back) {
    const char *path = lonely_file("plain");
    ck_content(path, "old");
    ck_ok(orthsr__write_file(path, "newer", 5, &error));
    ck_content(path, "newer");
    ck_ok(orthsr__write_file(path, "", 0, &error));
    ck_content(path, "");
    ck_assert_uint_eq(entries_of("plain"), 1);
    struct stat info;
    mode_t mask = umask(027);
    ck_ok(orthsr__write_file(path, "x", 1, &error));
    umask(mask);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_int_eq(info.st_mode & 0777, 0640); /* as open() would have made it */
    ck_assert(orthsr__is_file(path) && !orthsr__is_directory(path));
    ck_assert(orthsr__is_directory(scratch_file("plain")) && !orthsr__is_file(scratch_file("plain")) && !orthsr__is_file(scratch_file("none")));
}
END_TEST

START_TEST(unreadable_files_are_errors) {
    orthsr__mapping mapping;
    ck_fails(orthsr__map(&mapping, scratch_file("absent"), &error), ORTHSR_ERROR_IO, "No such file");
    ck_fails(orthsr__map(&mapping, scratch_directory(), &error), ORTHSR_ERROR_IO, "not a regular file");
    ck_fails(orthsr__map(&mapping, "/dev/null", &error), ORTHSR_ERROR_IO, "not a regular file");
    const char *fifo = scratch_file("fifo");
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    alarm(5); /* not waiting for a writer */
    ck_fails(orthsr__map(&mapping, fifo, &error), ORTHSR_ERROR_IO, "not a regular file");
    alarm(0);
    ck_assert_ptr_null(mapping.data);
    ck_ok(orthsr__make_directory(scratch_file("made"), &error));
    ck_ok(orthsr__make_directory(scratch_file("made"), &error));
    ck_fails(orthsr__make_directory(scratch_file("no/parent"), &error), ORTHSR_ERROR_IO, "no/parent");
    const char *file = lonely_file("occupied");
    ck_fails(orthsr__make_directory(file, &error), ORTHSR_ERROR_IO, file);
}
END_TEST

/* The limit on file sizes stands in for a full disk, and holds for root too. */
START_TEST(full_disk_keeps_the_old_file) {
    const char *path = lonely_file("full");
    static char much[100000];
    struct rlimit before, small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    orthsr_status status = orthsr__write_file(path, much, sizeof much, &error);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    ck_assert_int_eq(status, ORTHSR_ERROR_IO);
    ck_assert_msg(strstr(error.message, path) != NULL, "%s", error.message);
    ck_content(path, "old");
    ck_assert_uint_eq(entries_of("full"), 1);
}
END_TEST

START_TEST(discarded_writer_keeps_the_old_file) {
    const char *path = lonely_file("discard");
    orthsr__writer writer;
    ck_ok(orthsr__writer_open(&writer, path, &error));
    ck_ok(orthsr__writer_write(&writer, "new", 3, &error));
    ck_assert_uint_eq(writer.written, 3);
    ck_assert_uint_eq(entries_of("discard"), 2);
    ck_content(path, "old"); /* until the rename */
    orthsr__writer_discard(&writer);
    ck_content(path, "old");
    ck_assert_uint_eq(entries_of("discard"), 1);
    orthsr__writer_discard(&writer); /* twice does no harm */
}
END_TEST

START_TEST(failed_rename_removes_the_temporary) {
    ck_ok(orthsr__make_directory(scratch_file("target"), &error));
    ck_ok(orthsr__make_directory(scratch_file("target/directory"), &error));
    ck_fails(orthsr__write_file(scratch_file("target/directory"), "x", 1, &error), ORTHSR_ERROR_IO, "target/directory");
    ck_assert_uint_eq(entries_of("target"), 1);
    ck_fails(orthsr__write_file(scratch_file("nowhere/file"), "x", 1, &error), ORTHSR_ERROR_IO, "nowhere/file");
}
END_TEST

START_TEST(read_only_directory_keeps_the_old_file) {
    if (geteuid() == 0) return; /* root writes everywhere */
    const char *path = lonely_file("locked");
    ck_assert_int_eq(chmod(scratch_file("locked"), 0555), 0);
    orthsr_status status = orthsr__write_file(path, "new", 3, &error);
    ck_assert_int_eq(chmod(scratch_file("locked"), 0755), 0);
    ck_assert_int_eq(status, ORTHSR_ERROR_IO);
    ck_content(path, "old");
}
END_TEST

/* ---- half floats ---------------------------------------------------------------------------------------------------- */

/* One format by what defines it, so that both are held to the same: bits of the fraction and of the exponent. */
typedef struct format {
    int fraction, exponent;
    float (*from)(uint16_t);
    uint16_t (*to)(double);
} format;

static const format FORMATS[] = {{10, 5, orthsr__from_f16, orthsr__to_f16}, {7, 8, orthsr__from_bf16, orthsr__to_bf16}};

static double defined_value(const format *f, unsigned half) {
    int bias = (1 << (f->exponent - 1)) - 1, exponent = (int)(half >> f->fraction) & ((1 << f->exponent) - 1);
    unsigned fraction = half & ((1u << f->fraction) - 1);
    double magnitude =
        exponent ? ldexp((double)((1u << f->fraction) + fraction), exponent - bias - f->fraction) : ldexp((double)fraction, 1 - bias - f->fraction);
    if (exponent == (1 << f->exponent) - 1) magnitude = fraction ? NAN : INFINITY;
    return half & 0x8000u ? -magnitude : magnitude;
}

START_TEST(every_half_has_its_value_and_returns) {
    const format *f = &FORMATS[_i];
    for (unsigned half = 0; half < 65536; half++) {
        double expected = defined_value(f, half), value = f->from((uint16_t)half);
        if (isnan(expected)) {
            ck_assert_msg(isnan(value) && isnan(f->from(f->to(value))), "0x%04x: %g", half, value);
        } else {
            ck_assert_msg(value == expected && !signbit(value) == !signbit(expected), "0x%04x is %g, not %g", half, value, expected);
            ck_assert_msg(f->to(value) == half, "0x%04x came back as 0x%04x", half, f->to(value));
        }
    }
}
END_TEST

/* Between every two neighbours: the middle goes to the even one, and the float64 values next to it to the nearer one. */
START_TEST(rounding_is_to_nearest_even) {
    const format *f = &FORMATS[_i];
    unsigned infinity = ((1u << f->exponent) - 1) << f->fraction;
    for (unsigned low = 0; low < infinity; low++) {
        double a = defined_value(f, low), gap = low ? a - defined_value(f, low - 1) : defined_value(f, 1);
        unsigned fraction = low & ((1u << f->fraction) - 1);
        if (fraction == 0 && low >> f->fraction > 1) gap *= 2; /* the first of a binade: wider above than below */
        double middle = a + gap / 2;
        unsigned even = low & 1 ? low + 1 : low;
        ck_assert_msg(f->to(middle) == even, "middle after 0x%04x: 0x%04x", low, f->to(middle));
        ck_assert_msg(f->to(nextafter(middle, 0)) == low, "below the middle after 0x%04x: 0x%04x", low, f->to(nextafter(middle, 0)));
        ck_assert_msg(f->to(nextafter(middle, INFINITY)) == low + 1, "above the middle after 0x%04x: 0x%04x", low, f->to(nextafter(middle, INFINITY)));
        ck_assert_uint_eq(f->to(-middle), even | 0x8000u);
    }
}
END_TEST

START_TEST(known_halves) {
    ck_assert_uint_eq(orthsr__to_f16(1.0), 0x3c00);
    ck_assert_uint_eq(orthsr__to_f16(-2.0), 0xc000);
    ck_assert_uint_eq(orthsr__to_f16(65504.0), 0x7bff);
    ck_assert_uint_eq(orthsr__to_f16(65519.999), 0x7bff);
    ck_assert_uint_eq(orthsr__to_f16(65520.0), 0x7c00);
    ck_assert_uint_eq(orthsr__to_f16(1e300), 0x7c00);
    ck_assert_uint_eq(orthsr__to_f16(0x1p-24), 0x0001);
    ck_assert_uint_eq(orthsr__to_f16(0x1p-25), 0x0000);
    ck_assert_uint_eq(orthsr__to_f16(0x1.8p-25), 0x0001);
    ck_assert_uint_eq(orthsr__to_f16(-1e-300), 0x8000);
    ck_assert_uint_eq(orthsr__to_f16(1.0 / 3), 0x3555);
    ck_assert_uint_eq(orthsr__to_bf16(1.0), 0x3f80);
    ck_assert_uint_eq(orthsr__to_bf16(1.0 / 3), 0x3eab);
    ck_assert_uint_eq(orthsr__to_bf16(3.4e38), 0x7f80);
    ck_assert_uint_eq(orthsr__to_bf16(0x1p-133), 0x0001);
    /* once from float64: rounding to float32 first would make a tie of it and give the even neighbour */
    ck_assert_uint_eq(orthsr__to_f16(1.0 + 0x1p-11 + 0x1p-40), 0x3c01);
    ck_assert_uint_eq(orthsr__to_bf16(1.0 + 0x1p-8 + 0x1p-40), 0x3f81);
}
END_TEST

/* ---- random: values from CPython 3.11 ------------------------------------------------------------------------------- */

static const struct {
    uint64_t seed;
    uint32_t words[3], one, seven, thirty_one;
} BITS[] = {{0, {3626764237, 1654615998, 3255389356}, 1, 53, 86939546},           {1, {577090037, 2444712010, 3639700191}, 1, 97, 135520872},
            {2, {4106135923, 3707026329, 4070888059}, 1, 7, 196676841},           {3, {1022050301, 2545373330, 2337446730}, 0, 47, 1966976506},
            {4294967301, {675479763, 2085189291, 1213270837}, 1, 77, 1793847346}, {UINT64_MAX, {93740670, 1068495656, 1452108352}, 1, 27, 979389737}};

START_TEST(bits_are_pythons) {
    orthsr__random random;
    orthsr__random_seed(&random, BITS[_i].seed);
    for (size_t i = 0; i < 3; i++) ck_assert_uint_eq(orthsr__random_bits(&random, 32), BITS[_i].words[i]);
    ck_assert_uint_eq(orthsr__random_bits(&random, 1), BITS[_i].one);
    ck_assert_uint_eq(orthsr__random_bits(&random, 7), BITS[_i].seven);
    ck_assert_uint_eq(orthsr__random_bits(&random, 31), BITS[_i].thirty_one);
}
END_TEST

START_TEST(bits_go_on_after_a_refill) {
    orthsr__random random;
    orthsr__random_seed(&random, 2);
    for (size_t i = 0; i < 1000; i++) orthsr__random_bits(&random, 32);
    ck_assert_uint_eq(orthsr__random_bits(&random, 32), 2034927059);
}
END_TEST

/* On both sides of the sizes where random.sample changes its method; after: the next getrandbits(32), so that nothing was drawn in excess. */
static const struct {
    uint64_t seed;
    size_t n, k, drawn[22];
    uint32_t after;
} SAMPLES[] = {
    {1, 20, 4, {4, 18, 2, 8}, 506456969},
    {2, 21, 5, {1, 2, 19, 11, 5}, 3160967032},
    {2, 22, 5, {1, 2, 11, 5, 21}, 3667190760},
    {1, 1000, 5, {137, 582, 867, 821, 782}, 271041745},
    {2, 85, 16, {7, 11, 10, 46, 21, 39, 32, 77, 27, 4, 74, 20, 55, 50, 65, 47}, 2337222593},
    {2, 86, 16, {7, 11, 10, 46, 21, 85, 39, 32, 77, 27, 4, 74, 20, 55, 81, 50}, 3451733971},
    {3, 6000, 16, {1949, 4854, 4458, 1068, 3030, 4947, 3883, 5125, 4758, 536, 4961, 107, 3843, 2124, 4512, 1919}, 823534631},
    {3, 10, 10, {3, 8, 2, 7, 4, 9, 0, 6, 5, 1}, 1113916996},
    {1, 1, 1, {0}, 2444712010},
    {2, 5, 0, {0}, 4106135923},
    {2, 277, 22, {28, 46, 43, 184, 86, 157, 128, 108, 18, 81, 220, 201, 260, 190, 227, 257, 137, 268, 14, 186, 238, 163}, 3898757035},
    {2, 278, 22, {28, 46, 43, 184, 86, 157, 128, 108, 18, 81, 220, 201, 260, 190, 227, 257, 137, 14, 186, 238, 163, 194}, 1819395238},
};

START_TEST(samples_are_pythons) {
    orthsr__random random;
    size_t drawn[22];
    orthsr__random_seed(&random, SAMPLES[_i].seed);
    ck_ok(orthsr__random_sample(&random, drawn, SAMPLES[_i].n, SAMPLES[_i].k, &error));
    for (size_t i = 0; i < SAMPLES[_i].k; i++) ck_assert_uint_eq(drawn[i], SAMPLES[_i].drawn[i]);
    ck_assert_uint_eq(orthsr__random_bits(&random, 32), SAMPLES[_i].after);
}
END_TEST

START_TEST(shuffles_are_pythons) {
    static const size_t ten[] = {6, 8, 9, 7, 5, 3, 0, 4, 1, 2};
    static const size_t more[] = {16, 28, 18, 32, 30, 20, 0, 4, 10, 7, 14, 17, 22, 29, 15, 12, 13, 27, 1, 24, 6, 19, 8, 9, 21, 25, 23, 31, 26, 11, 2, 5, 3};
    size_t items[33];
    orthsr__random random;
    for (size_t i = 0; i < 10; i++) items[i] = i;
    orthsr__random_seed(&random, 1);
    orthsr__random_shuffle(&random, items, 10);
    ck_assert_mem_eq(items, ten, sizeof ten);
    for (size_t i = 0; i < 33; i++) items[i] = i;
    orthsr__random_seed(&random, 2);
    orthsr__random_shuffle(&random, items, 33);
    ck_assert_mem_eq(items, more, sizeof more);
}
END_TEST

static TCase *memory_case(void) {
    TCase *tcase = tcase_create("memory");
    tcase_add_test(tcase, messages_are_written_and_cut);
    tcase_add_loop_test(tcase, messages_are_clean, 0, sizeof QUOTED / sizeof *QUOTED);
    tcase_add_test(tcase, long_messages_keep_both_ends);
    tcase_add_test(tcase, a_message_can_quote_itself);
    tcase_add_test(tcase, the_version_is_the_headers);
    tcase_add_test(tcase, sizes_are_checked);
    tcase_add_test(tcase, reserve_grows_and_keeps);
    tcase_add_test(tcase, strings_are_copied);
    return tcase;
}

static TCase *file_case(void) {
    TCase *tcase = tcase_create("file");
    tcase_add_test(tcase, written_files_are_read_back);
    tcase_add_test(tcase, unreadable_files_are_errors);
    tcase_add_test(tcase, full_disk_keeps_the_old_file);
    tcase_add_test(tcase, discarded_writer_keeps_the_old_file);
    tcase_add_test(tcase, failed_rename_removes_the_temporary);
    tcase_add_test(tcase, read_only_directory_keeps_the_old_file);
    return tcase;
}

static TCase *half_case(void) {
    TCase *tcase = tcase_create("half");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, every_half_has_its_value_and_returns, 0, 2);
    tcase_add_loop_test(tcase, rounding_is_to_nearest_even, 0, 2);
    tcase_add_test(tcase, known_halves);
    return tcase;
}

static TCase *random_case(void) {
    TCase *tcase = tcase_create("random");
    tcase_add_loop_test(tcase, bits_are_pythons, 0, sizeof BITS / sizeof *BITS);
    tcase_add_test(tcase, bits_go_on_after_a_refill);
    tcase_add_loop_test(tcase, samples_are_pythons, 0, sizeof SAMPLES / sizeof *SAMPLES);
    tcase_add_test(tcase, shuffles_are_pythons);
    return tcase;
}

TEST_MAIN("base", memory_case, file_case, half_case, random_case)
