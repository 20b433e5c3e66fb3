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
    size_t small = s->butterfly_block.given ? s->butterfly_block.value : 4, factors = s->butterfly_factors.given ? s->butterfly_factors.value : 2;
    SET(s->parametrization >= 0, orthsr_adapter_options_set_parametrization(options, (orthsr_parametrization)s->parametrization, error)); /* in its order */
    SET(s->reflections.given, orthsr_adapter_options_set_reflections(options, s->reflections.value, error));
    SET(s->butterfly_block.given || s->butterfly_factors.given, orthsr_adapter_options_set_butterfly(options, small, factors, error));
    SET(s->coft.given, orthsr_adapter_options_set_coft(options, (float)s->coft.value, error));
    SET(s->side >= 0, orthsr_adapter_options_set_side(options, s->side == 0 ? ORTHSR_SIDE_INPUT : ORTHSR_SIDE_OUTPUT, error));
    SET(s->blocks.given, orthsr_adapter_options_set_blocks(options, s->blocks.value, error));
    SET(s->block_size.given, orthsr_adapter_options_set_block_size(options, s->block_size.value ? s->block_size.value : ORTHSR_BLOCK_NARROW, error));
    SET(s->block_share, orthsr_adapter_options_set_block_share(options, 1, error));
    SET(s->targets, orthsr_adapter_options_set_maps(options, s->targets, error));
    SET(s->towers, orthsr_adapter_options_set_towers(options, s->towers, error));
    SET(s->layers, orthsr_adapter_options_set_layers(options, s->layers, error));
    return status;
}

static orthsr_status set_descent(orthsr_trainer_options *options, const settings *s, orthsr_error *error) {
    orthsr_status status = ORTHSR_OK;
    SET(s->optimizer >= 0, orthsr_trainer_options_set_optimizer(options, (orthsr_optimizer_kind)s->optimizer, error)); /* in its order */
    SET(s->retraction >= 0, orthsr_trainer_options_set_retraction(options, (orthsr_retraction)s->retraction, error));
    SET(s->lr.given, orthsr_trainer_options_set_learning_rate(options, (float)s->lr.value, error));
    SET(s->context_lr.given, orthsr_trainer_options_set_context_learning_rate(options, (float)s->context_lr.value, error));
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
    SET(s->kl_schedule >= 0, orthsr_trainer_options_set_kl_schedule(options, (orthsr_schedule)s->kl_schedule, error));
    SET(s->kl_confidence, orthsr_trainer_options_set_kl_confidence(options, 1, error));
    SET(s->kl_reduction >= 0, orthsr_trainer_options_set_kl_reduction(options, (orthsr_kl_reduction)s->kl_reduction, error));
    SET(1, orthsr_trainer_options_set_templates(options, templates, n_templates, error));
    SET(s->frozen_templates.count > 0, orthsr_trainer_options_set_frozen_templates(options, s->frozen_templates.items, s->frozen_templates.count, error));
    return status;
}

/* Attentive CutOut is part of OrthSR, so it is the default here; of CoOp it is not. */
static orthsr_cutout cutout_of(const settings *s) {
    if (s->cutout >= 0) return (orthsr_cutout)s->cutout;
    return s->method == METHOD_COOP ? ORTHSR_CUTOUT_OFF : ORTHSR_CUTOUT_ATTENTIVE;
}

const char *cutout_name(const settings *s) {
    static const char *const names[] = {"off", "attentive", "random"};
    return names[cutout_of(s)];
}

gallery_cut cut_of(const settings *s) {
    int own = cutout_of(s) != ORTHSR_CUTOUT_RANDOM; /* the size of random holes says nothing */
    return (gallery_cut){.source = s->cutout_source == ORTHSR_CUTOUT_ATTENTION ? ORTHSR_CUTOUT_ATTENTION : ORTHSR_CUTOUT_TEXT,
                         .holes = own && s->cutout_holes.given ? (size_t)s->cutout_holes.value : 1,
                         .size = own && s->cutout_size.given ? (float)s->cutout_size.value : 0.4F};
}

