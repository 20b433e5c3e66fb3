/* merged.c - one product per block. */
#include "adapter/merged.h"

#include "base/gemm.h"

bool orthsr__merging_pays(const orthsr__target *target, size_t rows) {
    double t = (double)rows, b = (double)target->block, n = (double)(target->width == target->in ? target->out : target->in);
    return 4 * b * n + 2 * t * n < 6 * t * b; /* all over the width */
}

void orthsr__merge_weight(orthsr__pool *pool, const orthsr_adapter *adapter, const orthsr__target *target, real *merged, const real *weight) {
    size_t b = target->block, in = target->in, out = target->out;
    for (size_t k = 0; k < target->blocks; k++) {
        const real *a = adapter->factors.rotations + target->rotation_offset + k % target->distinct * b * b;
        size_t rows = k * b * in, columns = k * b;
        const orthsr__product input = {false, true, out, b, b, 1, weight + columns, in, a, b, NULL, 0, NULL, merged + columns, in};
        const orthsr__product output = {true, false, b, in, b, 1, a, b, weight + rows, in, NULL, 0, NULL, merged + rows, in};
        orthsr__multiply(pool, adapter->side == ORTHSR_SIDE_OUTPUT ? &output : &input);
    }
}

void orthsr__merge_adjoint(orthsr__pool *pool, const orthsr_adapter *adapter, const orthsr__target *target, real *grad_rotations, const real *grad_merged,
                           const real *weight) {
    size_t b = target->block, in = target->in, out = target->out;
    for (size_t k = 0; k < target->blocks; k++) {
        real *grad = grad_rotations + k % target->distinct * b * b;
        size_t rows = k * b * in, columns = k * b;
        const orthsr__product input = {true, false, b, b, out, 1, grad_merged + columns, in, weight + columns, in, grad, b, NULL, grad, b};
        const orthsr__product output = {false, true, b, b, in, 1, weight + rows, in, grad_merged + rows, in, grad, b, NULL, grad, b};
        orthsr__multiply(pool, adapter->side == ORTHSR_SIDE_OUTPUT ? &output : &input);
    }
}
