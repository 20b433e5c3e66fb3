/* test_report.c - pages that the orthsr tool writes: what a person reads is what result.json says, whatever stands in names, and it is valid HTML. */
#include <png.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#include "util/json.h"

#define MODEL "examples/data/mini"
enum { SIDE = 28 };

/* ---- inputs -------------------------------------------------------------------------------------------------------------------------- */

static void write_bytes(const char *name, const void *bytes, size_t n) {
    FILE *file = fopen(scratch_file(name), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    ck_assert_int_eq(fclose(file), 0);
}

/* The IDX files of one part: n images of every class, bars by class and noise. */
static void write_idx(const char *directory, const char *part, unsigned classes, unsigned n, unsigned long seed) {
    unsigned items = classes * n;
    size_t image_bytes = 16 + (size_t)items * SIDE * SIDE;
    unsigned char *images = calloc(1, image_bytes), *labels = calloc(1, 8 + items);
    const unsigned char image_head[16] = {0, 0, 8, 3, 0, 0, (unsigned char)(items >> 8), (unsigned char)items, 0, 0, 0, SIDE, 0, 0, 0, SIDE};
    const unsigned char label_head[8] = {0, 0, 8, 1, 0, 0, (unsigned char)(items >> 8), (unsigned char)items};
    char name[256];
    memcpy(images, image_head, sizeof image_head);
    memcpy(labels, label_head, sizeof label_head);
    for (unsigned i = 0; i < items; i++) {
        labels[8 + i] = (unsigned char)(i % classes);
        for (unsigned p = 0; p < SIDE * SIDE; p++)
            images[16 + (size_t)i * SIDE * SIDE + p] = (unsigned char)((int)(60 + 120 * (p / (1 + i % classes % 13) % 2)) + (int)(50 * noise(&seed)));
    }
    snprintf(name, sizeof name, "%s/%s-images-idx3-ubyte", directory, part);
    write_bytes(name, images, image_bytes);
    snprintf(name, sizeof name, "%s/%s-labels-idx1-ubyte", directory, part);
    write_bytes(name, labels, 8 + items);
    free(images);
    free(labels);
}

/* A data set in the scratch directory: names of its classes, one a line. */
static void make_idx(const char *directory, const char *names, unsigned classes, unsigned train, unsigned test) {
    char file[256];
    ck_assert_int_eq(mkdir(scratch_file(directory), 0777), 0);
    snprintf(file, sizeof file, "%s/classes.txt", directory);
    write_bytes(file, names, strlen(names));
    write_idx(directory, "train", classes, train, 1);
    write_idx(directory, "t10k", classes, test, 2);
}

static json_t *load(const char *name) {
    json_t *object = json_load_file(scratch_file(name), 0, NULL);
    ck_assert_msg(json_is_object(object), "%s is no object", name);
    return object;
}

/* ---- reading a page as a person does -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *written, *read;
} ENTITIES[] = {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"\xe2\x88\x92", "-"}, {"\xe2\x80\x93", ""}};

/* What is to be read between start and end: no tags, entities resolved, the typographic minus as '-', a dash as nothing. Of the last eight calls. */
static const char *visible(const char *start, const char *end) {
    static char texts[8][4096];
    static unsigned turn;
    char *out = texts[turn++ % 8];
    size_t n = 0;
    while (start < end && n + 8 < sizeof texts[0]) {
        size_t i = 0;
        if (*start == '<') {
            start = strchr(start, '>') + 1;
            continue;
        }
        while (i < sizeof ENTITIES / sizeof *ENTITIES && strncmp(start, ENTITIES[i].written, strlen(ENTITIES[i].written)) != 0) i++;
        if (i < sizeof ENTITIES / sizeof *ENTITIES) {
            n += (size_t)sprintf(out + n, "%s", ENTITIES[i].read);
            start += strlen(ENTITIES[i].written);
        } else {
            out[n++] = *start++;
        }
    }
    out[n] = '\0';
    return out;
}

/* The table whose caption begins so, or fail. */
static const char *table_of(const char *page, const char *caption) {
    char text[256];
    snprintf(text, sizeof text, "<caption>%s", caption);
    const char *at = strstr(page, text);
    ck_assert_msg(at != NULL, "no table '%s'", caption);
    return at;
}

/* Row r of its body, NULL when it has fewer. */
static const char *row_of(const char *table, size_t r) {
    const char *end = strstr(table, "</table>"), *at = strstr(table, "<tbody>");
    for (size_t i = 0; at && at < end && i <= r; i++) at = strstr(at + 1, "<tr");
    return at && at < end ? at : NULL;
}

static const char *cell(const char *table, size_t r, size_t column) {
    const char *row = row_of(table, r), *at = row;
    ck_assert_msg(row != NULL, "the table has no row %zu", r);
    const char *end = strstr(row, "</tr>");
    for (size_t i = 0; i <= column; i++) {
        const char *header = strstr(at + 1, "<th"), *data = strstr(at + 1, "<td");
        at = header && header < end && (!data || header < data) ? header : data;
        ck_assert_msg(at && at < end, "row %zu has no column %zu", r, column);
    }
    const char *close = strncmp(at, "<th", 3) == 0 ? strstr(at, "</th>") : strstr(at, "</td>");
    return visible(strchr(at, '>') + 1, close);
}

/* The description of a term. */
static const char *fact(const char *page, const char *term) {
    char text[256];
    snprintf(text, sizeof text, "<dt>%s</dt><dd>", term);
    const char *at = strstr(page, text);
    ck_assert_msg(at != NULL, "no fact '%s'", term);
    return visible(at + strlen(text), strstr(at, "</dd>"));
}

static void expect_number(const char *shown, double value, const char *format, const char *what) {
    char expected[64];
    snprintf(expected, sizeof expected, format, value);
    if (*expected == '-' && strspn(expected, "-0.") == strlen(expected)) memmove(expected, expected + 1, strlen(expected)); /* nothing has no sign */
    ck_assert_msg(strcmp(shown, expected) == 0, "%s: the page has '%s', result.json '%s'", what, shown, expected);
}

/* Without a warning by tidy; and nothing that would be loaded or run. */
static void expect_valid(const char *name, const char *page) {
    char command[512];
    static const char *const foreign[] = {"<script", "<link", "<iframe", "<object", "http:", "https:", " onload", "javascript:", "@import", "url("};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) ck_assert_msg(!strstr(page, foreign[i]), "%s has '%s'", name, foreign[i]);
    snprintf(command, sizeof command, "tidy -e -q '%s' >'%s' 2>&1", scratch_file(name), scratch_file("tidy"));
    int status = system(command);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        fprintf(stderr, "note: tidy is not installed; HTML is not validated\n");
        return;
    }
    char *said = read_text(scratch_file("tidy"));
    ck_assert_msg(status == 0 && *said == '\0', "%s: tidy says: %.1000s", name, said);
    free(said);
}

