/* encoder.h - the two towers end to end on one tile: pixels or tokens to raw features, and back to the adapter's rotations.
 *
 * A token -1 - k, k >= 0, is not in the vocabulary: its embedding is vector k of the learned context (clip/context.h), and the gradient goes back to it.
 *
 * A tile is as many images or texts as one pass holds. Between forward and backward of a tile the pass must not be used for another.
 */
#ifndef ORTHSR_CLIP_ENCODER_H
#define ORTHSR_CLIP_ENCODER_H

#include <orthsr/session.h>

#include "clip/pass.h"

typedef struct orthsr__encoder {
    const orthsr_model *model;
    orthsr__stack stack;      /* owned; with gradients one adapter or none */
    orthsr__pool *pool;       /* borrowed */
    size_t tile_rows;         /* of activations in a tile, about */
    orthsr__pass image, text; /* memory comes with the first tile */
    bool gradients;
    orthsr__load image_load, text_load; /* of a training step; set before the first tile */
    bool maps;                          /* the output of every patch is wanted, for orthsr__similarity_map; only without gradients */
    real *patches;                      /* (grid grid, 3 patch patch): one image's */
    const real *context;                /* (vectors, text width), borrowed; NULL: tokens are all of the vocabulary */
    bool context_gradients;             /* the text tower's backward pass goes down to the embeddings; set before the first text tile */
} orthsr__encoder;

/* Rows of activations in a tile, where nothing else is asked for: enough for products to run at full speed, few enough for the memory of a small machine. */
enum { ORTHSR__TILE_ROWS = 768 };

orthsr_status orthsr__encoder_new(orthsr__encoder *encoder, const orthsr_model *model, const orthsr_adapter *adapter, bool gradients, orthsr__pool *pool,
                                  size_t tile_rows, orthsr_error *error);
void orthsr__encoder_free(orthsr__encoder *encoder); /* safe on a zeroed struct */

/* Other adapters, in a stack, for an encoder without gradients. On failure it has those it had. */
orthsr_status orthsr__encoder_adapt(orthsr__encoder *encoder, const orthsr_adapter *const *adapters, size_t n, orthsr_error *error);

/* Images in a tile, at most. */
size_t orthsr__image_tile(const orthsr_model *model, size_t tile_rows);
/* Of n: tiles of about the same size. */
size_t orthsr__even_tile(size_t n, size_t most);
/* How many of the first of n texts go into one tile, at least 1; n at least 1. */
size_t orthsr__text_tile(const orthsr__encoder *encoder, const int32_t *tokens, size_t n);

/* Patches a side of the image tower's input. */
size_t orthsr__image_grid(const orthsr_model *model);

/* features (n, embed) of pixels (n, 3, size, size), n <= orthsr__image_tile; NULL: see orthsr__encoder_follow. */
orthsr_status orthsr__encode_image_tile(orthsr__encoder *encoder, real *features, const float *pixels, size_t n, orthsr_error *error);
/* features (n, embed) of tokens (n, context_length), ids checked by the caller, n <= orthsr__text_tile. Rows past the last read position are not computed, for
 * the mask is causal; with gradients, the tokens that all texts begin with are computed once. */
orthsr_status orthsr__encode_text_tile(orthsr__encoder *encoder, real *features, const int32_t *tokens, size_t n, orthsr_error *error);
/* The same of any n, tile by tile. */
orthsr_status orthsr__encode_texts(orthsr__encoder *encoder, real *features, const int32_t *tokens, size_t n, orthsr_error *error);

/* Around the tiles of a training step, of all its images or all its texts: begin once, end after the tiles of each shard. The adapter does not change in
 * between; what a shard adds to grad_rotations is whole after its end. */
orthsr_status orthsr__image_step_begin(orthsr__encoder *encoder, orthsr_error *error);
orthsr_status orthsr__text_step_begin(orthsr__encoder *encoder, orthsr_error *error);
void orthsr__image_step_end(orthsr__encoder *encoder, real *grad_rotations);
void orthsr__text_step_end(orthsr__encoder *encoder, real *grad_rotations);

/* Rows of activations of n images; of n texts, over all their tiles. */
size_t orthsr__image_rows(const orthsr_model *model, size_t n);
size_t orthsr__text_rows(const orthsr__encoder *encoder, const int32_t *tokens, size_t n);

/* Whether the encoder's one adapter has the target in this tower of its model. */
bool orthsr__encoder_has(const orthsr__encoder *encoder, const orthsr__tower *tower, const orthsr__target *target);

/* Whether a target is merged in training steps. */
bool orthsr__encoder_merges(const orthsr__encoder *encoder, const orthsr__target *target);

/* Bytes of both towers' passes in training, this encoder's and those of one without adapter and gradients beside it, with tiles as they are set. */
size_t orthsr__training_bytes(const orthsr__encoder *encoder);

/* For the tile last encoded: ADDS to grad_rotations (adapter's rotation_count) from grad_features (n, embed). */
void orthsr__image_tile_backward(orthsr__encoder *encoder, const real *grad_features, real *grad_rotations);
void orthsr__text_tile_backward(orthsr__encoder *encoder, const real *grad_features, real *grad_rotations);

/* After the backward pass of a text tile with these tokens (n, context_length), with context_gradients: ADDS to grad_context (vectors, text width). */
void orthsr__text_tile_context_gradient(const orthsr__encoder *encoder, const int32_t *tokens, real *grad_context);

/* What frozen, without gradients, encodes from now on, tuned has up to its lowest adapted layer as well: after an image tile of frozen,
 * orthsr__encode_image_tile of tuned with pixels NULL goes on from there. Both on one model, and with the same tiles. */
orthsr_status orthsr__encoder_follow(orthsr__encoder *tuned, orthsr__encoder *frozen, orthsr_error *error);

/* Whether the adapter has a target in the tower: if not, features are the frozen model's and no gradient comes from there. */
bool orthsr__image_adapted(const orthsr__encoder *encoder);
bool orthsr__text_adapted(const orthsr__encoder *encoder);

/* The model a session computes with. */
const orthsr_model *orthsr__session_model(const orthsr_session *session);

/* Position (below context) at which a text of tokens (context) is read. */
size_t orthsr__pool_position(const orthsr_model *model, const int32_t *tokens);

#endif
