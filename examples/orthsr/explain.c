/* explain.c - `orthsr explain`: the likeliest classes of an image, and where the frozen model sees one of them; a picture, and a page with it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "explain_page.h"
#include "inputs.h"
#include "nearest.h"
#include "output.h"
#include "picture.h"
#include "report.h"
#include "train_setup.h"

enum { SHOWN = 5, MOST_HOLES = GALLERY_MOST_HOLES };

/* What the model says with an adapter, or without. */
typedef struct opinion {
    orthsr_session *session;
    float *classes;     /* (classes, embed), unit */
    float *probability; /* (classes) */
} opinion;

typedef struct explanation {
    const settings *settings;
    orthsr_model *model;
    tuned *stack;            /* (adapters of the settings) */
    orthsr_dataset *dataset; /* NULL with --classes-file */
    char **names;            /* (classes) */
    size_t classes;
    orthsr_image *view;
    float *pixels;         /* (3, size, size) */
    opinion frozen, tuned; /* tuned: only with --adapter */
    size_t *order;         /* (classes) likeliest first */
    size_t shown;          /* the class of the map */
    size_t grid;
    float *map;        /* (grid, grid) of the class shown, from which regions are cut */
    float *class_maps; /* (likeliest, grid, grid) of each of the likeliest classes */
    orthsr_region regions[MOST_HOLES];
    size_t holes;
    char *page; /* the path of the page: --out with .html in the place of .png */
} explanation;

static size_t likeliest(const explanation *e) { return e->classes < SHOWN ? e->classes : SHOWN; }

static int is_tuned(const explanation *e) { return e->settings->adapters.count > 0; }

static const opinion *last_opinion(const explanation *e) { return is_tuned(e) ? &e->tuned : &e->frozen; }

/* ---- classes ---- */

static orthsr_status names_of_file(explanation *e, const char *path, orthsr_error *error) {
    texts t;
    orthsr_status status = texts_read(&t, path, error);
    e->names = status == ORTHSR_OK ? calloc(t.count + 1, sizeof *e->names) : NULL;
    e->classes = 0;
    int made = e->names != NULL;
    for (size_t i = 0; made && i < t.count; i++) {
        if (t.lengths[i] == 0) continue;
        made = (e->names[e->classes] = strndup(t.bytes + t.starts[i], t.lengths[i])) != NULL;
        e->classes += made != 0;
    }
    if (status == ORTHSR_OK && !made) status = failed(error, ORTHSR_ERROR_MEMORY, "out of memory for the names of '%s'", path);
    if (status == ORTHSR_OK && e->classes == 0) status = failed(error, ORTHSR_ERROR_FORMAT, "'%s' names no class; one name per line is expected", path);
    texts_free(&t);
    return status;
}

static orthsr_status names_of_data(explanation *e, orthsr_error *error) {
    const settings *s = e->settings;
    orthsr_status status =
        orthsr_dataset_has_split(s->data, "train") ? open_dataset(&e->dataset, s->data, "train", s, error) : open_test_images(&e->dataset, s->data, s, error);
    if (status != ORTHSR_OK) return status;
    e->classes = orthsr_dataset_class_count(e->dataset);
    e->names = calloc(e->classes, sizeof *e->names);
    int made = e->names != NULL;
    for (size_t c = 0; made && c < e->classes; c++) made = (e->names[c] = strdup(orthsr_dataset_class_name(e->dataset, c))) != NULL;
    return made ? ORTHSR_OK : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for the names of classes");
}

/* --class. */
static orthsr_status find_class(explanation *e, const char *name, orthsr_error *error) {
    for (e->shown = 0; e->shown < e->classes; e->shown++)
        if (strcmp(e->names[e->shown], name) == 0) return ORTHSR_OK;
    const char *near = nearest_of(name, (const char *const *)e->names, e->classes);
    if (near) return failed(error, ORTHSR_ERROR_ARGUMENT, "--class '%s' is none of the %zu classes, did you mean '%s'?", name, e->classes, near);
    return failed(error, ORTHSR_ERROR_ARGUMENT, "--class '%s' is none of the %zu classes, which begin with '%s'; their names are those of %s", name, e->classes,
                  e->names[0], e->settings->classes_file ? e->settings->classes_file : e->settings->data);
}

