/* images.c - tile by tile: pixels, the frozen model's view of them, the tuned model's, and both again with holes. */
#include "train/images.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/collective.h"
#include "base/fail.h"
#include "base/memory.h"
#include "clip/prompt.h"
#include "clip/saliency.h"
#include "data/cutout.h"

static bool is_augmented(const orthsr__images *images) { return images->options->augmentation != ORTHSR_AUGMENT_NONE; }
/* Nothing that is said of an image stands: it is another in every epoch, or they are too many. */
static bool sees_anew(const orthsr__images *images) { return is_augmented(images) || images->dataset->manifest; }
static bool is_attentive(const orthsr__images *images) { return images->options->cutout == ORTHSR_CUTOUT_ATTENTIVE; }

/* The holes are the same in every epoch: nothing about them is drawn. */
static bool cut_stays(const orthsr__images *images) {
    return !sees_anew(images) && is_attentive(images) && images->options->cutout_probability >= 1 && images->options->cutout_fill != ORTHSR_CUTOUT_NOISE;
}

/* ---- a tile ------------------------------------------------------------------------------------------------------------------------ */

/* The feed's next n. */
static orthsr_status load(orthsr__images *images, orthsr__feed *feed, size_t n, orthsr_error *error) {
    for (size_t i = 0; i < n; i++)
        ORTHSR__TRY(orthsr__feed_take(feed, images->pixels + i * images->pixel_count, &images->at[i], &images->labels[i], NULL, error));
    return ORTHSR_OK;
}

/* The frozen model's features and log-probabilities of the tile's pixels; for_map: and what `map` reads. */
static orthsr_status look(orthsr__images *images, size_t n, bool for_map, orthsr_error *error) {
    images->frozen.maps = for_map && is_attentive(images) && images->options->cutout_source == ORTHSR_CUTOUT_TEXT;
    orthsr_phase before = orthsr__phase(images->phases, ORTHSR_PHASE_FROZEN);
    ORTHSR__TRY(orthsr__encode_image_tile(&images->frozen, images->features, images->pixels, n, error));
    orthsr__objective_log_probabilities(&images->anchor, images->log_p, images->features, n);
    orthsr__phase(images->phases, before);
    return ORTHSR_OK;
}

/* And what attentive CutOut cuts by, when the tile was just looked at. */
static orthsr_status map(orthsr__images *images, size_t n, orthsr_error *error) {
    for (size_t i = 0; i < n && is_attentive(images); i++) {
        float *of = images->maps + i * images->grid * images->grid;
        const real *feature = images->anchor.class_features + images->labels[i] * images->anchor.embed;
        if (images->options->cutout_source == ORTHSR_CUTOUT_TEXT) ORTHSR__TRY(orthsr__similarity_map(&images->frozen, of, i, feature, error));
        else ORTHSR__TRY(orthsr__attention_map(&images->frozen, of, i, error));
    }
    return ORTHSR_OK;
}

/* Holes in the tile's pixels, which depend on seed, epoch and item alone. */
static orthsr_status cut(orthsr__images *images, size_t n, size_t epoch, orthsr_error *error) {
    const orthsr_trainer_options *options = images->options;
    size_t size = images->model->config.image_size, patch = images->model->config.patch_size, holes = options->cutout_holes;
    orthsr_region regions[ORTHSR__MAX_HOLES];
    for (size_t i = 0; i < n; i++) {
        orthsr__draws draws = orthsr__draws_of(options->seed, epoch, images->at[i], ORTHSR__FOR_CUTOUT);
        size_t found = holes;
        if (!(orthsr__draw_uniform(&draws, 0, 1) < (double)options->cutout_probability)) continue;
        if (is_attentive(images)) {
            ORTHSR__TRY(orthsr_cutout_regions(regions, &found, holes, images->maps + i * images->grid * images->grid, images->grid,
                                              orthsr__cutout_size(options), error));
            for (size_t k = 0; k < found; k++)
                regions[k] = (orthsr_region){regions[k].top * patch, regions[k].left * patch, regions[k].height * patch, regions[k].width * patch};
        } else {
            orthsr__cutout_random(regions, holes, size, (size_t)rint((double)orthsr__cutout_size(options) * (double)size), &draws);
        }
        orthsr__cutout_fill(images->pixels + i * images->pixel_count, size, regions, found, options->cutout_fill, &images->model->config.preprocess, &draws);
    }
    return ORTHSR_OK;
}

