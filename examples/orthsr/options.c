/* options.c - the table of options, and parsing by it. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <orthsr/orthsr.h>

#include "nearest.h"
#include "terminal.h"

enum { MOST_CHOICES = 16 }; /* of an option; a test looks for more */

#define AT(member) offsetof(settings, member)
#define COMPUTING (EMBED | ZEROSHOT | TRAIN | EVALUATE | EXPLAIN)
#define WITH_MODEL (COMPUTING | BENCH | TOKENIZE | MERGE | UNMERGE)
#define ONE_ADAPTER (MERGE | UNMERGE | CONVERT)
#define ADAPTER "an adapter: DIR/adapter as train writes it, with the prompt that was learned; a file of it; or a directory that PEFT wrote"

const option_row option_rows[] = {
    {"model", "M", OPTION_TEXT, AT(model), WITH_MODEL | INFO | CONVERT, WITH_MODEL, "the CLIP: a directory with a checkpoint, or a .safetensors file in it"},
    {"adapter", "A", OPTION_LIST, AT(adapters), EMBED | ZEROSHOT | EXPLAIN, 0,
     ADAPTER "; repeated, each stands on top of the model with those before it, and the last learned prompt counts"},
    {"adapter", "A", OPTION_LIST, AT(adapters), EVALUATE, 0, ADAPTER "; repeated, each is measured by itself"},
    {"adapter", "A", OPTION_LIST, AT(adapters), ONE_ADAPTER, MERGE | UNMERGE, ADAPTER},
    {"to", "orthsr|peft|gguf", OPTION_CHOICE, AT(to), CONVERT, CONVERT, "the format to write; gguf: the whole model, for clip.cpp"},
    {"dtype", "f32|f16", OPTION_CHOICE, AT(dtype), CONVERT, 0, "how matrices are stored in a GGUF file (default: f16)"},
    {"data", "D", OPTION_TEXT, AT(data), ZEROSHOT | TRAIN | EXPLAIN, ZEROSHOT | TRAIN,
     "labelled images: D/train and D/test with a folder per class, class folders directly, IDX files, or a data set of the papers with its split file"},
    {"data", "D", OPTION_TEXT, AT(data), EMBED, 0,
     "images of a data set, a manifest or class folders, however many: --out is a directory of .npy files then, and a run that was stopped goes on"},
    {"data", "D", OPTION_LIST, AT(datasets), EVALUATE, EVALUATE, "labelled images, as for zeroshot; repeated for the targets of cross and domain"},
    {"source", "D", OPTION_TEXT, AT(source), EVALUATE, 0,
     "of cross and domain: what was trained on; measured first, and left out of the average. domain needs it for the names of its classes"},
    {"image", "FILE", OPTION_TEXT, AT(image), EXPLAIN, EXPLAIN, "a JPEG or PNG file"},
    {"classes-file", "F", OPTION_TEXT, AT(classes_file), EXPLAIN, 0, "names of classes, one per line, instead of --data's"},
    {"class", "NAME", OPTION_TEXT, AT(class_name), EXPLAIN, 0, "the class whose map is drawn (default: the likeliest)"},
    {"images", "FILE...", OPTION_FILES, AT(images), EMBED, 0, "JPEG or PNG files"},
    {"text", "FILE", OPTION_TEXT, AT(text), EMBED | TOKENIZE, TOKENIZE, "UTF-8, one text per line; an empty line is an empty text"},
    {"pixels", "X.npy", OPTION_TEXT, AT(pixels), EMBED, 0, "float32 (n, 3, H, W) of the model's size, already normalised"},
    {"out", "PATH", OPTION_TEXT, AT(out), EMBED | TRAIN | EXPLAIN | ONE_ADAPTER, EMBED | TRAIN | EXPLAIN | ONE_ADAPTER,
     "the .npy file of embed, the .png file of explain, the .gguf file of convert, else a directory"},
    {"out", "PATH", OPTION_TEXT, AT(out), EVALUATE, 0, "a directory for result.json and report.html; the model itself is measured too then"},
    {"out", "F.html", OPTION_TEXT, AT(out), REPORT, 0, "the page of several runs (default: report.html)"},
    {"rows", "N", OPTION_WHOLE, AT(rows), EMBED, 0, "features in each of --data's .npy files (default: 10000)"},
    {"raw", NULL, OPTION_FLAG, AT(raw), EMBED, 0, "leave the features as the model gives them, not of unit length"},
    {"template", "T", OPTION_LIST, AT(templates), ZEROSHOT | TRAIN | EVALUATE | EXPLAIN, 0,
     "a prompt with {} for the class name; repeat it for an ensemble; @NAME for CoOp's of a dataset, @ensemble for its seven (default: the adapter's learned "
     "prompt, else \"a photo of a {}.\")"},
    {"template", "T", OPTION_LIST, AT(templates), BENCH, 0,
     "a prompt with {} for the class name, as for train; repeated, or @ensemble, for several (default: one)"},
    {"predictions", "F.csv", OPTION_TEXT, AT(predictions), ZEROSHOT, 0, "also write item, class and prediction of every image"},
    {"protocol", "base-new|all|cross|domain", OPTION_CHOICE, AT(protocol), EVALUATE, 0,
     "what is measured (default: base-new): base and new classes, all classes, other data sets, other images of the same classes"},
    {"csv", "F.csv", OPTION_TEXT, AT(csv), EVALUATE, 0, "also write the table to a file, in fractions"},
    {"deep", NULL, OPTION_FLAG, AT(deep), DATA, 0, "decode every image, and look for images that are the same byte for byte"},

    {"image-size", "N", OPTION_WHOLE, AT(image_size), COMPUTING | BENCH | INFO, 0,
     "pixels a side of the model's input, where it is not the checkpoint's own: position embeddings are interpolated"},
    {"interpolation", "bicubic|bicubic-antialias", OPTION_CHOICE, AT(interpolation), COMPUTING | BENCH | INFO, 0,
     "how they are (default: as transformers, bicubic, or open_clip, bicubic-antialias, does for its own checkpoints)"},

    {"no-map", NULL, OPTION_FLAG, AT(no_map), WITH_MODEL | INFO | CONVERT, 0,
     "read the model's weights into memory instead of mapping their files: slower to start, but nothing that happens to the files matters afterwards"},

    {"max-pixels", "N", OPTION_WHOLE, AT(max_pixels), COMPUTING | DATA, 0, "refuse image files of more pixels before decoding them (default: 100000000)"},

    {"strict", NULL, OPTION_FLAG, AT(strict), EMBED | ZEROSHOT | TRAIN | EVALUATE, 0,
     "stop at an image that cannot be read (default: leave it out, and say so)"},

    {"part", "features|texts|step", OPTION_CHOICE, AT(part), BENCH, 0, "what is measured (default: all three, one after the other)"},
    {"config", "out|ffn|all|coop", OPTION_CHOICE, AT(config), BENCH, 0, "what a step trains (default: ffn)"},
    {"batch", "B", OPTION_WHOLE, AT(batch), BENCH, 0, "images encoded together, and of a step (default: 8)"},
    {"classes", "N", OPTION_WHOLE, AT(class_count), BENCH, 0, "class prompts (default: 16)"},
    {"repetitions", "R", OPTION_WHOLE, AT(repetitions), BENCH, 0, "times that are taken of each part, after two to warm up (default: 5)"},
    {"cutout", "off|attentive|random", OPTION_CHOICE, AT(cutout), BENCH, 0, "train on the images with holes too, as train does (default: off)"},

    {"method", "orthsr|coop|coop+orthsr", OPTION_CHOICE, AT(method), TRAIN, 0,
     "what is trained, and the defaults of what follows: the adapter, a learned prompt alone, or both (default: orthsr)"},
    {"shots", "K|all", OPTION_WHOLE_OR_WORD, AT(shots), TRAIN, 0, "images drawn of each class (default: 16)"},
    {"classes", "base|new|all", OPTION_CHOICE, AT(classes), TRAIN, 0,
     "classes trained on; base is the first half, rounded up (default: all). Shots are drawn first, over all classes"},
    {"seed", "S", OPTION_WHOLE, AT(seed), TRAIN, 0, "which shots are drawn, the order of the batches, augmentation and CutOut (default: 1)"},
    {"epochs", "N", OPTION_WHOLE, AT(epochs), TRAIN, 0,
     "passes over the shots (default: 5, or as many as make 100 steps but at most 50; with --method coop CoOp's, by the number of shots)"},
    {"batch-size", "N", OPTION_WHOLE, AT(batch_size), TRAIN, 0, "images of a step; 0 = all in one batch (default: 4; with --method coop 32)"},
    {"optimizer", "sgd|adamw|rsgd|radam", OPTION_CHOICE, AT(optimizer), TRAIN, 0,
     "rsgd and radam are Riemannian, for --parametrization manifold and it alone (default: adamw, or radam there)"},
    {"retraction", "qr|cholesky-qr|cayley|polar", OPTION_CHOICE, AT(retraction), TRAIN, 0, "how rsgd and radam stay on the manifold (default: qr)"},
    {"lr", "X", OPTION_REAL, AT(lr), TRAIN, 0, "learning rate; 0 = chosen by optimizer, parametrization and block size, see docs/training.md (default: 0)"},
    {"momentum", "X", OPTION_REAL, AT(momentum), TRAIN, 0, "of sgd and rsgd, in [0, 1)"},
    {"weight-decay", "X", OPTION_REAL, AT(weight_decay), TRAIN, 0, "towards A = I, of sgd and adamw (default: 0.01)"},
    {"schedule", "constant|cosine", OPTION_CHOICE, AT(schedule), TRAIN, 0, "of the learning rate (default: cosine)"},
    {"warmup-epochs", "N", OPTION_WHOLE, AT(warmup_epochs), TRAIN, 0, "first epochs at learning rate 1e-5 (default: 0; with --method coop 1)"},
    {"augment", "none|standard", OPTION_CHOICE, AT(augment), TRAIN, 0,
     "standard: a random part of 8 to 100 % of each image, and a flip in half of the cases, other ones in each epoch (default: none)"},
    {"cutout", "off|attentive|random", OPTION_CHOICE, AT(cutout), TRAIN, 0,
     "train on the images with holes too: over the patches that speak most for the class, or anywhere (default: attentive; with --method coop off)"},
    {"cutout-size", "X", OPTION_REAL, AT(cutout_size), TRAIN | EXPLAIN, 0,
     "side of a hole, as a part of the image's (default: 0.4; with --cutout random 16/224)"},
    {"cutout-holes", "N", OPTION_WHOLE, AT(cutout_holes), TRAIN | EXPLAIN, 0, "holes in an image, 1 to 64 (default: 1)"},
    {"cutout-probability", "X", OPTION_REAL, AT(cutout_probability), TRAIN, 0, "how likely an image has them (default: 1)"},
    {"cutout-fill", "zero|mean|noise", OPTION_CHOICE, AT(cutout_fill), TRAIN, 0, "black, the mean colour, or normal noise (default: zero)"},
    {"cutout-source", "text|attention", OPTION_CHOICE, AT(cutout_source), TRAIN | EXPLAIN, 0,
     "what tells how much a patch speaks: its cosine with the class's text, or the class token's attention (default: text)"},
    {"kl-weight", "X", OPTION_REAL, AT(kl_weight), TRAIN, 0, "weight of the anchor, the KL divergence to the frozen model (default: 1.5; with --cutout off 1)"},
    {"ce-cut-weight", "X", OPTION_REAL, AT(ce_cut_weight), TRAIN, 0, "weight of the cross-entropy of images with holes (default: 1)"},
    {"kl-cut-weight", "X", OPTION_REAL, AT(kl_cut_weight), TRAIN, 0, "weight of the anchor on images with holes (default: 1)"},
    {"kl-direction", "frozen-tuned|tuned-frozen", OPTION_CHOICE, AT(kl_direction), TRAIN, 0, "KL(frozen || tuned) or its reverse (default: frozen-tuned)"},
    {"kl-temperature", "T", OPTION_REAL, AT(kl_temperature), TRAIN, 0, "T squared times the KL of softmax(logits / T) (default: 1)"},
    {"kl-reduction", "batch-mean|mean", OPTION_CHOICE, AT(kl_reduction), TRAIN, 0,
     "the mean over images of the KL, or over images and classes (default: batch-mean)"},
    {"kl-schedule", "constant|cosine", OPTION_CHOICE, AT(kl_schedule), TRAIN, 0,
     "cosine: the anchor's weights fall towards 0 over the epochs (default: constant)"},
    {"kl-confidence", NULL, OPTION_FLAG, AT(kl_confidence), TRAIN, 0,
     "an image's anchor counts times the probability that the frozen model gives to its class"},
    {"frozen-template", "T", OPTION_LIST, AT(frozen_templates), TRAIN, 0,
     "a prompt of the frozen model; repeat it for an ensemble (default: those of --template)"},
    {"targets", "LIST", OPTION_TEXT, AT(targets), TRAIN, 0, "adapted maps, of q,k,v,out,fc1,fc2 (default: fc1,fc2)"},
    {"towers", "LIST", OPTION_TEXT, AT(towers), TRAIN, 0, "adapted towers, of image,text (default: image,text)"},
    {"layers", "LIST", OPTION_TEXT, AT(layers), TRAIN, 0,
     "adapted layers, from 0: \"0-5,11\", \"6-\" (to the last), or for each tower \"image:6-11,text:all\" (default: all)"},
    {"blocks", "R", OPTION_WHOLE, AT(blocks), TRAIN, 0, "blocks of each orthogonal matrix (default: 4)"},
    {"block-size", "B|narrow", OPTION_WHOLE_OR_WORD, AT(block_size), TRAIN, 0,
     "or the size of its blocks; narrow: the smaller of the map's input and output features"},
    {"block-share", NULL, OPTION_FLAG, AT(block_share), TRAIN, 0, "all blocks of a matrix are one block"},
    {"side", "input|output", OPTION_CHOICE, AT(side), TRAIN, 0, "the side of the map that is rotated (default: input)"},
    {"parametrization", "cayley|free|expm|householder|butterfly|manifold", OPTION_CHOICE, AT(parametrization), TRAIN, 0,
     "what A is made of; all are orthogonal but free, a control (default: cayley)"},
    {"reflections", "K", OPTION_WHOLE, AT(reflections), TRAIN, 0, "of --parametrization householder, an even number (default: 8)"},
    {"butterfly-block", "S", OPTION_WHOLE, AT(butterfly_block), TRAIN, 0, "of --parametrization butterfly: size of its small blocks, even (default: 4)"},
    {"butterfly-factors", "M", OPTION_WHOLE, AT(butterfly_factors), TRAIN, 0, "and its factors: S 2^(M-1) divides the block size (default: 2)"},
    {"coft", "EPS", OPTION_REAL, AT(coft), TRAIN, 0,
     "cayley, expm, free: the generator's norm is at most EPS / sqrt(blocks) in every block, or EPS in a shared one; 0 = no bound (default: 0)"},
    {"against", "RUN", OPTION_LIST, AT(against), TRAIN, 0, "scores of this run too, a directory that train wrote, are shown and put on the page; repeatable"},
    {"resume", NULL, OPTION_FLAG, AT(resume), TRAIN, 0,
     "go on from PATH/checkpoint, or from the one before it when that is damaged: the result is that of a run that was never stopped"},
    {"checkpoint-every", "N", OPTION_WHOLE, AT(checkpoint_every), TRAIN, 0,
     "steps between checkpoints; 0: only at the beginning, at the end and when interrupted (default: once an epoch and every minute, but at most 5 % of the time)"},
    {"context-words", "N", OPTION_WHOLE, AT(context_words), TRAIN, 0, "words of the learned prompt, random at first (without it: those of --context-init)"},
    {"context-init", "TEXT", OPTION_TEXT, AT(context_init), TRAIN, 0, "words that the learned prompt begins as (default: \"a photo of a\")"},
    {"context-position", "end|middle|front", OPTION_CHOICE, AT(context_position), TRAIN, 0, "where the class name stands among them (default: end)"},
    {"class-specific", NULL, OPTION_FLAG, AT(class_specific), TRAIN, 0, "learned words for each class by itself; they serve no other class"},
    {"context-lr", "X", OPTION_REAL, AT(context_lr), TRAIN, 0, "learning rate of the learned prompt (default: 0.002 for sgd, 0.001 for adamw)"},
    {"memory-budget", "MIB", OPTION_WHOLE, AT(memory_budget), TRAIN | BENCH, 0,
     "memory for activations: images and prompts are taken in tiles that fit (default: what tiles of a few images take, docs/performance.md)"},

    {"threads", "N", OPTION_WHOLE, AT(threads), COMPUTING | BENCH, 0,
     "threads that share the work; results do not depend on them (default: 0, one for every processor)"},
    {"readers", "N", OPTION_WHOLE, AT(readers), EMBED | TRAIN, 0,
     "threads that read and decode images ahead, beside those (default: 1); results do not depend on them"},
    {"shards", "N", OPTION_WHOLE, AT(shards), TRAIN, 0,
     "parts that a batch is cut into, as several ranks share it; they change results by rounding (default: 1)"},
    {"json", NULL, OPTION_FLAG, AT(json), ALL_COMMANDS, 0, "print one JSON object on stdout and nothing else there"},
    {"help", NULL, OPTION_FLAG, AT(help), ALL_COMMANDS, 0, "print this"},
};
const size_t option_row_count = sizeof option_rows / sizeof option_rows[0];

