/* adapter.h - named orthogonal factors on named linear maps. It knows nothing of CLIP: give it your own layers.
 *
 * Each target (name, in_features, out_features) carries one block-diagonal factor A on one side of the map, `blocks`
 * blocks of block_size x block_size with blocks * block_size = in_features (the default) or out_features. With x a row of
 * activations and W (out_features, in_features) the frozen weight,
 *     y = (x A) W^T = x (W A^T)^T        input side: rotate the activations, or merge the weight: the same map;
 *     y = (x W^T) A = x (A^T W)^T        output side, before the map's bias is added.
 * The parameters of all targets are one flat vector, targets in the order they were added, blocks in order, each block as its orthsr_parametrization says;
 * with block_share (orthsr_adapter_options_set_block_share) the blocks of a target are equal, and the vector holds one for each target.
 * Zero parameters are A = I, but with ORTHSR_MANIFOLD, whose parameters are A itself.
 *
 * An adapter may be read by many threads at once, also by sessions that compute with it; changing its parameters needs exclusive access.
 */
#ifndef ORTHSR_ADAPTER_H
#define ORTHSR_ADAPTER_H

#include <stddef.h>

#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

/* How a b x b block of A is built from its parameters (docs/parametrizations.md). Since 0.1. */
typedef enum orthsr_parametrization {
    ORTHSR_CAYLEY = 0,      /* A = (I - S)(I + S)^-1, S skew, b(b-1)/2 values: orthogonal for every parameter value (OFT, arXiv 2306.07280) */
    ORTHSR_FREE = 1,        /* A = I + P, P any matrix (b, b): NOT orthogonal; the control that shows what orthogonality buys */
    ORTHSR_EXPM = 2,        /* A = exp(S), S skew, b(b-1)/2 values */
    ORTHSR_HOUSEHOLDER = 3, /* A = a product of k reflections, normals (k, b) (HRA, arXiv 2405.17484) */
    ORTHSR_BUTTERFLY = 4,   /* A = m sparse factors of Cayley blocks of size s, (m, b/s, s(s-1)/2) values (BOFT, arXiv 2311.06243) */
    ORTHSR_MANIFOLD = 5     /* A itself (b, b), for an optimizer that stays on the manifold: orthsr_optimizer_rsgd, orthsr_optimizer_radam */
} orthsr_parametrization;

/* Which side of its map a factor is on. Since 0.1. */
typedef enum orthsr_side {
    ORTHSR_SIDE_INPUT = 0, /* OFT's own, and PEFT's since 0.14 */
    ORTHSR_SIDE_OUTPUT = 1 /* PEFT's before 0.14 */
} orthsr_side;

typedef struct orthsr_adapter_options orthsr_adapter_options; /* What factors are made of, and where. Since 0.1. */
typedef struct orthsr_adapter orthsr_adapter;                 /* Targets and their factors. Since 0.1. */

/* Options with their defaults: Cayley; 8 reflections or a butterfly of 2 factors with small blocks of 4, where those are chosen; no COFT; input side; 4 blocks
 * per map (the paper's 43.45M on ViT-B/16), none shared; maps fc1 and fc2, every layer, both towers. Errors: ARGUMENT, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_options_new(orthsr_adapter_options **out, orthsr_error *error);
ORTHSR_API void orthsr_adapter_options_free(orthsr_adapter_options *options); /* NULL is a no-op. Since 0.1. */

/* Setters. Errors: ARGUMENT (out of the range stated); the option keeps its value then. Since 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_options_set_parametrization(orthsr_adapter_options *options, orthsr_parametrization parametrization,
                                                                    orthsr_error *error);
/* k of ORTHSR_HOUSEHOLDER: even, above 0, and at most twice the block size, which orthsr_adapter_add_target tells. */
ORTHSR_API orthsr_status orthsr_adapter_options_set_reflections(orthsr_adapter_options *options, size_t reflections, orthsr_error *error);
/* s and m of ORTHSR_BUTTERFLY: s even and above 0, m 1 to 31, and s 2^(m-1) divides the block size, which orthsr_adapter_add_target tells. */
ORTHSR_API orthsr_status orthsr_adapter_options_set_butterfly(orthsr_adapter_options *options, size_t small_block, size_t factors, orthsr_error *error);
/* COFT (arXiv 2306.07280): each block's S, or P, is scaled to a Frobenius norm of at most eps / sqrt(blocks), or with block_share eps, whenever parameters are
 * set, as PEFT does before each use. 0: no bound. For ORTHSR_CAYLEY, ORTHSR_EXPM and ORTHSR_FREE; orthsr_adapter_new refuses it for others. Files do not keep
 * it. */
