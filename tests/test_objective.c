/* test_objective.c - the complete loss on raw features, its four terms and their gradients, as PyTorch has them. */
#include "train/objective.h"
#include "util/fixture.h"

enum { CLASSES = 4, TEMPLATES = 2, FROZEN_TEMPLATES = 3, EMBED = 8, IMAGES = 5 };

static orthsr_error error;
static const real temperatures[] = {1, 2.5};

static real *named(fixture *f, const char *prefix, const char *name) {
    char whole[64];
    snprintf(whole, sizeof whole, "%s.%s", prefix, name);
    return fixture_reals(f, whole, NULL);
}

/* One case; the batch in tiles of `tile` images. Observed relative to the largest: values 3e-7, gradients 5e-7. */
static void check(size_t tile, const char *name, int direction, int reduction, int temperature, bool confidence, double kl_factor) {
    fixture f;
    orthsr__objective objective, anchor;
    fixture_open(&f, "tests/data/loss.safetensors");
    const real *images[] = {fixture_reals(&f, "images", NULL), fixture_reals(&f, "cut", NULL)};
    const real *frozen[] = {fixture_reals(&f, "frozen_images", NULL), fixture_reals(&f, "frozen_cut", NULL)};
    const real *expected_grad[] = {named(&f, name, "gimages"), named(&f, name, "gcut")};
    const real *values = named(&f, name, "values");
    const int32_t *raw_labels = fixture_raw(&f, "labels", sizeof *raw_labels, NULL);
    size_t labels[IMAGES];
    real grad[IMAGES * EMBED], grad_prompts[CLASSES * TEMPLATES * EMBED], log_p[IMAGES * CLASSES];
    for (size_t i = 0; i < IMAGES; i++) labels[i] = (size_t)raw_labels[i];

    ck_ok(orthsr__objective_new(&anchor, CLASSES, FROZEN_TEMPLATES, EMBED, IMAGES, &error));
    ck_ok(orthsr__objective_new(&objective, CLASSES, TEMPLATES, EMBED, tile, &error));
    objective.scale = anchor.scale = 6;
    objective.temperature = anchor.temperature = temperatures[temperature];
    objective.direction = (orthsr_kl_direction)direction;
    objective.reduction = (orthsr_kl_reduction)reduction;
    objective.confidence = confidence;
    objective.kl_factor = kl_factor;
    objective.term[ORTHSR__WHOLE] = (orthsr__term){.ce_weight = 1, .kl_weight = 1.5};
    objective.term[ORTHSR__CUT] = (orthsr__term){.ce_weight = 0.8f, .kl_weight = 1.25};
    orthsr__objective_begin(&anchor, fixture_reals(&f, "frozen_prompts", NULL));
    orthsr__objective_begin(&objective, fixture_reals(&f, "prompts", NULL));
    for (orthsr__part part = 0; part < ORTHSR__PARTS; part++) {
        orthsr__objective_log_probabilities(&anchor, log_p, frozen[part], IMAGES);
        for (size_t i = 0; i < IMAGES; i += tile) {
            size_t n = IMAGES - i < tile ? IMAGES - i : tile;
            orthsr__objective_tile(&objective, part, grad + i * EMBED, images[part] + i * EMBED, labels + i, log_p + i * CLASSES, n, IMAGES);
        }
        ck_assert_double_le(max_relative_real(grad, expected_grad[part], IMAGES * EMBED), 5e-6);
        ck_close(objective.sums[part].ce / IMAGES, values[1 + 2 * part], 2e-6);
        ck_close(objective.sums[part].kl / IMAGES, values[2 + 2 * part], 2e-6 * temperatures[temperature] * temperatures[temperature]);
    }
    ck_close(orthsr__objective_loss(&objective, IMAGES), values[0], 2e-6 * (double)values[0]);
    orthsr__objective_end(&objective, grad_prompts);
    ck_assert_double_le(max_relative_real(grad_prompts, named(&f, name, "gprompts"), CLASSES * TEMPLATES * EMBED), 5e-6);
    orthsr__objective_free(&objective);
    orthsr__objective_free(&anchor);
    fixture_close(&f);
}

/* i: three bits, direction, reduction and temperature. */
static void check_case(size_t tile, int i) {
    int direction = i >> 2, reduction = i >> 1 & 1, temperature = i & 1;
    char name[8];
    snprintf(name, sizeof name, "%d%d%d", direction, reduction, temperature);
    check(tile, name, direction, reduction, temperature, false, 1);
}

START_TEST(as_in_pytorch) { check_case(IMAGES, _i); }
END_TEST
START_TEST(in_tiles) { check_case(2, _i); }
END_TEST
START_TEST(by_confidence_and_annealed) { check(2, "confidence", 0, 0, 0, true, 0.3); }
END_TEST

static TCase *all(void) {
    TCase *tc = tcase_create("the complete loss");
    tcase_add_loop_test(tc, as_in_pytorch, 0, 8);
    tcase_add_loop_test(tc, in_tiles, 0, 8);
    tcase_add_test(tc, by_confidence_and_annealed);
    return tc;
}
TEST_MAIN("objective", all)
