/* few_shot.c - the few shots of every class: the same items that CoOp and Dassl draw. */
#include <stdlib.h>

#include "base/fail.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/dataset.h"

/* The work of one draw. */
typedef struct drawing {
    size_t *by_class; /* (count) items class by class, in the dataset's order within a class */
    size_t *begin;    /* (n_classes) where a class begins in by_class */
    size_t *filled;   /* (n_classes) how many of its items are there already */
    size_t *labels;   /* (n_labels) the classes that have items, in order of first appearance */
    size_t n_labels;
    size_t *chosen; /* (n_chosen), room for count */
    size_t n_chosen;
    bool *taken; /* (count) */
} drawing;

static void drawing_free(drawing *draw) {
    free(draw->by_class);
    free(draw->begin);
    free(draw->filled);
    free(draw->labels);
    free(draw->chosen);
    free(draw->taken);
}

static orthsr_status drawing_make(drawing *draw, const orthsr_dataset *dataset, orthsr_error *error) {
    size_t count = dataset->count, n_classes = dataset->n_classes;
    *draw = (drawing){.by_class = orthsr__calloc(count, sizeof(size_t)),
                      .begin = orthsr__calloc(n_classes, sizeof(size_t)),
                      .filled = orthsr__calloc(n_classes, sizeof(size_t)),
                      .labels = orthsr__calloc(n_classes, sizeof(size_t)),
                      .chosen = orthsr__calloc(count, sizeof(size_t)),
                      .taken = orthsr__calloc(count, sizeof(bool))};
    if (!draw->by_class || !draw->begin || !draw->filled || !draw->labels || !draw->chosen || !draw->taken) return orthsr__fail_memory(error, "a draw");
    size_t *labels;
    orthsr_status status = orthsr__dataset_labels(&labels, dataset, error);
    for (size_t i = 1; i < n_classes; i++) draw->begin[i] = draw->begin[i - 1] + dataset->class_sizes[i - 1];
    for (size_t i = 0; i < count && !status; i++) {
        size_t label = labels[i];
        if (draw->filled[label] == 0) draw->labels[draw->n_labels++] = label;
        draw->by_class[draw->begin[label] + draw->filled[label]++] = i;
    }
    free(labels);
    return status;
}

/* random.sample(items, shots) of a class, or all its items when they are fewer. */
static orthsr_status draw_class(drawing *draw, orthsr__random *random, size_t label, size_t shots, orthsr_error *error) {
    const size_t *items = draw->by_class + draw->begin[label];
    size_t size = draw->filled[label], *chosen = draw->chosen + draw->n_chosen, n = size < shots ? size : shots;
    for (size_t i = 0; i < n; i++) chosen[i] = i;
    if (size >= shots) ORTHSR__TRY(orthsr__random_sample(random, chosen, size, shots, error));
    for (size_t i = 0; i < n; i++) {
        chosen[i] = items[chosen[i]];
        draw->taken[chosen[i]] = true;
    }
    draw->n_chosen += n;
    return ORTHSR_OK;
}

/* The views of what was chosen and, when wanted, of the rest. */
static orthsr_status make_views(orthsr_dataset **out, orthsr_dataset **rest, const orthsr_dataset *dataset, const drawing *draw, orthsr_error *error) {
    orthsr_dataset *drawn = orthsr__dataset_view(dataset, draw->n_chosen, 0, dataset->n_classes);
    orthsr_dataset *left = rest ? orthsr__dataset_view(dataset, dataset->count - draw->n_chosen, 0, dataset->n_classes) : NULL;
    orthsr_status status = drawn && (left || !rest) ? ORTHSR_OK : orthsr__fail_memory(error, "a draw");
    for (size_t i = 0; i < draw->n_chosen && !status; i++) status = orthsr__dataset_take(drawn, i, dataset, draw->chosen[i], 0, error);
    for (size_t i = 0, n = 0; i < dataset->count && left && !status; i++)
        if (!draw->taken[i]) status = orthsr__dataset_take(left, n++, dataset, i, 0, error);
    if (status) {
        orthsr_dataset_free(drawn);
        orthsr_dataset_free(left);
        return status;
    }
    orthsr__dataset_count_classes(drawn);
    *out = drawn;
    if (!rest) return ORTHSR_OK;
    orthsr__dataset_count_classes(left);
    *rest = left;
    return ORTHSR_OK;
}

/* All of a manifest stays where it is: *rest is empty. */
static orthsr_status take_all(orthsr_dataset **out, orthsr_dataset **rest, const orthsr_dataset *dataset, orthsr_error *error) {
    orthsr_dataset *all = orthsr__dataset_view(dataset, 0, 0, dataset->n_classes);
    orthsr_dataset *none = rest ? orthsr__dataset_view(dataset, 0, 0, dataset->n_classes) : NULL;
    if (!all || (rest && !none)) {
        orthsr_dataset_free(all);
        orthsr_dataset_free(none);
        return orthsr__fail_memory(error, "a draw");
    }
    all->manifest = dataset->manifest;
    all->count = dataset->count;
    for (size_t i = 0; i < dataset->n_classes; i++) all->class_sizes[i] = dataset->class_sizes[i];
    *out = all;
    if (rest) *rest = none;
    return ORTHSR_OK;
}

/* Shots of every class (0: everything, in order), going on with random. Free draw in any case. */
static orthsr_status draw_classes(drawing *draw, orthsr__random *random, const orthsr_dataset *dataset, size_t shots, orthsr_error *error) {
    ORTHSR__TRY(drawing_make(draw, dataset, error));
    for (size_t i = 0; i < draw->n_labels && shots; i++) ORTHSR__TRY(draw_class(draw, random, draw->labels[i], shots, error));
    for (size_t i = 0; i < dataset->count && !shots; i++) {
        draw->taken[i] = true;
        draw->chosen[draw->n_chosen++] = i;
    }
    return ORTHSR_OK;
}

orthsr_status orthsr_dataset_draw(orthsr_dataset **out, orthsr_dataset **rest, const orthsr_dataset *dataset, size_t shots, uint64_t seed,
                                  orthsr_error *error) {
    if (out) *out = NULL;
    if (rest) *rest = NULL;
    ORTHSR__REQUIRE(out && dataset, error, "out or dataset is NULL");
    if (dataset->manifest && shots == 0) return take_all(out, rest, dataset, error);
    drawing draw;
    orthsr__random random;
    orthsr__random_seed(&random, seed);
    orthsr_status status = draw_classes(&draw, &random, dataset, shots, error);
    if (!status) status = make_views(out, rest, dataset, &draw, error);
    drawing_free(&draw);
    return status;
}

orthsr_status orthsr_dataset_draw_validation(orthsr_dataset **out, const orthsr_dataset *train, const orthsr_dataset *validation, size_t shots, uint64_t seed,
                                             orthsr_error *error) {
    enum { MOST = 4 }; /* of a class */
    if (out) *out = NULL;
    ORTHSR__REQUIRE(out && train && validation, error, "out, train or validation is NULL");
    if (validation->manifest && shots == 0) return take_all(out, NULL, validation, error);
    drawing before, draw = {0};
    orthsr__random random;
    orthsr__random_seed(&random, seed);
    orthsr_status status = draw_classes(&before, &random, train, shots, error); /* for what it takes of the random numbers */
    if (!status) status = draw_classes(&draw, &random, validation, shots < MOST ? shots : MOST, error);
    if (!status) status = make_views(out, NULL, validation, &draw, error);
    drawing_free(&draw);
    drawing_free(&before);
    return status;
}
