/* optimizer.h - first-order optimizers on one flat parameter vector, PyTorch's formulas and order of operations. */
#ifndef ORTHSR_OPTIMIZER_H
#define ORTHSR_OPTIMIZER_H

#include <stddef.h>

#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

typedef struct orthsr_optimizer orthsr_optimizer;

/* SGD: g += weight_decay p; buf = momentum buf + g (buf = g first); p -= lr buf.
 * size: number of parameters. Errors: ARGUMENT (size 0, momentum outside [0, 1), weight_decay negative), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_optimizer_sgd(orthsr_optimizer **out, size_t size, float momentum, float weight_decay, orthsr_error *error);

/* AdamW (Loshchilov & Hutter): p -= lr weight_decay p; then Adam with bias correction, betas in [0, 1), eps > 0.
 * Errors: as orthsr_optimizer_sgd. Since 0.1. */
ORTHSR_API orthsr_status orthsr_optimizer_adamw(orthsr_optimizer **out, size_t size, float beta1, float beta2, float eps, float weight_decay,
                                                orthsr_error *error);

/* One update of parameters (size) from gradient (size) with learning rate lr. Errors: ARGUMENT, NUMERIC (a gradient or an updated
 * parameter is not finite); parameters and the optimizer's state are then as before. Since 0.1. */
ORTHSR_API orthsr_status orthsr_optimizer_step(orthsr_optimizer *optimizer, float *parameters, const float *gradient, size_t size, float lr,
                                               orthsr_error *error);

ORTHSR_API size_t orthsr_optimizer_steps(const orthsr_optimizer *optimizer); /* updates made. Since 0.1. */
ORTHSR_API void orthsr_optimizer_free(orthsr_optimizer *optimizer);          /* NULL is a no-op. Since 0.1. */

ORTHSR_END_DECLS

#endif
