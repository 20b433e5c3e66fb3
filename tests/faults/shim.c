/* shim.c - see shim.h. Real calls go to the kernel, or for directories to libc. Streams (fopen, fdopen) are made of cookies, so that what libc does within
 * itself for them comes by here as well. */
#include "faults/shim.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    _Atomic bool armed;
    _Atomic long calls;
    fault kind;
    long at;
    char directory[512];
    size_t length;
    bool ours[1024]; /* by descriptor: it is of a file in the directory */
} state;
static shim_report report;

static const int ERRORS[FAULTS] = {ENOSPC, ENOSPC, EIO, EROFS, EMFILE, EACCES, EINTR, EPERM, 0, 0};

#define BIT(fault) (1u << (fault))
enum {
    ALWAYS = 1 << FAULT_VANISH,
    OPENING = ALWAYS | 1 << FAULT_IO | 1 << FAULT_FILES,
    MAKING = OPENING | 1 << FAULT_FULL | 1 << FAULT_IS_FULL | 1 << FAULT_READONLY,
    READING = ALWAYS | 1 << FAULT_IO | 1 << FAULT_SIGNAL | 1 << FAULT_SHORT,
    WRITING = READING | 1 << FAULT_FULL | 1 << FAULT_IS_FULL,
    SYNCING = ALWAYS | 1 << FAULT_IO | 1 << FAULT_FULL | 1 << FAULT_IS_FULL,
    CUTTING = ALWAYS | 1 << FAULT_IO,
    NAMING = SYNCING | 1 << FAULT_READONLY,
    LINKING = NAMING | 1 << FAULT_LINKS,
    REMOVING = ALWAYS | 1 << FAULT_IO | 1 << FAULT_READONLY,
    ASKING = ALWAYS | 1 << FAULT_IO, /* what is open */
    LOOKING = ALWAYS | 1 << FAULT_ASK
};

static void vanish(void) {
    char gone[520];
    snprintf(gone, sizeof gone, "%s.gone", state.directory);
    syscall(SYS_rename, state.directory, gone);
}

/* What the call meets: FAULTS when it is nothing, else errno is set. */
static fault meet(unsigned could) {
    if (!atomic_load(&state.armed)) return FAULTS;
    long n = atomic_fetch_add(&state.calls, 1) + 1;
    if (n <= MOST_CALLS) report.could[n - 1] = (uint16_t)could;
    bool lasts = state.kind == FAULT_IS_FULL || state.kind == FAULT_READONLY || state.kind == FAULT_LINKS;
    if (state.at == 0 || n < state.at || (n > state.at && !lasts) || !(could & BIT(state.kind))) return FAULTS;
    report.hits++;
    if (state.kind == FAULT_VANISH) {
        vanish();
        return FAULTS;
    }
    errno = ERRORS[state.kind];
    return state.kind;
}

static bool is_ours(const char *path) {
    if (strncmp(path, state.directory, state.length) != 0) return false;
    return path[state.length] == '/' || path[state.length] == '.' || path[state.length] == '\0';
}
static bool is_our_file(int fd) { return fd >= 0 && fd < 1024 && state.ours[fd]; }

/* Of a call by path, or by descriptor. */
static bool fails_at(const char *path, unsigned could) { return is_ours(path) && meet(could) != FAULTS; }
static bool fails_on(int fd, unsigned could) { return is_our_file(fd) && meet(could) != FAULTS; }

/* libc's own function of this name. */
#define REAL(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

#pragma GCC visibility push(default)
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wnonnull-compare"

static int open_it(int at, const char *path, int flags, mode_t mode) {
    if (fails_at(path, flags & O_CREAT ? MAKING : OPENING)) return -1;
    int fd = (int)syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && fd < 1024) state.ours[fd] = is_ours(path) && atomic_load(&state.armed);
    return fd;
}

static mode_t mode_of(int flags, va_list list) { return flags & O_CREAT ? va_arg(list, mode_t) : 0; }

