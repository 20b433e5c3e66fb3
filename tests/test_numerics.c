/* test_numerics.c - training at the edges of what numbers can hold: a step gives finite results, or fails, names what was not finite, and changes nothing. */
#include <float.h>

#include "adapter/adapter.h"
#include "clip/context.h"
#include "ops/ops.h"
#include "train/optimizer.h"
#include "train/trainer.h"
#include "util/tiny.h"

static orthsr_error error;

/* The tiny model, with what is trained on it. */
typedef struct scene {
    fixture f;
    orthsr_model *model;
    orthsr_dataset *dataset;
    orthsr_adapter *adapter;
    orthsr_prompt *prompt;
    orthsr_trainer_options *options;
    orthsr_trainer *trainer;
} scene;

static orthsr_adapter *adapter_of(const orthsr_model *model, orthsr_parametrization parametrization) {
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, parametrization, &error));
    ck_ok(orthsr_adapter_options_set_blocks(options, 2, &error));
    ck_ok(orthsr_adapter_options_set_butterfly(options, 2, 2, &error));
    ck_ok(orthsr_model_adapter(model, &adapter, options, &error));
    orthsr_adapter_options_free(options);
    return adapter;
}

/* pixels as tiny_open has them. Without a trainer, so that options can be set. */
static scene scene_new(orthsr_parametrization parametrization, bool prompt, const uint8_t *pixels) {
    scene s = {0};
    tiny_open(&s.f, &s.model, &s.dataset, pixels);
    s.adapter = adapter_of(s.model, parametrization);
    if (prompt) ck_ok(orthsr_prompt_new(&s.prompt, s.model, NULL, &error));
    ck_ok(orthsr_trainer_options_new(&s.options, &error));
    ck_ok(orthsr_trainer_options_set_batch_size(s.options, 5, &error));
    ck_ok(orthsr_trainer_options_set_epochs(s.options, 20, &error));
    return s;
}

static void scene_start(scene *s) { ck_ok(orthsr_trainer_new_with_prompt(&s->trainer, s->model, s->adapter, s->prompt, s->dataset, s->options, &error)); }

static void scene_free(scene *s) {
    orthsr_trainer_free(s->trainer);
    orthsr_trainer_options_free(s->options);
    orthsr_adapter_free(s->adapter);
    orthsr_prompt_free(s->prompt);
    tiny_close(&s->f, s->model, s->dataset);
}

/* Everything that steps change, as bytes. */
typedef struct memory {
    char *bytes;
    size_t size;
} memory;

static void remember_bytes(memory *m, const void *bytes, size_t n) {
    m->bytes = realloc(m->bytes, m->size + n + 1);
    if (n > 0) memcpy(m->bytes + m->size, bytes, n);
    m->size += n;
}

static void remember_optimizer(memory *m, const orthsr_optimizer *o) {
    if (!o) return;
    remember_bytes(m, o->state, o->slots * o->size * sizeof *o->state);
    remember_bytes(m, o->second, o->block_count * sizeof *o->second);
    remember_bytes(m, &o->steps, sizeof o->steps);
}

static memory remember(const scene *s) {
    memory m = {NULL, 0};
    const orthsr_trainer *t = s->trainer;
    remember_bytes(&m, s->adapter->factors.parameters, s->adapter->parameter_count * sizeof(float));
    remember_bytes(&m, s->adapter->factors.rotations, s->adapter->rotation_count * sizeof(float));
    if (s->prompt) remember_bytes(&m, s->prompt->context, s->prompt->count * sizeof(float));
    remember_optimizer(&m, t->descent.optimizer);
    remember_optimizer(&m, t->texts.optimizer);
    remember_bytes(&m, &t->step, sizeof t->step);
    remember_bytes(&m, t->metric, sizeof t->metric);
    return m;
}

static void expect_finite(const scene *s, const char *what) {
    for (int m = 0; m < ORTHSR__METRICS; m++) ck_assert_msg(isfinite(orthsr_trainer_metric(s->trainer, (orthsr_metric)m)), "%s: metric %d", what, m);
    ck_assert_msg(orthsr__all_finite(s->adapter->factors.parameters, s->adapter->parameter_count), "%s: parameters", what);
    ck_assert_msg(orthsr__all_finite(s->adapter->factors.rotations, s->adapter->rotation_count), "%s: A", what);
    if (s->prompt) ck_assert_msg(orthsr__all_finite(s->prompt->context, s->prompt->count), "%s: context", what);
}

