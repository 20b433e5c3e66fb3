/* peft_modules.c - how PEFT names the linear maps of a CLIP, told by a model, or without one by an adapter of ours or by a file of PEFT's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "clip/peft.h"

/* A tensor's name is "[base_model.model.]<module>" and one of these, with ".<adapter name>" between marker and tail or not. */
static const struct {
    const char *marker, *tail;
} ENDINGS[ORTHSR__PEFT_KINDS] = {[ORTHSR__PEFT_VECTOR] = {".oft_R", ".weight"}, [ORTHSR__PEFT_SQUARE] = {".oft_r", ""}, [ORTHSR__PEFT_SCALE] = {".oft_s", ""}};

orthsr__peft_name orthsr__peft_parse(const char *name) {
    static const char prefix[] = "base_model.model.";
    if (strncmp(name, prefix, sizeof prefix - 1) == 0) name += sizeof prefix - 1;
    for (orthsr__peft_kind k = 0; k < ORTHSR__PEFT_KINDS; k++) {
        const char *at = strstr(name, ENDINGS[k].marker);
        if (!at) continue;
        const char *rest = at + strlen(ENDINGS[k].marker);
        size_t full = strlen(rest), tail = strlen(ENDINGS[k].tail);
        if (full < tail || strcmp(rest + full - tail, ENDINGS[k].tail) != 0) continue;
        size_t between = full - tail; /* of ".<adapter name>" */
        if (between > 0 && (between < 2 || rest[0] != '.' || memchr(rest + 1, '.', between - 1))) continue;
        return (orthsr__peft_name){
            .kind = k, .module = name, .length = (size_t)(at - name), .adapter = rest + (between > 0), .adapter_length = between > 0 ? between - 1 : 0};
    }
    return (orthsr__peft_name){.kind = ORTHSR__PEFT_KINDS, .module = name};
}

void orthsr__modules_free(orthsr__modules *modules) {
    for (size_t i = 0; i < modules->count; i++) {
        free(modules->items[i].map);
        free(modules->items[i].name);
    }
    free(modules->items);
    *modules = (orthsr__modules){0};
}

const orthsr__module *orthsr__modules_find(const orthsr__modules *modules, const char *name, size_t length) {
    for (size_t i = 0; i < modules->count; i++) {
        const char *own = modules->items[i].name;
        if (own && strlen(own) == length && memcmp(own, name, length) == 0) return &modules->items[i];
    }
    return NULL;
}

/* Takes map and name over; a missing one is memory that was short, but the name of a module that is not called. */
static orthsr_status append(orthsr__modules *modules, orthsr__module module, orthsr_error *error) {
    bool room = module.map && (module.name || !module.is_called) &&
                orthsr__reserve((void **)&modules->items, &modules->capacity, modules->count + 1, sizeof *modules->items);
    if (!room) {
        free(module.map);
        free(module.name);
        return orthsr__fail_memory(error, "a list of modules");
    }
    modules->items[modules->count++] = module;
    return ORTHSR_OK;
}

/* ---- of a model ---------------------------------------------------------------------------------------------------------- */

/* The module that holds a map, in fresh memory; *out is NULL for the q, k and v of a fused in_proj, which are none. False when memory is short. */
static bool module_of(char **out, const orthsr_model *model, size_t map) {
    static const char weight[] = ".weight";
    const char *name = orthsr__model_map(model, map)->source->name;
    if (model->config.family == ORTHSR__HUGGINGFACE) { /* a prefix of the file is none of the model: transformers takes it away too */
        const char *stem = strstr(name, map < model->text.first_map ? "vision_model." : "text_model.");
        name = stem ? stem : name;
    }
    size_t full = strlen(name), tail = sizeof weight - 1;
    *out = NULL;
    return full <= tail || strcmp(name + full - tail, weight) != 0 || (*out = orthsr__strndup(name, full - tail)) != NULL;
}

orthsr_status orthsr__modules_of_model(orthsr__modules *out, const orthsr_model *model, orthsr_error *error) {
    *out = (orthsr__modules){.kind_of_model = orthsr_model_family(model)};
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < model->map_count && !status; i++) {
        const orthsr__linear *map = orthsr__model_map(model, i);
        orthsr__module module = {.in = map->in, .out = map->out};
        if (module_of(&module.name, model, i)) module.map = orthsr__strdup(model->map_names[i]); /* without, append fails */
        module.is_called = module.name && (model->config.family == ORTHSR__HUGGINGFACE || i % ORTHSR__MAPS > ORTHSR__OUT);
        status = append(out, module, error);
    }
    if (status) orthsr__modules_free(out);
    return status;
}

