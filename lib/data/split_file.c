/* split_file.c - CoOp's split files: {"train": [["path", label, "class"], ...], "val": ..., "test": ...}.
 *
 * The class names come from all parts of the file, so that each part has the same classes under the same labels even where it has no image of one.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/layouts.h"
#include "data/listing.h"
#include "io/json.h"

enum { MAX_BYTES = 16 << 20 }; /* the largest of the eleven, Food101's 101,000 images, has 6 million */

static const char *const parts[] = {"train", "val", "test"};
enum { PARTS = sizeof parts / sizeof *parts };

/* ---- the file ------------------------------------------------------------------------------------------------------- */

/* One entry, borrowed from the file. */
typedef struct entry {
    const char *path, *class_name;
    size_t label;
} entry;

static orthsr_status read_entry(entry *out, const json_t *list, size_t index, const char *part, const char *file, orthsr_error *error) {
    const json_t *value = json_array_get(list, index), *path = json_array_get(value, 0), *class_name = json_array_get(value, 2);
    if (json_array_size(value) != 3 || !json_is_string(path) || !json_is_string(class_name) || !orthsr__json_as_size(&out->label, json_array_get(value, 1)))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': %s[%zu] must be [\"path\", label, \"class name\"] with a label of at least 0", file, part,
                            index);
    out->path = json_string_value(path);
    out->class_name = json_string_value(class_name);
    if (orthsr__is_inner_path(out->path)) return ORTHSR_OK;
    return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': %s[%zu] names '%s'; a path must be relative to the image folder and must not leave it", file, part,
                        index, out->path);
}

/* Where each label was met first. */
typedef struct class_entry {
    const char *name; /* NULL: not yet; borrowed */
    const char *part;
    size_t index;
} class_entry;

/* The names of all labels; classes (count of all entries), *n_classes: the greatest label + 1. */
static orthsr_status collect_classes(class_entry *classes, size_t room, size_t *n_classes, const json_t *root, const char *file, orthsr_error *error) {
    *n_classes = 0;
    for (size_t p = 0; p < PARTS; p++) {
        const json_t *list = json_object_get(root, parts[p]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            entry e;
            ORTHSR__TRY(read_entry(&e, list, i, parts[p], file, error));
            if (e.label >= room)
                return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': %s[%zu] has label %zu, but labels count up from 0 and there are only %zu images", file,
                                    parts[p], i, e.label, room);
            class_entry *c = &classes[e.label];
            if (!c->name) *c = (class_entry){e.class_name, parts[p], i};
            else if (strcmp(c->name, e.class_name) != 0)
                return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': label %zu is called '%.200s' in %s[%zu] and '%.200s' in %s[%zu]", file, e.label, c->name,
                                    c->part, c->index, e.class_name, parts[p], i);
            if (e.label >= *n_classes) *n_classes = e.label + 1;
        }
    }
    return ORTHSR_OK;
}

static orthsr_status list_classes(orthsr__listing *listing, const json_t *root, const char *file, orthsr_error *error) {
    size_t room = 0, n_classes = 0;
    for (size_t p = 0; p < PARTS; p++) room += json_array_size(json_object_get(root, parts[p]));
    class_entry *classes = orthsr__calloc(room, sizeof *classes);
    if (!classes) return orthsr__fail_memory(error, file);
    orthsr_status status = collect_classes(classes, room, &n_classes, root, file, error);
    for (size_t c = 0; c < n_classes && !status; c++) {
        if (!classes[c].name)
            status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': no image has label %zu, though labels go up to %zu; they must leave no gap", file, c,
                                  n_classes - 1);
        else if (!orthsr__listing_add_class(listing, orthsr__spaced(orthsr__strdup(classes[c].name)))) status = orthsr__fail_memory(error, "class names");
    }
    free(classes);
    return status ? status : orthsr__check_class_names((const char *const *)listing->class_names, listing->n_classes, file, ORTHSR_ERROR_FORMAT, error);
}

static orthsr_status load(json_t **out, const char *file, orthsr_error *error) {
    ORTHSR__TRY(orthsr__json_load(out, file, MAX_BYTES, error));
    orthsr_status status = ORTHSR_OK;
    size_t entries = 0;
    for (size_t p = 0; p < PARTS && !status; p++) {
        const json_t *list = json_object_get(*out, parts[p]);
        if (list && !json_is_array(list)) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': \"%s\" must be a list of images", file, parts[p]);
        entries += json_array_size(list);
    }
    if (!status && entries == 0)
        status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' lists no image under \"train\", \"val\" or \"test\": is it a split file?", file);
    if (status) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}

