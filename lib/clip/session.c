/* session.c - features for users: any number of inputs, cut into tiles. */
#include <orthsr/session.h>

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "clip/context.h"
#include "clip/encoder.h"
#include "clip/prompt.h"
#include "clip/saliency.h"

struct orthsr_session {
    orthsr__pool *pool; /* made when it is needed, if it was not asked for */
    orthsr__encoder encoder;
    const orthsr_prompt *prompt; /* or NULL */
    real *features;              /* (tile, embed): one tile's, before they become the caller's floats */
};

orthsr_status orthsr_session_new(orthsr_session **out, const orthsr_model *model, const orthsr_adapter *adapter, orthsr_error *error) {
    ORTHSR__REQUIRE(out != NULL, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(model != NULL, error, "model is NULL");
    orthsr_session *session = orthsr__calloc(1, sizeof *session);
    if (!session) return orthsr__fail_memory(error, "a session");
    session->features = orthsr__aligned(ORTHSR__TILE_ROWS * model->config.embed_dim, sizeof(real));
    orthsr_status status = session->features ? orthsr__encoder_new(&session->encoder, model, adapter, false, NULL, ORTHSR__TILE_ROWS, error)
                                             : orthsr__fail_memory(error, "a session");
    if (status) {
        orthsr_session_free(session);
        return status;
    }
    *out = session;
    return ORTHSR_OK;
}

void orthsr_session_free(orthsr_session *session) {
    if (!session) return;
    orthsr__encoder_free(&session->encoder);
    orthsr__pool_free(session->pool);
    free(session->features);
    free(session);
}

orthsr_status orthsr_session_set_adapters(orthsr_session *session, const orthsr_adapter *const *adapters, size_t n, orthsr_error *error) {
    ORTHSR__REQUIRE(session && (adapters || n == 0), error, "session or adapters is NULL");
    for (size_t i = 0; i < n; i++)
        if (!adapters[i]) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%s: adapter %zu of %zu is NULL", __func__, i, n);
    return orthsr__encoder_adapt(&session->encoder, adapters, n, error);
}

orthsr_status orthsr_session_set_prompt(orthsr_session *session, const orthsr_prompt *prompt, orthsr_error *error) {
    ORTHSR__REQUIRE(session != NULL, error, "session is NULL");
    if (prompt) ORTHSR__TRY(orthsr__prompt_fits(prompt, session->encoder.model, error));
    session->prompt = prompt;
    session->encoder.context = prompt ? prompt->context : NULL;
    return ORTHSR_OK;
}

orthsr_status orthsr_session_set_threads(orthsr_session *session, size_t threads, orthsr_error *error) {
    ORTHSR__REQUIRE(session != NULL, error, "session is NULL");
    ORTHSR__REQUIRE(threads <= ORTHSR__MAX_THREADS, error, "more threads than 4096");
    orthsr__pool *pool;
    ORTHSR__TRY(orthsr__pool_new(&pool, threads, error));
    orthsr__pool_free(session->pool);
    session->encoder.pool = session->pool = pool;
    return ORTHSR_OK;
}

static orthsr_status need_pool(orthsr_session *session, orthsr_error *error) {
    return session->pool ? ORTHSR_OK : orthsr_session_set_threads(session, 0, error);
}

double orthsr_session_work(const orthsr_session *session) { return orthsr__pool_work(session->pool); }

const orthsr_model *orthsr__session_model(const orthsr_session *session) { return session->encoder.model; }

/* The tile's features to the caller; first: index of its first row among all, for the message. */
static orthsr_status deliver(const orthsr_session *session, float *features, size_t n, size_t first, const char *what, orthsr_error *error) {
    size_t embed = session->encoder.model->config.embed_dim;
    for (size_t i = 0; i < n; i++)
        if (!orthsr__all_finite(session->features + i * embed, embed))
            return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the features of %s %zu are not finite", what, first + i);
    orthsr__real_to_float(features, session->features, n * embed);
    return ORTHSR_OK;
}

static bool pixels_finite(const float *pixels, size_t n) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++) sum += pixels[i] - pixels[i];
    return sum == 0;
}

orthsr_status orthsr_session_encode_pixels(orthsr_session *session, float *features, const float *pixels, size_t n, orthsr_error *error) {
    ORTHSR__REQUIRE(session && (n == 0 || (features && pixels)), error, "an argument is NULL");
    const orthsr_model *model = session->encoder.model;
    size_t tile = orthsr__even_tile(n, orthsr__image_tile(model, ORTHSR__TILE_ROWS)), image = 3 * model->config.image_size * model->config.image_size,
           embed = model->config.embed_dim;
    for (size_t i = 0; i < n; i++)
        if (!pixels_finite(pixels + i * image, image)) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "image %zu holds a pixel that is not finite", i);
    ORTHSR__TRY(need_pool(session, error));
    for (size_t i = 0; i < n; i += tile) {
        size_t count = n - i < tile ? n - i : tile;
        ORTHSR__TRY(orthsr__encode_image_tile(&session->encoder, session->features, pixels + i * image, count, error));
        ORTHSR__TRY(deliver(session, features + i * embed, count, i, "image", error));
    }
    return ORTHSR_OK;
}

/* One image into the image tower, which then holds what a map is made from. */
static orthsr_status show(orthsr_session *session, const float *pixels, bool patches, orthsr_error *error) {
    const orthsr_model *model = session->encoder.model;
    if (!pixels_finite(pixels, 3 * model->config.image_size * model->config.image_size))
        return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the image holds a pixel that is not finite");
    ORTHSR__TRY(need_pool(session, error));
    session->encoder.maps = patches;
    orthsr_status status = orthsr__encode_image_tile(&session->encoder, session->features, pixels, 1, error);
    session->encoder.maps = false;
    ORTHSR__TRY(status);
    if (orthsr__all_finite(session->features, model->config.embed_dim)) return ORTHSR_OK;
    return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the features of the image are not finite");
}

