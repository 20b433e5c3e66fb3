/* options.c - training options and their setters. */
#include "train/options.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/fail.h"
#include "base/memory.h"
#include "base/real.h"
#include "clip/prompt.h"
#include "data/feed.h"

static const char *const default_template = "a photo of a {}.";

/* What the methods begin with. */
static const orthsr_trainer_options orthsr = {.optimizer = ORTHSR_ADAMW,
                                              .momentum = 0.9f,
                                              .weight_decay = 0.01f,
                                              .schedule = ORTHSR_SCHEDULE_COSINE,
                                              .batch_size = 4,
                                              .kl_weight = -1,
                                              .ce_cut_weight = 1,
                                              .kl_cut_weight = 1,
                                              .kl_temperature = 1,
                                              .cutout_probability = 1,
                                              .cutout_holes = 1,
                                              .seed = 1,
                                              .readers = 1,
                                              .shards = 1};
static const orthsr_trainer_options coop = {.optimizer = ORTHSR_SGD,
                                            .optimizer_set = true,
                                            .momentum = 0.9f,
                                            .weight_decay = 5e-4f,
                                            .schedule = ORTHSR_SCHEDULE_COSINE,
                                            .warmup_epochs = 1,
                                            .epochs = 200,
                                            .batch_size = 32,
                                            .kl_weight = 0,
                                            .ce_cut_weight = 1,
                                            .kl_cut_weight = 0,
                                            .kl_temperature = 1,
                                            .cutout_probability = 1,
                                            .cutout_holes = 1,
                                            .seed = 1,
                                            .readers = 1,
                                            .shards = 1};

orthsr_status orthsr_trainer_options_new(orthsr_trainer_options **out, orthsr_error *error) {
    ORTHSR__REQUIRE(out != NULL, error, "out is NULL");
    *out = orthsr__calloc(1, sizeof **out);
    if (!*out) return orthsr__fail_memory(error, "training options");
    **out = orthsr;
    orthsr_status status = orthsr_trainer_options_set_templates(*out, &default_template, 1, error);
    if (status) {
        orthsr_trainer_options_free(*out);
        *out = NULL;
    }
    return status;
}

void orthsr_trainer_options_free(orthsr_trainer_options *options) {
    if (!options) return;
    orthsr__free_texts(options->templates, options->template_count);
    orthsr__free_texts(options->frozen_templates, options->frozen_template_count);
    free(options);
}

orthsr_status orthsr__trainer_options_copy(orthsr_trainer_options **out, const orthsr_trainer_options *options, orthsr_error *error) {
    ORTHSR__TRY(orthsr_trainer_options_new(out, error));
    if (!options) return ORTHSR_OK;
    orthsr_trainer_options copy = *options;
    copy.templates = (*out)->templates;
    copy.template_count = (*out)->template_count;
    copy.frozen_templates = NULL;
    copy.frozen_template_count = 0;
    **out = copy;
    orthsr_status status =
        orthsr__templates_replace(&(*out)->templates, &(*out)->template_count, (const char *const *)options->templates, options->template_count, error);
    if (!status && options->frozen_template_count > 0)
        status = orthsr__templates_replace(&(*out)->frozen_templates, &(*out)->frozen_template_count, (const char *const *)options->frozen_templates,
                                           options->frozen_template_count, error);
    if (status) {
        orthsr_trainer_options_free(*out);
        *out = NULL;
    }
    return status;
}

