/* order.h - in which order an epoch goes through the items: it follows from the seed and the epoch alone. */
#ifndef ORTHSR_TRAIN_ORDER_H
#define ORTHSR_TRAIN_ORDER_H

#include <stdbool.h>

#include <orthsr/dataset.h>

typedef struct orthsr__order {
    size_t items;
    uint64_t seed;
    bool plain;   /* as they are in the dataset */
    size_t *list; /* (items): of the epoch last asked for; NULL: too many for a list, each is computed */
    size_t epoch; /* SIZE_MAX: none yet */
} orthsr__order;

/* One batch of everything needs no order: its sums keep the dataset's. Free in any case. MEMORY. */
orthsr_status orthsr__order_new(orthsr__order *order, const orthsr_dataset *dataset, size_t batch, uint64_t seed, orthsr_error *error);
void orthsr__order_free(orthsr__order *order); /* safe on a zeroed struct */

/* The item at a place (below items) of an epoch. */
size_t orthsr__order_item(orthsr__order *order, size_t epoch, size_t place);

#endif
