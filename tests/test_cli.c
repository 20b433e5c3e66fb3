/* test_cli.c - the orthsr tool as other programs call it: exit codes, one JSON object, one line of error, and nothing half written.
 *
 * It runs build/bin/orthsr (or $ORTHSR) on the default model and on small folder datasets that it makes.
 */
#include <png.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "util/json.h"

#define MODEL "examples/data/mini"
#define SIDE 28

static orthsr_error error;

static void expect_usage(outcome o, const char *text) {
    expect_failure(o, 2, text);
    ck_assert_msg(strstr(o.err, "orthsr help") != NULL, "no hint in: %s", o.err);
}

static int exists(const char *name) { return access(scratch_file(name), F_OK) == 0; }

/* ---- inputs ---- */

static void write_bytes(const char *name, const void *bytes, size_t n) {
    FILE *file = fopen(scratch_file(name), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    ck_assert_int_eq(fclose(file), 0);
}

static void write_text(const char *name, const char *text) { write_bytes(name, text, strlen(text)); }

static void make_directory(const char *name) { ck_assert_int_eq(mkdir(scratch_file(name), 0777), 0); }

/* A gray image: bars whose direction and width tell the class, and noise. */
static void write_png(const char *name, int label, unsigned long *state) {
    unsigned char pixels[SIDE * SIDE];
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            int along = label % 2 ? x : y, bright = along / (2 + 2 * (label / 2)) % 2;
            pixels[y * SIDE + x] = (unsigned char)(40 + 150 * bright + (int)(30 * noise(state)));
        }
    png_image image = {.version = PNG_IMAGE_VERSION, .width = SIDE, .height = SIDE, .format = PNG_FORMAT_GRAY};
    ck_assert_int_ne(png_image_write_to_file(&image, scratch_file(name), 0, pixels, 0, NULL), 0);
}

static const char *const class_names[] = {"bag", "coat", "sandal", "trouser"};
enum { CLASSES = 4, PER_CLASS = 5 };

/* Class folders under part, PER_CLASS images each. */
static void make_classes(const char *part) {
    char name[128];
    unsigned long state = 1;
    for (int c = 0; c < CLASSES; c++) {
        snprintf(name, sizeof name, "%s/%s", part, class_names[c]);
        make_directory(name);
        for (int i = 0; i < PER_CLASS; i++) {
            snprintf(name, sizeof name, "%s/%s/%d.png", part, class_names[c], i);
            write_png(name, c, &state);
        }
    }
}

static void make_data(void) {
    make_directory("split");
    make_directory("split/train");
    make_directory("split/test");
    make_classes("split/train");
    make_classes("split/test");
    make_directory("flat");
    make_classes("flat");
    ck_assert_int_eq(run("train --model " MODEL " --data @/split --shots 3 --epochs 3 --classes base --lr 1e-3 --out @/run").code, 0);
}

/* A copy of the default model whose weights a test may spoil. */
static unsigned char *weights;
static size_t weights_size;

/* A copy of the default model under name, with the weights that are in memory, cut to size. */
static void copy_model(const char *name, size_t size) {
    char command[1024], file[128];
    snprintf(command, sizeof command, "rm -rf %s && cp -r " MODEL " %s", scratch_file(name), scratch_file(name));
    ck_assert_int_eq(system(command), 0);
    snprintf(file, sizeof file, "%s/open_clip_model.safetensors", name);
    write_bytes(file, weights, size);
}

static void read_weights(void) {
    FILE *file = fopen(MODEL "/open_clip_model.safetensors", "rb");
    ck_assert_ptr_nonnull(file);
    weights = malloc(1 << 24);
    weights_size = fread(weights, 1, 1 << 24, file);
    fclose(file);
}

/* ---- usage ---- */

START_TEST(test_usage) {
    expect_usage(run(""), "which command");
    expect_usage(run("trian"), "did you mean 'train'");
    expect_usage(run("xyzzy"), "unknown command 'xyzzy'");
    expect_usage(run("bench"), "--model M is missing");
    expect_usage(run("bench --model m --part images"), "--part is features|texts|step");
    expect_usage(run("bench --model m --config paper"), "--config is out|ffn|all|coop");
    expect_usage(run("bench --model m --part texts --config out"), "--config and --cutout are for --part step");
    expect_usage(run("bench --model m --part features --cutout attentive"), "--config and --cutout are for --part step");
    expect_usage(run("bench --model m --batch 0"), "--batch is 1 to 65536");
    expect_usage(run("bench --model m --classes 0"), "--classes is 1 to 65536");
    expect_usage(run("bench --model m --classes base"), "--classes N is a whole number");
    expect_usage(run("bench --model m --repetitions 0"), "--repetitions is 1 to 65536");
    expect_usage(run("bench --model m --threads 5000"), "--threads is at most 4096");
    expect_usage(run("zeroshot --modle m"), "did you mean --model");
    expect_usage(run("zeroshot --model m"), "--data D is missing");
    expect_usage(run("zeroshot --model m --data"), "--data needs a value");
    expect_usage(run("zeroshot --model m --data d --lr 1"), "--lr is no option of this command");
    expect_usage(run("zeroshot --model m --data d --json=3"), "--json takes no value");
    expect_usage(run("zeroshot --model m --data d -x"), "unknown option '-x'");
    expect_usage(run("zeroshot --model m --data d extra"), "extra");
    expect_usage(run("zeroshot --model m --data d --template 'a photo'"), "has no {}");
    expect_usage(run("merge --model m --out o --adapter a --adapter b"), "one --adapter at a time; take the result as --model");
    expect_usage(run("convert --to peft --out o --adapter a --adapter b"), "one --adapter at a time");
    expect_usage(run("zeroshot --model m --data d --threads 4097"), "--threads is at most 4096");
    expect_usage(run("zeroshot --model m --data d --threads -1"), "--threads");
    expect_usage(run("info"), "which MODEL");
    expect_usage(run("explain --model m --image i --out o"), "give one of --data and --classes-file");
    expect_usage(run("explain --model m --image i --out o --data d --cutout-size 0"), "--cutout-size is in (0, 1]");
    expect_usage(run("explain --model m --image i --out o --data d --cutout-holes 65"), "--cutout-holes is 1 to 64");
    expect_usage(run("info a b"), "'b'");
    expect_usage(run("embed --model m --out @/f.npy"), "give one of --images");
    expect_usage(run("embed --model m --out @/f.npy --text t --pixels p"), "give one of --images");
    expect_usage(run("help nothing"), "unknown command 'nothing'");
}
END_TEST