orthsr_status orthsr_trainer_options_set_optimizer(orthsr_trainer_options *options, orthsr_optimizer_kind kind, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE((unsigned)kind <= ORTHSR_RADAM, error, "unknown optimizer");
    options->optimizer = kind;
    options->optimizer_set = true;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_retraction(orthsr_trainer_options *options, orthsr_retraction retraction, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE((unsigned)retraction <= ORTHSR_RETRACTION_POLAR, error, "unknown retraction");
    options->retraction = retraction;
    options->retraction_set = true;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_method(orthsr_trainer_options *options, orthsr_method method, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(method == ORTHSR_METHOD_ORTHSR || method == ORTHSR_METHOD_COOP || method == ORTHSR_METHOD_COOP_ORTHSR, error, "unknown method");
    orthsr_trainer_options fresh = method == ORTHSR_METHOD_COOP ? coop : orthsr;
    fresh.templates = options->templates; /* texts are no matter of the method */
    fresh.template_count = options->template_count;
    fresh.frozen_templates = options->frozen_templates;
    fresh.frozen_template_count = options->frozen_template_count;
    fresh.seed = options->seed;
    fresh.collective = options->collective;
    fresh.shards = options->shards;
    *options = fresh;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_readers(orthsr_trainer_options *options, size_t readers, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(readers <= ORTHSR__MAX_READERS, error, "at most 64 threads read images");
    options->readers = readers;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_skip_unreadable(orthsr_trainer_options *options, int skip, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    options->skip_unreadable = skip != 0;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_collective(orthsr_trainer_options *options, orthsr_collective *collective, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    options->collective = collective;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_shards(orthsr_trainer_options *options, size_t shards, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(shards >= 1 && shards <= ORTHSR_MAX_RANKS, error, "a batch is cut into 1 to 4096 shards");
    options->shards = shards;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_learning_rate(orthsr_trainer_options *options, float lr, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(orthsr__at_least_zero(lr), error, "the learning rate must be finite and not negative");
    options->learning_rate = lr;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_context_learning_rate(orthsr_trainer_options *options, float lr, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(orthsr__at_least_zero(lr), error, "the context's learning rate must be finite and not negative");
    options->context_learning_rate = lr;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_momentum(orthsr_trainer_options *options, float momentum, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(momentum >= 0 && momentum < 1, error, "momentum must be in [0, 1)");
    options->momentum = momentum;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_weight_decay(orthsr_trainer_options *options, float decay, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(orthsr__at_least_zero(decay), error, "weight decay must be finite and not negative");
    options->weight_decay = decay;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_schedule(orthsr_trainer_options *options, orthsr_schedule schedule, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(schedule == ORTHSR_SCHEDULE_CONSTANT || schedule == ORTHSR_SCHEDULE_COSINE, error, "unknown schedule");
    options->schedule = schedule;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_warmup_epochs(orthsr_trainer_options *options, size_t epochs, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    options->warmup_epochs = epochs;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_epochs(orthsr_trainer_options *options, size_t epochs, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(epochs >= 1, error, "at least one epoch is needed");
    options->epochs = epochs;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_batch_size(orthsr_trainer_options *options, size_t batch, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    options->batch_size = batch;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_seed(orthsr_trainer_options *options, uint64_t seed, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    options->seed = seed;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_memory_budget(orthsr_trainer_options *options, size_t bytes, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    options->memory_budget = bytes;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_threads(orthsr_trainer_options *options, size_t threads, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(threads <= ORTHSR__MAX_THREADS, error, "more threads than 4096");
    options->threads = threads;
    return ORTHSR_OK;
}

orthsr_status orthsr__templates_replace(char ***templates, size_t *count, const char *const *others, size_t n, orthsr_error *error) {
    char **copies = orthsr__copy_texts(others, n);
    if (!copies) return orthsr__fail_memory(error, "templates");
    orthsr__free_texts(*templates, *count);
    *templates = copies;
    *count = n;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_templates(orthsr_trainer_options *options, const char *const *templates, size_t n, orthsr_error *error) {
    ORTHSR__REQUIRE(options && templates, error, "an argument is NULL");
    ORTHSR__REQUIRE(n >= 1, error, "at least one template is needed");
    ORTHSR__TRY(orthsr__check_templates(templates, n, error));
    return orthsr__templates_replace(&options->templates, &options->template_count, templates, n, error);
}
