/* evaluate.c - `orthsr evaluate`: the protocols of the papers, for the model itself or for each adapter, in one table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "details.h"
#include "inputs.h"
#include "output.h"
#include "page.h"
#include "protocol.h"
#include "report.h"
#include "table.h"
#include "terminal.h"
#include "train_setup.h"

typedef struct evaluation_run {
    const settings *settings;
    enum protocols protocol;
    orthsr_model *model;
    size_t n_adapters;               /* may be 0: the model itself */
    tuned *adapters;                 /* one, of nothing, for the model itself */
    size_t n_tests;                  /* the source, when there is one, then the targets */
    orthsr_dataset **tests, **whole; /* whole: with what cannot be read; NULL where all can */
    json_t *unreadable;
    scores before, after; /* with --out, of the first test: of the model itself, of the first adapter */
    double *frozen;       /* (columns of the table) with --out and adapters, of the model itself */
    json_t *details;      /* members of result.json */
    double started;       /* terminal_seconds */
    int made_directory;
    table table;
} evaluation_run;

/* ---- opening ---- */

static const char *test_path(const settings *s, size_t i) {
    if (!s->source) return s->datasets.items[i];
    return i == 0 ? s->source : s->datasets.items[i - 1];
}

static orthsr_status open_tests(evaluation_run *run, orthsr_error *error) {
    const settings *s = run->settings;
    orthsr_status status = ORTHSR_OK;
    run->tests = calloc(s->datasets.count + 1, sizeof *run->tests);
    run->whole = calloc(s->datasets.count + 1, sizeof *run->whole);
    if (!run->tests || !run->whole) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu data sets", s->datasets.count);
    run->n_tests = s->datasets.count + (s->source != NULL);
    for (size_t i = 0; i < run->n_tests && status == ORTHSR_OK; i++) {
        status = open_test_images(&run->tests[i], test_path(s, i), s, error);
        if (status == ORTHSR_OK) status = leave_unreadable(&run->tests[i], &run->whole[i], run->unreadable, s, error);
        if (status == ORTHSR_OK) say_single_class(run->tests[i], test_path(s, i), run->protocol == PROTOCOL_BASE_NEW);
    }
    return status;
}

