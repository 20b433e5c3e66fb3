#ifndef ORTHSR_COLLECTIVE_H
#define ORTHSR_COLLECTIVE_H 
#include <stddef.h>
#include <stdint.h>
#include <orthsr/status.h>
ORTHSR_BEGIN_DECLS
typedef struct orthsr_collective orthsr_collective;
typedef orthsr_status (*orthsr_exchange)(void *payload, const void *const *send, const size_t *send_sizes, void *const *receive, const size_t *receive_sizes,
                                         orthsr_error *error);
#define ORTHSR_MAX_RANKS 4096
ORTHSR_API orthsr_status orthsr_collective_new(orthsr_collective **out, size_t rank, size_t ranks, orthsr_exchange exchange, void *payload,
                                               orthsr_error *error);
ORTHSR_API void orthsr_collective_free(orthsr_collective *collective);
ORTHSR_API size_t orthsr_collective_rank(const orthsr_collective *collective);
ORTHSR_API size_t orthsr_collective_ranks(const orthsr_collective *collective);
ORTHSR_API orthsr_status orthsr_collective_sum(orthsr_collective *collective, float *values, size_t n, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_collective_sum_double(orthsr_collective *collective, double *values, size_t n, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_collective_broadcast(orthsr_collective *collective, void *bytes, size_t size, size_t root, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_collective_barrier(orthsr_collective *collective, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_collective_agree(orthsr_collective *collective, orthsr_status status, orthsr_error *error);
ORTHSR_API uint64_t orthsr_collective_bytes(const orthsr_collective *collective);
ORTHSR_END_DECLS
#endif
