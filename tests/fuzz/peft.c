/* peft.c - fuzz target: a PEFT adapter, without its model: adapter_config.json, a zero byte, adapter_model.safetensors. */
#include "fuzz/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    orthsr_adapter *adapter;
    orthsr_error error = {""};
    fuzz_part rest = {data, size}, config = fuzz_next(&rest);
    fuzz_file("x/adapter_config.json", config.bytes, config.size);
    fuzz_file("x/adapter_model.safetensors", rest.bytes, rest.size);
    fuzz_check(orthsr_model_adapter_load(NULL, &adapter, "x", &error), &error, "x/adapter_");
    orthsr_adapter_free(adapter);
    fuzz_forget();
    return 0;
}
