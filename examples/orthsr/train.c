/* train.c - `orthsr train`: few-shot adaptation.
 *
 * The frozen model is measured first: an unreadable test image then ends the run before any training. The log and checkpoints are written while it trains, the
 * adapter as soon as that is done, result.json when the tuned model has been measured. Whenever it is stopped, --resume goes on from the last checkpoint, and
 * what comes out is what an uninterrupted run gives.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "against.h"
#include "checkpoint.h"
#include "commands.h"
#include "details.h"
#include "inputs.h"
#include "output.h"
#include "page.h"
#include "protocol.h"
#include "report.h"
#include "shots.h"
#include "terminal.h"
#include "train_setup.h"
#include "train_talk.h"

typedef struct training {
    const settings *settings;
    train_setup setup;
    orthsr_model *model;
    shots shots;
    tuned tuned;
    char *adapter_path, *result_path;
    int made_directory;
    checkpoint checkpoint;
    orthsr_trainer *trainer;
    orthsr_error lost; /* why the log could not go on */
    progress bar;
    forecast forecast;
    double measuring; /* seconds that measuring the frozen model took; 0: there is nothing to measure by */
    scores before, after;
    double seconds;
    int saved;               /* the state that training was left in */
    double started, trained; /* terminal_seconds, when that began or was done */
    json_t *against;         /* what --against names */
    json_t *details;         /* members of result.json */
} training;

/* ---- opening ---- */

static void say_notes(const training *t) {
    enum { MOST_NAMED = 8 };
    const char *name;
    char names[512] = "";
    size_t n = 0, used = 0;
    json_t *few = short_classes(&t->shots, t->setup.shots), *count;
    json_object_foreach(few, name, count) {
        if (n++ >= MOST_NAMED || used >= sizeof names) continue;
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s %" JSON_INTEGER_FORMAT, used ? ", " : "", name, json_integer_value(count));
    }
    if (n > 0)
        terminal_say("note: of %zu classes there are fewer than %zu images (%s%s); all of them are used; for as many of each give a smaller --shots", n,
                     t->setup.shots, names, n > MOST_NAMED ? ", ..." : "");
    json_decref(few);
    if (!t->shots.test)
        terminal_say("note: no images are left to test, so nothing is measured; for that put some into '%s/test', or give a smaller --shots",
                     t->settings->data);
    else say_single_class(t->shots.test, t->settings->data, t->setup.classes != CLASSES_ALL);
}

static orthsr_status open_output(training *t, orthsr_error *error) {
    const char *directory = t->settings->out;
    orthsr_status status = output_directory(directory, &t->made_directory, error);
    if (status != ORTHSR_OK) return status;
    status = checkpoint_open(&t->checkpoint, t->settings, error);
    if (status != ORTHSR_OK) return status;
    t->adapter_path = join_path(directory, "adapter");
    t->result_path = join_path(directory, "result.json");
    if (!t->adapter_path || !t->result_path) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for the names in '%s'", directory);
    return output_check(t->result_path, error);
}

static orthsr_status make_prompt(training *t, orthsr_error *error) {
    size_t n = t->settings->class_specific ? orthsr_dataset_class_count(t->shots.train) : 0;
    const char **names = calloc(n + 1, sizeof *names);
    if (!names) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for the names of %zu classes", n);
    for (size_t c = 0; c < n; c++) names[c] = orthsr_dataset_class_name(t->shots.train, c);
    orthsr_status status = orthsr_prompt_options_set_classes(t->setup.prompt, names, n, error);
    if (status == ORTHSR_OK) status = orthsr_prompt_new(&t->tuned.prompt, t->model, t->setup.prompt, error);
    free(names);
    return status;
}

static orthsr_status open_all(training *t, orthsr_error *error) {
    orthsr_status status = open_model(&t->model, t->settings->model, t->settings, error);
    if (status == ORTHSR_OK) status = shots_open(&t->shots, t->settings, &t->setup, error);
    if (status == ORTHSR_OK) status = against_read(&t->against, &t->settings->against, t->model, t->shots.test, t->setup.classes != CLASSES_ALL, error);
    if (status == ORTHSR_OK && t->setup.method != METHOD_COOP) status = orthsr_model_adapter(t->model, &t->tuned.adapter, t->setup.adapter, error);
    if (status == ORTHSR_OK && t->setup.method != METHOD_ORTHSR) status = make_prompt(t, error);
    if (status == ORTHSR_OK) status = open_output(t, error);
    return status;
}

/* ---- measuring ---- */

