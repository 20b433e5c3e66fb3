/* test_serving.c - what a server relies on: a feature is the same bits alone and in any batch, on one thread and on several, beside other sessions at work on
 * the same model, and whatever adapters a session had before. `make check-tsan` runs it under ThreadSanitizer. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/gemm.h"
#include "util/adapters.h"
#include "util/fixture.h"

static orthsr_error error;

#define HF "tests/data/clip/hf"
#define MINI "examples/data/mini"
enum { IMAGES = 13, TEXTS = 9, KINDS = 4 }; /* of adapters: none, one, another, both */

typedef struct scene {
    orthsr_model *model;
    orthsr_adapter *a, *b;
    size_t image, context, dim;
    float *pixels;   /* (IMAGES, image) */
    int32_t *tokens; /* (TEXTS, context): 1 to context - 2 words */
} scene;

static orthsr_adapter *turned(const orthsr_model *model, orthsr_parametrization parametrization, orthsr_side side, const char *maps, unsigned long seed) {
    orthsr_adapter_options *options = small_options(parametrization, side, 2, false, 1);
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_set_maps(options, maps, &error));
    ck_ok(orthsr_model_adapter(model, &adapter, options, &error));
    orthsr_adapter_options_free(options);
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, 0.1, seed);
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    free(parameters);
    return adapter;
}

static void begin(scene *s, const char *path) {
    ck_ok(orthsr_model_open(&s->model, path, &error));
    s->a = turned(s->model, ORTHSR_CAYLEY, ORTHSR_SIDE_INPUT, "q,k,v,out,fc1,fc2", 5);
    s->b = turned(s->model, ORTHSR_EXPM, ORTHSR_SIDE_OUTPUT, "v,fc1,fc2", 6);
    size_t side = orthsr_model_image_size(s->model);
    s->image = 3 * side * side;
    s->dim = orthsr_model_embed_dim(s->model);
    s->context = orthsr_model_context_length(s->model);
    s->pixels = floats(IMAGES * s->image, 1, 7);
    s->tokens = calloc(TEXTS * s->context, sizeof *s->tokens);
    int32_t vocabulary = (int32_t)orthsr_model_vocab_size(s->model);
    for (size_t i = 0; i < TEXTS; i++) {
        size_t words = 1 + i * (s->context - 3) / (TEXTS - 1);
        int32_t *text = s->tokens + i * s->context;
        text[0] = vocabulary - 2;
        for (size_t j = 1; j <= words; j++) text[j] = (int32_t)(1 + (31 * i + 17 * j) % 200);
        text[words + 1] = vocabulary - 1;
    }
}

static void end(scene *s) {
    free(s->pixels);
    free(s->tokens);
    orthsr_adapter_free(s->a);
    orthsr_adapter_free(s->b);
    orthsr_model_free(s->model);
}

static orthsr_status adapt(const scene *s, orthsr_session *session, int kind, orthsr_error *why) {
    const orthsr_adapter *stack[2];
    size_t n = 0;
    if (kind & 1) stack[n++] = s->a;
    if (kind & 2) stack[n++] = s->b;
    return orthsr_session_set_adapters(session, stack, n, why);
}

/* features (IMAGES + TEXTS, dim), in calls of so many at a time. */
static orthsr_status encode(const scene *s, orthsr_session *session, size_t batch, float *features, orthsr_error *why) {
    for (size_t i = 0; i < IMAGES; i += batch) {
        orthsr_status status =
            orthsr_session_encode_pixels(session, features + i * s->dim, s->pixels + i * s->image, IMAGES - i < batch ? IMAGES - i : batch, why);
        if (status) return status;
    }
    for (size_t i = 0; i < TEXTS; i += batch) {
        orthsr_status status =
            orthsr_session_encode_tokens(session, features + (IMAGES + i) * s->dim, s->tokens + i * s->context, TEXTS - i < batch ? TEXTS - i : batch, why);
        if (status) return status;
    }
    return ORTHSR_OK;
}

/* Each image and each text by itself on one thread, for every kind of adapters: (KINDS, IMAGES + TEXTS, dim). */
static float *references(const scene *s) {
    size_t n = (IMAGES + TEXTS) * s->dim;
    float *expected = floats(KINDS * n, 0, 1);
    for (int kind = 0; kind < KINDS; kind++) {
        orthsr_session *session;
        ck_ok(orthsr_session_new(&session, s->model, NULL, &error));
        ck_ok(orthsr_session_set_threads(session, 1, &error));
        ck_ok(adapt(s, session, kind, &error));
        ck_ok(encode(s, session, 1, expected + (size_t)kind * n, &error));
        orthsr_session_free(session);
        for (int other = 0; other < kind; other++) ck_assert_mem_ne(expected + (size_t)kind * n, expected + (size_t)other * n, n * sizeof *expected);
    }
    return expected;
}

/* CBLAS, which multiplies where our kernels cannot, promises nothing about other rows (docs/determinism.md). */
static bool batches_do_not_show(void) {
    float one = 1, product = 0;
    const orthsr__product p = {false, false, 1, 1, 1, 1, &one, 1, &one, 1, NULL, 0, NULL, &product, 1};
    return orthsr__multiply_by(ORTHSR__GEMM_AVX2, &p);
}

