/* peft_read.c - the tensors of a PEFT adapter as an adapter of ours. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/linalg.h"
#include "base/memory.h"
#include "clip/peft.h"

typedef struct source {
    const orthsr__modules *modules;
    const orthsr__safetensors *file;
    orthsr__peft_config config;
    orthsr__peft_kind rotation;                          /* ORTHSR__PEFT_VECTOR or ORTHSR__PEFT_SQUARE: one of them in all the file */
    const orthsr__tensor *(*tensor)[ORTHSR__PEFT_KINDS]; /* (modules->count): what each module has, or NULL */
} source;

/* How PEFT divides one map. */
typedef struct division {
    size_t blocks, b;
    size_t rows; /* blocks that are stored: all, or one to share */
} division;

/* ---- which tensor is what ------------------------------------------------------------------------------------------------ */

static orthsr_status place_tensor(source *from, const orthsr__tensor *tensor, orthsr_error *error) {
    const char *path = from->file->path, *name;
    size_t length;
    orthsr__peft_kind k = orthsr__peft_tensor_name(&name, &length, tensor->name);
    if (k == ORTHSR__PEFT_KINDS)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s': tensor '%.256s' is no OFT parameter of a linear map; " ORTHSR__PEFT_REMEDY, path,
                            tensor->name);
    const orthsr__module *module = orthsr__modules_find(from->modules, name, length);
    if (!module)
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "'%s': tensor '%.256s' is on module '%.*s', which this %s model has not as a map of its layers", path,
                            tensor->name, (int)(length < 256 ? length : 256), name, from->modules->kind_of_model);
    const orthsr__tensor **place = &from->tensor[module - from->modules->items][k];
    if (*place)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': tensors '%.256s' and '%.256s' are for the same module; one adapter can be read", path,
                            (*place)->name, tensor->name);
    *place = tensor;
    return ORTHSR_OK;
}

/* Fills from->tensor and from->rotation: at least one map has a rotation, all of one kind, and SQUAREs have their SCALE. */
static orthsr_status place_tensors(source *from, orthsr_error *error) {
    const char *path = from->file->path;
    for (size_t i = 0; i < from->file->count; i++) ORTHSR__TRY(place_tensor(from, &from->file->tensors[i], error));
    size_t count[ORTHSR__PEFT_KINDS] = {0};
    for (size_t map = 0; map < from->modules->count; map++) {
        const orthsr__tensor **tensor = from->tensor[map];
        for (orthsr__peft_kind k = 0; k < ORTHSR__PEFT_KINDS; k++) count[k] += tensor[k] != NULL;
        if (!tensor[ORTHSR__PEFT_SQUARE] != !tensor[ORTHSR__PEFT_SCALE])
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': tensor '%.256s' is there, its %s is missing", path,
                                tensor[ORTHSR__PEFT_SQUARE] ? tensor[ORTHSR__PEFT_SQUARE]->name : tensor[ORTHSR__PEFT_SCALE]->name,
                                tensor[ORTHSR__PEFT_SQUARE] ? "oft_s" : "oft_r");
    }
    if (count[ORTHSR__PEFT_VECTOR] + count[ORTHSR__PEFT_SQUARE] == 0)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' holds no OFT parameters (oft_R)", path);
    if (count[ORTHSR__PEFT_VECTOR] > 0 && count[ORTHSR__PEFT_SQUARE] > 0)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' holds both oft_R (PEFT since 0.16) and oft_r (before it)", path);
    from->rotation = count[ORTHSR__PEFT_VECTOR] > 0 ? ORTHSR__PEFT_VECTOR : ORTHSR__PEFT_SQUARE;
    if (from->rotation == ORTHSR__PEFT_SQUARE) from->config.neumann = false; /* there was no series then */
    return ORTHSR_OK;
}

/* ---- what shape it has ------------------------------------------------------------------------------------------------------ */

/* The divisor of in that is nearest to wanted, the lower of two: how PEFT makes a number that does not divide fit. */
static size_t nearest_divisor(size_t in, size_t wanted) {
    if (wanted >= in) return in;
    for (size_t step = 0;; step++) {
        if (in % (wanted - step) == 0) return wanted - step;
        if (in % (wanted + step) == 0) return wanted + step;
    }
}

