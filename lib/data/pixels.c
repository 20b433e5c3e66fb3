/* pixels.c - an item of a dataset as an image and as a model's input, and whether it can become one. */
#include <stdlib.h>

#include "base/fail.h"
#include "data/dataset.h"
#include "io/image.h"

orthsr_status orthsr__dataset_image(orthsr_image **out, size_t *label, const orthsr_dataset *dataset, size_t item, orthsr_error *error) {
    orthsr__item source;
    char *own;
    *out = NULL;
    ORTHSR__TRY(orthsr__dataset_item(dataset, item, &source, &own, error));
    orthsr_status status = source.pixels ? orthsr_image_new(out, source.pixels, dataset->height, dataset->width, dataset->channels, error)
                                         : orthsr__image_open_part(out, source.name, source.offset, source.size, dataset->max_pixels, error);
    *label = source.label;
    free(own);
    return status;
}

orthsr_status orthsr__dataset_input(const orthsr_dataset *dataset, size_t item, const orthsr_model *model, float *pixels, size_t *label, orthsr_error *error) {
    orthsr_image *image;
    ORTHSR__TRY(orthsr__dataset_image(&image, label, dataset, item, error));
    orthsr_status status = orthsr_model_preprocess(model, pixels, image, error);
    orthsr_image_free(image);
    return status;
}

orthsr_status orthsr_dataset_pixels(const orthsr_dataset *dataset, size_t item, const orthsr_model *model, float *pixels, orthsr_error *error) {
    ORTHSR__REQUIRE(dataset && model && pixels, error, "dataset, model or pixels is NULL");
    if (item >= dataset->count) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%s: item %zu; there are %zu", __func__, item, dataset->count);
    size_t label;
    return orthsr__dataset_input(dataset, item, model, pixels, &label, error);
}

orthsr_status orthsr_dataset_check_item(const orthsr_dataset *dataset, size_t item, int decode, orthsr_error *error) {
    ORTHSR__REQUIRE(dataset, error, "dataset is NULL");
    if (item >= dataset->count) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%s: item %zu; there are %zu", __func__, item, dataset->count);
    orthsr__item source;
    char *own;
    ORTHSR__TRY(orthsr__dataset_item(dataset, item, &source, &own, error));
    orthsr_status status = ORTHSR_OK;
    if (!source.pixels && !decode && source.size == 0) {
        status = orthsr__image_probe(source.name, dataset->max_pixels, error);
    } else if (!source.pixels) {
        orthsr_image *image;
        status = orthsr__image_open_part(&image, source.name, source.offset, source.size, dataset->max_pixels, error);
        orthsr_image_free(image);
    }
    free(own);
    return status;
}
