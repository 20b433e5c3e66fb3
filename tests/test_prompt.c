/* test_prompt.c - learned prompts: CoOp's trajectory in PyTorch, what a step promises, files, names laid out, sessions, template presets. */
#include "clip/context.h"
#include "train/optimizer.h"
#include "util/tiny.h"

static orthsr_error error;

/* The tiny Hugging Face model with the images and labels of its trajectory fixture. */
typedef struct scene {
    fixture f;
    orthsr_model *model;
    orthsr_dataset *dataset;
    orthsr_adapter *adapter;
    orthsr_prompt *prompt;
    orthsr_prompt_options *prompt_options;
    orthsr_trainer_options *options;
} scene;

static scene scene_new(void) {
    scene s = {0};
    tiny_open(&s.f, &s.model, &s.dataset, NULL);
    ck_ok(orthsr_model_adapter(s.model, &s.adapter, NULL, &error));
    ck_ok(orthsr_prompt_options_new(&s.prompt_options, &error));
    ck_ok(orthsr_trainer_options_new(&s.options, &error));
    return s;
}

static void scene_free(scene *s) {
    orthsr_trainer_options_free(s->options);
    orthsr_prompt_options_free(s->prompt_options);
    orthsr_prompt_free(s->prompt);
    orthsr_adapter_free(s->adapter);
    tiny_close(&s->f, s->model, s->dataset);
}

static float *context_of(const orthsr_prompt *prompt) {
    size_t n = orthsr_prompt_parameter_count(prompt);
    float *parameters = malloc(n * sizeof *parameters);
    ck_ok(orthsr_prompt_get_parameters(prompt, parameters, n, &error));
    return parameters;
}

/* ---- training ---- */

static void check_trajectory(const char *name, orthsr_class_position position, bool specific) {
    scene s = scene_new();
    fixture f;
    char path[128];
    snprintf(path, sizeof path, "tests/data/prompts/%s.safetensors", name);
    fixture_open(&f, path);
    size_t n;
    const float *settings = fixture_floats(&f, "settings", NULL), *loss = fixture_floats(&f, "loss", NULL);
    ck_ok(orthsr_prompt_options_set_position(s.prompt_options, position, &error));
    if (specific) ck_ok(orthsr_prompt_options_set_classes(s.prompt_options, tiny_names, 3, &error));
    ck_ok(orthsr_prompt_new(&s.prompt, s.model, s.prompt_options, &error));
    ck_ok(orthsr_trainer_options_set_method(s.options, ORTHSR_METHOD_COOP, &error));
    ck_ok(orthsr_trainer_options_set_learning_rate(s.options, settings[0], &error));
    ck_ok(orthsr_trainer_options_set_momentum(s.options, settings[1], &error));
    ck_ok(orthsr_trainer_options_set_weight_decay(s.options, settings[2], &error));
    ck_ok(orthsr_trainer_options_set_schedule(s.options, ORTHSR_SCHEDULE_CONSTANT, &error));
    ck_ok(orthsr_trainer_options_set_warmup_epochs(s.options, 0, &error));
    ck_ok(orthsr_trainer_options_set_batch_size(s.options, 0, &error));
    ck_ok(orthsr_trainer_options_set_epochs(s.options, 10, &error));
    orthsr_trainer *trainer;
    ck_ok(orthsr_trainer_new_with_prompt(&trainer, s.model, NULL, s.prompt, s.dataset, s.options, &error));
    for (size_t i = 0; i < 10; i++) {
        ck_ok(orthsr_trainer_step(trainer, &error));
        ck_close(orthsr_trainer_metric(trainer, ORTHSR_METRIC_LOSS), loss[i], 2e-6 * loss[i]);
        ck_close(orthsr_trainer_metric(trainer, ORTHSR_METRIC_CE), loss[i], 2e-6 * loss[i]);
        ck_close(orthsr_trainer_metric(trainer, ORTHSR_METRIC_ORTHOGONALITY), 0, 0);
        ck_close(orthsr_trainer_metric(trainer, ORTHSR_METRIC_LEARNING_RATE), settings[0], 0);
    }
    ck_assert_double_lt(loss[9], 0.99 * loss[0]); /* the run went somewhere */
    const float *expected = fixture_floats(&f, "context", &n);
    ck_assert_uint_eq(n, orthsr_prompt_parameter_count(s.prompt));
    float *context = context_of(s.prompt);
    ck_assert_double_le(max_relative(context, expected, n), 1e-5);
    /* what it makes of class names: new ones where one context serves all */
    static const char *const unseen[] = {"photo", "a_of"};
    float features[3 * 16];
    orthsr_session *session;
    ck_ok(orthsr_session_new(&session, s.model, NULL, &error));
    ck_ok(orthsr_session_set_prompt(session, s.prompt, &error));
    ck_ok(orthsr_session_encode_classes(session, features, specific ? tiny_names : unseen, specific ? 3 : 2, NULL, 0, &error));
    expected = fixture_floats(&f, "features", &n);
    ck_assert_double_le(max_relative(features, expected, n), 1e-4);
    free(context);
    orthsr_session_free(session);
    orthsr_trainer_free(trainer);
    fixture_close(&f);
    scene_free(&s);
}