/* So many steps: each finite, or NUMERIC, with its number in the message, and all as before. Returns how many failed. */
static size_t edge_steps(scene *s, size_t n, const char *what) {
    size_t failed = 0;
    for (size_t i = 0; i < n; i++) {
        memory before = remember(s);
        orthsr_status status = orthsr_trainer_step(s->trainer, &error);
        if (status == ORTHSR_OK) {
            expect_finite(s, what);
        } else {
            char step[32];
            memory after = remember(s);
            snprintf(step, sizeof step, "step %zu: ", s->trainer->step + 1);
            ck_assert_msg(status == ORTHSR_ERROR_NUMERIC && strncmp(error.message, step, strlen(step)) == 0, "%s: %s", what, error.message);
            ck_assert_msg(after.size == before.size && memcmp(before.bytes, after.bytes, after.size) == 0, "%s: a failed step changed something", what);
            free(after.bytes);
            failed++;
        }
        free(before.bytes);
    }
    return failed;
}

/* ---- inputs -------------------------------------------------------------------------------------------------------------------------------- */

/* Black, white, and one of each kind among others; augmented and cut. */
START_TEST(plain_images) {
    enum { BYTES = TINY_SIZE * TINY_SIZE * 3 };
    static uint8_t pixels[TINY_ITEMS * BYTES];
    for (int way = short_run() ? 2 : 0; way < 3; way++) {
        for (size_t i = 0; i < TINY_ITEMS; i++) memset(pixels + i * BYTES, way == 0 ? 0 : way == 1 ? 255 : i % 2 ? 0 : 255, BYTES);
        scene s = scene_new(ORTHSR_CAYLEY, way == 2, pixels);
        ck_ok(orthsr_trainer_options_set_augmentation(s.options, ORTHSR_AUGMENT_STANDARD, &error));
        ck_ok(orthsr_trainer_options_set_cutout(s.options, ORTHSR_CUTOUT_ATTENTIVE, &error));
        scene_start(&s);
        ck_assert_uint_eq(edge_steps(&s, 4, "plain images"), 0);
        scene_free(&s);
    }
}
END_TEST

/* A feature of length 0 has no direction: its unit vector, and the gradient through it, are 0 and not NaN. */
START_TEST(feature_of_length_zero) {
    const float x[8] = {0, 0, 0, 0, 3, 0, 4, 0}, grad_y[8] = {1, 2, 3, 4, 1, 2, 3, 4};
    float y[8], norm[2], grad_x[8];
    orthsr__normalize_forward(y, norm, x, 2, 4);
    orthsr__normalize_backward(grad_x, grad_y, y, norm, 2, 4);
    for (size_t i = 0; i < 4; i++) ck_assert(y[i] == 0 && grad_x[i] == 0);
    ck_close(y[4], 0.6, 1e-7);
    ck_assert(orthsr__all_finite(grad_x, 8));
}
END_TEST

/* A class whose prompt is empty, and an empty text. */
START_TEST(empty_text) {
    static const char *const names[] = {" ", "dog", "t-shirt"};
    static const char *const bare = "{}";
    scene s = scene_new(ORTHSR_CAYLEY, false, NULL);
    orthsr_dataset_free(s.dataset);
    ck_ok(orthsr_dataset_new(&s.dataset, fixture_raw(&s.f, "images", 1, NULL), TINY_ITEMS, TINY_SIZE, TINY_SIZE, 3, fixture_raw(&s.f, "labels", 4, NULL), names,
                             TINY_CLASSES, &error));
    ck_ok(orthsr_trainer_options_set_templates(s.options, &bare, 1, &error));
    scene_start(&s);
    ck_assert_uint_eq(edge_steps(&s, 4, "an empty prompt"), 0);
    orthsr_session *session;
    float feature[16];
    const char *empty = "";
    ck_ok(orthsr_session_new(&session, s.model, s.adapter, &error));
    ck_ok(orthsr_session_encode_texts(session, feature, &empty, 1, &error));
    ck_assert(orthsr__all_finite(feature, 16));
    orthsr_session_free(session);
    scene_free(&s);
}
END_TEST

/* With one class there is nothing to tell apart: no loss, no gradient, and A stays where it is. */
START_TEST(one_class) {
    static const orthsr_parametrization ways[] = {ORTHSR_CAYLEY, ORTHSR_HOUSEHOLDER, ORTHSR_MANIFOLD};
    static const int32_t labels[TINY_ITEMS];
    for (size_t w = short_run() ? 2 : 0; w < 3; w++) {
        scene s = scene_new(ways[w], false, NULL);
        orthsr_dataset_free(s.dataset);
        ck_ok(orthsr_dataset_new(&s.dataset, fixture_raw(&s.f, "images", 1, NULL), TINY_ITEMS, TINY_SIZE, TINY_SIZE, 3, labels, tiny_names, 1, &error));
        scene_start(&s);
        ck_assert_uint_eq(edge_steps(&s, 4, "one class"), 0);
        ck_assert(orthsr_trainer_metric(s.trainer, ORTHSR_METRIC_LOSS) == 0);
        for (size_t t = 0; t < orthsr_adapter_target_count(s.adapter); t++) ck_close(orthsr_adapter_distance(s.adapter, t), 0, 1e-6);
        scene_free(&s);
    }
}
END_TEST

