/* exchange_mpi.c - what a sum over ranks costs: rows "ranks,bytes,ms" of float32 vectors, least of several times, by the exchange of examples/train_mpi.c.
 *
 *     mpirun -n 2 build/bench/exchange_mpi
 */
#define main train_mpi
int main(int argc, char **argv); /* as gcc wants it */
#include "../../examples/train_mpi.c"
#undef main

enum { TIMES = 15 };

static double least_seconds(job *j, float *values, size_t n) {
    orthsr_error error;
    double least = 1e9;
    for (int i = 0; i < TIMES; i++) {
        for (size_t k = 0; k < n; k++) values[k] = 1;
        check(j, orthsr_collective_barrier(j->ranks, &error), &error);
        double before = seconds();
        check(j, orthsr_collective_sum(j->ranks, values, n, &error), &error);
        double took = seconds() - before;
        if (took < least) least = took;
    }
    return least;
}

int main(void) {
    job j = {.connection = {.timeout = 60}};
    connect_ranks(&j);
    for (size_t bytes = 1024; bytes <= (size_t)64 << 20; bytes *= 4) {
        float *values = malloc(bytes);
        if (!values) return EXIT_FAILURE;
        double least = least_seconds(&j, values, bytes / sizeof *values);
        if (j.connection.rank == 0) printf("%d,%zu,%.4f\n", j.connection.ranks, bytes, 1e3 * least);
        free(values);
    }
    disconnect(&j);
    return EXIT_SUCCESS;
}
