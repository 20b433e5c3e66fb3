/* test_stack.c - several adapters on a session: as merging them one after the other, in this order and no other; exchanged at any time. */
#include "clip/encoder.h"
#include "util/adapters.h"
#include "util/fixture.h"

static orthsr_error error;

#define MODEL "tests/data/clip/hf"
enum { IMAGES = 5, TEXTS = 7, EMBED = 16, FEATURES = (IMAGES + TEXTS) * EMBED };

/* On these maps, far from the identity; scaled: every target has a scale of its outputs. */
static orthsr_adapter *turned(const orthsr_model *model, orthsr_parametrization parametrization, orthsr_side side, const char *maps, bool scaled,
                              unsigned long seed) {
    orthsr_adapter_options *options = small_options(parametrization, side, 2, false, 1);
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_set_maps(options, maps, &error));
    ck_ok(orthsr_model_adapter(model, &adapter, options, &error));
    orthsr_adapter_options_free(options);
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, 0.15, seed);
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    free(parameters);
    for (size_t t = 0; t < orthsr_adapter_target_count(adapter) && scaled; t++) {
        size_t out = orthsr_adapter_out_features(adapter, t);
        float *scale = floats(out, 0.3, seed + t);
        for (size_t i = 0; i < out; i++) scale[i] += 1;
        ck_ok(orthsr_adapter_set_scale(adapter, t, scale, &error));
        free(scale);
    }
    return adapter;
}

/* features (FEATURES) of the fixture's images and tokens. */
static void encode(orthsr_session *session, fixture *f, float *features) {
    ck_ok(orthsr_session_encode_pixels(session, features, fixture_floats(f, "pixels", NULL), IMAGES, &error));
    ck_ok(orthsr_session_encode_tokens(session, features + IMAGES * EMBED, fixture_raw(f, "tokens", 4, NULL), TEXTS, &error));
}

static void encode_stack(const orthsr_model *model, fixture *f, const orthsr_adapter *const *adapters, size_t n, float *features) {
    orthsr_session *session;
    ck_ok(orthsr_session_new(&session, model, NULL, &error));
    ck_ok(orthsr_session_set_adapters(session, adapters, n, &error));
    encode(session, f, features);
    orthsr_session_free(session);
}

/* The model after merging the adapters one by one. */
static orthsr_model *merge_all(const char *name, const orthsr_adapter *const *adapters, size_t n) {
    orthsr_model *model, *merged;
    ck_ok(orthsr_model_open(&model, MODEL, &error));
    for (size_t i = 0; i < n; i++) {
        char directory[64];
        snprintf(directory, sizeof directory, "%s-%zu", name, i);
        const char *path = scratch_file(directory);
        ck_ok(orthsr_model_merge(model, adapters[i], path, NULL, &error));
        ck_ok(orthsr_model_open(&merged, path, &error));
        orthsr_model_free(model);
        model = merged;
    }
    return model;
}

typedef struct scene {
    orthsr_model *model;
    fixture f;
    orthsr_adapter *a, *b, *c;
} scene;

#define EVERY_MAP "q,k,v,out,fc1,fc2"

/* _i: the sides of two adapters, and whether they have scales. The third is on some maps only. */
static void begin(scene *s, int i) {
    ck_ok(orthsr_model_open(&s->model, MODEL, &error));
    fixture_open(&s->f, MODEL "/expected.safetensors");
    s->a = turned(s->model, ORTHSR_CAYLEY, i & 1 ? ORTHSR_SIDE_OUTPUT : ORTHSR_SIDE_INPUT, EVERY_MAP, i & 4, 31);
    s->b = turned(s->model, ORTHSR_EXPM, i & 2 ? ORTHSR_SIDE_OUTPUT : ORTHSR_SIDE_INPUT, EVERY_MAP, i & 8, 32);
    s->c = turned(s->model, ORTHSR_FREE, i & 2 ? ORTHSR_SIDE_INPUT : ORTHSR_SIDE_OUTPUT, "k,fc2", i & 4, 33);
}

