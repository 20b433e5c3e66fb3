/* permutation.h - an order of n things by address: the i-th one, without a list of them. */
#ifndef ORTHSR_BASE_PERMUTATION_H
#define ORTHSR_BASE_PERMUTATION_H

#include <stddef.h>
#include <stdint.h>

/* Where i (below n) goes: a different place below n for every i, another order for another key. */
size_t orthsr__permute(size_t i, size_t n, uint64_t key);

#endif
