/* loss.c - cross-entropy and the two Kullback-Leibler divergences, with their gradients to the logits. */
#include "ops/ops.h"

double orthsr__cross_entropy(real *grad_z, const real *log_p, const size_t *labels, size_t rows, size_t c, real weight) {
    double total = 0;
    for (size_t r = 0; r < rows; r++) {
        const real *lp = log_p + r * c;
        for (size_t j = 0; j < c; j++) grad_z[r * c + j] += weight * ((real)exp((double)lp[j]) - (j == labels[r]));
        total -= (double)lp[labels[r]];
    }
    return total;
}

double orthsr__kl_forward(real *grad_z, const real *log_p, const real *log_q, size_t rows, size_t c, real weight) {
    double total = 0;
    for (size_t i = 0; i < rows * c; i++) {
        double q = exp((double)log_q[i]);
        total += q * ((double)log_q[i] - (double)log_p[i]);
        grad_z[i] += weight * (real)(exp((double)log_p[i]) - q);
    }
    return total;
}

double orthsr__kl_reverse(real *grad_z, const real *log_p, const real *log_q, size_t rows, size_t c, real weight) {
    double total = 0;
    for (size_t r = 0; r < rows; r++) {
        const real *lp = log_p + r * c, *lq = log_q + r * c;
        double kl = 0;
        for (size_t j = 0; j < c; j++) kl += exp((double)lp[j]) * ((double)lp[j] - (double)lq[j]);
        for (size_t j = 0; j < c; j++) grad_z[r * c + j] += weight * (real)(exp((double)lp[j]) * ((double)lp[j] - (double)lq[j] - kl));
        total += kl;
    }
    return total;
}
