/* config.c - a CLIP's sizes, from open_clip's or Hugging Face's JSON, or from the shapes of OpenAI's tensors.
 *
 * Whatever would change the computation and is not known here is refused by name: a silent default is a wrong embedding.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "clip/model.h"
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

/* A key must be absent, off, or this string. */
static orthsr_status only(const json_t *object, const char *key, const char *allowed, const char *path, orthsr_error *error) {
    const json_t *value = json_object_get(object, key);
    if (is_off(value) || (json_is_string(value) && allowed && strcmp(json_string_value(value), allowed) == 0)) return ORTHSR_OK;
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    orthsr_status status = orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: '%s': %s is not supported", path, key, text ? text : "this value");
    free(text);
    return status;
}

/* ---- open_clip ------------------------------------------------------------------------------------------------------ */

/* Options of open_clip's towers that leave the computation as we do it only at the value given (NULL: only when off). */
static const struct {
    const char *key, *allowed;
} open_clip_fixed[] = {
    {"timm_model_name", NULL},    {"hf_model_name", NULL},         {"attentional_pool", NULL}, {"ls_init_value", NULL},       {"final_ln_after_pool", NULL},
    {"embed_cls", NULL},          {"no_causal_mask", NULL},        {"proj_bias", NULL},        {"correct_cls_mask", NULL},    {"attn_type", NULL},
    {"block_type", "default"},    {"pos_embed_type", "learnable"}, {"pool_type", NULL},        {"proj_type", "linear"},       {"qk_norm", NULL},
    {"scaled_cosine_attn", NULL}, {"scale_heads", NULL},           {"scale_attn_inner", NULL}, {"scale_attn", NULL},          {"scale_fc", NULL},
    {"act_kwargs", NULL},         {"use_ln_post", NULL},           {"input_patchnorm", NULL},  {"global_average_pool", NULL},
};

static orthsr_status read_open_clip_tower(orthsr__tower_config *tower, const json_t *cfg, const char *pool, const char *path, orthsr_error *error) {
    if (json_is_array(json_object_get(cfg, "layers")))
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: a ResNet image tower ('layers' is a list) is not supported, only ViT", path);
    for (size_t i = 0; i < sizeof open_clip_fixed / sizeof *open_clip_fixed; i++) {
        const char *allowed = strcmp(open_clip_fixed[i].key, "pool_type") == 0 ? pool : open_clip_fixed[i].allowed;
        ORTHSR__TRY(only(cfg, open_clip_fixed[i].key, allowed, path, error));
    }
    double ratio = 4;
    ORTHSR__TRY(orthsr__json_size(&tower->width, cfg, "width", path, error));
    ORTHSR__TRY(orthsr__json_size(&tower->layers, cfg, "layers", path, error));
    ORTHSR__TRY(orthsr__json_number(&ratio, cfg, "mlp_ratio", path, error));
    if (!(ratio > 0 && ratio < 1000)) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: mlp_ratio %g is out of range", path, ratio);
    tower->mlp = (size_t)((double)tower->width * ratio);
    const json_t *norm = json_object_get(cfg, "norm_kwargs");
    return orthsr__json_number(&tower->eps, norm, "eps", path, error);
}

static orthsr_status read_open_clip(orthsr__config *config, const json_t *root, const char *path, orthsr_error *error) {
    const json_t *model_cfg, *vision, *text;
    ORTHSR__TRY(object_member(&model_cfg, root, "model_cfg", path, error));
    ORTHSR__TRY(object_member(&vision, model_cfg, "vision_cfg", path, error));
    ORTHSR__TRY(object_member(&text, model_cfg, "text_cfg", path, error));
    ORTHSR__TRY(only(model_cfg, "multimodal_cfg", NULL, path, error));
    ORTHSR__TRY(only(model_cfg, "init_logit_bias", NULL, path, error));

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

    ORTHSR__TRY(read_open_clip_tower(&config->image, vision, "tok", path, error));
    ORTHSR__TRY(orthsr__json_size(&config->image_size, vision, "image_size", path, error));
    ORTHSR__TRY(orthsr__json_size(&config->patch_size, vision, "patch_size", path, error));
    ORTHSR__TRY(orthsr__json_bool(&no_pre_norm, vision, "no_ln_pre", path, error));
    config->pre_norm = !no_pre_norm;
    size_t head_width = 64;
    ORTHSR__TRY(orthsr__json_size(&head_width, vision, "head_width", path, error));
    if (head_width == 0) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: head_width is 0", path);
    config->image.heads = config->image.width / head_width;

    ORTHSR__TRY(read_open_clip_tower(&config->text, text, "argmax", path, error));
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
    const json_t *vision = json_object_get(root, "vision_config"), *text = json_object_get(root, "text_config");
    size_t end_id = 49407, channels = 3;
    ORTHSR__TRY(orthsr__json_size(&config->embed_dim, root, "projection_dim", path, error));
    ORTHSR__TRY(read_hf_tower(&config->image, vision, path, error));
    ORTHSR__TRY(read_hf_tower(&config->text, text, path, error));
    ORTHSR__TRY(orthsr__json_size(&config->image_size, vision, "image_size", path, error));
    ORTHSR__TRY(orthsr__json_size(&config->patch_size, vision, "patch_size", path, error));
    ORTHSR__TRY(orthsr__json_size(&channels, vision, "num_channels", path, error));
    if (channels != 3) return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: num_channels %zu is not supported (3 is)", path, channels);
    ORTHSR__TRY(orthsr__json_size(&config->context_length, text, "max_position_embeddings", path, error));
    ORTHSR__TRY(orthsr__json_size(&config->vocab_size, text, "vocab_size", path, error));
    ORTHSR__TRY(orthsr__json_size(&end_id, text, "eos_token_id", path, error));
    config->pool_id = end_id == 2 ? -1 : (ptrdiff_t)end_id; /* 2 is an old config's mistake; transformers takes the largest id then */
    return ORTHSR_OK;
}

