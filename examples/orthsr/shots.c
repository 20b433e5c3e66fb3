/* shots.c - drawing, selecting, and checking that train and test speak of the same classes. */
#include "shots.h"

#include <string.h>

#include "inputs.h"
#include "nearest.h"
#include "protocol.h"
#include "report.h"

static int has_class(const orthsr_dataset *dataset, const char *name) {
    for (size_t c = 0; c < orthsr_dataset_class_count(dataset); c++)
        if (strcmp(orthsr_dataset_class_name(dataset, c), name) == 0) return 1;
    return 0;
}

static const char *nearest_class(const orthsr_dataset *dataset, const char *name) {
    nearest n;
    nearest_begin(&n, name);
    for (size_t c = 0; c < orthsr_dataset_class_count(dataset); c++) nearest_offer(&n, orthsr_dataset_class_name(dataset, c));
    return nearest_found(&n);
}

/* Labels are positions in the list of classes, so the two lists must be the same. */
static orthsr_status check_classes(const orthsr_dataset *train, const orthsr_dataset *test, const char *directory, orthsr_error *error) {
    size_t n = orthsr_dataset_class_count(train), m = orthsr_dataset_class_count(test);
    for (size_t c = 0; c < n || c < m; c++) {
        const char *a = orthsr_dataset_class_name(train, c), *b = orthsr_dataset_class_name(test, c);
        if (a && b && strcmp(a, b) == 0) continue;
        int only_test = !a || (b && !has_class(train, b));
        const char *near = nearest_class(only_test ? train : test, only_test ? b : a);
        return failed(error, ORTHSR_ERROR_MISMATCH, "class '%s' is in the %s part of '%s' and absent from its %s part%s%s%s; give both the same classes",
                      only_test ? b : a, only_test ? "test" : "train", directory, only_test ? "train" : "test", near ? ", which has '" : "", near ? near : "",
                      near ? "'" : "");
    }
    return ORTHSR_OK;
}

/* D/train and D/test where they are; else the class folders of D, and what is not drawn of them is the test part. */
static orthsr_status open_parts(shots *out, const settings *s, const train_setup *setup, orthsr_error *error) {
    const char *directory = s->data;
    int split = orthsr_dataset_has_split(directory, "train");
    orthsr_dataset *rest = NULL;
    orthsr_status status = open_dataset(&out->pool, directory, split ? "train" : NULL, s, error);
    if (status == ORTHSR_OK && split && orthsr_dataset_has_split(directory, "test")) status = open_dataset(&out->test, directory, "test", s, error);
    if (status == ORTHSR_OK && out->test) status = check_classes(out->pool, out->test, directory, error);
    if (status == ORTHSR_OK) status = orthsr_dataset_draw(&out->drawn, split ? NULL : &rest, out->pool, setup->shots, setup->seed, error);
    if (rest && orthsr_dataset_count(rest) > 0) out->test = rest;
    else orthsr_dataset_free(rest);
    return status;
}

orthsr_status shots_open(shots *out, const settings *s, const train_setup *setup, orthsr_error *error) {
    *out = (shots){.unreadable = json_array()};
    orthsr_status status = open_parts(out, s, setup, error);
    if (status == ORTHSR_OK) status = leave_unreadable(&out->drawn, &out->whole_drawn, out->unreadable, s, error);
    if (status == ORTHSR_OK && out->test) status = leave_unreadable(&out->test, &out->whole_test, out->unreadable, s, error);
    if (status != ORTHSR_OK) return status;
    size_t classes = orthsr_dataset_class_count(out->drawn), base = base_class_count(out->drawn);
    if (classes < 2) return failed(error, ORTHSR_ERROR_ARGUMENT, "'%s' has %zu class; telling classes apart takes at least two", s->data, classes);
    size_t first = setup->classes == CLASSES_NEW ? base : 0, count = setup->classes == CLASSES_BASE ? base : classes - first;
    if (count < 2)
        return failed(error, ORTHSR_ERROR_ARGUMENT, "--classes leaves %zu of the %zu classes of '%s'; telling classes apart takes at least two", count, classes,
                      s->data);
    if (count == classes) return orthsr_dataset_draw(&out->train, NULL, out->drawn, 0, 0, error); /* all of a manifest stays in its file */
    return orthsr_dataset_select(&out->train, out->drawn, first, count, error);
}

void shots_close(shots *s) {
    orthsr_dataset_free(s->train);
    orthsr_dataset_free(s->drawn);
    orthsr_dataset_free(s->test);
    orthsr_dataset_free(s->whole_drawn);
    orthsr_dataset_free(s->whole_test);
    orthsr_dataset_free(s->pool);
    json_decref(s->unreadable);
}

json_t *short_classes(const shots *s, size_t wanted) {
    json_t *object = json_object();
    for (size_t c = 0; c < orthsr_dataset_class_count(s->train); c++) {
        json_t *name = report_text(orthsr_dataset_class_name(s->train, c));
        if (orthsr_dataset_class_size(s->train, c) < wanted) put_count(object, json_string_value(name), orthsr_dataset_class_size(s->train, c));
        json_decref(name);
    }
    return object;
}
