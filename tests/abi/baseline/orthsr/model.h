#ifndef ORTHSR_MODEL_H
#define ORTHSR_MODEL_H 
#include <stddef.h>
#include <stdint.h>
#include <orthsr/adapter.h>
#include <orthsr/image.h>
#include <orthsr/status.h>
#include <orthsr/tokenizer.h>
ORTHSR_BEGIN_DECLS
typedef struct orthsr_model orthsr_model;
typedef struct orthsr_model_options orthsr_model_options;
typedef enum orthsr_interpolation {
    ORTHSR_INTERPOLATION_FAMILY = 0,
    ORTHSR_INTERPOLATION_BICUBIC = 1,
    ORTHSR_INTERPOLATION_BICUBIC_ANTIALIAS = 2
} orthsr_interpolation;
ORTHSR_API orthsr_status orthsr_model_options_new(orthsr_model_options **out, orthsr_error *error);
ORTHSR_API void orthsr_model_options_free(orthsr_model_options *options);
ORTHSR_API orthsr_status orthsr_model_options_set_image_size(orthsr_model_options *options, size_t pixels, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_model_options_set_interpolation(orthsr_model_options *options, orthsr_interpolation interpolation, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_model_options_set_map(orthsr_model_options *options, int map, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_model_open(orthsr_model **out, const char *path, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_model_open_with(orthsr_model **out, const char *path, const orthsr_model_options *options, orthsr_error *error);
ORTHSR_API void orthsr_model_free(orthsr_model *model);
ORTHSR_API const char *orthsr_model_family(const orthsr_model *model);
ORTHSR_API const char *orthsr_model_activation(const orthsr_model *model);
ORTHSR_API const char *orthsr_model_fingerprint(const orthsr_model *model);
ORTHSR_API size_t orthsr_model_embed_dim(const orthsr_model *model);
ORTHSR_API size_t orthsr_model_image_size(const orthsr_model *model);
ORTHSR_API size_t orthsr_model_patch_size(const orthsr_model *model);
ORTHSR_API size_t orthsr_model_context_length(const orthsr_model *model);
ORTHSR_API size_t orthsr_model_vocab_size(const orthsr_model *model);
ORTHSR_API size_t orthsr_model_parameter_count(const orthsr_model *model);
ORTHSR_API float orthsr_model_logit_scale(const orthsr_model *model);
ORTHSR_API size_t orthsr_model_copied_bytes(const orthsr_model *model);
ORTHSR_API const char *orthsr_model_preprocessing(const orthsr_model *model);
ORTHSR_API int32_t orthsr_model_end_id(const orthsr_model *model);
ORTHSR_API size_t orthsr_model_layers(const orthsr_model *model, const char *tower);
ORTHSR_API size_t orthsr_model_width(const orthsr_model *model, const char *tower);
ORTHSR_API size_t orthsr_model_heads(const orthsr_model *model, const char *tower);
ORTHSR_API size_t orthsr_model_mlp_width(const orthsr_model *model, const char *tower);
ORTHSR_API size_t orthsr_model_tensor_count(const orthsr_model *model);
ORTHSR_API orthsr_status orthsr_model_tensor(const orthsr_model *model, size_t i, const char **name, const char **dtype, const size_t **shape, size_t *rank,
                                             uint64_t *bytes, int *expected, orthsr_error *error);
ORTHSR_API size_t orthsr_model_map_count(const orthsr_model *model);
ORTHSR_API orthsr_status orthsr_model_map(const orthsr_model *model, size_t i, const char **name, size_t *in_features, size_t *out_features,
                                          orthsr_error *error);
ORTHSR_API orthsr_status orthsr_model_weight(const orthsr_model *model, size_t map, float *W, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_model_adapter(const orthsr_model *model, orthsr_adapter **out, const orthsr_adapter_options *options, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_model_adapter_load(const orthsr_model *model, orthsr_adapter **out, const char *path, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_model_adapter_export_peft(const orthsr_model *model, const orthsr_adapter *adapter, const char *directory, orthsr_error *error);
ORTHSR_API const orthsr_tokenizer *orthsr_model_tokenizer(const orthsr_model *model);
ORTHSR_API orthsr_status orthsr_model_preprocess(const orthsr_model *model, float *pixels, const orthsr_image *image, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_model_view(const orthsr_model *model, orthsr_image **out, const orthsr_image *image, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_model_merge(const orthsr_model *model, const orthsr_adapter *adapter, const char *directory, double *deviation,
                                            orthsr_error *error);
ORTHSR_API orthsr_status orthsr_model_unmerge(const orthsr_model *model, const orthsr_adapter *adapter, const char *directory, double *deviation,
                                              orthsr_error *error);
typedef enum orthsr_gguf_type {
    ORTHSR_GGUF_F32 = 0,
    ORTHSR_GGUF_F16 = 1
} orthsr_gguf_type;
ORTHSR_API orthsr_status orthsr_model_export_gguf(const orthsr_model *model, const orthsr_adapter *adapter, orthsr_gguf_type type, const char *path,
                                                  double *deviation, orthsr_error *error);
ORTHSR_END_DECLS
#endif
