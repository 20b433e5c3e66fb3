/* shards.c - fuzz target: model.safetensors.index.json, beside two files that could be its shards: the whole of a small model, and one with no tensor. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/files.h"

#define MODEL "tests/data/clip/hf/"

typedef struct whole {
    uint8_t *bytes; /* (size) */
    size_t size;
} whole;

static whole read_whole(const char *path) {
    enum { ROOM = 1 << 20 };
    whole w = {malloc(ROOM), 0};
    FILE *file = fopen(path, "rb");
    fuzz_require(file && w.bytes, path);
    w.size = fread(w.bytes, 1, ROOM, file);
    fclose(file);
    fuzz_require(w.size > 0 && w.size < ROOM, path);
    return w;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char empty[] = "\2\0\0\0\0\0\0\0{}";
    static whole config, weights;
    orthsr_model *model;
    orthsr_error error = {""};
    if (!config.bytes) {
        config = read_whole(MODEL "config.json");
        weights = read_whole(MODEL "model.safetensors");
    }
    fuzz_file("x/config.json", config.bytes, config.size);
    fuzz_file("x/a.safetensors", weights.bytes, weights.size);
    fuzz_file("x/b.safetensors", empty, sizeof empty - 1);
    fuzz_file("x/model.safetensors.index.json", data, size);
    orthsr_status status = orthsr_model_open(&model, "x", &error);
    fuzz_check(status, &error, "x/");
    orthsr_model_free(model);
    fuzz_forget();
    return 0;
}
