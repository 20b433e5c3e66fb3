/* chart.c - axes, lines and marks by cairo. Its SVG says colours as numbers: each of ours is drawn as the number of its name, and that is put in when it is
 * written. */
#include "chart.h"

#include <cairo-svg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "html.h"

#define TOP 24.0    /* the y axis's label */
#define BOTTOM 36.0 /* numbers and the x axis's label */
#define LEFT 46.0
#define LEFT_NAMED 92.0
#define RIGHT 14.0
#define DOT 3.5
#define LABEL_WIDTH 30.0 /* of a name below the x axis */
#define PI 3.14159265358979323846

struct chart {
    double width, height, left, right, top, bottom; /* the last four: of the plot */
    axis x, y;
    cairo_surface_t *surface;
    cairo_t *cr;
    char *drawn, *words, *what; /* cairo's SVG; <text> elements */
    size_t drawn_size, words_size;
    FILE *drawing, *wording;
};

static const char *const colours[COLOURS] = {"var(--ink)", "var(--muted)", "var(--grid)", "var(--panel)", "var(--c1)",
                                             "var(--c2)",  "var(--c3)",    "var(--c4)",   "var(--c5)",    "var(--c6)"};

const char *colour_name(colour c) { return colours[c]; }

/* ---- cairo ---- */

