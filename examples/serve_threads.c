/* serve_threads.c - one model, many threads, two adapters exchanged while requests come in.
 *
 *     cc serve_threads.c $(pkg-config --cflags --libs orthsr) -pthread -o serve_threads
 *     ./serve_threads my-clip
 *     ./serve_threads my-clip 4 400 run1/adapter run2/adapter
 *
 * my-clip               a directory with a CLIP checkpoint, opened once and shared read-only
 * 4 400                 threads, each with a session of its own, and requests among them all (the defaults)
 * run1/adapter, ...     the two adapters; without them two are made up, which is enough to see what is shown
 *
 * A request is a batch of 1 to 4 images. While threads serve, main exchanges the adapter every two milliseconds, as if a newer one had been trained; each
 * thread takes the newest one before a request. Every feature is compared, bit by bit, with what one thread computed for this image alone and this adapter.
 * Prints the throughput of one thread and of all, and what an exchange costs.
 *
 * run: $model 4 100
 * run: $model 4 100 $adapter $other_adapter
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime, nanosleep, pthreads */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <orthsr/orthsr.h>

enum { ADAPTERS = 2, IMAGES = 8, LARGEST = 4 };

/* Ends the program with the message; from any thread. */
static void check(orthsr_status status, const orthsr_error *error) {
    if (status == ORTHSR_OK) return;
    fprintf(stderr, "serve_threads: %s\n", error->message);
    exit(EXIT_FAILURE);
}

