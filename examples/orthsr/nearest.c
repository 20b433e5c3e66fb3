/* nearest.c - Levenshtein's distance; of no account is the case of letters, and whether words are joined by '_', '-' or a blank. */
#include "nearest.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

enum { LONGEST = 128 }; /* bytes; longer names are near none */

static int plain(char c) { return c == '_' || c == '-' ? ' ' : tolower((unsigned char)c); }

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static size_t distance(const char *a, const char *b) {
    size_t row[LONGEST + 1], n = strlen(a), m = strlen(b);
    if (n > LONGEST || m > LONGEST) return SIZE_MAX;
    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t above = row[j];
            row[j] = least(diagonal + (plain(a[i - 1]) != plain(b[j - 1])), 1 + least(above, row[j - 1]));
            diagonal = above;
        }
    }
    return row[m];
}

void nearest_begin(nearest *n, const char *name) { *n = (nearest){.name = name, .distance = SIZE_MAX}; }

void nearest_offer(nearest *n, const char *candidate) {
    size_t d = *n->name && strncmp(candidate, n->name, strlen(n->name)) == 0 ? 0 : distance(n->name, candidate); /* the first that begins so */
    if (d >= n->distance) return;
    n->best = candidate;
    n->distance = d;
}

const char *nearest_found(const nearest *n) { return n->best && n->distance <= 1 + strlen(n->name) / 3 ? n->best : NULL; }

const char *nearest_of(const char *name, const char *const *candidates, size_t count) {
    nearest n;
    nearest_begin(&n, name);
    for (size_t i = 0; i < count; i++) nearest_offer(&n, candidates[i]);
    return nearest_found(&n);
}
