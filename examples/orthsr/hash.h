/* hash.h - FNV-1a, 64 bits: what tells contents apart that nobody has made to look alike. A chance pair among a million has probability 3e-8. */
#ifndef HASH_H
#define HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START 14695981039346656037u

/* hash of what came before and of these bytes (n). */
static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) hash = (hash ^ ((const unsigned char *)bytes)[i]) * 1099511628211u;
    return hash;
}

#endif
