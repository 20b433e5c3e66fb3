/* test_images.c - training with augmentation, CutOut and a frozen branch of its own: what the terms are, what they depend on, and that it trains. */
#include <stdarg.h>

#include "adapter/adapter.h"
#include "util/tiny.h"

static orthsr_error error;

/* ---- a small run ----------------------------------------------------------------------------------------------------------------------- */

/* The tiny Hugging Face model with the images and labels of the trajectory fixture. */
typedef struct scene {
    fixture f;
    orthsr_model *model;
    orthsr_dataset *dataset;
    orthsr_adapter *adapter;
    orthsr_trainer_options *options;
    orthsr_trainer *trainer;
} scene;

static scene scene_new(const char *towers, bool black) {
    scene s = {0};
    orthsr_adapter_options *options;
    static const uint8_t nothing[TINY_ITEMS * TINY_SIZE * TINY_SIZE * 3];
    tiny_open(&s.f, &s.model, &s.dataset, black ? nothing : NULL);
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_towers(options, towers, &error));
    ck_ok(orthsr_model_adapter(s.model, &s.adapter, options, &error));
    orthsr_adapter_options_free(options);
    ck_ok(orthsr_trainer_options_new(&s.options, &error));
    ck_ok(orthsr_trainer_options_set_schedule(s.options, ORTHSR_SCHEDULE_CONSTANT, &error));
    return s;
}

static void scene_free(scene *s) {
    orthsr_trainer_free(s->trainer);
    orthsr_trainer_options_free(s->options);
    orthsr_adapter_free(s->adapter);
    tiny_close(&s->f, s->model, s->dataset);
}

static void begin(scene *s) { ck_ok(orthsr_trainer_new(&s->trainer, s->model, s->adapter, s->dataset, s->options, &error)); }

static double metric(const scene *s, orthsr_metric which) { return orthsr_trainer_metric(s->trainer, which); }

static const orthsr_metric terms[] = {ORTHSR_METRIC_CE, ORTHSR_METRIC_KL, ORTHSR_METRIC_CE_CUT, ORTHSR_METRIC_KL_CUT};

/* The four terms of the first epoch, means over the items, with steps too small to matter. */
static void first_epoch(scene *s, size_t batch, double *means) {
    ck_ok(orthsr_trainer_options_set_batch_size(s->options, batch, &error));
    ck_ok(orthsr_trainer_options_set_learning_rate(s->options, 1e-20f, &error));
    begin(s);
    memset(means, 0, 4 * sizeof *means);
    size_t steps = (TINY_ITEMS + batch - 1) / batch;
    for (size_t i = 0; i < steps; i++) {
        double share = (double)(i + 1 < steps ? batch : TINY_ITEMS - batch * i) / TINY_ITEMS;
        ck_ok(orthsr_trainer_step(s->trainer, &error));
        for (size_t j = 0; j < 4; j++) means[j] += share * metric(s, terms[j]);
    }
}

/* ---- what is trained on ------------------------------------------------------------------------------------------------------------------ */

typedef struct setting {
    orthsr_augmentation augmentation;
    orthsr_cutout cutout;
    orthsr_cutout_source source;
    orthsr_cutout_fill fill;
    float size, probability, temperature;
    size_t holes;
    orthsr_kl_reduction reduction;
    bool own_frozen;
    const char *towers;
} setting;

static const setting settings[] = {
    {ORTHSR_AUGMENT_STANDARD, ORTHSR_CUTOUT_OFF, 0, 0, 0, 1, 1, 1, 0, false, "image,text"},
    {ORTHSR_AUGMENT_NONE, ORTHSR_CUTOUT_ATTENTIVE, ORTHSR_CUTOUT_TEXT, ORTHSR_CUTOUT_ZERO, 0, 1, 1, 1, 0, false, "image,text"},
    {ORTHSR_AUGMENT_NONE, ORTHSR_CUTOUT_ATTENTIVE, ORTHSR_CUTOUT_ATTENTION, ORTHSR_CUTOUT_NOISE, 0.25f, 0.7f, 1, 2, 0, false, "image"},
    {ORTHSR_AUGMENT_NONE, ORTHSR_CUTOUT_RANDOM, 0, ORTHSR_CUTOUT_MEAN, 0.5f, 0.5f, 2, 3, ORTHSR_KL_MEAN, false, "image,text"},
    {ORTHSR_AUGMENT_STANDARD, ORTHSR_CUTOUT_ATTENTIVE, ORTHSR_CUTOUT_TEXT, ORTHSR_CUTOUT_ZERO, 0, 1, 0.5f, 1, 0, true, "image,text"},
    {ORTHSR_AUGMENT_STANDARD, ORTHSR_CUTOUT_RANDOM, 0, ORTHSR_CUTOUT_ZERO, 0.4f, 1, 1, 1, 0, true, "text"},
};
enum { SETTINGS = sizeof settings / sizeof *settings };