int wrong_usage(const char *command_name, const char *format, ...) {
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (command_name) terminal_say("orthsr %s: %s; see 'orthsr help %s'", command_name, message, command_name);
    else terminal_say("orthsr: %s; see 'orthsr help'", message);
    return EXIT_USAGE;
}

/* ---- names that are nearly right ---- */

const command *find_command(const char *name) {
    for (const command *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

int unknown_command(const char *name) {
    nearest n;
    nearest_begin(&n, name);
    for (const command *c = commands; c->name; c++) nearest_offer(&n, c->name);
    if (nearest_found(&n)) return wrong_usage(NULL, "unknown command '%s', did you mean '%s'?", name, nearest_found(&n));
    return wrong_usage(NULL, "unknown command '%s'", name);
}

static const option_row *find_row(const char *name) {
    for (size_t i = 0; i < option_row_count; i++)
        if (strcmp(option_rows[i].name, name) == 0) return &option_rows[i];
    return NULL;
}

static const char *nearest_option(const char *name, unsigned bit) {
    nearest n;
    nearest_begin(&n, name);
    for (size_t i = 0; i < option_row_count; i++)
        if (option_rows[i].commands & bit) nearest_offer(&n, option_rows[i].name);
    return nearest_found(&n);
}

/* ---- values ---- */

/* The index of value in "a|b|c", or -1. */
static int find_choice(const char *choices, const char *value) {
    size_t length = strlen(value);
    for (int index = 0; choices && *choices; index++) {
        size_t n = strcspn(choices, "|");
        if (n == length && strncmp(choices, value, n) == 0) return index;
        choices += n + (choices[n] == '|');
    }
    return -1;
}

int choice_count(const option_row *row) {
    int n = 1;
    for (const char *c = row->value; *c; c++) n += *c == '|';
    return n;
}

const char *choice_name(const option_row *row, int index, char *buffer, size_t size) {
    const char *start = row->value;
    for (int i = 0; i < index; i++) start += strcspn(start, "|") + 1;
    snprintf(buffer, size, "%.*s", (int)strcspn(start, "|"), start);
    return buffer;
}

const char *row_word(const option_row *row) { return strchr(row->value, '|') + 1; }

static int parse_choice(int *out, const char *command_name, const option_row *row, const char *value) {
    char names[MOST_CHOICES][32];
    nearest n;
    *out = find_choice(row->value, value);
    if (*out >= 0) return 0;
    nearest_begin(&n, value);
    for (int i = 0; i < choice_count(row) && i < MOST_CHOICES; i++) nearest_offer(&n, choice_name(row, i, names[i], sizeof names[i]));
    if (nearest_found(&n)) return wrong_usage(command_name, "--%s is %s, not '%s'; did you mean %s?", row->name, row->value, value, nearest_found(&n));
    return wrong_usage(command_name, "--%s is %s, not '%s'", row->name, row->value, value);
}

static int parse_whole(whole *out, const char *command_name, const option_row *row, const char *value) {
    const char *word = row->kind == OPTION_WHOLE_OR_WORD ? row_word(row) : NULL;
    if (word && strcmp(value, word) == 0) {
        *out = (whole){1, 0};
        return 0;
    }
    char *end;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    int digits_only = *value && strspn(value, "0123456789") == strlen(value);
    if (!digits_only || errno || *end) return wrong_usage(command_name, "--%s %s is a whole number, not '%s'", row->name, row->value, value);
    if (word && number == 0) return wrong_usage(command_name, "--%s is at least 1, or %s", row->name, word);
    *out = (whole){1, number};
    return 0;
}

static int parse_real(real *out, const char *command_name, const option_row *row, const char *value) {
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end || !isfinite(number)) return wrong_usage(command_name, "--%s %s is a number, not '%s'", row->name, row->value, value);
    *out = (real){1, number};
    return 0;
}

static int append(list *l, const char *command_name, const char *item) {
    const char **grown = realloc(l->items, (l->count + 1) * sizeof *grown);
    if (!grown) return wrong_usage(command_name, "out of memory for arguments");
    l->items = grown;
    l->items[l->count++] = item;
    return 0;
}

static int take(settings *s, const command *c, const option_row *row, const char *value) {
    void *member = (char *)s + row->offset;
    switch (row->kind) {
    case OPTION_FLAG: *(int *)member = 1; return 0;
    case OPTION_TEXT: *(const char **)member = value; return 0;
    case OPTION_LIST:
    case OPTION_FILES: return append(member, c->name, value);
    case OPTION_WHOLE:
    case OPTION_WHOLE_OR_WORD: return parse_whole(member, c->name, row, value);
    case OPTION_REAL: return parse_real(member, c->name, row, value);
    case OPTION_CHOICE: return parse_choice(member, c->name, row, value);
    }
    return 0;
}

/* ---- the command line ---- */

static int unknown_option(const command *c, const char *argument) {
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(argument + strspn(argument, "-"), "="), argument + strspn(argument, "-"));
    const option_row *row = find_row(name);
    if (row && row->commands & c->bit) return wrong_usage(c->name, "--%s takes no value", name);
    if (row) return wrong_usage(c->name, "--%s is no option of this command", name);
    const char *near = nearest_option(name, c->bit);
    if (near) return wrong_usage(c->name, "unknown option '%s', did you mean --%s?", argument, near);
    return wrong_usage(c->name, "unknown option '%s'", argument);
}

