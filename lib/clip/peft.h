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
    bool output_side;     /* PEFT before 0.14: y = (x W^T) R */
    bool share;           /* all blocks of a map are one */
    bool coft;            /* parameters are first projected to within eps */
    double eps;
    bool neumann;  /* R = I + 2S + 2S^2 + ... + last S^degree in place of the exact (I - S)(I + S)^-1 */
    size_t degree; /* 0: R = I */
    double last;
} orthsr__peft_config;

/* Errors: IO, FORMAT, UNSUPPORTED (what cannot be represented, by its key), MEMORY. */
orthsr_status orthsr__peft_config_read(orthsr__peft_config *out, const char *path, orthsr_error *error);

/* The kinds of tensors. VECTOR (blocks, b(b-1)/2) is what PEFT writes since 0.16; before it wrote SQUARE (blocks, b, b), any matrices, and SCALE (out, 1). */
typedef enum orthsr__peft_kind { ORTHSR__PEFT_VECTOR, ORTHSR__PEFT_SQUARE, ORTHSR__PEFT_SCALE, ORTHSR__PEFT_KINDS } orthsr__peft_kind;

/* What a tensor's name says: pointers into it. */
typedef struct orthsr__peft_name {
    orthsr__peft_kind kind; /* KINDS: no part of an OFT adapter */
    const char *module;
    size_t length; /* of module */
    const char *adapter;
    size_t adapter_length; /* 0: the adapter has no name, as PEFT saves the one the folder is of */
} orthsr__peft_name;
orthsr__peft_name orthsr__peft_parse(const char *name);

/* One linear map as PEFT knows it. */
typedef struct orthsr__module {
    char *map;      /* "image.0.fc1" */
    char *name;     /* "vision_model.encoder.layers.0.mlp.fc1"; NULL for the q, k and v of a fused in_proj, which are no modules */
    size_t in, out; /* features */
    bool is_called; /* so that a factor on it takes effect: not out_proj inside a torch.nn.MultiheadAttention, whose weight is read past it */
} orthsr__module;

typedef struct orthsr__modules {
    orthsr__module *items; /* (count), in the order of a model's maps */
    size_t count, capacity;
    const char *kind_of_model; /* for messages */
} orthsr__modules;

/* All maps of a model; or those an adapter targets, named as transformers' CLIPModel names them; or those that a file of PEFT's adapts, sizes inferred.
 * Errors: MISMATCH (a name that is no CLIP's), UNSUPPORTED (sizes that the file does not tell), MEMORY; *out is empty then. */
orthsr_status orthsr__modules_of_model(orthsr__modules *out, const orthsr_model *model, orthsr_error *error);
orthsr_status orthsr__modules_of_adapter(orthsr__modules *out, const orthsr_adapter *adapter, orthsr_error *error);
orthsr_status orthsr__modules_of_file(orthsr__modules *out, const orthsr__safetensors *file, const orthsr__peft_config *config, orthsr_error *error);
void orthsr__modules_free(orthsr__modules *modules);

/* The one of this name, or NULL. */
const orthsr__module *orthsr__modules_find(const orthsr__modules *modules, const char *name, size_t length);

/* The adapter in directory, its targets in the model's order. model NULL: sizes are inferred. */
orthsr_status orthsr__peft_read(orthsr_adapter **out, const orthsr_model *model, const char *directory, orthsr_error *error);

#endif
