/* grad_clip.c - the whole loss, pixels and tokens to cross-entropy + KL of images and of cut images, against central differences in the adapter's
 * parameters, in float64: every map of every layer of both towers, some layers alone, both sides, shared blocks, both directions of KL, temperature and
 * reduction. Observed at most 3e-9. */
#include "clip/encoder.h"
#include "data/cutout.h"
#include "train/objective.h"
#include "util/differences.h"
#include "util/fixture.h"
#include "util/pool.h"

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
    ck_ok(orthsr__text_step_begin(&p->encoder, &error));
    ck_ok(orthsr__image_step_begin(&p->encoder, &error));
    ck_ok(orthsr__encode_text_tile(&p->encoder, prompts, p->tokens, CLASSES * TEMPLATES, &error));
    orthsr__objective_begin(&p->objective, prompts);
    if (grad_rotations) memset(grad_rotations, 0, p->adapter->rotation_count * sizeof(real));
    for (orthsr__part part = 0; part < ORTHSR__PARTS; part++) {
        ck_ok(orthsr__encode_image_tile(&p->encoder, images, part == ORTHSR__WHOLE ? p->pixels : p->cut, IMAGES, &error));
        orthsr__objective_tile(&p->objective, part, images, images, labels, p->frozen[part], IMAGES, IMAGES);
        if (grad_rotations) orthsr__image_tile_backward(&p->encoder, images, grad_rotations);
    }
    if (grad_rotations) {
        orthsr__objective_end(&p->objective, prompts);
        orthsr__text_tile_backward(&p->encoder, prompts, grad_rotations);
        orthsr__text_step_end(&p->encoder, grad_rotations);
        orthsr__image_step_end(&p->encoder, grad_rotations);
    }
    return orthsr__objective_loss(&p->objective, IMAGES);
}

/* The anchor is the model as it is now. */
static void freeze(problem *p) {
    orthsr_error error;
    real prompts[CLASSES * TEMPLATES * 32], images[IMAGES * 32];
    ck_ok(orthsr__text_step_begin(&p->encoder, &error));
    ck_ok(orthsr__image_step_begin(&p->encoder, &error));
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

/* One adapter and loss. */
typedef struct way {
    const char *directory, *maps, *layers; /* layers NULL: all */
    size_t lowest;                         /* layer of the image tower with a target */
    orthsr_parametrization parametrization;
    orthsr_side side;
    bool scaled, share, merged;
    orthsr_kl_direction direction;
    size_t stride; /* every which parameter is varied */
} way;

static void check(way w) {
    problem p = {0};
    orthsr_error error;
    orthsr_adapter_options *options;
    char path[128];
    ck_ok(orthsr_model_open(&p.model, w.directory, &error));
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_maps(options, w.maps, &error));
    ck_ok(orthsr_adapter_options_set_blocks(options, 2, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, w.parametrization, &error));
    ck_ok(orthsr_adapter_options_set_side(options, w.side, &error));
    ck_ok(orthsr_adapter_options_set_layers(options, w.layers, &error));
    ck_ok(orthsr_adapter_options_set_block_share(options, w.share, &error));
    ck_ok(orthsr_model_adapter(p.model, &p.adapter, options, &error));
    for (size_t i = 0; i < p.adapter->target_count && w.scaled; i += 2) { /* every other one */
        float scale[128];
        for (size_t o = 0; o < p.adapter->targets[i].out; o++) scale[o] = 0.5f + 0.1f * (float)(o % 11);
        ck_ok(orthsr_adapter_set_scale(p.adapter, i, scale, &error));
    }
    ck_ok(orthsr__encoder_new(&p.encoder, p.model, p.adapter, true, workers(2), ORTHSR__TILE_ROWS, &error));
    if (w.merged) p.encoder.image_load = p.encoder.text_load = (orthsr__load){.rows = 100000, .read = 100000}; /* then merging pays */
    ck_ok(orthsr__objective_new(&p.objective, CLASSES, TEMPLATES, p.model->config.embed_dim, IMAGES, &error));
    p.objective.scale = 5;
    p.objective.term[ORTHSR__WHOLE] = (orthsr__term){.ce_weight = 1, .kl_weight = 1.5};
    p.objective.term[ORTHSR__CUT] = (orthsr__term){.ce_weight = 0.75, .kl_weight = 1.25};
    p.objective.temperature = w.scaled ? 1.75 : 1;
    p.objective.reduction = w.scaled ? ORTHSR_KL_MEAN : ORTHSR_KL_BATCH_MEAN;
    p.objective.direction = w.direction;
    snprintf(path, sizeof path, "%s/expected.safetensors", strstr(w.directory, "ViT") ? "tests/data/clip/openai" : w.directory);
    fixture_open(&p.expected, path);
    p.pixels = fixture_floats(&p.expected, "pixels", NULL);
    p.cut = cut_images(&p, p.model->config.image_size);
    p.tokens = fixture_raw(&p.expected, "tokens", sizeof *p.tokens, NULL);

    /* the anchor is the model at A = I; the gradient is taken away from it, where KL has a slope */
    freeze(&p);
    size_t n = p.adapter->parameter_count;
    real *parameters = calloc(n, sizeof(real)), *gradient = calloc(n, sizeof(real)), *rotations = calloc(p.adapter->rotation_count, sizeof(real)),
         *work = calloc(orthsr__block_work(p.adapter), sizeof(real));
    fill(parameters, n, 4);
    for (size_t i = 0; i < n; i++) parameters[i] *= 0.1;
    ck_ok(orthsr__adapter_update(p.adapter, parameters, &error));
    loss(&p, rotations);
    for (orthsr__part part = 0; part < ORTHSR__PARTS; part++) ck_assert_double_gt(p.objective.sums[part].kl, 1e-6);
    orthsr__block_gradients(NULL, p.adapter, 0, p.adapter->target_count, gradient, rotations, work);
    double worst = gradient_error(parameters, gradient, n, w.stride, value, &p);
    ck_assert_uint_eq(p.encoder.image.first_adapted, w.lowest);
    size_t merged = 0;
    for (size_t i = 0; i < p.model->config.image.layers * ORTHSR__MAPS; i++) merged += p.encoder.image.merged[i].weight != NULL;
    ck_assert(w.merged == (merged > 0));
    ck_assert_double_le(worst, BOUND);

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
}

