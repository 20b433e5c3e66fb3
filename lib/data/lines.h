/* lines.h - lists in text files: class names, one a line. */
#ifndef ORTHSR_DATA_LINES_H
#define ORTHSR_DATA_LINES_H

#include <stddef.h>

#include <orthsr/status.h>

/* Lines without the blanks (and the carriage return) at their ends; empty ones at the end of the file do not count. */
typedef struct orthsr__lines {
    char *text;
    const char **list; /* (count) into text */
    size_t count, capacity;
} orthsr__lines;

/* At most 16 MiB; a file with a zero byte is none of text. Free in any case. Errors: IO, FORMAT, MEMORY. */
orthsr_status orthsr__lines_read(orthsr__lines *out, const char *path, orthsr_error *error);
void orthsr__lines_free(orthsr__lines *lines);

#endif
