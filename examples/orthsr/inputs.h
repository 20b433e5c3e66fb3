/* inputs.h - what commands read: a model with perhaps an adapter, test images, texts. */
#ifndef INPUTS_H
#define INPUTS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include <orthsr/orthsr.h>

#include "options.h"

/* What --adapter names: an adapter, a learned prompt, or both in one directory; the other is NULL. */
typedef struct tuned {
    orthsr_adapter *adapter;
    orthsr_prompt *prompt;
} tuned;

/* Loads what there is at path. model: what it must fit, or NULL. Free in any case. */
orthsr_status load_tuned(tuned *out, const char *path, const orthsr_model *model, orthsr_error *error);

/* Loads both, and says so on stderr when one was trained on other weights than the model's. Free in any case. */
orthsr_status open_tuned(tuned *out, const char *path, const orthsr_model *model, orthsr_error *error);
void free_tuned(tuned *t);

/* All of --adapter, each on top of the model with those before it: (s->adapters.count). That another than the first was trained on other weights is no
 * news. Free in any case. */
orthsr_status open_stack(tuned **out, const orthsr_model *model, const settings *s, orthsr_error *error);
void free_stack(tuned *stack, size_t n);

/* A session on the model with a stack of n, --threads, and with the last learned prompt in it unless templates are given. */
orthsr_status open_session(orthsr_session **out, const orthsr_model *model, const tuned *stack, size_t n, const settings *s, orthsr_error *error);

/* Whether path is a learned prompt's file or a directory with one. */
int has_prompt(const char *path);

typedef struct inputs {
    orthsr_model *model;
    tuned *stack; /* (n_adapters) */
    size_t n_adapters;
    orthsr_session *session;
} inputs;

/* Opens s->model, every --adapter, and a session on them. Close in any case. */
orthsr_status inputs_open(inputs *in, const settings *s, orthsr_error *error);
void inputs_close(inputs *in);

/* Opens the model at path with --image-size, --interpolation and --no-map. */
orthsr_status open_model(orthsr_model **out, const char *path, const settings *s, orthsr_error *error);

/* "cayley", "free", ...: as the adapter's file says it. */
const char *parametrization_name(const orthsr_adapter *adapter);

/* Loads an adapter and says so on stderr when it was trained on other weights than the model's (NULL: any), and when a learned prompt beside it is left. */
orthsr_status open_adapter(orthsr_adapter **out, const char *path, const orthsr_model *model, orthsr_error *error);

/* A part of a dataset, or with split NULL the class folders in directory itself, with --max-pixels. */
orthsr_status open_dataset(orthsr_dataset **out, const char *directory, const char *split, const settings *s, orthsr_error *error);

/* The test part of directory if it has one, else the class folders in it. */
orthsr_status open_test_images(orthsr_dataset **out, const char *directory, const settings *s, orthsr_error *error);

/* Decodes every image of *io. Those that cannot be read are left out of it, told of on stderr and added to told, a JSON array of {"item", "reason"}; with
 * --strict the first of them is the error, and so is always a class that all images are gone of. *io is replaced by a view of what it was, which *all holds
 * from now on and must outlive it: release both, in any case; *all is NULL when nothing was left out. */
orthsr_status leave_unreadable(orthsr_dataset **io, orthsr_dataset **all, json_t *told, const settings *s, orthsr_error *error);

/* --template's, or the default one. */
const char *const *templates_of(const settings *s, size_t *count);

/* The lines of a file. A final newline begins no further line; a CR before a newline is no part of the line. */
typedef struct texts {
    char *bytes;
    size_t *starts, *lengths;
    size_t count;
} texts;

orthsr_status texts_read(texts *t, const char *path, orthsr_error *error);
void texts_free(texts *t);

/* Token ids (count, context_length) of the texts, padded as the model's family does; free them with free. */
orthsr_status texts_tokens(int32_t **out, const texts *t, const orthsr_model *model, orthsr_error *error);

#endif
