/* retraction.c - the orthogonal kernels against LAPACK's: Cholesky-QR against Householder QR, the Cayley transform and its adjoint by blocks against getrf +
 * getri.
 *
 * usage: build/bench/retraction [SIZE...]        (default: 192 512 768 1024)
 *
 * The two sides of a ratio are timed in turns. One thread: OPENBLAS_NUM_THREADS=1.
 */
#include "bench.h"

#include <math.h>
#include <string.h>

#include "base/linalg.h"
#include "ortho/cayley.h"
#include "ortho/retraction.h"
#include "ortho/skew.h"

enum { REPETITIONS = 15 };

typedef struct square {
    size_t d;
    real *given, *result, *kept, *gradient, *work; /* (d, d) each, work (2, d, d) */
    real *v, *grad_v;                              /* skew parameters */
} square;

static real uniform(unsigned long *state) {
    *state = *state * 6364136223846793005UL + 1442695040888963407UL;
    return (real)((double)(long)(*state >> 11) / (double)(1L << 52) - 1.0);
}

/* |X^T X - I|_F in float64. */
static double defect(const real *x, size_t d) {
    double *exact = malloc(2 * d * d * sizeof *exact), *gram = exact + d * d, squares = 0;
    if (!exact) exit(EXIT_FAILURE);
    for (size_t i = 0; i < d * d; i++) exact[i] = (double)x[i];
    orthsr__dgemm(true, false, d, d, d, 1, exact, d, exact, d, 0, gram, d);
    for (size_t i = 0; i < d * d; i++) squares += pow(gram[i] - (i % (d + 1) == 0), 2);
    free(exact);
    return sqrt(squares);
}

/* ---- what is timed --------------------------------------------------------------------------------------------------------- */

static void householder(square *s) {
    memcpy(s->result, s->given, s->d * s->d * sizeof *s->result);
    must(orthsr__retract_qr(s->result, s->d, s->d, &error));
}

static void cholesky(square *s) {
    memcpy(s->result, s->given, s->d * s->d * sizeof *s->result);
    must(orthsr__retract_cholesky_qr(s->result, s->d, s->d, &error));
}

static void cayley(square *s) { must(orthsr__cayley_forward(s->result, s->v, s->d, s->kept, &error)); }

/* As it was before it went by blocks: S value by value, LU with pivoting, its inverse. */
static void cayley_lapack(square *s) {
    size_t d = s->d;
    const real *v = s->v;
    for (size_t i = 0; i < d; i++) {
        s->kept[i * d + i] = 1;
        for (size_t j = i + 1; j < d; j++, v++) {
            s->kept[i * d + j] = *v;
            s->kept[j * d + i] = -*v;
        }
    }
    if (orthsr__invert(s->kept, d) != 0) exit(EXIT_FAILURE);
    for (size_t i = 0; i < d * d; i++) s->result[i] = 2 * s->kept[i] - (i % (d + 1) == 0);
}

static void adjoint(square *s) { orthsr__cayley_adjoint(s->grad_v, s->gradient, s->result, s->d, s->work); }

/* The same two products with the skew part taken value by value. */
static void adjoint_before(square *s) {
    size_t d = s->d;
    real *product = s->work, *grad = product + d * d, *grad_v = s->grad_v;
    orthsr__gemm(true, false, d, d, d, 1, s->kept, d, s->gradient, d, 0, product, d);
    orthsr__gemm(false, true, d, d, d, -2, product, d, s->kept, d, 0, grad, d);
    for (size_t i = 0; i < d; i++)
        for (size_t j = i + 1; j < d; j++) *grad_v++ += grad[i * d + j] - grad[j * d + i];
}

/* ---- inputs ---------------------------------------------------------------------------------------------------------------- */

