/* adapter.h (internal) - the adapter's fields and its kernels on `real` buffers, for the towers and the trainer. */
#ifndef ORTHSR_ADAPTER_ADAPTER_H
#define ORTHSR_ADAPTER_ADAPTER_H

#include <stdbool.h>

#include <orthsr/adapter.h>

#include "adapter/parametrization.h"
#include "base/file.h"
#include "base/pool.h"
#include "base/real.h"

/* Of a file: names are compared one with another, so it may not hold any number of them. */
enum { ORTHSR__MAX_TARGETS = 4096 };

enum { ORTHSR__IMAGE_TOWER, ORTHSR__TEXT_TOWER, ORTHSR__TOWERS };
extern const char *const orthsr__tower_names[ORTHSR__TOWERS];

/* Layers first to last, of these towers. */
typedef struct orthsr__layer_range {
    bool tower[ORTHSR__TOWERS];
    size_t first, last; /* last SIZE_MAX: to the top */
} orthsr__layer_range;

struct orthsr_adapter_options {
    orthsr_parametrization parametrization;
    size_t reflections, small, factors; /* of orthsr__form */
    float coft;                         /* 0: no bound */
    size_t blocks;                      /* per map; 0 when block_size rules */
    size_t block_size;                  /* 0 when blocks rules; or ORTHSR_BLOCK_NARROW */
    bool share;                         /* all blocks of a target are one */
    orthsr_side side;
    bool maps[6]; /* q, k, v, out, fc1, fc2: see clip */
    bool towers[ORTHSR__TOWERS];
    orthsr__layer_range *layers; /* (layer_count): what set_layers was given; all layers of a tower that none is for */
    size_t layer_count;
};

/* One orthogonal factor on one linear map. Offsets count reals in the adapter's flat arrays. */
typedef struct orthsr__target {
    char *name;
    size_t in, out;          /* features of the map */
    size_t width;            /* of what is rotated: in, or out with ORTHSR_SIDE_OUTPUT */
    size_t block, blocks;    /* block * blocks == width */
    size_t distinct;         /* blocks that are stored, built and differentiated: all, or one that stands at every place */
    orthsr__form form;       /* of every block */
    size_t parameter_offset; /* into parameters */
    size_t parameter_count;  /* of all distinct blocks together */
    size_t rotation_offset;  /* into rotations: (distinct, block, block) */
    size_t kept_offset;      /* into kept: (distinct, kept_count) */
    size_t kept_count;       /* of one block */
    real *scale;             /* (out): factors of the map's outputs, before its bias; NULL: ones */
} orthsr__target;

/* How often each distinct block stands in the target's A. */
static inline size_t orthsr__places(const orthsr__target *target) { return target->blocks / target->distinct; } /* NOLINT: distinct is not 0 */

/* What an adapter is made of: flat arrays over all distinct blocks of all targets. */
typedef struct orthsr__factors {
    real *parameters; /* (parameter_count), one table for files, gradients and optimizer */
    real *rotations;  /* (rotation_count): A of every distinct block */
    real *kept;       /* (kept_count): what the parametrisation keeps for its adjoint beside A */
} orthsr__factors;

struct orthsr_adapter {
    orthsr_parametrization parametrization;
    const orthsr__parametrization *by; /* its row of the table */
    orthsr__form form;                 /* b is the targets' own */
    double coft;                       /* 0: no bound */
    orthsr_side side;
    size_t blocks, block_size; /* as asked for: one of them is 0 */
    bool share;                /* every target has one distinct block */
    orthsr__target *targets;   /* (target_count) */
    size_t target_count, target_capacity;
    orthsr__factors factors;
    size_t parameter_count, rotation_count, kept_count;
    char *fingerprint; /* of the base model; "" when unknown */
};

/* Of a model's tower with so many layers: ARGUMENT when options ask for one above them, or for some of a tower they leave out; whether they ask for a layer. */
orthsr_status orthsr__layers_check(const orthsr_adapter_options *options, size_t tower, size_t layers, orthsr_error *error);
bool orthsr__layers_hold(const orthsr_adapter_options *options, size_t tower, size_t layer);

