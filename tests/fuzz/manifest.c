/* manifest.c - fuzz target: a manifest, all its items, and some of them in memory. */
#include <string.h>

#include "fuzz/files.h"

#define LIST "x/list.tsv"

static void look(const orthsr_dataset *dataset, size_t size) {
    size_t n = orthsr_dataset_count(dataset), classes = orthsr_dataset_class_count(dataset), sizes = 0;
    orthsr_error error = {""};
    fuzz_require(n > 0 && 3 * n <= size + 1 && classes > 0 && classes <= n, "items and classes from the file");
    for (size_t i = 0; i < n; i++) {
        char *name;
        orthsr_status status = orthsr_dataset_copy_item_name(dataset, i, &name, &error);
        fuzz_require(status == ORTHSR_OK && strncmp(name, "x/", 2) == 0 && !strstr(name, "/../"), "an item below the manifest's folder");
        fuzz_require(orthsr_dataset_label(dataset, i) < classes, "a label");
        orthsr_free(name);
    }
    for (size_t c = 0; c < classes; c++) sizes += orthsr_dataset_class_size(dataset, c);
    fuzz_require(sizes == n, "every item in a class");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    orthsr_dataset *dataset, *part, *rest;
    orthsr_error error = {""};
    fuzz_file(LIST, data, size);
    orthsr_status status = orthsr_dataset_open(&dataset, LIST, NULL, &error);
    fuzz_check(status, &error, LIST);
    if (status == ORTHSR_OK) {
        look(dataset, size);
        fuzz_require(orthsr_dataset_draw(&part, &rest, dataset, 2, 1, &error) == ORTHSR_OK, "a draw");
        fuzz_require(orthsr_dataset_count(part) + orthsr_dataset_count(rest) == orthsr_dataset_count(dataset), "all items drawn or left");
        orthsr_dataset_free(part);
        orthsr_dataset_free(rest);
        orthsr_dataset_free(dataset);
    }
    fuzz_forget();
    return 0;
}