START_TEST(test_usage_of_train) {
    static const char *const bad[][2] = {
        {"--shots 0", "at least 1"},
        {"--shots many", "whole number"},
        {"--block-size 0", "--block-size is at least 1, or narrow"},
        {"--block-size wide", "--block-size B|narrow is a whole number"},
        {"--block-size all", "whole number"},
        {"--shots narrow", "whole number"},
        {"--blocks narrow", "whole number"},
        {"--shots -1", "whole number"},
        {"--epochs 0", "epochs"},
        {"--lr fast", "is a number"},
        {"--lr nan", "is a number"},
        {"--lr -1", "learning rate"},
        {"--momentum 1 --optimizer sgd", "momentum"},
        {"--optimizer adam", "sgd|adamw"},
        {"--method coop --blocks 4", "not for --method coop"},
        {"--context-words 4", "are for --method coop"},
        {"--class-specific", "are for --method coop"},
        {"--method coop --context-words 4 --context-init 'a photo of a'", "not both"},
        {"--method coop --context-words 0", "at least one word"},
        {"--method coop --context-position top", "end|middle|front"},
        {"--method coop --class-specific --classes base", "give --classes all"},
        {"--method coop --context-lr -1", "learning rate"},
        {"--template @@pets", "oxford_pets"},
        {"--optimizer rsgd", "for --parametrization manifold"},
        {"--optimizer radam --parametrization cayley", "for --parametrization manifold"},
        {"--optimizer adamw --parametrization manifold", "needs --optimizer rsgd or radam"},
        {"--retraction qr", "for --parametrization manifold"},
        {"--retraction svd --parametrization manifold", "qr|cholesky-qr|cayley|polar"},
        {"--coft 0.1 --parametrization manifold", "bounds a generator"},
        {"--coft -1", "eps"},
        {"--reflections 4", "for --parametrization householder"},
        {"--reflections 3 --parametrization householder", "even"},
        {"--butterfly-factors 2", "for --parametrization butterfly"},
        {"--butterfly-block 3 --parametrization butterfly", "even"},
        {"--parametrization skew", "cayley|free|expm"},
        {"--cutout square", "off|attentive|random"},
        {"--cutout-size 2", "size"},
        {"--cutout-size -0.5", "size"},
        {"--cutout-holes 0", "holes"},
        {"--cutout-probability 1.5", "probability"},
        {"--cutout-fill red", "zero|mean|noise"},
        {"--cutout-source image", "text|attention"},
        {"--cutout random --cutout-source attention", "--cutout-source is for --cutout attentive"},
        {"--cutout off --cutout-size 0.5", "options of holes are for --cutout attentive or random"},
        {"--cutout off --kl-cut-weight 2", "--ce-cut-weight and --kl-cut-weight are for --cutout attentive or random"},
        {"--method coop --cutout-fill mean", "--method coop has none unless told"},
        {"--ce-cut-weight -1", "weight"},
        {"--kl-cut-weight -0.5", "weight"},
        {"--kl-weight -1", "weight"},
        {"--kl-temperature 0", "temperature"},
        {"--kl-reduction sum", "batch-mean|mean"},
        {"--frozen-template photo", "{}"},
        {"--augment strong", "none|standard"},
        {"--side left", "--side is input|output, not 'left'"},
        {"--checkpoint-every -1", "--checkpoint-every N is a whole number"},
        {"--memory-budget few", "--memory-budget"},
        {"--targets fc3", "fc3"},
        {"--towers sound", "sound"},
        {"--layers 3-1", "'3-1' goes down"},
        {"--layers 0,", "'' is none of"},
        {"--method coop --layers 0", "not for --method coop"},
        {"--method coop --block-share", "not for --method coop"},
        {"--blocks 2 --block-size 4", "not both"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) expect_usage(run("train --model " MODEL " --data @/split --out @/none %s", bad[i][0]), bad[i][1]);
    ck_assert(!exists("none"));
}
END_TEST

START_TEST(test_help) {
    outcome o = run("help");
    ck_assert_int_eq(o.code, 0);
    ck_assert_ptr_nonnull(strstr(o.out, "usage: orthsr COMMAND"));
    o = run("train --help");
    ck_assert_ptr_nonnull(strstr(o.out, "--kl-weight X"));
    ck_assert_str_eq(run("--version").out, "orthsr " ORTHSR_VERSION_STRING "\n");
    json_t *version = expect_json(run("--version --json"));
    ck_assert_str_eq(text_in(version, "version"), ORTHSR_VERSION_STRING);
    json_decref(version);
}
END_TEST

/* Every command and option of the table is in the man page. */
START_TEST(test_man_page) {
    json_t *table = expect_json(run("help --json")), *command, *option;
    char *page = read_text("docs/man/orthsr.1"), name[64];
    size_t i, j;
    json_array_foreach(json_object_get(table, "commands"), i, command) {
        snprintf(name, sizeof name, ".SS %s", text_in(command, "name"));
        ck_assert_msg(strstr(page, name) != NULL, "the man page has no '%s'", name);
        json_array_foreach(json_object_get(command, "options"), j, option) {
            size_t n = (size_t)snprintf(name, sizeof name, "\\-\\-");
            for (const char *c = text_in(option, "name"); *c; c++) n += (size_t)snprintf(name + n, sizeof name - n, *c == '-' ? "\\-" : "%c", *c);
            ck_assert_msg(strstr(page, name) != NULL, "the man page has no '%s'", name);
        }
    }
    free(page);
    json_decref(table);
}
END_TEST

/* ---- commands ---- */

START_TEST(test_info) {
    json_t *model = expect_json(run("info " MODEL " --json"));
    ck_assert_str_eq(text_in(model, "kind"), "model");
    ck_assert_str_eq(text_in(model, "family"), "open_clip");
    ck_assert_int_eq((int)number_in(model, "image_size"), SIDE);
    ck_assert_uint_eq(json_array_size(json_object_get(model, "unused")), 0);
    ck_assert(json_is_true(json_object_get(model, "tokenizer")));
    json_t *adapter = expect_json(run("info @/run/adapter --json"));
    ck_assert_str_eq(text_in(adapter, "kind"), "adapter");
    ck_assert_str_eq(text_in(adapter, "fingerprint"), text_in(model, "fingerprint"));
    ck_assert(number_in(adapter, "defect") < 1e-5);
    ck_assert_ptr_nonnull(strstr(run("info " MODEL).out, "quick_gelu"));
    ck_assert_ptr_nonnull(strstr(run("info @/run/adapter/adapter.safetensors").out, "image.0.fc1"));
    ck_assert_int_eq((int)number_in(model, "default_adapter_parameters"), 241472);
    ck_assert(json_is_null(json_object_get(model, "end_id")));
    ck_assert_ptr_nonnull(strstr(text_in(model, "preprocessing"), "shorter side to 28 (bicubic)"));
    json_t *of = expect_json(run("info @/run/adapter --model " MODEL " --json")), *peft = expect_json(run("info tests/data/peft/neumann-5 --json"));
    ck_assert(json_is_true(json_object_get(of, "trained_on_this_model")));
    const json_t *target = json_array_get(json_object_get(of, "targets"), 0);
    ck_assert(number_in(target, "turn_degrees") > 0 && number_in(target, "turn_degrees") < 10);
    ck_assert_str_eq(text_in(peft, "format"), "peft");
    ck_assert_str_eq(text_in(peft, "parametrization"), "free");
    ck_assert_ptr_nonnull(strstr(run("info tests/data/peft/neumann-5").out, "Cayley-Neumann"));
    ck_assert_ptr_nonnull(strstr(run("info tests/data/peft/version-0.13").out, "y = (x W^T) A"));
    ck_assert_ptr_nonnull(strstr(run("info tests/data/peft/version-0.15-scaled").out, "outputs scaled"));
    expect_failure(run("info @/run/adapter --model tests/data/clip/hf"), 1, "the model's map 32 -> 64");
    expect_usage(run("info " MODEL " --model " MODEL), "is none");
    json_decref(of);
    json_decref(peft);
    json_decref(adapter);
    json_decref(model);
}
END_TEST

START_TEST(test_tokenize) {
    orthsr_model *model;
    ck_ok(orthsr_model_open(&model, MODEL, &error));
    size_t context = orthsr_model_context_length(model);
    write_text("texts.txt", "a photo of a bag.\r\n\ncaf\xc3\xa9\n");
    json_t *object = expect_json(run("tokenize --model " MODEL " --text @/texts.txt --json"));
    json_t *rows = json_object_get(object, "tokens");
    static const char *const texts[] = {"a photo of a bag.", "", "caf\xc3\xa9"};
    ck_assert_uint_eq(json_array_size(rows), 3);
    for (size_t i = 0; i < 3; i++) {
        int32_t ids[256];
        ck_assert_uint_eq(json_array_size(json_array_get(rows, i)), context);
        ck_ok(orthsr_tokenizer_encode(orthsr_model_tokenizer(model), texts[i], strlen(texts[i]), 0, ids, context, NULL, &error));
        for (size_t j = 0; j < context; j++) ck_assert_int_eq((int)json_integer_value(json_array_get(json_array_get(rows, i), j)), ids[j]);
    }
    outcome o = run("tokenize --model " MODEL " --text @/texts.txt");
    ck_assert_int_eq(o.code, 0);
    ck_assert_uint_eq(count_lines(o.out), 3);
    json_decref(object);
    orthsr_model_free(model);
}
END_TEST

static float *read_features(const char *name, size_t rows, size_t columns) {
    float *data;
    size_t shape[ORTHSR_ARRAY_MAX_RANK], rank;
    ck_ok(orthsr_array_read(&data, shape, &rank, scratch_file(name), &error));
    ck_assert_uint_eq(rank, 2);
    ck_assert_uint_eq(shape[0], rows);
    ck_assert_uint_eq(shape[1], columns);
    return data;
}

START_TEST(test_embed_texts) {
    static const char *const texts[] = {"a bag", "", "ankle boot"};
    orthsr_model *model;
    orthsr_session *session;
    ck_ok(orthsr_model_open(&model, MODEL, &error));
    ck_ok(orthsr_session_new(&session, model, NULL, &error));
    size_t dim = orthsr_model_embed_dim(model);
    float *expected = calloc(3 * dim, sizeof *expected);
    ck_ok(orthsr_session_encode_texts(session, expected, texts, 3, &error));
    write_text("embed.txt", "a bag\n\nankle boot");
    json_t *object = expect_json(run("embed --model " MODEL " --text @/embed.txt --out @/raw.npy --raw --json"));
    ck_assert_int_eq((int)number_in(object, "rows"), 3);
    float *raw = read_features("raw.npy", 3, dim);
    ck_close(max_relative(raw, expected, 3 * dim), 0, 1e-6);
    ck_assert_int_eq(run("embed --model " MODEL " --text @/embed.txt --out @/unit.npy").code, 0);
    float *unit = read_features("unit.npy", 3, dim);
    orthsr_features_normalize(expected, 3, dim);
    ck_close(max_relative(unit, expected, 3 * dim), 0, 1e-6);
    orthsr_free(unit);
    orthsr_free(raw);
    free(expected);
    json_decref(object);
    orthsr_session_free(session);
    orthsr_model_free(model);
}
END_TEST

/* --images and --pixels give the same features for the same images. */
START_TEST(test_embed_images) {
    orthsr_model *model;
    ck_ok(orthsr_model_open(&model, MODEL, &error));
    size_t dim = orthsr_model_embed_dim(model), shape[4] = {2, 3, SIDE, SIDE}, wrong[4] = {2, 3, SIDE / 2, 2 * SIDE};
    static float pixels[2][3 * SIDE * SIDE];
    for (int i = 0; i < 2; i++) {
        orthsr_image *image;
        ck_ok(orthsr_image_open(&image, scratch_file(i ? "flat/coat/1.png" : "flat/bag/0.png"), 0, &error));
        ck_ok(orthsr_model_preprocess(model, pixels[i], image, &error));
        orthsr_image_free(image);
    }
    ck_ok(orthsr_array_write(scratch_file("pixels.npy"), pixels[0], shape, 4, &error));
    ck_ok(orthsr_array_write(scratch_file("wrong.npy"), pixels[0], wrong, 4, &error));
    ck_assert_int_eq(run("embed --model " MODEL " --images @/flat/bag/0.png @/flat/coat/1.png --out @/images.npy --adapter @/run/adapter").code, 0);
    ck_assert_int_eq(run("embed --model " MODEL " --pixels @/pixels.npy --out @/features.npy --adapter @/run/adapter --threads 1").code, 0);
    float *a = read_features("images.npy", 2, dim), *b = read_features("features.npy", 2, dim);
    ck_close(max_relative(a, b, 2 * dim), 0, 1e-5);
    expect_failure(run("embed --model " MODEL " --pixels @/wrong.npy --out @/none.npy"), 1, "(2, 3, 14, 56); this model takes (n, 3, 28, 28)");
    expect_failure(run("embed --model " MODEL " --images @/flat/bag/0.png @/absent.png --out @/none.npy"), 1, "absent.png");
    ck_assert(!exists("none.npy"));
    orthsr_free(a);
    orthsr_free(b);
    orthsr_model_free(model);
}
END_TEST

/* Right predictions in the CSV file, over the number of lines, are the accuracy. */
START_TEST(test_zeroshot) {
    json_t *object = expect_json(run("zeroshot --model " MODEL " --data @/flat --template 'a photo of a {}.' --template '{}' --predictions @/p.csv --json"));
    char *csv = read_text(scratch_file("p.csv"));
    size_t items = 0, right = 0;
    char item[256], label[64], prediction[64];
    for (char *line = strchr(csv, '\n') + 1; *line; line = strchr(line, '\n') + 1, items++) {
        ck_assert_int_eq(sscanf(line, "%255[^,],%63[^,],%63[^\n]", item, label, prediction), 3);
        right += strcmp(label, prediction) == 0;
    }
    ck_assert_uint_eq(items, CLASSES * PER_CLASS);
    ck_close(number_in(object, "accuracy"), (double)right / (double)items, 1e-9);
    const json_t *per_class = json_object_get(object, "per_class");
    double sum = 0;
    for (int c = 0; c < CLASSES; c++) sum += number_in(per_class, class_names[c]);
    ck_close(sum / CLASSES, number_in(object, "accuracy"), 1e-9);
    outcome o = run("zeroshot --model " MODEL " --data @/split --adapter @/run/adapter");
    ck_assert_int_eq(o.code, 0);
    ck_assert_ptr_nonnull(strstr(o.out, "trouser"));
    free(csv);
    json_decref(object);
}
END_TEST

static void check_log(const char *name, size_t steps) {
    static const char *const keys[] = {"step", "ce", "ce_cut", "kl", "kl_cut", "loss", "lr", "orthogonality"};
    char *text = read_text(scratch_file(name)), *line = text;
    double first = 0, last = 0;
    for (size_t step = 1; step <= steps; step++) {
        char *end = strchr(line, '\n');
        ck_assert_ptr_nonnull(end);
        *end = '\0';
        json_t *object = json_loads(line, 0, NULL);
        ck_assert_ptr_nonnull(object);
        ck_assert_uint_eq(json_object_size(object), sizeof keys / sizeof keys[0]);
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) number_in(object, keys[k]);
        ck_assert_uint_eq((size_t)number_in(object, "step"), step);
        ck_assert(number_in(object, "orthogonality") < 1e-5);
        last = number_in(object, "loss");
        if (step == 1) first = last;
        json_decref(object);
        line = end + 1;
    }
    ck_assert_msg(*line == '\0', "more than %zu lines", steps);
    ck_assert_msg(last < first, "loss %g at first, %g at last", first, last);
    free(text);
}

