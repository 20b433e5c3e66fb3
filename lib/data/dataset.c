/* dataset.c - datasets in memory: made, asked, narrowed to some classes, released. */
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "data/manifest.h"

orthsr_dataset *orthsr__dataset_alloc(bool owner, size_t count, size_t n_classes) {
    orthsr_dataset *dataset = orthsr__calloc(1, sizeof *dataset);
    if (!dataset) return NULL;
    *dataset = (orthsr_dataset){.owner = owner,
                                .owns_names = owner,
                                .count = count,
                                .items = orthsr__calloc(count, sizeof *dataset->items),
                                .n_classes = n_classes,
                                .class_sizes = orthsr__calloc(n_classes, sizeof *dataset->class_sizes),
                                .class_names = owner ? orthsr__calloc(n_classes, sizeof *dataset->class_names) : NULL};
    if (dataset->items && dataset->class_sizes && (dataset->class_names || !owner)) return dataset;
    free(dataset->items);
    free(dataset->class_sizes);
    free(dataset->class_names);
    free(dataset);
    return NULL;
}

void orthsr_dataset_free(orthsr_dataset *dataset) {
    if (!dataset) return;
    for (size_t i = 0; i < dataset->count && dataset->owns_names && !dataset->manifest; i++) free(dataset->items[i].name);
    if (dataset->owner) {
        orthsr__manifest_free(dataset->manifest);
        orthsr__free_texts(dataset->class_names, dataset->n_classes);
        free(dataset->pixels);
    }
    free(dataset->items);
    free(dataset->class_sizes);
    free(dataset);
}

orthsr_dataset *orthsr__dataset_view(const orthsr_dataset *of, size_t count, size_t first, size_t n_classes) {
    orthsr_dataset *view = orthsr__dataset_alloc(false, count, n_classes);
    if (!view) return NULL;
    view->class_names = of->class_names + first;
    view->height = of->height;
    view->width = of->width;
    view->channels = of->channels;
    view->max_pixels = of->max_pixels;
    view->owns_names = of->manifest != NULL;
    return view;
}

void orthsr__dataset_count_classes(orthsr_dataset *dataset) {
    for (size_t i = 0; i < dataset->count; i++) dataset->class_sizes[dataset->items[i].label]++;
}

/* ---- from pixels ---------------------------------------------------------------------------------------------------- */

/* As prompts read names: underscores are spaces. */
static int compare_as_read(const char *a, const char *b) {
    for (;; a++, b++) {
        unsigned char x = *a == '_' ? ' ' : (unsigned char)*a, y = *b == '_' ? ' ' : (unsigned char)*b;
        if (x != y || !x) return x - y;
    }
}

static int compare_names(const void *a, const void *b) {
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    int order = compare_as_read(x, y);
    return order ? order : strcmp(x, y);
}

orthsr_status orthsr__check_class_names(const char *const *names, size_t n, const char *where, orthsr_status status, orthsr_error *error) {
    const char **sorted = orthsr__calloc(n, sizeof *sorted);
    if (!sorted) return orthsr__fail_memory(error, "class names");
    orthsr_status result = ORTHSR_OK;
    for (size_t i = 0; i < n && !result; i++) {
        sorted[i] = names[i];
        if (!names[i] || !*names[i]) result = orthsr__fail(error, status, "%s: the name of class %zu is missing or empty", where, i);
    }
    if (!result) qsort(sorted, n, sizeof *sorted, compare_names);
    for (size_t i = 1; i < n && !result; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0) result = orthsr__fail(error, status, "%s: two classes are called '%.256s'", where, sorted[i]);
        else if (compare_as_read(sorted[i - 1], sorted[i]) == 0)
            result = orthsr__fail(error, status, "%s: the classes '%.256s' and '%.256s' have one name, underscores being read as spaces", where, sorted[i - 1],
                                  sorted[i]);
    free(sorted);
    return result;
}

