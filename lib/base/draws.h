/* draws.h - random numbers by address: the n-th number of a stream depends on what the stream is for and on n, on nothing that was drawn elsewhere.
 *
 * So what happens to an image in training does not depend on threads, on the batch it is in, or on the order of the batches.
 */
#ifndef ORTHSR_BASE_DRAWS_H
#define ORTHSR_BASE_DRAWS_H

#include <stddef.h>
#include <stdint.h>

typedef struct orthsr__draws {
    uint64_t key, count; /* count: words drawn so far */
} orthsr__draws;

/* What a stream is for: streams of different purposes never meet. */
typedef enum orthsr__purpose { ORTHSR__FOR_AUGMENTATION = 1, ORTHSR__FOR_CUTOUT = 2 } orthsr__purpose;

orthsr__draws orthsr__draws_of(uint64_t seed, uint64_t epoch, uint64_t item, orthsr__purpose purpose);

/* In [low, high). */
double orthsr__draw_uniform(orthsr__draws *draws, double low, double high);

/* One of 0 .. n - 1, 1 <= n <= 2^32; how much likelier one is than another is below n / 2^32. */
size_t orthsr__draw_below(orthsr__draws *draws, size_t n);

/* Normal, mean 0 and deviation 1. */
double orthsr__draw_normal(orthsr__draws *draws);

#endif
