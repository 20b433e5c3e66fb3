/* html.h - a page: its frame and style, and the only way by which text from outside gets into it.
 *
 * Names of classes, files and options may hold anything: they are escaped here and put between <bdi>, so that they are text, run in their own direction, and
 * end where they end. Numbers of result.json stand as <span data-value="exact">shown</span>.
 */
#ifndef HTML_H
#define HTML_H

#include <stddef.h>
#include <stdio.h>

/* Escaped: markup, quotes, control characters and bytes that are not UTF-8. */
void html_text(FILE *f, const char *text);

/* The same as a thing by itself: <bdi>TEXT</bdi>, or a dash when there is nothing to be seen. */
void html_name(FILE *f, const char *text);

/* The last part of a path that tells it from others: what is after the last slash, or all. */
const char *html_file_name(const char *path);

/* value times `scale` with so many decimals; a dash when it is not finite. html_signed puts a + before what is above 0. */
void html_number(FILE *f, double value, double scale, int decimals);
void html_signed(FILE *f, double value, double scale, int decimals);
/* Three significant digits. */
void html_short(FILE *f, double value);

/* "data:TYPE;base64,..." */
void html_data_uri(FILE *f, const char *type, const unsigned char *bytes, size_t n);

/* Everything up to <main>, with the style; and from </main> on. */
void html_begin(FILE *f, const char *title);
void html_end(FILE *f);

#endif
