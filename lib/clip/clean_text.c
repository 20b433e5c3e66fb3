/* clean_text.c - what CLIP's tokenizers do to a text before they split it.
 *
 * open_clip:     ftfy.fix_text, html.unescape twice, white space collapsed, str.lower()
 * transformers:  NFC, white space collapsed, lower-case character by character
 *
 * ftfy is not done: text that it would change (mojibake, curly quotes, full-width letters, ligatures, terminal escapes,
 * decomposed accents) gets other ids than from open_clip with ftfy; text typed in plain UTF-8 letters gets the same.
 * White space is not collapsed because the words that follow never contain any.
 */
#include "clip/text.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/memory.h"
#include "clip/characters.h"
#include "clip/html_entities.h"

enum { REPLACEMENT = 0xfffd };

bool orthsr__text_append(orthsr__text *text, const char *bytes, size_t n) {
    size_t length;
    void *items = text->bytes;
    if (!orthsr__add(&length, text->length, n) || !orthsr__reserve(&items, &text->capacity, length, 1)) return false;
    text->bytes = items;
    if (n > 0) memcpy(text->bytes + text->length, bytes, n);
    text->length = length;
    return true;
}

bool orthsr__text_append_char(orthsr__text *text, int32_t c) {
    uint8_t bytes[4];
    return orthsr__text_append(text, (const char *)bytes, (size_t)utf8proc_encode_char(c, bytes));
}

/* The character at bytes[0] of valid UTF-8, and its length. */
static int32_t char_at(const char *bytes, size_t n, size_t *length) {
    utf8proc_int32_t c;
    *length = (size_t)utf8proc_iterate((const uint8_t *)bytes, (utf8proc_ssize_t)n, &c);
    return c;
}

/* ---- UTF-8 ---------------------------------------------------------------------------------------------------------- */

/* Length of the well-formed sequence at bytes[0]; when there is none *valid is false and the length is that of the longest
 * beginning of one, at least 1: what Python replaces by one U+FFFD. (Table 3-7 of the Unicode standard.) */
static size_t sequence_length(const uint8_t *bytes, size_t n, bool *valid) {
    uint8_t lead = bytes[0], low = 0x80, high = 0xbf;
    size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
    *valid = length > 0;
    for (size_t i = 1; i < length; i++, low = 0x80, high = 0xbf)
        if (i == n || bytes[i] < low || bytes[i] > high) {
            *valid = false;
            return i;
        }
    return *valid ? length : 1;
}

bool orthsr__text_decode(orthsr__text *out, const char *bytes, size_t n) {
    out->length = 0;
    for (size_t at = 0, length; at < n; at += length) {
        bool valid;
        length = sequence_length((const uint8_t *)bytes + at, n - at, &valid);
        if (!(valid ? orthsr__text_append(out, bytes + at, length) : orthsr__text_append_char(out, REPLACEMENT))) return false;
    }
    return true;
}

/* ---- HTML ----------------------------------------------------------------------------------------------------------- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_name(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* The value of a hexadecimal digit, or 16 for another character. */
static int32_t digit_value(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 16;
}

/* What the number of a character reference stands for; -1: nothing at all. */
static int32_t referenced_char(int32_t number) {
    /* Numbers 0x80 to 0x9f are read as Windows-1252. */
    static const uint16_t windows_1252[32] = {0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
                                              0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
                                              0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};
    if (number >= 0x80 && number <= 0x9f) return windows_1252[number - 0x80];
    if (number == 0 || number > 0x10ffff || (number >= 0xd800 && number <= 0xdfff)) return REPLACEMENT;
    if (number < 0x20 && !(number == '\t' || number == '\n' || number == '\f' || number == '\r')) return -1;
    if (number == 0x7f || (number >= 0xfdd0 && number <= 0xfdef) || (number & 0xfffe) == 0xfffe) return -1;
    return number;
}

/* A numeric reference at bytes[0..n) = "&#...": the length it takes, 0 when it is none. Numbers beyond Unicode stop growing there. */
static size_t numeric_reference(const char *bytes, size_t n, int32_t *c) {
    size_t at = 2;
    int32_t base = 10, number = 0;
    if (at < n && (bytes[at] == 'x' || bytes[at] == 'X')) {
        base = 16;
        at++;
    }
    size_t first = at;
    for (; at < n && digit_value(bytes[at]) < base; at++)
        if (number <= 0x10ffff) number = number * base + digit_value(bytes[at]);
    if (at == first) return 0;
    *c = referenced_char(number);
    return at < n && bytes[at] == ';' ? at + 1 : at;
}

