/* demo.c - what OrthSR does, on real images, in under two minutes.
 *
 * A small CLIP that was pretrained on upright clothes meets the same clothes under a turned camera. 16 images of each of 5 base classes adapt
 * it; the 5 new classes are never trained on. Base, New and their harmonic mean H are measured on test images: for the model as it was
 * (zero-shot), for a learned prompt (CoOp, with its own settings), for OrthSR, and for the same maps tuned without orthogonality and without the
 * anchor, each at the default learning rate and at 30 times it.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <orthsr/orthsr.h>

#include "../orthsr/page.h"
#include "../orthsr/report.h"
#include "../orthsr/terminal.h"
#include "camera.h"
#include "fashion.h"
#include "record.h"
#include "table.h"

/* ---- every setting of the demo ---- */
/* TEST_IMAGES 0: all 10,000 */
enum { SHOTS = 16, BASE_CLASSES = 5, BLOCK_SIZE = 32, EPOCHS = 60, TEST_IMAGES = 2000 };
/* AdamW, cosine: twice the library's default for this block size, which is careful of models that know more than this one. */
static const float learning_rate = 0.01F / BLOCK_SIZE;
/* Of the anchor. */
static const float kl_weight = 0.5F;
static const char *const templates[] = {"a photo of a {}."};
static const char *const context = "a photo of a"; /* that CoOp begins with */

/* The ways of tuning, in the order of the table's rows after zero-shot. */
typedef struct way {
    const char *name;
    orthsr_method method; /* ORTHSR or COOP, of which the rest is not said */
    orthsr_parametrization parametrization;
    float rate_factor;
    int anchored;
} way;
static const char *const zero_shot = "zero-shot";
enum { RECORDED = 1 }; /* the way that the page tells of, with the first seed */
static const way ways[TABLE_ROWS - 1] = {
    {.name = "CoOp", .method = ORTHSR_METHOD_COOP},
    {"OrthSR", ORTHSR_METHOD_ORTHSR, ORTHSR_CAYLEY, 1, 1},
    {"OrthSR, learning rate x 30", ORTHSR_METHOD_ORTHSR, ORTHSR_CAYLEY, 30, 1},
    {"unconstrained, no anchor", ORTHSR_METHOD_ORTHSR, ORTHSR_FREE, 1, 0},
    {"unconstrained, no anchor, rate x 30", ORTHSR_METHOD_ORTHSR, ORTHSR_FREE, 30, 0},
};

/* What is tuned: one of the two, the other is NULL; or neither, the model as it was. */
typedef struct tuned {
    orthsr_adapter *adapter;
    orthsr_prompt *prompt;
} tuned;

/* ---- command line ---- */
typedef struct arguments {
    const char *out, *model, *data;
    uint64_t seeds[TABLE_SEEDS];
    size_t n_seeds;
    size_t test_images; /* 0: all */
    int json;
} arguments;

/* "1,2,3" */
static int parse_seeds(arguments *a, const char *text) {
    for (a->n_seeds = 0; a->n_seeds < TABLE_SEEDS; text++) {
        char *end;
        errno = 0;
        if (*text < '0' || *text > '9') return 0;
        a->seeds[a->n_seeds++] = strtoull(text, &end, 10);
        text = end;
        if (errno || *text != ',') return errno == 0 && *text == '\0';
    }
    return 0;
}

/* "2000" or "all" */
static int parse_count(size_t *count, const char *text) {
    char *end;
    if (strcmp(text, "all") == 0) {
        *count = 0;
        return 1;
    }
    *count = strtoul(text, &end, 10);
    return *text >= '1' && *text <= '9' && *end == '\0';
}

static int usage(void) {
    terminal_say("usage: demo OUT_DIR [--model DIR] [--data DIR] [--seeds 1,2,3] [--test-images N|all] [--json]");
    return 2;
}

static int parse(arguments *a, int argc, char **argv) {
    static const struct option options[] = {
        {"model", required_argument, NULL, 'm'},       {"data", required_argument, NULL, 'd'}, {"seeds", required_argument, NULL, 's'},
        {"test-images", required_argument, NULL, 't'}, {"json", no_argument, NULL, 'j'},       {NULL, 0, NULL, 0},
    };
    *a = (arguments){.model = "examples/data/mini", .data = "/usr/share/datasets/fashion-mnist", .seeds = {1}, .n_seeds = 1, .test_images = TEST_IMAGES};
    int option, good = 1;
    while (good && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'm') a->model = optarg;
        else if (option == 'd') a->data = optarg;
        else if (option == 'j') a->json = 1;
        else if (option == 't') good = parse_count(&a->test_images, optarg);
        else good = option == 's' && parse_seeds(a, optarg);
    }
    if (good && optind + 1 == argc) a->out = argv[optind];
    return a->out ? EXIT_SUCCESS : usage();
}

