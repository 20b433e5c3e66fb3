/* prompt.c - "a photo of a {}." and "sea_lion" to token ids. */
#include "clip/prompt.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"

orthsr_status orthsr__need_tokenizer(const orthsr_model *model, orthsr_error *error) {
    if (model->tokenizer) return ORTHSR_OK;
    return orthsr__fail(
        error, ORTHSR_ERROR_UNSUPPORTED,
        "no vocabulary in '%s' (tokenizer.json, vocab.json with merges.txt, or bpe_simple_vocab_16e6.txt.gz): put the model's own there, or give token ids instead of text",
        model->directory);
}

static orthsr_status tokenize_one(int32_t *ids, const orthsr_model *model, const char *text, orthsr_error *error) {
    const orthsr_tokenizer *tokenizer = model->tokenizer;
    return orthsr_tokenizer_encode(tokenizer, text, strlen(text), orthsr_tokenizer_pad_id(tokenizer), ids, model->config.context_length, NULL, error);
}

/* Room for n rows of tokens. */
static orthsr_status allocate(int32_t **tokens, const orthsr_model *model, size_t n, orthsr_error *error) {
    *tokens = NULL;
    ORTHSR__TRY(orthsr__need_tokenizer(model, error));
    size_t count;
    *tokens = orthsr__mul(&count, n, model->config.context_length) ? orthsr__aligned(count, sizeof **tokens) : NULL;
    return *tokens ? ORTHSR_OK : orthsr__fail_memory(error, "tokens");
}

orthsr_status orthsr__tokenize(int32_t **tokens, const orthsr_model *model, const char *const *texts, size_t n, orthsr_error *error) {
    ORTHSR__TRY(allocate(tokens, model, n, error));
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < n && !status; i++)
        status = texts[i] ? tokenize_one(*tokens + i * model->config.context_length, model, texts[i], error)
                          : orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "text %zu is NULL", i);
    if (status) {
        free(*tokens);
        *tokens = NULL;
    }
    return status;
}

orthsr_status orthsr__check_templates(const char *const *templates, size_t n, orthsr_error *error) {
    for (size_t i = 0; i < n; i++) {
        const char *slot = templates[i] ? strstr(templates[i], "{}") : NULL;
        if (!slot || strstr(slot + 2, "{}"))
            return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "template %zu ('%s') must hold exactly one {} for the class name", i,
                                templates[i] ? templates[i] : "NULL");
    }
    return ORTHSR_OK;
}

/* The prompt in fresh memory; NULL when memory is short. */
static char *fill(const char *template, const char *name) {
    const char *slot = strstr(template, "{}");
    size_t before = (size_t)(slot - template);
    char *spoken = orthsr__spaced(orthsr__strdup(name)), *text = spoken ? orthsr__format("%.*s%s%s", (int)before, template, spoken, slot + 2) : NULL;
    free(spoken);
    return text;
}

orthsr_status orthsr__tokenize_classes(int32_t **tokens, const orthsr_model *model, const char *const *names, size_t n_classes, const char *const *templates,
                                       size_t n_templates, orthsr_error *error) {
    *tokens = NULL;
    ORTHSR__TRY(orthsr__check_templates(templates, n_templates, error));
    for (size_t c = 0; c < n_classes; c++)
        if (!names[c]) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "class name %zu is NULL", c);
    ORTHSR__TRY(allocate(tokens, model, n_classes * n_templates, error));
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < n_classes * n_templates && !status; i++) {
        char *text = fill(templates[i % n_templates], names[i / n_templates]);
        status = text ? tokenize_one(*tokens + i * model->config.context_length, model, text, error) : orthsr__fail_memory(error, "a prompt");
        free(text);
    }
    if (status) {
        free(*tokens);
        *tokens = NULL;
    }
    return status;
}