/* ---- settings ------------------------------------------------------------------------------------------------------------------------------ */

/* CLIP's limit of the logit scale is 100, which is like any other value; far beyond it the loss is still finite, or an error. */
START_TEST(logit_scale) {
    static const struct {
        float scale;
        bool fine;
    } scales[] = {{100, true}, {1e4f, true}, {0, true}, {1e20f, false}, {FLT_MAX, false}};
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i += short_run() ? 4 : 1) {
        scene s = scene_new(ORTHSR_CAYLEY, true, NULL);
        s.model->logit_scale = scales[i].scale;
        orthsr_status status = orthsr_trainer_new_with_prompt(&s.trainer, s.model, s.adapter, s.prompt, s.dataset, s.options, &error);
        ck_assert(status == ORTHSR_OK || (!scales[i].fine && status == ORTHSR_ERROR_NUMERIC));
        if (!status) {
            size_t failed = edge_steps(&s, 4, "a logit scale");
            if (scales[i].fine) ck_assert_uint_eq(failed, 0);
        }
        scene_free(&s);
    }
}
END_TEST

/* Weights and temperatures at both ends of what the setters take. */
START_TEST(weights_and_temperatures) {
    static const float values[] = {0, FLT_MIN, 1e-20f, 1e20f, FLT_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i += short_run() ? 4 : 1)
        for (int which = 0; which < 3; which++) {
            scene s = scene_new(ORTHSR_CAYLEY, false, NULL);
            if (which == 0) ck_ok(orthsr_trainer_options_set_kl_weight(s.options, values[i], &error));
            if (which == 1 && values[i] > 0) ck_ok(orthsr_trainer_options_set_kl_temperature(s.options, values[i], &error));
            if (which == 2) ck_ok(orthsr_trainer_options_set_weight_decay(s.options, values[i], &error));
            orthsr_status status = orthsr_trainer_new(&s.trainer, s.model, s.adapter, s.dataset, s.options, &error);
            ck_assert_msg(status == ORTHSR_OK || status == ORTHSR_ERROR_NUMERIC, "%s", error.message);
            if (!status) edge_steps(&s, 3, "a weight or a temperature");
            scene_free(&s);
        }
}
END_TEST

/* Every optimizer at rates that ruin any model. */
START_TEST(huge_learning_rates) {
    static const struct {
        orthsr_parametrization parametrization;
        orthsr_optimizer_kind optimizer;
    } ways[] = {
        {ORTHSR_CAYLEY, ORTHSR_ADAMW},    {ORTHSR_CAYLEY, ORTHSR_SGD},    {ORTHSR_FREE, ORTHSR_ADAMW},        {ORTHSR_FREE, ORTHSR_SGD},
        {ORTHSR_EXPM, ORTHSR_ADAMW},      {ORTHSR_EXPM, ORTHSR_SGD},      {ORTHSR_HOUSEHOLDER, ORTHSR_ADAMW}, {ORTHSR_HOUSEHOLDER, ORTHSR_SGD},
        {ORTHSR_BUTTERFLY, ORTHSR_ADAMW}, {ORTHSR_BUTTERFLY, ORTHSR_SGD}, {ORTHSR_MANIFOLD, ORTHSR_RSGD},     {ORTHSR_MANIFOLD, ORTHSR_RADAM},
    };
    static const float rates[] = {10, 1e5f, 1e15f, 1e30f, FLT_MAX};
    size_t failed = 0;
    if (short_run() && _i % 3 != 0) return;
    for (size_t r = short_run() ? 3 : 0; r < sizeof rates / sizeof rates[0]; r += short_run() ? 3 : 1) {
        scene s = scene_new(ways[_i].parametrization, true, NULL);
        ck_ok(orthsr_trainer_options_set_optimizer(s.options, ways[_i].optimizer, &error));
        ck_ok(orthsr_trainer_options_set_learning_rate(s.options, rates[r], &error));
        ck_ok(orthsr_trainer_options_set_context_learning_rate(s.options, r & 1 ? rates[r] : 1e-3f, &error));
        if (ways[_i].parametrization == ORTHSR_MANIFOLD) ck_ok(orthsr_trainer_options_set_retraction(s.options, (orthsr_retraction)(r & 3), &error));
        scene_start(&s);
        failed += edge_steps(&s, short_run() ? 3 : 6, "a huge learning rate");
        scene_free(&s);
    }
    ck_assert_uint_gt(failed, 0); /* some do go too far */
}
END_TEST

