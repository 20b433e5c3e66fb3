/* merge.c - `orthsr merge`: the checkpoint with the adapter in its weights; `orthsr unmerge`: the way back. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands.h"
#include "inputs.h"
#include "output.h"
#include "report.h"

static int report(const settings *s, const orthsr_model *model, const orthsr_adapter *adapter, double deviation) {
    if (!s->json) {
        printf("%s: %zu maps %sd; largest rounding of a weight %.3g\n", s->out, orthsr_adapter_target_count(adapter), s->command->name, deviation);
        return EXIT_SUCCESS;
    }
    json_t *object = json_object();
    put_text(object, "out", s->out);
    put_text(object, "model", s->model);
    put_text(object, "adapter", s->adapters.items[0]);
    put_text(object, "fingerprint", orthsr_model_fingerprint(model));
    put_count(object, "targets", orthsr_adapter_target_count(adapter));
    put_number(object, "deviation", deviation);
    return report_print(s, object);
}

int command_merge(const settings *s) {
    orthsr_error error = {""};
    orthsr_model *model;
    orthsr_adapter *adapter = NULL;
    double deviation = 0;
    int made = 0, forward = s->command->bit == MERGE;
    orthsr_status status = open_model(&model, s->model, s, &error);
    /* a merged model's fingerprint is never the one the adapter was trained on, so unmerge does not compare them */
    if (status == ORTHSR_OK)
        status =
            forward ? open_adapter(&adapter, s->adapters.items[0], model, &error) : orthsr_model_adapter_load(model, &adapter, s->adapters.items[0], &error);
    if (status == ORTHSR_OK) status = output_directory(s->out, &made, &error);
    if (status == ORTHSR_OK) status = (forward ? orthsr_model_merge : orthsr_model_unmerge)(model, adapter, s->out, &deviation, &error);
    if (status != ORTHSR_OK && made) rmdir(s->out);
    int code = status == ORTHSR_OK ? report(s, model, adapter, deviation) : give_up(s, &error);
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
    return code;
}
