/* texts.c - the text side of training. */
#include "train/texts.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "clip/prompt.h"
#include "data/dataset.h"
#include "train/rates.h"

orthsr_status orthsr__texts_new(orthsr__texts *texts, const orthsr_model *model, orthsr_prompt *prompt, const orthsr_dataset *dataset,
                                const orthsr_trainer_options *options, orthsr_error *error) {
    *texts = (orthsr__texts){.model = model,
                             .prompt = prompt,
                             .classes = orthsr_dataset_class_count(dataset),
                             .templates = prompt ? 1 : options->template_count,
                             .embed = model->config.embed_dim};
    size_t size, context = prompt ? prompt->count : 0;
    if (prompt) ORTHSR__TRY(orthsr__prompt_fits(prompt, model, error));
    if (!orthsr__mul(&texts->prompts, texts->classes, texts->templates) || !orthsr__mul(&size, texts->prompts, texts->embed))
        return orthsr__fail_memory(error, "prompts");
    texts->features = orthsr__aligned(size, sizeof(real));
    texts->grad_features = orthsr__aligned(size, sizeof(real));
    texts->grad_context = orthsr__aligned(context, sizeof(real));
    texts->next_context = orthsr__aligned(context, sizeof(real));
    if (!texts->features || !texts->grad_features || !texts->grad_context || !texts->next_context) return orthsr__fail_memory(error, "prompts");
    const char *const *names = (const char *const *)dataset->class_names;
    if (prompt) return orthsr__prompt_tokens(&texts->tokens, prompt, model, names, texts->classes, error);
    return orthsr__tokenize_classes(&texts->tokens, model, names, texts->classes, (const char *const *)options->templates, texts->templates, error);
}

void orthsr__texts_free(orthsr__texts *texts) {
    free(texts->tokens);
    free(texts->features);
    free(texts->grad_features);
    free(texts->grad_context);
    free(texts->next_context);
    orthsr_optimizer_free(texts->optimizer);
    *texts = (orthsr__texts){0};
}

/* SGD: CoOp's rate. Adam moves every entry by about lr: a twentieth of the deviation that word embeddings have, 0.02, is as careful as the adapter's rates. */
static double default_rate(bool sgd) { return sgd ? 0.002 : 0.001; }

orthsr_status orthsr__texts_descend(orthsr__texts *texts, const orthsr_trainer_options *options, orthsr_optimizer_kind kind, bool alone, orthsr_error *error) {
    if (!texts->prompt) return ORTHSR_OK;
    double own = (double)options->context_learning_rate, shared = alone ? (double)options->learning_rate : 0;
    bool sgd = kind == ORTHSR_SGD || kind == ORTHSR_RSGD; /* a context is on no manifold */
    texts->learning_rate = own > 0 ? own : shared > 0 ? shared : default_rate(sgd);
    return orthsr__plain_optimizer(&texts->optimizer, sgd, texts->prompt->count, options, error);
}

/* ---- features and back ------------------------------------------------------------------------------------------------------------ */

/* Shards are of classes: all prompts of one are together. */
size_t orthsr__texts_begin(const orthsr__texts *texts, const orthsr__shards *shards, size_t shard) {
    return orthsr__shard_begin(shards, shard, texts->classes) * texts->templates;
}

/* Of the tile that begins at prompt `first`, n prompts. */
static orthsr_status encode_tile(orthsr__texts *texts, orthsr__encoder *encoder, size_t first, size_t n, orthsr_error *error) {
    texts->present = first;
    return orthsr__encode_text_tile(encoder, texts->features + first * texts->embed, texts->tokens + first * texts->model->config.context_length, n, error);
}

orthsr_status orthsr__texts_encode(orthsr__texts *texts, orthsr__encoder *encoder, const orthsr__shards *shards, orthsr_error *error) {
    size_t context = texts->model->config.context_length, first = shards->first, own = shards->own;
    ORTHSR__TRY(orthsr__text_step_begin(encoder, error));
    for (size_t shard = first; shard < first + own; shard++) {
        size_t end = orthsr__texts_begin(texts, shards, shard + 1);
        for (size_t i = orthsr__texts_begin(texts, shards, shard), n; i < end; i += n) {
            n = orthsr__text_tile(encoder, texts->tokens + i * context, end - i);
            ORTHSR__TRY(encode_tile(texts, encoder, i, n, error));
        }
    }
    return ORTHSR_OK;
}

/* A tile's activations are gone once the next was encoded: then it is encoded again before its backward pass. */
orthsr_status orthsr__texts_backward(orthsr__texts *texts, orthsr__encoder *encoder, const orthsr__shards *shards, size_t shard, real *grad_rotations,
                                     orthsr_error *error) {
    size_t context = texts->model->config.context_length, end = orthsr__texts_begin(texts, shards, shard + 1);
    for (size_t i = orthsr__texts_begin(texts, shards, shard), n; i < end; i += n) {
        n = orthsr__text_tile(encoder, texts->tokens + i * context, end - i);
        if (i != texts->present) ORTHSR__TRY(encode_tile(texts, encoder, i, n, error));
        orthsr__text_tile_backward(encoder, texts->grad_features + i * texts->embed, grad_rotations);
        if (texts->prompt) orthsr__text_tile_context_gradient(encoder, texts->tokens + i * context, texts->grad_context);
    }
    orthsr__text_step_end(encoder, grad_rotations);
    return ORTHSR_OK;
}

/* ---- the context's step ------------------------------------------------------------------------------------------------------------ */

orthsr_status orthsr__texts_propose(orthsr__texts *texts, double lr, orthsr_error *error) {
    if (!texts->prompt) return ORTHSR_OK;
    memcpy(texts->next_context, texts->prompt->context, texts->prompt->count * sizeof(real));
    return orthsr__optimizer_step(texts->optimizer, texts->next_context, texts->grad_context, texts->prompt->count, lr, error);
}

void orthsr__texts_commit(orthsr__texts *texts) {
    if (texts->prompt) memcpy(texts->prompt->context, texts->next_context, texts->prompt->count * sizeof(real));
}

void orthsr__texts_undo(orthsr__texts *texts) {
    if (texts->prompt) orthsr__optimizer_undo(texts->optimizer);
}
