/* page.c - reading a run's files, the head of its page, and the facts at its end. */
#include "page.h"
#include "whole.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "output.h"
#include "report.h"

double number_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *string_of(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

int page_is_training(const json_t *result) { return json_object_get(result, "steps") != NULL; }

const char *page_method(const json_t *result) {
    const char *method = string_of(result, "method");
    if (strcmp(string_of(json_object_get(result, "options"), "parametrization"), "free") == 0) return "unconstrained";
    if (strcmp(method, "coop") == 0) return "CoOp";
    return strcmp(method, "coop+orthsr") == 0 ? "CoOp+OrthSR" : *method ? "OrthSR" : "tuned";
}

void page_section(FILE *f, const char *id, const char *title, const char *note) {
    fprintf(f, "<section id=\"%s\">\n<h2>%s</h2>\n", id, title);
    if (note) fprintf(f, "<p class=\"note\">%s</p>\n", note);
}

/* ---- facts ---- */

static void write_value(FILE *f, const json_t *value) {
    size_t i;
    json_t *item;
    if (json_is_string(value)) html_name(f, json_string_value(value));
    else if (json_is_integer(value)) html_number(f, (double)json_integer_value(value), 1, 0);
    else if (json_is_real(value)) fprintf(f, "<span data-value=\"%.12g\">%.6g</span>", json_real_value(value), json_real_value(value));
    else if (json_is_boolean(value)) fputs(json_is_true(value) ? "yes" : "no", f);
    else if (!json_is_array(value)) fputs("\xe2\x80\x93", f); /* U+2013 */
    json_array_foreach(value, i, item) {
        if (i > 0) fputs("<br>", f);
        write_value(f, item);
    }
}

static void write_fact(FILE *f, const char *name, const json_t *value) {
    if (!value) return;
    fputs("<dt>", f);
    html_text(f, name);
    fputs("</dt><dd>", f);
    write_value(f, value);
    fputs("</dd>\n", f);
}

typedef struct fact {
    const char *key, *name;
} fact;

static void write_facts(FILE *f, const char *title, const json_t *object, const fact *facts, size_t n) {
    size_t known = 0;
    for (size_t i = 0; i < n; i++) known += json_object_get(object, facts[i].key) != NULL;
    if (known == 0) return;
    fprintf(f, "<div><h3>%s</h3>\n<dl>\n", title);
    for (size_t i = 0; i < n; i++) write_fact(f, facts[i].name, json_object_get(object, facts[i].key));
    fputs("</dl></div>\n", f);
}

static void write_options(FILE *f, const json_t *options) {
    const char *name;
    json_t *value;
    if (json_object_size(options) == 0) return;
    fputs("<div><h3>Options given</h3>\n<dl>\n", f);
    json_object_foreach((json_t *)options, name, value) { write_fact(f, name, value); }
    fputs("</dl></div>\n", f);
}

static void write_time(FILE *f, const char *name, const json_t *object, const char *key) {
    double seconds = number_of(object, key);
    if (!isfinite(seconds)) return;
    fprintf(f, "<tr><th scope=\"row\">%s</th><td>", name);
    html_number(f, seconds, 1, 2);
    fputs("</td></tr>\n", f);
}

static void write_timing(FILE *f, const json_t *timing) {
    static const fact phases[] = {
        {"text", "class prompts, forward and backward"}, {"image", "images, forward"}, {"backward", "images, backward"}, {"frozen", "the frozen model"},
        {"orthogonal", "orthogonal matrices"},           {"optimizer", "optimizer"},   {"other", "reading images, loss"}};
    const json_t *steps = json_object_get(timing, "steps");
    if (!isfinite(number_of(timing, "training")) && !isfinite(number_of(timing, "measuring"))) return;
    fputs("<div><h3>Time</h3>\n<table><thead><tr><th class=\"text\" scope=\"col\">phase</th><th scope=\"col\">seconds</th></tr></thead><tbody>\n", f);
    write_time(f, "opening, measuring the frozen model", timing, "before_training");
    write_time(f, "training", timing, "training");
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        char name[64];
        snprintf(name, sizeof name, "of it: %s", phases[i].name);
        write_time(f, name, steps, phases[i].key);
    }
    write_time(f, "measuring the tuned model", timing, "after_training");
    write_time(f, "measuring", timing, "measuring");
    fputs("</tbody></table></div>\n", f);
}

