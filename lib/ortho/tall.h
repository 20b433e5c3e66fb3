/* tall.h - room for what functions of a tall matrix work in. */
#ifndef ORTHSR_ORTHO_TALL_H
#define ORTHSR_ORTHO_TALL_H

#include "base/memory.h"
#include "base/real.h"

/* `count` matrices (n, p) and behind them `squares` matrices (p, p), one allocation; *elements = n p. NULL when that is too much. */
static inline real *orthsr__tall(size_t *elements, size_t n, size_t p, size_t count, size_t squares) {
    size_t squared, room;
    if (!orthsr__mul(elements, n, p) || !orthsr__mul(&room, *elements, count) || !orthsr__mul(&squared, p, p) || !orthsr__mul(&squared, squared, squares) ||
        !orthsr__add(&room, room, squared))
        return NULL;
    return orthsr__aligned(room, sizeof(real));
}

#endif
