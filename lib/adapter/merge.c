/* merge.c - folding A into a weight and out of it, formed in float64 and rounded once. */
#include <stdlib.h>

#include "adapter/adapter.h"
#include "base/fail.h"
#include "base/linalg.h"
#include "base/memory.h"
#include "ortho/skew.h"

/* f (b, b) = A, or A^-1, in float64 from one block's parameters. Cayley(-v) is the transpose of Cayley(v), that is its inverse. */
static orthsr_status exact_block(double *f, const orthsr_adapter *adapter, const real *parameters, size_t b, bool inverse, orthsr_error *error) {
    int info = 0;
    if (adapter->parametrization == ORTHSR_CAYLEY) {
        for (size_t i = 0; i < b; i++) {
            f[i * b + i] = 1;
            for (size_t j = i + 1; j < b; j++, parameters++) {
                f[i * b + j] = inverse ? -(double)*parameters : (double)*parameters;
                f[j * b + i] = -f[i * b + j];
            }
        }
        info = orthsr__dinvert(f, b);
        for (size_t i = 0; i < b * b; i++) f[i] *= 2;
        for (size_t i = 0; i < b; i++) f[i * b + i] -= 1;
    } else {
        for (size_t i = 0; i < b * b; i++) f[i] = (double)parameters[i];
        for (size_t i = 0; i < b; i++) f[i * b + i] += 1;
        if (inverse) info = orthsr__dinvert(f, b);
    }
    if (info < 0) return orthsr__fail_memory(error, "an exact factor");
    if (info > 0) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the factor is singular: it cannot be unmerged");
    return ORTHSR_OK;
}

orthsr_status orthsr__merge_double(const orthsr_adapter *adapter, const orthsr__target *target, double *out, const double *weight, bool inverse,
                                   orthsr_error *error) {
    size_t b = target->block, in = target->in, per_block = target->parameter_count / target->blocks;
    const real *parameters = adapter->parameters + target->parameter_offset;
    double *f = orthsr__aligned(b * b, sizeof *f); /* (b, b) */
    if (!f) return orthsr__fail_memory(error, "an exact factor");
    orthsr_status status = ORTHSR_OK;
    for (size_t k = 0; k < target->blocks && !status; k++) {
        orthsr_error why;
        status = exact_block(f, adapter, parameters + k * per_block, b, inverse, &why);
        if (status) orthsr__fail(error, status, "target '%s', block %zu: %s", target->name, k, why.message);
        else orthsr__dgemm(false, true, target->out, b, b, 1, weight + k * b, in, f, b, 0, out + k * b, in);
    }
    free(f);
    return status;
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
