/* page_classes.c - what became of every class, and which are taken for which. */
#include "page.h"

#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "html.h"

/* Classes of a matrix that is a table, of one that is drawn, of a table with drawings; and confusions listed. */
enum { MOST_TABLE = 20, MOST_MATRIX = 4096, MOST_DRAWN = 300, MOST_PAIRS = 15 };

typedef struct class_row {
    size_t number; /* from 1 */
    const char *name;
    double items, before, after;
} class_row;

/* Order: most gained first; without one of the two by the other. */
static double change(const class_row *r) { return isfinite(r->after - r->before) ? r->after - r->before : -INFINITY; }

static int compare_rows(const void *a, const void *b) {
    const class_row *x = a, *y = b;
    if (change(x) != change(y)) return change(x) > change(y) ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static class_row *read_rows(const json_t *classes) {
    size_t n = json_array_size(classes);
    class_row *rows = calloc(n + 1, sizeof *rows);
    for (size_t c = 0; rows && c < n; c++) {
        const json_t *object = json_array_get(classes, c);
        rows[c] = (class_row){c + 1, string_of(object, "class"), number_of(object, "items"), number_of(object, "zeroshot"), number_of(object, "tuned")};
    }
    return rows;
}

static int has(const class_row *rows, size_t n, int after) {
    for (size_t c = 0; c < n; c++)
        if (isfinite(after ? rows[c].after : rows[c].before)) return 1;
    return 0;
}

static void write_accuracies(FILE *f, class_row *rows, size_t n) {
    int before = has(rows, n, 0), after = has(rows, n, 1), both = before && after;
    qsort(rows, n, sizeof *rows, compare_rows);
    fprintf(
        f,
        "<div class=\"wide%s\"%s><table><caption>Percent of a class's test images that are told right%s</caption><thead><tr><th class=\"text\" scope=\"col\">class</th><th scope=\"col\">images</th>",
        n > 30 ? " tall" : "", n > 30 ? " tabindex=\"0\"" : "", both ? ", most gained first" : "");
    if (before) fputs("<th scope=\"col\">zero-shot</th>", f);
    if (after) fputs("<th scope=\"col\">tuned</th>", f);
    if (both) fputs("<th scope=\"col\">change</th>", f);
    if (n <= MOST_DRAWN) fputs("<th class=\"text drawn\" scope=\"col\">0 to 100</th>", f);
    fputs("</tr></thead><tbody>\n", f);
    for (size_t c = 0; c < n; c++) {
        fputs("<tr><th scope=\"row\">", f);
        html_name(f, rows[c].name);
        fputs("</th><td>", f);
        html_number(f, rows[c].items, 1, 0);
        if (before) fputs("</td><td>", f), html_number(f, rows[c].before, 100, 1);
        if (after) fputs("</td><td>", f), html_number(f, rows[c].after, 100, 1);
        if (both) {
            double by = rows[c].after - rows[c].before;
            fprintf(f, "</td><td%s>", by > 0 ? " class=\"up\"" : by < 0 ? " class=\"down\"" : "");
            html_signed(f, by, 100, 1);
        }
        if (n <= MOST_DRAWN) fputs("</td><td class=\"text drawn\">", f), chart_write_change(f, rows[c].before, rows[c].after);
        fputs("</td></tr>\n", f);
    }
    fputs("</tbody></table></div>\n", f);
}

/* ---- confusions ---- */

typedef struct pair {
    size_t truth, given;
    double before, after;
} pair;

/* counts (n, n) of [[truth, given, images], ...]; entries outside are passed over. NULL when there are none. */
static double *read_counts(const json_t *triples, size_t n) {
    size_t i;
    json_t *triple;
    double *counts = json_is_array(triples) && n <= MOST_MATRIX ? calloc(n * n + 1, sizeof *counts) : NULL;
    if (!counts) return NULL;
    json_array_foreach(triples, i, triple) {
        json_int_t t = json_integer_value(json_array_get(triple, 0)), g = json_integer_value(json_array_get(triple, 1));
        if (t >= 0 && g >= 0 && (size_t)t < n && (size_t)g < n) counts[(size_t)t * n + (size_t)g] += json_number_value(json_array_get(triple, 2));
    }
    return counts;
}

static void write_matrix(FILE *f, const char *title, const json_t *classes, const double *counts, size_t n) {
    fprintf(
        f,
        "<div class=\"wide\" tabindex=\"0\"><table class=\"matrix\"><caption>%s, in test images</caption><thead><tr><th class=\"text\" scope=\"col\">class</th>",
        title);
    for (size_t c = 0; c < n; c++) fprintf(f, "<th scope=\"col\">%zu</th>", c + 1);
    fputs("</tr></thead><tbody>\n", f);
    for (size_t t = 0; t < n; t++) {
        double items = number_of(json_array_get(classes, t), "items");
        fprintf(f, "<tr><th scope=\"row\">%zu ", t + 1);
        html_name(f, string_of(json_array_get(classes, t), "class"));
        fputs("</th>", f);
        for (size_t g = 0; g < n; g++) {
            double count = counts[t * n + g];
            fprintf(f, "<td style=\"--p:%.3g\">", items > 0 ? count / items : 0);
            if (count > 0) html_number(f, count, 1, 0);
            fputs("</td>", f);
        }
        fputs("</tr>\n", f);
    }
    fputs("</tbody></table></div>\n", f);
}

/* One pixel for each pair of classes: ink that covers as the root of the share, so that what is rare is seen; it stands on either theme's ground. */
static void write_heat(FILE *f, const char *title, const json_t *classes, const double *counts, size_t n) {
    uint8_t *pixels = calloc(n * n, 4), *file = NULL;
    png_alloc_size_t size = 0;
    png_image image = {.version = PNG_IMAGE_VERSION, .width = (png_uint_32)n, .height = (png_uint_32)n, .format = PNG_FORMAT_RGBA};
    for (size_t i = 0; pixels && i < n * n; i++) {
        double items = number_of(json_array_get(classes, i / n), "items"), share = items > 0 ? counts[i] / items : 0;
        const uint8_t ink[4] = {0x2f, 0x86, 0xc8, (uint8_t)lround(255 * sqrt(fmin(share, 1)))};
        memcpy(pixels + 4 * i, ink, 4);
    }
    if (pixels && png_image_write_to_memory(&image, NULL, &size, 0, pixels, 0, NULL)) file = malloc(size);
    if (file && png_image_write_to_memory(&image, file, &size, 0, pixels, 0, NULL)) {
        fprintf(
            f,
            "<figure><h3>%s</h3>\n<img class=\"heat\" width=\"%zu\" height=\"%zu\" alt=\"Confusions between %zu classes; the most frequent are in the table.\" src=\"",
            title, n, n, n);
        html_data_uri(f, "image/png", file, size);
        fputs("\">\n</figure>\n", f);
    }
    free(file);
    free(pixels);
}

static int compare_pairs(const void *a, const void *b) {
    const pair *x = a, *y = b;
    double p = fmax(x->before, x->after), q = fmax(y->before, y->after);
    if (p != q) return p > q ? -1 : 1;
    return x->truth != y->truth ? (x->truth > y->truth) - (x->truth < y->truth) : (x->given > y->given) - (x->given < y->given);
}

static void write_pairs(FILE *f, const json_t *classes, const double *before, const double *after, size_t n) {
    size_t count = 0;
    pair *pairs = calloc(n * n + 1, sizeof *pairs);
    for (size_t i = 0; pairs && i < n * n; i++) {
        double was = before ? before[i] : 0, is = after ? after[i] : 0;
        if (i / n != i % n && was + is > 0) pairs[count++] = (pair){i / n, i % n, was, is};
    }
    if (count > 0) qsort(pairs, count, sizeof *pairs, compare_pairs);
    if (count > 0) {
        fputs(
            "<div class=\"wide\"><table><caption>Most frequent confusions, in test images</caption><thead><tr><th class=\"text\" scope=\"col\">is</th><th class=\"text\" scope=\"col\">taken for</th>",
            f);
        if (before) fputs("<th scope=\"col\">zero-shot</th>", f);
        if (after) fputs("<th scope=\"col\">tuned</th>", f);
        fputs("</tr></thead><tbody>\n", f);
    }
    for (size_t i = 0; i < count && i < MOST_PAIRS; i++) {
        fputs("<tr><th scope=\"row\">", f);
        html_name(f, string_of(json_array_get(classes, pairs[i].truth), "class"));
        fputs("</th><td class=\"text\">", f);
        html_name(f, string_of(json_array_get(classes, pairs[i].given), "class"));
        if (before) fputs("</td><td>", f), html_number(f, pairs[i].before, 1, 0);
        if (after) fputs("</td><td>", f), html_number(f, pairs[i].after, 1, 0);
        fputs("</td></tr>\n", f);
    }
    if (count > 0) fputs("</tbody></table></div>\n", f);
    free(pairs);
}

/* The second column of the section of classes, and a section of matrices. */
static void write_confusions(FILE *f, const json_t *classes, const json_t *confusion, size_t n) {
    double *before = read_counts(json_object_get(confusion, "zeroshot"), n), *after = read_counts(json_object_get(confusion, "tuned"), n);
    fputs("<div>", f);
    if (before || after) write_pairs(f, classes, before, after, n);
    fputs("</div>\n</div>\n</section>\n", f);
    if (before || after) {
        page_section(f, "confusions", "Confusions", "Rows are what an image is, columns what it was taken for, in the data set&#39;s order.");
        fputs("<div class=\"columns\">\n", f);
        if (before && n <= MOST_TABLE) write_matrix(f, "Zero-shot", classes, before, n);
        else if (before) write_heat(f, "Zero-shot", classes, before, n);
        if (after && n <= MOST_TABLE) write_matrix(f, "Tuned", classes, after, n);
        else if (after) write_heat(f, "Tuned", classes, after, n);
        fputs("</div>\n</section>\n", f);
    }
    free(before);
    free(after);
}

void page_classes(const page *p) {
    const json_t *classes = json_object_get(p->result, "per_class");
    size_t n = json_array_size(classes);
    class_row *rows = n > 0 ? read_rows(classes) : NULL;
    if (!rows) return;
    page_section(p->f, "classes", "Classes", NULL);
    fputs("<div class=\"columns\">\n<div>", p->f);
    write_accuracies(p->f, rows, n);
    fputs("</div>\n", p->f);
    write_confusions(p->f, classes, json_object_get(p->result, "confusion"), n);
    free(rows);
}
