/* own_buffers.c - rotations in an inference stack that has never heard of CLIP: merged into its float16 weights, where they lie, and out again.
 *
 *     cc own_buffers.c $(pkg-config --cflags --libs orthsr) -lm -o own_buffers
 *     ./own_buffers
 *
 * The stack here has one attention layer with the weights of q, k and v in one matrix of halves, as the rows of (3d, d), or as the columns of (d, 3d) in code
 * that computes x W. The program prints, and checks, that
 *     the merged weight computes what rotating the activations computes, to the rounding of halves;
 *     it is the float64 product rounded once, bit for bit, in either layout: what `orthsr merge` would have written;
 *     taken out again, float32 weights are restored to 1e-6, halves to their own rounding.
 *
 * run:
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <orthsr/adapter.h>

enum { D = 96, ROWS = 8, PARTS = 3 };

static orthsr_error error;
static void check(orthsr_status status) {
    if (status == ORTHSR_OK) return;
    fprintf(stderr, "own_buffers: %s\n", error.message);
    exit(EXIT_FAILURE);
}

static void must(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "own_buffers: %s: this does not hold\n", what);
    exit(EXIT_FAILURE);
}

/* ---- the stack's own halves: IEEE binary16 ---- */

/* Nearest, ties to even; |value| below 65504. */
static uint16_t half_of(double value) {
    int exponent;
    frexp(value, &exponent);                                         /* |value| < 2^exponent */
    if (value == 0 || exponent < -13) exponent = -13;                /* subnormal */
    double steps = nearbyint(ldexp(fabs(value), 11 - exponent));     /* of 2^(exponent - 11): 1024 to 2048, less when subnormal */
    uint16_t bits = (uint16_t)((exponent + 13) * 1024 + (int)steps); /* the leading bit of a normal number counts one exponent up */
    return (uint16_t)(bits | (signbit(value) ? 0x8000 : 0));
}

static double value_of(uint16_t half) {
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double value = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return half & 0x8000 ? -value : value;
}

/* Uniform in -1 to 1. */
static double noise(void) {
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) / (double)(UINT64_C(1) << 52) - 1;
}

/* y (ROWS, PARTS * D) = x (ROWS, D) W^T, W (PARTS * D, D) of halves; or one part of it with its own x. */
static void product(double *y, const float *x, const uint16_t *W, int part) {
    for (int r = 0; r < ROWS; r++)
        for (int o = part * D; o < (part + 1) * D; o++) {
            double sum = 0;
            for (int i = 0; i < D; i++) sum += (double)x[r * D + i] * value_of(W[o * D + i]);
            y[r * PARTS * D + o] = sum;
        }
}

/* ---- the adapter ---- */

/* One orthogonal matrix in 4 blocks on the input of each part. A program would train it, or load it: orthsr_adapter_load. */
static orthsr_adapter *make_adapter(void) {
    static const char *const names[PARTS] = {"attention.q", "attention.k", "attention.v"};
    orthsr_adapter *adapter;
    check(orthsr_adapter_new(&adapter, NULL, &error));
    for (int t = 0; t < PARTS; t++) check(orthsr_adapter_add_target(adapter, names[t], D, D, &error));
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = malloc(n * sizeof *parameters);
    must(parameters != NULL, "memory for parameters");
    for (size_t i = 0; i < n; i++) parameters[i] = (float)(0.1 * noise());
    check(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    free(parameters);
    return adapter;
}

/* Every part where it lies: rows t D .. of (3d, d), or columns of (d, 3d). */
static void merge_rows(const orthsr_adapter *adapter, uint16_t *W) {
    for (size_t t = 0; t < PARTS; t++) check(orthsr_adapter_merge(adapter, t, W + t * D * D, ORTHSR_DTYPE_F16, ORTHSR_ORDER_ROW_MAJOR, D, &error));
}

static void merge_columns(const orthsr_adapter *adapter, uint16_t *W) {
    for (size_t t = 0; t < PARTS; t++) check(orthsr_adapter_merge(adapter, t, W + t * D, ORTHSR_DTYPE_F16, ORTHSR_ORDER_COLUMN_MAJOR, PARTS * D, &error));
}

static double largest(const double *a, const double *b, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs(a[i] - b[i]));
    return most;
}

