/* json.h - what the tool prints for programs, and the values in it. */
#ifndef TESTS_UTIL_JSON_H
#define TESTS_UTIL_JSON_H

#include <jansson.h>

#include "util/tool.h"

/* Success with exactly one JSON object on stdout. The caller releases it. */
static inline json_t *expect_json(outcome o) {
    json_error_t where;
    ck_assert_msg(o.code == 0, "exit code %d: %s", o.code, o.err);
    json_t *object = json_loads(o.out, 0, &where);
    ck_assert_msg(object != NULL, "not one JSON object: %s: %.200s", where.text, o.out);
    ck_assert(json_is_object(object));
    return object;
}

static inline double number_in(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    ck_assert_msg(json_is_number(value), "no number '%s'", key);
    return json_number_value(value);
}

static inline const char *text_in(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    ck_assert_msg(value != NULL, "no text '%s'", key);
    return value;
}

#endif