static scene scene_of(const setting *set) {
    const char *own[] = {"to the {}", "photo of {}"};
    scene s = scene_new(set->towers, false);
    ck_ok(orthsr_trainer_options_set_augmentation(s.options, set->augmentation, &error));
    ck_ok(orthsr_trainer_options_set_cutout(s.options, set->cutout, &error));
    ck_ok(orthsr_trainer_options_set_cutout_source(s.options, set->source, &error));
    ck_ok(orthsr_trainer_options_set_cutout_fill(s.options, set->fill, &error));
    ck_ok(orthsr_trainer_options_set_cutout_size(s.options, set->size, &error));
    ck_ok(orthsr_trainer_options_set_cutout_holes(s.options, set->holes, &error));
    ck_ok(orthsr_trainer_options_set_cutout_probability(s.options, set->probability, &error));
    ck_ok(orthsr_trainer_options_set_kl_temperature(s.options, set->temperature, &error));
    ck_ok(orthsr_trainer_options_set_kl_reduction(s.options, set->reduction, &error));
    if (set->own_frozen) ck_ok(orthsr_trainer_options_set_frozen_templates(s.options, own, 2, &error));
    return s;
}

/* Trains 24 epochs of 3 steps and returns the parameters; the loss of the last five epochs is below that of the first five. */
static float *train(const setting *set, uint64_t seed, size_t *n) {
    scene s = scene_of(set);
    ck_ok(orthsr_trainer_options_set_batch_size(s.options, 5, &error));
    if (set->own_frozen) { /* another teacher would hold it back */
        ck_ok(orthsr_trainer_options_set_kl_weight(s.options, 0.1f, &error));
        ck_ok(orthsr_trainer_options_set_kl_cut_weight(s.options, 0.1f, &error));
    }
    ck_ok(orthsr_trainer_options_set_epochs(s.options, 24, &error));
    ck_ok(orthsr_trainer_options_set_learning_rate(s.options, 5e-2f, &error));
    ck_ok(orthsr_trainer_options_set_seed(s.options, seed, &error));
    begin(&s);
    double first = 0, last = 0, loss[72];
    for (size_t i = 0; i < 72; i++) {
        ck_ok(orthsr_trainer_step(s.trainer, &error));
        loss[i] = metric(&s, ORTHSR_METRIC_LOSS);
    }
    for (size_t i = 0; i < 15; i++) {
        first += loss[i];
        last += loss[57 + i];
    }
    ck_assert_msg(last < 0.99 * first, "loss %g at first, %g at last", first / 15, last / 15);
    ck_assert_double_le(metric(&s, ORTHSR_METRIC_ORTHOGONALITY), 1e-5);
    *n = orthsr_adapter_parameter_count(s.adapter);
    float *parameters = malloc(*n * sizeof *parameters);
    ck_ok(orthsr_adapter_get_parameters(s.adapter, parameters, *n, &error));
    scene_free(&s);
    return parameters;
}

START_TEST(trains_and_is_seeded) {
    size_t n;
    if (short_run()) return; /* 200 steps are long under valgrind, which sees every kind of step in the other tests */
    float *a = train(&settings[_i], 3, &n), *b = train(&settings[_i], 3, &n), *c = train(&settings[_i], 4, &n);
    ck_assert(memcmp(a, b, n * sizeof *a) == 0);
    ck_assert(memcmp(a, c, n * sizeof *a) != 0);
    free(a);
    free(b);
    free(c);
}
END_TEST

/* Draws belong to seed, epoch and item: the sums over an epoch do not depend on the batches, which come in another order too, but on the seed. Observed
 * within 3e-7. */
