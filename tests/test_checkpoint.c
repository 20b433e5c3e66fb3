/* test_checkpoint.c - stopped and gone on with, a run comes to the same bits; checkpoints of other runs, damaged and hostile ones are refused, and change
 * nothing. */
#include <sys/stat.h>
#include <zlib.h>

#include "io/sections.h"
#include "util/runs.h"

/* Saved between two epochs, within one, at the beginning and at the end, and gone on with by objects that are all new, with another number of threads. */
START_TEST(goes_on_to_the_same_bits) {
    const kind *k = &KINDS[_i];
    if (short_run() && _i % 5 != 0) return;
    static const size_t places[] = {PER_EPOCH, 1, 0, PER_EPOCH + 2, STEPS};
    char *text;
    for (size_t i = 0; i < (short_run() ? 2 : sizeof places / sizeof places[0]); i++) {
        size_t at = places[i];
        run straight = run_new(k, 1), resumed = run_new(k, 2);
        steps(&straight, at);
        ck_ok(orthsr_trainer_save(straight.trainer, scratch_file("run"), "a line\nof mine", &error));
        ck_ok(orthsr_trainer_load(resumed.trainer, scratch_file("run"), &text, &error));
        ck_assert_str_eq(text, "a line\nof mine");
        orthsr_free(text);
        expect_same(&straight, &resumed, k->name);
        for (size_t step = at; step < STEPS; step++) {
            steps(&straight, 1);
            steps(&resumed, 1);
            expect_same(&straight, &resumed, k->name);
        }
        ck_fails(orthsr_trainer_step(resumed.trainer, &error), ORTHSR_ERROR_ARGUMENT, "done");
        run_free(&straight);
        run_free(&resumed);
    }
}
END_TEST

/* A trainer that has already made steps, and other ones, goes where the checkpoint is; and back. */
START_TEST(loads_over_anything) {
    run a = run_new(&KINDS[16], 1), b = run_new(&KINDS[16], 1);
    steps(&a, 4);
    ck_ok(orthsr_trainer_save(a.trainer, scratch_file("four"), NULL, &error));
    steps(&b, 7);
    ck_ok(orthsr_trainer_load(b.trainer, scratch_file("four"), NULL, &error));
    expect_same(&a, &b, "back to the fourth step");
    char *text;
    ck_ok(orthsr_trainer_load(b.trainer, scratch_file("four"), &text, &error));
    ck_assert_str_eq(text, "");
    orthsr_free(text);
    steps(&a, 2);
    steps(&b, 2);
    expect_same(&a, &b, "two steps on");
    run_free(&a);
    run_free(&b);
}
END_TEST

/* ---- other runs ---------------------------------------------------------------------------------------------------------------------------- */

static const kind PLAIN = {.name = "plain", .adapter = true, .optimizer = ORTHSR_ADAMW},
                  PROMPTED = {.name = "prompted", .adapter = true, .prompt = 1, .optimizer = ORTHSR_ADAMW};

/* A run that differs in one thing from the one that was saved as "base", does not go on from it, and is as it was. */
static void expect_refusal(run *r, const char *text) {
    run_start(r);
    steps(r, 1);
    orthsr_trainer t = *r->trainer;
    float *parameters = r->adapter ? malloc(r->adapter->parameter_count * sizeof *parameters) : NULL;
    if (parameters) memcpy(parameters, r->adapter->factors.parameters, r->adapter->parameter_count * sizeof *parameters);
    ck_fails(orthsr_trainer_load(r->trainer, scratch_file("base"), NULL, &error), ORTHSR_ERROR_MISMATCH, text);
    ck_assert_ptr_nonnull(strstr(error.message, "is of another run: "));
    ck_assert_uint_eq(r->trainer->step, t.step);
    ck_assert_mem_eq(r->trainer->metric, t.metric, sizeof t.metric);
    if (parameters) ck_assert_mem_eq(r->adapter->factors.parameters, parameters, r->adapter->parameter_count * sizeof *parameters);
    free(parameters);
    steps(r, 1);
    run_free(r);
}

static void save_base(const kind *k) {
    run base = run_new(k, 1);
    steps(&base, 2);
    ck_ok(orthsr_trainer_save(base.trainer, scratch_file("base"), NULL, &error));
    run_free(&base);
}

/* Sets one option of the trainer. */
typedef struct change {
    orthsr_status (*size)(orthsr_trainer_options *, size_t, orthsr_error *);
    orthsr_status (*real)(orthsr_trainer_options *, float, orthsr_error *);
    float value;
    const char *text;
} change;

