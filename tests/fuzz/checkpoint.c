/* checkpoint.c - fuzz target: what a checkpoint says. The input changes, cuts off, lengthens or leaves out sections of a run's own checkpoint, which is packed
 * again: what is refused must leave the run as it was, and with what is not it goes on. sections.c has the file's own bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "fuzz/files.h"
#include "io/sections.h"

enum { SECTIONS = 8, ROOM = 1 << 16 }; /* ROOM: of a section */

static const char *const names[SECTIONS] = {"run", "state", "parameters", "moments", "matrix_moments", "context", "context_moments", "text"};

typedef struct content {
    uint8_t bytes[ROOM]; /* (size) */
    size_t size;
    int missing;
} content;

static struct {
    orthsr_adapter *adapter;
    orthsr_prompt *prompt;
    orthsr_trainer *trainer;
    content own[SECTIONS];
    size_t n;                    /* parameters of adapter and prompt */
    float *parameters, *present; /* (n): at the checkpoint, and room for as many */
} run;

static orthsr_error error;

static void need(orthsr_status status) { fuzz_require(status == ORTHSR_OK, error.message); }

/* ---- the file: blocks that are stored as they are ------------------------------------------------------------------------ */

typedef struct output {
    uint8_t bytes[SECTIONS * (ROOM + 128)];
    size_t size;
    uLong crc;
} output;

static void put(output *out, const void *bytes, size_t n) {
    memcpy(out->bytes + out->size, bytes, n);
    out->size += n;
    out->crc = crc32(out->crc, bytes, (uInt)n);
}

static void put_number(output *out, uint64_t value, size_t bytes) {
    uint8_t encoded[8];
    for (size_t i = 0; i < bytes; i++) encoded[i] = (uint8_t)(value >> 8 * i);
    put(out, encoded, bytes);
}

static void put_checksum(output *out) {
    for (int i = 0; i < 4; i++) out->bytes[out->size++] = (uint8_t)(out->crc >> 8 * i);
}

static void pack(output *out, const content *sections) {
    static uint8_t packed[ROOM + 64];
    size_t count = 0;
    for (size_t s = 0; s < SECTIONS; s++) count += !sections[s].missing;
    out->size = 0;
    out->crc = crc32(0, NULL, 0);
    put(out, "\x89OCP\r\n\x1a\n", 8);
    put_number(out, ORTHSR__SECTIONS_VERSION, 4);
    put_number(out, count, 4);
    put_checksum(out);
    for (size_t s = 0; s < SECTIONS; s++) {
        char name[ORTHSR__SECTION_NAME] = {0};
        if (sections[s].missing) continue;
        memcpy(name, names[s], strlen(names[s]));
        put(out, name, sizeof name);
        put_number(out, sections[s].size, 8);
        put_checksum(out);
        if (sections[s].size == 0) continue;
        uLongf size = sizeof packed;
        fuzz_require(compress2(packed, &size, sections[s].bytes, sections[s].size, 0) == Z_OK, "a packed section");
        put_number(out, size, 4);
        put(out, packed, size);
        put_checksum(out);
    }
}

/* ---- the run, made once: a prompt and an orthogonal matrix, after one step ------------------------------------------------------ */

static orthsr_dataset *make_items(void) {
    enum { ITEMS = 4, SIDE = 16, CLASSES = 2 };
    static const char *const classes[CLASSES] = {"cat", "dog"};
    static const int32_t labels[ITEMS] = {0, 1, 0, 1};
    static uint8_t pixels[ITEMS * SIDE * SIDE * 3];
    orthsr_dataset *items;
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * i >> 3);
    need(orthsr_dataset_new(&items, pixels, ITEMS, SIDE, SIDE, 3, labels, classes, CLASSES, &error));
    return items;
}

static void get_parameters(float *out) {
    size_t n = orthsr_adapter_parameter_count(run.adapter);
    need(orthsr_adapter_get_parameters(run.adapter, out, n, &error));
    need(orthsr_prompt_get_parameters(run.prompt, out + n, run.n - n, &error));
}

static void read_own(const char *path) {
    orthsr__sections sections;
    need(orthsr__sections_open(&sections, path, (size_t)1 << 24, &error));
    for (size_t s = 0; s < SECTIONS; s++) {
        need(orthsr__sections_size(&run.own[s].size, &sections, names[s], ROOM, &error));
        need(orthsr__sections_read(run.own[s].bytes, run.own[s].size, &sections, names[s], &error));
    }
    orthsr__sections_close(&sections);
}

