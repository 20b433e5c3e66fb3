/* random.c - MT19937 and the integer methods of CPython's random.Random. */
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"

static void init_genrand(orthsr__random *random, uint32_t seed) {
    /* cppcheck-suppress ctuuninitvar ; this is what initialises it */
    uint32_t *state = random->state;
    state[0] = seed;
    for (uint32_t i = 1; i < 624; i++) state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
    random->next = 624;
}

/* init_by_array of the reference implementation; CPython seeds with the integer's 32-bit digits, least significant first. */
void orthsr__random_seed(orthsr__random *random, uint64_t seed) {
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    size_t length = key[1] ? 2 : 1, i = 1, j = 0;
    init_genrand(random, 19650218u);
    uint32_t *state = random->state;
    for (size_t k = 624; k; k--) {
        state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1664525u)) + key[j] + (uint32_t)j;
        if (++i >= 624) {
            state[0] = state[623];
            i = 1;
        }
        if (++j >= length) j = 0;
    }
    for (size_t k = 623; k; k--) {
        state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1566083941u)) - (uint32_t)i;
        if (++i >= 624) {
            state[0] = state[623];
            i = 1;
        }
    }
    state[0] = 0x80000000u;
}

static uint32_t next_word(orthsr__random *random) {
    uint32_t *state = random->state;
    if (random->next >= 624) {
        for (size_t k = 0; k < 624; k++) {
            uint32_t y = (state[k] & 0x80000000u) | (state[(k + 1) % 624] & 0x7fffffffu);
            state[k] = state[(k + 397) % 624] ^ (y >> 1) ^ ((y & 1) ? 0x9908b0dfu : 0);
        }
        random->next = 0;
    }
    uint32_t y = state[random->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

uint32_t orthsr__random_bits(orthsr__random *random, unsigned bits) { return next_word(random) >> (32 - bits); }

size_t orthsr__random_below(orthsr__random *random, size_t n) {
    unsigned bits = 0;
    for (size_t m = n; m; m >>= 1) bits++;
    size_t value;
    do value = orthsr__random_bits(random, bits);
    while (value >= n);
    return value;
}

/* CPython picks one of two methods by the size of a set against a list: both are reproduced because they draw differently. */
orthsr_status orthsr__random_sample(orthsr__random *random, size_t *indices, size_t n, size_t k, orthsr_error *error) {
    size_t set_size = 21;
    if (k > 5) { /* 4 ** ceil(log(3k, 4)) */
        size_t power = 1;
        while (power < 3 * k) power *= 4;
        set_size += power;
    }
    size_t *pool = orthsr__calloc(n, sizeof *pool);
    if (!pool) return orthsr__fail_memory(error, "a random sample");
    if (n <= set_size) {
        for (size_t i = 0; i < n; i++) pool[i] = i;
        for (size_t i = 0; i < k; i++) {
            size_t j = orthsr__random_below(random, n - i);
            indices[i] = pool[j];
            pool[j] = pool[n - i - 1];
        }
    } else { /* pool serves as the set of what was taken */
        for (size_t i = 0; i < k; i++) {
            size_t j = orthsr__random_below(random, n);
            while (pool[j]) j = orthsr__random_below(random, n);
            pool[j] = 1;
            indices[i] = j;
        }
    }
    free(pool);
    return ORTHSR_OK;
}

void orthsr__random_shuffle(orthsr__random *random, size_t *items, size_t n) {
    for (size_t i = n; i-- > 1;) {
        size_t j = orthsr__random_below(random, i + 1), swapped = items[i];
        items[i] = items[j];
        items[j] = swapped;
    }
}
