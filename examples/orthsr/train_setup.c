/* train_setup.c - from the command line to option objects; what was not given keeps the library's default. */
#include "train_setup.h"

#include <stdlib.h>

#include "inputs.h"
#include "report.h"
#include "terminal.h"

#define DEFAULT_SHOTS 16
#define DEFAULT_SEED 1

/* Calls the setter of an option that was given, unless an earlier one failed. */
#define SET(given, call)                                                                                                                                       \
    if (status == ORTHSR_OK && (given)) status = (call)

static orthsr_status set_adapter(orthsr_adapter_options *options, const settings *s, orthsr_error *error) {
    orthsr_status status = ORTHSR_OK;
    SET(s->parametrization >= 0, orthsr_adapter_options_set_parametrization(options, s->parametrization == 0 ? ORTHSR_CAYLEY : ORTHSR_FREE, error));
    SET(s->side >= 0, orthsr_adapter_options_set_side(options, s->side == 0 ? ORTHSR_SIDE_INPUT : ORTHSR_SIDE_OUTPUT, error));
    SET(s->blocks.given, orthsr_adapter_options_set_blocks(options, s->blocks.value, error));
    SET(s->block_size.given, orthsr_adapter_options_set_block_size(options, s->block_size.value, error));
    SET(s->targets, orthsr_adapter_options_set_maps(options, s->targets, error));
    SET(s->towers, orthsr_adapter_options_set_towers(options, s->towers, error));
    return status;
}

static orthsr_status set_descent(orthsr_trainer_options *options, const settings *s, orthsr_error *error) {
    orthsr_status status = ORTHSR_OK;
    SET(s->optimizer >= 0, orthsr_trainer_options_set_optimizer(options, s->optimizer == 0 ? ORTHSR_SGD : ORTHSR_ADAMW, error));
    SET(s->lr.given, orthsr_trainer_options_set_learning_rate(options, (float)s->lr.value, error));
    SET(s->momentum.given, orthsr_trainer_options_set_momentum(options, (float)s->momentum.value, error));
    SET(s->weight_decay.given, orthsr_trainer_options_set_weight_decay(options, (float)s->weight_decay.value, error));
    SET(s->schedule >= 0, orthsr_trainer_options_set_schedule(options, s->schedule == 0 ? ORTHSR_SCHEDULE_CONSTANT : ORTHSR_SCHEDULE_COSINE, error));
    SET(s->warmup_epochs.given, orthsr_trainer_options_set_warmup_epochs(options, s->warmup_epochs.value, error));
    SET(s->epochs.given, orthsr_trainer_options_set_epochs(options, s->epochs.value, error));
    SET(s->batch_size.given, orthsr_trainer_options_set_batch_size(options, s->batch_size.value, error));
    return status;
}

static orthsr_status set_loss(orthsr_trainer_options *options, const settings *s, orthsr_error *error) {
    orthsr_status status = ORTHSR_OK;
    size_t n_templates;
    const char *const *templates = templates_of(s, &n_templates);
    SET(s->augment >= 0, orthsr_trainer_options_set_augmentation(options, (orthsr_augmentation)s->augment, error));
    SET(s->kl_weight.given, orthsr_trainer_options_set_kl_weight(options, (float)s->kl_weight.value, error));
    SET(s->kl_direction >= 0, orthsr_trainer_options_set_kl_direction(options, s->kl_direction == 0 ? ORTHSR_KL_FROZEN_TUNED : ORTHSR_KL_TUNED_FROZEN, error));
    SET(s->ce_cut_weight.given, orthsr_trainer_options_set_ce_cut_weight(options, (float)s->ce_cut_weight.value, error));
    SET(s->kl_cut_weight.given, orthsr_trainer_options_set_kl_cut_weight(options, (float)s->kl_cut_weight.value, error));
    SET(s->kl_temperature.given, orthsr_trainer_options_set_kl_temperature(options, (float)s->kl_temperature.value, error));
    SET(s->kl_reduction >= 0, orthsr_trainer_options_set_kl_reduction(options, (orthsr_kl_reduction)s->kl_reduction, error));
    SET(1, orthsr_trainer_options_set_templates(options, templates, n_templates, error));
    SET(s->frozen_templates.count > 0, orthsr_trainer_options_set_frozen_templates(options, s->frozen_templates.items, s->frozen_templates.count, error));
    return status;
}

/* The choices' rows are in the order of the enumerations. Attentive CutOut is part of the method, so it is the default here. */
static orthsr_status set_cutout(orthsr_trainer_options *options, const settings *s, orthsr_error *error) {
    orthsr_status status = ORTHSR_OK;
    SET(1, orthsr_trainer_options_set_cutout(options, s->cutout >= 0 ? (orthsr_cutout)s->cutout : ORTHSR_CUTOUT_ATTENTIVE, error));
    SET(s->cutout_source >= 0, orthsr_trainer_options_set_cutout_source(options, (orthsr_cutout_source)s->cutout_source, error));
    SET(s->cutout_fill >= 0, orthsr_trainer_options_set_cutout_fill(options, (orthsr_cutout_fill)s->cutout_fill, error));
    SET(s->cutout_size.given, orthsr_trainer_options_set_cutout_size(options, (float)s->cutout_size.value, error));
    SET(s->cutout_holes.given, orthsr_trainer_options_set_cutout_holes(options, s->cutout_holes.value, error));
    SET(s->cutout_probability.given, orthsr_trainer_options_set_cutout_probability(options, (float)s->cutout_probability.value, error));
    return status;
}

int train_setup_new(train_setup *setup, const settings *s) {
    orthsr_error error = {""};
    *setup = (train_setup){.shots = s->shots.given ? s->shots.value : DEFAULT_SHOTS,
                           .seed = s->seed.given ? s->seed.value : DEFAULT_SEED,
                           .classes = s->classes >= 0 ? (enum classes)s->classes : CLASSES_ALL};
    if (s->blocks.given && s->block_size.given) return wrong_usage(s->command->name, "give --blocks or --block-size, not both");
    if (s->momentum.given && s->optimizer != 0) terminal_say("note: --momentum is of --optimizer sgd; adamw takes no notice of it");
    orthsr_status status = orthsr_adapter_options_new(&setup->adapter, &error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_new(&setup->trainer, &error);
    if (status == ORTHSR_OK) status = set_adapter(setup->adapter, s, &error);
    if (status == ORTHSR_OK) status = set_descent(setup->trainer, s, &error);
    if (status == ORTHSR_OK) status = set_loss(setup->trainer, s, &error);
    if (status == ORTHSR_OK) status = set_cutout(setup->trainer, s, &error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_seed(setup->trainer, setup->seed, &error);
    if (status == ORTHSR_ERROR_ARGUMENT) return wrong_usage(s->command->name, "%s", error.message);
    return status == ORTHSR_OK ? EXIT_SUCCESS : give_up(s, &error);
}

void train_setup_free(train_setup *setup) {
    orthsr_adapter_options_free(setup->adapter);
    orthsr_trainer_options_free(setup->trainer);
}
