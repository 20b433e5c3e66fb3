/* terminal.h - what a person sees while a program works: one moving line on a terminal, a few plain lines anywhere else.
 *
 * Everything goes to stderr. There is one progress at a time; a message in between does not tear its line.
 */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stddef.h>

typedef struct progress {
    const char *label, *unit; /* "training", "steps" */
    size_t total;
    size_t before;         /* of them done before this began, and no measure of its speed */
    double started, shown; /* terminal_seconds */
} progress;

void progress_begin(progress *p, const char *label, const char *unit, size_t total);

/* done of total; detail (may be NULL) is put beside it, e.g. "loss 0.512". Cheap enough for every step. */
void progress_show(progress *p, size_t done, const char *detail);

/* The last line, with the time taken. */
void progress_end(progress *p, const char *detail);

/* Of the monotonic clock. */
double terminal_seconds(void);

/* A line of its own; an unfinished progress line is cleared first. Control characters are shown as '?': one message, one line. */
void terminal_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* SIGINT and SIGTERM then only raise a flag, so that the work can stop in order and leave nothing half written. */
void terminal_catch_signals(void);
int terminal_interrupted(void);

#endif
