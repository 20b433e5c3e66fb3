/* layout.c - which layout a directory has, and opening it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/layouts.h"
#include "data/manifest.h"
#include "data/names.h"

typedef enum kind { SPLIT_FILE, MANIFEST, MANIFEST_PARTS, AIRCRAFT, IMAGENET, PLAIN } kind;

typedef struct layout {
    kind kind;
    char *split_file;          /* of SPLIT_FILE */
    orthsr__imagenet imagenet; /* of IMAGENET */
} layout;

static void layout_free(layout *found) {
    free(found->split_file);
    orthsr__imagenet_free(&found->imagenet);
}

static bool is_split_file_name(const char *name) {
    static const char prefix[] = "split_zhou_";
    return strncmp(name, prefix, sizeof prefix - 1) == 0 && orthsr__ends_with(name, ".json");
}

/* *out is NULL when there is none. */
static orthsr_status find_split_file(char **out, const char *directory, orthsr_error *error) {
    *out = NULL;
    DIR *stream = opendir(directory);
    if (!stream) return orthsr__fail_errno(error, "open the directory", directory);
    orthsr_status status = ORTHSR_OK;
    for (const char *name; !status && !(status = orthsr__next_name(&name, stream, directory, error)) && name;) {
        if (!is_split_file_name(name)) continue;
        if (*out)
            status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' holds several split files, '%s' and '%s': name the file instead of the directory",
                                  directory, strrchr(*out, '/') + 1, name);
        else if (!(*out = orthsr__join(directory, name))) status = orthsr__fail_memory(error, "a file name");
    }
    closedir(stream);
    return status;
}

static bool has_manifest_of(const char *directory, const char *split) {
    char name[16];
    snprintf(name, sizeof name, "%s.tsv", split);
    return orthsr__has_file(directory, name);
}

static bool has_manifests(const char *directory) {
    return has_manifest_of(directory, "train") || has_manifest_of(directory, "test") || has_manifest_of(directory, "val");
}

static orthsr_status layout_find(layout *out, const char *path, orthsr_error *error) {
    *out = (layout){.kind = PLAIN};
    if (orthsr__manifest_is(path)) {
        out->kind = MANIFEST;
        return ORTHSR_OK;
    }
    if (has_manifests(path)) {
        out->kind = MANIFEST_PARTS;
        return ORTHSR_OK;
    }
    if (orthsr__is_file(path)) {
        if (!orthsr__ends_with(path, ".json"))
            return orthsr__fail(error, ORTHSR_ERROR_IO,
                                "there is no directory '%s': it is a file, and of files only split files (.json) and manifests (.tsv) are data sets", path);
        out->split_file = orthsr__strdup(path);
        out->kind = SPLIT_FILE;
        return out->split_file ? ORTHSR_OK : orthsr__fail_memory(error, "a file name");
    }
    if (!orthsr__is_directory(path))
        return orthsr__fail(error, ORTHSR_ERROR_IO, "there is no directory '%s': name the one that holds train and test, or the class folders", path);
    ORTHSR__TRY(find_split_file(&out->split_file, path, error));
    if (out->split_file) {
        out->kind = SPLIT_FILE;
        return ORTHSR_OK;
    }
    if (orthsr__aircraft_is(path)) {
        out->kind = AIRCRAFT;
        return ORTHSR_OK;
    }
    ORTHSR__TRY(orthsr__imagenet_find(&out->imagenet, path, error));
    if (out->imagenet.list) out->kind = IMAGENET;
    return ORTHSR_OK;
}

static orthsr_status open_plain(orthsr_dataset **out, const char *directory, const char *split, orthsr_error *error) {
    if (!split) return orthsr__dataset_open_folder(out, directory, error);
    if (!orthsr__has_folder(directory, split)) return orthsr__idx_open(out, directory, split, error);
    char *folder = orthsr__join(directory, split);
    orthsr_status status = folder ? orthsr__dataset_open_folder(out, folder, error) : orthsr__fail_memory(error, "a file name");
    free(folder);
    return status;
}

