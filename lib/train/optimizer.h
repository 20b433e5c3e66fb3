/* optimizer.h (internal) - what every kind of optimizer has, and the step on `real` buffers. */
#ifndef ORTHSR_TRAIN_OPTIMIZER_H
#define ORTHSR_TRAIN_OPTIMIZER_H

#include <stdbool.h>

#include <orthsr/optimizer.h>

#include "base/real.h"

typedef enum orthsr__rule { ORTHSR__RULE_SGD, ORTHSR__RULE_ADAMW, ORTHSR__RULE_RSGD, ORTHSR__RULE_RADAM } orthsr__rule;

/* Scalars are double, as Python's floats are: bias corrections and step sizes are formed in them and rounded once. */
struct orthsr_optimizer {
    orthsr__rule rule;
    double momentum;          /* (R)SGD */
    double beta1, beta2, eps; /* AdamW, RAdam */
    double weight_decay;
    size_t size, steps;
    size_t slots; /* state arrays: 0 (plain SGD), 1 (momentum buffer, or RAdam's first moment) or 2 (first and second moment) */
    real *state;  /* (slots, size) */
    real *next;   /* (slots, size): the state after the step being made */
    real *moved;  /* (size): the parameters after the step being made */
    /* on the manifold: */
    orthsr_retraction retraction;
    orthsr_geometry geometry;
    orthsr_stiefel *blocks; /* (block_count) */
    size_t block_count;
    double *second, *next_second; /* (block_count): RAdam's second moment, one number per block */
    real *work;                   /* (3, n, p) and (p, p) of the largest block */
};

/* As orthsr_optimizer_step. */
orthsr_status orthsr__optimizer_step(orthsr_optimizer *optimizer, real *parameters, const real *gradient, size_t size, double lr, orthsr_error *error);

/* Takes the last step of the optimizer's state back, once: for a step whose parameters could not be used. */
void orthsr__optimizer_undo(orthsr_optimizer *optimizer);

/* The state in next and next_second comes into force, as that after so many steps. */
void orthsr__optimizer_adopt(orthsr_optimizer *optimizer, size_t steps);

/* manifold_step.c: state and parameters after one more step of RSGD or RAdam, into next, next_second and moved. */
orthsr_status orthsr__manifold_propose(const orthsr_optimizer *optimizer, const real *parameters, const real *gradient, double lr, orthsr_error *error);

#endif
