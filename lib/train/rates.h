/* rates.h - which optimizer an adapter is trained with, and its learning rates when none is set (docs/training.md). */
#ifndef ORTHSR_TRAIN_RATES_H
#define ORTHSR_TRAIN_RATES_H

#include "adapter/adapter.h"
#include "train/options.h"

/* The kind that was chosen, or AdamW, or RAdam for an adapter on the manifold. ARGUMENT when the choice cannot train this adapter. */
orthsr_status orthsr__optimizer_kind(orthsr_optimizer_kind *kind, const orthsr_trainer_options *options, const orthsr_adapter *adapter, orthsr_error *error);

/* SGD or AdamW of `size` parameters, by the options. */
orthsr_status orthsr__plain_optimizer(orthsr_optimizer **out, bool sgd, size_t size, const orthsr_trainer_options *options, orthsr_error *error);

orthsr_status orthsr__adapter_optimizer(orthsr_optimizer **out, orthsr_optimizer_kind kind, const orthsr_trainer_options *options,
                                        const orthsr_adapter *adapter, orthsr_error *error);

/* By optimizer, parametrisation and the form of the block. */
double orthsr__default_learning_rate(orthsr_optimizer_kind kind, orthsr_parametrization parametrization, const orthsr__form *form);

/* The same for a target of this adapter, and for the adapter as a whole: that of its widest block. */
double orthsr__target_rate(orthsr_optimizer_kind kind, const orthsr_adapter *adapter, size_t target);
double orthsr__adapter_rate(orthsr_optimizer_kind kind, const orthsr_adapter *adapter);

/* The norm at which a target's gradient is cut off where the rate is the default: with it (R)SGD goes on as fast as Adam would. INFINITY for (R)Adam, which
 * needs no such bound. */
double orthsr__longest_gradient(orthsr_optimizer_kind kind, const orthsr_adapter *adapter, size_t target, float momentum);

#endif
