/* resize.c - PIL's antialiased bicubic and bilinear, to the bit.
 *
 * Every output pixel is a weighted mean of the input pixels under a kernel whose support widens with the reduction. The
 * weights are made in double, then rounded to 22-bit fixed point, and each of the two passes rounds to 8 bits, so their
 * order shows: across first, but down first where the height loses more than twice what the width does (Pillow 13; before
 * it nearly always across first). A direction whose size stays is left alone. Only the window that is asked for is
 * computed: a crop after a resize costs no more than what it keeps.
 */
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "base/real.h"
#include "io/image.h"

/* 32 bits, less 8 for the result and 2 for weights outside 0..1. */
enum { PRECISION = 32 - 8 - 2 };

/* One direction of a resize, for a window of its output. */
typedef struct axis {
    size_t begin, end; /* the input pixels that the window reads */
    size_t n;          /* output pixels of the window */
    size_t taps;       /* room for weights per output pixel */
    size_t *first;     /* (n) first input pixel, counted from begin */
    size_t *count;     /* (n) how many, at most taps */
    int32_t *weight;   /* (n, taps); NULL when the size stays */
} axis;

static double cubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

static double triangle(double x) {
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static const struct { double (*kernel)(double), support; } filters[] = {[ORTHSR__BICUBIC] = {cubic, 2}, [ORTHSR__BILINEAR] = {triangle, 1}};

static void axis_free(axis *a) {
    free(a->first);
    free(a->count);
    free(a->weight);
}

/* From an input of `size` pixels. The order of operations is PIL's. False when memory is short. */
static bool axis_make(axis *a, size_t size, orthsr__window window, orthsr__filter filter) {
    *a = (axis){.begin = window.offset, .end = window.offset + window.extent, .n = window.extent};
    if (size == window.full) return true;
    double scale = (double)size / (double)window.full, stretch = scale < 1 ? 1 : scale, support = filters[filter].support * stretch, narrow = 1 / stretch;
    a->taps = (size_t)ceil(support) * 2 + 1;
    a->first = orthsr__calloc(a->n, sizeof *a->first);
    a->count = orthsr__calloc(a->n, sizeof *a->count);
    size_t weights;
    if (orthsr__mul(&weights, a->n, a->taps)) a->weight = orthsr__calloc(weights, sizeof *a->weight);
    double *w = orthsr__calloc(a->taps, sizeof *w);
    bool made = a->first && a->count && a->weight && w;
    for (size_t i = 0; made && i < a->n; i++) {
        double center = ((double)(window.offset + i) + 0.5) * scale, low = center - support + 0.5, high = center + support + 0.5;
        size_t first = low < 0 ? 0 : (size_t)low, end = high > (double)size ? size : (size_t)high, count = end - first;
        double sum = 0;
        for (size_t t = 0; t < count; t++) {
            w[t] = filters[filter].kernel(((double)t + (double)first - center + 0.5) * narrow);
            sum += w[t];
        }
        for (size_t t = 0; t < count; t++) {
            double fixed = (sum != 0 ? w[t] / sum : w[t]) * (1 << PRECISION);
            a->weight[i * a->taps + t] = (int32_t)(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
        }
        if (i == 0) a->begin = first;
        a->first[i] = first - a->begin;
        a->count[i] = count;
        a->end = end;
    }
    free(w);
    return made;
}

static inline uint8_t clip(int32_t sum) {
    int32_t value = sum >> PRECISION;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* One row: out (n, 3) from in, whose first pixel is input pixel `begin`. */
ORTHSR__SIMD static void filter_row(uint8_t *out, const uint8_t *in, const axis *a) {
    for (size_t i = 0; i < a->n; i++) {
        const uint8_t *pixel = in + 3 * a->first[i];
        const int32_t *weight = a->weight + i * a->taps;
        int32_t r = 1 << (PRECISION - 1), g = r, b = r;
        for (size_t t = 0; t < a->count[i]; t++, pixel += 3) {
            r += pixel[0] * weight[t];
            g += pixel[1] * weight[t];
            b += pixel[2] * weight[t];
        }
        out[3 * i] = clip(r);
        out[3 * i + 1] = clip(g);
        out[3 * i + 2] = clip(b);
    }
}

/* The i-th output row, out (bytes), from rows `stride` apart of which in is row `begin`; sums is scratch (bytes). */
ORTHSR__SIMD static void filter_column(uint8_t *out, const uint8_t *in, size_t stride, const axis *a, size_t i, int32_t *sums, size_t bytes) {
    for (size_t x = 0; x < bytes; x++) sums[x] = 1 << (PRECISION - 1);
    for (size_t t = 0; t < a->count[i]; t++) {
        int32_t weight = a->weight[i * a->taps + t];
        const uint8_t *row = in + (a->first[i] + t) * stride;
        for (size_t x = 0; x < bytes; x++) sums[x] += row[x] * weight;
    }
    for (size_t x = 0; x < bytes; x++) out[x] = clip(sums[x]);
}

/* out (rows, n, 3) from rows `stride` apart; in: the first one's input pixel `begin`. */
static void pass_across(uint8_t *out, const uint8_t *in, size_t stride, const axis *a, size_t rows) {
    for (size_t y = 0; y < rows; y++, in += stride, out += 3 * a->n) {
        if (a->weight) filter_row(out, in, a);
        else memcpy(out, in, 3 * a->n);
    }
}

/* out (n, bytes) from rows `stride` apart; in: row `begin`. */
static void pass_down(uint8_t *out, const uint8_t *in, size_t stride, const axis *a, int32_t *sums, size_t bytes) {
    for (size_t y = 0; y < a->n; y++, out += bytes) {
        if (a->weight) filter_column(out, in, stride, a, y, sums, bytes);
        else memcpy(out, in + y * stride, bytes);
    }
}

/* Pillow's condition: the height loses pixels, and more than twice as many as the width. */
static bool down_first(const orthsr_image *image, size_t width, size_t height) {
    double lost_height = (double)image->height - (double)height, lost_width = (double)image->width - (double)width;
    return lost_height > 0 && lost_height > 2 * lost_width;
}

orthsr_status orthsr__image_resample(orthsr_image **out, const orthsr_image *image, orthsr__filter filter, orthsr__window across, orthsr__window down,
                                     orthsr_error *error) {
    *out = NULL;
    orthsr_image *result = orthsr__image_allocate(across.extent, down.extent);
    axis x = {0}, y = {0};
    uint8_t *middle = NULL;
    int32_t *sums = NULL;
    orthsr_status status = ORTHSR_ERROR_MEMORY;
    if (!result || !axis_make(&x, image->width, across, filter) || !axis_make(&y, image->height, down, filter)) goto done;

    bool down_is_first = down_first(image, across.full, down.full);
    size_t columns = down_is_first ? x.end - x.begin : x.n, rows = down_is_first ? y.n : y.end - y.begin, bytes; /* between the passes */
    if (!orthsr__mul(&bytes, rows, columns) || !orthsr__mul(&bytes, bytes, 3) || bytes > PTRDIFF_MAX) goto done;
    middle = malloc(bytes);
    sums = orthsr__calloc(3 * columns, sizeof *sums);
    if (!middle || !sums) goto done;

    size_t stride = 3 * image->width;
    const uint8_t *from = image->rgb + y.begin * stride + 3 * x.begin;
    if (down_is_first) {
        pass_down(middle, from, stride, &y, sums, 3 * columns);
        pass_across(result->rgb, middle, 3 * columns, &x, rows);
    } else {
        pass_across(middle, from, stride, &x, rows);
        pass_down(result->rgb, middle, 3 * columns, &y, sums, 3 * columns);
    }
    *out = result;
    result = NULL;
    status = ORTHSR_OK;
done:
    axis_free(&x);
    axis_free(&y);
    free(middle);
    free(sums);
    orthsr_image_free(result);
    return status ? orthsr__fail_memory(error, "a resized image") : ORTHSR_OK;
}

orthsr_status orthsr_image_resize(orthsr_image **out, const orthsr_image *image, size_t width, size_t height, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(image, error, "image is NULL");
    ORTHSR__REQUIRE(width > 0 && height > 0, error, "width and height must be at least 1");
    ORTHSR__REQUIRE(width <= INT_MAX && height <= INT_MAX, error, "width and height must be below 2^31");
    return orthsr__image_resample(out, image, ORTHSR__BICUBIC, (orthsr__window){width, 0, width}, (orthsr__window){height, 0, height}, error);
}

bool orthsr__resize_shortest(size_t *width, size_t *height, size_t size) {
    size_t edge = *width < *height ? *width : *height, product;
    if (!orthsr__mul(&product, size, *width < *height ? *height : *width)) return false;
    size_t longer = (size_t)((double)product / (double)edge);
    *width = *width == edge ? size : longer;
    *height = *height == edge ? size : longer;
    return true;
}

orthsr_status orthsr_image_resize_crop(orthsr_image **out, const orthsr_image *image, size_t size, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(image, error, "image is NULL");
    ORTHSR__REQUIRE(size > 0 && size <= INT_MAX, error, "size must be at least 1 and below 2^31");
    size_t width = image->width, height = image->height;
    if (!orthsr__resize_shortest(&width, &height, size)) return orthsr__fail_memory(error, "a resized image");
    return orthsr__image_resample(out, image, ORTHSR__BICUBIC, (orthsr__window){width, orthsr__round_half(width - size), size},
                                  (orthsr__window){height, orthsr__round_half(height - size), size}, error);
}
