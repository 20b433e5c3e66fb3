/* zero_shot.c - what is in a picture, said with words of your own and without any training.
 *
 *     cc zero_shot.c $(pkg-config --cflags --libs orthsr) -lm -o zero_shot
 *     ./zero_shot my-clip "cat,dog,bird" a.jpg b.png
 *
 * my-clip  a directory with a CLIP checkpoint and its vocabulary
 *
 * Prints for each picture the three likeliest of the names:
 *
 *     sneaker.png: sneaker 97.6 %, sandal 2.1 %, ankle boot 0.2 %
 *
 * run: $model "t-shirt,trouser,pullover,dress,coat,sandal,shirt,sneaker,bag,ankle boot" $pictures
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <orthsr/orthsr.h>

#define SHOWN 3

/* Every call that can fail returns a status and leaves a message that says what, where and what to do. Here that ends the program. */
static orthsr_error error;
static void check(orthsr_status status) {
    if (status == ORTHSR_OK) return;
    fprintf(stderr, "zero_shot: %s\n", error.message);
    exit(EXIT_FAILURE);
}

static void *allocate(size_t n, size_t size) {
    void *memory = calloc(n + 1, size);
    if (memory) return memory;
    fprintf(stderr, "zero_shot: out of memory\n");
    exit(EXIT_FAILURE);
}
static float *floats(size_t n) { return allocate(n, sizeof(float)); }

/* feature (embed_dim) of the picture, of unit length. */
static void encode(float *feature, orthsr_session *session, const orthsr_model *model, const char *path) {
    size_t side = orthsr_model_image_size(model);
    float *pixels = floats(3 * side * side); /* (3, side, side) */
    orthsr_image *image;
    check(orthsr_image_open(&image, path, 0, &error));                        /* as PIL decodes it */
    check(orthsr_model_preprocess(model, pixels, image, &error));             /* as the model was trained to see it */
    check(orthsr_session_encode_pixels(session, feature, pixels, 1, &error)); /* many pictures at once are faster */
    orthsr_features_normalize(feature, 1, orthsr_model_embed_dim(model));
    orthsr_image_free(image);
    free(pixels);
}

/* probability (n): softmax of the cosines with each class (n, dim), times the factor that the model was trained with. */
static void classify(float *probability, const float *feature, const float *classes, size_t n, size_t dim, float scale) {
    float sum = 0, largest = 0;
    for (size_t c = 0; c < n; c++) {
        float cosine = 0;
        for (size_t i = 0; i < dim; i++) cosine += feature[i] * classes[c * dim + i];
        probability[c] = scale * cosine;
        if (c == 0 || probability[c] > largest) largest = probability[c];
    }
    for (size_t c = 0; c < n; c++) sum += probability[c] = expf(probability[c] - largest);
    for (size_t c = 0; c < n; c++) probability[c] /= sum;
}

/* The likeliest classes, each taken out of probability (n) as it is printed. */
static void print_best(const char *path, char *const *names, float *probability, size_t n) {
    const char *slash = strrchr(path, '/');
    printf("%s:", slash ? slash + 1 : path);
    for (size_t shown = 0; shown < SHOWN && shown < n; shown++) {
        size_t best = 0;
        for (size_t c = 1; c < n; c++)
            if (probability[c] > probability[best]) best = c;
        printf("%s %s %.1f %%", shown ? "," : "", names[best], 100 * (double)probability[best]);
        probability[best] = -1;
    }
    putchar('\n');
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: zero_shot MODEL NAME,NAME,... IMAGE...\n");
        return 2;
    }
    char **names = allocate(strlen(argv[2]), sizeof *names); /* there are fewer names than letters */
    size_t n = 0;
    for (char *name = strtok(argv[2], ","); name; name = strtok(NULL, ",")) names[n++] = name;

    orthsr_model *model;
    orthsr_session *session; /* the working memory of one thread */
    check(orthsr_model_open(&model, argv[1], &error));
    check(orthsr_session_new(&session, model, NULL, &error));

    /* A class is where its name's prompts are, averaged: several templates make it more robust. */
    static const char *const templates[] = {"a photo of a {}.", "a product photo of a {}."};
    size_t dim = orthsr_model_embed_dim(model);
    float *classes = floats(n * dim), *feature = floats(dim), *probability = floats(n); /* (n, dim), (dim), (n) */
    check(orthsr_session_encode_classes(session, classes, (const char *const *)names, n, templates, 2, &error));

    for (int i = 3; i < argc; i++) {
        encode(feature, session, model, argv[i]);
        classify(probability, feature, classes, n, dim, orthsr_model_logit_scale(model));
        print_best(argv[i], names, probability, n);
    }

    free(names);
    free(classes);
    free(feature);
    free(probability);
    orthsr_session_free(session);
    orthsr_model_free(model);
    return EXIT_SUCCESS;
}
