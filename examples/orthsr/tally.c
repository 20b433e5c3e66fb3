/* tally.c - counting answers. */
#include "tally.h"

#include <math.h>
#include <stdlib.h>

#include "report.h"

orthsr_status tally_add(tally *t, const orthsr_evaluation *evaluation, const orthsr_dataset *part, size_t first, orthsr_error *error) {
    size_t n = orthsr_dataset_count(part);
    answer *grown = realloc(t->answers, (t->count + n) * sizeof *grown);
    if (!grown) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu answers", t->count + n);
    t->answers = grown;
    for (size_t i = 0; i < n; i++)
        t->answers[t->count++] = (answer){(uint32_t)(first + orthsr_dataset_label(part, i)), (uint32_t)(first + orthsr_evaluation_prediction(evaluation, i))};
    return ORTHSR_OK;
}

void tally_free(tally *t) {
    free(t->answers);
    *t = (tally){NULL, 0};
}

static int compare(const void *a, const void *b) {
    const answer *x = a, *y = b;
    if (x->truth != y->truth) return x->truth < y->truth ? -1 : 1;
    return x->given < y->given ? -1 : x->given > y->given;
}

/* Sorts the answers: equal ones are neighbours then. */
static json_t *confusion_json(const tally *t) {
    if (t->count == 0) return json_null();
    json_t *array = json_array();
    qsort(t->answers, t->count, sizeof *t->answers, compare);
    for (size_t i = 0, n; i < t->count; i += n) {
        for (n = 1; i + n < t->count && compare(&t->answers[i], &t->answers[i + n]) == 0;) n++;
        json_array_append_new(array, json_pack("[I, I, I]", (json_int_t)t->answers[i].truth, (json_int_t)t->answers[i].given, (json_int_t)n));
    }
    return array;
}

static void put_accuracy(json_t *row, const char *key, const tally *t, const double *right, size_t label, size_t items) {
    put_number(row, key, t->count > 0 && items > 0 ? right[label] / (double)items : NAN);
}

static void count_right(double *right, const tally *t) {
    for (size_t i = 0; i < t->count; i++) right[t->answers[i].truth] += t->answers[i].truth == t->answers[i].given;
}

void put_tallies(json_t *object, const orthsr_dataset *test, const tally *before, const tally *after) {
    size_t classes = orthsr_dataset_class_count(test);
    json_t *rows = json_array(), *confusion = json_object();
    double *right = calloc(2 * classes, sizeof *right); /* (2, classes) */
    if (right) {
        count_right(right, before);
        count_right(right + classes, after);
    }
    for (size_t c = 0; right && c < classes; c++) {
        json_t *row = json_object();
        size_t items = orthsr_dataset_class_size(test, c);
        put_text(row, "class", orthsr_dataset_class_name(test, c));
        put_count(row, "items", items);
        put_accuracy(row, "zeroshot", before, right, c, items);
        put_accuracy(row, "tuned", after, right + classes, c, items);
        json_array_append_new(rows, row);
    }
    free(right);
    json_object_set_new(confusion, "zeroshot", confusion_json(before));
    json_object_set_new(confusion, "tuned", confusion_json(after));
    json_object_set_new(object, "per_class", rows);
    json_object_set_new(object, "confusion", confusion);
}
