/* preprocess.h - how an image becomes the image tower's input. */
#ifndef ORTHSR_CLIP_PREPROCESS_H
#define ORTHSR_CLIP_PREPROCESS_H

#include <jansson.h>

#include "clip/model.h"

enum { ORTHSR__CONFIG_LIMIT = 16 << 20 }; /* bytes of a config file; real ones are a few KB */

/* CLIP's own: what holds where no file says otherwise. */
void orthsr__preprocess_default(orthsr__config *config);
/* preprocess_cfg of open_clip_config.json, root; path is for messages. */
orthsr_status orthsr__preprocess_read_open_clip(orthsr__config *config, const json_t *root, const char *path, orthsr_error *error);
/* preprocessor_config.json in the model's directory. */
orthsr_status orthsr__preprocess_read_huggingface(orthsr__config *config, const char *directory, orthsr_error *error);

#endif
