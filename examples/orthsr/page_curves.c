/* page_curves.c - log.jsonl as curves: the terms of the loss, the learning rate, how orthogonal the matrices stayed. */
#include "page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "html.h"
#include "output.h"

enum { STEP, LOSS, CE, KL, CE_CUT, KL_CUT, LR, ORTHOGONALITY, COLUMNS };
static const char *const keys[COLUMNS] = {"step", "loss", "ce", "kl", "ce_cut", "kl_cut", "lr", "orthogonality"};
static const char *const names[COLUMNS] = {"step", "loss", "CE", "KL", "CE, cut", "KL, cut", "learning rate", "defect"};

enum { MOST_POINTS = 240, MOST_ROWS = 25 }; /* of a curve, of the table */

typedef struct curves {
    double *columns[COLUMNS]; /* (count) each */
    size_t count, room;
} curves;

static void free_curves(curves *c) {
    for (size_t i = 0; i < COLUMNS; i++) free(c->columns[i]);
}

static int add(curves *c, const json_t *line) {
    if (c->count == c->room) {
        size_t room = 2 * c->room + 256;
        for (size_t i = 0; i < COLUMNS; i++) {
            double *grown = realloc(c->columns[i], room * sizeof *grown);
            if (!grown) return 0;
            c->columns[i] = grown;
        }
        c->room = room;
    }
    for (size_t i = 0; i < COLUMNS; i++) c->columns[i][c->count] = number_of(line, keys[i]);
    c->count++;
    return 1;
}

/* What cannot be read is no step. */
static void read_log(curves *c, const char *directory) {
    char *path = join_path(directory, "log.jsonl"), *line = NULL;
    size_t size = 0;
    FILE *f = path ? fopen(path, "rb") : NULL;
    while (f && getline(&line, &size, f) > 0) {
        json_t *object = json_loads(line, 0, NULL);
        int more = !json_is_object(object) || !isfinite(number_of(object, "step")) || add(c, object);
        json_decref(object);
        if (!more) break;
    }
    if (f) fclose(f);
    free(line);
    free(path);
}

/* A long run's columns become means over equal parts of it; *n points. NULL when out of memory. */
static double *thin(const curves *c, size_t column, size_t *n) {
    *n = c->count < MOST_POINTS ? c->count : MOST_POINTS;
    double *out = calloc(*n + 1, sizeof *out);
    for (size_t i = 0; out && i < *n; i++) {
        size_t first = i * c->count / *n, last = (i + 1) * c->count / *n;
        for (size_t k = first; k < last; k++) out[i] += c->columns[column][k] / (double)(last - first);
    }
    return out;
}

static int is_used(const curves *c, size_t column) {
    for (size_t i = 0; i < c->count; i++)
        if (c->columns[column][i] != 0 && isfinite(c->columns[column][i])) return 1;
    return 0;
}

/* One step alone is a dot. */
static void draw_column(chart *drawing, const double *steps, const double *values, size_t n, colour which) {
    if (n == 1) chart_dot(drawing, steps[0], values[0], 1, which);
    else chart_line(drawing, steps, values, n, which);
}

/* The columns first to last of one chart. */
static void draw(FILE *f, const curves *c, size_t first, size_t last, const char *title, const char *unit, int logarithmic, const char *what) {
    double low = INFINITY, high = -INFINITY;
    size_t n, used = 0;
    double *steps = thin(c, STEP, &n), *columns[COLUMNS] = {NULL};
    for (size_t i = first; i <= last; i++) {
        if (!is_used(c, i)) continue;
        used++;
        columns[i] = thin(c, i, &n);
        for (size_t k = 0; columns[i] && k < n; k++) {
            if (!isfinite(columns[i][k]) || (logarithmic && columns[i][k] <= 0)) continue;
            low = fmin(low, columns[i][k]);
            high = fmax(high, columns[i][k]);
        }
    }
    if (used > 0 && steps) {
        const axis x = {.label = "step", .low = steps[0], .high = steps[n - 1], .fixed = 1, .whole = 1};
        const axis y = {.label = unit, .low = logarithmic ? low : low < -0.01 * high ? low : 0, .high = high, .logarithmic = logarithmic};
        chart *drawing = chart_new(what, 360, 230, x, y);
        fprintf(f, "<figure><h3>%s</h3>\n", title);
        if (first != last) fputs("<ul class=\"key\">", f);
        for (size_t i = first; i <= last && first != last; i++)
            if (columns[i]) chart_write_key(f, i == LOSS ? INK : (colour)(C1 + i - CE), names[i]);
        if (first != last) fputs("</ul>\n", f);
        for (size_t i = last + 1; i-- > first;)
            if (columns[i]) draw_column(drawing, steps, columns[i], n, first == last ? C1 : i == LOSS ? INK : (colour)(C1 + i - CE));
        chart_write(drawing, f);
        fputs("</figure>\n", f);
    }
    for (size_t i = 0; i < COLUMNS; i++) free(columns[i]);
    free(steps);
}

static void write_table(FILE *f, const curves *c) {
    size_t rows = c->count < MOST_ROWS ? c->count : MOST_ROWS;
    fprintf(f, "<details><summary>Numbers</summary>\n<div class=\"wide\"><table><caption>%s</caption><thead><tr>",
            rows < c->count ? "Some of the steps; log.jsonl has all" : "Every step");
    for (size_t i = 0; i < COLUMNS; i++) fprintf(f, "<th scope=\"col\">%s</th>", names[i]);
    fputs("</tr></thead><tbody>\n", f);
    for (size_t r = 0; r < rows; r++) {
        size_t k = rows > 1 ? r * (c->count - 1) / (rows - 1) : 0;
        fprintf(f, "<tr><th scope=\"row\">%.0f</th>", c->columns[STEP][k]);
        for (size_t i = LOSS; i < COLUMNS; i++) {
            fputs("<td>", f);
            if (i < LR) html_number(f, c->columns[i][k], 1, 4);
            else html_short(f, c->columns[i][k]);
            fputs("</td>", f);
        }
        fputs("</tr>\n", f);
    }
    fputs("</tbody></table></div></details>\n", f);
}

void page_curves(const page *p) {
    curves c = {0};
    read_log(&c, p->directory);
    if (c.count > 0) {
        page_section(p->f, "training", "Training",
                     c.count > MOST_POINTS
                         ? "Means over equal parts of the run. CE: cross-entropy on the shots; KL: to the frozen model; cut: on images with holes."
                         : "Every step. CE: cross-entropy on the shots; KL: to the frozen model; cut: on images with holes.");
        fputs("<div class=\"charts level\">\n", p->f);
        draw(p->f, &c, LOSS, KL_CUT, "Loss", "nats", 0, "The loss and its terms over the steps.");
        draw(p->f, &c, LR, LR, "Learning rate", "of the optimizer", 0, "The learning rate over the steps.");
        draw(p->f, &c, ORTHOGONALITY, ORTHOGONALITY, "Orthogonality",
             "max |A\xe1\xb5\x80"
             "A \xe2\x88\x92 I|",
             1, "The largest entry of A transposed times A minus I over the steps, on a logarithmic scale.");
        fputs("</div>\n", p->f);
        write_table(p->f, &c);
        fputs("</section>\n", p->f);
    }
    free_curves(&c);
}