/* ---- without one ------------------------------------------------------------------------------------------------------------ */

/* A map's names: ours, transformers', and open_clip's (NULL where that has no module). */
static const struct {
    const char *map, *huggingface, *open;
} MAPS[ORTHSR__MAPS] = {
    [ORTHSR__Q] = {"q", "self_attn.q_proj", NULL},  [ORTHSR__K] = {"k", "self_attn.k_proj", NULL},
    [ORTHSR__V] = {"v", "self_attn.v_proj", NULL},  [ORTHSR__OUT] = {"out", "self_attn.out_proj", "attn.out_proj"},
    [ORTHSR__FC1] = {"fc1", "mlp.fc1", "mlp.c_fc"}, [ORTHSR__FC2] = {"fc2", "mlp.fc2", "mlp.c_proj"},
};
static const struct {
    const char *name, *huggingface, *open;
} TOWERS[2] = {{"image", "vision_model.encoder.layers.", "visual.transformer.resblocks."}, {"text", "text_model.encoder.layers.", "transformer.resblocks."}};

/* "image.3.fc1" as transformers' module, in fresh memory; *out is NULL when it is no such name. False when memory is short. */
static bool huggingface_module(char **out, const char *map) {
    *out = NULL;
    for (size_t t = 0; t < 2; t++) {
        size_t stem = strlen(TOWERS[t].name), digits;
        if (strncmp(map, TOWERS[t].name, stem) != 0 || map[stem] != '.') continue;
        const char *layer = map + stem + 1;
        if ((digits = strspn(layer, "0123456789")) == 0 || layer[digits] != '.') continue;
        for (size_t m = 0; m < ORTHSR__MAPS; m++)
            if (strcmp(layer + digits + 1, MAPS[m].map) == 0)
                return (*out = orthsr__format("%s%.*s.%s", TOWERS[t].huggingface, (int)digits, layer, MAPS[m].huggingface)) != NULL;
    }
    return true;
}

orthsr_status orthsr__modules_of_adapter(orthsr__modules *out, const orthsr_adapter *adapter, orthsr_error *error) {
    *out = (orthsr__modules){.kind_of_model = "huggingface"};
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < adapter->target_count && !status; i++) {
        const orthsr__target *target = &adapter->targets[i];
        orthsr__module module = {.in = target->in, .out = target->out, .is_called = true};
        if (!huggingface_module(&module.name, target->name)) status = orthsr__fail_memory(error, "a list of modules");
        else if (!module.name) status = orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "target '%s' is no map of a CLIP: its module has no name", target->name);
        else module.map = orthsr__strdup(target->name);
        if (!status) status = append(out, module, error);
    }
    if (status) orthsr__modules_free(out);
    return status;
}

/* Which map a module of this name is in a model of either layout: tower, layer and map; false for none. */
static bool parse_module(size_t *tower, size_t *layer, size_t *map, const char *name, size_t length) {
    for (size_t t = 0; t < 2; t++)
        for (size_t style = 0; style < 2; style++) {
            const char *stem = style == 0 ? TOWERS[t].huggingface : TOWERS[t].open, *at = name, *end = name + length;
            if (t == 1 && style == 1 && length > 5 && strncmp(at, "text.", 5) == 0) at += 5;
            if ((size_t)(end - at) <= strlen(stem) || strncmp(at, stem, strlen(stem)) != 0) continue;
            at += strlen(stem);
            size_t digits = 0;
            for (*layer = 0; at < end && *at >= '0' && *at <= '9' && digits < 6; at++, digits++) *layer = 10 * *layer + (size_t)(*at - '0');
            if (digits == 0 || at == end || *at++ != '.') continue;
            for (*map = 0; *map < ORTHSR__MAPS; ++*map) {
                const char *own = style == 0 ? MAPS[*map].huggingface : MAPS[*map].open;
                if (!own || strlen(own) != (size_t)(end - at) || memcmp(own, at, (size_t)(end - at)) != 0) continue;
                *tower = t;
                return true;
            }
        }
    return false;
}

