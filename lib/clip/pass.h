/* pass.h - one pass of a batch through a tower's layers, forward and backward to the adapter or to the input, and the memory it needs.
 *
 * Below `first_kept` nothing is remembered; from there on each layer keeps what its backward pass cannot cheaply form again: its
 * inputs x0 and x1, q, k, v, the attention's output, and the hidden layer before the activation (10 d floats a row where mlp = 4 d).
 *
 * A sequence is read at one of its rows. Of the last layer the others are wanted for their keys and values only, so everything after the attention is
 * computed for the rows that are read: there x1, q, o, hidden and out have one row per sequence, unless `whole`.
 */
#ifndef ORTHSR_CLIP_PASS_H
#define ORTHSR_CLIP_PASS_H

#include "clip/model.h"

/* What a layer keeps; all (rows, d) but hidden (rows, mlp) and the statistics (rows). */
typedef struct orthsr__kept {
    real *x0, *x1, *q, *k, *v, *o, *hidden;
    real *mean0, *rstd0, *mean1, *rstd1;
} orthsr__kept;

/* (out, in) twice, with the target's matrix in it; NULL, NULL: what flows through the map is rotated. */
typedef struct orthsr__merged {
    real *weight, *grad;
} orthsr__merged;

/* Rows of a whole step, over all its tiles: of the layers' inputs, and of those that are read. */
typedef struct orthsr__load {
    size_t rows, read;
} orthsr__load;

typedef struct orthsr__pass {
    const orthsr__tower *tower;
    orthsr__stack stack;                                          /* borrowed; without gradients the caller sets it, with them it has one adapter or none */
    orthsr__pool *pool;                                           /* borrowed; the caller sets it */
    size_t first_adapted;                                         /* with gradients: lowest layer with a target; layers when there is none */
    size_t first_kept;                                            /* lowest layer that is kept; layers for a pass without gradients */
    bool to_input;                                                /* backward goes on to the first layer's input */
    bool whole;                                                   /* out has all rows; only in a pass without gradients */
    size_t rows;                                                  /* capacity */
    real *memory;                                                 /* all of the below, one allocation */
    orthsr__kept *kept;                                           /* (layers - first_kept + 1): the last one serves all layers that are not kept */
    real *out;                                                    /* (count, d), or (rows, d): after the last layer */
    real *normed, *rotated, *hidden;                              /* (rows, d), (rows, max(d, mlp)) twice */
    real *grad, *grad_normed, *grad_o, *grad_q, *grad_k, *grad_v; /* (rows, d), only with gradients */
    real *grad_hidden, *grad_rotated;                             /* (rows, mlp), (rows, max(d, mlp)), only with gradients */
    real *turned;                                                 /* (rows, max(d, mlp)), an allocation of its own: orthsr__pass_need_turned; or NULL */
    real *read, *pooled, *pooled_normed;                          /* (rows, d): one row per sequence is used of these and of the next */
    real *pooled_mean, *pooled_rstd;                              /* (rows) */
    size_t *at;                                                   /* (rows): where each sequence is read, among its own rows; the caller sets it */
    orthsr__sequences sequences;                                  /* of the batch at hand; the caller sets it: at most `rows` rows */
    orthsr__merged *merged;                                       /* (layers * ORTHSR__MAPS) */
    real *merging;                                                /* (out, in) of the largest of them: for orthsr__merge_adjoint */
    size_t copy_layer;                                            /* the input of this layer ... */
    real *copy;                                                   /* ... is copied to here (rows, d), where this is not NULL */
} orthsr__pass;

/* What a pass must be able to give back. */
typedef enum orthsr__gradients {
    ORTHSR__NO_GRADIENTS,
    ORTHSR__ADAPTER_GRADIENTS, /* those of the adapter's rotations */
    ORTHSR__INPUT_GRADIENTS    /* and those of the first layer's input: nothing may be skipped */
} orthsr__gradients;

/* stack: must outlive the pass. load: what a step is expected to have; where merging a target then costs less than rotating, it is merged. */
orthsr_status orthsr__pass_new(orthsr__pass *pass, const orthsr__tower *tower, const orthsr__stack *stack, size_t rows, orthsr__load load,
                               orthsr__gradients gradients, orthsr_error *error);
void orthsr__pass_free(orthsr__pass *pass); /* safe on a zeroed struct */

/* Room that a stack of more than one adapter needs. */
orthsr_status orthsr__pass_need_turned(orthsr__pass *pass, orthsr_error *error);

/* Whether the target of a map, layer * ORTHSR__MAPS + which, is merged under such a load. */
bool orthsr__pass_merges(const orthsr__tower *tower, const orthsr__target *target, size_t map, orthsr__load load);

/* Bytes that such a pass takes. */
size_t orthsr__pass_bytes(const orthsr__tower *tower, const orthsr__stack *stack, size_t rows, orthsr__load load, orthsr__gradients gradients);

/* Where a layer's input (rows, d) lies: the caller fills the first's. */
real *orthsr__pass_input(orthsr__pass *pass, size_t layer);

/* Around the passes of a step, between which the adapter does not change: merges, and ADDS the gradients of what was merged to grad_rotations. */
void orthsr__pass_begin(orthsr__pass *pass);
void orthsr__pass_end(orthsr__pass *pass, real *grad_rotations);

/* From the input of the layer `first` to pass->out. */
void orthsr__pass_forward(orthsr__pass *pass, size_t first);

/* After a forward pass: the first map, layer * ORTHSR__MAPS + which, with a value that is not finite about it, among the layers that are kept;
 * layers * ORTHSR__MAPS when there is none. */
size_t orthsr__pass_not_finite(const orthsr__pass *pass);

/* From pass->grad (count, d), the gradient to pass->out, which is overwritten; ADDS to grad_rotations (adapter's rotation_count).
 * Stops below the lowest adapted map, or with ORTHSR__INPUT_GRADIENTS leaves the gradient of the input (rows, d) in pass->grad. */
void orthsr__pass_backward(orthsr__pass *pass, real *grad_rotations);

/* The end of both towers: what is read is normalised and projected, features (count, embed) = norm(out) W^T; and back: pass->grad (count, d) is filled from
 * grad_features (count, embed). */
void orthsr__pool_forward(orthsr__pass *pass, real *features, const orthsr__norm *norm, const orthsr__linear *projection);
void orthsr__pool_backward(orthsr__pass *pass, const real *grad_features, const orthsr__norm *norm, const orthsr__linear *projection);

#endif
