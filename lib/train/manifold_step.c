/* manifold_step.c - Riemannian SGD and Adam as geoopt computes them, block by block: gradient in the metric, step along a tangent, retraction, momentum carried
 * along; and drift measured and taken back (docs/manifold.md).
 */
#include <string.h>

#include "base/fail.h"
#include "ortho/retraction.h"
#include "ortho/tangent.h"
#include "train/optimizer.h"

/* What float32 cannot tell from orthogonal grows with sqrt(p); at three times that, 1e-5 for p = 768, a Newton-Schulz step takes it back. */
static double bound(size_t p) { return 3 * (double)REAL_EPSILON * sqrt((double)p); }

/* y (n, p) is measured; beyond the bound it becomes the nearest point of the manifold to second order. spare: (n, p), e: (p, p). */
static orthsr_status repair(real *y, size_t n, size_t p, real *spare, real *e, orthsr_error *error) {
    double off = orthsr__residual(e, y, n, p);
    if (off < 0) return orthsr__fail_memory(error, "the measure of drift");
    if (!(off > bound(p))) return ORTHSR_OK;
    memcpy(spare, y, n * p * sizeof *y);
    orthsr__newton_schulz(y, spare, e, n, p);
    return ORTHSR_OK;
}

/* y (n, p) <- where x goes by -step times direction, carried (n, p; NULL: none) with it. u, spare: (n, p), e: (p, p). */
static orthsr_status move(const orthsr_optimizer *o, real *y, real *carried, const real *x, const real *direction, double step, size_t n, size_t p, real *u,
                          real *spare, real *e, orthsr_error *error) {
    for (size_t i = 0; i < n * p; i++) u[i] = (real)(-step * (double)direction[i]);
    memcpy(y, x, n * p * sizeof *y);
    ORTHSR__TRY(orthsr__retract(y, carried, u, n, p, o->retraction, error));
    return repair(y, n, p, spare, e, error);
}

orthsr_status orthsr__manifold_propose(const orthsr_optimizer *o, const real *parameters, const real *gradient, double lr, orthsr_error *error) {
    size_t at = 0;
    double t = (double)(o->steps + 1);
    for (size_t k = 0; k < o->block_count; k++) {
        size_t n = o->blocks[k].n, p = o->blocks[k].p, size = n * p;
        const real *x = parameters + at, *direction;
        real *y = o->moved + at, *carried = o->slots ? o->next + at : NULL, *g = o->work, *u = g + size, *spare = u + size, *e = spare + size;
        double step = lr, kept = o->rule == ORTHSR__RULE_RADAM ? o->beta1 : o->momentum, fresh = o->rule == ORTHSR__RULE_RADAM ? 1 - o->beta1 : 1;
        orthsr__riemannian_gradient(g, gradient + at, x, n, p, o->geometry, e);
        direction = g;
        if (carried) {
            const real *former = o->state + at;
            for (size_t i = 0; i < size; i++) carried[i] = (real)kept * former[i] + (real)fresh * g[i];
            direction = carried;
        }
        if (o->rule == ORTHSR__RULE_RADAM) {
            o->next_second[k] = o->beta2 * o->second[k] + (1 - o->beta2) * orthsr__squared_length(g, x, n, p, o->geometry, e);
            step = lr / (1 - pow(o->beta1, t)) / (sqrt(o->next_second[k] / (1 - pow(o->beta2, t))) + o->eps);
        }
        orthsr_error why;
        orthsr_status status = move(o, y, carried, x, direction, step, n, p, u, spare, e, &why);
        if (status) return orthsr__fail(error, status, "optimizer step %zu, matrix %zu: %s", o->steps + 1, k, why.message);
        at += size;
    }
    return ORTHSR_OK;
}
