/* fail.c - statuses and error messages. */
#include "base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include <orthsr/version.h>

const char *orthsr_version_string(void) { return ORTHSR_VERSION_STRING; }

int orthsr_version_number(void) { return ORTHSR_VERSION_MAJOR * 10000 + ORTHSR_VERSION_MINOR * 100 + ORTHSR_VERSION_PATCH; }

const char *orthsr_status_string(orthsr_status status) {
    switch (status) {
    case ORTHSR_OK: return "success";
    case ORTHSR_ERROR_ARGUMENT: return "invalid argument";
    case ORTHSR_ERROR_MEMORY: return "out of memory";
    case ORTHSR_ERROR_IO: return "input/output error";
    case ORTHSR_ERROR_FORMAT: return "malformed file";
    case ORTHSR_ERROR_UNSUPPORTED: return "not supported";
    case ORTHSR_ERROR_MISMATCH: return "mismatch";
    case ORTHSR_ERROR_NUMERIC: return "numerical failure";
    case ORTHSR_ERROR_CANCELLED: return "cancelled";
    }
    return "unknown status";
}

void orthsr_free(void *memory) { free(memory); }

/* ---- messages: what files and callers are quoted with may be long, not UTF-8, or meant for a terminal to obey ---------------- */

enum { ROOM = sizeof(orthsr_error), ESCAPE = 4 }; /* ESCAPE: bytes of "\xNN" */

/* Makes text of that length fit ROOM, its zero included. The middle goes: a message begins with where and ends with what is wrong. */
static void shorten(char *text, size_t length) {
    static const char gap[] = " ... ";
    if (length < ROOM) return;
    size_t tail = length - ROOM / 2, head = ROOM / 2 - sizeof gap;
    for (int i = 0; i < 3 && ((unsigned char)text[head] & 0xc0) == 0x80; i++) head--; /* not within a character */
    for (int i = 0; i < 3 && ((unsigned char)text[tail] & 0xc0) == 0x80; i++) tail++;
    memcpy(text + head, gap, sizeof gap - 1);
    memmove(text + head + sizeof gap - 1, text + tail, length - tail + 1);
}

/* C0 and C1 controls, line separators, and what turns the direction of writing. */
static bool is_control(utf8proc_int32_t c) { return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069); }

/* Writes text, which fits ROOM, as UTF-8 without controls: their bytes, and those that are not UTF-8, as \xNN. */
static void write_clean(char message[ROOM], const char *text) {
    char clean[ESCAPE * ROOM];
    size_t used = 0;
    for (const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text; *at;) {
        utf8proc_int32_t character;
        utf8proc_ssize_t n = utf8proc_iterate(at, -1, &character);
        bool plain = n > 0 && !is_control(character);
        for (const utf8proc_uint8_t *end = at + (n > 0 ? n : 1); at < end; at++) {
            if (plain) clean[used++] = (char)*at;
            else used += (size_t)snprintf(clean + used, ESCAPE + 1, "\\x%02x", *at);
        }
    }
    clean[used] = '\0';
    shorten(clean, used);
    memcpy(message, clean, strlen(clean) + 1);
}

orthsr_status(orthsr__fail)(orthsr_error *error, orthsr_status status, const char *format, ...) {
    if (!error) return status;
    char text[ROOM] = "";
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    char *whole = length >= ROOM ? malloc((size_t)length + 1) : NULL; /* without memory the end is cut */
    if (whole) {
        va_start(arguments, format);
        vsnprintf(whole, (size_t)length + 1, format, arguments);
        va_end(arguments);
        shorten(whole, (size_t)length);
    }
    write_clean(error->message, whole ? whole : text);
    free(whole);
    return status;
}

orthsr_status(orthsr__fail_memory)(orthsr_error *error, const char *what) { return orthsr__fail(error, ORTHSR_ERROR_MEMORY, "out of memory for %s", what); }

orthsr_status(orthsr__fail_errno)(orthsr_error *error, const char *action, const char *path) {
    char buffer[128]; /* GNU's strerror_r may or may not use it; unlike strerror it is thread-safe */
    return orthsr__fail(error, errno == ENOMEM ? ORTHSR_ERROR_MEMORY : ORTHSR_ERROR_IO, "cannot %s '%s': %s", action, path,
                        strerror_r(errno, buffer, sizeof buffer));
}