/* Every number that carries its value shows it, as it is or in percent. */
static void expect_shown_values(const char *page) {
    static const char mark[] = "<span data-value=\"";
    size_t n = 0;
    for (const char *at = page; (at = strstr(at, mark)) != NULL; n++) {
        double value = strtod(at + strlen(mark), NULL);
        const char *start = strchr(at, '>') + 1, *shown = visible(start, strstr(start, "</span>")), *point = strchr(shown, '.');
        size_t decimals = point ? strspn(point + 1, "0123456789") : 0;
        double read = strtod(shown, NULL), half = 0.5000001 * pow(10, (strchr(shown, 'e') ? atoi(strchr(shown, 'e') + 1) : 0) - (double)decimals);
        ck_assert_msg(fabs(read - value) <= half || fabs(read - 100 * value) <= half, "'%s' stands for %.12g", shown, value);
        at = start;
    }
    ck_assert_uint_gt(n, 50);
}

/* ---- a run ----------------------------------------------------------------------------------------------------------------------------- */

static const char NAMES[] = "bag\ncoat\nsandal\ntrouser\nhat\n";
enum { CLASSES = 5, TESTED = 6 };

static void make_run(void) {
    make_idx("data", NAMES, CLASSES, 4, TESTED);
    outcome o = run("train --model " MODEL " --data @/data --shots 3 --epochs 4 --classes base --lr 2e-3 --seed 1 --out @/run1");
    ck_assert_msg(o.code == 0, "%s", o.err);
    ck_assert_ptr_nonnull(strstr(o.out, "run1/report.html"));
}

START_TEST(scores_and_classes) {
    json_t *result = load("run1/result.json"), *classes = json_object_get(result, "per_class");
    char *page = read_text(scratch_file("run1/report.html"));
    const char *table = table_of(page, "Percent correct on test images");
    static const char *const rows[] = {"zeroshot", "tuned"}, *const names[] = {"zero-shot", "OrthSR"}, *const keys[] = {"base", "new", "h"};
    for (size_t r = 0; r < 2; r++) {
        ck_assert_str_eq(cell(table, r, 0), names[r]);
        for (size_t m = 0; m < 3; m++) expect_number(cell(table, r, 1 + m), 100 * number_in(json_object_get(result, rows[r]), keys[m]), "%.2f", keys[m]);
    }
    table = table_of(page, "Percent of a class");
    double last = INFINITY, items = 0, right = 0;
    for (size_t r = 0; r < CLASSES; r++) {
        size_t c = 0;
        while (c < CLASSES && strcmp(text_in(json_array_get(classes, c), "class"), cell(table, r, 0)) != 0) c++;
        ck_assert_uint_lt(c, CLASSES);
        const json_t *row = json_array_get(classes, c);
        double change = number_in(row, "tuned") - number_in(row, "zeroshot");
        expect_number(cell(table, r, 1), number_in(row, "items"), "%.0f", "items");
        expect_number(cell(table, r, 2), 100 * number_in(row, "zeroshot"), "%.1f", "a class before");
        expect_number(cell(table, r, 3), 100 * number_in(row, "tuned"), "%.1f", "a class after");
        ck_close(strtod(cell(table, r, 4), NULL), 100 * change, 0.0501);
        ck_assert(change <= last);
        last = change;
        if (c < (CLASSES + 1) / 2) items += number_in(row, "items"), right += number_in(row, "items") * number_in(row, "tuned");
    }
    ck_assert_ptr_null(row_of(table, CLASSES));
    ck_close(right / items, number_in(json_object_get(result, "tuned"), "base"), 1e-9);
    free(page);
    json_decref(result);
}
END_TEST

