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
    const char *rate_unit; /* what the rate counts, "images", */
    double per_unit;       /* and how many of them one unit is; NULL and 0: the units */
    double started, shown; /* terminal_seconds */
} progress;

void progress_begin(progress *p, const char *label, const char *unit, size_t total);

/* done of total; detail (may be NULL) is put beside it: parts with two blanks between them, the most important first, e.g. "loss 0.512  epoch 2/5"; those that
 * do not fit into the window as it is now are left out. Cheap enough for every step. */
void progress_show(progress *p, size_t done, const char *detail);

/* Something that cannot tell how far it is: "label ..." on a terminal, until progress_end. */
void progress_wait(progress *p, const char *label);

/* The last line, with the time taken; of what could not tell only where that was long. */
void progress_end(progress *p, const char *detail);

/* Takes an unfinished line away: before anything is printed on stdout, and of what is done when nobody asks how long it took. */
void progress_clear(void);

/* "0:06", "1:02:03". */
void format_duration(char *out, size_t size, double seconds);

/* Of the monotonic clock. */
double terminal_seconds(void);

/* A line of its own; an unfinished progress line is cleared first. Made visible: one message, one line; on a
 * terminal that is too narrow, several. */
void terminal_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* In place: control characters become '?', and those that would turn the direction of the text behind them U+FFFD. */
void terminal_make_visible(char *text);

/* SIGINT and SIGTERM then only raise a flag, so that the work can stop in order and leave nothing half written. */
void terminal_catch_signals(void);
int terminal_interrupted(void);

#endif