/* Ten full-batch SGD steps equal a float64 PyTorch run of CoOp: losses observed within 2e-7 relative, contexts within 6e-7. */
START_TEST(trajectory_of_coop) {
    check_trajectory("end", ORTHSR_CLASS_END, false);
    check_trajectory("middle", ORTHSR_CLASS_MIDDLE, false);
    check_trajectory("front", ORTHSR_CLASS_FRONT, false);
    check_trajectory("specific", ORTHSR_CLASS_END, true);
}
END_TEST

/* With an adapter both move, each at its own rate; the anchor is that of the template, so the first KL is zero when the context begins as the template's words.
 */
START_TEST(with_an_adapter) {
    scene s = scene_new();
    orthsr_trainer *trainer;
    ck_ok(orthsr_prompt_new(&s.prompt, s.model, NULL, &error));
    float *before = context_of(s.prompt);
    ck_ok(orthsr_trainer_options_set_method(s.options, ORTHSR_METHOD_COOP_ORTHSR, &error));
    ck_ok(orthsr_trainer_options_set_context_learning_rate(s.options, 0.01f, &error));
    ck_ok(orthsr_trainer_new_with_prompt(&trainer, s.model, s.adapter, s.prompt, s.dataset, s.options, &error));
    ck_ok(orthsr_trainer_step(trainer, &error));
    ck_assert_double_le(fabs(orthsr_trainer_metric(trainer, ORTHSR_METRIC_KL)), 1e-6);
    double first = orthsr_trainer_metric(trainer, ORTHSR_METRIC_LOSS);
    float *after = context_of(s.prompt);
    for (size_t i = 0; i < orthsr_prompt_parameter_count(s.prompt); i++) ck_close(fabsf(after[i] - before[i]), 0.01, 2e-4); /* Adam's first step is lr */
    ck_ok(orthsr_trainer_run(trainer, NULL, NULL, &error));
    ck_assert_double_lt(orthsr_trainer_metric(trainer, ORTHSR_METRIC_LOSS), first);
    ck_assert_double_gt(orthsr_adapter_distance(s.adapter, 0), 0);
    free(before);
    free(after);
    orthsr_trainer_free(trainer);
    scene_free(&s);
}
END_TEST

/* Beside an optimizer on the manifold the context has Adam: its first step is the default rate, 0.001. */
START_TEST(with_matrices_on_the_manifold) {
    scene s = scene_new();
    orthsr_trainer *trainer;
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_parametrization(options, ORTHSR_MANIFOLD, &error));
    ck_ok(orthsr_model_adapter(s.model, &adapter, options, &error));
    ck_ok(orthsr_prompt_new(&s.prompt, s.model, NULL, &error));
    float *before = context_of(s.prompt);
    ck_ok(orthsr_trainer_new_with_prompt(&trainer, s.model, adapter, s.prompt, s.dataset, s.options, &error));
    ck_ok(orthsr_trainer_step(trainer, &error));
    float *after = context_of(s.prompt);
    for (size_t i = 0; i < orthsr_prompt_parameter_count(s.prompt); i++) ck_close(fabsf(after[i] - before[i]), 0.001, 3e-5);
    ck_assert_double_gt(orthsr_adapter_distance(adapter, 0), 0);
    free(before);
    free(after);
    orthsr_trainer_free(trainer);
    orthsr_adapter_free(adapter);
    orthsr_adapter_options_free(options);
    scene_free(&s);
}
END_TEST

