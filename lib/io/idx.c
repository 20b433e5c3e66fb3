/* idx.c - IDX: 0, 0, element type, rank, then rank big-endian 32-bit extents, then the elements in C order. */
#include "io/idx.h"

#include <limits.h>
#include <stdlib.h>

#include "base/fail.h"
#include "base/memory.h"
#include "io/gzip.h"
#include "io/lfs.h"

/* A few MB of gzip can hold GiB of zeros: what is read is bounded, and so is what a caller will keep for every item. EMNIST, the largest of MNIST's
 * kind, has 0.8 million items of 784 bytes. */
enum { FIRST_READ = 1 << 16, MAX_BYTES = 1 << 30, MAX_ITEMS = 1 << 22 };

/* Up to n bytes; *got < n only at the end of the file. zlib reads what is not gzip as it is. */
static orthsr_status read_bytes(gzFile file, uint8_t *to, size_t n, size_t *got, const char *path, orthsr_error *error) {
    *got = 0;
    while (*got < n) {
        size_t left = n - *got;
        int read = gzread(file, to + *got, left < INT_MAX ? (unsigned)left : INT_MAX);
        int code;
        const char *reason = gzerror(file, &code);
        if (code == Z_ERRNO) return orthsr__fail_errno(error, "read", path);
        if (code == Z_MEM_ERROR) return orthsr__fail_memory(error, path);
        if (read < 0 || (read == 0 && code != Z_OK && code != Z_STREAM_END))
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is a damaged or truncated gzip file: %s", path, reason);
        if (read == 0) break;
        *got += (size_t)read;
    }
    return ORTHSR_OK;
}

static orthsr_status read_header(orthsr__idx *out, size_t *total, gzFile file, const char *path, uint64_t max_bytes, orthsr_error *error) {
    uint8_t bytes[64];
    size_t got, more;
    ORTHSR__TRY(read_bytes(file, bytes, 4, &got, path, error));
    if (got < 4 || bytes[0] != 0 || bytes[1] != 0 || bytes[3] == 0) {
        ORTHSR__TRY(read_bytes(file, bytes + got, sizeof bytes - got, &more, path, error));
        ORTHSR__TRY(orthsr__refuse_lfs_pointer(bytes, got + more, path, error));
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is not an IDX file: it does not begin with 0, 0, type, rank", path);
    }
    if (bytes[2] != 0x08)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s': IDX element type 0x%02x; only unsigned bytes (0x08) are read", path, bytes[2]);
    if (bytes[3] > ORTHSR__IDX_MAX_RANK)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s': IDX rank %d; at most %d is read", path, bytes[3], ORTHSR__IDX_MAX_RANK);
    out->rank = bytes[3];
    ORTHSR__TRY(read_bytes(file, bytes, 4 * out->rank, &got, path, error));
    if (got < 4 * out->rank) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is truncated within the IDX header", path);
    *total = 1;
    for (size_t i = 0; i < out->rank; i++) {
        const uint8_t *b = bytes + 4 * i;
        out->shape[i] = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
        if (i > 0 && out->shape[i] == 0) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': IDX extent %zu is zero", path, i);
        if (i == 0 && out->shape[i] > MAX_ITEMS)
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': the IDX header claims %zu items; at most %d are read", path, out->shape[i], MAX_ITEMS);
        if (!orthsr__mul(total, *total, out->shape[i]) || *total > max_bytes)
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': the IDX header claims more than %llu bytes, the most that is read", path,
                                (unsigned long long)max_bytes);
    }
    return ORTHSR_OK;
}

/* The elements. Memory doubles as data really arrives, so a header that lies costs nothing. */
static orthsr_status read_elements(orthsr__idx *out, size_t total, gzFile file, const char *path, orthsr_error *error) {
    size_t capacity = 0, have = 0;
    do {
        size_t wanted = capacity ? 2 * capacity : FIRST_READ, got;
        if (wanted > total) wanted = total;
        uint8_t *grown = realloc(out->data, wanted ? wanted : 1);
        if (!grown) return orthsr__fail_memory(error, path);
        out->data = grown;
        capacity = wanted;
        ORTHSR__TRY(read_bytes(file, out->data + have, capacity - have, &got, path, error));
        have += got;
        if (have < capacity)
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is truncated: %zu of the %zu bytes that its header claims are there", path, have, total);
    } while (have < total);
    uint8_t extra;
    size_t got;
    ORTHSR__TRY(read_bytes(file, &extra, 1, &got, path, error));
    if (got > 0) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' goes on after the %zu bytes that its IDX header claims", path, total);
    return ORTHSR_OK;
}

orthsr_status orthsr__idx_read(orthsr__idx *out, const char *path, size_t max_bytes, orthsr_error *error) {
    *out = (orthsr__idx){0};
    gzFile file;
    ORTHSR__TRY(orthsr__gzip_open(&file, path, error));
    size_t total = 0;
    orthsr_status status = read_header(out, &total, file, path, max_bytes ? max_bytes : MAX_BYTES, error);
    if (!status) status = read_elements(out, total, file, path, error);
    gzclose(file);
    if (status) {
        free(out->data);
        *out = (orthsr__idx){0};
    }
    return status;
}
