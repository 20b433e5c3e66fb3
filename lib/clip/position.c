/* position.c - resampling position embeddings as torch.nn.functional.interpolate(align_corners=False) does it.
 *
 * Every output position is a weighted sum of input positions; on a grid, first along rows, then along columns. The weights (to, from) are all that
 * differs: a cubic with a = -0.75 over four neighbours, its border repeated (mode "bicubic"); a cubic with a = -0.5 whose support widens when there are
 * fewer positions than before, cut at the border and normalised ("bicubic", antialias); two neighbours ("linear").
 */
#include "clip/position.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "clip/model.h"

size_t orthsr__position_grid(size_t rows) {
    size_t grid = 0;
    if (rows > (size_t)ORTHSR__MAX_GRID * ORTHSR__MAX_GRID + 1) return 0; /* a shape with an extent of 0 may claim any number */
    while (grid * grid + 1 < rows) grid++;
    return grid * grid + 1 == rows ? grid : 0;
}

/* Keys' cubic. */
static double cubic(double x, double a) {
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

static size_t clamp(ptrdiff_t i, size_t n) { return i < 0 ? 0 : (size_t)i < n ? (size_t)i : n - 1; }

/* The weights of one output position on all inputs; w (from) is zero before. */
static void bicubic(double *w, size_t i, size_t from, size_t to) {
    double source = ((double)i + 0.5) * (double)from / (double)to - 0.5, below = floor(source);
    for (ptrdiff_t k = -1; k <= 2; k++) w[clamp((ptrdiff_t)below + k, from)] += cubic(source - below - (double)k, -0.75);
}

static void bicubic_antialias(double *w, size_t i, size_t from, size_t to) {
    double scale = (double)from / (double)to, stretch = scale > 1 ? scale : 1, support = 2 * stretch, center = ((double)i + 0.5) * scale, sum = 0;
    size_t first = center - support + 0.5 > 0 ? (size_t)(center - support + 0.5) : 0, end = (size_t)(center + support + 0.5);
    if (end > from) end = from;
    for (size_t j = first; j < end; j++) sum += w[j] = cubic(((double)j - center + 0.5) / stretch, -0.5);
    for (size_t j = first; j < end; j++) w[j] /= sum;
}

static void linear(double *w, size_t i, size_t from, size_t to) {
    double source = ((double)i + 0.5) * (double)from / (double)to - 0.5;
    if (source < 0) source = 0;
    size_t below = clamp((ptrdiff_t)source, from), above = clamp((ptrdiff_t)source + 1, from);
    w[below] += 1 - (source - (double)below);
    w[above] += source - (double)below;
}

/* (to, from) in fresh memory, or NULL. */
static double *weights(size_t from, size_t to, void (*fill)(double *w, size_t i, size_t from, size_t to)) {
    size_t n;
    double *w = orthsr__mul(&n, to, from) ? orthsr__calloc(n, sizeof *w) : NULL;
    for (size_t i = 0; w && i < to; i++) fill(w + i * from, i, from, to);
    return w;
}

/* out (to) += w (to, from) in (from), where an element is a run of `width` reals, `in_stride` and `out_stride` reals from the next. */
static void apply(real *out, size_t out_stride, const real *in, size_t in_stride, const double *w, size_t from, size_t to, size_t width) {
    for (size_t i = 0; i < to; i++) {
        size_t first = 0, end = from; /* of those that weigh something: a few */
        while (first < end && w[i * from + first] == 0) first++;
        while (end > first && w[i * from + end - 1] == 0) end--;
        for (size_t c = 0; c < width; c++) {
            double sum = 0;
            for (size_t j = first; j < end; j++) sum += w[i * from + j] * (double)in[j * in_stride + c];
            out[i * out_stride + c] = (real)sum;
        }
    }
}

orthsr_status orthsr__position_resize_grid(real *out, const real *in, size_t from, size_t to, size_t width, orthsr_interpolation how, orthsr_error *error) {
    double *w = weights(from, to, how == ORTHSR_INTERPOLATION_BICUBIC ? bicubic : bicubic_antialias); /* (to, from) */
    size_t n;
    real *rows = orthsr__mul(&n, from * to, width) ? orthsr__aligned(n, sizeof *rows) : NULL; /* (from, to, width) */
    orthsr_status status = w && rows ? ORTHSR_OK : orthsr__fail_memory(error, "position embeddings");
    if (!status) {
        memcpy(out, in, width * sizeof *out);
        in += width;
        out += width;
        for (size_t y = 0; y < from; y++) apply(rows + y * to * width, width, in + y * from * width, width, w, from, to, width);
        for (size_t x = 0; x < to; x++) apply(out + x * width, to * width, rows + x * width, to * width, w, from, to, width);
    }
    free(rows);
    free(w);
    return status;
}

orthsr_status orthsr__position_resize_line(real *out, const real *in, size_t from, size_t to, size_t width, orthsr_error *error) {
    double *w = weights(from, to, linear); /* (to, from) */
    if (!w) return orthsr__fail_memory(error, "position embeddings");
    apply(out, width, in, width, w, from, to, width);
    free(w);
    return ORTHSR_OK;
}
