/* no_blas.c - loaded before BLAS and LAPACK, ends a program that calls them: how tests/test_determinism.c knows that a result does not depend on them. */
#include <stdio.h>
#include <stdlib.h>

#define NEVER(name)                                                                                                                                            \
    void name(void);                                                                                                                                           \
    void name(void) {                                                                                                                                          \
        fputs(#name " was called\n", stderr);                                                                                                                  \
        abort();                                                                                                                                               \
    }

NEVER(cblas_sgemm)
NEVER(cblas_dgemm)
NEVER(cblas_strsm)
NEVER(cblas_dtrsm)
NEVER(LAPACKE_sgetrf)
NEVER(LAPACKE_sgetri)
NEVER(LAPACKE_sgeqrf)
NEVER(LAPACKE_sorgqr)
NEVER(LAPACKE_sgesdd)
NEVER(LAPACKE_dgetrf)
NEVER(LAPACKE_dgetri)
