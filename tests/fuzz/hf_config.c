/* hf_config.c - fuzz target: Hugging Face's config.json, a zero byte, preprocessor_config.json, over fixed weights. */
#include "fuzz/config.h"

#define DIRECTORY "tests/data/clip/hf"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static orthsr_model *model;
    orthsr_error error;
    if (!model) fuzz_require(orthsr_model_open(&model, DIRECTORY, &error) == ORTHSR_OK, "a model");
    fuzz_part rest = {data, size}, config = fuzz_next(&rest);
    fuzz_file(DIRECTORY "/config.json", config.bytes, config.size);
    if (rest.size) fuzz_file(DIRECTORY "/preprocessor_config.json", rest.bytes, rest.size);
    fuzz_config(model, DIRECTORY);
    fuzz_forget();
    return 0;
}
