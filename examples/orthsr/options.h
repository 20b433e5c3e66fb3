/* options.h - one table of options: it is what is parsed, what `orthsr help` prints, and what result.json records. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stddef.h>
#include <stdint.h>

enum { EXIT_USAGE = 2 };

/* Commands as bits, so that a row of the table can name all that take it. */
enum {
    INFO = 1,
    EMBED = 2,
    TOKENIZE = 4,
    ZEROSHOT = 8,
    TRAIN = 16,
    EVALUATE = 32,
    MERGE = 64,
    UNMERGE = 128,
    CONVERT = 256,
    HELP = 512,
    EXPLAIN = 1024,
    DATA = 2048,
    BENCH = 4096,
    REPORT = 8192,
    COMPLETION = 16384,
    ALL_COMMANDS = 32767
};

typedef struct list {
    const char **items;
    size_t count;
} list;

typedef struct whole {
    int given;
    uint64_t value;
} whole;

typedef struct real {
    int given;
    double value;
} real;

typedef struct command command;

/* Everything a command line can say; strings are borrowed from argv. A choice is the index of its value in the table's row, -1 when not given. */
typedef struct settings {
    const command *command;
    list positional, adapters, images, templates, frozen_templates, datasets, against;
    const char *model, *data, *text, *pixels, *out, *predictions, *targets, *towers, *layers, *source, *csv, *context_init, *image, *classes_file, *class_name;
    whole shots, seed, epochs, batch_size, warmup_epochs, blocks, block_size, reflections, butterfly_block, butterfly_factors, threads, image_size, max_pixels,
        context_words, cutout_holes, memory_budget, checkpoint_every, batch, class_count, repetitions, readers, shards,
        rows; /* shots 0: all; block_size 0: narrow */
    real lr, context_lr, momentum, weight_decay, coft, kl_weight, ce_cut_weight, kl_cut_weight, kl_temperature, cutout_size, cutout_probability;
    int method, classes, protocol, optimizer, retraction, schedule, augment, cutout, cutout_fill, cutout_source, kl_direction, kl_reduction, kl_schedule, side,
        parametrization, interpolation, to, dtype, context_position, part, config;
    int raw, deep, json, help, no_map, class_specific, kl_confidence, block_share, resume, strict;
    int argc; /* the command line itself */
    char **argv;
} settings;

enum formats { TO_ORTHSR, TO_PEFT, TO_GGUF };                                        /* the order of --to's row */
enum dtypes { DTYPE_F32, DTYPE_F16 };                                                /* the order of --dtype's row */
enum methods { METHOD_ORTHSR, METHOD_COOP, METHOD_COOP_ORTHSR };                     /* the order of --method's row */
enum protocols { PROTOCOL_BASE_NEW, PROTOCOL_ALL, PROTOCOL_CROSS, PROTOCOL_DOMAIN }; /* the order of --protocol's row */
enum classes { CLASSES_BASE, CLASSES_NEW, CLASSES_ALL };                             /* the order of --classes' row */

typedef enum option_kind {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_LIST,  /* may be given several times */
    OPTION_FILES, /* takes the arguments that follow, up to the next option */
    OPTION_WHOLE,
    OPTION_WHOLE_OR_WORD, /* value is "N|word"; the word is 0, which as a number is refused */
    OPTION_REAL,
    OPTION_CHOICE /* value is "a|b|c" */
} option_kind;

typedef struct option_row {
    const char *name, *value; /* value: how help shows it; NULL for flags */
    option_kind kind;
    size_t offset;     /* of the member of settings */
    unsigned commands; /* that take it */
    unsigned required; /* of these, the ones that cannot do without */
    const char *help;
} option_row;

struct command {
    const char *name;
    unsigned bit;
    int (*run)(const settings *s);
    const char *arguments; /* positional ones, as help shows them; NULL for none */
    const char *summary;   /* one line */
    const char *text;      /* what help adds */
    const char *example;
};

extern const command commands[]; /* ends with a NULL name */
extern const option_row option_rows[];
extern const size_t option_row_count;

const command *find_command(const char *name);
int unknown_command(const char *name); /* says so, and what is near; returns EXIT_USAGE */

/* Reads argv[1..]; argv[0] is the command's name. 0, or EXIT_USAGE after saying why. */
int settings_parse(settings *s, const command *c, int argc, char **argv);
void settings_free(settings *s);

/* --memory-budget in bytes; 0: not given. */
size_t budget_bytes(const settings *s);

/* The values of a choice. */
int choice_count(const option_row *row);

/* The value of a choice that was given, as it was written. */
const char *choice_name(const option_row *row, int index, char *buffer, size_t size);

/* The word of OPTION_WHOLE_OR_WORD. */
const char *row_word(const option_row *row);

/* "orthsr train: MESSAGE; see 'orthsr help train'" on stderr; returns EXIT_USAGE. command may be NULL. */
int wrong_usage(const char *command_name, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
