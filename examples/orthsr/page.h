/* page.h - the page of a run: report.html, made of nothing but the files that lie beside it. */
#ifndef PAGE_H
#define PAGE_H

#include <jansson.h>
#include <stdio.h>

#include <orthsr/orthsr.h>

#define PAGE_NAME "report.html"

/* Writes DIRECTORY/report.html from result.json, and where they are from log.jsonl and shots/. */
orthsr_status page_write(const char *directory, orthsr_error *error);

/* DIRECTORY/result.json; the caller releases it. */
orthsr_status page_read_result(json_t **out, const char *directory, orthsr_error *error);

/* ---- parts of a page; each writes nothing where the result has nothing to tell ---- */

typedef struct page {
    FILE *f;
    const char *directory;
    const json_t *result;
} page;

void page_scores(const page *p);    /* page_scores.c */
void page_curves(const page *p);    /* page_curves.c: log.jsonl */
void page_classes(const page *p);   /* page_classes.c: accuracies, confusions */
void page_shots(const page *p);     /* page_model.c */
void page_rotations(const page *p); /* page_model.c */
void page_facts(const page *p);     /* page.c */

/* Members: NaN and "" where there is none. */
double number_of(const json_t *object, const char *key);
const char *string_of(const json_t *object, const char *key);

/* <h2> and a line that says what is seen. */
void page_section(FILE *f, const char *id, const char *title, const char *note);

/* "OrthSR", "CoOp", "unconstrained", ...: what a result calls its method. */
const char *page_method(const json_t *result);

/* "train" for a run that was trained, "evaluate" else. */
int page_is_training(const json_t *result);

#endif
