/* test_safetensors.c - safetensors files: written and read back, and every lie a header can tell. JSON files as well. */
#include "util/check.h"

#include <jansson.h>
#include <stdint.h>

#include "base/file.h"
#include "base/half.h"
#include "io/json.h"
#include "io/safetensors.h"

static orthsr_error error;

/* A file of a given header and data, closed up; its path. */
static const char *write_raw(const char *header, size_t length, const void *data, size_t size) {
    const char *path = scratch_file("raw.safetensors");
    uint8_t prefix[8];
    for (int i = 0; i < 8; i++) prefix[i] = (uint8_t)((uint64_t)length >> 8 * i);
    orthsr__writer writer;
    ck_ok(orthsr__writer_open(&writer, path, &error));
    ck_ok(orthsr__writer_write(&writer, prefix, 8, &error));
    ck_ok(orthsr__writer_write(&writer, header, length, &error));
    ck_ok(orthsr__writer_write(&writer, data, size, &error));
    ck_ok(orthsr__writer_commit(&writer, &error));
    return path;
}

static const uint8_t ZEROS[256];

/* This header over size bytes of zeros must be refused with this text, and leave nothing behind. */
static void ck_refused(const char *header, size_t length, size_t size, const char *text) {
    const char *path = write_raw(header, length, ZEROS, size);
    orthsr__safetensors file;
    ck_fails(orthsr__safetensors_open(&file, path, &error), ORTHSR_ERROR_FORMAT, text);
    ck_assert_msg(strstr(error.message, path) != NULL, "'%s' does not name the file", error.message);
    ck_assert(!file.path && !file.tensors && !file.by_name && !file.header && !file.mapping.data && !file.count);
    orthsr__safetensors_close(&file);
}

/* ---- round trips ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    orthsr__dtype dtype;
    size_t size;
} DTYPES[] = {{"F32", ORTHSR__F32, 4},   {"F16", ORTHSR__F16, 2},
              {"BF16", ORTHSR__BF16, 2}, {"F64", ORTHSR__F64, 8},
              {"I64", ORTHSR__I64, 8},   {"I32", ORTHSR__I32, 4},
              {"I16", ORTHSR__I16, 2},   {"I8", ORTHSR__I8, 1},
              {"U64", ORTHSR__U64, 8},   {"U32", ORTHSR__U32, 4},
              {"U16", ORTHSR__U16, 2},   {"U8", ORTHSR__U8, 1},
              {"BOOL", ORTHSR__BOOL, 1}, {"F8_E4M3", ORTHSR__OTHER_DTYPE, 0}};
enum { N_DTYPES = sizeof DTYPES / sizeof *DTYPES };

START_TEST(every_dtype_returns) {
    static const size_t shape[] = {3, 1, 5};
    orthsr__tensor_spec specs[N_DTYPES];
    uint8_t bytes[N_DTYPES][15 * 8];
    char names[N_DTYPES][16];
    orthsr__writer writer;
    const char *path = scratch_file("dtypes.safetensors");
    ck_ok(orthsr__writer_open(&writer, path, &error));
    for (size_t i = 0; i < N_DTYPES; i++) {
        snprintf(names[i], sizeof names[i], "%zu.tensor", (i * 5) % N_DTYPES); /* not in the order of names */
        specs[i] = (orthsr__tensor_spec){names[i], DTYPES[i].name, 3, shape, 15 * (DTYPES[i].size ? DTYPES[i].size : 1)};
        for (size_t j = 0; j < specs[i].bytes; j++) bytes[i][j] = (uint8_t)(i * 37 + j);
    }
    json_t *metadata = json_pack("{s:s, s:s}", "format", "pt", "note", "\xc3\xa9 \"quoted\"");
    ck_ok(orthsr__safetensors_write_header(&writer, specs, N_DTYPES, metadata, &error));
    ck_assert_uint_eq(writer.written % 64, 0);
    for (size_t i = 0; i < N_DTYPES; i++) ck_ok(orthsr__writer_write(&writer, bytes[i], specs[i].bytes, &error));
    ck_ok(orthsr__writer_commit(&writer, &error));
    json_decref(metadata);

    orthsr__safetensors file;
    ck_ok(orthsr__safetensors_open(&file, path, &error));
    ck_assert_uint_eq(file.count, N_DTYPES);
    ck_assert_str_eq(orthsr__safetensors_metadata(&file, "format"), "pt");
    ck_assert_str_eq(orthsr__safetensors_metadata(&file, "note"), "\xc3\xa9 \"quoted\"");
    ck_assert_ptr_null(orthsr__safetensors_metadata(&file, "absent"));
    ck_assert_uint_eq((uintptr_t)file.tensors[0].data % 64, 0);
    for (size_t i = 0; i < N_DTYPES; i++) {
        const orthsr__tensor *tensor = orthsr__safetensors_find(&file, names[i]);
        ck_assert_ptr_eq(tensor, &file.tensors[i]); /* file order */
        ck_assert_str_eq(tensor->name, names[i]);
        ck_assert_str_eq(tensor->dtype_name, DTYPES[i].name);
        ck_assert_int_eq(tensor->dtype, DTYPES[i].dtype);
        ck_assert_uint_eq(orthsr__dtype_size(tensor->dtype), DTYPES[i].size);
        ck_assert_uint_eq(tensor->rank, 3);
        ck_assert_mem_eq(tensor->shape, shape, sizeof shape);
        ck_assert_uint_eq(tensor->elements, 15);
        ck_assert_uint_eq(tensor->bytes, specs[i].bytes);
        ck_assert_mem_eq(tensor->data, bytes[i], specs[i].bytes);
    }
    ck_assert_ptr_null(orthsr__safetensors_find(&file, "0.tenso"));
    ck_assert_ptr_null(orthsr__safetensors_find(&file, ""));
    orthsr__safetensors_close(&file);
    ck_assert_ptr_null(orthsr__safetensors_find(&file, "0.tensor"));
}
END_TEST

