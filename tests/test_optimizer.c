/* test_optimizer.c - SGD and AdamW against torch.optim (tests/oracle/make_optimizer.py), and steps that must not happen. */
#include "util/check.h"

#include "io/safetensors.h"

static orthsr_error error;

static float *fixture(const char *name, size_t *elements) {
    orthsr__safetensors file;
    ck_ok(orthsr__safetensors_open(&file, "tests/data/optimizer.safetensors", &error));
    const orthsr__tensor *tensor = orthsr__safetensors_find(&file, name);
    ck_assert_msg(tensor != NULL, "no %s", name);
    float *values = malloc(tensor->elements * sizeof *values);
    ck_ok(orthsr__tensor_to_real(values, tensor, file.path, &error));
    *elements = tensor->elements;
    orthsr__safetensors_close(&file);
    return values;
}

static const char *const NAMES[] = {"sgd", "momentum", "adamw", "adamw_low"};

static orthsr_optimizer *make(size_t which, size_t size) {
    orthsr_optimizer *optimizer;
    switch (which) {
    case 0: ck_ok(orthsr_optimizer_sgd(&optimizer, size, 0, 0, &error)); break;
    case 1: ck_ok(orthsr_optimizer_sgd(&optimizer, size, 0.9f, 5e-4f, &error)); break;
    case 2: ck_ok(orthsr_optimizer_adamw(&optimizer, size, 0.9f, 0.999f, 1e-8f, 0.01f, &error)); break;
    default: ck_ok(orthsr_optimizer_adamw(&optimizer, size, 0.25f, 0.5f, 1e-3f, 0.1f, &error)); break;
    }
    return optimizer;
}

START_TEST(steps_are_torchs) {
    size_t size, steps, all;
    float *p = fixture("start", &size), *gradients = fixture("gradients", &all), *rates = fixture("rates", &steps), *after = fixture(NAMES[_i], &all);
    orthsr_optimizer *optimizer = make((size_t)_i, size);
    for (size_t t = 0; t < steps; t++) {
        ck_assert_uint_eq(orthsr_optimizer_steps(optimizer), t);
        ck_ok(orthsr_optimizer_step(optimizer, p, gradients + t * size, size, rates[t], &error));
        ck_assert_double_le(max_relative(p, after + t * size, size), 1e-6); /* observed: 8e-8 */
    }
    ck_assert_uint_eq(orthsr_optimizer_steps(optimizer), steps);
    orthsr_optimizer_free(optimizer);
    free(p);
    free(gradients);
    free(rates);
    free(after);
}
END_TEST

/* What fails leaves parameters and state: the run goes on as if it had not been tried. */
START_TEST(failed_step_changes_nothing) {
    enum { N = 9 };
    orthsr_optimizer *tried = make((size_t)_i, N), *plain = make((size_t)_i, N);
    float p[N], q[N], g[N], bad[N];
    unsigned long seed = 4;
    for (size_t i = 0; i < N; i++) p[i] = q[i] = (float)noise(&seed);
    for (size_t t = 0; t < 4; t++) {
        for (size_t i = 0; i < N; i++) bad[i] = g[i] = (float)noise(&seed);
        bad[8] = NAN;
        ck_fails(orthsr_optimizer_step(tried, p, bad, N, 0.1f, &error), ORTHSR_ERROR_NUMERIC, "gradient is not finite");
        bad[8] = -INFINITY;
        ck_fails(orthsr_optimizer_step(tried, p, bad, N, 0.1f, &error), ORTHSR_ERROR_NUMERIC, "gradient is not finite");
        bad[8] = 3e38f;
        ck_fails(orthsr_optimizer_step(tried, p, bad, N, 1e38f, &error), ORTHSR_ERROR_NUMERIC, "smaller learning rate");
        ck_fails(orthsr_optimizer_step(tried, p, g, N - 1, 0.1f, &error), ORTHSR_ERROR_ARGUMENT, "9 parameters, not 8");
        ck_fails(orthsr_optimizer_step(tried, p, g, N, -1, &error), ORTHSR_ERROR_ARGUMENT, "learning rate");
        ck_fails(orthsr_optimizer_step(tried, p, g, N, NAN, &error), ORTHSR_ERROR_ARGUMENT, "learning rate");
        ck_assert_uint_eq(orthsr_optimizer_steps(tried), t);
        ck_ok(orthsr_optimizer_step(tried, p, g, N, 0.1f, &error));
        ck_ok(orthsr_optimizer_step(plain, q, g, N, 0.1f, &error));
        ck_assert_mem_eq(p, q, sizeof p);
    }
    orthsr_optimizer_free(tried);
    orthsr_optimizer_free(plain);
}
END_TEST

START_TEST(argument_errors) {
    orthsr_optimizer *o = NULL;
    float p = 0;
    ck_fails(orthsr_optimizer_sgd(NULL, 1, 0, 0, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    o = (orthsr_optimizer *)&error;
    ck_fails(orthsr_optimizer_sgd(&o, 0, 0, 0, &error), ORTHSR_ERROR_ARGUMENT, "size");
    ck_assert_ptr_null(o);
    ck_fails(orthsr_optimizer_sgd(&o, 1, 1, 0, &error), ORTHSR_ERROR_ARGUMENT, "momentum");
    ck_fails(orthsr_optimizer_sgd(&o, 1, NAN, 0, &error), ORTHSR_ERROR_ARGUMENT, "momentum");
    ck_fails(orthsr_optimizer_sgd(&o, 1, 0, -1, &error), ORTHSR_ERROR_ARGUMENT, "weight_decay");
    ck_fails(orthsr_optimizer_sgd(&o, SIZE_MAX / 2, 0, 0, &error), ORTHSR_ERROR_MEMORY, "optimizer");
    ck_fails(orthsr_optimizer_adamw(&o, 1, -0.1f, 0.9f, 1e-8f, 0, &error), ORTHSR_ERROR_ARGUMENT, "beta");
    ck_fails(orthsr_optimizer_adamw(&o, 1, 0.9f, 1, 1e-8f, 0, &error), ORTHSR_ERROR_ARGUMENT, "beta");
    ck_fails(orthsr_optimizer_adamw(&o, 1, 0.9f, 0.9f, 0, 0, &error), ORTHSR_ERROR_ARGUMENT, "eps");
    ck_fails(orthsr_optimizer_adamw(&o, 1, 0.9f, 0.9f, 1, INFINITY, &error), ORTHSR_ERROR_ARGUMENT, "weight_decay");
    ck_assert_ptr_null(o);
    ck_fails(orthsr_optimizer_step(NULL, &p, &p, 1, 0, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_assert_uint_eq(orthsr_optimizer_steps(NULL), 0);
    orthsr_optimizer_free(NULL);
}
END_TEST

static TCase *optimizer_case(void) {
    TCase *tcase = tcase_create("optimizer");
    tcase_add_loop_test(tcase, steps_are_torchs, 0, 4);
    tcase_add_loop_test(tcase, failed_step_changes_nothing, 0, 4);
    tcase_add_test(tcase, argument_errors);
    return tcase;
}

TEST_MAIN("optimizer", optimizer_case)
