/* test_tokenizer.c - ids equal to open_clip's and transformers' (tests/oracle/make_tokens.py), the forms of a vocabulary, and bad ones. */
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>
#include <zlib.h>

#include "base/file.h"
#include "util/check.h"

enum { CONTEXT = 128 };
#define TOKENS "tests/data/tokens/"

/* An assertion for loops: Check writes a record for every ck_assert it passes. */
#define must(condition, ...)                                                                                                                                   \
    do {                                                                                                                                                       \
        if (!(condition)) ck_abort_msg(__VA_ARGS__);                                                                                                           \
    } while (0)

static orthsr_error error;

static orthsr_tokenizer *opened(const char *path) {
    orthsr_tokenizer *tokenizer;
    ck_ok(orthsr_tokenizer_open(&tokenizer, path, &error));
    return tokenizer;
}

/* ---- the ids of others ---- */

enum { OPEN_CLIP, TRANSFORMERS, OLD, FAMILIES };

/* One record of make_tokens.py. */
typedef struct record {
    uint32_t length;
    char *text; /* (length) */
    uint16_t counts[FAMILIES], ids[FAMILIES][CONTEXT];
} record;

static void read_exactly(gzFile file, void *to, size_t bytes) {
    if (bytes > 0) must(gzread(file, to, (unsigned)bytes) == (int)bytes, "the fixture ends too early");
}

static bool next_record(gzFile file, record *r) {
    if (gzread(file, &r->length, sizeof r->length) != sizeof r->length) return false;
    r->text = realloc(r->text, r->length + 1);
    read_exactly(file, r->text, r->length);
    for (int f = 0; f < FAMILIES; f++) {
        read_exactly(file, &r->counts[f], sizeof r->counts[f]);
        must(r->counts[f] <= CONTEXT, "a record of %d ids", r->counts[f]);
        read_exactly(file, r->ids[f], r->counts[f] * sizeof r->ids[f][0]);
    }
    return true;
}

/* Every text that the family's tokenizer was asked about. */
static void same_ids(int family, const char *vocabulary, const char *fixture, size_t at_least) {
    orthsr_tokenizer *tokenizer = opened(vocabulary);
    gzFile file = gzopen(fixture, "rb");
    ck_assert_ptr_nonnull(file);
    size_t cases = 0, wrong = 0;
    record r = {0};
    while (next_record(file, &r)) {
        size_t expected = r.counts[family], used;
        if (expected == 0) continue;
        int32_t ids[CONTEXT];
        must(orthsr_tokenizer_encode(tokenizer, r.text, r.length, -7, ids, CONTEXT, &used, &error) == ORTHSR_OK, "%s", error.message);
        bool same = used == expected;
        for (size_t i = 0; i < CONTEXT && same; i++) same = ids[i] == (i < expected ? r.ids[family][i] : -7);
        cases++;
        wrong += !same;
        if (!same && wrong <= 5) fprintf(stderr, "%s: other ids for %.*s\n", vocabulary, (int)r.length, r.text);
    }
    free(r.text);
    gzclose(file);
    orthsr_tokenizer_free(tokenizer);
    ck_assert_uint_ge(cases, at_least);
    ck_assert_msg(wrong == 0, "%zu of %zu texts have other ids", wrong, cases);
    printf("tokens: %s: %zu texts, all the same ids\n", vocabulary, cases);
}

START_TEST(ids_of_open_clip) { same_ids(OPEN_CLIP, TOKENS "simple", TOKENS "texts.gz", 2500); }
END_TEST
START_TEST(ids_of_transformers) { same_ids(TRANSFORMERS, TOKENS "hf", TOKENS "texts.gz", 2500); }
END_TEST
START_TEST(ids_of_tokenizer_json) { same_ids(TRANSFORMERS, TOKENS "hf-json", TOKENS "texts.gz", 2500); }
END_TEST
START_TEST(ids_of_an_older_tokenizer_json) { same_ids(OLD, TOKENS "old", TOKENS "texts.gz", 600); }
END_TEST

/* OpenAI's whole vocabulary, where the environment says it is: make_tokens.py --full. */
START_TEST(ids_of_the_whole_vocabulary) {
    const char *vocabulary = getenv("ORTHSR_VOCABULARY"), *fixture = getenv("ORTHSR_TOKENS");
    if (!vocabulary || !fixture) return;
    orthsr_tokenizer *tokenizer = opened(vocabulary);
    ck_assert_uint_eq(orthsr_tokenizer_vocab_size(tokenizer), 49408);
    ck_assert_int_eq(orthsr_tokenizer_start_id(tokenizer), 49406);
    ck_assert_int_eq(orthsr_tokenizer_end_id(tokenizer), 49407);
    orthsr_tokenizer_free(tokenizer);
    same_ids(OPEN_CLIP, vocabulary, fixture, 2500);
}
END_TEST

