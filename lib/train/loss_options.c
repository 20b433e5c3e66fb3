/* loss_options.c - setters of what is minimised: the four terms, the frozen branch, augmentation and CutOut. */
#include <math.h>

#include "base/fail.h"
#include "base/real.h"
#include "clip/prompt.h"
#include "train/options.h"

/* The paper's 1.5 goes with its CutOut terms; alone, 1 is the plain sum of the two losses. */
float orthsr__kl_weight(const orthsr_trainer_options *options) {
    if (options->kl_weight >= 0) return options->kl_weight;
    return options->cutout == ORTHSR_CUTOUT_OFF ? 1 : 1.5f;
}

/* Dassl's 16 pixels of 224; or as many patches as leave the rest of an object to be seen (docs/cutout.md). */
float orthsr__cutout_size(const orthsr_trainer_options *options) {
    if (options->cutout_size > 0) return options->cutout_size;
    return options->cutout == ORTHSR_CUTOUT_RANDOM ? 16.0f / 224 : 0.4f;
}

orthsr_status orthsr_trainer_options_set_kl_weight(orthsr_trainer_options *options, float weight, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(orthsr__at_least_zero(weight), error, "the KL weight must be finite and not negative");
    options->kl_weight = weight;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_ce_cut_weight(orthsr_trainer_options *options, float weight, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(orthsr__at_least_zero(weight), error, "the weight of the cut images' cross-entropy must be finite and not negative");
    options->ce_cut_weight = weight;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_kl_cut_weight(orthsr_trainer_options *options, float weight, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(orthsr__at_least_zero(weight), error, "the weight of the cut images' KL must be finite and not negative");
    options->kl_cut_weight = weight;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_kl_direction(orthsr_trainer_options *options, orthsr_kl_direction direction, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(direction == ORTHSR_KL_FROZEN_TUNED || direction == ORTHSR_KL_TUNED_FROZEN, error, "unknown direction");
    options->kl_direction = direction;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_kl_temperature(orthsr_trainer_options *options, float temperature, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(temperature > 0 && isfinite(temperature), error, "the temperature must be finite and positive");
    options->kl_temperature = temperature;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_kl_reduction(orthsr_trainer_options *options, orthsr_kl_reduction reduction, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(reduction == ORTHSR_KL_BATCH_MEAN || reduction == ORTHSR_KL_MEAN, error, "unknown reduction");
    options->kl_reduction = reduction;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_kl_schedule(orthsr_trainer_options *options, orthsr_schedule schedule, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(schedule == ORTHSR_SCHEDULE_CONSTANT || schedule == ORTHSR_SCHEDULE_COSINE, error, "unknown schedule of the KL weight");
    options->kl_schedule = schedule;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_kl_confidence(orthsr_trainer_options *options, int confidence, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    options->kl_confidence = confidence != 0;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_frozen_templates(orthsr_trainer_options *options, const char *const *templates, size_t n, orthsr_error *error) {
    ORTHSR__REQUIRE(options && templates, error, "an argument is NULL");
    ORTHSR__REQUIRE(n >= 1, error, "at least one template is needed");
    ORTHSR__TRY(orthsr__check_templates(templates, n, error));
    return orthsr__templates_replace(&options->frozen_templates, &options->frozen_template_count, templates, n, error);
}

orthsr_status orthsr_trainer_options_set_augmentation(orthsr_trainer_options *options, orthsr_augmentation augmentation, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(augmentation == ORTHSR_AUGMENT_NONE || augmentation == ORTHSR_AUGMENT_STANDARD, error, "unknown augmentation");
    options->augmentation = augmentation;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_cutout(orthsr_trainer_options *options, orthsr_cutout cutout, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(cutout == ORTHSR_CUTOUT_OFF || cutout == ORTHSR_CUTOUT_ATTENTIVE || cutout == ORTHSR_CUTOUT_RANDOM, error, "unknown CutOut");
    options->cutout = cutout;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_cutout_source(orthsr_trainer_options *options, orthsr_cutout_source source, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(source == ORTHSR_CUTOUT_TEXT || source == ORTHSR_CUTOUT_ATTENTION, error, "unknown source of CutOut's map");
    options->cutout_source = source;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_cutout_fill(orthsr_trainer_options *options, orthsr_cutout_fill fill, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(fill == ORTHSR_CUTOUT_ZERO || fill == ORTHSR_CUTOUT_MEAN || fill == ORTHSR_CUTOUT_NOISE, error, "unknown filling of CutOut's holes");
    options->cutout_fill = fill;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_cutout_size(orthsr_trainer_options *options, float size, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(size >= 0 && size <= 1, error, "the size of CutOut's holes must be in [0, 1]");
    options->cutout_size = size;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_cutout_holes(orthsr_trainer_options *options, size_t holes, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(holes >= 1 && holes <= ORTHSR__MAX_HOLES, error, "CutOut makes 1 to 64 holes");
    options->cutout_holes = holes;
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_options_set_cutout_probability(orthsr_trainer_options *options, float probability, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(probability >= 0 && probability <= 1, error, "the probability of CutOut must be in [0, 1]");
    options->cutout_probability = probability;
    return ORTHSR_OK;
}
