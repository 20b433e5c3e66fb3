#ifndef ORTHSR_OPTIMIZER_H
#define ORTHSR_OPTIMIZER_H 
#include <stddef.h>
#include <orthsr/ortho.h>
#include <orthsr/status.h>
ORTHSR_BEGIN_DECLS
typedef struct orthsr_optimizer orthsr_optimizer;
ORTHSR_API orthsr_status orthsr_optimizer_sgd(orthsr_optimizer **out, size_t size, float momentum, float weight_decay, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_optimizer_adamw(orthsr_optimizer **out, size_t size, float beta1, float beta2, float eps, float weight_decay,
                                                orthsr_error *error);
typedef struct orthsr_stiefel {
    size_t n;
    size_t p;
} orthsr_stiefel;
ORTHSR_API orthsr_status orthsr_optimizer_rsgd(orthsr_optimizer **out, const orthsr_stiefel *blocks, size_t count, float momentum, orthsr_retraction retraction,
                                               orthsr_geometry geometry, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_optimizer_radam(orthsr_optimizer **out, const orthsr_stiefel *blocks, size_t count, float beta1, float beta2, float eps,
                                                orthsr_retraction retraction, orthsr_geometry geometry, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_optimizer_step(orthsr_optimizer *optimizer, float *parameters, const float *gradient, size_t size, float lr,
                                               orthsr_error *error);
ORTHSR_API size_t orthsr_optimizer_steps(const orthsr_optimizer *optimizer);
ORTHSR_API void orthsr_optimizer_free(orthsr_optimizer *optimizer);
ORTHSR_END_DECLS
#endif