/* A step that fails, in the context or in the adapter, leaves both as they were, and so the optimizers: a run that is tried again fails at the same step. */
START_TEST(failed_step) {
    for (int which = 0; which < 2; which++) {
        scene s = scene_new();
        orthsr_trainer *trainer;
        orthsr_adapter_options *free_options;
        orthsr_adapter *adapter;
        ck_ok(orthsr_adapter_options_new(&free_options, &error));
        ck_ok(orthsr_adapter_options_set_parametrization(free_options, ORTHSR_FREE, &error));
        ck_ok(orthsr_model_adapter(s.model, &adapter, free_options, &error));
        ck_ok(orthsr_prompt_new(&s.prompt, s.model, NULL, &error));
        ck_ok(orthsr_trainer_options_set_optimizer(s.options, ORTHSR_SGD, &error));
        ck_ok(orthsr_trainer_options_set_learning_rate(s.options, which ? 3e38f : 1e-3f, &error));
        ck_ok(orthsr_trainer_options_set_context_learning_rate(s.options, which ? 1e-3f : 3e38f, &error));
        ck_ok(orthsr_trainer_new_with_prompt(&trainer, s.model, adapter, s.prompt, s.dataset, s.options, &error));
        orthsr_status status = ORTHSR_OK;
        size_t n = orthsr_adapter_parameter_count(adapter);
        float *context = NULL, *parameters = malloc(n * sizeof *parameters), *now = malloc(n * sizeof *now);
        for (int i = 0; i < 60 && !status; i++) {
            free(context);
            context = context_of(s.prompt);
            ck_ok(orthsr_adapter_get_parameters(adapter, parameters, n, &error));
            status = orthsr_trainer_step(trainer, &error);
        }
        ck_assert_int_eq(status, ORTHSR_ERROR_NUMERIC);
        for (int again = 0; again < 2; again++) {
            float *same = context_of(s.prompt);
            ck_ok(orthsr_adapter_get_parameters(adapter, now, n, &error));
            ck_assert(memcmp(same, context, orthsr_prompt_parameter_count(s.prompt) * sizeof *same) == 0);
            ck_assert(memcmp(now, parameters, n * sizeof *now) == 0);
            free(same);
            ck_assert_int_eq(orthsr_trainer_step(trainer, &error), ORTHSR_ERROR_NUMERIC);
        }
        free(context);
        free(parameters);
        free(now);
        orthsr_trainer_free(trainer);
        orthsr_adapter_free(adapter);
        orthsr_adapter_options_free(free_options);
        scene_free(&s);
    }
}
END_TEST

/* What failed_step cannot see: the optimizer goes on as if the step had not been. */
START_TEST(undone_step) {
    for (int adamw = 0; adamw < 2; adamw++) {
        orthsr_optimizer *undone, *straight;
        for (int i = 0; i < 2; i++)
            ck_ok(adamw ? orthsr_optimizer_adamw(i ? &straight : &undone, 3, 0.9f, 0.999f, 1e-8f, 0.01f, &error)
                        : orthsr_optimizer_sgd(i ? &straight : &undone, 3, 0.9f, 0.01f, &error));
        real p[3] = {1, 2, 3}, q[3] = {1, 2, 3}, lost[3];
        for (int step = 0; step < 3; step++) {
            real g[3] = {(real)step + 1, -1, (real)0.5}, wrong[3] = {5, 5, 5};
            memcpy(lost, p, sizeof p);
            ck_ok(orthsr__optimizer_step(undone, lost, wrong, 3, 0.1, &error));
            orthsr__optimizer_undo(undone);
            ck_ok(orthsr__optimizer_step(undone, p, g, 3, 0.1, &error));
            ck_ok(orthsr__optimizer_step(straight, q, g, 3, 0.1, &error));
            ck_assert(memcmp(p, q, sizeof p) == 0);
        }
        ck_assert_uint_eq(orthsr_optimizer_steps(undone), 3);
        orthsr_optimizer_free(undone);
        orthsr_optimizer_free(straight);
    }
}
END_TEST

