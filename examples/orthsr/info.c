/* info.c - `orthsr info`: a checkpoint, an adapter or a learned prompt, explained. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "info.h"
#include "inputs.h"
#include "output.h"
#include "report.h"

/* Whether path looks like an adapter: that decides whose error is shown when it is neither. */
static int is_adapter(const char *path) {
    static const char *const files[] = {"adapter.safetensors", "adapter_config.json"};
    const char *slash = strrchr(path, '/');
    int found = has_prompt(path) || strcmp(slash ? slash + 1 : path, files[0]) == 0;
    for (size_t i = 0; i < sizeof files / sizeof files[0] && !found; i++) {
        char *inside = join_path(path, files[i]);
        found = inside && access(inside, F_OK) == 0;
        free(inside);
    }
    return found;
}

static int show(const settings *s, json_t *object, void (*print)(json_t *)) {
    if (s->json) return report_print(s, object);
    print(object);
    json_decref(object);
    return EXIT_SUCCESS;
}

static void print_both(json_t *object) {
    json_t *prompt = json_object_get(object, "prompt");
    info_adapter_print(object);
    if (prompt) info_prompt_print(prompt);
}

/* An adapter, with the learned prompt beside it, or a prompt alone. */
static int info_tuned(const settings *s, orthsr_error *error) {
    const char *path = s->positional.items[0];
    orthsr_model *model = NULL;
    tuned t = {NULL, NULL};
    double defect = 0;
    orthsr_status status = s->model ? open_model(&model, s->model, s, error) : ORTHSR_OK;
    if (status == ORTHSR_OK) status = load_tuned(&t, path, model, error);
    if (status == ORTHSR_OK && t.adapter) status = orthsr_adapter_defect(t.adapter, &defect, error);
    int code = EXIT_FAILURE;
    if (status == ORTHSR_OK && !t.adapter) code = show(s, info_prompt_json(t.prompt, path, model), info_prompt_print);
    if (status == ORTHSR_OK && t.adapter) {
        json_t *object = info_adapter_json(t.adapter, path, defect, model);
        if (t.prompt) json_object_set_new(object, "prompt", info_prompt_json(t.prompt, path, model));
        code = show(s, object, print_both);
    }
    free_tuned(&t);
    orthsr_model_free(model);
    return code;
}

int command_info(const settings *s) {
    if (s->positional.count == 0) return wrong_usage(s->command->name, "which MODEL?");
    orthsr_error error = {""}, adapter_error = {""};
    orthsr_model *model;
    const char *path = s->positional.items[0];
    if (s->model && !is_adapter(path)) return wrong_usage(s->command->name, "--model says what an adapter belongs to, and '%s' is none", path);
    if (!s->model && open_model(&model, path, s, &error) == ORTHSR_OK) {
        int code = show(s, info_model_json(model, path), info_model_print);
        orthsr_model_free(model);
        return code;
    }
    if (info_tuned(s, &adapter_error) == EXIT_SUCCESS) return EXIT_SUCCESS;
    return give_up(s, is_adapter(path) ? &adapter_error : &error);
}
