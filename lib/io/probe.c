/* probe.c - the size of an image from its header, without decoding it. */
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/image.h"
#include "io/lfs.h"

static size_t big_endian(const uint8_t *bytes, size_t n) {
    size_t value = 0;
    while (n--) value = value << 8 | *bytes++;
    return value;
}

/* A file's beginning, and what is needed to look further. */
typedef struct probe {
    int fd;
    size_t size;
    const char *path;
    uint8_t head[64]; /* zeros beyond the end */
} probe;

/* IHDR is the first chunk: its length and name, then width and height. */
static bool png_size(size_t *width, size_t *height, const probe *file) {
    if (file->size < 33 || memcmp(file->head + 8, "\0\0\0\rIHDR", 8) != 0) return false;
    *width = big_endian(file->head + 16, 4);
    *height = big_endian(file->head + 20, 4);
    return true;
}

static bool is_frame(uint8_t marker) { return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc; }

enum { MAX_SEGMENTS = 1 << 14 }; /* 1 GiB of them; each is looked at by a call of its own */

/* From one marker's segment to the next, up to the frame header. */
static bool jpeg_size(size_t *width, size_t *height, const probe *file) {
    uint8_t segment[9]; /* marker, length; precision, height, width of a frame */
    size_t at = 2, left;
    for (size_t n = 0; n < MAX_SEGMENTS && at + 4 <= file->size; n++) {
        left = file->size - at;
        if (orthsr__read_at(file->fd, segment, left < sizeof segment ? left : sizeof segment, at, file->path, NULL)) return false;
        uint8_t marker = segment[1];
        if (segment[0] != 0xff) return false;
        if (marker == 0xff) { /* a fill byte */
            at++;
            continue;
        }
        if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) { /* alone, without a segment */
            at += 2;
            continue;
        }
        if (marker == 0xd9 || marker == 0xda) return false;
        size_t length = big_endian(segment + 2, 2);
        if (length < 2 || length > left - 2) return false;
        if (is_frame(marker)) {
            if (length < 8) return false;
            *height = big_endian(segment + 5, 2);
            *width = big_endian(segment + 7, 2);
            return true;
        }
        at += 2 + length;
    }
    return false;
}

static orthsr_status look(probe *file, size_t max_pixels, orthsr_error *error) {
    const char *path = file->path;
    size_t width = 0, height = 0;
    if (file->size == 0) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is empty; an image was expected", path);
    ORTHSR__TRY(orthsr__read_at(file->fd, file->head, file->size < sizeof file->head ? file->size : sizeof file->head, 0, path, error));
    ORTHSR__TRY(orthsr__refuse_lfs_pointer(file->head, sizeof file->head, path, error));
    bool jpeg = memcmp(file->head, "\xff\xd8\xff", 3) == 0, png = memcmp(file->head, "\x89PNG\r\n\x1a\n", 8) == 0;
    if (!jpeg && !png) return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s' is neither JPEG nor PNG; convert it to one of them", path);
    if (!(jpeg ? jpeg_size(&width, &height, file) : png_size(&width, &height, file)))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' begins as %s, but its header is damaged or cut off", path, jpeg ? "JPEG" : "PNG");
    return orthsr__image_check_size(path, width, height, max_pixels ? max_pixels : ORTHSR__MAX_PIXELS, error);
}

orthsr_status orthsr__image_probe(const char *path, size_t max_pixels, orthsr_error *error) {
    probe file = {.path = path};
    off_t size;
    ORTHSR__TRY(orthsr__open(&file.fd, &size, path, error));
    file.size = (size_t)size;
    orthsr_status status = look(&file, max_pixels, error);
    close(file.fd);
    return status;
}
