/* test_determinism.c - the same bits: for 1 to 4 threads, in every process wherever its memory lies, and as they were (docs/determinism.md).
 *
 * The files that the tool writes for orthsr-mini are compared by hashes with those in tests/data/determinism/golden.txt, which hold for one compiler, C
 * library and instruction set, and where a job calls LAPACK or BLAS for one of those as well. Elsewhere that comparison is left out, and says so.
 * ORTHSR_GOLDEN=FILE adds this machine's lines to a file; under valgrind those of a processor that has AVX2 and no more:
 *
 *     CK_RUN_CASE=golden valgrind --tool=none --trace-children=yes build/tests/test_determinism
 */
#include "util/tool.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <stdint.h>

#define MODEL "examples/data/mini"
#define GOLDEN "tests/data/determinism/golden.txt"

/* ---- jobs ------------------------------------------------------------------------------------------------------------------ */

#define TRAIN "train --model " MODEL " --data @/data --shots 2 --epochs 2 --seed 3 --out @/out "
static const struct job {
    const char *name, *arguments;
    const char *results[2]; /* files in the scratch directory */
    bool blas;              /* LAPACK or BLAS has a part in it */
} JOBS[] = {
    {"image features", "embed --model " MODEL " --images @/data/*/* --raw --out @/out/x.npy", {"out/x.npy"}, false},
    {"text features", "embed --model " MODEL " --text @/texts --raw --out @/out/x.npy", {"out/x.npy"}, false},
    {"training", TRAIN "--augment standard", {"out/adapter/adapter.safetensors", "out/log.jsonl"}, false},
    {"training a prompt", TRAIN "--method coop --context-words 4", {"out/adapter/prompt.safetensors", "out/log.jsonl"}, false},
    {"training on the manifold", TRAIN "--parametrization manifold", {"out/adapter/adapter.safetensors", "out/log.jsonl"}, true},
    {"training exponentials", TRAIN "--parametrization expm --cutout off", {"out/adapter/adapter.safetensors", "out/log.jsonl"}, true},
};
enum { N_JOBS = sizeof JOBS / sizeof *JOBS };

static void make_inputs(void) {
    char command[1024];
    const char *scratch = scratch_directory();
    ck_assert_int_eq(setenv("OPENBLAS_NUM_THREADS", "1", 1), 0);
    ck_assert_int_eq(setenv("OMP_NUM_THREADS", "1", 1), 0);
    snprintf(
        command, sizeof command,
        "cd tests/data/images && d=%s && mkdir -p $d/data/plain $d/data/other $d/data/photo && cp rgb8.png gray8.png palette8.png wide.png $d/data/plain &&"
        " cp rgba16.png gray4.png tall.png rgb8-interlaced.png $d/data/other && cp ycc444.jpg progressive.jpg cmyk.jpg ycc420.jpg $d/data/photo &&"
        " printf 'a photo of a cat.\\n\\nthe quick brown fox\\n3 \\303\\251t\\303\\251s\\n' >$d/texts",
        scratch);
    ck_assert_int_eq(system(command), 0);
}

/* FNV-1a of a job's results, one after the other. */
static uint64_t run_job(const struct job *job, int threads) {
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s && mkdir %s", scratch_file("out"), scratch_file("out"));
    ck_assert_int_eq(system(command), 0);
    outcome o = run("%s --threads %d", job->arguments, threads);
    ck_assert_msg(o.code == 0, "%s, %d threads: exit code %d: %s", job->name, threads, o.code, o.err);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (int i = 0; i < 2 && job->results[i]; i++) {
        FILE *file = fopen(scratch_file(job->results[i]), "rb");
        ck_assert_msg(file != NULL, "%s: no '%s'", job->name, job->results[i]);
        for (int c; (c = fgetc(file)) != EOF;) hash = (hash ^ (uint64_t)c) * UINT64_C(0x100000001b3);
        fclose(file);
    }
    return hash;
}

/* ---- threads and processes --------------------------------------------------------------------------------------------------- */

START_TEST(threads_and_places_change_nothing) {
    if (short_run()) return;
    const struct job *job = &JOBS[_i];
    uint64_t expected = run_job(job, 1), hash;
    for (int threads = 2; threads <= 4; threads++) {
        hash = run_job(job, threads);
        ck_assert_msg(hash == expected, "%s: %016jx with %d threads, %016jx with 1", job->name, (uintmax_t)hash, threads, (uintmax_t)expected);
    }
    /* the stack elsewhere, then everything where the system would put it without randomisation, where that can be asked for */
    char padding[3001];
    memset(padding, 'x', sizeof padding - 1);
    padding[sizeof padding - 1] = '\0';
    ck_assert_int_eq(setenv("ORTHSR_TEST_PADDING", padding, 1), 0);
    hash = run_job(job, 2);
    unsetenv("ORTHSR_TEST_PADDING");
    ck_assert_msg(hash == expected, "%s: another hash with a larger environment", job->name);
    if (getenv("ORTHSR") || system("setarch -R true 2>/dev/null") != 0) return;
    setenv("ORTHSR", "setarch -R build/bin/orthsr", 1);
    hash = run_job(job, 2);
    unsetenv("ORTHSR");
    ck_assert_msg(hash == expected, "%s: another hash without address-space randomisation", job->name);
}
END_TEST

