/* energy.c - how evenly the directions of a matrix's rows are spread over the sphere: what an orthogonal factor leaves as it is (docs/theory.md). */
#include "ortho/energy.h"

#include <stdlib.h>

#include "base/fail.h"
#include "base/linalg.h"
#include "base/memory.h"

enum { STRIP = 64 }; /* rows whose cosines with all later rows are formed at once */

/* unit (n, d) <- rows of w divided by their lengths. */
static orthsr_status directions(double *unit, const real *w, size_t n, size_t d, orthsr_error *error) {
    for (size_t i = 0; i < n; i++) {
        double squares = 0;
        for (size_t k = 0; k < d; k++) squares += (double)w[i * d + k] * (double)w[i * d + k];
        if (!isfinite(squares)) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "row %zu holds a value that is not finite", i);
        if (squares == 0) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "row %zu is zero and has no direction: leave it out", i);
        double length = sqrt(squares);
        for (size_t k = 0; k < d; k++) unit[i * d + k] = (double)w[i * d + k] / length;
    }
    return ORTHSR_OK;
}

/* Of unit vectors a, b with cosine c. 2 - 2c loses its digits where they are near each other: there the difference itself is taken. */
static double distance(double c, const double *a, const double *b, size_t d) {
    if (c < 0.99) return sqrt(2 - 2 * c);
    double squares = 0;
    for (size_t k = 0; k < d; k++) squares += (a[k] - b[k]) * (a[k] - b[k]);
    return sqrt(squares);
}

orthsr_status orthsr__hyperspherical_energy(double *energy, const real *w, size_t n, size_t d, orthsr_error *error) {
    size_t elements, strip, room;
    if (!orthsr__mul(&elements, n, d) || !orthsr__mul(&strip, n, STRIP) || !orthsr__add(&room, elements, strip))
        return orthsr__fail_memory(error, "a hyperspherical energy");
    double *unit = orthsr__aligned(room, sizeof *unit); /* (n, d), (STRIP, n) */
    if (!unit) return orthsr__fail_memory(error, "a hyperspherical energy");
    double *cosines = unit + elements, sum = 0;
    orthsr_status status = directions(unit, w, n, d, error);
    for (size_t first = 0; first < n && !status; first += STRIP) {
        const double *from = unit + first * d; /* (later, d) */
        size_t later = n - first, rows = later < STRIP ? later : STRIP;
        orthsr__dgemm(false, true, rows, later, d, 1, from, d, from, d, 0, cosines, later);
        for (size_t i = 0; i < rows && !status; i++)
            for (size_t j = i + 1; j < later && !status; j++) {
                double apart = distance(cosines[i * later + j], from + i * d, from + j * d, d);
                sum += 1 / apart;
                if (!(apart > (double)REAL_EPSILON)) /* rounding alone can part two rows of one direction as far */
                    status = orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "rows %zu and %zu point the same way: their energy is infinite", first + i, first + j);
            }
    }
    free(unit);
    if (!status) *energy = sum / (0.5 * (double)n * ((double)n - 1));
    return status;
}
