/* skew.c - vectors of b(b-1)/2 values as skew-symmetric matrices. */
#include "ortho/skew.h"

#include <string.h>

/* Columns are walked in strips of STRIP rows, so that every line of memory is fetched once and not once per value. */
enum { STRIP = 8 };

void orthsr__skew_forward(real *s, const real *v, size_t b) {
    for (size_t i = 0; i < b; i++) {
        s[i * b + i] = 0;
        memcpy(s + i * b + i + 1, v, (b - i - 1) * sizeof *s);
        v += b - i - 1;
    }
    for (size_t first = 0; first < b; first += STRIP)
        for (size_t i = first + 1; i < b; i++)
            for (size_t j = first; j < i && j < first + STRIP; j++) s[i * b + j] = -s[j * b + i];
}

void orthsr__skew_adjoint(real *grad_v, const real *grad_s, size_t b) {
    for (size_t first = 0; first < b; first += STRIP)
        for (size_t j = first + 1; j < b; j++)
            for (size_t i = first; i < j && i < first + STRIP; i++) grad_v[orthsr__skew_at(b, i, j)] += grad_s[i * b + j] - grad_s[j * b + i];
}
