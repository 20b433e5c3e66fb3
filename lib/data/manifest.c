/* manifest.c - a dataset whose items are the lines of a file. */
#include "data/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/listing.h"

enum { STRIDE = 64, CHUNK = 1 << 18, LONGEST = 1 << 16, MOST_CLASSES = 1 << 20 };

bool orthsr__manifest_is(const char *path) { return orthsr__ends_with(path, ".tsv") && orthsr__is_file(path); }

void orthsr__manifest_free(orthsr__manifest *manifest) {
    if (!manifest) return;
    if (manifest->fd >= 0) close(manifest->fd);
    free(manifest->path);
    free(manifest->folder);
    free(manifest->places);
    free(manifest);
}

/* ---- lines ---------------------------------------------------------------------------------------------------------------------------------- */

/* The lines of an open file from a place on, one after another, through a buffer. */
typedef struct reading {
    int fd;
    const char *path;
    uint64_t place; /* in the file, of buffer[0] */
    size_t begin, end;
    size_t number;   /* of the next line, from 0 */
    uint32_t *check; /* checksum of all that was read; NULL: not wanted */
    size_t chunk;    /* bytes read at once */
    char *buffer;    /* (chunk + LONGEST) */
} reading;

static orthsr_status reading_new(reading *r, int fd, const char *path, uint64_t place, size_t number, size_t chunk, orthsr_error *error) {
    *r = (reading){.fd = fd, .path = path, .place = place, .number = number, .chunk = chunk, .buffer = malloc(chunk + LONGEST)};
    return r->buffer ? ORTHSR_OK : orthsr__fail_memory(error, "a manifest");
}

/* More bytes behind those that are left, which move to the front. *ended: there are none. */
static orthsr_status fill(reading *r, bool *ended, orthsr_error *error) {
    size_t left = r->end - r->begin;
    memmove(r->buffer, r->buffer + r->begin, left);
    r->place += r->begin;
    r->begin = 0;
    r->end = left;
    ssize_t got;
    do got = pread(r->fd, r->buffer + left, r->chunk, (off_t)(r->place + left));
    while (got < 0 && errno == EINTR);
    if (got < 0) return orthsr__fail_errno(error, "read", r->path);
    if (r->check) *r->check = (uint32_t)crc32_z(*r->check, (const Bytef *)r->buffer + left, (size_t)got);
    r->end += (size_t)got;
    *ended = got == 0;
    return ORTHSR_OK;
}

/* The next line, without its end (which becomes a zero byte), and where it begins; NULL at the end of the file. */
static orthsr_status next_line(reading *r, char **line, uint64_t *place, orthsr_error *error) {
    char *newline;
    bool ended = false;
    while (!(newline = memchr(r->buffer + r->begin, '\n', r->end - r->begin)) && !ended) {
        if (r->end - r->begin >= LONGEST)
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': line %zu has more than %d bytes", r->path, r->number + 1, LONGEST);
        ORTHSR__TRY(fill(r, &ended, error));
    }
    *line = NULL;
    if (!newline && r->begin == r->end) return ORTHSR_OK;
    size_t length = (newline ? (size_t)(newline - r->buffer) : r->end) - r->begin;
    *line = r->buffer + r->begin;
    *place = r->place + r->begin;
    if (memchr(*line, '\0', length)) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': line %zu holds a zero byte", r->path, r->number + 1);
    r->begin += length + (newline != NULL);
    (*line)[length] = '\0'; /* the last one has room behind it */
    if (length > 0 && (*line)[length - 1] == '\r') (*line)[length - 1] = '\0';
    r->number++;
    return ORTHSR_OK;
}

/* What stands in a line; the texts are in it. */
typedef struct fields {
    char *path, *class_name;
    uint64_t offset, size; /* size 0: the whole file */
} fields;

/* Digits alone. */
static bool is_number(uint64_t *out, const char *text) {
    char *end;
    if (!text || *text < '0' || *text > '9') return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return !errno && !*end;
}

