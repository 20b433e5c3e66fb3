/* train_mpi.c - few-shot training by several processes, on one machine or on many, over MPI: the same adapter, bit for bit, however many there are.
 *
 *     mpicc train_mpi.c $(pkg-config --cflags --libs orthsr) -o train_mpi
 *     mpirun --bind-to none -n 4 ./train_mpi my-clip my-images out
 *     mpirun --bind-to none -n 2 ./train_mpi --resume my-clip my-images out
 *
 * my-clip    a directory with a CLIP checkpoint, my-images train/<class>/<image> (and test/... for --test); every rank reads both, so each machine needs them
 * out        receives adapter.safetensors and checkpoint, written by rank 0
 *
 * Options, with their defaults: --shots 16, --epochs and --batch-size of the library, --maps fc1,fc2, --block-size (a fourth of each map), --seed 1,
 * --augment (off), --threads (of each rank: an equal part of the processors it may use), --shards 4 (parts that a batch is cut into: at least as many as ranks;
 * another number changes results by rounding), --save-every 10 (steps between checkpoints), --timeout 600 (seconds without a sign of a rank), --resume, --test.
 *
 * What the library needs of MPI is one function, `exchange` below; the rest is few_shot.c's trainer. A rank that fails, dies or falls silent ends the job with
 * a message that names it and the step; --resume goes on from the last checkpoint, with as many ranks as there are then. SIGUSR1 to mpirun stops after the step
 * at hand with a checkpoint; so do SIGINT and SIGTERM, as far as the time goes that mpirun gives (--mca odls_base_sigkill_timeout SECONDS; 1).
 *
 * mpi-run: --shots 2 --epochs 2 --batch-size 8 --save-every 1 $model $images $out
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity; clock_gettime, nanosleep, sigaction */
#endif
#include <errno.h>
#include <getopt.h>
#include <mpi.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <orthsr/orthsr.h>

/* ---- the connection ---------------------------------------------------------------------------------------------------------------------- */

typedef struct connection {
    int rank, ranks;
    double timeout;        /* seconds */
    MPI_Request *requests; /* (2 ranks): what is received from each, what is sent to each */
    int *done;             /* (2 ranks): those that are through */
    MPI_Status *statuses;  /* (2 ranks): of these */
    int broken;            /* an exchange has failed: the others wait for this rank in vain */
} connection;

static volatile sig_atomic_t stop_signal; /* SIGUSR1, SIGINT or SIGTERM has come */

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Leaves the processor to the ranks that still compute. */
static void rest(double waited) {
    const struct timespec nap = {0, waited < 0.1 ? 10000 : 200000};
    if (waited < 1e-3) sched_yield();
    else nanosleep(&nap, NULL);
}

static int is_missing(const connection *c, int rank) { return c->requests[rank] != MPI_REQUEST_NULL || c->requests[c->ranks + rank] != MPI_REQUEST_NULL; }

/* Messages: the library's; a question whether one is there; and that one is. The latter two are empty. */
enum { BYTES, QUESTION, ANSWER };

/* The next rank from which one of this kind has come, or -1. */
static int next_of(int kind) {
    MPI_Status from;
    int there = 0;
    if (MPI_Iprobe(MPI_ANY_SOURCE, kind, MPI_COMM_WORLD, &there, &from) != MPI_SUCCESS || !there) return -1;
    return MPI_Recv(NULL, 0, MPI_BYTE, from.MPI_SOURCE, kind, MPI_COMM_WORLD, MPI_STATUS_IGNORE) == MPI_SUCCESS ? from.MPI_SOURCE : -1;
}

static void answer(void) {
    for (int r; (r = next_of(QUESTION)) >= 0;) MPI_Send(NULL, 0, MPI_BYTE, r, ANSWER, MPI_COMM_WORLD);
}

/* Who is missing may wait for others as this rank does: the first that does not answer within a second; -1: all do. */
static int silent(connection *c) {
    double begin = seconds();
    for (int r = 0; r < c->ranks; r++) {
        c->done[r] = 0;
        if (is_missing(c, r)) MPI_Send(NULL, 0, MPI_BYTE, r, QUESTION, MPI_COMM_WORLD);
    }
    while (seconds() < begin + 1) {
        answer();
        for (int r; (r = next_of(ANSWER)) >= 0;) c->done[r] = 1;
        rest(1);
    }
    for (int r = 0; r < c->ranks; r++)
        if (is_missing(c, r) && !c->done[r]) return r;
    return -1;
}

