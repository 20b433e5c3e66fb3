/* preprocess.c - an image to the network's input: resized, cropped or padded to the tower's square, normalised. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "clip/preprocess.h"
#include "io/image.h"

/* transformers' get_size_with_aspect_ratio: the shorter edge to `edge`, or to less where the longer would pass `longest`. */
static bool resize_within(size_t *width, size_t *height, size_t edge, size_t longest) {
    bool tall = *width < *height;
    double low = (double)(tall ? *width : *height), high = (double)(tall ? *height : *width);
    if (!(high / low * (double)edge > (double)longest)) return orthsr__resize_shortest(width, height, edge);
    double exact = (double)longest * low / high;
    size_t shorter = (size_t)rint(exact), longer = (size_t)(exact * high / low);
    if (low == (double)shorter) return true;
    *width = tall ? shorter : longer;
    *height = tall ? longer : shorter;
    return true;
}

/* The size of the whole resized image, from the image's own. */
static bool resized(const orthsr__preprocess *p, size_t *width, size_t *height) {
    double ratio;
    switch (p->resize) {
    case ORTHSR__RESIZE_NONE: return true;
    case ORTHSR__RESIZE_SHORTEST: return p->longest ? resize_within(width, height, p->width, p->longest) : orthsr__resize_shortest(width, height, p->width);
    case ORTHSR__RESIZE_LONGEST: /* timm's ResizeKeepRatio */
        ratio = (double)(*width > *height ? *width : *height) / (double)p->width;
        *width = (size_t)rint((double)*width / ratio);
        *height = (size_t)rint((double)*height / ratio);
        return true;
    case ORTHSR__RESIZE_EXACT: break;
    }
    *width = p->width;
    *height = p->height;
    return true;
}

/* What of a resized extent lies in a square of `size`, and how far from its edge. Odd differences: torchvision rounds the crop's offset
 * half to even and the padding before down; transformers the offset down and the padding up. */
static orthsr__window place(size_t *before, size_t full, size_t size, bool transformers) {
    if (full >= size) {
        *before = 0;
        return (orthsr__window){full, transformers ? (full - size) / 2 : orthsr__round_half(full - size), size};
    }
    *before = (size - full + transformers) / 2;
    return (orthsr__window){full, 0, full};
}

void orthsr__preprocess_describe(char *text, size_t size, const orthsr__config *config) {
    const orthsr__preprocess *p = &config->preprocess;
    if (p->refused) {
        snprintf(text, size, "cannot be done: %s", p->why.message);
        return;
    }
    char resize[96] = "size as it is";
    const char *filter = p->filter == ORTHSR__BILINEAR ? "bilinear" : "bicubic";
    if (p->resize == ORTHSR__RESIZE_SHORTEST && p->longest)
        snprintf(resize, sizeof resize, "shorter side to %zu, the longer to at most %zu (%s)", p->width, p->longest, filter);
    else if (p->resize == ORTHSR__RESIZE_SHORTEST) snprintf(resize, sizeof resize, "shorter side to %zu (%s)", p->width, filter);
    else if (p->resize == ORTHSR__RESIZE_LONGEST) snprintf(resize, sizeof resize, "longer side to %zu (%s)", p->width, filter);
    else if (p->resize == ORTHSR__RESIZE_EXACT) snprintf(resize, sizeof resize, "squashed to %zu x %zu (%s)", p->height, p->width, filter);
    snprintf(text, size, "%s, centre %zu x %zu, times %.6g, mean %.4g %.4g %.4g, std %.4g %.4g %.4g", resize, config->image_size, config->image_size, p->scale,
             p->mean[0], p->mean[1], p->mean[2], p->std[0], p->std[1], p->std[2]);
}

/* part somewhere in a square of gray. */
static orthsr_status pad(orthsr_image **out, const orthsr_image *part, size_t size, size_t left, size_t top, uint8_t gray, orthsr_error *error) {
    *out = orthsr__image_allocate(size, size);
    if (!*out) return orthsr__fail_memory(error, "a padded image");
    memset((*out)->rgb, gray, 3 * size * size);
    for (size_t y = 0; y < part->height; y++) memcpy((*out)->rgb + 3 * ((top + y) * size + left), part->rgb + 3 * y * part->width, 3 * part->width);
    return ORTHSR_OK;
}

orthsr_status orthsr_model_view(const orthsr_model *model, orthsr_image **out, const orthsr_image *image, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(model && image, error, "an argument is NULL");
    const orthsr__preprocess *p = &model->config.preprocess;
    if (p->refused) return orthsr__fail(error, p->refused, "%s", p->why.message);
    size_t size = model->config.image_size, width = image->width, height = image->height, left, top;
    if (!resized(p, &width, &height)) return orthsr__fail_memory(error, "a resized image");
    if (width == 0 || height == 0)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "an image of %zu x %zu pixels is too narrow: resized as the model asks nothing of it is left",
                            image->width, image->height);
    orthsr__window across = place(&left, width, size, p->transformers), down = place(&top, height, size, p->transformers);
    orthsr_image *part;
    ORTHSR__TRY(orthsr__image_resample(&part, image, p->filter, across, down, error));
    if (part->width == size && part->height == size) {
        *out = part;
        return ORTHSR_OK;
    }
    orthsr_status status = pad(out, part, size, left, top, p->fill, error);
    orthsr_image_free(part);
    return status;
}

void orthsr__preprocess_normalize(float *pixels, const orthsr_image *view, const orthsr__preprocess *p) {
    size_t n = view->width * view->height;
    for (size_t c = 0; c < 3; c++, pixels += n) {
        float level[256], mean = (float)p->mean[c], std = (float)p->std[c];
        for (size_t v = 0; v < 256; v++) level[v] = ((float)((double)v * p->scale) - mean) / std;
        for (size_t i = 0; i < n; i++) pixels[i] = level[view->rgb[3 * i + c]];
    }
}

orthsr_status orthsr_model_preprocess(const orthsr_model *model, float *pixels, const orthsr_image *image, orthsr_error *error) {
    ORTHSR__REQUIRE(model && pixels && image, error, "an argument is NULL");
    orthsr_image *view;
    ORTHSR__TRY(orthsr_model_view(model, &view, image, error));
    orthsr__preprocess_normalize(pixels, view, &model->config.preprocess);
    orthsr_image_free(view);
    return ORTHSR_OK;
}