static const change CHANGES[] = {
    {orthsr_trainer_options_set_epochs, NULL, 4, "epochs is 3 there and 4 here"},
    {orthsr_trainer_options_set_batch_size, NULL, 6, "batch size is 5 there and 6 here"},
    {orthsr_trainer_options_set_warmup_epochs, NULL, 1, "warm-up epochs is 0 there and 1 here"},
    {orthsr_trainer_options_set_cutout_holes, NULL, 2, "CutOut's holes is 1 there and 2 here"},
    {NULL, orthsr_trainer_options_set_learning_rate, 1e-3f, "learning rate is the default there and 0.001 here"},
    {NULL, orthsr_trainer_options_set_context_learning_rate, 1, "context's learning rate is the default there and 1 here"},
    {NULL, orthsr_trainer_options_set_momentum, 0.5f, "momentum is 0.9 there and 0.5 here"},
    {NULL, orthsr_trainer_options_set_weight_decay, 0.5f, "weight decay is 0.01 there and 0.5 here"},
    {NULL, orthsr_trainer_options_set_kl_weight, 2, "KL weight is 1 there and 2 here"},
    {NULL, orthsr_trainer_options_set_ce_cut_weight, 2, "cut cross-entropy's weight is 1 there and 2 here"},
    {NULL, orthsr_trainer_options_set_kl_cut_weight, 2, "cut KL's weight is 1 there and 2 here"},
    {NULL, orthsr_trainer_options_set_kl_temperature, 2, "KL temperature is 1 there and 2 here"},
    {NULL, orthsr_trainer_options_set_cutout_size, 0.5f, "CutOut's size is 0.4 there and 0.5 here"},
    {NULL, orthsr_trainer_options_set_cutout_probability, 0.5f, "CutOut's probability is 1 there and 0.5 here"},
};

START_TEST(another_option) {
    save_base(&PLAIN);
    for (size_t i = 0; i < sizeof CHANGES / sizeof CHANGES[0]; i++) {
        run r = run_prepare(&PLAIN, 1);
        if (CHANGES[i].size) ck_ok(CHANGES[i].size(r.options, (size_t)CHANGES[i].value, &error));
        else ck_ok(CHANGES[i].real(r.options, CHANGES[i].value, &error));
        expect_refusal(&r, CHANGES[i].text);
    }
    run r = run_prepare(&PLAIN, 1);
    ck_ok(orthsr_trainer_options_set_seed(r.options, (uint64_t)1 << 40, &error));
    expect_refusal(&r, "seed is 3 there and 1099511627776 here");
    r = run_prepare(&PLAIN, 1);
    ck_ok(orthsr_trainer_options_set_optimizer(r.options, ORTHSR_SGD, &error));
    expect_refusal(&r, "optimizer is adamw there and sgd here");
    r = run_prepare(&PLAIN, 1);
    ck_ok(orthsr_trainer_options_set_schedule(r.options, ORTHSR_SCHEDULE_CONSTANT, &error));
    expect_refusal(&r, "schedule is cosine there and constant here");
    r = run_prepare(&PLAIN, 1);
    ck_ok(orthsr_trainer_options_set_kl_schedule(r.options, ORTHSR_SCHEDULE_COSINE, &error));
    expect_refusal(&r, "KL schedule is constant there and cosine here");
    r = run_prepare(&PLAIN, 1);
    ck_ok(orthsr_trainer_options_set_kl_direction(r.options, ORTHSR_KL_TUNED_FROZEN, &error));
    expect_refusal(&r, "KL direction is frozen-tuned there and tuned-frozen here");
    r = run_prepare(&PLAIN, 1);
    ck_ok(orthsr_trainer_options_set_kl_reduction(r.options, ORTHSR_KL_MEAN, &error));
    expect_refusal(&r, "KL reduction is batch-mean there and mean here");
    r = run_prepare(&PLAIN, 1);
    ck_ok(orthsr_trainer_options_set_kl_confidence(r.options, 1, &error));
    expect_refusal(&r, "KL confidence is off there and on here");
    r = run_prepare(&PLAIN, 1);
    ck_ok(orthsr_trainer_options_set_augmentation(r.options, ORTHSR_AUGMENT_STANDARD, &error));
    expect_refusal(&r, "augmentation is none there and standard here");
    r = run_prepare(&PLAIN, 1);
    ck_ok(orthsr_trainer_options_set_cutout_source(r.options, ORTHSR_CUTOUT_ATTENTION, &error));
    expect_refusal(&r, "CutOut's source is text there and attention here");
    r = run_prepare(&PLAIN, 1);
    ck_ok(orthsr_trainer_options_set_cutout_fill(r.options, ORTHSR_CUTOUT_MEAN, &error));
    expect_refusal(&r, "CutOut's filling is zero there and mean here");
    r = run_prepare(&PLAIN, 1);
    ck_ok(orthsr_trainer_options_set_cutout(r.options, ORTHSR_CUTOUT_RANDOM, &error));
    expect_refusal(&r, "KL weight is 1 there and 1.5 here"); /* which follows from it */
    r = run_prepare(&PLAIN, 1);
    ck_ok(orthsr_trainer_options_set_kl_weight(r.options, 1, &error));
    ck_ok(orthsr_trainer_options_set_cutout(r.options, ORTHSR_CUTOUT_RANDOM, &error));
    expect_refusal(&r, "CutOut is off there and random here");
    static const char *const templates[] = {"a photo of a {}.", "{}"};
    r = run_prepare(&PLAIN, 1);
    ck_ok(orthsr_trainer_options_set_templates(r.options, templates, 2, &error));
    expect_refusal(&r, "templates is 1 there and 2 here");
    r = run_prepare(&PLAIN, 1);
    ck_ok(orthsr_trainer_options_set_frozen_templates(r.options, templates + 1, 1, &error));
    expect_refusal(&r, "frozen templates is 0 there and 1 here");
    r = run_prepare(&PROMPTED, 1);
    expect_refusal(&r, "context words is 0 there and 2 here");
}
END_TEST

