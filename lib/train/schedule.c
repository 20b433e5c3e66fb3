/* schedule.c - the learning rate of each epoch. */
#include "train/schedule.h"

#include <math.h>

double orthsr__schedule(const orthsr_trainer_options *options, double lr, size_t epoch) {
    if (epoch < options->warmup_epochs) return 1e-5;
    if (options->schedule == ORTHSR_SCHEDULE_CONSTANT) return lr;
    return 0.5 * lr * (1 + cos(3.14159265358979323846 * (double)(epoch - options->warmup_epochs) / (double)options->epochs));
}

/* Adam moves every entry of a b x b skew block by about lr, which turns the block by up to lr b: the rate that is safe falls with b. SGD's step
 * scales with the gradient, which does that by itself. */
double orthsr__default_learning_rate(orthsr_optimizer_kind kind, size_t widest) {
    return kind == ORTHSR_SGD ? 0.1 : 1.0 / ((double)widest * (double)widest);
}
