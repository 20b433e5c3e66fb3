/* feed.c - a ring of images between reading threads and one that takes. */
#include "data/feed.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "base/thread.h"
#include "clip/model.h"
#include "data/augment.h"

/* An image on its way: the k-th is at k % room. */
typedef struct slot {
    bool ready;
    orthsr_status status;
    orthsr_error why;
    size_t item, label, unreadable;
    float *pixels; /* (3, size, size) */
} slot;

struct orthsr__feed {
    orthsr__supply supply;
    size_t readers, room, pixel_count;
    slot *slots;   /* (room) */
    float *pixels; /* (room, pixel_count) */
    pthread_t *threads;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t filled, emptied;
    size_t taken, next, busy; /* the next to be taken; the next to be read; readers at work */
    bool over, stopped;       /* there is no next; the end */
    size_t unreadable;
};

/* ---- one image ------------------------------------------------------------------------------------------------------------------------------ */

static orthsr_status read_item(const orthsr__supply *s, size_t item, size_t epoch, slot *to) {
    if (!s->augmented) return orthsr__dataset_input(s->dataset, item, s->model, to->pixels, &to->label, &to->why);
    orthsr__draws draws = orthsr__draws_of(s->seed, epoch, item, ORTHSR__FOR_AUGMENTATION);
    return orthsr__dataset_augmented(s->dataset, item, s->model, to->pixels, &to->label, &draws, &to->why);
}

/* Of the image, not of the memory that it takes or of a model that takes no images. */
static bool is_unreadable(const orthsr__supply *s, orthsr_status status) {
    return !s->model->config.preprocess.refused && (status == ORTHSR_ERROR_IO || status == ORTHSR_ERROR_FORMAT || status == ORTHSR_ERROR_UNSUPPORTED);
}

static void read_into(const orthsr__supply *s, slot *to, size_t item, size_t epoch) {
    size_t count = s->dataset->count;
    to->unreadable = 0;
    for (;;) {
        to->item = item;
        to->status = read_item(s, item, epoch, to);
        if (!to->status || !is_unreadable(s, to->status) || s->unreadable == ORTHSR__UNREADABLE_FAILS) return;
        to->unreadable++;
        if (s->unreadable == ORTHSR__UNREADABLE_LEFT_OUT) return;
        if (to->unreadable == count) {
            orthsr_error first = to->why;
            to->status = orthsr__fail(&to->why, to->status, "none of the %zu images can be read: %.768s", count, first.message);
            return;
        }
        item = (item + 1) % count;
    }
}

bool orthsr__next_of_range(void *context, size_t k, size_t *item, size_t *epoch) {
    const orthsr__range *of = context;
    *item = of->first + k;
    *epoch = 0;
    return *item < of->end;
}

/* ---- threads -------------------------------------------------------------------------------------------------------------------------------- */

