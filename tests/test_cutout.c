/* test_cutout.c - what is done to training images: random numbers by address, torchvision's crops, CutOut's holes, and the maps they are cut by. */
#include "base/draws.h"
#include "data/augment.h"
#include "data/cutout.h"
#include "util/fixture.h"

static orthsr_error error;

/* ---- draws --------------------------------------------------------------------------------------------------------------------------- */

/* A stream is the same whoever draws, and any difference in its address gives another. */
START_TEST(streams) {
    orthsr__draws a = orthsr__draws_of(1, 2, 3, ORTHSR__FOR_CUTOUT), b = a;
    const orthsr__draws others[] = {orthsr__draws_of(2, 2, 3, ORTHSR__FOR_CUTOUT), orthsr__draws_of(1, 3, 3, ORTHSR__FOR_CUTOUT),
                                    orthsr__draws_of(1, 2, 4, ORTHSR__FOR_CUTOUT), orthsr__draws_of(1, 3, 2, ORTHSR__FOR_CUTOUT),
                                    orthsr__draws_of(1, 2, 3, ORTHSR__FOR_AUGMENTATION)};
    for (size_t i = 0; i < 100; i++) ck_assert(orthsr__draw_uniform(&a, 0, 1) == orthsr__draw_uniform(&b, 0, 1));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        orthsr__draws c = others[i], d = orthsr__draws_of(1, 2, 3, ORTHSR__FOR_CUTOUT);
        ck_assert(orthsr__draw_uniform(&c, 0, 1) != orthsr__draw_uniform(&d, 0, 1));
    }
}
END_TEST

/* First numbers of many streams, as training takes them, and later numbers of one: flat in every tenth (200,000 of them: 5 standard deviations are 0.0034),
 * uncorrelated with the next stream's. */
START_TEST(uniform) {
    enum { N = 200000 };
    for (int one_stream = 0; one_stream < 2; one_stream++) {
        double counts[10] = {0}, mean = 0, product = 0, last = 0;
        orthsr__draws draws = orthsr__draws_of(5, 0, 0, ORTHSR__FOR_CUTOUT);
        for (size_t i = 0; i < N; i++) {
            if (!one_stream) draws = orthsr__draws_of(5, i / 100, i % 100, ORTHSR__FOR_CUTOUT);
            double u = orthsr__draw_uniform(&draws, 0, 1);
            ck_assert(u >= 0 && u < 1);
            counts[(int)(10 * u)] += 1.0 / N;
            mean += u / N;
            product += (u - 0.5) * (last - 0.5) * 12 / N;
            last = u;
        }
        for (int i = 0; i < 10; i++) ck_close(counts[i], 0.1, 0.0034);
        ck_close(mean, 0.5, 0.0033);
        ck_close(product, 0, 0.0112);
    }
}
END_TEST

START_TEST(below_and_normal) {
    enum { N = 100000 };
    orthsr__draws draws = orthsr__draws_of(9, 1, 1, ORTHSR__FOR_AUGMENTATION);
    double counts[7] = {0}, sum = 0, square = 0, fourth = 0;
    for (size_t i = 0; i < N; i++) {
        size_t k = orthsr__draw_below(&draws, 7);
        ck_assert_uint_lt(k, 7);
        counts[k] += 1.0 / N;
        double z = orthsr__draw_normal(&draws);
        sum += z / N;
        square += z * z / N;
        fourth += z * z * z * z / N;
    }
    for (size_t k = 0; k < 7; k++) ck_close(counts[k], 1.0 / 7, 0.0056); /* 5 standard deviations, as below */
    ck_close(sum, 0, 0.016);
    ck_close(square, 1, 0.023);
    ck_close(fourth, 3, 0.16);
    ck_assert_uint_eq(orthsr__draw_below(&draws, 1), 0);
}
END_TEST

static TCase *draws(void) {
    TCase *tc = tcase_create("random numbers by address");
    tcase_add_test(tc, streams);
    tcase_add_test(tc, uniform);
    tcase_add_test(tc, below_and_normal);
    return tc;
}

/* ---- augmentation ---------------------------------------------------------------------------------------------------------------------- */

