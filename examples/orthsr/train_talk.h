/* train_talk.h - what `orthsr train` tells a person: before the first step, during it, and in the end. */
#ifndef TRAIN_TALK_H
#define TRAIN_TALK_H

#include <orthsr/orthsr.h>

#include "options.h"
#include "protocol.h"

/* Does the model know these images at all? */
void say_frozen_scores(const scores *s, size_t classes);

/* What is trained, for how long, and the memory it takes; a note where warm-up takes all of it. parameters: all of them. */
void say_training(const orthsr_trainer *trainer, const orthsr_dataset *shots, const orthsr_adapter *adapter, const orthsr_prompt *prompt, size_t parameters,
                  size_t warmup_epochs);

/* How long the steps that are left will take, by the first ones of this process, and the measuring after them, by that before (seconds; 0: none). Says it
 * once, after the third step. */
typedef struct forecast {
    size_t steps; /* since the first of this process */
    double first; /* terminal_seconds after it */
} forecast;
void forecast_step(forecast *f, const orthsr_trainer *trainer, double measuring);

/* The step as parts of a progress line: the loss, accuracy on the shots of the batch, epoch, and the terms that are on, "ce 0.24+0.23": of
 * the images and of the cut ones. */
void format_step(char *out, size_t size, const orthsr_trainer *trainer, const settings *s);

/* "orthsr evaluate ...", which measures adapter_path on data as train does; free it. NULL when out of memory. */
char *evaluate_command(const settings *s, const char *adapter_path, const char *data, int all_classes);

/* The command itself with --resume; free it. NULL when out of memory. */
char *resume_command(const settings *s);

#endif