/* From the command line to a file that says what A is made of, and an adapter that can be evaluated. */
START_TEST(test_train_each_parametrization) {
    static const char *const ways[][2] = {
        {"expm", ""},
        {"householder", "--reflections 4"},
        {"butterfly", "--butterfly-block 2 --butterfly-factors 3"},
        {"manifold", ""},
        {"manifold", "--optimizer rsgd --retraction polar"},
        {"cayley", "--coft 0.01"},
        {"cayley", "--block-share --layers image:2-3,text:1"},
    };
    const char *name = ways[_i][0];
    ck_assert_int_eq(run("train --model " MODEL " --data @/split --shots 2 --epochs 2 --parametrization %s %s --out @/way%d", name, ways[_i][1], _i).code, 0);
    json_t *adapter = expect_json(run("info @/way%d/adapter --json", _i));
    ck_assert_str_eq(text_in(adapter, "parametrization"), name);
    ck_assert(number_in(adapter, "defect") < 1e-5);
    ck_assert(number_in(json_array_get(json_object_get(adapter, "targets"), 0), "turn_degrees") > 0);
    int share = strstr(ways[_i][1], "--block-share") != NULL;
    ck_assert_int_eq(json_is_true(json_object_get(adapter, "block_share")), share);
    if (share) { /* fc1 and fc2 of three layers, a block each: of 32 and of 128 */
        ck_assert_int_eq((int)number_in(adapter, "parameters"), 3 * (32 * 31 / 2 + 128 * 127 / 2));
        ck_assert_str_eq(text_in(json_array_get(json_object_get(adapter, "targets"), 0), "name"), "image.2.fc1");
        ck_assert_ptr_nonnull(strstr(run("info @/way%d/adapter", _i).out, "all blocks of a target being one"));
        expect_failure(run("train --model " MODEL " --data @/split --layers 3 --out @/none"), 1, "no layer 3 in the text tower, which has 3");
    }
    ck_assert_ptr_nonnull(strstr(run("info @/way%d/adapter", _i).out, name));
    json_decref(adapter);
}
END_TEST

START_TEST(test_train) {
    json_t *printed =
        expect_json(run("train --model " MODEL " --data @/split --shots 3 --classes base --epochs 4 --batch-size 0 --lr 1e-3 --seed 2 --out @/trained --json"));
    json_t *written = json_load_file(scratch_file("trained/result.json"), 0, NULL);
    ck_assert_msg(json_equal(printed, written), "result.json is not what was printed");
    ck_assert_uint_eq(json_array_size(json_object_get(written, "items")), 2 * 3);
    ck_assert_uint_eq(json_array_size(json_object_get(written, "classes")), 2);
    ck_assert_int_eq((int)number_in(json_object_get(written, "options"), "shots"), 3);
    ck_assert_int_eq((int)number_in(written, "steps"), 4);
    check_log("trained/log.jsonl", 4);
    json_t *evaluated = expect_json(run("evaluate --model " MODEL " --data @/split --adapter @/trained/adapter --adapter @/run/adapter --json"));
    const json_t *tuned = json_object_get(written, "tuned");
    static const char *const keys[] = {"base", "new", "h"};
    for (size_t k = 0; k < 3; k++) {
        ck_close(number_in(evaluated, keys[k]), number_in(tuned, keys[k]), 1e-9);
        ck_close(number_in(json_array_get(json_object_get(evaluated, "results"), 0), keys[k]), number_in(tuned, keys[k]), 1e-9);
    }
    ck_assert_uint_eq(json_array_size(json_object_get(evaluated, "results")), 2);
    json_decref(evaluated);
    json_decref(written);
    json_decref(printed);
}
END_TEST

static double log_number(const char *name, size_t step, const char *key) {
    char *text = read_text(scratch_file(name)), *line = text;
    for (size_t i = 1; i < step; i++) line = strchr(line, '\n') + 1;
    json_t *object = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
    double value = number_in(object, key);
    json_decref(object);
    free(text);
    return value;
}

/* Every option of the loss and of the images trains; the same command gives the same adapter and log, byte for byte. */
START_TEST(test_train_cutout) {
    static const char *const options[] = {
        "--cutout attentive",
        "--cutout random --cutout-size 0.3 --cutout-holes 2 --cutout-probability 0.8 --cutout-fill mean",
        "--cutout attentive --cutout-source attention --cutout-fill noise --ce-cut-weight 0.5 --kl-cut-weight 2",
        "--cutout off --ce-cut-weight 0 --augment standard --kl-weight 0.5 --kl-temperature 2 --kl-reduction mean --kl-schedule cosine --kl-confidence",
        "--frozen-template 'a photo of a {}.' --frozen-template '{}' --augment standard --kl-direction tuned-frozen",
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        char *log[2];
        for (int k = 0; k < 2; k++) {
            outcome o = run("train --model " MODEL " --data @/split --shots 3 --epochs 8 --batch-size 0 --lr 1e-3 --seed 2 --out @/cut%d %s", k, options[i]);
            ck_assert_msg(o.code == 0, "%s", o.err);
            log[k] = read_text(scratch_file(k ? "cut1/log.jsonl" : "cut0/log.jsonl"));
        }
        check_log("cut0/log.jsonl", 8);
        ck_assert_str_eq(log[0], log[1]);
        outcome o = run("help >@/unused && cmp @/cut0/adapter/adapter.safetensors @/cut1/adapter/adapter.safetensors");
        ck_assert_msg(o.code == 0, "the adapters differ");
        bool off = strstr(options[i], "off") != NULL;
        ck_assert_msg((log_number("cut0/log.jsonl", 8, "ce_cut") == 0) == off, "%s", options[i]);
        ck_assert_msg((log_number("cut0/log.jsonl", 8, "kl_cut") == 0) == off, "%s", options[i]);
        free(log[0]);
        free(log[1]);
    }
}
END_TEST

/* The mini model is 128 wide, and 512 in between. */
START_TEST(test_narrow_blocks) {
    json_t *trained = expect_json(
        run("train --model " MODEL " --data @/split --shots 1 --epochs 1 --block-size narrow --targets out,fc2 --towers image --out @/narrow --json"));
    ck_assert_str_eq(text_in(json_object_get(trained, "options"), "block-size"), "narrow");
    json_t *adapter = expect_json(run("info @/narrow/adapter --model " MODEL " --json"));
    const json_t *targets = json_object_get(adapter, "targets");
    ck_assert_uint_eq(json_array_size(targets), 8);
    for (size_t i = 0; i < 8; i++) {
        const json_t *target = json_array_get(targets, i);
        bool wide = number_in(target, "in_features") > 128;
        ck_assert_int_eq((int)number_in(target, "block_size"), 128);
        ck_assert_int_eq((int)number_in(target, "blocks"), wide ? 4 : 1);
    }
    json_decref(adapter);
    json_decref(trained);
}
END_TEST

/* Of one file for every number of threads: the same bytes. */
static void expect_same(const char *file) {
    outcome o = run("help >@/unused && for n in 2 3 4; do cmp @/by1/%s @/by$n/%s || exit 1; done", file, file);
    ck_assert_msg(o.code == 0, "%s depends on the number of threads: %s%s", file, o.out, o.err);
}

START_TEST(test_threads) {
    write_text("threads.txt", "a bag\n\nankle boot\na photo of a white sandal on a black floor\n");
    for (int n = 1; n <= 4; n++) {
        outcome o = run("train --model " MODEL " --data @/split --shots 3 --epochs 3 --lr 1e-3 --method coop+orthsr --targets q,k,v,out,fc1,fc2"
                        " --cutout attentive --augment standard --threads %d --out @/by%d",
                        n, n);
        ck_assert_msg(o.code == 0, "%s", o.err);
        o = run("embed --model " MODEL " --adapter @/by%d/adapter --images @/split/test/*/*.png --threads %d --out @/by%d/images.npy", n, n, n);
        ck_assert_msg(o.code == 0, "%s", o.err);
        ck_assert_int_eq(run("embed --model " MODEL " --text @/threads.txt --threads %d --out @/by%d/texts.npy", n, n).code, 0);
    }
    static const char *const files[] = {"log.jsonl", "adapter/adapter.safetensors", "adapter/prompt.safetensors", "images.npy", "texts.npy"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) expect_same(files[i]);
    ck_assert_int_eq(run("embed --model " MODEL " --text @/threads.txt --threads 0 --out @/by1/all.npy && cmp @/by1/all.npy @/by1/texts.npy").code, 0);
}
END_TEST

/* ---- bench ---- */

static bool is_null(const json_t *object, const char *key) { return json_is_null(json_object_get(object, key)); }

/* Its least time is above 0 and not above its median, and so is its work. */
static void check_times(const json_t *object, const char *part) {
    char least[32], median[32], work[32];
    snprintf(least, sizeof least, "%s_ms_min", part);
    snprintf(median, sizeof median, "%s_ms_median", part);
    snprintf(work, sizeof work, "%s_gflop", part);
    ck_assert(number_in(object, least) > 0 && number_in(object, least) <= number_in(object, median) && number_in(object, work) > 0);
}

START_TEST(test_bench) {
    json_t *all = expect_json(run("bench --model " MODEL " --batch 3 --classes 5 --repetitions 2 --threads 2 --json"));
    ck_assert_str_eq(text_in(all, "model"), MODEL);
    ck_assert_str_eq(text_in(all, "config"), "ffn");
    ck_assert(number_in(all, "batch") == 3 && number_in(all, "classes") == 5 && number_in(all, "threads") == 2);
    check_times(all, "features");
    check_times(all, "texts");
    check_times(all, "step");
    ck_close(number_in(all, "images_per_s"), 3e3 / number_in(all, "features_ms_min"), 1e-6 * number_in(all, "images_per_s"));
    ck_close(number_in(all, "texts_per_s"), 5e3 / number_in(all, "texts_ms_min"), 1e-6 * number_in(all, "texts_per_s"));
    ck_close(number_in(all, "gflops"), 1e3 * number_in(all, "step_gflop") / number_in(all, "step_ms_min"), 1e-6 * number_in(all, "gflops"));
    ck_close(number_in(all, "share"), number_in(all, "gflops") / number_in(all, "sgemm_gflops"), 1e-6 * number_in(all, "share"));
    ck_assert(number_in(all, "sgemm_gflops") > 0 && number_in(all, "peak_rss_bytes") > 1e6);
    static const char *const phases[] = {"text", "image", "frozen", "backward", "orthogonal", "optimizer", "other"};
    double sum = 0;
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        double ms = number_in(json_object_get(all, "phases"), phases[i]);
        ck_assert_msg(ms > 0, "%s takes %g ms", phases[i], ms);
        sum += ms;
    }
    /* The phases make up the step. Observed: all but 1e-3 of it. The other way round only rounding. */
    ck_assert_msg(sum > 0.9 * number_in(all, "step_ms_min") - 1 && sum < 1.001 * number_in(all, "step_ms_min"), "phases of %g ms in a step of %g ms", sum,
                  number_in(all, "step_ms_min"));
    json_decref(all);
}
END_TEST

