/* table.c - means, deviations and errors, and the three ways of writing them down. */
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "report.h"

#define NAME_WIDTH 32

orthsr_status table_new(table *t, summary kind, size_t n_rows, size_t n_columns, orthsr_error *error) {
    *t = (table){.summary = kind, .n_rows = n_rows, .n_columns = n_columns};
    t->columns = calloc(n_columns, sizeof *t->columns);
    t->names = calloc(n_rows, sizeof *t->names);
    t->values = calloc(n_rows, n_columns * sizeof *t->values);
    return t->columns && t->names && t->values ? ORTHSR_OK : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for the table");
}

void table_free(table *t) {
    for (size_t c = 0; t->columns && c < t->n_columns; c++) free(t->columns[c].name);
    free(t->columns);
    free(t->names);
    free(t->values);
}

orthsr_status table_set_column(table *t, size_t c, const char *name, size_t items, int averaged, orthsr_error *error) {
    t->columns[c] = (column){strdup(name), items, averaged};
    return t->columns[c].name ? ORTHSR_OK : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for the table");
}

static size_t line_length(const table *t) { return t->n_columns + (t->summary != SUMMARY_NONE); }

/* ---- numbers ---- */

static size_t count_averaged(const table *t) {
    size_t n = 0;
    for (size_t c = 0; c < t->n_columns; c++) n += t->columns[c].averaged != 0;
    return n;
}

/* Of one line's values (n_columns). */
static double summarise(const table *t, const double *values) {
    double sum = 0;
    if (t->summary == SUMMARY_H) return orthsr_harmonic_mean(values[0], values[1]);
    for (size_t c = 0; c < t->n_columns; c++) sum += t->columns[c].averaged ? values[c] : 0;
    return sum / (double)count_averaged(t);
}

/* Of the summary of values, from the standard errors of each (independent of one another, to first order). */
static double summary_error(const table *t, const double *values, const double *errors) {
    double sum = 0;
    if (t->summary == SUMMARY_H) { /* dH/db = 2 n^2 / (b + n)^2 */
        double total = values[0] + values[1];
        if (!(total > 0)) return 0;
        return 2 * hypot(values[1] * values[1] * errors[0], values[0] * values[0] * errors[1]) / (total * total);
    }
    for (size_t c = 0; c < t->n_columns; c++) sum += t->columns[c].averaged ? errors[c] * errors[c] : 0;
    return sqrt(sum) / (double)count_averaged(t);
}

static void fill_row(double *out, const table *t, size_t row) {
    memcpy(out, t->values + row * t->n_columns, t->n_columns * sizeof *out);
    if (t->summary != SUMMARY_NONE) out[t->n_columns] = summarise(t, out);
}

static void fill_mean(double *out, const table *t) {
    for (size_t row = 0; row < t->n_rows; row++)
        for (size_t c = 0; c < t->n_columns; c++) out[c] += t->values[row * t->n_columns + c] / (double)t->n_rows;
    if (t->summary != SUMMARY_NONE) out[t->n_columns] = summarise(t, out);
}

/* row_values: room for a line. */
static void fill_deviation(double *out, double *row_values, const table *t) {
    for (size_t c = 0; c < line_length(t); c++) {
        double mean = 0, squares = 0;
        for (size_t row = 0; row < t->n_rows; row++) {
            fill_row(row_values, t, row);
            mean += row_values[c] / (double)t->n_rows;
        }
        for (size_t row = 0; row < t->n_rows; row++) {
            fill_row(row_values, t, row);
            squares += (row_values[c] - mean) * (row_values[c] - mean);
        }
        out[c] = sqrt(squares / (double)t->n_rows);
    }
}

/* Binomial, of the mean accuracy: all rows are measured on the same images, so more rows do not make it smaller. */
static void fill_error(double *out, double *mean, const table *t) {
    fill_mean(mean, t);
    for (size_t c = 0; c < t->n_columns; c++) out[c] = sqrt(mean[c] * (1 - mean[c]) / (double)t->columns[c].items);
    if (t->summary != SUMMARY_NONE) out[t->n_columns] = summary_error(t, mean, out);
}

