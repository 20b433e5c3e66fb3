/* jpeg.c - JPEG to RGB with libjpeg-turbo, set as PIL sets it.
 *
 * The decoder's own defaults (accurate integer DCT, fancy upsampling) and its guess of the file's colour space are PIL's.
 * CMYK is read as Adobe writes it, inverted, whether or not the file says Adobe. The EXIF orientation is not applied.
 * What libjpeg calls a warning (a damaged stretch it can step over) is passed over; the end of the file before the last
 * row is an error.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "base/fail.h"
#include "base/memory.h"
#include "io/image.h"

/* A progressive file may repeat scans over a large image with a few bytes each; no encoder writes nearly as many. */
enum { MAX_SCANS = 200 };

/* Everything that must survive a longjmp, outside the frame that calls setjmp. The handlers find it as cinfo->client_data. */
typedef struct decoding {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;

    const orthsr__mapping *file;
    const char *path;
    size_t max_pixels;
    orthsr_error *error;
    orthsr_status status;

    orthsr_image *image;
    uint8_t *row; /* (width, components) as decoded */
} decoding;

static _Noreturn void give_up(decoding *d, orthsr_status status) {
    d->status = status;
    longjmp(d->failed, 1);
}

static _Noreturn void truncated(decoding *d) {
    give_up(d, orthsr__fail(d->error, ORTHSR_ERROR_FORMAT, "'%s' is truncated: its %zu bytes end before the last row of the image", d->path, d->file->size));
}

static _Noreturn void on_error(j_common_ptr common) {
    decoding *d = common->client_data;
    char reason[JMSG_LENGTH_MAX];
    common->err->format_message(common, reason);
    int code = common->err->msg_code;
    if (code == JERR_OUT_OF_MEMORY) give_up(d, orthsr__fail_memory(d->error, d->path));
    orthsr_status status =
        code == JERR_SOF_UNSUPPORTED || code == JERR_BAD_PRECISION || code == JERR_FRACT_SAMPLE_NOTIMPL ? ORTHSR_ERROR_UNSUPPORTED : ORTHSR_ERROR_FORMAT;
    give_up(d, orthsr__fail(d->error, status, "'%s': JPEG: %s", d->path, reason));
}

static void on_message(j_common_ptr common, int level) {
    (void)common;
    (void)level;
}

/* The whole file is in the buffer from the start; asking for more means it ended too early. */
static void source_nothing(j_decompress_ptr jpeg) { (void)jpeg; }
static boolean source_fill(j_decompress_ptr jpeg) { truncated(jpeg->client_data); }
static void source_skip(j_decompress_ptr jpeg, long count) {
    if (count <= 0) return;
    if ((size_t)count > jpeg->src->bytes_in_buffer) truncated(jpeg->client_data);
    jpeg->src->next_input_byte += count;
    jpeg->src->bytes_in_buffer -= (size_t)count;
}

static void on_progress(j_common_ptr common) {
    decoding *d = common->client_data;
    if (d->jpeg.input_scan_number > MAX_SCANS)
        give_up(d, orthsr__fail(d->error, ORTHSR_ERROR_FORMAT, "'%s': JPEG with more than %d scans", d->path, MAX_SCANS));
}

/* a * b / 255, rounded, in integers as PIL does it. */
static unsigned multiply_255(unsigned a, unsigned b) {
    unsigned product = a * b + 128;
    return ((product >> 8) + product) >> 8;
}

/* (width, components) as decoded to (width, 3). Inverted CMYK: 255 is no ink, so the product with K is the light left. */
static void row_to_rgb(uint8_t *rgb, const uint8_t *row, size_t width, int components) {
    if (components == 3) {
        memcpy(rgb, row, 3 * width);
    } else if (components == 1) {
        for (size_t x = 0; x < width; x++) memset(rgb + 3 * x, row[x], 3);
    } else {
        for (size_t x = 0; x < width; x++) {
            unsigned light = row[4 * x + 3];
            for (size_t c = 0; c < 3; c++) rgb[3 * x + c] = (uint8_t)(light - multiply_255(255u - row[4 * x + c], light));
        }
    }
}

/* Returns normally with d->image complete, or through give_up with d->status set; the caller cleans up either way. */
static void decode(decoding *d) {
    if (setjmp(d->failed)) return;
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    jpeg_create_decompress(jpeg);
    d->source = (struct jpeg_source_mgr){.next_input_byte = d->file->data,
                                         .bytes_in_buffer = d->file->size,
                                         .init_source = source_nothing,
                                         .fill_input_buffer = source_fill,
                                         .skip_input_data = source_skip,
                                         .resync_to_restart = jpeg_resync_to_restart,
                                         .term_source = source_nothing};
    d->progress.progress_monitor = on_progress;
    jpeg->src = &d->source;
    jpeg->progress = &d->progress;

    jpeg_read_header(jpeg, TRUE);
    orthsr_status status = orthsr__image_check_size(d->path, jpeg->image_width, jpeg->image_height, d->max_pixels, d->error);
    if (status) give_up(d, status);
    switch (jpeg->num_components) {
    case 1: jpeg->out_color_space = JCS_GRAYSCALE; break;
    case 3: jpeg->out_color_space = JCS_RGB; break;
    case 4: jpeg->out_color_space = JCS_CMYK; break;
    default:
        give_up(d, orthsr__fail(d->error, ORTHSR_ERROR_UNSUPPORTED, "'%s': JPEG with %d components; 1 (gray), 3 (colour) or 4 (CMYK) can be read", d->path,
                                jpeg->num_components));
    }
    jpeg_start_decompress(jpeg);

    size_t width = jpeg->output_width, height = jpeg->output_height;
    d->image = orthsr__image_allocate(width, height);
    d->row = orthsr__calloc(width, (size_t)jpeg->output_components);
    if (!d->image || !d->row) give_up(d, orthsr__fail_memory(d->error, d->path));
    for (size_t y = 0; y < height; y++) {
        jpeg_read_scanlines(jpeg, &d->row, 1);
        row_to_rgb(d->image->rgb + 3 * width * y, d->row, width, jpeg->output_components);
    }
}

orthsr_status orthsr__jpeg_decode(orthsr_image **out, const orthsr__mapping *file, const char *path, size_t max_pixels, orthsr_error *error) {
    *out = NULL;
    decoding d = {.file = file, .path = path, .max_pixels = max_pixels, .error = error, .status = ORTHSR_OK};
    d.jpeg.err = jpeg_std_error(&d.errors);
    d.jpeg.client_data = &d;
    d.errors.error_exit = on_error;
    d.errors.emit_message = on_message;
    decode(&d);
    jpeg_destroy_decompress(&d.jpeg);
    free(d.row);
    if (d.status) {
        orthsr_image_free(d.image);
    } else {
        *out = d.image;
    }
    return d.status;
}