/* Work is counted, not timed: the same for any number of threads, more for more images, maps and holes. */
START_TEST(test_bench_work) {
    static const char *const options[] = {"--config out --batch 2 --threads 3",
                                          "--config out --batch 2 --threads 1",
                                          "--config out --batch 4",
                                          "--config all --batch 2",
                                          "--config out --batch 2 --cutout attentive",
                                          "--config coop --batch 2"};
    double work[sizeof options / sizeof options[0]];
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        json_t *object = expect_json(run("bench --model " MODEL " --part step --classes 3 --repetitions 1 --json %s", options[i]));
        check_times(object, "step");
        ck_assert(is_null(object, "features_ms_min") && is_null(object, "images_per_s") && is_null(object, "texts_ms_median") &&
                  is_null(object, "texts_per_s"));
        work[i] = number_in(object, "step_gflop");
        json_decref(object);
    }
    ck_close(work[0], work[1], 0);
    ck_assert_msg(work[2] > 1.5 * work[1] && work[2] < 2 * work[1], "batch of 4: %g, of 2: %g", work[2], work[1]); /* the prompts are the same */
    ck_assert(work[3] > work[1] && work[4] > 1.5 * work[1] && work[5] < work[1]);
}
END_TEST

/* Prompts need a vocabulary, pixels none. */
START_TEST(test_bench_parts) {
    char command[1024];
    snprintf(command, sizeof command, "cp -r tests/data/clip/hf %s && rm %s", scratch_file("wordless"), scratch_file("wordless/vocab.json"));
    ck_assert_int_eq(system(command), 0);
    expect_failure(run("bench --model @/wordless"), 1, "--part features needs none");
    expect_failure(run("bench --model @/wordless --part step"), 1, "--part features needs none");
    outcome o = run("bench --model @/wordless --part features --repetitions 1");
    ck_assert_msg(o.code == 0 && strstr(o.out, "features") && strstr(o.out, "GFLOP/s") && !strstr(o.out, "step"), "%s%s", o.out, o.err);
    json_t *object = expect_json(run("bench --model @/wordless --part features --repetitions 1 --json"));
    check_times(object, "features");
    ck_close(number_in(object, "gflops"), 1e3 * number_in(object, "features_gflop") / number_in(object, "features_ms_min"), 1e-6 * number_in(object, "gflops"));
    ck_assert(is_null(object, "step_ms_min") && is_null(json_object_get(object, "phases"), "text"));
    json_decref(object);
    expect_failure(run("bench --model @/absent"), 1, "absent");
}
END_TEST

/* ---- explain ---- */

static json_t *explain(const char *options) { return expect_json(run("explain --model " MODEL " --image @/flat/bag/0.png --out @/e.png --json %s", options)); }

START_TEST(test_explain) {
    json_t *object = explain("--data @/flat --adapter @/run/adapter --cutout-holes 2 --cutout-size 0.3"), *row;
    size_t i, found, grid = json_array_size(json_object_get(object, "map"));
    double frozen = 0, tuned = 0, last = 1;
    json_array_foreach(json_object_get(object, "classes"), i, row) {
        frozen += number_in(row, "frozen");
        tuned += number_in(row, "tuned");
        ck_assert_double_le(number_in(row, "tuned"), last);
        last = number_in(row, "tuned");
    }
    ck_assert_uint_eq(i, CLASSES);
    ck_close(frozen, 1, 1e-5);
    ck_close(tuned, 1, 1e-5);
    ck_assert_str_eq(text_in(object, "class"), text_in(json_array_get(json_object_get(object, "classes"), 0), "class"));
    ck_assert_uint_eq(grid, 7);
    float map[49];
    for (i = 0; i < 49; i++) map[i] = (float)json_real_value(json_array_get(json_array_get(json_object_get(object, "map"), i / 7), i % 7));
    orthsr_region regions[2];
    ck_ok(orthsr_cutout_regions(regions, &found, 2, map, 7, 0.3f, &error));
    ck_assert_uint_eq(found, json_array_size(json_object_get(object, "regions")));
    for (i = 0; i < found; i++) {
        row = json_array_get(json_object_get(object, "regions"), i);
        ck_assert_uint_eq((size_t)number_in(row, "top"), regions[i].top);
        ck_assert_uint_eq((size_t)number_in(row, "left"), regions[i].left);
        ck_assert_uint_eq((size_t)number_in(row, "height"), regions[i].height);
    }
    json_decref(object);

    /* two panels of 448 pixels; the frame's black and white on both, and what the network sees on the left */
    orthsr_image *picture, *image, *large;
    ck_ok(orthsr_image_open(&picture, scratch_file("e.png"), 0, &error));
    ck_assert_uint_eq(orthsr_image_width(picture), 2 * 448 + 12);
    ck_assert_uint_eq(orthsr_image_height(picture), 448);
    ck_ok(orthsr_image_open(&image, scratch_file("flat/bag/0.png"), 0, &error));
    ck_ok(orthsr_image_resize(&large, image, 448, 448, &error));
    size_t same = 0, y0 = regions[0].top * 64, x0 = regions[0].left * 64;
    for (size_t y = 0; y < 448; y++)
        for (size_t x = 0; x < 448; x++) same += memcmp(orthsr_image_rgb(picture) + 3 * (y * 908 + x), orthsr_image_rgb(large) + 3 * (y * 448 + x), 3) == 0;
    ck_assert_uint_gt(same, 448 * 448 * 9 / 10);
    for (size_t panel = 0; panel < 2; panel++) {
        const uint8_t *corner = orthsr_image_rgb(picture) + 3 * (y0 * 908 + x0 + panel * 460), *inner = corner + 3 * (2 * 908 + 2);
        for (size_t k = 0; k < 3; k++) ck_assert(corner[k] == 0 && inner[k] == 255);
    }
    orthsr_image_free(picture);
    orthsr_image_free(image);
    orthsr_image_free(large);
}
END_TEST

START_TEST(test_explain_classes) {
    write_text("names.txt", "a sandal\nbag\n\ncoat\n");
    json_t *named = explain("--classes-file @/names.txt --class coat"), *likeliest = explain("--classes-file @/names.txt"),
           *attention = explain("--classes-file @/names.txt --cutout-source attention");
    ck_assert_str_eq(text_in(named, "class"), "coat");
    ck_assert_uint_eq(json_array_size(json_object_get(named, "classes")), 3);
    ck_assert_ptr_null(json_object_get(json_array_get(json_object_get(named, "classes"), 0), "tuned"));
    ck_assert(!json_equal(json_object_get(named, "map"), json_object_get(likeliest, "map")));
    ck_assert(!json_equal(json_object_get(attention, "map"), json_object_get(likeliest, "map")));
    outcome o = run("explain --model " MODEL " --image @/flat/bag/0.png --out @/e2.png --classes-file @/names.txt");
    ck_assert_int_eq(o.code, 0);
    ck_assert_ptr_nonnull(strstr(o.out, "percent"));
    expect_failure(run("explain --model " MODEL " --image @/flat/bag/0.png --out @/e3.png --classes-file @/names.txt --class hat"), 1, "'hat'");
    expect_failure(run("explain --model " MODEL " --image @/names.txt --out @/e3.png --classes-file @/names.txt"), 1, "names.txt");
    expect_failure(run("explain --model " MODEL " --image @/flat/bag/0.png --out @/nowhere/e.png --classes-file @/names.txt"), 1, "nowhere");
    write_text("empty.txt", "\n\n");
    expect_failure(run("explain --model " MODEL " --image @/flat/bag/0.png --out @/e3.png --classes-file @/empty.txt"), 1, "names no class");
    ck_assert(!exists("e3.png"));
    json_decref(named);
    json_decref(likeliest);
    json_decref(attention);
}
END_TEST

/* Without D/train what is not drawn is the test part; a class with too few gives all it has and is named. */
START_TEST(test_train_flat) {
    outcome o = run("train --model " MODEL " --data @/flat --shots 4 --epochs 1 --out @/flat-run --optimizer sgd --lr 0.1 --momentum 0.9 --json");
    json_t *object = expect_json(o);
    ck_assert_uint_eq(json_array_size(json_object_get(object, "items")), 4 * CLASSES);
    number_in(json_object_get(object, "tuned"), "accuracy");
    json_decref(object);
    object = expect_json(run("train --model " MODEL " --data @/flat --shots 7 --epochs 1 --out @/flat-run --json"));
    ck_assert_int_eq((int)number_in(json_object_get(object, "short_classes"), "coat"), PER_CLASS);
    ck_assert(json_is_null(json_object_get(object, "tuned")));
    json_decref(object);
    ck_assert_ptr_nonnull(strstr(run("train --model " MODEL " --data @/flat --shots 7 --epochs 1 --out @/flat-run").err, "bag 5, coat 5"));
}
END_TEST

/* ---- protocols ---- */

static double results_number(const json_t *object, size_t row, const char *key) {
    return number_in(json_array_get(json_object_get(object, "results"), row), key);
}

/* Several adapters: the mean of each column, NumPy's deviation, H of the means, and binomial errors on 10 images a half. */
START_TEST(test_evaluate_runs) {
    ck_assert_int_eq(run("train --model " MODEL " --data @/split --shots 3 --epochs 6 --classes base --lr 3e-3 --seed 3 --out @/run3").code, 0);
    json_t *object = expect_json(run("evaluate --model " MODEL " --data @/split --adapter @/run/adapter --adapter @/run3/adapter --csv @/table.csv --json"));
    const json_t *mean = json_object_get(object, "mean"), *sd = json_object_get(object, "sd"), *se = json_object_get(object, "standard_error");
    static const char *const keys[] = {"base", "new", "h"};
    ck_assert_int_eq((int)number_in(mean, "runs"), 2);
    for (size_t k = 0; k < 3; k++) {
        double a = results_number(object, 0, keys[k]), b = results_number(object, 1, keys[k]);
        ck_close(number_in(object, keys[k]), a, 1e-12); /* the first adapter's */
        if (k < 2) ck_close(number_in(mean, keys[k]), (a + b) / 2, 1e-12);
        ck_close(number_in(sd, keys[k]), fabs(a - b) / 2, 1e-12);
    }
    double b = number_in(mean, "base"), n = number_in(mean, "new"), eb = sqrt(b * (1 - b) / (2 * PER_CLASS)), en = sqrt(n * (1 - n) / (2 * PER_CLASS));
    ck_close(number_in(mean, "h"), orthsr_harmonic_mean(b, n), 1e-12);
    ck_close(number_in(se, "base"), eb, 1e-10);
    ck_close(number_in(se, "new"), en, 1e-10);
    /* to first order, by a central difference */
    double step = 1e-6, hb = (orthsr_harmonic_mean(b + step, n) - orthsr_harmonic_mean(b - step, n)) / (2 * step),
           hn = (orthsr_harmonic_mean(b, n + step) - orthsr_harmonic_mean(b, n - step)) / (2 * step);
    ck_close(number_in(se, "h"), sqrt(hb * hb * eb * eb + hn * hn * en * en), 1e-8); /* observed 5e-11 */

    char *csv = read_text(scratch_file("table.csv")), *line = csv;
    ck_assert_int_eq(strncmp(csv, "adapter,Base,New,H\n", 19), 0);
    static const char *const names[] = {"mean", "standard deviation", "standard error"};
    const json_t *const lines[] = {mean, sd, se};
    for (size_t i = 0; i < 3; i++) {
        double values[3];
        line = strstr(csv, names[i]);
        ck_assert_ptr_nonnull(line);
        ck_assert_int_eq(sscanf(line + strlen(names[i]), ",%lf,%lf,%lf\n", &values[0], &values[1], &values[2]), 3);
        for (size_t k = 0; k < 3; k++) ck_close(values[k], number_in(lines[i], keys[k]), 1e-8);
    }
    outcome o = run("evaluate --model " MODEL " --data @/split --adapter @/run/adapter --adapter @/run3/adapter");
    ck_assert_uint_eq(count_lines(o.out), 6);
    ck_assert_ptr_nonnull(strstr(o.out, "standard deviation"));
    free(csv);
    json_decref(object);
}
END_TEST

