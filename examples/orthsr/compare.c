/* compare.c - `orthsr report`: a run's page written anew from its files, or several runs on one page.
 *
 * Runs that differ in nothing but seed and directory are one line with mean and deviation; what the other options differ in is the line's name.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "commands.h"
#include "html.h"
#include "output.h"
#include "page.h"
#include "report.h"

enum { MEASURES = 4, MOST_GROUPS = 40 };
static const char *const keys[MEASURES] = {"base", "new", "h", "accuracy"};
static const char *const names[MEASURES] = {"Base", "New", "H", "Accuracy"};

/* Some runs, and what they have in common. */
typedef struct group {
    char *name;
    json_t *options; /* without seed and what changes no result */
    size_t *runs;    /* (count) of the comparison's */
    size_t count;
    double mean[MEASURES], deviation[MEASURES];
} group;

typedef struct comparison {
    const list *paths;
    json_t **results; /* (paths->count) */
    group *groups;    /* (group_count); 0: zero-shot */
    size_t group_count;
} comparison;

/* ---- grouping ---- */

/* What tells one way of training from another: options without those that say where, how fast and with which seed. */
static json_t *telling_options(const json_t *result) {
    static const char *const silent[] = {"seed", "out", "threads", "memory-budget", "strict", "no-map", "max-pixels", "checkpoint-every", "adapter", "against"};
    json_t *options = json_deep_copy(json_object_get(result, "options"));
    if (!options) options = json_object();
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) json_object_del(options, silent[i]);
    return options;
}

/* The scores of what the run made, or of the model before it. */
static const json_t *scores_of(const json_t *result, int before) {
    const json_t *scores = json_object_get(result, before ? "zeroshot" : "tuned");
    return json_is_object(scores) ? scores : before ? NULL : result; /* of evaluate: the first adapter's */
}

static void average(group *g, const comparison *c, int before) {
    for (size_t m = 0; m < MEASURES; m++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < g->count; i++) sum += number_of(scores_of(c->results[g->runs[i]], before), keys[m]) / (double)g->count;
        for (size_t i = 0; i < g->count; i++) squares += pow(number_of(scores_of(c->results[g->runs[i]], before), keys[m]) - sum, 2) / (double)g->count;
        g->mean[m] = sum;
        g->deviation[m] = sqrt(squares);
    }
    if (isfinite(g->mean[0]) && isfinite(g->mean[1])) g->mean[2] = orthsr_harmonic_mean(g->mean[0], g->mean[1]); /* of the means, as papers have it */
}

static group *add_group(comparison *c, json_t *options) {
    group *g = &c->groups[c->group_count];
    *g = (group){.options = options, .runs = calloc(c->paths->count, sizeof *g->runs)};
    if (!g->runs) return NULL;
    c->group_count++;
    return g;
}

static int make_groups(comparison *c) {
    c->groups = calloc(c->paths->count + 1, sizeof *c->groups);
    group *frozen = c->groups ? add_group(c, NULL) : NULL;
    if (!frozen) return 0;
    for (size_t i = 0; i < c->paths->count; i++) {
        json_t *options = telling_options(c->results[i]);
        size_t k = 1;
        while (k < c->group_count && !json_equal(c->groups[k].options, options)) k++;
        group *g = k < c->group_count ? &c->groups[k] : add_group(c, options);
        if (!g || g->options != options) json_decref(options); /* the group has such options already */
        if (!g) return 0;
        g->runs[g->count++] = i;
        if (scores_of(c->results[i], 1)) c->groups[0].runs[c->groups[0].count++] = i;
    }
    return 1;
}

/* Whether all groups have this option with one value. */
static int is_common(const comparison *c, const char *key) {
    for (size_t k = 2; k < c->group_count; k++) {
        const json_t *a = json_object_get(c->groups[1].options, key), *b = json_object_get(c->groups[k].options, key);
        if (a != b && !(a && b && json_equal(a, b))) return 0;
    }
    return 1;
}

static void write_option(FILE *f, const char *key, const json_t *value) {
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    if (json_is_true(value)) fputs(key, f);
    else if (json_is_real(value)) fprintf(f, "%s %g", key, json_real_value(value));
    else fprintf(f, "%s %s", key, json_is_string(value) ? json_string_value(value) : text ? text : "");
    free(text);
}