START_TEST(confusions) {
    json_t *result = load("run1/result.json");
    char *page = read_text(scratch_file("run1/report.html"));
    static const char *const keys[] = {"zeroshot", "tuned"}, *const captions[] = {"Zero-shot, in test images", "Tuned, in test images"};
    const char *pairs = table_of(page, "Most frequent confusions");
    double counts[2][CLASSES][CLASSES] = {{{0}}}, most = 0;
    for (size_t k = 0; k < 2; k++) {
        size_t i;
        json_t *triple;
        const char *table = table_of(page, captions[k]);
        json_array_foreach(json_object_get(json_object_get(result, "confusion"), keys[k]), i, triple)
            counts[k][json_integer_value(json_array_get(triple, 0))][json_integer_value(json_array_get(triple, 1))] =
                json_number_value(json_array_get(triple, 2));
        for (size_t t = 0; t < CLASSES; t++) {
            double sum = 0;
            for (size_t g = 0; g < CLASSES; g++) {
                sum += counts[k][t][g];
                if (t != g) most = fmax(most, counts[k][t][g]);
                if (counts[k][t][g] > 0) expect_number(cell(table, t, 1 + g), counts[k][t][g], "%.0f", "a confusion");
                else ck_assert_str_eq(cell(table, t, 1 + g), "");
            }
            ck_assert(sum == TESTED);
            const json_t *row = json_array_get(json_object_get(result, "per_class"), t);
            ck_close(counts[k][t][t] / TESTED, number_in(row, keys[k]), 1e-9);
        }
    }
    ck_assert(fmax(strtod(cell(pairs, 0, 2), NULL), strtod(cell(pairs, 0, 3), NULL)) == most);
    free(page);
    json_decref(result);
}
END_TEST

START_TEST(steps_and_angles) {
    static const char *const columns[] = {"loss", "ce", "kl", "ce_cut", "kl_cut", "lr", "orthogonality"};
    json_t *result = load("run1/result.json"), *rotations = json_object_get(result, "rotations");
    char *page = read_text(scratch_file("run1/report.html")), *log = read_text(scratch_file("run1/log.jsonl")), *line = log;
    const char *table = table_of(page, "Every step");
    size_t steps = (size_t)number_in(result, "steps");
    for (size_t r = 0; r < steps; r++, line = strchr(line, '\n') + 1) {
        json_t *step = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
        expect_number(cell(table, r, 0), number_in(step, "step"), "%.0f", "step");
        for (size_t c = 0; c < 7; c++) expect_number(cell(table, r, 1 + c), number_in(step, columns[c]), c < 5 ? "%.4f" : "%.3g", columns[c]);
        json_decref(step);
    }
    ck_assert_ptr_null(row_of(table, steps));
    table = table_of(page, "Angles in degrees");
    ck_assert_uint_eq(json_array_size(rotations), 14);
    for (size_t t = 0; t < 14; t++) {
        const json_t *row = json_array_get(rotations, t), *degrees = json_object_get(row, "degrees");
        double before = number_in(row, "energy_before"), last = 0;
        ck_assert_str_eq(cell(table, t, 0), text_in(row, "target"));
        for (size_t i = 0; i < 7; i++) {
            double angle = json_number_value(json_array_get(degrees, i));
            expect_number(cell(table, t, 3 + i), angle, "%.3f", "an angle");
            ck_assert(angle >= last && angle <= 180);
            last = angle;
        }
        ck_assert_msg(last > 0.01, "%s did not turn", text_in(row, "target"));
        ck_close(number_in(row, "energy_after") / before, 1, 1e-8); /* observed: 4e-11 */
        expect_number(cell(table, t, 10), before, "%.6f", "an energy");
        expect_number(cell(table, t, 11), number_in(row, "energy_after"), "%.6f", "an energy");
    }
    free(log);
    free(page);
    json_decref(result);
}
END_TEST

START_TEST(facts) {
    json_t *result = load("run1/result.json"), *timing = json_object_get(result, "timing"), *phases = json_object_get(timing, "steps");
    char *page = read_text(scratch_file("run1/report.html"));
    double sum = 0;
    const char *key;
    json_t *value;
    expect_number(fact(page, "seed"), number_in(result, "seed"), "%.0f", "seed");
    expect_number(fact(page, "steps"), number_in(result, "steps"), "%.0f", "steps");
    expect_number(fact(page, "loss at the first step"), number_in(result, "first_loss"), "%.6g", "first loss");
    expect_number(fact(page, "parameters trained"), number_in(result, "parameters"), "%.0f", "parameters");
    ck_assert_str_eq(fact(page, "fingerprint"), text_in(result, "fingerprint"));
    ck_assert_str_eq(fact(page, "orthsr"), orthsr_version_string());
    expect_number(fact(page, "lr"), 2e-3, "%.6g", "the option lr");
    ck_assert_ptr_nonnull(strstr(text_in(result, "command"), "orthsr train --model " MODEL " --data "));
    const char *command = strstr(page, "<pre><bdi>") + strlen("<pre><bdi>");
    ck_assert_str_eq(visible(command, strstr(command, "</bdi>")), text_in(result, "command"));
    json_object_foreach(phases, key, value) sum += json_number_value(value);
    ck_assert_msg(sum > 0 && sum <= number_in(timing, "training"), "phases of %.3f s in %.3f s", sum, number_in(timing, "training"));
    expect_shown_values(page);
    expect_valid("run1/report.html", page);
    ck_assert_uint_eq(json_array_size(json_object_get(result, "shots")), 9);
    size_t pictures = 0;
    for (const char *at = page; (at = strstr(at, "src=\"data:image/jpeg;base64,/9j/")) != NULL; at++) pictures++;
    ck_assert_uint_eq(pictures, 9);
    free(page);
    json_decref(result);
}
END_TEST

