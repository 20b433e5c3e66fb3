/* orthsr.h - adapt a pretrained CLIP to your classes from a few images per class, without losing what it knew.
 *
 * The whole line in one program (examples/few_shot.c is its longer, commented form):
 *
 *     orthsr_model *model;  orthsr_dataset *train, *shots;  orthsr_adapter *adapter;  orthsr_trainer *trainer;
 *     orthsr_error error;
 *     if (orthsr_model_open(&model, "my-clip", &error)                              // a directory with a checkpoint
 *         || orthsr_dataset_open(&train, "my-images", "train", &error)              // one folder per class
 *         || orthsr_dataset_draw(&shots, NULL, train, 16, 1, &error)                // 16 images of each, seed 1
 *         || orthsr_model_adapter(model, &adapter, NULL, &error)                    // A = I on fc1 and fc2 of every layer
 *         || orthsr_trainer_new(&trainer, model, adapter, shots, NULL, &error)
 *         || orthsr_trainer_run(trainer, NULL, NULL, &error)                        // cross-entropy + KL to the frozen model
 *         || orthsr_model_merge(model, adapter, "my-clip-adapted", NULL, &error))   // the same files, ready for any CLIP stack
 *         fprintf(stderr, "%s\n", error.message);
 *
 *     cc few_shot.c $(pkg-config --cflags --libs orthsr)
 *
 * Conventions of all headers
 *   Errors     every function that can fail returns orthsr_status and takes an orthsr_error, last, which may be NULL.
 *   Ownership  X_new / X_open / out-parameters named `out` give a handle to free with X_free; on failure *out is NULL. const char * results are borrowed.
 *   Handles    NULL gives ARGUMENT from a function that returns a status, and is a no-op of X_free; functions that return a plain value need a live handle.
 *   Arrays     row-major float32 unless said; shapes stand beside each pointer; sizes are size_t.
 *   Threads    distinct objects in distinct threads; a model, a tokenizer and an unchanging adapter may be shared. Sessions and trainers have threads
 *              of their own, by default one for every processor; results do not depend on how many (docs/threads.md).
 *   Silence    the library never prints, exits, aborts or keeps global state.
 */
#ifndef ORTHSR_ORTHSR_H
#define ORTHSR_ORTHSR_H

#include <orthsr/adapter.h>
#include <orthsr/array.h>
#include <orthsr/collective.h>
#include <orthsr/cutout.h>
#include <orthsr/dataset.h>
#include <orthsr/evaluation.h>
#include <orthsr/image.h>
#include <orthsr/model.h>
#include <orthsr/optimizer.h>
#include <orthsr/ortho.h>
#include <orthsr/prompt.h>
#include <orthsr/reader.h>
#include <orthsr/session.h>
#include <orthsr/status.h>
#include <orthsr/tokenizer.h>
#include <orthsr/trainer.h>
#include <orthsr/version.h>

#endif