START_TEST(trainer_arguments) {
    scene s = scene_new();
    orthsr_trainer *trainer;
    ck_fails(orthsr_trainer_new_with_prompt(&trainer, s.model, NULL, NULL, s.dataset, NULL, &error), ORTHSR_ERROR_ARGUMENT, "neither");
    static const char *const others[] = {"cat", "dog"};
    ck_ok(orthsr_prompt_options_set_classes(s.prompt_options, others, 2, &error));
    ck_ok(orthsr_prompt_new(&s.prompt, s.model, s.prompt_options, &error));
    ck_fails(orthsr_trainer_new_with_prompt(&trainer, s.model, NULL, s.prompt, s.dataset, NULL, &error), ORTHSR_ERROR_ARGUMENT, "'t-shirt'");
    ck_assert_ptr_null(trainer);
    orthsr_prompt_free(s.prompt);
    ck_ok(orthsr_prompt_options_set_classes(s.prompt_options, NULL, 0, &error));
    ck_ok(orthsr_prompt_options_set_words(s.prompt_options, 13, &error)); /* "t-shirt." is more than 5 tokens here */
    ck_ok(orthsr_prompt_new(&s.prompt, s.model, s.prompt_options, &error));
    ck_fails(orthsr_trainer_new_with_prompt(&trainer, s.model, NULL, s.prompt, s.dataset, NULL, &error), ORTHSR_ERROR_ARGUMENT, "'t-shirt'");
    ck_fails(orthsr_trainer_options_set_method(s.options, (orthsr_method)3, &error), ORTHSR_ERROR_ARGUMENT, "method");
    ck_fails(orthsr_trainer_options_set_context_learning_rate(s.options, -1, &error), ORTHSR_ERROR_ARGUMENT, "rate");
    scene_free(&s);
}
END_TEST

/* ---- what a prompt is ---- */

