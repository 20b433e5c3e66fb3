/* info.h - the things `orthsr info` explains. Objects are the caller's; printing says what the object says. */
#ifndef INFO_H
#define INFO_H

#include <jansson.h>

#include <orthsr/orthsr.h>

/* Members of such an object. */
static inline size_t count_of(const json_t *object, const char *key) { return (size_t)json_integer_value(json_object_get(object, key)); }
static inline const char *text_of(const json_t *object, const char *key) { return json_string_value(json_object_get(object, key)); }

json_t *info_model_json(const orthsr_model *model, const char *path);
void info_model_print(json_t *object);

/* model: the one it is to fit, or NULL. defect: orthsr_adapter_defect. */
json_t *info_adapter_json(const orthsr_adapter *adapter, const char *path, double defect, const orthsr_model *model);
void info_adapter_print(json_t *object);

/* model: the one it fits, or NULL. */
json_t *info_prompt_json(const orthsr_prompt *prompt, const char *path, const orthsr_model *model);
void info_prompt_print(json_t *object);

#endif
