#ifndef ORTHSR_READER_H
#define ORTHSR_READER_H 
#include <stddef.h>
#include <orthsr/dataset.h>
#include <orthsr/model.h>
#include <orthsr/status.h>
ORTHSR_BEGIN_DECLS
typedef struct orthsr_reader orthsr_reader;
ORTHSR_API orthsr_status orthsr_reader_new(orthsr_reader **out, const orthsr_dataset *dataset, const orthsr_model *model, size_t first, size_t count,
                                           orthsr_error *error);
ORTHSR_API void orthsr_reader_free(orthsr_reader *reader);
ORTHSR_API orthsr_status orthsr_reader_set_threads(orthsr_reader *reader, size_t threads, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_reader_set_skip(orthsr_reader *reader, int skip, orthsr_error *error);
ORTHSR_API orthsr_status orthsr_reader_next(orthsr_reader *reader, float *pixels, size_t *items, size_t most, size_t *n, orthsr_error *error);
ORTHSR_API size_t orthsr_reader_skipped(const orthsr_reader *reader);
ORTHSR_END_DECLS
#endif
