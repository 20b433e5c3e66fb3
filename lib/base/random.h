/* random.h - Python's random module (Mersenne Twister), for the draws that CoOp and Dassl make with it: same seed, same items. */
#ifndef ORTHSR_BASE_RANDOM_H
#define ORTHSR_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include <orthsr/status.h>

typedef struct orthsr__random {
    uint32_t state[624];
    unsigned next; /* index of the next word to give; 624 = generate first */
} orthsr__random;

/* random.seed(seed) for a non-negative integer. */
void orthsr__random_seed(orthsr__random *random, uint64_t seed);

/* random.getrandbits(bits), 1 <= bits <= 32. */
uint32_t orthsr__random_bits(orthsr__random *random, unsigned bits);

/* random._randbelow(n), 1 <= n < 2^32. */
size_t orthsr__random_below(orthsr__random *random, size_t n);

/* random.sample(range(n), k): k <= n distinct indices, in the order drawn. */
orthsr_status orthsr__random_sample(orthsr__random *random, size_t *indices, size_t n, size_t k, orthsr_error *error);

/* random.shuffle of items (n). */
void orthsr__random_shuffle(orthsr__random *random, size_t *items, size_t n);

#endif
