/* report.c - error lines and JSON objects. */
#include "report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "terminal.h"

#define DIGITS 12 /* of numbers: more than float32 holds, and 0.1 stays 0.1 */

orthsr_status(failed)(orthsr_error *error, orthsr_status status, const char *format, ...) {
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

char *item_name(const orthsr_dataset *dataset, size_t item) {
    char *name;
    return orthsr_dataset_copy_item_name(dataset, item, &name, NULL) == ORTHSR_OK ? name : NULL;
}

void put_number(json_t *object, const char *key, double value) { json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null()); }

void put_count(json_t *object, const char *key, size_t value) { json_object_set_new(object, key, json_integer((json_int_t)value)); }

const char *report_visible(char *buffer, size_t size, const char *text) {
    size_t n = strlen(text);
    if (n >= size)
        for (n = size - 1; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;) n--; /* between characters */
    memcpy(buffer, text, n);
    buffer[n] = '\0';
    terminal_make_visible(buffer);
    return buffer;
}

const char *report_column(char *buffer, size_t size, const char *text, size_t width) {
    size_t columns = 0, n = strlen(report_visible(buffer, size, text));
    for (const char *c = buffer; *c; c++) columns += ((unsigned char)*c & 0xc0) != 0x80; /* of UTF-8 */
    for (; columns < width && n + 1 < size; columns++) buffer[n++] = ' ';
    buffer[n] = '\0';
    return buffer;
}

/* word as one word of a shell. */
static void write_word(FILE *f, const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@^_";
    if (*word && strspn(word, plain) == strlen(word)) {
        fputs(word, f);
        return;
    }
    fputc('\'', f);
    for (; *word; word++)
        if (*word == '\'') fputs("'\\''", f);
        else fputc(*word, f);
    fputc('\'', f);
}

char *report_command(const char *program, int argc, char **argv) {
    char *line = NULL;
    size_t size;
    FILE *f = open_memstream(&line, &size);
    if (!f) return NULL;
    fputs(program, f);
    for (int i = 0; i < argc; i++) {
        fputc(' ', f);
        write_word(f, argv[i]);
    }
    if (fclose(f) == 0) return line;
    free(line);
    return NULL;
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
