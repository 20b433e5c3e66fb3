/* context.c - the learned context: how it begins, and how class names are put into it.
 *
 * CoOp encodes "X X X X name." and replaces the embeddings of the X. A tokenizer sees words apart, so encoding "name." alone gives the same ids.
 */
#include "clip/context.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "base/random.h"
#include "clip/prompt.h"

static const char default_init[] = "a photo of a";
static const double deviation = 0.02; /* CoOp's, and that of CLIP's own token embeddings when their training began */

/* ---- options ------------------------------------------------------------------------------------------------------------------ */

orthsr_status orthsr_prompt_options_new(orthsr_prompt_options **out, orthsr_error *error) {
    ORTHSR__REQUIRE(out != NULL, error, "out is NULL");
    *out = orthsr__calloc(1, sizeof **out);
    if (!*out) return orthsr__fail_memory(error, "prompt options");
    (*out)->seed = 1;
    orthsr_status status = orthsr_prompt_options_set_init(*out, default_init, error);
    if (status) {
        free(*out);
        *out = NULL;
    }
    return status;
}

void orthsr_prompt_options_free(orthsr_prompt_options *options) {
    if (!options) return;
    free(options->init);
    orthsr__free_texts(options->names, options->classes);
    free(options);
}

orthsr_status orthsr_prompt_options_set_init(orthsr_prompt_options *options, const char *text, orthsr_error *error) {
    ORTHSR__REQUIRE(options && text, error, "an argument is NULL");
    char *copy = orthsr__spaced(orthsr__strdup(text));
    if (!copy) return orthsr__fail_memory(error, "a prompt's words");
    free(options->init);
    options->init = copy;
    options->words = 0;
    return ORTHSR_OK;
}

orthsr_status orthsr_prompt_options_set_words(orthsr_prompt_options *options, size_t n, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(n >= 1, error, "a context has at least one word");
    free(options->init);
    options->init = NULL;
    options->words = n;
    return ORTHSR_OK;
}

orthsr_status orthsr_prompt_options_set_seed(orthsr_prompt_options *options, uint64_t seed, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    options->seed = seed;
    return ORTHSR_OK;
}

orthsr_status orthsr_prompt_options_set_position(orthsr_prompt_options *options, orthsr_class_position position, orthsr_error *error) {
    ORTHSR__REQUIRE(options != NULL, error, "options is NULL");
    ORTHSR__REQUIRE(position == ORTHSR_CLASS_END || position == ORTHSR_CLASS_MIDDLE || position == ORTHSR_CLASS_FRONT, error, "unknown position");
    options->position = position;
    return ORTHSR_OK;
}

/* Names are what a class is found by, and go into the file as text. */
static orthsr_status check_names(const char *const *names, size_t n, orthsr_error *error) {
    for (size_t i = 0; i < n; i++) {
        if (!names[i] || !orthsr__is_utf8(names[i])) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "the name of class %zu is NULL or not UTF-8", i);
        for (size_t j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "class '%s' is there twice", names[i]);
    }
    return ORTHSR_OK;
}

