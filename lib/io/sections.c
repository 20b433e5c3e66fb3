/* sections.c - writing sections in one pass and constant memory, and reading them without trusting a number.
 *
 * A checksum is the CRC-32 of everything before it in the file, earlier checksums left out: parts that were moved, repeated or left out do not fit either.
 */
#include "io/sections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/fail.h"
#include "base/memory.h"

/* As PNG's: a transfer that strips the eighth bit, or changes line ends, breaks it. */
static const uint8_t MAGIC[8] = {0x89, 'O', 'C', 'P', '\r', '\n', 0x1a, '\n'};
enum {
    HEAD = 8 + 4 + 4,                   /* magic, version, number of sections */
    SECTION = ORTHSR__SECTION_NAME + 8, /* name, size */
    LENGTH = 4,                         /* of a block's packed bytes */
    CHECKSUM = 4,
    MOST_PACKED = 1032 /* zlib's deflate makes no more than so many bytes of one */
};

static void put(uint8_t *to, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++, value >>= 8) to[i] = (uint8_t)value;
}

static uint64_t get(const uint8_t *from, size_t bytes) {
    uint64_t value = 0;
    while (bytes--) value = value << 8 | from[bytes];
    return value;
}

static size_t block_size(uint64_t left) { return left < ORTHSR__SECTION_BLOCK ? (size_t)left : ORTHSR__SECTION_BLOCK; }

/* ---- writing --------------------------------------------------------------------------------------------------------------------------- */

typedef struct output {
    orthsr__writer file;
    z_stream deflate;
    uint8_t *packed; /* (LENGTH + room): a block */
    size_t room;
    uLong crc;
} output;

/* Bytes, and the checksum up to here. */
static orthsr_status write_checked(output *out, const void *bytes, size_t size, orthsr_error *error) {
    uint8_t checksum[CHECKSUM];
    out->crc = crc32(out->crc, bytes, (uInt)size);
    put(checksum, out->crc, sizeof checksum);
    ORTHSR__TRY(orthsr__writer_write(&out->file, bytes, size, error));
    return orthsr__writer_write(&out->file, checksum, sizeof checksum, error);
}

static orthsr_status write_block(output *out, const uint8_t *data, size_t size, orthsr_error *error) {
    z_stream *z = &out->deflate;
    deflateReset(z);
    z->next_in = (Bytef *)data;
    z->avail_in = (uInt)size;
    z->next_out = out->packed + LENGTH;
    z->avail_out = (uInt)out->room;
    if (deflate(z, Z_FINISH) != Z_STREAM_END) return orthsr__fail(error, ORTHSR_ERROR_IO, "zlib could not pack a part of '%s'", out->file.path);
    size_t packed = out->room - z->avail_out;
    put(out->packed, packed, LENGTH);
    return write_checked(out, out->packed, LENGTH + packed, error);
}

static orthsr_status write_section(output *out, const orthsr__section *section, orthsr_error *error) {
    uint8_t head[SECTION] = {0};
    memcpy(head, section->name, strnlen(section->name, ORTHSR__SECTION_NAME));
    put(head + ORTHSR__SECTION_NAME, section->size, 8);
    ORTHSR__TRY(write_checked(out, head, sizeof head, error));
    for (size_t at = 0, n; at < section->size; at += n) {
        n = block_size(section->size - at);
        ORTHSR__TRY(write_block(out, (const uint8_t *)section->data + at, n, error));
    }
    return ORTHSR_OK;
}

static orthsr_status write_all(output *out, const orthsr__section *sections, size_t count, orthsr_error *error) {
    uint8_t head[HEAD];
    memcpy(head, MAGIC, sizeof MAGIC);
    put(head + 8, ORTHSR__SECTIONS_VERSION, 4);
    put(head + 12, count, 4);
    ORTHSR__TRY(write_checked(out, head, sizeof head, error));
    for (size_t i = 0; i < count; i++) ORTHSR__TRY(write_section(out, &sections[i], error));
    return ORTHSR_OK;
}

orthsr_status orthsr__sections_write(const char *path, const char *previous, const orthsr__section *sections, size_t count, orthsr_error *error) {
    output out = {.crc = crc32(0, NULL, 0)};
    /* Trained numbers have few bits that could be told from others: Huffman's code gets what there is, at many times the speed of a search for repetitions. */
    if (deflateInit2(&out.deflate, 1, Z_DEFLATED, MAX_WBITS, 8, Z_HUFFMAN_ONLY) != Z_OK) return orthsr__fail_memory(error, "packing");
    out.room = deflateBound(&out.deflate, ORTHSR__SECTION_BLOCK);
    out.packed = orthsr__aligned(LENGTH + out.room, 1);
    orthsr_status status = out.packed ? orthsr__writer_open(&out.file, path, error) : orthsr__fail_memory(error, "packing");
    if (!status) {
        out.file.previous = previous;
        status = write_all(&out, sections, count, error);
        if (status) orthsr__writer_discard(&out.file);
        else status = orthsr__writer_commit(&out.file, error);
    }
    deflateEnd(&out.deflate);
    free(out.packed);
    return status;
}

/* ---- opening: every number and checksum ------------------------------------------------------------------------------------------------- */

typedef struct input {
    const char *path;
    const uint8_t *at; /* what has not been read yet */
    size_t left;
    bool ended; /* before what was to be there */
    uLong crc;
} input;

static orthsr_status damaged(const input *in, const char *where, orthsr_error *error) {
    return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is damaged: %s %s", in->path, where, in->ended ? "ends early" : "is not what was written");
}

