/* gemm_kernel.h - the innermost loops of gemm.c for one instruction set; included once for each, with these defined:
 *
 *   NAME(x)      x with the set's name
 *   TARGET       the set, as GCC's target attribute
 *   VECTOR, LANES, LOAD, STORE, SPLAT, ADD, MUL, FMA    its vectors of float
 *   ROWS         of C in a tile; a tile is ROWS x 2 LANES: what the registers hold
 *
 * A is packed as rows of K_ROOM floats, B as k rows of 2 LANES, columns beyond the last filled with zeros.
 */

/* rows x (vectors LANES) of C. */
__attribute__((always_inline, target(TARGET))) static inline void NAME(tile)(const job *j, float *c, const float *d, const float *bias, const float *a,
                                                                             const float *b, size_t k, int rows, int vectors, size_t columns) {
    VECTOR sum[ROWS][2];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[r][v] = SPLAT(0);
    for (size_t p = 0; p < k; p++) {
        VECTOR b0 = LOAD(b + p * 2 * LANES), b1 = vectors > 1 ? LOAD(b + p * 2 * LANES + LANES) : b0;
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            VECTOR x = SPLAT(a[(size_t)r * K_ROOM + p]);
            sum[r][0] = FMA(x, b0, sum[r][0]);
            if (vectors > 1) sum[r][1] = FMA(x, b1, sum[r][1]);
        }
    }
    VECTOR alpha = SPLAT(j->alpha);
    if (columns == (size_t)vectors * LANES) {
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                VECTOR start = d ? LOAD(d + (size_t)r * j->ldd + (size_t)v * LANES) : SPLAT(0);
                if (bias) start = ADD(start, LOAD(bias + (size_t)v * LANES));
                STORE(c + (size_t)r * j->ldc + (size_t)v * LANES, ADD(start, MUL(alpha, sum[r][v])));
            }
        return;
    }
    float last[ROWS][2 * LANES];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) STORE(last[r] + v * LANES, MUL(alpha, sum[r][v]));
    for (int r = 0; r < rows; r++)
        for (size_t i = 0; i < columns; i++) {
            float start = d ? d[(size_t)r * j->ldd + i] : 0;
            if (bias) start += bias[i];
            c[(size_t)r * j->ldc + i] = start + last[r][i];
        }
}

/* rows (up to ROWS) of packed A times all of packed B: rows x n of C. */
__attribute__((target(TARGET))) static void NAME(panel)(const job *j, float *c, const float *d, const float *bias, const float *a, const float *b, size_t k,
                                                        int rows, size_t n) {
    for (size_t i = 0; i < n; i += 2 * LANES) {
        size_t columns = n - i < 2 * LANES ? n - i : 2 * LANES;
        const float *di = d ? d + i : NULL, *bi = bias ? bias + i : NULL;
/* clang-format off */
#define ONE(r)                                                                                                                                                 \
    case r:                                                                                                                                                    \
        if (columns > LANES) NAME(tile)(j, c + i, di, bi, a, b, k, r, 2, columns);                                                                             \
        else NAME(tile)(j, c + i, di, bi, a, b, k, r, 1, columns);                                                                                             \
        break;
        switch (rows) {
            ONE(1) ONE(2) ONE(3) ONE(4) ONE(5) ONE(6)
#if ROWS > 6
            ONE(7) ONE(8) ONE(9) ONE(10) ONE(11) ONE(12) ONE(13) ONE(14)
#endif
        default: break;
        }
/* clang-format on */
#undef ONE
        b += k * 2 * LANES;
    }
}

#undef NAME
#undef TARGET
#undef VECTOR
#undef LANES
#undef LOAD
#undef STORE
#undef SPLAT
#undef ADD
#undef MUL
#undef FMA
#undef ROWS
