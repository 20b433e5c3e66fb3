/* shards.c - fuzz target: model.safetensors.index.json, beside two files that could be its shards: the whole of a small model, and one with no tensor. */
#include "base/file.h"
#include "fuzz/files.h"

#define MODEL "tests/data/clip/hf/"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char empty[] = "\2\0\0\0\0\0\0\0{}";
    static orthsr__mapping config, weights;
    orthsr_model *model;
    orthsr_error error = {""};
    if (!config.data) {
        fuzz_require(orthsr__read(&config, MODEL "config.json", 1 << 20, &error) == ORTHSR_OK, "a config");
        fuzz_require(orthsr__read(&weights, MODEL "model.safetensors", 1 << 20, &error) == ORTHSR_OK, "weights");
    }
    fuzz_file("x/config.json", config.data, config.size);
    fuzz_file("x/a.safetensors", weights.data, weights.size);
    fuzz_file("x/b.safetensors", empty, sizeof empty - 1);
    fuzz_file("x/model.safetensors.index.json", data, size);
    orthsr_status status = orthsr_model_open(&model, "x", &error);
    fuzz_check(status, &error, "x/");
    orthsr_model_free(model);
    fuzz_forget();
    return 0;
}