static orthsr_status parse(fields *out, char *line, const char *path, size_t number, orthsr_error *error) {
    char *column[5] = {line};
    size_t columns = 1;
    for (char *tab = line; columns < 5 && (tab = strchr(tab, '\t')); columns++) {
        *tab++ = '\0';
        column[columns] = tab;
    }
    *out = (fields){column[0], column[1], 0, 0};
    if ((columns != 2 && columns != 4) || !*column[0] || !*column[1])
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': line %zu must be PATH, a tab, CLASS, and for a part of a file a tab, OFFSET, a tab, SIZE", path,
                            number + 1);
    if (columns == 4 && (!is_number(&out->offset, column[2]) || !is_number(&out->size, column[3]) || out->size == 0))
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': line %zu: an offset and a size above 0 are wanted, in bytes", path, number + 1);
    if (orthsr__is_inner_path(column[0])) return ORTHSR_OK;
    return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': line %zu names '%.256s'; a path must be relative to the manifest's folder and must not leave it",
                        path, number + 1, column[0]);
}

/* ---- classes: names by hash while the file is read ---------------------------------------------------------------------------------------------- */

typedef struct named {
    char *name;
    size_t items;
} named;

typedef struct names {
    named *class; /* (count) */
    size_t count, capacity;
    size_t *slot; /* (slots): 1 + index, 0: free */
    size_t slots;
} names;

static void names_free(names *n) {
    for (size_t i = 0; i < n->count; i++) free(n->class[i].name);
    free(n->class);
    free(n->slot);
}

