/* protocol.c - accuracies with a progress line. */
#include "protocol.h"

#include <stdio.h>

#include "report.h"
#include "terminal.h"

typedef struct watch {
    progress bar;
    size_t before; /* images of earlier evaluations that share the bar */
} watch;

static int on_progress(size_t done, size_t total, void *payload) {
    watch *w = payload;
    (void)total;
    progress_show(&w->bar, w->before + done, NULL);
    return terminal_interrupted();
}

size_t base_class_count(const orthsr_dataset *dataset) { return (orthsr_dataset_class_count(dataset) + 1) / 2; }

void say_single_class(const orthsr_dataset *test, const char *data, int split) {
    size_t classes = orthsr_dataset_class_count(test);
    if (!split && classes == 1)
        terminal_say("note: '%s' has one class, so every answer is right and 100 %% says nothing; name the folder that holds all classes", data);
    if (split && (classes == 2 || classes == 3))
        terminal_say("note: of the %zu classes of '%s' one alone is %s, so every answer there is right and 100 %% says nothing", classes, data,
                     classes == 2 ? "base and one new" : "new");
}

void scores_free(scores *s) { tally_free(&s->tally); }

static orthsr_status measure_part(double *accuracy, tally *answers, watch *w, orthsr_session *session, const orthsr_dataset *test, size_t first, size_t count,
                                  const char *const *templates, size_t n_templates, orthsr_error *error) {
    orthsr_dataset *part;
    orthsr_evaluation *evaluation = NULL;
    orthsr_status status = orthsr_dataset_select(&part, test, first, count, error);
    if (status == ORTHSR_OK) status = orthsr_evaluate(&evaluation, session, part, templates, n_templates, on_progress, w, error);
    if (status == ORTHSR_OK) {
        *accuracy = orthsr_evaluation_accuracy(evaluation);
        w->before += orthsr_dataset_count(part);
        status = tally_add(answers, evaluation, part, first, error);
    }
    orthsr_evaluation_free(evaluation);
    orthsr_dataset_free(part);
    return status;
}

orthsr_status measure_base_new(scores *out, orthsr_session *session, const orthsr_dataset *test, const char *const *templates, size_t n_templates,
                               const char *label, orthsr_error *error) {
    size_t classes = orthsr_dataset_class_count(test), base = base_class_count(test);
    if (classes < 2) return failed(error, ORTHSR_ERROR_ARGUMENT, "base-new needs at least two classes; the test images have %zu", classes);
    *out = (scores){.split = 1};
    watch w = {.before = 0};
    progress_begin(&w.bar, label, "images", orthsr_dataset_count(test));
    progress_show(&w.bar, 0, NULL);
    orthsr_status status = measure_part(&out->base, &out->tally, &w, session, test, 0, base, templates, n_templates, error);
    if (status == ORTHSR_OK) status = measure_part(&out->novel, &out->tally, &w, session, test, base, classes - base, templates, n_templates, error);
    if (status != ORTHSR_OK) return status;
    out->h = orthsr_harmonic_mean(out->base, out->novel);
    progress_end(&w.bar, NULL);
    return ORTHSR_OK;
}

orthsr_status measure_all(scores *out, orthsr_evaluation **evaluation, orthsr_session *session, const orthsr_dataset *test, const char *const *templates,
                          size_t n_templates, const char *label, orthsr_error *error) {
    orthsr_evaluation *result;
    watch w = {.before = 0};
    progress_begin(&w.bar, label, "images", orthsr_dataset_count(test));
    progress_show(&w.bar, 0, NULL);
    orthsr_status status = orthsr_evaluate(&result, session, test, templates, n_templates, on_progress, &w, error);
    if (status != ORTHSR_OK) return status;
    progress_end(&w.bar, NULL);
    *out = (scores){.split = 0, .accuracy = orthsr_evaluation_accuracy(result)};
    status = tally_add(&out->tally, result, test, 0, error);
    if (evaluation && status == ORTHSR_OK) *evaluation = result;
    else orthsr_evaluation_free(result);
    return status;
}

void put_scores(json_t *object, const scores *s) {
    if (s->split) {
        put_number(object, "base", s->base);
        put_number(object, "new", s->novel);
        put_number(object, "h", s->h);
    } else {
        put_number(object, "accuracy", s->accuracy);
    }
}

void print_scores_header(int split) {
    if (split) printf("%-32s %7s %7s %7s\n", "percent", "Base", "New", "H");
    else printf("%-32s %8s\n", "percent", "accuracy");
}

void print_scores(const char *name, const scores *s) {
    char visible[1024];
    report_column(visible, sizeof visible, name, 32);
    if (s->split) printf("%s %7.2f %7.2f %7.2f\n", visible, 100 * s->base, 100 * s->novel, 100 * s->h);
    else printf("%s %8.2f\n", visible, 100 * s->accuracy);
}
