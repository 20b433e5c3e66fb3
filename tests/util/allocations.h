/* allocations.h - this program's allocator: it counts the blocks that live, and fails the allocation that it is told to.
 *
 * Defined in a program, these functions are those of the libraries it is linked with too (jansson, libpng, libjpeg, zlib, LAPACKE, libc's opendir and fopen).
 * Between allocations_arm and allocations_disarm every thread's allocations and new threads are counted and may fail, but for threads that stand apart; the
 * test's own, outside, never do.
 */
#ifndef TESTS_UTIL_ALLOCATIONS_H
#define TESTS_UTIL_ALLOCATIONS_H

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* glibc's own, under the names that it keeps for allocators like this one. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

static struct {
    _Atomic bool armed;
    _Atomic long count;   /* since it was last set to 0 */
    _Atomic long fail_at; /* 0: none */
    _Atomic bool onwards; /* that one and all after it */
    _Atomic long refused, live;
} allocations;

static _Thread_local bool allocations_apart; /* of this thread none is counted or fails, and it neither arms nor disarms */

static inline void allocations_set(bool armed) {
    if (!allocations_apart) atomic_store(&allocations.armed, armed);
}
static inline void allocations_arm(void) { allocations_set(true); }
static inline void allocations_disarm(void) { allocations_set(false); }

static inline bool allocation_refused(void) {
    if (allocations_apart || !atomic_load_explicit(&allocations.armed, memory_order_relaxed)) return false;
    long n = atomic_fetch_add(&allocations.count, 1) + 1, at = atomic_load(&allocations.fail_at);
    if (at == 0 || (n != at && !(atomic_load(&allocations.onwards) && n > at))) return false;
    atomic_fetch_add(&allocations.refused, 1);
    errno = ENOMEM;
    return true;
}

static inline void *allocation_counted(void *block) {
    if (block) atomic_fetch_add_explicit(&allocations.live, 1, memory_order_relaxed);
    return block;
}

#pragma GCC visibility push(default) /* for the shared libraries */

void *malloc(size_t size) { return allocation_refused() ? NULL : allocation_counted(__libc_malloc(size)); }
void *calloc(size_t n, size_t size) { return allocation_refused() ? NULL : allocation_counted(__libc_calloc(n, size)); }

void *realloc(void *old, size_t size) {
    if (allocation_refused()) return NULL;
    void *grown = __libc_realloc(old, size);
    if (!old && grown) allocation_counted(grown);
    if (old && !grown && size == 0) atomic_fetch_sub(&allocations.live, 1); /* freed */
    return grown;
}

static inline void *allocation_aligned(size_t alignment, size_t size) {
    return allocation_refused() ? NULL : allocation_counted(__libc_memalign(alignment, size));
}
void *memalign(size_t alignment, size_t size) { return allocation_aligned(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return allocation_aligned(alignment, size); }
int posix_memalign(void **out, size_t alignment, size_t size) {
    void *block = allocation_aligned(alignment, size);
    if (block) *out = block;
    return block ? 0 : ENOMEM;
}

void free(void *block) {
    if (block) atomic_fetch_sub_explicit(&allocations.live, 1, memory_order_relaxed);
    __libc_free(block);
}

/* A thread that does not start counts as an allocation that fails. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    if (allocation_refused()) return EAGAIN;
    union {
        void *symbol;
        int (*call)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    } real = {dlsym(RTLD_NEXT, "pthread_create")};
    return real.call(thread, attributes, run, argument);
}

#pragma GCC visibility pop

#endif