/* ---- forms ---- */

START_TEST(a_file_may_be_named) {
    static const char *const paths[] = {TOKENS "simple/bpe_simple_vocab_16e6.txt.gz", TOKENS "hf/vocab.json", TOKENS "hf/merges.txt",
                                        TOKENS "hf-json/tokenizer.json"};
    orthsr_tokenizer *tokenizer = opened(paths[_i]);
    ck_assert_uint_eq(orthsr_tokenizer_vocab_size(tokenizer), 4514);
    ck_assert_int_eq(orthsr_tokenizer_start_id(tokenizer), 4512);
    ck_assert_int_eq(orthsr_tokenizer_end_id(tokenizer), 4513);
    orthsr_tokenizer_free(tokenizer);
}
END_TEST

START_TEST(texts_are_cut_and_padded) {
    orthsr_tokenizer *tokenizer = opened(TOKENS "simple");
    int32_t ids[6], start = orthsr_tokenizer_start_id(tokenizer), end = orthsr_tokenizer_end_id(tokenizer);
    size_t used;
    ck_ok(orthsr_tokenizer_encode(tokenizer, "a b c", 5, 9, ids, 6, &used, &error));
    ck_assert(used == 5 && ids[0] == start && ids[4] == end && ids[5] == 9);
    ck_ok(orthsr_tokenizer_encode(tokenizer, "a b c d", 7, 9, ids, 6, &used, &error));
    ck_assert(used == 6 && ids[4] != end && ids[5] == end);
    ck_ok(orthsr_tokenizer_encode(tokenizer, "a b c d e f", 11, 9, ids, 6, &used, &error));
    ck_assert(used == 6 && ids[4] != end && ids[5] == end);
    ck_ok(orthsr_tokenizer_encode(tokenizer, "a", 1, 9, ids, 2, NULL, &error));
    ck_assert(ids[0] == start && ids[1] == end);
    ck_ok(orthsr_tokenizer_encode(tokenizer, NULL, 0, 9, ids, 3, &used, &error));
    ck_assert(used == 2 && ids[0] == start && ids[1] == end && ids[2] == 9);
    ck_fails(orthsr_tokenizer_encode(tokenizer, "a", 1, 0, ids, 1, NULL, &error), ORTHSR_ERROR_ARGUMENT, "at least 2");
    ck_fails(orthsr_tokenizer_encode(tokenizer, NULL, 1, 0, ids, 6, NULL, &error), ORTHSR_ERROR_ARGUMENT, "text");
    ck_fails(orthsr_tokenizer_encode(tokenizer, "a", 1, 0, NULL, 6, NULL, &error), ORTHSR_ERROR_ARGUMENT, "ids");
    ck_fails(orthsr_tokenizer_encode(NULL, "a", 1, 0, ids, 6, NULL, &error), ORTHSR_ERROR_ARGUMENT, "tokenizer");
    orthsr_tokenizer_free(tokenizer);
    orthsr_tokenizer_free(NULL);
}
END_TEST

/* ---- any bytes ---- */

static const char *const forms[] = {TOKENS "simple", TOKENS "hf", TOKENS "old"};

START_TEST(any_bytes_have_ids) {
    orthsr_tokenizer *tokenizer = opened(forms[_i]);
    unsigned long state = 5;
    for (size_t round = 0; round < 3000; round++) {
        char text[64];
        size_t n = round % 64, used;
        int32_t ids[20];
        for (size_t i = 0; i < n; i++) text[i] = (char)(int)(noise(&state) * 128);
        must(orthsr_tokenizer_encode(tokenizer, text, n, 7, ids, 20, &used, &error) == ORTHSR_OK, "%s", error.message);
        must(used >= 2 && used <= 20 && ids[0] == orthsr_tokenizer_start_id(tokenizer) && ids[used - 1] == orthsr_tokenizer_end_id(tokenizer), "round %zu",
             round);
        for (size_t i = 0; i < 20; i++)
            must(ids[i] >= 0 && (size_t)ids[i] < orthsr_tokenizer_vocab_size(tokenizer) && (i < used || ids[i] == 7), "round %zu", round);
    }
    orthsr_tokenizer_free(tokenizer);
}
END_TEST

