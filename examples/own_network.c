/* own_network.c - orthogonal adapters on a network of your own: no CLIP anywhere, your forward and backward pass, your weights.
 *
 *     cc own_network.c $(pkg-config --cflags --libs orthsr) -lm -o own_network
 *     ./own_network
 *
 * A two-layer perceptron, tanh between its layers, is frozen. Its inputs then come turned, as from another camera: x Q instead of x. An orthogonal matrix
 * before each layer is trained until the network answers as it did before, while the weights stay as they are:
 *
 *     o = W2 (tanh(W1 (x A1) + b1) A2) + b2          A1 (16, 16), A2 (32, 32)
 *
 * Prints a line "step loss" now and then, and at the end the loss with both matrices merged into the weights. PyTorch gives the same numbers
 * (tests/oracle/make_own_network.py).
 *
 * run:
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <orthsr/orthsr.h>

enum { IN = 16, HIDDEN = 32, OUT = 4, ROWS = 256, STEPS = 300, SHOW = 50 };
static const float learning_rate = 0.01F;

/* Every call that can fail returns a status and leaves a message that says what, where and what to do. Here that ends the program. */
static orthsr_error error;
static void check(orthsr_status status) {
    if (status == ORTHSR_OK) return;
    fprintf(stderr, "own_network: %s\n", error.message);
    exit(EXIT_FAILURE);
}

/* ---- the network: nothing of it is known to the library ---- */

typedef struct network {
    float W1[HIDDEN * IN], b1[HIDDEN], W2[OUT * HIDDEN], b2[OUT]; /* W (out, in) */
} network;

/* What a forward pass leaves for the backward pass. */
typedef struct pass {
    float turned1[ROWS * IN], hidden[ROWS * HIDDEN], turned2[ROWS * HIDDEN], output[ROWS * OUT];
} pass;

/* y (ROWS, out) = x (ROWS, in) W^T + b, W (out, in). */
static void linear(float *y, const float *x, const float *W, const float *b, size_t in, size_t out) {
    for (size_t r = 0; r < ROWS; r++)
        for (size_t o = 0; o < out; o++) {
            float sum = b[o];
            for (size_t i = 0; i < in; i++) sum += x[r * in + i] * W[o * in + i];
            y[r * out + o] = sum;
        }
}

/* grad_x (ROWS, in) = grad_y (ROWS, out) W. */
static void linear_adjoint(float *grad_x, const float *grad_y, const float *W, size_t in, size_t out) {
    memset(grad_x, 0, ROWS * in * sizeof *grad_x);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t o = 0; o < out; o++)
            for (size_t i = 0; i < in; i++) grad_x[r * in + i] += grad_y[r * out + o] * W[o * in + i];
}

/* adapter NULL: the network by itself. */
static void forward(pass *p, const network *n, const orthsr_adapter *adapter, const float *x) {
    memcpy(p->turned1, x, sizeof p->turned1);
    if (adapter) check(orthsr_adapter_rotate(adapter, 0, p->turned1, x, ROWS, &error));
    linear(p->hidden, p->turned1, n->W1, n->b1, IN, HIDDEN);
    for (size_t i = 0; i < ROWS * HIDDEN; i++) p->hidden[i] = tanhf(p->hidden[i]);
    memcpy(p->turned2, p->hidden, sizeof p->turned2);
    if (adapter) check(orthsr_adapter_rotate(adapter, 1, p->turned2, p->hidden, ROWS, &error));
    linear(p->output, p->turned2, n->W2, n->b2, HIDDEN, OUT);
}

/* Mean square error against target (ROWS, OUT), and its gradient at the output. */
static double mean_square(float *grad_output, const pass *p, const float *target) {
    double sum = 0;
    for (size_t i = 0; i < ROWS * OUT; i++) {
        float difference = p->output[i] - target[i];
        sum += (double)difference * (double)difference;
        grad_output[i] = 2 * difference / (ROWS * OUT);
    }
    return sum / (ROWS * OUT);
}

/* gradient (all parameters of the adapter) of the loss whose grad_output is given. */
static void backward(float *gradient, const pass *p, const network *n, const orthsr_adapter *adapter, const float *x, const float *grad_output) {
    static float grad_turned[ROWS * HIDDEN], grad_hidden[ROWS * HIDDEN], grad_first[ROWS * IN];
    memset(gradient, 0, orthsr_adapter_parameter_count(adapter) * sizeof *gradient); /* adjoints add */
    linear_adjoint(grad_turned, grad_output, n->W2, HIDDEN, OUT);
    check(orthsr_adapter_rotate_adjoint(adapter, 1, grad_hidden, gradient, grad_turned, p->hidden, ROWS, &error));
    for (size_t i = 0; i < ROWS * HIDDEN; i++) grad_hidden[i] *= 1 - p->hidden[i] * p->hidden[i];
    linear_adjoint(grad_first, grad_hidden, n->W1, IN, HIDDEN);
    check(orthsr_adapter_rotate_adjoint(adapter, 0, NULL, gradient, grad_first, x, ROWS, &error)); /* nothing below needs a gradient */
}

