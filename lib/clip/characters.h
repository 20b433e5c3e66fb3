/* characters.h - what other tokenizers know of characters, each by the Unicode version that it carries. */
#ifndef ORTHSR_CLIP_CHARACTERS_H
#define ORTHSR_CLIP_CHARACTERS_H

#include <stdint.h>

/* SPACE: white space, and what no alternative of the split pattern matches. */
typedef enum orthsr__char_class { ORTHSR__OTHER, ORTHSR__LETTER, ORTHSR__NUMBER, ORTHSR__SPACE } orthsr__char_class;

typedef struct orthsr__char_range {
    int32_t first, last;
    uint8_t open_clip, transformers; /* orthsr__char_class in either's pattern */
} orthsr__char_range;

typedef struct orthsr__char_span {
    int32_t first, last;
} orthsr__char_span;

typedef struct orthsr__char_case {
    int32_t first, last, lower; /* lower: from a capital to its small letter */
} orthsr__char_case;

enum { ORTHSR__CHAR_RANGES = 886, ORTHSR__CHARS_UNKNOWN_TO_NFC = 67, ORTHSR__YOUNGER_CAPITALS = 10 };

/* Sorted. What is in no range is OTHER for both. */
extern const orthsr__char_range orthsr__char_ranges[ORTHSR__CHAR_RANGES];

/* Sorted. Characters that compose, decompose or are ordered, but are younger than Unicode 9, which transformers composes by. */
extern const orthsr__char_span orthsr__chars_unknown_to_nfc[ORTHSR__CHARS_UNKNOWN_TO_NFC];

/* Sorted. Capitals younger than Unicode 14, which transformers has and Python 3.11 has not. */
extern const orthsr__char_case orthsr__younger_capitals[ORTHSR__YOUNGER_CAPITALS];

#endif
