/* tokenizer.c - CLIP's vocabularies, in the three forms they come in, and a text put into ids.
 *
 * bpe_simple_vocab_16e6.txt.gz belongs to open_clip and OpenAI, whose SimpleTokenizer is followed; vocab.json with merges.txt and
 * tokenizer.json belong to transformers, whose CLIPTokenizer is followed. They clean a text differently: see orthsr__text_rules.
 */
#include <orthsr/tokenizer.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <utf8proc.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "clip/bpe.h"
#include "clip/text.h"
#include "io/json.h"

enum {
    OPEN_CLIP_MERGES = 49152 - 256 - 2, /* lines of the merges file that open_clip reads */
    VOCABULARY_LIMIT = 256 << 20        /* bytes of a vocabulary file, unpacked */
};

static const orthsr__text_rules open_clip_rules = {.unescape_html = true,
                                                   .final_sigma = true,
                                                   .separators_are_spaces = true,
                                                   .long_s_is_s = true,
                                                   .literal_is_word = true,
                                                   .literals = {"<start_of_text>", "<end_of_text>"}};
static const orthsr__text_rules huggingface_rules = {.compose = true, .literals = {"<|startoftext|>", "<|endoftext|>"}};

struct orthsr_tokenizer {
    const orthsr__text_rules *rules;
    orthsr__bpe bpe;
    size_t vocab_size;
    int32_t special[2]; /* start, end */
};

void orthsr_tokenizer_free(orthsr_tokenizer *tokenizer) {
    if (!tokenizer) return;
    orthsr__bpe_free(&tokenizer->bpe);
    free(tokenizer);
}

size_t orthsr_tokenizer_vocab_size(const orthsr_tokenizer *tokenizer) { return tokenizer->vocab_size; }
int32_t orthsr_tokenizer_start_id(const orthsr_tokenizer *tokenizer) { return tokenizer->special[0]; }
int32_t orthsr_tokenizer_end_id(const orthsr_tokenizer *tokenizer) { return tokenizer->special[1]; }

/* ---- byte symbols -------------------------------------------------------------------------------------------------------- */

/* CLIP writes every byte as a printable character: 188 bytes as themselves, the other 68 as U+0100 onwards. */
static bool is_printable(int byte) { return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174; }

/* The character of each byte, and its place among the first 256 ids. */
static void byte_symbols(int32_t character[256], int32_t place[256]) {
    int32_t printable = 0, other = 0;
    for (int b = 0; b < 256; b++)
        if (is_printable(b)) place[b] = printable++;
    for (int b = 0; b < 256; b++) {
        character[b] = is_printable(b) ? b : 256 + other;
        if (!is_printable(b)) place[b] = printable + other++;
    }
}

/* ---- a merges file ---------------------------------------------------------------------------------------------------------- */

/* One line at *at of text (length), without its end; false after the last. */
static bool next_line(const char *text, size_t length, size_t *at, const char **line, size_t *n) {
    if (*at >= length) return false;
    const char *end = memchr(text + *at, '\n', length - *at);
    *line = text + *at;
    *n = end ? (size_t)(end - *line) : length - *at;
    *at += *n + 1;
    if (*n > 0 && (*line)[*n - 1] == '\r') --*n;
    return true;
}

/* The two halves of "left right". */
static bool split_pair(const char *line, size_t n, const char **right, size_t *left_length, size_t *right_length) {
    const char *space = memchr(line, ' ', n);
    if (!space || space == line) return false;
    *left_length = (size_t)(space - line);
    *right = space + 1;
    *right_length = n - *left_length - 1;
    return *right_length > 0 && !memchr(*right, ' ', *right_length);
}

/* ---- vocabularies that are JSON objects ------------------------------------------------------------------------------------- */

/* What fills a tokenizer from a table of tokens: the table, and what to call it in messages. */
typedef struct builder {
    orthsr_tokenizer *tokenizer;
    const json_t *vocab; /* token -> id */
    const char *path;
    orthsr_error *error;
} builder;

static orthsr_status id_of(const builder *b, int32_t *id, const char *token, size_t length) {
    char *name = orthsr__strndup(token, length);
    if (!name) return orthsr__fail_memory(b->error, "a token");
    const json_t *value = json_object_get(b->vocab, name);
    orthsr_status status = ORTHSR_OK;
    if (value) *id = (int32_t)json_integer_value(value);
    else status = orthsr__fail(b->error, ORTHSR_ERROR_FORMAT, "%s: the vocabulary has no token '%s'", b->path, name);
    free(name);
    return status;
}