static cairo_status_t append(void *closure, const unsigned char *bytes, unsigned n) {
    return fwrite(bytes, 1, n, closure) == n ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static void set_colour(chart *c, colour which) { cairo_set_source_rgb(c->cr, (double)which / 100, 0, 0); }

/* "rgb(4%,0%,0%)" at s: the colour, and *end behind it; COLOURS when it is none of ours. */
static colour read_colour(const char *s, const char **end) {
    char *after;
    double percent = strtod(s + strlen("rgb("), &after);
    const char *close = strchr(after, ')');
    long which = lround(percent);
    if (*after != '%' || !close || which < 0 || which >= COLOURS) return COLOURS;
    *end = close + 1;
    return (colour)which;
}

/* What is between <svg ...> and </svg>, without the id that cairo gives its group. */
static void write_drawn(FILE *f, const char *svg) {
    const char *s = strstr(svg, "<svg"), *last = s ? strstr(s, "</svg>") : NULL;
    s = s ? strchr(s, '>') : NULL;
    if (!s || !last) return;
    for (s++; s < last;) {
        const char *end = s;
        colour which = strncmp(s, "rgb(", 4) == 0 ? read_colour(s, &end) : COLOURS;
        if (strncmp(s, " id=\"", 5) == 0 && strchr(s + 5, '"')) s = strchr(s + 5, '"') + 1;
        else if (which != COLOURS) fputs(colours[which], f), s = end;
        else if (*s == '\n') s++;
        else fputc(*s++, f);
    }
}

static int open_drawing(chart *c) {
    c->drawing = open_memstream(&c->drawn, &c->drawn_size);
    c->wording = open_memstream(&c->words, &c->words_size);
    if (!c->drawing || !c->wording) return 0;
    c->surface = cairo_svg_surface_create_for_stream(append, c->drawing, c->width, c->height);
    c->cr = cairo_create(c->surface);
    cairo_set_tolerance(c->cr, 0.02);
    cairo_set_line_join(c->cr, CAIRO_LINE_JOIN_ROUND);
    return cairo_status(c->cr) == CAIRO_STATUS_SUCCESS;
}

static void free_chart(chart *c) {
    if (c->cr) cairo_destroy(c->cr);
    if (c->surface) cairo_surface_destroy(c->surface);
    if (c->drawing) fclose(c->drawing);
    if (c->wording) fclose(c->wording);
    free(c->drawn);
    free(c->words);
    free(c->what);
    free(c);
}

void chart_write(chart *c, FILE *f) {
    if (!c) return;
    cairo_surface_finish(c->surface);
    int good = cairo_status(c->cr) == CAIRO_STATUS_SUCCESS && cairo_surface_status(c->surface) == CAIRO_STATUS_SUCCESS;
    good &= fflush(c->drawing) == 0 && fflush(c->wording) == 0;
    if (good) {
        fprintf(f, "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"", c->width, c->height);
        html_text(f, c->what);
        fputs("\">", f);
        write_drawn(f, c->drawn);
        fprintf(f, "%s</svg>\n", c->words);
    }
    free_chart(c);
}

/* ---- axes ---- */

/* 1, 2 or 5 times a power of ten: the least that cuts the range in at most n. */
static double round_step(double range, double n) {
    double power = pow(10, floor(log10(range / n)));
    for (int i = 0; i < 3; i++) {
        static const double digits[] = {1, 2, 5};
        if (range / (digits[i] * power) <= n * (1 + 1e-9)) return digits[i] * power;
    }
    return 10 * power;
}

static void settle(axis *a) {
    if (a->names) {
        a->low = -0.5;
        a->high = (double)a->name_count - 0.5;
        return;
    }
    if (!(a->low <= a->high)) a->low = a->logarithmic ? 0.1 : 0, a->high = 1; /* nothing to show */
    if (a->logarithmic) {
        a->low = pow(10, floor(log10(a->low) + 1e-9));
        a->high = pow(10, ceil(log10(a->high) - 1e-9));
        if (a->high <= a->low) a->high = 10 * a->low;
        return;
    }
    double size = fmax(fabs(a->low), fabs(a->high));
    if (a->high - a->low <= 1e-9 * size) { /* one value, to rounding: in the middle */
        double half = size > 0 ? 0.01 * size : 0.5;
        a->low -= half;
        a->high += half;
    }
    if (!a->fixed) {
        double step = round_step(a->high - a->low, 5);
        a->low = step * floor(a->low / step + 1e-9);
        a->high = step * ceil(a->high / step - 1e-9);
    }
    if (a->most > a->low) a->high = fmin(a->high, a->most);
}

static double place(const axis *a, double value, double from, double to) {
    double part = a->logarithmic ? log(value / a->low) / log(a->high / a->low) : (value - a->low) / (a->high - a->low);
    return from + part * (to - from);
}

static double place_x(const chart *c, double x) { return place(&c->x, x, c->left, c->right); }
static double place_y(const chart *c, double y) { return c->y.names ? place(&c->y, y, c->top, c->bottom) : place(&c->y, y, c->bottom, c->top); }

static int is_shown(const axis *a, double value) { return isfinite(value) && (!a->logarithmic || value > 0); }

/* 0.5, 12000, 3·10⁻⁷ */
static void format_tick(char *out, size_t size, double value) {
    static const char *const raised[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    snprintf(out, size, "%.6g", fabs(value) < 1e-12 ? 0 : value);
    if (fabs(value) >= 1e-3 && fabs(value) < 1e6) return;
    char digits[32], *e;
    snprintf(digits, sizeof digits, "%.3g", value);
    if (!(e = strchr(digits, 'e'))) return;
    int power = atoi(e + 1);
    *e = '\0';
    int alone = strcmp(digits, "1") == 0, n = snprintf(out, size, "%s%s10", alone ? "" : digits, alone ? "" : "·");
    if (power < 0) n += snprintf(out + n, size - (size_t)n, "⁻");
    power = abs(power);
    if (power >= 10) n += snprintf(out + n, size - (size_t)n, "%s", raised[power / 10 % 10]);
    snprintf(out + n, size - (size_t)n, "%s", raised[power % 10]);
}

static void word(chart *c, double x, double y, const char *anchor, const char *text) {
    fprintf(c->wording, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    html_text(c->wording, text);
    fputs("</text>", c->wording);
}

static void grid_line(chart *c, double x0, double y0, double x1, double y1, colour which) {
    set_colour(c, which);
    cairo_set_line_width(c->cr, 1);
    cairo_set_line_cap(c->cr, CAIRO_LINE_CAP_BUTT);
    cairo_move_to(c->cr, x0, y0);
    cairo_line_to(c->cr, x1, y1);
    cairo_stroke(c->cr);
}

/* One tick of an axis: a line across the plot and the number. */
static void tick(chart *c, int is_x, double value) {
    char text[48];
    format_tick(text, sizeof text, value);
    if (is_x) {
        double x = place_x(c, value);
        if (c->y.names) grid_line(c, x, c->top, x, c->bottom, GRID);
        word(c, x, c->bottom + 15, "middle", text);
    } else {
        double y = place_y(c, value);
        grid_line(c, c->left, y, c->right, y, GRID);
        word(c, c->left - 7, y + 3.5, "end", text);
    }
}

static void ticks(chart *c, int is_x) {
    const axis *a = is_x ? &c->x : &c->y;
    if (a->logarithmic) {
        double decades = log10(a->high / a->low), every = fmax(ceil(decades / 6 - 1e-9), 1);
        for (int k = 0; k * every <= decades + 1e-9; k++) tick(c, is_x, pow(10, round(log10(a->low) + k * every)));
        return;
    }
    double step = round_step(a->high - a->low, 5);
    if (a->whole) step = fmax(round(step), 1);
    for (double k = ceil(a->low / step - 1e-9); k * step <= a->high + 1e-9 * step; k++) tick(c, is_x, k * step);
}

static void names(chart *c, int is_x) {
    const axis *a = is_x ? &c->x : &c->y;
    double room = (c->right - c->left) / (double)a->name_count;
    size_t every = is_x && room < LABEL_WIDTH ? (size_t)ceil(LABEL_WIDTH / room) : 1;
    for (size_t i = 0; i < a->name_count; i += every) {
        char text[80];
        if (!a->names[i]) continue;
        if (is_x) {
            word(c, place_x(c, (double)i), c->bottom + 15, "middle", a->names[i]);
            continue;
        }
        size_t n = strlen(a->names[i]), most = 14;
        for (; n > most && ((unsigned char)a->names[i][most] & 0xc0) == 0x80;) most--; /* cut between characters */
        snprintf(text, sizeof text, n > most ? "%.*s…" : "%.*s", (int)(n > most ? most : n), a->names[i]);
        word(c, c->left - 9, place_y(c, (double)i) + 3.5, "end", text);
    }
}

chart *chart_new(const char *what, double width, double height, axis x, axis y) {
    chart *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    *c = (chart){.width = width, .height = height, .x = x, .y = y, .what = strdup(what)};
    c->left = y.names ? LEFT_NAMED : LEFT;
    c->right = width - RIGHT;
    c->top = y.names ? 6 : TOP;
    c->bottom = height - BOTTOM;
    settle(&c->x);
    settle(&c->y);
    if (!c->what || !open_drawing(c)) {
        free_chart(c);
        return NULL;
    }
    if (c->x.names) names(c, 1);
    else ticks(c, 1);
    if (c->y.names) names(c, 0);
    else ticks(c, 0);
    if (!c->y.names) grid_line(c, c->left, c->bottom, c->right, c->bottom, MUTED);
    if (x.label) word(c, c->right, height - 5, "end", x.label);
    if (y.label) word(c, 0, 11, "start", y.label);
    return c;
}

/* ---- marks ---- */

void chart_line(chart *c, const double *x, const double *y, size_t n, colour which) {
    if (!c) return;
    int drawing = 0;
    set_colour(c, which);
    cairo_set_line_width(c->cr, 1.6);
    for (size_t i = 0; i < n; i++) {
        if (!is_shown(&c->x, x[i]) || !is_shown(&c->y, y[i])) {
            drawing = 0;
            continue;
        }
        if (drawing) cairo_line_to(c->cr, place_x(c, x[i]), place_y(c, y[i]));
        else cairo_move_to(c->cr, place_x(c, x[i]), place_y(c, y[i]));
        drawing = 1;
    }
    cairo_stroke(c->cr);
}

void chart_segment(chart *c, double x0, double y0, double x1, double y1, double thickness, colour which) {
    if (!c || !is_shown(&c->x, x0) || !is_shown(&c->x, x1) || !is_shown(&c->y, y0) || !is_shown(&c->y, y1)) return;
    set_colour(c, which);
    cairo_set_line_width(c->cr, thickness);
    cairo_set_line_cap(c->cr, CAIRO_LINE_CAP_ROUND);
    cairo_move_to(c->cr, place_x(c, x0), place_y(c, y0));
    cairo_line_to(c->cr, place_x(c, x1), place_y(c, y1));
    cairo_stroke(c->cr);
}

/* At pixels. */
static void dot(chart *c, double x, double y, int filled, colour which) {
    set_colour(c, filled ? which : PANEL);
    cairo_arc(c->cr, x, y, DOT, 0, 2 * PI);
    cairo_close_path(c->cr);
    if (filled) {
        cairo_fill(c->cr);
        return;
    }
    cairo_fill_preserve(c->cr);
    set_colour(c, which);
    cairo_set_line_width(c->cr, 1.5);
    cairo_stroke(c->cr);
}

void chart_dot(chart *c, double x, double y, int filled, colour which) {
    if (c && is_shown(&c->x, x) && is_shown(&c->y, y)) dot(c, place_x(c, x), place_y(c, y), filled, which);
}

void chart_write_change(FILE *f, double before, double after) {
    const double width = 110, height = 12, left = 5, range = width - 10, middle = height / 2;
    chart *c = calloc(1, sizeof *c);
    if (!c) return;
    *c = (chart){.width = width, .height = height};
    if (!open_drawing(c)) {
        free_chart(c);
        return;
    }
    colour which = after > before ? C3 : after < before ? C2 : MUTED;
    grid_line(c, left, middle, left + range, middle, GRID);
    if (isfinite(before) && isfinite(after) && before != after) {
        set_colour(c, which);
        cairo_set_line_width(c->cr, 2);
        cairo_move_to(c->cr, left + range * before, middle);
        cairo_line_to(c->cr, left + range * after, middle);
        cairo_stroke(c->cr);
    }
    if (isfinite(before)) dot(c, left + range * before, middle, 0, MUTED);
    if (isfinite(after)) dot(c, left + range * after, middle, 1, which);
    cairo_surface_finish(c->surface);
    if (cairo_status(c->cr) == CAIRO_STATUS_SUCCESS && fflush(c->drawing) == 0) {
        fprintf(f, "<svg class=\"bar\" viewBox=\"0 0 %g %g\" aria-hidden=\"true\">", width, height);
        write_drawn(f, c->drawn);
        fputs("</svg>", f);
    }
    free_chart(c);
}

void chart_write_key(FILE *f, colour which, const char *name) {
    fprintf(f, "<li style=\"--k:%s\">", colours[which]);
    html_name(f, name);
    fputs("</li>", f);
}
