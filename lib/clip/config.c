/* config.c - a CLIP's sizes, from open_clip's or Hugging Face's JSON, or from the shapes of OpenAI's tensors.
 *
 * Whatever would change the computation and is not known here is refused by name: a silent default is a wrong embedding.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "clip/model.h"
#include "clip/position.h"
#include "clip/preprocess.h"
#include "io/json.h"

/* ---- helpers on JSON ---------------------------------------------------------------------------------------------- */

static orthsr_status activation_by_name(orthsr__activation *out, const char *name, const char *path, orthsr_error *error) {
    if (strcmp(name, "quick_gelu") == 0) *out = ORTHSR__QUICK_GELU;
    else if (strcmp(name, "gelu") == 0) *out = ORTHSR__GELU;
    else if (strcmp(name, "gelu_pytorch_tanh") == 0 || strcmp(name, "gelu_new") == 0) *out = ORTHSR__GELU_TANH;
    else return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: activation '%s' is not supported (quick_gelu, gelu, gelu_pytorch_tanh are)", path, name);
    return ORTHSR_OK;
}

/* True for the values that leave an option off: absent, null, false, 0, {}. */
static bool is_off(const json_t *value) {
    return !value || json_is_null(value) || json_is_false(value) || (json_is_number(value) && json_number_value(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

static orthsr_status object_member(const json_t **out, const json_t *object, const char *key, const char *path, orthsr_error *error) {
    *out = json_object_get(object, key);
    if (!*out || !json_is_object(*out)) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: object '%s' is missing", path, key);
    return ORTHSR_OK;
}

/* NULL when absent or null. */
static orthsr_status optional_object(const json_t **out, const json_t *object, const char *key, const char *path, orthsr_error *error) {
    *out = json_object_get(object, key);
    if (json_is_null(*out)) *out = NULL;
    return !*out || json_is_object(*out) ? ORTHSR_OK : orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: '%s' must be an object", path, key);
}

/* Pixels of a square's side: a number, or two equal ones. Absent or null: *out keeps its value. */
static orthsr_status read_side(size_t *out, const json_t *object, const char *key, const char *path, orthsr_error *error) {
    const json_t *pair = json_object_get(object, key);
    if (!json_is_array(pair)) return orthsr__json_size(out, object, key, path, error);
    size_t height, width;
    if (json_array_size(pair) != 2 || !orthsr__json_as_size(&height, json_array_get(pair, 0)) || !orthsr__json_as_size(&width, json_array_get(pair, 1)))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: '%s' must be a number of pixels, or two", path, key);
    if (height != width) return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: '%s': %zu x %zu is not supported, only squares", path, key, height, width);
    *out = height;
    return ORTHSR_OK;
}

/* A key must be absent, off, or this string. */
static orthsr_status only(const json_t *object, const char *key, const char *allowed, const char *path, orthsr_error *error) {
    const json_t *value = json_object_get(object, key);
    if (is_off(value) || (json_is_string(value) && allowed && strcmp(json_string_value(value), allowed) == 0)) return ORTHSR_OK;
    char *text = orthsr__json_text(value, JSON_ENCODE_ANY | JSON_COMPACT);
    orthsr_status status = orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: '%s': %s is not supported", path, key, text ? text : "this value");
    free(text);
    return status;
}

/* ---- open_clip ------------------------------------------------------------------------------------------------------ */

/* Keys that are read below or that no inference depends on, by object. Any other key must be off: it could change what is computed. */
static const char *const model_keys[] = {"embed_dim",  "vision_cfg",  "text_cfg", "quick_gelu", "custom_text", "init_logit_scale", "nonscalar_logit_scale",
                                         "cast_dtype", "output_dict", NULL};
static const char *const vision_keys[] = {"layers",
                                          "width",
                                          "head_width",
                                          "mlp_ratio",
                                          "patch_size",
                                          "image_size",
                                          "no_ln_pre",
                                          "norm_kwargs",
                                          "act_kwargs",
                                          "pool_type",
                                          "block_type",
                                          "pos_embed_type",
                                          "patch_dropout",
                                          "output_tokens",
                                          "attn_pooler_queries",
                                          "attn_pooler_heads",
                                          "timm_model_pretrained",
                                          "timm_pool",
                                          "timm_proj",
                                          "timm_proj_bias",
                                          "timm_drop",
                                          "timm_drop_path",
                                          NULL};
static const char *const text_keys[] = {"layers",      "width",         "heads",        "mlp_ratio",      "context_length",      "vocab_size",
                                        "norm_kwargs", "act_kwargs",    "pool_type",    "block_type",     "proj_type",           "eos_id",
                                        "pad_id",      "output_tokens", "hf_proj_type", "hf_pooler_type", "hf_model_pretrained", NULL};

static orthsr_status refuse_others(const json_t *object, const char *const *known, const char *path, orthsr_error *error) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0) i++;
        if (!known[i]) ORTHSR__TRY(only(object, key, NULL, path, error));
    }
    return ORTHSR_OK;
}

