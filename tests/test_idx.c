/* test_idx.c - IDX files, plain and compressed, and what is refused. */
#include "util/check.h"

#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/file.h"
#include "io/idx.h"

static orthsr_error error;

enum { N = 700, HEIGHT = 14, WIDTH = 13, SIZE = N * HEIGHT * WIDTH }; /* more than one read's worth */

/* A header (16 bytes) and the elements of N images, deterministic. */
static uint8_t *sample(void) {
    static const uint8_t header[16] = {0, 0, 8, 3, 0, 0, N >> 8, N & 0xff, 0, 0, 0, HEIGHT, 0, 0, 0, WIDTH};
    uint8_t *bytes = malloc(16 + SIZE + 1);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, header, 16);
    for (size_t i = 0; i <= SIZE; i++) bytes[16 + i] = (uint8_t)(i * i >> 3);
    return bytes;
}

static const char *write_plain(const void *bytes, size_t size) {
    const char *path = scratch_file("idx");
    ck_ok(orthsr__write_file(path, bytes, size, &error));
    return path;
}

static const char *write_gzip(const void *bytes, size_t size) {
    const char *path = scratch_file("idx.gz");
    gzFile file = gzopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, bytes, (unsigned)size), (int)size);
    ck_assert_int_eq(gzclose(file), Z_OK);
    return path;
}

static void ck_refused(const char *path, size_t max_bytes, orthsr_status status, const char *text) {
    orthsr__idx idx;
    ck_fails(orthsr__idx_read(&idx, path, max_bytes, &error), status, text);
    ck_assert_ptr_null(idx.data);
    ck_assert_msg(strstr(error.message, path) != NULL, "'%s' does not name the file", error.message);
}

START_TEST(plain_and_compressed_are_read) {
    uint8_t *bytes = sample();
    orthsr__idx idx;
    for (int compressed = 0; compressed < 2; compressed++) {
        ck_ok(orthsr__idx_read(&idx, (compressed ? write_gzip : write_plain)(bytes, 16 + SIZE), SIZE, &error));
        ck_assert(idx.rank == 3 && idx.shape[0] == N && idx.shape[1] == HEIGHT && idx.shape[2] == WIDTH);
        ck_assert_mem_eq(idx.data, bytes + 16, SIZE);
        free(idx.data);
    }
    ck_refused(write_gzip(bytes, 16 + SIZE), SIZE - 1, ORTHSR_ERROR_FORMAT, "claims more than");
    free(bytes);
}
END_TEST

START_TEST(small_files_are_read) {
    orthsr__idx idx;
    ck_ok(orthsr__idx_read(&idx,
                           write_plain("\0\0\x08\x01\0\0\0\x03"
                                       "abc",
                                       11),
                           0, &error));
    ck_assert(idx.rank == 1 && idx.shape[0] == 3);
    ck_assert_mem_eq(idx.data, "abc", 3);
    free(idx.data);
    ck_ok(orthsr__idx_read(&idx, write_plain("\0\0\x08\x01\0\0\0\0", 8), 0, &error));
    ck_assert(idx.rank == 1 && idx.shape[0] == 0);
    ck_assert_ptr_nonnull(idx.data);
    free(idx.data);
}
END_TEST

START_TEST(truncated_files_are_refused) {
    uint8_t *bytes = sample();
    for (size_t length = 0; length < 40; length++) ck_refused(write_plain(bytes, length), 0, ORTHSR_ERROR_FORMAT, "'");
    ck_refused(write_plain(bytes, 15), 0, ORTHSR_ERROR_FORMAT, "within the IDX header");
    ck_refused(write_plain(bytes, 16 + SIZE - 1), 0, ORTHSR_ERROR_FORMAT, "is truncated");
    ck_refused(write_gzip(bytes, 16 + SIZE - 1), 0, ORTHSR_ERROR_FORMAT, "is truncated");
    /* the compressed stream itself, cut at every byte of a small file: a gzip header of 10 bytes, the data, a trailer of 8 */
    orthsr__mapping file;
    const char *whole = write_gzip("\0\0\x08\x01\0\0\0\x03"
                                   "abc",
                                   11),
               *path = scratch_file("cut.gz");
    ck_ok(orthsr__map(&file, whole, &error));
    for (size_t length = 0; length < file.size; length++) {
        ck_ok(orthsr__write_file(path, file.data, length, &error));
        ck_refused(path, 0, ORTHSR_ERROR_FORMAT, "cut.gz");
    }
    orthsr__unmap(&file);
    free(bytes);
}
END_TEST

START_TEST(damaged_compression_is_refused) {
    uint8_t *bytes = sample();
    orthsr__mapping file;
    ck_ok(orthsr__map(&file, write_gzip(bytes, 16 + SIZE), &error));
    uint8_t *copy = malloc(file.size);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, file.data, file.size);
    copy[file.size - 6] ^= 1; /* the checksum */
    const char *path = scratch_file("damaged.gz");
    ck_ok(orthsr__write_file(path, copy, file.size, &error));
    ck_refused(path, 0, ORTHSR_ERROR_FORMAT, "damaged");
    orthsr__unmap(&file);
    free(copy);
    free(bytes);
}
END_TEST

