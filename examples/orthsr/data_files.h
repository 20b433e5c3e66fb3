/* data_files.h - images that are in a data set more than once, and files beside them that are none. */
#ifndef DATA_FILES_H
#define DATA_FILES_H

#include <stddef.h>

#include <orthsr/orthsr.h>

typedef struct data_part {
    const char *name;
    orthsr_dataset *images, *whole; /* whole: what images is a view of, or NULL */
} data_part;

/* Counts, and the first of each; the texts are borrowed from the parts. */
typedef struct data_duplicates {
    size_t across, within; /* parts */
    const char *path, *part, *other_path, *other_part;
    const char *path_within, *part_within;
} data_duplicates;

/* By path or, with by_content, by the bytes of the files, of which those that cannot be read are passed over. Items that are no files are none.
 * 0 when out of memory. */
int data_find_duplicates(data_duplicates *out, const data_part *parts, size_t n_parts, int by_content);

/* Visible files beside the part's images that are passed over because they are not called .png, .jpg or .jpeg; the first of them goes to first (size). */
size_t data_count_passed_over(const orthsr_dataset *images, char *first, size_t size);

#endif
