/* memory.h - allocation with checked sizes, and strings. What is allocated is released with free(). */
#ifndef ORTHSR_BASE_MEMORY_H
#define ORTHSR_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* a * b and a + b; false on overflow, *out untouched then. */
static inline bool orthsr__mul(size_t *out, size_t a, size_t b) { return !__builtin_mul_overflow(a, b, out); }
static inline bool orthsr__add(size_t *out, size_t a, size_t b) { return !__builtin_add_overflow(a, b, out); }

/* n items of the given size, zeroed; NULL when the product overflows or memory is short. n = 0 gives a valid pointer. */
void *orthsr__calloc(size_t n, size_t size);

/* The same, not zeroed, at a 64-byte boundary: for arrays that kernels run over. */
void *orthsr__aligned(size_t n, size_t size);

/* Room for n items in *items: doubles *capacity as needed. False, nothing changed, when memory is short. */
bool orthsr__reserve(void **items, size_t *capacity, size_t n, size_t size);

/* A fresh copy; NULL when memory is short. */
char *orthsr__strdup(const char *text);
char *orthsr__strndup(const char *text, size_t length);

/* Fresh copies of n texts in a fresh array (n); NULL when memory is short. And its release, text by text; texts may be NULL. */
char **orthsr__copy_texts(const char *const *texts, size_t n);
void orthsr__free_texts(char **texts, size_t n);

/* text with spaces in place of underscores, as class names are read ("sea_lion"); returns text, which may be NULL. */
char *orthsr__spaced(char *text);

bool orthsr__ends_with(const char *text, const char *suffix);

/* As what goes into JSON must be. */
bool orthsr__is_utf8(const char *text);

/* printf into fresh memory; NULL when memory is short. */
char *orthsr__format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