/* Nothing but the files is needed, and they give the same page. */
START_TEST(written_anew) {
    char *before = read_text(scratch_file("run1/report.html"));
    ck_assert_int_eq(unlink(scratch_file("run1/report.html")), 0);
    outcome o = run("report @/run1");
    ck_assert_msg(o.code == 0 && strstr(o.out, "run1/report.html"), "%s", o.err);
    char *after = read_text(scratch_file("run1/report.html"));
    ck_assert_str_eq(before, after);
    free(before);
    free(after);
    expect_failure(run("report"), 2, "which run?");
    expect_failure(run("report @/run1 --out @/x.html"), 2, "several runs");
    expect_failure(run("report @/data"), 1, "holds no result.json");
    expect_failure(run("report @/run1 @/absent --out @/x.html"), 1, "absent");
    ck_assert_int_ne(access(scratch_file("x.html"), F_OK), 0);
}
END_TEST

/* A result.json that somebody wrote: a page or an error, and no crash. */
START_TEST(odd_results) {
    static const char *const texts[] = {
        "{}",
        "{\"steps\": \"many\", \"zeroshot\": [], \"tuned\": 3, \"per_class\": {}, \"confusion\": [], \"rotations\": {}, \"shots\": {}, \"unreadable\": 1}",
        "{\"steps\": 1, \"zeroshot\": {\"base\": 1e999}, \"tuned\": {\"base\": null}}",
        "{\"steps\": 1, \"per_class\": [1, null, {\"class\": 3}, {\"class\": \"a\", \"items\": -1}], \"confusion\": {\"tuned\": [[0, 9, 1], [-1, 0, 1], 5, [], [3, 2, 7]]}}",
        "{\"steps\": 1, \"rotations\": [null, {\"target\": \"image.99999999999.fc1\"}, {\"target\": \"%n%s\", \"degrees\": [1]}, {\"degrees\": [0, 0, 0, 1, 1, 1, 1], \"energy_before\": 0, "
        "\"energy_after\": 0}]}",
        "{\"steps\": 1, \"shots\": [{\"file\": \"../../../../etc/passwd\"}, {\"file\": \"shots/000.jpg/../../x\"}, 3]}",
        "{\"results\": [{\"accuracy\": [1, 2]}, 4], \"data\": [1, {\"data\": 3}], \"sd\": 1, \"mean\": []}",
        "{\"methods\": [1, {\"name\": 3, \"per_seed\": [{}]}], \"seeds\": [1, 2], \"options\": {\"a\": {\"b\": 1}, \"c\": [[1]]}, \"timing\": [], \"versions\": 2, \"model\": []}",
    };
    mkdir(scratch_file("odd"), 0777);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_bytes("odd/result.json", texts[i], strlen(texts[i]));
        outcome o = run("report @/odd");
        if (strstr(texts[i], "1e999")) {
            expect_failure(o, 1, "result.json");
            continue;
        }
        ck_assert_msg(o.code == 0, "%s: %d %s", texts[i], o.code, o.err);
        char *page = read_text(scratch_file("odd/report.html"));
        ck_assert_msg(!strstr(page, "root:"), "%s", texts[i]);
        expect_valid("odd/report.html", page);
        free(page);
        o = run("report @/odd @/run1 @/odd --out @/odd.html");
        ck_assert_msg(o.code == 0, "%s: %d %s", texts[i], o.code, o.err);
        page = read_text(scratch_file("odd.html"));
        expect_valid("odd.html", page);
        free(page);
    }
    write_bytes("odd/result.json", "[1]", 3);
    expect_failure(run("report @/odd"), 1, "not what a run writes");
    write_bytes("odd/result.json", "{", 1);
    expect_failure(run("report @/odd"), 1, "not what a run writes");
}
END_TEST

