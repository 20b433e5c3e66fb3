/* fashion.c - IDX.gz to a dataset. */
#include "fashion.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

const char *const fashion_names[FASHION_CLASSES] = {"t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"};

enum { MAGIC_IMAGES = 0x803, MAGIC_LABELS = 0x801, MOST_ITEMS = 1000000, ITEM_BYTES = FASHION_SIDE * FASHION_SIDE };

static uint32_t big_endian(const unsigned char b[4]) { return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]; }

/* What follows the header: *n items of item_bytes bytes each, in fresh memory. An IDX header is the magic number and the extents, big-endian. */
static int read_items(gzFile file, uint32_t magic, size_t item_bytes, uint8_t **items, size_t *n) {
    unsigned char header[16];
    unsigned length = magic == MAGIC_IMAGES ? 16 : 8;
    if (gzread(file, header, length) != (int)length || big_endian(header) != magic) return 0;
    if (magic == MAGIC_IMAGES && (big_endian(header + 8) != FASHION_SIDE || big_endian(header + 12) != FASHION_SIDE)) return 0;
    *n = big_endian(header + 4);
    if (*n == 0 || *n > MOST_ITEMS || !(*items = malloc(*n * item_bytes))) return 0;
    return gzread(file, *items, (unsigned)(*n * item_bytes)) == (int)(*n * item_bytes);
}

static orthsr_status read_idx(uint8_t **items, size_t *n, const char *directory, const char *part, const char *kind, uint32_t magic, size_t item_bytes,
                              orthsr_error *error) {
    char path[sizeof error->message - 64]; /* it goes into the message */
    snprintf(path, sizeof path, "%s/%s-%s-ubyte.gz", directory, part, kind);
    gzFile file = gzopen(path, "rb");
    int good = file && read_items(file, magic, item_bytes, items, n);
    if (!good)
        snprintf(error->message, sizeof error->message, "cannot read '%s'%s", path,
                 file ? ": it is not the IDX file it should be" : "; install dataset-fashion-mnist");
    if (file) gzclose(file);
    return good ? ORTHSR_OK : ORTHSR_ERROR_IO;
}

static orthsr_status make_dataset(orthsr_dataset **out, const uint8_t *images, const uint8_t *labels, size_t n, orthsr_error *error) {
    uint8_t *seen = malloc(n * ITEM_BYTES);
    int32_t *wide = malloc(n * sizeof *wide);
    orthsr_status status = ORTHSR_ERROR_MEMORY;
    snprintf(error->message, sizeof error->message, "out of memory for %zu images", n);
    if (seen && wide) {
        for (size_t i = 0; i < n; i++) wide[i] = labels[i];
        camera_turn(seen, images, n);
        status = orthsr_dataset_new(out, seen, n, FASHION_SIDE, FASHION_SIDE, 1, wide, fashion_names, FASHION_CLASSES, error);
    }
    free(seen);
    free(wide);
    return status;
}

orthsr_status fashion_open(orthsr_dataset **out, const char *directory, const char *part, size_t most, orthsr_error *error) {
    uint8_t *images = NULL, *labels = NULL;
    size_t n_images = 0, n_labels = 0;
    *out = NULL;
    orthsr_status status = read_idx(&images, &n_images, directory, part, "images-idx3", MAGIC_IMAGES, ITEM_BYTES, error);
    if (status == ORTHSR_OK) status = read_idx(&labels, &n_labels, directory, part, "labels-idx1", MAGIC_LABELS, 1, error);
    if (status == ORTHSR_OK && n_images != n_labels) {
        snprintf(error->message, sizeof error->message, "'%s' has %zu %s images and %zu labels", directory, n_images, part, n_labels);
        status = ORTHSR_ERROR_MISMATCH;
    }
    if (status == ORTHSR_OK) status = make_dataset(out, images, labels, most > 0 && most < n_images ? most : n_images, error);
    free(images);
    free(labels);
    return status;
}
