/* images.h - the image side of a training step: images as they are and cut, seen by the frozen model and by the tuned one.
 *
 * The frozen model's log-probabilities of an image that is the same in every epoch are formed once; so are those of the image with its holes, where these stay,
 * too. Else they are formed in the step, from the very pixels that the tuned model sees.
 */
#ifndef ORTHSR_TRAIN_IMAGES_H
#define ORTHSR_TRAIN_IMAGES_H

#include "clip/encoder.h"
#include "data/feed.h"
#include "train/objective.h"
#include "train/options.h"
#include "train/phases.h"

/* What the frozen model says of all items. */
typedef struct orthsr__seen {
    real *features, *log_p; /* (items, embed), (items, classes); NULL where they change with the epoch */
    float *maps;            /* (items, grid, grid): what attentive CutOut cuts by; else, and of images that are cut, NULL */
} orthsr__seen;

typedef struct orthsr__images {
    const orthsr_model *model;
    const orthsr_dataset *dataset;
    const orthsr_trainer_options *options;
    orthsr__phases *phases;
    size_t items, tile, grid, pixel_count; /* tile: images at once; grid: patches a side; pixel_count: floats of one input */
    orthsr__encoder frozen;                /* gone when it is not needed in a step */
    orthsr__objective anchor;              /* the frozen branch: its class features, from its own templates */
    orthsr__feed *feed;                    /* of the steps' images */
    size_t unreadable;                     /* met before the first step */
    size_t *instead;                       /* (items): what stands in place of an item that cannot be read, else itself; NULL where the feed says it */
    size_t *at, *labels;                   /* (tile): items and their labels, these seven of the tile at hand */
    float *pixels;                         /* (tile, 3, size, size) */
    float *maps;                           /* (tile, grid, grid) */
    real *features, *log_p;                /* (tile, embed), (tile, classes): the frozen model's */
    real *tuned;                           /* (tile, embed): the tuned model's features, then their gradients */
    orthsr__seen seen[ORTHSR__PARTS];      /* of the images as they are, without augmentation; and cut, see cut_stays */
} orthsr__images;

/* Borrows all of them. One pass of the frozen model over class prompts and, without augmentation, items, which ranks share out. Errors: those of reading
 * images, of encoding text, NUMERIC, MEMORY. */
orthsr_status orthsr__images_new(orthsr__images *images, const orthsr_model *model, const orthsr_dataset *dataset, const orthsr_trainer_options *options,
                                 orthsr__phases *phases, orthsr__pool *pool, size_t tile_rows, orthsr_error *error);

/* Which image a rank looks at k-th, over all its steps; see orthsr__supply. Before the first batch;
 * nothing is read where steps need no pixels. MEMORY. */
orthsr_status orthsr__images_feed(orthsr__images *images, const orthsr__encoder *encoder, orthsr__request request, void *context, orthsr_error *error);
void orthsr__images_free(orthsr__images *images); /* safe on a zeroed struct */

/* Before a batch's first shard, whose first image is the k-th of the feed. */
orthsr_status orthsr__images_begin(orthsr__images *images, orthsr__encoder *encoder, size_t k, orthsr_error *error);

/* Between orthsr__objective_begin and _end: all terms of a shard's items (n), of a batch of `batch`, go into the objective's sums, and their gradient through
 * the image tower is ADDED to grad_rotations. */
orthsr_status orthsr__images_gradient(orthsr__images *images, orthsr__encoder *encoder, orthsr__objective *objective, const size_t *items, size_t n,
                                      size_t batch, size_t epoch, real *grad_rotations, orthsr_error *error);

#endif
