/* gguf.h - writing GGUF, the file format of ggml's programs: keys with typed values, a list of tensors, their data.
 *
 * Format, version 3, all little-endian: "GGUF", version, number of tensors, number of keys; keys; for each tensor its name, extents (the last index of the
 * shape first), type and place; then, from a multiple of 32 bytes on, the data, each tensor at a multiple of 32.
 */
#ifndef ORTHSR_IO_GGUF_H
#define ORTHSR_IO_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <orthsr/status.h>

#include "base/file.h"

enum { ORTHSR__GGUF_ALIGNMENT = 32 };

/* Element types, by the format's numbers. */
typedef enum orthsr__gguf_type { ORTHSR__GGUF_F32 = 0, ORTHSR__GGUF_F16 = 1 } orthsr__gguf_type;

typedef struct orthsr__gguf_part {
    uint8_t *bytes; /* (size) */
    size_t size, capacity;
    uint64_t count; /* keys or tensors in it */
} orthsr__gguf_part;

/* A header being put together; starts zeroed. Adding does not fail: a want of memory is kept, and told by orthsr__gguf_write_header. */
typedef struct orthsr__gguf {
    orthsr__gguf_part keys, tensors;
    uint64_t data_size; /* of the tensors so far, each with its padding */
    bool short_of_memory;
} orthsr__gguf;

void orthsr__gguf_free(orthsr__gguf *gguf);

/* Keys are ASCII, texts zero-terminated UTF-8. */
void orthsr__gguf_add_text(orthsr__gguf *gguf, const char *key, const char *value);
void orthsr__gguf_add_bool(orthsr__gguf *gguf, const char *key, bool value);
void orthsr__gguf_add_u32(orthsr__gguf *gguf, const char *key, uint32_t value);
void orthsr__gguf_add_f32(orthsr__gguf *gguf, const char *key, float value);
void orthsr__gguf_add_f32s(orthsr__gguf *gguf, const char *key, const float *values, size_t n);
void orthsr__gguf_add_texts(orthsr__gguf *gguf, const char *key, const char *const *values, size_t n);

/* shape (rank) as everywhere else here: row-major, the last index varies fastest. */
void orthsr__gguf_add_tensor(orthsr__gguf *gguf, const char *name, orthsr__gguf_type type, const size_t *shape, size_t rank);

/* Everything before the data. Then the caller writes each tensor's bytes in the order in which they were added, and pads after each. Errors: IO, MEMORY. */
orthsr_status orthsr__gguf_write_header(const orthsr__gguf *gguf, orthsr__writer *writer, orthsr_error *error);
orthsr_status orthsr__gguf_pad(orthsr__writer *writer, orthsr_error *error);

#endif
