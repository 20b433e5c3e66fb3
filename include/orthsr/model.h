/* model.h - a pretrained CLIP, opened read-only. A model never changes after opening and may be shared by threads; what
 * computes with it is a session (session.h).
 *
 * A path is a directory or a .safetensors file in it:
 *   open_clip      open_clip_config.json, open_clip_model.safetensors
 *   Hugging Face   config.json, model.safetensors (or sharded with model.safetensors.index.json)
 *   OpenAI names   one .safetensors without a config; sizes inferred from shapes, QuickGELU
 * float32, float16 and bfloat16 tensors, mixed; computing is in float32, and float32 weights are used where they are mapped.
 */
#ifndef ORTHSR_MODEL_H
#define ORTHSR_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include <orthsr/adapter.h>
#include <orthsr/image.h>
#include <orthsr/status.h>
#include <orthsr/tokenizer.h>

ORTHSR_BEGIN_DECLS

typedef struct orthsr_model orthsr_model;                 /* A checkpoint, its config and its vocabulary. Since 0.1. */
typedef struct orthsr_model_options orthsr_model_options; /* How it is to be opened. Since 0.1. */

/* How the image tower's position embeddings are fitted to another image size. Since 0.1. */
typedef enum orthsr_interpolation {
    ORTHSR_INTERPOLATION_FAMILY = 0,           /* as the checkpoint's own family does: BICUBIC for Hugging Face, BICUBIC_ANTIALIAS for the others */
    ORTHSR_INTERPOLATION_BICUBIC = 1,          /* transformers' interpolate_pos_encoding: cubic (a = -0.75) on the nearest 4 x 4 positions */
    ORTHSR_INTERPOLATION_BICUBIC_ANTIALIAS = 2 /* open_clip's resize_pos_embed: cubic (a = -0.5), its support widened where the grid shrinks */
} orthsr_interpolation;

/* How to open a model; a new object holds the defaults. Errors: ARGUMENT, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_model_options_new(orthsr_model_options **out, orthsr_error *error);
ORTHSR_API void orthsr_model_options_free(orthsr_model_options *options); /* NULL is a no-op. Since 0.1. */

/* Setters. Errors: ARGUMENT; the option keeps its value then. Since 0.1. */
/* Pixels a side of the images the model is to take, 1 to 2^24; 0, the default, is the checkpoint's own size. Position embeddings are interpolated, the
 * preprocessing resizes and crops to this size, and merging still writes the checkpoint's own embeddings. */
ORTHSR_API orthsr_status orthsr_model_options_set_image_size(orthsr_model_options *options, size_t pixels, orthsr_error *error);
/* Default: ORTHSR_INTERPOLATION_FAMILY. */
ORTHSR_API orthsr_status orthsr_model_options_set_interpolation(orthsr_model_options *options, orthsr_interpolation interpolation, orthsr_error *error);
/* Whether the files of weights are mapped (1, the default) or read into memory (0). A mapped file that becomes shorter while the model is open ends the
 * process by SIGBUS when the weights that are gone are used; what was read stays. Every file but a model's weights is read in any case. */
ORTHSR_API orthsr_status orthsr_model_options_set_map(orthsr_model_options *options, int map, orthsr_error *error);

/* Opens the checkpoint at path. Errors: ARGUMENT, IO, FORMAT (malformed config, vocabulary or safetensors), MISMATCH (tensors of the towers that are missing,
 * too many or of the wrong shape; named), UNSUPPORTED (dtype, activation, architecture or rules of the vocabulary; named), NUMERIC (a weight is not finite; its
 * tensor named), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_model_open(orthsr_model **out, const char *path, orthsr_error *error);
/* The same with options (NULL: the defaults), which are copied. Errors: as orthsr_model_open; ARGUMENT also for an image size below one patch or above 512
 * patches. Since 0.1. */
ORTHSR_API orthsr_status orthsr_model_open_with(orthsr_model **out, const char *path, const orthsr_model_options *options, orthsr_error *error);
ORTHSR_API void orthsr_model_free(orthsr_model *model); /* NULL is a no-op; sessions and trainers on it must be gone. Since 0.1. */

