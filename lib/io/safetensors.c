/* safetensors.c - the safetensors format: a header that is checked entry by entry, and data used where it is mapped or was read. */
#include "io/safetensors.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/half.h"
#include "base/memory.h"
#include "io/json.h"
#include "io/lfs.h"

/* A header takes up to 80 times its length in memory when it is parsed; 300,000 tensors fit into this one. */
#define MAX_HEADER ((size_t)16 << 20)
#define METADATA "__metadata__"

/* A tensor's name in a message: hostile names may be long, and what is wrong must still fit. */
#define NAME "tensor '%.256s'"

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [ORTHSR__F32] = {"F32", 4}, [ORTHSR__F16] = {"F16", 2}, [ORTHSR__BF16] = {"BF16", 2}, [ORTHSR__F64] = {"F64", 8}, [ORTHSR__I64] = {"I64", 8},
    [ORTHSR__I32] = {"I32", 4}, [ORTHSR__I16] = {"I16", 2}, [ORTHSR__I8] = {"I8", 1},     [ORTHSR__U64] = {"U64", 8}, [ORTHSR__U32] = {"U32", 4},
    [ORTHSR__U16] = {"U16", 2}, [ORTHSR__U8] = {"U8", 1},   [ORTHSR__BOOL] = {"BOOL", 1},
};

void orthsr__shape_text(char *text, size_t size, const size_t *shape, size_t rank) {
    size_t at = (size_t)snprintf(text, size, "(");
    for (size_t i = 0; i < rank && at < size; i++) at += (size_t)snprintf(text + at, size - at, "%s%zu", i ? ", " : "", shape[i]);
    if (at < size) snprintf(text + at, size - at, ")");
}

size_t orthsr__dtype_size(orthsr__dtype dtype) { return dtype < ORTHSR__OTHER_DTYPE ? dtypes[dtype].size : 0; }

static orthsr__dtype dtype_of(const char *name) {
    orthsr__dtype dtype = 0;
    while (dtype < ORTHSR__OTHER_DTYPE && strcmp(dtypes[dtype].name, name) != 0) dtype++;
    return dtype;
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

static orthsr_status parse_header(json_t **out, const orthsr__mapping *mapping, size_t length, const char *path, orthsr_error *error) {
    const char *text = (const char *)mapping->data + 8;
    if (length == 0 || text[0] != '{') return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': the safetensors header must begin with '{'", path);
    json_error_t where;
    bool starved;
    *out = orthsr__json_parse(text, length, 0, &where, &starved);
    if (*out) return ORTHSR_OK;
    if (starved) return orthsr__fail_memory(error, "a safetensors header");
    return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': the safetensors header is not valid JSON, byte %d: %s", path, where.position, where.text);
}

static orthsr_status check_metadata(const json_t *metadata, const char *path, orthsr_error *error) {
    bool strings = json_is_object(metadata);
    for (void *at = json_object_iter((json_t *)metadata); at; at = json_object_iter_next((json_t *)metadata, at))
        strings = strings && json_is_string(json_object_iter_value(at));
    return strings ? ORTHSR_OK : orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': " METADATA " must be an object of strings", path);
}

/* The tensor's bytes are as many as its elements take: of a dtype that is not known, a bit to 16 bytes each. */
static bool holds(const orthsr__tensor *tensor) {
    size_t elements = tensor->elements, bytes = tensor->bytes, expected;
    if (tensor->dtype == ORTHSR__OTHER_DTYPE) return bytes / 16 + (bytes % 16 > 0) <= elements && elements / 8 + (elements % 8 > 0) <= bytes;
    return orthsr__mul(&expected, elements, orthsr__dtype_size(tensor->dtype)) && expected == bytes;
}

/* One entry of the header. size: of the data section, whose first byte is data. */
static orthsr_status read_entry(orthsr__tensor *out, const char *name, const json_t *entry, const uint8_t *data, size_t size, const char *path,
                                orthsr_error *error) {
    const json_t *dtype = json_object_get(entry, "dtype"), *shape = json_object_get(entry, "shape"), *offsets = json_object_get(entry, "data_offsets");
    if (!json_is_string(dtype) || !json_is_array(shape) || !json_is_array(offsets))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': " NAME " needs a dtype (string), a shape and data_offsets (arrays)", path, name);
    *out = (orthsr__tensor){.name = name, .dtype_name = json_string_value(dtype), .rank = json_array_size(shape), .elements = 1};
    out->dtype = dtype_of(out->dtype_name);
    if (out->rank > ORTHSR__MAX_RANK)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': " NAME " has %zu dimensions; at most %d are read", path, name, out->rank, ORTHSR__MAX_RANK);
    for (size_t i = 0; i < out->rank; i++)
        if (!orthsr__json_as_size(&out->shape[i], json_array_get(shape, i)) || !orthsr__mul(&out->elements, out->elements, out->shape[i]))
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': " NAME ": extent %zu is not a size, or the shape is too large", path, name, i);

    size_t begin, end;
    if (json_array_size(offsets) != 2 || !orthsr__json_as_size(&begin, json_array_get(offsets, 0)) || !orthsr__json_as_size(&end, json_array_get(offsets, 1)) ||
        begin > end || end > size)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT,
                            "'%s': " NAME ": data_offsets must be [begin, end] with begin <= end <= %zu, the size of the data"
                            " (is the file complete?)",
                            path, name, size);
    out->bytes = end - begin;
    out->data = data + begin;

    if (!holds(out))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': " NAME ": %zu bytes do not hold %zu elements of %.32s", path, name, out->bytes, out->elements,
                            out->dtype_name);
    return ORTHSR_OK;
}

