/* reading.c - symbols, ids, merges and added tokens of a vocabulary that is being read. */
#include "clip/reading.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "io/json.h"

enum { MAX_ADDED = 4096 }; /* each is looked for at every byte of a text */

const orthsr__text_rules orthsr__open_clip_rules = {.unescape_html = true,
                                                    .python_lower = true,
                                                    .regex_classes = true,
                                                    .ignore_case = true,
                                                    .literal_is_word = true,
                                                    .literals = {"<start_of_text>", "<end_of_text>"}};
const orthsr__text_rules orthsr__transformers_rules = {.compose = true, .literals = {ORTHSR__START_NAME, ORTHSR__END_NAME}};

const char *orthsr__reading_symbol(orthsr__reading *r, const char *a, size_t a_length, const char *b, size_t b_length) {
    r->key.length = 0;
    bool done = orthsr__text_append(&r->key, a, a_length) && orthsr__text_append(&r->key, b, b_length) && orthsr__text_append(&r->key, "", 1);
    return done ? r->key.bytes : NULL;
}

int32_t orthsr__reading_id(const orthsr__reading *r, const char *name) {
    const json_t *id = json_object_get(r->ids, name);
    return id ? (int32_t)json_integer_value(id) : -1;
}

bool orthsr__byte_is_visible(int byte) { return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae; }

void orthsr__byte_symbols(char symbols[256][3]) {
    for (int byte = 0, next = 0x100; byte < 256; byte++) {
        int c = orthsr__byte_is_visible(byte) ? byte : next++;
        symbols[byte][c < 0x80 ? 0 : 1] = (char)(c < 0x80 ? c : 0x80 | (c & 0x3f));
        if (c >= 0x80) symbols[byte][0] = (char)(0xc0 | c >> 6);
        symbols[byte][c < 0x80 ? 1 : 2] = '\0';
    }
}

