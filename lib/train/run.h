/* run.h - what a training run is, but for its state: everything that its numbers follow from, in words, so that two can be compared. */
#ifndef ORTHSR_TRAIN_RUN_H
#define ORTHSR_TRAIN_RUN_H

#include <orthsr/trainer.h>

#include "base/real.h"

/* Keys and values, "learning rate", "0.001", ..., each ending with a zero byte, one behind another. */
typedef struct orthsr__run {
    char *text; /* (size) */
    size_t size, capacity;
} orthsr__run;

/* Of the trainer: library, model, preprocessing, classes, items, adapter, prompt, options. What changes no number is left out: threads, and the memory budget,
 * which changes them by rounding alone. Errors: IO (an item's file), MEMORY; the run is then empty. */
orthsr_status orthsr__run_describe(orthsr__run *run, const orthsr_trainer *trainer, orthsr_error *error);
void orthsr__run_free(orthsr__run *run);

/* That all ranks have the same run: MISMATCH names the first one that has another than rank 0, and the first thing that differs. Describes the trainer's run.
 * Nothing to do for one rank. */
orthsr_status orthsr__run_agree(orthsr_trainer *trainer, orthsr_error *error);

/* That all ranks go on from the same step with the same numbers, of the adapter and of the prompt's context (NULL: none), and
 * with the same weights of the model, which its fingerprint is only a sample of: MISMATCH names the first one that
 * differs from rank 0. */
orthsr_status orthsr__run_same_state(orthsr_trainer *trainer, size_t step, const real *parameters, const real *context, orthsr_error *error);

/* MISMATCH names the first thing in which the run text (size), of the file at path, differs; FORMAT: it is no such list. */
orthsr_status orthsr__run_compare(const orthsr__run *run, const char *text, size_t size, const char *path, orthsr_error *error);

#endif