static void write_unreadable(FILE *f, const json_t *left_out) {
    enum { MOST = 200 };
    size_t n = json_array_size(left_out);
    if (!left_out) return;
    if (n == 0) {
        fputs("<p>All images could be read.</p>\n", f);
        return;
    }
    fprintf(f, "<h3>Images left out</h3>\n<p><span data-value=\"%zu\">%zu</span> %s could not be read and %s left out.</p>\n", n, n,
            n == 1 ? "image" : "images", n == 1 ? "is" : "are");
    fputs(
        "<div class=\"wide tall\" tabindex=\"0\"><table><thead><tr><th class=\"text\" scope=\"col\">image</th><th class=\"text\" scope=\"col\">why</th></tr></thead><tbody>\n",
        f);
    for (size_t i = 0; i < n && i < MOST; i++) {
        const json_t *row = json_array_get(left_out, i);
        fputs("<tr><th scope=\"row\">", f);
        html_name(f, string_of(row, "item"));
        fputs("</th><td class=\"text\">", f);
        html_name(f, string_of(row, "reason"));
        fputs("</td></tr>\n", f);
    }
    fputs("</tbody></table></div>\n", f);
    if (n > MOST) fprintf(f, "<p class=\"note\">The first %d; result.json has all.</p>\n", MOST);
}

static void write_short_classes(FILE *f, const json_t *classes) {
    const char *name;
    json_t *count;
    if (json_object_size(classes) == 0) return;
    fputs("<h3>Classes with fewer images than asked for</h3>\n<dl>\n", f);
    json_object_foreach((json_t *)classes, name, count) {
        fputs("<dt>", f);
        html_name(f, name);
        fputs("</dt><dd>", f);
        write_value(f, count);
        fputs("</dd>\n", f);
    }
    fputs("</dl>\n", f);
}

void page_facts(const page *p) {
    static const fact run[] = {{"seed", "seed"},
                               {"seeds", "seeds"},
                               {"steps", "steps"},
                               {"first_loss", "loss at the first step"},
                               {"last_loss", "loss at the last step"},
                               {"orthogonality", "max |A\xe1\xb5\x80"
                                                 "A \xe2\x88\x92 I| at the end"},
                               {"parameters", "parameters trained"},
                               {"context_words", "words of the learned prompt"},
                               {"cutout", "CutOut"},
                               {"protocol", "protocol"},
                               {"data", "data"},
                               {"adapter", "adapter"},
                               {"log", "log"}};
    static const fact model[] = {{"family", "checkpoint"},
                                 {"fingerprint", "fingerprint"},
                                 {"parameters", "parameters"},
                                 {"image_size", "image side, pixels"},
                                 {"patch_size", "patch side, pixels"},
                                 {"image_layers", "image layers"},
                                 {"text_layers", "text layers"}};
    static const fact versions[] = {{"orthsr", "orthsr"}, {"blas", "BLAS"}, {"compiler", "compiler"}, {"system", "system"}, {"processors", "processors"}};
    const json_t *r = p->result;
    FILE *f = p->f;
    page_section(f, "run", "This run", NULL);
    if (*string_of(r, "command")) {
        fputs("<h3>Command</h3>\n<pre>", f);
        html_name(f, string_of(r, "command"));
        fputs("</pre>\n", f);
    }
    write_unreadable(f, json_object_get(r, "unreadable"));
    write_short_classes(f, json_object_get(r, "short_classes"));
    fputs("<div class=\"columns\">\n", f);
    write_facts(f, "Run", r, run, sizeof run / sizeof *run);
    write_options(f, json_object_get(r, "options"));
    write_facts(f, "Model", json_object_get(r, "model"), model, sizeof model / sizeof *model);
    write_timing(f, json_object_get(r, "timing"));
    write_facts(f, "Versions", json_object_get(r, "versions"), versions, sizeof versions / sizeof *versions);
    fputs("</div>\n</section>\n", f);
}