START_TEST(scalars_and_empty_tensors) {
    static const size_t none[] = {4, 0};
    const float value = 2.5f;
    const orthsr__tensor_spec specs[] = {{"zero", "F16", 2, none, 0}, {"scalar", "F32", 0, NULL, 4}, {"after", "I64", 2, none, 0}};
    orthsr__writer writer;
    const char *path = scratch_file("scalar.safetensors");
    ck_ok(orthsr__writer_open(&writer, path, &error));
    ck_ok(orthsr__safetensors_write_header(&writer, specs, 3, NULL, &error));
    ck_ok(orthsr__writer_write(&writer, &value, 4, &error));
    ck_ok(orthsr__writer_commit(&writer, &error));
    orthsr__safetensors file;
    ck_ok(orthsr__safetensors_open(&file, path, &error));
    for (size_t i = 0; i < 3; i++) ck_assert_str_eq(file.tensors[i].name, specs[i].name);
    ck_assert_ptr_null(file.tensors[0].data);
    ck_assert_ptr_null(file.tensors[2].data);
    ck_assert_uint_eq(file.tensors[1].elements, 1);
    ck_assert_ptr_null(orthsr__safetensors_metadata(&file, "format"));
    real out = 0;
    ck_ok(orthsr__tensor_to_real(&out, &file.tensors[1], path, &error));
    ck_ok(orthsr__tensor_to_real(&out, &file.tensors[0], path, &error));
    ck_close(out, 2.5, 0);
    ck_fails(orthsr__tensor_to_real(&out, &file.tensors[2], path, &error), ORTHSR_ERROR_UNSUPPORTED, "'after' has dtype I64");
    orthsr__safetensors_close(&file);
}
END_TEST

START_TEST(file_without_tensors) {
    orthsr__safetensors file;
    ck_ok(orthsr__safetensors_open(&file, write_raw("{}      ", 8, NULL, 0), &error));
    ck_assert_uint_eq(file.count, 0);
    ck_assert_ptr_null(orthsr__safetensors_find(&file, "x"));
    orthsr__safetensors_close(&file);
}
END_TEST

