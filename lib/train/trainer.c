/* trainer.c - one step: text forward, images tile by tile forward and backward, text backward, adjoint, update.
 *
 * Images meet each other only in the mean of the loss, so a batch of any size is processed in tiles that fit the memory (images.c), and the result is
 * that of the whole batch.
 */
#include <orthsr/trainer.h>

#include <stdlib.h>
#include <string.h>

#include "adapter/adapter.h"
#include "base/fail.h"
#include "base/memory.h"
#include "base/random.h"
#include "clip/encoder.h"
#include "train/descent.h"
#include "train/images.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/schedule.h"
#include "train/texts.h"

enum { METRICS = ORTHSR_METRIC_KL_CUT + 1 };

struct orthsr_trainer {
    const orthsr_model *model;
    orthsr_adapter *adapter; /* without targets, and own_adapter, when only a prompt is trained */
    orthsr_adapter *own_adapter;
    orthsr__texts texts; /* with a learned prompt, or the templates */
    const orthsr_dataset *dataset;
    orthsr_trainer_options *options;
    orthsr_optimizer *optimizer;
    orthsr__encoder encoder;
    orthsr__objective objective;
    orthsr__images images;
    size_t items;
    size_t batch, steps_per_epoch, step, epoch;
    double learning_rate;               /* of the widest block, where the rates are the default ones */
    double *rate_factor;                /* (target_count): of each target, times the learning rate */
    double *longest_gradient;           /* (target_count): its norm is cut off there; INFINITY where a rate was given */
    size_t *order;                      /* (items): of the current epoch */
    real *grad_rotations;               /* (rotation_count) */
    real *grad_parameters, *parameters; /* (parameter_count) */
    real *work;                         /* of orthsr__adapter_gradient */
    double metric[METRICS];
};

/* ---- life ------------------------------------------------------------------------------------------------------------------------ */

static orthsr_status make_optimizers(orthsr_trainer *trainer, orthsr_error *error) {
    const orthsr_trainer_options *options = trainer->options;
    orthsr_optimizer_kind kind;
    ORTHSR__TRY(orthsr__descent_kind(&kind, options, trainer->adapter, error));
    ORTHSR__TRY(orthsr__texts_descend(&trainer->texts, options, kind, trainer->own_adapter != NULL, error));
    if (trainer->own_adapter) return ORTHSR_OK;
    bool given = options->learning_rate > 0;
    trainer->learning_rate = given ? (double)options->learning_rate : orthsr__descent_rate(kind, trainer->adapter);
    for (size_t t = 0; t < trainer->adapter->target_count; t++) {
        trainer->rate_factor[t] = given ? 1 : orthsr__target_rate(kind, trainer->adapter, t) / trainer->learning_rate;
        trainer->longest_gradient[t] = given ? (double)INFINITY : orthsr__longest_gradient(kind, trainer->adapter, t, options->momentum);
    }
    return orthsr__descent_optimizer(&trainer->optimizer, kind, options, trainer->adapter, error);
}

static orthsr_status allocate(orthsr_trainer *trainer, orthsr_error *error) {
    const orthsr_adapter *adapter = trainer->adapter;
    const struct {
        void **array;
        size_t n, size;
    } parts[] = {
        {(void **)&trainer->order, trainer->items, sizeof(size_t)},
        {(void **)&trainer->rate_factor, adapter->target_count, sizeof(double)},
        {(void **)&trainer->longest_gradient, adapter->target_count, sizeof(double)},
        {(void **)&trainer->grad_rotations, adapter->rotation_count, sizeof(real)},
        {(void **)&trainer->grad_parameters, adapter->parameter_count, sizeof(real)},
        {(void **)&trainer->parameters, adapter->parameter_count, sizeof(real)},
        {(void **)&trainer->work, orthsr__adapter_work_size(adapter), sizeof(real)},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!(*parts[i].array = orthsr__aligned(parts[i].n, parts[i].size))) return orthsr__fail_memory(error, "training");
    return orthsr__objective_new(&trainer->objective, trainer->texts.classes, trainer->texts.templates, trainer->texts.embed,
                                 orthsr__image_tile(trainer->model), error);
}

orthsr_status orthsr_trainer_new(orthsr_trainer **out, const orthsr_model *model, orthsr_adapter *adapter, const orthsr_dataset *dataset,
                                 const orthsr_trainer_options *options, orthsr_error *error) {
    return orthsr_trainer_new_with_prompt(out, model, adapter, NULL, dataset, options, error);
}

