/* pass.h - one pass of a batch through a tower's layers, forward and backward to the adapter or to the input, and the memory it needs.
 *
 * Below `first_kept` nothing is remembered; from there on each layer keeps what its backward pass cannot cheaply form again: its
 * inputs x0 and x1, q, k, v, the attention's output, and the hidden layer before the activation (10 d floats a row where mlp = 4 d).
 */
#ifndef ORTHSR_CLIP_PASS_H
#define ORTHSR_CLIP_PASS_H

#include "clip/model.h"

/* What a layer keeps; all (rows, d) but hidden (rows, mlp) and the statistics (rows). */
typedef struct orthsr__kept {
    real *x0, *x1, *q, *k, *v, *o, *hidden;
    real *mean0, *rstd0, *mean1, *rstd1;
} orthsr__kept;

typedef struct orthsr__pass {
    const orthsr__tower *tower;
    const orthsr_adapter *adapter;                                /* NULL: none */
    const orthsr__target **target;                                /* (layers * ORTHSR__MAPS): the tower's part of a binding */
    size_t first_adapted;                                         /* lowest layer with a target; layers when there is none */
    size_t first_kept;                                            /* lowest layer that is kept; layers for a pass without gradients */
    bool to_input;                                                /* backward goes on to the first layer's input */
    size_t rows, length;                                          /* capacity: rows in all, and per sequence */
    real *memory;                                                 /* all of the below, one allocation */
    orthsr__kept *kept;                                           /* (layers - first_kept + 1): the last one serves all layers that are not kept */
    real *out;                                                    /* (rows, d): after the last layer */
    real *normed, *rotated, *hidden;                              /* (rows, d), (rows, max(d, mlp)) twice */
    real *grad, *grad_normed, *grad_o, *grad_q, *grad_k, *grad_v; /* (rows, d), only with gradients */
    real *grad_hidden, *grad_rotated;                             /* (rows, mlp), (rows, max(d, mlp)), only with gradients */
    real *scores;                                                 /* (2, length, length) */
    real *pooled, *pooled_normed, *pooled_mean, *pooled_rstd;     /* (rows, d), (rows, d), (rows), (rows): one row per sequence */
    size_t *pool_row;                                             /* (rows): where each sequence is read */
} orthsr__pass;

/* What a pass must be able to give back. */
typedef enum orthsr__gradients {
    ORTHSR__NO_GRADIENTS,
    ORTHSR__ADAPTER_GRADIENTS, /* those of the adapter's rotations */
    ORTHSR__INPUT_GRADIENTS    /* and those of the first layer's input: nothing may be skipped */
} orthsr__gradients;

/* target: the model's binding (map_count), which must outlive the pass. */
orthsr_status orthsr__pass_new(orthsr__pass *pass, const orthsr__tower *tower, const orthsr_adapter *adapter, const orthsr__target **binding, size_t rows,
                               size_t length, orthsr__gradients gradients, orthsr_error *error);
void orthsr__pass_free(orthsr__pass *pass); /* safe on a zeroed struct */

/* Where the caller puts the first layer's input, (batch, t, d). */
real *orthsr__pass_input(orthsr__pass *pass);

/* Input to pass->out, batch sequences of t rows each. */
void orthsr__pass_forward(orthsr__pass *pass, size_t batch, size_t t);

/* After a forward pass of rows rows: the first map, layer * ORTHSR__MAPS + which, with a value that is not finite about it, among the layers that are kept;
 * layers * ORTHSR__MAPS when there is none. */
size_t orthsr__pass_not_finite(const orthsr__pass *pass, size_t rows);

/* From pass->grad (batch, t, d), the gradient to pass->out, which is overwritten; ADDS to grad_rotations (adapter's rotation_count).
 * Stops below the lowest adapted map, or with ORTHSR__INPUT_GRADIENTS leaves the gradient of the input in pass->grad. */
void orthsr__pass_backward(orthsr__pass *pass, size_t batch, size_t t, real *grad_rotations);

/* The end of both towers: the rows pass->pool_row (n) are normalised and projected, features (n, embed) = norm(out[row]) W^T; and back:
 * pass->grad (rows_used, d) is filled from grad_features (n, embed), zero in all other rows. */
void orthsr__pool_forward(orthsr__pass *pass, real *features, const orthsr__norm *norm, const orthsr__linear *projection, size_t n);
void orthsr__pool_backward(orthsr__pass *pass, const real *grad_features, const orthsr__norm *norm, const orthsr__linear *projection, size_t n,
                           size_t rows_used);

#endif
