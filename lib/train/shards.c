/* shards.c - the tree that shards' gradients are added up in. */
#include "train/shards.h"

#include <stdlib.h>
#include <string.h>

#include "adapter/adapter.h"
#include "base/fail.h"
#include "base/memory.h"

static size_t bytes_of(const orthsr__summed *array) { return array->n * (array->is_double ? sizeof(double) : sizeof(real)); }

/* Arrays begin at multiples of 8 there. */
static size_t room_of(const orthsr__summed *array) { return (bytes_of(array) + 7) & ~(size_t)7; }

size_t orthsr__summed_bytes(const orthsr__summed *arrays, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += room_of(&arrays[i]);
    return bytes;
}

/* Levels of the tree over n shards. */
static size_t depth_of(size_t n) {
    size_t depth = 0;
    while (((size_t)1 << depth) < n) depth++;
    return depth;
}

/* Shards first .. first + count - 1 go to ranks rank .. rank + ranks - 1. */
static void share_out(size_t *begins, size_t first, size_t count, size_t rank, size_t ranks) {
    if (ranks == 1) {
        begins[rank] = first;
        return;
    }
    size_t half = (count + 1) / 2, half_ranks = (ranks + 1) / 2;
    share_out(begins, first, half, rank, half_ranks);
    share_out(begins, first + half, count - half, rank + half_ranks, ranks - half_ranks);
}

orthsr_status orthsr__shards_new(orthsr__shards *shards, size_t count, const orthsr_collective *ranks, size_t bytes, orthsr__pool *pool, orthsr_error *error) {
    size_t n = orthsr_collective_ranks(ranks), rank = orthsr_collective_rank(ranks);
    *shards = (orthsr__shards){.count = count, .pool = pool, .room_size = (bytes + 63) & ~(size_t)63};
    if (n > count)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%zu ranks for %zu shard%s: a batch must be cut into as many shards as there are ranks, or more", n,
                            count, count == 1 ? "" : "s");
    shards->begins = orthsr__calloc(n + 1, sizeof *shards->begins);
    if (!shards->begins) return orthsr__fail_memory(error, "shards");
    share_out(shards->begins, 0, count, 0, n);
    shards->begins[n] = count;
    shards->first = shards->begins[rank];
    shards->own = shards->begins[rank + 1] - shards->first;
    shards->room = orthsr__aligned(depth_of(shards->own), shards->room_size);
    return shards->room ? ORTHSR_OK : orthsr__fail_memory(error, "the gradients of shards");
}

void orthsr__shards_free(orthsr__shards *shards) {
    free(shards->begins);
    free(shards->room);
    *shards = (orthsr__shards){0};
}

/* ---- the tree ------------------------------------------------------------------------------------------------------------------------------ */

typedef struct tree {
    orthsr__shards *shards;
    const orthsr__summed *arrays; /* (count) */
    size_t count;
    orthsr_status (*work)(void *context, size_t shard, orthsr_error *error);
    void *context;
} tree;

/* The arrays' values go into the room, and they are 0 again. */
static void put_aside(const tree *t, char *room) {
    for (size_t i = 0; i < t->count; i++) {
        size_t bytes = bytes_of(&t->arrays[i]);
        memcpy(room, t->arrays[i].values, bytes);
        memset(t->arrays[i].values, 0, bytes);
        room += room_of(&t->arrays[i]);
    }
}

/* What was put aside is the sum's first half. */
static void add_aside(const tree *t, const char *room) {
    for (size_t i = 0; i < t->count; i++) {
        const orthsr__summed *array = &t->arrays[i];
        double *doubles = array->values;
        const double *aside = (const double *)(const void *)room;
        if (array->is_double)
            for (size_t k = 0; k < array->n; k++) doubles[k] = aside[k] + doubles[k];
        else orthsr__sum(t->shards->pool, array->values, (const real *)(const void *)room, array->values, array->n);
        room += room_of(array);
    }
}

/* level: of the room that this branch may use, and those below it. */
static orthsr_status add_branch(const tree *t, size_t first, size_t count, size_t level, orthsr_error *error) {
    if (count == 1) return t->work(t->context, first, error);
    size_t half = (count + 1) / 2;
    char *room = t->shards->room + level * t->shards->room_size;
    ORTHSR__TRY(add_branch(t, first, half, level + 1, error));
    put_aside(t, room);
    ORTHSR__TRY(add_branch(t, first + half, count - half, level + 1, error));
    add_aside(t, room);
    return ORTHSR_OK;
}

orthsr_status orthsr__shards_add(orthsr__shards *shards, const orthsr__summed *arrays, size_t count,
                                 orthsr_status (*work)(void *context, size_t shard, orthsr_error *error), void *context, orthsr_error *error) {
    const tree t = {shards, arrays, count, work, context};
    return add_branch(&t, shards->first, shards->own, 0, error);
}