START_TEST(beginnings) {
    scene s = scene_new();
    orthsr_prompt *again;
    ck_ok(orthsr_prompt_new(&s.prompt, s.model, NULL, &error)); /* "a photo of a": a learned prompt that is the template as yet */
    ck_assert_uint_eq(orthsr_prompt_words(s.prompt), 4);
    ck_assert_uint_eq(orthsr_prompt_width(s.prompt), 24);
    ck_assert_uint_eq(orthsr_prompt_classes(s.prompt), 0);
    ck_assert_str_eq(orthsr_prompt_fingerprint(s.prompt), orthsr_model_fingerprint(s.model));
    static const char *const several[] = {"cat", "dog_photo", "t-shirt", "", "X  Y"}, *const templates[] = {"a photo of a {}."};
    float learned[5 * 16], fixed[5 * 16];
    orthsr_session *session;
    ck_ok(orthsr_session_new(&session, s.model, NULL, &error));
    ck_ok(orthsr_session_encode_classes(session, fixed, several, 5, templates, 1, &error));
    ck_ok(orthsr_session_set_prompt(session, s.prompt, &error));
    ck_ok(orthsr_session_encode_classes(session, learned, several, 5, NULL, 0, &error));
    ck_assert_double_le(max_relative(learned, fixed, 5 * 16), 1e-6);
    ck_ok(orthsr_session_set_prompt(session, NULL, &error));
    ck_fails(orthsr_session_encode_classes(session, learned, several, 5, NULL, 0, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    int32_t negative[20] = {0, -1};
    ck_fails(orthsr_session_encode_tokens(session, learned, negative, 1, &error), ORTHSR_ERROR_ARGUMENT, "outside the vocabulary");
    orthsr_session_free(session);

    ck_ok(orthsr_prompt_options_set_init(s.prompt_options, "a_photo_of_a", &error)); /* as CoOp's configs write it */
    ck_ok(orthsr_prompt_new(&again, s.model, s.prompt_options, &error));
    ck_assert(memcmp(again->context, s.prompt->context, again->count * sizeof(real)) == 0);
    orthsr_prompt_free(again);
    orthsr_prompt_free(s.prompt);

    ck_ok(orthsr_prompt_options_set_words(s.prompt_options, 15, &error));
    ck_ok(orthsr_prompt_options_set_classes(s.prompt_options, tiny_names, 3, &error));
    ck_ok(orthsr_prompt_new(&s.prompt, s.model, s.prompt_options, &error));
    ck_ok(orthsr_prompt_new(&again, s.model, s.prompt_options, &error));
    ck_assert_uint_eq(s.prompt->count, 3 * 15 * 24);
    ck_assert(memcmp(again->context, s.prompt->context, again->count * sizeof(real)) == 0);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < s.prompt->count; i++) {
        sum += (double)s.prompt->context[i];
        squares += (double)s.prompt->context[i] * (double)s.prompt->context[i];
    }
    ck_close(sum / (double)s.prompt->count, 0, 0.002);
    ck_close(sqrt(squares / (double)s.prompt->count), 0.02, 0.001); /* 1080 draws: a standard error of 0.0004 */
    orthsr_prompt_free(again);
    ck_ok(orthsr_prompt_options_set_seed(s.prompt_options, 2, &error));
    ck_ok(orthsr_prompt_new(&again, s.model, s.prompt_options, &error));
    ck_assert(memcmp(again->context, s.prompt->context, again->count * sizeof(real)) != 0);
    orthsr_prompt_free(again);
    scene_free(&s);
}
END_TEST

/* "cat." with three words in each position: start, -1.. for the context, ids, end, padding with the end id. */
START_TEST(positions) {
    scene s = scene_new();
    static const char *const one[] = {"dog"};
    static const orthsr_class_position all[] = {ORTHSR_CLASS_END, ORTHSR_CLASS_MIDDLE, ORTHSR_CLASS_FRONT};
    int32_t plain[20], *tokens;
    ck_ok(orthsr_tokenizer_encode(orthsr_model_tokenizer(s.model), "dog.", 4, 0, plain, 20, NULL, &error));
    int32_t start = plain[0], dog = plain[1], dot = plain[2], end = plain[3];
    const int32_t expected[3][8] = {{start, -1, -2, -3, dog, dot, end, end}, {start, -1, dog, -2, -3, dot, end, end}, {start, dog, -1, -2, -3, dot, end, end}};
    for (size_t p = 0; p < 3; p++) {
        ck_ok(orthsr_prompt_options_set_words(s.prompt_options, 3, &error));
        ck_ok(orthsr_prompt_options_set_position(s.prompt_options, all[p], &error));
        ck_ok(orthsr_prompt_new(&s.prompt, s.model, s.prompt_options, &error));
        ck_assert_int_eq(orthsr_prompt_position(s.prompt), all[p]);
        ck_ok(orthsr__prompt_tokens(&tokens, s.prompt, s.model, one, 1, &error));
        for (size_t i = 0; i < 8; i++) ck_assert_int_eq(tokens[i], expected[p][i]);
        free(tokens);
        orthsr_prompt_free(s.prompt);
        s.prompt = NULL;
    }
    ck_fails(orthsr_prompt_options_set_position(s.prompt_options, (orthsr_class_position)3, &error), ORTHSR_ERROR_ARGUMENT, "position");
    scene_free(&s);
}
END_TEST

START_TEST(refusals) {
    scene s = scene_new();
    static const char *const twice[] = {"a", "b", "a"}, *const bytes[] = {"\xff"};
    ck_fails(orthsr_prompt_options_set_words(s.prompt_options, 0, &error), ORTHSR_ERROR_ARGUMENT, "at least one");
    ck_fails(orthsr_prompt_options_set_classes(s.prompt_options, twice, 3, &error), ORTHSR_ERROR_ARGUMENT, "'a' is there twice");
    ck_fails(orthsr_prompt_options_set_classes(s.prompt_options, bytes, 1, &error), ORTHSR_ERROR_ARGUMENT, "UTF-8");
    ck_ok(orthsr_prompt_options_set_words(s.prompt_options, 17, &error));
    ck_fails(orthsr_prompt_new(&s.prompt, s.model, s.prompt_options, &error), ORTHSR_ERROR_ARGUMENT, "at most 16");
    ck_ok(orthsr_prompt_options_set_words(s.prompt_options, SIZE_MAX, &error));
    ck_fails(orthsr_prompt_new(&s.prompt, s.model, s.prompt_options, &error), ORTHSR_ERROR_ARGUMENT, "at most 16");
    ck_ok(orthsr_prompt_options_set_init(s.prompt_options, "  ", &error));
    ck_fails(orthsr_prompt_new(&s.prompt, s.model, s.prompt_options, &error), ORTHSR_ERROR_ARGUMENT, "no word");
    orthsr_model *mute;
    ck_ok(orthsr_model_open(&mute, "tests/data/clip/openclip", &error));
    ck_fails(orthsr_prompt_new(&s.prompt, mute, NULL, &error), ORTHSR_ERROR_UNSUPPORTED, "no vocabulary");
    ck_assert_ptr_null(s.prompt);

    ck_ok(orthsr_prompt_new(&s.prompt, s.model, NULL, &error));
    orthsr_session *session;
    float feature[20];
    ck_ok(orthsr_session_new(&session, mute, NULL, &error));
    ck_fails(orthsr_session_set_prompt(session, s.prompt, &error), ORTHSR_ERROR_MISMATCH, "width 24, the model's text tower 16");
    orthsr_session_free(session);
    ck_ok(orthsr_session_new(&session, s.model, NULL, &error));
    ck_ok(orthsr_session_set_prompt(session, s.prompt, &error));
    static const char *const wordy[] = {"dog dog dog dog dog dog dog dog dog dog dog dog dog dog"}, *const endless[] = {"abcdefghijklmnopqrstuvwxyzabcdefg"};
    ck_fails(orthsr_session_encode_classes(session, feature, wordy, 1, NULL, 0, &error), ORTHSR_ERROR_ARGUMENT, "15 tokens");
    ck_fails(orthsr_session_encode_classes(session, feature, endless, 1, NULL, 0, &error), ORTHSR_ERROR_ARGUMENT, "18 or more tokens");
    orthsr_session_free(session);
    orthsr_model_free(mute);

    float *context = context_of(s.prompt);
    size_t n = orthsr_prompt_parameter_count(s.prompt);
    ck_fails(orthsr_prompt_set_parameters(s.prompt, context, n - 1, &error), ORTHSR_ERROR_ARGUMENT, "96 parameters, not 95");
    context[5] = NAN;
    ck_fails(orthsr_prompt_set_parameters(s.prompt, context, n, &error), ORTHSR_ERROR_NUMERIC, "parameter 5");
    ck_assert(!isnan(s.prompt->context[5]));
    free(context);
    scene_free(&s);
}
END_TEST

/* ---- files ---- */

START_TEST(files) {
    for (int specific = 0; specific < 2; specific++) {
        scene s = scene_new();
        orthsr_prompt *loaded;
        ck_ok(orthsr_prompt_options_set_words(s.prompt_options, 3, &error));
        ck_ok(orthsr_prompt_options_set_position(s.prompt_options, ORTHSR_CLASS_MIDDLE, &error));
        if (specific) ck_ok(orthsr_prompt_options_set_classes(s.prompt_options, tiny_names, 3, &error));
        ck_ok(orthsr_prompt_new(&s.prompt, s.model, s.prompt_options, &error));
        ck_ok(orthsr_prompt_save(s.prompt, scratch_file("both"), &error));
        ck_ok(orthsr_adapter_save(s.adapter, scratch_file("both"), NULL, &error)); /* side by side */
        ck_ok(orthsr_prompt_load(&loaded, s.model, scratch_file("both"), &error));
        ck_assert_uint_eq(loaded->count, s.prompt->count);
        ck_assert(memcmp(loaded->context, s.prompt->context, loaded->count * sizeof(real)) == 0);
        ck_assert_int_eq(orthsr_prompt_position(loaded), ORTHSR_CLASS_MIDDLE);
        ck_assert_uint_eq(orthsr_prompt_classes(loaded), specific ? 3 : 0);
        ck_assert_str_eq(orthsr_prompt_fingerprint(loaded), orthsr_model_fingerprint(s.model));
        if (specific) ck_assert_str_eq(orthsr_prompt_class_name(loaded, 2), "t-shirt");
        ck_assert_ptr_null(orthsr_prompt_class_name(loaded, 3));
        orthsr_prompt_free(loaded);
        ck_ok(orthsr_prompt_load(&loaded, NULL, scratch_file("both/prompt.safetensors"), &error));
        orthsr_prompt_free(loaded);
        orthsr_model *other;
        ck_ok(orthsr_model_open(&other, "tests/data/clip/openclip", &error));
        ck_fails(orthsr_prompt_load(&loaded, other, scratch_file("both"), &error), ORTHSR_ERROR_MISMATCH,
                 "prompt.safetensors': the prompt's context has width 24");
        ck_assert_ptr_null(loaded);
        ck_fails(orthsr_prompt_load(&loaded, NULL, scratch_file("both/adapter.safetensors"), &error), ORTHSR_ERROR_FORMAT, "is not a prompt");
        ck_fails(orthsr_prompt_load(&loaded, NULL, scratch_file("nowhere"), &error), ORTHSR_ERROR_IO, "nowhere");
        orthsr_model_free(other);
        scene_free(&s);
    }
}
END_TEST

/* The file of version 1 that every later release reads to the same numbers: k / 8 of two classes, two words, width three. */
START_TEST(version_1) {
    orthsr_prompt *prompt;
    ck_ok(orthsr_prompt_load(&prompt, NULL, "tests/data/prompts/v1.safetensors", &error));
    ck_assert_uint_eq(orthsr_prompt_classes(prompt), 2);
    ck_assert_str_eq(orthsr_prompt_class_name(prompt, 0), "sea lion");
    ck_assert_str_eq(orthsr_prompt_class_name(prompt, 1), "caf\xc3\xa9");
    ck_assert_uint_eq(orthsr_prompt_words(prompt), 2);
    ck_assert_uint_eq(orthsr_prompt_width(prompt), 3);
    ck_assert_int_eq(orthsr_prompt_position(prompt), ORTHSR_CLASS_MIDDLE);
    ck_assert_str_eq(orthsr_prompt_fingerprint(prompt), "orthsr1:0011223344556677");
    for (size_t i = 0; i < 12; i++) ck_close(prompt->context[i], (double)i / 8, 0);
    ck_ok(orthsr_prompt_save(prompt, scratch_file("again.safetensors"), &error));
    size_t sizes[2];
    char *bytes[2];
    const char *const paths[] = {"tests/data/prompts/v1.safetensors", scratch_file("again.safetensors")};
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(paths[i], "rb");
        bytes[i] = malloc(4096);
        sizes[i] = fread(bytes[i], 1, 4096, file);
        fclose(file);
    }
    ck_assert_uint_eq(sizes[0], sizes[1]);
    ck_assert(memcmp(bytes[0], bytes[1], sizes[0]) == 0);
    free(bytes[0]);
    free(bytes[1]);
    orthsr_prompt_free(prompt);
}
END_TEST

