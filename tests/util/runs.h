/* runs.h - training runs of every kind on the tiny model, and whether two of them are in the same state, bit for bit. */
#ifndef TESTS_UTIL_RUNS_H
#define TESTS_UTIL_RUNS_H

#include "adapter/adapter.h"
#include "clip/context.h"
#include "train/optimizer.h"
#include "train/trainer.h"
#include "util/tiny.h"

static _Thread_local orthsr_error error; /* of the test, or of each of its threads */

/* ---- runs of every kind ----------------------------------------------------------------------------------------------------------------- */

enum { BATCH = 5, PER_EPOCH = 3, EPOCHS = 3, STEPS = PER_EPOCH * EPOCHS }; /* 12 items: the last batch of an epoch has 2 */

typedef struct kind {
    const char *name;
    bool adapter;
    int prompt; /* 0: none, 1: for all classes, 2: for each */
    orthsr_parametrization parametrization;
    orthsr_optimizer_kind optimizer;
    orthsr_retraction retraction;
    float coft;
    bool plain, share, output; /* plain: without momentum */
    orthsr_cutout cutout;
    orthsr_cutout_fill fill;
    orthsr_augmentation augmentation;
    bool schedules; /* warm-up, cosines, confidence */
} kind;

static const kind KINDS[] = {
    {.name = "cayley, adamw", .adapter = true, .optimizer = ORTHSR_ADAMW},
    {.name = "cayley, sgd", .adapter = true, .optimizer = ORTHSR_SGD, .output = true},
    {.name = "cayley, sgd without momentum", .adapter = true, .optimizer = ORTHSR_SGD, .plain = true},
    {.name = "cayley, COFT", .adapter = true, .optimizer = ORTHSR_ADAMW, .coft = 1e-3f},
    {.name = "free, COFT", .adapter = true, .parametrization = ORTHSR_FREE, .optimizer = ORTHSR_ADAMW, .coft = 1e-3f},
    {.name = "free, sgd", .adapter = true, .parametrization = ORTHSR_FREE, .optimizer = ORTHSR_SGD},
    {.name = "expm, adamw, shared", .adapter = true, .parametrization = ORTHSR_EXPM, .optimizer = ORTHSR_ADAMW, .share = true},
    {.name = "householder, adamw", .adapter = true, .parametrization = ORTHSR_HOUSEHOLDER, .optimizer = ORTHSR_ADAMW},
    {.name = "butterfly, sgd", .adapter = true, .parametrization = ORTHSR_BUTTERFLY, .optimizer = ORTHSR_SGD},
    {.name = "manifold, rsgd, qr", .adapter = true, .parametrization = ORTHSR_MANIFOLD, .optimizer = ORTHSR_RSGD, .retraction = ORTHSR_RETRACTION_QR},
    {.name = "manifold, rsgd without momentum",
     .adapter = true,
     .parametrization = ORTHSR_MANIFOLD,
     .optimizer = ORTHSR_RSGD,
     .retraction = ORTHSR_RETRACTION_POLAR,
     .plain = true},
    {.name = "manifold, radam, qr", .adapter = true, .parametrization = ORTHSR_MANIFOLD, .optimizer = ORTHSR_RADAM, .retraction = ORTHSR_RETRACTION_QR},
    {.name = "manifold, radam, cholesky-qr",
     .adapter = true,
     .parametrization = ORTHSR_MANIFOLD,
     .optimizer = ORTHSR_RADAM,
     .retraction = ORTHSR_RETRACTION_CHOLESKY_QR},
    {.name = "manifold, radam, cayley",
     .adapter = true,
     .parametrization = ORTHSR_MANIFOLD,
     .optimizer = ORTHSR_RADAM,
     .retraction = ORTHSR_RETRACTION_CAYLEY,
     .share = true},
    {.name = "coop, sgd", .prompt = 1, .optimizer = ORTHSR_SGD},
    {.name = "coop, adamw, a context for each class", .prompt = 2, .optimizer = ORTHSR_ADAMW},
    {.name = "coop+orthsr, adamw", .adapter = true, .prompt = 1, .optimizer = ORTHSR_ADAMW},
    {.name = "coop+orthsr, radam", .adapter = true, .prompt = 1, .parametrization = ORTHSR_MANIFOLD, .optimizer = ORTHSR_RADAM},
    {.name = "attentive CutOut", .adapter = true, .optimizer = ORTHSR_ADAMW, .cutout = ORTHSR_CUTOUT_ATTENTIVE},
    {.name = "random CutOut of noise", .adapter = true, .optimizer = ORTHSR_ADAMW, .cutout = ORTHSR_CUTOUT_RANDOM, .fill = ORTHSR_CUTOUT_NOISE},
    {.name = "augmentation", .adapter = true, .optimizer = ORTHSR_ADAMW, .augmentation = ORTHSR_AUGMENT_STANDARD},
    {.name = "augmentation, CutOut, a prompt",
     .adapter = true,
     .prompt = 1,
     .optimizer = ORTHSR_ADAMW,
     .cutout = ORTHSR_CUTOUT_ATTENTIVE,
     .augmentation = ORTHSR_AUGMENT_STANDARD},
    {.name = "schedules", .adapter = true, .prompt = 1, .optimizer = ORTHSR_SGD, .cutout = ORTHSR_CUTOUT_ATTENTIVE, .schedules = true},
};
enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0] };

