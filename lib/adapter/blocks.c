/* blocks.c - what is done to every distinct block of an adapter by itself: building it, its gradient, its defect. The pool's threads take a block each. */
#include <math.h>
#include <stdatomic.h>

#include "adapter/adapter.h"
#include "base/fail.h"
#include "ortho/retraction.h"

size_t orthsr__block_work(const orthsr_adapter *adapter) {
    size_t largest = 0;
    for (size_t i = 0; i < adapter->target_count; i++) {
        const orthsr__form *form = &adapter->targets[i].form;
        size_t room = adapter->by->work ? adapter->by->work(form) : 0, defect = orthsr__defect_work(form->b, form->b);
        if (defect > room) room = defect;
        if (room > largest) largest = room;
    }
    return (largest + 15) & ~(size_t)15;
}

/* A block: the k-th of a target, and where its numbers begin in the adapter's flat arrays. */
typedef struct block {
    const orthsr__target *target;
    size_t parameters, rotation, kept;
} block;

/* Block i of those of the targets from first on. */
static block block_at(const orthsr_adapter *adapter, size_t first, size_t i) {
    const orthsr__target *t = &adapter->targets[first];
    while (i >= t->distinct) i -= t++->distinct;
    return (block){t, t->parameter_offset + i * (t->parameter_count / t->distinct), t->rotation_offset + i * t->block * t->block,
                   t->kept_offset + i * t->kept_count};
}

static size_t count_blocks(const orthsr_adapter *adapter, size_t first, size_t targets) {
    size_t count = 0;
    for (size_t i = first; i < first + targets; i++) count += adapter->targets[i].distinct;
    return count;
}

typedef struct call {
    const orthsr_adapter *adapter;
    size_t first; /* target */
    const orthsr__factors *to;
    real *grad_parameters;
    const real *grad_rotations;
    real *work; /* (workers, orthsr__block_work) */
    size_t work_size;
    _Atomic size_t failed; /* the first block that could not be built */
    double *defects;       /* (blocks) */
} call;

static real *work_of(const call *c) { return c->work + orthsr__worker() * c->work_size; }

static void share(orthsr__pool *pool, call *c, size_t blocks, void (*task)(void *context, size_t i)) {
    double operations = 0;
    for (size_t i = 0; i < c->adapter->target_count; i++)
        operations += 6 * pow((double)c->adapter->targets[i].block, 3) * (double)c->adapter->targets[i].distinct;
    if (operations > 8 * (double)ORTHSR__WORTH_SHARING) orthsr__pool_run(pool, blocks, task, c);
    else orthsr__pool_run_alone(pool, blocks, task, c);
}

/* ---- building -------------------------------------------------------------------------------------------------------------------------- */

static orthsr_status build(const call *c, size_t i, orthsr_error *error) {
    const block at = block_at(c->adapter, c->first, i);
    return c->adapter->by->forward(c->to->rotations + at.rotation, c->to->kept + at.kept, c->to->parameters + at.parameters, &at.target->form, work_of(c),
                                   error);
}

static void build_block(void *context, size_t i) {
    call *c = context;
    if (build(c, i, NULL) == ORTHSR_OK) return;
    for (size_t before = atomic_load(&c->failed); i < before && !atomic_compare_exchange_weak(&c->failed, &before, i);) {}
}

orthsr_status orthsr__build_blocks(orthsr__pool *pool, const orthsr_adapter *adapter, size_t first, size_t targets, const orthsr__factors *to, real *work,
                                   orthsr_error *error) {
    size_t blocks = count_blocks(adapter, first, targets);
    call c = {.adapter = adapter, .first = first, .to = to, .work = work, .work_size = orthsr__block_work(adapter), .failed = blocks};
    share(pool, &c, blocks, build_block);
    size_t failed = atomic_load(&c.failed);
    if (failed == blocks) return ORTHSR_OK;
    orthsr_error why; /* the block says again what is wrong with it */
    orthsr_status status = build(&c, failed, &why);
    if (!status) return orthsr__fail_memory(error, "an adapter's factors"); /* there was too little for a moment */
    return orthsr__fail(error, status, "target '%s': %s", block_at(adapter, first, failed).target->name, why.message);
}

/* ---- gradients ------------------------------------------------------------------------------------------------------------------------- */

static void adjoin_block(void *context, size_t i) {
    const call *c = context;
    const orthsr_adapter *adapter = c->adapter;
    const block at = block_at(adapter, c->first, i);
    size_t parameters = adapter->targets[c->first].parameter_offset,
           rotations = adapter->targets[c->first].rotation_offset; /* the caller's arrays begin there */
    adapter->by->adjoint(c->grad_parameters + at.parameters - parameters, c->grad_rotations + at.rotation - rotations, adapter->factors.rotations + at.rotation,
                         adapter->factors.kept + at.kept, adapter->factors.parameters + at.parameters, &at.target->form, work_of(c));
}

void orthsr__block_gradients(orthsr__pool *pool, const orthsr_adapter *adapter, size_t first, size_t targets, real *grad_parameters, const real *grad_rotations,
                             real *work) {
    call c = {.adapter = adapter,
              .first = first,
              .grad_parameters = grad_parameters,
              .grad_rotations = grad_rotations,
              .work = work,
              .work_size = orthsr__block_work(adapter)};
    share(pool, &c, count_blocks(adapter, first, targets), adjoin_block);
}

/* ---- defects --------------------------------------------------------------------------------------------------------------------------- */

static void measure_block(void *context, size_t i) {
    const call *c = context;
    const block at = block_at(c->adapter, c->first, i);
    c->defects[i] = orthsr__defect(c->adapter->factors.rotations + at.rotation, at.target->block, at.target->block, work_of(c));
}

size_t orthsr__block_count(const orthsr_adapter *adapter) { return count_blocks(adapter, 0, adapter->target_count); }

void orthsr__block_defects(orthsr__pool *pool, const orthsr_adapter *adapter, size_t first, size_t targets, double *defects, real *work) {
    call c = {.adapter = adapter, .first = first, .defects = defects, .work = work, .work_size = orthsr__block_work(adapter)};
    share(pool, &c, count_blocks(adapter, first, targets), measure_block);
}

double orthsr__worst_defect(const double *defects, size_t n) {
    double worst = 0;
    for (size_t i = 0; i < n; i++)
        if (defects[i] > worst || isnan(defects[i])) worst = defects[i]; /* a NaN stays: nothing is larger */
    return worst;
}
