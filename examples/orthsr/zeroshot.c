/* zeroshot.c - `orthsr zeroshot`: accuracy of classifying images by the names of their classes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "inputs.h"
#include "output.h"
#include "protocol.h"
#include "report.h"

static orthsr_status write_predictions(const char *path, const orthsr_dataset *test, const orthsr_evaluation *evaluation, orthsr_error *error) {
    output_file f;
    orthsr_status status = output_open(&f, path, error);
    if (status != ORTHSR_OK) return status;
    fputs("item,class,prediction\n", f.stream);
    for (size_t i = 0; i < orthsr_dataset_count(test); i++) {
        char *name = item_name(test, i);
        output_field(f.stream, name ? name : "", ',');
        orthsr_free(name);
        output_field(f.stream, orthsr_dataset_class_name(test, orthsr_dataset_label(test, i)), ',');
        output_field(f.stream, orthsr_dataset_class_name(test, orthsr_evaluation_prediction(evaluation, i)), '\n');
    }
    return output_commit(&f, error);
}

/* A folder's name may be any bytes, a JSON key may not. */
static void put_class(json_t *object, const char *name, double accuracy) {
    json_t *key = report_text(name);
    put_number(object, json_string_value(key), accuracy);
    json_decref(key);
}

static json_t *result_json(const orthsr_dataset *test, const orthsr_evaluation *evaluation, json_t *unreadable) {
    json_t *object = json_object(), *per_class = json_object();
    put_number(object, "accuracy", orthsr_evaluation_accuracy(evaluation));
    put_count(object, "items", orthsr_dataset_count(test));
    put_count(object, "classes", orthsr_dataset_class_count(test));
    for (size_t c = 0; c < orthsr_dataset_class_count(test); c++)
        put_class(per_class, orthsr_dataset_class_name(test, c), orthsr_evaluation_class_accuracy(evaluation, c));
    json_object_set_new(object, "per_class", per_class);
    json_object_set(object, "unreadable", unreadable);
    return object;
}

static void print_result(const orthsr_dataset *test, const orthsr_evaluation *evaluation) {
    char name[1024];
    for (size_t c = 0; c < orthsr_dataset_class_count(test); c++)
        printf("%s %6zu images %8.2f %%\n", report_column(name, sizeof name, orthsr_dataset_class_name(test, c), 32), orthsr_dataset_class_size(test, c),
               100 * orthsr_evaluation_class_accuracy(evaluation, c));
    printf("%-32s %6zu images %8.2f %%\n", "accuracy", orthsr_dataset_count(test), 100 * orthsr_evaluation_accuracy(evaluation));
}

int command_zeroshot(const settings *s) {
    orthsr_error error = {""};
    inputs in = {0};
    orthsr_dataset *test = NULL, *all = NULL;
    json_t *unreadable = json_array();
    orthsr_evaluation *evaluation = NULL;
    scores total = {0};
    size_t n_templates;
    const char *const *templates = templates_of(s, &n_templates);
    int code = EXIT_SUCCESS;
    orthsr_status status = s->predictions ? output_check(s->predictions, &error) : ORTHSR_OK;
    if (status == ORTHSR_OK) status = inputs_open(&in, s, &error);
    if (status == ORTHSR_OK) status = open_test_images(&test, s->data, s, &error);
    if (status == ORTHSR_OK) status = leave_unreadable(&test, &all, unreadable, s, &error);
    if (status == ORTHSR_OK) say_single_class(test, s->data, 0);
    if (status == ORTHSR_OK) status = measure_all(&total, &evaluation, in.session, test, templates, n_templates, "classifying", &error);
    if (status == ORTHSR_OK && s->predictions) status = write_predictions(s->predictions, test, evaluation, &error);
    if (status != ORTHSR_OK) code = give_up(s, &error);
    else if (s->json) code = report_print(s, result_json(test, evaluation, unreadable));
    else print_result(test, evaluation);
    orthsr_evaluation_free(evaluation);
    orthsr_dataset_free(test);
    orthsr_dataset_free(all);
    json_decref(unreadable);
    scores_free(&total);
    inputs_close(&in);
    return code;
}
