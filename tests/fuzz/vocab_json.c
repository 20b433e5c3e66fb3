/* vocab_json.c - fuzz target: a vocabulary of two files: vocab.json, a zero byte, merges.txt. What opens encodes a text. */
#include "fuzz/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    orthsr_tokenizer *tokenizer;
    orthsr_error error = {""};
    int32_t ids[8];
    fuzz_part rest = {data, size}, vocab = fuzz_next(&rest);
    fuzz_file("x/vocab.json", vocab.bytes, vocab.size);
    fuzz_file("x/merges.txt", rest.bytes, rest.size);
    orthsr_status status = orthsr_tokenizer_open(&tokenizer, "x", &error);
    fuzz_check(status, &error, "x/");
    fuzz_require(status != ORTHSR_OK || orthsr_tokenizer_encode(tokenizer, "the cat", 7, 0, ids, 8, NULL, &error) == ORTHSR_OK, "the ids of a text");
    orthsr_tokenizer_free(tokenizer);
    fuzz_forget();
    return 0;
}
