/* preprocess.c - an image to the network's input. */
#include "base/fail.h"
#include "clip/model.h"

orthsr_status orthsr_model_preprocess(const orthsr_model *model, float *pixels, const orthsr_image *image, orthsr_error *error) {
    ORTHSR__REQUIRE(model && pixels && image, error, "an argument is NULL");
    const orthsr__config *config = &model->config;
    size_t size = config->image_size;
    orthsr_image *square;
    ORTHSR__TRY(config->squash ? orthsr_image_resize(&square, image, size, size, error) : orthsr_image_resize_crop(&square, image, size, error));
    const uint8_t *rgb = orthsr_image_rgb(square); /* (size, size, 3) */
    for (size_t c = 0; c < 3; c++) {
        float mean = (float)config->mean[c], std = (float)config->std[c];
        for (size_t i = 0; i < size * size; i++) pixels[c * size * size + i] = ((float)rgb[i * 3 + c] / 255.0f - mean) / std;
    }
    orthsr_image_free(square);
    return ORTHSR_OK;
}
