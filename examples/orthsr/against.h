/* against.h - the scores of other runs beside a run's own: --against. */
#ifndef AGAINST_H
#define AGAINST_H

#include <jansson.h>

#include <orthsr/orthsr.h>

#include "options.h"
#include "protocol.h"

/* "methods" of result.json, the runs' scores in their order: [{"name": "CoOp (its directory's own name)", "base", "new", "h" or "accuracy"}, ...]. Runs of
 * another model or other test images (NULL: there are none) are refused, for their scores do not compare. split: measured base to new. */
orthsr_status against_read(json_t **out, const list *runs, const orthsr_model *model, const orthsr_dataset *test, int split, orthsr_error *error);

/* A line of the table for each. */
void against_print(const json_t *methods, int split);

#endif
