/* descent.c - an adapter's gradient, bounded where the rates are the default ones, and its step. */
#include "train/descent.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "train/rates.h"

static orthsr_status allocate(orthsr__descent *descent, orthsr_error *error) {
    const orthsr_adapter *adapter = descent->adapter;
    size_t ends = orthsr_collective_ranks(descent->ranks) + 1;
    const struct {
        void **array;
        size_t n, size;
    } parts[] = {
        {(void **)&descent->rate_factor, adapter->target_count, sizeof(double)},
        {(void **)&descent->longest_gradient, adapter->target_count, sizeof(double)},
        {(void **)&descent->grad_rotations, adapter->rotation_count, sizeof(real)},
        {(void **)&descent->gradient, adapter->parameter_count, sizeof(real)},
        {(void **)&descent->defects, orthsr__block_count(adapter), sizeof(double)},
        {(void **)&descent->work, orthsr__pool_threads(descent->pool) * orthsr__block_work(adapter), sizeof(real)},
        {(void **)&descent->rotations, ends, sizeof(size_t)},
        {(void **)&descent->parameters, ends, sizeof(size_t)},
        {(void **)&descent->kept, ends, sizeof(size_t)},
        {(void **)&descent->blocks, ends, sizeof(size_t)},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!(*parts[i].array = orthsr__aligned(parts[i].n, parts[i].size))) return orthsr__fail_memory(error, "training");
    return orthsr__factors_new(&descent->next, adapter, error);
}

/* What a target's matrices cost, about: b^3 of each block. */
static double cost_of(const orthsr__target *target) { return pow((double)target->block, 3) * (double)target->distinct; }

/* Consecutive targets to every rank, of about the same cost: a target goes where its middle lies. */
static void share_out(orthsr__descent *descent) {
    const orthsr_adapter *adapter = descent->adapter;
    size_t ranks = orthsr_collective_ranks(descent->ranks), own = orthsr_collective_rank(descent->ranks), target = 0, blocks = 0;
    double all = 0, done = 0;
    for (size_t t = 0; t < adapter->target_count; t++) all += cost_of(&adapter->targets[t]);
    for (size_t r = 0; r <= ranks; r++) {
        const orthsr__target *t = &adapter->targets[target];
        for (; target < adapter->target_count && (r == ranks || done + cost_of(t) / 2 < all * (double)r / (double)ranks); target++, t++) {
            done += cost_of(t);
            blocks += t->distinct;
        }
        bool end = target == adapter->target_count;
        if (r == own) descent->first = target;
        if (r == own + 1) descent->targets = target - descent->first;
        descent->rotations[r] = end ? adapter->rotation_count : t->rotation_offset;
        descent->parameters[r] = end ? adapter->parameter_count : t->parameter_offset;
        descent->kept[r] = end ? adapter->kept_count : t->kept_offset;
        descent->blocks[r] = blocks;
    }
}

orthsr_status orthsr__descent_new(orthsr__descent *descent, orthsr_adapter *adapter, orthsr_optimizer_kind kind, const orthsr_trainer_options *options,
                                  orthsr__pool *pool, orthsr__phases *phases, orthsr_error *error) {
    *descent = (orthsr__descent){.adapter = adapter, .pool = pool, .phases = phases, .ranks = options->collective};
    ORTHSR__TRY(allocate(descent, error));
    share_out(descent);
    if (adapter->parameter_count == 0) return ORTHSR_OK;
    bool given = options->learning_rate > 0;
    descent->learning_rate = given ? (double)options->learning_rate : orthsr__adapter_rate(kind, adapter);
    for (size_t t = 0; t < adapter->target_count; t++) {
        descent->rate_factor[t] = given ? 1 : orthsr__target_rate(kind, adapter, t) / descent->learning_rate;
        descent->longest_gradient[t] = given ? (double)INFINITY : orthsr__longest_gradient(kind, adapter, t, options->momentum);
    }
    return orthsr__adapter_optimizer(&descent->optimizer, kind, options, adapter, error);
}