static division divide(const source *from, size_t map) {
    size_t in = from->modules->items[map].in, r = from->config.r, size = from->config.block_size;
    size_t blocks = r ? nearest_divisor(in, r) : in / nearest_divisor(in, size);
    return (division){.blocks = blocks, .b = in / blocks, .rows = from->config.share ? 1 : blocks};
}

static orthsr_status check_shape(const source *from, size_t map, orthsr_error *error) {
    const orthsr__tensor *tensor = from->tensor[map][from->rotation], *scale = from->tensor[map][ORTHSR__PEFT_SCALE];
    const orthsr__module *linear = &from->modules->items[map];
    division d = divide(from, map);
    bool square = from->rotation == ORTHSR__PEFT_SQUARE;
    size_t per_row = square ? d.b : d.b * (d.b - 1) / 2;
    if (tensor->rank != (square ? 3 : 2) || tensor->shape[0] != d.rows || tensor->shape[1] != per_row || (square && tensor->shape[2] != d.b))
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH,
                            "'%s': tensor '%.256s' has a wrong shape: \"%s\": %zu on %zu inputs means %zu blocks of size %zu%s, so (%zu, %zu%s)",
                            from->file->path, tensor->name, from->config.r ? "r" : "oft_block_size", from->config.r ? from->config.r : from->config.block_size,
                            linear->in, d.blocks, d.b, from->config.share ? ", stored once" : "", d.rows, per_row, square ? ", the same" : "");
    if (scale && (scale->rank != 2 || scale->shape[0] != linear->out || scale->shape[1] != 1))
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "'%s': tensor '%.256s' has a wrong shape: the map has %zu outputs, so (%zu, 1)", from->file->path,
                            scale->name, linear->out, linear->out);
    return ORTHSR_OK;
}

static size_t greatest_common_divisor(size_t a, size_t b) { return b ? greatest_common_divisor(b, a % b) : a; }

/* Our adapters have one number of blocks, or one size, for all maps. Where PEFT had to fit its number to each map and they came out different, blocks are
 * put together: a larger block with PEFT's on its diagonal is the same matrix. */
static orthsr_adapter_options common_division(const source *from) {
    size_t blocks = 0, size = 0;
    bool one_size = from->config.block_size > 0;
    for (size_t map = 0; map < from->modules->count; map++) {
        if (!from->tensor[map][from->rotation]) continue;
        division d = divide(from, map);
        one_size = one_size && (size == 0 || size == d.b);
        size = d.b;
        blocks = greatest_common_divisor(d.blocks, blocks);
    }
    return (orthsr_adapter_options){
        .parametrization = from->config.neumann ? ORTHSR_FREE : ORTHSR_CAYLEY, .blocks = one_size ? 0 : blocks, .block_size = one_size ? size : 0};
}

/* ---- what it says -------------------------------------------------------------------------------------------------------------- */

static orthsr_status read_values(real *out, const source *from, const orthsr__tensor *tensor, orthsr_error *error) {
    ORTHSR__TRY(orthsr__tensor_to_real(out, tensor, from->file->path, error));
    if (orthsr__all_finite(out, tensor->elements)) return ORTHSR_OK;
    return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "'%s': tensor '%.256s' holds a value that is not finite", from->file->path, tensor->name);
}

/* A scale of the map's outputs is no rotation; only the one that does nothing can be taken. */
static orthsr_status check_scale(const source *from, const orthsr__tensor *scale, orthsr_error *error) {
    real *values = orthsr__aligned(scale->elements, sizeof *values);
    if (!values) return orthsr__fail_memory(error, "a scale");
    orthsr_status status = orthsr__tensor_to_real(values, scale, from->file->path, error);
    for (size_t i = 0; i < scale->elements && !status; i++)
        if (values[i] != 1)
            status =
                orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s': tensor '%.256s' scales output %zu by %g; only 1 can be represented: " ORTHSR__PEFT_REMEDY,
                             from->file->path, scale->name, i, (double)values[i]);
    free(values);
    return status;
}