static void end(scene *s) {
    orthsr_adapter_free(s->a);
    orthsr_adapter_free(s->b);
    orthsr_adapter_free(s->c);
    fixture_close(&s->f);
    orthsr_model_free(s->model);
}

START_TEST(as_merged_in_this_order) {
    scene s;
    begin(&s, _i);
    const orthsr_adapter *stacks[][3] = {{s.a, s.b}, {s.b, s.a}, {s.a, s.a}, {s.a, s.b, s.c}, {s.c, s.a, s.b}};
    float plain[FEATURES], stacked[5][FEATURES], merged[FEATURES];
    encode_stack(s.model, &s.f, NULL, 0, plain);
    for (size_t k = 0; k < 5; k++) {
        size_t n = k < 3 ? 2 : 3;
        char name[32];
        snprintf(name, sizeof name, "stack%d-%zu", _i, k);
        encode_stack(s.model, &s.f, stacks[k], n, stacked[k]);
        orthsr_model *model = merge_all(name, stacks[k], n);
        encode_stack(model, &s.f, NULL, 0, merged);
        orthsr_model_free(model);
        ck_assert_double_le(max_relative(stacked[k], merged, FEATURES), 5e-6); /* observed: 6.6e-7 */
        ck_assert_double_gt(max_relative(stacked[k], plain, FEATURES), 0.05);
    }
    /* A then B is not B then A, but where they stand on different sides of W and no scale stands between the output side and W */
    bool a_out = _i & 1, b_out = _i & 2, commute = a_out != b_out && !(_i & (a_out ? 8 : 4));
    double apart = max_relative(stacked[0], stacked[1], FEATURES);
    ck_assert_msg(commute ? apart == 0 : apart > 0.01, "%g", apart);
    end(&s);
}
END_TEST

/* A stack of one is what orthsr_session_new takes, bit for bit; whatever a session had before does not show. */
START_TEST(exchanged) {
    scene s;
    begin(&s, _i);
    float frozen[FEATURES], one[FEATURES], two[FEATURES], now[FEATURES];
    orthsr_session *session;
    encode_stack(s.model, &s.f, NULL, 0, frozen);
    encode_stack(s.model, &s.f, (const orthsr_adapter *const[]){s.a, s.b}, 2, two);
    ck_ok(orthsr_session_new(&session, s.model, s.a, &error));
    encode(session, &s.f, one);
    for (int round = 0; round < 2; round++) {
        ck_ok(orthsr_session_set_adapters(session, (const orthsr_adapter *const[]){s.a, s.b}, 2, &error));
        encode(session, &s.f, now);
        ck_assert_mem_eq(now, two, sizeof now);
        ck_ok(orthsr_session_set_adapters(session, NULL, 0, &error));
        encode(session, &s.f, now);
        ck_assert_mem_eq(now, frozen, sizeof now);
        const orthsr_adapter *const *borrowed = (const orthsr_adapter *const[]){s.a};
        ck_ok(orthsr_session_set_adapters(session, borrowed, 1, &error));
        encode(session, &s.f, now);
        ck_assert_mem_eq(now, one, sizeof now);
    }
    orthsr_session_free(session);
    end(&s);
}
END_TEST

/* At strength 0 a session is the frozen model's to the bit, and A at -1 takes A away again. */
START_TEST(strengths) {
    scene s;
    begin(&s, 0);
    orthsr_adapter *none, *back;
    float frozen[FEATURES], now[FEATURES];
    ck_ok(orthsr_adapter_scaled(&none, s.a, 0, &error));
    ck_ok(orthsr_adapter_scaled(&back, s.a, -1, &error));
    encode_stack(s.model, &s.f, NULL, 0, frozen);
    encode_stack(s.model, &s.f, (const orthsr_adapter *const[]){none, none, none}, 3, now);
    ck_assert_mem_eq(now, frozen, sizeof now);
    encode_stack(s.model, &s.f, (const orthsr_adapter *const[]){s.a, back}, 2, now);
    ck_assert_double_le(max_relative(now, frozen, FEATURES), 5e-6); /* observed: 3.3e-7 */
    orthsr_adapter_free(none);
    orthsr_adapter_free(back);
    end(&s);
}
END_TEST

