/* adapter.c - an adapter's life: targets, parameters, and the factors A built from them. */
#include "adapter/adapter.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/fail.h"
#include "base/memory.h"
#include "ortho/cayley.h"
#include "ortho/retraction.h"
#include "ortho/skew.h"

orthsr_status orthsr_adapter_new(orthsr_adapter **out, const orthsr_adapter_options *options, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    orthsr_adapter *adapter = orthsr__calloc(1, sizeof *adapter);
    char *fingerprint = orthsr__strdup("");
    if (!adapter || !fingerprint) {
        free(adapter);
        free(fingerprint);
        return orthsr__fail_memory(error, "an adapter");
    }
    adapter->parametrization = options ? options->parametrization : ORTHSR_CAYLEY;
    adapter->side = options ? options->side : ORTHSR_SIDE_INPUT;
    adapter->blocks = options ? options->blocks : 4;
    adapter->block_size = options ? options->block_size : 0;
    adapter->fingerprint = fingerprint;
    *out = adapter;
    return ORTHSR_OK;
}

void orthsr_adapter_free(orthsr_adapter *adapter) {
    if (!adapter) return;
    for (size_t i = 0; i < adapter->target_count; i++) {
        free(adapter->targets[i].name);
        free(adapter->targets[i].scale);
    }
    free(adapter->targets);
    free(adapter->parameters);
    free(adapter->rotations);
    free(adapter->inverses);
    free(adapter->fingerprint);
    free(adapter);
}

bool orthsr__is_utf8(const char *text) {
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    utf8proc_int32_t character;
    for (utf8proc_ssize_t n; *at; at += n)
        if ((n = utf8proc_iterate(at, -1, &character)) <= 0) return false;
    return true;
}

orthsr_status orthsr__adapter_set_fingerprint(orthsr_adapter *adapter, const char *fingerprint, orthsr_error *error) {
    char *copy = orthsr__strdup(fingerprint);
    if (!copy) return orthsr__fail_memory(error, "a fingerprint");
    free(adapter->fingerprint);
    adapter->fingerprint = copy;
    return ORTHSR_OK;
}

ptrdiff_t orthsr__adapter_find(const orthsr_adapter *adapter, const char *name) {
    for (size_t i = 0; i < adapter->target_count; i++)
        if (strcmp(adapter->targets[i].name, name) == 0) return (ptrdiff_t)i;
    return -1;
}

orthsr_status orthsr__target_layout(const orthsr_adapter *adapter, orthsr__target *target, orthsr_error *error) {
    const char *name = target->name;
    bool output = adapter->side == ORTHSR_SIDE_OUTPUT;
    size_t in = target->in, width = output ? target->out : in, divisor = adapter->blocks ? adapter->blocks : adapter->block_size;
    if (in == 0 || target->out == 0 || in > INT_MAX || target->out > INT_MAX)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "target '%s': features (%zu in, %zu out) must lie in 1 to 2^31 - 1", name, in, target->out);
    if (width % divisor != 0)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "target '%s': %zu %s features do not divide into %s%zu%s", name, width, output ? "output" : "input",
                            adapter->blocks ? "" : "blocks of size ", divisor, adapter->blocks ? " blocks" : "");
    size_t b = adapter->blocks ? width / divisor : divisor, blocks = width / b;
    bool cayley = adapter->parametrization == ORTHSR_CAYLEY;
    if (cayley && b == 1)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "target '%s': Cayley blocks of size 1 have no parameters; choose larger blocks", name);
    target->width = width;
    target->block = b;
    target->blocks = blocks;
    target->parameter_count = blocks * (cayley ? orthsr__skew_size(b) : b * b); /* at most width * width: below 2^62 */
    target->parameter_offset = adapter->parameter_count;
    target->rotation_offset = adapter->rotation_count;
    return ORTHSR_OK;
}

/* Gives *array room for count + more reals; on failure it is as it was. */
static bool extend(real **array, size_t count, size_t more) {
    size_t total, bytes;
    if (!orthsr__add(&total, count, more) || !orthsr__mul(&bytes, total, sizeof(real))) return false;
    real *grown = realloc(*array, bytes);
    if (grown) *array = grown;
    return grown != NULL;
}

