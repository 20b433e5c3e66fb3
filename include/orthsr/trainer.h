/* trainer.h - OrthSR few-shot training: cross-entropy on the shots, the frozen model as anchor.
 *
 * The loss of a batch is  CE(x) + kl_weight KL(frozen || tuned)(x),  means over the batch, KL summed over classes, logits = logit_scale
 * times cosines of image and class features. It has no other state than adapter, optimizer, step and seed.
 */
#ifndef ORTHSR_TRAINER_H
#define ORTHSR_TRAINER_H

#include <stddef.h>
#include <stdint.h>

#include <orthsr/adapter.h>
#include <orthsr/dataset.h>
#include <orthsr/model.h>
#include <orthsr/optimizer.h>
#include <orthsr/ortho.h>
#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

typedef enum orthsr_optimizer_kind { ORTHSR_SGD = 0, ORTHSR_ADAMW = 1, ORTHSR_RSGD = 2, ORTHSR_RADAM = 3 } orthsr_optimizer_kind; /* Since 0.1. */
typedef enum orthsr_schedule { ORTHSR_SCHEDULE_CONSTANT = 0, ORTHSR_SCHEDULE_COSINE = 1 } orthsr_schedule;                        /* Since 0.1. */
typedef enum orthsr_kl_direction { ORTHSR_KL_FROZEN_TUNED = 0, ORTHSR_KL_TUNED_FROZEN = 1 } orthsr_kl_direction;                  /* Since 0.1. */

/* What one step reports. Since 0.1. */
typedef enum orthsr_metric {
    ORTHSR_METRIC_LOSS = 0,          /* the weighted sum that was minimised */
    ORTHSR_METRIC_CE = 1,            /* cross-entropy, nats */
    ORTHSR_METRIC_KL = 2,            /* KL to the frozen model, nats, unweighted */
    ORTHSR_METRIC_LEARNING_RATE = 3, /* used by this step */
    ORTHSR_METRIC_ORTHOGONALITY = 4, /* max |A^T A - I| after this step */
    ORTHSR_METRIC_BATCH_ACCURACY = 5 /* 0..1, before this step's update */
} orthsr_metric;

typedef struct orthsr_trainer_options orthsr_trainer_options;
typedef struct orthsr_trainer orthsr_trainer;

/* Defaults: AdamW (0.9, 0.999, 1e-8), or for ORTHSR_MANIFOLD RAdam with the QR retraction; learning rate 0 = by parametrisation and widest block, see
 * docs/training.md; weight decay 0.01 (the Riemannian optimizers have none); cosine over all
 * epochs, no warm-up; 60 epochs; one batch of all items up to 128; kl_weight 1; seed 1; template "a photo of a {}.".
 * Errors: ARGUMENT, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_options_new(orthsr_trainer_options **out, orthsr_error *error);
ORTHSR_API void orthsr_trainer_options_free(orthsr_trainer_options *options);

/* Setters. Errors: ARGUMENT (out of the range stated); the option keeps its value then. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_optimizer(orthsr_trainer_options *options, orthsr_optimizer_kind kind, orthsr_error *error);
/* Of RSGD and RAdam, which train ORTHSR_MANIFOLD and nothing else; orthsr_trainer_new refuses what does not go together. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_retraction(orthsr_trainer_options *options, orthsr_retraction retraction, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_learning_rate(orthsr_trainer_options *options, float lr, orthsr_error *error);   /* >= 0; 0 = default */
ORTHSR_API orthsr_status orthsr_trainer_options_set_momentum(orthsr_trainer_options *options, float momentum, orthsr_error *error);  /* [0, 1); (R)SGD */
ORTHSR_API orthsr_status orthsr_trainer_options_set_weight_decay(orthsr_trainer_options *options, float decay, orthsr_error *error); /* >= 0 */
ORTHSR_API orthsr_status orthsr_trainer_options_set_schedule(orthsr_trainer_options *options, orthsr_schedule schedule, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_warmup_epochs(orthsr_trainer_options *options, size_t epochs, orthsr_error *error); /* at lr 1e-5 */
ORTHSR_API orthsr_status orthsr_trainer_options_set_epochs(orthsr_trainer_options *options, size_t epochs, orthsr_error *error);        /* >= 1 */
ORTHSR_API orthsr_status orthsr_trainer_options_set_batch_size(orthsr_trainer_options *options, size_t batch, orthsr_error *error);     /* 0 = all items */
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_weight(orthsr_trainer_options *options, float weight, orthsr_error *error);      /* >= 0 */
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_direction(orthsr_trainer_options *options, orthsr_kl_direction direction, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_seed(orthsr_trainer_options *options, uint64_t seed, orthsr_error *error); /* order of items */
/* Replaces the templates by these n >= 1, each with one "{}"; copied. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_templates(orthsr_trainer_options *options, const char *const *templates, size_t n, orthsr_error *error);

/* Borrows model, adapter and dataset, which must outlive the trainer; copies options (NULL: the defaults). Encodes the frozen
 * features of all items and classes, which takes a pass over the dataset.
 * Errors: ARGUMENT (also an optimizer or a retraction that cannot train this adapter), MISMATCH (adapter and model), those of reading images, of encoding text,
 * NUMERIC, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_new(orthsr_trainer **out, const orthsr_model *model, orthsr_adapter *adapter, const orthsr_dataset *dataset,
                                            const orthsr_trainer_options *options, orthsr_error *error);
ORTHSR_API void orthsr_trainer_free(orthsr_trainer *trainer); /* NULL is a no-op. Since 0.1. */

/* One optimizer step on the next batch. Errors: NUMERIC (loss or gradient not finite: names step and layer; adapter and optimizer are
 * as before the step), ARGUMENT (all steps are done), those of reading an image, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_step(orthsr_trainer *trainer, orthsr_error *error);

/* Called after every step; a non-zero return stops the run with ORTHSR_ERROR_CANCELLED. Since 0.1. */
typedef int (*orthsr_trainer_callback)(const orthsr_trainer *trainer, void *payload);

/* All steps that are left. callback may be NULL. Errors: those of orthsr_trainer_step, CANCELLED. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_run(orthsr_trainer *trainer, orthsr_trainer_callback callback, void *payload, orthsr_error *error);

ORTHSR_API size_t orthsr_trainer_step_count(const orthsr_trainer *trainer);                   /* steps made. Since 0.1. */
ORTHSR_API size_t orthsr_trainer_step_total(const orthsr_trainer *trainer);                   /* steps of the whole run. Since 0.1. */
ORTHSR_API size_t orthsr_trainer_epoch(const orthsr_trainer *trainer);                        /* epoch of the last step, from 0. Since 0.1. */
ORTHSR_API double orthsr_trainer_metric(const orthsr_trainer *trainer, orthsr_metric metric); /* of the last step; NaN before it. Since 0.1. */

ORTHSR_END_DECLS

#endif