/* ---- the images ----------------------------------------------------------------------------------------------------- */

/* Where CoOp keeps the images of a data set, beside its split file. */
static const struct {
    const char *name, *folder;
} folders[] = {{"Caltech101", "101_ObjectCategories"},
               {"OxfordPets", "images"},
               {"StanfordCars", "."},
               {"OxfordFlowers", "jpg"},
               {"Food101", "images"},
               {"SUN397", "SUN397"},
               {"DescribableTextures", "images"},
               {"EuroSAT", "2750"},
               {"UCF101", "UCF-101-midframes"}};

static const char *known_folder(const char *file) {
    static const char prefix[] = "split_zhou_";
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) return NULL;
    name += sizeof prefix - 1;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        size_t n = strlen(folders[i].name);
        if (strncmp(name, folders[i].name, n) == 0 && strcmp(name + n, ".json") == 0) return folders[i].folder;
    }
    return NULL;
}

/* The folder that the listed paths are relative to: of the data set's own, images/ and the file's directory the first that has the first image, or
 * else the first that there is. */
static orthsr_status find_image_folder(char **out, const char *file, const char *first, orthsr_error *error) {
    const char *slash = strrchr(file, '/'), *const candidates[] = {known_folder(file), "images", "."};
    char *directory = slash ? orthsr__strndup(file, (size_t)(slash - file) + 1) : orthsr__strdup("."), *fallback = NULL;
    bool ok = directory != NULL;
    *out = NULL;
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates && ok && !*out; i++) {
        if (!candidates[i]) continue;
        char *folder = strcmp(candidates[i], ".") == 0 ? orthsr__strdup(directory) : orthsr__join(directory, candidates[i]);
        char *image = folder ? orthsr__join(folder, first) : NULL;
        ok = image != NULL;
        if (ok && orthsr__is_file(image)) *out = folder;
        else if (ok && !fallback && orthsr__is_directory(folder)) fallback = folder;
        else free(folder);
        free(image);
    }
    if (!*out) {
        *out = fallback;
        fallback = NULL;
    }
    free(fallback);
    free(directory);
    if (!ok) { /* a folder that was found before goes with it */
        free(*out);
        *out = NULL;
        return orthsr__fail_memory(error, "a file name");
    }
    if (*out) return ORTHSR_OK;
    return orthsr__fail(error, ORTHSR_ERROR_IO, "there is no folder of images beside '%s', and its own is gone", file);
}

static orthsr_status list_images(orthsr__listing *listing, const json_t *root, const char *part, const char *file, orthsr_error *error) {
    const json_t *list = json_object_get(root, part);
    char *folder;
    entry e;
    if (json_array_size(list) == 0) return orthsr__fail(error, ORTHSR_ERROR_IO, "'%s' lists no image under \"%s\"", file, part);
    ORTHSR__TRY(read_entry(&e, list, 0, part, file, error));
    ORTHSR__TRY(find_image_folder(&folder, file, e.path, error));
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < json_array_size(list) && !status; i++) {
        status = read_entry(&e, list, i, part, file, error);
        if (!status && !orthsr__listing_add(listing, orthsr__join(folder, e.path), e.label)) status = orthsr__fail_memory(error, "file names");
    }
    free(folder);
    return status;
}

orthsr_status orthsr__split_file_open(orthsr_dataset **out, const char *file, const char *split, bool look, orthsr_error *error) {
    json_t *root;
    orthsr__listing listing = {0};
    ORTHSR__TRY(load(&root, file, error));
    orthsr_status status = list_classes(&listing, root, file, error);
    if (!status && !split) status = orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "'%s' has parts: name train, val or test", file);
    if (!status) status = list_images(&listing, root, split, file, error);
    json_decref(root);
    if (!status && look) status = orthsr__listing_check_files(&listing, file, error);
    if (!status) status = orthsr__listing_finish(out, &listing, error);
    orthsr__listing_free(&listing);
    return status;
}

bool orthsr__split_file_has(const char *file, const char *split) {
    json_t *root;
    if (load(&root, file, NULL)) return false;
    bool found = json_array_size(json_object_get(root, split)) > 0;
    json_decref(root);
    return found;
}
