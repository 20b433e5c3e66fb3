/* inputs.c - opening what the options name. */
#include "inputs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"
#include "report.h"
#include "terminal.h"
#include "whole.h"

static const char *const default_template[] = {"a photo of a {}."};

static void compare_fingerprints(const char *what, const char *path, const char *trained_on, const orthsr_model *model) {
    if (model && *trained_on && strcmp(trained_on, orthsr_model_fingerprint(model)) != 0)
        terminal_say("note: the %s '%s' was trained on other weights (%s) than this model's (%s)", what, path, trained_on, orthsr_model_fingerprint(model));
}

static int is_there(const char *directory, const char *name) {
    char *path = join_path(directory, name);
    int there = path && access(path, F_OK) == 0;
    free(path);
    return there;
}

/* A directory without any of an adapter's files is mostly the one around it. */
static orthsr_status check_place(const char *path, orthsr_error *error) {
    static const char *const files[] = {"adapter.safetensors", "prompt.safetensors", "adapter_config.json"}, *const inner[] = {"adapter/adapter.safetensors",
                                                                                                                               "adapter/prompt.safetensors"};
    struct stat info;
    if (stat(path, &info) != 0) return failed(error, ORTHSR_ERROR_IO, "cannot open '%s': %s; name DIR/adapter of a run", path, strerror(errno));
    if (!S_ISDIR(info.st_mode)) return ORTHSR_OK;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (is_there(path, files[i])) return ORTHSR_OK;
    for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++)
        if (is_there(path, inner[i])) return failed(error, ORTHSR_ERROR_IO, "'%s' holds no adapter, but a run; give --adapter %s/adapter", path, path);
    return failed(error, ORTHSR_ERROR_IO, "'%s' holds no adapter.safetensors; name DIR/adapter of a run that ended, or a directory that PEFT wrote", path);
}

orthsr_status open_adapter(orthsr_adapter **out, const char *path, const orthsr_model *model, orthsr_error *error) {
    *out = NULL;
    orthsr_status status = check_place(path, error);
    if (status == ORTHSR_OK) status = orthsr_model_adapter_load(model, out, path, error);
    if (status != ORTHSR_OK) return status;
    compare_fingerprints("adapter", path, orthsr_adapter_fingerprint(*out), model);
    if (has_prompt(path))
        terminal_say("note: the learned prompt in '%s' is no part of the result; use it there by --adapter %s/prompt.safetensors", path, path);
    return ORTHSR_OK;
}

int has_prompt(const char *path) {
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, "prompt.safetensors") == 0 || is_there(path, "prompt.safetensors");
}

orthsr_status load_tuned(tuned *out, const char *path, const orthsr_model *model, orthsr_error *error) {
    *out = (tuned){NULL, NULL};
    orthsr_status status = check_place(path, error);
    if (status != ORTHSR_OK) return status;
    int prompt = has_prompt(path), adapter = !prompt || is_there(path, "adapter.safetensors") || is_there(path, "adapter_config.json");
    status = adapter ? orthsr_model_adapter_load(model, &out->adapter, path, error) : ORTHSR_OK;
    return status == ORTHSR_OK && prompt ? orthsr_prompt_load(&out->prompt, model, path, error) : status;
}

orthsr_status open_tuned(tuned *out, const char *path, const orthsr_model *model, orthsr_error *error) {
    orthsr_status status = load_tuned(out, path, model, error);
    if (status != ORTHSR_OK) return status;
    if (out->adapter) compare_fingerprints("adapter", path, orthsr_adapter_fingerprint(out->adapter), model);
    else compare_fingerprints("prompt", path, orthsr_prompt_fingerprint(out->prompt), model);
    return ORTHSR_OK;
}

void free_tuned(tuned *t) {
    orthsr_adapter_free(t->adapter);
    orthsr_prompt_free(t->prompt);
}

orthsr_status open_stack(tuned **out, const orthsr_model *model, const settings *s, orthsr_error *error) {
    const list *paths = &s->adapters;
    tuned *stack = *out = calloc(paths->count + 1, sizeof *stack);
    if (!stack) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu adapters", paths->count);
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < paths->count && status == ORTHSR_OK; i++) status = (i == 0 ? open_tuned : load_tuned)(&stack[i], paths->items[i], model, error);
    return status;
}

void free_stack(tuned *stack, size_t n) {
    for (size_t i = 0; stack && i < n; i++) free_tuned(&stack[i]);
    free(stack);
}

orthsr_status open_session(orthsr_session **out, const orthsr_model *model, const tuned *stack, size_t n, const settings *s, orthsr_error *error) {
    const orthsr_adapter **adapters = calloc(n + 1, sizeof *adapters);
    const orthsr_prompt *prompt = NULL;
    size_t n_adapters = 0;
    *out = NULL;
    if (!adapters) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu adapters", n);
    for (size_t i = 0; i < n; i++) {
        if (stack[i].adapter) adapters[n_adapters++] = stack[i].adapter;
        if (stack[i].prompt) prompt = stack[i].prompt;
    }
    orthsr_status status = orthsr_session_new(out, model, NULL, error);
    if (status == ORTHSR_OK) status = orthsr_session_set_adapters(*out, adapters, n_adapters, error);
    if (status == ORTHSR_OK) status = orthsr_session_set_threads(*out, (size_t)s->threads.value, error);
    if (status == ORTHSR_OK && s->templates.count == 0) status = orthsr_session_set_prompt(*out, prompt, error);
    free(adapters);
    return status;
}