/* GELU's own option, in open_clip's spelling. */
static orthsr_status read_act_kwargs(orthsr__tower_config *tower, const json_t *cfg, const char *path, orthsr_error *error) {
    const json_t *kwargs = json_object_get(cfg, "act_kwargs");
    const char *approximate = "none";
    if (is_off(kwargs)) return ORTHSR_OK;
    ORTHSR__TRY(refuse_others(kwargs, (const char *const[]){"approximate", NULL}, path, error));
    ORTHSR__TRY(orthsr__json_string(&approximate, kwargs, "approximate", path, error));
    bool tanh = strcmp(approximate, "tanh") == 0;
    if (tower->activation == ORTHSR__QUICK_GELU || !(tanh || strcmp(approximate, "none") == 0))
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: 'act_kwargs' with approximate '%s' is not supported (gelu with 'none' or 'tanh' is)", path,
                            approximate);
    tower->activation = tanh ? ORTHSR__GELU_TANH : ORTHSR__GELU;
    return ORTHSR_OK;
}

/* What both towers have. */
static orthsr_status read_open_clip_tower(orthsr__tower_config *tower, const json_t *cfg, const char *path, orthsr_error *error) {
    double ratio = 4;
    ORTHSR__TRY(orthsr__json_size(&tower->width, cfg, "width", path, error));
    ORTHSR__TRY(orthsr__json_size(&tower->layers, cfg, "layers", path, error));
    ORTHSR__TRY(orthsr__json_number(&ratio, cfg, "mlp_ratio", path, error));
    if (!(ratio > 0 && ratio < 1000)) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: mlp_ratio %g is out of range", path, ratio);
    tower->mlp = (size_t)fmin((double)tower->width * ratio, 1e18); /* what a size_t holds; check() has a say on both */
    ORTHSR__TRY(only(cfg, "block_type", "default", path, error));
    ORTHSR__TRY(read_act_kwargs(tower, cfg, path, error));
    const json_t *norm;
    ORTHSR__TRY(optional_object(&norm, cfg, "norm_kwargs", path, error));
    ORTHSR__TRY(refuse_others(norm, (const char *const[]){"eps", NULL}, path, error));
    return orthsr__json_number(&tower->eps, norm, "eps", path, error);
}

