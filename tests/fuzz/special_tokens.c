/* special_tokens.c - fuzz target: what transformers writes beside a vocabulary, here one of 523 tokens: tokenizer_config.json, special_tokens_map.json and
 * added_tokens.json, with zero bytes between them; an empty one is not there. What opens encodes a text.
 */
#include "fuzz/files.h"

#define DIRECTORY "tests/data/clip/hf"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const paths[] = {DIRECTORY "/tokenizer_config.json", DIRECTORY "/special_tokens_map.json", DIRECTORY "/added_tokens.json"};
    orthsr_tokenizer *tokenizer;
    orthsr_error error = {""};
    int32_t ids[8];
    fuzz_part rest = {data, size};
    for (int i = 0; i < 3; i++) {
        fuzz_part file = fuzz_next(&rest);
        if (file.size > 0) fuzz_file(paths[i], file.bytes, file.size);
    }
    orthsr_status status = orthsr_tokenizer_open(&tokenizer, DIRECTORY, &error);
    fuzz_check(status, &error, DIRECTORY);
    fuzz_require(status != ORTHSR_OK || orthsr_tokenizer_encode(tokenizer, "a <pad> cat", 11, 0, ids, 8, NULL, &error) == ORTHSR_OK, "the ids of a text");
    orthsr_tokenizer_free(tokenizer);
    fuzz_forget();
    return 0;
}
