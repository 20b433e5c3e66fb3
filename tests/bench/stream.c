/* stream.c - data that do not fit into memory: opening a manifest of millions of lines, reading items of it, and how much of the decoding of images is hidden
 * behind the computing.
 *
 * usage: build/bench/stream [LINES [MODEL IMAGES]]     (default: 10,000,000 lines, examples/data/mini and examples/data/clothes/bag.png)
 * IMAGES: a JPEG or PNG file, embedded again and again. Computing has one thread and reading another, so two processors are wanted.
 */
#include "bench.h"

#include <string.h>
#include <unistd.h>

enum { IMAGES = 200, BATCH = 8, ROUNDS = 5 };

static void open_long(const char *path, size_t lines) {
    FILE *file = fopen(path, "w");
    if (!file) perror(path), exit(1);
    for (size_t i = 0; i < lines; i++) fprintf(file, "shard-%05zu/images/%08zu.jpg\tclass number %zu\n", i / 10000, i, i * 7919 % 1000);
    if (fclose(file) != 0) perror(path), exit(1);
    orthsr_dataset *dataset;
    long before = memory("VmRSS:");
    double start = now();
    must(orthsr_dataset_open(&dataset, path, NULL, &error));
    double opened = now() - start;
    long after = memory("VmHWM:"); /* at its highest */
    start = now();
    for (size_t i = 0; i < 100000; i++)
        if (orthsr_dataset_label(dataset, i * 104729 % lines) == (size_t)-1) exit(1);
    printf("manifest of %zu lines: opened in %.2f s, %.1f MiB of memory more at most; an item %.1f us\n", lines, opened, (double)(after - before) / 1024,
           1e6 * (now() - start) / 100000);
    orthsr_dataset_free(dataset);
    remove(path);
}

/* Seconds for IMAGES images: read (decode) and computed (compute), by so many readers. */
static double pass(const orthsr_dataset *dataset, const orthsr_model *model, orthsr_session *session, size_t readers, int decode, int compute) {
    size_t side = orthsr_model_image_size(model), n = BATCH;
    static float *pixels, *features;
    orthsr_reader *reader;
    if (!pixels) pixels = calloc(BATCH, 3 * side * side * sizeof *pixels), features = calloc(BATCH, orthsr_model_embed_dim(model) * sizeof *features);
    double start = now();
    must(orthsr_reader_new(&reader, dataset, model, 0, IMAGES, &error));
    must(orthsr_reader_set_threads(reader, readers, &error));
    for (size_t i = 0; i < IMAGES; i += BATCH) {
        if (decode) must(orthsr_reader_next(reader, pixels, NULL, BATCH, &n, &error));
        if (compute) must(orthsr_session_encode_pixels(session, features, pixels, n, &error));
    }
    orthsr_reader_free(reader);
    return now() - start;
}

static double least(double a, double b) { return b < a ? b : a; }

static void hide(const char *list, const char *model_path, const char *image) {
    char folder[4096], *slash = NULL;
    if (!realpath(image, folder)) perror(image), exit(1);
    FILE *file = fopen(list, "w");
    if (!file) perror(list), exit(1);
    char link[4200];
    snprintf(link, sizeof link, "%s.image", list);
    slash = strrchr(link, '/');
    unlink(link);
    if (symlink(folder, link) != 0) perror(link), exit(1);
    for (size_t i = 0; i < IMAGES; i++) fprintf(file, "%s\tan image\n", slash + 1);
    fclose(file);
    orthsr_model *model;
    orthsr_session *session;
    orthsr_dataset *dataset;
    must(orthsr_model_open(&model, model_path, &error));
    must(orthsr_session_new(&session, model, NULL, &error));
    must(orthsr_session_set_threads(session, 1, &error));
    must(orthsr_dataset_open(&dataset, list, NULL, &error));
    double decode = 1e9, compute = 1e9, both = 1e9, one_by_one = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        decode = least(decode, pass(dataset, model, session, 0, 1, 0));
        compute = least(compute, pass(dataset, model, session, 0, 0, 1));
        one_by_one = least(one_by_one, pass(dataset, model, session, 0, 1, 1));
        both = least(both, pass(dataset, model, session, 1, 1, 1));
    }
    printf("%d images: reading and decoding %.1f ms each, computing %.1f, one after the other %.1f, side by side %.1f: %.0f %% of the decoding is hidden\n",
           IMAGES, 1e3 * decode / IMAGES, 1e3 * compute / IMAGES, 1e3 * one_by_one / IMAGES, 1e3 * both / IMAGES, 100 * (1 - (both - compute) / decode));
    orthsr_dataset_free(dataset);
    orthsr_session_free(session);
    orthsr_model_free(model);
    remove(link);
    remove(list);
}

int main(int argc, char **argv) {
    char directory[] = "/tmp/orthsr-stream-XXXXXX", path[64];
    if (!mkdtemp(directory)) perror(directory), exit(1);
    snprintf(path, sizeof path, "%s/list.tsv", directory);
    open_long(path, argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 10000000);
    hide(path, argc > 2 ? argv[2] : "examples/data/mini", argc > 3 ? argv[3] : "examples/data/clothes/bag.png");
    return rmdir(directory) != 0;
}
