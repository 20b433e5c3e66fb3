/* adapter.c - an adapter's life: targets, parameters, and the factors A built from them. */
#include "adapter/adapter.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "ortho/retraction.h"

orthsr_status orthsr_adapter_new(orthsr_adapter **out, const orthsr_adapter_options *options, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    orthsr_parametrization kind = options ? options->parametrization : ORTHSR_CAYLEY;
    if (options && options->coft > 0 && !orthsr__parametrization_of(kind)->generator)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "COFT bounds the generator of cayley, expm and free: %s has none",
                            orthsr__parametrization_of(kind)->name);
    orthsr_adapter *adapter = orthsr__calloc(1, sizeof *adapter);
    char *fingerprint = orthsr__strdup("");
    if (!adapter || !fingerprint) {
        free(adapter);
        free(fingerprint);
        return orthsr__fail_memory(error, "an adapter");
    }
    adapter->parametrization = kind;
    adapter->by = orthsr__parametrization_of(kind);
    if (options) adapter->form = (orthsr__form){.reflections = options->reflections, .small = options->small, .factors = options->factors};
    adapter->coft = options ? (double)options->coft : 0;
    adapter->side = options ? options->side : ORTHSR_SIDE_INPUT;
    adapter->blocks = options ? options->blocks : 4;
    adapter->block_size = options ? options->block_size : 0;
    adapter->share = options && options->share;
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
    orthsr__factors_free(&adapter->factors);
    free(adapter->fingerprint);
    free(adapter);
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
    size_t in = target->in, out = target->out, width = output ? out : in, narrow = in < out ? in : out;
    size_t divisor = adapter->blocks ? adapter->blocks : adapter->block_size == ORTHSR_BLOCK_NARROW ? narrow : adapter->block_size;
    if (in == 0 || out == 0 || in > INT_MAX || out > INT_MAX)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "target '%s': features (%zu in, %zu out) must lie in 1 to 2^31 - 1", name, in, out);
    if (width % divisor != 0)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "target '%s': %zu %s features do not divide into %s%zu%s; take a number that divides them", name,
                            width, output ? "output" : "input", adapter->blocks ? "" : "blocks of size ", divisor, adapter->blocks ? " blocks" : "");
    size_t b = adapter->blocks ? width / divisor : divisor, blocks = width / b;
    target->form = adapter->form;
    target->form.b = b;
    const char *why = adapter->by->refuse(&target->form);
    if (why) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "target '%s': %s (blocks are of size %zu)", name, why, b);
    target->width = width;
    target->block = b;
    target->blocks = blocks;
    target->distinct = adapter->share ? 1 : blocks;
    target->parameter_count = target->distinct * orthsr__form_size(adapter->by, &target->form); /* at most 32 width * width: below 2^63 */
    target->kept_count = adapter->by->kept ? adapter->by->kept(&target->form) : 0;
    target->kept_offset = adapter->kept_count;
    target->parameter_offset = adapter->parameter_count;
    target->rotation_offset = adapter->rotation_count;
    return ORTHSR_OK;
}

/* Gives *array room for count + more reals; on failure it is as it was. */
static bool extend(real **array, size_t count, size_t more) {
    size_t total, bytes;
    if (!orthsr__add(&total, count, more) || !orthsr__mul(&bytes, total, sizeof(real))) return false;
    real *grown = realloc(*array, bytes ? bytes : 1); /* of 0 bytes realloc would free */
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

    size_t b = target.block, rotation_count = target.distinct * b * b, kept_count = target.distinct * target.kept_count;
    target.name = orthsr__strdup(name);
    if (!target.name || !orthsr__reserve((void **)&adapter->targets, &adapter->target_capacity, adapter->target_count + 1, sizeof target) ||
        !extend(&adapter->factors.parameters, adapter->parameter_count, target.parameter_count) ||
        !extend(&adapter->factors.rotations, adapter->rotation_count, rotation_count) || !extend(&adapter->factors.kept, adapter->kept_count, kept_count)) {
        free(target.name);
        return orthsr__fail_memory(error, "an adapter's target");
    }
    real *parameters = adapter->factors.parameters + target.parameter_offset;
    memset(parameters, 0, target.parameter_count * sizeof *parameters);
    for (size_t k = 0; k < target.distinct && adapter->by->starts_at_one; k++) set_identity(parameters + k * b * b, b);
    adapter->targets[adapter->target_count++] = target;
    real *work = orthsr__aligned(orthsr__block_work(adapter), sizeof *work);
    orthsr_status status = work ? orthsr__build_blocks(NULL, adapter, adapter->target_count - 1, 1, &adapter->factors, work, error)
                                : orthsr__fail_memory(error, "an adapter's target");
    free(work);
    if (status) {
        adapter->target_count--;
        free(target.name);
        return status;
    }
    adapter->parameter_count += target.parameter_count;
    adapter->rotation_count += rotation_count;
    adapter->kept_count += kept_count;
    return ORTHSR_OK;
}

