/* help.c - `orthsr help [COMMAND]`, from the tables of commands and options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <orthsr/orthsr.h>

#include "commands.h"
#include "report.h"

#define WIDTH 100
#define COLUMN 30 /* where the explanation of an option begins */

/* Prints words from column `at` on, continued at column `indent`. */
static void print_wrapped(const char *text, size_t at, size_t indent) {
    while (*text) {
        size_t word = strcspn(text, " ");
        if (at + 1 + word > WIDTH) {
            printf("\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            putchar(' ');
            at++;
        }
        printf("%.*s", (int)word, text);
        at += word;
        text += word + strspn(text + word, " ");
    }
    putchar('\n');
}

static void print_option(const option_row *row) {
    size_t at = (size_t)printf("  --%s%s%s", row->name, row->value ? " " : "", row->value ? row->value : "");
    if (at >= COLUMN) {
        putchar('\n');
        at = 0;
    }
    printf("%*s", (int)(COLUMN - at), "");
    print_wrapped(row->help, COLUMN, COLUMN);
}

static void print_options(const command *c, int required) {
    for (size_t i = 0; i < option_row_count; i++) {
        const option_row *row = &option_rows[i];
        if (row->commands & c->bit && !!(row->required & c->bit) == required) print_option(row);
    }
}

static int has_required(const command *c) {
    for (size_t i = 0; i < option_row_count; i++)
        if (option_rows[i].required & c->bit) return 1;
    return 0;
}

static void print_command(const command *c) {
    printf("orthsr %s%s%s [options]: %s\n\n", c->name, c->arguments ? " " : "", c->arguments ? c->arguments : "", c->summary);
    print_wrapped(c->text, 0, 0);
    if (has_required(c)) {
        printf("\nrequired:\n");
        print_options(c, 1);
    }
    printf("\noptions:\n");
    print_options(c, 0);
    printf("\nexample:\n  %s\n", c->example);
}

static void print_overview(void) {
    printf("orthsr %s: adapt a pretrained CLIP to your classes from a few images per class, by orthogonal matrices\n\n", orthsr_version_string());
    printf("usage: orthsr COMMAND [options]\n\n");
    for (const command *c = commands; c->name; c++) printf("  %-10s %s\n", c->name, c->summary);
    printf("  %-10s %s\n\n", "--version", "which version this is");
    printf("'orthsr help COMMAND' lists the options. Every command takes --json: one JSON object on stdout, messages on stderr.\n");
    printf("Exit status: 0 success, 2 wrong usage, 1 any other failure.\n");
}

static json_t *option_json(const option_row *row, unsigned bit) {
    json_t *object = json_object();
    put_text(object, "name", row->name);
    put_text(object, "value", row->value);
    put_text(object, "help", row->help);
    json_object_set_new(object, "required", json_boolean(row->required & bit));
    return object;
}

static json_t *command_json(const command *c) {
    json_t *object = json_object(), *options = json_array();
    put_text(object, "name", c->name);
    put_text(object, "arguments", c->arguments);
    put_text(object, "summary", c->summary);
    put_text(object, "text", c->text);
    put_text(object, "example", c->example);
    for (size_t i = 0; i < option_row_count; i++)
        if (option_rows[i].commands & c->bit) json_array_append_new(options, option_json(&option_rows[i], c->bit));
    json_object_set_new(object, "options", options);
    return object;
}

static json_t *overview_json(void) {
    json_t *object = json_object(), *array = json_array();
    put_text(object, "version", orthsr_version_string());
    for (const command *c = commands; c->name; c++) json_array_append_new(array, command_json(c));
    json_object_set_new(object, "commands", array);
    return object;
}

int command_help(const settings *s) {
    /* `orthsr train --help` asks about train, `orthsr help train` too. */
    const command *c = s->command->bit == HELP ? NULL : s->command;
    if (s->command->bit == HELP && s->positional.count > 0) {
        c = find_command(s->positional.items[0]);
        if (!c) return unknown_command(s->positional.items[0]);
    }
    if (s->json) return report_print(s, c ? command_json(c) : overview_json());
    if (c) print_command(c);
    else print_overview();
    return EXIT_SUCCESS;
}
