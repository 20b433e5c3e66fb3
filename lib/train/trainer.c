/* trainer.c - one step: text forward, images tile by tile forward and backward, text backward, adjoint, update.
 *
 * Images meet each other only in the mean of the loss, so a batch of any size is processed in tiles that fit the memory (images.c), and the result is
 * that of the whole batch. Ranks share a step: each has its shards of class prompts and of images; between the two they tell each other features, and then the
 * gradients of features. What can fail at one rank alone is agreed on before they go on.
 */
#include <orthsr/trainer.h>

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "train/rates.h"
#include "train/schedule.h"
#include "train/trainer.h"

/* ---- life ------------------------------------------------------------------------------------------------------------------------ */

/* Tiles of so many rows, and what a step has with them. */
static void set_tile_rows(orthsr_trainer *trainer, size_t tile_rows) {
    const orthsr__texts *texts = &trainer->texts;
    orthsr__encoder *encoder = &trainer->encoder;
    size_t images = trainer->batch * (trainer->options->cutout == ORTHSR_CUTOUT_OFF ? 1 : 2);
    encoder->tile_rows = tile_rows;
    encoder->image_load = (orthsr__load){orthsr__image_rows(trainer->model, images), images};
    encoder->text_load = (orthsr__load){orthsr__text_rows(encoder, texts->tokens, texts->prompts), texts->prompts};
}

/* The encoder, with tiles halved until they are within the budget. */
static orthsr_status make_encoder(orthsr_trainer *trainer, const orthsr_prompt *prompt, orthsr_error *error) {
    size_t budget = trainer->options->memory_budget ? trainer->options->memory_budget : SIZE_MAX, bytes;
    ORTHSR__TRY(orthsr__encoder_new(&trainer->encoder, trainer->model, trainer->adapter, true, trainer->pool, ORTHSR__TILE_ROWS, error));
    trainer->encoder.context = prompt ? prompt->context : NULL;
    trainer->encoder.context_gradients = prompt != NULL;
    set_tile_rows(trainer, ORTHSR__TILE_ROWS);
    while ((bytes = orthsr__training_bytes(&trainer->encoder)) > budget && trainer->encoder.tile_rows > 1)
        set_tile_rows(trainer, trainer->encoder.tile_rows / 2);
    if (bytes > budget)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "a memory budget of %zu MiB: one image at a time takes %zu MiB", budget >> 20, (bytes >> 20) + 1);
    return ORTHSR_OK;
}

static orthsr_status make_descents(orthsr_trainer *trainer, orthsr_error *error) {
    orthsr_optimizer_kind kind;
    ORTHSR__TRY(orthsr__optimizer_kind(&kind, trainer->options, trainer->adapter, error));
    ORTHSR__TRY(orthsr__texts_descend(&trainer->texts, trainer->options, kind, trainer->own_adapter != NULL, error));
    return orthsr__descent_new(&trainer->descent, trainer->adapter, kind, trainer->options, trainer->pool, &trainer->phases, error);
}

/* The gradients of one tower's matrices as stretches of grad_rotations, one where targets stand behind each other; then `more`. */
static orthsr_status list_sums(orthsr__summed **out, size_t *matrices, size_t *count, const orthsr_trainer *trainer, const orthsr__tower *tower,
                               const orthsr__summed *more, size_t more_count, orthsr_error *error) {
    const orthsr_adapter *adapter = trainer->adapter;
    size_t n = 0, end = SIZE_MAX;
    orthsr__summed *sums = *out = orthsr__calloc(adapter->target_count + more_count, sizeof *sums);
    if (!sums) return orthsr__fail_memory(error, "training");
    for (size_t t = 0; t < adapter->target_count; t++) {
        const orthsr__target *target = &adapter->targets[t];
        size_t size = target->distinct * target->block * target->block;
        if (!orthsr__encoder_has(&trainer->encoder, tower, target)) continue;
        if (end == target->rotation_offset) sums[n - 1].n += size;
        else sums[n++] = (orthsr__summed){trainer->descent.grad_rotations + target->rotation_offset, size, false};
        end = target->rotation_offset + size;
    }
    *matrices = n;
    for (size_t i = 0; i < more_count; i++)
        if (more[i].n > 0) sums[n++] = more[i];
    *count = n;
    return ORTHSR_OK;
}

