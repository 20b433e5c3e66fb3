/* table.h - what the demo measured: a row of Base, New and H per way of tuning, for each seed and on average. */
#ifndef TABLE_H
#define TABLE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum { TABLE_ROWS = 6, TABLE_SEEDS = 16 };

typedef struct row {
    double base, novel, h; /* 0..1 */
} row;

typedef struct table {
    const char *names[TABLE_ROWS];
    uint64_t seeds[TABLE_SEEDS];
    size_t n_seeds;
    row rows[TABLE_SEEDS][TABLE_ROWS];
} table;

/* On stdout: the means when there are several seeds, each seed's table before. */
void table_print(const table *t);

/* {"name", "base", "new", "h", "per_seed": [{"base", "new", "h"}, ...]} of a row: means over the seeds, and each. */
json_t *table_row_json(const table *t, size_t r);

/* On stdout: one JSON object, {"seeds": [...], "rows": [...], "adapter", "merged", "report"}. 0 when it could not be made. */
int table_print_json(const table *t, const char *adapter, const char *merged, const char *page);

#endif
