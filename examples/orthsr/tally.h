/* tally.h - what was said of every test image: accuracies of classes and the confusions between them follow from it. */
#ifndef TALLY_H
#define TALLY_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include <orthsr/orthsr.h>

typedef struct answer {
    uint32_t truth, given; /* classes of the whole data set */
} answer;

typedef struct tally {
    answer *answers; /* (count) */
    size_t count;
} tally;

/* Adds an evaluation of part, whose class 0 is `first` of the whole data set. Zero a tally before; free it in any case. */
orthsr_status tally_add(tally *t, const orthsr_evaluation *evaluation, const orthsr_dataset *part, size_t first, orthsr_error *error);
void tally_free(tally *t);

/* Members of result.json: "per_class", [{"class", "items", "zeroshot", "tuned"}, ...] in the data set's order, and "confusion", {"zeroshot": [[truth, given,
 * images], ...], "tuned": ...}, where classes are numbers of the former from 0. Either tally may be empty: its members are null then. */
void put_tallies(json_t *object, const orthsr_dataset *test, const tally *before, const tally *after);

#endif