/* What changes no number may change: threads, and, to rounding, the budget. */
START_TEST(what_may_differ) {
    save_base(&PLAIN);
    run r = run_prepare(&PLAIN, 3);
    ck_ok(orthsr_trainer_options_set_memory_budget(r.options, 1 << 20, &error));
    run_start(&r);
    ck_ok(orthsr_trainer_load(r.trainer, scratch_file("base"), NULL, &error));
    steps(&r, 1);
    run_free(&r);
}
END_TEST

START_TEST(another_adapter) {
    static const struct {
        kind kind;
        const char *text;
    } others[] = {
        {{.name = "", .adapter = true, .optimizer = ORTHSR_ADAMW, .parametrization = ORTHSR_EXPM}, "parametrization is cayley there and expm here"},
        {{.name = "", .adapter = true, .optimizer = ORTHSR_ADAMW, .output = true}, "side is input there and output here"},
        {{.name = "", .adapter = true, .optimizer = ORTHSR_ADAMW, .coft = 0.5f}, "COFT is off there and 0.5 here"},
        {{.name = "", .adapter = true, .optimizer = ORTHSR_ADAMW, .share = true}, "2 blocks of 16, 2 of them distinct, scale 00000000) there and image.0.fc1"},
    };
    save_base(&PLAIN);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        run r = run_prepare(&others[i].kind, 1);
        expect_refusal(&r, others[i].text);
    }
    run r = run_prepare(&PLAIN, 1);
    float scale[256];
    for (size_t i = 0; i < 256; i++) scale[i] = 1.01f;
    ck_ok(orthsr_adapter_set_scale(r.adapter, 0, scale, &error));
    expect_refusal(&r, "target 0 is image.0.fc1");
    r = run_prepare(&PLAIN, 1);
    orthsr_adapter_options *options;
    ck_ok(orthsr_adapter_options_new(&options, &error));
    ck_ok(orthsr_adapter_options_set_blocks(options, 2, &error));
    ck_ok(orthsr_adapter_options_set_layers(options, "1-", &error));
    orthsr_adapter_free(r.adapter);
    ck_ok(orthsr_model_adapter(r.model, &r.adapter, options, &error));
    orthsr_adapter_options_free(options);
    expect_refusal(&r, "targets is 8 there and 4 here");
}
END_TEST

START_TEST(another_prompt) {
    save_base(&PROMPTED);
    kind specific = PROMPTED;
    specific.prompt = 2;
    run r = run_prepare(&specific, 1);
    expect_refusal(&r, "");
    r = run_prepare(&PROMPTED, 1);
    r.prompt->position = ORTHSR_CLASS_MIDDLE;
    expect_refusal(&r, "");
    kind alone = PROMPTED;
    alone.adapter = 0;
    r = run_prepare(&alone, 1);
    expect_refusal(&r, "targets is 8 there and 0 here");
}
END_TEST

START_TEST(another_model) {
    save_base(&PLAIN);
    run r = run_prepare(&PLAIN, 1);
    r.model->fingerprint[8] ^= 1;
    expect_refusal(&r, "model is orthsr1:");
    r = run_prepare(&PLAIN, 1);
    snprintf(r.model->preprocessing, sizeof r.model->preprocessing, "another");
    expect_refusal(&r, "there and another here");
}
END_TEST

