/* vocabulary.c - the three forms of a CLIP vocabulary.
 *
 *     tokenizer.json                 transformers' rules; ids, merges and special tokens in one file
 *     vocab.json + merges.txt        transformers' rules; ids, and merges in order
 *     bpe_simple_vocab_16e6.txt.gz   open_clip's rules; merges in order, ids follow from their place
 *
 * Each is first brought to the second form: a JSON object from symbol to id, and pairs of symbols to merge.
 */
#include "clip/vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"

enum {
    MAX_BYTES = 16 << 20,               /* of a file, uncompressed; OpenAI's have 3.2 MB at most */
    MAX_SIMPLE_MERGES = 49152 - 256 - 2 /* how many lines open_clip reads; the file has more */
};

static const char *const start_name = "<|startoftext|>", *const end_name = "<|endoftext|>";

static const orthsr__text_rules open_clip_rules = {.unescape_html = true,
                                                   .python_lower = true,
                                                   .regex_classes = true,
                                                   .ignore_case = true,
                                                   .literal_is_word = true,
                                                   .literals = {"<start_of_text>", "<end_of_text>"}};
static const orthsr__text_rules transformers_rules = {.compose = true, .literals = {"<|startoftext|>", "<|endoftext|>"}};

/* One file being read into a tokenizer. */
typedef struct reading {
    orthsr_tokenizer *tokenizer;
    const char *path;
    json_t *ids;      /* borrowed: symbol to id */
    orthsr__text key; /* scratch: a symbol with its terminating zero */
    orthsr_error *error;
} reading;

/* ---- symbols -------------------------------------------------------------------------------------------------------- */

/* a followed by b, zero-terminated; NULL when memory is short. Valid until the next call. */
static const char *symbol(reading *r, const char *a, size_t a_length, const char *b, size_t b_length) {
    r->key.length = 0;
    bool done = orthsr__text_append(&r->key, a, a_length) && orthsr__text_append(&r->key, b, b_length) && orthsr__text_append(&r->key, "", 1);
    return done ? r->key.bytes : NULL;
}

/* Id of a symbol in vocabulary form, -1 when there is none. */
static int32_t id_of(const reading *r, const char *name) {
    const json_t *id = json_object_get(r->ids, name);
    return id ? (int32_t)json_integer_value(id) : -1;
}

/* GPT-2's symbol of a byte: the byte's Latin-1 character when that is visible, else the next character from U+0100 on. */
static bool is_visible(int byte) { return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae; }

static void byte_symbols(int32_t symbols[256]) {
    for (int byte = 0, next = 0x100; byte < 256; byte++) symbols[byte] = is_visible(byte) ? byte : next++;
}

/* The zero-terminated symbol of one byte in UTF-8, two bytes at most. */
static void symbol_text(char text[3], int32_t symbol) {
    if (symbol < 0x80) {
        text[0] = (char)symbol;
        text[1] = '\0';
    } else {
        text[0] = (char)(0xc0 | symbol >> 6);
        text[1] = (char)(0x80 | (symbol & 0x3f));
        text[2] = '\0';
    }
}

static orthsr_status resolve_bytes(reading *r) {
    int32_t symbols[256];
    byte_symbols(symbols);
    for (int byte = 0; byte < 256; byte++) {
        char text[3];
        symbol_text(text, symbols[byte]);
        for (int last = 0; last < 2; last++) {
            const char *name = symbol(r, text, strlen(text), last ? "</w>" : "", last ? 4 : 0);
            if (!name) return orthsr__fail_memory(r->error, r->path);
            int32_t id = id_of(r, name);
            if (id < 0)
                return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT,
                                    "'%s' has no entry \"%s\" (byte 0x%02x); a byte-level vocabulary has all 256 bytes, with and without </w>", r->path, name,
                                    (unsigned)byte);
            if (last) r->tokenizer->bpe.last[byte] = id;
            else r->tokenizer->bpe.byte[byte] = id;
        }
    }
    return ORTHSR_OK;
}

