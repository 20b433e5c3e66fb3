/* objective.h - from raw features of images and class prompts to the loss, and its gradients back to them.
 *
 * class feature = unit(mean over templates of unit(prompt feature)); z = scale unit(image feature) . class feature;
 * loss = sum over the terms, the images as they are and the same with holes, of  ce_weight mean CE(z) + kl_factor kl_weight mean KL,
 * KL = T^2 KL(softmax(frozen z / T) || softmax(z / T)) or its reverse, summed over classes or their mean.
 */
#ifndef ORTHSR_TRAIN_OBJECTIVE_H
#define ORTHSR_TRAIN_OBJECTIVE_H

#include <orthsr/trainer.h>

#include "base/real.h"
#include "train/options.h"

/* The parts of the loss: images as they are, and cut. */
typedef enum orthsr__part { ORTHSR__WHOLE, ORTHSR__CUT, ORTHSR__PARTS } orthsr__part;

typedef struct orthsr__term {
    real ce_weight, kl_weight;
} orthsr__term;

/* Over the batch so far, unweighted but for the confidence. */
typedef struct orthsr__sums {
    double ce, kl, correct;
} orthsr__sums;

enum { ORTHSR__SUMS = 3 * ORTHSR__PARTS }; /* doubles in those of all parts */

typedef struct orthsr__objective {
    size_t classes, templates, embed, tile; /* tile: images at once, at most */
    real scale;                             /* logit_scale */
    real temperature;                       /* of the KL */
    orthsr_kl_direction direction;
    orthsr_kl_reduction reduction;
    bool confidence;  /* an image's KL counts times the frozen probability of its label */
    double kl_factor; /* of both KL weights in this step */
    orthsr__term term[ORTHSR__PARTS];
    orthsr__sums sums[ORTHSR__PARTS];
    real *memory;                       /* all of the below */
    real *unit_prompts, *prompt_norms;  /* (classes templates, embed), (classes templates) */
    real *means, *class_norms;          /* (classes, embed), (classes) */
    real *class_features;               /* (classes, embed), unit */
    real *grad_classes;                 /* (classes, embed): summed over the batch's tiles */
    real *unit_images, *image_norms;    /* (tile, embed), (tile) */
    real *logits, *log_p, *grad_logits; /* (tile, classes) */
} orthsr__objective;

orthsr_status orthsr__objective_new(orthsr__objective *objective, size_t classes, size_t templates, size_t embed, size_t tile, orthsr_error *error);
/* Weights, direction, temperature and reduction. */
void orthsr__objective_options(orthsr__objective *objective, const orthsr_trainer_options *options);
void orthsr__objective_free(orthsr__objective *objective); /* safe on a zeroed struct */

/* Starts a batch: class features of raw prompts (classes templates, embed); sums to zero. */
void orthsr__objective_begin(orthsr__objective *objective, const real *prompts);

/* log_p (n, classes), at the temperature, of raw images (n, embed), n <= tile: what the frozen model says to orthsr__objective_tile. */
void orthsr__objective_log_probabilities(orthsr__objective *objective, real *log_p, const real *images, size_t n);

/* One tile of one part of a batch of `batch` images: the part's sums grow; grad_images (n, embed), which may be images. labels (n), frozen (n, classes)
 * log-probabilities at the temperature. */
void orthsr__objective_tile(orthsr__objective *objective, orthsr__part part, real *grad_images, const real *images, const size_t *labels, const real *frozen,
                            size_t n, size_t batch);

/* The weighted sum over all terms of what is in the sums, for a batch of n images. */
double orthsr__objective_loss(const orthsr__objective *objective, size_t n);

/* After the last tile: grad_prompts (classes templates, embed). */
void orthsr__objective_end(orthsr__objective *objective, real *grad_prompts);

#endif
