/* few_shot.c - the whole line in one program: adapt a CLIP to your classes from 16 images of each, measure it, merge it.
 *
 *     cc few_shot.c $(pkg-config --cflags --libs orthsr) -o few_shot
 *     ./few_shot my-clip my-images out
 *
 * my-clip    a directory with a CLIP checkpoint (open_clip, Hugging Face or OpenAI names, .safetensors)
 * my-images  train/<class>/<image> and test/<class>/<image>, JPEG or PNG
 * out        receives adapter.safetensors and, in merged/, the adapted checkpoint
 *
 * run: $model $images $out
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <orthsr/orthsr.h>

#define SHOTS 16 /* images per class to learn from */
#define SEED 1   /* which ones are drawn, and the order they are seen in */

/* Every call that can fail returns a status and leaves a message that says what, where and what to do. Here that ends the program. */
static orthsr_error error;
static void check(orthsr_status status) {
    if (status == ORTHSR_OK) return;
    fprintf(stderr, "few_shot: %s\n", error.message);
    exit(EXIT_FAILURE);
}

/* Called after each training step; returning non-zero would stop the run. */
static int show_step(const orthsr_trainer *trainer, void *payload) {
    (void)payload;
    fprintf(stderr, "step %zu of %zu: loss %.4f, %.0f %% of the batch right\n", orthsr_trainer_step_count(trainer), orthsr_trainer_step_total(trainer),
            orthsr_trainer_metric(trainer, ORTHSR_METRIC_LOSS), 100 * orthsr_trainer_metric(trainer, ORTHSR_METRIC_BATCH_ACCURACY));
    return 0;
}

/* Accuracy on images that were not learned from. A class is described by the prompt with its folder's name in it. adapter NULL: the model as it was. */
static double measure(const orthsr_model *model, const orthsr_adapter *adapter, const orthsr_dataset *test) {
    static const char *const templates[] = {"a photo of a {}."};
    orthsr_session *session; /* the working memory of one thread; any number of sessions may share a model */
    orthsr_evaluation *evaluation;
    check(orthsr_session_new(&session, model, adapter, &error));
    check(orthsr_evaluate(&evaluation, session, test, templates, 1, NULL, NULL, &error));
    double accuracy = orthsr_evaluation_accuracy(evaluation);
    orthsr_evaluation_free(evaluation);
    orthsr_session_free(session);
    return accuracy;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: few_shot MODEL IMAGES OUT\n");
        return 2;
    }
    const char *model_path = argv[1], *images = argv[2], *out = argv[3];

    /* 1. The pretrained model. It is never changed; float32 weights are used where the file is mapped. */
    orthsr_model *model;
    check(orthsr_model_open(&model, model_path, &error));
    printf("%s: %zu parameters, %zu x %zu pixels\n", model_path, orthsr_model_parameter_count(model), orthsr_model_image_size(model),
           orthsr_model_image_size(model));

    /* 2. The images: a few of each class to learn from, others to be tested on. A class with fewer than SHOTS gives all it has. */
    orthsr_dataset *train, *shots, *test;
    check(orthsr_dataset_open(&train, images, "train", &error));
    check(orthsr_dataset_open(&test, images, "test", &error));
    check(orthsr_dataset_draw(&shots, NULL, train, SHOTS, SEED, &error));
    printf("%zu images of %zu classes to learn from, %zu to be tested on\n", orthsr_dataset_count(shots), orthsr_dataset_class_count(shots),
           orthsr_dataset_count(test));

    /* 3. The adapter: one orthogonal matrix on the input side of each adapted map, here both maps of every MLP. It starts at the identity,
     *    so it changes nothing yet. orthsr_adapter_options chooses other maps, towers or block sizes; NULL takes the defaults. */
    orthsr_adapter *adapter;
    check(orthsr_model_adapter(model, &adapter, NULL, &error));
    double before = measure(model, NULL, test);

    /* 4. Training: cross-entropy on the shots, and the frozen model as an anchor (a KL term) that keeps what CLIP knew. */
    orthsr_trainer_options *options;
    orthsr_trainer *trainer;
    check(orthsr_trainer_options_new(&options, &error));
    check(orthsr_trainer_options_set_seed(options, SEED, &error));
    check(orthsr_trainer_new(&trainer, model, adapter, shots, options, &error));
    check(orthsr_trainer_run(trainer, show_step, NULL, &error));
    printf("accuracy %.2f %% before, %.2f %% after\n", 100 * before, 100 * measure(model, adapter, test));

    /* 5. What to keep: the adapter is small and goes on top of the model; the merged checkpoint has the same files, names and dtypes as the
     *    model's, so any CLIP program opens it as if nothing had happened. */
    char path[4096];
    double deviation;
    mkdir(out, 0777);
    snprintf(path, sizeof path, "%s/adapter.safetensors", out);
    check(orthsr_adapter_save(adapter, path, orthsr_model_fingerprint(model), &error));
    printf("adapter: %s, %zu parameters\n", path, orthsr_adapter_parameter_count(adapter));
    snprintf(path, sizeof path, "%s/merged", out);
    check(orthsr_model_merge(model, adapter, path, &deviation, &error));
    printf("merged model: %s, rounded by at most %.2g\n", path, deviation);

    /* What was opened is freed, the users before the used. */
    orthsr_trainer_free(trainer);
    orthsr_trainer_options_free(options);
    orthsr_adapter_free(adapter);
    orthsr_dataset_free(shots);
    orthsr_dataset_free(test);
    orthsr_dataset_free(train);
    orthsr_model_free(model);
    return EXIT_SUCCESS;
}
