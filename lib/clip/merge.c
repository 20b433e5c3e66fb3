/* merge.c - the checkpoint written again with an adapter's rotations in its weights, or out of them, everything else byte for byte. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/memory.h"
#include "clip/model.h"

/* Files that belong to a checkpoint and are copied as they are. */
static const char *const companions[] = {
    "open_clip_config.json",
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "bpe_simple_vocab_16e6.txt.gz",
    "special_tokens_map.json",
    "added_tokens.json",
    "model.safetensors.index.json",
};

/* Which map each target sits on, and the files that are written: they get their names together. */
typedef struct merge {
    const orthsr_model *model;
    const orthsr_adapter *adapter;
    const orthsr__target **binding; /* (map_count) */
    const char *directory;
    bool inverse; /* unmerge */
    double deviation;
    orthsr__writers files;
} merge;

static bool adapts(const merge *m, const orthsr__tensor *tensor) {
    for (size_t i = 0; i < m->model->map_count; i++)
        if (m->binding[i] && orthsr__model_map(m->model, i)->source == tensor) return true;
    return false;
}

/* stored (elements): a copy of the tensor, in which the rows of every adapted map become W A^T (W A^-T to unmerge). */
static orthsr_status merge_tensor(merge *m, unsigned char *stored, const orthsr__tensor *tensor, orthsr_error *error) {
    static const orthsr_dtype dtypes[] = {
        [ORTHSR__F32] = ORTHSR_DTYPE_F32, [ORTHSR__F16] = ORTHSR_DTYPE_F16, [ORTHSR__BF16] = ORTHSR_DTYPE_BF16, [ORTHSR__F64] = ORTHSR_DTYPE_F64};
    size_t in = tensor->shape[1];
    for (size_t i = 0; i < m->model->map_count; i++) {
        const orthsr__linear *map = orthsr__model_map(m->model, i);
        if (!m->binding[i] || map->source != tensor) continue;
        orthsr_error why;
        orthsr_status status = orthsr__merge_buffer(m->adapter, m->binding[i], stored + map->source_row * in * orthsr__dtype_size(tensor->dtype),
                                                    dtypes[tensor->dtype], ORTHSR_ORDER_ROW_MAJOR, in, m->inverse, &m->deviation, &why);
        if (status) return orthsr__fail(error, status, "tensor '%s': %s", tensor->name, why.message);
    }
    return ORTHSR_OK;
}

static orthsr_status write_tensor(merge *m, orthsr__writer *writer, const orthsr__tensor *tensor, orthsr_error *error) {
    if (!adapts(m, tensor)) return orthsr__writer_write(writer, tensor->data, tensor->bytes, error);
    unsigned char *stored = orthsr__aligned(tensor->bytes, 1);
    if (!stored) return orthsr__fail_memory(error, "a merged weight");
    memcpy(stored, tensor->data, tensor->bytes);
    orthsr_status status = merge_tensor(m, stored, tensor, error);
    if (!status) status = orthsr__writer_write(writer, stored, tensor->bytes, error);
    free(stored);
    return status;
}

/* The tensors of a file in the order in which they are written (count): the format allows no padding between tensors, so those whose sizes are multiples of 64
 * bytes come first and begin at multiples of 64, then those of 32, and so on; within each, the order of the file. NULL when memory is short. */
static const orthsr__tensor **aligned_order(const orthsr__safetensors *file) {
    const orthsr__tensor **order = orthsr__calloc(file->count, sizeof *order);
    size_t n = 0;
    for (size_t unit = 64; order && unit > 0; unit /= 2)
        for (size_t i = 0; i < file->count; i++) {
            const orthsr__tensor *tensor = &file->tensors[i];
            if (tensor->bytes % unit == 0 && (unit == 64 || tensor->bytes % (2 * unit) != 0)) order[n++] = tensor;
        }
    return order;
}

