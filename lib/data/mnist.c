/* mnist.c - images and labels as two IDX files, class names as a text file beside them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/layouts.h"
#include "data/lines.h"
#include "io/idx.h"

static orthsr_status read_class_names(orthsr__lines *out, const char *path, orthsr_error *error) {
    if (!orthsr__is_file(path))
        return orthsr__fail(error, ORTHSR_ERROR_IO, "IDX files hold no class names: create '%s', one name per line in the order of the labels", path);
    ORTHSR__TRY(orthsr__lines_read(out, path, error));
    return out->count ? ORTHSR_OK : orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' names no class: one name per line is expected", path);
}

/* Both files, fitting one another. */
static orthsr_status read_pair(orthsr__idx *images, orthsr__idx *labels, const char *images_path, const char *labels_path, orthsr_error *error) {
    ORTHSR__TRY(orthsr__idx_read(labels, labels_path, 0, error));
    if (labels->rank != 1) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' has rank %zu; labels have rank 1 (n)", labels_path, labels->rank);
    ORTHSR__TRY(orthsr__idx_read(images, images_path, 0, error));
    if (images->rank != 3)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' has rank %zu; images have rank 3 (n, height, width)", images_path, images->rank);
    if (images->shape[0] != labels->shape[0])
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "'%s' has %zu images, '%s' %zu labels", images_path, images->shape[0], labels_path, labels->shape[0]);
    if (images->shape[0] == 0) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' holds no image", images_path);
    return ORTHSR_OK;
}

static orthsr_status open_files(orthsr_dataset **out, const char *images_path, const char *labels_path, const char *names_path, orthsr_error *error) {
    orthsr__lines names = {0};
    orthsr__idx images = {0}, labels = {0};
    int32_t *wide = NULL; /* (n) */
    orthsr_status status = read_class_names(&names, names_path, error);
    if (!status) status = read_pair(&images, &labels, images_path, labels_path, error);
    size_t n = images.shape[0];
    if (!status && !(wide = orthsr__calloc(n, sizeof *wide))) status = orthsr__fail_memory(error, labels_path);
    if (!status) {
        for (size_t i = 0; i < n; i++) wide[i] = labels.data[i];
        status = orthsr__dataset_from_pixels(out, images.data, n, images.shape[1], images.shape[2], 1, wide, names.list, names.count, names_path,
                                             ORTHSR_ERROR_FORMAT, error);
        images.data = NULL; /* taken over */
    }
    free(wide);
    free(labels.data);
    free(images.data);
    orthsr__lines_free(&names);
    return status;
}

/* The name of MNIST's file of this split, kind ("images") and rank, by any of its usual ones; false when there is none. */
static bool find_idx(char name[64], const char *directory, const char *split, const char *kind, int rank) {
    const char *prefix = strcmp(split, "train") == 0 ? "train" : strcmp(split, "test") == 0 ? "t10k" : NULL;
    for (int i = 0; prefix && i < 4; i++) {
        snprintf(name, 64, "%s-%s%cidx%d-ubyte%s", prefix, kind, i & 2 ? '.' : '-', rank, i & 1 ? ".gz" : "");
        if (orthsr__has_file(directory, name)) return true;
    }
    return false;
}

/* The same as a path in fresh memory; *out is NULL when there is none. */
static orthsr_status idx_path(char **out, const char *directory, const char *split, const char *kind, int rank, orthsr_error *error) {
    char name[64];
    *out = NULL;
    if (!find_idx(name, directory, split, kind, rank)) return ORTHSR_OK;
    *out = orthsr__join(directory, name);
    return *out ? ORTHSR_OK : orthsr__fail_memory(error, "a file name");
}

orthsr_status orthsr__idx_open(orthsr_dataset **out, const char *directory, const char *split, orthsr_error *error) {
    char *images = NULL, *labels = NULL, *names = orthsr__join(directory, "classes.txt");
    orthsr_status status = names ? ORTHSR_OK : orthsr__fail_memory(error, "a file name");
    if (!status) status = idx_path(&images, directory, split, "images", 3, error);
    if (!status) status = idx_path(&labels, directory, split, "labels", 1, error);
    if (!status && images && labels) {
        status = open_files(out, images, labels, names, error);
    } else if (!status && (images || labels)) {
        status =
            orthsr__fail(error, ORTHSR_ERROR_IO, "'%s' has no %s file beside it", images ? images : labels, images ? "labels-idx1-ubyte" : "images-idx3-ubyte");
    } else if (!status) {
        status = orthsr__fail(error, ORTHSR_ERROR_IO, "'%s' has no split '%s': neither a folder of that name%s", directory, split,
                              strcmp(split, "train") == 0  ? " nor train-images-idx3-ubyte[.gz]"
                              : strcmp(split, "test") == 0 ? " nor t10k-images-idx3-ubyte[.gz]"
                                                           : " nor, for this split, any other form");
    }
    free(names);
    free(labels);
    free(images);
    return status;
}

bool orthsr__idx_has(const char *directory, const char *split) {
    char name[64];
    return find_idx(name, directory, split, "images", 3) && find_idx(name, directory, split, "labels", 1);
}
