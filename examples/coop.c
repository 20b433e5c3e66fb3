/* coop.c - learn the words around a class's name (CoOp) instead of writing a prompt, and use them for classes they were not learned from.
 *
 *     cc coop.c $(pkg-config --cflags --libs orthsr) -o coop
 *     ./coop my-clip my-images out
 *
 * my-clip    a directory with a CLIP checkpoint and its vocabulary
 * my-images  train/<class>/<image> and test/<class>/<image>, JPEG or PNG
 * out        receives prompt.safetensors: 4 vectors
 *
 * A prompt's words before the class name are vectors, random at first, and trained on a few images of the first half of the classes;
 * the model stays as it is. Prints the accuracy on both halves with a written prompt and with the learned one.
 *
 * run: $model $images $out
 */
#include <stdio.h>
#include <stdlib.h>

#include <orthsr/orthsr.h>

#define WORDS 4 /* learned ones */
#define SHOTS 16
#define EPOCHS 50 /* CoOp has 200 for 16 shots */
#define SEED 1

/* Every call that can fail returns a status and leaves a message that says what, where and what to do. Here that ends the program. */
static orthsr_error error;
static void check(orthsr_status status) {
    if (status == ORTHSR_OK) return;
    fprintf(stderr, "coop: %s\n", error.message);
    exit(EXIT_FAILURE);
}

/* After each epoch; returning non-zero would stop the run. */
static int show_step(const orthsr_trainer *trainer, void *payload) {
    size_t step = orthsr_trainer_step_count(trainer), steps_per_epoch = orthsr_trainer_step_total(trainer) / EPOCHS;
    (void)payload;
    if (step % steps_per_epoch == 0)
        fprintf(stderr, "epoch %zu of %d: loss %.4f\n", step / steps_per_epoch, EPOCHS, orthsr_trainer_metric(trainer, ORTHSR_METRIC_LOSS));
    return 0;
}

/* Accuracy with class features from the learned prompt, or with prompt NULL from a written one. */
static double measure(orthsr_session *session, const orthsr_prompt *prompt, const orthsr_dataset *images) {
    static const char *const written[] = {"a photo of a {}."};
    orthsr_evaluation *evaluation;
    check(orthsr_session_set_prompt(session, prompt, &error));
    check(orthsr_evaluate(&evaluation, session, images, written, 1, NULL, NULL, &error));
    double accuracy = orthsr_evaluation_accuracy(evaluation);
    orthsr_evaluation_free(evaluation);
    return accuracy;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: coop MODEL IMAGES OUT\n");
        return 2;
    }
    orthsr_model *model;
    orthsr_dataset *train, *test, *drawn, *shots, *test_base, *test_new;
    check(orthsr_model_open(&model, argv[1], &error));
    check(orthsr_dataset_open(&train, argv[2], "train", &error));
    check(orthsr_dataset_open(&test, argv[2], "test", &error));

    /* Base to new: shots of the first half of the classes are learned from, the other half is for testing alone. */
    size_t classes = orthsr_dataset_class_count(train), base = (classes + 1) / 2;
    check(orthsr_dataset_draw(&drawn, NULL, train, SHOTS, SEED, &error));
    check(orthsr_dataset_select(&shots, drawn, 0, base, &error));
    check(orthsr_dataset_select(&test_base, test, 0, base, &error));
    check(orthsr_dataset_select(&test_new, test, base, classes - base, &error));

    /* One context for all classes, which so serves classes it never saw. It could also begin as words (set_init), or be one for each class (set_classes). */
    orthsr_prompt_options *prompt_options;
    orthsr_prompt *prompt;
    check(orthsr_prompt_options_new(&prompt_options, &error));
    check(orthsr_prompt_options_set_words(prompt_options, WORDS, &error));
    check(orthsr_prompt_options_set_seed(prompt_options, SEED, &error));
    check(orthsr_prompt_new(&prompt, model, prompt_options, &error));
    printf("%zu vectors of %zu values, %zu images of %zu classes\n", orthsr_prompt_words(prompt), orthsr_prompt_width(prompt), orthsr_dataset_count(shots),
           base);

    /* Without an adapter (NULL) the prompt alone is trained, and the images pass through the model once. */
    orthsr_trainer_options *options;
    orthsr_trainer *trainer;
    check(orthsr_trainer_options_new(&options, &error));
    check(orthsr_trainer_options_set_method(options, ORTHSR_METHOD_COOP, &error));
    check(orthsr_trainer_options_set_epochs(options, EPOCHS, &error));
    check(orthsr_trainer_options_set_seed(options, SEED, &error));
    check(orthsr_trainer_new_with_prompt(&trainer, model, NULL, prompt, shots, options, &error));
    check(orthsr_trainer_run(trainer, show_step, NULL, &error));

    orthsr_session *session;
    check(orthsr_session_new(&session, model, NULL, &error));
    printf("accuracy on the classes learned from  %.2f %% with a written prompt, %.2f %% with the learned one\n", 100 * measure(session, NULL, test_base),
           100 * measure(session, prompt, test_base));
    printf("accuracy on the others                %.2f %% with a written prompt, %.2f %% with the learned one\n", 100 * measure(session, NULL, test_new),
           100 * measure(session, prompt, test_new));

    check(orthsr_prompt_save(prompt, argv[3], &error));
    printf("prompt: %s/prompt.safetensors\n", argv[3]);

    /* The users before the used. */
    orthsr_session_free(session);
    orthsr_trainer_free(trainer);
    orthsr_trainer_options_free(options);
    orthsr_prompt_free(prompt);
    orthsr_prompt_options_free(prompt_options);
    orthsr_dataset_free(test_new);
    orthsr_dataset_free(test_base);
    orthsr_dataset_free(shots);
    orthsr_dataset_free(drawn);
    orthsr_dataset_free(test);
    orthsr_dataset_free(train);
    orthsr_model_free(model);
    return EXIT_SUCCESS;
}