static orthsr_status write_shard(merge *m, const orthsr__safetensors *file, orthsr_error *error) {
    const char *slash = strrchr(file->path, '/');
    char *path = orthsr__join(m->directory, slash ? slash + 1 : file->path);
    orthsr__tensor_spec *specs = orthsr__calloc(file->count, sizeof *specs);
    const orthsr__tensor **order = aligned_order(file); /* (count) */
    orthsr_status status = path && specs && order ? ORTHSR_OK : orthsr__fail_memory(error, "a file header");
    for (size_t i = 0; i < file->count && !status; i++) {
        const orthsr__tensor *tensor = order[i];
        specs[i] =
            (orthsr__tensor_spec){.name = tensor->name, .dtype_name = tensor->dtype_name, .rank = tensor->rank, .shape = tensor->shape, .bytes = tensor->bytes};
    }
    if (!status) status = orthsr__writers_open(&m->files, path, error);
    orthsr__writer *writer = status ? NULL : &m->files.list[m->files.count - 1];
    if (!status) status = orthsr__safetensors_write_header(writer, specs, file->count, file->metadata, error);
    for (size_t i = 0; i < file->count && !status; i++) status = write_tensor(m, writer, order[i], error);
    free(order);
    free(specs);
    free(path);
    return status;
}

static orthsr_status copy_file(merge *m, const char *from, const char *to, orthsr_error *error) {
    uint8_t block[1 << 14];
    int fd;
    off_t size;
    ORTHSR__TRY(orthsr__open(&fd, &size, from, error));
    orthsr_status status = orthsr__writers_open(&m->files, to, error);
    for (size_t at = 0, n; at < (size_t)size && !status; at += n) {
        n = (size_t)size - at < sizeof block ? (size_t)size - at : sizeof block;
        status = orthsr__read_at(fd, block, n, at, from, error);
        if (!status) status = orthsr__writer_write(&m->files.list[m->files.count - 1], block, n, error);
    }
    close(fd);
    return status;
}

static orthsr_status copy_companion(merge *m, const char *name, orthsr_error *error) {
    char *from = orthsr__join(m->model->directory, name), *to = orthsr__join(m->directory, name);
    bool there = false;
    orthsr_status status = from && to ? orthsr__look_for(&there, from, error) : orthsr__fail_memory(error, "a file name");
    if (!status && there) status = copy_file(m, from, to, error);
    free(from);
    free(to);
    return status;
}

static orthsr_status rewrite(const orthsr_model *model, const orthsr_adapter *adapter, const char *directory, bool inverse, double *deviation,
                             orthsr_error *error) {
    if (orthsr__same_place(model->directory, directory))
        return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "'%s' is the model's own directory; choose another one", directory);
    merge m = {.model = model, .adapter = adapter, .directory = directory, .inverse = inverse};
    ORTHSR__TRY(orthsr__bind(&m.binding, model, adapter, error));
    bool made = !orthsr__is_directory(directory);
    orthsr_status status = orthsr__make_directory(directory, error);
    for (size_t f = 0; f < model->file_count && !status; f++) status = write_shard(&m, &model->files[f], error);
    for (size_t i = 0; i < sizeof companions / sizeof *companions && !status; i++) status = copy_companion(&m, companions[i], error);
    if (!status) status = orthsr__writers_commit(&m.files, error);
    orthsr__writers_discard(&m.files);
    if (status && made) rmdir(directory);
    free(m.binding);
    if (!status && deviation) *deviation = m.deviation;
    return status;
}

orthsr_status orthsr_model_merge(const orthsr_model *model, const orthsr_adapter *adapter, const char *directory, double *deviation, orthsr_error *error) {
    ORTHSR__REQUIRE(model && adapter && directory, error, "an argument is NULL");
    return rewrite(model, adapter, directory, false, deviation, error);
}

orthsr_status orthsr_model_unmerge(const orthsr_model *model, const orthsr_adapter *adapter, const char *directory, double *deviation, orthsr_error *error) {
    ORTHSR__REQUIRE(model && adapter && directory, error, "an argument is NULL");
    return rewrite(model, adapter, directory, true, deviation, error);
}
