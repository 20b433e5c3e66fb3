/* fixture.h - arrays of a .safetensors fixture as reals, floats or ints; missing ones fail the test. */
#ifndef TESTS_UTIL_FIXTURE_H
#define TESTS_UTIL_FIXTURE_H

#include "base/memory.h"
#include "io/safetensors.h"
#include "util/check.h"

typedef struct fixture {
    orthsr__safetensors file;
    void *arrays[256];
    size_t count;
} fixture;

static inline void fixture_open(fixture *f, const char *path) {
    orthsr_error error;
    memset(f, 0, sizeof *f);
    ck_ok(orthsr__safetensors_open(&f->file, path, &error));
}

static inline const orthsr__tensor *fixture_tensor(const fixture *f, const char *name) {
    const orthsr__tensor *tensor = orthsr__safetensors_find(&f->file, name);
    ck_assert_msg(tensor != NULL, "%s has no '%s'", f->file.path, name);
    return tensor;
}

static inline void *fixture_keep(fixture *f, void *array) {
    ck_assert_ptr_nonnull(array);
    ck_assert_uint_lt(f->count, sizeof f->arrays / sizeof *f->arrays);
    return f->arrays[f->count++] = array;
}

/* The array, and its size in *n (may be NULL). Lives until fixture_close. */
static inline real *fixture_reals(fixture *f, const char *name, size_t *n) {
    orthsr_error error;
    const orthsr__tensor *tensor = fixture_tensor(f, name);
    real *array = fixture_keep(f, orthsr__aligned(tensor->elements, sizeof *array));
    ck_ok(orthsr__tensor_to_real(array, tensor, f->file.path, &error));
    if (n) *n = tensor->elements;
    return array;
}

static inline float *fixture_floats(fixture *f, const char *name, size_t *n) {
    size_t count;
    real *values = fixture_reals(f, name, &count);
    float *array = fixture_keep(f, orthsr__aligned(count, sizeof *array));
    orthsr__real_to_float(array, values, count);
    if (n) *n = count;
    return array;
}

/* Raw little-endian elements of a given size (int32 or uint8 data). */
static inline const void *fixture_raw(fixture *f, const char *name, size_t element, size_t *n) {
    const orthsr__tensor *tensor = fixture_tensor(f, name);
    ck_assert_uint_eq(tensor->bytes, tensor->elements * element);
    void *array = fixture_keep(f, orthsr__aligned(tensor->elements, element));
    memcpy(array, tensor->data, tensor->bytes);
    if (n) *n = tensor->elements;
    return array;
}

static inline void fixture_close(fixture *f) {
    for (size_t i = 0; i < f->count; i++) free(f->arrays[i]);
    orthsr__safetensors_close(&f->file);
}

#ifdef ORTHSR_DOUBLE
#define max_relative_real max_relative_double
#else
#define max_relative_real max_relative
#endif

#endif
