/* picture.h - a picture that says where: an image beside the same under a heat map, with frames. */
#ifndef PICTURE_H
#define PICTURE_H

#include <orthsr/orthsr.h>

typedef struct picture {
    size_t width, height;
    uint8_t *rgb; /* (height, width, 3) */
} picture;

/* The square image on the left and on the right the same under map (grid, grid), blue where it is least, yellow where it is most; both `panel` pixels a side.
 * Cells of the map are `patch` pixels of the image a side. The regions (n), counted in cells, are framed in both. Free in any case. */
orthsr_status picture_make(picture *out, size_t panel, const orthsr_image *image, const float *map, size_t grid, size_t patch, const orthsr_region *regions,
                           size_t n, orthsr_error *error);
/* The right side of it alone, without frames. */
orthsr_status picture_make_map(picture *out, size_t panel, const orthsr_image *image, const float *map, size_t grid, size_t patch, orthsr_error *error);
void picture_free(picture *p);

/* A whole multiple of the image's side that is large enough to look at. */
size_t picture_large(size_t side);

/* Complete or not at all. */
orthsr_status picture_write_png(const char *path, const picture *p, orthsr_error *error);
orthsr_status picture_write_jpeg(const char *path, const picture *p, orthsr_error *error);

/* The same in fresh memory, *n bytes. */
orthsr_status picture_jpeg(unsigned char **out, size_t *n, const picture *p, orthsr_error *error);

#endif