orthsr_status orthsr_trainer_new_with_prompt(orthsr_trainer **out, const orthsr_model *model, orthsr_adapter *adapter, orthsr_prompt *prompt,
                                             const orthsr_dataset *dataset, const orthsr_trainer_options *options, orthsr_error *error) {
    ORTHSR__REQUIRE(out != NULL, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(model && dataset, error, "an argument is NULL");
    ORTHSR__REQUIRE(adapter || prompt, error, "there is neither adapter nor prompt to train");
    ORTHSR__REQUIRE(!adapter || adapter->target_count > 0, error, "the adapter has no target");
    ORTHSR__REQUIRE(orthsr_dataset_count(dataset) > 0, error, "the dataset has no item");
    orthsr_trainer *trainer = orthsr__calloc(1, sizeof *trainer);
    if (!trainer) return orthsr__fail_memory(error, "a trainer");
    trainer->model = model;
    trainer->adapter = adapter;
    trainer->dataset = dataset;
    for (size_t i = 0; i < METRICS; i++) trainer->metric[i] = NAN;
    orthsr_status status = orthsr__trainer_options_copy(&trainer->options, options, error);
    if (!status && !adapter) {
        status = orthsr_adapter_new(&trainer->own_adapter, NULL, error);
        trainer->adapter = adapter = trainer->own_adapter;
    }
    if (!status) {
        options = trainer->options;
        trainer->items = orthsr_dataset_count(dataset);
        trainer->batch = options->batch_size == 0 || options->batch_size > trainer->items ? trainer->items : options->batch_size;
        trainer->steps_per_epoch = (trainer->items + trainer->batch - 1) / trainer->batch;
        if (options->epochs == 0) trainer->options->epochs = orthsr__default_epochs(trainer->steps_per_epoch);
        status = orthsr__texts_new(&trainer->texts, model, prompt, dataset, options, error);
    }
    if (!status) status = allocate(trainer, error);
    if (!status) {
        orthsr__objective_options(&trainer->objective, options);
        trainer->objective.scale = model->logit_scale;
        status = make_optimizers(trainer, error);
    }
    if (!status) status = orthsr__encoder_new(&trainer->encoder, model, adapter, true, error);
    trainer->encoder.context = prompt ? prompt->context : NULL;
    trainer->encoder.context_gradients = prompt != NULL;
    if (!status && !prompt && !orthsr__text_adapted(&trainer->encoder)) /* they stay as they are */
        status = orthsr__texts_encode(&trainer->texts, &trainer->encoder, error);
    if (!status) status = orthsr__images_new(&trainer->images, model, dataset, trainer->options, error);
    if (status) {
        orthsr_trainer_free(trainer);
        return status;
    }
    *out = trainer;
    return ORTHSR_OK;
}

void orthsr_trainer_free(orthsr_trainer *trainer) {
    if (!trainer) return;
    orthsr__encoder_free(&trainer->encoder);
    orthsr__images_free(&trainer->images);
    orthsr__objective_free(&trainer->objective);
    orthsr__texts_free(&trainer->texts);
    orthsr_adapter_free(trainer->own_adapter);
    orthsr_optimizer_free(trainer->optimizer);
    orthsr_trainer_options_free(trainer->options);
    void *const arrays[] = {trainer->order,      trainer->rate_factor, trainer->longest_gradient, trainer->grad_rotations, trainer->grad_parameters,
                            trainer->parameters, trainer->work};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
    free(trainer);
}

/* ---- a step ------------------------------------------------------------------------------------------------------------------------ */

/* The order of an epoch depends on the seed and the epoch only. One batch of everything needs none: its sums keep the dataset's order. */
static void shuffle(orthsr_trainer *trainer, size_t epoch) {
    for (size_t i = 0; i < trainer->items; i++) trainer->order[i] = i;
    if (trainer->batch == trainer->items) return;
    orthsr__random random;
    orthsr__random_seed(&random, trainer->options->seed * 1000003u + epoch);
    orthsr__random_shuffle(&random, trainer->order, trainer->items);
}

/* Loss and gradient of the batch items (n): grad_rotations holds the sum over tiles and prompts afterwards. */
static orthsr_status batch_gradient(orthsr_trainer *trainer, const size_t *items, size_t n, size_t epoch, orthsr_error *error) {
    orthsr__texts *texts = &trainer->texts;
    bool text = texts->prompt || orthsr__text_adapted(&trainer->encoder);
    memset(trainer->grad_rotations, 0, trainer->adapter->rotation_count * sizeof(real));
    if (text) ORTHSR__TRY(orthsr__texts_encode(texts, &trainer->encoder, error));
    trainer->objective.kl_factor = orthsr__kl_factor(trainer->options, epoch);
    orthsr__objective_begin(&trainer->objective, texts->features);
    ORTHSR__TRY(orthsr__images_gradient(&trainer->images, &trainer->encoder, &trainer->objective, items, n, epoch, trainer->grad_rotations, error));
    orthsr__objective_end(&trainer->objective, texts->grad_features);
    return text ? orthsr__texts_backward(texts, &trainer->encoder, trainer->grad_rotations, error) : ORTHSR_OK;
}

/* The first target with a value that is not finite among values, laid out as the parameters are; NULL: none. */
static const orthsr__target *not_finite(const orthsr_adapter *adapter, const real *values) {
    for (size_t t = 0; t < adapter->target_count; t++)
        if (!orthsr__all_finite(values + adapter->targets[t].parameter_offset, adapter->targets[t].parameter_count)) return &adapter->targets[t];
    return NULL;
}

static orthsr_status check_gradient(const orthsr_trainer *trainer, orthsr_error *error) {
    const orthsr__target *target = not_finite(trainer->adapter, trainer->grad_parameters);
    if (target)
        return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "step %zu: the gradient of '%s' is not finite; a smaller learning rate may help", trainer->step + 1,
                            target->name);
    const orthsr__texts *texts = &trainer->texts;
    if (texts->prompt && !orthsr__all_finite(texts->grad_context, texts->prompt->count))
        return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "step %zu: the gradient of the prompt's context is not finite; a smaller learning rate may help",
                            trainer->step + 1);
    return ORTHSR_OK;
}

