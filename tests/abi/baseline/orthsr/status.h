#ifndef ORTHSR_STATUS_H
#define ORTHSR_STATUS_H 
#include <orthsr/visibility.h>
ORTHSR_BEGIN_DECLS
typedef enum orthsr_status {
    ORTHSR_OK = 0,
    ORTHSR_ERROR_ARGUMENT = -1,
    ORTHSR_ERROR_MEMORY = -2,
    ORTHSR_ERROR_IO = -3,
    ORTHSR_ERROR_FORMAT = -4,
    ORTHSR_ERROR_UNSUPPORTED = -5,
    ORTHSR_ERROR_MISMATCH = -6,
    ORTHSR_ERROR_NUMERIC = -7,
    ORTHSR_ERROR_CANCELLED = -8
} orthsr_status;
typedef struct orthsr_error {
    char message[1024];
} orthsr_error;
ORTHSR_API const char *orthsr_status_string(orthsr_status status);
ORTHSR_API void orthsr_free(void *memory);
ORTHSR_END_DECLS
#endif
