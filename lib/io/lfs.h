/* lfs.h - Git LFS pointers: the few lines of text that lie in a file's place after a clone that did not fetch it. */
#ifndef ORTHSR_IO_LFS_H
#define ORTHSR_IO_LFS_H

#include <stddef.h>
#include <string.h>

#include "base/fail.h"

/* FORMAT, saying what to do, when a file that begins with these bytes is a pointer. */
static inline orthsr_status orthsr__refuse_lfs_pointer(const void *bytes, size_t size, const char *path, orthsr_error *error) {
    static const char start[] = "version https://git-lfs.github.com/spec/";
    if (size < sizeof start - 1 || memcmp(bytes, start, sizeof start - 1) != 0) return ORTHSR_OK;
    return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is a Git LFS pointer, not the file itself: fetch it with git lfs pull", path);
}

#endif
