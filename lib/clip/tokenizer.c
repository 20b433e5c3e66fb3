/* tokenizer.c - <orthsr/tokenizer.h>: text to ids.
 *
 * bytes -> UTF-8 -> (added tokens | rest) -> clean -> (added tokens | rest) -> words -> byte pairs -> ids
 *
 * With open_clip's rules there are no added tokens: the special tokens' names are words of the clean text. With
 * transformers' rules the names are found in the text as it was given, so case matters, and spaces do not.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "clip/reading.h"
#include "clip/vocabulary.h"

orthsr_status orthsr_tokenizer_open(orthsr_tokenizer **out, const char *path, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(path, error, "path is NULL");
    orthsr_tokenizer *tokenizer = orthsr__calloc(1, sizeof *tokenizer);
    if (!tokenizer) return orthsr__fail_memory(error, "a tokenizer");
    orthsr_status status = orthsr__vocabulary_load(tokenizer, path, error);
    if (status) {
        orthsr_tokenizer_free(tokenizer);
    } else {
        *out = tokenizer;
    }
    return status;
}

static void forget_added(orthsr_tokenizer *tokenizer) {
    for (size_t i = 0; i < tokenizer->added_count; i++) free(tokenizer->added[i].bytes);
    free(tokenizer->added);
    tokenizer->added = NULL;
    tokenizer->added_count = tokenizer->added_capacity = 0;
}

void orthsr__tokenizer_follow_open_clip(orthsr_tokenizer *tokenizer) {
    forget_added(tokenizer);
    tokenizer->rules = orthsr__open_clip_rules;
    tokenizer->pad = 0;
}

void orthsr_tokenizer_free(orthsr_tokenizer *tokenizer) {
    if (!tokenizer) return;
    forget_added(tokenizer);
    orthsr__bpe_free(&tokenizer->bpe);
    free(tokenizer);
}

size_t orthsr_tokenizer_vocab_size(const orthsr_tokenizer *tokenizer) { return tokenizer->size; }
int32_t orthsr_tokenizer_start_id(const orthsr_tokenizer *tokenizer) { return tokenizer->start; }
int32_t orthsr_tokenizer_end_id(const orthsr_tokenizer *tokenizer) { return tokenizer->end; }
int32_t orthsr_tokenizer_pad_id(const orthsr_tokenizer *tokenizer) { return tokenizer->pad; }

/* One call's progress. Steps are false when memory is short. */
typedef struct encoding {
    const orthsr_tokenizer *tokenizer;
    orthsr__bpe_work work;
    int32_t *ids; /* (room) */
    size_t room, count;
} encoding;

typedef bool (*step)(encoding *e, const char *text, size_t length);

static void add_id(encoding *e, int32_t id) {
    if (e->count < e->room) e->ids[e->count++] = id;
}

static bool encode_words(encoding *e, const char *text, size_t length) {
    const orthsr_tokenizer *t = e->tokenizer;
    orthsr__words words = {.text = text, .length = length, .rules = &t->rules};
    const char *word;
    for (size_t n; e->count < e->room && orthsr__words_next(&words, &word, &n);) {
        bool special = false;
        for (int i = 0; i < 2 && t->rules.literal_is_word && !special; i++) {
            special = n == strlen(t->rules.literals[i]) && memcmp(word, t->rules.literals[i], n) == 0;
            if (special) add_id(e, i == 0 ? t->start : t->end);
        }
        if (special) continue;
        size_t room = e->room - e->count, count;
        if (!orthsr__bpe_encode(&t->bpe, &e->work, (const uint8_t *)word, n, e->ids + e->count, room, &count)) return false;
        e->count += count < room ? count : room;
    }
    return true;
}

/* The longest added token of this kind at text[0]; NULL when there is none. */
static const orthsr__added_token *added_at(const orthsr_tokenizer *t, const char *text, size_t length, bool in_clean_text) {
    const orthsr__added_token *best = NULL;
    for (size_t i = 0; i < t->added_count; i++) {
        const orthsr__added_token *token = &t->added[i];
        if (token->in_clean_text == in_clean_text && token->length <= length && (!best || token->length > best->length) &&
            memcmp(token->bytes, text, token->length) == 0)
            best = token;
    }
    return best;
}

/* Added tokens of this kind become ids; what lies between them goes to the next step. */
static bool split_at_added(encoding *e, const char *text, size_t length, bool in_clean_text, step next) {
    size_t begin = 0, at = 0;
    while (at < length && e->count < e->room) {
        const orthsr__added_token *token = added_at(e->tokenizer, text + at, length - at, in_clean_text);
        if (!token) {
            at++;
            continue;
        }
        if (at > begin && !next(e, text + begin, at - begin)) return false;
        add_id(e, token->id);
        begin = at += token->length;
    }
    return at == begin || next(e, text + begin, at - begin);
}

static bool encode_text(encoding *e, const char *text, size_t length) {
    orthsr__text clean = {0};
    bool done = orthsr__text_clean(&clean, text, length, &e->tokenizer->rules) && split_at_added(e, clean.bytes, clean.length, true, encode_words);
    free(clean.bytes);
    return done;
}

orthsr_status orthsr_tokenizer_encode(const orthsr_tokenizer *tokenizer, const char *text, size_t length, int32_t pad_id, int32_t *ids, size_t context,
                                      size_t *used, orthsr_error *error) {
    ORTHSR__REQUIRE(tokenizer, error, "tokenizer is NULL");
    ORTHSR__REQUIRE(text || length == 0, error, "text is NULL");
    ORTHSR__REQUIRE(ids, error, "ids is NULL");
    ORTHSR__REQUIRE(context >= 2, error, "context must be at least 2: the start and the end");
    encoding e = {.tokenizer = tokenizer, .ids = ids, .room = context - 1};
    orthsr__text utf8 = {0};
    add_id(&e, tokenizer->start);
    bool done = orthsr__text_decode(&utf8, text, length) && split_at_added(&e, utf8.bytes, utf8.length, false, encode_text);
    free(utf8.bytes);
    orthsr__bpe_work_free(&e.work);
    if (!done) return orthsr__fail_memory(error, "the ids of a text");
    ids[e.count++] = tokenizer->end;
    if (used) *used = e.count;
    while (e.count < context) ids[e.count++] = pad_id;
    return ORTHSR_OK;
}