/* ---- what stays the same --------------------------------------------------------------------------------------------------------------- */

static void copy_rows(void *to, size_t row, const void *from, size_t from_row, size_t bytes) {
    if (to && from) memcpy((char *)to + row * bytes, (const char *)from + from_row * bytes, bytes);
}

/* What the frozen model said of the tile's items, from what it said of all; and the other way, as said of items first, first + 1, ... */
static void recall(orthsr__images *images, orthsr__part part, size_t n) {
    for (size_t i = 0; i < n; i++) {
        copy_rows(images->features, i, images->seen[part].features, images->at[i], images->anchor.embed * sizeof(real));
        copy_rows(images->log_p, i, images->seen[part].log_p, images->at[i], images->anchor.classes * sizeof(real));
        copy_rows(images->maps, i, images->seen[part].maps, images->at[i], images->grid * images->grid * sizeof(float));
    }
}

static orthsr_status remember(orthsr__images *images, orthsr__part part, size_t first, size_t n, orthsr_error *error) {
    for (size_t i = 0; i < n; i++) {
        if (!orthsr__all_finite(images->log_p + i * images->anchor.classes, images->anchor.classes))
            return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "the frozen model's logits of %s%s are not finite",
                                orthsr_dataset_item_name(images->dataset, images->at[i]), part == ORTHSR__CUT ? " with holes" : "");
        copy_rows(images->seen[part].features, first + i, images->features, i, images->anchor.embed * sizeof(real));
        copy_rows(images->seen[part].log_p, first + i, images->log_p, i, images->anchor.classes * sizeof(real));
        copy_rows(images->seen[part].maps, first + i, images->maps, i, images->grid * images->grid * sizeof(float));
    }
    return ORTHSR_OK;
}

/* The tile's items, where no pixel of theirs is read. */
static void name_items(orthsr__images *images, const size_t *items, size_t n) {
    for (size_t i = 0; i < n; i++) {
        images->at[i] = images->instead[items[i]];
        images->labels[i] = images->dataset->items[images->at[i]].label;
    }
}

static orthsr_status look_at_tile(orthsr__images *images, orthsr__feed *feed, size_t first, size_t n, orthsr_error *error) {
    ORTHSR__TRY(load(images, feed, n, error));
    for (size_t i = 0; i < n; i++) images->instead[first + i] = images->at[i];
    ORTHSR__TRY(look(images, n, true, error));
    ORTHSR__TRY(map(images, n, error));
    ORTHSR__TRY(remember(images, ORTHSR__WHOLE, first, n, error));
    if (!cut_stays(images)) return ORTHSR_OK;
    ORTHSR__TRY(cut(images, n, 0, error));
    ORTHSR__TRY(look(images, n, false, error));
    return remember(images, ORTHSR__CUT, first, n, error);
}

/* Of a feed: the trainer's options, and a few images ready. */
static orthsr_status make_feed(orthsr__feed **feed, const orthsr__images *images, bool augmented, orthsr__request request, void *context, orthsr_error *error) {
    enum { READY = 8 };
    const orthsr_trainer_options *options = images->options;
    const orthsr__supply supply = {.dataset = images->dataset,
                                   .model = images->model,
                                   .augmented = augmented,
                                   .seed = options->seed,
                                   .unreadable = options->skip_unreadable ? ORTHSR__UNREADABLE_REPLACED : ORTHSR__UNREADABLE_FAILS,
                                   .request = request,
                                   .context = context};
    return orthsr__feed_new(feed, &supply, options->readers, READY > options->readers ? READY : options->readers, error);
}