/* As many classes as other, in folders of their own, with the images of split/test. */
static void make_target(const char *name, const char *const *classes, size_t n) {
    char file[128];
    unsigned long state = 9;
    make_directory(name);
    for (size_t c = 0; c < n; c++) {
        snprintf(file, sizeof file, "%s/%s", name, classes[c]);
        make_directory(file);
        for (int i = 0; i < 3; i++) {
            snprintf(file, sizeof file, "%s/%s/%d.png", name, classes[c], i);
            write_png(file, (int)c, &state);
        }
    }
}

START_TEST(test_cross_and_domain) {
    static const char *const some[] = {"coat", "trouser"}, *const others[] = {"cat", "dog", "frog"};
    make_target("some", some, 2);
    make_target("others", others, 3);
    json_t *cross = expect_json(run("evaluate --model " MODEL " --protocol cross --source @/split --data @/some --data @/others/ --json"));
    const json_t *accuracy = json_object_get(cross, "accuracy"), *data = json_object_get(cross, "data");
    ck_assert_uint_eq(json_array_size(accuracy), 3);
    static const char *const names[] = {"split", "some", "others"};
    static const int sizes[] = {CLASSES * PER_CLASS, 6, 9}, classes[] = {CLASSES, 2, 3};
    for (size_t i = 0; i < 3; i++) {
        json_t *alone = expect_json(run("zeroshot --model " MODEL " --data @/%s --json", names[i]));
        ck_close(json_number_value(json_array_get(accuracy, i)), number_in(alone, "accuracy"), 1e-9);
        ck_assert_int_eq((int)number_in(json_array_get(data, i), "items"), sizes[i]);
        ck_assert_int_eq((int)number_in(json_array_get(data, i), "classes"), classes[i]);
        ck_assert_int_eq(json_is_true(json_object_get(json_array_get(data, i), "source")), i == 0);
        json_decref(alone);
    }
    double a = json_number_value(json_array_get(accuracy, 1)), b = json_number_value(json_array_get(accuracy, 2));
    ck_close(number_in(cross, "average"), (a + b) / 2, 1e-9); /* without the source */
    ck_close(number_in(json_object_get(cross, "standard_error"), "average"), sqrt(a * (1 - a) / 6 + b * (1 - b) / 9) / 2, 1e-9);
    json_decref(cross);

    json_t *domain = expect_json(run("evaluate --model " MODEL " --protocol domain --source @/split --data @/some --adapter @/run/adapter --json"));
    ck_assert_uint_eq(json_array_size(json_object_get(domain, "accuracy")), 2);
    json_decref(domain);
    expect_failure(run("evaluate --model " MODEL " --protocol domain --source @/split --data @/some --data @/others"), 1, "class 'cat' of");
    expect_usage(run("evaluate --model " MODEL " --protocol domain --data @/some"), "needs --source");
    expect_usage(run("evaluate --model " MODEL " --data @/some --data @/others"), "one --data at a time");
    expect_usage(run("evaluate --model " MODEL " --source @/split --data @/others"), "--source belongs to");
    expect_usage(run("evaluate --model " MODEL), "--data D is missing");
    expect_failure(run("evaluate --model " MODEL " --data @/some --csv @/no/such.csv"), 1, "no/such.csv");
    outcome o = run("evaluate --model " MODEL " --protocol cross --data @/some --data @/others --csv @/cross.csv");
    ck_assert_msg(o.code == 0 && strstr(o.out, "some  others average") != NULL, "%s%s", o.out, o.err);
    char *csv = read_text(scratch_file("cross.csv"));
    ck_assert_int_eq(strncmp(csv, "adapter,some,others,average\nzero-shot,", 38), 0);
    free(csv);
    json_t *all = expect_json(run("evaluate --model " MODEL " --protocol all --data @/split --adapter @/run/adapter --adapter @/run/adapter --json"));
    json_t *alone = expect_json(run("zeroshot --model " MODEL " --data @/split --adapter @/run/adapter --json"));
    ck_close(number_in(all, "accuracy"), number_in(alone, "accuracy"), 1e-9);
    ck_close(number_in(json_object_get(all, "mean"), "accuracy"), number_in(alone, "accuracy"), 1e-9);
    ck_assert(number_in(json_object_get(all, "sd"), "accuracy") == 0);
    json_decref(alone);
    json_decref(all);
}
END_TEST

/* A split file whose images are those of split/, twisted so that test and train differ in their first classes. */
static void write_split_file(const char *name, const char *test_path) {
    json_t *root = json_object(), *train = json_array(), *test = json_array();
    for (int c = CLASSES; c-- > 0;)
        for (int i = 0; i < PER_CLASS; i++) {
            char path[64];
            snprintf(path, sizeof path, "train/%s/%d.png", class_names[c], i);
            json_array_append_new(train, json_pack("[s, i, s]", path, CLASSES - 1 - c, class_names[c]));
            snprintf(path, sizeof path, "%s/%s/%d.png", test_path, class_names[c], i);
            json_array_append_new(test, json_pack("[s, i, s]", path, CLASSES - 1 - c, class_names[c]));
        }
    json_object_set_new(root, "train", train);
    json_object_set_new(root, "test", test);
    ck_assert_int_eq(json_dump_file(root, scratch_file(name), 0), 0);
    json_decref(root);
}

/* The classes of base are the first of the split file's labels, here the last by name; the items are Python's. */
START_TEST(test_split_file) {
    write_split_file("split/own.json", "test");
    json_t *object = expect_json(run("train --model " MODEL " --data @/split/own.json --shots 2 --classes base --epochs 1 --seed 1 --out @/own --json"));
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(object, "classes"), 0)), "trouser");
    const json_t *items = json_object_get(object, "items");
    /* random.seed(1); [random.sample(range(5), 2) for _ in range(4)] == [[1, 0], [2, 0], [3, 4], [3, 4]] */
    static const char *const expected[] = {"trouser/1.png", "trouser/0.png", "sandal/2.png", "sandal/0.png"};
    ck_assert_uint_eq(json_array_size(items), 4);
    for (size_t i = 0; i < 4; i++) {
        const char *item = json_string_value(json_array_get(items, i));
        ck_assert_msg(strstr(item, expected[i]) != NULL, "item %zu is %s, not %s", i, item, expected[i]);
    }
    json_decref(object);
    ck_assert_int_eq(run("zeroshot --model " MODEL " --data @/split/own.json").code, 0);
    ck_assert_int_eq(run("evaluate --model " MODEL " --data @/split/own.json").code, 0);
    write_text("split/cut.json", "{\"train\": [[\"a.png\", 0, ");
    expect_failure(run("zeroshot --model " MODEL " --data @/split/cut.json"), 1, "cut.json', line 1");
    write_text("split/one.json", "{\"train\": [[\"train/coat/0.png\", 0, \"coat\"]], \"test\": [[\"train/coat/1.png\", 0, \"coat\"]]}");
    expect_failure(run("train --model " MODEL " --data @/split/one.json --out @/none"), 1, "at least two");
    expect_failure(run("evaluate --model " MODEL " --data @/split/one.json"), 1, "at least two classes");
    write_text("split/two.json", "{\"train\": [[\"train/coat/0.png\", 0, \"coat\"], [\"train/bag/0.png\", 1, \"bag\"]]}");
    expect_failure(run("train --model " MODEL " --data @/split/two.json --classes base --out @/none"), 1, "leaves 1 of the 2 classes");
    ck_assert(!exists("none"));
}
END_TEST

/* What is wrong is said on stdout, with exit status 1. The caller releases the object. */
static json_t *check_data(const char *arguments, int code, const char *key, const char *text) {
    outcome o = run("data check --json %s", arguments);
    ck_assert_msg(o.code == code, "exit code %d, not %d: %s%s", o.code, code, o.out, o.err);
    json_t *object = json_loads(o.out, 0, NULL);
    ck_assert_msg(object != NULL, "%s", o.out);
    ck_assert_int_eq(json_is_true(json_object_get(object, "ok")), code == 0);
    size_t i, found = text == NULL;
    const json_t *finding;
    json_array_foreach(json_object_get(object, key), i, finding) found |= text && strstr(json_string_value(finding), text) != NULL;
    ck_assert_msg(found, "no '%s' in the %s of %s", text, key, o.out);
    return object;
}

static void expect_finding(const char *arguments, int code, const char *key, const char *text) { json_decref(check_data(arguments, code, key, text)); }

