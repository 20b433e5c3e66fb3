/* html_entities.h - the named character references of HTML 5. */
#ifndef ORTHSR_CLIP_HTML_ENTITIES_H
#define ORTHSR_CLIP_HTML_ENTITIES_H

#include <stdbool.h>

typedef struct orthsr__html_entity {
    char name[32]; /* without '&' and ';' */
    char text[7];  /* UTF-8: one or two characters */
    bool bare;     /* known without ';' as well */
} orthsr__html_entity;

enum { ORTHSR__HTML_ENTITIES = 2125 };

/* Sorted by name, as strcmp sorts. */
extern const orthsr__html_entity orthsr__html_entities[ORTHSR__HTML_ENTITIES];

#endif
