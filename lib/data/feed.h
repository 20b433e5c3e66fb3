/* feed.h - images that threads of their own read, decode and make a model's input, ahead of whoever takes them: in order, and no more than there is room for.
 */
#ifndef ORTHSR_DATA_FEED_H
#define ORTHSR_DATA_FEED_H

#include <stdbool.h>

#include "data/dataset.h"

typedef struct orthsr__feed orthsr__feed;

enum { ORTHSR__MAX_READERS = 64 };

/* Which item comes k-th, and in which epoch; false: there is no k-th. Called by one thread at a time, k never less than before but after orthsr__feed_begin. */
typedef bool (*orthsr__request)(void *context, size_t k, size_t *item, size_t *epoch);

/* What to do about an image that cannot be read. */
typedef enum orthsr__unreadable {
    ORTHSR__UNREADABLE_FAILS,
    ORTHSR__UNREADABLE_REPLACED, /* by the next item of the dataset that can be */
    ORTHSR__UNREADABLE_LEFT_OUT  /* it comes without pixels */
} orthsr__unreadable;

typedef struct orthsr__supply {
    const orthsr_dataset *dataset;
    const orthsr_model *model;
    bool augmented; /* by seed, epoch and item */
    uint64_t seed;
    orthsr__unreadable unreadable;
    orthsr__request request;
    void *context;
} orthsr__supply;

/* The request of items first .. end - 1, as they are; its context. */
typedef struct orthsr__range {
    size_t first, end;
} orthsr__range;
bool orthsr__next_of_range(void *context, size_t k, size_t *item, size_t *epoch);

/* readers threads, 0: images are read when they are taken; room for so many images. What supply names is borrowed. MEMORY. */
orthsr_status orthsr__feed_new(orthsr__feed **out, const orthsr__supply *supply, size_t readers, size_t room, orthsr_error *error);
void orthsr__feed_free(orthsr__feed *feed); /* NULL is a no-op */

/* The next to be taken is the k-th, wherever it was. */
void orthsr__feed_begin(orthsr__feed *feed, size_t k);

/* The next image: pixels (3, size, size), of which item, and its label. *left_out (may be NULL): it could not be read. There must be a next one. Errors: those
 * of orthsr_dataset_pixels. */
orthsr_status orthsr__feed_take(orthsr__feed *feed, float *pixels, size_t *item, size_t *label, bool *left_out, orthsr_error *error);

/* Images that could not be read, so far. */
size_t orthsr__feed_unreadable(const orthsr__feed *feed);

#endif