/* A dataset of the fixture's pixels, one byte of one of them changed; names and labels of the caller's. */
static void replace_data(run *r, size_t items, bool touched, const char *const *names, int shifted) {
    size_t bytes = TINY_ITEMS * TINY_SIZE * TINY_SIZE * 3;
    uint8_t *pixels = malloc(bytes);
    int32_t labels[TINY_ITEMS];
    memcpy(pixels, fixture_raw(&r->f, "images", 1, NULL), bytes);
    pixels[5 * TINY_SIZE * TINY_SIZE * 3 + 7] ^= touched;
    for (size_t i = 0; i < TINY_ITEMS; i++) labels[i] = (int32_t)((i + (size_t)shifted) % 3);
    orthsr_dataset_free(r->dataset);
    ck_ok(orthsr_dataset_new(&r->dataset, pixels, items, TINY_SIZE, TINY_SIZE, 3, labels, names, TINY_CLASSES, &error));
    free(pixels);
}

START_TEST(other_data) {
    static const char *const others[] = {"cat", "dog", "shoe"};
    save_base(&PLAIN);
    run r = run_prepare(&PLAIN, 1);
    replace_data(&r, 11, false, tiny_names, 0);
    expect_refusal(&r, "items is 12 there and 11 here");
    r = run_prepare(&PLAIN, 1);
    replace_data(&r, 12, true, tiny_names, 0);
    expect_refusal(&r, "item 5 is index 5 (class 2, content ");
    r = run_prepare(&PLAIN, 1);
    replace_data(&r, 12, false, tiny_names, 1);
    expect_refusal(&r, "item 0 is index 0 (class 0, content ");
    r = run_prepare(&PLAIN, 1);
    replace_data(&r, 12, false, others, 0);
    expect_refusal(&r, "class 2 is t-shirt there and shoe here");
    r = run_prepare(&PLAIN, 1);
    replace_data(&r, 12, false, tiny_names, 0);
    run_start(&r);
    ck_ok(orthsr_trainer_load(r.trainer, scratch_file("base"), NULL, &error)); /* the labels and pixels of the fixture */
    run_free(&r);
}
END_TEST

/* Folders of images: they may move, but neither be renamed nor change. */
static void copy_images(const char *to, const char *second) {
    static const char *const images[] = {"palette2.png", "gray8.png"};
    char command[1024];
    snprintf(command, sizeof command, "mkdir -p '%s'/a '%s'/b && cp tests/data/images/%s '%s'/a/0.png && cp tests/data/images/%s '%s'/b/%s", to, to, images[0],
             to, images[1], to, second);
    ck_assert_int_eq(system(command), 0);
}

static void load_folder(const char *folder, orthsr_status expected, const char *text) {
    run r = run_prepare(&PLAIN, 1);
    orthsr_dataset_free(r.dataset);
    ck_ok(orthsr_dataset_open(&r.dataset, folder, NULL, &error));
    run_start(&r);
    if (!text) ck_ok(orthsr_trainer_save(r.trainer, scratch_file("base"), NULL, &error));
    else if (expected == ORTHSR_OK) ck_ok(orthsr_trainer_load(r.trainer, scratch_file("base"), NULL, &error));
    else ck_fails(orthsr_trainer_load(r.trainer, scratch_file("base"), NULL, &error), expected, text);
    run_free(&r);
}

START_TEST(folders) {
    char one[256], two[256], three[256];
    snprintf(one, sizeof one, "%s", scratch_file("one"));
    snprintf(two, sizeof two, "%s", scratch_file("two/deeper"));
    snprintf(three, sizeof three, "%s", scratch_file("three"));
    copy_images(one, "1.png");
    copy_images(two, "1.png");
    copy_images(three, "2.png");
    load_folder(one, ORTHSR_OK, NULL);
    load_folder(two, ORTHSR_OK, "");
    load_folder(three, ORTHSR_ERROR_MISMATCH, "item 1 is b/1.png (class 1, content ");
    char command[600];
    snprintf(command, sizeof command, "cp tests/data/images/palette2.png '%s'/b/1.png", two);
    ck_assert_int_eq(system(command), 0);
    load_folder(two, ORTHSR_ERROR_MISMATCH, "item 1 is b/1.png (class 1, content ");
}
END_TEST

/* ---- files -------------------------------------------------------------------------------------------------------------------------------- */

