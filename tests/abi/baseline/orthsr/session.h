#ifndef ORTHSR_SESSION_H
#define ORTHSR_SESSION_H 
#include <stddef.h>
#include <stdint.h>
#include <orthsr/adapter.h>
#include <orthsr/model.h>
#include <orthsr/prompt.h>
#include <orthsr/status.h>
ORTHSR_BEGIN_DECLS
typedef struct orthsr_session orthsr_session;
ORTHSR_API orthsr_status orthsr_session_new(orthsr_session **out, const orthsr_model *model, const orthsr_adapter *adapter, orthsr_error *error);
ORTHSR_API void orthsr_session_free(orthsr_session *session);
ORTHSR_API orthsr_status orthsr_session_set_adapters(orthsr_session *session, const orthsr_adapter *const *adapters, size_t n, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_session_set_threads(orthsr_session *session, size_t threads, orthsr_error *error);
ORTHSR_API double orthsr_session_work(const orthsr_session *session);
ORTHSR_API orthsr_status orthsr_session_set_prompt(orthsr_session *session, const orthsr_prompt *prompt, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_session_encode_pixels(orthsr_session *session, float *features, const float *pixels, size_t n, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_session_encode_tokens(orthsr_session *session, float *features, const int32_t *tokens, size_t n, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_session_encode_texts(orthsr_session *session, float *features, const char *const *texts, size_t n, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_session_encode_classes(orthsr_session *session, float *features, const char *const *names, size_t n_classes,
                                                       const char *const *templates, size_t n_templates, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_session_similarity(orthsr_session *session, float *map, const float *pixels, const float *class_feature, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_session_attention(orthsr_session *session, float *map, const float *pixels, orthsr_error *error);
ORTHSR_API void orthsr_features_normalize(float *features, size_t n, size_t dim);
ORTHSR_END_DECLS
#endif
