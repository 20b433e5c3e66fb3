/* test_hostile_models.c - the malformed models of tests/data/hostile/cases.txt, each opened by every command of the tool: exit status 1, one line that names
 * the file and its fault, and nothing written. The same models unharmed are opened by all of them first. */
#include "util/tool.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/memory.h"

#define CASES "tests/data/hostile/cases.txt"
enum { MAX_CASES = 256, FIELDS = 4, MAX_LINE = 1024 };
enum { NAME, HOW, FILE_NAMED, WORDS };

static orthsr_error error;

/* ---- the list ------------------------------------------------------------------------------------------------------------ */

static char *list[MAX_CASES][FIELDS];
static int case_count;

static void read_cases(void) {
    char line[MAX_LINE];
    FILE *file = fopen(CASES, "r");
    while (file && case_count < MAX_CASES && fgets(line, sizeof line, file)) {
        char *rest = line;
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0') continue;
        for (int f = 0; f < FIELDS; f++) {
            char *end = rest ? strstr(rest, " | ") : NULL;
            if (end) *end = '\0';
            list[case_count][f] = orthsr__strdup(rest ? rest : "");
            rest = end ? end + 3 : NULL;
        }
        case_count++;
    }
    if (file) fclose(file);
}

static void free_cases(void) {
    for (int c = 0; c < case_count; c++)
        for (int f = 0; f < FIELDS; f++) free(list[c][f]);
}

/* ---- one step of a recipe ------------------------------------------------------------------------------------------------ */

/* A file's bytes and a zero after them, in fresh memory; nothing for one that is not there. */
typedef struct content {
    char *bytes; /* (size) */
    size_t size;
} content;

static content load(const char *path) {
    orthsr__mapping file = {0};
    if (orthsr__is_file(path)) ck_ok(orthsr__map(&file, path, &error));
    content c = {orthsr__strndup(file.size ? (const char *)file.data : "", file.size), file.size};
    ck_assert_ptr_nonnull(c.bytes);
    orthsr__unmap(&file);
    return c;
}

/* Takes c over. */
static void store(const char *path, content c) {
    unlink(path);
    ck_ok(orthsr__write_file(path, c.bytes, c.size, &error));
    free(c.bytes);
}

/* Text with \n, \\ and \xNN as bytes, in place. */
static size_t unescape(char *text) {
    char *to = text;
    unsigned byte;
    for (const char *at = text; *at;) {
        if (at[0] == '\\' && at[1] == 'n') *to++ = '\n', at += 2;
        else if (at[0] == '\\' && at[1] == '\\') *to++ = '\\', at += 2;
        else if (at[0] == '\\' && sscanf(at, "\\x%2x", &byte) == 1) *to++ = (char)byte, at += 4;
        else *to++ = *at++;
    }
    *to = '\0';
    return (size_t)(to - text);
}

/* old replaced by new, which is size bytes; a safetensors header's length follows. */
static content swapped(content c, const char *old, const char *new, size_t size, bool tensors) {
    size_t length = strlen(old);
    char *at = memmem(c.bytes, c.size, old, length);
    ck_assert_msg(at != NULL, "'%s' is not in the file", old);
    content out = {malloc(c.size + size + 1), c.size - length + size};
    size_t before = (size_t)(at - c.bytes);
    memcpy(out.bytes, c.bytes, before);
    memcpy(out.bytes + before, new, size);
    memcpy(out.bytes + before + size, at + length, c.size - before - length + 1);
    if (tensors) {
        uint64_t header;
        memcpy(&header, out.bytes, 8);
        header += size - length;
        memcpy(out.bytes, &header, 8);
    }
    free(c.bytes);
    return out;
}

/* size bytes, text again and again. */
static content repeated(const char *text, size_t length, size_t size) {
    content c = {malloc(size + 1), size};
    for (size_t i = 0; i < size; i++) c.bytes[i] = text[i % length];
    c.bytes[size] = '\0';
    return c;
}

