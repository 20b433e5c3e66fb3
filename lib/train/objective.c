/* objective.c - the loss of OrthSR on features: cross-entropy and anchor, for images as they are and cut. */
#include "train/objective.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/linalg.h"
#include "base/memory.h"
#include "ops/ops.h"

orthsr_status orthsr__objective_new(orthsr__objective *objective, size_t classes, size_t templates, size_t embed, size_t tile, orthsr_error *error) {
    *objective = (orthsr__objective){.classes = classes, .templates = templates, .embed = embed, .tile = tile, .temperature = 1, .kl_factor = 1};
    size_t prompts = classes * templates;
    const struct {
        real **array;
        size_t size;
    } parts[] = {
        {&objective->unit_prompts, prompts * embed},   {&objective->prompt_norms, prompts},
        {&objective->means, classes * embed},          {&objective->class_norms, classes},
        {&objective->class_features, classes * embed}, {&objective->grad_classes, classes * embed},
        {&objective->unit_images, tile * embed},       {&objective->image_norms, tile},
        {&objective->logits, tile * classes},          {&objective->log_p, tile * classes},
        {&objective->grad_logits, tile * classes},
    };
    size_t total = 0, used = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) total += parts[i].size;
    objective->memory = orthsr__aligned(total, sizeof(real));
    if (!objective->memory) return orthsr__fail_memory(error, "the loss");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        *parts[i].array = objective->memory + used;
        used += parts[i].size;
    }
    return ORTHSR_OK;
}

void orthsr__objective_options(orthsr__objective *objective, const orthsr_trainer_options *options) {
    objective->term[ORTHSR__WHOLE] = (orthsr__term){.ce_weight = 1, .kl_weight = (real)orthsr__kl_weight(options)};
    objective->term[ORTHSR__CUT] = (orthsr__term){.ce_weight = (real)options->ce_cut_weight, .kl_weight = (real)options->kl_cut_weight};
    objective->temperature = (real)options->kl_temperature;
    objective->direction = options->kl_direction;
    objective->reduction = options->kl_reduction;
    objective->confidence = options->kl_confidence;
}

void orthsr__objective_free(orthsr__objective *objective) {
    free(objective->memory);
    *objective = (orthsr__objective){0};
}

void orthsr__objective_begin(orthsr__objective *objective, const real *prompts) {
    size_t classes = objective->classes, templates = objective->templates, embed = objective->embed;
    orthsr__normalize_forward(objective->unit_prompts, objective->prompt_norms, prompts, classes * templates, embed);
    for (size_t c = 0; c < classes; c++)
        for (size_t e = 0; e < embed; e++) {
            real sum = 0;
            for (size_t k = 0; k < templates; k++) sum += objective->unit_prompts[(c * templates + k) * embed + e];
            objective->means[c * embed + e] = sum / (real)templates;
        }
    orthsr__normalize_forward(objective->class_features, objective->class_norms, objective->means, classes, embed);
    memset(objective->grad_classes, 0, classes * embed * sizeof(real));
    for (size_t i = 0; i < ORTHSR__PARTS; i++) objective->sums[i] = (orthsr__sums){0};
}

/* z (n, classes) into objective->logits. */
static void form_logits(orthsr__objective *objective, const real *images, size_t n) {
    size_t classes = objective->classes, embed = objective->embed;
    orthsr__normalize_forward(objective->unit_images, objective->image_norms, images, n, embed);
    orthsr__gemm(false, true, n, classes, embed, objective->scale, objective->unit_images, embed, objective->class_features, embed, 0, objective->logits,
                 classes);
}

/* log softmax(z / T), n rows. z stays when T = 1; log_p may be it otherwise. */
static void soften(real *log_p, real *z, size_t n, size_t classes, real temperature) {
    if (temperature != 1)
        for (size_t i = 0; i < n * classes; i++) z[i] /= temperature;
    orthsr__log_softmax(log_p, z, n, classes);
}