static orthsr_status make_shards(orthsr_trainer *trainer, orthsr_error *error) {
    orthsr__objective *objective = &trainer->objective;
    orthsr__texts *texts = &trainer->texts;
    const orthsr__summed loss[] = {{objective->grad_classes, objective->classes * objective->embed, false}, {objective->sums, ORTHSR__SUMS, true}},
                         context = {texts->grad_context, texts->prompt ? texts->prompt->count : 0, false};
    ORTHSR__TRY(list_sums(&trainer->image_sums, &trainer->image_matrices, &trainer->image_sum_count, trainer, &trainer->model->image, loss, 2, error));
    ORTHSR__TRY(list_sums(&trainer->text_sums, &trainer->text_matrices, &trainer->text_sum_count, trainer, &trainer->model->text, &context, 1, error));
    size_t images = orthsr__summed_bytes(trainer->image_sums, trainer->image_sum_count), ranks = orthsr_collective_ranks(trainer->options->collective),
           prompts = orthsr__summed_bytes(trainer->text_sums, trainer->text_sum_count);
    ORTHSR__TRY(orthsr__shards_new(&trainer->shards, trainer->options->shards, trainer->options->collective, images > prompts ? images : prompts, trainer->pool,
                                   error));
    trainer->prompt_begins = orthsr__calloc(ranks + 1, sizeof *trainer->prompt_begins);
    if (!trainer->prompt_begins) return orthsr__fail_memory(error, "training");
    for (size_t r = 0; r <= ranks; r++) trainer->prompt_begins[r] = orthsr__texts_begin(texts, &trainer->shards, trainer->shards.begins[r]);
    return ORTHSR_OK;
}

/* The features of all class prompts, each rank's share by itself. */
static orthsr_status encode_texts(orthsr_trainer *trainer, orthsr_error *error) {
    orthsr__texts *texts = &trainer->texts;
    orthsr_status status = orthsr__texts_encode(texts, &trainer->encoder, &trainer->shards, error);
    orthsr_phase before = orthsr__phase(&trainer->phases, ORTHSR_PHASE_COMMUNICATION);
    status = orthsr__agree(trainer->options->collective, status, error);
    if (!status) status = orthsr__gather(trainer->options->collective, texts->features, texts->embed * sizeof(real), trainer->prompt_begins, error);
    orthsr__phase(&trainer->phases, before);
    return status;
}

/* What it takes to make steps, but for what the frozen model says of the images. */
static orthsr_status make_parts(orthsr_trainer *trainer, orthsr_prompt *prompt, const orthsr_trainer_options *asked, orthsr_error *error) {
    const orthsr_model *model = trainer->model;
    if (trainer->adapter && trainer->adapter->target_count == 0) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "the adapter has no target");
    if (orthsr_dataset_count(trainer->dataset) == 0) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "the dataset has no item");
    ORTHSR__TRY(orthsr__trainer_options_copy(&trainer->options, asked, error));
    orthsr_trainer_options *options = trainer->options;
    if (!trainer->adapter) {
        ORTHSR__TRY(orthsr_adapter_new(&trainer->own_adapter, NULL, error));
        trainer->adapter = trainer->own_adapter;
    }
    trainer->items = orthsr_dataset_count(trainer->dataset);
    trainer->batch = options->batch_size == 0 || options->batch_size > trainer->items ? trainer->items : options->batch_size;
    trainer->steps_per_epoch = (trainer->items + trainer->batch - 1) / trainer->batch;
    if (options->epochs == 0) options->epochs = orthsr__default_epochs(trainer->steps_per_epoch);
    ORTHSR__TRY(orthsr__pool_new(&trainer->pool, options->threads, error));
    ORTHSR__TRY(orthsr__texts_new(&trainer->texts, model, prompt, trainer->dataset, options, error));
    ORTHSR__TRY(orthsr__order_new(&trainer->order, trainer->dataset, trainer->batch, options->seed, error));
    ORTHSR__TRY(orthsr__order_new(&trainer->feed_order, trainer->dataset, trainer->batch, options->seed, error));
    if (!(trainer->at = orthsr__aligned(trainer->batch, sizeof *trainer->at))) return orthsr__fail_memory(error, "training");
    ORTHSR__TRY(make_encoder(trainer, prompt, error));
    ORTHSR__TRY(orthsr__objective_new(&trainer->objective, trainer->texts.classes, trainer->texts.templates, trainer->texts.embed,
                                      orthsr__image_tile(model, trainer->encoder.tile_rows), error));
    orthsr__objective_options(&trainer->objective, options);
    trainer->objective.scale = model->logit_scale;
    ORTHSR__TRY(make_descents(trainer, error));
    return make_shards(trainer, error);
}