START_TEST(draws_belong_to_items) {
    const setting *set = &settings[_i];
    double means[3][4];
    for (size_t run = 0; run < 3; run++) {
        scene s = scene_of(set);
        ck_ok(orthsr_trainer_options_set_seed(s.options, run == 2 ? 8 : 7, &error));
        first_epoch(&s, run == 1 ? 5 : TINY_ITEMS, means[run]);
        scene_free(&s);
    }
    double moved = 0;
    for (size_t j = 0; j < 4; j++) {
        ck_close(means[0][j], means[1][j], 3e-6);
        moved += fabs(means[0][j] - means[2][j]);
    }
    bool drawn = set->augmentation != ORTHSR_AUGMENT_NONE || set->cutout == ORTHSR_CUTOUT_RANDOM || set->probability < 1;
    if (drawn) ck_assert_double_gt(moved, 1e-3);
    else ck_assert_double_le(moved, 3e-6);
}
END_TEST

/* At A = I the anchor is the tuned model on every view of every image, unless it has templates of its own. */
START_TEST(starts_at_the_frozen_model) {
    const setting *set = &settings[_i];
    double means[4];
    scene s = scene_of(set);
    first_epoch(&s, TINY_ITEMS, means);
    if (set->own_frozen) ck_assert_double_gt(means[1], 1e-3);
    else ck_assert_double_le(fabs(means[1]), 1e-6);
    if (set->cutout == ORTHSR_CUTOUT_OFF) ck_assert(means[2] == 0 && means[3] == 0);
    else ck_assert_double_gt(fabs(means[2] - means[0]), 1e-4);
    if (set->cutout != ORTHSR_CUTOUT_OFF && set->own_frozen) ck_assert_double_gt(means[3], 1e-3);
    if (!set->own_frozen) ck_assert_double_le(fabs(means[3]), 1e-6);
    scene_free(&s);
}
END_TEST

/* ---- what is cut --------------------------------------------------------------------------------------------------------------------------- */

/* A hole as large as the image, filled with black: the cross-entropy of black images. */
START_TEST(whole_image_cut) {
    double cut[4], black[4];
    scene s = scene_new("image,text", false), t = scene_new("image,text", true);
    ck_ok(orthsr_trainer_options_set_cutout(s.options, ORTHSR_CUTOUT_ATTENTIVE, &error));
    ck_ok(orthsr_trainer_options_set_cutout_size(s.options, 1, &error));
    first_epoch(&s, TINY_ITEMS, cut);
    first_epoch(&t, TINY_ITEMS, black);
    ck_close(cut[2], black[0], 1e-6);
    ck_assert_double_gt(fabs(cut[2] - cut[0]), 1e-2);
    scene_free(&s);
    scene_free(&t);
}
END_TEST

/* With probability 0 the cut images are the images; with 0.5 some are. */
START_TEST(probability) {
    double never[4], always[4], half[4];
    const float probabilities[] = {0, 1, 0.5f};
    double *means[] = {never, always, half};
    for (size_t i = 0; i < 3; i++) {
        scene s = scene_new("image,text", false);
        ck_ok(orthsr_trainer_options_set_cutout(s.options, ORTHSR_CUTOUT_ATTENTIVE, &error));
        ck_ok(orthsr_trainer_options_set_cutout_probability(s.options, probabilities[i], &error));
        first_epoch(&s, TINY_ITEMS, means[i]);
        scene_free(&s);
    }
    ck_assert(never[2] == never[0]);
    ck_assert(always[2] != always[0] && half[2] != half[0] && half[2] != always[2]);
}
END_TEST

/* ---- the loss -------------------------------------------------------------------------------------------------------------------------------- */

/* The defaults of the weights, after a few steps that make every term positive. */
START_TEST(weights) {
    for (int kind = 0; kind < 3; kind++) {
        scene s = scene_new("image,text", false);
        double kl = kind == 0 ? 1 : 1.5, ce_cut = kind == 2 ? 0.5 : 1, kl_cut = kind == 2 ? 0.25 : 1;
        if (kind > 0) ck_ok(orthsr_trainer_options_set_cutout(s.options, ORTHSR_CUTOUT_ATTENTIVE, &error));
        if (kind == 2) {
            ck_ok(orthsr_trainer_options_set_ce_cut_weight(s.options, 0.5f, &error));
            ck_ok(orthsr_trainer_options_set_kl_cut_weight(s.options, 0.25f, &error));
        }
        ck_ok(orthsr_trainer_options_set_learning_rate(s.options, 1e-2f, &error));
        begin(&s);
        for (size_t i = 0; i < 4; i++) ck_ok(orthsr_trainer_step(s.trainer, &error));
        for (size_t j = 0; j < (kind == 0 ? 2u : 4u); j++) ck_assert_double_gt(metric(&s, terms[j]), 1e-4);
        double sum = metric(&s, terms[0]) + kl * metric(&s, terms[1]) + ce_cut * metric(&s, terms[2]) + kl_cut * metric(&s, terms[3]);
        ck_close(metric(&s, ORTHSR_METRIC_LOSS), sum, 1e-9);
        scene_free(&s);
    }
}
END_TEST

