/* first.c - a program of the first release, compiled with that release's headers and run with the library of today (tests/abi/first.sh). What it was compiled
 * with must still hold: sizes of structs, numbers of enumerators, types of arguments, what callbacks are called with. It is not edited once that release is
 * out.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <orthsr/orthsr.h>

#define CHECK(condition)                                                                                                                                       \
    do {                                                                                                                                                       \
        if (!(condition)) {                                                                                                                                    \
            fprintf(stderr, "first: %s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                                                     \
            return 1;                                                                                                                                          \
        }                                                                                                                                                      \
    } while (0)
#define OK(call)                                                                                                                                               \
    do {                                                                                                                                                       \
        if ((call) != ORTHSR_OK) {                                                                                                                             \
            fprintf(stderr, "first: %s:%d: %s\n", __FILE__, __LINE__, guarded.error.message);                                                                  \
            return 1;                                                                                                                                          \
        }                                                                                                                                                      \
    } while (0)

/* A library that thought the struct larger would write into the guard. */
static struct {
    orthsr_error error;
    char guard[64];
} guarded;

static int count_steps(const orthsr_trainer *trainer, void *payload) {
    (void)trainer;
    return ++*(int *)payload == 2;
}

static int manifold(void) {
    const float skew[3] = {0.5f, -0.25f, 1}, direction[3] = {1, 2, 3};
    float R[9], X[4] = {1, 0, 0, 1}, gradient[4] = {0, 1, -1, 0};
    double defect = 1;
    OK(orthsr_cayley(R, skew, orthsr_skew_size(3) == 3 ? 3 : 0, &guarded.error));
    OK(orthsr_orthogonality_defect(&defect, R, 3, 3, &guarded.error));
    CHECK(defect < 1e-6); /* observed 1.2e-7 */
    CHECK(orthsr_cayley(R, direction, 0, &guarded.error) == ORTHSR_ERROR_ARGUMENT && guarded.error.message[0]);

    orthsr_optimizer *optimizer;
    const orthsr_stiefel block = {2, 2};
    OK(orthsr_optimizer_rsgd(&optimizer, &block, 1, 0.5f, ORTHSR_RETRACTION_CAYLEY, ORTHSR_GEOMETRY_CANONICAL, &guarded.error));
    OK(orthsr_optimizer_step(optimizer, X, gradient, 4, 0.1f, &guarded.error));
    CHECK(orthsr_optimizer_steps(optimizer) == 1 && fabsf(X[0] * X[0] + X[1] * X[1] - 1) < 1e-6f && X[1] < 0); /* observed 6e-8 */
    orthsr_optimizer_free(optimizer);

    const float map[9] = {0, 0, 0, 0, 0, 0, 0, 1, 0};
    orthsr_region region = {9, 9, 9, 9};
    size_t found = 0;
    OK(orthsr_cutout_regions(&region, &found, 1, map, 3, 0.33f, &guarded.error));
    CHECK(found == 1 && region.top == 2 && region.left == 1 && region.height == 1 && region.width == 1);
    return 0;
}

static int adapter(void) {
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    const float x[4] = {1, 2, 3, 4};
    float y[4];
    OK(orthsr_adapter_options_new(&options, &guarded.error));
    OK(orthsr_adapter_options_set_parametrization(options, ORTHSR_HOUSEHOLDER, &guarded.error));
    OK(orthsr_adapter_options_set_reflections(options, 2, &guarded.error));
    OK(orthsr_adapter_options_set_side(options, ORTHSR_SIDE_OUTPUT, &guarded.error));
    OK(orthsr_adapter_options_set_block_size(options, ORTHSR_BLOCK_NARROW, &guarded.error));
    OK(orthsr_adapter_new(&adapter, options, &guarded.error));
    OK(orthsr_adapter_add_target(adapter, "map", 2, 4, &guarded.error));
    CHECK(orthsr_adapter_parametrization(adapter) == ORTHSR_HOUSEHOLDER && orthsr_adapter_side(adapter) == ORTHSR_SIDE_OUTPUT);
    CHECK(orthsr_adapter_block_size(adapter, 0) == 2 && orthsr_adapter_in_features(adapter, 0) == 2);
    OK(orthsr_adapter_rotate(adapter, 0, y, x, 1, &guarded.error));
    CHECK(fabsf(y[0] - 1) < 1e-6f && fabsf(y[3] - 4) < 1e-6f); /* A = I; observed 0 */
    orthsr_adapter_free(adapter);
    orthsr_adapter_options_free(options);
    return 0;
}

