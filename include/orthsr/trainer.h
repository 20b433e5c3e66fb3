/* trainer.h - OrthSR few-shot training: cross-entropy on the shots, the frozen model as anchor.
 *
 * The loss of a batch is  CE(x) + kl_weight KL(frozen || tuned)(x),  and with CutOut also  ce_cut_weight CE(cut x) + kl_cut_weight KL(frozen || tuned)(cut x);
 * means over the batch, KL summed over classes, logits = logit_scale times cosines of image and class features (docs/training.md, docs/cutout.md). It has
 * no other state than adapter, optimizer, step and seed.
 */
#ifndef ORTHSR_TRAINER_H
#define ORTHSR_TRAINER_H

#include <stddef.h>
#include <stdint.h>

#include <orthsr/adapter.h>
#include <orthsr/collective.h>
#include <orthsr/cutout.h>
#include <orthsr/dataset.h>
#include <orthsr/model.h>
#include <orthsr/optimizer.h>
#include <orthsr/ortho.h>
#include <orthsr/prompt.h>
#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

/* By what rule parameters move. Since 0.1. */
typedef enum orthsr_optimizer_kind {
    ORTHSR_SGD = 0,   /* orthsr_optimizer_sgd */
    ORTHSR_ADAMW = 1, /* orthsr_optimizer_adamw */
    ORTHSR_RSGD = 2,  /* orthsr_optimizer_rsgd, for ORTHSR_MANIFOLD alone */
    ORTHSR_RADAM = 3  /* orthsr_optimizer_radam, for ORTHSR_MANIFOLD alone */
} orthsr_optimizer_kind;

/* How a rate or a weight runs over the epochs. Since 0.1. */
typedef enum orthsr_schedule {
    ORTHSR_SCHEDULE_CONSTANT = 0, /* as it is set */
    ORTHSR_SCHEDULE_COSINE = 1    /* times (1 + cos(pi epoch / epochs)) / 2 */
} orthsr_schedule;

/* Which way the Kullback-Leibler divergence is taken. Since 0.1. */
typedef enum orthsr_kl_direction {
    ORTHSR_KL_FROZEN_TUNED = 0, /* KL(frozen || tuned) */
    ORTHSR_KL_TUNED_FROZEN = 1  /* KL(tuned || frozen) */
} orthsr_kl_direction;

/* How it is made one number. Since 0.1. */
typedef enum orthsr_kl_reduction {
    ORTHSR_KL_BATCH_MEAN = 0, /* summed over classes, the mean over the batch */
    ORTHSR_KL_MEAN = 1        /* the mean over both, PromptSRC's */
} orthsr_kl_reduction;

/* What is done to an image before it is trained on. Since 0.1. */
typedef enum orthsr_augmentation {
    ORTHSR_AUGMENT_NONE = 0,    /* nothing */
    ORTHSR_AUGMENT_STANDARD = 1 /* a random part of 8 to 100 % of the image, resized, and a flip in half of the cases */
} orthsr_augmentation;

/* What is trained, and the settings it is trained with. Since 0.1. */
typedef enum orthsr_method {
    ORTHSR_METHOD_ORTHSR = 0,     /* an adapter: the defaults of orthsr_trainer_options_new */
    ORTHSR_METHOD_COOP = 1,       /* a learned prompt alone, as CoOp: SGD at 0.002, momentum 0.9, weight decay 5e-4, cosine after one epoch of warm-up, 200
                                   * epochs, batches of 32, cross-entropy alone */
    ORTHSR_METHOD_COOP_ORTHSR = 2 /* both: as ORTHSR_METHOD_ORTHSR, the context at its own rate */
} orthsr_method;

/* What one step reports. Since 0.1. */
typedef enum orthsr_metric {
    ORTHSR_METRIC_LOSS = 0,           /* the weighted sum that was minimised */
    ORTHSR_METRIC_CE = 1,             /* cross-entropy, nats */
    ORTHSR_METRIC_KL = 2,             /* KL to the frozen model, nats, unweighted, at the temperature and reduction set */
    ORTHSR_METRIC_LEARNING_RATE = 3,  /* used by this step */
    ORTHSR_METRIC_ORTHOGONALITY = 4,  /* max |A^T A - I| after this step */
    ORTHSR_METRIC_BATCH_ACCURACY = 5, /* 0..1, before this step's update */
    ORTHSR_METRIC_CE_CUT = 6,         /* cross-entropy of the cut images; 0 without CutOut */
    ORTHSR_METRIC_KL_CUT = 7          /* KL on the cut images; 0 without CutOut */
} orthsr_metric;

typedef struct orthsr_trainer_options orthsr_trainer_options; /* How it is trained. Since 0.1. */
typedef struct orthsr_trainer orthsr_trainer;                 /* A run: model, data, what is trained, and where it has come to. Since 0.1. */

