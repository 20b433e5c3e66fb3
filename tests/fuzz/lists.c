/* lists.c - fuzz target: FGVC Aircraft's lists, variants.txt, a zero byte, images_variant_train.txt. Whether its images are there is not looked at. */
#include "data/layouts.h"
#include "fuzz/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    orthsr_dataset *dataset;
    orthsr_error error = {""};
    fuzz_part rest = {data, size}, variants = fuzz_next(&rest);
    fuzz_file("x/variants.txt", variants.bytes, variants.size);
    fuzz_file("x/images_variant_train.txt", rest.bytes, rest.size);
    orthsr_status status = orthsr__aircraft_open(&dataset, "x", "train", false, &error);
    fuzz_check(status, &error, "x/");
    if (status == ORTHSR_OK) {
        fuzz_require(orthsr_dataset_count(dataset) > 0 && orthsr_dataset_count(dataset) <= rest.size, "items from the file");
        fuzz_require(orthsr_dataset_class_count(dataset) > 0 && orthsr_dataset_class_count(dataset) <= variants.size, "classes from the file");
        orthsr_dataset_free(dataset);
    }
    fuzz_forget();
    return 0;
}
