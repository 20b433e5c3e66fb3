/* thread.h - starting the library's own threads. */
#ifndef ORTHSR_BASE_THREAD_H
#define ORTHSR_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* pthread_create of a thread that gets no signals: the host's go to the host's threads. False: the system starts none. */
bool orthsr__thread_start(pthread_t *thread, void *(*live)(void *context), void *context);

#endif
