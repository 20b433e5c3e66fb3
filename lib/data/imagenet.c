/* imagenet.c - ImageNet and its variants: folders called by a WordNet id or a number, and CoOp's classnames.txt ("n01440764 tench", a class per line).
 *
 * Labels follow the lines of classnames.txt, of the classes that have a folder: ImageNet-A and -R have 200 of the 1000. Two classes may have the same name
 * (OpenAI's list has such), so names are not checked against one another here.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/layouts.h"
#include "data/lines.h"
#include "data/listing.h"
#include "data/names.h"

/* ---- finding it ----------------------------------------------------------------------------------------------------- */

/* "n01440764 tench": a WordNet id and a name. */
static bool is_class_line(const char *line) { return line[0] == 'n' && strspn(line + 1, "0123456789") == 8 && line[9] == ' ' && line[10]; }

/* Any other program's classnames.txt, of a folder dataset, is left alone: the first line tells. */
static orthsr_status is_class_list(bool *is, const char *path, orthsr_error *error) {
    char line[16] = "";
    int fd;
    off_t size;
    *is = false;
    if (!orthsr__is_file(path)) return ORTHSR_OK;
    ORTHSR__TRY(orthsr__open(&fd, &size, path, error));
    orthsr_status status = orthsr__read_at(fd, line, size < (off_t)sizeof line ? (size_t)size : sizeof line - 1, 0, path, error);
    close(fd);
    *is = !status && is_class_line(line);
    return status;
}

static const char *const variants[] = {"imagenetv2-matched-frequency-format-val", "imagenet-a", "imagenet-r"};
enum { VARIANTS = sizeof variants / sizeof *variants };

/* The folder with the images of a directory that has no train/ and val/; NULL when memory is short. */
static char *variant_folder(const char *directory) {
    for (size_t i = 0; i < VARIANTS; i++)
        if (orthsr__has_folder(directory, variants[i])) return orthsr__join(directory, variants[i]);
    return orthsr__has_folder(directory, "images") ? orthsr__join(directory, "images") : orthsr__strdup(directory);
}

/* CoOp has a copy of classnames.txt in each variant's directory; the one of imagenet/ beside it serves as well. *out is NULL when there is none. */
static orthsr_status find_list(char **out, const char *directory, orthsr_error *error) {
    bool variant = orthsr__has_folder(directory, "images/n01440764"), is; /* imagenet-sketch, by its first class */
    for (size_t i = 0; i < VARIANTS; i++) variant |= orthsr__has_folder(directory, variants[i]);
    *out = NULL;
    for (int beside = 0; beside < 1 + variant && !*out; beside++) {
        char *path = orthsr__join(directory, beside ? "../imagenet/classnames.txt" : "classnames.txt");
        if (!path) return orthsr__fail_memory(error, "a file name");
        orthsr_status status = is_class_list(&is, path, error);
        if (status || !is) free(path);
        else *out = path;
        ORTHSR__TRY(status);
    }
    return ORTHSR_OK;
}

orthsr_status orthsr__imagenet_find(orthsr__imagenet *out, const char *directory, orthsr_error *error) {
    *out = (orthsr__imagenet){0};
    ORTHSR__TRY(find_list(&out->list, directory, error));
    if (!out->list) return ORTHSR_OK;
    bool below = orthsr__has_folder(directory, "images/train") || orthsr__has_folder(directory, "images/val");
    out->has_parts = below || orthsr__has_folder(directory, "train") || orthsr__has_folder(directory, "val");
    out->images = below ? orthsr__join(directory, "images") : out->has_parts ? orthsr__strdup(directory) : variant_folder(directory);
    return out->images ? ORTHSR_OK : orthsr__fail_memory(error, "a file name");
}

void orthsr__imagenet_free(orthsr__imagenet *imagenet) {
    free(imagenet->list);
    free(imagenet->images);
}

/* As usual, what is called val is the test part; there are no labels for ImageNet's own. */
bool orthsr__imagenet_has(const orthsr__imagenet *imagenet, const char *split) {
    if (!imagenet->has_parts) return strcmp(split, "test") == 0;
    return orthsr__has_folder(imagenet->images, strcmp(split, "train") == 0 ? "train" : "val");
}

/* ---- reading it ----------------------------------------------------------------------------------------------------- */

/* A line of classnames.txt, in the order of the ids to be searched. */
typedef struct class_line {
    const char *line;
    size_t number; /* from 0 */
} class_line;

/* The ids are of equal length, so the lines compare as they do. */
static int compare_lines(const void *a, const void *b) { return strncmp(((const class_line *)a)->line, ((const class_line *)b)->line, 9); }

