/* info_adapter.c - what an adapter holds and does, as JSON and as text. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "info.h"
#include "inputs.h"
#include "output.h"
#include "report.h"
#include "rotation.h"

/* Of an orthogonal A the angle t, in degrees, with 2 - 2 cos t the mean of its angles' 2 - 2 cos t: how far it turns, all in all. */
static double turn(const orthsr_adapter *adapter, size_t target) {
    double chord = orthsr_adapter_distance(adapter, target) / sqrt((double)rotated_features(adapter, target));
    return 2 * asin(fmin(chord / 2, 1)) * 180 / acos(-1);
}

/* ---- as JSON ---- */

static json_t *target_json(const orthsr_adapter *adapter, size_t target) {
    json_t *object = json_object();
    put_text(object, "name", orthsr_adapter_target_name(adapter, target));
    put_count(object, "in_features", orthsr_adapter_in_features(adapter, target));
    put_count(object, "out_features", orthsr_adapter_out_features(adapter, target));
    put_count(object, "blocks", rotated_features(adapter, target) / orthsr_adapter_block_size(adapter, target));
    put_count(object, "block_size", orthsr_adapter_block_size(adapter, target));
    put_number(object, "distance", orthsr_adapter_distance(adapter, target));
    if (orthsr_adapter_parametrization(adapter) != ORTHSR_FREE) put_number(object, "turn_degrees", turn(adapter, target));
    json_object_set_new(object, "scaled", json_boolean(orthsr_adapter_has_scale(adapter, target)));
    return object;
}

/* What PEFT's config says of where the numbers come from; NULL when path is no directory of PEFT's. */
static json_t *peft_json(const char *path) {
    static const char *const keys[] = {
        "peft_version",  "base_model_name_or_path", "r", "oft_block_size", "block_share", "coft", "eps", "use_cayley_neumann", "num_cayley_neumann_terms",
        "target_modules"};
    char *file = join_path(path, "adapter_config.json");
    json_t *config = file ? json_load_file(file, 0, NULL) : NULL, *object = config ? json_object() : NULL;
    for (size_t i = 0; object && i < sizeof keys / sizeof keys[0]; i++) {
        json_t *value = json_object_get(config, keys[i]);
        if (value && !json_is_null(value)) json_object_set(object, keys[i], value);
    }
    json_decref(config);
    free(file);
    return object;
}

json_t *info_adapter_json(const orthsr_adapter *adapter, const char *path, double defect, const orthsr_model *model) {
    json_t *object = json_object(), *targets = json_array(), *peft = peft_json(path);
    const char *trained_on = orthsr_adapter_fingerprint(adapter);
    put_text(object, "kind", "adapter");
    put_text(object, "path", path);
    put_text(object, "format", peft ? "peft" : "orthsr");
    if (peft) json_object_set_new(object, "peft", peft);
    put_text(object, "parametrization", parametrization_name(adapter));
    put_text(object, "side", orthsr_adapter_side(adapter) == ORTHSR_SIDE_OUTPUT ? "output" : "input");
    json_object_set_new(object, "block_share", json_boolean(orthsr_adapter_block_share(adapter)));
    put_text(object, "fingerprint", trained_on);
    put_count(object, "parameters", orthsr_adapter_parameter_count(adapter));
    put_number(object, "defect", defect);
    if (model) { /* it fits: else it would not have been loaded */
        put_text(object, "model_fingerprint", orthsr_model_fingerprint(model));
        json_object_set_new(object, "trained_on_this_model",
                            *trained_on ? json_boolean(strcmp(trained_on, orthsr_model_fingerprint(model)) == 0) : json_null());
    }
    for (size_t i = 0; i < orthsr_adapter_target_count(adapter); i++) json_array_append_new(targets, target_json(adapter, i));
    json_object_set_new(object, "targets", targets);
    return object;
}

/* ---- as text: from the same object, so that both say the same ---- */