/* COFT: every block's generator within a Frobenius norm of eps / sqrt(distinct blocks). A value of a skew matrix stands for two entries. */
static void bound_target(const orthsr_adapter *adapter, const orthsr__target *target, real *parameters) {
    size_t per_block = target->parameter_count / target->distinct;
    double most = adapter->coft / sqrt((double)target->distinct);
    for (size_t k = 0; k < target->distinct; k++, parameters += per_block) {
        double squares = 0;
        for (size_t i = 0; i < per_block; i++) squares += (double)parameters[i] * (double)parameters[i];
        double norm = sqrt(adapter->by->skew ? 2 * squares : squares);
        for (size_t i = 0; i < per_block && norm > most; i++) parameters[i] = (real)((double)parameters[i] * (most / norm));
    }
}

orthsr_status orthsr__factors_new(orthsr__factors *factors, const orthsr_adapter *adapter, orthsr_error *error) {
    *factors = (orthsr__factors){orthsr__aligned(adapter->parameter_count, sizeof(real)), orthsr__aligned(adapter->rotation_count, sizeof(real)),
                                 orthsr__aligned(adapter->kept_count, sizeof(real))};
    return factors->parameters && factors->rotations && factors->kept ? ORTHSR_OK : orthsr__fail_memory(error, "an adapter's factors");
}

void orthsr__factors_free(orthsr__factors *factors) {
    free(factors->parameters);
    free(factors->rotations);
    free(factors->kept);
    *factors = (orthsr__factors){0};
}

void orthsr__adapter_bound(const orthsr_adapter *adapter, real *parameters) {
    for (size_t i = 0; i < adapter->target_count && adapter->coft > 0; i++)
        bound_target(adapter, &adapter->targets[i], parameters + adapter->targets[i].parameter_offset);
}

void orthsr__adapter_exchange(orthsr_adapter *adapter, orthsr__factors *next) {
    orthsr__factors before = adapter->factors;
    adapter->factors = *next;
    *next = before;
}

orthsr_status orthsr__adapter_update(orthsr_adapter *adapter, const real *parameters, orthsr_error *error) {
    orthsr__factors next;
    orthsr_status status = orthsr__factors_new(&next, adapter, error);
    real *work = orthsr__aligned(orthsr__block_work(adapter), sizeof *work);
    if (!status && !work) status = orthsr__fail_memory(error, "an adapter's factors");
    if (!status && adapter->parameter_count > 0) {
        memcpy(next.parameters, parameters, adapter->parameter_count * sizeof *parameters);
        orthsr__adapter_bound(adapter, next.parameters);
    }
    if (!status) status = orthsr__build_blocks(NULL, adapter, 0, adapter->target_count, &next, work, error);
    if (!status) orthsr__adapter_exchange(adapter, &next);
    orthsr__factors_free(&next);
    free(work);
    return status;
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
    double *defects = orthsr__calloc(orthsr__block_count(adapter), sizeof *defects);
    real *work = orthsr__aligned(orthsr__block_work(adapter), sizeof *work);
    if (defects && work) {
        orthsr__block_defects(NULL, adapter, 0, adapter->target_count, defects, work);
        *defect = orthsr__worst_defect(defects, orthsr__block_count(adapter));
    }
    orthsr_status status = defects && work ? ORTHSR_OK : orthsr__fail_memory(error, "an orthogonality defect");
    free(defects);
    free(work);
    return status;
}

double orthsr_adapter_distance(const orthsr_adapter *adapter, size_t target) {
    if (!adapter || target >= adapter->target_count) return 0;
    const orthsr__target *t = &adapter->targets[target];
    const real *a = adapter->factors.rotations + t->rotation_offset; /* (distinct, b, b) */
    double squares = 0;
    for (size_t k = 0; k < t->distinct; k++)
        for (size_t i = 0; i < t->block; i++)
            for (size_t j = 0; j < t->block; j++, a++) {
                double d = (double)*a - (i == j);
                squares += d * d;
            }
    return sqrt(squares * (double)orthsr__places(t));
}

static const orthsr__target *target_at(const orthsr_adapter *adapter, size_t target) {
    return adapter && target < adapter->target_count ? &adapter->targets[target] : NULL;
}

orthsr_parametrization orthsr_adapter_parametrization(const orthsr_adapter *adapter) { return adapter ? adapter->parametrization : ORTHSR_CAYLEY; }

orthsr_side orthsr_adapter_side(const orthsr_adapter *adapter) { return adapter ? adapter->side : ORTHSR_SIDE_INPUT; }

int orthsr_adapter_block_share(const orthsr_adapter *adapter) { return adapter && adapter->share; }

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
