/* json.c - JSON files and their members, with errors that say where. */
#include "io/json.h"

#include <stdint.h>

#include "base/fail.h"
#include "base/file.h"
#include "io/lfs.h"

static orthsr_status load(json_t **out, const char *path, size_t max_bytes, size_t flags, orthsr_error *error) {
    *out = NULL;
    orthsr__mapping mapping;
    ORTHSR__TRY(orthsr__read(&mapping, path, max_bytes, error));
    orthsr_status status = ORTHSR_OK;
    if (mapping.size == 0) {
        status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is empty; a JSON object was expected", path);
    } else if (!(status = orthsr__refuse_lfs_pointer(mapping.data, mapping.size, path, error))) {
        json_error_t where;
        bool starved;
        json_t *value = orthsr__json_parse((const char *)mapping.data, mapping.size, flags, &where, &starved);
        if (starved) {
            status = orthsr__fail_memory(error, path);
        } else if (!value) {
            status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s', line %d, column %d: %s", path, where.line, where.column, where.text);
        } else if (!json_is_object(value)) {
            status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is not an object in JSON", path);
            json_decref(value);
        } else {
            *out = value;
        }
    }
    orthsr__unmap(&mapping);
    return status;
}

orthsr_status orthsr__json_load(json_t **out, const char *path, size_t max_bytes, orthsr_error *error) { return load(out, path, max_bytes, 0, error); }

orthsr_status orthsr__json_load_reals(json_t **out, const char *path, size_t max_bytes, orthsr_error *error) {
    return load(out, path, max_bytes, JSON_DECODE_INT_AS_REAL, error);
}

bool orthsr__json_as_size(size_t *out, const json_t *value) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    json_int_t integer = json_integer_value(value);
    if ((json_int_t)(size_t)integer != integer) return false; /* where size_t is narrower */
    *out = (size_t)integer;
    return true;
}

/* The member, or NULL when it is absent or null. */
static const json_t *member(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static orthsr_status wrong_type(const char *path, const char *key, const char *expected, orthsr_error *error) {
    return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': \"%s\" must be %s", path, key, expected);
}

orthsr_status orthsr__json_size(size_t *out, const json_t *object, const char *key, const char *path, orthsr_error *error) {
    const json_t *value = member(object, key);
    if (value && !orthsr__json_as_size(out, value)) return wrong_type(path, key, "a non-negative integer", error);
    return ORTHSR_OK;
}

orthsr_status orthsr__json_number(double *out, const json_t *object, const char *key, const char *path, orthsr_error *error) {
    const json_t *value = member(object, key);
    if (!value) return ORTHSR_OK;
    if (!json_is_number(value)) return wrong_type(path, key, "a number", error);
    *out = json_number_value(value);
    return ORTHSR_OK;
}

orthsr_status orthsr__json_bool(bool *out, const json_t *object, const char *key, const char *path, orthsr_error *error) {
    const json_t *value = member(object, key);
    if (!value) return ORTHSR_OK;
    if (!json_is_boolean(value)) return wrong_type(path, key, "true or false", error);
    *out = json_is_true(value);
    return ORTHSR_OK;
}

orthsr_status orthsr__json_string(const char **out, const json_t *object, const char *key, const char *path, orthsr_error *error) {
    const json_t *value = member(object, key);
    if (!value) return ORTHSR_OK;
    if (!json_is_string(value)) return wrong_type(path, key, "a string", error);
    *out = json_string_value(value);
    return ORTHSR_OK;
}
