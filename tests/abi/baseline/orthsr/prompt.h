#ifndef ORTHSR_PROMPT_H
#define ORTHSR_PROMPT_H 
#include <stddef.h>
#include <stdint.h>
#include <orthsr/model.h>
#include <orthsr/status.h>
ORTHSR_BEGIN_DECLS
typedef enum orthsr_class_position {
    ORTHSR_CLASS_END = 0,
    ORTHSR_CLASS_MIDDLE = 1,
    ORTHSR_CLASS_FRONT = 2
} orthsr_class_position;
typedef struct orthsr_prompt_options orthsr_prompt_options;
typedef struct orthsr_prompt orthsr_prompt;
ORTHSR_API orthsr_status orthsr_prompt_options_new(orthsr_prompt_options **out, orthsr_error *error);
ORTHSR_API void orthsr_prompt_options_free(orthsr_prompt_options *options);
ORTHSR_API orthsr_status orthsr_prompt_options_set_init(orthsr_prompt_options *options, const char *text, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_prompt_options_set_words(orthsr_prompt_options *options, size_t n, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_prompt_options_set_seed(orthsr_prompt_options *options, uint64_t seed, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_prompt_options_set_position(orthsr_prompt_options *options, orthsr_class_position position, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_prompt_options_set_classes(orthsr_prompt_options *options, const char *const *names, size_t n, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_prompt_new(orthsr_prompt **out, const orthsr_model *model, const orthsr_prompt_options *options, orthsr_error *error);
ORTHSR_API void orthsr_prompt_free(orthsr_prompt *prompt);
ORTHSR_API size_t orthsr_prompt_words(const orthsr_prompt *prompt);
ORTHSR_API size_t orthsr_prompt_width(const orthsr_prompt *prompt);
ORTHSR_API orthsr_class_position orthsr_prompt_position(const orthsr_prompt *prompt);
ORTHSR_API size_t orthsr_prompt_classes(const orthsr_prompt *prompt);
ORTHSR_API const char *orthsr_prompt_class_name(const orthsr_prompt *prompt, size_t i);
ORTHSR_API const char *orthsr_prompt_fingerprint(const orthsr_prompt *prompt);
ORTHSR_API size_t orthsr_prompt_parameter_count(const orthsr_prompt *prompt);
ORTHSR_API orthsr_status orthsr_prompt_get_parameters(const orthsr_prompt *prompt, float *parameters, size_t count, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_prompt_set_parameters(orthsr_prompt *prompt, const float *parameters, size_t count, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_prompt_save(const orthsr_prompt *prompt, const char *path, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_prompt_load(orthsr_prompt **out, const orthsr_model *model, const char *path, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_template_preset(const char *name, const char *const **templates, size_t *count, orthsr_error *error);
ORTHSR_API const char *orthsr_template_preset_name(size_t i);
ORTHSR_END_DECLS
#endif
