/* run.c - a training run in words. */
#include "train/run.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <orthsr/version.h>

#include "base/collective.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/manifest.h"
#include "train/rates.h"
#include "train/trainer.h"

static const char *const OPTIMIZERS[] = {"sgd", "adamw", "rsgd", "radam"};
static const char *const RETRACTIONS[] = {"qr", "cholesky-qr", "cayley", "polar"};
static const char *const SCHEDULES[] = {"constant", "cosine"};
static const char *const DIRECTIONS[] = {"frozen-tuned", "tuned-frozen"};
static const char *const REDUCTIONS[] = {"batch-mean", "mean"};
static const char *const AUGMENTATIONS[] = {"none", "standard"};
static const char *const CUTOUTS[] = {"off", "attentive", "random"};
static const char *const SOURCES[] = {"text", "attention"};
static const char *const FILLS[] = {"zero", "mean", "noise"};
static const char *const INTERPOLATIONS[] = {"family", "bicubic", "bicubic-antialias"};
static const char *const ACTIVATIONS[] = {"quick_gelu", "gelu", "gelu_tanh"};
static const char *const SIDES[] = {"input", "output"};
static const char *const POSITIONS[] = {"end", "middle", "front"};

void orthsr__run_free(orthsr__run *run) {
    free(run->text);
    *run = (orthsr__run){0};
}

/* ---- writing: after a failed allocation nothing more is added ----------------------------------------------------------------------------- */

typedef struct writing {
    orthsr__run *run;
    bool failed;
} writing;

static void add_text(writing *w, const char *text) {
    orthsr__run *run = w->run;
    size_t n = text ? strlen(text) + 1 : 0, total;
    w->failed = w->failed || n == 0 || !orthsr__add(&total, run->size, n) || !orthsr__reserve((void **)&run->text, &run->capacity, total, 1);
    if (w->failed) return;
    memcpy(run->text + run->size, text, n);
    run->size = total;
}

static void add(writing *w, const char *key, const char *value) {
    add_text(w, key);
    add_text(w, value);
}

static void add_count(writing *w, const char *key, size_t value) {
    char text[24];
    snprintf(text, sizeof text, "%zu", value);
    add(w, key, text);
}

/* In as few digits as tell the float from all others. unset: what 0 stands for; NULL: 0 is 0. */
static void add_number(writing *w, const char *key, double value, const char *unset) {
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtof(text, NULL) == (float)value) break;
    }
    add(w, key, unset && value == 0 ? unset : text);
}

/* "template 3" */
static void add_indexed(writing *w, const char *key, size_t index, const char *value) {
    char *name = orthsr__format("%s %zu", key, index);
    add(w, name, value);
    free(name);
}

static void add_list(writing *w, const char *keys, const char *key, char *const *values, size_t n) {
    add_count(w, keys, n);
    for (size_t i = 0; i < n; i++) add_indexed(w, key, i, values[i]);
}

static uint32_t checksum(uint32_t before, const void *bytes, size_t size) { return (uint32_t)crc32_z(before, bytes, size); }

/* ---- model and data ------------------------------------------------------------------------------------------------------------------------ */

static void add_model(writing *w, const orthsr_trainer *trainer) {
    const orthsr_model *model = trainer->model;
    add(w, "release", ORTHSR_VERSION_STRING);
    add(w, "model", model->fingerprint);
    add_count(w, "image size", model->config.image_size);
    add(w, "interpolation", INTERPOLATIONS[model->options.interpolation]);
    add(w, "preprocessing", model->preprocessing);
    add(w, "image tower's activation", ACTIVATIONS[model->config.image.activation]);
    add(w, "text tower's activation", ACTIVATIONS[model->config.text.activation]);
    add_count(w, "image tower's heads", model->config.image.heads);
    add_count(w, "text tower's heads", model->config.text.heads);
}

/* After all that they follow from: where something differs, that is what is named. */
static void add_tokens(writing *w, const orthsr__texts *texts) {
    char tokens[16];
    size_t count = texts->prompts * texts->model->config.context_length;
    snprintf(tokens, sizeof tokens, "%08x", checksum(0, texts->tokens, count * sizeof *texts->tokens));
    add(w, "token ids", tokens);
}