/* The tuned branch's templates given again are the tuned branch's templates. */
START_TEST(frozen_templates) {
    const char *same[] = {"a photo of a {}."};
    double means[4];
    scene s = scene_new("image,text", false);
    ck_ok(orthsr_trainer_options_set_frozen_templates(s.options, same, 1, &error));
    first_epoch(&s, TINY_ITEMS, means);
    ck_assert_double_le(fabs(means[1]), 1e-6);
    scene_free(&s);
}
END_TEST

/* A run that explodes fails at a named step and layer, and the adapter is as it was before it. */
START_TEST(explosion) {
    scene s = scene_new("image,text", false);
    orthsr_adapter_options *options;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, ORTHSR_FREE, &error));
    orthsr_adapter_free(s.adapter);
    ck_ok(orthsr_model_adapter(s.model, &s.adapter, options, &error));
    ck_ok(orthsr_trainer_options_set_cutout(s.options, ORTHSR_CUTOUT_ATTENTIVE, &error));
    ck_ok(orthsr_trainer_options_set_learning_rate(s.options, 1e20f, &error));
    begin(&s);
    size_t n = orthsr_adapter_parameter_count(s.adapter);
    float *before = malloc(n * sizeof *before);
    orthsr_status status = ORTHSR_OK;
    while (!status) {
        ck_ok(orthsr_adapter_get_parameters(s.adapter, before, n, &error));
        status = orthsr_trainer_step(s.trainer, &error);
    }
    char expected[64];
    snprintf(expected, sizeof expected, "step %zu: 'text.0.fc2' gives values that are not finite", orthsr_trainer_step_count(s.trainer) + 1);
    ck_assert_int_eq(status, ORTHSR_ERROR_NUMERIC);
    ck_assert_msg(strstr(error.message, expected) != NULL, "%s", error.message);
    ck_assert(memcmp(s.adapter->factors.parameters, before, n * sizeof *before) == 0);
    free(before);
    orthsr_adapter_options_free(options);
    scene_free(&s);
}
END_TEST

/* Four epochs of one step with the KL falling to (1 + cos(3 pi / 4)) / 2 of its weight: the loss is what the metrics and that weight say (observed: 8e-8). */
START_TEST(anchor_lets_go) {
    scene s = scene_new("image,text", false);
    ck_ok(orthsr_trainer_options_set_kl_schedule(s.options, ORTHSR_SCHEDULE_COSINE, &error));
    ck_ok(orthsr_trainer_options_set_kl_confidence(s.options, 1, &error));
    ck_ok(orthsr_trainer_options_set_kl_weight(s.options, 2, &error));
    ck_ok(orthsr_trainer_options_set_learning_rate(s.options, 5e-2f, &error));
    ck_ok(orthsr_trainer_options_set_batch_size(s.options, 0, &error));
    ck_ok(orthsr_trainer_options_set_epochs(s.options, 4, &error));
    begin(&s);
    for (size_t epoch = 0; epoch < 4; epoch++) {
        ck_ok(orthsr_trainer_step(s.trainer, &error));
        double weight = 1 + cos(3.14159265358979323846 * (double)epoch / 4); /* 2 times the half cosine */
        ck_close(metric(&s, ORTHSR_METRIC_LOSS), metric(&s, ORTHSR_METRIC_CE) + weight * metric(&s, ORTHSR_METRIC_KL), 1e-6);
    }
    ck_assert_double_ge(metric(&s, ORTHSR_METRIC_KL), 1e-3);
    scene_free(&s);
}
END_TEST

/* Holes that stay are shown to the frozen model once, before the first step; a probability just below 1 cuts the same ones, and has them shown in every step.
 * The same run, then (observed: equal). */
