/* preprocess_config.c - how a model wants its images, from open_clip's or Hugging Face's JSON.
 *
 * A key that changes pixels is honoured as its own library honours it, or refused by name. Others, and values that no
 * step asks for, are passed over.
 */
#include "clip/preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "io/json.h"

/* ---- helpers on JSON ---------------------------------------------------------------------------------------------- */

static orthsr_status refuse(const char *path, const char *key, const json_t *value, const char *supported, orthsr_error *error) {
    char *text = orthsr__json_text(value, JSON_ENCODE_ANY | JSON_COMPACT);
    orthsr_status status =
        orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: '%s': %.200s is not supported (%s)", path, key, text ? text : "this value", supported);
    free(text);
    return status;
}

/* Three numbers, or one for all three. */
static orthsr_status triple(double out[3], const json_t *value, const char *key, const char *path, orthsr_error *error) {
    for (size_t i = 0; i < 3; i++) {
        const json_t *number = json_is_array(value) && json_array_size(value) == 3 ? json_array_get(value, i) : value;
        if (!json_is_number(number)) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: '%s' must be a number or three", path, key);
        out[i] = json_number_value(number);
    }
    return ORTHSR_OK;
}

/* The arithmetic is in float32: what matters is what is left there. */
static orthsr_status check(const orthsr__preprocess *p, const char *path, orthsr_error *error) {
    bool sound = isfinite(p->scale);
    for (size_t i = 0; i < 3; i++) sound = sound && isfinite((float)p->mean[i]) && isfinite((float)p->std[i]) && (float)p->std[i] > 0;
    return sound ? ORTHSR_OK : orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: pixel mean, std and scale must be finite, std positive", path);
}

/* ---- open_clip ------------------------------------------------------------------------------------------------------ */

/* open_clip takes 0 and [] for absent as well. */
static const json_t *given(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    bool empty = json_is_null(value) || (json_is_number(value) && json_number_value(value) == 0) || (json_is_array(value) && json_array_size(value) == 0);
    return empty ? NULL : value;
}

static orthsr_status read_open_clip(orthsr__preprocess *p, const json_t *root, const char *path, orthsr_error *error) {
    const json_t *cfg = json_object_get(root, "preprocess_cfg"), *value;
    if (cfg && !json_is_object(cfg) && !json_is_null(cfg)) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: 'preprocess_cfg' must be an object", path);
    /* size is not read: open_clip sets it to the image tower's. */
    if ((value = given(cfg, "mean"))) ORTHSR__TRY(triple(p->mean, value, "mean", path, error));
    if ((value = given(cfg, "std"))) ORTHSR__TRY(triple(p->std, value, "std", path, error));

    const char *mode = "RGB", *interpolation = "bicubic", *resize = "shortest";
    ORTHSR__TRY(orthsr__json_string(&mode, cfg, "mode", path, error));
    if (strcmp(mode, "RGB") != 0) return refuse(path, "mode", json_object_get(cfg, "mode"), "RGB is", error);
    ORTHSR__TRY(orthsr__json_string(&interpolation, cfg, "interpolation", path, error));
    if (strcmp(interpolation, "bilinear") == 0) p->filter = ORTHSR__BILINEAR;
    else if (strcmp(interpolation, "bicubic") != 0 && strcmp(interpolation, "random") != 0) /* random is training's; bicubic otherwise */
        return refuse(path, "interpolation", json_object_get(cfg, "interpolation"), "bicubic, bilinear are", error);
    ORTHSR__TRY(orthsr__json_string(&resize, cfg, "resize_mode", path, error));
    if (strcmp(resize, "squash") == 0) {
        p->resize = ORTHSR__RESIZE_EXACT;
    } else if (strcmp(resize, "longest") == 0) {
        p->resize = ORTHSR__RESIZE_LONGEST;
        size_t fill = 0;
        value = json_object_get(cfg, "fill_color");
        if (value && !json_is_null(value) && (!orthsr__json_as_size(&fill, value) || fill > 255))
            return refuse(path, "fill_color", value, "0 to 255 are", error);
        p->fill = (uint8_t)fill;
    } else if (strcmp(resize, "shortest") != 0) {
        return refuse(path, "resize_mode", json_object_get(cfg, "resize_mode"), "shortest, longest, squash are", error);
    }
    return check(p, path, error);
}