void orthsr__descent_free(orthsr__descent *descent) {
    orthsr_optimizer_free(descent->optimizer);
    void *const arrays[] = {descent->rate_factor, descent->longest_gradient, descent->grad_rotations, descent->gradient, descent->defects,
                            descent->work,        descent->rotations,        descent->parameters,     descent->kept,     descent->blocks};
    orthsr__factors_free(&descent->next);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
    *descent = (orthsr__descent){0};
}

void orthsr__descent_begin(orthsr__descent *descent) { memset(descent->grad_rotations, 0, descent->adapter->rotation_count * sizeof(real)); }

/* ---- the gradient ---------------------------------------------------------------------------------------------------------------------- */

/* The first target with a value that is not finite among values, laid out as the parameters are; NULL: none. */
static const orthsr__target *not_finite(const orthsr_adapter *adapter, const real *values) {
    for (size_t t = 0; t < adapter->target_count; t++)
        if (!orthsr__all_finite(values + adapter->targets[t].parameter_offset, adapter->targets[t].parameter_count)) return &adapter->targets[t];
    return NULL;
}

static void cut_off_gradient(orthsr__descent *descent) {
    for (size_t t = 0; t < descent->adapter->target_count; t++) {
        if (isinf(descent->longest_gradient[t])) continue;
        const orthsr__target *target = &descent->adapter->targets[t];
        real *gradient = descent->gradient + target->parameter_offset;
        double squares = 0;
        for (size_t i = 0; i < target->parameter_count; i++) squares += (double)gradient[i] * (double)gradient[i];
        real factor = (real)(descent->longest_gradient[t] / sqrt(squares));
        for (size_t i = 0; i < target->parameter_count && factor < 1; i++) gradient[i] *= factor;
    }
}

/* To the ranks that see to the matrices, and from there to all. The sum comes first: it has the same bits for any number of ranks. */
orthsr_status orthsr__descent_sum(orthsr__descent *descent, size_t first, size_t end, orthsr_error *error) {
    return orthsr__sum_to_owners(descent->ranks, descent->grad_rotations, descent->rotations, first, end, error);
}

static orthsr_status gather(orthsr__descent *descent, void *values, size_t value_size, const size_t *begins, orthsr_error *error) {
    orthsr_phase before = orthsr__phase(descent->phases, ORTHSR_PHASE_COMMUNICATION);
    orthsr_status status = orthsr__gather(descent->ranks, values, value_size, begins, error);
    orthsr__phase(descent->phases, before);
    return status;
}

orthsr_status orthsr__descent_gradient(orthsr__descent *descent, orthsr_error *error) {
    size_t rank = orthsr_collective_rank(descent->ranks), parameters = descent->parameters[rank], rotations = descent->rotations[rank];
    memset(descent->gradient, 0, descent->adapter->parameter_count * sizeof(real));
    orthsr__block_gradients(descent->pool, descent->adapter, descent->first, descent->targets, descent->gradient + parameters,
                            descent->grad_rotations + rotations, descent->work);
    ORTHSR__TRY(gather(descent, descent->gradient, sizeof(real), descent->parameters, error));
    const orthsr__target *target = not_finite(descent->adapter, descent->gradient);
    if (target) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the gradient of '%s' is not finite; a smaller learning rate may help", target->name);
    cut_off_gradient(descent);
    return ORTHSR_OK;
}

/* ---- the step ------------------------------------------------------------------------------------------------------------------------ */

/* The step of a narrow block goes further than the widest one's, where each has its own rate: AdamW and SGD move every parameter by itself, in proportion to
 * the rate. */
