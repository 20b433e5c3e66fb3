/* collective.c - sums, pieces, copies and agreement among ranks, made of one function that moves bytes.
 *
 * A sum is cut among the ranks: each gets everybody's values of its part, adds them up in the order of a tree, and tells the others. So a rank sends what it
 * would in a ring, twice its values at most, and the order is nobody else's business.
 */
#include "base/collective.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/memory.h"
#include "base/thread.h"

/* Of a message; and of all the values that one rank adds up at once: both keep the room that is needed small. */
enum { MESSAGE = 1 << 28, ROUND = 1 << 22 };

struct orthsr_collective {
    size_t rank, ranks;
    orthsr_exchange exchange;
    void *payload;
    bool broken; /* an exchange has failed */
    uint64_t bytes;
    /* of the exchange at hand, (ranks) each */
    const void **send;
    void **receive;
    size_t *send_sizes, *receive_sizes;
    size_t *begins; /* (ranks + 1) */
    int32_t *statuses;
    void *room; /* what others send of a part: ROUND bytes */
    /* what goes on beside the caller's work */
    orthsr_status (*work)(void *context, orthsr_error *error);
    void *context;
    pthread_t thread;
    bool has_thread;
    orthsr_status worked;
    orthsr_error why;
};

/* ---- life ------------------------------------------------------------------------------------------------------------------------------ */

orthsr_status orthsr_collective_new(orthsr_collective **out, size_t rank, size_t ranks, orthsr_exchange exchange, void *payload, orthsr_error *error) {
    ORTHSR__REQUIRE(out != NULL, error, "out is NULL");
    *out = NULL;
    ORTHSR__REQUIRE(ranks >= 1 && ranks <= ORTHSR_MAX_RANKS, error, "there are 1 to 4096 ranks");
    ORTHSR__REQUIRE(rank < ranks, error, "rank is not below ranks");
    ORTHSR__REQUIRE(exchange || ranks == 1, error, "exchange is NULL");
    orthsr_collective *c = orthsr__calloc(1, sizeof *c);
    if (!c) return orthsr__fail_memory(error, "a collective");
    *c = (orthsr_collective){.rank = rank, .ranks = ranks, .exchange = exchange, .payload = payload};
    c->send = orthsr__calloc(ranks, sizeof *c->send);
    c->receive = orthsr__calloc(ranks, sizeof *c->receive);
    c->send_sizes = orthsr__calloc(ranks, sizeof *c->send_sizes);
    c->receive_sizes = orthsr__calloc(ranks, sizeof *c->receive_sizes);
    c->begins = orthsr__calloc(ranks + 1, sizeof *c->begins);
    c->statuses = orthsr__calloc(ranks, sizeof *c->statuses);
    c->room = orthsr__aligned(ranks > 1 ? ROUND : 0, 1);
    if (!c->send || !c->receive || !c->send_sizes || !c->receive_sizes || !c->begins || !c->statuses || !c->room) {
        orthsr_collective_free(c);
        return orthsr__fail_memory(error, "a collective");
    }
    *out = c;
    return ORTHSR_OK;
}

void orthsr_collective_free(orthsr_collective *c) {
    if (!c) return;
    free(c->send);
    free(c->receive);
    free(c->send_sizes);
    free(c->receive_sizes);
    free(c->begins);
    free(c->statuses);
    free(c->room);
    free(c);
}

size_t orthsr_collective_rank(const orthsr_collective *c) { return c ? c->rank : 0; }
size_t orthsr_collective_ranks(const orthsr_collective *c) { return c ? c->ranks : 1; }
uint64_t orthsr_collective_bytes(const orthsr_collective *c) { return c ? c->bytes : 0; }

/* ---- one exchange ------------------------------------------------------------------------------------------------------------------------ */