static uint8_t *read_file(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size + 1);
    ck_assert_uint_eq(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

static void write_file(const char *path, const uint8_t *bytes, size_t size) {
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
    ck_assert_int_eq(fclose(f), 0);
}

/* A run of little state: a prompt of two words. */
static const kind SMALL = {.name = "small", .prompt = 1, .optimizer = ORTHSR_ADAMW};

/* Cut off anywhere, or with any byte changed, a file is no checkpoint, and loading it changes nothing. */
START_TEST(damaged) {
    run r = run_new(&SMALL, 1), same = run_new(&SMALL, 1);
    steps(&r, 4);
    steps(&same, 4);
    char path[256];
    snprintf(path, sizeof path, "%s", scratch_file("small"));
    ck_ok(orthsr_trainer_save(r.trainer, path, "text", &error));
    size_t size, stride = short_run() ? 131 : 1;
    uint8_t *bytes = read_file(path, &size);
    for (size_t n = 0; n < size; n += stride) {
        write_file(path, bytes, n);
        ck_fails(orthsr_trainer_load(r.trainer, path, NULL, &error), ORTHSR_ERROR_FORMAT, "small'");
    }
    for (size_t i = 0; i < size; i += stride)
        for (unsigned flip = 0; flip < 2; flip++) {
            uint8_t kept = bytes[i];
            bytes[i] ^= (uint8_t)(flip ? 0xffu : 1u << i % 8);
            write_file(path, bytes, size);
            ck_fails(orthsr_trainer_load(r.trainer, path, NULL, &error), ORTHSR_ERROR_FORMAT, "small'");
            bytes[i] = kept;
        }
    bytes[size] = 0;
    write_file(path, bytes, size + 1);
    ck_fails(orthsr_trainer_load(r.trainer, path, NULL, &error), ORTHSR_ERROR_FORMAT, "goes on behind its end by 1 bytes");
    expect_same(&r, &same, "after failed loads");
    write_file(path, bytes, size);
    ck_ok(orthsr_trainer_load(r.trainer, path, NULL, &error));
    expect_same(&r, &same, "after loading itself");
    free(bytes);
    run_free(&r);
    run_free(&same);
}
END_TEST

/* A file put together by hand, each piece with the checksum that belongs to it. */
typedef struct forgery {
    uint8_t bytes[4096];
    size_t size;
    uLong crc;
} forgery;

static void number(uint8_t *to, uint64_t value, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = (uint8_t)(value >> 8 * i);
}

static void piece(forgery *f, const void *bytes, size_t n) {
    memcpy(f->bytes + f->size, bytes, n);
    f->crc = crc32(f->crc, bytes, (uInt)n);
    number(f->bytes + f->size + n, f->crc, 4);
    f->size += n + 4;
}

static forgery forge(uint32_t version, uint32_t count) {
    forgery f = {.crc = crc32(0, NULL, 0)};
    uint8_t head[16] = {0x89, 'O', 'C', 'P', '\r', '\n', 0x1a, '\n'};
    number(head + 8, version, 4);
    number(head + 12, count, 4);
    piece(&f, head, sizeof head);
    return f;
}

static void section(forgery *f, const char *name, uint64_t size) {
    uint8_t head[24] = {0};
    memcpy(head, name, strnlen(name, 16));
    number(head + 16, size, 8);
    piece(f, head, sizeof head);
}

static void block(forgery *f, const void *packed, uint32_t size) {
    uint8_t bytes[2048];
    number(bytes, size, 4);
    memcpy(bytes + 4, packed, size);
    piece(f, bytes, 4 + size);
}

static void expect_bad(const forgery *f, orthsr_status status, const char *text) {
    orthsr__sections sections;
    write_file(scratch_file("forged"), f->bytes, f->size);
    ck_fails(orthsr__sections_open(&sections, scratch_file("forged"), SIZE_MAX, &error), status, text);
}

/* What a checksum does not catch, for it was made to fit. Sizes that no such file can have are refused before anything is made by them. */
START_TEST(hostile_files) {
    orthsr__sections sections;
    forgery f = forge(1, 0);
    write_file(scratch_file("forged"), f.bytes, f.size);
    ck_ok(orthsr__sections_open(&sections, scratch_file("forged"), SIZE_MAX, &error)); /* the forger knows the format */
    ck_fails(orthsr__sections_read(NULL, 0, &sections, "run", &error), ORTHSR_ERROR_FORMAT, "has no section 'run'");
    orthsr__sections_close(&sections);
    f = forge(2, 0);
    expect_bad(&f, ORTHSR_ERROR_UNSUPPORTED, "has format version 2, this library reads 1");
    f = forge(0, 0);
    expect_bad(&f, ORTHSR_ERROR_UNSUPPORTED, "has format version 0, this library reads 1");
    f = forge(1, 33);
    expect_bad(&f, ORTHSR_ERROR_FORMAT, "has 33 sections, more than 32");
    f = forge(1, 1);
    expect_bad(&f, ORTHSR_ERROR_FORMAT, "the head of a section ends early");
    static const char *const names[] = {"", "a b", "\x7f", "a\0b"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        f = forge(1, 1);
        uint8_t head[24] = {0};
        memcpy(head, names[i], i == 3 ? 3 : strlen(names[i]));
        piece(&f, head, sizeof head);
        expect_bad(&f, ORTHSR_ERROR_FORMAT, "the head of a section is");
    }
    f = forge(1, 2);
    section(&f, "run", 0);
    section(&f, "run", 0);
    expect_bad(&f, ORTHSR_ERROR_FORMAT, "section 'run' is there twice");
    static const uint64_t sizes[] = {1, (uint64_t)1 << 40, UINT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        f = forge(1, 1);
        section(&f, "a_name_of_16_byt", sizes[i]);
        expect_bad(&f, ORTHSR_ERROR_FORMAT, "section 'a_name_of_16_byt' ends early");
    }
    uint8_t packed[2044];
    uLongf length = sizeof packed;
    uint8_t *zeros = calloc(1 << 20, 1);
    ck_assert_int_eq(compress2(packed, &length, zeros, 1 << 20, 9), Z_OK); /* 1 MiB in 1037 bytes: the best there is */
    ck_assert_uint_lt(length, 1060);
    f = forge(1, 1);
    section(&f, "run", (1 << 20) + 1);
    block(&f, packed, (uint32_t)length);
    expect_bad(&f, ORTHSR_ERROR_FORMAT, "section 'run' ends early");
    f = forge(1, 1);
    section(&f, "run", 1 << 20);
    block(&f, packed, 1000);
    expect_bad(&f, ORTHSR_ERROR_FORMAT, "section 'run' is not what was written"); /* so few bytes cannot hold a block */
    f = forge(1, 1);
    section(&f, "run", (1 << 20) - 1); /* more comes out than is said */
    block(&f, packed, (uint32_t)length);
    write_file(scratch_file("forged"), f.bytes, f.size);
    ck_ok(orthsr__sections_open(&sections, scratch_file("forged"), SIZE_MAX, &error));
    ck_fails(orthsr__sections_read(zeros, (1 << 20) - 1, &sections, "run", &error), ORTHSR_ERROR_FORMAT, "does not unpack");
    ck_fails(orthsr__sections_read(zeros, 5, &sections, "run", &error), ORTHSR_ERROR_FORMAT, "has 1048575 bytes, it must have 5");
    size_t size;
    ck_fails(orthsr__sections_size(&size, &sections, "run", 100, &error), ORTHSR_ERROR_FORMAT, "more than 100");
    orthsr__sections_close(&sections);
    f = forge(1, 1);
    section(&f, "run", 1 << 20); /* bytes behind the packed ones */
    memset(packed + length, 1, 9);
    block(&f, packed, (uint32_t)length + 9);
    write_file(scratch_file("forged"), f.bytes, f.size);
    ck_ok(orthsr__sections_open(&sections, scratch_file("forged"), SIZE_MAX, &error));
    ck_fails(orthsr__sections_read(zeros, 1 << 20, &sections, "run", &error), ORTHSR_ERROR_FORMAT, "does not unpack");
    orthsr__sections_close(&sections);
    free(zeros);
    ck_fails(orthsr__sections_open(&sections, scratch_file("forged"), 1000, &error), ORTHSR_ERROR_FORMAT, "forged'");
    ck_fails(orthsr__sections_open(&sections, TINY_MODEL "/trajectory.safetensors", SIZE_MAX, &error), ORTHSR_ERROR_FORMAT, "is not a checkpoint");
    ck_fails(orthsr__sections_open(&sections, scratch_file("nowhere"), SIZE_MAX, &error), ORTHSR_ERROR_IO, "nowhere");
    ck_fails(orthsr__sections_open(&sections, scratch_directory(), SIZE_MAX, &error), ORTHSR_ERROR_IO, "not a regular file");
}
END_TEST

/* Sections of several blocks, and none. */
START_TEST(sections_come_back) {
    size_t n = 2 * ORTHSR__SECTION_BLOCK + 12345;
    float *numbers = floats(n / 4 + 1, 1, 5);
    uint8_t *back = malloc(n);
    const orthsr__section written[] = {{"numbers", numbers, n}, {"nothing", NULL, 0}, {"block", numbers, ORTHSR__SECTION_BLOCK}};
    orthsr__sections read;
    ck_ok(orthsr__sections_write(scratch_file("sections"), NULL, written, 3, &error));
    ck_ok(orthsr__sections_open(&read, scratch_file("sections"), SIZE_MAX, &error));
    for (size_t i = 0; i < 3; i++) {
        size_t size;
        ck_ok(orthsr__sections_size(&size, &read, written[i].name, n, &error));
        ck_assert_uint_eq(size, written[i].size);
        ck_ok(orthsr__sections_read(back, size, &read, written[i].name, &error));
        expect_same_bytes(back, written[i].data, size, written[i].name, "sections");
    }
    orthsr__sections_close(&read);
    free(numbers);
    free(back);
}
END_TEST

/* A checkpoint of r with one section replaced. */
static void save_with(const run *r, const char *name, const void *data, size_t size) {
    ck_ok(orthsr_trainer_save(r->trainer, scratch_file("whole"), NULL, &error));
    orthsr__sections whole;
    orthsr__section sections[ORTHSR__MAX_SECTIONS];
    size_t count = 0;
    ck_ok(orthsr__sections_open(&whole, scratch_file("whole"), SIZE_MAX, &error));
    for (size_t i = 0; i < whole.count; i++) {
        const orthsr__packed *from = &whole.list[i];
        bool replaced = strcmp(from->name, name) == 0;
        uint8_t *own = malloc((size_t)from->size + 1);
        ck_ok(orthsr__sections_read(own, (size_t)from->size, &whole, from->name, &error));
        sections[count++] = (orthsr__section){from->name, replaced ? data : own, replaced ? size : (size_t)from->size};
        if (replaced) free(own);
        if (replaced && !data) count--;
    }
    ck_ok(orthsr__sections_write(scratch_file("changed"), NULL, sections, count, &error));
    for (size_t i = 0; i < count; i++)
        if (sections[i].data != data) free((void *)sections[i].data);
    orthsr__sections_close(&whole);
}

static void expect_bad_section(const run *r, const char *name, const void *data, size_t size, const char *text) {
    save_with(r, name, data, size);
    ck_fails(orthsr_trainer_load(r->trainer, scratch_file("changed"), NULL, &error), ORTHSR_ERROR_FORMAT, text);
}

/* Of the right form, with content that no run has. */
START_TEST(hostile_content) {
    static const char *const names[] = {"run", "state", "parameters", "moments", "matrix_moments", "context", "context_moments", "text"};
    const kind *kinds[] = {&KINDS[16], &KINDS[17]};
    run a = run_new(kinds[0], 1), m = run_new(kinds[1], 1), same = run_new(kinds[0], 1);
    steps(&a, 2);
    steps(&m, 2);
    steps(&same, 2);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "has no section '%s'", names[i]);
        expect_bad_section(&a, names[i], NULL, 0, text);
        if (i > 0 && i < 7) expect_bad_section(&a, names[i], "123", 3, "it must have ");
    }
    expect_bad_section(&a, "run", "release", 7, "does not end");
    expect_bad_section(&a, "run", "release", 8, "is not one that this release writes");
    expect_bad_section(&a, "run", "beginning\0now", 14, "is not one that this release writes");
    save_with(&a, "run",
              "release\0"
              "0.0.9",
              14);
    ck_fails(orthsr_trainer_load(a.trainer, scratch_file("changed"), NULL, &error), ORTHSR_ERROR_MISMATCH, "release is 0.0.9 there and ");

    uint64_t state[1 + ORTHSR__METRICS] = {STEPS + 1};
    expect_bad_section(&a, "state", state, sizeof state, "step 10 of a run of 9");
    state[0] = UINT64_MAX;
    expect_bad_section(&a, "state", state, sizeof state, "step 18446744073709551615 of a run of 9");
    state[0] = 2;
    state[3] = (uint64_t)0x7ff8 << 48;
    expect_bad_section(&a, "state", state, sizeof state, "a metric is not finite");

    size_t n = a.adapter->parameter_count;
    float *values = calloc(2 * n, sizeof *values);
    values[n - 1] = NAN;
    expect_bad_section(&a, "parameters", values, n * sizeof *values, "section 'parameters' has a value that is not finite");
    expect_bad_section(&a, "moments", values, 2 * n * sizeof *values, "section 'moments' has a value that is not finite");
    values[n - 1] = 0;
    values[n] = -1e-9f;
    expect_bad_section(&a, "moments", values, 2 * n * sizeof *values, "section 'moments' has a second moment below 0");
    free(values);

    size_t blocks = m.trainer->descent.optimizer->block_count;
    double *second = calloc(blocks, sizeof *second);
    second[blocks - 1] = -1;
    expect_bad_section(&m, "matrix_moments", second, blocks * sizeof *second, "section 'matrix_moments' has a second moment below 0");
    second[blocks - 1] = INFINITY;
    expect_bad_section(&m, "matrix_moments", second, blocks * sizeof *second, "section 'matrix_moments'");
    free(second);
    values = calloc(m.adapter->parameter_count, sizeof *values);
    expect_bad_section(&m, "parameters", values, m.adapter->parameter_count * sizeof *values, "target 'image.0.fc1': "); /* zeros are not orthogonal */
    free(values);

    expect_same(&a, &same, "after failed loads");
    steps(&a, 3);
    steps(&same, 3);
    expect_same(&a, &same, "three steps on");
    run_free(&a);
    run_free(&m);
    run_free(&same);
}
END_TEST

