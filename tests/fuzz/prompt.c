/* prompt.c - fuzz target: a file of a learned prompt. */
#include "fuzz/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    orthsr_prompt *prompt;
    orthsr_error error = {""};
    fuzz_file("x.safetensors", data, size);
    fuzz_check(orthsr_prompt_load(&prompt, NULL, "x.safetensors", &error), &error, "x.safetensors");
    orthsr_prompt_free(prompt);
    fuzz_forget();
    return 0;
}