/* "kl-weight 0, cutout off"; where nothing differs, the method. */
static char *group_name(const comparison *c, const group *g) {
    char *name = NULL;
    size_t size, n = 0;
    const char *key;
    json_t *value;
    FILE *f = open_memstream(&name, &size);
    if (!f) return NULL;
    json_object_foreach(g->options, key, value) {
        if (is_common(c, key)) continue;
        if (n++ > 0) fputs(", ", f);
        write_option(f, key, value);
    }
    if (n == 0) fputs(c->group_count > 2 ? "defaults" : page_method(c->results[g->runs[0]]), f);
    fclose(f);
    return name;
}

/* ---- the page ---- */

static int is_measured(const comparison *c, size_t m) {
    for (size_t k = 0; k < c->group_count; k++)
        if (c->groups[k].count > 0 && isfinite(c->groups[k].mean[m])) return 1;
    return 0;
}

static void write_group(FILE *f, const comparison *c, const group *g, int best) {
    fprintf(f, "<tr%s><th scope=\"row\">", best ? " class=\"best\"" : g == c->groups ? " class=\"sum\"" : "");
    html_name(f, g->name);
    fprintf(f, "</th><td>%zu</td>", g->count);
    for (size_t m = 0; m < MEASURES; m++) {
        if (!is_measured(c, m)) continue;
        fputs("<td>", f);
        html_number(f, g->mean[m], 100, 2);
        if (g->count > 1 && isfinite(g->deviation[m])) {
            fputs(" <span class=\"sd\">\xc2\xb1 ", f);
            html_number(f, g->deviation[m], 100, 2);
            fputs("</span>", f);
        }
        fputs("</td>", f);
    }
    fputs("</tr>\n", f);
}

static size_t best_group(const comparison *c) {
    size_t m = is_measured(c, 2) ? 2 : 3, best = 0;
    for (size_t k = 1; k < c->group_count; k++)
        if (isfinite(c->groups[k].mean[m]) && (best == 0 || c->groups[k].mean[m] > c->groups[best].mean[m])) best = k;
    return best;
}

static void write_table(FILE *f, const comparison *c) {
    size_t best = best_group(c);
    fputs(
        "<div class=\"wide\"><table><caption>Percent correct on test images: mean over runs \xc2\xb1 standard deviation; H of the mean Base and the mean New</caption><thead><tr><th class=\"text\" "
        "scope=\"col\"></th><th scope=\"col\">runs</th>",
        f);
    for (size_t m = 0; m < MEASURES; m++)
        if (is_measured(c, m)) fprintf(f, "<th scope=\"col\">%s</th>", names[m]);
    fputs("</tr></thead><tbody>\n", f);
    for (size_t k = 0; k < c->group_count; k++)
        if (c->groups[k].count > 0) write_group(f, c, &c->groups[k], k == best && c->group_count > 2);
    fputs("</tbody></table></div>\n", f);
}

/* One measure: a line for each group, a small dot for each run. */
static void draw(FILE *f, const comparison *c, size_t m) {
    const char *labels[MOST_GROUPS];
    size_t shown[MOST_GROUPS], n = 0;
    double low = 1, high = 0;
    for (size_t k = 0; k < c->group_count && n < MOST_GROUPS; k++) {
        const group *g = &c->groups[k];
        if (g->count == 0 || !isfinite(g->mean[m])) continue;
        labels[n] = g->name;
        shown[n++] = k;
        low = fmin(low, g->mean[m] - g->deviation[m]);
        high = fmax(high, g->mean[m] + g->deviation[m]);
        for (size_t i = 0; i < g->count && k > 0; i++) {
            double value = number_of(scores_of(c->results[g->runs[i]], 0), keys[m]);
            low = fmin(low, value);
            high = fmax(high, value);
        }
    }
    if (n == 0) return;
    const axis x = {.label = "percent correct", .low = 100 * low, .high = 100 * high, .most = 100}, y = {.names = labels, .name_count = n};
    chart *drawing = chart_new("Means and standard deviations of the ways of training; the table has the numbers.", 400, 48 + 26 * (double)n, x, y);
    fprintf(f, "<figure><h3>%s</h3>\n", names[m]);
    for (size_t i = 0; i < n; i++) {
        const group *g = &c->groups[shown[i]];
        colour which = shown[i] == 0 ? MUTED : (colour)(C1 + (shown[i] - 1) % CHART_SERIES);
        chart_segment(drawing, 100 * (g->mean[m] - g->deviation[m]), (double)i, 100 * (g->mean[m] + g->deviation[m]), (double)i, 2, which);
        for (size_t r = 0; r < g->count && shown[i] > 0 && g->count > 1; r++)
            chart_dot(drawing, 100 * number_of(scores_of(c->results[g->runs[r]], 0), keys[m]), (double)i + 0.22, 0, which);
        chart_dot(drawing, 100 * g->mean[m], (double)i, shown[i] > 0, which);
    }
    chart_write(drawing, f);
    fputs("</figure>\n", f);
}