/* MiB of zeros in gzip: a member of one, again and again, which unpackers take for one stream. */
static content bomb(size_t mib) {
    enum { ROOM = 1 << 13 };
    z_stream stream = {0};
    char *zeros = calloc(1 << 20, 1), *member = malloc(ROOM);
    ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (Bytef *)zeros;
    stream.avail_in = 1 << 20;
    stream.next_out = (Bytef *)member;
    stream.avail_out = ROOM;
    ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    content c = repeated(member, stream.total_out, mib * stream.total_out);
    deflateEnd(&stream);
    free(zeros);
    free(member);
    return c;
}

/* The words of a step; the last one takes what is left. */
static char *word(char **rest) {
    char *start = *rest, *end = strchr(start, ' ');
    if (end) *end = '\0';
    *rest = end ? end + 1 : start + strlen(start);
    return start;
}

static void step(const char *directory, char *rest) {
    const char *what = word(&rest), *name = word(&rest);
    char *path = orthsr__join(directory, name);
    content c;
    if (strcmp(what, "remove") == 0) {
        ck_assert_int_eq(unlink(path), 0);
    } else if (strcmp(what, "move") == 0 || strcmp(what, "copy") == 0) {
        char *other = orthsr__join(directory, rest);
        store(other, load(path));
        if (what[0] == 'm') unlink(path);
        free(other);
    } else if (strcmp(what, "link") == 0) {
        unlink(path);
        ck_assert_int_eq(symlink(rest, path), 0);
    } else if (strcmp(what, "folder") == 0) {
        unlink(path);
        ck_assert_int_eq(mkdir(path, 0777), 0);
    } else if (strcmp(what, "pipe") == 0) {
        unlink(path);
        ck_assert_int_eq(mkfifo(path, 0666), 0);
    } else if (strcmp(what, "cut") == 0) {
        c = load(path);
        c.size = strtoul(rest, NULL, 10);
        store(path, c);
    } else if (strcmp(what, "put") == 0) {
        size_t size = unescape(rest);
        store(path, (content){orthsr__strndup(rest, size), size});
    } else if (strcmp(what, "append") == 0) {
        c = load(path);
        size_t size = unescape(rest);
        c.bytes = realloc(c.bytes, c.size + size + 1);
        memcpy(c.bytes + c.size, rest, size);
        c.size += size;
        store(path, c);
    } else if (strcmp(what, "fill") == 0) {
        size_t size = strtoul(word(&rest), NULL, 10), length = unescape(rest);
        store(path, repeated(rest, length, size));
    } else if (strcmp(what, "bomb") == 0) {
        store(path, bomb(strtoul(rest, NULL, 10)));
    } else if (strcmp(what, "swap") == 0) {
        char *new = strstr(rest, " => ");
        ck_assert_ptr_nonnull(new);
        *new = '\0';
        new += 4;
        unescape(rest);
        size_t size = unescape(new);
        store(path, swapped(load(path), rest, new, size, orthsr__ends_with(name, ".safetensors")));
    } else if (strcmp(what, "poke") == 0) {
        long at = strtol(word(&rest), NULL, 10);
        c = load(path);
        if (at < 0) at += (long)c.size;
        for (unsigned byte; sscanf(rest, "%2x", &byte) == 1; rest += 2) c.bytes[at++] = (char)byte;
        store(path, c);
    } else {
        ck_abort_msg("no step is called '%s'", what);
    }
    free(path);
}

