/* checkpoint.c - a run's state in one file, and back (docs/formats.md, "Checkpoint").
 *
 * The state is what steps have made: parameters, moments, the number of steps. No generator runs along: what is drawn in a step follows from the seed and the
 * step. What else a step reads, frozen features, kept maps, merged weights, order of items, is computed from these and from what does not change, to the same
 * bits.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "io/sections.h"
#include "train/trainer.h"

/* Sections. RUN: orthsr__run. STATE: below. The others are arrays of float32, MATRIX_MOMENTS of float64; what a run does not have is empty. TEXT is the
 * caller's. */
#define RUN "run"
#define STATE "state"
#define PARAMETERS "parameters"
#define MOMENTS "moments"
#define MATRIX_MOMENTS "matrix_moments"
#define CONTEXT "context"
#define CONTEXT_MOMENTS "context_moments"
#define TEXT "text"

/* Of RUN and TEXT: what a reader makes room for. */
static const size_t MOST_TEXT = (size_t)1 << 28;

/* All of 8 bytes, as the machine has them. */
typedef struct state {
    uint64_t step;
    double metric[ORTHSR__METRICS]; /* of the last step; zeros before it */
} state;

static orthsr_status describe(orthsr_trainer *trainer, orthsr_error *error) {
    return trainer->run.size > 0 ? ORTHSR_OK : orthsr__run_describe(&trainer->run, trainer, error);
}

static size_t moments_of(const orthsr_optimizer *optimizer) { return optimizer ? optimizer->slots * optimizer->size * sizeof(real) : 0; }
static size_t matrix_moments_of(const orthsr_optimizer *optimizer) { return optimizer ? optimizer->block_count * sizeof(double) : 0; }

/* Bytes of a file of this run at most: what cannot be packed grows by less than a part in 256. */
static size_t most_bytes(const orthsr_trainer *trainer) {
    const orthsr_optimizer *own = trainer->descent.optimizer, *context = trainer->texts.optimizer;
    size_t kept = trainer->adapter->parameter_count * sizeof(real) + moments_of(own) + matrix_moments_of(own) + moments_of(context) +
                  (trainer->texts.prompt ? trainer->texts.prompt->count * sizeof(real) : 0) + 2 * MOST_TEXT;
    return kept + kept / 256 + 4096;
}

/* ---- saving ------------------------------------------------------------------------------------------------------------------------------ */

orthsr_status orthsr_trainer_save(orthsr_trainer *trainer, const char *path, const char *text, orthsr_error *error) {
    ORTHSR__REQUIRE(trainer && path, error, "trainer or path is NULL");
    ORTHSR__TRY(describe(trainer, error));
    size_t length = text ? strlen(text) : 0;
    if (length > MOST_TEXT || trainer->run.size > MOST_TEXT)
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%s: %s takes more than %zu bytes", __func__,
                            length > MOST_TEXT ? "the text" : "what describes the run, its items above all,", MOST_TEXT);
    state now = {.step = trainer->step};
    for (size_t i = 0; i < ORTHSR__METRICS && trainer->step > 0; i++) now.metric[i] = trainer->metric[i];
    const orthsr_adapter *adapter = trainer->adapter;
    const orthsr_prompt *prompt = trainer->texts.prompt;
    const orthsr_optimizer *own = trainer->descent.optimizer, *context = trainer->texts.optimizer;
    const orthsr__section sections[] = {
        {RUN, trainer->run.text, trainer->run.size},
        {STATE, &now, sizeof now},
        {PARAMETERS, adapter->factors.parameters, adapter->parameter_count * sizeof(real)},
        {MOMENTS, own ? own->state : NULL, moments_of(own)},
        {MATRIX_MOMENTS, own ? own->second : NULL, matrix_moments_of(own)},
        {CONTEXT, prompt ? prompt->context : NULL, prompt ? prompt->count * sizeof(real) : 0},
        {CONTEXT_MOMENTS, context ? context->state : NULL, moments_of(context)},
        {TEXT, text, length},
    };
    char *previous = orthsr__format("%s.previous", path);
    if (!previous) return orthsr__fail_memory(error, "a file name");
    orthsr_status status = orthsr__sections_write(path, previous, sections, sizeof sections / sizeof *sections, error);
    free(previous);
    return status;
}

/* ---- loading: into the room where a step being made goes, and into force when all of it is found good ---------------------------------------- */

static orthsr_status compare(const orthsr_trainer *trainer, const orthsr__sections *file, orthsr_error *error) {
    size_t size;
    ORTHSR__TRY(orthsr__sections_size(&size, file, RUN, MOST_TEXT, error));
    char *text = orthsr__aligned(size, 1);
    if (!text) return orthsr__fail_memory(error, "a checkpoint");
    orthsr_status status = orthsr__sections_read(text, size, file, RUN, error);
    if (!status) status = orthsr__run_compare(&trainer->run, text, size, file->path, error);
    free(text);
    return status;
}

static orthsr_status read_state(state *then, const orthsr_trainer *trainer, const orthsr__sections *file, orthsr_error *error) {
    ORTHSR__TRY(orthsr__sections_read(then, sizeof *then, file, STATE, error));
    size_t total = orthsr_trainer_step_total(trainer);
    if (then->step > total)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': step %llu of a run of %zu", file->path, (unsigned long long)then->step, total);
    for (size_t i = 0; i < ORTHSR__METRICS; i++)
        if (!isfinite(then->metric[i])) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': a metric is not finite", file->path);
    return ORTHSR_OK;
}

static orthsr_status read_reals(real *out, size_t bytes, const orthsr__sections *file, const char *section, orthsr_error *error) {
    ORTHSR__TRY(orthsr__sections_read(out, bytes, file, section, error));
    if (orthsr__all_finite(out, bytes / sizeof *out)) return ORTHSR_OK;
    return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': section '%s' has a value that is not finite", file->path, section);
}

