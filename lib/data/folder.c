/* folder.c - one folder per class, images in it. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"

/* File names, owned. */
typedef struct name_list {
    char **list;
    size_t count, capacity;
} name_list;

static void names_free(name_list *names) {
    for (size_t i = 0; i < names->count; i++) free(names->list[i]);
    free(names->list);
}

/* Takes name over; false, name released, when memory is short (for name itself as well). */
static bool names_add(name_list *names, char *name) {
    if (!name || !orthsr__reserve((void **)&names->list, &names->capacity, names->count + 1, sizeof *names->list)) {
        free(name);
        return false;
    }
    names->list[names->count++] = name;
    return true;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static bool is_image_name(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && (strcasecmp(dot, ".png") == 0 || strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0);
}

/* The visible names in directory that are folders, or else image files: sorted, links followed. A link to nothing is an error where it is
 * called like an image: passing it over would shrink a class in silence. */
static orthsr_status list_directory(name_list *out, const char *directory, bool folders, orthsr_error *error) {
    DIR *stream = opendir(directory);
    if (!stream) return orthsr__fail_errno(error, "open the directory", directory);
    orthsr_status status = ORTHSR_OK;
    while (!status) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry) {
            if (errno) status = orthsr__fail_errno(error, "read the directory", directory);
            break;
        }
        const char *name = entry->d_name;
        if (name[0] == '.' || (!folders && !is_image_name(name))) continue;
        struct stat info;
        bool wanted = false;
        if (fstatat(dirfd(stream), name, &info, 0) == 0) wanted = folders ? S_ISDIR(info.st_mode) : S_ISREG(info.st_mode);
        else if (!folders) status = orthsr__fail(error, ORTHSR_ERROR_IO, "cannot inspect '%s/%s': is it a link to a file that is gone?", directory, name);
        if (wanted && !names_add(out, orthsr__strdup(name))) status = orthsr__fail_memory(error, "file names");
    }
    closedir(stream);
    if (!status && out->count) qsort(out->list, out->count, sizeof *out->list, compare_names);
    return status;
}

/* Appends the paths of a class's images to paths. */
static orthsr_status list_class(name_list *paths, const char *directory, const char *class_name, orthsr_error *error) {
    name_list files = {0};
    char *folder = orthsr__join(directory, class_name);
    orthsr_status status = folder ? list_directory(&files, folder, false, error) : orthsr__fail_memory(error, "a file name");
    if (!status && files.count == 0)
        status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "the class folder '%s' holds no .png, .jpg or .jpeg image: fill or remove it", folder);
    for (size_t i = 0; i < files.count && !status; i++)
        if (!names_add(paths, orthsr__join(folder, files.list[i]))) status = orthsr__fail_memory(error, "file names");
    names_free(&files);
    free(folder);
    return status;
}

orthsr_status orthsr__dataset_open_folder(orthsr_dataset **out, const char *directory, orthsr_error *error) {
    name_list classes = {0}, paths = {0};
    size_t *ends = NULL; /* (classes.count) how many paths there are up to the end of each class */
    orthsr_dataset *dataset = NULL;
    orthsr_status status = list_directory(&classes, directory, true, error);
    if (!status && classes.count == 0)
        status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' holds no class folders: images are looked for as %s/<class>/<image>.png, .jpg or .jpeg",
                              directory, directory);
    if (!status && !(ends = orthsr__calloc(classes.count, sizeof *ends))) status = orthsr__fail_memory(error, "a dataset");
    for (size_t i = 0; i < classes.count && !status; i++) {
        status = list_class(&paths, directory, classes.list[i], error);
        ends[i] = paths.count;
    }
    if (!status && !(dataset = orthsr__dataset_alloc(true, paths.count, classes.count))) status = orthsr__fail_memory(error, "a dataset");
    if (!status) { /* the dataset takes the names over */
        memcpy(dataset->class_names, classes.list, classes.count * sizeof *classes.list);
        for (size_t i = 0, label = 0; i < paths.count; i++) {
            while (i >= ends[label]) label++;
            dataset->items[i] = (orthsr__item){.label = label, .name = paths.list[i]};
        }
        classes.count = paths.count = 0;
        orthsr__dataset_count_classes(dataset);
        *out = dataset;
    }
    free(ends);
    names_free(&paths);
    names_free(&classes);
    return status;
}