/* ---- one program's worth of state ---- */
typedef struct demo {
    arguments arguments;
    orthsr_model *model;
    orthsr_dataset *train, *test, *test_base, *test_new;
    char adapter_path[4096], merged_path[4096], page_path[4096];
    record record;
    int recording; /* this run is the one that is recorded */
    table table;
    progress bar;
    size_t images_before; /* measured in earlier parts that share the bar */
    size_t images;        /* of all training steps */
} demo;

static orthsr_status open_all(demo *d, orthsr_error *error) {
    const arguments *a = &d->arguments;
    snprintf(d->adapter_path, sizeof d->adapter_path, "%s/adapter", a->out);
    snprintf(d->merged_path, sizeof d->merged_path, "%s/merged", a->out);
    snprintf(d->page_path, sizeof d->page_path, "%s/" PAGE_NAME, a->out);
    orthsr_status status = orthsr_model_open(&d->model, a->model, error);
    if (status == ORTHSR_OK) status = fashion_open(&d->train, a->data, "train", 0, error);
    if (status == ORTHSR_OK) status = fashion_open(&d->test, a->data, "t10k", a->test_images, error);
    if (status == ORTHSR_OK) status = orthsr_dataset_select(&d->test_base, d->test, 0, BASE_CLASSES, error);
    if (status == ORTHSR_OK) status = orthsr_dataset_select(&d->test_new, d->test, BASE_CLASSES, FASHION_CLASSES - BASE_CLASSES, error);
    if (status == ORTHSR_OK && mkdir(a->out, 0777) != 0 && errno != EEXIST) {
        snprintf(error->message, sizeof error->message, "cannot make the directory '%s': %s", a->out, strerror(errno));
        status = ORTHSR_ERROR_IO;
    }
    return status;
}

static void close_all(demo *d) {
    record_close(&d->record);
    orthsr_dataset_free(d->test_new);
    orthsr_dataset_free(d->test_base);
    orthsr_dataset_free(d->test);
    orthsr_dataset_free(d->train);
    orthsr_model_free(d->model);
}

/* ---- measuring ---- */

static int on_images(size_t done, size_t total, void *payload) {
    demo *d = payload;
    (void)total;
    progress_show(&d->bar, d->images_before + done, NULL);
    return terminal_interrupted();
}

static orthsr_status accuracy(double *out, tally *answers, size_t first, demo *d, orthsr_session *session, const orthsr_dataset *part, orthsr_error *error) {
    orthsr_evaluation *evaluation;
    orthsr_status status = orthsr_evaluate(&evaluation, session, part, templates, 1, on_images, d, error);
    if (status != ORTHSR_OK) return status;
    *out = orthsr_evaluation_accuracy(evaluation);
    d->images_before += orthsr_dataset_count(part);
    if (answers) status = tally_add(answers, evaluation, part, first, error);
    orthsr_evaluation_free(evaluation);
    return status;
}

/* Base images are classified among the base classes, new ones among the new. answers: NULL, or what receives them. */
static orthsr_status measure(row *out, tally *answers, demo *d, const tuned *what, orthsr_error *error) {
    orthsr_session *session;
    orthsr_status status = orthsr_session_new(&session, d->model, what->adapter, error);
    if (status != ORTHSR_OK) return status;
    d->images_before = 0;
    progress_begin(&d->bar, "  measuring", "images", orthsr_dataset_count(d->test));
    status = orthsr_session_set_prompt(session, what->prompt, error);
    if (status == ORTHSR_OK) status = accuracy(&out->base, answers, 0, d, session, d->test_base, error);
    if (status == ORTHSR_OK) status = accuracy(&out->novel, answers, BASE_CLASSES, d, session, d->test_new, error);
    orthsr_session_free(session);
    if (status != ORTHSR_OK) return status;
    out->h = orthsr_harmonic_mean(out->base, out->novel);
    char scores[96];
    snprintf(scores, sizeof scores, "Base %.2f  New %.2f  H %.2f", 100 * out->base, 100 * out->novel, 100 * out->h);
    progress_end(&d->bar, scores);
    return ORTHSR_OK;
}