/* s (b, b): the skew matrix of one stored block, projected as COFT does. limit: the largest norm; the norm is the stored matrix's. */
static void block_skew(double *s, const real *stored, orthsr__peft_kind rotation, size_t b, double limit) {
    double squares = 0;
    for (size_t i = 0, at = 0; i < b; i++) {
        s[i * b + i] = 0;
        if (rotation == ORTHSR__PEFT_SQUARE)
            for (size_t j = 0; j < b; j++) squares += (double)stored[i * b + j] * (double)stored[i * b + j];
        for (size_t j = i + 1; j < b; j++) {
            double v = rotation == ORTHSR__PEFT_VECTOR ? (double)stored[at++] : 0.5 * ((double)stored[i * b + j] - (double)stored[j * b + i]);
            s[i * b + j] = v;
            s[j * b + i] = -v;
            if (rotation == ORTHSR__PEFT_VECTOR) squares += 2 * v * v;
        }
    }
    double norm = sqrt(squares);
    for (size_t i = 0; i < b * b && norm > limit; i++) s[i] *= limit / norm;
}

/* p (b, b) = 2S + 2S^2 + ... + last S^degree by Horner's rule: R - I of the series. work (b, b). */
static void series(double *p, const double *s, size_t b, size_t degree, double last, double *work) {
    memset(p, 0, b * b * sizeof *p);
    for (size_t k = degree; k > 0; k--) {
        memcpy(work, p, b * b * sizeof *p);
        for (size_t i = 0; i < b; i++) work[i * b + i] += k == degree ? last : 2;
        orthsr__dgemm(false, false, b, b, b, 1, s, b, work, b, 0, p, b);
    }
}

/* One PEFT block (b, b) into the parameters of the block of ours around it, with its first row and column there; the rest of that block stays 0. */
static void put_block(real *parameters, size_t whole, size_t first, const double *block, size_t b, orthsr_parametrization parametrization) {
    for (size_t i = 0; i < b; i++) {
        size_t row = first + i;
        if (parametrization == ORTHSR_FREE) {
            for (size_t j = 0; j < b; j++) parameters[row * whole + first + j] = (real)block[i * b + j];
        } else { /* the upper triangle row by row: (row, column) comes after row rows of whole - 1, whole - 2, ... */
            real *triangle = parameters + row * whole - row * (row + 1) / 2;
            for (size_t j = i + 1; j < b; j++) triangle[first + j - row - 1] = (real)block[i * b + j];
        }
    }
}

/* parameters: of this target, zeroed. */
static orthsr_status read_rotation(real *parameters, const source *from, size_t map, const orthsr__target *target, orthsr_parametrization parametrization,
                                   orthsr_error *error) {
    const orthsr__tensor *tensor = from->tensor[map][from->rotation];
    const orthsr__peft_config *config = &from->config;
    division d = divide(from, map);
    size_t b = d.b, per_row = tensor->elements / d.rows, together = target->block / b, per_block = target->parameter_count / target->blocks;
    double limit = INFINITY;
    if (config->coft) limit = config->eps / sqrt((double)d.rows);
    if (config->coft && from->rotation == ORTHSR__PEFT_SQUARE) { /* PEFT 0.14 and 0.15 made eps larger by the square of ceil(out / r) */
        double wide = ceil((double)target->out / (double)d.blocks);
        limit *= wide * wide;
    }
    real *stored = orthsr__aligned(tensor->elements, sizeof *stored);                                                /* (rows, per_row) */
    double *s = orthsr__aligned(b * b, sizeof *s), *r = orthsr__aligned(config->neumann ? 2 * b * b : 0, sizeof *r); /* (b, b); with room to work */
    orthsr_status status = stored && s && r ? read_values(stored, from, tensor, error) : orthsr__fail_memory(error, "a rotation");
    for (size_t k = 0; k < d.blocks && !status; k++) {
        block_skew(s, stored + (config->share ? 0 : k * per_row), from->rotation, b, limit);
        if (config->neumann) series(r, s, b, config->degree, config->last, r + b * b);
        put_block(parameters + k / together * per_block, target->block, k % together * b, config->neumann ? r : s, b, parametrization);
    }
    if (!status && !orthsr__all_finite(parameters, target->parameter_count))
        status = orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "'%s': tensor '%.256s' is too large: its series is not finite", from->file->path, tensor->name);
    free(stored);
    free(s);
    free(r);
    return status;
}