/* ---- opening ---- */

static orthsr_status open_image(explanation *e, orthsr_error *error) {
    const settings *s = e->settings;
    size_t size = orthsr_model_image_size(e->model);
    orthsr_image *image;
    orthsr_status status = orthsr_image_open(&image, s->image, (size_t)s->max_pixels.value, error);
    e->pixels = malloc(3 * size * size * sizeof *e->pixels);
    if (status == ORTHSR_OK && !e->pixels) status = failed(error, ORTHSR_ERROR_MEMORY, "out of memory for an image");
    if (status == ORTHSR_OK) status = orthsr_model_view(e->model, &e->view, image, error);
    if (status == ORTHSR_OK) status = orthsr_model_preprocess(e->model, e->pixels, image, error);
    orthsr_image_free(image);
    return status;
}

static orthsr_status open_all(explanation *e, orthsr_error *error) {
    const settings *s = e->settings;
    orthsr_status status = output_check(s->out, error);
    if (status == ORTHSR_OK) status = open_model(&e->model, s->model, s, error);
    if (status == ORTHSR_OK) status = open_stack(&e->stack, e->model, s, error);
    if (status == ORTHSR_OK) status = s->classes_file ? names_of_file(e, s->classes_file, error) : names_of_data(e, error);
    if (status == ORTHSR_OK && s->class_name) status = find_class(e, s->class_name, error);
    if (status == ORTHSR_OK) status = open_image(e, error);
    if (status != ORTHSR_OK) return status;
    e->grid = orthsr_model_image_size(e->model) / orthsr_model_patch_size(e->model);
    e->map = calloc(e->grid * e->grid, sizeof *e->map);
    e->class_maps = calloc(likeliest(e) * e->grid * e->grid, sizeof *e->class_maps);
    e->order = calloc(e->classes, sizeof *e->order);
    return e->map && e->class_maps && e->order ? ORTHSR_OK : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for a map");
}

/* ---- what the model says ---- */

/* Softmax of the logit scale times cosines with feature (embed), which becomes unit. */
static void classify(const explanation *e, opinion *o, float *feature) {
    size_t embed = orthsr_model_embed_dim(e->model);
    double most = -INFINITY, sum = 0;
    orthsr_features_normalize(feature, 1, embed);
    for (size_t c = 0; c < e->classes; c++) {
        double score = 0;
        for (size_t i = 0; i < embed; i++) score += (double)feature[i] * (double)o->classes[c * embed + i];
        o->probability[c] = (float)(score * (double)orthsr_model_logit_scale(e->model));
        most = fmax(most, (double)o->probability[c]);
    }
    for (size_t c = 0; c < e->classes; c++) sum += exp((double)o->probability[c] - most);
    for (size_t c = 0; c < e->classes; c++) o->probability[c] = (float)(exp((double)o->probability[c] - most) / sum);
}

/* n: how many of the stack's adapters are on. */
static orthsr_status ask(explanation *e, opinion *o, size_t n, orthsr_error *error) {
    size_t n_templates, embed = orthsr_model_embed_dim(e->model);
    const char *const *templates = templates_of(e->settings, &n_templates);
    float *feature = calloc(embed, sizeof *feature);
    o->classes = calloc(e->classes * embed, sizeof *o->classes);
    o->probability = calloc(e->classes, sizeof *o->probability);
    orthsr_status status = feature && o->classes && o->probability ? open_session(&o->session, e->model, e->stack, n, e->settings, error)
                                                                   : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu classes", e->classes);
    if (status == ORTHSR_OK)
        status = orthsr_session_encode_classes(o->session, o->classes, (const char *const *)e->names, e->classes, templates, n_templates, error);
    if (status == ORTHSR_OK) status = orthsr_session_encode_pixels(o->session, feature, e->pixels, 1, error);
    if (status == ORTHSR_OK) classify(e, o, feature);
    free(feature);
    return status;
}

