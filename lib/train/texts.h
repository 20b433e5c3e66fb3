/* texts.h - the text side of training: class prompts to features, their gradient back, and the learned context's own descent. */
#ifndef ORTHSR_TRAIN_TEXTS_H
#define ORTHSR_TRAIN_TEXTS_H

#include "clip/context.h"
#include "clip/encoder.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/shards.h"

typedef struct orthsr__texts {
    const orthsr_model *model;
    orthsr_prompt *prompt;             /* the one that is trained; NULL: templates */
    size_t classes, templates, embed;  /* templates: 1 with a learned prompt */
    size_t prompts;                    /* classes * templates */
    int32_t *tokens;                   /* (prompts, context_length) */
    real *features, *grad_features;    /* (prompts, embed), raw */
    size_t present;                    /* the first prompt of the tile whose activations the encoder has */
    real *grad_context, *next_context; /* (prompt->count): its gradient; where the step being made goes */
    orthsr_optimizer *optimizer;       /* of the context */
    double learning_rate;              /* of the context, at its height */
} orthsr__texts;

/* Prompts of the dataset's classes: in the learned prompt, or with prompt NULL in the options' templates. Free in any case. */
orthsr_status orthsr__texts_new(orthsr__texts *texts, const orthsr_model *model, orthsr_prompt *prompt, const orthsr_dataset *dataset,
                                const orthsr_trainer_options *options, orthsr_error *error);
void orthsr__texts_free(orthsr__texts *texts); /* safe on a zeroed struct */

/* The optimizer of the context, by the adapter's kind: SGD or AdamW. alone: nothing else is trained, so that the options' learning rate is the context's. */
orthsr_status orthsr__texts_descend(orthsr__texts *texts, const orthsr_trainer_options *options, orthsr_optimizer_kind kind, bool alone, orthsr_error *error);

/* This rank's prompts' raw features into texts->features, shard by shard. encoder->context is the learned prompt's. */
orthsr_status orthsr__texts_encode(orthsr__texts *texts, orthsr__encoder *encoder, const orthsr__shards *shards, orthsr_error *error);

/* From texts->grad_features of a shard: ADDS to grad_rotations and texts->grad_context. The encoder's last texts were those of orthsr__texts_encode, or of
 * this. */
orthsr_status orthsr__texts_backward(orthsr__texts *texts, orthsr__encoder *encoder, const orthsr__shards *shards, size_t shard, real *grad_rotations,
                                     orthsr_error *error);

/* Where the prompts of a shard begin. */
size_t orthsr__texts_begin(const orthsr__texts *texts, const orthsr__shards *shards, size_t shard);

/* One step of the context in two parts: after propose, commit makes it and undo takes it back. Nothing to do without a learned prompt. */
orthsr_status orthsr__texts_propose(orthsr__texts *texts, double lr, orthsr_error *error);
void orthsr__texts_commit(orthsr__texts *texts);
void orthsr__texts_undo(orthsr__texts *texts);

#endif
