/* test_merge.c - merging into callers' buffers: every number, either order, parts of fused matrices, and the bits of a merged checkpoint. */
#include "adapter/adapter.h"
#include "base/half.h"
#include "util/adapters.h"
#include "util/fixture.h"

static orthsr_error error;

enum { IN = 24, OUT = 18, PAD = 5, DTYPES = ORTHSR_DTYPE_F64 + 1 };

static const size_t SIZES[DTYPES] = {4, 2, 2, 8};
/* Half a unit in the last place of 1, for entries below 1. */
static const double HALF_UNITS[DTYPES] = {0x1p-25, 0x1p-12, 0x1p-9, 0x1p-54};

/* One target "map" (IN to OUT) in 3 blocks, with a scale of its outputs or none. */
static orthsr_adapter *make(orthsr_parametrization parametrization, orthsr_side side, bool share, bool scaled) {
    orthsr_adapter_options *options = small_options(parametrization, side, 3, share, 1);
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    orthsr_adapter_options_free(options);
    ck_ok(orthsr_adapter_add_target(adapter, "map", IN, OUT, &error));
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, 0.2, 3), *scale = floats(OUT, 0.5, 4);
    if (parametrization == ORTHSR_MANIFOLD) onto_manifold(parameters, share ? 1 : 3, orthsr_adapter_block_size(adapter, 0));
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    for (size_t i = 0; i < OUT; i++) scale[i] += 1;
    if (scaled) ck_ok(orthsr_adapter_set_scale(adapter, 0, scale, &error));
    free(parameters);
    free(scale);
    return adapter;
}

static void put(unsigned char *at, orthsr_dtype dtype, double value) {
    float single = (float)value;
    uint16_t half = dtype == ORTHSR_DTYPE_F16 ? orthsr__to_f16(value) : orthsr__to_bf16(value);
    if (dtype == ORTHSR_DTYPE_F64) memcpy(at, &value, sizeof value);
    else if (dtype == ORTHSR_DTYPE_F32) memcpy(at, &single, sizeof single);
    else memcpy(at, &half, sizeof half);
}

static double get(const unsigned char *at, orthsr_dtype dtype) {
    double value;
    float single;
    uint16_t half;
    if (dtype == ORTHSR_DTYPE_F64) return memcpy(&value, at, sizeof value), value;
    if (dtype == ORTHSR_DTYPE_F32) return memcpy(&single, at, sizeof single), (double)single;
    memcpy(&half, at, sizeof half);
    return (double)(dtype == ORTHSR_DTYPE_F16 ? orthsr__from_f16(half) : orthsr__from_bf16(half));
}

/* Bytes of entry (o, i). */
static size_t place(orthsr_dtype dtype, orthsr_order order, size_t ld, size_t o, size_t i) {
    return (order == ORTHSR_ORDER_ROW_MAJOR ? o * ld + i : i * ld + o) * SIZES[dtype];
}

/* Numbers that every dtype holds exactly, so that all are given the same weight: multiples of 2^-7 below 1. */
static void weight(double *W) {
    unsigned long state = 17;
    for (size_t i = 0; i < OUT * IN; i++) W[i] = nearbyint(127 * noise(&state)) / 128;
}

/* W' (OUT, IN) = diag(scale) W A^T or diag(scale) A^T W in float64, A from rotating the rows of I: it is that of float32. */
static void expect(double *merged, const orthsr_adapter *adapter, const double *W) {
    bool output = orthsr_adapter_side(adapter) == ORTHSR_SIDE_OUTPUT;
    size_t width = output ? OUT : IN;
    float *one = floats(width * width, 0, 1), *A = floats(width * width, 0, 1);
    for (size_t i = 0; i < width; i++) one[i * width + i] = 1;
    ck_ok(orthsr_adapter_rotate(adapter, 0, A, one, width, &error));
    for (size_t o = 0; o < OUT; o++)
        for (size_t i = 0; i < IN; i++) {
            double sum = 0;
            for (size_t k = 0; k < width; k++) sum += output ? (double)A[k * width + o] * W[k * IN + i] : W[o * IN + k] * (double)A[i * width + k];
            merged[o * IN + i] = adapter->targets[0].scale ? sum * (double)adapter->targets[0].scale[o] : sum;
        }
    free(one);
    free(A);
}

/* The same numbers in every dtype, both orders and with a leading dimension that is larger: all are the float64 product rounded once; nothing else is touched;
 * and back. */
