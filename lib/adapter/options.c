/* options.c - what an adapter is to look like. */
#include <stdlib.h>
#include <string.h>

#include "adapter/adapter.h"
#include "base/fail.h"
#include "base/memory.h"

const char *const orthsr__tower_names[ORTHSR__TOWERS] = {"image", "text"};
static const char *const MAPS[] = {"q", "k", "v", "out", "fc1", "fc2"};
enum { MAP_COUNT = sizeof MAPS / sizeof MAPS[0], FC1 = 4, FC2 = 5 };

orthsr_status orthsr_adapter_options_new(orthsr_adapter_options **out, orthsr_error *error) {
    ORTHSR__REQUIRE(out, error, "out is NULL");
    *out = NULL;
    orthsr_adapter_options *options = orthsr__calloc(1, sizeof *options);
    if (!options) return orthsr__fail_memory(error, "adapter options");
    options->parametrization = ORTHSR_CAYLEY;
    options->side = ORTHSR_SIDE_INPUT;
    options->blocks = 4;
    options->reflections = 8; /* as PEFT's HRA */
    options->small = 4;       /* as PEFT's BOFT */
    options->factors = 2;
    options->maps[FC1] = options->maps[FC2] = true;
    options->towers[ORTHSR__IMAGE_TOWER] = options->towers[ORTHSR__TEXT_TOWER] = true;
    *out = options;
    return ORTHSR_OK;
}

void orthsr_adapter_options_free(orthsr_adapter_options *options) {
    if (options) free(options->layers);
    free(options);
}

orthsr_status orthsr_adapter_options_set_parametrization(orthsr_adapter_options *options, orthsr_parametrization parametrization, orthsr_error *error) {
    ORTHSR__REQUIRE(options, error, "options is NULL");
    ORTHSR__REQUIRE(orthsr__parametrization_of(parametrization), error, "parametrization is none of ORTHSR_CAYLEY to ORTHSR_MANIFOLD");
    options->parametrization = parametrization;
    return ORTHSR_OK;
}

orthsr_status orthsr_adapter_options_set_reflections(orthsr_adapter_options *options, size_t reflections, orthsr_error *error) {
    ORTHSR__REQUIRE(options, error, "options is NULL");
    ORTHSR__REQUIRE(reflections > 0 && reflections % 2 == 0, error, "reflections is not an even number above 0");
    options->reflections = reflections;
    return ORTHSR_OK;
}

orthsr_status orthsr_adapter_options_set_butterfly(orthsr_adapter_options *options, size_t small_block, size_t factors, orthsr_error *error) {
    ORTHSR__REQUIRE(options, error, "options is NULL");
    ORTHSR__REQUIRE(small_block > 0 && small_block % 2 == 0, error, "small_block is not an even number above 0");
    ORTHSR__REQUIRE(factors > 0 && factors <= 31, error, "factors is outside 1 to 31");
    options->small = small_block;
    options->factors = factors;
    return ORTHSR_OK;
}

orthsr_status orthsr_adapter_options_set_coft(orthsr_adapter_options *options, float eps, orthsr_error *error) {
    ORTHSR__REQUIRE(options, error, "options is NULL");
    ORTHSR__REQUIRE(orthsr__at_least_zero(eps), error, "eps is negative or not finite");
    options->coft = eps;
    return ORTHSR_OK;
}

orthsr_status orthsr_adapter_options_set_side(orthsr_adapter_options *options, orthsr_side side, orthsr_error *error) {
    ORTHSR__REQUIRE(options, error, "options is NULL");
    ORTHSR__REQUIRE(side == ORTHSR_SIDE_INPUT || side == ORTHSR_SIDE_OUTPUT, error, "side is neither ORTHSR_SIDE_INPUT nor ORTHSR_SIDE_OUTPUT");
    options->side = side;
    return ORTHSR_OK;
}

orthsr_status orthsr_adapter_options_set_blocks(orthsr_adapter_options *options, size_t blocks, orthsr_error *error) {
    ORTHSR__REQUIRE(options, error, "options is NULL");
    ORTHSR__REQUIRE(blocks > 0, error, "blocks is 0");
    options->blocks = blocks;
    options->block_size = 0;
    return ORTHSR_OK;
}

orthsr_status orthsr_adapter_options_set_block_size(orthsr_adapter_options *options, size_t block_size, orthsr_error *error) {
    ORTHSR__REQUIRE(options, error, "options is NULL");
    ORTHSR__REQUIRE(block_size > 0, error, "block_size is 0");
    options->block_size = block_size;
    options->blocks = 0;
    return ORTHSR_OK;
}

orthsr_status orthsr_adapter_options_set_block_share(orthsr_adapter_options *options, int share, orthsr_error *error) {
    ORTHSR__REQUIRE(options, error, "options is NULL");
    options->share = share != 0;
    return ORTHSR_OK;
}

/* chosen (n) <- which of names (n) the comma-separated list holds; the caller takes it over only on success. */
static orthsr_status parse_list(bool *chosen, const char *const *names, size_t n, const char *list, const char *option, orthsr_error *error) {
    for (const char *item = list;;) {
        size_t length = strcspn(item, ","), i = 0;
        while (i < n && (strlen(names[i]) != length || memcmp(names[i], item, length) != 0)) i++;
        if (i == n) return orthsr__fail(error, ORTHSR_ERROR_ARGUMENT, "%s \"%s\": there is no '%.*s'", option, list, (int)length, item);
        chosen[i] = true;
        if (item[length] == '\0') return ORTHSR_OK;
        item += length + 1;
    }
}

orthsr_status orthsr_adapter_options_set_maps(orthsr_adapter_options *options, const char *maps, orthsr_error *error) {
    ORTHSR__REQUIRE(options && maps, error, "options or maps is NULL");
    bool chosen[MAP_COUNT] = {false};
    ORTHSR__TRY(parse_list(chosen, MAPS, MAP_COUNT, maps, "maps (of q,k,v,out,fc1,fc2)", error));
    memcpy(options->maps, chosen, sizeof chosen);
    return ORTHSR_OK;
}

orthsr_status orthsr_adapter_options_set_towers(orthsr_adapter_options *options, const char *towers, orthsr_error *error) {
    ORTHSR__REQUIRE(options && towers, error, "options or towers is NULL");
    bool chosen[ORTHSR__TOWERS] = {false};
    ORTHSR__TRY(parse_list(chosen, orthsr__tower_names, ORTHSR__TOWERS, towers, "towers (of image,text)", error));
    memcpy(options->towers, chosen, sizeof chosen);
    return ORTHSR_OK;
}
