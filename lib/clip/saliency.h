/* saliency.h - which patches of an image speak for a class: maps from an image tower's last layer. */
#ifndef ORTHSR_CLIP_SALIENCY_H
#define ORTHSR_CLIP_SALIENCY_H

#include "clip/encoder.h"

/* Image i of the tile last encoded by an encoder without gradients, whose `patches` was set. map (grid, grid): cosines of its patch tokens, normalised and
 * projected as the class token is, with feature (embed), of any length. */
orthsr_status orthsr__similarity_map(orthsr__encoder *encoder, float *map, size_t i, const real *feature, orthsr_error *error);

/* The same, set or not. map (grid, grid): what the class token attends to in the last layer, the mean over heads; with the class token's own share it sums
 * to 1. */
orthsr_status orthsr__attention_map(orthsr__encoder *encoder, float *map, size_t i, orthsr_error *error);

#endif
