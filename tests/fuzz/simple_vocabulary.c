/* simple_vocabulary.c - fuzz target: bpe_simple_vocab_16e6.txt.gz. An input that is not gzip is put into it, uncompressed, so that changes of its text are
 * not lost in damage to the compression. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fuzz/files.h"

/* gzip's header, one stored block, checksum and size; size at most 65535. The caller frees it. */
static uint8_t *store(const uint8_t *data, size_t size, size_t *stored) {
    static const uint8_t head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    uint8_t *bytes = malloc(size + 23);
    fuzz_require(bytes != NULL, "memory for an input");
    uint32_t sum = (uint32_t)crc32(0, data, (uInt)size);
    memcpy(bytes, head, 10);
    bytes[10] = 1; /* the last block, stored */
    for (int i = 0; i < 2; i++) {
        bytes[11 + i] = (uint8_t)(size >> 8 * i);
        bytes[13 + i] = (uint8_t)~bytes[11 + i];
    }
    memcpy(bytes + 15, data, size);
    for (int i = 0; i < 4; i++) {
        bytes[15 + size + (size_t)i] = (uint8_t)(sum >> 8 * i);
        bytes[19 + size + (size_t)i] = (uint8_t)(size >> 8 * i);
    }
    *stored = size + 23;
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    orthsr_tokenizer *tokenizer;
    orthsr_error error = {""};
    int32_t ids[8];
    if (size > 65535) return 0;
    int packed = size > 2 && data[0] == 0x1f && data[1] == 0x8b;
    size_t stored_size = size;
    uint8_t *stored = packed ? NULL : store(data, size, &stored_size);
    fuzz_file("x.txt.gz", packed ? data : stored, stored_size);
    orthsr_status status = orthsr_tokenizer_open(&tokenizer, "x.txt.gz", &error);
    fuzz_check(status, &error, "x.txt.gz");
    fuzz_require(status != ORTHSR_OK || orthsr_tokenizer_encode(tokenizer, "the cat", 7, 0, ids, 8, NULL, &error) == ORTHSR_OK, "the ids of a text");
    orthsr_tokenizer_free(tokenizer);
    free(stored);
    fuzz_forget();
    return 0;
}