/* ---- BLAS ---------------------------------------------------------------------------------------------------------------------- */

static const char *instruction_set(void) {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
    if (__builtin_cpu_supports("x86-64-v4")) return "x86-64-v4";
    if (__builtin_cpu_supports("x86-64-v3")) return "x86-64-v3";
    return "x86-64";
#else
    return "other";
#endif
}

/* Jobs that are said to need no BLAS are done with one that cannot be called. */
START_TEST(features_and_training_call_no_blas) {
    if (short_run() || getenv("ORTHSR") || strncmp(instruction_set(), "x86-64-v", 8) != 0) return;
    const struct job *job = &JOBS[_i];
    if (job->blas) return;
    uint64_t expected = run_job(job, 2);
    ck_assert_int_eq(access("build/tests/no_blas.so", R_OK), 0);
    setenv("ORTHSR", "env LD_PRELOAD=build/tests/no_blas.so build/bin/orthsr", 1);
    uint64_t hash = run_job(job, 2);
    unsetenv("ORTHSR");
    ck_assert_uint_eq(hash, expected);
}
END_TEST

/* ---- as they were ---------------------------------------------------------------------------------------------------------------- */

/* What a job's bits depend on. Empty where nothing is promised: sanitizers, no optimisation, or other instruction sets compiled in. */
static void platform(char *text, size_t size, bool blas) {
    text[0] = '\0';
#if defined(__clang__) || !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__SSE4_1__)
    (void)size;
    (void)blas;
#else
    const char *(*version)(void) = NULL, *(*core)(void) = NULL;
    void *library = blas ? dlopen("build/lib/liborthsr.so", RTLD_NOW | RTLD_LOCAL) : NULL; /* with the BLAS that the tool uses */
    if (library) {
        *(void **)&version = dlsym(library, "openblas_get_config");
        *(void **)&core = dlsym(library, "openblas_get_corename");
    }
    size_t n = (size_t)snprintf(text, size, "gcc %s, glibc %s, %s", __VERSION__, gnu_get_libc_version(), instruction_set());
    char release[32] = "";
    if (blas && version && core && sscanf(version(), "OpenBLAS %31s", release) == 1) snprintf(text + n, size - n, ", OpenBLAS %s %s", release, core());
    else if (blas) text[0] = '\0';
    if (library) dlclose(library);
#endif
}

/* The hash of this job on this platform; 0 when there is none. */
static uint64_t golden(const char *where, const char *job) {
    char line[512];
    uint64_t found = 0;
    FILE *file = fopen(GOLDEN, "r");
    ck_assert_ptr_nonnull(file);
    while (!found && fgets(line, sizeof line, file)) {
        char *name = strstr(line, " | "), *hash = name ? strstr(name + 3, " | ") : NULL;
        if (line[0] == '#' || !hash) continue;
        *name = *hash = '\0';
        if (strcmp(line, where) == 0 && strcmp(name + 3, job) == 0) found = strtoull(hash + 3, NULL, 16);
    }
    fclose(file);
    return found;
}

START_TEST(hashes_are_as_they_were) {
    if (short_run()) return;
    const struct job *job = &JOBS[_i];
    char where[256];
    platform(where, sizeof where, job->blas);
    uint64_t expected = golden(where, job->name), hash = run_job(job, 2);
    const char *file = getenv("ORTHSR_GOLDEN");
    if (file && where[0]) {
        FILE *out = fopen(file, "a");
        ck_assert_ptr_nonnull(out);
        fprintf(out, "%s | %s | %016jx\n", where, job->name, (uintmax_t)hash);
        fclose(out);
    } else if (!expected) {
        printf("determinism: no golden hash of '%s' for %s: not compared\n", job->name, where[0] ? where : "this build");
    } else {
        ck_assert_msg(hash == expected, "%s on %s: %016jx, which was %016jx: if results were meant to change, say so in CHANGELOG.md and renew " GOLDEN,
                      job->name, where, (uintmax_t)hash, (uintmax_t)expected);
    }
}
END_TEST

static TCase *determinism(void) {
    TCase *tc = tcase_create("determinism");
    tcase_set_timeout(tc, 300);
    tcase_add_unchecked_fixture(tc, make_inputs, NULL);
    tcase_add_loop_test(tc, threads_and_places_change_nothing, 0, N_JOBS);
    tcase_add_loop_test(tc, features_and_training_call_no_blas, 0, N_JOBS);
    return tc;
}

static TCase *golden_hashes(void) {
    TCase *tc = tcase_create("golden");
    tcase_set_timeout(tc, 1200);
    tcase_add_unchecked_fixture(tc, make_inputs, NULL);
    tcase_add_loop_test(tc, hashes_are_as_they_were, 0, N_JOBS);
    return tc;
}

TEST_MAIN("determinism", determinism, golden_hashes)