/* Begins an exchange in which nothing is moved yet. */
static void clear(orthsr_collective *c) {
    memset(c->send_sizes, 0, c->ranks * sizeof *c->send_sizes);
    memset(c->receive_sizes, 0, c->ranks * sizeof *c->receive_sizes);
}

static void send_to(orthsr_collective *c, size_t rank, const void *bytes, size_t size) {
    c->send[rank] = bytes;
    c->send_sizes[rank] = size;
}

static void receive_from(orthsr_collective *c, size_t rank, void *bytes, size_t size) {
    c->receive[rank] = bytes;
    c->receive_sizes[rank] = size;
}

static orthsr_status move(orthsr_collective *c, orthsr_error *error) {
    if (c->broken) return orthsr__fail(error, ORTHSR_ERROR_IO, "an exchange among the ranks has failed before; all of them have to begin again");
    orthsr_error why = {""};
    orthsr_status status = c->exchange(c->payload, c->send, c->send_sizes, c->receive, c->receive_sizes, &why);
    c->broken = status != ORTHSR_OK;
    if (status) return orthsr__fail(error, status, "%s", why.message[0] ? why.message : "the ranks' exchange failed");
    for (size_t r = 0; r < c->ranks; r++) c->bytes += c->send_sizes[r];
    return ORTHSR_OK;
}

/* ---- sums ---------------------------------------------------------------------------------------------------------------------------------- */

void orthsr__even_begins(size_t *begins, size_t n, size_t ranks) {
    size_t each = n / ranks, more = n % ranks;
    for (size_t r = 0; r <= ranks; r++) begins[r] = r * each + (r < more ? r : more);
}

/* Parts are taken in rounds: what the longest has; what is left of a rank's once `done` of it is through, `most` at once. */
static size_t longest_part(const orthsr_collective *c, const size_t *begins) {
    size_t longest = 0;
    for (size_t r = 0; r < c->ranks; r++)
        if (begins[r + 1] - begins[r] > longest) longest = begins[r + 1] - begins[r];
    return longest;
}

static size_t left_of(const size_t *begins, size_t rank, size_t done, size_t most) {
    size_t length = begins[rank + 1] - begins[rank], left = length > done ? length - done : 0;
    return left < most ? left : most;
}

/* A stretch of numbers, float or double. */
typedef struct numbers {
    bool is_double;
    size_t size; /* of one */
} numbers;

static const numbers FLOATS = {false, sizeof(float)}, DOUBLES = {true, sizeof(double)};
#ifdef ORTHSR_DOUBLE
#define REALS DOUBLES
#else
#define REALS FLOATS
#endif

ORTHSR__SIMD static void add_floats(float *to, const float *from, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] += from[i];
}

ORTHSR__SIMD static void add_doubles(double *to, const double *from, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] += from[i];
}

/* parts[first] (n) becomes the sum of `ranks` parts from there on, in the tree's order; the others are used up. The right half of the tree is the stack of
 * calls. */
static void add_tree(void *const *parts, size_t first, size_t ranks, size_t n, numbers of) {
    if (ranks == 1) return;
    size_t half = (ranks + 1) / 2;
    add_tree(parts, first, half, n, of);
    add_tree(parts, first + half, ranks - half, n, of);
    if (of.is_double) add_doubles(parts[first], parts[first + half], n);
    else add_floats(parts[first], parts[first + half], n);
}

static char *at(void *values, size_t i, numbers of) { return (char *)values + i * of.size; }