static size_t hash_of(const char *text) {
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

static bool grow(names *n) {
    size_t slots = n->slots ? 2 * n->slots : 1024, *slot = orthsr__calloc(slots, sizeof *slot);
    if (!slot) return false;
    for (size_t i = 0; i < n->count; i++) {
        size_t at = hash_of(n->class[i].name) & (slots - 1);
        while (slot[at]) at = (at + 1) & (slots - 1);
        slot[at] = i + 1;
    }
    free(n->slot);
    n->slot = slot;
    n->slots = slots;
    return true;
}

/* One more item of the class. False: no memory. */
static bool count_item(names *n, const char *name) {
    if (2 * n->count >= n->slots && !grow(n)) return false;
    size_t at = hash_of(name) & (n->slots - 1);
    while (n->slot[at] && strcmp(n->class[n->slot[at] - 1].name, name) != 0) at = (at + 1) & (n->slots - 1);
    if (!n->slot[at]) {
        char *copy = orthsr__strdup(name);
        if (!copy || !orthsr__reserve((void **)&n->class, &n->capacity, n->count + 1, sizeof *n->class)) {
            free(copy);
            return false;
        }
        n->class[n->count++] = (named){copy, 0};
        n->slot[at] = n->count;
    }
    n->class[n->slot[at] - 1].items++;
    return true;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------------------------------- */

static orthsr_status read_through(orthsr__manifest *manifest, names *classes, reading *r, orthsr_error *error) {
    size_t capacity = 0;
    r->check = &manifest->checksum;
    for (;;) {
        char *line;
        uint64_t place;
        fields f;
        size_t i = manifest->count;
        ORTHSR__TRY(next_line(r, &line, &place, error));
        if (!line) return ORTHSR_OK;
        ORTHSR__TRY(parse(&f, line, manifest->path, i, error));
        if (i % STRIDE == 0) {
            if (!orthsr__reserve((void **)&manifest->places, &capacity, i / STRIDE + 1, sizeof *manifest->places))
                return orthsr__fail_memory(error, "a manifest");
            manifest->places[i / STRIDE] = place;
        }
        if (classes->count == MOST_CLASSES)
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': line %zu: more than %d classes", manifest->path, i + 1, MOST_CLASSES);
        if (!count_item(classes, f.class_name)) return orthsr__fail_memory(error, "class names");
        manifest->count++;
    }
}

static int compare_named(const void *a, const void *b) { return strcmp(((const named *)a)->name, ((const named *)b)->name); }

/* The names go over to the dataset, in byte order. */
static void take_classes(orthsr_dataset *dataset, names *classes) {
    qsort(classes->class, classes->count, sizeof *classes->class, compare_named);
    for (size_t i = 0; i < classes->count; i++) {
        dataset->class_names[i] = classes->class[i].name;
        dataset->class_sizes[i] = classes->class[i].items;
        classes->class[i].name = NULL;
    }
}

static orthsr_status open_whole(orthsr__manifest *manifest, const char *path, names *classes, orthsr_error *error) {
    const char *slash = strrchr(path, '/');
    off_t size;
    reading r;
    manifest->path = orthsr__strdup(path);
    manifest->folder = slash ? orthsr__strndup(path, (size_t)(slash - path) + 1) : orthsr__strdup(".");
    if (!manifest->path || !manifest->folder) return orthsr__fail_memory(error, "a file name");
    ORTHSR__TRY(orthsr__open(&manifest->fd, &size, path, error));
    ORTHSR__TRY(reading_new(&r, manifest->fd, manifest->path, 0, 0, CHUNK, error));
    orthsr_status status = read_through(manifest, classes, &r, error);
    free(r.buffer);
    if (!status && manifest->count == 0) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' has no line", path);
    return status;
}

static orthsr_status make_dataset(orthsr_dataset **out, orthsr__manifest *manifest, names *classes, orthsr_error *error) {
    orthsr_dataset *dataset = orthsr__dataset_alloc(true, 0, classes->count);
    if (!dataset) return orthsr__fail_memory(error, "a dataset");
    take_classes(dataset, classes);
    orthsr_status status = orthsr__check_class_names((const char *const *)dataset->class_names, dataset->n_classes, manifest->path, ORTHSR_ERROR_FORMAT, error);
    if (status) {
        orthsr_dataset_free(dataset);
        return status;
    }
    manifest->class_names = dataset->class_names;
    manifest->n_classes = dataset->n_classes;
    dataset->manifest = manifest;
    dataset->count = manifest->count;
    *out = dataset;
    return ORTHSR_OK;
}

orthsr_status orthsr__manifest_open(orthsr_dataset **out, const char *path, orthsr_error *error) {
    orthsr__manifest *manifest = orthsr__calloc(1, sizeof *manifest);
    names classes = {0};
    if (!manifest) return orthsr__fail_memory(error, "a manifest");
    manifest->fd = -1;
    orthsr_status status = open_whole(manifest, path, &classes, error);
    if (!status) status = make_dataset(out, manifest, &classes, error);
    names_free(&classes);
    if (status) orthsr__manifest_free(manifest);
    return status;
}

/* ---- items ---------------------------------------------------------------------------------------------------------------------------------------- */

static int compare_name(const void *name, const void *of) { return strcmp(name, *(char *const *)of); }

static orthsr_status find_label(size_t *label, const orthsr__manifest *manifest, const fields *f, size_t i, orthsr_error *error) {
    char **found = bsearch(f->class_name, manifest->class_names, manifest->n_classes, sizeof *manifest->class_names, compare_name);
    if (!found) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': line %zu has changed since the file was opened", manifest->path, i + 1);
    *label = (size_t)(found - manifest->class_names);
    return ORTHSR_OK;
}

static orthsr_status read_fields(fields *f, const orthsr__manifest *manifest, reading *r, orthsr_error *error) {
    char *line;
    uint64_t place;
    size_t i = r->number;
    ORTHSR__TRY(next_line(r, &line, &place, error));
    if (!line) return orthsr__fail(error, ORTHSR_ERROR_IO, "'%s' has become shorter since it was opened: there is no line %zu", manifest->path, i + 1);
    return parse(f, line, manifest->path, i, error);
}

orthsr_status orthsr__manifest_item(const orthsr__manifest *manifest, size_t i, orthsr__item *item, orthsr_error *error) {
    enum { SOME = 1 << 13 }; /* about as long as STRIDE lines are */
    reading r;
    fields f = {0};
    *item = (orthsr__item){0};
    ORTHSR__TRY(reading_new(&r, manifest->fd, manifest->path, manifest->places[i / STRIDE], i - i % STRIDE, SOME, error));
    orthsr_status status = ORTHSR_OK;
    while (r.number <= i && !status) status = read_fields(&f, manifest, &r, error);
    if (!status) status = find_label(&item->label, manifest, &f, i, error);
    if (!status && !(item->name = orthsr__join(manifest->folder, f.path))) status = orthsr__fail_memory(error, "a file name");
    item->offset = f.offset;
    item->size = f.size;
    free(r.buffer);
    return status;
}

orthsr_status orthsr__manifest_labels(const orthsr__manifest *manifest, size_t *labels, orthsr_error *error) {
    reading r;
    ORTHSR__TRY(reading_new(&r, manifest->fd, manifest->path, 0, 0, CHUNK, error));
    orthsr_status status = ORTHSR_OK;
    for (size_t i = 0; i < manifest->count && !status; i++) {
        fields f;
        status = read_fields(&f, manifest, &r, error);
        if (!status) status = find_label(&labels[i], manifest, &f, i, error);
    }
    free(r.buffer);
    return status;
}