/* Defaults: AdamW (0.9, 0.999, 1e-8), or for ORTHSR_MANIFOLD RAdam with the QR retraction; learning rate 0 = by parametrisation and each target's block size,
 * see docs/training.md; weight decay 0.01 (the Riemannian optimizers have none); cosine over all epochs, no warm-up; batches of 4; 5 epochs, or as many as make
 * 100 steps but at most 50; seed 1; template "a photo of a {}.", in the frozen branch too; no augmentation and no CutOut, kl_weight 1; with CutOut the paper's
 * weights 1.5 and, of the cut images, 1 and 1; one hole in every image, black; KL summed over classes at temperature 1. Errors: ARGUMENT, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_options_new(orthsr_trainer_options **out, orthsr_error *error);
ORTHSR_API void orthsr_trainer_options_free(orthsr_trainer_options *options); /* NULL is a no-op. Since 0.1. */

/* Puts every option but seed, templates, collective and shards to the method's defaults; setters called later replace them. What is trained is said by the
 * arguments of orthsr_trainer_new_with_prompt. Errors: ARGUMENT. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_method(orthsr_trainer_options *options, orthsr_method method, orthsr_error *error);

/* Setters. Errors: ARGUMENT (out of the range stated); the option keeps its value then. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_optimizer(orthsr_trainer_options *options, orthsr_optimizer_kind kind, orthsr_error *error);
/* Of RSGD and RAdam, which train ORTHSR_MANIFOLD and nothing else; orthsr_trainer_new refuses what does not go together. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_retraction(orthsr_trainer_options *options, orthsr_retraction retraction, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_learning_rate(orthsr_trainer_options *options, float lr, orthsr_error *error); /* >= 0; 0 = default */
/* Of a learned context, >= 0. 0 = default: with no adapter the learning rate above when that is set, else 0.002 for (R)SGD and 0.001 for AdamW, which also
 * goes with RAdam. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_context_learning_rate(orthsr_trainer_options *options, float lr, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_momentum(orthsr_trainer_options *options, float momentum, orthsr_error *error);  /* [0, 1); (R)SGD */
