/* collective.h - several processes ("ranks") that train one adapter together.
 *
 * Of what connects the ranks the library knows one function of the caller's, which moves bytes (examples/train_mpi.c does it by MPI; threads, sockets or shared
 * memory would do). It adds up by itself and in an order of its own: a sum has the same bits at every rank and in every run, whatever moved its parts.
 * docs/scaling.md says how training is cut among ranks, and what they tell each other.
 */
#ifndef ORTHSR_COLLECTIVE_H
#define ORTHSR_COLLECTIVE_H

#include <stddef.h>
#include <stdint.h>

#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

typedef struct orthsr_collective orthsr_collective; /* One rank's end of the connection. For one thread at a time. Since 0.1. */

/* Moves bytes among all ranks, who call it at the same time: send[r] (send_sizes[r] bytes) goes to rank r, and what rank r sends comes to receive[r]
 * (receive_sizes[r] bytes), for every r. Sizes agree on both ends, are at most 2^28, may be 0, and are 0 for the caller's own rank. Returns when all has
 * arrived and what is sent may be overwritten: ORTHSR_OK, or a status with its message in *error (never NULL), which ends the work of all ranks; it may be a
 * rank that is gone, or has not answered for so long. Calls come one at a time, and in the same order at every rank, but not all from the same thread: a
 * trainer sends gradients while it computes others (MPI: MPI_THREAD_SERIALIZED). payload is the one of orthsr_collective_new. Since 0.1. */
typedef orthsr_status (*orthsr_exchange)(void *payload, const void *const *send, const size_t *send_sizes, void *const *receive, const size_t *receive_sizes,
                                         orthsr_error *error);

#define ORTHSR_MAX_RANKS 4096 /* ranks there may be. Since 0.1. */

/* rank < ranks <= ORTHSR_MAX_RANKS; with ranks 1 exchange may be NULL, and is never called. payload is the caller's and must outlive the collective.
 * Errors: ARGUMENT, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_collective_new(orthsr_collective **out, size_t rank, size_t ranks, orthsr_exchange exchange, void *payload,
                                               orthsr_error *error);
ORTHSR_API void orthsr_collective_free(orthsr_collective *collective); /* NULL is a no-op. Since 0.1. */

ORTHSR_API size_t orthsr_collective_rank(const orthsr_collective *collective);  /* 0 for NULL. Since 0.1. */
ORTHSR_API size_t orthsr_collective_ranks(const orthsr_collective *collective); /* 1 for NULL. Since 0.1. */

/* What follows is called by all ranks, in the same order and with the same sizes. A call that fails by exchange leaves values undefined, and so does every
 * later one fail. */

/* values (n) become the sums over all ranks, everywhere: in the order of a binary tree, whose ranks a .. b - 1 are the first half, rounded up, plus the rest.
 * Errors: ARGUMENT (NULL), IO (an exchange has failed before), those that exchange gives. Since 0.1. */
ORTHSR_API orthsr_status orthsr_collective_sum(orthsr_collective *collective, float *values, size_t n, orthsr_error *error);
/* The same of doubles. Errors: as orthsr_collective_sum. Since 0.1. */
ORTHSR_API orthsr_status orthsr_collective_sum_double(orthsr_collective *collective, double *values, size_t n, orthsr_error *error);

/* bytes (size) become what they are at rank root. Errors: ARGUMENT (NULL, a root that is no rank), IO (an exchange has failed before), those that exchange
 * gives. Since 0.1. */
ORTHSR_API orthsr_status orthsr_collective_broadcast(orthsr_collective *collective, void *bytes, size_t size, size_t root, orthsr_error *error);

/* Returns when every rank has called it. Errors: ARGUMENT (NULL), IO (an exchange has failed before), those that exchange gives. Since 0.1. */
ORTHSR_API orthsr_status orthsr_collective_barrier(orthsr_collective *collective, orthsr_error *error);

/* How all ranks fare, for work that may fail at one of them before all go on together: ORTHSR_OK when status is so everywhere; else, at every rank, the status
 * of the first that fails, and its message: in *error (may be NULL) each gives its own, and gets "rank 2: " and that one's. With one rank: what it gives.
 * Errors: ARGUMENT (NULL), IO (an exchange has failed before), those that exchange gives, those given. Since 0.1. */
ORTHSR_API orthsr_status orthsr_collective_agree(orthsr_collective *collective, orthsr_status status, orthsr_error *error);

/* Bytes that this rank has sent so far; 0 for NULL. Since 0.1. */
ORTHSR_API uint64_t orthsr_collective_bytes(const orthsr_collective *collective);

ORTHSR_END_DECLS

#endif
