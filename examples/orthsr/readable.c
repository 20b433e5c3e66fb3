/* readable.c - images that cannot be read are found before anything is computed from the others. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "inputs.h"
#include "report.h"
#include "terminal.h"

enum { MOST_WORKERS = 16, BATCH = 512 }; /* BATCH: images between two looks at the progress line */

/* Items first, first + step, ... below end; bad[item] when one cannot be decoded. */
typedef struct worker {
    pthread_t thread;
    const orthsr_dataset *dataset;
    size_t first, end, step;
    unsigned char *bad; /* (items) */
} worker;

static void *check(void *argument) {
    const worker *w = argument;
    orthsr_error ignored;
    for (size_t i = w->first; i < w->end; i += w->step) w->bad[i] = orthsr_dataset_check_item(w->dataset, i, 1, &ignored) != ORTHSR_OK;
    return NULL;
}

/* All items, by as many threads as --threads says or the machine has. */
static void check_all(unsigned char *bad, const orthsr_dataset *dataset, const settings *s) {
    worker workers[MOST_WORKERS];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t items = orthsr_dataset_count(dataset), n = s->threads.value > 0 ? (size_t)s->threads.value : processors > 0 ? (size_t)processors : 1;
    progress bar;
    if (n > MOST_WORKERS) n = MOST_WORKERS;
    progress_begin(&bar, "reading", "images", items);
    for (size_t from = 0; from < items && !terminal_interrupted(); from += BATCH) {
        size_t end = from + BATCH < items ? from + BATCH : items, started = 1;
        for (size_t i = 0; i < n; i++) workers[i] = (worker){.dataset = dataset, .first = from + i, .end = end, .step = n, .bad = bad};
        while (started < n && pthread_create(&workers[started].thread, NULL, check, &workers[started]) == 0) started++;
        check(&workers[0]);
        for (size_t i = started; i < n; i++) check(&workers[i]); /* threads that could not be had */
        for (size_t i = 1; i < started; i++) pthread_join(workers[i].thread, NULL);
        progress_show(&bar, end, NULL);
    }
    progress_clear();
}

/* Why an item cannot be read; OK when it can after all. */
static orthsr_status reason(const orthsr_dataset *dataset, size_t item, orthsr_error *error) { return orthsr_dataset_check_item(dataset, item, 1, error); }

static void tell(json_t *told, const orthsr_dataset *dataset, size_t item, const orthsr_error *why) {
    json_t *object = json_object();
    char *name = item_name(dataset, item);
    put_text(object, "item", name);
    put_text(object, "reason", why->message);
    json_array_append_new(told, object);
    orthsr_free(name);
}

static orthsr_status check_classes(const orthsr_dataset *left, const orthsr_dataset *all, const orthsr_error *first, orthsr_error *error) {
    for (size_t c = 0; c < orthsr_dataset_class_count(left); c++)
        if (orthsr_dataset_class_size(left, c) == 0 && orthsr_dataset_class_size(all, c) > 0)
            return failed(error, ORTHSR_ERROR_IO, "class '%.128s' has no image that can be read, of %zu; the first of all that cannot: %.700s",
                          orthsr_dataset_class_name(left, c), orthsr_dataset_class_size(all, c), first->message);
    return ORTHSR_OK;
}

/* Items that are not in memory may be too many to be looked at beforehand. */
static int is_streamed(const orthsr_dataset *dataset) { return orthsr_dataset_count(dataset) > 0 && !orthsr_dataset_item_name(dataset, 0); }

orthsr_status leave_unreadable(orthsr_dataset **io, orthsr_dataset **all, json_t *told, const settings *s, orthsr_error *error) {
    size_t items = orthsr_dataset_count(*io), kept = 0, gone = 0;
    if (is_streamed(*io)) return ORTHSR_OK; /* training goes around what it meets; measuring stops there */
    size_t *keep = calloc(items + 1, sizeof *keep);
    unsigned char *bad = calloc(items + 1, 1);
    orthsr_error why, first = {""};
    orthsr_dataset *left = NULL;
    orthsr_status status = keep && bad ? ORTHSR_OK : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu images", items);
    if (status == ORTHSR_OK) check_all(bad, *io, s);
    if (status == ORTHSR_OK && terminal_interrupted()) status = failed(error, ORTHSR_ERROR_CANCELLED, "interrupted");
    for (size_t i = 0; i < items && status == ORTHSR_OK; i++) {
        orthsr_status read = bad[i] ? reason(*io, i, &why) : ORTHSR_OK;
        if (read == ORTHSR_OK) {
            keep[kept++] = i;
            continue;
        }
        if (gone++ == 0) first = why;
        tell(told, *io, i, &why);
        if (s->strict) status = failed(error, read, "%.900s; without --strict it is left out", why.message);
    }
    if (status == ORTHSR_OK && gone > 0) status = orthsr_dataset_subset(&left, *io, keep, kept, error);
    if (left) {
        *all = *io;
        *io = left;
        status = check_classes(left, *all, &first, error);
    }
    if (status == ORTHSR_OK && gone > 0)
        terminal_say("note: %zu of %zu images cannot be read and are left out (--strict stops there); the first: %s", gone, items, first.message);
    free(keep);
    free(bad);
    return status;
}
