/* tokenizer.h - CLIP's byte-pair encoding of text. A tokenizer is immutable and may be shared by threads. */
#ifndef ORTHSR_TOKENIZER_H
#define ORTHSR_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

typedef struct orthsr_tokenizer orthsr_tokenizer; /* A vocabulary and its rules. Since 0.1. */

/* Opens the vocabulary found in a model's directory, the first that is there of: tokenizer.json; vocab.json with
 * merges.txt; bpe_simple_vocab_16e6.txt.gz; or, when path names one of these files, that one (its partner beside it).
 * Errors: ARGUMENT, IO (none found: the message lists what was looked for), FORMAT, UNSUPPORTED (a tokenizer.json, or a
 * tokenizer_config.json beside it, that asks for other ids than CLIP's byte-level BPE gives), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_tokenizer_open(orthsr_tokenizer **out, const char *path, orthsr_error *error);

/* Number of ids, and the special ids. pad_id, what follows a text's end, is 0 by open_clip's rules; by transformers' it is that of its pad_token, the end id
 * where none is named. Since 0.1. */
ORTHSR_API size_t orthsr_tokenizer_vocab_size(const orthsr_tokenizer *tokenizer);
ORTHSR_API int32_t orthsr_tokenizer_start_id(const orthsr_tokenizer *tokenizer);
ORTHSR_API int32_t orthsr_tokenizer_end_id(const orthsr_tokenizer *tokenizer);
ORTHSR_API int32_t orthsr_tokenizer_pad_id(const orthsr_tokenizer *tokenizer);

/* Encodes length bytes of text: start id, the text's ids, end id, then pad_id up to context. A longer text is cut and its last id
 * set to the end id (open_clip's rule). Any byte sequence is accepted; bytes that are not UTF-8 are read as U+FFFD.
 * ids: (context), context >= 2. *used (may be NULL): ids before the padding.
 * Errors: ARGUMENT (NULL, context < 2), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_tokenizer_encode(const orthsr_tokenizer *tokenizer, const char *text, size_t length, int32_t pad_id, int32_t *ids,
                                                 size_t context, size_t *used, orthsr_error *error);

/* NULL is a no-op. Since 0.1. */
ORTHSR_API void orthsr_tokenizer_free(orthsr_tokenizer *tokenizer);

ORTHSR_END_DECLS

#endif
