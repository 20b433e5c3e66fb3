/* gguf.h - what a GGUF file holds, by name; a test fails where it is not there. */
#ifndef TESTS_UTIL_GGUF_H
#define TESTS_UTIL_GGUF_H

#include "util/check.h"
#include "util/gguf_parse.h"

static inline void gguf_read(gguf_file *f, const char *path) {
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(size);
    ck_assert_uint_eq(fread(bytes, 1, size, file), size);
    fclose(file);
    gguf_parse(f, bytes, size);
    ck_assert_msg(!f->wrong, "%s: %s, near byte %zu", path, f->wrong, f->at);
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
