/* ranks.h - ranks that are threads of one process: what they exchange is copied from one's arrays to the other's. */
#ifndef TESTS_UTIL_RANKS_H
#define TESTS_UTIL_RANKS_H

#include <pthread.h>
#include <stdatomic.h>

#include "util/check.h"

enum { MOST_RANKS = 16 };

typedef struct meeting meeting;

typedef struct rank {
    meeting *meeting;
    size_t index;
    orthsr_collective *collective;
    const void *const *send;
    const size_t *send_sizes;
    size_t exchanges;
    void *context;
    void (*work)(struct rank *me);
    pthread_t thread;
} rank;

struct meeting {
    size_t ranks;
    orthsr_exchange exchange; /* NULL: meet */
    pthread_barrier_t barrier;
    rank rank[MOST_RANKS];
    size_t fail_rank, fail_at; /* that rank's exchange of this number fails, from 1; 0: none does */
    atomic_bool failed;        /* one has: nobody waits any more */
};

/* Both ends must agree on sizes, and nobody sends to itself. A failing rank comes to the meeting, so that nobody waits for ever, and says so. */
static inline orthsr_status meet(void *payload, const void *const *send, const size_t *send_sizes, void *const *receive, const size_t *receive_sizes,
                                 orthsr_error *error) {
    rank *me = payload;
    meeting *m = me->meeting;
    if (++me->exchanges == m->fail_at && me->index == m->fail_rank) atomic_store(&m->failed, true);
    me->send = send;
    me->send_sizes = send_sizes;
    ck_assert(error != NULL);
    ck_assert_uint_eq(send_sizes[me->index], 0);
    pthread_barrier_wait(&m->barrier);
    bool failed = atomic_load(&m->failed);
    for (size_t r = 0; r < m->ranks && !failed; r++) {
        ck_assert_uint_eq(receive_sizes[r], m->rank[r].send_sizes[me->index]);
        ck_assert_uint_le(receive_sizes[r], (size_t)1 << 28);
        if (receive_sizes[r] > 0) memcpy(receive[r], m->rank[r].send[me->index], receive_sizes[r]);
    }
    pthread_barrier_wait(&m->barrier);
    if (failed) snprintf(error->message, sizeof error->message, "rank %zu does not answer", m->fail_rank);
    return failed ? ORTHSR_ERROR_IO : ORTHSR_OK;
}

static inline void *begin_rank(void *argument) {
    rank *me = argument;
    orthsr_error error;
    ck_ok(orthsr_collective_new(&me->collective, me->index, me->meeting->ranks, me->meeting->exchange ? me->meeting->exchange : meet, me, &error));
    me->work(me);
    orthsr_collective_free(me->collective);
    return NULL;
}

/* work by ranks threads, each with context[rank] (NULL: none). */
static inline void meet_all(meeting *m, size_t ranks, void (*work)(rank *me), void *const *context) {
    m->ranks = ranks;
    pthread_barrier_init(&m->barrier, NULL, (unsigned)ranks);
    for (size_t r = 0; r < ranks; r++) {
        m->rank[r] = (rank){.meeting = m, .index = r, .work = work, .context = context ? context[r] : NULL};
        ck_assert_int_eq(pthread_create(&m->rank[r].thread, NULL, begin_rank, &m->rank[r]), 0);
    }
    for (size_t r = 0; r < ranks; r++) pthread_join(m->rank[r].thread, NULL);
    pthread_barrier_destroy(&m->barrier);
}

#endif
