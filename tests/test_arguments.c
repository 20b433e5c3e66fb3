/* test_arguments.c - NULL in each place where it is not said to be fine: ORTHSR_ERROR_ARGUMENT with a message, out NULL, nothing touched. Of an object that is
 * not there every question has an answer, and freeing it is nothing.
 */
#include <limits.h>
#include <stdint.h>

#include "util/tiny.h"

static orthsr_error error;

#define REFUSED(call)                                                                                                                                          \
    do {                                                                                                                                                       \
        ck_fails(call, ORTHSR_ERROR_ARGUMENT, "");                                                                                                             \
        ck_assert_msg(error.message[0] != '\0', #call " says nothing");                                                                                        \
    } while (0)

/* The same of a function that makes an object. */
#define REFUSED_NEW(object, call)                                                                                                                              \
    do {                                                                                                                                                       \
        object = (void *)&error;                                                                                                                               \
        REFUSED(call);                                                                                                                                         \
        ck_assert_msg(object == NULL, #call " leaves something in out");                                                                                       \
    } while (0)

static orthsr_model *model;
static orthsr_dataset *dataset;
static orthsr_adapter *adapter;
static orthsr_session *session;
static fixture file;
static float numbers[4096];
static const char *const names[] = {"cat"}, *const none[] = {NULL}, *const templates[] = {"a {}"};

static void open_all(void) {
    tiny_open(&file, &model, &dataset, NULL);
    ck_ok(orthsr_model_adapter(model, &adapter, NULL, &error));
    ck_ok(orthsr_session_new(&session, model, NULL, &error));
    ck_ok(orthsr_session_set_threads(session, 1, &error));
}

static void close_all(void) {
    orthsr_session_free(session);
    orthsr_adapter_free(adapter);
    tiny_close(&file, model, dataset);
}

START_TEST(setters_of_no_options) {
    REFUSED(orthsr_adapter_options_set_parametrization(NULL, ORTHSR_CAYLEY, &error));
    REFUSED(orthsr_adapter_options_set_reflections(NULL, 2, &error));
    REFUSED(orthsr_adapter_options_set_butterfly(NULL, 2, 1, &error));
    REFUSED(orthsr_adapter_options_set_coft(NULL, 0, &error));
    REFUSED(orthsr_adapter_options_set_side(NULL, ORTHSR_SIDE_INPUT, &error));
    REFUSED(orthsr_adapter_options_set_blocks(NULL, 1, &error));
    REFUSED(orthsr_adapter_options_set_block_size(NULL, 2, &error));
    REFUSED(orthsr_adapter_options_set_block_share(NULL, 0, &error));
    REFUSED(orthsr_adapter_options_set_maps(NULL, "q", &error));
    REFUSED(orthsr_adapter_options_set_towers(NULL, "image", &error));
    REFUSED(orthsr_adapter_options_set_layers(NULL, "all", &error));
    REFUSED(orthsr_model_options_set_image_size(NULL, 32, &error));
    REFUSED(orthsr_model_options_set_interpolation(NULL, (orthsr_interpolation)0, &error));
    REFUSED(orthsr_model_options_set_map(NULL, 1, &error));
    REFUSED(orthsr_prompt_options_set_init(NULL, "a", &error));
    REFUSED(orthsr_prompt_options_set_words(NULL, 1, &error));
    REFUSED(orthsr_prompt_options_set_seed(NULL, 1, &error));
    REFUSED(orthsr_prompt_options_set_position(NULL, ORTHSR_CLASS_END, &error));
    REFUSED(orthsr_prompt_options_set_classes(NULL, names, 1, &error));
    REFUSED(orthsr_trainer_options_set_method(NULL, ORTHSR_METHOD_ORTHSR, &error));
    REFUSED(orthsr_trainer_options_set_optimizer(NULL, ORTHSR_SGD, &error));
    REFUSED(orthsr_trainer_options_set_retraction(NULL, ORTHSR_RETRACTION_QR, &error));
    REFUSED(orthsr_trainer_options_set_learning_rate(NULL, 0, &error));
    REFUSED(orthsr_trainer_options_set_context_learning_rate(NULL, 0, &error));
    REFUSED(orthsr_trainer_options_set_momentum(NULL, 0, &error));
    REFUSED(orthsr_trainer_options_set_weight_decay(NULL, 0, &error));
    REFUSED(orthsr_trainer_options_set_schedule(NULL, ORTHSR_SCHEDULE_COSINE, &error));
    REFUSED(orthsr_trainer_options_set_warmup_epochs(NULL, 1, &error));
    REFUSED(orthsr_trainer_options_set_epochs(NULL, 1, &error));
    REFUSED(orthsr_trainer_options_set_batch_size(NULL, 1, &error));
    REFUSED(orthsr_trainer_options_set_kl_weight(NULL, 0, &error));
    REFUSED(orthsr_trainer_options_set_ce_cut_weight(NULL, 0, &error));
    REFUSED(orthsr_trainer_options_set_kl_cut_weight(NULL, 0, &error));
    REFUSED(orthsr_trainer_options_set_kl_temperature(NULL, 1, &error));
    REFUSED(orthsr_trainer_options_set_kl_reduction(NULL, ORTHSR_KL_MEAN, &error));
    REFUSED(orthsr_trainer_options_set_kl_schedule(NULL, ORTHSR_SCHEDULE_COSINE, &error));
    REFUSED(orthsr_trainer_options_set_kl_confidence(NULL, 1, &error));
    REFUSED(orthsr_trainer_options_set_kl_direction(NULL, ORTHSR_KL_FROZEN_TUNED, &error));
    REFUSED(orthsr_trainer_options_set_augmentation(NULL, ORTHSR_AUGMENT_NONE, &error));
    REFUSED(orthsr_trainer_options_set_cutout(NULL, (orthsr_cutout)0, &error));
    REFUSED(orthsr_trainer_options_set_cutout_source(NULL, ORTHSR_CUTOUT_TEXT, &error));
    REFUSED(orthsr_trainer_options_set_cutout_fill(NULL, ORTHSR_CUTOUT_NOISE, &error));
    REFUSED(orthsr_trainer_options_set_cutout_size(NULL, 0, &error));
    REFUSED(orthsr_trainer_options_set_cutout_holes(NULL, 1, &error));
    REFUSED(orthsr_trainer_options_set_cutout_probability(NULL, 1, &error));
    REFUSED(orthsr_trainer_options_set_seed(NULL, 1, &error));
    REFUSED(orthsr_trainer_options_set_threads(NULL, 1, &error));
    REFUSED(orthsr_trainer_options_set_memory_budget(NULL, 0, &error));
    REFUSED(orthsr_trainer_options_set_templates(NULL, templates, 1, &error));
    REFUSED(orthsr_trainer_options_set_frozen_templates(NULL, templates, 1, &error));
}
END_TEST

/* Values at the edges of what setters take, and those that are no number. */
START_TEST(values) {
    orthsr_adapter_options *form;
    orthsr_prompt_options *prompt;
    orthsr_trainer_options *options;
    ck_ok(orthsr_adapter_options_new(&form, &error));
    REFUSED(orthsr_adapter_options_set_reflections(form, 0, &error));
    REFUSED(orthsr_adapter_options_set_reflections(form, 3, &error));
    REFUSED(orthsr_adapter_options_set_butterfly(form, 0, 1, &error));
    REFUSED(orthsr_adapter_options_set_butterfly(form, 3, 1, &error));
    REFUSED(orthsr_adapter_options_set_butterfly(form, 2, 0, &error));
    REFUSED(orthsr_adapter_options_set_maps(form, NULL, &error));
    REFUSED(orthsr_adapter_options_set_towers(form, NULL, &error));
    orthsr_adapter_options_free(form);
    ck_ok(orthsr_prompt_options_new(&prompt, &error));
    REFUSED(orthsr_prompt_options_set_classes(prompt, NULL, 1, &error));
    REFUSED(orthsr_prompt_options_set_classes(prompt, none, 1, &error));
    ck_ok(orthsr_prompt_options_set_classes(prompt, NULL, 0, &error)); /* none of its own */
    orthsr_prompt_options_free(prompt);
    ck_ok(orthsr_trainer_options_new(&options, &error));
    REFUSED(orthsr_trainer_options_set_kl_temperature(options, 0, &error));
    REFUSED(orthsr_trainer_options_set_kl_temperature(options, INFINITY, &error));
    REFUSED(orthsr_trainer_options_set_templates(options, NULL, 1, &error));
    REFUSED(orthsr_trainer_options_set_frozen_templates(options, NULL, 1, &error));
    orthsr_trainer_options_free(options);
}
END_TEST

START_TEST(matrices) {
    float *x = numbers;
    double value;
    REFUSED(orthsr_qr(NULL, x, x, 2, 2, &error));
    REFUSED(orthsr_qr(x, NULL, x, 2, 2, &error));
    REFUSED(orthsr_qr(x, x, NULL, 2, 2, &error));
    REFUSED(orthsr_qr_adjoint(NULL, x, x, x, x, 2, 2, &error));
    REFUSED(orthsr_qr_adjoint(x, x, x, NULL, x, 2, 2, &error));
    REFUSED(orthsr_qr_adjoint(x, x, x, x, NULL, 2, 2, &error));
    REFUSED(orthsr_retract_qr(NULL, 2, 2, &error));
    REFUSED(orthsr_retract_cholesky_qr(NULL, 2, 2, &error));
    REFUSED(orthsr_retract_polar(NULL, 2, 2, &error));
    REFUSED(orthsr_retract(NULL, x, 2, 2, ORTHSR_RETRACTION_QR, &error));
    REFUSED(orthsr_retract(x, NULL, 2, 2, ORTHSR_RETRACTION_QR, &error));
    REFUSED(orthsr_tangent_project(NULL, x, x, 2, 2, &error));
    REFUSED(orthsr_tangent_project(x, NULL, x, 2, 2, &error));
    REFUSED(orthsr_tangent_project(x, x, NULL, 2, 2, &error));
    REFUSED(orthsr_riemannian_gradient(NULL, x, x, 2, 2, ORTHSR_GEOMETRY_CANONICAL, &error));
    REFUSED(orthsr_riemannian_gradient(x, NULL, x, 2, 2, ORTHSR_GEOMETRY_CANONICAL, &error));
    REFUSED(orthsr_riemannian_gradient(x, x, NULL, 2, 2, ORTHSR_GEOMETRY_CANONICAL, &error));
    REFUSED(orthsr_orthogonality_defect(NULL, x, 2, 2, &error));
    REFUSED(orthsr_orthogonality_defect(&value, NULL, 2, 2, &error));
    REFUSED(orthsr_hyperspherical_energy(NULL, x, 2, 2, &error));
    REFUSED(orthsr_hyperspherical_energy(&value, NULL, 2, 2, &error));
    REFUSED(orthsr_cayley(NULL, x, 2, &error));
    REFUSED(orthsr_cayley(x, NULL, 2, &error));
    REFUSED(orthsr_cayley_adjoint(NULL, x, x, 2, &error));
    REFUSED(orthsr_cayley_adjoint(x, NULL, x, 2, &error));
    REFUSED(orthsr_cayley_adjoint(x, x, NULL, 2, &error));
    ck_assert_uint_eq(orthsr_skew_size(0), 0);
    /* n is less than p, p is 0, n is above 2^31 - 1 */
    static const size_t shapes[][2] = {{1, 2}, {2, 0}, {0, 0}, {(size_t)INT_MAX + 1, 2}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t n = shapes[i][0], p = shapes[i][1];
        REFUSED(orthsr_qr(x, x, x, n, p, &error));
        REFUSED(orthsr_qr_adjoint(x, x, x, x, x, n, p, &error));
        REFUSED(orthsr_retract_qr(x, n, p, &error));
        REFUSED(orthsr_retract_cholesky_qr(x, n, p, &error));
        REFUSED(orthsr_retract_polar(x, n, p, &error));
        REFUSED(orthsr_retract(x, x, n, p, ORTHSR_RETRACTION_POLAR, &error));
        REFUSED(orthsr_tangent_project(x, x, x, n, p, &error));
        REFUSED(orthsr_riemannian_gradient(x, x, x, n, p, ORTHSR_GEOMETRY_EUCLIDEAN, &error));
        if (n == 1) continue;
        REFUSED(orthsr_orthogonality_defect(&value, x, n, p, &error));
        if (n != 0) REFUSED(orthsr_hyperspherical_energy(&value, x, n, p, &error));
    }
}
END_TEST

START_TEST(optimizers) {
    orthsr_optimizer *optimizer;
    const orthsr_stiefel good = {3, 2}, flat = {2, 3}, empty = {2, 0}, huge = {(size_t)INT_MAX + 1, 2};
    const orthsr_stiefel *const bad[] = {&flat, &empty, &huge};
    float *x = numbers;
    REFUSED(orthsr_optimizer_sgd(NULL, 4, 0.9f, 0, &error));
    REFUSED(orthsr_optimizer_adamw(NULL, 4, 0.9f, 0.9f, 1e-8f, 0, &error));
    REFUSED(orthsr_optimizer_rsgd(NULL, &good, 1, 0.9f, ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_CANONICAL, &error));
    REFUSED(orthsr_optimizer_radam(NULL, &good, 1, 0.9f, 0.9f, 1e-8f, ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_CANONICAL, &error));
    REFUSED_NEW(optimizer, orthsr_optimizer_adamw(&optimizer, 0, 0.9f, 0.9f, 1e-8f, 0, &error));
    static const float betas[] = {-0.1f, 1};
    for (size_t i = 0; i < 2; i++) {
        REFUSED_NEW(optimizer, orthsr_optimizer_adamw(&optimizer, 4, betas[i], 0.9f, 1e-8f, 0, &error));
        REFUSED_NEW(optimizer, orthsr_optimizer_adamw(&optimizer, 4, 0.9f, betas[i], 1e-8f, 0, &error));
        REFUSED_NEW(optimizer, orthsr_optimizer_radam(&optimizer, &good, 1, betas[i], 0.9f, 1e-8f, ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_CANONICAL, &error));
        REFUSED_NEW(optimizer, orthsr_optimizer_radam(&optimizer, &good, 1, 0.9f, betas[i], 1e-8f, ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_CANONICAL, &error));
    }
    static const float eps[] = {0, INFINITY};
    for (size_t i = 0; i < 2; i++) {
        REFUSED_NEW(optimizer, orthsr_optimizer_adamw(&optimizer, 4, 0.9f, 0.9f, eps[i], 0, &error));
        REFUSED_NEW(optimizer, orthsr_optimizer_radam(&optimizer, &good, 1, 0.9f, 0.9f, eps[i], ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_CANONICAL, &error));
    }
    REFUSED_NEW(optimizer, orthsr_optimizer_adamw(&optimizer, 4, 0.9f, 0.9f, 1e-8f, -1, &error));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSED_NEW(optimizer, orthsr_optimizer_rsgd(&optimizer, bad[i], 1, 0.9f, ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_CANONICAL, &error));
    REFUSED_NEW(optimizer, orthsr_optimizer_rsgd(&optimizer, NULL, 1, 0.9f, ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_CANONICAL, &error));
    REFUSED_NEW(optimizer, orthsr_optimizer_rsgd(&optimizer, &good, 0, 0.9f, ORTHSR_RETRACTION_QR, ORTHSR_GEOMETRY_CANONICAL, &error));
    REFUSED_NEW(optimizer, orthsr_optimizer_rsgd(&optimizer, &good, 1, 0.9f, (orthsr_retraction)99, ORTHSR_GEOMETRY_CANONICAL, &error));
    REFUSED_NEW(optimizer, orthsr_optimizer_rsgd(&optimizer, &good, 1, 0.9f, ORTHSR_RETRACTION_QR, (orthsr_geometry)99, &error));
    ck_ok(orthsr_optimizer_sgd(&optimizer, 4, 0.9f, 0, &error));
    REFUSED(orthsr_optimizer_step(NULL, x, x, 4, 0.1f, &error));
    REFUSED(orthsr_optimizer_step(optimizer, NULL, x, 4, 0.1f, &error));
    REFUSED(orthsr_optimizer_step(optimizer, x, NULL, 4, 0.1f, &error));
    REFUSED(orthsr_optimizer_step(optimizer, x, x, 4, -1, &error));
    REFUSED(orthsr_optimizer_step(optimizer, x, x, 4, INFINITY, &error));
    ck_assert_uint_eq(orthsr_optimizer_steps(optimizer), 0);
    orthsr_optimizer_free(optimizer);
}
END_TEST

START_TEST(adapters) {
    float *x = numbers;
    size_t n = orthsr_adapter_parameter_count(adapter);
    orthsr_adapter *out;
    double value;
    REFUSED(orthsr_adapter_get_parameters(NULL, x, n, &error));
    REFUSED(orthsr_adapter_get_parameters(adapter, NULL, n, &error));
    REFUSED(orthsr_adapter_set_parameters(NULL, x, n, &error));
    REFUSED(orthsr_adapter_set_parameters(adapter, NULL, n, &error));
    REFUSED(orthsr_adapter_set_scale(NULL, 0, x, &error));
    REFUSED(orthsr_adapter_rotate(NULL, 0, x, x, 1, &error));
    REFUSED(orthsr_adapter_rotate(adapter, 0, NULL, x, 1, &error));
    REFUSED(orthsr_adapter_rotate(adapter, 0, x, NULL, 1, &error));
    REFUSED(orthsr_adapter_rotate(adapter, 0, x, x, (size_t)INT_MAX + 1, &error));
    REFUSED(orthsr_adapter_rotate_adjoint(NULL, 0, x, x, x, x, 1, &error));
    REFUSED(orthsr_adapter_rotate_adjoint(adapter, 0, x, x, NULL, x, 1, &error));
    REFUSED(orthsr_adapter_rotate_adjoint(adapter, 0, x, x, x, NULL, 1, &error));
    REFUSED(orthsr_adapter_rotate_adjoint(adapter, 0, x, x, x, x, (size_t)INT_MAX + 1, &error));
    REFUSED(orthsr_adapter_add_target(NULL, "first", 4, 4, &error));
    REFUSED(orthsr_adapter_add_target(adapter, NULL, 4, 4, &error));
    REFUSED(orthsr_adapter_defect(NULL, &value, &error));
    REFUSED(orthsr_adapter_defect(adapter, NULL, &error));
    REFUSED(orthsr_adapter_angles(NULL, 0, &value, &error));
    REFUSED(orthsr_adapter_angles(adapter, 0, NULL, &error));
    REFUSED(orthsr_adapter_save(NULL, "/nowhere/a", NULL, &error));
    REFUSED(orthsr_adapter_save(adapter, NULL, NULL, &error));
    REFUSED(orthsr_adapter_load(NULL, "/nowhere/a", &error));
    REFUSED_NEW(out, orthsr_adapter_load(&out, NULL, &error));
    REFUSED_NEW(out, orthsr_model_adapter(NULL, &out, NULL, &error));
    REFUSED(orthsr_model_adapter(model, NULL, NULL, &error));
    REFUSED_NEW(out, orthsr_model_adapter_load(model, &out, NULL, &error));
    REFUSED(orthsr_model_adapter_load(model, NULL, "/nowhere", &error));
    REFUSED(orthsr_model_adapter_export_peft(model, NULL, "/nowhere", &error));
    REFUSED(orthsr_model_adapter_export_peft(model, adapter, NULL, &error));
    orthsr_status (*const ways[])(const orthsr_model *, const orthsr_adapter *, const char *, double *, orthsr_error *) = {orthsr_model_merge,
                                                                                                                           orthsr_model_unmerge};
    for (size_t i = 0; i < 2; i++) {
        REFUSED(ways[i](NULL, adapter, "/nowhere", NULL, &error));
        REFUSED(ways[i](model, NULL, "/nowhere", NULL, &error));
        REFUSED(ways[i](model, adapter, NULL, NULL, &error));
    }
    REFUSED(orthsr_model_export_gguf(NULL, NULL, ORTHSR_GGUF_F32, "/nowhere/m.gguf", NULL, &error));
    REFUSED(orthsr_model_export_gguf(model, NULL, ORTHSR_GGUF_F32, NULL, NULL, &error));
    REFUSED(orthsr_model_export_gguf(model, NULL, (orthsr_gguf_type)2, "/nowhere/m.gguf", NULL, &error));
    /* what the adjoint need not give; an adapter without a target has no parameters to copy */
    memset(numbers, 0, sizeof numbers);
    size_t width = orthsr_adapter_in_features(adapter, 0);
    float *grad = floats(n, 0, 1);
    ck_ok(orthsr_adapter_rotate_adjoint(adapter, 0, NULL, grad, x, x, 1, &error));
    ck_ok(orthsr_adapter_rotate_adjoint(adapter, 0, x, NULL, x + width, x + 2 * width, 1, &error));
    ck_ok(orthsr_adapter_new(&out, NULL, &error));
    ck_ok(orthsr_adapter_get_parameters(out, x, 0, &error));
    orthsr_adapter_free(out);
    free(grad);
}
END_TEST

START_TEST(sessions) {
    float *x = numbers;
    const int32_t tokens[64] = {0};
    orthsr_session *out;
    REFUSED(orthsr_session_new(NULL, model, NULL, &error));
    REFUSED_NEW(out, orthsr_session_new(&out, NULL, NULL, &error));
    REFUSED(orthsr_session_set_threads(NULL, 1, &error));
    REFUSED(orthsr_session_set_adapters(NULL, NULL, 0, &error));
    REFUSED(orthsr_session_set_prompt(NULL, NULL, &error));
    REFUSED(orthsr_session_encode_pixels(NULL, x, x, 1, &error));
    REFUSED(orthsr_session_encode_pixels(session, NULL, x, 1, &error));
    REFUSED(orthsr_session_encode_pixels(session, x, NULL, 1, &error));
    REFUSED(orthsr_session_encode_tokens(NULL, x, tokens, 1, &error));
    REFUSED(orthsr_session_encode_tokens(session, NULL, tokens, 1, &error));
    REFUSED(orthsr_session_encode_tokens(session, x, NULL, 1, &error));
    REFUSED(orthsr_session_encode_texts(NULL, x, names, 1, &error));
    REFUSED(orthsr_session_encode_texts(session, NULL, names, 1, &error));
    REFUSED(orthsr_session_encode_texts(session, x, NULL, 1, &error));
    REFUSED(orthsr_session_encode_texts(session, x, none, 1, &error));
    REFUSED(orthsr_session_encode_classes(NULL, x, names, 1, templates, 1, &error));
    REFUSED(orthsr_session_encode_classes(session, NULL, names, 1, templates, 1, &error));
    REFUSED(orthsr_session_encode_classes(session, x, NULL, 1, templates, 1, &error));
    REFUSED(orthsr_session_encode_classes(session, x, names, 1, NULL, 1, &error));
    REFUSED(orthsr_session_encode_classes(session, x, names, 0, templates, 1, &error));
    REFUSED(orthsr_session_encode_classes(session, x, names, 1, templates, 0, &error));
    REFUSED(orthsr_session_encode_classes(session, x, none, 1, templates, 1, &error));
    REFUSED(orthsr_session_similarity(NULL, x, x, x, &error));
    REFUSED(orthsr_session_similarity(session, NULL, x, x, &error));
    REFUSED(orthsr_session_similarity(session, x, NULL, x, &error));
    REFUSED(orthsr_session_similarity(session, x, x, NULL, &error));
    REFUSED(orthsr_session_attention(NULL, x, x, &error));
    REFUSED(orthsr_session_attention(session, NULL, x, &error));
    REFUSED(orthsr_session_attention(session, x, NULL, &error));
    /* nothing to encode */
    ck_ok(orthsr_session_encode_pixels(session, NULL, NULL, 0, &error));
    ck_ok(orthsr_session_encode_tokens(session, NULL, NULL, 0, &error));
    ck_ok(orthsr_session_encode_texts(session, NULL, NULL, 0, &error));
    float zero[2] = {0, 0};
    orthsr_features_normalize(zero, 1, 2);
    ck_assert(zero[0] == 0 && zero[1] == 0);
}
END_TEST

START_TEST(data_and_images) {
    orthsr_dataset *out, *rest;
    orthsr_image *image, *made;
    orthsr_evaluation *evaluation;
    orthsr_region region;
    const uint8_t pixels[4] = {0};
    const int32_t labels[1] = {0};
    float *x = numbers;
    size_t n;
    REFUSED(orthsr_dataset_open(NULL, "/nowhere", NULL, &error));
    REFUSED_NEW(out, orthsr_dataset_open(&out, NULL, NULL, &error));
    REFUSED(orthsr_dataset_list(NULL, "/nowhere", NULL, &error));
    REFUSED_NEW(out, orthsr_dataset_list(&out, NULL, NULL, &error));
    REFUSED_NEW(out, orthsr_dataset_new(&out, NULL, 1, 1, 1, 1, labels, names, 1, &error));
    REFUSED_NEW(out, orthsr_dataset_new(&out, pixels, 1, 1, 1, 1, NULL, names, 1, &error));
    REFUSED_NEW(out, orthsr_dataset_new(&out, pixels, 1, 1, 1, 1, labels, NULL, 1, &error));
    REFUSED_NEW(out, orthsr_dataset_new(&out, pixels, 1, 1, 1, 1, labels, none, 1, &error));
    REFUSED_NEW(out, orthsr_dataset_new(&out, pixels, SIZE_MAX / 2, 4, 1, 1, labels, names, 1, &error));
    REFUSED_NEW(out, orthsr_dataset_new(&out, pixels, 1, SIZE_MAX / 2, 4, 1, labels, names, 1, &error));
    REFUSED_NEW(out, orthsr_dataset_draw_validation(&out, NULL, dataset, 1, 1, &error));
    REFUSED_NEW(out, orthsr_dataset_draw_validation(&out, dataset, NULL, 1, 1, &error));
    REFUSED(orthsr_dataset_draw_validation(NULL, dataset, dataset, 1, 1, &error));
    REFUSED_NEW(out, orthsr_dataset_draw(&out, &rest, NULL, 1, 1, &error));
    REFUSED(orthsr_dataset_draw(NULL, &rest, dataset, 1, 1, &error));
    REFUSED(orthsr_dataset_set_max_pixels(NULL, 1, &error));
    REFUSED(orthsr_dataset_check_item(NULL, 0, 1, &error));
    REFUSED(orthsr_dataset_pixels(NULL, 0, model, x, &error));
    REFUSED(orthsr_dataset_pixels(dataset, 0, NULL, x, &error));
    REFUSED(orthsr_dataset_pixels(dataset, 0, model, NULL, &error));
    REFUSED_NEW(evaluation, orthsr_evaluate(&evaluation, NULL, dataset, templates, 1, NULL, NULL, &error));
    REFUSED_NEW(evaluation, orthsr_evaluate(&evaluation, session, NULL, templates, 1, NULL, NULL, &error));
    REFUSED(orthsr_evaluate(NULL, session, dataset, templates, 1, NULL, NULL, &error));
    ck_ok(orthsr_dataset_subset(&out, dataset, NULL, 0, &error));
    REFUSED_NEW(evaluation, orthsr_evaluate(&evaluation, session, out, templates, 1, NULL, NULL, &error));
    orthsr_dataset_free(out);
    ck_ok(orthsr_image_new(&image, pixels, 1, 1, 3, &error));
    REFUSED(orthsr_image_open(NULL, "/nowhere", 0, &error));
    REFUSED_NEW(made, orthsr_image_open(&made, NULL, 0, &error));
    REFUSED(orthsr_image_resize(NULL, image, 2, 2, &error));
    REFUSED_NEW(made, orthsr_image_resize(&made, NULL, 2, 2, &error));
    REFUSED(orthsr_image_resize_crop(NULL, image, 2, &error));
    REFUSED_NEW(made, orthsr_image_resize_crop(&made, NULL, 2, &error));
    REFUSED(orthsr_model_view(model, NULL, image, &error));
    REFUSED_NEW(made, orthsr_model_view(NULL, &made, image, &error));
    REFUSED_NEW(made, orthsr_model_view(model, &made, NULL, &error));
    REFUSED(orthsr_model_preprocess(NULL, x, image, &error));
    REFUSED(orthsr_model_preprocess(model, NULL, image, &error));
    REFUSED(orthsr_model_preprocess(model, x, NULL, &error));
    orthsr_image_free(image);
    REFUSED(orthsr_cutout_regions(NULL, &n, 1, x, 2, 0.5f, &error));
    REFUSED(orthsr_cutout_regions(&region, NULL, 1, x, 2, 0.5f, &error));
    REFUSED(orthsr_cutout_regions(&region, &n, 1, NULL, 2, 0.5f, &error));
    REFUSED(orthsr_cutout_regions(&region, &n, 1, x, 0, 0.5f, &error));
}
END_TEST

START_TEST(models_prompts_trainers) {
    orthsr_model *opened;
    orthsr_prompt *prompt, *made;
    orthsr_trainer *trainer;
    orthsr_tokenizer *tokenizer;
    float *x = numbers;
    REFUSED(orthsr_model_open(NULL, TINY_MODEL, &error));
    REFUSED_NEW(opened, orthsr_model_open(&opened, NULL, &error));
    REFUSED(orthsr_model_tensor(NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, &error));
    REFUSED(orthsr_model_map(NULL, 0, NULL, NULL, NULL, &error));
    ck_ok(orthsr_model_tensor(model, 0, NULL, NULL, NULL, NULL, NULL, NULL, &error)); /* nothing is asked */
    ck_ok(orthsr_model_map(model, 0, NULL, NULL, NULL, &error));
    REFUSED(orthsr_model_weight(NULL, 0, x, &error));
    REFUSED(orthsr_model_weight(model, 0, NULL, &error));
    REFUSED(orthsr_prompt_new(NULL, model, NULL, &error));
    REFUSED_NEW(made, orthsr_prompt_new(&made, NULL, NULL, &error));
    REFUSED(orthsr_prompt_load(NULL, model, "/nowhere", &error));
    REFUSED_NEW(made, orthsr_prompt_load(&made, model, NULL, &error));
    ck_ok(orthsr_prompt_new(&prompt, model, NULL, &error));
    size_t n = orthsr_prompt_parameter_count(prompt);
    REFUSED(orthsr_prompt_get_parameters(NULL, x, n, &error));
    REFUSED(orthsr_prompt_get_parameters(prompt, NULL, n, &error));
    REFUSED(orthsr_prompt_set_parameters(NULL, x, n, &error));
    REFUSED(orthsr_prompt_set_parameters(prompt, NULL, n, &error));
    REFUSED(orthsr_prompt_save(NULL, "/nowhere", &error));
    REFUSED(orthsr_prompt_save(prompt, NULL, &error));
    ck_ok(orthsr_session_set_prompt(session, prompt, &error));
    REFUSED(orthsr_session_encode_classes(session, x, none, 1, NULL, 0, &error));
    ck_ok(orthsr_session_set_prompt(session, NULL, &error));
    orthsr_prompt_free(prompt);
    REFUSED(orthsr_trainer_new(NULL, model, adapter, dataset, NULL, &error));
    REFUSED_NEW(trainer, orthsr_trainer_new(&trainer, NULL, adapter, dataset, NULL, &error));
    REFUSED_NEW(trainer, orthsr_trainer_new(&trainer, model, adapter, NULL, NULL, &error));
    REFUSED(orthsr_trainer_step(NULL, &error));
    REFUSED(orthsr_trainer_run(NULL, NULL, NULL, &error));
    REFUSED(orthsr_trainer_save(NULL, "/nowhere", NULL, &error));
    REFUSED(orthsr_trainer_load(NULL, "/nowhere", NULL, &error));
    REFUSED(orthsr_tokenizer_open(NULL, "/nowhere", &error));
    REFUSED_NEW(tokenizer, orthsr_tokenizer_open(&tokenizer, NULL, &error));
}
END_TEST

/* Of NULL. */
START_TEST(nothing_has_answers) {
    ck_assert_int_eq(orthsr_adapter_parametrization(NULL), ORTHSR_CAYLEY);
    ck_assert_int_eq(orthsr_adapter_side(NULL), ORTHSR_SIDE_INPUT);
    ck_assert_uint_eq(orthsr_adapter_target_count(NULL), 0);
    ck_assert_uint_eq(orthsr_adapter_parameter_count(NULL), 0);
    ck_assert_ptr_null(orthsr_adapter_target_name(NULL, 0));
    ck_assert_ptr_null(orthsr_adapter_fingerprint(NULL));
    ck_assert_double_eq(orthsr_adapter_distance(NULL, 0), 0);
    ck_assert_uint_eq(orthsr_prompt_words(NULL), 0);
    ck_assert_uint_eq(orthsr_prompt_width(NULL), 0);
    ck_assert_uint_eq(orthsr_prompt_classes(NULL), 0);
    ck_assert_int_eq(orthsr_prompt_position(NULL), ORTHSR_CLASS_END);
    ck_assert_ptr_null(orthsr_prompt_class_name(NULL, 0));
    ck_assert_str_eq(orthsr_prompt_fingerprint(NULL), "");
    static const char *const towers[] = {"neither", NULL};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(orthsr_model_layers(model, towers[i]), 0);
        ck_assert_uint_eq(orthsr_model_width(model, towers[i]), 0);
        ck_assert_uint_eq(orthsr_model_heads(model, towers[i]), 0);
        ck_assert_uint_eq(orthsr_model_mlp_width(model, towers[i]), 0);
    }
    orthsr_evaluation *evaluation;
    ck_ok(orthsr_evaluate(&evaluation, session, dataset, templates, 1, NULL, NULL, &error));
    ck_assert(isnan(orthsr_evaluation_class_accuracy(evaluation, 99)));
    ck_assert_uint_eq(orthsr_evaluation_prediction(evaluation, 99), SIZE_MAX);
    orthsr_evaluation_free(evaluation);
    orthsr_trainer *trainer;
    ck_ok(orthsr_trainer_new(&trainer, model, adapter, dataset, NULL, &error));
    ck_assert(isnan(orthsr_trainer_metric(trainer, (orthsr_metric)-1)) && isnan(orthsr_trainer_metric(trainer, (orthsr_metric)99)));
    ck_assert(isnan(orthsr_trainer_seconds(trainer, (orthsr_phase)-1)) && isnan(orthsr_trainer_seconds(trainer, (orthsr_phase)99)));
    orthsr_trainer_free(trainer);
    orthsr_adapter_options_free(NULL);
    orthsr_adapter_free(NULL);
    orthsr_dataset_free(NULL);
    orthsr_evaluation_free(NULL);
    orthsr_image_free(NULL);
    orthsr_model_options_free(NULL);
    orthsr_model_free(NULL);
    orthsr_optimizer_free(NULL);
    orthsr_prompt_options_free(NULL);
    orthsr_prompt_free(NULL);
    orthsr_session_free(NULL);
    orthsr_tokenizer_free(NULL);
    orthsr_trainer_options_free(NULL);
    orthsr_trainer_free(NULL);
    orthsr_free(NULL);
}
END_TEST

static TCase *arguments(void) {
    TCase *tcase = tcase_create("arguments");
    tcase_add_unchecked_fixture(tcase, open_all, close_all);
    tcase_add_test(tcase, setters_of_no_options);
    tcase_add_test(tcase, values);
    tcase_add_test(tcase, matrices);
    tcase_add_test(tcase, optimizers);
    tcase_add_test(tcase, adapters);
    tcase_add_test(tcase, sessions);
    tcase_add_test(tcase, data_and_images);
    tcase_add_test(tcase, models_prompts_trainers);
    tcase_add_test(tcase, nothing_has_answers);
    return tcase;
}

TEST_MAIN("arguments", arguments)