/* Adds one merge of left and right, bytes of a line or string. `number` is its line or index, for messages. */
static orthsr_status add_merge(reading *r, const char *left, size_t left_length, const char *right, size_t right_length, const char *place, size_t number) {
    const char *parts[3] = {left, right, left};
    size_t lengths[3] = {left_length, right_length, left_length}, more[3] = {0, 0, right_length};
    int32_t ids[3];
    for (int i = 0; i < 3; i++) {
        const char *name = symbol(r, parts[i], lengths[i], right, more[i]);
        if (!name) return orthsr__fail_memory(r->error, r->path);
        ids[i] = id_of(r, name);
        if (ids[i] < 0)
            return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s', %s %zu: the vocabulary has no entry \"%.100s\" for this merge", r->path, place, number,
                                name);
    }
    orthsr__bpe_add(&r->tokenizer->bpe, ids[0], ids[1], ids[2]);
    return ORTHSR_OK;
}

/* The one space that parts a merge's two symbols; NULL when the line is not of that form. */
static const char *merge_space(const char *line, size_t length) {
    const char *space = length > 0 ? memchr(line, ' ', length) : NULL;
    if (!space || space == line) return NULL;
    size_t rest = (size_t)(line + length - space) - 1;
    return rest > 0 && !memchr(space + 1, ' ', rest) ? space : NULL;
}

static orthsr_status malformed_merge(const reading *r, const char *place, size_t number) {
    return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s', %s %zu: a merge is two symbols with one space between them", r->path, place, number);
}

/* ---- lines ---------------------------------------------------------------------------------------------------------- */

typedef struct lines {
    const char *at, *end;
    size_t number; /* of the line last read, from 1 */
} lines;

/* The next line without its end; false when there is none. As for Python's split, text that ends in a newline has an empty line after it. */
static bool next_line(lines *l, const char **line, size_t *length) {
    if (!l->at) return false;
    const char *newline = l->at < l->end ? memchr(l->at, '\n', (size_t)(l->end - l->at)) : NULL;
    *line = l->at;
    *length = (size_t)((newline ? newline : l->end) - l->at);
    l->at = newline ? newline + 1 : NULL;
    l->number++;
    return true;
}

/* ---- vocab.json + merges.txt ------------------------------------------------------------------------------------------ */

/* Ids must be 0 .. n - 1, each once: an embedding table has a row for each. */
static orthsr_status check_ids(const reading *r) {
    size_t n = json_object_size(r->ids);
    bool *seen = orthsr__calloc(n, sizeof *seen);
    if (!seen) return orthsr__fail_memory(r->error, r->path);
    orthsr_status status = ORTHSR_OK;
    const char *name;
    json_t *value;
    json_object_foreach(r->ids, name, value) {
        size_t id;
        if (!orthsr__json_as_size(&id, value)) {
            status = orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s': the id of \"%.100s\" is not a non-negative integer", r->path, name);
        } else if (id >= n || id > INT32_MAX) {
            status = orthsr__fail(r->error, ORTHSR_ERROR_FORMAT,
                                  "'%s': \"%.100s\" has id %zu, but there are %zu entries, so ids have a gap or do not start at 0", r->path, name, id, n);
        } else if (seen[id]) {
            status = orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s': \"%.100s\" has id %zu, which another entry has as well", r->path, name, id);
        } else {
            seen[id] = true;
        }
        if (status) break;
    }
    free(seen);
    return status;
}

static orthsr_status read_merge_lines(reading *r, const orthsr__mapping *file) {
    lines l = {.at = (const char *)file->data, .end = (const char *)file->data + file->size};
    const char *line;
    for (size_t length; next_line(&l, &line, &length);) {
        if (length > 0 && line[length - 1] == '\r') length--;
        if (length == 0 || (l.number == 1 && length >= 8 && memcmp(line, "#version", 8) == 0)) continue;
        const char *space = merge_space(line, length);
        if (!space) return malformed_merge(r, "line", l.number);
        ORTHSR__TRY(add_merge(r, line, (size_t)(space - line), space + 1, (size_t)(line + length - space) - 1, "line", l.number));
    }
    return ORTHSR_OK;
}

static orthsr_status add_token(reading *r, const char *content, int32_t id, bool in_clean_text) {
    orthsr_tokenizer *t = r->tokenizer;
    orthsr__text text = {0};
    size_t length = strlen(content);
    bool done = in_clean_text ? orthsr__text_clean(&text, content, length, &t->rules) : orthsr__text_append(&text, content, length);
    if (!done) {
        free(text.bytes);
        return orthsr__fail_memory(r->error, r->path);
    }
    t->added[t->added_count++] = (orthsr__added_token){.bytes = text.bytes, .length = text.length, .id = id, .in_clean_text = in_clean_text};
    return ORTHSR_OK;
}

