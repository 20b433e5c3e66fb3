/* info_model.c - what a checkpoint holds, as JSON and as text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "info.h"
#include "output.h"
#include "report.h"

static const char *const tower_names[] = {"image", "text"};

/* ---- as JSON ---- */

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

/* The size's name among published CLIPs, by the image tower; NULL for others. */
static const char *known_size(const orthsr_model *model) {
    static const struct {
        size_t width, layers;
        const char *name;
    } sizes[] = {{192, 12, "ViT-Ti"}, {384, 12, "ViT-S"},  {768, 12, "ViT-B"},    {1024, 24, "ViT-L"},
                 {1280, 32, "ViT-H"}, {1408, 40, "ViT-g"}, {1664, 48, "ViT-bigG"}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (orthsr_model_width(model, "image") == sizes[i].width && orthsr_model_layers(model, "image") == sizes[i].layers) return sizes[i].name;
    return NULL;
}

/* Parameters of the default adapter, 4 Cayley blocks on the inputs of every fc1 and fc2; none where they do not divide. Counted, since a large model's
 * adapter takes more memory than the model. */
static void put_default_adapter(json_t *object, const orthsr_model *model) {
    enum { BLOCKS = 4 };
    size_t count = 0;
    for (size_t i = 0; i < orthsr_model_map_count(model); i++) {
        const char *name;
        size_t in;
        if (orthsr_model_map(model, i, &name, &in, NULL, NULL) != ORTHSR_OK || !strstr(name, ".fc")) continue;
        if (in % BLOCKS != 0) return;
        count += BLOCKS * orthsr_skew_size(in / BLOCKS);
    }
    put_count(object, "default_adapter_parameters", count);
}

json_t *info_model_json(const orthsr_model *model, const char *path) {
    char name[32];
    json_t *object = json_object(), *towers = json_object();
    put_text(object, "kind", "model");
    put_text(object, "path", path);
    put_text(object, "family", orthsr_model_family(model));
    if (known_size(model)) {
        snprintf(name, sizeof name, "%s/%zu", known_size(model), orthsr_model_patch_size(model));
        put_text(object, "size", name);
    }
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
    put_count(object, "copied_bytes", orthsr_model_copied_bytes(model));
    put_text(object, "preprocessing", orthsr_model_preprocessing(model));
    json_object_set_new(object, "end_id", orthsr_model_end_id(model) < 0 ? json_null() : json_integer(orthsr_model_end_id(model)));
    put_default_adapter(object, model);
    put_count(object, "maps", orthsr_model_map_count(model));
    json_object_set_new(object, "tokenizer", json_boolean(orthsr_model_tokenizer(model) != NULL));
    json_object_set_new(object, "adapters", adapters_beside(path));
    return object;
}

/* ---- as text: from the same object, so that both say the same ---- */

static void print_tower(const json_t *object, const char *name) {
    const json_t *tower = json_object_get(json_object_get(object, "towers"), name);
    printf("%-5s tower  %zu layers, width %zu, %zu heads, MLP %zu", name, count_of(tower, "layers"), count_of(tower, "width"), count_of(tower, "heads"),
           count_of(tower, "mlp_width"));
}

static void print_list(const char *label, const json_t *array) {
    char name[256];
    for (size_t i = 0; i < json_array_size(array); i++)
        printf("%-11s  %s\n", i == 0 ? label : "", report_visible(name, sizeof name, json_string_value(json_array_get(array, i))));
}

static const char *explain_activation(const char *name) {
    if (strcmp(name, "quick_gelu") == 0) return "x sigmoid(1.702 x), OpenAI's";
    return strcmp(name, "gelu") == 0 ? "the exact one, not OpenAI's QuickGELU" : "GELU's tanh approximation";
}

void info_model_print(json_t *object) {
    json_t *dtypes = json_object_get(object, "dtypes");
    const char *size = text_of(object, "size"), *activation = text_of(object, "activation");
    const json_t *end_id = json_object_get(object, "end_id");
    double parameters = (double)count_of(object, "parameters"), own = (double)count_of(object, "default_adapter_parameters");
    printf("model        %s\n", text_of(object, "path"));
    printf("family       %s%s%s\n", text_of(object, "family"), size ? ", the size of " : "", size ? size : "");
    printf("activation   %s: %s\n", activation, explain_activation(activation));
    print_tower(object, "image");
    printf("; %zu x %zu pixels in patches of %zu\n", count_of(object, "image_size"), count_of(object, "image_size"), count_of(object, "patch_size"));
    print_tower(object, "text");
    printf("; %zu tokens of a vocabulary of %zu\n", count_of(object, "context_length"), count_of(object, "vocab_size"));
    printf("joint space  %zu, logit scale %.4g\n", count_of(object, "embed_dim"), json_real_value(json_object_get(object, "logit_scale")));
    printf("images       %s\n", text_of(object, "preprocessing"));
    if (json_is_null(end_id)) printf("texts        read at the largest id\n");
    else printf("texts        read at the first id %lld\n", (long long)json_integer_value(end_id));
    printf("tokenizer    %s\n", json_is_true(json_object_get(object, "tokenizer")) ? "found" : "none beside the weights: images only");
    printf("parameters   %.0f\n", parameters);
    printf("tensors      %zu found, none missing; %zu bytes, and %zu bytes of copies in memory (converted or transposed)\n", count_of(object, "tensors"),
           count_of(object, "bytes"), count_of(object, "copied_bytes"));
    for (void *i = json_object_iter(dtypes); i; i = json_object_iter_next(dtypes, i))
        printf("             %-5s %zu tensors, %zu bytes\n", json_object_iter_key(i), count_of(json_object_iter_value(i), "tensors"),
               count_of(json_object_iter_value(i), "bytes"));
    print_list("unused", json_object_get(object, "unused"));
    printf("to adapt     %zu maps", count_of(object, "maps"));
    if (own > 0) printf("; the default adapter has %.0f parameters, %.1f %% of the model\n", own, 100 * own / parameters);
    else printf("; the default adapter's 4 blocks do not divide all of them, choose others\n");
    print_list("adapters", json_object_get(object, "adapters"));
    printf("fingerprint  %s\n", text_of(object, "fingerprint"));
}
