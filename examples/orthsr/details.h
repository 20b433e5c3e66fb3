/* details.h - what result.json tells of a run beyond its options and scores, for the page and for other programs. */
#ifndef DETAILS_H
#define DETAILS_H

#include <jansson.h>

#include <orthsr/orthsr.h>

#include "gallery.h"
#include "tally.h"

typedef struct details {
    const orthsr_model *model;
    const orthsr_adapter *adapter;      /* NULL: none */
    const orthsr_dataset *shots, *test; /* NULL: none */
    const char *const *templates;       /* (n_templates): of the frozen model */
    size_t n_templates;
    gallery_cut cut;
    const char *directory;       /* where the pictures go */
    const tally *before, *after; /* of test */
} details;

/* An object with "per_class", "confusion" (tally.h), "rotations" (rotation.h), "shots" (gallery.h), "model" and "versions"; those of which nothing is known are
 * left out. */
orthsr_status details_json(json_t **out, const details *d, orthsr_error *error);

#endif
