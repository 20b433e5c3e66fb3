/* augment.c - torchvision's RandomResizedCrop and RandomHorizontalFlip on 8-bit images, with PIL's arithmetic. */
#include "data/augment.h"

#include <math.h>
#include <string.h>

#include "base/fail.h"
#include "clip/preprocess.h"

static const double least_area = 0.08, narrowest = 3.0 / 4, widest = 4.0 / 3;
enum { TRIES = 10 };

/* What torchvision takes when no try fits: the centre, as wide or as high as the ratios allow. Python's round goes half to even, as rint does. */
static orthsr__crop centre(size_t width, size_t height) {
    orthsr__crop crop = {.width = width, .height = height};
    double ratio = (double)width / (double)height;
    if (ratio < narrowest) crop.height = (size_t)rint((double)width / narrowest);
    else if (ratio > widest) crop.width = (size_t)rint((double)height * widest);
    crop.left = (width - crop.width) / 2;
    crop.top = (height - crop.height) / 2;
    return crop;
}

orthsr__crop orthsr__draw_crop(orthsr__draws *draws, size_t width, size_t height) {
    orthsr__crop crop = centre(width, height);
    for (int i = 0; i < TRIES; i++) {
        double area = (double)width * (double)height * orthsr__draw_uniform(draws, least_area, 1);
        double ratio = exp(orthsr__draw_uniform(draws, log(narrowest), log(widest)));
        double w = rint(sqrt(area * ratio)), h = rint(sqrt(area / ratio));
        if (!(w > 0 && w <= (double)width && h > 0 && h <= (double)height)) continue;
        crop = (orthsr__crop){.width = (size_t)w, .height = (size_t)h};
        crop.top = orthsr__draw_below(draws, height - crop.height + 1);
        crop.left = orthsr__draw_below(draws, width - crop.width + 1);
        break;
    }
    crop.flip = orthsr__draw_uniform(draws, 0, 1) < 0.5;
    return crop;
}

static void flip(orthsr_image *image) {
    for (size_t y = 0; y < image->height; y++)
        for (size_t a = 0, b = image->width - 1; a < b; a++, b--) {
            uint8_t *left = image->rgb + 3 * (y * image->width + a), *right = image->rgb + 3 * (y * image->width + b), pixel[3];
            memcpy(pixel, left, 3);
            memcpy(left, right, 3);
            memcpy(right, pixel, 3);
        }
}

orthsr_status orthsr__image_cropped(orthsr_image **out, const orthsr_image *image, orthsr__crop crop, size_t size, orthsr__filter filter, orthsr_error *error) {
    *out = NULL;
    orthsr_image *part = orthsr__image_allocate(crop.width, crop.height);
    if (!part) return orthsr__fail_memory(error, "a part of an image");
    for (size_t y = 0; y < crop.height; y++)
        memcpy(part->rgb + 3 * y * crop.width, image->rgb + 3 * ((crop.top + y) * image->width + crop.left), 3 * crop.width);
    orthsr_status status = orthsr__image_resample(out, part, filter, (orthsr__window){size, 0, size}, (orthsr__window){size, 0, size}, error);
    orthsr_image_free(part);
    if (!status && crop.flip) flip(*out);
    return status;
}

orthsr_status orthsr__dataset_augmented(const orthsr_dataset *dataset, size_t item, const orthsr_model *model, float *pixels, size_t *label,
                                        orthsr__draws *draws, orthsr_error *error) {
    const orthsr__preprocess *p = &model->config.preprocess;
    if (p->refused) return orthsr__fail(error, p->refused, "%s", p->why.message);
    orthsr_image *image, *view = NULL;
    ORTHSR__TRY(orthsr__dataset_image(&image, label, dataset, item, error));
    orthsr_status status =
        orthsr__image_cropped(&view, image, orthsr__draw_crop(draws, image->width, image->height), model->config.image_size, p->filter, error);
    if (!status) orthsr__preprocess_normalize(pixels, view, p);
    orthsr_image_free(view);
    orthsr_image_free(image);
    return status;
}
