/* jpeg.c - fuzz target: a JPEG file. */
#include "fuzz/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_image("x.jpg", data, size);
    return 0;
}
