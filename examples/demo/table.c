/* table.c - the demo's table, for people and as JSON. */
#include "table.h"

#include <stdio.h>
#include <stdlib.h>

static row mean(const table *t, size_t r) {
    row m = {0, 0, 0};
    for (size_t s = 0; s < t->n_seeds; s++) {
        m.base += t->rows[s][r].base / (double)t->n_seeds;
        m.novel += t->rows[s][r].novel / (double)t->n_seeds;
        m.h += t->rows[s][r].h / (double)t->n_seeds;
    }
    return m;
}

static void print_header(const char *title) { printf("%-44s %6s %6s %6s\n", title, "Base", "New", "H"); }

static void print_row(const char *name, row r) { printf("%-44s %6.2f %6.2f %6.2f\n", name, 100 * r.base, 100 * r.novel, 100 * r.h); }

void table_print(const table *t) {
    char title[64];
    for (size_t s = 0; s < t->n_seeds; s++) {
        snprintf(title, sizeof title, "percent, seed %llu", (unsigned long long)t->seeds[s]);
        print_header(title);
        for (size_t r = 0; r < TABLE_ROWS; r++) print_row(t->names[r], t->rows[s][r]);
        putchar('\n');
    }
    if (t->n_seeds < 2) return;
    snprintf(title, sizeof title, "percent, mean of %zu seeds", t->n_seeds);
    print_header(title);
    for (size_t r = 0; r < TABLE_ROWS; r++) print_row(t->names[r], mean(t, r));
    putchar('\n');
}

static json_t *scores_json(row r) { return json_pack("{s:f, s:f, s:f}", "base", r.base, "new", r.novel, "h", r.h); }

json_t *table_row_json(const table *t, size_t r) {
    json_t *object = scores_json(mean(t, r)), *seeds = json_array();
    for (size_t s = 0; s < t->n_seeds; s++) json_array_append_new(seeds, scores_json(t->rows[s][r]));
    json_object_set_new(object, "name", json_string(t->names[r]));
    json_object_set_new(object, "per_seed", seeds);
    return object;
}

int table_print_json(const table *t, const char *adapter, const char *merged, const char *page) {
    json_t *object = json_object(), *seeds = json_array(), *rows = json_array();
    for (size_t s = 0; s < t->n_seeds; s++) json_array_append_new(seeds, json_integer((json_int_t)t->seeds[s]));
    for (size_t r = 0; r < TABLE_ROWS; r++) json_array_append_new(rows, table_row_json(t, r));
    json_object_set_new(object, "seeds", seeds);
    json_object_set_new(object, "rows", rows);
    json_object_set_new(object, "adapter", json_string(adapter));
    json_object_set_new(object, "merged", json_string(merged));
    json_object_set_new(object, "report", json_string(page));
    char *line = json_dumps(object, JSON_REAL_PRECISION(12));
    json_decref(object);
    if (!line) return 0;
    puts(line);
    free(line);
    return 1;
}
