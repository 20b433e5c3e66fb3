/* merge.c - an adapter into a checkpoint's weights: the adapted model as a directory of the same files, which any CLIP program opens.
 *
 *     cc merge.c $(pkg-config --cflags --libs orthsr) -lm -o merge
 *     ./merge my-clip run/adapter merged
 *     ./merge my-clip run/adapter merged 0.5
 *
 * my-clip      a directory with a CLIP checkpoint
 * run/adapter  what orthsr train wrote, a file of it, or a directory that PEFT wrote
 * merged       is made; may not be my-clip
 * 0.5          the adapter's strength, 1 when left out: A turns by so much of its angles and stays orthogonal
 *
 * Prints how many maps were merged and how far a weight was rounded at most, then opens what was written and compares: text features of the merged model
 * against those of the model with the adapter on top.
 *
 * run: $model $adapter $out/merged
 * run: $model $adapter $out/merged 0.5
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <orthsr/orthsr.h>

static orthsr_error error;
static void check(orthsr_status status) {
    if (status == ORTHSR_OK) return;
    fprintf(stderr, "merge: %s\n", error.message);
    exit(EXIT_FAILURE);
}

#define TEXTS 3
static const char *const texts[TEXTS] = {"a photo of a cat.", "a kite in the sky", "two people in front of a house"};

/* Unit features (TEXTS, embed_dim), in fresh memory. adapter NULL: the model as it is. */
static float *encode(const orthsr_model *model, const orthsr_adapter *adapter) {
    orthsr_session *session;
    size_t dim = orthsr_model_embed_dim(model);
    float *features = malloc(TEXTS * dim * sizeof *features);
    if (!features) abort();
    check(orthsr_session_new(&session, model, adapter, &error));
    check(orthsr_session_encode_texts(session, features, texts, TEXTS, &error));
    orthsr_features_normalize(features, TEXTS, dim);
    orthsr_session_free(session);
    return features;
}

/* The smallest cosine between features of the same text. */
static double likeness(const float *a, const float *b, size_t dim) {
    double least = 1;
    for (size_t t = 0; t < TEXTS; t++) {
        double cosine = 0;
        for (size_t i = 0; i < dim; i++) cosine += (double)a[t * dim + i] * (double)b[t * dim + i];
        least = fmin(least, cosine);
    }
    return least;
}

int main(int argc, char **argv) {
    char *end = NULL;
    float strength = argc == 5 ? strtof(argv[4], &end) : 1;
    if ((argc != 4 && argc != 5) || (end && *end)) {
        fprintf(stderr, "usage: merge MODEL ADAPTER OUT [STRENGTH]\n");
        return 2;
    }
    const char *model_path = argv[1], *adapter_path = argv[2], *out = argv[3];

    /* 1. The model, and the adapter, which must fit it: a target that the model lacks is named. */
    orthsr_model *model;
    orthsr_adapter *adapter;
    check(orthsr_model_open(&model, model_path, &error));
    check(orthsr_model_adapter_load(model, &adapter, adapter_path, &error));
    const char *trained_on = orthsr_adapter_fingerprint(adapter);
    if (*trained_on && strcmp(trained_on, orthsr_model_fingerprint(model)) != 0)
        fprintf(stderr, "note: the adapter was trained on other weights (%s) than these (%s)\n", trained_on, orthsr_model_fingerprint(model));

    /* 2. Another strength is another adapter: its generators are scaled, so its matrices are still orthogonal. */
    if (strength != 1) {
        orthsr_adapter *scaled;
        check(orthsr_adapter_scaled(&scaled, adapter, strength, &error));
        orthsr_adapter_free(adapter);
        adapter = scaled;
    }

    /* 3. Written with the same files, names, shapes and dtypes; what is not adapted comes through byte for byte. A failure leaves nothing behind. */
    double deviation;
    check(orthsr_model_merge(model, adapter, out, &deviation, &error));
    printf("%s: %zu maps merged at strength %g; largest rounding of a weight %.3g\n", out, orthsr_adapter_target_count(adapter), (double)strength, deviation);

    /* 4. The merged model by itself against the model with the adapter on top. A checkpoint that lies in one file may be opened by its directory too. */
    orthsr_model *merged;
    check(orthsr_model_open(&merged, out, &error));
    if (orthsr_model_tokenizer(model)) {
        size_t dim = orthsr_model_embed_dim(model);
        float *apart = encode(model, adapter), *together = encode(merged, NULL), *before = encode(model, NULL);
        double cosine = likeness(apart, together, dim);
        printf("features of %d texts: cosine to the adapter on top at least %.6f, to the model without it %.6f\n", TEXTS, cosine,
               likeness(before, together, dim));
        if (cosine < 0.999) {
            fprintf(stderr, "merge: the merged model does not compute what the adapted one does\n");
            return EXIT_FAILURE;
        }
        free(apart);
        free(together);
        free(before);
    }
    orthsr_model_free(merged);
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
    return EXIT_SUCCESS;
}
