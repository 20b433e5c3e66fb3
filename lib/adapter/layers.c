/* layers.c - which layers of each tower an adapter is for: a list such as "0-5,11" or "image:6-,text:all". */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/adapter.h"
#include "base/fail.h"
#include "base/memory.h"

enum { MOST_DIGITS = 6 };

/* A number at *at, which moves behind it. */
static bool parse_layer(size_t *out, const char **at) {
    size_t digits = strspn(*at, "0123456789");
    *out = 0;
    for (size_t i = 0; i < digits && digits <= MOST_DIGITS; i++, ++*at) *out = 10 * *out + (size_t)(**at - '0');
    return digits > 0 && digits <= MOST_DIGITS;
}

/* "3", "3-5", "3-" or "all". */
static bool parse_range(orthsr__layer_range *range, const char *text) {
    *range = (orthsr__layer_range){.tower = {range->tower[0], range->tower[1]}, .first = 0, .last = SIZE_MAX};
    if (strcmp(text, "all") == 0) return true;
    if (!parse_layer(&range->first, &text)) return false;
    if (*text == '\0') range->last = range->first;
    else if (*text++ != '-' || (*text && !parse_layer(&range->last, &text))) return false;
    return *text == '\0';
}

/* One item of the list. range: of the item before, whose towers hold until others are named. */
static orthsr_status parse_item(orthsr__layer_range *range, char *item, const char *list, orthsr_error *error) {
    char *colon = strchr(item, ':'), *text = item;
    if (colon) {
        *colon = '\0';
        text = colon + 1;
        bool known = false;
        for (size_t t = 0; t < ORTHSR__TOWERS; t++) known |= range->tower[t] = strcmp(item, orthsr__tower_names[t]) == 0;
        if (!known) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "layers \"%s\": '%s' is no tower; they are image and text", list, item);
    }
    if (!parse_range(range, text))
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "layers \"%s\": '%s' is none of a layer (3), some of them (0-5, 6-) and all", list, text);
    if (range->first > range->last) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "layers \"%s\": '%s' goes down; the lower layer comes first", list, text);
    return ORTHSR_OK;
}

/* ranges (as many as list has items). copy: of list, to be cut into pieces. */
static orthsr_status parse_list(orthsr__layer_range *ranges, char *copy, const char *list, orthsr_error *error) {
    orthsr__layer_range range = {.tower = {true, true}};
    for (char *item = copy, *next; item; item = next) {
        if ((next = strchr(item, ','))) *next++ = '\0';
        ORTHSR__TRY(parse_item(&range, item, list, error));
        *ranges++ = range;
    }
    return ORTHSR_OK;
}

orthsr_status orthsr_adapter_options_set_layers(orthsr_adapter_options *options, const char *layers, orthsr_error *error) {
    ORTHSR__REQUIRE(options, error, "options is NULL");
    const char *list = layers ? layers : "all";
    size_t count = 1;
    for (const char *at = list; *at; at++) count += *at == ',';
    orthsr__layer_range *ranges = orthsr__calloc(count, sizeof *ranges);
    char *copy = orthsr__strdup(list);
    orthsr_status status = ranges && copy ? parse_list(ranges, copy, list, error) : orthsr__fail_memory(error, "a list of layers");
    free(copy);
    if (status) {
        free(ranges);
        return status;
    }
    free(options->layers);
    options->layers = ranges;
    options->layer_count = count;
    return ORTHSR_OK;
}

orthsr_status orthsr__layers_check(const orthsr_adapter_options *options, size_t tower, size_t layers, orthsr_error *error) {
    for (size_t i = 0; i < options->layer_count; i++) {
        const orthsr__layer_range *range = &options->layers[i];
        size_t highest = range->last < SIZE_MAX ? range->last : range->first;
        if (!range->tower[tower]) continue;
        if (options->towers[tower] && highest >= layers)
            return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT,
                                "layers: there is no layer %zu in the %s tower, which has %zu, from 0 on; a list for each tower reads \"image:6-,text:0-3\"",
                                highest, orthsr__tower_names[tower], layers);
        if (!options->towers[tower] && !range->tower[!tower])
            return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "layers names some of the %s tower, and towers leaves that one out", orthsr__tower_names[tower]);
    }
    return ORTHSR_OK;
}

bool orthsr__layers_hold(const orthsr_adapter_options *options, size_t tower, size_t layer) {
    bool named = false;
    for (size_t i = 0; i < options->layer_count; i++) {
        const orthsr__layer_range *range = &options->layers[i];
        if (range->tower[tower] && layer >= range->first && layer <= range->last) return true;
        named = named || range->tower[tower];
    }
    return !named;
}
