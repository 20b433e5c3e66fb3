/* skew.c - vectors of b(b-1)/2 values as skew-symmetric matrices. */
#include "ortho/skew.h"

void orthsr__skew_forward(real *s, const real *v, size_t b) {
    for (size_t i = 0; i < b; i++) {
        s[i * b + i] = 0;
        for (size_t j = i + 1; j < b; j++, v++) {
            s[i * b + j] = *v;
            s[j * b + i] = -*v;
        }
    }
}

void orthsr__skew_adjoint(real *grad_v, const real *grad_s, size_t b) {
    for (size_t i = 0; i < b; i++)
        for (size_t j = i + 1; j < b; j++) *grad_v++ += grad_s[i * b + j] - grad_s[j * b + i];
}
