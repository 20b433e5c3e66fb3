/* options.h (internal) - what a training run is told. */
#ifndef ORTHSR_TRAIN_OPTIONS_H
#define ORTHSR_TRAIN_OPTIONS_H

#include <stdbool.h>

#include <orthsr/trainer.h>

struct orthsr_trainer_options {
    orthsr_optimizer_kind optimizer;
    orthsr_retraction retraction;
    bool optimizer_set, retraction_set; /* chosen, rather than left to the parametrisation */
    float learning_rate;                /* 0: orthsr__default_learning_rate */
    float momentum, weight_decay;
    orthsr_schedule schedule;
    size_t warmup_epochs, epochs;
    size_t batch_size; /* 0: all items */
    float kl_weight;
    orthsr_kl_direction kl_direction;
    uint64_t seed;
    char **templates; /* (template_count) */
    size_t template_count;
};

orthsr_status orthsr__trainer_options_copy(orthsr_trainer_options **out, const orthsr_trainer_options *options, orthsr_error *error);

#endif
