/* gguf.c - fuzz target: GGUF files. After a zero byte the input is one, which tests' reader takes or refuses; else it says what the library's writer is to
 * write, and the reader must find just that.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/files.h"
#include "io/gguf.h"
#include "util/gguf_parse.h"

enum { LONGEST_ARRAY = 16, LARGEST_EXTENT = 9 };

static gguf_file parsed;

/* ---- what is to be written, taken from the input ------------------------------------------------------------------------- */

static unsigned take(fuzz_part *input, unsigned below) { return fuzz_byte(input) % below; }

static uint32_t take_u32(fuzz_part *input) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) value = value << 8 | take(input, 256);
    return value;
}

static float take_float(fuzz_part *input) {
    uint32_t bits = take_u32(input);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Of any bytes but zero: shorter than room. */
static void take_text(fuzz_part *input, char *text, unsigned room) {
    unsigned n = take(input, room), used = 0;
    while (used < n && input->size > 0) {
        uint8_t byte = fuzz_byte(input);
        if (byte) text[used++] = (char)byte;
    }
    text[used] = '\0';
}

/* A text as it is in the file: its length and its bytes. */
static const uint8_t *expect_text(const uint8_t *at, const char *text) {
    size_t n = strlen(text);
    fuzz_require(gguf_number(at, 8) == n && memcmp(at + 8, text, n) == 0, "the text that was written");
    return at + 8 + n;
}

static void expect_float(const uint8_t *at, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    fuzz_require(gguf_number(at, 4) == bits, "the number that was written");
}

/* ---- keys: each is written, or, with a value that was read, compared with it ---------------------------------------------- */

static void key(fuzz_part *input, orthsr__gguf *to, const gguf_value *read) {
    char name[GGUF_NAME], text[GGUF_NAME], texts[LONGEST_ARRAY][8];
    const char *list[LONGEST_ARRAY];
    float floats[LONGEST_ARRAY];
    take_text(input, name, GGUF_NAME);
    unsigned kind = take(input, 6), n;
    static const uint32_t types[] = {GGUF_TEXT, GGUF_BOOL, GGUF_U32, GGUF_F32, GGUF_ARRAY, GGUF_ARRAY};
    if (read) fuzz_require(strcmp(read->key, name) == 0 && read->type == types[kind], "the key that was written");
    switch (kind) {
    case 0:
        take_text(input, text, GGUF_NAME);
        if (read) expect_text(read->at - 8, text);
        else orthsr__gguf_add_text(to, name, text);
        return;
    case 1:
        n = take(input, 2);
        if (read) fuzz_require(read->at[0] == n, "the truth that was written");
        else orthsr__gguf_add_bool(to, name, n);
        return;
    case 2: {
        uint32_t value = take_u32(input);
        if (read) fuzz_require(gguf_number(read->at, 4) == value, "the number that was written");
        else orthsr__gguf_add_u32(to, name, value);
        return;
    }
    case 3:
        floats[0] = take_float(input);
        if (read) expect_float(read->at, floats[0]);
        else orthsr__gguf_add_f32(to, name, floats[0]);
        return;
    case 4:
        n = take(input, LONGEST_ARRAY);
        for (unsigned i = 0; i < n; i++) floats[i] = take_float(input);
        if (!read) orthsr__gguf_add_f32s(to, name, floats, n);
        else fuzz_require(read->count == n && read->element == GGUF_F32, "the array that was written");
        for (unsigned i = 0; i < n && read; i++) expect_float(read->at + 4 * i, floats[i]);
        return;
    default:
        n = take(input, LONGEST_ARRAY);
        for (unsigned i = 0; i < n; i++) take_text(input, texts[i], sizeof texts[i]), list[i] = texts[i];
        if (!read) orthsr__gguf_add_texts(to, name, list, n);
        else fuzz_require(read->count == n && read->element == GGUF_TEXT, "the texts that were written");
        const uint8_t *at = read ? read->at : NULL;
        for (unsigned i = 0; i < n && read; i++) at = expect_text(at, texts[i]);
    }
}

/* ---- tensors: the k-th has bytes k, k + 1, ... ------------------------------------------------------------------------------- */

typedef struct shape {
    char name[GGUF_NAME];
    orthsr__gguf_type type;
    size_t extents[4], rank, bytes;
} shape;

static shape take_shape(fuzz_part *input) {
    shape s = {.type = ORTHSR__GGUF_F32};
    take_text(input, s.name, GGUF_NAME);
    s.type = take(input, 2) ? ORTHSR__GGUF_F16 : ORTHSR__GGUF_F32;
    s.rank = 1 + take(input, 4);
    s.bytes = s.type == ORTHSR__GGUF_F16 ? 2 : 4;
    for (size_t i = 0; i < s.rank; i++) s.bytes *= s.extents[i] = 1 + take(input, LARGEST_EXTENT);
    return s;
}

static void write_tensor(orthsr__writer *writer, const shape *s, size_t k) {
    static uint8_t bytes[LARGEST_EXTENT * LARGEST_EXTENT * LARGEST_EXTENT * LARGEST_EXTENT * 4];
    orthsr_error error;
    for (size_t i = 0; i < s->bytes; i++) bytes[i] = (uint8_t)(k + i);
    fuzz_require(orthsr__writer_write(writer, bytes, s->bytes, &error) == ORTHSR_OK, "a tensor written");
    fuzz_require(orthsr__gguf_pad(writer, &error) == ORTHSR_OK, "what fills up");
}

static void expect_tensor(const gguf_tensor *t, const shape *s, size_t k) {
    fuzz_require(strcmp(t->name, s->name) == 0 && t->type == (uint32_t)s->type && t->rank == s->rank, "the tensor that was written");
    for (size_t i = 0; i < s->rank; i++) fuzz_require(t->extents[i] == s->extents[s->rank - 1 - i], "the shape that was written");
    for (size_t i = 0; i < s->bytes; i++) fuzz_require(t->data[i] == (uint8_t)(k + i), "the values that were written");
}

/* ---- the whole --------------------------------------------------------------------------------------------------------------- */

enum { MOST_TENSORS = 6, MOST_KEYS = 12 };

static void write_and_read(fuzz_part input) {
    static int fd = -1;
    orthsr__gguf header = {0};
    orthsr_error error;
    if (fd < 0) fd = memfd_create("gguf", MFD_CLOEXEC);
    fuzz_require(fd >= 0 && ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0, "a file in memory");
    orthsr__writer writer = {.fd = fd, .path = (char *)(uintptr_t) "x.gguf"};

    fuzz_part rest = input;
    unsigned keys = take(&rest, MOST_KEYS), tensors = take(&rest, MOST_TENSORS);
    shape shapes[MOST_TENSORS];
    for (unsigned i = 0; i < keys; i++) key(&rest, &header, NULL);
    for (unsigned i = 0; i < tensors; i++) {
        shapes[i] = take_shape(&rest);
        orthsr__gguf_add_tensor(&header, shapes[i].name, shapes[i].type, shapes[i].extents, shapes[i].rank);
    }
    fuzz_require(orthsr__gguf_write_header(&header, &writer, &error) == ORTHSR_OK, "a header written");
    for (unsigned i = 0; i < tensors; i++) write_tensor(&writer, &shapes[i], i);
    orthsr__gguf_free(&header);

    size_t size = (size_t)writer.written;
    uint8_t *bytes = malloc(size);
    fuzz_require(bytes && pread(fd, bytes, size, 0) == (ssize_t)size, "the file read");
    gguf_parse(&parsed, bytes, size);
    if (parsed.wrong) fuzz_require(0, parsed.wrong);
    fuzz_require(parsed.value_count == keys && parsed.tensor_count == tensors, "as many keys and tensors");
    rest = input;
    fuzz_byte(&rest);
    fuzz_byte(&rest);
    for (unsigned i = 0; i < keys; i++) key(&rest, NULL, &parsed.values[i]);
    for (unsigned i = 0; i < tensors; i++) expect_tensor(&parsed.tensors[i], &shapes[i], i);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    if (data[0] != 0) {
        write_and_read((fuzz_part){data + 1, size - 1});
        return 0;
    }
    uint8_t *copy = malloc(size > 1 ? size - 1 : 1); /* of just this size, so that whoever reads beyond it is found */
    fuzz_require(copy != NULL, "memory for an input");
    memcpy(copy, data + 1, size - 1);
    gguf_parse(&parsed, copy, size - 1);
    free(copy);
    return 0;
}
