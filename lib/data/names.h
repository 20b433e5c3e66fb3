/* names.h - the names in a directory. */
#ifndef ORTHSR_DATA_NAMES_H
#define ORTHSR_DATA_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include <orthsr/status.h>

/* File names, owned. */
typedef struct orthsr__names {
    char **list; /* (count) */
    size_t count, capacity;
} orthsr__names;

void orthsr__names_free(orthsr__names *names);

/* Appends the visible names in directory that are folders, or else image files: sorted in byte order, links followed. Free in any case. Errors: IO, MEMORY. */
orthsr_status orthsr__names_list(orthsr__names *out, const char *directory, bool folders, orthsr_error *error);

#endif