static int training(const char *directory) {
    orthsr_model *model;
    orthsr_session *session;
    orthsr_dataset *dataset;
    orthsr_adapter *adapter;
    orthsr_trainer_options *options;
    orthsr_trainer *trainer;
    const char *const names[2] = {"dark", "light"}, *const templates[1] = {"a photo of a {}."};
    const int32_t labels[4] = {0, 1, 0, 1};
    uint8_t pixels[4][8][8];
    float features[2][1024];
    int calls = 0;
    for (int i = 0; i < 4; i++) memset(pixels[i], i % 2 ? 250 : 5, sizeof pixels[i]);

    OK(orthsr_model_open(&model, directory, &guarded.error));
    const char *name = NULL, *dtype = NULL;
    const size_t *shape = NULL;
    size_t rank = 0, dim = orthsr_model_embed_dim(model);
    uint64_t bytes = 0;
    int expected = -1;
    OK(orthsr_model_tensor(model, 0, &name, &dtype, &shape, &rank, &bytes, &expected, &guarded.error));
    CHECK(name && dtype && shape && rank <= ORTHSR_ARRAY_MAX_RANK && bytes > 0 && (expected == 0 || expected == 1));
    CHECK(dim > 0 && dim <= 1024 && orthsr_model_logit_scale(model) > 0 && orthsr_model_adapter(model, &adapter, NULL, &guarded.error) == ORTHSR_OK);

    OK(orthsr_session_new(&session, model, NULL, &guarded.error));
    OK(orthsr_session_encode_classes(session, features[0], names, 2, templates, 1, &guarded.error));
    double norm = 0;
    for (size_t i = 0; i < dim; i++) norm += (double)features[0][i] * (double)features[0][i];
    CHECK(fabs(norm - 1) < 1e-5); /* observed 1e-7 */
    orthsr_session_free(session);

    OK(orthsr_dataset_new(&dataset, &pixels[0][0][0], 4, 8, 8, 1, labels, names, 2, &guarded.error));
    CHECK(orthsr_dataset_class_count(dataset) == 2 && orthsr_dataset_label(dataset, 1) == 1 && orthsr_dataset_label(dataset, 4) == (size_t)-1);
    OK(orthsr_trainer_options_new(&options, &guarded.error));
    OK(orthsr_trainer_options_set_optimizer(options, ORTHSR_SGD, &guarded.error));
    OK(orthsr_trainer_options_set_schedule(options, ORTHSR_SCHEDULE_CONSTANT, &guarded.error));
    OK(orthsr_trainer_options_set_cutout(options, ORTHSR_CUTOUT_RANDOM, &guarded.error));
    OK(orthsr_trainer_options_set_cutout_fill(options, ORTHSR_CUTOUT_NOISE, &guarded.error));
    OK(orthsr_trainer_options_set_kl_direction(options, ORTHSR_KL_TUNED_FROZEN, &guarded.error));
    OK(orthsr_trainer_options_set_seed(options, UINT64_MAX, &guarded.error));
    OK(orthsr_trainer_options_set_batch_size(options, 2, &guarded.error));
    OK(orthsr_trainer_new(&trainer, model, adapter, dataset, options, &guarded.error));
    CHECK(isnan(orthsr_trainer_metric(trainer, ORTHSR_METRIC_LOSS)));
    CHECK(orthsr_trainer_run(trainer, count_steps, &calls, &guarded.error) == ORTHSR_ERROR_CANCELLED && calls == 2);
    CHECK(orthsr_trainer_step_count(trainer) == 2 && orthsr_trainer_metric(trainer, ORTHSR_METRIC_LOSS) > 0);
    orthsr_trainer_free(trainer);
    orthsr_trainer_options_free(options);
    orthsr_adapter_free(adapter);
    orthsr_dataset_free(dataset);
    orthsr_model_free(model);
    return 0;
}

int main(int argc, char **argv) {
    CHECK(argc == 2 && sizeof(orthsr_error) == 1024);
    memset(guarded.guard, '#', sizeof guarded.guard);
    CHECK(strcmp(orthsr_status_string(ORTHSR_OK), orthsr_status_string(ORTHSR_ERROR_MEMORY)) != 0);
    CHECK(orthsr_version_number() >= ORTHSR_VERSION_MAJOR * 10000 + ORTHSR_VERSION_MINOR * 100 + ORTHSR_VERSION_PATCH);
    if (manifold() || adapter() || training(argv[1])) return 1;
    for (size_t i = 0; i < sizeof guarded.guard; i++) CHECK(guarded.guard[i] == '#');
    printf("first: compiled with %s, runs with %s\n", ORTHSR_VERSION_STRING, orthsr_version_string());
    return 0;
}