static void copy_files(const char *from, const char *to) {
    static const char *const names[] = {"config.json",           "model.safetensors",           "vocab.json",          "merges.txt",
                                        "open_clip_config.json", "open_clip_model.safetensors", "ViT-tiny.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *source = orthsr__join(from, names[i]), *target = orthsr__join(to, names[i]);
        if (orthsr__is_file(source)) store(target, load(source));
        free(source);
        free(target);
    }
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

/* A model as the recipe says, in a fresh directory of the scratch directory. */
static void make_model(const char *directory, const char *how) {
    char *text = orthsr__strdup(how), *next = text;
    const char *base = "tests/data/clip/hf";
    nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS); /* another's, if there was one */
    ck_ok(orthsr__make_directory(directory, &error));
    if (strncmp(text, "from ", 5) == 0) {
        base = text + 5;
        next = strstr(text, "; ");
        ck_assert_ptr_nonnull(next);
        *next = '\0';
        next += 2;
    }
    copy_files(base, directory);
    while (next && *next) {
        char *rest = next;
        next = strstr(rest, "; ");
        if (next) *next = '\0', next += 2;
        step(directory, rest);
    }
    free(text);
}

/* ---- every command --------------------------------------------------------------------------------------------------------- */

/* "@/m" is the model. What they write lies in "@/out". */
static const struct {
    const char *name, *arguments;
} COMMANDS[] = {
    {"info", "info @/m"},
    {"embed", "embed --model @/m --text @/texts --out @/out/x.npy"},
    {"embed", "embed --model @/m --images @/data/cat/0.png --out @/out/x.npy"},
    {"tokenize", "tokenize --model @/m --text @/texts"},
    {"zeroshot", "zeroshot --model @/m --data @/data"},
    {"train", "train --model @/m --data @/data --shots 1 --epochs 1 --out @/out"},
    {"train", "train --model @/m --data @/data --shots 1 --epochs 1 --method coop --out @/out --context-words 2"},
    {"evaluate", "evaluate --model @/m --data @/data"},
    {"explain", "explain --model @/m --data @/data --image @/data/cat/0.png --out @/out/x.png"},
    {"merge", "merge --model @/m --adapter @/adapter --out @/out"},
    {"unmerge", "unmerge --model @/m --adapter @/adapter --out @/out"},
    {"convert", "convert --model @/m --adapter @/adapter --to peft --out @/out"},
    {"convert", "convert --model @/m --no-map --adapter @/adapter --to orthsr --out @/out"},
    {"bench", "bench --model @/m --part texts --classes 2 --repetitions 1"},
};
enum { N_COMMANDS = sizeof COMMANDS / sizeof *COMMANDS };
static const char *const WITHOUT_MODEL[] = {"completion", "data", "help", "report"};

static void make_inputs(void) {
    ck_assert_int_eq(setenv("OPENBLAS_NUM_THREADS", "1", 1), 0); /* so that the tool need not start itself again */
    ck_assert_int_eq(setenv("OMP_NUM_THREADS", "1", 1), 0);
    char command[1024];
    const char *scratch = scratch_directory();
    snprintf(
        command, sizeof command,
        "cd tests/data/images && mkdir -p %s/out %s/data/cat %s/data/dog && for i in 0 1; do cp rgb8.png %s/data/cat/$i.png; cp checkers.png %s/data/dog/$i.png; done"
        " && echo 'a cat' >%s/texts",
        scratch, scratch, scratch, scratch, scratch, scratch);
    ck_assert_int_eq(system(command), 0);
    orthsr_model *model;
    orthsr_adapter *adapter;
    ck_ok(orthsr_model_open(&model, "tests/data/clip/hf", &error));
    ck_ok(orthsr_model_adapter(model, &adapter, NULL, &error));
    ck_ok(orthsr_adapter_save(adapter, scratch_file("adapter"), NULL, &error));
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
}

START_TEST(unharmed_models_open) {
    if (short_run()) return;
    char *directory = orthsr__strdup(scratch_file("m"));
    make_model(directory, "");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        outcome o = run("%s", COMMANDS[i].arguments);
        ck_assert_msg(o.code == 0, "%s: exit code %d: %s", COMMANDS[i].arguments, o.code, o.err);
    }
    free(directory);
}
END_TEST