/* begins (ranks + 1) of n things, each rank's as many as another's. Freed by the caller. */
static orthsr_status share_out(size_t **begins, const orthsr__images *images, size_t n, orthsr_error *error) {
    size_t ranks = orthsr_collective_ranks(images->options->collective);
    *begins = orthsr__calloc(ranks + 1, sizeof **begins);
    if (!*begins) return orthsr__fail_memory(error, "training");
    orthsr__even_begins(*begins, n, ranks);
    return ORTHSR_OK;
}

static orthsr_status look_at_own(orthsr__images *images, const size_t *begins, orthsr_error *error) {
    size_t rank = orthsr_collective_rank(images->options->collective), end = begins[rank + 1];
    orthsr__range own = {begins[rank], end};
    orthsr__feed *feed;
    orthsr_status status = make_feed(&feed, images, false, orthsr__next_of_range, &own, error);
    for (size_t i = own.first; i < end && !status; i += images->tile)
        status = look_at_tile(images, feed, i, end - i < images->tile ? end - i : images->tile, error);
    images->unreadable = orthsr__feed_unreadable(feed);
    orthsr__feed_free(feed);
    return status;
}

static orthsr_status gather_seen(orthsr__images *images, orthsr__seen *seen, const size_t *begins, orthsr_error *error) {
    orthsr_collective *ranks = images->options->collective;
    if (seen->features) ORTHSR__TRY(orthsr__gather(ranks, seen->features, images->anchor.embed * sizeof(real), begins, error));
    if (seen->log_p) ORTHSR__TRY(orthsr__gather(ranks, seen->log_p, images->anchor.classes * sizeof(real), begins, error));
    return seen->maps ? orthsr__gather(ranks, seen->maps, images->grid * images->grid * sizeof(float), begins, error) : ORTHSR_OK;
}

