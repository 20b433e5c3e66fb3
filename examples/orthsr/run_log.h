/* run_log.h - log.jsonl: a line for every step of a training run. */
#ifndef RUN_LOG_H
#define RUN_LOG_H

#include <jansson.h>

#include <orthsr/orthsr.h>

/* {"step", "ce", "ce_cut", "kl", "kl_cut", "loss", "lr", "orthogonality"} of the trainer's last step, without a newline; the caller frees it. NULL: out of
 * memory. */
char *run_log_line(const orthsr_trainer *trainer);

/* Seconds of all steps so far, by phase. */
typedef struct run_phases {
    double seconds[ORTHSR_PHASE_OTHER + 1];
} run_phases;
void run_phases_add(run_phases *phases, const orthsr_trainer *trainer);

/* {"text", "image", "backward", "frozen", "orthogonal", "optimizer", "other"}, and back: 0 when one of them is missing. */
json_t *run_phases_json(const run_phases *phases);
int run_phases_read(run_phases *phases, const json_t *object);

#endif
