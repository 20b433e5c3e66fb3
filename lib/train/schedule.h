/* schedule.h - the learning rate of each epoch. */
#ifndef ORTHSR_TRAIN_SCHEDULE_H
#define ORTHSR_TRAIN_SCHEDULE_H

#include "train/options.h"

/* As Dassl has it: 1e-5 during warm-up, then lr, or the half cosine lr (1 + cos(pi (epoch - warmup) / epochs)) / 2, which never reaches 0.
 * lr: the rate at its height. */
double orthsr__schedule(const orthsr_trainer_options *options, double lr, size_t epoch);

#endif
