/* permutation.c - a Feistel network over the smallest power of four that holds n; what falls beyond n goes through again (cycle walking: J. Black, P. Rogaway,
 * "Ciphers with arbitrary finite domains", CT-RSA 2002).
 */
#include "base/permutation.h"

enum { ROUNDS = 6 };

/* splitmix64's finish. */
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

size_t orthsr__permute(size_t i, size_t n, uint64_t key) {
    unsigned half = 1; /* bits of a half */
    while (half < 32 && ((uint64_t)1 << 2 * half) < n) half++;
    uint64_t mask = ((uint64_t)1 << half) - 1, x = i;
    do {
        uint64_t left = x >> half, right = x & mask;
        for (uint64_t round = 0; round < ROUNDS; round++) {
            uint64_t next = left ^ (mix(mix(key + round) ^ right) & mask);
            left = right;
            right = next;
        }
        x = left << half | right;
    } while (x >= n);
    return (size_t)x;
}