/* Many values of each floating type, at an odd address; enough that loops run over whole vectors and a remainder. */
START_TEST(conversions_are_exact) {
    enum { N = 65536 + 7 };
    uint8_t *bytes = malloc(8 * N + 1);
    real *out = malloc(N * sizeof *out);
    orthsr__tensor tensor = {.name = "x", .dtype_name = "", .rank = 1, .shape = {N}, .elements = N, .data = bytes + 1};
    const orthsr__dtype dtypes[] = {ORTHSR__F16, ORTHSR__BF16, ORTHSR__F32, ORTHSR__F64};
    tensor.dtype = dtypes[_i];
    for (size_t i = 0; i < N; i++) {
        uint16_t half = (uint16_t)i;
        float single = 1.0f / (float)(i + 1);
        double wide = 1.0 / (double)(i + 1);
        if (_i < 2) memcpy(bytes + 1 + 2 * i, &half, 2);
        else if (_i == 2) memcpy(bytes + 1 + 4 * i, &single, 4);
        else memcpy(bytes + 1 + 8 * i, &wide, 8);
    }
    ck_ok(orthsr__tensor_to_real(out, &tensor, "x", &error));
    for (size_t i = 0; i < N; i++) {
        uint16_t half = (uint16_t)i;
        real expected = _i == 0 ? orthsr__from_f16(half) : _i == 1 ? orthsr__from_bf16(half) : _i == 2 ? 1.0f / (float)(i + 1) : (real)(1.0 / (double)(i + 1));
        ck_assert_msg(out[i] == expected || (isnan(out[i]) && isnan(expected)), "element %zu is %g, not %g", i, (double)out[i], (double)expected);
    }
    free(out);
    free(bytes);
}
END_TEST

START_TEST(writer_refuses_what_could_not_be_read) {
    static const size_t shape[] = {1};
    const orthsr__tensor_spec twice[] = {{"a", "U8", 1, shape, 1}, {"a", "U8", 1, shape, 1}};
    const orthsr__tensor_spec reserved[] = {{"__metadata__", "U8", 1, shape, 1}};
    const orthsr__tensor_spec large[] = {{"a", "U8", 1, shape, SIZE_MAX}, {"b", "U8", 1, shape, 1}};
    const orthsr__tensor_spec latin[] = {{"caf\xe9", "U8", 1, shape, 1}};
    orthsr__writer writer;
    json_t *metadata = json_object();
    ck_ok(orthsr__writer_open(&writer, scratch_file("refused"), &error));
    ck_fails(orthsr__safetensors_write_header(&writer, twice, 2, NULL, &error), ORTHSR_ERROR_ARGUMENT, "'a'");
    ck_fails(orthsr__safetensors_write_header(&writer, reserved, 1, metadata, &error), ORTHSR_ERROR_ARGUMENT, "__metadata__");
    ck_fails(orthsr__safetensors_write_header(&writer, reserved, 1, NULL, &error), ORTHSR_ERROR_ARGUMENT, "__metadata__");
    ck_fails(orthsr__safetensors_write_header(&writer, large, 1, NULL, &error), ORTHSR_ERROR_ARGUMENT, "too large");
    ck_fails(orthsr__safetensors_write_header(&writer, large, 2, NULL, &error), ORTHSR_ERROR_ARGUMENT, "too large");
    ck_fails(orthsr__safetensors_write_header(&writer, latin, 1, NULL, &error), ORTHSR_ERROR_ARGUMENT, "UTF-8");
    ck_assert_uint_eq(writer.written, 0);
    orthsr__writer_discard(&writer);
    json_decref(metadata);
}
END_TEST

/* ---- hostile files -------------------------------------------------------------------------------------------------- */