/* Maps of patches see the stack as well. */
START_TEST(maps_of_patches) {
    scene s;
    begin(&s, 1);
    const orthsr_adapter *stack[] = {s.a, s.b};
    orthsr_model *models[] = {s.model, merge_all("mapped", stack, 2)};
    size_t grid = orthsr_model_image_size(s.model) / orthsr_model_patch_size(s.model), n = grid * grid;
    float *similarity[2], *attention[2], *feature = floats(EMBED, 1, 3);
    for (int i = 0; i < 2; i++) {
        orthsr_session *session;
        similarity[i] = floats(n, 0, 1), attention[i] = floats(n, 0, 1);
        ck_ok(orthsr_session_new(&session, models[i], NULL, &error));
        if (i == 0) ck_ok(orthsr_session_set_adapters(session, stack, 2, &error));
        ck_ok(orthsr_session_similarity(session, similarity[i], fixture_floats(&s.f, "pixels", NULL), feature, &error));
        ck_ok(orthsr_session_attention(session, attention[i], fixture_floats(&s.f, "pixels", NULL), &error));
        orthsr_session_free(session);
    }
    ck_assert_double_le(max_relative(similarity[0], similarity[1], n), 5e-6); /* observed: 2.0e-7 */
    ck_assert_double_le(max_relative(attention[0], attention[1], n), 5e-6);   /* observed: 1.1e-7 */
    for (int i = 0; i < 2; i++) free(similarity[i]), free(attention[i]);
    free(feature);
    orthsr_model_free(models[1]);
    end(&s);
}
END_TEST

START_TEST(refused_and_as_before) {
    scene s;
    begin(&s, 0);
    orthsr_adapter *foreign, *shorter;
    ck_ok(orthsr_adapter_new(&foreign, NULL, &error));
    ck_ok(orthsr_adapter_add_target(foreign, "image.9.fc1", 8, 8, &error));
    ck_ok(orthsr_adapter_new(&shorter, NULL, &error));
    ck_ok(orthsr_adapter_add_target(shorter, "image.0.fc1", 8, 8, &error));
    orthsr_session *session;
    float before[FEATURES], now[FEATURES];
    ck_ok(orthsr_session_new(&session, s.model, NULL, &error));
    ck_ok(orthsr_session_set_adapters(session, (const orthsr_adapter *const[]){s.a, s.b}, 2, &error));
    encode(session, &s.f, before);
    const orthsr_adapter *holes[] = {s.b, NULL}, *strangers[] = {s.b, foreign}, *shapes[] = {s.b, s.a, shorter};
    ck_fails(orthsr_session_set_adapters(NULL, holes, 1, &error), ORTHSR_ERROR_ARGUMENT, "session or adapters is NULL");
    ck_fails(orthsr_session_set_adapters(session, NULL, 1, &error), ORTHSR_ERROR_ARGUMENT, "session or adapters is NULL");
    ck_fails(orthsr_session_set_adapters(session, holes, 2, &error), ORTHSR_ERROR_ARGUMENT, "adapter 1 of 2 is NULL");
    ck_fails(orthsr_session_set_adapters(session, strangers, 2, &error), ORTHSR_ERROR_MISMATCH, "'image.9.fc1' is no map");
    ck_fails(orthsr_session_set_adapters(session, shapes, 3, &error), ORTHSR_ERROR_MISMATCH, "'image.0.fc1' is 8 -> 8");
    encode(session, &s.f, now);
    ck_assert_mem_eq(now, before, sizeof now);
    orthsr_session_free(session);
    orthsr_adapter_free(foreign);
    orthsr_adapter_free(shorter);
    end(&s);
}
END_TEST

static TCase *stacks(void) {
    TCase *tcase = tcase_create("stacks");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, as_merged_in_this_order, 0, 16);
    tcase_add_loop_test(tcase, exchanged, 0, 4);
    tcase_add_test(tcase, strengths);
    tcase_add_test(tcase, maps_of_patches);
    tcase_add_test(tcase, refused_and_as_before);
    return tcase;
}

TEST_MAIN("stacks of adapters", stacks)