/* The checksum of a file's size and of its first and last 4 KiB: enough to tell images apart. */
static orthsr_status file_checksum(uint32_t *out, const char *path, orthsr_error *error) {
    enum { SAMPLE = 4096 };
    uint8_t bytes[2][SAMPLE];
    int fd;
    off_t end;
    ORTHSR__TRY(orthsr__open(&fd, &end, path, error));
    uint64_t size = (uint64_t)end;
    size_t sample = size < SAMPLE ? (size_t)size : SAMPLE;
    orthsr_status status = orthsr__read_at(fd, bytes[0], sample, 0, path, error);
    if (!status) status = orthsr__read_at(fd, bytes[1], sample, (size_t)size - sample, path, error);
    if (!status) *out = checksum(checksum(checksum(0, &size, sizeof size), bytes[0], sample), bytes[1], sample);
    close(fd);
    return status;
}

/* The length of the directory that all files lie in: the data may have moved. */
static size_t common_directory(const orthsr_dataset *dataset) {
    const char *first = dataset->items[0].name;
    size_t common = strlen(first);
    for (size_t i = 0; i < dataset->count; i++) {
        const char *name = dataset->items[i].name;
        size_t n = 0;
        while (n < common && name[n] == first[n]) n++;
        common = n;
    }
    while (common > 0 && first[common - 1] != '/') common--;
    return common;
}

static orthsr_status add_items(writing *w, const orthsr_dataset *dataset, orthsr_error *error) {
    if (dataset->manifest) {
        char *value = orthsr__format("%zu lines, content %08x", dataset->count, dataset->manifest->checksum);
        add_list(w, "classes", "class", dataset->class_names, dataset->n_classes);
        add(w, "manifest", value);
        free(value);
        return ORTHSR_OK;
    }
    size_t common = common_directory(dataset), pixels = dataset->height * dataset->width * dataset->channels;
    add_list(w, "classes", "class", dataset->class_names, dataset->n_classes);
    add_count(w, "items", dataset->count);
    for (size_t i = 0; i < dataset->count && !w->failed; i++) {
        const orthsr__item *item = &dataset->items[i];
        uint32_t content;
        if (item->pixels) content = checksum(0, item->pixels, pixels);
        else ORTHSR__TRY(file_checksum(&content, item->name, error));
        char *value = orthsr__format("%s (class %zu, content %08x)", item->name + common, item->label, content);
        add_indexed(w, "item", i, value);
        free(value);
    }
    return ORTHSR_OK;
}

/* ---- what is trained, and how -------------------------------------------------------------------------------------------------------------- */

static void add_adapter(writing *w, const orthsr_adapter *adapter) {
    add(w, "parametrization", adapter->by->name);
    add(w, "side", SIDES[adapter->side]);
    if (adapter->parametrization == ORTHSR_HOUSEHOLDER) add_count(w, "reflections", adapter->form.reflections);
    if (adapter->parametrization == ORTHSR_BUTTERFLY) add_count(w, "butterfly block", adapter->form.small);
    if (adapter->parametrization == ORTHSR_BUTTERFLY) add_count(w, "butterfly factors", adapter->form.factors);
    add_number(w, "COFT", adapter->coft, "off");
    add_count(w, "targets", adapter->target_count);
    for (size_t i = 0; i < adapter->target_count; i++) {
        const orthsr__target *t = &adapter->targets[i];
        char *value = orthsr__format("%s (%zu to %zu, %zu blocks of %zu, %zu of them distinct, scale %08x)", t->name, t->in, t->out, t->blocks, t->block,
                                     t->distinct, t->scale ? checksum(0, t->scale, t->out * sizeof *t->scale) : 0);
        add_indexed(w, "target", i, value);
        free(value);
    }
}

static void add_prompt(writing *w, const orthsr_prompt *prompt) {
    add_count(w, "context words", prompt ? prompt->words : 0);
    if (!prompt) return;
    add(w, "context position", POSITIONS[prompt->position]);
    add_list(w, "contexts of classes", "context of class", prompt->names, prompt->classes);
}

