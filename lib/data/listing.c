/* listing.c - paths, labels and class names become a dataset. */
#include "data/listing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/names.h"

bool orthsr__listing_add(orthsr__listing *listing, char *path, size_t label) {
    if (!path || !orthsr__reserve((void **)&listing->items, &listing->capacity, listing->count + 1, sizeof *listing->items)) {
        free(path);
        return false;
    }
    listing->items[listing->count++] = (orthsr__item){.label = label, .name = path};
    return true;
}

bool orthsr__listing_add_class(orthsr__listing *listing, char *name) {
    if (!name || !orthsr__reserve((void **)&listing->class_names, &listing->class_capacity, listing->n_classes + 1, sizeof *listing->class_names)) {
        free(name);
        return false;
    }
    listing->class_names[listing->n_classes++] = name;
    return true;
}

/* Of a folder with folders in it somebody may have named the one around what was meant. */
static orthsr_status fail_empty(const char *folder, orthsr_error *error) {
    orthsr__names inner = {0};
    orthsr_status status = orthsr__names_list(&inner, folder, true, error);
    if (!status && inner.count > 0)
        status = orthsr__fail(error, ORTHSR_ERROR_FORMAT,
                              "the class folder '%s' holds no .png, .jpg or .jpeg image, but folders: if its folders are the classes, name it itself", folder);
    else if (!status) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "the class folder '%s' holds no .png, .jpg or .jpeg image: fill or remove it", folder);
    orthsr__names_free(&inner);
    return status;
}

orthsr_status orthsr__listing_add_folder(orthsr__listing *listing, const char *folder, size_t label, orthsr_error *error) {
    orthsr__names files = {0};
    orthsr_status status = orthsr__names_list(&files, folder, false, error);
    if (!status && files.count == 0) status = fail_empty(folder, error);
    for (size_t i = 0; i < files.count && !status; i++)
        if (!orthsr__listing_add(listing, orthsr__join(folder, files.list[i]), label)) status = orthsr__fail_memory(error, "file names");
    orthsr__names_free(&files);
    return status;
}

orthsr_status orthsr__listing_check_files(const orthsr__listing *listing, const char *where, orthsr_error *error) {
    const char *first = NULL;
    size_t missing = 0;
    for (size_t i = 0; i < listing->count; i++) {
        if (access(listing->items[i].name, R_OK) == 0) continue;
        if (missing++ == 0) first = listing->items[i].name;
    }
    if (missing == 0) return ORTHSR_OK;
    return orthsr__fail(error, ORTHSR_ERROR_IO,
                        "%zu of the %zu images that '%s' lists are not there, first '%s': is the image folder where docs/datasets.md says?", missing,
                        listing->count, where, first);
}

orthsr_status orthsr__listing_finish(orthsr_dataset **out, orthsr__listing *listing, orthsr_error *error) {
    orthsr_dataset *dataset = orthsr__dataset_alloc(true, listing->count, listing->n_classes);
    if (!dataset) return orthsr__fail_memory(error, "a dataset");
    if (listing->count) memcpy(dataset->items, listing->items, listing->count * sizeof *listing->items);
    if (listing->n_classes) memcpy(dataset->class_names, listing->class_names, listing->n_classes * sizeof *listing->class_names);
    listing->count = listing->n_classes = 0; /* taken over */
    orthsr__dataset_count_classes(dataset);
    *out = dataset;
    return ORTHSR_OK;
}

void orthsr__listing_free(orthsr__listing *listing) {
    for (size_t i = 0; i < listing->count; i++) free(listing->items[i].name);
    free(listing->items);
    orthsr__free_texts(listing->class_names, listing->n_classes);
}

bool orthsr__is_inner_path(const char *path) {
    if (!*path || *path == '/') return false;
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (part[0] == '.' && part[1] == '.' && (part[2] == '/' || !part[2])) return false;
    }
    return true;
}
