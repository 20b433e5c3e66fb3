/* idx.c - fuzz target: an IDX file, plain or gzip. */
#include <stdlib.h>

#include "fuzz/files.h"
#include "io/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    orthsr__idx idx;
    orthsr_error error = {""};
    fuzz_file("x.gz", data, size);
    fuzz_check(orthsr__idx_read(&idx, "x.gz", 1 << 20, &error), &error, "x.gz");
    free(idx.data);
    fuzz_forget();
    return 0;
}