static void make_run(void) {
    orthsr_model *model;
    orthsr_adapter_options *form;
    orthsr_trainer_options *options;
    need(orthsr_model_open(&model, "tests/data/clip/hf", &error));
    need(orthsr_adapter_options_new(&form, &error));
    need(orthsr_adapter_options_set_parametrization(form, ORTHSR_MANIFOLD, &error));
    need(orthsr_adapter_options_set_maps(form, "q", &error));
    need(orthsr_adapter_options_set_layers(form, "image:0", &error));
    need(orthsr_model_adapter(model, &run.adapter, form, &error));
    need(orthsr_prompt_new(&run.prompt, model, NULL, &error));
    need(orthsr_trainer_options_new(&options, &error));
    need(orthsr_trainer_options_set_optimizer(options, ORTHSR_RADAM, &error));
    need(orthsr_trainer_options_set_threads(options, 1, &error));
    need(orthsr_trainer_options_set_readers(options, 0, &error));
    need(orthsr_trainer_options_set_batch_size(options, 2, &error));
    need(orthsr_trainer_options_set_epochs(options, 2, &error));
    need(orthsr_trainer_new_with_prompt(&run.trainer, model, run.adapter, run.prompt, make_items(), options, &error));
    orthsr_trainer_options_free(options);
    orthsr_adapter_options_free(form);
    need(orthsr_trainer_step(run.trainer, &error));
    char path[] = "/tmp/orthsr-fuzz-XXXXXX";
    int fd = mkstemp(path);
    fuzz_require(fd >= 0, "a temporary file");
    close(fd);
    need(orthsr_trainer_save(run.trainer, path, "a text", &error));
    read_own(path);
    unlink(path);
    strcat(strcpy(error.message, path), ".previous");
    unlink(error.message);
    run.n = orthsr_adapter_parameter_count(run.adapter) + orthsr_prompt_parameter_count(run.prompt);
    run.parameters = malloc(run.n * sizeof *run.parameters);
    run.present = malloc(run.n * sizeof *run.present);
    fuzz_require(run.parameters && run.present, "memory for parameters");
    get_parameters(run.parameters);
}

static void expect_own(const char *what) {
    get_parameters(run.present);
    fuzz_require(memcmp(run.present, run.parameters, run.n * sizeof *run.present) == 0 && orthsr_trainer_step_count(run.trainer) == 1, what);
}

/* ---- one input --------------------------------------------------------------------------------------------------------------- */

static void change(content *sections, fuzz_part *input) {
    content *section = &sections[fuzz_byte(input) % SECTIONS];
    size_t kind = fuzz_byte(input) % 5, low = fuzz_byte(input), place = low | (size_t)fuzz_byte(input) << 8, n = fuzz_byte(input) % 33;
    if (n > input->size) n = input->size;
    if (kind == 0) section->missing = 1;
    if (kind == 1) section->size = place % (section->size + 1);
    if (kind == 2 && section->size + n <= ROOM) { /* lengthen */
        memcpy(section->bytes + section->size, input->bytes, n);
        section->size += n;
    }
    if (kind > 2) { /* any bytes, or whole numbers */
        place %= section->size + 1;
        if (kind == 4) place -= place % 4;
        memcpy(section->bytes + place, input->bytes, n < section->size - place ? n : section->size - place);
    }
    input->bytes += n;
    input->size -= n;
}

static orthsr_status load(const content *sections, char **text) {
    static output out;
    pack(&out, sections);
    fuzz_file("x.checkpoint", out.bytes, out.size);
    orthsr_status status = orthsr_trainer_load(run.trainer, "x.checkpoint", text, &error);
    fuzz_forget();
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static content changed[SECTIONS];
    char *text;
    if (!run.trainer) make_run();
    memcpy(changed, run.own, sizeof changed);
    for (fuzz_part input = {data, size}; input.size > 0;) change(changed, &input);
    orthsr_status status = load(changed, &text);
    fuzz_check(status, &error, "x.checkpoint");
    if (status) {
        fuzz_require(text == NULL, "no text");
        expect_own("a run as it was after a checkpoint that is refused");
        return 0;
    }
    orthsr_free(text);
    get_parameters(run.present);
    for (size_t i = 0; i < run.n; i++) fuzz_require(run.present[i] - run.present[i] == 0, "finite parameters");
    if (orthsr_trainer_step_count(run.trainer) < orthsr_trainer_step_total(run.trainer)) {
        status = orthsr_trainer_step(run.trainer, &error);
        fuzz_require(status == ORTHSR_OK || status == ORTHSR_ERROR_NUMERIC, error.message);
    }
    need(load(run.own, NULL));
    expect_own("the run's own checkpoint");
    return 0;
}