/* ---- which images, and when ------------------------------------------------------------------------------------------------------------------ */

/* Images of a step of an epoch. */
static size_t batch_of(const orthsr_trainer *t, size_t within) {
    size_t first = within * t->batch;
    return t->items - first < t->batch ? t->items - first : t->batch;
}

/* Of a batch of n: where this rank's shards begin, and how many images they have. */
static size_t own_begin(const orthsr_trainer *t, size_t n) { return orthsr__shard_begin(&t->shards, t->shards.first, n); }
static size_t own_images(const orthsr_trainer *t, size_t n) { return orthsr__shard_begin(&t->shards, t->shards.first + t->shards.own, n) - own_begin(t, n); }

/* This rank's images before a step, counted over all epochs. */
static size_t images_before(const orthsr_trainer *t, size_t step) {
    size_t whole = own_images(t, t->batch), last = own_images(t, batch_of(t, t->steps_per_epoch - 1)), epoch = step / t->steps_per_epoch;
    return epoch * ((t->steps_per_epoch - 1) * whole + last) + step % t->steps_per_epoch * whole;
}

/* The feed's: where its k-th image stands. */
static bool next_image(void *context, size_t k, size_t *item, size_t *epoch) {
    orthsr_trainer *t = context;
    size_t per_epoch = images_before(t, t->steps_per_epoch), whole = own_images(t, t->batch);
    if (per_epoch == 0 || k / per_epoch >= t->options->epochs) return false;
    size_t within = whole > 0 ? k % per_epoch / whole : t->steps_per_epoch - 1;
    if (within >= t->steps_per_epoch) within = t->steps_per_epoch - 1; /* the last one is smaller, or as large */
    *epoch = k / per_epoch;
    *item = orthsr__order_item(&t->feed_order, *epoch, within * t->batch + own_begin(t, batch_of(t, within)) + k % per_epoch - within * whole);
    return true;
}

