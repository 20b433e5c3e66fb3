/* grad_clip.c - the whole loss, pixels and tokens to cross-entropy + KL of images and of cut images, against central differences in the adapter's
 * parameters, in float64: every map of every layer of both towers, both parametrisations, both directions of KL, temperature and reduction.
 * Observed at most 3e-9. */
#include "clip/encoder.h"
#include "data/cutout.h"
#include "train/objective.h"
#include "util/differences.h"
#include "util/fixture.h"

#define BOUND 1e-6

enum { CLASSES = 2, TEMPLATES = 2, IMAGES = 3 };

typedef struct problem {
    orthsr_model *model;
    orthsr_adapter *adapter;
    orthsr__encoder encoder;
    orthsr__objective objective;
    fixture expected;
    float *pixels, *cut;   /* (IMAGES, 3, S, S): as they are, and with a hole */
    const int32_t *tokens; /* (CLASSES TEMPLATES, context) */
    real frozen[ORTHSR__PARTS][IMAGES * CLASSES];
} problem;

static const size_t labels[IMAGES] = {1, 0, 1};

/* Loss at the adapter's present parameters; with grad_rotations also its gradient. */
static double loss(problem *p, real *grad_rotations) {
    size_t embed = p->model->config.embed_dim;
    orthsr_error error;
    real prompts[CLASSES * TEMPLATES * 32], images[IMAGES * 32];
    ck_assert_uint_le(embed, 32);
    ck_ok(orthsr__encode_text_tile(&p->encoder, prompts, p->tokens, CLASSES * TEMPLATES, &error));
    orthsr__objective_begin(&p->objective, prompts);
    if (grad_rotations) memset(grad_rotations, 0, p->adapter->rotation_count * sizeof(real));
    for (orthsr__part part = 0; part < ORTHSR__PARTS; part++) {
        ck_ok(orthsr__encode_image_tile(&p->encoder, images, part == ORTHSR__WHOLE ? p->pixels : p->cut, IMAGES, &error));
        orthsr__objective_tile(&p->objective, part, images, images, labels, p->frozen[part], IMAGES, IMAGES);
        if (grad_rotations) orthsr__image_tile_backward(&p->encoder, images, IMAGES, grad_rotations);
    }
    if (grad_rotations) {
        orthsr__objective_end(&p->objective, prompts);
        orthsr__text_tile_backward(&p->encoder, prompts, CLASSES * TEMPLATES, grad_rotations);
    }
    return orthsr__objective_loss(&p->objective, IMAGES);
}

/* The anchor is the model as it is now. */
static void freeze(problem *p) {
    orthsr_error error;
    real prompts[CLASSES * TEMPLATES * 32], images[IMAGES * 32];
    ck_ok(orthsr__encode_text_tile(&p->encoder, prompts, p->tokens, CLASSES * TEMPLATES, &error));
    orthsr__objective_begin(&p->objective, prompts);
    for (orthsr__part part = 0; part < ORTHSR__PARTS; part++) {
        ck_ok(orthsr__encode_image_tile(&p->encoder, images, part == ORTHSR__WHOLE ? p->pixels : p->cut, IMAGES, &error));
        orthsr__objective_log_probabilities(&p->objective, p->frozen[part], images, IMAGES);
    }
}

/* Every image with a hole of its own. */
static float *cut_images(const problem *p, size_t size) {
    size_t image = 3 * size * size;
    float *cut = malloc(IMAGES * image * sizeof *cut);
    memcpy(cut, p->pixels, IMAGES * image * sizeof *cut);
    for (size_t i = 0; i < IMAGES; i++) {
        orthsr__draws draws = orthsr__draws_of(1, 0, i, ORTHSR__FOR_CUTOUT);
        orthsr_region hole = {i, 1, size / 2, size / 2};
        orthsr__cutout_fill(cut + i * image, size, &hole, 1, (orthsr_cutout_fill)i, &p->model->config.preprocess, &draws);
    }
    return cut;
}

static double value(const real *parameters, void *context) {
    problem *p = context;
    orthsr_error error;
    ck_ok(orthsr__adapter_update(p->adapter, parameters, &error));
    return loss(p, NULL);
}