#define HF "tests/data/clip/hf"
#define OPENCLIP "tests/data/clip/openclip"
#define OPENAI "tests/data/clip/openai/ViT-tiny.safetensors"
#define EVERY_MAP "q,k,v,out,fc1,fc2"

static const way WAYS[] = {
    {.directory = HF, .maps = EVERY_MAP, .stride = 101},
    {.directory = OPENCLIP, .maps = "fc1,fc2", .direction = ORTHSR_KL_TUNED_FROZEN, .stride = 47},
    {.directory = OPENCLIP, .maps = "v,out", .parametrization = ORTHSR_FREE, .stride = 47},
    {.directory = OPENAI, .maps = "k,fc1", .stride = 311},
    {.directory = HF, .maps = EVERY_MAP, .side = ORTHSR_SIDE_OUTPUT, .stride = 101},
    {.directory = OPENCLIP, .maps = EVERY_MAP, .parametrization = ORTHSR_FREE, .side = ORTHSR_SIDE_OUTPUT, .scaled = true, .stride = 101},
    {.directory = HF, .maps = EVERY_MAP, .scaled = true, .stride = 101},
    {.directory = HF, .maps = EVERY_MAP, .layers = "1-", .lowest = 1, .stride = 47},
    {.directory = OPENCLIP, .maps = "v,fc2", .layers = "image:1,text:0", .lowest = 1, .stride = 23},
    {.directory = HF, .maps = EVERY_MAP, .share = true, .stride = 47},
    {.directory = OPENCLIP,
     .maps = "out,fc1",
     .parametrization = ORTHSR_EXPM,
     .side = ORTHSR_SIDE_OUTPUT,
     .layers = "image:1",
     .lowest = 1,
     .share = true,
     .stride = 23},
    {.directory = HF, .maps = EVERY_MAP, .scaled = true, .merged = true, .stride = 101},
    {.directory = HF, .maps = EVERY_MAP, .side = ORTHSR_SIDE_OUTPUT, .scaled = true, .share = true, .merged = true, .stride = 47},
    {.directory = OPENCLIP, .maps = "out,fc2", .layers = "image:1,text:0", .lowest = 1, .merged = true, .stride = 47},
};

START_TEST(whole_loss) { check(WAYS[_i]); }
END_TEST

static TCase *all(void) {
    TCase *tc = tcase_create("gradient of the whole loss");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, whole_loss, 0, sizeof WAYS / sizeof WAYS[0]);
    return tc;
}
TEST_MAIN("gradient of the whole loss", all)