/* Base, new and H say something when only some classes were trained on; otherwise it is the accuracy over all. */
static orthsr_status measure(training *t, scores *out, const tuned *with, const char *label, orthsr_error *error) {
    size_t n_templates;
    const char *const *templates = templates_of(t->settings, &n_templates);
    orthsr_session *session;
    if (!t->shots.test) return ORTHSR_OK;
    orthsr_status status = orthsr_session_new(&session, t->model, with->adapter, error);
    if (status == ORTHSR_OK) status = orthsr_session_set_threads(session, (size_t)t->settings->threads.value, error);
    if (status == ORTHSR_OK) status = orthsr_session_set_prompt(session, with->prompt, error);
    if (status != ORTHSR_OK) orthsr_session_free(session);
    if (status != ORTHSR_OK) return status;
    if (t->setup.classes == CLASSES_ALL) status = measure_all(out, NULL, session, t->shots.test, templates, n_templates, label, error);
    else status = measure_base_new(out, session, t->shots.test, templates, n_templates, label, error);
    orthsr_session_free(session);
    return status;
}

/* ---- training ---- */

static int on_step(const orthsr_trainer *trainer, void *payload) {
    training *t = payload;
    char state[256];
    if (checkpoint_step(&t->checkpoint, t->trainer, &t->lost) != ORTHSR_OK) return 1;
    t->lost.message[0] = '\0';
    forecast_step(&t->forecast, trainer, t->measuring);
    format_step(state, sizeof state, trainer, t->settings);
    progress_show(&t->bar, orthsr_trainer_step_count(trainer), state);
    return terminal_interrupted();
}

static size_t parameter_count(const training *t) { return orthsr_adapter_parameter_count(t->tuned.adapter) + orthsr_prompt_parameter_count(t->tuned.prompt); }

/* All steps that are left. Stopped by a signal, the run is saved where it is. */
static orthsr_status make_steps(training *t, orthsr_error *error) {
    progress_begin(&t->bar, "training", "steps", orthsr_trainer_step_total(t->trainer));
    t->bar.before = orthsr_trainer_step_count(t->trainer);
    t->bar.rate_unit = "images";
    t->bar.per_unit = (double)(orthsr_dataset_count(t->shots.train) * orthsr_trainer_epoch_total(t->trainer)) / (double)orthsr_trainer_step_total(t->trainer);
    progress_show(&t->bar, t->bar.before, NULL);
    orthsr_status status = orthsr_trainer_run(t->trainer, on_step, t, error);
    if (status == ORTHSR_ERROR_CANCELLED && *t->lost.message) *error = t->lost;
    if (status != ORTHSR_OK && status != ORTHSR_ERROR_CANCELLED) return status;
    if (status == ORTHSR_OK) {
        char state[256];
        format_step(state, sizeof state, t->trainer, t->settings);
        progress_end(&t->bar, state);
    }
    size_t replaced = orthsr_trainer_unreadable(t->trainer);
    if (replaced > 0) terminal_say("note: %zu times an image could not be read, and the next one took its place (--strict stops there)", replaced);
    orthsr_error why = {""};
    if (checkpoint_save(&t->checkpoint, t->trainer, &why) == ORTHSR_OK) t->saved = 1;
    else terminal_say("note: no checkpoint at step %zu: %s", orthsr_trainer_step_count(t->trainer), why.message);
    return status;
}

static orthsr_status train(training *t, orthsr_error *error) {
    progress encoding;
    t->checkpoint.began = terminal_seconds();
    progress_wait(&encoding, "the frozen model's features of the shots");
    orthsr_status status = orthsr_trainer_new_with_prompt(&t->trainer, t->model, t->tuned.adapter, t->tuned.prompt, t->shots.train, t->setup.trainer, error);
    progress_end(&encoding, NULL);
    if (status == ORTHSR_OK) say_training(t->trainer, t->shots.train, t->tuned.adapter, t->tuned.prompt, parameter_count(t), warmup_epochs_of(t->settings));
    if (status == ORTHSR_OK) status = checkpoint_begin(&t->checkpoint, t->trainer, error);
    if (status == ORTHSR_OK) status = make_steps(t, error);
    t->seconds = checkpoint_run_seconds(&t->checkpoint);
    return status;
}

/* What an earlier run into the same directory left would be taken for a part of this one. */
static orthsr_status remove_stale(const training *t, const char *name, orthsr_error *error) {
    char *path = join_path(t->adapter_path, name);
    if (!path) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for a name in '%s'", t->adapter_path);
    orthsr_status status = ORTHSR_OK;
    if (unlink(path) != 0 && errno != ENOENT) status = failed(error, ORTHSR_ERROR_IO, "cannot remove '%s' of an earlier run: %s", path, strerror(errno));
    free(path);
    return status;
}

