/* png.c - fuzz target: a PNG file. Its checksums are put right, so that changes get past them. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fuzz/image.h"

static uint32_t big_endian(const uint8_t *b) { return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *bytes = malloc(size ? size : 1);
    fuzz_require(bytes != NULL, "memory for an input");
    memcpy(bytes, data, size);
    for (size_t at = 8; at + 12 <= size;) {
        size_t length = big_endian(bytes + at);
        if (length > size - at - 12) break;
        uint32_t sum = (uint32_t)crc32(0, bytes + at + 4, (uInt)length + 4);
        for (int i = 0; i < 4; i++) bytes[at + 8 + length + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
        at += 12 + length;
    }
    fuzz_image("x.png", bytes, size);
    free(bytes);
    return 0;
}
