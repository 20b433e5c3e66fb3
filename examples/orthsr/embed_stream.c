/* embed_stream.c - `orthsr embed --data D --out DIR`: DIR/00000000.npy has the features of the first --rows items, DIR/00010000.npy those of the next, ...
 *
 * A file appears when it is complete, so what is there need not be made again: the same command goes on. DIR/stream.json says what the rows are of; a command
 * that would add others to them is refused. A row of an image that cannot be read is zeros; DIR/unreadable.txt lists these.
 */
#include "embed_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "hash.h"
#include "html.h"
#include "inputs.h"
#include "output.h"
#include "report.h"
#include "terminal.h"
#include "whole.h"

enum { BATCH = 32, ROWS = 10000 };

typedef struct stream {
    const settings *settings;
    inputs in;
    orthsr_dataset *data;
    size_t count, rows, dim, image; /* items, of a file, floats of a feature and of an image */
    char *state_path;
    int made_directory;
    float *features, *pixels; /* (rows, dim), (BATCH, image) */
    size_t done, before, unreadable;
    progress bar;
} stream;

/* ---- what the rows are of ---- */

/* A hash of the parameters of the adapters, in their order, tells one stack from another; "none" without one. 0: out of memory. */
static int hash_adapters(char text[32], const inputs *in, orthsr_error *error) {
    uint64_t hash = HASH_START;
    for (size_t a = 0; a < in->n_adapters; a++) {
        const orthsr_adapter *adapter = in->stack[a].adapter;
        size_t n = adapter ? orthsr_adapter_parameter_count(adapter) : 0;
        float *parameters = malloc((n + 1) * sizeof *parameters);
        int got = parameters && (!adapter || orthsr_adapter_get_parameters(adapter, parameters, n, error) == ORTHSR_OK);
        if (got) hash = hash_bytes(hash, parameters, n * sizeof *parameters);
        free(parameters);
        if (!got) return 0;
    }
    snprintf(text, 32, "%016llx", (unsigned long long)hash);
    if (in->n_adapters == 0) snprintf(text, 32, "none");
    return 1;
}

/* The words that a file's rows follow from; NULL when out of memory. */
static json_t *describe(const stream *t) {
    char adapters[32];
    orthsr_error error;
    if (!hash_adapters(adapters, &t->in, &error)) return NULL;
    json_t *object = json_object();
    char *first = item_name(t->data, 0), *last = item_name(t->data, t->count - 1);
    put_text(object, "version", orthsr_version_string());
    put_text(object, "model", orthsr_model_fingerprint(t->in.model));
    put_count(object, "image_size", orthsr_model_image_size(t->in.model));
    put_text(object, "adapters", adapters);
    put_count(object, "items", t->count);
    put_text(object, "first_item", first ? html_file_name(first) : NULL); /* their folders may move */
    put_text(object, "last_item", last ? html_file_name(last) : NULL);
    put_count(object, "rows", t->rows);
    put_count(object, "columns", t->dim);
    json_object_set_new(object, "normalized", json_boolean(!t->settings->raw));
    orthsr_free(first);
    orthsr_free(last);
    return object;
}

static orthsr_status compare(const json_t *there, const json_t *own, const char *path, orthsr_error *error) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)own, key, value) {
        json_t *other = json_object_get(there, key);
        if (other && json_equal(value, other)) continue;
        char *a = other ? json_dumps(other, JSON_ENCODE_ANY) : NULL, *b = json_dumps(value, JSON_ENCODE_ANY);
        orthsr_status status = failed(error, ORTHSR_ERROR_MISMATCH, "'%s' is of other rows: %s is %.256s there and %.256s here; give another --out", path, key,
                                      a ? a : "missing", b ? b : "?");
        free(a);
        free(b);
        return status;
    }
    return ORTHSR_OK;
}

static orthsr_status write_state(const char *path, const json_t *own, orthsr_error *error) {
    char *line = report_line(own);
    orthsr_status status = line ? output_write(path, line, error) : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for '%s'", path);
    free(line);
    return status;
}

