/* words.c - CLIP's split pattern.
 *
 *     <start>|<end>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
 *
 * The alternatives are tried in this order at every position, so each is one line below. Letters, numbers and white space are
 * what the program that is followed takes for them (characters.h).
 */
#include "clip/text.h"

#include <string.h>

#include <utf8proc.h>

#include "clip/characters.h"

static orthsr__char_class class_of(int32_t c, const orthsr__text_rules *rules) {
    size_t low = 0, high = ORTHSR__CHAR_RANGES;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const orthsr__char_range *range = &orthsr__char_ranges[middle];
        if (c < range->first) high = middle;
        else if (c > range->last) low = middle + 1;
        else return (orthsr__char_class)(rules->regex_classes ? range->open_clip : range->transformers);
    }
    return ORTHSR__OTHER;
}

/* The class of the character at text[at], and its length in bytes. */
static orthsr__char_class class_at(const orthsr__words *words, size_t at, size_t *length) {
    utf8proc_int32_t c;
    *length = (size_t)utf8proc_iterate((const uint8_t *)words->text + at, (utf8proc_ssize_t)(words->length - at), &c);
    return class_of(c, words->rules);
}

/* Bytes of text[at, stop) that match a lower-case literal; 0 when it does not. */
static size_t literal_at(const orthsr__words *words, size_t at, size_t stop, const char *literal) {
    size_t start = at;
    for (; *literal; literal++) {
        if (at < stop && words->text[at] == *literal) {
            at++;
        } else if (words->rules->ignore_case && *literal == 's' && stop - at >= 2 && memcmp(words->text + at, "\xc5\xbf", 2) == 0) {
            at += 2;
        } else {
            return 0;
        }
    }
    return at - start;
}

static size_t special_at(const orthsr__words *words, size_t at) {
    size_t length = 0;
    for (size_t i = 0; i < 2 && length == 0 && words->rules->literals[i]; i++) length = literal_at(words, at, words->length, words->rules->literals[i]);
    return length;
}

static size_t contraction_at(const orthsr__words *words, size_t at, size_t stop) {
    static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    size_t length = 0;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0] && length == 0; i++) length = literal_at(words, at, stop, endings[i]);
    return length;
}

bool orthsr__words_next(orthsr__words *words, const char **word, size_t *length) {
    size_t at = words->at, step;
    while (at < words->length && class_at(words, at, &step) == ORTHSR__SPACE) at += step;
    if (at >= words->length) return false;
    size_t stop = words->length, size = 0;
    if (at >= words->literal_end) {
        size_t special = special_at(words, at);
        if (words->rules->literal_is_word) size = special;
        else words->literal_end = at + special;
    }
    if (at < words->literal_end) stop = words->literal_end;
    if (size == 0) size = contraction_at(words, at, stop);
    if (size == 0) {
        orthsr__char_class kind = class_at(words, at, &size);
        if (kind != ORTHSR__NUMBER)
            while (at + size < stop && class_at(words, at + size, &step) == kind) size += step;
    }
    *word = words->text + at;
    *length = size;
    words->at = at + size;
    return true;
}
