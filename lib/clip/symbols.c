/* symbols.c - the symbols of a vocabulary, put together again from its bytes and merges: a tokenizer keeps ids alone. */
#include "clip/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "clip/reading.h"

typedef struct spelling {
    char **symbols;             /* (n): NULL where not known yet */
    const orthsr__merge **made; /* (n): a merge that gives the id, or NULL */
} spelling;

/* The id's symbol, from those that it is merged of: shorter ones, so this goes no deeper than the symbol is long. False when memory is short. */
static bool spell(spelling *s, int32_t id) {
    const orthsr__merge *merge = s->made[id];
    if (s->symbols[id] || !merge) return true;
    s->made[id] = NULL;
    if (!spell(s, merge->left) || !spell(s, merge->right)) return false;
    const char *left = s->symbols[merge->left], *right = s->symbols[merge->right];
    if (!left || !right) return true;
    s->symbols[id] = orthsr__format("%s%s", left, right);
    return s->symbols[id] != NULL;
}

/* symbols[id] becomes text, unless it has one. */
static bool name(spelling *s, int32_t id, const char *text, size_t length) {
    if (!s->symbols[id]) s->symbols[id] = orthsr__strndup(text, length);
    return s->symbols[id] != NULL;
}

static bool spell_all(spelling *s, const orthsr_tokenizer *tokenizer, size_t n) {
    char bytes[256][3];
    orthsr__byte_symbols(bytes);
    for (int byte = 0; byte < 256; byte++) {
        char last[8];
        size_t length = strlen(bytes[byte]);
        memcpy(last, bytes[byte], length);
        memcpy(last + length, "</w>", 5);
        if (!name(s, tokenizer->bpe.byte[byte], bytes[byte], length) || !name(s, tokenizer->bpe.last[byte], last, length + 4)) return false;
    }
    for (size_t i = 0; i < tokenizer->bpe.slots; i++)
        if (tokenizer->bpe.merges[i].left >= 0) s->made[tokenizer->bpe.merges[i].id] = &tokenizer->bpe.merges[i];
    for (size_t id = 0; id < n; id++)
        if (!spell(s, (int32_t)id)) return false;
    for (size_t i = 0; i < tokenizer->added_count; i++)
        if (!name(s, tokenizer->added[i].id, tokenizer->added[i].bytes, tokenizer->added[i].length)) return false;
    if (!name(s, tokenizer->start, ORTHSR__START_NAME, strlen(ORTHSR__START_NAME))) return false;
    if (!name(s, tokenizer->end, ORTHSR__END_NAME, strlen(ORTHSR__END_NAME))) return false;
    for (size_t id = 0; id < n; id++) {
        if (!s->symbols[id]) s->symbols[id] = orthsr__format("[PAD%zu]", id);
        if (!s->symbols[id]) return false;
    }
    return true;
}

orthsr_status orthsr__tokenizer_symbols(char ***out, const orthsr_tokenizer *tokenizer, size_t n, orthsr_error *error) {
    spelling s = {.symbols = orthsr__calloc(n, sizeof *s.symbols), .made = orthsr__calloc(n, sizeof *s.made)};
    bool done = s.symbols && s.made && spell_all(&s, tokenizer, n);
    free(s.made);
    if (!done) orthsr__free_texts(s.symbols, n);
    *out = done ? s.symbols : NULL;
    return done ? ORTHSR_OK : orthsr__fail_memory(error, "a vocabulary");
}
