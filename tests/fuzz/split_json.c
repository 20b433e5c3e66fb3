/* split_json.c - fuzz target: CoOp's split file. Whether its images are there is not looked at. */
#include "data/layouts.h"
#include "fuzz/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const parts[] = {"train", "val", "test"};
    fuzz_file("x/split_zhou_x.json", data, size);
    for (int p = 0; p < 3; p++) {
        orthsr_dataset *dataset;
        orthsr_error error = {""};
        orthsr_status status = orthsr__split_file_open(&dataset, "x/split_zhou_x.json", parts[p], false, &error);
        fuzz_check(status, &error, "x/split_zhou_x.json");
        if (status == ORTHSR_OK) {
            fuzz_require(orthsr_dataset_count(dataset) > 0 && orthsr_dataset_count(dataset) < size, "items from the file");
            orthsr_dataset_free(dataset);
        }
    }
    fuzz_forget();
    return 0;
}