/* ---- Hugging Face ----------------------------------------------------------------------------------------------------- */

/* Absent leaves *out; null is false, as an attribute that is None. */
static orthsr_status flag(bool *out, const json_t *root, const char *key, const char *path, orthsr_error *error) {
    if (json_is_null(json_object_get(root, key))) *out = false;
    return orthsr__json_bool(out, root, key, path, error);
}

static bool edge(size_t *out, const json_t *value) { return orthsr__json_as_size(out, value) && *out > 0 && *out <= ORTHSR__MAX_SIZE; }

/* n, [height, width] or {"height", "width"}. */
static bool extent(size_t *height, size_t *width, const json_t *value) {
    if (edge(height, value)) return edge(width, value);
    if (json_is_array(value)) return json_array_size(value) == 2 && edge(height, json_array_get(value, 0)) && edge(width, json_array_get(value, 1));
    return json_object_size(value) == 2 && edge(height, json_object_get(value, "height")) && edge(width, json_object_get(value, "width"));
}

static orthsr_status read_size(orthsr__preprocess *p, const json_t *root, const char *path, orthsr_error *error) {
    const json_t *value = json_object_get(root, "size");
    bool square = false;
    ORTHSR__TRY(flag(&square, root, "default_to_square", path, error));
    p->resize = ORTHSR__RESIZE_SHORTEST;
    p->width = 224;
    if (!value || (!square && edge(&p->width, value))) return ORTHSR_OK;
    if (edge(&p->width, json_object_get(value, "shortest_edge"))) {
        if (json_object_size(value) == 1 || (json_object_size(value) == 2 && edge(&p->longest, json_object_get(value, "longest_edge")))) return ORTHSR_OK;
    } else if (extent(&p->height, &p->width, value)) {
        p->resize = ORTHSR__RESIZE_EXACT;
        return ORTHSR_OK;
    }
    return refuse(path, "size", value, "n, {shortest_edge}, {shortest_edge, longest_edge}, {height, width} are", error);
}

/* The key's extent (224 x 224 where it is absent) must be the image tower's. */
static orthsr_status same_extent(const json_t *root, const char *key, size_t image_size, const char *path, orthsr_error *error) {
    const json_t *value = json_object_get(root, key);
    size_t height = 224, width = 224;
    if (value && !extent(&height, &width, value)) return refuse(path, key, value, "n, {height, width} are", error);
    if (height == image_size && width == image_size) return ORTHSR_OK;
    return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "%s: '%s'%s is %zu x %zu, but the model's image_size is %zu", path, key, value ? "" : " (not given)",
                        height, width, image_size);
}

/* Files that name another processor mean other steps and other defaults. */
static orthsr_status check_type(const json_t *root, const char *key, const char *path, orthsr_error *error) {
    const char *type = "CLIPImageProcessor";
    ORTHSR__TRY(orthsr__json_string(&type, root, key, path, error));
    static const char *const known[] = {"CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPImageProcessorPil", "CLIPFeatureExtractor"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(type, known[i]) == 0) return ORTHSR_OK;
    return refuse(path, key, json_object_get(root, key), "CLIPImageProcessor is", error);
}

