#ifndef ORTHSR_VERSION_H
#define ORTHSR_VERSION_H 
#include <orthsr/visibility.h>
#define ORTHSR_VERSION_MAJOR 0
#define ORTHSR_VERSION_MINOR 1
#define ORTHSR_VERSION_PATCH 0
#define ORTHSR_VERSION_STRING "0.1.0"
ORTHSR_BEGIN_DECLS
ORTHSR_API const char *orthsr_version_string(void);
ORTHSR_API int orthsr_version_number(void);
ORTHSR_END_DECLS
#endif
