/* sections.h - a file of named sections, packed by zlib in blocks that are checked one by one: what a checkpoint is made of (docs/formats.md).
 *
 * Nothing is allocated by a size that the file states. A file that opens is whole: every byte of it has been checked.
 */
#ifndef ORTHSR_IO_SECTIONS_H
#define ORTHSR_IO_SECTIONS_H

#include "base/file.h"

enum {
    ORTHSR__SECTIONS_VERSION = 1,
    ORTHSR__SECTION_NAME = 16,       /* bytes of a name, at most */
    ORTHSR__SECTION_BLOCK = 1 << 20, /* bytes that a block unpacks to; the last one of a section to what is left */
    ORTHSR__MAX_SECTIONS = 32
};

typedef struct orthsr__section {
    const char *name;
    const void *data; /* (size) */
    size_t size;
} orthsr__section;

/* Atomically, see orthsr__writer; the file that was at path so far is called previous then. */
orthsr_status orthsr__sections_write(const char *path, const char *previous, const orthsr__section *sections, size_t count, orthsr_error *error);

/* A section of a file: where its blocks begin. */
typedef struct orthsr__packed {
    char name[ORTHSR__SECTION_NAME + 1];
    uint64_t size; /* unpacked */
    const uint8_t *blocks;
} orthsr__packed;

typedef struct orthsr__sections {
    char *path;
    orthsr__mapping file;
    orthsr__packed list[ORTHSR__MAX_SECTIONS];
    size_t count;
} orthsr__sections;

/* A file of at most `most` bytes, read into memory. Errors: IO, MEMORY, FORMAT (larger, not such a file, or damaged: says where), UNSUPPORTED (another version).
 * Nothing is to be closed after a failure. */
orthsr_status orthsr__sections_open(orthsr__sections *out, const char *path, size_t most, orthsr_error *error);
void orthsr__sections_close(orthsr__sections *sections);

/* Unpacked size of a section, at most `most`. FORMAT when it is larger or missing. */
orthsr_status orthsr__sections_size(size_t *size, const orthsr__sections *sections, const char *name, size_t most, orthsr_error *error);

/* A section into out (size). FORMAT when it is missing, of another size, or does not unpack; then out holds anything. */
orthsr_status orthsr__sections_read(void *out, size_t size, const orthsr__sections *sections, const char *name, orthsr_error *error);

#endif
