/* text.c - fuzz target: a text to ids, by transformers' rules and by open_clip's. */
#include "clip/vocabulary.h"
#include "fuzz/files.h"

enum { CONTEXT = 77 };

static orthsr_tokenizer *open(int open_clip) {
    orthsr_tokenizer *tokenizer;
    orthsr_error error;
    fuzz_require(orthsr_tokenizer_open(&tokenizer, "examples/data/mini", &error) == ORTHSR_OK, "a vocabulary");
    if (open_clip) orthsr__tokenizer_follow_open_clip(tokenizer);
    return tokenizer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static orthsr_tokenizer *tokenizers[2];
    int32_t ids[CONTEXT];
    for (int i = 0; i < 2; i++) {
        size_t used = 0;
        orthsr_error error;
        if (!tokenizers[i]) tokenizers[i] = open(i);
        orthsr_status status = orthsr_tokenizer_encode(tokenizers[i], (const char *)data, size, 0, ids, CONTEXT, &used, &error);
        fuzz_require(status == ORTHSR_OK && used >= 2 && used <= CONTEXT, "ids of any text");
        for (size_t k = 0; k < CONTEXT; k++)
            fuzz_require(ids[k] >= 0 && (size_t)ids[k] < orthsr_tokenizer_vocab_size(tokenizers[i]), "an id that the vocabulary has");
        fuzz_require(ids[0] == orthsr_tokenizer_start_id(tokenizers[i]) && ids[used - 1] == orthsr_tokenizer_end_id(tokenizers[i]), "a start and an end");
    }
    return 0;
}
