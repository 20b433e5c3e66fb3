/* info.c - `orthsr info`: what a checkpoint or an adapter holds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "inputs.h"
#include "output.h"
#include "report.h"

static const char *const tower_names[] = {"image", "text"};

/* ---- a model, as JSON ---- */

static json_t *tower_json(const orthsr_model *model, const char *tower) {
    json_t *object = json_object();
    put_count(object, "layers", orthsr_model_layers(model, tower));
    put_count(object, "width", orthsr_model_width(model, tower));
    put_count(object, "heads", orthsr_model_heads(model, tower));
    put_count(object, "mlp_width", orthsr_model_mlp_width(model, tower));
    return object;
}

static void add_count(json_t *object, const char *key, size_t value) {
    put_count(object, key, (size_t)json_integer_value(json_object_get(object, key)) + value);
}

/* Tensors by dtype, and those the architecture has no use for. */
static void put_tensors(json_t *object, const orthsr_model *model) {
    json_t *dtypes = json_object(), *unused = json_array();
    size_t found = orthsr_model_tensor_count(model), all_bytes = 0;
    for (size_t i = 0; i < found; i++) {
        const char *name, *dtype;
        uint64_t bytes;
        int expected;
        if (orthsr_model_tensor(model, i, &name, &dtype, NULL, NULL, &bytes, &expected, NULL) != ORTHSR_OK) continue;
        json_t *entry = json_object_get(dtypes, dtype);
        if (!entry) json_object_set_new(dtypes, dtype, entry = json_object());
        add_count(entry, "tensors", 1);
        add_count(entry, "bytes", bytes);
        all_bytes += bytes;
        if (!expected) json_array_append_new(unused, report_text(name));
    }
    put_count(object, "bytes", all_bytes);
    put_count(object, "tensors", found);
    json_object_set_new(object, "missing", json_array()); /* a model with a missing tensor does not open */
    json_object_set_new(object, "unused", unused);
    json_object_set_new(object, "dtypes", dtypes);
}

/* Adapters that lie in the model's directory. */
static json_t *adapters_beside(const char *path) {
    static const char *const places[] = {"adapter.safetensors", "adapter/adapter.safetensors"};
    json_t *array = json_array();
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char *file = join_path(path, places[i]);
        if (file && access(file, R_OK) == 0) json_array_append_new(array, report_text(file));
        free(file);
    }
    return array;
}

static json_t *model_json(const orthsr_model *model, const char *path) {
    json_t *object = json_object(), *towers = json_object();
    put_text(object, "kind", "model");
    put_text(object, "path", path);
    put_text(object, "family", orthsr_model_family(model));
    put_text(object, "activation", orthsr_model_activation(model));
    put_text(object, "fingerprint", orthsr_model_fingerprint(model));
    put_count(object, "parameters", orthsr_model_parameter_count(model));
    put_count(object, "embed_dim", orthsr_model_embed_dim(model));
    put_count(object, "image_size", orthsr_model_image_size(model));
    put_count(object, "patch_size", orthsr_model_patch_size(model));
    put_count(object, "context_length", orthsr_model_context_length(model));
    put_count(object, "vocab_size", orthsr_model_vocab_size(model));
    put_number(object, "logit_scale", orthsr_model_logit_scale(model));
    for (size_t t = 0; t < 2; t++) json_object_set_new(towers, tower_names[t], tower_json(model, tower_names[t]));
    json_object_set_new(object, "towers", towers);
    put_tensors(object, model);
    put_count(object, "maps", orthsr_model_map_count(model));
    json_object_set_new(object, "tokenizer", json_boolean(orthsr_model_tokenizer(model) != NULL));
    json_object_set_new(object, "adapters", adapters_beside(path));
    return object;
}

/* ---- a model, as text: from the same object, so that both say the same ---- */

static size_t count_of(const json_t *object, const char *key) { return (size_t)json_integer_value(json_object_get(object, key)); }
static const char *text_of(const json_t *object, const char *key) { return json_string_value(json_object_get(object, key)); }

static void print_tower(const json_t *object, const char *name) {
    const json_t *tower = json_object_get(json_object_get(object, "towers"), name);
    printf("%-5s tower  %zu layers, width %zu, %zu heads, MLP %zu", name, count_of(tower, "layers"), count_of(tower, "width"), count_of(tower, "heads"),
           count_of(tower, "mlp_width"));
}

static void print_list(const char *label, const json_t *array) {
    for (size_t i = 0; i < json_array_size(array); i++) printf("%-11s  %s\n", i == 0 ? label : "", json_string_value(json_array_get(array, i)));
}