START_TEST(several_runs) {
    static const char *const names[] = {"run1", "run2", "run3", "run4"};
    double mean[3] = {0, 0, 0}, deviation[3] = {0, 0, 0}, scores[4][3];
    static const char *const keys[] = {"base", "new", "h"};
    ck_assert_int_eq(run("train --model " MODEL " --data @/data --shots 3 --epochs 4 --classes base --lr 2e-3 --seed 2 --out @/run2").code, 0);
    ck_assert_int_eq(run("train --model " MODEL " --data @/data --shots 3 --epochs 4 --classes base --lr 2e-3 --seed 3 --threads 1 --out @/run3").code, 0);
    ck_assert_int_eq(
        run("train --model " MODEL " --data @/data --shots 3 --epochs 4 --classes base --lr 2e-3 --cutout off --parametrization free --out @/run4").code, 0);
    for (size_t i = 0; i < 4; i++) {
        char file[64];
        snprintf(file, sizeof file, "%s/result.json", names[i]);
        json_t *result = load(file);
        for (size_t m = 0; m < 3; m++) scores[i][m] = 100 * number_in(json_object_get(result, "tuned"), keys[m]);
        json_decref(result);
    }
    for (size_t m = 0; m < 3; m++) {
        for (size_t i = 0; i < 3; i++) mean[m] += scores[i][m] / 3;
        for (size_t i = 0; i < 3; i++) deviation[m] += (scores[i][m] - mean[m]) * (scores[i][m] - mean[m]) / 3;
    }
    mean[2] = 2 * mean[0] * mean[1] / (mean[0] + mean[1]);
    outcome o = run("report @/run1 @/run2 @/run3 @/run4 --out @/compared.html --json");
    json_t *printed = expect_json(o);
    ck_assert_uint_eq(json_array_size(json_object_get(printed, "groups")), 3);
    char *page = read_text(scratch_file("compared.html"));
    const char *table = table_of(page, "Percent correct on test images");
    ck_assert_str_eq(cell(table, 0, 0), "zero-shot");
    ck_assert_str_eq(cell(table, 1, 0), "defaults");
    ck_assert_str_eq(cell(table, 2, 0), "cutout off, parametrization free");
    ck_assert_str_eq(cell(table, 1, 1), "3");
    for (size_t m = 0; m < 3; m++) {
        char expected[64];
        snprintf(expected, sizeof expected, "%.2f \xc2\xb1 %.2f", mean[m], sqrt(deviation[m]));
        ck_assert_str_eq(cell(table, 1, 2 + m), expected);
        ck_close(strtod(cell(table, 2, 2 + m), NULL), scores[3][m], 0.00501);
    }
    expect_valid("compared.html", page);
    free(page);
    json_decref(printed);
    ck_assert_int_eq(
        run("train --model " MODEL " --data @/data --shots 3 --epochs 4 --classes base --lr 2e-3 --seed 2 --kl-confidence --resume --out @/run6").code, 0);
    o = run("report @/run1 @/run2 @/run6 --out @/flags.html"); /* a flag tells ways of training apart, too */
    ck_assert_msg(o.code == 0, "%s", o.err);
    page = read_text(scratch_file("flags.html"));
    table = table_of(page, "Percent correct on test images");
    ck_assert_str_eq(cell(table, 1, 0), "defaults");
    ck_assert_str_eq(cell(table, 2, 0), "kl-confidence");
    free(page);
    o = run("train --model " MODEL " --data @/data --shots 3 --epochs 4 --classes base --lr 2e-3 --seed 1 --against @/run4/ --out @/run5");
    ck_assert_msg(o.code == 0 && strstr(o.out, "unconstrained (run4)  "), "%s%s", o.out, o.err);
    page = read_text(scratch_file("run5/report.html"));
    table = table_of(page, "Percent correct on test images");
    ck_assert_str_eq(cell(table, 0, 0), "zero-shot");
    ck_assert_str_eq(cell(table, 1, 0), "unconstrained (run4)");
    ck_assert_str_eq(cell(table, 2, 0), "OrthSR");
    for (size_t m = 0; m < 3; m++) {
        expect_number(cell(table, 1, 1 + m), scores[3][m], "%.2f", "the other run");
        expect_number(cell(table, 2, 1 + m), scores[0][m], "%.2f", "the run itself");
    }
    expect_valid("run5/report.html", page);
    free(page);
    expect_failure(run("train --model " MODEL " --data @/data --against @/run1 --out @/none"), 1,
                   "was not measured among all classes; train it with the same --classes");
    expect_failure(run("train --model " MODEL " --data @/data --against @/data --out @/none"), 1, "holds no result.json");
    o = run("report @/run4");
    page = read_text(scratch_file("run4/report.html"));
    ck_assert_ptr_nonnull(strstr(page, "<h1>unconstrained on"));
    ck_assert_ptr_nonnull(strstr(page, "not orthogonal and have no angles"));
    free(page);
}
END_TEST

START_TEST(evaluations) {
    outcome o = run("evaluate --model " MODEL " --data @/data --adapter @/run1/adapter --adapter @/run1/adapter --out @/measured --json");
    json_t *printed = expect_json(o), *result = load("measured/result.json"), *trained = load("run1/result.json");
    ck_assert(json_equal(printed, result));
    ck_assert(json_equal(json_object_get(result, "per_class"), json_object_get(trained, "per_class")));
    ck_assert(json_equal(json_object_get(result, "confusion"), json_object_get(trained, "confusion")));
    char *page = read_text(scratch_file("measured/report.html"));
    const char *table = table_of(page, "Percent correct on test images");
    expect_number(cell(table, 0, 3), 100 * number_in(json_object_get(result, "zeroshot"), "h"), "%.2f", "H of the model itself");
    for (size_t r = 1; r < 3; r++) expect_number(cell(table, r, 3), 100 * number_in(json_object_get(trained, "tuned"), "h"), "%.2f", "H of the adapter");
    ck_assert_str_eq(cell(table, 3, 0), "mean");
    expect_number(cell(table, 5, 1), 100 * number_in(json_object_get(result, "standard_error"), "base"), "%.2f", "standard error");
    expect_valid("measured/report.html", page);
    free(page);
    json_decref(printed);
    json_decref(result);
    json_decref(trained);
    o = run("evaluate --model " MODEL " --protocol cross --source @/data --data @/data --adapter @/run1/adapter --out @/crossed");
    ck_assert_msg(o.code == 0, "%s", o.err);
    result = load("crossed/result.json");
    page = read_text(scratch_file("crossed/report.html"));
    table = table_of(page, "Percent correct;");
    const json_t *lines[2] = {json_object_get(result, "zeroshot"), json_array_get(json_object_get(result, "results"), 0)};
    for (size_t r = 0; r < 2; r++) { /* the source, the target, and the average, which is of the targets */
        const json_t *accuracy = json_object_get(lines[r], "accuracy");
        ck_assert_uint_eq(json_array_size(accuracy), 2);
        for (size_t c = 0; c < 2; c++) expect_number(cell(table, r, 1 + c), 100 * json_number_value(json_array_get(accuracy, c)), "%.2f", "accuracy");
        ck_assert_str_eq(cell(table, r, 3), cell(table, r, 2));
    }
    expect_valid("crossed/report.html", page);
    free(page);
    json_decref(result);
}
END_TEST

