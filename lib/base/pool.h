/* pool.h - a pool of threads that share work cut into tasks.
 *
 * The caller is worker 0; the others are threads that wait between calls. What a task computes may not depend on who runs it or when, so that results do
 * not depend on the number of threads. Tasks do not run tasks: within one, work is done by the worker alone.
 */
#ifndef ORTHSR_BASE_POOL_H
#define ORTHSR_BASE_POOL_H

#include <stddef.h>

#include <orthsr/status.h>

typedef struct orthsr__pool orthsr__pool;

/* Of the processors this process may run on; at least 1. */
size_t orthsr__processors(void);

enum { ORTHSR__MAX_THREADS = 4096 };

/* threads in all, the caller among them; 0: orthsr__processors. MEMORY, also when the system starts no more threads. */
orthsr_status orthsr__pool_new(orthsr__pool **out, size_t threads, orthsr_error *error);
void orthsr__pool_free(orthsr__pool *pool); /* NULL is a no-op */

/* 1 for NULL: the caller alone. */
size_t orthsr__pool_threads(const orthsr__pool *pool);

/* task(context, i) for every i < n, in any order, at the same time; returns when all are done. One caller at a time. */
void orthsr__pool_run(orthsr__pool *pool, size_t n, void (*task)(void *context, size_t i), void *context);

/* Less work than this, in operations or values, is not worth waking the others for. */
enum { ORTHSR__WORTH_SHARING = 1 << 18 };

/* The same by the caller alone, as worker 0. */
void orthsr__pool_run_alone(orthsr__pool *pool, size_t n, void (*task)(void *context, size_t i), void *context);

/* task(context, first, count) for consecutive parts of 0 .. n - 1 of at least `least`, as many as are good for the pool. */
void orthsr__pool_split(orthsr__pool *pool, size_t n, size_t least, void (*task)(void *context, size_t first, size_t count), void *context);

/* The running worker's room, at 64-byte boundaries: ORTHSR__SCRATCH bytes for packed matrices, and ORTHSR__ROOM bytes for what the task likes. NULL outside of
 * tasks. */
enum { ORTHSR__SCRATCH = 1104 << 10, ORTHSR__ROOM = 1 << 19 };
void *orthsr__scratch(void);
void *orthsr__room(void);

/* Number of the running worker, below the pool's threads; 0 outside of tasks. */
size_t orthsr__worker(void);

/* Multiplications and additions done by the running worker, for orthsr__pool_work. */
void orthsr__count_work(double flops);

/* Those of all workers since the pool was made. */
double orthsr__pool_work(const orthsr__pool *pool);

#endif
