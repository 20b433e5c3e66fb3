/* checkpoint.h - what a training run leaves while it goes on, and from which `--resume` goes on: DIR/checkpoint, and DIR/log.jsonl with a line per step.
 *
 * The lines are in the checkpoint, too: whatever the log file lost or had too much of when a run was killed, it has the checkpoint's lines when the run goes
 * on.
 */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include <stdio.h>

#include <orthsr/orthsr.h>

#include "options.h"
#include "run_log.h"

typedef struct checkpoint {
    const settings *settings;
    char *path, *previous, *log_path;
    FILE *log;          /* DIR/log.jsonl, for those who look; NULL: not open */
    char *lines;        /* all of it, a text */
    size_t used, room;  /* bytes of it, and of memory for it */
    double first_loss;  /* of the run */
    double seconds;     /* that training took in earlier processes */
    double began;       /* in this one: terminal_seconds */
    double saved, cost; /* when the last one was saved, and the seconds that took */
    size_t saved_epoch;
    /* of the run, all processes together; what was done after the last checkpoint of one that was killed is not in it */
    double prepared; /* seconds before training: set it before checkpoint_begin, which adds the earlier ones */
    run_phases phases;
    double total_cost; /* seconds that saving took, */
    size_t count;      /* and how many were saved */
} checkpoint;

/* The files' names in settings->out. Close in any case. */
orthsr_status checkpoint_open(checkpoint *c, const settings *s, orthsr_error *error);
void checkpoint_close(checkpoint *c);

/* Puts a new trainer where the run was, with --resume; else, or where there is nothing yet, saves the beginning. The log is open then. */
orthsr_status checkpoint_begin(checkpoint *c, orthsr_trainer *trainer, orthsr_error *error);

/* After a step: its times, a line of the log, and a checkpoint when one is due. One that cannot be saved is said and no reason to stop. */
orthsr_status checkpoint_step(checkpoint *c, orthsr_trainer *trainer, orthsr_error *error);

orthsr_status checkpoint_save(checkpoint *c, orthsr_trainer *trainer, orthsr_error *error);

/* The log in its place, whole. */
orthsr_status checkpoint_finish_log(checkpoint *c, orthsr_error *error);

/* Of the run, all processes together. */
double checkpoint_run_seconds(const checkpoint *c);

#endif
