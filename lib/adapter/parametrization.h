/* parametrization.h (internal) - how a block of A is built from its parameters: one row of functions per orthsr_parametrization. */
#ifndef ORTHSR_ADAPTER_PARAMETRIZATION_H
#define ORTHSR_ADAPTER_PARAMETRIZATION_H

#include <stdbool.h>

#include <orthsr/adapter.h>

#include "base/real.h"

/* What a block looks like. */
typedef struct orthsr__form {
    size_t b;              /* it is b x b */
    size_t reflections;    /* ORTHSR_HOUSEHOLDER */
    size_t small, factors; /* ORTHSR_BUTTERFLY: size of the blocks in a factor, and how many factors */
} orthsr__form;

typedef struct orthsr__parametrization {
    const char *name, *suffix; /* in the metadata of files, and at the end of their tensors' names */
    bool generator;            /* the parameters are a matrix of which a norm makes sense: COFT can bound it */
    bool skew;                 /* ... and skew, each value standing for two entries */
    /* NULL, or why there is no such block. */
    const char *(*refuse)(const orthsr__form *form);
    /* shape (up to 3) of one block's parameters; returns the rank. */
    size_t (*shape)(size_t *shape, const orthsr__form *form);
    /* Reals that forward keeps for adjoint, and of room that either needs. NULL: none. */
    size_t (*kept)(const orthsr__form *form);
    size_t (*work)(const orthsr__form *form);
    /* a (b, b) and kept from p; NUMERIC for parameters that make no matrix. */
    orthsr_status (*forward)(real *a, real *kept, const real *p, const orthsr__form *form, real *work, orthsr_error *error);
    /* grad_p += dL/dp given grad_a = dL/da (b, b). a, kept: as forward left them. */
    void (*adjoint)(real *grad_p, const real *grad_a, const real *a, const real *kept, const real *p, const orthsr__form *form, real *work);
    /* f (b, b) = A, or A^-1, in float64. 0; > 0 singular; < 0 out of memory. */
    int (*exact)(double *f, const real *p, const orthsr__form *form, bool inverse);
    /* to: the parameters of the block with its generator times s; as exact, > 0: it has none. NULL: the parameters are the generator. */
    int (*scaled)(real *to, const real *p, const orthsr__form *form, double s);
    bool starts_at_one; /* the parameters of A = I are I, not zeros */
    bool turned;        /* adjoint takes dL/da (I + a^T) in place of dL/da */
} orthsr__parametrization;

/* The row of a parametrisation, NULL when there is none of this number. */
const orthsr__parametrization *orthsr__parametrization_of(orthsr_parametrization kind);

/* The parameters of one block. */
size_t orthsr__form_size(const orthsr__parametrization *by, const orthsr__form *form);

/* float64 twins of the kernels, for merging: as the member `exact`. */
int orthsr__exact_cayley(double *f, const real *p, const orthsr__form *form, bool inverse);
int orthsr__exact_free(double *f, const real *p, const orthsr__form *form, bool inverse);
int orthsr__exact_expm(double *f, const real *p, const orthsr__form *form, bool inverse);
int orthsr__exact_householder(double *f, const real *p, const orthsr__form *form, bool inverse);
int orthsr__exact_butterfly(double *f, const real *p, const orthsr__form *form, bool inverse);
int orthsr__exact_manifold(double *f, const real *p, const orthsr__form *form, bool inverse);
int orthsr__manifold_scaled(real *to, const real *p, const orthsr__form *form, double s); /* as the member `scaled` */

#endif
