/* simple_vocabulary.c - bpe_simple_vocab_16e6.txt.gz: merges in order, from whose place the ids follow; open_clip's rules. */
#include "clip/reading.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "io/gzip.h"

enum { MAX_SIMPLE_MERGES = 49152 - 256 - 2 }; /* how many lines open_clip reads; the file has more */

static orthsr_status gunzip(orthsr__text *out, const char *path, orthsr_error *error) {
    gzFile file;
    ORTHSR__TRY(orthsr__gzip_open(&file, path, error));
    char block[1 << 14];
    orthsr_status status = ORTHSR_OK;
    int n = 0;
    while (!status && (n = gzread(file, block, sizeof block)) > 0) {
        if (out->length + (size_t)n > ORTHSR__MAX_VOCABULARY_BYTES)
            status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' unpacks to more than %d bytes; this is no vocabulary", path, ORTHSR__MAX_VOCABULARY_BYTES);
        else if (!orthsr__text_append(out, block, (size_t)n)) status = orthsr__fail_memory(error, path);
    }
    int code;
    const char *reason = gzerror(file, &code);
    if (!status && code == Z_MEM_ERROR) status = orthsr__fail_memory(error, path);
    if (!status && code == Z_ERRNO) status = orthsr__fail_errno(error, "read", path);
    if (!status && n >= 0 && gzdirect(file)) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is not compressed by gzip", path);
    /* A stream that ends too early is an error for zlib only when the file is closed. */
    if (!status && n < 0) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' cannot be unpacked: %s", path, reason);
    if (gzclose(file) == Z_BUF_ERROR && !status) status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' cannot be unpacked: the compressed data are truncated", path);
    return status;
}

/* Ids of the bytes: the visible ones first, then the others; once more with </w>. */
static orthsr_status add_simple_bytes(orthsr__reading *r) {
    char symbols[256][3];
    orthsr__byte_symbols(symbols);
    for (int last = 0; last < 2; last++)
        for (int hidden = 0; hidden < 2; hidden++)
            for (int byte = 0; byte < 256; byte++) {
                if (orthsr__byte_is_visible(byte) == hidden) continue;
                ORTHSR__TRY(orthsr__reading_add_symbol(r, orthsr__reading_symbol(r, symbols[byte], strlen(symbols[byte]), last ? "</w>" : "", last ? 4 : 0)));
            }
    return ORTHSR_OK;
}

/* The merges follow a title line, each making the next id. An empty line takes an id as well: it does in open_clip. */
static orthsr_status read_simple_lines(orthsr__reading *r, const orthsr__text *file) {
    orthsr__line_cursor l = {.at = file->bytes, .end = file->bytes + file->length};
    const char *line;
    size_t length;
    for (orthsr__next_line(&l, &line, &length); l.number <= MAX_SIMPLE_MERGES && orthsr__next_line(&l, &line, &length);) {
        if (length == 0) {
            r->tokenizer->size++;
            continue;
        }
        const char *space = orthsr__merge_space(line, length);
        if (!space) return orthsr__malformed_merge(r, "line", l.number);
        size_t left = (size_t)(space - line), right = length - left - 1;
        const char *parts[2] = {line, space + 1};
        size_t lengths[2] = {left, right};
        /* Both parts must be there before what they make: then a greedy merge and one in passes come to the same. */
        for (int i = 0; i < 2; i++) {
            const char *name = orthsr__reading_symbol(r, parts[i], lengths[i], "", 0);
            if (!name) return orthsr__fail_memory(r->error, r->path);
            if (orthsr__reading_id(r, name) < 0)
                return orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s', line %zu: no line before this one makes \"%.100s\"", r->path, l.number, name);
        }
        ORTHSR__TRY(orthsr__reading_add_symbol(r, orthsr__reading_symbol(r, line, left, space + 1, right)));
        ORTHSR__TRY(orthsr__reading_merge(r, line, left, space + 1, right, "line", l.number));
    }
    return ORTHSR_OK;
}

orthsr_status orthsr__read_simple_vocabulary(orthsr__reading *r, const char *path) {
    orthsr_tokenizer *t = r->tokenizer;
    orthsr__text file = {0};
    r->path = path;
    r->ids = json_object();
    t->rules = orthsr__open_clip_rules;
    orthsr_status status = r->ids && orthsr__bpe_init(&t->bpe, MAX_SIMPLE_MERGES) ? gunzip(&file, path, r->error) : orthsr__fail_memory(r->error, path);
    if (!status && file.length == 0) status = orthsr__fail(r->error, ORTHSR_ERROR_FORMAT, "'%s' is empty; a list of merges was expected", path);
    if (!status && !(status = add_simple_bytes(r)) && !(status = orthsr__reading_bytes(r)) && !(status = read_simple_lines(r, &file))) {
        t->start = (int32_t)t->size++;
        t->end = (int32_t)t->size++;
    }
    free(file.bytes);
    json_decref(r->ids);
    return status;
}