static void write_run(FILE *f, const comparison *c, size_t i) {
    const json_t *r = c->results[i], *scores = scores_of(r, 0);
    fputs("<tr><th scope=\"row\">", f);
    html_name(f, c->paths->items[i]);
    fputs("</th><td>", f);
    html_number(f, number_of(r, "seed"), 1, 0);
    for (size_t m = 0; m < MEASURES; m++)
        if (is_measured(c, m)) fputs("</td><td>", f), html_number(f, number_of(scores, keys[m]), 100, 2);
    fputs("</td><td class=\"more\">", f);
    html_number(f, number_of(r, "parameters"), 1, 0);
    fputs("</td><td class=\"more\">", f);
    html_number(f, number_of(r, "steps"), 1, 0);
    fputs("</td><td class=\"more\">", f);
    html_number(f, number_of(r, "last_loss"), 1, 4);
    fputs("</td><td class=\"more\">", f);
    html_short(f, number_of(r, "orthogonality"));
    fputs("</td><td class=\"more\">", f);
    html_number(f, number_of(r, "seconds"), 1, 1);
    fputs("</td></tr>\n", f);
}

static void write_runs(FILE *f, const comparison *c) {
    page_section(f, "runs", "Every run", NULL);
    fputs("<div class=\"wide\"><table><thead><tr><th class=\"text\" scope=\"col\">directory</th><th scope=\"col\">seed</th>", f);
    for (size_t m = 0; m < MEASURES; m++)
        if (is_measured(c, m)) fprintf(f, "<th scope=\"col\">%s</th>", names[m]);
    fputs(
        "<th class=\"more\" scope=\"col\">parameters</th><th class=\"more\" scope=\"col\">steps</th><th class=\"more\" scope=\"col\">last loss</th><th class=\"more\" scope=\"col\">defect</th><th class=\"more\" scope=\"col\">seconds</th></tr></thead><tbody>\n",
        f);
    for (size_t i = 0; i < c->paths->count; i++) write_run(f, c, i);
    fputs("</tbody></table></div>\n<h3>Commands</h3>\n", f);
    for (size_t i = 0; i < c->paths->count; i++) {
        if (!*string_of(c->results[i], "command")) continue;
        fputs("<pre>", f);
        html_name(f, string_of(c->results[i], "command"));
        fputs("</pre>\n", f);
    }
    fputs("</section>\n", f);
}

/* Scores of other models or other test images do not compare. */
static void write_warnings(FILE *f, const comparison *c) {
    int models = 0, data = 0;
    for (size_t i = 1; i < c->paths->count; i++) {
        models |= strcmp(string_of(c->results[0], "fingerprint"), string_of(c->results[i], "fingerprint")) != 0;
        data |= !json_equal(json_object_get(c->results[0], "data"), json_object_get(c->results[i], "data"));
    }
    if (models) fputs("<p><strong>These runs are of different models: their scores do not compare.</strong></p>\n", f);
    if (data) fputs("<p><strong>These runs are on different data: their scores do not compare.</strong></p>\n", f);
}

static void write_page(FILE *f, const comparison *c) {
    html_begin(f, "Runs compared");
    fprintf(f, "<header>\n<h1>%zu runs compared</h1>\n<p class=\"lead\">%zu %s of training.</p>\n</header>\n<main>\n", c->paths->count, c->group_count - 1,
            c->group_count == 2 ? "way" : "ways");
    page_section(f, "scores", "Scores", NULL);
    write_warnings(f, c);
    write_table(f, c);
    fputs("<div class=\"charts\">\n", f);
    for (size_t m = 0; m < MEASURES; m++)
        if (is_measured(c, m)) draw(f, c, m);
    fputs("</div>\n<p class=\"note\">Dots and bars: mean and standard deviation; rings: single runs. Grey: the model before training.</p>\n</section>\n", f);
    write_runs(f, c);
    html_end(f);
}

