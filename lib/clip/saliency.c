/* saliency.c - maps over the patches of an image.
 *
 * The pass of an encoder without gradients still holds the last layer's queries and keys when it has encoded a tile, and if it was told to, the output of
 * every patch.
 */
#include "clip/saliency.h"

#include <math.h>
#include <stdlib.h>

#include "base/fail.h"
#include "base/memory.h"

orthsr_status orthsr__similarity_map(orthsr__encoder *encoder, float *map, size_t i, const real *feature, orthsr_error *error) {
    const orthsr_model *model = encoder->model;
    orthsr__pass *pass = &encoder->image;
    size_t grid = orthsr__image_grid(model), patches = grid * grid, d = model->config.image.width, embed = model->config.embed_dim;
    real *tokens = orthsr__aligned(patches * embed, sizeof *tokens);
    if (!tokens) return orthsr__fail_memory(error, "patch features");
    const real *last = pass->out + (i * (patches + 1) + 1) * d;
    orthsr__layernorm_forward(pass->pool, pass->normed, pass->pooled_mean, pass->pooled_rstd, last, model->post_norm.gamma, model->post_norm.beta, patches, d,
                              (real)model->config.image.eps);
    orthsr__linear_forward(pass->pool, tokens, pass->normed, model->image_projection.weight, NULL, NULL, patches, d, embed);
    double length = 0;
    for (size_t e = 0; e < embed; e++) length += (double)feature[e] * (double)feature[e];
    for (size_t j = 0; j < patches; j++) {
        double dot = 0, square = 0;
        for (size_t e = 0; e < embed; e++) {
            double t = (double)tokens[j * embed + e];
            dot += t * (double)feature[e];
            square += t * t;
        }
        map[j] = square > 0 && length > 0 ? (float)(dot / sqrt(square * length)) : 0;
    }
    free(tokens);
    return ORTHSR_OK;
}

orthsr_status orthsr__attention_map(orthsr__encoder *encoder, float *map, size_t i, orthsr_error *error) {
    const orthsr__tower_config *config = &encoder->model->config.image;
    size_t grid = orthsr__image_grid(encoder->model), t = 1 + grid * grid, d = config->width, head = d / config->heads;
    const real *q = encoder->image.kept->q + i * (encoder->image.whole ? t : 1) * d, *k = encoder->image.kept->k + i * t * d;
    double *scores = orthsr__calloc(2 * t, sizeof *scores);
    if (!scores) return orthsr__fail_memory(error, "an attention map");
    double *mean = scores + t;
    for (size_t h = 0; h < d; h += head) {
        double most = -INFINITY, sum = 0;
        for (size_t j = 0; j < t; j++) {
            scores[j] = 0;
            for (size_t c = h; c < h + head; c++) scores[j] += (double)q[c] * (double)k[j * d + c];
            scores[j] /= sqrt((double)head);
            most = scores[j] > most ? scores[j] : most;
        }
        for (size_t j = 0; j < t; j++) sum += scores[j] = exp(scores[j] - most);
        for (size_t j = 0; j < t; j++) mean[j] += scores[j] / sum / (double)config->heads;
    }
    for (size_t j = 1; j < t; j++) map[j - 1] = (float)mean[j];
    free(scores);
    return ORTHSR_OK;
}
