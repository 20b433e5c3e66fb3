/* data.c - `orthsr data check`: what a data set holds, and what is wrong with it. Nothing is changed and nothing downloaded. */
#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "commands.h"
#include "data_files.h"
#include "inputs.h"
#include "report.h"
#include "terminal.h"

enum { MOST_PARTS = 3 };

typedef struct check {
    const settings *settings;
    const char *path, *layout;
    data_part parts[MOST_PARTS];
    size_t n_parts;
    json_t *problems, *notes; /* arrays of texts; a problem makes the exit status 1 */
} check;

static void say(json_t *findings, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(json_t *findings, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(findings, report_text(text));
}

/* ---- parts and classes ---- */

/* Names are compared one with another: those of a manifest, too, are wanted in memory. */
static void read_list(data_part *part, check *c) {
    orthsr_error error = {""};
    size_t n = orthsr_dataset_count(part->images), *all = malloc((n + 1) * sizeof *all);
    if (n == 0 || orthsr_dataset_item_name(part->images, 0)) {
        free(all);
        return;
    }
    for (size_t i = 0; i < n && all; i++) all[i] = i;
    part->whole = part->images;
    if (!all || orthsr_dataset_subset(&part->images, part->whole, all, n, &error) != ORTHSR_OK) {
        say(c->problems, "%s", all ? error.message : "out of memory for the list of images");
        part->images = part->whole;
        part->whole = NULL;
        c->n_parts--;
        orthsr_dataset_free(part->images);
    }
    free(all);
}

static void open_part(check *c, const char *split) {
    orthsr_error error = {""};
    orthsr_dataset *images;
    orthsr_status status = orthsr_dataset_list(&images, c->path, split, &error);
    if (status == ORTHSR_OK) status = orthsr_dataset_set_max_pixels(images, (size_t)c->settings->max_pixels.value, &error);
    if (status == ORTHSR_OK) c->parts[c->n_parts++] = (data_part){split ? split : "images", images, NULL};
    else say(c->problems, "%s", error.message);
    if (status == ORTHSR_OK) read_list(&c->parts[c->n_parts - 1], c);
}

/* ImageNet's val is its test part. A directory with no part is opened for what it says. */
static void open_parts(check *c) {
    static const char *const splits[] = {"train", "val", "test"};
    int any = 0, imagenet = strncmp(c->layout, "imagenet", strlen("imagenet")) == 0;
    for (size_t i = 0; i < MOST_PARTS; i++) {
        if ((imagenet && i == 1) || !orthsr_dataset_has_split(c->path, splits[i])) continue;
        any = 1;
        open_part(c, splits[i]);
    }
    if (!any) open_part(c, NULL);
}

/* Labels are positions in the list of classes, so all parts must have the same. */
static void compare_parts(check *c) {
    for (size_t p = 1; p < c->n_parts; p++) {
        const orthsr_dataset *a = c->parts[0].images, *b = c->parts[p].images;
        size_t n = orthsr_dataset_class_count(a), m = orthsr_dataset_class_count(b), l = 0;
        while (l < n && l < m && strcmp(orthsr_dataset_class_name(a, l), orthsr_dataset_class_name(b, l)) == 0) l++;
        if (l == n && l == m) continue;
        if (l < n && l < m)
            say(c->problems, "the parts %s and %s do not have the same classes: class %zu is '%s' and '%s'", c->parts[0].name, c->parts[p].name, l,
                orthsr_dataset_class_name(a, l), orthsr_dataset_class_name(b, l));
        else
            say(c->problems, "the parts %s and %s do not have the same classes: class '%s' is in %s alone", c->parts[0].name, c->parts[p].name,
                orthsr_dataset_class_name(l < n ? a : b, l), c->parts[l < n ? 0 : p].name);
    }
}

/* Few-shot learning needs an image of each class; a test part without one only leaves the class out. */
static void find_empty_classes(check *c) {
    for (size_t p = 0; p < c->n_parts; p++) {
        const orthsr_dataset *images = c->parts[p].images;
        size_t empty = 0, first = 0;
        for (size_t l = orthsr_dataset_class_count(images); l-- > 0;)
            if (orthsr_dataset_class_size(images, l) == 0) empty++, first = l;
        if (empty > 0)
            say(strcmp(c->parts[p].name, "train") == 0 ? c->problems : c->notes, "%zu classes have no image in %s, first '%s'", empty, c->parts[p].name,
                orthsr_dataset_class_name(images, first));
    }
}

static int is_number(const char *name) { return *name && strspn(name, "0123456789") == strlen(name); }
static int is_wordnet_id(const char *name) { return name[0] == 'n' && strlen(name) == 9 && is_number(name + 1); }

static int is_untidy(const char *name) {
    size_t n = strlen(name);
    if (n > 0 && (isspace((unsigned char)name[0]) || isspace((unsigned char)name[n - 1]))) return 1;
    for (; *name; name++)
        if ((unsigned char)*name < 32 || *name == 127) return 1;
    return 0;
}

static int compare_text(const void *a, const void *b) { return strcasecmp(*(const char *const *)a, *(const char *const *)b); }

/* Names that are as good as the same: a prompt is read in lower case. */
static void find_equal_names(check *c, const orthsr_dataset *images, size_t n) {
    const char **names = malloc((n + 1) * sizeof *names);
    if (!names) return;
    for (size_t l = 0; l < n; l++) names[l] = orthsr_dataset_class_name(images, l);
    qsort(names, n, sizeof *names, compare_text);
    for (size_t l = 1; l < n; l++)
        if (compare_text(&names[l - 1], &names[l]) == 0)
            say(c->notes, "the classes '%s' and '%s' read the same: they cannot be told apart", names[l - 1], names[l]);
    free(names);
}

/* The name is all that the model knows of a class. */
static void check_names(check *c) {
    static const struct {
        int (*is)(const char *name);
        const char *what;
    } oddities[] = {{is_number, "is a number: give the class its name, for the model reads it"},
                    {is_wordnet_id, "is a WordNet id: put classnames.txt (docs/datasets.md) into the directory, or give the classes their names"},
                    {is_untidy, "begins or ends with a blank, or holds a control character"}};
    if (c->n_parts == 0) return;
    const orthsr_dataset *images = c->parts[0].images;
    size_t n = orthsr_dataset_class_count(images);
    if (n < 2) say(c->problems, "there is %zu class; telling classes apart takes at least two", n);
    for (size_t i = 0; i < sizeof oddities / sizeof oddities[0]; i++) {
        size_t count = 0, first = 0;
        for (size_t l = n; l-- > 0;)
            if (oddities[i].is(orthsr_dataset_class_name(images, l))) count++, first = l;
        if (count > 0) say(c->notes, "%zu class names are odd, first '%s': it %s", count, orthsr_dataset_class_name(images, first), oddities[i].what);
    }
    find_equal_names(c, images, n);
}

/* ---- files ---- */

static int check_files(check *c) {
    size_t total = 0, done = 0;
    progress bar;
    for (size_t p = 0; p < c->n_parts; p++) total += orthsr_dataset_count(c->parts[p].images);
    progress_begin(&bar, c->settings->deep ? "decoding" : "reading headers", "images", total);
    for (size_t p = 0; p < c->n_parts; p++) {
        size_t bad = 0;
        orthsr_error error = {""}, first = {""};
        for (size_t i = 0; i < orthsr_dataset_count(c->parts[p].images); i++) {
            if (terminal_interrupted()) return 0;
            if (orthsr_dataset_check_item(c->parts[p].images, i, c->settings->deep, &error) != ORTHSR_OK && bad++ == 0) first = error;
            progress_show(&bar, ++done, NULL);
        }
        if (bad > 0)
            say(c->problems, "%zu of %zu images of %s are missing or cannot be read, first: %s", bad, orthsr_dataset_count(c->parts[p].images),
                c->parts[p].name, first.message);
    }
    progress_end(&bar, NULL);
    return 1;
}

/* An image in training and test makes the test worthless; the same within a part is only counted twice. */
static int check_duplicates(check *c) {
    data_duplicates found;
    if (!data_find_duplicates(&found, c->parts, c->n_parts, 0)) return 0;
    if (found.across > 0) say(c->problems, "%zu images are in two parts, first '%s' in %s and %s", found.across, found.path, found.part, found.other_part);
    if (found.within > 0) say(c->problems, "%zu images are listed twice in a part, first '%s' in %s", found.within, found.path_within, found.part_within);
    if (!c->settings->deep) return 1;
    if (!data_find_duplicates(&found, c->parts, c->n_parts, 1)) return 0;
    if (found.across > 0)
        say(c->notes, "%zu files are byte for byte the same as one of another part, first '%s' (%s) and '%s' (%s)", found.across, found.path, found.part,
            found.other_path, found.other_part);
    if (found.within > 0) say(c->notes, "%zu files are byte for byte the same as another one of their part, first '%s'", found.within, found.path_within);
    return 1;
}

/* Of layouts that are folders: a list says itself what belongs to it. */
static void find_passed_over(check *c) {
    char first[1024];
    if (strcmp(c->layout, "split file") == 0 || strcmp(c->layout, "manifest") == 0 || strcmp(c->layout, "fgvc-aircraft") == 0) return;
    for (size_t p = 0; p < c->n_parts; p++) {
        size_t n = data_count_passed_over(c->parts[p].images, first, sizeof first);
        if (n > 0) say(c->notes, "%zu files of %s are passed over, first '%s': images are called .png, .jpg or .jpeg", n, c->parts[p].name, first);
    }
}

/* ---- reporting ---- */

static const orthsr_dataset *most_classes(const check *c) {
    const orthsr_dataset *best = NULL;
    for (size_t p = 0; p < c->n_parts; p++)
        if (!best || orthsr_dataset_class_count(c->parts[p].images) > orthsr_dataset_class_count(best)) best = c->parts[p].images;
    return best;
}

static json_t *result_json(const check *c) {
    json_t *object = json_object(), *splits = json_object(), *classes = json_array();
    const orthsr_dataset *named = most_classes(c);
    put_text(object, "data", c->path);
    put_text(object, "layout", c->layout);
    json_object_set_new(object, "ok", json_boolean(json_array_size(c->problems) == 0));
    for (size_t p = 0; p < c->n_parts; p++) put_count(splits, c->parts[p].name, orthsr_dataset_count(c->parts[p].images));
    for (size_t l = 0; named && l < orthsr_dataset_class_count(named); l++) {
        json_t *row = json_object();
        put_text(row, "name", orthsr_dataset_class_name(named, l));
        for (size_t p = 0; p < c->n_parts; p++) put_count(row, c->parts[p].name, orthsr_dataset_class_size(c->parts[p].images, l));
        json_array_append_new(classes, row);
    }
    json_object_set_new(object, "splits", splits);
    json_object_set_new(object, "classes", classes);
    json_object_set(object, "problems", c->problems);
    json_object_set(object, "notes", c->notes);
    return object;
}

static void print_findings(const json_t *findings, const char *what) {
    char visible[2048];
    for (size_t i = 0; i < json_array_size(findings); i++)
        printf("%s: %s\n", what, report_visible(visible, sizeof visible, json_string_value(json_array_get(findings, i))));
}

static void print_result(const check *c) {
    const orthsr_dataset *named = most_classes(c);
    char visible[1024];
    printf("layout: %s\n%-32s", c->layout, "class");
    for (size_t p = 0; p < c->n_parts; p++) printf(" %8s", c->parts[p].name);
    putchar('\n');
    for (size_t l = 0; named && l < orthsr_dataset_class_count(named); l++) {
        printf("%s", report_column(visible, sizeof visible, orthsr_dataset_class_name(named, l), 32));
        for (size_t p = 0; p < c->n_parts; p++) printf(" %8zu", orthsr_dataset_class_size(c->parts[p].images, l));
        putchar('\n');
    }
    snprintf(visible, sizeof visible, "all %zu", named ? orthsr_dataset_class_count(named) : 0);
    printf("%-32s", visible);
    for (size_t p = 0; p < c->n_parts; p++) printf(" %8zu", orthsr_dataset_count(c->parts[p].images));
    putchar('\n');
    print_findings(c->notes, "note");
    print_findings(c->problems, "problem");
    if (json_array_size(c->problems) == 0) printf("nothing is wrong\n");
}

static int report(const check *c) {
    int code = c->settings->json ? report_print(c->settings, result_json(c)) : EXIT_SUCCESS;
    if (!c->settings->json) print_result(c);
    size_t n = json_array_size(c->problems);
    if (n > 0) terminal_say("orthsr data: '%s' has %zu problem%s", c->path, n, n == 1 ? "" : "s");
    return n > 0 ? EXIT_FAILURE : code;
}

static int run(check *c) {
    orthsr_error error = {""};
    if (orthsr_dataset_layout(&c->layout, c->path, &error) != ORTHSR_OK) return give_up(c->settings, &error);
    open_parts(c);
    compare_parts(c);
    find_empty_classes(c);
    find_passed_over(c);
    check_names(c);
    if (!check_files(c)) return give_up(c->settings, &error); /* only when interrupted */
    if (!check_duplicates(c)) {
        failed(&error, ORTHSR_ERROR_MEMORY, "out of memory for the list of images");
        return give_up(c->settings, &error);
    }
    return report(c);
}

int command_data(const settings *s) {
    const list *words = &s->positional;
    if (words->count == 0 || strcmp(words->items[0], "check") != 0) return wrong_usage(s->command->name, "what is to be done? There is 'check'");
    if (words->count == 1) return wrong_usage(s->command->name, "which data set is to be checked?");
    check c = {.settings = s, .path = words->items[1], .problems = json_array(), .notes = json_array()};
    int code = run(&c);
    for (size_t p = 0; p < c.n_parts; p++) {
        orthsr_dataset_free(c.parts[p].images);
        orthsr_dataset_free(c.parts[p].whole);
    }
    json_decref(c.problems);
    json_decref(c.notes);
    return code;
}
