/* open_clip_config.c - fuzz target: open_clip_config.json over fixed weights. */
#include "fuzz/config.h"

#define DIRECTORY "tests/data/clip/openclip"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static orthsr_model *model;
    orthsr_error error;
    if (!model) fuzz_require(orthsr_model_open(&model, DIRECTORY, &error) == ORTHSR_OK, "a model");
    fuzz_file(DIRECTORY "/open_clip_config.json", data, size);
    fuzz_config(model, DIRECTORY);
    fuzz_forget();
    return 0;
}
