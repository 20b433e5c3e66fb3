/* peft.c - where an adapter comes from: our file or PEFT's directory. */
#include "clip/peft.h"

#include <stdlib.h>

#include "base/fail.h"
#include "base/memory.h"

orthsr_status orthsr_model_adapter_load(const orthsr_model *model, orthsr_adapter **out, const char *path, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(path, error, "path is NULL");
    char *config = orthsr__join(path, ORTHSR__PEFT_CONFIG);
    if (!config) return orthsr__fail_memory(error, "a file name");
    bool peft = orthsr__is_file(config);
    free(config);
    if (peft) return orthsr__peft_read(out, model, path, error);

    orthsr_adapter *adapter;
    ORTHSR__TRY(orthsr_adapter_load(&adapter, path, error));
    if (!model) {
        *out = adapter;
        return ORTHSR_OK;
    }
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
