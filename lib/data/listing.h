/* listing.h - a dataset of image files in the making: what the layouts on disk fill. */
#ifndef ORTHSR_DATA_LISTING_H
#define ORTHSR_DATA_LISTING_H

#include "data/dataset.h"

/* Everything is owned. Free in any case; zero is an empty one. */
typedef struct orthsr__listing {
    orthsr__item *items; /* (count) */
    size_t count, capacity;
    char **class_names; /* (n_classes) */
    size_t n_classes, class_capacity;
} orthsr__listing;

/* False when memory is short (for path or name as well, which are taken over, failed or not). */
bool orthsr__listing_add(orthsr__listing *listing, char *path, size_t label);
bool orthsr__listing_add_class(orthsr__listing *listing, char *name);

/* The images of one class folder, in byte order. Errors: IO, FORMAT (there is none), MEMORY. */
orthsr_status orthsr__listing_add_folder(orthsr__listing *listing, const char *folder, size_t label, orthsr_error *error);

/* IO when files are not there: how many, and the first of them. `where` is the list that names them. */
orthsr_status orthsr__listing_check_files(const orthsr__listing *listing, const char *where, orthsr_error *error);

/* The dataset, which takes everything over. */
orthsr_status orthsr__listing_finish(orthsr_dataset **out, orthsr__listing *listing, orthsr_error *error);
void orthsr__listing_free(orthsr__listing *listing);

/* Whether path stays below the directory it is relative to, as far as its text tells: not empty, not absolute, no ".." in it. */
bool orthsr__is_inner_path(const char *path);

#endif
