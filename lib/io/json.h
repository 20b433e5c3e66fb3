/* json.h - reading small JSON files (configs, indexes) with jansson, errors in our form. */
#ifndef ORTHSR_IO_JSON_H
#define ORTHSR_IO_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include <orthsr/status.h>

/* text (size) as one JSON object, a new reference; another value gives what is none. NULL on failure: *starved when memory was short, else *where. */
json_t *orthsr__json_parse(const char *text, size_t size, size_t flags, json_error_t *where, bool *starved);

/* An object or array as text in fresh memory; NULL when memory is short. Not json_dumps, which may lose keys then. */
char *orthsr__json_text(const json_t *value, size_t flags);

/* The whole file as one JSON object; at most max_bytes. *out is a new reference (json_decref). Errors: IO, FORMAT (line and column named), MEMORY. */
orthsr_status orthsr__json_load(json_t **out, const char *path, size_t max_bytes, orthsr_error *error);

/* The same with every number as a real: transformers writes 10^30 for a length without limit, which no integer holds. */
orthsr_status orthsr__json_load_reals(json_t **out, const char *path, size_t max_bytes, orthsr_error *error);

enum { ORTHSR__CONFIG_LIMIT = 1 << 20 }; /* bytes of a config file; real ones are a few KB */

/* True, and *out set, when value is a JSON integer that a size_t holds. */
bool orthsr__json_as_size(size_t *out, const json_t *value);

/* Optional members with a type check. Absent or null: *out keeps its value. A wrong type or a negative/fractional size: FORMAT, naming path and key. */
orthsr_status orthsr__json_size(size_t *out, const json_t *object, const char *key, const char *path, orthsr_error *error);
orthsr_status orthsr__json_number(double *out, const json_t *object, const char *key, const char *path, orthsr_error *error);
orthsr_status orthsr__json_bool(bool *out, const json_t *object, const char *key, const char *path, orthsr_error *error);
orthsr_status orthsr__json_string(const char **out, const json_t *object, const char *key, const char *path, orthsr_error *error);

#endif
