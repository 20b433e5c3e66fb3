#ifndef ORTHSR_ORTHO_H
#define ORTHSR_ORTHO_H 
#include <stddef.h>
#include <orthsr/status.h>
ORTHSR_BEGIN_DECLS
ORTHSR_API size_t orthsr_skew_size(size_t b);
ORTHSR_API orthsr_status orthsr_cayley(float *R, const float *skew, size_t b, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_cayley_adjoint(float *grad_skew, const float *grad_R, const float *skew, size_t b, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_qr(float *Q, float *R, const float *X, size_t n, size_t p, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_qr_adjoint(float *grad_X, const float *grad_Q, const float *grad_R, const float *Q, const float *R, size_t n, size_t p,
                                           orthsr_error *error);
ORTHSR_API orthsr_status orthsr_retract_qr(float *X, size_t n, size_t p, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_retract_cholesky_qr(float *X, size_t n, size_t p, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_retract_polar(float *X, size_t n, size_t p, orthsr_error *error);
typedef enum orthsr_retraction {
    ORTHSR_RETRACTION_QR = 0,
    ORTHSR_RETRACTION_CHOLESKY_QR = 1,
    ORTHSR_RETRACTION_CAYLEY = 2,
    ORTHSR_RETRACTION_POLAR = 3
} orthsr_retraction;
typedef enum orthsr_geometry {
    ORTHSR_GEOMETRY_EUCLIDEAN = 0,
    ORTHSR_GEOMETRY_CANONICAL = 1
} orthsr_geometry;
ORTHSR_API orthsr_status orthsr_retract(float *X, const float *U, size_t n, size_t p, orthsr_retraction retraction, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_tangent_project(float *U, const float *G, const float *X, size_t n, size_t p, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_riemannian_gradient(float *U, const float *G, const float *X, size_t n, size_t p, orthsr_geometry geometry,
                                                    orthsr_error *error);
ORTHSR_API orthsr_status orthsr_orthogonality_defect(double *defect, const float *X, size_t n, size_t p, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_hyperspherical_energy(double *energy, const float *W, size_t n, size_t d, orthsr_error *error);
ORTHSR_END_DECLS
#endif
