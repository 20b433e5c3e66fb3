/* schedule.c - the learning rate, and the anchor's weight, of each epoch; and how many there are. */
#include "train/schedule.h"

#include <math.h>

/* From 1 towards 0. */
static double half_cosine(size_t epoch, size_t epochs) { return 0.5 * (1 + cos(3.14159265358979323846 * (double)epoch / (double)epochs)); }

double orthsr__schedule(const orthsr_trainer_options *options, double lr, size_t epoch) {
    if (epoch < options->warmup_epochs) return 1e-5;
    if (options->schedule == ORTHSR_SCHEDULE_CONSTANT) return lr;
    return lr * half_cosine(epoch - options->warmup_epochs, options->epochs);
}

double orthsr__kl_factor(const orthsr_trainer_options *options, size_t epoch) {
    return options->kl_schedule == ORTHSR_SCHEDULE_CONSTANT ? 1 : half_cosine(epoch, options->epochs);
}

size_t orthsr__default_epochs(size_t steps_per_epoch) {
    enum { LEAST = 5, MOST = 50, STEPS = 100 };
    size_t epochs = (STEPS + steps_per_epoch - 1) / steps_per_epoch;
    return epochs < LEAST ? LEAST : epochs > MOST ? MOST : epochs;
}
