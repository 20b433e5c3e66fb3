/* pool.c - POSIX threads, one atomic counter of tasks. */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/fail.h"
#include "base/memory.h"
#include "base/thread.h"

enum { SPINS = 4000 }; /* looks before a thread sleeps: about the time a wake-up takes */

typedef struct worker {
    void *scratch;
    double work;
    orthsr__pool *pool;
    pthread_t thread; /* unused in worker 0 */
} worker;

struct orthsr__pool {
    size_t threads;
    worker *worker; /* (threads) */
    void (*task)(void *context, size_t i);
    void *context;
    size_t count;             /* of tasks */
    _Atomic size_t next;      /* the first task that nobody has taken */
    _Atomic size_t busy;      /* threads that are not yet done with the present run */
    _Atomic unsigned run;     /* how many runs there were */
    _Atomic bool stop;        /* no more runs */
    pthread_mutex_t mutex;    /* of the two */
    pthread_cond_t wake, all; /* a new run or stop; busy is 0 */
};

static _Thread_local worker *self; /* of the pool that the thread is working for */

size_t orthsr__processors(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n > 1 ? (size_t)n : 1;
}

static void pause_a_little(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void work(orthsr__pool *pool, worker *w) {
    worker *before = self;
    self = w;
    for (size_t i; (i = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed)) < pool->count;) pool->task(pool->context, i);
    self = before;
}

static void *live(void *argument) {
    worker *w = argument;
    orthsr__pool *pool = w->pool;
    for (unsigned seen = 0;;) {
        for (int i = 0; i < SPINS && atomic_load_explicit(&pool->run, memory_order_acquire) == seen; i++) pause_a_little();
        if (atomic_load_explicit(&pool->run, memory_order_acquire) == seen) {
            pthread_mutex_lock(&pool->mutex);
            while (atomic_load(&pool->run) == seen) pthread_cond_wait(&pool->wake, &pool->mutex);
            pthread_mutex_unlock(&pool->mutex);
        }
        seen++;
        if (atomic_load(&pool->stop)) return NULL;
        work(pool, w);
        if (atomic_fetch_sub_explicit(&pool->busy, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->all);
            pthread_mutex_unlock(&pool->mutex);
        }
    }
}

/* Everybody awake; the caller goes on. */
static void start_run(orthsr__pool *pool) {
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add_explicit(&pool->run, 1, memory_order_release);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}

static void finish_run(orthsr__pool *pool) {
    for (int i = 0; i < SPINS && atomic_load_explicit(&pool->busy, memory_order_acquire) > 0; i++) pause_a_little();
    if (atomic_load_explicit(&pool->busy, memory_order_acquire) == 0) return;
    pthread_mutex_lock(&pool->mutex);
    while (atomic_load(&pool->busy) > 0) pthread_cond_wait(&pool->all, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

void orthsr__pool_run_alone(orthsr__pool *pool, size_t n, void (*task)(void *context, size_t i), void *context) {
    worker *before = self;
    if (pool && !before) self = &pool->worker[0];
    for (size_t i = 0; i < n; i++) task(context, i);
    self = before;
}

void orthsr__pool_run(orthsr__pool *pool, size_t n, void (*task)(void *context, size_t i), void *context) {
    if (!pool || self || pool->threads == 1 || n < 2) { /* within a task the worker goes on alone */
        orthsr__pool_run_alone(pool, n, task, context);
        return;
    }
    pool->task = task;
    pool->context = context;
    pool->count = n;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->busy, pool->threads - 1, memory_order_relaxed);
    start_run(pool);
    work(pool, &pool->worker[0]);
    finish_run(pool);
}

/* ---- parts ------------------------------------------------------------------------------------------------------------------------------ */

enum { PARTS = 4 }; /* a thread: a late one holds the others up by a fourth of its share */

typedef struct parts {
    size_t n, part;
    void (*task)(void *context, size_t first, size_t count);
    void *context;
} parts;

static void run_part(void *context, size_t i) {
    const parts *p = context;
    size_t first = i * p->part;
    p->task(p->context, first, p->n - first < p->part ? p->n - first : p->part);
}

void orthsr__pool_split(orthsr__pool *pool, size_t n, size_t least, void (*task)(void *context, size_t first, size_t count), void *context) {
    size_t wanted = orthsr__pool_threads(pool) == 1 ? 1 : PARTS * orthsr__pool_threads(pool), part = (n + wanted - 1) / wanted;
    parts p = {n, part > least ? part : least, task, context};
    orthsr__pool_run(pool, (n + p.part - 1) / p.part, run_part, &p);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------------- */

static orthsr_status start_threads(orthsr__pool *pool, orthsr_error *error) {
    size_t wanted = pool->threads;
    for (pool->threads = 1; pool->threads < wanted; pool->threads++) {
        worker *w = &pool->worker[pool->threads];
        if (!orthsr__thread_start(&w->thread, live, w)) break;
    }
    if (pool->threads == wanted) return ORTHSR_OK;
    return orthsr__fail(error, ORTHSR_ERROR_MEMORY, "the system starts no more than %zu of %zu threads; ask for fewer", pool->threads, wanted);
}

orthsr_status orthsr__pool_new(orthsr__pool **out, size_t threads, orthsr_error *error) {
    *out = NULL;
    if (threads == 0) threads = orthsr__processors();
    orthsr__pool *pool = orthsr__calloc(1, sizeof *pool);
    if (!pool) return orthsr__fail_memory(error, "threads");
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->all, NULL);
    pool->threads = 1; /* to be joined: none yet */
    pool->worker = orthsr__calloc(threads, sizeof *pool->worker);
    orthsr_status status = pool->worker ? ORTHSR_OK : orthsr__fail_memory(error, "threads");
    for (size_t i = 0; i < threads && !status; i++) {
        pool->worker[i].pool = pool;
        pool->worker[i].scratch = orthsr__aligned(ORTHSR__SCRATCH + ORTHSR__ROOM, 1);
        if (!pool->worker[i].scratch) status = orthsr__fail_memory(error, "threads");
    }
    if (!status) {
        pool->threads = threads;
        status = start_threads(pool, error);
    }
    if (status) {
        for (size_t i = 0; pool->worker && i < threads; i++)
            if (i >= pool->threads) free(pool->worker[i].scratch);
        orthsr__pool_free(pool);
        return status;
    }
    *out = pool;
    return ORTHSR_OK;
}

void orthsr__pool_free(orthsr__pool *pool) {
    if (!pool) return;
    atomic_store(&pool->stop, true);
    start_run(pool);
    for (size_t i = 1; i < pool->threads; i++) pthread_join(pool->worker[i].thread, NULL);
    for (size_t i = 0; pool->worker && i < pool->threads; i++) free(pool->worker[i].scratch);
    free(pool->worker);
    pthread_mutex_destroy(&pool->mutex);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->all);
    free(pool);
}

size_t orthsr__pool_threads(const orthsr__pool *pool) { return pool ? pool->threads : 1; }

/* ---- the running worker --------------------------------------------------------------------------------------------------------------------- */

void *orthsr__scratch(void) { return self ? self->scratch : NULL; }
void *orthsr__room(void) { return self ? (char *)self->scratch + ORTHSR__SCRATCH : NULL; }

size_t orthsr__worker(void) { return self ? (size_t)(self - self->pool->worker) : 0; }

void orthsr__count_work(double flops) {
    if (self) self->work += flops;
}

double orthsr__pool_work(const orthsr__pool *pool) {
    double sum = 0;
    for (size_t i = 0; pool && i < pool->threads; i++) sum += pool->worker[i].work;
    return sum;
}
