/* aircraft.c - FGVC Aircraft as it is distributed: variants.txt, images_variant_{train,val,test}.txt, images/<number>.jpg. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/layouts.h"
#include "data/lines.h"
#include "data/listing.h"

/* A class name and its line in variants.txt, to be searched by name. */
typedef struct variant {
    const char *name;
    size_t label;
} variant;

static int compare_variants(const void *a, const void *b) { return strcmp(((const variant *)a)->name, ((const variant *)b)->name); }

#define LIST "images_variant_%s.txt"

bool orthsr__aircraft_has(const char *directory, const char *split) {
    char list[64];
    snprintf(list, sizeof list, LIST, split);
    return orthsr__has_file(directory, list);
}

bool orthsr__aircraft_is(const char *directory) {
    return orthsr__has_file(directory, "variants.txt") &&
           (orthsr__aircraft_has(directory, "train") || orthsr__aircraft_has(directory, "val") || orthsr__aircraft_has(directory, "test"));
}

/* The classes in the order of their lines, and the same sorted by name. */
static orthsr_status read_variants(orthsr__listing *listing, variant **sorted, orthsr__lines *lines, const char *path, orthsr_error *error) {
    ORTHSR__TRY(orthsr__lines_read(lines, path, error));
    if (lines->count == 0) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' names no class: one name per line is expected", path);
    ORTHSR__TRY(orthsr__check_class_names(lines->list, lines->count, path, ORTHSR_ERROR_FORMAT, error));
    *sorted = orthsr__calloc(lines->count, sizeof **sorted);
    if (!*sorted) return orthsr__fail_memory(error, path);
    for (size_t i = 0; i < lines->count; i++) {
        (*sorted)[i] = (variant){lines->list[i], i};
        if (!orthsr__listing_add_class(listing, orthsr__strdup(lines->list[i]))) return orthsr__fail_memory(error, path);
    }
    qsort(*sorted, lines->count, sizeof **sorted, compare_variants);
    return ORTHSR_OK;
}

/* "1025794 Boeing 707-320": an image and its class. */
static orthsr_status add_line(orthsr__listing *listing, const variant *sorted, const char *line, const char *directory, const char *path, size_t number,
                              orthsr_error *error) {
    size_t length = strcspn(line, " ");
    const variant key = {line[length] ? line + length + 1 : "", 0};
    const variant *found = bsearch(&key, sorted, listing->n_classes, sizeof key, compare_variants);
    if (length == 0 || memchr(line, '/', length) || line[0] == '.')
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s', line %zu: '%.256s' is not an image's number and its variant", path, number, line);
    if (!found) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s', line %zu: '%.256s' is no class of variants.txt", path, number, key.name);
    return orthsr__listing_add(listing, orthsr__format("%s/images/%.*s.jpg", directory, (int)length, line), found->label)
               ? ORTHSR_OK
               : orthsr__fail_memory(error, "file names");
}

static orthsr_status read_images(orthsr__listing *listing, const variant *sorted, const char *directory, const char *path, orthsr_error *error) {
    orthsr__lines lines;
    orthsr_status status = orthsr__lines_read(&lines, path, error);
    if (!status && lines.count == 0) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' lists no image", path);
    for (size_t i = 0; i < lines.count && !status; i++) status = add_line(listing, sorted, lines.list[i], directory, path, i + 1, error);
    orthsr__lines_free(&lines);
    return status;
}

orthsr_status orthsr__aircraft_open(orthsr_dataset **out, const char *directory, const char *split, bool look, orthsr_error *error) {
    if (!split) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "'%s' has parts: name train, val or test", directory);
    orthsr__listing listing = {0};
    orthsr__lines variants = {0};
    variant *sorted = NULL;
    char *names = orthsr__join(directory, "variants.txt"), *list = orthsr__format("%s/" LIST, directory, split);
    orthsr_status status = names && list ? ORTHSR_OK : orthsr__fail_memory(error, "a file name");
    if (!status) status = read_variants(&listing, &sorted, &variants, names, error);
    if (!status) status = read_images(&listing, sorted, directory, list, error);
    if (!status && look) status = orthsr__listing_check_files(&listing, list, error);
    if (!status) status = orthsr__listing_finish(out, &listing, error);
    orthsr__listing_free(&listing);
    orthsr__lines_free(&variants);
    free(sorted);
    free(names);
    free(list);
    return status;
}
