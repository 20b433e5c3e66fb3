/* mnist.c - images and labels as two IDX files, class names as a text file beside them. */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "io/idx.h"

enum { MAX_NAMES = 1 << 20 }; /* bytes of classes.txt; labels are bytes, so names are some hundreds */

/* A list of lines, each a pointer into text. */
typedef struct lines {
    char *text;
    const char **list;
    size_t count, capacity;
} lines;

/* Lines without the blanks (and the carriage return) at their ends; empty ones at the end of the file do not count. */
static orthsr_status split_lines(lines *out, orthsr_error *error) {
    char *at = out->text;
    if (strncmp(at, "\xef\xbb\xbf", 3) == 0) at += 3; /* the byte-order mark of some editors */
    while (*at) {
        char *line = at, *end = at + strcspn(at, "\n");
        at = *end ? end + 1 : end;
        while (end > line && strchr(" \t\r", end[-1])) end--;
        *end = '\0';
        if (!orthsr__reserve((void **)&out->list, &out->capacity, out->count + 1, sizeof *out->list)) return orthsr__fail_memory(error, "class names");
        out->list[out->count++] = line;
    }
    while (out->count && !*out->list[out->count - 1]) out->count--;
    return ORTHSR_OK;
}

static orthsr_status read_class_names(lines *out, const char *path, orthsr_error *error) {
    orthsr__mapping file;
    if (!orthsr__is_file(path))
        return orthsr__fail(error, ORTHSR_ERROR_IO, "IDX files hold no class names: create '%s', one name per line in the order of the labels", path);
    ORTHSR__TRY(orthsr__map(&file, path, error));
    orthsr_status status = ORTHSR_OK;
    if (file.size > MAX_NAMES)
        status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' has %zu bytes; a list of class names at most %d", path, file.size, MAX_NAMES);
    else if (file.size && memchr(file.data, '\0', file.size))
        status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is not a text file: it has a zero byte", path);
    else if (!(out->text = orthsr__strndup(file.size ? (const char *)file.data : "", file.size))) status = orthsr__fail_memory(error, path);
    orthsr__unmap(&file);
    if (!status) status = split_lines(out, error);
    if (!status && out->count == 0) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' names no class: one name per line is expected", path);
    return status;
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

orthsr_status orthsr__dataset_open_idx(orthsr_dataset **out, const char *images_path, const char *labels_path, const char *names_path, orthsr_error *error) {
    lines names = {0};
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
    free(names.list);
    free(names.text);
    return status;
}