static orthsr_status open_manifest(orthsr_dataset **out, const char *path, const char *split, orthsr_error *error) {
    if (!split) return orthsr__manifest_open(out, path, error);
    return orthsr__fail(error, ORTHSR_ERROR_IO, "'%s' is a manifest, which has no parts: there is no %s part", path, split);
}

static orthsr_status open_manifest_part(orthsr_dataset **out, const char *directory, const char *split, orthsr_error *error) {
    if (!split) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "'%s' has parts: name train, val or test", directory);
    char *file = orthsr__format("%s/%s.tsv", directory, split);
    orthsr_status status = file ? orthsr__manifest_open(out, file, error) : orthsr__fail_memory(error, "a file name");
    free(file);
    return status;
}

static orthsr_status open_part(orthsr_dataset **out, const char *directory, const char *split, bool look, orthsr_error *error) {
    layout found;
    orthsr_status status = layout_find(&found, directory, error);
    if (!status) switch (found.kind) {
        case SPLIT_FILE: status = orthsr__split_file_open(out, found.split_file, split, look, error); break;
        case MANIFEST: status = open_manifest(out, directory, split, error); break;
        case MANIFEST_PARTS: status = open_manifest_part(out, directory, split, error); break;
        case AIRCRAFT: status = orthsr__aircraft_open(out, directory, split, look, error); break;
        case IMAGENET: status = orthsr__imagenet_open(out, &found.imagenet, split, error); break;
        case PLAIN: status = open_plain(out, directory, split, error); break;
        }
    layout_free(&found);
    return status;
}

static bool is_split(const char *split) { return strcmp(split, "train") == 0 || strcmp(split, "test") == 0 || strcmp(split, "val") == 0; }

static orthsr_status open_checked(orthsr_dataset **out, const char *directory, const char *split, bool look, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(directory, error, "directory is NULL");
    ORTHSR__REQUIRE(!split || is_split(split), error, "split must be \"train\", \"test\", \"val\" or NULL");
    return open_part(out, directory, split, look, error);
}

orthsr_status orthsr_dataset_open(orthsr_dataset **out, const char *directory, const char *split, orthsr_error *error) {
    return open_checked(out, directory, split, true, error);
}

orthsr_status orthsr_dataset_list(orthsr_dataset **out, const char *directory, const char *split, orthsr_error *error) {
    return open_checked(out, directory, split, false, error);
}

int orthsr_dataset_has_split(const char *directory, const char *split) {
    layout found;
    bool has = false;
    if (!directory || !split || !is_split(split)) return 0;
    if (!layout_find(&found, directory, NULL)) switch (found.kind) {
        case SPLIT_FILE: has = orthsr__split_file_has(found.split_file, split); break;
        case MANIFEST: break;
        case MANIFEST_PARTS: has = has_manifest_of(directory, split); break;
        case AIRCRAFT: has = orthsr__aircraft_has(directory, split); break;
        case IMAGENET: has = orthsr__imagenet_has(&found.imagenet, split); break;
        case PLAIN: has = orthsr__has_folder(directory, split) || orthsr__idx_has(directory, split); break;
        }
    layout_free(&found);
    return has;
}

static const char *describe_plain(const char *directory) {
    static const char *const parts[] = {"train", "test", "val"};
    for (size_t i = 0; i < 3; i++) {
        if (orthsr__has_folder(directory, parts[i])) return "folders";
        if (orthsr__idx_has(directory, parts[i])) return "idx";
    }
    return "class folders";
}

orthsr_status orthsr_dataset_layout(const char **out, const char *directory, orthsr_error *error) {
    layout found;
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(directory, error, "directory is NULL");
    orthsr_status status = layout_find(&found, directory, error);
    if (!status) switch (found.kind) {
        case SPLIT_FILE: *out = "split file"; break;
        case MANIFEST:
        case MANIFEST_PARTS: *out = "manifest"; break;
        case AIRCRAFT: *out = "fgvc-aircraft"; break;
        case IMAGENET: *out = found.imagenet.has_parts ? "imagenet" : "imagenet variant"; break;
        case PLAIN: *out = describe_plain(directory); break;
        }
    layout_free(&found);
    return status;
}