static void stretch_step(orthsr__descent *descent) {
    const orthsr_adapter *adapter = descent->adapter;
    for (size_t t = 0; t < adapter->target_count; t++) {
        if (descent->rate_factor[t] == 1) continue;
        const orthsr__target *target = &adapter->targets[t];
        const real *before = adapter->factors.parameters + target->parameter_offset;
        real *after = descent->next.parameters + target->parameter_offset, factor = (real)descent->rate_factor[t];
        for (size_t i = 0; i < target->parameter_count; i++) after[i] = before[i] + factor * (after[i] - before[i]);
    }
}

/* The first target that the optimizer's step, which failed, has made not finite. The Riemannian ones stop at a matrix, and say at which. */
static const orthsr__target *overflown(const orthsr__descent *descent) {
    const orthsr_optimizer *optimizer = descent->optimizer;
    if (optimizer->block_count > 0) return NULL;
    const orthsr__target *target = not_finite(descent->adapter, optimizer->moved);
    for (size_t s = 0; s < optimizer->slots && !target; s++) target = not_finite(descent->adapter, optimizer->next + s * optimizer->size);
    return target;
}

/* Every A of next->parameters: this rank's are built, the others' come from theirs. status: of what came before, which may have failed at one rank alone. */
static orthsr_status build(orthsr__descent *descent, orthsr_status status, orthsr_error *error) {
    orthsr__phase(descent->phases, ORTHSR_PHASE_ORTHOGONAL);
    if (!status) status = orthsr__build_blocks(descent->pool, descent->adapter, descent->first, descent->targets, &descent->next, descent->work, error);
    orthsr_phase before = orthsr__phase(descent->phases, ORTHSR_PHASE_COMMUNICATION);
    status = orthsr__agree(descent->ranks, status, error);
    orthsr__phase(descent->phases, before);
    if (!status) status = gather(descent, descent->next.rotations, sizeof(real), descent->rotations, error);
    return status ? status : gather(descent, descent->next.kept, sizeof(real), descent->kept, error);
}

static orthsr_status measure(orthsr__descent *descent, double *defect, orthsr_error *error) {
    double *own = descent->defects + descent->blocks[orthsr_collective_rank(descent->ranks)];
    orthsr__block_defects(descent->pool, descent->adapter, descent->first, descent->targets, own, descent->work);
    ORTHSR__TRY(gather(descent, descent->defects, sizeof(double), descent->blocks, error));
    *defect = orthsr__worst_defect(descent->defects, orthsr__block_count(descent->adapter));
    return ORTHSR_OK;
}

/* The optimizer's step, into next->parameters. */
static orthsr_status propose(orthsr__descent *descent, double lr, orthsr_error *error) {
    const orthsr_adapter *adapter = descent->adapter;
    memcpy(descent->next.parameters, adapter->factors.parameters, adapter->parameter_count * sizeof(real));
    orthsr_error why;
    orthsr_status status = orthsr__optimizer_step(descent->optimizer, descent->next.parameters, descent->gradient, adapter->parameter_count, lr, &why);
    const orthsr__target *target = status ? overflown(descent) : NULL;
    if (target) return orthsr__fail(error, status, "target '%s': %s", target->name, why.message);
    if (status) return orthsr__fail(error, status, "%s", why.message);
    stretch_step(descent);
    orthsr__adapter_bound(adapter, descent->next.parameters);
    return ORTHSR_OK;
}

orthsr_status orthsr__descent_step(orthsr__descent *descent, double lr, double *defect, orthsr_error *error) {
    orthsr_adapter *adapter = descent->adapter;
    *defect = 0;
    if (adapter->parameter_count == 0) return ORTHSR_OK;
    orthsr_status proposed = propose(descent, lr, error), status = build(descent, proposed, error);
    if (!status) {
        orthsr__adapter_exchange(adapter, &descent->next);
        status = measure(descent, defect, error);
        if (status) orthsr__adapter_exchange(adapter, &descent->next);
    }
    if (status && !proposed) orthsr__optimizer_undo(descent->optimizer);
    return status;
}
