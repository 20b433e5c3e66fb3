/* parametrization.c - the table of parametrisations: the kernels of lib/ortho behind one signature. */
#include "adapter/parametrization.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "ortho/butterfly.h"
#include "ortho/cayley.h"
#include "ortho/expm.h"
#include "ortho/householder.h"
#include "ortho/retraction.h"
#include "ortho/skew.h"

static size_t square(const orthsr__form *form) { return form->b * form->b; }

static size_t square_shape(size_t *shape, const orthsr__form *form) {
    shape[0] = shape[1] = form->b;
    return 2;
}

static size_t skew_shape(size_t *shape, const orthsr__form *form) {
    shape[0] = orthsr__skew_size(form->b);
    return 1;
}

/* ---- Cayley and exponential: one skew matrix --------------------------------------------------------------------------- */

static const char *refuse_cayley(const orthsr__form *form) { return form->b == 1 ? "Cayley blocks of size 1 have no parameters; choose larger blocks" : NULL; }

static const char *refuse_expm(const orthsr__form *form) {
    return form->b == 1 ? "the exponential has no parameters in blocks of size 1; choose larger blocks" : NULL;
}

static orthsr_status cayley_forward(real *a, real *kept, const real *p, const orthsr__form *form, real *work, orthsr_error *error) {
    (void)kept;
    return orthsr__cayley_forward(a, p, form->b, work, error);
}

static void cayley_adjoint(real *grad_p, const real *grad_a, const real *a, const real *kept, const real *p, const orthsr__form *form, real *work) {
    (void)kept;
    (void)p;
    orthsr__cayley_adjoint_turned(grad_p, grad_a, a, form->b, work);
}

static orthsr_status expm_forward(real *a, real *kept, const real *p, const orthsr__form *form, real *work, orthsr_error *error) {
    (void)work;
    return orthsr__expm_forward(a, kept, p, form->b, error);
}

static void expm_adjoint(real *grad_p, const real *grad_a, const real *a, const real *kept, const real *p, const orthsr__form *form, real *work) {
    (void)a;
    orthsr__expm_adjoint(grad_p, grad_a, p, kept, form->b, work);
}

static size_t expm_work(const orthsr__form *form) { return orthsr__expm_work(form->b); }

/* ---- reflections --------------------------------------------------------------------------------------------------------- */

static const char *refuse_householder(const orthsr__form *form) {
    if (form->reflections == 0 || form->reflections % 2) return "the number of reflections must be even: they come in pairs that cancel at the start";
    return form->reflections > 2 * form->b ? "more reflections than twice the block size; choose fewer, or larger blocks" : NULL;
}

static size_t householder_shape(size_t *shape, const orthsr__form *form) {
    shape[0] = form->reflections;
    shape[1] = form->b;
    return 2;
}

static size_t householder_kept(const orthsr__form *form) { return (form->reflections + 1) * form->b; }
static size_t householder_work(const orthsr__form *form) { return orthsr__householder_work(form->b); }

static orthsr_status householder_forward(real *a, real *kept, const real *p, const orthsr__form *form, real *work, orthsr_error *error) {
    (void)work;
    return orthsr__householder_forward(a, kept, p, form->b, form->reflections, error);
}

static void householder_adjoint(real *grad_p, const real *grad_a, const real *a, const real *kept, const real *p, const orthsr__form *form, real *work) {
    (void)p;
    orthsr__householder_adjoint(grad_p, grad_a, a, kept, form->b, form->reflections, work);
}

/* ---- butterfly ----------------------------------------------------------------------------------------------------------- */

static const char *refuse_butterfly(const orthsr__form *form) {
    if (form->small < 2 || form->small > form->b || form->small % 2) return "a butterfly's small blocks must be of an even size, at most that of a block";
    if (form->factors == 0 || form->factors > 31) return "a butterfly has 1 to 31 factors";
    return form->b % (form->small << (form->factors - 1)) ? "the block size is no multiple of the butterfly's small block times 2^(factors - 1)" : NULL;
}

static size_t butterfly_shape(size_t *shape, const orthsr__form *form) {
    shape[0] = form->factors;
    shape[1] = form->b / form->small;
    shape[2] = orthsr__skew_size(form->small);
    return 3;
}

static size_t butterfly_kept(const orthsr__form *form) { return form->factors * form->b * form->small; }
static size_t butterfly_work(const orthsr__form *form) { return orthsr__butterfly_work(form->b, form->small); }

