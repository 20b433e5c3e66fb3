/* test_tokenizer.c - ids equal to open_clip's and transformers' (tests/oracle/make_tokens.py), the three forms of a vocabulary, bad ones. */
#include <sys/stat.h>
#include <zlib.h>

#include "base/file.h"
#include "util/check.h"

enum { CONTEXT = 48 };
#define TOKENS "tests/data/tokens/"

static orthsr_error error;

static void write_text(const char *path, const char *text, size_t n) { ck_ok(orthsr__write_file(path, text, n, &error)); }

static size_t unhex(char *out, const char *hex) {
    size_t n = 0;
    if (strcmp(hex, "-") == 0) return 0;
    for (; hex[0]; hex += 2) {
        unsigned byte;
        ck_assert_int_eq(sscanf(hex, "%2x", &byte), 1);
        out[n++] = (char)byte;
    }
    return n;
}

/* Every case of one family. Strings: 20 scripts, emoji, control characters, entities, contractions, special tokens, long words. */
static void same_ids(const char *family, const char *vocabulary, size_t at_least) {
    orthsr_tokenizer *tokenizer;
    ck_ok(orthsr_tokenizer_open(&tokenizer, vocabulary, &error));
    gzFile file = gzopen(TOKENS "cases.txt.gz", "rb");
    ck_assert_ptr_nonnull(file);
    static char line[1 << 16], hex[1 << 15], text[1 << 14];
    size_t cases = 0, wrong = 0;
    while (gzgets(file, line, sizeof line)) {
        char name[32];
        int used = 0;
        ck_assert_int_eq(sscanf(line, "%31s %32767s %n", name, hex, &used), 2);
        if (strcmp(name, family) != 0) continue;
        size_t n = unhex(text, hex), count = 0, have;
        int32_t expected[CONTEXT], ids[CONTEXT];
        for (char *at = line + used, *end; count < CONTEXT && (expected[count] = (int32_t)strtol(at, &end, 10), end != at); at = end) count++;
        ck_ok(orthsr_tokenizer_encode(tokenizer, text, n, 0, ids, CONTEXT, &have, &error));
        bool same = have == count && memcmp(ids, expected, count * sizeof *ids) == 0;
        for (size_t i = have; i < CONTEXT; i++) same = same && ids[i] == 0;
        cases++;
        wrong += !same;
        if (!same && wrong < 10) fprintf(stderr, "%s: other ids for %.*s (%s)\n", family, (int)n, text, hex);
    }
    gzclose(file);
    orthsr_tokenizer_free(tokenizer);
    ck_assert_uint_ge(cases, at_least);
    ck_assert_msg(wrong == 0, "%zu of %zu strings have other ids than %s gives", wrong, cases, family);
}

START_TEST(ids_of_open_clip) { same_ids("open_clip", TOKENS "bpe_simple_vocab_16e6.txt.gz", 2000); }
END_TEST
START_TEST(ids_of_transformers) { same_ids("transformers", TOKENS "vocab.json", 2000); }
END_TEST

/* tokenizer.json with the same vocabulary, merges in both spellings, gives the same ids as vocab.json with merges.txt. */
START_TEST(tokenizer_json) {
    orthsr__mapping vocab, merges;
    ck_ok(orthsr__map(&vocab, TOKENS "vocab.json", &error));
    ck_ok(orthsr__map(&merges, TOKENS "merges.txt", &error));
    size_t room = vocab.size + 8 * merges.size + 4096, n;
    char *text = malloc(room);
    n = (size_t)snprintf(text, room, "{\"model\": {\"type\": \"BPE\", \"end_of_word_suffix\": \"</w>\", \"vocab\": %.*s, \"merges\": [", (int)vocab.size, (const char *)vocab.data);
    const char *at = memchr(merges.data, '\n', merges.size), *stop = (const char *)merges.data + merges.size;
    bool first = true;
    for (at++; at < stop;) {
        const char *end = memchr(at, '\n', (size_t)(stop - at)), *space = memchr(at, ' ', (size_t)(stop - at));
        if (!end) end = stop;
        n += (size_t)snprintf(text + n, room - n, _i ? "%s[\"%.*s\", \"%.*s\"]" : "%s\"%.*s %.*s\"", first ? "" : ", ", (int)(space - at), at, (int)(end - space - 1), space + 1);
        first = false;
        at = end + 1;
    }
    n += (size_t)snprintf(text + n, room - n, "]}}");
    char path[64];
    snprintf(path, sizeof path, "form%d", _i);
    char directory[300];
    snprintf(directory, sizeof directory, "%s", scratch_file(path));
    ck_assert_int_eq(mkdir(directory, 0777), 0);
    char file[400];
    snprintf(file, sizeof file, "%s/tokenizer.json", directory);
    write_text(file, text, n);
    same_ids("transformers", directory, 2000);
    free(text);
    orthsr__unmap(&vocab);
    orthsr__unmap(&merges);
}
END_TEST