/* ---- batches ----------------------------------------------------------------------------------------------------------------------- */

/* All together, in twos, in fives, beside others; on 1 to 4 threads; with any adapters. */
START_TEST(alone_and_in_any_batch) {
    if (!batches_do_not_show()) return;
    scene s;
    begin(&s, _i ? MINI : HF);
    float *expected = references(&s);
    size_t n = (IMAGES + TEXTS) * s.dim, bytes = n * sizeof(float);
    float *features = floats(n, 0, 1);
    static const size_t batches[] = {IMAGES, 2, 5};
    orthsr_session *session;
    ck_ok(orthsr_session_new(&session, s.model, NULL, &error));
    for (size_t threads = short_run() ? 3 : 1; threads <= (short_run() ? 3 : 4); threads++) {
        ck_ok(orthsr_session_set_threads(session, threads, &error));
        for (int kind = 0; kind < KINDS; kind++) {
            ck_ok(adapt(&s, session, kind, &error));
            for (size_t i = 0; i < (short_run() ? 1 : 3); i++) {
                ck_ok(encode(&s, session, batches[i], features, &error));
                ck_assert_mem_eq(features, expected + (size_t)kind * n, bytes);
            }
        }
    }
    /* the last image first, with the first three behind it */
    float *few = floats(4 * s.image, 0, 1), *now = floats(4 * s.dim, 0, 1);
    memcpy(few, s.pixels + (IMAGES - 1) * s.image, s.image * sizeof *few);
    memcpy(few + s.image, s.pixels, 3 * s.image * sizeof *few);
    ck_ok(orthsr_session_encode_pixels(session, now, few, 4, &error));
    const float *last = expected + (KINDS - 1) * n;
    ck_assert_mem_eq(now, last + (IMAGES - 1) * s.dim, s.dim * sizeof *now);
    ck_assert_mem_eq(now + s.dim, last, 3 * s.dim * sizeof *now);
    orthsr_session_free(session);
    free(few);
    free(now);
    free(features);
    free(expected);
    end(&s);
}
END_TEST

/* More than one tile, and class features among few classes and among many. */
START_TEST(many_images_and_classes) {
    enum { MANY = 150, CLASSES = 12 };
    if (!batches_do_not_show() || short_run()) return;
    scene s;
    begin(&s, MINI);
    orthsr_session *session;
    ck_ok(orthsr_session_new(&session, s.model, s.a, &error));
    ck_ok(orthsr_session_set_threads(session, 2, &error));
    float *pixels = floats(MANY * s.image, 1, 9), *all = floats(MANY * s.dim, 0, 1), *one = floats(CLASSES * s.dim, 0, 1);
    ck_ok(orthsr_session_encode_pixels(session, all, pixels, MANY, &error));
    for (size_t i = 0; i < MANY; i += 13) {
        ck_ok(orthsr_session_encode_pixels(session, one, pixels + i * s.image, 1, &error));
        ck_assert_mem_eq(one, all + i * s.dim, s.dim * sizeof *one);
    }
    static const char *const names[CLASSES] = {"bag",   "ankle boot", "coat",    "dress",   "pullover", "sandal",
                                               "shirt", "sneaker",    "t-shirt", "trouser", "kite",     "a very long name of a class"};
    static const char *const templates[] = {"a photo of a {}.", "{}", "a drawing of a {}, a kind of clothing."};
    ck_ok(orthsr_session_encode_classes(session, all, names, CLASSES, templates, 3, &error));
    for (size_t c = 0; c < CLASSES; c++) {
        ck_ok(orthsr_session_encode_classes(session, one, names + c, 1, templates, 3, &error));
        ck_assert_mem_eq(one, all + c * s.dim, s.dim * sizeof *one);
    }
    orthsr_session_free(session);
    free(pixels);
    free(all);
    free(one);
    end(&s);
}
END_TEST

/* ---- threads ----------------------------------------------------------------------------------------------------------------------- */

enum { SERVERS = 4 };

typedef struct server {
    const scene *s;
    const float *expected; /* (KINDS, IMAGES + TEXTS, dim) */
    _Atomic int *newest;   /* the adapters to serve with */
    int rounds, number;
    size_t wrong;
    orthsr_status status;
    orthsr_error error;
    pthread_t thread;
} server;

/* Check's assertions are for the main thread: what goes wrong is kept. */
static void *serve(void *argument) {
    server *me = argument;
    const scene *s = me->s;
    size_t n = (IMAGES + TEXTS) * s->dim;
    float *features = malloc(n * sizeof *features);
    orthsr_session *session = NULL;
    for (int round = 0; round < me->rounds && !me->status; round++) {
        if (round % 3 == 0) { /* sessions come and go; some have threads of their own */
            orthsr_session_free(session);
            if ((me->status = orthsr_session_new(&session, s->model, s->b, &me->error))) break;
            if ((me->status = orthsr_session_set_threads(session, me->number % 2 ? 1 : 2, &me->error))) break;
        }
        int kind = atomic_load(me->newest);
        me->status = adapt(s, session, kind, &me->error);
        if (!me->status) me->status = encode(s, session, batches_do_not_show() ? (size_t)(1 + (round + me->number) % 6) : 1, features, &me->error);
        me->wrong += memcmp(features, me->expected + (size_t)kind * n, n * sizeof *features) != 0;
    }
    orthsr_session_free(session);
    free(features);
    return NULL;
}