/* The choices' rows are in the order of the enumerations. */
static orthsr_status set_cutout(orthsr_trainer_options *options, const settings *s, orthsr_error *error) {
    orthsr_status status = ORTHSR_OK;
    SET(1, orthsr_trainer_options_set_cutout(options, cutout_of(s), error));
    SET(s->cutout_source >= 0, orthsr_trainer_options_set_cutout_source(options, (orthsr_cutout_source)s->cutout_source, error));
    SET(s->cutout_fill >= 0, orthsr_trainer_options_set_cutout_fill(options, (orthsr_cutout_fill)s->cutout_fill, error));
    SET(s->cutout_size.given, orthsr_trainer_options_set_cutout_size(options, (float)s->cutout_size.value, error));
    SET(s->cutout_holes.given, orthsr_trainer_options_set_cutout_holes(options, s->cutout_holes.value, error));
    SET(s->cutout_probability.given, orthsr_trainer_options_set_cutout_probability(options, (float)s->cutout_probability.value, error));
    return status;
}

static orthsr_status set_prompt(orthsr_prompt_options *options, const settings *s, uint64_t seed, orthsr_error *error) {
    static const orthsr_class_position positions[] = {ORTHSR_CLASS_END, ORTHSR_CLASS_MIDDLE, ORTHSR_CLASS_FRONT};
    orthsr_status status = orthsr_prompt_options_set_seed(options, seed, error);
    SET(s->context_words.given, orthsr_prompt_options_set_words(options, s->context_words.value, error));
    SET(s->context_init, orthsr_prompt_options_set_init(options, s->context_init, error));
    SET(s->context_position >= 0, orthsr_prompt_options_set_position(options, positions[s->context_position], error));
    return status;
}

/* CoOp trains longer the more shots there are. */
static size_t coop_epochs(size_t shots) { return shots == 0 || shots == 1 ? 50 : shots < 8 ? 100 : 200; }

size_t warmup_epochs_of(const settings *s) { return s->warmup_epochs.given ? (size_t)s->warmup_epochs.value : s->method == METHOD_COOP; }

static orthsr_status set_method(train_setup *setup, orthsr_error *error) {
    static const orthsr_method methods[] = {ORTHSR_METHOD_ORTHSR, ORTHSR_METHOD_COOP, ORTHSR_METHOD_COOP_ORTHSR};
    orthsr_status status = orthsr_trainer_options_set_method(setup->trainer, methods[setup->method], error);
    SET(setup->method == METHOD_COOP, orthsr_trainer_options_set_epochs(setup->trainer, coop_epochs(setup->shots), error));
    return status;
}

/* Options of what is not trained are mistakes. */
static int check_method(const train_setup *setup, const settings *s) {
    const char *name = s->command->name;
    int context = s->context_words.given || s->context_init || s->context_position >= 0 || s->class_specific || s->context_lr.given;
    int adapter = s->blocks.given || s->block_size.given || s->block_share || s->targets || s->towers || s->layers || s->side >= 0 || s->parametrization >= 0 ||
                  s->coft.given;
    if (context && setup->method == METHOD_ORTHSR) return wrong_usage(name, "options of a learned prompt are for --method coop or coop+orthsr");
    if (adapter && setup->method == METHOD_COOP) return wrong_usage(name, "options of the adapter are not for --method coop, which has none");
    if (s->blocks.given && s->block_size.given) return wrong_usage(name, "give --blocks or --block-size, not both");
    if (s->context_words.given && s->context_init) return wrong_usage(name, "give --context-words or --context-init, not both");
    if (s->class_specific && setup->classes != CLASSES_ALL)
        return wrong_usage(name, "--class-specific words serve the classes trained on alone; the others could not be tested: give --classes all");
    return EXIT_SUCCESS;
}

static int check_parametrization(const settings *s) {
    const char *name = s->command->name;
    int manifold = s->parametrization == ORTHSR_MANIFOLD, riemannian = s->optimizer == ORTHSR_RSGD || s->optimizer == ORTHSR_RADAM;
    if (riemannian && !manifold) return wrong_usage(name, "--optimizer rsgd and radam are for --parametrization manifold");
    if (manifold && s->optimizer >= 0 && !riemannian) return wrong_usage(name, "--parametrization manifold needs --optimizer rsgd or radam");
    if (s->retraction >= 0 && !manifold) return wrong_usage(name, "--retraction is for --parametrization manifold");
    if (s->coft.given && s->coft.value != 0 && s->parametrization > ORTHSR_EXPM)
        return wrong_usage(name, "--coft bounds a generator: for --parametrization cayley, expm or free");
    if (s->reflections.given && s->parametrization != ORTHSR_HOUSEHOLDER) return wrong_usage(name, "--reflections is for --parametrization householder");
    if ((s->butterfly_block.given || s->butterfly_factors.given) && s->parametrization != ORTHSR_BUTTERFLY)
        return wrong_usage(name, "--butterfly-block and --butterfly-factors are for --parametrization butterfly");
    return EXIT_SUCCESS;
}

