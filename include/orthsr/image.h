/* image.h - decoded 8-bit images and CLIP's preprocessing, bit for bit as PIL does it.
 *
 * PIL's bicubic (a = -0.5) widens its support when it shrinks an image (antialias) and rounds to 8 bits between its
 * two passes; a plain bicubic gives another embedding. A loaded image is immutable.
 */
#ifndef ORTHSR_IMAGE_H
#define ORTHSR_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

typedef struct orthsr_image orthsr_image; /* 8-bit RGB pixels. Since 0.1. */

/* Decodes a JPEG (baseline or progressive; gray, YCbCr, CMYK, YCCK) or PNG (gray, palette, alpha, 8 or 16 bit) to RGB
 * as PIL's Image.open(path).convert("RGB"): alpha is dropped, 16-bit gray is clipped as PIL does (docs/formats.md).
 * Images of more than max_pixels pixels are refused before decoding (0 = 100,000,000).
 * Errors: ARGUMENT, IO, FORMAT, UNSUPPORTED (neither JPEG nor PNG, too large), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_image_open(orthsr_image **out, const char *path, size_t max_pixels, orthsr_error *error);

/* Copies pixels (height, width, channels), uint8, channels 1 (gray, replicated) or 3 (RGB).
 * Errors: ARGUMENT (NULL, zero extent, other channels), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_image_new(orthsr_image **out, const uint8_t *pixels, size_t height, size_t width, size_t channels, orthsr_error *error);

ORTHSR_API size_t orthsr_image_width(const orthsr_image *image);  /* Pixels. Since 0.1. */
ORTHSR_API size_t orthsr_image_height(const orthsr_image *image); /* Pixels. Since 0.1. */

/* Borrowed RGB bytes (height, width, 3), valid while the image lives. Since 0.1. */
ORTHSR_API const uint8_t *orthsr_image_rgb(const orthsr_image *image);

/* A new image of width x height by PIL's antialiased bicubic. Errors: ARGUMENT, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_image_resize(orthsr_image **out, const orthsr_image *image, size_t width, size_t height, orthsr_error *error);

/* A new image: CLIP's Resize(size) (shortest edge to size, the long one int(size * long / short)) then CenterCrop(size)
 * (offset int(round((extent - size) / 2)), halves to even, as Python rounds). Errors: ARGUMENT, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_image_resize_crop(orthsr_image **out, const orthsr_image *image, size_t size, orthsr_error *error);

/* NULL is a no-op. Since 0.1. */
ORTHSR_API void orthsr_image_free(orthsr_image *image);

ORTHSR_END_DECLS

#endif