/* Any bytes at all: an answer, and ids inside the vocabulary. */
START_TEST(any_bytes) {
    orthsr_tokenizer *tokenizer;
    ck_ok(orthsr_tokenizer_open(&tokenizer, _i ? TOKENS "vocab.json" : TOKENS "bpe_simple_vocab_16e6.txt.gz", &error));
    unsigned long state = 5;
    for (size_t round = 0; round < 2000; round++) {
        char text[64];
        size_t n = round % 64, used;
        int32_t ids[20];
        for (size_t i = 0; i < n; i++) text[i] = (char)(int)(noise(&state) * 128);
        ck_ok(orthsr_tokenizer_encode(tokenizer, text, n, 7, ids, 20, &used, &error));
        ck_assert(used >= 2 && used <= 20 && ids[0] == orthsr_tokenizer_start_id(tokenizer) && ids[used - 1] == orthsr_tokenizer_end_id(tokenizer));
        for (size_t i = 0; i < 20; i++) ck_assert(ids[i] >= 0 && (size_t)ids[i] < orthsr_tokenizer_vocab_size(tokenizer) && (i < used || ids[i] == 7));
    }
    size_t n = 200000;
    char *word = malloc(n);
    int32_t ids[8];
    memset(word, 'a', n);
    ck_ok(orthsr_tokenizer_encode(tokenizer, word, n, 0, ids, 8, NULL, &error));
    ck_assert_int_eq(ids[7], orthsr_tokenizer_end_id(tokenizer));
    free(word);
    ck_fails(orthsr_tokenizer_encode(tokenizer, "a", 1, 0, ids, 1, NULL, &error), ORTHSR_ERROR_ARGUMENT, "two ids");
    ck_fails(orthsr_tokenizer_encode(tokenizer, NULL, 1, 0, ids, 8, NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    orthsr_tokenizer_free(tokenizer);
    orthsr_tokenizer_free(NULL);
}
END_TEST

static void refuse(const char *name, const char *text, size_t n, orthsr_status status, const char *message) {
    orthsr_tokenizer *tokenizer = (orthsr_tokenizer *)&status;
    char path[300];
    snprintf(path, sizeof path, "%s", scratch_file(name));
    write_text(path, text, n);
    ck_fails(orthsr_tokenizer_open(&tokenizer, path, &error), status, message);
    ck_assert_ptr_null(tokenizer);
}

START_TEST(bad_vocabularies) {
    orthsr_tokenizer *tokenizer;
    ck_fails(orthsr_tokenizer_open(&tokenizer, "tests", &error), ORTHSR_ERROR_IO, "no vocabulary in 'tests'");
    ck_fails(orthsr_tokenizer_open(&tokenizer, "tests/none.gz", &error), ORTHSR_ERROR_IO, "tests/none.gz");
    ck_fails(orthsr_tokenizer_open(&tokenizer, "README.md", &error), ORTHSR_ERROR_UNSUPPORTED, "README.md");
    refuse("a-tokenizer.json", "{}", 2, ORTHSR_ERROR_UNSUPPORTED, "byte-level BPE");
    refuse("b-tokenizer.json", "{\"model\": {\"type\": \"WordPiece\"}}", 32, ORTHSR_ERROR_UNSUPPORTED, "WordPiece");
    const char *no_vocab = "{\"model\": {\"type\": \"BPE\", \"end_of_word_suffix\": \"</w>\"}}";
    refuse("c-tokenizer.json", no_vocab, strlen(no_vocab), ORTHSR_ERROR_FORMAT, "model.vocab");
    const char *gap = "{\"model\": {\"type\": \"BPE\", \"end_of_word_suffix\": \"</w>\", \"vocab\": {\"a\": 0, \"b\": 2}, \"merges\": []}}";
    refuse("d-tokenizer.json", gap, strlen(gap), ORTHSR_ERROR_FORMAT, "token 'b'");
    const char *bytes = "{\"model\": {\"type\": \"BPE\", \"end_of_word_suffix\": \"</w>\", \"vocab\": {\"a\": 0}, \"merges\": []}}";
    refuse("e-tokenizer.json", bytes, strlen(bytes), ORTHSR_ERROR_FORMAT, "no token");
    refuse("f.txt.gz", "heading\nth e\nbroken\n", 20, ORTHSR_ERROR_FORMAT, "line 3"); /* gzread takes plain text as well */
    refuse("g.txt.gz", "heading\nqqq e\n", 14, ORTHSR_ERROR_FORMAT, "'qqq'");
    refuse("h.txt.gz", "heading\nt h\nt h\n", 16, ORTHSR_ERROR_FORMAT, "line 3");
    refuse("vocab.json", "{\"a\": 0}", 8, ORTHSR_ERROR_IO, "merges.txt");
}
END_TEST

/* Cut at every byte: an error, or a smaller vocabulary, never a crash. */
START_TEST(truncated_vocabularies) {
    const char *sources[] = {TOKENS "bpe_simple_vocab_16e6.txt.gz", TOKENS "vocab.json"}, *names[] = {"cut.txt.gz", "cut-tokenizer.json"};
    for (int i = 0; i < 2; i++) {
        orthsr__mapping whole;
        char path[300];
        ck_ok(orthsr__map(&whole, sources[i], &error));
        snprintf(path, sizeof path, "%s", scratch_file(names[i]));
        for (size_t n = 1; n < whole.size; n += i ? 97 : 1) {
            orthsr_tokenizer *tokenizer;
            FILE *f = fopen(path, "wb");
            ck_assert(f && fwrite(whole.data, 1, n, f) == n && fclose(f) == 0);
            orthsr_status status = orthsr_tokenizer_open(&tokenizer, path, &error);
            ck_assert_msg(status != ORTHSR_OK, "%s cut at byte %zu was accepted", sources[i], n);
        }
        orthsr__unmap(&whole);
    }
}
END_TEST

static TCase *all(void) {
    TCase *tc = tcase_create("tokenizer");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, ids_of_open_clip);
    tcase_add_test(tc, ids_of_transformers);
    tcase_add_loop_test(tc, tokenizer_json, 0, 2);
    tcase_add_loop_test(tc, any_bytes, 0, 2);
    tcase_add_test(tc, bad_vocabularies);
    tcase_add_test(tc, truncated_vocabularies);
    return tc;
}
TEST_MAIN("tokenizer", all)
