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

/* With G = grad_merged (out, in): on the input side W' = W A^T, the gradient of A is G^T W, and times I + A^T it is G^T (W + W'). On the output side W' = A^T
 * W, it is W G^T, and times I + A^T it is W (G + A G)^T. */
void orthsr__merge_adjoint(orthsr__pool *pool, const orthsr_adapter *adapter, const orthsr__target *target, real *grad_rotations, const real *grad_merged,
                           const real *weight, const real *merged, real *room) {
    size_t b = target->block, in = target->in, out = target->out;
    bool turned = adapter->by->turned, output = adapter->side == ORTHSR_SIDE_OUTPUT;
    if (turned && !output) orthsr__sum(pool, room, weight, merged, out * in);
    for (size_t k = 0; k < target->blocks; k++) {
        size_t own = k % target->distinct * b * b, rows = k * b * in, columns = k * b;
        const real *a = adapter->factors.rotations + target->rotation_offset + own, *g = grad_merged + (output ? rows : columns);
        real *grad = grad_rotations + own;
        if (output && turned) {
            const orthsr__product p = {false, false, b, in, b, 1, a, b, g, in, g, in, NULL, room + rows, in};
            orthsr__multiply(pool, &p);
            g = room + rows;
        }
        const real *with = turned ? room : weight;
        const orthsr__product by_input = {true, false, b, b, out, 1, g, in, with + columns, in, grad, b, NULL, grad, b};
        const orthsr__product by_output = {false, true, b, b, in, 1, weight + rows, in, g, in, grad, b, NULL, grad, b};
        orthsr__multiply(pool, output ? &by_output : &by_input);
    }
}
