/* method.c - the comparison tables: every arm trained on the shots of every data set and seed, and measured.
 *
 * The file's columns: data set, arm, seed, base, new, H, all (0 to 1), base images, new images, seconds. tests/bench/method.awk makes a table of it.
 *
 * An arm is a line of options of `orthsr train` after a name (tests/bench/arms/). A run's line goes to the CSV file as soon as it is known, and what
 * is there already is not run again, so a table can be interrupted, and made by several processes that take different seeds.
 *
 * Measured: base images among base classes, new ones among the new, H; and all among all classes. With --held-out nothing of the new classes and no test
 * image takes part: the base half is halved again, the first part (rounded up) is trained on, and the images measured are those of the training part
 * that were not drawn. Settings are chosen so.
 *
 * usage: build/bench/method --model M --data D... --arms FILE --out F.csv [--seeds 1,2,3] [--shots 16] [--image-size N] [--held-out]
 */
#include "bench.h"

#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "../../examples/demo/fashion.h"
#include "../../examples/orthsr/train_setup.h"

enum { MOST = 128, LINE = 512, NAME = 512 };

static const char *const template = "a photo of a {}.";

/* ---- arms --------------------------------------------------------------------------------------------------------------------------- */

/* A way of training: what `orthsr train` would make of its options. */
typedef struct arm {
    char name[LINE];
    train_setup setup;
} arm;

const command commands[] = {{.name = "train", .bit = TRAIN}, {0}}; /* those that the options' table is asked about */

/* "name: --option value ..." */
static void read_arm(arm *a, const char *line, const char *shots) {
    const char *colon = strchr(line, ':');
    char text[2 * LINE], *argv[LINE];
    int argc = 0;
    settings s;
    if (!colon) {
        fprintf(stderr, "an arm is 'name: --option value ...', not '%s'\n", line);
        exit(2);
    }
    snprintf(a->name, sizeof a->name, "%.*s", (int)(colon - line), line);
    snprintf(text, sizeof text, "train --model - --data - --out - --shots %.16s %s", shots, colon + 1);
    for (char *word = strtok(text, " \t\n"); word; word = strtok(NULL, " \t\n")) argv[argc++] = word;
    optind = 0; /* getopt begins anew */
    if (settings_parse(&s, &commands[0], argc, argv) || train_setup_new(&a->setup, &s)) exit(2);
    settings_free(&s);
}

static size_t read_arms(arm *arms, const char *path, const char *shots) {
    char line[LINE];
    size_t n = 0;
    FILE *f = fopen(path, "r");
    if (!f) {
        perror(path);
        exit(2);
    }
    while (n < MOST && fgets(line, sizeof line, f))
        if (line[0] != '#' && line[0] != '\n') read_arm(&arms[n++], line, shots);
    fclose(f);
    return n;
}

/* ---- data --------------------------------------------------------------------------------------------------------------------------- */

/* One data set under one seed. */
typedef struct scene {
    orthsr_dataset *train, *test;         /* whole */
    orthsr_dataset *drawn, *rest, *shots; /* of train; shots: of the classes that are trained on */
    orthsr_dataset *measured;             /* images that are measured, of the classes that take part */
    size_t classes, base;                 /* that take part, and the first of them that are trained on */
    float *pixels;                        /* (items of measured, 3, size, size) */
} scene;

static void open_scene(scene *s, const orthsr_model *model, const char *directory, size_t shots, uint64_t seed, bool held_out) {
    *s = (scene){0};
    bool idx = strcmp(directory, "fashion") == 0;
    static const char *const fashion = "/usr/share/datasets/fashion-mnist";
    must(idx ? fashion_open(&s->train, fashion, "train", 0, &error) : orthsr_dataset_open(&s->train, directory, "train", &error));
    must(idx ? fashion_open(&s->test, fashion, "t10k", 2000, &error) : orthsr_dataset_open(&s->test, directory, "test", &error));
    must(orthsr_dataset_draw(&s->drawn, &s->rest, s->train, shots, seed, &error));
    s->classes = orthsr_dataset_class_count(s->train);
    if (held_out) s->classes = (s->classes + 1) / 2;
    s->base = (s->classes + 1) / 2;
    if (s->classes > MOST) {
        fprintf(stderr, "%s has more than %d classes\n", directory, MOST);
        exit(2);
    }
    must(orthsr_dataset_select(&s->shots, s->drawn, 0, s->base, &error));
    must(orthsr_dataset_select(&s->measured, held_out ? s->rest : s->test, 0, s->classes, &error));
    size_t n = orthsr_dataset_count(s->measured), size = orthsr_model_image_size(model), image = 3 * size * size;
    s->pixels = malloc(n * image * sizeof(float));
    for (size_t i = 0; i < n; i++) must(orthsr_dataset_pixels(s->measured, i, model, s->pixels + i * image, &error));
}

