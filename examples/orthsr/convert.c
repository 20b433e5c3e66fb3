/* convert.c - `orthsr convert`: an adapter from either format to either, or a model with an adapter in its weights as a GGUF file. */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "inputs.h"
#include "output.h"
#include "report.h"
#include "terminal.h"

/* ---- an adapter ---- */

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

static int convert_adapter(const settings *s) {
    orthsr_error error = {""};
    orthsr_model *model = NULL;
    orthsr_adapter *adapter = NULL;
    orthsr_status status = s->model ? open_model(&model, s->model, s, &error) : ORTHSR_OK;
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

/* ---- a model ---- */

static int report_gguf(const settings *s, const orthsr_model *model, const orthsr_adapter *adapter, double deviation) {
    const char *dtype = s->dtype == DTYPE_F32 ? "f32" : "f16";
    if (!s->json) {
        printf("%s: GGUF, %s, %zu maps merged; largest rounding of a weight %.3g\n", s->out, dtype, adapter ? orthsr_adapter_target_count(adapter) : 0,
               deviation);
        return EXIT_SUCCESS;
    }
    json_t *object = json_object();
    put_text(object, "out", s->out);
    put_text(object, "model", s->model);
    if (adapter) put_text(object, "adapter", s->adapters.items[0]);
    put_text(object, "format", "gguf");
    put_text(object, "dtype", dtype);
    put_text(object, "fingerprint", orthsr_model_fingerprint(model));
    put_count(object, "targets", adapter ? orthsr_adapter_target_count(adapter) : 0);
    put_number(object, "deviation", deviation);
    return report_print(s, object);
}

static int convert_model(const settings *s) {
    orthsr_error error = {""};
    orthsr_model *model;
    orthsr_adapter *adapter = NULL;
    double deviation = 0;
    orthsr_status status = orthsr_model_open(&model, s->model, &error);
    if (status == ORTHSR_OK && s->adapters.count > 0) status = open_adapter(&adapter, s->adapters.items[0], model, &error);
    if (status == ORTHSR_OK) status = output_check(s->out, &error);
    if (status == ORTHSR_OK)
        status = orthsr_model_export_gguf(model, adapter, s->dtype == DTYPE_F32 ? ORTHSR_GGUF_F32 : ORTHSR_GGUF_F16, s->out, &deviation, &error);
    int code = status == ORTHSR_OK ? report_gguf(s, model, adapter, deviation) : give_up(s, &error);
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
    return code;
}

int command_convert(const settings *s) {
    const char *name = s->command->name;
    if (s->to == TO_GGUF && !s->model) return wrong_usage(name, "--model M is missing: a GGUF file holds the whole model");
    if (s->to != TO_GGUF && s->adapters.count == 0) return wrong_usage(name, "--adapter A is missing");
    if (s->to != TO_GGUF && s->dtype >= 0) return wrong_usage(name, "--dtype is for --to gguf");
    return s->to == TO_GGUF ? convert_model(s) : convert_adapter(s);
}
