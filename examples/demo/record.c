/* record.c - the demo's run, told as `orthsr train` tells its own. */
#include "record.h"

#include <stdlib.h>

#include "../orthsr/details.h"
#include "../orthsr/page.h"
#include "../orthsr/report.h"
#include "camera.h"

void record_open(record *r, char *line) { *r = (record){.command = line}; }

void record_close(record *r) {
    output_abandon(&r->log);
    tally_free(&r->before);
    tally_free(&r->after);
    json_decref(r->details);
    free(r->command);
}

orthsr_status record_begin(record *r, const char *directory, orthsr_error *error) {
    char *path = join_path(directory, "log.jsonl");
    r->directory = directory;
    orthsr_status status = path ? output_open(&r->log, path, error) : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for a name in '%s'", directory);
    free(path);
    return status;
}

void record_step(record *r, const orthsr_trainer *trainer) {
    r->steps = orthsr_trainer_step_count(trainer);
    r->last_loss = orthsr_trainer_metric(trainer, ORTHSR_METRIC_LOSS);
    r->orthogonality = orthsr_trainer_metric(trainer, ORTHSR_METRIC_ORTHOGONALITY);
    if (r->steps == 1) r->first_loss = r->last_loss;
    run_phases_add(&r->phases, trainer);
    char *line = run_log_line(trainer);
    if (line) fprintf(r->log.stream, "%s\n", line);
    free(line);
}

static json_t *names_json(const orthsr_dataset *dataset, const char *(*name)(const orthsr_dataset *, size_t), size_t n) {
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(array, report_text(name(dataset, i)));
    return array;
}

orthsr_status record_end(record *r, const record_of *what, double seconds, orthsr_error *error) {
    const details d = {.model = what->model,
                       .adapter = what->adapter,
                       .shots = what->shots,
                       .test = what->test,
                       .templates = what->templates,
                       .n_templates = what->n_templates,
                       .cut = {.source = ORTHSR_CUTOUT_TEXT, .holes = 1, .size = 0.4F},
                       .directory = r->directory,
                       .before = &r->before,
                       .after = &r->after};
    r->seconds = seconds;
    r->parameters = orthsr_adapter_parameter_count(what->adapter);
    orthsr_status status = details_json(&r->details, &d, error);
    if (status != ORTHSR_OK) {
        json_decref(what->options);
        return status;
    }
    json_t *timing = json_object();
    put_number(timing, "training", seconds);
    json_object_set_new(timing, "steps", run_phases_json(&r->phases));
    json_object_set_new(r->details, "timing", timing);
    json_object_set_new(r->details, "options", what->options);
    put_text(r->details, "data", what->data);
    put_text(r->details, "fingerprint", orthsr_model_fingerprint(what->model));
    json_object_set_new(r->details, "classes", names_json(what->shots, orthsr_dataset_class_name, orthsr_dataset_class_count(what->shots)));
    json_object_set_new(r->details, "items", names_json(what->shots, orthsr_dataset_item_name, orthsr_dataset_count(what->shots)));
    return output_commit(&r->log, error);
}

/* Scores are means over the seeds; what is told of classes, angles and steps is the first seed's. */
static json_t *result_json(const record *r, const table *t, size_t own) {
    json_t *object = json_object(), *seeds = json_array(), *methods = json_array();
    for (size_t s = 0; s < t->n_seeds; s++) json_array_append_new(seeds, json_integer((json_int_t)t->seeds[s]));
    for (size_t m = 1; m < TABLE_ROWS; m++) json_array_append_new(methods, table_row_json(t, m));
    put_text(object, "version", orthsr_version_string());
    put_text(object, "command", r->command);
    put_text(object, "note", "The model knows upright clothes; here the camera is " CAMERA_TEXT ".");
    put_text(object, "method", "orthsr");
    put_count(object, "seed", t->seeds[0]);
    json_object_set_new(object, "seeds", seeds);
    put_text(object, "cutout", "off");
    put_count(object, "parameters", r->parameters);
    put_count(object, "steps", r->steps);
    put_number(object, "first_loss", r->first_loss);
    put_number(object, "last_loss", r->last_loss);
    put_number(object, "orthogonality", r->orthogonality);
    put_number(object, "seconds", r->seconds);
    json_object_set_new(object, "zeroshot", table_row_json(t, 0));
    json_object_set_new(object, "tuned", table_row_json(t, own));
    json_object_set_new(object, "methods", methods);
    json_object_update(object, r->details);
    return object;
}

orthsr_status record_write(record *r, const table *t, size_t own, orthsr_error *error) {
    json_t *object = result_json(r, t, own);
    char *text = report_line(object), *path = join_path(r->directory, "result.json");
    orthsr_status status = text && path ? output_write(path, text, error) : failed(error, ORTHSR_ERROR_MEMORY, "out of memory for result.json");
    json_decref(object);
    free(text);
    free(path);
    return status == ORTHSR_OK ? page_write(r->directory, error) : status;
}
