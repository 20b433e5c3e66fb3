/* templates.c - the templates of CoOp's zero-shot baseline (its trainers/zsclip.py), under the names of its dataset configs. */
#include <orthsr/prompt.h>

#include <string.h>

#include "base/fail.h"
#include "base/memory.h"

#define PHOTO "a photo of a {}."

static const char *const ensemble[] = {"itap of a {}.",         "a bad photo of the {}.", "a origami {}.",           "a photo of the large {}.",
                                       "a {} in a video game.", "art of the {}.",         "a photo of the small {}."};

/* text: the only template, or NULL for the ensemble. */
static const struct preset {
    const char *name, *text;
} presets[] = {
    {"caltech101", PHOTO},
    {"dtd", "{} texture."},
    {"ensemble", NULL},
    {"eurosat", "a centered satellite photo of {}."},
    {"fgvc_aircraft", "a photo of a {}, a type of aircraft."},
    {"food101", "a photo of {}, a type of food."},
    {"imagenet", PHOTO},
    {"imagenet_a", PHOTO},
    {"imagenet_r", PHOTO},
    {"imagenet_sketch", PHOTO},
    {"imagenetv2", PHOTO},
    {"oxford_flowers", "a photo of a {}, a type of flower."},
    {"oxford_pets", "a photo of a {}, a type of pet."},
    {"stanford_cars", PHOTO},
    {"sun397", PHOTO},
    {"ucf101", "a photo of a person doing {}."},
};
enum { PRESETS = sizeof presets / sizeof presets[0] };

const char *orthsr_template_preset_name(size_t i) { return i < PRESETS ? presets[i].name : NULL; }

static orthsr_status unknown(const char *name, orthsr_error *error) {
    char *list = orthsr__strdup(presets[0].name);
    for (size_t i = 1; i < PRESETS && list; i++) {
        char *longer = orthsr__format("%s, %s", list, presets[i].name);
        free(list);
        list = longer;
    }
    if (!list) return orthsr__fail_memory(error, "a message");
    orthsr_status status = orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "there are no templates called '%s'; there are those of %s", name, list);
    free(list);
    return status;
}

orthsr_status orthsr_template_preset(const char *name, const char *const **templates, size_t *count, orthsr_error *error) {
    ORTHSR__REQUIRE(name && templates && count, error, "an argument is NULL");
    for (size_t i = 0; i < PRESETS; i++) {
        if (strcmp(presets[i].name, name) != 0) continue;
        *templates = presets[i].text ? &presets[i].text : ensemble;
        *count = presets[i].text ? 1 : sizeof ensemble / sizeof ensemble[0];
        return ORTHSR_OK;
    }
    return unknown(name, error);
}
