/* vocab_json.c - fuzz target: a vocabulary of two files and what transformers writes beside it: vocab.json, merges.txt, tokenizer_config.json,
 * special_tokens_map.json and added_tokens.json, with zero bytes between them; of the last three an empty one is not there. What opens encodes a text.
 */
#include "fuzz/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const paths[] = {"x/vocab.json", "x/merges.txt", "x/tokenizer_config.json", "x/special_tokens_map.json", "x/added_tokens.json"};
    orthsr_tokenizer *tokenizer;
    orthsr_error error = {""};
    int32_t ids[8];
    fuzz_part rest = {data, size};
    for (int i = 0; i < 5; i++) {
        fuzz_part file = fuzz_next(&rest);
        if (file.size > 0 || i < 2) fuzz_file(paths[i], file.bytes, file.size);
    }
    orthsr_status status = orthsr_tokenizer_open(&tokenizer, "x", &error);
    fuzz_check(status, &error, "x/");
    fuzz_require(status != ORTHSR_OK || orthsr_tokenizer_encode(tokenizer, "the cat", 7, 0, ids, 8, NULL, &error) == ORTHSR_OK, "the ids of a text");
    orthsr_tokenizer_free(tokenizer);
    fuzz_forget();
    return 0;
}