orthsr_status orthsr__dataset_from_pixels(orthsr_dataset **out, uint8_t *pixels, size_t n, size_t height, size_t width, size_t channels, const int32_t *labels,
                                          const char *const *class_names, size_t n_classes, const char *where, orthsr_status status, orthsr_error *error) {
    orthsr_dataset *dataset = orthsr__dataset_alloc(true, n, n_classes);
    if (!dataset) {
        free(pixels);
        return orthsr__fail_memory(error, "a dataset");
    }
    dataset->pixels = pixels;
    dataset->height = height;
    dataset->width = width;
    dataset->channels = channels;
    orthsr_status result = orthsr__check_class_names(class_names, n_classes, where, status, error);
    for (size_t i = 0; i < n_classes && !result; i++) {
        dataset->class_names[i] = orthsr__strdup(class_names[i]);
        if (!dataset->class_names[i]) result = orthsr__fail_memory(error, "class names");
    }
    for (size_t i = 0; i < n && !result; i++) {
        if (labels[i] < 0 || (size_t)labels[i] >= n_classes) {
            result = orthsr__fail(error, status, "%s: item %zu has label %d, but there are %zu classes", where, i, labels[i], n_classes);
            break;
        }
        dataset->items[i] =
            (orthsr__item){.label = (size_t)labels[i], .name = orthsr__format("index %zu", i), .pixels = pixels + i * height * width * channels};
        if (!dataset->items[i].name) result = orthsr__fail_memory(error, "a dataset's items");
    }
    if (result) {
        orthsr_dataset_free(dataset);
        return result;
    }
    orthsr__dataset_count_classes(dataset);
    *out = dataset;
    return ORTHSR_OK;
}

orthsr_status orthsr_dataset_new(orthsr_dataset **out, const uint8_t *pixels, size_t n, size_t height, size_t width, size_t channels, const int32_t *labels,
                                 const char *const *class_names, size_t n_classes, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(pixels && labels && class_names, error, "pixels, labels or class_names is NULL");
    ORTHSR__REQUIRE(n && height && width && n_classes, error, "n, height, width and n_classes must be positive");
    ORTHSR__REQUIRE(channels == 1 || channels == 3, error, "channels must be 1 or 3");
    size_t size;
    ORTHSR__REQUIRE(orthsr__mul(&size, n, height) && orthsr__mul(&size, size, width) && orthsr__mul(&size, size, channels), error, "the shape is too large");
    uint8_t *copy = malloc(size);
    if (!copy) return orthsr__fail_memory(error, "a dataset's pixels");
    memcpy(copy, pixels, size);
    return orthsr__dataset_from_pixels(out, copy, n, height, width, channels, labels, class_names, n_classes, __func__, ORTHSR_ERROR_ARGUMENT, error);
}

orthsr_status orthsr_dataset_set_max_pixels(orthsr_dataset *dataset, size_t max_pixels, orthsr_error *error) {
    ORTHSR__REQUIRE(dataset, error, "dataset is NULL");
    dataset->max_pixels = max_pixels;
    return ORTHSR_OK;
}

/* ---- asking --------------------------------------------------------------------------------------------------------- */

size_t orthsr_dataset_count(const orthsr_dataset *dataset) { return dataset->count; }
size_t orthsr_dataset_class_count(const orthsr_dataset *dataset) { return dataset->n_classes; }

const char *orthsr_dataset_class_name(const orthsr_dataset *dataset, size_t label) { return label < dataset->n_classes ? dataset->class_names[label] : NULL; }

size_t orthsr_dataset_label(const orthsr_dataset *dataset, size_t item) {
    orthsr__item found;
    char *own = NULL;
    if (item >= dataset->count || orthsr__dataset_item(dataset, item, &found, &own, NULL)) return (size_t)-1;
    free(own);
    return found.label;
}

const char *orthsr_dataset_item_name(const orthsr_dataset *dataset, size_t item) {
    return item < dataset->count && !dataset->manifest ? dataset->items[item].name : NULL;
}