static int check_arguments(const settings *s, const command *c) {
    for (size_t i = 0; i < option_row_count; i++) {
        const option_row *row = &option_rows[i];
        if (!(row->required & c->bit)) continue;
        const void *member = (const char *)s + row->offset;
        int given = row->kind == OPTION_LIST     ? ((const list *)member)->count > 0
                    : row->kind == OPTION_CHOICE ? *(const int *)member >= 0
                                                 : *(const char *const *)member != NULL;
        if (!given) return wrong_usage(c->name, "--%s %s is missing", row->name, row->value);
    }
    if (s->positional.count > 0 && !c->arguments) return wrong_usage(c->name, "what is '%s' for? This command takes options only", s->positional.items[0]);
    if (s->positional.count > 2 && c->bit == DATA) return wrong_usage(c->name, "one data set at a time, not also '%s'", s->positional.items[2]);
    if (s->positional.count > 1 && c->bit != DATA && c->bit != REPORT)
        return wrong_usage(c->name, "one %s at a time, not also '%s'", c->arguments, s->positional.items[1]);
    if (s->adapters.count > 1 && c->bit & ONE_ADAPTER)
        return wrong_usage(c->name, "one --adapter at a time%s", c->bit == CONVERT ? "" : "; take the result as --model for the next one");
    for (size_t i = 0; i < s->templates.count; i++)
        if (s->templates.items[i][0] != '@' && !strstr(s->templates.items[i], "{}"))
            return wrong_usage(c->name, "--template '%s' has no {} for the class name", s->templates.items[i]);
    return 0;
}

