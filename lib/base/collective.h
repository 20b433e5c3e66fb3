/* collective.h (internal) - what ranks do together, beside the public sums: pieces of arrays that each rank has, or is to have.
 *
 * A collective of NULL is one rank alone: there is nothing to do. begins (ranks + 1): rank r has, or is to have, values begins[r] .. begins[r + 1] - 1.
 */
#ifndef ORTHSR_BASE_COLLECTIVE_H
#define ORTHSR_BASE_COLLECTIVE_H

#include <orthsr/collective.h>

#include "base/real.h"

/* begins of n things shared out evenly. */
void orthsr__even_begins(size_t *begins, size_t n, size_t ranks);

/* Sums of n values over ranks, everywhere. */
orthsr_status orthsr__sum_over_ranks(orthsr_collective *collective, real *values, size_t n, orthsr_error *error);

/* Of values first .. end - 1 the sums, each at the rank alone that is to have it; there, other ranks' values are undefined afterwards. */
orthsr_status orthsr__sum_to_owners(orthsr_collective *collective, real *values, const size_t *begins, size_t first, size_t end, orthsr_error *error);

/* Everyone gets what each rank has, in values of so many bytes. */
orthsr_status orthsr__gather(orthsr_collective *collective, void *values, size_t value_size, const size_t *begins, orthsr_error *error);

/* work(context) on a thread of its own, beside what the caller does between the two calls; every rank does the same. The collective is the work's until
 * beside_end, which waits for it and gives its status. For one rank, and where there is no such thread, begin does the work itself. */
void orthsr__beside_begin(orthsr_collective *collective, orthsr_status (*work)(void *context, orthsr_error *error), void *context);
orthsr_status orthsr__beside_end(orthsr_collective *collective, orthsr_error *error);

/* orthsr_collective_agree. */
orthsr_status orthsr__agree(orthsr_collective *collective, orthsr_status status, orthsr_error *error);

#endif