static orthsr_status save(training *t, orthsr_error *error) {
    orthsr_status status = ORTHSR_OK;
    if (t->tuned.adapter) status = orthsr_adapter_save(t->tuned.adapter, t->adapter_path, orthsr_model_fingerprint(t->model), error);
    if (status == ORTHSR_OK && t->tuned.prompt) status = orthsr_prompt_save(t->tuned.prompt, t->adapter_path, error);
    if (status == ORTHSR_OK && !t->tuned.adapter) status = remove_stale(t, "adapter.safetensors", error);
    if (status == ORTHSR_OK && !t->tuned.prompt) status = remove_stale(t, "prompt.safetensors", error);
    return status == ORTHSR_OK ? checkpoint_finish_log(&t->checkpoint, error) : status;
}

/* ---- reporting ---- */

static void put_shots(json_t *object, const training *t) {
    enum { MOST_LISTED = 100000 }; /* of a manifest there may be more than anybody reads */
    json_t *classes = json_array(), *items = json_array();
    for (size_t c = 0; c < orthsr_dataset_class_count(t->shots.train); c++)
        json_array_append_new(classes, report_text(orthsr_dataset_class_name(t->shots.train, c)));
    for (size_t i = 0; i < orthsr_dataset_count(t->shots.train) && i < MOST_LISTED; i++) {
        char *name = item_name(t->shots.train, i);
        json_array_append_new(items, report_text(name ? name : ""));
        orthsr_free(name);
    }
    json_object_set_new(object, "classes", classes);
    json_object_set_new(object, "short_classes", short_classes(&t->shots, t->setup.shots));
    json_object_set_new(object, "items", items);
}

static void put_measured(json_t *object, const char *key, const training *t, const scores *measured) {
    json_t *value = t->shots.test ? json_object() : json_null();
    if (t->shots.test) put_scores(value, measured);
    json_object_set_new(object, key, value);
}

static const char *const method_names[] = {"orthsr", "coop", "coop+orthsr"};

static json_t *timing_json(const training *t) {
    json_t *object = json_object();
    put_number(object, "before_training", t->checkpoint.prepared);
    put_number(object, "training", t->seconds);
    put_number(object, "after_training", terminal_seconds() - t->trained);
    json_object_set_new(object, "steps", run_phases_json(&t->checkpoint.phases));
    return object;
}

/* What the page shows beside scores. */
static orthsr_status describe(training *t, orthsr_error *error) {
    size_t n_templates;
    const char *const *templates = templates_of(t->settings, &n_templates);
    const settings *s = t->settings;
    const details d = {.model = t->model,
                       .adapter = t->tuned.adapter,
                       .shots = t->shots.train,
                       .test = t->shots.test,
                       .templates = templates,
                       .n_templates = n_templates,
                       .cut = cut_of(s),
                       .directory = s->out,
                       .before = &t->before.tally,
                       .after = &t->after.tally};
    orthsr_status status = details_json(&t->details, &d, error);
    if (status != ORTHSR_OK) return status;
    put_command(t->details, s);
    put_text(t->details, "data", s->data);
    put_text(t->details, "cutout", cutout_name(s));
    json_object_set(t->details, "unreadable", t->shots.unreadable);
    json_object_set_new(t->details, "timing", timing_json(t));
    return ORTHSR_OK;
}

/* With --against: the others, and this run as the last. */
static void put_methods(json_t *object, const training *t) {
    if (json_array_size(t->against) == 0) return;
    json_t *methods = json_copy(t->against), *own = json_object();
    put_text(own, "name", page_method(object));
    put_scores(own, &t->after);
    json_array_append_new(methods, own);
    json_object_set_new(object, "methods", methods);
}

static json_t *result_json(const training *t) {
    json_t *object = json_object();
    put_text(object, "version", orthsr_version_string());
    put_text(object, "fingerprint", orthsr_model_fingerprint(t->model));
    json_object_set_new(object, "options", report_options(t->settings));
    put_text(object, "adapter", t->adapter_path);
    put_text(object, "log", t->checkpoint.log_path);
    put_text(object, "checkpoint", t->checkpoint.path);
    put_count(object, "seed", t->setup.seed);
    put_text(object, "method", method_names[t->setup.method]);
    put_count(object, "parameters", parameter_count(t));
    put_count(object, "context_words", orthsr_prompt_words(t->tuned.prompt));
    put_count(object, "steps", orthsr_trainer_step_count(t->trainer));
    put_number(object, "first_loss", t->checkpoint.first_loss);
    put_number(object, "last_loss", orthsr_trainer_metric(t->trainer, ORTHSR_METRIC_LOSS));
    put_number(object, "orthogonality", orthsr_trainer_metric(t->trainer, ORTHSR_METRIC_ORTHOGONALITY));
    put_count(object, "replaced_images", orthsr_trainer_unreadable(t->trainer));
    put_number(object, "seconds", t->seconds);
    put_number(object, "checkpoint_seconds", t->checkpoint.total_cost);
    put_measured(object, "zeroshot", t, &t->before);
    put_measured(object, "tuned", t, &t->after);
    put_shots(object, t);
    json_object_update(object, t->details);
    put_methods(object, t);
    return object;
}

