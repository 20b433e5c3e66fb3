/* command_json.c - the command line as JSON: the options that were given, and the line itself. */
#include <stdlib.h>
#include <string.h>

#include "report.h"

static json_t *list_json(const list *l) {
    json_t *array = json_array();
    for (size_t i = 0; i < l->count; i++) json_array_append_new(array, report_text(l->items[i]));
    return array;
}

/* Of a flag that says how a command is to be carried out, not what: a run gone on with has the options of the one that was begun. */
static int is_silent(const option_row *row) { return strcmp(row->name, "resume") == 0 || strcmp(row->name, "json") == 0 || strcmp(row->name, "help") == 0; }

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
        if (*(const int *)member && !is_silent(row)) json_object_set_new(object, row->name, json_true());
        break;
    }
}

json_t *report_options(const settings *s) {
    json_t *object = json_object();
    for (size_t i = 0; i < option_row_count; i++)
        if (option_rows[i].commands & s->command->bit) put_option(object, &option_rows[i], (const char *)s + option_rows[i].offset);
    return object;
}

void put_command(json_t *object, const settings *s) {
    char *line = report_command("orthsr", s->argc, s->argv);
    put_text(object, "command", line);
    free(line);
}
