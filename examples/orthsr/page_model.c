/* page_model.c - what training did to the model: how far it turned, and where; and the images that it learned from. */
#include "page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "html.h"
#include "output.h"

/* ---- rotations ---- */

enum { LEAST, P5, P25, MEDIAN, P75, P95, GREATEST, PARTS }; /* of "degrees": rotation.h */
enum { MOST_LAYERS = 256, MAPS = CHART_SERIES };

/* One target, by its name: "image.0.fc1". */
typedef struct turned {
    const json_t *object;
    char tower[16], map[16];
    size_t layer;
} turned;

static const char *const map_names[MAPS] = {"fc1", "fc2", "q", "k", "v", "out"};

static size_t map_index(const turned *t) {
    for (size_t i = 0; i < MAPS; i++)
        if (strcmp(map_names[i], t->map) == 0) return i;
    return 0;
}

static turned *read_turned(const json_t *rotations) {
    size_t n = json_array_size(rotations);
    turned *all = calloc(n + 1, sizeof *all);
    for (size_t i = 0; all && i < n; i++) {
        all[i].object = json_array_get(rotations, i);
        if (sscanf(string_of(all[i].object, "target"), "%15[a-z].%zu.%15[a-z0-9]", all[i].tower, &all[i].layer, all[i].map) != 3 || all[i].layer >= MOST_LAYERS)
            all[i] = (turned){.object = all[i].object, .tower = "other", .layer = i % MOST_LAYERS, .map = "fc1"};
    }
    return all;
}

static double degrees_of(const turned *t, size_t part) {
    const json_t *value = json_array_get(json_object_get(t->object, "degrees"), part);
    return value ? json_number_value(value) : NAN;
}

static double relative_change(const turned *t) {
    double before = number_of(t->object, "energy_before"), after = number_of(t->object, "energy_after");
    return (after - before) / before;
}

/* The layers of a tower and which maps it has. */
static size_t layers_of(const turned *all, size_t n, const char *tower, int *maps) {
    size_t layers = 0;
    memset(maps, 0, MAPS * sizeof *maps);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].tower, tower) != 0) continue;
        maps[map_index(&all[i])] = 1;
        if (all[i].layer + 1 > layers) layers = all[i].layer + 1;
    }
    return layers;
}

/* Beside the layer's place, so that maps do not hide one another. */
static double beside(size_t map, const int *maps) {
    size_t count = 0, before = 0;
    for (size_t i = 0; i < MAPS; i++) {
        count += maps[i] != 0;
        before += i < map && maps[i];
    }
    return 0.7 * (((double)before + 0.5) / (double)count - 0.5);
}

static chart *new_tower_chart(FILE *f, const char *what, const char *title, const char *tower, size_t layers, const int *maps, const axis *y) {
    static char numbers[MOST_LAYERS][24];
    const char *names[MOST_LAYERS];
    char heading[64];
    for (size_t i = 0; i < layers; i++) {
        snprintf(numbers[i], sizeof numbers[i], "%zu", i);
        names[i] = numbers[i];
    }
    const axis x = {.label = "layer", .names = names, .name_count = layers};
    snprintf(heading, sizeof heading, "%s, %s tower", title, tower);
    fputs("<figure><h3>", f);
    html_text(f, heading);
    fputs("</h3>\n<ul class=\"key\">", f);
    for (size_t i = 0; i < MAPS; i++)
        if (maps[i]) chart_write_key(f, (colour)(C1 + i), map_names[i]);
    fputs("</ul>\n", f);
    return chart_new(what, 360, 230, x, *y);
}

static void draw_angles(FILE *f, const turned *all, size_t n, const char *tower, double greatest) {
    int maps[MAPS];
    size_t layers = layers_of(all, n, tower, maps);
    if (layers == 0) return;
    const axis y = {.label = "degrees", .low = 0, .high = greatest};
    chart *c = new_tower_chart(f, "The angles by which the matrices of each layer turn: median, middle half, and from 5 to 95 per cent.", "Angles", tower,
                               layers, maps, &y);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].tower, tower) != 0) continue;
        size_t map = map_index(&all[i]);
        double x = (double)all[i].layer + beside(map, maps);
        chart_segment(c, x, degrees_of(&all[i], P5), x, degrees_of(&all[i], P95), 1.2, (colour)(C1 + map));
        chart_segment(c, x, degrees_of(&all[i], P25), x, degrees_of(&all[i], P75), 4, (colour)(C1 + map));
        chart_dot(c, x, degrees_of(&all[i], MEDIAN), 0, (colour)(C1 + map));
    }
    chart_write(c, f);
    fputs("</figure>\n", f);
}

