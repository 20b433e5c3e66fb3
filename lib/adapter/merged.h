/* merged.h - rotating a map's weight instead of what flows through it: W' = W A^T, so that y = x W'^T; on the output side W' = A^T W.
 *
 * Rotating T rows costs 2 T w b flops forward and 4 T w b backward, w the width of A and b that of its blocks. Merging costs 2 w b n in each direction, n the
 * map's other width, and 2 T w n for the gradient of W', which rotating does without. docs/performance.md
 */
#ifndef ORTHSR_ADAPTER_MERGED_H
#define ORTHSR_ADAPTER_MERGED_H

#include "adapter/adapter.h"

/* Whether merging costs less than rotating that many rows forward and backward. */
bool orthsr__merging_pays(const orthsr__target *target, size_t rows);

/* merged (out, in) of weight (out, in), without the target's scale. They may not overlap. */
void orthsr__merge_weight(orthsr__pool *pool, const orthsr_adapter *adapter, const orthsr__target *target, real *merged, const real *weight);

/* grad_rotations (distinct, b, b of this target) += that of grad_merged (out, in), as the parametrisation wants it. merged: of orthsr__merge_weight. room: (out, in). */
void orthsr__merge_adjoint(orthsr__pool *pool, const orthsr_adapter *adapter, const orthsr__target *target, real *grad_rotations, const real *grad_merged,
                           const real *weight, const real *merged, real *room);

#endif