/* The start and end tokens, by name: entries of the vocabulary, which transformers also finds in a text. */
static orthsr_status find_special_tokens(reading *r) {
    orthsr_tokenizer *t = r->tokenizer;
    t->start = id_of(r, start_name);
    t->end = id_of(r, end_name);
    if (t->start < 0 || t->end < 0)
        return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s' has no entry \"%s\"; a CLIP vocabulary has one to %s a text", r->path,
                            t->start < 0 ? start_name : end_name, t->start < 0 ? "start" : "end");
    return ORTHSR_OK;
}

static orthsr_status read_vocab_and_merges(reading *r, const char *vocab_path, const char *merges_path) {
    orthsr_tokenizer *t = r->tokenizer;
    json_t *vocab;
    orthsr__mapping merges;
    ORTHSR__TRY(orthsr__json_load(&vocab, vocab_path, MAX_BYTES, r->error));
    orthsr_status status = orthsr__map(&merges, merges_path, r->error);
    if (status) goto done;
    r->path = vocab_path;
    r->ids = vocab;
    t->rules = transformers_rules;
    t->size = json_object_size(vocab);
    t->added = orthsr__calloc(2, sizeof *t->added);
    size_t most = 1; /* merges: a line has one at most */
    for (size_t i = 0; i < merges.size; i++) most += merges.data[i] == '\n';
    if (merges.size > MAX_BYTES) {
        status = orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s' has %zu bytes; merges take at most %d", merges_path, merges.size, MAX_BYTES);
    } else if (!t->added || !orthsr__bpe_init(&t->bpe, most)) {
        status = orthsr__fail_memory(r->error, vocab_path);
    }
    if (status || (status = check_ids(r)) || (status = resolve_bytes(r)) || (status = find_special_tokens(r)) ||
        (status = add_token(r, start_name, t->start, false)) || (status = add_token(r, end_name, t->end, false)))
        goto done;
    r->path = merges_path;
    status = read_merge_lines(r, &merges);
done:
    orthsr__unmap(&merges);
    json_decref(vocab);
    return status;
}

/* ---- bpe_simple_vocab_16e6.txt.gz ------------------------------------------------------------------------------------- */

static orthsr_status gunzip(orthsr__text *out, const char *path, orthsr_error *error) {
    gzFile file = gzopen(path, "rb");
    if (!file) return orthsr__fail_errno(error, "open", path);
    char block[1 << 14];
    orthsr_status status = ORTHSR_OK;
    int n = 0;
    while (!status && (n = gzread(file, block, sizeof block)) > 0) {
        if (out->length + (size_t)n > MAX_BYTES)
            status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' unpacks to more than %d bytes; this is no vocabulary", path, MAX_BYTES);
        else if (!orthsr__text_append(out, block, (size_t)n)) status = orthsr__fail_memory(error, path);
    }
    int code;
    const char *reason = gzerror(file, &code);
    if (!status && n >= 0 && gzdirect(file)) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is not compressed by gzip", path);
    /* A stream that ends too early is an error for zlib only when the file is closed. */
    if (!status && n < 0) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' cannot be unpacked: %s", path, reason);
    if (gzclose(file) != Z_OK && !status) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' cannot be unpacked: the compressed data are truncated", path);
    return status;
}

/* The next free id for a symbol. A symbol that comes again gets the later one, as in Python's dict. */
static orthsr_status add_symbol(reading *r, const char *name) {
    if (!name || json_object_set_new(r->ids, name, json_integer((json_int_t)r->tokenizer->size)) != 0) return orthsr__fail_memory(r->error, r->path);
    r->tokenizer->size++;
    return ORTHSR_OK;
}