/* ---- bad input -------------------------------------------------------------------------------------------------------------------------- */

#define ASTRONAUT "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80"
#define SHALOM "\xe2\x80\xae\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d" /* after U+202E */

START_TEST(names_are_text) {
    char names[1024], longest[301];
    memset(longest, 'x', 300);
    longest[300] = '\0';
    snprintf(names, sizeof names, "<script>alert(1)</script>\n\"quo'ted\" & <b>bold</b>\n" SHALOM "\n" ASTRONAUT " \xf0\x9f\x90\xb1\n%s\n</table></main><!--\n",
             longest);
    make_idx("odd \"names\" <i>", names, 6, 2, 3);
    outcome o =
        run("train --model " MODEL " --data '@/odd \"names\" <i>' --shots 1 --epochs 1 --template '<u>{}</u> & \"it\"' --out '@/<out> '\\''&'\\''' --json");
    json_t *printed = expect_json(o);
    char *page = read_text(scratch_file("<out> '&'/report.html"));
    static const char *const markup[] = {"<script", "<b>bold", "<i>", "<u>", "<!--", "<out>"};
    for (size_t i = 0; i < sizeof markup / sizeof *markup; i++) ck_assert_msg(!strstr(page, markup[i]), "'%s' is markup", markup[i]);
    ck_assert_ptr_nonnull(strstr(page, "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>"));
    ck_assert_ptr_nonnull(strstr(page, "<bdi>" SHALOM "</bdi>"));
    ck_assert_ptr_nonnull(strstr(page, "<bdi>" ASTRONAUT));
    ck_assert_ptr_nonnull(strstr(page, longest));
    const char *table = table_of(page, "Percent of a class");
    size_t found = 0;
    for (size_t r = 0; r < 6; r++)
        for (size_t c = 0; c < 6; c++) found += strcmp(cell(table, r, 0), text_in(json_array_get(json_object_get(printed, "per_class"), c), "class")) == 0;
    ck_assert_uint_eq(found, 6);
    const char *command = strstr(page, "<pre><bdi>") + strlen("<pre><bdi>");
    ck_assert_str_eq(visible(command, strstr(command, "</bdi>")), text_in(printed, "command"));
    ck_assert_ptr_nonnull(strstr(text_in(printed, "command"), "'<u>{}</u> & \"it\"'"));
    ck_assert_ptr_nonnull(strstr(text_in(printed, "command"), "<out> '\\''&'\\'''"));
    /* on a terminal, too: nothing turns what comes behind a name, and the numbers stand below each other */
    o = run("zeroshot --model " MODEL " --data '@/odd \"names\" <i>'");
    ck_assert_msg(o.code == 0 && !strstr(o.out, "\xe2\x80\xae"), "%s%s", o.out, o.err);
    ck_assert_ptr_nonnull(strstr(o.out, "\xef\xbf\xbd\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d                                 3 images"));
    ck_assert_ptr_nonnull(strstr(o.out, "<script>alert(1)</script>             3 images"));
    ck_assert_ptr_nonnull(strstr(o.out, longest));
    free(page);
    json_decref(printed);
}
END_TEST

static void write_picture(const char *name, unsigned long seed) {
    unsigned char pixels[SIDE * SIDE];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)(128 + (int)(100 * noise(&seed)));
    png_image image = {.version = PNG_IMAGE_VERSION, .width = SIDE, .height = SIDE, .format = PNG_FORMAT_GRAY};
    ck_assert_int_ne(png_image_write_to_file(&image, scratch_file(name), 0, pixels, 0, NULL), 0);
}

