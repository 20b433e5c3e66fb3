/* peft_config.c - fuzz target: adapter_config.json alone. */
#include "clip/peft.h"
#include "fuzz/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    orthsr__peft_config config;
    orthsr_error error = {""};
    fuzz_file("x.json", data, size);
    fuzz_check(orthsr__peft_config_read(&config, "x.json", &error), &error, "x.json");
    fuzz_forget();
    return 0;
}