static orthsr_status make(orthsr_trainer *trainer, orthsr_prompt *prompt, const orthsr_trainer_options *options, orthsr_error *error) {
    orthsr_status status = make_parts(trainer, prompt, options, error);
    ORTHSR__TRY(orthsr__agree(options ? options->collective : NULL, status, error));
    ORTHSR__TRY(orthsr__run_agree(trainer, error));
    ORTHSR__TRY(orthsr__run_same_state(trainer, 0, trainer->adapter->factors.parameters, prompt ? prompt->context : NULL, error));
    if (!prompt && !orthsr__text_adapted(&trainer->encoder)) ORTHSR__TRY(encode_texts(trainer, error)); /* they stay as they are */
    ORTHSR__TRY(orthsr__images_new(&trainer->images, trainer->model, trainer->dataset, trainer->options, &trainer->phases, trainer->pool,
                                   trainer->encoder.tile_rows, error));
    return orthsr__agree(trainer->options->collective, orthsr__images_feed(&trainer->images, &trainer->encoder, next_image, trainer, error), error);
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
    orthsr_error why; /* ranks tell each other, whether the caller listens or not */
    orthsr_trainer *trainer = orthsr__calloc(1, sizeof *trainer);
    if (!trainer) {
        orthsr_status status = orthsr__agree(options ? options->collective : NULL, orthsr__fail_memory(&why, "a trainer"), &why);
        return orthsr__fail(error, status, "%s", why.message);
    }
    trainer->model = model;
    trainer->adapter = adapter;
    trainer->dataset = dataset;
    for (size_t i = 0; i < ORTHSR__METRICS; i++) trainer->metric[i] = NAN;
    orthsr_status status = make(trainer, prompt, options, &why);
    if (status) {
        orthsr_trainer_free(trainer);
        return orthsr__fail(error, status, "%s", why.message);
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
    orthsr__descent_free(&trainer->descent);
    orthsr__shards_free(&trainer->shards);
    free(trainer->image_sums);
    free(trainer->text_sums);
    free(trainer->prompt_begins);
    orthsr__run_free(&trainer->run);
    orthsr_trainer_options_free(trainer->options);
    orthsr__pool_free(trainer->pool);
    orthsr__order_free(&trainer->order);
    orthsr__order_free(&trainer->feed_order);
    free(trainer->at);
    free(trainer);
}

/* ---- a step ------------------------------------------------------------------------------------------------------------------------ */

typedef struct batch {
    orthsr_trainer *trainer;
    const size_t *items; /* (n) */
    size_t n, epoch;
} batch;

static orthsr_status image_shard(void *context, size_t shard, orthsr_error *error) {
    const batch *b = context;
    orthsr_trainer *t = b->trainer;
    size_t first = orthsr__shard_begin(&t->shards, shard, b->n), n = orthsr__shard_begin(&t->shards, shard + 1, b->n) - first;
    return orthsr__images_gradient(&t->images, &t->encoder, &t->objective, b->items + first, n, b->n, b->epoch, t->descent.grad_rotations, error);
}

static orthsr_status text_shard(void *context, size_t shard, orthsr_error *error) {
    orthsr_trainer *t = ((const batch *)context)->trainer;
    return orthsr__texts_backward(&t->texts, &t->encoder, &t->shards, shard, t->descent.grad_rotations, error);
}

/* This rank's part of the sums. n: images of the batch. */
static orthsr_status expect_finite(const orthsr__objective *objective, size_t n, orthsr_error *error) {
    const orthsr__sums *whole = &objective->sums[ORTHSR__WHOLE], *cut = &objective->sums[ORTHSR__CUT];
    if (isfinite(orthsr__objective_loss(objective, n))) return ORTHSR_OK;
    return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the loss is not finite (cross-entropy %g, KL %g; of the cut images %g, %g)", whole->ce / (double)n,
                        whole->kl / (double)n, cut->ce / (double)n, cut->kl / (double)n);
}

/* Of all ranks: the sums of the loss's terms, and the gradients of the class features. */
static orthsr_status share_loss(orthsr_trainer *trainer, size_t n, orthsr_status status, orthsr_error *error) {
    orthsr__objective *objective = &trainer->objective;
    orthsr_collective *ranks = trainer->options->collective;
    if (!status) status = expect_finite(objective, n, error);
    if (!ranks) return status;
    orthsr_phase before = orthsr__phase(&trainer->phases, ORTHSR_PHASE_COMMUNICATION);
    status = orthsr__agree(ranks, status, error);
    if (!status) status = orthsr__sum_over_ranks(ranks, objective->grad_classes, objective->classes * objective->embed, error);
    if (!status) status = orthsr_collective_sum_double(ranks, &objective->sums[0].ce, ORTHSR__SUMS, error);
    orthsr__phase(&trainer->phases, before);
    return status;
}

static orthsr_status sum_matrices(orthsr_trainer *trainer, const orthsr__summed *stretches, size_t count, orthsr_error *error) {
    for (size_t i = 0; i < count; i++) {
        size_t first = (size_t)((real *)stretches[i].values - trainer->descent.grad_rotations);
        ORTHSR__TRY(orthsr__descent_sum(&trainer->descent, first, first + stretches[i].n, error));
    }
    return ORTHSR_OK;
}

static orthsr_status sum_image_matrices(void *context, orthsr_error *error) {
    orthsr_trainer *trainer = context;
    return sum_matrices(trainer, trainer->image_sums, trainer->image_matrices, error);
}