/* ---- made-up data: numbers that any language can make again ---- */

static uint64_t state = 1;
static void fill(float *values, size_t n, double scale) {
    for (size_t i = 0; i < n; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        values[i] = (float)(scale * ((double)(state >> 11) / 4503599627370496.0 - 1)); /* 2^52: in [-1, 1) */
    }
}

static network frozen;
static float x[ROWS * IN], seen[ROWS * IN], target[ROWS * OUT]; /* seen = x Q */
static pass activations;
static float grad_output[ROWS * OUT];

static void make_task(void) {
    float skew[IN * (IN - 1) / 2], Q[IN * IN];
    fill(frozen.W1, HIDDEN * IN, 0.4);
    fill(frozen.b1, HIDDEN, 0.1);
    fill(frozen.W2, OUT * HIDDEN, 0.4);
    fill(frozen.b2, OUT, 0.1);
    fill(x, ROWS * IN, 1);
    fill(skew, IN * (IN - 1) / 2, 0.2);
    check(orthsr_cayley(Q, skew, IN, &error));
    forward(&activations, &frozen, NULL, x); /* what the network says of inputs that are not turned */
    memcpy(target, activations.output, sizeof target);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t j = 0; j < IN; j++) {
            seen[r * IN + j] = 0;
            for (size_t i = 0; i < IN; i++) seen[r * IN + j] += x[r * IN + i] * Q[i * IN + j];
        }
}

/* ---- the adapter ---- */

/* One whole block on the input side of either layer, at A = I. */
static orthsr_adapter *make_adapter(void) {
    orthsr_adapter_options *options;
    orthsr_adapter *adapter;
    check(orthsr_adapter_options_new(&options, &error));
    check(orthsr_adapter_options_set_blocks(options, 1, &error));
    check(orthsr_adapter_new(&adapter, options, &error));
    check(orthsr_adapter_add_target(adapter, "first", IN, HIDDEN, &error));
    check(orthsr_adapter_add_target(adapter, "second", HIDDEN, OUT, &error));
    orthsr_adapter_options_free(options);
    return adapter;
}

int main(void) {
    make_task();
    orthsr_adapter *adapter = make_adapter();
    orthsr_optimizer *optimizer;
    size_t n = orthsr_adapter_parameter_count(adapter);
    float *parameters = calloc(n, sizeof *parameters), *gradient = calloc(n, sizeof *gradient); /* (n): zeros are A = I */
    if (!parameters || !gradient) return EXIT_FAILURE;
    check(orthsr_optimizer_adamw(&optimizer, n, 0.9F, 0.999F, 1e-8F, 0, &error));

    for (int step = 0; step <= STEPS; step++) {
        forward(&activations, &frozen, adapter, seen);
        double loss = mean_square(grad_output, &activations, target);
        if (step % SHOW == 0) printf("%d %.6e\n", step, loss);
        if (step == STEPS) break;
        backward(gradient, &activations, &frozen, adapter, seen, grad_output);
        check(orthsr_optimizer_step(optimizer, parameters, gradient, n, learning_rate, &error));
        check(orthsr_adapter_set_parameters(adapter, parameters, n, &error)); /* rebuilds both matrices, orthogonal whatever the parameters */
    }

    double defect;
    check(orthsr_adapter_defect(adapter, &defect, &error));
    check(orthsr_adapter_merge(adapter, 0, frozen.W1, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, IN, &error)); /* W1 A1^T: the same network without an adapter */
    check(orthsr_adapter_merge(adapter, 1, frozen.W2, ORTHSR_DTYPE_F32, ORTHSR_ORDER_ROW_MAJOR, HIDDEN, &error));
    forward(&activations, &frozen, NULL, seen);
    printf("merged %.6e\n", mean_square(grad_output, &activations, target));
    fprintf(stderr, "%zu parameters; max |A^T A - I| = %.1e\n", n, defect);

    free(gradient);
    free(parameters);
    orthsr_optimizer_free(optimizer);
    orthsr_adapter_free(adapter);
    return EXIT_SUCCESS;
}
