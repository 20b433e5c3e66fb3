/* tool.h - running the orthsr tool: build/bin/orthsr, or $ORTHSR. */
#ifndef TESTS_UTIL_TOOL_H
#define TESTS_UTIL_TOOL_H

#include <stdarg.h>
#include <sys/wait.h>

#include "util/check.h"

typedef struct outcome {
    int code;
    char *out, *err;
} outcome;

static inline char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    size_t room = 1 << 22, n;
    char *text = malloc(room);
    n = fread(text, 1, room - 1, file);
    text[n] = '\0';
    fclose(file);
    return text;
}

/* Arguments as the shell reads them; "@" stands for the scratch directory, "@@" for itself. */
static inline outcome run(const char *format, ...) {
    static outcome last;
    char arguments[2048], command[8192];
    va_list list;
    va_start(list, format);
    vsnprintf(arguments, sizeof arguments, format, list);
    va_end(list);
    const char *tool = getenv("ORTHSR"), *scratch = scratch_directory();
    size_t n = (size_t)snprintf(command, sizeof command, "(%s ", tool ? tool : "build/bin/orthsr");
    for (const char *c = arguments; *c && n < sizeof command - 512; c++) {
        if (c[0] == '@' && c[1] == '@') command[n++] = *c++;
        else if (*c == '@') n += (size_t)snprintf(command + n, sizeof command - n, "%s", scratch);
        else command[n++] = *c;
    }
    snprintf(command + n, sizeof command - n, ") >%s/stdout 2>%s/stderr", scratch, scratch);
    int status = system(command);
    free(last.out);
    free(last.err);
    last = (outcome){WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(scratch_file("stdout")), read_text(scratch_file("stderr"))};
    return last;
}

static inline size_t count_lines(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

/* Exit code, an empty stdout, and one line on stderr with this text in it. */
static inline void expect_failure(outcome o, int code, const char *text) {
    ck_assert_msg(o.code == code, "exit code %d, not %d: %s", o.code, code, o.err);
    ck_assert_msg(o.out[0] == '\0', "stdout of a failure: %s", o.out);
    ck_assert_msg(count_lines(o.err) == 1, "not one line on stderr: %s", o.err);
    ck_assert_msg(strstr(o.err, text) != NULL, "'%s' is not in: %s", text, o.err);
}

#endif