static void cut_off_gradient(orthsr_trainer *trainer) {
    for (size_t t = 0; t < trainer->adapter->target_count; t++) {
        if (isinf(trainer->longest_gradient[t])) continue;
        const orthsr__target *target = &trainer->adapter->targets[t];
        real *gradient = trainer->grad_parameters + target->parameter_offset;
        double squares = 0;
        for (size_t i = 0; i < target->parameter_count; i++) squares += (double)gradient[i] * (double)gradient[i];
        real factor = (real)(trainer->longest_gradient[t] / sqrt(squares));
        for (size_t i = 0; i < target->parameter_count && factor < 1; i++) gradient[i] *= factor;
    }
}

/* The step of a narrow block goes further than the widest one's, where each has its own rate: AdamW and SGD move every parameter by itself, in proportion to
 * the rate. */
static void stretch_step(orthsr_trainer *trainer) {
    const orthsr_adapter *adapter = trainer->adapter;
    for (size_t t = 0; t < adapter->target_count; t++) {
        if (trainer->rate_factor[t] == 1) continue;
        const orthsr__target *target = &adapter->targets[t];
        const real *before = adapter->parameters + target->parameter_offset;
        real *after = trainer->parameters + target->parameter_offset, factor = (real)trainer->rate_factor[t];
        for (size_t i = 0; i < target->parameter_count; i++) after[i] = before[i] + factor * (after[i] - before[i]);
    }
}

/* The first target that the optimizer's step, which failed, has made not finite. The Riemannian ones stop at a matrix, and say at which. */
static const orthsr__target *overflown(const orthsr_trainer *trainer) {
    const orthsr_optimizer *optimizer = trainer->optimizer;
    if (optimizer->block_count > 0) return NULL;
    const orthsr__target *target = not_finite(trainer->adapter, optimizer->moved);
    for (size_t s = 0; s < optimizer->slots && !target; s++) target = not_finite(trainer->adapter, optimizer->next + s * optimizer->size);
    return target;
}

static orthsr_status move_adapter(orthsr_trainer *trainer, double lr, double *defect, orthsr_error *error) {
    orthsr_adapter *adapter = trainer->adapter;
    *defect = 0;
    if (adapter->parameter_count == 0) return ORTHSR_OK;
    memcpy(trainer->parameters, adapter->parameters, adapter->parameter_count * sizeof(real));
    orthsr_error why;
    orthsr_status status = orthsr__optimizer_step(trainer->optimizer, trainer->parameters, trainer->grad_parameters, adapter->parameter_count, lr, &why);
    const orthsr__target *target = status ? overflown(trainer) : NULL;
    if (target) return orthsr__fail(error, status, "step %zu: target '%s': %s", trainer->step + 1, target->name, why.message);
    if (status) return orthsr__fail(error, status, "step %zu: %s", trainer->step + 1, why.message);
    stretch_step(trainer);
    status = orthsr__adapter_update(adapter, trainer->parameters, &why);
    if (status) {
        orthsr__optimizer_undo(trainer->optimizer);
        return orthsr__fail(error, status, "step %zu: %s", trainer->step + 1, why.message);
    }
    return orthsr_adapter_defect(adapter, defect, error);
}

