/* checkpoint.c - saving a run now and then, and going on with it. */
#include "checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "output.h"
#include "report.h"
#include "terminal.h"

#define AT_LEAST_EVERY 60.0 /* seconds, and once an epoch; */
#define MOST_SHARE 0.05     /* but no more of the time than this goes into it */

/* ---- the log ------------------------------------------------------------------------------------------------------------------------------ */

static orthsr_status add_line(checkpoint *c, const char *line, orthsr_error *error) {
    size_t n = strlen(line), needed = c->used + n + 2; /* a newline and the end */
    if (needed > c->room) {
        size_t room = needed > 2 * c->room ? needed : 2 * c->room;
        char *grown = realloc(c->lines, room);
        if (!grown) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for the lines of '%s'", c->log_path);
        c->lines = grown;
        c->room = room;
    }
    memcpy(c->lines + c->used, line, n);
    memcpy(c->lines + c->used + n, "\n", 2);
    c->used += n + 1;
    return ORTHSR_OK;
}

static orthsr_status log_step(checkpoint *c, const orthsr_trainer *trainer, orthsr_error *error) {
    char *line = run_log_line(trainer);
    orthsr_status status = line ? add_line(c, line, error) : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for a line of '%s'", c->log_path);
    if (status == ORTHSR_OK) {
        fprintf(c->log, "%s\n", line); /* should the disk be full, the file is written anew in the end */
        fflush(c->log);
    }
    free(line);
    return status;
}