static int compare_names(const void *a, const void *b) { return strcmp((*(const orthsr__tensor *const *)a)->name, (*(const orthsr__tensor *const *)b)->name); }

/* By place in the file; of two at one place the empty one comes first. */
static int compare_places(const void *a, const void *b) {
    const orthsr__tensor *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* The tensors must cover the data section without overlap, gap or remainder: nothing can hide in a file that passed. */
static orthsr_status check_coverage(const orthsr__safetensors *file, const uint8_t *data, size_t size, orthsr_error *error) {
    size_t covered = 0;
    for (size_t i = 0; i < file->count; i++) {
        const orthsr__tensor *tensor = &file->tensors[i];
        size_t begin = (size_t)(tensor->data - data);
        if (begin != covered)
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': " NAME " begins at byte %zu of the data, %s at %zu", file->path, tensor->name, begin,
                                begin < covered ? "inside one that ends" : "after a gap that starts", covered);
        covered += tensor->bytes;
    }
    if (covered != size) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': %zu bytes follow the last tensor", file->path, size - covered);
    return ORTHSR_OK;
}

/* What the bytes from `from` to `to` of the file's memory hold from now on; -1 as fd: they are mapped. */
static orthsr_status fill(orthsr__safetensors *file, int fd, size_t from, size_t to, orthsr_error *error) {
    return fd < 0 || from == to ? ORTHSR_OK : orthsr__read_at(fd, (uint8_t *)file->mapping.data + from, to - from, from, file->path, error);
}

