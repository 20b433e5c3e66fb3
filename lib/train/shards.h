/* shards.h - a batch's gradient as the sum of those of its shards, in the order of a binary tree that does not depend on who computes them.
 *
 * Shard s of S has items n s / S .. n (s + 1) / S - 1 of n, images of the batch and classes alike. Shards a .. b - 1 are the first half, rounded up, plus the
 * rest; ranks are halved in the same way, and with them goes each half of the shards. So what one rank adds up is a whole branch, and ranks add branches.
 */
#ifndef ORTHSR_TRAIN_SHARDS_H
#define ORTHSR_TRAIN_SHARDS_H

#include "base/collective.h"
#include "base/pool.h"

typedef struct orthsr__shards {
    size_t count;      /* of all ranks */
    size_t *begins;    /* (ranks + 1): those of rank r are begins[r] .. begins[r + 1] - 1 */
    size_t first, own; /* this rank's: which is the first, and how many */
    char *room;        /* (depth, room_size): branches that wait for their other half */
    size_t room_size;
    orthsr__pool *pool; /* borrowed */
} orthsr__shards;

/* Numbers that shards add up. */
typedef struct orthsr__summed {
    void *values; /* (n): of real, or of double */
    size_t n;
    bool is_double;
} orthsr__summed;

/* For at most so many bytes to add up. ARGUMENT: more ranks than shards. Free in any case. */
orthsr_status orthsr__shards_new(orthsr__shards *shards, size_t count, const orthsr_collective *ranks, size_t bytes, orthsr__pool *pool, orthsr_error *error);
void orthsr__shards_free(orthsr__shards *shards); /* safe on a zeroed struct */

/* Room that so many arrays take while they wait. */
size_t orthsr__summed_bytes(const orthsr__summed *arrays, size_t count);

/* Where shard i begins among n things. */
static inline size_t orthsr__shard_begin(const orthsr__shards *shards, size_t i, size_t n) {
    return n / shards->count * i + n % shards->count * i / shards->count;
}

/* work(context, shard) for every shard of this rank, each ADDING its part to the arrays (count), which are 0 when the first begins: they become the branch's
 * sums. Not the sums over ranks. */
orthsr_status orthsr__shards_add(orthsr__shards *shards, const orthsr__summed *arrays, size_t count,
                                 orthsr_status (*work)(void *context, size_t shard, orthsr_error *error), void *context, orthsr_error *error);

#endif
