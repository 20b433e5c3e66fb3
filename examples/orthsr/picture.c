/* picture.c - pixels of the picture, and libpng to write them. */
#include "picture.h"

#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "report.h"

enum { LEAST_PANEL = 448, GAP = 12, FRAME = 4 };

typedef struct canvas {
    size_t panel, scale; /* a panel's side; pixels a side of one of the image's */
    size_t width;        /* of both and the gap */
    uint8_t *rgb;        /* (panel, width, 3) */
} canvas;

static uint8_t *pixel(const canvas *c, size_t y, size_t x) { return c->rgb + 3 * (y * c->width + x); }

/* ---- heat ---- */

/* Viridis at 0, 1/4, 1/2, 3/4, 1: its lightness grows evenly, so it also reads in grey. */
static const double colours[5][3] = {{68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}};

static double colour(double heat, size_t channel) {
    double at = 4 * heat;
    size_t i = at >= 4 ? 3 : (size_t)at;
    return colours[i][channel] + (at - (double)i) * (colours[i + 1][channel] - colours[i][channel]);
}

/* The map between the centres of its cells, which are `cell` pixels a side; flat outside them. */
static double heat_at(const float *map, size_t grid, double cell, size_t y, size_t x) {
    double last = (double)(grid - 1), v = fmin(fmax(((double)y + 0.5) / cell - 0.5, 0), last), u = fmin(fmax(((double)x + 0.5) / cell - 0.5, 0), last);
    size_t i = (size_t)v, j = (size_t)u, i1 = i + (i + 1 < grid), j1 = j + (j + 1 < grid);
    double dy = v - (double)i, dx = u - (double)j;
    return (1 - dy) * ((1 - dx) * (double)map[i * grid + j] + dx * (double)map[i * grid + j1]) +
           dy * ((1 - dx) * (double)map[i1 * grid + j] + dx * (double)map[i1 * grid + j1]);
}

/* Over the image's own greys, so that what lies below stays to be seen. */
static void paint_heat(const canvas *c, const float *map, size_t grid, size_t patch) {
    float low = map[0], high = map[0];
    for (size_t i = 1; i < grid * grid; i++) {
        low = map[i] < low ? map[i] : low;
        high = map[i] > high ? map[i] : high;
    }
    double range = high > low ? (double)(high - low) : 1;
    for (size_t y = 0; y < c->panel; y++)
        for (size_t x = 0; x < c->panel; x++) {
            const uint8_t *from = pixel(c, y, x);
            uint8_t *to = pixel(c, y, c->panel + GAP + x);
            double heat = (heat_at(map, grid, (double)(patch * c->scale), y, x) - (double)low) / range;
            double grey = 0.299 * from[0] + 0.587 * from[1] + 0.114 * from[2];
            for (size_t k = 0; k < 3; k++) to[k] = (uint8_t)lround(0.45 * grey + 0.55 * colour(fmin(fmax(heat, 0), 1), k));
        }
}

/* ---- frames ---- */

/* Black outside, white inside: it is seen on any image. */
static void frame(const canvas *c, orthsr_region r, size_t unit, size_t shift) {
    size_t bottom = (r.top + r.height) * unit, right = (r.left + r.width) * unit;
    for (size_t y = r.top * unit; y < bottom && y < c->panel; y++)
        for (size_t x = r.left * unit; x < right && x < c->panel; x++) {
            size_t above = y - r.top * unit, before = x - r.left * unit, depth = above < before ? above : before;
            depth = bottom - 1 - y < depth ? bottom - 1 - y : depth;
            depth = right - 1 - x < depth ? right - 1 - x : depth;
            if (depth < FRAME) memset(pixel(c, y, shift + x), depth < FRAME / 2 ? 0 : 255, 3);
        }
}

/* ---- the file ---- */

static orthsr_status write_png(const char *path, const canvas *c, orthsr_error *error) {
    png_image png = {.version = PNG_IMAGE_VERSION, .width = (png_uint_32)c->width, .height = (png_uint_32)c->panel, .format = PNG_FORMAT_RGB};
    output_file f;
    orthsr_status status = output_open(&f, path, error);
    if (status != ORTHSR_OK) return status;
    if (png_image_write_to_stdio(&png, f.stream, 0, c->rgb, 0, NULL)) return output_commit(&f, error);
    output_abandon(&f);
    return failed(error, ORTHSR_ERROR_IO, "cannot write '%s': %s", path, png.message);
}

orthsr_status picture_write(const char *path, const orthsr_image *image, const float *map, size_t grid, size_t patch, const orthsr_region *regions, size_t n,
                            orthsr_error *error) {
    size_t side = orthsr_image_width(image);
    canvas c = {.scale = (LEAST_PANEL + side - 1) / side};
    c.panel = side * c.scale;
    c.width = 2 * c.panel + GAP;
    orthsr_image *large;
    orthsr_status status = orthsr_image_resize(&large, image, c.panel, c.panel, error);
    if (status != ORTHSR_OK) return status;
    c.rgb = malloc(3 * c.panel * c.width);
    if (c.rgb) {
        memset(c.rgb, 255, 3 * c.panel * c.width);
        for (size_t y = 0; y < c.panel; y++) memcpy(pixel(&c, y, 0), orthsr_image_rgb(large) + 3 * y * c.panel, 3 * c.panel);
        paint_heat(&c, map, grid, patch);
        for (size_t i = 0; i < 2 * n; i++) frame(&c, regions[i / 2], patch * c.scale, i % 2 * (c.panel + GAP));
        status = write_png(path, &c, error);
    } else {
        status = failed(error, ORTHSR_ERROR_MEMORY, "out of memory for a picture of %zu x %zu pixels", c.width, c.panel);
    }
    free(c.rgb);
    orthsr_image_free(large);
    return status;
}
