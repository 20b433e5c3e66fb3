/* vocabulary.h - what a tokenizer consists of, read from any of the three forms in which CLIP vocabularies come. */
#ifndef ORTHSR_CLIP_VOCABULARY_H
#define ORTHSR_CLIP_VOCABULARY_H

#include <orthsr/tokenizer.h>

#include "clip/bpe.h"
#include "clip/text.h"

/* A token that is found in the text itself, before the text is split into words. */
typedef struct orthsr__added_token {
    char *bytes; /* (length) owned; cleaned as the text is when in_clean_text */
    size_t length;
    int32_t id;
    bool in_clean_text; /* looked for after cleaning ("normalized" in tokenizer.json), else before */
} orthsr__added_token;

struct orthsr_tokenizer {
    orthsr__text_rules rules;
    orthsr__bpe bpe;
    orthsr__added_token *added; /* (added_count) */
    size_t added_count, added_capacity;
    size_t size; /* ids are 0 .. size - 1 */
    int32_t start, end;
    int32_t pad; /* what follows the end */
};

/* Fills a zeroed tokenizer; what is in it after a failure is for the caller to free as after success. */
orthsr_status orthsr__vocabulary_load(orthsr_tokenizer *tokenizer, const char *path, orthsr_error *error);

/* Whether a directory holds a file that begins one of the forms. */
orthsr_status orthsr__vocabulary_present(bool *present, const char *directory, orthsr_error *error);

/* open_clip's rules for texts, whatever the form of the vocabulary: added tokens are none of its. */
void orthsr__tokenizer_follow_open_clip(orthsr_tokenizer *tokenizer);

#endif