static orthsr_status fail(connection *c, orthsr_error *error, int rank, const char *why, double waited) {
    for (int r = 0; r < c->ranks && rank < 0; r++)
        if (is_missing(c, r)) rank = r;
    c->broken = 1;
    snprintf(error->message, sizeof error->message, "rank %d %s after %.0f s of waiting for it", rank < 0 ? c->rank : rank, why, waited);
    return ORTHSR_ERROR_IO;
}

/* The first rank of n statuses from which other than the expected bytes came: it does something else. -1: none. */
static int other_size(const connection *c, int n, const size_t *receive_sizes) {
    for (int i = 0, bytes; i < n; i++)
        if (c->done[i] < c->ranks && (MPI_Get_count(&c->statuses[i], MPI_BYTE, &bytes) != MPI_SUCCESS || (size_t)bytes != receive_sizes[c->done[i]]))
            return c->done[i];
    return -1;
}

/* All that the library asks for: bytes to and from every rank, and no waiting without end. */
static orthsr_status exchange(void *payload, const void *const *send, const size_t *send_sizes, void *const *receive, const size_t *receive_sizes,
                              orthsr_error *error) {
    connection *c = payload;
    int ok = MPI_SUCCESS, arrived, all = 2 * c->ranks, asked = 0, gone;
    for (int r = 0; r < c->ranks; r++) {
        MPI_Request *in = &c->requests[r], *out = &c->requests[c->ranks + r];
        *in = *out = MPI_REQUEST_NULL;
        if (receive_sizes[r] > 0) ok |= MPI_Irecv(receive[r], (int)receive_sizes[r], MPI_BYTE, r, BYTES, MPI_COMM_WORLD, in);
        if (send_sizes[r] > 0) ok |= MPI_Isend(send[r], (int)send_sizes[r], MPI_BYTE, r, BYTES, MPI_COMM_WORLD, out);
    }
    double since = seconds();
    for (;;) {
        if (ok == MPI_SUCCESS) ok = MPI_Testsome(all, c->requests, &arrived, c->done, c->statuses);
        if (ok != MPI_SUCCESS) return fail(c, error, -1, "cannot be reached", seconds() - since);
        if (arrived == MPI_UNDEFINED) return ORTHSR_OK; /* nothing is left to wait for */
        int other = other_size(c, arrived, receive_sizes);
        if (other >= 0) {
            c->broken = 1;
            snprintf(error->message, sizeof error->message, "rank %d sends something else than was expected: is it the same program?", other);
            return ORTHSR_ERROR_IO;
        }
        double now = seconds();
        if (arrived > 0) since = now;
        if (now - since > c->timeout) {
            if ((gone = silent(c)) >= 0) return fail(c, error, gone, "has not answered", seconds() - since);
            if (++asked == 3) return fail(c, error, -1, "is there, but has not come this far", seconds() - since);
            since = seconds(); /* they wait, too: the rank that is at fault is another's to name */
        }
        answer();
        rest(now - since);
    }
}

/* ---- the program --------------------------------------------------------------------------------------------------------------------------- */

typedef struct job {
    connection connection;
    orthsr_collective *ranks;
    const char *model_path, *images, *out, *maps;
    size_t shots, epochs, batch_size, block_size, threads, shards, save_every;
    unsigned long long seed;
    int augment, resume, test;
    orthsr_model *model;
    orthsr_dataset *train, *shots_of_train;
    orthsr_adapter *adapter;
    orthsr_trainer *trainer;
    char checkpoint[4096];
    double began, seconds[ORTHSR_PHASE_COMMUNICATION + 1];
    size_t saved;     /* the step of the last checkpoint */
    uint64_t sent;    /* bytes before the step */
    orthsr_error why; /* of what failed in the callback */
} job;

static volatile sig_atomic_t at_step, own_rank;

/* The step may end, if the other ranks let it, and a checkpoint is written. mpirun sends SIGTERM, too, when a rank has died, and kills soon after: what is
 * known is said at once. */
static void on_signal(int number) {
    char line[] = "train_mpi: rank 0000: told to stop in step 000000\n";
    size_t rank_at = 19, step_at = sizeof line - 3, value;
    for (value = (size_t)own_rank; value > 0; value /= 10) line[rank_at--] = (char)('0' + value % 10);
    for (value = (size_t)at_step; value > 0; value /= 10) line[step_at--] = (char)('0' + value % 10);
    stop_signal = number;
    if (number != SIGTERM) return;
    if (write(STDERR_FILENO, line, sizeof line - 1) < 0) return; /* nobody listens */
}

