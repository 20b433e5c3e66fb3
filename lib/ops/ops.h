/* ops.h - the transformer's mathematics as forward/backward pairs on plain buffers.
 *
 * Row-major. Weights are frozen, so no op has a weight gradient. Outputs and gradients come first, then what flows in, then saved values and
 * parameters, then extents. A gradient written with "+=" accumulates; others overwrite. One file per op; docs/ops.md has the formulas.
 *
 * The pool's threads share the work, by rows or by heads; results do not depend on how many there are.
 */
#ifndef ORTHSR_OPS_OPS_H
#define ORTHSR_OPS_OPS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"
#include "base/real.h"

/* linear.c: y (rows, out) = x (rows, in) W^T + bias + residual; W (out, in), bias (out) or NULL, residual (rows, out) or NULL, may be y. */
void orthsr__linear_forward(orthsr__pool *pool, real *y, const real *x, const real *w, const real *bias, const real *residual, size_t rows, size_t in,
                            size_t out);
/* grad_x (rows, in) = (or += when accumulate) grad_y (rows, out) W. */
void orthsr__linear_backward(orthsr__pool *pool, real *grad_x, const real *grad_y, const real *w, size_t rows, size_t in, size_t out, bool accumulate);

/* layernorm.c: y (rows, d) = (x - mean) rstd gamma + beta, row by row; mean, rstd (rows) are kept for the backward pass. */
void orthsr__layernorm_forward(orthsr__pool *pool, real *y, real *mean, real *rstd, const real *x, const real *gamma, const real *beta, size_t rows, size_t d,
                               real eps);
/* y again from kept statistics: cheaper than keeping y. */
void orthsr__layernorm_again(orthsr__pool *pool, real *y, const real *x, const real *mean, const real *rstd, const real *gamma, const real *beta, size_t rows,
                             size_t d);
/* grad_x (rows, d) += */
void orthsr__layernorm_backward(orthsr__pool *pool, real *grad_x, const real *grad_y, const real *x, const real *mean, const real *rstd, const real *gamma,
                                size_t rows, size_t d);

/* activation.c */
typedef enum orthsr__activation { ORTHSR__QUICK_GELU, ORTHSR__GELU, ORTHSR__GELU_TANH } orthsr__activation;
/* y (n) = f(x); y may be x. */
void orthsr__activation_forward(orthsr__pool *pool, real *y, const real *x, size_t n, orthsr__activation kind);
/* grad_x (n) = grad_y f'(x); grad_x may be grad_y. */
void orthsr__activation_backward(orthsr__pool *pool, real *grad_x, const real *grad_y, const real *x, size_t n, orthsr__activation kind);

/* Rows of a batch: `shared` rows that every sequence begins with, then `length` rows of each of `count` sequences. causal: a row sees no later ones. */
typedef struct orthsr__sequences {
    size_t shared, count, length;
    bool causal;
} orthsr__sequences;

static inline size_t orthsr__rows(const orthsr__sequences *sequences) { return sequences->shared + sequences->count * sequences->length; }

/* attention.c: o (rows, d) = softmax(q k^T / sqrt(d / heads)) v for every head on its d / heads columns. q, k, v (rows, d). With at (count), only one row of
 * each sequence asks, the one at this place among its own rows: o and q are (count, d) then. The pool may not be NULL. */
void orthsr__attention_forward(orthsr__pool *pool, real *o, const real *q, const real *k, const real *v, const orthsr__sequences *sequences, const size_t *at,
                               size_t d, size_t heads);
/* grad_q as q, grad_k, grad_v (rows, d) from grad_o as o; the probabilities are formed again, none are kept. */
void orthsr__attention_backward(orthsr__pool *pool, real *grad_q, real *grad_k, real *grad_v, const real *grad_o, const real *o, const real *q, const real *k,
                                const real *v, const orthsr__sequences *sequences, const size_t *at, size_t d, size_t heads);
/* Rows that a sequence may have at most, the shared ones included. */
size_t orthsr__attention_longest(void);

/* normalize.c: y (rows, d) = x / |x|, norm (rows) = |x|; a zero row stays zero. */
void orthsr__normalize_forward(real *y, real *norm, const real *x, size_t rows, size_t d);
/* grad_x (rows, d) = (grad_y - (grad_y . y) y) / norm; grad_x may be grad_y. */
void orthsr__normalize_backward(real *grad_x, const real *grad_y, const real *y, const real *norm, size_t rows, size_t d);

/* softmax.c: rows of log-probabilities: y (rows, c) = x - log sum exp x. y may be x. */
void orthsr__log_softmax(real *y, const real *x, size_t rows, size_t c);

/* loss.c, on logits z (rows, c). Each ADDS weight times its gradient to grad_z and returns the unweighted SUM over rows in float64.
 * cross-entropy: -log p[label]; labels (rows). log_p (rows, c) = log softmax of z. */
double orthsr__cross_entropy(real *grad_z, const real *log_p, const size_t *labels, size_t rows, size_t c, real weight);
/* KL(q || p), q the frozen model's log-probabilities: the gradient to z is p - q. */
double orthsr__kl_forward(real *grad_z, const real *log_p, const real *log_q, size_t rows, size_t c, real weight);
/* KL(p || q): the gradient is p (log p - log q - KL). */
double orthsr__kl_reverse(real *grad_z, const real *log_p, const real *log_q, size_t rows, size_t c, real weight);

#endif
