/* race.c - what the documentation forbids: an adapter's parameters are set while another thread rotates with it. tests/tsan.sh expects a report. */
#include <pthread.h>

#include <orthsr/adapter.h>

static orthsr_adapter *adapter;

static void *turn(void *unused) {
    float x[8] = {1}, y[8];
    for (int i = 0; i < 1000; i++) orthsr_adapter_rotate(adapter, 0, y, x, 1, NULL);
    return unused;
}

int main(void) {
    float parameters[4] = {0};
    pthread_t thread;
    if (orthsr_adapter_new(&adapter, NULL, NULL) || orthsr_adapter_add_target(adapter, "map", 8, 8, NULL)) return 0;
    if (pthread_create(&thread, NULL, turn, NULL)) return 0;
    for (int i = 0; i < 1000; i++) orthsr_adapter_set_parameters(adapter, parameters, 4, NULL);
    pthread_join(thread, NULL);
    orthsr_adapter_free(adapter);
    return 0;
}
