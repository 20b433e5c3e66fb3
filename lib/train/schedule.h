/* schedule.h - the learning rate, and the anchor's weight, of each epoch; and how many there are. */
#ifndef ORTHSR_TRAIN_SCHEDULE_H
#define ORTHSR_TRAIN_SCHEDULE_H

#include "train/options.h"

/* As Dassl has it: 1e-5 during warm-up, then lr, or the half cosine lr (1 + cos(pi (epoch - warmup) / epochs)) / 2, which never reaches 0.
 * lr: the rate at its height. */
double orthsr__schedule(const orthsr_trainer_options *options, double lr, size_t epoch);

/* Of both KL weights, 0 to 1: their half cosine has no warm-up. */
double orthsr__kl_factor(const orthsr_trainer_options *options, size_t epoch);

/* Five passes, as MaPLe makes; or as many as make 100 steps, where there are few items, but not more than the 50 that CoOp makes of one shot. */
size_t orthsr__default_epochs(size_t steps_per_epoch);

#endif
