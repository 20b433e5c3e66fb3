#ifndef ORTHSR_IMAGE_H
#define ORTHSR_IMAGE_H 
#include <stddef.h>
#include <stdint.h>
#include <orthsr/status.h>
ORTHSR_BEGIN_DECLS
typedef struct orthsr_image orthsr_image;
ORTHSR_API orthsr_status orthsr_image_open(orthsr_image **out, const char *path, size_t max_pixels, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_image_new(orthsr_image **out, const uint8_t *pixels, size_t height, size_t width, size_t channels, orthsr_error *error);
ORTHSR_API size_t orthsr_image_width(const orthsr_image *image);
ORTHSR_API size_t orthsr_image_height(const orthsr_image *image);
ORTHSR_API const uint8_t *orthsr_image_rgb(const orthsr_image *image);
ORTHSR_API orthsr_status orthsr_image_resize(orthsr_image **out, const orthsr_image *image, size_t width, size_t height, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_image_resize_crop(orthsr_image **out, const orthsr_image *image, size_t size, orthsr_error *error);
ORTHSR_API void orthsr_image_free(orthsr_image *image);
ORTHSR_END_DECLS
#endif