orthsr_status orthsr_dataset_copy_item_name(const orthsr_dataset *dataset, size_t item, char **name, orthsr_error *error) {
    ORTHSR__REQUIRE(name, error, "name is NULL");
    *name = NULL;
    ORTHSR__REQUIRE(dataset, error, "dataset is NULL");
    if (item >= dataset->count) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%s: item %zu; there are %zu", __func__, item, dataset->count);
    orthsr__item found;
    char *own = NULL;
    ORTHSR__TRY(orthsr__dataset_item(dataset, item, &found, &own, error));
    if (found.size > 0) *name = orthsr__format("%s:%llu+%llu", found.name, (unsigned long long)found.offset, (unsigned long long)found.size);
    else *name = orthsr__strdup(found.name);
    free(own);
    return *name ? ORTHSR_OK : orthsr__fail_memory(error, "the name of an item");
}

orthsr_status orthsr__dataset_item(const orthsr_dataset *dataset, size_t i, orthsr__item *item, char **own, orthsr_error *error) {
    *own = NULL;
    if (!dataset->manifest) {
        *item = dataset->items[i];
        return ORTHSR_OK;
    }
    ORTHSR__TRY(orthsr__manifest_item(dataset->manifest, i, item, error));
    *own = item->name;
    return ORTHSR_OK;
}

orthsr_status orthsr__dataset_take(orthsr_dataset *view, size_t at, const orthsr_dataset *dataset, size_t i, size_t first, orthsr_error *error) {
    char *own; /* which the view keeps */
    ORTHSR__TRY(orthsr__dataset_item(dataset, i, &view->items[at], &own, error));
    view->items[at].label -= first;
    return ORTHSR_OK;
}

orthsr_status orthsr__dataset_labels(size_t **labels, const orthsr_dataset *dataset, orthsr_error *error) {
    *labels = orthsr__calloc(dataset->count, sizeof **labels);
    if (!*labels) return orthsr__fail_memory(error, "labels");
    if (dataset->manifest) return orthsr__manifest_labels(dataset->manifest, *labels, error);
    for (size_t i = 0; i < dataset->count; i++) (*labels)[i] = dataset->items[i].label;
    return ORTHSR_OK;
}

size_t orthsr_dataset_class_size(const orthsr_dataset *dataset, size_t label) { return label < dataset->n_classes ? dataset->class_sizes[label] : 0; }

/* ---- some of the items ----------------------------------------------------------------------------------------------- */

orthsr_status orthsr_dataset_subset(orthsr_dataset **out, const orthsr_dataset *dataset, const size_t *items, size_t n, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(dataset && (items || n == 0), error, "dataset or items is NULL");
    for (size_t i = 0; i < n; i++)
        if (items[i] >= dataset->count)
            return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%s: item %zu was asked for; there are %zu", __func__, items[i], dataset->count);
    orthsr_dataset *view = orthsr__dataset_view(dataset, n, 0, dataset->n_classes);
    if (!view) return orthsr__fail_memory(error, "a selection of items");
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < n && !status; i++) status = orthsr__dataset_take(view, i, dataset, items[i], 0, error);
    if (status) {
        orthsr_dataset_free(view);
        return status;
    }
    orthsr__dataset_count_classes(view);
    *out = view;
    return ORTHSR_OK;
}

/* ---- some of the classes -------------------------------------------------------------------------------------------- */

orthsr_status orthsr_dataset_select(orthsr_dataset **out, const orthsr_dataset *dataset, size_t first, size_t count, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(dataset, error, "dataset is NULL");
    if (count == 0 || first >= dataset->n_classes || count > dataset->n_classes - first)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%s: %zu classes from %zu on were asked for; there are %zu", __func__, count, first,
                            dataset->n_classes);
    size_t items = 0, *labels = NULL;
    for (size_t i = first; i < first + count; i++) items += dataset->class_sizes[i];
    orthsr_dataset *view = orthsr__dataset_view(dataset, items, first, count);
    orthsr_status status = view ? orthsr__dataset_labels(&labels, dataset, error) : orthsr__fail_memory(error, "a selection of classes");
    for (size_t i = 0, n = 0; i < dataset->count && !status; i++)
        if (labels[i] >= first && labels[i] < first + count) status = orthsr__dataset_take(view, n++, dataset, i, first, error);
    free(labels);
    if (status) {
        orthsr_dataset_free(view);
        return status;
    }
    orthsr__dataset_count_classes(view);
    *out = view;
    return ORTHSR_OK;
}
