/* chart.h - drawings of a page: cairo draws lines and marks, words stay words, and colours are the page's own, so both themes have theirs.
 *
 * A chart is made for the width of a telephone and is never scaled down; what it shows stands in a table beside it as well.
 */
#ifndef CHART_H
#define CHART_H

#include <stddef.h>
#include <stdio.h>

#include <orthsr/orthsr.h>

/* Names of the style sheet's variables: see chart.c. C1 to C6 are for data. */
typedef enum colour { INK, MUTED, GRID, PANEL, C1, C2, C3, C4, C5, C6, COLOURS } colour;
#define CHART_SERIES 6 /* C1 to C6 */

/* "var(--c1)" */
const char *colour_name(colour c);

typedef struct axis {
    const char *label;             /* with its unit */
    double low, high;              /* of the data; widened to round numbers unless fixed */
    double most;                   /* the axis does not go beyond it; 0: it may */
    int fixed, logarithmic, whole; /* whole: of things that are counted, no ticks between them */
    const char *const *names;      /* of the places 0, 1, ..., name_count - 1 in place of numbers, or NULL; those that are NULL or find no room are left out */
    size_t name_count;
} axis;

typedef struct chart chart;

/* y axes with names run downwards, with room for the names on the left. NULL when out of memory. what: a sentence for those who do not see it. */
chart *chart_new(const char *what, double width, double height, axis x, axis y);

/* In the axes' units; what is not finite, or not above 0 on a logarithmic axis, is left out. */
void chart_line(chart *c, const double *x, const double *y, size_t n, colour which);
void chart_segment(chart *c, double x0, double y0, double x1, double y1, double thickness, colour which);
void chart_dot(chart *c, double x, double y, int filled, colour which);

/* Writes <svg> and frees the chart. Nothing is written when cairo ran out of memory: the table has it all. */
void chart_write(chart *c, FILE *f);

/* A small drawing for a table's row: where a share was, a ring, and where it is, a dot; of 0 to 1. NaN: there is none. */
void chart_write_change(FILE *f, double before, double after);

/* An entry of a list of class "key". */
void chart_write_key(FILE *f, colour which, const char *name);

#endif
