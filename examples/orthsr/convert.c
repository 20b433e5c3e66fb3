/* convert.c - `orthsr convert`: an adapter from either format to either. */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "inputs.h"
#include "report.h"
#include "terminal.h"

static int report(const settings *s, const orthsr_adapter *adapter) {
    const char *format = s->to == TO_PEFT ? "peft" : "orthsr";
    if (!s->json) {
        printf("%s: %zu targets, %zu parameters, in the format of %s\n", s->out, orthsr_adapter_target_count(adapter), orthsr_adapter_parameter_count(adapter),
               format);
        return EXIT_SUCCESS;
    }
    json_t *object = json_object();
    put_text(object, "out", s->out);
    put_text(object, "adapter", s->adapters.items[0]);
    put_text(object, "format", format);
    put_text(object, "parametrization", parametrization_name(adapter));
    put_count(object, "targets", orthsr_adapter_target_count(adapter));
    put_count(object, "parameters", orthsr_adapter_parameter_count(adapter));
    return report_print(s, object);
}

int command_convert(const settings *s) {
    orthsr_error error = {""};
    orthsr_model *model = NULL;
    orthsr_adapter *adapter = NULL;
    orthsr_status status = s->model ? orthsr_model_open(&model, s->model, &error) : ORTHSR_OK;
    if (status == ORTHSR_OK) status = open_adapter(&adapter, s->adapters.items[0], model, &error);
    if (status == ORTHSR_OK && s->to == TO_PEFT) status = orthsr_model_adapter_export_peft(model, adapter, s->out, &error);
    if (status == ORTHSR_OK && s->to == TO_ORTHSR) status = orthsr_adapter_save(adapter, s->out, NULL, &error);
    if (status == ORTHSR_OK && s->to == TO_PEFT && !model)
        terminal_say("note: the modules are named as in transformers' CLIPModel; give --model for another kind of checkpoint");
    int code = status == ORTHSR_OK ? report(s, adapter) : give_up(s, &error);
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
    return code;
}