START_TEST(crops_of_torchvision) {
    fixture f;
    orthsr_image *image;
    fixture_open(&f, "tests/data/augment.safetensors");
    size_t n;
    const int32_t *crops = fixture_raw(&f, "crops", 4, &n);
    ck_ok(orthsr_image_new(&image, fixture_raw(&f, "image", 1, NULL), 31, 43, 3, &error));
    ck_assert_uint_eq(n / 6, 7);
    for (size_t i = 0; i < n / 6; i++) {
        orthsr_image *view;
        char name[16];
        const int32_t *c = crops + 6 * i;
        size_t size = (size_t)c[5], bytes;
        orthsr__crop crop = {(size_t)c[0], (size_t)c[1], (size_t)c[2], (size_t)c[3], c[4] != 0};
        snprintf(name, sizeof name, "view.%zu", i);
        const void *expected = fixture_raw(&f, name, 1, &bytes);
        ck_ok(orthsr__image_cropped(&view, image, crop, size, ORTHSR__BICUBIC, &error));
        ck_assert_uint_eq(bytes, 3 * size * size);
        ck_assert_msg(memcmp(orthsr_image_rgb(view), expected, bytes) == 0, "crop %zu differs from PIL's", i);
        orthsr_image_free(view);
    }
    orthsr_image_free(image);
    fixture_close(&f);
}
END_TEST

START_TEST(fallback_of_torchvision) {
    fixture f;
    fixture_open(&f, "tests/data/augment.safetensors");
    size_t n;
    const int32_t *rows = fixture_raw(&f, "fallback", 4, &n);
    for (size_t i = 0; i < n / 6; i++) {
        const int32_t *row = rows + 6 * i;
        orthsr__draws stream = orthsr__draws_of(1, 0, i, ORTHSR__FOR_AUGMENTATION);
        orthsr__crop crop = orthsr__draw_crop(&stream, (size_t)row[0], (size_t)row[1]);
        ck_assert_int_eq((int32_t)crop.left, row[2]);
        ck_assert_int_eq((int32_t)crop.top, row[3]);
        ck_assert_int_eq((int32_t)crop.width, row[4]);
        ck_assert_int_eq((int32_t)crop.height, row[5]);
    }
    fixture_close(&f);
}
END_TEST

static size_t tenth(double x) { return x < 0 ? 0 : x >= 1 ? 9 : (size_t)(10 * x); }

/* Areas, ratios, places and flips are distributed as torchvision's: shares of 100,000 against shares of 100,000, so 5 standard deviations are at most 0.0112;
 * observed at most 0.003. */
START_TEST(crops_are_distributed) {
    enum { N = 100000 };
    fixture f;
    fixture_open(&f, "tests/data/augment.safetensors");
    const real *expected = fixture_reals(&f, "shares", NULL);
    double counts[3][10] = {{0}}, flips = 0;
    for (size_t i = 0; i < N; i++) {
        orthsr__draws stream = orthsr__draws_of(3, i / 1000, i % 1000, ORTHSR__FOR_AUGMENTATION);
        orthsr__crop crop = orthsr__draw_crop(&stream, 640, 480);
        ck_assert(crop.width >= 1 && crop.height >= 1 && crop.left + crop.width <= 640 && crop.top + crop.height <= 480);
        double area = (double)(crop.width * crop.height) / (640 * 480), ratio = (double)crop.width / (double)crop.height;
        ck_assert(area > 0.0795 && ratio > 0.74 && ratio < 1.35);
        counts[0][tenth((area - 0.08) / 0.92)] += 1.0 / N;
        counts[1][tenth((log(ratio) - log(3.0 / 4)) / log(16.0 / 9))] += 1.0 / N;
        counts[2][tenth((double)crop.left / (double)(640 - crop.width + 1))] += 1.0 / N;
        flips += (double)crop.flip / N;
    }
    for (size_t what = 0; what < 3; what++)
        for (size_t i = 0; i < 10; i++) ck_close(counts[what][i], expected[10 * what + i], 0.0112);
    ck_close(flips, 0.5, 0.008);
    fixture_close(&f);
}
END_TEST

static TCase *augmentation(void) {
    TCase *tc = tcase_create("augmentation");
    tcase_add_test(tc, crops_of_torchvision);
    tcase_add_test(tc, fallback_of_torchvision);
    tcase_add_test(tc, crops_are_distributed);
    return tc;
}

/* ---- holes ----------------------------------------------------------------------------------------------------------------------------- */

static void expect_region(orthsr_region r, size_t top, size_t left, size_t height, size_t width) {
    ck_assert_msg(r.top == top && r.left == left && r.height == height && r.width == width, "%zu %zu %zu %zu", r.top, r.left, r.height, r.width);
}

