/* explain_page.h - the page of `orthsr explain`. */
#ifndef EXPLAIN_PAGE_H
#define EXPLAIN_PAGE_H

#include <jansson.h>

#include <orthsr/orthsr.h>

#include "picture.h"

/* Writes the page at path with the picture in it; result: what `orthsr explain --json` prints; maps: a picture for each of its "classes". */
orthsr_status explain_page_write(const char *path, const char *picture_path, const picture *maps, const json_t *result, orthsr_error *error);

#endif
