/* order.c - the order of items. */
#include "train/order.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/fail.h"
#include "base/memory.h"
#include "base/permutation.h"
#include "base/random.h"
#include "data/dataset.h"

orthsr_status orthsr__order_new(orthsr__order *order, const orthsr_dataset *dataset, size_t batch, uint64_t seed, orthsr_error *error) {
    *order = (orthsr__order){.items = dataset->count, .seed = seed, .plain = batch == dataset->count, .epoch = SIZE_MAX};
    if (order->plain || dataset->manifest) return ORTHSR_OK; /* a manifest may be longer than memory */
    order->list = orthsr__aligned(order->items, sizeof *order->list);
    return order->list ? ORTHSR_OK : orthsr__fail_memory(error, "the order of items");
}

void orthsr__order_free(orthsr__order *order) {
    free(order->list);
    *order = (orthsr__order){0};
}

static uint64_t key_of(const orthsr__order *order, size_t epoch) { return order->seed * 1000003u + epoch; }

size_t orthsr__order_item(orthsr__order *order, size_t epoch, size_t place) {
    if (order->plain) return place;
    if (!order->list) return orthsr__permute(place, order->items, key_of(order, epoch));
    if (epoch != order->epoch) {
        orthsr__random random;
        for (size_t i = 0; i < order->items; i++) order->list[i] = i;
        orthsr__random_seed(&random, key_of(order, epoch));
        orthsr__random_shuffle(&random, order->list, order->items);
        order->epoch = epoch;
    }
    return order->list[place];
}
