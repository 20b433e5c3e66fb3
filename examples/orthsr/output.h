/* output.h - files that appear under their names only when they are complete, and directories that vanish again when nothing came of them. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdio.h>

#include <orthsr/orthsr.h>

typedef struct output_file {
    FILE *stream; /* NULL: not open */
    char *path, *temporary;
} output_file;

/* Opens a temporary file beside path; write to its stream. */
orthsr_status output_open(output_file *f, const char *path, orthsr_error *error);

/* Syncs and renames. On failure the temporary file is removed. */
orthsr_status output_commit(output_file *f, orthsr_error *error);
void output_abandon(output_file *f); /* removes the temporary file; nothing to do when not open */

/* Writes text and a newline, and commits. */
orthsr_status output_write(const char *path, const char *text, orthsr_error *error);

/* One field of a CSV line (RFC 4180), quoted when it must be, and what follows it: ',' or '\n'. */
void output_field(FILE *stream, const char *text, char end);

/* Whether a file could be written at path: checked before any work. */
orthsr_status output_check(const char *path, orthsr_error *error);

/* Makes the directory unless it is there; *made says which. It must be writable. */
orthsr_status output_directory(const char *path, int *made, orthsr_error *error);

/* "directory/name" in fresh memory, or NULL. */
char *join_path(const char *directory, const char *name);

#endif