/* ---- OpenAI: everything from shapes ------------------------------------------------------------------------------------ */

static orthsr_status shape_of(const orthsr__tensor **out, const orthsr_model *model, const char *name, size_t rank, orthsr_error *error) {
    *out = orthsr__model_find(model, name, NULL);
    if (!*out)
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "%s: no config file, and no tensor '%s' to infer the architecture from", model->files[0].path, name);
    if ((*out)->rank != rank)
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "%s: tensor '%s' has rank %zu instead of %zu", model->files[0].path, name, (*out)->rank, rank);
    return ORTHSR_OK;
}

static size_t count_layers(const orthsr_model *model, const char *prefix) {
    size_t layers = 0;
    for (;; layers++) {
        char name[96];
        snprintf(name, sizeof name, "%sresblocks.%zu.attn.in_proj_weight", prefix, layers);
        if (!orthsr__model_find(model, name, NULL)) return layers;
    }
}

static orthsr_status infer_openai(orthsr__config *config, const orthsr_model *model, orthsr_error *error) {
    const char *path = model->files[0].path;
    if (orthsr__model_find(model, "visual.layer1.0.conv1.weight", NULL))
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: a ResNet image tower is not supported, only ViT", path);
    const orthsr__tensor *conv, *position, *token, *context, *projection, *image_fc, *text_fc;
    ORTHSR__TRY(shape_of(&conv, model, "visual.conv1.weight", 4, error));
    ORTHSR__TRY(shape_of(&position, model, "visual.positional_embedding", 2, error));
    ORTHSR__TRY(shape_of(&token, model, "token_embedding.weight", 2, error));
    ORTHSR__TRY(shape_of(&context, model, "positional_embedding", 2, error));
    ORTHSR__TRY(shape_of(&projection, model, "text_projection", 2, error));
    ORTHSR__TRY(shape_of(&image_fc, model, "visual.transformer.resblocks.0.mlp.c_fc.weight", 2, error));
    ORTHSR__TRY(shape_of(&text_fc, model, "transformer.resblocks.0.mlp.c_fc.weight", 2, error));
    size_t grid = 0;
    while (grid * grid + 1 < position->shape[0]) grid++;
    config->embed_dim = projection->shape[1];
    config->patch_size = conv->shape[3];
    config->image_size = grid * config->patch_size;
    config->context_length = context->shape[0];
    config->vocab_size = token->shape[0];
    config->pre_norm = true;
    config->image =
        (orthsr__tower_config){.width = conv->shape[0], .layers = count_layers(model, "visual.transformer."), .mlp = image_fc->shape[0], .eps = 1e-5};
    config->text = (orthsr__tower_config){.width = token->shape[1], .layers = count_layers(model, "transformer."), .mlp = text_fc->shape[0], .eps = 1e-5};
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
        if (sizes[i] == 0 || sizes[i] > 1 << 24) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: a size of the architecture is %zu", path, sizes[i]);
    if (config->image_size % config->patch_size)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: image_size %zu is not a multiple of patch_size %zu", path, config->image_size,
                            config->patch_size);
    if (config->image.width % config->image.heads || config->text.width % config->text.heads)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: a tower's width is not a multiple of its heads", path);
    if (config->context_length < 2)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: a context of %zu tokens is too short", path, config->context_length);
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
    } else if (orthsr__is_file(path)) {
        config->family = ORTHSR__OPEN_CLIP;
        status = orthsr__json_load(&root, path, ORTHSR__CONFIG_LIMIT, error);
        if (!status) status = read_open_clip(config, root, path, error);
    } else {
        config->family = ORTHSR__OPENAI;
        const char *type = NULL;
        if (orthsr__is_file(other)) status = orthsr__json_load(&root, other, ORTHSR__CONFIG_LIMIT, error);
        if (!status && root) status = orthsr__json_string(&type, root, "model_type", other, error);
        if (!status && type && strcmp(type, "clip") != 0)
            status = orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: model_type '%s' is not supported (clip is)", other, type);
        if (!status) status = infer_openai(config, model, error);
    }
    if (!status) status = check(config, root ? path : model->files[0].path, error);
    if (!status) status = orthsr__preprocess_read(config, root, path, model->directory, error);
done:
    json_decref(root);
    free(path);
    free(other);
    return status;
}
