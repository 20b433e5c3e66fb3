/* test_collective.c - ranks: sums in the tree's order, copies, agreement; training by any number of ranks comes to the same bits, and fails at all of them when
 * it fails at one. */
#include <sys/stat.h>

#include "base/collective.h"
#include "util/ranks.h"
#include "util/runs.h"

/* ---- sums and copies -------------------------------------------------------------------------------------------------------------------- */

/* What rank r puts in: numbers of very different sizes, so that another order of adding up shows. */
static float value_of(size_t r, size_t i) {
    unsigned long state = r * 1000003 + i * 7919 + 1;
    noise(&state);
    double x = noise(&state);
    return (float)(x * pow(10, fmod((double)(i + 3 * r), 7)));
}

static float tree_sum(size_t first, size_t ranks, size_t i) {
    if (ranks == 1) return value_of(first, i);
    size_t half = (ranks + 1) / 2;
    return tree_sum(first, half, i) + tree_sum(first + half, ranks - half, i);
}

static void add_up(rank *me) {
    static const size_t lengths[] = {0, 1, 2, 5, 1000, 3000001}; /* the last one takes several rounds */
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths - (short_run() ? 1 : 0); l++) {
        size_t n = lengths[l], step = n > 10000 ? 997 : 1;
        float *values = malloc((n + 1) * sizeof *values);
        double *doubles = malloc((n + 1) * sizeof *doubles);
        for (size_t i = 0; i < n; i++) doubles[i] = values[i] = value_of(me->index, i % 10007);
        values[n] = 42;
        doubles[n] = 42;
        ck_ok(orthsr_collective_sum(me->collective, values, n, &error));
        for (size_t i = 0; i < n; i += step) ck_assert_msg(values[i] == tree_sum(0, me->meeting->ranks, i % 10007), "value %zu of %zu", i, n);
        ck_ok(orthsr_collective_sum_double(me->collective, doubles, n, &error));
        for (size_t i = 0; i < n; i += step) { /* of floats: exact to 2^-29 of the largest, which is 1e6, by 16 ranks */
            double expected = 0;
            for (size_t r = 0; r < me->meeting->ranks; r++) expected += value_of(r, i % 10007);
            ck_close(doubles[i], expected, 1e-8);
        }
        ck_assert(values[n] == 42 && doubles[n] == 42);
        free(values);
        free(doubles);
    }
}

/* What goes on beside the caller's work comes to the same; its failure is told at the end. */
typedef struct beside {
    rank *me;
    float values[100];
} beside;

static orthsr_status sum_beside(void *context, orthsr_error *why) {
    beside *b = context;
    return orthsr_collective_sum(b->me->collective, b->values, 100, why);
}

static orthsr_status fail_beside(void *context, orthsr_error *why) {
    snprintf(why->message, sizeof why->message, "%zu is tired", ((beside *)context)->me->index);
    return ORTHSR_ERROR_NUMERIC;
}

static void work_beside(rank *me) {
    beside b = {.me = me};
    for (size_t i = 0; i < 100; i++) b.values[i] = value_of(me->index, i);
    orthsr__beside_begin(me->collective, sum_beside, &b);
    ck_ok(orthsr__beside_end(me->collective, &error));
    for (size_t i = 0; i < 100; i++) ck_assert(b.values[i] == tree_sum(0, me->meeting->ranks, i));
    char expected[32];
    snprintf(expected, sizeof expected, "%zu is tired", me->index);
    orthsr__beside_begin(me->collective, fail_beside, &b);
    ck_fails(orthsr__beside_end(me->collective, &error), ORTHSR_ERROR_NUMERIC, expected);
    orthsr__beside_begin(NULL, fail_beside, &b);
    ck_ok(orthsr__beside_end(NULL, &error));
}

