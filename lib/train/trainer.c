/* trainer.c - one step: rotations, text forward, images tile by tile forward and backward, text backward, adjoint, update.
 *
 * Features of the frozen model never change, so its log-probabilities are formed once. Images meet each other only in the mean of the loss, so a
 * batch of any size is processed in tiles that fit the memory, and the result is that of the whole batch.
 */
#include <orthsr/trainer.h>

#include <stdlib.h>
#include <string.h>

#include "adapter/adapter.h"
#include "base/fail.h"
#include "base/memory.h"
#include "base/random.h"
#include "clip/encoder.h"
#include "clip/prompt.h"
#include "train/descent.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/schedule.h"

enum { METRICS = ORTHSR_METRIC_BATCH_ACCURACY + 1 };

struct orthsr_trainer {
    const orthsr_model *model;
    orthsr_adapter *adapter;
    const orthsr_dataset *dataset;
    orthsr_trainer_options *options;
    orthsr_optimizer *optimizer;
    orthsr__encoder encoder;
    orthsr__objective objective;
    size_t items, classes, prompts, embed, image; /* image: floats of one input */
    size_t batch, steps_per_epoch, step, epoch;
    double learning_rate;
    size_t *order;                        /* (items): of the current epoch */
    size_t *labels;                       /* (tile) */
    int32_t *tokens;                      /* (prompts, context) */
    float *pixels;                        /* (tile, 3, size, size) */
    real *frozen;                         /* (items, classes): log-probabilities of the frozen model */
    real *tile_frozen;                    /* (tile, classes): those of the tile at hand */
    real *frozen_images;                  /* (items, embed): raw; the image features when no image map is adapted */
    real *images;                         /* (tile, embed): raw features, then their gradients */
    real *prompt_features, *grad_prompts; /* (prompts, embed) */
    real *grad_rotations;                 /* (rotation_count) */
    real *grad_parameters, *parameters;   /* (parameter_count) */
    real *work;                           /* of orthsr__adapter_gradient */
    double metric[METRICS];
};

/* ---- features ------------------------------------------------------------------------------------------------------------------ */

static orthsr_status load_pixels(orthsr_trainer *trainer, const size_t *items, size_t n, orthsr_error *error) {
    for (size_t i = 0; i < n; i++) ORTHSR__TRY(orthsr_dataset_pixels(trainer->dataset, items[i], trainer->model, trainer->pixels + i * trainer->image, error));
    return ORTHSR_OK;
}

/* All prompts' raw features into trainer->prompt_features, tile by tile. */
static orthsr_status encode_prompts(orthsr_trainer *trainer, orthsr__encoder *encoder, orthsr_error *error) {
    size_t tile = orthsr__text_tile(trainer->model), context = trainer->model->config.context_length;
    for (size_t i = 0; i < trainer->prompts; i += tile) {
        size_t n = trainer->prompts - i < tile ? trainer->prompts - i : tile;
        ORTHSR__TRY(orthsr__encode_text_tile(encoder, trainer->prompt_features + i * trainer->embed, trainer->tokens + i * context, n, error));
    }
    return ORTHSR_OK;
}

/* A tile's activations are gone once the next was encoded: when there were several, each is encoded again before its backward pass. */
static orthsr_status prompts_backward(orthsr_trainer *trainer, orthsr_error *error) {
    size_t tile = orthsr__text_tile(trainer->model), context = trainer->model->config.context_length;
    for (size_t i = 0; i < trainer->prompts; i += tile) {
        size_t n = trainer->prompts - i < tile ? trainer->prompts - i : tile;
        if (trainer->prompts > tile)
            ORTHSR__TRY(orthsr__encode_text_tile(&trainer->encoder, trainer->prompt_features + i * trainer->embed, trainer->tokens + i * context, n, error));
        orthsr__text_tile_backward(&trainer->encoder, trainer->grad_prompts + i * trainer->embed, n, trainer->grad_rotations);
    }
    return ORTHSR_OK;
}

