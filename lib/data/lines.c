/* lines.c - a text file as its lines. */
#include "data/lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"

enum { MAX_BYTES = 16 << 20 };

static orthsr_status split_lines(orthsr__lines *out, orthsr_error *error) {
    char *at = out->text;
    if (strncmp(at, "\xef\xbb\xbf", 3) == 0) at += 3; /* the byte-order mark of some editors */
    while (*at) {
        char *line = at, *end = at + strcspn(at, "\n");
        at = *end ? end + 1 : end;
        while (end > line && strchr(" \t\r", end[-1])) end--;
        *end = '\0';
        if (!orthsr__reserve((void **)&out->list, &out->capacity, out->count + 1, sizeof *out->list)) return orthsr__fail_memory(error, "the lines of a file");
        out->list[out->count++] = line;
    }
    while (out->count && !*out->list[out->count - 1]) out->count--;
    return ORTHSR_OK;
}

orthsr_status orthsr__lines_read(orthsr__lines *out, const char *path, orthsr_error *error) {
    orthsr__mapping file;
    *out = (orthsr__lines){0};
    ORTHSR__TRY(orthsr__read(&file, path, MAX_BYTES, error));
    orthsr_status status = ORTHSR_OK;
    if (file.size && memchr(file.data, '\0', file.size)) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is not a text file: it has a zero byte", path);
    else if (!(out->text = orthsr__strndup(file.size ? (const char *)file.data : "", file.size))) status = orthsr__fail_memory(error, path);
    orthsr__unmap(&file);
    return status ? status : split_lines(out, error);
}

void orthsr__lines_free(orthsr__lines *lines) {
    free(lines->list);
    free(lines->text);
}
