/* sgemm.h - the rate at which this machine multiplies float32 matrices. */
#ifndef SGEMM_H
#define SGEMM_H

#include <stddef.h>

/* 10^9 multiplications and additions a second by this many threads, each with matrices of its own; NaN when it could not be measured. Takes a second or less,
 * in a child process: the memory is not this one's. No other thread of this process may be running. */
double sgemm_gflops(size_t threads);

#endif
