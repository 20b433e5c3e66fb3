/* drift.c - how far from orthogonal 1,000 steps leave a 768 x 768 matrix, for every optimizer and retraction (docs/manifold.md). Takes some minutes.
 *
 * `drift 3 5` runs rows 3 and 5 of the eight alone. The gradients are those of tr(A^T C), C random and new every 50 steps, so that they never vanish.
 */
#include "bench.h"

#include <math.h>

enum { D = 768, STEPS = 1000 };
static const char *const RETRACTIONS[] = {"qr", "cholesky-qr", "cayley", "polar"};

static double frobenius(const float *x, double *exact, double *gram) {
    double squares = 0;
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j < D; j++) exact[j * D + i] = (double)x[i * D + j];
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = -(double)(i == j);
            for (size_t k = 0; k < D; k++) sum += exact[i * D + k] * exact[j * D + k];
            gram[i * D + j] = sum;
            squares += (i == j ? 1 : 2) * sum * sum;
        }
    return sqrt(squares);
}

static float uniform(unsigned long *state) {
    *state = *state * 6364136223846793005UL + 1442695040888963407UL;
    return (float)((double)(long)(*state >> 11) / (double)(1L << 52) - 1.0);
}

static int wanted(int row, int argc, char **argv) {
    int found = argc < 2;
    for (int i = 1; i < argc; i++) found |= atoi(argv[i]) == row;
    return found;
}

int main(int argc, char **argv) {
    const orthsr_stiefel block = {D, D};
    float *x = malloc(sizeof(float[D]) * D), *c = malloc(sizeof(float[D]) * D);
    double *exact = malloc(sizeof(double[D]) * D), *gram = malloc(sizeof(double[D]) * D);
    if (!x || !c || !exact || !gram) return EXIT_FAILURE;
    printf("optimizer  retraction    |A^T A - I|_F   ms per step\n");
    for (int which = 0; which < 8; which++) {
        if (!wanted(which + 1, argc, argv)) continue;
        int adam = which / 4;
        orthsr_retraction retraction = (orthsr_retraction)(which % 4);
        orthsr_geometry geometry = retraction == ORTHSR_RETRACTION_CAYLEY ? ORTHSR_GEOMETRY_CANONICAL : ORTHSR_GEOMETRY_EUCLIDEAN;
        orthsr_optimizer *optimizer;
        must(adam ? orthsr_optimizer_radam(&optimizer, &block, 1, 0.9f, 0.999f, 1e-8f, retraction, geometry, &error)
                  : orthsr_optimizer_rsgd(&optimizer, &block, 1, 0.9f, retraction, geometry, &error));
        unsigned long seed = 1;
        for (size_t i = 0; i < (size_t)D * D; i++) x[i] = i % (D + 1) == 0;
        double start = now();
        for (int step = 0; step < STEPS; step++) {
            if (step == 10 || step == 100) printf("  after %d: %.2g\n", step, frobenius(x, exact, gram)), fflush(stdout);
            for (size_t i = 0; i < (size_t)D * D && step % 50 == 0; i++) c[i] = uniform(&seed) / sqrtf(D);
            must(orthsr_optimizer_step(optimizer, x, c, (size_t)D * D, adam ? 0.1f : 0.01f, &error));
        }
        double passed = now() - start;
        printf("%-10s %-13s %-15.2g %.0f\n", adam ? "radam" : "rsgd", RETRACTIONS[retraction], frobenius(x, exact, gram), 1000 * passed / STEPS);
        fflush(stdout);
        orthsr_optimizer_free(optimizer);
    }
    free(x);
    free(c);
    free(exact);
    free(gram);
    return EXIT_SUCCESS;
}
