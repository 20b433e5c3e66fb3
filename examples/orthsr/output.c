/* output.c - complete files or none. */
#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"

char *join_path(const char *directory, const char *name) {
    size_t n = strlen(directory);
    const char *slash = n > 0 && directory[n - 1] == '/' ? "" : "/";
    size_t size = n + strlen(name) + 2;
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s%s%s", directory, slash, name);
    return path;
}

static void forget(output_file *f) {
    free(f->path);
    free(f->temporary);
    *f = (output_file){NULL, NULL, NULL};
}

static orthsr_status fail_write(orthsr_error *error, const char *path) {
    return failed(error, ORTHSR_ERROR_IO, "cannot write '%s': %s%s", path, strerror(errno), errno == ENOSPC ? "; make room" : "; name another place");
}

orthsr_status output_open(output_file *f, const char *path, orthsr_error *error) {
    size_t size = strlen(path) + sizeof ".tmp-XXXXXX";
    *f = (output_file){.path = strdup(path), .temporary = malloc(size)};
    if (!f->path || !f->temporary) {
        forget(f);
        return failed(error, ORTHSR_ERROR_MEMORY, "out of memory for the name of '%s'", path);
    }
    snprintf(f->temporary, size, "%s.tmp-XXXXXX", path);
    int descriptor = mkstemp(f->temporary);
    if (descriptor >= 0) f->stream = fdopen(descriptor, "w");
    if (f->stream) {
        mode_t mask = umask(0); /* mkstemp's file is private; ours is like any other */
        umask(mask);
        fchmod(descriptor, 0666 & ~mask);
        return ORTHSR_OK;
    }
    orthsr_status status = fail_write(error, path);
    if (descriptor >= 0) {
        close(descriptor);
        unlink(f->temporary);
    }
    forget(f);
    return status;
}

orthsr_status output_commit(output_file *f, orthsr_error *error) {
    int bad = fflush(f->stream) != 0 ? errno : ferror(f->stream) ? EIO : 0; /* of the first failure: later calls leave another errno */
    if (!bad && fsync(fileno(f->stream)) != 0) bad = errno;
    if (fclose(f->stream) != 0 && !bad) bad = errno;
    f->stream = NULL;
    if (!bad && rename(f->temporary, f->path) != 0) bad = errno;
    errno = bad;
    orthsr_status status = bad ? fail_write(error, f->path) : ORTHSR_OK;
    if (status != ORTHSR_OK) unlink(f->temporary);
    forget(f);
    return status;
}

void output_abandon(output_file *f) {
    if (!f->stream) return;
    fclose(f->stream);
    unlink(f->temporary);
    forget(f);
}

orthsr_status output_write(const char *path, const char *text, orthsr_error *error) {
    output_file f;
    orthsr_status status = output_open(&f, path, error);
    if (status != ORTHSR_OK) return status;
    fprintf(f.stream, "%s\n", text);
    return output_commit(&f, error);
}

void output_field(FILE *stream, const char *text, char end) {
    if (!strpbrk(text, ",\"\r\n")) {
        fprintf(stream, "%s%c", text, end);
        return;
    }
    putc('"', stream);
    for (; *text; text++) {
        if (*text == '"') putc('"', stream);
        putc(*text, stream);
    }
    fprintf(stream, "\"%c", end);
}

orthsr_status output_check(const char *path, orthsr_error *error) {
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return failed(error, ORTHSR_ERROR_IO, "cannot write '%s': it is a directory; name a file", path);
    output_file probe;
    orthsr_status status = output_open(&probe, path, error);
    if (status == ORTHSR_OK) output_abandon(&probe);
    return status;
}

orthsr_status output_directory(const char *path, int *made, orthsr_error *error) {
    *made = mkdir(path, 0777) == 0;
    if (*made) return ORTHSR_OK;
    if (errno != EEXIST)
        return failed(error, ORTHSR_ERROR_IO, "cannot make the directory '%s': %s; name one where you may write, in a directory that is there", path,
                      strerror(errno));
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) return failed(error, ORTHSR_ERROR_IO, "'%s' is not a directory; name another", path);
    if (access(path, W_OK | X_OK) != 0) return fail_write(error, path);
    return ORTHSR_OK;
}
