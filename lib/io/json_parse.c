/* json_parse.c - text to JSON and back with jansson, made safe where memory is short.
 *
 * jansson 2.14 copies each token into a buffer that grows, and does not look whether it could: without memory a byte of the token is lost in silence, or an
 * assertion ends the process. Writing loses a key the same way. So the text is given a first member whose key is longer than any token of it: when that
 * arrives whole, the buffer is large enough for all that follow. And what is written goes into room that is there before.
 *
 * Outside strings jansson passes over zero bytes, and does not count them in its places: a text with one is refused before.
 */
#include <stdlib.h>
#include <string.h>

#include "io/json.h"

#define BLANKS " \t\r\n"

/* No token is longer; of text that is not JSON, none up to where it stops being that. */
static size_t longest_token(const char *text, size_t size) {
    size_t longest = 0;
    for (size_t i = 0, begin; i < size; i++) {
        begin = i;
        if (text[i] == '"')
            while (++i < size && text[i] != '"') i += text[i] == '\\';
        else
            while (i + 1 < size && !strchr(BLANKS ",:[]{}\"", text[i + 1])) i++;
        if (i - begin >= longest) longest = i - begin + 1;
    }
    return longest;
}

static size_t skip_blanks(const char *text, size_t size, size_t at) {
    while (at < size && strchr(BLANKS, text[at])) at++;
    return at;
}

/* Line and column, characters from 0, of where.position. */
static void count_lines(json_error_t *where, const char *text) {
    where->line = 1;
    where->column = 0;
    for (int i = 0; i < where->position; i++) {
        if (text[i] == '\n') where->line++, where->column = 0;
        else if ((text[i] & 0xc0) != 0x80) where->column++;
    }
}

/* jansson gives no reason when memory is short, or says of a string that it could not copy that it is no token. before: the byte before the place. */
static bool is_starved(const json_error_t *where, char before) {
    static const char string[] = "string or '}' expected", token[] = "invalid token";
    return !where->text[0] || (before == '"' && (strncmp(where->text, string, sizeof string - 1) == 0 || strncmp(where->text, token, sizeof token - 1) == 0));
}

json_t *orthsr__json_parse(const char *text, size_t size, size_t flags, json_error_t *where, bool *starved) {
    enum { MARGIN = 12 }; /* the buffer has 16, 32, 64 ... bytes; the end of the key is never where it grows */
    static const char end[] = "\":null,";
    const char *zero = size ? memchr(text, '\0', size) : NULL;
    *starved = false;
    if (zero) {
        *where = (json_error_t){.position = (int)(zero - text), .text = "a zero byte"};
        count_lines(where, text);
        return NULL;
    }
    size_t head = skip_blanks(text, size, 0) + 1, length = 64;
    if (head <= size && strchr("[\"-0123456789tfn", text[head - 1])) return json_null(); /* not what was asked for, whatever follows */
    if (head > size || text[head - 1] != '{') return json_loadb(text, size < head ? size : head, JSON_DECODE_ANY | flags, where);

    while (length < longest_token(text, size) + 2 * MARGIN) length *= 2;
    length -= MARGIN;
    size_t next = skip_blanks(text, size, head), added = length + sizeof end - (next < size && text[next] == '}'); /* no comma in an empty object */
    char *whole = malloc(size + length + sizeof end);
    *where = (json_error_t){.text = ""};
    *starved = !whole;
    if (!whole) return NULL;
    char *key = whole + head + 1;
    memcpy(whole, text, head);
    whole[head] = '"';
    memset(key, 'x', length);
    memcpy(key + length, end, sizeof end - 1);
    memcpy(whole + head + added, text + head, size - head);
    json_t *root = json_loadb(whole, size + added, JSON_REJECT_DUPLICATES | flags, where);
    size_t at = (size_t)where->position;
    if (!root) {
        *starved = is_starved(where, at > 0 ? whole[at - 1] : '\0');
        where->position = (int)(at <= head ? at : at <= head + added ? head : at - added);
        count_lines(where, text);
    }
    key[length] = '\0';
    if (root && json_object_del(root, key) != 0) { /* a byte of it was lost */
        *starved = true;
        json_decref(root);
        root = NULL;
    }
    free(whole);
    return root;
}

char *orthsr__json_text(const json_t *value, size_t flags) {
    size_t size = json_dumpb(value, NULL, 0, flags);
    char *text = size > 0 ? malloc(size + 1) : NULL;
    if (!text) return NULL;
    if (json_dumpb(value, text, size, flags) != size) {
        free(text);
        return NULL;
    }
    text[size] = '\0';
    return text;
}