/* ---- what was not finite is named, and mended goes on as if nothing had been ---------------------------------------------------------------- */

/* A weight of the model turns into NaN before the third step, and back after it has failed. */
START_TEST(poisoned_weight) {
    static const struct {
        bool text;
        size_t layer, map;
        const char *name;
    } places[] = {
        {false, 0, ORTHSR__FC1, "'image.0."}, {false, 1, ORTHSR__OUT, "'image.1."}, {true, 0, ORTHSR__Q, "'text.0."}, {true, 1, ORTHSR__FC2, "'text.1."}};
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p += short_run() ? 3 : 1) {
        scene s = scene_new(ORTHSR_CAYLEY, true, NULL), twin = scene_new(ORTHSR_CAYLEY, true, NULL);
        scene_start(&s);
        scene_start(&twin);
        edge_steps(&s, 2, "good weights");
        edge_steps(&twin, 2, "good weights");
        orthsr__tower *tower = places[p].text ? &s.model->text : &s.model->image;
        orthsr__linear *map = &tower->layer[places[p].layer].map[places[p].map], good = *map;
        size_t n = map->in * map->out;
        float *bad = malloc(n * sizeof *bad);
        memcpy(bad, good.weight, n * sizeof *bad);
        bad[n / 2] = NAN;
        map->weight = bad;
        ck_assert_uint_eq(edge_steps(&s, 2, "a weight that is NaN"), 2);
        ck_assert_msg(strstr(error.message, places[p].name), "%s", error.message);
        *map = good;
        free(bad);
        edge_steps(&s, 2, "good weights");
        edge_steps(&twin, 2, "good weights");
        memory a = remember(&s), b = remember(&twin);
        ck_assert(a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0);
        free(a.bytes);
        free(b.bytes);
        scene_free(&s);
        scene_free(&twin);
    }
}
END_TEST

/* ---- drift ----------------------------------------------------------------------------------------------------------------------------------- */

/* A that has come off the manifold, by far more than rounding and less than the parametrisation refuses, is back on it after a step: with Cayley's retraction,
 * which keeps A^T A as it is, by the repair alone. */
START_TEST(drift_is_taken_back) {
    for (int adam = short_run() ? 1 : 0; adam < 2; adam++) {
        scene s = scene_new(ORTHSR_MANIFOLD, false, NULL);
        float *parameters = malloc(s.adapter->parameter_count * sizeof *parameters);
        for (size_t i = 0; i < s.adapter->parameter_count; i++) parameters[i] = s.adapter->factors.parameters[i] * 1.00008f;
        ck_ok(orthsr_adapter_set_parameters(s.adapter, parameters, s.adapter->parameter_count, &error));
        ck_ok(orthsr_trainer_options_set_optimizer(s.options, adam ? ORTHSR_RADAM : ORTHSR_RSGD, &error));
        ck_ok(orthsr_trainer_options_set_retraction(s.options, (orthsr_retraction)_i, &error));
        scene_start(&s);
        double defect;
        ck_ok(orthsr_adapter_defect(s.adapter, &defect, &error));
        ck_close(defect, 1.6e-4, 1e-6);
        ck_ok(orthsr_trainer_step(s.trainer, &error));
        ck_assert_double_le(orthsr_trainer_metric(s.trainer, ORTHSR_METRIC_ORTHOGONALITY), 1e-6); /* observed: 3.6e-7 */
        free(parameters);
        scene_free(&s);
    }
}
END_TEST

static TCase *edges(void) {
    TCase *tc = tcase_create("edges");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, plain_images);
    tcase_add_test(tc, feature_of_length_zero);
    tcase_add_test(tc, empty_text);
    tcase_add_test(tc, one_class);
    tcase_add_test(tc, logit_scale);
    tcase_add_test(tc, weights_and_temperatures);
    tcase_add_loop_test(tc, huge_learning_rates, 0, 12);
    tcase_add_test(tc, poisoned_weight);
    tcase_add_loop_test(tc, drift_is_taken_back, 0, ORTHSR_RETRACTION_POLAR + 1);
    return tc;
}
TEST_MAIN("numerics", edges)