static orthsr_status read_processor(orthsr__preprocess *p, const json_t *root, size_t image_size, const char *path, orthsr_error *error) {
    bool resize = true, crop = true, rescale = true, normalize = true, pad = false, kosmos = false;
    ORTHSR__TRY(check_type(root, json_object_get(root, "image_processor_type") ? "image_processor_type" : "feature_extractor_type", path, error));
    ORTHSR__TRY(flag(&resize, root, "do_resize", path, error));
    ORTHSR__TRY(flag(&crop, root, "do_center_crop", path, error));
    ORTHSR__TRY(flag(&rescale, root, "do_rescale", path, error));
    ORTHSR__TRY(flag(&normalize, root, "do_normalize", path, error));
    ORTHSR__TRY(flag(&pad, root, "do_pad", path, error));
    ORTHSR__TRY(flag(&kosmos, root, "use_square_size", path, error));
    if (kosmos) return refuse(path, "use_square_size", json_object_get(root, "use_square_size"), "give size {height, width}", error);

    p->resize = ORTHSR__RESIZE_NONE;
    if (resize) {
        ORTHSR__TRY(read_size(p, root, path, error));
        const json_t *resample = json_object_get(root, "resample");
        if (json_is_integer(resample) && json_integer_value(resample) == 2) p->filter = ORTHSR__BILINEAR;
        else if (resample && !(json_is_integer(resample) && json_integer_value(resample) == 3))
            return refuse(path, "resample", resample, "3, bicubic, and 2, bilinear, are", error);
    }
    if (crop) ORTHSR__TRY(same_extent(root, "crop_size", image_size, path, error));
    else if (p->resize != ORTHSR__RESIZE_EXACT)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: without 'do_center_crop' only a 'size' of {height, width} makes every image %zu x %zu", path,
                            image_size, image_size);
    else ORTHSR__TRY(same_extent(root, "size", image_size, path, error));
    /* Padding to the batch's largest image does nothing to images of one size. */
    if (pad && json_object_get(root, "pad_size")) ORTHSR__TRY(same_extent(root, "pad_size", image_size, path, error));

    if (!rescale) p->scale = 1;
    const json_t *value = json_object_get(root, "rescale_factor");
    if (rescale && value && !json_is_number(value)) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: 'rescale_factor' must be a number", path);
    if (rescale && value) p->scale = json_number_value(value);
    for (size_t i = 0; i < 3 && !normalize; i++) {
        p->mean[i] = 0;
        p->std[i] = 1;
    }
    if (normalize && (value = json_object_get(root, "image_mean"))) ORTHSR__TRY(triple(p->mean, value, "image_mean", path, error));
    if (normalize && (value = json_object_get(root, "image_std"))) ORTHSR__TRY(triple(p->std, value, "image_std", path, error));
    return check(p, path, error);
}

/* processor_config.json's image_processor comes before preprocessor_config.json, as in transformers. Neither: CLIP's own steps at the model's size. */
static orthsr_status read_huggingface(orthsr__preprocess *p, size_t image_size, const char *directory, orthsr_error *error) {
    static const char *const names[] = {"processor_config.json", "preprocessor_config.json"};
    bool found = false;
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < 2 && !found && !status; i++) {
        char *path = orthsr__join(directory, names[i]);
        json_t *root = NULL;
        if (!path) status = orthsr__fail_memory(error, "a file name");
        if (!status && orthsr__is_there(path)) status = orthsr__json_load(&root, path, ORTHSR__CONFIG_LIMIT, error);
        const json_t *processor = i == 0 ? json_object_get(root, "image_processor") : root;
        found = processor && !json_is_null(processor);
        if (found && !json_is_object(processor)) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: 'image_processor' must be an object", path);
        else if (found) status = read_processor(p, processor, image_size, path, error);
        json_decref(root);
        free(path);
    }
    return status;
}

orthsr_status orthsr__preprocess_read(orthsr__config *config, const json_t *root, const char *path, const char *directory, orthsr_error *error) {
    size_t size = config->image_size;
    config->preprocess = (orthsr__preprocess){.resize = ORTHSR__RESIZE_SHORTEST,
                                              .width = size,
                                              .height = size,
                                              .scale = 1 / 255.0,
                                              .mean = {0.48145466, 0.4578275, 0.40821073},
                                              .std = {0.26862954, 0.26130258, 0.27577711},
                                              .transformers = config->family == ORTHSR__HUGGINGFACE};
    orthsr__preprocess *p = &config->preprocess;
    orthsr_status status = ORTHSR_OK;
    if (config->family == ORTHSR__OPEN_CLIP) status = read_open_clip(p, root, path, &p->why);
    if (config->family == ORTHSR__HUGGINGFACE) status = read_huggingface(p, size, directory, &p->why);
    if (status == ORTHSR_ERROR_UNSUPPORTED || status == ORTHSR_ERROR_MISMATCH) p->refused = status;
    else if (status) return orthsr__fail(error, status, "%s", p->why.message);
    return ORTHSR_OK;
}

void orthsr__preprocess_resize(orthsr__preprocess *p, size_t from, size_t to) {
    size_t *extents[] = {&p->width, &p->height, &p->longest};
    for (size_t i = 0; i < 3; i++) *extents[i] = (size_t)rint((double)*extents[i] * (double)to / (double)from);
}