static void print_peft(const json_t *peft, int cayley) {
    const char *version = text_of(peft, "peft_version"), *base = text_of(peft, "base_model_name_or_path");
    char text[256];
    printf("format           PEFT's OFT, %s%s\n", version ? "by release " : "of a release before 0.18",
           version ? report_visible(text, sizeof text, version) : "");
    if (base && *base) printf("made for         %s, says PEFT\n", report_visible(text, sizeof text, base));
    if (!cayley)
        printf("                 of its Cayley-Neumann branch: a series that is orthogonal only nearly, read as the very matrices that PEFT applies\n"
               "                 (its exact branch would turn the other way for the same numbers)\n");
}

static const char *trained_on(const json_t *object) {
    const json_t *same = json_object_get(object, "trained_on_this_model");
    if (!*text_of(object, "fingerprint")) return "unknown weights";
    if (json_is_true(same)) return "this very model";
    return json_is_false(same) ? "other weights than this model's, whose sizes it fits" : "";
}

static void print_target(const json_t *t) {
    const json_t *angle = json_object_get(t, "turn_degrees");
    char name[256];
    printf("  %-16s %5zu -> %-5zu %4zu blocks of %-4zu ", report_visible(name, sizeof name, text_of(t, "name")), count_of(t, "in_features"),
           count_of(t, "out_features"), count_of(t, "blocks"), count_of(t, "block_size"));
    if (angle) printf(" turns by %.2f degrees", json_number_value(angle));
    else printf(" |A - I| %.3g", json_number_value(json_object_get(t, "distance")));
    printf("%s\n", json_is_true(json_object_get(t, "scaled")) ? ", outputs scaled" : "");
}

static const char *explain(const char *parametrization) {
    static const char *const known[][2] = {
        {"cayley", "A = (I - S)(I + S)^-1, orthogonal whatever its parameters"},
        {"free", "any matrices A, not kept orthogonal"},
        {"expm", "A = exp(S), orthogonal whatever its parameters"},
        {"householder", "A = a product of reflections, orthogonal whatever its parameters"},
        {"butterfly", "A = a product of sparse Cayley factors, orthogonal whatever its parameters"},
        {"manifold", "A itself, kept orthogonal by its optimizer"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(parametrization, known[i][0]) == 0) return known[i][1];
    return "";
}

void info_adapter_print(json_t *object) {
    const json_t *targets = json_object_get(object, "targets"), *peft = json_object_get(object, "peft");
    const char *parametrization = text_of(object, "parametrization");
    int cayley = strcmp(parametrization, "cayley") == 0, orthogonal = strcmp(parametrization, "free") != 0,
        output = strcmp(text_of(object, "side"), "output") == 0;
    double turns = 0;
    for (size_t i = 0; i < json_array_size(targets); i++) turns += json_number_value(json_object_get(json_array_get(targets, i), "turn_degrees"));
    printf("adapter          %s\n", text_of(object, "path"));
    if (peft) print_peft(peft, cayley);
    printf("parametrization  %s: %s\n", parametrization, explain(parametrization));
    printf("side             %s\n", output ? "output: y = (x W^T) A" : "input: y = (x A) W^T");
    printf("parameters       %zu in %zu targets%s\n", count_of(object, "parameters"), json_array_size(targets),
           json_is_true(json_object_get(object, "block_share")) ? ", all blocks of a target being one" : "");
    printf("max |A^T A - I|  %.3g\n", json_number_value(json_object_get(object, "defect")));
    if (orthogonal && json_array_size(targets) > 0) printf("turns by         %.2f degrees on average\n", turns / (double)json_array_size(targets));
    printf("trained on       %s%s%s\n", text_of(object, "fingerprint"), *text_of(object, "fingerprint") && *trained_on(object) ? ": " : "", trained_on(object));
    for (size_t i = 0; i < json_array_size(targets); i++) print_target(json_array_get(targets, i));
}