/* stream.json is written before the first row. */
static orthsr_status begin(stream *t, orthsr_error *error) {
    json_t *own = describe(t), *state = NULL;
    char *text = NULL;
    size_t n;
    int there;
    if (!own) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for a description of '%s'", t->settings->data);
    orthsr_status status = whole_read(&text, &n, &there, t->state_path, error);
    if (status == ORTHSR_OK && there && !(state = json_loadb(text, n, 0, NULL)))
        status = failed(error, ORTHSR_ERROR_FORMAT, "'%s' is not what embed writes; give another --out, or remove it and the .npy files", t->state_path);
    if (status == ORTHSR_OK) status = there ? compare(state, own, t->state_path, error) : write_state(t->state_path, own, error);
    free(text);
    json_decref(state);
    json_decref(own);
    return status;
}

static orthsr_status open_stream(stream *t, orthsr_error *error) {
    const settings *s = t->settings;
    if (s->rows.given && s->rows.value == 0) return failed(error, ORTHSR_ERROR_ARGUMENT, "--rows is at least 1");
    t->rows = s->rows.given ? (size_t)s->rows.value : ROWS;
    orthsr_status status = output_directory(s->out, &t->made_directory, error);
    if (status == ORTHSR_OK) status = inputs_open(&t->in, s, error);
    if (status == ORTHSR_OK) status = open_dataset(&t->data, s->data, NULL, s, error);
    if (status != ORTHSR_OK) return status;
    size_t side = orthsr_model_image_size(t->in.model);
    t->count = orthsr_dataset_count(t->data);
    t->dim = orthsr_model_embed_dim(t->in.model);
    t->image = 3 * side * side;
    if (t->rows > t->count) t->rows = t->count;
    t->features = calloc(t->rows, t->dim * sizeof *t->features);
    t->pixels = calloc(BATCH, t->image * sizeof *t->pixels);
    t->state_path = join_path(s->out, "stream.json");
    if (!t->features || !t->pixels || !t->state_path) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu rows of features", t->rows);
    return begin(t, error);
}

/* ---- rows ---- */

