/* explain_page.c - the picture, the likeliest classes and the map as numbers. */
#include "explain_page.h"

#include <math.h>
#include <stdlib.h>

#include "chart.h"
#include "html.h"
#include "output.h"
#include "page.h"
#include "whole.h"

enum { MOST_GRID = 40 }; /* of a map that is written as a table */

static orthsr_status write_picture(FILE *f, const char *path, const json_t *result, orthsr_error *error) {
    size_t n;
    char *bytes;
    orthsr_status status = whole_read(&bytes, &n, NULL, path, error);
    if (status != ORTHSR_OK) return status;
    fputs("<figure>\n<img class=\"picture\" alt=\"The image as the network sees it, and the same under the map of ", f);
    html_text(f, string_of(result, "class"));
    fputs("; what attentive CutOut cuts is framed.\" src=\"", f);
    html_data_uri(f, "image/png", (const unsigned char *)bytes, n);
    fputs("\">\n<figcaption>Left: what the network sees. Right: by the frozen model, how much each patch speaks for ", f);
    html_name(f, string_of(result, "class"));
    fputs(": yellow most, blue least. Framed: what attentive CutOut cuts.</figcaption>\n</figure>\n", f);
    free(bytes);
    return ORTHSR_OK;
}

static void write_classes(FILE *f, const json_t *classes) {
    size_t i;
    json_t *row;
    int tuned = json_object_get(json_array_get(classes, 0), "tuned") != NULL;
    page_section(f, "classes", "Likeliest classes", tuned ? "Rings: before adaptation; dots: after it." : NULL);
    fprintf(
        f,
        "<div class=\"wide\"><table><caption>Probability in percent</caption><thead><tr><th class=\"text\" scope=\"col\">class</th><th scope=\"col\">%s</th>%s<th class=\"text drawn\" scope=\"col\">0 to 100</th></tr></thead><tbody>\n",
        tuned ? "before" : "frozen", tuned ? "<th scope=\"col\">after</th><th scope=\"col\">change</th>" : "");
    json_array_foreach(classes, i, row) {
        double before = number_of(row, "frozen"), after = number_of(row, "tuned");
        fputs("<tr><th scope=\"row\">", f);
        html_name(f, string_of(row, "class"));
        fputs("</th><td>", f);
        html_number(f, before, 100, 2);
        if (tuned) fputs("</td><td>", f), html_number(f, after, 100, 2);
        if (tuned) fputs("</td><td>", f), html_signed(f, after - before, 100, 2);
        fputs("</td><td class=\"text drawn\">", f);
        chart_write_change(f, before, after);
        fputs("</td></tr>\n", f);
    }
    fputs("</tbody></table></div>\n</section>\n", f);
}

/* Where the model sees each of the classes. */
static orthsr_status write_class_maps(FILE *f, const json_t *classes, const picture *maps, orthsr_error *error) {
    size_t i;
    json_t *row;
    orthsr_status status = ORTHSR_OK;
    page_section(f, "maps", "Where each of them is seen",
                 "How much each patch speaks for the class, by the frozen model: yellow most, blue least, each on a scale of its own.");
    fputs("<div class=\"shots\">\n", f);
    json_array_foreach(classes, i, row) {
        unsigned char *bytes = NULL;
        size_t n = 0;
        if (status == ORTHSR_OK) status = picture_jpeg(&bytes, &n, &maps[i], error);
        if (status != ORTHSR_OK) break;
        fputs("<figure><img alt=\"The image under the map of ", f);
        html_text(f, string_of(row, "class"));
        fputs("\" src=\"", f);
        html_data_uri(f, "image/jpeg", bytes, n);
        fputs("\"><figcaption><b>", f);
        html_name(f, string_of(row, "class"));
        fputs("</b></figcaption></figure>\n", f);
        free(bytes);
    }
    fputs("</div>\n</section>\n", f);
    return status;
}

static void write_map(FILE *f, const json_t *map, const json_t *regions) {
    size_t i, j, grid = json_array_size(map);
    json_t *row, *value, *region;
    double low = INFINITY, high = -INFINITY;
    json_array_foreach(map, i, row) {
        json_array_foreach(row, j, value) {
            low = fmin(low, json_number_value(value));
            high = fmax(high, json_number_value(value));
        }
    }
    page_section(f, "map", "What is cut", NULL);
    fprintf(f, "<p>%zu x %zu patches, from ", grid, grid);
    html_number(f, low, 1, 4);
    fputs(" to ", f);
    html_number(f, high, 1, 4);
    fputs(".</p>\n", f);
    json_array_foreach(regions, i, region) {
        double top = number_of(region, "top"), left = number_of(region, "left");
        fprintf(f, "<p>Cut: patch rows %.0f to %.0f, columns %.0f to %.0f.</p>\n", top + 1, top + number_of(region, "height"), left + 1,
                left + number_of(region, "width"));
    }
    if (grid <= MOST_GRID) {
        fputs("<details><summary>Numbers</summary>\n<div class=\"wide\" tabindex=\"0\"><table class=\"matrix\"><tbody>\n", f);
        json_array_foreach(map, i, row) {
            fputs("<tr>", f);
            json_array_foreach(row, j, value) {
                fprintf(f, "<td style=\"--p:%.3g\">", high > low ? (json_number_value(value) - low) / (high - low) : 0);
                html_number(f, json_number_value(value), 1, 3);
                fputs("</td>", f);
            }
            fputs("</tr>\n", f);
        }
        fputs("</tbody></table></div></details>\n", f);
    }
    fputs("</section>\n", f);
}

orthsr_status explain_page_write(const char *path, const char *picture_path, const picture *maps, const json_t *result, orthsr_error *error) {
    output_file out;
    orthsr_status status = output_open(&out, path, error);
    if (status != ORTHSR_OK) return status;
    FILE *f = out.stream;
    html_begin(f, html_file_name(string_of(result, "image")));
    fputs("<header>\n<h1>What the model sees in ", f);
    html_name(f, html_file_name(string_of(result, "image")));
    fputs("</h1>\n<p class=\"lead\">", f);
    html_name(f, string_of(result, "image"));
    fputs("</p>\n</header>\n<main>\n", f);
    status = write_picture(f, picture_path, result, error);
    write_classes(f, json_object_get(result, "classes"));
    if (status == ORTHSR_OK) status = write_class_maps(f, json_object_get(result, "classes"), maps, error);
    write_map(f, json_object_get(result, "map"), json_object_get(result, "regions"));
    page_section(f, "run", "This page", NULL);
    fputs("<h3>Command</h3>\n<pre>", f);
    html_name(f, string_of(result, "command"));
    fputs("</pre>\n</section>\n", f);
    html_end(f);
    if (status == ORTHSR_OK) return output_commit(&out, error);
    output_abandon(&out);
    return status;
}