START_TEST(every_layout) {
    orthsr_side side = _i / PARAMETRIZATIONS % 2 ? ORTHSR_SIDE_OUTPUT : ORTHSR_SIDE_INPUT;
    orthsr_adapter *adapter = make((orthsr_parametrization)(_i % PARAMETRIZATIONS), side, _i / PARAMETRIZATIONS / 2 % 2, _i / PARAMETRIZATIONS / 4);
    double W[OUT * IN], near[OUT * IN], exact[OUT * IN], most = 0;
    weight(W);
    expect(near, adapter, W);
    memcpy(exact, W, sizeof W);
    ck_ok(orthsr_adapter_merge(adapter, 0, exact, ORTHSR_DTYPE_F64, ORTHSR_ORDER_ROW_MAJOR, IN, &error));
    ck_assert_double_le(max_relative_double(exact, near, OUT * IN), 1e-6); /* observed: 2.6e-7 */
    ck_assert_double_gt(max_relative_double(exact, W, OUT * IN), 0.05);
    for (size_t i = 0; i < OUT * IN; i++)
        if (fabs(W[i]) > most) most = fabs(W[i]);
    for (int k = 0; k < DTYPES * 4; k++) {
        orthsr_dtype dtype = (orthsr_dtype)(k % DTYPES);
        orthsr_order order = k / DTYPES % 2 ? ORTHSR_ORDER_COLUMN_MAJOR : ORTHSR_ORDER_ROW_MAJOR;
        bool columns = order == ORTHSR_ORDER_COLUMN_MAJOR;
        size_t ld = (columns ? OUT : IN) + (k / DTYPES / 2 ? (size_t)PAD : 0), bytes = (columns ? IN : OUT) * ld * SIZES[dtype];
        unsigned char *buffer = malloc(bytes + 1), *expected = malloc(bytes), *at = buffer + 1; /* an odd address will do */
        memset(at, 0xa5, bytes);
        memset(expected, 0xa5, bytes);
        for (size_t i = 0; i < OUT * IN; i++) {
            put(at + place(dtype, order, ld, i / IN, i % IN), dtype, W[i]);
            put(expected + place(dtype, order, ld, i / IN, i % IN), dtype, exact[i]);
        }
        ck_ok(orthsr_adapter_merge(adapter, 0, at, dtype, order, ld, &error));
        ck_assert_mem_eq(at, expected, bytes);
        ck_ok(orthsr_adapter_unmerge(adapter, 0, at, dtype, order, ld, &error));
        double back = 0;
        for (size_t i = 0; i < OUT * IN; i++) {
            unsigned char *entry = at + place(dtype, order, ld, i / IN, i % IN);
            back = fmax(back, fabs(get(entry, dtype) - W[i]) / most);
            memset(entry, 0xa5, SIZES[dtype]);
        }
        /* Of the largest: float32 within 1e-6, observed 6.0e-8; of the others in halves of a last place 2.1 (float16, bfloat16), 22.2 (float64, which is the
         * arithmetic's own) */
        ck_assert_double_le(back, dtype == ORTHSR_DTYPE_F32 ? 1e-6 : (dtype == ORTHSR_DTYPE_F64 ? 64 : 4) * HALF_UNITS[dtype]);
        memset(expected, 0xa5, bytes);
        ck_assert_mem_eq(at, expected, bytes);
        free(buffer);
        free(expected);
    }
    orthsr_adapter_free(adapter);
}
END_TEST

/* More lines than go through float64 at a time, and a line that is no multiple of them. */
START_TEST(bands) {
    enum { WIDE = 600, NARROW = 16 };
    orthsr_side side = _i ? ORTHSR_SIDE_OUTPUT : ORTHSR_SIDE_INPUT;
    size_t in = _i ? WIDE : NARROW, out = _i ? NARROW : WIDE;
    orthsr_adapter_options *options = small_options(ORTHSR_CAYLEY, side, 2, false, 1);
    orthsr_adapter *adapter;
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    orthsr_adapter_options_free(options);
    ck_ok(orthsr_adapter_add_target(adapter, "map", in, out, &error));
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, 0.2, 3), *W = floats(in * out, 1, 5), *kept = floats(in * out, 1, 5), *x = floats(in * out, 0, 1);
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    ck_ok(orthsr_adapter_merge(adapter, 0, W, ORTHSR_DTYPE_F32, _i ? ORTHSR_ORDER_COLUMN_MAJOR : ORTHSR_ORDER_ROW_MAJOR, NARROW, &error));
    /* as lines of NARROW entries both are W A^T, or (A^T W)^T = W^T A: the first is undone by rotating, the second is it */
    if (_i) ck_ok(orthsr_adapter_rotate(adapter, 0, x, kept, WIDE, &error));
    else ck_ok(orthsr_adapter_rotate(adapter, 0, x, W, WIDE, &error));
    ck_assert_double_le(max_relative(x, _i ? W : kept, in * out), 1e-6); /* observed: 3.0e-7 */
    orthsr_adapter_free(adapter);
    free(parameters);
    free(W);
    free(kept);
    free(x);
}
END_TEST

