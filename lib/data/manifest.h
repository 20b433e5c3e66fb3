/* manifest.h - a dataset as long as a text file can be: its lines stay in the file, and are read when an item is asked for.
 *
 * A line is PATH, a tab, CLASS; or for a part of a file, as of an image in a tar archive, PATH, CLASS, OFFSET, SIZE. In memory are the place of every 64th line
 * and the names of the classes (docs/datasets.md).
 */
#ifndef ORTHSR_DATA_MANIFEST_H
#define ORTHSR_DATA_MANIFEST_H

#include "data/dataset.h"

struct orthsr__manifest {
    char *path, *folder; /* of the file; what its paths are relative to */
    int fd;
    size_t count;
    uint64_t *places;   /* (count / 64, rounded up): where lines 0, 64, ... begin */
    uint32_t checksum;  /* of the whole file */
    char **class_names; /* (n_classes), in byte order; borrowed from the dataset */
    size_t n_classes;
};

bool orthsr__manifest_is(const char *path);

/* Reads the file once. Errors: IO, FORMAT (a line that is none, named; a path that leaves the folder), MEMORY. */
orthsr_status orthsr__manifest_open(orthsr_dataset **out, const char *path, orthsr_error *error);
void orthsr__manifest_free(orthsr__manifest *manifest); /* NULL is a no-op */

/* Item i (below count); item->name is the caller's. Any number of threads at once. Errors: IO, FORMAT (the file is not what it was), MEMORY. */
orthsr_status orthsr__manifest_item(const orthsr__manifest *manifest, size_t i, orthsr__item *item, orthsr_error *error);

/* The labels of all items (count), read from end to end. Errors: as orthsr__manifest_item. */
orthsr_status orthsr__manifest_labels(const orthsr__manifest *manifest, size_t *labels, orthsr_error *error);

#endif
