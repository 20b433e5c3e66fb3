/* layouts.h - the layouts on disk, one file each; layout.c tells which a directory has. `look` false: do not look whether listed images are there. */
#ifndef ORTHSR_DATA_LAYOUTS_H
#define ORTHSR_DATA_LAYOUTS_H

#include "data/dataset.h"

/* folder.c: class folders in directory. */
orthsr_status orthsr__dataset_open_folder(orthsr_dataset **out, const char *directory, orthsr_error *error);

/* mnist.c: IDX files under any of their usual names, with classes.txt. */
orthsr_status orthsr__idx_open(orthsr_dataset **out, const char *directory, const char *split, orthsr_error *error);
bool orthsr__idx_has(const char *directory, const char *split);

/* split_file.c: a part of a split file; split may be NULL only to be refused. */
orthsr_status orthsr__split_file_open(orthsr_dataset **out, const char *file, const char *split, bool look, orthsr_error *error);
bool orthsr__split_file_has(const char *file, const char *split);

/* aircraft.c: FGVC Aircraft's lists in directory. */
bool orthsr__aircraft_is(const char *directory);
orthsr_status orthsr__aircraft_open(orthsr_dataset **out, const char *directory, const char *split, bool look, orthsr_error *error);
bool orthsr__aircraft_has(const char *directory, const char *split);

/* imagenet.c: folders called by their WordNet id or their number, and the list of both with the class names. */
typedef struct orthsr__imagenet {
    char *list;   /* classnames.txt */
    char *images; /* the folder of class folders, or of train/ and val/ when it has parts */
    bool has_parts;
} orthsr__imagenet;

/* out->list is NULL when directory is none. Free in any case. */
orthsr_status orthsr__imagenet_find(orthsr__imagenet *out, const char *directory, orthsr_error *error);
void orthsr__imagenet_free(orthsr__imagenet *imagenet);
orthsr_status orthsr__imagenet_open(orthsr_dataset **out, const orthsr__imagenet *imagenet, const char *split, orthsr_error *error);
bool orthsr__imagenet_has(const orthsr__imagenet *imagenet, const char *split);

#endif
