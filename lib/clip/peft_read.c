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

static orthsr_status place_tensor(source *from, const orthsr__tensor *tensor, orthsr__peft_name name, orthsr_error *error) {
    const char *path = from->file->path;
    const orthsr__module *module = orthsr__modules_find(from->modules, name.module, name.length);
    if (!module)
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH, "'%s': tensor '%.256s' is on module '%.*s', which this %s model has not as a map of its layers", path,
                            tensor->name, (int)(name.length < 256 ? name.length : 256), name.module, from->modules->kind_of_model);
    const orthsr__tensor **place = &from->tensor[module - from->modules->items][name.kind];
    if (*place)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': tensors '%.256s' and '%.256s' are for the same module; one adapter can be read", path,
                            (*place)->name, tensor->name);
    *place = tensor;
    return ORTHSR_OK;
}

/* Some releases of PEFT save all adapters of a model into each one's folder: the folder's own has no name then, and the others are passed over. */
static orthsr_status place_all(source *from, orthsr_error *error) {
    const char *path = from->file->path;
    orthsr__peft_name first = {0};
    bool unnamed = false;
    for (size_t i = 0; i < from->file->count; i++) {
        const orthsr__tensor *tensor = &from->file->tensors[i];
        orthsr__peft_name name = orthsr__peft_parse(tensor->name);
        if (name.kind == ORTHSR__PEFT_KINDS)
            return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s': tensor '%.256s' is no OFT parameter of a linear map; " ORTHSR__PEFT_REMEDY, path,
                                tensor->name);
        unnamed = unnamed || name.adapter_length == 0;
        if (i == 0) first = name;
    }
    for (size_t i = 0; i < from->file->count; i++) {
        const orthsr__tensor *tensor = &from->file->tensors[i];
        orthsr__peft_name name = orthsr__peft_parse(tensor->name);
        if (unnamed && name.adapter_length > 0) continue;
        bool same = name.adapter_length == first.adapter_length && memcmp(name.adapter, first.adapter, name.adapter_length) == 0;
        if (!unnamed && !same)
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' holds adapters of two names, '%.*s' and '%.*s'; one adapter can be read", path,
                                (int)first.adapter_length, first.adapter, (int)name.adapter_length, name.adapter);
        ORTHSR__TRY(place_tensor(from, tensor, name, error));
    }
    return ORTHSR_OK;
}

/* Fills from->tensor and from->rotation: at least one map has a rotation, all of one kind, and SQUAREs have their SCALE where PEFT wrote one. */
static orthsr_status place_tensors(source *from, orthsr_error *error) {
    const char *path = from->file->path;
    ORTHSR__TRY(place_all(from, error));
    size_t count[ORTHSR__PEFT_KINDS] = {0};
    for (size_t map = 0; map < from->modules->count; map++) {
        const orthsr__tensor **tensor = from->tensor[map];
        for (orthsr__peft_kind k = 0; k < ORTHSR__PEFT_KINDS; k++) count[k] += tensor[k] != NULL;
        if (!from->config.output_side && !tensor[ORTHSR__PEFT_SQUARE] != !tensor[ORTHSR__PEFT_SCALE])
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': tensor '%.256s' is there, its %s is missing", path,
                                tensor[ORTHSR__PEFT_SQUARE] ? tensor[ORTHSR__PEFT_SQUARE]->name : tensor[ORTHSR__PEFT_SCALE]->name,
                                tensor[ORTHSR__PEFT_SQUARE] ? "oft_s" : "oft_r");
    }
    if (count[ORTHSR__PEFT_VECTOR] + count[ORTHSR__PEFT_SQUARE] == 0)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' holds no OFT parameters (oft_R)", path);
    if (count[ORTHSR__PEFT_VECTOR] > 0 && count[ORTHSR__PEFT_SQUARE] > 0)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' holds both oft_R (PEFT since 0.16) and oft_r (before it)", path);
    if (from->config.output_side && count[ORTHSR__PEFT_VECTOR] + count[ORTHSR__PEFT_SCALE] > 0)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' holds tensors of PEFT 0.14 or later, but \"oft_block_size\" is missing in the config", path);
    from->rotation = count[ORTHSR__PEFT_VECTOR] > 0 ? ORTHSR__PEFT_VECTOR : ORTHSR__PEFT_SQUARE;
    if (from->rotation == ORTHSR__PEFT_SQUARE) from->config.neumann = false; /* there was no series then */
    return ORTHSR_OK;
}

/* ---- what shape it has ------------------------------------------------------------------------------------------------------ */

/* The divisor of in that is nearest to wanted, the lower of two: how PEFT makes a number that does not divide fit. */
static size_t nearest_divisor(size_t in, size_t wanted) {
    if (wanted >= in) return in;
    size_t below = 1, above = in;
    for (size_t d = 1; d <= in / d; d++) {
        const size_t pair[] = {d, in / d};
        for (size_t i = 0; i < 2 && in % d == 0; i++) {
            if (pair[i] <= wanted && pair[i] > below) below = pair[i];
            if (pair[i] > wanted && pair[i] < above) above = pair[i];
        }
    }
    return wanted - below <= above - wanted ? below : above;
}