/* ---- the same bits as a merged checkpoint ---------------------------------------------------------------------------------------- */

static const struct {
    const char *model, *file, *prefix, *fused, *out, *fc1, *fc2; /* of layer 0 of the image tower */
    orthsr_dtype dtype;
} CHECKPOINTS[] = {
    {"tests/data/clip/openclip", "open_clip_model.safetensors", "visual.transformer.resblocks.0.", "attn.in_proj_weight", "attn.out_proj.weight",
     "mlp.c_fc.weight", "mlp.c_proj.weight", ORTHSR_DTYPE_F16},
    {"tests/data/clip/openai/ViT-tiny.safetensors", "ViT-tiny.safetensors", "visual.transformer.resblocks.0.", "attn.in_proj_weight", "attn.out_proj.weight",
     "mlp.c_fc.weight", "mlp.c_proj.weight", ORTHSR_DTYPE_BF16},
    {"tests/data/clip/hf", "model.safetensors", "vision_model.encoder.layers.0.", NULL, "self_attn.out_proj.weight", "mlp.fc1.weight", "mlp.fc2.weight",
     ORTHSR_DTYPE_F32},
};

static size_t target_named(const orthsr_adapter *adapter, const char *name) {
    size_t t = 0;
    while (strcmp(orthsr_adapter_target_name(adapter, t), name) != 0) t++;
    return t;
}

/* The named tensor (rows, columns) of a file in fresh memory. */
static unsigned char *tensor_bytes(const char *path, const char *name, size_t *rows, size_t *columns, size_t *bytes) {
    fixture f;
    fixture_open(&f, path);
    const orthsr__tensor *tensor = fixture_tensor(&f, name);
    unsigned char *copy = malloc(tensor->bytes);
    memcpy(copy, tensor->data, tensor->bytes);
    *rows = tensor->shape[0], *columns = tensor->shape[1], *bytes = tensor->bytes;
    fixture_close(&f);
    return copy;
}

/* The caller's tensor, merged by parts in either order, is the merged checkpoint's byte for byte. */
static void compare_tensor(int c, const orthsr_adapter *adapter, const char *merged, const char *tensor, const char *const *targets, size_t count) {
    char from[300], to[300], name[128];
    size_t rows, columns, bytes, size = SIZES[CHECKPOINTS[c].dtype];
    const char *directory = CHECKPOINTS[c].model;
    snprintf(from, sizeof from, "%s%s%s", directory, strstr(directory, ".safetensors") ? "" : "/",
             strstr(directory, ".safetensors") ? "" : CHECKPOINTS[c].file);
    snprintf(to, sizeof to, "%s/%s", merged, CHECKPOINTS[c].file);
    snprintf(name, sizeof name, "%s%s", CHECKPOINTS[c].prefix, tensor);
    unsigned char *W = tensor_bytes(from, name, &rows, &columns, &bytes), *expected = tensor_bytes(to, name, &rows, &columns, &bytes);
    unsigned char *turned = malloc(bytes); /* (columns, rows) */
    ck_assert_mem_ne(W, expected, bytes);
    for (size_t o = 0; o < rows; o++)
        for (size_t i = 0; i < columns; i++) memcpy(turned + (i * rows + o) * size, W + (o * columns + i) * size, size);
    for (size_t k = 0, first = 0; k < count; k++) {
        size_t t = target_named(adapter, targets[k]);
        ck_ok(orthsr_adapter_merge(adapter, t, W + first * columns * size, CHECKPOINTS[c].dtype, ORTHSR_ORDER_ROW_MAJOR, columns, &error));
        ck_ok(orthsr_adapter_merge(adapter, t, turned + first * size, CHECKPOINTS[c].dtype, ORTHSR_ORDER_COLUMN_MAJOR, rows, &error));
        first += orthsr_adapter_out_features(adapter, t);
    }
    ck_assert_mem_eq(W, expected, bytes);
    for (size_t o = 0; o < rows; o++)
        for (size_t i = 0; i < columns; i++) ck_assert_mem_eq(turned + (i * rows + o) * size, W + (o * columns + i) * size, size);
    free(W);
    free(expected);
    free(turned);
}

