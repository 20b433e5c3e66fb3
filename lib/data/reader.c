/* reader.c - <orthsr/reader.h>: a feed of consecutive items. */
#include <orthsr/reader.h>

#include <stdlib.h>

#include "base/fail.h"
#include "base/memory.h"
#include "clip/model.h"
#include "data/feed.h"

enum { READY = 16 };

struct orthsr_reader {
    const orthsr_dataset *dataset;
    const orthsr_model *model;
    orthsr__range range;
    size_t threads, taken; /* taken: items, those left out among them */
    bool skip;
    orthsr__feed *feed; /* once something is taken */
};

orthsr_status orthsr_reader_new(orthsr_reader **out, const orthsr_dataset *dataset, const orthsr_model *model, size_t first, size_t count,
                                orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(dataset && model, error, "dataset or model is NULL");
    if (first > dataset->count || count > dataset->count - first)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%s: %zu items from item %zu on; there are %zu", __func__, count, first, dataset->count);
    *out = orthsr__calloc(1, sizeof **out);
    if (!*out) return orthsr__fail_memory(error, "a reader");
    **out = (orthsr_reader){.dataset = dataset, .model = model, .range = {first, first + count}, .threads = 1};
    return ORTHSR_OK;
}

void orthsr_reader_free(orthsr_reader *reader) {
    if (!reader) return;
    orthsr__feed_free(reader->feed);
    free(reader);
}

orthsr_status orthsr_reader_set_threads(orthsr_reader *reader, size_t threads, orthsr_error *error) {
    ORTHSR__REQUIRE(reader, error, "reader is NULL");
    ORTHSR__REQUIRE(!reader->feed, error, "images have been taken already");
    ORTHSR__REQUIRE(threads <= ORTHSR__MAX_READERS, error, "at most 64 threads read images");
    reader->threads = threads;
    return ORTHSR_OK;
}

orthsr_status orthsr_reader_set_skip(orthsr_reader *reader, int skip, orthsr_error *error) {
    ORTHSR__REQUIRE(reader, error, "reader is NULL");
    ORTHSR__REQUIRE(!reader->feed, error, "images have been taken already");
    reader->skip = skip != 0;
    return ORTHSR_OK;
}

orthsr_status orthsr_reader_next(orthsr_reader *reader, float *pixels, size_t *items, size_t most, size_t *n, orthsr_error *error) {
    ORTHSR__REQUIRE(n, error, "n is NULL");
    *n = 0;
    ORTHSR__REQUIRE(reader && pixels && most > 0, error, "reader or pixels is NULL, or there is no room for an image");
    size_t size = reader->model->config.image_size, image = 3 * size * size;
    if (!reader->feed && reader->range.first < reader->range.end) {
        const orthsr__supply supply = {.dataset = reader->dataset,
                                       .model = reader->model,
                                       .unreadable = reader->skip ? ORTHSR__UNREADABLE_LEFT_OUT : ORTHSR__UNREADABLE_FAILS,
                                       .request = orthsr__next_of_range,
                                       .context = &reader->range};
        ORTHSR__TRY(orthsr__feed_new(&reader->feed, &supply, reader->threads, READY > 2 * reader->threads ? READY : 2 * reader->threads, error));
    }
    /* Where the last call failed for want of memory: again from there, and nothing of what was read ahead meanwhile, which may have failed alike. */
    if (reader->feed) orthsr__feed_begin(reader->feed, reader->taken);
    while (*n < most && reader->taken < reader->range.end - reader->range.first) {
        size_t item, label;
        bool left_out;
        orthsr_status status = orthsr__feed_take(reader->feed, pixels + *n * image, &item, &label, &left_out, error);
        if (status != ORTHSR_ERROR_MEMORY) reader->taken++; /* that is no fault of the image */
        if (status) return status;
        if (left_out) continue;
        if (items) items[*n] = item;
        ++*n;
    }
    return ORTHSR_OK;
}

size_t orthsr_reader_skipped(const orthsr_reader *reader) { return reader ? orthsr__feed_unreadable(reader->feed) : 0; }
