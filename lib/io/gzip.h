/* gzip.h - opening what zlib unpacks. */
#ifndef ORTHSR_IO_GZIP_H
#define ORTHSR_IO_GZIP_H

#include <unistd.h>
#include <zlib.h>

#include "base/fail.h"
#include "base/file.h"

/* A regular file, opened for zlib, which reads what is not gzip as it is; *out NULL on failure. Errors: IO, MEMORY. */
static inline orthsr_status orthsr__gzip_open(gzFile *out, const char *path, orthsr_error *error) {
    int fd;
    off_t size;
    *out = NULL;
    ORTHSR__TRY(orthsr__open(&fd, &size, path, error));
    if ((*out = gzdopen(fd, "rb"))) return ORTHSR_OK;
    close(fd);
    return orthsr__fail_memory(error, path);
}

#endif