ORTHSR_API orthsr_status orthsr_adapter_options_set_coft(orthsr_adapter_options *options, float eps, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_options_set_side(orthsr_adapter_options *options, orthsr_side side, orthsr_error *error);
/* blocks > 0 per map; replaces an earlier block size. */
ORTHSR_API orthsr_status orthsr_adapter_options_set_blocks(orthsr_adapter_options *options, size_t blocks, orthsr_error *error);
/* A block size: as wide as the smaller of the map's in and out features, which is one block on a square map and on a wide map's input, and several on its
 * output. Since 0.1. */
#define ORTHSR_BLOCK_NARROW ((size_t)-1)
/* block_size > 0, the same for every map, or ORTHSR_BLOCK_NARROW; replaces an earlier number of blocks. */
ORTHSR_API orthsr_status orthsr_adapter_options_set_block_size(orthsr_adapter_options *options, size_t block_size, orthsr_error *error);
/* Not 0: the blocks of a target are one block, over and over on the diagonal of A; its gradient is the sum of theirs. As PEFT's block_share. */
ORTHSR_API orthsr_status orthsr_adapter_options_set_block_share(orthsr_adapter_options *options, int share, orthsr_error *error);
/* Comma-separated subset of "q,k,v,out,fc1,fc2": which maps of a layer orthsr_model_adapter targets. */
ORTHSR_API orthsr_status orthsr_adapter_options_set_maps(orthsr_adapter_options *options, const char *maps, orthsr_error *error);
/* Comma-separated subset of "image,text": which towers orthsr_model_adapter targets. */
ORTHSR_API orthsr_status orthsr_adapter_options_set_towers(orthsr_adapter_options *options, const char *towers, orthsr_error *error);
/* Which layers orthsr_model_adapter targets, counted from 0: a comma-separated list of layers ("3"), ranges ("0-5"; "6-": to the last) and "all". It is for
 * both towers; from "image:" or "text:" before an item on, for that one: "image:6-11,text:all". A tower that the list does not name has all its layers. NULL:
 * all, the default. Whether a model has such layers orthsr_model_adapter tells. Errors: ARGUMENT, MEMORY; the option keeps its value then. Since 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_options_set_layers(orthsr_adapter_options *options, const char *layers, orthsr_error *error);

/* An adapter without targets, taking parametrisation, side, blocks and whether they are shared from options (NULL: the defaults).
 * For a CLIP, orthsr_model_adapter (model.h) adds the targets. Errors: ARGUMENT (also COFT with a parametrisation it is not for), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_new(orthsr_adapter **out, const orthsr_adapter_options *options, orthsr_error *error);

/* Adds a target with A = I; other parameters keep their values. Its index is the former orthsr_adapter_target_count.
 * Errors: ARGUMENT (NULL, an extent of 0 or beyond 2^31 - 1, a name that is empty, not UTF-8 or used already, blocks that do not divide
 * the features of the adapted side, a block that the parametrisation cannot be of: size 1 with Cayley or the exponential, see also the setters above), MEMORY.
 * Since 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_add_target(orthsr_adapter *adapter, const char *name, size_t in_features, size_t out_features, orthsr_error *error);

ORTHSR_API void orthsr_adapter_free(orthsr_adapter *adapter); /* NULL is a no-op. Since 0.1. */

/* What the adapter holds. Names are borrowed, valid while the adapter lives. An index out of range gives NULL or 0. Since 0.1. */
ORTHSR_API orthsr_parametrization orthsr_adapter_parametrization(const orthsr_adapter *adapter);
ORTHSR_API orthsr_side orthsr_adapter_side(const orthsr_adapter *adapter);
ORTHSR_API int orthsr_adapter_block_share(const orthsr_adapter *adapter); /* 1 when all blocks of a target are one, else 0 */
ORTHSR_API size_t orthsr_adapter_target_count(const orthsr_adapter *adapter);
ORTHSR_API const char *orthsr_adapter_target_name(const orthsr_adapter *adapter, size_t target);
ORTHSR_API size_t orthsr_adapter_in_features(const orthsr_adapter *adapter, size_t target);
ORTHSR_API size_t orthsr_adapter_out_features(const orthsr_adapter *adapter, size_t target);
ORTHSR_API size_t orthsr_adapter_block_size(const orthsr_adapter *adapter, size_t target);
ORTHSR_API size_t orthsr_adapter_parameter_count(const orthsr_adapter *adapter);

/* The flat parameters, copied out to parameters (count = orthsr_adapter_parameter_count). Errors: ARGUMENT (NULL, count differs). Since 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_get_parameters(const orthsr_adapter *adapter, float *parameters, size_t count, orthsr_error *error);
/* The same copied in; every A is built again. Errors: ARGUMENT (NULL, count differs), NUMERIC (a value is not finite or too large; an ORTHSR_MANIFOLD block
 * further than 1e-3 from orthogonal; a reflection without a normal), MEMORY; the adapter is then as it was. Since 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_set_parameters(orthsr_adapter *adapter, const float *parameters, size_t count, orthsr_error *error);

/* Factors of a target's outputs beside A, scale (out_features): y_o = scale_o (...)_o, before the bias. NULL: ones, as at first. PEFT 0.14 and 0.15 trained
 * such (oft_s); merge and every session apply them, rotate does not, and training leaves them as they are.
 * Errors: ARGUMENT (NULL adapter, no such target), NUMERIC (a value is not finite), MEMORY; the adapter is then as it was. Since 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_set_scale(orthsr_adapter *adapter, size_t target, const float *scale, orthsr_error *error);
ORTHSR_API int orthsr_adapter_has_scale(const orthsr_adapter *adapter, size_t target); /* 1 when one is set, else 0. Since 0.1. */

/* y (rows, f) = x (rows, f) A, f the features of the adapted side: in_features, or out_features for ORTHSR_SIDE_OUTPUT. x and y may not overlap. Errors:
 * ARGUMENT (NULL, no such target, rows above 2^31 - 1). Since 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_rotate(const orthsr_adapter *adapter, size_t target, float *y, const float *x, size_t rows, orthsr_error *error);

/* Adjoint of rotate: given grad_y (rows, f), grad_x = grad_y A^T is written (may be NULL), and dL/dparameters of this
 * target is ADDED at its place in grad_parameters (orthsr_adapter_parameter_count values; may be NULL).
 * Errors: ARGUMENT (NULL, no such target, rows above 2^31 - 1), NUMERIC (the gradient of the parameters is not finite; neither is written then), MEMORY. Since
 * 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_rotate_adjoint(const orthsr_adapter *adapter, size_t target, float *grad_x, float *grad_parameters, const float *grad_y,
                                                       const float *x, size_t rows, orthsr_error *error);

/* Numbers in a caller's weight: IEEE single and half precision, the upper half of a single, IEEE double; in the machine's byte order. Since 0.1. */
typedef enum orthsr_dtype { ORTHSR_DTYPE_F32 = 0, ORTHSR_DTYPE_F16 = 1, ORTHSR_DTYPE_BF16 = 2, ORTHSR_DTYPE_F64 = 3 } orthsr_dtype;

/* Where entry (o, i) of a weight (out_features, in_features) lies. A column-major weight is the transposed one, (in_features, out_features) row-major: of code
 * that computes x W. Since 0.1. */
typedef enum orthsr_order {
    ORTHSR_ORDER_ROW_MAJOR = 0,   /* at o ld + i, ld >= in_features */
    ORTHSR_ORDER_COLUMN_MAJOR = 1 /* at i ld + o, ld >= out_features */
} orthsr_order;

/* The caller's weight W (out_features, in_features) <- W A^T (output side: A^T W), then its rows times the scale; and back (for orthogonal A the transpose,
 * exactly; ORTHSR_FREE solves). Only its own entries are touched, so W may be a part of a larger matrix, by its first entry: of a fused q, k, v (3d, d)
 * row-major with d = in, k is at W + d * ld, and of the transposed one, (d, 3d), at W + d, each with the ld of the whole (docs/own-stack.md). Products are
 * formed in float64 whatever the dtype, with A from the parameters in float64, and rounded once, to nearest, ties to even: the same bits as orthsr_model_merge,
 * in either order. Merged and unmerged, float32 comes back to 1e-6 of the largest entry, float16 and bfloat16 to two roundings of their own. Several adapters
 * on one weight: merge them in the order of orthsr_session_set_adapters, unmerge in the reverse. W may lie at any address. Errors: ARGUMENT, MEMORY, NUMERIC (a
 * product that is not finite in dtype; unmerge of a singular A or a scale of 0); W is then as it was. Since 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_merge(const orthsr_adapter *adapter, size_t target, void *W, orthsr_dtype dtype, orthsr_order order, size_t ld,
                                              orthsr_error *error);
ORTHSR_API orthsr_status orthsr_adapter_unmerge(const orthsr_adapter *adapter, size_t target, void *W, orthsr_dtype dtype, orthsr_order order, size_t ld,
                                                orthsr_error *error);

/* A fresh adapter that turns by s times as much: the same targets with the generator of every block times s (docs/parametrizations.md), so it is as orthogonal
 * as the adapter itself. s = 0 is the identity, s = 1 the same bits; s = -1 the inverse for ORTHSR_CAYLEY, ORTHSR_EXPM and ORTHSR_MANIFOLD. Any s is fine,
 * beyond 1 too. ORTHSR_MANIFOLD is scaled by the generator that Cayley's transform has it from; ORTHSR_FREE becomes I + s P; of reflections and butterflies,
 * which have no one generator, s multiplies the parameters: s = -1 is not their inverse. Scales of outputs become 1 - s + s scale. The fingerprint is kept,
 * COFT's bound is not. Errors: ARGUMENT (also s not finite), NUMERIC (parameters too large; an ORTHSR_MANIFOLD block that mirrors or turns a direction half
 * round, within 1e-4, has no generator; a reflection without a normal), MEMORY. *out is NULL then. Since 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_scaled(orthsr_adapter **out, const orthsr_adapter *adapter, float s, orthsr_error *error);

/* Largest |A^T A - I| entry over all blocks of all targets, in float64. Errors: ARGUMENT, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_defect(const orthsr_adapter *adapter, double *defect, orthsr_error *error);

/* How far a target's A is from I: the Frobenius norm of A - I, in float64. For orthogonal A this is sqrt(sum of 2 - 2 cos t over its angles t), between 0 and
 * 2 sqrt(f), f as above. 0 for an index out of range. Since 0.1. */
ORTHSR_API double orthsr_adapter_distance(const orthsr_adapter *adapter, size_t target);

/* angles (f), ascending, in radians and in [0, pi], f as above: by how much a target's orthogonal A turns. Its eigenvalues are e^(+-it), so every plane that it
 * turns by t gives t twice, a direction that it leaves 0 and one that it reverses pi; blocks that are shared are counted at each of their places. From A formed
 * in float64: to 1e-7 near 0 and pi, better between. Takes room for 3 b^2 doubles and b^3 operations a block, b the block size. Errors: ARGUMENT (also
 * ORTHSR_FREE, whose matrices have no angles), MEMORY, NUMERIC (LAPACK found none). On failure angles is untouched. Since 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_angles(const orthsr_adapter *adapter, size_t target, double *angles, orthsr_error *error);

/* One safetensors file: per target its parameters, e.g. "<name>.skew" (blocks, b(b-1)/2) for ORTHSR_CAYLEY, or (1, b(b-1)/2) with block_share, and where one is
 * set "<name>.scale" (out_features), float32, and in the metadata format version, parametrisation, side, block_share, in/out features and the base model's
 * fingerprint (docs/formats.md). path: the file, or a directory in which it is called adapter.safetensors (made when absent). fingerprint:
 * orthsr_model_fingerprint of the model it was trained on; NULL writes the one the adapter was loaded with. Writing is atomic. Errors: ARGUMENT (NULL, a
 * fingerprint that is not UTF-8, more than 4096 targets), IO, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_save(const orthsr_adapter *adapter, const char *path, const char *fingerprint, orthsr_error *error);
/* Reads such a file, or the one in the directory path, bit for bit. Errors: ARGUMENT, IO, FORMAT, UNSUPPORTED (a newer format version), NUMERIC (a parameter is
 * not finite, or no A can be built from it), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_adapter_load(orthsr_adapter **out, const char *path, orthsr_error *error);
/* The fingerprint that was loaded, empty when unknown; borrowed, valid while the adapter lives. Since 0.1. */
ORTHSR_API const char *orthsr_adapter_fingerprint(const orthsr_adapter *adapter);

ORTHSR_END_DECLS

#endif
