/* augment.h - the standard augmentation of few-shot CLIP: a random part of the image, resized to the network's square, and a flip. */
#ifndef ORTHSR_DATA_AUGMENT_H
#define ORTHSR_DATA_AUGMENT_H

#include <stdbool.h>

#include "base/draws.h"
#include "data/dataset.h"
#include "io/image.h"

typedef struct orthsr__crop {
    size_t left, top, width, height; /* within the image; width and height at least 1 */
    bool flip;                       /* left to right, after the resize */
} orthsr__crop;

/* torchvision's RandomResizedCrop with scale (0.08, 1) and ratio (3/4, 4/3), and RandomHorizontalFlip(0.5), for an image of width x height. */
orthsr__crop orthsr__draw_crop(orthsr__draws *draws, size_t width, size_t height);

/* The crop resized to size x size as PIL resizes an image that was cropped before: nothing outside it has an influence. */
orthsr_status orthsr__image_cropped(orthsr_image **out, const orthsr_image *image, orthsr__crop crop, size_t size, orthsr__filter filter, orthsr_error *error);

/* orthsr__dataset_input, augmented. */
orthsr_status orthsr__dataset_augmented(const orthsr_dataset *dataset, size_t item, const orthsr_model *model, float *pixels, size_t *label,
                                        orthsr__draws *draws, orthsr_error *error);

#endif
