/* check.h - what every test program shares: the main function, closeness with the observed value, fixtures. */
#ifndef TESTS_UTIL_CHECK_H
#define TESTS_UTIL_CHECK_H

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <orthsr/orthsr.h>

/* The call must succeed; on failure the library's own message is shown. `error` is the test's orthsr_error. */
#define ck_ok(call)                                                                                                                                            \
    do {                                                                                                                                                       \
        error.message[0] = '\0';                                                                                                                               \
        orthsr_status ck_status_ = (call);                                                                                                                     \
        ck_assert_msg(ck_status_ == ORTHSR_OK, #call ": %s: %s", orthsr_status_string(ck_status_), error.message);                                             \
    } while (0)

/* The call must fail with this status and a message containing this text. */
#define ck_fails(call, expected, text)                                                                                                                         \
    do {                                                                                                                                                       \
        error.message[0] = '\0';                                                                                                                               \
        orthsr_status ck_status_ = (call);                                                                                                                     \
        ck_assert_msg(ck_status_ == (expected), #call ": got %s: %s", orthsr_status_string(ck_status_), error.message);                                        \
        ck_assert_msg(strstr(error.message, (text)) != NULL, #call ": message '%s' does not mention '%s'", error.message, (text));                             \
    } while (0)

/* |a - b| <= bound, and the observed value in the message. */
#define ck_close(a, b, bound)                                                                                                                                  \
    do {                                                                                                                                                       \
        double ck_a_ = (double)(a), ck_b_ = (double)(b), ck_d_ = fabs(ck_a_ - ck_b_);                                                                          \
        ck_assert_msg(ck_d_ <= (bound), #a " = %.9g, " #b " = %.9g, differ by %.3g > %.3g", ck_a_, ck_b_, ck_d_, (double)(bound));                             \
    } while (0)

/* max |a - b| / max |b| over n values. */
#define DEFINE_MAX_RELATIVE(name, type_a, type_b)                                                                                                              \
    static inline double name(const type_a *a, const type_b *b, size_t n) {                                                                                    \
        double difference = 0, scale = 0;                                                                                                                      \
        for (size_t i = 0; i < n; i++) {                                                                                                                       \
            double d = fabs((double)a[i] - (double)b[i]), m = fabs((double)b[i]);                                                                              \
            if (!(d <= difference) && !isnan(difference)) difference = d;                                                                                      \
            if (m > scale) scale = m;                                                                                                                          \
        }                                                                                                                                                      \
        return difference / (scale > 0 ? scale : 1);                                                                                                           \
    }
DEFINE_MAX_RELATIVE(max_relative, float, float)
DEFINE_MAX_RELATIVE(max_relative_double, double, double)

/* Set under valgrind (tests/valgrind.sh), where what is large or long takes minutes and a part must do. */
static inline bool short_run(void) { return getenv("ORTHSR_TEST_SHORT") != NULL; }

/* Small deterministic numbers in (-1, 1) for test inputs. */
static inline double noise(unsigned long *state) {
    *state = *state * 6364136223846793005UL + 1442695040888963407UL;
    return (double)(long)(*state >> 11) / (double)(1L << 52) - 1.0;
}

/* n of them times scale, in fresh memory. */
#define DEFINE_NUMBERS(name, type)                                                                                                                             \
    static inline type *name(size_t n, double scale, unsigned long seed) {                                                                                     \
        type *x = malloc((n ? n : 1) * sizeof *x);                                                                                                             \
        ck_assert_ptr_nonnull(x);                                                                                                                              \
        for (size_t i = 0; i < n; i++) x[i] = (type)(scale * noise(&seed));                                                                                    \
        return x;                                                                                                                                              \
    }
DEFINE_NUMBERS(floats, float)
DEFINE_NUMBERS(doubles, double)

/* Tests run from the repository root; fixtures lie in tests/data. Files they write go into a fresh directory that is removed at exit. */
static inline char *scratch_directory(void) {
    static char path[] = "/tmp/orthsr-test-XXXXXX";
    static int made;
    if (!made) {
        if (!mkdtemp(path)) { /* called by main, where Check's assertions cannot be used */
            perror(path);
            exit(EXIT_FAILURE);
        }
        made = 1;
    }
    return path;
}

static inline const char *scratch_file(const char *name) {
    static _Thread_local char path[8][256];
    static _Thread_local unsigned turn;
    char *p = path[turn++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", scratch_directory(), name);
    return p;
}

/* TEST_MAIN(tcase1, tcase2, ...) with functions `TCase *f(void)`. */
static inline int run_cases(const char *name, TCase *(*const *cases)(void), size_t n) {
    setenv("CK_DEFAULT_TIMEOUT", "120", 0); /* a hang ends a test, a busy machine does not: check's own limit is 4 seconds */
    Suite *suite = suite_create(name);
    for (size_t i = 0; i < n; i++) suite_add_tcase(suite, cases[i]());
    SRunner *runner = srunner_create(suite);
    scratch_directory();
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner), ran = srunner_ntests_run(runner);
    srunner_free(runner);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", scratch_directory());
    if (system(command) != 0) fprintf(stderr, "could not remove %s\n", scratch_directory());
    return failed || ran == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
#define TEST_MAIN(name, ...)                                                                                                                                   \
    int main(void) {                                                                                                                                           \
        TCase *(*const cases[])(void) = {__VA_ARGS__};                                                                                                         \
        return run_cases(name, cases, sizeof cases / sizeof cases[0]);                                                                                         \
    }

#endif
