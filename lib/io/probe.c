/* probe.c - the size of an image from its header, without decoding it. */
#include <string.h>

#include "base/fail.h"
#include "io/image.h"
#include "io/lfs.h"

static size_t big_endian(const uint8_t *bytes, size_t n) {
    size_t value = 0;
    while (n--) value = value << 8 | *bytes++;
    return value;
}

/* IHDR is the first chunk: its length and name, then width and height. */
static bool png_size(size_t *width, size_t *height, const orthsr__mapping *file) {
    if (file->size < 33 || memcmp(file->data + 8, "\0\0\0\rIHDR", 8) != 0) return false;
    *width = big_endian(file->data + 16, 4);
    *height = big_endian(file->data + 20, 4);
    return true;
}

static bool is_frame(uint8_t marker) { return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc; }

/* From one marker's segment to the next, up to the frame header. */
static bool jpeg_size(size_t *width, size_t *height, const orthsr__mapping *file) {
    const uint8_t *data = file->data;
    for (size_t at = 2; at + 4 <= file->size;) {
        if (data[at] != 0xff) return false;
        uint8_t marker = data[at + 1];
        if (marker == 0xff) { /* a fill byte */
            at++;
            continue;
        }
        if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) { /* alone, without a segment */
            at += 2;
            continue;
        }
        if (marker == 0xd9 || marker == 0xda) return false;
        size_t length = big_endian(data + at + 2, 2);
        if (length < 2 || length > file->size - at - 2) return false;
        if (is_frame(marker)) {
            if (length < 8) return false;
            *height = big_endian(data + at + 5, 2);
            *width = big_endian(data + at + 7, 2);
            return true;
        }
        at += 2 + length;
    }
    return false;
}

orthsr_status orthsr__image_probe(const char *path, size_t max_pixels, orthsr_error *error) {
    orthsr__mapping file;
    size_t width = 0, height = 0;
    ORTHSR__TRY(orthsr__map(&file, path, error));
    bool jpeg = file.size >= 3 && memcmp(file.data, "\xff\xd8\xff", 3) == 0, png = file.size >= 8 && memcmp(file.data, "\x89PNG\r\n\x1a\n", 8) == 0;
    orthsr_status status = file.size ? orthsr__refuse_lfs_pointer(file.data, file.size, path, error)
                                     : orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is empty; an image was expected", path);
    if (!status && !jpeg && !png) status = orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s' is neither JPEG nor PNG; convert it to one of them", path);
    if (!status && !(jpeg ? jpeg_size(&width, &height, &file) : png_size(&width, &height, &file)))
        status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' begins as %s, but its header is damaged or cut off", path, jpeg ? "JPEG" : "PNG");
    if (!status) status = orthsr__image_check_size(path, width, height, max_pixels ? max_pixels : ORTHSR__MAX_PIXELS, error);
    orthsr__unmap(&file);
    return status;
}
