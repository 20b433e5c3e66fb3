/* api.c - the public float32 face of the optimizers. */
#include "base/fail.h"
#include "train/optimizer.h"

orthsr_status orthsr_optimizer_step(orthsr_optimizer *optimizer, float *parameters, const float *gradient, size_t size, float lr, orthsr_error *error) {
    ORTHSR__REQUIRE(optimizer && parameters && gradient, error, "optimizer, parameters or gradient is NULL");
    return orthsr__optimizer_step(optimizer, parameters, gradient, size, (double)lr, error);
}
