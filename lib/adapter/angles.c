/* angles.c - the spectrum of an orthogonal factor: the angles by which A turns its planes.
 *
 * The eigenvalues of A are e^(+-it), and (A - I)^T (A - I) has 4 sin^2(t/2), (A + I)^T (A + I) has 4 cos^2(t/2). Both run evenly over 0 <= t <= pi, so the
 * sorted values belong together, and of each the one that is small is exact: no digit is lost at 0, where the cosine is flat, nor at pi, where the sine is.
 */
#include <math.h>
#include <stdlib.h>

#include "adapter/adapter.h"
#include "base/fail.h"
#include "base/linalg.h"
#include "base/memory.h"

/* values (b) = the ascending singular values of f + shift I; f (b, b) is A, moved (b, b) and gram (b, b) are room. 0, or LAPACK's. */
static int singular_values(double *values, const double *f, double shift, size_t b, double *moved, double *gram) {
    for (size_t i = 0; i < b * b; i++) moved[i] = f[i] + (i % (b + 1) == 0 ? shift : 0);
    orthsr__dgemm(true, false, b, b, b, 1, moved, b, moved, b, 0, gram, b);
    int info = orthsr__symmetric_eigenvalues(values, gram, b);
    for (size_t i = 0; i < b && info == 0; i++) values[i] = sqrt(fmax(values[i], 0));
    return info;
}

/* angles (b), ascending, of one block; work: 3 b (b + 1) doubles. */
static int block_angles(double *angles, const orthsr_adapter *adapter, const orthsr__target *target, const real *parameters, double *work) {
    size_t b = target->block;
    double *f = work, *moved = f + b * b, *gram = moved + b * b, *chord = gram + b * b, *rest = chord + b; /* three (b, b), two (b) */
    int info = adapter->by->exact(f, parameters, &target->form, false);
    if (info == 0) info = singular_values(chord, f, -1, b, moved, gram);
    if (info != 0) return info;
    int wide = chord[b - 1] > M_SQRT2; /* an angle above 90 degrees: below, 2 sin(t/2) alone is exact */
    if (wide) info = singular_values(rest, f, 1, b, moved, gram);
    for (size_t i = 0; i < b && info == 0; i++) angles[i] = wide ? 2 * atan2(chord[i], rest[b - 1 - i]) : 2 * asin(chord[i] / 2);
    return info;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

orthsr_status orthsr_adapter_angles(const orthsr_adapter *adapter, size_t target, double *angles, orthsr_error *error) {
    ORTHSR__REQUIRE(adapter && angles, error, "adapter or angles is NULL");
    ORTHSR__REQUIRE(target < adapter->target_count, error, "there is no target of this index");
    ORTHSR__REQUIRE(adapter->parametrization != ORTHSR_FREE, error, "free matrices are not orthogonal and have no angles");
    const orthsr__target *t = &adapter->targets[target];
    size_t b = t->block, per_block = t->parameter_count / t->distinct, room;
    double *work = orthsr__mul(&room, 3 * b, b + 1) ? orthsr__aligned(room, sizeof *work) : NULL;
    double *found = orthsr__aligned(t->width, sizeof *found); /* (width): angles is untouched by a failure */
    int info = work && found ? 0 : -1;
    for (size_t k = 0; k < t->distinct && info == 0; k++)
        info = block_angles(found + k * b, adapter, t, adapter->factors.parameters + t->parameter_offset + k * per_block, work);
    for (size_t i = 0; i < t->distinct * b && info == 0; i++)
        if (!isfinite(found[i])) info = 1;
    if (info == 0) {
        for (size_t i = 0; i < t->width; i++) angles[i] = found[i % (t->distinct * b)]; /* NOLINT: neither is 0 */
        qsort(angles, t->width, sizeof *angles, compare);
    }
    free(work);
    free(found);
    if (info < 0) return orthsr__fail_memory(error, "the angles of a target");
    return info > 0 ? orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "target '%s': its angles were not found", t->name) : ORTHSR_OK;
}
