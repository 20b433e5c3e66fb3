/* resize.c - PIL's antialiased bicubic, to the bit.
 *
 * Every output pixel is a weighted mean of the input pixels under a cubic (a = -0.5) whose support widens with the
 * reduction. The weights are made in double, then rounded to 22-bit fixed point. Rows are filtered first, the result
 * is rounded to 8 bits, then columns; a direction whose size stays is left alone. Only the window that is asked for
 * is computed: a crop after a resize costs no more than what it keeps.
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

/* The weights of one direction, for a window of its output. */
typedef struct filter {
    size_t taps;     /* room for weights per output pixel */
    size_t *first;   /* (n) first input pixel */
    size_t *count;   /* (n) how many, at most taps */
    int32_t *weight; /* (n, taps) */
} filter;

static double cubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

static void filter_free(filter *f) {
    free(f->first);
    free(f->count);
    free(f->weight);
}

/* Weights for the outputs offset .. offset + n of `full`, from an input of `size`. The order of operations is PIL's. */
static bool filter_make(filter *f, size_t size, size_t full, size_t offset, size_t n) {
    double scale = (double)size / (double)full, stretch = scale < 1 ? 1 : scale, support = 2 * stretch, narrow = 1 / stretch;
    *f = (filter){.taps = (size_t)ceil(support) * 2 + 1};
    f->first = orthsr__calloc(n, sizeof *f->first);
    f->count = orthsr__calloc(n, sizeof *f->count);
    size_t weights;
    if (orthsr__mul(&weights, n, f->taps)) f->weight = orthsr__calloc(weights, sizeof *f->weight);
    double *w = orthsr__calloc(f->taps, sizeof *w);
    bool made = f->first && f->count && f->weight && w;
    for (size_t i = 0; made && i < n; i++) {
        double center = ((double)(offset + i) + 0.5) * scale, low = center - support + 0.5, high = center + support + 0.5;
        size_t first = low < 0 ? 0 : (size_t)low, end = high > (double)size ? size : (size_t)high, count = end - first;
        double sum = 0;
        for (size_t t = 0; t < count; t++) {
            w[t] = cubic(((double)t + (double)first - center + 0.5) * narrow);
            sum += w[t];
        }
        for (size_t t = 0; t < count; t++) {
            double fixed = (sum != 0 ? w[t] / sum : w[t]) * (1 << PRECISION);
            f->weight[i * f->taps + t] = (int32_t)(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
        }
        f->first[i] = first;
        f->count[i] = count;
    }
    free(w);
    return made;
}

static inline uint8_t clip(int32_t sum) {
    int32_t value = sum >> PRECISION;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* One row: out (n, 3) from in (size, 3). */
ORTHSR__SIMD static void filter_row(uint8_t *out, const uint8_t *in, const filter *f, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint8_t *pixel = in + 3 * f->first[i];
        const int32_t *weight = f->weight + i * f->taps;
        int32_t r = 1 << (PRECISION - 1), g = r, b = r;
        for (size_t t = 0; t < f->count[i]; t++, pixel += 3) {
            r += pixel[0] * weight[t];
            g += pixel[1] * weight[t];
            b += pixel[2] * weight[t];
        }
        out[3 * i] = clip(r);
        out[3 * i + 1] = clip(g);
        out[3 * i + 2] = clip(b);
    }
}

/* The i-th output row, out (bytes), from the rows in (.., bytes) of which the first is row f->first[i]; sums is scratch (bytes). */
ORTHSR__SIMD static void filter_column(uint8_t *out, const uint8_t *in, const filter *f, size_t i, int32_t *sums, size_t bytes) {
    for (size_t x = 0; x < bytes; x++) sums[x] = 1 << (PRECISION - 1);
    for (size_t t = 0; t < f->count[i]; t++) {
        int32_t weight = f->weight[i * f->taps + t];
        const uint8_t *row = in + t * bytes;
        for (size_t x = 0; x < bytes; x++) sums[x] += row[x] * weight;
    }
    for (size_t x = 0; x < bytes; x++) out[x] = clip(sums[x]);
}

typedef struct window {
    size_t full;   /* extent of the whole resized image */
    size_t offset; /* where the window begins in it */
    size_t extent; /* its size */
} window;

/* The window of the resized image. Rows are filtered into `middle`, only those that the window's columns read. */
static orthsr_status resample(orthsr_image **out, const orthsr_image *image, window across, window down, orthsr_error *error) {
    orthsr_image *result = orthsr__image_allocate(across.extent, down.extent);
    bool horizontal = across.full != image->width, vertical = down.full != image->height;
    filter columns = {0}, rows = {0};
    uint8_t *middle = NULL;
    int32_t *sums = NULL;
    orthsr_status status = ORTHSR_ERROR_MEMORY;
    if (!result || (horizontal && !filter_make(&columns, image->width, across.full, across.offset, across.extent)) ||
        (vertical && !filter_make(&rows, image->height, down.full, down.offset, down.extent)))
        goto done;

    size_t last = down.extent - 1, bytes = 3 * across.extent;
    size_t top = vertical ? rows.first[0] : down.offset, bottom = vertical ? rows.first[last] + rows.count[last] : down.offset + down.extent;
    uint8_t *filtered = result->rgb; /* (bottom - top, bytes) */
    if (vertical) {
        size_t room;
        if (!orthsr__mul(&room, bottom - top, bytes) || room > PTRDIFF_MAX) goto done;
        filtered = middle = malloc(room);
        sums = orthsr__calloc(bytes, sizeof *sums);
        if (!middle || !sums) goto done;
    }
    for (size_t y = top; y < bottom; y++) {
        const uint8_t *row = image->rgb + 3 * image->width * y;
        if (horizontal) {
            filter_row(filtered + (y - top) * bytes, row, &columns, across.extent);
        } else {
            memcpy(filtered + (y - top) * bytes, row + 3 * across.offset, bytes);
        }
    }
    if (vertical)
        for (size_t y = 0; y < down.extent; y++) filter_column(result->rgb + y * bytes, middle + (rows.first[y] - top) * bytes, &rows, y, sums, bytes);
    *out = result;
    result = NULL;
    status = ORTHSR_OK;
done:
    filter_free(&columns);
    filter_free(&rows);
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
    return resample(out, image, (window){width, 0, width}, (window){height, 0, height}, error);
}

/* Python's int(round(n / 2)): a half goes to the even neighbour. */
static size_t round_half(size_t n) { return n / 2 + (n % 4 == 3); }

orthsr_status orthsr_image_resize_crop(orthsr_image **out, const orthsr_image *image, size_t size, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(image, error, "image is NULL");
    ORTHSR__REQUIRE(size > 0 && size <= INT_MAX, error, "size must be at least 1 and below 2^31");
    size_t edge = image->width < image->height ? image->width : image->height;
    size_t width = size, height = size, product;
    if (!orthsr__mul(&product, size, image->width + image->height - edge)) return orthsr__fail_memory(error, "a resized image");
    size_t longer = (size_t)((double)product / (double)edge);
    if (image->width > image->height) width = longer;
    if (image->height > image->width) height = longer;
    return resample(out, image, (window){width, round_half(width - size), size}, (window){height, round_half(height - size), size}, error);
}
