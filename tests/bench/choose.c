/* choose.c - how the demo's settings were chosen: accuracy on held-out images of the base classes, never on test images or new classes.
 *
 * For each learning rate and KL weight: 16 shots of each base class (seeds 1, 2, 3) train the adapter; 50 further training images of each base class
 * measure it. The demo takes the better KL weight from here, and the rate 0.01 / block size, twice the library's default: higher rates gain a little on
 * held-out base images, which cannot show what new classes lose.
 *
 * usage: build/bench/choose [BLOCK_SIZE] [EPOCHS]        (0: the default 4 blocks per map)
 */
#include "bench.h"

#include <math.h>

#include "../../examples/demo/fashion.h"

enum { BASE = 5, SHOTS = 16, HELD_OUT = 50, SEEDS = 3 };

static const char *const template = "a photo of a {}.";

static double accuracy(const orthsr_model *model, const orthsr_adapter *adapter, const orthsr_dataset *part) {
    orthsr_session *session;
    orthsr_evaluation *evaluation;
    must(orthsr_session_new(&session, model, adapter, &error));
    must(orthsr_evaluate(&evaluation, session, part, &template, 1, NULL, NULL, &error));
    double result = orthsr_evaluation_accuracy(evaluation);
    orthsr_evaluation_free(evaluation);
    orthsr_session_free(session);
    return result;
}

/* Held-out accuracy of one run. */
static double run(const orthsr_model *model, const orthsr_dataset *shots, const orthsr_dataset *held_out, size_t block, size_t epochs, float lr, float kl,
                  uint64_t seed) {
    orthsr_adapter_options *adapter_options;
    orthsr_trainer_options *options;
    orthsr_adapter *adapter;
    orthsr_trainer *trainer;
    must(orthsr_adapter_options_new(&adapter_options, &error));
    if (block) must(orthsr_adapter_options_set_block_size(adapter_options, block, &error));
    must(orthsr_model_adapter(model, &adapter, adapter_options, &error));
    must(orthsr_trainer_options_new(&options, &error));
    must(orthsr_trainer_options_set_learning_rate(options, lr, &error));
    must(orthsr_trainer_options_set_kl_weight(options, kl, &error));
    must(orthsr_trainer_options_set_epochs(options, epochs, &error));
    must(orthsr_trainer_options_set_batch_size(options, 0, &error));
    must(orthsr_trainer_options_set_seed(options, seed, &error));
    must(orthsr_trainer_new(&trainer, model, adapter, shots, options, &error));
    must(orthsr_trainer_run(trainer, NULL, NULL, &error));
    double result = accuracy(model, adapter, held_out);
    orthsr_trainer_free(trainer);
    orthsr_trainer_options_free(options);
    orthsr_adapter_free(adapter);
    orthsr_adapter_options_free(adapter_options);
    return result;
}

int main(int argc, char **argv) {
    size_t block = argc > 1 ? strtoul(argv[1], NULL, 10) : 32, epochs = argc > 2 ? strtoul(argv[2], NULL, 10) : 60;
    const float rates[] = {1e-4f, 3e-4f, 1e-3f}, weights[] = {0.5f, 1.0f};
    orthsr_model *model;
    orthsr_dataset *train, *shots[SEEDS], *held_out[SEEDS], *drawn[SEEDS], *rest[SEEDS], *more[SEEDS];
    must(orthsr_model_open(&model, "examples/data/mini", &error));
    must(fashion_open(&train, "/usr/share/datasets/fashion-mnist", "train", 0, &error));
    for (size_t s = 0; s < SEEDS; s++) {
        must(orthsr_dataset_draw(&drawn[s], &rest[s], train, SHOTS, s + 1, &error));
        must(orthsr_dataset_draw(&more[s], NULL, rest[s], HELD_OUT, s + 1, &error));
        must(orthsr_dataset_select(&shots[s], drawn[s], 0, BASE, &error));
        must(orthsr_dataset_select(&held_out[s], more[s], 0, BASE, &error));
    }
    double zero_shot = 0;
    for (size_t s = 0; s < SEEDS; s++) zero_shot += accuracy(model, NULL, held_out[s]) / SEEDS;
    printf("held-out base accuracy, zero-shot %.2f %%\n", 100 * zero_shot);
    for (size_t w = 0; w < sizeof weights / sizeof *weights; w++)
        for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
            double mean = 0;
            for (size_t s = 0; s < SEEDS; s++) mean += run(model, shots[s], held_out[s], block, epochs, rates[r], weights[w], s + 1) / SEEDS;
            printf("kl weight %.1f  learning rate %-8g  %.2f %%  standard error %.2f\n", (double)weights[w], (double)rates[r], 100 * mean,
                   100 * sqrt(mean * (1 - mean) / (SEEDS * BASE * HELD_OUT)));
            fflush(stdout);
        }
    for (size_t s = 0; s < SEEDS; s++) {
        orthsr_dataset *const sets[] = {held_out[s], shots[s], more[s], rest[s], drawn[s]};
        for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) orthsr_dataset_free(sets[i]);
    }
    orthsr_dataset_free(train);
    orthsr_model_free(model);
    return 0;
}
