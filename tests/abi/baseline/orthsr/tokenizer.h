#ifndef ORTHSR_TOKENIZER_H
#define ORTHSR_TOKENIZER_H 
#include <stddef.h>
#include <stdint.h>
#include <orthsr/status.h>
ORTHSR_BEGIN_DECLS
typedef struct orthsr_tokenizer orthsr_tokenizer;
ORTHSR_API orthsr_status orthsr_tokenizer_open(orthsr_tokenizer **out, const char *path, orthsr_error *error);
ORTHSR_API size_t orthsr_tokenizer_vocab_size(const orthsr_tokenizer *tokenizer);
ORTHSR_API int32_t orthsr_tokenizer_start_id(const orthsr_tokenizer *tokenizer);
ORTHSR_API int32_t orthsr_tokenizer_end_id(const orthsr_tokenizer *tokenizer);
ORTHSR_API int32_t orthsr_tokenizer_pad_id(const orthsr_tokenizer *tokenizer);
ORTHSR_API orthsr_status orthsr_tokenizer_encode(const orthsr_tokenizer *tokenizer, const char *text, size_t length, int32_t pad_id, int32_t *ids,
                                                 size_t context, size_t *used, orthsr_error *error);
ORTHSR_API void orthsr_tokenizer_free(orthsr_tokenizer *tokenizer);
ORTHSR_END_DECLS
#endif
