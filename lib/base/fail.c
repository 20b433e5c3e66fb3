/* fail.c - statuses and error messages. */
#include "base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <orthsr/version.h>

const char *orthsr_version_string(void) { return ORTHSR_VERSION_STRING; }

int orthsr_version_number(void) { return ORTHSR_VERSION_MAJOR * 10000 + ORTHSR_VERSION_MINOR * 100 + ORTHSR_VERSION_PATCH; }

const char *orthsr_status_string(orthsr_status status) {
    switch (status) {
    case ORTHSR_OK: return "success";
    case ORTHSR_ERROR_ARGUMENT: return "invalid argument";
    case ORTHSR_ERROR_MEMORY: return "out of memory";
    case ORTHSR_ERROR_IO: return "input/output error";
    case ORTHSR_ERROR_FORMAT: return "malformed file";
    case ORTHSR_ERROR_UNSUPPORTED: return "not supported";
    case ORTHSR_ERROR_MISMATCH: return "mismatch";
    case ORTHSR_ERROR_NUMERIC: return "numerical failure";
    case ORTHSR_ERROR_CANCELLED: return "cancelled";
    }
    return "unknown status";
}

void orthsr_free(void *memory) { free(memory); }

orthsr_status orthsr__fail(orthsr_error *error, orthsr_status status, const char *format, ...) {
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return status;
}

orthsr_status orthsr__fail_memory(orthsr_error *error, const char *what) { return orthsr__fail(error, ORTHSR_ERROR_MEMORY, "out of memory for %s", what); }

orthsr_status orthsr__fail_errno(orthsr_error *error, const char *action, const char *path) {
    char buffer[128]; /* GNU's strerror_r may or may not use it; unlike strerror it is thread-safe */
    return orthsr__fail(error, ORTHSR_ERROR_IO, "cannot %s '%s': %s", action, path, strerror_r(errno, buffer, sizeof buffer));
}
