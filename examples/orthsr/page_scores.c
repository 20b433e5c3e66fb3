/* page_scores.c - Base, New and H, or the accuracy over all classes: before, after, and beside other methods where the result has them. */
#include "page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "html.h"

enum { MOST_ROWS = 64 };

typedef struct measure {
    const char *key, *name;
} measure;
static const measure measures[] = {{"base", "Base"}, {"new", "New"}, {"h", "H"}, {"accuracy", "Accuracy"}, {"average", "Average"}};
enum { MEASURES = sizeof measures / sizeof *measures };

/* A line of the table. */
typedef struct score_row {
    const char *name;
    const json_t *scores;
    int is_summary;
} score_row;

/* A measure that a row has as a number. */
static int is_measured(const score_row *rows, size_t n, size_t m) {
    for (size_t i = 0; i < n; i++)
        if (isfinite(number_of(rows[i].scores, measures[m].key))) return 1;
    return 0;
}

/* ---- rows ---- */

static size_t collect(score_row *rows, const json_t *r) {
    size_t n = 0, i;
    json_t *item;
    const json_t *zeroshot = json_object_get(r, "zeroshot"), *tuned = json_object_get(r, "tuned"), *methods = json_object_get(r, "methods"),
                 *results = json_object_get(r, "results");
    if (json_is_object(zeroshot)) rows[n++] = (score_row){"zero-shot", zeroshot, 0};
    if (json_is_object(tuned) && !methods) rows[n++] = (score_row){page_method(r), tuned, 0};
    json_array_foreach(methods, i, item) {
        if (n < MOST_ROWS - 4) rows[n++] = (score_row){string_of(item, "name"), item, 0};
    }
    json_array_foreach(results, i, item) {
        const char *adapter = string_of(item, "adapter");
        if (n < MOST_ROWS - 4) rows[n++] = (score_row){*adapter ? adapter : "the model", item, 0};
    }
    if (json_array_size(results) > 1) {
        rows[n++] = (score_row){"mean", json_object_get(r, "mean"), 1};
        rows[n++] = (score_row){"standard deviation", json_object_get(r, "sd"), 1};
    }
    if (results) rows[n++] = (score_row){"standard error of the test images", json_object_get(r, "standard_error"), 1};
    return n;
}

/* ---- several data sets: cross and domain ---- */

/* The results' "accuracy" is an array then, one for each of "data". */
static void write_several(const page *p, const score_row *rows, size_t n) {
    FILE *f = p->f;
    size_t i;
    json_t *item, *tests = json_object_get(p->result, "data");
    fputs(
        "<div class=\"wide\"><table><caption>Percent correct; the source is left out of the average</caption><thead><tr><th class=\"text\" scope=\"col\"></th>",
        f);
    json_array_foreach(tests, i, item) {
        fputs("<th scope=\"col\">", f);
        html_name(f, html_file_name(string_of(item, "data")));
        fprintf(f, "%s</th>", json_is_true(json_object_get(item, "source")) ? " (source)" : "");
    }
    fputs("<th scope=\"col\">average</th></tr></thead><tbody>\n", f);
    for (size_t k = 0; k < n; k++) {
        const json_t *accuracy = json_object_get(rows[k].scores, "accuracy");
        fprintf(f, "<tr%s><th scope=\"row\">", rows[k].is_summary ? " class=\"sum\"" : "");
        html_name(f, rows[k].name);
        fputs("</th>", f);
        json_array_foreach(accuracy, i, item) {
            fputs("<td>", f);
            html_number(f, json_number_value(item), 100, 2);
            fputs("</td>", f);
        }
        fputs("<td>", f);
        html_number(f, number_of(rows[k].scores, "average"), 100, 2);
        fputs("</td></tr>\n", f);
    }
    fputs("</tbody></table></div>\n", f);
}

/* ---- one data set ---- */

