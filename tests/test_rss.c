/* test_rss.c - training steps on orthsr-mini, everything made and released for each: the memory of the process does not grow. ORTHSR_TEST_FULL: 1,000 of them.
 */
#include <malloc.h>
#include <stdint.h>

#include "util/check.h"

static orthsr_error error;

enum { CLASSES = 2, SIDE = 28 };

/* KiB of this process in memory, without what malloc keeps to give out again. */
static long resident(void) {
    long pages = 0;
    malloc_trim(0);
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert(file && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Model, data, adapter, prompt, options, trainer; a step; nothing is kept. The loss. */
static double one_step(void) {
    static const char *const names[CLASSES] = {"shirt", "bag"};
    static uint8_t pixels[CLASSES * SIDE * SIDE];
    const int32_t labels[CLASSES] = {0, 1};
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * i >> 4);
    orthsr_model *model;
    orthsr_dataset *dataset;
    orthsr_adapter *adapter;
    orthsr_prompt *prompt;
    orthsr_trainer_options *options;
    orthsr_trainer *trainer;
    ck_ok(orthsr_model_open(&model, "examples/data/mini", &error));
    ck_ok(orthsr_dataset_new(&dataset, pixels, CLASSES, SIDE, SIDE, 1, labels, names, CLASSES, &error));
    ck_ok(orthsr_model_adapter(model, &adapter, NULL, &error));
    ck_ok(orthsr_prompt_new(&prompt, model, NULL, &error));
    ck_ok(orthsr_trainer_options_new(&options, &error));
    ck_ok(orthsr_trainer_options_set_cutout(options, ORTHSR_CUTOUT_ATTENTIVE, &error));
    ck_ok(orthsr_trainer_options_set_augmentation(options, ORTHSR_AUGMENT_STANDARD, &error));
    ck_ok(orthsr_trainer_options_set_threads(options, 2, &error));
    ck_ok(orthsr_trainer_new_with_prompt(&trainer, model, adapter, prompt, dataset, options, &error));
    ck_ok(orthsr_trainer_step(trainer, &error));
    double loss = orthsr_trainer_metric(trainer, ORTHSR_METRIC_LOSS);
    orthsr_trainer_free(trainer);
    orthsr_trainer_options_free(options);
    orthsr_prompt_free(prompt);
    orthsr_adapter_free(adapter);
    orthsr_dataset_free(dataset);
    orthsr_model_free(model);
    return loss;
}

/* Observed over 1,000: +152 KiB on 4,276. Steps that each lost 4 KiB would be at 4 MiB. */
START_TEST(memory_does_not_grow) {
    enum { WARM = 10, BOUND = 1024 /* KiB */ };
    if (short_run()) return; /* valgrind's own memory would count, and a step of this model takes it a minute */
    int steps = getenv("ORTHSR_TEST_FULL") ? 1000 : 60;
    long before = 0, most = 0;
    double loss = one_step();
    for (int i = 1; i <= steps; i++) {
        ck_assert_double_eq(one_step(), loss);
        if (i == WARM) before = resident();
        if (i > WARM && resident() > most) most = resident();
    }
    printf("rss: %d steps, each with everything made anew: %ld KiB, then at most %+ld KiB\n", steps, before, most - before);
    fflush(stdout);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which keep what is released for a while */
    ck_assert_int_le(most - before, BOUND);
#endif
}
END_TEST

static TCase *rss_case(void) {
    TCase *tcase = tcase_create("rss");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, memory_does_not_grow);
    return tcase;
}

TEST_MAIN("memory over time", rss_case)