static int unknown_templates(const command *c, const char *name, const char *message) {
    nearest n;
    nearest_begin(&n, name);
    for (size_t i = 0; orthsr_template_preset_name(i); i++) nearest_offer(&n, orthsr_template_preset_name(i));
    if (nearest_found(&n)) return wrong_usage(c->name, "there are no templates called '@%s', did you mean @%s?", name, nearest_found(&n));
    return wrong_usage(c->name, "@%s: %s", name, message);
}

/* "@NAME" becomes the templates of that name, which are static. */
static int expand_templates(list *l, const command *c) {
    list given = *l;
    *l = (list){NULL, 0};
    int code = 0;
    for (size_t i = 0; i < given.count && code == 0; i++) {
        const char *const *templates = &given.items[i];
        size_t count = 1;
        orthsr_error error;
        int named = given.items[i][0] == '@' && !strstr(given.items[i], "{}");
        if (named && orthsr_template_preset(given.items[i] + 1, &templates, &count, &error) != ORTHSR_OK)
            code = unknown_templates(c, given.items[i] + 1, error.message);
        for (size_t t = 0; t < count && code == 0; t++) code = append(l, c->name, templates[t]);
    }
    free(given.items);
    return code;
}

static size_t fill_long_options(struct option *out, const command *c) {
    size_t n = 0;
    for (size_t i = 0; i < option_row_count; i++) {
        const option_row *row = &option_rows[i];
        int takes_value = row->kind != OPTION_FLAG;
        if (row->commands & c->bit) out[n++] = (struct option){row->name, takes_value ? required_argument : no_argument, NULL, 256 + (int)i};
    }
    out[n] = (struct option){NULL, 0, NULL, 0};
    return n;
}