/* Likeliest first; of equals the first in the list. */
static void sort(explanation *e) {
    const float *probability = last_opinion(e)->probability;
    for (size_t c = 0; c < e->classes; c++) {
        size_t at = c;
        for (; at > 0 && probability[e->order[at - 1]] < probability[c]; at--) e->order[at] = e->order[at - 1];
        e->order[at] = c;
    }
}

/* The map is the frozen model's, as in training. */
static orthsr_status locate(explanation *e, orthsr_error *error) {
    const gallery_cut cut = cut_of(e->settings);
    const float *feature = e->frozen.classes + e->shown * orthsr_model_embed_dim(e->model);
    orthsr_status status = cut.source == ORTHSR_CUTOUT_ATTENTION ? orthsr_session_attention(e->frozen.session, e->map, e->pixels, error)
                                                                 : orthsr_session_similarity(e->frozen.session, e->map, e->pixels, feature, error);
    for (size_t i = 0; i < likeliest(e) && status == ORTHSR_OK; i++)
        status = orthsr_session_similarity(e->frozen.session, e->class_maps + i * e->grid * e->grid, e->pixels,
                                           e->frozen.classes + e->order[i] * orthsr_model_embed_dim(e->model), error);
    return status == ORTHSR_OK ? orthsr_cutout_regions(e->regions, &e->holes, cut.holes, e->map, e->grid, cut.size, error) : status;
}

/* ---- reporting ---- */

static json_t *map_json(const explanation *e, const float *map) {
    json_t *rows = json_array();
    for (size_t i = 0; i < e->grid * e->grid; i++) {
        if (i % e->grid == 0) json_array_append_new(rows, json_array());
        json_array_append_new(json_array_get(rows, i / e->grid), json_real((double)map[i]));
    }
    return rows;
}

static json_t *result_json(const explanation *e) {
    json_t *object = json_object(), *classes = json_array(), *regions = json_array();
    for (size_t i = 0; i < likeliest(e); i++) {
        json_t *row = json_object();
        put_text(row, "class", e->names[e->order[i]]);
        put_number(row, "frozen", (double)e->frozen.probability[e->order[i]]);
        if (is_tuned(e)) put_number(row, "tuned", (double)e->tuned.probability[e->order[i]]);
        json_object_set_new(row, "map", map_json(e, e->class_maps + i * e->grid * e->grid));
        json_array_append_new(classes, row);
    }
    for (size_t i = 0; i < e->holes; i++) {
        json_t *region = json_object();
        put_count(region, "top", e->regions[i].top);
        put_count(region, "left", e->regions[i].left);
        put_count(region, "height", e->regions[i].height);
        put_count(region, "width", e->regions[i].width);
        json_array_append_new(regions, region);
    }
    put_text(object, "image", e->settings->image);
    put_text(object, "out", e->settings->out);
    put_text(object, "page", e->page);
    json_object_set_new(object, "classes", classes);
    put_text(object, "class", e->names[e->shown]);
    put_count(object, "patch_size", orthsr_model_patch_size(e->model));
    json_object_set_new(object, "map", map_json(e, e->map));
    json_object_set_new(object, "regions", regions);
    return object;
}

static int report(const explanation *e) {
    char name[1024];
    if (e->settings->json) return report_print(e->settings, result_json(e));
    printf(is_tuned(e) ? "%-32s %8s %8s\n" : "%-32s %8s\n", "percent", "frozen", "tuned");
    for (size_t i = 0; i < likeliest(e); i++) {
        size_t c = e->order[i];
        printf("%s %8.2f", report_column(name, sizeof name, e->names[c], 32), 100 * (double)e->frozen.probability[c]);
        if (is_tuned(e)) printf(" %8.2f", 100 * (double)e->tuned.probability[c]);
        putchar('\n');
    }
    printf("%s: where '%s' is seen; %s has all of it\n", e->settings->out, report_visible(name, sizeof name, e->names[e->shown]), e->page);
    return EXIT_SUCCESS;
}

