/* dataset.h - labelled images: folders of classes, IDX files, the lists that few-shot papers use, and the few shots drawn from them.
 *
 * Layouts of the directory D (docs/datasets.md has those of eleven data sets and ImageNet's variants):
 *   D/train/<class>/<image>, D/test/..., D/val/...   one folder per class; or D/<class>/<image> without a split;
 *   IDX (MNIST's format, plain or .gz): train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-..., t10k-labels-...,
 *   with classes.txt beside them: one class name per line, in label order;
 *   split_zhou_<Name>.json, CoOp's split file, and the image folder beside it (the file itself may be given for D as well);
 *   FGVC Aircraft: variants.txt, images_variant_{train,val,test}.txt, images/;
 *   manifests: train.tsv, test.tsv, val.tsv, or any .tsv file given for D: one item a line, PATH, a tab, CLASS, and for a part of a file (an image in a tar
 * archive) a tab, OFFSET, a tab, SIZE; of any length, in constant memory; ImageNet: classnames.txt with images/train and images/val (the test part), or the
 * folder of one of its variants. Classes of folders are sorted by name in byte order, images by path; otherwise both have the list's order. Files are .png,
 * .jpg, .jpeg in any case; others are passed over. Views made by draw/select share the images of the dataset they come from, which must outlive them. A
 * manifest's items are read from its file when they are asked for, which must stay as it is; a view of some of them has these in memory, and one of all is in
 * constant memory, too.
 */
#ifndef ORTHSR_DATASET_H
#define ORTHSR_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include <orthsr/model.h>
#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

typedef struct orthsr_dataset orthsr_dataset; /* Items with labels, or a view of another one's. Since 0.1. */

/* split: "train", "test" or "val"; NULL for a directory whose class folders lie directly in it.
 * Errors: ARGUMENT, IO (missing directory or split; images that a list names are not there: how many, and the first; not looked for behind a manifest), FORMAT
 * (a class folder without an image, a bad IDX file, a bad list, a label without a class name, two names for a label, a path that leaves the image folder;
 * named), MISMATCH (IDX images and labels differ in number), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_dataset_open(orthsr_dataset **out, const char *directory, const char *split, orthsr_error *error);

/* The same, but it does not look whether the images that a list names are there: for programs that report on them one by one. Errors: as
 * orthsr_dataset_open. Since 0.1. */
ORTHSR_API orthsr_status orthsr_dataset_list(orthsr_dataset **out, const char *directory, const char *split, orthsr_error *error);

/* 1 when directory holds the split (a folder of that name, its IDX files, its list), else 0. Since 0.1. */
ORTHSR_API int orthsr_dataset_has_split(const char *directory, const char *split);

/* Which layout directory has: "split file", "manifest", "fgvc-aircraft", "imagenet" (with parts), "imagenet variant", "folders" (with parts), "idx" or, when it
 * is nothing else, "class folders"; static storage. Errors: ARGUMENT, IO, FORMAT (several split files), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_dataset_layout(const char **out, const char *directory, orthsr_error *error);

/* From memory: pixels (n, height, width, channels) uint8, channels 1 or 3, labels (n) below n_classes. Everything is copied.
 * Errors: ARGUMENT (an extent of 0, a class name that is empty or there twice, a label out of range; named), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_dataset_new(orthsr_dataset **out, const uint8_t *pixels, size_t n, size_t height, size_t width, size_t channels,
                                            const int32_t *labels, const char *const *class_names, size_t n_classes, orthsr_error *error);
ORTHSR_API void orthsr_dataset_free(orthsr_dataset *dataset); /* NULL is a no-op. Since 0.1. */

/* Image files of more than max_pixels pixels are refused before they are decoded (0, the default: 100,000,000); datasets drawn or selected from this one
 * afterwards do the same. Errors: ARGUMENT. Since 0.1. */
ORTHSR_API orthsr_status orthsr_dataset_set_max_pixels(orthsr_dataset *dataset, size_t max_pixels, orthsr_error *error);