START_TEST(every_truncation_is_refused) {
    static const char header[] = "{\"__metadata__\":{\"a\":\"b\"},\"x\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
                                 "\"y\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[8,11]}}";
    const char *whole = write_raw(header, sizeof header - 1, ZEROS, 11);
    orthsr__safetensors file;
    ck_ok(orthsr__safetensors_open(&file, whole, &error));
    orthsr__safetensors_close(&file);
    orthsr__mapping mapping;
    ck_ok(orthsr__map(&mapping, whole, &error));
    const char *path = scratch_file("cut.safetensors");
    for (size_t length = 0; length < mapping.size; length++) {
        FILE *cut = fopen(path, "wb");
        ck_assert_ptr_nonnull(cut);
        ck_assert_uint_eq(fwrite(mapping.data, 1, length, cut), length);
        ck_assert_int_eq(fclose(cut), 0);
        ck_fails(orthsr__safetensors_open(&file, path, &error), ORTHSR_ERROR_FORMAT, "cut.safetensors");
    }
    orthsr__unmap(&mapping);
}
END_TEST

/* Every header one byte away from a valid one: no crash, no leak, and when it opens, what it says fits the file. */
START_TEST(every_changed_byte_is_survived) {
    char header[] = "{\"x\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},\"y\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[8,11]}}";
    static const char changes[] = {0, '0', '9', '"', '}', ']', '-', '\\', 'x', (char)0xff};
    for (size_t i = 0; i < sizeof header - 1; i++) {
        char original = header[i];
        header[i] = changes[((size_t)_i + i) % sizeof changes];
        orthsr__safetensors file;
        if (orthsr__safetensors_open(&file, write_raw(header, sizeof header - 1, ZEROS, 11), &error) == ORTHSR_OK) {
            size_t total = 0;
            for (size_t t = 0; t < file.count; t++) total += file.tensors[t].bytes;
            ck_assert_uint_eq(total, 11);
        }
        orthsr__safetensors_close(&file);
        header[i] = original;
    }
}
END_TEST

