/* tokenizer_config.c - the files beside a transformers vocabulary that change ids.
 *
 * Every special token that they name is found in texts, as transformers does it: those of added_tokens_decoder as described there, the
 * others (bos_token, pad_token, ...) before cleaning, or after it where they are objects that are "normalized". Of two that name the same token
 * the later in transformers' order counts; one that tokenizer.json has described stays as it is. special_tokens_map.json and
 * added_tokens.json are older forms and count only without added_tokens_decoder.
 */
#include "clip/reading.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"

/* *out is NULL when there is no such file. It and *path are for the caller to release, after a failure too. */
static orthsr_status load(json_t **out, char **path, const orthsr__reading *r, const char *name) {
    *path = orthsr__join(r->directory, name);
    if (!*path) return orthsr__fail_memory(r->error, "a file name");
    return orthsr__is_file(*path) ? orthsr__json_load_reals(out, *path, ORTHSR__CONFIG_LIMIT, r->error) : ORTHSR_OK;
}

static bool is_one_of(const json_t *value, const char *const *texts, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (json_is_string(value) && strcmp(json_string_value(value), texts[i]) == 0) return true;
    return false;
}

static orthsr_status check_settings(const orthsr__reading *r, const json_t *config) {
    static const char *const classes[] = {"CLIPTokenizer", "CLIPTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"}, *const right[] = {"right"};
    static const struct {
        const char *key;
        const char *const *texts;
        size_t n;
    } settings[] = {{"tokenizer_class", classes, 4}, {"truncation_side", right, 1}, {"padding_side", right, 1}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        const json_t *value = json_object_get(config, settings[i].key);
        if (value && !json_is_null(value) && !is_one_of(value, settings[i].texts, settings[i].n))
            return orthsr__fail(r->error, ORTHSR_ERROR_UNSUPPORTED, "'%s': \"%s\" is not %s, which this library does", r->path, settings[i].key,
                                settings[i].texts[0]);
    }
    if (json_is_true(json_object_get(config, "split_special_tokens")))
        return orthsr__fail(r->error, ORTHSR_ERROR_UNSUPPORTED, "'%s': \"split_special_tokens\" is set, which this library does not do", r->path);
    return ORTHSR_OK;
}

/* The name of a token that is a string or an object; NULL for anything else. */
static const char *content_of(const json_t *token) { return json_string_value(json_is_object(token) ? json_object_get(token, "content") : token); }

/* Adds one token that `key` names; one among the first `settled` added tokens stays as it is. */
static orthsr_status add_named(orthsr__reading *r, const char *key, const json_t *token, size_t settled) {
    const char *content = content_of(token);
    if (!content || !*content) return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s': \"%s\" must name a token", r->path, key);
    int32_t id = orthsr__reading_id(r, content);
    if (id < 0)
        return orthsr__fail(r->error, ORTHSR_ERROR_UNSUPPORTED, "'%s': \"%s\" is \"%.100s\", for which the vocabulary has no entry", r->path, key, content);
    ORTHSR__TRY(orthsr__reading_check_token(r, token, content));
    if (orthsr__reading_find_token(r, id) < settled) return ORTHSR_OK;
    return orthsr__reading_add_token(r, content, id, json_is_true(json_object_get(token, "normalized")));
}

/* {"49406": {"content": ..., "normalized": ...}, ...}: these tokens are as they are described here. */
static orthsr_status add_decoder(orthsr__reading *r, json_t *decoder) {
    const char *number;
    json_t *token;
    json_object_foreach(decoder, number, token) {
        const char *content = content_of(token);
        char expected[16] = "no id";
        int32_t id = content ? orthsr__reading_id(r, content) : -1;
        if (id >= 0) snprintf(expected, sizeof expected, "%d", (int)id);
        if (!content || strcmp(number, expected) != 0)
            return orthsr__fail(r->error, ORTHSR_ERROR_UNSUPPORTED, "'%s': added_tokens_decoder has \"%.100s\" at %.20s, where the vocabulary has %s", r->path,
                                content ? content : "", number, expected);
        ORTHSR__TRY(add_named(r, "added_tokens_decoder", token, 0));
    }
    return ORTHSR_OK;
}