START_TEST(test_data_check) {
    json_t *object = check_data("@/split", 0, "problems", NULL);
    ck_assert_str_eq(text_in(object, "layout"), "folders");
    ck_assert_int_eq((int)number_in(json_object_get(object, "splits"), "test"), CLASSES * PER_CLASS);
    ck_assert_int_eq((int)number_in(json_array_get(json_object_get(object, "classes"), 1), "train"), PER_CLASS);
    ck_assert_uint_eq(json_array_size(json_object_get(object, "notes")), 0);
    json_decref(object);
    expect_finding("@/flat --deep", 0, "problems", NULL);
    outcome o = run("data check @/flat");
    ck_assert_ptr_nonnull(strstr(o.out, "nothing is wrong"));

    char command[1024];
    snprintf(command, sizeof command,
             "cp -r %s %s && cd %s && : > test/coat/0.png && rm train/bag/1.png && cp test/bag/1.png train/bag/1.png && mv train/sandal train/Coat",
             scratch_file("split"), scratch_file("sick"), scratch_file("sick"));
    ck_assert_int_eq(system(command), 0);
    write_split_file("sick/own.json", "test");
    write_split_file("sick/leak.json", "train");
    expect_finding("@/sick", 1, "problems", "1 of 20 images of test are missing or cannot be read, first: ");
    expect_finding("@/sick", 1, "problems", "is empty");
    expect_finding("@/sick", 1, "problems", "the parts train and test do not have the same classes: class 0 is 'Coat' and 'bag'");
    expect_finding("@/sick", 1, "notes", "read the same");
    write_text("sick/test/trouser/notes.webp", "?");
    expect_finding("@/sick", 1, "notes", "1 files of test are passed over");
    expect_finding("@/sick --deep", 1, "notes", "byte for byte the same as one of another part");
    expect_finding("@/sick/own.json", 1, "problems", "5 of 20 images of train are missing");
    expect_failure(run("train --model " MODEL " --data @/sick/own.json --out @/none"), 1, "5 of the 20 images that");
    expect_failure(run("train --model " MODEL " --data @/sick --out @/none"), 1, "class 'Coat' is in the train part");
    expect_finding("@/sick/leak.json", 1, "problems", "20 images are in two parts");
    write_text("sick/bad.json", "{\"train\": [[\"../x.png\", 0, \"a\"]]}");
    expect_finding("@/sick/bad.json", 1, "problems", "must not leave it");
    write_text("sick/twice.json",
               "{\"train\": [[\"train/bag/0.png\", 0, \"7\"], [\"train/bag/0.png\", 0, \"7\"]], \"test\": [[\"test/bag/0.png\", 1, \"n01440764\"]]}");
    expect_finding("@/sick/twice.json", 1, "problems", "1 images are listed twice in a part");
    expect_finding("@/sick/twice.json", 1, "problems", "1 classes have no image in train, first 'n01440764'");
    expect_finding("@/sick/twice.json", 1, "notes", "is a number");
    expect_finding("@/sick/twice.json", 1, "notes", "is a WordNet id");
    expect_finding("@/sick/test/coat", 1, "problems", "holds no class folders");
    snprintf(command, sizeof command, "cp -r %s %s && rm -r %s/trouser", scratch_file("split"), scratch_file("fewer"), scratch_file("fewer/train"));
    ck_assert_int_eq(system(command), 0);
    expect_finding("@/fewer", 1, "problems", "do not have the same classes: class 'trouser' is in test alone");
    expect_failure(run("train --model " MODEL " --data @/fewer --out @/none"), 1, "class 'trouser' is in the test part");
    expect_finding("@/flat --max-pixels 10", 1, "problems", "more than the limit of 10");
    expect_failure(run("data check @/absent"), 1, "absent");
    expect_usage(run("data"), "There is 'check'");
    expect_usage(run("data check"), "which data set");
    expect_usage(run("data look @/flat"), "There is 'check'");
    expect_usage(run("data check a b"), "not also 'b'");
}
END_TEST

/* A training run that is told to stop once it has written so many lines of its log. */
static outcome run_and_stop(const char *signal_name, int lines, const char *command) {
    unlink(scratch_file("going/log.jsonl"));
    return run(
        "%s & p=$!; i=0; until [ \"$(cat @/going/log.jsonl 2>@/unused | wc -l)\" -ge %d ] || [ $((i += 1)) -gt 15000 ]; do sleep 0.02; done; kill -%s $p; wait $p",
        command, lines, signal_name);
}

/* What must be the same in two directories of runs: all but times and the command line in result.json. */
static void expect_same_runs(const char *a, const char *b) {
    outcome o = run("help >@/unused && cmp @/%s/log.jsonl @/%s/log.jsonl && cmp @/%s/adapter/adapter.safetensors @/%s/adapter/adapter.safetensors", a, b, a, b);
    ck_assert_msg(o.code == 0, "%s%s", o.out, o.err);
    json_t *results[2];
    for (int i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/result.json", i ? b : a);
        results[i] = json_load_file(scratch_file(name), 0, NULL);
        ck_assert_ptr_nonnull(results[i]);
        static const char *const own[] = {"seconds", "checkpoint_seconds", "timing", "command"};
        for (size_t k = 0; k < sizeof own / sizeof own[0]; k++) json_object_del(results[i], own[k]);
    }
    ck_assert_msg(json_equal(results[0], results[1]), "the results of '%s' and '%s' differ", a, b);
    for (int i = 0; i < 2; i++) json_decref(results[i]);
}

#define GOING "train --model " MODEL " --data @/split --shots 3 --epochs 15 --classes base --seed 2 --checkpoint-every 2 --out @/going "

/* Told to stop, it finishes its step, saves, says how to go on, and goes on to what would have come without. */
START_TEST(test_resumed) {
    ck_assert_int_eq(run(GOING).code, 0);
    check_log("going/log.jsonl", 30);
    ck_assert_int_eq(run("help >@/unused; mv @/going @/gone").code, 0);
    static const char *const signals[] = {"INT", "TERM", "KILL"};
    for (int i = 0; i < 3; i++) {
        outcome o = run_and_stop(signals[i], 3 + i, GOING);
        ck_assert_int_eq(o.code, i < 2 ? 1 : 137);
        ck_assert(exists("going/checkpoint") && exists("going/checkpoint.previous") && !exists("going/result.json"));
        if (i < 2) ck_assert_msg(strstr(o.err, "orthsr train: interrupted after step ") && strstr(o.err, "--resume"), "%s", o.err);
        o = run(GOING "--resume");
        ck_assert_msg(o.code == 0 && strstr(o.err, "going on after step "), "%s", o.err);
        expect_same_runs("going", "gone");
    }
    outcome o = run(GOING "--resume"); /* with nothing left to do */
    ck_assert_msg(o.code == 0 && strstr(o.err, "going on after step 30 of 30"), "%s", o.err);
    expect_same_runs("going", "gone");

    o = run(GOING "--resume --lr 0.01"); /* refused, and nothing lost */
    ck_assert_int_eq(o.code, 1);
    ck_assert_msg(strstr(o.err, "learning rate is the default there and 0.01 here; give what it was begun with, or start anew without --resume"), "%s", o.err);
    expect_same_runs("going", "gone");

    static const char *const damage = "help >@/unused; printf x | dd of=@/going/%s bs=1 seek=5000 conv=notrunc 2>@/unused";
    ck_assert_int_eq(run(damage, "checkpoint").code, 0);
    o = run(GOING "--resume");
    ck_assert_msg(o.code == 0 && strstr(o.err, "is damaged") && strstr(o.err, "the one before it"), "%s", o.err);
    expect_same_runs("going", "gone");
    ck_assert_int_eq(run(damage, "checkpoint").code, 0);
    ck_assert_int_eq(run(damage, "checkpoint.previous").code, 0);
    o = run(GOING "--resume");
    ck_assert_msg(o.code == 1 && strstr(o.err, "is damaged") && strstr(o.err, "and the one before it"), "%s", o.err);
    ck_assert_int_eq(run("help >@/unused; rm -r @/going").code, 0);
    o = run(GOING "--resume");
    ck_assert_msg(o.code == 0 && strstr(o.err, "starts at its beginning"), "%s", o.err);
    expect_same_runs("going", "gone");
}
END_TEST

/* Times of a run that was stopped are those of all its processes. */
START_TEST(test_resumed_times) {
    outcome o = run_and_stop("INT", 25, GOING);
    ck_assert_msg(o.code == 1 && strstr(o.err, "--resume"), "%s", o.err);
    o = run(GOING "--resume");
    ck_assert_msg(o.code == 0, "%s", o.err);
    const char *cost = strstr(o.out, " of them for ");
    ck_assert_msg(cost && atoi(cost + strlen(" of them for ")) >= 16, "%s", o.out); /* the first, one every second step, and at both ends */
    json_t *result = json_load_file(scratch_file("going/result.json"), 0, NULL), *timing = json_object_get(result, "timing"), *value;
    double sum = 0, training = number_in(timing, "training");
    const char *phase;
    json_object_foreach(json_object_get(timing, "steps"), phase, value) sum += json_number_value(value);
    /* observed: 0.73 of it; of the steps after the stop alone it would be at most 0.13 */
    ck_assert_msg(sum > 0.4 * training && sum <= training, "phases of %.3f s in %.3f s of training", sum, training);
    ck_assert(number_in(result, "checkpoint_seconds") < training && number_in(timing, "before_training") > 0);
    json_decref(result);
    ck_assert_int_eq(run("help >@/unused; rm -r @/going").code, 0);
}
END_TEST

/* What an unfinished run left is not replaced without a word; two processes do not train into one directory. */
START_TEST(test_resume_is_offered) {
    outcome o = run_and_stop("TERM", 1, GOING "--checkpoint-every 0");
    ck_assert_int_eq(o.code, 1);
    o = run_and_stop("TERM", 1, GOING);
    ck_assert_msg(strstr(o.err, "is of a run that was not finished, and will be replaced; --resume would go on with it"), "%s", o.err);
    o = run("help >@/unused; exec 9>>@/going/log.jsonl; flock 9; ${ORTHSR:-build/bin/orthsr} " GOING "--resume");
    ck_assert_msg(o.code == 1 && strstr(o.err, "another process is training into"), "%s", o.err);
    ck_assert_int_eq(run("help >@/unused; rm -r @/going").code, 0);
}
END_TEST

START_TEST(test_merge) {
    json_t *object = expect_json(run("merge --model " MODEL " --adapter @/run/adapter --out @/merged --json"));
    ck_assert(number_in(object, "deviation") >= 0);
    json_t *a = expect_json(run("evaluate --model @/merged --data @/split --json"));
    json_t *b = expect_json(run("evaluate --model " MODEL " --adapter @/run/adapter --data @/split --json"));
    ck_close(number_in(a, "h"), number_in(b, "h"), 0.15); /* fp16 rounding may turn an image or two of 20 */
    read_weights();
    copy_model("own", weights_size);
    expect_failure(run("merge --model @/own --adapter @/run/adapter --out @/own"), 1, "own directory");
    free(weights);
    json_decref(a);
    json_decref(b);
    json_decref(object);
}
END_TEST

/* Merged and taken out again: the accuracy of the model as it was. */
START_TEST(test_unmerge) {
    ck_assert_int_eq(run("merge --model " MODEL " --adapter @/run/adapter --out @/there").code, 0);
    json_t *object = expect_json(run("unmerge --model @/there --adapter @/run/adapter --out @/back --json"));
    ck_assert(number_in(object, "deviation") > 0);
    ck_assert_int_eq((int)number_in(object, "targets"), 14);
    json_t *a = expect_json(run("embed --model @/back --images @/flat/bag/0.png --out @/back.npy --json")), *b = expect_json(run("info @/back --json"));
    ck_assert_str_eq(text_in(b, "family"), "open_clip");
    expect_failure(run("unmerge --model @/there --adapter @/nothing --out @/back2"), 1, "nothing");
    ck_assert(!exists("back2"));
    json_decref(a);
    json_decref(b);
    json_decref(object);
}
END_TEST