static orthsr_status add_options(writing *w, const orthsr_trainer *trainer, orthsr_error *error) {
    const orthsr_trainer_options *o = trainer->options;
    orthsr_optimizer_kind kind;
    ORTHSR__TRY(orthsr__optimizer_kind(&kind, o, trainer->adapter, error));
    add(w, "optimizer", OPTIMIZERS[kind]);
    add(w, "retraction", RETRACTIONS[o->retraction]);
    add_number(w, "learning rate", (double)o->learning_rate, "the default");
    add_number(w, "context's learning rate", (double)o->context_learning_rate, "the default");
    add_number(w, "momentum", (double)o->momentum, NULL);
    add_number(w, "weight decay", (double)o->weight_decay, NULL);
    add(w, "schedule", SCHEDULES[o->schedule]);
    add_count(w, "warm-up epochs", o->warmup_epochs);
    add_count(w, "epochs", o->epochs);
    add_count(w, "batch size", trainer->batch);
    add_count(w, "shards", o->shards);
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
    add(w, "seed", seed);
    add_number(w, "KL weight", (double)orthsr__kl_weight(o), NULL);
    add_number(w, "cut cross-entropy's weight", (double)o->ce_cut_weight, NULL);
    add_number(w, "cut KL's weight", (double)o->kl_cut_weight, NULL);
    add_number(w, "KL temperature", (double)o->kl_temperature, NULL);
    add(w, "KL direction", DIRECTIONS[o->kl_direction]);
    add(w, "KL reduction", REDUCTIONS[o->kl_reduction]);
    add(w, "KL schedule", SCHEDULES[o->kl_schedule]);
    add(w, "KL confidence", o->kl_confidence ? "on" : "off");
    add(w, "augmentation", AUGMENTATIONS[o->augmentation]);
    add(w, "CutOut", CUTOUTS[o->cutout]);
    add(w, "CutOut's source", SOURCES[o->cutout_source]);
    add(w, "CutOut's filling", FILLS[o->cutout_fill]);
    add_number(w, "CutOut's size", (double)orthsr__cutout_size(o), NULL);
    add_count(w, "CutOut's holes", o->cutout_holes);
    add(w, "an unreadable image", o->skip_unreadable ? "is replaced" : "is an error");
    add_number(w, "CutOut's probability", (double)o->cutout_probability, NULL);
    add_list(w, "templates", "template", o->templates, o->template_count);
    add_list(w, "frozen templates", "frozen template", o->frozen_templates, o->frozen_template_count);
    return ORTHSR_OK;
}

orthsr_status orthsr__run_describe(orthsr__run *run, const orthsr_trainer *trainer, orthsr_error *error) {
    *run = (orthsr__run){0};
    writing w = {.run = run};
    add_model(&w, trainer);
    add_adapter(&w, trainer->adapter);
    add_prompt(&w, trainer->texts.prompt);
    orthsr_status status = add_options(&w, trainer, error);
    if (!status) status = add_items(&w, trainer->dataset, error);
    add_tokens(&w, &trainer->texts);
    if (!status && w.failed) status = orthsr__fail_memory(error, "a checkpoint");
    if (status) orthsr__run_free(run);
    return status;
}

/* ---- comparing ------------------------------------------------------------------------------------------------------------------------------ */

/* A text that begins at *at, which moves behind it; NULL at the end. The whole ends with a zero byte. */
static const char *next(const char **at, const char *end) {
    const char *text = *at;
    if (text == end) return NULL;
    *at += strlen(text) + 1;
    return text;
}

/* The first thing in which another run's text (size > 0, with a zero byte at its end) differs. */
typedef struct difference {
    const char *key, *value, *own_value; /* key NULL: they are not lists of the same things */
} difference;

static difference differ(const orthsr__run *run, const char *text, size_t size) {
    const char *at = text, *own_at = run->text, *end = text + size, *own_end = run->text + run->size;
    for (;;) {
        const char *key = next(&at, end), *value = next(&at, end), *own_key = next(&own_at, own_end), *own_value = next(&own_at, own_end);
        if (!own_key || !key || !value || strcmp(key, own_key) != 0) return (difference){NULL, NULL, NULL};
        if (strcmp(value, own_value) != 0) return (difference){key, value, own_value};
    }
}