static orthsr_status write_result(const training *t, orthsr_error *error) {
    json_t *object = result_json(t);
    char *line = report_line(object);
    orthsr_status status = line ? output_write(t->result_path, line, error) : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for result.json");
    free(line);
    json_decref(object);
    return status;
}

/* The files, and what to do with them; without test images of its own the run is measured on others. */
static void print_written(const training *t) {
    const char *directory = t->settings->out;
    char *next = evaluate_command(t->settings, t->adapter_path, t->shots.test ? t->settings->data : "IMAGES", t->setup.classes == CLASSES_ALL);
    printf("adapter: %s\nreport:  %s/%s\nnumbers: %s/result.json, by steps %s/log.jsonl\n", t->adapter_path, directory, PAGE_NAME, directory, directory);
    if (next) printf("next:    %s\n", next);
    free(next);
}

static int report(const training *t) {
    if (t->settings->json) return report_print(t->settings, result_json(t));
    printf("loss:    %.4f at the first step, %.4f at the last\n", t->checkpoint.first_loss, orthsr_trainer_metric(t->trainer, ORTHSR_METRIC_LOSS));
    printf("defect:  max |A^T A - I| %.2g\n", orthsr_trainer_metric(t->trainer, ORTHSR_METRIC_ORTHOGONALITY));
    printf("time:    %zu steps in %.1f s, %.1f of them for %zu checkpoints\n", orthsr_trainer_step_count(t->trainer), t->seconds, t->checkpoint.total_cost,
           t->checkpoint.count);
    if (t->shots.test) {
        print_scores_header(t->after.split);
        print_scores("zero-shot", &t->before);
        against_print(t->against, t->after.split);
        print_scores("tuned", &t->after);
    }
    print_written(t);
    return EXIT_SUCCESS;
}

static void clean_up_output(training *t) {
    if (t->adapter_path) rmdir(t->adapter_path); /* only when nothing is in it */
    if (t->made_directory) rmdir(t->settings->out);
}

static void close_all(training *t) {
    orthsr_trainer_free(t->trainer);
    checkpoint_close(&t->checkpoint);
    scores_free(&t->before);
    scores_free(&t->after);
    json_decref(t->details);
    json_decref(t->against);
    free_tuned(&t->tuned);
    shots_close(&t->shots);
    orthsr_model_free(t->model);
    train_setup_free(&t->setup);
    free(t->adapter_path);
    free(t->result_path);
}

/* A signal ended it. */
static int stop(const training *t) {
    const char *path = t->checkpoint.path;
    char *line = resume_command(t->settings);
    const char *again = line ? line : "the same command with --resume";
    if (t->saved)
        terminal_say("orthsr train: interrupted after step %zu of %zu, which is saved in '%s'; go on with: %s", orthsr_trainer_step_count(t->trainer),
                     orthsr_trainer_step_total(t->trainer), path, again);
    else if (t->checkpoint.count > 0 || (t->settings->resume && path && access(path, F_OK) == 0))
        terminal_say("orthsr train: interrupted; '%s' has what was done; go on with: %s", path, again);
    else terminal_say("orthsr train: interrupted before the first step; begin again with: %s", again);
    free(line);
    return EXIT_FAILURE;
}

static int run(training *t) {
    orthsr_error error = {""};
    t->started = terminal_seconds();
    orthsr_status status = open_all(t, &error);
    if (status == ORTHSR_OK) say_notes(t);
    double opened = terminal_seconds();
    if (status == ORTHSR_OK) status = measure(t, &t->before, &(tuned){NULL, NULL}, "zero-shot", &error);
    double measured = terminal_seconds();
    t->checkpoint.prepared = measured - t->started;
    if (status == ORTHSR_OK && t->shots.test) {
        t->measuring = measured - opened;
        say_frozen_scores(&t->before, orthsr_dataset_class_count(t->shots.test));
    }
    if (status == ORTHSR_OK) status = train(t, &error);
    t->trained = terminal_seconds();
    if (status == ORTHSR_OK) status = save(t, &error);
    if (status == ORTHSR_OK) status = measure(t, &t->after, &t->tuned, "tuned", &error);
    if (status == ORTHSR_OK) status = describe(t, &error);
    if (status == ORTHSR_OK) status = write_result(t, &error);
    if (status == ORTHSR_OK) status = page_write(t->settings->out, &error);
    if (status == ORTHSR_OK) return report(t);
    clean_up_output(t);
    if (terminal_interrupted()) return stop(t);
    return give_up(t->settings, &error);
}

int command_train(const settings *s) {
    training t = {.settings = s};
    int code = train_setup_new(&t.setup, s);
    if (code == EXIT_SUCCESS) code = run(&t);
    close_all(&t);
    return code;
}
