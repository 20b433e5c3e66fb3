/* file.h - files read or mapped, and files written so that a failure loses nothing. */
#ifndef ORTHSR_BASE_FILE_H
#define ORTHSR_BASE_FILE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <orthsr/status.h>

/* A regular file to read from, *fd -1 on failure: another kind could keep its reader waiting for ever. */
orthsr_status orthsr__open(int *fd, off_t *size, const char *path, orthsr_error *error);

/* size bytes from offset on, all of them: IO where the file has become shorter since it was opened. */
orthsr_status orthsr__read_at(int fd, void *bytes, size_t size, size_t offset, const char *path, orthsr_error *error);

/* A whole regular file in memory, mapped or read. data is NULL when size is 0. */
typedef struct orthsr__mapping {
    const uint8_t *data; /* (size) */
    size_t size;
    bool is_read; /* into memory of its own */
} orthsr__mapping;

/* Mapped, nothing is copied; but touching what another process has meanwhile cut off raises SIGBUS. For weights alone. */
orthsr_status orthsr__map(orthsr__mapping *out, const char *path, orthsr_error *error);

/* Read, whatever becomes of the file afterwards. FORMAT when it has more than `limit` bytes. */
orthsr_status orthsr__read(orthsr__mapping *out, const char *path, size_t limit, orthsr_error *error);

/* Room for a file of this size, which is read into it part by part as it proves right: until then nothing is touched, and a size that lies costs nothing. The
 * data are at a multiple of 64. */
orthsr_status orthsr__make_room(orthsr__mapping *out, off_t size, const char *path, orthsr_error *error);

void orthsr__unmap(orthsr__mapping *mapping); /* of any kind */

bool orthsr__is_directory(const char *path);
bool orthsr__is_file(const char *path);
/* The same of a file whose want must not be taken for granted: where the system does not say, it is an error. */
orthsr_status orthsr__look_for(bool *there, const char *path, orthsr_error *error);

/* Whether directory has such a thing of this name. No memory is allocated for it. */
bool orthsr__has_folder(const char *directory, const char *name);
bool orthsr__has_file(const char *directory, const char *name);

/* Something has this name, if only a link to nothing: whoever put it there meant it to be read, and opening it says what is wrong. */
bool orthsr__is_there(const char *path);

/* Both are there, and are the same file or directory. */
bool orthsr__same_place(const char *a, const char *b);

/* "directory/name" in fresh memory; NULL when memory is short. */
char *orthsr__join(const char *directory, const char *name);

/* The file that path means, in fresh memory: name in it when path is a directory, else path itself. NULL when memory is short. */
char *orthsr__file_at(const char *path, const char *name);

/* The same of a file to be written, *out NULL on failure: a path that does not end like name (".safetensors") is a directory, made when absent. */
orthsr_status orthsr__file_to_write(char **out, const char *path, const char *name, orthsr_error *error);

/* The name of the stream's next entry, NULL at its end. */
orthsr_status orthsr__next_name(const char **name, DIR *stream, const char *directory, orthsr_error *error);

/* Makes the directory when it is absent (its parent must exist). */
orthsr_status orthsr__make_directory(const char *path, orthsr_error *error);

/* Atomic writing: bytes go to "<path>.tmp-<process>-<nnn>" beside path; commit syncs and renames it over path, discard removes it. After a failed
 * write the writer only needs discard; after commit, failed or not, nothing. A file that was at path stays whole until the rename. */
typedef struct orthsr__writer {
    int fd;               /* -1 when closed */
    char *path;           /* final name */
    char *temporary;      /* name now */
    const char *previous; /* what a file at path is called from commit on, beside it; NULL: it is gone. Borrowed, the opener's to set */
    uint64_t written;     /* bytes so far */
} orthsr__writer;

orthsr_status orthsr__writer_open(orthsr__writer *writer, const char *path, orthsr_error *error);
orthsr_status orthsr__writer_write(orthsr__writer *writer, const void *bytes, size_t size, orthsr_error *error);
orthsr_status orthsr__writer_commit(orthsr__writer *writer, orthsr_error *error);
void orthsr__writer_discard(orthsr__writer *writer);

/* All of it at once. */
orthsr_status orthsr__write_file(const char *path, const void *bytes, size_t size, orthsr_error *error);

/* Several files, all or none: each is written beside its place, and they get their names together when all are whole. If one cannot have its name, those
 * that have theirs give it back to what was there before (where the file system has hard links; else each file is the old or the new one, whole). */
typedef struct orthsr__writers {
    orthsr__writer *list; /* (count) */
    size_t count, capacity;
} orthsr__writers;

/* A further file, list[count - 1] until the next one is opened. */
orthsr_status orthsr__writers_open(orthsr__writers *files, const char *path, orthsr_error *error);
/* After these two, failed or not, nothing is left of the writers. */
orthsr_status orthsr__writers_commit(orthsr__writers *files, orthsr_error *error);
void orthsr__writers_discard(orthsr__writers *files);

#endif
