/* version.h - which release this is, at compile time and at run time. */
#ifndef ORTHSR_VERSION_H
#define ORTHSR_VERSION_H

#include <orthsr/visibility.h>

/* The release of the headers that a program is compiled with. Since 0.1. */
#define ORTHSR_VERSION_MAJOR 0
#define ORTHSR_VERSION_MINOR 1
#define ORTHSR_VERSION_PATCH 0
#define ORTHSR_VERSION_STRING "0.1.0"

ORTHSR_BEGIN_DECLS

/* The release of the library that is running, "MAJOR.MINOR.PATCH"; static storage. Since 0.1. */
ORTHSR_API const char *orthsr_version_string(void);

/* The same as a number, MAJOR * 10000 + MINOR * 100 + PATCH. Since 0.1. */
ORTHSR_API int orthsr_version_number(void);

ORTHSR_END_DECLS

#endif