orthsr_status orthsr__run_compare(const orthsr__run *run, const char *text, size_t size, const char *path, orthsr_error *error) {
    if (size == run->size && memcmp(text, run->text, size) == 0) return ORTHSR_OK;
    if (size == 0 || text[size - 1] != '\0') return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': its description of the run does not end", path);
    difference d = differ(run, text, size);
    if (d.key)
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "'%s' is of another run: %s is %.256s there and %.256s here", path, d.key, d.value, d.own_value);
    return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': its description of the run is not one that this release writes", path);
}

/* ---- among ranks ------------------------------------------------------------------------------------------------------------------------------ */

/* text (size): rank 0's. */
static orthsr_status compare_with_first(const orthsr__run *run, const char *text, size_t size, orthsr_error *error) {
    if (size == run->size && memcmp(text, run->text, size) == 0) return ORTHSR_OK;
    difference d = differ(run, text, size);
    if (d.key)
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "rank 0 trains something else: %s is %.256s there and %.256s here", d.key, d.value, d.own_value);
    return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "rank 0 trains something else, with another release perhaps");
}

orthsr_status orthsr__run_agree(orthsr_trainer *trainer, orthsr_error *error) {
    orthsr_collective *ranks = trainer->options->collective;
    orthsr__run *run = &trainer->run;
    if (orthsr_collective_ranks(ranks) == 1) return ORTHSR_OK;
    ORTHSR__TRY(orthsr_collective_agree(ranks, orthsr__run_describe(run, trainer, error), error));
    uint64_t size = run->size;
    ORTHSR__TRY(orthsr_collective_broadcast(ranks, &size, sizeof size, 0, error));
    bool first = orthsr_collective_rank(ranks) == 0;
    char *text = first ? run->text : orthsr__calloc((size_t)size, 1);
    orthsr_status status = text ? ORTHSR_OK : orthsr__fail_memory(error, "the description of a run");
    status = orthsr_collective_agree(ranks, status, error);
    if (!status) status = orthsr_collective_broadcast(ranks, text, (size_t)size, 0, error);
    if (!status) status = orthsr_collective_agree(ranks, compare_with_first(run, text, (size_t)size, error), error);
    if (!first) free(text);
    return status;
}

/* What is compared: of 8 bytes each, and no gap between them. */
typedef struct standing {
    uint64_t step, weights, parameters, context;
} standing;

orthsr_status orthsr__run_same_state(orthsr_trainer *trainer, size_t step, const real *parameters, const real *context, orthsr_error *error) {
    orthsr_collective *collective = trainer->options->collective;
    size_t ranks = orthsr_collective_ranks(collective), context_size = context ? trainer->texts.prompt->count * sizeof *context : 0;
    if (ranks == 1) return ORTHSR_OK;
    standing *all = orthsr__calloc(ranks, sizeof *all);
    size_t *begins = orthsr__calloc(ranks + 1, sizeof *begins), r = 1;
    orthsr_status status = orthsr__agree(collective, all && begins ? ORTHSR_OK : orthsr__fail_memory(error, "training"), error);
    if (!status) {
        if (trainer->weights == 0) trainer->weights = orthsr__model_checksum(trainer->model); /* which reads all of them */
        orthsr__even_begins(begins, ranks, ranks);
        all[orthsr_collective_rank(collective)] =
            (standing){step, trainer->weights, checksum(0, parameters, trainer->adapter->parameter_count * sizeof *parameters),
                       context ? checksum(0, context, context_size) : 0};
        status = orthsr__gather(collective, all, sizeof *all, begins, error);
    }
    while (!status && r < ranks && memcmp(&all[r], &all[0], sizeof *all) == 0) r++;
    if (!status && r < ranks) {
        if (all[r].weights != all[0].weights)
            status = orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "rank %zu has other weights of the model than rank 0, with the same beginnings and ends", r);
        else if (all[r].step != all[0].step)
            status = orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "rank %zu goes on from step %llu, rank 0 from step %llu", r, (unsigned long long)all[r].step,
                                  (unsigned long long)all[0].step);
        else status = orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "rank %zu goes on from other parameters than rank 0", r);
    }
    free(all);
    free(begins);
    return status;
}
