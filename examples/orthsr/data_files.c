/* data_files.c - duplicates by sorting: equal images become neighbours; and what lies beside the images. */
#include "data_files.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "hash.h"

typedef struct image {
    const char *path;
    size_t part, order;
    uint64_t hash; /* of the content; 0 where it does not count */
    size_t size;
} image;

static int compare_numbers(size_t a, size_t b) { return a < b ? -1 : a > b; }

static int compare_paths(const void *a, const void *b) {
    const image *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order ? order : compare_numbers(x->order, y->order);
}

static int compare_contents(const void *a, const void *b) {
    const image *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->size != y->size ? compare_numbers(x->size, y->size) : compare_numbers(x->order, y->order);
}

static int is_file(const image *i) { return strncmp(i->path, "index ", strlen("index ")) != 0; }

static int hash_file(image *i) {
    unsigned char buffer[1 << 14];
    FILE *file = fopen(i->path, "rb");
    if (!file) return 0;
    i->hash = HASH_START;
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0; i->size += n) i->hash = hash_bytes(i->hash, buffer, n);
    int readable = !ferror(file) && i->size > 0;
    fclose(file);
    return readable;
}

static int is_same(const image *a, const image *b, int by_content) {
    return by_content ? a->hash == b->hash && a->size == b->size && strcmp(a->path, b->path) != 0 : strcmp(a->path, b->path) == 0;
}

static void count(data_duplicates *out, const image *a, const image *b, const data_part *parts) {
    if (a->part != b->part) {
        if (out->across++ > 0) return;
        out->path = a->path;
        out->part = parts[a->part].name;
        out->other_path = b->path;
        out->other_part = parts[b->part].name;
    } else if (out->within++ == 0) {
        out->path_within = a->path;
        out->part_within = parts[a->part].name;
    }
}

int data_find_duplicates(data_duplicates *out, const data_part *parts, size_t n_parts, int by_content) {
    size_t room = 1, n = 0;
    *out = (data_duplicates){.across = 0};
    for (size_t p = 0; p < n_parts; p++) room += orthsr_dataset_count(parts[p].images);
    image *images = calloc(room, sizeof *images);
    if (!images) return 0;
    for (size_t p = 0; p < n_parts; p++)
        for (size_t i = 0; i < orthsr_dataset_count(parts[p].images); i++) {
            images[n] = (image){.path = orthsr_dataset_item_name(parts[p].images, i), .part = p, .order = n};
            if (is_file(&images[n]) && (!by_content || hash_file(&images[n]))) n++;
        }
    if (n > 1) qsort(images, n, sizeof *images, by_content ? compare_contents : compare_paths);
    for (size_t i = 1; i < n; i++)
        if (is_same(&images[i - 1], &images[i], by_content)) count(out, &images[i - 1], &images[i], parts);
    free(images);
    return 1;
}

static int is_image_name(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && (strcasecmp(dot, ".png") == 0 || strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0);
}

static size_t count_in(const char *directory, char *first, size_t size) {
    size_t n = 0;
    DIR *stream = opendir(directory);
    if (!stream) return 0;
    for (const struct dirent *entry; (entry = readdir(stream));) {
        struct stat info;
        if (entry->d_name[0] == '.' || is_image_name(entry->d_name)) continue;
        if (fstatat(dirfd(stream), entry->d_name, &info, 0) != 0 || !S_ISREG(info.st_mode)) continue;
        if (n++ == 0 && !*first) snprintf(first, size, "%s/%s", directory, entry->d_name);
    }
    closedir(stream);
    return n;
}

/* The images of a class follow one another. */
size_t data_count_passed_over(const orthsr_dataset *images, char *first, size_t size) {
    size_t n = 0, seen = (size_t)-1;
    char directory[4096];
    *first = '\0';
    for (size_t i = 0; i < orthsr_dataset_count(images); i++) {
        const char *path = orthsr_dataset_item_name(images, i), *slash = strrchr(path, '/');
        if (!slash || orthsr_dataset_label(images, i) == seen || (size_t)(slash - path) >= sizeof directory) continue;
        seen = orthsr_dataset_label(images, i);
        snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
        n += count_in(directory, first, size);
    }
    return n;
}
