/* file.c - reading, mapped and not, and atomic writing. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/memory.h"

orthsr_status orthsr__open(int *fd, off_t *size, const char *path, orthsr_error *error) {
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO without a writer would wait */
    if (*fd < 0) return orthsr__fail_errno(error, "open", path);
    struct stat info;
    orthsr_status status = ORTHSR_OK;
    if (fstat(*fd, &info) != 0) status = orthsr__fail_errno(error, "inspect", path);
    else if (!S_ISREG(info.st_mode))
        status = orthsr__fail(error, ORTHSR_ERROR_IO, "'%s' is not a regular file; name a file%s", path, S_ISDIR(info.st_mode) ? " in it" : "");
    if (status) {
        close(*fd);
        *fd = -1;
        return status;
    }
    *size = info.st_size;
    return ORTHSR_OK;
}

orthsr_status orthsr__map(orthsr__mapping *out, const char *path, orthsr_error *error) {
    *out = (orthsr__mapping){0};
    int fd;
    off_t size;
    ORTHSR__TRY(orthsr__open(&fd, &size, path, error));
    orthsr_status status = ORTHSR_OK;
    if (size > 0) {
        void *data = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) status = orthsr__fail_errno(error, "map", path);
        else *out = (orthsr__mapping){.data = data, .size = (size_t)size};
    }
    close(fd);
    return status;
}

orthsr_status orthsr__read_at(int fd, void *bytes, size_t size, size_t offset, const char *path, orthsr_error *error) {
    uint8_t *to = bytes;
    while (size > 0) {
        ssize_t n = pread(fd, to, size < (1u << 30) ? size : (1u << 30), (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return orthsr__fail_errno(error, "read", path);
        if (n == 0) return orthsr__fail(error, ORTHSR_ERROR_IO, "'%s' became shorter while it was read: it ends at byte %zu now", path, offset);
        to += n;
        offset += (size_t)n;
        size -= (size_t)n;
    }
    return ORTHSR_OK;
}

orthsr_status orthsr__read(orthsr__mapping *out, const char *path, size_t limit, orthsr_error *error) {
    *out = (orthsr__mapping){0};
    int fd;
    off_t size;
    ORTHSR__TRY(orthsr__open(&fd, &size, path, error));
    orthsr_status status = ORTHSR_OK;
    if ((uintmax_t)size > limit)
        status = orthsr__fail(error, ORTHSR_ERROR_FORMAT, "'%s' has %ju bytes; such a file has at most %zu", path, (uintmax_t)size, limit);
    else if (size > 0) {
        uint8_t *data = malloc((size_t)size);
        status = data ? orthsr__read_at(fd, data, (size_t)size, 0, path, error) : orthsr__fail_memory(error, path);
        if (status) free(data);
        else *out = (orthsr__mapping){.data = data, .size = (size_t)size, .is_read = true};
    }
    close(fd);
    return status;
}

orthsr_status orthsr__make_room(orthsr__mapping *out, off_t size, const char *path, orthsr_error *error) {
    uint8_t *data = size > 0 ? orthsr__aligned((size_t)size, 1) : NULL;
    *out = (orthsr__mapping){.data = data, .size = data ? (size_t)size : 0, .is_read = true};
    return size > 0 && !data ? orthsr__fail_memory(error, path) : ORTHSR_OK;
}

void orthsr__unmap(orthsr__mapping *mapping) {
    if (mapping->is_read) free((void *)mapping->data);
    else if (mapping->data) munmap((void *)mapping->data, mapping->size);
    *mapping = (orthsr__mapping){0};
}

static bool mode_is(const char *path, mode_t kind) {
    struct stat info;
    return stat(path, &info) == 0 && (info.st_mode & S_IFMT) == kind;
}

bool orthsr__is_directory(const char *path) { return mode_is(path, S_IFDIR); }
bool orthsr__is_file(const char *path) { return mode_is(path, S_IFREG); }

orthsr_status orthsr__look_for(bool *there, const char *path, orthsr_error *error) {
    struct stat info;
    bool known = stat(path, &info) == 0;
    *there = known && S_ISREG(info.st_mode);
    return known || errno == ENOENT || errno == ENOTDIR ? ORTHSR_OK : orthsr__fail_errno(error, "inspect", path);
}

static bool has(const char *directory, const char *name, mode_t kind) {
    char path[PATH_MAX]; /* the system takes no longer one */
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    return length < (int)sizeof path && mode_is(path, kind);
}

bool orthsr__has_folder(const char *directory, const char *name) { return has(directory, name, S_IFDIR); }
bool orthsr__has_file(const char *directory, const char *name) { return has(directory, name, S_IFREG); }

bool orthsr__is_there(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0;
}

bool orthsr__same_place(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

char *orthsr__join(const char *directory, const char *name) {
    size_t length = strlen(directory);
    while (length > 1 && directory[length - 1] == '/') length--;
    return orthsr__format("%.*s/%s", (int)length, directory, name);
}

char *orthsr__file_at(const char *path, const char *name) { return orthsr__is_directory(path) ? orthsr__join(path, name) : orthsr__strdup(path); }

orthsr_status orthsr__file_to_write(char **out, const char *path, const char *name, orthsr_error *error) {
    *out = NULL;
    if (!orthsr__ends_with(path, strrchr(name, '.'))) ORTHSR__TRY(orthsr__make_directory(path, error));
    *out = orthsr__file_at(path, name);
    return *out ? ORTHSR_OK : orthsr__fail_memory(error, "a file name");
}

orthsr_status orthsr__next_name(const char **name, DIR *stream, const char *directory, orthsr_error *error) {
    errno = 0;
    const struct dirent *entry = readdir(stream); /* NOLINT(concurrency-mt-unsafe): streams are not shared */
    *name = entry ? entry->d_name : NULL;
    return entry || errno == 0 ? ORTHSR_OK : orthsr__fail_errno(error, "read the directory", directory);
}

orthsr_status orthsr__make_directory(const char *path, orthsr_error *error) {
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && orthsr__is_directory(path))) return ORTHSR_OK;
    return orthsr__fail_errno(error, "make directory", path);
}

/* A new file under the first free name; temporary ends in three digits to count with. Not mkstemp: its files are private, and giving them the usual
 * permissions takes the umask, which can only be read by changing it for every thread of the process. */
static int create(char *temporary) {
    char *digits = temporary + strlen(temporary) - 3;
    int fd = -1;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(digits, 4, "%03u", i);
        fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) break;
    }
    return fd;
}

