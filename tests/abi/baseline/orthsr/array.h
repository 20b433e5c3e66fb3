#ifndef ORTHSR_ARRAY_H
#define ORTHSR_ARRAY_H 
#include <stddef.h>
#include <orthsr/status.h>
ORTHSR_BEGIN_DECLS
#define ORTHSR_ARRAY_MAX_RANK 8
ORTHSR_API orthsr_status orthsr_array_read(float **data, size_t shape[ORTHSR_ARRAY_MAX_RANK], size_t *rank, const char *path, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_array_write(const char *path, const float *data, const size_t *shape, size_t rank, orthsr_error *error);
ORTHSR_END_DECLS
#endif
