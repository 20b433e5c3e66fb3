/* tokenize.c - `orthsr tokenize`: token ids of each line of a file. */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "inputs.h"
#include "report.h"

static json_t *tokens_json(const int32_t *tokens, size_t rows, size_t context) {
    json_t *object = json_object(), *array = json_array();
    for (size_t i = 0; i < rows; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < context; j++) json_array_append_new(row, json_integer(tokens[i * context + j]));
        json_array_append_new(array, row);
    }
    json_object_set_new(object, "tokens", array);
    return object;
}

static void print_tokens(const int32_t *tokens, size_t rows, size_t context, int32_t end_id) {
    for (size_t i = 0; i < rows; i++) {
        const int32_t *row = tokens + i * context;
        for (size_t j = 0; j < context; j++) {
            int last = row[j] == end_id || j + 1 == context;
            printf("%d%c", (int)row[j], last ? '\n' : ' ');
            if (last) break;
        }
    }
}

int command_tokenize(const settings *s) {
    orthsr_error error = {""};
    orthsr_model *model;
    texts lines = {0};
    int32_t *tokens = NULL;
    int code = EXIT_SUCCESS;
    orthsr_status status = open_model(&model, s->model, s, &error);
    if (status == ORTHSR_OK) status = texts_read(&lines, s->text, &error);
    if (status == ORTHSR_OK) status = texts_tokens(&tokens, &lines, model, &error);
    if (status != ORTHSR_OK) code = give_up(s, &error);
    else if (s->json) code = report_print(s, tokens_json(tokens, lines.count, orthsr_model_context_length(model)));
    else print_tokens(tokens, lines.count, orthsr_model_context_length(model), orthsr_tokenizer_end_id(orthsr_model_tokenizer(model)));
    free(tokens);
    texts_free(&lines);
    orthsr_model_free(model);
    return code;
}
