/* half.h - float16 and bfloat16 as stored in checkpoints, to and from float32; rounding to nearest, ties to even. */
#ifndef ORTHSR_BASE_HALF_H
#define ORTHSR_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline float orthsr__float_from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float orthsr__from_bf16(uint16_t half) { return orthsr__float_from_bits((uint32_t)half << 16); }

static inline float orthsr__from_f16(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = (half >> 10) & 0x1fu, mantissa = half & 0x3ffu;
    if (exponent == 0) { /* zero and subnormals: mantissa * 2^-24, exact in float32 */
        float magnitude = (float)mantissa * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    if (exponent == 31) return orthsr__float_from_bits(sign | 0x7f800000u | mantissa << 13);
    return orthsr__float_from_bits(sign | (exponent + 112u) << 23 | mantissa << 13);
}

/* From float64, so that a product formed in float64 is rounded once. Overflow gives infinity. */
static inline uint16_t orthsr__to_f16(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 48 & 0x8000u);
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    uint64_t mantissa = bits & 0xfffffffffffffULL;
    if (exponent == 1024) return (uint16_t)(sign | 0x7c00u | (mantissa ? 0x200u : 0));
    if (exponent > 15) return (uint16_t)(sign | 0x7c00u);
    if (exponent < -25) return sign;
    mantissa |= 1ULL << 52;
    int shift = exponent < -14 ? 42 + (-14 - exponent) : 42; /* bits dropped to reach a 10-bit fraction */
    uint64_t kept = mantissa >> shift, rest = mantissa & ((1ULL << shift) - 1), halfway = 1ULL << (shift - 1);
    kept += rest > halfway || (rest == halfway && (kept & 1));
    /* kept holds the implicit bit for normals; adding it to the exponent field also carries a rounding overflow correctly */
    uint32_t out = exponent < -14 ? (uint32_t)kept : (uint32_t)kept + ((uint32_t)(exponent + 14) << 10);
    return (uint16_t)(sign | out);
}

static inline uint16_t orthsr__to_bf16(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 48 & 0x8000u);
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    uint64_t mantissa = bits & 0xfffffffffffffULL;
    if (exponent == 1024) return (uint16_t)(sign | 0x7f80u | (mantissa ? 0x40u : 0));
    if (exponent > 127) return (uint16_t)(sign | 0x7f80u);
    if (exponent < -134) return sign;
    mantissa |= 1ULL << 52;
    int shift = exponent < -126 ? 45 + (-126 - exponent) : 45;
    uint64_t kept = mantissa >> shift, rest = mantissa & ((1ULL << shift) - 1), halfway = 1ULL << (shift - 1);
    kept += rest > halfway || (rest == halfway && (kept & 1));
    uint32_t out = exponent < -126 ? (uint32_t)kept : (uint32_t)kept + ((uint32_t)(exponent + 126) << 7);
    return (uint16_t)(sign | out);
}

#endif