static orthsr_status read_list(orthsr__lines *lines, class_line **sorted, const char *path, orthsr_error *error) {
    ORTHSR__TRY(orthsr__lines_read(lines, path, error));
    *sorted = orthsr__calloc(lines->count, sizeof **sorted);
    if (!*sorted) return orthsr__fail_memory(error, path);
    for (size_t i = 0; i < lines->count; i++) {
        if (!is_class_line(lines->list[i]))
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s', line %zu: '%.256s' is not a WordNet id and a class name", path, i + 1, lines->list[i]);
        (*sorted)[i] = (class_line){lines->list[i], i};
    }
    qsort(*sorted, lines->count, sizeof **sorted, compare_lines);
    for (size_t i = 1; i < lines->count; i++)
        if (compare_lines(&(*sorted)[i - 1], &(*sorted)[i]) == 0)
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': %.9s is on two lines", path, (*sorted)[i].line);
    return ORTHSR_OK;
}

/* The line that a folder's name means: the one with its id, or, for a number, the one of that number (from 0). count when there is none. */
static size_t find_class(const class_line *sorted, size_t count, const char *folder) {
    size_t length = strlen(folder);
    if (length > 0 && length < 8 && strspn(folder, "0123456789") == length) {
        size_t number = (size_t)atol(folder);
        return number < count ? number : count;
    }
    const class_line key = {folder, 0}, *found = length == 9 ? bsearch(&key, sorted, count, sizeof key, compare_lines) : NULL;
    return found ? found->number : count;
}

/* Which folder (its index + 1) each line of the list has; 0: none. of_line (lines). */
static orthsr_status assign_folders(size_t *of_line, const orthsr__names *folders, const class_line *sorted, const orthsr__lines *lines, const char *directory,
                                    const char *list, orthsr_error *error) {
    for (size_t i = 0; i < folders->count; i++) {
        size_t number = find_class(sorted, lines->count, folders->list[i]);
        if (number == lines->count)
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "the folder '%s/%s' is no class of '%s': it has neither that id nor that number", directory,
                                folders->list[i], list);
        if (of_line[number])
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "the folders '%s' and '%s' in '%s' are the same class", folders->list[of_line[number] - 1],
                                folders->list[i], directory);
        of_line[number] = i + 1;
    }
    return ORTHSR_OK;
}

static orthsr_status list_images(orthsr__listing *listing, const orthsr__lines *lines, const class_line *sorted, const char *directory, const char *list,
                                 orthsr_error *error) {
    orthsr__names folders = {0};
    size_t *of_line = orthsr__calloc(lines->count, sizeof *of_line);
    orthsr_status status = of_line ? orthsr__names_list(&folders, directory, true, error) : orthsr__fail_memory(error, list);
    if (!status && folders.count == 0) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' holds no class folders", directory);
    if (!status) status = assign_folders(of_line, &folders, sorted, lines, directory, list, error);
    for (size_t i = 0; i < lines->count && !status; i++) {
        if (!of_line[i]) continue;
        char *folder = orthsr__join(directory, folders.list[of_line[i] - 1]);
        bool added = orthsr__listing_add_class(listing, orthsr__strdup(lines->list[i] + 10));
        status = folder && added ? orthsr__listing_add_folder(listing, folder, listing->n_classes - 1, error) : orthsr__fail_memory(error, "class names");
        free(folder);
    }
    orthsr__names_free(&folders);
    free(of_line);
    return status;
}

orthsr_status orthsr__imagenet_open(orthsr_dataset **out, const orthsr__imagenet *imagenet, const char *split, orthsr_error *error) {
    if (imagenet->has_parts && !split) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "'%s' has parts: name train or test", imagenet->images);
    if (split && !orthsr__imagenet_has(imagenet, split)) return orthsr__fail(error, ORTHSR_ERROR_IO, "'%s' has no split '%s'", imagenet->images, split);
    orthsr__lines lines = {0};
    class_line *sorted = NULL;
    orthsr__listing listing = {0};
    const char *part = strcmp(split ? split : "", "train") == 0 ? "train" : "val";
    char *directory = imagenet->has_parts ? orthsr__join(imagenet->images, part) : orthsr__strdup(imagenet->images);
    orthsr_status status = directory ? read_list(&lines, &sorted, imagenet->list, error) : orthsr__fail_memory(error, "a file name");
    if (!status) status = list_images(&listing, &lines, sorted, directory, imagenet->list, error);
    if (!status) status = orthsr__listing_finish(out, &listing, error);
    orthsr__listing_free(&listing);
    orthsr__lines_free(&lines);
    free(sorted);
    free(directory);
    return status;
}