/* file->mapping is there, its bytes are once they are filled. */
static orthsr_status read_file(orthsr__safetensors *file, int fd, orthsr_error *error) {
    enum { HEAD = 64 };
    const char *path = file->path;
    ORTHSR__TRY(fill(file, fd, 0, file->mapping.size < HEAD ? file->mapping.size : HEAD, error));
    if (file->mapping.size < 8)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is no safetensors file: it has %zu bytes, and the header's length alone takes 8", path,
                            file->mapping.size);
    ORTHSR__TRY(orthsr__refuse_lfs_pointer(file->mapping.data, file->mapping.size, path, error));
    uint64_t length = 0;
    for (int i = 0; i < 8; i++) length |= (uint64_t)file->mapping.data[i] << 8 * i;
    if (length > MAX_HEADER || length > file->mapping.size - 8)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT,
                            "'%s' is truncated or no safetensors file: its first 8 bytes claim a header of %llu bytes, the file has %zu and a header at"
                            " most %zu; get it again, or name a .safetensors file",
                            path, (unsigned long long)length, file->mapping.size, MAX_HEADER);
    ORTHSR__TRY(fill(file, fd, 8, 8 + (size_t)length, error));
    ORTHSR__TRY(parse_header(&file->header, &file->mapping, (size_t)length, path, error));

    const uint8_t *data = file->mapping.data + 8 + length;
    size_t size = file->mapping.size - 8 - (size_t)length, entries = json_object_size(file->header);
    file->tensors = orthsr__calloc(entries, sizeof *file->tensors);
    file->by_name = orthsr__calloc(entries, sizeof *file->by_name);
    if (!file->tensors || !file->by_name) return orthsr__fail_memory(error, "the list of tensors");
    for (void *at = json_object_iter(file->header); at; at = json_object_iter_next(file->header, at)) {
        const char *name = json_object_iter_key(at);
        json_t *value = json_object_iter_value(at);
        if (strcmp(name, METADATA) == 0) {
            ORTHSR__TRY(check_metadata(value, path, error));
            file->metadata = value;
        } else {
            ORTHSR__TRY(read_entry(&file->tensors[file->count++], name, value, data, size, path, error));
        }
    }
    qsort(file->tensors, file->count, sizeof *file->tensors, compare_places);
    for (size_t i = 0; i < file->count; i++) file->by_name[i] = &file->tensors[i];
    qsort(file->by_name, file->count, sizeof *file->by_name, compare_names);
    ORTHSR__TRY(check_coverage(file, data, size, error));
    for (size_t i = 0; i < file->count; i++)
        if (file->tensors[i].bytes == 0) file->tensors[i].data = NULL;
    return fill(file, fd, 8 + (size_t)length, file->mapping.size, error);
}

orthsr_status orthsr__safetensors_open(orthsr__safetensors *out, const char *path, orthsr_error *error) {
    int fd;
    off_t size;
    *out = (orthsr__safetensors){.path = orthsr__strdup(path)};
    if (!out->path) return orthsr__fail_memory(error, "a file name");
    orthsr_status status = orthsr__open(&fd, &size, path, error);
    if (!status) status = orthsr__make_room(&out->mapping, size, path, error);
    if (!status) status = read_file(out, fd, error);
    if (fd >= 0) close(fd);
    if (status) orthsr__safetensors_close(out);
    return status;
}

orthsr_status orthsr__safetensors_map(orthsr__safetensors *out, const char *path, orthsr_error *error) {
    *out = (orthsr__safetensors){.path = orthsr__strdup(path)};
    if (!out->path) return orthsr__fail_memory(error, "a file name");
    orthsr_status status = orthsr__map(&out->mapping, path, error);
    if (!status) status = read_file(out, -1, error);
    if (status) orthsr__safetensors_close(out);
    return status;
}

void orthsr__safetensors_close(orthsr__safetensors *file) {
    orthsr__unmap(&file->mapping);
    json_decref(file->header);
    free(file->tensors);
    free(file->by_name);
    free(file->path);
    *file = (orthsr__safetensors){0};
}

const orthsr__tensor *orthsr__safetensors_find(const orthsr__safetensors *file, const char *name) {
    const orthsr__tensor key = {.name = name}, *wanted = &key;
    const orthsr__tensor **found = file->count ? bsearch(&wanted, file->by_name, file->count, sizeof *file->by_name, compare_names) : NULL;
    return found ? *found : NULL;
}

const char *orthsr__safetensors_metadata(const orthsr__safetensors *file, const char *key) { return json_string_value(json_object_get(file->metadata, key)); }

/* ---- converting: n elements from bytes, which may be unaligned -------------------------------------------------------- */

ORTHSR__SIMD static void convert_f32(real *out, const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float value;
        memcpy(&value, bytes + 4 * i, 4);
        out[i] = value;
    }
}

