#ifndef ORTHSR_ADAPTER_H
#define ORTHSR_ADAPTER_H 
#include <stddef.h>
#include <orthsr/status.h>
ORTHSR_BEGIN_DECLS
typedef enum orthsr_parametrization {
    ORTHSR_CAYLEY = 0,
    ORTHSR_FREE = 1,
    ORTHSR_EXPM = 2,
    ORTHSR_HOUSEHOLDER = 3,
    ORTHSR_BUTTERFLY = 4,
    ORTHSR_MANIFOLD = 5
} orthsr_parametrization;
typedef enum orthsr_side {
    ORTHSR_SIDE_INPUT = 0,
    ORTHSR_SIDE_OUTPUT = 1
} orthsr_side;
typedef struct orthsr_adapter_options orthsr_adapter_options;
typedef struct orthsr_adapter orthsr_adapter;
ORTHSR_API orthsr_status orthsr_adapter_options_new(orthsr_adapter_options **out, orthsr_error *error);
ORTHSR_API void orthsr_adapter_options_free(orthsr_adapter_options *options);
ORTHSR_API orthsr_status orthsr_adapter_options_set_parametrization(orthsr_adapter_options *options, orthsr_parametrization parametrization,
                                                                    orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_options_set_reflections(orthsr_adapter_options *options, size_t reflections, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_options_set_butterfly(orthsr_adapter_options *options, size_t small_block, size_t factors, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_options_set_coft(orthsr_adapter_options *options, float eps, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_options_set_side(orthsr_adapter_options *options, orthsr_side side, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_options_set_blocks(orthsr_adapter_options *options, size_t blocks, orthsr_error *error);
#define ORTHSR_BLOCK_NARROW ((size_t)-1)
ORTHSR_API orthsr_status orthsr_adapter_options_set_block_size(orthsr_adapter_options *options, size_t block_size, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_options_set_block_share(orthsr_adapter_options *options, int share, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_options_set_maps(orthsr_adapter_options *options, const char *maps, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_options_set_towers(orthsr_adapter_options *options, const char *towers, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_options_set_layers(orthsr_adapter_options *options, const char *layers, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_new(orthsr_adapter **out, const orthsr_adapter_options *options, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_add_target(orthsr_adapter *adapter, const char *name, size_t in_features, size_t out_features, orthsr_error *error);
ORTHSR_API void orthsr_adapter_free(orthsr_adapter *adapter);
ORTHSR_API orthsr_parametrization orthsr_adapter_parametrization(const orthsr_adapter *adapter);
ORTHSR_API orthsr_side orthsr_adapter_side(const orthsr_adapter *adapter);
ORTHSR_API int orthsr_adapter_block_share(const orthsr_adapter *adapter);
ORTHSR_API size_t orthsr_adapter_target_count(const orthsr_adapter *adapter);
ORTHSR_API const char *orthsr_adapter_target_name(const orthsr_adapter *adapter, size_t target);
ORTHSR_API size_t orthsr_adapter_in_features(const orthsr_adapter *adapter, size_t target);
ORTHSR_API size_t orthsr_adapter_out_features(const orthsr_adapter *adapter, size_t target);
ORTHSR_API size_t orthsr_adapter_block_size(const orthsr_adapter *adapter, size_t target);
ORTHSR_API size_t orthsr_adapter_parameter_count(const orthsr_adapter *adapter);
ORTHSR_API orthsr_status orthsr_adapter_get_parameters(const orthsr_adapter *adapter, float *parameters, size_t count, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_set_parameters(orthsr_adapter *adapter, const float *parameters, size_t count, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_set_scale(orthsr_adapter *adapter, size_t target, const float *scale, orthsr_error *error);
ORTHSR_API int orthsr_adapter_has_scale(const orthsr_adapter *adapter, size_t target);
ORTHSR_API orthsr_status orthsr_adapter_rotate(const orthsr_adapter *adapter, size_t target, float *y, const float *x, size_t rows, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_rotate_adjoint(const orthsr_adapter *adapter, size_t target, float *grad_x, float *grad_parameters, const float *grad_y,
                                                       const float *x, size_t rows, orthsr_error *error);
typedef enum orthsr_dtype { ORTHSR_DTYPE_F32 = 0, ORTHSR_DTYPE_F16 = 1, ORTHSR_DTYPE_BF16 = 2, ORTHSR_DTYPE_F64 = 3 } orthsr_dtype;
typedef enum orthsr_order {
    ORTHSR_ORDER_ROW_MAJOR = 0,
    ORTHSR_ORDER_COLUMN_MAJOR = 1
} orthsr_order;
ORTHSR_API orthsr_status orthsr_adapter_merge(const orthsr_adapter *adapter, size_t target, void *W, orthsr_dtype dtype, orthsr_order order, size_t ld,
                                              orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_unmerge(const orthsr_adapter *adapter, size_t target, void *W, orthsr_dtype dtype, orthsr_order order, size_t ld,
                                                orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_scaled(orthsr_adapter **out, const orthsr_adapter *adapter, float s, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_defect(const orthsr_adapter *adapter, double *defect, orthsr_error *error);
ORTHSR_API double orthsr_adapter_distance(const orthsr_adapter *adapter, size_t target);
ORTHSR_API orthsr_status orthsr_adapter_angles(const orthsr_adapter *adapter, size_t target, double *angles, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_save(const orthsr_adapter *adapter, const char *path, const char *fingerprint, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_load(orthsr_adapter **out, const char *path, orthsr_error *error);
ORTHSR_API const char *orthsr_adapter_fingerprint(const orthsr_adapter *adapter);
ORTHSR_END_DECLS
#endif
