/* thread.c - threads without signals: a new thread has the mask of the one that makes it. */
#include "base/thread.h"

#include <signal.h>

bool orthsr__thread_start(pthread_t *thread, void *(*live)(void *context), void *context) {
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    bool started = pthread_create(thread, NULL, live, context) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}
