/* attention.c - multi-head softmax attention; each head works on its own d / heads columns of q, k, v, in place. */
#include "base/linalg.h"
#include "ops/ops.h"
#include "ops/scalar.h"

/* Rows of s (t, t) become probabilities; with causal, row i keeps columns 0..i and the rest are 0. */
ORTHSR__SIMD static void softmax_rows(real *s, size_t t, bool causal) {
    for (size_t i = 0; i < t; i++) {
        real *row = s + i * t, largest = row[0], sum = 0;
        size_t n = causal ? i + 1 : t;
#pragma omp simd reduction(max : largest)
        for (size_t j = 0; j < n; j++) largest = row[j] > largest ? row[j] : largest;
#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < n; j++) {
            row[j] = orthsr__exp(row[j] - largest);
            sum += row[j];
        }
        real scale = 1 / sum;
        for (size_t j = 0; j < n; j++) row[j] *= scale;
        for (size_t j = n; j < t; j++) row[j] = 0;
    }
}

/* p (t, t): probabilities of one head; q, k at its first column, leading dimension d. */
static void probabilities(real *p, const real *q, const real *k, size_t t, size_t d, size_t head, bool causal) {
    orthsr__gemm(false, true, t, t, head, 1 / (real)sqrt((double)head), q, d, k, d, 0, p, t);
    softmax_rows(p, t, causal);
}

/* g (t, t): from the gradient of the probabilities to that of the scores before softmax: p (g - g . p) scale, row by row; g . p = grad_o . o. */
ORTHSR__SIMD static void softmax_backward(real *g, const real *p, const real *grad_o, const real *o, size_t t, size_t d, size_t head, real scale) {
    for (size_t i = 0; i < t; i++) {
        const real *gi = grad_o + i * d, *oi = o + i * d, *pi = p + i * t;
        real *row = g + i * t, dot = 0;
#pragma omp simd reduction(+ : dot)
        for (size_t c = 0; c < head; c++) dot += gi[c] * oi[c];
        for (size_t j = 0; j < t; j++) row[j] = pi[j] * (row[j] - dot) * scale;
    }
}

void orthsr__attention_forward(real *o, const real *q, const real *k, const real *v, size_t batch, size_t t, size_t d, size_t heads, bool causal, real *work) {
    size_t head = d / heads;
    for (size_t b = 0; b < batch; b++)
        for (size_t h = 0; h < heads; h++) {
            size_t at = b * t * d + h * head;
            probabilities(work, q + at, k + at, t, d, head, causal);
            orthsr__gemm(false, false, t, head, t, 1, work, t, v + at, d, 0, o + at, d);
        }
}

void orthsr__attention_backward(real *grad_q, real *grad_k, real *grad_v, const real *grad_o, const real *o, const real *q, const real *k, const real *v,
                                size_t batch, size_t t, size_t d, size_t heads, bool causal, real *work) {
    size_t head = d / heads;
    real *p = work, *g = work + t * t, scale = 1 / (real)sqrt((double)head);
    for (size_t b = 0; b < batch; b++)
        for (size_t h = 0; h < heads; h++) {
            size_t at = b * t * d + h * head;
            probabilities(p, q + at, k + at, t, d, head, causal);
            orthsr__gemm(true, false, t, head, t, 1, p, t, grad_o + at, d, 0, grad_v + at, d);
            orthsr__gemm(false, true, t, t, head, 1, grad_o + at, d, v + at, d, 0, g, t);
            softmax_backward(g, p, grad_o + at, o + at, t, d, head, scale);
            orthsr__gemm(false, false, t, head, t, 1, g, t, k + at, d, 0, grad_q + at, d);
            orthsr__gemm(true, false, t, head, t, 1, g, t, q + at, d, 0, grad_k + at, d);
        }
}
