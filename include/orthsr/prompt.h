/* prompt.h - learned prompts (CoOp, arXiv 2109.01134), and templates by name.
 *
 * A prompt reads  start, context, class name, ".", end.  Its context is a row of trained vectors in place of word embeddings, `words` vectors of the text
 * tower's width: one context for all classes, which then serves names it was never trained with, or one of its own for each of a fixed list of classes.
 * A session given a prompt (orthsr_session_set_prompt) forms class features with it; a trainer given one trains it.
 *
 * A prompt may be read by many threads at once; changing its parameters needs exclusive access.
 */
#ifndef ORTHSR_PROMPT_H
#define ORTHSR_PROMPT_H

#include <stddef.h>
#include <stdint.h>

#include <orthsr/model.h>
#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

/* Where the class name stands. Since 0.1. */
typedef enum orthsr_class_position {
    ORTHSR_CLASS_END = 0,    /* context, name */
    ORTHSR_CLASS_MIDDLE = 1, /* first half of the context (rounded down), name, the other half */
    ORTHSR_CLASS_FRONT = 2   /* name, context */
} orthsr_class_position;

typedef struct orthsr_prompt_options orthsr_prompt_options; /* How a prompt begins. Since 0.1. */
typedef struct orthsr_prompt orthsr_prompt;                 /* Context vectors, perhaps per class. Since 0.1. */

/* Defaults: the context begins as the words "a photo of a"; class name at the end; one context for all classes; seed 1.
 * Errors: ARGUMENT, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_prompt_options_new(orthsr_prompt_options **out, orthsr_error *error);
ORTHSR_API void orthsr_prompt_options_free(orthsr_prompt_options *options); /* NULL is a no-op. Since 0.1. */

/* Setters. Errors: ARGUMENT; the option keeps its value then. Since 0.1. */
/* The context begins as the embeddings of this text's tokens, one vector each; copied. Underscores are read as spaces. Replaces set_words. Errors: ARGUMENT,
 * MEMORY; the option keeps its value then. Since 0.1. */
ORTHSR_API orthsr_status orthsr_prompt_options_set_init(orthsr_prompt_options *options, const char *text, orthsr_error *error);
/* n >= 1 random vectors, normal with deviation 0.02, as CoOp has it. Replaces set_init. */
ORTHSR_API orthsr_status orthsr_prompt_options_set_words(orthsr_prompt_options *options, size_t n, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_prompt_options_set_seed(orthsr_prompt_options *options, uint64_t seed, orthsr_error *error); /* of the random vectors */
ORTHSR_API orthsr_status orthsr_prompt_options_set_position(orthsr_prompt_options *options, orthsr_class_position position, orthsr_error *error);
/* A context for each of these n classes, names of the dataset that will be trained on (copied); n = 0: one for all. Errors: ARGUMENT (a name that is NULL, not
 * UTF-8 or there twice), MEMORY; the option keeps its value then. Since 0.1. */
ORTHSR_API orthsr_status orthsr_prompt_options_set_classes(orthsr_prompt_options *options, const char *const *names, size_t n, orthsr_error *error);

/* A prompt for the model's text tower; options NULL: the defaults.
 * Errors: ARGUMENT (a context that leaves no room for a class name, a text without tokens), UNSUPPORTED (the model has no tokenizer), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_prompt_new(orthsr_prompt **out, const orthsr_model *model, const orthsr_prompt_options *options, orthsr_error *error);
ORTHSR_API void orthsr_prompt_free(orthsr_prompt *prompt); /* NULL is a no-op. Since 0.1. */

/* What it holds; names are borrowed. classes: 0 when one context serves all; the name of one out of range is NULL. fingerprint: of the model it was made
 * for (orthsr_model_fingerprint). Since 0.1. */
ORTHSR_API size_t orthsr_prompt_words(const orthsr_prompt *prompt);
ORTHSR_API size_t orthsr_prompt_width(const orthsr_prompt *prompt);
ORTHSR_API orthsr_class_position orthsr_prompt_position(const orthsr_prompt *prompt);
ORTHSR_API size_t orthsr_prompt_classes(const orthsr_prompt *prompt);
ORTHSR_API const char *orthsr_prompt_class_name(const orthsr_prompt *prompt, size_t i);
ORTHSR_API const char *orthsr_prompt_fingerprint(const orthsr_prompt *prompt);

/* The context, (words, width) or (classes, words, width), as one flat vector of orthsr_prompt_parameter_count values. Since 0.1. */
ORTHSR_API size_t orthsr_prompt_parameter_count(const orthsr_prompt *prompt);
/* Copies it out. Errors: ARGUMENT (NULL, count differs). Since 0.1. */
ORTHSR_API orthsr_status orthsr_prompt_get_parameters(const orthsr_prompt *prompt, float *parameters, size_t count, orthsr_error *error);
/* Copies it in. Errors: ARGUMENT (NULL, count differs), NUMERIC (a value is not finite; the prompt is then as it was). Since 0.1. */
ORTHSR_API orthsr_status orthsr_prompt_set_parameters(orthsr_prompt *prompt, const float *parameters, size_t count, orthsr_error *error);

/* Writes "prompt.safetensors" into the directory path (made when absent), or the file path when it ends in ".safetensors"; atomically. The directory may be an
 * adapter's: the two files do not meet. Errors: ARGUMENT (NULL, more than 4096 classes), IO, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_prompt_save(const orthsr_prompt *prompt, const char *path, orthsr_error *error);
/* Reads what orthsr_prompt_save wrote, bit for bit; path: the file or its directory. model: what it must fit, or NULL.
 * Errors: ARGUMENT, IO, FORMAT, UNSUPPORTED (a newer format_version), MISMATCH (width of another model, a context without room for a class name), NUMERIC,
 * MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_prompt_load(orthsr_prompt **out, const orthsr_model *model, const char *path, orthsr_error *error);

/* Templates that CoOp's zero-shot baseline uses, by name: those of its datasets ("oxford_pets", "eurosat", ...), and "ensemble", its seven.
 * *templates (*count) is static. Errors: ARGUMENT (NULL; no such name: the message lists those there are). Since 0.1. */
ORTHSR_API orthsr_status orthsr_template_preset(const char *name, const char *const **templates, size_t *count, orthsr_error *error);
ORTHSR_API const char *orthsr_template_preset_name(size_t i); /* NULL from the first i that is too large on. Since 0.1. */

ORTHSR_END_DECLS

#endif
