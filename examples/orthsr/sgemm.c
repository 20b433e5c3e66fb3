/* sgemm.c - measuring the CBLAS's sgemm: all threads multiply at once, and the best of several rounds counts. */
#include "sgemm.h"

#include <cblas.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "terminal.h"

enum { LARGEST = 1536, ROUNDS = 6 };
static const int sizes[] = {768, 1024, 1152, LARGEST}; /* of square matrices */
enum { SIZES = sizeof sizes / sizeof sizes[0] };

typedef struct multiplier {
    pthread_t thread;
    pthread_barrier_t *together; /* all multipliers and whoever reads their times */
    float *a, *b, *c;            /* (LARGEST, LARGEST), or smaller ones in their beginnings */
    double begin, end;           /* of the last round, seconds */
} multiplier;

static void *multiply(void *argument) {
    multiplier *m = argument;
    for (int i = 0; i < SIZES * ROUNDS; i++) {
        int n = sizes[i % SIZES];
        pthread_barrier_wait(m->together);
        m->begin = terminal_seconds();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, m->a, n, m->b, n, 0, m->c, n);
        m->end = terminal_seconds();
        pthread_barrier_wait(m->together);
    }
    return NULL;
}

static float *matrix(unsigned seed) {
    float *values = malloc((size_t)LARGEST * LARGEST * sizeof *values);
    for (size_t i = 0; values && i < (size_t)LARGEST * LARGEST; i++) {
        seed = seed * 1664525u + 1013904223u;
        values[i] = (float)(seed >> 8) * 0x1p-23F - 1;
    }
    return values;
}

/* From the first that begins to the last that ends. */
static double seconds_of(const multiplier *all, size_t n) {
    double begin = INFINITY, end = 0;
    for (size_t i = 0; i < n; i++) begin = fmin(begin, all[i].begin), end = fmax(end, all[i].end);
    return end - begin;
}

/* In the child: what is left at its end goes with the process, threads too when not all could be started. */
static double measure(size_t threads) {
    double best = NAN;
    pthread_barrier_t together;
    multiplier *all = calloc(threads, sizeof *all);
    if (!all || pthread_barrier_init(&together, NULL, (unsigned)threads + 1) != 0) return NAN;
    for (size_t i = 0; i < threads; i++) {
        all[i] = (multiplier){.together = &together, .a = matrix((unsigned)i + 1), .b = matrix((unsigned)i + 2), .c = matrix(0)};
        if (!all[i].a || !all[i].b || !all[i].c || pthread_create(&all[i].thread, NULL, multiply, &all[i]) != 0) return NAN;
    }
    for (int i = 0; i < SIZES * ROUNDS; i++) {
        double n = sizes[i % SIZES];
        pthread_barrier_wait(&together);
        pthread_barrier_wait(&together);
        best = fmax(best, 2e-9 * n * n * n * (double)threads / seconds_of(all, threads)); /* fmax passes over NaN */
    }
    for (size_t i = 0; i < threads; i++) pthread_join(all[i].thread, NULL);
    return best;
}

static double read_number(int file) {
    double value;
    ssize_t n;
    do n = read(file, &value, sizeof value);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof value ? value : NAN;
}

double sgemm_gflops(size_t threads) {
    int ends[2];
    if (pipe(ends) != 0) return NAN;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        double rate = measure(threads);
        _exit(write(ends[1], &rate, sizeof rate) == (ssize_t)sizeof rate ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    close(ends[1]);
    double rate = child > 0 ? read_number(ends[0]) : NAN;
    close(ends[0]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
    return rate;
}
