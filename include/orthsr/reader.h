/* reader.h - the images of a dataset as a model's input, in order, read and decoded by threads of their own ahead of whoever takes them. Constant memory: a few
 * images are kept ready, however many there are.
 */
#ifndef ORTHSR_READER_H
#define ORTHSR_READER_H

#include <stddef.h>

#include <orthsr/dataset.h>
#include <orthsr/model.h>
#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

typedef struct orthsr_reader orthsr_reader; /* Some items of a dataset, on their way. For one thread at a time. Since 0.1. */

/* Items first .. first + count - 1 of dataset; it and model are borrowed and must outlive the reader. Errors: ARGUMENT (NULL, items out of range), MEMORY.
 * Since 0.1. */
ORTHSR_API orthsr_status orthsr_reader_new(orthsr_reader **out, const orthsr_dataset *dataset, const orthsr_model *model, size_t first, size_t count,
                                           orthsr_error *error);
ORTHSR_API void orthsr_reader_free(orthsr_reader *reader); /* NULL is a no-op. Since 0.1. */

/* Threads that read, 0 (orthsr_reader_next does it) to 64; 1 by default. Results do not depend on it. Errors: ARGUMENT (also once images were taken). Since
 * 0.1. */
ORTHSR_API orthsr_status orthsr_reader_set_threads(orthsr_reader *reader, size_t threads, orthsr_error *error);

/* skip != 0: images that cannot be read are left out and counted; 0, the default: the first is an error. Errors: ARGUMENT (also once images were taken). Since
 * 0.1. */
ORTHSR_API orthsr_status orthsr_reader_set_skip(orthsr_reader *reader, int skip, orthsr_error *error);

/* The next images, *n of them, at most `most` (> 0): pixels (most, 3, image_size, image_size), normalised, and which items they are (most; may be NULL). *n is
 * less than most at the end alone, and 0 from then on. On failure *n images came before the one that failed, and the next call goes on
 * behind it; after MEMORY, with it. Errors: ARGUMENT, MEMORY (also threads that the system refuses), those of orthsr_dataset_pixels. Since 0.1. */
ORTHSR_API orthsr_status orthsr_reader_next(orthsr_reader *reader, float *pixels, size_t *items, size_t most, size_t *n, orthsr_error *error);

/* Images left out so far; 0 for NULL. Since 0.1. */
ORTHSR_API size_t orthsr_reader_skipped(const orthsr_reader *reader);

ORTHSR_END_DECLS

#endif
