/* visibility.h - marks what the shared library exports. */
#ifndef ORTHSR_VISIBILITY_H
#define ORTHSR_VISIBILITY_H

/* Before every declaration of a function: the shared library exports it. Since 0.1. */
#if defined(__GNUC__)
#define ORTHSR_API __attribute__((visibility("default")))
#else
#define ORTHSR_API
#endif

/* Around the declarations of a header: C linkage in C++, nothing in C. Since 0.1. */
#if defined(__cplusplus)
#define ORTHSR_BEGIN_DECLS extern "C" {
#define ORTHSR_END_DECLS }
#else
#define ORTHSR_BEGIN_DECLS
#define ORTHSR_END_DECLS
#endif

#endif
