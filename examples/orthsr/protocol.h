/* protocol.h - measuring a session on test images, with progress: over all classes, or base to new. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <jansson.h>
#include <stddef.h>

#include <orthsr/orthsr.h>

#include "tally.h"

typedef struct scores {
    int split;                       /* 1: base, novel, h; 0: accuracy */
    double base, novel, h, accuracy; /* 0..1 */
    tally tally;                     /* what they come from */
} scores;
void scores_free(scores *s);

/* Classes of base: the first half, rounded up. */
size_t base_class_count(const orthsr_dataset *dataset);

/* A note where images of data can only be told right, there being one class to choose from: in all of them, or with split in a half. */
void say_single_class(const orthsr_dataset *test, const char *data, int split);

/* Base: accuracy on the base classes' images among the base classes; new likewise; h their harmonic mean. */
orthsr_status measure_base_new(scores *out, orthsr_session *session, const orthsr_dataset *test, const char *const *templates, size_t n_templates,
                               const char *label, orthsr_error *error);

/* Accuracy among all classes. *evaluation (may be NULL) receives the whole result. */
orthsr_status measure_all(scores *out, orthsr_evaluation **evaluation, orthsr_session *session, const orthsr_dataset *test, const char *const *templates,
                          size_t n_templates, const char *label, orthsr_error *error);

void put_scores(json_t *object, const scores *s);

/* An aligned table in percent: print the header once, then a line per model. */
void print_scores_header(int split);
void print_scores(const char *name, const scores *s);

#endif
