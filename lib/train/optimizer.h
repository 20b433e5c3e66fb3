/* optimizer.h (internal) - the optimizer's fields and its step on `real` buffers. */
#ifndef ORTHSR_TRAIN_OPTIMIZER_H
#define ORTHSR_TRAIN_OPTIMIZER_H

#include <stdbool.h>

#include <orthsr/optimizer.h>

#include "base/real.h"

/* Scalars are double, as Python's floats are: bias corrections and step sizes are formed in them and rounded once. */
struct orthsr_optimizer {
    bool adamw;               /* otherwise SGD */
    double momentum;          /* SGD */
    double beta1, beta2, eps; /* AdamW */
    double weight_decay;
    size_t size, steps;
    size_t slots; /* state arrays: 0 (plain SGD), 1 (momentum buffer) or 2 (first and second moment) */
    real *state;  /* (slots, size) */
    real *next;   /* (slots, size): the state after the step being made */
    real *moved;  /* (size): the parameters after the step being made */
};

/* As orthsr_optimizer_step. */
orthsr_status orthsr__optimizer_step(orthsr_optimizer *optimizer, real *parameters, const real *gradient, size_t size, double lr, orthsr_error *error);

/* Takes back the state of the last step, which succeeded; the parameters are the caller's to restore. Not twice in a row. */
void orthsr__optimizer_undo(orthsr_optimizer *optimizer);

#endif
