/* preprocess.h - reading how a model wants its images. */
#ifndef ORTHSR_CLIP_PREPROCESS_H
#define ORTHSR_CLIP_PREPROCESS_H

#include <jansson.h>

#include "clip/model.h"

/* Fills config->preprocess by config->family: from open_clip_config.json, already read as root from path; from the
 * preprocess files of transformers in the model's directory; or as OpenAI's CLIP. The config is complete but for this.
 * Settings that are well-formed and cannot be done are no error here, but of every later preprocessing: features of ready pixels and texts do not depend on
 * them. */
orthsr_status orthsr__preprocess_read(orthsr__config *config, const json_t *root, const char *path, const char *directory, orthsr_error *error);

/* The steps in words, or what is wrong with them. */
void orthsr__preprocess_describe(char *text, size_t size, const orthsr__config *config);

/* pixels (3, height, width) of a view: (byte * scale - mean) / std, channel by channel. */
void orthsr__preprocess_normalize(float *pixels, const orthsr_image *view, const orthsr__preprocess *p);

/* The same steps for an input of `to` pixels a side where they were for `from`. */
void orthsr__preprocess_resize(orthsr__preprocess *p, size_t from, size_t to);

#endif
