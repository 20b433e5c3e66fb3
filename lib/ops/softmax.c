/* softmax.c - log-probabilities from logits. Rows are short (classes), so libm's exp is used. */
#include "ops/ops.h"

void orthsr__log_softmax(real *y, const real *x, size_t rows, size_t c) {
    for (size_t r = 0; r < rows; r++) {
        const real *xr = x + r * c;
        real largest = xr[0];
        for (size_t j = 1; j < c; j++) largest = xr[j] > largest ? xr[j] : largest;
        double sum = 0;
        for (size_t j = 0; j < c; j++) sum += exp((double)(xr[j] - largest));
        /* cppcheck-suppress invalidFunctionArg ; the largest term alone is 1 */
        real shift = largest + (real)log(sum);
        for (size_t j = 0; j < c; j++) y[r * c + j] = xr[j] - shift;
    }
}