/* One result of getopt_long. *files is the list that plain arguments belong to at the moment. */
static int take_result(settings *s, const command *c, int result, list **files, char **argv) {
    if (result == 1) return append(*files, c->name, optarg);
    *files = &s->positional;
    if (result == ':') return wrong_usage(c->name, "%s needs a value", argv[optind - 1]);
    if (result == 'h') {
        s->help = 1;
        return 0;
    }
    if (result == '?' && optopt > 0 && optopt < 256) return wrong_usage(c->name, "unknown option '-%c'", optopt);
    if (result == '?') return unknown_option(c, argv[optind - 1]);
    const option_row *row = &option_rows[result - 256];
    if (row->kind == OPTION_FILES) *files = (list *)((char *)s + row->offset);
    return take(s, c, row, optarg);
}

int settings_parse(settings *s, const command *c, int argc, char **argv) {
    *s = (settings){.command = c,
                    .argc = argc,
                    .argv = argv,
                    .method = -1,
                    .classes = -1,
                    .protocol = -1,
                    .optimizer = -1,
                    .retraction = -1,
                    .schedule = -1,
                    .augment = -1,
                    .cutout = -1,
                    .cutout_fill = -1,
                    .cutout_source = -1,
                    .kl_reduction = -1,
                    .kl_schedule = -1,
                    .kl_direction = -1,
                    .side = -1,
                    .parametrization = -1,
                    .interpolation = -1,
                    .to = -1,
                    .dtype = -1,
                    .context_position = -1,
                    .part = -1,
                    .config = -1};
    struct option long_options[sizeof option_rows / sizeof option_rows[0] + 1];
    fill_long_options(long_options, c);
    list *files = &s->positional;
    int result, code = 0;
    opterr = 0;
    while (code == 0 && (result = getopt_long(argc, argv, "-:h", long_options, NULL)) != -1) code = take_result(s, c, result, &files, argv);
    for (; code == 0 && optind < argc; optind++) code = append(files, c->name, argv[optind]); /* after "--" */
    if (code == 0 && !s->help) code = check_arguments(s, c);
    if (code == 0 && !s->help) code = expand_templates(&s->templates, c);
    if (code == 0 && !s->help) code = expand_templates(&s->frozen_templates, c);
    return code;
}

size_t budget_bytes(const settings *s) { return s->memory_budget.value > SIZE_MAX >> 20 ? SIZE_MAX : (size_t)s->memory_budget.value << 20; }

void settings_free(settings *s) {
    free(s->positional.items);
    for (size_t i = 0; i < option_row_count; i++) {
        const option_row *row = &option_rows[i];
        if (row->kind != OPTION_LIST && row->kind != OPTION_FILES) continue;
        list *l = (list *)(void *)((char *)s + row->offset);
        free(l->items);
        *l = (list){0}; /* several rows have the same */
    }
}