/* Ids must be 0 .. n - 1, each once. */
static orthsr_status check_ids(const builder *b) {
    size_t n = json_object_size(b->vocab);
    bool *seen = orthsr__calloc(n, sizeof *seen);
    if (!seen) return orthsr__fail_memory(b->error, "a vocabulary");
    orthsr_status status = ORTHSR_OK;
    const char *token;
    json_t *value;
    json_object_foreach((json_t *)b->vocab, token, value) {
        json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || (size_t)id >= n || seen[id]) {
            status = orthsr__fail(b->error, ORTHSR_ERROR_FORMAT, "%s: the id of token '%.60s' must be an integer in 0..%zu that no other token has", b->path, token, n - 1);
            break;
        }
        seen[id] = true;
    }
    free(seen);
    b->tokenizer->vocab_size = n;
    return status;
}

/* Bytes and special tokens. */
static orthsr_status set_symbols(const builder *b) {
    int32_t character[256], place[256];
    byte_symbols(character, place);
    for (int i = 0; i < 256; i++) {
        char symbol[16];
        utf8proc_ssize_t n = utf8proc_encode_char(character[i], (utf8proc_uint8_t *)symbol);
        ORTHSR__TRY(id_of(b, &b->tokenizer->bpe.byte[i], symbol, (size_t)n));
        memcpy(symbol + n, "</w>", 4);
        ORTHSR__TRY(id_of(b, &b->tokenizer->bpe.last[i], symbol, (size_t)n + 4));
    }
    for (int i = 0; i < 2; i++) ORTHSR__TRY(id_of(b, &b->tokenizer->special[i], huggingface_rules.literals[i], strlen(huggingface_rules.literals[i])));
    return ORTHSR_OK;
}

static orthsr_status add_merge(const builder *b, const char *left, size_t left_length, const char *right, size_t right_length) {
    int32_t ids[3];
    char *joined = orthsr__format("%.*s%.*s", (int)left_length, left, (int)right_length, right);
    if (!joined) return orthsr__fail_memory(b->error, "a merge");
    orthsr_status status = id_of(b, &ids[0], left, left_length);
    if (!status) status = id_of(b, &ids[1], right, right_length);
    if (!status) status = id_of(b, &ids[2], joined, strlen(joined));
    if (!status) orthsr__bpe_add(&b->tokenizer->bpe, ids[0], ids[1], ids[2]);
    free(joined);
    return status;
}

/* ---- vocab.json with merges.txt ------------------------------------------------------------------------------------------------ */

static orthsr_status read_merges_text(const builder *b, const char *path) {
    orthsr__mapping file;
    ORTHSR__TRY(orthsr__map(&file, path, b->error));
    const char *text = (const char *)file.data, *line, *right;
    size_t at = 0, n, number = 0, left_length, right_length, lines = 0;
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < file.size; i++) lines += text[i] == '\n';
    if (!orthsr__bpe_init(&b->tokenizer->bpe, lines + 1)) status = orthsr__fail_memory(b->error, "merges");
    if (!status) status = set_symbols(b);
    while (!status && next_line(text, file.size, &at, &line, &n)) {
        number++;
        if (n == 0 || (number == 1 && n >= 8 && memcmp(line, "#version", 8) == 0)) continue;
        if (!split_pair(line, n, &right, &left_length, &right_length))
            status = orthsr__fail(b->error, ORTHSR_ERROR_FORMAT, "%s: line %zu is not two tokens with a space between", path, number);
        else status = add_merge(b, line, left_length, right, right_length);
    }
    orthsr__unmap(&file);
    return status;
}

static orthsr_status open_vocab_json(orthsr_tokenizer *tokenizer, const char *vocab_path, const char *merges_path, orthsr_error *error) {
    json_t *root;
    tokenizer->rules = &huggingface_rules;
    ORTHSR__TRY(orthsr__json_load(&root, vocab_path, VOCABULARY_LIMIT, error));
    builder b = {.tokenizer = tokenizer, .vocab = root, .path = vocab_path, .error = error};
    orthsr_status status = check_ids(&b);
    if (!status) status = read_merges_text(&b, merges_path);
    json_decref(root);
    return status;
}

/* ---- tokenizer.json --------------------------------------------------------------------------------------------------------------- */

