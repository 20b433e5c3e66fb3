/* peft_config.c - adapter_config.json: what it says about the matrices, and what of it cannot be represented. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "clip/peft.h"
#include "io/json.h"

enum { MAX_TERMS = 100 };

/* Keys that are read below, and keys that say how an adapter was trained, or on which modules. Any other key could change what is computed. */
static const char *const KNOWN[] = {
    "peft_type",
    "peft_version",
    "bias",
    "r",
    "oft_block_size",
    "block_share",
    "coft",
    "eps",
    "use_cayley_neumann",
    "num_cayley_neumann_terms",
    "auto_mapping",
    "base_model_name_or_path",
    "exclude_modules",
    "inference_mode",
    "init_weights",
    "layers_pattern",
    "layers_to_transform",
    "module_dropout",
    "revision",
    "target_modules",
    "task_type",
};

static bool is_known(const char *key) {
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (strcmp(key, KNOWN[i]) == 0) return true;
    return false;
}

/* PEFT's way to say that a feature is not used. */
static bool is_off(const json_t *value) {
    return json_is_null(value) || json_is_false(value) || (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

static orthsr_status refuse_unknown(const json_t *config, const char *path, orthsr_error *error) {
    for (void *at = json_object_iter((json_t *)config); at; at = json_object_iter_next((json_t *)config, at)) {
        const char *key = json_object_iter_key(at);
        if (!is_known(key) && !is_off(json_object_iter_value(at)))
            return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s': \"%.64s\" is set, and may change what is computed; " ORTHSR__PEFT_REMEDY, path, key);
    }
    return ORTHSR_OK;
}

static orthsr_status check_kind(const json_t *config, const char *path, orthsr_error *error) {
    const char *type = NULL, *bias = "none";
    ORTHSR__TRY(orthsr__json_string(&type, config, "peft_type", path, error));
    if (!type) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': \"peft_type\" is missing: this is no PEFT adapter", path);
    if (strcmp(type, "OFT") != 0)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s': \"peft_type\" is \"%.64s\"; only \"OFT\" can be read: " ORTHSR__PEFT_REMEDY, path, type);
    ORTHSR__TRY(orthsr__json_string(&bias, config, "bias", path, error));
    if (strcmp(bias, "none") != 0)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s': \"bias\" is \"%.64s\", and a trained bias is no rotation; " ORTHSR__PEFT_REMEDY, path,
                            bias);
    return ORTHSR_OK;
}

/* How maps are divided. A config without oft_block_size is of PEFT before 0.14, which knew r alone, and where OFT was y = (x W^T) R. */
static orthsr_status read_division(orthsr__peft_config *out, const json_t *config, const char *path, orthsr_error *error) {
    ORTHSR__TRY(orthsr__json_size(&out->r, config, "r", path, error));
    out->output_side = !json_object_get(config, "oft_block_size");
    if (out->output_side && out->r == 0)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': neither \"oft_block_size\" nor an \"r\" above 0 says how maps are divided", path);
    ORTHSR__TRY(orthsr__json_size(&out->block_size, config, "oft_block_size", path, error));
    if ((out->r == 0) == (out->block_size == 0))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': \"r\" is %zu and \"oft_block_size\" %zu: exactly one of them must not be 0", path, out->r,
                            out->block_size);
    return ORTHSR_OK;
}

/* Releases up to 0.17, which wrote no version, gave the last power the coefficient 2, later ones 1. */
static orthsr_status is_before_018(bool *out, const json_t *config, const char *path, orthsr_error *error) {
    const char *version = NULL;
    ORTHSR__TRY(orthsr__json_string(&version, config, "peft_version", path, error));
    *out = true;
    if (!version) return ORTHSR_OK;
    unsigned major, minor;
    int end = 0;
    if (!isdigit((unsigned char)*version) || sscanf(version, "%4u.%4u%n", &major, &minor, &end) != 2 || end == 0)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': \"peft_version\" is \"%.64s\", no version number", path, version);
    const char *rest = version + end; /* of "0.18.0.dev0@1a2b": ".0.dev0@1a2b" */
    if (strncmp(rest, ".0", 2) == 0) rest += 2;
    bool release = *rest == '\0' || *rest == '@' || (*rest == '.' && isdigit((unsigned char)rest[1]));
    if (major == 0 && minor == 18 && !release)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED,
                            "'%s': \"peft_version\" is \"%.64s\", and the series changed in the course of that development: write \"0.17.0\" for the old one or"
                            " \"0.18.0\" for the new",
                            path, version);
    *out = major == 0 && minor < 18;
    return ORTHSR_OK;
}

static orthsr_status read_series(orthsr__peft_config *out, const json_t *config, const char *path, orthsr_error *error) {
    size_t terms = 5;
    out->neumann = true;
    ORTHSR__TRY(orthsr__json_bool(&out->neumann, config, "use_cayley_neumann", path, error));
    ORTHSR__TRY(orthsr__json_size(&terms, config, "num_cayley_neumann_terms", path, error));
    if (!out->neumann) return ORTHSR_OK;
    if (terms > MAX_TERMS)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s': \"num_cayley_neumann_terms\" is %zu; at most %d are summed", path, terms, MAX_TERMS);
    out->degree = terms > 0 ? terms - 1 : 0;
    out->last = 2;
    if (terms < 3) return ORTHSR_OK;
    bool before;
    ORTHSR__TRY(is_before_018(&before, config, path, error));
    if (before) return ORTHSR_OK;
    out->last = 1;
    if (out->degree < 3) out->degree = 3; /* 3 terms are summed as 4 are */
    return ORTHSR_OK;
}

static orthsr_status read_config(orthsr__peft_config *out, const json_t *config, const char *path, orthsr_error *error) {
    *out = (orthsr__peft_config){.eps = 6e-5};
    ORTHSR__TRY(check_kind(config, path, error));
    ORTHSR__TRY(refuse_unknown(config, path, error));
    ORTHSR__TRY(read_division(out, config, path, error));
    ORTHSR__TRY(read_series(out, config, path, error));
    ORTHSR__TRY(orthsr__json_bool(&out->share, config, "block_share", path, error));
    ORTHSR__TRY(orthsr__json_bool(&out->coft, config, "coft", path, error));
    ORTHSR__TRY(orthsr__json_number(&out->eps, config, "eps", path, error));
    if (out->eps < 0) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': \"eps\" is %g; it must not be negative", path, out->eps);
    return ORTHSR_OK;
}

orthsr_status orthsr__peft_config_read(orthsr__peft_config *out, const char *path, orthsr_error *error) {
    json_t *config;
    ORTHSR__TRY(orthsr__json_load(&config, path, ORTHSR__CONFIG_LIMIT, error));
    orthsr_status status = read_config(out, config, path, error);
    json_decref(config);
    return status;
}
