/* array.h - float32 arrays in NumPy's .npy files, the plainest way in and out for features and pixels. */
#ifndef ORTHSR_ARRAY_H
#define ORTHSR_ARRAY_H

#include <stddef.h>

#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

#define ORTHSR_ARRAY_MAX_RANK 8 /* extents an array may have. Since 0.1. */

/* Reads a C-ordered little-endian float32 (or float64, rounded) .npy file of version 1.0, 2.0 or 3.0. *data is fresh memory (free with orthsr_free);
 * shape receives *rank extents, none for a single number. Errors: ARGUMENT, IO, FORMAT (malformed, truncated, rank > 8), UNSUPPORTED (version, dtype,
 * Fortran order), MEMORY. On failure *data is NULL. Since 0.1. */
ORTHSR_API orthsr_status orthsr_array_read(float **data, size_t shape[ORTHSR_ARRAY_MAX_RANK], size_t *rank, const char *path, orthsr_error *error);

/* Writes data (shape[0], ..., shape[rank-1]), C order, as a version 1.0 .npy of '<f4', through a temporary file that is
 * synced and renamed: a failure leaves any earlier file at path as it was. Errors: ARGUMENT (NULL, rank > 8, a shape too large), IO, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_array_write(const char *path, const float *data, const size_t *shape, size_t rank, orthsr_error *error);

ORTHSR_END_DECLS

#endif