/* ---- the page ---- */

static void write_head(const page *p) {
    const json_t *r = p->result;
    FILE *f = p->f;
    const char *data = string_of(r, "data"), *name = *data ? html_file_name(data) : "";
    char title[512];
    snprintf(title, sizeof title, "%s%s%.400s", page_is_training(r) ? page_method(r) : "Evaluation", *name ? " on " : "", name);
    html_begin(f, title);
    fprintf(f, "<header>\n<h1>%s", page_is_training(r) ? page_method(r) : "Evaluation");
    if (*name) fputs(" on ", f), html_name(f, name);
    fputs("</h1>\n<p class=\"lead\">", f);
    if (page_is_training(r)) {
        write_value(f, json_object_get(r, "parameters"));
        fputs(" parameters, trained on ", f);
        fprintf(f, "%zu images of %zu classes in ", json_array_size(json_object_get(r, "items")), json_array_size(json_object_get(r, "classes")));
        write_value(f, json_object_get(r, "steps"));
        fprintf(f, " step%s and ", number_of(r, "steps") == 1 ? "" : "s");
        html_number(f, number_of(r, "seconds"), 1, 1);
        fputs(" seconds; seed ", f);
        write_value(f, json_object_get(r, "seed"));
        fputs(".", f);
        if (*string_of(r, "note")) fputc(' ', f), html_name(f, string_of(r, "note"));
    } else {
        fprintf(f, "%zu adapter%s measured on test images.", json_array_size(json_object_get(r, "results")),
                json_array_size(json_object_get(r, "results")) == 1 ? "" : "s");
    }
    fputs("</p>\n</header>\n<main>\n", f);
}

orthsr_status page_read_result(json_t **out, const char *directory, orthsr_error *error) {
    json_error_t where;
    char *path = join_path(directory, "result.json"), *text = NULL;
    size_t n;
    int there;
    *out = NULL;
    if (!path) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for a name in '%s'", directory);
    orthsr_status status = whole_read(&text, &n, &there, path, error);
    if (status == ORTHSR_OK && !there)
        status = failed(error, ORTHSR_ERROR_IO, "'%s' holds no result.json: it is no directory that train or evaluate --out wrote, or the run has not ended",
                        directory);
    if (status == ORTHSR_OK) *out = json_loadb(text, n, 0, &where);
    if (status == ORTHSR_OK && !json_is_object(*out)) {
        status =
            failed(error, ORTHSR_ERROR_FORMAT, "'%s' is not what a run writes: %s at line %d", path, *out ? "no object" : where.text, *out ? 1 : where.line);
        json_decref(*out);
        *out = NULL;
    }
    free(text);
    free(path);
    return status;
}

orthsr_status page_write(const char *directory, orthsr_error *error) {
    json_t *result;
    output_file out;
    orthsr_status status = page_read_result(&result, directory, error);
    if (status != ORTHSR_OK) return status;
    char *path = join_path(directory, PAGE_NAME);
    status = path ? output_open(&out, path, error) : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for a name in '%s'", directory);
    if (status == ORTHSR_OK) {
        const page p = {out.stream, directory, result};
        write_head(&p);
        page_scores(&p);
        page_classes(&p);
        page_curves(&p);
        page_rotations(&p);
        page_shots(&p);
        page_facts(&p);
        html_end(out.stream);
        status = output_commit(&out, error);
    }
    free(path);
    json_decref(result);
    return status;
}