/* A file of each kind of damage, written byte by byte: header, then 2 x 2 floats. */
static void expect_bad(const char *header, const float *values, orthsr_status status, const char *text) {
    const char *path = scratch_file("bad.safetensors");
    FILE *file = fopen(path, "wb");
    uint64_t length = strlen(header);
    orthsr_prompt *prompt;
    ck_assert_uint_eq(fwrite(&length, 8, 1, file), 1);
    ck_assert_uint_eq(fwrite(header, 1, length, file), length);
    ck_assert_uint_eq(fwrite(values, 4, 4, file), 4);
    ck_assert_int_eq(fclose(file), 0);
    if (status == ORTHSR_OK) {
        ck_ok(orthsr_prompt_load(&prompt, NULL, path, &error));
        ck_close(prompt->context[3], values[3], 0);
        orthsr_prompt_free(prompt);
        return;
    }
    ck_fails(orthsr_prompt_load(&prompt, NULL, path, &error), status, text);
    ck_assert_ptr_null(prompt);
    ck_assert_ptr_nonnull(strstr(error.message, "bad.safetensors"));
}

#define META(rest) "{\"__metadata__\":{" rest "},"
#define GOOD "\"format\":\"orthsr-prompt\",\"format_version\":\"1\",\"position\":\"end\",\"fingerprint\":\"\""
#define DATA "\"context\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}"

