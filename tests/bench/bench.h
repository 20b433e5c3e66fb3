/* bench.h - what the programs that take times share. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <orthsr/orthsr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static orthsr_error error; /* of the program's calls */

/* The call before it succeeded, or this is the end, with its message. */
static inline void must(orthsr_status status) {
    if (!status) return;
    fprintf(stderr, "%s\n", error.message);
    exit(1);
}

/* Seconds of a clock that is never set. */
static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A line of /proc/self/status in kB; 0 where there is none. */
static inline long memory(const char *key) {
    char line[256];
    long value = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0) value = strtol(line + strlen(key) + 1, NULL, 10);
    if (file) fclose(file);
    return value;
}

/* For qsort. */
static inline int ascending(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : *(const double *)a > *(const double *)b; }

#endif
