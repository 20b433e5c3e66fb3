/* test_array.c - .npy files: written, read back, and refused. */
#include "util/check.h"

#include <stdint.h>

#include "base/file.h"

static orthsr_error error;

/* A .npy of this version, dict and data, the header not padded. */
static const char *write_raw(int version, const char *dict, const void *data, size_t size) {
    const char *path = scratch_file("raw.npy");
    size_t length = strlen(dict);
    uint8_t prefix[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', (uint8_t)version, 0, (uint8_t)length, (uint8_t)(length >> 8), 0, 0};
    orthsr__writer writer;
    ck_ok(orthsr__writer_open(&writer, path, &error));
    ck_ok(orthsr__writer_write(&writer, prefix, version == 1 ? 10 : 12, &error));
    ck_ok(orthsr__writer_write(&writer, dict, length, &error));
    ck_ok(orthsr__writer_write(&writer, data, size, &error));
    ck_ok(orthsr__writer_commit(&writer, &error));
    return path;
}

static void ck_refused(const char *path, orthsr_status status, const char *text) {
    float one, *data = &one;
    size_t shape[ORTHSR_ARRAY_MAX_RANK], rank = 99;
    ck_fails(orthsr_array_read(&data, shape, &rank, path, &error), status, text);
    ck_assert_ptr_null(data);
    ck_assert_uint_eq(rank, 99);
    ck_assert_msg(strstr(error.message, path) != NULL, "'%s' does not name the file", error.message);
}

/* ---- round trips ---------------------------------------------------------------------------------------------------- */

START_TEST(every_rank_returns) {
    static const size_t extents[ORTHSR_ARRAY_MAX_RANK] = {3, 1, 4, 2, 5, 1, 1, 2};
    float values[240];
    size_t rank = (size_t)_i, n = 1;
    for (size_t i = 0; i < rank; i++) n *= extents[i];
    for (size_t i = 0; i < 240; i++) values[i] = (float)i * -0.1f;
    values[0] = -0.0f;
    const char *path = scratch_file("array.npy");
    ck_ok(orthsr_array_write(path, values, rank ? extents : NULL, rank, &error));
    orthsr__mapping file;
    ck_ok(orthsr__map(&file, path, &error));
    ck_assert_uint_eq((file.size - 4 * n) % 64, 0); /* the values begin at a multiple of 64 */
    ck_assert_int_eq(file.data[file.size - 4 * n - 1], '\n');
    orthsr__unmap(&file);
    float *data;
    size_t shape[ORTHSR_ARRAY_MAX_RANK], got;
    ck_ok(orthsr_array_read(&data, shape, &got, path, &error));
    ck_assert_uint_eq(got, rank);
    for (size_t i = 0; i < rank; i++) ck_assert_uint_eq(shape[i], extents[i]);
    ck_assert_mem_eq(data, values, n * sizeof *data);
    orthsr_free(data);
}
END_TEST

/* Byte for byte what numpy.save(path, numpy.float32([[1, 2, 3]])) writes. */
START_TEST(written_as_numpy_does) {
    static const char expected[] = "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }"
                                   "                                                          \n"
                                   "\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40";
    const char *path = scratch_file("numpy.npy");
    ck_ok(orthsr_array_write(path, (const float[]){1, 2, 3}, (const size_t[]){1, 3}, 2, &error));
    orthsr__mapping file;
    ck_ok(orthsr__map(&file, path, &error));
    ck_assert_uint_eq(file.size, sizeof expected - 1);
    ck_assert_mem_eq(file.data, expected, sizeof expected - 1);
    orthsr__unmap(&file);
}
END_TEST

START_TEST(empty_arrays_return) {
    float *data;
    size_t shape[ORTHSR_ARRAY_MAX_RANK], rank;
    const char *path = scratch_file("empty.npy");
    ck_ok(orthsr_array_write(path, NULL, (const size_t[]){0, 7}, 2, &error));
    ck_ok(orthsr_array_read(&data, shape, &rank, path, &error));
    ck_assert(rank == 2 && shape[0] == 0 && shape[1] == 7);
    ck_assert_ptr_nonnull(data);
    orthsr_free(data);
}
END_TEST

START_TEST(largest_extents_fit_the_header) {
    const char *path = scratch_file("extents.npy");
    const size_t wide[] = {0, SIZE_MAX, 1, 1, 1, 1, 1, SIZE_MAX};
    float *data;
    size_t shape[ORTHSR_ARRAY_MAX_RANK], rank;
    ck_ok(orthsr_array_write(path, NULL, wide, 8, &error));
    ck_ok(orthsr_array_read(&data, shape, &rank, path, &error));
    ck_assert_mem_eq(shape, wide, sizeof wide);
    orthsr_free(data);
}
END_TEST

/* ---- other writers' headers ----------------------------------------------------------------------------------------- */

static const struct {
    int version;
    const char *dict;
} ACCEPTED[] = {{1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }   \n"},
                {2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n"},
                {3, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n"},
                {1, "{\"shape\":(2,1,),\"descr\":\"<f4\",\"fortran_order\":False}"},
                {1, " { 'fortran_order' : False , 'descr' : '<f4' , 'shape' : ( 2 , 1 ) } \n"}};

START_TEST(other_spellings_are_read) {
    const float values[] = {1.5f, -2};
    float *data;
    size_t shape[ORTHSR_ARRAY_MAX_RANK], rank;
    ck_ok(orthsr_array_read(&data, shape, &rank, write_raw(ACCEPTED[_i].version, ACCEPTED[_i].dict, values, sizeof values), &error));
    ck_assert(rank == 2 && shape[0] == 2 && shape[1] == 1);
    ck_assert_mem_eq(data, values, sizeof values);
    orthsr_free(data);
}
END_TEST

START_TEST(float64_is_rounded) {
    const double values[] = {1.0 / 3, 1 + 0x1p-24, 1 + 0x1.8p-23, 1e300, -1e-300};
    const float expected[] = {1.0f / 3, 1, 1 + 0x1p-22f, INFINITY, -0.0f};
    float *data;
    size_t shape[ORTHSR_ARRAY_MAX_RANK], rank;
    ck_ok(orthsr_array_read(&data, shape, &rank, write_raw(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (5,), }\n", values, sizeof values), &error));
    ck_assert(rank == 1 && shape[0] == 5);
    ck_assert_mem_eq(data, expected, sizeof expected);
    orthsr_free(data);
}
END_TEST

/* ---- hostile files -------------------------------------------------------------------------------------------------- */

#define DICT(descr, fortran, shape) "{'descr': " descr ", 'fortran_order': " fortran ", 'shape': " shape ", }\n"
static const struct {
    int version;
    const char *dict;
    size_t size;
    orthsr_status status;
    const char *text;
} LIES[] = {
    {4, DICT("'<f4'", "False", "(1,)"), 4, ORTHSR_ERROR_UNSUPPORTED, "version 4.0"},
    {0, DICT("'<f4'", "False", "(1,)"), 4, ORTHSR_ERROR_UNSUPPORTED, "version 0.0"},
    {1, DICT("'>f4'", "False", "(1,)"), 4, ORTHSR_ERROR_UNSUPPORTED, "'>f4'"},
    {1, DICT("'<i8'", "False", "(1,)"), 8, ORTHSR_ERROR_UNSUPPORTED, "'<i8'"},
    {1, DICT("'<f4 and a long tail'", "False", "(1,)"), 4, ORTHSR_ERROR_UNSUPPORTED, "'<f4 and a long"},
    {1, DICT("'<f4'", "True", "(1,)"), 4, ORTHSR_ERROR_UNSUPPORTED, "Fortran"},
    {1, DICT("[('a', '<f4')]", "False", "(1,)"), 4, ORTHSR_ERROR_FORMAT, "structured"},
    {1, DICT("'<f4'", "False", "(2,)"), 4, ORTHSR_ERROR_FORMAT, "4 bytes do not hold the 2 values"},
    {1, DICT("'<f4'", "False", "(1,)"), 5, ORTHSR_ERROR_FORMAT, "5 bytes do not hold the 1 values"},
    {1, DICT("'<f8'", "False", "(1,)"), 4, ORTHSR_ERROR_FORMAT, "do not hold"},
    {1, DICT("'<f4'", "False", "(4611686018427387905,)"), 4, ORTHSR_ERROR_FORMAT, "do not hold"}, /* times 4 is 4, modulo 2^64 */
    {1, DICT("'<f4'", "False", "(4294967296, 4294967296)"), 0, ORTHSR_ERROR_FORMAT, "too large"},
    {1, DICT("'<f4'", "False", "(18446744073709551617,)"), 4, ORTHSR_ERROR_FORMAT, "malformed"},
    {1, DICT("'<f4'", "False", "(2, 2, 2, 2, 2, 2, 2, 2, 2)"), 4, ORTHSR_ERROR_FORMAT, "rank above 8"},
    {1, DICT("'<f4'", "False", "(-1,)"), 4, ORTHSR_ERROR_FORMAT, "malformed"},
    {1, DICT("'<f4'", "False", "(1)"), 4, ORTHSR_ERROR_FORMAT, "malformed"}, /* in Python a number, not a tuple */
    {1, DICT("'<f4'", "False", "(,)"), 4, ORTHSR_ERROR_FORMAT, "malformed"},
    {1, DICT("'<f4'", "False", "(1,,1)"), 4, ORTHSR_ERROR_FORMAT, "malformed"},
    {1, DICT("'<f4'", "False", "(1 1)"), 4, ORTHSR_ERROR_FORMAT, "malformed"},
    {1, DICT("'<f4'", "False", "[1]"), 4, ORTHSR_ERROR_FORMAT, "malformed"},
    {1, DICT("'<f4'", "0", "(1,)"), 4, ORTHSR_ERROR_FORMAT, "malformed"},
    {1, DICT("'<f4\"", "False", "(1,)"), 4, ORTHSR_ERROR_FORMAT, "malformed"},
    {1, DICT("'<f4'", "False", "(1,), 'more': 1"), 4, ORTHSR_ERROR_FORMAT, "malformed"},
    {1, DICT("'<f4'", "False", "(1,), 'descr': '<f4'"), 4, ORTHSR_ERROR_FORMAT, "malformed"},
    {1, "{'descr': '<f4', 'shape': (1,), }\n", 4, ORTHSR_ERROR_FORMAT, "malformed"},
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x", 4, ORTHSR_ERROR_FORMAT, "malformed"},
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", 4, ORTHSR_ERROR_FORMAT, "malformed"},
    {1, "{'descr", 4, ORTHSR_ERROR_FORMAT, "malformed"},
    {1, "{", 4, ORTHSR_ERROR_FORMAT, "malformed"},
    {1, "", 4, ORTHSR_ERROR_FORMAT, "malformed"},
};

START_TEST(lying_headers_are_refused) {
    static const uint8_t zeros[16];
    ck_refused(write_raw(LIES[_i].version, LIES[_i].dict, zeros, LIES[_i].size), LIES[_i].status, LIES[_i].text);
}
END_TEST

START_TEST(every_truncation_is_refused) {
    const char *whole = scratch_file("whole.npy"), *path = scratch_file("cut.npy");
    orthsr__mapping file;
    ck_ok(orthsr_array_write(whole, (const float[]){1, 2, 3}, (const size_t[]){3}, 1, &error));
    ck_ok(orthsr__map(&file, whole, &error));
    for (size_t length = 0; length < file.size; length++) {
        ck_ok(orthsr__write_file(path, file.data, length, &error));
        ck_refused(path, ORTHSR_ERROR_FORMAT, "cut.npy");
    }
    orthsr__unmap(&file);
    ck_ok(orthsr__write_file(path, "\x93NUMPY\x02\x00\x01\x00\x01\x00{", 13, &error));
    ck_refused(path, ORTHSR_ERROR_FORMAT, "truncated within the .npy header");
    ck_ok(orthsr__write_file(path, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9912422\n", 71, &error));
    ck_refused(path, ORTHSR_ERROR_FORMAT, "is a Git LFS pointer");
    ck_refused(scratch_file("absent.npy"), ORTHSR_ERROR_IO, "absent.npy");
    ck_refused(scratch_directory(), ORTHSR_ERROR_IO, "not a regular file");
}
END_TEST

START_TEST(bad_arguments_are_refused) {
    float *data, value = 1;
    size_t shape[ORTHSR_ARRAY_MAX_RANK] = {1}, rank;
    const size_t huge[] = {SIZE_MAX / 2, 4}, nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    const char *path = scratch_file("arguments.npy");
    ck_fails(orthsr_array_read(NULL, shape, &rank, path, &error), ORTHSR_ERROR_ARGUMENT, "data");
    ck_fails(orthsr_array_read(&data, NULL, &rank, path, &error), ORTHSR_ERROR_ARGUMENT, "shape");
    ck_fails(orthsr_array_read(&data, shape, NULL, path, &error), ORTHSR_ERROR_ARGUMENT, "rank");
    ck_fails(orthsr_array_read(&data, shape, &rank, NULL, &error), ORTHSR_ERROR_ARGUMENT, "path");
    ck_fails(orthsr_array_write(NULL, &value, shape, 1, &error), ORTHSR_ERROR_ARGUMENT, "path");
    ck_fails(orthsr_array_write(path, NULL, shape, 1, &error), ORTHSR_ERROR_ARGUMENT, "data");
    ck_fails(orthsr_array_write(path, &value, NULL, 1, &error), ORTHSR_ERROR_ARGUMENT, "shape");
    ck_fails(orthsr_array_write(path, &value, nine, 9, &error), ORTHSR_ERROR_ARGUMENT, "rank");
    ck_fails(orthsr_array_write(path, &value, huge, 2, &error), ORTHSR_ERROR_ARGUMENT, "too large");
    ck_assert(!orthsr__is_file(path));
    ck_fails(orthsr_array_write(scratch_file("no/where.npy"), &value, shape, 1, &error), ORTHSR_ERROR_IO, "no/where.npy");
}
END_TEST

static TCase *round_trip_case(void) {
    TCase *tcase = tcase_create("round trip");
    tcase_add_loop_test(tcase, every_rank_returns, 0, ORTHSR_ARRAY_MAX_RANK + 1);
    tcase_add_test(tcase, written_as_numpy_does);
    tcase_add_test(tcase, empty_arrays_return);
    tcase_add_test(tcase, largest_extents_fit_the_header);
    tcase_add_loop_test(tcase, other_spellings_are_read, 0, sizeof ACCEPTED / sizeof *ACCEPTED);
    tcase_add_test(tcase, float64_is_rounded);
    return tcase;
}

static TCase *hostile_case(void) {
    TCase *tcase = tcase_create("hostile");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, lying_headers_are_refused, 0, sizeof LIES / sizeof *LIES);
    tcase_add_test(tcase, every_truncation_is_refused);
    tcase_add_test(tcase, bad_arguments_are_refused);
    return tcase;
}

TEST_MAIN("array", round_trip_case, hostile_case)