/* ---- the command ---- */

static json_t *comparison_json(const comparison *c, const char *path) {
    json_t *object = json_object(), *groups = json_array();
    for (size_t k = 0; k < c->group_count; k++) {
        const group *g = &c->groups[k];
        json_t *row = json_object(), *mean = json_object(), *deviation = json_object(), *runs = json_array();
        for (size_t m = 0; m < MEASURES; m++)
            if (is_measured(c, m)) put_number(mean, keys[m], g->mean[m]), put_number(deviation, keys[m], g->deviation[m]);
        for (size_t i = 0; i < g->count; i++) json_array_append_new(runs, report_text(c->paths->items[g->runs[i]]));
        put_text(row, "name", g->name);
        json_object_set_new(row, "mean", mean);
        json_object_set_new(row, "sd", deviation);
        json_object_set_new(row, "runs", runs);
        if (g->count > 0) json_array_append_new(groups, row);
        else json_decref(row);
    }
    put_text(object, "report", path);
    json_object_set_new(object, "groups", groups);
    return object;
}

static orthsr_status compare(comparison *c, const char *path, orthsr_error *error) {
    output_file out;
    orthsr_status status = output_check(path, error);
    c->results = calloc(c->paths->count, sizeof *c->results);
    if (status == ORTHSR_OK && !c->results) status = failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu runs", c->paths->count);
    for (size_t i = 0; i < c->paths->count && status == ORTHSR_OK; i++) status = page_read_result(&c->results[i], c->paths->items[i], error);
    if (status == ORTHSR_OK && !make_groups(c)) status = failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu runs", c->paths->count);
    for (size_t k = 0; k < c->group_count && status == ORTHSR_OK; k++) {
        average(&c->groups[k], c, k == 0);
        c->groups[k].name = k == 0 ? strdup("zero-shot") : group_name(c, &c->groups[k]);
        if (!c->groups[k].name) status = failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu runs", c->paths->count);
    }
    if (status == ORTHSR_OK) status = output_open(&out, path, error);
    if (status != ORTHSR_OK) return status;
    write_page(out.stream, c);
    return output_commit(&out, error);
}

static void close_comparison(comparison *c) {
    for (size_t k = 0; k < c->group_count; k++) {
        free(c->groups[k].name);
        free(c->groups[k].runs);
        json_decref(c->groups[k].options);
    }
    for (size_t i = 0; c->results && i < c->paths->count; i++) json_decref(c->results[i]);
    free(c->groups);
    free(c->results);
}

static int report_one(const settings *s, const char *directory) {
    orthsr_error error = {""};
    char *path = join_path(directory, PAGE_NAME);
    orthsr_status status = path ? page_write(directory, &error) : failed(&error, ORTHSR_ERROR_MEMORY, "out of memory for a name in '%s'", directory);
    int code = status == ORTHSR_OK ? EXIT_SUCCESS : give_up(s, &error);
    if (status == ORTHSR_OK && s->json) {
        json_t *object = json_object();
        put_text(object, "report", path);
        code = report_print(s, object);
    } else if (status == ORTHSR_OK) {
        printf("%s\n", path);
    }
    free(path);
    return code;
}

int command_report(const settings *s) {
    orthsr_error error = {""};
    comparison c = {.paths = &s->positional};
    const char *path = s->out ? s->out : PAGE_NAME;
    int code = EXIT_SUCCESS;
    if (s->positional.count == 0) return wrong_usage(s->command->name, "which run? Name the directory that train --out wrote");
    if (s->positional.count == 1 && s->out) return wrong_usage(s->command->name, "--out is for several runs; the page of one is in its directory");
    if (s->positional.count == 1) return report_one(s, s->positional.items[0]);
    if (compare(&c, path, &error) != ORTHSR_OK) code = give_up(s, &error);
    else if (s->json) code = report_print(s, comparison_json(&c, path));
    else printf("%s\n", path);
    close_comparison(&c);
    return code;
}
