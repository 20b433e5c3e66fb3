/* tokenizer_json.c - fuzz target: tokenizer.json, a zero byte, tokenizer_config.json. What opens encodes a text. */
#include "fuzz/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    orthsr_tokenizer *tokenizer;
    orthsr_error error = {""};
    int32_t ids[8];
    fuzz_part rest = {data, size}, vocabulary = fuzz_next(&rest);
    fuzz_file("x/tokenizer.json", vocabulary.bytes, vocabulary.size);
    if (rest.size) fuzz_file("x/tokenizer_config.json", rest.bytes, rest.size);
    orthsr_status status = orthsr_tokenizer_open(&tokenizer, "x", &error);
    fuzz_check(status, &error, "x/");
    fuzz_require(status != ORTHSR_OK || orthsr_tokenizer_encode(tokenizer, "the cat", 7, 0, ids, 8, NULL, &error) == ORTHSR_OK, "the ids of a text");
    orthsr_tokenizer_free(tokenizer);
    fuzz_forget();
    return 0;
}