/* And of the learned context and the text tower's matrices, after the image tower's, which have travelled meanwhile. */
static orthsr_status share_texts(orthsr_trainer *trainer, orthsr_status status, orthsr_error *error) {
    const orthsr__texts *texts = &trainer->texts;
    orthsr_collective *ranks = trainer->options->collective;
    orthsr_error why;
    orthsr_phase before = orthsr__phase(&trainer->phases, ORTHSR_PHASE_COMMUNICATION);
    orthsr_status moved = orthsr__beside_end(ranks, &why);
    if (!status && moved) status = orthsr__fail(error, moved, "%s", why.message); /* one's own failure says more */
    status = orthsr__agree(ranks, status, error);
    if (!status && texts->prompt) status = orthsr__sum_over_ranks(ranks, texts->grad_context, texts->prompt->count, error);
    if (!status) status = sum_matrices(trainer, trainer->text_sums, trainer->text_matrices, error);
    orthsr__phase(&trainer->phases, before);
    return status;
}

/* A batch forward and backward: the sums of the loss's terms and the gradients of the context; those of the matrices where they are seen to. */
static orthsr_status pass(batch *b, orthsr_error *error) {
    orthsr_trainer *trainer = b->trainer;
    orthsr__texts *texts = &trainer->texts;
    bool text = texts->prompt || orthsr__text_adapted(&trainer->encoder);
    orthsr__descent_begin(&trainer->descent);
    if (texts->prompt) memset(texts->grad_context, 0, texts->prompt->count * sizeof(real));
    orthsr__phase(&trainer->phases, ORTHSR_PHASE_TEXT);
    if (text) ORTHSR__TRY(encode_texts(trainer, error));
    orthsr__phase(&trainer->phases, ORTHSR_PHASE_OTHER);
    trainer->objective.kl_factor = orthsr__kl_factor(trainer->options, b->epoch);
    orthsr__objective_begin(&trainer->objective, texts->features);
    orthsr_status status = orthsr__images_begin(&trainer->images, &trainer->encoder, images_before(trainer, trainer->step), error);
    if (!status) status = orthsr__shards_add(&trainer->shards, trainer->image_sums, trainer->image_sum_count, image_shard, b, error);
    ORTHSR__TRY(share_loss(trainer, b->n, status, error));
    orthsr__beside_begin(trainer->options->collective, sum_image_matrices, trainer);
    orthsr__objective_end(&trainer->objective, texts->grad_features);
    orthsr__phase(&trainer->phases, ORTHSR_PHASE_TEXT);
    if (text) status = orthsr__shards_add(&trainer->shards, trainer->text_sums, trainer->text_sum_count, text_shard, b, error);
    return share_texts(trainer, status, error);
}

static orthsr_status gradient(orthsr_trainer *trainer, const size_t *items, size_t n, size_t epoch, orthsr_error *error) {
    orthsr_error why;
    batch b = {trainer, items, n, epoch};
    orthsr_status status = pass(&b, &why);
    if (status) /* the first step is made on the frozen model */
        return orthsr__fail(error, status, "%s%s", why.message,
                            status == ORTHSR_ERROR_NUMERIC && trainer->step > 0 ? "; a smaller learning rate may help" : "");
    orthsr__phase(&trainer->phases, ORTHSR_PHASE_ORTHOGONAL);
    ORTHSR__TRY(orthsr__descent_gradient(&trainer->descent, error));
    const orthsr__texts *texts = &trainer->texts;
    if (texts->prompt && !orthsr__all_finite(texts->grad_context, texts->prompt->count))
        return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the gradient of the prompt's context is not finite; a smaller learning rate may help");
    return ORTHSR_OK;
}

/* Adapter and context, both or none. */
static orthsr_status move(orthsr_trainer *trainer, double lr, double context_lr, double *defect, orthsr_error *error) {
    orthsr_error why;
    orthsr__phase(&trainer->phases, ORTHSR_PHASE_OPTIMIZER);
    orthsr_status status = orthsr__texts_propose(&trainer->texts, context_lr, &why);
    if (status) return orthsr__fail(error, status, "the prompt's context: %s", why.message);
    status = orthsr__descent_step(&trainer->descent, lr, defect, error);
    if (status) orthsr__texts_undo(&trainer->texts);
    else orthsr__texts_commit(&trainer->texts);
    return status;
}

