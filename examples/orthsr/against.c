/* against.c - reading what other runs measured, and whether it compares. */
#include "against.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "page.h"
#include "report.h"

/* By the classes and the number of images of each: seeds may leave other images of a folder to test. */
static int has_same_test(const json_t *result, const orthsr_dataset *test) {
    const json_t *classes = json_object_get(result, "per_class");
    size_t n = orthsr_dataset_class_count(test);
    if (json_array_size(classes) != n) return 0;
    for (size_t c = 0; c < n; c++) {
        const json_t *row = json_array_get(classes, c), *items = json_object_get(row, "items");
        json_t *name = report_text(orthsr_dataset_class_name(test, c));
        int same = json_equal(json_object_get(row, "class"), name) && json_integer_value(items) == (json_int_t)orthsr_dataset_class_size(test, c);
        json_decref(name);
        if (!same) return 0;
    }
    return 1;
}

static orthsr_status check(const json_t *result, const char *run, const orthsr_model *model, const orthsr_dataset *test, int split, orthsr_error *error) {
    const json_t *tuned = json_object_get(result, "tuned");
    if (strcmp(string_of(result, "fingerprint"), orthsr_model_fingerprint(model)) != 0)
        return failed(error, ORTHSR_ERROR_MISMATCH,
                      "--against '%s' is of another model, and its scores do not compare; leave it out, or train it with this one", run);
    if (!test || !has_same_test(result, test))
        return failed(error, ORTHSR_ERROR_MISMATCH, "--against '%s' was measured on other test images, and its scores do not compare; leave it out", run);
    if (!isfinite(number_of(tuned, split ? "h" : "accuracy")))
        return failed(error, ORTHSR_ERROR_MISMATCH, "--against '%s' was not measured %s; train it with the same --classes", run,
                      split ? "base to new" : "among all classes");
    return ORTHSR_OK;
}

static json_t *method_json(const json_t *result, const char *run) {
    static const char *const keys[] = {"base", "new", "h", "accuracy"};
    char name[512];
    size_t end = strlen(run);
    while (end > 1 && run[end - 1] == '/') end--;
    size_t start = end;
    while (start > 0 && run[start - 1] != '/') start--;
    json_t *object = json_object();
    snprintf(name, sizeof name, "%s (%.*s)", page_method(result), (int)(end - start < 400 ? end - start : 400), run + start);
    put_text(object, "name", name);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        double value = number_of(json_object_get(result, "tuned"), keys[i]);
        if (isfinite(value)) put_number(object, keys[i], value);
    }
    return object;
}

orthsr_status against_read(json_t **out, const list *runs, const orthsr_model *model, const orthsr_dataset *test, int split, orthsr_error *error) {
    orthsr_status status = ORTHSR_OK;
    *out = json_array();
    for (size_t i = 0; i < runs->count && status == ORTHSR_OK; i++) {
        json_t *result;
        status = page_read_result(&result, runs->items[i], error);
        if (status == ORTHSR_OK) status = check(result, runs->items[i], model, test, split, error);
        if (status == ORTHSR_OK) json_array_append_new(*out, method_json(result, runs->items[i]));
        json_decref(result);
    }
    return status;
}

void against_print(const json_t *methods, int split) {
    size_t i;
    json_t *m;
    json_array_foreach(methods, i, m) {
        const scores s = {
            .split = split, .base = number_of(m, "base"), .novel = number_of(m, "new"), .h = number_of(m, "h"), .accuracy = number_of(m, "accuracy")};
        print_scores(string_of(m, "name"), &s);
    }
}
