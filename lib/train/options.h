/* options.h (internal) - what a training run is told. */
#ifndef ORTHSR_TRAIN_OPTIONS_H
#define ORTHSR_TRAIN_OPTIONS_H

#include <stdbool.h>

#include <orthsr/trainer.h>

enum { ORTHSR__MAX_HOLES = 64 };

struct orthsr_trainer_options {
    orthsr_optimizer_kind optimizer;
    orthsr_retraction retraction;
    bool optimizer_set, retraction_set; /* chosen, rather than left to the parametrisation */
    float learning_rate;                /* 0: orthsr__default_learning_rate */
    float context_learning_rate;        /* 0: by the optimizer */
    float momentum, weight_decay;
    orthsr_schedule schedule;
    size_t warmup_epochs, epochs; /* epochs 0: orthsr__default_epochs */
    size_t batch_size;            /* 0: all items */
    float kl_weight;              /* negative: orthsr__kl_weight's choice */
    float ce_cut_weight, kl_cut_weight, kl_temperature;
    orthsr_kl_direction kl_direction;
    orthsr_kl_reduction kl_reduction;
    orthsr_schedule kl_schedule;
    bool kl_confidence;
    orthsr_augmentation augmentation;
    orthsr_cutout cutout;
    orthsr_cutout_source cutout_source;
    orthsr_cutout_fill cutout_fill;
    float cutout_size; /* 0: orthsr__cutout_size's choice */
    float cutout_probability;
    size_t cutout_holes;
    uint64_t seed;
    size_t threads;       /* 0: one for every processor */
    size_t memory_budget; /* bytes of activations; 0: tiles are of ORTHSR__TILE_ROWS */
    size_t readers;       /* threads that read images ahead */
    bool skip_unreadable;
    size_t shards;
    orthsr_collective *collective; /* borrowed; NULL: one rank */
    char **templates;              /* (template_count) */
    size_t template_count;
    char **frozen_templates;      /* (frozen_template_count) */
    size_t frozen_template_count; /* 0: as the tuned branch's */
};

orthsr_status orthsr__trainer_options_copy(orthsr_trainer_options **out, const orthsr_trainer_options *options, orthsr_error *error);

/* Replaces *templates (*count) by copies of n others. */
orthsr_status orthsr__templates_replace(char ***templates, size_t *count, const char *const *others, size_t n, orthsr_error *error);

/* What was set, or the default beside what was. */
float orthsr__kl_weight(const orthsr_trainer_options *options);
float orthsr__cutout_size(const orthsr_trainer_options *options);

#endif
