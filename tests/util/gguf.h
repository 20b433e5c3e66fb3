/* gguf.h - a reader of GGUF files for tests, written from the format's description and not from lib/io/gguf.c. */
#ifndef TESTS_UTIL_GGUF_H
#define TESTS_UTIL_GGUF_H

#include "util/check.h"

#include <stdint.h>

enum { GGUF_U32 = 4, GGUF_F32 = 6, GGUF_BOOL = 7, GGUF_TEXT = 8, GGUF_ARRAY = 9, GGUF_MOST = 512 };

typedef struct gguf_value {
    char key[80];
    uint32_t type, element; /* element: of an array */
    uint64_t count;         /* of an array's elements, or a text's bytes */
    const uint8_t *at;      /* the value; of an array its first element */
} gguf_value;

typedef struct gguf_tensor {
    char name[80];
    uint32_t rank, type;
    uint64_t extents[4]; /* the fastest first */
    uint64_t elements, offset;
    const uint8_t *data;
} gguf_tensor;

typedef struct gguf_file {
    uint8_t *bytes; /* (size) */
    size_t size, at, data;
    gguf_value values[GGUF_MOST];
    gguf_tensor tensors[GGUF_MOST];
    uint64_t value_count, tensor_count;
} gguf_file;

static inline const uint8_t *gguf_take(gguf_file *f, uint64_t n) {
    ck_assert_msg(n <= f->size - f->at, "the file ends within its header");
    f->at += (size_t)n;
    return f->bytes + f->at - n;
}

static inline uint64_t gguf_number(const uint8_t *at, int bytes) {
    uint64_t value = 0;
    while (bytes-- > 0) value = value << 8 | at[bytes];
    return value;
}

static inline uint64_t gguf_take_number(gguf_file *f, int bytes) { return gguf_number(gguf_take(f, (uint64_t)bytes), bytes); }

static inline void gguf_take_name(gguf_file *f, char name[80]) {
    uint64_t n = gguf_take_number(f, 8);
    ck_assert_uint_lt(n, 64); /* ggml's bound on names */
    memcpy(name, gguf_take(f, n), (size_t)n);
    name[n] = '\0';
}

static inline void gguf_skip(gguf_file *f, uint32_t type) {
    ck_assert_msg(type == GGUF_U32 || type == GGUF_F32 || type == GGUF_BOOL || type == GGUF_TEXT, "a value of type %u", type);
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
        for (uint64_t i = 0; i < v->count; i++) gguf_skip(f, v->element);
        return;
    }
    v->at = f->bytes + f->at;
    if (v->type == GGUF_TEXT) {
        v->count = gguf_number(v->at, 8);
        v->at += 8;
    }
    gguf_skip(f, v->type);
}

static inline void gguf_read(gguf_file *f, const char *path) {
    memset(f, 0, sizeof *f);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    f->size = (size_t)ftell(file);
    rewind(file);
    f->bytes = malloc(f->size);
    ck_assert_uint_eq(fread(f->bytes, 1, f->size, file), f->size);
    fclose(file);
    ck_assert_mem_eq(gguf_take(f, 4), "GGUF", 4);
    ck_assert_uint_eq(gguf_take_number(f, 4), 3);
    f->tensor_count = gguf_take_number(f, 8);
    f->value_count = gguf_take_number(f, 8);
    ck_assert(f->tensor_count <= GGUF_MOST && f->value_count <= GGUF_MOST);
    for (uint64_t i = 0; i < f->value_count; i++) gguf_take_value(f, &f->values[i]);
    for (uint64_t i = 0; i < f->tensor_count; i++) {
        gguf_tensor *t = &f->tensors[i];
        gguf_take_name(f, t->name);
        t->rank = (uint32_t)gguf_take_number(f, 4);
        ck_assert(t->rank >= 1 && t->rank <= 4);
        t->elements = 1;
        for (uint32_t r = 0; r < t->rank; r++) t->elements *= t->extents[r] = gguf_take_number(f, 8);
        t->type = (uint32_t)gguf_take_number(f, 4);
        t->offset = gguf_take_number(f, 8);
    }
    f->data = (f->at + 31) / 32 * 32;
    uint64_t end = 0; /* tensors follow one another, at multiples of 32 */
    for (uint64_t i = 0; i < f->tensor_count; i++) {
        gguf_tensor *t = &f->tensors[i];
        ck_assert_msg(t->type <= 1, "%s has type %u", t->name, t->type);
        ck_assert_uint_eq(t->offset, end);
        end += (t->elements * (t->type ? 2 : 4) + 31) / 32 * 32;
        t->data = f->bytes + f->data + t->offset;
    }
    ck_assert_uint_eq(f->data + end, f->size);
}

static inline void gguf_close(gguf_file *f) { free(f->bytes); }

static inline const gguf_value *gguf_find(const gguf_file *f, const char *key, uint32_t type) {
    const gguf_value *found = NULL;
    for (uint64_t i = 0; i < f->value_count; i++)
        if (strcmp(f->values[i].key, key) == 0) {
            ck_assert_msg(!found, "%s is there twice", key);
            found = &f->values[i];
        }
    ck_assert_msg(found != NULL, "no key %s", key);
    ck_assert_msg(found->type == type, "%s has type %u", key, found->type);
    return found;
}

static inline uint32_t gguf_u32(const gguf_file *f, const char *key) { return (uint32_t)gguf_number(gguf_find(f, key, GGUF_U32)->at, 4); }
static inline bool gguf_bool(const gguf_file *f, const char *key) { return gguf_find(f, key, GGUF_BOOL)->at[0] == 1; }

static inline float gguf_float_at(const uint8_t *at) {
    float value;
    uint32_t bits = (uint32_t)gguf_number(at, 4);
    memcpy(&value, &bits, sizeof value);
    return value;
}
static inline float gguf_f32(const gguf_file *f, const char *key) { return gguf_float_at(gguf_find(f, key, GGUF_F32)->at); }

static inline const gguf_tensor *gguf_find_tensor(const gguf_file *f, const char *name) {
    const gguf_tensor *found = NULL;
    for (uint64_t i = 0; i < f->tensor_count; i++)
        if (strcmp(f->tensors[i].name, name) == 0) {
            ck_assert_msg(!found, "%s is there twice", name);
            found = &f->tensors[i];
        }
    ck_assert_msg(found != NULL, "no tensor %s", name);
    return found;
}

#endif
