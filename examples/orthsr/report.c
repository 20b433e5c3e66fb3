/* report.c - error lines and JSON objects. */
#include "report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "terminal.h"

#define DIGITS 12 /* of numbers: more than float32 holds, and 0.1 stays 0.1 */

orthsr_status failed(orthsr_error *error, orthsr_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return status;
}

int give_up(const settings *s, const orthsr_error *error) {
    terminal_say("orthsr %s: %s", s->command->name, terminal_interrupted() ? "interrupted" : error->message);
    return EXIT_FAILURE;
}

json_t *report_text(const char *value) {
    json_t *text = json_string(value);
    char *copy = text ? NULL : strdup(value);
    if (!copy) return text;
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c > 127) *c = '?';
    text = json_string(copy);
    free(copy);
    return text;
}

void put_text(json_t *object, const char *key, const char *value) { json_object_set_new(object, key, value ? report_text(value) : json_null()); }

void put_number(json_t *object, const char *key, double value) { json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null()); }

void put_count(json_t *object, const char *key, size_t value) { json_object_set_new(object, key, json_integer((json_int_t)value)); }

static json_t *list_json(const list *l) {
    json_t *array = json_array();
    for (size_t i = 0; i < l->count; i++) json_array_append_new(array, report_text(l->items[i]));
    return array;
}

static void put_option(json_t *object, const option_row *row, const void *member) {
    char name[32];
    switch (row->kind) {
    case OPTION_TEXT:
        if (*(const char *const *)member) put_text(object, row->name, *(const char *const *)member);
        break;
    case OPTION_LIST:
    case OPTION_FILES:
        if (((const list *)member)->count > 0) json_object_set_new(object, row->name, list_json(member));
        break;
    case OPTION_WHOLE:
    case OPTION_WHOLE_OR_WORD: {
        const whole *w = member;
        if (w->given && row->kind == OPTION_WHOLE_OR_WORD && w->value == 0) put_text(object, row->name, row_word(row));
        else if (w->given) put_count(object, row->name, w->value);
        break;
    }
    case OPTION_REAL:
        if (((const real *)member)->given) put_number(object, row->name, ((const real *)member)->value);
        break;
    case OPTION_CHOICE:
        if (*(const int *)member >= 0) put_text(object, row->name, choice_name(row, *(const int *)member, name, sizeof name));
        break;
    case OPTION_FLAG:
    case OPTION_LATER:
    case OPTION_LATER_FLAG: break;
    }
}

const char *report_visible(char *buffer, size_t size, const char *text) {
    snprintf(buffer, size, "%s", text);
    for (char *c = buffer; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127) *c = '?';
    return buffer;
}

json_t *report_options(const settings *s) {
    json_t *object = json_object();
    for (size_t i = 0; i < option_row_count; i++)
        if (option_rows[i].commands & s->command->bit) put_option(object, &option_rows[i], (const char *)s + option_rows[i].offset);
    return object;
}

char *report_line(const json_t *object) { return json_dumps(object, JSON_REAL_PRECISION(DIGITS)); }

int report_print(const settings *s, json_t *object) {
    orthsr_error error = {""};
    char *line = report_line(object);
    json_decref(object);
    if (!line) {
        failed(&error, ORTHSR_ERROR_MEMORY, "out of memory for the JSON object");
        return give_up(s, &error);
    }
    puts(line);
    free(line);
    return EXIT_SUCCESS;
}
