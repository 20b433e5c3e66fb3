/* bpe.h - byte-pair encoding of one word: merges by rank, greedily. */
#ifndef ORTHSR_CLIP_BPE_H
#define ORTHSR_CLIP_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct orthsr__merge {
    int32_t left, right; /* ids; left is -1 in a free slot */
    int32_t id;          /* what the two become */
    uint32_t rank;       /* lower first */
} orthsr__merge;

typedef struct orthsr__bpe {
    int32_t byte[256];     /* id of each byte inside a word */
    int32_t last[256];     /* id of each byte at the end of a word: its symbol followed by "</w>" */
    orthsr__merge *merges; /* (slots) hash table, a power of two, at most half full */
    size_t slots;
    uint32_t count; /* merges added; the next rank */
} orthsr__bpe;

/* Room for n merges, bytes unset. False when memory is short. orthsr__bpe_free also takes one that is all zero. */
bool orthsr__bpe_init(orthsr__bpe *bpe, size_t n);
void orthsr__bpe_free(orthsr__bpe *bpe);

/* The next merge in rank; a pair that comes again gets the later rank. At most n calls. */
void orthsr__bpe_add(orthsr__bpe *bpe, int32_t left, int32_t right, int32_t id);

/* Scratch memory of one call or thread, kept between words. Starts zeroed. */
typedef struct orthsr__bpe_work {
    struct orthsr__bpe_symbol *symbols;
    struct orthsr__bpe_pair *heap;
    size_t symbol_capacity, heap_capacity, pairs;
} orthsr__bpe_work;

void orthsr__bpe_work_free(orthsr__bpe_work *work);

/* The ids of a word of n >= 1 bytes; those that fit are stored in ids (room). *count: how many there are. O(n log n). False when memory is short. */
bool orthsr__bpe_encode(const orthsr__bpe *bpe, orthsr__bpe_work *work, const uint8_t *word, size_t n, int32_t *ids, size_t room, size_t *count);

#endif
