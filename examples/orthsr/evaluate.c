/* evaluate.c - `orthsr evaluate`: base, new and their harmonic mean, of the model or of each adapter. */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "inputs.h"
#include "protocol.h"
#include "report.h"

typedef struct evaluation_run {
    orthsr_model *model;
    orthsr_dataset *test;
    size_t count; /* rows of the result: adapters, or 1 for the model itself */
    tuned *adapters;
    scores *results;
} evaluation_run;

static orthsr_status open_all(evaluation_run *run, const settings *s, orthsr_error *error) {
    run->count = s->adapters.count > 0 ? s->adapters.count : 1;
    run->adapters = calloc(run->count, sizeof *run->adapters);
    run->results = calloc(run->count, sizeof *run->results);
    if (!run->adapters || !run->results) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu adapters", run->count);
    orthsr_status status = open_model(&run->model, s->model, s, error);
    for (size_t i = 0; i < s->adapters.count && status == ORTHSR_OK; i++) status = open_tuned(&run->adapters[i], s->adapters.items[i], run->model, error);
    if (status == ORTHSR_OK) status = open_test_images(&run->test, s, error);
    return status;
}

static const char *name_of(const settings *s, size_t i) { return s->adapters.count > 0 ? s->adapters.items[i] : "zero-shot"; }

static orthsr_status measure(evaluation_run *run, const settings *s, size_t i, orthsr_error *error) {
    size_t n_templates;
    const char *const *templates = templates_of(s, &n_templates);
    orthsr_session *session;
    orthsr_status status = open_session(&session, run->model, &run->adapters[i], s, error);
    if (status == ORTHSR_OK) status = measure_base_new(&run->results[i], session, run->test, templates, n_templates, name_of(s, i), error);
    orthsr_session_free(session);
    return status;
}

static json_t *run_json(const evaluation_run *run, const settings *s) {
    json_t *object = json_object(), *array = json_array();
    size_t classes = orthsr_dataset_class_count(run->test), base = base_class_count(run->test);
    put_text(object, "protocol", "base-new");
    put_scores(object, &run->results[0]);
    put_count(object, "base_classes", base);
    put_count(object, "new_classes", classes - base);
    put_count(object, "items", orthsr_dataset_count(run->test));
    for (size_t i = 0; i < run->count; i++) {
        json_t *row = json_object();
        put_text(row, "adapter", s->adapters.count > 0 ? s->adapters.items[i] : NULL);
        put_scores(row, &run->results[i]);
        json_array_append_new(array, row);
    }
    json_object_set_new(object, "results", array);
    return object;
}

static int report(const evaluation_run *run, const settings *s) {
    if (s->json) return report_print(s, run_json(run, s));
    print_scores_header(1);
    for (size_t i = 0; i < run->count; i++) print_scores(name_of(s, i), &run->results[i]);
    return EXIT_SUCCESS;
}

static void close_all(evaluation_run *run) {
    for (size_t i = 0; i < run->count && run->adapters; i++) free_tuned(&run->adapters[i]);
    free(run->adapters);
    free(run->results);
    orthsr_dataset_free(run->test);
    orthsr_model_free(run->model);
}

int command_evaluate(const settings *s) {
    orthsr_error error = {""};
    evaluation_run run = {0};
    orthsr_status status = open_all(&run, s, &error);
    for (size_t i = 0; i < run.count && status == ORTHSR_OK; i++) status = measure(&run, s, i, &error);
    int code = status == ORTHSR_OK ? report(&run, s) : give_up(s, &error);
    close_all(&run);
    return code;
}
