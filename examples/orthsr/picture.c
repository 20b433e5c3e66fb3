/* picture.c - pixels of the picture, and libpng and libjpeg to write them. */
#include "picture.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "output.h"
#include "report.h"

enum { LEAST_PANEL = 448 };

/* The picture while it is painted. */
typedef struct canvas {
    size_t panel, gap, frame; /* a panel's side, what is between the two, thickness of a frame */
    double cell;              /* pixels a side of a cell of the map */
    size_t width;             /* of both panels and the gap */
    uint8_t *rgb;             /* (panel, width, 3) */
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
static void paint_heat(const canvas *c, const float *map, size_t grid) {
    float low = map[0], high = map[0];
    for (size_t i = 1; i < grid * grid; i++) {
        low = map[i] < low ? map[i] : low;
        high = map[i] > high ? map[i] : high;
    }
    double range = high > low ? (double)(high - low) : 1;
    for (size_t y = 0; y < c->panel; y++)
        for (size_t x = 0; x < c->panel; x++) {
            const uint8_t *from = pixel(c, y, x);
            uint8_t *to = pixel(c, y, c->panel + c->gap + x);
            double heat = (heat_at(map, grid, c->cell, y, x) - (double)low) / range;
            double grey = 0.299 * from[0] + 0.587 * from[1] + 0.114 * from[2];
            for (size_t k = 0; k < 3; k++) to[k] = (uint8_t)lround(0.45 * grey + 0.55 * colour(fmin(fmax(heat, 0), 1), k));
        }
}

/* ---- frames ---- */

/* Black outside, white inside: it is seen on any image. */
static void frame(const canvas *c, orthsr_region r, size_t shift) {
    size_t top = (size_t)lround((double)r.top * c->cell), bottom = (size_t)lround((double)(r.top + r.height) * c->cell);
    size_t left = (size_t)lround((double)r.left * c->cell), right = (size_t)lround((double)(r.left + r.width) * c->cell);
    for (size_t y = top; y < bottom && y < c->panel; y++)
        for (size_t x = left; x < right && x < c->panel; x++) {
            size_t above = y - top, before = x - left, depth = above < before ? above : before;
            depth = bottom - 1 - y < depth ? bottom - 1 - y : depth;
            depth = right - 1 - x < depth ? right - 1 - x : depth;
            if (depth < c->frame) memset(pixel(c, y, shift + x), depth < c->frame / 2 ? 0 : 255, 3);
        }
}

/* ---- the picture ---- */

size_t picture_large(size_t side) { return (LEAST_PANEL + side - 1) / side * side; }

orthsr_status picture_make(picture *out, size_t panel, const orthsr_image *image, const float *map, size_t grid, size_t patch, const orthsr_region *regions,
                           size_t n, orthsr_error *error) {
    canvas c = {.panel = panel, .gap = panel > 300 ? 12 : 0, .frame = panel > 300 ? 4 : 2, .cell = (double)(patch * panel) / (double)orthsr_image_width(image)};
    c.width = 2 * panel + c.gap;
    orthsr_image *large;
    *out = (picture){0};
    orthsr_status status = orthsr_image_resize(&large, image, panel, panel, error);
    if (status != ORTHSR_OK) return status;
    c.rgb = malloc(3 * panel * c.width);
    if (c.rgb) {
        memset(c.rgb, 255, 3 * panel * c.width);
        for (size_t y = 0; y < panel; y++) memcpy(pixel(&c, y, 0), orthsr_image_rgb(large) + 3 * y * panel, 3 * panel);
        paint_heat(&c, map, grid);
        for (size_t i = 0; i < 2 * n; i++) frame(&c, regions[i / 2], i % 2 * (panel + c.gap));
        *out = (picture){c.width, panel, c.rgb};
    } else {
        status = failed(error, ORTHSR_ERROR_MEMORY, "out of memory for a picture of %zu x %zu pixels", c.width, panel);
    }
    orthsr_image_free(large);
    return status;
}

orthsr_status picture_make_map(picture *out, size_t panel, const orthsr_image *image, const float *map, size_t grid, size_t patch, orthsr_error *error) {
    orthsr_status status = picture_make(out, panel, image, map, grid, patch, NULL, 0, error);
    if (status != ORTHSR_OK) return status;
    for (size_t y = 0; y < panel; y++) memmove(out->rgb + 3 * y * panel, out->rgb + 3 * ((y + 1) * out->width - panel), 3 * panel);
    out->width = panel;
    return ORTHSR_OK;
}

void picture_free(picture *p) {
    free(p->rgb);
    *p = (picture){0};
}

/* ---- files ---- */

orthsr_status picture_write_png(const char *path, const picture *p, orthsr_error *error) {
    png_image png = {.version = PNG_IMAGE_VERSION, .width = (png_uint_32)p->width, .height = (png_uint_32)p->height, .format = PNG_FORMAT_RGB};
    output_file f;
    orthsr_status status = output_open(&f, path, error);
    if (status != ORTHSR_OK) return status;
    if (png_image_write_to_stdio(&png, f.stream, 0, p->rgb, 0, NULL) || ferror(f.stream)) return output_commit(&f, error); /* it knows the system's reason */
    output_abandon(&f);
    return failed(error, ORTHSR_ERROR_IO, "cannot write '%s': %s", path, png.message);
}

typedef struct jpeg_failure {
    struct jpeg_error_mgr manager; /* first: libjpeg knows only this */
    jmp_buf back;
    char message[JMSG_LENGTH_MAX];
} jpeg_failure;

/* libjpeg's own would end the program. */
static void on_jpeg_error(j_common_ptr info) {
    jpeg_failure *failure = (jpeg_failure *)info->err;
    info->err->format_message(info, failure->message);
    longjmp(failure->back, 1);
}

/* failure->message says why when it returns 0. */
static int encode_jpeg(FILE *f, const picture *p, jpeg_failure *failure) {
    enum { QUALITY = 82 };
    struct jpeg_compress_struct jpeg;
    jpeg.err = jpeg_std_error(&failure->manager);
    failure->manager.error_exit = on_jpeg_error;
    jpeg_create_compress(&jpeg);
    if (setjmp(failure->back)) {
        jpeg_destroy_compress(&jpeg);
        return 0;
    }
    jpeg.image_width = (JDIMENSION)p->width;
    jpeg.image_height = (JDIMENSION)p->height;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_stdio_dest(&jpeg, f);
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, QUALITY, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW row = p->rgb + 3 * p->width * jpeg.next_scanline;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return 1;
}

orthsr_status picture_write_jpeg(const char *path, const picture *p, orthsr_error *error) {
    output_file f;
    jpeg_failure failure;
    orthsr_status status = output_open(&f, path, error);
    if (status != ORTHSR_OK) return status;
    if (encode_jpeg(f.stream, p, &failure) || ferror(f.stream)) return output_commit(&f, error); /* it knows the system's reason */
    output_abandon(&f);
    return failed(error, ORTHSR_ERROR_IO, "cannot write '%s': %s", path, failure.message);
}

orthsr_status picture_jpeg(unsigned char **out, size_t *n, const picture *p, orthsr_error *error) {
    jpeg_failure failure;
    char *bytes = NULL;
    FILE *f = open_memstream(&bytes, n);
    int good = f && encode_jpeg(f, p, &failure);
    good &= f && fclose(f) == 0;
    if (!good) {
        free(bytes);
        bytes = NULL;
    }
    *out = (unsigned char *)bytes;
    return good ? ORTHSR_OK : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for a picture");
}
