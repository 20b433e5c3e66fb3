/* array.c - NumPy's .npy: magic, version, header length, a Python dict as text, then the values. */
#include <orthsr/array.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/lfs.h"

#define MAGIC "\x93NUMPY"

/* ---- the header's dict ---------------------------------------------------------------------------------------------- */

/* What is left of the header's text. */
typedef struct cursor {
    const char *at, *end;
} cursor;

typedef struct header {
    char descr[16];
    bool fortran;
    size_t shape[ORTHSR_ARRAY_MAX_RANK], rank;
} header;

static void skip_blanks(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n')) c->at++;
}

/* Takes text, after blanks, when it comes next. */
static bool take(cursor *c, const char *text) {
    skip_blanks(c);
    size_t length = strlen(text);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, text, length) != 0) return false;
    c->at += length;
    return true;
}

/* A quoted string without escapes, cut to fit: only short ones are ever meant. */
static bool take_string(cursor *c, char *out, size_t size) {
    skip_blanks(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
    const char *start = c->at + 1, *close = memchr(start, *c->at, (size_t)(c->end - start));
    if (!close || memchr(start, '\\', (size_t)(close - start)) || memchr(start, '\0', (size_t)(close - start))) return false;
    snprintf(out, size, "%.*s", (int)(close - start < (ptrdiff_t)size ? close - start : (ptrdiff_t)size), start);
    c->at = close + 1;
    return true;
}

static bool take_size(cursor *c, size_t *out) {
    skip_blanks(c);
    const char *start = c->at;
    for (*out = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (!orthsr__mul(out, *out, 10) || !orthsr__add(out, *out, (size_t)(*c->at - '0'))) return false;
    return c->at > start;
}

/* (), (3,), (3, 4) or (3, 4,). */
static bool take_shape(cursor *c, header *out) {
    if (!take(c, "(")) return false;
    while (!take(c, ")")) {
        if (out->rank == ORTHSR_ARRAY_MAX_RANK || !take_size(c, &out->shape[out->rank++])) return false;
        if (!take(c, ",")) return out->rank > 1 && take(c, ")");
    }
    return true;
}

/* The three keys, each once, in any order. */
static bool take_dict(cursor *c, header *out) {
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    unsigned seen = 0;
    if (!take(c, "{")) return false;
    while (!take(c, "}")) {
        char name[16];
        if (!take_string(c, name, sizeof name) || !take(c, ":")) return false;
        unsigned key = 0;
        while (key < 3 && strcmp(name, keys[key]) != 0) key++;
        if (key == 3 || (seen & 1u << key)) return false;
        seen |= 1u << key;
        if (key == 0 && !take_string(c, out->descr, sizeof out->descr)) return false;
        if (key == 1 && !(out->fortran = take(c, "True")) && !take(c, "False")) return false;
        if (key == 2 && !take_shape(c, out)) return false;
        if (!take(c, ",")) {
            if (!take(c, "}")) return false;
            break;
        }
    }
    skip_blanks(c);
    return seen == 7 && c->at == c->end;
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

enum { MAX_HEADER = 1 << 20 }; /* NumPy itself refuses 10,000 bytes; the dict of a plain array has 100 */

/* *data_at: where the values begin. size: of the file. */
static orthsr_status read_header(header *out, size_t *data_at, int fd, size_t size, const char *path, orthsr_error *error) {
    uint8_t bytes[64] = {0};
    ORTHSR__TRY(orthsr__read_at(fd, bytes, size < sizeof bytes ? size : sizeof bytes, 0, path, error));
    ORTHSR__TRY(orthsr__refuse_lfs_pointer(bytes, sizeof bytes, path, error));
    if (size < 12 || memcmp(bytes, MAGIC, 6) != 0) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is not a .npy file", path);
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s': .npy version %d.%d; 1.0, 2.0 and 3.0 are read", path, bytes[6], bytes[7]);
    size_t start = bytes[6] == 1 ? 10 : 12, length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (bytes[6] > 1) length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (length > size - start) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is truncated within the .npy header", path);
    if (length > MAX_HEADER)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' has a .npy header of %zu bytes; at most %d are read", path, length, MAX_HEADER);
    char *text = malloc(length ? length : 1);
    if (!text) return orthsr__fail_memory(error, path);
    cursor c = {text, text + length};
    *out = (header){.rank = 0};
    orthsr_status status = orthsr__read_at(fd, text, length, start, path, error);
    if (!status && !take_dict(&c, out))
        status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': the .npy header is malformed, structured, or of rank above %d, near byte %zu", path,
                              ORTHSR_ARRAY_MAX_RANK, start + (size_t)(c.at - text));
    *data_at = start + length;
    free(text);
    return status;
}

/* n values from byte `at` on, as float32. */
static orthsr_status read_values(float *to, size_t n, bool single, int fd, size_t at, const char *path, orthsr_error *error) {
    if (single) return orthsr__read_at(fd, to, n * sizeof *to, at, path, error);
    double block[1024];
    for (size_t first = 0; first < n; first += 1024) {
        size_t count = n - first < 1024 ? n - first : 1024;
        ORTHSR__TRY(orthsr__read_at(fd, block, count * sizeof *block, at + first * sizeof *block, path, error));
        for (size_t i = 0; i < count; i++) to[first + i] = (float)block[i];
    }
    return ORTHSR_OK;
}

static orthsr_status read_array(float **data, header *head, int fd, size_t size, const char *path, orthsr_error *error) {
    size_t at = 0, n = 1, expected;
    ORTHSR__TRY(read_header(head, &at, fd, size, path, error));
    bool single = strcmp(head->descr, "<f4") == 0;
    if (!single && strcmp(head->descr, "<f8") != 0)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s' holds '%s'; '<f4' and '<f8' are read: save it as array.astype('<f4')", path, head->descr);
    if (head->fortran) return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s' is in Fortran order: save it as numpy.ascontiguousarray(array)", path);
    for (size_t i = 0; i < head->rank; i++)
        if (!orthsr__mul(&n, n, head->shape[i])) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': the shape is too large", path);
    if (!orthsr__mul(&expected, n, single ? 4 : 8) || expected != size - at)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': %zu bytes do not hold the %zu values of the shape: truncated or trailing data", path, size - at,
                            n);
    float *values = orthsr__aligned(n, sizeof *values);
    orthsr_status status = values ? read_values(values, n, single, fd, at, path, error) : orthsr__fail_memory(error, path);
    if (status) free(values);
    else *data = values;
    return status;
}

orthsr_status orthsr_array_read(float **data, size_t shape[ORTHSR_ARRAY_MAX_RANK], size_t *rank, const char *path, orthsr_error *error) {
    ORTHSR__REQUIRE(data, error, "data is NULL");
    *data = NULL;
    ORTHSR__REQUIRE(shape && rank && path, error, "shape, rank or path is NULL");
    int fd;
    off_t size;
    ORTHSR__TRY(orthsr__open(&fd, &size, path, error));
    header head;
    orthsr_status status = read_array(data, &head, fd, (size_t)size, path, error);
    close(fd);
    if (status) return status;
    *rank = head.rank;
    memcpy(shape, head.shape, sizeof head.shape);
    return ORTHSR_OK;
}

/* ---- writing -------------------------------------------------------------------------------------------------------- */

orthsr_status orthsr_array_write(const char *path, const float *data, const size_t *shape, size_t rank, orthsr_error *error) {
    ORTHSR__REQUIRE(path && (shape || rank == 0), error, "path or shape is NULL");
    ORTHSR__REQUIRE(rank <= ORTHSR_ARRAY_MAX_RANK, error, "rank is above ORTHSR_ARRAY_MAX_RANK");
    size_t size = sizeof *data;
    char extents[ORTHSR_ARRAY_MAX_RANK * 22 + 1] = "", head[512]; /* an extent has at most 20 digits */
    for (size_t i = 0, used = 0; i < rank; i++) {
        ORTHSR__REQUIRE(orthsr__mul(&size, size, shape[i]), error, "the shape is too large");
        used += (size_t)snprintf(extents + used, sizeof extents - used, rank == 1 ? "%zu," : i + 1 < rank ? "%zu, " : "%zu", shape[i]);
    }
    ORTHSR__REQUIRE(data || size == 0, error, "data is NULL");
    /* Ten bytes before the dict; blanks and a newline after it so that the values begin at a multiple of 64. */
    memset(head, ' ', sizeof head);
    size_t used = 10 + (size_t)snprintf(head + 10, sizeof head - 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", extents);
    size_t total = (used + 1 + 63) / 64 * 64;
    head[used] = ' '; /* snprintf's terminator */
    head[total - 1] = '\n';
    memcpy(head, MAGIC "\x01\x00", 8);
    head[8] = (char)((total - 10) & 0xff);
    head[9] = (char)((total - 10) >> 8);

    orthsr__writer writer;
    ORTHSR__TRY(orthsr__writer_open(&writer, path, error));
    orthsr_status status = orthsr__writer_write(&writer, head, total, error);
    if (!status) status = orthsr__writer_write(&writer, data, size, error);
    if (!status) return orthsr__writer_commit(&writer, error);
    orthsr__writer_discard(&writer);
    return status;
}