/* The features of the side on which this rotation is; 0 when the tensor does not say. */
static size_t width_of(const orthsr__tensor *tensor, orthsr__peft_kind kind, const orthsr__peft_config *config) {
    size_t b = 1, width;
    if (kind == ORTHSR__PEFT_VECTOR) {
        if (tensor->rank != 2) return 0;
        while (b < 1 << 16 && b * (b - 1) / 2 < tensor->shape[1]) b++;
    } else {
        if (tensor->rank != 3) return 0;
        b = tensor->shape[1];
    }
    size_t blocks = config->share ? config->r : tensor->shape[0];
    return orthsr__mul(&width, blocks, b) && width <= ORTHSR__MAX_SIZE ? width : 0;
}

enum { IN, OUT };

/* Where a module found in a file belongs, to sort by and to look for its neighbours. */
typedef struct place {
    size_t tower, layer, map;
    size_t features[2]; /* IN and OUT; 0: not known yet */
    const char *name;
    size_t length;
} place;

static int compare_places(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->tower != y->tower) return x->tower < y->tower ? -1 : 1;
    if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
    return x->map < y->map ? -1 : x->map > y->map;
}

/* One side's features, or what tells them: of an attention's map, which is square, its other side; of fc1 and fc2 each other's, and where they meet the
 * tower's width (what fc1 takes, what fc2 gives) that of its attention. 0 when there is nothing. */
static size_t features_of(const place *at, int side, const place *places, size_t count) {
    if (at->features[side]) return at->features[side];
    if (at->map <= ORTHSR__OUT) return at->features[!side];
    bool is_width = (at->map == ORTHSR__FC1) == (side == IN);
    for (size_t i = 0; i < count; i++) {
        const place *other = &places[i];
        if (other->tower != at->tower) continue;
        if (other->map == (at->map == ORTHSR__FC1 ? ORTHSR__FC2 : ORTHSR__FC1) && other->features[!side]) return other->features[!side];
        if (is_width && other->map <= ORTHSR__OUT) return other->features[IN] ? other->features[IN] : other->features[OUT];
    }
    return 0;
}

/* One tensor of the file; places (count) has room for another. */
static orthsr_status find_place(place *places, size_t *count, const orthsr__tensor *tensor, const orthsr__peft_config *config, const char *path,
                                orthsr_error *error) {
    orthsr__peft_name name = orthsr__peft_parse(tensor->name);
    orthsr__peft_kind kind = name.kind;
    place at = {.name = name.module, .length = name.length};
    if (kind == ORTHSR__PEFT_KINDS || !parse_module(&at.tower, &at.layer, &at.map, at.name, at.length))
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH,
                            "'%s': tensor '%.256s' is on no map of a CLIP that is known by its name alone; open it with its model", path, tensor->name);
    size_t i = 0;
    while (i < *count && compare_places(&places[i], &at) != 0) i++;
    if (i == ORTHSR__MAX_TARGETS) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' adapts more than %d modules", path, ORTHSR__MAX_TARGETS);
    if (i == *count) places[(*count)++] = at;
    if (kind == ORTHSR__PEFT_SCALE) places[i].features[OUT] = tensor->rank > 0 ? tensor->shape[0] : 0;
    else places[i].features[config->output_side ? OUT : IN] = width_of(tensor, kind, config);
    return ORTHSR_OK;
}

orthsr_status orthsr__modules_of_file(orthsr__modules *out, const orthsr__safetensors *file, const orthsr__peft_config *config, orthsr_error *error) {
    *out = (orthsr__modules){.kind_of_model = "CLIP"};
    size_t count = 0;
    place *places = orthsr__calloc(file->count, sizeof *places);
    orthsr_status status = places ? ORTHSR_OK : orthsr__fail_memory(error, "a list of modules");
    for (size_t i = 0; i < file->count && !status; i++) status = find_place(places, &count, &file->tensors[i], config, file->path, error);
    if (!status) qsort(places, count, sizeof *places, compare_places);
    for (size_t i = 0; i < count && !status; i++) {
        const place *at = &places[i];
        size_t in = features_of(at, IN, places, count), out_features = features_of(at, OUT, places, count);
        if (in == 0 || out_features == 0) {
            status =
                orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s': how many %s module '%.*s' has cannot be told from the file alone; open it with its model",
                             file->path, in == 0 ? "inputs" : "outputs", (int)(at->length < 256 ? at->length : 256), at->name);
            break;
        }
        orthsr__module module = {.in = in, .out = out_features, .is_called = true};
        module.map = orthsr__format("%s.%zu.%s", TOWERS[at->tower].name, at->layer, MAPS[at->map].map);
        module.name = orthsr__strndup(at->name, at->length);
        status = append(out, module, error);
    }
    free(places);
    if (status) orthsr__modules_free(out);
    return status;
}