/* Facts about the architecture. Strings are borrowed, valid while the model lives. Since 0.1. */
ORTHSR_API const char *orthsr_model_family(const orthsr_model *model);      /* "open_clip", "huggingface" or "openai" */
ORTHSR_API const char *orthsr_model_activation(const orthsr_model *model);  /* "quick_gelu", "gelu" or "gelu_tanh" */
ORTHSR_API const char *orthsr_model_fingerprint(const orthsr_model *model); /* "orthsr1:" and 16 hex digits over tensor names, shapes, contents */
ORTHSR_API size_t orthsr_model_embed_dim(const orthsr_model *model);        /* width of the joint space */
ORTHSR_API size_t orthsr_model_image_size(const orthsr_model *model);       /* pixels a side */
ORTHSR_API size_t orthsr_model_patch_size(const orthsr_model *model);       /* pixels a side */
ORTHSR_API size_t orthsr_model_context_length(const orthsr_model *model);   /* token positions */
ORTHSR_API size_t orthsr_model_vocab_size(const orthsr_model *model);       /* rows of the token embedding */
ORTHSR_API size_t orthsr_model_parameter_count(const orthsr_model *model);  /* numbers in all floating-point tensors of the checkpoint */
ORTHSR_API float orthsr_model_logit_scale(const orthsr_model *model);       /* the factor on cosines, exp of the stored value */

/* Memory beside the mapped files: tensors that had to be converted (float16 and bfloat16 to float32), transposed or interpolated, and files that were read
 * instead of mapped. 0 would be all mapped. Since 0.1. */
ORTHSR_API size_t orthsr_model_copied_bytes(const orthsr_model *model);
/* A sentence on how images become the network's input, or why they cannot; borrowed. Since 0.1. */
ORTHSR_API const char *orthsr_model_preprocessing(const orthsr_model *model);
/* The id at whose first place a text's feature is read; -1: at the largest id (OpenAI's rule, and open_clip's). Since 0.1. */
ORTHSR_API int32_t orthsr_model_end_id(const orthsr_model *model);

/* One tower: tower is "image" or "text"; 0 for another name. Since 0.1. */
ORTHSR_API size_t orthsr_model_layers(const orthsr_model *model, const char *tower);
ORTHSR_API size_t orthsr_model_width(const orthsr_model *model, const char *tower);
ORTHSR_API size_t orthsr_model_heads(const orthsr_model *model, const char *tower);
ORTHSR_API size_t orthsr_model_mlp_width(const orthsr_model *model, const char *tower);

/* Tensors of the checkpoint as it lies on disk. Since 0.1. */
ORTHSR_API size_t orthsr_model_tensor_count(const orthsr_model *model);
/* Tensor i in file order: name, dtype as safetensors writes it, shape (rank), bytes; expected is 0 for one the architecture does not use. Any out-pointer may
 * be NULL; name, dtype and shape are borrowed, valid while the model lives. Errors: ARGUMENT (NULL, i out of range). Since 0.1. */
ORTHSR_API orthsr_status orthsr_model_tensor(const orthsr_model *model, size_t i, const char **name, const char **dtype, const size_t **shape, size_t *rank,
                                             uint64_t *bytes, int *expected, orthsr_error *error);

/* The linear maps an adapter can target, named "<tower>.<layer>.<map>", e.g. "image.0.fc1"; the names do not depend on the checkpoint's
 * family. Since 0.1. */
ORTHSR_API size_t orthsr_model_map_count(const orthsr_model *model);
/* Map i: its name, borrowed, and its features. Any out-pointer may be NULL. Errors: ARGUMENT (NULL, i out of range). Since 0.1. */
ORTHSR_API orthsr_status orthsr_model_map(const orthsr_model *model, size_t i, const char **name, size_t *in_features, size_t *out_features,
                                          orthsr_error *error);

/* The frozen weight of a map, copied as float32: W (out_features, in_features), y = x W^T + bias. Errors: ARGUMENT. Since 0.1. */
ORTHSR_API orthsr_status orthsr_model_weight(const orthsr_model *model, size_t map, float *W, orthsr_error *error);