/* Start and end are fixed; what else is named bos_token and the like is found in texts. */
static orthsr_status add_named_tokens(orthsr__reading *r, const json_t *config, const json_t *map, const char *config_path, const char *map_path,
                                      size_t settled) {
    static const struct {
        const char *key, *usual;
        bool fixed;
    } names[] = {{"bos_token", ORTHSR__START_NAME, true},
                 {"eos_token", ORTHSR__END_NAME, true},
                 {"unk_token", ORTHSR__END_NAME, false},
                 {"sep_token", NULL, false},
                 {"pad_token", ORTHSR__END_NAME, false},
                 {"cls_token", NULL, false},
                 {"mask_token", NULL, false}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const json_t *token = json_object_get(map, names[i].key);
        r->path = token ? map_path : config_path;
        if (!token) token = json_object_get(config, names[i].key);
        const char *content = content_of(token);
        if (names[i].fixed && token && (!content || strcmp(content, names[i].usual) != 0))
            return orthsr__fail(r->error, ORTHSR_ERROR_UNSUPPORTED, "'%s': \"%s\" is not %s", r->path, names[i].key, names[i].usual);
        json_t *usual = NULL;
        if (!token && names[i].usual && !(usual = json_string(names[i].usual))) return orthsr__fail_memory(r->error, r->path);
        orthsr_status status = ORTHSR_OK;
        if (usual || (token && !json_is_null(token))) status = add_named(r, names[i].key, usual ? usual : token, settled);
        if (!status && content && strcmp(names[i].key, "pad_token") == 0) r->tokenizer->pad = orthsr__reading_id(r, content);
        json_decref(usual);
        if (status) return status;
    }
    return ORTHSR_OK;
}

/* Lists of further tokens, and tokens of names of their own ("image_token"). */
static orthsr_status add_further_tokens(orthsr__reading *r, json_t *object, size_t settled) {
    static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};
    const char *key, *inner;
    json_t *value, *item;
    size_t index;
    json_object_foreach(object, key, value) {
        size_t length = strlen(key);
        if (strcmp(key, lists[0]) == 0 || strcmp(key, lists[1]) == 0) {
            json_array_foreach(value, index, item) ORTHSR__TRY(add_named(r, key, item, settled));
            if (json_is_object(value)) json_object_foreach(value, inner, item) ORTHSR__TRY(add_named(r, key, item, settled));
        } else if (length > 6 && strcmp(key + length - 6, "_token") == 0 && content_of(value)) {
            if (orthsr__reading_find_token(r, orthsr__reading_id(r, content_of(value))) == SIZE_MAX) ORTHSR__TRY(add_named(r, key, value, settled));
        }
    }
    return ORTHSR_OK;
}

/* {"<token>": id, ...}: only what is known already. */
static orthsr_status check_added(const orthsr__reading *r, json_t *added) {
    const char *content;
    json_t *id;
    json_object_foreach(added, content, id) {
        int32_t known = orthsr__reading_id(r, content);
        if (known < 0 || orthsr__reading_find_token(r, known) == SIZE_MAX || json_number_value(id) != known)
            return orthsr__fail(r->error, ORTHSR_ERROR_UNSUPPORTED,
                                "'%s' adds \"%.100s\", which is no special token of the vocabulary; a tokenizer.json can describe it", r->path, content);
    }
    return ORTHSR_OK;
}

orthsr_status orthsr__read_tokenizer_config(orthsr__reading *r) {
    json_t *config = NULL, *map = NULL, *added = NULL;
    char *config_path = NULL, *map_path = NULL, *added_path = NULL;
    size_t settled;
    orthsr_status status = load(&config, &config_path, r, "tokenizer_config.json");
    if (status) goto done;
    r->path = config_path;
    json_t *decoder = json_object_get(config, "added_tokens_decoder");
    if ((status = check_settings(r, config)) || (status = add_decoder(r, decoder))) goto done;
    settled = r->tokenizer->added_count;
    if (!decoder && ((status = load(&map, &map_path, r, "special_tokens_map.json")) || (status = load(&added, &added_path, r, "added_tokens.json")))) goto done;
    r->path = map_path;
    if ((status = check_settings(r, map)) || (status = add_named_tokens(r, config, map, config_path, map_path, settled))) goto done;
    r->path = config_path;
    if ((status = add_further_tokens(r, config, settled))) goto done;
    r->path = map_path;
    if ((status = add_further_tokens(r, map, settled))) goto done;
    r->path = added_path;
    status = check_added(r, added);
done:
    json_decref(config);
    json_decref(map);
    json_decref(added);
    free(config_path);
    free(map_path);
    free(added_path);
    return status;
}
