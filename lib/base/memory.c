/* memory.c - allocation with checked sizes. */
#include "base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

void *orthsr__calloc(size_t n, size_t size) { return calloc(n ? n : 1, size); }

void *orthsr__aligned(size_t n, size_t size) {
    size_t bytes;
    if (!orthsr__mul(&bytes, n ? n : 1, size) || bytes > SIZE_MAX - 63) return NULL;
    return aligned_alloc(64, (bytes + 63) & ~(size_t)63);
}

bool orthsr__reserve(void **items, size_t *capacity, size_t n, size_t size) {
    if (n <= *capacity) return true;
    size_t wanted = *capacity < 8 ? 8 : *capacity;
    while (wanted < n)
        if (!orthsr__mul(&wanted, wanted, 2)) return false;
    size_t bytes;
    if (!orthsr__mul(&bytes, wanted, size)) return false;
    void *grown = realloc(*items, bytes);
    if (!grown) return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

char *orthsr__strndup(const char *text, size_t length) {
    char *copy = malloc(length + 1);
    if (!copy) return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *orthsr__strdup(const char *text) { return orthsr__strndup(text, strlen(text)); }

char **orthsr__copy_texts(const char *const *texts, size_t n) {
    char **copies = orthsr__calloc(n, sizeof *copies);
    bool ok = copies != NULL;
    for (size_t i = 0; ok && i < n; i++) ok = (copies[i] = orthsr__strdup(texts[i])) != NULL;
    if (ok) return copies;
    orthsr__free_texts(copies, n);
    return NULL;
}

void orthsr__free_texts(char **texts, size_t n) {
    for (size_t i = 0; texts && i < n; i++) free(texts[i]);
    free(texts);
}

char *orthsr__spaced(char *text) {
    for (char *c = text; c && *c; c++)
        if (*c == '_') *c = ' ';
    return text;
}

bool orthsr__ends_with(const char *text, const char *suffix) {
    size_t length = strlen(text), tail = strlen(suffix);
    return length >= tail && strcmp(text + length - tail, suffix) == 0;
}

bool orthsr__is_utf8(const char *text) {
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    utf8proc_int32_t character;
    for (utf8proc_ssize_t n; *at; at += n)
        if ((n = utf8proc_iterate(at, -1, &character)) <= 0) return false;
    return true;
}

char *orthsr__format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) return NULL;
    char *text = malloc((size_t)length + 1);
    if (!text) return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}
