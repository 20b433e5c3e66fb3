/* cutout.h (internal) - holes in images: where they are, and what fills them. */
#ifndef ORTHSR_DATA_CUTOUT_H
#define ORTHSR_DATA_CUTOUT_H

#include <orthsr/cutout.h>

#include "base/draws.h"
#include "clip/model.h"

/* Dassl's Cutout: squares of `length` pixels around points drawn uniformly in a square image of `size` pixels a side, clipped at its borders, into
 * regions (holes). An odd length loses a pixel, as there. */
void orthsr__cutout_random(orthsr_region *regions, size_t holes, size_t size, size_t length, orthsr__draws *draws);

/* Fills the regions (n) of pixels (3, size, size), which are normalised. */
void orthsr__cutout_fill(float *pixels, size_t size, const orthsr_region *regions, size_t n, orthsr_cutout_fill fill, const orthsr__preprocess *p,
                         orthsr__draws *draws);

#endif
