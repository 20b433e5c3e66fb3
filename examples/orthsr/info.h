/* info.h - the things `orthsr info` explains. Objects are the caller's; printing says what the object says. */
#ifndef INFO_H
#define INFO_H

#include <jansson.h>

#include <orthsr/orthsr.h>

json_t *info_model_json(const orthsr_model *model, const char *path);
void info_model_print(json_t *object);

/* model: the one it is to fit, or NULL. defect: orthsr_adapter_defect. */
json_t *info_adapter_json(const orthsr_adapter *adapter, const char *path, double defect, const orthsr_model *model);
void info_adapter_print(json_t *object);

/* model: the one it fits, or NULL. */
json_t *info_prompt_json(const orthsr_prompt *prompt, const char *path, const orthsr_model *model);
void info_prompt_print(json_t *object);

#endif
