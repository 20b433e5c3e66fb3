/* rotate.c - y = x A and its adjoint, one product per block: a block's columns of x are a matrix of leading dimension width. Where one block stands at every
 * place, the gradients of all places are added in that one. */
#include "adapter/adapter.h"
#include "base/linalg.h"

void orthsr__rotate(const orthsr_adapter *adapter, const orthsr__target *target, real *y, const real *x, size_t rows) {
    size_t b = target->block, width = target->width;
    const real *a = adapter->rotations + target->rotation_offset; /* (distinct, b, b) */
    for (size_t k = 0; k < target->blocks; k++)
        orthsr__gemm(false, false, rows, b, b, 1, x + k * b, width, a + k % target->distinct * b * b, b, 0, y + k * b, width);
}

void orthsr__rotate_adjoint(const orthsr_adapter *adapter, const orthsr__target *target, real *grad_x, real *grad_rotations, const real *grad_y, const real *x,
                            size_t rows) {
    size_t b = target->block, width = target->width;
    const real *a = adapter->rotations + target->rotation_offset; /* (distinct, b, b) */
    for (size_t k = 0; k < target->blocks; k++) {
        size_t own = k % target->distinct * b * b;
        if (grad_x) orthsr__gemm(false, true, rows, b, b, 1, grad_y + k * b, width, a + own, b, 0, grad_x + k * b, width);
        if (grad_rotations) orthsr__gemm(true, false, b, b, rows, 1, x + k * b, width, grad_y + k * b, width, 1, grad_rotations + own, b);
    }
}

size_t orthsr__adapter_work_size(const orthsr_adapter *adapter) {
    size_t largest = 0;
    for (size_t i = 0; i < adapter->target_count && adapter->by->work; i++) {
        size_t room = adapter->by->work(&adapter->targets[i].form);
        if (room > largest) largest = room;
    }
    return largest;
}

void orthsr__target_gradient(const orthsr_adapter *adapter, const orthsr__target *target, real *grad_parameters, const real *grad_rotations, real *work) {
    size_t squared = target->block * target->block, per_block = target->parameter_count / target->distinct;
    const real *parameters = adapter->parameters + target->parameter_offset, *a = adapter->rotations + target->rotation_offset,
               *kept = adapter->kept + target->kept_offset;
    for (size_t k = 0; k < target->distinct; k++)
        adapter->by->adjoint(grad_parameters + k * per_block, grad_rotations + k * squared, a + k * squared, kept + k * target->kept_count,
                             parameters + k * per_block, &target->form, work);
}

void orthsr__adapter_gradient(const orthsr_adapter *adapter, real *grad_parameters, const real *grad_rotations, real *work) {
    for (size_t i = 0; i < adapter->target_count; i++) {
        const orthsr__target *target = &adapter->targets[i];
        orthsr__target_gradient(adapter, target, grad_parameters + target->parameter_offset, grad_rotations + target->rotation_offset, work);
    }
}
