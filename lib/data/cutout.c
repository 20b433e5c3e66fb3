/* cutout.c - the squares that CutOut takes away. */
#include "data/cutout.h"

#include <math.h>
#include <stdlib.h>

#include "base/fail.h"
#include "base/memory.h"

/* ---- attentive ------------------------------------------------------------------------------------------------------------------- */

static bool overlap(size_t a, size_t b, size_t side) { return a < b ? a + side > b : b + side > a; }

static bool is_free(const orthsr_region *regions, size_t n, size_t top, size_t left, size_t side) {
    for (size_t i = 0; i < n; i++)
        if (overlap(regions[i].top, top, side) && overlap(regions[i].left, left, side)) return false;
    return true;
}

/* sums (grid + 1, grid + 1): of the map above and to the left, so that any rectangle costs four of them. */
static double sum_of(const double *sums, size_t grid, size_t top, size_t left, size_t side) {
    const double *above = sums + top * (grid + 1) + left, *below = above + side * (grid + 1);
    return below[side] - below[0] - above[side] + above[0];
}

orthsr_status orthsr_cutout_regions(orthsr_region *regions, size_t *found, size_t holes, const float *map, size_t grid, float size, orthsr_error *error) {
    ORTHSR__REQUIRE(regions && found && map && grid > 0, error, "an argument is NULL or grid is 0");
    *found = 0;
    ORTHSR__REQUIRE(size > 0 && size <= 1, error, "the size must be in (0, 1]");
    size_t side = (size_t)rint((double)size * (double)grid), room;
    if (side == 0) side = 1;
    double *sums = orthsr__mul(&room, grid + 1, grid + 1) ? orthsr__calloc(room, sizeof *sums) : NULL;
    if (!sums) return orthsr__fail_memory(error, "the sums of a map");
    for (size_t y = 0; y < grid; y++)
        for (size_t x = 0; x < grid; x++) {
            double *at = sums + y * (grid + 1) + x;
            at[grid + 2] = (double)map[y * grid + x] + at[grid + 1] + at[1] - at[0];
        }
    for (bool more = true; more && *found < holes;) {
        more = false;
        double best = 0;
        for (size_t top = 0; top + side <= grid; top++)
            for (size_t left = 0; left + side <= grid; left++) {
                double sum = sum_of(sums, grid, top, left, side);
                if ((more && !(sum > best)) || !is_free(regions, *found, top, left, side)) continue;
                regions[*found] = (orthsr_region){top, left, side, side};
                best = sum;
                more = true;
            }
        *found += more;
    }
    free(sums);
    return ORTHSR_OK;
}

/* ---- random ---------------------------------------------------------------------------------------------------------------------- */

/* One direction of a hole around a point: from `start`, and its extent. */
static size_t around(size_t *start, size_t centre, size_t half, size_t size) {
    *start = centre > half ? centre - half : 0;
    size_t end = centre + half < size ? centre + half : size;
    return end - *start;
}

void orthsr__cutout_random(orthsr_region *regions, size_t holes, size_t size, size_t length, orthsr__draws *draws) {
    for (size_t i = 0; i < holes; i++) {
        size_t y = orthsr__draw_below(draws, size), x = orthsr__draw_below(draws, size);
        regions[i].height = around(&regions[i].top, y, length / 2, size);
        regions[i].width = around(&regions[i].left, x, length / 2, size);
    }
}

/* ---- filling --------------------------------------------------------------------------------------------------------------------- */

void orthsr__cutout_fill(float *pixels, size_t size, const orthsr_region *regions, size_t n, orthsr_cutout_fill fill, const orthsr__preprocess *p,
                         orthsr__draws *draws) {
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) {
            float value = fill == ORTHSR_CUTOUT_ZERO ? (0 - (float)p->mean[c]) / (float)p->std[c] : 0;
            for (size_t y = regions[i].top; y < regions[i].top + regions[i].height; y++)
                for (size_t x = regions[i].left; x < regions[i].left + regions[i].width; x++)
                    pixels[(c * size + y) * size + x] = fill == ORTHSR_CUTOUT_NOISE ? (float)orthsr__draw_normal(draws) : value;
        }
}
