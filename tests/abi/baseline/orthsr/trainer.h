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
typedef enum orthsr_optimizer_kind {
    ORTHSR_SGD = 0,
    ORTHSR_ADAMW = 1,
    ORTHSR_RSGD = 2,
    ORTHSR_RADAM = 3
} orthsr_optimizer_kind;
typedef enum orthsr_schedule {
    ORTHSR_SCHEDULE_CONSTANT = 0,
    ORTHSR_SCHEDULE_COSINE = 1
} orthsr_schedule;
typedef enum orthsr_kl_direction {
    ORTHSR_KL_FROZEN_TUNED = 0,
    ORTHSR_KL_TUNED_FROZEN = 1
} orthsr_kl_direction;
typedef enum orthsr_kl_reduction {
    ORTHSR_KL_BATCH_MEAN = 0,
    ORTHSR_KL_MEAN = 1
} orthsr_kl_reduction;
typedef enum orthsr_augmentation {
    ORTHSR_AUGMENT_NONE = 0,
    ORTHSR_AUGMENT_STANDARD = 1
} orthsr_augmentation;
typedef enum orthsr_method {
    ORTHSR_METHOD_ORTHSR = 0,
    ORTHSR_METHOD_COOP = 1,
    ORTHSR_METHOD_COOP_ORTHSR = 2
} orthsr_method;
typedef enum orthsr_metric {
    ORTHSR_METRIC_LOSS = 0,
    ORTHSR_METRIC_CE = 1,
    ORTHSR_METRIC_KL = 2,
    ORTHSR_METRIC_LEARNING_RATE = 3,
    ORTHSR_METRIC_ORTHOGONALITY = 4,
    ORTHSR_METRIC_BATCH_ACCURACY = 5,
    ORTHSR_METRIC_CE_CUT = 6,
    ORTHSR_METRIC_KL_CUT = 7
} orthsr_metric;
typedef struct orthsr_trainer_options orthsr_trainer_options;
typedef struct orthsr_trainer orthsr_trainer;
ORTHSR_API orthsr_status orthsr_trainer_options_new(orthsr_trainer_options **out, orthsr_error *error);
ORTHSR_API void orthsr_trainer_options_free(orthsr_trainer_options *options);
ORTHSR_API orthsr_status orthsr_trainer_options_set_method(orthsr_trainer_options *options, orthsr_method method, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_optimizer(orthsr_trainer_options *options, orthsr_optimizer_kind kind, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_retraction(orthsr_trainer_options *options, orthsr_retraction retraction, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_learning_rate(orthsr_trainer_options *options, float lr, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_context_learning_rate(orthsr_trainer_options *options, float lr, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_momentum(orthsr_trainer_options *options, float momentum, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_weight_decay(orthsr_trainer_options *options, float decay, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_schedule(orthsr_trainer_options *options, orthsr_schedule schedule, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_warmup_epochs(orthsr_trainer_options *options, size_t epochs, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_epochs(orthsr_trainer_options *options, size_t epochs, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_batch_size(orthsr_trainer_options *options, size_t batch, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_weight(orthsr_trainer_options *options, float weight, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_ce_cut_weight(orthsr_trainer_options *options, float weight, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_cut_weight(orthsr_trainer_options *options, float weight, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_temperature(orthsr_trainer_options *options, float temperature, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_reduction(orthsr_trainer_options *options, orthsr_kl_reduction reduction, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_schedule(orthsr_trainer_options *options, orthsr_schedule schedule, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_confidence(orthsr_trainer_options *options, int confidence, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_kl_direction(orthsr_trainer_options *options, orthsr_kl_direction direction, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_augmentation(orthsr_trainer_options *options, orthsr_augmentation augmentation, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_cutout(orthsr_trainer_options *options, orthsr_cutout cutout, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_cutout_source(orthsr_trainer_options *options, orthsr_cutout_source source, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_cutout_fill(orthsr_trainer_options *options, orthsr_cutout_fill fill, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_cutout_size(orthsr_trainer_options *options, float size, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_cutout_holes(orthsr_trainer_options *options, size_t holes, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_cutout_probability(orthsr_trainer_options *options, float probability, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_seed(orthsr_trainer_options *options, uint64_t seed, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_threads(orthsr_trainer_options *options, size_t threads, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_readers(orthsr_trainer_options *options, size_t readers, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_skip_unreadable(orthsr_trainer_options *options, int skip, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_memory_budget(orthsr_trainer_options *options, size_t bytes, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_collective(orthsr_trainer_options *options, orthsr_collective *collective, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_shards(orthsr_trainer_options *options, size_t shards, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_templates(orthsr_trainer_options *options, const char *const *templates, size_t n, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_options_set_frozen_templates(orthsr_trainer_options *options, const char *const *templates, size_t n,
                                                                     orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_new(orthsr_trainer **out, const orthsr_model *model, orthsr_adapter *adapter, const orthsr_dataset *dataset,
                                            const orthsr_trainer_options *options, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_new_with_prompt(orthsr_trainer **out, const orthsr_model *model, orthsr_adapter *adapter, orthsr_prompt *prompt,
                                                        const orthsr_dataset *dataset, const orthsr_trainer_options *options, orthsr_error *error);
ORTHSR_API void orthsr_trainer_free(orthsr_trainer *trainer);
ORTHSR_API orthsr_status orthsr_trainer_step(orthsr_trainer *trainer, orthsr_error *error);
typedef int (*orthsr_trainer_callback)(const orthsr_trainer *trainer, void *payload);
ORTHSR_API orthsr_status orthsr_trainer_run(orthsr_trainer *trainer, orthsr_trainer_callback callback, void *payload, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_save(orthsr_trainer *trainer, const char *path, const char *text, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_trainer_load(orthsr_trainer *trainer, const char *path, char **text, orthsr_error *error);
typedef enum orthsr_phase {
    ORTHSR_PHASE_TEXT,
    ORTHSR_PHASE_IMAGE,
    ORTHSR_PHASE_BACKWARD,
    ORTHSR_PHASE_FROZEN,
    ORTHSR_PHASE_ORTHOGONAL,
    ORTHSR_PHASE_OPTIMIZER,
    ORTHSR_PHASE_OTHER,
    ORTHSR_PHASE_COMMUNICATION
} orthsr_phase;
ORTHSR_API double orthsr_trainer_seconds(const orthsr_trainer *trainer, orthsr_phase phase);
ORTHSR_API double orthsr_trainer_work(const orthsr_trainer *trainer);
ORTHSR_API size_t orthsr_trainer_memory(const orthsr_trainer *trainer);
ORTHSR_API int orthsr_trainer_merges(const orthsr_trainer *trainer, size_t target);
ORTHSR_API size_t orthsr_trainer_unreadable(const orthsr_trainer *trainer);
ORTHSR_API size_t orthsr_trainer_step_count(const orthsr_trainer *trainer);
ORTHSR_API size_t orthsr_trainer_step_total(const orthsr_trainer *trainer);
ORTHSR_API size_t orthsr_trainer_epoch(const orthsr_trainer *trainer);
ORTHSR_API size_t orthsr_trainer_epoch_total(const orthsr_trainer *trainer);
ORTHSR_API double orthsr_trainer_metric(const orthsr_trainer *trainer, orthsr_metric metric);
ORTHSR_END_DECLS
#endif
