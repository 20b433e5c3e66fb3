/* camera.c - rotation by bilinear interpolation in fixed point.
 *
 * Column x and row y of the new image show the old one at
 *     sx = 13.5 + cos (x - 13.5) + sin (y - 13.5),   sy = 13.5 - sin (x - 13.5) + cos (y - 13.5),
 * here with 16 binary digits after the point; the interpolation uses the first 8 of them and rounds to the nearest byte.
 */
#include "camera.h"

#define SIDE CAMERA_SIDE

enum {
    COSINE = 29698, /* 32768 cos 25 degrees, rounded */
    SINE = 13848,   /* 32768 sin 25 degrees, rounded */
    ONE = 65536,
    CENTRE = (SIDE - 1) * ONE / 2,
    MARGIN = 64 * ONE /* keeps what is split positive */
};

static int32_t pixel(const uint8_t *image, int32_t row, int32_t column) {
    return row < 0 || row >= SIDE || column < 0 || column >= SIDE ? 0 : image[row * SIDE + column];
}

static int32_t floor_of(int32_t fixed) { return (fixed + MARGIN) / ONE - MARGIN / ONE; }
static int32_t fraction_of(int32_t fixed) { return (fixed + MARGIN) % ONE / 256; }

static uint8_t sample(const uint8_t *image, int32_t sx, int32_t sy) {
    int32_t column = floor_of(sx), row = floor_of(sy), fx = fraction_of(sx), fy = fraction_of(sy);
    int32_t upper = (256 - fx) * pixel(image, row, column) + fx * pixel(image, row, column + 1);
    int32_t lower = (256 - fx) * pixel(image, row + 1, column) + fx * pixel(image, row + 1, column + 1);
    return (uint8_t)(((256 - fy) * upper + fy * lower + ONE / 2) / ONE);
}

static void turn(uint8_t *out, const uint8_t *in) {
    for (int32_t y = 0; y < SIDE; y++)
        for (int32_t x = 0; x < SIDE; x++) {
            int32_t dx = 2 * x - (SIDE - 1), dy = 2 * y - (SIDE - 1); /* twice the distance from the centre, against half the cosine */
            out[y * SIDE + x] = sample(in, CENTRE + COSINE * dx + SINE * dy, CENTRE - SINE * dx + COSINE * dy);
        }
}

void camera_turn(uint8_t *out, const uint8_t *in, size_t n) {
    for (size_t i = 0; i < n; i++) turn(out + i * SIDE * SIDE, in + i * SIDE * SIDE);
}