/* What fails at all ranks alike is told by rank 0; where the connection is broken, by each that sees it, and the job is aborted: nobody can be asked any more.
 */
static void check(job *j, orthsr_status status, const orthsr_error *error) {
    if (status == ORTHSR_OK) return;
    if (j->connection.rank == 0 || j->connection.broken)
        fprintf(stderr, "train_mpi: rank %d: %s%s\n", j->connection.rank, at_step ? "" : "before the first step: ", error->message);
    if (j->connection.broken) MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
    MPI_Finalize();
    exit(EXIT_FAILURE);
}

/* What each rank does by itself: goes on only when it has come off at all of them. */
static void together(job *j, orthsr_status status, orthsr_error *error) { check(j, orthsr_collective_agree(j->ranks, status, error), error); }

static void usage(void) {
    fprintf(stderr, "usage: mpirun -n RANKS train_mpi [--shots K] [--epochs N] [--batch-size N] [--maps fc1,fc2] [--block-size B] [--seed S] [--augment]\n"
                    "           [--threads N] [--shards N] [--save-every STEPS] [--timeout SECONDS] [--resume] [--test] MODEL IMAGES OUT\n");
}

/* ARGUMENT with *error empty: the usage says what is wrong. */
static orthsr_status read_arguments(job *j, int argc, char **argv, orthsr_error *error) {
    enum { SHOTS, EPOCHS, BATCH, MAPS, BLOCK, SEED, AUGMENT, THREADS, SHARDS, SAVE, TIMEOUT, RESUME, TEST };
    static const struct option options[] = {
        {"shots", required_argument, NULL, SHOTS},
        {"epochs", required_argument, NULL, EPOCHS},
        {"batch-size", required_argument, NULL, BATCH},
        {"maps", required_argument, NULL, MAPS},
        {"block-size", required_argument, NULL, BLOCK},
        {"seed", required_argument, NULL, SEED},
        {"augment", no_argument, NULL, AUGMENT},
        {"threads", required_argument, NULL, THREADS},
        {"shards", required_argument, NULL, SHARDS},
        {"save-every", required_argument, NULL, SAVE},
        {"timeout", required_argument, NULL, TIMEOUT},
        {"resume", no_argument, NULL, RESUME},
        {"test", no_argument, NULL, TEST},
        {NULL, 0, NULL, 0},
    };
    size_t *const counts[] = {[SHOTS] = &j->shots,     [EPOCHS] = &j->epochs, [BATCH] = &j->batch_size, [BLOCK] = &j->block_size,
                              [THREADS] = &j->threads, [SHARDS] = &j->shards, [SAVE] = &j->save_every};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        char *end = NULL;
        errno = 0;
        if (option == '?') {
            snprintf(error->message, sizeof error->message, "'%.256s': no such option, or nothing behind it", argv[optind - 1]);
            return ORTHSR_ERROR_ARGUMENT;
        } else if (option == MAPS) j->maps = optarg;
        else if (option == AUGMENT) j->augment = 1;
        else if (option == RESUME) j->resume = 1;
        else if (option == TEST) j->test = 1;
        else if (option == TIMEOUT) j->connection.timeout = strtod(optarg, &end);
        else if (option == SEED) j->seed = strtoull(optarg, &end, 10);
        else *counts[option] = (size_t)strtoull(optarg, &end, 10);
        if (errno || (end && *end) || (optarg && (*optarg == '-' || !*optarg))) {
            snprintf(error->message, sizeof error->message, "--%s: '%.256s' is no number", options[option].name, optarg);
            return ORTHSR_ERROR_ARGUMENT;
        }
    }
    if (argc - optind != 3) {
        snprintf(error->message, sizeof error->message, "%d arguments beside the options, not the 3 of MODEL IMAGES OUT", argc - optind);
        return ORTHSR_ERROR_ARGUMENT;
    }
    if (j->save_every == 0) j->save_every = SIZE_MAX;
    j->model_path = argv[optind];
    j->images = argv[optind + 1];
    j->out = argv[optind + 2];
    snprintf(j->checkpoint, sizeof j->checkpoint, "%s/checkpoint", j->out);
    return ORTHSR_OK;
}

