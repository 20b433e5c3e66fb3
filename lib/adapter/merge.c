/* merge.c - folding A into a weight and out of it, formed in float64 and rounded once: the one path for callers' buffers and for checkpoints. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/adapter.h"
#include "base/fail.h"
#include "base/half.h"
#include "base/linalg.h"
#include "base/memory.h"

static const size_t SIZES[] = {[ORTHSR_DTYPE_F32] = 4, [ORTHSR_DTYPE_F16] = 2, [ORTHSR_DTYPE_BF16] = 2, [ORTHSR_DTYPE_F64] = 8};
static const char *const NAMES[] = {
    [ORTHSR_DTYPE_F32] = "float32", [ORTHSR_DTYPE_F16] = "float16", [ORTHSR_DTYPE_BF16] = "bfloat16", [ORTHSR_DTYPE_F64] = "float64"};

/* Entries may lie anywhere, also where a float may not. */
static double load(const unsigned char *at, orthsr_dtype dtype) {
    uint16_t half;
    float single;
    double value;
    switch (dtype) {
    case ORTHSR_DTYPE_F32: memcpy(&single, at, sizeof single); return (double)single;
    case ORTHSR_DTYPE_F64: memcpy(&value, at, sizeof value); return value;
    default: memcpy(&half, at, sizeof half); return (double)(dtype == ORTHSR_DTYPE_F16 ? orthsr__from_f16(half) : orthsr__from_bf16(half));
    }
}

/* Rounds to nearest, ties to even; returns what is stored. */
static double store(unsigned char *at, orthsr_dtype dtype, double value) {
    uint16_t half = dtype == ORTHSR_DTYPE_F16 ? orthsr__to_f16(value) : orthsr__to_bf16(value);
    float single = (float)value;
    switch (dtype) {
    case ORTHSR_DTYPE_F32: memcpy(at, &single, sizeof single); break;
    case ORTHSR_DTYPE_F64: memcpy(at, &value, sizeof value); break;
    default: memcpy(at, &half, sizeof half); break;
    }
    return load(at, dtype);
}

/* A weight as the lines that A acts along: its rows on the input side, its columns on the output side. */
typedef struct lines {
    unsigned char *first;
    size_t count, width; /* of lines; of the entries of a line, the width of A */
    size_t apart, step;  /* bytes from a line to the next, from an entry to the next */
} lines;

static lines lines_of(void *W, orthsr_dtype dtype, orthsr_order order, size_t ld, const orthsr__target *target, bool output) {
    size_t size = SIZES[dtype], row = order == ORTHSR_ORDER_ROW_MAJOR ? ld * size : size, column = order == ORTHSR_ORDER_ROW_MAJOR ? size : ld * size;
    return output ? (lines){W, target->in, target->out, column, row} : (lines){W, target->out, target->in, row, column};
}

typedef struct merging {
    const orthsr_adapter *adapter;
    const orthsr__target *target;
    orthsr_dtype dtype;
    bool inverse, output;
    lines from, to;
    double *f, *x, *y; /* (b, b); (BAND, b) twice */
    double deviation;  /* largest |stored - exact| */
} merging;

enum { BAND = 256 }; /* lines that are in float64 at a time */

/* The factor of the entry `at` of a line. */
static double scale_of(const merging *m, size_t line, size_t at) { return (double)m->target->scale[m->output ? at : line]; }

/* m->f = A, or A^-1, of block k in float64 from its parameters. */
static orthsr_status exact_block(const merging *m, size_t k, orthsr_error *error) {
    const orthsr__target *t = m->target;
    const real *parameters = m->adapter->factors.parameters + t->parameter_offset + k * (t->parameter_count / t->distinct);
    int info = m->adapter->by->exact(m->f, parameters, &t->form, m->inverse);
    if (info < 0) return orthsr__fail_memory(error, "an exact factor");
    if (info > 0) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "block %zu: the factor is singular: it cannot be unmerged", k);
    return ORTHSR_OK;
}

/* `count` lines from `first` on, where block k is: x becomes x A^T, for a line of W is a row there; or x A, for a line of A^T W is a column. */
static orthsr_status merge_band(merging *m, size_t k, size_t first, size_t count, orthsr_error *error) {
    size_t b = m->target->block;
    for (size_t l = 0; l < count; l++)
        for (size_t i = 0; i < b; i++) {
            double value = load(m->from.first + (first + l) * m->from.apart + (k * b + i) * m->from.step, m->dtype);
            m->x[l * b + i] = m->inverse && m->target->scale ? value / scale_of(m, first + l, k * b + i) : value;
        }
    orthsr__dgemm(false, !m->output, count, b, b, 1, m->x, b, m->f, b, 0, m->y, b);
    for (size_t l = 0; l < count; l++)
        for (size_t i = 0; i < b; i++) {
            size_t line = first + l, at = k * b + i;
            double exact = m->y[l * b + i];
            if (!m->inverse && m->target->scale) exact *= scale_of(m, line, at);
            double stored = store(m->to.first + line * m->to.apart + at * m->to.step, m->dtype, exact), rounding = fabs(stored - exact);
            if (!isfinite(stored))
                return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the product is not finite in %s at row %zu, column %zu", NAMES[m->dtype],
                                    m->output ? at : line, m->output ? line : at);
            if (rounding > m->deviation) m->deviation = rounding;
        }
    return ORTHSR_OK;
}