/* One picture of the shots and two test images are spoilt, one of them in its middle. */
START_TEST(unreadable_images) {
    static const char *const directories[] = {"spoilt",          "spoilt/train",    "spoilt/test", "spoilt/train/bag", "spoilt/train/coat",
                                              "spoilt/test/bag", "spoilt/test/coat"};
    char name[128];
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) ck_assert_int_eq(mkdir(scratch_file(directories[i]), 0777), 0);
    for (size_t d = 3; d < 7; d++)
        for (unsigned i = 0; i < 4; i++) {
            snprintf(name, sizeof name, "%s/%u.png", directories[d], i);
            write_picture(name, 10 * d + i);
        }
    write_bytes("spoilt/train/bag/2.png", "no picture", 10);
    write_bytes("spoilt/test/coat/<b>.png", "no picture", 10);
    struct stat info;
    ck_assert_int_eq(stat(scratch_file("spoilt/test/bag/1.png"), &info), 0);
    ck_assert_int_eq(truncate(scratch_file("spoilt/test/bag/1.png"), info.st_size / 2), 0);

    outcome o = run("train --model " MODEL " --data @/spoilt --shots all --epochs 1 --out @/went-on");
    ck_assert_msg(o.code == 0, "%s", o.err);
    ck_assert_ptr_nonnull(strstr(o.err, "note: 1 of 8 images cannot be read"));
    ck_assert_ptr_nonnull(strstr(o.err, "note: 2 of 9 images cannot be read"));
    json_t *result = load("went-on/result.json"), *left = json_object_get(result, "unreadable");
    ck_assert_uint_eq(json_array_size(left), 3);
    ck_assert_ptr_nonnull(strstr(text_in(json_array_get(left, 0), "item"), "train/bag/2.png"));
    ck_assert_uint_eq(json_array_size(json_object_get(result, "items")), 7);
    char *page = read_text(scratch_file("went-on/report.html"));
    ck_assert_ptr_nonnull(strstr(page, ">3</span> images could not be read and are left out"));
    ck_assert_ptr_nonnull(strstr(page, "coat/&lt;b&gt;.png"));
    expect_valid("went-on/report.html", page);
    free(page);
    json_decref(result);

    expect_failure(
        run("train --model " MODEL " --data @/spoilt --shots all --epochs 1 --strict --out @/stopped 2>@/err; c=$?; grep -v '^reading' @/err >&2; exit $c"), 1,
        "bag/2.png");
    ck_assert_int_ne(access(scratch_file("stopped"), F_OK), 0);
    ck_assert_int_eq(run("evaluate --model " MODEL " --data @/spoilt --protocol all --json").code, 0);
    ck_assert_int_eq(run("evaluate --model " MODEL " --data @/spoilt --protocol all --strict").code, 1);
    ck_assert_int_eq(run("zeroshot --model " MODEL " --data @/spoilt --strict").code, 1);
    o = run("zeroshot --model " MODEL " --data @/spoilt --json");
    json_t *printed = expect_json(o);
    ck_assert(number_in(printed, "items") == 7 && json_array_size(json_object_get(printed, "unreadable")) == 2);
    json_decref(printed);
    for (unsigned i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "spoilt/train/bag/%u.png", i);
        write_bytes(name, "no picture", 10);
    }
    o = run("train --model " MODEL " --data @/spoilt --shots all --epochs 1 --out @/stopped");
    ck_assert_msg(o.code == 1 && strstr(o.err, "class 'bag' has no image that can be read, of 4"), "%s", o.err);
}
END_TEST

/* ---- bars -------------------------------------------------------------------------------------------------------------------------------- */

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

START_TEST(a_hundred_classes) {
    char names[100 * 16] = "";
    for (int c = 0; c < 100; c++) sprintf(names + strlen(names), "class %02d\n", c);
    make_idx("hundred", names, 100, 1, 4);
    outcome o = run("train --model " MODEL " --data @/hundred --shots 1 --epochs 1 --batch-size 0 --out @/hundred-run");
    ck_assert_msg(o.code == 0, "%s", o.err);
    struct stat info;
    double start = seconds();
    ck_assert_int_eq(run("report @/hundred-run").code, 0);
    double took = seconds() - start;
    ck_assert_int_eq(stat(scratch_file("hundred-run/report.html"), &info), 0);
    ck_assert_msg(took < 2, "writing the page took %.2f s", took);                             /* observed: 0.1 s */
    ck_assert_msg(info.st_size < 2000000, "the page has %lld bytes", (long long)info.st_size); /* observed: 0.8 MB */
    char *page = read_text(scratch_file("hundred-run/report.html"));
    expect_valid("hundred-run/report.html", page);
    ck_assert_ptr_nonnull(strstr(page, "alt=\"Confusions between 100 classes"));
    free(page);
}
END_TEST

START_TEST(explanations) {
    write_picture("picture.png", 5);
    outcome o = run("explain --model " MODEL " --data @/data --adapter @/run1/adapter --image @/picture.png --out @/seen.png --json");
    json_t *printed = expect_json(o);
    ck_assert_ptr_nonnull(strstr(text_in(printed, "page"), "/seen.html"));
    char *page = read_text(scratch_file("seen.html"));
    const char *table = table_of(page, "Probability in percent");
    for (size_t r = 0; r < CLASSES; r++) {
        const json_t *row = json_array_get(json_object_get(printed, "classes"), r);
        ck_assert_str_eq(cell(table, r, 0), text_in(row, "class"));
        expect_number(cell(table, r, 1), 100 * number_in(row, "frozen"), "%.2f", "before");
        expect_number(cell(table, r, 2), 100 * number_in(row, "tuned"), "%.2f", "after");
        char alt[128];
        snprintf(alt, sizeof alt, "<img alt=\"The image under the map of %s\" src=\"data:image/jpeg;base64,", text_in(row, "class"));
        ck_assert_ptr_nonnull(strstr(page, alt));
        ck_assert_int_eq(json_equal(json_object_get(row, "map"), json_object_get(printed, "map")), r == 0); /* the picture's is the likeliest class's */
    }
    ck_assert_ptr_nonnull(strstr(page, "src=\"data:image/png;base64,iVBOR"));
    ck_assert_ptr_nonnull(strstr(page, "<p>7 x 7 patches, from "));
    const json_t *region = json_array_get(json_object_get(printed, "regions"), 0);
    char cut[128];
    snprintf(cut, sizeof cut, "<p>Cut: patch rows %.0f to %.0f, columns", number_in(region, "top") + 1, number_in(region, "top") + number_in(region, "height"));
    ck_assert_ptr_nonnull(strstr(page, cut));
    expect_valid("seen.html", page);
    expect_failure(run("explain --model " MODEL " --data @/data --image @/picture.png --out @/seen.html"), 2, "a .png");
    free(page);
    json_decref(printed);
}
END_TEST