/* Of every rank's part the values from `done` on, `most` of them at most: to the rank, and added up there. */
static orthsr_status sum_round(orthsr_collective *c, void *values, const size_t *begins, size_t done, size_t most, numbers of, orthsr_error *error) {
    size_t own = left_of(begins, c->rank, done, most);
    clear(c);
    for (size_t r = 0; r < c->ranks; r++)
        if (r != c->rank) send_to(c, r, at(values, begins[r] + done, of), left_of(begins, r, done, most) * of.size);
    char *mine = at(values, begins[c->rank] + done, of), *room = c->room;
    for (size_t r = 0; r < c->ranks; r++) {
        receive_from(c, r, r == c->rank ? (void *)mine : (void *)room, r == c->rank ? 0 : own * of.size);
        if (r != c->rank) room += own * of.size;
    }
    ORTHSR__TRY(move(c, error));
    if (own == 0) return ORTHSR_OK;
    add_tree(c->receive, 0, c->ranks, own, of);
    if (c->rank > 0) memcpy(mine, c->receive[0], own * of.size);
    return ORTHSR_OK;
}

static orthsr_status sum_parts(orthsr_collective *c, void *values, const size_t *begins, numbers of, orthsr_error *error) {
    size_t longest = longest_part(c, begins), most = ROUND / c->ranks / of.size;
    for (size_t done = 0; done < longest; done += most) ORTHSR__TRY(sum_round(c, values, begins, done, most, of, error));
    return ORTHSR_OK;
}

static orthsr_status gather(orthsr_collective *c, void *values, size_t size, const size_t *begins, orthsr_error *error) {
    size_t longest = longest_part(c, begins), most = MESSAGE / size;
    for (size_t done = 0; done < longest; done += most) {
        clear(c);
        for (size_t r = 0; r < c->ranks; r++) {
            size_t n = left_of(begins, r, done, most);
            char *part = (char *)values + (begins[r] + done) * size;
            if (r != c->rank) receive_from(c, r, part, n * size);
            for (size_t to = 0; r == c->rank && to < c->ranks; to++)
                if (to != r) send_to(c, to, part, n * size);
        }
        ORTHSR__TRY(move(c, error));
    }
    return ORTHSR_OK;
}

static orthsr_status sum(orthsr_collective *c, void *values, size_t n, numbers of, orthsr_error *error) {
    if (c->ranks == 1 || n == 0) return ORTHSR_OK;
    orthsr__even_begins(c->begins, n, c->ranks);
    ORTHSR__TRY(sum_parts(c, values, c->begins, of, error));
    return gather(c, values, of.size, c->begins, error);
}

orthsr_status orthsr__sum_over_ranks(orthsr_collective *c, real *values, size_t n, orthsr_error *error) {
    return c ? sum(c, values, n, REALS, error) : ORTHSR_OK;
}

orthsr_status orthsr__sum_to_owners(orthsr_collective *c, real *values, const size_t *begins, size_t first, size_t end, orthsr_error *error) {
    if (!c || c->ranks == 1) return ORTHSR_OK;
    for (size_t r = 0; r <= c->ranks; r++) c->begins[r] = begins[r] < first ? first : begins[r] > end ? end : begins[r];
    return sum_parts(c, values, c->begins, REALS, error);
}

orthsr_status orthsr__gather(orthsr_collective *c, void *values, size_t value_size, const size_t *begins, orthsr_error *error) {
    return c && c->ranks > 1 ? gather(c, values, value_size, begins, error) : ORTHSR_OK;
}

orthsr_status orthsr_collective_sum(orthsr_collective *c, float *values, size_t n, orthsr_error *error) {
    ORTHSR__REQUIRE(c && (values || n == 0), error, "collective or values is NULL");
    return sum(c, values, n, FLOATS, error);
}

orthsr_status orthsr_collective_sum_double(orthsr_collective *c, double *values, size_t n, orthsr_error *error) {
    ORTHSR__REQUIRE(c && (values || n == 0), error, "collective or values is NULL");
    return sum(c, values, n, DOUBLES, error);
}

/* ---- copies and signs of life ------------------------------------------------------------------------------------------------------------------ */

