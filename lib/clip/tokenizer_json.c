/* tokenizer_json.c - tokenizer.json: ids, merges, special tokens and the whole way of a text in one file; transformers' rules. */
#include "clip/reading.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "io/json.h"

static orthsr_status unsupported(const orthsr__reading *r, const char *what) {
    return orthsr__fail(r->error, ORTHSR_ERROR_UNSUPPORTED, "'%s': %s; only CLIP's byte-level BPE can be read", r->path, what);
}

static bool is_string(const json_t *value, const char *text) { return json_is_string(value) && strcmp(json_string_value(value), text) == 0; }

/* Whether json[list] is a list of objects of these types, in this order. */
static bool has_types(const json_t *json, const char *list, const char *const *types, size_t n) {
    const json_t *items = json_object_get(json, list);
    if (json_array_size(items) != n) return false;
    for (size_t i = 0; i < n; i++)
        if (!is_string(json_object_get(json_array_get(items, i), "type"), types[i])) return false;
    return true;
}

/* The steps before BPE are CLIP's; the pattern comes with and without the special tokens' names. */
static orthsr_status check_pipeline(orthsr__reading *r, const json_t *root) {
    static const char *const normalizers[] = {"NFC", "Replace", "Lowercase"}, *const splitters[] = {"Split", "ByteLevel"};
    static const char *const names = "<\\|startoftext\\|>|<\\|endoftext\\|>|", *const pattern =
                                                                                   "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
    const json_t *normalizer = json_object_get(root, "normalizer"), *splitter = json_object_get(root, "pre_tokenizer");
    if (!has_types(normalizer, "normalizers", normalizers, 3)) return unsupported(r, "\"normalizer\" is not NFC, Replace, Lowercase");
    if (!has_types(splitter, "pretokenizers", splitters, 2)) return unsupported(r, "\"pre_tokenizer\" is not Split, ByteLevel");
    const json_t *replace = json_array_get(json_object_get(normalizer, "normalizers"), 1), *splitters_list = json_object_get(splitter, "pretokenizers");
    const json_t *split = json_array_get(splitters_list, 0), *bytes = json_array_get(splitters_list, 1);
    if (!is_string(json_object_get(json_object_get(replace, "pattern"), "Regex"), "\\s+") || !is_string(json_object_get(replace, "content"), " "))
        return unsupported(r, "the \"Replace\" of \"normalizer\" does not make white space one space");
    if (!is_string(json_object_get(split, "behavior"), "Removed") || !json_is_true(json_object_get(split, "invert")))
        return unsupported(r, "the \"Split\" of \"pre_tokenizer\" is not \"Removed\" with \"invert\"");
    if (json_is_true(json_object_get(bytes, "add_prefix_space"))) return unsupported(r, "\"add_prefix_space\" is set");
    const char *regex = json_string_value(json_object_get(json_object_get(split, "pattern"), "Regex"));
    bool named = regex && strncmp(regex, names, strlen(names)) == 0;
    if (!regex || strcmp(named ? regex + strlen(names) : regex, pattern) != 0) return unsupported(r, "the pattern of \"pre_tokenizer\" is not CLIP's");
    /* ByteLevel's own pattern parts nothing else than the names, and those it does. */
    if (named && json_is_false(json_object_get(bytes, "use_regex"))) return unsupported(r, "\"use_regex\" is false");
    r->tokenizer->rules = orthsr__transformers_rules;
    if (!named) r->tokenizer->rules.literals[0] = NULL;
    return ORTHSR_OK;
}

/* A special token of a post-processor: its name and its id. */
static bool is_token(const json_t *pair, const char *name, int32_t id) {
    return json_array_size(pair) == 2 && is_string(json_array_get(pair, 0), name) && json_integer_value(json_array_get(pair, 1)) == id;
}

/* "$A" of a template, or a special token in it. */
static bool is_piece(const json_t *piece, const char *kind, const char *id) { return is_string(json_object_get(json_object_get(piece, kind), "id"), id); }

static bool has_id(const json_t *tokens, const char *name, int32_t id) {
    const json_t *ids = json_object_get(json_object_get(tokens, name), "ids");
    return json_array_size(ids) == 1 && json_integer_value(json_array_get(ids, 0)) == id;
}

/* One start, the text, one end: what this library puts into every row, so a file that says nothing of it is taken too. */
static orthsr_status check_ends(const orthsr__reading *r, const json_t *root) {
    const orthsr_tokenizer *t = r->tokenizer;
    const json_t *processor = json_object_get(root, "post_processor"), *single = json_object_get(processor, "single");
    const json_t *type = json_object_get(processor, "type"), *tokens = json_object_get(processor, "special_tokens");
    bool done = !processor || json_is_null(processor) || is_string(type, "ByteLevel");
    if (is_string(type, "RobertaProcessing"))
        done =
            is_token(json_object_get(processor, "cls"), ORTHSR__START_NAME, t->start) && is_token(json_object_get(processor, "sep"), ORTHSR__END_NAME, t->end);
    if (is_string(type, "TemplateProcessing"))
        done = json_array_size(single) == 3 && is_piece(json_array_get(single, 0), "SpecialToken", ORTHSR__START_NAME) &&
               is_piece(json_array_get(single, 1), "Sequence", "A") && is_piece(json_array_get(single, 2), "SpecialToken", ORTHSR__END_NAME) &&
               has_id(tokens, ORTHSR__START_NAME, t->start) && has_id(tokens, ORTHSR__END_NAME, t->end);
    return done ? ORTHSR_OK : unsupported(r, "\"post_processor\" does not put <|startoftext|> before a text and <|endoftext|> after it");
}