static void close_scene(scene *s) {
    orthsr_dataset *const sets[] = {s->measured, s->shots, s->rest, s->drawn, s->test, s->train};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) orthsr_dataset_free(sets[i]);
    free(s->pixels);
}

/* ---- one run ------------------------------------------------------------------------------------------------------------------------ */

typedef struct scores {
    double base, novel, h, all;
    size_t base_images, new_images; /* measured */
} scores;

/* Accuracy on the images labelled first ... last - 1 among these classes. */
static double among(const scene *s, const float *images, const float *classes, size_t dim, size_t first, size_t last) {
    size_t right = 0, count = 0;
    for (size_t i = 0; i < orthsr_dataset_count(s->measured); i++) {
        size_t label = orthsr_dataset_label(s->measured, i), best = first;
        if (label < first || label >= last) continue;
        float best_score = 0;
        for (size_t c = first; c < last; c++) {
            float score = 0;
            for (size_t e = 0; e < dim; e++) score += images[i * dim + e] * classes[c * dim + e];
            if (c == first || score > best_score) {
                best_score = score;
                best = c;
            }
        }
        right += best == label;
        count++;
    }
    return (double)right / (double)count;
}

static scores measure(const orthsr_model *model, const orthsr_adapter *adapter, const orthsr_prompt *prompt, const scene *s) {
    size_t n = orthsr_dataset_count(s->measured), dim = orthsr_model_embed_dim(model);
    float *images = malloc(n * dim * sizeof *images), *classes = malloc(s->classes * dim * sizeof *classes); /* (n, dim), (classes, dim) */
    const char *names[MOST];
    orthsr_session *session;
    for (size_t c = 0; c < s->classes; c++) names[c] = orthsr_dataset_class_name(s->measured, c);
    must(orthsr_session_new(&session, model, adapter, &error));
    must(orthsr_session_set_prompt(session, prompt, &error));
    must(orthsr_session_encode_pixels(session, images, s->pixels, n, &error));
    must(orthsr_session_encode_classes(session, classes, names, s->classes, &template, 1, &error));
    scores result = {.base = among(s, images, classes, dim, 0, s->base),
                     .novel = among(s, images, classes, dim, s->base, s->classes),
                     .all = among(s, images, classes, dim, 0, s->classes)};
    for (size_t i = 0; i < n; i++) result.base_images += orthsr_dataset_label(s->measured, i) < s->base;
    result.new_images = n - result.base_images;
    result.h = orthsr_harmonic_mean(result.base, result.novel);
    orthsr_session_free(session);
    free(images);
    free(classes);
    return result;
}

static scores run(const orthsr_model *model, const arm *a, const scene *s, uint64_t seed) {
    orthsr_adapter *adapter = NULL;
    orthsr_prompt *prompt = NULL;
    orthsr_trainer *trainer;
    must(orthsr_trainer_options_set_seed(a->setup.trainer, seed, &error));
    if (a->setup.method != METHOD_COOP) must(orthsr_model_adapter(model, &adapter, a->setup.adapter, &error));
    if (a->setup.method != METHOD_ORTHSR) must(orthsr_prompt_new(&prompt, model, a->setup.prompt, &error));
    must(orthsr_trainer_new_with_prompt(&trainer, model, adapter, prompt, s->shots, a->setup.trainer, &error));
    scores result = {NAN, NAN, NAN, NAN, 0, 0};
    if (orthsr_trainer_run(trainer, NULL, NULL, &error)) fprintf(stderr, "%s: %s\n", a->name, error.message); /* a rate that is too large ends so */
    else result = measure(model, adapter, prompt, s);
    orthsr_trainer_free(trainer);
    orthsr_adapter_free(adapter);
    orthsr_prompt_free(prompt);
    return result;
}