static orthsr_status read_open_clip(orthsr__config *config, const json_t *root, const char *path, orthsr_error *error) {
    const json_t *model_cfg, *vision, *text;
    ORTHSR__TRY(object_member(&model_cfg, root, "model_cfg", path, error));
    ORTHSR__TRY(object_member(&vision, model_cfg, "vision_cfg", path, error));
    ORTHSR__TRY(object_member(&text, model_cfg, "text_cfg", path, error));
    if (json_is_array(json_object_get(vision, "layers")))
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: a ResNet image tower ('layers' is a list) is not supported, only ViT", path);
    ORTHSR__TRY(refuse_others(vision, vision_keys, path, error));
    ORTHSR__TRY(refuse_others(text, text_keys, path, error));
    ORTHSR__TRY(refuse_others(model_cfg, model_keys, path, error));

    config->image = (orthsr__tower_config){.width = 768, .layers = 12, .eps = 1e-5};
    config->text = (orthsr__tower_config){.width = 512, .layers = 12, .heads = 8, .eps = 1e-5};
    config->image_size = 224;
    config->patch_size = 16;
    config->context_length = 77;
    config->vocab_size = 49408;
    ORTHSR__TRY(orthsr__json_size(&config->embed_dim, model_cfg, "embed_dim", path, error));
    bool quick_gelu = false, no_pre_norm = false;
    ORTHSR__TRY(orthsr__json_bool(&quick_gelu, model_cfg, "quick_gelu", path, error));
    config->image.activation = config->text.activation = quick_gelu ? ORTHSR__QUICK_GELU : ORTHSR__GELU;

    ORTHSR__TRY(read_open_clip_tower(&config->image, vision, path, error));
    ORTHSR__TRY(only(vision, "pool_type", "tok", path, error));
    ORTHSR__TRY(only(vision, "pos_embed_type", "learnable", path, error));
    ORTHSR__TRY(read_side(&config->image_size, vision, "image_size", path, error));
    ORTHSR__TRY(read_side(&config->patch_size, vision, "patch_size", path, error));
    ORTHSR__TRY(orthsr__json_bool(&no_pre_norm, vision, "no_ln_pre", path, error));
    config->pre_norm = !no_pre_norm;
    size_t head_width = 64;
    ORTHSR__TRY(orthsr__json_size(&head_width, vision, "head_width", path, error));
    if (head_width == 0) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: head_width is 0", path);
    config->image.heads = config->image.width / head_width;

    ORTHSR__TRY(read_open_clip_tower(&config->text, text, path, error));
    ORTHSR__TRY(only(text, "proj_type", "linear", path, error));
    const char *pool = "argmax";
    size_t end_id = 2;
    ORTHSR__TRY(orthsr__json_string(&pool, text, "pool_type", path, error));
    ORTHSR__TRY(orthsr__json_size(&end_id, text, "eos_id", path, error));
    if (strcmp(pool, "eos") == 0) config->pool_id = (ptrdiff_t)end_id;
    else ORTHSR__TRY(only(text, "pool_type", "argmax", path, error));
    ORTHSR__TRY(orthsr__json_size(&config->text.heads, text, "heads", path, error));
    ORTHSR__TRY(orthsr__json_size(&config->context_length, text, "context_length", path, error));
    ORTHSR__TRY(orthsr__json_size(&config->vocab_size, text, "vocab_size", path, error));
    return ORTHSR_OK;
}

/* ---- Hugging Face ----------------------------------------------------------------------------------------------------- */

static orthsr_status read_hf_tower(orthsr__tower_config *tower, const json_t *cfg, const char *path, orthsr_error *error) {
    const char *activation = "quick_gelu";
    ORTHSR__TRY(orthsr__json_size(&tower->width, cfg, "hidden_size", path, error));
    ORTHSR__TRY(orthsr__json_size(&tower->mlp, cfg, "intermediate_size", path, error));
    ORTHSR__TRY(orthsr__json_size(&tower->layers, cfg, "num_hidden_layers", path, error));
    ORTHSR__TRY(orthsr__json_size(&tower->heads, cfg, "num_attention_heads", path, error));
    ORTHSR__TRY(orthsr__json_number(&tower->eps, cfg, "layer_norm_eps", path, error));
    ORTHSR__TRY(orthsr__json_string(&activation, cfg, "hidden_act", path, error));
    return activation_by_name(&tower->activation, activation, path, error);
}

/* Old files hold a tower's config twice; transformers takes the whole of the second one. */
static orthsr_status hf_section(const json_t **out, const json_t *root, const char *key, const char *path, orthsr_error *error) {
    char twin[32];
    snprintf(twin, sizeof twin, "%s_dict", key);
    ORTHSR__TRY(optional_object(out, root, twin, path, error));
    return *out ? ORTHSR_OK : optional_object(out, root, key, path, error);
}

static orthsr_status read_huggingface(orthsr__config *config, const json_t *root, const char *path, orthsr_error *error) {
    const char *type = "clip";
    ORTHSR__TRY(orthsr__json_string(&type, root, "model_type", path, error));
    if (strcmp(type, "clip") != 0) return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: model_type '%s' is not supported (clip is)", path, type);
    /* transformers' own defaults, for members a config leaves out */
    config->image = (orthsr__tower_config){.width = 768, .layers = 12, .heads = 12, .mlp = 3072, .eps = 1e-5};
    config->text = (orthsr__tower_config){.width = 512, .layers = 12, .heads = 8, .mlp = 2048, .eps = 1e-5};
    config->embed_dim = 512;
    config->image_size = 224;
    config->patch_size = 32;
    config->context_length = 77;
    config->vocab_size = 49408;
    config->pre_norm = true;
    const json_t *vision, *text;
    ORTHSR__TRY(hf_section(&vision, root, "vision_config", path, error));
    ORTHSR__TRY(hf_section(&text, root, "text_config", path, error));
    size_t end_id = 49407, channels = 3;
    ORTHSR__TRY(orthsr__json_size(&config->embed_dim, root, "projection_dim", path, error));
    ORTHSR__TRY(read_hf_tower(&config->image, vision, path, error));
    ORTHSR__TRY(read_hf_tower(&config->text, text, path, error));
    ORTHSR__TRY(read_side(&config->image_size, vision, "image_size", path, error));
    ORTHSR__TRY(read_side(&config->patch_size, vision, "patch_size", path, error));
    ORTHSR__TRY(orthsr__json_size(&channels, vision, "num_channels", path, error));
    if (channels != 3) return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: num_channels %zu is not supported (3 is)", path, channels);
    ORTHSR__TRY(orthsr__json_size(&config->context_length, text, "max_position_embeddings", path, error));
    ORTHSR__TRY(orthsr__json_size(&config->vocab_size, text, "vocab_size", path, error));
    ORTHSR__TRY(orthsr__json_size(&end_id, text, "eos_token_id", path, error));
    config->pool_id = end_id == 2 ? -1 : (ptrdiff_t)end_id; /* 2 is an old config's mistake; transformers takes the largest id then */
    return ORTHSR_OK;
}