static orthsr_status add_targets(orthsr_adapter *adapter, const source *from, orthsr_error *error) {
    for (size_t map = 0; map < from->modules->count; map++) {
        const orthsr__tensor *tensor = from->tensor[map][from->rotation];
        if (!tensor) continue;
        const orthsr__module *linear = &from->modules->items[map];
        orthsr_error why;
        orthsr_status status = orthsr_adapter_add_target(adapter, linear->map, linear->in, linear->out, &why);
        if (status) /* blocks of size 1, which are the caller's fault elsewhere */
            return orthsr__fail(error, status == ORTHSR_ERROR_ARGUMENT ? ORTHSR_ERROR_UNSUPPORTED : status, "'%s': tensor '%.256s': %s", from->file->path,
                                tensor->name, why.message);
    }
    return ORTHSR_OK;
}

static orthsr_status read_parameters(orthsr_adapter *adapter, const source *from, orthsr_error *error) {
    real *parameters = orthsr__calloc(adapter->parameter_count, sizeof *parameters);
    if (!parameters) return orthsr__fail_memory(error, "an adapter's parameters");
    orthsr_status status = ORTHSR_OK;
    const orthsr__target *target = adapter->targets;
    for (size_t map = 0; map < from->modules->count && !status; map++) {
        if (!from->tensor[map][from->rotation]) continue;
        status = read_rotation(parameters + target->parameter_offset, from, map, target, adapter->parametrization, error);
        target++;
    }
    orthsr_error why;
    if (!status && (status = orthsr__adapter_update(adapter, parameters, &why))) orthsr__fail(error, status, "'%s': %s", from->file->path, why.message);
    free(parameters);
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------------ */

static orthsr_status read_source(orthsr_adapter **out, source *from, orthsr_error *error) {
    ORTHSR__TRY(place_tensors(from, error));
    for (size_t map = 0; map < from->modules->count; map++) {
        if (!from->tensor[map][from->rotation]) continue;
        ORTHSR__TRY(check_shape(from, map, error));
        if (from->tensor[map][ORTHSR__PEFT_SCALE]) ORTHSR__TRY(check_scale(from, from->tensor[map][ORTHSR__PEFT_SCALE], error));
    }
    orthsr_adapter_options options = common_division(from);
    orthsr_adapter *adapter;
    ORTHSR__TRY(orthsr_adapter_new(&adapter, &options, error));
    orthsr_status status = add_targets(adapter, from, error);
    if (!status) status = read_parameters(adapter, from, error);
    if (status) orthsr_adapter_free(adapter);
    else *out = adapter;
    return status;
}

orthsr_status orthsr__peft_read(orthsr_adapter **out, const orthsr_model *model, const char *directory, orthsr_error *error) {
    char *config = orthsr__join(directory, ORTHSR__PEFT_CONFIG), *weights = orthsr__join(directory, ORTHSR__PEFT_WEIGHTS);
    orthsr__safetensors file = {0};
    orthsr__modules modules = {0};
    source from = {.modules = &modules, .file = &file};
    orthsr_status status = config && weights ? ORTHSR_OK : orthsr__fail_memory(error, "a PEFT adapter");
    if (!status) status = orthsr__peft_config_read(&from.config, config, error);
    if (!status && !orthsr__is_file(weights))
        status = orthsr__fail(error, ORTHSR_ERROR_IO,
                              "'%s' is missing beside " ORTHSR__PEFT_CONFIG " (an adapter_model.bin must be saved again by PEFT with"
                              " safe_serialization)",
                              weights);
    if (!status) status = orthsr__safetensors_open(&file, weights, error);
    if (!status) status = model ? orthsr__modules_of_model(&modules, model, error) : orthsr__modules_of_file(&modules, &file, &from.config, error);
    if (!status && !(from.tensor = orthsr__calloc(modules.count, sizeof *from.tensor))) status = orthsr__fail_memory(error, "a PEFT adapter");
    if (!status) status = read_source(out, &from, error);
    orthsr__safetensors_close(&file);
    orthsr__modules_free(&modules);
    free(from.tensor);
    free(config);
    free(weights);
    return status;
}
