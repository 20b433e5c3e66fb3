/* dataset.h - the inside of a dataset, shared by the files that make and read one. */
#ifndef ORTHSR_DATA_DATASET_H
#define ORTHSR_DATA_DATASET_H

#include <stdbool.h>

#include <orthsr/dataset.h>

typedef struct orthsr__item {
    size_t label;
    char *name;            /* path of an image file, or "index N" */
    const uint8_t *pixels; /* (height, width, channels) in the owner's pixels; NULL: the image is the file called name */
} orthsr__item;

/* A view (owner false) has its own list of items and its own counts; the names, the class names and the pixels that it points at belong
 * to the dataset it was made from. */
struct orthsr_dataset {
    bool owner;
    orthsr__item *items; /* (count) */
    size_t count;
    char **class_names;  /* (n_classes); in a view a part of the owner's list */
    size_t *class_sizes; /* (n_classes) */
    size_t n_classes;
    uint8_t *pixels; /* (count, height, width, channels) in an owner without files, else NULL */
    size_t height, width, channels;
    size_t max_pixels; /* of an image file; 0: the library's own limit */
};

/* Room for count items and the counts of n_classes, all zero. NULL when memory is short. */
orthsr_dataset *orthsr__dataset_alloc(bool owner, size_t count, size_t n_classes);

/* A view of another dataset, for count of its items and its classes first, ..., first + n_classes - 1; the caller copies the items. */
orthsr_dataset *orthsr__dataset_view(const orthsr_dataset *of, size_t count, size_t first, size_t n_classes);

/* Fills class_sizes from the items' labels. */
void orthsr__dataset_count_classes(orthsr_dataset *dataset);

/* Pixels with their labels (n), n > 0, from wherever they come. pixels (n, height, width, channels) is taken over, failed or not; the class
 * names are copied. A label outside them, a class name that is empty or used twice: fails with status, the message beginning with where. */
orthsr_status orthsr__dataset_from_pixels(orthsr_dataset **out, uint8_t *pixels, size_t n, size_t height, size_t width, size_t channels, const int32_t *labels,
                                          const char *const *class_names, size_t n_classes, const char *where, orthsr_status status, orthsr_error *error);

/* The text of a class is its name: an empty or a repeated one, which could not be told from another, fails with status, the message beginning with where. */
orthsr_status orthsr__check_class_names(const char *const *names, size_t n, const char *where, orthsr_status status, orthsr_error *error);

/* One item (below count), decoded; the caller frees it. */
orthsr_status orthsr__dataset_image(orthsr_image **out, const orthsr_dataset *dataset, size_t item, orthsr_error *error);

#endif
