/* scaled.c - an adapter at another strength: its generators times s, so that what was orthogonal still is. */
#include <math.h>
#include <stdlib.h>

#include "adapter/adapter.h"
#include "base/fail.h"
#include "base/memory.h"

/* An adapter of the same kind on the same targets, all at the identity. */
static orthsr_status copy_targets(orthsr_adapter **out, const orthsr_adapter *adapter, orthsr_error *error) {
    const orthsr_adapter_options options = {.parametrization = adapter->parametrization,
                                            .reflections = adapter->form.reflections,
                                            .small = adapter->form.small,
                                            .factors = adapter->form.factors,
                                            .blocks = adapter->blocks,
                                            .block_size = adapter->block_size,
                                            .share = adapter->share,
                                            .side = adapter->side};
    ORTHSR__TRY(orthsr_adapter_new(out, &options, error));
    ORTHSR__TRY(orthsr__adapter_set_fingerprint(*out, adapter->fingerprint, error));
    for (size_t i = 0; i < adapter->target_count; i++) {
        const orthsr__target *target = &adapter->targets[i];
        ORTHSR__TRY(orthsr_adapter_add_target(*out, target->name, target->in, target->out, error));
    }
    return ORTHSR_OK;
}

static orthsr_status scale_parameters(real *to, const orthsr_adapter *adapter, double s, orthsr_error *error) {
    const real *from = adapter->factors.parameters;
    if (!adapter->by->scaled) {
        for (size_t i = 0; i < adapter->parameter_count; i++) to[i] = s == 0 ? 0 : (real)s * from[i]; /* no zeros below zero */
        return ORTHSR_OK;
    }
    for (size_t i = 0; i < adapter->target_count; i++) {
        const orthsr__target *t = &adapter->targets[i];
        size_t per_block = t->parameter_count / t->distinct;
        for (size_t k = 0; k < t->distinct; k++) {
            size_t at = t->parameter_offset + k * per_block;
            int info = adapter->by->scaled(to + at, from + at, &t->form, s);
            if (info < 0) return orthsr__fail_memory(error, "a scaled block");
            if (info > 0)
                return orthsr__fail(error, ORTHSR_ERROR_NUMERIC,
                                    "target '%s', block %zu: it mirrors, or turns a direction half round, so it has no generator that could be scaled", t->name,
                                    k);
        }
    }
    return ORTHSR_OK;
}

/* 1 - s + s scale: ones at 0, the same bits at 1. */
static orthsr_status scale_outputs(orthsr_adapter *to, const orthsr_adapter *adapter, double s, orthsr_error *error) {
    for (size_t i = 0; i < adapter->target_count; i++) {
        const orthsr__target *from = &adapter->targets[i];
        if (!from->scale) continue;
        real *scale = to->targets[i].scale = orthsr__aligned(from->out, sizeof *scale);
        if (!scale) return orthsr__fail_memory(error, "a scale");
        for (size_t o = 0; o < from->out; o++) scale[o] = (real)(1 - s + s * (double)from->scale[o]);
        if (!orthsr__all_finite(scale, from->out)) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "target '%s': a scaled scale is not finite", from->name);
    }
    return ORTHSR_OK;
}

orthsr_status orthsr_adapter_scaled(orthsr_adapter **out, const orthsr_adapter *adapter, float s, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(adapter, error, "adapter is NULL");
    ORTHSR__REQUIRE(isfinite(s), error, "s is not finite");
    orthsr_adapter *to = NULL;
    real *parameters = orthsr__aligned(adapter->parameter_count, sizeof *parameters);
    orthsr_status status = parameters ? copy_targets(&to, adapter, error) : orthsr__fail_memory(error, "an adapter's parameters");
    if (!status) status = scale_parameters(parameters, adapter, (double)s, error);
    if (!status) status = orthsr__adapter_update(to, parameters, error);
    if (!status) status = scale_outputs(to, adapter, (double)s, error);
    free(parameters);
    if (status) orthsr_adapter_free(to);
    else *out = to;
    return status;
}
