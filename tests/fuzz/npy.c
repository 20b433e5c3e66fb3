/* npy.c - fuzz target: a .npy file. */
#include "fuzz/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    float *values;
    size_t shape[ORTHSR_ARRAY_MAX_RANK], rank, n = 1;
    orthsr_error error = {""};
    fuzz_file("x.npy", data, size);
    orthsr_status status = orthsr_array_read(&values, shape, &rank, "x.npy", &error);
    fuzz_check(status, &error, "x.npy");
    for (size_t i = 0; status == ORTHSR_OK && i < rank; i++) n *= shape[i];
    fuzz_require(status != ORTHSR_OK || n <= size / 4, "no more values than the file holds");
    orthsr_free(values);
    fuzz_forget();
    return 0;
}