orthsr_status orthsr_prompt_options_set_classes(orthsr_prompt_options *options, const char *const *names, size_t n, orthsr_error *error) {
    ORTHSR__REQUIRE(options && (names || n == 0), error, "an argument is NULL");
    ORTHSR__TRY(check_names(names, n, error));
    char **copies = n > 0 ? orthsr__copy_texts(names, n) : NULL;
    if (n > 0 && !copies) return orthsr__fail_memory(error, "class names");
    orthsr__free_texts(options->names, options->classes);
    options->names = copies;
    options->classes = n;
    return ORTHSR_OK;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------ */

orthsr_status orthsr__prompt_allocate(orthsr_prompt **out, size_t words, size_t width, const char *const *names, size_t classes, const char *fingerprint,
                                      orthsr_error *error) {
    orthsr_prompt *prompt = orthsr__calloc(1, sizeof *prompt);
    if (!prompt) return orthsr__fail_memory(error, "a prompt");
    prompt->words = words;
    prompt->width = width;
    bool ok = orthsr__mul(&prompt->count, words, width) && orthsr__mul(&prompt->count, prompt->count, classes > 0 ? classes : 1);
    if (ok && classes > 0) ok = (prompt->names = orthsr__copy_texts(names, classes)) != NULL;
    prompt->classes = ok ? classes : 0;
    if (ok) ok = (prompt->context = orthsr__calloc(prompt->count, sizeof *prompt->context)) != NULL;
    if (ok) ok = (prompt->fingerprint = orthsr__strdup(fingerprint)) != NULL;
    if (!ok) {
        orthsr_prompt_free(prompt);
        return orthsr__fail_memory(error, "a prompt's context");
    }
    *out = prompt;
    return ORTHSR_OK;
}

void orthsr_prompt_free(orthsr_prompt *prompt) {
    if (!prompt) return;
    orthsr__free_texts(prompt->names, prompt->classes);
    free(prompt->context);
    free(prompt->fingerprint);
    free(prompt);
}

/* Uniform in (0, 1]: 53 bits, as Python's random() takes them. */
static double uniform(orthsr__random *random) {
    double high = orthsr__random_bits(random, 27), low = orthsr__random_bits(random, 26);
    return (high * 67108864.0 + low + 1) / 9007199254740992.0;
}

/* Box and Muller's pairs. */
static void fill_normal(real *values, size_t n, uint64_t seed) {
    orthsr__random random;
    orthsr__random_seed(&random, seed);
    for (size_t i = 0; i < n; i += 2) {
        double radius = deviation * sqrt(-2 * log(uniform(&random))), angle = 2 * 3.14159265358979323846 * uniform(&random);
        values[i] = (real)(radius * cos(angle));
        if (i + 1 < n) values[i + 1] = (real)(radius * sin(angle));
    }
}

/* Ids of a text without start and end, by the tokenizer that the model has: *ids in fresh memory, *n of them; at most context_length - 2, which is more than a
 * prompt has room for. */
static orthsr_status encode(int32_t **ids, size_t *n, const orthsr_model *model, const char *text, orthsr_error *error) {
    size_t used, context = model->config.context_length;
    int32_t *row = orthsr__aligned(context, sizeof *row);
    if (!row) return orthsr__fail_memory(error, "tokens");
    orthsr_status status = orthsr_tokenizer_encode(model->tokenizer, text, strlen(text), 0, row, context, &used, error);
    if (status) {
        free(row);
        return status;
    }
    *n = used - 2;
    memmove(row, row + 1, *n * sizeof *row);
    *ids = row;
    return ORTHSR_OK;
}

static orthsr_status too_long(const orthsr_model *model, size_t words, orthsr_status status, orthsr_error *error) {
    return orthsr__fail(error, status, "%zu context words leave no room for a class name: the model's texts have %zu tokens, so at most %zu can be context",
                        words, model->config.context_length,
                        model->config.context_length > ORTHSR__PROMPT_OVERHEAD ? model->config.context_length - ORTHSR__PROMPT_OVERHEAD : 0);
}

static bool has_room(const orthsr_model *model, size_t words) {
    return model->config.context_length > ORTHSR__PROMPT_OVERHEAD && words <= model->config.context_length - ORTHSR__PROMPT_OVERHEAD;
}

orthsr_status orthsr__prompt_fits(const orthsr_prompt *prompt, const orthsr_model *model, orthsr_error *error) {
    if (prompt->width != model->config.text.width)
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "the prompt's context has width %zu, the model's text tower %zu: it was trained on another model",
                            prompt->width, model->config.text.width);
    return has_room(model, prompt->words) ? ORTHSR_OK : too_long(model, prompt->words, ORTHSR_ERROR_MISMATCH, error);
}

