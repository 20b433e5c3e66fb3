/* schedule.c - the learning rate of each epoch. */
#include "train/schedule.h"

#include <math.h>

double orthsr__schedule(const orthsr_trainer_options *options, double lr, size_t epoch) {
    if (epoch < options->warmup_epochs) return 1e-5;
    if (options->schedule == ORTHSR_SCHEDULE_CONSTANT) return lr;
    return 0.5 * lr * (1 + cos(3.14159265358979323846 * (double)(epoch - options->warmup_epochs) / (double)options->epochs));
}
