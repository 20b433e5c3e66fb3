/* rotation.c - spectra and energies, target by target. */
#include "rotation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "terminal.h"

size_t rotated_features(const orthsr_adapter *adapter, size_t target) {
    return orthsr_adapter_side(adapter) == ORTHSR_SIDE_OUTPUT ? orthsr_adapter_out_features(adapter, target) : orthsr_adapter_in_features(adapter, target);
}

/* ---- angles ---- */

static const double parts[] = {0, 0.05, 0.25, 0.5, 0.75, 0.95, 1};

static orthsr_status degrees_json(json_t **out, const orthsr_adapter *adapter, size_t target, orthsr_error *error) {
    size_t n = rotated_features(adapter, target);
    double *angles = malloc(n * sizeof *angles);
    *out = NULL;
    if (orthsr_adapter_parametrization(adapter) == ORTHSR_FREE) {
        free(angles);
        *out = json_null();
        return ORTHSR_OK;
    }
    orthsr_status status =
        angles ? orthsr_adapter_angles(adapter, target, angles, error) : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu angles", n);
    if (status == ORTHSR_OK) *out = json_array();
    for (size_t i = 0; status == ORTHSR_OK && i < sizeof parts / sizeof *parts; i++)
        json_array_append_new(*out, json_real(angles[(size_t)lround(parts[i] * (double)(n - 1))] * 180 / acos(-1)));
    free(angles);
    return status;
}

/* ---- energy ---- */

/* Of W (out, in), whose neurons are its columns: those of its transpose. */
static double energy_of(const float *W, size_t out, size_t in, int columns, float *room) {
    orthsr_error ignored;
    double energy;
    if (columns)
        for (size_t i = 0; i < out; i++)
            for (size_t j = 0; j < in; j++) room[j * out + i] = W[i * in + j];
    orthsr_status status = orthsr_hyperspherical_energy(&energy, columns ? room : W, columns ? in : out, columns ? out : in, &ignored);
    return status == ORTHSR_OK ? energy : NAN;
}

static size_t find_map(const orthsr_model *model, const char *name) {
    orthsr_error ignored;
    const char *candidate;
    size_t i = 0, n = orthsr_model_map_count(model);
    while (i < n && (orthsr_model_map(model, i, &candidate, NULL, NULL, &ignored) != ORTHSR_OK || strcmp(candidate, name) != 0)) i++;
    return i;
}

static orthsr_status put_energies(json_t *object, const orthsr_model *model, const orthsr_adapter *adapter, size_t target, orthsr_error *error) {
    size_t in = orthsr_adapter_in_features(adapter, target), out = orthsr_adapter_out_features(adapter, target);
    int columns = orthsr_adapter_side(adapter) == ORTHSR_SIDE_OUTPUT;
    float *W = malloc(2 * in * out * sizeof *W); /* (out, in), (in, out) */
    if (!W) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for a weight");
    orthsr_status status = orthsr_model_weight(model, find_map(model, orthsr_adapter_target_name(adapter, target)), W, error);
    if (status == ORTHSR_OK) put_number(object, "energy_before", energy_of(W, out, in, columns, W + in * out));
    if (status == ORTHSR_OK) status = orthsr_adapter_merge(adapter, target, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, in, error);
    if (status == ORTHSR_OK) put_number(object, "energy_after", energy_of(W, out, in, columns, W + in * out));
    free(W);
    return status;
}

orthsr_status rotations_json(json_t **out, const orthsr_model *model, const orthsr_adapter *adapter, orthsr_error *error) {
    size_t targets = orthsr_adapter_target_count(adapter);
    json_t *array = json_array();
    orthsr_status status = ORTHSR_OK;
    progress bar;
    progress_begin(&bar, "how far the model turned", "matrices", targets);
    for (size_t t = 0; t < targets && status == ORTHSR_OK && !terminal_interrupted(); t++) {
        json_t *object = json_object(), *degrees = NULL;
        put_text(object, "target", orthsr_adapter_target_name(adapter, t));
        put_count(object, "features", rotated_features(adapter, t));
        put_count(object, "blocks", rotated_features(adapter, t) / orthsr_adapter_block_size(adapter, t));
        status = degrees_json(&degrees, adapter, t, error);
        json_object_set_new(object, "degrees", degrees);
        if (status == ORTHSR_OK) status = put_energies(object, model, adapter, t, error);
        json_array_append_new(array, object);
        progress_show(&bar, t + 1, NULL);
    }
    progress_clear();
    if (status == ORTHSR_OK && terminal_interrupted()) status = failed(error, ORTHSR_ERROR_CANCELLED, "interrupted");
    if (status == ORTHSR_OK) *out = array;
    else json_decref(array);
    return status;
}