START_TEST(regions) {
    const float map[16] = {0, 0, 0, 5, /**/ 0, 3, 3, 0, /**/ 1, 3, 2, 0, /**/ 4, 0, 0, -9};
    orthsr_region r[16];
    size_t found;
    ck_ok(orthsr_cutout_regions(r, &found, 1, map, 4, 0.5f, &error));
    ck_assert_uint_eq(found, 1);
    expect_region(r[0], 1, 1, 2, 2);
    ck_ok(orthsr_cutout_regions(r, &found, 3, map, 4, 0.25f, &error));
    ck_assert_uint_eq(found, 3);
    expect_region(r[0], 0, 3, 1, 1);
    expect_region(r[1], 3, 0, 1, 1);
    expect_region(r[2], 1, 1, 1, 1); /* of three 3s the first */
    ck_ok(orthsr_cutout_regions(r, &found, 16, map, 4, 0.5f, &error));
    ck_assert_uint_eq(found, 1); /* what is left of the middle square has no room for another */
    ck_ok(orthsr_cutout_regions(r, &found, 16, map, 4, 1e-6f, &error));
    ck_assert_uint_eq(found, 16); /* every patch, also the negative one, last */
    expect_region(r[15], 3, 3, 1, 1);
    ck_ok(orthsr_cutout_regions(r, &found, 2, map, 4, 1, &error));
    ck_assert_uint_eq(found, 1);
    expect_region(r[0], 0, 0, 4, 4);
    ck_fails(orthsr_cutout_regions(r, &found, 1, map, 4, 0, &error), ORTHSR_ERROR_ARGUMENT, "(0, 1]");
    ck_fails(orthsr_cutout_regions(r, &found, 1, map, 4, NAN, &error), ORTHSR_ERROR_ARGUMENT, "(0, 1]");
    ck_fails(orthsr_cutout_regions(r, &found, 1, NULL, 4, 1, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
}
END_TEST

/* Dassl: y, x uniform; from clip(y - length // 2) to clip(y + length // 2). Mean height by summing over all y; 5 standard deviations of 40,000 are 0.05. */
START_TEST(random_holes) {
    enum { N = 40000, SIZE = 28, LENGTH = 9 };
    double mean = 0, expected = 0, corner = 0;
    for (int y = 0; y < SIZE; y++) expected += (double)((y + 4 < SIZE ? y + 4 : SIZE) - (y > 4 ? y - 4 : 0)) / SIZE;
    for (size_t i = 0; i < N / 2; i++) {
        orthsr_region r[2];
        orthsr__draws stream = orthsr__draws_of(1, i, 0, ORTHSR__FOR_CUTOUT);
        orthsr__cutout_random(r, 2, SIZE, LENGTH, &stream);
        for (size_t k = 0; k < 2; k++) {
            ck_assert(r[k].top + r[k].height <= SIZE && r[k].left + r[k].width <= SIZE && r[k].height >= 4 && r[k].height <= 8 && r[k].width >= 4);
            mean += (double)r[k].height / N;
            corner += (r[k].height == 4 && r[k].top == 0) / (double)N; /* y = 0 */
        }
    }
    ck_close(mean, expected, 0.05);
    ck_close(corner, 1.0 / SIZE, 0.005);
}
END_TEST

START_TEST(fills) {
    enum { SIZE = 40 };
    float *pixels = malloc(3 * SIZE * SIZE * sizeof *pixels);
    const orthsr__preprocess p = {.scale = 1 / 255.0, .mean = {0.5, 0.4, 0.3}, .std = {0.2, 0.25, 0.5}};
    const orthsr_region holes[] = {{2, 3, 30, 20}, {35, 38, 5, 2}};
    for (int fill = ORTHSR_CUTOUT_ZERO; fill <= ORTHSR_CUTOUT_NOISE; fill++) {
        orthsr__draws stream = orthsr__draws_of(1, 2, 3, ORTHSR__FOR_CUTOUT);
        double square = 0, n = 0;
        for (size_t i = 0; i < 3 * SIZE * SIZE; i++) pixels[i] = 7;
        orthsr__cutout_fill(pixels, SIZE, holes, 2, (orthsr_cutout_fill)fill, &p, &stream);
        for (size_t c = 0; c < 3; c++)
            for (size_t y = 0; y < SIZE; y++)
                for (size_t x = 0; x < SIZE; x++) {
                    bool inside = (y >= 2 && y < 32 && x >= 3 && x < 23) || (y >= 35 && x >= 38);
                    float value = pixels[(c * SIZE + y) * SIZE + x];
                    if (!inside) ck_assert(value == 7);
                    else if (fill == ORTHSR_CUTOUT_ZERO) ck_close(value, -p.mean[c] / p.std[c], 1e-6);
                    else if (fill == ORTHSR_CUTOUT_MEAN) ck_assert(value == 0);
                    else square += (double)(value * value), n++;
                }
        if (fill == ORTHSR_CUTOUT_NOISE) ck_close(square / n, 1, 0.17); /* 1,830 values: 5 standard deviations */
    }
    free(pixels);
}
END_TEST

static TCase *holes(void) {
    TCase *tc = tcase_create("holes");
    tcase_add_test(tc, regions);
    tcase_add_test(tc, random_holes);
    tcase_add_test(tc, fills);
    return tc;
}

/* ---- maps ------------------------------------------------------------------------------------------------------------------------------ */

static const char *const maps_of[][2] = {{"tests/data/clip/hf", "tests/data/clip/hf"},
                                         {"tests/data/clip/openclip", "tests/data/clip/openclip"},
                                         {"tests/data/clip/openai/ViT-tiny.safetensors", "tests/data/clip/openai"}};

/* Cosines and attention of transformers and open_clip: observed within 2e-7. */
START_TEST(maps_of_pytorch) {
    fixture expected, f;
    orthsr_model *model;
    orthsr_session *session;
    char path[128];
    snprintf(path, sizeof path, "%s/expected.safetensors", maps_of[_i][1]);
    fixture_open(&expected, path);
    snprintf(path, sizeof path, "%s/saliency.safetensors", maps_of[_i][1]);
    fixture_open(&f, path);
    ck_ok(orthsr_model_open(&model, maps_of[_i][0], &error));
    ck_ok(orthsr_session_new(&session, model, NULL, &error));
    size_t n, size = orthsr_model_image_size(model), grid = size / orthsr_model_patch_size(model), embed = orthsr_model_embed_dim(model);
    const float *pixels = fixture_floats(&expected, "pixels", NULL), *texts = fixture_floats(&expected, "text_features", NULL);
    const float *similarity = fixture_floats(&f, "similarity", &n), *attention = fixture_floats(&f, "attention", NULL);
    float map[36];
    ck_assert_uint_le(grid * grid, 36);
    for (size_t i = 0; i < n / (grid * grid); i++) {
        ck_ok(orthsr_session_similarity(session, map, pixels + i * 3 * size * size, texts + i * embed, &error));
        for (size_t j = 0; j < grid * grid; j++) ck_close(map[j], similarity[i * grid * grid + j], 2e-6);
        ck_ok(orthsr_session_attention(session, map, pixels + i * 3 * size * size, &error));
        for (size_t j = 0; j < grid * grid; j++) ck_close(map[j], attention[i * grid * grid + j], 2e-6);
    }
    float *broken = malloc(3 * size * size * sizeof *broken);
    memcpy(broken, pixels, 3 * size * size * sizeof *broken);
    broken[5] = NAN;
    ck_fails(orthsr_session_similarity(session, map, broken, texts, &error), ORTHSR_ERROR_NUMERIC, "not finite");
    ck_fails(orthsr_session_attention(session, map, broken, &error), ORTHSR_ERROR_NUMERIC, "not finite");
    ck_fails(orthsr_session_similarity(session, map, pixels, NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    free(broken);
    orthsr_session_free(session);
    orthsr_model_free(model);
    fixture_close(&f);
    fixture_close(&expected);
}
END_TEST

/* What the network sees, before it is normalised: of the network's own size, and the same when it is seen again. */
START_TEST(views) {
    orthsr_model *model;
    orthsr_image *image, *view, *again;
    uint8_t bytes[20 * 35];
    unsigned long state = 3;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(127.5 * (1 + noise(&state)));
    ck_ok(orthsr_model_open(&model, maps_of[_i][0], &error));
    ck_ok(orthsr_image_new(&image, bytes, 20, 35, 1, &error));
    ck_ok(orthsr_model_view(model, &view, image, &error));
    size_t size = orthsr_model_image_size(model), n = 3 * size * size;
    ck_assert_uint_eq(orthsr_image_width(view), size);
    ck_assert_uint_eq(orthsr_image_height(view), size);
    ck_ok(orthsr_model_view(model, &again, view, &error));
    ck_assert(memcmp(orthsr_image_rgb(view), orthsr_image_rgb(again), n) == 0);
    float *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b);
    ck_ok(orthsr_model_preprocess(model, a, image, &error));
    ck_ok(orthsr_model_preprocess(model, b, view, &error));
    ck_assert(memcmp(a, b, n * sizeof *a) == 0);
    orthsr_image_free(again);
    ck_fails(orthsr_model_view(model, &again, NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    free(a);
    free(b);
    orthsr_image_free(image);
    orthsr_image_free(view);
    orthsr_model_free(model);
}
END_TEST

static TCase *maps(void) {
    TCase *tc = tcase_create("maps");
    tcase_add_loop_test(tc, maps_of_pytorch, 0, 3);
    tcase_add_loop_test(tc, views, 0, 3);
    return tc;
}

TEST_MAIN("cutout", draws, augmentation, holes, maps)