/* Who has the bytes doubles in every round: counted from the root, rank i < have sends to i + have. */
orthsr_status orthsr_collective_broadcast(orthsr_collective *c, void *bytes, size_t size, size_t root, orthsr_error *error) {
    ORTHSR__REQUIRE(c && (bytes || size == 0), error, "collective or bytes is NULL");
    ORTHSR__REQUIRE(root < c->ranks, error, "root is no rank");
    size_t place = (c->rank + c->ranks - root) % c->ranks;
    for (size_t done = 0; done < size; done += MESSAGE) {
        size_t n = size - done < MESSAGE ? size - done : MESSAGE;
        char *part = (char *)bytes + done;
        for (size_t have = 1; have < c->ranks; have *= 2) {
            clear(c);
            if (place < have && place + have < c->ranks) send_to(c, (c->rank + have) % c->ranks, part, n);
            if (place >= have && place < 2 * have) receive_from(c, (c->rank + c->ranks - have) % c->ranks, part, n);
            ORTHSR__TRY(move(c, error));
        }
    }
    return ORTHSR_OK;
}

/* In every round each tells the one twice as far away as in the round before: then all have heard of all. */
orthsr_status orthsr_collective_barrier(orthsr_collective *c, orthsr_error *error) {
    ORTHSR__REQUIRE(c != NULL, error, "collective is NULL");
    char sign = 1, heard = 0;
    for (size_t far = 1; far < c->ranks; far *= 2) {
        clear(c);
        send_to(c, (c->rank + far) % c->ranks, &sign, 1);
        receive_from(c, (c->rank + c->ranks - far) % c->ranks, &heard, 1);
        ORTHSR__TRY(move(c, error));
    }
    return ORTHSR_OK;
}

/* ---- beside the caller's work ----------------------------------------------------------------------------------------------------------------- */

static void *work_beside(void *collective) {
    orthsr_collective *c = collective;
    c->worked = c->work(c->context, &c->why);
    return NULL;
}

void orthsr__beside_begin(orthsr_collective *c, orthsr_status (*work)(void *context, orthsr_error *error), void *context) {
    if (!c) return;
    c->work = work;
    c->context = context;
    c->worked = ORTHSR_OK;
    c->has_thread = c->ranks > 1 && orthsr__thread_start(&c->thread, work_beside, c);
    if (!c->has_thread) work_beside(c);
}

orthsr_status orthsr__beside_end(orthsr_collective *c, orthsr_error *error) {
    if (!c) return ORTHSR_OK;
    if (c->has_thread) pthread_join(c->thread, NULL);
    c->has_thread = false;
    return c->worked ? orthsr__fail(error, c->worked, "%s", c->why.message) : ORTHSR_OK;
}

/* ---- agreement --------------------------------------------------------------------------------------------------------------------------------- */

orthsr_status orthsr__agree(orthsr_collective *c, orthsr_status status, orthsr_error *error) { return c ? orthsr_collective_agree(c, status, error) : status; }

orthsr_status orthsr_collective_agree(orthsr_collective *c, orthsr_status status, orthsr_error *error) {
    ORTHSR__REQUIRE(c != NULL, error, "collective is NULL");
    if (c->ranks == 1) return status;
    c->statuses[c->rank] = status;
    for (size_t r = 0; r <= c->ranks; r++) c->begins[r] = r;
    orthsr_error why;
    orthsr_status moved = gather(c, c->statuses, sizeof *c->statuses, c->begins, &why);
    if (moved) return status ? status : orthsr__fail(error, moved, "%s", why.message); /* one's own failure says more */
    size_t first = 0;
    while (first < c->ranks && c->statuses[first] == ORTHSR_OK) first++;
    if (first == c->ranks) return ORTHSR_OK;
    why = error && first == c->rank ? *error : (orthsr_error){"(it does not say why)"};
    moved = orthsr_collective_broadcast(c, &why, sizeof why, first, error);
    if (moved) return status ? status : moved;
    why.message[sizeof why.message - 1] = '\0';
    return orthsr__fail(error, (orthsr_status)c->statuses[first], "rank %zu: %s", first, why.message);
}
