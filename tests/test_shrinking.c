/* test_shrinking.c - files that another process cuts off while they are in use: what was mapped is gone, by SIGBUS; what was read stays. */
#include "util/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"

#define TINY "tests/data/clip/hf" /* float32: used where it is mapped */
#define KEPT 4096                 /* bytes left of its weights */

static orthsr_error error;

/* A copy of the tiny model in a directory of the scratch directory; the path of its weights. */
static const char *copy_model(const char *name) {
    char command[512], weights[200];
    const char *directory = scratch_file(name);
    snprintf(command, sizeof command, "mkdir %s && cd %s && cp config.json model.safetensors vocab.json merges.txt %s", directory, TINY, directory);
    ck_assert_int_eq(system(command), 0);
    snprintf(weights, sizeof weights, "%s/model.safetensors", name);
    return scratch_file(weights);
}

/* The features of a text, from weights that are cut off after they are opened when path is not NULL. */
static orthsr_status features(float *out, const char *directory, int map, const char *path) {
    static const char *const texts[] = {"a cat"};
    orthsr_model_options *options;
    orthsr_model *model;
    orthsr_session *session = NULL;
    orthsr_status status = orthsr_model_options_new(&options, &error);
    if (!status) status = orthsr_model_options_set_map(options, map, &error);
    if (!status) status = orthsr_model_open_with(&model, directory, options, &error);
    if (!status && path && truncate(path, KEPT) != 0) return ORTHSR_ERROR_IO;
    if (!status) status = orthsr_session_new(&session, model, NULL, &error);
    if (!status) status = orthsr_session_set_threads(session, 1, &error);
    if (!status) status = orthsr_session_encode_texts(session, out, texts, 1, &error);
    orthsr_session_free(session);
    orthsr_model_free(model);
    orthsr_model_options_free(options);
    return status;
}