START_TEST(remembered_holes) {
    scene s[2];
    for (size_t i = 0; i < 2; i++) {
        s[i] = scene_new("image,text", false);
        ck_ok(orthsr_trainer_options_set_cutout(s[i].options, ORTHSR_CUTOUT_ATTENTIVE, &error));
        ck_ok(orthsr_trainer_options_set_cutout_probability(s[i].options, i ? nextafterf(1, 0) : 1, &error));
        ck_ok(orthsr_trainer_options_set_learning_rate(s[i].options, 5e-2f, &error));
        ck_ok(orthsr_trainer_options_set_batch_size(s[i].options, 5, &error));
        ck_ok(orthsr_trainer_options_set_epochs(s[i].options, 2, &error));
        begin(&s[i]);
    }
    for (size_t step = 0; step < orthsr_trainer_step_total(s[0].trainer); step++) {
        for (size_t i = 0; i < 2; i++) ck_ok(orthsr_trainer_step(s[i].trainer, &error));
        for (size_t j = 0; j < 4; j++) ck_close(metric(&s[0], terms[j]), metric(&s[1], terms[j]), 1e-6);
    }
    ck_assert_double_ge(metric(&s[0], ORTHSR_METRIC_KL_CUT), 1e-5);
    for (size_t i = 0; i < 2; i++) scene_free(&s[i]);
}
END_TEST

START_TEST(setters) {
    const char *bad[] = {"a photo"};
    scene s = scene_new("image,text", false);
    orthsr_trainer_options *o = s.options;
    ck_fails(orthsr_trainer_options_set_kl_weight(o, -1, &error), ORTHSR_ERROR_ARGUMENT, "KL weight");
    ck_fails(orthsr_trainer_options_set_ce_cut_weight(o, NAN, &error), ORTHSR_ERROR_ARGUMENT, "cross-entropy");
    ck_fails(orthsr_trainer_options_set_kl_cut_weight(o, INFINITY, &error), ORTHSR_ERROR_ARGUMENT, "KL");
    ck_fails(orthsr_trainer_options_set_kl_temperature(o, 0, &error), ORTHSR_ERROR_ARGUMENT, "temperature");
    ck_fails(orthsr_trainer_options_set_kl_reduction(o, (orthsr_kl_reduction)2, &error), ORTHSR_ERROR_ARGUMENT, "reduction");
    ck_fails(orthsr_trainer_options_set_kl_schedule(o, (orthsr_schedule)2, &error), ORTHSR_ERROR_ARGUMENT, "schedule");
    ck_fails(orthsr_trainer_options_set_augmentation(o, (orthsr_augmentation)2, &error), ORTHSR_ERROR_ARGUMENT, "augmentation");
    ck_fails(orthsr_trainer_options_set_cutout(o, (orthsr_cutout)3, &error), ORTHSR_ERROR_ARGUMENT, "CutOut");
    ck_fails(orthsr_trainer_options_set_cutout_source(o, (orthsr_cutout_source)2, &error), ORTHSR_ERROR_ARGUMENT, "source");
    ck_fails(orthsr_trainer_options_set_cutout_fill(o, (orthsr_cutout_fill)3, &error), ORTHSR_ERROR_ARGUMENT, "filling");
    ck_fails(orthsr_trainer_options_set_cutout_size(o, 1.5f, &error), ORTHSR_ERROR_ARGUMENT, "size");
    ck_fails(orthsr_trainer_options_set_cutout_size(o, NAN, &error), ORTHSR_ERROR_ARGUMENT, "size");
    ck_fails(orthsr_trainer_options_set_cutout_holes(o, 0, &error), ORTHSR_ERROR_ARGUMENT, "holes");
    ck_fails(orthsr_trainer_options_set_cutout_holes(o, 65, &error), ORTHSR_ERROR_ARGUMENT, "holes");
    ck_fails(orthsr_trainer_options_set_cutout_probability(o, 1.01f, &error), ORTHSR_ERROR_ARGUMENT, "probability");
    ck_fails(orthsr_trainer_options_set_frozen_templates(o, bad, 1, &error), ORTHSR_ERROR_ARGUMENT, "{}");
    ck_fails(orthsr_trainer_options_set_frozen_templates(o, bad, 0, &error), ORTHSR_ERROR_ARGUMENT, "template");
    scene_free(&s);
}
END_TEST

static TCase *all(void) {
    TCase *tc = tcase_create("images of a step");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, trains_and_is_seeded, 0, SETTINGS);
    tcase_add_loop_test(tc, draws_belong_to_items, 0, SETTINGS);
    tcase_add_loop_test(tc, starts_at_the_frozen_model, 0, SETTINGS);
    tcase_add_test(tc, whole_image_cut);
    tcase_add_test(tc, probability);
    tcase_add_test(tc, weights);
    tcase_add_test(tc, frozen_templates);
    tcase_add_test(tc, explosion);
    tcase_add_test(tc, anchor_lets_go);
    tcase_add_test(tc, remembered_holes);
    tcase_add_test(tc, setters);
    return tc;
}
TEST_MAIN("images", all)