/* Opened and locked, but as it was: two processes must not train into one directory. A file system without locks cannot tell. */
static orthsr_status open_log(checkpoint *c, orthsr_error *error) {
    c->log = fopen(c->log_path, "a");
    if (!c->log) return failed(error, ORTHSR_ERROR_IO, "cannot write '%s': %s", c->log_path, strerror(errno));
    if (flock(fileno(c->log), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return ORTHSR_OK;
    return failed(error, ORTHSR_ERROR_IO, "another process is training into '%s'; wait for it, or give another --out", c->settings->out);
}

/* The lines of the steps that were made, and no others. */
static orthsr_status begin_log(checkpoint *c, orthsr_error *error) {
    if (ftruncate(fileno(c->log), 0) != 0) return failed(error, ORTHSR_ERROR_IO, "cannot write '%s': %s", c->log_path, strerror(errno));
    if (c->lines) fputs(c->lines, c->log);
    fflush(c->log);
    return ORTHSR_OK;
}

orthsr_status checkpoint_finish_log(checkpoint *c, orthsr_error *error) {
    output_file file;
    fclose(c->log);
    c->log = NULL;
    orthsr_status status = output_open(&file, c->log_path, error);
    if (status != ORTHSR_OK) return status;
    if (c->lines) fputs(c->lines, file.stream);
    return output_commit(&file, error);
}

/* ---- saving ------------------------------------------------------------------------------------------------------------------------------- */

double checkpoint_run_seconds(const checkpoint *c) { return c->seconds + terminal_seconds() - c->began; }

/* What the checkpoint keeps for us. */
static char *own_text(const checkpoint *c) {
    json_t *object =
        json_pack("{s:f, s:f, s:f, s:I, s:f, s:o, s:s}", "prepared", c->prepared, "seconds", checkpoint_run_seconds(c), "checkpoint_seconds", c->total_cost,
                  "checkpoints", (json_int_t)c->count, "first_loss", c->first_loss, "phases", run_phases_json(&c->phases), "log", c->lines ? c->lines : "");
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}

orthsr_status checkpoint_save(checkpoint *c, orthsr_trainer *trainer, orthsr_error *error) {
    double start = terminal_seconds();
    char *text = own_text(c);
    orthsr_status status =
        text ? orthsr_trainer_save(trainer, c->path, text, error) : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for what goes into '%s'", c->path);
    free(text);
    c->saved = terminal_seconds();
    c->saved_epoch = orthsr_trainer_epoch(trainer);
    c->cost = c->saved - start;
    c->total_cost += c->cost;
    c->count += status == ORTHSR_OK;
    return status;
}

static int is_due(const checkpoint *c, const orthsr_trainer *trainer) {
    const whole *every = &c->settings->checkpoint_every;
    if (every->given) return every->value > 0 && orthsr_trainer_step_count(trainer) % every->value == 0;
    double since = terminal_seconds() - c->saved;
    return since * MOST_SHARE >= c->cost && (since >= AT_LEAST_EVERY || orthsr_trainer_epoch(trainer) != c->saved_epoch);
}

orthsr_status checkpoint_step(checkpoint *c, orthsr_trainer *trainer, orthsr_error *error) {
    run_phases_add(&c->phases, trainer);
    if (orthsr_trainer_step_count(trainer) == 1) c->first_loss = orthsr_trainer_metric(trainer, ORTHSR_METRIC_LOSS);
    orthsr_status status = log_step(c, trainer, error);
    if (status != ORTHSR_OK || !is_due(c, trainer)) return status;
    if (checkpoint_save(c, trainer, error) != ORTHSR_OK)
        terminal_say("note: no checkpoint at step %zu: %s", orthsr_trainer_step_count(trainer), error->message);
    return ORTHSR_OK;
}

/* ---- going on ----------------------------------------------------------------------------------------------------------------------------- */

static orthsr_status take_text(checkpoint *c, const char *text, orthsr_error *error) {
    const char *lines;
    json_t *object = json_loads(text, 0, NULL), *phases;
    json_int_t count;
    double prepared, cost;
    orthsr_status status = ORTHSR_OK;
    if (!object ||
        json_unpack(object, "{s:F, s:F, s:F, s:I, s:F, s:o, s:s}", "prepared", &prepared, "seconds", &c->seconds, "checkpoint_seconds", &cost, "checkpoints",
                    &count, "first_loss", &c->first_loss, "phases", &phases, "log", &lines) != 0 ||
        !run_phases_read(&c->phases, phases))
        status = failed(error, ORTHSR_ERROR_FORMAT, "'%s' was saved by another program", c->path);
    else if (!(c->lines = strdup(lines))) status = failed(error, ORTHSR_ERROR_MEMORY, "out of memory for the lines of '%s'", c->log_path);
    else c->used = strlen(lines), c->room = c->used + 1;
    if (status == ORTHSR_OK) {
        c->prepared += prepared;
        c->total_cost += cost;
        c->count += (size_t)count;
    }
    json_decref(object);
    return status;
}

/* The checkpoint, or the one before it where it cannot be read. *found: there is one. */
static orthsr_status load(checkpoint *c, orthsr_trainer *trainer, char **text, int *found, orthsr_error *error) {
    int newest = access(c->path, F_OK) == 0, older = access(c->previous, F_OK) == 0;
    orthsr_error why = {""}, other = {""};
    *found = newest || older;
    if (!*found) return ORTHSR_OK;
    orthsr_status status = orthsr_trainer_load(trainer, c->path, text, &why);
    if (older && (status == ORTHSR_ERROR_FORMAT || status == ORTHSR_ERROR_IO)) {
        status = orthsr_trainer_load(trainer, c->previous, text, &other);
        if (status == ORTHSR_OK) terminal_say("note: %s; going on from '%s', the one before it", why.message, c->previous);
        else if (newest) return failed(error, status, "%.480s; and the one before it: %.480s", why.message, other.message);
        else why = other;
    }
    if (status == ORTHSR_ERROR_MISMATCH) return failed(error, status, "%.900s; give what it was begun with, or start anew without --resume", why.message);
    *error = why;
    return status;
}

static orthsr_status resume(checkpoint *c, orthsr_trainer *trainer, int *found, orthsr_error *error) {
    char *text = NULL;
    orthsr_status status = load(c, trainer, &text, found, error);
    if (status == ORTHSR_OK && *found) status = take_text(c, text, error);
    orthsr_free(text);
    if (status != ORTHSR_OK) return status;
    if (*found) terminal_say("going on after step %zu of %zu", orthsr_trainer_step_count(trainer), orthsr_trainer_step_total(trainer));
    else terminal_say("note: there is no checkpoint in '%s' yet; the run starts at its beginning", c->settings->out);
    return ORTHSR_OK;
}

/* A new run into a directory where another was not finished: it may be a mistake, and there are two checkpoints' time to notice. */
static orthsr_status start(checkpoint *c, orthsr_trainer *trainer, orthsr_error *error) {
    char *result = join_path(c->settings->out, "result.json");
    if (result && !c->settings->resume && access(result, F_OK) != 0 && access(c->path, F_OK) == 0)
        terminal_say("note: '%s' is of a run that was not finished, and will be replaced; --resume would go on with it", c->path);
    if (result) unlink(result); /* it speaks of an earlier run */
    free(result);
    return checkpoint_save(c, trainer, error);
}

/* What killed processes were writing: NAME.tmp-..., or with name "" that of any file. */
static void remove_unfinished(const char *directory, const char *name) {
    DIR *stream = opendir(directory);
    const struct dirent *entry;
    size_t n = strlen(name);
    while (stream && (entry = readdir(stream)))
        if (n > 0 ? strncmp(entry->d_name, name, n) == 0 && strncmp(entry->d_name + n, ".tmp-", 5) == 0 : strstr(entry->d_name, ".tmp-") != NULL)
            unlinkat(dirfd(stream), entry->d_name, 0);
    if (stream) closedir(stream);
}

static void remove_all_unfinished(const char *directory) {
    static const char *const names[] = {"checkpoint", "log.jsonl", "result.json", "report.html"}, *const adapter_names[] = {"adapter.safetensors",
                                                                                                                            "prompt.safetensors"};
    char *adapter = join_path(directory, "adapter"), *pictures = join_path(directory, "shots");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) remove_unfinished(directory, names[i]);
    for (size_t i = 0; adapter && i < sizeof adapter_names / sizeof adapter_names[0]; i++) remove_unfinished(adapter, adapter_names[i]);
    if (pictures) remove_unfinished(pictures, "");
    free(adapter);
    free(pictures);
}

orthsr_status checkpoint_begin(checkpoint *c, orthsr_trainer *trainer, orthsr_error *error) {
    int found = 0;
    orthsr_status status = open_log(c, error);
    if (status != ORTHSR_OK) return status;
    remove_all_unfinished(c->settings->out);
    if (c->settings->resume) status = resume(c, trainer, &found, error);
    c->saved = terminal_seconds();
    c->saved_epoch = orthsr_trainer_epoch(trainer);
    if (status == ORTHSR_OK && !found) status = start(c, trainer, error);
    return status == ORTHSR_OK ? begin_log(c, error) : status;
}

/* ---- life --------------------------------------------------------------------------------------------------------------------------------- */

orthsr_status checkpoint_open(checkpoint *c, const settings *s, orthsr_error *error) {
    *c = (checkpoint){.settings = s, .began = terminal_seconds()};
    c->path = join_path(s->out, "checkpoint");
    c->previous = join_path(s->out, "checkpoint.previous");
    c->log_path = join_path(s->out, "log.jsonl");
    return c->path && c->previous && c->log_path ? ORTHSR_OK : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for the names in '%s'", s->out);
}

void checkpoint_close(checkpoint *c) {
    if (c->log) fclose(c->log);
    free(c->lines);
    free(c->path);
    free(c->previous);
    free(c->log_path);
}
