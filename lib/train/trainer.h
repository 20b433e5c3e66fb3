/* trainer.h (internal) - what a trainer has: shared by its steps (trainer.c), its description (run.c) and its checkpoints (checkpoint.c). */
#ifndef ORTHSR_TRAIN_TRAINER_H
#define ORTHSR_TRAIN_TRAINER_H

#include <orthsr/trainer.h>

#include "adapter/adapter.h"
#include "clip/encoder.h"
#include "train/descent.h"
#include "train/images.h"
#include "train/objective.h"
#include "train/options.h"
#include "train/order.h"
#include "train/phases.h"
#include "train/run.h"
#include "train/shards.h"
#include "train/texts.h"

enum { ORTHSR__METRICS = ORTHSR_METRIC_KL_CUT + 1 };

struct orthsr_trainer {
    const orthsr_model *model;
    orthsr_adapter *adapter; /* without targets, and own_adapter, when only a prompt is trained */
    orthsr_adapter *own_adapter;
    orthsr__texts texts; /* with a learned prompt, or the templates */
    const orthsr_dataset *dataset;
    orthsr_trainer_options *options;
    orthsr__descent descent; /* of the adapter */
    orthsr__pool *pool;
    orthsr__encoder encoder;
    orthsr__objective objective;
    orthsr__images images;
    orthsr__shards shards;
    orthsr__summed *image_sums, *text_sums; /* (image_sum_count), (text_sum_count): what shards add up, of images and of class prompts */
    size_t image_sum_count, text_sum_count;
    size_t image_matrices, text_matrices; /* how many of these are stretches of grad_rotations: the first ones */
    size_t *prompt_begins;                /* (ranks + 1): each rank's class prompts */
    size_t items;
    size_t batch, steps_per_epoch, step, epoch;
    orthsr__order order, feed_order; /* of the step being made; of the images that are read ahead, by the feed's threads alone */
    size_t *at;                      /* (batch): items of the step being made */
    double metric[ORTHSR__METRICS];
    orthsr__phases phases; /* of the last step */
    double work;           /* likewise */
    uint64_t weights;      /* checksum of the model's, once ranks have compared it; 0 before */
    orthsr__run run;       /* what is trained and how, once a checkpoint has asked for it */
};

#endif