/* The anchor: one pass of the frozen model over prompts and items. */
static orthsr_status encode_frozen(orthsr_trainer *trainer, orthsr_error *error) {
    orthsr__encoder frozen;
    orthsr_status status = orthsr__encoder_new(&frozen, trainer->model, NULL, false, error);
    if (!status) status = encode_prompts(trainer, &frozen, error);
    if (!status) orthsr__objective_begin(&trainer->objective, trainer->prompt_features);
    size_t tile = trainer->objective.tile;
    for (size_t i = 0; i < trainer->items && !status; i += tile) {
        size_t n = trainer->items - i < tile ? trainer->items - i : tile;
        real *images = trainer->frozen_images + i * trainer->embed, *log_p = trainer->frozen + i * trainer->classes;
        status = load_pixels(trainer, trainer->order + i, n, error);
        if (!status) status = orthsr__encode_image_tile(&frozen, images, trainer->pixels, n, error);
        if (!status) orthsr__objective_log_probabilities(&trainer->objective, log_p, images, n);
        for (size_t j = 0; j < n && !status; j++)
            if (!orthsr__all_finite(log_p + j * trainer->classes, trainer->classes))
                status = orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the frozen model's logits of %s are not finite",
                                      orthsr_dataset_item_name(trainer->dataset, i + j));
    }
    orthsr__encoder_free(&frozen);
    return status;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------ */

static orthsr_status make_optimizer(orthsr_trainer *trainer, orthsr_error *error) {
    const orthsr_trainer_options *options = trainer->options;
    orthsr_optimizer_kind kind;
    ORTHSR__TRY(orthsr__descent_kind(&kind, options, trainer->adapter, error));
    trainer->learning_rate = options->learning_rate > 0 ? (double)options->learning_rate : orthsr__descent_rate(kind, trainer->adapter);
    return orthsr__descent_optimizer(&trainer->optimizer, kind, options, trainer->adapter, error);
}

static orthsr_status allocate(orthsr_trainer *trainer, orthsr_error *error) {
    size_t tile = orthsr__image_tile(trainer->model), embed = trainer->embed;
    ORTHSR__TRY(orthsr__objective_new(&trainer->objective, trainer->classes, trainer->options->template_count, embed, tile, error));
    const struct {
        void **array;
        size_t n, m, size;
    } parts[] = {
        {(void **)&trainer->order, trainer->items, 1, sizeof(size_t)},
        {(void **)&trainer->labels, tile, 1, sizeof(size_t)},
        {(void **)&trainer->pixels, tile, trainer->image, sizeof(float)},
        {(void **)&trainer->frozen, trainer->items, trainer->classes, sizeof(real)},
        {(void **)&trainer->tile_frozen, tile, trainer->classes, sizeof(real)},
        {(void **)&trainer->frozen_images, trainer->items, embed, sizeof(real)},
        {(void **)&trainer->images, tile, embed, sizeof(real)},
        {(void **)&trainer->prompt_features, trainer->prompts, embed, sizeof(real)},
        {(void **)&trainer->grad_prompts, trainer->prompts, embed, sizeof(real)},
        {(void **)&trainer->grad_rotations, trainer->adapter->rotation_count, 1, sizeof(real)},
        {(void **)&trainer->grad_parameters, trainer->adapter->parameter_count, 1, sizeof(real)},
        {(void **)&trainer->parameters, trainer->adapter->parameter_count, 1, sizeof(real)},
        {(void **)&trainer->work, orthsr__adapter_work_size(trainer->adapter), 1, sizeof(real)},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t count;
        if (!orthsr__mul(&count, parts[i].n, parts[i].m) || !(*parts[i].array = orthsr__aligned(count, parts[i].size)))
            return orthsr__fail_memory(error, "training");
    }
    return ORTHSR_OK;
}

