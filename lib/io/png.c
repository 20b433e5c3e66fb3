/* png.c - PNG to RGB with libpng, to the same bytes as PIL.
 *
 * Alpha and transparent colours are dropped, the pixels beneath them kept. Gray of 1, 2 and 4 bits is spread over 0..255.
 * Of 16 bits the high byte is taken, except in gray without alpha: there PIL clips, so every value above 255 becomes 255.
 * Gamma, colour profiles and texts are skipped, not unpacked. A palette index beyond the palette is black.
 * libpng's progressive reader is used although the whole file is there: it stops at the last row, where the other one
 * inflates whatever else the file has put into the image's data.
 */
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "base/fail.h"
#include "base/memory.h"
#include "io/image.h"

/* Everything that must survive a longjmp, outside the frame that calls setjmp. */
typedef struct decoding {
    png_structp png;
    png_infop info;

    const orthsr__mapping *file;
    const char *path;
    size_t max_pixels;
    orthsr_error *error;
    orthsr_status status;

    orthsr_image *image;
    bool starved; /* memory was refused, of which libpng says this and that */
    bool clip;    /* 16-bit gray, left as it is for clip_gray_16 */
    bool ended;   /* the file's last chunk was seen, and all rows before it */
} decoding;

static _Noreturn void give_up(decoding *d, orthsr_status status) {
    d->status = status;
    png_longjmp(d->png, 1);
}

static void on_error(png_structp png, png_const_charp reason) {
    decoding *d = png_get_error_ptr(png);
    if (d->starved) give_up(d, orthsr__fail_memory(d->error, d->path));
    give_up(d, orthsr__fail(d->error, ORTHSR_ERROR_FORMAT, "'%s': PNG: %s", d->path, reason));
}

static void on_warning(png_structp png, png_const_charp reason) {
    (void)png;
    (void)reason;
}

static png_voidp allocate(png_structp png, png_alloc_size_t size) {
    decoding *d = png_get_mem_ptr(png);
    void *memory = malloc(size);
    d->starved = d->starved || !memory;
    return memory;
}

static void release(png_structp png, png_voidp memory) {
    (void)png;
    free(memory);
}

/* Rows of big-endian 16-bit gray, each at the start of its (width, 3) row, become RGB in place: from the last pixel on, as RGB needs more room. */
static void clip_gray_16(orthsr_image *image) {
    for (size_t y = 0; y < image->height; y++) {
        uint8_t *row = image->rgb + 3 * image->width * y;
        for (size_t x = image->width; x-- > 0;) memset(row + 3 * x, row[2 * x] ? 255 : row[2 * x + 1], 3);
    }
}

/* Called before the image's data, and again before what follows them behind another chunk. */
static void on_header(png_structp png, png_infop info) {
    decoding *d = png_get_progressive_ptr(png);
    if (d->image) return;
    size_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    orthsr_status status = orthsr__image_check_size(d->path, width, height, d->max_pixels, d->error);
    if (status) give_up(d, status);
    d->image = orthsr__image_allocate(width, height);
    if (!d->image) give_up(d, orthsr__fail_memory(d->error, d->path));

    int color = png_get_color_type(png, info), bits = png_get_bit_depth(png, info);
    d->clip = color == PNG_COLOR_TYPE_GRAY && bits == 16;
    if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (color == PNG_COLOR_TYPE_GRAY && bits < 8) png_set_expand_gray_1_2_4_to_8(png);
    if (!d->clip) {
        png_set_strip_16(png);
        png_set_strip_alpha(png);
        png_set_gray_to_rgb(png);
    }
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    /* The rows that libpng writes now must be the rows that are there. */
    if (png_get_rowbytes(png, info) != width * (d->clip ? 2u : 3u)) png_error(png, "unexpected row size");
}

static void on_row(png_structp png, png_bytep row, png_uint_32 y, int pass) {
    (void)pass;
    decoding *d = png_get_progressive_ptr(png);
    png_progressive_combine_row(png, d->image->rgb + 3 * d->image->width * y, row);
}

/* libpng only warns of damage that ends the data early. */
static void on_end(png_structp png, png_infop info) {
    decoding *d = png_get_progressive_ptr(png);
    bool interlaced = png_get_interlace_type(png, info) != PNG_INTERLACE_NONE;
    bool complete = interlaced ? png_get_current_pass_number(png) > 6 : png_get_current_row_number(png) >= d->image->height;
    if (!complete) png_error(png, "the image's data ends before its last row");
    d->ended = true;
}

/* Returns normally with d->image complete, or through give_up with d->status set; the caller cleans up either way. */
static void decode(decoding *d) {
    if (setjmp(png_jmpbuf(d->png))) return;
    png_set_progressive_read_fn(d->png, d, on_header, on_row, on_end);
    png_set_user_limits(d->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_keep_unknown_chunks(d->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_process_data(d->png, d->info, (png_bytep)d->file->data, d->file->size); /* reads only */
    if (!d->ended) give_up(d, orthsr__fail(d->error, ORTHSR_ERROR_FORMAT, "'%s' is truncated: its %zu bytes end inside the image", d->path, d->file->size));
    if (d->clip) clip_gray_16(d->image);
}

orthsr_status orthsr__png_decode(orthsr_image **out, const orthsr__mapping *file, const char *path, size_t max_pixels, orthsr_error *error) {
    *out = NULL;
    decoding d = {.file = file, .path = path, .max_pixels = max_pixels, .error = error, .status = ORTHSR_OK};
    d.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &d, on_error, on_warning, &d, allocate, release);
    if (d.png) d.info = png_create_info_struct(d.png);
    if (d.info) {
        decode(&d);
    } else {
        d.status = orthsr__fail_memory(error, path);
    }
    png_destroy_read_struct(&d.png, &d.info, NULL);
    if (d.status) {
        orthsr_image_free(d.image);
    } else {
        *out = d.image;
    }
    return d.status;
}