/* What the trainer does not know of, but all must do alike. */
static orthsr_status same_intent(job *j, orthsr_error *error) {
    const int own[] = {j->resume, j->test};
    int first[] = {j->resume, j->test};
    check(j, orthsr_collective_broadcast(j->ranks, first, sizeof first, 0, error), error);
    if (memcmp(first, own, sizeof own) == 0) return ORTHSR_OK;
    snprintf(error->message, sizeof error->message, "%s is given to rank 0 or to this one alone", first[0] != own[0] ? "--resume" : "--test");
    return ORTHSR_ERROR_MISMATCH;
}

/* An equal part of the processors that this rank may run on, together with others of its machine perhaps: those that may run on the same. */
static size_t own_processors(void) {
    MPI_Comm here;
    int beside, alike = 0;
    cpu_set_t own;
    CPU_ZERO(&own);
    if (sched_getaffinity(0, sizeof own, &own) != 0) return 1;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &here);
    MPI_Comm_size(here, &beside);
    cpu_set_t *all = malloc((size_t)beside * sizeof *all);
    if (all && MPI_Allgather(&own, sizeof own, MPI_BYTE, all, sizeof own, MPI_BYTE, here) == MPI_SUCCESS)
        for (int r = 0; r < beside; r++) alike += CPU_EQUAL(&own, &all[r]) != 0;
    free(all);
    MPI_Comm_free(&here);
    return alike > 0 && CPU_COUNT(&own) > alike ? (size_t)(CPU_COUNT(&own) / alike) : 1;
}

/* ---- setting up ------------------------------------------------------------------------------------------------------------------------------ */

static orthsr_status open_data(job *j, orthsr_error *error) {
    orthsr_status status = orthsr_model_open(&j->model, j->model_path, error);
    if (!status) status = orthsr_dataset_open(&j->train, j->images, orthsr_dataset_has_split(j->images, "train") ? "train" : NULL, error);
    if (!status) status = orthsr_dataset_draw(&j->shots_of_train, NULL, j->train, j->shots, j->seed, error);
    return status;
}

static orthsr_status make_adapter(job *j, orthsr_error *error) {
    orthsr_adapter_options *options;
    orthsr_status status = orthsr_adapter_options_new(&options, error);
    if (!status && j->maps) status = orthsr_adapter_options_set_maps(options, j->maps, error);
    if (!status && j->block_size) status = orthsr_adapter_options_set_block_size(options, j->block_size, error);
    if (!status) status = orthsr_model_adapter(j->model, &j->adapter, options, error);
    orthsr_adapter_options_free(options);
    return status;
}

static orthsr_status make_options(const job *j, orthsr_trainer_options *options, orthsr_error *error) {
    orthsr_status status = orthsr_trainer_options_set_collective(options, j->ranks, error);
    if (!status) status = orthsr_trainer_options_set_shards(options, j->shards, error);
    if (!status) status = orthsr_trainer_options_set_threads(options, j->threads, error);
    if (!status) status = orthsr_trainer_options_set_seed(options, j->seed, error);
    if (!status && j->epochs) status = orthsr_trainer_options_set_epochs(options, j->epochs, error);
    if (!status && j->batch_size) status = orthsr_trainer_options_set_batch_size(options, j->batch_size, error);
    if (!status && j->augment) status = orthsr_trainer_options_set_augmentation(options, ORTHSR_AUGMENT_STANDARD, error);
    return status;
}

static void go_on(job *j) {
    orthsr_error error;
    orthsr_status status = orthsr_trainer_load(j->trainer, j->checkpoint, NULL, &error);
    if (status == ORTHSR_ERROR_FORMAT && j->connection.rank == 0) fprintf(stderr, "train_mpi: '%s.previous' may be whole\n", j->checkpoint);
    check(j, status, &error);
}

static void start(job *j) {
    orthsr_trainer_options *options = NULL;
    orthsr_error error = {""};
    orthsr_status status = open_data(j, &error);
    if (!status) status = make_adapter(j, &error);
    if (!status) status = orthsr_trainer_options_new(&options, &error);
    if (!status) status = make_options(j, options, &error);
    if (!status && j->connection.rank == 0 && mkdir(j->out, 0777) != 0 && errno != EEXIST) {
        snprintf(error.message, sizeof error.message, "cannot make '%.900s': %s", j->out, strerror(errno));
        status = ORTHSR_ERROR_IO;
    }
    together(j, status, &error);
    check(j, orthsr_trainer_new(&j->trainer, j->model, j->adapter, j->shots_of_train, options, &error),
          &error); /* ranks with other models, data or options: an error */
    if (j->resume) go_on(j);
    orthsr_trainer_options_free(options);
    if (j->connection.rank == 0)
        printf("%d ranks of %zu threads, %zu shards; %zu images of %zu classes; %zu parameters; step %zu of %zu\n", j->connection.ranks, j->threads, j->shards,
               orthsr_dataset_count(j->shots_of_train), orthsr_dataset_class_count(j->shots_of_train), orthsr_adapter_parameter_count(j->adapter),
               orthsr_trainer_step_count(j->trainer), orthsr_trainer_step_total(j->trainer));
}

