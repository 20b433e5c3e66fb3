/* image.h - what an image is inside, and the parts behind <orthsr/image.h>. */
#ifndef ORTHSR_IO_IMAGE_H
#define ORTHSR_IO_IMAGE_H

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

/* The decoders. On failure *out is NULL. */
orthsr_status orthsr__jpeg_decode(orthsr_image **out, const orthsr__mapping *file, const char *path, size_t max_pixels, orthsr_error *error);
orthsr_status orthsr__png_decode(orthsr_image **out, const orthsr__mapping *file, const char *path, size_t max_pixels, orthsr_error *error);

#endif