/* Everything that a process would make anew. */
typedef struct run {
    fixture f;
    orthsr_model *model;
    orthsr_dataset *dataset;
    orthsr_adapter *adapter;
    orthsr_prompt *prompt;
    orthsr_trainer_options *options;
    orthsr_trainer *trainer;
} run;

static inline orthsr_adapter *adapter_of(const orthsr_model *model, const kind *k) {
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, k->parametrization, &error));
    ck_ok(orthsr_adapter_options_set_blocks(options, 2, &error));
    ck_ok(orthsr_adapter_options_set_butterfly(options, 2, 2, &error));
    ck_ok(orthsr_adapter_options_set_coft(options, k->coft, &error));
    ck_ok(orthsr_adapter_options_set_block_share(options, k->share, &error));
    ck_ok(orthsr_adapter_options_set_side(options, k->output ? ORTHSR_SIDE_OUTPUT : ORTHSR_SIDE_INPUT, &error));
    ck_ok(orthsr_model_adapter(model, &adapter, options, &error));
    orthsr_adapter_options_free(options);
    return adapter;
}

static inline orthsr_prompt *prompt_of(const orthsr_model *model, const kind *k) {
    orthsr_prompt_options *options;
    orthsr_prompt *prompt;
    ck_ok(orthsr_prompt_options_new(&options, &error));
    ck_ok(orthsr_prompt_options_set_words(options, 2, &error));
    ck_ok(orthsr_prompt_options_set_classes(options, tiny_names, k->prompt == 2 ? TINY_CLASSES : 0, &error));
    ck_ok(orthsr_prompt_new(&prompt, model, options, &error));
    orthsr_prompt_options_free(options);
    return prompt;
}

static inline void set_options(orthsr_trainer_options *o, const kind *k, size_t threads) {
    ck_ok(orthsr_trainer_options_set_optimizer(o, k->optimizer, &error));
    if (k->parametrization == ORTHSR_MANIFOLD) ck_ok(orthsr_trainer_options_set_retraction(o, k->retraction, &error));
    ck_ok(orthsr_trainer_options_set_momentum(o, k->plain ? 0 : 0.9f, &error));
    ck_ok(orthsr_trainer_options_set_cutout(o, k->cutout, &error));
    ck_ok(orthsr_trainer_options_set_cutout_fill(o, k->fill, &error));
    ck_ok(orthsr_trainer_options_set_augmentation(o, k->augmentation, &error));
    ck_ok(orthsr_trainer_options_set_batch_size(o, BATCH, &error));
    ck_ok(orthsr_trainer_options_set_epochs(o, EPOCHS, &error));
    ck_ok(orthsr_trainer_options_set_seed(o, 3, &error));
    ck_ok(orthsr_trainer_options_set_threads(o, threads, &error));
    if (!k->schedules) return;
    ck_ok(orthsr_trainer_options_set_warmup_epochs(o, 1, &error));
    ck_ok(orthsr_trainer_options_set_kl_schedule(o, ORTHSR_SCHEDULE_COSINE, &error));
    ck_ok(orthsr_trainer_options_set_kl_confidence(o, 1, &error));
    ck_ok(orthsr_trainer_options_set_learning_rate(o, 1e-3f, &error));
}