static orthsr_status add_json_merge(const builder *b, const json_t *merge, size_t index) {
    const char *left = NULL, *right = NULL;
    size_t left_length = 0, right_length = 0;
    if (json_is_string(merge)) {
        left = json_string_value(merge);
        if (!split_pair(left, json_string_length(merge), &right, &left_length, &right_length)) left = NULL;
    } else if (json_is_array(merge) && json_array_size(merge) == 2 && json_is_string(json_array_get(merge, 0)) && json_is_string(json_array_get(merge, 1))) {
        left = json_string_value(json_array_get(merge, 0));
        left_length = strlen(left);
        right = json_string_value(json_array_get(merge, 1));
        right_length = strlen(right);
    }
    if (!left) return orthsr__fail(b->error, ORTHSR_ERROR_FORMAT, "%s: merge %zu is not two tokens", b->path, index);
    return add_merge(b, left, left_length, right, right_length);
}

static orthsr_status open_tokenizer_json(orthsr_tokenizer *tokenizer, const char *path, orthsr_error *error) {
    json_t *root;
    const char *type = "?", *suffix = "";
    tokenizer->rules = &huggingface_rules;
    ORTHSR__TRY(orthsr__json_load(&root, path, VOCABULARY_LIMIT, error));
    const json_t *model = json_object_get(root, "model"), *merges = json_object_get(model, "merges");
    builder b = {.tokenizer = tokenizer, .vocab = json_object_get(model, "vocab"), .path = path, .error = error};
    orthsr_status status = orthsr__json_string(&type, model, "type", path, error);
    if (!status) status = orthsr__json_string(&suffix, model, "end_of_word_suffix", path, error);
    if (!status && (strcmp(type, "BPE") != 0 || strcmp(suffix, "</w>") != 0))
        status = orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "%s: not CLIP's byte-level BPE (type '%s', end_of_word_suffix '%s')", path, type, suffix);
    if (!status && (!json_is_object(b.vocab) || !json_is_array(merges))) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: model.vocab or model.merges is missing", path);
    if (!status) status = check_ids(&b);
    if (!status && !orthsr__bpe_init(&tokenizer->bpe, json_array_size(merges))) status = orthsr__fail_memory(error, "merges");
    if (!status) status = set_symbols(&b);
    for (size_t i = 0; !status && i < json_array_size(merges); i++) status = add_json_merge(&b, json_array_get(merges, i), i);
    json_decref(root);
    return status;
}

/* ---- bpe_simple_vocab_16e6.txt.gz ---------------------------------------------------------------------------------------------------- */

/* The unpacked file in fresh memory. */
static orthsr_status read_gz(char **text, size_t *length, const char *path, orthsr_error *error) {
    gzFile file = gzopen(path, "rbe");
    if (!file) return orthsr__fail_errno(error, "open", path);
    size_t capacity = 0, n = 0;
    void *bytes = NULL;
    orthsr_status status = ORTHSR_OK;
    for (int got = 1; !status && got > 0;) {
        if (n > VOCABULARY_LIMIT) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: unpacks to more than %d bytes", path, VOCABULARY_LIMIT);
        else if (!orthsr__reserve(&bytes, &capacity, n + (1 << 16), 1)) status = orthsr__fail_memory(error, "a vocabulary");
        else if ((got = gzread(file, (char *)bytes + n, 1 << 16)) > 0) n += (size_t)got;
        else {
            int code;
            const char *why = gzerror(file, &code);
            if (got < 0 || code != Z_OK) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: %s", path, code == Z_BUF_ERROR ? "truncated" : why);
        }
    }
    gzclose(file);
    if (status) {
        free(bytes);
        return status;
    }
    *text = bytes;
    *length = n;
    return ORTHSR_OK;
}

/* Ids are by order: 256 bytes, 256 bytes that end a word, the merges, start, end. So the table of tokens can be built as the JSON has it. */
static orthsr_status add_token(json_t *vocab, const char *token, size_t length, const char *suffix, const char *path, orthsr_error *error) {
    char *name = orthsr__format("%.*s%s", (int)length, token, suffix);
    int failed = name ? json_object_set_new(vocab, name, json_integer((json_int_t)json_object_size(vocab))) : 0;
    orthsr_status status = !name ? orthsr__fail_memory(error, "a token") : ORTHSR_OK;
    if (failed) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "%s: token '%.60s' is not UTF-8", path, name);
    free(name);
    return status;
}

