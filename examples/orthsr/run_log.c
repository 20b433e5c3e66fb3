/* run_log.c - a step as one JSON object. */
#include "run_log.h"

#include "report.h"

char *run_log_line(const orthsr_trainer *trainer) {
    static const struct {
        const char *key;
        orthsr_metric metric;
    } columns[] = {{"ce", ORTHSR_METRIC_CE},
                   {"ce_cut", ORTHSR_METRIC_CE_CUT},
                   {"kl", ORTHSR_METRIC_KL},
                   {"kl_cut", ORTHSR_METRIC_KL_CUT},
                   {"loss", ORTHSR_METRIC_LOSS},
                   {"lr", ORTHSR_METRIC_LEARNING_RATE},
                   {"orthogonality", ORTHSR_METRIC_ORTHOGONALITY}};
    json_t *object = json_object();
    put_count(object, "step", orthsr_trainer_step_count(trainer));
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) put_number(object, columns[i].key, orthsr_trainer_metric(trainer, columns[i].metric));
    char *line = report_line(object);
    json_decref(object);
    return line;
}

void run_phases_add(run_phases *phases, const orthsr_trainer *trainer) {
    for (int p = 0; p <= ORTHSR_PHASE_OTHER; p++) phases->seconds[p] += orthsr_trainer_seconds(trainer, (orthsr_phase)p);
}

static const char *const phase_names[] = {"text", "image", "backward", "frozen", "orthogonal", "optimizer", "other"};

json_t *run_phases_json(const run_phases *phases) {
    json_t *object = json_object();
    for (int p = 0; p <= ORTHSR_PHASE_OTHER; p++) put_number(object, phase_names[p], phases->seconds[p]);
    return object;
}

int run_phases_read(run_phases *phases, const json_t *object) {
    for (int p = 0; p <= ORTHSR_PHASE_OTHER; p++) {
        const json_t *value = json_object_get(object, phase_names[p]);
        if (!json_is_number(value)) return 0;
        phases->seconds[p] = json_number_value(value);
    }
    return 1;
}
