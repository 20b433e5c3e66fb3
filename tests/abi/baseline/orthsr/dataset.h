#ifndef ORTHSR_DATASET_H
#define ORTHSR_DATASET_H 
#include <stddef.h>
#include <stdint.h>
#include <orthsr/model.h>
#include <orthsr/status.h>
ORTHSR_BEGIN_DECLS
typedef struct orthsr_dataset orthsr_dataset;
ORTHSR_API orthsr_status orthsr_dataset_open(orthsr_dataset **out, const char *directory, const char *split, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_dataset_list(orthsr_dataset **out, const char *directory, const char *split, orthsr_error *error);
ORTHSR_API int orthsr_dataset_has_split(const char *directory, const char *split);
ORTHSR_API orthsr_status orthsr_dataset_layout(const char **out, const char *directory, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_dataset_new(orthsr_dataset **out, const uint8_t *pixels, size_t n, size_t height, size_t width, size_t channels,
                                            const int32_t *labels, const char *const *class_names, size_t n_classes, orthsr_error *error);
ORTHSR_API void orthsr_dataset_free(orthsr_dataset *dataset);
ORTHSR_API orthsr_status orthsr_dataset_set_max_pixels(orthsr_dataset *dataset, size_t max_pixels, orthsr_error *error);
ORTHSR_API size_t orthsr_dataset_count(const orthsr_dataset *dataset);
ORTHSR_API size_t orthsr_dataset_class_count(const orthsr_dataset *dataset);
ORTHSR_API const char *orthsr_dataset_class_name(const orthsr_dataset *dataset, size_t label);
ORTHSR_API size_t orthsr_dataset_label(const orthsr_dataset *dataset, size_t item);
ORTHSR_API const char *orthsr_dataset_item_name(const orthsr_dataset *dataset, size_t item);
ORTHSR_API size_t orthsr_dataset_class_size(const orthsr_dataset *dataset, size_t label);
ORTHSR_API orthsr_status orthsr_dataset_copy_item_name(const orthsr_dataset *dataset, size_t item, char **name, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_dataset_draw(orthsr_dataset **out, orthsr_dataset **rest, const orthsr_dataset *dataset, size_t shots, uint64_t seed,
                                             orthsr_error *error);
ORTHSR_API orthsr_status orthsr_dataset_draw_validation(orthsr_dataset **out, const orthsr_dataset *train, const orthsr_dataset *validation, size_t shots,
                                                        uint64_t seed, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_dataset_select(orthsr_dataset **out, const orthsr_dataset *dataset, size_t first, size_t count, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_dataset_subset(orthsr_dataset **out, const orthsr_dataset *dataset, const size_t *items, size_t n, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_dataset_pixels(const orthsr_dataset *dataset, size_t item, const orthsr_model *model, float *pixels, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_dataset_check_item(const orthsr_dataset *dataset, size_t item, int decode, orthsr_error *error);
ORTHSR_END_DECLS
#endif