static void copy(rank *me) {
    size_t ranks = me->meeting->ranks, begins[MOST_RANKS + 1] = {0};
    ck_assert_uint_eq(orthsr_collective_rank(me->collective), me->index);
    ck_assert_uint_eq(orthsr_collective_ranks(me->collective), ranks);
    for (size_t root = 0; root < ranks; root++) {
        size_t number[] = {me->index, 7 * me->index};
        ck_ok(orthsr_collective_broadcast(me->collective, number, sizeof number, root, &error));
        ck_assert(number[0] == root && number[1] == 7 * root);
    }
    ck_ok(orthsr_collective_broadcast(me->collective, NULL, 0, 0, &error));
    ck_fails(orthsr_collective_broadcast(me->collective, begins, 1, ranks, &error), ORTHSR_ERROR_ARGUMENT, "root");
    int pieces[3 * MOST_RANKS];
    for (size_t r = 0; r < ranks; r++) begins[r + 1] = begins[r] + r % 4; /* some have none */
    for (size_t i = 0; i < begins[ranks]; i++) pieces[i] = i >= begins[me->index] && i < begins[me->index + 1] ? (int)i : -1;
    ck_ok(orthsr__gather(me->collective, pieces, sizeof *pieces, begins, &error));
    for (size_t i = 0; i < begins[ranks]; i++) ck_assert_int_eq(pieces[i], (int)i);
    float owned[3 * MOST_RANKS];
    for (size_t i = 0; i < begins[ranks]; i++) owned[i] = value_of(me->index, i);
    ck_ok(orthsr__sum_to_owners(me->collective, owned, begins, 0, begins[ranks], &error));
    for (size_t i = begins[me->index]; i < begins[me->index + 1]; i++) ck_assert(owned[i] == tree_sum(0, ranks, i));
    ck_ok(orthsr_collective_barrier(me->collective, &error));
    ck_assert(ranks == 1 ? orthsr_collective_bytes(me->collective) == 0 : orthsr_collective_bytes(me->collective) > 0);
}

static void agree(rank *me) {
    size_t ranks = me->meeting->ranks;
    ck_ok(orthsr_collective_agree(me->collective, ORTHSR_OK, &error));
    for (size_t first = 0; first < ranks; first++) { /* this one and the last one fail */
        bool fails = me->index == first || me->index == ranks - 1;
        snprintf(error.message, sizeof error.message, "%zu has no paper", me->index);
        orthsr_status status = orthsr_collective_agree(me->collective, !fails ? ORTHSR_OK : me->index == first ? ORTHSR_ERROR_IO : ORTHSR_ERROR_FORMAT, &error);
        char expected[64];
        if (ranks == 1) snprintf(expected, sizeof expected, "0 has no paper");
        else snprintf(expected, sizeof expected, "rank %zu: %zu has no paper", first, first);
        ck_assert_int_eq(status, ORTHSR_ERROR_IO);
        ck_assert_str_eq(error.message, expected);
        ck_assert_int_eq(orthsr_collective_agree(me->collective, fails ? ORTHSR_ERROR_MEMORY : ORTHSR_OK, NULL), ORTHSR_ERROR_MEMORY);
    }
}

START_TEST(sums_and_copies) {
    meeting m = {0};
    size_t ranks = (size_t)_i + 1;
    meet_all(&m, ranks, add_up, NULL);
    meet_all(&m, ranks, copy, NULL);
    meet_all(&m, ranks, agree, NULL);
    meet_all(&m, ranks, work_beside, NULL);
}
END_TEST

static void fail_in_the_middle(rank *me) {
    float values[100] = {0};
    ck_ok(orthsr_collective_sum(me->collective, values, 100, &error)); /* two exchanges */
    ck_fails(orthsr_collective_sum(me->collective, values, 100, &error), ORTHSR_ERROR_IO, "rank 1 does not answer");
    ck_fails(orthsr_collective_barrier(me->collective, &error), ORTHSR_ERROR_IO, "failed before");
    ck_fails(orthsr_collective_broadcast(me->collective, values, 4, 0, &error), ORTHSR_ERROR_IO, "failed before");
    ck_fails(orthsr_collective_agree(me->collective, ORTHSR_OK, &error), ORTHSR_ERROR_IO, "failed before");
    snprintf(error.message, sizeof error.message, "my own");
    ck_assert_int_eq(orthsr_collective_agree(me->collective, ORTHSR_ERROR_FORMAT, &error), ORTHSR_ERROR_FORMAT); /* says more than the connection's */
    ck_assert_str_eq(error.message, "my own");
}

