/* info_prompt.c - what a learned prompt holds, as JSON and as text. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "info.h"
#include "report.h"

static const char *const positions[] = {"end", "middle", "front"}; /* by orthsr_class_position */

/* Lengths of the context's words, a class's together. */
static void put_norms(json_t *object, const orthsr_prompt *prompt) {
    size_t n = orthsr_prompt_parameter_count(prompt), width = orthsr_prompt_width(prompt), words = n / width;
    float *context = malloc(n * sizeof *context);
    json_t *norms = json_array();
    if (context && orthsr_prompt_get_parameters(prompt, context, n, NULL) == ORTHSR_OK)
        for (size_t w = 0; w < words; w++) {
            double square = 0;
            for (size_t i = 0; i < width; i++) square += (double)context[w * width + i] * (double)context[w * width + i];
            json_array_append_new(norms, json_real(sqrt(square)));
        }
    free(context);
    json_object_set_new(object, "norms", norms);
}

json_t *info_prompt_json(const orthsr_prompt *prompt, const char *path, const orthsr_model *model) {
    json_t *object = json_object(), *classes = json_array();
    const char *trained_on = orthsr_prompt_fingerprint(prompt);
    put_text(object, "kind", "prompt");
    put_text(object, "path", path);
    put_count(object, "words", orthsr_prompt_words(prompt));
    put_count(object, "width", orthsr_prompt_width(prompt));
    put_text(object, "position", positions[orthsr_prompt_position(prompt)]);
    put_count(object, "parameters", orthsr_prompt_parameter_count(prompt));
    put_text(object, "fingerprint", trained_on);
    if (model) {
        put_text(object, "model_fingerprint", orthsr_model_fingerprint(model));
        json_object_set_new(object, "trained_on_this_model", json_boolean(strcmp(trained_on, orthsr_model_fingerprint(model)) == 0));
    }
    for (size_t c = 0; c < orthsr_prompt_classes(prompt); c++) json_array_append_new(classes, report_text(orthsr_prompt_class_name(prompt, c)));
    json_object_set_new(object, "classes", classes);
    put_norms(object, prompt);
    return object;
}

void info_prompt_print(json_t *object) {
    const json_t *classes = json_object_get(object, "classes"), *same = json_object_get(object, "trained_on_this_model");
    char name[256];
    printf("prompt           %s\n", text_of(object, "path"));
    printf("context          %zu words of width %zu, the class name at the %s\n", count_of(object, "words"), count_of(object, "width"),
           text_of(object, "position"));
    printf("parameters       %zu\n", count_of(object, "parameters"));
    printf("trained on       %s%s\n", text_of(object, "fingerprint"),
           !same                ? ""
           : json_is_true(same) ? ": this very model"
                                : ": other weights than this model's");
    if (json_array_size(classes) == 0) printf("classes          any: one context serves all names\n");
    for (size_t c = 0; c < json_array_size(classes); c++)
        printf("%s %s\n", c == 0 ? "classes         " : "                ", report_visible(name, sizeof name, json_string_value(json_array_get(classes, c))));
}
