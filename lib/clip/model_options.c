/* model_options.c - how a model is to be opened. */
#include <stdlib.h>

#include "base/fail.h"
#include "base/memory.h"
#include "clip/model.h"

orthsr_status orthsr_model_options_new(orthsr_model_options **out, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = orthsr__calloc(1, sizeof **out);
    return *out ? ORTHSR_OK : orthsr__fail_memory(error, "model options");
}

void orthsr_model_options_free(orthsr_model_options *options) { free(options); }

orthsr_status orthsr_model_options_set_image_size(orthsr_model_options *options, size_t pixels, orthsr_error *error) {
    ORTHSR__REQUIRE(options, error, "options is NULL");
    ORTHSR__REQUIRE(pixels <= ORTHSR__MAX_SIZE, error, "an image size is at most 2^24 pixels");
    options->image_size = pixels;
    return ORTHSR_OK;
}

orthsr_status orthsr_model_options_set_interpolation(orthsr_model_options *options, orthsr_interpolation interpolation, orthsr_error *error) {
    ORTHSR__REQUIRE(options, error, "options is NULL");
    ORTHSR__REQUIRE(interpolation == ORTHSR_INTERPOLATION_FAMILY || interpolation == ORTHSR_INTERPOLATION_BICUBIC ||
                        interpolation == ORTHSR_INTERPOLATION_BICUBIC_ANTIALIAS,
                    error, "interpolation is none of orthsr_interpolation");
    options->interpolation = interpolation;
    return ORTHSR_OK;
}

orthsr_status orthsr_model_options_set_map(orthsr_model_options *options, int map, orthsr_error *error) {
    ORTHSR__REQUIRE(options, error, "options is NULL");
    options->is_read = !map;
    return ORTHSR_OK;
}