static void write_tiles(const page *p, const score_row *rows, size_t n) {
    const json_t *before = json_object_get(p->result, "zeroshot"), *after = json_object_get(p->result, "tuned");
    FILE *f = p->f;
    if (!json_is_object(before) || !json_is_object(after)) return;
    fputs("<div class=\"tiles\">\n", f);
    for (size_t m = 0; m < MEASURES; m++) {
        double was = number_of(before, measures[m].key), is = number_of(after, measures[m].key);
        if (!is_measured(rows, n, m)) continue;
        fprintf(f, "<div class=\"tile\"><span>%s, %%</span><b>", measures[m].name);
        html_number(f, is, 100, 2);
        fputs("</b><span>zero-shot ", f);
        html_number(f, was, 100, 2);
        fputs(", change ", f);
        html_signed(f, is - was, 100, 2);
        fputs("</span></div>\n", f);
    }
    fputs("</div>\n", f);
}

/* What the finite number of test images leaves open, for a bar: of base and new classes, or of all. */
static double standard_error(const json_t *result, const json_t *scores, size_t m) {
    const json_t *classes = json_object_get(result, "per_class");
    size_t n = json_array_size(classes), half = (n + 1) / 2;
    double items[2] = {0, 0}, value = number_of(scores, measures[m].key), base = number_of(scores, "base"), novel = number_of(scores, "new");
    for (size_t c = 0; c < n; c++) items[c >= half] += number_of(json_array_get(classes, c), "items");
    if (m == 0 || m == 1) return sqrt(value * (1 - value) / items[m]);
    if (m == 3) return sqrt(value * (1 - value) / (items[0] + items[1]));
    if (m != 2 || !(base + novel > 0)) return NAN;
    double of_base = sqrt(base * (1 - base) / items[0]), of_new = sqrt(novel * (1 - novel) / items[1]); /* dH/dbase = 2 new^2 / (base + new)^2 */
    return 2 * hypot(novel * novel * of_base, base * base * of_new) / ((base + novel) * (base + novel));
}

static colour colour_of(size_t row) { return row == 0 ? MUTED : (colour)(C1 + (row - 1) % CHART_SERIES); }

static void draw(const page *p, const score_row *rows, size_t n) {
    const char *names[MEASURES];
    size_t shown[MEASURES], count = 0, drawn = 0, dots = 0;
    double low = 1, high = 0;
    for (size_t i = 0; i < n; i++) dots += !rows[i].is_summary;
    for (size_t m = 0; m < 4; m++)
        if (is_measured(rows, n, m)) names[count] = measures[m].name, shown[count++] = m;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < count && !rows[i].is_summary; k++) {
            double value = number_of(rows[i].scores, measures[shown[k]].key), error = standard_error(p->result, rows[i].scores, shown[k]);
            if (!isfinite(value)) continue;
            low = fmin(low, value - (isfinite(error) ? error : 0));
            high = fmax(high, value + (isfinite(error) ? error : 0));
        }
    if (count == 0 || dots < 2) return;
    const axis x = {.label = "percent correct", .low = 100 * low, .high = 100 * high, .most = 100}, y = {.names = names, .name_count = count};
    chart *c = chart_new("Scores of each method with the standard error that the number of test images leaves; the table has the numbers.", 360,
                         50 + (double)count * fmax(34, 11 * (double)dots + 12), x, y);
    fputs("<figure>\n<ul class=\"key\">", p->f);
    for (size_t i = 0; i < n; i++)
        if (!rows[i].is_summary) chart_write_key(p->f, colour_of(i), rows[i].name);
    fputs("</ul>\n", p->f);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].is_summary) continue;
        double shift = ((double)drawn++ + 0.5) / (double)dots - 0.5;
        for (size_t k = 0; k < count; k++) {
            double value = number_of(rows[i].scores, measures[shown[k]].key), error = standard_error(p->result, rows[i].scores, shown[k]),
                   at = (double)k + 0.72 * shift;
            chart_segment(c, 100 * (value - error), at, 100 * (value + error), at, 1.6, colour_of(i));
            chart_dot(c, 100 * value, at, i > 0, colour_of(i));
        }
    }
    chart_write(c, p->f);
    fputs("<figcaption>Bars: the standard error that the number of test images leaves.</figcaption>\n</figure>\n", p->f);
}

