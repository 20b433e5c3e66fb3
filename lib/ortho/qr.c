/* qr.c - Householder QR with its signs fixed, and the gradient through both factors: two products of (p, p), two of (n, p) and a triangular solve. */
#include "ortho/qr.h"

#include <string.h>

#include "base/fail.h"
#include "base/linalg.h"

/* Reflections leave the signs of diag R to chance; with all of them positive an orthogonal X is a fixed point and Q depends continuously on X. */
orthsr_status orthsr__qr_forward(real *q, real *r, size_t n, size_t p, orthsr_error *error) {
    if (!orthsr__all_finite(q, n * p)) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the matrix of a QR factorisation holds a value that is not finite");
    int info = orthsr__qr(q, r, n, p);
    if (!orthsr__all_finite(q, n * p)) /* overflow, at which LAPACKE may have stopped */
        return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the matrix holds values too large for a QR factorisation");
    if (info != 0) return orthsr__fail_memory(error, "a QR factorisation");
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < p; j++)
            if (r[j * p + j] < 0) q[i * p + j] = -q[i * p + j];
    for (size_t i = 0; i < p; i++) {
        real sign = r[i * p + i] < 0 ? -1 : 1;
        for (size_t j = i; j < p; j++) r[i * p + j] *= sign;
    }
    return ORTHSR_OK;
}

/* What is left of a dependent column is the rounding of the column itself, which grows about as sqrt(n). */
orthsr_status orthsr__qr_full_rank(const real *r, size_t n, size_t p, orthsr_error *error) {
    double bound = 4 * sqrt((double)n) * (double)REAL_EPSILON;
    for (size_t j = 0; j < p; j++) {
        double squares = 0;
        for (size_t i = 0; i <= j; i++) squares += (double)r[i * p + j] * (double)r[i * p + j];
        if (!((double)r[j * p + j] > bound * sqrt(squares)))
            return orthsr__fail(error, ORTHSR_ERROR_NUMERIC,
                                "column %zu is zero or a combination of the columns before it, up to rounding: its QR factorisation has no derivative", j);
    }
    return ORTHSR_OK;
}

size_t orthsr__qr_work(size_t n, size_t p) { return n * p + 2 * p * p; }

/* grad_x += (grad_q + Q H) R^-T, H the symmetric matrix with the upper triangle of grad_r R^T - Q^T grad_q. */
void orthsr__qr_adjoint(real *grad_x, const real *grad_q, const real *grad_r, const real *q, const real *r, size_t n, size_t p, real *work) {
    real *sum = work, *h = sum + n * p, *upper = h + p * p; /* (n, p), (p, p), (p, p) */
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < p; j++) upper[i * p + j] = grad_r && j >= i ? grad_r[i * p + j] : 0;
    orthsr__gemm(false, true, p, p, p, 1, upper, p, r, p, 0, h, p);
    if (grad_q) {
        orthsr__gemm(true, false, p, p, n, -1, q, p, grad_q, p, 1, h, p);
        memcpy(sum, grad_q, n * p * sizeof *sum);
    }
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < i; j++) h[i * p + j] = h[j * p + i];
    orthsr__gemm(false, false, n, p, p, 1, q, p, h, p, grad_q != NULL, sum, p); /* beta 0 reads nothing of sum */
    orthsr__divide_upper(true, sum, r, n, p);
    for (size_t i = 0; i < n * p; i++) grad_x[i] += sum[i];
}