orthsr_status orthsr__writer_open(orthsr__writer *writer, const char *path, orthsr_error *error) {
    *writer = (orthsr__writer){.fd = -1, .path = orthsr__strdup(path), .temporary = orthsr__format("%s.tmp-%ld-000", path, (long)getpid())};
    if (!writer->path || !writer->temporary) {
        free(writer->path);
        free(writer->temporary);
        *writer = (orthsr__writer){.fd = -1};
        return orthsr__fail_memory(error, "a file name");
    }
    writer->fd = create(writer->temporary);
    if (writer->fd < 0) {
        orthsr_status status = orthsr__fail_errno(error, "create a file beside", path);
        free(writer->path);
        free(writer->temporary);
        *writer = (orthsr__writer){.fd = -1};
        return status;
    }
    return ORTHSR_OK;
}

orthsr_status orthsr__writer_write(orthsr__writer *writer, const void *bytes, size_t size, orthsr_error *error) {
    const char *at = bytes;
    for (size_t left = size; left > 0;) {
        ssize_t n = write(writer->fd, at, left < (1u << 30) ? left : (1u << 30));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return orthsr__fail_errno(error, "write", writer->path);
        at += n;
        left -= (size_t)n;
    }
    writer->written += size;
    return ORTHSR_OK;
}

void orthsr__writer_discard(orthsr__writer *writer) {
    if (writer->fd >= 0) close(writer->fd);
    if (writer->temporary) unlink(writer->temporary);
    free(writer->path);
    free(writer->temporary);
    *writer = (orthsr__writer){.fd = -1};
}

/* The rename is durable only once the directory is synced; a file system that cannot do that has promised nothing either way. */
static void sync_directory_of(const char *path) {
    const char *slash = strrchr(path, '/');
    char *directory = slash ? orthsr__strndup(path, slash == path ? 1 : (size_t)(slash - path)) : orthsr__strdup(".");
    int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(directory);
}

/* No second names there. */
static bool has_no_links(int number) { return number == EPERM || number == EOPNOTSUPP || number == ENOSYS || number == EMLINK; }

/* A regular file at path is called previous too, in place of what was called so until that very moment; where the file system has no second names, instead. */
static orthsr_status keep(const orthsr__writer *writer, orthsr_error *error) {
    struct stat info;
    const char *path = writer->path, *previous = writer->previous;
    if (!previous) return ORTHSR_OK;
    if (lstat(path, &info) != 0) return errno == ENOENT ? ORTHSR_OK : orthsr__fail_errno(error, "keep a file as", previous);
    if (!S_ISREG(info.st_mode)) return ORTHSR_OK;
    char *second = orthsr__format("%s.old", writer->temporary);
    if (!second) return orthsr__fail_memory(error, "a file name");
    bool linked = link(path, second) == 0;
    bool kept = linked ? rename(second, previous) == 0 : has_no_links(errno) && rename(path, previous) == 0;
    orthsr_status status = kept ? ORTHSR_OK : orthsr__fail_errno(error, "keep a file as", previous);
    if (linked) unlink(second); /* still there where the two were one file already */
    free(second);
    return status;
}

