/* gguf.c - a GGUF header in memory, and writing it. */
#include "io/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"

/* Types of values, by the format's numbers. */
enum { VALUE_U32 = 4, VALUE_F32 = 6, VALUE_BOOL = 7, VALUE_TEXT = 8, VALUE_ARRAY = 9 };
enum { VERSION = 3 };

void orthsr__gguf_free(orthsr__gguf *gguf) {
    free(gguf->keys.bytes);
    free(gguf->tensors.bytes);
    *gguf = (orthsr__gguf){0};
}

/* ---- bytes ---------------------------------------------------------------------------------------------------------------- */

static void put(orthsr__gguf *gguf, orthsr__gguf_part *part, const void *bytes, size_t n) {
    void *grown = part->bytes;
    if (gguf->short_of_memory || n == 0) return;
    gguf->short_of_memory = !orthsr__reserve(&grown, &part->capacity, part->size + n, 1);
    part->bytes = grown;
    if (gguf->short_of_memory) return;
    memcpy(part->bytes + part->size, bytes, n);
    part->size += n;
}

static void little_endian(uint8_t *out, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) out[i] = (uint8_t)(value >> 8 * i);
}

static void put_whole(orthsr__gguf *gguf, orthsr__gguf_part *part, uint64_t value, size_t bytes) {
    uint8_t encoded[8];
    little_endian(encoded, value, bytes);
    put(gguf, part, encoded, bytes);
}

static void put_real(orthsr__gguf *gguf, orthsr__gguf_part *part, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_whole(gguf, part, bits, sizeof bits);
}

static void put_text(orthsr__gguf *gguf, orthsr__gguf_part *part, const char *text) {
    size_t length = strlen(text);
    put_whole(gguf, part, length, 8);
    put(gguf, part, text, length);
}

/* ---- keys ------------------------------------------------------------------------------------------------------------------ */

static void begin_key(orthsr__gguf *gguf, const char *key, uint32_t type) {
    gguf->keys.count++;
    put_text(gguf, &gguf->keys, key);
    put_whole(gguf, &gguf->keys, type, 4);
}

static void begin_array(orthsr__gguf *gguf, const char *key, uint32_t type, size_t n) {
    begin_key(gguf, key, VALUE_ARRAY);
    put_whole(gguf, &gguf->keys, type, 4);
    put_whole(gguf, &gguf->keys, n, 8);
}

void orthsr__gguf_add_text(orthsr__gguf *gguf, const char *key, const char *value) {
    begin_key(gguf, key, VALUE_TEXT);
    put_text(gguf, &gguf->keys, value);
}

void orthsr__gguf_add_bool(orthsr__gguf *gguf, const char *key, bool value) {
    begin_key(gguf, key, VALUE_BOOL);
    put_whole(gguf, &gguf->keys, value, 1);
}

void orthsr__gguf_add_u32(orthsr__gguf *gguf, const char *key, uint32_t value) {
    begin_key(gguf, key, VALUE_U32);
    put_whole(gguf, &gguf->keys, value, 4);
}

void orthsr__gguf_add_f32(orthsr__gguf *gguf, const char *key, float value) {
    begin_key(gguf, key, VALUE_F32);
    put_real(gguf, &gguf->keys, value);
}

void orthsr__gguf_add_f32s(orthsr__gguf *gguf, const char *key, const float *values, size_t n) {
    begin_array(gguf, key, VALUE_F32, n);
    for (size_t i = 0; i < n; i++) put_real(gguf, &gguf->keys, values[i]);
}

void orthsr__gguf_add_texts(orthsr__gguf *gguf, const char *key, const char *const *values, size_t n) {
    begin_array(gguf, key, VALUE_TEXT, n);
    for (size_t i = 0; i < n; i++) put_text(gguf, &gguf->keys, values[i]);
}

/* ---- tensors --------------------------------------------------------------------------------------------------------------- */

void orthsr__gguf_add_tensor(orthsr__gguf *gguf, const char *name, orthsr__gguf_type type, const size_t *shape, size_t rank) {
    orthsr__gguf_part *part = &gguf->tensors;
    uint64_t bytes = type == ORTHSR__GGUF_F16 ? 2 : 4;
    part->count++;
    put_text(gguf, part, name);
    put_whole(gguf, part, rank, 4);
    for (size_t i = rank; i-- > 0;) {
        put_whole(gguf, part, shape[i], 8);
        bytes *= shape[i];
    }
    put_whole(gguf, part, type, 4);
    put_whole(gguf, part, gguf->data_size, 8);
    gguf->data_size += (bytes + ORTHSR__GGUF_ALIGNMENT - 1) / ORTHSR__GGUF_ALIGNMENT * ORTHSR__GGUF_ALIGNMENT;
}

/* ---- writing --------------------------------------------------------------------------------------------------------------- */

orthsr_status orthsr__gguf_pad(orthsr__writer *writer, orthsr_error *error) {
    static const uint8_t zeros[ORTHSR__GGUF_ALIGNMENT];
    size_t over = (size_t)(writer->written % ORTHSR__GGUF_ALIGNMENT);
    return over ? orthsr__writer_write(writer, zeros, ORTHSR__GGUF_ALIGNMENT - over, error) : ORTHSR_OK;
}

orthsr_status orthsr__gguf_write_header(const orthsr__gguf *gguf, orthsr__writer *writer, orthsr_error *error) {
    if (gguf->short_of_memory) return orthsr__fail_memory(error, "a GGUF header");
    uint8_t head[24] = "GGUF";
    little_endian(head + 4, VERSION, 4);
    little_endian(head + 8, gguf->tensors.count, 8);
    little_endian(head + 16, gguf->keys.count, 8);
    ORTHSR__TRY(orthsr__writer_write(writer, head, sizeof head, error));
    ORTHSR__TRY(orthsr__writer_write(writer, gguf->keys.bytes, gguf->keys.size, error));
    ORTHSR__TRY(orthsr__writer_write(writer, gguf->tensors.bytes, gguf->tensors.size, error));
    return orthsr__gguf_pad(writer, error);
}