START_TEST(as_a_merged_checkpoint) {
    int c = _i / 2;
    orthsr_model *model;
    orthsr_adapter *adapter;
    orthsr_adapter_options *options = small_options(ORTHSR_CAYLEY, _i % 2 ? ORTHSR_SIDE_OUTPUT : ORTHSR_SIDE_INPUT, 2, false, 1);
    ck_ok(orthsr_model_open(&model, CHECKPOINTS[c].model, &error));
    ck_ok(orthsr_adapter_options_set_maps(options, "q,k,v,out,fc1,fc2", &error));
    ck_ok(orthsr_model_adapter(model, &adapter, options, &error));
    orthsr_adapter_options_free(options);
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = floats(n, 0.1, 6);
    ck_ok(orthsr_adapter_set_parameters(adapter, parameters, n, &error));
    free(parameters);
    char name[32], directory[300];
    snprintf(name, sizeof name, "merged%d", _i);
    snprintf(directory, sizeof directory, "%s", scratch_file(name));
    ck_ok(orthsr_model_merge(model, adapter, directory, NULL, &error));
    if (CHECKPOINTS[c].fused) {
        static const char *const parts[] = {"image.0.q", "image.0.k", "image.0.v"};
        compare_tensor(c, adapter, directory, CHECKPOINTS[c].fused, parts, 3);
    }
    compare_tensor(c, adapter, directory, CHECKPOINTS[c].out, (const char *const[]){"image.0.out"}, 1);
    compare_tensor(c, adapter, directory, CHECKPOINTS[c].fc1, (const char *const[]){"image.0.fc1"}, 1);
    compare_tensor(c, adapter, directory, CHECKPOINTS[c].fc2, (const char *const[]){"image.0.fc2"}, 1);
    orthsr_adapter_free(adapter);
    orthsr_model_free(model);
}
END_TEST

/* ---- what cannot be -------------------------------------------------------------------------------------------------------------- */

typedef orthsr_status merging(const orthsr_adapter *, size_t, void *, orthsr_dtype, orthsr_order, size_t, orthsr_error *);
static merging *const ways[] = {orthsr_adapter_merge, orthsr_adapter_unmerge};

START_TEST(arguments) {
    merging *way = ways[_i];
    orthsr_adapter *adapter = make(ORTHSR_CAYLEY, ORTHSR_SIDE_INPUT, false, false);
    float W[OUT * IN] = {1}, kept[OUT * IN] = {1};
    const orthsr_dtype f32 = ORTHSR_DTYPE_F32;
    const orthsr_order rows = ORTHSR_ORDER_ROW_MAJOR, columns = ORTHSR_ORDER_COLUMN_MAJOR;
    ck_fails(way(NULL, 0, W, f32, rows, IN, &error), ORTHSR_ERROR_ARGUMENT, "adapter or W is NULL");
    ck_fails(way(adapter, 0, NULL, f32, rows, IN, &error), ORTHSR_ERROR_ARGUMENT, _i ? "orthsr_adapter_unmerge: " : "orthsr_adapter_merge: ");
    ck_fails(way(adapter, 1, W, f32, rows, IN, &error), ORTHSR_ERROR_ARGUMENT, "no target");
    ck_fails(way(adapter, 0, W, (orthsr_dtype)DTYPES, rows, IN, &error), ORTHSR_ERROR_ARGUMENT, "no dtype");
    ck_fails(way(adapter, 0, W, (orthsr_dtype)-1, rows, IN, &error), ORTHSR_ERROR_ARGUMENT, "no dtype");
    ck_fails(way(adapter, 0, W, f32, (orthsr_order)2, IN, &error), ORTHSR_ERROR_ARGUMENT, "order is neither");
    ck_fails(way(adapter, 0, W, f32, rows, IN - 1, &error), ORTHSR_ERROR_ARGUMENT, "input features");
    ck_fails(way(adapter, 0, W, f32, columns, OUT - 1, &error), ORTHSR_ERROR_ARGUMENT, "output features");
    ck_assert_mem_eq(W, kept, sizeof W);
    ck_ok(way(adapter, 0, W, f32, columns, OUT, NULL));
    orthsr_adapter_free(adapter);
    /* W could not be this large: its bytes are more than a size_t counts */
    orthsr_adapter_options *options = small_options(ORTHSR_FREE, ORTHSR_SIDE_INPUT, 1, true, 1);
    ck_ok(orthsr_adapter_options_set_block_size(options, 1, &error));
    ck_ok(orthsr_adapter_new(&adapter, options, &error));
    orthsr_adapter_options_free(options);
    ck_ok(orthsr_adapter_add_target(adapter, "map", 2147483647, 2147483647, &error));
    ck_fails(way(adapter, 0, W, ORTHSR_DTYPE_F64, rows, 2147483647, &error), ORTHSR_ERROR_MEMORY, "a merged weight");
    orthsr_adapter_free(adapter);
}
END_TEST