/* ---- training -------------------------------------------------------------------------------------------------------------------------------- */

static void say_step(job *j, const orthsr_trainer *trainer) {
    uint64_t sent = orthsr_collective_bytes(j->ranks);
    double all = 0, communication = orthsr_trainer_seconds(trainer, ORTHSR_PHASE_COMMUNICATION);
    for (int p = 0; p <= ORTHSR_PHASE_COMMUNICATION; p++) {
        all += orthsr_trainer_seconds(trainer, (orthsr_phase)p);
        j->seconds[p] += orthsr_trainer_seconds(trainer, (orthsr_phase)p);
    }
    if (j->connection.rank == 0)
        printf("step %zu of %zu: loss %.6f, %.0f ms, %.1f %% of it communication, %.2f MB sent\n", orthsr_trainer_step_count(trainer),
               orthsr_trainer_step_total(trainer), orthsr_trainer_metric(trainer, ORTHSR_METRIC_LOSS), 1e3 * all, 100 * communication / all,
               1e-6 * (double)(sent - j->sent));
    j->sent = sent;
}

/* Rank 0 saves, if it has not yet since the last step. */
static orthsr_status save(job *j, orthsr_error *error) {
    size_t step = orthsr_trainer_step_count(j->trainer);
    if (j->connection.rank != 0 || j->saved == step) return ORTHSR_OK;
    orthsr_status status = orthsr_trainer_save(j->trainer, j->checkpoint, NULL, error);
    if (!status) j->saved = step;
    return status;
}

static int on_step(const orthsr_trainer *trainer, void *payload) {
    job *j = payload;
    size_t step = orthsr_trainer_step_count(trainer);
    say_step(j, trainer);
    at_step = (sig_atomic_t)(step + 1);
    if (step % j->save_every == 0 || step == orthsr_trainer_step_total(trainer))
        if (save(j, &j->why) != ORTHSR_OK) return 1;
    return stop_signal != 0;
}

static void make_steps(job *j) {
    orthsr_error error;
    at_step = (sig_atomic_t)(orthsr_trainer_step_count(j->trainer) + 1);
    j->sent = orthsr_collective_bytes(j->ranks);
    orthsr_status status = orthsr_trainer_run(j->trainer, on_step, j, &error);
    if (status == ORTHSR_ERROR_CANCELLED && *j->why.message) error = j->why;
    else if (status == ORTHSR_ERROR_CANCELLED && save(j, &error) == ORTHSR_OK)
        snprintf(error.message, sizeof error.message, "stopped after step %zu, saved as '%.512s'; go on with --resume", orthsr_trainer_step_count(j->trainer),
                 j->checkpoint);
    check(j, status, &error);
}

/* Where the time of this run's steps has gone, if it made any. */
static void say_phases(const job *j) {
    static const char *const names[] = {"text", "image", "backward", "frozen", "orthogonal", "optimizer", "other", "communication"};
    double all = 0;
    for (int p = 0; p <= ORTHSR_PHASE_COMMUNICATION; p++) all += j->seconds[p];
    for (int p = 0; p <= ORTHSR_PHASE_COMMUNICATION && all > 0; p++) printf("%s%s %.1f %%", p ? ", " : "; ", names[p], 100 * j->seconds[p] / all);
    printf("\n");
}

