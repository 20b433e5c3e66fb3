/* consumer.c - a stranger's program: compiles as C and as C++, sees the installed headers only. */
#include <orthsr/orthsr.h>
#include <stdio.h>

int main(int argc, char **argv) {
    orthsr_model *model;
    orthsr_session *session;
    orthsr_error error;
    const char *texts[1] = {"a photo of a bag."};
    float feature[1024];
    if (orthsr_version_number() != ORTHSR_VERSION_MAJOR * 10000 + ORTHSR_VERSION_MINOR * 100 + ORTHSR_VERSION_PATCH) return 3;
    if (argc != 2) return 2;
    if (orthsr_model_open(&model, argv[1], &error) || orthsr_session_new(&session, model, NULL, &error) || orthsr_model_embed_dim(model) > 1024 ||
        orthsr_session_encode_texts(session, feature, texts, 1, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    printf("orthsr %s, %s: %d dimensions, first %g\n", orthsr_version_string(), orthsr_model_family(model), (int)orthsr_model_embed_dim(model),
           (double)feature[0]);
    orthsr_session_free(session);
    orthsr_model_free(model);
    return 0;
}