/* ---- the file ----------------------------------------------------------------------------------------------------------------------- */

/* "data,arm,seed," of a run. */
static void run_name(char out[NAME], const char *directory, const char *arm_name, uint64_t seed) {
    const char *slash = strrchr(directory, '/');
    snprintf(out, NAME, "%.64s,%.400s,%llu,", slash ? slash + 1 : directory, arm_name, (unsigned long long)seed);
}

static bool is_done(const char *path, const char *name) {
    char line[LINE];
    bool found = false;
    FILE *f = fopen(path, "r");
    while (f && !found && fgets(line, sizeof line, f)) found = strncmp(line, name, strlen(name)) == 0;
    if (f) fclose(f);
    return found;
}

static void write_run(const char *path, const char *name, scores r, double seconds) {
    FILE *f = fopen(path, "a");
    if (!f) {
        perror(path);
        exit(1);
    }
    fprintf(f, "%s%.6f,%.6f,%.6f,%.6f,%zu,%zu,%.1f\n", name, r.base, r.novel, r.h, r.all, r.base_images, r.new_images, seconds);
    fclose(f);
    printf("%s base %.2f new %.2f H %.2f all %.2f  (%.0f s)\n", name, 100 * r.base, 100 * r.novel, 100 * r.h, 100 * r.all, seconds);
    fflush(stdout);
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"model", required_argument, NULL, 'm'}, {"data", required_argument, NULL, 'd'},       {"arms", required_argument, NULL, 'a'},
        {"out", required_argument, NULL, 'o'},   {"seeds", required_argument, NULL, 's'},      {"shots", required_argument, NULL, 'k'},
        {"held-out", no_argument, NULL, 'h'},    {"image-size", required_argument, NULL, 'i'}, {NULL, 0, NULL, 0}};
    static arm arms[MOST];
    const char *data[MOST], *model_path = "examples/data/mini", *arms_path = NULL, *out = NULL, *seeds = "1,2,3", *shots = "16";
    size_t n_data = 0;
    bool held_out = false;
    orthsr_model_options *model_options;
    must(orthsr_model_options_new(&model_options, &error));
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'm') model_path = optarg;
        else if (c == 'd' && n_data < MOST) data[n_data++] = optarg;
        else if (c == 'a') arms_path = optarg;
        else if (c == 'o') out = optarg;
        else if (c == 's') seeds = optarg;
        else if (c == 'k') shots = optarg;
        else if (c == 'i') must(orthsr_model_options_set_image_size(model_options, strtoul(optarg, NULL, 10), &error));
        else if (c == 'h') held_out = true;
        else return 2;
    }
    if (!arms_path || !out || n_data == 0) {
        fprintf(stderr, "usage: method --model M --data D... --arms FILE --out F.csv [--seeds 1,2,3] [--shots 16] [--image-size N] [--held-out]\n");
        return 2;
    }
    size_t n_arms = read_arms(arms, arms_path, shots);
    orthsr_model *model;
    must(orthsr_model_open_with(&model, model_path, model_options, &error));
    for (const char *at = seeds; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        uint64_t seed = strtoull(at, NULL, 10);
        for (size_t d = 0; d < n_data; d++) {
            scene s;
            open_scene(&s, model, data[d], strtoul(shots, NULL, 10), seed, held_out);
            char name[NAME];
            run_name(name, data[d], "zero-shot", seed);
            if (!is_done(out, name)) write_run(out, name, measure(model, NULL, NULL, &s), 0);
            for (size_t i = 0; i < n_arms; i++) {
                run_name(name, data[d], arms[i].name, seed);
                double start = now();
                if (is_done(out, name)) continue;
                scores r = run(model, &arms[i], &s, seed);
                write_run(out, name, r, now() - start);
            }
            close_scene(&s);
        }
    }
    for (size_t i = 0; i < n_arms; i++) train_setup_free(&arms[i].setup);
    orthsr_model_free(model);
    orthsr_model_options_free(model_options);
    return 0;
}
