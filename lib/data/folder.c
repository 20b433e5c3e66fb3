/* folder.c - one folder per class, images in it. */
#include <stdlib.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/layouts.h"
#include "data/listing.h"
#include "data/names.h"

orthsr_status orthsr__dataset_open_folder(orthsr_dataset **out, const char *directory, orthsr_error *error) {
    orthsr__names classes = {0};
    orthsr__listing listing = {0};
    orthsr_status status = orthsr__names_list(&classes, directory, true, error);
    if (!status && classes.count == 0)
        status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' holds no class folders: images are looked for as %s/<class>/<image>.png, .jpg or .jpeg",
                              directory, directory);
    for (size_t i = 0; i < classes.count && !status; i++) {
        char *folder = orthsr__join(directory, classes.list[i]);
        bool added = orthsr__listing_add_class(&listing, orthsr__strdup(classes.list[i]));
        status = folder && added ? orthsr__listing_add_folder(&listing, folder, i, error) : orthsr__fail_memory(error, "class names");
        free(folder);
    }
    if (!status) status = orthsr__check_class_names((const char *const *)listing.class_names, listing.n_classes, directory, ORTHSR_ERROR_FORMAT, error);
    if (!status) status = orthsr__listing_finish(out, &listing, error);
    orthsr__listing_free(&listing);
    orthsr__names_free(&classes);
    return status;
}
