/* context.h - a learned prompt's fields, and class names laid out in it. */
#ifndef ORTHSR_CLIP_CONTEXT_H
#define ORTHSR_CLIP_CONTEXT_H

#include <orthsr/prompt.h>

#include "clip/model.h"

struct orthsr_prompt_options {
    char *init;   /* NULL when words rules */
    size_t words; /* 0 when init rules */
    uint64_t seed;
    orthsr_class_position position;
    char **names; /* (classes) */
    size_t classes;
};

struct orthsr_prompt {
    orthsr_class_position position;
    size_t words, width;
    char **names;   /* (classes), or NULL */
    size_t classes; /* 0: one context for all */
    real *context;  /* (max(classes, 1), words, width) */
    size_t count;   /* its values */
    char *fingerprint;
};

/* Positions beside the context that every prompt needs: start, one token of a name, ".", end. */
enum { ORTHSR__PROMPT_OVERHEAD = 4 };

/* A prompt with a context of zeros; names are copied. */
orthsr_status orthsr__prompt_allocate(orthsr_prompt **out, size_t words, size_t width, const char *const *names, size_t classes, const char *fingerprint,
                                      orthsr_error *error);

/* MISMATCH unless the context has the width of the model's text tower and leaves room for a name. */
orthsr_status orthsr__prompt_fits(const orthsr_prompt *prompt, const orthsr_model *model, orthsr_error *error);

/* tokens (n, context_length) in fresh memory (free) of n class names; vector k of prompt->context is the token -1 - k (clip/encoder.h).
 * ARGUMENT when a name's prompt is longer than the model's context, or has no context of its own in a class-specific prompt; the class is named.
 * UNSUPPORTED when the model has no tokenizer. */
orthsr_status orthsr__prompt_tokens(int32_t **tokens, const orthsr_prompt *prompt, const orthsr_model *model, const char *const *names, size_t n,
                                    orthsr_error *error);

#endif
