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
#define BAR_WIDTH 24       /* less on a narrow terminal, none where there is no room for BAR_LEAST */
#define BAR_LEAST 6
#define WIDE 80         /* columns */
#define FIRST_DETAIL 14 /* columns of the most important one, which says more than a bar */

enum { LINE_SIZE = 4096 };

static size_t drawn;                               /* characters of the unfinished progress line that is on the terminal; 0: none */
static volatile sig_atomic_t interrupted, answers; /* answers: somebody looks, and should see that Ctrl-C was heard */

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

/* A window that has become narrower meanwhile shows the line on several rows: terminals wrap it anew. */
static void clear_line(void) {
    size_t above = drawn > 0 ? (drawn - 1) / columns() : 0;
    if (drawn == 0) return;
    if (above > 0) fprintf(stderr, "\033[%zuA\r\033[J", above);
    else fputs("\r\033[K", stderr);
    drawn = 0;
}

void format_duration(char *out, size_t size, double seconds) {
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

/* ---- one line of parts with two blanks between them; the less important ones are left out where the window is narrow ---- */

enum { MOST_PARTS = 16, PART_SIZE = 64 };

typedef struct parts {
    char text[MOST_PARTS][PART_SIZE];
    int shown[MOST_PARTS];
    size_t count, used; /* used: columns of those shown */
} parts;

/* Adds length bytes of text as the part that comes next from the left, and shows it where it fits into room. */
static void add_part(parts *p, const char *text, size_t length, size_t room) {
    if (p->count == MOST_PARTS || length == 0) return;
    if (length >= PART_SIZE) length = PART_SIZE - 1;
    memcpy(p->text[p->count], text, length);
    p->text[p->count][length] = '\0';
    p->shown[p->count] = p->used + length + 2 <= room;
    if (p->shown[p->count]) p->used += length + 2;
    p->count++;
}

/* The parts of detail, most important first. */
static void add_details(parts *p, const char *detail, size_t room) {
    while (detail && *detail) {
        const char *end = strstr(detail, "  ");
        size_t length = end ? (size_t)(end - detail) : strlen(detail);
        add_part(p, detail, length, room);
        detail += length + (end ? 2 : 0);
    }
}

static void append(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void append(char *out, size_t size, const char *format, ...) {
    size_t n = strlen(out);
    va_list arguments;
    va_start(arguments, format);
    if (n < size) vsnprintf(out + n, size - n, format, arguments);
    va_end(arguments);
}

/* The line of a moving progress in at most room columns: the count; the label and the time left where they fit; a short bar; the rate and details, these first
 * where it is narrow; what is left goes to the bar. with_bar: 0 in a log. */
static void format_line(char *out, size_t size, const progress *p, size_t done, const char *detail, size_t room, int with_bar) {
    double elapsed = terminal_seconds() - p->started;
    parts list = {.count = 0};
    char count[PART_SIZE], eta[PART_SIZE] = "", rate[PART_SIZE] = "", bar[BAR_WIDTH + 1], time[32];
    snprintf(count, sizeof count, "%zu/%zu %s", done, p->total, p->unit);
    if (done > p->before && elapsed > 0) {
        double steps = (double)(done - p->before) / elapsed, speed = steps * (p->per_unit > 0 ? p->per_unit : 1);
        snprintf(rate, sizeof rate, speed < 10 ? "%.1f%s%s/s" : "%.0f%s%s/s", speed, p->rate_unit ? " " : "", p->rate_unit ? p->rate_unit : "");
        format_duration(time, sizeof time, (double)(p->total > done ? p->total - done : 0) / steps);
        snprintf(eta, sizeof eta, "ETA %s", time);
    }
    size_t used = strlen(count), label = strlen(p->label) + 2, end = *eta ? strlen(eta) + 2 : 0, least = BAR_LEAST + 4; /* blanks and brackets */
    int has_label = used + label <= room, has_eta, has_bar;
    used += has_label ? label : 0;
    has_eta = *eta && used + end <= room;
    used += has_eta ? end : 0;
    has_bar = with_bar && used + least + (detail ? FIRST_DETAIL : 0) <= room;
    used += has_bar ? least : 0;
    size_t rest = room > used ? room - used : 0;
    if (room >= WIDE) add_part(&list, rate, strlen(rate), rest);
    add_details(&list, detail, rest);
    if (room < WIDE) add_part(&list, rate, strlen(rate), rest);
    size_t width = BAR_LEAST + (rest - list.used);
    format_bar(bar, width < BAR_WIDTH ? width : BAR_WIDTH, done, p->total);
    *out = '\0';
    if (has_label) append(out, size, "%s  ", p->label);
    if (has_bar) append(out, size, "[%s]  ", bar);
    append(out, size, "%s", count);
    for (size_t i = 0; i < list.count; i++)
        if (list.shown[i]) append(out, size, "  %s", list.text[i]);
    if (has_eta) append(out, size, "  %s", eta);
}

/* Names and paths may hold anything. Of UTF-8: U+0080 to U+009F steer terminals, too; U+202A to U+202E and U+2066 to U+2069 are the bidirectional ones. */
void terminal_make_visible(char *text) {
    for (unsigned char *c = (unsigned char *)text; *c; c++) {
        if (*c < ' ' || *c == 0x7f) {
            *c = '?';
        } else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) {
            c[0] = c[1] = '?';
        } else if (c[0] == 0xe2 && ((c[1] == 0x80 && c[2] >= 0xaa && c[2] <= 0xae) || (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9))) {
            memcpy(c, "\xef\xbf\xbd", 3);
            c += 2;
        }
    }
}

/* The bar in colour. */
static void draw_line(const char *line) {
    const char *open = strstr(line, "  ["), *close = open ? strchr(open, ']') : NULL;
    clear_line();
    if (close && has_color()) fprintf(stderr, "%.*s\033[32m%.*s\033[0m%s", (int)(open + 3 - line), line, (int)(close - open - 3), open + 3, close);
    else fputs(line, stderr);
    fflush(stderr);
    for (const char *c = line; *c; c++) drawn += ((unsigned char)*c & 0xc0) != 0x80; /* of UTF-8 */
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
    char line[LINE_SIZE];
    format_line(line, sizeof line, p, done, detail, terminal ? columns() - 1 : sizeof line - 1, terminal);
    terminal_make_visible(line);
    if (terminal) draw_line(line);
    else fprintf(stderr, "%s\n", line);
}

void progress_wait(progress *p, const char *label) {
    progress_begin(p, label, NULL, 0);
    if (!is_terminal()) return;
    char line[LINE_SIZE];
    snprintf(line, sizeof line, "%.*s ...", (int)(columns() > 5 ? columns() - 5 : 0), label);
    terminal_make_visible(line);
    draw_line(line);
}

/* Elsewhere than on a terminal nobody saw that it began. */
static void end_wait(const progress *p) {
    double seconds = terminal_seconds() - p->started;
    clear_line();
    if (seconds >= PLAIN_SECONDS) terminal_say("%s  took %.1f s", p->label, seconds);
}

void progress_end(progress *p, const char *detail) {
    parts list = {.count = 0};
    char line[LINE_SIZE], end[PART_SIZE];
    if (p->total == 0) {
        end_wait(p);
        return;
    }
    snprintf(line, sizeof line, "%.200s  %zu %s", p->label, p->total, p->unit);
    snprintf(end, sizeof end, "  in %.1f s", terminal_seconds() - p->started);
    size_t used = strlen(line) + strlen(end), most = is_terminal() ? columns() - 1 : sizeof line - 1;
    add_details(&list, detail, most > used ? most - used : 0);
    for (size_t i = 0; i < list.count; i++)
        if (list.shown[i]) append(line, sizeof line, "  %s", list.text[i]);
    terminal_say("%s%s", line, end);
}

void progress_clear(void) {
    clear_line();
    fflush(stderr);
}

/* Between words; a command at the end is left to the terminal, which copies it as the one line that it is. */
static void break_line(char *line, size_t width) {
    const char *command = strstr(line, ": orthsr ");
    char *blank = NULL;
    size_t column = 0, since_blank = 0;
    for (char *c = line; *c && !(command && c > command); c++) {
        if (*c == ' ') blank = c, since_blank = 0;
        else since_blank += ((unsigned char)*c & 0xc0) != 0x80;
        column += ((unsigned char)*c & 0xc0) != 0x80;
        if (column <= width || !blank) continue;
        *blank = '\n';
        blank = NULL;
        column = since_blank;
    }
}

void terminal_say(const char *format, ...) {
    char line[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    terminal_make_visible(line);
    if (is_terminal()) break_line(line, columns() - 1);
    clear_line();
    fprintf(stderr, "%s\n", line);
}

static void raise_flag(int signal_number) {
    static const char heard[] = "\r\033[Kstopping in order; Ctrl-C again ends it at once\r\n";
    (void)signal_number;
    interrupted = 1;
    if (answers && write(STDERR_FILENO, heard, sizeof heard - 1) < 0) answers = 0;
}

void terminal_catch_signals(void) {
    struct sigaction action = {.sa_handler = raise_flag, .sa_flags = (int)(SA_RESTART | SA_RESETHAND)}; /* a second Ctrl-C ends at once */
    answers = is_terminal();
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int terminal_interrupted(void) { return interrupted; }
