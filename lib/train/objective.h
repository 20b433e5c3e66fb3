/* objective.h - from raw features of images and class prompts to the loss, and its gradients back to them.
 *
 * class feature = unit(mean over templates of unit(prompt feature)); z = scale unit(image feature) . class feature;
 * loss = mean CE(z) + kl_weight mean KL against the frozen model's log-probabilities.
 */
#ifndef ORTHSR_TRAIN_OBJECTIVE_H
#define ORTHSR_TRAIN_OBJECTIVE_H

#include <orthsr/trainer.h>

#include "base/real.h"

typedef struct orthsr__objective {
    size_t classes, templates, embed, tile; /* tile: images at once, at most */
    real scale;                             /* logit_scale */
    real kl_weight;
    orthsr_kl_direction direction;
    real *memory;                      /* all of the below */
    real *unit_prompts, *prompt_norms; /* (classes templates, embed), (classes templates) */
    real *means, *class_norms;         /* (classes, embed), (classes) */
    real *class_features;              /* (classes, embed), unit */
    real *grad_classes;                /* (classes, embed): summed over the batch's tiles */
    real *unit_images, *image_norms;   /* (tile, embed), (tile) */
    real *log_p, *grad_logits;         /* (tile, classes) */
    double ce, kl;                     /* sums over the batch so far */
    size_t correct, images;
} orthsr__objective;

orthsr_status orthsr__objective_new(orthsr__objective *objective, size_t classes, size_t templates, size_t embed, size_t tile, orthsr_error *error);
void orthsr__objective_free(orthsr__objective *objective); /* safe on a zeroed struct */

/* Starts a batch: class features of raw prompts (classes templates, embed); sums to zero. */
void orthsr__objective_begin(orthsr__objective *objective, const real *prompts);

/* log_p (n, classes) of raw images (n, embed), n <= tile. */
void orthsr__objective_log_probabilities(orthsr__objective *objective, real *log_p, const real *images, size_t n);

/* One tile of a batch of `batch` images: sums grow; grad_images (n, embed), which may be images. labels (n), frozen (n, classes) log-probabilities. */
void orthsr__objective_tile(orthsr__objective *objective, real *grad_images, const real *images, const size_t *labels, const real *frozen, size_t n,
                            size_t batch);

/* After the last tile: grad_prompts (classes templates, embed). */
void orthsr__objective_end(orthsr__objective *objective, real *grad_prompts);

#endif