START_TEST(test_convert) {
    json_t *object = expect_json(run("convert --adapter @/run/adapter --model " MODEL " --to peft --out @/peft --json"));
    ck_assert_str_eq(text_in(object, "format"), "peft");
    ck_assert_int_eq((int)number_in(object, "targets"), 14);
    json_decref(object);
    char *config = read_text(scratch_file("peft/adapter_config.json"));
    ck_assert_ptr_nonnull(strstr(config, "visual\\\\.transformer\\\\.resblocks\\\\.0\\\\.mlp\\\\.c_fc"));
    free(config);
    /* back again, with the model and without it: the same parameters */
    ck_assert_int_eq(run("convert --adapter @/peft --model " MODEL " --to orthsr --out @/again").code, 0);
    ck_assert_int_eq(run("convert --adapter @/peft --to orthsr --out @/alone").code, 0);
    outcome o = run("embed --model " MODEL " --adapter @/again --images @/flat/bag/0.png --raw --out @/a.npy");
    ck_assert_msg(o.code == 0, "%s", o.err);
    ck_assert_int_eq(run("embed --model " MODEL " --adapter @/run/adapter --images @/flat/bag/0.png --raw --out @/b.npy").code, 0);
    ck_assert_int_eq(run("embed --model " MODEL " --adapter @/alone --images @/flat/bag/0.png --raw --out @/c.npy").code, 0);
    char command[1024];
    snprintf(command, sizeof command, "cmp %s %s && cmp %s %s", scratch_file("a.npy"), scratch_file("b.npy"), scratch_file("a.npy"), scratch_file("c.npy"));
    ck_assert_int_eq(system(command), 0);
    /* without a model the names are transformers' */
    o = run("convert --adapter @/run/adapter --to peft --out @/transformers");
    ck_assert_msg(o.code == 0 && strstr(o.err, "CLIPModel"), "%s", o.err);
    expect_usage(run("convert --adapter @/run/adapter --out @/x"), "--to orthsr|peft|gguf is missing");
    expect_usage(run("convert --adapter @/run/adapter --to onnx --out @/x"), "not 'onnx'");
    expect_usage(run("convert --model " MODEL " --to peft --out @/x"), "--adapter A is missing");
    expect_usage(run("convert --adapter @/run/adapter --to peft --dtype f16 --out @/x"), "--dtype is for --to gguf");
    expect_failure(run("convert --adapter @/flat --to peft --out @/x"), 1, "flat");
    ck_assert(!exists("x"));
}
END_TEST

/* What is in the files is looked at by tests/test_gguf.c. */
START_TEST(test_convert_gguf) {
    json_t *object = expect_json(run("convert --model " MODEL " --adapter @/run/adapter --to gguf --out @/clip.gguf --json"));
    ck_assert_str_eq(text_in(object, "format"), "gguf");
    ck_assert_str_eq(text_in(object, "dtype"), "f16");
    ck_assert_int_eq((int)number_in(object, "targets"), 14);
    ck_assert(number_in(object, "deviation") > 0);
    json_decref(object);
    object = expect_json(run("convert --model " MODEL " --to gguf --dtype f32 --out @/plain.gguf --json"));
    ck_assert_str_eq(text_in(object, "dtype"), "f32");
    ck_assert(number_in(object, "targets") == 0 && number_in(object, "deviation") == 0 && !json_object_get(object, "adapter"));
    json_decref(object);
    struct stat half, full;
    ck_assert(stat(scratch_file("clip.gguf"), &half) == 0 && stat(scratch_file("plain.gguf"), &full) == 0 && full.st_size > half.st_size);
    outcome o = run("convert --model " MODEL " --to gguf --out @/clip.gguf");
    ck_assert_msg(o.code == 0 && strstr(o.out, "0 maps merged"), "%s%s", o.out, o.err);
    expect_usage(run("convert --adapter @/run/adapter --to gguf --out @/x"), "--model M is missing");
    expect_usage(run("convert --model " MODEL " --to gguf --dtype q8 --out @/x"), "f32|f16");
    expect_failure(run("convert --model " MODEL " --to gguf --out @/run"), 1, "is a directory");
    expect_failure(run("convert --model tests/data/clip/openai/ViT-tiny.safetensors --to gguf --out @/x"), 1, "vocab.json");
    ck_assert(!exists("x"));
}
END_TEST

/* What train wrote, read again by every command that uses it: the same accuracies as train measured. */
static void check_prompt(const char *arguments, const char *name, int adapter) {
    json_t *trained = expect_json(run("train --model " MODEL " --data @/split --shots 4 %s --out @/%s --json", arguments, name));
    const json_t *tuned = json_object_get(trained, "tuned");
    char file[128];
    snprintf(file, sizeof file, "%s/adapter/prompt.safetensors", name);
    ck_assert(exists(file));
    snprintf(file, sizeof file, "%s/adapter/adapter.safetensors", name);
    ck_assert_int_eq(exists(file), adapter);
    ck_assert_msg(number_in(trained, "last_loss") < number_in(trained, "first_loss"), "loss %g at first, %g at last", number_in(trained, "first_loss"),
                  number_in(trained, "last_loss"));
    if (json_object_get(tuned, "accuracy")) {
        json_t *measured = expect_json(run("zeroshot --model " MODEL " --data @/split --adapter @/%s/adapter --json", name));
        ck_close(number_in(measured, "accuracy"), number_in(tuned, "accuracy"), 0);
        json_decref(measured);
    } else {
        json_t *measured = expect_json(run("evaluate --model " MODEL " --data @/split --adapter @/%s/adapter --json", name));
        ck_close(number_in(measured, "base"), number_in(tuned, "base"), 0);
        ck_close(number_in(measured, "new"), number_in(tuned, "new"), 0);
        json_decref(measured);
    }
    json_decref(trained);
}

START_TEST(test_prompts) {
    check_prompt("--method coop --batch-size 0 --epochs 15 --lr 0.02 --classes base", "coop", 0);
    check_prompt("--method coop --batch-size 0 --epochs 10 --lr 0.1 --context-words 6 --context-position middle --class-specific", "specific", 0);
    check_prompt("--method coop+orthsr --epochs 4 --lr 1e-3 --classes base", "both", 1);
    json_t *alone = expect_json(run("info @/coop/adapter --json")), *both = expect_json(run("info @/both/adapter --model " MODEL " --json"));
    ck_assert_str_eq(text_in(alone, "kind"), "prompt");
    ck_assert_int_eq((int)number_in(alone, "words"), 4);
    ck_assert_str_eq(text_in(both, "kind"), "adapter");
    ck_assert(json_is_true(json_object_get(json_object_get(both, "prompt"), "trained_on_this_model")));
    json_decref(alone);
    json_decref(both);
    ck_assert_ptr_nonnull(strstr(run("info @/specific/adapter").out, "sandal"));

    /* a prompt moves neither images nor other texts; an explicit template comes before it */
    char command[1024];
    ck_assert_int_eq(run("embed --model " MODEL " --adapter @/coop/adapter --images @/flat/bag/0.png --out @/with.npy").code, 0);
    ck_assert_int_eq(run("embed --model " MODEL " --images @/flat/bag/0.png --out @/without.npy").code, 0);
    snprintf(command, sizeof command, "cmp %s %s", scratch_file("with.npy"), scratch_file("without.npy"));
    ck_assert_int_eq(system(command), 0);
    json_t *fixed = expect_json(run("zeroshot --model " MODEL " --data @/split --adapter @/coop/adapter/prompt.safetensors --template @@eurosat --json"));
    json_t *plain = expect_json(run("zeroshot --model " MODEL " --data @/split --template 'a centered satellite photo of {}.' --json"));
    ck_assert(json_equal(fixed, plain));
    json_decref(fixed);
    json_decref(plain);
    ck_assert_int_eq(run("zeroshot --model " MODEL " --data @/split --template @@ensemble --template '{}'").code, 0);

    /* merging takes the matrices and says what it leaves; a later run into the directory leaves nothing of the earlier one */
    outcome o = run("merge --model " MODEL " --adapter @/both/adapter --out @/merged-both");
    ck_assert_msg(o.code == 0 && strstr(o.err, "prompt.safetensors"), "%s", o.err);
    ck_assert_int_eq(run("zeroshot --model @/merged-both --data @/split --adapter @/both/adapter/prompt.safetensors").code, 0);
    ck_assert_int_eq(run("train --model " MODEL " --data @/split --shots 2 --epochs 1 --out @/both").code, 0);
    ck_assert(exists("both/adapter/adapter.safetensors") && !exists("both/adapter/prompt.safetensors"));
    ck_assert_int_eq(run("train --model " MODEL " --data @/split --shots 2 --epochs 1 --method coop --out @/both").code, 0);
    ck_assert(!exists("both/adapter/adapter.safetensors") && exists("both/adapter/prompt.safetensors"));
}
END_TEST

/* Features of one image as the tool writes them, and as a session with these adapters in this order computes them: the same bits. */
static float *check_stack(const char *options, const char *const *directories, size_t n) {
    orthsr_model *model;
    orthsr_session *session;
    orthsr_adapter *adapters[3] = {NULL};
    orthsr_image *image;
    static float pixels[3 * SIDE * SIDE];
    ck_ok(orthsr_model_open(&model, MODEL, &error));
    size_t dim = orthsr_model_embed_dim(model);
    float *expected = calloc(dim, sizeof *expected);
    for (size_t i = 0; i < n; i++) ck_ok(orthsr_adapter_load(&adapters[i], scratch_file(directories[i]), &error));
    ck_ok(orthsr_session_new(&session, model, NULL, &error));
    ck_ok(orthsr_session_set_adapters(session, (const orthsr_adapter *const *)adapters, n, &error));
    ck_ok(orthsr_image_open(&image, scratch_file("flat/bag/0.png"), 0, &error));
    ck_ok(orthsr_model_preprocess(model, pixels, image, &error));
    ck_ok(orthsr_session_encode_pixels(session, expected, pixels, 1, &error));
    ck_assert_int_eq(run("embed --model " MODEL " --images @/flat/bag/0.png --raw --out @/stack.npy %s", options).code, 0);
    float *features = read_features("stack.npy", 1, dim);
    /* Under valgrind the test has fewer instructions than the tool, and other last bits: 3e-6 of the largest observed. */
    if (short_run()) ck_assert_double_le(max_relative(features, expected, dim), 1e-4);
    else ck_assert_mem_eq(features, expected, dim * sizeof *features);
    orthsr_free(features);
    orthsr_image_free(image);
    orthsr_session_free(session);
    for (size_t i = 0; i < n; i++) orthsr_adapter_free(adapters[i]);
    orthsr_model_free(model);
    return expected;
}

static void check_same_answers(const char *options, const char *others) {
    json_t *a = expect_json(run("zeroshot --model " MODEL " --data @/split --predictions @/a.csv --json %s", options));
    json_t *b = expect_json(run("zeroshot --model " MODEL " --data @/split --predictions @/b.csv --json %s", others));
    char *csv[2] = {read_text(scratch_file("a.csv")), read_text(scratch_file("b.csv"))};
    ck_assert(json_equal(a, b));
    ck_assert_str_eq(csv[0], csv[1]);
    for (int i = 0; i < 2; i++) free(csv[i]);
    json_decref(a);
    json_decref(b);
}