/* Overflow of every dtype, in the last entry of all, and numbers that are not: W is as it was. */
START_TEST(not_finite) {
    merging *way = ways[_i % 2];
    orthsr_dtype dtype = (orthsr_dtype)(_i / 2 % DTYPES);
    static const double largest[DTYPES] = {3.4028234e38, 65504, 3.3895313e38, 1.7976931348623157e308};
    static const char *const names[DTYPES] = {"float32", "float16", "bfloat16", "float64"};
    bool poison = _i / 2 / DTYPES;
    orthsr_adapter *adapter = make(ORTHSR_FREE, ORTHSR_SIDE_OUTPUT, true, false);
    float P[36] = {0};
    for (size_t i = 0; i < 6; i++) P[i * 6 + i] = way == orthsr_adapter_merge ? 1 : -0.5f; /* doubles: A = 2 I, or its inverse */
    ck_ok(orthsr_adapter_set_parameters(adapter, P, 36, &error));
    unsigned char W[OUT * IN * 8], kept[OUT * IN * 8], *last = W + (OUT * IN - 1) * SIZES[dtype];
    for (size_t i = 0; i < OUT * IN; i++) put(W + i * SIZES[dtype], dtype, 0.5);
    put(last, dtype, poison ? NAN : largest[dtype]);
    memcpy(kept, W, sizeof W);
    ck_fails(way(adapter, 0, W, dtype, ORTHSR_ORDER_ROW_MAJOR, IN, &error), ORTHSR_ERROR_NUMERIC, names[dtype]);
    ck_assert_ptr_nonnull(strstr(error.message, "target 'map'"));
    if (!poison) ck_assert_ptr_nonnull(strstr(error.message, "row 17, column 23"));
    ck_assert_mem_eq(W, kept, OUT * IN * SIZES[dtype]);
    orthsr_adapter_free(adapter);
}
END_TEST

START_TEST(no_way_back) {
    orthsr_adapter *adapter = make(ORTHSR_FREE, ORTHSR_SIDE_INPUT, true, true);
    float P[64] = {0}, W[OUT * IN], kept[OUT * IN], scale[OUT] = {1, 2, 0};
    for (size_t i = 0; i < OUT * IN; i++) W[i] = kept[i] = (float)i;
    ck_ok(orthsr_adapter_set_scale(adapter, 0, scale, &error));
    ck_fails(orthsr_adapter_unmerge(adapter, 0, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, IN, &error), ORTHSR_ERROR_NUMERIC, "output 2 is scaled by 0");
    ck_ok(orthsr_adapter_set_scale(adapter, 0, NULL, &error));
    for (size_t i = 0; i < 8; i++) P[i * 8 + i] = -1; /* A = 0 */
    ck_ok(orthsr_adapter_set_parameters(adapter, P, 64, &error));
    ck_fails(orthsr_adapter_unmerge(adapter, 0, W, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, IN, &error), ORTHSR_ERROR_NUMERIC, "singular");
    ck_assert_mem_eq(W, kept, sizeof W);
    orthsr_adapter_free(adapter);
}
END_TEST

static TCase *layouts(void) {
    TCase *tcase = tcase_create("layouts");
    tcase_add_loop_test(tcase, every_layout, 0, PARAMETRIZATIONS * 8);
    tcase_add_loop_test(tcase, bands, 0, 2);
    tcase_add_loop_test(tcase, as_a_merged_checkpoint, 0, 6);
    return tcase;
}

static TCase *errors(void) {
    TCase *tcase = tcase_create("errors");
    tcase_add_loop_test(tcase, arguments, 0, 2);
    tcase_add_loop_test(tcase, not_finite, 0, DTYPES * 4);
    tcase_add_test(tcase, no_way_back);
    return tcase;
}

TEST_MAIN("merge", layouts, errors)