/* The lines of a list of items first .. end - 1; a line begins with the item's number. */
static void copy_lines(FILE *to, const char *lines, size_t first, size_t end) {
    int wanted = 0;
    for (const char *line = lines; *line;) {
        char *after;
        size_t item = strtoul(line, &after, 10), length = strcspn(line, "\n");
        if (after != line && *after == '\t') wanted = item >= first && item < end; /* else it is the rest of a name with a line end in it */
        if (wanted) fprintf(to, "%.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

/* The list says of these items what was found now: it is written anew, so that a file that is made again leaves no line twice. */
static orthsr_status write_list(const stream *t, const char *path, const char *before, const size_t *items, size_t n, size_t first, size_t count,
                                orthsr_error *error) {
    output_file f;
    orthsr_status status = output_open(&f, path, error);
    if (status != ORTHSR_OK) return status;
    copy_lines(f.stream, before, 0, first);
    for (size_t i = first, k = 0; i < first + count; i++) {
        if (k < n && items[k] == i) {
            k++;
            continue;
        }
        char *name = item_name(t->data, i);
        fprintf(f.stream, "%zu\t%s\n", i, name ? name : "");
        orthsr_free(name);
    }
    copy_lines(f.stream, before, first + count, SIZE_MAX);
    return output_commit(&f, error);
}

/* Of items first .. first + count - 1 those n could be read. */
static orthsr_status note_unreadable(stream *t, const size_t *items, size_t n, size_t first, size_t count, orthsr_error *error) {
    char *path = join_path(t->settings->out, "unreadable.txt"), *before = NULL;
    size_t size;
    int there;
    if (!path) return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for a name in '%s'", t->settings->out);
    orthsr_status status = whole_read(&before, &size, &there, path, error);
    if (status == ORTHSR_OK && (there || n < count)) status = write_list(t, path, before ? before : "", items, n, first, count, error);
    t->unreadable += count - n;
    free(before);
    free(path);
    return status;
}

/* Rows of items first ... first + count - 1, each where its item is; what cannot be read leaves zeros. */
static orthsr_status encode_file(stream *t, orthsr_reader *reader, size_t first, size_t count, orthsr_error *error) {
    size_t *items = calloc(count + BATCH, sizeof *items), n = 0, got = 0;
    float *rows = calloc(BATCH, t->dim * sizeof *rows);
    orthsr_status status = items && rows ? ORTHSR_OK : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for %zu rows of features", count);
    memset(t->features, 0, count * t->dim * sizeof *t->features);
    do {
        if (status == ORTHSR_OK && terminal_interrupted()) status = failed(error, ORTHSR_ERROR_CANCELLED, "interrupted");
        if (status == ORTHSR_OK) status = orthsr_reader_next(reader, t->pixels, items + n, BATCH, &got, error);
        if (status == ORTHSR_OK) status = orthsr_session_encode_pixels(t->in.session, rows, t->pixels, got, error);
        for (size_t i = 0; i < got && status == ORTHSR_OK; i++) memcpy(t->features + (items[n + i] - first) * t->dim, rows + i * t->dim, t->dim * sizeof *rows);
        if (status == ORTHSR_OK) n += got;
        if (status == ORTHSR_OK) progress_show(&t->bar, t->done + n, NULL);
    } while (status == ORTHSR_OK && got > 0);
    if (status == ORTHSR_OK) status = note_unreadable(t, items, n, first, count, error);
    free(items);
    free(rows);
    return status;
}

static orthsr_status make_file(stream *t, const char *path, size_t first, size_t count, orthsr_error *error) {
    const settings *s = t->settings;
    const size_t shape[2] = {count, t->dim};
    orthsr_reader *reader;
    orthsr_status status = orthsr_reader_new(&reader, t->data, t->in.model, first, count, error);
    if (status == ORTHSR_OK) status = orthsr_reader_set_skip(reader, !s->strict, error);
    if (status == ORTHSR_OK && s->readers.given) status = orthsr_reader_set_threads(reader, (size_t)s->readers.value, error);
    if (status == ORTHSR_OK) status = encode_file(t, reader, first, count, error);
    orthsr_reader_free(reader);
    if (status == ORTHSR_OK && !s->raw) orthsr_features_normalize(t->features, count, t->dim);
    return status == ORTHSR_OK ? orthsr_array_write(path, t->features, shape, 2, error) : status;
}

static orthsr_status make_files(stream *t, orthsr_error *error) {
    orthsr_status status = ORTHSR_OK;
    progress_begin(&t->bar, "embedding", "images", t->count);
    for (size_t first = 0; first < t->count && status == ORTHSR_OK; first += t->rows) {
        size_t count = t->count - first < t->rows ? t->count - first : t->rows;
        char name[32];
        snprintf(name, sizeof name, "%08zu.npy", first);
        char *path = join_path(t->settings->out, name);
        if (!path) status = failed(error, ORTHSR_ERROR_MEMORY, "out of memory for a name in '%s'", t->settings->out);
        else if (access(path, F_OK) == 0) t->bar.before = t->before += count;
        else status = make_file(t, path, first, count, error);
        free(path);
        if (status == ORTHSR_OK) t->done += count;
    }
    if (status == ORTHSR_OK) progress_end(&t->bar, NULL);
    return status;
}

/* ---- the command ---- */

static int report(const stream *t) {
    const settings *s = t->settings;
    if (!s->json) {
        printf("%s: %zu rows of %zu features%s, in files of %zu; %zu were there already", s->out, t->count, t->dim, s->raw ? "" : ", of unit length", t->rows,
               t->before);
        if (t->unreadable > 0) printf("; %zu images cannot be read: %s/unreadable.txt", t->unreadable, s->out);
        putchar('\n');
        return EXIT_SUCCESS;
    }
    json_t *object = json_object();
    put_text(object, "out", s->out);
    put_count(object, "rows", t->count);
    put_count(object, "columns", t->dim);
    put_count(object, "rows_per_file", t->rows);
    put_count(object, "rows_before", t->before);
    put_count(object, "unreadable", t->unreadable);
    json_object_set_new(object, "normalized", json_boolean(!s->raw));
    return report_print(s, object);
}

int embed_stream(const settings *s) {
    stream t = {.settings = s};
    orthsr_error error = {""};
    orthsr_status status = open_stream(&t, &error);
    if (status == ORTHSR_OK) status = make_files(&t, &error);
    int code = EXIT_FAILURE;
    if (status == ORTHSR_OK) code = report(&t);
    else if (status == ORTHSR_ERROR_CANCELLED)
        terminal_say("orthsr embed: interrupted; %zu of %zu rows are in '%s'; the same command goes on", t.done, t.count, s->out);
    else code = give_up(s, &error);
    if (status != ORTHSR_OK && t.made_directory) rmdir(s->out);
    free(t.features);
    free(t.pixels);
    free(t.state_path);
    orthsr_dataset_free(t.data);
    inputs_close(&t.in);
    return code;
}
