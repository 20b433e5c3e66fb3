/* bench.c - `orthsr bench`: how fast a model's features and training steps are computed here, beside the machine's own rate (docs/performance.md).
 *
 * Pixels, images and class names are made up; times do not depend on them.
 */
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "commands.h"
#include "inputs.h"
#include "report.h"
#include "sgemm.h"
#include "terminal.h"

enum { WARM_UP = 2, MOST = 65536, CONTEXT_WORDS = 16 };
enum { DEFAULT_BATCH = 8, DEFAULT_CLASSES = 16, DEFAULT_REPETITIONS = 5 };
enum { FEATURES, TEXTS, STEP, PARTS }; /* the order of --part's row */
enum { OUT, FFN, ALL, COOP };          /* the order of --config's row */

#define KL_WEIGHT 1.5F

static const char *const phase_names[] = {"text", "image", "backward", "frozen", "orthogonal", "optimizer", "other"}; /* in the order of orthsr_phase */
enum { PHASES = sizeof phase_names / sizeof phase_names[0] };

/* Seconds, and what one call multiplies and adds; NaN where not measured. */
typedef struct measured {
    double least, median, work;
} measured;

typedef struct bench {
    const settings *settings;
    size_t batch, classes, repetitions, threads;
    int config;
    orthsr_model *model;
    char **names;   /* (classes) */
    float *pixels;  /* (batch, 3, image_size, image_size) */
    float *results; /* (batch or classes, embed_dim) */
    orthsr_session *session;
    orthsr_trainer *trainer;
    double work; /* of the last call */
    double *seconds;
    measured parts[PARTS];
    double phases[PHASES]; /* of the fastest step, seconds */
    double sgemm;          /* GFLOP/s */
    long peak;             /* KiB */
} bench;

/* ---- made-up inputs ---- */

static const char *const nouns[] = {"cat",   "dog",  "car",   "tree", "house", "bird", "flower", "boat", "horse", "chair", "table", "clock", "bottle", "book",
                                    "train", "cup",  "apple", "shoe", "lamp",  "fish", "bridge", "road", "river", "ship",  "stone", "glass", "plate",  "door",
                                    "bear",  "ball", "cake",  "fire", "hat",   "key",  "knife",  "leaf", "moon",  "mouse", "piano", "snow"};
enum { NOUNS = sizeof nouns / sizeof nouns[0] };

/* The names in order: all words, then all pairs of words, and so on. NULL when out of memory. */
static char *class_name(size_t i) {
    char name[64] = "";
    size_t used = 0;
    for (i++; i > 0; i = (i - 1) / NOUNS) used += (size_t)snprintf(name + used, sizeof name - used, "%s%s", used ? " " : "", nouns[(i - 1) % NOUNS]);
    return strdup(name);
}

static orthsr_status make_names(bench *b, orthsr_error *error) {
    b->names = calloc(b->classes, sizeof *b->names);
    for (size_t i = 0; b->names && i < b->classes; i++)
        if (!(b->names[i] = class_name(i))) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu names", b->classes);
    return b->names ? ORTHSR_OK : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu names", b->classes);
}

static unsigned char random_byte(unsigned *state) {
    *state = *state * 1664525u + 1013904223u;
    return (unsigned char)(*state >> 24);
}

/* batch images of the model's size, image i of class i modulo classes. */
static orthsr_status make_dataset(orthsr_dataset **out, const bench *b, orthsr_error *error) {
    size_t side = orthsr_model_image_size(b->model), n = b->batch * side * side * 3;
    unsigned char *bytes = malloc(n);
    int32_t *labels = malloc(b->batch * sizeof *labels);
    unsigned state = 1;
    orthsr_status status = bytes && labels ? ORTHSR_OK : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu images", b->batch);
    for (size_t i = 0; status == ORTHSR_OK && i < n; i++) bytes[i] = random_byte(&state);
    for (size_t i = 0; status == ORTHSR_OK && i < b->batch; i++) labels[i] = (int32_t)(i % b->classes);
    if (status == ORTHSR_OK) status = orthsr_dataset_new(out, bytes, b->batch, side, side, 3, labels, (const char *const *)b->names, b->classes, error);
    free(bytes);
    free(labels);
    return status;
}

