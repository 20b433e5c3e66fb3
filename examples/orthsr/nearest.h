/* nearest.h - names that are nearly right: of all that are offered the one that was probably meant. */
#ifndef NEAREST_H
#define NEAREST_H

#include <stddef.h>

typedef struct nearest {
    const char *name, *best; /* best: borrowed from who offered it */
    size_t distance;
} nearest;

void nearest_begin(nearest *n, const char *name);
void nearest_offer(nearest *n, const char *candidate);

/* NULL when nothing is near enough to be meant. */
const char *nearest_found(const nearest *n);

/* The same in one call, of candidates (count). */
const char *nearest_of(const char *name, const char *const *candidates, size_t count);

#endif
