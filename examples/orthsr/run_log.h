/* run_log.h - log.jsonl: a line for every step of a training run. */
#ifndef RUN_LOG_H
#define RUN_LOG_H

#include <orthsr/orthsr.h>

/* {"step", "ce", "ce_cut", "kl", "kl_cut", "loss", "lr", "orthogonality"} of the trainer's last step, without a newline; the caller frees it. NULL: out of
 * memory. */
char *run_log_line(const orthsr_trainer *trainer);

#endif