orthsr_status orthsr_trainer_step(orthsr_trainer *trainer, orthsr_error *error) {
    ORTHSR__REQUIRE(trainer != NULL, error, "trainer is NULL");
    ORTHSR__REQUIRE(trainer->step < orthsr_trainer_step_total(trainer), error, "all steps of the run are done");
    size_t epoch = trainer->step / trainer->steps_per_epoch, within = trainer->step % trainer->steps_per_epoch;
    size_t n = batch_of(trainer, within);
    double lr = orthsr__schedule(trainer->options, trainer->descent.learning_rate, epoch), defect;
    double context_lr = orthsr__schedule(trainer->options, trainer->texts.learning_rate, epoch);
    for (size_t i = 0; i < n; i++) trainer->at[i] = orthsr__order_item(&trainer->order, epoch, within * trainer->batch + i);

    double work = orthsr__pool_work(trainer->pool);
    orthsr__phases_begin(&trainer->phases);
    orthsr_error why;
    orthsr_status status = gradient(trainer, trainer->at, n, epoch, &why);
    if (!status) status = move(trainer, lr, context_lr, &defect, &why);
    orthsr__phase(&trainer->phases, ORTHSR_PHASE_OTHER);
    trainer->work = orthsr__pool_work(trainer->pool) - work;
    if (status) return orthsr__fail(error, status, "step %zu: %s", trainer->step + 1, why.message);

    trainer->step++;
    trainer->epoch = epoch;
    const orthsr__sums *whole = &trainer->objective.sums[ORTHSR__WHOLE], *cut = &trainer->objective.sums[ORTHSR__CUT];
    const double metric[ORTHSR__METRICS] = {
        [ORTHSR_METRIC_LOSS] = orthsr__objective_loss(&trainer->objective, n),
        [ORTHSR_METRIC_CE] = whole->ce / (double)n,
        [ORTHSR_METRIC_KL] = whole->kl / (double)n,
        [ORTHSR_METRIC_LEARNING_RATE] = trainer->own_adapter ? context_lr : lr,
        [ORTHSR_METRIC_ORTHOGONALITY] = defect,
        [ORTHSR_METRIC_BATCH_ACCURACY] = whole->correct / (double)n,
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
        orthsr_status status = ORTHSR_OK;
        orthsr_error why;
        if (callback && callback(trainer, payload)) status = orthsr__fail(&why, ORTHSR_ERROR_CANCELLED, "stopped by the caller");
        status = orthsr__agree(trainer->options->collective, status, &why);
        if (status) return orthsr__fail(error, status, "%s after step %zu", why.message, trainer->step);
    }
    return ORTHSR_OK;
}

size_t orthsr_trainer_unreadable(const orthsr_trainer *trainer) { return trainer->images.unreadable + orthsr__feed_unreadable(trainer->images.feed); }
size_t orthsr_trainer_step_count(const orthsr_trainer *trainer) { return trainer->step; }
size_t orthsr_trainer_step_total(const orthsr_trainer *trainer) { return trainer->options->epochs * trainer->steps_per_epoch; }
size_t orthsr_trainer_epoch(const orthsr_trainer *trainer) { return trainer->epoch; }
size_t orthsr_trainer_epoch_total(const orthsr_trainer *trainer) { return trainer->options->epochs; }

double orthsr_trainer_metric(const orthsr_trainer *trainer, orthsr_metric metric) {
    return (int)metric >= 0 && (int)metric < ORTHSR__METRICS ? trainer->metric[metric] : NAN;
}

double orthsr_trainer_seconds(const orthsr_trainer *trainer, orthsr_phase phase) {
    return (int)phase >= 0 && (int)phase < ORTHSR__PHASES && trainer->step > 0 ? trainer->phases.seconds[phase] : NAN;
}

double orthsr_trainer_work(const orthsr_trainer *trainer) { return trainer->work; }

size_t orthsr_trainer_memory(const orthsr_trainer *trainer) { return orthsr__training_bytes(&trainer->encoder); }

int orthsr_trainer_merges(const orthsr_trainer *trainer, size_t target) {
    return target < trainer->adapter->target_count && orthsr__encoder_merges(&trainer->encoder, &trainer->adapter->targets[target]);
}
