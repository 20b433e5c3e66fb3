/* safetensors.h - reading safetensors, mapped or not, and writing them.
 *
 * Format: 8 bytes little-endian header length N, N bytes of JSON {"name": {"dtype", "shape", "data_offsets"}, "__metadata__": {..}}, data.
 * The header is hostile until proven otherwise: sizes are checked for overflow, against the dtype, for overlap, for gaps and against the
 * file before anything is allocated by them; duplicate names are refused.
 */
#ifndef ORTHSR_IO_SAFETENSORS_H
#define ORTHSR_IO_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include <orthsr/status.h>

#include "base/file.h"
#include "base/real.h"

typedef enum orthsr__dtype {
    ORTHSR__F32,
    ORTHSR__F16,
    ORTHSR__BF16,
    ORTHSR__F64,
    ORTHSR__I64,
    ORTHSR__I32,
    ORTHSR__I16,
    ORTHSR__I8,
    ORTHSR__U64,
    ORTHSR__U32,
    ORTHSR__U16,
    ORTHSR__U8,
    ORTHSR__BOOL,
    ORTHSR__OTHER_DTYPE /* a known or unknown name we do not compute with (F8_E4M3, ...): listed and copied, not converted */
} orthsr__dtype;

enum { ORTHSR__MAX_RANK = 8 };

typedef struct orthsr__tensor {
    const char *name; /* UTF-8, owned by the file */
    orthsr__dtype dtype;
    const char *dtype_name; /* as in the file, e.g. "F16"; owned by the file */
    size_t rank;
    size_t shape[ORTHSR__MAX_RANK];
    size_t elements;     /* product of shape */
    const uint8_t *data; /* into the file's memory; NULL when elements is 0; may be unaligned */
    size_t bytes;
} orthsr__tensor;

typedef struct orthsr__safetensors {
    char *path;
    orthsr__mapping mapping;
    orthsr__tensor *tensors;        /* (count), sorted by data offset: file order */
    const orthsr__tensor **by_name; /* (count), the same tensors sorted by name */
    size_t count;
    struct json_t *metadata; /* jansson object of strings, or NULL */
    struct json_t *header;   /* keeps the names alive */
} orthsr__safetensors;

/* Read into memory, once the header has proved right. Errors: IO, FORMAT, MEMORY; messages name the file and the tensor. */
orthsr_status orthsr__safetensors_open(orthsr__safetensors *out, const char *path, orthsr_error *error);
/* The same, mapped: for a model's weights, which may be too large to copy (base/file.h says at what price). */
orthsr_status orthsr__safetensors_map(orthsr__safetensors *out, const char *path, orthsr_error *error);
void orthsr__safetensors_close(orthsr__safetensors *file); /* safe on a zeroed struct */

/* NULL when absent. Logarithmic or hashed: models have thousands of tensors. */
const orthsr__tensor *orthsr__safetensors_find(const orthsr__safetensors *file, const char *name);

/* Value of a metadata key, or NULL. */
const char *orthsr__safetensors_metadata(const orthsr__safetensors *file, const char *key);

/* Converts F32, F16, BF16 or F64 data to real (elements). UNSUPPORTED (naming tensor, dtype and file) for other dtypes. */
orthsr_status orthsr__tensor_to_real(real *out, const orthsr__tensor *tensor, const char *path, orthsr_error *error);

/* "(4, 3)" into text (size), for messages: cut where there is no room. */
void orthsr__shape_text(char *text, size_t size, const size_t *shape, size_t rank);

/* Bytes of one element of the dtype; 0 for ORTHSR__OTHER_DTYPE. */
size_t orthsr__dtype_size(orthsr__dtype dtype);

/* Writing: name, dtype and shape of every tensor first, data in the same order afterwards. The first tensor begins at a multiple of 64 bytes; the format
 * allows no gaps, so where the others begin is a matter of the order that the caller chooses. */
typedef struct orthsr__tensor_spec {
    const char *name;
    const char *dtype_name;
    size_t rank;
    const size_t *shape;
    size_t bytes;
} orthsr__tensor_spec;

/* metadata: jansson object of strings, or NULL. After open, call orthsr__writer_write(writer, ...) for each tensor's bytes in order, then commit. */
orthsr_status orthsr__safetensors_write_header(orthsr__writer *writer, const orthsr__tensor_spec *specs, size_t count, const struct json_t *metadata,
                                               orthsr_error *error);

#endif
