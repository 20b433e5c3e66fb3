/* config.h - what the targets of a model's configuration have in common: the weights of a small model, under a config of any kind. */
#ifndef TESTS_FUZZ_CONFIG_H
#define TESTS_FUZZ_CONFIG_H

#include <stdlib.h>

#include "base/memory.h"
#include "clip/model.h"
#include "fuzz/files.h"

/* model: read from directory, whose config stands in memory when this is called. */
static inline void fuzz_config(const orthsr_model *model, const char *directory) {
    orthsr_model *other = calloc(1, sizeof *other);
    orthsr_error error = {""};
    fuzz_require(other && (other->expected = calloc(orthsr_model_tensor_count(model) + 1, sizeof *other->expected)), "memory for a model");
    other->directory = model->directory;
    other->files = model->files;
    other->file_count = model->file_count;
    orthsr_status status = orthsr__config_read(other, &error);
    if (status == ORTHSR_OK) {
        other->image = (orthsr__tower){.config = other->config.image};
        other->text = (orthsr__tower){.config = other->config.text, .causal = true};
        status = orthsr__weights_load(other, &error);
    }
    fuzz_check(status, &error, directory);
    other->directory = NULL; /* these are the model's own */
    other->files = NULL;
    other->file_count = 0;
    orthsr_model_free(other);
}

#endif