/* --adapter once more is on top of what is before it; the order is the given one, and the last learned prompt counts. */
START_TEST(test_stack) {
    static const char *const ab[] = {"run/adapter", "turned/adapter"}, *const ba[] = {"turned/adapter", "run/adapter"}, *const abb[] = {ab[0], ab[1], ab[1]};
    ck_assert_int_eq(
        run("train --model " MODEL " --data @/split --shots 3 --epochs 2 --lr 3e-3 --side output --seed 2 --method coop+orthsr --out @/turned").code, 0);
    ck_assert_int_eq(run("train --model " MODEL " --data @/split --shots 2 --epochs 2 --lr 0.1 --seed 3 --method coop --out @/spoken").code, 0);
    float *features[3] = {check_stack("--adapter @/run/adapter --adapter @/turned/adapter", ab, 2),
                          check_stack("--adapter @/turned/adapter --adapter @/run/adapter", ba, 2),
                          check_stack("--adapter @/run/adapter --adapter @/turned/adapter --adapter @/spoken/adapter --adapter @/turned/adapter", abb, 3)};
    float *first = check_stack("--adapter @/run/adapter", ab, 1);
    for (int i = 0; i < 3; i++) ck_assert_int_ne(memcmp(features[i], first, 128 * sizeof *first), 0);
    ck_assert_int_ne(memcmp(features[0], features[2], 128 * sizeof *first), 0);
    for (int i = 0; i < 3; i++) free(features[i]);
    free(first);

    check_same_answers("--adapter @/turned/adapter", "--adapter @/turned/adapter/adapter.safetensors --adapter @/turned/adapter/prompt.safetensors");
    check_same_answers("--adapter @/turned/adapter --adapter @/spoken/adapter", "--adapter @/spoken/adapter --adapter @/turned/adapter/adapter.safetensors");
    json_t *object = explain("--data @/flat --adapter @/run/adapter --adapter @/turned/adapter");
    json_decref(object);
    expect_failure(run("embed --model " MODEL " --images @/flat/bag/0.png --out @/none.npy --adapter @/run/adapter --adapter @/nothing"), 1, "nothing");
    expect_failure(run("zeroshot --model tests/data/clip/hf --data @/split --adapter @/run/adapter --adapter @/turned/adapter"), 1, "the model's map 32 -> 64");
    ck_assert(!exists("none.npy"));
}
END_TEST

START_TEST(test_bad_prompts) {
    char command[1024];
    expect_failure(run("train --model " MODEL " --data @/split --method coop --context-words 21 --out @/none"), 1, "at most 20");
    snprintf(command, sizeof command, "cp -r " MODEL " %s && rm %s/vocab.json %s/merges.txt", scratch_file("mute"), scratch_file("mute"), scratch_file("mute"));
    ck_assert_int_eq(system(command), 0);
    expect_failure(run("train --model @/mute --data @/split --method coop --out @/none"), 1, "no vocabulary");
    ck_assert(!exists("none"));

    ck_assert_int_eq(run("train --model " MODEL " --data @/split --shots 1 --epochs 1 --method coop --class-specific --out @/narrow").code, 0);
    make_directory("knitwear");
    make_directory("knitwear/coat");
    make_directory("knitwear/striped jumper");
    unsigned long state = 1;
    write_png("knitwear/coat/0.png", 1, &state);
    write_png("knitwear/striped jumper/0.png", 2, &state);
    outcome o =
        run("train --model " MODEL " --data @/knitwear --shots 1 --method coop --context-words 20 --out @/none"); /* it has said what it trains by then */
    ck_assert_msg(o.code == 1 && strstr(o.err, "the prompt of class 'striped jumper' does not fit"), "%s", o.err);
    expect_failure(run("zeroshot --model " MODEL " --data @/knitwear --adapter @/narrow/adapter"), 1, "no context for class 'striped jumper'");
    expect_failure(run("zeroshot --model tests/data/clip/hf --data @/knitwear --adapter @/narrow/adapter"), 1, "width 128, the model's text tower 24");
    write_text("narrow/adapter/prompt.safetensors", "no prompt");
    expect_failure(run("evaluate --model " MODEL " --data @/split --adapter @/narrow/adapter"), 1, "prompt.safetensors");
    expect_failure(run("merge --model " MODEL " --adapter @/narrow/adapter --out @/none"), 1, "adapter.safetensors");
    ck_assert(!exists("none"));
}
END_TEST

START_TEST(test_image_size) {
    json_t *object = expect_json(run("info " MODEL " --image-size 40 --json"));
    ck_assert_int_eq((int)number_in(object, "image_size"), 40);
    json_decref(object);
    ck_assert_int_eq(run("embed --model " MODEL " --image-size 40 --images @/flat/bag/0.png --out @/large.npy").code, 0);
    ck_assert_int_eq(run("embed --model " MODEL " --image-size 40 --interpolation bicubic --images @/flat/bag/0.png --out @/large2.npy").code, 0);
    char command[1024];
    snprintf(command, sizeof command, "cmp -s %s %s", scratch_file("large.npy"), scratch_file("large2.npy"));
    ck_assert_int_ne(system(command), 0);
    expect_failure(run("embed --model " MODEL " --images @/flat/bag/0.png --max-pixels 783 --out @/x.npy"), 1, "28 x 28 pixels are more than the limit of 783");
    expect_failure(run("zeroshot --model " MODEL " --data @/flat --max-pixels 100"), 1, "more than the limit of 100");
    ck_assert_int_eq(run("embed --model " MODEL " --images @/flat/bag/0.png --max-pixels 784 --out @/x.npy").code, 0);
    expect_failure(run("info " MODEL " --image-size 3"), 1, "less than one patch");
    expect_failure(run("zeroshot --model " MODEL " --data @/flat --image-size 0"), 1, "at least one patch");
}
END_TEST

START_TEST(test_output) {
    expect_failure(run("embed --model " MODEL " --images @/flat/bag/0.png --out @/no/such/f.npy"), 1, "no/such/f.npy");
    expect_failure(run("embed --model " MODEL " --images @/flat/bag/0.png --out @/flat"), 1, "is a directory");
    expect_failure(run("train --model " MODEL " --data @/flat --out @/no/such"), 1, "no/such");
    expect_failure(run("info " MODEL " --json >/dev/full"), 1, "standard output");
}
END_TEST

/* ---- bad input ---- */

/* The header's text from the entry of tensor on, to be changed in place. */
static char *entry_of(const char *tensor) {
    char key[128];
    size_t length, n = (size_t)snprintf(key, sizeof key, "\"%s\":", tensor);
    memcpy(&length, weights, 8);
    char *entry = memmem(weights + 8, length, key, n);
    ck_assert_msg(entry != NULL, "%s is not in the header", tensor);
    return entry;
}

static void replace(char *entry, const char *old, const char *new) {
    char *place = strstr(entry, old);
    ck_assert_msg(place != NULL && strlen(old) == strlen(new), "no '%s' to replace", old);
    memcpy(place, new, strlen(new));
}

#define TENSOR "visual.transformer.resblocks.1.mlp.c_fc.weight"

static void expect_bad_model(const char *text) {
    copy_model("bad", weights_size);
    outcome o = run("train --model @/bad --data @/split --out @/none");
    expect_failure(o, 1, text);
    ck_assert_msg(strstr(o.err, "open_clip_model.safetensors") != NULL, "the file is not named: %s", o.err);
    ck_assert(!exists("none"));
    free(weights);
    read_weights();
}

START_TEST(test_bad_models) {
    read_weights();
    expect_failure(run("train --model @/absent --data @/split --out @/none"), 1, "absent");

    copy_model("bad", weights_size / 2);
    expect_failure(run("train --model @/bad --data @/split --out @/none"), 1, "open_clip_model.safetensors");
    copy_model("bad", 5);
    expect_failure(run("info @/bad"), 1, "open_clip_model.safetensors");

    memset(weights, 0xff, 7);
    expect_bad_model("header");
    replace(entry_of(TENSOR), "F16", "X16");
    expect_bad_model(TENSOR);
    replace(entry_of(TENSOR), "[512,128]", "[128,512]");
    expect_bad_model(TENSOR);
    replace(entry_of(TENSOR), "[512,128]", "[512,129]");
    expect_bad_model(TENSOR);

    size_t header, begin, end;
    memcpy(&header, weights, 8);
    ck_assert_int_eq(sscanf(strstr(entry_of(TENSOR), "data_offsets"), "data_offsets\":[%zu,%zu]", &begin, &end), 2);
    memcpy(weights + 8 + header + begin + 2 * 77, "\x00\x7e", 2); /* NaN in fp16 */
    expect_bad_model(TENSOR);
    ck_assert(!exists("none"));
    free(weights);
}
END_TEST

START_TEST(test_bad_data) {
    expect_failure(run("zeroshot --model " MODEL " --data @/absent"), 1, "absent");
    char command[512];
    snprintf(command, sizeof command, "cp -r %s %s && rm -r %s", scratch_file("split"), scratch_file("lacking"), scratch_file("lacking/test/coat"));
    ck_assert_int_eq(system(command), 0);
    expect_failure(run("train --model " MODEL " --data @/lacking --out @/none"), 1, "class 'coat'");
    make_directory("lacking/test/coat");
    expect_failure(run("train --model " MODEL " --data @/lacking --out @/none"), 1, "coat");
    write_text("lacking/test/coat/0.png", "no image");
    expect_failure(run("train --model " MODEL " --data @/lacking --shots 2 --out @/none"), 1, "coat/0.png");
    write_text("adapter.safetensors", "no adapter");
    expect_failure(run("evaluate --model " MODEL " --data @/split --adapter @/adapter.safetensors"), 1, "adapter.safetensors");
    ck_assert(!exists("none"));
}
END_TEST

static TCase *usage(void) {
    TCase *tc = tcase_create("usage");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_usage);
    tcase_add_test(tc, test_usage_of_train);
    tcase_add_test(tc, test_help);
    tcase_add_test(tc, test_man_page);
    return tc;
}

static TCase *commands(void) {
    TCase *tc = tcase_create("commands");
    tcase_set_timeout(tc, 120);
    tcase_add_unchecked_fixture(tc, make_data, NULL);
    tcase_add_test(tc, test_info);
    tcase_add_test(tc, test_tokenize);
    tcase_add_test(tc, test_embed_texts);
    tcase_add_test(tc, test_embed_images);
    tcase_add_test(tc, test_zeroshot);
    tcase_add_loop_test(tc, test_train_each_parametrization, 0, 7);
    tcase_add_test(tc, test_train);
    tcase_add_test(tc, test_train_cutout);
    tcase_add_test(tc, test_narrow_blocks);
    tcase_add_test(tc, test_threads);
    tcase_add_test(tc, test_bench);
    tcase_add_test(tc, test_bench_work);
    tcase_add_test(tc, test_bench_parts);
    tcase_add_test(tc, test_explain);
    tcase_add_test(tc, test_explain_classes);
    tcase_add_test(tc, test_train_flat);
    tcase_add_test(tc, test_evaluate_runs);
    tcase_add_test(tc, test_cross_and_domain);
    tcase_add_test(tc, test_split_file);
    tcase_add_test(tc, test_data_check);
    tcase_add_test(tc, test_resumed);
    tcase_add_test(tc, test_resumed_times);
    tcase_add_test(tc, test_resume_is_offered);
    tcase_add_test(tc, test_merge);
    tcase_add_test(tc, test_unmerge);
    tcase_add_test(tc, test_convert);
    tcase_add_test(tc, test_convert_gguf);
    tcase_add_test(tc, test_prompts);
    tcase_add_test(tc, test_stack);
    tcase_add_test(tc, test_bad_prompts);
    tcase_add_test(tc, test_image_size);
    tcase_add_test(tc, test_output);
    tcase_add_test(tc, test_bad_models);
    tcase_add_test(tc, test_bad_data);
    return tc;
}

TEST_MAIN("cli", usage, commands)
