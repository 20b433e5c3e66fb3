/* schedule.c - the learning rate of each epoch. */
#include "train/schedule.h"

#include <math.h>

double orthsr__schedule(const orthsr_trainer_options *options, double lr, size_t epoch) {
    if (epoch < options->warmup_epochs) return 1e-5;
    if (options->schedule == ORTHSR_SCHEDULE_CONSTANT) return lr;
    return 0.5 * lr * (1 + cos(3.14159265358979323846 * (double)(epoch - options->warmup_epochs) / (double)options->epochs));
}

/* Adam moves every entry of a b x b skew block by about lr, which turns the block by up to lr b radians a step: 0.01 is a turn that 60 steps can
 * make good use of and no single step can ruin. SGD's step scales with the gradient, which falls with b by itself. */
double orthsr__default_learning_rate(orthsr_optimizer_kind kind, size_t widest) { return kind == ORTHSR_SGD ? 0.1 : 0.01 / (double)widest; }

/* SGD: CoOp's. Adam moves every entry by about lr: a twentieth of the deviation that word embeddings have, 0.02, is a step as careful as those of the adapter.
 */
double orthsr__default_context_rate(orthsr_optimizer_kind kind) { return kind == ORTHSR_SGD ? 0.002 : 0.001; }
