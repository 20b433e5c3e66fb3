/* position.h - position embeddings for another number of positions than the checkpoint has. */
#ifndef ORTHSR_CLIP_POSITION_H
#define ORTHSR_CLIP_POSITION_H

#include <stddef.h>

#include <orthsr/model.h>
#include <orthsr/status.h>

#include "base/real.h"

/* Side of the square grid that rows - 1 patches (and the class token) make; 0 when they make none. */
size_t orthsr__position_grid(size_t rows);

/* out (1 + to to, width) from in (1 + from from, width): the class token's row is copied, the grid resampled. how: ORTHSR_INTERPOLATION_BICUBIC or
 * ORTHSR_INTERPOLATION_BICUBIC_ANTIALIAS. Errors: MEMORY. */
orthsr_status orthsr__position_resize_grid(real *out, const real *in, size_t from, size_t to, size_t width, orthsr_interpolation how, orthsr_error *error);

/* out (to, width) from in (from, width), linearly between neighbours: how open_clip fits a text tower's positions. Errors: MEMORY. */
orthsr_status orthsr__position_resize_line(real *out, const real *in, size_t from, size_t to, size_t width, orthsr_error *error);

#endif