/* Texts that are slow for a naive method: long words, long runs of marks, sigmas, ampersands. */
START_TEST(long_texts_take_no_time) {
    static const char *const units[] = {"a", "ab", "the", "\xcc\x80\xcc\xa3", "\xce\xa3'", "&am", "&#1", "<", "'l", "\xf0\x9f\x98\x80", "\xed\xa0"};
    orthsr_tokenizer *tokenizer = opened(forms[_i]);
    size_t n = getenv("ORTHSR_TEST_SHORT") ? 10000 : 100000;
    char *text = malloc(n);
    int32_t *ids = malloc((n + 2) * sizeof *ids);
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        size_t unit = strlen(units[u]), used;
        for (size_t i = 0; i < n; i++) text[i] = i == 0 ? 'b' : units[u][(i - 1) % unit];
        clock_t before = clock();
        ck_ok(orthsr_tokenizer_encode(tokenizer, text, n, 0, ids, n + 2, &used, &error));
        double seconds = (double)(clock() - before) / CLOCKS_PER_SEC;
        if (!getenv("ORTHSR_TEST_SHORT")) ck_assert_msg(seconds < 1, "100 KB of '%s' took %.2f s", units[u], seconds);
    }
    free(ids);
    free(text);
    orthsr_tokenizer_free(tokenizer);
}
END_TEST

/* ---- bad vocabularies ---- */

/* A file in a fresh folder. */
static const char *written(const char *name, const char *text, size_t n) {
    static unsigned folders;
    static char path[400];
    snprintf(path, sizeof path, "%s/v%d-%u", scratch_directory(), (int)getpid(), folders++);
    must(mkdir(path, 0777) == 0, "cannot make %s", path);
    size_t used = strlen(path);
    snprintf(path + used, sizeof path - used, "/%s", name);
    ck_ok(orthsr__write_file(path, text, n, &error));
    return path;
}

static void refused(const char *path, orthsr_status status, const char *message) {
    orthsr_tokenizer *tokenizer = (orthsr_tokenizer *)&status;
    ck_fails(orthsr_tokenizer_open(&tokenizer, path, &error), status, message);
    ck_assert_msg(strstr(error.message, path) || strstr(error.message, "/merges.txt"), "'%s' does not name %s", error.message, path);
    ck_assert_ptr_null(tokenizer);
}

START_TEST(other_places_are_refused) {
    orthsr_tokenizer *tokenizer;
    refused("tests", ORTHSR_ERROR_IO, "vocab.json");
    refused("tests/none.gz", ORTHSR_ERROR_IO, "none.gz");
    refused("README.md", ORTHSR_ERROR_IO, "looked for");
    refused(written("vocab.json", "{}", 2), ORTHSR_ERROR_IO, "merges.txt");
    ck_fails(orthsr_tokenizer_open(&tokenizer, NULL, &error), ORTHSR_ERROR_ARGUMENT, "path");
    ck_fails(orthsr_tokenizer_open(NULL, "x", &error), ORTHSR_ERROR_ARGUMENT, "out");
}
END_TEST

static char *file_text(const char *path, size_t *size) {
    orthsr__mapping file;
    ck_ok(orthsr__map(&file, path, &error));
    char *text = malloc(file.size + 1);
    memcpy(text, file.data, file.size);
    text[file.size] = '\0';
    *size = file.size;
    orthsr__unmap(&file);
    return text;
}

