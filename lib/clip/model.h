/* model.h (internal) - what a CLIP is once opened: its sizes, its tensors in one layout, and where each came from. */
#ifndef ORTHSR_CLIP_MODEL_H
#define ORTHSR_CLIP_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include <orthsr/model.h>

#include "adapter/adapter.h"
#include "base/real.h"
#include "io/image.h"
#include "io/safetensors.h"
#include "ops/ops.h"

enum { ORTHSR__Q, ORTHSR__K, ORTHSR__V, ORTHSR__OUT, ORTHSR__FC1, ORTHSR__FC2, ORTHSR__MAPS };
enum { ORTHSR__MAX_SIZE = 1 << 24 };                            /* of any extent of the architecture: products of two fit easily */
enum { ORTHSR__MAX_GRID = 512, ORTHSR__MAX_CONTEXT = 1 << 16 }; /* patches a side; tokens */
typedef enum orthsr__family { ORTHSR__OPEN_CLIP, ORTHSR__HUGGINGFACE, ORTHSR__OPENAI } orthsr__family;

/* Sizes of one tower. */
typedef struct orthsr__tower_config {
    size_t width, layers, heads, mlp;
    orthsr__activation activation;
    double eps; /* of its layer norms */
} orthsr__tower_config;

typedef enum orthsr__resize {
    ORTHSR__RESIZE_NONE,
    ORTHSR__RESIZE_SHORTEST, /* the shorter edge to width, the longer to at most `longest` (0: to any) */
    ORTHSR__RESIZE_LONGEST,  /* the longer edge to width */
    ORTHSR__RESIZE_EXACT     /* to width x height, the aspect not kept */
} orthsr__resize;

/* How an image becomes the image tower's input. What is larger than the tower's square after resizing is cropped, what is smaller padded. */
typedef struct orthsr__preprocess {
    orthsr__resize resize;
    size_t width, height, longest;
    orthsr__filter filter;
    bool transformers;             /* crop and padding are placed by transformers' rule, else by torchvision's */
    uint8_t fill;                  /* gray of the padding */
    double scale, mean[3], std[3]; /* (byte * scale - mean) / std */
    orthsr_status refused;         /* not OK: what the files ask for cannot be done, and why; the rest of the model works */
    orthsr_error why;
} orthsr__preprocess;

typedef struct orthsr__config {
    orthsr__family family;
    size_t embed_dim, image_size, patch_size, context_length, vocab_size;
    orthsr__tower_config image, text;
    bool pre_norm;     /* a layer norm before the image tower's first layer */
    ptrdiff_t pool_id; /* the text feature sits at the first of this id; -1: at the largest id (OpenAI's rule) */
    orthsr__preprocess preprocess;
} orthsr__config;

/* A frozen linear map, y = x W^T + bias. */
typedef struct orthsr__linear {
    const real *weight; /* (out, in) */
    const real *bias;   /* (out), or NULL */
    size_t in, out;
    const orthsr__tensor *source; /* of the weight: its rows source_row .. source_row + out - 1 */
    size_t source_row;
} orthsr__linear;

typedef struct orthsr__norm {
    const real *gamma, *beta; /* (width) */
} orthsr__norm;

typedef struct orthsr__layer {
    orthsr__norm norm1, norm2;
    orthsr__linear map[ORTHSR__MAPS];
} orthsr__layer;

typedef struct orthsr__tower {
    orthsr__tower_config config;
    bool causal;
    orthsr__layer *layer; /* (layers) */
    size_t first_map;     /* index of layer 0's q in the model's list of maps */
} orthsr__tower;

struct orthsr_model_options {
    size_t image_size; /* 0: the checkpoint's */
    orthsr_interpolation interpolation;
    bool is_read; /* the weights are read, not mapped */
};

/* Weights that are still to be looked at, whether they are finite. */
typedef struct orthsr__unchecked {
    const orthsr__tensor *tensor;
    const real *values; /* (tensor->elements) */
} orthsr__unchecked;

struct orthsr_model {
    orthsr_model_options options;
    orthsr__config config;
    char *directory;            /* where the checkpoint lies */
    orthsr__safetensors *files; /* (file_count): the checkpoint's shards */
    size_t file_count;
    orthsr_tokenizer *tokenizer;  /* or NULL */
    orthsr__unchecked *unchecked; /* (unchecked_count): while it is opened */
    size_t unchecked_count, unchecked_capacity;
    char fingerprint[32];

    orthsr__tower image, text;
    orthsr__linear patch;                             /* (image width, 3 patch patch) */
    const real *class_embedding;                      /* (image width) */
    const real *image_position;                       /* (1 + grid grid, image width) */
    orthsr__norm pre_norm, post_norm, final_norm;     /* pre_norm.gamma NULL without one */
    orthsr__linear image_projection, text_projection; /* (embed_dim, width) */
    const real *token_embedding;                      /* (vocab, text width) */
    const real *text_position;                        /* (context, text width) */
    real logit_scale;                                 /* exp of the stored value */

    bool *expected;   /* (tensors of all files): used by the architecture, or known to be harmless */
    char **map_names; /* (map_count) "<tower>.<layer>.<map>" */
    size_t map_count;
    void **owned; /* (owned_count): converted copies behind the pointers above */
    size_t owned_count, owned_capacity, owned_bytes;
    char preprocessing[sizeof(orthsr_error)]; /* a sentence */
};

/* config.c: fills the config from the JSON beside the weights, or from the tensors' shapes when there is none. */
orthsr_status orthsr__config_read(orthsr_model *model, orthsr_error *error);

/* weights.c: finds, checks and converts every tensor the config asks for; that they are finite is not looked at yet. */
orthsr_status orthsr__weights_load(orthsr_model *model, orthsr_error *error);
/* Whether the i-th of model->unchecked is finite; and the failure, where it is not. */
bool orthsr__weights_are_finite(const orthsr_model *model, size_t i);
orthsr_status orthsr__weights_not_finite(const orthsr_model *model, size_t i, orthsr_error *error);

/* Tensor by exact name in any of the files, or NULL; *index (may be NULL): its position in `expected`. */
const orthsr__tensor *orthsr__model_find(const orthsr_model *model, const char *name, size_t *index);
/* The first tensor whose name ends with suffix, or NULL. */
const orthsr__tensor *orthsr__model_find_suffix(const orthsr_model *model, const char *suffix);
/* Over all contents, unlike the fingerprint. */
uint32_t orthsr__model_checksum(const orthsr_model *model);
/* The file a tensor lies in. */
const orthsr__safetensors *orthsr__model_file_of(const orthsr_model *model, const orthsr__tensor *tensor);

/* The linear map with this index in the model's list. */
const orthsr__linear *orthsr__model_map(const orthsr_model *model, size_t map);

/* For each of the model's maps the adapter's target on it, or NULL; in fresh memory (free). NULL adapter: all NULL.
 * MISMATCH when a target has no map or another shape. */
orthsr_status orthsr__bind(const orthsr__target ***out, const orthsr_model *model, const orthsr_adapter *adapter, orthsr_error *error);

/* Adapters on a model, each on top of the model with those before it: (count), and of each its binding (map_count). */
typedef struct orthsr__stack {
    const orthsr_adapter **adapter;
    const orthsr__target ***binding;
    size_t count;
} orthsr__stack;

/* The n adapters, borrowed. Errors as orthsr__bind. Free in any case; safe on a zeroed struct. */
orthsr_status orthsr__stack_new(orthsr__stack *stack, const orthsr_model *model, const orthsr_adapter *const *adapters, size_t n, orthsr_error *error);
void orthsr__stack_free(orthsr__stack *stack);

#endif