/* Two are kept; what cannot be written leaves both. */
START_TEST(previous) {
    run r = run_new(&SMALL, 1);
    char path[256], before[256], other[256];
    size_t first_size, size;
    snprintf(path, sizeof path, "%s", scratch_file("kept"));
    snprintf(before, sizeof before, "%s", scratch_file("kept.previous"));
    for (int i = 0; i < 3; i++) {
        ck_ok(orthsr_trainer_save(r.trainer, path, NULL, &error));
        if (i == 0) ck_assert_int_eq(access(before, F_OK), -1);
        if (i < 2) steps(&r, 1);
    }
    run loaded = run_new(&SMALL, 1);
    ck_ok(orthsr_trainer_load(loaded.trainer, before, NULL, &error));
    ck_assert_uint_eq(orthsr_trainer_step_count(loaded.trainer), 1);
    ck_ok(orthsr_trainer_load(loaded.trainer, path, NULL, &error));
    ck_assert_uint_eq(orthsr_trainer_step_count(loaded.trainer), 2);
    run_free(&loaded);

    uint8_t *first = read_file(path, &first_size);
    ck_fails(orthsr_trainer_save(r.trainer, scratch_file("nowhere/kept"), NULL, &error), ORTHSR_ERROR_IO, "nowhere");
    snprintf(other, sizeof other, "%s", scratch_file("folder"));
    ck_assert_int_eq(mkdir(other, 0777), 0);
    ck_fails(orthsr_trainer_save(r.trainer, other, NULL, &error), ORTHSR_ERROR_IO, "folder");
    ck_assert_int_eq(access(other, F_OK), 0); /* no directory is moved out of the way */
    ck_assert_int_eq(unlink(before), 0);
    ck_assert_int_eq(mkdir(before, 0777), 0);
    ck_fails(orthsr_trainer_save(r.trainer, path, NULL, &error), ORTHSR_ERROR_IO, "kept.previous");
    uint8_t *still = read_file(path, &size);
    ck_assert(size == first_size && memcmp(first, still, size) == 0);
    free(first);
    free(still);
    char command[600];
    snprintf(command, sizeof command, "test -z \"$(ls '%s' | grep tmp)\"", scratch_directory());
    ck_assert_int_eq(system(command), 0);
    run_free(&r);
}
END_TEST

