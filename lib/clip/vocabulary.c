/* vocabulary.c - the three forms of a CLIP vocabulary.
 *
 *     tokenizer.json                 transformers' rules; ids, merges and special tokens in one file
 *     vocab.json + merges.txt        transformers' rules; ids, and merges in order
 *     bpe_simple_vocab_16e6.txt.gz   open_clip's rules; merges in order, ids follow from their place
 *
 * Each is first brought to the second form: a JSON object from symbol to id, and pairs of symbols to merge.
 */
#include "clip/reading.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"

static orthsr_status read_merge_lines(orthsr__reading *r, const orthsr__mapping *file) {
    const char *text = file->size ? (const char *)file->data : "";
    orthsr__line_cursor l = {.at = text, .end = text + file->size};
    const char *line;
    for (size_t length; orthsr__next_line(&l, &line, &length);) {
        if (length > 0 && line[length - 1] == '\r') length--;
        if (length == 0 || (l.number == 1 && length >= 8 && memcmp(line, "#version", 8) == 0)) continue;
        const char *space = orthsr__merge_space(line, length);
        if (!space) return orthsr__malformed_merge(r, "line", l.number);
        ORTHSR__TRY(orthsr__reading_merge(r, line, (size_t)(space - line), space + 1, (size_t)(line + length - space) - 1, "line", l.number));
    }
    return ORTHSR_OK;
}

static orthsr_status read_vocab_and_merges(orthsr__reading *r, const char *vocab_path, const char *merges_path) {
    orthsr_tokenizer *t = r->tokenizer;
    json_t *vocab;
    orthsr__mapping merges;
    ORTHSR__TRY(orthsr__json_load(&vocab, vocab_path, ORTHSR__MAX_VOCABULARY_BYTES, r->error));
    orthsr_status status = orthsr__read(&merges, merges_path, ORTHSR__MAX_VOCABULARY_BYTES, r->error);
    if (status) goto done;
    r->path = vocab_path;
    r->ids = vocab;
    t->rules = orthsr__transformers_rules;
    t->size = json_object_size(vocab);
    size_t most = 1; /* merges: a line has one at most */
    for (size_t i = 0; i < merges.size; i++) most += merges.data[i] == '\n';
    if (!orthsr__bpe_init(&t->bpe, most)) status = orthsr__fail_memory(r->error, vocab_path);
    if (status || (status = orthsr__reading_check_ids(r)) || (status = orthsr__reading_bytes(r)) || (status = orthsr__reading_special_ids(r))) goto done;
    r->path = merges_path;
    if (!(status = read_merge_lines(r, &merges))) status = orthsr__read_tokenizer_config(r);
done:
    orthsr__unmap(&merges);
    json_decref(vocab);
    return status;
}

/* ---- which form ------------------------------------------------------------------------------------------------------- */

static const char *const forms[] = {"tokenizer.json", "vocab.json", "merges.txt", "bpe_simple_vocab_16e6.txt.gz"};
enum { TOKENIZER_JSON, VOCAB_JSON, MERGES_TXT, SIMPLE, FORMS };

orthsr_status orthsr__vocabulary_load(orthsr_tokenizer *tokenizer, const char *path, orthsr_error *error) {
    orthsr__reading r = {.tokenizer = tokenizer, .error = error};
    orthsr_status status;
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    bool in_directory = orthsr__is_directory(path);
    char *directory = in_directory ? orthsr__strdup(path) : slash ? orthsr__strndup(path, slash == path ? 1 : (size_t)(slash - path)) : orthsr__strdup(".");
    r.directory = directory;
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
        status = orthsr__read_tokenizer_json(&r, files[TOKENIZER_JSON]);
    } else if (in_directory ? take[VOCAB_JSON] && take[MERGES_TXT] : take[VOCAB_JSON] || take[MERGES_TXT]) {
        status = read_vocab_and_merges(&r, files[VOCAB_JSON], files[MERGES_TXT]);
    } else if (take[SIMPLE]) {
        status = orthsr__read_simple_vocabulary(&r, files[SIMPLE]);
    } else if (!in_directory && length > 3 && strcmp(path + length - 3, ".gz") == 0) {
        status = orthsr__read_simple_vocabulary(&r, path);
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
