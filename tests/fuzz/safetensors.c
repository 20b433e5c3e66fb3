/* safetensors.c - fuzz target: a safetensors file. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fuzz/files.h"
#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char path[] = "x.safetensors";
    orthsr__safetensors file;
    orthsr_error error = {""};
    fuzz_file(path, data, size);
    orthsr_status status = orthsr__safetensors_open(&file, path, &error);
    fuzz_check(status, &error, path);
    for (size_t i = 0; i < file.count; i++) {
        const orthsr__tensor *tensor = &file.tensors[i];
        fuzz_require(orthsr__safetensors_find(&file, tensor->name) == tensor, "a tensor that is found by its name");
        fuzz_require(tensor->bytes <= size && tensor->elements / 8 <= tensor->bytes, "no more elements than the file has bits");
        real *values = orthsr__aligned(tensor->elements, sizeof *values);
        fuzz_check(orthsr__tensor_to_real(values, tensor, path, &error), &error, path);
        free(values);
    }
    orthsr__safetensors_close(&file);
    fuzz_forget();
    return 0;
}
