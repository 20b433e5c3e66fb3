/* session.h - computing features: a model, perhaps an adapter, and the working memory. One session per thread; any number on one model.
 *
 * Features are rows of embed_dim float32. They are raw (not normalised) unless said otherwise; orthsr_features_normalize makes them unit.
 */
#ifndef ORTHSR_SESSION_H
#define ORTHSR_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include <orthsr/adapter.h>
#include <orthsr/model.h>
#include <orthsr/prompt.h>
#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

typedef struct orthsr_session orthsr_session; /* Working memory and threads, on a model. Since 0.1. */

/* Model and adapter (NULL: none) are borrowed; the model must outlive the session, the adapter too unless orthsr_session_set_adapters replaces it.
 * Errors: ARGUMENT, MISMATCH (a target the model lacks, or of another shape; named), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_session_new(orthsr_session **out, const orthsr_model *model, const orthsr_adapter *adapter, orthsr_error *error);
ORTHSR_API void orthsr_session_free(orthsr_session *session); /* NULL is a no-op. Since 0.1. */

/* Other adapters from now on, n of them (0: none, the model itself), borrowed until the next call: each stands on top of the model with those before it, so the
 * stack computes what the model has become after merging adapters[0] into it, then adapters[1], and so on. On input sides that is
 * x A_(n-1) ... A_1 A_0 W^T, on output sides (x W^T) A_0 A_1 ... A_(n-1), each with its scale behind it; sides and parametrisations may differ. An adapter may
 * stand in the stack twice. It costs a look at the names of targets, whatever the model's size, copies no weight, and leaves other sessions alone, which may be
 * at work on other threads with the same model and adapters. Errors: ARGUMENT (also an adapter that is NULL), MISMATCH (a target the model lacks, or of another
 * shape; named), MEMORY; the session keeps the adapters it had. Since 0.1. */
ORTHSR_API orthsr_status orthsr_session_set_adapters(orthsr_session *session, const orthsr_adapter *const *adapters, size_t n, orthsr_error *error);

/* Threads that the session's work is shared out among, the caller's included; 0, and the default, one for every processor this process may run on. Results
 * do not depend on it. The threads belong to the session and wait between its calls; a server that runs many sessions side by side wants 1.
 * Errors: ARGUMENT (more than 4096), MEMORY (also threads that the system refuses). Since 0.1. */
ORTHSR_API orthsr_status orthsr_session_set_threads(orthsr_session *session, size_t threads, orthsr_error *error);

/* Multiplications and additions in matrix products since the session's threads were started, 0 before: what has been done, to be set against a time. Since 0.1.
 */
ORTHSR_API double orthsr_session_work(const orthsr_session *session);

/* A learned prompt for class names, borrowed: orthsr_session_encode_classes, and so orthsr_evaluate, use it in place of templates from now on. NULL: templates
 * again. Other texts are not concerned. Errors: ARGUMENT, MISMATCH (a prompt of another width, or too long for the model). Since 0.1. */
ORTHSR_API orthsr_status orthsr_session_set_prompt(orthsr_session *session, const orthsr_prompt *prompt, orthsr_error *error);

/* features (n, embed_dim) of pixels (n, 3, image_size, image_size), already normalised (orthsr_model_preprocess). n may be 0.
 * Errors: ARGUMENT, NUMERIC (a pixel or feature is not finite; the row is named), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_session_encode_pixels(orthsr_session *session, float *features, const float *pixels, size_t n, orthsr_error *error);

/* features (n, embed_dim) of tokens (n, context_length); the feature is read at the first end-of-text id (see docs/formats.md).
 * Errors: ARGUMENT (an id outside the vocabulary; row and position named), NUMERIC, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_session_encode_tokens(orthsr_session *session, float *features, const int32_t *tokens, size_t n, orthsr_error *error);

/* features (n, embed_dim) of n zero-terminated UTF-8 texts through the model's tokenizer.
 * Errors: ARGUMENT (NULL, also one of the texts), UNSUPPORTED (the model has no tokenizer), NUMERIC, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_session_encode_texts(orthsr_session *session, float *features, const char *const *texts, size_t n, orthsr_error *error);

/* Unit class features (n_classes, embed_dim): each name is put for "{}" in each template, the unit features of a class's prompts are
 * averaged and made unit again (CLIP's prompt ensemble). Underscores in names are read as spaces. With a learned prompt templates are not looked at.
 * Errors: ARGUMENT (NULL, no class, a template without one "{}"; a name that does not fit into the learned prompt, or has no context in a class-specific one;
 * named), UNSUPPORTED (the model has no tokenizer), NUMERIC, MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_session_encode_classes(orthsr_session *session, float *features, const char *const *names, size_t n_classes,
                                                       const char *const *templates, size_t n_templates, orthsr_error *error);

/* Which patches of one image speak for a class: map (grid, grid), grid = image_size / patch_size, of pixels (3, image_size, image_size), normalised.
 * Cosines of the patch tokens, taken through the image tower's last norm and projection as the class token is, with class_feature (embed_dim), of any
 * length. Errors: ARGUMENT, NUMERIC (a pixel or the image's features are not finite), MEMORY. Since 0.1. */
ORTHSR_API orthsr_status orthsr_session_similarity(orthsr_session *session, float *map, const float *pixels, const float *class_feature, orthsr_error *error);

/* What the image's class token attends to in the last layer, the mean over heads; map and pixels as above; with the class token's own share the map sums
 * to 1. Errors: as orthsr_session_similarity. Since 0.1. */
ORTHSR_API orthsr_status orthsr_session_attention(orthsr_session *session, float *map, const float *pixels, orthsr_error *error);

/* Divides each of n rows of dim values by its Euclidean norm; a zero row stays zero. Since 0.1. */
ORTHSR_API void orthsr_features_normalize(float *features, size_t n, size_t dim);

ORTHSR_END_DECLS

#endif