ORTHSR__SIMD static void convert_f64(real *out, const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double value;
        memcpy(&value, bytes + 8 * i, 8);
        out[i] = (real)value;
    }
}

ORTHSR__SIMD static void convert_f16(real *out, const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, 2);
        out[i] = orthsr__from_f16(half);
    }
}

ORTHSR__SIMD static void convert_bf16(real *out, const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, 2);
        out[i] = orthsr__from_bf16(half);
    }
}

orthsr_status orthsr__tensor_to_real(real *out, const orthsr__tensor *tensor, const char *path, orthsr_error *error) {
    switch (tensor->dtype) {
    case ORTHSR__F32: convert_f32(out, tensor->data, tensor->elements); return ORTHSR_OK;
    case ORTHSR__F64: convert_f64(out, tensor->data, tensor->elements); return ORTHSR_OK;
    case ORTHSR__F16: convert_f16(out, tensor->data, tensor->elements); return ORTHSR_OK;
    case ORTHSR__BF16: convert_bf16(out, tensor->data, tensor->elements); return ORTHSR_OK;
    default:
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s': " NAME " has dtype %.32s; F32, F16, BF16 and F64 can be computed with", path, tensor->name,
                            tensor->dtype_name);
    }
}

/* ---- writing -------------------------------------------------------------------------------------------------------- */

/* Adds specs[i] to header, its data at *offset, which moves on. */
static orthsr_status add_entry(json_t *header, const orthsr__tensor_spec *spec, size_t *offset, orthsr_error *error) {
    if (strcmp(spec->name, METADATA) == 0 || json_object_get(header, spec->name))
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, NAME " is to be written twice, or under a reserved name", spec->name);
    size_t begin = *offset;
    if (!orthsr__add(offset, begin, spec->bytes) || *offset > INT64_MAX)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, NAME " makes the file too large", spec->name);
    if (!orthsr__is_utf8(spec->name)) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, NAME ": the name is not UTF-8", spec->name);
    json_t *shape = json_array();
    for (size_t i = 0; shape && i < spec->rank; i++) {
        if (json_array_append_new(shape, json_integer((json_int_t)spec->shape[i])) != 0) {
            json_decref(shape);
            shape = NULL;
        }
    }
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", spec->dtype_name, "shape", shape, "data_offsets", (json_int_t)begin, (json_int_t)*offset);
    if (json_object_set_new(header, spec->name, entry) != 0) return orthsr__fail_memory(error, "a safetensors header");
    return ORTHSR_OK;
}

orthsr_status orthsr__safetensors_write_header(orthsr__writer *writer, const orthsr__tensor_spec *specs, size_t count, const struct json_t *metadata,
                                               orthsr_error *error) {
    char *text = NULL, *padded = NULL;
    orthsr_status status = ORTHSR_OK;
    json_t *header = json_object();
    if (!header || (metadata && json_object_set_new(header, METADATA, json_deep_copy(metadata)) != 0)) {
        status = orthsr__fail_memory(error, "a safetensors header");
        goto done;
    }
    size_t offset = 0;
    for (size_t i = 0; i < count; i++)
        if ((status = add_entry(header, &specs[i], &offset, error))) goto done;

    text = orthsr__json_text(header, JSON_COMPACT);
    size_t used = text ? strlen(text) : 0, length = (8 + used + 63) / 64 * 64 - 8; /* the data begins at byte 8 + length of the file */
    padded = text ? malloc(8 + length) : NULL;
    if (!padded) {
        status = orthsr__fail_memory(error, "a safetensors header");
        goto done;
    }
    for (int i = 0; i < 8; i++) padded[i] = (char)(length >> 8 * i & 0xff);
    memcpy(padded + 8, text, used);
    memset(padded + 8 + used, ' ', length - used);
    status = orthsr__writer_write(writer, padded, 8 + length, error);
done:
    free(padded);
    free(text);
    json_decref(header);
    return status;
}