static orthsr_status merges_from_lines(const builder *b, json_t *vocab, const char *text, size_t length) {
    size_t at = 0, n, number = 0, left_length, right_length;
    const char *line, *right;
    next_line(text, length, &at, &line, &n); /* the first line is a heading */
    for (number = 2; number <= OPEN_CLIP_MERGES + 1 && next_line(text, length, &at, &line, &n); number++) {
        if (n == 0) break;
        if (!split_pair(line, n, &right, &left_length, &right_length))
            return orthsr__fail(b->error, ORTHSR_ERROR_FORMAT, "%s: line %zu is not two tokens with a space between", b->path, number);
        char *joined = orthsr__format("%.*s%.*s", (int)left_length, line, (int)right_length, right);
        if (!joined) return orthsr__fail_memory(b->error, "a merge");
        orthsr_status status = ORTHSR_OK;
        if (json_object_get(vocab, joined)) status = orthsr__fail(b->error, ORTHSR_ERROR_FORMAT, "%s: line %zu makes a token that is there already", b->path, number);
        if (!status) status = add_token(vocab, joined, strlen(joined), "", b->path, b->error);
        free(joined);
        if (!status) status = add_merge(b, line, left_length, right, right_length);
        ORTHSR__TRY(status);
    }
    return ORTHSR_OK;
}

static orthsr_status open_gz(orthsr_tokenizer *tokenizer, const char *path, orthsr_error *error) {
    char *text = NULL;
    size_t length = 0;
    int32_t character[256], place[256], by_place[256];
    tokenizer->rules = &open_clip_rules;
    ORTHSR__TRY(read_gz(&text, &length, path, error));
    json_t *vocab = json_object();
    builder b = {.tokenizer = tokenizer, .vocab = vocab, .path = path, .error = error};
    orthsr_status status = vocab && orthsr__bpe_init(&tokenizer->bpe, OPEN_CLIP_MERGES) ? ORTHSR_OK : orthsr__fail_memory(error, "a vocabulary");
    byte_symbols(character, place);
    for (int i = 0; i < 256; i++) by_place[place[i]] = character[i];
    for (int i = 0; i < 512 && !status; i++) {
        char symbol[4];
        utf8proc_ssize_t n = utf8proc_encode_char(by_place[i % 256], (utf8proc_uint8_t *)symbol);
        status = add_token(vocab, symbol, (size_t)n, i < 256 ? "" : "</w>", path, error);
    }
    if (!status) status = merges_from_lines(&b, vocab, text, length);
    for (int i = 0; i < 2 && !status; i++) status = add_token(vocab, huggingface_rules.literals[i], strlen(huggingface_rules.literals[i]), "", path, error);
    if (!status) status = set_symbols(&b);
    tokenizer->vocab_size = json_object_size(vocab);
    json_decref(vocab);
    free(text);
    return status;
}

/* ---- opening ----------------------------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *suffix) {
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

/* A file by its name; vocab.json and merges.txt each bring the other. */
static orthsr_status open_named(orthsr_tokenizer *tokenizer, const char *path, orthsr_error *error) {
    if (ends_with(path, ".gz")) return open_gz(tokenizer, path, error);
    if (ends_with(path, "tokenizer.json")) return open_tokenizer_json(tokenizer, path, error);
    bool vocab = ends_with(path, "vocab.json");
    if (!vocab && !ends_with(path, "merges.txt"))
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s' is none of tokenizer.json, vocab.json, merges.txt or a .txt.gz of merges", path);
    size_t stem = strlen(path) - strlen(vocab ? "vocab.json" : "merges.txt");
    char *partner = orthsr__format("%.*s%s", (int)stem, path, vocab ? "merges.txt" : "vocab.json");
    if (!partner) return orthsr__fail_memory(error, "a file name");
    orthsr_status status = open_vocab_json(tokenizer, vocab ? path : partner, vocab ? partner : path, error);
    free(partner);
    return status;
}

static orthsr_status open_any(orthsr_tokenizer *tokenizer, const char *path, orthsr_error *error) {
    static const char *const names[] = {"tokenizer.json", "vocab.json", "bpe_simple_vocab_16e6.txt.gz"};
    if (!orthsr__is_directory(path)) return open_named(tokenizer, path, error);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *file = orthsr__join(path, names[i]);
        if (!file) return orthsr__fail_memory(error, "a file name");
        bool there = orthsr__is_file(file);
        orthsr_status status = there ? open_named(tokenizer, file, error) : ORTHSR_OK;
        free(file);
        if (there) return status;
    }
    return orthsr__fail(error, ORTHSR_ERROR_IO, "no vocabulary in '%s': tokenizer.json, vocab.json with merges.txt, or bpe_simple_vocab_16e6.txt.gz", path);
}

