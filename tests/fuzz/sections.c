/* sections.c - fuzz target: a file of named sections, the container of checkpoints. Its checksums are put right, so that changes get past them. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fuzz/files.h"
#include "io/sections.h"

/* What is left of the copy, and the checksum of what is not. */
typedef struct cursor {
    uint8_t *at, *end;
    uLong crc;
} cursor;

/* Over n bytes, and puts the checksum after them right; NULL at the end, else where the bytes are. */
static const uint8_t *seal(cursor *c, size_t n) {
    if ((size_t)(c->end - c->at) < 4 || n > (size_t)(c->end - c->at) - 4) return NULL;
    const uint8_t *start = c->at;
    c->crc = crc32(c->crc, start, (uInt)n);
    for (int i = 0; i < 4; i++) c->at[n + (size_t)i] = (uint8_t)(c->crc >> 8 * i);
    c->at += n + 4;
    return start;
}

static uint64_t number(const uint8_t *from, int bytes) {
    uint64_t value = 0;
    while (bytes--) value = value << 8 | from[bytes];
    return value;
}

/* Head; of each section name and size, then its blocks, each the length of its packed bytes and those. */
static void seal_all(uint8_t *bytes, size_t size) {
    cursor c = {bytes, bytes + size, crc32(0, NULL, 0)};
    const uint8_t *head = seal(&c, 16), *section;
    for (uint64_t i = head ? number(head + 12, 4) : 0; i > 0 && (section = seal(&c, ORTHSR__SECTION_NAME + 8)); i--)
        for (uint64_t left = number(section + ORTHSR__SECTION_NAME, 8); left > 0; left -= left < ORTHSR__SECTION_BLOCK ? left : ORTHSR__SECTION_BLOCK)
            if (c.end - c.at < 4 || !seal(&c, 4 + number(c.at, 4))) return;
}

static void unpack(const orthsr__sections *sections) {
    enum { MOST = 1 << 20 };
    orthsr_error error = {""};
    for (size_t i = 0; i < sections->count; i++) {
        size_t size;
        orthsr_status status = orthsr__sections_size(&size, sections, sections->list[i].name, MOST, &error);
        fuzz_check(status, &error, "x.checkpoint");
        if (status) continue;
        void *out = malloc(size ? size : 1);
        fuzz_require(out != NULL, "memory for a section");
        fuzz_check(orthsr__sections_read(out, size, sections, sections->list[i].name, &error), &error, "x.checkpoint");
        free(out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    orthsr__sections sections;
    orthsr_error error = {""};
    uint8_t *copy = malloc(size ? size : 1);
    fuzz_require(copy != NULL, "memory for an input");
    memcpy(copy, data, size);
    seal_all(copy, size);
    fuzz_file("x.checkpoint", copy, size);
    orthsr_status status = orthsr__sections_open(&sections, "x.checkpoint", (size_t)1 << 26, &error);
    fuzz_check(status, &error, "x.checkpoint");
    if (status == ORTHSR_OK) {
        unpack(&sections);
        orthsr__sections_close(&sections);
    }
    fuzz_forget();
    free(copy);
    return 0;
}