void orthsr__objective_log_probabilities(orthsr__objective *objective, real *log_p, const real *images, size_t n) {
    form_logits(objective, images, n);
    soften(log_p, objective->logits, n, objective->classes, objective->temperature);
}

/* d/dz of T^2 KL(z / T) is T times that of the KL in its own logits. The value returned has T^2, the reduction and the confidence in it. */
static double add_kl(orthsr__objective *objective, const real *frozen, const size_t *labels, size_t n, real weight) {
    size_t classes = objective->classes;
    real t = objective->temperature, share = objective->reduction == ORTHSR_KL_MEAN ? 1 / (real)classes : 1;
    if (t != 1) soften(objective->log_p, objective->logits, n, classes, t);
    double (*kl)(real *, const real *, const real *, size_t, size_t, real) =
        objective->direction == ORTHSR_KL_FROZEN_TUNED ? orthsr__kl_forward : orthsr__kl_reverse;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double trust = objective->confidence ? exp((double)frozen[i * classes + labels[i]]) : 1;
        sum += trust *
               kl(objective->grad_logits + i * classes, objective->log_p + i * classes, frozen + i * classes, 1, classes, (real)trust * weight * t * share);
    }
    return (double)(t * t * share) * sum;
}

void orthsr__objective_tile(orthsr__objective *objective, orthsr__part part, real *grad_images, const real *images, const size_t *labels, const real *frozen,
                            size_t n, size_t batch) {
    size_t classes = objective->classes, embed = objective->embed;
    const orthsr__term *term = &objective->term[part];
    orthsr__sums *sums = &objective->sums[part];
    real *log_p = objective->log_p, *grad = objective->grad_logits, weight = 1 / (real)batch;
    form_logits(objective, images, n);
    orthsr__log_softmax(log_p, objective->logits, n, classes);
    for (size_t i = 0; i < n; i++) {
        size_t best = 0;
        for (size_t c = 1; c < classes; c++)
            if (log_p[i * classes + c] > log_p[i * classes + best]) best = c;
        sums->correct += best == labels[i];
    }
    memset(grad, 0, n * classes * sizeof(real));
    sums->ce += orthsr__cross_entropy(grad, log_p, labels, n, classes, weight * term->ce_weight);
    sums->kl += add_kl(objective, frozen, labels, n, weight * (real)objective->kl_factor * term->kl_weight);
    orthsr__gemm(true, false, classes, embed, n, objective->scale, grad, classes, objective->unit_images, embed, 1, objective->grad_classes, embed);
    orthsr__gemm(false, false, n, embed, classes, objective->scale, grad, classes, objective->class_features, embed, 0, grad_images, embed);
    orthsr__normalize_backward(grad_images, grad_images, objective->unit_images, objective->image_norms, n, embed);
}

double orthsr__objective_loss(const orthsr__objective *objective, size_t n) {
    double loss = 0;
    for (size_t i = 0; i < ORTHSR__PARTS; i++) {
        const orthsr__term *term = &objective->term[i];
        const orthsr__sums *sums = &objective->sums[i];
        loss += ((double)term->ce_weight * sums->ce + objective->kl_factor * (double)term->kl_weight * sums->kl) / (double)n;
    }
    return loss;
}

void orthsr__objective_end(orthsr__objective *objective, real *grad_prompts) {
    size_t classes = objective->classes, templates = objective->templates, embed = objective->embed;
    orthsr__normalize_backward(objective->grad_classes, objective->grad_classes, objective->class_features, objective->class_norms, classes, embed);
    for (size_t p = 0; p < classes * templates; p++)
        for (size_t e = 0; e < embed; e++) grad_prompts[p * embed + e] = objective->grad_classes[p / templates * embed + e] / (real)templates;
    orthsr__normalize_backward(grad_prompts, grad_prompts, objective->unit_prompts, objective->prompt_norms, classes * templates, embed);
}