/* The mean of three equal numbers may differ from them by a bit: an axis cannot be divided over that. */
START_TEST(equal_runs) {
    static const char *const names[] = {"equal1", "equal2", "equal3"};
    for (size_t i = 0; i < 3; i++) {
        char file[64], text[128];
        snprintf(text, sizeof text, "{\"steps\": 1, \"seed\": %zu, \"options\": {\"seed\": %zu}, \"tuned\": {\"accuracy\": 0.1125}}", i, i);
        mkdir(scratch_file(names[i]), 0777);
        snprintf(file, sizeof file, "%s/result.json", names[i]);
        write_bytes(file, text, strlen(text));
    }
    ck_assert_double_ne(0.1125 / 3 + 0.1125 / 3 + 0.1125 / 3, 0.1125);
    outcome o = run("report @/equal1 @/equal2 @/equal3 --out @/equal.html");
    ck_assert_msg(o.code == 0, "%s", o.err);
    char *page = read_text(scratch_file("equal.html"));
    expect_valid("equal.html", page);
    size_t ticks = 0;
    for (const char *at = page; (at = strstr(at, "<text ")) != NULL; at++) {
        const char *text = strchr(at, '>') + 1;
        if (*text < '0' || *text > '9') continue;
        ck_assert_msg(fabs(strtod(text, NULL) - 11.25) < 1, "an axis of one value, 11.25, has '%.8s'", text);
        ticks++;
    }
    ck_assert_uint_ge(ticks, 2);
    free(page);
}
END_TEST

/* The demo's page: other methods beside the run's own, each the mean of several seeds, and every seed. */
START_TEST(other_methods) {
    static const char text[] =
        "{\"steps\": 1, \"method\": \"orthsr\", \"seed\": 7, \"seeds\": [7, 8], \"zeroshot\": {\"base\": 0.5, \"new\": 0.25, \"h\": 0.3333}, "
        "\"tuned\": {\"base\": 0.7125, \"new\": 0.61, \"h\": 0.6573}, \"methods\": ["
        "{\"name\": \"CoOp\", \"base\": 0.61234, \"new\": 0.4, \"h\": 0.48, \"per_seed\": [{\"base\": 0.6, \"new\": 0.3, \"h\": 0.4}, "
        "{\"base\": 0.62468, \"new\": 0.5, \"h\": 0.555}]}, {\"name\": \"OrthSR\", \"base\": 0.7125, \"new\": 0.61, \"h\": 0.6573}]}";
    static const char *const names[] = {"zero-shot", "CoOp", "OrthSR", "change, OrthSR"}, *const numbers[4][3] = {{"50.00", "25.00", "33.33"},
                                                                                                                  {"61.23", "40.00", "48.00"},
                                                                                                                  {"71.25", "61.00", "65.73"},
                                                                                                                  {"+21.25", "+36.00", "+32.40"}};
    mkdir(scratch_file("methods"), 0777);
    write_bytes("methods/result.json", text, strlen(text));
    outcome o = run("report @/methods");
    ck_assert_msg(o.code == 0, "%s", o.err);
    char *page = read_text(scratch_file("methods/report.html"));
    const char *table = table_of(page, "Percent correct on test images"), *seeds = strstr(page, "<summary>Every seed</summary>");
    for (size_t r = 0; r < 4; r++) {
        ck_assert_str_eq(cell(table, r, 0), names[r]);
        for (size_t m = 0; m < 3; m++) ck_assert_str_eq(cell(table, r, 1 + m), numbers[r][m]);
    }
    ck_assert_ptr_null(row_of(table, 4));
    ck_assert_ptr_nonnull(seeds);
    ck_assert_str_eq(cell(seeds, 1, 0), "CoOp");
    ck_assert_str_eq(cell(seeds, 1, 1), "8");
    ck_assert_str_eq(cell(seeds, 1, 2), "62.47");
    expect_valid("methods/report.html", page);
    free(page);
}
END_TEST

static TCase *a_run(void) {
    TCase *tc = tcase_create("a run");
    tcase_set_timeout(tc, 180);
    tcase_add_unchecked_fixture(tc, make_run, NULL);
    tcase_add_test(tc, scores_and_classes);
    tcase_add_test(tc, confusions);
    tcase_add_test(tc, steps_and_angles);
    tcase_add_test(tc, facts);
    tcase_add_test(tc, written_anew);
    tcase_add_test(tc, odd_results);
    tcase_add_test(tc, several_runs);
    tcase_add_test(tc, equal_runs);
    tcase_add_test(tc, other_methods);
    tcase_add_test(tc, evaluations);
    tcase_add_test(tc, explanations);
    return tc;
}

static TCase *bad_input(void) {
    TCase *tc = tcase_create("bad input");
    tcase_set_timeout(tc, 180);
    tcase_add_test(tc, names_are_text);
    tcase_add_test(tc, unreadable_images);
    return tc;
}

static TCase *bars(void) {
    TCase *tc = tcase_create("bars");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, a_hundred_classes);
    return tc;
}

TEST_MAIN("report", a_run, bad_input, bars)