/* The features of the side that is rotated. */
static size_t width_of(const source *from, size_t map) { return from->config.output_side ? from->modules->items[map].out : from->modules->items[map].in; }

static division divide(const source *from, size_t map) {
    size_t width = width_of(from, map), r = from->config.r, size = from->config.block_size;
    size_t blocks = r ? nearest_divisor(width, r) : width / nearest_divisor(width, size);
    return (division){.blocks = blocks, .b = width / blocks, .rows = from->config.share ? 1 : blocks};
}

static orthsr_status check_shape(const source *from, size_t map, orthsr_error *error) {
    const orthsr__tensor *tensor = from->tensor[map][from->rotation], *scale = from->tensor[map][ORTHSR__PEFT_SCALE];
    const orthsr__module *linear = &from->modules->items[map];
    division d = divide(from, map);
    if (from->config.output_side && linear->out % from->config.r != 0)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED,
                            "'%s': \"r\": %zu blocks do not divide the %zu outputs of '%.256s', and PEFT before 0.14 cut the last one; " ORTHSR__PEFT_REMEDY,
                            from->file->path, from->config.r, linear->out, linear->name);
    bool square = from->rotation == ORTHSR__PEFT_SQUARE;
    size_t per_row = square ? d.b : d.b * (d.b - 1) / 2;
    if (tensor->rank != (square ? 3 : 2) || tensor->shape[0] != d.rows || tensor->shape[1] != per_row || (square && tensor->shape[2] != d.b))
        return orthsr__fail(error, ORTHSR_ERROR_MISMATCH,
                            "'%s': tensor '%.256s' has a wrong shape: \"%s\": %zu on %zu %s means %zu blocks of size %zu%s, so (%zu, %zu%s)", from->file->path,
                            tensor->name, from->config.r ? "r" : "oft_block_size", from->config.r ? from->config.r : from->config.block_size,
                            width_of(from, map), from->config.output_side ? "outputs" : "inputs", d.blocks, d.b, from->config.share ? ", stored once" : "",
                            d.rows, per_row, square ? ", the same" : "");
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
    if (size == 0) one_size = false, blocks = 1; /* no map at all */
    return (orthsr_adapter_options){.parametrization = from->config.neumann ? ORTHSR_FREE : ORTHSR_CAYLEY,
                                    .side = from->config.output_side ? ORTHSR_SIDE_OUTPUT : ORTHSR_SIDE_INPUT,
                                    .blocks = one_size ? 0 : blocks,
                                    .block_size = one_size ? size : 0,
                                    .share = from->config.share};
}

/* ---- what it says -------------------------------------------------------------------------------------------------------------- */

static orthsr_status read_values(real *out, const source *from, const orthsr__tensor *tensor, orthsr_error *error) {
    ORTHSR__TRY(orthsr__tensor_to_real(out, tensor, from->file->path, error));
    if (orthsr__all_finite(out, tensor->elements)) return ORTHSR_OK;
    return orthsr__fail(error, ORTHSR_ERROR_NUMERIC, "'%s': tensor '%.256s' holds a value that is not finite", from->file->path, tensor->name);
}

/* The target's factors of the map's outputs; ones, which do nothing, are left out. */
static orthsr_status read_scale(orthsr_adapter *adapter, size_t target, const source *from, const orthsr__tensor *scale, orthsr_error *error) {
    float *values = orthsr__aligned(scale->elements, sizeof *values);
    real *stored = orthsr__aligned(scale->elements, sizeof *stored);
    orthsr_status status = values && stored ? read_values(stored, from, scale, error) : orthsr__fail_memory(error, "a scale");
    bool ones = true;
    for (size_t i = 0; i < scale->elements && !status; i++) ones = ones && stored[i] == 1;
    if (!status && !ones) {
        orthsr__real_to_float(values, stored, scale->elements);
        status = orthsr_adapter_set_scale(adapter, target, values, error);
    }
    free(stored);
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
    size_t b = d.b, per_row = tensor->elements / d.rows, together = target->block / b, per_block = target->parameter_count / target->distinct;
    double limit = INFINITY;
    if (config->coft) limit = config->eps / sqrt((double)d.rows);
    if (config->coft && from->rotation == ORTHSR__PEFT_SQUARE) { /* before 0.16 PEFT made eps larger by the square of ceil(out / r) */
        double wide = ceil((double)target->out / (double)d.blocks);
        limit *= wide * wide;
    }
    real *stored = orthsr__aligned(tensor->elements, sizeof *stored);                                                /* (rows, per_row) */
    double *s = orthsr__aligned(b * b, sizeof *s), *r = orthsr__aligned(config->neumann ? 2 * b * b : 0, sizeof *r); /* (b, b); with room to work */
    orthsr_status status = stored && s && r ? read_values(stored, from, tensor, error) : orthsr__fail_memory(error, "a rotation");
    for (size_t k = 0; k < target->distinct * together && !status; k++) {
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
        const orthsr__tensor *scale = from->tensor[map][ORTHSR__PEFT_SCALE];
        if (!status && scale) status = read_scale(adapter, (size_t)(target - adapter->targets), from, scale, error);
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
        if (divide(from, map).b == 1 && !from->tensor[map][ORTHSR__PEFT_SCALE]) from->tensor[map][from->rotation] = NULL; /* I, without parameters */
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