const char *parametrization_name(const orthsr_adapter *adapter) {
    static const char *const names[] = {"cayley", "free", "expm", "householder", "butterfly", "manifold"};
    return names[orthsr_adapter_parametrization(adapter)];
}

orthsr_status open_model(orthsr_model **out, const char *path, const settings *s, orthsr_error *error) {
    static const orthsr_interpolation interpolations[] = {ORTHSR_INTERPOLATION_BICUBIC, ORTHSR_INTERPOLATION_BICUBIC_ANTIALIAS};
    orthsr_model_options *options;
    *out = NULL;
    orthsr_status status = orthsr_model_options_new(&options, error);
    if (status != ORTHSR_OK) return status;
    if (s->image_size.given && s->image_size.value == 0) status = failed(error, ORTHSR_ERROR_ARGUMENT, "--image-size is at least one patch");
    if (status == ORTHSR_OK && s->image_size.given) status = orthsr_model_options_set_image_size(options, (size_t)s->image_size.value, error);
    if (status == ORTHSR_OK) status = orthsr_model_options_set_map(options, !s->no_map, error);
    if (status == ORTHSR_OK && s->interpolation >= 0) status = orthsr_model_options_set_interpolation(options, interpolations[s->interpolation], error);
    if (access(path, F_OK) != 0)
        status = failed(error, ORTHSR_ERROR_IO, "cannot open '%s': %s; a model is a directory with a checkpoint, or a .safetensors file, and is not downloaded",
                        path, strerror(errno));
    progress opening;
    progress_wait(&opening, "opening the model");
    if (status == ORTHSR_OK) status = orthsr_model_open_with(out, path, options, error);
    progress_end(&opening, NULL);
    orthsr_model_options_free(options);
    return status;
}

orthsr_status inputs_open(inputs *in, const settings *s, orthsr_error *error) {
    *in = (inputs){.n_adapters = s->adapters.count};
    orthsr_status status = open_model(&in->model, s->model, s, error);
    if (status == ORTHSR_OK) status = open_stack(&in->stack, in->model, s, error);
    if (status == ORTHSR_OK) status = open_session(&in->session, in->model, in->stack, in->n_adapters, s, error);
    return status;
}

void inputs_close(inputs *in) {
    orthsr_session_free(in->session);
    free_stack(in->stack, in->n_adapters);
    orthsr_model_free(in->model);
}

orthsr_status open_dataset(orthsr_dataset **out, const char *directory, const char *split, const settings *s, orthsr_error *error) {
    orthsr_status status = orthsr_dataset_open(out, directory, split, error);
    return status == ORTHSR_OK ? orthsr_dataset_set_max_pixels(*out, (size_t)s->max_pixels.value, error) : status;
}

orthsr_status open_test_images(orthsr_dataset **out, const char *directory, const settings *s, orthsr_error *error) {
    if (orthsr_dataset_has_split(directory, "test")) return open_dataset(out, directory, "test", s, error);
    if (orthsr_dataset_has_split(directory, "train"))
        return failed(error, ORTHSR_ERROR_IO, "'%s' has a train part and no test part; name the folder that holds the class folders to be tested", directory);
    return open_dataset(out, directory, NULL, s, error);
}

const char *const *templates_of(const settings *s, size_t *count) {
    *count = s->templates.count > 0 ? s->templates.count : 1;
    return s->templates.count > 0 ? s->templates.items : default_template;
}

/* ---- texts ---- */

static void split_lines(texts *t, size_t length) {
    for (size_t start = 0; start < length;) {
        const char *newline = memchr(t->bytes + start, '\n', length - start);
        size_t end = newline ? (size_t)(newline - t->bytes) : length;
        size_t n = end - start;
        if (newline && n > 0 && t->bytes[end - 1] == '\r') n--;
        t->starts[t->count] = start;
        t->lengths[t->count++] = n;
        start = end + 1;
    }
}

orthsr_status texts_read(texts *t, const char *path, orthsr_error *error) {
    *t = (texts){NULL, NULL, NULL, 0};
    size_t length = 0, lines = 1;
    orthsr_status status = whole_read(&t->bytes, &length, NULL, path, error);
    if (status != ORTHSR_OK) return status;
    for (size_t i = 0; i < length; i++) lines += t->bytes[i] == '\n';
    t->starts = malloc(lines * sizeof *t->starts);
    t->lengths = malloc(lines * sizeof *t->lengths);
    if (!t->starts || !t->lengths) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for the lines of '%s'", path);
    split_lines(t, length);
    return ORTHSR_OK;
}

void texts_free(texts *t) {
    free(t->bytes);
    free(t->starts);
    free(t->lengths);
}

orthsr_status texts_tokens(int32_t **out, const texts *t, const orthsr_model *model, orthsr_error *error) {
    const orthsr_tokenizer *tokenizer = orthsr_model_tokenizer(model);
    size_t context = orthsr_model_context_length(model);
    *out = NULL;
    if (!tokenizer)
        return failed(error, ORTHSR_ERROR_UNSUPPORTED,
                      "the model has no vocabulary beside its weights; put tokenizer.json, or vocab.json and merges.txt, there");
    int32_t pad = orthsr_tokenizer_pad_id(tokenizer);
    int32_t *tokens = calloc(t->count ? t->count * context : 1, sizeof *tokens);
    if (!tokens) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for the tokens of %zu texts", t->count);
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < t->count && status == ORTHSR_OK; i++)
        status = orthsr_tokenizer_encode(tokenizer, t->bytes + t->starts[i], t->lengths[i], pad, tokens + i * context, context, NULL, error);
    if (status == ORTHSR_OK) *out = tokens;
    else free(tokens);
    return status;
}
