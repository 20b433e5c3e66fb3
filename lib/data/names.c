/* names.c - class folders and image files, sorted. */
#include "data/names.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"

void orthsr__names_free(orthsr__names *names) { orthsr__free_texts(names->list, names->count); }

static bool add(orthsr__names *names, const char *name) {
    char *copy = orthsr__strdup(name);
    if (!copy || !orthsr__reserve((void **)&names->list, &names->capacity, names->count + 1, sizeof *names->list)) {
        free(copy);
        return false;
    }
    names->list[names->count++] = copy;
    return true;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static bool is_image_name(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && (strcasecmp(dot, ".png") == 0 || strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0);
}

/* A link to nothing is an error where it is called like an image: passing it over would shrink a class in silence. */
orthsr_status orthsr__names_list(orthsr__names *out, const char *directory, bool folders, orthsr_error *error) {
    DIR *stream = opendir(directory);
    if (!stream) return orthsr__fail_errno(error, "open the directory", directory);
    orthsr_status status = ORTHSR_OK;
    for (const char *name; !status && !(status = orthsr__next_name(&name, stream, directory, error)) && name;) {
        if (name[0] == '.' || (!folders && !is_image_name(name))) continue;
        struct stat info;
        bool wanted = false;
        if (fstatat(dirfd(stream), name, &info, 0) == 0) wanted = folders ? S_ISDIR(info.st_mode) : S_ISREG(info.st_mode);
        else if (!folders) status = orthsr__fail(error, ORTHSR_ERROR_IO, "cannot inspect '%s/%s': is it a link to a file that is gone?", directory, name);
        if (wanted && !add(out, name)) status = orthsr__fail_memory(error, "file names");
    }
    closedir(stream);
    if (!status && out->count) qsort(out->list, out->count, sizeof *out->list, compare_names);
    return status;
}
