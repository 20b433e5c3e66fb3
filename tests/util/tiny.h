/* tiny.h - the tiny Hugging Face model with the images and labels of its trajectory fixture: what tests of training begin with. */
#ifndef TESTS_UTIL_TINY_H
#define TESTS_UTIL_TINY_H

#include "util/fixture.h"

#define TINY_MODEL "tests/data/clip/hf"
enum { TINY_ITEMS = 12, TINY_SIZE = 16, TINY_CLASSES = 3 };

static const char *const tiny_names[TINY_CLASSES] = {"cat", "dog", "t-shirt"};

/* pixels (TINY_ITEMS, TINY_SIZE, TINY_SIZE, 3); NULL: the fixture's. */
static inline void tiny_open(fixture *f, orthsr_model **model, orthsr_dataset **dataset, const uint8_t *pixels) {
    orthsr_error error;
    fixture_open(f, TINY_MODEL "/trajectory.safetensors");
    ck_ok(orthsr_model_open(model, TINY_MODEL, &error));
    ck_ok(orthsr_dataset_new(dataset, pixels ? pixels : fixture_raw(f, "images", 1, NULL), TINY_ITEMS, TINY_SIZE, TINY_SIZE, 3,
                             fixture_raw(f, "labels", 4, NULL), tiny_names, TINY_CLASSES, &error));
}

static inline void tiny_close(fixture *f, orthsr_model *model, orthsr_dataset *dataset) {
    orthsr_dataset_free(dataset);
    orthsr_model_free(model);
    fixture_close(f);
}

#endif
