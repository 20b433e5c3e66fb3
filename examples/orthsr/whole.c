/* whole.c - see whole.h. */
#include "whole.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

orthsr_status whole_read(char **bytes, size_t *n, int *there, const char *path, orthsr_error *error) {
    FILE *file = fopen(path, "rb");
    *bytes = NULL;
    *n = 0;
    if (there) *there = file || (errno != ENOENT && errno != ENOTDIR);
    if (!file) return there && !*there ? ORTHSR_OK : failed(error, ORTHSR_ERROR_IO, "cannot open '%s': %s", path, strerror(errno));
    size_t room = 0, used = 0, got = 1;
    char *buffer = NULL;
    while (got > 0) {
        if (room - used < 4096) {
            char *grown = realloc(buffer, room = 2 * room + 65536);
            if (!grown) break;
            buffer = grown;
        }
        used += got = fread(buffer + used, 1, room - used - 1, file);
    }
    int unread = ferror(file), reason = errno;
    fclose(file);
    if (!unread && got == 0) {
        buffer[used] = '\0';
        *bytes = buffer;
        *n = used;
        return ORTHSR_OK;
    }
    free(buffer);
    return unread ? failed(error, ORTHSR_ERROR_IO, "cannot read '%s': %s", path, strerror(reason))
                  : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for '%s'", path);
}
