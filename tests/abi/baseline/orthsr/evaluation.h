#ifndef ORTHSR_EVALUATION_H
#define ORTHSR_EVALUATION_H 
#include <stddef.h>
#include <orthsr/dataset.h>
#include <orthsr/session.h>
#include <orthsr/status.h>
ORTHSR_BEGIN_DECLS
typedef struct orthsr_evaluation orthsr_evaluation;
typedef int (*orthsr_evaluation_callback)(size_t done, size_t total, void *payload);
ORTHSR_API orthsr_status orthsr_evaluate(orthsr_evaluation **out, orthsr_session *session, const orthsr_dataset *dataset, const char *const *templates,
                                         size_t n_templates, orthsr_evaluation_callback callback, void *payload, orthsr_error *error);
ORTHSR_API void orthsr_evaluation_free(orthsr_evaluation *evaluation);
ORTHSR_API double orthsr_evaluation_accuracy(const orthsr_evaluation *evaluation);
ORTHSR_API double orthsr_evaluation_class_accuracy(const orthsr_evaluation *evaluation, size_t label);
ORTHSR_API size_t orthsr_evaluation_prediction(const orthsr_evaluation *evaluation, size_t item);
ORTHSR_API double orthsr_harmonic_mean(double base, double novel);
ORTHSR_END_DECLS
#endif
