/* draws.c - a counter-based generator: SplitMix64's finaliser over key + count * an odd constant. */
#include "base/draws.h"

#include <math.h>

/* Stafford's variant 13: every bit of the result depends on every bit of z. */
static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t absorb(uint64_t key, uint64_t word) { return mix(key + 0x9e3779b97f4a7c15u + mix(word + 0x632be59bd9b4e019u)); }

orthsr__draws orthsr__draws_of(uint64_t seed, uint64_t epoch, uint64_t item, orthsr__purpose purpose) {
    return (orthsr__draws){.key = absorb(absorb(absorb(absorb(0, seed), epoch), item), (uint64_t)purpose)};
}

static uint64_t next_word(orthsr__draws *draws) { return mix(draws->key + ++draws->count * 0x9e3779b97f4a7c15u); }

double orthsr__draw_uniform(orthsr__draws *draws, double low, double high) { return low + (high - low) * ((double)(next_word(draws) >> 11) * 0x1p-53); }

size_t orthsr__draw_below(orthsr__draws *draws, size_t n) { return (size_t)(((next_word(draws) >> 32) * (uint64_t)n) >> 32); }

/* Box and Muller's, one of the two. */
double orthsr__draw_normal(orthsr__draws *draws) {
    double radius = sqrt(-2 * log(1 - orthsr__draw_uniform(draws, 0, 1))), angle = orthsr__draw_uniform(draws, 0, 6.283185307179586);
    return radius * cos(angle);
}