int main(void) {
    enum { N = PARTS * D * D };
    static uint16_t W[N], rows[N], columns[N]; /* the stack's weight (3d, d), merged in place; the same merged as (d, 3d) */
    static double exact[N], wide[N];
    static float single[N], kept[N], x[ROWS * D], turned[ROWS * D];
    static double rotated[ROWS * PARTS * D], merged[ROWS * PARTS * D];
    for (int i = 0; i < N; i++) W[i] = half_of(0.1 * noise());
    for (int i = 0; i < ROWS * D; i++) x[i] = (float)noise();
    orthsr_adapter *adapter = make_adapter();

    /* 1. Without touching the weight: y = (x A) W^T, a rotation in front of the stack's own product. */
    for (int t = 0; t < PARTS; t++) {
        check(orthsr_adapter_rotate(adapter, (size_t)t, turned, x, ROWS, &error));
        product(rotated, turned, W, t);
    }

    /* 2. Merged once, in place: y = x W'^T from then on, at no further cost. */
    memcpy(rows, W, sizeof W);
    merge_rows(adapter, rows);
    for (int t = 0; t < PARTS; t++) product(merged, x, rows, t);
    double apart = largest(merged, rotated, ROWS * PARTS * D);
    printf("float16 (%d, %d), q, k and v merged in place: outputs differ from rotated activations by at most %.1e\n", PARTS * D, D, apart);
    must(apart < 5e-3, "merging is rotating");

    /* 3. The same bits as the exact product rounded once, in both layouts. */
    for (int i = 0; i < N; i++) exact[i] = value_of(W[i]);
    for (size_t t = 0; t < PARTS; t++) check(orthsr_adapter_merge(adapter, t, exact + t * D * D, ORTHSR_DTYPE_F64, ORTHSR_ORDER_ROW_MAJOR, D, &error));
    for (int o = 0; o < PARTS * D; o++)
        for (int i = 0; i < D; i++) columns[i * PARTS * D + o] = W[o * D + i];
    merge_columns(adapter, columns);
    int same = 1;
    for (int o = 0; o < PARTS * D; o++)
        for (int i = 0; i < D; i++) same &= rows[o * D + i] == half_of(exact[o * D + i]) && columns[i * PARTS * D + o] == rows[o * D + i];
    must(same, "one rounding, in either layout");
    printf("equal bit for bit to the float64 product rounded once, as (%d, %d) and as (%d, %d)\n", PARTS * D, D, D, PARTS * D);

    /* 4. Out again: what was rounded away stays lost, so halves come back to their rounding, and single precision to its own. */
    for (size_t t = 0; t < PARTS; t++) check(orthsr_adapter_unmerge(adapter, t, rows + t * D * D, ORTHSR_DTYPE_F16, ORTHSR_ORDER_ROW_MAJOR, D, &error));
    for (int i = 0; i < N; i++) {
        exact[i] = value_of(W[i]);
        wide[i] = value_of(rows[i]);
        single[i] = kept[i] = (float)exact[i];
    }
    apart = largest(wide, exact, N) / 0.1;
    printf("unmerged: float16 to %.1e of the largest weight", apart);
    must(apart < 2e-3, "halves come back to their rounding");
    for (size_t t = 0; t < PARTS; t++) {
        check(orthsr_adapter_merge(adapter, t, single + t * D * D, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, D, &error));
        check(orthsr_adapter_unmerge(adapter, t, single + t * D * D, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, D, &error));
    }
    for (int i = 0; i < N; i++) wide[i] = (double)single[i];
    apart = largest(wide, exact, N) / 0.1;
    printf(", float32 to %.1e\n", apart);
    must(apart < 1e-6, "float32 is restored to 1e-6");

    orthsr_adapter_free(adapter);
    return EXIT_SUCCESS;
}