typedef struct name {
    const char *bytes;
    size_t length;
} name;

static int compare_name(const void *key, const void *item) {
    const name *wanted = key;
    const orthsr__html_entity *entity = item;
    int order = strncmp(wanted->bytes, entity->name, wanted->length);
    return order != 0 ? order : -(entity->name[wanted->length] != '\0');
}

static const orthsr__html_entity *find_entity(const char *bytes, size_t length) {
    return bsearch(&(name){bytes, length}, orthsr__html_entities, ORTHSR__HTML_ENTITIES, sizeof orthsr__html_entities[0], compare_name);
}

/* A named reference at bytes[0..n) = "&...": with its ';', else the longest beginning that is known without one. */
static size_t named_reference(const char *bytes, size_t n, const orthsr__html_entity **found) {
    size_t length = 0;
    while (1 + length < n && length < sizeof(*found)->name - 1 && is_name(bytes[1 + length])) length++;
    if (1 + length < n && bytes[1 + length] == ';' && (*found = find_entity(bytes + 1, length)) != NULL) return length + 2;
    for (; length > 0; length--)
        if ((*found = find_entity(bytes + 1, length)) != NULL && (*found)->bare) return length + 1;
    return 0;
}

/* Python's html.unescape. out is emptied first. */
static bool unescape(orthsr__text *out, const char *bytes, size_t n) {
    out->length = 0;
    for (size_t at = 0; at < n;) {
        const char *ampersand = memchr(bytes + at, '&', n - at);
        size_t plain = ampersand ? (size_t)(ampersand - bytes) - at : n - at;
        if (!orthsr__text_append(out, bytes + at, plain)) return false;
        at += plain;
        if (!ampersand) break;
        int32_t c;
        const orthsr__html_entity *entity;
        size_t length;
        bool added;
        if (n - at > 1 && bytes[at + 1] == '#' && (length = numeric_reference(bytes + at, n - at, &c)) > 0) {
            added = c < 0 || orthsr__text_append_char(out, c);
        } else if ((length = named_reference(bytes + at, n - at, &entity)) > 0) {
            added = orthsr__text_append(out, entity->text, strlen(entity->text));
        } else {
            length = 1;
            added = orthsr__text_append(out, "&", 1);
        }
        if (!added) return false;
        at += length;
    }
    return true;
}

/* ---- NFC ------------------------------------------------------------------------------------------------------------ */

/* NFC of Unicode 9: younger characters are not ordered, composed or decomposed, whatever utf8proc knows of them. */
static bool is_unknown(int32_t c) {
    size_t low = 0, high = ORTHSR__CHARS_UNKNOWN_TO_NFC;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c < orthsr__chars_unknown_to_nfc[middle].first) high = middle;
        else if (c > orthsr__chars_unknown_to_nfc[middle].last) low = middle + 1;
        else return true;
    }
    return false;
}

static uint8_t combining_class(int32_t c) {
    uint8_t known = (uint8_t)utf8proc_get_property(c)->combining_class;
    return known == 0 || is_unknown(c) ? 0 : known;
}

/* Whether a piece of text begins at c that cannot compose with what is before it. U+11A7 composes with nothing, but utf8proc takes it for an
 * empty last consonant of a Hangul syllable and drops it. */
static bool begins_piece(int32_t c) { return c == 0x11a7 || is_unknown(c); }

/* A run of n combining marks sorted by class, stably and in linear time; utf8proc's own sort is quadratic. */
static void order_marks(int32_t *marks, int32_t *scratch, size_t n) {
    size_t place[257] = {0};
    for (size_t i = 0; i < n; i++) place[combining_class(marks[i]) + 1]++;
    for (size_t i = 1; i < 257; i++) place[i] += place[i - 1];
    for (size_t i = 0; i < n; i++) scratch[place[combining_class(marks[i])]++] = marks[i];
    memcpy(marks, scratch, n * sizeof *marks);
}