static orthsr_status make(orthsr_prompt **out, const orthsr_model *model, const orthsr_prompt_options *options, orthsr_error *error) {
    size_t words = options->words, width = model->config.text.width;
    int32_t *ids = NULL;
    if (options->init) ORTHSR__TRY(encode(&ids, &words, model, options->init, error));
    orthsr_prompt *prompt = NULL;
    orthsr_status status = ORTHSR_OK;
    if (words == 0) status = orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "the context's text '%s' has no word in it", options->init);
    else if (!has_room(model, words)) status = too_long(model, words, ORTHSR_ERROR_ARGUMENT, error);
    if (!status)
        status = orthsr__prompt_allocate(&prompt, words, width, (const char *const *)options->names, options->classes, orthsr_model_fingerprint(model), error);
    if (!status) {
        prompt->position = options->position;
        if (!ids) fill_normal(prompt->context, prompt->count, options->seed);
        for (size_t i = 0; ids && i < prompt->count / width; i++)
            memcpy(prompt->context + i * width, model->token_embedding + (size_t)ids[i % words] * width, width * sizeof(real));
        *out = prompt;
    }
    free(ids);
    return status;
}

orthsr_status orthsr_prompt_new(orthsr_prompt **out, const orthsr_model *model, const orthsr_prompt_options *options, orthsr_error *error) {
    ORTHSR__REQUIRE(out != NULL, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(model != NULL, error, "model is NULL");
    ORTHSR__TRY(orthsr__need_tokenizer(model, error));
    if (options) return make(out, model, options, error);
    orthsr_prompt_options *defaults;
    ORTHSR__TRY(orthsr_prompt_options_new(&defaults, error));
    orthsr_status status = make(out, model, defaults, error);
    orthsr_prompt_options_free(defaults);
    return status;
}

/* ---- what it holds ---------------------------------------------------------------------------------------------------------------- */

size_t orthsr_prompt_words(const orthsr_prompt *prompt) { return prompt ? prompt->words : 0; }
size_t orthsr_prompt_width(const orthsr_prompt *prompt) { return prompt ? prompt->width : 0; }
orthsr_class_position orthsr_prompt_position(const orthsr_prompt *prompt) { return prompt ? prompt->position : ORTHSR_CLASS_END; }
size_t orthsr_prompt_classes(const orthsr_prompt *prompt) { return prompt ? prompt->classes : 0; }
const char *orthsr_prompt_class_name(const orthsr_prompt *prompt, size_t i) { return prompt && i < prompt->classes ? prompt->names[i] : NULL; }
const char *orthsr_prompt_fingerprint(const orthsr_prompt *prompt) { return prompt ? prompt->fingerprint : ""; }
size_t orthsr_prompt_parameter_count(const orthsr_prompt *prompt) { return prompt ? prompt->count : 0; }

orthsr_status orthsr_prompt_get_parameters(const orthsr_prompt *prompt, float *parameters, size_t count, orthsr_error *error) {
    ORTHSR__REQUIRE(prompt && parameters, error, "an argument is NULL");
    if (count != prompt->count) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "the prompt has %zu parameters, not %zu", prompt->count, count);
    orthsr__real_to_float(parameters, prompt->context, count);
    return ORTHSR_OK;
}

orthsr_status orthsr_prompt_set_parameters(orthsr_prompt *prompt, const float *parameters, size_t count, orthsr_error *error) {
    ORTHSR__REQUIRE(prompt && parameters, error, "an argument is NULL");
    if (count != prompt->count) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "the prompt has %zu parameters, not %zu", prompt->count, count);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(parameters[i])) return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "parameter %zu of the prompt is not finite", i);
    orthsr__real_from_float(prompt->context, parameters, count);
    return ORTHSR_OK;
}

/* ---- class names in it ---------------------------------------------------------------------------------------------------------------- */

