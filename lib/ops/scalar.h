/* scalar.h - exp and erf that vectorise: branch-free polynomials in float32 (about 1 ulp), libm in float64.
 *
 * Coefficients: least squares at Chebyshev nodes, made by tests/oracle/fit_scalar.py.
 */
#ifndef ORTHSR_OPS_SCALAR_H
#define ORTHSR_OPS_SCALAR_H

#include <stdint.h>
#include <string.h>

#include "base/real.h"

#ifdef ORTHSR_DOUBLE

ORTHSR__INLINE real orthsr__exp(real x) { return exp(x); }
ORTHSR__INLINE real orthsr__erf(real x) { return erf(x); }

#else

/* e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln 2 / 2. Adding 1.5 * 2^23 rounds to an integer held in the low mantissa bits. */
ORTHSR__INLINE float orthsr__exp(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
    float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.393365153e-3f;
    p = p * r + 8.363180121e-3f;
    p = p * r + 4.166646490e-2f;
    p = p * r + 1.666657698e-1f;
    p = p * r + 5.000000013e-1f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    int32_t power = (int32_t)((uint32_t)(bits + 127) << 23);
    float scale;
    memcpy(&scale, &power, sizeof scale);
    return p * scale;
}

/* erf x = x P(x^2) below 1, 1 - exp Q(|x|) above. */
ORTHSR__INLINE float orthsr__erf(float x) {
    float t = fabsf(x) < 4.0f ? fabsf(x) : 4.0f, s = x * x;
    float small = -9.673590170e-06f;
    small = small * s + 1.126825367e-04f;
    small = small * s - 8.484396520e-04f;
    small = small * s + 5.221053410e-03f;
    small = small * s - 2.686543831e-02f;
    small = small * s + 1.128378262e-01f;
    small = small * s - 3.761263848e-01f;
    small = small * s + 1.128379167e+00f;
    small *= x;
    float large = 1.615045018e-06f;
    large = large * t - 4.561102094e-05f;
    large = large * t + 5.929505295e-04f;
    large = large * t - 4.741117929e-03f;
    large = large * t + 2.636741532e-02f;
    large = large * t - 1.099833023e-01f;
    large = large * t - 6.319313445e-01f;
    large = large * t - 1.130170294e+00f;
    large = large * t + 3.041767568e-04f;
    return t < 1.0f ? small : copysignf(1.0f - orthsr__exp(large), x);
}

#endif

ORTHSR__INLINE real orthsr__sigmoid(real x) { return 1 / (1 + orthsr__exp(-x)); }

#endif
