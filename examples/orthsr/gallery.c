/* gallery.c - a few of the shots, looked at by the frozen model. */
#include "gallery.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "picture.h"
#include "report.h"

enum { PANEL = 144 }; /* pixels a side of either half of a picture */

typedef struct gallery {
    const orthsr_model *model;
    const orthsr_dataset *shots;
    const gallery_cut *cut;
    const char *directory;
    orthsr_session *session; /* of the frozen model */
    size_t size, grid, embed;
    float *classes;       /* (classes, embed) */
    float *pixels, *ends; /* (3, size, size); and of a black image and a white one, (2, 3, size, size) */
    float *map;           /* (grid, grid) */
    uint8_t *rgb;         /* (size, size, 3) */
} gallery;

/* ---- which ---- */

/* Which items are shown, *n of them: the first of every class, then the second, ..., while there is room. NULL when out of memory. */
static size_t *choose(const orthsr_dataset *shots, size_t *n) {
    size_t count = orthsr_dataset_count(shots), classes = orthsr_dataset_class_count(shots), most = count < GALLERY_MOST ? count : GALLERY_MOST, chosen = 0;
    size_t *seen = calloc(classes, sizeof *seen), *items = calloc(most + 1, sizeof *items);
    for (size_t round = 0; seen && items && chosen < most; round++) {
        memset(seen, 0, classes * sizeof *seen);
        for (size_t i = 0; i < count && chosen < most; i++)
            if (seen[orthsr_dataset_label(shots, i)]++ == round) items[chosen++] = i;
    }
    if (!seen) free(items), items = NULL;
    free(seen);
    *n = items ? chosen : 0;
    return items;
}