double *table_line(const table *t, line which, size_t row) {
    double *out = calloc(line_length(t) + 1, sizeof *out), *scratch = calloc(line_length(t) + 1, sizeof *scratch); /* never of nothing */
    if (out && scratch) switch (which) {
        case LINE_ROW: fill_row(out, t, row); break;
        case LINE_MEAN: fill_mean(out, t); break;
        case LINE_SD: fill_deviation(out, scratch, t); break;
        case LINE_ERROR: fill_error(out, scratch, t); break;
        }
    if (!scratch) {
        free(out);
        out = NULL;
    }
    free(scratch);
    return out;
}

/* ---- text ---- */

static const char *summary_name(const table *t) { return t->summary == SUMMARY_H ? "H" : "average"; }

static const char *column_name(const table *t, size_t c) { return c < t->n_columns ? t->columns[c].name : summary_name(t); }

static void print_line(const table *t, const char *name, line which, size_t row) {
    enum { LEAST = 7 };
    double *values = table_line(t, which, row);
    char visible[1024];
    printf("%s", report_column(visible, sizeof visible, name, NAME_WIDTH));
    for (size_t c = 0; values && c < line_length(t); c++) {
        size_t width = strlen(column_name(t, c));
        printf(" %*.2f", (int)(width > LEAST ? width : LEAST), 100 * values[c]);
    }
    putchar('\n');
    free(values);
}

void table_print(const table *t) {
    char visible[256];
    printf("%-*s", NAME_WIDTH, "percent");
    for (size_t c = 0; c < line_length(t); c++) printf(" %7s", report_visible(visible, sizeof visible, column_name(t, c)));
    putchar('\n');
    for (size_t row = 0; row < t->n_rows; row++) print_line(t, t->names[row], LINE_ROW, row);
    if (t->n_rows > 1) print_line(t, "mean", LINE_MEAN, 0);
    if (t->n_rows > 1) print_line(t, "standard deviation", LINE_SD, 0);
    print_line(t, "standard error (test images)", LINE_ERROR, 0);
}

/* ---- CSV ---- */

static void write_line(FILE *stream, const table *t, const char *name, line which, size_t row) {
    double *values = table_line(t, which, row);
    output_field(stream, name, ',');
    for (size_t c = 0; values && c < line_length(t); c++) fprintf(stream, "%.9g%c", values[c], c + 1 < line_length(t) ? ',' : '\n');
    free(values);
}

orthsr_status table_write_csv(const table *t, const char *path, orthsr_error *error) {
    output_file f;
    orthsr_status status = output_open(&f, path, error);
    if (status != ORTHSR_OK) return status;
    output_field(f.stream, "adapter", ',');
    for (size_t c = 0; c < line_length(t); c++) output_field(f.stream, column_name(t, c), c + 1 < line_length(t) ? ',' : '\n');
    for (size_t row = 0; row < t->n_rows; row++) write_line(f.stream, t, t->names[row], LINE_ROW, row);
    write_line(f.stream, t, "mean", LINE_MEAN, 0);
    write_line(f.stream, t, "standard deviation", LINE_SD, 0);
    write_line(f.stream, t, "standard error", LINE_ERROR, 0);
    return output_commit(&f, error);
}

/* ---- JSON ---- */

json_t *table_line_json(const table *t, line which, size_t row, const char *const *keys, const char *summary_key) {
    json_t *object = json_object(), *array = keys ? NULL : json_array();
    double *values = table_line(t, which, row);
    for (size_t c = 0; values && c < t->n_columns; c++) {
        if (keys) put_number(object, keys[c], values[c]);
        else json_array_append_new(array, json_real(values[c]));
    }
    if (array) json_object_set_new(object, "accuracy", array);
    if (values && t->summary != SUMMARY_NONE) put_number(object, summary_key, values[t->n_columns]);
    free(values);
    return object;
}