/* All but the trainer, for tests that change some of it. */
static inline run run_prepare(const kind *k, size_t threads) {
    run r = {0};
    tiny_open(&r.f, &r.model, &r.dataset, NULL);
    if (k->adapter) r.adapter = adapter_of(r.model, k);
    if (k->prompt) r.prompt = prompt_of(r.model, k);
    ck_ok(orthsr_trainer_options_new(&r.options, &error));
    set_options(r.options, k, threads);
    return r;
}

static inline void run_start(run *r) { ck_ok(orthsr_trainer_new_with_prompt(&r->trainer, r->model, r->adapter, r->prompt, r->dataset, r->options, &error)); }

static inline run run_new(const kind *k, size_t threads) {
    run r = run_prepare(k, threads);
    run_start(&r);
    return r;
}

static inline void run_free(run *r) {
    orthsr_trainer_free(r->trainer);
    orthsr_trainer_options_free(r->options);
    orthsr_adapter_free(r->adapter);
    orthsr_prompt_free(r->prompt);
    tiny_close(&r->f, r->model, r->dataset);
}

static inline void steps(const run *r, size_t n) {
    for (size_t i = 0; i < n; i++) ck_ok(orthsr_trainer_step(r->trainer, &error));
}

/* ---- the same, bit for bit ---------------------------------------------------------------------------------------------------------------- */

static inline void expect_same_bytes(const void *a, const void *b, size_t n, const char *what, const char *name) {
    ck_assert_msg(n == 0 || memcmp(a, b, n) == 0, "%s: another %s", name, what);
}

static inline void expect_same_optimizer(const orthsr_optimizer *a, const orthsr_optimizer *b, const char *name) {
    ck_assert_int_eq(a != NULL, b != NULL);
    if (!a) return;
    expect_same_bytes(a->state, b->state, a->slots * a->size * sizeof *a->state, "state of the optimizer", name);
    expect_same_bytes(a->second, b->second, a->block_count * sizeof *a->second, "second moment", name);
    ck_assert_uint_eq(a->steps, b->steps);
}

/* Everything that a step reads or a program can see. */
static inline void expect_same(const run *a, const run *b, const char *name) {
    const orthsr_trainer *s = a->trainer, *t = b->trainer;
    ck_assert_uint_eq(s->step, t->step);
    ck_assert_uint_eq(orthsr_trainer_epoch(s), orthsr_trainer_epoch(t));
    for (int m = 0; m < ORTHSR__METRICS; m++) {
        double x = orthsr_trainer_metric(s, (orthsr_metric)m), y = orthsr_trainer_metric(t, (orthsr_metric)m);
        ck_assert_msg(x == y || (isnan(x) && isnan(y)), "%s: metric %d: %.17g and %.17g", name, m, x, y);
    }
    if (a->adapter) {
        expect_same_bytes(a->adapter->factors.parameters, b->adapter->factors.parameters, a->adapter->parameter_count * sizeof(float), "parameter", name);
        expect_same_bytes(a->adapter->factors.rotations, b->adapter->factors.rotations, a->adapter->rotation_count * sizeof(float), "A", name);
    }
    if (a->prompt) expect_same_bytes(a->prompt->context, b->prompt->context, a->prompt->count * sizeof(float), "context", name);
    expect_same_optimizer(s->descent.optimizer, t->descent.optimizer, name);
    expect_same_optimizer(s->texts.optimizer, t->texts.optimizer, name);
}

#endif