/* What a dataset holds. Since 0.1. */
ORTHSR_API size_t orthsr_dataset_count(const orthsr_dataset *dataset);                         /* items */
ORTHSR_API size_t orthsr_dataset_class_count(const orthsr_dataset *dataset);                   /* classes, also those without an item */
ORTHSR_API const char *orthsr_dataset_class_name(const orthsr_dataset *dataset, size_t label); /* borrowed; NULL out of range */
ORTHSR_API size_t orthsr_dataset_label(const orthsr_dataset *dataset, size_t item);            /* (size_t)-1 out of range */
ORTHSR_API const char *orthsr_dataset_item_name(const orthsr_dataset *dataset, size_t item);   /* path or "index N"; borrowed; NULL of a manifest's */
ORTHSR_API size_t orthsr_dataset_class_size(const orthsr_dataset *dataset, size_t label);      /* items of a class; 0 out of range */

/* The same for any item, a manifest's too, in fresh memory (orthsr_free); of a part of a file "path:offset+size". Errors: ARGUMENT (NULL, item out of range),
 * IO and FORMAT (of a manifest, when its file has changed), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_dataset_copy_item_name(const orthsr_dataset *dataset, size_t item, char **name, orthsr_error *error);

/* Draws `shots` items of every class as CoOp and Dassl do for this seed (Python's random.seed and random.sample, classes in order of first
 * appearance); a class with fewer gives all it has. shots = 0 takes everything, in order. *rest (may be NULL): what was not drawn.
 * Errors: ARGUMENT, MEMORY, of a manifest those of orthsr_dataset_copy_item_name. Since 0.1. */
ORTHSR_API orthsr_status orthsr_dataset_draw(orthsr_dataset **out, orthsr_dataset **rest, const orthsr_dataset *dataset, size_t shots, uint64_t seed,
                                             orthsr_error *error);

/* What Dassl draws of the validation part after the shots of the training part, with the same seed and stream of random numbers: min(shots, 4) items of
 * every class. shots = 0 takes everything. Errors: ARGUMENT, MEMORY, of a manifest those of orthsr_dataset_copy_item_name. Since 0.1. */
ORTHSR_API orthsr_status orthsr_dataset_draw_validation(orthsr_dataset **out, const orthsr_dataset *train, const orthsr_dataset *validation, size_t shots,
                                                        uint64_t seed, orthsr_error *error);

/* Only classes first, ..., first + count - 1, relabelled from 0. The base-to-new protocol: base is the first half, rounded up.
 * Errors: ARGUMENT (outside the classes), MEMORY, of a manifest those of orthsr_dataset_copy_item_name. Since 0.1. */
ORTHSR_API orthsr_status orthsr_dataset_select(orthsr_dataset **out, const orthsr_dataset *dataset, size_t first, size_t count, orthsr_error *error);

/* Only these items (n, each below orthsr_dataset_count), in this order; the classes stay, also those without an item. n may be 0.
 * Errors: ARGUMENT (an item out of range), MEMORY, of a manifest those of orthsr_dataset_copy_item_name. Since 0.1. */
ORTHSR_API orthsr_status orthsr_dataset_subset(orthsr_dataset **out, const orthsr_dataset *dataset, const size_t *items, size_t n, orthsr_error *error);

/* One item as network input for model: pixels (3, image_size, image_size). Errors: ARGUMENT (NULL, item out of range), those of orthsr_image_open and of
 * orthsr_model_preprocess. Since 0.1. */
ORTHSR_API orthsr_status orthsr_dataset_pixels(const orthsr_dataset *dataset, size_t item, const orthsr_model *model, float *pixels, orthsr_error *error);

/* Whether an item can be read: its file's header and size, or with decode all of its pixels. Items in memory always can.
 * Errors: ARGUMENT, and those of orthsr_image_open. Since 0.1. */
ORTHSR_API orthsr_status orthsr_dataset_check_item(const orthsr_dataset *dataset, size_t item, int decode, orthsr_error *error);

ORTHSR_END_DECLS

#endif
