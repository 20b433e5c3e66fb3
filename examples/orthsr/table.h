/* table.h - the table of an evaluation: a row per adapter, a column per measurement, and what papers make of several runs. */
#ifndef TABLE_H
#define TABLE_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include <orthsr/orthsr.h>

/* What the last column is, made from the others: nothing, the harmonic mean of the two, or the mean of those that are averaged. */
typedef enum summary { SUMMARY_NONE, SUMMARY_H, SUMMARY_AVERAGE } summary;

typedef struct column {
    char *name;
    size_t items; /* that the accuracy is over */
    int averaged;
} column;

typedef struct table {
    summary summary;
    column *columns;    /* (n_columns) */
    const char **names; /* (n_rows), borrowed */
    double *values;     /* (n_rows, n_columns) accuracies, 0..1 */
    size_t n_rows, n_columns;
} table;

/* Zeroed values and columns without names. Free in any case. */
orthsr_status table_new(table *t, summary kind, size_t n_rows, size_t n_columns, orthsr_error *error);
void table_free(table *t);

/* The column's name is copied. */
orthsr_status table_set_column(table *t, size_t c, const char *name, size_t items, int averaged, orthsr_error *error);

/* A line of the table: n_columns values, then the summary's, each to be freed with free. */
typedef enum line {
    LINE_ROW,  /* of one adapter */
    LINE_MEAN, /* over the rows; the summary is that of the means, as papers have it, not the mean of the rows' */
    LINE_SD,   /* population standard deviation over the rows, NumPy's std */
    LINE_ERROR /* standard error of the mean line that the finite number of test images leaves */
} line;
double *table_line(const table *t, line which, size_t row);

/* In percent, for people. */
void table_print(const table *t);

/* In fractions. */
orthsr_status table_write_csv(const table *t, const char *path, orthsr_error *error);

/* A line's values under keys: the columns' own (n_columns of them) or, with keys NULL, an array "accuracy"; the summary under summary_key. */
json_t *table_line_json(const table *t, line which, size_t row, const char *const *keys, const char *summary_key);

#endif
