/* test_tokenizer.c - ids equal to open_clip's and transformers' (tests/oracle/make_tokens.py), the forms of a vocabulary, and bad ones. */
#include <stdbool.h>
#include <sys/stat.h>
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

/* Texts that are slow for a naive method: long words, long runs of marks, sigmas, ampersands. A method that is quadratic in them runs into the timeout. */
START_TEST(long_texts_take_no_time) {
    static const char *const units[] = {"a", "ab", "the", "\xcc\x80\xcc\xa3", "\xce\xa3'", "&am", "&#1", "<", "'l", "\xf0\x9f\x98\x80", "\xed\xa0"};
    orthsr_tokenizer *tokenizer = opened(forms[_i]);
    size_t n = short_run() ? 10000 : 100000;
    char *text = malloc(n);
    int32_t *ids = malloc((n + 2) * sizeof *ids);
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        size_t unit = strlen(units[u]), used;
        for (size_t i = 0; i < n; i++) text[i] = i == 0 ? 'b' : units[u][(i - 1) % unit];
        ck_ok(orthsr_tokenizer_encode(tokenizer, text, n, 0, ids, n + 2, &used, &error));
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
    const char *pipe = scratch_file("pipe.gz");
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    refused(pipe, ORTHSR_ERROR_IO, "is not a regular file"); /* and not waited for */
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
        {"{", "[", ORTHSR_ERROR_FORMAT, "is not an object in JSON"},
        {"\"type\":\"BPE\"", "\"type\":\"WordPiece\"", ORTHSR_ERROR_UNSUPPORTED, "BPE"},
        {"\"model\"", "\"no model\"", ORTHSR_ERROR_UNSUPPORTED, "model"},
        {"\"</w>\"", "\"\"", ORTHSR_ERROR_UNSUPPORTED, "end_of_word_suffix"},
        {"\"dropout\":null", "\"dropout\":0.5", ORTHSR_ERROR_UNSUPPORTED, "dropout"},
        {"\"continuing_subword_prefix\":null", "\"continuing_subword_prefix\":\"##\"", ORTHSR_ERROR_UNSUPPORTED, "prefix"},
        {"\"byte_fallback\":false", "\"byte_fallback\":true", ORTHSR_ERROR_UNSUPPORTED, "byte_fallback"},
        {"\"ignore_merges\":false", "\"ignore_merges\":true", ORTHSR_ERROR_UNSUPPORTED, "ignore_merges"},
        {"\"NFC\"", "\"NFKC\"", ORTHSR_ERROR_UNSUPPORTED, "normalizer"},
        {"\"ByteLevel\"", "\"Whitespace\"", ORTHSR_ERROR_UNSUPPORTED, "pre_tokenizer"},
        {"\"Regex\":\"\\\\s+\"", "\"Regex\":\"\\\\s\"", ORTHSR_ERROR_UNSUPPORTED, "Replace"},
        {"\"content\":\" \"", "\"content\":\"_\"", ORTHSR_ERROR_UNSUPPORTED, "Replace"},
        {"\"Removed\"", "\"Isolated\"", ORTHSR_ERROR_UNSUPPORTED, "Split"},
        {"\"invert\":true", "\"invert\":false", ORTHSR_ERROR_UNSUPPORTED, "Split"},
        {"\"add_prefix_space\":false", "\"add_prefix_space\":true", ORTHSR_ERROR_UNSUPPORTED, "add_prefix_space"},
        {"\"post_processor\":null", "\"post_processor\":{\"type\":\"RobertaProcessing\",\"cls\":[\"<|startoftext|>\",0],\"sep\":[\"<|endoftext|>\",663]}",
         ORTHSR_ERROR_UNSUPPORTED, "post_processor"},
        {"\"post_processor\":null", "\"post_processor\":{\"type\":\"BertProcessing\"}", ORTHSR_ERROR_UNSUPPORTED, "post_processor"},
        {"\"truncation\":null", "\"truncation\":{\"direction\":\"Left\",\"max_length\":77}", ORTHSR_ERROR_UNSUPPORTED, "truncation"},
        {"\"padding\":null", "\"padding\":{\"direction\":\"Left\"}", ORTHSR_ERROR_UNSUPPORTED, "padding"},
        {"\"<Cat>\"", "\"<Cat x>\"", ORTHSR_ERROR_UNSUPPORTED, "white space"},
        {"\"#\":2,", "\"#\":2,\"\xff\":2,", ORTHSR_ERROR_FORMAT, "byte 0xff"},
        {"\"#\":2,", "\"#\":99999999999999999999,", ORTHSR_ERROR_FORMAT, "line 1"},
        {"\"#\":2,", "\"#\":2,\"#\\u0000\":2,", ORTHSR_ERROR_FORMAT, "line 1"},
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

/* The post-processors that CLIP's come with, and what leaves ids as they are. */
START_TEST(another_wrapping_is_read) {
    static const char *const edits[][2] = {
        {"\"post_processor\":null", "\"post_processor\":{\"type\":\"RobertaProcessing\",\"cls\":[\"<|startoftext|>\",662],\"sep\":[\"<|endoftext|>\",663]}"},
        {"\"post_processor\":null",
         "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<|startoftext|>\"}},{\"Sequence\":{\"id\":\"A\"}},"
         "{\"SpecialToken\":{\"id\":\"<|endoftext|>\"}}],\"special_tokens\":{\"<|startoftext|>\":{\"ids\":[662]},\"<|endoftext|>\":{\"ids\":[663]}}}"},
        {"\"truncation\":null", "\"truncation\":{\"direction\":\"Right\",\"max_length\":5}"},
        {"\"use_regex\":true", "\"use_regex\":false"}};
    same_ids(OLD, edited(TOKENS "old/tokenizer.json", edits[_i][0], edits[_i][1]), TOKENS "texts.gz", 600);
}
END_TEST

/* A vocabulary with other files beside it, in a fresh folder. */
static const char *with_config(const char *vocabulary, const char *name, const char *text) {
    static char folder[400];
    size_t size;
    char path[500], *bytes = file_text(TOKENS "hf/vocab.json", &size);
    bool json = strcmp(vocabulary, "tokenizer.json") == 0;
    snprintf(folder, sizeof folder, "%s", written(name, text, strlen(text)));
    *strrchr(folder, '/') = '\0';
    for (int f = json ? 2 : 0; f < (json ? 3 : 2); f++) {
        static const char *const files[][2] = {
            {TOKENS "hf/vocab.json", "vocab.json"}, {TOKENS "hf/merges.txt", "merges.txt"}, {TOKENS "hf-json/tokenizer.json", "tokenizer.json"}};
        free(bytes);
        bytes = file_text(files[f][0], &size);
        snprintf(path, sizeof path, "%s/%s", folder, files[f][1]);
        ck_ok(orthsr__write_file(path, bytes, size, &error));
    }
    free(bytes);
    return folder;
}

#define OBJECT(content, more) "{\"content\":\"" content "\",\"lstrip\":false,\"rstrip\":false,\"single_word\":false," more "}"

/* What a file beside the vocabulary changes: the second id of the text. Values are those of CLIPTokenizer of transformers 5.24. */
START_TEST(special_tokens_are_found_in_texts) {
    static const struct {
        const char *vocabulary, *name, *config, *text;
        int32_t id;
    } cases[] = {
        {"vocab.json", "tokenizer_config.json", "{\"pad_token\":\"!\"}", "!!", 0},
        {"tokenizer.json", "tokenizer_config.json", "{\"pad_token\":\"!\"}", "!!", 0},
        {"vocab.json", "special_tokens_map.json", "{\"pad_token\":" OBJECT("!", "\"normalized\":true") "}", "!!", 0},
        {"vocab.json", "tokenizer_config.json",
         "{\"pad_token\":null,\"errors\":\"replace\",\"do_lower_case\":false,\"model_max_length\":1000000000000000019884624838656}", "!", 256},
        {"vocab.json", "tokenizer_config.json", "{}", "<|STARTOFTEXT|>", 27},
        {"vocab.json", "tokenizer_config.json", "{\"bos_token\":" OBJECT("<|startoftext|>", "\"normalized\":true") "}", "<|STARTOFTEXT|>", 4512},
        {"tokenizer.json", "tokenizer_config.json", "{\"bos_token\":" OBJECT("<|startoftext|>", "\"normalized\":true") "}", "<|STARTOFTEXT|>", 27},
        {"tokenizer.json", "tokenizer_config.json", "{\"added_tokens_decoder\":{\"4512\":" OBJECT("<|startoftext|>", "\"normalized\":true") "}}",
         "<|STARTOFTEXT|>", 4512},
        {"vocab.json", "tokenizer_config.json", "{\"extra_special_tokens\":[\"#\"]}", "##", 2},
        {"vocab.json", "special_tokens_map.json", "{\"additional_special_tokens\":[" OBJECT("#", "\"normalized\":false") "],\"my_token\":\"!\"}", "##", 2},
        {"vocab.json", "added_tokens.json", "{\"<|endoftext|>\":4513}", "!", 256},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        orthsr_tokenizer *tokenizer = opened(with_config(cases[i].vocabulary, cases[i].name, cases[i].config));
        int32_t ids[8];
        ck_ok(orthsr_tokenizer_encode(tokenizer, cases[i].text, strlen(cases[i].text), 0, ids, 8, NULL, &error));
        ck_assert_msg(ids[1] == cases[i].id, "%s: '%s' begins with %d", cases[i].config, cases[i].text, (int)ids[1]);
        orthsr_tokenizer_free(tokenizer);
    }
}
END_TEST

START_TEST(other_configs_are_refused) {
    static const struct {
        const char *name, *config;
        orthsr_status status;
        const char *message;
    } cases[] = {
        {"tokenizer_config.json", "{\"tokenizer_class\":\"T5Tokenizer\"}", ORTHSR_ERROR_UNSUPPORTED, "tokenizer_class"},
        {"tokenizer_config.json", "{\"truncation_side\":\"left\"}", ORTHSR_ERROR_UNSUPPORTED, "truncation_side"},
        {"tokenizer_config.json", "{\"padding_side\":\"left\"}", ORTHSR_ERROR_UNSUPPORTED, "padding_side"},
        {"tokenizer_config.json", "{\"split_special_tokens\":true}", ORTHSR_ERROR_UNSUPPORTED, "split_special_tokens"},
        {"special_tokens_map.json", "{\"split_special_tokens\":true}", ORTHSR_ERROR_UNSUPPORTED, "split_special_tokens"},
        {"tokenizer_config.json", "{\"bos_token\":\"!\"}", ORTHSR_ERROR_UNSUPPORTED, "bos_token"},
        {"special_tokens_map.json", "{\"eos_token\":null}", ORTHSR_ERROR_UNSUPPORTED, "eos_token"},
        {"tokenizer_config.json", "{\"mask_token\":7}", ORTHSR_ERROR_FORMAT, "mask_token"},
        {"tokenizer_config.json", "{\"cls_token\":\"<cls>\"}", ORTHSR_ERROR_UNSUPPORTED, "cls_token"},
        {"tokenizer_config.json", "{\"extra_special_tokens\":[\"<new>\"]}", ORTHSR_ERROR_UNSUPPORTED, "<new>"},
        {"tokenizer_config.json", "{\"extra_special_tokens\":{\"a\":\"<new>\"}}", ORTHSR_ERROR_UNSUPPORTED, "<new>"},
        {"tokenizer_config.json", "{\"my_token\":\"<new>\"}", ORTHSR_ERROR_UNSUPPORTED, "my_token"},
        {"tokenizer_config.json", "{\"pad_token\":{\"content\":\"!\",\"lstrip\":true}}", ORTHSR_ERROR_UNSUPPORTED, "lstrip"},
        {"tokenizer_config.json", "{\"added_tokens_decoder\":{\"7\":{\"content\":\"!\"}}}", ORTHSR_ERROR_UNSUPPORTED, "added_tokens_decoder"},
        {"tokenizer_config.json", "{\"added_tokens_decoder\":{\"7\":8}}", ORTHSR_ERROR_UNSUPPORTED, "added_tokens_decoder"},
        {"tokenizer_config.json", "{\"pad_token\":", ORTHSR_ERROR_FORMAT, "line 1"},
        {"added_tokens.json", "{\"<new>\":4514}", ORTHSR_ERROR_UNSUPPORTED, "<new>"},
        {"tokenizer_config.json", "", ORTHSR_ERROR_FORMAT, "object"},
        {"added_tokens.json", "{\"<|endoftext|>\":4512}", ORTHSR_ERROR_UNSUPPORTED, "endoftext"},
        {"added_tokens.json", "[]", ORTHSR_ERROR_FORMAT, "object"},
    };
    for (size_t i = 0; i < 2 * (sizeof cases / sizeof cases[0]); i++) {
        size_t c = i / 2;
        char place[500];
        const char *folder = with_config(i % 2 ? "vocab.json" : "tokenizer.json", cases[c].name, cases[c].config);
        orthsr_tokenizer *tokenizer;
        snprintf(place, sizeof place, "%s/%s", folder, cases[c].name);
        ck_fails(orthsr_tokenizer_open(&tokenizer, folder, &error), cases[c].status, cases[c].message);
        ck_assert_msg(strstr(error.message, place), "'%s' does not name %s", error.message, place);
    }
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
                                            {"i n\n\xff x", "line 2"},
                                            {"i n\n#version: 0.2\n", "line 2"}};
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
    refused(edited(TOKENS "hf/vocab.json", "{", "["), ORTHSR_ERROR_FORMAT, "is not an object in JSON");
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
    refused(gzipped("title\nt\0x h\n", 12), ORTHSR_ERROR_FORMAT, "line 2");
    refused(gzipped("", 0), ORTHSR_ERROR_FORMAT, "empty");
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

/* Brackets within brackets, more than a parser's stack should take. */
START_TEST(deep_nesting_is_refused) {
    static const char *const begins[] = {"[", "{\"a\":"};
    char *text = malloc(600000);
    for (size_t b = 0; b < 2; b++) {
        size_t n = (size_t)sprintf(text, "{\"a\":");
        for (size_t i = 0; i < 100000; i++, n += strlen(begins[b])) memcpy(text + n, begins[b], strlen(begins[b]));
        refused(written("tokenizer.json", text, n), ORTHSR_ERROR_FORMAT, "depth");
    }
    free(text);
}
END_TEST

/* Nothing of a file that is larger than any vocabulary is taken in. */
START_TEST(large_files_are_refused) {
    size_t n = (8 << 20) + 1;
    char *text = malloc(n);
    memset(text, ' ', n);
    memcpy(text, "{}", 2);
    refused(written("tokenizer.json", text, n), ORTHSR_ERROR_FORMAT, "at most");
    free(text);
}
END_TEST

/* Cut at every byte (of the large ones, every so many): an error, never a crash. */
START_TEST(every_truncation_is_an_error) {
    static const struct {
        const char *path;
        size_t stride;
    } files[] = {{TOKENS "simple/bpe_simple_vocab_16e6.txt.gz", 7}, {TOKENS "old/tokenizer.json", 11}, {TOKENS "hf/vocab.json", 97}};
    size_t size, slower = short_run() ? 20 : 1;
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

/* A list of merges has no end mark: cut at the end of a line it is shorter, elsewhere its last line is wrong or names other symbols. */
START_TEST(merges_cut_anywhere_are_read_or_refused) {
    size_t size, cuts = short_run() ? 20 : 200, read = 0;
    char *merges = file_text(TOKENS "hf/merges.txt", &size), path[500];
    const char *folder = with_config("vocab.json", "unused", "");
    snprintf(path, sizeof path, "%s/merges.txt", folder);
    for (size_t n = 0; n < cuts; n++) {
        orthsr_tokenizer *tokenizer;
        must(orthsr__write_file(path, merges, n, &error) == ORTHSR_OK, "%s", error.message);
        orthsr_status status = orthsr_tokenizer_open(&tokenizer, folder, &error);
        must(status == ORTHSR_OK || (status == ORTHSR_ERROR_FORMAT && strstr(error.message, "merges.txt', line")), "cut to %zu: %s", n, error.message);
        must(status == ORTHSR_OK || (n > 0 && merges[n - 1] != '\n'), "cut to %zu, the end of a line: %s", n, error.message);
        read += status == ORTHSR_OK;
        orthsr_tokenizer_free(tokenizer);
    }
    ck_assert_uint_gt(read, 3);
    ck_assert_uint_lt(read, cuts);
    free(merges);
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
    tcase_add_loop_test(tests, another_wrapping_is_read, 0, 4);
    tcase_add_test(tests, special_tokens_are_found_in_texts);
    tcase_add_test(tests, other_configs_are_refused);
    tcase_add_test(tests, bad_merges_are_refused);
    tcase_add_test(tests, bad_merge_lists_are_refused);
    tcase_add_loop_test(tests, every_truncation_is_an_error, 0, 3);
    tcase_add_test(tests, merges_cut_anywhere_are_read_or_refused);
    tcase_add_test(tests, deep_nesting_is_refused);
    tcase_add_test(tests, large_files_are_refused);
    return tests;
}

TEST_MAIN("tokenizer", peers, use, bad)
