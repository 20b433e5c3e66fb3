/* evaluation.c - accuracy by the nearest class feature. */
#include <orthsr/evaluation.h>

#include <math.h>
#include <stdlib.h>

#include "base/fail.h"
#include "base/memory.h"
#include "clip/encoder.h"
#include "data/dataset.h"
#include "data/feed.h"

struct orthsr_evaluation {
    size_t items, classes, correct;
    size_t *prediction;                  /* (items) */
    size_t *class_items, *class_correct; /* (classes) */
};

double orthsr_harmonic_mean(double base, double novel) { return base + novel > 0 ? 2 * base * novel / (base + novel) : 0; }

void orthsr_evaluation_free(orthsr_evaluation *evaluation) {
    if (!evaluation) return;
    free(evaluation->prediction);
    free(evaluation->class_items);
    free(evaluation->class_correct);
    free(evaluation);
}

double orthsr_evaluation_accuracy(const orthsr_evaluation *evaluation) { return (double)evaluation->correct / (double)evaluation->items; }

double orthsr_evaluation_class_accuracy(const orthsr_evaluation *evaluation, size_t label) {
    if (label >= evaluation->classes || evaluation->class_items[label] == 0) return NAN;
    return (double)evaluation->class_correct[label] / (double)evaluation->class_items[label];
}

size_t orthsr_evaluation_prediction(const orthsr_evaluation *evaluation, size_t item) {
    return item < evaluation->items ? evaluation->prediction[item] : (size_t)-1;
}

/* What one run needs besides its result. */
typedef struct run {
    orthsr_session *session;
    const orthsr_model *model;
    orthsr__feed *feed;
    size_t *labels; /* (tile) */
    size_t tile, image, embed;
    float *pixels;   /* (tile, image) */
    float *features; /* (tile, embed) */
    float *classes;  /* (classes, embed), unit */
} run;

/* Items first .. first + n - 1. The image's own norm does not move the arg-max, so raw features serve. */
static orthsr_status classify(const run *r, orthsr_evaluation *result, size_t first, size_t n, orthsr_error *error) {
    size_t item;
    for (size_t i = 0; i < n; i++) ORTHSR__TRY(orthsr__feed_take(r->feed, r->pixels + i * r->image, &item, &r->labels[i], NULL, error));
    ORTHSR__TRY(orthsr_session_encode_pixels(r->session, r->features, r->pixels, n, error));
    for (size_t i = 0; i < n; i++) {
        size_t best = 0, label = r->labels[i];
        double best_score = -INFINITY;
        for (size_t c = 0; c < result->classes; c++) {
            double score = 0;
            for (size_t e = 0; e < r->embed; e++) score += (double)r->features[i * r->embed + e] * (double)r->classes[c * r->embed + e];
            if (score > best_score) {
                best_score = score;
                best = c;
            }
        }
        result->prediction[first + i] = best;
        result->class_items[label]++;
        result->class_correct[label] += best == label;
        result->correct += best == label;
    }
    return ORTHSR_OK;
}

orthsr_status orthsr_evaluate(orthsr_evaluation **out, orthsr_session *session, const orthsr_dataset *dataset, const char *const *templates, size_t n_templates,
                              orthsr_evaluation_callback callback, void *payload, orthsr_error *error) {
    ORTHSR__REQUIRE(out != NULL, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(session && dataset, error, "an argument is NULL");
    size_t items = orthsr_dataset_count(dataset), classes = orthsr_dataset_class_count(dataset);
    ORTHSR__REQUIRE(items > 0 && classes > 0, error, "the dataset is empty");
    run r = {.session = session, .model = orthsr__session_model(session)};
    orthsr__range all = {0, items};
    const orthsr__supply supply = {.dataset = dataset, .model = r.model, .request = orthsr__next_of_range, .context = &all};
    r.tile = orthsr__image_tile(r.model, ORTHSR__TILE_ROWS);
    r.image = 3 * r.model->config.image_size * r.model->config.image_size;
    r.embed = r.model->config.embed_dim;
    r.pixels = orthsr__aligned(r.tile * r.image, sizeof(float));
    r.labels = orthsr__calloc(r.tile, sizeof *r.labels);
    r.features = orthsr__aligned(r.tile * r.embed, sizeof(float));
    r.classes = orthsr__aligned(classes * r.embed, sizeof(float));
    orthsr_evaluation *result = orthsr__calloc(1, sizeof *result);
    if (result) {
        *result = (orthsr_evaluation){.items = items, .classes = classes};
        result->prediction = orthsr__calloc(items, sizeof(size_t));
        result->class_items = orthsr__calloc(classes, sizeof(size_t));
        result->class_correct = orthsr__calloc(classes, sizeof(size_t));
    }
    bool ok = r.pixels && r.labels && r.features && r.classes && result && result->prediction && result->class_items && result->class_correct;
    orthsr_status status =
        ok ? orthsr_session_encode_classes(session, r.classes, (const char *const *)dataset->class_names, classes, templates, n_templates, error)
           : orthsr__fail_memory(error, "an evaluation");
    if (!status) status = orthsr__feed_new(&r.feed, &supply, 1, 2 * r.tile, error);
    for (size_t i = 0; i < items && !status; i += r.tile) {
        size_t n = items - i < r.tile ? items - i : r.tile;
        status = classify(&r, result, i, n, error);
        if (!status && callback && callback(i + n, items, payload))
            status = orthsr__fail(error, ORTHSR_ERROR_CANCELLED, "stopped by the caller after %zu items", i + n);
    }
    orthsr__feed_free(r.feed);
    free(r.pixels);
    free(r.labels);
    free(r.features);
    free(r.classes);
    if (status) {
        orthsr_evaluation_free(result);
        return status;
    }
    *out = result;
    return ORTHSR_OK;
}