/* Lengths are the caller's; but texts are cut and padded at their end. */
static orthsr_status check_direction(const orthsr__reading *r, const json_t *root, const char *key) {
    const json_t *direction = json_object_get(json_object_get(root, key), "direction");
    if (direction && !is_string(direction, "Right"))
        return orthsr__fail(r->error, ORTHSR_ERROR_UNSUPPORTED, "'%s': the \"direction\" of \"%s\" is not Right", r->path, key);
    return ORTHSR_OK;
}

static bool is_absent_or_empty(const json_t *value) { return !value || json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0); }

static orthsr_status check_model(const orthsr__reading *r, const json_t *model) {
    const json_t *type = json_object_get(model, "type"), *dropout = json_object_get(model, "dropout");
    if (!json_is_object(model)) return unsupported(r, "\"model\" is missing");
    if (type && !is_string(type, "BPE")) return unsupported(r, "\"model\" is not of type BPE");
    if (!is_string(json_object_get(model, "end_of_word_suffix"), "</w>")) return unsupported(r, "\"end_of_word_suffix\" is not </w>");
    if (!is_absent_or_empty(json_object_get(model, "continuing_subword_prefix"))) return unsupported(r, "\"continuing_subword_prefix\" is set");
    if (json_number_value(dropout) != 0) return unsupported(r, "\"dropout\" is set");
    if (json_is_true(json_object_get(model, "byte_fallback"))) return unsupported(r, "\"byte_fallback\" is set");
    if (json_is_true(json_object_get(model, "ignore_merges"))) return unsupported(r, "\"ignore_merges\" is set");
    if (!json_is_object(json_object_get(model, "vocab"))) return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s': model.vocab must be an object", r->path);
    if (!json_is_array(json_object_get(model, "merges"))) return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s': model.merges must be a list", r->path);
    return ORTHSR_OK;
}

/* Each merge is "a b" or ["a", "b"]. */
static orthsr_status read_merge_items(orthsr__reading *r, const json_t *merges) {
    for (size_t i = 0; i < json_array_size(merges); i++) {
        const json_t *item = json_array_get(merges, i), *left = json_array_get(item, 0), *right = json_array_get(item, 1);
        if (json_is_string(item)) {
            const char *line = json_string_value(item), *space = orthsr__merge_space(line, strlen(line));
            if (!space) return orthsr__malformed_merge(r, "model.merges", i);
            ORTHSR__TRY(orthsr__reading_merge(r, line, (size_t)(space - line), space + 1, strlen(space + 1), "model.merges", i));
        } else if (json_array_size(item) == 2 && json_is_string(left) && json_is_string(right)) {
            ORTHSR__TRY(orthsr__reading_merge(r, json_string_value(left), json_string_length(left), json_string_value(right), json_string_length(right),
                                              "model.merges", i));
        } else {
            return orthsr__malformed_merge(r, "model.merges", i);
        }
    }
    return ORTHSR_OK;
}

/* added_tokens: entries of the vocabulary, or new ones with the ids that follow it. */
static orthsr_status read_added_tokens(orthsr__reading *r, const json_t *list) {
    orthsr_tokenizer *t = r->tokenizer;
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n; i++) {
        const json_t *token = json_array_get(list, i);
        const char *content = json_string_value(json_object_get(token, "content"));
        size_t id;
        if (!content || !*content || !orthsr__json_as_size(&id, json_object_get(token, "id")))
            return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s': added_tokens %zu must have a \"content\" and an \"id\"", r->path, i);
        ORTHSR__TRY(orthsr__reading_check_token(r, token, content));
        int32_t known = orthsr__reading_id(r, content);
        if (known < 0 && id == t->size) {
            ORTHSR__TRY(orthsr__reading_add_symbol(r, content));
        } else if (known < 0 || (size_t)known != id) {
            return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s': the added token \"%.100s\" has id %zu, expected %zu", r->path, content, id,
                                known < 0 ? t->size : (size_t)known);
        }
        ORTHSR__TRY(orthsr__reading_add_token(r, content, (int32_t)id, json_is_true(json_object_get(token, "normalized"))));
    }
    return ORTHSR_OK;
}

orthsr_status orthsr__read_tokenizer_json(orthsr__reading *r, const char *path) {
    json_t *root;
    r->path = path;
    ORTHSR__TRY(orthsr__json_load(&root, path, ORTHSR__MAX_VOCABULARY_BYTES, r->error));
    const json_t *model = json_object_get(root, "model"), *merges = json_object_get(model, "merges");
    r->ids = json_object_get(model, "vocab");
    orthsr_status status;
    if (!(status = check_model(r, model)) && !(status = check_pipeline(r, root)) && !(status = orthsr__reading_check_ids(r))) {
        r->tokenizer->size = json_object_size(r->ids);
        if (!orthsr__bpe_init(&r->tokenizer->bpe, json_array_size(merges))) status = orthsr__fail_memory(r->error, path);
        if (!status && !(status = orthsr__reading_bytes(r)) && !(status = read_merge_items(r, merges)) &&
            !(status = read_added_tokens(r, json_object_get(root, "added_tokens"))) && !(status = orthsr__reading_special_ids(r)) &&
            !(status = check_ends(r, root)) && !(status = check_direction(r, root, "truncation")) && !(status = check_direction(r, root, "padding")))
            status = orthsr__read_tokenizer_config(r);
    }
    json_decref(root);
    return status;
}