START_TEST(failed_exchange) {
    meeting m = {.fail_rank = 1, .fail_at = 3};
    meet_all(&m, 3, fail_in_the_middle, NULL);
}
END_TEST

START_TEST(arguments) {
    orthsr_collective *c = (orthsr_collective *)&c;
    int payload = 0;
    ck_fails(orthsr_collective_new(NULL, 0, 1, NULL, NULL, &error), ORTHSR_ERROR_ARGUMENT, "out");
    ck_fails(orthsr_collective_new(&c, 0, 0, meet, &payload, &error), ORTHSR_ERROR_ARGUMENT, "ranks");
    ck_assert_ptr_null(c);
    ck_fails(orthsr_collective_new(&c, 0, ORTHSR_MAX_RANKS + 1, meet, &payload, &error), ORTHSR_ERROR_ARGUMENT, "ranks");
    ck_fails(orthsr_collective_new(&c, 2, 2, meet, &payload, &error), ORTHSR_ERROR_ARGUMENT, "rank");
    ck_fails(orthsr_collective_new(&c, 0, 2, NULL, &payload, &error), ORTHSR_ERROR_ARGUMENT, "exchange");
    ck_fails(orthsr_collective_sum(NULL, NULL, 0, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_collective_sum_double(NULL, NULL, 0, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_collective_broadcast(NULL, NULL, 0, 0, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_collective_barrier(NULL, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_fails(orthsr_collective_agree(NULL, ORTHSR_OK, &error), ORTHSR_ERROR_ARGUMENT, "NULL");
    ck_assert(orthsr_collective_rank(NULL) == 0 && orthsr_collective_ranks(NULL) == 1 && orthsr_collective_bytes(NULL) == 0);
    ck_ok(orthsr_collective_new(&c, 0, 1, NULL, NULL, &error));
    ck_fails(orthsr_collective_sum(c, NULL, 1, &error), ORTHSR_ERROR_ARGUMENT, "values");
    ck_fails(orthsr_collective_sum_double(c, NULL, 1, &error), ORTHSR_ERROR_ARGUMENT, "values");
    ck_fails(orthsr_collective_broadcast(c, NULL, 1, 0, &error), ORTHSR_ERROR_ARGUMENT, "bytes");
    orthsr_collective_free(c);
    orthsr_collective_free(NULL);
}
END_TEST

/* ---- training ---------------------------------------------------------------------------------------------------------------------------- */

enum { SHARDS = 4 };

typedef struct worker {
    const kind *kind;
    size_t threads, shards;
    run run;
    void (*work)(struct worker *me, rank *at);
} worker;

static void begin(rank *me) {
    worker *w = me->context;
    w->run = run_prepare(w->kind, w->threads);
    ck_ok(orthsr_trainer_options_set_shards(w->run.options, w->shards, &error));
    ck_ok(orthsr_trainer_options_set_collective(w->run.options, me->collective, &error));
    w->work(w, me);
    orthsr_trainer_options_set_collective(w->run.options, NULL, &error);
}

static void work_together(worker *workers, size_t ranks, meeting *m) {
    void *contexts[MOST_RANKS];
    for (size_t r = 0; r < ranks; r++) contexts[r] = &workers[r];
    meet_all(m, ranks, begin, contexts);
}

static void train(worker *me, rank *at) {
    (void)at;
    run_start(&me->run);
    steps(&me->run, STEPS);
}

/* One rank without a collective, against 1 to 4 with one, each with one or two threads. */
START_TEST(same_bits_for_any_ranks) {
    const kind *k = &KINDS[_i];
    run alone = run_prepare(k, 1);
    ck_ok(orthsr_trainer_options_set_shards(alone.options, SHARDS, &error));
    run_start(&alone);
    steps(&alone, STEPS);
    for (size_t ranks = short_run() ? 3 : 1; ranks <= (short_run() ? 3 : SHARDS); ranks++) {
        worker workers[SHARDS];
        meeting m = {0};
        for (size_t r = 0; r < ranks; r++) workers[r] = (worker){.kind = k, .threads = 1 + r % 2, .shards = SHARDS, .work = train};
        work_together(workers, ranks, &m);
        for (size_t r = 0; r < ranks; r++) {
            expect_same(&alone, &workers[r].run, k->name);
            run_free(&workers[r].run);
        }
    }
    run_free(&alone);
}
END_TEST

/* Shards change results by rounding alone: observed 1.2e-6 of the largest parameter for AdamW, whose first steps are by the sign of the gradient. */
START_TEST(shards_round_only) {
    const kind *k = &KINDS[1]; /* SGD: as smooth in the gradient as can be */
    run one = run_new(k, 1);
    steps(&one, STEPS);
    for (size_t shards = 2; shards <= 9; shards++) {
        run many = run_prepare(k, 2);
        ck_ok(orthsr_trainer_options_set_shards(many.options, shards, &error));
        run_start(&many);
        steps(&many, STEPS);
        double off = max_relative(many.adapter->factors.parameters, one.adapter->factors.parameters, one.adapter->parameter_count);
        ck_assert_msg(off < 2e-5, "%zu shards: %.3g", shards, off);
        ck_close(orthsr_trainer_metric(many.trainer, ORTHSR_METRIC_LOSS), orthsr_trainer_metric(one.trainer, ORTHSR_METRIC_LOSS), 1e-5);
        run_free(&many);
    }
    run_free(&one);
}
END_TEST

/* ---- saved by some, gone on with by others -------------------------------------------------------------------------------------------------- */

static void train_half_and_save(worker *me, rank *at) {
    run_start(&me->run);
    steps(&me->run, STEPS / 2);
    if (at->index == 0) ck_ok(orthsr_trainer_save(me->run.trainer, scratch_file("checkpoint"), "by many", &error));
    ck_ok(orthsr_collective_barrier(at->collective, &error));
}

static void go_on(worker *me, rank *at) {
    (void)at;
    char *text;
    run_start(&me->run);
    ck_ok(orthsr_trainer_load(me->run.trainer, scratch_file("checkpoint"), &text, &error));
    ck_assert_str_eq(text, "by many");
    orthsr_free(text);
    steps(&me->run, STEPS - STEPS / 2);
}

START_TEST(goes_on_with_other_ranks) {
    static const size_t then[] = {4, 2, 1, 3}, later[] = {2, 3, 4, 1};
    const kind *k = &KINDS[KIND_COUNT - 2]; /* an adapter and a prompt, augmentation and CutOut */
    run alone = run_prepare(k, 1);
    ck_ok(orthsr_trainer_options_set_shards(alone.options, SHARDS, &error));
    run_start(&alone);
    steps(&alone, STEPS);
    for (size_t i = 0; i < 2; i++) {
        size_t ranks = i ? later[_i] : then[_i];
        worker workers[SHARDS];
        meeting m = {0};
        for (size_t r = 0; r < ranks; r++) workers[r] = (worker){.kind = k, .threads = 1, .shards = SHARDS, .work = i ? go_on : train_half_and_save};
        work_together(workers, ranks, &m);
        for (size_t r = 0; r < ranks; r++) {
            if (i) expect_same(&alone, &workers[r].run, k->name);
            run_free(&workers[r].run);
        }
    }
    run_free(&alone);
}
END_TEST

/* A checkpoint that one rank cannot read, or reads another one in place of, is taken up by none. */
static void load_in_vain(worker *me, rank *at) {
    run *r = &me->run;
    run_start(r);
    steps(r, 1);
    if (at->index == 0) ck_ok(orthsr_trainer_save(r->trainer, scratch_file("one step"), NULL, &error));
    steps(r, 1);
    if (at->index == 0) ck_ok(orthsr_trainer_save(r->trainer, scratch_file("two steps"), NULL, &error));
    ck_ok(orthsr_collective_barrier(at->collective, &error));
    steps(r, 1);
    size_t bytes = r->adapter->parameter_count * sizeof(float);
    float *before = malloc(bytes);
    memcpy(before, r->adapter->factors.parameters, bytes);
    ck_fails(orthsr_trainer_load(r->trainer, scratch_file(at->index == 1 ? "no steps" : "two steps"), NULL, &error), ORTHSR_ERROR_IO, "rank 1: ");
    ck_fails(orthsr_trainer_load(r->trainer, scratch_file(at->index == 1 ? "one step" : "two steps"), NULL, &error), ORTHSR_ERROR_MISMATCH,
             "rank 1 goes on from step 1, rank 0 from step 2");
    ck_assert_uint_eq(orthsr_trainer_step_count(r->trainer), 3);
    expect_same_bytes(before, r->adapter->factors.parameters, bytes, "parameter", "after checkpoints that were not taken up");
    free(before);
    steps(r, 1);
}

START_TEST(checkpoint_of_one_rank) {
    worker workers[2];
    meeting m = {0};
    for (size_t r = 0; r < 2; r++) workers[r] = (worker){.kind = &KINDS[16], .threads = 1, .shards = 2, .work = load_in_vain};
    work_together(workers, 2, &m);
    for (size_t r = 0; r < 2; r++) run_free(&workers[r].run);
}
END_TEST

/* ---- what cannot work ------------------------------------------------------------------------------------------------------------------------ */

static void start_in_vain(worker *me, orthsr_status expected, const char *text) {
    run *r = &me->run;
    ck_fails(orthsr_trainer_new_with_prompt(&r->trainer, r->model, r->adapter, r->prompt, r->dataset, r->options, &error), expected, text);
    ck_assert_ptr_null(r->trainer);
}

static void with_another_seed(worker *me, rank *at) {
    if (at->index == 1) ck_ok(orthsr_trainer_options_set_seed(me->run.options, 4, &error));
    start_in_vain(me, ORTHSR_ERROR_MISMATCH, "rank 1: rank 0 trains something else: seed is 3 there and 4 here");
}

static void with_other_shards(worker *me, rank *at) {
    ck_ok(orthsr_trainer_options_set_shards(me->run.options, 3 + at->index, &error));
    start_in_vain(me, ORTHSR_ERROR_MISMATCH, "rank 1: rank 0 trains something else: shards is 3 there and 4 here");
}

static void with_other_labels(worker *me, rank *at) {
    static const char *const names[] = {"cat", "dog", "mat"};
    if (at->index == 2) {
        orthsr_dataset_free(me->run.dataset);
        ck_ok(orthsr_dataset_new(&me->run.dataset, fixture_raw(&me->run.f, "images", 1, NULL), TINY_ITEMS, TINY_SIZE, TINY_SIZE, 3,
                                 fixture_raw(&me->run.f, "labels", 4, NULL), names, TINY_CLASSES, &error));
    }
    start_in_vain(me, ORTHSR_ERROR_MISMATCH, "rank 2: rank 0 trains something else: class 2 is t-shirt there and mat here");
}

static void with_other_parameters(worker *me, rank *at) {
    size_t n = me->run.adapter->parameter_count;
    float *parameters = calloc(n, sizeof *parameters);
    parameters[n - 1] = at->index == 1 ? 1e-3f : 0;
    ck_ok(orthsr_adapter_set_parameters(me->run.adapter, parameters, n, &error));
    free(parameters);
    start_in_vain(me, ORTHSR_ERROR_MISMATCH, "rank 1 goes on from other parameters than rank 0");
}

static void without_a_target(worker *me, rank *at) {
    if (at->index == 2) {
        orthsr_adapter_free(me->run.adapter);
        ck_ok(orthsr_adapter_new(&me->run.adapter, NULL, &error));
    }
    start_in_vain(me, ORTHSR_ERROR_ARGUMENT, "rank 2: the adapter has no target");
}

static void too_many(worker *me, rank *at) {
    (void)at;
    start_in_vain(me, ORTHSR_ERROR_ARGUMENT, "3 ranks for 2 shards");
}

START_TEST(refused) {
    void (*const works[])(worker *, rank *) = {with_another_seed, with_other_shards, with_other_labels, with_other_parameters, without_a_target, too_many};
    worker workers[3];
    meeting m = {0};
    for (size_t r = 0; r < 3; r++) workers[r] = (worker){.kind = &KINDS[0], .threads = 1, .shards = works[_i] == too_many ? 2 : 3, .work = works[_i]};
    work_together(workers, 3, &m);
    for (size_t r = 0; r < 3; r++) run_free(&workers[r].run);
}
END_TEST

/* NaN at one rank is known to be that rank's. */
static void lose_the_scale(worker *me, rank *at) {
    run_start(&me->run);
    steps(&me->run, 1);
    if (at->index == 2) me->run.trainer->objective.scale = NAN;
    ck_fails(orthsr_trainer_step(me->run.trainer, &error), ORTHSR_ERROR_NUMERIC, "step 2: rank 2: the loss is not finite");
    ck_assert_uint_eq(orthsr_trainer_step_count(me->run.trainer), 1);
}

START_TEST(loss_not_finite) {
    worker workers[3];
    meeting m = {0};
    for (size_t r = 0; r < 3; r++) workers[r] = (worker){.kind = &KINDS[0], .threads = 1, .shards = 3, .work = lose_the_scale};
    work_together(workers, 3, &m);
    for (size_t r = 0; r < 3; r++) run_free(&workers[r].run);
}
END_TEST

/* Images that are read in every step; the last one of the order goes away. */
static void lose_an_image(worker *me, rank *at) {
    orthsr_dataset_free(me->run.dataset);
    ck_ok(orthsr_dataset_open(&me->run.dataset, scratch_file("images"), NULL, &error));
    ck_ok(orthsr_trainer_options_set_augmentation(me->run.options, ORTHSR_AUGMENT_STANDARD, &error));
    ck_ok(orthsr_trainer_options_set_batch_size(me->run.options, 0, &error));
    ck_ok(orthsr_trainer_options_set_readers(me->run.options, 0, &error)); /* or they would have been read long before */
    run_start(&me->run);
    steps(&me->run, 1);
    float *before = malloc(me->run.adapter->parameter_count * sizeof *before);
    memcpy(before, me->run.adapter->factors.parameters, me->run.adapter->parameter_count * sizeof *before);
    ck_ok(orthsr_collective_barrier(at->collective, &error));
    if (at->index == 0) ck_assert_int_eq(remove(scratch_file("images/b/3.png")), 0);
    ck_ok(orthsr_collective_barrier(at->collective, &error));
    ck_fails(orthsr_trainer_step(me->run.trainer, &error), ORTHSR_ERROR_IO, "step 2: rank 1: ");
    ck_assert_msg(strstr(error.message, "b/3.png") != NULL, "%s", error.message);
    expect_same_bytes(before, me->run.adapter->factors.parameters, me->run.adapter->parameter_count * sizeof *before, "parameter", "after a failed step");
    free(before);
}

START_TEST(failed_step) {
    char command[1024];
    snprintf(command, sizeof command, "mkdir -p '%s'/a '%s'/b && cp tests/data/images/palette2.png '%s'/a/0.png && cp tests/data/images/gray8.png '%s'/b/3.png",
             scratch_file("images"), scratch_file("images"), scratch_file("images"), scratch_file("images"));
    ck_assert_int_eq(system(command), 0);
    worker workers[2];
    meeting m = {0};
    for (size_t r = 0; r < 2; r++) workers[r] = (worker){.kind = &KINDS[0], .threads = 1, .shards = 2, .work = lose_an_image};
    work_together(workers, 2, &m);
    for (size_t r = 0; r < 2; r++) run_free(&workers[r].run);
}
END_TEST

/* The connection breaks at any exchange, of starting and of training: an error at all ranks, and nothing lost. */
static void train_until_it_breaks(worker *me, rank *at) {
    run *r = &me->run;
    orthsr_status status = orthsr_trainer_new_with_prompt(&r->trainer, r->model, r->adapter, r->prompt, r->dataset, r->options, &error);
    for (size_t i = 0; i < 2 && !status; i++) status = orthsr_trainer_step(r->trainer, &error);
    ck_assert_int_eq(status, ORTHSR_ERROR_IO);
    ck_assert_msg(strstr(error.message, "rank 1 does not answer"), "%s", error.message);
    for (size_t t = 0; t < orthsr_adapter_target_count(r->adapter); t++) { /* A is still that of the parameters */
        double defect;
        ck_ok(orthsr_adapter_defect(r->adapter, &defect, &error));
        ck_assert_double_le(defect, 1e-5);
    }
    (void)at;
}

static void train_two_steps(worker *me, rank *at) {
    (void)at;
    run_start(&me->run);
    steps(&me->run, 2);
}

/* Two ranks; the exchange of this number fails at the second, if it is not 0. How many there were. */
static size_t break_at(size_t exchange, void (*work)(worker *me, rank *at)) {
    worker workers[2];
    meeting m = {.fail_rank = 1, .fail_at = exchange};
    for (size_t r = 0; r < 2; r++) workers[r] = (worker){.kind = &KINDS[16], .threads = 1, .shards = 2, .work = work};
    work_together(workers, 2, &m);
    for (size_t r = 0; r < 2; r++) run_free(&workers[r].run);
    return m.rank[0].exchanges;
}

START_TEST(connection_breaks) {
    size_t exchanges = break_at(0, train_two_steps);
    ck_assert_uint_gt(exchanges, 10);
    for (size_t at = 1; at <= exchanges; at += short_run() ? 7 : 1) break_at(at, train_until_it_breaks);
}
END_TEST

static int stop_at_two(const orthsr_trainer *trainer, void *payload) {
    rank *me = payload;
    return me->index == 1 && orthsr_trainer_step_count(trainer) == 2;
}

static void run_until_one_stops(worker *me, rank *at) {
    run_start(&me->run);
    ck_fails(orthsr_trainer_run(me->run.trainer, stop_at_two, at, &error), ORTHSR_ERROR_CANCELLED, "rank 1: stopped by the caller after step 2");
    ck_assert_uint_eq(orthsr_trainer_step_count(me->run.trainer), 2);
}

START_TEST(one_stops_all) {
    worker workers[3];
    meeting m = {0};
    for (size_t r = 0; r < 3; r++) workers[r] = (worker){.kind = &KINDS[0], .threads = 1, .shards = 3, .work = run_until_one_stops};
    work_together(workers, 3, &m);
    for (size_t r = 0; r < 3; r++) run_free(&workers[r].run);
}
END_TEST

static TCase *connection(void) {
    TCase *tc = tcase_create("connection");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, sums_and_copies, 0, short_run() ? 5 : 9);
    tcase_add_test(tc, failed_exchange);
    tcase_add_test(tc, arguments);
    return tc;
}

static TCase *training(void) {
    TCase *tc = tcase_create("training");
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, same_bits_for_any_ranks, 0, KIND_COUNT);
    tcase_add_test(tc, shards_round_only);
    tcase_add_loop_test(tc, goes_on_with_other_ranks, 0, 4);
    tcase_add_test(tc, checkpoint_of_one_rank);
    tcase_add_loop_test(tc, refused, 0, 6);
    tcase_add_test(tc, loss_not_finite);
    tcase_add_test(tc, failed_step);
    tcase_add_test(tc, connection_breaks);
    tcase_add_test(tc, one_stops_all);
    return tc;
}
TEST_MAIN("collective", connection, training)