static orthsr_status open_adapters(evaluation_run *run, orthsr_error *error) {
    const list *paths = &run->settings->adapters;
    orthsr_status status = ORTHSR_OK;
    run->adapters = calloc(paths->count + 1, sizeof *run->adapters);
    if (!run->adapters) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu adapters", paths->count);
    run->n_adapters = paths->count;
    for (size_t i = 0; i < paths->count && status == ORTHSR_OK; i++) status = open_tuned(&run->adapters[i], paths->items[i], run->model, error);
    return status;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Domain generalisation: other images of the source's classes, or of some of them. */
static orthsr_status check_domain(const evaluation_run *run, size_t target, orthsr_error *error) {
    const orthsr_dataset *source = run->tests[0], *test = run->tests[target];
    size_t n = orthsr_dataset_class_count(source);
    const char **names = malloc(n * sizeof *names);
    if (!names) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for class names");
    for (size_t c = 0; c < n; c++) names[c] = orthsr_dataset_class_name(source, c);
    qsort(names, n, sizeof *names, compare_names);
    orthsr_status status = ORTHSR_OK;
    for (size_t c = 0; c < orthsr_dataset_class_count(test) && status == ORTHSR_OK; c++) {
        const char *name = orthsr_dataset_class_name(test, c);
        if (!bsearch(&name, names, n, sizeof *names, compare_names))
            status =
                failed(error, ORTHSR_ERROR_MISMATCH, "class '%s' of '%s' is none of '%s': domain takes other images of the same classes, cross other classes",
                       name, test_path(run->settings, target), run->settings->source);
    }
    free(names);
    return status;
}

/* The last part of the path. */
static orthsr_status set_test_column(evaluation_run *run, size_t c, orthsr_error *error) {
    const char *path = test_path(run->settings, c);
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') start--;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(end - start), path + start);
    int is_source = c == 0 && run->settings->source != NULL;
    return table_set_column(&run->table, c, name, orthsr_dataset_count(run->tests[c]), !is_source, error);
}

static size_t count_first_classes(const orthsr_dataset *test, size_t classes) {
    size_t n = 0;
    for (size_t c = 0; c < classes; c++) n += orthsr_dataset_class_size(test, c);
    return n;
}

static orthsr_status make_table(evaluation_run *run, orthsr_error *error) {
    const settings *s = run->settings;
    size_t n_rows = run->n_adapters > 0 ? run->n_adapters : 1, items = orthsr_dataset_count(run->tests[0]);
    int split = run->protocol == PROTOCOL_BASE_NEW;
    orthsr_status status = table_new(&run->table,
                                     split                           ? SUMMARY_H
                                     : run->protocol == PROTOCOL_ALL ? SUMMARY_NONE
                                                                     : SUMMARY_AVERAGE,
                                     n_rows, split ? 2 : run->n_tests, error);
    if (status != ORTHSR_OK) return status;
    for (size_t i = 0; i < n_rows; i++) run->table.names[i] = run->n_adapters > 0 ? s->adapters.items[i] : "zero-shot";
    if (run->protocol == PROTOCOL_ALL) return table_set_column(&run->table, 0, "accuracy", items, 1, error);
    if (!split) {
        for (size_t c = 0; c < run->n_tests && status == ORTHSR_OK; c++) status = set_test_column(run, c, error);
        return status;
    }
    size_t base = count_first_classes(run->tests[0], base_class_count(run->tests[0]));
    status = table_set_column(&run->table, 0, "Base", base, 1, error);
    return status == ORTHSR_OK ? table_set_column(&run->table, 1, "New", items - base, 1, error) : status;
}

static orthsr_status open_all(evaluation_run *run, orthsr_error *error) {
    const settings *s = run->settings;
    orthsr_status status = s->csv ? output_check(s->csv, error) : ORTHSR_OK;
    if (status == ORTHSR_OK && s->out) status = output_directory(s->out, &run->made_directory, error);
    if (status == ORTHSR_OK) status = open_model(&run->model, s->model, s, error);
    if (status == ORTHSR_OK) status = open_adapters(run, error);
    if (status == ORTHSR_OK) status = open_tests(run, error);
    for (size_t i = 1; run->protocol == PROTOCOL_DOMAIN && i < run->n_tests && status == ORTHSR_OK; i++) status = check_domain(run, i, error);
    return status == ORTHSR_OK ? make_table(run, error) : status;
}

/* ---- measuring ---- */

/* One adapter on one data set; values (columns of the table). *result is the caller's to free, in any case. */
static orthsr_status measure_test(double *values, scores *result, const evaluation_run *run, orthsr_session *session, size_t test, const char *name,
                                  orthsr_error *error) {
    size_t n_templates;
    const char *const *templates = templates_of(run->settings, &n_templates);
    orthsr_status status;
    *result = (scores){0};
    if (run->protocol == PROTOCOL_BASE_NEW) {
        status = measure_base_new(result, session, run->tests[0], templates, n_templates, name, error);
        if (status != ORTHSR_OK) return status;
        values[0] = result->base;
        values[1] = result->novel;
        return ORTHSR_OK;
    }
    char label[192];
    snprintf(label, sizeof label, "%.96s: %s", name, run->table.columns[test].name);
    status = measure_all(result, NULL, session, run->tests[test], templates, n_templates, run->protocol == PROTOCOL_ALL ? name : label, error);
    if (status == ORTHSR_OK) values[test] = result->accuracy;
    return status;
}

static orthsr_status measure(evaluation_run *run, size_t row, orthsr_error *error) {
    orthsr_session *session;
    orthsr_status status = open_session(&session, run->model, &run->adapters[row], 1, run->settings, error);
    for (size_t i = 0; i < run->n_tests && status == ORTHSR_OK; i++) {
        scores result;
        status = measure_test(run->table.values + row * run->table.n_columns, &result, run, session, i, run->table.names[row], error);
        int kept = row == 0 && i == 0; /* for the page */
        if (kept && run->n_adapters > 0) run->after = result;
        else if (kept) run->before = result;
        else scores_free(&result);
    }
    orthsr_session_free(session);
    return status;
}

/* What the adapters are compared with on the page. */
static orthsr_status measure_frozen(evaluation_run *run, orthsr_error *error) {
    orthsr_session *session = NULL;
    run->frozen = calloc(run->table.n_columns, sizeof *run->frozen);
    orthsr_status status =
        run->frozen ? open_session(&session, run->model, NULL, 0, run->settings, error) : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for the table");
    for (size_t i = 0; i < run->n_tests && status == ORTHSR_OK; i++) {
        scores result;
        status = measure_test(run->frozen, &result, run, session, i, "zero-shot", error);
        if (i == 0) run->before = result;
        else scores_free(&result);
    }
    orthsr_session_free(session);
    return status;
}

/* ---- reporting ---- */

static json_t *table_json(const evaluation_run *run, const table *t, line which, size_t row) {
    static const char *const halves[] = {"base", "new"}, *const all[] = {"accuracy"};
    if (run->protocol == PROTOCOL_BASE_NEW) return table_line_json(t, which, row, halves, "h");
    return table_line_json(t, which, row, run->protocol == PROTOCOL_ALL ? all : NULL, "average");
}

static json_t *line_json(const evaluation_run *run, line which, size_t row) { return table_json(run, &run->table, which, row); }

/* The model's own line, in the same columns. */
static json_t *frozen_json(const evaluation_run *run) {
    table t = run->table;
    t.values = run->frozen;
    t.n_rows = 1;
    return table_json(run, &t, LINE_ROW, 0);
}

static json_t *tests_json(const evaluation_run *run) {
    json_t *array = json_array();
    for (size_t i = 0; i < run->n_tests; i++) {
        json_t *object = json_object();
        put_text(object, "data", test_path(run->settings, i));
        put_count(object, "items", orthsr_dataset_count(run->tests[i]));
        put_count(object, "classes", orthsr_dataset_class_count(run->tests[i]));
        json_object_set_new(object, "source", json_boolean(i == 0 && run->settings->source));
        json_array_append_new(array, object);
    }
    return array;
}

/* The first adapter's scores, what was measured, then every line of the table. */
static json_t *run_json(const evaluation_run *run) {
    static const char *const names[] = {"base-new", "all", "cross", "domain"};
    json_t *object = line_json(run, LINE_ROW, 0), *results = json_array(), *mean = line_json(run, LINE_MEAN, 0);
    put_text(object, "protocol", names[run->protocol]);
    if (run->protocol == PROTOCOL_BASE_NEW) {
        size_t classes = orthsr_dataset_class_count(run->tests[0]), base = base_class_count(run->tests[0]);
        put_count(object, "base_classes", base);
        put_count(object, "new_classes", classes - base);
    }
    if (run->protocol == PROTOCOL_BASE_NEW || run->protocol == PROTOCOL_ALL) put_count(object, "items", orthsr_dataset_count(run->tests[0]));
    else json_object_set_new(object, "data", tests_json(run));
    for (size_t i = 0; i < run->table.n_rows; i++) {
        json_t *row = line_json(run, LINE_ROW, i);
        put_text(row, "adapter", run->n_adapters > 0 ? run->table.names[i] : NULL);
        json_array_append_new(results, row);
    }
    json_object_set_new(object, "results", results);
    put_count(mean, "runs", run->table.n_rows);
    json_object_set_new(object, "mean", mean);
    json_object_set_new(object, "sd", line_json(run, LINE_SD, 0));
    json_object_set_new(object, "standard_error", line_json(run, LINE_ERROR, 0));
    json_object_set(object, "unreadable", run->unreadable);
    json_object_update(object, run->details);
    return object;
}

static orthsr_status describe(evaluation_run *run, orthsr_error *error) {
    const settings *s = run->settings;
    const details d = {.model = run->model,
                       .adapter = run->n_adapters > 0 ? run->adapters[0].adapter : NULL,
                       .test = run->tests[0],
                       .directory = s->out,
                       .before = &run->before.tally,
                       .after = &run->after.tally};
    orthsr_status status = details_json(&run->details, &d, error);
    if (status != ORTHSR_OK) return status;
    json_t *timing = json_object();
    put_command(run->details, s);
    put_text(run->details, "version", orthsr_version_string());
    put_text(run->details, "fingerprint", orthsr_model_fingerprint(run->model));
    json_object_set_new(run->details, "options", report_options(s));
    if (run->n_tests == 1) put_text(run->details, "data", test_path(s, 0));
    if (run->n_adapters > 0) json_object_set_new(run->details, "zeroshot", frozen_json(run));
    put_number(timing, "measuring", terminal_seconds() - run->started);
    json_object_set_new(run->details, "timing", timing);
    return ORTHSR_OK;
}

/* --out: result.json, and the page that is made of it. */
static orthsr_status write_page(evaluation_run *run, orthsr_error *error) {
    const char *directory = run->settings->out;
    orthsr_status status = describe(run, error);
    if (status != ORTHSR_OK) return status;
    json_t *object = run_json(run);
    char *text = report_line(object), *path = join_path(directory, "result.json");
    status = text && path ? output_write(path, text, error) : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for result.json");
    free(path);
    free(text);
    json_decref(object);
    return status == ORTHSR_OK ? page_write(directory, error) : status;
}

static int report(const evaluation_run *run) {
    if (run->settings->json) return report_print(run->settings, run_json(run));
    table_print(&run->table);
    if (run->settings->out) printf("report: %s/%s\n", run->settings->out, PAGE_NAME);
    return EXIT_SUCCESS;
}

static void close_all(evaluation_run *run) {
    for (size_t i = 0; i < run->n_adapters; i++) free_tuned(&run->adapters[i]);
    for (size_t i = 0; i < run->n_tests; i++) orthsr_dataset_free(run->tests[i]);
    for (size_t i = 0; run->whole && i < run->n_tests; i++) orthsr_dataset_free(run->whole[i]);
    scores_free(&run->before);
    scores_free(&run->after);
    json_decref(run->unreadable);
    json_decref(run->details);
    free(run->whole);
    free(run->frozen);
    free(run->adapters);
    free(run->tests);
    table_free(&run->table);
    orthsr_model_free(run->model);
}

static int check_usage(const settings *s, enum protocols protocol) {
    const char *name = s->command->name;
    int several = protocol == PROTOCOL_CROSS || protocol == PROTOCOL_DOMAIN;
    if (!several && s->datasets.count > 1) return wrong_usage(name, "one --data at a time, or --protocol cross or domain for a table of several");
    if (!several && s->source) return wrong_usage(name, "--source belongs to --protocol cross and domain");
    if (protocol == PROTOCOL_DOMAIN && !s->source) return wrong_usage(name, "--protocol domain needs --source D, the data set with the classes trained on");
    return EXIT_SUCCESS;
}

int command_evaluate(const settings *s) {
    orthsr_error error = {""};
    evaluation_run run = {.settings = s, .protocol = s->protocol < 0 ? PROTOCOL_BASE_NEW : (enum protocols)s->protocol};
    int code = check_usage(s, run.protocol);
    if (code != EXIT_SUCCESS) return code;
    run.unreadable = json_array();
    run.started = terminal_seconds();
    orthsr_status status = open_all(&run, &error);
    for (size_t i = 0; i < run.table.n_rows && status == ORTHSR_OK; i++) status = measure(&run, i, &error);
    if (status == ORTHSR_OK && s->out && run.n_adapters > 0) status = measure_frozen(&run, &error);
    if (status == ORTHSR_OK && s->csv) status = table_write_csv(&run.table, s->csv, &error);
    if (status == ORTHSR_OK && s->out) status = write_page(&run, &error);
    if (status != ORTHSR_OK && run.made_directory) rmdir(s->out); /* only when nothing is in it */
    code = status == ORTHSR_OK ? report(&run) : give_up(s, &error);
    close_all(&run);
    return code;
}
