/* text.h - a text on its way to ids: bytes to clean UTF-8, clean UTF-8 to words. */
#ifndef ORTHSR_CLIP_TEXT_H
#define ORTHSR_CLIP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the two families of CLIP tokenizers do differently. */
typedef struct orthsr__text_rules {
    bool unescape_html;      /* html.unescape, twice */
    bool compose;            /* NFC */
    bool python_lower;       /* str.lower(): a capital sigma that ends a word becomes U+03C2; else character by character, as Rust has them */
    bool regex_classes;      /* letters, numbers and spaces are those of Python's regex module, else of Oniguruma */
    bool ignore_case;        /* in the pattern: U+017F is an s */
    bool literal_is_word;    /* a special token's name found in the clean text is one word, else it only ends one */
    const char *literals[2]; /* those names: start, end; NULL when the pattern has none */
} orthsr__text_rules;

/* Bytes that grow; starts zeroed, released with free(bytes). Functions that add to it are false when memory is short. */
typedef struct orthsr__text {
    char *bytes;
    size_t length, capacity;
} orthsr__text;

bool orthsr__text_append(orthsr__text *text, const char *bytes, size_t n);
bool orthsr__text_append_char(orthsr__text *text, int32_t c);

/* Bytes made valid UTF-8, each malformed piece replaced by U+FFFD as Python's decode(errors="replace") does it. out is emptied first. */
bool orthsr__text_decode(orthsr__text *out, const char *bytes, size_t n);

/* Valid UTF-8 unescaped, composed and lower-cased by the rules. out is emptied first. White space stays: words do not contain it. */
bool orthsr__text_clean(orthsr__text *out, const char *bytes, size_t n, const orthsr__text_rules *rules);

/* Iterates over the words of clean text: start with {.text = t, .length = n, .rules = r}. */
typedef struct orthsr__words {
    const char *text; /* (length) */
    size_t length;
    const orthsr__text_rules *rules;
    size_t at;          /* next byte to look at */
    size_t literal_end; /* a literal that is not a word reaches to here */
} orthsr__words;

bool orthsr__words_next(orthsr__words *words, const char **word, size_t *length);

#endif