/* size bytes and their checksum, which are passed over; NULL when they are not there or do not fit. */
static const uint8_t *take(input *in, size_t size) {
    in->ended = in->left < CHECKSUM || in->left - CHECKSUM < size;
    if (in->ended) return NULL;
    const uint8_t *bytes = in->at;
    in->crc = crc32(in->crc, bytes, (uInt)size);
    if (get(bytes + size, CHECKSUM) != in->crc) return NULL;
    in->at += size + CHECKSUM;
    in->left -= size + CHECKSUM;
    return bytes;
}

static bool pass_blocks(input *in, uint64_t size) {
    for (size_t n; size > 0; size -= n) {
        n = block_size(size);
        in->ended = in->left < LENGTH;
        size_t packed = in->ended ? 0 : (size_t)get(in->at, LENGTH);
        if (packed < n / MOST_PACKED + 1 || packed > 2 * ORTHSR__SECTION_BLOCK || !take(in, LENGTH + packed)) return false;
    }
    return true;
}

static bool is_name(const uint8_t *name) {
    size_t n = 0;
    while (n < ORTHSR__SECTION_NAME && name[n] > ' ' && name[n] < 0x7f) n++;
    for (size_t i = n; i < ORTHSR__SECTION_NAME; i++)
        if (name[i]) return false;
    return n > 0;
}

static const orthsr__packed *find(const orthsr__sections *sections, const char *name) {
    for (size_t i = 0; i < sections->count; i++)
        if (strcmp(sections->list[i].name, name) == 0) return &sections->list[i];
    return NULL;
}

static orthsr_status pass_section(orthsr__sections *sections, input *in, orthsr_error *error) {
    const uint8_t *head = take(in, SECTION);
    if (!head || !is_name(head)) return damaged(in, "the head of a section", error);
    orthsr__packed section = {.size = get(head + ORTHSR__SECTION_NAME, 8), .blocks = in->at};
    memcpy(section.name, head, ORTHSR__SECTION_NAME);
    if (find(sections, section.name)) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': section '%s' is there twice", in->path, section.name);
    char where[ORTHSR__SECTION_NAME + 16];
    snprintf(where, sizeof where, "section '%s'", section.name);
    if (!pass_blocks(in, section.size)) return damaged(in, where, error);
    sections->list[sections->count++] = section;
    return ORTHSR_OK;
}

static orthsr_status check(orthsr__sections *sections, orthsr_error *error) {
    input in = {.path = sections->path, .at = sections->file.data, .left = sections->file.size, .crc = crc32(0, NULL, 0)};
    if (in.left < sizeof MAGIC || memcmp(in.at, MAGIC, sizeof MAGIC) != 0)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' is not a checkpoint: it begins otherwise", in.path);
    const uint8_t *head = take(&in, HEAD);
    if (!head) return damaged(&in, "its head", error);
    uint64_t version = get(head + 8, 4), count = get(head + 12, 4);
    if (version != ORTHSR__SECTIONS_VERSION)
        return orthsr__fail(error, ORTHSR_ERROR_UNSUPPORTED, "'%s' has format version %u, this library reads %d: go on with the release that wrote it", in.path,
                            (unsigned)version, ORTHSR__SECTIONS_VERSION);
    if (count > ORTHSR__MAX_SECTIONS)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' has %u sections, more than %d", in.path, (unsigned)count, ORTHSR__MAX_SECTIONS);
    while (count--) ORTHSR__TRY(pass_section(sections, &in, error));
    if (in.left > 0) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' goes on behind its end by %zu bytes", in.path, in.left);
    return ORTHSR_OK;
}

orthsr_status orthsr__sections_open(orthsr__sections *out, const char *path, size_t most, orthsr_error *error) {
    *out = (orthsr__sections){.path = orthsr__strdup(path)};
    if (!out->path) return orthsr__fail_memory(error, "a file name");
    orthsr_status status = orthsr__read(&out->file, path, most, error);
    if (!status) status = check(out, error);
    if (status) orthsr__sections_close(out);
    return status;
}

void orthsr__sections_close(orthsr__sections *sections) {
    orthsr__unmap(&sections->file);
    free(sections->path);
    *sections = (orthsr__sections){0};
}

/* ---- reading ----------------------------------------------------------------------------------------------------------------------------- */

orthsr_status orthsr__sections_size(size_t *size, const orthsr__sections *sections, const char *name, size_t most, orthsr_error *error) {
    const orthsr__packed *section = find(sections, name);
    if (!section) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' has no section '%s'", sections->path, name);
    if (section->size > most)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': section '%s' has %llu bytes, more than %zu", sections->path, name,
                            (unsigned long long)section->size, most);
    *size = (size_t)section->size;
    return ORTHSR_OK;
}

orthsr_status orthsr__sections_read(void *out, size_t size, const orthsr__sections *sections, const char *name, orthsr_error *error) {
    const orthsr__packed *section = find(sections, name);
    if (!section) return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' has no section '%s'", sections->path, name);
    if (section->size != size)
        return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': section '%s' has %llu bytes, it must have %zu", sections->path, name,
                            (unsigned long long)section->size, size);
    const uint8_t *at = section->blocks;
    for (size_t done = 0, n; done < size; done += n) {
        n = block_size(size - done);
        uLong packed = (uLong)get(at, LENGTH), used = packed;
        uLongf unpacked = n;
        int result = uncompress2((Bytef *)out + done, &unpacked, at + LENGTH, &used);
        if (result == Z_MEM_ERROR) return orthsr__fail_memory(error, "unpacking");
        if (result != Z_OK || unpacked != n || used != packed)
            return orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s': section '%s' does not unpack to what it says", sections->path, name);
        at += LENGTH + packed + CHECKSUM;
    }
    return ORTHSR_OK;
}
