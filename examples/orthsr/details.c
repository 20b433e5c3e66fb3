/* details.c - one object of all that is known about a run. */
#include "details.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "report.h"
#include "rotation.h"

/* OpenBLAS's; another CBLAS does not have it. */
extern char *openblas_get_config(void) __attribute__((weak));

#ifdef __clang__
#define COMPILER __VERSION__ /* says who it is */
#else
#define COMPILER "gcc " __VERSION__
#endif

static json_t *versions_json(void) {
    json_t *object = json_object();
    struct utsname system;
    char text[512];
    put_text(object, "orthsr", orthsr_version_string());
    put_text(object, "blas", openblas_get_config ? openblas_get_config() : "CBLAS");
    put_text(object, "compiler", COMPILER);
    if (uname(&system) == 0) {
        snprintf(text, sizeof text, "%s %s, %s", system.sysname, system.release, system.machine);
        put_text(object, "system", text);
    }
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (processors > 0) put_count(object, "processors", (size_t)processors);
    return object;
}

static json_t *model_json(const orthsr_model *model) {
    json_t *object = json_object();
    put_text(object, "family", orthsr_model_family(model));
    put_text(object, "fingerprint", orthsr_model_fingerprint(model));
    put_count(object, "parameters", orthsr_model_parameter_count(model));
    put_count(object, "image_size", orthsr_model_image_size(model));
    put_count(object, "patch_size", orthsr_model_patch_size(model));
    put_count(object, "image_layers", orthsr_model_layers(model, "image"));
    put_count(object, "text_layers", orthsr_model_layers(model, "text"));
    return object;
}

static orthsr_status put(json_t *object, const char *key, json_t *value, orthsr_status status) {
    if (status == ORTHSR_OK) json_object_set_new(object, key, value);
    return status;
}

orthsr_status details_json(json_t **out, const details *d, orthsr_error *error) {
    json_t *object = json_object(), *part = NULL;
    orthsr_status status = ORTHSR_OK;
    *out = NULL;
    json_object_set_new(object, "versions", versions_json());
    json_object_set_new(object, "model", model_json(d->model));
    if (d->test) put_tallies(object, d->test, d->before, d->after);
    if (d->adapter) {
        status = rotations_json(&part, d->model, d->adapter, error);
        status = put(object, "rotations", part, status);
    }
    if (d->shots && status == ORTHSR_OK) {
        status = gallery_write(&part, d->model, d->shots, d->templates, d->n_templates, &d->cut, d->directory, error);
        status = put(object, "shots", part, status);
    }
    if (status == ORTHSR_OK) *out = object;
    else json_decref(object);
    return status;
}