START_TEST(arguments) {
    run r = run_new(&SMALL, 1);
    char *text = (char *)"";
    ck_fails(orthsr_trainer_save(NULL, "x", NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_trainer_save(r.trainer, NULL, NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_trainer_load(NULL, "x", &text, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_assert_ptr_null(text);
    ck_fails(orthsr_trainer_load(r.trainer, NULL, NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_trainer_load(r.trainer, scratch_file("absent"), &text, &error), ORTHSR_ERROR_IO, "absent");
    if (!short_run()) {
        size_t most = (size_t)1 << 28;
        char *huge = malloc(most + 2);
        memset(huge, 'x', most + 1);
        huge[most + 1] = '\0';
        ck_fails(orthsr_trainer_save(r.trainer, scratch_file("huge"), huge, &error), ORTHSR_ERROR_ARGUMENT, "the text takes more than");
        free(huge);
    }
    run_free(&r);
}
END_TEST

static TCase *resuming(void) {
    TCase *tc = tcase_create("resuming");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, goes_on_to_the_same_bits, 0, KIND_COUNT);
    tcase_add_test(tc, loads_over_anything);
    return tc;
}
static TCase *refusing(void) {
    TCase *tc = tcase_create("refusing");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, another_option);
    tcase_add_test(tc, what_may_differ);
    tcase_add_test(tc, another_adapter);
    tcase_add_test(tc, another_prompt);
    tcase_add_test(tc, another_model);
    tcase_add_test(tc, other_data);
    tcase_add_test(tc, folders);
    return tc;
}

static TCase *files(void) {
    TCase *tc = tcase_create("files");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, damaged);
    tcase_add_test(tc, hostile_files);
    tcase_add_test(tc, sections_come_back);
    tcase_add_test(tc, hostile_content);
    tcase_add_test(tc, previous);
    tcase_add_test(tc, arguments);
    return tc;
}
TEST_MAIN("checkpoint", resuming, refusing, files)