/* What becomes of a process that does this: its exit status, or minus the signal that ended it. */
static int in_a_child(const char *directory, int map, const char *path, const float *expected, size_t n) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGBUS, SIG_DFL);
        float *out = calloc(n, sizeof *out);
        _exit(!out || features(out, directory, map, path) ? 3 : memcmp(out, expected, n * sizeof *out) ? 4 : 0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

START_TEST(what_is_mapped_goes_with_its_file) {
    orthsr_model *model;
    ck_ok(orthsr_model_open(&model, TINY, &error));
    size_t n = orthsr_model_embed_dim(model), mapped = orthsr_model_copied_bytes(model);
    orthsr_model_free(model);
    float *expected = calloc(n, sizeof *expected);
    ck_ok(features(expected, TINY, 1, NULL));

    const char *weights = copy_model(_i ? "read" : "mapped"), *directory = scratch_file(_i ? "read" : "mapped");
    struct stat info;
    ck_assert_int_eq(stat(weights, &info), 0);
    ck_assert_uint_lt(mapped, (size_t)info.st_size / 2); /* or the test would say nothing */
    ck_assert_int_eq(in_a_child(directory, !_i, NULL, expected, n), 0);
    ck_assert_int_eq(in_a_child(directory, !_i, weights, expected, n), _i ? 0 : -SIGBUS);
    ck_assert_int_eq(stat(weights, &info), 0);
    ck_assert_int_eq(info.st_size, KEPT);
    free(expected);
}
END_TEST

START_TEST(what_is_read_is_counted) {
    orthsr_model_options *options;
    orthsr_model *mapped, *read;
    struct stat info;
    ck_assert_int_eq(stat(TINY "/model.safetensors", &info), 0);
    ck_ok(orthsr_model_options_new(&options, &error));
    ck_ok(orthsr_model_options_set_map(options, 0, &error));
    ck_fails(orthsr_model_options_set_map(NULL, 0, &error), ORTHSR_ERROR_ARGUMENT, "options");
    ck_ok(orthsr_model_open(&mapped, TINY, &error));
    ck_ok(orthsr_model_open_with(&read, TINY, options, &error));
    ck_assert_uint_eq(orthsr_model_copied_bytes(read), orthsr_model_copied_bytes(mapped) + (size_t)info.st_size);
    ck_assert_str_eq(orthsr_model_fingerprint(read), orthsr_model_fingerprint(mapped));
    orthsr_model_free(mapped);
    orthsr_model_free(read);
    orthsr_model_options_free(options);
}
END_TEST

/* The tool has opened its model by the time it reads the texts: from a pipe that waits until the weights are cut off. */
static int tool_status(const char *name, const char *option) {
    const char *weights = copy_model(name), *tool = getenv("ORTHSR"), *scratch = scratch_directory();
    char pipe[256], command[1024];
    snprintf(pipe, sizeof pipe, "%s/%s.pipe", scratch, name);
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    snprintf(command, sizeof command, "exec %s embed --model %s/%s %s --threads 1 --text %s --out %s/%s.npy >/dev/null 2>&1", tool ? tool : "build/bin/orthsr",
             scratch, name, option, pipe, scratch, name);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    int fd = open(pipe, O_WRONLY | O_CLOEXEC); /* returns when the tool has come to it */
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(truncate(weights, KEPT), 0);
    ck_assert_int_eq(write(fd, "a cat\n", 6), 6);
    close(fd);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

START_TEST(the_tool_can_read) {
    if (short_run()) return; /* the tool is not what valgrind looks at */
    ck_assert_int_eq(tool_status("tool-mapped", ""), -SIGBUS);
    ck_assert_int_ne(access(scratch_file("tool-mapped.npy"), F_OK), 0);
    ck_assert_int_eq(tool_status("tool-read", "--no-map"), 0);
    float *data;
    size_t shape[ORTHSR_ARRAY_MAX_RANK], rank;
    ck_ok(orthsr_array_read(&data, shape, &rank, scratch_file("tool-read.npy"), &error));
    ck_assert_uint_eq(shape[0], 1);
    orthsr_free(data);
}
END_TEST

/* All but weights is read from a descriptor: a file that shrinks then is an error that says so. */
START_TEST(a_file_that_shrinks_while_it_is_read_is_an_error) {
    const char *path = scratch_file("short");
    uint8_t bytes[100] = {0};
    int fd;
    off_t size;
    ck_ok(orthsr__write_file(path, bytes, sizeof bytes, &error));
    ck_ok(orthsr__open(&fd, &size, path, &error));
    ck_assert_int_eq(size, 100);
    ck_ok(orthsr__read_at(fd, bytes, 100, 0, path, &error));
    ck_assert_int_eq(truncate(path, 60), 0);
    ck_ok(orthsr__read_at(fd, bytes, 60, 0, path, &error));
    ck_fails(orthsr__read_at(fd, bytes, 100, 0, path, &error), ORTHSR_ERROR_IO, "became shorter while it was read: it ends at byte 60 now");
    close(fd);
}
END_TEST

START_TEST(no_more_is_read_than_asked_for) {
    orthsr__mapping file;
    const char *path = scratch_file("large");
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)1 << 40), 0); /* all of it a hole */
    close(fd);
    ck_fails(orthsr__read(&file, path, 1 << 20, &error), ORTHSR_ERROR_FORMAT, "has 1099511627776 bytes; such a file has at most 1048576");
    ck_assert_ptr_null(file.data);
    orthsr_image *image;
    ck_fails(orthsr_image_open(&image, path, 0, &error), ORTHSR_ERROR_FORMAT, "at most 1073741824");
    float *data;
    size_t shape[ORTHSR_ARRAY_MAX_RANK], rank;
    ck_fails(orthsr_array_read(&data, shape, &rank, path, &error), ORTHSR_ERROR_FORMAT, "is not a .npy file");
    orthsr_adapter *adapter;
    orthsr_status status = orthsr_adapter_load(&adapter, path, &error); /* a terabyte is not even asked for where the system counts what it promises */
    ck_assert(status == ORTHSR_ERROR_FORMAT || status == ORTHSR_ERROR_MEMORY);
    ck_assert_ptr_nonnull(strstr(error.message, path));
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

static TCase *shrinking(void) {
    TCase *tc = tcase_create("shrinking");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, what_is_mapped_goes_with_its_file, 0, 2);
    tcase_add_test(tc, what_is_read_is_counted);
    tcase_add_test(tc, the_tool_can_read);
    tcase_add_test(tc, a_file_that_shrinks_while_it_is_read_is_an_error);
    tcase_add_test(tc, no_more_is_read_than_asked_for);
    return tc;
}

TEST_MAIN("shrinking", shrinking)