START_TEST(bad_files) {
    static const float values[4] = {1, 2, 3, 4}, infinite[4] = {1, 2, INFINITY, 4};
    expect_bad(META(GOOD) DATA, values, ORTHSR_OK, "");
    expect_bad(META(GOOD) DATA, infinite, ORTHSR_ERROR_NUMERIC, "not finite");
    expect_bad(META("\"format\":\"orthsr-prompt\",\"format_version\":\"2\",\"position\":\"end\",\"fingerprint\":\"\"") DATA, values, ORTHSR_ERROR_UNSUPPORTED,
               "format_version 2");
    expect_bad(META("\"format\":\"orthsr-prompt\",\"format_version\":\"one\",\"position\":\"end\",\"fingerprint\":\"\"") DATA, values, ORTHSR_ERROR_FORMAT,
               "format_version");
    expect_bad(META("\"format\":\"orthsr-prompt\",\"format_version\":\"1\",\"position\":\"top\",\"fingerprint\":\"\"") DATA, values, ORTHSR_ERROR_FORMAT,
               "position");
    expect_bad(META("\"format\":\"orthsr-prompt\",\"format_version\":\"1\",\"position\":\"end\"") DATA, values, ORTHSR_ERROR_FORMAT, "fingerprint");
    expect_bad(META(GOOD ",\"temperature\":\"2\"") DATA, values, ORTHSR_ERROR_FORMAT, "'temperature'");
    expect_bad(META(GOOD ",\"class:1\":\"cat\"") DATA, values, ORTHSR_ERROR_FORMAT, "'class:1'");
    expect_bad(META(GOOD ",\"class:0\":\"cat\"") DATA, values, ORTHSR_ERROR_FORMAT, "(classes, words, width)");
    expect_bad(META(GOOD ",\"class:0\":\"cat\",\"class:1\":\"cat\"") DATA, values, ORTHSR_ERROR_FORMAT, "twice");
    expect_bad(META(GOOD) "\"context\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", values, ORTHSR_ERROR_FORMAT, "(words, width)");
    expect_bad(META(GOOD) "\"context\":{\"dtype\":\"F16\",\"shape\":[2,4],\"data_offsets\":[0,16]}}", values, ORTHSR_ERROR_FORMAT, "must be F32");
    expect_bad(META(GOOD) "\"ctx\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}", values, ORTHSR_ERROR_FORMAT, "'ctx'");
    expect_bad(
        META(GOOD) "\"context\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},\"more\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}",
        values, ORTHSR_ERROR_FORMAT, "'more'");
}
END_TEST

