/* picture.h - a picture that says where: an image beside the same under a heat map, with frames, as a PNG file. */
#ifndef PICTURE_H
#define PICTURE_H

#include <orthsr/orthsr.h>

/* Writes, complete or not at all, the square image on the left and on the right the same under map (grid, grid), blue where it is least, yellow where it is
 * most. The regions (n), counted in cells of the map, are framed in both. */
orthsr_status picture_write(const char *path, const orthsr_image *image, const float *map, size_t grid, size_t patch, const orthsr_region *regions, size_t n,
                            orthsr_error *error);

#endif
