/* image.h - what the targets of images have in common. */
#ifndef TESTS_FUZZ_IMAGE_H
#define TESTS_FUZZ_IMAGE_H

#include "fuzz/files.h"
#include "io/image.h"

enum { FUZZ_PIXELS = 1 << 18 };

/* Decodes the file, and looks at it without decoding. */
static inline void fuzz_image(const char *path, const uint8_t *data, size_t size) {
    orthsr_image *image;
    orthsr_error error = {""};
    fuzz_file(path, data, size);
    orthsr_status status = orthsr_image_open(&image, path, FUZZ_PIXELS, &error);
    fuzz_check(status, &error, path);
    fuzz_check(orthsr__image_probe(path, FUZZ_PIXELS, &error), &error, path);
    if (image) fuzz_require(orthsr_image_width(image) * orthsr_image_height(image) <= FUZZ_PIXELS, "no more pixels than allowed");
    orthsr_image_free(image);
    fuzz_forget();
}

#endif
