/* grad_prompt.c - the whole loss against central differences in a learned context, in float64: alone, and together with an adapter; every position of the class
 * name, one context for all or one a class, an adapter that begins above the lowest layer or in the image tower alone. Observed at most 2e-8. */
#include "clip/context.h"
#include "clip/encoder.h"
#include "train/objective.h"
#include "util/differences.h"
#include "util/fixture.h"
#include "util/pool.h"

#define BOUND 1e-6

enum { CLASSES = 3, IMAGES = 3 };

typedef struct problem {
    orthsr_model *model;
    orthsr_adapter *adapter; /* without targets, or with some */
    orthsr_prompt *prompt;
    orthsr__encoder encoder;
    orthsr__objective objective;
    fixture expected;
    float *pixels;   /* (IMAGES, 3, S, S) */
    int32_t *tokens; /* (CLASSES, context_length) */
    real *frozen;    /* (IMAGES, CLASSES) */
} problem;

static const char *const names[CLASSES] = {"cat", "t-shirt", "dog_photo"};
static const size_t labels[IMAGES] = {1, 0, 2};

/* Loss as things stand; with grad_context also the gradients. */
static double loss(problem *p, real *grad_context, real *grad_rotations) {
    orthsr_error error;
    real prompts[CLASSES * 16], images[IMAGES * 16];
    p->encoder.context = p->prompt->context;
    ck_ok(orthsr__encode_text_tile(&p->encoder, prompts, p->tokens, CLASSES, &error));
    orthsr__objective_begin(&p->objective, prompts);
    ck_ok(orthsr__encode_image_tile(&p->encoder, images, p->pixels, IMAGES, &error));
    orthsr__objective_tile(&p->objective, ORTHSR__WHOLE, images, images, labels, p->frozen, IMAGES, IMAGES);
    if (grad_context) {
        if (orthsr__image_adapted(&p->encoder)) orthsr__image_tile_backward(&p->encoder, images, grad_rotations);
        orthsr__objective_end(&p->objective, prompts);
        orthsr__text_tile_backward(&p->encoder, prompts, grad_rotations);
        orthsr__text_tile_context_gradient(&p->encoder, p->tokens, grad_context);
    }
    return orthsr__objective_loss(&p->objective, IMAGES);
}

/* x: the context, then the adapter's parameters. */
static double value(const real *x, void *payload) {
    problem *p = payload;
    orthsr_error error;
    memcpy(p->prompt->context, x, p->prompt->count * sizeof(real));
    ck_ok(orthsr__adapter_update(p->adapter, x + p->prompt->count, &error));
    return loss(p, NULL, NULL);
}