/* One pass of the frozen model over all items; each rank looks at its part of them. */
static orthsr_status look_at_all(orthsr__images *images, orthsr_error *error) {
    size_t *begins = NULL;
    orthsr_status status = share_out(&begins, images, images->items, error);
    if (!status) status = look_at_own(images, begins, error);
    status = orthsr__agree(images->options->collective, status, error);
    if (!status) status = orthsr__gather(images->options->collective, images->instead, sizeof *images->instead, begins, error);
    for (size_t part = 0; part < ORTHSR__PARTS && !status; part++) status = gather_seen(images, &images->seen[part], begins, error);
    free(begins);
    return status;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------------ */

/* The frozen branch's class features, from prompts of its own templates; each rank encodes its part of them. A text's bits do not depend on the others. */
static orthsr_status encode_classes(orthsr__images *images, const char *const *templates, size_t n_templates, orthsr_error *error) {
    orthsr_collective *ranks = images->options->collective;
    size_t classes = images->anchor.classes, prompts = classes * n_templates, embed = images->anchor.embed, room, *begins = NULL;
    real *features = orthsr__mul(&room, prompts, embed) ? orthsr__aligned(room, sizeof *features) : NULL; /* (prompts, embed) */
    int32_t *tokens = NULL;
    orthsr_status status =
        features ? orthsr__tokenize_classes(&tokens, images->model, (const char *const *)images->dataset->class_names, classes, templates, n_templates, error)
                 : orthsr__fail_memory(error, "class prompts");
    if (!status) status = share_out(&begins, images, prompts, error);
    if (!status) {
        size_t rank = orthsr_collective_rank(ranks), first = begins[rank];
        status = orthsr__encode_texts(&images->frozen, features + first * embed, tokens + first * images->model->config.context_length,
                                      begins[rank + 1] - first, error);
    }
    status = orthsr__agree(ranks, status, error);
    if (!status) status = orthsr__gather(ranks, features, embed * sizeof *features, begins, error);
    if (!status) orthsr__objective_begin(&images->anchor, features);
    free(begins);
    free(tokens);
    free(features);
    return status;
}

static orthsr_status allocate(orthsr__images *images, orthsr_error *error) {
    size_t tile = images->tile, patches = images->grid * images->grid, embed = images->anchor.embed, classes = images->anchor.classes;
    size_t kept = sees_anew(images) ? 0 : images->items, mapped = is_attentive(images) ? tile : 0, kept_cut = cut_stays(images) ? images->items : 0;
    orthsr__seen *whole = &images->seen[ORTHSR__WHOLE], *holes = &images->seen[ORTHSR__CUT];
    const struct {
        void **array;
        size_t n, m, size;
    } parts[] = {
        {(void **)&images->instead, kept, 1, sizeof(size_t)},
        {(void **)&images->at, tile, 1, sizeof(size_t)},
        {(void **)&images->labels, tile, 1, sizeof(size_t)},
        {(void **)&images->pixels, tile, images->pixel_count, sizeof(float)},
        {(void **)&images->maps, mapped, patches, sizeof(float)},
        {(void **)&images->features, tile, embed, sizeof(real)},
        {(void **)&images->log_p, tile, classes, sizeof(real)},
        {(void **)&images->tuned, tile, embed, sizeof(real)},
        {(void **)&whole->features, kept, embed, sizeof(real)},
        {(void **)&whole->log_p, kept, classes, sizeof(real)},
        {(void **)&holes->features, kept_cut, embed, sizeof(real)},
        {(void **)&holes->log_p, kept_cut, classes, sizeof(real)},
        {(void **)&whole->maps, mapped ? kept : 0, patches, sizeof(float)},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t count;
        if (parts[i].n == 0) continue;
        if (!orthsr__mul(&count, parts[i].n, parts[i].m) || !(*parts[i].array = orthsr__aligned(count, parts[i].size)))
            return orthsr__fail_memory(error, "training");
    }
    return ORTHSR_OK;
}

orthsr_status orthsr__images_new(orthsr__images *images, const orthsr_model *model, const orthsr_dataset *dataset, const orthsr_trainer_options *options,
                                 orthsr__phases *phases, orthsr__pool *pool, size_t tile_rows, orthsr_error *error) {
    *images = (orthsr__images){.model = model,
                               .dataset = dataset,
                               .options = options,
                               .phases = phases,
                               .items = orthsr_dataset_count(dataset),
                               .tile = orthsr__image_tile(model, tile_rows),
                               .grid = orthsr__image_grid(model),
                               .pixel_count = 3 * model->config.image_size * model->config.image_size};
    bool own = options->frozen_template_count > 0;
    const char *const *templates = (const char *const *)(own ? options->frozen_templates : options->templates);
    size_t n_templates = own ? options->frozen_template_count : options->template_count;
    orthsr_status status =
        orthsr__objective_new(&images->anchor, orthsr_dataset_class_count(dataset), n_templates, model->config.embed_dim, images->tile, error);
    images->anchor.scale = model->logit_scale;
    images->anchor.temperature = (real)options->kl_temperature;
    if (!status) status = allocate(images, error);
    if (!status) status = orthsr__encoder_new(&images->frozen, model, NULL, false, pool, tile_rows, error);
    status = orthsr__agree(options->collective, status, error);
    if (!status) status = encode_classes(images, templates, n_templates, error);
    if (!status && !sees_anew(images)) status = look_at_all(images, error);
    if (status) orthsr__images_free(images);
    else if (!sees_anew(images) && (options->cutout == ORTHSR_CUTOUT_OFF || cut_stays(images))) orthsr__encoder_free(&images->frozen);
    return status;
}

void orthsr__images_free(orthsr__images *images) {
    orthsr__feed_free(images->feed);
    orthsr__encoder_free(&images->frozen);
    orthsr__objective_free(&images->anchor);
    orthsr__seen *whole = &images->seen[ORTHSR__WHOLE], *holes = &images->seen[ORTHSR__CUT];
    void *const arrays[] = {images->instead, images->at,      images->labels, images->pixels,  images->maps, images->features, images->log_p,
                            images->tuned,   whole->features, whole->log_p,   holes->features, holes->log_p, whole->maps};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
    *images = (orthsr__images){0};
}

/* ---- a batch --------------------------------------------------------------------------------------------------------------------------- */

/* One part of the loss, of the tile's present pixels; looked: the frozen model has just been shown them. */
static orthsr_status add_part(orthsr__images *images, orthsr__encoder *encoder, orthsr__objective *objective, orthsr__part part, bool looked, size_t n,
                              size_t batch, real *grad_rotations, orthsr_error *error) {
    bool adapted = orthsr__image_adapted(encoder);
    orthsr__phase(images->phases, ORTHSR_PHASE_IMAGE);
    if (adapted) ORTHSR__TRY(orthsr__encode_image_tile(encoder, images->tuned, looked ? NULL : images->pixels, n, error));
    else memcpy(images->tuned, images->features, n * images->anchor.embed * sizeof(real));
    orthsr__phase(images->phases, ORTHSR_PHASE_OTHER);
    orthsr__objective_tile(objective, part, images->tuned, images->tuned, images->labels, images->log_p, n, batch);
    orthsr__phase(images->phases, ORTHSR_PHASE_BACKWARD);
    if (adapted) orthsr__image_tile_backward(encoder, images->tuned, grad_rotations);
    orthsr__phase(images->phases, ORTHSR_PHASE_OTHER);
    return ORTHSR_OK;
}

/* Whether the frozen model sees images in every step. */
static bool looks(const orthsr__images *images) { return sees_anew(images) || (images->options->cutout != ORTHSR_CUTOUT_OFF && !cut_stays(images)); }

/* Whether a step reads pixels at all. */
static bool reads(const orthsr__images *images, const orthsr__encoder *encoder) { return orthsr__image_adapted(encoder) || looks(images); }

orthsr_status orthsr__images_feed(orthsr__images *images, const orthsr__encoder *encoder, orthsr__request request, void *context, orthsr_error *error) {
    return reads(images, encoder) ? make_feed(&images->feed, images, is_augmented(images), request, context, error) : ORTHSR_OK;
}

orthsr_status orthsr__images_begin(orthsr__images *images, orthsr__encoder *encoder, size_t k, orthsr_error *error) {
    if (reads(images, encoder)) orthsr__feed_begin(images->feed, k);
    if (!orthsr__image_adapted(encoder)) return ORTHSR_OK;
    if (looks(images)) ORTHSR__TRY(orthsr__encoder_follow(encoder, &images->frozen, error));
    orthsr__phase(images->phases, ORTHSR_PHASE_IMAGE);
    orthsr_status status = orthsr__image_step_begin(encoder, error);
    orthsr__phase(images->phases, ORTHSR_PHASE_OTHER);
    return status;
}

orthsr_status orthsr__images_gradient(orthsr__images *images, orthsr__encoder *encoder, orthsr__objective *objective, const size_t *items, size_t n,
                                      size_t batch, size_t epoch, real *grad_rotations, orthsr_error *error) {
    bool anew = sees_anew(images), has_cut = images->options->cutout != ORTHSR_CUTOUT_OFF, stays = cut_stays(images);
    bool adapted = orthsr__image_adapted(encoder);
    if (n == 0) return ORTHSR_OK;
    size_t tile = orthsr__even_tile(n, images->tile);
    for (size_t i = 0; i < n; i += tile, items += tile) {
        size_t count = n - i < tile ? n - i : tile;
        if (reads(images, encoder)) ORTHSR__TRY(load(images, images->feed, count, error));
        else name_items(images, items, count);
        if (anew) {
            ORTHSR__TRY(look(images, count, true, error));
            ORTHSR__TRY(map(images, count, error));
        } else {
            recall(images, ORTHSR__WHOLE, count);
        }
        ORTHSR__TRY(add_part(images, encoder, objective, ORTHSR__WHOLE, anew, count, batch, grad_rotations, error));
        if (!has_cut) continue;
        if (adapted || !stays) ORTHSR__TRY(cut(images, count, epoch, error));
        if (stays) recall(images, ORTHSR__CUT, count);
        else ORTHSR__TRY(look(images, count, false, error));
        ORTHSR__TRY(add_part(images, encoder, objective, ORTHSR__CUT, !stays, count, batch, grad_rotations, error));
    }
    orthsr__phase(images->phases, ORTHSR_PHASE_BACKWARD);
    if (adapted) orthsr__image_step_end(encoder, grad_rotations);
    orthsr__phase(images->phases, ORTHSR_PHASE_OTHER);
    return ORTHSR_OK;
}