/* While others work: adapters are chosen, made, merged and freed. */
static void host(const scene *s, _Atomic int *newest, int turns) {
    for (int turn = 0; turn < turns; turn++) {
        orthsr_adapter *scaled;
        atomic_store(newest, turn % KINDS);
        ck_ok(orthsr_adapter_scaled(&scaled, s->a, 0.5f, &error));
        float *W = floats(orthsr_adapter_in_features(scaled, 0) * orthsr_adapter_out_features(scaled, 0), 1, 3);
        ck_ok(orthsr_adapter_merge(scaled, 0, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, orthsr_adapter_in_features(scaled, 0), &error));
        free(W);
        orthsr_adapter_free(scaled);
        usleep(1000);
    }
}

START_TEST(exchanged_while_others_work) {
    scene s;
    begin(&s, HF);
    float *expected = references(&s);
    _Atomic int newest = 0;
    server servers[SERVERS] = {{0}};
    for (int i = 0; i < SERVERS; i++) {
        servers[i] = (server){.s = &s, .expected = expected, .newest = &newest, .rounds = short_run() ? 2 : 40, .number = i};
        ck_assert_int_eq(pthread_create(&servers[i].thread, NULL, serve, &servers[i]), 0);
    }
    host(&s, &newest, short_run() ? 4 : 60);
    for (int i = 0; i < SERVERS; i++) {
        ck_assert_int_eq(pthread_join(servers[i].thread, NULL), 0);
        ck_assert_msg(servers[i].status == ORTHSR_OK, "%s", servers[i].error.message);
        ck_assert_uint_eq(servers[i].wrong, 0);
    }
    free(expected);
    end(&s);
}
END_TEST

/* A trainer moves an adapter of its own on the model that is being served; it learns what it learns alone. */
static float *train(const orthsr_model *model) {
    enum { ITEMS = 6 };
    uint8_t pixels[ITEMS * 16 * 16 * 3];
    const int32_t labels[ITEMS] = {0, 1, 0, 1, 0, 1};
    static const char *const names[] = {"cat", "dog"};
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 37 % 251);
    orthsr_dataset *dataset;
    orthsr_adapter *adapter;
    orthsr_trainer_options *options;
    orthsr_trainer *trainer;
    ck_ok(orthsr_dataset_new(&dataset, pixels, ITEMS, 16, 16, 3, labels, names, 2, &error));
    ck_ok(orthsr_model_adapter(model, &adapter, NULL, &error));
    ck_ok(orthsr_trainer_options_new(&options, &error));
    ck_ok(orthsr_trainer_options_set_epochs(options, 2, &error));
    ck_ok(orthsr_trainer_options_set_threads(options, 2, &error));
    ck_ok(orthsr_trainer_new(&trainer, model, adapter, dataset, options, &error));
    ck_ok(orthsr_trainer_run(trainer, NULL, NULL, &error));
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, 0, 1);
    ck_ok(orthsr_adapter_get_parameters(adapter, parameters, n, &error));
    orthsr_trainer_free(trainer);
    orthsr_trainer_options_free(options);
    orthsr_adapter_free(adapter);
    orthsr_dataset_free(dataset);
    return parameters;
}

START_TEST(trained_while_others_work) {
    scene s;
    begin(&s, HF);
    float *expected = references(&s), *alone = train(s.model);
    _Atomic int newest = 3;
    server one = {.s = &s, .expected = expected, .newest = &newest, .rounds = short_run() ? 2 : 40};
    ck_assert_int_eq(pthread_create(&one.thread, NULL, serve, &one), 0);
    float *beside = train(s.model);
    ck_assert_int_eq(pthread_join(one.thread, NULL), 0);
    ck_assert_msg(one.status == ORTHSR_OK && one.wrong == 0, "%s", one.error.message);
    orthsr_adapter *fresh;
    ck_ok(orthsr_model_adapter(s.model, &fresh, NULL, &error));
    ck_assert_mem_eq(beside, alone, orthsr_adapter_parameter_count(fresh) * sizeof *alone);
    orthsr_adapter_free(fresh);
    free(alone);
    free(beside);
    free(expected);
    end(&s);
}
END_TEST

static TCase *batches(void) {
    TCase *tcase = tcase_create("batches");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, alone_and_in_any_batch, 0, short_run() ? 1 : 2);
    tcase_add_test(tcase, many_images_and_classes);
    return tcase;
}

static TCase *threads(void) {
    TCase *tcase = tcase_create("threads");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, exchanged_while_others_work);
    tcase_add_test(tcase, trained_while_others_work);
    return tcase;
}

TEST_MAIN("serving", batches, threads)
