/* optimizer.h - first-order optimizers on one flat parameter vector: PyTorch's formulas and order of operations, and geoopt's on Stiefel manifolds. */
#ifndef ORTHSR_OPTIMIZER_H
#define ORTHSR_OPTIMIZER_H

#include <stddef.h>

#include <orthsr/ortho.h>
#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

typedef struct orthsr_optimizer orthsr_optimizer; /* A rule and its state. Since 0.1. */

/* SGD: g += weight_decay p; buf = momentum buf + g (buf = g first); p -= lr buf.
 * size: number of parameters. Errors: ARGUMENT (size 0, momentum outside [0, 1), weight_decay negative or not finite), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_optimizer_sgd(orthsr_optimizer **out, size_t size, float momentum, float weight_decay, orthsr_error *error);

/* AdamW (Loshchilov & Hutter): p -= lr weight_decay p; then Adam with bias correction, betas in [0, 1), eps > 0.
 * Errors: ARGUMENT (size 0, a number out of its range), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_optimizer_adamw(orthsr_optimizer **out, size_t size, float beta1, float beta2, float eps, float weight_decay,
                                                orthsr_error *error);

/* One matrix (n, p), n >= p, with orthonormal columns, n p values of the parameter vector row by row. The fields are part of the ABI and never
 * change. Since 0.1. */
typedef struct orthsr_stiefel {
    size_t n; /* rows */
    size_t p; /* columns, 1 to n */
} orthsr_stiefel;

/* Riemannian SGD: the parameters are count matrices one behind another (blocks, copied). r = Riemannian gradient; buf = momentum buf + r, buf = 0 at first;
 * X = R_X(-lr buf), and buf is carried along: by projection, or by Cayley's turn. What rounding leaves off the manifold is measured in every step and taken
 * back when it passes 3 sqrt(p) 1.2e-7 (Frobenius norm of I - X^T X). Starting points must have orthonormal columns. Weight decay has no meaning here.
 * Errors: ARGUMENT (count 0, an n below its p, p = 0, momentum outside [0, 1), unknown retraction or geometry), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_optimizer_rsgd(orthsr_optimizer **out, const orthsr_stiefel *blocks, size_t count, float momentum, orthsr_retraction retraction,
                                               orthsr_geometry geometry, orthsr_error *error);

/* Riemannian Adam (Becigneul & Ganea, arXiv 1810.00760, as geoopt has it): m = beta1 m + (1 - beta1) r; v = beta2 v + (1 - beta2) <r, r>, one number per
 * matrix; X = R_X(-lr m^ / (sqrt v^ + eps)), with bias corrections, and m is carried along. A step has length lr about, whatever the size of the matrix.
 * Otherwise, and its errors, as orthsr_optimizer_rsgd; betas and eps as of orthsr_optimizer_adamw. Errors: ARGUMENT, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_optimizer_radam(orthsr_optimizer **out, const orthsr_stiefel *blocks, size_t count, float beta1, float beta2, float eps,
                                                orthsr_retraction retraction, orthsr_geometry geometry, orthsr_error *error);

/* One update of parameters (size) from gradient (size) with learning rate lr >= 0. Errors: ARGUMENT (NULL, another size than the optimizer's, lr negative or
 * not finite), NUMERIC (a gradient or an updated parameter is not finite), MEMORY (of the Riemannian optimizers); parameters and the optimizer's state are then
 * as before. Since 0.1. */
ORTHSR_API orthsr_status orthsr_optimizer_step(orthsr_optimizer *optimizer, float *parameters, const float *gradient, size_t size, float lr,
                                               orthsr_error *error);

ORTHSR_API size_t orthsr_optimizer_steps(const orthsr_optimizer *optimizer); /* updates made. Since 0.1. */
ORTHSR_API void orthsr_optimizer_free(orthsr_optimizer *optimizer);          /* NULL is a no-op. Since 0.1. */

ORTHSR_END_DECLS

#endif
