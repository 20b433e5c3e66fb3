/* open.c - how long a large checkpoint takes to open, and what memory that costs beside the mapped file.
 *
 * usage: build/bench/open [MODEL]        (default: a float32 ViT-B/16 of 600 MB in Hugging Face's names, made under /tmp and removed; its weights are
 * zeros that the file system need not store, but that are mapped and checked like any others)
 */
#include "bench.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "io/safetensors.h"

enum { REPETITIONS = 9, MAX_TENSORS = 512 };

/* ---- a checkpoint of the right shape -------------------------------------------------------------------------------------- */

static struct {
    char name[MAX_TENSORS][96];
    size_t shape[MAX_TENSORS][4];
    orthsr__tensor_spec spec[MAX_TENSORS];
    size_t count, bytes;
} table;

static void add(const char *prefix, const char *name, size_t rank, size_t a, size_t b, size_t c) {
    size_t i = table.count++, elements = a * (rank > 1 ? b : 1) * (rank > 2 ? c * c : 1);
    const size_t shape[4] = {a, b, c, c};
    snprintf(table.name[i], sizeof table.name[i], "%s%s", prefix, name);
    memcpy(table.shape[i], shape, sizeof shape);
    table.spec[i] = (orthsr__tensor_spec){.name = table.name[i], .dtype_name = "F32", .rank = rank, .shape = table.shape[i], .bytes = 4 * elements};
    table.bytes += 4 * elements;
}

static void add_layers(const char *tower, size_t width) {
    static const char *const maps[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2"},
                             *const norms[] = {"layer_norm1", "layer_norm2"};
    char name[96];
    for (size_t layer = 0; layer < 12; layer++) {
        for (size_t i = 0; i < 6; i++) {
            size_t out = i == 4 ? 4 * width : width, in = i == 5 ? 4 * width : width;
            snprintf(name, sizeof name, "encoder.layers.%zu.%s.weight", layer, maps[i]);
            add(tower, name, 2, out, in, 0);
            snprintf(name, sizeof name, "encoder.layers.%zu.%s.bias", layer, maps[i]);
            add(tower, name, 1, out, 0, 0);
        }
        for (size_t i = 0; i < 2; i++) {
            snprintf(name, sizeof name, "encoder.layers.%zu.%s.weight", layer, norms[i]);
            add(tower, name, 1, width, 0, 0);
            snprintf(name, sizeof name, "encoder.layers.%zu.%s.bias", layer, norms[i]);
            add(tower, name, 1, width, 0, 0);
        }
    }
}

static void make_model(const char *directory) {
    static const char config[] = "{\"model_type\": \"clip\", \"projection_dim\": 512, \"vision_config\": {\"patch_size\": 16}, \"text_config\": {}}";
    char path[256];
    add("", "logit_scale", 1, 1, 0, 0);
    add("vision_model.", "embeddings.class_embedding", 1, 768, 0, 0);
    add("vision_model.", "embeddings.patch_embedding.weight", 4, 768, 3, 16);
    add("vision_model.", "embeddings.position_embedding.weight", 2, 197, 768, 0);
    add("vision_model.", "pre_layrnorm.weight", 1, 768, 0, 0);
    add("vision_model.", "pre_layrnorm.bias", 1, 768, 0, 0);
    add("vision_model.", "post_layernorm.weight", 1, 768, 0, 0);
    add("vision_model.", "post_layernorm.bias", 1, 768, 0, 0);
    add_layers("vision_model.", 768);
    add("", "visual_projection.weight", 2, 512, 768, 0);
    add("text_model.", "embeddings.token_embedding.weight", 2, 49408, 512, 0);
    add("text_model.", "embeddings.position_embedding.weight", 2, 77, 512, 0);
    add("text_model.", "final_layer_norm.weight", 1, 512, 0, 0);
    add("text_model.", "final_layer_norm.bias", 1, 512, 0, 0);
    add_layers("text_model.", 512);
    add("", "text_projection.weight", 2, 512, 512, 0);
    snprintf(path, sizeof path, "%s/config.json", directory);
    must(orthsr__write_file(path, config, sizeof config - 1, &error));
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    orthsr__writer writer;
    must(orthsr__writer_open(&writer, path, &error));
    must(orthsr__safetensors_write_header(&writer, table.spec, table.count, NULL, &error));
    if (ftruncate(writer.fd, (off_t)(writer.written + table.bytes)) != 0) perror(path), exit(1);
    must(orthsr__writer_commit(&writer, &error));
}

/* ---- timing ------------------------------------------------------------------------------------------------------------------ */

int main(int argc, char **argv) {
    char directory[] = "/tmp/orthsr-open-XXXXXX", command[64];
    const char *path = argc > 1 ? argv[1] : mkdtemp(directory);
    if (!path) perror(directory), exit(1);
    if (argc == 1) make_model(path);
    double seconds[REPETITIONS];
    long before = memory("RssAnon:"), anonymous = 0, file = 0;
    for (int i = -1; i < REPETITIONS; i++) { /* the first brings the file into the page cache */
        orthsr_model *model;
        double start = now();
        must(orthsr_model_open(&model, path, &error));
        if (i >= 0) seconds[i] = now() - start;
        anonymous = memory("RssAnon:") - before;
        file = memory("RssFile:");
        orthsr_model_free(model);
    }
    qsort(seconds, REPETITIONS, sizeof *seconds, ascending);
    printf("open, page cache warm        min %9.3f ms  median %9.3f ms\n", 1e3 * seconds[0], 1e3 * seconds[REPETITIONS / 2]);
    printf("memory: %.1f MB of the file mapped, %.1f MB allocated beside it\n", (double)file / 1e3, (double)anonymous / 1e3);
    if (argc > 1) return 0;
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    return system(command) != 0;
}
