/* tensors.h - small safetensors files for tests to read. */
#ifndef TESTS_UTIL_TENSORS_H
#define TESTS_UTIL_TENSORS_H

#include "io/safetensors.h"
#include "util/check.h"

/* n tensors; values: their bytes, one tensor after the other. metadata may be NULL, and stays the caller's. */
static inline void write_tensors(const char *path, const orthsr__tensor_spec *specs, size_t n, json_t *metadata, const void *values) {
    orthsr_error error;
    orthsr__writer writer;
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) bytes += specs[i].bytes;
    ck_ok(orthsr__writer_open(&writer, path, &error));
    ck_ok(orthsr__safetensors_write_header(&writer, specs, n, metadata, &error));
    ck_ok(orthsr__writer_write(&writer, values, bytes, &error));
    ck_ok(orthsr__writer_commit(&writer, &error));
}

#endif
