/* train_talk.c - lines on stderr, and commands to go on with. */
#include "train_talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "terminal.h"
#include "train_setup.h"

enum { FORECAST_AT = 3 }; /* steps of which all but the first, which warms up, are the measure */
#define MIB 1048576.0
#define FLOATS_OF_PARAMETER 4 /* its value, gradient and AdamW's two moments; the others have fewer */

void say_frozen_scores(const scores *s, size_t classes) {
    if (s->split) terminal_say("the frozen model is right for %.2f %% of base and %.2f %% of new images, H %.2f", 100 * s->base, 100 * s->novel, 100 * s->h);
    else terminal_say("the frozen model is right for %.2f %% of the test images; guessing would be for %.2f %%", 100 * s->accuracy, 100.0 / (double)classes);
}

void say_training(const orthsr_trainer *trainer, const orthsr_dataset *shots, const orthsr_adapter *adapter, const orthsr_prompt *prompt, size_t parameters,
                  size_t warmup_epochs) {
    size_t matrices = orthsr_adapter_target_count(adapter), words = orthsr_prompt_words(prompt), epochs = orthsr_trainer_epoch_total(trainer);
    char what[96] = "";
    if (matrices > 0) snprintf(what, sizeof what, "%zu matrices%s", matrices, words > 0 ? " and " : "");
    if (words > 0) snprintf(what + strlen(what), sizeof what - strlen(what), "%zu prompt words", words);
    terminal_say("training on %zu images of %zu classes: %zu parameters in %s; %zu steps in %zu epoch%s", orthsr_dataset_count(shots),
                 orthsr_dataset_class_count(shots), parameters, what, orthsr_trainer_step_total(trainer), epochs, epochs == 1 ? "" : "s");
    terminal_say("memory beside the model's: %.1f MiB for activations, about %.1f MiB for parameters and their optimizer",
                 (double)orthsr_trainer_memory(trainer) / MIB, (double)(parameters * FLOATS_OF_PARAMETER * sizeof(float)) / MIB);
    if (warmup_epochs >= epochs)
        terminal_say("note: all of it is warm-up, at learning rate 1e-5, which changes little: give --warmup-epochs 0, or more --epochs");
}

void forecast_step(forecast *f, const orthsr_trainer *trainer, double measuring) {
    size_t left = orthsr_trainer_step_total(trainer) - orthsr_trainer_step_count(trainer);
    double now = terminal_seconds();
    if (++f->steps == 1) f->first = now;
    if (f->steps != FORECAST_AT || left == 0) return;
    double steps = (double)left * (now - f->first) / (FORECAST_AT - 1);
    char training[32], after[32];
    format_duration(training, sizeof training, steps);
    format_duration(after, sizeof after, measuring);
    if (measuring > 0) terminal_say("expected: %s for the %zu steps that are left, and %s to measure the result", training, left, after);
    else terminal_say("expected: %s for the %zu steps that are left", training, left);
}

static int is_on(const real *weight) { return !weight->given || weight->value > 0; }

/* "  ce 0.24+0.23": of the images and of the cut ones, as far as they count. */
static void add_term(char *out, size_t size, const char *name, int digits, int on, double value, int cut_on, double cut) {
    size_t n = strlen(out);
    if (value < 0) value = 0; /* a KL of 0, but for rounding */
    if (cut < 0) cut = 0;
    if (n >= size) return;
    if (on && cut_on) snprintf(out + n, size - n, "  %s %.*f+%.*f", name, digits, value, digits, cut);
    else if (on || cut_on) snprintf(out + n, size - n, "  %s%s %.*f", name, on ? "" : "_cut", digits, on ? value : cut);
}

void format_step(char *out, size_t size, const orthsr_trainer *trainer, const settings *s) {
    int cut = strcmp(cutout_name(s), "off") != 0, anchor = s->method == METHOD_COOP ? s->kl_weight.given && s->kl_weight.value > 0 : is_on(&s->kl_weight);
    snprintf(out, size, "loss %.3f  acc %.0f %%  epoch %zu/%zu", orthsr_trainer_metric(trainer, ORTHSR_METRIC_LOSS),
             100 * orthsr_trainer_metric(trainer, ORTHSR_METRIC_BATCH_ACCURACY), orthsr_trainer_epoch(trainer) + 1, orthsr_trainer_epoch_total(trainer));
    add_term(out, size, "ce", 2, 1, orthsr_trainer_metric(trainer, ORTHSR_METRIC_CE), cut && is_on(&s->ce_cut_weight),
             orthsr_trainer_metric(trainer, ORTHSR_METRIC_CE_CUT));
    add_term(out, size, "kl", 3, anchor, orthsr_trainer_metric(trainer, ORTHSR_METRIC_KL), cut && is_on(&s->kl_cut_weight),
             orthsr_trainer_metric(trainer, ORTHSR_METRIC_KL_CUT));
}

/* ---- commands ---- */

enum { MOST_FIXED = 24 };

char *evaluate_command(const settings *s, const char *adapter_path, const char *data, int all_classes) {
    size_t n = 0;
    char number[32], name[32];
    char **words = calloc(MOST_FIXED + 2 * s->templates.count, sizeof *words);
    if (!words) return NULL;
#define WORD(text) (words[n++] = (char *)(text)) /* report_command only reads */
    WORD("evaluate"), WORD("--model"), WORD(s->model), WORD("--adapter"), WORD(adapter_path), WORD("--data"), WORD(data);
    if (all_classes) WORD("--protocol"), WORD("all");
    if (s->image_size.given) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)s->image_size.value);
        WORD("--image-size"), WORD(number);
    }
    if (s->interpolation >= 0) {
        snprintf(name, sizeof name, "%s", s->interpolation == 0 ? "bicubic" : "bicubic-antialias"); /* in the order of the option's row */
        WORD("--interpolation"), WORD(name);
    }
    int learned = s->method == METHOD_COOP || s->method == METHOD_COOP_ORTHSR; /* templates would come before what was learned */
    for (size_t i = 0; !learned && i < s->templates.count; i++) WORD("--template"), WORD(s->templates.items[i]);
#undef WORD
    char *line = report_command("orthsr", (int)n, words);
    free(words);
    return line;
}

char *resume_command(const settings *s) {
    char **words = calloc((size_t)s->argc + 1, sizeof *words);
    if (!words) return NULL;
    for (int i = 0; i < s->argc; i++) words[i] = s->argv[i];
    if (!s->resume) words[s->argc] = (char *)"--resume";
    char *line = report_command("orthsr", s->argc + !s->resume, words);
    free(words);
    return line;
}