#define DEFINE_OPEN(name)                                                                                                                                      \
    int name(const char *path, int flags, ...) {                                                                                                               \
        va_list list;                                                                                                                                          \
        va_start(list, flags);                                                                                                                                 \
        mode_t mode = mode_of(flags, list);                                                                                                                    \
        va_end(list);                                                                                                                                          \
        return open_it(AT_FDCWD, path, flags, mode);                                                                                                           \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

#define DEFINE_OPENAT(name)                                                                                                                                    \
    int name(int at, const char *path, int flags, ...) {                                                                                                       \
        va_list list;                                                                                                                                          \
        va_start(list, flags);                                                                                                                                 \
        mode_t mode = mode_of(flags, list);                                                                                                                    \
        va_end(list);                                                                                                                                          \
        return open_it(at, path, flags, mode);                                                                                                                 \
    }
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

ssize_t read(int fd, void *to, size_t n) {
    fault met = is_our_file(fd) ? meet(READING) : FAULTS;
    if (met != FAULTS && met != FAULT_SHORT) return -1;
    return syscall(SYS_read, fd, to, met == FAULT_SHORT && n > 1 ? n / 2 : n);
}

#define DEFINE_PREAD(name, offset_type)                                                                                                                        \
    ssize_t name(int fd, void *to, size_t n, offset_type offset) {                                                                                             \
        fault met = is_our_file(fd) ? meet(READING) : FAULTS;                                                                                                  \
        if (met != FAULTS && met != FAULT_SHORT) return -1;                                                                                                    \
        return syscall(SYS_pread64, fd, to, met == FAULT_SHORT && n > 1 ? n / 2 : n, offset);                                                                  \
    }
DEFINE_PREAD(pread, off_t)
DEFINE_PREAD(pread64, off64_t)

ssize_t write(int fd, const void *from, size_t n) {
    fault met = is_our_file(fd) ? meet(WRITING) : FAULTS;
    if (met != FAULTS && met != FAULT_SHORT) return -1;
    return syscall(SYS_write, fd, from, met == FAULT_SHORT && n > 1 ? n / 2 : n);
}

/* Nothing is really synced: a test need not wait for a disk. */
int fsync(int fd) { return fails_on(fd, SYNCING) ? -1 : 0; }
int fdatasync(int fd) { return fails_on(fd, SYNCING) ? -1 : 0; }

#define DEFINE_FTRUNCATE(name, offset_type)                                                                                                                    \
    int name(int fd, offset_type size) { return fails_on(fd, CUTTING) ? -1 : (int)syscall(SYS_ftruncate, fd, size); }
DEFINE_FTRUNCATE(ftruncate, off_t)
DEFINE_FTRUNCATE(ftruncate64, off64_t)

int close(int fd) {
    bool fails = fails_on(fd, SYNCING); /* it is closed all the same */
    int error = errno;
    if (fd >= 0 && fd < 1024) state.ours[fd] = false;
    int result = (int)syscall(SYS_close, fd);
    if (fails) errno = error;
    return fails ? -1 : result;
}

int rename(const char *from, const char *to) {
    if (!fails_at(from, NAMING)) return (int)syscall(SYS_rename, from, to);
    report.kept++;
    return -1;
}

int link(const char *from, const char *to) { return fails_at(from, LINKING) ? -1 : (int)syscall(SYS_link, from, to); }
int mkdir(const char *path, mode_t mode) { return fails_at(path, NAMING) ? -1 : (int)syscall(SYS_mkdir, path, mode); }

static int remove_it(long number, const char *path) {
    if (!fails_at(path, REMOVING)) return (int)syscall(number, path);
    report.kept++;
    return -1;
}
int unlink(const char *path) { return remove_it(SYS_unlink, path); }
int rmdir(const char *path) { return remove_it(SYS_rmdir, path); }

/* On x86-64 and other 64-bit systems one struct stat serves for both. */
#define DEFINE_STAT(name, type, flags)                                                                                                                         \
    int name(const char *path, type *out) { return fails_at(path, LOOKING) ? -1 : (int)syscall(SYS_newfstatat, AT_FDCWD, path, out, flags); }
DEFINE_STAT(stat, struct stat, 0)
DEFINE_STAT(stat64, struct stat64, 0)
DEFINE_STAT(lstat, struct stat, AT_SYMLINK_NOFOLLOW)
DEFINE_STAT(lstat64, struct stat64, AT_SYMLINK_NOFOLLOW)
int fstat(int fd, struct stat *out) { return fails_on(fd, ASKING) ? -1 : (int)syscall(SYS_fstat, fd, out); }
int fstat64(int fd, struct stat64 *out) { return fails_on(fd, ASKING) ? -1 : (int)syscall(SYS_fstat, fd, out); }
int access(const char *path, int mode) { return fails_at(path, LOOKING) ? -1 : (int)syscall(SYS_access, path, mode); }

static void *map_it(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    if (fails_on(fd, ASKING)) return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}
void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) { return map_it(at, size, protection, flags, fd, offset); }
void *mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset) { return map_it(at, size, protection, flags, fd, offset); }

