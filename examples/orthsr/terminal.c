/* terminal.c - progress and messages on stderr. */
#include "terminal.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define REDRAW_SECONDS 0.1 /* on a terminal */
#define PLAIN_SECONDS 5.0  /* between plain lines, e.g. in a log file */
#define BAR_WIDTH 24       /* less on a narrow terminal, none where it would be under BAR_LEAST */
#define BAR_LEAST 6

static volatile sig_atomic_t interrupted;
static int line_open; /* an unfinished progress line is on the terminal */

double terminal_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int is_terminal(void) {
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

/* https://no-color.org: any value that is not empty. */
static int has_color(void) {
    const char *no = getenv("NO_COLOR");
    return is_terminal() && !(no && *no);
}

static size_t columns(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void clear_line(void) {
    if (line_open) fputs("\r\033[K", stderr);
    line_open = 0;
}

static void format_duration(char *out, size_t size, double seconds) {
    unsigned long s = (unsigned long)(seconds + 0.5);
    if (s >= 3600) snprintf(out, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else snprintf(out, size, "%lu:%02lu", s / 60, s % 60);
}

static void format_bar(char *out, size_t width, size_t done, size_t total) {
    size_t filled = total ? (size_t)((double)width * (double)done / (double)total) : 0;
    if (filled > width) filled = width;
    memset(out, '.', width);
    memset(out, '=', filled);
    if (filled < width) out[filled] = '>';
    out[width] = '\0';
}

/* "12/60 steps  loss 0.512  8.1/s  ETA 0:06" */
static void format_state(char *out, size_t size, const progress *p, size_t done, const char *detail) {
    double elapsed = terminal_seconds() - p->started;
    int n = snprintf(out, size, "%zu/%zu %s%s%s", done, p->total, p->unit, detail ? "  " : "", detail ? detail : "");
    if (done <= p->before || elapsed <= 0 || n < 0 || (size_t)n >= size) return;
    double rate = (double)(done - p->before) / elapsed;
    char eta[32];
    format_duration(eta, sizeof eta, (double)(p->total > done ? p->total - done : 0) / rate);
    snprintf(out + n, size - (size_t)n, rate < 100 ? "  %.1f/s  ETA %s" : "  %.0f/s  ETA %s", rate, eta);
}

static void draw_bar(const progress *p, const char *state, size_t done) {
    char bar[BAR_WIDTH + 1];
    size_t room = columns() - 1, used = strlen(p->label) + strlen(state) + 6; /* blanks and brackets */
    size_t width = room > used ? room - used : 0;
    if (width > BAR_WIDTH) width = BAR_WIDTH;
    format_bar(bar, width, done, p->total);
    clear_line();
    if (width < BAR_LEAST) fprintf(stderr, "%.*s", (int)room, state);
    else fprintf(stderr, "%s  [%s%s%s]  %s", p->label, has_color() ? "\033[32m" : "", bar, has_color() ? "\033[0m" : "", state);
    fflush(stderr);
    line_open = 1;
}

void progress_begin(progress *p, const char *label, const char *unit, size_t total) {
    double t = terminal_seconds();
    *p = (progress){.label = label, .unit = unit, .total = total, .started = t, .shown = is_terminal() ? 0 : t};
}

void progress_show(progress *p, size_t done, const char *detail) {
    double t = terminal_seconds();
    int terminal = is_terminal();
    if (t - p->shown < (terminal ? REDRAW_SECONDS : PLAIN_SECONDS)) return;
    p->shown = t;
    char state[256];
    format_state(state, sizeof state, p, done, detail);
    if (terminal) draw_bar(p, state, done);
    else fprintf(stderr, "%s  %s\n", p->label, state);
}

void progress_end(progress *p, const char *detail) {
    clear_line();
    fprintf(stderr, "%s  %zu %s%s%s  in %.1f s\n", p->label, p->total, p->unit, detail ? "  " : "", detail ? detail : "", terminal_seconds() - p->started);
}

void terminal_say(const char *format, ...) {
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
    clear_line();
    fprintf(stderr, "%s\n", line);
}

static void raise_flag(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

void terminal_catch_signals(void) {
    struct sigaction action = {.sa_handler = raise_flag, .sa_flags = (int)(SA_RESTART | SA_RESETHAND)}; /* a second Ctrl-C ends at once */
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int terminal_interrupted(void) { return interrupted; }
