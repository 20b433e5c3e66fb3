/* record.h - what the demo leaves beside adapter and merged model: log.jsonl, result.json and report.html, of OrthSR with the first seed. */
#ifndef RECORD_H
#define RECORD_H

#include "../orthsr/output.h"
#include "../orthsr/run_log.h"
#include "../orthsr/tally.h"
#include "table.h"

typedef struct record {
    const char *directory;
    char *command;
    output_file log;
    tally before, after;
    double first_loss, last_loss, orthogonality, seconds;
    size_t steps, parameters;
    run_phases phases;
    json_t *details; /* members of result.json */
} record;

/* What is recorded of a trained adapter. */
typedef struct record_of {
    const orthsr_model *model;
    const orthsr_adapter *adapter;
    const orthsr_dataset *shots, *test;
    const char *const *templates; /* (n_templates) */
    size_t n_templates;
    const char *data;
    json_t *options; /* as `orthsr train` calls them; the record's from now on */
} record_of;

/* line: the command line, the record's to free. Close in any case. */
void record_open(record *r, char *line);
void record_close(record *r);

/* Training: begin, every step, end. */
orthsr_status record_begin(record *r, const char *directory, orthsr_error *error);
void record_step(record *r, const orthsr_trainer *trainer);
orthsr_status record_end(record *r, const record_of *what, double seconds, orthsr_error *error);

/* When everything is measured. own: the row of what was recorded; the first is the frozen model's. */
orthsr_status record_write(record *r, const table *t, size_t own, orthsr_error *error);

#endif