static void print_model(json_t *object) {
    json_t *dtypes = json_object_get(object, "dtypes");
    printf("model        %s\n", text_of(object, "path"));
    printf("family       %s, activation %s\n", text_of(object, "family"), text_of(object, "activation"));
    print_tower(object, "image");
    printf("; %zu x %zu pixels in patches of %zu\n", count_of(object, "image_size"), count_of(object, "image_size"), count_of(object, "patch_size"));
    print_tower(object, "text");
    printf("; %zu tokens of a vocabulary of %zu\n", count_of(object, "context_length"), count_of(object, "vocab_size"));
    printf("joint space  %zu, logit scale %.4g\n", count_of(object, "embed_dim"), json_real_value(json_object_get(object, "logit_scale")));
    printf("parameters   %zu; an adapter may target %zu maps\n", count_of(object, "parameters"), count_of(object, "maps"));
    printf("tensors      %zu, %zu bytes\n", count_of(object, "tensors"), count_of(object, "bytes"));
    for (void *i = json_object_iter(dtypes); i; i = json_object_iter_next(dtypes, i))
        printf("             %-5s %zu tensors, %zu bytes\n", json_object_iter_key(i), count_of(json_object_iter_value(i), "tensors"),
               count_of(json_object_iter_value(i), "bytes"));
    print_list("unused", json_object_get(object, "unused"));
    printf("tokenizer    %s\n", json_is_true(json_object_get(object, "tokenizer")) ? "found" : "none beside the weights: images only");
    print_list("adapters", json_object_get(object, "adapters"));
    printf("fingerprint  %s\n", text_of(object, "fingerprint"));
}

/* ---- an adapter ---- */

static json_t *target_json(const orthsr_adapter *adapter, size_t target) {
    json_t *object = json_object();
    put_text(object, "name", orthsr_adapter_target_name(adapter, target));
    put_count(object, "in_features", orthsr_adapter_in_features(adapter, target));
    put_count(object, "out_features", orthsr_adapter_out_features(adapter, target));
    put_count(object, "block_size", orthsr_adapter_block_size(adapter, target));
    return object;
}

static json_t *adapter_json(const orthsr_adapter *adapter, const char *path, double defect) {
    json_t *object = json_object(), *targets = json_array();
    put_text(object, "kind", "adapter");
    put_text(object, "path", path);
    put_text(object, "parametrization", orthsr_adapter_parametrization(adapter) == ORTHSR_CAYLEY ? "cayley" : "free");
    put_text(object, "fingerprint", orthsr_adapter_fingerprint(adapter));
    put_count(object, "parameters", orthsr_adapter_parameter_count(adapter));
    put_number(object, "defect", defect);
    for (size_t i = 0; i < orthsr_adapter_target_count(adapter); i++) json_array_append_new(targets, target_json(adapter, i));
    json_object_set_new(object, "targets", targets);
    return object;
}

static void print_adapter(json_t *object) {
    const json_t *targets = json_object_get(object, "targets");
    printf("adapter          %s\n", text_of(object, "path"));
    printf("parametrization  %s\n", text_of(object, "parametrization"));
    printf("parameters       %zu in %zu targets\n", count_of(object, "parameters"), json_array_size(targets));
    printf("max |A^T A - I|  %.3g\n", json_number_value(json_object_get(object, "defect")));
    printf("trained on       %s\n", *text_of(object, "fingerprint") ? text_of(object, "fingerprint") : "unknown weights");
    for (size_t i = 0; i < json_array_size(targets); i++) {
        const json_t *t = json_array_get(targets, i);
        size_t in = count_of(t, "in_features"), block = count_of(t, "block_size");
        printf("  %-16s %5zu -> %-5zu %3zu blocks of %zu\n", text_of(t, "name"), in, count_of(t, "out_features"), block ? in / block : 0, block);
    }
}

/* ---- which of the two ---- */

static int is_adapter(const char *path) {
    const char *name = strrchr(path, '/');
    char *inside = join_path(path, "adapter.safetensors");
    int found = strcmp(name ? name + 1 : path, "adapter.safetensors") == 0 || (inside && access(inside, F_OK) == 0);
    free(inside);
    return found;
}

static int show(const settings *s, json_t *object, void (*print)(json_t *)) {
    if (s->json) return report_print(s, object);
    print(object);
    json_decref(object);
    return EXIT_SUCCESS;
}

static int info_adapter(const settings *s, orthsr_error *error) {
    orthsr_adapter *adapter = NULL;
    double defect = 0;
    orthsr_status status = orthsr_adapter_load(&adapter, s->positional.items[0], error);
    if (status == ORTHSR_OK) status = orthsr_adapter_defect(adapter, &defect, error);
    int code = status == ORTHSR_OK ? show(s, adapter_json(adapter, s->positional.items[0], defect), print_adapter) : EXIT_FAILURE;
    orthsr_adapter_free(adapter);
    return code;
}

int command_info(const settings *s) {
    if (s->positional.count == 0) return wrong_usage(s->command->name, "which MODEL?");
    orthsr_error error = {""}, adapter_error = {""};
    orthsr_model *model;
    const char *path = s->positional.items[0];
    if (open_model(&model, path, s, &error) == ORTHSR_OK) {
        int code = show(s, model_json(model, path), print_model);
        orthsr_model_free(model);
        return code;
    }
    if (info_adapter(s, &adapter_error) == EXIT_SUCCESS) return EXIT_SUCCESS;
    return give_up(s, is_adapter(path) ? &adapter_error : &error);
}