/* ---- templates by name ---- */

START_TEST(template_presets) {
    const char *const *templates;
    size_t count, all = 0;
    ck_ok(orthsr_template_preset("oxford_pets", &templates, &count, &error));
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(templates[0], "a photo of a {}, a type of pet.");
    ck_ok(orthsr_template_preset("ensemble", &templates, &count, &error));
    ck_assert_uint_eq(count, 7);
    ck_assert_str_eq(templates[0], "itap of a {}.");
    ck_fails(orthsr_template_preset("pets", &templates, &count, &error), ORTHSR_ERROR_ARGUMENT, "oxford_pets");
    orthsr_trainer_options *options;
    ck_ok(orthsr_trainer_options_new(&options, &error));
    for (const char *name; (name = orthsr_template_preset_name(all)); all++) {
        ck_ok(orthsr_template_preset(name, &templates, &count, &error));
        ck_ok(orthsr_trainer_options_set_templates(options, templates, count, &error)); /* which looks for the {} */
    }
    ck_assert_uint_eq(all, 16);
    orthsr_trainer_options_free(options);
}
END_TEST

static TCase *training(void) {
    TCase *tc = tcase_create("training");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, trajectory_of_coop);
    tcase_add_test(tc, with_an_adapter);
    tcase_add_test(tc, with_matrices_on_the_manifold);
    tcase_add_test(tc, failed_step);
    tcase_add_test(tc, undone_step);
    tcase_add_test(tc, trainer_arguments);
    return tc;
}

static TCase *prompts(void) {
    TCase *tc = tcase_create("prompts");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, beginnings);
    tcase_add_test(tc, positions);
    tcase_add_test(tc, refusals);
    tcase_add_test(tc, files);
    tcase_add_test(tc, version_1);
    tcase_add_test(tc, bad_files);
    tcase_add_test(tc, template_presets);
    return tc;
}
TEST_MAIN("prompt", training, prompts)