static void draw_energy(FILE *f, const turned *all, size_t n, const char *tower, double low, double high) {
    int maps[MAPS];
    size_t layers = layers_of(all, n, tower, maps);
    if (layers == 0) return;
    const axis y = {.label = "mean of 1 / distance", .low = low, .high = high};
    chart *c = new_tower_chart(f, "The hyperspherical energy of each map's neurons before training, rings, and after it, dots.", "Hyperspherical energy", tower,
                               layers, maps, &y);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].tower, tower) != 0) continue;
        size_t map = map_index(&all[i]);
        double x = (double)all[i].layer + beside(map, maps), before = number_of(all[i].object, "energy_before"),
               after = number_of(all[i].object, "energy_after");
        chart_segment(c, x, before, x, after, 1.6, (colour)(C1 + map));
        chart_dot(c, x, after, 1, (colour)(C1 + map));
        chart_dot(c, x, before, 0, (colour)(C1 + map));
    }
    chart_write(c, f);
    fputs("</figure>\n", f);
}

static void write_rotation_table(FILE *f, const turned *all, size_t n, int angles) {
    fprintf(
        f,
        "<details><summary>Numbers</summary>\n<div class=\"wide%s\"%s><table><caption>%sHyperspherical energy of the neurons</caption><thead><tr><th class=\"text\" scope=\"col\">map</th><th scope=\"col\">features</th><th scope=\"col\">blocks</th>",
        n > 30 ? " tall" : "", n > 30 ? " tabindex=\"0\"" : "", angles ? "Angles in degrees. " : "");
    if (angles)
        fputs(
            "<th scope=\"col\">least</th><th scope=\"col\">5 %</th><th scope=\"col\">25 %</th><th scope=\"col\">median</th><th scope=\"col\">75 %</th><th scope=\"col\">95 %</th><th scope=\"col\">greatest</th>",
            f);
    fputs("<th scope=\"col\">energy before</th><th scope=\"col\">after</th><th scope=\"col\">relative change</th></tr></thead><tbody>\n", f);
    for (size_t i = 0; i < n; i++) {
        fputs("<tr><th scope=\"row\">", f);
        html_name(f, string_of(all[i].object, "target"));
        fputs("</th><td>", f);
        html_number(f, number_of(all[i].object, "features"), 1, 0);
        fputs("</td><td>", f);
        html_number(f, number_of(all[i].object, "blocks"), 1, 0);
        for (size_t k = 0; k < PARTS && angles; k++) {
            fputs("</td><td>", f);
            html_number(f, degrees_of(&all[i], k), 1, 3);
        }
        fputs("</td><td>", f);
        html_number(f, number_of(all[i].object, "energy_before"), 1, 6);
        fputs("</td><td>", f);
        html_number(f, number_of(all[i].object, "energy_after"), 1, 6);
        fputs("</td><td>", f);
        html_short(f, relative_change(&all[i]));
        fputs("</td></tr>\n", f);
    }
    fputs("</tbody></table></div></details>\n", f);
}

void page_rotations(const page *p) {
    static const char *const towers[] = {"image", "text", "other"};
    const json_t *rotations = json_object_get(p->result, "rotations");
    size_t n = json_array_size(rotations), furthest = 0;
    turned *all = n > 0 ? read_turned(rotations) : NULL;
    double greatest = 0, p95 = 0, low = INFINITY, high = -INFINITY, change = 0;
    FILE *f = p->f;
    if (!all) return;
    for (size_t i = 0; i < n; i++) {
        double before = number_of(all[i].object, "energy_before"), after = number_of(all[i].object, "energy_after");
        if (degrees_of(&all[i], GREATEST) > greatest) greatest = degrees_of(&all[i], GREATEST), furthest = i;
        if (degrees_of(&all[i], P95) > p95) p95 = degrees_of(&all[i], P95);
        if (!isfinite(before) || !isfinite(after)) continue;
        low = fmin(low, fmin(before, after));
        high = fmax(high, fmax(before, after));
        change = fmax(change, fabs(relative_change(&all[i])));
    }
    page_section(f, "rotation", "How far the model turned", NULL);
    fputs("<p>", f);
    if (greatest > 0) {
        fputs("Each orthogonal matrix A turns planes by angles between 0 and 180 degrees. The widest is ", f);
        html_number(f, greatest, 1, 2);
        fputs(" degrees, in ", f);
        html_name(f, string_of(all[furthest].object, "target"));
        fputs(". Bars: the middle half; lines: from 5 to 95 per cent; rings: the median. ", f);
    } else if (json_is_null(json_object_get(all[0].object, "degrees"))) {
        fputs("The matrices of this run are not orthogonal and have no angles. ", f);
    }
    if (low <= high) {
        fputs("The hyperspherical energy of a map's neurons tells how evenly their directions are spread; the largest relative change is ", f);
        html_short(f, change);
        fputs(".", f);
    }
    fputs("</p>\n<div class=\"charts pairs\">\n", f);
    for (size_t t = 0; t < 3 && greatest > 0; t++) draw_angles(f, all, n, towers[t], p95);
    for (size_t t = 0; t < 3 && low <= high; t++) draw_energy(f, all, n, towers[t], low, high);
    fputs("</div>\n", f);
    write_rotation_table(f, all, n, greatest > 0);
    fputs("</section>\n", f);
    free(all);
}

