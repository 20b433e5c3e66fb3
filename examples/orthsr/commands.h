/* commands.h - one function per command; each returns the exit code. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "options.h"

int command_info(const settings *s);
int command_embed(const settings *s);
int command_tokenize(const settings *s);
int command_zeroshot(const settings *s);
int command_train(const settings *s);
int command_evaluate(const settings *s);
int command_merge(const settings *s); /* and unmerge */
int command_convert(const settings *s);
int command_data(const settings *s);
int command_explain(const settings *s);
int command_bench(const settings *s);
int command_report(const settings *s);
int command_completion(const settings *s);
int command_help(const settings *s);

#endif