/* ---- OpenAI: everything from shapes ------------------------------------------------------------------------------------ */

/* The tensor "<prefix><name>", which must have this rank. */
static orthsr_status shape_of(const orthsr__tensor **out, const orthsr_model *model, const char *prefix, const char *name, size_t rank, orthsr_error *error) {
    char full[256];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    *out = orthsr__model_find(model, full, NULL);
    if (!*out)
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "%s: no config file, and no tensor '%s' to infer the architecture from", model->files[0].path, full);
    if ((*out)->rank != rank)
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "%s: tensor '%s' has rank %zu instead of %zu", model->files[0].path, full, (*out)->rank, rank);
    return ORTHSR_OK;
}

static size_t count_layers(const orthsr_model *model, const char *prefix, const char *tower) {
    size_t layers = 0;
    for (;; layers++) {
        char name[256];
        snprintf(name, sizeof name, "%s%sresblocks.%zu.attn.in_proj_weight", prefix, tower, layers);
        if (!orthsr__model_find(model, name, NULL)) return layers;
    }
}

static orthsr_status infer_openai(orthsr__config *config, const orthsr_model *model, orthsr_error *error) {
    const char *path = model->files[0].path;
    if (orthsr__model_find_suffix(model, "visual.layer1.0.conv1.weight"))
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: a ResNet image tower is not supported, only ViT", path);
    const orthsr__tensor *conv = orthsr__model_find_suffix(model, "visual.conv1.weight"), *position, *token, *context, *projection, *image_fc, *text_fc;
    char prefix[128] = "";
    if (conv) snprintf(prefix, sizeof prefix, "%.*s", (int)(strlen(conv->name) - strlen("visual.conv1.weight")), conv->name);
    ORTHSR__TRY(shape_of(&conv, model, prefix, "visual.conv1.weight", 4, error));
    ORTHSR__TRY(shape_of(&position, model, prefix, "visual.positional_embedding", 2, error));
    ORTHSR__TRY(shape_of(&token, model, prefix, "token_embedding.weight", 2, error));
    ORTHSR__TRY(shape_of(&context, model, prefix, "positional_embedding", 2, error));
    ORTHSR__TRY(shape_of(&projection, model, prefix, "text_projection", 2, error));
    ORTHSR__TRY(shape_of(&image_fc, model, prefix, "visual.transformer.resblocks.0.mlp.c_fc.weight", 2, error));
    ORTHSR__TRY(shape_of(&text_fc, model, prefix, "transformer.resblocks.0.mlp.c_fc.weight", 2, error));
    config->embed_dim = projection->shape[1];
    config->patch_size = conv->shape[3];
    size_t grid = orthsr__position_grid(position->shape[0]);
    if (grid == 0)
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "%s: tensor '%s' has %zu rows, which are no class token and a square of patches", path,
                            position->name, position->shape[0]);
    config->image_size = grid * config->patch_size;
    config->context_length = context->shape[0];
    config->vocab_size = token->shape[0];
    config->pre_norm = true;
    config->image =
        (orthsr__tower_config){.width = conv->shape[0], .layers = count_layers(model, prefix, "visual.transformer."), .mlp = image_fc->shape[0], .eps = 1e-5};
    config->text =
        (orthsr__tower_config){.width = token->shape[1], .layers = count_layers(model, prefix, "transformer."), .mlp = text_fc->shape[0], .eps = 1e-5};
    config->image.heads = config->image.width / 64;
    config->text.heads = config->text.width / 64;
    config->image.activation = config->text.activation = ORTHSR__QUICK_GELU;
    return ORTHSR_OK;
}