/* A fresh adapter (A = I) on the model's maps that options selects (NULL: the defaults). Errors: ARGUMENT (blocks that do not divide the
 * features of a map's adapted side; named; a layer that a targeted tower does not have, layers of a tower that is not targeted), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_model_adapter(const orthsr_model *model, orthsr_adapter **out, const orthsr_adapter_options *options, orthsr_error *error);

/* An adapter for this model from path: a file or directory of orthsr_adapter_save, or a directory that PEFT wrote (adapter_config.json and
 * adapter_model.safetensors, peft_type OFT). PEFT's exact branch gives ORTHSR_CAYLEY with the file's own parameters; its Cayley-Neumann
 * branch, its default, gives ORTHSR_FREE with the very matrix that PEFT applies, which is not orthogonal (docs/formats.md). What cannot be
 * represented is refused by its key or tensor. model NULL: nothing is checked against a model, and the sizes of PEFT's maps are inferred from its file.
 * Errors: ARGUMENT, IO, FORMAT, UNSUPPORTED (also, without a model, sizes that the file does not tell), MISMATCH (a target or module the model lacks, or of
 * another shape; named), NUMERIC (a value that is not finite), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_model_adapter_load(const orthsr_model *model, orthsr_adapter **out, const char *path, orthsr_error *error);

/* Writes the adapter into directory (made when absent) as PEFT's OFT: the same parameters, in the exact branch. PEFT 0.18 and later load it on the same
 * model in transformers (family "huggingface"), open_clip or OpenAI's code. model NULL: modules are named as in transformers' CLIPModel. Both files are written
 * atomically; a failure leaves nothing new. Errors: ARGUMENT (also an adapter without targets), UNSUPPORTED (ORTHSR_FREE; q, k, v or out of a model that is not
 * of family "huggingface", whose attention PEFT's OFT cannot enter; named), MISMATCH (a target the model lacks or of another shape, or without a model one that
 * is no CLIP's; named), IO, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_model_adapter_export_peft(const orthsr_model *model, const orthsr_adapter *adapter, const char *directory, orthsr_error *error);

/* The vocabulary found beside the weights; borrowed. NULL when there is none (text then fails with a message that says so). Since 0.1. */
ORTHSR_API const orthsr_tokenizer *orthsr_model_tokenizer(const orthsr_model *model);

/* One image to network input: resize, centre crop, /255, mean and std as the model's own preprocess file says (CLIP's where it has none; docs/formats.md).
 * pixels: (3, image_size, image_size) float32. Errors: ARGUMENT, UNSUPPORTED (a side so short that resizing leaves nothing of it; a setting of the
 * preprocess file that cannot be done, named), MISMATCH (its size and the model's differ), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_model_preprocess(const orthsr_model *model, float *pixels, const orthsr_image *image, orthsr_error *error);
/* The same before it is normalised: a new image, image_size pixels a side, of what the network sees. Errors: as orthsr_model_preprocess. Since 0.1. */
ORTHSR_API orthsr_status orthsr_model_view(const orthsr_model *model, orthsr_image **out, const orthsr_image *image, orthsr_error *error);

/* Writes the checkpoint into directory (made when absent; not the model's own) with the adapter's maps merged: same files, names, dtypes,
 * shapes and metadata, every other tensor byte for byte. Products are formed in float64 and rounded once to the stored dtype. A tensor whose size is a
 * multiple of 64 bytes begins at one: such tensors are written first, since the format allows no padding.
 * *deviation (may be NULL): largest |stored - exact| over the merged entries. All files get their names together, at the
 * end: a failure leaves the directory as it was.
 * Errors: ARGUMENT, IO, MISMATCH (a target the model lacks or of another shape; named), NUMERIC (overflow of the dtype), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_model_merge(const orthsr_model *model, const orthsr_adapter *adapter, const char *directory, double *deviation,
                                            orthsr_error *error);

/* The way back: writes a merged checkpoint (model) with the adapter's maps taken out again, W A^-T. What the merge rounded away stays lost: in float32 the
 * original is restored to rounding, in float16 and bfloat16 to two roundings of the stored dtype; *deviation as there. Errors: as orthsr_model_merge;
 * NUMERIC also for a singular ORTHSR_FREE factor or a scale of 0. Since 0.1. */
ORTHSR_API orthsr_status orthsr_model_unmerge(const orthsr_model *model, const orthsr_adapter *adapter, const char *directory, double *deviation,
                                              orthsr_error *error);

/* How the matrices of a GGUF file are stored; vectors are float32 in either. Since 0.1. */
typedef enum orthsr_gguf_type {
    ORTHSR_GGUF_F32 = 0, /* as exact as the model computes */
    ORTHSR_GGUF_F16 = 1  /* half the size, and what ggml's convolution takes in every release */
} orthsr_gguf_type;

/* Writes the model as opened (at its image size, if another was asked for), with the adapter's maps merged (NULL: as it is), to the file path: a two-tower CLIP
 * for clip.cpp, with the names that llama.cpp gives to a CLIP's parts (docs/formats.md lists them). Merged weights are formed in float64 and rounded once.
 * *deviation (may be NULL): largest |stored - exact| over all values. The file is written atomically, one tensor at a time.
 * Errors: ARGUMENT (also a path that is the model's own file), IO, MISMATCH (a target the model lacks or of another shape; named), NUMERIC (a value that
 * overflows the type; named), UNSUPPORTED (a model without tokenizer or without the norm before its first layer, with two activations, or with preprocessing
 * that cannot be done: what the file has no place for), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_model_export_gguf(const orthsr_model *model, const orthsr_adapter *adapter, orthsr_gguf_type type, const char *path,
                                                  double *deviation, orthsr_error *error);

ORTHSR_END_DECLS

#endif