/* Everything else of a target that has name, in and out, as the next one of the adapter. ARGUMENT when it cannot be laid out. */
orthsr_status orthsr__target_layout(const orthsr_adapter *adapter, orthsr__target *target, orthsr_error *error);

orthsr_status orthsr__adapter_set_fingerprint(orthsr_adapter *adapter, const char *fingerprint, orthsr_error *error);

/* Index of the named target, or -1. */
ptrdiff_t orthsr__adapter_find(const orthsr_adapter *adapter, const char *name);

/* Replaces all parameters (parameter_count reals), within COFT's bound, and rebuilds every A; on failure the adapter is as it was. */
orthsr_status orthsr__adapter_update(orthsr_adapter *adapter, const real *parameters, orthsr_error *error);

/* All parameters (parameter_count), moved to within COFT's bound. */
void orthsr__adapter_bound(const orthsr_adapter *adapter, real *parameters);

/* next becomes the adapter's, and what it had so far becomes next's. */
void orthsr__adapter_exchange(orthsr_adapter *adapter, orthsr__factors *next);

/* Room for the adapter's factors. Free in any case. */
orthsr_status orthsr__factors_new(orthsr__factors *factors, const orthsr_adapter *adapter, orthsr_error *error);
void orthsr__factors_free(orthsr__factors *factors);

/* y (rows, width) = x (rows, width) A, blockwise, leading dimensions = width. x and y may not overlap. */
void orthsr__rotate(orthsr__pool *pool, const orthsr_adapter *adapter, const orthsr__target *target, real *y, const real *x, size_t rows);

/* grad_x (rows, width) = grad_y A^T; grad_rotations (distinct, b, b of THIS target) += x^T grad_y per block, where the parametrisation wants it `turned` times
 * I + A^T (NULL: not wanted). room: (rows, width), which may be grad_y, if grad_rotations is wanted. Nothing else overlaps. */
void orthsr__rotate_adjoint(orthsr__pool *pool, const orthsr_adapter *adapter, const orthsr__target *target, real *grad_x, real *grad_rotations, real *room,
                            const real *grad_y, const real *x, size_t rows);

/* y (n) = a + b, of which it may be one. */
void orthsr__sum(orthsr__pool *pool, real *y, const real *a, const real *b, size_t n);

/* blocks.c. work: orthsr__block_work reals for every thread of the pool. */
size_t orthsr__block_work(const orthsr_adapter *adapter);
size_t orthsr__block_count(const orthsr_adapter *adapter);
/* to's rotations and kept of consecutive targets from its parameters. The first block that fails is told of. */
orthsr_status orthsr__build_blocks(orthsr__pool *pool, const orthsr_adapter *adapter, size_t first, size_t targets, const orthsr__factors *to, real *work,
                                   orthsr_error *error);
/* grad_parameters += chain rule of grad_rotations through the parametrisation, both of these targets alone. */
void orthsr__block_gradients(orthsr__pool *pool, const orthsr_adapter *adapter, size_t first, size_t targets, real *grad_parameters, const real *grad_rotations,
                             real *work);
/* max |A^T A - I| of each block of these targets. */
void orthsr__block_defects(orthsr__pool *pool, const orthsr_adapter *adapter, size_t first, size_t targets, double *defects, real *work);
/* The largest of them (n); NaN when one is. */
double orthsr__worst_defect(const double *defects, size_t n);

/* W, as orthsr_adapter_merge's, <- diag(scale) W A^T, or on the output side diag(scale) A^T W, in float64 and rounded once; inverse: the W that this gives W
 * from. A is built from the parameters in float64, so it carries no float32 defect. *deviation (may be NULL) becomes at least the largest |stored - exact|.
 * NUMERIC when a product is not finite in dtype or there is no inverse; W is as it was then. */
orthsr_status orthsr__merge_buffer(const orthsr_adapter *adapter, const orthsr__target *target, void *W, orthsr_dtype dtype, orthsr_order order, size_t ld,
                                   bool inverse, double *deviation, orthsr_error *error);

/* All parameters, flat, as float32: the data part of our own file and of PEFT's. */
orthsr_status orthsr__adapter_write_parameters(orthsr__writer *writer, const orthsr_adapter *adapter, orthsr_error *error);

#endif
