/* completion.c - `orthsr completion bash|zsh`: what a shell completes, from the tables of commands and options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "report.h"

static int is_choice(const option_row *row) { return row->kind == OPTION_CHOICE || row->kind == OPTION_WHOLE_OR_WORD; }

/* The words that may stand as the value, with blanks between them. */
static void write_choices(FILE *f, const option_row *row) {
    char name[32];
    if (row->kind == OPTION_WHOLE_OR_WORD) {
        fputs(row_word(row), f);
        return;
    }
    for (int i = 0; i < choice_count(row); i++) fprintf(f, "%s%s", i ? " " : "", choice_name(row, i, name, sizeof name));
}

static void write_commands(FILE *f) {
    for (const command *c = commands; c->name; c++) fprintf(f, "%s%s", c == commands ? "" : " ", c->name);
}

/* The words of a command's first argument, or NULL where it is a file. */
static const char *argument_words(const command *c) { return c->bit == DATA ? "check" : c->bit == COMPLETION ? "bash zsh" : NULL; }

/* ---- bash ---- */

/* What follows an option: "command:--option) words". */
static void write_bash_values(FILE *f, const command *c) {
    for (size_t i = 0; i < option_row_count; i++) {
        const option_row *row = &option_rows[i];
        if (!(row->commands & c->bit) || row->kind == OPTION_FLAG) continue;
        fprintf(f, "    %s:--%s) ", c->name, row->name);
        if (is_choice(row)) {
            fputs("words='", f);
            write_choices(f, row);
            fputs("' ;;\n", f);
        } else fputs("return ;;\n", f); /* a file's name, or what nobody can guess */
    }
}

/* Else the words of its argument, and its options where a '-' begins. */
static void write_bash_options(FILE *f, const command *c) {
    fprintf(f, "    %s:*) words='", c->name);
    if (c->bit == HELP) write_commands(f);
    else if (argument_words(c)) fputs(argument_words(c), f);
    fputs("' options='", f);
    for (size_t i = 0; i < option_row_count; i++)
        if (option_rows[i].commands & c->bit) fprintf(f, "--%s ", option_rows[i].name);
    fputs("' ;;\n", f);
}

static void write_bash(FILE *f) {
    fputs("# bash completion for orthsr, written by `orthsr completion bash`\n"
          "_orthsr() {\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words= options=\n"
          "    COMPREPLY=()\n"
          "    case $current in =) current= ;; *) [ \"$before\" != = ] || before=${COMP_WORDS[COMP_CWORD-2]} ;; esac # --option=value is three words\n"
          "    [ \"$COMP_CWORD\" -gt 1 ] || before=\n"
          "    case ${COMP_WORDS[1]}:$before in\n"
          "    *:) options='--help --version' words='",
          f);
    write_commands(f);
    fputs("' ;;\n", f);
    for (const command *c = commands; c->name; c++) {
        write_bash_values(f, c);
        write_bash_options(f, c);
    }
    fputs("    esac\n"
          "    case $current in -*) words=$options ;; esac\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
          "}\n"
          "complete -o default -F _orthsr orthsr\n", /* default: files where no word fits */
          f);
}

/* ---- zsh ---- */

/* text inside '...' of an argument of _arguments or _describe. */
static void write_zsh_text(FILE *f, const char *text) {
    for (; *text; text++) {
        if (*text == '\'') fputs("'\\''", f);
        else if (strchr("[]:\\", *text)) fprintf(f, "\\%c", *text);
        else fputc(*text, f);
    }
}

static void write_zsh_option(FILE *f, const option_row *row) {
    fprintf(f, "        '%s--%s[", row->kind == OPTION_LIST ? "*" : "", row->name);
    write_zsh_text(f, row->help);
    fputc(']', f);
    if (row->kind != OPTION_FLAG) {
        fputc(':', f);
        write_zsh_text(f, row->value);
        fputc(':', f);
        if (is_choice(row)) {
            fputc('(', f);
            write_choices(f, row);
            fputc(')', f);
        } else if (row->kind == OPTION_TEXT || row->kind == OPTION_LIST || row->kind == OPTION_FILES) fputs("_files", f);
    }
    fputs("' \\\n", f);
}

static void write_zsh_command(FILE *f, const command *c) {
    fprintf(f, "%s)\n    _arguments \\\n", c->name);
    for (size_t i = 0; i < option_row_count; i++)
        if (option_rows[i].commands & c->bit) write_zsh_option(f, &option_rows[i]);
    if (c->bit == HELP) {
        fputs("        '1:command:(", f);
        write_commands(f);
        fputs(")'\n", f);
    } else if (argument_words(c)) fprintf(f, "        '1:what:(%s)' '*:file:_files'\n", argument_words(c));
    else fputs("        '*:file:_files'\n", f);
    fputs("    ;;\n", f);
}

static void write_zsh(FILE *f) {
    fputs("#compdef orthsr\n"
          "# zsh completion for orthsr, written by `orthsr completion zsh`\n"
          "local -a commands=(\n",
          f);
    for (const command *c = commands; c->name; c++) {
        fprintf(f, "    '%s:", c->name);
        write_zsh_text(f, c->summary);
        fputs("'\n", f);
    }
    fputs(")\n"
          "if ((CURRENT == 2)); then\n"
          "    _describe command commands\n"
          "    return\n"
          "fi\n"
          "shift words\n"
          "((CURRENT--))\n"
          "case $words[1] in\n",
          f);
    for (const command *c = commands; c->name; c++) write_zsh_command(f, c);
    fputs("esac\n", f);
}

/* ---- the command ---- */

int command_completion(const settings *s) {
    static const char *const shells[] = {"bash", "zsh"};
    static void (*const write[])(FILE * f) = {write_bash, write_zsh};
    const char *name = s->positional.count > 0 ? s->positional.items[0] : NULL;
    size_t shell = 0;
    while (name && shell < 2 && strcmp(shells[shell], name) != 0) shell++;
    if (!name) return wrong_usage(s->command->name, "which shell, bash or zsh?");
    if (shell == 2) return wrong_usage(s->command->name, "there is completion for bash and zsh, not for '%s'", name);
    char *script = NULL;
    size_t size;
    FILE *f = open_memstream(&script, &size);
    if (f) write[shell](f);
    if (!f || fclose(f) != 0) return give_up(s, &(orthsr_error){"out of memory for the completion"});
    int code = EXIT_SUCCESS;
    if (s->json) {
        json_t *object = json_object();
        put_text(object, "shell", name);
        put_text(object, "script", script);
        code = report_print(s, object);
    } else fputs(script, stdout);
    free(script);
    return code;
}
