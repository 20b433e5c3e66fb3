/* attention.c - multi-head softmax attention; each head works on its own d / heads columns of q, k, v, in place.
 *
 * A head's queries are taken some rows at a time, as many as keep their probabilities within the worker's room. What a sequence attends to lies in two places:
 * the rows that all sequences share, and its own. Where there are shared rows, a head goes through all sequences in their order, so that the gradients of
 * those rows are added up in that order; else every sequence of every head is a task.
 */
#include <string.h>

#include "base/gemm.h"
#include "ops/ops.h"
#include "ops/scalar.h"

size_t orthsr__attention_longest(void) { return ORTHSR__ROOM / (2 * sizeof(real)); }

/* Consecutive queries of one head, and the keys they see. */
typedef struct view {
    size_t d, head;     /* leading dimension of everything of rows; columns of a head */
    size_t query, n;    /* row of the first query, in q and o; how many */
    size_t first;       /* its place among the sequence's own rows */
    size_t own, length; /* row of the sequence's first key and value; its own keys that any of the queries sees */
    size_t shared;      /* rows 0 .. shared - 1 are seen by all */
    bool causal;
} view;

/* Columns that query r sees: the shared ones and these. */
static size_t visible(const view *w, size_t r) { return w->shared + (w->causal ? w->first + r + 1 : w->length); }

/* Rows of s (n, shared + length) become probabilities; what a query does not see is 0. */
ORTHSR__SIMD static void softmax_rows(real *s, const view *w) {
    size_t columns = w->shared + w->length;
    for (size_t r = 0; r < w->n; r++) {
        real *row = s + r * columns, largest = row[0], sum = 0;
        size_t n = visible(w, r);
#pragma omp simd reduction(max : largest)
        for (size_t j = 0; j < n; j++) largest = row[j] > largest ? row[j] : largest;
#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < n; j++) {
            row[j] = orthsr__exp(row[j] - largest);
            sum += row[j];
        }
        real scale = 1 / sum;
        for (size_t j = 0; j < n; j++) row[j] *= scale;
        for (size_t j = n; j < columns; j++) row[j] = 0;
    }
}

/* g (n, columns): from the gradient of the probabilities p to that of the scores before softmax: p (g - g . p) scale, row by row; g . p = grad_o . o. */
ORTHSR__SIMD static void softmax_backward(real *g, const real *p, const real *grad_o, const real *o, const view *w, real scale) {
    size_t columns = w->shared + w->length;
    for (size_t r = 0; r < w->n; r++) {
        const real *gr = grad_o + r * w->d, * or = o + r * w->d, *pr = p + r * columns;
        real *row = g + r * columns, dot = 0;
#pragma omp simd reduction(+ : dot)
        for (size_t c = 0; c < w->head; c++) dot += gr[c] * or [c];
        for (size_t j = 0; j < columns; j++) row[j] = pr[j] * (row[j] - dot) * scale;
    }
}

/* y (n, columns) = alpha x (n, head) keys^T: products with what is seen, side by side. */
static void times_keys(real *y, real alpha, const real *x, const real *keys, const view *w) {
    size_t columns = w->shared + w->length;
    if (w->shared) orthsr__gemm(false, true, w->n, w->shared, w->head, alpha, x, w->d, keys, w->d, 0, y, columns);
    orthsr__gemm(false, true, w->n, w->length, w->head, alpha, x, w->d, keys + w->own * w->d, w->d, 0, y + w->shared, columns);
}

/* y (n, head) = x (n, columns) values. */
static void times_values(real *y, const real *x, const real *values, const view *w) {
    size_t columns = w->shared + w->length;
    if (w->shared) orthsr__gemm(false, false, w->n, w->head, w->shared, 1, x, columns, values, w->d, 0, y, w->d);
    orthsr__gemm(false, false, w->n, w->head, w->length, 1, x + w->shared, columns, values + w->own * w->d, w->d, w->shared ? 1 : 0, y, w->d);
}

/* grad (keys or values) = (or += where they have been given one) x (n, columns)^T y (n, head). */
static void add_gradient(real *grad, const real *x, const real *y, const view *w, bool first_of_own) {
    size_t columns = w->shared + w->length;
    if (w->shared) orthsr__gemm(true, false, w->shared, w->head, w->n, 1, x, columns, y, w->d, 1, grad, w->d);
    orthsr__gemm(true, false, w->length, w->head, w->n, 1, x + w->shared, columns, y, w->d, first_of_own ? 0 : 1, grad + w->own * w->d, w->d);
}

static void probabilities(real *p, const real *q, const real *k, const view *w) {
    times_keys(p, 1 / (real)sqrt((double)w->head), q + w->query * w->d, k, w);
    softmax_rows(p, w);
}

static void forward(real *o, const real *q, const real *k, const real *v, const view *w) {
    real *p = orthsr__room();
    probabilities(p, q, k, w);
    times_values(o + w->query * w->d, p, v, w);
}

typedef struct gradients {
    real *q, *k, *v;
    const real *o; /* of what comes out */
} gradients;