orthsr_status orthsr_tokenizer_open(orthsr_tokenizer **out, const char *path, orthsr_error *error) {
    ORTHSR__REQUIRE(out != NULL, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(path != NULL, error, "path is NULL");
    orthsr_tokenizer *tokenizer = orthsr__calloc(1, sizeof *tokenizer);
    if (!tokenizer) return orthsr__fail_memory(error, "a tokenizer");
    orthsr_status status = open_any(tokenizer, path, error);
    if (status) {
        orthsr_tokenizer_free(tokenizer);
        return status;
    }
    *out = tokenizer;
    return ORTHSR_OK;
}

/* ---- encoding ------------------------------------------------------------------------------------------------------------------------ */

/* The ids so far, and what a text needs on its way to them. */
typedef struct encoding {
    const orthsr_tokenizer *tokenizer;
    int32_t *ids; /* (context) */
    size_t context, used; /* used may pass context: only what fits is stored */
    orthsr__text clean;
    orthsr__bpe_work work;
} encoding;

static void put(encoding *e, int32_t id) {
    if (e->used < e->context) e->ids[e->used] = id;
    e->used++;
}

/* Which literal the bytes are, or -1. */
static int literal_index(const orthsr__text_rules *rules, const char *bytes, size_t n) {
    for (int i = 0; i < 2; i++)
        if (n == strlen(rules->literals[i]) && memcmp(bytes, rules->literals[i], n) == 0) return i;
    return -1;
}

static bool put_segment(encoding *e, const char *bytes, size_t n) {
    const orthsr_tokenizer *tokenizer = e->tokenizer;
    if (!orthsr__text_clean(&e->clean, bytes, n, tokenizer->rules)) return false;
    orthsr__words words = {.text = e->clean.bytes, .length = e->clean.length, .rules = tokenizer->rules};
    const char *word;
    size_t length, count;
    while (orthsr__words_next(&words, &word, &length)) {
        int literal = tokenizer->rules->literal_is_word ? literal_index(tokenizer->rules, word, length) : -1;
        if (literal >= 0) {
            put(e, tokenizer->special[literal]);
            continue;
        }
        size_t room = e->used < e->context ? e->context - e->used : 0;
        if (!orthsr__bpe_encode(&tokenizer->bpe, &e->work, (const uint8_t *)word, length, room ? e->ids + e->used : NULL, room, &count)) return false;
        e->used += count;
    }
    return true;
}

/* transformers takes special tokens out of the text as it was written, before cleaning; what lies between is cleaned piece by piece. */
static bool put_text(encoding *e, const char *bytes, size_t n) {
    const orthsr__text_rules *rules = e->tokenizer->rules;
    size_t start = 0;
    for (size_t i = 0; !rules->literal_is_word && i < n; i++)
        for (int k = 0; k < 2 && bytes[i] == '<'; k++) {
            size_t length = strlen(rules->literals[k]);
            if (n - i < length || memcmp(bytes + i, rules->literals[k], length) != 0) continue;
            if (!put_segment(e, bytes + start, i - start)) return false;
            put(e, e->tokenizer->special[k]);
            start = i + length;
            i = start - 1;
            break;
        }
    return put_segment(e, bytes + start, n - start);
}

orthsr_status orthsr_tokenizer_encode(const orthsr_tokenizer *tokenizer, const char *text, size_t length, int32_t pad_id, int32_t *ids, size_t context, size_t *used,
                                      orthsr_error *error) {
    ORTHSR__REQUIRE(tokenizer && ids && (text || length == 0), error, "an argument is NULL");
    ORTHSR__REQUIRE(context >= 2, error, "the context must hold at least two ids");
    encoding e = {.tokenizer = tokenizer, .ids = ids, .context = context};
    orthsr__text valid = {0};
    put(&e, tokenizer->special[0]);
    bool done = orthsr__text_decode(&valid, text ? text : "", length) && put_text(&e, valid.bytes, valid.length);
    free(valid.bytes);
    free(e.clean.bytes);
    orthsr__bpe_work_free(&e.work);
    if (!done) return orthsr__fail_memory(error, "a text");
    put(&e, tokenizer->special[1]);
    if (e.used > context) e.ids[context - 1] = tokenizer->special[1];
    for (size_t i = e.used; i < context; i++) ids[i] = pad_id;
    if (used) *used = e.used < context ? e.used : context;
    return ORTHSR_OK;
}