static void *allocate(size_t n, size_t size) {
    void *memory = calloc(n, size);
    if (memory) return memory;
    fprintf(stderr, "serve_threads: out of memory\n");
    exit(EXIT_FAILURE);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What all threads share. Only the two counters and the choice change while they run; they change as atomics. */
typedef struct service {
    orthsr_model *model;
    orthsr_adapter *adapter[ADAPTERS];
    size_t image, dim;         /* floats of an image, of a feature */
    float *pixels;             /* (IMAGES + LARGEST, image): the first few stand again at the end, so that a batch may begin anywhere */
    float *expected[ADAPTERS]; /* (IMAGES, dim): by one thread, image by image */
    atomic_int newest;         /* the adapter to serve with */
    atomic_size_t next;        /* requests that were taken */
    atomic_int busy;           /* threads that still serve */
    size_t requests;
} service;

typedef struct server {
    service *shared;
    pthread_t thread;
    size_t images, exchanges, wrong;
    double exchanging, slowest; /* seconds in exchanges: all, and the longest */
} server;

static orthsr_session *open_session(const service *s, const orthsr_adapter *adapter) {
    orthsr_session *session;
    orthsr_error error;
    check(orthsr_session_new(&session, s->model, adapter, &error), &error);
    check(orthsr_session_set_threads(session, 1, &error), &error); /* the program's threads are the parallelism */
    return session;
}

/* One thread of the service: a session of its own, an error of its own, nothing else that is written to is shared. */
static void *serve(void *argument) {
    server *me = argument;
    service *s = me->shared;
    orthsr_error error;
    orthsr_session *session = open_session(s, s->adapter[0]);
    float *features = allocate(LARGEST * s->dim, sizeof *features);
    int current = 0;
    for (size_t request; (request = atomic_fetch_add(&s->next, 1)) < s->requests;) {
        int newest = atomic_load(&s->newest);
        if (newest != current) { /* the names of its targets are looked up; no weight is touched, and no other session */
            const orthsr_adapter *stack[] = {s->adapter[newest]};
            double before = seconds();
            check(orthsr_session_set_adapters(session, stack, 1, &error), &error);
            double took = seconds() - before;
            me->exchanging += took;
            me->slowest = took > me->slowest ? took : me->slowest;
            me->exchanges++;
            current = newest;
        }
        size_t first = request * 5 % IMAGES, n = 1 + request % LARGEST;
        check(orthsr_session_encode_pixels(session, features, s->pixels + first * s->image, n, &error), &error);
        for (size_t i = 0; i < n; i++)
            me->wrong += memcmp(features + i * s->dim, s->expected[current] + (first + i) % IMAGES * s->dim, s->dim * sizeof *features) != 0;
        me->images += n;
    }
    free(features);
    orthsr_session_free(session);
    atomic_fetch_sub(&s->busy, 1);
    return NULL;
}

/* ---- what is served ---- */

static unsigned long state = 1; /* of main's random numbers */
static float noise(void) {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    return (float)state / 0x40000000 - 1;
}

/* On every map of both towers, turned by a little: what training would find better angles for. */
static orthsr_adapter *made_up(const orthsr_model *model) {
    orthsr_error error;
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    check(orthsr_adapter_options_new(&options, &error), &error);
    check(orthsr_adapter_options_set_maps(options, "q,k,v,out,fc1,fc2", &error), &error);
    check(orthsr_model_adapter(model, &adapter, options, &error), &error);
    orthsr_adapter_options_free(options);
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = allocate(n, sizeof *parameters);
    for (size_t i = 0; i < n; i++) parameters[i] = 0.02f * noise();
    check(orthsr_adapter_set_parameters(adapter, parameters, n, &error), &error);
    free(parameters);
    return adapter;
}

/* One thread, one image at a time: what all others must compute. Returns its images per second. */
static double expect(service *s) {
    orthsr_error error;
    double before = seconds();
    for (int a = 0; a < ADAPTERS; a++) {
        orthsr_session *session = open_session(s, s->adapter[a]);
        s->expected[a] = allocate(IMAGES * s->dim, sizeof(float));
        for (size_t i = 0; i < IMAGES; i++)
            check(orthsr_session_encode_pixels(session, s->expected[a] + i * s->dim, s->pixels + i * s->image, 1, &error), &error);
        orthsr_session_free(session);
    }
    return ADAPTERS * IMAGES / (seconds() - before);
}

int main(int argc, char **argv) {
    size_t threads = argc > 2 ? strtoul(argv[2], NULL, 10) : 4;
    service s = {.requests = argc > 3 ? strtoul(argv[3], NULL, 10) : 400};
    if (argc < 2 || argc == 5 || argc > 6 || threads == 0 || threads > 1024 || s.requests == 0) {
        fprintf(stderr, "usage: serve_threads MODEL [THREADS [REQUESTS [ADAPTER ADAPTER]]]\n");
        return 2;
    }
    orthsr_error error;
    check(orthsr_model_open(&s.model, argv[1], &error), &error);
    for (int a = 0; a < ADAPTERS; a++) {
        if (argc == 6) check(orthsr_model_adapter_load(s.model, &s.adapter[a], argv[4 + a], &error), &error);
        else s.adapter[a] = made_up(s.model);
    }
    s.dim = orthsr_model_embed_dim(s.model);
    s.image = 3 * orthsr_model_image_size(s.model) * orthsr_model_image_size(s.model);
    s.pixels = allocate((IMAGES + LARGEST) * s.image, sizeof *s.pixels);
    for (size_t i = 0; i < IMAGES * s.image; i++) s.pixels[i] = noise();
    memcpy(s.pixels + IMAGES * s.image, s.pixels, LARGEST * s.image * sizeof *s.pixels);
    double alone = expect(&s);

    server *servers = allocate(threads, sizeof *servers);
    atomic_store(&s.busy, (int)threads);
    double begin = seconds();
    for (size_t t = 0; t < threads; t++) {
        servers[t].shared = &s;
        if (pthread_create(&servers[t].thread, NULL, serve, &servers[t]) != 0) {
            fprintf(stderr, "serve_threads: thread %zu of %zu does not start\n", t, threads);
            return EXIT_FAILURE;
        }
    }
    for (int turn = 0; atomic_load(&s.busy) > 0; turn++) { /* both adapters live as long as the threads do: an old one could be freed once nobody has it */
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        atomic_store(&s.newest, turn % ADAPTERS);
    }
    server all = {0};
    for (size_t t = 0; t < threads; t++) {
        pthread_join(servers[t].thread, NULL);
        all.images += servers[t].images;
        all.wrong += servers[t].wrong;
        all.exchanges += servers[t].exchanges;
        all.exchanging += servers[t].exchanging;
        all.slowest = servers[t].slowest > all.slowest ? servers[t].slowest : all.slowest;
    }
    double took = seconds() - begin;

    printf("one thread, image by image: %.1f images/s\n", alone);
    printf("%zu threads: %zu requests, %zu images, %.1f images/s\n", threads, s.requests, all.images, (double)all.images / took);
    printf("adapters exchanged %zu times: %.1f microseconds each, at most %.1f\n", all.exchanges,
           all.exchanges ? 1e6 * all.exchanging / (double)all.exchanges : 0, 1e6 * all.slowest);
    if (all.wrong) printf("%zu features differ from the single thread's\n", all.wrong);
    else printf("every feature is the single thread's, bit by bit\n");

    free(servers);
    free(s.pixels);
    for (int a = 0; a < ADAPTERS; a++) {
        free(s.expected[a]);
        orthsr_adapter_free(s.adapter[a]);
    }
    orthsr_model_free(s.model);
    return all.wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
