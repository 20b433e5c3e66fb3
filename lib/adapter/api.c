/* api.c - the public float32 face of parameters and rotations. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/adapter.h"
#include "base/fail.h"
#include "base/memory.h"

orthsr_status orthsr_adapter_get_parameters(const orthsr_adapter *adapter, float *parameters, size_t count, orthsr_error *error) {
    ORTHSR__REQUIRE(adapter && parameters, error, "adapter or parameters is NULL");
    if (count != adapter->parameter_count)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%s: room for %zu parameters, but the adapter has %zu", __func__, count, adapter->parameter_count);
    if (count > 0) memcpy(parameters, adapter->factors.parameters, count * sizeof *parameters);
    return ORTHSR_OK;
}

orthsr_status orthsr_adapter_set_parameters(orthsr_adapter *adapter, const float *parameters, size_t count, orthsr_error *error) {
    ORTHSR__REQUIRE(adapter && parameters, error, "adapter or parameters is NULL");
    if (count != adapter->parameter_count)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%s: %zu parameters given, but the adapter has %zu", __func__, count, adapter->parameter_count);
    return orthsr__adapter_update(adapter, parameters, error);
}

orthsr_status orthsr_adapter_rotate(const orthsr_adapter *adapter, size_t target, float *y, const float *x, size_t rows, orthsr_error *error) {
    ORTHSR__REQUIRE(adapter && y && x, error, "adapter, y or x is NULL");
    ORTHSR__REQUIRE(target < adapter->target_count, error, "there is no target of this index");
    ORTHSR__REQUIRE(rows <= INT_MAX, error, "rows is above 2^31 - 1");
    orthsr__rotate(NULL, adapter, &adapter->targets[target], y, x, rows);
    return ORTHSR_OK;
}

orthsr_status orthsr_adapter_rotate_adjoint(const orthsr_adapter *adapter, size_t target, float *grad_x, float *grad_parameters, const float *grad_y,
                                            const float *x, size_t rows, orthsr_error *error) {
    ORTHSR__REQUIRE(adapter && grad_y && x, error, "adapter, grad_y or x is NULL");
    ORTHSR__REQUIRE(target < adapter->target_count, error, "there is no target of this index");
    ORTHSR__REQUIRE(rows <= INT_MAX, error, "rows is above 2^31 - 1");
    const orthsr__target *t = &adapter->targets[target];
    if (!grad_parameters) {
        if (grad_x) orthsr__rotate_adjoint(NULL, adapter, t, grad_x, NULL, NULL, grad_y, x, rows);
        return ORTHSR_OK;
    }
    size_t n = t->parameter_count, values;
    if (!orthsr__mul(&values, rows, t->width)) return orthsr__fail_memory(error, "a gradient");
    /* formed aside, so that a gradient that is not finite spoils nothing */
    real *straight = orthsr__aligned(values, sizeof *straight), *room = orthsr__aligned(values, sizeof *room); /* (rows, width) */
    real *grad_rotations = orthsr__calloc(t->distinct * t->block * t->block, sizeof *grad_rotations);          /* (distinct, b, b) */
    real *gradient = orthsr__calloc(n, sizeof *gradient);
    real *work = orthsr__aligned(orthsr__block_work(adapter), sizeof *work);
    orthsr_status status = straight && room && grad_rotations && gradient && work ? ORTHSR_OK : orthsr__fail_memory(error, "a gradient");
    if (!status) {
        orthsr__rotate_adjoint(NULL, adapter, t, straight, grad_rotations, room, grad_y, x, rows);
        orthsr__block_gradients(NULL, adapter, target, 1, gradient, grad_rotations, work);
        if (!orthsr__all_finite(gradient, n))
            status = orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "target '%s': the gradient of its parameters is not finite", t->name);
        for (size_t i = 0; i < n && !status; i++) grad_parameters[t->parameter_offset + i] += gradient[i];
    }
    if (!status && grad_x) memcpy(grad_x, straight, values * sizeof *straight);
    free(straight);
    free(room);
    free(grad_rotations);
    free(gradient);
    free(work);
    return status;
}
