/* butterfly.c - the rows that a small block turns are gathered, multiplied and put back; backward each factor is undone by its transpose. */
#include "ortho/butterfly.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/linalg.h"
#include "base/memory.h"
#include "ortho/cayley.h"
#include "ortho/skew.h"

size_t orthsr__butterfly_size(size_t b, size_t s, size_t m) { return m * (b / s) * orthsr__skew_size(s); }

/* PEFT's order lists, for every row of the matrix, the place of B it comes from: units of s/2, the even ones first, then the odd ones. This is its inverse. */
size_t orthsr__butterfly_row(size_t place, size_t s, size_t i) {
    size_t units = (size_t)2 << i, half = s / 2, group = place / (units * half), unit = place / half % units, within = place % half;
    size_t row = unit % 2 ? units / 2 + unit / 2 : unit / 2;
    return (group * units + row) * half + within;
}

/* rows (s, b) <- those of a (b, b) that block k of factor i turns, or back. */
static void gather(real *rows, const real *a, size_t b, size_t s, size_t i, size_t k) {
    for (size_t t = 0; t < s; t++) memcpy(rows + t * b, a + orthsr__butterfly_row(k * s + t, s, i) * b, b * sizeof *rows);
}

static void scatter(real *a, const real *rows, size_t b, size_t s, size_t i, size_t k) {
    for (size_t t = 0; t < s; t++) memcpy(a + orthsr__butterfly_row(k * s + t, s, i) * b, rows + t * b, b * sizeof *rows);
}

orthsr_status orthsr__butterfly_forward(real *a, real *factors, const real *v, size_t b, size_t s, size_t m, orthsr_error *error) {
    real *room = orthsr__aligned(2 * s * b + s * s, sizeof *room); /* (s, b) twice, (s, s) */
    if (!room) return orthsr__fail_memory(error, "a butterfly");
    real *turned = room + s * b, *spare = turned + s * b;
    orthsr_status status = ORTHSR_OK;
    for (size_t j = 0; j < b * b; j++) a[j] = j % (b + 1) == 0;
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < b / s && !status; k++, v += orthsr__skew_size(s), factors += s * s) {
            status = orthsr__cayley_forward(factors, v, s, spare, error);
            if (status) break;
            gather(room, a, b, s, i, k);
            orthsr__gemm(false, false, s, b, s, 1, factors, s, room, b, 0, turned, b);
            scatter(a, turned, b, s, i, k);
        }
    free(room);
    return status;
}

size_t orthsr__butterfly_work(size_t b, size_t s) { return 2 * b * b + 4 * s * b + 3 * s * s; }

void orthsr__butterfly_adjoint(real *grad_v, const real *grad_a, const real *a, const real *factors, size_t b, size_t s, size_t m, real *work) {
    real *product = work, *g = product + b * b, *rows = g + b * b, *grad_rows = rows + s * b, *former = grad_rows + s * b, *next = former + s * b,
         *grad_r = next + s * b, *spare = grad_r + s * s; /* (b, b) twice, (s, b) four times, (s, s), (2, s, s) */
    memcpy(product, a, b * b * sizeof *a);
    memcpy(g, grad_a, b * b * sizeof *g);
    for (size_t i = m; i-- > 0;)
        for (size_t k = b / s; k-- > 0;) {
            const real *r = factors + (i * (b / s) + k) * s * s;
            gather(rows, product, b, s, i, k);
            gather(grad_rows, g, b, s, i, k);
            orthsr__gemm(true, false, s, b, s, 1, r, s, rows, b, 0, former, b);
            orthsr__gemm(true, false, s, b, s, 1, r, s, grad_rows, b, 0, next, b);
            orthsr__gemm(false, true, s, s, b, 1, grad_rows, b, former, b, 0, grad_r, s);
            orthsr__cayley_adjoint(grad_v + (i * (b / s) + k) * orthsr__skew_size(s), grad_r, r, s, spare);
            scatter(product, former, b, s, i, k);
            scatter(g, next, b, s, i, k);
        }
}