/* Ids of the bytes: the visible ones first, then the others; once more with </w>. */
static orthsr_status add_simple_bytes(reading *r) {
    int32_t symbols[256];
    byte_symbols(symbols);
    for (int last = 0; last < 2; last++)
        for (int hidden = 0; hidden < 2; hidden++)
            for (int byte = 0; byte < 256; byte++) {
                if (is_visible(byte) == hidden) continue;
                char text[3];
                symbol_text(text, symbols[byte]);
                ORTHSR__TRY(add_symbol(r, symbol(r, text, strlen(text), last ? "</w>" : "", last ? 4 : 0)));
            }
    return ORTHSR_OK;
}

/* The merges follow a title line, each making the next id. An empty line takes an id as well: it does in open_clip. */
static orthsr_status read_simple_lines(reading *r, const orthsr__text *file) {
    lines l = {.at = file->bytes, .end = file->bytes + file->length};
    const char *line;
    size_t length;
    for (next_line(&l, &line, &length); l.number <= MAX_SIMPLE_MERGES && next_line(&l, &line, &length);) {
        if (length == 0) {
            r->tokenizer->size++;
            continue;
        }
        const char *space = merge_space(line, length);
        if (!space) return malformed_merge(r, "line", l.number);
        size_t left = (size_t)(space - line), right = length - left - 1;
        const char *parts[2] = {line, space + 1};
        size_t lengths[2] = {left, right};
        /* Both parts must be there before what they make: then a greedy merge and one in passes come to the same. */
        for (int i = 0; i < 2; i++) {
            const char *name = symbol(r, parts[i], lengths[i], "", 0);
            if (!name) return orthsr__fail_memory(r->error, r->path);
            if (id_of(r, name) < 0)
                return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s', line %zu: no line before this one makes \"%.100s\"", r->path, l.number, name);
        }
        ORTHSR__TRY(add_symbol(r, symbol(r, line, left, space + 1, right)));
        ORTHSR__TRY(add_merge(r, line, left, space + 1, right, "line", l.number));
    }
    return ORTHSR_OK;
}

static orthsr_status read_simple(reading *r, const char *path) {
    orthsr_tokenizer *t = r->tokenizer;
    orthsr__text file = {0};
    r->path = path;
    r->ids = json_object();
    t->rules = open_clip_rules;
    orthsr_status status = r->ids && orthsr__bpe_init(&t->bpe, MAX_SIMPLE_MERGES) ? gunzip(&file, path, r->error) : orthsr__fail_memory(r->error, path);
    if (!status && file.length == 0) status = orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s' is empty; a list of merges was expected", path);
    if (!status && !(status = add_simple_bytes(r)) && !(status = resolve_bytes(r)) && !(status = read_simple_lines(r, &file))) {
        t->start = (int32_t)t->size++;
        t->end = (int32_t)t->size++;
    }
    free(file.bytes);
    json_decref(r->ids);
    return status;
}

/* ---- tokenizer.json --------------------------------------------------------------------------------------------------- */

static orthsr_status unsupported(const reading *r, const char *what) {
    return orthsr__fail(r->error, ORTHSR_ERROR_UNSUPPORTED, "'%s': %s; only CLIP's byte-level BPE can be read", r->path, what);
}

/* Whether json[list] is a list of objects of these types, in this order. */
static bool has_types(const json_t *json, const char *list, const char *const *types, size_t n) {
    const json_t *items = json_object_get(json, list);
    if (json_array_size(items) != n) return false;
    for (size_t i = 0; i < n; i++) {
        const char *type = json_string_value(json_object_get(json_array_get(items, i), "type"));
        if (!type || strcmp(type, types[i]) != 0) return false;
    }
    return true;
}

/* The steps before BPE are CLIP's; the pattern comes with and without the special tokens' names. */
static orthsr_status check_pipeline(reading *r, const json_t *root) {
    static const char *const normalizers[] = {"NFC", "Replace", "Lowercase"}, *const splitters[] = {"Split", "ByteLevel"};
    static const char *const names = "<\\|startoftext\\|>|<\\|endoftext\\|>|", *const pattern =
                                                                                   "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
    const json_t *normalizer = json_object_get(root, "normalizer"), *splitter = json_object_get(root, "pre_tokenizer");
    if (!has_types(normalizer, "normalizers", normalizers, 3)) return unsupported(r, "\"normalizer\" is not NFC, Replace, Lowercase");
    if (!has_types(splitter, "pretokenizers", splitters, 2)) return unsupported(r, "\"pre_tokenizer\" is not Split, ByteLevel");
    const json_t *split = json_array_get(json_object_get(splitter, "pretokenizers"), 0);
    const char *regex = json_string_value(json_object_get(json_object_get(split, "pattern"), "Regex"));
    bool named = regex && strncmp(regex, names, strlen(names)) == 0;
    if (!regex || strcmp(named ? regex + strlen(names) : regex, pattern) != 0) return unsupported(r, "the pattern of \"pre_tokenizer\" is not CLIP's");
    r->tokenizer->rules = transformers_rules;
    if (!named) r->tokenizer->rules.literals[0] = NULL;
    return ORTHSR_OK;
}