/* out is emptied first. */
static bool compose(orthsr__text *out, const char *bytes, size_t n) {
    enum { LONGEST = 4 }; /* characters of a canonical decomposition */
    const utf8proc_option_t decomposed = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, composed = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    size_t room, count = 0;
    if (!orthsr__mul(&room, n, LONGEST)) return false;
    int32_t *chars = orthsr__calloc(room, sizeof *chars), *scratch = orthsr__calloc(room, sizeof *scratch); /* (room) */
    bool done = false;
    if (!chars || !scratch) goto done;
    for (size_t at = 0, length; at < n; at += length) {
        int32_t c = char_at(bytes + at, n - at, &length);
        if (is_unknown(c)) chars[count++] = c;
        else count += (size_t)utf8proc_decompose_char(c, chars + count, LONGEST, decomposed, NULL);
    }
    for (size_t first = 0, end; first < count; first = end + 1) {
        for (end = first; end < count && combining_class(chars[end]) != 0; end++) {}
        if (end - first > 1) order_marks(chars + first, scratch, end - first);
    }
    out->length = 0;
    done = true;
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count && !begins_piece(chars[end]) && !is_unknown(chars[end - 1]); end++) {}
        size_t pieces = (size_t)utf8proc_normalize_utf32(chars + first, (utf8proc_ssize_t)(end - first), composed);
        for (size_t i = 0; i < pieces && done; i++) done = orthsr__text_append_char(out, chars[first + i]);
    }
done:
    free(chars);
    free(scratch);
    return done;
}

/* ---- lower-case ----------------------------------------------------------------------------------------------------- */

/* Unicode's Cased and Case_Ignorable, for the context of a sigma. Cased characters that are ignorable as well do not matter there. */
static bool is_cased(int32_t c) {
    utf8proc_category_t category = utf8proc_category(c);
    return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL || category == UTF8PROC_CATEGORY_LT || c == 0xaa || c == 0xba ||
           (c >= 0x2160 && c <= 0x217f) || (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
           (c >= 0x1f170 && c <= 0x1f189);
}

static bool is_case_ignorable(int32_t c) {
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: break;
    }
    static const uint16_t others[] = {'\'',   '.',    ':',    0xb7,   0x387,  0x55f,  0x5f4,  0x2018, 0x2019,
                                      0x2024, 0x2027, 0xfe13, 0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (c == others[i]) return true;
    return false;
}

/* Whether the sigma at bytes[at] ends a word: a cased character before it, none after it, ignorable ones passed over. */
static bool is_final_sigma(const char *bytes, size_t n, size_t at) {
    size_t before = at, length;
    int32_t c = 0;
    do {
        if (before == 0) return false;
        do before--;
        while ((bytes[before] & 0xc0) == 0x80);
        c = char_at(bytes + before, n - before, &length);
    } while (is_case_ignorable(c));
    if (!is_cased(c)) return false;
    for (size_t after = at + 2; after < n; after += length) {
        c = char_at(bytes + after, n - after, &length);
        if (!is_case_ignorable(c)) return !is_cased(c);
    }
    return true;
}

static int32_t rust_lower(int32_t c) {
    for (size_t i = 0; i < ORTHSR__YOUNGER_CAPITALS && c >= orthsr__younger_capitals[i].first; i++)
        if (c <= orthsr__younger_capitals[i].last) return c + orthsr__younger_capitals[i].lower;
    return utf8proc_tolower(c);
}

/* out is emptied first. */
static bool lower(orthsr__text *out, const char *bytes, size_t n, bool python) {
    out->length = 0;
    for (size_t at = 0, length; at < n; at += length) {
        int32_t c = char_at(bytes + at, n - at, &length);
        bool added;
        if (c == 0x130) { /* capital I with dot: the only character whose lower case is two */
            added = orthsr__text_append(out, "i\xcc\x87", 3);
        } else if (c == 0x3a3 && python && is_final_sigma(bytes, n, at)) {
            added = orthsr__text_append_char(out, 0x3c2);
        } else {
            added = orthsr__text_append_char(out, python ? utf8proc_tolower(c) : rust_lower(c));
        }
        if (!added) return false;
    }
    return true;
}

bool orthsr__text_clean(orthsr__text *out, const char *bytes, size_t n, const orthsr__text_rules *rules) {
    orthsr__text once = {0}, twice = {0};
    bool done = true;
    if (rules->unescape_html) {
        done = unescape(&once, bytes, n) && unescape(&twice, once.bytes, once.length);
        bytes = twice.bytes;
        n = twice.length;
    }
    if (done && rules->compose) {
        done = compose(&once, bytes, n);
        bytes = once.bytes;
        n = once.length;
    }
    done = done && lower(out, bytes, n, rules->python_lower);
    free(once.bytes);
    free(twice.bytes);
    return done;
}