static orthsr_status tokenize_classes(orthsr_trainer *trainer, orthsr_error *error) {
    const char **names = orthsr__calloc(trainer->classes, sizeof *names);
    if (!names) return orthsr__fail_memory(error, "class names");
    for (size_t c = 0; c < trainer->classes; c++) names[c] = orthsr_dataset_class_name(trainer->dataset, c);
    orthsr_status status = orthsr__tokenize_classes(&trainer->tokens, trainer->model, names, trainer->classes, (const char *const *)trainer->options->templates,
                                                    trainer->options->template_count, error);
    free(names);
    return status;
}

orthsr_status orthsr_trainer_new(orthsr_trainer **out, const orthsr_model *model, orthsr_adapter *adapter, const orthsr_dataset *dataset,
                                 const orthsr_trainer_options *options, orthsr_error *error) {
    ORTHSR__REQUIRE(out != NULL, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(model && adapter && dataset, error, "an argument is NULL");
    ORTHSR__REQUIRE(adapter->target_count > 0, error, "the adapter has no target");
    ORTHSR__REQUIRE(orthsr_dataset_count(dataset) > 0, error, "the dataset has no item");
    orthsr_trainer *trainer = orthsr__calloc(1, sizeof *trainer);
    if (!trainer) return orthsr__fail_memory(error, "a trainer");
    trainer->model = model;
    trainer->adapter = adapter;
    trainer->dataset = dataset;
    for (size_t i = 0; i < METRICS; i++) trainer->metric[i] = NAN;
    orthsr_status status = orthsr__trainer_options_copy(&trainer->options, options, error);
    if (!status) {
        options = trainer->options;
        trainer->items = orthsr_dataset_count(dataset);
        trainer->classes = orthsr_dataset_class_count(dataset);
        trainer->prompts = trainer->classes * options->template_count;
        trainer->embed = model->config.embed_dim;
        trainer->image = 3 * model->config.image_size * model->config.image_size;
        trainer->batch = options->batch_size == 0 || options->batch_size > trainer->items ? trainer->items : options->batch_size;
        trainer->steps_per_epoch = (trainer->items + trainer->batch - 1) / trainer->batch;
        status = allocate(trainer, error);
    }
    if (!status) {
        trainer->objective.scale = model->logit_scale;
        trainer->objective.kl_weight = (real)options->kl_weight;
        trainer->objective.direction = options->kl_direction;
        for (size_t i = 0; i < trainer->items; i++) trainer->order[i] = i;
        status = tokenize_classes(trainer, error);
    }
    if (!status) status = make_optimizer(trainer, error);
    if (!status) status = orthsr__encoder_new(&trainer->encoder, model, adapter, true, error);
    if (!status) status = encode_frozen(trainer, error);
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
    orthsr__objective_free(&trainer->objective);
    orthsr_optimizer_free(trainer->optimizer);
    orthsr_trainer_options_free(trainer->options);
    void *const arrays[] = {trainer->order,           trainer->labels,       trainer->tokens,         trainer->pixels,
                            trainer->frozen,          trainer->tile_frozen,  trainer->frozen_images,  trainer->images,
                            trainer->prompt_features, trainer->grad_prompts, trainer->grad_rotations, trainer->grad_parameters,
                            trainer->parameters,      trainer->work};
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
static orthsr_status batch_gradient(orthsr_trainer *trainer, const size_t *items, size_t n, orthsr_error *error) {
    orthsr__objective *objective = &trainer->objective;
    bool image = orthsr__image_adapted(&trainer->encoder), text = orthsr__text_adapted(&trainer->encoder);
    size_t embed = trainer->embed, classes = trainer->classes;
    memset(trainer->grad_rotations, 0, trainer->adapter->rotation_count * sizeof(real));
    if (text) ORTHSR__TRY(encode_prompts(trainer, &trainer->encoder, error));
    orthsr__objective_begin(objective, trainer->prompt_features);
    for (size_t i = 0; i < n; i += objective->tile) {
        size_t count = n - i < objective->tile ? n - i : objective->tile;
        if (image) {
            ORTHSR__TRY(load_pixels(trainer, items + i, count, error));
            ORTHSR__TRY(orthsr__encode_image_tile(&trainer->encoder, trainer->images, trainer->pixels, count, error));
        }
        for (size_t j = 0; j < count; j++) {
            size_t item = items[i + j];
            trainer->labels[j] = orthsr_dataset_label(trainer->dataset, item);
            memcpy(trainer->tile_frozen + j * classes, trainer->frozen + item * classes, classes * sizeof(real));
            if (!image) memcpy(trainer->images + j * embed, trainer->frozen_images + item * embed, embed * sizeof(real));
        }
        orthsr__objective_tile(objective, trainer->images, trainer->images, trainer->labels, trainer->tile_frozen, count, n);
        if (image) orthsr__image_tile_backward(&trainer->encoder, trainer->images, count, trainer->grad_rotations);
    }
    orthsr__objective_end(objective, trainer->grad_prompts);
    return text ? prompts_backward(trainer, error) : ORTHSR_OK;
}

/* Names the first target whose gradient is not finite. */
static orthsr_status check_gradient(const orthsr_trainer *trainer, orthsr_error *error) {
    for (size_t t = 0; t < trainer->adapter->target_count; t++) {
        const orthsr__target *target = &trainer->adapter->targets[t];
        if (!orthsr__all_finite(trainer->grad_parameters + target->parameter_offset, target->parameter_count))
            return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "step %zu: the gradient of '%s' is not finite; a smaller learning rate may help",
                                trainer->step + 1, target->name);
    }
    return ORTHSR_OK;
}

orthsr_status orthsr_trainer_step(orthsr_trainer *trainer, orthsr_error *error) {
    ORTHSR__REQUIRE(trainer != NULL, error, "trainer is NULL");
    ORTHSR__REQUIRE(trainer->step < orthsr_trainer_step_total(trainer), error, "all steps of the run are done");
    size_t epoch = trainer->step / trainer->steps_per_epoch, within = trainer->step % trainer->steps_per_epoch;
    size_t first = within * trainer->batch, n = trainer->items - first < trainer->batch ? trainer->items - first : trainer->batch;
    double lr = orthsr__schedule(trainer->options, trainer->learning_rate, epoch), defect;
    orthsr_adapter *adapter = trainer->adapter;
    if (within == 0) shuffle(trainer, epoch);

    ORTHSR__TRY(batch_gradient(trainer, trainer->order + first, n, error));
    double ce = trainer->objective.ce / (double)n, kl = trainer->objective.kl / (double)n, loss = ce + (double)trainer->options->kl_weight * kl;
    if (!isfinite(loss))
        return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "step %zu: the loss is not finite (cross-entropy %g, KL %g); a smaller learning rate may help",
                            trainer->step + 1, ce, kl);
    memset(trainer->grad_parameters, 0, adapter->parameter_count * sizeof(real));
    orthsr__adapter_gradient(adapter, trainer->grad_parameters, trainer->grad_rotations, trainer->work);
    ORTHSR__TRY(check_gradient(trainer, error));

    memcpy(trainer->parameters, adapter->parameters, adapter->parameter_count * sizeof(real));
    ORTHSR__TRY(orthsr__optimizer_step(trainer->optimizer, trainer->parameters, trainer->grad_parameters, adapter->parameter_count, lr, error));
    orthsr_error why;
    orthsr_status status = orthsr__adapter_update(adapter, trainer->parameters, &why);
    if (status) {
        orthsr__optimizer_undo(trainer->optimizer);
        return orthsr__fail(error, status, "step %zu: %s", trainer->step + 1, why.message);
    }
    ORTHSR__TRY(orthsr_adapter_defect(adapter, &defect, error));
    trainer->step++;
    trainer->epoch = epoch;
    const double metric[METRICS] = {
        [ORTHSR_METRIC_LOSS] = loss,
        [ORTHSR_METRIC_CE] = ce,
        [ORTHSR_METRIC_KL] = kl,
        [ORTHSR_METRIC_LEARNING_RATE] = lr,
        [ORTHSR_METRIC_ORTHOGONALITY] = defect,
        [ORTHSR_METRIC_BATCH_ACCURACY] = (double)trainer->objective.correct / (double)n,
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
