/* dataset.h - the inside of a dataset, shared by the files that make and read one. */
#ifndef ORTHSR_DATA_DATASET_H
#define ORTHSR_DATA_DATASET_H

#include <stdbool.h>

#include <orthsr/dataset.h>

typedef struct orthsr__manifest orthsr__manifest;

typedef struct orthsr__item {
    size_t label;
    char *name;            /* path of an image file, or "index N" */
    uint64_t offset, size; /* the part of the file that is the image; size 0: all of it */
    const uint8_t *pixels; /* (height, width, channels) in the owner's pixels; NULL: the image is the file called name */
} orthsr__item;

/* A view (owner false) has its own list of items and its own counts; the names, the class names and the pixels that it points at belong
 * to the dataset it was made from. Items of a manifest are no list: they are read when they are asked for. A view of some of them has a list, with names of its
 * own. */
struct orthsr_dataset {
    bool owner, owns_names;
    orthsr__item *items;        /* (count); with a manifest NULL */
    orthsr__manifest *manifest; /* the owner's; NULL: items are in memory */
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

/* One item (below count). *own: memory of its name, the caller's, or NULL. Errors: those of orthsr__manifest_item. */
orthsr_status orthsr__dataset_item(const orthsr_dataset *dataset, size_t i, orthsr__item *item, char **own, orthsr_error *error);

/* Item i of another dataset, with its label less first, as item `at` of a view of it. The same errors. */
orthsr_status orthsr__dataset_take(orthsr_dataset *view, size_t at, const orthsr_dataset *dataset, size_t i, size_t first, orthsr_error *error);

/* The labels of all items, in fresh memory (count). The same errors. */
orthsr_status orthsr__dataset_labels(size_t **labels, const orthsr_dataset *dataset, orthsr_error *error);

/* Fills class_sizes from the items' labels. */
void orthsr__dataset_count_classes(orthsr_dataset *dataset);

/* Pixels with their labels (n), n > 0, from wherever they come. pixels (n, height, width, channels) is taken over, failed or not; the class
 * names are copied. A label outside them, a class name that is empty or used twice: fails with status, the message beginning with where. */
orthsr_status orthsr__dataset_from_pixels(orthsr_dataset **out, uint8_t *pixels, size_t n, size_t height, size_t width, size_t channels, const int32_t *labels,
                                          const char *const *class_names, size_t n_classes, const char *where, orthsr_status status, orthsr_error *error);

/* The text of a class is its name: an empty or a repeated one, which could not be told from another, fails with status, the message beginning with where. */
orthsr_status orthsr__check_class_names(const char *const *names, size_t n, const char *where, orthsr_status status, orthsr_error *error);

/* One item (below count), decoded, which the caller frees, and its label. */
orthsr_status orthsr__dataset_image(orthsr_image **out, size_t *label, const orthsr_dataset *dataset, size_t item, orthsr_error *error);

/* One item (below count) as input for model: pixels (3, image_size, image_size), and its label. Errors: those of orthsr_dataset_pixels. */
orthsr_status orthsr__dataset_input(const orthsr_dataset *dataset, size_t item, const orthsr_model *model, float *pixels, size_t *label, orthsr_error *error);

#endif
