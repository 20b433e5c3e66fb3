/* prompt.h - class names put into templates, and texts put into tokens. */
#ifndef ORTHSR_CLIP_PROMPT_H
#define ORTHSR_CLIP_PROMPT_H

#include "clip/model.h"

/* UNSUPPORTED when there is none beside the model's weights. */
orthsr_status orthsr__need_tokenizer(const orthsr_model *model, orthsr_error *error);

/* tokens (n, context) in fresh memory (free) of zero-terminated texts. UNSUPPORTED when the model has no tokenizer. */
orthsr_status orthsr__tokenize(int32_t **tokens, const orthsr_model *model, const char *const *texts, size_t n, orthsr_error *error);

/* tokens (n_classes * n_templates, context), a class's prompts together. ARGUMENT when a template has no "{}" or more than one. */
orthsr_status orthsr__tokenize_classes(int32_t **tokens, const orthsr_model *model, const char *const *names, size_t n_classes, const char *const *templates,
                                       size_t n_templates, orthsr_error *error);

/* ARGUMENT unless every template holds exactly one "{}". */
orthsr_status orthsr__check_templates(const char *const *templates, size_t n, orthsr_error *error);

#endif