static orthsr_status negative(const orthsr__sections *file, const char *section, orthsr_error *error) {
    return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': section '%s' has a second moment below 0", file->path, section);
}

/* A second moment is a mean of squares. */
static orthsr_status read_moments(orthsr_optimizer *optimizer, const orthsr__sections *file, const char *section, orthsr_error *error) {
    ORTHSR__TRY(read_reals(optimizer ? optimizer->next : NULL, moments_of(optimizer), file, section, error));
    for (size_t i = 0; optimizer && optimizer->rule == ORTHSR__RULE_ADAMW && i < optimizer->size; i++)
        if (optimizer->next[optimizer->size + i] < 0) return negative(file, section, error);
    return ORTHSR_OK;
}

static orthsr_status read_matrix_moments(orthsr_optimizer *optimizer, const orthsr__sections *file, orthsr_error *error) {
    ORTHSR__TRY(orthsr__sections_read(optimizer ? optimizer->next_second : NULL, matrix_moments_of(optimizer), file, MATRIX_MOMENTS, error));
    for (size_t i = 0; optimizer && i < optimizer->block_count; i++)
        if (!(optimizer->next_second[i] >= 0 && isfinite(optimizer->next_second[i]))) return negative(file, MATRIX_MOMENTS, error);
    return ORTHSR_OK;
}

static orthsr_status read_text(char **text, const orthsr__sections *file, orthsr_error *error) {
    size_t size;
    ORTHSR__TRY(orthsr__sections_size(&size, file, TEXT, MOST_TEXT, error));
    *text = orthsr__calloc(size + 1, 1);
    return *text ? orthsr__sections_read(*text, size, file, TEXT, error) : orthsr__fail_memory(error, "a checkpoint's text");
}

/* Every A of the parameters that were read, these as they are: what was within COFT's bound may be beyond it by rounding, and would be moved by a bit. */
static orthsr_status build(orthsr_trainer *trainer, const orthsr__sections *file, orthsr_error *error) {
    orthsr__descent *descent = &trainer->descent;
    orthsr_error why;
    orthsr_status status = orthsr__build_blocks(trainer->pool, trainer->adapter, 0, trainer->adapter->target_count, &descent->next, descent->work, &why);
    return status ? orthsr__fail(error, status == ORTHSR_ERROR_MEMORY ? status : ORTHSR_ERROR_FORMAT, "'%s': %s", file->path, why.message) : ORTHSR_OK;
}

static orthsr_status read(orthsr_trainer *trainer, const orthsr__sections *file, state *then, char **text, orthsr_error *error) {
    orthsr__descent *descent = &trainer->descent;
    orthsr__texts *texts = &trainer->texts;
    ORTHSR__TRY(compare(trainer, file, error));
    ORTHSR__TRY(read_state(then, trainer, file, error));
    ORTHSR__TRY(read_reals(descent->next.parameters, trainer->adapter->parameter_count * sizeof(real), file, PARAMETERS, error));
    ORTHSR__TRY(read_moments(descent->optimizer, file, MOMENTS, error));
    ORTHSR__TRY(read_matrix_moments(descent->optimizer, file, error));
    ORTHSR__TRY(read_reals(texts->next_context, texts->prompt ? texts->prompt->count * sizeof(real) : 0, file, CONTEXT, error));
    ORTHSR__TRY(read_moments(texts->optimizer, file, CONTEXT_MOMENTS, error));
    ORTHSR__TRY(read_text(text, file, error));
    return build(trainer, file, error);
}

static orthsr_status open_and_read(orthsr_trainer *trainer, const char *path, state *then, char **text, orthsr_error *error) {
    orthsr__sections file;
    ORTHSR__TRY(describe(trainer, error));
    ORTHSR__TRY(orthsr__sections_open(&file, path, most_bytes(trainer), error));
    orthsr_status status = read(trainer, &file, then, text, error);
    orthsr__sections_close(&file);
    return status;
}

static void adopt(orthsr_trainer *trainer, const state *then) {
    orthsr__descent *descent = &trainer->descent;
    orthsr__texts *texts = &trainer->texts;
    orthsr__adapter_exchange(trainer->adapter, &descent->next);
    if (descent->optimizer) orthsr__optimizer_adopt(descent->optimizer, (size_t)then->step);
    if (texts->optimizer) orthsr__optimizer_adopt(texts->optimizer, (size_t)then->step);
    orthsr__texts_commit(texts);
    trainer->step = (size_t)then->step;
    trainer->epoch = trainer->step > 0 ? (trainer->step - 1) / trainer->steps_per_epoch : 0;
    for (size_t i = 0; i < ORTHSR__METRICS; i++) trainer->metric[i] = trainer->step > 0 ? then->metric[i] : NAN;
}

orthsr_status orthsr_trainer_load(orthsr_trainer *trainer, const char *path, char **text, orthsr_error *error) {
    if (text) *text = NULL;
    ORTHSR__REQUIRE(trainer && path, error, "trainer or path is NULL");
    state then;
    char *kept = NULL;
    orthsr_error why;
    orthsr_status status = open_and_read(trainer, path, &then, &kept, &why);
    status = orthsr__agree(trainer->options->collective, status, &why);
    if (!status)
        status = orthsr__run_same_state(trainer, (size_t)then.step, trainer->descent.next.parameters,
                                        trainer->texts.prompt ? trainer->texts.next_context : NULL, &why);
    if (!status) adopt(trainer, &then);
    if (status || !text) free(kept);
    else *text = kept;
    return status ? orthsr__fail(error, status, "%s", why.message) : ORTHSR_OK;
}