/* All bytes are on the disk, under the temporary name. */
static orthsr_status finish(orthsr__writer *writer, orthsr_error *error) {
    orthsr_status status = ORTHSR_OK;
    if (fsync(writer->fd) != 0) status = orthsr__fail_errno(error, "sync", writer->path);
    if (close(writer->fd) != 0 && !status) status = orthsr__fail_errno(error, "close", writer->path);
    writer->fd = -1;
    return status;
}

static orthsr_status take_name(orthsr__writer *writer, orthsr_error *error) {
    if (rename(writer->temporary, writer->path) != 0) return orthsr__fail_errno(error, "rename a file to", writer->path);
    free(writer->temporary);
    writer->temporary = NULL;
    return ORTHSR_OK;
}

orthsr_status orthsr__writer_commit(orthsr__writer *writer, orthsr_error *error) {
    orthsr_status status = finish(writer, error);
    if (!status) status = keep(writer, error);
    if (!status) status = take_name(writer, error);
    if (!status) sync_directory_of(writer->path);
    orthsr__writer_discard(writer);
    return status;
}

orthsr_status orthsr__write_file(const char *path, const void *bytes, size_t size, orthsr_error *error) {
    orthsr__writer writer;
    ORTHSR__TRY(orthsr__writer_open(&writer, path, error));
    orthsr_status status = orthsr__writer_write(&writer, bytes, size, error);
    if (status) {
        orthsr__writer_discard(&writer);
        return status;
    }
    return orthsr__writer_commit(&writer, error);
}

/* ---- several files ------------------------------------------------------------------------------------------------------ */

orthsr_status orthsr__writers_open(orthsr__writers *files, const char *path, orthsr_error *error) {
    if (!orthsr__reserve((void **)&files->list, &files->capacity, files->count + 1, sizeof *files->list)) return orthsr__fail_memory(error, "a list of files");
    ORTHSR__TRY(orthsr__writer_open(&files->list[files->count], path, error));
    files->count++;
    return ORTHSR_OK;
}

void orthsr__writers_discard(orthsr__writers *files) {
    for (size_t i = 0; i < files->count; i++) orthsr__writer_discard(&files->list[i]);
    free(files->list);
    *files = (orthsr__writers){0};
}

/* What becomes of a file's name while others do not have theirs. */
typedef enum earlier { NONE, KEPT, REPLACED } earlier; /* nothing had it; it has a second name, <temporary>.old; it is lost */

static orthsr_status keep_earlier(earlier *out, char *second, const orthsr__writer *writer, orthsr_error *error) {
    *out = KEPT;
    if (link(writer->path, second) == 0) return ORTHSR_OK;
    *out = errno == ENOENT ? NONE : REPLACED;
    if (errno == ENOENT || has_no_links(errno)) return ORTHSR_OK;
    return orthsr__fail_errno(error, "keep the earlier", writer->path);
}

orthsr_status orthsr__writers_commit(orthsr__writers *files, orthsr_error *error) {
    size_t n = files->count, named = 0, kept = 0;
    earlier *before = orthsr__calloc(n, sizeof *before);
    char **second = orthsr__calloc(n, sizeof *second);
    orthsr_status status = before && second ? ORTHSR_OK : orthsr__fail_memory(error, "a list of files");
    for (size_t i = 0; i < n && !status; i++) {
        status = finish(&files->list[i], error);
        second[i] = orthsr__format("%s.old", files->list[i].temporary);
        if (!second[i] && !status) status = orthsr__fail_memory(error, "a file name");
    }
    for (; kept < n && !status; kept += !status) status = keep_earlier(&before[kept], second[kept], &files->list[kept], error);
    for (; named < n && !status; named += !status) status = take_name(&files->list[named], error);
    for (size_t i = 0; i < kept; i++) {
        const char *path = files->list[i].path;
        if (status && i < named && before[i] == KEPT) (void)rename(second[i], path);
        else if (before[i] == KEPT) unlink(second[i]);
        else if (status && i < named && before[i] == NONE) unlink(path);
    }
    if (!status && n > 0) sync_directory_of(files->list[0].path);
    if (second) orthsr__free_texts(second, n);
    free(before);
    orthsr__writers_discard(files);
    return status;
}
