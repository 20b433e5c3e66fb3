/* cutout.h - where CutOut cuts: the most discriminative patches of a map, as training does it and `orthsr explain` shows it.
 *
 * A map (grid, grid), grid = image_size / patch_size, has one number per patch: orthsr_session_similarity and orthsr_session_attention give one.
 */
#ifndef ORTHSR_CUTOUT_H
#define ORTHSR_CUTOUT_H

#include <stddef.h>

#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

/* How an image is cut. Since 0.1. */
typedef enum orthsr_cutout {
    ORTHSR_CUTOUT_OFF = 0,       /* nothing is cut */
    ORTHSR_CUTOUT_ATTENTIVE = 1, /* the squares of patches with the largest sums of the map */
    ORTHSR_CUTOUT_RANDOM = 2     /* squares of pixels anywhere */
} orthsr_cutout;

/* The map of ORTHSR_CUTOUT_ATTENTIVE. Since 0.1. */
typedef enum orthsr_cutout_source {
    ORTHSR_CUTOUT_TEXT = 0,     /* cosines of patches with the class's text feature: orthsr_session_similarity */
    ORTHSR_CUTOUT_ATTENTION = 1 /* what the class token attends to in the last layer: orthsr_session_attention */
} orthsr_cutout_source;

/* What a hole is filled with. Since 0.1. */
typedef enum orthsr_cutout_fill {
    ORTHSR_CUTOUT_ZERO = 0, /* black: 0 before normalisation */
    ORTHSR_CUTOUT_MEAN = 1, /* the mean colour: 0 after it */
    ORTHSR_CUTOUT_NOISE = 2 /* normal noise, N(0, 1) after it */
} orthsr_cutout_fill;

/* A rectangle of pixels or patches. Its fields are part of the ABI and never change. Since 0.1. */
typedef struct orthsr_region {
    size_t top;    /* first row */
    size_t left;   /* first column */
    size_t height; /* rows */
    size_t width;  /* columns */
} orthsr_region;

/* The disjoint squares of patches of a map (grid, grid) with the largest sums, one after the other, into regions (holes), counted in patches: side
 * round(size * grid), at least 1; of equal ones the first, row by row. *found: how many there was room for, at most holes.
 * Errors: ARGUMENT (NULL, holes or grid 0, size not in (0, 1]), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_cutout_regions(orthsr_region *regions, size_t *found, size_t holes, const float *map, size_t grid, float size,
                                               orthsr_error *error);

ORTHSR_END_DECLS

#endif
