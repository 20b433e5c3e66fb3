/* files.c - the library's file.c over files in memory: the system's calls that it reads by are given other names, and those are here.
 *
 * A path that nobody has put here is the disk's. Descriptors of files in memory are numbers that the system never gives. zlib and manifests read by descriptors of
 * their own accord, so a file called .gz or .tsv is a real one without a name (memfd_create).
 */
#include "fuzz/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utf8proc.h>

enum { ROOM = 8, FIRST = 1 << 30 }; /* FIRST: the descriptor of held[0] */

static struct {
    const char *path;
    const uint8_t *bytes; /* (size) */
    size_t size;
} held[ROOM];
static int count;

void fuzz_file(const char *path, const void *bytes, size_t size) {
    fuzz_require(count < ROOM, "room for one more file");
    held[count].path = path;
    held[count].bytes = bytes;
    held[count++].size = size;
}

void fuzz_forget(void) { count = 0; }

static int find(const char *path) {
    int i = count;
    while (i-- > 0 && strcmp(held[i].path, path) != 0) continue;
    return i;
}

static int is_directory(const char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    for (int i = 0; i < count; i++)
        if (strncmp(held[i].path, path, length) == 0 && held[i].path[length] == '/') return 1;
    return 0;
}

static int describe(int i, struct stat *info) {
    memset(info, 0, sizeof *info);
    info->st_mode = i < 0 ? S_IFDIR : S_IFREG;
    info->st_size = i < 0 ? 0 : (off_t)held[i].size;
    return 0;
}

static int unnamed(int i) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    fuzz_require(fd >= 0 && pwrite(fd, held[i].bytes, held[i].size, 0) == (ssize_t)held[i].size, "a file in memory");
    return fd;
}

static int fuzz_open(const char *path, int flags, ...) {
    int i = find(path);
    if (i < 0) return open(path, flags, 0666);
    size_t length = strlen(path);
    const char *end = length > 4 ? path + length - 4 : path;
    return strcmp(end + 1, ".gz") == 0 || strcmp(end, ".tsv") == 0 ? unnamed(i) : FIRST + i;
}

static int fuzz_close(int fd) { return fd >= FIRST ? 0 : close(fd); }
static int fuzz_fstat(int fd, struct stat *info) { return fd >= FIRST ? describe(fd - FIRST, info) : fstat(fd, info); }

static int fuzz_stat(const char *path, struct stat *info) {
    int i = find(path);
    return i >= 0 || is_directory(path) ? describe(i, info) : stat(path, info);
}

static int fuzz_lstat(const char *path, struct stat *info) {
    int i = find(path);
    return i >= 0 || is_directory(path) ? describe(i, info) : lstat(path, info);
}

static ssize_t fuzz_pread(int fd, void *to, size_t size, off_t offset) {
    if (fd < FIRST) return pread(fd, to, size, offset);
    size_t all = held[fd - FIRST].size, at = (size_t)offset < all ? (size_t)offset : all;
    if (size > all - at) size = all - at;
    memcpy(to, held[fd - FIRST].bytes + at, size);
    return (ssize_t)size;
}

static void *fuzz_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    if (fd < FIRST) return mmap(at, size, protection, flags, fd, offset);
    void *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy != MAP_FAILED) memcpy(copy, held[fd - FIRST].bytes, size);
    return copy;
}

#define open fuzz_open
#define close fuzz_close
#define fstat fuzz_fstat
#define stat(path, info) fuzz_stat(path, info)
#define lstat fuzz_lstat
#define pread fuzz_pread
#define mmap fuzz_mmap
#include "base/file.c"
#undef open
#undef close

fuzz_part fuzz_next(fuzz_part *input) {
    const uint8_t *zero = input->size ? memchr(input->bytes, 0, input->size) : NULL;
    size_t size = zero ? (size_t)(zero - input->bytes) : input->size;
    fuzz_part part = {input->bytes, size};
    input->bytes += zero ? size + 1 : size;
    input->size -= zero ? size + 1 : size;
    return part;
}

void fuzz_require(int condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "failed: %s\n", what);
    abort();
}

void fuzz_check(orthsr_status status, const orthsr_error *error, const char *name) {
    if (status == ORTHSR_OK) return;
    fuzz_require(status != ORTHSR_ERROR_ARGUMENT, "a file's fault is no argument's");
    int plain = error->message[0] != '\0';
    utf8proc_int32_t c;
    for (const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)error->message; *at && plain;) {
        utf8proc_ssize_t n = utf8proc_iterate(at, -1, &c);
        plain = n > 0 && c >= 0x20 && !(c >= 0x7f && c < 0xa0);
        at += n > 0 ? n : 1;
    }
    fuzz_require(plain, "a message in plain text");
    if (!strstr(error->message, name)) fprintf(stderr, "'%s' does not name '%s'\n", error->message, name);
    fuzz_require(strstr(error->message, name) != NULL, "a message that names the file");
}
