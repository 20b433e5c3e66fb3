/* reading.h - a vocabulary being read: a JSON object from symbol to id, and pairs of symbols to merge, whatever the form they come in. */
#ifndef ORTHSR_CLIP_READING_H
#define ORTHSR_CLIP_READING_H

#include <jansson.h>

#include "clip/vocabulary.h"

/* Of a file, uncompressed; OpenAI's have 3.6 MB at most. JSON of a hostile file takes up to 80 times as much memory. */
enum { ORTHSR__MAX_VOCABULARY_BYTES = 8 << 20 };

#define ORTHSR__START_NAME "<|startoftext|>"
#define ORTHSR__END_NAME "<|endoftext|>"

extern const orthsr__text_rules orthsr__open_clip_rules, orthsr__transformers_rules;

typedef struct orthsr__reading {
    orthsr_tokenizer *tokenizer;
    const char *directory; /* of the vocabulary */
    const char *path;      /* of the file being read, for messages */
    json_t *ids;           /* borrowed: symbol to id */
    orthsr__text key;      /* scratch: a symbol with its terminating zero */
    orthsr_error *error;
} orthsr__reading;

/* a followed by b, zero-terminated; NULL when memory is short. Valid until the next call. */
const char *orthsr__reading_symbol(orthsr__reading *r, const char *a, size_t a_length, const char *b, size_t b_length);

/* Id of a symbol in vocabulary form, -1 when there is none. */
int32_t orthsr__reading_id(const orthsr__reading *r, const char *name);

/* The next free id for a symbol (NULL: memory was short). A symbol that comes again gets the later one, as in Python's dict. */
orthsr_status orthsr__reading_add_symbol(orthsr__reading *r, const char *name);

/* The zero-terminated symbol of a byte in UTF-8. GPT-2's: the byte's Latin-1 character when that is visible, else the next one from U+0100 on. */
void orthsr__byte_symbols(char symbols[256][3]);
bool orthsr__byte_is_visible(int byte);

/* The ids of all bytes, found by their symbols. */
orthsr_status orthsr__reading_bytes(orthsr__reading *r);

/* Ids must be 0 .. n - 1, each once: an embedding table has a row for each. */
orthsr_status orthsr__reading_check_ids(const orthsr__reading *r);

/* The start and end tokens, by name: entries of the vocabulary. */
orthsr_status orthsr__reading_special_ids(orthsr__reading *r);

/* Adds one merge of left and right, bytes of a line or string. `number` is its line or index, for messages. */
orthsr_status orthsr__reading_merge(orthsr__reading *r, const char *left, size_t left_length, const char *right, size_t right_length, const char *place,
                                    size_t number);
orthsr_status orthsr__malformed_merge(const orthsr__reading *r, const char *place, size_t number);

/* The one space that parts a merge's two symbols; NULL when the line is not of that form. */
const char *orthsr__merge_space(const char *line, size_t length);

/* A token to be found in texts, before or after cleaning; one of the same name is replaced. */
orthsr_status orthsr__reading_add_token(orthsr__reading *r, const char *content, int32_t id, bool in_clean_text);

/* The place of the added token of this id; SIZE_MAX when there is none. */
size_t orthsr__reading_find_token(const orthsr__reading *r, int32_t id);

/* Refuses the flags of an added token's JSON object that this library does not honour. */
orthsr_status orthsr__reading_check_token(const orthsr__reading *r, const json_t *token, const char *content);

/* Lines of a text, as Python's split makes them: text that ends in a newline has an empty line after it. */
typedef struct orthsr__line_cursor {
    const char *at, *end;
    size_t number; /* of the line last read, from 1 */
} orthsr__line_cursor;

/* The next line without its end; false when there is none. */
bool orthsr__next_line(orthsr__line_cursor *l, const char **line, size_t *length);

/* The forms. What is in the tokenizer after a failure is for the caller to free as after success. */
orthsr_status orthsr__read_simple_vocabulary(orthsr__reading *r, const char *path);
orthsr_status orthsr__read_tokenizer_json(orthsr__reading *r, const char *path);

/* What tokenizer_config.json, special_tokens_map.json and added_tokens.json beside the vocabulary change: special tokens, or a refusal. */
orthsr_status orthsr__read_tokenizer_config(orthsr__reading *r);

#endif
