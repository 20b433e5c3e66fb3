/* bpe.c - byte-pair encoding with a linked list of symbols and a heap of the pairs that can merge.
 *
 * The pair of lowest rank merges first, of equal ranks the leftmost. Pairs whose symbols have changed since they were
 * put on the heap are dropped when they come up. A symbol is merged into its left neighbour, so positions never move.
 */
#include "clip/bpe.h"

#include <stdlib.h>

#include "base/memory.h"

/* One symbol of the word, at the position of its first byte. */
typedef struct orthsr__bpe_symbol {
    int32_t id;            /* -1: merged into the symbol before it */
    size_t previous, next; /* positions; NONE at the ends */
} symbol;

typedef struct orthsr__bpe_pair {
    const orthsr__merge *merge;
    size_t at; /* position of the left symbol */
} pair;

static const size_t NONE = SIZE_MAX;

bool orthsr__bpe_init(orthsr__bpe *bpe, size_t n) {
    *bpe = (orthsr__bpe){.slots = 16};
    while (bpe->slots / 2 < n)
        if (!orthsr__mul(&bpe->slots, bpe->slots, 2)) return false;
    bpe->merges = orthsr__calloc(bpe->slots, sizeof *bpe->merges);
    if (!bpe->merges) return false;
    for (size_t i = 0; i < bpe->slots; i++) bpe->merges[i].left = -1;
    return true;
}

void orthsr__bpe_free(orthsr__bpe *bpe) { free(bpe->merges); }

/* The pair's slot, or the free one where it would go. */
static orthsr__merge *slot_of(const orthsr__bpe *bpe, int32_t left, int32_t right) {
    uint64_t hash = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * UINT64_C(0x9e3779b97f4a7c15);
    size_t slot = (size_t)(hash >> 32) & (bpe->slots - 1);
    while (bpe->merges[slot].left >= 0 && (bpe->merges[slot].left != left || bpe->merges[slot].right != right)) slot = (slot + 1) & (bpe->slots - 1);
    return &bpe->merges[slot];
}

void orthsr__bpe_add(orthsr__bpe *bpe, int32_t left, int32_t right, int32_t id) {
    *slot_of(bpe, left, right) = (orthsr__merge){.left = left, .right = right, .id = id, .rank = bpe->count++};
}

static bool before(const pair *a, const pair *b) { return a->merge->rank != b->merge->rank ? a->merge->rank < b->merge->rank : a->at < b->at; }

/* Puts the pair of symbols at `left` and after it on the heap, when it can merge. There is room: a word of n symbols has at most
 * n - 1 pairs at first, and each of at most n - 1 merges makes two new ones. */
static void push(const orthsr__bpe *bpe, orthsr__bpe_work *work, size_t left) {
    if (left == NONE || work->symbols[left].next == NONE) return;
    const orthsr__merge *merge = slot_of(bpe, work->symbols[left].id, work->symbols[work->symbols[left].next].id);
    if (merge->left < 0) return;
    pair new = {merge, left};
    size_t i = work->pairs++;
    for (; i > 0 && before(&new, &work->heap[(i - 1) / 2]); i = (i - 1) / 2) work->heap[i] = work->heap[(i - 1) / 2];
    work->heap[i] = new;
}

static pair pop(orthsr__bpe_work *work) {
    pair top = work->heap[0], last = work->heap[--work->pairs];
    size_t i = 0;
    for (size_t child = 1; child < work->pairs; child = 2 * i + 1) {
        if (child + 1 < work->pairs && before(&work->heap[child + 1], &work->heap[child])) child++;
        if (!before(&work->heap[child], &last)) break;
        work->heap[i] = work->heap[child];
        i = child;
    }
    work->heap[i] = last;
    return top;
}

static bool reserve(orthsr__bpe_work *work, size_t n) {
    size_t pairs;
    void *symbols = work->symbols, *heap = work->heap;
    bool done = orthsr__mul(&pairs, n, 3) && orthsr__reserve(&symbols, &work->symbol_capacity, n, sizeof(symbol));
    work->symbols = symbols;
    done = done && orthsr__reserve(&heap, &work->heap_capacity, pairs, sizeof(pair));
    work->heap = heap;
    return done;
}

void orthsr__bpe_work_free(orthsr__bpe_work *work) {
    free(work->symbols);
    free(work->heap);
}

bool orthsr__bpe_encode(const orthsr__bpe *bpe, orthsr__bpe_work *work, const uint8_t *word, size_t n, int32_t *ids, size_t room, size_t *count) {
    if (!reserve(work, n)) return false;
    symbol *symbols = work->symbols;
    for (size_t i = 0; i < n; i++) symbols[i] = (symbol){.id = bpe->byte[word[i]], .previous = i - 1, .next = i + 1}; /* 0 - 1 is NONE */
    symbols[n - 1].id = bpe->last[word[n - 1]];
    symbols[n - 1].next = NONE;
    work->pairs = 0;
    for (size_t i = 0; i < n; i++) push(bpe, work, i);
    while (work->pairs > 0) {
        pair best = pop(work);
        symbol *left = &symbols[best.at];
        if (left->id != best.merge->left || left->next == NONE || symbols[left->next].id != best.merge->right) continue;
        symbol *right = &symbols[left->next];
        left->id = best.merge->id;
        left->next = right->next;
        right->id = -1;
        if (right->next != NONE) symbols[right->next].previous = best.at;
        push(bpe, work, left->previous);
        push(bpe, work, best.at);
    }
    *count = 0;
    for (size_t i = 0; i != NONE; i = symbols[i].next) {
        if (*count < room) ids[*count] = symbols[i].id;
        ++*count;
    }
    return true;
}
