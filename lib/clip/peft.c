/* peft.c - where an adapter comes from, and how PEFT calls a model's maps. */
#include "clip/peft.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"

const char *orthsr__peft_module(size_t *length, const orthsr_model *model, size_t map) {
    static const char weight[] = ".weight";
    const char *name = orthsr__model_map(model, map)->source->name;
    if (model->config.family == ORTHSR__HUGGINGFACE) { /* a prefix of the file is none of the model: transformers takes it away too */
        const char *stem = strstr(name, map < model->text.first_map ? "vision_model." : "text_model.");
        name = stem ? stem : name;
    }
    size_t full = strlen(name), tail = sizeof weight - 1;
    if (full <= tail || strcmp(name + full - tail, weight) != 0) return NULL;
    *length = full - tail;
    return name;
}

orthsr_status orthsr_model_adapter_load(const orthsr_model *model, orthsr_adapter **out, const char *path, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(model && path, error, "model or path is NULL");
    char *config = orthsr__join(path, ORTHSR__PEFT_CONFIG);
    if (!config) return orthsr__fail_memory(error, "a file name");
    bool peft = orthsr__is_file(config);
    free(config);
    if (peft) return orthsr__peft_read(out, model, path, error);

    orthsr_adapter *adapter;
    ORTHSR__TRY(orthsr_adapter_load(&adapter, path, error));
    const orthsr__target **binding;
    orthsr_error why;
    orthsr_status status = orthsr__bind(&binding, model, adapter, &why);
    if (status) {
        orthsr_adapter_free(adapter);
        return orthsr__fail(error, status, "'%s': %s", path, why.message);
    }
    free(binding);
    *out = adapter;
    return ORTHSR_OK;
}
