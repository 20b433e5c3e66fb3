/* rates.c - optimizers for adapters: what suits a parametrisation, and rates at which one step turns a block equally far in each. */
#include "train/rates.h"

#include <stdlib.h>

#include "base/fail.h"
#include "base/memory.h"
#include "train/optimizer.h"

/* Adam's, as its paper and torch.optim have them. */
static const float BETA1 = 0.9f, BETA2 = 0.999f, EPS = 1e-8f;

static bool is_riemannian(orthsr_optimizer_kind kind) { return kind == ORTHSR_RSGD || kind == ORTHSR_RADAM; }

orthsr_status orthsr__optimizer_kind(orthsr_optimizer_kind *kind, const orthsr_trainer_options *options, const orthsr_adapter *adapter, orthsr_error *error) {
    bool manifold = adapter->parametrization == ORTHSR_MANIFOLD;
    *kind = options->optimizer_set ? options->optimizer : manifold ? ORTHSR_RADAM : ORTHSR_ADAMW;
    if (manifold && !is_riemannian(*kind))
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "sgd and adamw leave the manifold: train parametrization manifold with rsgd or radam");
    if (!manifold && is_riemannian(*kind))
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT,
                            "rsgd and radam move orthogonal matrices: train parametrization %s with sgd or adamw, or choose manifold", adapter->by->name);
    if (!manifold && options->retraction_set)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "a retraction belongs to parametrization manifold: %s needs none", adapter->by->name);
    return ORTHSR_OK;
}

static orthsr_status manifold_optimizer(orthsr_optimizer **out, orthsr_optimizer_kind kind, const orthsr_trainer_options *options,
                                        const orthsr_adapter *adapter, orthsr_error *error) {
    size_t count = 0, at = 0;
    for (size_t t = 0; t < adapter->target_count; t++) count += adapter->targets[t].distinct;
    orthsr_stiefel *blocks = orthsr__calloc(count, sizeof *blocks);
    if (!blocks) return orthsr__fail_memory(error, "an optimizer");
    for (size_t t = 0; t < adapter->target_count; t++)
        for (size_t k = 0; k < adapter->targets[t].distinct; k++) blocks[at++] = (orthsr_stiefel){adapter->targets[t].block, adapter->targets[t].block};
    orthsr_status status = kind == ORTHSR_RSGD
                               ? orthsr_optimizer_rsgd(out, blocks, count, options->momentum, options->retraction, ORTHSR_GEOMETRY_EUCLIDEAN, error)
                               : orthsr_optimizer_radam(out, blocks, count, BETA1, BETA2, EPS, options->retraction, ORTHSR_GEOMETRY_EUCLIDEAN, error);
    free(blocks);
    return status;
}

orthsr_status orthsr__plain_optimizer(orthsr_optimizer **out, bool sgd, size_t size, const orthsr_trainer_options *options, orthsr_error *error) {
    if (sgd) return orthsr_optimizer_sgd(out, size, options->momentum, options->weight_decay, error);
    return orthsr_optimizer_adamw(out, size, BETA1, BETA2, EPS, options->weight_decay, error);
}

orthsr_status orthsr__adapter_optimizer(orthsr_optimizer **out, orthsr_optimizer_kind kind, const orthsr_trainer_options *options,
                                        const orthsr_adapter *adapter, orthsr_error *error) {
    if (is_riemannian(kind)) return manifold_optimizer(out, kind, options, adapter, error);
    return orthsr__plain_optimizer(out, kind == ORTHSR_SGD, adapter->parameter_count, options, error);
}

/* Adam moves every parameter by about lr. Near A = I this moves a block by |dA|_F = 2 lr b for Cayley (A = I - 2S + ...), lr b for the exponential and free
 * matrices, 4 lr sqrt(bk/2) for k reflections in pairs, 2 lr sqrt(bsm) for m factors of small blocks s, and RAdam by lr itself: the rates make that 0.01 for
 * each (free: 0.005), a turn that 100 steps can make good use of and no single step can ruin. SGD's step scales with the gradient, which falls with b by
 * itself: dA = -8, -2, -1 lr times the Riemannian gradient for Cayley, the exponential and RSGD, and the rates make that 0.8 for each. */
double orthsr__default_learning_rate(orthsr_optimizer_kind kind, orthsr_parametrization parametrization, const orthsr__form *form) {
    double b = (double)form->b;
    if (kind == ORTHSR_RSGD) return 0.8;
    if (kind == ORTHSR_RADAM) return 0.01;
    if (kind == ORTHSR_SGD) return parametrization == ORTHSR_EXPM ? 0.4 : parametrization == ORTHSR_HOUSEHOLDER ? 0.05 : 0.1;
    if (parametrization == ORTHSR_EXPM) return 0.01 / b;
    if (parametrization == ORTHSR_HOUSEHOLDER) return 0.0025 / sqrt(b * (double)form->reflections / 2);
    if (parametrization == ORTHSR_BUTTERFLY) return 0.005 / sqrt(b * (double)(form->small * form->factors));
    return 0.005 / b;
}

/* A shared block's gradient is the sum over its places: SGD divides by their number, so that the block goes where the mean of unshared ones would. So does
 * RSGD, by the largest number of them: its steps end on the manifold, and cannot be made shorter or longer for one target afterwards. Adam's step does not grow
 * with the gradient. */
double orthsr__target_rate(orthsr_optimizer_kind kind, const orthsr_adapter *adapter, size_t target) {
    double rate = orthsr__default_learning_rate(kind, adapter->parametrization, &adapter->targets[target].form);
    if (kind == ORTHSR_SGD) return rate / (double)orthsr__places(&adapter->targets[target]);
    if (kind != ORTHSR_RSGD) return rate;
    size_t most = 1;
    for (size_t t = 0; t < adapter->target_count; t++)
        if (orthsr__places(&adapter->targets[t]) > most) most = orthsr__places(&adapter->targets[t]);
    return rate / (double)most;
}

double orthsr__adapter_rate(orthsr_optimizer_kind kind, const orthsr_adapter *adapter) {
    size_t widest = 0;
    for (size_t t = 1; t < adapter->target_count; t++)
        if (adapter->targets[t].form.b > adapter->targets[widest].form.b) widest = t;
    return orthsr__target_rate(kind, adapter, widest);
}

/* A gradient g that stays moves a parameter vector by lr g / (1 - momentum) in the end. */
double orthsr__longest_gradient(orthsr_optimizer_kind kind, const orthsr_adapter *adapter, size_t target, float momentum) {
    const orthsr__target *t = &adapter->targets[target];
    if (kind != ORTHSR_SGD && kind != ORTHSR_RSGD) return INFINITY;
    double step = kind == ORTHSR_SGD ? orthsr__target_rate(ORTHSR_ADAMW, adapter, target) * sqrt((double)t->parameter_count)
                                     : orthsr__target_rate(ORTHSR_RADAM, adapter, target) * sqrt((double)t->distinct);
    return step * (1 - (double)momentum) / orthsr__target_rate(kind, adapter, target);
}
