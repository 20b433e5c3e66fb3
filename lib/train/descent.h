/* descent.h - the adapter's side of training: from the gradient of its matrices to its next parameters. texts.h has the same for a learned context. */
#ifndef ORTHSR_TRAIN_DESCENT_H
#define ORTHSR_TRAIN_DESCENT_H

#include "adapter/adapter.h"
#include "base/collective.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/phases.h"

typedef struct orthsr__descent {
    orthsr_adapter *adapter;
    orthsr_optimizer *optimizer;                    /* NULL: the adapter has no parameters */
    double learning_rate;                           /* at its height; of the widest block, where the rates are the default ones */
    double *rate_factor;                            /* (target_count): of each target, times the learning rate */
    double *longest_gradient;                       /* (target_count): its norm is cut off there; INFINITY where a rate was given */
    real *grad_rotations;                           /* (rotation_count): of a batch, for others to add to */
    real *gradient;                                 /* (parameter_count): of the parameters */
    orthsr__factors next;                           /* where the step being made goes */
    double *defects;                                /* (blocks) */
    orthsr__pool *pool;                             /* borrowed */
    orthsr__phases *phases;                         /* borrowed */
    real *work;                                     /* (threads, orthsr__block_work) */
    orthsr_collective *ranks;                       /* borrowed; NULL: one */
    size_t first, targets;                          /* those whose matrices this rank sees to: their adjoint, and making them anew; the other ranks are told */
    size_t *rotations, *parameters, *kept, *blocks; /* (ranks + 1): where each rank's targets begin in the adapter's arrays, and in defects */
} orthsr__descent;

/* Borrows the adapter, which may be without targets, and the phases. Free in any case. */
orthsr_status orthsr__descent_new(orthsr__descent *descent, orthsr_adapter *adapter, orthsr_optimizer_kind kind, const orthsr_trainer_options *options,
                                  orthsr__pool *pool, orthsr__phases *phases, orthsr_error *error);
void orthsr__descent_free(orthsr__descent *descent); /* safe on a zeroed struct */

/* Sets grad_rotations to 0. */
void orthsr__descent_begin(orthsr__descent *descent);

/* Of values first .. end - 1 of grad_rotations the sums over ranks, each at the rank that sees to its target. */
orthsr_status orthsr__descent_sum(orthsr__descent *descent, size_t first, size_t end, orthsr_error *error);

/* The parameters' gradient, of all ranks, from grad_rotations that are summed over them. NUMERIC when it is not finite: names the target. */
orthsr_status orthsr__descent_gradient(orthsr__descent *descent, orthsr_error *error);

/* One step down the gradient, and the defect of A after it. A step that fails leaves adapter and optimizer as they were. */
orthsr_status orthsr__descent_step(orthsr__descent *descent, double lr, double *defect, orthsr_error *error);

#endif
