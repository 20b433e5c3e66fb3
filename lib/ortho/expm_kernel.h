/* expm_kernel.h - the matrix exponential by scaling, the [7/7] Pade approximant and squaring, and its derivative, for one number type.
 *
 * Included once per type with SCALAR, GEMM, INVERT and THETA defined: the largest 1-norm for which the approximant is exact to rounding (Higham 2005).
 * For skew A the approximant is orthogonal whatever the norm, as Cayley's, its [1/1] neighbour, is.
 */
#include <math.h>
#include <string.h>

static const double PADE[8] = {17297280, 8648640, 1995840, 277200, 25200, 1512, 56, 1};

enum { EXPM_ROOM = 6, EXPM_DERIVATIVE_ROOM = 13 };

/* How often A (b, b) must be halved; -1 when it is not finite or too large to be told. */
static int halvings(const SCALAR *a, size_t b) {
    double norm = 0;
    for (size_t i = 0; i < b; i++) {
        double sum = 0;
        for (size_t j = 0; j < b; j++) sum += fabs((double)a[i * b + j]); /* rows: the 1-norm of A^T, which is -A */
        if (!(sum <= norm)) norm = sum;
    }
    if (!(norm < 1e9)) return -1;
    int exponent = 0;
    if (norm > THETA) frexp(norm / THETA, &exponent);
    return exponent;
}

static void multiply(SCALAR *c, const SCALAR *x, const SCALAR *y, size_t b, int add) { GEMM(false, false, b, b, b, 1, x, b, y, b, (SCALAR)add, c, b); }

/* c = sum of weights[k] powers[k] over three even powers; lowest on the diagonal (weight of I). */
static void combine(SCALAR *c, SCALAR *const powers[3], size_t first, size_t b, bool identity) {
    for (size_t i = 0; i < b * b; i++)
        c[i] = (SCALAR)PADE[first + 2] * powers[0][i] + (SCALAR)PADE[first + 4] * powers[1][i] + (SCALAR)(first + 6 < 8 ? PADE[first + 6] : 0) * powers[2][i];
    for (size_t i = 0; i < b && identity; i++) c[i * b + i] += (SCALAR)PADE[first];
}

/* r (b, b) = exp(a) with d (b, b) = the inverse of the denominator. a is overwritten by A / 2^s. room: (EXPM_ROOM, b, b). INVERT's result, > 0 also when A is
 * not finite or too large. */
static int exponential(SCALAR *r, SCALAR *d, SCALAR *a, size_t b, SCALAR *room) {
    size_t n = b * b;
    SCALAR *const powers[3] = {room, room + n, room + 2 * n}, *inner = room + 3 * n, *odd = room + 4 * n, *even = room + 5 * n;
    int s = halvings(a, b);
    if (s < 0) return 1;
    for (size_t i = 0; i < n; i++) a[i] = (SCALAR)ldexp((double)a[i], -s);
    multiply(powers[0], a, a, b, 0);
    multiply(powers[1], powers[0], powers[0], b, 0);
    multiply(powers[2], powers[1], powers[0], b, 0);
    combine(inner, powers, 1, b, true);
    multiply(odd, a, inner, b, 0);
    combine(even, powers, 0, b, true);
    for (size_t i = 0; i < n; i++) {
        d[i] = even[i] - odd[i];
        even[i] += odd[i];
    }
    int info = INVERT(d, b);
    if (info != 0) return info;
    multiply(r, d, even, b, 0);
    for (; s > 0; s--) {
        memcpy(inner, r, n * sizeof *r);
        multiply(r, inner, inner, b, 0);
    }
    return 0;
}
