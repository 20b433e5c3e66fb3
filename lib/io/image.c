/* image.c - images in memory, and opening a file by what it contains. */
#include "io/image.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/memory.h"

orthsr_image *orthsr__image_allocate(size_t width, size_t height) {
    size_t pixels, bytes;
    if (!orthsr__mul(&pixels, width, height) || !orthsr__mul(&bytes, pixels, 3) || bytes > PTRDIFF_MAX) return NULL;
    orthsr_image *image = malloc(sizeof *image);
    if (!image) return NULL;
    *image = (orthsr_image){.width = width, .height = height, .rgb = malloc(bytes)};
    if (!image->rgb) {
        free(image);
        return NULL;
    }
    return image;
}

orthsr_status orthsr__image_check_size(const char *path, size_t width, size_t height, size_t max_pixels, orthsr_error *error) {
    if (width == 0 || height == 0) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': an image of %zu x %zu pixels has nothing in it", path, width, height);
    size_t pixels;
    if (!orthsr__mul(&pixels, width, height) || pixels > max_pixels)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s': %zu x %zu pixels are more than the limit of %zu; raise max_pixels or shrink the image",
                            path, width, height, max_pixels);
    return ORTHSR_OK;
}

static bool starts_with(const orthsr__mapping *file, const char *magic, size_t length) {
    return file->size >= length && memcmp(file->data, magic, length) == 0;
}

/* A part of a file, in memory; it must lie within the file. */
static orthsr_status read_part(orthsr__mapping *out, const char *path, uint64_t offset, uint64_t size, orthsr_error *error) {
    int fd;
    off_t end;
    ORTHSR__TRY(orthsr__open(&fd, &end, path, error));
    orthsr_status status = ORTHSR_OK;
    if (offset > (uint64_t)end || size > (uint64_t)end - offset)
        status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' has %lld bytes; an image of %llu bytes was expected at byte %llu", path, (long long)end,
                              (unsigned long long)size, (unsigned long long)offset);
    else if (size > ORTHSR__MAX_IMAGE_BYTES)
        status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': an image of %llu bytes at byte %llu; at most %d are read", path, (unsigned long long)size,
                              (unsigned long long)offset, ORTHSR__MAX_IMAGE_BYTES);
    if (!status) status = orthsr__make_room(out, (off_t)size, path, error);
    if (!status) {
        status = orthsr__read_at(fd, (void *)(uintptr_t)out->data, (size_t)size, (size_t)offset, path, error);
        if (status) orthsr__unmap(out);
    }
    close(fd);
    return status;
}

orthsr_status orthsr__image_open_part(orthsr_image **out, const char *path, uint64_t offset, uint64_t size, size_t max_pixels, orthsr_error *error) {
    *out = NULL;
    if (max_pixels == 0) max_pixels = ORTHSR__MAX_PIXELS;
    orthsr__mapping file;
    ORTHSR__TRY(size > 0 ? read_part(&file, path, offset, size, error) : orthsr__read(&file, path, ORTHSR__MAX_IMAGE_BYTES, error));
    orthsr_status status;
    if (starts_with(&file, "\xff\xd8\xff", 3)) {
        status = orthsr__jpeg_decode(out, &file, path, max_pixels, error);
    } else if (starts_with(&file, "\x89PNG\r\n\x1a\n", 8)) {
        status = orthsr__png_decode(out, &file, path, max_pixels, error);
    } else if (file.size == 0) {
        status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is empty; an image was expected", path);
    } else {
        status = orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s' is neither JPEG nor PNG; convert it to one of them", path);
    }
    orthsr__unmap(&file);
    return status;
}

orthsr_status orthsr_image_open(orthsr_image **out, const char *path, size_t max_pixels, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(path, error, "path is NULL");
    return orthsr__image_open_part(out, path, 0, 0, max_pixels, error);
}

orthsr_status orthsr_image_new(orthsr_image **out, const uint8_t *pixels, size_t height, size_t width, size_t channels, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(pixels, error, "pixels is NULL");
    ORTHSR__REQUIRE(height > 0 && width > 0, error, "height and width must be at least 1");
    ORTHSR__REQUIRE(channels == 1 || channels == 3, error, "channels must be 1 (gray) or 3 (RGB)");
    orthsr_image *image = orthsr__image_allocate(width, height);
    if (!image) return orthsr__fail_memory(error, "an image");
    if (channels == 3) {
        memcpy(image->rgb, pixels, height * width * 3);
    } else {
        for (size_t i = 0; i < height * width; i++) memset(image->rgb + 3 * i, pixels[i], 3);
    }
    *out = image;
    return ORTHSR_OK;
}

size_t orthsr_image_width(const orthsr_image *image) { return image->width; }
size_t orthsr_image_height(const orthsr_image *image) { return image->height; }
const uint8_t *orthsr_image_rgb(const orthsr_image *image) { return image->rgb; }

void orthsr_image_free(orthsr_image *image) {
    if (!image) return;
    free(image->rgb);
    free(image);
}
