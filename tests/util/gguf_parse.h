/* gguf_parse.h - a reader of GGUF files, written from the format's description and not from lib/io/gguf.c. It takes any bytes, and says what is wrong with
 * them. */
#ifndef TESTS_UTIL_GGUF_PARSE_H
#define TESTS_UTIL_GGUF_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { GGUF_U32 = 4, GGUF_F32 = 6, GGUF_BOOL = 7, GGUF_TEXT = 8, GGUF_ARRAY = 9, GGUF_MOST = 512, GGUF_NAME = 64, GGUF_ALIGNMENT = 32 };

typedef struct gguf_value {
    char key[GGUF_NAME];
    uint32_t type, element; /* element: of an array */
    uint64_t count;         /* of an array's elements, or a text's bytes */
    const uint8_t *at;      /* the value; of an array its first element */
} gguf_value;

typedef struct gguf_tensor {
    char name[GGUF_NAME];
    uint32_t rank, type;
    uint64_t extents[4]; /* the fastest first */
    uint64_t elements, offset;
    const uint8_t *data;
} gguf_tensor;

typedef struct gguf_file {
    uint8_t *bytes; /* (size) */
    size_t size, at;
    const char *wrong; /* the first thing that is; nothing is read after it */
    gguf_value values[GGUF_MOST];
    gguf_tensor tensors[GGUF_MOST];
    uint64_t value_count, tensor_count;
} gguf_file;

static inline void gguf_require(gguf_file *f, bool holds, const char *wrong) {
    if (!holds && !f->wrong) f->wrong = wrong;
}

/* NULL beyond the end. */
static inline const uint8_t *gguf_take(gguf_file *f, uint64_t n) {
    gguf_require(f, n <= f->size - f->at, "it ends within its header");
    if (f->wrong) return NULL;
    f->at += (size_t)n;
    return f->bytes + f->at - n;
}

static inline uint64_t gguf_number(const uint8_t *at, int bytes) {
    uint64_t value = 0;
    while (bytes-- > 0) value = value << 8 | at[bytes];
    return value;
}

static inline uint64_t gguf_take_number(gguf_file *f, int bytes) {
    const uint8_t *at = gguf_take(f, (uint64_t)bytes);
    return at ? gguf_number(at, bytes) : 0;
}

static inline float gguf_float_at(const uint8_t *at) {
    float value;
    uint32_t bits = (uint32_t)gguf_number(at, 4);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void gguf_take_name(gguf_file *f, char name[GGUF_NAME]) {
    uint64_t n = gguf_take_number(f, 8);
    gguf_require(f, n < GGUF_NAME, "a name is longer than ggml's bound");
    const uint8_t *text = gguf_take(f, n);
    if (!text) return;
    memcpy(name, text, (size_t)n);
    name[n] = '\0';
}

static inline void gguf_skip(gguf_file *f, uint32_t type) {
    gguf_require(f, type == GGUF_U32 || type == GGUF_F32 || type == GGUF_BOOL || type == GGUF_TEXT, "a value has another type than ours");
    gguf_take(f, type == GGUF_TEXT ? gguf_take_number(f, 8) : type == GGUF_BOOL ? 1 : 4);
}

static inline void gguf_take_value(gguf_file *f, gguf_value *v) {
    gguf_take_name(f, v->key);
    v->type = (uint32_t)gguf_take_number(f, 4);
    v->count = 1;
    if (v->type == GGUF_ARRAY) {
        v->element = (uint32_t)gguf_take_number(f, 4);
        v->count = gguf_take_number(f, 8);
        v->at = f->bytes + f->at;
        for (uint64_t i = 0; i < v->count && !f->wrong; i++) gguf_skip(f, v->element); /* every element takes bytes, so the file ends this */
        return;
    }
    v->at = f->bytes + f->at;
    gguf_skip(f, v->type);
    if (v->type != GGUF_TEXT || f->wrong) return;
    v->count = gguf_number(v->at, 8);
    v->at += 8;
}

static inline void gguf_take_tensor(gguf_file *f, gguf_tensor *t) {
    gguf_take_name(f, t->name);
    t->rank = (uint32_t)gguf_take_number(f, 4);
    gguf_require(f, t->rank >= 1 && t->rank <= 4, "a tensor has no rank of 1 to 4");
    t->elements = 1;
    for (uint32_t r = 0; r < t->rank && !f->wrong; r++) {
        t->extents[r] = gguf_take_number(f, 8);
        gguf_require(f, t->extents[r] > 0 && t->elements <= f->size / t->extents[r], "a tensor is larger than the file");
        t->elements *= t->extents[r];
    }
    t->type = (uint32_t)gguf_take_number(f, 4);
    t->offset = gguf_take_number(f, 8);
    gguf_require(f, t->type <= 1, "a tensor has another type than ours");
}

/* bytes (size) stay the caller's, and are pointed to; what is wrong is in f->wrong. */
static inline void gguf_parse(gguf_file *f, uint8_t *bytes, size_t size) {
    memset(f, 0, sizeof *f);
    f->bytes = bytes;
    f->size = size;
    const uint8_t *magic = gguf_take(f, 4);
    gguf_require(f, magic && memcmp(magic, "GGUF", 4) == 0, "it does not begin with GGUF");
    gguf_require(f, gguf_take_number(f, 4) == 3, "it is not of version 3");
    f->tensor_count = gguf_take_number(f, 8);
    f->value_count = gguf_take_number(f, 8);
    gguf_require(f, f->tensor_count <= GGUF_MOST && f->value_count <= GGUF_MOST, "it has more keys or tensors than there is room for");
    for (uint64_t i = 0; i < f->value_count && !f->wrong; i++) gguf_take_value(f, &f->values[i]);
    for (uint64_t i = 0; i < f->tensor_count && !f->wrong; i++) gguf_take_tensor(f, &f->tensors[i]);
    if (f->wrong) return;
    uint64_t data = (f->at + GGUF_ALIGNMENT - 1) / GGUF_ALIGNMENT * GGUF_ALIGNMENT, end = 0; /* tensors follow one another */
    for (uint64_t i = 0; i < f->tensor_count; i++) {
        gguf_tensor *t = &f->tensors[i];
        gguf_require(f, t->offset == end, "a tensor is not where the one before it ends");
        end += (t->elements * (t->type ? 2 : 4) + GGUF_ALIGNMENT - 1) / GGUF_ALIGNMENT * GGUF_ALIGNMENT;
        gguf_require(f, data + end <= f->size, "it ends within a tensor");
        if (f->wrong) return;
        t->data = f->bytes + data + t->offset;
    }
    gguf_require(f, data + end == f->size, "there is something after the tensors");
}

#endif