static void write_table(const page *p, const score_row *rows, size_t n) {
    FILE *f = p->f;
    const json_t *first = json_object_get(p->result, "zeroshot");
    fputs("<div class=\"wide\"><table><caption>Percent correct on test images</caption><thead><tr><th class=\"text\" scope=\"col\"></th>", f);
    for (size_t m = 0; m < MEASURES; m++)
        if (is_measured(rows, n, m)) fprintf(f, "<th scope=\"col\">%s</th>", measures[m].name);
    fputs("</tr></thead><tbody>\n", f);
    for (size_t i = 0; i < n; i++) {
        fprintf(f, "<tr%s><th scope=\"row\">", rows[i].is_summary ? " class=\"sum\"" : "");
        html_name(f, rows[i].name);
        fputs("</th>", f);
        for (size_t m = 0; m < MEASURES; m++) {
            if (!is_measured(rows, n, m)) continue;
            fputs("<td>", f);
            html_number(f, number_of(rows[i].scores, measures[m].key), 100, 2);
            fputs("</td>", f);
        }
        fputs("</tr>\n", f);
    }
    const json_t *tuned = json_object_get(p->result, "tuned");
    if (json_is_object(first) && json_is_object(tuned)) {
        fprintf(f, "<tr class=\"sum\"><th scope=\"row\">change, %s</th>", page_method(p->result));
        for (size_t m = 0; m < MEASURES; m++) {
            if (!is_measured(rows, n, m)) continue;
            fputs("<td>", f);
            html_signed(f, number_of(tuned, measures[m].key) - number_of(first, measures[m].key), 100, 2);
            fputs("</td>", f);
        }
        fputs("</tr>\n", f);
    }
    fputs("</tbody></table></div>\n", f);
}

static void write_counts(const page *p) {
    const json_t *classes = json_object_get(p->result, "per_class");
    double items = 0;
    size_t n = json_array_size(classes);
    for (size_t c = 0; c < n; c++) items += number_of(json_array_get(classes, c), "items");
    if (n == 0) return;
    fprintf(p->f, "<p class=\"note\">%.0f test images of %zu classes.", items, n);
    if (isfinite(number_of(json_object_get(p->result, "zeroshot"), "h")) || isfinite(number_of(p->result, "h")))
        fprintf(p->f,
                " Base: the first %zu classes among themselves; New: the other %zu, which were not trained on, among themselves; H: the harmonic mean of both.",
                (n + 1) / 2, n / 2);
    fputs("</p>\n", p->f);
}

/* Means over several seeds, and the scores of each. */
static void write_seeds(const page *p) {
    FILE *f = p->f;
    const json_t *methods = json_object_get(p->result, "methods"), *seeds = json_object_get(p->result, "seeds");
    size_t i, s;
    json_t *method, *scores;
    if (json_array_size(seeds) < 2) return;
    fputs(
        "<details><summary>Every seed</summary>\n<div class=\"wide\"><table><thead><tr><th class=\"text\" scope=\"col\">method</th><th scope=\"col\">seed</th><th scope=\"col\">Base</th><th "
        "scope=\"col\">New</th><th scope=\"col\">H</th></tr></thead><tbody>\n",
        f);
    json_array_foreach(methods, i, method) {
        json_array_foreach(json_object_get(method, "per_seed"), s, scores) {
            fputs("<tr><th scope=\"row\">", f);
            html_name(f, string_of(method, "name"));
            fprintf(f, "</th><td>%" JSON_INTEGER_FORMAT "</td>", json_integer_value(json_array_get(seeds, s)));
            for (size_t m = 0; m < 3; m++) {
                fputs("<td>", f);
                html_number(f, number_of(scores, measures[m].key), 100, 2);
                fputs("</td>", f);
            }
            fputs("</tr>\n", f);
        }
    }
    fputs("</tbody></table></div></details>\n", f);
}

void page_scores(const page *p) {
    score_row rows[MOST_ROWS];
    size_t n = collect(rows, p->result);
    page_section(p->f, "scores", "Scores", NULL);
    if (n == 0) {
        fputs("<p>There are no test images: nothing was measured.</p>\n</section>\n", p->f);
        return;
    }
    write_counts(p);
    if (json_is_array(json_object_get(rows[n - 1].scores, "accuracy"))) {
        write_several(p, rows, n);
    } else {
        write_tiles(p, rows, n);
        fputs("<div class=\"charts\">\n", p->f);
        draw(p, rows, n);
        write_table(p, rows, n);
        fputs("</div>\n", p->f);
        write_seeds(p);
    }
    fputs("</section>\n", p->f);
}