/* ---- shots ---- */

enum { MOST_BYTES = 65536 }; /* of one picture */

/* A file's bytes in fresh memory; NULL when it cannot be read, is empty or has more than `most`. */
static unsigned char *read_bytes(const char *path, size_t most, size_t *n) {
    FILE *f = fopen(path, "rb");
    unsigned char *bytes = f ? malloc(most + 1) : NULL;
    *n = bytes ? fread(bytes, 1, most + 1, f) : 0;
    if (f) fclose(f);
    if (*n > 0 && *n <= most) return bytes;
    free(bytes);
    return NULL;
}

/* Names lead nowhere else: "shots/NNN.jpg". */
static unsigned char *read_picture(const char *directory, const char *name, size_t *n) {
    char expected[32];
    unsigned number;
    if (sscanf(name, "shots/%3u.jpg", &number) != 1) return NULL;
    snprintf(expected, sizeof expected, "shots/%03u.jpg", number);
    char *path = strcmp(name, expected) == 0 ? join_path(directory, name) : NULL;
    unsigned char *bytes = path ? read_bytes(path, MOST_BYTES, n) : NULL;
    free(path);
    return bytes;
}

/* "; framed: patch rows 3 to 5, columns 1 to 3" */
static void write_regions(FILE *f, const json_t *regions) {
    size_t i;
    json_t *r;
    json_array_foreach(regions, i, r) {
        json_int_t top = json_integer_value(json_array_get(r, 0)), left = json_integer_value(json_array_get(r, 1)),
                   height = json_integer_value(json_array_get(r, 2)), width = json_integer_value(json_array_get(r, 3));
        fprintf(f, "; %s patch rows %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT ", columns %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT,
                i == 0 ? "framed:" : "and", top + 1, top + height, left + 1, left + width);
    }
}

void page_shots(const page *p) {
    const json_t *shots = json_object_get(p->result, "shots");
    size_t shown = json_array_size(shots), of = json_array_size(json_object_get(p->result, "items"));
    const char *cutout = string_of(p->result, "cutout");
    FILE *f = p->f;
    if (shown == 0) return;
    page_section(f, "shots", "The images it learned from", NULL);
    fprintf(
        f,
        "<p>%zu of %zu. On the left what the network sees; on the right the same under the frozen model&#39;s map of the image&#39;s class: yellow patches speak most for it, blue ones least. Framed: %s.</p>\n<div class=\"shots\">\n",
        shown, of > shown ? of : shown,
        strcmp(cutout, "attentive") == 0 ? "what attentive CutOut cuts" : "what attentive CutOut would cut; this run did not use it");
    for (size_t i = 0; i < shown; i++) {
        const json_t *shot = json_array_get(shots, i);
        size_t n = 0;
        unsigned char *bytes = read_picture(p->directory, string_of(shot, "file"), &n);
        fputs("<figure>", f);
        if (bytes) {
            fputs("<img alt=\"", f);
            html_text(f, string_of(shot, "class"));
            fputs(", as it is and under the map", f);
            write_regions(f, json_object_get(shot, "regions"));
            fputs("\" src=\"", f);
            html_data_uri(f, "image/jpeg", bytes, n);
            fputs("\">", f);
        }
        fputs("<figcaption><b>", f);
        html_name(f, string_of(shot, "class"));
        fputs("</b>", f);
        html_name(f, html_file_name(string_of(shot, "item")));
        fputs("</figcaption></figure>\n", f);
        free(bytes);
    }
    fputs("</div>\n</section>\n", f);
}
