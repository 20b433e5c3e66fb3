/* phases.h - where the time of a training step goes: a clock that is always in one phase. */
#ifndef ORTHSR_TRAIN_PHASES_H
#define ORTHSR_TRAIN_PHASES_H

#include <time.h>

#include <orthsr/trainer.h>

enum { ORTHSR__PHASES = ORTHSR_PHASE_COMMUNICATION + 1 };

typedef struct orthsr__phases {
    double seconds[ORTHSR__PHASES];
    double since; /* when the present one began */
    orthsr_phase now;
} orthsr__phases;

/* The present phase ends and another begins; returns the one that ended. */
static inline orthsr_phase orthsr__phase(orthsr__phases *phases, orthsr_phase next) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double now = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    orthsr_phase before = phases->now;
    phases->seconds[before] += now - phases->since;
    phases->since = now;
    phases->now = next;
    return before;
}

/* A step begins, in ORTHSR_PHASE_OTHER, with nothing counted yet. */
static inline void orthsr__phases_begin(orthsr__phases *phases) {
    orthsr__phase(phases, ORTHSR_PHASE_OTHER);
    for (int i = 0; i < ORTHSR__PHASES; i++) phases->seconds[i] = 0;
}

#endif