static double check_side(const char *directory, const char *maps, orthsr_parametrization parametrization, orthsr_kl_direction direction, size_t stride,
                         orthsr_side side, bool scaled) {
    problem p = {0};
    orthsr_error error;
    orthsr_adapter_options *options;
    char path[128];
    ck_ok(orthsr_model_open(&p.model, directory, &error));
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_maps(options, maps, &error));
    ck_ok(orthsr_adapter_options_set_blocks(options, 2, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, parametrization, &error));
    ck_ok(orthsr_adapter_options_set_side(options, side, &error));
    ck_ok(orthsr_model_adapter(p.model, &p.adapter, options, &error));
    for (size_t i = 0; i < p.adapter->target_count && scaled; i += 2) { /* every other one */
        float scale[128];
        for (size_t o = 0; o < p.adapter->targets[i].out; o++) scale[o] = 0.5f + 0.1f * (float)(o % 11);
        ck_ok(orthsr_adapter_set_scale(p.adapter, i, scale, &error));
    }
    ck_ok(orthsr__encoder_new(&p.encoder, p.model, p.adapter, true, &error));
    ck_ok(orthsr__objective_new(&p.objective, CLASSES, TEMPLATES, p.model->config.embed_dim, IMAGES, &error));
    p.objective.scale = 5;
    p.objective.term[ORTHSR__WHOLE] = (orthsr__term){.ce_weight = 1, .kl_weight = 1.5};
    p.objective.term[ORTHSR__CUT] = (orthsr__term){.ce_weight = 0.75, .kl_weight = 1.25};
    p.objective.temperature = scaled ? 1.75 : 1;
    p.objective.reduction = scaled ? ORTHSR_KL_MEAN : ORTHSR_KL_BATCH_MEAN;
    p.objective.direction = direction;
    snprintf(path, sizeof path, "%s/expected.safetensors", strstr(directory, "ViT") ? "tests/data/clip/openai" : directory);
    fixture_open(&p.expected, path);
    p.pixels = fixture_floats(&p.expected, "pixels", NULL);
    p.cut = cut_images(&p, p.model->config.image_size);
    p.tokens = fixture_raw(&p.expected, "tokens", sizeof *p.tokens, NULL);

    /* the anchor is the model at A = I; the gradient is taken away from it, where KL has a slope */
    freeze(&p);
    size_t n = p.adapter->parameter_count;
    real *parameters = calloc(n, sizeof(real)), *gradient = calloc(n, sizeof(real)), *rotations = calloc(p.adapter->rotation_count, sizeof(real)),
         *work = calloc(orthsr__adapter_work_size(p.adapter), sizeof(real));
    fill(parameters, n, 4);
    for (size_t i = 0; i < n; i++) parameters[i] *= 0.1;
    ck_ok(orthsr__adapter_update(p.adapter, parameters, &error));
    loss(&p, rotations);
    for (orthsr__part part = 0; part < ORTHSR__PARTS; part++) ck_assert_double_gt(p.objective.term[part].kl, 1e-6);
    orthsr__adapter_gradient(p.adapter, gradient, rotations, work);
    double worst = gradient_error(parameters, gradient, n, stride, value, &p);

    free(p.cut);
    free(parameters);
    free(gradient);
    free(rotations);
    free(work);
    fixture_close(&p.expected);
    orthsr__objective_free(&p.objective);
    orthsr__encoder_free(&p.encoder);
    orthsr_adapter_free(p.adapter);
    orthsr_adapter_options_free(options);
    orthsr_model_free(p.model);
    return worst;
}

static double check(const char *directory, const char *maps, orthsr_parametrization parametrization, orthsr_kl_direction direction, size_t stride) {
    return check_side(directory, maps, parametrization, direction, stride, ORTHSR_SIDE_INPUT, false);
}

START_TEST(every_map) { ck_assert_double_le(check("tests/data/clip/hf", "q,k,v,out,fc1,fc2", ORTHSR_CAYLEY, ORTHSR_KL_FROZEN_TUNED, 101), BOUND); }
END_TEST
START_TEST(feed_forward_only) { ck_assert_double_le(check("tests/data/clip/openclip", "fc1,fc2", ORTHSR_CAYLEY, ORTHSR_KL_TUNED_FROZEN, 47), BOUND); }
END_TEST
START_TEST(attention_only) { ck_assert_double_le(check("tests/data/clip/openclip", "v,out", ORTHSR_FREE, ORTHSR_KL_FROZEN_TUNED, 47), BOUND); }
END_TEST
START_TEST(one_layer) { ck_assert_double_le(check("tests/data/clip/openai/ViT-tiny.safetensors", "k,fc1", ORTHSR_CAYLEY, ORTHSR_KL_FROZEN_TUNED, 311), BOUND); }
END_TEST

START_TEST(outputs) {
    ck_assert_double_le(check_side("tests/data/clip/hf", "q,k,v,out,fc1,fc2", ORTHSR_CAYLEY, ORTHSR_KL_FROZEN_TUNED, 101, ORTHSR_SIDE_OUTPUT, false), BOUND);
}
END_TEST
START_TEST(outputs_scaled) {
    ck_assert_double_le(check_side("tests/data/clip/openclip", "q,k,v,out,fc1,fc2", ORTHSR_FREE, ORTHSR_KL_FROZEN_TUNED, 101, ORTHSR_SIDE_OUTPUT, true), BOUND);
}
END_TEST
START_TEST(inputs_scaled) {
    ck_assert_double_le(check_side("tests/data/clip/hf", "q,k,v,out,fc1,fc2", ORTHSR_CAYLEY, ORTHSR_KL_FROZEN_TUNED, 101, ORTHSR_SIDE_INPUT, true), BOUND);
}
END_TEST

static TCase *all(void) {
    TCase *tc = tcase_create("gradient of the whole loss");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, every_map);
    tcase_add_test(tc, feed_forward_only);
    tcase_add_test(tc, attention_only);
    tcase_add_test(tc, one_layer);
    tcase_add_test(tc, outputs);
    tcase_add_test(tc, outputs_scaled);
    tcase_add_test(tc, inputs_scaled);
    return tc;
}
TEST_MAIN("gradient of the whole loss", all)
