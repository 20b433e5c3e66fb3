#ifndef ORTHSR_CUTOUT_H
#define ORTHSR_CUTOUT_H 
#include <stddef.h>
#include <orthsr/status.h>
ORTHSR_BEGIN_DECLS
typedef enum orthsr_cutout {
    ORTHSR_CUTOUT_OFF = 0,
    ORTHSR_CUTOUT_ATTENTIVE = 1,
    ORTHSR_CUTOUT_RANDOM = 2
} orthsr_cutout;
typedef enum orthsr_cutout_source {
    ORTHSR_CUTOUT_TEXT = 0,
    ORTHSR_CUTOUT_ATTENTION = 1
} orthsr_cutout_source;
typedef enum orthsr_cutout_fill {
    ORTHSR_CUTOUT_ZERO = 0,
    ORTHSR_CUTOUT_MEAN = 1,
    ORTHSR_CUTOUT_NOISE = 2
} orthsr_cutout_fill;
typedef struct orthsr_region {
    size_t top;
    size_t left;
    size_t height;
    size_t width;
} orthsr_region;
ORTHSR_API orthsr_status orthsr_cutout_regions(orthsr_region *regions, size_t *found, size_t holes, const float *map, size_t grid, float size,
                                               orthsr_error *error);
ORTHSR_END_DECLS
#endif