static void backward(const gradients *grad, const real *o, const real *q, const real *k, const real *v, const view *w, bool first_of_own) {
    real *p = orthsr__room(), *g = p + w->n * (w->shared + w->length), scale = 1 / (real)sqrt((double)w->head);
    size_t at = w->query * w->d;
    probabilities(p, q, k, w);
    add_gradient(grad->v, p, grad->o + at, w, first_of_own);
    times_keys(g, 1, grad->o + at, v, w);
    softmax_backward(g, p, grad->o + at, o + at, w, scale);
    times_values(grad->q + at, g, k, w);
    add_gradient(grad->k, g, q + at, w, first_of_own);
}

/* ---- all sequences ---------------------------------------------------------------------------------------------------------------------- */

typedef struct call {
    const orthsr__sequences *sequences;
    const size_t *at; /* NULL: every row asks */
    size_t d, heads;
    real *o;           /* forward */
    gradients grad;    /* backward */
    const real *o_was; /* backward */
    const real *q, *k, *v;
} call;

static void see(const call *c, size_t h, const view *w, bool first_of_own) {
    size_t at = h * w->head;
    if (c->o) {
        forward(c->o + at, c->q + at, c->k + at, c->v + at, w);
        return;
    }
    const gradients grad = {c->grad.q + at, c->grad.k + at, c->grad.v + at, c->grad.o + at};
    backward(&grad, c->o_was + at, c->q + at, c->k + at, c->v + at, w, first_of_own);
}

/* A whole sequence of own rows from `own` on, whose queries begin at row query. The last queries come first: they see, and give a gradient to, all there is. */
static void see_sequence(const call *c, size_t h, size_t query, size_t own, size_t length, size_t shared) {
    size_t tile = orthsr__attention_longest() / (shared + length), tiles = (length + tile - 1) / tile;
    for (size_t i = tiles; i-- > 0;) {
        size_t first = i * tile, n = length - first < tile ? length - first : tile;
        view w = {.d = c->d, .head = c->d / c->heads, .query = query + first, .n = n, .first = first, .own = own, .shared = shared};
        w.causal = c->sequences->causal;
        w.length = w.causal ? first + n : length;
        see(c, h, &w, i + 1 == tiles);
    }
}

/* No gradient so far for the keys and values of these rows of head h. */
static void clear(const call *c, size_t h, size_t first, size_t rows) {
    size_t head = c->d / c->heads;
    for (size_t at = first * c->d + h * head; rows-- > 0; at += c->d) {
        memset(c->grad.k + at, 0, head * sizeof(real));
        memset(c->grad.v + at, 0, head * sizeof(real));
    }
}

/* One query of sequence i. */
static void see_one(const call *c, size_t h, size_t i, size_t own) {
    const orthsr__sequences *s = c->sequences;
    view w = {.d = c->d, .head = c->d / c->heads, .query = i, .n = 1, .first = c->at[i], .own = own, .shared = s->shared, .causal = s->causal};
    w.length = s->causal ? w.first + 1 : s->length;
    see(c, h, &w, true);
    if (!c->o) clear(c, h, own + w.length, s->length - w.length);
}

static void see_part(const call *c, size_t h, size_t i) {
    const orthsr__sequences *s = c->sequences;
    size_t own = s->shared + i * s->length;
    if (c->at) see_one(c, h, i, own);
    else see_sequence(c, h, own, own, s->length, s->shared);
}

static void see_head(void *context, size_t h) {
    const call *c = context;
    const orthsr__sequences *s = c->sequences;
    if (!c->at) see_sequence(c, h, 0, 0, s->shared, 0);
    else if (!c->o) clear(c, h, 0, s->shared); /* until the sequences add theirs */
    for (size_t i = 0; i < s->count; i++) see_part(c, h, i);
}

static void see_sequence_of_head(void *context, size_t i) {
    const call *c = context;
    see_part(c, i % c->heads, i / c->heads);
}

static void run(orthsr__pool *pool, call *c) {
    const orthsr__sequences *s = c->sequences;
    double operations = 4 * (double)(s->shared + s->length) * (double)(c->at ? s->count : orthsr__rows(s)) * (double)c->d;
    void (*share)(orthsr__pool *, size_t, void (*)(void *, size_t), void *) = operations > ORTHSR__WORTH_SHARING ? orthsr__pool_run : orthsr__pool_run_alone;
    if (s->shared) share(pool, c->heads, see_head, c);
    else share(pool, s->count * c->heads, see_sequence_of_head, c);
}

void orthsr__attention_forward(orthsr__pool *pool, real *o, const real *q, const real *k, const real *v, const orthsr__sequences *sequences, const size_t *at,
                               size_t d, size_t heads) {
    call c = {.sequences = sequences, .at = at, .d = d, .heads = heads, .o = o, .q = q, .k = k, .v = v};
    run(pool, &c);
}

void orthsr__attention_backward(orthsr__pool *pool, real *grad_q, real *grad_k, real *grad_v, const real *grad_o, const real *o, const real *q, const real *k,
                                const real *v, const orthsr__sequences *sequences, const size_t *at, size_t d, size_t heads) {
    call c = {.sequences = sequences, .at = at, .d = d, .heads = heads, .grad = {grad_q, grad_k, grad_v, grad_o}, .o_was = o, .q = q, .k = k, .v = v};
    run(pool, &c);
}
