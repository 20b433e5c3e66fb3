/* adapter.c - fuzz target: an adapter file; what opens is rotated with. */
#include <stdlib.h>

#include "fuzz/files.h"

/* One row through every map that is not too wide to have come from a small file. */
static void rotate(const orthsr_adapter *adapter) {
    orthsr_error error;
    for (size_t i = 0; i < orthsr_adapter_target_count(adapter); i++) {
        size_t width = orthsr_adapter_side(adapter) == ORTHSR_SIDE_OUTPUT ? orthsr_adapter_out_features(adapter, i) : orthsr_adapter_in_features(adapter, i);
        if (width > 1 << 16) continue;
        float *x = calloc(width ? width : 1, sizeof *x), *y = calloc(width ? width : 1, sizeof *y);
        fuzz_require(x && y && orthsr_adapter_rotate(adapter, i, y, x, 1, &error) == ORTHSR_OK, "a rotation");
        free(x);
        free(y);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    orthsr_adapter *adapter;
    orthsr_error error = {""};
    fuzz_file("x.safetensors", data, size);
    orthsr_status status = orthsr_adapter_load(&adapter, "x.safetensors", &error);
    fuzz_check(status, &error, "x.safetensors");
    if (status == ORTHSR_OK) rotate(adapter);
    orthsr_adapter_free(adapter);
    fuzz_forget();
    return 0;
}