/* ---- training ---- */

static int on_step(const orthsr_trainer *trainer, void *payload) {
    demo *d = payload;
    char loss[64];
    snprintf(loss, sizeof loss, "loss %.3f", orthsr_trainer_metric(trainer, ORTHSR_METRIC_LOSS));
    progress_show(&d->bar, d->images * orthsr_trainer_step_count(trainer) / orthsr_trainer_step_total(trainer), loss);
    if (d->recording) record_step(&d->record, trainer);
    return terminal_interrupted();
}

static orthsr_status set_options(orthsr_trainer_options *options, const way *w, uint64_t seed, orthsr_error *error) {
    orthsr_status status = orthsr_trainer_options_set_seed(options, seed, error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_method(options, w->method, error);
    if (w->method == ORTHSR_METHOD_COOP || status != ORTHSR_OK) return status;
    status = orthsr_trainer_options_set_learning_rate(options, learning_rate * w->rate_factor, error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_kl_weight(options, w->anchored ? kl_weight : 0, error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_epochs(options, EPOCHS, error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_batch_size(options, 0, error);
    return status == ORTHSR_OK ? orthsr_trainer_options_set_templates(options, templates, 1, error) : status;
}

static orthsr_status new_adapter(demo *d, orthsr_adapter **out, const way *w, orthsr_error *error) {
    orthsr_adapter_options *options;
    orthsr_status status = orthsr_adapter_options_new(&options, error);
    if (status == ORTHSR_OK) status = orthsr_adapter_options_set_parametrization(options, w->parametrization, error);
    if (status == ORTHSR_OK) status = orthsr_adapter_options_set_block_size(options, BLOCK_SIZE, error);
    if (status == ORTHSR_OK) status = orthsr_model_adapter(d->model, out, options, error);
    orthsr_adapter_options_free(options);
    return status;
}

static orthsr_status new_prompt(demo *d, orthsr_prompt **out, orthsr_error *error) {
    orthsr_prompt_options *options;
    orthsr_status status = orthsr_prompt_options_new(&options, error);
    if (status == ORTHSR_OK) status = orthsr_prompt_options_set_init(options, context, error);
    if (status == ORTHSR_OK) status = orthsr_prompt_new(out, d->model, options, error);
    orthsr_prompt_options_free(options);
    return status;
}

static orthsr_status train(demo *d, const tuned *what, const orthsr_dataset *shots, const orthsr_trainer_options *options, orthsr_error *error) {
    orthsr_trainer *trainer;
    orthsr_status status = orthsr_trainer_new_with_prompt(&trainer, d->model, what->adapter, what->prompt, shots, options, error);
    if (status != ORTHSR_OK) return status;
    char loss[64];
    d->images = orthsr_dataset_count(shots) * orthsr_trainer_epoch_total(trainer);
    progress_begin(&d->bar, "  training ", "images", d->images);
    status = orthsr_trainer_run(trainer, on_step, d, error);
    snprintf(loss, sizeof loss, "loss %.3f", orthsr_trainer_metric(trainer, ORTHSR_METRIC_LOSS));
    if (status == ORTHSR_OK) progress_end(&d->bar, loss);
    orthsr_trainer_free(trainer);
    return status;
}

/* 16 images of every class are drawn; only those of the base classes are seen. */
static orthsr_status draw_base(orthsr_dataset **out, orthsr_dataset **drawn, const demo *d, uint64_t seed, orthsr_error *error) {
    orthsr_status status = orthsr_dataset_draw(drawn, NULL, d->train, SHOTS, seed, error);
    return status == ORTHSR_OK ? orthsr_dataset_select(out, *drawn, 0, BASE_CLASSES, error) : status;
}

static orthsr_status keep(demo *d, const orthsr_adapter *adapter, const orthsr_dataset *shots, double seconds, orthsr_error *error) {
    json_t *options = json_pack("{s:i, s:i, s:i, s:f, s:f, s:s, s:s}", "shots", SHOTS, "block-size", BLOCK_SIZE, "epochs", EPOCHS, "lr", (double)learning_rate,
                                "kl-weight", (double)kl_weight, "cutout", "off", "template", templates[0]);
    const record_of what = {d->model, adapter, shots, d->test, templates, 1, d->arguments.data, options};
    if (record_end(&d->record, &what, seconds, error) != ORTHSR_OK) return ORTHSR_ERROR_IO;
    orthsr_status status = orthsr_adapter_save(adapter, d->adapter_path, orthsr_model_fingerprint(d->model), error);
    return status == ORTHSR_OK ? orthsr_model_merge(d->model, adapter, d->merged_path, NULL, error) : status;
}

/* Trains in one way on one seed's shots and measures. */
static orthsr_status tune(demo *d, size_t seed, size_t w, const orthsr_dataset *shots, orthsr_error *error) {
    orthsr_trainer_options *options = NULL;
    tuned what = {NULL, NULL};
    double start = 0, seconds = 0;
    d->recording = seed == 0 && w == RECORDED;
    orthsr_status status = ways[w].method == ORTHSR_METHOD_COOP ? new_prompt(d, &what.prompt, error) : new_adapter(d, &what.adapter, &ways[w], error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_new(&options, error);
    if (status == ORTHSR_OK) status = set_options(options, &ways[w], d->arguments.seeds[seed], error);
    if (status == ORTHSR_OK && d->recording) status = record_begin(&d->record, d->arguments.out, error);
    start = terminal_seconds();
    if (status == ORTHSR_OK) status = train(d, &what, shots, options, error);
    seconds = terminal_seconds() - start;
    if (status == ORTHSR_OK) status = measure(&d->table.rows[seed][w + 1], d->recording ? &d->record.after : NULL, d, &what, error);
    if (status == ORTHSR_OK && d->recording) status = keep(d, what.adapter, shots, seconds, error);
    orthsr_trainer_options_free(options);
    orthsr_adapter_free(what.adapter);
    orthsr_prompt_free(what.prompt);
    return status;
}

static orthsr_status run_seed(demo *d, size_t seed, orthsr_error *error) {
    orthsr_dataset *drawn = NULL, *shots = NULL;
    orthsr_status status = draw_base(&shots, &drawn, d, d->arguments.seeds[seed], error);
    for (size_t w = 0; w < TABLE_ROWS - 1 && status == ORTHSR_OK; w++) {
        terminal_say("%s, seed %llu: %zu images of %d base classes", ways[w].name, (unsigned long long)d->arguments.seeds[seed], orthsr_dataset_count(shots),
                     BASE_CLASSES);
        status = tune(d, seed, w, shots, error);
    }
    orthsr_dataset_free(shots);
    orthsr_dataset_free(drawn);
    return status;
}

/* ---- all of it ---- */

static orthsr_status run(demo *d, orthsr_error *error) {
    row before;
    orthsr_status status = open_all(d, error);
    if (status != ORTHSR_OK) return status;
    terminal_say("Fashion-MNIST under another camera: " CAMERA_TEXT);
    terminal_say("%s, %zu test images", zero_shot, orthsr_dataset_count(d->test));
    status = measure(&before, &d->record.before, d, &(tuned){NULL, NULL}, error);
    for (size_t seed = 0; seed < d->table.n_seeds && status == ORTHSR_OK; seed++) {
        d->table.rows[seed][0] = before;
        status = run_seed(d, seed, error);
    }
    return status == ORTHSR_OK ? record_write(&d->record, &d->table, RECORDED + 1, error) : status;
}

static int report(const demo *d) {
    if (d->arguments.json) return table_print_json(&d->table, d->adapter_path, d->merged_path, d->page_path) ? EXIT_SUCCESS : EXIT_FAILURE;
    putchar('\n');
    table_print(&d->table);
    printf("adapter:      %s\nmerged model: %s\nreport:       %s\n", d->adapter_path, d->merged_path, d->page_path);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    static demo d;
    orthsr_error error;
    record_open(&d.record, report_command(argv[0], argc - 1, argv + 1)); /* before getopt sorts argv */
    int code = parse(&d.arguments, argc, argv);
    if (code != EXIT_SUCCESS) record_close(&d.record);
    if (code != EXIT_SUCCESS) return code;
    terminal_catch_signals();
    d.table.names[0] = zero_shot;
    for (size_t w = 0; w < TABLE_ROWS - 1; w++) d.table.names[w + 1] = ways[w].name;
    d.table.n_seeds = d.arguments.n_seeds;
    memcpy(d.table.seeds, d.arguments.seeds, sizeof d.table.seeds);
    if (run(&d, &error) == ORTHSR_OK) {
        code = report(&d);
    } else {
        terminal_say("demo: %s", terminal_interrupted() ? "interrupted" : error.message);
        code = EXIT_FAILURE;
    }
    close_all(&d);
    return code;
}