static orthsr_status merge_blocks(merging *m, orthsr_error *error) {
    const orthsr__target *t = m->target;
    for (size_t i = 0; i < t->out && m->inverse && t->scale; i++)
        if (t->scale[i] == 0) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "output %zu is scaled by 0: it cannot be unmerged", i);
    for (size_t k = 0; k < t->blocks; k++) {
        if (k < t->distinct) ORTHSR__TRY(exact_block(m, k, error));
        for (size_t first = 0; first < m->from.count; first += BAND)
            ORTHSR__TRY(merge_band(m, k, first, m->from.count - first < BAND ? m->from.count - first : BAND, error));
    }
    return ORTHSR_OK;
}

/* to <- from, of the same extents. */
static void copy_lines(const lines *to, const lines *from, size_t size) {
    bool dense = to->step == size && from->step == size;
    for (size_t l = 0; l < to->count; l++) {
        unsigned char *into = to->first + l * to->apart;
        const unsigned char *out_of = from->first + l * from->apart;
        if (dense) memcpy(into, out_of, to->width * size);
        for (size_t i = 0; i < to->width && !dense; i++) memcpy(into + i * to->step, out_of + i * from->step, size);
    }
}

orthsr_status orthsr__merge_buffer(const orthsr_adapter *adapter, const orthsr__target *target, void *W, orthsr_dtype dtype, orthsr_order order, size_t ld,
                                   bool inverse, double *deviation, orthsr_error *error) {
    merging m = {.adapter = adapter, .target = target, .dtype = dtype, .inverse = inverse, .output = adapter->side == ORTHSR_SIDE_OUTPUT};
    size_t b = target->block, size = SIZES[dtype], elements;
    m.from = m.to = lines_of(W, dtype, order, ld, target, m.output);
    /* formed aside, so that a product that is not finite spoils nothing */
    m.to.first = orthsr__mul(&elements, target->out, target->in) ? orthsr__aligned(elements, size) : NULL;
    m.to.step = size;
    m.to.apart = m.to.width * size;
    m.f = orthsr__aligned(b * b, sizeof *m.f);
    m.x = orthsr__aligned(BAND * b, sizeof *m.x);
    m.y = orthsr__aligned(BAND * b, sizeof *m.y);
    orthsr_error why;
    orthsr_status status = m.to.first && m.f && m.x && m.y ? merge_blocks(&m, &why) : orthsr__fail_memory(&why, "a merged weight");
    if (!status) copy_lines(&m.from, &m.to, size);
    free(m.to.first);
    free(m.f);
    free(m.x);
    free(m.y);
    if (status) return orthsr__fail(error, status, "target '%s': %s", target->name, why.message);
    if (deviation && m.deviation > *deviation) *deviation = m.deviation;
    return ORTHSR_OK;
}

static orthsr_status merge(const orthsr_adapter *adapter, size_t target, void *W, orthsr_dtype dtype, orthsr_order order, size_t ld, bool inverse,
                           const char *function, orthsr_error *error) {
    const char *wrong = NULL;
    if (!adapter || !W) wrong = "adapter or W is NULL";
    else if (target >= adapter->target_count) wrong = "there is no target of this index";
    else if ((size_t)dtype >= sizeof SIZES / sizeof *SIZES) wrong = "there is no dtype of this number";
    else if (order != ORTHSR_ORDER_ROW_MAJOR && order != ORTHSR_ORDER_COLUMN_MAJOR)
        wrong = "order is neither ORTHSR_ORDER_ROW_MAJOR nor ORTHSR_ORDER_COLUMN_MAJOR";
    else if (order == ORTHSR_ORDER_ROW_MAJOR && ld < adapter->targets[target].in) wrong = "the leading dimension is less than the target's input features";
    else if (order == ORTHSR_ORDER_COLUMN_MAJOR && ld < adapter->targets[target].out) wrong = "the leading dimension is less than the target's output features";
    if (wrong) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%s: %s", function, wrong);
    return orthsr__merge_buffer(adapter, &adapter->targets[target], W, dtype, order, ld, inverse, NULL, error);
}

orthsr_status orthsr_adapter_merge(const orthsr_adapter *adapter, size_t target, void *W, orthsr_dtype dtype, orthsr_order order, size_t ld,
                                   orthsr_error *error) {
    return merge(adapter, target, W, dtype, order, ld, false, __func__, error);
}

orthsr_status orthsr_adapter_unmerge(const orthsr_adapter *adapter, size_t target, void *W, orthsr_dtype dtype, orthsr_order order, size_t ld,
                                     orthsr_error *error) {
    return merge(adapter, target, W, dtype, order, ld, true, __func__, error);
}