orthsr_status orthsr_trainer_step(orthsr_trainer *trainer, orthsr_error *error) {
    ORTHSR__REQUIRE(trainer != NULL, error, "trainer is NULL");
    ORTHSR__REQUIRE(trainer->step < orthsr_trainer_step_total(trainer), error, "all steps of the run are done");
    size_t epoch = trainer->step / trainer->steps_per_epoch, within = trainer->step % trainer->steps_per_epoch;
    size_t first = within * trainer->batch, n = trainer->items - first < trainer->batch ? trainer->items - first : trainer->batch;
    double lr = orthsr__schedule(trainer->options, trainer->learning_rate, epoch), defect;
    double context_lr = orthsr__schedule(trainer->options, trainer->texts.learning_rate, epoch);
    orthsr_adapter *adapter = trainer->adapter;
    if (within == 0) shuffle(trainer, epoch);

    orthsr_error why;
    orthsr_status status = batch_gradient(trainer, trainer->order + first, n, epoch, &why);
    if (status) { /* the first step is made on the frozen model */
        const char *advice = status == ORTHSR_ERROR_NUMERIC && trainer->step > 0 ? "; a smaller learning rate may help" : "";
        return orthsr__fail(error, status, "step %zu: %s%s", trainer->step + 1, why.message, advice);
    }
    const orthsr__term *whole = &trainer->objective.term[ORTHSR__WHOLE], *cut = &trainer->objective.term[ORTHSR__CUT];
    double loss = orthsr__objective_loss(&trainer->objective, n);
    if (!isfinite(loss))
        return orthsr__fail(error, ORTHSR_ERROR_NUMERIC,
                            "step %zu: the loss is not finite (cross-entropy %g, KL %g; of the cut images %g, %g); a smaller learning rate may help",
                            trainer->step + 1, whole->ce / (double)n, whole->kl / (double)n, cut->ce / (double)n, cut->kl / (double)n);
    memset(trainer->grad_parameters, 0, adapter->parameter_count * sizeof(real));
    orthsr__adapter_gradient(adapter, trainer->grad_parameters, trainer->grad_rotations, trainer->work);
    ORTHSR__TRY(check_gradient(trainer, error));
    cut_off_gradient(trainer);

    status = orthsr__texts_propose(&trainer->texts, context_lr, &why);
    if (status) return orthsr__fail(error, status, "step %zu: the prompt's context: %s", trainer->step + 1, why.message);
    status = move_adapter(trainer, lr, &defect, error);
    if (status) {
        orthsr__texts_undo(&trainer->texts);
        return status;
    }
    orthsr__texts_commit(&trainer->texts);
    trainer->step++;
    trainer->epoch = epoch;
    const double metric[METRICS] = {
        [ORTHSR_METRIC_LOSS] = loss,
        [ORTHSR_METRIC_CE] = whole->ce / (double)n,
        [ORTHSR_METRIC_KL] = whole->kl / (double)n,
        [ORTHSR_METRIC_LEARNING_RATE] = trainer->own_adapter ? context_lr : lr,
        [ORTHSR_METRIC_ORTHOGONALITY] = defect,
        [ORTHSR_METRIC_BATCH_ACCURACY] = (double)whole->correct / (double)n,
        [ORTHSR_METRIC_CE_CUT] = cut->ce / (double)n,
        [ORTHSR_METRIC_KL_CUT] = cut->kl / (double)n,
    };
    memcpy(trainer->metric, metric, sizeof metric);
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_run(orthsr_trainer *trainer, orthsr_trainer_callback callback, void *payload, orthsr_error *error) {
    ORTHSR__REQUIRE(trainer != NULL, error, "trainer is NULL");
    while (trainer->step < orthsr_trainer_step_total(trainer)) {
        ORTHSR__TRY(orthsr_trainer_step(trainer, error));
        if (callback && callback(trainer, payload)) return orthsr__fail(error, ORTHSR_ERROR_CANCELLED, "stopped by the caller after step %zu", trainer->step);
    }
    return ORTHSR_OK;
}

size_t orthsr_trainer_step_count(const orthsr_trainer *trainer) { return trainer->step; }
size_t orthsr_trainer_step_total(const orthsr_trainer *trainer) { return trainer->options->epochs * trainer->steps_per_epoch; }
size_t orthsr_trainer_epoch(const orthsr_trainer *trainer) { return trainer->epoch; }

double orthsr_trainer_metric(const orthsr_trainer *trainer, orthsr_metric metric) {
    return (int)metric >= 0 && (int)metric < METRICS ? trainer->metric[metric] : NAN;
}
