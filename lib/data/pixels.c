/* pixels.c - an item of a dataset as an image, and as a model's input. */
#include "base/fail.h"
#include "data/dataset.h"

orthsr_status orthsr__dataset_image(orthsr_image **out, const orthsr_dataset *dataset, size_t item, orthsr_error *error) {
    const orthsr__item *source = &dataset->items[item];
    if (source->pixels) return orthsr_image_new(out, source->pixels, dataset->height, dataset->width, dataset->channels, error);
    return orthsr_image_open(out, source->name, dataset->max_pixels, error);
}

orthsr_status orthsr_dataset_pixels(const orthsr_dataset *dataset, size_t item, const orthsr_model *model, float *pixels, orthsr_error *error) {
    ORTHSR__REQUIRE(dataset && model && pixels, error, "dataset, model or pixels is NULL");
    if (item >= dataset->count) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%s: item %zu; there are %zu", __func__, item, dataset->count);
    orthsr_image *image;
    ORTHSR__TRY(orthsr__dataset_image(&image, dataset, item, error));
    orthsr_status status = orthsr_model_preprocess(model, pixels, image, error);
    orthsr_image_free(image);
    return status;
}
