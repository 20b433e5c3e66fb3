/* idx.h - MNIST's IDX files of unsigned bytes, plain or gzip-compressed (told by content, not by name). */
#ifndef ORTHSR_IO_IDX_H
#define ORTHSR_IO_IDX_H

#include <stddef.h>
#include <stdint.h>

#include <orthsr/status.h>

enum { ORTHSR__IDX_MAX_RANK = 4 };

typedef struct orthsr__idx {
    uint8_t *data; /* owned, free() */
    size_t rank;
    size_t shape[ORTHSR__IDX_MAX_RANK]; /* all non-zero but the first */
} orthsr__idx;

/* Errors: IO, FORMAT (magic, truncated, trailing bytes, product overflow, more than 2^22 items), UNSUPPORTED (another element type than 0x08 unsigned byte),
 * MEMORY. max_bytes bounds the decompressed size (0 = 1 GiB). On failure out->data is NULL. Memory grows with what is really read, never with what the header
 * claims. */
orthsr_status orthsr__idx_read(orthsr__idx *out, const char *path, size_t max_bytes, orthsr_error *error);

#endif