/* Every rank takes each ranks-th image of the test part. */
static void measure(job *j) {
    static const char *const templates[] = {"a photo of a {}."};
    orthsr_dataset *test = NULL, *own = NULL;
    orthsr_session *session = NULL;
    orthsr_evaluation *evaluation = NULL;
    orthsr_error error = {""};
    double right[2] = {0, 0}; /* of how many */
    orthsr_status status = orthsr_dataset_open(&test, j->images, "test", &error);
    size_t n = 0, count = status ? 0 : orthsr_dataset_count(test), *items = malloc((count + 1) * sizeof *items);
    for (size_t i = (size_t)j->connection.rank; i < count && items; i += (size_t)j->connection.ranks) items[n++] = i;
    if (!status && !items) status = ORTHSR_ERROR_MEMORY;
    if (!status) status = orthsr_dataset_subset(&own, test, items, n, &error);
    if (!status) status = orthsr_session_new(&session, j->model, j->adapter, &error);
    if (!status) status = orthsr_session_set_threads(session, j->threads, &error);
    if (!status && n > 0) status = orthsr_evaluate(&evaluation, session, own, templates, 1, NULL, NULL, &error);
    together(j, status, &error);
    right[0] = evaluation ? orthsr_evaluation_accuracy(evaluation) * (double)n : 0;
    right[1] = (double)n;
    check(j, orthsr_collective_sum_double(j->ranks, right, 2, &error), &error);
    if (j->connection.rank == 0) printf("accuracy %.2f %% of %.0f images\n", 100 * right[0] / right[1], right[1]);
    orthsr_evaluation_free(evaluation);
    orthsr_session_free(session);
    orthsr_dataset_free(own);
    orthsr_dataset_free(test);
    free(items);
}

static void save_adapter(job *j) {
    char path[4200];
    orthsr_error error = {""};
    orthsr_status status = ORTHSR_OK;
    snprintf(path, sizeof path, "%s/adapter.safetensors", j->out);
    if (j->connection.rank == 0) status = orthsr_adapter_save(j->adapter, path, orthsr_model_fingerprint(j->model), &error);
    together(j, status, &error);
    if (j->connection.rank != 0) return;
    printf("adapter: %s; loss %a; %.1f s", path, orthsr_trainer_metric(j->trainer, ORTHSR_METRIC_LOSS), seconds() - j->began);
    say_phases(j);
}

static void connect_ranks(job *j) {
    connection *c = &j->connection;
    orthsr_error error = {""};
    int threads;
    const char *tasks = getenv("OMPI_COMM_WORLD_SIZE") ? NULL : getenv("SLURM_STEP_NUM_TASKS"); /* not of mpirun within a job */
    MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &threads);                               /* the trainer calls exchange from two threads, one at a time */
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &c->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &c->ranks);
    own_rank = c->rank;
    c->requests = malloc(2 * (size_t)c->ranks * sizeof *c->requests);
    c->done = malloc(2 * (size_t)c->ranks * sizeof *c->done);
    c->statuses = malloc(2 * (size_t)c->ranks * sizeof *c->statuses);
    if (!c->requests || !c->done || !c->statuses || threads < MPI_THREAD_SERIALIZED) {
        fprintf(stderr, "train_mpi: rank %d: no memory, or an MPI that is for one thread only\n", c->rank);
        MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
    }
    if (c->ranks == 1 && tasks && atoi(tasks) > 1) { /* each would train by itself, into the same files */
        fprintf(stderr, "train_mpi: srun has started %s tasks, but MPI knows of this one alone; try srun --mpi=pmix, or mpirun\n", tasks);
        MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
    }
    check(j, orthsr_collective_new(&j->ranks, (size_t)c->rank, (size_t)c->ranks, exchange, c, &error), &error);
}

static void disconnect(job *j) {
    orthsr_collective_free(j->ranks);
    free(j->connection.requests);
    free(j->connection.done);
    free(j->connection.statuses);
    MPI_Finalize();
}

static void choose_threads(job *j) {
    size_t processors = own_processors();
    if (j->threads == 0) j->threads = processors;
    if (j->threads > processors && j->connection.rank == 0)
        fprintf(stderr, "train_mpi: %zu threads a rank, and %zu processors for them; mpirun --bind-to none lets each rank use all of its machine\n", j->threads,
                processors);
}

int main(int argc, char **argv) {
    job j = {.shots = 16, .shards = 4, .save_every = 10, .seed = 1, .connection = {.timeout = 600}};
    orthsr_error error = {""};
    const struct sigaction action = {.sa_handler = on_signal};
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* a step is told when it is made, also through a pipe */
    connect_ranks(&j);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    orthsr_status status = orthsr_collective_agree(j.ranks, read_arguments(&j, argc, argv, &error), &error);
    if (status && j.connection.rank == 0) usage();
    check(&j, status, &error);
    together(&j, same_intent(&j, &error), &error);
    choose_threads(&j);

    start(&j);
    j.began = seconds();
    make_steps(&j);
    save_adapter(&j);
    if (j.test) measure(&j);

    orthsr_trainer_free(j.trainer);
    orthsr_adapter_free(j.adapter);
    orthsr_dataset_free(j.shots_of_train);
    orthsr_dataset_free(j.train);
    orthsr_model_free(j.model);
    disconnect(&j);
    return EXIT_SUCCESS;
}
