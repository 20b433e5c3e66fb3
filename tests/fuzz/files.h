/* files.h - files that exist in memory only, for the library to read: what a fuzz target gives it. */
#ifndef TESTS_FUZZ_FILES_H
#define TESTS_FUZZ_FILES_H

#include <stddef.h>
#include <stdint.h>

#include <orthsr/orthsr.h>

/* A file at path, in the place of one on disk: its bytes (size) are the caller's, and must stay until fuzz_forget. A directory is there when a file in it is.
 */
void fuzz_file(const char *path, const void *bytes, size_t size);
void fuzz_forget(void);

/* The first part of the input, up to its first zero byte, which is taken off with it: how an input holds several files. */
typedef struct fuzz_part {
    const uint8_t *bytes; /* (size) */
    size_t size;
} fuzz_part;
fuzz_part fuzz_next(fuzz_part *input);
/* Its next byte, taken off; 0 at its end. */
static inline uint8_t fuzz_byte(fuzz_part *input) {
    if (input->size == 0) return 0;
    input->size--;
    return *input->bytes++;
}

/* What every failure must be: one with a message in plain UTF-8 that names the file. Anything else ends the program. */
void fuzz_check(orthsr_status status, const orthsr_error *error, const char *name);

/* Ends the program unless the condition holds. */
void fuzz_require(int condition, const char *what);

/* libFuzzer's entry, one in each target. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