orthsr_status orthsr__reading_bytes(orthsr__reading *r) {
    char symbols[256][3];
    orthsr__byte_symbols(symbols);
    for (int byte = 0; byte < 256; byte++) {
        const char *text = symbols[byte];
        for (int last = 0; last < 2; last++) {
            const char *name = orthsr__reading_symbol(r, text, strlen(text), last ? "</w>" : "", last ? 4 : 0);
            if (!name) return orthsr__fail_memory(r->error, r->path);
            int32_t id = orthsr__reading_id(r, name);
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

orthsr_status orthsr__reading_merge(orthsr__reading *r, const char *left, size_t left_length, const char *right, size_t right_length, const char *place,
                                    size_t number) {
    const char *parts[3] = {left, right, left};
    size_t lengths[3] = {left_length, right_length, left_length}, more[3] = {0, 0, right_length};
    int32_t ids[3];
    for (int i = 0; i < 3; i++) {
        const char *name = orthsr__reading_symbol(r, parts[i], lengths[i], right, more[i]);
        if (!name) return orthsr__fail_memory(r->error, r->path);
        ids[i] = orthsr__reading_id(r, name);
        if (ids[i] < 0)
            return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s', %s %zu: the vocabulary has no entry \"%.100s\" for this merge", r->path, place, number,
                                name);
    }
    orthsr__bpe_add(&r->tokenizer->bpe, ids[0], ids[1], ids[2]);
    return ORTHSR_OK;
}

const char *orthsr__merge_space(const char *line, size_t length) {
    const char *space = length > 0 ? memchr(line, ' ', length) : NULL;
    if (!space || space == line || memchr(line, '\0', length)) return NULL;
    size_t rest = (size_t)(line + length - space) - 1;
    return rest > 0 && !memchr(space + 1, ' ', rest) ? space : NULL;
}

orthsr_status orthsr__malformed_merge(const orthsr__reading *r, const char *place, size_t number) {
    return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s', %s %zu: a merge is two symbols with one space between them", r->path, place, number);
}

orthsr_status orthsr__reading_add_symbol(orthsr__reading *r, const char *name) {
    if (!name || json_object_set_new(r->ids, name, json_integer((json_int_t)r->tokenizer->size)) != 0) return orthsr__fail_memory(r->error, r->path);
    r->tokenizer->size++;
    return ORTHSR_OK;
}

orthsr_status orthsr__reading_check_ids(const orthsr__reading *r) {
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

orthsr_status orthsr__reading_special_ids(orthsr__reading *r) {
    orthsr_tokenizer *t = r->tokenizer;
    t->start = orthsr__reading_id(r, ORTHSR__START_NAME);
    t->end = orthsr__reading_id(r, ORTHSR__END_NAME);
    if (t->start < 0 || t->end < 0)
        return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s' has no entry \"%s\"; a CLIP vocabulary has one to %s a text", r->path,
                            t->start < 0 ? ORTHSR__START_NAME : ORTHSR__END_NAME, t->start < 0 ? "start" : "end");
    t->pad = t->rules.literal_is_word ? 0 : t->end; /* open_clip's and transformers' defaults */
    return ORTHSR_OK;
}

size_t orthsr__reading_find_token(const orthsr__reading *r, int32_t id) {
    for (size_t i = 0; i < r->tokenizer->added_count; i++)
        if (r->tokenizer->added[i].id == id) return i;
    return SIZE_MAX;
}

orthsr_status orthsr__reading_add_token(orthsr__reading *r, const char *content, int32_t id, bool in_clean_text) {
    orthsr_tokenizer *t = r->tokenizer;
    orthsr__text text = {0};
    size_t length = strlen(content), place = orthsr__reading_find_token(r, id);
    if (place == SIZE_MAX && t->added_count == MAX_ADDED)
        return orthsr__fail(r->error, ORTHSR_ERROR_UNSUPPORTED, "'%s' has more than %d added tokens", r->path, MAX_ADDED);
    /* Cleaning leaves white space as it is, which would part a token's name in a text from the name here. */
    if (in_clean_text && strpbrk(content, " \t\n\v\f\r"))
        return orthsr__fail(r->error, ORTHSR_ERROR_UNSUPPORTED, "'%s': the added token \"%.100s\" is \"normalized\" and has white space in it", r->path,
                            content);
    void *added = t->added;
    bool done = orthsr__reserve(&added, &t->added_capacity, t->added_count + 1, sizeof *t->added);
    t->added = added;
    done = done && (in_clean_text ? orthsr__text_clean(&text, content, length, &t->rules) : orthsr__text_append(&text, content, length));
    if (!done) {
        free(text.bytes);
        return orthsr__fail_memory(r->error, r->path);
    }
    if (place == SIZE_MAX) place = t->added_count++;
    else free(t->added[place].bytes);
    t->added[place] = (orthsr__added_token){.bytes = text.bytes, .length = text.length, .id = id, .in_clean_text = in_clean_text};
    return ORTHSR_OK;
}

orthsr_status orthsr__reading_check_token(const orthsr__reading *r, const json_t *token, const char *content) {
    static const char *const flags[] = {"single_word", "lstrip", "rstrip"};
    for (size_t f = 0; f < sizeof flags / sizeof flags[0]; f++)
        if (json_is_true(json_object_get(token, flags[f])))
            return orthsr__fail(r->error, ORTHSR_ERROR_UNSUPPORTED, "'%s': the added token \"%.100s\" sets \"%s\", which this library does not do", r->path,
                                content, flags[f]);
    return ORTHSR_OK;
}

bool orthsr__next_line(orthsr__line_cursor *l, const char **line, size_t *length) {
    if (!l->at) return false;
    const char *newline = l->at < l->end ? memchr(l->at, '\n', (size_t)(l->end - l->at)) : NULL;
    *line = l->at;
    *length = (size_t)((newline ? newline : l->end) - l->at);
    l->at = newline ? newline + 1 : NULL;
    l->number++;
    return true;
}