static orthsr_status butterfly_forward(real *a, real *kept, const real *p, const orthsr__form *form, real *work, orthsr_error *error) {
    (void)work;
    return orthsr__butterfly_forward(a, kept, p, form->b, form->small, form->factors, error);
}

static void butterfly_adjoint(real *grad_p, const real *grad_a, const real *a, const real *kept, const real *p, const orthsr__form *form, real *work) {
    (void)p;
    orthsr__butterfly_adjoint(grad_p, grad_a, a, kept, form->b, form->small, form->factors, work);
}

/* ---- A itself: free, or on the manifold ---------------------------------------------------------------------------------- */

static const char *refuse_nothing(const orthsr__form *form) {
    (void)form;
    return NULL;
}

static void copy_adjoint(real *grad_p, const real *grad_a, const real *a, const real *kept, const real *p, const orthsr__form *form, real *work) {
    (void)a;
    (void)kept;
    (void)p;
    (void)work;
    for (size_t i = 0; i < form->b * form->b; i++) grad_p[i] += grad_a[i];
}

static orthsr_status free_forward(real *a, real *kept, const real *p, const orthsr__form *form, real *work, orthsr_error *error) {
    (void)kept;
    (void)work;
    size_t b = form->b;
    if (!orthsr__all_finite(p, b * b)) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "a parameter is not finite");
    memcpy(a, p, b * b * sizeof *a);
    for (size_t i = 0; i < b; i++) a[i * b + i] += 1;
    return ORTHSR_OK;
}

/* What is off the manifold is refused: it came from elsewhere, for an optimizer of ours stays on it. */
static orthsr_status manifold_forward(real *a, real *kept, const real *p, const orthsr__form *form, real *work, orthsr_error *error) {
    (void)kept;
    (void)work;
    size_t b = form->b;
    const double most = 1e-3;
    if (!orthsr__all_finite(p, b * b)) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "a parameter is not finite");
    double off = orthsr__residual(a, p, b, b);
    if (off < 0) return orthsr__fail_memory(error, "a block's orthogonality");
    if (!(off <= most))
        return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "a block is not orthogonal: |A^T A - I| is %.3g, more than %g; orthsr_retract_polar finds the nearest",
                            off, most);
    memcpy(a, p, b * b * sizeof *a);
    return ORTHSR_OK;
}

/* ---- the table ----------------------------------------------------------------------------------------------------------- */

static const orthsr__parametrization TABLE[] = {
    [ORTHSR_CAYLEY] = {"cayley", ".skew", true, true, refuse_cayley, skew_shape, NULL, square, cayley_forward, cayley_adjoint, orthsr__exact_cayley,
                       .turned = true},
    [ORTHSR_FREE] = {"free", ".free", true, false, refuse_nothing, square_shape, NULL, NULL, free_forward, copy_adjoint, orthsr__exact_free,
                     .starts_at_one = false},
    [ORTHSR_EXPM] = {"expm", ".expm", true, true, refuse_expm, skew_shape, square, expm_work, expm_forward, expm_adjoint, orthsr__exact_expm,
                     .starts_at_one = false},
    [ORTHSR_HOUSEHOLDER] = {"householder", ".normals", false, false, refuse_householder, householder_shape, householder_kept, householder_work,
                            householder_forward, householder_adjoint, orthsr__exact_householder, .starts_at_one = false},
    [ORTHSR_BUTTERFLY] = {"butterfly", ".butterfly", false, false, refuse_butterfly, butterfly_shape, butterfly_kept, butterfly_work, butterfly_forward,
                          butterfly_adjoint, orthsr__exact_butterfly, .starts_at_one = false},
    [ORTHSR_MANIFOLD] = {"manifold", ".orthogonal", false, false, refuse_nothing, square_shape, NULL, NULL, manifold_forward, copy_adjoint,
                         orthsr__exact_manifold, orthsr__manifold_scaled, .starts_at_one = true},
};

const orthsr__parametrization *orthsr__parametrization_of(orthsr_parametrization kind) {
    return (size_t)kind < sizeof TABLE / sizeof TABLE[0] ? &TABLE[kind] : NULL;
}

size_t orthsr__form_size(const orthsr__parametrization *by, const orthsr__form *form) {
    size_t shape[3], rank = by->shape(shape, form), size = 1;
    for (size_t i = 0; i < rank; i++) size *= shape[i];
    return size;
}
