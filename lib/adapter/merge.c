/* merge.c - folding A into a weight and out of it, formed in float64 and rounded once. */
#include <stdlib.h>
#include <string.h>

#include "adapter/adapter.h"
#include "base/fail.h"
#include "base/linalg.h"
#include "base/memory.h"

/* f (b, b) = A, or A^-1, of block k in float64 from its parameters. */
static orthsr_status exact_block(double *f, const orthsr_adapter *adapter, const orthsr__target *target, const real *parameters, bool inverse, size_t k,
                                 orthsr_error *error) {
    int info = adapter->by->exact(f, parameters, &target->form, inverse);
    if (info < 0) return orthsr__fail_memory(error, "an exact factor");
    if (info > 0) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "block %zu: the factor is singular: it cannot be unmerged", k);
    return ORTHSR_OK;
}

/* The rows of w (out, in) times their scales, or divided by them. */
static orthsr_status scale_rows(double *w, const orthsr__target *target, bool inverse, orthsr_error *error) {
    for (size_t i = 0; i < target->out; i++) {
        double factor = (double)target->scale[i];
        if (inverse && factor == 0) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "output %zu is scaled by 0: it cannot be unmerged", i);
        for (size_t j = 0; j < target->in; j++) w[i * target->in + j] = inverse ? w[i * target->in + j] / factor : w[i * target->in + j] * factor;
    }
    return ORTHSR_OK;
}

/* out (out, in) = weight (out, in) by one block's f (b, b) or its transpose: columns of the input side, rows of the output side. */
static void multiply_block(double *out, const double *weight, const double *f, const orthsr__target *target, size_t k, bool output) {
    size_t b = target->block, in = target->in;
    if (output) orthsr__dgemm(true, false, b, in, b, 1, f, b, weight + k * b * in, in, 0, out + k * b * in, in);
    else orthsr__dgemm(false, true, target->out, b, b, 1, weight + k * b, in, f, b, 0, out + k * b, in);
}

orthsr_status orthsr__merge_double(const orthsr_adapter *adapter, const orthsr__target *target, double *out, const double *weight, bool inverse,
                                   orthsr_error *error) {
    size_t b = target->block, per_block = target->parameter_count / target->distinct, n = target->out * target->in;
    const real *parameters = adapter->factors.parameters + target->parameter_offset;
    bool unscale = inverse && target->scale;
    double *f = orthsr__aligned(b * b, sizeof *f), *straight = unscale ? orthsr__aligned(n, sizeof *straight) : NULL; /* (b, b), (out, in) */
    orthsr_error why;
    orthsr_status status = f && (straight || !unscale) ? ORTHSR_OK : orthsr__fail_memory(&why, "an exact factor");
    if (!status && unscale) {
        memcpy(straight, weight, n * sizeof *straight);
        status = scale_rows(straight, target, true, &why);
        weight = straight;
    }
    for (size_t k = 0; k < target->blocks && !status; k++) {
        if (k < target->distinct) status = exact_block(f, adapter, target, parameters + k * per_block, inverse, k, &why);
        if (!status) multiply_block(out, weight, f, target, k, adapter->side == ORTHSR_SIDE_OUTPUT);
    }
    if (!status && target->scale && !inverse) status = scale_rows(out, target, false, &why);
    free(straight);
    free(f);
    return status ? orthsr__fail(error, status, "target '%s': %s", target->name, why.message) : ORTHSR_OK;
}

static orthsr_status merge(const orthsr_adapter *adapter, const orthsr__target *target, float *W, size_t ld, bool inverse, orthsr_error *error) {
    size_t in = target->in, elements, room;
    if (!orthsr__mul(&elements, target->out, in) || !orthsr__mul(&room, elements, 2)) return orthsr__fail_memory(error, "a merged weight");
    double *weight = orthsr__aligned(room, sizeof *weight); /* (2, out, in) */
    if (!weight) return orthsr__fail_memory(error, "a merged weight");
    double *exact = weight + elements;
    for (size_t i = 0; i < target->out; i++)
        for (size_t j = 0; j < in; j++) weight[i * in + j] = (double)W[i * ld + j];
    orthsr_status status = orthsr__merge_double(adapter, target, exact, weight, inverse, error);
    for (size_t i = 0; i < elements && !status; i++)
        if (!isfinite((float)exact[i]))
            status = orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "target '%s': the product is not finite in float32 at row %zu, column %zu", target->name, i / in,
                                  i % in);
    for (size_t i = 0; i < target->out && !status; i++)
        for (size_t j = 0; j < in; j++) W[i * ld + j] = (float)exact[i * in + j];
    free(weight);
    return status;
}

orthsr_status orthsr_adapter_merge(const orthsr_adapter *adapter, size_t target, float *W, size_t ld, orthsr_error *error) {
    ORTHSR__REQUIRE(adapter && W, error, "adapter or W is NULL");
    ORTHSR__REQUIRE(target < adapter->target_count, error, "there is no target of this index");
    ORTHSR__REQUIRE(ld >= adapter->targets[target].in, error, "the leading dimension is less than the target's input features");
    return merge(adapter, &adapter->targets[target], W, ld, false, error);
}

orthsr_status orthsr_adapter_unmerge(const orthsr_adapter *adapter, size_t target, float *W, size_t ld, orthsr_error *error) {
    ORTHSR__REQUIRE(adapter && W, error, "adapter or W is NULL");
    ORTHSR__REQUIRE(target < adapter->target_count, error, "there is no target of this index");
    ORTHSR__REQUIRE(ld >= adapter->targets[target].in, error, "the leading dimension is less than the target's input features");
    return merge(adapter, &adapter->targets[target], W, ld, true, error);
}