static int check_cutout(const settings *s) {
    const char *name = s->command->name;
    int holes = s->cutout_size.given || s->cutout_holes.given || s->cutout_probability.given || s->cutout_fill >= 0;
    int weights = s->ce_cut_weight.value != 0 || s->kl_cut_weight.value != 0; /* 0 when not given, which is no contradiction */
    if (s->cutout_source >= 0 && cutout_of(s) != ORTHSR_CUTOUT_ATTENTIVE) return wrong_usage(name, "--cutout-source is for --cutout attentive");
    if ((holes || weights) && cutout_of(s) == ORTHSR_CUTOUT_OFF)
        return wrong_usage(name, "%s for --cutout attentive or random%s", holes ? "options of holes are" : "--ce-cut-weight and --kl-cut-weight are",
                           s->cutout < 0 ? "; --method coop has none unless told" : "");
    return EXIT_SUCCESS;
}

int train_setup_new(train_setup *setup, const settings *s) {
    orthsr_error error = {""};
    *setup = (train_setup){.shots = s->shots.given ? s->shots.value : DEFAULT_SHOTS,
                           .seed = s->seed.given ? s->seed.value : DEFAULT_SEED,
                           .method = s->method >= 0 ? (enum methods)s->method : METHOD_ORTHSR,
                           .classes = s->classes >= 0 ? (enum classes)s->classes : CLASSES_ALL};
    int code = check_method(setup, s);
    if (code == EXIT_SUCCESS) code = check_parametrization(s);
    if (code == EXIT_SUCCESS) code = check_cutout(s);
    if (code != EXIT_SUCCESS) return code;
    int sgd = s->optimizer == ORTHSR_SGD || s->optimizer == ORTHSR_RSGD || (s->optimizer < 0 && setup->method == METHOD_COOP);
    if (s->momentum.given && !sgd) terminal_say("note: --momentum is of --optimizer sgd and rsgd; adamw and radam take no notice of it");
    if (s->weight_decay.given && s->parametrization == ORTHSR_MANIFOLD)
        terminal_say("note: --weight-decay is of sgd and adamw; on the manifold it has no meaning");
    orthsr_status status = orthsr_adapter_options_new(&setup->adapter, &error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_new(&setup->trainer, &error);
    if (status == ORTHSR_OK) status = orthsr_prompt_options_new(&setup->prompt, &error);
    if (status == ORTHSR_OK) status = set_prompt(setup->prompt, s, setup->seed, &error);
    if (status == ORTHSR_OK) status = set_method(setup, &error);
    if (status == ORTHSR_OK) status = set_adapter(setup->adapter, s, &error);
    if (status == ORTHSR_OK) status = set_descent(setup->trainer, s, &error);
    if (status == ORTHSR_OK) status = set_loss(setup->trainer, s, &error);
    if (status == ORTHSR_OK) status = set_cutout(setup->trainer, s, &error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_seed(setup->trainer, setup->seed, &error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_skip_unreadable(setup->trainer, !s->strict, &error);
    if (status == ORTHSR_OK && s->readers.given) status = orthsr_trainer_options_set_readers(setup->trainer, (size_t)s->readers.value, &error);
    if (status == ORTHSR_OK && s->shards.given) status = orthsr_trainer_options_set_shards(setup->trainer, (size_t)s->shards.value, &error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_threads(setup->trainer, (size_t)s->threads.value, &error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_memory_budget(setup->trainer, budget_bytes(s), &error);
    if (status == ORTHSR_ERROR_ARGUMENT) return wrong_usage(s->command->name, "%s", error.message);
    return status == ORTHSR_OK ? EXIT_SUCCESS : give_up(s, &error);
}

void train_setup_free(train_setup *setup) {
    orthsr_adapter_options_free(setup->adapter);
    orthsr_trainer_options_free(setup->trainer);
    orthsr_prompt_options_free(setup->prompt);
}
