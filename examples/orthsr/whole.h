/* whole.h - a file read at once. */
#ifndef WHOLE_H
#define WHOLE_H

#include <stddef.h>

#include <orthsr/orthsr.h>

/* bytes (n), and a zero byte after them, in fresh memory. there: NULL when the file must be there; else 0, and *bytes NULL, when it is not. Errors: IO, MEMORY.
 */
orthsr_status whole_read(char **bytes, size_t *n, int *there, const char *path, orthsr_error *error);

#endif