/* layer: the one the adapter is on, of tower; -1: no adapter. */
static double check(orthsr_class_position position, bool specific, const char *tower, int layer) {
    problem p = {0};
    orthsr_error error;
    orthsr_prompt_options *options;
    ck_ok(orthsr_model_open(&p.model, "tests/data/clip/hf", &error));
    ck_assert_uint_le(p.model->config.embed_dim, 16);
    ck_ok(orthsr_prompt_options_new(&options, &error));
    ck_ok(orthsr_prompt_options_set_position(options, position, &error));
    ck_ok(orthsr_prompt_options_set_words(options, 5, &error));
    if (specific) ck_ok(orthsr_prompt_options_set_classes(options, names, CLASSES, &error));
    ck_ok(orthsr_prompt_new(&p.prompt, p.model, options, &error));
    ck_ok(orthsr_adapter_new(&p.adapter, NULL, &error));
    for (int which = 0; which < 2 && layer >= 0; which++) {
        char name[32];
        snprintf(name, sizeof name, "%s.%d.%s", tower, layer, which ? "fc1" : "k");
        size_t in = orthsr_model_width(p.model, tower);
        ck_ok(orthsr_adapter_add_target(p.adapter, name, in, which ? orthsr_model_mlp_width(p.model, tower) : in, &error));
    }
    ck_ok(orthsr__encoder_new(&p.encoder, p.model, p.adapter, true, workers(2), ORTHSR__TILE_ROWS, &error));
    p.encoder.context_gradients = true;
    ck_ok(orthsr__objective_new(&p.objective, CLASSES, 1, p.model->config.embed_dim, IMAGES, &error));
    p.objective.scale = 5;
    p.objective.temperature = 1;
    p.objective.term[ORTHSR__WHOLE] = (orthsr__term){.ce_weight = 1, .kl_weight = 1.5};
    fixture_open(&p.expected, "tests/data/clip/hf/expected.safetensors");
    p.pixels = fixture_floats(&p.expected, "pixels", NULL);
    ck_ok(orthsr__prompt_tokens(&p.tokens, p.prompt, p.model, names, CLASSES, &error));

    real frozen[IMAGES * CLASSES] = {0}; /* the anchor is the loss's own point of departure; the gradient is taken away from it, where KL has a slope */
    p.frozen = frozen;
    loss(&p, NULL, NULL);
    memcpy(frozen, p.objective.log_p, sizeof frozen);
    size_t n = p.prompt->count, m = p.adapter->parameter_count;
    real *x = calloc(n + m, sizeof(real)), *gradient = calloc(n + m, sizeof(real)), *rotations = calloc(p.adapter->rotation_count + 1, sizeof(real)),
         *work = calloc(orthsr__block_work(p.adapter) + 1, sizeof(real));
    fill(x, n + m, 4);
    for (size_t i = 0; i < n + m; i++) x[i] *= i < n ? 2 : 0.1; /* word embeddings of this model have a deviation of 0.5 */
    value(x, &p);
    loss(&p, gradient, rotations);
    ck_assert_double_gt(p.objective.sums[ORTHSR__WHOLE].kl, 1e-4);
    orthsr__block_gradients(NULL, p.adapter, 0, p.adapter->target_count, gradient + n, rotations, work);
    double worst = gradient_error(x, gradient, n + m, m > 0 ? 7 : 1, value, &p);

    free(x);
    free(gradient);
    free(rotations);
    free(work);
    free(p.tokens);
    fixture_close(&p.expected);
    orthsr__objective_free(&p.objective);
    orthsr__encoder_free(&p.encoder);
    orthsr_adapter_free(p.adapter);
    orthsr_prompt_free(p.prompt);
    orthsr_prompt_options_free(options);
    orthsr_model_free(p.model);
    return worst;
}

START_TEST(context_alone) {
    ck_assert_double_le(check(ORTHSR_CLASS_END, false, NULL, -1), BOUND);
    ck_assert_double_le(check(ORTHSR_CLASS_MIDDLE, false, NULL, -1), BOUND);
    ck_assert_double_le(check(ORTHSR_CLASS_FRONT, false, NULL, -1), BOUND);
}
END_TEST
START_TEST(context_of_each_class) { ck_assert_double_le(check(ORTHSR_CLASS_MIDDLE, true, NULL, -1), BOUND); }
END_TEST
START_TEST(with_an_adapter) {
    ck_assert_double_le(check(ORTHSR_CLASS_END, false, "text", 0), BOUND);
    ck_assert_double_le(check(ORTHSR_CLASS_END, true, "text", 1), BOUND); /* backward goes on below the lowest adapted layer */
}
END_TEST
START_TEST(with_an_image_adapter) { ck_assert_double_le(check(ORTHSR_CLASS_END, false, "image", 1), BOUND); }
END_TEST

static TCase *all(void) {
    TCase *tc = tcase_create("gradient of the context");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, context_alone);
    tcase_add_test(tc, context_of_each_class);
    tcase_add_test(tc, with_an_adapter);
    tcase_add_test(tc, with_an_image_adapter);
    return tc;
}
TEST_MAIN("gradient of the context", all)