static void set_identity(real *a, size_t b) {
    memset(a, 0, b * b * sizeof *a);
    for (size_t i = 0; i < b; i++) a[i * b + i] = 1;
}

orthsr_status orthsr_adapter_add_target(orthsr_adapter *adapter, const char *name, size_t in_features, size_t out_features, orthsr_error *error) {
    ORTHSR__REQUIRE(adapter && name, error, "adapter or name is NULL");
    ORTHSR__REQUIRE(*name && orthsr__is_utf8(name), error, "name is empty or not UTF-8");
    if (orthsr__adapter_find(adapter, name) >= 0) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "target '%s' exists already", name);
    orthsr__target target = {.name = (char *)name, .in = in_features, .out = out_features};
    ORTHSR__TRY(orthsr__target_layout(adapter, &target, error));

    bool cayley = adapter->parametrization == ORTHSR_CAYLEY;
    size_t b = target.block, rotation_count = target.blocks * b * b;
    target.name = orthsr__strdup(name);
    if (!target.name || !orthsr__reserve((void **)&adapter->targets, &adapter->target_capacity, adapter->target_count + 1, sizeof target) ||
        !extend(&adapter->parameters, adapter->parameter_count, target.parameter_count) ||
        !extend(&adapter->rotations, adapter->rotation_count, rotation_count) ||
        (cayley && !extend(&adapter->inverses, adapter->rotation_count, rotation_count))) {
        free(target.name);
        return orthsr__fail_memory(error, "an adapter's target");
    }
    memset(adapter->parameters + target.parameter_offset, 0, target.parameter_count * sizeof *adapter->parameters);
    for (size_t k = 0; k < target.blocks; k++) {
        set_identity(adapter->rotations + target.rotation_offset + k * b * b, b);
        if (cayley) set_identity(adapter->inverses + target.rotation_offset + k * b * b, b);
    }
    adapter->parameter_count += target.parameter_count;
    adapter->rotation_count += rotation_count;
    adapter->targets[adapter->target_count++] = target;
    return ORTHSR_OK;
}

/* Every A of one target from its parameters (target->parameter_count) into rotations and inverses (blocks, b, b). */
static orthsr_status build_target(const orthsr_adapter *adapter, const orthsr__target *target, real *rotations, real *inverses, const real *parameters,
                                  orthsr_error *error) {
    size_t b = target->block;
    if (adapter->parametrization == ORTHSR_CAYLEY) {
        for (size_t k = 0; k < target->blocks; k++)
            ORTHSR__TRY(orthsr__cayley_forward(rotations + k * b * b, inverses + k * b * b, parameters + k * orthsr__skew_size(b), b, error));
        return ORTHSR_OK;
    }
    if (!orthsr__all_finite(parameters, target->parameter_count)) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "a parameter is not finite");
    memcpy(rotations, parameters, target->parameter_count * sizeof *rotations);
    for (size_t k = 0; k < target->blocks; k++)
        for (size_t i = 0; i < b; i++) rotations[k * b * b + i * b + i] += 1;
    return ORTHSR_OK;
}

orthsr_status orthsr__adapter_update(orthsr_adapter *adapter, const real *parameters, orthsr_error *error) {
    bool cayley = adapter->parametrization == ORTHSR_CAYLEY;
    size_t n = adapter->rotation_count;
    real *rotations = orthsr__aligned(n, sizeof *rotations), *inverses = cayley ? orthsr__aligned(n, sizeof *inverses) : NULL;
    orthsr_status status = !rotations || (cayley && !inverses) ? orthsr__fail_memory(error, "an adapter's factors") : ORTHSR_OK;
    for (size_t i = 0; i < adapter->target_count && !status; i++) {
        const orthsr__target *target = &adapter->targets[i];
        orthsr_error why;
        status = build_target(adapter, target, rotations + target->rotation_offset, cayley ? inverses + target->rotation_offset : NULL,
                              parameters + target->parameter_offset, &why);
        if (status) orthsr__fail(error, status, "target '%s': %s", target->name, why.message);
    }
    if (status) {
        free(rotations);
        free(inverses);
        return status;
    }
    free(adapter->rotations);
    free(adapter->inverses);
    adapter->rotations = rotations;
    adapter->inverses = inverses;
    if (adapter->parameter_count > 0) memcpy(adapter->parameters, parameters, adapter->parameter_count * sizeof *parameters);
    return ORTHSR_OK;
}