#define F32(name, shape, begin, end) "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"
static const struct {
    const char *header;
    size_t size;
    const char *text;
} LIES[] = {
    {"{" F32("a", "[2]", "0", "8") "," F32("b", "[2]", "4", "12") "}", 12, "'b' begins at byte 4 of the data, inside"},
    {"{" F32("a", "[2]", "0", "8") "," F32("b", "[2]", "0", "8") "}", 8, "inside"},
    {"{" F32("a", "[2]", "0", "8") "," F32("b", "[0]", "4", "4") "}", 8, "inside"}, /* empty, but within another */
    {"{" F32("a", "[2]", "0", "8") "," F32("b", "[1]", "12", "16") "}", 16, "'b' begins at byte 12 of the data, after a gap that starts at 8"},
    {"{" F32("a", "[1]", "4", "8") "}", 8, "gap"},
    {"{" F32("a", "[1]", "0", "4") "}", 5, "1 bytes follow"},
    {"{}", 3, "3 bytes follow"},
    {"{" F32("a", "[2]", "0", "8") "}", 7, "is the file complete?"},
    {"{" F32("a", "[2]", "0", "18446744073709551616") "}", 8, "not valid JSON"},
    {"{" F32("a", "[2]", "0", "9223372036854775807") "}", 8, "data_offsets"},
    {"{" F32("a", "[2]", "8", "0") "}", 8, "data_offsets"},
    {"{" F32("a", "[2]", "-8", "0") "}", 8, "data_offsets"},
    {"{" F32("a", "[2]", "0.0", "8") "}", 8, "data_offsets"},
    {"{" F32("a", "[2]", "0", "8,8") "}", 8, "data_offsets"},
    {"{" F32("a", "[2]", "\"0\"", "8") "}", 8, "data_offsets"},
    {"{" F32("a", "[3]", "0", "8") "}", 8, "8 bytes do not hold 3 elements of F32"},
    {"{" F32("a", "[0]", "0", "8") "}", 8, "8 bytes do not hold 0 elements"},
    {"{" F32("a", "[]", "0", "8") "}", 8, "8 bytes do not hold 1 elements"},
    {"{" F32("a", "[4611686018427387906]", "0", "8") "}", 8, "do not hold"}, /* times 4 is 8, modulo 2^64 */
    {"{" F32("a", "[4294967296,4294967296]", "0", "0") "}", 0, "too large"},
    {"{" F32("a", "[4294967296,4294967296,0]", "0", "0") "}", 0, "too large"},
    {"{" F32("a", "[-1,-2]", "0", "8") "}", 8, "extent 0"},
    {"{" F32("a", "[1,2.0]", "0", "8") "}", 8, "extent 1"},
    {"{" F32("a", "[true,2]", "0", "8") "}", 8, "extent 0"},
    {"{" F32("a", "[1,1,1,1,1,1,1,1,2]", "0", "8") "}", 8, "9 dimensions"},
    {"{" F32("a", "2", "0", "8") "}", 8, "needs a dtype"},
    {"{" F32("a", "[1]", "0", "4") "," F32("a", "[1]", "4", "8") "}", 8, "duplicate"},
    {"{" F32("a", "[1]", "0", "4") "," F32("\\u0061", "[1]", "4", "8") "}", 8, "duplicate"},
    {"{" F32("\\u0000", "[1]", "0", "4") "}", 4, "not valid JSON"},
    {"{\"a\":{\"dtype\":\"I8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "duplicate"},
    {"{\"a\":{\"dtype\":\"QUANTUM\",\"shape\":[0],\"data_offsets\":[0,1]}}", 1, "1 bytes do not hold 0 elements of QUANTUM"},
    {"{\"a\":{\"dtype\":\"QUANTUM\",\"shape\":[1],\"data_offsets\":[0,0]}}", 0, "QUANTUM"},
    {"{\"a\":{\"dtype\":\"QUANTUM\",\"shape\":[1],\"data_offsets\":[0,17]}}", 17, "17 bytes do not hold 1 elements of QUANTUM"}, /* 16 at most */
    {"{\"a\":{\"dtype\":\"QUANTUM\",\"shape\":[9],\"data_offsets\":[0,1]}}", 1, "1 bytes do not hold 9 elements of QUANTUM"},    /* a bit at least */
    {"{\"a\":{\"dtype\":\"QUANTUM\",\"shape\":[4294967296,1073741824],\"data_offsets\":[0,1]}}", 1, "1 bytes do not hold"},
    {"{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "needs a dtype"},
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "needs a dtype"},
    {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "needs a dtype"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "needs a dtype"},
    {"{\"a\":[0,1]}", 1, "needs a dtype"},
    {"{\"a\":null}", 1, "needs a dtype"},
    {"{\"__metadata__\":{\"epoch\":3}}", 0, "__metadata__"},
    {"{\"__metadata__\":\"text\"}", 0, "__metadata__"},
    {"{\"__metadata__\":null}", 0, "__metadata__"},
    {"{\"caf\xe9\":1}", 0, "not valid JSON"},
    {"{\"a\":1", 0, "not valid JSON"},
    {"{} {}", 0, "not valid JSON"},
    {"[]", 0, "must begin with '{'"},
    {" {}", 0, "must begin with '{'"},
    {"", 0, "must begin with '{'"},
    {"3", 0, "must begin with '{'"},
};

START_TEST(lying_headers_are_refused) { ck_refused(LIES[_i].header, strlen(LIES[_i].header), LIES[_i].size, LIES[_i].text); }
END_TEST

START_TEST(impossible_lengths_are_refused) {
    static const uint64_t lengths[] = {3, ((uint64_t)16 << 20) + 1, UINT64_C(5) << 30, UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63};
    const char *path = scratch_file("length.safetensors");
    orthsr__safetensors file;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char bytes[10] = {0, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
        memcpy(bytes, &lengths[i], 8);
        ck_ok(orthsr__write_file(path, bytes, sizeof bytes, &error));
        ck_fails(orthsr__safetensors_open(&file, path, &error), ORTHSR_ERROR_FORMAT, "claim a header of");
    }
    ck_ok(orthsr__write_file(path, "version https://git-lfs.github.com/spec/v1\n", 43, &error));
    ck_fails(orthsr__safetensors_open(&file, path, &error), ORTHSR_ERROR_FORMAT, "is a Git LFS pointer");
}
END_TEST

/* A header above the limit, with the file really as long (sparse). */
START_TEST(huge_header_is_not_parsed) {
    const char *path = scratch_file("huge.safetensors");
    const uint64_t length = ((uint64_t)16 << 20) + 1;
    ck_ok(orthsr__write_file(path, &length, 8, &error));
    ck_assert_int_eq(truncate(path, 8 + (off_t)length), 0);
    orthsr__safetensors file;
    ck_fails(orthsr__safetensors_open(&file, path, &error), ORTHSR_ERROR_FORMAT, "a header at most 16777216");
}
END_TEST

START_TEST(deep_headers_are_refused) {
    enum { DEPTH = 100000 };
    char *header = malloc(2 * DEPTH + 16);
    strcpy(header, "{\"a\":");
    memset(header + 5, '[', DEPTH);
    memset(header + 5 + DEPTH, ']', DEPTH);
    strcpy(header + 5 + 2 * DEPTH, "}");
    ck_refused(header, strlen(header), 0, "depth");
    free(header);
}
END_TEST

START_TEST(long_names_leave_room_for_the_reason) {
    enum { LENGTH = 5000 };
    char *header = malloc(LENGTH + 200);
    strcpy(header, "{\"");
    memset(header + 2, 'n', LENGTH);
    strcpy(header + 2 + LENGTH, "\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,2]}}");
    ck_refused(header, strlen(header), 2, "2 bytes do not hold 3 elements of U8");
    free(header);
}
END_TEST

START_TEST(a_zero_byte_in_the_header_is_refused) {
    ck_refused("{\"a\0\":{}}", 9, 0, "not valid JSON, byte 3: a zero byte");
    ck_refused("{\"a\":[5\0]}", 10, 0, "not valid JSON, byte 7: a zero byte");
}
END_TEST

START_TEST(what_is_no_file_is_refused) {
    orthsr__safetensors file;
    const char *path = scratch_file("empty.safetensors");
    ck_ok(orthsr__write_file(path, "", 0, &error));
    ck_fails(orthsr__safetensors_open(&file, path, &error), ORTHSR_ERROR_FORMAT, "it has 0 bytes");
    ck_fails(orthsr__safetensors_open(&file, scratch_directory(), &error), ORTHSR_ERROR_IO, "not a regular file");
    ck_fails(orthsr__safetensors_open(&file, scratch_file("absent"), &error), ORTHSR_ERROR_IO, "absent");
    ck_assert_int_eq(orthsr__safetensors_open(&file, path, NULL), ORTHSR_ERROR_FORMAT);
}
END_TEST

/* ---- JSON files ----------------------------------------------------------------------------------------------------- */

static const char *json_file(const char *text) {
    const char *path = scratch_file("config.json");
    ck_ok(orthsr__write_file(path, text, strlen(text), &error));
    return path;
}

START_TEST(json_members_are_typed) {
    const char *path = json_file("{\"n\": 7, \"x\": 0.5, \"yes\": true, \"name\": \"clip\", \"nothing\": null, \"minus\": -1, \"part\": 7.0}");
    json_t *object;
    ck_ok(orthsr__json_load(&object, path, 1000, &error));
    size_t n = 1;
    double x = 1;
    bool yes = false;
    const char *name = NULL;
    ck_ok(orthsr__json_size(&n, object, "absent", path, &error));
    ck_ok(orthsr__json_size(&n, object, "nothing", path, &error));
    ck_assert_uint_eq(n, 1);
    ck_ok(orthsr__json_size(&n, object, "n", path, &error));
    ck_assert_uint_eq(n, 7);
    ck_ok(orthsr__json_number(&x, object, "x", path, &error));
    ck_close(x, 0.5, 0);
    ck_ok(orthsr__json_number(&x, object, "minus", path, &error));
    ck_close(x, -1, 0);
    ck_ok(orthsr__json_bool(&yes, object, "yes", path, &error));
    ck_assert(yes);
    ck_ok(orthsr__json_string(&name, object, "name", path, &error));
    ck_assert_str_eq(name, "clip");
    ck_fails(orthsr__json_size(&n, object, "minus", path, &error), ORTHSR_ERROR_FORMAT, "\"minus\" must be a non-negative integer");
    ck_fails(orthsr__json_size(&n, object, "part", path, &error), ORTHSR_ERROR_FORMAT, "part");
    ck_fails(orthsr__json_size(&n, object, "name", path, &error), ORTHSR_ERROR_FORMAT, "config.json");
    ck_fails(orthsr__json_number(&x, object, "yes", path, &error), ORTHSR_ERROR_FORMAT, "a number");
    ck_fails(orthsr__json_bool(&yes, object, "n", path, &error), ORTHSR_ERROR_FORMAT, "true or false");
    ck_fails(orthsr__json_string(&name, object, "n", path, &error), ORTHSR_ERROR_FORMAT, "a string");
    ck_assert_uint_eq(n, 7);
    json_decref(object);
}
END_TEST

START_TEST(bad_json_files_are_refused) {
    json_t *object;
    ck_fails(orthsr__json_load(&object, json_file("{\"a\": 1,\n \"b\": }"), 1000, &error), ORTHSR_ERROR_FORMAT, "line 2");
    ck_assert_ptr_null(object);
    ck_fails(orthsr__json_load(&object, json_file("[1]"), 1000, &error), ORTHSR_ERROR_FORMAT, "not an object");
    ck_fails(orthsr__json_load(&object, json_file("1"), 1000, &error), ORTHSR_ERROR_FORMAT, "not an object");
    ck_fails(orthsr__json_load(&object, json_file(""), 1000, &error), ORTHSR_ERROR_FORMAT, "is empty");
    ck_fails(orthsr__json_load(&object, json_file("{\"a\":1,\"a\":2}"), 1000, &error), ORTHSR_ERROR_FORMAT, "duplicate");
    ck_fails(orthsr__json_load(&object, json_file("{\"a\": 1e999}"), 1000, &error), ORTHSR_ERROR_FORMAT, "overflow");
    ck_fails(orthsr__json_load(&object, json_file("{\"a\": 1}"), 7, &error), ORTHSR_ERROR_FORMAT, "8 bytes");
    ck_fails(orthsr__json_load(&object, scratch_file("absent.json"), 7, &error), ORTHSR_ERROR_IO, "absent.json");
    ck_fails(orthsr__json_load(&object, scratch_directory(), 7, &error), ORTHSR_ERROR_IO, "not a regular file");
}
END_TEST

static TCase *round_trip_case(void) {
    TCase *tcase = tcase_create("round trip");
    tcase_add_test(tcase, every_dtype_returns);
    tcase_add_test(tcase, scalars_and_empty_tensors);
    tcase_add_test(tcase, file_without_tensors);
    tcase_add_loop_test(tcase, conversions_are_exact, 0, 4);
    tcase_add_test(tcase, writer_refuses_what_could_not_be_read);
    return tcase;
}

static TCase *hostile_case(void) {
    TCase *tcase = tcase_create("hostile");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, every_truncation_is_refused);
    tcase_add_loop_test(tcase, every_changed_byte_is_survived, 0, 10);
    tcase_add_loop_test(tcase, lying_headers_are_refused, 0, sizeof LIES / sizeof *LIES);
    tcase_add_test(tcase, impossible_lengths_are_refused);
    tcase_add_test(tcase, huge_header_is_not_parsed);
    tcase_add_test(tcase, deep_headers_are_refused);
    tcase_add_test(tcase, long_names_leave_room_for_the_reason);
    tcase_add_test(tcase, a_zero_byte_in_the_header_is_refused);
    tcase_add_test(tcase, what_is_no_file_is_refused);
    return tcase;
}

static TCase *json_case(void) {
    TCase *tcase = tcase_create("json");
    tcase_add_test(tcase, json_members_are_typed);
    tcase_add_test(tcase, bad_json_files_are_refused);
    return tcase;
}

TEST_MAIN("safetensors", round_trip_case, hostile_case, json_case)
