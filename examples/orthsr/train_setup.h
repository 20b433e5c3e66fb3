/* train_setup.h - the options of `orthsr train` as the library's option objects. */
#ifndef TRAIN_SETUP_H
#define TRAIN_SETUP_H

#include <orthsr/orthsr.h>

#include "gallery.h"
#include "options.h"

typedef struct train_setup {
    orthsr_adapter_options *adapter;
    orthsr_trainer_options *trainer;
    orthsr_prompt_options *prompt; /* its classes, if it is class-specific, are known when the shots are */
    enum methods method;
    size_t shots; /* 0: all */
    uint64_t seed;
    enum classes classes;
} train_setup;

/* 0, or the exit code after saying why. Free in any case. */
int train_setup_new(train_setup *setup, const settings *s);
void train_setup_free(train_setup *setup);

/* As given, or the method's. */
size_t warmup_epochs_of(const settings *s);

/* "off", "attentive" or "random". */
const char *cutout_name(const settings *s);

/* How attentive CutOut looks by these options, also where it is not used: pictures show what it sees. */
gallery_cut cut_of(const settings *s);

#endif