orthsr_status orthsr_adapter_set_scale(orthsr_adapter *adapter, size_t target, const float *scale, orthsr_error *error) {
    ORTHSR__REQUIRE(adapter, error, "adapter is NULL");
    ORTHSR__REQUIRE(target < adapter->target_count, error, "there is no target of this index");
    orthsr__target *t = &adapter->targets[target];
    real *copy = NULL;
    if (scale) {
        if (!(copy = orthsr__aligned(t->out, sizeof *copy))) return orthsr__fail_memory(error, "a scale");
        orthsr__real_from_float(copy, scale, t->out);
        for (size_t i = 0; i < t->out; i++)
            if (!isfinite(copy[i])) {
                free(copy);
                return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "target '%s': the scale of output %zu is not finite", t->name, i);
            }
    }
    free(t->scale);
    t->scale = copy;
    return ORTHSR_OK;
}

orthsr_status orthsr_adapter_defect(const orthsr_adapter *adapter, double *defect, orthsr_error *error) {
    ORTHSR__REQUIRE(adapter && defect, error, "adapter or defect is NULL");
    double worst = 0;
    for (size_t i = 0; i < adapter->target_count; i++) {
        const orthsr__target *target = &adapter->targets[i];
        size_t b = target->block;
        for (size_t k = 0; k < target->blocks; k++) {
            double one;
            ORTHSR__TRY(orthsr__orthogonality_defect(&one, adapter->rotations + target->rotation_offset + k * b * b, b, b, error));
            if (one > worst || isnan(one)) worst = one;
        }
    }
    *defect = worst;
    return ORTHSR_OK;
}

double orthsr_adapter_distance(const orthsr_adapter *adapter, size_t target) {
    if (!adapter || target >= adapter->target_count) return 0;
    const orthsr__target *t = &adapter->targets[target];
    const real *a = adapter->rotations + t->rotation_offset; /* (blocks, b, b) */
    double squares = 0;
    for (size_t k = 0; k < t->blocks; k++)
        for (size_t i = 0; i < t->block; i++)
            for (size_t j = 0; j < t->block; j++, a++) {
                double d = (double)*a - (i == j);
                squares += d * d;
            }
    return sqrt(squares);
}

static const orthsr__target *target_at(const orthsr_adapter *adapter, size_t target) {
    return adapter && target < adapter->target_count ? &adapter->targets[target] : NULL;
}

orthsr_parametrization orthsr_adapter_parametrization(const orthsr_adapter *adapter) { return adapter ? adapter->parametrization : ORTHSR_CAYLEY; }

orthsr_side orthsr_adapter_side(const orthsr_adapter *adapter) { return adapter ? adapter->side : ORTHSR_SIDE_INPUT; }

size_t orthsr_adapter_target_count(const orthsr_adapter *adapter) { return adapter ? adapter->target_count : 0; }

const char *orthsr_adapter_target_name(const orthsr_adapter *adapter, size_t target) {
    const orthsr__target *found = target_at(adapter, target);
    return found ? found->name : NULL;
}

size_t orthsr_adapter_in_features(const orthsr_adapter *adapter, size_t target) {
    const orthsr__target *found = target_at(adapter, target);
    return found ? found->in : 0;
}

size_t orthsr_adapter_out_features(const orthsr_adapter *adapter, size_t target) {
    const orthsr__target *found = target_at(adapter, target);
    return found ? found->out : 0;
}

size_t orthsr_adapter_block_size(const orthsr_adapter *adapter, size_t target) {
    const orthsr__target *found = target_at(adapter, target);
    return found ? found->block : 0;
}

int orthsr_adapter_has_scale(const orthsr_adapter *adapter, size_t target) {
    const orthsr__target *found = target_at(adapter, target);
    return found && found->scale;
}

size_t orthsr_adapter_parameter_count(const orthsr_adapter *adapter) { return adapter ? adapter->parameter_count : 0; }

const char *orthsr_adapter_fingerprint(const orthsr_adapter *adapter) { return adapter ? adapter->fingerprint : NULL; }
