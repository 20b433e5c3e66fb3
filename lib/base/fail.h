/* fail.h - how the library's own code reports and passes on errors. */
#ifndef ORTHSR_BASE_FAIL_H
#define ORTHSR_BASE_FAIL_H

#include <orthsr/status.h>

#if defined(__GNUC__)
#define ORTHSR__PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#define ORTHSR__PRINTF(at, first)
#endif

/* Writes the message (when error is not NULL) and returns status: `return orthsr__fail(error, ORTHSR_ERROR_IO, "...", ...)`. */
orthsr_status orthsr__fail(orthsr_error *error, orthsr_status status, const char *format, ...) ORTHSR__PRINTF(3, 4);

/* The two commonest failures. orthsr__fail_memory names what was being allocated; orthsr__fail_errno appends strerror(errno), and is IO, or MEMORY of
 * ENOMEM. */
orthsr_status orthsr__fail_memory(orthsr_error *error, const char *what);
orthsr_status orthsr__fail_errno(orthsr_error *error, const char *action, const char *path);

#ifdef __clang_analyzer__ /* which sees one file at a time, and else would follow failures that succeed */
#define orthsr__fail(error, status, ...) ((void)(error), (status))
#define orthsr__fail_memory(error, what) ((void)(error), (void)(what), ORTHSR_ERROR_MEMORY)
#define orthsr__fail_errno(error, action, path) ((void)(error), (void)(action), (void)(path), ORTHSR_ERROR_IO)
#endif

/* Passes a failure on; only where nothing is to be released. Elsewhere: `if ((status = f())) goto done;`. */
#define ORTHSR__TRY(expression)                                                                                                                                \
    do {                                                                                                                                                       \
        orthsr_status try_status_ = (expression);                                                                                                              \
        if (try_status_ != ORTHSR_OK) return try_status_;                                                                                                      \
    } while (0)

/* Argument checks at the top of public functions. */
#define ORTHSR__REQUIRE(condition, error, message)                                                                                                             \
    do {                                                                                                                                                       \
        if (!(condition)) return orthsr__fail((error), ORTHSR_ERROR_ARGUMENT, "%s: %s", __func__, (message));                                                  \
    } while (0)

#endif