orthsr_status orthsr_session_similarity(orthsr_session *session, float *map, const float *pixels, const float *class_feature, orthsr_error *error) {
    ORTHSR__REQUIRE(session && map && pixels && class_feature, error, "an argument is NULL");
    ORTHSR__TRY(show(session, pixels, true, error));
    orthsr__real_from_float(session->features, class_feature, session->encoder.model->config.embed_dim);
    return orthsr__similarity_map(&session->encoder, map, 0, session->features, error);
}

orthsr_status orthsr_session_attention(orthsr_session *session, float *map, const float *pixels, orthsr_error *error) {
    ORTHSR__REQUIRE(session && map && pixels, error, "an argument is NULL");
    ORTHSR__TRY(show(session, pixels, false, error));
    return orthsr__attention_map(&session->encoder, map, 0, error);
}

/* features (n, embed_dim) of tokens (n, context_length) that are known to be good. */
static orthsr_status encode_ids(orthsr_session *session, float *features, const int32_t *tokens, size_t n, orthsr_error *error) {
    const orthsr_model *model = session->encoder.model;
    size_t context = model->config.context_length, embed = model->config.embed_dim;
    ORTHSR__TRY(need_pool(session, error));
    for (size_t i = 0, count; i < n; i += count) {
        count = orthsr__text_tile(&session->encoder, tokens + i * context, n - i);
        ORTHSR__TRY(orthsr__encode_text_tile(&session->encoder, session->features, tokens + i * context, count, error));
        ORTHSR__TRY(deliver(session, features + i * embed, count, i, "text", error));
    }
    return ORTHSR_OK;
}

orthsr_status orthsr_session_encode_tokens(orthsr_session *session, float *features, const int32_t *tokens, size_t n, orthsr_error *error) {
    ORTHSR__REQUIRE(session && (n == 0 || (features && tokens)), error, "an argument is NULL");
    const orthsr_model *model = session->encoder.model;
    size_t context = model->config.context_length;
    for (size_t i = 0; i < n * context; i++) /* negative ids are the library's own: no caller's */
        if (tokens[i] < 0 || (size_t)tokens[i] >= model->config.vocab_size)
            return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "text %zu, position %zu: token %d is outside the vocabulary of %zu", i / context, i % context,
                                (int)tokens[i], model->config.vocab_size);
    return encode_ids(session, features, tokens, n, error);
}

orthsr_status orthsr_session_encode_texts(orthsr_session *session, float *features, const char *const *texts, size_t n, orthsr_error *error) {
    ORTHSR__REQUIRE(session && (n == 0 || (features && texts)), error, "an argument is NULL");
    int32_t *tokens;
    ORTHSR__TRY(orthsr__tokenize(&tokens, session->encoder.model, texts, n, error));
    orthsr_status status = orthsr_session_encode_tokens(session, features, tokens, n, error);
    free(tokens);
    return status;
}

static orthsr_status encode_in_prompt(orthsr_session *session, float *features, const char *const *names, size_t n_classes, orthsr_error *error) {
    int32_t *tokens;
    ORTHSR__TRY(orthsr__prompt_tokens(&tokens, session->prompt, session->encoder.model, names, n_classes, error));
    orthsr_status status = encode_ids(session, features, tokens, n_classes, error);
    if (!status) orthsr_features_normalize(features, n_classes, session->encoder.model->config.embed_dim);
    free(tokens);
    return status;
}

orthsr_status orthsr_session_encode_classes(orthsr_session *session, float *features, const char *const *names, size_t n_classes, const char *const *templates,
                                            size_t n_templates, orthsr_error *error) {
    ORTHSR__REQUIRE(session && features && names && (templates || session->prompt), error, "an argument is NULL");
    ORTHSR__REQUIRE(n_classes > 0 && (n_templates > 0 || session->prompt), error, "no class or no template");
    if (session->prompt) return encode_in_prompt(session, features, names, n_classes, error);
    size_t embed = session->encoder.model->config.embed_dim, n = n_classes * n_templates;
    int32_t *tokens = NULL;
    float *raw = orthsr__aligned(n * embed, sizeof *raw);
    orthsr_status status = raw ? orthsr__tokenize_classes(&tokens, session->encoder.model, names, n_classes, templates, n_templates, error)
                               : orthsr__fail_memory(error, "class features");
    if (!status) status = orthsr_session_encode_tokens(session, raw, tokens, n, error);
    if (!status) {
        orthsr_features_normalize(raw, n, embed);
        for (size_t c = 0; c < n_classes; c++)
            for (size_t e = 0; e < embed; e++) {
                float sum = 0;
                for (size_t k = 0; k < n_templates; k++) sum += raw[(c * n_templates + k) * embed + e];
                features[c * embed + e] = sum / (float)n_templates;
            }
        orthsr_features_normalize(features, n_classes, embed);
    }
    free(tokens);
    free(raw);
    return status;
}

void orthsr_features_normalize(float *features, size_t n, size_t dim) {
    for (size_t i = 0; i < n; i++) {
        float *row = features + i * dim;
        double square = 0;
        for (size_t j = 0; j < dim; j++) square += (double)row[j] * (double)row[j];
        float scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
        for (size_t j = 0; j < dim; j++) row[j] *= scale;
    }
}