static orthsr_status make_pixels(bench *b, orthsr_error *error) {
    size_t side = orthsr_model_image_size(b->model), n = b->batch * 3 * side * side;
    unsigned state = 2;
    b->pixels = malloc(n * sizeof *b->pixels);
    for (size_t i = 0; b->pixels && i < n; i++) b->pixels[i] = (float)random_byte(&state) / 64 - 2;
    return b->pixels ? ORTHSR_OK : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu images", b->batch);
}

static orthsr_status make_results(bench *b, size_t rows, orthsr_error *error) {
    b->results = malloc(rows * orthsr_model_embed_dim(b->model) * sizeof *b->results);
    return b->results ? ORTHSR_OK : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu rows of features", rows);
}

/* ---- taking times ---- */

static int ascending(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

static void note_fastest(bench *b, measured *m, double seconds) {
    m->least = seconds;
    m->work = b->work;
    for (int p = 0; b->trainer && p < PHASES; p++) b->phases[p] = orthsr_trainer_seconds(b->trainer, (orthsr_phase)p);
}

/* once, again and again: the first times are for caches and for memory that is got but once. */
static orthsr_status repeat(bench *b, int part, const char *label, orthsr_status (*once)(bench *b, orthsr_error *error), orthsr_error *error) {
    measured *m = &b->parts[part];
    progress bar;
    progress_begin(&bar, label, "times", WARM_UP + b->repetitions);
    for (size_t i = 0; i < WARM_UP + b->repetitions; i++) {
        if (terminal_interrupted()) return failed(error, ORTHSR_ERROR_CANCELLED, "interrupted");
        double begin = terminal_seconds();
        orthsr_status status = once(b, error);
        double seconds = terminal_seconds() - begin;
        if (status != ORTHSR_OK) return status;
        progress_show(&bar, i + 1, NULL);
        if (i < WARM_UP) continue;
        b->seconds[i - WARM_UP] = seconds;
        if (i == WARM_UP || seconds < m->least) note_fastest(b, m, seconds);
    }
    progress_end(&bar, NULL);
    qsort(b->seconds, b->repetitions, sizeof *b->seconds, ascending);
    m->median = (b->seconds[(b->repetitions - 1) / 2] + b->seconds[b->repetitions / 2]) / 2;
    return ORTHSR_OK;
}

static size_t prompts(const bench *b) {
    size_t n;
    templates_of(b->settings, &n);
    return b->classes * n;
}

/* ---- features ---- */

static orthsr_status encode_pixels(bench *b, orthsr_error *error) {
    double before = orthsr_session_work(b->session);
    orthsr_status status = orthsr_session_encode_pixels(b->session, b->results, b->pixels, b->batch, error);
    b->work = orthsr_session_work(b->session) - before;
    return status;
}

static orthsr_status encode_classes(bench *b, orthsr_error *error) {
    double before = orthsr_session_work(b->session);
    size_t n;
    const char *const *templates = templates_of(b->settings, &n);
    orthsr_status status = orthsr_session_encode_classes(b->session, b->results, (const char *const *)b->names, b->classes, templates, n, error);
    b->work = orthsr_session_work(b->session) - before;
    return status;
}

/* With a session of its own, which is gone before the next part: peak memory is that of the part that needs most. */
static orthsr_status bench_session(bench *b, int part, orthsr_error *error) {
    orthsr_status status = make_results(b, part == TEXTS ? b->classes : b->batch, error);
    if (status == ORTHSR_OK && part == FEATURES) status = make_pixels(b, error);
    if (status == ORTHSR_OK) status = orthsr_session_new(&b->session, b->model, NULL, error);
    if (status == ORTHSR_OK) status = orthsr_session_set_threads(b->session, b->threads, error);
    if (status == ORTHSR_OK) status = part == TEXTS ? repeat(b, part, "class prompts", encode_classes, error) : repeat(b, part, "images", encode_pixels, error);
    orthsr_session_free(b->session);
    free(b->pixels);
    free(b->results);
    b->session = NULL;
    b->pixels = b->results = NULL;
    return status;
}

/* ---- training steps ---- */

static orthsr_status make_adapter(orthsr_adapter **out, const bench *b, orthsr_error *error) {
    orthsr_adapter_options *options;
    orthsr_status status = orthsr_adapter_options_new(&options, error);
    if (status != ORTHSR_OK) return status;
    if (b->config != FFN) status = orthsr_adapter_options_set_block_size(options, ORTHSR_BLOCK_NARROW, error);
    if (status == ORTHSR_OK && b->config != FFN) status = orthsr_adapter_options_set_maps(options, b->config == OUT ? "out" : "q,k,v,out,fc1,fc2", error);
    if (status == ORTHSR_OK) status = orthsr_model_adapter(b->model, out, options, error);
    orthsr_adapter_options_free(options);
    return status;
}

/* Of a model with short texts a part of its context, so that there is room for names. */
static orthsr_status make_prompt(orthsr_prompt **out, const bench *b, orthsr_error *error) {
    size_t room = orthsr_model_context_length(b->model) / 4;
    orthsr_prompt_options *options;
    orthsr_status status = orthsr_prompt_options_new(&options, error);
    if (status != ORTHSR_OK) return status;
    status = orthsr_prompt_options_set_words(options, room < CONTEXT_WORDS ? room : CONTEXT_WORDS, error);
    if (status == ORTHSR_OK) status = orthsr_prompt_new(out, b->model, options, error);
    orthsr_prompt_options_free(options);
    return status;
}

/* Augmentation is what makes the frozen model look at every batch anew. One step is an epoch. */
static orthsr_status make_options(orthsr_trainer_options **out, const bench *b, orthsr_error *error) {
    const settings *s = b->settings;
    size_t n;
    const char *const *templates = templates_of(s, &n);
    orthsr_status status = orthsr_trainer_options_new(out, error);
    if (status != ORTHSR_OK) return status;
    if (b->config == COOP) status = orthsr_trainer_options_set_method(*out, ORTHSR_METHOD_COOP, error);
    else status = orthsr_trainer_options_set_kl_weight(*out, KL_WEIGHT, error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_templates(*out, templates, n, error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_augmentation(*out, ORTHSR_AUGMENT_STANDARD, error);
    if (status == ORTHSR_OK && s->cutout >= 0) status = orthsr_trainer_options_set_cutout(*out, (orthsr_cutout)s->cutout, error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_memory_budget(*out, budget_bytes(s), error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_schedule(*out, ORTHSR_SCHEDULE_CONSTANT, error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_batch_size(*out, b->batch, error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_epochs(*out, WARM_UP + b->repetitions, error);
    if (status == ORTHSR_OK) status = orthsr_trainer_options_set_threads(*out, b->threads, error);
    return status;
}

static orthsr_status step(bench *b, orthsr_error *error) {
    orthsr_status status = orthsr_trainer_step(b->trainer, error);
    b->work = orthsr_trainer_work(b->trainer);
    return status;
}

static orthsr_status bench_step(bench *b, orthsr_error *error) {
    orthsr_dataset *dataset = NULL;
    orthsr_adapter *adapter = NULL;
    orthsr_prompt *prompt = NULL;
    orthsr_trainer_options *options = NULL;
    orthsr_status status = make_dataset(&dataset, b, error);
    if (status == ORTHSR_OK) status = b->config == COOP ? make_prompt(&prompt, b, error) : make_adapter(&adapter, b, error);
    if (status == ORTHSR_OK) status = make_options(&options, b, error);
    if (status == ORTHSR_OK) status = orthsr_trainer_new_with_prompt(&b->trainer, b->model, adapter, prompt, dataset, options, error);
    if (status == ORTHSR_OK) status = repeat(b, STEP, "training", step, error);
    orthsr_trainer_free(b->trainer);
    b->trainer = NULL;
    orthsr_trainer_options_free(options);
    orthsr_prompt_free(prompt);
    orthsr_adapter_free(adapter);
    orthsr_dataset_free(dataset);
    return status;
}

/* ---- all together ---- */

static size_t processors(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n > 1 ? (size_t)n : 1;
}

static int is_wanted(const bench *b, int part) { return b->settings->part < 0 || b->settings->part == part; }

/* More threads than processors multiply no faster. */
static double machine_gflops(const bench *b) { return sgemm_gflops(b->threads < processors() ? b->threads : processors()); }

static orthsr_status measure(bench *b, orthsr_error *error) {
    struct rusage usage;
    orthsr_status status = open_model(&b->model, b->settings->model, b->settings, error);
    if (status == ORTHSR_OK && !orthsr_model_tokenizer(b->model) && b->settings->part != FEATURES)
        status = failed(error, ORTHSR_ERROR_UNSUPPORTED,
                        "the model has no vocabulary beside its weights, without which there are no prompts; --part features needs none");
    if (status == ORTHSR_OK) status = make_names(b, error);
    if (status == ORTHSR_OK) b->sgemm = machine_gflops(b);
    if (status == ORTHSR_OK && is_wanted(b, FEATURES)) status = bench_session(b, FEATURES, error);
    if (status == ORTHSR_OK && is_wanted(b, TEXTS)) status = bench_session(b, TEXTS, error);
    if (status == ORTHSR_OK && is_wanted(b, STEP)) status = bench_step(b, error);
    b->peak = getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : 0;
    if (status == ORTHSR_OK) b->sgemm = fmax(b->sgemm, machine_gflops(b)); /* the machine may have been busy; fmax passes over NaN */
    return status;
}

/* ---- reporting ---- */

static double gflops(const measured *m) { return 1e-9 * m->work / m->least; }

/* What the machine's rate is set against: the step, or what there is without it. */
static const measured *most_telling(const bench *b) { return &b->parts[is_wanted(b, STEP) ? STEP : b->settings->part]; }

static const char *config_name(const bench *b) {
    static const char *const names[] = {"out", "ffn", "all", "coop"};
    return names[b->config];
}

static json_t *bench_json(const bench *b) {
    static const char *const keys[PARTS] = {"features", "texts", "step"};
    json_t *object = json_object(), *phases = json_object();
    char key[32];
    put_text(object, "model", b->settings->model);
    put_text(object, "config", config_name(b));
    put_count(object, "batch", b->batch);
    put_count(object, "classes", b->classes);
    put_count(object, "threads", b->threads);
    put_number(object, "images_per_s", (double)b->batch / b->parts[FEATURES].least);
    put_number(object, "texts_per_s", (double)prompts(b) / b->parts[TEXTS].least);
    for (int p = 0; p < PARTS; p++) {
        snprintf(key, sizeof key, "%s_ms_min", keys[p]);
        put_number(object, key, 1e3 * b->parts[p].least);
        snprintf(key, sizeof key, "%s_ms_median", keys[p]);
        put_number(object, key, 1e3 * b->parts[p].median);
        snprintf(key, sizeof key, "%s_gflop", keys[p]);
        put_number(object, key, 1e-9 * b->parts[p].work);
    }
    for (int p = 0; p < PHASES; p++) put_number(phases, phase_names[p], 1e3 * b->phases[p]);
    json_object_set_new(object, "phases", phases);
    put_count(object, "peak_rss_bytes", (size_t)b->peak * 1024);
    put_number(object, "gflops", gflops(most_telling(b)));
    put_number(object, "sgemm_gflops", b->sgemm);
    put_number(object, "share", gflops(most_telling(b)) / b->sgemm);
    return object;
}

static void print_part(const bench *b, int part, const char *name, size_t count, const char *unit) {
    const measured *m = &b->parts[part];
    char of[64];
    if (!is_wanted(b, part)) return;
    snprintf(of, sizeof of, "%zu %s", count, unit);
    printf("%-12s %-16s %10.2f ms %10.2f ms %10.1f %8.1f\n", name, of, 1e3 * m->least, 1e3 * m->median, 1e-9 * m->work, gflops(m));
}

static void print_table(const bench *b) {
    char name[32];
    snprintf(name, sizeof name, "step %s", config_name(b));
    printf("%-12s %-16s %13s %13s %10s %8s\n", "", "", "least", "median", "GFLOP", "GFLOP/s");
    print_part(b, FEATURES, "features", b->batch, "images");
    print_part(b, TEXTS, "texts", prompts(b), "prompts");
    print_part(b, STEP, name, b->batch, "images");
    for (int p = 0; is_wanted(b, STEP) && p < PHASES; p++) printf("  %-27s %10.2f ms\n", phase_names[p], 1e3 * b->phases[p]);
    printf("sgemm of this machine, %zu thread%s: %.1f GFLOP/s; %s runs at %.1f %% of it\n", b->threads, b->threads == 1 ? "" : "s", b->sgemm,
           is_wanted(b, STEP) ? "a step" : "this", 100 * gflops(most_telling(b)) / b->sgemm);
    printf("peak memory: %.1f MiB\n", (double)b->peak / 1024);
}

static int report(const bench *b) {
    if (b->settings->json) return report_print(b->settings, bench_json(b));
    print_table(b);
    return EXIT_SUCCESS;
}

/* ---- the command ---- */

static void close_all(bench *b) {
    for (size_t i = 0; b->names && i < b->classes; i++) free(b->names[i]);
    free(b->names);
    free(b->seconds);
    orthsr_model_free(b->model);
}

/* The option's value or the default one; 0 after saying that it is out of range, with *code set. */
static size_t number_of(int *code, const bench *b, const char *name, const whole *option, size_t otherwise) {
    size_t value = option->given ? (size_t)option->value : otherwise;
    if (value >= 1 && value <= MOST) return value;
    if (*code == EXIT_SUCCESS) *code = wrong_usage(b->settings->command->name, "--%s is 1 to %d", name, MOST);
    return 0;
}

int command_bench(const settings *s) {
    orthsr_error error = {""};
    bench b = {.settings = s, .config = s->config >= 0 ? s->config : FFN, .threads = s->threads.value ? (size_t)s->threads.value : processors()};
    int code = EXIT_SUCCESS;
    if (s->part >= 0 && s->part != STEP && (s->config >= 0 || s->cutout >= 0))
        return wrong_usage(s->command->name, "--config and --cutout are for --part step");
    b.batch = number_of(&code, &b, "batch", &s->batch, DEFAULT_BATCH);
    b.classes = number_of(&code, &b, "classes", &s->class_count, DEFAULT_CLASSES);
    b.repetitions = number_of(&code, &b, "repetitions", &s->repetitions, DEFAULT_REPETITIONS);
    if (code != EXIT_SUCCESS) return code;
    for (int p = 0; p < PARTS; p++) b.parts[p] = (measured){NAN, NAN, NAN};
    for (int p = 0; p < PHASES; p++) b.phases[p] = NAN;
    b.seconds = malloc(b.repetitions * sizeof *b.seconds);
    orthsr_status status = b.seconds ? measure(&b, &error) : failed(&error, ORTHSR_ERROR_MEMORY, "out of memory for %zu times", b.repetitions);
    code = status == ORTHSR_OK ? report(&b) : give_up(s, &error);
    close_all(&b);
    return code;
}