START_TEST(trailing_bytes_are_refused) {
    uint8_t *bytes = sample();
    ck_refused(write_plain(bytes, 16 + SIZE + 1), 0, ORTHSR_ERROR_FORMAT, "goes on after");
    ck_refused(write_gzip(bytes, 16 + SIZE + 1), 0, ORTHSR_ERROR_FORMAT, "goes on after");
    free(bytes);
}
END_TEST

START_TEST(other_headers_are_refused) {
    ck_refused(write_plain("\0\0\x0d\x01\0\0\0\x01"
                           "abcd",
                           12),
               0, ORTHSR_ERROR_UNSUPPORTED, "0x0d");
    ck_refused(write_plain("\0\0\x08\x05\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01"
                           "a",
                           25),
               0, ORTHSR_ERROR_UNSUPPORTED, "rank 5");
    ck_refused(write_plain("\0\0\x08\0a", 5), 0, ORTHSR_ERROR_FORMAT, "not an IDX file");
    ck_refused(write_plain("\0\x01\x08\x01\0\0\0\x01"
                           "a",
                           9),
               0, ORTHSR_ERROR_FORMAT, "not an IDX file");
    ck_refused(write_plain("\x89PNG\r\n\x1a\n", 8), 0, ORTHSR_ERROR_FORMAT, "not an IDX file");
    ck_refused(write_plain("\0\0\x08\x02\0\0\0\x01\0\0\0\0", 12), 0, ORTHSR_ERROR_FORMAT, "extent 1 is zero");
    ck_refused(write_plain("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9912422\n", 71), 0, ORTHSR_ERROR_FORMAT, "is a Git LFS pointer");
    ck_refused(scratch_file("absent"), 0, ORTHSR_ERROR_IO, "absent");
    ck_refused(scratch_directory(), 0, ORTHSR_ERROR_IO, "is not a regular file");
    const char *pipe = scratch_file("pipe");
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    ck_refused(pipe, 0, ORTHSR_ERROR_IO, "is not a regular file"); /* and not waited for */
}
END_TEST

/* A few KB of gzip, GiB of zeros: no more is unpacked than the header claims, and one byte. */
START_TEST(bombs_do_not_go_off) {
    static const uint8_t header[8] = {0, 0, 8, 1, 0, 0, 0, 3};
    static uint8_t zeros[1 << 20];
    const char *path = scratch_file("bomb.gz");
    gzFile file = gzopen(path, "wb9");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, header, sizeof header), sizeof header);
    for (int i = 0; i < 64; i++) ck_assert_int_eq(gzwrite(file, zeros, sizeof zeros), sizeof zeros);
    ck_assert_int_eq(gzclose(file), Z_OK);
    ck_refused(path, 0, ORTHSR_ERROR_FORMAT, "goes on after the 3 bytes");
}
END_TEST

/* A header may claim what it likes: memory follows the bytes that are there. The address space is held to 256 MiB above what is in use. */
START_TEST(huge_claims_cost_nothing) {
    ck_refused(write_plain("\0\0\x08\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 20), 0, ORTHSR_ERROR_FORMAT,
               "claims 4294967295 items; at most 4194304 are read");
    ck_refused(write_plain("\0\0\x08\x04\0\x10\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 20), SIZE_MAX, ORTHSR_ERROR_FORMAT, "claims more than");
    ck_refused(write_plain("\0\0\x08\x01\0\x40\0\x01", 8), 0, ORTHSR_ERROR_FORMAT, "claims 4194305 items");
    ck_refused(write_plain("\0\0\x08\x03\0\x40\0\0\0\0\x01\x01\0\0\0\x01", 16), 0, ORTHSR_ERROR_FORMAT, "claims more than 1073741824 bytes");
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(statm);
    ck_assert_int_eq(fscanf(statm, "%lu", &pages), 1);
    fclose(statm);
    struct rlimit before, small;
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &before), 0);
    small = before;
    small.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)256 << 20);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &small), 0);
    orthsr__idx idx;
    orthsr_status status = orthsr__idx_read(&idx,
                                            write_plain("\0\0\x08\x02\0\x40\0\0\0\0\x01\0"
                                                        "abc",
                                                        15),
                                            0, &error);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
    ck_assert_msg(status == ORTHSR_ERROR_FORMAT, "%s: %s", orthsr_status_string(status), error.message);
    ck_assert_msg(strstr(error.message, "3 of the 1073741824 bytes") != NULL, "%s", error.message);
}
END_TEST

static TCase *idx_case(void) {
    TCase *tcase = tcase_create("idx");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, plain_and_compressed_are_read);
    tcase_add_test(tcase, small_files_are_read);
    tcase_add_test(tcase, truncated_files_are_refused);
    tcase_add_test(tcase, damaged_compression_is_refused);
    tcase_add_test(tcase, trailing_bytes_are_refused);
    tcase_add_test(tcase, other_headers_are_refused);
    tcase_add_test(tcase, bombs_do_not_go_off);
    tcase_add_test(tcase, huge_claims_cost_nothing);
    return tcase;
}

TEST_MAIN("idx", idx_case)
