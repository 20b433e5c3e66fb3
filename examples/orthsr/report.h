/* report.h - what goes back to the caller: an exit code, one error line, one JSON object. */
#ifndef REPORT_H
#define REPORT_H

#include <jansson.h>
#include <stddef.h>

#include <orthsr/orthsr.h>

#include "options.h"

/* Fills error as the library would, and returns status. */
orthsr_status failed(orthsr_error *error, orthsr_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__ /* which sees one file at a time, and else would follow failures that succeed */
#define failed(error, status, ...) ((void)(error), (status))
#endif

/* "orthsr COMMAND: MESSAGE" on stderr; returns EXIT_FAILURE. */
int give_up(const settings *s, const orthsr_error *error);

/* Members of a JSON object. Text that is not UTF-8 (a file's name may be anything) gets '?' for its bytes above 127; a number that is not finite is null. */
json_t *report_text(const char *value);
void put_text(json_t *object, const char *key, const char *value);
void put_number(json_t *object, const char *key, double value);
void put_count(json_t *object, const char *key, size_t value);

/* text fit for a terminal, as terminal_make_visible has it; what is longer than buffer (size) is cut. Returns buffer. */
const char *report_visible(char *buffer, size_t size, const char *text);

/* The same with blanks behind it up to width characters. */
const char *report_column(char *buffer, size_t size, const char *text, size_t width);

/* What an item is called, also one of a manifest, in fresh memory (orthsr_free); NULL when there is no telling. */
char *item_name(const orthsr_dataset *dataset, size_t item);

/* The options of the command that were given, under their names. */
json_t *report_options(const settings *s);

/* program and argv (argc) as a shell would take them, in fresh memory; NULL when out of memory. */
char *report_command(const char *program, int argc, char **argv);

/* "command": the command line. */
void put_command(json_t *object, const settings *s);

/* object as one line, owned by the caller (free); NULL when out of memory. */
char *report_line(const json_t *object);

/* Prints object on stdout and releases it; returns the exit code. */
int report_print(const settings *s, json_t *object);

#endif