static int compare(const void *a, const void *b) {
    const size_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* ---- what ---- */

/* Inputs of the network are bytes times a factor plus a number, for each colour: a black and a white image tell them. */
static orthsr_status find_ends(gallery *g, orthsr_error *error) {
    size_t count = 3 * g->size * g->size;
    orthsr_status status = ORTHSR_OK;
    for (int white = 0; white < 2 && status == ORTHSR_OK; white++) {
        orthsr_image *image;
        memset(g->rgb, white ? 255 : 0, count);
        status = orthsr_image_new(&image, g->rgb, g->size, g->size, 3, error);
        if (status == ORTHSR_OK) status = orthsr_model_preprocess(g->model, g->ends + (size_t)white * count, image, error);
        orthsr_image_free(image);
    }
    return status;
}

/* The image that the network sees of an item. */
static orthsr_status view(orthsr_image **out, gallery *g, size_t item, orthsr_error *error) {
    size_t plane = g->size * g->size;
    orthsr_status status = orthsr_dataset_pixels(g->shots, item, g->model, g->pixels, error);
    for (size_t i = 0; i < 3 * plane && status == ORTHSR_OK; i++) {
        float black = g->ends[i], white = g->ends[3 * plane + i];
        g->rgb[i % plane * 3 + i / plane] = (uint8_t)lroundf(255 * fminf(fmaxf((g->pixels[i] - black) / (white - black), 0), 1));
    }
    *out = NULL;
    return status == ORTHSR_OK ? orthsr_image_new(out, g->rgb, g->size, g->size, 3, error) : status;
}

static orthsr_status look(orthsr_region *regions, size_t *found, gallery *g, size_t item, orthsr_error *error) {
    const float *feature = g->classes + orthsr_dataset_label(g->shots, item) * g->embed;
    orthsr_status status = g->cut->source == ORTHSR_CUTOUT_ATTENTION ? orthsr_session_attention(g->session, g->map, g->pixels, error)
                                                                     : orthsr_session_similarity(g->session, g->map, g->pixels, feature, error);
    return status == ORTHSR_OK ? orthsr_cutout_regions(regions, found, g->cut->holes, g->map, g->grid, g->cut->size, error) : status;
}

static orthsr_status write_item(json_t *out, gallery *g, size_t item, orthsr_error *error) {
    char name[32];
    orthsr_region regions[GALLERY_MOST_HOLES];
    size_t found = 0;
    orthsr_image *image;
    picture p = {0};
    orthsr_status status = view(&image, g, item, error);
    if (status == ORTHSR_ERROR_IO || status == ORTHSR_ERROR_FORMAT || status == ORTHSR_ERROR_UNSUPPORTED) return ORTHSR_OK; /* training has gone around it */
    snprintf(name, sizeof name, "shots/%03zu.jpg", json_array_size(out));
    char *path = join_path(g->directory, name);
    if (status == ORTHSR_OK && !path) status = failed(error, ORTHSR_ERROR_MEMORY, "out of memory for a name in '%s'", g->directory);
    if (status == ORTHSR_OK) status = look(regions, &found, g, item, error);
    if (status == ORTHSR_OK) status = picture_make(&p, PANEL, image, g->map, g->grid, orthsr_model_patch_size(g->model), regions, found, error);
    if (status == ORTHSR_OK) status = picture_write_jpeg(path, &p, error);
    if (status == ORTHSR_OK) {
        json_t *object = json_object(), *places = json_array();
        char *called = item_name(g->shots, item);
        put_text(object, "item", called);
        orthsr_free(called);
        put_text(object, "class", orthsr_dataset_class_name(g->shots, orthsr_dataset_label(g->shots, item)));
        put_text(object, "file", name);
        for (size_t i = 0; i < found; i++)
            json_array_append_new(places, json_pack("[I, I, I, I]", (json_int_t)regions[i].top, (json_int_t)regions[i].left, (json_int_t)regions[i].height,
                                                    (json_int_t)regions[i].width));
        json_object_set_new(object, "regions", places);
        json_array_append_new(out, object);
    }
    picture_free(&p);
    orthsr_image_free(image);
    free(path);
    return status;
}

/* ---- all of it ---- */

static orthsr_status open_gallery(gallery *g, const char *const *templates, size_t n_templates, orthsr_error *error) {
    size_t classes = orthsr_dataset_class_count(g->shots), count = 3 * g->size * g->size;
    const char **names = calloc(classes, sizeof *names);
    g->classes = calloc(classes * g->embed, sizeof *g->classes);
    g->pixels = malloc(count * sizeof *g->pixels);
    g->ends = malloc(2 * count * sizeof *g->ends);
    g->map = malloc(g->grid * g->grid * sizeof *g->map);
    g->rgb = malloc(count);
    orthsr_status status = names && g->classes && g->pixels && g->ends && g->map && g->rgb
                               ? orthsr_session_new(&g->session, g->model, NULL, error)
                               : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for pictures of the shots");
    for (size_t c = 0; names && c < classes; c++) names[c] = orthsr_dataset_class_name(g->shots, c);
    if (status == ORTHSR_OK) status = orthsr_session_encode_classes(g->session, g->classes, names, classes, templates, n_templates, error);
    if (status == ORTHSR_OK) status = find_ends(g, error);
    free(names);
    return status;
}

static void close_gallery(gallery *g) {
    orthsr_session_free(g->session);
    free(g->classes);
    free(g->pixels);
    free(g->ends);
    free(g->map);
    free(g->rgb);
}

static orthsr_status prepare_directory(const char *directory, orthsr_error *error) {
    char name[32], *shots = join_path(directory, "shots");
    int made;
    orthsr_status status = shots ? output_directory(shots, &made, error) : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for a name in '%s'", directory);
    for (size_t i = 0; i < GALLERY_MOST && status == ORTHSR_OK; i++) {
        snprintf(name, sizeof name, "%03zu.jpg", i);
        char *path = join_path(shots, name);
        if (path) unlink(path); /* of an earlier run, or not there */
        free(path);
    }
    free(shots);
    return status;
}

orthsr_status gallery_write(json_t **out, const orthsr_model *model, const orthsr_dataset *shots, const char *const *templates, size_t n_templates,
                            const gallery_cut *cut, const char *directory, orthsr_error *error) {
    size_t n = 0, size = orthsr_model_image_size(model);
    gallery g = {.model = model,
                 .shots = shots,
                 .cut = cut,
                 .directory = directory,
                 .size = size,
                 .grid = size / orthsr_model_patch_size(model),
                 .embed = orthsr_model_embed_dim(model)};
    size_t *items = choose(shots, &n);
    json_t *array = json_array();
    orthsr_status status = items ? prepare_directory(directory, error) : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for pictures of the shots");
    if (status == ORTHSR_OK) status = open_gallery(&g, templates, n_templates, error);
    if (items) qsort(items, n, sizeof *items, compare); /* as they are in the data set: class by class */
    for (size_t i = 0; i < n && status == ORTHSR_OK; i++) status = write_item(array, &g, items[i], error);
    close_gallery(&g);
    free(items);
    if (status == ORTHSR_OK) *out = array;
    else json_decref(array);
    return status;
}
