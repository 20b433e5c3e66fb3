/* fragment.c - what stands around a fragment of C on a page: the objects that it may use, by these names, and the check that nothing failed. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <orthsr/orthsr.h>

/* An error's message is written on failure only. */
static int check(orthsr_error error, int line) {
    if (error.message[0]) fprintf(stderr, "line %d: %s\n", line, error.message);
    return error.message[0] != '\0';
}

int main(void) {
    orthsr_error error = {""};
    orthsr_model *model;
    orthsr_dataset *train, *test, *shots;
    orthsr_adapter *adapter;
    orthsr_trainer_options *options;
    orthsr_trainer *trainer = NULL;
    orthsr_session *session;
    orthsr_model_open(&model, "my-clip", &error);
    orthsr_dataset_open(&train, "my-images", "train", &error);
    orthsr_dataset_open(&test, "my-images", "test", &error);
    orthsr_dataset_draw(&shots, NULL, train, 1, 1, &error);
    orthsr_model_adapter(model, &adapter, NULL, &error);
    orthsr_session_new(&session, model, NULL, &error);
    orthsr_trainer_options_new(&options, &error);
    orthsr_trainer_options_set_epochs(options, 1, &error);
    if (check(error, __LINE__)) return 1;
    {
#line 1 "fragment"
        FRAGMENT
    }
    if (check(error, __LINE__)) return 1;
    orthsr_trainer_free(trainer);
    return 0;
}