/* A point of the manifold and a tangent step from it, of a spectral norm of about `step`: X (I + W), W skew with entries of deviation step / (2 sqrt d). */
static void retraction_like(square *s, double step) {
    size_t d = s->d;
    unsigned long seed = 3;
    real *x = s->result, *w = s->work;
    for (size_t i = 0; i < d * d; i++) x[i] = uniform(&seed);
    must(orthsr__retract_qr(x, d, d, &error));
    for (size_t i = 0; i < d * (d - 1) / 2; i++) s->v[i] = uniform(&seed) * (real)(sqrt(3) * step / (2 * sqrt((double)d)));
    orthsr__skew_forward(w, s->v, d);
    memcpy(s->given, x, d * d * sizeof *x);
    orthsr__gemm(false, false, d, d, d, 1, x, d, w, d, 1, s->given, d);
}

/* Singular values from 1 to 0.05: an orthogonal matrix whose columns are scaled, turned by another one. */
static void random_input(square *s) {
    size_t d = s->d;
    unsigned long seed = 5;
    real *x = s->result, *y = s->work;
    for (size_t i = 0; i < d * d; i++) x[i] = uniform(&seed);
    for (size_t i = 0; i < d * d; i++) y[i] = uniform(&seed);
    must(orthsr__retract_qr(x, d, d, &error));
    must(orthsr__retract_qr(y, d, d, &error));
    for (size_t i = 0; i < d * d; i++) x[i] *= 1 - (real)0.95 * (real)(i % d) / (real)(d - 1);
    orthsr__gemm(false, true, d, d, d, 1, x, d, y, d, 0, s->given, d);
}

/* ---- the table ------------------------------------------------------------------------------------------------------------- */

static void compare(const char *name, square *s, void (*before)(square *), void (*after)(square *), bool orthogonal) {
    double seconds[2][REPETITIONS], defects[2] = {0, 0};
    for (int i = -1; i < REPETITIONS; i++)
        for (int side = 0; side < 2; side++) {
            double start = now();
            (side ? after : before)(s);
            if (i >= 0) seconds[side][i] = now() - start;
            else if (orthogonal) defects[side] = defect(s->result, s->d);
        }
    for (int side = 0; side < 2; side++) qsort(seconds[side], REPETITIONS, sizeof *seconds[side], ascending);
    printf("%5zu  %-28s %9.3f %9.3f  %9.3f %9.3f  %6.2f", s->d, name, 1e3 * seconds[0][0], 1e3 * seconds[0][REPETITIONS / 2], 1e3 * seconds[1][0],
           1e3 * seconds[1][REPETITIONS / 2], seconds[0][0] / seconds[1][0]);
    if (orthogonal) printf("   %.1e  %.1e", defects[0], defects[1]);
    putchar('\n');
    fflush(stdout);
}

static void measure(size_t d) {
    size_t squared = d * d, skew = orthsr__skew_size(d);
    real *room = malloc((6 * squared + 2 * skew) * sizeof *room);
    if (!room) exit(EXIT_FAILURE);
    square s = {d, room, room + squared, room + 2 * squared, room + 3 * squared, room + 4 * squared, room + 6 * squared, room + 6 * squared + skew};
    unsigned long seed = 7;
    for (size_t i = 0; i < squared; i++) s.gradient[i] = uniform(&seed);
    for (size_t i = 0; i < skew; i++) s.grad_v[i] = 0;
    static const double steps[] = {0.5, 0.1, 0.005};
    for (size_t i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "QR, step %g", steps[i]);
        retraction_like(&s, steps[i]);
        compare(name, &s, householder, cholesky, true);
    }
    random_input(&s);
    compare("QR, condition 20", &s, householder, cholesky, true);
    for (size_t i = 0; i < skew; i++) s.v[i] = uniform(&seed) / (real)sqrt((double)d);
    compare("Cayley forward", &s, cayley_lapack, cayley, true);
    compare("Cayley adjoint", &s, adjoint_before, adjoint, false);
    free(room);
}

int main(int argc, char **argv) {
    static const size_t sizes[] = {192, 512, 768, 1024};
    printf("                                     LAPACK's, ms            ours, ms     ratio   |X^T X - I|_F\n");
    printf("    d                                min    median        min    median          LAPACK   ours\n");
    for (int i = 1; i < argc; i++) measure((size_t)strtoul(argv[i], NULL, 10));
    for (size_t i = 0; argc < 2 && i < sizeof sizes / sizeof sizes[0]; i++) measure(sizes[i]);
    return EXIT_SUCCESS;
}
