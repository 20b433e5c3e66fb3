/* replay.c - a fuzz target without a fuzzer: each file of a corpus, then a fixed number of changes of it, the same in every run.
 *
 * usage: TARGET [CHANGES FILE|DIRECTORY...]          prints how many inputs there were, and the slowest; without arguments 1000 changes of its own corpus
 *
 * An input that takes more than a second of processor time fails.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "fuzz/files.h"

enum { MAX_SIZE = 1 << 16, MAX_CORPUS = 1 << 20 };

static struct {
    size_t inputs;
    double slowest; /* seconds of processor time */
} seen;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* In memory of exactly its size, so that whoever reads beyond it is found. */
static void feed(const uint8_t *bytes, size_t size) {
    uint8_t *exact = malloc(size ? size : 1);
    fuzz_require(exact != NULL, "memory for an input");
    memcpy(exact, bytes, size);
    double start = now();
    LLVMFuzzerTestOneInput(exact, size);
    double took = now() - start;
    free(exact);
    seen.inputs++;
    if (took > seen.slowest) seen.slowest = took;
    fuzz_require(took < 1, "an input within a second");
}

static uint64_t state;
static size_t draw(size_t below) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)((state >> 33) % (below ? below : 1));
}

/* One change of bytes (*size), which has room for MAX_SIZE. */
static void change(uint8_t *bytes, size_t *size) {
    static const char *const words[] = {"0",     "-1",   "9223372036854775807", "\"",  "{",      "[", "]", "}", ",", "null",
                                        "1e308", "\xff", "\x00\x00\x00\x80",    "../", "\\u0000"};
    size_t at = draw(*size + 1), n = 1 + draw(16);
    if (n > *size - at) n = *size - at;
    switch (draw(8)) {
    case 0: /* a bit */
        if (n) bytes[at] ^= (uint8_t)(1u << draw(8));
        return;
    case 1: /* bytes */
        for (size_t i = 0; i < n; i++) bytes[at + i] = (uint8_t)draw(256);
        return;
    case 2: /* bytes taken out */
        memmove(bytes + at, bytes + at + n, *size - at - n);
        *size -= n;
        return;
    case 3: /* what is there, once more */
        if (*size + n > MAX_SIZE) return;
        memmove(bytes + at + n, bytes + at, *size - at);
        *size += n;
        return;
    case 4: /* from another place */
        if (n) memmove(bytes + at, bytes + draw(*size - n + 1), n);
        return;
    case 5: /* cut off */
        if (draw(4) == 0) *size = at;
        return;
    case 6: /* a digit */
        for (size_t i = 0; i < *size; i++) {
            uint8_t *c = &bytes[(at + i) % *size];
            if (*c >= '0' && *c <= '9') {
                *c = (uint8_t)('0' + draw(10));
                return;
            }
        }
        return;
    default: { /* a word of trouble */
        const char *word = words[draw(sizeof words / sizeof *words)];
        size_t length = strlen(word) ? strlen(word) : 4;
        if (*size + length > MAX_SIZE) return;
        memmove(bytes + at + length, bytes + at, *size - at);
        memcpy(bytes + at, word, length);
        *size += length;
    }
    }
}

static void replay_file(const char *path, size_t changes) {
    static uint8_t whole[MAX_CORPUS], changed[MAX_SIZE];
    FILE *file = fopen(path, "rb");
    fuzz_require(file != NULL, path);
    size_t size = fread(whole, 1, sizeof whole, file);
    fclose(file);
    feed(whole, size);
    if (size > MAX_SIZE) return;
    state = size;
    for (size_t i = 0; i < changes; i++) {
        size_t length = size;
        memcpy(changed, whole, size);
        for (size_t n = 1 + draw(4); n > 0; n--) change(changed, &length);
        feed(changed, length);
    }
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static void replay(const char *path, size_t changes) {
    struct stat info;
    fuzz_require(stat(path, &info) == 0, path);
    if (!S_ISDIR(info.st_mode)) {
        replay_file(path, changes);
        return;
    }
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, by_name);
    fuzz_require(n > 2, "a corpus");
    for (int i = 0; i < n; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') replay_file(name, changes);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv) {
    const char *slash = strrchr(argv[0], '/'), *target = slash ? slash + 1 : argv[0];
    char corpus[4096];
    snprintf(corpus, sizeof corpus, "tests/fuzz/corpus/%s", target);
    if (argc < 3) replay(corpus, 1000);
    for (int i = 2; i < argc; i++) replay(argv[i], (size_t)strtoul(argv[1], NULL, 10));
    printf("fuzz %s: %zu inputs, the slowest %.1f ms\n", target, seen.inputs, 1e3 * seen.slowest);
    return 0;
}