/* The file with the first `from` replaced by `to`, in a fresh folder. */
static const char *edited(const char *source, const char *from, const char *to) {
    size_t size;
    char *text = file_text(source, &size), *at = strstr(text, from);
    must(at != NULL, "%s has no '%s'", source, from);
    char *result = malloc(size + strlen(to) + 1);
    int n = sprintf(result, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    const char *path = written(strrchr(source, '/') + 1, result, (size_t)n);
    free(result);
    free(text);
    return path;
}

START_TEST(a_bad_tokenizer_json_is_refused) {
    static const struct {
        const char *from, *to;
        orthsr_status status;
        const char *message;
    } edits[] = {
        {"{", "[", ORTHSR_ERROR_FORMAT, "line 1"},
        {"\"type\":\"BPE\"", "\"type\":\"WordPiece\"", ORTHSR_ERROR_UNSUPPORTED, "BPE"},
        {"\"model\"", "\"no model\"", ORTHSR_ERROR_UNSUPPORTED, "model"},
        {"\"</w>\"", "\"\"", ORTHSR_ERROR_UNSUPPORTED, "end_of_word_suffix"},
        {"\"dropout\":null", "\"dropout\":0.5", ORTHSR_ERROR_UNSUPPORTED, "dropout"},
        {"\"continuing_subword_prefix\":null", "\"continuing_subword_prefix\":\"##\"", ORTHSR_ERROR_UNSUPPORTED, "prefix"},
        {"\"byte_fallback\":false", "\"byte_fallback\":true", ORTHSR_ERROR_UNSUPPORTED, "byte_fallback"},
        {"\"ignore_merges\":false", "\"ignore_merges\":true", ORTHSR_ERROR_UNSUPPORTED, "ignore_merges"},
        {"\"NFC\"", "\"NFKC\"", ORTHSR_ERROR_UNSUPPORTED, "normalizer"},
        {"\"ByteLevel\"", "\"Whitespace\"", ORTHSR_ERROR_UNSUPPORTED, "pre_tokenizer"},
        {"[\\\\p{N}]", "[\\\\p{N}]+", ORTHSR_ERROR_UNSUPPORTED, "pattern"},
        {"\"single_word\":false", "\"single_word\":true", ORTHSR_ERROR_UNSUPPORTED, "single_word"},
        {"\"content\":\"<Cat>\"", "\"content\":7", ORTHSR_ERROR_FORMAT, "added_tokens 2"},
        {"\"id\":664,", "\"id\":700,", ORTHSR_ERROR_FORMAT, "<Cat>"},
        {"\"vocab\":{", "\"vocab\":7,\"x\":{", ORTHSR_ERROR_FORMAT, "model.vocab"},
        {"\"merges\":[", "\"merges\":7,\"x\":[", ORTHSR_ERROR_FORMAT, "model.merges"},
        {"\"merges\":[\"i n\"", "\"merges\":[\"in\"", ORTHSR_ERROR_FORMAT, "merges 0"},
        {"\"merges\":[\"i n\"", "\"merges\":[[\"i\",7]", ORTHSR_ERROR_FORMAT, "merges 0"},
        {"\"merges\":[\"i n\"", "\"merges\":[\"i never\"", ORTHSR_ERROR_FORMAT, "\"never\""},
        {"\"#\":2,", "\"#\":2.5,", ORTHSR_ERROR_FORMAT, "\"#\""},
        {"\"#\":2,", "\"#\":-2,", ORTHSR_ERROR_FORMAT, "\"#\""},
        {"\"#\":2,", "\"#\":\"2\",", ORTHSR_ERROR_FORMAT, "\"#\""},
        {"\"#\":2,", "\"#\":3,", ORTHSR_ERROR_FORMAT, "id 3"},
        {"\"#\":2,", "\"#\":5000000000,", ORTHSR_ERROR_FORMAT, "gap"},
        {"\"#\":2,", "\"##\":2,", ORTHSR_ERROR_FORMAT, "byte 0x23"},
        {"\"#\":2,", "\"#\":2,\"#\":2,", ORTHSR_ERROR_FORMAT, "duplicate"},
        {"\"#</w>\"", "\"##</w>\"", ORTHSR_ERROR_FORMAT, "byte 0x23"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++)
        refused(edited(TOKENS "old/tokenizer.json", edits[i].from, edits[i].to), edits[i].status, edits[i].message);
}
END_TEST

START_TEST(bad_merges_are_refused) {
    size_t size;
    char *vocab = file_text(TOKENS "hf/vocab.json", &size), path[400];
    static const char *const merges[][2] = {{"#version: 0.2\ni n\nbroken\n", "line 3"},
                                            {"i n\nt h e\n", "line 2"},
                                            {" in\n", "line 1"},
                                            {"in \n", "line 1"},
                                            {"i n\nqq never\n", "\"qq\""},
                                            {"i n\n\xff x", "line 2"}};
    for (size_t i = 0; i < sizeof merges / sizeof merges[0]; i++) {
        snprintf(path, sizeof path, "%s", written("vocab.json", vocab, size));
        char *slash = strrchr(path, '/');
        strcpy(slash + 1, "merges.txt");
        ck_ok(orthsr__write_file(path, merges[i][0], strlen(merges[i][0]), &error));
        *slash = '\0';
        orthsr_tokenizer *tokenizer;
        ck_fails(orthsr_tokenizer_open(&tokenizer, path, &error), ORTHSR_ERROR_FORMAT, merges[i][1]);
    }
    free(vocab);
    refused(edited(TOKENS "hf/vocab.json", "{", "["), ORTHSR_ERROR_FORMAT, "line 1");
}
END_TEST

static const char *gzipped(const char *text, size_t n) {
    char path[400];
    snprintf(path, sizeof path, "%s", written("list.gz", "", 0));
    gzFile file = gzopen(path, "wb");
    must(file && gzwrite(file, text, (unsigned)n) == (int)n && gzclose(file) == Z_OK, "cannot write %s", path);
    static char kept[400];
    return strcpy(kept, path);
}

START_TEST(bad_merge_lists_are_refused) {
    refused(written("list.gz", "", 0), ORTHSR_ERROR_FORMAT, "list.gz");
    refused(written("list.gz", "title\nt h\n", 10), ORTHSR_ERROR_FORMAT, "gzip");
    refused(gzipped("title\nt h\nbroken\n", 17), ORTHSR_ERROR_FORMAT, "line 3");
    refused(gzipped("title\nqqq e\n", 12), ORTHSR_ERROR_FORMAT, "\"qqq\"");
    refused(gzipped("title\ne \xff\n", 10), ORTHSR_ERROR_FORMAT, "line 2");
    char *zeros = calloc(20 << 20, 1);
    refused(gzipped(zeros, 20 << 20), ORTHSR_ERROR_FORMAT, "more than");
    free(zeros);
    /* A newline at the end makes an empty line, which takes an id, as in open_clip. */
    static const char *const lists[] = {"title\nt h\nth e</w>", "title\nt h\nth e</w>\n"};
    for (size_t i = 0; i < 2; i++) {
        orthsr_tokenizer *tokenizer = opened(gzipped(lists[i], strlen(lists[i])));
        ck_assert_uint_eq(orthsr_tokenizer_vocab_size(tokenizer), 516 + i);
        int32_t ids[3];
        ck_ok(orthsr_tokenizer_encode(tokenizer, "the", 3, 0, ids, 3, NULL, &error));
        ck_assert_int_eq(ids[1], 513);
        orthsr_tokenizer_free(tokenizer);
    }
}
END_TEST

/* Cut at every byte (of the large ones, every so many): an error, never a crash. */
START_TEST(every_truncation_is_an_error) {
    static const struct {
        const char *path;
        size_t stride;
    } files[] = {{TOKENS "simple/bpe_simple_vocab_16e6.txt.gz", 7}, {TOKENS "old/tokenizer.json", 11}};
    size_t size, slower = getenv("ORTHSR_TEST_SHORT") ? 20 : 1;
    char *bytes = file_text(files[_i].path, &size), path[400];
    snprintf(path, sizeof path, "%s", written(strrchr(files[_i].path, '/') + 1, "", 0));
    for (size_t n = 0; n < size; n += slower * (n < 200 || n + 200 > size ? 1 : files[_i].stride)) {
        orthsr_tokenizer *tokenizer;
        must(orthsr__write_file(path, bytes, n, &error) == ORTHSR_OK, "%s", error.message);
        must(orthsr_tokenizer_open(&tokenizer, path, &error) == ORTHSR_ERROR_FORMAT && strstr(error.message, path), "%s cut to %zu bytes: %s", path, n,
             error.message);
    }
    free(bytes);
}
END_TEST

static TCase *peers(void) {
    TCase *tests = tcase_create("peers");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, ids_of_open_clip);
    tcase_add_test(tests, ids_of_transformers);
    tcase_add_test(tests, ids_of_tokenizer_json);
    tcase_add_test(tests, ids_of_an_older_tokenizer_json);
    tcase_add_test(tests, ids_of_the_whole_vocabulary);
    return tests;
}

static TCase *use(void) {
    TCase *tests = tcase_create("use");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_file_may_be_named, 0, 4);
    tcase_add_test(tests, texts_are_cut_and_padded);
    tcase_add_loop_test(tests, any_bytes_have_ids, 0, 3);
    tcase_add_loop_test(tests, long_texts_take_no_time, 0, 3);
    return tests;
}

static TCase *bad(void) {
    TCase *tests = tcase_create("bad files");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, other_places_are_refused);
    tcase_add_test(tests, a_bad_tokenizer_json_is_refused);
    tcase_add_test(tests, bad_merges_are_refused);
    tcase_add_test(tests, bad_merge_lists_are_refused);
    tcase_add_loop_test(tests, every_truncation_is_an_error, 0, 2);
    return tests;
}

TEST_MAIN("tokenizer", peers, use, bad)
