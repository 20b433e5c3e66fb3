/* symbols.h - a tokenizer's vocabulary spelt out, for files that carry one. */
#ifndef ORTHSR_CLIP_SYMBOLS_H
#define ORTHSR_CLIP_SYMBOLS_H

#include <orthsr/tokenizer.h>

/* The symbol of every id 0 .. n - 1 as vocab.json writes it, in a fresh array of fresh texts (orthsr__free_texts). n >= the vocabulary's size. Ids that no text
 * is ever encoded to are called "[PAD<id>]". Errors: MEMORY; *out is NULL then. */
orthsr_status orthsr__tokenizer_symbols(char ***out, const orthsr_tokenizer *tokenizer, size_t n, orthsr_error *error);

#endif
