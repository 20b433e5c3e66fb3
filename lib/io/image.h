/* image.h - what an image is inside, and the parts behind <orthsr/image.h>. */
#ifndef ORTHSR_IO_IMAGE_H
#define ORTHSR_IO_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <orthsr/image.h>

#include "base/file.h"

struct orthsr_image {
    size_t width, height; /* both at least 1 */
    uint8_t *rgb;         /* (height, width, 3), owned */
};

/* An image with unset pixels, freed by orthsr_image_free; NULL when memory is short or the size overflows. */
orthsr_image *orthsr__image_allocate(size_t width, size_t height);

/* Refuses an empty or too large image before its pixels are decoded; path is for the message. */
orthsr_status orthsr__image_check_size(const char *path, size_t width, size_t height, size_t max_pixels, orthsr_error *error);

enum { ORTHSR__MAX_PIXELS = 100000000 };    /* what a limit of 0 means */
enum { ORTHSR__MAX_IMAGE_BYTES = 1 << 30 }; /* of a file, which is read into memory */

/* orthsr_image_open of size bytes from offset on; of size 0, of the whole file. */
orthsr_status orthsr__image_open_part(orthsr_image **out, const char *path, uint64_t offset, uint64_t size, size_t max_pixels, orthsr_error *error);

/* Whether the file begins as an image of at most max_pixels (0: ORTHSR__MAX_PIXELS); its pixels are not decoded. */
orthsr_status orthsr__image_probe(const char *path, size_t max_pixels, orthsr_error *error);

/* The decoders. On failure *out is NULL. */
orthsr_status orthsr__jpeg_decode(orthsr_image **out, const orthsr__mapping *file, const char *path, size_t max_pixels, orthsr_error *error);
orthsr_status orthsr__png_decode(orthsr_image **out, const orthsr__mapping *file, const char *path, size_t max_pixels, orthsr_error *error);

typedef enum orthsr__filter { ORTHSR__BICUBIC, ORTHSR__BILINEAR } orthsr__filter;

/* What is kept of one direction of a resized image. */
typedef struct orthsr__window {
    size_t full;   /* extent of the whole resized image */
    size_t offset; /* where the window begins in it */
    size_t extent; /* its size; at least 1, offset + extent at most full */
} orthsr__window;

/* The window of the image resized to across.full x down.full by PIL's filter. On failure (MEMORY) *out is NULL. */
orthsr_status orthsr__image_resample(orthsr_image **out, const orthsr_image *image, orthsr__filter filter, orthsr__window across, orthsr__window down,
                                     orthsr_error *error);

/* Python's int(round(n / 2)): a half goes to the even neighbour. */
static inline size_t orthsr__round_half(size_t n) { return n / 2 + (n % 4 == 3); }

/* The size of an image whose shorter edge becomes `size`, the longer int(size * long / short). False on overflow. */
bool orthsr__resize_shortest(size_t *width, size_t *height, size_t size);

#endif
