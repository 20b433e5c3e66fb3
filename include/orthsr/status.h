/* status.h - how every function that can fail says whether it did.
 *
 * A function that can fail returns an orthsr_status and takes, last, an orthsr_error of the caller's (or NULL). The
 * message is written only when the status is not ORTHSR_OK; it says what went wrong, where (file, tensor, class,
 * step) and what to do. Nothing is global: two threads with two errors never meet.
 */
#ifndef ORTHSR_STATUS_H
#define ORTHSR_STATUS_H

#include <orthsr/visibility.h>

ORTHSR_BEGIN_DECLS

/* Numbers are stable: they are never changed or reused. Since 0.1. */
typedef enum orthsr_status {
    ORTHSR_OK = 0,                 /* success */
    ORTHSR_ERROR_ARGUMENT = -1,    /* an argument is NULL, out of range, or contradicts another */
    ORTHSR_ERROR_MEMORY = -2,      /* an allocation failed */
    ORTHSR_ERROR_IO = -3,          /* the system refused: no such file, no permission, disk full */
    ORTHSR_ERROR_FORMAT = -4,      /* a file's content is malformed or truncated */
    ORTHSR_ERROR_UNSUPPORTED = -5, /* well-formed, but nothing this library can do */
    ORTHSR_ERROR_MISMATCH = -6,    /* two valid things do not fit: a tensor's shape, an adapter's model, a label */
    ORTHSR_ERROR_NUMERIC = -7,     /* a non-finite value or a singular matrix */
    ORTHSR_ERROR_CANCELLED = -8    /* a callback asked to stop */
} orthsr_status;

/* The caller's room for one message: zero-terminated UTF-8. The size is part of the ABI and never changes. Since 0.1. */
typedef struct orthsr_error {
    char message[1024]; /* written on failure only */
} orthsr_error;

/* A short English name of a status ("out of memory"); static storage, never NULL. Since 0.1. */
ORTHSR_API const char *orthsr_status_string(orthsr_status status);

/* Releases memory that a function of this library handed over and told the caller to free so. NULL is a no-op. Since 0.1. */
ORTHSR_API void orthsr_free(void *memory);

ORTHSR_END_DECLS

#endif