DIR *opendir(const char *path) {
    DIR *stream = fails_at(path, OPENING) ? NULL : REAL(opendir)(path);
    int fd = stream ? dirfd(stream) : -1;
    if (fd >= 0 && fd < 1024) state.ours[fd] = is_ours(path) && atomic_load(&state.armed);
    return stream;
}

#define DEFINE_READDIR(name, type)                                                                                                                             \
    type *name(DIR *stream) { return fails_on(dirfd(stream), ASKING) ? NULL : REAL(name)(stream); }
DEFINE_READDIR(readdir, struct dirent)
DEFINE_READDIR(readdir64, struct dirent64)

int closedir(DIR *stream) {
    int fd = dirfd(stream);
    if (fd >= 0 && fd < 1024) state.ours[fd] = false;
    return REAL(closedir)(stream);
}

#define DEFINE_MKSTEMP(name)                                                                                                                                   \
    int name(char *template) {                                                                                                                                 \
        if (fails_at(template, MAKING)) return -1;                                                                                                             \
        int fd = REAL(mkstemp)(template);                                                                                                                      \
        if (fd >= 0 && fd < 1024) state.ours[fd] = is_ours(template) && atomic_load(&state.armed);                                                             \
        return fd;                                                                                                                                             \
    }
DEFINE_MKSTEMP(mkstemp)
DEFINE_MKSTEMP(mkstemp64)

/* ---- streams: their reads, writes and end are calls of ours ------------------------------------------------------------------ */

static FILE *streams[64];
static int descriptors[64];

static ssize_t cookie_read(void *cookie, char *to, size_t n) { return read((int)(intptr_t)cookie, to, n); }
static ssize_t cookie_write(void *cookie, const char *from, size_t n) {
    size_t done = 0; /* a cookie that writes less than all has failed */
    while (done < n) {
        ssize_t now = write((int)(intptr_t)cookie, from + done, n - done);
        if (now < 0) return 0;
        done += (size_t)now;
    }
    return (ssize_t)done;
}
static int cookie_close(void *cookie) {
    for (int i = 0; i < 64; i++)
        if (streams[i] && descriptors[i] == (int)(intptr_t)cookie) streams[i] = NULL;
    return close((int)(intptr_t)cookie);
}

FILE *fdopen(int fd, const char *mode) {
    static const cookie_io_functions_t functions = {cookie_read, cookie_write, NULL, cookie_close};
    if (!is_our_file(fd)) return REAL(fdopen)(fd, mode);
    FILE *stream = fopencookie((void *)(intptr_t)fd, mode, functions);
    for (int i = 0; i < 64 && stream; i++)
        if (!streams[i]) {
            streams[i] = stream;
            descriptors[i] = fd;
            break;
        }
    return stream;
}

#define DEFINE_FOPEN(name)                                                                                                                                     \
    FILE *name(const char *path, const char *mode) {                                                                                                           \
        if (!is_ours(path)) return REAL(name)(path, mode);                                                                                                     \
        int fd = open(path, mode[0] == 'r' ? O_RDONLY : O_WRONLY | O_CREAT | (mode[0] == 'a' ? O_APPEND : O_TRUNC), 0666);                                     \
        return fd < 0 ? NULL : fdopen(fd, mode);                                                                                                               \
    }
DEFINE_FOPEN(fopen)
DEFINE_FOPEN(fopen64)

int fileno(FILE *stream) {
    for (int i = 0; i < 64; i++)
        if (streams[i] == stream && stream) return descriptors[i];
    return REAL(fileno)(stream);
}

/* ---- arming ------------------------------------------------------------------------------------------------------------------ */

void shim_arm(fault kind, long at, const char *directory) {
    memset(&report, 0, sizeof report);
    state.kind = kind;
    state.at = at;
    state.length = strlen(directory);
    snprintf(state.directory, sizeof state.directory, "%s", directory);
    atomic_store(&state.calls, 0);
    atomic_store(&state.armed, true);
}

const shim_report *shim_disarm(void) {
    atomic_store(&state.armed, false);
    report.calls = atomic_load(&state.calls);
    return &report;
}

#pragma GCC visibility pop

static char report_path[512];

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("ORTHSR_FAULT");
    int kind;
    long at;
    char directory[512];
    if (text && sscanf(text, "%d %ld %511s %511s", &kind, &at, report_path, directory) == 4) shim_arm((fault)kind, at, directory);
}

__attribute__((destructor)) static void end(void) {
    if (!report_path[0]) return;
    const shim_report *result = shim_disarm();
    int fd = (int)syscall(SYS_openat, AT_FDCWD, report_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    syscall(SYS_write, fd, result, sizeof *result);
    syscall(SYS_close, fd);
}