/* "cat.html" beside "cat.png". */
static orthsr_status name_page(explanation *e, orthsr_error *error) {
    const char *out = e->settings->out;
    size_t n = strlen(out), stem = n > 4 && strcmp(out + n - 4, ".png") == 0 ? n - 4 : n;
    e->page = malloc(stem + sizeof ".html");
    if (!e->page) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for the name of a page");
    snprintf(e->page, stem + sizeof ".html", "%.*s.html", (int)stem, out);
    return output_check(e->page, error);
}

static orthsr_status write_page(const explanation *e, orthsr_error *error) {
    enum { SIDE = 224 }; /* pixels of a class's picture */
    picture maps[SHOWN] = {{0}};
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < likeliest(e) && status == ORTHSR_OK; i++)
        status = picture_make_map(&maps[i], SIDE, e->view, e->class_maps + i * e->grid * e->grid, e->grid, orthsr_model_patch_size(e->model), error);
    json_t *result = result_json(e);
    put_command(result, e->settings);
    put_text(result, "model", e->settings->model);
    if (status == ORTHSR_OK) status = explain_page_write(e->page, e->settings->out, maps, result, error);
    json_decref(result);
    for (size_t i = 0; i < SHOWN; i++) picture_free(&maps[i]);
    return status;
}

static orthsr_status write_files(const explanation *e, orthsr_error *error) {
    picture p;
    orthsr_status status =
        picture_make(&p, picture_large(orthsr_image_width(e->view)), e->view, e->map, e->grid, orthsr_model_patch_size(e->model), e->regions, e->holes, error);
    if (status == ORTHSR_OK) status = picture_write_png(e->settings->out, &p, error);
    picture_free(&p);
    return status == ORTHSR_OK ? write_page(e, error) : status;
}

static void close_opinion(opinion *o) {
    orthsr_session_free(o->session);
    free(o->classes);
    free(o->probability);
}

static void close_all(explanation *e) {
    close_opinion(&e->frozen);
    close_opinion(&e->tuned);
    for (size_t c = 0; e->names && c < e->classes; c++) free(e->names[c]);
    free(e->names);
    free(e->page);
    free(e->pixels);
    free(e->order);
    free(e->map);
    free(e->class_maps);
    orthsr_image_free(e->view);
    orthsr_dataset_free(e->dataset);
    free_stack(e->stack, e->settings->adapters.count);
    orthsr_model_free(e->model);
}

int command_explain(const settings *s) {
    orthsr_error error = {""};
    explanation e = {.settings = s};
    if (!s->data == !s->classes_file) return wrong_usage(s->command->name, "give one of --data and --classes-file");
    if (strlen(s->out) > 5 && strcmp(s->out + strlen(s->out) - 5, ".html") == 0)
        return wrong_usage(s->command->name, "--out names the picture, a .png; the page is written beside it");
    if (s->cutout_size.given && !(s->cutout_size.value > 0 && s->cutout_size.value <= 1)) return wrong_usage(s->command->name, "--cutout-size is in (0, 1]");
    if (s->cutout_holes.given && (s->cutout_holes.value < 1 || s->cutout_holes.value > MOST_HOLES))
        return wrong_usage(s->command->name, "--cutout-holes is 1 to %d", MOST_HOLES);
    orthsr_status status = name_page(&e, &error);
    if (status == ORTHSR_OK) status = open_all(&e, &error);
    if (status == ORTHSR_OK) status = ask(&e, &e.frozen, 0, &error);
    if (status == ORTHSR_OK && is_tuned(&e)) status = ask(&e, &e.tuned, s->adapters.count, &error);
    if (status == ORTHSR_OK) sort(&e);
    if (status == ORTHSR_OK && !s->class_name) e.shown = e.order[0];
    if (status == ORTHSR_OK) status = locate(&e, &error);
    if (status == ORTHSR_OK) status = write_files(&e, &error);
    int code = status == ORTHSR_OK ? report(&e) : give_up(s, &error);
    close_all(&e);
    return code;
}