/* ---- all ------------------------------------------------------------------------------------------------------------------ */

/* Sizes that later arithmetic relies on. */
static orthsr_status check(const orthsr__config *config, const char *path, orthsr_error *error) {
    const size_t sizes[] = {config->embed_dim,   config->image_size,   config->patch_size,  config->context_length, config->vocab_size,
                            config->image.width, config->image.layers, config->image.heads, config->image.mlp,      config->text.width,
                            config->text.layers, config->text.heads,   config->text.mlp};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] == 0 || sizes[i] > ORTHSR__MAX_SIZE)
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: a size of the architecture is %zu", path, sizes[i]);
    if (config->image_size < config->patch_size) /* pixels beyond the last whole patch are left out, as a convolution leaves them out */
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: image_size %zu is less than patch_size %zu", path, config->image_size, config->patch_size);
    if (config->image.width % config->image.heads || config->text.width % config->text.heads)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: a tower's width is not a multiple of its heads", path);
    if (config->image.eps < 0 || config->text.eps < 0) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: a layer norm's eps is negative", path);
    if (config->image_size / config->patch_size > ORTHSR__MAX_GRID) /* position embeddings may be interpolated: their number is not bounded by the file */
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: %zu patches a side; at most %d are read", path, config->image_size / config->patch_size,
                            ORTHSR__MAX_GRID);
    if (config->context_length > ORTHSR__MAX_CONTEXT)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: a context of %zu tokens; at most %d are read", path, config->context_length,
                            ORTHSR__MAX_CONTEXT);
    if (config->context_length < 2)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: a context of %zu tokens is too short", path, config->context_length);
    return ORTHSR_OK;
}

/* The model is to take images of another size than its own. */
static orthsr_status resize_input(orthsr__config *config, size_t size, orthsr_error *error) {
    if (size < config->patch_size)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "an image size of %zu is less than one patch of this model, %zu pixels", size, config->patch_size);
    if (size / config->patch_size > ORTHSR__MAX_GRID)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "an image size of %zu is more than %d patches of this model, %zu pixels each", size, ORTHSR__MAX_GRID,
                            config->patch_size);
    orthsr__preprocess_resize(&config->preprocess, config->image_size, size);
    config->image_size = size;
    return ORTHSR_OK;
}

orthsr_status orthsr__config_read(orthsr_model *model, orthsr_error *error) {
    orthsr__config *config = &model->config;
    *config = (orthsr__config){.pool_id = -1};
    bool huggingface = orthsr__model_find_suffix(model, "vision_model.embeddings.class_embedding") != NULL;
    char *path = orthsr__join(model->directory, huggingface ? "config.json" : "open_clip_config.json");
    char *other = orthsr__join(model->directory, "config.json");
    json_t *root = NULL;
    orthsr_status status = path && other ? ORTHSR_OK : orthsr__fail_memory(error, "a file name");
    if (status) goto done;
    if (huggingface) {
        config->family = ORTHSR__HUGGINGFACE;
        status = orthsr__json_load(&root, path, ORTHSR__CONFIG_LIMIT, error);
        if (!status) status = read_huggingface(config, root, path, error);
    } else if (orthsr__is_there(path)) {
        config->family = ORTHSR__OPEN_CLIP;
        status = orthsr__json_load(&root, path, ORTHSR__CONFIG_LIMIT, error);
        if (!status) status = read_open_clip(config, root, path, error);
    } else {
        config->family = ORTHSR__OPENAI;
        const char *type = NULL;
        if (orthsr__is_there(other)) status = orthsr__json_load(&root, other, ORTHSR__CONFIG_LIMIT, error);
        if (!status && root) status = orthsr__json_string(&type, root, "model_type", other, error);
        if (!status && type && strcmp(type, "clip") != 0)
            status = orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: model_type '%s' is not supported (clip is)", other, type);
        if (!status) status = infer_openai(config, model, error);
    }
    if (!status) status = check(config, config->family == ORTHSR__OPENAI ? model->files[0].path : path, error);
    if (!status) status = orthsr__preprocess_read(config, root, path, model->directory, error);
    if (!status && model->options.image_size) status = resize_input(config, model->options.image_size, error);
done:
    json_decref(root);
    free(path);
    free(other);
    return status;
}