static bool is_absent_or_empty(const json_t *value) { return !value || json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0); }

static orthsr_status check_model(const reading *r, const json_t *model) {
    const json_t *type = json_object_get(model, "type"), *dropout = json_object_get(model, "dropout");
    const char *suffix = json_string_value(json_object_get(model, "end_of_word_suffix"));
    if (!json_is_object(model)) return unsupported(r, "\"model\" is missing");
    if (type && (!json_is_string(type) || strcmp(json_string_value(type), "BPE") != 0)) return unsupported(r, "\"model\" is not of type BPE");
    if (!suffix || strcmp(suffix, "</w>") != 0) return unsupported(r, "\"end_of_word_suffix\" is not </w>");
    if (!is_absent_or_empty(json_object_get(model, "continuing_subword_prefix"))) return unsupported(r, "\"continuing_subword_prefix\" is set");
    if (json_number_value(dropout) != 0) return unsupported(r, "\"dropout\" is set");
    if (json_is_true(json_object_get(model, "byte_fallback"))) return unsupported(r, "\"byte_fallback\" is set");
    if (json_is_true(json_object_get(model, "ignore_merges"))) return unsupported(r, "\"ignore_merges\" is set");
    if (!json_is_object(json_object_get(model, "vocab"))) return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s': model.vocab must be an object", r->path);
    if (!json_is_array(json_object_get(model, "merges"))) return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s': model.merges must be a list", r->path);
    return ORTHSR_OK;
}

/* Each merge is "a b" or ["a", "b"]. */
static orthsr_status read_merge_items(reading *r, const json_t *merges) {
    for (size_t i = 0; i < json_array_size(merges); i++) {
        const json_t *item = json_array_get(merges, i), *left = json_array_get(item, 0), *right = json_array_get(item, 1);
        if (json_is_string(item)) {
            const char *line = json_string_value(item), *space = merge_space(line, strlen(line));
            if (!space) return malformed_merge(r, "model.merges", i);
            ORTHSR__TRY(add_merge(r, line, (size_t)(space - line), space + 1, strlen(space + 1), "model.merges", i));
        } else if (json_array_size(item) == 2 && json_is_string(left) && json_is_string(right)) {
            ORTHSR__TRY(
                add_merge(r, json_string_value(left), json_string_length(left), json_string_value(right), json_string_length(right), "model.merges", i));
        } else {
            return malformed_merge(r, "model.merges", i);
        }
    }
    return ORTHSR_OK;
}

/* added_tokens: entries of the vocabulary, or new ones with the ids that follow it. */
static orthsr_status read_added_tokens(reading *r, const json_t *list) {
    orthsr_tokenizer *t = r->tokenizer;
    size_t n = json_array_size(list);
    t->added = orthsr__calloc(n, sizeof *t->added);
    if (!t->added) return orthsr__fail_memory(r->error, r->path);
    for (size_t i = 0; i < n; i++) {
        const json_t *token = json_array_get(list, i);
        const char *content = json_string_value(json_object_get(token, "content"));
        size_t id;
        if (!content || !*content || !orthsr__json_as_size(&id, json_object_get(token, "id")))
            return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s': added_tokens %zu must have a \"content\" and an \"id\"", r->path, i);
        static const char *const flags[] = {"single_word", "lstrip", "rstrip"};
        for (size_t f = 0; f < 3; f++)
            if (json_is_true(json_object_get(token, flags[f])))
                return orthsr__fail(r->error, ORTHSR_ERROR_UNSUPPORTED, "'%s': the added token \"%.100s\" sets \"%s\", which this library does not do", r->path,
                                    content, flags[f]);
        int32_t known = id_of(r, content);
        if (known < 0 && id == t->size) {
            ORTHSR__TRY(add_symbol(r, content));
        } else if (known < 0 || (size_t)known != id) {
            return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s': the added token \"%.100s\" has id %zu, expected %zu", r->path, content, id,
                                known < 0 ? t->size : (size_t)known);
        }
        ORTHSR__TRY(add_token(r, content, (int32_t)id, json_is_true(json_object_get(token, "normalized"))));
    }
    return ORTHSR_OK;
}

