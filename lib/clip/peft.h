/* peft.h (internal) - PEFT's OFT adapters: a directory with adapter_config.json and adapter_model.safetensors (docs/formats.md, "PEFT's OFT adapters"). */
#ifndef ORTHSR_CLIP_PEFT_H
#define ORTHSR_CLIP_PEFT_H

#include <stdbool.h>

#include "clip/model.h"

#define ORTHSR__PEFT_CONFIG "adapter_config.json"
#define ORTHSR__PEFT_WEIGHTS "adapter_model.safetensors"

/* What every refusal ends with: the way that works for all of PEFT. */
#define ORTHSR__PEFT_REMEDY "merge the adapter with PEFT (merge_and_unload) and open the merged model instead"

/* What a config says about the matrices; what it says about training, and which modules it names, is of no account: the tensors decide. */
typedef struct orthsr__peft_config {
    size_t r, block_size; /* blocks per map, or their size, as asked for: one of them is 0 */
    bool share;           /* all blocks of a map are one */
    bool coft;            /* parameters are first projected to within eps */
    double eps;
    bool neumann;  /* R = I + 2S + 2S^2 + ... + last S^degree in place of the exact (I - S)(I + S)^-1 */
    size_t degree; /* 0: R = I */
    double last;
} orthsr__peft_config;

/* Errors: IO, FORMAT, UNSUPPORTED (what cannot be represented, by its key), MEMORY. */
orthsr_status orthsr__peft_config_read(orthsr__peft_config *out, const char *path, orthsr_error *error);

/* The adapter in directory, its targets in the model's order. */
orthsr_status orthsr__peft_read(orthsr_adapter **out, const orthsr_model *model, const char *directory, orthsr_error *error);

/* The name of the module that holds a map: a pointer into its tensor's name, and a length. NULL for the q, k and v of a fused in_proj, which is no
 * module. */
const char *orthsr__peft_module(size_t *length, const orthsr_model *model, size_t map);

#endif
