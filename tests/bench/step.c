/* step.c - how long the parts of the work take on a model: min and median over repetitions, after one warm-up.
 *
 * usage: build/bench/step [MODEL] [IMAGES] [REPETITIONS]        (default examples/data/mini 80 15)
 */
#include "bench.h"

#include <string.h>

static void report(const char *what, double *seconds, size_t n, double per_call) {
    qsort(seconds, n, sizeof *seconds, ascending);
    printf("%-28s min %9.3f ms  median %9.3f ms  %10.1f /s\n", what, 1e3 * seconds[0], 1e3 * seconds[n / 2], per_call / seconds[0]);
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "examples/data/mini";
    size_t images = argc > 2 ? strtoul(argv[2], NULL, 10) : 80, repetitions = argc > 3 ? strtoul(argv[3], NULL, 10) : 15;
    orthsr_model *model;
    orthsr_session *session;
    double *seconds = calloc(repetitions, sizeof *seconds);
    if (!seconds || images == 0 || repetitions == 0) return 2;

    double start = now();
    must(orthsr_model_open(&model, path, &error));
    printf("%-28s     %9.3f ms\n", "open", 1e3 * (now() - start));
    must(orthsr_session_new(&session, model, NULL, &error));

    size_t size = orthsr_model_image_size(model), embed = orthsr_model_embed_dim(model), image = 3 * size * size;
    float *pixels = malloc(images * image * sizeof *pixels), *features = malloc(images * embed * sizeof *features);
    unsigned char *bytes = malloc(images * image);
    int32_t *labels = malloc(images * sizeof *labels);
    if (!pixels || !features || !bytes || !labels) return 1;
    for (size_t i = 0; i < images * image; i++) {
        bytes[i] = (unsigned char)(i * 2654435761u >> 24);
        pixels[i] = (float)bytes[i] / 128 - 1;
    }
    for (size_t i = 0; i < images; i++) labels[i] = (int32_t)(i % 5);
    for (size_t i = 0; i <= repetitions; i++) {
        start = now();
        must(orthsr_session_encode_pixels(session, features, pixels, images, &error));
        if (i) seconds[i - 1] = now() - start;
    }
    report("image features", seconds, repetitions, (double)images);

    const char *names[] = {"dress", "coat", "sandal", "shirt", "bag"}, *template = "a photo of a {}.";
    if (orthsr_model_tokenizer(model)) {
        orthsr_dataset *dataset;
        orthsr_adapter *adapter;
        orthsr_trainer *trainer;
        orthsr_trainer_options *options;
        for (size_t i = 0; i <= repetitions; i++) {
            start = now();
            must(orthsr_session_encode_classes(session, features, names, 5, &template, 1, &error));
            if (i) seconds[i - 1] = now() - start;
        }
        report("class features (5 prompts)", seconds, repetitions, 5);
        must(orthsr_dataset_new(&dataset, bytes, images, size, size, 3, labels, names, 5, &error));
        must(orthsr_model_adapter(model, &adapter, NULL, &error));
        must(orthsr_trainer_options_new(&options, &error));
        must(orthsr_trainer_options_set_batch_size(options, 0, &error));
        must(orthsr_trainer_options_set_epochs(options, repetitions + 1, &error));
        must(orthsr_trainer_new(&trainer, model, adapter, dataset, options, &error));
        for (size_t i = 0; i <= repetitions; i++) {
            start = now();
            must(orthsr_trainer_step(trainer, &error));
            if (i) seconds[i - 1] = now() - start;
        }
        report("OrthSR step, fc1 fc2, r = 4", seconds, repetitions, (double)images);
        orthsr_trainer_free(trainer);
        orthsr_trainer_options_free(options);
        orthsr_adapter_free(adapter);
        orthsr_dataset_free(dataset);
    }
    free(seconds);
    free(pixels);
    free(features);
    free(bytes);
    free(labels);
    orthsr_session_free(session);
    orthsr_model_free(model);
    return 0;
}
