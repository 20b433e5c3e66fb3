/* embed.c - `orthsr embed`: features of images, texts or prepared pixels, one row per input, in a NumPy file. */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "embed_stream.h"
#include "inputs.h"
#include "output.h"
#include "report.h"
#include "terminal.h"

#define BATCH 32 /* inputs encoded together: enough for efficient products, little enough for a small machine */

/* What is to be encoded; `encode` turns inputs first, ..., first + n - 1 into features. */
typedef struct source {
    const inputs *in;
    const settings *settings;
    size_t count;
    float *pixels;   /* --pixels: all of them; --images: room for a batch */
    int32_t *tokens; /* --text */
    orthsr_status (*encode)(struct source *src, float *features, size_t first, size_t n, orthsr_error *error);
} source;

static size_t pixels_per_image(const orthsr_model *model) { return 3 * orthsr_model_image_size(model) * orthsr_model_image_size(model); }

static orthsr_status load_image(const orthsr_model *model, float *pixels, const char *path, size_t max_pixels, orthsr_error *error) {
    orthsr_image *image;
    orthsr_status status = orthsr_image_open(&image, path, max_pixels, error);
    if (status == ORTHSR_OK) status = orthsr_model_preprocess(model, pixels, image, error);
    orthsr_image_free(image);
    return status;
}

static orthsr_status encode_images(source *src, float *features, size_t first, size_t n, orthsr_error *error) {
    const orthsr_model *model = src->in->model;
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < n && status == ORTHSR_OK; i++)
        status = load_image(model, src->pixels + i * pixels_per_image(model), src->settings->images.items[first + i], (size_t)src->settings->max_pixels.value,
                            error);
    return status == ORTHSR_OK ? orthsr_session_encode_pixels(src->in->session, features, src->pixels, n, error) : status;
}

static orthsr_status encode_pixels(source *src, float *features, size_t first, size_t n, orthsr_error *error) {
    return orthsr_session_encode_pixels(src->in->session, features, src->pixels + first * pixels_per_image(src->in->model), n, error);
}

static orthsr_status encode_texts(source *src, float *features, size_t first, size_t n, orthsr_error *error) {
    return orthsr_session_encode_tokens(src->in->session, features, src->tokens + first * orthsr_model_context_length(src->in->model), n, error);
}

static orthsr_status open_images(source *src, orthsr_error *error) {
    src->encode = encode_images;
    src->count = src->settings->images.count;
    src->pixels = calloc(BATCH, pixels_per_image(src->in->model) * sizeof *src->pixels);
    return src->pixels ? ORTHSR_OK : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %d images", BATCH);
}

static void format_shape(char *out, size_t size, const size_t *shape, size_t rank) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < rank && used < size; i++) used += (size_t)snprintf(out + used, size - used, "%s%zu", i ? ", " : "", shape[i]);
}

static orthsr_status open_pixels(source *src, orthsr_error *error) {
    size_t shape[ORTHSR_ARRAY_MAX_RANK], rank, side = orthsr_model_image_size(src->in->model);
    const char *path = src->settings->pixels;
    src->encode = encode_pixels;
    orthsr_status status = orthsr_array_read(&src->pixels, shape, &rank, path, error);
    if (status != ORTHSR_OK) return status;
    if (rank != 4 || shape[1] != 3 || shape[2] != side || shape[3] != side) {
        char found[ORTHSR_ARRAY_MAX_RANK * 24];
        format_shape(found, sizeof found, shape, rank);
        return failed(error, ORTHSR_ERROR_MISMATCH, "'%s' has shape (%s); this model takes (n, 3, %zu, %zu)", path, found, side, side);
    }
    src->count = shape[0];
    return ORTHSR_OK;
}

static orthsr_status open_texts(source *src, orthsr_error *error) {
    texts lines;
    src->encode = encode_texts;
    orthsr_status status = texts_read(&lines, src->settings->text, error);
    if (status == ORTHSR_OK) status = texts_tokens(&src->tokens, &lines, src->in->model, error);
    src->count = lines.count;
    texts_free(&lines);
    return status;
}

static orthsr_status open_source(source *src, orthsr_error *error) {
    orthsr_status status = src->settings->images.count > 0 ? open_images(src, error) : src->settings->pixels ? open_pixels(src, error) : open_texts(src, error);
    if (status == ORTHSR_OK && src->count == 0)
        return failed(error, ORTHSR_ERROR_ARGUMENT, "'%s' holds nothing to embed; a row or a line is wanted for each",
                      src->settings->pixels ? src->settings->pixels : src->settings->text);
    return status;
}

static orthsr_status encode_all(source *src, float *features, orthsr_error *error) {
    size_t dim = orthsr_model_embed_dim(src->in->model);
    orthsr_status status = ORTHSR_OK;
    progress bar;
    progress_begin(&bar, "embedding", src->tokens ? "texts" : "images", src->count);
    for (size_t first = 0; first < src->count && status == ORTHSR_OK; first += BATCH) {
        size_t n = src->count - first < BATCH ? src->count - first : BATCH;
        if (terminal_interrupted()) return failed(error, ORTHSR_ERROR_CANCELLED, "interrupted");
        status = src->encode(src, features + first * dim, first, n, error);
        progress_show(&bar, first + n, NULL);
    }
    if (status == ORTHSR_OK) progress_end(&bar, NULL);
    return status;
}

static orthsr_status write_features(source *src, orthsr_error *error) {
    size_t dim = orthsr_model_embed_dim(src->in->model), shape[2] = {src->count, dim};
    float *features = calloc(src->count, dim * sizeof *features);
    if (!features) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu rows of features", src->count);
    orthsr_status status = encode_all(src, features, error);
    if (status == ORTHSR_OK && !src->settings->raw) orthsr_features_normalize(features, src->count, dim);
    if (status == ORTHSR_OK) status = orthsr_array_write(src->settings->out, features, shape, 2, error);
    free(features);
    return status;
}

static int report(const source *src) {
    const settings *s = src->settings;
    size_t dim = orthsr_model_embed_dim(src->in->model);
    if (!s->json) {
        printf("%s: %zu rows of %zu features%s\n", s->out, src->count, dim, s->raw ? "" : ", of unit length");
        return EXIT_SUCCESS;
    }
    json_t *object = json_object();
    put_text(object, "out", s->out);
    put_count(object, "rows", src->count);
    put_count(object, "columns", dim);
    json_object_set_new(object, "normalized", json_boolean(!s->raw));
    return report_print(s, object);
}

int command_embed(const settings *s) {
    if ((s->images.count > 0) + (s->text != NULL) + (s->pixels != NULL) + (s->data != NULL) != 1)
        return wrong_usage(s->command->name, "give one of --images, --text, --pixels and --data");
    if (s->data) return embed_stream(s);
    orthsr_error error = {""};
    inputs in = {0};
    source src = {.in = &in, .settings = s};
    orthsr_status status = output_check(s->out, &error);
    if (status == ORTHSR_OK) status = inputs_open(&in, s, &error);
    if (status == ORTHSR_OK) status = open_source(&src, &error);
    if (status == ORTHSR_OK) status = write_features(&src, &error);
    int code = status == ORTHSR_OK ? report(&src) : give_up(s, &error);
    if (s->pixels) orthsr_free(src.pixels);
    else free(src.pixels);
    free(src.tokens);
    inputs_close(&in);
    return code;
}