/* A command that is new must come into the table above. */
START_TEST(no_command_is_left_out) {
    if (short_run()) return;
    outcome o = run("help");
    ck_assert_int_eq(o.code, 0);
    size_t seen = 0;
    for (char *line = strtok(o.out, "\n"); line; line = strtok(NULL, "\n")) {
        char name[32];
        int indent = 0;
        if (sscanf(line, " %n%31[a-z]", &indent, name) != 1 || indent != 2) continue;
        bool known = false;
        for (size_t i = 0; i < N_COMMANDS; i++) known = known || strcmp(COMMANDS[i].name, name) == 0;
        for (size_t i = 0; i < sizeof WITHOUT_MODEL / sizeof *WITHOUT_MODEL; i++) known = known || strcmp(WITHOUT_MODEL[i], name) == 0;
        ck_assert_msg(known, "'orthsr %s' opens no hostile model here", name);
        seen++;
    }
    ck_assert_uint_ge(seen, 12);
}
END_TEST

/* What there is: names, and sizes and times of all that are no folders, but for the tool's own output. */
static char *listing(void) {
    char command[512];
    const char *scratch = scratch_directory(), *path = scratch_file("stdout");
    snprintf(command, sizeof command,
             "cd %s && find . ! -name stdout ! -name stderr ! -path . \\( -type d -printf '%%p\\n' -o -printf '%%p %%s %%T@\\n' \\) | sort >%s", scratch, path);
    ck_assert_int_eq(system(command), 0);
    return read_text(path);
}

START_TEST(hostile_models_are_refused) {
    char *directory = orthsr__strdup(scratch_file("m")), *named, *before, *after;
    char **fields = list[_i];
    unescape(fields[WORDS]);
    make_model(directory, fields[HOW]);
    named = strcmp(fields[FILE_NAMED], ".") == 0 ? orthsr__strdup(directory) : orthsr__join(directory, fields[FILE_NAMED]);
    orthsr_model *model;
    orthsr_status status = orthsr_model_open(&model, directory, &error);
    ck_assert_msg(status != ORTHSR_OK && status != ORTHSR_ERROR_ARGUMENT, "%s: %s", fields[NAME], status ? error.message : "opened");
    ck_assert_msg(strstr(error.message, named) && strstr(error.message, fields[WORDS]), "%s: %s", fields[NAME], error.message);
    before = short_run() ? NULL : listing();
    for (size_t i = 0; i < N_COMMANDS && before; i++) {
        outcome o = run("%s", COMMANDS[i].arguments);
        ck_assert_msg(o.code == 1, "%s: %s: exit code %d: %s", fields[NAME], COMMANDS[i].arguments, o.code, o.err);
        ck_assert_msg(o.out[0] == '\0' && count_lines(o.err) == 1, "%s: %s: %s%s", fields[NAME], COMMANDS[i].arguments, o.out, o.err);
        ck_assert_msg(strstr(o.err, named) && strstr(o.err, fields[WORDS]), "%s: %s: %s", fields[NAME], COMMANDS[i].arguments, o.err);
    }
    after = before ? listing() : NULL;
    if (before) ck_assert_msg(strcmp(before, after) == 0, "%s: before\n%safter\n%s", fields[NAME], before, after);
    free(before);
    free(after);
    free(named);
    free(directory);
}
END_TEST

static TCase *unharmed(void) {
    TCase *tc = tcase_create("unharmed");
    tcase_set_timeout(tc, 120);
    tcase_add_unchecked_fixture(tc, make_inputs, NULL);
    tcase_add_test(tc, no_command_is_left_out);
    tcase_add_test(tc, unharmed_models_open);
    return tc;
}

static TCase *hostile(void) {
    TCase *tc = tcase_create("hostile models");
    tcase_set_timeout(tc, 120);
    tcase_add_unchecked_fixture(tc, make_inputs, free_cases);
    read_cases();
    tcase_add_loop_test(tc, hostile_models_are_refused, 0, case_count ? case_count : 1);
    return tc;
}

TEST_MAIN("hostile models", unharmed, hostile)
