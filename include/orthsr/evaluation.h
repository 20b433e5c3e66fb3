/* evaluation.h - zero-shot accuracy of a session on a dataset, and the base-to-new protocol's harmonic mean. */
#ifndef ORTHSR_EVALUATION_H
#define ORTHSR_EVALUATION_H

#include <stddef.h>

#include <orthsr/dataset.h>
#include <orthsr/session.h>
#include <orthsr/status.h>

ORTHSR_BEGIN_DECLS

typedef struct orthsr_evaluation orthsr_evaluation; /* What was predicted of each item. Since 0.1. */

/* Called now and then with items done and in all; a non-zero return stops with CANCELLED. Since 0.1. */
typedef int (*orthsr_evaluation_callback)(size_t done, size_t total, void *payload);

/* A thread of its own reads images ahead. Classifies every item among the dataset's own classes by the largest cosine with the class features
 * (orthsr_session_encode_classes). templates may be NULL when the session has a learned prompt. Errors: ARGUMENT (also no item), those of
 * orthsr_session_encode_classes, of orthsr_session_encode_pixels and of orthsr_dataset_pixels, CANCELLED. Since 0.1. */
ORTHSR_API orthsr_status orthsr_evaluate(orthsr_evaluation **out, orthsr_session *session, const orthsr_dataset *dataset, const char *const *templates,
                                         size_t n_templates, orthsr_evaluation_callback callback, void *payload, orthsr_error *error);
ORTHSR_API void orthsr_evaluation_free(orthsr_evaluation *evaluation); /* NULL is a no-op. Since 0.1. */

ORTHSR_API double orthsr_evaluation_accuracy(const orthsr_evaluation *evaluation);                     /* 0..1 over items. Since 0.1. */
ORTHSR_API double orthsr_evaluation_class_accuracy(const orthsr_evaluation *evaluation, size_t label); /* 0..1; NaN for a class without items. Since 0.1. */
ORTHSR_API size_t orthsr_evaluation_prediction(const orthsr_evaluation *evaluation, size_t item);      /* label; (size_t)-1 out of range. Since 0.1. */

/* H = 2 b n / (b + n); 0 when both are 0. Since 0.1. */
ORTHSR_API double orthsr_harmonic_mean(double base, double novel);

ORTHSR_END_DECLS

#endif
