/* preprocess_config.c - mean, std and geometry of a model's input images, from open_clip's or Hugging Face's JSON. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "clip/preprocess.h"
#include "io/json.h"

/* The mean and std of OpenAI's CLIP. */
void orthsr__preprocess_default(orthsr__config *config) {
    static const double mean[3] = {0.48145466, 0.4578275, 0.40821073}, std[3] = {0.26862954, 0.26130258, 0.27577711};
    memcpy(config->mean, mean, sizeof mean);
    memcpy(config->std, std, sizeof std);
}

/* Three numbers; absent leaves out as it is. */
static orthsr_status read_triple(double out[3], const json_t *object, const char *key, const char *path, orthsr_error *error) {
    const json_t *array = json_object_get(object, key);
    if (!array || json_is_null(array)) return ORTHSR_OK;
    if (!json_is_array(array) || json_array_size(array) != 3) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: '%s' must be three numbers", path, key);
    for (size_t i = 0; i < 3; i++) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_number(value)) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: '%s' must be three numbers", path, key);
        out[i] = json_number_value(value);
    }
    return ORTHSR_OK;
}

static orthsr_status check(const orthsr__config *config, const char *path, orthsr_error *error) {
    for (size_t i = 0; i < 3; i++)
        if (!isfinite(config->mean[i]) || !(config->std[i] > 0) || !isfinite(config->std[i]))
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: pixel mean and std must be finite, std positive", path);
    return ORTHSR_OK;
}

orthsr_status orthsr__preprocess_read_open_clip(orthsr__config *config, const json_t *root, const char *path, orthsr_error *error) {
    const json_t *preprocess = json_object_get(root, "preprocess_cfg");
    const char *mode = "shortest", *interpolation = "bicubic";
    ORTHSR__TRY(read_triple(config->mean, preprocess, "mean", path, error));
    ORTHSR__TRY(read_triple(config->std, preprocess, "std", path, error));
    ORTHSR__TRY(orthsr__json_string(&interpolation, preprocess, "interpolation", path, error));
    ORTHSR__TRY(orthsr__json_string(&mode, preprocess, "resize_mode", path, error));
    if (strcmp(interpolation, "bicubic") != 0)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: interpolation '%s' is not supported (bicubic is)", path, interpolation);
    config->squash = strcmp(mode, "squash") == 0;
    if (!config->squash && strcmp(mode, "shortest") != 0)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: resize_mode '%s' is not supported (shortest, squash)", path, mode);
    return check(config, path, error);
}

/* preprocessor_config.json (or processor_config.json's image_processor): mean, std and whether the aspect is kept. */
orthsr_status orthsr__preprocess_read_huggingface(orthsr__config *config, const char *directory, orthsr_error *error) {
    char *path = orthsr__join(directory, "preprocessor_config.json");
    json_t *root = NULL;
    orthsr_status status = path ? ORTHSR_OK : orthsr__fail_memory(error, "a file name");
    if (!status && orthsr__is_file(path)) {
        status = orthsr__json_load(&root, path, ORTHSR__CONFIG_LIMIT, error);
        size_t resample = 3;
        if (!status) status = read_triple(config->mean, root, "image_mean", path, error);
        if (!status) status = read_triple(config->std, root, "image_std", path, error);
        if (!status) status = orthsr__json_size(&resample, root, "resample", path, error);
        if (!status && resample != 3)
            status = orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: resample %zu is not supported (3, bicubic, is)", path, resample);
        const json_t *size = json_object_get(root, "size");
        config->squash = json_is_object(size) && json_object_get(size, "height") != NULL;
        if (!status) status = check(config, path, error);
    }
    json_decref(root);
    free(path);
    return status;
}