static void *read_ahead(void *argument) {
    orthsr__feed *f = argument;
    pthread_mutex_lock(&f->lock);
    while (!f->stopped) {
        size_t item, epoch, k = f->next;
        if (f->over || k >= f->taken + f->room) {
            pthread_cond_wait(&f->emptied, &f->lock);
            continue;
        }
        if (!f->supply.request(f->supply.context, k, &item, &epoch)) {
            f->over = true;
            continue;
        }
        f->next++;
        f->busy++;
        slot *to = &f->slots[k % f->room];
        pthread_mutex_unlock(&f->lock);
        read_into(&f->supply, to, item, epoch);
        pthread_mutex_lock(&f->lock);
        to->ready = true;
        f->busy--;
        pthread_cond_broadcast(&f->filled);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

static bool start(orthsr__feed *f, size_t readers) {
    while (f->readers < readers && orthsr__thread_start(&f->threads[f->readers], read_ahead, f)) f->readers++;
    return f->readers == readers;
}

orthsr_status orthsr__feed_new(orthsr__feed **out, const orthsr__supply *supply, size_t readers, size_t room, orthsr_error *error) {
    size_t size = supply->model->config.image_size, n = readers > 0 ? room : 1, total;
    *out = NULL;
    orthsr__feed *f = orthsr__calloc(1, sizeof *f);
    if (!f) return orthsr__fail_memory(error, "images");
    *f = (orthsr__feed){.supply = *supply, .room = n, .pixel_count = 3 * size * size};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->filled, NULL);
    pthread_cond_init(&f->emptied, NULL);
    f->slots = orthsr__calloc(n, sizeof *f->slots);
    f->threads = orthsr__calloc(readers, sizeof *f->threads);
    f->pixels = orthsr__mul(&total, n, f->pixel_count) ? orthsr__aligned(total, sizeof *f->pixels) : NULL;
    bool ok = f->slots && f->threads && f->pixels;
    for (size_t i = 0; ok && i < n; i++) f->slots[i].pixels = f->pixels + i * f->pixel_count;
    if (ok && start(f, readers)) {
        *out = f;
        return ORTHSR_OK;
    }
    orthsr__feed_free(f);
    return orthsr__fail_memory(error, "images, or threads that read them");
}

void orthsr__feed_free(orthsr__feed *f) {
    if (!f) return;
    pthread_mutex_lock(&f->lock);
    f->stopped = true;
    pthread_cond_broadcast(&f->emptied);
    pthread_mutex_unlock(&f->lock);
    for (size_t i = 0; i < f->readers; i++) pthread_join(f->threads[i], NULL);
    pthread_cond_destroy(&f->filled);
    pthread_cond_destroy(&f->emptied);
    pthread_mutex_destroy(&f->lock);
    free(f->slots);
    free(f->threads);
    free(f->pixels);
    free(f);
}

/* ---- taking ----------------------------------------------------------------------------------------------------------------------------------- */

void orthsr__feed_begin(orthsr__feed *f, size_t k) {
    pthread_mutex_lock(&f->lock);
    if (k != f->taken) {
        f->over = true; /* nothing more is begun */
        while (f->busy > 0) pthread_cond_wait(&f->filled, &f->lock);
        for (size_t i = 0; i < f->room; i++) f->slots[i].ready = false;
        f->taken = f->next = k;
        f->over = false;
        pthread_cond_broadcast(&f->emptied);
    }
    pthread_mutex_unlock(&f->lock);
}

/* Without readers. */
static bool read_now(orthsr__feed *f, slot *to) {
    size_t item, epoch;
    if (!f->supply.request(f->supply.context, f->taken, &item, &epoch)) return false;
    read_into(&f->supply, to, item, epoch);
    f->next = f->taken + 1;
    return true;
}

orthsr_status orthsr__feed_take(orthsr__feed *f, float *pixels, size_t *item, size_t *label, bool *left_out, orthsr_error *error) {
    pthread_mutex_lock(&f->lock);
    slot *from = &f->slots[f->taken % f->room];
    bool there = true;
    if (f->readers == 0) there = read_now(f, from);
    else
        while (!from->ready && (there = !f->over || f->busy > 0)) pthread_cond_wait(&f->filled, &f->lock);
    pthread_mutex_unlock(&f->lock);
    if (!there) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "there are no more images");
    *item = from->item;
    *label = from->label;
    bool out = from->status && from->unreadable > 0 && f->supply.unreadable == ORTHSR__UNREADABLE_LEFT_OUT;
    if (left_out) *left_out = out;
    orthsr_status status = ORTHSR_OK;
    if (!from->status) memcpy(pixels, from->pixels, f->pixel_count * sizeof *pixels);
    else if (!out) status = orthsr__fail(error, from->status, "%s", from->why.message);
    pthread_mutex_lock(&f->lock);
    f->unreadable += from->unreadable;
    from->ready = false;
    f->taken++;
    pthread_cond_broadcast(&f->emptied);
    pthread_mutex_unlock(&f->lock);
    return status;
}

size_t orthsr__feed_unreadable(const orthsr__feed *f) { return f ? f->unreadable : 0; }