static orthsr_status read_tokenizer_json(reading *r, const char *path) {
    json_t *root;
    r->path = path;
    ORTHSR__TRY(orthsr__json_load(&root, path, MAX_BYTES, r->error));
    const json_t *model = json_object_get(root, "model"), *merges = json_object_get(model, "merges");
    r->ids = json_object_get(model, "vocab");
    orthsr_status status;
    if (!(status = check_model(r, model)) && !(status = check_pipeline(r, root)) && !(status = check_ids(r))) {
        r->tokenizer->size = json_object_size(r->ids);
        if (!orthsr__bpe_init(&r->tokenizer->bpe, json_array_size(merges))) status = orthsr__fail_memory(r->error, path);
        if (!status && !(status = resolve_bytes(r)) && !(status = read_merge_items(r, merges)) &&
            !(status = read_added_tokens(r, json_object_get(root, "added_tokens"))))
            status = find_special_tokens(r);
    }
    json_decref(root);
    return status;
}

/* ---- which form ------------------------------------------------------------------------------------------------------- */

static const char *const forms[] = {"tokenizer.json", "vocab.json", "merges.txt", "bpe_simple_vocab_16e6.txt.gz"};
enum { TOKENIZER_JSON, VOCAB_JSON, MERGES_TXT, SIMPLE, FORMS };

orthsr_status orthsr__vocabulary_load(orthsr_tokenizer *tokenizer, const char *path, orthsr_error *error) {
    reading r = {.tokenizer = tokenizer, .error = error};
    orthsr_status status;
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    bool in_directory = orthsr__is_directory(path);
    char *directory = in_directory ? orthsr__strdup(path) : slash ? orthsr__strndup(path, slash == path ? 1 : (size_t)(slash - path)) : orthsr__strdup(".");
    char *files[FORMS] = {0};
    bool take[FORMS] = {0};
    for (int f = 0; f < FORMS; f++) {
        if (directory) files[f] = orthsr__join(directory, forms[f]);
        if (!files[f]) {
            status = orthsr__fail_memory(error, "a file name");
            goto done;
        }
        take[f] = in_directory ? orthsr__is_file(files[f]) : strcmp(base, forms[f]) == 0;
    }
    size_t length = strlen(path);
    if (take[TOKENIZER_JSON]) {
        status = read_tokenizer_json(&r, files[TOKENIZER_JSON]);
    } else if (in_directory ? take[VOCAB_JSON] && take[MERGES_TXT] : take[VOCAB_JSON] || take[MERGES_TXT]) {
        status = read_vocab_and_merges(&r, files[VOCAB_JSON], files[MERGES_TXT]);
    } else if (take[SIMPLE]) {
        status = read_simple(&r, files[SIMPLE]);
    } else if (!in_directory && length > 3 && strcmp(path + length - 3, ".gz") == 0) {
        status = read_simple(&r, path);
    } else {
        status = orthsr__fail(error, ORTHSR_ERROR_IO,
                              "no vocabulary at '%s': looked for tokenizer.json, for vocab.json with merges.txt, and for bpe_simple_vocab_16e6.txt.gz", path);
    }
done:
    for (int f = 0; f < FORMS; f++) free(files[f]);
    free(directory);
    free(r.key.bytes);
    return status;
}

orthsr_status orthsr__vocabulary_present(bool *present, const char *directory, orthsr_error *error) {
    *present = false;
    for (int f = 0; f < FORMS && !*present; f++) {
        char *file = f == MERGES_TXT ? NULL : orthsr__join(directory, forms[f]); /* merges alone are no vocabulary */
        if (!file && f != MERGES_TXT) return orthsr__fail_memory(error, "a file name");
        *present = file && orthsr__is_file(file);
        free(file);
    }
    return ORTHSR_OK;
}
