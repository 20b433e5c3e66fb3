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
    const orthsr__target **binding; /* (map_count), owned */
    orthsr__pass image, text;       /* memory comes with the first tile */
    bool gradients;
    const orthsr_adapter *adapter;
    real *patches;          /* (grid grid, 3 patch patch): one image's */
    size_t text_length;     /* tokens per text of the last text tile */
    const real *context;    /* (vectors, text width), borrowed; NULL: tokens are all of the vocabulary */
    bool context_gradients; /* the text tower's backward pass goes down to the embeddings; set before the first text tile */
} orthsr__encoder;

orthsr_status orthsr__encoder_new(orthsr__encoder *encoder, const orthsr_model *model, const orthsr_adapter *adapter, bool gradients, orthsr_error *error);
void orthsr__encoder_free(orthsr__encoder *encoder); /* safe on a zeroed struct */

/* Images or texts in a tile, at most; constants of the model, so that results do not depend on how many come at once. */
size_t orthsr__image_tile(const orthsr_model *model);
size_t orthsr__text_tile(const orthsr_model *model);

/* Patches a side of the image tower's input. */
size_t orthsr__image_grid(const orthsr_model *model);

/* features (n, embed) of pixels (n, 3, size, size), n <= orthsr__image_tile. */
orthsr_status orthsr__encode_image_tile(orthsr__encoder *encoder, real *features, const float *pixels, size_t n, orthsr_error *error);
/* features (n, embed) of tokens (n, context_length), ids checked by the caller, n <= orthsr__text_tile. Rows past the last read position are not computed:
 * the mask is causal. */
orthsr_status orthsr__encode_text_tile(orthsr__encoder *encoder, real *features, const int32_t *tokens, size_t n, orthsr_error *error);
/* The same of any n, tile by tile. */
orthsr_status orthsr__encode_texts(orthsr__encoder *encoder, real *features, const int32_t *tokens, size_t n, orthsr_error *error);

/* For the tile last encoded: ADDS to grad_rotations (adapter's rotation_count) from grad_features (n, embed). */
void orthsr__image_tile_backward(orthsr__encoder *encoder, const real *grad_features, size_t n, real *grad_rotations);
void orthsr__text_tile_backward(orthsr__encoder *encoder, const real *grad_features, size_t n, real *grad_rotations);

/* After the backward pass of a text tile with these tokens (n, context_length), with context_gradients: ADDS to grad_context (vectors, text width). */
void orthsr__text_tile_context_gradient(const orthsr__encoder *encoder, const int32_t *tokens, size_t n, real *grad_context);

/* Whether the adapter has a target in the tower: if not, features are the frozen model's and no gradient comes from there. */
bool orthsr__image_adapted(const orthsr__encoder *encoder);
bool orthsr__text_adapted(const orthsr__encoder *encoder);

/* The model a session computes with. */
const orthsr_model *orthsr__session_model(const orthsr_session *session);

/* Position (below context) at which a text of tokens (context) is read. */
size_t orthsr__pool_position(const orthsr_model *model, const int32_t *tokens);

#endif
