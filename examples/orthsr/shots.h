/* shots.h - which images `orthsr train` learns from, and which it is tested on. */
#ifndef SHOTS_H
#define SHOTS_H

#include <jansson.h>

#include <orthsr/orthsr.h>

#include "train_setup.h"

typedef struct shots {
    orthsr_dataset *pool;                     /* what may be drawn */
    orthsr_dataset *drawn;                    /* K of each class */
    orthsr_dataset *train;                    /* those of the classes trained on */
    orthsr_dataset *test;                     /* NULL: there is none */
    orthsr_dataset *whole_drawn, *whole_test; /* with what cannot be read; NULL when all can */
    json_t *unreadable;                       /* what cannot: see leave_unreadable */
} shots;

/* Draws over ALL classes and then selects, CoOp's order: the shots of a class do not depend on the classes trained on. Close in any case. */
orthsr_status shots_open(shots *out, const settings *s, const train_setup *setup, orthsr_error *error);
void shots_close(shots *s);

/* Classes trained on that had fewer than K images, with their numbers. */
json_t *short_classes(const shots *s, size_t wanted);

#endif