/* The index of the first vector that a class's prompts use. */
static orthsr_status first_vector(size_t *first, const orthsr_prompt *prompt, const char *name, orthsr_error *error) {
    *first = 0;
    if (prompt->classes == 0) return ORTHSR_OK;
    for (size_t c = 0; c < prompt->classes; c++) {
        *first = c * prompt->words;
        if (strcmp(prompt->names[c], name) == 0) return ORTHSR_OK;
    }
    return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT,
                        "the prompt has no context for class '%s': it is class-specific, trained for %zu classes ('%s', ...) only", name, prompt->classes,
                        prompt->names[0]);
}

/* One row (context_length): start, words and name by position, what follows the name, end, padding. name: its tokens (n) and those of "name." (dotted). */
static void lay_out(int32_t *row, const orthsr_prompt *prompt, const orthsr_model *model, size_t first, const int32_t *name, size_t n, size_t dotted) {
    size_t before = prompt->position == ORTHSR_CLASS_END ? prompt->words : prompt->position == ORTHSR_CLASS_MIDDLE ? prompt->words / 2 : 0, at = 0;
    row[at++] = orthsr_tokenizer_start_id(model->tokenizer);
    for (size_t k = 0; k < before; k++) row[at++] = -1 - (int32_t)(first + k);
    for (size_t k = 0; k < n; k++) row[at++] = name[k];
    for (size_t k = before; k < prompt->words; k++) row[at++] = -1 - (int32_t)(first + k);
    for (size_t k = n; k < dotted; k++) row[at++] = name[k];
    row[at++] = orthsr_tokenizer_end_id(model->tokenizer);
    while (at < model->config.context_length) row[at++] = orthsr_tokenizer_pad_id(model->tokenizer);
}

/* The ids of a name as templates have it, with spaces for underscores, and ending in what is given. */
static orthsr_status encode_name(int32_t **ids, size_t *n, const orthsr_model *model, const char *name, const char *ending, orthsr_error *error) {
    char *text = orthsr__spaced(orthsr__format("%s%s", name, ending));
    orthsr_status status = text ? encode(ids, n, model, text, error) : orthsr__fail_memory(error, "a class name");
    free(text);
    return status;
}

static orthsr_status fill_row(int32_t *row, const orthsr_prompt *prompt, const orthsr_model *model, const char *name, orthsr_error *error) {
    int32_t *ids;
    size_t bare, dotted, first, context = model->config.context_length;
    ORTHSR__TRY(first_vector(&first, prompt, name, error));
    ORTHSR__TRY(encode_name(&ids, &bare, model, name, "", error));
    free(ids);
    ORTHSR__TRY(encode_name(&ids, &dotted, model, name, ".", error));
    orthsr_status status = ORTHSR_OK;
    if (dotted + prompt->words + 2 <= context) lay_out(row, prompt, model, first, ids, bare < dotted ? bare : dotted, dotted);
    else /* a name that was cut is here, too: it fills the context by itself */
        status =
            orthsr__fail(error, ORTHSR_ERROR_ARGUMENT,
                         "the prompt of class '%s' does not fit: %zu context words, %zu%s tokens of the name, start and end, where the model's texts have %zu",
                         name, prompt->words, dotted, dotted + 2 == context ? " or more" : "", context);
    free(ids);
    return status;
}

orthsr_status orthsr__prompt_tokens(int32_t **tokens, const orthsr_prompt *prompt, const orthsr_model *model, const char *const *names, size_t n,
                                    orthsr_error *error) {
    *tokens = NULL;
    ORTHSR__TRY(orthsr__need_tokenizer(model, error));
    size_t context = model->config.context_length, count;
    int32_t *rows = orthsr__mul(&count, n, context) ? orthsr__aligned(count, sizeof *rows) : NULL;
    if (!rows) return orthsr__fail_memory(error, "tokens");
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < n && !status; i++)
        status =
            names[i] ? fill_row(rows + i * context, prompt, model, names[i], error) : orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "class name %zu is NULL", i);
    if (status) free(rows);
    else *tokens = rows;
    return status;
}