ORTHSR_API orthsr_status orthsr_trainer_options_set_weight_decay(orthsr_trainer_options *options, float decay, orthsr_error *error); /* >= 0 */
ORTHSR_API orthsr_status orthsr_trainer_options_set_schedule(orthsr_trainer_options *options, orthsr_schedule schedule, orthsr_error *error);
/* The first epochs, at learning rate 1e-5 whatever is set; as many as there are, or more, are allowed and leave none for the rate that is set. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_warmup_epochs(orthsr_trainer_options *options, size_t epochs, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_epochs(orthsr_trainer_options *options, size_t epochs, orthsr_error *error);    /* >= 1 */
ORTHSR_API orthsr_status orthsr_trainer_options_set_batch_size(orthsr_trainer_options *options, size_t batch, orthsr_error *error); /* 0 = all items */
/* Weights of the terms, >= 0; CE(x) has 1. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_weight(orthsr_trainer_options *options, float weight, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_ce_cut_weight(orthsr_trainer_options *options, float weight, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_cut_weight(orthsr_trainer_options *options, float weight, orthsr_error *error);
/* T > 0: T^2 KL of softmax(z / T). */
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_temperature(orthsr_trainer_options *options, float temperature, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_reduction(orthsr_trainer_options *options, orthsr_kl_reduction reduction, orthsr_error *error);
/* How both KL weights run over the epochs: constant (the default), or with COSINE falling from what is set towards 0, weight (1 + cos(pi epoch / epochs)) / 2:
 * first stay near the frozen model, then fit the shots. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_schedule(orthsr_trainer_options *options, orthsr_schedule schedule, orthsr_error *error);
/* confidence != 0: each image's KL, in the metrics too, counts times the probability that the frozen model gives to the image's class, at the temperature: the
 * anchor holds where the frozen model is right. Default: 0. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_confidence(orthsr_trainer_options *options, int confidence, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_direction(orthsr_trainer_options *options, orthsr_kl_direction direction, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_augmentation(orthsr_trainer_options *options, orthsr_augmentation augmentation, orthsr_error *error);
/* CutOut: which, from what map (ATTENTIVE only), how many holes (1 to 64) of what size (a fraction of the side, in (0, 1]; 0 = 0.4, and 16 / 224 for
 * RANDOM), filled with what, and how likely an image is cut at all. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_cutout(orthsr_trainer_options *options, orthsr_cutout cutout, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_cutout_source(orthsr_trainer_options *options, orthsr_cutout_source source, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_cutout_fill(orthsr_trainer_options *options, orthsr_cutout_fill fill, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_cutout_size(orthsr_trainer_options *options, float size, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_cutout_holes(orthsr_trainer_options *options, size_t holes, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_cutout_probability(orthsr_trainer_options *options, float probability, orthsr_error *error); /* [0, 1] */
/* Order of items, augmentation, CutOut. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_seed(orthsr_trainer_options *options, uint64_t seed, orthsr_error *error);
/* Threads that the work is shared out among, the caller's included; 0: one for every processor this process may run on. Results do not depend on it. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_threads(orthsr_trainer_options *options, size_t threads, orthsr_error *error); /* at most 4096 */
/* Threads that read, decode and augment images ahead of the steps, beside those above: 0 (then a step does it, image by image) to 64, 1 by default. A few
 * images are kept ready. Results do not depend on it. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_readers(orthsr_trainer_options *options, size_t readers, orthsr_error *error);
/* skip != 0: in place of an image that cannot be read (IO, FORMAT, UNSUPPORTED) stands the next one of the dataset that can be, and orthsr_trainer_unreadable
 * counts it; when there is none at all, that is the error. Default: 0, the first such image is an error. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_skip_unreadable(orthsr_trainer_options *options, int skip, orthsr_error *error);
/* Bytes for activations, of the tuned and of the frozen model together; 0, the default: as many as tiles of a few images take. Images and class prompts are
 * taken in tiles that fit, which changes results by rounding only; nothing is computed twice for it, but prompts when they make several tiles. The model's
 * weights, the adapter and its optimizer are not in the budget. orthsr_trainer_new fails with ARGUMENT when a single image or prompt does not fit. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_memory_budget(orthsr_trainer_options *options, size_t bytes, orthsr_error *error);
/* Several ranks train one adapter: each gives its end of the connection, and the same model, data, adapter, prompt and options but for the threads and the
 * memory budget; every call of the trainer that can fail is made by all of them, but orthsr_trainer_save, for which one is enough, and fails at all of them
 * when it fails at one. Adapter, metrics and checkpoints have the same bits everywhere, and for any number of ranks. NULL, the default: one rank. Borrowed, and
 * must outlive trainers. Errors: ARGUMENT. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_collective(orthsr_trainer_options *options, orthsr_collective *collective, orthsr_error *error);
/* Parts that a batch and the class prompts are cut into, 1 (the default) to ORTHSR_MAX_RANKS; their gradients are added up in the order of a binary tree. Ranks
 * share them out, so there must be as many as ranks at least; best a power of two times these. The number of shards changes results by rounding, the number of
 * ranks does not change them. One rank that does the work of n needs room for log2(n) more gradients. Errors: ARGUMENT. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_shards(orthsr_trainer_options *options, size_t shards, orthsr_error *error);

/* Replaces the templates by these n >= 1, each with one "{}"; copied. Errors: ARGUMENT, MEMORY; the option keeps its value then. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_templates(orthsr_trainer_options *options, const char *const *templates, size_t n, orthsr_error *error);

/* The same for the frozen branch, which otherwise has those of the tuned one. Errors: ARGUMENT, MEMORY; the option keeps its value then. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_options_set_frozen_templates(orthsr_trainer_options *options, const char *const *templates, size_t n,
                                                                     orthsr_error *error);

/* Borrows model, adapter and dataset, which must outlive the trainer; copies options (NULL: the defaults). Encodes the frozen
 * features of all classes and, without augmentation, of all items, which takes a pass over the dataset.
 * Errors: ARGUMENT (also an optimizer or a retraction that cannot train this adapter), MISMATCH (adapter and model; a rank that trains something else: which,
 * and what), those of orthsr_dataset_pixels and of orthsr_session_encode_classes, NUMERIC, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_new(orthsr_trainer **out, const orthsr_model *model, orthsr_adapter *adapter, const orthsr_dataset *dataset,
                                            const orthsr_trainer_options *options, orthsr_error *error);
/* The same with a learned prompt, which is trained in place of the templates; with adapter NULL it alone is trained, the images' features are formed once, and
 * ORTHSR_METRIC_ORTHOGONALITY is 0. The frozen model's anchor keeps the templates. With prompt NULL as orthsr_trainer_new. The prompt is borrowed. A step that
 * fails leaves it as it was, too.
 * Errors: as orthsr_trainer_new; ARGUMENT also for neither adapter nor prompt, and for a class whose name does not fit into the prompt or has no context in a
 * class-specific one (named); MISMATCH also for a prompt of another width. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_new_with_prompt(orthsr_trainer **out, const orthsr_model *model, orthsr_adapter *adapter, orthsr_prompt *prompt,
                                                        const orthsr_dataset *dataset, const orthsr_trainer_options *options, orthsr_error *error);
ORTHSR_API void orthsr_trainer_free(orthsr_trainer *trainer); /* NULL is a no-op. Since 0.1. */

/* One optimizer step on the next batch. Errors: NUMERIC (loss or gradient not finite: names step and layer; adapter and optimizer are
 * as before the step), ARGUMENT (NULL, all steps are done), those of orthsr_dataset_pixels, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_step(orthsr_trainer *trainer, orthsr_error *error);

/* Called after every step; a non-zero return stops the run with ORTHSR_ERROR_CANCELLED. Since 0.1. */
typedef int (*orthsr_trainer_callback)(const orthsr_trainer *trainer, void *payload);

/* All steps that are left. callback may be NULL. Errors: those of orthsr_trainer_step, CANCELLED. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_run(orthsr_trainer *trainer, orthsr_trainer_callback callback, void *payload, orthsr_error *error);

/* Checkpoints: the state of a run in one file (docs/formats.md), from which another trainer, made of the same things in the same or another process, goes on to
 * the same bits: the same model, data, adapter or prompt (its parameters aside) and options; threads may be others, and the memory budget, which changes
 * results by rounding.
 *
 * save writes atomically; the file that was at path so far is called path.previous then, so that there are two. text (NULL: none) is the caller's own and
 * comes back with load: what a program wants to know when it goes on. Errors: ARGUMENT (NULL, a text or a list of items above 256 MiB), IO (also of an item's
 * file), MEMORY; what was at path is there still. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_save(orthsr_trainer *trainer, const char *path, const char *text, orthsr_error *error);
/* Puts the trainer where that which was saved was: adapter, prompt, optimizer, steps, metrics. *text (text may be NULL): the caller's, to be released with
 * orthsr_free; "" when none was given. Errors: ARGUMENT, IO, FORMAT (damaged: path.previous may be whole), UNSUPPORTED (another version of the file), MISMATCH
 * (of another run: names the first thing that differs, as it is there and here; a rank that reads another state than rank 0), MEMORY; the trainer is then as it
 * was. Since 0.1. */
ORTHSR_API orthsr_status orthsr_trainer_load(orthsr_trainer *trainer, const char *path, char **text, orthsr_error *error);

/* What a step's time is spent on. Since 0.1. */
typedef enum orthsr_phase {
    ORTHSR_PHASE_TEXT,         /* class prompts, forward and backward */
    ORTHSR_PHASE_IMAGE,        /* the tuned model's images, forward */
    ORTHSR_PHASE_BACKWARD,     /* the same, backward */
    ORTHSR_PHASE_FROZEN,       /* the frozen model's images */
    ORTHSR_PHASE_ORTHOGONAL,   /* from the gradients of the matrices to those of their parameters, and from parameters to matrices; the defect */
    ORTHSR_PHASE_OPTIMIZER,    /* the update */
    ORTHSR_PHASE_OTHER,        /* reading and augmenting images, the loss on features */
    ORTHSR_PHASE_COMMUNICATION /* with other ranks, and waiting for them */
} orthsr_phase;

/* Of the last step: seconds of a phase; NaN before the first step and for another number. Since 0.1. */
ORTHSR_API double orthsr_trainer_seconds(const orthsr_trainer *trainer, orthsr_phase phase);
/* Of the last step: multiplications and additions in matrix products, those by LAPACK left out. Since 0.1. */
ORTHSR_API double orthsr_trainer_work(const orthsr_trainer *trainer);

/* Bytes that the trainer's activations take, adapter and optimizer left out. Since 0.1. */
ORTHSR_API size_t orthsr_trainer_memory(const orthsr_trainer *trainer);

/* Whether the target of this index is merged into its map's weight in every step, rather than rotating what flows through the map: the one that takes fewer
 * operations (docs/performance.md). 0 for an index out of range. Since 0.1. */
ORTHSR_API int orthsr_trainer_merges(const orthsr_trainer *trainer, size_t target);

/* How often this rank has met an image that cannot be read, before the first step and in steps, and taken another. Since 0.1. */
ORTHSR_API size_t orthsr_trainer_unreadable(const orthsr_trainer *trainer);

ORTHSR_API size_t orthsr_trainer_step_count(const orthsr_trainer *trainer);                   /* steps made. Since 0.1. */
ORTHSR_API size_t orthsr_trainer_step_total(const orthsr_trainer *trainer);                   /* steps of the whole run. Since 0.1. */
ORTHSR_API size_t orthsr_trainer_epoch(const orthsr_trainer *trainer);                        /* epoch of the last step, from 0. Since 0.1. */
ORTHSR_API size_t orthsr_trainer_epoch_total(const orthsr_trainer *trainer);                  /* epochs of the whole run, all items in each. Since 0.1. */
ORTHSR_API double orthsr_trainer_metric(const orthsr_trainer *trainer, orthsr_metric metric); /* of the last step; NaN before it. Since 0.1. */

ORTHSR_END_DECLS

#endif
